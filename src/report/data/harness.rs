//! The files that our own measuring commands write to `jitduel/`.

use std::num::NonZero;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Positive;

/// `break-even.json`: the time from the verified program to the answer, over iterations and calls.
#[derive(Clone, Debug, Deserialize)]
pub struct BreakEven {
    /// The machine that measured it.
    pub machine: Map<String, Value>,
    /// The command that measured it.
    pub command: String,
    /// The engine that the others are compared with.
    pub interpreter: String,
    /// The confidence that all intervals hold at the same time.
    pub confidence: f64,
    /// A sweep for each workload and engine.
    pub lines: Vec<Sweep>,
}

/// One engine on one workload, over its sizes.
#[derive(Clone, Debug, Deserialize)]
pub struct Sweep {
    /// The workload.
    pub workload: String,
    /// The engine.
    pub engine: String,
    /// The number of iterations from which the engine changes from the interpreter to machine code within its first run, if it does.
    pub change: Option<u64>,
    /// The sizes, ascending.
    #[serde(deserialize_with = "ascending")]
    pub points: Vec<Point>,
    /// The point from which the engine is faster.
    pub break_even: Crossing,
}

/// One size.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Point {
    /// The input.
    pub size: i64,
    /// Loop iterations and calls started.
    pub iterations: u64,
    /// The interpreter's time to prepare and run the program, in nanoseconds.
    pub interpreter_ns: Positive,
    /// The engine's time to prepare and run the program, in nanoseconds.
    pub engine_ns: Positive,
    /// The engine's time relative to the best choice, for the engine whose regret is computed.
    pub regret: Option<Positive>,
}

/// A point of a curve over iterations.
trait OverIterations {
    fn iterations(&self) -> u64;
}

impl OverIterations for Point {
    fn iterations(&self) -> u64 {
        self.iterations
    }
}

/// Accepts only ascending points, through which a curve can be drawn.
fn ascending<'de, D, P>(deserializer: D) -> Result<Vec<P>, D::Error>
where
    D: Deserializer<'de>,
    P: Deserialize<'de> + OverIterations,
{
    let points = Vec::<P>::deserialize(deserializer)?;
    let is_curve = !points.is_empty() && points.is_sorted_by(|one, other| one.iterations() < other.iterations());
    if is_curve { Ok(points) } else { Err(D::Error::custom("the points of a sweep are not in ascending order")) }
}

/// Where two curves cross, in iterations and calls. `None` means beyond the sweep.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Crossing {
    /// The crossing; zero if the engine is faster from the start.
    #[serde(default, deserialize_with = "zero_or_positive")]
    pub iterations: Option<f64>,
    /// The lower end of its interval.
    #[serde(default, deserialize_with = "zero_or_positive")]
    pub low: Option<f64>,
    /// The upper end of its interval.
    #[serde(default, deserialize_with = "zero_or_positive")]
    pub high: Option<f64>,
}

/// Accepts zero, and otherwise only what [`Positive`] accepts.
fn zero_or_positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    match Option::deserialize(deserializer)? {
        Some(number) if number != 0.0 => Positive::try_from(number).map(|it| Some(it.get())).map_err(D::Error::custom),
        zero_or_none => Ok(zero_or_none),
    }
}

/// `warm-up.json`: the time per iteration, over the number of iterations.
#[derive(Clone, Debug, Deserialize)]
pub struct WarmUp {
    /// The machine that measured it.
    pub machine: Map<String, Value>,
    /// The command that measured it.
    pub command: String,
    /// A curve for each workload and engine.
    pub lines: Vec<WarmUpLine>,
}

/// One engine on one workload, over its sizes.
#[derive(Clone, Debug, Deserialize)]
pub struct WarmUpLine {
    /// The workload.
    pub workload: String,
    /// The engine.
    pub engine: String,
    /// The same as in a [`Sweep`].
    pub change: Option<u64>,
    /// The sizes, ascending.
    #[serde(deserialize_with = "ascending")]
    pub points: Vec<WarmUpPoint>,
}

/// One size.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct WarmUpPoint {
    /// Loop iterations and calls started.
    pub iterations: NonZero<u64>,
    /// The time to prepare and run the program, in nanoseconds per iteration.
    pub ns_per_iteration: Positive,
}

impl OverIterations for WarmUpPoint {
    fn iterations(&self) -> u64 {
        self.iterations.get()
    }
}

/// What a tier costs, in nanoseconds.
#[derive(Clone, Debug, Deserialize)]
pub struct TierCosts {
    /// Compiling or translating anything at all.
    pub compile_ns: Positive,
    /// Compiling or translating one operation.
    pub compile_operation_ns: Positive,
    /// Executing one operation.
    pub operation_ns: Positive,
}

