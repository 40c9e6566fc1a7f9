//! A program on the tiered engine: as a whole in machine code if that is known to pay, or else in the interpreter.

use std::rc::Rc;

use super::foresight::first_loop;
use super::interpreted::{Interpreted, first_tier};
use super::profile::Hot;
use super::timeline::{Event, Timeline, Why};
use super::units::{Compiler, UnitId, Units};
use super::{Choice, Threshold};
use crate::bytecode::{Bytecode, FunctionId, Op};
use crate::engine::{PrepareError, Prepared};
use crate::exec::Store;
use crate::outcome::Trap;

/// A program that the tiered engine has prepared.
pub struct TieredProgram {
    bytecode: Rc<Bytecode>,
    threshold: Threshold,
    units: Units,
    /// `None` if the whole program was compiled before it began, and until the first run if that can prepare it.
    interpreted: Option<Interpreted>,
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
        let mut program = TieredProgram { bytecode, threshold, units, interpreted: None, tier_changes: 0 };
        if threshold == Threshold::At(0) {
            program.units.of(FunctionId::MAIN, None, Choice::Registers, Why::First);
        } else if threshold != Threshold::Never {
            program.remember(hot);
        }
        if program.whole().is_none() && !program.can_wait() {
            program.interpreted = Some(program.interpreter()?);
        }
        Ok(program)
    }

    /// Whether the interpreter is prepared in the first run, if that needs it. Without calls and cells, nothing must be reserved, so
    /// this cannot fail.
    fn can_wait(&self) -> bool {
        let code = &self.bytecode;
        matches!(self.threshold, Threshold::BreakEven(_)) && !code.has_calls() && code.cells() == 0
    }

    /// The program in the interpreter.
    fn interpreter(&self) -> Result<Interpreted, PrepareError> {
        let granted = self.units.granted();
        Interpreted::new(Rc::clone(&self.bytecode), self.threshold, &self.units, granted)
    }

    /// Before the first run of a program without calls, compiles it if its first loop will do enough work. The interpreter is not
    /// needed then.
    fn foresee(&mut self, inputs: &[i64], fuel: Option<u64>) {
        let Threshold::BreakEven(costs) = self.threshold else { return };
        let Some(first) = first_loop(&self.bytecode, inputs, fuel) else { return };
        let (length, tier) = (self.bytecode.ops().len(), first_tier(&self.bytecode));
        let limit = costs.break_even(tier, length, first.body);
        // If nothing ever pays, the limit is near the greatest integer.
        let work = first.work.min(i64::MAX / 8);
        if work >= limit {
            let tier = tier.max(costs.best(length, work));
            self.units.of(FunctionId::MAIN, None, tier, Why::Work { done: work, limit });
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
    /// compiled the function yet: a recursive function without loops leaves its code only when it returns.
    pub fn hot(&self) -> Vec<Hot> {
        let deserved = |function| self.interpreted.as_ref().and_then(|interpreted| interpreted.deserved(function));
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
        let mut whole = self.whole();
        if whole.is_none() && self.interpreted.is_none() {
            self.foresee(inputs, fuel);
            whole = self.whole();
            if whole.is_none() {
                self.interpreted = Some(self.interpreter().expect("nothing must be reserved"));
            }
        }
        // A threshold counts anew in every run.
        let counts = matches!(self.threshold, Threshold::At(1..));
        if let Some(main) = whole.filter(|_| !counts || self.interpreted.is_none()) {
            let fuel = self.bytecode.begin(inputs, fuel, stack);
            self.units.timeline.enter(FunctionId::MAIN, None);
            return self.units.run(main, stack, fuel);
        }
        let interpreted = self.interpreted.as_mut().expect("a program that is not compiled is interpreted");
        let result = interpreted.run(&mut self.units, inputs, fuel, stack);
        self.tier_changes = interpreted.entries;
        result
    }

    fn tier_changes(&self) -> u64 {
        self.tier_changes
    }

    fn code_bytes(&self) -> Option<usize> {
        Some(self.units.code_bytes())
    }
}
