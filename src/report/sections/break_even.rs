//! From how many executed words on compiling pays.

use super::{FLAGSHIP, commands};
use crate::bench::workloads::WORKLOADS;
use crate::registry::ENGINES;
use crate::report::data::harness::{BreakEven, Crossing, Point, Sweep};
use crate::report::data::{Data, Positive};
use crate::report::document::{Block, Cell, Row, Section, Table};
use crate::report::format::number;
use crate::report::grid::in_order;
use crate::report::plot::scale::Scale;
use crate::report::plot::{Axis, Drawing, Line, Lines, Mark, Plot};

pub(super) fn section(data: &Data) -> Section {
    let text = "The time from the verified program to its answer, preparing and running, over the number of words that are \
        carried out. Where the curves cross, marked with a ring, compiling begins to pay.";
    let mut blocks = vec![Block::Text(text.into())];
    match &data.break_even {
        Some(dated) if !dated.content.lines.is_empty() => {
            let data = &dated.content;
            blocks.push(Block::Table(table(data)));
            blocks.push(interpreter_wins(data));
            blocks.push(Block::Plots(workloads(data).iter().map(|workload| plot(data, workload)).collect()));
        }
        _ => blocks.push(Block::NoData { command: commands::BREAK_EVEN }),
    }
    Section { title: "Break-even", blocks }
}

fn workloads(data: &BreakEven) -> Vec<String> {
    in_order(data.lines.iter().map(|line| &line.workload), WORKLOADS.iter().map(|workload| workload.name))
}

fn table(data: &BreakEven) -> Table {
    let engines = in_order(data.lines.iter().map(|line| &line.engine), ENGINES);
    let row = |workload: &String| {
        let cell = |engine: &String| {
            let sweep = data.lines.iter().find(|line| line.workload == *workload && line.engine == *engine);
            match sweep.map(|sweep| sweep.break_even) {
                None => Cell::default(),
                Some(None) => "never".to_owned().into(),
                Some(Some(Crossing { words, low, high })) => {
                    let [words, low, high] = [words, low, high].map(|words| number(words.get()));
                    Cell { text: words, detail: Some(format!("{low} to {high}")) }
                }
            }
        };
        Row::new(workload, engines.iter().map(cell).collect())
    };
    Table {
        caption: format!("Executed words from which on an engine beats `{}`, and the interval.", data.interpreter),
        columns: ["workload".to_owned()].into_iter().chain(engines.iter().cloned()).collect(),
        is_numeric: true,
        rows: workloads(data).iter().map(row).collect(),
    }
}

fn interpreter_wins(data: &BreakEven) -> Block {
    let losers = data.lines.iter().filter(|line| line.break_even.is_none());
    let item = |line: &Sweep| {
        let most = line.points.iter().map(|point| point.words.get()).fold(0.0, f64::max);
        format!("`{}` on {}: not within {} words", line.engine, line.workload, number(most))
    };
    let items: Vec<String> = losers.map(item).collect();
    if items.is_empty() {
        return Block::Text("Every engine beats the interpreter on every workload within the sweep.".into());
    }
    let head = format!("Where `{}` wins at every size that was tried:", data.interpreter);
    Block::List(head, items)
}

/// Width and height of one of many plots.
const PANEL: (f64, f64) = (380.0, 190.0);

fn plot(data: &BreakEven, workload: &str) -> Plot {
    let sweeps: Vec<&Sweep> = data.lines.iter().filter(|line| line.workload == workload).collect();
    let line = |series: &str, label: String, points: &[Point], time: fn(&Point) -> Positive| Line {
        series: series.into(),
        label,
        points: points.iter().map(|point| (point.words.get(), time(point).get())).collect(),
    };
    let longest = sweeps.iter().max_by_key(|sweep| sweep.points.len());
    let interpreter = longest
        .map(|sweep| line(&data.interpreter, data.interpreter.clone(), &sweep.points, |point| point.interpreter_ns));
    let engine = |sweep: &&Sweep| {
        let from = sweep.break_even.map_or("never".into(), |crossing| format!("from {}", number(crossing.words.get())));
        line(&sweep.engine, format!("{}: {from}", sweep.engine), &sweep.points, |point| point.engine_ns)
    };
    let lines: Vec<Line> = interpreter.into_iter().chain(sweeps.iter().map(engine)).collect();
    let points = || lines.iter().flat_map(|line| &line.points);
    let axis = |title: &str, scale: Scale| Axis { title: title.into(), scale };
    let drawing = Drawing::Lines(Lines {
        x: axis("executed words", Scale::log(points().map(|point| point.0))),
        y: axis("ns from program to answer", Scale::log(points().map(|point| point.1))),
        marks: sweeps.iter().filter_map(|sweep| mark(sweep)).collect(),
        size: PANEL,
        lines,
    });
    Plot { name: format!("break-even-{workload}"), title: workload.into(), drawing }
}

/// The crossing, on the curve of the engine.
fn mark(sweep: &Sweep) -> Option<Mark> {
    let words = sweep.break_even?.words.get();
    let points: Vec<(f64, f64)> =
        sweep.points.iter().map(|point| (point.words.get().ln(), point.engine_ns.get().ln())).collect();
    let time = interpolated(&points, words.ln())?.exp();
    let label = format!("{} pays from {} words on", sweep.engine, number(words));
    Some(Mark { series: sweep.engine.clone(), at: (words, time), label })
}

/// Where a line through points, ascending, is at some place; outside of them, where its nearest end is.
fn interpolated(points: &[(f64, f64)], x: f64) -> Option<f64> {
    let behind = points.iter().position(|point| point.0 >= x);
    match behind {
        None => points.last().map(|point| point.1),
        Some(0) => Some(points[0].1),
        Some(index) => {
            let ((x0, y0), (x1, y1)) = (points[index - 1], points[index]);
            Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
        }
    }
}

/// The median over workloads of the flagship's break-even, and how many workloads there are and have one. It is infinite where
/// most have none.
pub(super) fn headline(data: &Data) -> Option<(f64, usize, usize)> {
    let lines = &data.break_even.as_ref()?.content.lines;
    let mut words: Vec<f64> = lines
        .iter()
        .filter(|line| line.engine == FLAGSHIP)
        .map(|line| line.break_even.map_or(f64::INFINITY, |crossing| crossing.words.get()))
        .collect();
    words.sort_by(f64::total_cmp);
    let with = words.iter().filter(|words| words.is_finite()).count();
    // Of two in the middle the greater one, so that infinity is never averaged.
    words.get(words.len() / 2).map(|middle| (*middle, words.len(), with))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_lies_on_its_curve() {
        let points = [(0.0, 1.0), (2.0, 5.0), (4.0, 5.0)];
        let at = |x| interpolated(&points, x);
        assert_eq!([at(-1.0), at(0.0), at(1.0), at(3.0), at(9.0)], [1.0, 1.0, 3.0, 5.0, 5.0].map(Some));
        assert_eq!(interpolated(&[], 1.0), None);
    }
}
