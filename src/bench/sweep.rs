//! Sweeps over input sizes: at each size, engines are timed from the verified program to its answer.

use std::time::Duration;

use super::statistics::median;
use super::workloads::Workload;
use super::{Stopwatch, Untimed, Work, prepare, stack};
use crate::engine::{Engine, NoClock, Options, PrepareError};
use crate::exec::Store;
use crate::lang::Program;
use crate::outcome::DEFAULT_STACK_LIMIT;
use crate::registry;
use crate::tiered::Tiered;

/// A workload with an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The input.
    pub size: i64,
    /// The work of a run.
    pub work: Work,
}

/// The sizes of a workload at which engines are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Points {
    /// From 0 on. Each starts more iterations than the previous one.
    pub all: Vec<Point>,
    /// The smallest size at which the tiered engine changes to machine code, in the first run of a program; `None` if it does not
    /// within the sweep.
    pub change: Option<Point>,
}

/// How much more work each size of the break-even sweep has than the previous one.
pub const COARSE: f64 = 4.0;

/// The same for a sweep with eight sizes per power of ten.
pub const FINE: f64 = 1.333_521_432_163_324;

/// A sweep ends at the first size whose run executes this many words.
const SWEEP_WORDS: u64 = 1_000_000;

/// How many times one process measures a point.
const REPEATS: usize = 5;

/// The least time of a sample. After another engine's turn, the branch predictors need several runs. An engine whose turn follows
/// that of an engine with the same code would otherwise seem faster: with samples of 50 µs, by up to a fifth.
const SAMPLE: Duration = Duration::from_micros(200);

impl Points {
    /// Sizes with `ratio` times the work of the previous one each, up to the size at which the workload is timed, and the two sizes
    /// between which the tiered engine first changes to machine code. A size that starts no more iterations than the
    /// previous one is left out.
    ///
    /// # Errors
    /// If the workload cannot be timed.
    pub fn of(workload: &Workload, ratio: f64) -> Result<Points, Untimed> {
        let mut all: Vec<Point> = Vec::new();
        let mut size = 0;
        loop {
            let point = Point::of(workload, size)?;
            if all.last().is_none_or(|last| last.work.iterations < point.work.iterations) {
                all.push(point);
            }
            if size == workload.size || point.work.words >= SWEEP_WORDS {
                break;
            }
            size = workload.next(size, ratio);
        }
        let mut points = Points { all, change: None };
        if let Some(size) = points.first_change(workload)? {
            points.change = Some(Point::of(workload, size)?);
            // The last size before the change, and the first one after it.
            for size in [size - 1, size] {
                points.insert(Point::of(workload, size.max(0))?);
            }
        }
        Ok(points)
    }

    /// Inserts a point unless one with as many iterations exists.
    fn insert(&mut self, point: Point) {
        let iterations = |point: &Point| point.work.iterations;
        if let Err(index) = self.all.binary_search_by_key(&iterations(&point), iterations) {
            self.all.insert(index, point);
        }
    }

    /// The smallest size at which the tiered engine uses machine code. It decides by counting, so this is the same in every
    /// process.
    fn first_change(&self, workload: &Workload) -> Result<Option<i64>, Untimed> {
        let mut below = None;
        for point in &self.all {
            if changes(workload, point.size)? {
                let Some(below) = below else { return Ok(Some(point.size)) };
                return boundary(below, point.size, |size| changes(workload, size)).map(Some);
            }
            below = Some(point.size);
        }
        Ok(None)
    }
}

impl Point {
    fn of(workload: &Workload, size: i64) -> Result<Point, Untimed> {
        Ok(Point { size, work: workload.of_size(size).check(&[])? })
    }
}

/// Whether the tiered engine uses machine code in the first run of a workload of this size.
fn changes(workload: &Workload, size: i64) -> Result<bool, Untimed> {
    let subject = workload.of_size(size);
    let mut prepared = prepare(Tiered::NAME, &subject.program()?, &Options::default())?;
    prepared.run(&subject.inputs, None, &mut stack(DEFAULT_STACK_LIMIT)?).expect("a workload does not trap");
    // It may have compiled the whole program before it began.
    Ok(prepared.code_bytes() > Some(0))
}

/// A size above `below` and up to `above` of which `holds` is true, although it is not true of the size before. It must be
/// true of `above` and not of `below`.
fn boundary<E>(mut below: i64, mut above: i64, holds: impl Fn(i64) -> Result<bool, E>) -> Result<i64, E> {
    while below + 1 < above {
        let middle = below + (above - below) / 2;
        *if holds(middle)? { &mut above } else { &mut below } = middle;
    }
    Ok(above)
}

