//! The constants from which `tiered` computes when compiling pays, and with which tier.

use serde::{Deserialize, Serialize};

/// What compiling and executing cost, in nanoseconds. Only the ratios matter. `cargo bench --bench costs` measures them on the machine
/// at hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// Interpreting one operation of the bytecode as it is, which needs no preparation.
    pub switch: f64,
    /// The same in a program of more than [`LONG`] operations: the processor cannot remember that many indirect jumps, and predicts most
    /// of them wrong.
    pub switch_long: f64,
    /// The interpreter. Here, compiling means translating the bytecode to the interpreter's code.
    pub interpreter: TierCosts,
    /// Interpreting one operation of a loop or a function of more than [`LONG`] operations.
    pub interpreted_long: f64,
    /// The baseline, `jit`.
    pub baseline: TierCosts,
    /// The register tier, `regs`.
    pub registers: TierCosts,
    /// A program of at most this many operations may be compiled before it begins even if it only might do enough work. A longer program
    /// is compiled before it begins only if it has no calls. If this is 0, all programs begin in the interpreter.
    pub longest_whole: usize,
}

/// A loop or a function of more than this many operations is long.
pub const LONG: usize = 5_000;

/// What a tier costs, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TierCosts {
    /// Compiling anything at all. For machine code, this includes selecting the unit and making the code executable.
    pub compile: f64,
    /// Compiling one operation of the bytecode.
    pub compile_operation: f64,
    /// Executing one operation.
    pub operation: f64,
}

/// One of the tiers of which `tiered` chooses, the quicker compiler first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Choice {
    /// The baseline, `jit`.
    #[serde(rename = "jit")]
    Baseline,
    /// The register tier, `regs`.
    #[serde(rename = "regs")]
    Registers,
}

impl Choice {
    /// The name of the tier's engine.
    pub fn name(self) -> &'static str {
        match self {
            Choice::Baseline => "jit",
            Choice::Registers => "regs",
        }
    }
}

impl Costs {
    /// Measured on 2026-11-30 on an AMD EPYC. docs/RESULTS.md shows them beside those of its own machine.
    pub const MEASURED: Costs = Costs {
        switch: 2.5,
        switch_long: 8.0,
        interpreter: TierCosts { compile: 159.0, compile_operation: 21.0, operation: 0.40 },
        interpreted_long: 0.62,
        baseline: TierCosts { compile: 575.0, compile_operation: 22.2, operation: 0.108 },
        registers: TierCosts { compile: 649.0, compile_operation: 42.4, operation: 0.0922 },
        longest_whole: 1000,
    };

    /// Costs with which nothing is ever compiled, although all work is noted. For measuring what that costs.
    pub const FORBIDDING: Costs = Costs {
        baseline: TierCosts { compile: f64::INFINITY, ..Costs::MEASURED.baseline },
        registers: TierCosts { compile: f64::INFINITY, ..Costs::MEASURED.registers },
        ..Costs::MEASURED
    };

    /// Costs with which little work is enough for the baseline, and some more for the register tier. Programs begin in the interpreter. For
    /// tests of the machinery.
    pub const EAGER: Costs = Costs {
        switch: 5.0,
        switch_long: 5.0,
        interpreter: TierCosts { compile: 10.0, compile_operation: 1.0, operation: 3.0 },
        interpreted_long: 3.0,
        baseline: TierCosts { compile: 10.0, compile_operation: 1.0, operation: 2.0 },
        registers: TierCosts { compile: 30.0, compile_operation: 1.0, operation: 1.0 },
        longest_whole: 0,
    };

    /// The same if the work of runs is foreseen.
    pub const FORESEEING: Costs = Costs { longest_whole: usize::MAX, ..Costs::EAGER };

    /// Costs with which nothing is ever compiled or translated: the bytecode is interpreted as it is.
    pub const SWITCHING: Costs = Costs {
        interpreter: TierCosts { compile: f64::INFINITY, ..Costs::MEASURED.interpreter },
        longest_whole: usize::MAX,
        ..Costs::MEASURED
    };

    /// What a tier costs.
    pub fn of(&self, tier: Choice) -> &TierCosts {
        match tier {
            Choice::Baseline => &self.baseline,
            Choice::Registers => &self.registers,
        }
    }

    /// The number of operations after which it pays to have translated `length` operations to the interpreter's code, and not to interpret
    /// them as they are.
    pub fn break_even_of_interpreter(&self, length: usize) -> i64 {
        let switch = if length > LONG { self.switch_long } else { self.switch };
        break_even_from(switch, &self.interpreter, self.interpreter.of_compiling(length))
    }

    /// The number of operations that an interpreter executes until compiling `length` operations with a tier would have paid: their
    /// machine code would have saved as much time as it takes to compile them. It executes a loop or a function of `body` operations.
    pub fn break_even(&self, tier: Choice, length: usize, body: usize) -> i64 {
        break_even_from(self.interpreting(body), self.of(tier), self.of(tier).of_compiling(length))
    }

    /// The same if the program is not yet translated to the interpreter's code. If it is compiled, it need not be.
    pub fn break_even_at_start(&self, tier: Choice, length: usize, body: usize) -> i64 {
        let more = self.of(tier).of_compiling(length) - self.interpreter.of_compiling(length);
        break_even_from(self.interpreting(body), self.of(tier), more)
    }

    /// Interpreting one operation of a loop or a function of `body` operations.
    fn interpreting(&self, body: usize) -> f64 {
        if body > LONG { self.interpreted_long } else { self.interpreter.operation }
    }

    /// The number of operations that code of the baseline executes until compiling `length` operations with the register tier would
    /// have paid.
    pub fn break_even_of_registers(&self, length: usize) -> i64 {
        break_even_from(self.baseline.operation, &self.registers, self.registers.of_compiling(length))
    }

    /// Whether any amount of work pays for compiling.
    pub fn can_pay(&self) -> bool {
        self.baseline.compile.is_finite()
    }

    /// Whether any amount of work pays for translating the bytecode to the interpreter's code.
    pub fn can_translate(&self) -> bool {
        self.interpreter.compile.is_finite()
    }

    /// The tier with which compiling `length` operations and executing `work` operations takes the least time.
    pub fn best(&self, length: usize, work: i64) -> Choice {
        let time = |tier: Choice| {
            let costs = self.of(tier);
            costs.of_compiling(length) + costs.operation * work as f64
        };
        if time(Choice::Baseline) <= time(Choice::Registers) { Choice::Baseline } else { Choice::Registers }
    }
}

/// The greatest limit of work, which no run exceeds in practice.
pub const NEVER: i64 = i64::MAX / 4;

/// The number of operations that save this much time if a tier executes them, and not what takes `operation` for each.
fn break_even_from(operation: f64, tier: &TierCosts, time: f64) -> i64 {
    let saved = (operation - tier.operation).max(1e-3);
    // A conversion from a float saturates.
    ((time / saved) as i64).clamp(1, NEVER)
}

impl TierCosts {
    /// The time for compiling this many operations.
    fn of_compiling(&self, length: usize) -> f64 {
        self.compile + self.compile_operation * length as f64
    }
}
