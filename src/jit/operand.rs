//! Operands that one word pushes and the next word uses.

use crate::bytecode::Op as Code;
use crate::isa::Isa;
use crate::lang::Word;
use crate::lang::words::Meaning;

/// The value that a word pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Constant(i64),
    /// A copy of the value at this depth below the top.
    Copy(u64),
}

impl Operand {
    /// What an operation pushes, if it does nothing else.
    #[inline(always)]
    pub fn of(op: Code) -> Option<Operand> {
        match op {
            Code::Literal(value) => Some(Operand::Constant(value)),
            Code::Word(Word::Dup) => Some(Operand::Copy(0)),
            Code::Word(Word::Over) => Some(Operand::Copy(1)),
            Code::Pick(depth) => Some(Operand::Copy(depth)),
            _ => None,
        }
    }
}

/// Whether a constant as the second operand of a word with this meaning need not be pushed. For most words, the instruction set
/// must be able to encode it.
#[inline(always)]
pub(super) fn fits<I: Isa>(meaning: Meaning, imm: i64) -> bool {
    match meaning {
        Meaning::Alu(op) => I::fits_alu(op, imm),
        Meaning::Compare(_) => I::fits_compare(imm),
        // Division by zero must trap.
        Meaning::Divide(_) => imm != 0,
        // An address is loaded into a register.
        Meaning::Store => true,
        Meaning::Unary(_) | Meaning::Shuffle | Meaning::Load => false,
    }
}

/// The memory cell with this number, if there is one.
#[inline(always)]
pub(super) fn existing_cell(number: i64, cells: usize) -> Option<u32> {
    if (number as u64) < cells as u64 { u32::try_from(number).ok() } else { None }
}
