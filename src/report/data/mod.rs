//! What the measuring commands left in a folder. A file that is not there is no error: the report says which command makes
//! it. A file that is there and broken is one.

pub mod criterion;
pub mod harness;

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::bench::instructions::RECORD;
use crate::files;
use criterion::Benchmark;
use harness::{BreakEven, Instructions, Peers};

/// Everything that was found.
#[derive(Debug)]
pub struct Data {
    /// Criterion's benchmarks, sorted by their names.
    pub benchmarks: Vec<Benchmark>,
    /// From which size on an engine pays.
    pub break_even: Option<Dated<BreakEven>>,
    /// Executed instructions.
    pub instructions: Counted,
    /// Compilers and interpreters of others.
    pub peers: Option<Dated<Peers>>,
}

/// Executed instructions do not depend on the machine: where none were counted here, those of the source are as good.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The counts.
    pub content: Instructions,
    /// When they were counted here; `None` for those of the source.
    pub modified: Option<SystemTime>,
}

impl Counted {
    fn read(path: &Path) -> Result<Counted, DataError> {
        if let Some(Dated { content, modified }) = read(path)? {
            return Ok(Counted { content, modified: Some(modified) });
        }
        let content = serde_json::from_str(RECORD).expect("a test holds the record to its form");
        Ok(Counted { content, modified: None })
    }
}

/// What a file says, and since when.
#[derive(Clone, Debug)]
pub struct Dated<T> {
    /// What it says.
    pub content: T,
    /// When it was written.
    pub modified: SystemTime,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
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
}

impl Data {
    /// Reads a target folder of cargo's.
    ///
    /// # Errors
    /// The first file that is there and cannot be read or understood.
    pub fn read(target: &Path) -> Result<Data, DataError> {
        let harness = target.join("jitduel");
        Ok(Data {
            benchmarks: criterion::read(&target.join("criterion"))?,
            break_even: read(&harness.join("break-even.json"))?,
            instructions: Counted::read(&harness.join("instructions.json"))?,
            peers: read(&harness.join("peers.json"))?,
        })
    }
}

/// A file of JSON; `None` where there is none.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<Dated<T>>, DataError> {
    let failed = |error| DataError::Io { path: path.to_owned(), error };
    let text = match files::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(failed)?,
    };
    let modified = std::fs::metadata(path).and_then(|data| data.modified()).map_err(failed)?;
    let content = serde_json::from_slice(&text).map_err(|error| DataError::Json { path: path.to_owned(), error })?;
    Ok(Some(Dated { content, modified }))
}

/// A time, a ratio or a count as files have it: greater than zero, so that it has a place on a logarithmic axis.
#[derive(Clone, Copy, Debug, Deserialize)]
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
        let is_one = number.is_finite() && number > 0.0;
        if is_one { Ok(Positive(number)) } else { Err(format!("{number} is not greater than zero")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_of_the_source_has_both_instruction_sets() {
        let counted = Counted::read(Path::new("no such file")).expect("it is no error");
        assert!(counted.modified.is_none());
        for counts in [&counted.content.aarch64, &counted.content.x86_64] {
            assert!(counts["fact"]["regs"].is_some());
        }
    }
}
