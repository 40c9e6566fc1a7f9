//! The number of bytes of machine code for each workload. It needs no measurements: this section compiles the workloads for
//! both instruction sets.

use crate::bench::statistics::geometric_mean;
use crate::bench::workloads::{WORKLOADS, Workload};
use crate::bytecode;
use crate::engine::Options;
use crate::isa::{Isa, Tuning, aarch64, x86_64};
use crate::report::document::{Block, Row, Section, Table};
use crate::report::format::{counts, number};
use crate::report::plot::scale::Scale;
use crate::report::plot::{Axis, Bar, Bars, Drawing, Group, Plot};
use crate::tiers::{AnyTier, TIERS, compile};

pub(super) fn section() -> Section {
    let isas = [sizes::<aarch64::Emitter>(), sizes::<x86_64::Emitter>()];
    let text = "Bytes of machine code, including the entry code and trap exits, without fuel metering. The program that wrote \
        this report compiled the workloads.";
    let mut blocks = vec![Block::Text(text.into()), Block::Plots(vec![plot(&isas)])];
    blocks.extend(isas.iter().map(|sizes| Block::Table(table(sizes))));
    Section { title: "Code size", blocks }
}

/// The code sizes for one instruction set.
struct Sizes {
    isa: &'static str,
    /// For each workload, the words of its text and the bytes of each variant's code.
    workloads: Vec<(usize, Vec<usize>)>,
}

fn sizes<I: Isa>() -> Sizes {
    let sizes = |workload: &Workload| {
        let program = workload.subject().program().expect("our workloads are programs");
        let code = bytecode::lower(&program, Options::default().limits(), false).expect("our workloads are small");
        let bytes = |(_, tier): (&str, AnyTier)| {
            let compiled = compile::<I>(&code, tier, &Tuning::default(), false, Vec::new());
            compiled.expect("our workloads are small").machine.bytes.len()
        };
        (program.ast().nodes().len(), TIERS.map(bytes).to_vec())
    };
    Sizes { isa: I::NAME, workloads: WORKLOADS.iter().map(sizes).collect() }
}

impl Sizes {
    /// The geometric mean over workloads of a variant's bytes per word of the text.
    fn per_word(&self, variant: usize) -> f64 {
        geometric_mean(self.workloads.iter().map(|(words, bytes)| bytes[variant] as f64 / *words as f64))
    }
}

fn table(sizes: &Sizes) -> Table {
    let means = (0..TIERS.len()).map(|variant| number(sizes.per_word(variant)));
    let means = [String::new()].into_iter().chain(means).map(Into::into).collect();
    let row = |(workload, (words, bytes)): (&Workload, &(usize, Vec<usize>))| {
        let numbers = [words].into_iter().chain(bytes).map(|number| Some(*number as f64));
        Row::new(workload.name, counts(numbers))
    };
    let columns = ["workload", "words"].into_iter().chain(TIERS.map(|(name, _)| name));
    Table {
        caption: format!("Bytes of code for {}; the first row is the geometric mean of bytes per word.", sizes.isa),
        columns: columns.map(Into::into).collect(),
        is_numeric: true,
        rows: [Row::summary("bytes/word", means)]
            .into_iter()
            .chain(WORKLOADS.iter().zip(&sizes.workloads).map(row))
            .collect(),
    }
}

fn plot(isas: &[Sizes]) -> Plot {
    let group = |sizes: &Sizes| {
        let bar = |(index, (name, _)): (usize, (&str, AnyTier))| Bar {
            series: name.into(),
            value: sizes.per_word(index),
            interval: None,
        };
        Group { name: sizes.isa.into(), bars: TIERS.into_iter().enumerate().map(bar).collect() }
    };
    let groups: Vec<Group> = isas.iter().map(group).collect();
    let scale = Scale::linear(groups.iter().flat_map(|group| &group.bars).map(|bar| bar.value));
    let axis = Axis { title: "bytes of code per word of the text".into(), scale };
    let drawing = Drawing::Bars(Bars { axis, origin: 0.0, groups });
    Plot { name: "code-size".into(), title: "Bytes of code per word, over all workloads".into(), drawing }
}
