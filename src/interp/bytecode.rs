//! `bytecode`, the fast interpreter. It translates the bytecode into threaded code for a machine with three registers
//! and runs that.
//!
//! It relies on the verifier and on the explicit checks in the bytecode. It checks the depth nowhere else.
#![allow(unsafe_code, reason = "the code and the stack are accessed without bounds checks")]

use super::threaded::{Machine, lower};
use crate::engine::{Engine, PhaseClock, PrepareError, Prepared, Task};
use crate::exec::{Granted, Store};
use crate::host_stack::with_room;
use crate::outcome::Trap;

/// The bytecode interpreter.
pub struct Interpreter {
    /// Whether several words may be fused into one instruction. Tests switch it off to observe single words.
    pub is_fusing: bool,
    /// What the system has been able to reserve.
    pub granted: Granted,
}

impl Interpreter {
    /// The name of the engine.
    pub const NAME: &str = "bytecode";
}

impl Default for Interpreter {
    fn default() -> Interpreter {
        Interpreter { is_fusing: true, granted: Granted::default() }
    }
}

impl Engine for Interpreter {
    fn name(&self) -> &'static str {
        Interpreter::NAME
    }

    fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError> {
        let bytecode = task.bytecode(clock)?;
        let code = lower(&bytecode, self.is_fusing);
        Ok(Box::new(ThreadedProgram(Machine::new(bytecode, code, &self.granted)?)))
    }
}

struct ThreadedProgram(Machine);

impl Prepared for ThreadedProgram {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        let mut context = self.0.begin(inputs, fuel, stack);
        // SAFETY: the context is that of the entry, and nothing else uses the stack.
        with_room(|| unsafe { self.0.execute(&mut context) });
        self.0.end(&context, stack)
    }
}
