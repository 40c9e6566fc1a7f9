//! `tiered`: begins in the interpreter, compiles the functions whose loops and calls are hot, and continues in their machine code.
//!
//! The interpreter's watched code notes the work of loops where it pauses anyway. A function is hot when it has done as much work in
//! the interpreter as pays for compiling it: at worst, the program then takes little more than twice the time of the best
//! choice in hindsight. `costs` has the constants. A `times` loop knows its count when it begins, so it is decided there.
//!
//! What is compiled is a unit: the function and all functions that it can reach. So machine code never calls the interpreter. It
//! begins at the function's start at the next call, or at the header of the hot loop, between two iterations. When the
//! function returns, the interpreter goes on after the call.

mod costs;
mod program;
mod units;

pub use costs::Costs;
pub use program::TieredProgram;

use crate::engine::{Engine, PhaseClock, PrepareError, Prepared, Task};
use crate::tiers::{self, Native, tier};
use units::Compiler;

/// When a function is compiled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// When compiling it has paid, by these costs.
    BreakEven(Costs),
    /// At the `n`th iteration of one of its loops, or at its `n`th call, counted anew in every run. With 0, the whole program is compiled
    /// before it begins. Stopping to count costs more than an iteration, so this is a threshold for tests and experiments.
    At(u64),
    /// Never.
    Never,
}

/// The tiered engine.
pub struct Tiered {
    name: &'static str,
    threshold: Threshold,
    compiler: Compiler,
}

impl Tiered {
    /// The name of the engine with its default threshold.
    pub const NAME: &str = "tiered";

    /// The engine with a threshold. `name` is its name in messages.
    pub fn new(name: &'static str, threshold: Threshold) -> Tiered {
        // On a host that cannot run machine code, everything stays interpreted.
        let native = tiers::support().ok().and_then(|()| Some(Native::new(name, tier("regs")?)));
        Tiered { name, threshold, compiler: Compiler::new(native) }
    }

    /// Prepares the program of a task.
    ///
    /// # Errors
    /// The same as for [`Engine::prepare_task`].
    pub fn prepare_tiered(&self, task: &Task, clock: &mut dyn PhaseClock) -> Result<TieredProgram, PrepareError> {
        TieredProgram::new(task.bytecode(clock)?, self.threshold, self.compiler.clone())
    }
}

impl Engine for Tiered {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError> {
        Ok(Box::new(self.prepare_tiered(task, clock)?))
    }
}
