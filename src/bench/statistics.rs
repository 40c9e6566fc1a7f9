//! What a few numbers that scatter allow to say.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// A value with the interval in which it lies, at a level that whoever asked for it knows.
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

/// The median: of an even number of values the mean of the two in the middle.
///
/// # Panics
/// Where there is no value, or one that is not a number.
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

/// Resamples that an interval is made of.
const RESAMPLES: usize = 10_000;

/// What a statistic of several samples is, with the percentile bootstrap's interval at a level such as 0.99. Each sample is
/// resampled by itself. The same samples give the same interval.
pub fn bootstrap(samples: &[&[f64]], level: f64, statistic: impl Fn(&mut [Vec<f64>]) -> f64) -> Estimate {
    resampled(RESAMPLES, samples, level, statistic)
}

/// The same with so many resamples.
fn resampled(count: usize, samples: &[&[f64]], level: f64, statistic: impl Fn(&mut [Vec<f64>]) -> f64) -> Estimate {
    let mut stream = ChaCha8Rng::seed_from_u64(1);
    let mut resampled: Vec<Vec<f64>> = samples.iter().map(|sample| sample.to_vec()).collect();
    let value = statistic(&mut resampled);
    let mut values: Vec<f64> = (0..count)
        .map(|_| {
            for (new, sample) in resampled.iter_mut().zip(samples) {
                new.iter_mut().for_each(|value| *value = sample[stream.random_range(0..sample.len())]);
            }
            statistic(&mut resampled)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    // Outward, so that a level that is finer than the resamples gives all of them.
    let low = (tail * count as f64).floor() as usize;
    Estimate { value, low: values[low], high: values[count - 1 - low] }
}

/// The level of each of so many intervals with which all of them together are right with this probability: the chance to be
/// wrong is shared out (Bonferroni's correction).
pub fn level_of_each(confidence: f64, intervals: usize) -> f64 {
    1.0 - (1.0 - confidence) / intervals.max(1) as f64
}

/// The median with its interval.
pub fn median_with_interval(values: &[f64], level: f64) -> Estimate {
    bootstrap(&[values], level, |samples| median_of(&mut samples[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_means_are_those_of_the_textbook() {
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(&[9.0, 1.0, 5.0, 3.0]), 4.0);
        assert!((geometric_mean([1.0, 4.0, 16.0]) - 4.0).abs() < 1e-12);
    }

    #[test]
    fn of_one_value_that_does_not_scatter_the_interval_is_the_value() {
        assert_eq!(median_with_interval(&[2.0; 10], 0.99), Estimate { value: 2.0, low: 2.0, high: 2.0 });
    }

    /// How often the interval misses the truth: about as often as it says, of ten values a little more often. The numbers
    /// scatter like times, to one side. Few resamples, so that the test is quick.
    #[test]
    fn intervals_miss_as_often_as_they_say() {
        let mut stream = ChaCha8Rng::seed_from_u64(7);
        for (count, level, most) in [(10, 0.99, 0.05), (20, 0.99, 0.03), (30, 0.99, 0.03), (20, 0.9, 0.14)] {
            let rounds = 1_000;
            let missed = (0..rounds).filter(|_| {
                let mut ratio = || {
                    let mut time = || 1.0 - 0.05 * (1.0 - stream.random::<f64>()).ln();
                    time() / time()
                };
                let ratios: Vec<f64> = (0..count).map(|_| ratio()).collect();
                !resampled(400, &[&ratios], level, |samples| median_of(&mut samples[0])).covers(1.0)
            });
            let share = missed.count() as f64 / f64::from(rounds);
            assert!(share <= most, "{count} at {level}: {share}");
        }
    }

    #[test]
    fn a_difference_that_is_there_is_seen() {
        let ratios: Vec<f64> = (0..12).map(|index| 1.05 + 0.001 * f64::from(index)).collect();
        let estimate = median_with_interval(&ratios, 0.99);
        assert!(estimate.low > 1.0 && estimate.covers(1.055), "{estimate:?}");
        // And the ratio of two samples that have nothing to do with each other.
        let slower: Vec<f64> = ratios.iter().map(|ratio| ratio * 2.0).collect();
        let ratio = bootstrap(&[&slower, &ratios], 0.99, |samples| {
            let [slower, base] = samples else { unreachable!("two were given") };
            median_of(slower) / median_of(base)
        });
        assert!(ratio.covers(2.0) && !ratio.covers(1.9), "{ratio:?}");
    }
}
