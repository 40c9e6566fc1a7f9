//! A saved race, and the rules for comparing its times with those of a new race.
//!
//! Two times are comparable if their programs have the same text, inputs and limits. The file contains the whole text,
//! so this comparison is exact; names are ignored. The two races must also have run the same engines with the same turn
//! length on the same processor.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::Subject;
use super::machine::Machine;
use super::saved::{BASELINE, Positive, SavedError, bytes, parse};
use crate::lang::printable;
use crate::outcome::DEFAULT_CALL_LIMIT;

/// A saved race.
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
    /// Earlier versions had no calls.
    #[serde(default = "default_call_limit")]
    call_limit: u64,
}

fn default_call_limit() -> u64 {
    DEFAULT_CALL_LIMIT
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

/// The name of the option that lists the engines.
pub const ENGINES: &str = "engines";
/// The name of the option that sets the length of a turn.
pub const TURN: &str = "turn in microseconds";

impl Program {
    /// Why times of this program cannot be compared with those of a subject; `None` if they can.
    fn difference(&self, subject: &Subject) -> Option<&'static str> {
        if self.text.as_bytes() != subject.source.bytes() {
            Some("a different text")
        } else if self.inputs != subject.inputs {
            Some("different inputs")
        } else if self.stack_limit != subject.stack_limit as u64 {
            Some("a different stack limit")
        } else if self.call_limit != subject.call_limit {
            Some("a different call limit")
        } else {
            None
        }
    }
}

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    /// If the file cannot be read, has another version, or is not a baseline.
    pub fn read(path: &Path) -> Result<Baseline, SavedError> {
        let baseline: Baseline = parse(path, &bytes(path)?, Some(BASELINE))?;
        if baseline.min_samples() == 0 {
            let error = serde::de::Error::custom("it has no times relative to the calibration kernel");
            return Err(SavedError::Json { path: path.to_owned(), error });
        }
        Ok(baseline)
    }

    /// The number of samples in the line with the fewest samples.
    pub fn min_samples(&self) -> usize {
        self.lines.iter().map(|line| line.processes.calibrated.len()).min().unwrap_or(0)
    }

    /// Compares the conditions of this race with those of a new race, and drops all saved times if the conditions
    /// differ. Returns a sentence for each mismatch, including subjects and engines that only one of the races has.
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
                    .extend(missing.map(|engine| format!("{}: the baseline has no times for {engine}", subject.name)));
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

    /// A sentence for each condition that differs between this race and the new one.
    fn mismatched_conditions(&self, machine: &Machine, options: &[(String, String)]) -> Vec<String> {
        let mut sentences = Vec::new();
        let mut compare = |what: &str, saved: &str, now: &str| {
            if saved != now {
                sentences.push(format!("the baseline has {what} `{}`, not `{now}`", printable(saved)));
            }
        };
        compare("processor", &self.machine.processor, &machine.processor);
        compare("architecture", &self.machine.isa, machine.isa);
        for name in [ENGINES, TURN] {
            let now = options.iter().find(|(option, _)| option == name).map_or("", |(_, value)| value);
            let saved = self.options.get(name).map_or("", String::as_str);
            // The order of the engines does not matter, because it only selects the base of the comparison.
            if sorted(saved) != sorted(now) {
                compare(name, saved, now);
            }
        }
        sentences
    }

    /// The times of an engine on a subject, each divided by the calibration kernel's time in the same process.
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
