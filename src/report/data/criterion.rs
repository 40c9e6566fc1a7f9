//! Criterion's results: `criterion/<group>/<name>/new/{benchmark,estimates,sample}.json`.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;

use super::{Dated, Positive, read as read_json};
use crate::bench::saved::SavedError;
use crate::bench::statistics::Estimate;

/// The latest result of a benchmark.
#[derive(Clone, Debug)]
pub struct Benchmark {
    /// The parts of its name: `execute`, `fact`, `jit`.
    pub name: Vec<String>,
    /// Nanoseconds per run: the median over samples, with criterion's interval.
    pub nanoseconds: Estimate,
    /// The confidence level of the interval.
    pub confidence: f64,
    /// The words of one run: executed words, or words of the text.
    pub words: Option<f64>,
    /// The number of samples.
    pub samples: usize,
    /// When it was run.
    pub modified: SystemTime,
}

impl Benchmark {
    /// Nanoseconds per word; `None` if words were not counted.
    pub fn per_word(&self) -> Option<Estimate> {
        let words = self.words?;
        let Estimate { value, low, high } = self.nanoseconds;
        Some(Estimate { value: value / words, low: low / words, high: high / words })
    }
}

/// The benchmark with this name, if it has run.
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

/// Reads all benchmarks, sorted by name.
///
/// # Errors
/// The first file that exists but cannot be read or parsed.
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
        // The siblings of `new` are saved baselines with the same files.
        if entry.file_name() == "new" {
            found.extend(benchmark(&entry.path())?);
        } else if !entry.path().join("benchmark.json").exists() {
            search(&entry.path(), found)?;
        }
    }
    Ok(())
}

/// Reads a benchmark; `None` if its run was interrupted before it wrote all files.
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
