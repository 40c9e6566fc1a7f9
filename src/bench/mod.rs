//! The benchmark harness: what is timed, and which conclusions the times support.
//!
//! [`workloads`] holds the programs, each with the size at which it is timed. A [`Subject`] is a program with its inputs;
//! every engine must produce the referee's answer before any engine is timed. [`sizes`] generates programs of any length,
//! [`phases`] times each phase of preparing a program. A [`sweep`] times engines from the verified program to its answer, at
//! many sizes. From it, [`break_even`] finds the size from which compiling pays, and [`regret`] how much longer the tiered
//! engine takes than the best choice. [`costs`] measures the constants by which that engine decides, and [`ablation`] what each
//! pass of the optimizing tier brings and costs. [`variables`] compares workloads with the same algorithms in the let language,
//! and [`profiles`] the tiered engine that remembers an earlier run with the best choice. In all three, contestants take
//! [`turns`] within a process. `registers`, with the feature `peers`, compares the optimizing tier's register allocator with
//! another.
//!
//! A [`race`] compares engines over many processes. In each process a [`worker`] executes the requests of a [`client`], and
//! all processes execute the same [`image`]. [`statistics`] computes intervals, and [`machine`] describes the host.
//! [`record`] prints and saves a result, [`baseline`] compares it with a saved one, and [`saved`] defines the formats of
//! all files. [`instructions`] handles instruction counts, which do not depend on the machine.

pub mod ablation;
pub mod baseline;
pub mod break_even;
pub mod calibration;
pub mod client;
pub mod costs;
pub mod image;
pub mod instructions;
pub mod machine;
pub mod phases;
pub mod profiles;
pub mod race;
pub mod record;
#[cfg(feature = "peers")]
pub mod registers;
pub mod regret;
pub mod saved;
pub mod sizes;
pub mod statistics;
pub mod sweep;
pub mod table;
pub mod turns;
pub mod variables;
pub mod worker;
pub mod workloads;

use std::io;
use std::time::{Duration, Instant};

use crate::engine::{NoClock, Options, PrepareError, Prepared, Run, outcome};
use crate::exec::{Store, processor_time};
use crate::front;
use crate::interp::tree::{Measured, measure};
use crate::lang::{Fault, Program, Source};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT, Outcome, Verdict, other_memory};
use crate::registry;

/// A program with inputs, to be timed.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name in tables.
    pub name: String,
    /// The program text.
    pub source: Source,
    /// The initial stack, bottom first.
    pub inputs: Vec<i64>,
    /// The maximum number of values on the stack.
    pub stack_limit: usize,
    /// The greatest number of active calls.
    pub call_limit: u64,
}

/// The work of one run of a subject, as counted by the referee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Executed words; `end` is not counted.
    pub words: u64,
    /// Loop iterations and calls started.
    pub iterations: u64,
}

/// Why a subject cannot be timed.
#[derive(Debug, thiserror::Error)]
pub enum Untimed {
    /// It is not a valid program for these inputs.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// An engine cannot prepare it.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// It traps in the referee.
    #[error("the program ends with `{verdict}`; only a program that ends without a trap can be timed")]
    Trap {
        /// The referee's verdict.
        verdict: Verdict,
    },
    /// An engine's answer differs from the referee's.
    #[error("{engine} gives `{got}`, but the referee gives `{expected}`; the program is not timed")]
    Wrong {
        /// The engine.
        engine: String,
        /// The engine's verdict.
        got: Verdict,
        /// The referee's verdict.
        expected: Verdict,
    },
    /// An engine leaves other memory than the referee.
    #[error("{engine} leaves other memory than the referee: {difference}; the program is not timed")]
    OtherMemory {
        /// The engine.
        engine: String,
        /// The first difference.
        difference: String,
    },
}

/// The referee stops after this many iterations and calls, because they would take the slowest engine an hour.
const MAX_ITERATIONS: u64 = 1_000_000_000;

impl Subject {
    /// A subject with the default limits.
    pub fn new(name: impl Into<String>, source: Source, inputs: Vec<i64>) -> Subject {
        let (stack_limit, call_limit) = (DEFAULT_STACK_LIMIT, DEFAULT_CALL_LIMIT);
        Subject { name: name.into(), source, inputs, stack_limit, call_limit }
    }

