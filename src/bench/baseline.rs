//! A race of an earlier day, and what of it may be held against a race of today.
//!
//! Times are compared where they are of the same program: the same text (the text itself is kept, so that equal is equal), the
//! same inputs and the same stack limit. What was run beside it and how, and on which processor, must be the same as well. A
//! name says nothing.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::Subject;
use super::machine::Machine;
use super::saved::{BASELINE, Positive, SavedError, bytes, parse};
use crate::lang::printable;

/// A race that was kept.
#[derive(Clone, Debug, Deserialize)]
pub struct Baseline {
    machine: Host,
    options: BTreeMap<String, String>,
    programs: Vec<Program>,
    lines: Vec<Line>,
}

#[derive(Clone, Debug, Deserialize)]
struct Host {
    processor: String,
    isa: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Program {
    name: String,
    text: String,
    inputs: Vec<i64>,
    stack_limit: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Line {
    subject: String,
    contestant: String,
    processes: Processes,
}

#[derive(Clone, Debug, Deserialize)]
struct Processes {
    calibrated: Vec<Positive>,
}

/// The names of the options that give the set of engines and the length of a turn.
pub const ENGINES: &str = "engines";
/// As [`ENGINES`].
pub const TURN: &str = "turn in microseconds";

impl Program {
    /// Why a time of this program says nothing of a subject.
    fn difference(&self, subject: &Subject) -> Option<&'static str> {
        if self.text.as_bytes() != subject.source.bytes() {
            Some("another text")
        } else if self.inputs != subject.inputs {
            Some("another input")
        } else if self.stack_limit != subject.stack_limit as u64 {
            Some("another stack limit")
        } else {
            None
        }
    }
}

impl Baseline {
    /// Reads one.
    ///
    /// # Errors
    /// If the file cannot be read, has another version, or is not a baseline.
    pub fn read(path: &Path) -> Result<Baseline, SavedError> {
        let baseline: Baseline = parse(path, &bytes(path)?, Some(BASELINE))?;
        if baseline.min_samples() == 0 {
            let error = serde::de::Error::custom("it has no times that were taken beside the calibration kernel");
            return Err(SavedError::Json { path: path.to_owned(), error });
        }
        Ok(baseline)
    }

    /// How many times the line has that has the fewest.
    pub fn min_samples(&self) -> usize {
        self.lines.iter().map(|line| line.processes.calibrated.len()).min().unwrap_or(0)
    }

    /// Drops all of its times where they are of another kind of race than this one of some subjects. Says what does not match,
    /// in words.
    pub fn match_to(&mut self, machine: &Machine, options: &[(String, String)], subjects: &[Subject]) -> Vec<String> {
        let mut left_out = self.mismatched_conditions(machine, options);
        if !left_out.is_empty() {
            self.lines.clear();
            return left_out;
        }
        let engines = options.iter().find(|(name, _)| name == ENGINES).map_or("", |(_, engines)| engines);
        for subject in subjects {
            if self.program(subject).is_some() {
                let missing = sorted(engines).into_iter().filter(|engine| self.times(subject, engine).is_none());
                left_out
                    .extend(missing.map(|engine| format!("{}: the baseline has no times of {engine}", subject.name)));
                continue;
            }
            let namesake = self.programs.iter().find(|program| program.name == subject.name);
            let reason = namesake.and_then(|program| program.difference(subject)).unwrap_or("no such program");
            left_out.push(format!("{}: the baseline has {reason}", subject.name));
        }
        let is_raced = |program: &&Program| subjects.iter().any(|subject| program.difference(subject).is_none());
        let others: Vec<String> = self
            .programs
            .iter()
            .filter(|program| !is_raced(program))
            .map(|program| printable(&program.name).into_owned())
            .collect();
        if !others.is_empty() {
            left_out.push(format!("only in the baseline: {}", others.join(", ")));
        }
        left_out
    }

    /// What makes all of its times those of another race.
    fn mismatched_conditions(&self, machine: &Machine, options: &[(String, String)]) -> Vec<String> {
        let mut sentences = Vec::new();
        let mut compare = |what: &str, kept: &str, now: &str| {
            if kept != now {
                sentences.push(format!("the baseline is of {what} `{}`, not `{now}`", printable(kept)));
            }
        };
        compare("the processor", &self.machine.processor, &machine.processor);
        compare("the architecture", &self.machine.isa, machine.isa);
        for name in [ENGINES, TURN] {
            let now = options.iter().find(|(option, _)| option == name).map_or("", |(_, value)| value);
            let kept = self.options.get(name).map_or("", String::as_str);
            // The order of the engines only decides which one the others are compared with.
            if sorted(kept) != sorted(now) {
                compare(name, kept, now);
            }
        }
        sentences
    }

    /// The times of an engine with a subject, each over the calibration kernel's of its process.
    pub fn times(&self, subject: &Subject, engine: &str) -> Option<Vec<f64>> {
        let program = self.program(subject)?;
        let line = self.lines.iter().find(|line| line.subject == program.name && line.contestant == engine)?;
        Some(line.processes.calibrated.iter().map(|time| time.get()).collect())
    }

    fn program(&self, subject: &Subject) -> Option<&Program> {
        self.programs.iter().find(|program| program.difference(subject).is_none())
    }
}

fn sorted(list: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = list.split(',').collect();
    parts.sort_unstable();
    parts
}
