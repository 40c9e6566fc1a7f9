//! The time per iteration over the number of iterations: how fast each engine is from the start.

use super::break_even::{PANEL, interpolated};
use super::commands;
use crate::bench::regret::ENGINE;
use crate::bench::workloads::warm_up;
use crate::registry::ENGINES;
use crate::report::data::Data;
use crate::report::data::harness::{WarmUp, WarmUpLine};
use crate::report::document::{Block, Section};
use crate::report::format::number;
use crate::report::grid::in_order;
use crate::report::plot::scale::Scale;
use crate::report::plot::{Axis, Drawing, Line, Lines, Mark, Plot};

pub(super) fn section(data: &Data) -> Section {
    let text = format!(
        "The time to prepare and run a verified program, divided by its iterations. At first, preparing dominates; in the end, \
         only the speed of the code counts. The ring marks the number of iterations from which `{ENGINE}` changes from the \
         interpreter to machine code. A call counts as an iteration."
    );
    let mut blocks = vec![Block::Text(text)];
    match &data.warm_up {
        Some(dated) if !dated.content.lines.is_empty() => blocks.push(Block::Plots(plots(&dated.content))),
        _ => blocks.push(Block::NoData { command: commands::WARM_UP }),
    }
    Section { title: "Warm-up", blocks }
}

/// A plot for each workload.
fn plots(data: &WarmUp) -> Vec<Plot> {
    let known = warm_up().map(|(workload, _)| workload.name);
    let workloads = in_order(data.lines.iter().map(|line| &line.workload), known);
    workloads.iter().map(|workload| plot(data, workload)).collect()
}

fn plot(data: &WarmUp, workload: &str) -> Plot {
    let of_workload = || data.lines.iter().filter(|line| line.workload == workload);
    let engines = in_order(of_workload().map(|line| &line.engine), ENGINES);
    let of_engines: Vec<&WarmUpLine> =
        engines.iter().filter_map(|engine| of_workload().find(|line| line.engine == *engine)).collect();
    let line = |line: &&WarmUpLine| {
        let points = points(line);
        Line { series: line.engine.clone(), label: line.engine.clone(), curve: points.clone(), points }
    };
    let lines: Vec<Line> = of_engines.iter().map(line).collect();
    let axis = |title: &str, values: Vec<f64>| Axis { title: title.into(), scale: Scale::log(values) };
    let all = || lines.iter().flat_map(|line| &line.points);
    let drawing = Drawing::Lines(Lines {
        x: axis("loop iterations", all().map(|point| point.0).collect()),
        y: axis("ns per iteration, with preparing", all().map(|point| point.1).collect()),
        marks: of_engines.iter().filter_map(|line| mark(line)).collect(),
        size: PANEL,
        lines,
    });
    let what = warm_up().find(|(known, _)| known.name == workload).map(|(_, what)| format!(": {what}"));
    let title = format!("{workload}{}", what.unwrap_or_default());
    Plot { name: format!("warm-up-{workload}"), title, drawing }
}

fn points(line: &WarmUpLine) -> Vec<(f64, f64)> {
    line.points.iter().map(|point| (point.iterations.get() as f64, point.ns_per_iteration.get())).collect()
}

/// The mark where the engine changes to machine code, on its curve.
fn mark(line: &WarmUpLine) -> Option<Mark> {
    let from = line.change? as f64;
    let points = points(line);
    let is_inside = points.first()?.0 <= from && from <= points.last()?.0;
    let label = format!("{} changes to machine code from {} iterations", line.engine, number(from));
    is_inside.then_some(Mark { series: line.engine.clone(), at: (from, interpolated(&points, from)?), label })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_has_a_line_and_the_change_a_mark() {
        let line = |engine: &str, change: &str| {
            format!(
                r#"{{"workload": "primes", "engine": "{engine}", "change": {change}, "points": [
                    {{"iterations": 10, "ns_per_iteration": 30}}, {{"iterations": 20, "ns_per_iteration": 20}}]}}"#
            )
        };
        let lines = [line("tiered", "20"), line("bytecode", "null"), line("other", "900")].join(",");
        let data = format!(r#"{{"machine": {{}}, "command": "", "lines": [{lines}]}}"#);
        let data: WarmUp = serde_json::from_str(&data).expect("it is the data of a warm-up");
        let [plot] = &plots(&data)[..] else { panic!("there is one workload") };
        assert_eq!(plot.title, "primes: while loops");
        let Drawing::Lines(Lines { lines, marks, .. }) = &plot.drawing else { panic!("it is a line plot") };
        assert_eq!(lines.iter().map(|line| line.series.as_str()).collect::<Vec<_>>(), ["bytecode", "tiered", "other"]);
        // A change outside of the sweep has no place on the curve.
        assert_eq!(marks.iter().map(|mark| mark.at).collect::<Vec<_>>(), [(20.0, 20.0)]);
    }
}
