//! The effect of each of the baseline's two optimizations, alone and in addition to the other.

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
        over("jit-tos", "jit", "peephole added to register"),
        over("jit-peephole", "jit", "register added to peephole"),
    ];
    let text = "Two independent optimizations: the peephole pass, and a register for the top of the stack. `jit-naive` has \
        neither, `jit-peephole` and `jit-tos` have one each, and `jit` has both. Each column shows how many times as fast \
        the code becomes.";
    let table = grid.table("Effect of the optimizations: times as fast, with intervals.", &comparisons);
    let mut blocks = vec![Block::Text(text.into())];
    if table.rows.is_empty() {
        blocks.push(Block::NoData { command: commands::EXECUTE });
    } else {
        let (name, title) = ("ablation", "Effect of the optimizations over jit-naive");
        blocks.push(Block::Plots(vec![grid.plot(name, title, "times as fast as jit-naive", &comparisons[..3])]));
        blocks.push(Block::Table(table));
    }
    Section { title: "Ablation", blocks }
}
