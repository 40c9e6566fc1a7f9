//! The interface of an engine: prepare a program once, then run it any number of times.

use std::cell::OnceCell;
use std::rc::Rc;
use std::{fmt, io};

use crate::bytecode::{Bytecode, Limits, TooLarge, lower};
use crate::exec::{Store, can_execute};
use crate::lang::Program;
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT, Outcome, Trap};

/// An engine. It owns the resources that it reuses from one program to the next.
pub trait Engine {
    /// The name by which users select the engine.
    fn name(&self) -> &'static str;

    /// Prepares the program of a task, and tells the clock when each phase begins.
    ///
    /// # Errors
    /// [`PrepareError::Unsupported`] if the host cannot run this engine. The other errors if the program is too large,
    /// memory runs out, or a peer rejects the program.
    fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError>;

    /// Prepares a program for this engine alone.
    ///
    /// # Errors
    /// The same as for [`prepare_task`](Engine::prepare_task).
    fn prepare(
        &mut self,
        program: &Program,
        options: &Options,
        clock: &mut dyn PhaseClock,
    ) -> Result<Box<dyn Prepared>, PrepareError> {
        self.prepare_task(&Task::new(program, options), clock)
    }
}

/// A program that any number of engines can prepare. They share its bytecode: the first engine that needs it causes the
/// lowering.
pub struct Task<'a> {
    program: &'a Program,
    options: &'a Options,
    bytecode: OnceCell<Rc<Bytecode>>,
}

impl<'a> Task<'a> {
    /// A task whose bytecode does not exist yet.
    pub fn new(program: &'a Program, options: &'a Options) -> Task<'a> {
        Task { program, options, bytecode: OnceCell::new() }
    }

    /// The program.
    pub fn program(&self) -> &'a Program {
        self.program
    }

    /// The options that engines prepare it with.
    pub fn options(&self) -> &'a Options {
        self.options
    }

    /// The program's bytecode. Lowering to it is the phase [`Phase::Lower`].
    ///
    /// # Errors
    /// [`PrepareError::TooLarge`].
    pub fn bytecode(&self, clock: &mut dyn PhaseClock) -> Result<Rc<Bytecode>, PrepareError> {
        clock.begin(Phase::Lower);
        if let Some(made) = self.bytecode.get() {
            return Ok(Rc::clone(made));
        }
        let made = Rc::new(lower(self.program, self.options.limits(), self.options.metered)?);
        Ok(Rc::clone(self.bytecode.get_or_init(|| made)))
    }
}

/// A program that an engine has prepared.
pub trait Prepared {
    /// Runs the program on the caller's stack, which then holds the result. `fuel` is the number of loop iterations and calls
    /// that may start; `None` means no limit.
    ///
    /// # Errors
    /// The trap that ended the run. The contents of the stack are then unspecified.
    ///
    /// # Panics
    /// - If the number of inputs differs from the program's, or exceeds the stack limit.
    /// - If the stack is smaller than the limit that the program was prepared for.
    /// - If fuel is given, but the program was prepared without metering.
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap>;

    /// How often the last run changed from an interpreter to machine code.
    fn tier_changes(&self) -> u64 {
        0
    }

    /// The machine code in executable memory, if the engine generated any.
    fn code(&self) -> Option<&[u8]> {
        None
    }

    /// The size of the machine code in bytes, if the engine generated any.
    fn code_bytes(&self) -> Option<usize> {
        self.code().map(<[u8]>::len)
    }
}

/// One run: its inputs and limits.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The initial stack, bottom first.
    pub inputs: &'a [i64],
    /// The greatest number of loop iterations and calls that may start; `None` means no limit.
    pub fuel: Option<u64>,
    /// The stack limit: the greatest number of values on the stack.
    pub stack_limit: usize,
    /// The call limit: the greatest number of active calls. The main program is not a call.
    pub call_limit: u64,
}

impl Run<'_> {
    /// The options that the program is prepared with for this run.
    pub fn options(&self) -> Options {
        Options { metered: self.fuel.is_some(), stack_limit: self.stack_limit, call_limit: self.call_limit }
    }
}

