//! The break-even point of compiling: a sweep over input sizes that times each run from the verified program to its answer.

use super::statistics::{Estimate, median, median_with_interval};
use super::workloads::Workload;
use super::{Stopwatch, Untimed, Work, stack};
use crate::engine::{Engine, NoClock, Options, PrepareError};
use crate::lang::Program;
use crate::outcome::DEFAULT_STACK_LIMIT;
use crate::registry;

/// A workload with an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The input.
    pub size: i64,
    /// The work of a run.
    pub work: Work,
}

/// A sweep ends at the first size whose run executes this many words.
const SWEEP_WORDS: u64 = 1_000_000;

/// How many times one process measures a point.
const REPEATS: usize = 5;

/// The sizes of a workload at which engines are compared: from 0 on, each with about four times the work of the previous one.
/// The last is at most the size at which the workload is timed. A size that starts no more iterations than the previous one is
/// left out.
///
/// # Errors
/// If the workload cannot be timed.
pub fn points(workload: &Workload) -> Result<Vec<Point>, Untimed> {
    let mut points: Vec<Point> = Vec::new();
    let mut size = 0;
    loop {
        let work = workload.of_size(size).check(&[])?;
        if points.last().is_none_or(|last| last.work.iterations < work.iterations) {
            points.push(Point { size, work });
        }
        if size == workload.size || work.words >= SWEEP_WORDS {
            return Ok(points);
        }
        size = workload.next(size);
    }
}

/// For each engine and each point, the processor time of preparing the program and running it once, in nanoseconds. It is
/// the median of `REPEATS` measurements; engines take turns.
///
/// # Errors
/// If an engine cannot prepare the program, or its answer differs from the referee's.
///
/// # Panics
/// If one of the names is not the name of an engine.
pub fn times(workload: &Workload, points: &[Point], engines: &[&str]) -> Result<Vec<Vec<f64>>, Untimed> {
    let mut instances: Vec<Box<dyn Engine>> =
        engines.iter().map(|name| registry::engine(name).expect("the caller names engines that exist")).collect();
    let mut times = vec![Vec::new(); engines.len()];
    for point in points {
        let subject = workload.of_size(point.size);
        subject.check(engines)?;
        let program = subject.program()?;
        let mut at_point = vec![Vec::new(); engines.len()];
        for _ in 0..REPEATS {
            for (engine, times) in instances.iter_mut().zip(&mut at_point) {
                times.push(time(&mut **engine, &program, &subject.inputs)?);
            }
        }
        times.iter_mut().zip(&at_point).for_each(|(times, at_point)| times.push(median(at_point)));
    }
    Ok(times)
}

/// Nanoseconds from the verified program to the answer.
fn time(engine: &mut dyn Engine, program: &Program, inputs: &[i64]) -> Result<f64, PrepareError> {
    let mut stack = stack(DEFAULT_STACK_LIMIT)?;
    let watch = Stopwatch::start();
    let mut prepared = engine.prepare(program, &Options::default(), &mut NoClock)?;
    prepared.run(inputs, None, &mut stack).expect("a subject that was checked does not trap");
    drop(prepared);
    Ok(watch.elapsed().as_nanos() as f64)
}

/// The number of iterations and calls from which an engine stays faster than another until the end of the sweep; infinity if it is
/// not faster at the end. Times are interpolated linearly between points.
pub fn crossing(points: &[Point], engine: &[f64], other: &[f64]) -> f64 {
    let iterations = |index: usize| points[index].work.iterations as f64;
    let ahead = |index: usize| other[index] - engine[index];
    match (0..points.len()).rev().find(|&index| ahead(index) <= 0.0) {
        None => iterations(0),
        Some(last) if last + 1 == points.len() => f64::INFINITY,
        Some(last) => {
            let fraction = -ahead(last) / (ahead(last + 1) - ahead(last));
            iterations(last) + fraction * (iterations(last + 1) - iterations(last))
        }
    }
}

/// The median of the crossing over processes, with its interval. Each process measured both engines; infinity means never.
pub fn break_even(points: &[Point], engine: &[Vec<f64>], other: &[Vec<f64>], level: f64) -> Estimate {
    let crossings: Vec<f64> = engine.iter().zip(other).map(|(engine, other)| crossing(points, engine, other)).collect();
    median_with_interval(&crossings, level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::workloads::{WORKLOADS, workload};

    fn points_of(iterations: &[u64]) -> Vec<Point> {
        iterations.iter().map(|&iterations| Point { size: 0, work: Work { words: 0, iterations } }).collect()
    }

    #[test]
    fn crossing_of_two_lines_is_exact() {
        let points = points_of(&[0, 10, 40, 160]);
        let line = |at_zero: f64, slope: f64| [0.0, 10.0, 40.0, 160.0].map(|iterations| at_zero + slope * iterations);
        // 100 + n and 4 n meet at n = 100 / 3.
        let at = crossing(&points, &line(100.0, 1.0), &line(0.0, 4.0));
        assert!((at - 100.0 / 3.0).abs() < 1e-9, "{at}");
        assert_eq!(crossing(&points, &line(1.0, 1.0), &line(5.0, 4.0)), 0.0, "ahead from the start");
        assert_eq!(crossing(&points, &line(1000.0, 1.0), &line(0.0, 4.0)), f64::INFINITY, "not within the sweep");
        assert_eq!(crossing(&points, &line(0.0, 4.0), &line(0.0, 4.0)), f64::INFINITY, "equal is not ahead");
        // Being faster at first does not count if it does not last.
        let at = crossing(&points, &[0.0, 50.0, 100.0, 200.0], &[1.0, 40.0, 100.0, 400.0]);
        assert_eq!(at, 40.0);
    }

    #[test]
    fn interval_is_over_processes_and_may_be_infinite() {
        let points = points_of(&[0, 100]);
        let interpreter = vec![vec![0.0, 100.0]; 20];
        let jit = |costs: f64| vec![costs, costs + 10.0];
        let break_even = |costs: &[f64]| {
            let engine: Vec<_> = (0..20).map(|process| jit(costs[process % costs.len()])).collect();
            break_even(&points, &engine, &interpreter, 0.99)
        };
        let sure = break_even(&[45.0]);
        assert!((sure.value - 50.0).abs() < 1e-9 && sure.low == sure.high, "{sure:?}");
        let never = break_even(&[91.0]);
        assert_eq!((never.low, never.value), (f64::INFINITY, f64::INFINITY));
        let unsure = break_even(&[81.0, 81.0, 95.0]);
        assert!(unsure.value.is_finite() && unsure.high == f64::INFINITY, "{unsure:?}");
    }

    #[test]
    fn every_sweep_ascends_from_zero_to_the_word_limit() {
        for workload in WORKLOADS {
            let points = points(workload).expect("it can be timed");
            assert_eq!(points[0].size, 0);
            let last = points.last().expect("there is one");
            assert!(last.size == workload.size || last.work.words >= SWEEP_WORDS);
            assert!(points.windows(2).all(|two| two[0].work.iterations < two[1].work.iterations), "{points:?}");
            assert!((2..=12).contains(&points.len()));
        }
        let fact = workload("fact").expect("it exists");
        let points = &points(fact).expect("it can be timed")[..3];
        let times = times(fact, points, &["bytecode", "tree"]).expect("both run everywhere");
        assert!(times.len() == 2 && times.iter().all(|times| times.len() == 3 && times.iter().all(|time| *time > 0.0)));
    }
}
