//! The break-even point of compiling: the number of iterations from which an engine stays ahead of the interpreter.

use super::statistics::{Estimate, median_with_interval};
use super::sweep::Point;

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
    use crate::bench::Work;

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
}
