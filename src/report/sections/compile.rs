//! The time to prepare a program, by its size.

use super::{FLAGSHIP, commands};
use crate::bench::sizes::{SIZES, Shape, Size};
use crate::bench::statistics::Estimate;
use crate::registry::ENGINES;
use crate::report::data::Data;
use crate::report::data::criterion::find;
use crate::report::document::{Block, Row, Section, Table};
use crate::report::format::{cell, short};
use crate::report::grid::in_order;
use crate::report::plot::scale::Scale;
use crate::report::plot::{Axis, Drawing, Line, Lines, Plot, WIDTH};

/// The phases before any engine.
const FRONT_END: [&str; 2] = ["parse", "verify"];

pub(super) fn section(data: &Data) -> Section {
    let text = "Nanoseconds per word of the text. `parse` and `verify` run before any engine. An engine's row is its total, and \
        the rows below it are its phases: `lower` produces bytecode, `generate` produces machine code, and `seal` makes it \
        executable.";
    let mut blocks = vec![Block::Text(text.into())];
    let shapes = [
        (Shape::Straight, "straight-line programs"),
        (Shape::Loopy, "programs full of loops"),
        (Shape::Words, "programs of many definitions"),
    ];
    let shapes = shapes.map(|(shape, words)| Costs::new(data, shape, words));
    let costs: Vec<&Costs> = shapes.iter().filter(|costs| !costs.rows.is_empty()).collect();
    if costs.is_empty() {
        blocks.push(Block::NoData { command: commands::COMPILE });
    } else {
        blocks.push(Block::Plots(costs.iter().map(|costs| costs.plot()).collect()));
        blocks.extend(costs.iter().map(|costs| Block::Table(costs.table())));
    }
    Section { title: "Compile cost", blocks }
}

/// The costs for one shape of programs.
struct Costs {
    shape: Shape,
    words: &'static str,
    sizes: Vec<&'static Size>,
    /// The name of each step, with its cost at each size.
    rows: Vec<(String, Vec<Option<Estimate>>)>,
}

impl Costs {
    fn new(data: &Data, shape: Shape, words: &'static str) -> Costs {
        let sizes: Vec<&Size> = SIZES.iter().filter(|size| size.shape == shape).collect();
        let is_ours = |name: &[String]| name[0] == "compile" && sizes.iter().any(|size| name[1] == size.name());
        let steps: Vec<String> = data
            .benchmarks
            .iter()
            .filter(|benchmark| benchmark.name.len() > 2 && is_ours(&benchmark.name))
            .map(|benchmark| benchmark.name[2..].join("/"))
            .collect();
        let of_engine = |engine: &str| ["", "/lower", "/generate", "/seal"].map(|phase| format!("{engine}{phase}"));
        let known = FRONT_END.map(String::from).into_iter().chain(ENGINES.into_iter().flat_map(of_engine));
        let row = |step: String| {
            let cost = |size: &&Size| {
                let name = ["compile".to_owned(), size.name()];
                let name: Vec<&str> = name.iter().map(String::as_str).chain(step.split('/')).collect();
                find(&data.benchmarks, &name)?.per_word()
            };
            let costs = sizes.iter().map(cost).collect();
            (step, costs)
        };
        let rows = in_order(steps.iter(), known).into_iter().map(row).collect();
        Costs { shape, words, sizes, rows }
    }

    fn table(&self) -> Table {
        let heading = |size: &&Size| format!("{} words", short(size.words as f64));
        let row = |(step, costs): &(String, Vec<Option<Estimate>>)| {
            let cells = costs.iter().map(|cost| cost.as_ref().map(cell).unwrap_or_default()).collect();
            // Phases are listed below their engine.
            let name = step.split_once('/').map_or(step.clone(), |(_, phase)| format!("– {phase}"));
            Row { is_summary: !step.contains('/') && !FRONT_END.contains(&step.as_str()), ..Row::new(name, cells) }
        };
        Table {
            caption: format!("Preparing {}: nanoseconds per word, with intervals.", self.words),
            columns: ["step".into()].into_iter().chain(self.sizes.iter().map(heading)).collect(),
            is_numeric: true,
            rows: self.rows.iter().map(row).collect(),
        }
    }

    fn plot(&self) -> Plot {
        let line = |(step, costs): &(String, Vec<Option<Estimate>>)| {
            let point = |(size, cost): (&&Size, &Option<Estimate>)| Some((size.words as f64, cost.as_ref()?.value));
            let points: Vec<_> = self.sizes.iter().zip(costs).filter_map(point).collect();
            let (series, label) = (step.clone(), step.clone());
            (!step.contains('/')).then(|| Line { series, label, curve: points.clone(), points })
        };
        let lines: Vec<Line> = self.rows.iter().filter_map(line).collect();
        let axis = |title: &str, values: Vec<f64>| Axis { title: title.into(), scale: Scale::log(values) };
        let drawing = Drawing::Lines(Lines {
            x: axis("words of the text", self.sizes.iter().map(|size| size.words as f64).collect()),
            y: axis("ns/word", lines.iter().flat_map(|line| &line.points).map(|(_, cost)| *cost).collect()),
            lines,
            marks: Vec::new(),
            size: (WIDTH, 250.0),
        });
        let title = format!("Preparing {}, by size", self.words);
        Plot { name: format!("compile-{}", self.shape), title, drawing }
    }
}

/// Nanoseconds per word of a straight-line program of 10,000 words: the flagship's own time, and the total with the front end.
pub(super) fn headline(data: &Data) -> Option<(f64, Option<f64>)> {
    let size = Size { shape: Shape::Straight, words: 10_000 }.name();
    let cost = |step: &str| Some(find(&data.benchmarks, &["compile", &size, step])?.per_word()?.value);
    let own = cost(FLAGSHIP)?;
    let front: Option<f64> = FRONT_END.into_iter().map(cost).sum();
    Some((own, front.map(|front| front + own)))
}
