//! Division by a constant without a division instruction.

/// The classes of constant divisors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Divisor {
    /// 1 or -1.
    One,
    /// 2 to this power, from 1 to 63, with either sign.
    PowerOfTwo(u8),
    /// Any other divisor.
    Other,
}

impl Divisor {
    /// Classifies a constant that is not zero.
    pub fn of(value: i64) -> Divisor {
        match value.unsigned_abs() {
            1 => Divisor::One,
            size if size.is_power_of_two() => Divisor::PowerOfTwo(size.trailing_zeros() as u8),
            _ => Divisor::Other,
        }
    }
}

/// The multiplier that replaces a division, and the right shift of the upper half of the product. If the multiplier is
/// negative and the divisor positive, the dividend is added to that half before the shift; in the opposite case it is
/// subtracted. After the shift, a negative quotient is one too small, so one must be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Magic {
    pub multiplier: i64,
    pub shift: u8,
}

impl Magic {
    /// For a divisor other than 0, 1 and -1 whose magnitude is not a power of two.
    ///
    /// The multiplier is 2^p / |divisor|, rounded up, with the least p for which the rounding error does not affect the
    /// quotient: Warren, Hacker's Delight, 10-1.
    pub fn of(divisor: i64) -> Magic {
        let size = u128::from(divisor.unsigned_abs());
        // The magnitude of the largest dividend with the divisor's sign that leaves the greatest remainder.
        let bound = (1 << 63) + u128::from(divisor < 0);
        let worst = bound - 1 - bound % size;
        let power = (64..128).find(|&p| (1 << p) > worst * (size - (1 << p) % size)).expect("p is at most 127");
        let rounded_up = (1u128 << power) / size + 1;
        let multiplier = rounded_up as i64;
        Magic {
            multiplier: if divisor < 0 { multiplier.wrapping_neg() } else { multiplier },
            shift: (power - 64) as u8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divide(dividend: i64, divisor: i64) -> i64 {
        let Magic { multiplier, shift } = Magic::of(divisor);
        let mut high = ((i128::from(dividend) * i128::from(multiplier)) >> 64) as i64;
        if divisor > 0 && multiplier < 0 {
            high = high.wrapping_add(dividend);
        } else if divisor < 0 && multiplier > 0 {
            high = high.wrapping_sub(dividend);
        }
        high >>= shift;
        high.wrapping_add((high as u64 >> 63) as i64)
    }

    #[test]
    fn known_multipliers() {
        // From the table in Hacker's Delight.
        for (divisor, multiplier, shift) in [
            (3, 0x5555_5555_5555_5556_u64, 0),
            (5, 0x6666_6666_6666_6667, 1),
            (7, 0x4924_9249_2492_4925, 1),
            (10, 0x6666_6666_6666_6667, 2),
            (625, 0x346d_c5d6_3886_594b, 7),
            (-5, 0x9999_9999_9999_9999, 1),
        ] {
            assert_eq!(Magic::of(divisor), Magic { multiplier: multiplier as i64, shift }, "{divisor}");
        }
    }

    #[test]
    fn quotients_are_those_of_a_division() {
        let mut divisors: Vec<i64> =
            (3..1_000).chain([i64::MAX, i64::MAX - 1, 1_000_000_007, 6_364_136_223_846_793_005]).collect();
        divisors.extend((2..63).flat_map(|power| [(1 << power) - 1, (1 << power) + 1]));
        let both_signs = divisors.iter().flat_map(|&size| [size, -size]);
        let mut count = 0;
        for divisor in both_signs.filter(|&divisor| Divisor::of(divisor) == Divisor::Other) {
            let near = [0, 1, 2, 3, divisor - 1, divisor, divisor.wrapping_add(1), divisor.wrapping_mul(2)];
            let last = i64::MAX / divisor * divisor;
            let ends = [i64::MAX, i64::MIN, i64::MIN + 1, last, last - 1, last.wrapping_neg(), last.wrapping_neg() - 1];
            for dividend in near.into_iter().chain(ends) {
                for dividend in [dividend, dividend.wrapping_neg()] {
                    assert_eq!(divide(dividend, divisor), dividend.wrapping_div(divisor), "{dividend} / {divisor}");
                    count += 1;
                }
            }
        }
        assert!(count > 60_000, "{count}");
    }
}
