//! `bytecode`, the fast interpreter. It translates the bytecode into threaded code for a machine with three registers
//! and runs that.
//!
//! It relies on the verifier and on the explicit checks in the bytecode. It checks the depth nowhere else.
#![allow(unsafe_code, reason = "the code and the stack are accessed without bounds checks")]

use std::rc::Rc;

use super::threaded::handlers::{Context, REGISTERS, Stop};
use super::threaded::{Code, lower};
use crate::bytecode::Bytecode;
use crate::engine::{Engine, PhaseClock, PrepareError, Prepared, Task};
use crate::exec::Store;
use crate::outcome::Trap;

/// The bytecode interpreter.
pub struct Interpreter {
    /// Whether several words may be fused into one instruction. Tests switch it off to observe single words.
    pub is_fusing: bool,
}

impl Interpreter {
    /// The name of the engine.
    pub const NAME: &str = "bytecode";
}

impl Default for Interpreter {
    fn default() -> Interpreter {
        Interpreter { is_fusing: true }
    }
}

impl Engine for Interpreter {
    fn name(&self) -> &'static str {
        Interpreter::NAME
    }

    fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError> {
        PrepareError::decline(Interpreter::NAME, task.program())?;
        let bytecode = task.bytecode(clock)?;
        let code = lower(&bytecode, self.is_fusing);
        let counters = vec![0; bytecode.main().counters as usize];
        Ok(Box::new(ThreadedProgram { bytecode, code, counters }))
    }
}

struct ThreadedProgram {
    bytecode: Rc<Bytecode>,
    code: Code,
    counters: Vec<i64>,
}

impl Prepared for ThreadedProgram {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        let fuel = self.bytecode.begin(inputs, fuel, stack);
        let bottom = stack.bottom();
        let mut context = Context {
            base: bottom,
            bottom,
            counters: self.counters.as_mut_ptr(),
            fuel,
            stop: Stop::Pause,
            ip: self.code.start(),
            count: 0,
            registers: [0; REGISTERS],
        };
        while context.stop == Stop::Pause {
            // SAFETY: the code comes from `lower`, there are as many counters as it uses, the stack holds the inputs
            // that it expects and has room for its limit, and the context is that of the entry or of a pause.
            unsafe { context.run() };
        }
        let site = self.code.site(context.ip);
        // SAFETY: both point into the stack, or just past its last slot.
        let above_bottom = unsafe { context.base.offset_from(bottom) } as i64;
        let depth = (above_bottom + site.values_above) as u64;
        if context.stop == Stop::Trap {
            return Err(self.bytecode.trap(site.pc, || depth));
        }
        stack.set_depth(depth as usize);
        Ok(())
    }
}
