//! How many times as fast as the interpreters the engines are: running alone, and from the text to the answer.

use super::{FLAGSHIP, INTERPRETER, commands};
use crate::report::data::Data;
use crate::report::data::criterion::Benchmark;
use crate::report::document::{Block, Cell, Row, Section, Table};
use crate::report::format::cell;
use crate::report::grid::{Comparison, Grid};

/// The referee, which is the other base.
const REFEREE: &str = "tree";

/// Times for each word that is carried out.
pub(super) fn execution(data: &Data) -> Grid {
    Grid::new(&data.benchmarks, "execute", Benchmark::per_word)
}

/// Programs that are ready to run.
pub(super) fn running(data: &Data) -> Section {
    let grid = execution(data);
    let text = "How many times as fast as the base an engine runs what is ready to run. More is faster. Means are geometric, \
        over the workloads that all engines of the table ran: of all 16, and of the 9 that others have measured as well. \
        `hold-out` is 50 generated loops that nobody tunes for. \
        Intervals are criterion's for both times, each at its worse end, from one process: for a close call, believe a \
        race (`jitduel bench`).";
    let mut blocks = speed_ups(&grid, "speed-up", text, commands::EXECUTE);
    if !grid.workloads.is_empty() {
        blocks.push(Block::Table(times(&grid, "Nanoseconds for each word that is carried out.")));
    }
    Section { title: "Speed-up", blocks }
}

/// Programs as text.
pub(super) fn one_shot(data: &Data) -> Section {
    let grid = Grid::new(&data.benchmarks, "oneshot", |benchmark| Some(benchmark.nanoseconds));
    let text = "The same from the text to the answer, at a hundredth of the size, so that parsing, verifying and compiling \
        count for something.";
    Section { title: "From text to answer", blocks: speed_ups(&grid, "one-shot", text, commands::ONESHOT) }
}

fn speed_ups(grid: &Grid, name: &str, text: &str, command: &'static str) -> Vec<Block> {
    let mut blocks = vec![Block::Text(text.into())];
    for base in [INTERPRETER, REFEREE] {
        let others = grid.engines.iter().filter(|engine| ![base, REFEREE].contains(&engine.as_str()));
        let comparisons: Vec<Comparison> = others.map(|engine| Comparison::new(base, engine)).collect();
        let title = format!("Speed-up over `{base}`");
        let table = grid.table(&format!("{title}: times as fast, and the interval."), &comparisons);
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

/// The mean speed-up of the flagship, and over what it is taken.
pub(super) fn headline(data: &Data) -> Option<(f64, String)> {
    execution(data).overall(Comparison::new(INTERPRETER, FLAGSHIP))
}
