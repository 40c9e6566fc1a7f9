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

/// The contestant that others are held against most often.
const GCC: &str = "gcc -O2";

pub(super) fn section(data: &Data) -> Section {
    let text = "The same workloads on compilers and interpreters of others, all in one run. Ratios are of times: less is faster.";
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

/// A contestant with its time over somebody's.
type Ratio<'a> = (&'a str, f64, Option<(f64, f64)>);

/// Means over the time of the base, with their intervals.
fn plot(peers: &Peers) -> Plot {
    let interval = |mean: &PeerMean| Some((mean.low.get(), mean.high.get()));
    let all = peers.means.iter().map(|mean| (mean.contestant.as_str(), mean.ratio.get(), interval(mean)));
    plot_of("peers", "Our engines and their peers", &peers.base, all.collect())
}

/// The same over the time of gcc, where it took part: the ratios of the means, for which there are no intervals.
fn plot_by_gcc(peers: &Peers) -> Option<Plot> {
    let gcc = peers.means.iter().find(|mean| mean.contestant == GCC)?;
    // Means over fewer workloads are means of something else.
    let means = peers.means.iter().filter(|mean| mean.workloads == gcc.workloads);
    let ours = means.map(|mean| (mean.contestant.as_str(), mean.ratio.get() / gcc.ratio.get(), None));
    let all = ours.chain([(peers.base.as_str(), 1.0 / gcc.ratio.get(), None)]).collect();
    Some(plot_of("peers-by-gcc", "Our engines and their peers, by the time of gcc", GCC, all))
}

fn plot_of(name: &str, title: &str, base: &str, mut all: Vec<Ratio>) -> Plot {
    all.sort_by(|(_, one, _), (_, other, _)| one.total_cmp(other));
    let group = |(contestant, value, interval): Ratio| {
        let series = if ENGINES.contains(&contestant) { contestant } else { "peer" }.to_owned();
        Group { name: contestant.to_owned(), bars: vec![Bar { series, value, interval }] }
    };
    let axis = format!("time over that of {base}, geometric mean");
    ratios(name, title, &axis, all.into_iter().map(group).collect())
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
