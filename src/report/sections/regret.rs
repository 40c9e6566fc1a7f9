//! How much longer the tiered engine takes than the engine that would have been best.

use super::break_even::{interpolated, workloads};
use super::commands;
use crate::bench::regret::{AIM_MEAN, AIM_WORST, CHOICES, ENGINE, Summary, summary};
use crate::report::data::Data;
use crate::report::data::harness::{BreakEven, Point};
use crate::report::document::{Block, Cell, Row, Section, Table};
use crate::report::format::{count, number};
use crate::report::plot::scale::Scale;
use crate::report::plot::{Axis, Drawing, Line, Lines, Mark, Plot};

pub(super) fn section(data: &Data) -> Section {
    let [one, other, last] = CHOICES;
    let text = format!(
        "Regret is the time of `{ENGINE}` to prepare and run a verified program, relative to the best of `{one}`, `{other}` \
         and `{last}` for the same program and input. Times are compared within each process; the figure is the median of these \
         ratios. 1 means that `{ENGINE}` is as fast as the best of them, although it \
         cannot know in advance how long the program runs. The sizes are those of the break-even sweep. Among them are the last \
         size without machine code and the first with it; the ring marks the latter."
    );
    let mut blocks = vec![Block::Text(text)];
    let curves: Vec<Curve> = data.break_even.iter().flat_map(|dated| curves(&dated.content)).collect();
    if curves.is_empty() {
        blocks.push(Block::NoData { command: commands::BREAK_EVEN });
    } else {
        blocks.push(Block::Table(table(&curves)));
        blocks.push(Block::Plots(plots(&curves)));
    }
    Section { title: "Regret", blocks }
}

/// The regret on one workload.
struct Curve {
    workload: String,
    change: Option<u64>,
    /// The sizes, ascending, with the regret at each.
    points: Vec<(Point, f64)>,
    summary: Summary,
}

/// The curves of all workloads on which the engine was measured.
fn curves(data: &BreakEven) -> Vec<Curve> {
    let curve = |workload: String| {
        let own = data.lines.iter().find(|line| line.workload == workload && line.engine == ENGINE)?;
        let points: Vec<(Point, f64)> =
            own.points.iter().filter_map(|point| Some((*point, point.regret?.get()))).collect();
        let summary = summary(&points.iter().map(|(_, regret)| *regret).collect::<Vec<_>>())?;
        Some(Curve { workload, change: own.change, points, summary })
    };
    workloads(data).into_iter().filter_map(curve).collect()
}

fn table(curves: &[Curve]) -> Table {
    let row = |curve: &Curve| {
        let Summary { mean, worst, at } = curve.summary;
        let (point, _) = curve.points[at];
        let change = curve.change.map_or("never".into(), |change| count(change as f64));
        let size = format!("{} ({} iterations)", point.size, count(point.iterations as f64));
        let cells = [count(curve.points.len() as f64), number(mean), number(worst), size, change];
        Row::new(&curve.workload, cells.map(Cell::from).to_vec())
    };
    let all: Vec<f64> = curves.iter().flat_map(|curve| &curve.points).map(|(_, regret)| *regret).collect();
    let total = summary(&all).map(|Summary { mean, worst, .. }| {
        let of = curves.iter().find(|curve| curve.summary.worst == worst);
        let at =
            of.map_or(String::new(), |curve| format!("{} {}", curve.workload, curve.points[curve.summary.at].0.size));
        let cells = [count(all.len() as f64), number(mean), number(worst), at, String::new()];
        Row::summary("all", cells.map(Cell::from).to_vec())
    });
    Table {
        caption: format!(
            "Regret of `{ENGINE}` over the sizes of each workload. The aims are a geometric mean of at most {AIM_MEAN:.2} and a \
             worst of at most {AIM_WORST:.1}."
        ),
        columns: ["workload", "sizes", "geometric mean", "worst", "worst at size", "machine code from iterations"]
            .map(String::from)
            .to_vec(),
        is_numeric: true,
        rows: curves.iter().map(row).chain(total).collect(),
    }
}

/// Width and height of one of many plots.
const PANEL: (f64, f64) = (380.0, 110.0);

