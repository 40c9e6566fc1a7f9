//! The optimization passes. Each is a function in its own file and a row in [`PASSES`], which lists them in the order in which
//! they run.

mod bounds;
mod dead;
mod fold;
mod fuse;
mod params;
mod pre;
mod reassociate;
mod rewrite;
mod strength;

use super::ir::Function;
use crate::isa::Isa;
use crate::lir::AluOp;

/// What a pass must know about the program and the target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The number of memory cells.
    pub cells: usize,
    /// Whether the instruction set has the operation with this immediate operand.
    pub fits_alu: fn(AluOp, i64) -> bool,
    /// Whether it has the operation with its second operand shifted by this amount.
    pub fits_shifted: fn(AluOp, AluOp, u8) -> bool,
    /// Whether it has a branch that tests the bits of this mask.
    pub fits_mask: fn(i64) -> bool,
    /// Whether it multiplies and adds in one instruction.
    pub has_multiply_add: bool,
}

impl Target {
    /// The target of a program with this many memory cells.
    pub fn of<I: Isa>(cells: usize) -> Target {
        Target {
            cells,
            fits_alu: I::fits_alu,
            fits_shifted: I::fits_shifted,
            fits_mask: I::fits_mask,
            has_multiply_add: I::HAS_MULTIPLY_ADD,
        }
    }

    /// The memory cell with this number, if there is one.
    fn cell(&self, number: i64) -> Option<u32> {
        u32::try_from(number).ok().filter(|cell| (*cell as usize) < self.cells)
    }
}

/// A pass.
#[derive(Clone, Copy)]
pub struct Pass {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Improves a function. `None` if the builder does this, because it must know the stack.
    pub run: Option<fn(&mut Function, &Target)>,
}

impl Pass {
    /// Runs the pass, unless it is a part of the builder.
    pub fn run(&self, function: &mut Function, target: &Target) {
        if let Some(run) = self.run {
            run(function, target);
        }
    }
}

/// The name of the pass that the builder does.
const INLINE: &str = "inline";

/// The passes, in the order in which they run.
pub const PASSES: [Pass; 9] = [
    Pass { name: INLINE, about: "replaces calls of small functions with their bodies", run: None },
    Pass { name: "params", about: "removes block parameters that always have the same value", run: Some(params::run) },
    Pass { name: "bounds", about: "merges the check of an index with the access to the array", run: Some(bounds::run) },
    Pass {
        name: "fold",
        about: "folds constants and numbers values, so that nothing is computed twice",
        run: Some(fold::run),
    },
    Pass {
        name: "pre",
        about: "passes results of divisions to blocks that would compute them again",
        run: Some(pre::run),
    },
    Pass {
        name: "reassociate",
        about: "computes sums in the order in which their operands are ready, with one constant",
        run: Some(reassociate::run),
    },
    Pass { name: "strength", about: "replaces divisions by cheaper operations", run: Some(strength::run) },
    Pass {
        name: "fuse",
        about: "merges comparisons into branches, and operations that the machine has as one",
        run: Some(fuse::run),
    },
    Pass { name: "dead", about: "removes instructions whose value is not used", run: Some(dead::run) },
];

/// Whether two texts are equal. Comparing them otherwise is not possible in a constant.
const fn are_equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// A set of passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passes(u32);

impl Passes {
    /// All passes.
    pub const ALL: Passes = Passes((1 << PASSES.len()) - 1);
    /// No pass.
    pub const NONE: Passes = Passes(0);

    /// The pass with this name, if there is one.
    pub const fn named(name: &str) -> Option<Passes> {
        let mut index = 0;
        while index < PASSES.len() {
            if are_equal(PASSES[index].name.as_bytes(), name.as_bytes()) {
                return Some(Passes(1 << index));
            }
            index += 1;
        }
        None
    }

    /// Whether the builder inlines functions.
    pub fn inlines(self) -> bool {
        self.iter().any(|pass| pass.name == INLINE)
    }

    /// The passes of both sets.
    pub const fn with(self, other: Passes) -> Passes {
        Passes(self.0 | other.0)
    }

    /// The passes of this set that are not in the other one.
    pub const fn without(self, other: Passes) -> Passes {
        Passes(self.0 & !other.0)
    }

    /// The passes up to and including those of a set.
    pub fn up_to(self, last: Passes) -> Passes {
        Passes(self.0 & (last.0.next_power_of_two() | (last.0.next_power_of_two() - 1)))
    }

    /// The passes in the order in which they run.
    pub fn iter(self) -> impl Iterator<Item = &'static Pass> {
        PASSES.iter().enumerate().filter(move |(index, _)| self.0 >> index & 1 == 1).map(|(_, pass)| pass)
    }
}
