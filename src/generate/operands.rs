//! Operands that expose wrong machine code: limits of immediates, shifts, machine words and 64-bit integers.

use super::dice::Dice;

/// Limits of immediate fields: 12 bits, plain or shifted, on AArch64; 8 and 32 bits on x86-64; 16 bits for a move.
const BORDERS: [i64; 18] = [
    0xfff,
    0x1000,
    0x1001,
    0xff_f000,
    0xff_e000,
    0xff_f001,
    0x100_0000,
    0xffff_f000,
    0x7f,
    0x80,
    0x81,
    0xff,
    0x100,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];

/// Counts around which the behavior of shifts changes.
const SHIFTS: [i64; 12] = [0, 1, 2, 31, 32, 33, 62, 63, 64, 65, -1, -64];

/// Any operand, more often one that is likely to expose a bug.
pub fn operand(dice: &mut Dice) -> i64 {
    match dice.below(20) {
        0..=3 => *dice.pick(&[0, 1, -1, 2]),
        4 => *dice.pick(&[i64::MIN, i64::MAX, i64::MIN + 1, i64::MAX - 1]),
        5..=7 => signed(dice, |dice| 1i64.wrapping_shl(dice.below(64)).wrapping_add(i64::from(dice.below(3)) - 1)),
        8..=10 => signed(dice, |dice| dice.pick(&BORDERS) + i64::from(dice.below(3)) - 1),
        11 | 12 => bitmask(dice),
        13..=16 => i64::from(dice.below(40)) - 10,
        // Any width, with trailing zeros: shifted immediates.
        17 => ((dice.bits() as i64) >> dice.below(64)) & (-1 << dice.below(14)),
        _ => dice.bits() as i64,
    }
}

/// A shift count.
pub fn shift(dice: &mut Dice) -> i64 {
    match dice.below(4) {
        0 | 1 => i64::from(dice.below(64)),
        2 => *dice.pick(&SHIFTS),
        _ => operand(dice),
    }
}

/// A divisor; almost never zero.
pub fn divisor(dice: &mut Dice) -> i64 {
    match dice.below(8) {
        0 => -1,
        1 => 1 << dice.below(63),
        2 | 3 => i64::from(dice.below(20)) + 1,
        _ => match operand(dice) {
            0 if !dice.one_in(16) => 3,
            divisor => divisor,
        },
    }
}

fn signed(dice: &mut Dice, magnitude: impl Fn(&mut Dice) -> i64) -> i64 {
    let magnitude = magnitude(dice);
    if dice.one_in(2) { magnitude } else { magnitude.wrapping_neg() }
}

/// A pattern that AArch64's logical instructions accept as an immediate (consecutive ones, rotated, repeated in elements of 2
/// to 64 bits), or such a pattern with one bit flipped.
fn bitmask(dice: &mut Dice) -> i64 {
    let size = 2 << dice.below(6);
    let ones = 1 + dice.below(size - 1);
    let rotation = dice.below(size);
    let element: u64 = u64::MAX >> (64 - ones);
    let rotated = if rotation == 0 { element } else { (element >> rotation) | (element << (size - rotation)) };
    let element = rotated & (u64::MAX >> (64 - size));
    let pattern = (0..64).step_by(size as usize).fold(0, |pattern, at| pattern | element << at);
    let flipped = if dice.one_in(4) { 1 << dice.below(64) } else { 0 };
    (pattern ^ flipped) as i64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;
    use crate::isa::aarch64::encode::Bitmask;

    /// Counts the operands that the AArch64 encoder accepts as immediates.
    #[test]
    fn bitmasks_are_immediates_unless_a_bit_was_flipped() {
        let mut stream = ChaCha8Rng::seed_from_u64(1);
        let mut dice = Dice::new(&mut stream);
        let encodable = (0..1000).filter(|_| Bitmask::new(bitmask(&mut dice) as u64).is_some()).count();
        assert!((700..900).contains(&encodable), "{encodable} of 1000");
    }

    #[test]
    fn operands_include_those_that_find_bugs() {
        let mut stream = ChaCha8Rng::seed_from_u64(1);
        let mut dice = Dice::new(&mut stream);
        let drawn: std::collections::HashSet<i64> = (0..200_000).map(|_| operand(&mut dice)).collect();
        let powers = (0..64).flat_map(|bit| [-1, 0, 1].map(|by| 1i64.wrapping_shl(bit).wrapping_add(by)));
        let wanted = [0, 1, -1, i64::MIN, i64::MAX, 0xfff, 0x1000, 0xff_f000, 1 << 31, -(1 << 31), u32::MAX.into()];
        for value in powers.chain(wanted) {
            assert!(drawn.contains(&value), "{value}");
        }
        let shifts: std::collections::HashSet<i64> = (0..10_000).map(|_| shift(&mut dice)).collect();
        assert!(SHIFTS.iter().all(|count| shifts.contains(count)));
    }
}