/// `costs.json`: the constants by which the tiered engine decides.
#[derive(Clone, Debug, Deserialize)]
pub struct Costs {
    /// The machine that measured it.
    pub machine: Map<String, Value>,
    /// The command that measured it.
    pub command: String,
    /// Interpreting one operation of the bytecode as it is, in nanoseconds.
    pub switch_ns: Positive,
    /// The same in a long loop.
    pub switch_long_ns: Positive,
    /// The interpreter, to whose code a program is translated.
    pub interpreter: TierCosts,
    /// Executing one operation of a long loop in the interpreter, in nanoseconds.
    pub interpreted_long_ns: Positive,
    /// The baseline.
    pub baseline: TierCosts,
    /// The register tier.
    pub registers: TierCosts,
    /// The number of programs that were compiled.
    pub programs: usize,
    /// The median relative error of the compile times that follow from the constants.
    pub error: f64,
    /// The number of workloads that were run.
    pub workloads: usize,
}

/// `ablation.json`: the optimizing tier without each of its passes.
#[derive(Clone, Debug, Deserialize)]
pub struct Ablation {
    /// The machine that measured it.
    pub machine: Map<String, Value>,
    /// The command that measured it.
    pub command: String,
    /// The tier as an engine.
    pub engine: String,
    /// The confidence that all intervals hold at the same time.
    pub confidence: f64,
    /// A row for each pass, and one for all of them.
    pub rows: Vec<AblationRow>,
}

/// The tier without a pass.
#[derive(Clone, Debug, Deserialize)]
pub struct AblationRow {
    /// The name of the pass.
    pub pass: String,
    /// What it does.
    pub about: String,
    /// Geometric means over all workloads and over those of each group.
    pub means: Vec<AblationMean>,
    /// The slowdown of each workload.
    pub workloads: Vec<AblationLine>,
    /// The compile time of the pass.
    pub compile: Vec<PassTime>,
}

/// A run time without a pass relative to that with all passes.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Ratio {
    /// The ratio.
    pub slowdown: Positive,
    /// The lower end of its interval.
    pub low: Positive,
    /// The upper end of its interval.
    pub high: Positive,
}

/// A mean over workloads.
#[derive(Clone, Debug, Deserialize)]
pub struct AblationMean {
    /// The group's name; `None` for all workloads.
    pub group: Option<String>,
    /// The number of workloads.
    pub workloads: usize,
    /// The mean.
    #[serde(flatten)]
    pub ratio: Ratio,
}

/// The slowdown of one workload.
#[derive(Clone, Debug, Deserialize)]
pub struct AblationLine {
    /// The workload.
    pub workload: String,
    /// The slowdown.
    #[serde(flatten)]
    pub ratio: Ratio,
}

/// The compile time of a pass, in nanoseconds per word of the text. It may be zero.
#[derive(Clone, Debug, Deserialize)]
pub struct PassTime {
    /// Which programs were compiled.
    pub programs: String,
    /// The mean over these programs.
    pub ns_per_word: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end of its interval.
    pub high: f64,
}

/// `peers.json`: our engines and other compilers and interpreters, in one run.
#[derive(Clone, Debug, Deserialize)]
pub struct Peers {
    /// The machine that measured it.
    pub machine: Map<String, Value>,
    /// The command that measured it.
    pub command: String,
    /// The contestant that the others are compared with.
    pub base: String,
    /// A line for each workload and contestant.
    pub lines: Vec<PeerLine>,
    /// Geometric means over all workloads.
    pub means: Vec<PeerMean>,
    /// The same over the workloads of each group.
    pub means_of_groups: Vec<GroupMeans>,
    /// The confidence that all intervals hold at the same time.
    pub confidence: f64,
    /// The contestants that did not run.
    pub not_run: Vec<NotRun>,
}

/// One contestant on one workload.
#[derive(Clone, Debug, Deserialize)]
pub struct PeerLine {
    /// The workload.
    pub workload: String,
    /// The contestant.
    pub contestant: String,
    /// Whether it computes with wrapping 64-bit integers; otherwise it is excluded from means.
    pub same_arithmetic: bool,
    /// A note for the reader; may be empty.
    pub note: String,
    /// Nanoseconds per word.
    pub ns_per_word: Positive,
    /// Its time relative to the base.
    pub ratio: Positive,
    /// The lower end of the ratio's interval.
    pub low: Positive,
    /// The upper end of the ratio's interval.
    pub high: Positive,
}

/// The means over a group of workloads.
#[derive(Clone, Debug, Deserialize)]
pub struct GroupMeans {
    /// The group's name.
    pub group: String,
    /// A mean for each contestant that ran a workload of the group.
    pub means: Vec<PeerMean>,
}

/// A geometric mean of ratios.
#[derive(Clone, Debug, Deserialize)]
pub struct PeerMean {
    /// The contestant.
    pub contestant: String,
    /// Its time relative to the base.
    pub ratio: Positive,
    /// The lower end of the ratio's interval.
    pub low: Positive,
    /// The upper end of the ratio's interval.
    pub high: Positive,
    /// The number of workloads.
    pub workloads: usize,
}

/// A contestant that did not run.
#[derive(Clone, Debug, Deserialize)]
pub struct NotRun {
    /// The contestant.
    pub contestant: String,
    /// The reason.
    pub why: String,
}
