//! Files in which the harness keeps what it measured: their formats, and how they are read. Nothing in them is trusted.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::files;

/// What a file says of itself, so that one of another version is not taken for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// What is in the file.
    pub kind: &'static str,
    /// Counts up with each change after which older files mean something else, or nothing.
    pub version: u32,
    /// The command that makes such a file.
    pub command: &'static str,
}

/// A race, as `bench` keeps it.
pub const BASELINE: Format = Format { kind: "race", version: 2, command: "jitduel bench … --save-baseline NAME" };
/// `break-even.json`.
pub const BREAK_EVEN: Format = Format { kind: "break-even", version: 3, command: "cargo bench --bench break_even" };
/// `peers.json`.
pub const PEERS: Format = Format { kind: "peers", version: 2, command: "cargo bench --features peers --bench peers" };
/// `instructions.json`.
pub const INSTRUCTIONS: Format = Format { kind: "instructions", version: 3, command: "scripts/count" };

impl Format {
    /// The value of the member `format`.
    pub fn tag(&self) -> String {
        format!("jitduel {} {}", self.kind, self.version)
    }
}

/// Why a file says nothing.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The system does not let a file or folder be read.
    #[error("cannot read `{path}`: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file is not what its name says.
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
        /// What the file says of itself.
        found: String,
        /// What it should say.
        expected: Format,
    },
}

/// The greatest size of a file in bytes; ours are a thousand times smaller.
const MAX_BYTES: u64 = 1 << 30;

/// The bytes of a file.
///
/// # Errors
/// Where it cannot be read, is no file (a named pipe would be waited for), or is so large that it is none of ours.
pub fn bytes(path: &Path) -> Result<Vec<u8>, SavedError> {
    files::read(path, MAX_BYTES).map_err(|error| SavedError::Io { path: path.to_owned(), error })
}

/// What the bytes of a file say, which is JSON, and where the harness wrote it, of this format.
///
/// # Errors
/// Where they say something else.
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
            None => Some("no format, as of an older version".into()),
        };
        if let Some(found) = found {
            return Err(SavedError::Format { path: path.to_owned(), found, expected });
        }
    }
    serde_json::from_slice(bytes).map_err(broken)
}

/// A time, a ratio or a count as files have it: greater than zero, so that it has a place on a logarithmic axis, and neither
/// smaller nor greater than anything that is measured.
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
        // In nanoseconds a billionth of one, and thirty years.
        let is_plausible = (1e-9..=1e18).contains(&number);
        if is_plausible { Ok(Positive(number)) } else { Err(format!("{number} is no number that was measured")) }
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
        assert!(read(r#"{"format": "jitduel peers 2"}"#).is_ok());
        for (text, found) in [
            ("{}", "no format, as of an older version"),
            (r#"{"format": "jitduel peers 3"}"#, "the format `jitduel peers 3`"),
            (r#"{"format": "jitduel race 2"}"#, "the format `jitduel race 2`"),
            (r#"{"format": 2}"#, "the format `2`"),
        ] {
            let again = "make it again: cargo bench --features peers --bench peers";
            let expected = format!("`file` has {found}, but this version reads `jitduel peers 2`; {again}");
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
