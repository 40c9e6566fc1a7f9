//! The speed-up of the engines over the interpreters: when only execution is timed, and from the text to the answer.

use super::{FLAGSHIP, INTERPRETER, commands};
use crate::report::data::Data;
use crate::report::data::criterion::Benchmark;
use crate::report::document::{Block, Cell, Row, Section, Table};
use crate::report::format::cell;
use crate::report::grid::{Comparison, Grid};

/// The referee. A second table shows the speed-ups over it.
const REFEREE: &str = "tree";

/// Times per executed word.
pub(super) fn execution(data: &Data) -> Grid {
    Grid::new(&data.benchmarks, "execute", Benchmark::per_word)
}

/// The section on executing prepared programs.
pub(super) fn running(data: &Data) -> Section {
    let grid = execution(data);
    let text = "The base's time to execute a prepared program divided by each engine's time; larger is faster. The \
        first mean is over all workloads, the others over the nine loops that other projects have measured as well, the \
        seven loops with branches and division, and the fourteen programs with calls and arrays. Means are geometric and exclude workloads that an engine of the table did not run. `hold-out` is a set of 50 generated \
        loops that nobody tunes for. The interval of a ratio takes the worst case, with one time at the upper end of \
        criterion's interval and the other at the lower end. Criterion measures in one process. For a close \
        comparison, use a race (`jitduel bench`).";
    let mut blocks = speed_ups(&grid, "speed-up", text, commands::EXECUTE);
    if !grid.workloads.is_empty() {
        blocks.push(Block::Table(times(&grid, "Nanoseconds per executed word.")));
    }
    Section { title: "Speed-up", blocks }
}

/// The section on times from the text to the answer.
pub(super) fn one_shot(data: &Data) -> Section {
    let grid = Grid::new(&data.benchmarks, "oneshot", |benchmark| Some(benchmark.nanoseconds));
    let text = "The same comparison from the text to the answer, with a hundredth of the work, so that parsing, verifying and \
        compiling matter.";
    Section { title: "From text to answer", blocks: speed_ups(&grid, "one-shot", text, commands::ONESHOT) }
}

fn speed_ups(grid: &Grid, name: &str, text: &str, command: &'static str) -> Vec<Block> {
    let mut blocks = vec![Block::Text(text.into())];
    for base in [INTERPRETER, REFEREE] {
        let others = grid.engines.iter().filter(|engine| ![base, REFEREE].contains(&engine.as_str()));
        let comparisons: Vec<Comparison> = others.map(|engine| Comparison::new(base, engine)).collect();
        let title = format!("Speed-up over `{base}`");
        let table = grid.table(&format!("{title}: times as fast, with intervals."), &comparisons);
        if table.rows.is_empty() {
            continue;
        }
        if base == INTERPRETER {
            let title = format!("Speed-up over {base}");
            blocks.push(Block::Plots(vec![grid.plot(name, &title, &format!("times as fast as {base}"), &comparisons)]));
        }
        blocks.push(Block::Table(table));
    }
    if blocks.len() == 1 {
        blocks.push(Block::NoData { command });
    }
    blocks
}

fn times(grid: &Grid, caption: &str) -> Table {
    let row = |workload: &String| {
        let time = |engine: &String| grid.time(workload, engine).map_or_else(Cell::default, |time| cell(&time));
        Row::new(workload, grid.engines.iter().map(time).collect())
    };
    Table {
        caption: caption.into(),
        columns: ["workload".to_owned()].into_iter().chain(grid.engines.iter().cloned()).collect(),
        is_numeric: true,
        rows: grid.workloads.iter().map(row).collect(),
    }
}

/// The mean speed-up of the flagship, and the name of the mean.
pub(super) fn headline(data: &Data) -> Option<(f64, String)> {
    execution(data).overall(Comparison::new(INTERPRETER, FLAGSHIP))
}
