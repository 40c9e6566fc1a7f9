//! The time line of a tiered execution: what was compiled when and why, and where machine code was entered.

use std::time::{Duration, Instant};

use super::Choice;
use crate::bytecode::{FunctionId, RegionId};

/// Collects events, if anybody wants them.
#[derive(Default)]
pub struct Timeline(Option<(Instant, Vec<Event>)>);

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The time since the engine began to prepare the program, after lowering it to bytecode.
    pub at: Duration,
    /// The function.
    pub function: FunctionId,
    /// The loop at whose header the code has an entry, or is entered.
    pub region: Option<RegionId>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The function and all functions that it can reach were compiled.
    Compiled {
        /// The tier.
        tier: Choice,
        /// The reason.
        why: Why,
        /// The number of bytecode operations.
        operations: usize,
        /// The size of the machine code in bytes.
        bytes: usize,
        /// How long it took.
        took: Duration,
    },
    /// It was hot, but could not be compiled; the message of the error.
    Refused(String),
    /// Its bytecode was interpreted as it is.
    Switched {
        /// About how many operations were executed.
        operations: i64,
        /// Whether that was the whole run. If not, the run begins again.
        is_whole: bool,
    },
    /// The execution continued in its machine code.
    Entered {
        /// How many times, until the next event of another kind.
        times: u64,
    },
}

/// Why a function is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its loops and calls have done this much work in the interpreter or in the baseline's code, or are about to, in operations.
    Work {
        /// The work.
        done: i64,
        /// The work that pays for compiling it.
        limit: i64,
    },
    /// This is the visit of the place at which the threshold says to compile it.
    Visits(u64),
    /// Code of the baseline has done this much work, in operations, as the threshold says.
    Done(i64),
    /// The function was compiled before, but cannot be entered where the execution arrives.
    Arrived,
    /// The threshold says to compile the program before it begins.
    First,
    /// It was hot in an earlier run.
    Remembered,
    /// The program may do as much work as pays for compiling it, although it is not known.
    Unforeseen,
}

impl Timeline {
    /// Collects events from now on.
    pub fn start(&mut self) {
        self.0 = Some((Instant::now(), Vec::new()));
    }

    /// Whether events are collected.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The events so far.
    pub fn events(&self) -> &[Event] {
        self.0.as_ref().map_or(&[], |(_, events)| events)
    }

    /// Adds an event.
    pub fn add(&mut self, function: FunctionId, region: Option<RegionId>, what: What) {
        if let Some((begun, events)) = &mut self.0 {
            events.push(Event { at: begun.elapsed(), function, region, what });
        }
    }

    /// Notes that machine code was entered.
    pub fn enter(&mut self, function: FunctionId, region: Option<RegionId>) {
        let Some((_, events)) = &mut self.0 else { return };
        let latest = events.iter_mut().rev().take_while(|event| matches!(event.what, What::Entered { .. }));
        for event in latest {
            if let What::Entered { times } = &mut event.what
                && (event.function, event.region) == (function, region)
            {
                *times += 1;
                return;
            }
        }
        self.add(function, region, What::Entered { times: 1 });
    }
}