/// A run without inputs and fuel, and with the default limits.
impl Default for Run<'_> {
    fn default() -> Self {
        Run { inputs: &[], fuel: None, stack_limit: DEFAULT_STACK_LIMIT, call_limit: DEFAULT_CALL_LIMIT }
    }
}

/// The options that a program is prepared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether loop iterations and calls are counted, so that a run may be given fuel.
    pub metered: bool,
    /// The stack limit: the greatest number of values on the stack.
    pub stack_limit: usize,
    /// The call limit: the greatest number of active calls. The main program is not a call.
    pub call_limit: u64,
}

impl Options {
    /// The limits that programs are lowered for.
    pub fn limits(&self) -> Limits {
        Limits { stack: self.stack_limit as u64, calls: self.call_limit }
    }

    /// Checks the contract of [`Prepared::run`] for a program that was verified for `expected` inputs.
    ///
    /// # Panics
    /// If the caller breaks it.
    pub(crate) fn check_run(&self, expected: usize, inputs: &[i64], fuel: Option<u64>, stack: &Store) {
        assert_eq!(inputs.len(), expected, "the program was verified for another number of inputs");
        assert!(inputs.len() <= self.stack_limit, "the inputs do not fit the stack's limit");
        assert!(stack.capacity() >= self.stack_limit, "the stack is smaller than the stack limit");
        assert!(fuel.is_none() || self.metered, "the program was not prepared to meter fuel");
    }
}

impl Default for Options {
    fn default() -> Options {
        Options { metered: false, stack_limit: DEFAULT_STACK_LIMIT, call_limit: DEFAULT_CALL_LIMIT }
    }
}

/// A phase of preparing a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// From the syntax tree to bytecode.
    Lower,
    /// From bytecode to machine code.
    Generate,
    /// From machine code to executable memory.
    Seal,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Lower => "lower",
            Phase::Generate => "generate",
            Phase::Seal => "seal",
        })
    }
}

/// A clock that an engine notifies when each phase begins.
pub trait PhaseClock {
    /// The phase begins now, and the previous one has ended.
    fn begin(&mut self, phase: Phase);
}

/// A clock that measures nothing.
pub struct NoClock;

impl PhaseClock for NoClock {
    fn begin(&mut self, _phase: Phase) {}
}

/// Why a program could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The host cannot run this engine.
    #[error("engine `{engine}` is not supported on this host: {reason}")]
    Unsupported {
        /// The engine.
        engine: &'static str,
        /// The reason, in words.
        reason: String,
    },
    /// The program has too many operations for the bytecode.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The machine code would be larger than branches can reach.
    #[error("the program's machine code would be larger than 2 GiB")]
    CodeTooLarge,
    /// A peer rejects the program.
    #[error("engine `{engine}` does not take the program: {reason}")]
    Peer {
        /// The engine.
        engine: &'static str,
        /// The peer's message.
        reason: String,
    },
    /// The system provided no memory for the stack.
    #[error("no memory for a stack of {values} values: {error}")]
    Stack {
        /// The number of values that it should hold.
        values: usize,
        /// The system's error.
        error: io::Error,
    },
    /// The system provided no memory for the cells or the calls of a program.
    #[error("no memory for the program's arrays and calls: {0}")]
    Reserve(io::Error),
    /// The system provided no memory for the code, or did not allow the code to be executed.
    #[error("no executable memory: {0}")]
    Memory(io::Error),
}

impl PrepareError {
    /// The error if an engine's code could not be sealed: either the host allows no generated code at all, or memory for
    /// this code was not available.
    pub(crate) fn not_sealed(engine: &'static str, error: io::Error) -> PrepareError {
        match can_execute() {
            Ok(()) => PrepareError::Memory(error),
            Err(reason) => PrepareError::Unsupported { engine, reason: reason.into() },
        }
    }
}

/// Runs a prepared program and reads the outcome from the stack.
pub fn outcome(prepared: &mut dyn Prepared, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Outcome {
    match prepared.run(inputs, fuel, stack) {
        Ok(()) => Outcome::Done(stack.values().to_vec()),
        Err(trap) => Outcome::Trap(trap),
    }
}
