//! The oracle: every engine must produce the same outcome for a program, and leave the same memory.
//!
//! [`Oracle`] runs a program on several engines. The stack and the memory lie between inaccessible pages. The stack is filled with poison
//! that differs for each engine, as are the registers that generated code must not rely on. [`judge`] chooses the runs of a random program
//! and compares them with the referee. [`campaign`] does so for many programs in separate processes. [`shrink`] reduces a program on which
//! engines disagree to a small one. [`external`] runs commands that are judged like engines.

pub mod campaign;
pub mod external;
pub mod judge;
mod let_judge;
pub mod refute;
pub mod shrink;
mod ssa_functions;
pub mod targets;
mod worker;

use std::sync::Arc;

use crate::engine::{Engine, NoClock, Options, PrepareError, Prepared, Run, Task, outcome};
use crate::exec::{Armor, Edge, Store};
use crate::lang::Program;
use crate::outcome::Outcome;
use crate::registry;

/// The engines to compare, and their stack.
pub struct Oracle {
    engines: Vec<Box<dyn Engine>>,
    /// The names of engines that do not take part for now.
    resting: Vec<&'static str>,
    skipped: Vec<String>,
    stack: Option<Store>,
    /// The program that [`Oracle::run`] has run last.
    last: Option<Last>,
}

/// A program, prepared by every engine with one or more options.
struct Last {
    program: Program,
    prepared: Vec<(Options, AllPrepared)>,
}

/// A program, prepared by every engine. Each has its name.
type AllPrepared = Vec<(&'static str, Box<dyn Prepared>)>;

/// The result of one run on one engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The engine's name.
    pub engine: &'static str,
    /// The outcome.
    pub outcome: Outcome,
    /// The memory cells at the end; none after a trap, which loses them.
    pub memory: Arc<[i64]>,
    /// How often the run changed from an interpreter to machine code.
    pub tier_changes: u64,
}

/// A program, prepared by every engine.
pub struct Round<'o> {
    prepared: AllPrepared,
    stack: &'o mut Store,
    stack_limit: usize,
    /// The memory in the last answer. Engines that agree share it, because it may be large.
    memory: Arc<[i64]>,
}

/// Longer programs are prepared anew for each run, because keeping the code of all engines would take much memory.
const LONGEST_KEPT: usize = 100_000;

/// A program is kept with this many options.
const MOST_KEPT: usize = 4;

/// Slots above the inputs that are filled with poison before a run.
const POISONED_SLOTS: usize = 200;

impl Oracle {
    /// An oracle for the engines with these names; `None` if one does not exist.
    pub fn new(names: &[&str]) -> Option<Oracle> {
        names.iter().map(|name| registry::engine(name)).collect::<Option<_>>().map(Oracle::of)
    }

    /// An oracle for these engines.
    pub fn of(engines: Vec<Box<dyn Engine>>) -> Oracle {
        Oracle { engines, resting: Vec::new(), skipped: Vec::new(), stack: None, last: None }
    }

    /// Messages about what was skipped because the host cannot run it.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// From now on, the engines with these names do not take part.
    pub fn rest(&mut self, names: impl IntoIterator<Item = &'static str>) {
        self.last = None;
        self.resting.clear();
        self.resting.extend(names);
    }

    /// The number of engines.
    pub fn engines(&self) -> usize {
        self.engines.len()
    }

    /// Runs the program on every engine. Several runs in a row of the same program with the same options prepare it once.
    ///
    /// # Errors
    /// Fails if an engine cannot prepare the program, or if there is no memory for the stack.
    pub fn run(&mut self, program: &Program, run: Run) -> Result<Vec<Answer>, PrepareError> {
        let options = run.options();
        let mut last = self.last.take().filter(|last| last.is_of(program)).unwrap_or_else(|| Last::new(program));
        let kept = last.prepared.iter().position(|(kept, _)| *kept == options);
        let mut round = match kept {
            Some(kept) => self.again(last.prepared.swap_remove(kept).1, options.stack_limit)?,
            None => self.prepare(program, &options)?,
        };
        let answers = round.run(run.inputs, run.fuel).collect();
        let prepared = round.prepared;
        if program.ast().nodes().len() <= LONGEST_KEPT {
            last.prepared.truncate(MOST_KEPT - 1);
            last.prepared.push((options, prepared));
        }
        self.last = Some(last);
        Ok(answers)
    }