/// A plot for each workload. All have the same vertical axis, on which the aim for the worst is always visible.
fn plots(curves: &[Curve]) -> Vec<Plot> {
    let regrets = curves.iter().flat_map(|curve| &curve.points).map(|(_, regret)| *regret);
    let scale = Scale::log(regrets.chain([1.0, AIM_WORST]));
    curves.iter().filter_map(|curve| plot(curve, scale)).collect()
}

/// `None` if there are no iterations at any size.
fn plot(curve: &Curve, scale: Scale) -> Option<Plot> {
    // A logarithmic axis cannot show zero iterations.
    let points: Vec<(f64, f64)> = curve
        .points
        .iter()
        .filter(|(point, _)| point.iterations > 0)
        .map(|(point, regret)| (point.iterations as f64, *regret))
        .collect();
    let (first, last) = (points.first()?.0, points.last()?.0);
    let mark = curve.change.map(|change| change as f64).and_then(|at| {
        let label = format!("machine code from {} iterations", number(at));
        Some(Mark { series: ENGINE.into(), at: (at, interpolated(&points, at)?), label })
    });
    let label = format!("{ENGINE}: mean {}, worst {}", number(curve.summary.mean), number(curve.summary.worst));
    let drawing = Drawing::Lines(Lines {
        x: Axis { title: "loop iterations".into(), scale: Scale::log([first, last]) },
        y: Axis { title: "time relative to the best choice".into(), scale },
        lines: vec![Line { series: ENGINE.into(), label, curve: points.clone(), points }],
        marks: mark.into_iter().filter(|mark| (first..=last).contains(&mark.at.0)).collect(),
        size: PANEL,
    });
    Some(Plot { name: format!("regret-{}", curve.workload), title: curve.workload.clone(), drawing })
}

/// The summary over all workloads and sizes, with their numbers.
pub(super) fn headline(data: &Data) -> Option<(Summary, usize)> {
    let curves = curves(&data.break_even.as_ref()?.content);
    let all: Vec<f64> = curves.iter().flat_map(|curve| &curve.points).map(|(_, regret)| *regret).collect();
    Some((summary(&all)?, curves.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(json: &str) -> BreakEven {
        serde_json::from_str(json).expect("it is the data of a sweep")
    }

    /// Two sizes.
    const SWEEPS: &str = r#"{
        "machine": {}, "command": "", "interpreter": "bytecode", "confidence": 0.99,
        "lines": [
            {"workload": "fib", "engine": "regs", "break_even": {}, "points": [
                {"size": 0, "iterations": 0, "interpreter_ns": 10, "engine_ns": 20},
                {"size": 9, "iterations": 9, "interpreter_ns": 90, "engine_ns": 30}]},
            {"workload": "fib", "engine": "tiered", "break_even": {}, "change": 9, "points": [
                {"size": 0, "iterations": 0, "interpreter_ns": 10, "engine_ns": 10, "regret": 1.0},
                {"size": 9, "iterations": 9, "interpreter_ns": 90, "engine_ns": 120, "regret": 4.0}]}
        ]}"#;

    #[test]
    fn the_table_has_the_mean_and_the_worst() {
        let curves = curves(&data(SWEEPS));
        assert_eq!(curves.len(), 1);
        let regrets: Vec<f64> = curves[0].points.iter().map(|(_, regret)| *regret).collect();
        assert_eq!(regrets, [1.0, 4.0]);
        let texts = |row: &Row| row.cells.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>();
        let table = table(&curves);
        assert_eq!(texts(&table.rows[0]), ["2", "2.00", "4.00", "9 (9 iterations)", "9"]);
        assert_eq!(texts(&table.rows[1]), ["2", "2.00", "4.00", "fib 9", ""]);
        assert!(table.rows[1].is_summary && table.caption.contains("1.10") && table.caption.contains("2.0"));
    }

    #[test]
    fn change_is_marked_on_the_curve() {
        let plots = plots(&curves(&data(SWEEPS)));
        let Drawing::Lines(Lines { lines, marks, .. }) = &plots[0].drawing else { panic!("it is a line plot") };
        assert_eq!(lines[0].points, [(9.0, 4.0)], "zero iterations are not shown");
        assert_eq!(marks.iter().map(|mark| mark.at).collect::<Vec<_>>(), [(9.0, 4.0)]);
    }

    #[test]
    fn without_the_engine_there_is_no_curve() {
        assert!(curves(&data(&SWEEPS.replace("\"tiered\"", "\"jit\""))).is_empty());
    }
}
