//! The machines and commands that measured the figures, and the age of the data.

use std::time::SystemTime;

use serde_json::{Map, Value};

use super::commands;
use crate::bench::machine::Machine;
use crate::report::data::Data;
use crate::report::data::criterion::Benchmark;
use crate::report::document::{Block, Row, Section, Table};
use crate::report::format::{age, moment};

pub(super) fn section(data: &Data, now: SystemTime) -> Section {
    let machine = Machine::now();
    let text = "Criterion does not record the machine. Its figures come from the machine of this report only if the \
        report was written where they were measured.";
    let mut blocks =
        vec![Block::Text(text.into()), Block::Table(machines(data, &machine)), Block::Table(sets(data, now))];
    let weaknesses = machine.weaknesses();
    if !weaknesses.is_empty() {
        let head = "These conditions make measurements on the machine that wrote this report less reliable:".to_owned();
        blocks.push(Block::List(head, weaknesses));
    }
    Section { title: "The machine", blocks }
}

/// A column for the machine that writes the report, and one for each machine recorded in a file.
fn machines(data: &Data, now: &Machine) -> Table {
    let now = now.to_json();
    let mut columns: Vec<(&str, &Map<String, Value>)> =
        now.as_object().map(|now| ("this report", now)).into_iter().collect();
    columns.extend(data.break_even.as_ref().map(|dated| ("break-even", &dated.content.machine)));
    columns.extend(data.warm_up.as_ref().map(|dated| ("warm-up", &dated.content.machine)));
    columns.extend(data.costs.as_ref().map(|dated| ("costs", &dated.content.machine)));
    columns.extend(data.ablation.as_ref().map(|dated| ("ablation", &dated.content.machine)));
    columns.extend(data.peers.as_ref().map(|dated| ("peers", &dated.content.machine)));
    let row = |name: &String| {
        let cell = |(_, machine): &(&str, &Map<String, Value>)| match machine.get(name) {
            None | Some(Value::Null) => "unknown".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(is_so)) => if *is_so { "yes" } else { "no" }.to_owned(),
            Some(value) => value.to_string(),
        };
        Row::new(name, columns.iter().map(|column| cell(column).into()).collect())
    };
    Table {
        caption: "The machines, as far as they are known.".into(),
        columns: [""].into_iter().chain(columns.iter().map(|(name, _)| *name)).map(Into::into).collect(),
        is_numeric: false,
        rows: columns[0].1.keys().map(row).collect(),
    }
}

/// A row for each set of data, with its command and its age.
fn sets(data: &Data, now: SystemTime) -> Table {
    let written = |time: SystemTime| format!("{}, {}", moment(time), age(time, now));
    let criterion = |kind: &str, command: &str| {
        let benchmarks: Vec<&Benchmark> =
            data.benchmarks.iter().filter(|benchmark| benchmark.name[0] == kind).collect();
        let times = || benchmarks.iter().map(|benchmark| benchmark.modified);
        let when = match (times().min(), times().max()) {
            (Some(first), Some(last)) if age(first, now) != age(last, now) => {
                format!("{}; the oldest {}", written(last), age(first, now))
            }
            (_, Some(last)) => written(last),
            _ => "missing".into(),
        };
        let options = benchmarks.first().map_or(String::new(), |first| {
            let samples = range(benchmarks.iter().map(|benchmark| benchmark.samples));
            let confidence = (100.0 * first.confidence).round();
            format!("{} benchmarks of {samples} samples; intervals at {confidence} %", benchmarks.len())
        });
        Row::new(kind, [format!("`{command}`"), when, options].map(Into::into).to_vec())
    };
    let file_row = |name: &str, command: &str, when: String| {
        Row::new(name, [format!("`{command}`"), when, String::new()].map(Into::into).to_vec())
    };
    let harness = |name: &str, command: &str, modified: Option<SystemTime>| {
        file_row(name, command, modified.map_or("missing".into(), written))
    };
    // The command that was run may have been another than the usual one.
    let (break_even, warm_up) = (data.break_even.as_ref(), data.warm_up.as_ref());
    let (costs, ablation, peers) = (data.costs.as_ref(), data.ablation.as_ref(), data.peers.as_ref());
    let command = |made_with: Option<&String>, usual: &str| made_with.map_or(usual.into(), Clone::clone);
    Table {
        caption: "The data of this report.".into(),
        columns: ["data", "command", "written", "options"].map(Into::into).to_vec(),
        is_numeric: false,
        rows: vec![
            criterion("execute", commands::EXECUTE),
            criterion("oneshot", commands::ONESHOT),
            criterion("compile", commands::COMPILE),
            harness(
                "break-even",
                &command(break_even.map(|dated| &dated.content.command), commands::BREAK_EVEN),
                break_even.map(|dated| dated.modified),
            ),
            harness(
                "warm-up",
                &command(warm_up.map(|dated| &dated.content.command), commands::WARM_UP),
                warm_up.map(|dated| dated.modified),
            ),
            harness(
                "costs",
                &command(costs.map(|dated| &dated.content.command), commands::COSTS),
                costs.map(|dated| dated.modified),
            ),
            harness(
                "ablation",
                &command(ablation.map(|dated| &dated.content.command), commands::ABLATION),
                ablation.map(|dated| dated.modified),
            ),
            match data.instructions.modified {
                None => file_row("instructions", commands::INSTRUCTIONS, "the checked-in record".into()),
                counted => harness("instructions", commands::INSTRUCTIONS, counted),
            },
            harness(
                "peers",
                &command(peers.map(|dated| &dated.content.command), commands::PEERS),
                peers.map(|dated| dated.modified),
            ),
        ],
    }
}

/// The range of some counts.
fn range(counts: impl Iterator<Item = usize> + Clone) -> String {
    match (counts.clone().min(), counts.max()) {
        (Some(least), Some(greatest)) if least != greatest => format!("{least} to {greatest}"),
        (least, _) => least.unwrap_or(0).to_string(),
    }
}
