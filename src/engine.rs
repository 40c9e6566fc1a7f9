//! What every engine is: something that prepares a program, and then runs it any number of times.

use std::cell::OnceCell;
use std::rc::Rc;
use std::{fmt, io};

use crate::bytecode::{Bytecode, TooLarge, lower};
use crate::exec::{Stack, can_execute};
use crate::lang::Program;
use crate::outcome::{DEFAULT_STACK_LIMIT, Outcome, Trap};

/// An engine. It owns what it can reuse from one program to the next.
pub trait Engine {
    /// The name under which users ask for it.
    fn name(&self) -> &'static str;

    /// Makes the program of a task ready to run, telling the clock where each phase begins.
    ///
    /// # Errors
    /// [`PrepareError::Unsupported`] where the host cannot run this engine; the others where the program asks
    /// for more than can be had.
    fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError>;

    /// Makes a program ready to run that no other engine shares.
    ///
    /// # Errors
    /// As of [`prepare_task`](Engine::prepare_task).
    fn prepare(
        &mut self,
        program: &Program,
        options: &Options,
        clock: &mut dyn PhaseClock,
    ) -> Result<Box<dyn Prepared>, PrepareError> {
        self.prepare_task(&Task::new(program, options), clock)
    }
}

/// A program to be made ready by any number of engines. What several of them begin with is made once, for the first
/// that asks for it.
pub struct Task<'a> {
    program: &'a Program,
    options: &'a Options,
    bytecode: OnceCell<Rc<Bytecode>>,
}

impl<'a> Task<'a> {
    /// Nothing is made yet.
    pub fn new(program: &'a Program, options: &'a Options) -> Task<'a> {
        Task { program, options, bytecode: OnceCell::new() }
    }

    /// The program.
    pub fn program(&self) -> &'a Program {
        self.program
    }

    /// What it is prepared for.
    pub fn options(&self) -> &'a Options {
        self.options
    }

    /// The program's bytecode; making it is the phase [`Phase::Lower`].
    ///
    /// # Errors
    /// [`PrepareError::TooLarge`].
    pub fn bytecode(&self, clock: &mut dyn PhaseClock) -> Result<Rc<Bytecode>, PrepareError> {
        clock.begin(Phase::Lower);
        if let Some(made) = self.bytecode.get() {
            return Ok(Rc::clone(made));
        }
        let made = Rc::new(lower(self.program, self.options.stack_limit as u64, self.options.metered)?);
        Ok(Rc::clone(self.bytecode.get_or_init(|| made)))
    }
}

/// A program made ready by an engine.
pub trait Prepared {
    /// Runs the program on the caller's stack, which then holds the result. `fuel` is the number of passes that
    /// loops may start in all; `None` is no limit.
    ///
    /// # Errors
    /// The trap that ended the run; what the stack then holds is not defined.
    ///
    /// # Panics
    /// Where the number of inputs is not that of the program or greater than the stack's limit, the stack is smaller
    /// than the limit that the program was prepared for, or fuel is given to a program that was not prepared to meter it.
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Stack) -> Result<(), Trap>;

    /// The machine code where it lies in memory, where there is any.
    fn code(&self) -> Option<&[u8]> {
        None
    }

    /// The size of the machine code in bytes, where there is any.
    fn code_bytes(&self) -> Option<usize> {
        self.code().map(<[u8]>::len)
    }
}

/// What a program is prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether passes of loops are counted, so that a run may be given fuel.
    pub metered: bool,
    /// The greatest number of values on the stack.
    pub stack_limit: usize,
}

impl Options {
    /// Checks the contract of [`Prepared::run`] for a program that was verified for `expected` inputs.
    ///
    /// # Panics
    /// If the caller breaks it.
    pub(crate) fn check_run(&self, expected: usize, inputs: &[i64], fuel: Option<u64>, stack: &Stack) {
        assert_eq!(inputs.len(), expected, "the program was verified for another number of inputs");
        assert!(inputs.len() <= self.stack_limit, "the inputs do not fit the stack's limit");
        assert!(stack.capacity() >= self.stack_limit, "the stack has no room for its limit");
        assert!(fuel.is_none() || self.metered, "the program was not prepared to meter fuel");
    }
}

impl Default for Options {
    fn default() -> Options {
        Options { metered: false, stack_limit: DEFAULT_STACK_LIMIT }
    }
}

/// What an engine does while it prepares a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Tree to bytecode.
    Lower,
    /// Bytecode to machine code.
    Generate,
    /// Machine code to executable memory.
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

/// Told by an engine where each phase begins.
pub trait PhaseClock {
    /// The phase begins now; the one before it has ended.
    fn begin(&mut self, phase: Phase);
}

/// A clock for those who do not measure.
pub struct NoClock;

impl PhaseClock for NoClock {
    fn begin(&mut self, _phase: Phase) {}
}

/// Why a program could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The host cannot run what this engine makes.
    #[error("engine `{engine}` is not supported on this host: {reason}")]
    Unsupported {
        /// The engine.
        engine: &'static str,
        /// Why not, in words.
        reason: String,
    },
    /// The program's bytecode cannot be numbered.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The machine code would be larger than its branches can be.
    #[error("the program's machine code would be larger than 2 GiB")]
    CodeTooLarge,
    /// A compiler of others does not take the program.
    #[error("engine `{engine}` does not take the program: {reason}")]
    Peer {
        /// The engine.
        engine: &'static str,
        /// What it says.
        reason: String,
    },
    /// The system gave no memory for the stack.
    #[error("no memory for a stack of {values} values: {error}")]
    Stack {
        /// How many values it was to hold.
        values: usize,
        /// What the system said.
        error: io::Error,
    },
    /// The system gave no memory for the code, or did not let it be executed.
    #[error("no executable memory: {0}")]
    Memory(io::Error),
}

impl PrepareError {
    /// What it means for an engine that its code could not be sealed: the host runs no generated code at all, or not this.
    pub(crate) fn not_sealed(engine: &'static str, error: io::Error) -> PrepareError {
        match can_execute() {
            Ok(()) => PrepareError::Memory(error),
            Err(reason) => PrepareError::Unsupported { engine, reason: reason.into() },
        }
    }
}

/// Runs a prepared program and takes the outcome from the stack.
pub fn outcome(prepared: &mut dyn Prepared, inputs: &[i64], fuel: Option<u64>, stack: &mut Stack) -> Outcome {
    match prepared.run(inputs, fuel, stack) {
        Ok(()) => Outcome::Done(stack.values().to_vec()),
        Err(trap) => Outcome::Trap(trap),
    }
}
