//! Statistics of generated programs, to notice a generator that has become biased.

use std::collections::BTreeMap;
use std::fmt;

use super::Trial;
use super::draft::Draft;
use super::features::features;
use crate::interp::tree::Measured;
use crate::lang::{NodeKind, Program};
use crate::outcome::Outcome;
use crate::plural::count;

/// Counts over the programs so far.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Programs.
    pub programs: u64,
    /// Invalid programs, by kind of fault.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Valid programs by outcome: `done`, or the kind of trap.
    pub outcomes: BTreeMap<String, u64>,
    /// Words of valid programs, by spelling; a literal is `N`, `K pick` is `pick`, a call is `CALL`, and the name of an array is
    /// `ADDRESS`.
    pub words: BTreeMap<&'static str, u64>,
    /// Valid programs that have a feature, by feature.
    pub features: BTreeMap<&'static str, u64>,
    /// Executed words.
    pub executed: u64,
    /// Iterations that loops started.
    pub iterations: u64,
    /// Calls that began.
    pub calls: u64,
    /// Inputs.
    pub inputs: u64,
    /// Valid programs by nesting level: the maximum number of nested bodies.
    pub nesting: BTreeMap<usize, u64>,
    /// The number of loops, and how many of them have a body that changes the stack height.
    pub loops: [u64; 2],
    /// Literals by class.
    pub literals: BTreeMap<&'static str, u64>,
    /// Valid programs that started no iteration.
    pub without_iterations: u64,
    /// The number of runs that finish exactly at their fuel limit, of those that reach exactly their stack limit, and of those
    /// with calls that reach exactly their call limit.
    pub at_limits: [u64; 3],
}

impl Statistics {
    /// Counts a program.
    pub fn add(&mut self, trial: &Trial) {
        self.programs += 1;
        let program = match trial.load() {
            Ok(program) => program,
            Err(fault) => {
                *self.rejected.entry(fault.kind()).or_default() += 1;
                return;
            }
        };
        self.valid(trial, &program, &trial.measure(program.ast()));
    }

    fn valid(&mut self, trial: &Trial, program: &Program, measured: &Measured) {
        let outcome = match &measured.outcome {
            Outcome::Done(_) => "done".to_owned(),
            Outcome::Trap(trap) => trap.kind.to_string(),
        };
        if outcome == "done" {
            self.at_limits[0] += u64::from(measured.fuel() > 0 && measured.fuel() == trial.fuel);
            self.at_limits[1] += u64::from(measured.deepest == trial.stack_limit);
            self.at_limits[2] += u64::from(measured.calls > 0 && measured.call_depth == trial.call_limit);
        }
        *self.outcomes.entry(outcome).or_default() += 1;
        self.executed += measured.words;
        self.iterations += measured.iterations;
        self.calls += measured.calls;
        self.inputs += trial.inputs.len() as u64;
        self.without_iterations += u64::from(measured.iterations == 0);
        *self.nesting.entry(program.ast().nesting()).or_default() += 1;
        for feature in features(trial, program, measured) {
            *self.features.entry(feature).or_default() += 1;
        }
        let draft = Draft::of(program.ast());
        for (index, kind) in draft.nodes.iter().enumerate() {
            let spelling = match *kind {
                NodeKind::Call(_) => "CALL",
                NodeKind::Address(_) => "ADDRESS",
                NodeKind::Literal(value) => {
                    *self.literals.entry(class(value)).or_default() += 1;
                    "N"
                }
                NodeKind::Word(word) => word.spelling(),
                NodeKind::Pick(_) => "pick",
                NodeKind::Put(_) => "put",
                NodeKind::If { .. } => "if",
                NodeKind::Leave => "leave",
                NodeKind::Exit => "exit",
                NodeKind::Times { end } => {
                    self.loops[0] += 1;
                    self.loops[1] += u64::from(!draft.changes_height_by(0, index + 1..end as usize));
                    "times"
                }
                NodeKind::While { end, .. } => {
                    self.loops[0] += 1;
                    // The flag is popped between the two bodies.
                    self.loops[1] += u64::from(!draft.changes_height_by(1, index + 1..end as usize));
                    "while"
                }
            };
            *self.words.entry(spelling).or_default() += 1;
        }
    }

    /// Valid programs.
    pub fn valid_programs(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Words of all valid programs.
    pub fn words_in_all(&self) -> u64 {
        self.words.values().sum()
    }
}

/// The class of a literal, by the encodings that it exercises.
fn class(value: i64) -> &'static str {
    let near_power = |value: u64| (-1..=1).any(|by| value.wrapping_add_signed(by).is_power_of_two());
    match value {
        0 => "0",
        1 | -1 => "1 or -1",
        i64::MIN | i64::MAX => "MIN or MAX",
        -64..=64 => "up to 64",
        _ if near_power(value.unsigned_abs()) => "near a power of two",
        -0x1001..=0x1001 => "up to 12 bits",
        _ if i32::try_from(value).is_ok() => "up to 32 bits",
        _ => "up to 64 bits",
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let valid = self.valid_programs().max(1);
        let mean = |sum: u64| sum as f64 / valid as f64;
        writeln!(f, "{}", count(self.programs, "program"))?;
        if !self.rejected.is_empty() {
            shares(f, "rejected", &self.rejected, self.programs)?;
        }
        if self.valid_programs() == 0 {
            return Ok(());
        }
        writeln!(
            f,
            "on average {:.1} words, {:.1} inputs, {:.1} executed words, {:.1} loop iterations, {:.1} calls",
            mean(self.words_in_all()),
            mean(self.inputs),
            mean(self.executed),
            mean(self.iterations),
            mean(self.calls)
        )?;
        shares(f, "outcomes", &self.outcomes, valid)?;
        shares(f, "words", &self.words, self.words_in_all())?;
        shares(f, "features of programs", &self.features, valid)?;
        shares(f, "literals", &self.literals, self.literals.values().sum())?;
        shares(f, "nesting levels", &self.nesting, valid)?;
        writeln!(f, "loops whose body changes the stack height: {:.1} %", percent(self.loops[1], self.loops[0]))?;
        writeln!(f, "programs without an iteration: {:.1} %", percent(self.without_iterations, valid))?;
        writeln!(
            f,
            "done with no fuel left: {:.1} %, after filling the stack: {:.1} %, at the call limit: {:.1} %",
            percent(self.at_limits[0], valid),
            percent(self.at_limits[1], valid),
            percent(self.at_limits[2], valid)
        )
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// A line of shares, in percent.
fn shares<K: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    parts: &BTreeMap<K, u64>,
    whole: u64,
) -> fmt::Result {
    let parts: Vec<_> = parts.iter().map(|(name, part)| format!("{name} {:.1}", percent(*part, whole))).collect();
    writeln!(f, "{title}, in %: {}", parts.join(", "))
}
