//! A program on the tiered engine, and what executes it: machine code of the whole program, or the interpreter.
#![allow(unsafe_code, reason = "the state of machine code is handed to the interpreter")]

use std::rc::Rc;

use super::foresight::{Foresight, foresee, has_while, main_regions};
use super::interpreted::{Interpreted, first_tier};
use super::profile::Hot;
use super::timeline::{Event, Timeline, What, Why};
use super::units::{Compiler, End, UnitId, Units, has_open_loops, is_open_ended};
use super::{Choice, Costs, Threshold};
use crate::bytecode::{Bytecode, FunctionId, Op, RegionKind, unit_length};
use crate::engine::{PrepareError, Prepared};
use crate::exec::Store;
use crate::interp::switch::{self, Executed};
use crate::interp::threaded::Machine;
use crate::outcome::Trap;

/// A program that the tiered engine has prepared.
pub struct TieredProgram {
    bytecode: Rc<Bytecode>,
    threshold: Threshold,
    units: Units,
    /// The number of operations of the functions that the main program can reach.
    length: usize,
    /// `None` until it is needed: if machine code executes the main program, it may never be.
    interpreted: Option<Box<Interpreted>>,
    /// The work of all runs so far, in operations, while that of the next run is foreseen too: until something notes the work, or the
    /// register tier has compiled the program.
    foreseen: Option<i64>,
    /// How many runs were foreseen.
    foresights: u32,
    /// How much work code of the baseline that counts its work may still do, in operations, before the register tier pays for it.
    left: i64,
    /// How often the last run has changed tiers: from the interpreter to machine code, or from code of the baseline to that of the
    /// register tier.
    tier_changes: u64,
    /// What was hot before, as a profile says.
    remembered: Vec<Hot>,
}

/// At most this many runs of a program are foreseen, because that may take longer than a short run.
const MOST_FORESIGHTS: u32 = 100;

/// Whether code of the baseline that counts its work can be left: whether the main program has a loop whose work is not known when it
/// begins.
fn has_exits(code: &Bytecode) -> bool {
    main_regions(code).any(|region| region.kind == RegionKind::While || region.is_loop() && region.has_call)
}

/// If the work of a run is not known, the bytecode is interpreted as it is until it has done this part of the work that pays for
/// translating it.
const PART_OF_UNKNOWN: i64 = 8;

/// As many memory cells are cleared in the time that it takes to interpret an operation of the bytecode as it is.
const CELLS_CLEARED: i64 = 4;

