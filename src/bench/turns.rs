//! Contestants that take turns in one process, to compare their times.

use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::statistics::median;
use super::{Stopwatch, Untimed, answer, repeat};
use crate::engine::Prepared;
use crate::exec::Store;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    /// The number of rounds in which the contestants take turns.
    pub rounds: usize,
    /// The least time of a turn.
    pub turn: Duration,
}

/// A copy of a contestant's code.
pub struct Instance {
    /// The contestant.
    pub contestant: usize,
    /// Its code.
    pub prepared: Box<dyn Prepared>,
}

/// Prepares two copies of each contestant's code. The second copies are prepared in the reverse order, so that no contestant has the
/// better place in both.
///
/// # Errors
/// If a contestant cannot be prepared.
pub fn prepare_twice(
    contestants: usize,
    rng: &mut ChaCha8Rng,
    mut prepare: impl FnMut(usize) -> Result<Box<dyn Prepared>, Untimed>,
) -> Result<Vec<Instance>, Untimed> {
    let mut order: Vec<usize> = (0..contestants).collect();
    order.shuffle(rng);
    let instance = |&contestant: &usize| Ok(Instance { contestant, prepared: prepare(contestant)? });
    order.iter().chain(order.iter().rev()).map(instance).collect()
}

impl Turns {
    /// For each contestant except the first, how many times as long as the first one it takes. It is the median over rounds. Within a
    /// round, the times of a contestant's copies are added up.
    ///
    /// # Panics
    /// If a run traps, or a later run gives another answer. Answers must be checked before.
    pub fn ratios(self, copies: &mut [Instance], inputs: &[i64], stack: &mut Store, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let contestants = copies.iter().map(|copy| copy.contestant + 1).max().unwrap_or(1);
        let mut answers = vec![Vec::new(); contestants];
        for copy in &mut *copies {
            answers[copy.contestant] = answer(&mut *copy.prepared, inputs, stack);
        }
        let mut turn = |copy: &mut Instance, runs: u64| {
            let watch = Stopwatch::start();
            repeat(&mut *copy.prepared, inputs, stack, runs, &answers[copy.contestant]);
            watch.elapsed()
        };
        // All turns have the same number of runs, with which even the fastest contestant takes long enough.
        let mut runs = 1;
        while copies.iter_mut().map(|copy| turn(copy, runs)).min().is_some_and(|shortest| shortest < self.turn) {
            runs *= 2;
        }
        let mut ratios = vec![Vec::new(); contestants - 1];
        for _ in 0..self.rounds {
            copies.shuffle(rng);
            let mut times = vec![Duration::ZERO; contestants];
            for copy in &mut *copies {
                times[copy.contestant] += turn(copy, runs);
            }
            let base = nanoseconds(times[0]);
            ratios.iter_mut().zip(&times[1..]).for_each(|(ratios, time)| ratios.push(nanoseconds(*time) / base));
        }
        ratios.iter().map(|ratios| median(ratios)).collect()
    }
}

/// At least one, so that ratios are finite.
fn nanoseconds(time: Duration) -> f64 {
    (time.as_nanos() as f64).max(1.0)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::bench::{Subject, prepare, stack};
    use crate::lang::Source;

    /// The second contestant does about eight times the work of the first.
    #[test]
    fn ratio_is_that_of_the_work() {
        let subject = |text: &str| Subject::new("test", Source::new("test", text), vec![2_000]);
        let subjects = [subject("0 swap times 1 + end"), subject("8 * 0 swap times 1 + end")];
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut copies = prepare_twice(2, &mut rng, |contestant| {
            let subject = &subjects[contestant];
            Ok(prepare("tree", &subject.program()?, &subject.options())?)
        })
        .expect("both are programs");
        assert_eq!(copies.iter().filter(|copy| copy.contestant == 1).count(), 2);
        assert_eq!(copies[0].contestant, copies[3].contestant);
        let mut stack = stack(subjects[0].stack_limit).expect("there is memory for it");
        let turns = Turns { rounds: 5, turn: Duration::from_millis(1) };
        let ratios = turns.ratios(&mut copies, &[2_000], &mut stack, &mut rng);
        assert!(ratios.len() == 1 && (2.0..32.0).contains(&ratios[0]), "{ratios:?}");
    }
}
