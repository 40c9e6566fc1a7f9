//! The number of loop iterations from which compiling a program pays.

use super::{FLAGSHIP, commands};
use crate::bench::statistics::median;
use crate::bench::workloads::WORKLOADS;
use crate::registry::ENGINES;
use crate::report::data::harness::{BreakEven, Crossing, Point, Sweep};
use crate::report::data::{Data, Positive};
use crate::report::document::{Block, Cell, Row, Section, Table};
use crate::report::format::{count, number};
use crate::report::grid::in_order;
use crate::report::plot::scale::Scale;
use crate::report::plot::{Axis, Drawing, Line, Lines, Mark, Plot};

pub(super) fn section(data: &Data) -> Section {
    let text = "The time to prepare and run a verified program, by the number of its loop iterations. Compiling pays from the \
        point where an engine's curve crosses the interpreter's, marked with a ring. With fewer iterations, the \
        interpreter wins.";
    let mut blocks = vec![Block::Text(text.into())];
    match &data.break_even {
        Some(dated) if !dated.content.lines.is_empty() => {
            let data = &dated.content;
            blocks.push(Block::Plots(workloads(data).iter().map(|workload| plot(data, workload)).collect()));
            blocks.push(interpreter_wins(data));
            blocks.push(Block::Table(table(data)));
        }
        _ => blocks.push(Block::NoData { command: commands::BREAK_EVEN }),
    }
    Section { title: "Break-even", blocks }
}

/// Formats a number of iterations. `None` means beyond the sweep.
fn iterations(iterations: Option<f64>) -> String {
    iterations.map_or("never".into(), number)
}

pub(super) fn workloads(data: &BreakEven) -> Vec<String> {
    in_order(data.lines.iter().map(|line| &line.workload), WORKLOADS.iter().map(|workload| workload.name))
}

fn table(data: &BreakEven) -> Table {
    let engines = in_order(data.lines.iter().map(|line| &line.engine), ENGINES);
    let row = |workload: &String| {
        let cell = |engine: &String| {
            let sweep = data.lines.iter().find(|line| line.workload == *workload && line.engine == *engine);
            sweep.map_or_else(Cell::default, |sweep| {
                let Crossing { iterations: at, low, high } = sweep.break_even;
                Cell { text: iterations(at), detail: Some(format!("{} to {}", iterations(low), iterations(high))) }
            })
        };
        Row::new(workload, engines.iter().map(cell).collect())
    };
    Table {
        caption: format!(
            "Iterations from which an engine beats `{}`, with intervals; all intervals together hold with {} % confidence.",
            data.interpreter,
            count(100.0 * data.confidence)
        ),
        columns: ["workload".to_owned()].into_iter().chain(engines.iter().cloned()).collect(),
        is_numeric: true,
        rows: workloads(data).iter().map(row).collect(),
    }
}

fn interpreter_wins(data: &BreakEven) -> Block {
    let losers = data.lines.iter().filter(|line| line.break_even.iterations.is_none());
    let item = |line: &Sweep| {
        let most = line.points.iter().map(|point| point.iterations).max().unwrap_or(0);
        format!("`{}` on {}: not within {} iterations", line.engine, line.workload, number(most as f64))
    };
    let items: Vec<String> = losers.map(item).collect();
    if items.is_empty() {
        return Block::Text("Every engine beats the interpreter on every workload within the sweep.".into());
    }
    let head = format!("Engines that do not beat `{}` within the sweep:", data.interpreter);
    Block::List(head, items)
}

/// Width and height of one of many plots.
pub(super) const PANEL: (f64, f64) = (380.0, 190.0);

