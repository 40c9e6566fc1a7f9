//! Our engines compared with other compilers and interpreters.

use super::commands;
use crate::bench::workloads::WORKLOADS;
use crate::registry::ENGINES;
use crate::report::data::Data;
use crate::report::data::harness::{PeerLine, PeerMean, Peers};
use crate::report::document::{Block, Cell, Row, Section, Table};
use crate::report::format::{count, number};
use crate::report::grid::{in_order, ratios};
use crate::report::plot::{Bar, Group, Plot};

/// The usual base of comparisons with other systems.
const GCC: &str = "gcc -O2";

pub(super) fn section(data: &Data) -> Section {
    let text = "The same workloads on our engines and on other compilers and interpreters, all in one run. Ratios compare \
        times, so smaller is faster.";
    let mut blocks = vec![Block::Text(text.into())];
    match &data.peers {
        Some(dated) if !dated.content.lines.is_empty() => {
            let peers = &dated.content;
            if !peers.means.is_empty() {
                blocks.push(Block::Plots([plot(peers)].into_iter().chain(plot_by_gcc(peers)).collect()));
            }
            blocks.push(Block::Table(table(peers)));
            blocks.extend(notes(peers));
        }
        _ => blocks.push(Block::NoData { command: commands::PEERS }),
    }
    Section { title: "Peers", blocks }
}

/// Contestants, our engines first.
fn contestants(peers: &Peers) -> Vec<String> {
    in_order(peers.lines.iter().map(|line| &line.contestant), ENGINES)
}

fn line<'a>(peers: &'a Peers, workload: &str, contestant: &str) -> Option<&'a PeerLine> {
    peers.lines.iter().find(|line| line.workload == workload && line.contestant == contestant)
}

fn table(peers: &Peers) -> Table {
    let workloads =
        in_order(peers.lines.iter().map(|line| &line.workload), WORKLOADS.iter().map(|workload| workload.name));
    let contestants = contestants(peers);
    let row = |workload: &String| {
        let cell = |contestant: &String| match line(peers, workload, contestant) {
            None => Cell::default(),
            Some(line) => {
                let mark = if line.same_arithmetic { "" } else { "*" };
                let [low, high] = [line.low, line.high].map(|end| number(end.get()));
                Cell { text: number(line.ratio.get()) + mark, detail: Some(format!("{low} to {high}")) }
            }
        };
        Row::new(workload, contestants.iter().map(cell).collect())
    };
    let summary = |name: &str, means: &[PeerMean]| {
        let mean = |contestant: &String| match means.iter().find(|mean| mean.contestant == *contestant) {
            None => Cell::default(),
            Some(PeerMean { ratio, workloads, .. }) => {
                Cell { text: number(ratio.get()), detail: Some(format!("of {workloads}")) }
            }
        };
        Row::summary(name, contestants.iter().map(mean).collect())
    };
    let all = summary("geometric mean", &peers.means);
    let groups = peers.means_of_groups.iter().map(|of| summary(&format!("mean of {}", of.group), &of.means));
    Table {
        caption: format!(
            "Time relative to `{}`, with intervals; all intervals together hold with {} % confidence.",
            peers.base,
            count(100.0 * peers.confidence)
        ),
        columns: ["workload".to_owned()].into_iter().chain(contestants.iter().cloned()).collect(),
        is_numeric: true,
        rows: [all].into_iter().chain(groups).chain(workloads.iter().map(row)).collect(),
    }
}

/// A contestant, its relative time, and the interval.
type Ratio<'a> = (&'a str, f64, Option<(f64, f64)>);

/// The means relative to the base, with their intervals.
fn plot(peers: &Peers) -> Plot {
    let interval = |mean: &PeerMean| Some((mean.low.get(), mean.high.get()));
    let all = peers.means.iter().map(|mean| (mean.contestant.as_str(), mean.ratio.get(), interval(mean)));
    plot_of("peers", "Our engines and their peers", &peers.base, all.collect())
}

/// The same relative to gcc, if it took part. These are ratios of means, without intervals.
fn plot_by_gcc(peers: &Peers) -> Option<Plot> {
    let gcc = peers.means.iter().find(|mean| mean.contestant == GCC)?;
    // Means over other sets of workloads are not comparable.
    let means = peers.means.iter().filter(|mean| mean.workloads == gcc.workloads);
    let ours = means.map(|mean| (mean.contestant.as_str(), mean.ratio.get() / gcc.ratio.get(), None));
    let all = ours.chain([(peers.base.as_str(), 1.0 / gcc.ratio.get(), None)]).collect();
    Some(plot_of("peers-by-gcc", "Our engines and their peers, relative to gcc", GCC, all))
}

fn plot_of(name: &str, title: &str, base: &str, mut all: Vec<Ratio>) -> Plot {
    all.sort_by(|(_, one, _), (_, other, _)| one.total_cmp(other));
    let group = |(contestant, value, interval): Ratio| {
        let series = if ENGINES.contains(&contestant) { contestant } else { "peer" }.to_owned();
        Group { name: contestant.to_owned(), bars: vec![Bar { series, value, interval }] }
    };
    let axis = format!("time relative to {base}, geometric mean");
    ratios(name, title, &axis, all.into_iter().map(group).collect())
}

/// The meaning of the stars, the notes on contestants, and the contestants that did not run.
fn notes(peers: &Peers) -> Vec<Block> {
    let mut items: Vec<String> = Vec::new();
    if peers.lines.iter().any(|line| !line.same_arithmetic) {
        items.push("Entries that use other number types are starred and excluded from means.".into());
    }
    for line in peers.lines.iter().filter(|line| !line.note.is_empty()) {
        let item = format!("{}: {}", line.contestant, line.note);
        if !items.contains(&item) {
            items.push(item);
        }
    }
    items.extend(peers.not_run.iter().map(|absent| format!("NOT RUN: {}: {}", absent.contestant, absent.why)));
    if items.is_empty() { Vec::new() } else { vec![Block::List("Notes:".into(), items)] }
}
