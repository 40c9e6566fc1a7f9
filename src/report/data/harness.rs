//! What our own measuring commands write into `jitduel/`.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Positive;

/// `break-even.json`: the time from the verified program to the answer, over iterations of loops.
#[derive(Clone, Debug, Deserialize)]
pub struct BreakEven {
    /// On what it was measured.
    pub machine: Map<String, Value>,
    /// The command that measured it.
    pub command: String,
    /// The engine that the others are held against.
    pub interpreter: String,
    /// The probability with which all intervals together are right.
    pub confidence: f64,
    /// One for each workload and engine.
    pub lines: Vec<Sweep>,
}

/// One engine with one workload, over its sizes.
#[derive(Clone, Debug, Deserialize)]
pub struct Sweep {
    /// The workload.
    pub workload: String,
    /// The engine.
    pub engine: String,
    /// The sizes, ascending.
    #[serde(deserialize_with = "ascending")]
    pub points: Vec<Point>,
    /// Where the engine begins to win.
    pub break_even: Crossing,
}

/// One size.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Point {
    /// Iterations that loops start.
    pub iterations: u64,
    /// Nanoseconds of the interpreter, preparing and running.
    pub interpreter_ns: Positive,
    /// Nanoseconds of the engine, preparing and running.
    pub engine_ns: Positive,
}

/// Points between which a curve can be drawn.
fn ascending<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Point>, D::Error> {
    let points = Vec::<Point>::deserialize(deserializer)?;
    let is_curve = !points.is_empty() && points.is_sorted_by(|one, other| one.iterations < other.iterations);
    if is_curve { Ok(points) } else { Err(D::Error::custom("the points of a sweep do not ascend")) }
}

/// Where two curves cross, in iterations that loops start. `None` is beyond the sweep.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Crossing {
    /// The crossing; zero where the engine wins from the start.
    pub iterations: Option<f64>,
    /// The lower end of its interval.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
}

/// `peers.json`: compilers and interpreters of others beside our engines, in one run.
#[derive(Clone, Debug, Deserialize)]
pub struct Peers {
    /// On what it was measured.
    pub machine: Map<String, Value>,
    /// The command that measured it.
    pub command: String,
    /// Whom all are held against.
    pub base: String,
    /// One for each workload and contestant.
    pub lines: Vec<PeerLine>,
    /// Geometric means over workloads.
    pub means: Vec<PeerMean>,
    /// The probability with which all intervals together are right.
    pub confidence: f64,
    /// Who did not take part.
    pub not_run: Vec<NotRun>,
}

/// One contestant with one workload.
#[derive(Clone, Debug, Deserialize)]
pub struct PeerLine {
    /// The workload.
    pub workload: String,
    /// Who ran it.
    pub contestant: String,
    /// Whether it computes with the same integers; if not, it is left out of means.
    pub same_arithmetic: bool,
    /// What a reader must know, or nothing.
    pub note: String,
    /// Nanoseconds for each word.
    pub ns_per_word: Positive,
    /// Its time over that of the base.
    pub ratio: Positive,
    /// The lower end of the ratio's interval.
    pub low: Positive,
    /// Its upper end.
    pub high: Positive,
}

/// A geometric mean of ratios.
#[derive(Clone, Debug, Deserialize)]
pub struct PeerMean {
    /// Who.
    pub contestant: String,
    /// Time over that of the base.
    pub ratio: Positive,
    /// The lower end of its interval.
    pub low: Positive,
    /// Its upper end.
    pub high: Positive,
    /// Over how many workloads.
    pub workloads: usize,
}

/// Who did not take part, and why.
#[derive(Clone, Debug, Deserialize)]
pub struct NotRun {
    /// Who.
    pub contestant: String,
    /// Why.
    pub why: String,
}
