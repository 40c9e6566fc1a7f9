//! A program on the tiered engine: as a whole in machine code if that is known to pay, or else in the interpreter.

use std::rc::Rc;

use super::interpreted::Interpreted;
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
    /// `None` if the whole program was compiled before its first run.
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
        if program.whole().is_none() {
            let code = Rc::clone(&program.bytecode);
            program.interpreted = Some(Interpreted::new(code, threshold, &program.units, program.units.granted())?);
        }
        Ok(program)
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
        // A threshold counts anew in every run.
        let counts = matches!(self.threshold, Threshold::At(1..));
        if let Some(main) = self.whole().filter(|_| !counts || self.interpreted.is_none()) {
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
