//! What criterion keeps of each benchmark: `criterion/<group>/<name>/new/{benchmark,estimates,sample}.json`.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;

use super::{Dated, Positive, read as read_json};
use crate::bench::saved::SavedError;
use crate::bench::statistics::Estimate;

/// One benchmark, as it was last run.
#[derive(Clone, Debug)]
pub struct Benchmark {
    /// The parts of its name: `execute`, `fact`, `jit`.
    pub name: Vec<String>,
    /// Nanoseconds of one run: the median over samples, with criterion's interval.
    pub nanoseconds: Estimate,
    /// The probability with which the interval is right.
    pub confidence: f64,
    /// What one run goes through: words carried out, or words of the text.
    pub words: Option<f64>,
    /// How many samples were taken.
    pub samples: usize,
    /// When it was run.
    pub modified: SystemTime,
}

impl Benchmark {
    /// Nanoseconds for each word; `None` where words were not counted.
    pub fn per_word(&self) -> Option<Estimate> {
        let words = self.words?;
        let Estimate { value, low, high } = self.nanoseconds;
        Some(Estimate { value: value / words, low: low / words, high: high / words })
    }
}

/// The benchmark with this name, if it was run.
pub fn find<'a>(benchmarks: &'a [Benchmark], name: &[&str]) -> Option<&'a Benchmark> {
    benchmarks.iter().find(|benchmark| benchmark.name == name)
}

#[derive(Deserialize)]
struct Identity {
    full_id: String,
    throughput: Option<Throughput>,
}

#[derive(Deserialize)]
struct Throughput {
    #[serde(rename = "Elements")]
    elements: Option<Positive>,
}

#[derive(Deserialize)]
struct Estimates {
    median: Median,
}

#[derive(Deserialize)]
struct Median {
    point_estimate: Positive,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    confidence_level: Positive,
    lower_bound: Positive,
    upper_bound: Positive,
}

#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
}

/// Reads all benchmarks, sorted by their names.
///
/// # Errors
/// The first file that is there and cannot be read or understood.
pub fn read(folder: &Path) -> Result<Vec<Benchmark>, SavedError> {
    let mut found = Vec::new();
    search(folder, &mut found)?;
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn search(folder: &Path, found: &mut Vec<Benchmark>) -> Result<(), SavedError> {
    let failed = |error| SavedError::Io { path: folder.to_owned(), error };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if !entry.file_type().map_err(failed)?.is_dir() {
            continue;
        }
        // Beside `new` lie saved baselines, which have the same files.
        if entry.file_name() == "new" {
            found.extend(benchmark(&entry.path())?);
        } else if !entry.path().join("benchmark.json").exists() {
            search(&entry.path(), found)?;
        }
    }
    Ok(())
}

/// A benchmark; `None` where a run was broken off before it wrote anything.
fn benchmark(folder: &Path) -> Result<Option<Benchmark>, SavedError> {
    let Some(Dated { content: identity, modified }) = read_json::<Identity>(&folder.join("benchmark.json"), None)?
    else {
        return Ok(None);
    };
    let Some(Dated { content: estimates, .. }) = read_json::<Estimates>(&folder.join("estimates.json"), None)? else {
        return Ok(None);
    };
    let Some(Dated { content: sample, .. }) = read_json::<Sample>(&folder.join("sample.json"), None)? else {
        return Ok(None);
    };
    let Median { point_estimate, confidence_interval: interval } = estimates.median;
    let (low, high) = (interval.lower_bound.get(), interval.upper_bound.get());
    Ok(Some(Benchmark {
        name: identity.full_id.split('/').map(Into::into).collect(),
        nanoseconds: Estimate { value: point_estimate.get(), low, high },
        confidence: interval.confidence_level.get(),
        words: identity.throughput.and_then(|throughput| throughput.elements).map(Positive::get),
        samples: sample.iters.len(),
        modified,
    }))
}
