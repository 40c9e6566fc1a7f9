//! `tiered`: begins in an interpreter or in machine code, compiles the functions whose loops and calls are hot, and continues in their
//! machine code.
//!
//! The interpreter's watched code notes the work of loops where it pauses anyway. A function is hot when the interpreter has done so
//! much of its work that compiling it pays. So at worst, a program takes little more than twice as long as with the best choice in
//! hindsight, if the constants in `costs` are right. The count of a `times` loop is known when the loop begins, so the engine decides
//! there. If the inputs show that there will be enough work, it decides before the program begins: see `foresight`. If a run is too
//! short to pay for any preparation, [`interp::switch`](crate::interp::switch) executes it, which needs none.
//!
//! The engine compiles a unit: the function and all functions that it can reach. So machine code never calls the interpreter. The
//! machine code is entered at its start, when the function is called next, or at the header of the hot loop, between two iterations.
//! When the function returns, the interpreter goes on after the call.
//!
//! The first tier that compiles is the baseline, unless fuel is metered. Its code counts its work. When the register tier would have
//! paid, the execution leaves this code at the header of a loop, and continues there in code of the register tier.

mod again;
mod cache;
mod costs;
mod foresight;
mod interpreted;
pub mod profile;
pub mod profile_file;
mod program;
mod timeline;
mod units;
mod worth;

use std::cell::RefCell;
use std::rc::Rc;

pub use again::Again;
pub use cache::{Cache, CacheCounts, SharedCache};
pub use costs::{Choice, Costs, LONG, TierCosts};
pub use program::TieredProgram;
pub use timeline::{Event, What, Why};

use crate::engine::{Engine, Phase, PhaseClock, PrepareError, Prepared, Task};
use crate::exec::Store;
use crate::outcome::Trap;
use crate::tiers::{self, Native, tier};
use timeline::Timeline;
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

impl Threshold {
    /// That of the engine named [`Tiered::NAME`].
    pub const DEFAULT: Threshold = Threshold::BreakEven(Costs::MEASURED);
}

/// The tiered engine.
pub struct Tiered {
    name: &'static str,
    threshold: Threshold,
    compiler: Compiler,
    cache: Option<SharedCache>,
    explains: bool,
}

impl Tiered {
    /// The name of the engine with its default threshold.
    pub const NAME: &str = "tiered";

    /// The engine with a threshold. `name` is its name in messages.
    pub fn new(name: &'static str, threshold: Threshold) -> Tiered {
        // On a host that cannot run machine code, everything stays interpreted.
        let native = tiers::support().ok().and_then(|()| Some(Native::new(name, tier("regs")?)));
        Tiered { name, threshold, compiler: Compiler::new(native), cache: None, explains: false }
    }

    /// The same engine with a cache of prepared programs.
    pub fn with_cache(self, cache: SharedCache) -> Tiered {
        Tiered { cache: Some(cache), ..self }
    }

    /// The same engine with a time line for each program that it prepares.
    pub fn with_time_line(self) -> Tiered {
        Tiered { explains: true, ..self }
    }

    /// Prepares the program of a task.
    ///
    /// # Errors
    /// The same as for [`Engine::prepare_task`].
    pub fn prepare_tiered(&self, task: &Task, clock: &mut dyn PhaseClock) -> Result<TieredProgram, PrepareError> {
        self.prepare_remembering(task, &[], clock)
    }

    /// Prepares the program of a task, of which these functions were hot in an earlier run. Numbers that fit no function are ignored.
    ///
    /// # Errors
    /// The same as for [`Engine::prepare_task`].
    pub fn prepare_remembering(
        &self,
        task: &Task,
        hot: &[profile::Hot],
        clock: &mut dyn PhaseClock,
    ) -> Result<TieredProgram, PrepareError> {
        let bytecode = task.bytecode(clock)?;
        clock.begin(Phase::Generate);
        let mut timeline = Timeline::default();
        if self.explains {
            timeline.start();
        }
        TieredProgram::new(bytecode, self.threshold, self.compiler.clone(), hot, timeline)
    }
}

impl Engine for Tiered {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError> {
        match &self.cache {
            None => Ok(Box::new(self.prepare_tiered(task, clock)?)),
            Some(cache) => {
                let prepare = || self.prepare_tiered(task, clock);
                Ok(Box::new(Cached(cache.borrow_mut().find_or_prepare(task, self.threshold, prepare)?)))
            }
        }
    }
}

/// A program of a cache.
struct Cached(Rc<RefCell<TieredProgram>>);

impl Prepared for Cached {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        self.0.borrow_mut().run(inputs, fuel, stack)
    }

    fn tier_changes(&self) -> u64 {
        self.0.borrow().tier_changes()
    }

    fn code_bytes(&self) -> Option<usize> {
        self.0.borrow().code_bytes()
    }
}
