//! Immediates as second operands, for the peephole rules.

use crate::isa::Isa;
use crate::lir::{AluOp, Op};

/// The value that an addition or subtraction of an immediate adds.
pub(super) fn addend(op: AluOp, imm: i64) -> i64 {
    if op == AluOp::Sub { imm.wrapping_neg() } else { imm }
}

/// Whether the instruction set can encode this immediate as the second operand of an operation.
#[inline(always)]
pub(super) fn fits<I: Isa>(op: Op, imm: i64) -> bool {
    match op {
        Op::Alu { op, .. } => I::fits_alu(op, imm),
        Op::Set { .. } | Op::Branch { .. } => I::fits_compare(imm),
        // Division by zero must trap.
        Op::Divide { .. } => imm != 0,
        _ => false,
    }
}

/// The same operation with an immediate as its second operand.
#[inline(always)]
pub(super) fn with_immediate(op: Op, imm: i64) -> Op {
    match op {
        Op::Alu { op, d, a, .. } => Op::AluImm { op, d, a, imm },
        Op::Set { cond, d, a, .. } => Op::SetImm { cond, d, a, imm },
        Op::Divide { op, d, a, .. } => Op::DivideImm { op, d, a, imm },
        Op::Branch { cond, a, to, .. } => Op::BranchImm { cond, a, imm, to },
        _ => unreachable!("only an operation with two operands is given an immediate"),
    }
}
