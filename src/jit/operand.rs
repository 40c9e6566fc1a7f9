//! Two words at once: one that pushes a value, and one that computes with that as its second operand.

use crate::bytecode::Op as Code;
use crate::isa::Isa;
use crate::lang::Word;
use crate::lir::{AluOp, Cond, DivOp};

/// The value that a word pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Constant(i64),
    /// A copy of the value that lies so deep below the top.
    Copy(u64),
}

impl Operand {
    /// What an operation pushes, where it does nothing else.
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

/// What a word of two operands and one result does with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Alu(AluOp),
    Set(Cond),
    Divide(DivOp),
}

impl Binary {
    /// None for words that only move values.
    #[inline(always)]
    pub fn of(word: Word) -> Option<Binary> {
        Some(match word {
            Word::Add => Binary::Alu(AluOp::Add),
            Word::Sub => Binary::Alu(AluOp::Sub),
            Word::Mul => Binary::Alu(AluOp::Mul),
            Word::Div => Binary::Divide(DivOp::Quotient),
            Word::Mod => Binary::Divide(DivOp::Remainder),
            Word::And => Binary::Alu(AluOp::And),
            Word::Or => Binary::Alu(AluOp::Or),
            Word::Xor => Binary::Alu(AluOp::Xor),
            Word::Lshift => Binary::Alu(AluOp::Shl),
            Word::Rshift => Binary::Alu(AluOp::Shr),
            Word::Eq => Binary::Set(Cond::Eq),
            Word::Ne => Binary::Set(Cond::Ne),
            Word::Lt => Binary::Set(Cond::Lt),
            Word::Gt => Binary::Set(Cond::Gt),
            Word::Le => Binary::Set(Cond::Le),
            Word::Ge => Binary::Set(Cond::Ge),
            Word::Dup | Word::Drop | Word::Swap | Word::Over | Word::Rot | Word::Nip | Word::Tuck => return None,
        })
    }

    /// Whether the instruction set has a field for a constant as the second operand.
    #[inline(always)]
    pub fn fits<I: Isa>(self, imm: i64) -> bool {
        match self {
            Binary::Alu(op) => I::fits_alu(op, imm),
            Binary::Set(_) => I::fits_compare(imm),
            // By zero it must trap.
            Binary::Divide(_) => imm != 0,
        }
    }
}
