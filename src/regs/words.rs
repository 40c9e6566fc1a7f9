//! What words mean to the register tier.

use crate::lang::Word;
use crate::lir::{AluOp, Cond};

/// The operation that a word carries out, if it is one that cannot fail.
pub fn alu(word: Word) -> Option<AluOp> {
    Some(match word {
        Word::Add => AluOp::Add,
        Word::Sub => AluOp::Sub,
        Word::Mul => AluOp::Mul,
        Word::And => AluOp::And,
        Word::Or => AluOp::Or,
        Word::Xor => AluOp::Xor,
        Word::Lshift => AluOp::Shl,
        Word::Rshift => AluOp::Shr,
        _ => return None,
    })
}

/// The comparison that a word makes.
pub fn cond(word: Word) -> Option<Cond> {
    Some(match word {
        Word::Eq => Cond::Eq,
        Word::Ne => Cond::Ne,
        Word::Lt => Cond::Lt,
        Word::Gt => Cond::Gt,
        Word::Le => Cond::Le,
        Word::Ge => Cond::Ge,
        _ => return None,
    })
}

/// The comparison that says the same with its operands exchanged.
pub fn mirrored(cond: Cond) -> Cond {
    match cond {
        Cond::Lt => Cond::Gt,
        Cond::Gt => Cond::Lt,
        Cond::Le => Cond::Ge,
        Cond::Ge => Cond::Le,
        Cond::Eq | Cond::Ne => cond,
    }
}

/// What an operation makes of two constants.
pub fn fold(op: AluOp, a: i64, b: i64) -> i64 {
    match op {
        AluOp::Add => a.wrapping_add(b),
        AluOp::Sub => a.wrapping_sub(b),
        AluOp::Mul => a.wrapping_mul(b),
        AluOp::And => a & b,
        AluOp::Or => a | b,
        AluOp::Xor => a ^ b,
        AluOp::Shl => a.wrapping_shl(b as u32),
        AluOp::Shr => (a as u64).wrapping_shr(b as u32) as i64,
    }
}
