//! Reads the files of the measuring commands. A missing file is not an error: the report names the command that writes it.
//! A broken file is an error.

pub mod criterion;
pub mod harness;

use std::io;
use std::path::Path;
use std::time::SystemTime;

use serde::de::DeserializeOwned;

use crate::bench::instructions::Record;
use criterion::Benchmark;
use harness::{Ablation, BreakEven, Costs, Peers, WarmUp};

pub use crate::bench::saved::Positive;
use crate::bench::saved::{self, Format, SavedError};

/// All measurements in a folder.
#[derive(Debug)]
pub struct Data {
    /// Criterion's benchmarks, sorted by name.
    pub benchmarks: Vec<Benchmark>,
    /// The sizes from which compiling pays.
    pub break_even: Option<Dated<BreakEven>>,
    /// The time per iteration, over the number of iterations.
    pub warm_up: Option<Dated<WarmUp>>,
    /// The constants by which the tiered engine decides.
    pub costs: Option<Dated<Costs>>,
    /// The passes of the optimizing tier.
    pub ablation: Option<Dated<Ablation>>,
    /// Executed instructions.
    pub instructions: Counted,
    /// Other compilers and interpreters.
    pub peers: Option<Dated<Peers>>,
}

/// Executed instructions. They do not depend on the machine, so the checked-in record is used if none were counted here.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The counts.
    pub content: Record,
    /// When they were counted here; `None` for the checked-in record.
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

/// The content of a file with its date.
#[derive(Clone, Debug)]
pub struct Dated<T> {
    /// The parsed content.
    pub content: T,
    /// When it was written.
    pub modified: SystemTime,
}

impl Data {
    /// Reads the measurements in cargo's target folder.
    ///
    /// # Errors
    /// The first file that exists but cannot be read or parsed.
    pub fn read(target: &Path) -> Result<Data, SavedError> {
        let harness = target.join("jitduel");
        Ok(Data {
            benchmarks: criterion::read(&target.join("criterion"))?,
            break_even: read(&harness.join("break-even.json"), Some(saved::BREAK_EVEN))?,
            warm_up: read(&harness.join("warm-up.json"), Some(saved::WARM_UP))?,
            costs: read(&harness.join("costs.json"), Some(saved::COSTS))?,
            ablation: read(&harness.join("ablation.json"), Some(saved::ABLATION))?,
            instructions: Counted::read(&harness.join("instructions.json"))?,
            peers: read(&harness.join("peers.json"), Some(saved::PEERS))?,
        })
    }
}

/// Reads a JSON file, and checks its format if it is one of ours; `None` if there is no file.
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
        let counted = Counted::read(Path::new("no such file")).expect("it is not an error");
        assert!(counted.modified.is_none());
        for isa in ISAS {
            let is_it = |count: &Count| (&*count.isa, &*count.workload, &*count.engine) == (isa, "fact", "regs");
            assert!(counted.content.counts.iter().any(is_it), "{isa}");
        }
    }
}