/// If code of the baseline cannot be left, the tier is chosen for the greatest work that the run may do, but for at most this many times
/// as much as is foreseen.
const MOST_LIKELY: i64 = 32;

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
        let (mut length, mut left) = (bytecode.ops().len(), i64::MAX);
        if let Threshold::BreakEven(costs) = threshold {
            // Definitions that are never called are not compiled.
            length = unit_length(&bytecode, FunctionId::MAIN, costs.longest_whole).unwrap_or(length);
            left = costs.break_even_of_registers(length);
        }
        let mut program = TieredProgram {
            bytecode,
            threshold,
            units,
            length,
            interpreted: None,
            foreseen: None,
            foresights: 0,
            left,
            tier_changes: 0,
            remembered: hot.to_vec(),
        };
        if threshold == Threshold::At(0) {
            program.units.of(FunctionId::MAIN, None, Choice::Registers, Why::First);
        } else if threshold != Threshold::Never {
            program.remember();
        }
        if program.whole().is_none() {
            if !program.can_wait()? {
                program.interpreted = Some(program.interpreter(true)?);
            } else if program.units.is_empty() {
                program.foreseen = Some(0);
            } else if program.units.start(FunctionId::MAIN).is_none() {
                program.interpreted = Some(program.interpreter(true)?);
            }
        } else if program.units.compiled_functions().any(|main| main == (FunctionId::MAIN, Choice::Baseline)) {
            // The register tier may pay later.
            program.foreseen = Some(0);
        }
        Ok(program)
    }

    /// Whether the interpreter may be prepared in a run, when it is known to be needed: if the whole program may be compiled instead, and
    /// if preparing the interpreter cannot fail.
    fn can_wait(&self) -> Result<bool, PrepareError> {
        let Threshold::BreakEven(costs) = self.threshold else { return Ok(false) };
        let is_short = self.length <= costs.longest_whole;
        let may_be_compiled = is_short || !self.bytecode.has_calls() && costs.longest_whole > 0;
        let may_wait = may_be_compiled && costs.can_pay() && self.units.can_compile();
        Ok(may_wait && Machine::is_available(&self.bytecode, self.units.granted())?)
    }

    /// The program in the interpreter.
    fn interpreter(&self, watches: bool) -> Result<Box<Interpreted>, PrepareError> {
        Interpreted::new(Rc::clone(&self.bytecode), self.threshold, &self.units, watches)
    }

    /// Before a run, decides what executes it: machine code of the whole program, or the interpreter. `before` is the work of the earlier
    /// runs. If the run is so short that it was executed at once, returns how it ended.
    fn foresee(
        &mut self,
        before: i64,
        inputs: &[i64],
        fuel: Option<u64>,
        stack: &mut Store,
    ) -> Option<Result<(), Trap>> {
        let Threshold::BreakEven(costs) = self.threshold else { return None };
        self.foresights = self.foresights.saturating_add(1);
        // If only the interpreter that needs no preparation may run, it goes on.
        let is_last = self.foresights >= MOST_FORESIGHTS && costs.can_translate();
        let may_switch = self.interpreted.is_none() && self.units.is_empty() && !is_last;
        let limit_of_switch = costs.break_even_of_interpreter(self.length);
        let is_open = has_open_loops(&self.bytecode);
        let (mut done, mut stopped) = (before, None);
        if may_switch && is_open {
            // If the run is longer, the memory is cleared once more.
            let most = limit_of_switch / PART_OF_UNKNOWN - self.bytecode.cells() as i64 / CELLS_CLEARED;
            let executed = self.switch(most.saturating_sub(before), inputs, fuel, stack);
            done = before.saturating_add(executed.operations);
            if executed.end.is_some() {
                self.foreseen = Some(done);
                return executed.end;
            }
            let place = executed.stopped.filter(|_| has_while(&self.bytecode));
            stopped = place.map(|place| Foresight::of_stopped(&self.bytecode, executed.operations, &place));
        }
        let seen = stopped.unwrap_or_else(|| foresee(&self.bytecode, inputs, fuel));
        done = done.max(before.saturating_add(seen.work));
        if self.whole().is_some() {
            self.improve(&costs, done, &seen, is_last);
            return None;
        }
        let part = if seen.is_whole() { 1 } else { PART_OF_UNKNOWN };
        if may_switch && (seen.is_whole() || !is_open) && done < limit_of_switch / part {
            // The estimate is not exact.
            let most = limit_of_switch.saturating_mul(2).saturating_sub(before);
            let executed = self.switch(most, inputs, fuel, stack);
            if executed.end.is_some() {
                self.foreseen = Some(before.saturating_add(executed.operations));
                return executed.end;
            }
        }
        self.begin(&costs, done, &seen, is_last);
        None
    }

    /// Compiles a program with the register tier if it is in code of the baseline so far, and if the work of the earlier runs and of the
    /// next run pays for it.
    fn improve(&mut self, costs: &Costs, done: i64, seen: &Foresight, is_last: bool) {
        let limit = costs.break_even_of_registers(self.length);
        let expected = done.saturating_mul(seen.factor);
        if expected >= limit {
            self.units.whole(Choice::Registers, Why::Work { done: expected, limit });
        }
        self.foreseen = Some(done).filter(|_| expected < limit && !is_last);
    }

    /// Compiles a program that was not compiled, if its work pays, and otherwise prepares an interpreter.
    fn begin(&mut self, costs: &Costs, done: i64, seen: &Foresight, is_last: bool) {
        // If the code can be left for better code, or its work is known, it may be of the baseline.
        let is_open_ended = is_open_ended(&self.bytecode);
        let guess = done.saturating_mul(seen.factor);
        let likely = if has_exits(&self.bytecode) { 1 } else { seen.factor.min(MOST_LIKELY) };
        let likely = done.saturating_mul(likely);
        let tier = first_tier(&self.bytecode).max(costs.best(self.length, likely));
        let limit = match self.interpreted {
            None => costs.break_even_at_start(tier, self.length, seen.body),
            Some(_) => costs.break_even(tier, self.length, seen.body),
        };
        let may_guess = is_open_ended && self.length <= costs.longest_whole;
        let expected = if may_guess { guess } else { done };
        if expected >= limit {
            let why = if done >= limit { Why::Work { done, limit } } else { Why::Unforeseen };
            let counts_work = is_open_ended && !seen.is_whole() && tier == Choice::Baseline;
            let made = match counts_work {
                true => self.units.of(FunctionId::MAIN, None, tier, why),
                false => self.units.whole(tier, why),
            };
            if made.is_some() {
                self.foreseen = Some(done).filter(|_| tier == Choice::Baseline && !counts_work);
                self.interpreted = None;
                return;
            }
        }
        // If it was not compiled although that would pay, this is not tried again.
        let is_foreseen = seen.is_whole() && expected < limit && !is_last;
        self.foreseen = Some(done).filter(|_| is_foreseen);
        if self.interpreted.is_none() || !is_foreseen {
            self.interpreted = Some(self.interpreter(!is_foreseen).expect("it is available"));
        }
    }

    /// Interprets the bytecode as it is until the run has done about this much work.
    fn switch(&mut self, most: i64, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Executed {
        if most <= 0 {
            return Executed { end: None, operations: 0, stopped: None };
        }
        let executed = switch::execute(&self.bytecode, inputs, fuel, most, stack);
        let what = What::Switched { operations: executed.operations, is_whole: executed.end.is_some() };
        self.units.timeline.add(FunctionId::MAIN, None, what);
        executed
    }

    /// Compiles the whole program with the register tier, because code of the baseline has done enough work.
    fn promote(&mut self) {
        let why = self.why_registers();
        self.units.whole(Choice::Registers, why);
        // If that fails, the baseline's code keeps running.
        self.left = i64::MAX;
    }

    /// Why the register tier compiles the program after code of the baseline has counted its work.
    fn why_registers(&self) -> Why {
        let Threshold::BreakEven(costs) = self.threshold else { unreachable!("otherwise, no code counts its work") };
        let limit = costs.break_even_of_registers(self.length);
        Why::Work { done: limit.saturating_sub(self.left), limit }
    }

    /// Runs the main program in code of the baseline that counts its work, until it has done enough. Continues in code of the register
    /// tier.
    fn run_counting(&mut self, main: UnitId, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        self.bytecode.begin(inputs, fuel, stack);
        self.units.timeline.enter(FunctionId::MAIN, None);
        let left = self.units.run_counting(main, stack, self.left);
        let region = match left.end {
            End::Hot(region) => region,
            End::Returned { work, .. } => {
                self.left = self.left.saturating_sub(work);
                return self.units.finish(left, stack);
            }
            End::Trapped(trap) => return Err(trap),
        };
        self.left = 0;
        let why = self.why_registers();
        let Some(registers) = self.units.of(FunctionId::MAIN, Some(region), Choice::Registers, why) else {
            // The run begins again.
            self.interpreted = Some(self.interpreter(true).expect("it is available"));
            return self.interpret(inputs, fuel, stack);
        };
        self.units.timeline.enter(FunctionId::MAIN, Some(region));
        self.tier_changes = 1;
        // SAFETY: the code has left the main program at this header.
        let left = unsafe { self.units.go_on(main, registers, region, left.pointer, stack) };
        self.units.finish(left, stack)
    }

    /// Runs the program in the interpreter, which must be prepared.
    fn interpret(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        let interpreted = self.interpreted.as_mut().expect("the caller has prepared it");
        let result = interpreted.run(&mut self.units, inputs, fuel, stack);
        self.tier_changes = interpreted.entries;
        result
    }

    /// The unit that is the whole program, and is executed to its end.
    fn whole(&self) -> Option<UnitId> {
        self.units.start(FunctionId::MAIN).filter(|unit| !self.units.get(*unit).counts_work())
    }

    /// Compiles what was hot before.
    fn remember(&mut self) {
        let functions = self.bytecode.functions().len();
        let hot = self.remembered.iter().map(|hot| (FunctionId(hot.function), hot.tier));
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

    /// What a profile has to learn: the functions that were hot so far, except those of which the profile with which the program was
    /// prepared says so already.
    pub fn news(&self) -> Vec<Hot> {
        let is_known =
            |hot: &Hot| self.remembered.iter().any(|old| old.function == hot.function && old.tier >= hot.tier);
        let mut news = self.hot();
        news.retain(|hot| !is_known(hot));
        news
    }

    /// The time line, if it was requested.
    pub fn events(&self) -> &[Event] {
        self.units.timeline.events()
    }

    /// The program's bytecode.
    pub fn bytecode(&self) -> &Bytecode {
        &self.bytecode
    }

    /// About how many bytes its bytecode, its interpreter's code and its machine code have.
    pub fn bytes(&self) -> usize {
        // The interpreter's code has about three cells of 8 bytes for every two operations.
        self.bytecode.ops().len() * (size_of::<Op>() + 8 + 12) + self.units.code_bytes()
    }
}

impl Prepared for TieredProgram {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        self.tier_changes = 0;
        if let Some(done) = self.foreseen {
            if let Some(end) = self.foresee(done, inputs, fuel, stack) {
                return end;
            }
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
        if self.interpreted.is_some() {
            return self.interpret(inputs, fuel, stack);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytecode::{Limits, lower};
    use crate::lang::{Source, load};
    use crate::tiers::{Native, support, tier};

    /// A tier may refuse a program, for example because there is no memory for more code. Then a better one, a worse one or the
    /// interpreter goes on, from wherever the execution is.
    #[test]
    fn a_tier_that_refuses_is_done_without() {
        if let Err(reason) = support() {
            return println!("NOT RUN: {reason}");
        }
        let interpreted = Threshold::BreakEven(Costs { longest_whole: 0, ..Costs::MEASURED });
        let thresholds =
            [Threshold::DEFAULT, interpreted, Threshold::BreakEven(Costs::EAGER), Threshold::At(1), Threshold::At(2)];
        let mut refusals = [0, 0];
        let mut changes = 0;
        for text in [
            "0 swap while dup do dup rot + swap 1 - end drop",
            ": f ( n -- m ) 0 swap while dup do dup rot + swap 1 - end drop ; f",
            ": f ( n -- m ) while dup 7 > do 3 - end ; 0 swap times 40 f + end",
            ": f ( n -- m ) dup 0 > if 1 - f 1 + end ; 0 swap times 9 f + end",
            ": f ( n -- m ) dup 0 > if 1 - dup while dup do 1 - end drop f 1 + end ; 300 mod f",
        ] {
            let program = load(&Source::new("test", text), 1).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            let code = Rc::new(lower(&program, Limits::of_stack(1_000), false).expect("it is small"));
            let results = |threshold, refused| {
                let mut compiler = Compiler::new(tier("regs").map(|tier| Native::new("tiered", tier)));
                compiler.refused = refused;
                let mut timeline = Timeline::default();
                timeline.start();
                let mut program =
                    TieredProgram::new(Rc::clone(&code), threshold, compiler, &[], timeline).expect("there is memory");
                let mut stack = Store::new(1_000).expect("there is memory");
                let mut run = |size: &i64| {
                    program.run(&[*size], None, &mut stack).expect("it does not trap");
                    (stack.values().to_vec(), program.tier_changes())
                };
                let runs: Vec<_> = [5, 40_000, 40_000, 7, 90_000].iter().map(&mut run).collect();
                (runs, program.events().iter().any(|event| matches!(event.what, What::Refused(_))))
            };
            let (expected, _) = results(Threshold::Never, None);
            for threshold in thresholds {
                for (index, refused) in [Choice::Baseline, Choice::Registers].into_iter().enumerate() {
                    let (runs, was_refused) = results(threshold, Some(refused));
                    refusals[index] += usize::from(was_refused);
                    for ((found, changed), (values, _)) in runs.iter().zip(&expected) {
                        assert_eq!(found, values, "{text}, {threshold:?} without {refused:?}");
                        changes += u64::from(was_refused && *changed > 0);
                    }
                }
            }
        }
        // Some executions are in machine code when a tier refuses.
        assert!(refusals.iter().all(|refusals| *refusals > 10) && changes > 20, "{refusals:?}, {changes}");
    }
}
