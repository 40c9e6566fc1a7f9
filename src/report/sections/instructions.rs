//! Executed instructions per loop iteration of each workload. These counts do not depend on the machine.

use super::commands;
use crate::bench::instructions::{Count, ISAS};
use crate::bench::workloads::WORKLOADS;
use crate::registry::ENGINES;
use crate::report::data::Data;
use crate::report::document::{Block, Row, Section, Table};
use crate::report::format;
use crate::report::grid::in_order;
use crate::report::plot::scale::Scale;
use crate::report::plot::{Axis, Bar, Bars, Drawing, Group, Plot};

pub(super) fn section(data: &Data) -> Section {
    let record = &data.instructions.content;
    let text = "Instructions are counted, not timed, so the numbers are the same on every machine.";
    let mut blocks = vec![Block::Text(format!("{text} Unit: {}.", record.unit))];
    let of_isa = |isa| record.counts.iter().filter(|count| count.isa == isa).collect::<Vec<_>>();
    let isas = ISAS.map(|isa| (isa, of_isa(isa)));
    let isas: Vec<_> = isas.iter().filter(|(_, counts)| !counts.is_empty()).collect();
    if isas.is_empty() {
        blocks.push(Block::NoData { command: commands::INSTRUCTIONS });
    } else {
        blocks.push(Block::Plots(isas.iter().map(|(isa, counts)| plot(isa, counts)).collect()));
        blocks.extend(isas.iter().map(|(isa, counts)| Block::Table(table(isa, counts))));
    }
    Section { title: "Executed instructions", blocks }
}

fn workloads(counts: &[&Count]) -> Vec<String> {
    in_order(counts.iter().map(|count| &count.workload), WORKLOADS.iter().map(|workload| workload.name))
}

fn engines(counts: &[&Count]) -> Vec<String> {
    in_order(counts.iter().map(|count| &count.engine), ENGINES)
}

fn count(counts: &[&Count], workload: &str, engine: &str) -> Option<f64> {
    let is_it = |count: &&&Count| count.workload == workload && count.engine == engine;
    counts.iter().find(is_it).map(|count| count.per_iteration)
}

fn table(isa: &str, counts: &[&Count]) -> Table {
    let engines = engines(counts);
    let row = |workload: &String| {
        Row::new(workload, format::counts(engines.iter().map(|engine| count(counts, workload, engine))))
    };
    Table {
        caption: format!("Instructions per iteration on {isa}."),
        columns: ["workload".to_owned()].into_iter().chain(engines.iter().cloned()).collect(),
        is_numeric: true,
        rows: workloads(counts).iter().map(row).collect(),
    }
}

fn plot(isa: &str, counts: &[&Count]) -> Plot {
    let engines = engines(counts);
    let group = |workload: &String| {
        let bar = |engine: &String| {
            let value = count(counts, workload, engine)?;
            Some(Bar { series: engine.clone(), value, interval: None })
        };
        Group { name: workload.clone(), bars: engines.iter().filter_map(bar).collect() }
    };
    let groups: Vec<Group> = workloads(counts).iter().map(group).collect();
    let scale = Scale::log(groups.iter().flat_map(|group| &group.bars).map(|bar| bar.value).chain([1.0]));
    let axis = Axis { title: "instructions per iteration".into(), scale };
    let drawing = Drawing::Bars(Bars { axis, origin: 1.0, groups });
    Plot { name: format!("instructions-{isa}"), title: format!("Instructions per iteration on {isa}"), drawing }
}
