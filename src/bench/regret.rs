//! Regret: how much longer the tiered engine takes than the engine that would have been best for this program and input.

use super::statistics::{geometric_mean, median};
use crate::tiered::Tiered;

/// The engine whose regret is computed.
pub const ENGINE: &str = Tiered::NAME;

/// The engines among which a user would have to choose without it.
pub const CHOICES: [&str; 3] = ["bytecode", "jit", "regs"];

/// The aim for the geometric mean over all workloads and sizes.
pub const AIM_MEAN: f64 = 1.10;

/// The aim for every workload and size.
pub const AIM_WORST: f64 = 2.0;

/// The regrets at several sizes, in short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The geometric mean.
    pub mean: f64,
    /// The greatest regret.
    pub worst: f64,
    /// Its index.
    pub at: usize,
}

/// The regret at a size: the time of the engine relative to the best choice. `None` if there are no choices.
///
/// The times are by process, for the engine and for each choice. A shared machine may be twice as slow in one process as in another,
/// so times are compared within a process. The ratio to a choice is the median over processes. The best choice is the one with
/// the greatest ratio.
///
/// # Panics
/// If there is no process.
pub fn regret<'a>(times: &[f64], choices: impl IntoIterator<Item = &'a [f64]>) -> Option<f64> {
    let ratio = |choice: &[f64]| {
        let ratios: Vec<f64> = times.iter().zip(choice).map(|(time, choice)| time / choice).collect();
        median(&ratios)
    };
    choices.into_iter().map(ratio).max_by(f64::total_cmp)
}

/// The summary of these regrets; `None` if there are none.
pub fn summary(regrets: &[f64]) -> Option<Summary> {
    let (at, worst) = regrets.iter().copied().enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    Some(Summary { mean: geometric_mean(regrets.iter().copied()), worst, at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::ENGINES;

    #[test]
    fn regret_is_relative_to_the_best_choice() {
        assert_eq!(regret(&[30.0], [&[20.0][..], &[10.0], &[40.0]]), Some(3.0));
        assert_eq!(regret(&[5.0], [&[10.0][..]]), Some(0.5), "it may be better than every choice");
        assert_eq!(regret(&[5.0], []), None);
    }

    /// The medians of the times are 20 and 10.
    #[test]
    fn times_are_compared_within_a_process() {
        assert_eq!(regret(&[10.0, 20.0, 20.0], [&[10.0, 20.0, 10.0][..]]), Some(1.0));
    }

    #[test]
    fn summary_has_the_mean_and_the_worst() {
        let Summary { mean, worst, at } = summary(&[1.0, 4.0, 2.0]).expect("there are regrets");
        assert!((mean - 2.0).abs() < 1e-12);
        assert_eq!((worst, at), (4.0, 1));
        assert_eq!(summary(&[]), None);
    }

    #[test]
    fn choices_are_engines() {
        assert!(CHOICES.iter().all(|name| ENGINES.contains(name) && *name != ENGINE));
    }
}