    /// Prepares the program on every engine. An engine that the host cannot run is skipped from then on.
    ///
    /// # Errors
    /// Fails if an engine cannot prepare the program, or if there is no memory for the stack.
    pub fn prepare(&mut self, program: &Program, options: &Options) -> Result<Round<'_>, PrepareError> {
        let mut prepared = Vec::with_capacity(self.engines.len());
        let (mut unsupported, mut refused) = (Vec::new(), Vec::new());
        let task = Task::new(program, options);
        let resting = &self.resting;
        for engine in self.engines.iter_mut().filter(|engine| !resting.contains(&engine.name())) {
            match engine.prepare_task(&task, &mut NoClock) {
                Ok(program) => prepared.push((engine.name(), program)),
                Err(error @ PrepareError::Unsupported { .. }) => unsupported.push((engine.name(), error.to_string())),
                // A peer may refuse this program and accept the next.
                Err(error @ PrepareError::Peer { .. }) => refused.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        for (name, message) in unsupported {
            self.engines.retain(|engine| engine.name() != name);
            self.skipped.push(message);
        }
        refused.retain(|message| !self.skipped.contains(message));
        self.skipped.append(&mut refused);
        self.again(prepared, options.stack_limit)
    }

    /// A round of a program that is prepared.
    fn again(&mut self, prepared: AllPrepared, stack_limit: usize) -> Result<Round<'_>, PrepareError> {
        let stack = stack_for(&mut self.stack, stack_limit)?;
        Ok(Round { prepared, stack, stack_limit, memory: Arc::default() })
    }
}

impl Last {
    /// The program, not prepared yet.
    fn new(program: &Program) -> Last {
        Last { program: program.clone(), prepared: Vec::new() }
    }

    /// Whether it is the same program. Another one cannot have the same tree, since this one is kept.
    fn is_of(&self, program: &Program) -> bool {
        Arc::ptr_eq(self.program.ast(), program.ast()) && self.program.inputs() == program.inputs()
    }
}

impl Round<'_> {
    /// Runs it on every engine in turn.
    ///
    /// # Panics
    /// Panics if generated code wrote outside its stack and memory or broke the calling convention.
    pub fn run(&mut self, inputs: &[i64], fuel: Option<u64>) -> impl Iterator<Item = Answer> {
        let Round { prepared, stack, stack_limit, memory } = self;
        let slots = inputs.len() + POISONED_SLOTS;
        // The edge depends only on the run, so every engine and every repetition uses the same one.
        let edge = if (inputs.len() + *stack_limit).is_multiple_of(2) { Edge::Lower } else { Edge::Upper };
        prepared.iter_mut().map(move |(engine, prepared)| {
            stack.arm(Armor { limit: *stack_limit, edge, poison: poison(engine), slots });
            let outcome = outcome(&mut **prepared, inputs, fuel, stack);
            assert!(stack.is_intact(), "{engine} wrote outside its stack or memory");
            let left = if let Outcome::Done(_) = outcome { stack.memory() } else { &[] };
            if **memory != *left {
                *memory = left.into();
            }
            Answer { engine, outcome, memory: Arc::clone(memory), tier_changes: prepared.tier_changes() }
        })
    }
}

/// The value in slots that were never written; it differs for each engine.
fn poison(engine: &str) -> u64 {
    engine.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The stack, reallocated if it is too small.
fn stack_for(stack: &mut Option<Store>, limit: usize) -> Result<&mut Store, PrepareError> {
    if stack.as_ref().is_none_or(|stack| stack.greatest_limit() < limit) {
        *stack = Some(Store::new(limit).map_err(|error| PrepareError::Stack { values: limit, error })?);
    }
    Ok(stack.as_mut().expect("it was just allocated"))
}
