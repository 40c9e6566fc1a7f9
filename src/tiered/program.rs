//! A program on the tiered engine, and what executes it: machine code of the whole program, or the interpreter.
#![allow(unsafe_code, reason = "the state of machine code is handed to the interpreter")]

use std::rc::Rc;

use super::costs::Costs;
use super::foresight::foresee;
use super::interpreted::{Interpreted, first_tier};
use super::profile::Hot;
use super::timeline::{Event, Timeline, Why};
use super::units::{Compiler, End, Left, UnitId, Units};
use super::{Choice, Threshold};
use crate::bytecode::{Bytecode, FunctionId, Op};
use crate::engine::{PrepareError, Prepared};
use crate::exec::Store;
use crate::interp::threaded::Machine;
use crate::outcome::Trap;

/// A program that the tiered engine has prepared.
pub struct TieredProgram {
    bytecode: Rc<Bytecode>,
    threshold: Threshold,
    units: Units,
    /// `None` if the whole program was compiled before it began, and until the first run if that can prepare it.
    interpreted: Option<Box<Interpreted>>,
    /// The work of all runs so far, in operations, while that of the next run is foreseen too: until the register tier has compiled the
    /// program, or the interpreter's code watches it because its work is not foreseen as a whole.
    foreseen: Option<i64>,
    /// How much work code of the baseline that counts its work may still do, in operations, before the register tier pays for it.
    left: i64,
    /// How often the last run has entered machine code from the interpreter.
    tier_changes: u64,
}

impl TieredProgram {
    /// Prepares a program of which this was hot before.
    pub(super) fn new(
        bytecode: Rc<Bytecode>,
        threshold: Threshold,
        compiler: Compiler,
        hot: &[Hot],
        timeline: Timeline,
    ) -> Result<TieredProgram, PrepareError> {
        let units = Units::new(Rc::clone(&bytecode), compiler, timeline);
        let left = match threshold {
            Threshold::BreakEven(costs) => costs.break_even_of_registers(bytecode.ops().len()),
            Threshold::At(_) | Threshold::Never => i64::MAX,
        };
        let mut program =
            TieredProgram { bytecode, threshold, units, interpreted: None, foreseen: None, left, tier_changes: 0 };
        if threshold == Threshold::At(0) {
            program.units.of(FunctionId::MAIN, None, Choice::Registers, Why::First);
        } else if threshold != Threshold::Never {
            program.remember(hot);
        }
        if program.whole().is_none() {
            if !program.can_wait()? {
                program.interpreted = Some(program.interpreter(true)?);
            } else if program.units.is_empty() {
                program.foreseen = Some(0);
            } else if program.units.start(FunctionId::MAIN).is_none() {
                program.interpreted = Some(program.interpreter(true)?);
            }
        }
        Ok(program)
    }

    /// Whether the interpreter may be prepared in a run, when it is known to be needed: if the whole program may be compiled instead, and
    /// if preparing the interpreter cannot fail.
    fn can_wait(&self) -> Result<bool, PrepareError> {
        let Threshold::BreakEven(costs) = self.threshold else { return Ok(false) };
        let is_one_function = !self.bytecode.has_calls() && costs.longest_whole > 0;
        let may_compile = (is_one_function || self.is_short(&costs)) && costs.can_pay() && self.units.can_compile();
        Ok(may_compile && Machine::is_available(&self.bytecode, self.units.granted())?)
    }

    /// Whether the program may be compiled although parts of it are perhaps never executed.
    fn is_short(&self, costs: &Costs) -> bool {
        self.bytecode.ops().len() <= costs.longest_whole
    }

    /// The program in the interpreter.
    fn interpreter(&self, watches: bool) -> Result<Box<Interpreted>, PrepareError> {
        Interpreted::new(Rc::clone(&self.bytecode), self.threshold, &self.units, watches)
    }

    /// Before a run, decides what executes it: the whole program in machine code if there will be enough work, and else the interpreter.
    /// `done` is the work of the runs before.
    fn foresee(&mut self, done: i64, inputs: &[i64], fuel: Option<u64>) {
        let Threshold::BreakEven(costs) = self.threshold else { return };
        let seen = foresee(&self.bytecode, inputs, fuel);
        let done = done.saturating_add(seen.work);
        let length = self.bytecode.ops().len();
        if self.whole().is_some() {
            // It is code of the baseline.
            let limit = costs.break_even_of_registers(length);
            self.foreseen = Some(done).filter(|done| *done < limit);
            if self.foreseen.is_none() {
                self.units.whole(Choice::Registers, Why::Work { done, limit });
            }
            return;
        }
        let tier = first_tier(&self.bytecode).max(costs.best(length, done));
        let limit = match self.interpreted {
            None => costs.break_even_at_start(tier, length, seen.body),
            Some(_) => costs.break_even(tier, length, seen.body),
        };
        // Code that counts its work can be left for better code, so it may be a mistake.
        let counts_work = !seen.is_whole() && tier == Choice::Baseline;
        let expected = if counts_work && self.is_short(&costs) { done.saturating_mul(seen.factor) } else { done };
        if expected >= limit {
            let why = if done >= limit { Why::Work { done, limit } } else { Why::Unforeseen };
            let made = match counts_work {
                true => self.units.of(FunctionId::MAIN, None, tier, why),
                false => self.units.whole(tier, why),
            };
            if made.is_some() {
                self.foreseen = Some(done).filter(|_| seen.is_whole() && tier == Choice::Baseline);
                self.interpreted = None;
                return;
            }
        }
        self.foreseen = Some(done).filter(|_| seen.is_whole());
        if !seen.is_whole() || self.interpreted.is_none() {
            self.interpreted = Some(self.interpreter(!seen.is_whole()).expect("it is available"));
        }
    }

