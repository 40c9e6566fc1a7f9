//! `bytecode`, the fast interpreter. It translates the bytecode into threaded code for a machine with three registers
//! and runs that.
//!
//! It relies on the verifier and on the explicit checks in the bytecode. It checks the depth nowhere else.
#![allow(unsafe_code, reason = "the code and the stack are accessed without bounds checks")]

use std::rc::Rc;

use super::threaded::handlers::{Context, REGISTERS, Stop};
use super::threaded::{Code, Control, lower};
use crate::bytecode::{Bytecode, FunctionId};
use crate::engine::{Engine, PhaseClock, PrepareError, Prepared, Task};
use crate::exec::{Store, can_reserve};
use crate::host_stack::with_room;
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

/// A control stack of at most this many bytes is not reserved for a test when a program is prepared, because that takes longer
/// than translating a small program.
const SURELY_AVAILABLE: usize = 16 << 20;

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
        let bytecode = task.bytecode(clock)?;
        let code = lower(&bytecode, self.is_fusing);
        let control = Control::new(code.counters, bytecode.greatest_depth());
        let control_bytes = Some(control.greatest_bytes()).filter(|bytes| *bytes > SURELY_AVAILABLE);
        can_reserve(bytecode.cells(), control_bytes.unwrap_or(0)).map_err(PrepareError::Reserve)?;
        let has_calls = bytecode.has_calls();
        Ok(Box::new(ThreadedProgram { bytecode, code, control, has_calls }))
    }
}

struct ThreadedProgram {
    bytecode: Rc<Bytecode>,
    code: Code,
    control: Control,
    has_calls: bool,
}

impl Prepared for ThreadedProgram {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        let fuel = self.bytecode.begin(inputs, fuel, stack);
        let cells = self.bytecode.cells();
        stack.reserve(cells, 0).expect("the memory was available when the program was prepared");
        stack.clear_memory(cells);
        let bottom = stack.bottom();
        let mut context = Context {
            base: bottom,
            bottom,
            counters: std::ptr::null_mut(),
            fuel,
            returns: std::ptr::null_mut(),
            returns_end: std::ptr::null_mut(),
            budget: 0,
            memory: stack.memory_start(),
            cells: cells as u64,
            stop: Stop::Pause,
            ip: self.code.start(),
            count: 0,
            registers: [0; REGISTERS],
            #[cfg(debug_assertions)]
            instructions: 0,
        };
        self.control.begin(&mut context);
        // SAFETY: the code comes from `lower`, there are as many counters as it uses, the stack holds the inputs that it expects and
        // has room for its limit, there are as many memory cells as the context says, and the context is that of the entry.
        with_room(|| unsafe { self.execute(&mut context) });
        let site = self.code.site(context.ip);
        let depth = |base: usize| {
            let above_base = (context.base.addr() as i64 - base as i64) / size_of::<i64>() as i64;
            (above_base + site.values_above) as u64
        };
        if context.stop == Stop::Done {
            stack.set_depth(depth(bottom.addr()) as usize);
            return Ok(());
        }
        Err(self.bytecode.trap(site.pc, || match self.bytecode.function_of(site.pc) {
            FunctionId::MAIN => depth(bottom.addr()),
            // SAFETY: a definition with checks keeps its base after its counters.
            _ => depth(unsafe { *context.counters.sub(1) } as usize),
        }))
    }
}

impl ThreadedProgram {
    /// Executes the code until it ends or traps.
    ///
    /// # Safety
    /// The context must be as its documentation requires, and at the entry.
    unsafe fn execute(&mut self, context: &mut Context) {
        if !self.has_calls {
            while context.stop == Stop::Pause {
                // SAFETY: the context is that of the entry or of a pause.
                unsafe { context.run() };
            }
            return;
        }
        while matches!(context.stop, Stop::Pause | Stop::Call) {
            let may_call = self.control.resume(context);
            if context.stop == Stop::Call && !may_call {
                return;
            }
            // SAFETY: as above, and there is room for the calls that may begin until the next pause.
            unsafe { context.run() };
        }
    }
}
