//! What the words that compute make of their operands.

use crate::lang::Word;

/// What a word computes; a divisor is not zero.
#[inline(always)]
pub fn apply(word: Word, a: i64, b: i64) -> i64 {
    match word {
        Word::Add => a.wrapping_add(b),
        Word::Sub => a.wrapping_sub(b),
        Word::Mul => a.wrapping_mul(b),
        Word::Div => a.wrapping_div(b),
        Word::Mod => a.wrapping_rem(b),
        Word::And => a & b,
        Word::Or => a | b,
        Word::Xor => a ^ b,
        Word::Lshift => a.wrapping_shl(b as u32),
        Word::Rshift => (a as u64).wrapping_shr(b as u32) as i64,
        Word::Eq => (a == b).into(),
        Word::Ne => (a != b).into(),
        Word::Lt => (a < b).into(),
        Word::Gt => (a > b).into(),
        Word::Le => (a <= b).into(),
        Word::Ge => (a >= b).into(),
        Word::Dup | Word::Drop | Word::Swap | Word::Over | Word::Rot | Word::Nip | Word::Tuck => unreachable!(),
    }
}

/// The words that compute, in the order of [`Word`]; a handler knows its own by its index.
pub const WORDS: [Word; 16] = [
    Word::Add,
    Word::Sub,
    Word::Mul,
    Word::Div,
    Word::Mod,
    Word::And,
    Word::Or,
    Word::Xor,
    Word::Lshift,
    Word::Rshift,
    Word::Eq,
    Word::Ne,
    Word::Lt,
    Word::Gt,
    Word::Le,
    Word::Ge,
];