    /// Compiles the whole program with the register tier, because code of the baseline has done enough work.
    fn promote(&mut self) {
        if let Threshold::BreakEven(costs) = self.threshold {
            let limit = costs.break_even_of_registers(self.bytecode.ops().len());
            let done = limit.saturating_sub(self.left);
            self.units.whole(Choice::Registers, Why::Work { done, limit });
        }
        // If that has failed, the baseline's code goes on.
        self.left = i64::MAX;
    }

    /// Runs the main program in code of the baseline that counts its work, until it has done enough.
    fn run_counting(&mut self, main: UnitId, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        let fuel = self.bytecode.begin(inputs, fuel, stack);
        self.units.timeline.enter(FunctionId::MAIN, None);
        let Left { end, pointer, work, .. } = self.units.run_counting(main, stack, self.left);
        self.left = self.left.saturating_sub(work);
        match end {
            End::Returned => Ok(()),
            End::Trapped(trap) => Err(trap),
            End::Hot(region) => {
                let interpreted = self.interpreter(true).expect("it is available");
                let interpreted = self.interpreted.insert(interpreted);
                // SAFETY: the code has left the main program at this header, in this state.
                let result = unsafe { interpreted.take_over(region, main, pointer, &mut self.units, fuel, stack) };
                self.tier_changes = interpreted.entries;
                result
            }
        }
    }

    /// The unit that is the whole program, and is executed to its end.
    fn whole(&self) -> Option<UnitId> {
        self.units.start(FunctionId::MAIN).filter(|unit| !self.units.get(*unit).counts_work())
    }

    /// Compiles what was hot before.
    fn remember(&mut self, hot: &[Hot]) {
        let functions = self.bytecode.functions().len();
        let hot = hot.iter().map(|hot| (FunctionId(hot.function), hot.tier));
        let hot = hot.filter(|(function, _)| function.index() < functions);
        if let Some((_, tier)) = hot.clone().find(|(function, _)| *function == FunctionId::MAIN) {
            self.units.of(FunctionId::MAIN, None, tier, Why::Remembered);
            return;
        }
        // A hostile profile may name functions that reach nearly everything.
        let mut operations = 4 * self.bytecode.ops().len();
        for (function, tier) in hot {
            if operations == 0 {
                return;
            }
            if let Some(unit) = self.units.of(function, None, tier, Why::Remembered) {
                operations = operations.saturating_sub(self.units.get(unit).operations());
            }
        }
    }

    /// The functions that were hot so far, each with the best tier that pays for it. A profile remembers them. That tier may not have
    /// compiled the function yet: a function without loops leaves its code only when it returns.
    pub fn hot(&self) -> Vec<Hot> {
        let deserved = |function| match &self.interpreted {
            Some(interpreted) => interpreted.deserved(function),
            None => (self.left <= 0).then_some(Choice::Registers),
        };
        let hot = |(function, tier): (FunctionId, Choice)| {
            let tier = deserved(function).map_or(tier, |best| best.max(tier));
            Hot { function: function.0, tier }
        };
        self.units.compiled_functions().map(hot).collect()
    }

    /// The time line, if it was requested.
    pub fn events(&self) -> &[Event] {
        self.units.timeline.events()
    }

    /// The program's bytecode.
    pub fn bytecode(&self) -> &Bytecode {
        &self.bytecode
    }

    /// About how many bytes of memory it needs.
    pub fn bytes(&self) -> usize {
        // The interpreter's code has about three cells of 8 bytes for every two operations.
        self.bytecode.ops().len() * (size_of::<Op>() + 8 + 12) + self.units.code_bytes()
    }
}

impl Prepared for TieredProgram {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        self.tier_changes = 0;
        if let Some(done) = self.foreseen {
            self.foresee(done, inputs, fuel);
        } else if self.left <= 0 && self.interpreted.is_none() {
            self.promote();
        }
        // A threshold counts anew in every run.
        let counts = matches!(self.threshold, Threshold::At(1..));
        if let Some(main) = self.whole().filter(|_| !counts || self.interpreted.is_none()) {
            let fuel = self.bytecode.begin(inputs, fuel, stack);
            self.units.timeline.enter(FunctionId::MAIN, None);
            return self.units.run(main, stack, fuel);
        }
        if let Some(interpreted) = &mut self.interpreted {
            let result = interpreted.run(&mut self.units, inputs, fuel, stack);
            self.tier_changes = interpreted.entries;
            return result;
        }
        let main = self.units.start(FunctionId::MAIN).expect("a program that is not interpreted is compiled");
        self.run_counting(main, inputs, fuel, stack)
    }

    fn tier_changes(&self) -> u64 {
        self.tier_changes
    }

    fn code_bytes(&self) -> Option<usize> {
        Some(self.units.code_bytes())
    }
}
