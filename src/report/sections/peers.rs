//! Our engines beside compilers and interpreters of others.

use super::commands;
use crate::bench::workloads::WORKLOADS;
use crate::registry::ENGINES;
use crate::report::data::Data;
use crate::report::data::harness::{PeerLine, PeerMean, Peers};
use crate::report::document::{Block, Cell, Row, Section, Table};
use crate::report::format::number;
use crate::report::grid::{in_order, ratios};
use crate::report::plot::{Bar, Group, Plot};

pub(super) fn section(data: &Data) -> Section {
    let text = "The same workloads on compilers and interpreters of others, all in one run. Ratios are of times: less is faster.";
    let mut blocks = vec![Block::Text(text.into())];
    match &data.peers {
        Some(dated) if !dated.content.lines.is_empty() => {
            let peers = &dated.content;
            if !peers.means.is_empty() {
                blocks.push(Block::Plots(vec![plot(peers)]));
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
    let mean = |contestant: &String| match peers.means.iter().find(|mean| mean.contestant == *contestant) {
        None => Cell::default(),
        Some(PeerMean { ratio, workloads, .. }) => {
            Cell { text: number(ratio.get()), detail: Some(format!("of {workloads}")) }
        }
    };
    let means = Row::summary("geometric mean", contestants.iter().map(mean).collect());
    Table {
        caption: format!(
            "Time over that of `{}`, and the interval; all intervals together are right with {} %.",
            peers.base,
            100.0 * peers.confidence
        ),
        columns: ["workload".to_owned()].into_iter().chain(contestants.iter().cloned()).collect(),
        is_numeric: true,
        rows: [means].into_iter().chain(workloads.iter().map(row)).collect(),
    }
}

fn plot(peers: &Peers) -> Plot {
    let group = |mean: &PeerMean| {
        let is_ours = ENGINES.contains(&mean.contestant.as_str());
        let series = if is_ours { mean.contestant.clone() } else { "peer".into() };
        let interval = Some((mean.low.get(), mean.high.get()));
        Group { name: mean.contestant.clone(), bars: vec![Bar { series, value: mean.ratio.get(), interval }] }
    };
    let mut means: Vec<&PeerMean> = peers.means.iter().collect();
    means.sort_by(|one, other| one.ratio.get().total_cmp(&other.ratio.get()));
    let axis = format!("time over that of {}, geometric mean", peers.base);
    ratios("peers", "Our engines and their peers", &axis, means.into_iter().map(group).collect())
}

/// What the stars mean, what must be known of contestants, and who did not take part.
fn notes(peers: &Peers) -> Vec<Block> {
    let mut items: Vec<String> = Vec::new();
    if peers.lines.iter().any(|line| !line.same_arithmetic) {
        items.push("* computes with other numbers than 64-bit integers and is left out of means.".into());
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
