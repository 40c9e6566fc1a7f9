//! What each of the two switches brings, alone and beside the other.

use super::commands;
use super::speed_up::execution;
use crate::report::data::Data;
use crate::report::document::{Block, Section};
use crate::report::grid::Comparison;

pub(super) fn section(data: &Data) -> Section {
    let grid = execution(data);
    let over =
        |base: &str, engine: &str, label: &str| Comparison { label: label.into(), ..Comparison::new(base, engine) };
    let comparisons = [
        over("jit-naive", "jit-peephole", "peephole alone"),
        over("jit-naive", "jit-tos", "register alone"),
        over("jit-naive", "jit", "both"),
        over("jit-tos", "jit", "peephole beside the register"),
        over("jit-peephole", "jit", "register beside peephole"),
    ];
    let text = "Two switches that do not depend on each other: the peephole pass, and the register for the top of the stack. \
        `jit-naive` has neither, `jit-peephole` and `jit-tos` one, `jit` both. Each column says how many times as fast a \
        switch makes the code.";
    let table = grid.table("What the switches bring: times as fast, and the interval.", &comparisons);
    let mut blocks = vec![Block::Text(text.into())];
    if table.rows.is_empty() {
        blocks.push(Block::NoData { command: commands::EXECUTE });
    } else {
        let (name, title) = ("ablation", "What the switches bring over jit-naive");
        blocks.push(Block::Plots(vec![grid.plot(name, title, "times as fast as jit-naive", &comparisons[..3])]));
        blocks.push(Block::Table(table));
    }
    Section { title: "Ablation", blocks }
}