/// For each engine and each point, the processor time of preparing the program and running it once, in nanoseconds. It is
/// the median of `REPEATS` samples; engines take turns.
///
/// # Errors
/// If an engine cannot prepare the program, or its answer differs from the referee's.
///
/// # Panics
/// If one of the names is not the name of an engine.
pub fn times(workload: &Workload, points: &[Point], engines: &[&str]) -> Result<Vec<Vec<f64>>, Untimed> {
    let mut instances: Vec<Box<dyn Engine>> =
        engines.iter().map(|name| registry::engine(name).expect("the caller names engines that exist")).collect();
    let mut stack = stack(DEFAULT_STACK_LIMIT)?;
    let mut times = vec![Vec::new(); engines.len()];
    for point in points {
        let subject = workload.of_size(point.size);
        subject.check(engines)?;
        let program = subject.program()?;
        let mut turn = |runs: u32| -> Result<Vec<Duration>, PrepareError> {
            instances
                .iter_mut()
                .map(|engine| sample(&mut **engine, &program, &subject.inputs, &mut stack, runs))
                .collect()
        };
        // A sample of every engine has the same number of runs, with which even the fastest one takes long enough.
        let mut runs = 1;
        while turn(runs)?.iter().min().is_some_and(|shortest| *shortest < SAMPLE) {
            runs *= 2;
        }
        let mut at_point = vec![Vec::new(); engines.len()];
        for _ in 0..REPEATS {
            let per_run = turn(runs)?.into_iter().map(|time| time.as_nanos() as f64 / f64::from(runs));
            at_point.iter_mut().zip(per_run).for_each(|(times, time)| times.push(time));
        }
        times.iter_mut().zip(&at_point).for_each(|(times, at_point)| times.push(median(at_point)));
    }
    Ok(times)
}

/// The processor time from the verified program to the answer, `runs` times. Each run prepares the program anew.
///
/// A run before them is not timed: after another engine's turn, cold caches cost up to ten microseconds. With few runs in a
/// sample that would be much, and it would depend on their number.
fn sample(
    engine: &mut dyn Engine,
    program: &Program,
    inputs: &[i64],
    stack: &mut Store,
    runs: u32,
) -> Result<Duration, PrepareError> {
    let mut run = || -> Result<(), PrepareError> {
        let mut prepared = engine.prepare(program, &Options::default(), &mut NoClock)?;
        prepared.run(inputs, None, stack).expect("a subject that was checked does not trap");
        Ok(())
    };
    run()?;
    let watch = Stopwatch::start();
    for _ in 0..runs {
        run()?;
    }
    Ok(watch.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::workloads::{WORKLOADS, workload};
    use crate::tiers::support;

    #[test]
    fn every_sweep_ascends_from_zero_to_the_word_limit() {
        for workload in WORKLOADS {
            let Points { all, change } = Points::of(workload, COARSE).expect("it can be timed");
            assert_eq!(all[0].size, 0);
            let last = all.last().expect("there is one");
            assert!(last.size == workload.size || last.work.words >= SWEEP_WORDS);
            assert!(all.windows(2).all(|two| two[0].work.iterations < two[1].work.iterations), "{all:?}");
            assert!((2..=14).contains(&all.len()));
            assert!(support().is_ok() || change.is_none());
        }
    }

    #[test]
    fn both_sides_of_the_first_change_are_points() {
        if support().is_err() {
            return;
        }
        let fib = workload("fib").expect("it exists");
        let Points { all, change } = Points::of(fib, COARSE).expect("it can be timed");
        let change = change.expect("a loop of a million words is compiled");
        assert!(changes(fib, change.size).expect("it runs") && !changes(fib, change.size - 1).expect("it runs"));
        let sizes: Vec<i64> = all.iter().map(|point| point.size).collect();
        assert!(all.contains(&change) && sizes.contains(&(change.size - 1)), "{sizes:?}");
    }

    #[test]
    fn boundary_is_found_between_neighbors_and_far_apart() {
        let from = |least: i64| move |size: i64| Ok::<bool, ()>(size >= least);
        assert_eq!(boundary(0, 1, from(1)), Ok(1));
        for least in [1, 2, 500, 999, 1_000] {
            assert_eq!(boundary(0, 1_000, from(least)), Ok(least));
        }
        assert_eq!(boundary(0, 9, |_| Err(7)), Err(7));
    }

    #[test]
    fn every_engine_has_a_time_at_every_point() {
        let fact = workload("fact").expect("it exists");
        let points = &Points::of(fact, FINE).expect("it can be timed").all[..3];
        let times = times(fact, points, &["bytecode", "tree"]).expect("both run everywhere");
        assert!(times.len() == 2 && times.iter().all(|times| times.len() == 3 && times.iter().all(|time| *time > 0.0)));
    }

    #[test]
    fn fine_sweep_has_eight_sizes_per_power_of_ten() {
        assert!((FINE.powi(8) - 10.0).abs() < 1e-9);
    }
}