    /// Its run, without a limit of fuel.
    pub fn run(&self) -> Run<'_> {
        Run { inputs: &self.inputs, fuel: None, stack_limit: self.stack_limit, call_limit: self.call_limit }
    }

    /// The options with which engines prepare it.
    pub fn options(&self) -> Options {
        self.run().options()
    }

    /// The program, verified for the inputs.
    ///
    /// # Errors
    /// If the text is not a valid program for the inputs.
    pub fn program(&self) -> Result<Program, Fault> {
        front::load(&self.source, self.inputs.len()).unwrap_or_else(|wrong| Err(wrong.into()))
    }

    /// Runs the subject on each of these engines and compares their answers with the referee's. Returns the work of a
    /// run. This must succeed before any engine is timed.
    ///
    /// # Errors
    /// The first reason why it cannot be timed.
    pub fn check(&self, engines: &[&str]) -> Result<Work, Untimed> {
        let program = self.program()?;
        let measured = self.refereed(&program)?;
        let mut stack = stack(self.stack_limit)?;
        for engine in engines {
            let got = outcome(&mut *prepare(engine, &program, &self.options())?, &self.inputs, None, &mut stack);
            self.compare(engine, &got, stack.memory(), &measured)?;
        }
        Ok(Work { words: measured.words, iterations: measured.fuel() })
    }

    /// Runs the program in the referee.
    ///
    /// # Errors
    /// If it traps there.
    fn refereed(&self, program: &Program) -> Result<Measured, Untimed> {
        let measured = measure(program.ast(), Run { fuel: Some(MAX_ITERATIONS), ..self.run() });
        if let Outcome::Trap(_) = measured.outcome {
            return Err(Untimed::Trap { verdict: Verdict::of(&measured.outcome, &self.source) });
        }
        Ok(measured)
    }

    /// Compares an engine's outcome and memory with the referee's.
    fn compare(&self, engine: &str, got: &Outcome, memory: &[i64], expected: &Measured) -> Result<(), Untimed> {
        let engine = engine.to_owned();
        if *got != expected.outcome {
            let verdict = |outcome: &Outcome| Verdict::of(outcome, &self.source);
            return Err(Untimed::Wrong { engine, got: verdict(got), expected: verdict(&expected.outcome) });
        }
        if memory != expected.memory {
            return Err(Untimed::OtherMemory { engine, difference: other_memory(&expected.memory, memory) });
        }
        Ok(())
    }
}

/// Measures processor time, or wall-clock time if the system does not count processor time.
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

/// A stack with room for `limit` values.
///
/// # Errors
/// If there is not enough memory.
pub fn stack(limit: usize) -> Result<Store, PrepareError> {
    Store::new(limit).map_err(|error| PrepareError::Stack { values: limit, error })
}

/// Prepares the program on the engine of this name.
///
/// # Errors
/// The engine's error.
///
/// # Panics
/// If there is no engine of this name.
pub fn prepare(engine: &str, program: &Program, options: &Options) -> Result<Box<dyn Prepared>, PrepareError> {
    let mut engine = registry::engine(engine).expect("the caller names engines that exist");
    engine.prepare(program, options, &mut NoClock)
}

/// Runs a prepared program `runs` times, and checks that the last run leaves these values. An engine that compiles between runs may
/// have given another answer when it was checked.
///
/// # Panics
/// If a run traps, or the last one leaves other values. Only checked subjects may be repeated.
pub fn repeat(prepared: &mut dyn Prepared, inputs: &[i64], stack: &mut Store, runs: u64, answer: &[i64]) {
    for _ in 0..runs {
        prepared.run(inputs, None, stack).expect("a subject that was checked does not trap");
    }
    assert!(runs == 0 || stack.values() == answer, "a later run gives another answer than the first one");
}

/// The values that the first run of a prepared program leaves, whose answer was checked.
///
/// # Panics
/// The same as for [`repeat`].
pub fn answer(prepared: &mut dyn Prepared, inputs: &[i64], stack: &mut Store) -> Vec<i64> {
    prepared.run(inputs, None, stack).expect("a subject that was checked does not trap");
    stack.values().to_vec()
}

/// The total wall-clock time of `runs` runs.
///
/// # Panics
/// The same as for [`repeat`].
pub fn time(prepared: &mut dyn Prepared, inputs: &[i64], stack: &mut Store, runs: u64, answer: &[i64]) -> Duration {
    let begun = Instant::now();
    repeat(prepared, inputs, stack, runs, answer);
    begun.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Trap;

    /// Gives another answer from the second run on.
    struct Forgetful(bool);

    impl Prepared for Forgetful {
        fn run(&mut self, _: &[i64], _: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
            stack.set(&[i64::from(std::mem::replace(&mut self.0, true))]);
            Ok(())
        }
    }

    #[test]
    #[should_panic = "a later run gives another answer than the first one"]
    fn later_runs_are_checked() {
        let mut stack = stack(10).expect("there is memory");
        let mut prepared = Forgetful(false);
        let first = answer(&mut prepared, &[], &mut stack);
        time(&mut prepared, &[], &mut stack, 3, &first);
    }

    #[test]
    fn a_program_with_a_wrong_answer_is_not_timed() {
        let subject = Subject::new("test", Source::new("test", "2 array a 7 a ! 8"), Vec::new());
        let program = subject.program().expect("it is a program");
        let expected = measure(program.ast(), subject.run());
        let compared = |stack: &[i64], memory: &[i64]| {
            let got = Outcome::Done(stack.to_vec());
            subject.compare("wrong", &got, memory, &expected).err().map(|error| error.to_string())
        };
        assert_eq!(compared(&[8], &[7, 0]), None);
        let said = |said: &str| Some(format!("wrong {said}; the program is not timed"));
        assert_eq!(compared(&[9], &[7, 0]), said("gives `9`, but the referee gives `8`"));
        let other = "leaves other memory than the referee: cell 1 holds 1 in place of 0";
        assert_eq!(compared(&[8], &[7, 1]), said(other));
    }
}
