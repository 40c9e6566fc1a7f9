//! The harness: what is timed, and what may be concluded from the times.
//!
//! [`workloads`] are the programs, each with the size at which it is timed; a [`Subject`] is a program with its inputs
//! whose answer every engine must give before any of them is timed; [`sizes`] are programs of any length, and
//! [`phases`] takes the time of each phase of making them ready; [`break_even`] says from when on that has paid. A [`race`]
//! compares engines over many processes, in each of which a [`worker`] runs what a [`client`] tells it, all of them of one
//! [`image`]; [`statistics`] says what may be concluded, [`machine`] on what it was measured. [`record`] shows and keeps it,
//! [`baseline`] compares it with an earlier day, [`saved`] knows the formats of all files.
//! [`instructions`] has counts for which the machine does not matter.

pub mod baseline;
pub mod break_even;
pub mod calibration;
pub mod client;
pub mod image;
pub mod instructions;
pub mod machine;
pub mod phases;
pub mod race;
pub mod record;
pub mod saved;
pub mod sizes;
pub mod statistics;
pub mod table;
pub mod worker;
pub mod workloads;

use std::io;
use std::time::{Duration, Instant};

use crate::engine::{NoClock, Options, PrepareError, Prepared, outcome};
use crate::exec::{Stack, processor_time};
use crate::interp::tree::measure;
use crate::lang::{Fault, Program, Source, load};
use crate::outcome::{DEFAULT_STACK_LIMIT, Outcome, Verdict};
use crate::registry;

/// A program with inputs, to be timed.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name in tables.
    pub name: String,
    /// The text.
    pub source: Source,
    /// The initial stack, bottom first.
    pub inputs: Vec<i64>,
    /// The greatest number of values on the stack.
    pub stack_limit: usize,
}

/// What a subject takes, as the referee counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Words carried out; `end` is not counted.
    pub words: u64,
    /// Iterations that loops started.
    pub iterations: u64,
}

/// Why a subject is not timed.
#[derive(Debug, thiserror::Error)]
pub enum Untimed {
    /// It is no program for these inputs.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// An engine cannot prepare it.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The referee does not come to an end with it.
    #[error("the program {verdict}: only one that ends by itself can be timed")]
    Trap {
        /// What the referee makes of it.
        verdict: Verdict,
    },
    /// An engine gives another answer than the referee.
    #[error("{engine} gives {got} where the referee gives {expected}: the program is not timed")]
    Wrong {
        /// The engine.
        engine: String,
        /// What it gives.
        got: Verdict,
        /// What the referee gives.
        expected: Verdict,
    },
}

/// Iterations after which the referee gives a subject up: an hour for the slowest engine.
const MAX_ITERATIONS: u64 = 1_000_000_000;

impl Subject {
    /// A subject with the usual limit of the stack.
    pub fn new(name: impl Into<String>, source: Source, inputs: Vec<i64>) -> Subject {
        Subject { name: name.into(), source, inputs, stack_limit: DEFAULT_STACK_LIMIT }
    }

    /// What engines prepare it for.
    pub fn options(&self) -> Options {
        Options { metered: false, stack_limit: self.stack_limit }
    }

    /// The program, verified for the inputs.
    ///
    /// # Errors
    /// The fault, where it is none.
    pub fn program(&self) -> Result<Program, Fault> {
        load(&self.source, self.inputs.len())
    }

    /// Runs it on each of these engines, and says what it takes where all give the referee's answer. Nothing may be
    /// timed before that.
    ///
    /// # Errors
    /// The first reason not to time it.
    pub fn check(&self, engines: &[&str]) -> Result<Work, Untimed> {
        let program = self.program()?;
        let measured = measure(program.ast(), &self.inputs, Some(MAX_ITERATIONS), self.stack_limit);
        let verdict = |outcome: &Outcome| Verdict::of(outcome, &self.source);
        if let Outcome::Trap(_) = measured.outcome {
            return Err(Untimed::Trap { verdict: verdict(&measured.outcome) });
        }
        let mut stack = stack(self.stack_limit)?;
        for engine in engines {
            let got = outcome(&mut *prepare(engine, &program, &self.options())?, &self.inputs, None, &mut stack);
            if got != measured.outcome {
                let (got, expected) = (verdict(&got), verdict(&measured.outcome));
                return Err(Untimed::Wrong { engine: (*engine).into(), got, expected });
            }
        }
        Ok(Work { words: measured.words, iterations: measured.passes })
    }
}

/// Takes processor time; where the system does not count that, time.
pub(crate) struct Stopwatch {
    begun: Instant,
    processor: io::Result<Duration>,
}

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch { begun: Instant::now(), processor: processor_time() }
    }

    pub fn elapsed(&self) -> Duration {
        let processor = || processor_time().ok()?.checked_sub(*self.processor.as_ref().ok()?);
        processor().unwrap_or_else(|| self.begun.elapsed())
    }
}

/// A stack of so many values.
///
/// # Errors
/// Where there is no memory for it.
pub fn stack(limit: usize) -> Result<Stack, PrepareError> {
    Stack::new(limit).map_err(|error| PrepareError::Stack { values: limit, error })
}

/// The program made ready by an engine.
///
/// # Errors
/// The engine's.
///
/// # Panics
/// Where there is no engine of this name.
pub fn prepare(engine: &str, program: &Program, options: &Options) -> Result<Box<dyn Prepared>, PrepareError> {
    let mut engine = registry::engine(engine).expect("the caller names engines that exist");
    engine.prepare(program, options, &mut NoClock)
}

/// So many runs, one after the other.
///
/// # Panics
/// Where a run traps: only what was checked is repeated.
pub fn repeat(prepared: &mut dyn Prepared, inputs: &[i64], stack: &mut Stack, runs: u64) {
    for _ in 0..runs {
        prepared.run(inputs, None, stack).expect("a subject that was checked does not trap");
    }
}

/// How long so many runs take together.
///
/// # Panics
/// As [`repeat`].
pub fn time(prepared: &mut dyn Prepared, inputs: &[i64], stack: &mut Stack, runs: u64) -> Duration {
    let begun = Instant::now();
    repeat(prepared, inputs, stack, runs);
    begun.elapsed()
}
