//! The files in which the harness saves measurements: their formats and how they are read. Their contents are not trusted.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::files;

/// The identification of a file, so that a file of another version is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The kind of contents.
    pub kind: &'static str,
    /// The version; each incompatible change increments it.
    pub version: u32,
    /// The command that writes such a file.
    pub command: &'static str,
}

/// A race, as saved by `bench`.
pub const BASELINE: Format = Format { kind: "race", version: 2, command: "jitduel bench … --save-baseline NAME" };
/// `break-even.json`.
pub const BREAK_EVEN: Format = Format { kind: "break-even", version: 4, command: "cargo bench --bench break_even" };
/// `warm-up.json`.
pub const WARM_UP: Format = Format { kind: "warm-up", version: 1, command: "cargo bench --bench warm_up" };
/// `costs.json`.
pub const COSTS: Format = Format { kind: "costs", version: 5, command: "cargo bench --bench costs" };
/// `ablation.json`.
pub const ABLATION: Format = Format { kind: "ablation", version: 1, command: "cargo bench --bench ablation" };
/// `peers.json`.
pub const PEERS: Format = Format { kind: "peers", version: 3, command: "cargo bench --features peers --bench peers" };
/// `instructions.json`.
pub const INSTRUCTIONS: Format = Format { kind: "instructions", version: 3, command: "scripts/count" };

impl Format {
    /// The value of the member `format`.
    pub fn tag(&self) -> String {
        format!("jitduel {} {}", self.kind, self.version)
    }
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// A file or folder cannot be read.
    #[error("cannot read `{path}`: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The contents of a file are invalid.
    #[error("`{path}` is broken: {error}")]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: serde_json::Error,
    },
    /// A file was written by an older or newer version of this program.
    #[error("`{path}` has {found}, but this version reads `{}`; make it again: {}", expected.tag(), expected.command)]
    Format {
        /// The file.
        path: PathBuf,
        /// The format that was found, in words.
        found: String,
        /// The format that this version reads.
        expected: Format,
    },
}

/// The maximum size of a file in bytes; real files are a thousand times smaller.
const MAX_BYTES: u64 = 1 << 30;

/// The bytes of a file.
///
/// # Errors
/// If it cannot be read, is not a regular file (reading a named pipe would block), or is too large.
pub fn bytes(path: &Path) -> Result<Vec<u8>, SavedError> {
    files::read(path, MAX_BYTES).map_err(|error| SavedError::Io { path: path.to_owned(), error })
}

/// Parses the bytes of a JSON file. A file written by the harness must have the given format; criterion's files have none.
///
/// # Errors
/// If the bytes have another format or are not valid.
pub fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8], format: Option<Format>) -> Result<T, SavedError> {
    #[derive(Deserialize)]
    struct Tagged {
        format: Option<Value>,
    }
    let broken = |error| SavedError::Json { path: path.to_owned(), error };
    if let Some(expected) = format {
        let found = match serde_json::from_slice::<Tagged>(bytes).map_err(broken)?.format {
            Some(found) if found == expected.tag() => None,
            Some(found) => Some(format!("the format `{}`", found.as_str().map_or(found.to_string(), Into::into))),
            None => Some("no format, so it is from an older version".into()),
        };
        if let Some(found) = found {
            return Err(SavedError::Format { path: path.to_owned(), found, expected });
        }
    }
    serde_json::from_slice(bytes).map_err(broken)
}

/// A time, ratio or count from a file. It is greater than zero, so that a logarithmic axis can show it, and within the range
/// of real measurements.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Deserialize)]
#[serde(try_from = "f64")]
pub struct Positive(f64);

impl Positive {
    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Positive {
    type Error = String;

    fn try_from(number: f64) -> Result<Positive, String> {
        if !number.is_finite() || number <= 0.0 {
            return Err(format!("{number} is not greater than zero"));
        }
        // In nanoseconds, this is from a billionth of one to thirty years.
        let is_plausible = (1e-9..=1e18).contains(&number);
        if is_plausible { Ok(Positive(number)) } else { Err(format!("{number} cannot be a measurement")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_refused() {
        let read = |text: &str| {
            parse::<Value>(Path::new("file"), text.as_bytes(), Some(PEERS)).map_err(|error| error.to_string())
        };
        assert!(read(r#"{"format": "jitduel peers 3"}"#).is_ok());
        for (text, found) in [
            ("{}", "no format, so it is from an older version"),
            (r#"{"format": "jitduel peers 4"}"#, "the format `jitduel peers 4`"),
            (r#"{"format": "jitduel race 2"}"#, "the format `jitduel race 2`"),
            (r#"{"format": 2}"#, "the format `2`"),
        ] {
            let again = "make it again: cargo bench --features peers --bench peers";
            let expected = format!("`file` has {found}, but this version reads `jitduel peers 3`; {again}");
            assert_eq!(read(text), Err(expected));
        }
        assert!(read("[").is_err_and(|error| error.starts_with("`file` is broken: ")));
    }

    #[test]
    fn implausible_numbers_are_refused() {
        assert_eq!([1e-9, 1.0, 1e18].map(Positive::try_from).map(|number| number.is_ok()), [true; 3]);
        let refused = [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 1e300].map(Positive::try_from);
        assert!(refused.iter().all(Result::is_err), "{refused:?}");
    }

    #[test]
    fn folder_is_refused() {
        assert!(bytes(Path::new("/")).is_err_and(|error| error.to_string().ends_with("it is not a regular file")));
    }
}
