//! What the measuring commands left in a folder. A file that is not there is no error: the report says which command makes
//! it. A file that is there and broken is one.

pub mod criterion;
pub mod harness;

use std::io;
use std::path::Path;
use std::time::SystemTime;

use serde::de::DeserializeOwned;

use criterion::Benchmark;
use harness::{BreakEven, Instructions, Peers};

pub use crate::bench::saved::Positive;
use crate::bench::saved::{self, Format, SavedError};

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Data {
    /// Criterion's benchmarks, sorted by their names.
    pub benchmarks: Vec<Benchmark>,
    /// From which size on an engine pays.
    pub break_even: Option<Dated<BreakEven>>,
    /// Executed instructions.
    pub instructions: Option<Dated<Instructions>>,
    /// Compilers and interpreters of others.
    pub peers: Option<Dated<Peers>>,
}

/// What a file says, and since when.
#[derive(Clone, Debug)]
pub struct Dated<T> {
    /// What it says.
    pub content: T,
    /// When it was written.
    pub modified: SystemTime,
}

impl Data {
    /// Reads a target folder of cargo's.
    ///
    /// # Errors
    /// The first file that is there and cannot be read or understood.
    pub fn read(target: &Path) -> Result<Data, SavedError> {
        let harness = target.join("jitduel");
        Ok(Data {
            benchmarks: criterion::read(&target.join("criterion"))?,
            break_even: read(&harness.join("break-even.json"), Some(saved::BREAK_EVEN))?,
            instructions: read(&harness.join("instructions.json"), Some(saved::INSTRUCTIONS))?,
            peers: read(&harness.join("peers.json"), Some(saved::PEERS))?,
        })
    }
}

/// A file of JSON, of this format where it is one of ours; `None` where there is none.
fn read<T: DeserializeOwned>(path: &Path, format: Option<Format>) -> Result<Option<Dated<T>>, SavedError> {
    let text = match saved::bytes(path) {
        Err(SavedError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let modified = std::fs::metadata(path).and_then(|data| data.modified());
    let modified = modified.map_err(|error| SavedError::Io { path: path.to_owned(), error })?;
    Ok(Some(Dated { content: saved::parse(path, &text, format)?, modified }))
}
