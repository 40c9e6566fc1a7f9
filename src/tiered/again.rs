//! An engine for the oracle: it executes every run with a cold cache, with a warm cache, and with remembered profiles.

use std::cell::RefCell;
use std::rc::Rc;

use super::profile::Hot;
use super::{Cache, Choice, SharedCache, Threshold, Tiered};
use crate::engine::{Engine, NoClock, Options, PhaseClock, PrepareError, Prepared, Task};
use crate::exec::Store;
use crate::lang::Program;
use crate::outcome::Trap;

/// The engine.
pub struct Again {
    name: &'static str,
    threshold: Threshold,
    cache: SharedCache,
}

/// The greatest number of bytes in the cache: enough for some programs, but not for many.
const CAPACITY: usize = 1 << 16;

impl Again {
    /// The engine of this name with a threshold.
    pub fn new(name: &'static str, threshold: Threshold) -> Again {
        Again { name, threshold, cache: Rc::new(RefCell::new(Cache::new(CAPACITY))) }
    }

    fn engine(&self) -> Tiered {
        Tiered::new(self.name, self.threshold)
    }
}

impl Engine for Again {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError> {
        // The program is prepared anew in every run, so this only shows whether that is possible.
        self.engine().prepare_tiered(task, clock)?;
        let (engine, cached) = (self.engine(), self.engine().with_cache(Rc::clone(&self.cache)));
        let (program, options) = (task.program().clone(), *task.options());
        Ok(Box::new(Repeated { program, options, engine, cached, tier_changes: 0 }))
    }
}

struct Repeated {
    program: Program,
    options: Options,
    engine: Tiered,
    cached: Tiered,
    tier_changes: u64,
}

impl Repeated {
    /// The result of a run, and what is on the stack and in the memory.
    fn result(
        prepared: &mut dyn Prepared,
        inputs: &[i64],
        fuel: Option<u64>,
        stack: &mut Store,
    ) -> Result<(Vec<i64>, Vec<i64>), Trap> {
        prepared.run(inputs, fuel, stack)?;
        Ok((stack.values().to_vec(), stack.memory().to_vec()))
    }
}

impl Prepared for Repeated {
    /// # Panics
    /// If the runs have different results.
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        let task = Task::new(&self.program, &self.options);
        let prepared = "the same program was prepared before";
        let mut first = self.cached.prepare_task(&task, &mut NoClock).expect(prepared);
        let expected = Self::result(&mut *first, inputs, fuel, stack);
        self.tier_changes = first.tier_changes();
        drop(first);
        let mut again = self.cached.prepare_task(&task, &mut NoClock).expect(prepared);
        let found = Self::result(&mut *again, inputs, fuel, stack);
        assert_eq!(found, expected, "with a warm cache, {} has another result", self.engine.name());
        drop(again);
        let mut cold = self.engine.prepare_tiered(&task, &mut NoClock).expect(prepared);
        let _ = cold.run(inputs, fuel, stack);
        let hot = cold.hot();
        // What is hot is often remembered with the best tier. Then the second profile differs.
        let first_tier = hot.iter().map(|hot| Hot { tier: Choice::Baseline, ..*hot }).collect();
        for hot in [hot, first_tier] {
            let mut remembering = self.engine.prepare_remembering(&task, &hot, &mut NoClock).expect(prepared);
            let found = Self::result(&mut remembering, inputs, fuel, stack);
            assert_eq!(found, expected, "with a profile, {} has another result", self.engine.name());
        }
        expected.map(drop)
    }

    fn tier_changes(&self) -> u64 {
        self.tier_changes
    }
}
