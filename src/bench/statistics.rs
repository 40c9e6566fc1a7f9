//! Statistics of few, noisy samples: medians, geometric means and their confidence intervals.

/// A value with its confidence interval. The caller chose the level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Estimate {
    /// Whether the interval covers a value.
    pub fn covers(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// The conclusion from the interval of a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The interval covers 1.
    NoDifference,
    /// There is a difference, but it is smaller than the effect of code placement.
    Negligible,
    /// The interval lies below 1.
    Faster,
    /// The interval lies above 1.
    Slower,
}

/// Smaller differences are not reported: moving the same code in memory has an effect of this size.
pub const RESOLUTION: f64 = 0.01;

impl Finding {
    /// The conclusion from an interval.
    pub fn of(ratio: &Estimate) -> Finding {
        match ratio {
            ratio if ratio.covers(1.0) => Finding::NoDifference,
            ratio if (ratio.value - 1.0).abs() < RESOLUTION => Finding::Negligible,
            ratio if ratio.high < 1.0 => Finding::Faster,
            _ => Finding::Slower,
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Finding::NoDifference => "no difference",
            Finding::Negligible => "under 1 %",
            Finding::Faster => "faster",
            Finding::Slower => "slower",
        }
    }
}

/// The median. For an even number of values it is the mean of the middle two.
///
/// # Panics
/// If there are no values, or one is NaN.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    median_of(&mut sorted)
}

fn median_of(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    assert!(!values.is_empty() && values.iter().all(|value| !value.is_nan()), "there is no median of {values:?}");
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// The geometric mean of positive values.
pub fn geometric_mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for value in values {
        sum += value.ln();
        count += 1;
    }
    (sum / f64::from(count)).exp()
}

/// The level that each interval needs so that all of them together hold with this confidence (Bonferroni's correction).
pub fn level_of_each(confidence: f64, intervals: usize) -> f64 {
    1.0 - (1.0 - confidence) / intervals.max(1) as f64
}

/// The median with its interval. The ends of the interval are sample values: as many values are dropped at each end as the
/// level allows. This is valid for any distribution, provided the values are independent and share a median. With too few
/// values (see [`min_count`]) the interval is the whole range.
///
/// # Panics
/// As [`median`].
pub fn median_with_interval(values: &[f64], level: f64) -> Estimate {
    let mut sorted = values.to_vec();
    let value = median_of(&mut sorted);
    let out =
        (1..sorted.len().div_ceil(2)).take_while(|&out| miss_probability(sorted.len(), out) <= 1.0 - level).count();
    Estimate { value, low: sorted[out], high: sorted[sorted.len() - 1 - out] }
}

/// The probability that the interval misses the true median when `left_out` of `count` values are dropped at each end. That
/// happens when at most `left_out` values lie on one side of the median; each value lies on either side with probability 1/2.
fn miss_probability(count: usize, left_out: usize) -> f64 {
    let mut logarithm = -(count as f64) * std::f64::consts::LN_2;
    let mut sum = logarithm.exp();
    for index in 0..left_out {
        logarithm += ((count - index) as f64).ln() - ((index + 1) as f64).ln();
        sum += logarithm.exp();
    }
    2.0 * sum
}

/// The smallest number of values for which an interval reaches this level.
pub fn min_count(level: f64) -> usize {
    (1..).find(|&count| miss_probability(count, 0) <= 1.0 - level || count >= 1_000).expect("it ends")
}

/// The level of the widest interval of `count` values.
pub fn max_level(count: usize) -> f64 {
    1.0 - miss_probability(count, 0)
}

/// The ratio of two medians with its interval. The interval of each median is widened, so that both hold together.
///
/// # Panics
/// As [`median`].
pub fn ratio_of_medians(values: &[f64], base: &[f64], level: f64) -> Estimate {
    let [values, base] = [values, base].map(|values| median_with_interval(values, level_of_each(level, 2)));
    Estimate { value: values.value / base.value, low: values.low / base.high, high: values.high / base.low }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn median_and_geometric_mean_match_hand_computed_values() {
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(&[9.0, 1.0, 5.0, 3.0]), 4.0);
        assert!((geometric_mean([1.0, 4.0, 16.0]) - 4.0).abs() < 1e-12);
    }

    #[test]
    fn interval_of_equal_values_is_that_value() {
        assert_eq!(median_with_interval(&[2.0; 10], 0.99), Estimate { value: 2.0, low: 2.0, high: 2.0 });
    }

    /// According to tables of the sign test, dropping one of ten values on each side gives a level of 97.9 % (rounded up
    /// from 97.85 %). So at 97.9 %, no value may be dropped yet.
    #[test]
    fn interval_ends_match_the_sign_test() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let ends = |level| {
            let Estimate { value, low, high } = median_with_interval(&values, level);
            assert_eq!(value, 5.5);
            (low, high)
        };
        assert_eq!([0.998, 0.979, 0.97, 0.88].map(ends), [(1.0, 10.0), (1.0, 10.0), (2.0, 9.0), (3.0, 8.0)]);
        assert!(
            (miss_probability(10, 0) - 2.0 / 1024.0).abs() < 1e-15
                && (miss_probability(10, 1) - 22.0 / 1024.0).abs() < 1e-15
        );
        assert_eq!([0.99, 0.998, 0.9999].map(min_count), [8, 10, 15]);
        assert!((max_level(10) - 0.998).abs() < 1e-4);
        let many = median_with_interval(&(0..5_000).map(f64::from).collect::<Vec<_>>(), 0.99);
        assert!((2_400.0..2_420.0).contains(&many.low), "{many:?}");
    }

    /// This includes samples with outliers, which occur on a busy machine.
    #[test]
    fn intervals_miss_no_more_often_than_their_level_allows() {
        let mut stream = ChaCha8Rng::seed_from_u64(7);
        for (count, level) in [(10, 0.99), (20, 0.99), (30, 0.99), (20, 0.9), (10, 0.9)] {
            let rounds = 4_000;
            let missed = (0..rounds).filter(|_| {
                let mut time = || {
                    let is_disturbed = stream.random::<f64>() < 0.3;
                    let scatter = if is_disturbed { 5.0 } else { 0.05 };
                    1.0 - scatter * (1.0 - stream.random::<f64>()).ln()
                };
                let ratios: Vec<f64> = (0..count).map(|_| time() / time()).collect();
                !median_with_interval(&ratios, level).covers(1.0)
            });
            let share = missed.count() as f64 / f64::from(rounds);
            // Allow three standard deviations of sampling noise.
            let most = 1.0 - level + 3.0 * ((1.0 - level) / f64::from(rounds)).sqrt();
            assert!(share <= most, "{count} at {level}: {share}");
        }
    }

    #[test]
    fn real_difference_is_detected() {
        let ratios: Vec<f64> = (0..12).map(|index| 1.05 + 0.001 * f64::from(index)).collect();
        let estimate = median_with_interval(&ratios, 0.99);
        assert!(estimate.low > 1.0 && estimate.covers(1.055), "{estimate:?}");
        // The same for the ratio of two independent samples.
        let slower: Vec<f64> = ratios.iter().map(|ratio| ratio * 2.0).collect();
        let ratio = ratio_of_medians(&slower, &ratios, 0.99);
        assert!(ratio.covers(2.0) && !ratio.covers(1.9), "{ratio:?}");
    }
}
