//! What the measuring commands left in a folder. A file that is not there is no error: the report says which command makes
//! it. A file that is there and broken is one.

pub mod criterion;
pub mod harness;

use std::io;
use std::path::Path;
use std::time::SystemTime;

use serde::de::DeserializeOwned;

use crate::bench::instructions::Record;
use criterion::Benchmark;
use harness::{BreakEven, Peers};

pub use crate::bench::saved::Positive;
use crate::bench::saved::{self, Format, SavedError};

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
    pub content: Record,
    /// When they were counted here; `None` for those of the source.
    pub modified: Option<SystemTime>,
}

impl Counted {
    fn read(path: &Path) -> Result<Counted, SavedError> {
        if let Some(Dated { content, modified }) = read(path, Some(saved::INSTRUCTIONS))? {
            return Ok(Counted { content, modified: Some(modified) });
        }
        Ok(Counted { content: Record::checked_in()?, modified: None })
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
            instructions: Counted::read(&harness.join("instructions.json"))?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::instructions::{Count, ISAS};

    #[test]
    fn checked_in_record_has_both_instruction_sets() {
        let counted = Counted::read(Path::new("no such file")).expect("it is no error");
        assert!(counted.modified.is_none());
        for isa in ISAS {
            let is_it = |count: &Count| (&*count.isa, &*count.workload, &*count.engine) == (isa, "fact", "regs");
            assert!(counted.content.counts.iter().any(is_it), "{isa}");
        }
    }
}