fn plot(data: &BreakEven, workload: &str) -> Plot {
    let sweeps: Vec<&Sweep> = data.lines.iter().filter(|line| line.workload == workload).collect();
    let start = start(&sweeps);
    let line = |series: &str, label: String, points: &[Point], time: fn(&Point) -> Positive| {
        let points = curve_points(points, time);
        let curve = samples(&points, start);
        // A logarithmic axis cannot show zero iterations.
        let points = points.into_iter().filter(|point| point.0 >= start).collect();
        Line { series: series.into(), label, points, curve }
    };
    let engine = |sweep: &&Sweep| {
        let from = sweep.break_even.iterations.map_or("never".into(), |from| format!("from {}", number(from)));
        line(&sweep.engine, format!("{}: {from}", sweep.engine), &sweep.points, |point| point.engine_ns)
    };
    let interpreter = &data.interpreter;
    let lines: Vec<Line> = sweeps
        .first()
        .map(|sweep| line(interpreter, interpreter.clone(), &sweep.points, |point| point.interpreter_ns))
        .into_iter()
        .chain(sweeps.iter().map(engine))
        .collect();
    let axis = |title: &str, values: Vec<f64>| Axis { title: title.into(), scale: Scale::log(values) };
    let curves = || lines.iter().flat_map(|line| &line.curve);
    let drawing = Drawing::Lines(Lines {
        x: axis("loop iterations", curves().map(|point| point.0).collect()),
        y: axis("ns from program to answer", curves().map(|point| point.1).collect()),
        marks: sweeps.iter().filter_map(|sweep| mark(sweep)).collect(),
        size: PANEL,
        lines,
    });
    Plot { name: format!("break-even-{workload}"), title: workload.into(), drawing }
}

/// The start of the horizontal axis: the smallest number of iterations above zero that was measured, or a quarter of
/// the first crossing if that is smaller.
fn start(sweeps: &[&Sweep]) -> f64 {
    let measured = sweeps.iter().flat_map(|sweep| &sweep.points).map(|point| point.iterations as f64);
    let crossings = sweeps.iter().filter_map(|sweep| sweep.break_even.iterations).map(|iterations| iterations / 4.0);
    measured.chain(crossings).filter(|iterations| *iterations > 0.0).fold(f64::INFINITY, f64::min)
}

/// The mark of the crossing, on the engine's curve.
fn mark(sweep: &Sweep) -> Option<Mark> {
    let from = sweep.break_even.iterations.filter(|iterations| *iterations > 0.0)?;
    let time = interpolated(&curve_points(&sweep.points, |point| point.engine_ns), from)?;
    let label = format!("{} pays from {} iterations", sweep.engine, number(from));
    Some(Mark { series: sweep.engine.clone(), at: (from, time), label })
}

fn curve_points(points: &[Point], time: fn(&Point) -> Positive) -> Vec<(f64, f64)> {
    points.iter().map(|point| (point.iterations as f64, time(point).get())).collect()
}

/// The number of line segments of a curve. Linear interpolation is curved on logarithmic axes.
const CURVE_SEGMENTS: i32 = 60;

/// Points of a curve from `start` to its end, close enough to look smooth.
fn samples(points: &[(f64, f64)], start: f64) -> Vec<(f64, f64)> {
    let end = points.last().map_or(0.0, |point| point.0);
    if end < start {
        return Vec::new();
    }
    let place = |segment: i32| start * (end / start).powf(f64::from(segment) / f64::from(CURVE_SEGMENTS));
    (0..=CURVE_SEGMENTS).map(place).filter_map(|x| Some((x, interpolated(points, x)?))).collect()
}

/// The value at `x` of the curve through ascending points. It is linear between points, as in the computation of crossings,
/// and constant outside of them.
pub(super) fn interpolated(points: &[(f64, f64)], x: f64) -> Option<f64> {
    let next = points.iter().position(|point| point.0 >= x);
    match next {
        None => points.last().map(|point| point.1),
        Some(0) => Some(points[0].1),
        Some(index) => {
            let ((x0, y0), (x1, y1)) = (points[index - 1], points[index]);
            Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
        }
    }
}

/// The median over workloads of the flagship's break-even, which may be infinite; the number of workloads; and the number of
/// workloads that break even.
pub(super) fn headline(data: &Data) -> Option<(f64, usize, usize)> {
    let lines = &data.break_even.as_ref()?.content.lines;
    let iterations: Vec<f64> = lines
        .iter()
        .filter(|line| line.engine == FLAGSHIP)
        .map(|line| line.break_even.iterations.unwrap_or(f64::INFINITY))
        .collect();
    let with = iterations.iter().filter(|iterations| iterations.is_finite()).count();
    (!iterations.is_empty()).then(|| (median(&iterations), iterations.len(), with))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_is_linear_and_clamped() {
        let points = [(0.0, 1.0), (2.0, 5.0), (4.0, 5.0)];
        let at = |x| interpolated(&points, x);
        assert_eq!([at(-1.0), at(0.0), at(1.0), at(3.0), at(9.0)], [1.0, 1.0, 3.0, 5.0, 5.0].map(Some));
        assert_eq!(interpolated(&[], 1.0), None);
    }
}
