//! An engine for the oracle: it executes every run with a cold cache, with a warm cache, with remembered profiles, and with a random
//! threshold.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use rustc_hash::FxHasher;

use super::profile::Hot;
use super::{Cache, Choice, Costs, SharedCache, Threshold, Tiered};
use crate::engine::{Engine, NoClock, Options, PhaseClock, PrepareError, Prepared, Task};
use crate::exec::Store;
use crate::lang::Program;
use crate::outcome::Trap;

/// The engine.
pub struct Again {
    name: &'static str,
    cache: SharedCache,
}

/// Programs begin in the interpreter.
const INTERPRETED: Threshold = Threshold::BreakEven(Costs::EAGER);

/// Most programs begin in machine code, which some of them leave.
const FORESEEN: Threshold = Threshold::BreakEven(Costs::FORESEEING);

/// The greatest number of bytes in the cache: enough for some programs, but not for many.
const CAPACITY: usize = 1 << 16;

impl Again {
    /// The engine of this name.
    pub fn new(name: &'static str) -> Again {
        Again { name, cache: Rc::new(RefCell::new(Cache::new(CAPACITY))) }
    }
}

impl Engine for Again {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError> {
        // The program is prepared anew in every run, so this only shows whether that is possible.
        let [interpreted, foreseen, cached] =
            [INTERPRETED, FORESEEN, FORESEEN].map(|threshold| Tiered::new(self.name, threshold));
        interpreted.prepare_tiered(task, clock)?;
        let cached = cached.with_cache(Rc::clone(&self.cache));
        let (program, options) = (task.program().clone(), *task.options());
        Ok(Box::new(Repeated { program, options, interpreted, foreseen, cached, tier_changes: 0 }))
    }
}

struct Repeated {
    program: Program,
    options: Options,
    interpreted: Tiered,
    foreseen: Tiered,
    cached: Tiered,
    tier_changes: u64,
}

/// A threshold from 4 to 67, greater than those of other engines. It looks random, but is always the same for the same run.
fn random(inputs: &[i64], fuel: Option<u64>) -> u64 {
    let mut hasher = FxHasher::default();
    (inputs, fuel).hash(&mut hasher);
    4 + hasher.finish() % 64
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
        let name = self.cached.name();
        drop(first);
        let mut again = self.cached.prepare_task(&task, &mut NoClock).expect(prepared);
        let found = Self::result(&mut *again, inputs, fuel, stack);
        assert_eq!(found, expected, "with a warm cache, {name} has another result");
        drop(again);
        let mut cold = self.interpreted.prepare_tiered(&task, &mut NoClock).expect(prepared);
        let found = Self::result(&mut cold, inputs, fuel, stack);
        assert_eq!(found, expected, "if it begins in the interpreter, {name} has another result");
        self.tier_changes += cold.tier_changes();
        let threshold = Threshold::At(random(inputs, fuel));
        let mut late = Tiered::new(name, threshold).prepare_tiered(&task, &mut NoClock).expect(prepared);
        let found = Self::result(&mut late, inputs, fuel, stack);
        assert_eq!(found, expected, "with {threshold:?}, {name} has another result");
        self.tier_changes += late.tier_changes();
        // What is hot is often remembered with the best tier. Then the second profile differs.
        let hot = cold.hot();
        let first_tier = hot.iter().map(|hot| Hot { tier: Choice::Baseline, ..*hot }).collect();
        let main = vec![Hot { function: 0, tier: Choice::Baseline }];
        for (engine, hot) in [(&self.interpreted, hot), (&self.interpreted, first_tier), (&self.foreseen, main)] {
            let mut remembering = engine.prepare_remembering(&task, &hot, &mut NoClock).expect(prepared);
            let found = Self::result(&mut remembering, inputs, fuel, stack);
            assert_eq!(found, expected, "with the profile {hot:?}, {name} has another result");
        }
        expected.map(drop)
    }

    fn tier_changes(&self) -> u64 {
        self.tier_changes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn thresholds_vary_with_the_run() {
        let thresholds = |fuel| (0..200).map(move |input| random(&[input], fuel));
        let all: BTreeSet<u64> = thresholds(None).chain(thresholds(Some(9))).collect();
        assert!(all.len() > 48 && all.iter().all(|threshold| (4..68).contains(threshold)), "{all:?}");
        assert!(thresholds(None).eq(thresholds(None)) && thresholds(None).ne(thresholds(Some(9))));
    }
}
