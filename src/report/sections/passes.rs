//! The effect of each pass of the optimizing tier, and its compile time.

use super::commands;
use crate::bench::ablation::is_slower;
use crate::bench::statistics::Estimate;
use crate::bench::workloads::{Group, WORKLOADS};
use crate::report::data::Data;
use crate::report::data::harness::{Ablation, AblationMean, AblationRow, Ratio};
use crate::report::document::{Block, Cell, Row, Section, Table};
use crate::report::format::{cell, count};
use crate::report::grid::{in_order, ratios};
use crate::report::plot::{Bar, Group as Bars, Plot};

pub(super) fn section(data: &Data) -> Section {
    let text = "Each row leaves out one pass of the optimizing tier, and the last row all of them. A slowdown says how many times as \
        long programs run without the pass: 1 means that the pass brings nothing. The compile time is that of the pass alone, in \
        nanoseconds per word of the text. Both are from one run of the benchmark.";
    let mut blocks = vec![Block::Text(text.into())];
    match &data.ablation {
        Some(dated) if !dated.content.rows.is_empty() => {
            let data = &dated.content;
            blocks.push(about(data));
            blocks.push(Block::Plots(vec![plot(data)]));
            blocks.push(Block::Table(table(data)));
            blocks.push(idle(data));
            blocks.push(Block::Table(table_of_workloads(data)));
        }
        _ => blocks.push(Block::NoData { command: commands::ABLATION }),
    }
    Section { title: "Ablation of passes", blocks }
}

/// What each pass does.
fn about(data: &Ablation) -> Block {
    let item = |row: &AblationRow| format!("`{}`: {}", row.pass, row.about);
    let head = format!("What each row leaves out of `{}`, in the order in which passes run:", data.engine);
    Block::List(head, data.rows.iter().map(item).collect())
}

impl From<Ratio> for Estimate {
    fn from(Ratio { slowdown, low, high }: Ratio) -> Estimate {
        Estimate { value: slowdown.get(), low: low.get(), high: high.get() }
    }
}

/// A slowdown with three decimals: most are close to 1.
fn slowdown(ratio: Ratio) -> Cell {
    let Estimate { value, low, high } = ratio.into();
    Cell { text: format!("{value:.3}"), detail: Some(format!("{low:.3} to {high:.3}")) }
}

/// The workloads of a mean, in words.
fn group(mean: &AblationMean) -> String {
    let (name, size) = match &mean.group {
        None => (format!("all {}", WORKLOADS.len()), WORKLOADS.len()),
        Some(name) => {
            let group = Group::ALL.into_iter().find(|group| group.name() == name);
            (name.clone(), group.map_or(0, |group| group.workloads().count()))
        }
    };
    if mean.workloads == size { name } else { format!("{} of {name}", mean.workloads) }
}

/// A row for each pass. The columns are those of the first row with a compile time, because some passes have none.
fn table(data: &Ablation) -> Table {
    let first = data.rows.iter().find(|row| !row.compile.is_empty()).unwrap_or(&data.rows[0]);
    let slowdowns = first.means.iter().map(|mean| format!("slowdown, {}", group(mean)));
    let times = first.compile.iter().map(|compile| format!("ns/word, {}", compile.programs));
    let row = |row: &AblationRow| {
        let mean = |column: &AblationMean| {
            let mean = row.means.iter().find(|mean| mean.group == column.group);
            mean.map_or_else(Cell::default, |mean| slowdown(mean.ratio))
        };
        let times = first.compile.iter().map(|column| {
            let time = row.compile.iter().find(|compile| compile.programs == column.programs);
            time.map_or_else(Cell::default, |time| {
                cell(&Estimate { value: time.ns_per_word, low: time.low, high: time.high })
            })
        });
        Row::new(&row.pass, first.means.iter().map(mean).chain(times).collect())
    };
    Table {
        caption: format!(
            "`{}` without a pass, relative to all passes, and the compile time of the pass; all intervals together, with those of \
             the next table, hold with {} % confidence.",
            data.engine,
            count(100.0 * data.confidence)
        ),
        columns: ["without".to_owned()].into_iter().chain(slowdowns).chain(times).collect(),
        is_numeric: true,
        rows: data.rows.iter().map(row).collect(),
    }
}

/// The passes that no workload needs.
fn idle(data: &Ablation) -> Block {
    let brings = |row: &&AblationRow| row.workloads.iter().any(|line| is_slower(&line.ratio.into()));
    let items: Vec<String> =
        data.rows.iter().filter(|row| !brings(row)).map(|row| format!("`{}`: {}", row.pass, row.about)).collect();
    if items.is_empty() {
        return Block::Text("Without any one of the passes, at least one workload is slower.".into());
    }
    Block::List("Passes without which no workload is slower:".into(), items)
}

/// A row for each workload, with a column for each pass.
fn table_of_workloads(data: &Ablation) -> Table {
    let lines = data.rows.iter().flat_map(|row| &row.workloads);
    let workloads = in_order(lines.map(|line| &line.workload), WORKLOADS.iter().map(|workload| workload.name));
    let row = |workload: &String| {
        let cell = |row: &AblationRow| {
            let line = row.workloads.iter().find(|line| line.workload == *workload);
            line.map_or_else(Cell::default, |line| slowdown(line.ratio))
        };
        Row::new(workload, data.rows.iter().map(cell).collect())
    };
    Table {
        caption: "Slowdown of each workload without a pass.".into(),
        columns: ["workload".to_owned()].into_iter().chain(data.rows.iter().map(|row| row.pass.clone())).collect(),
        is_numeric: true,
        rows: workloads.iter().map(row).collect(),
    }
}

/// The means over all workloads, with their intervals.
fn plot(data: &Ablation) -> Plot {
    let bars = |row: &AblationRow| {
        let Estimate { value, low, high } = row.means.first()?.ratio.into();
        let bar = Bar { series: data.engine.clone(), value, interval: Some((low, high)) };
        Some(Bars { name: row.pass.clone(), bars: vec![bar] })
    };
    let title = format!("{} without a pass", data.engine);
    ratios("passes", &title, "times as long as with all passes", data.rows.iter().filter_map(bars).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::bench::ablation::{self, Process, omissions};
    use crate::bench::machine::Machine;
    use crate::bench::saved::{ABLATION, parse};
    use crate::ssa::PASSES;

    /// `fold` matters to one workload, `dead` to none.
    const DATA: &str = r#"{
        "machine": {}, "command": "", "engine": "ssa", "confidence": 0.99,
        "rows": [
            {"pass": "fold", "about": "folds",
             "means": [
                {"group": null, "workloads": 2, "slowdown": 1.25, "low": 1.2, "high": 1.3},
                {"group": "the nine", "workloads": 2, "slowdown": 1.25, "low": 1.2, "high": 1.3}],
             "workloads": [
                {"workload": "fib", "slowdown": 1.5625, "low": 1.5, "high": 1.6},
                {"workload": "fact", "slowdown": 1.0, "low": 0.99, "high": 1.01}],
             "compile": [{"programs": "workloads", "ns_per_word": 12.34, "low": 12, "high": 13}]},
            {"pass": "dead", "about": "removes",
             "means": [{"group": null, "workloads": 2, "slowdown": 1.0, "low": 0.99, "high": 1.01}],
             "workloads": [{"workload": "fib", "slowdown": 1.0, "low": 0.99, "high": 1.01}],
             "compile": [{"programs": "workloads", "ns_per_word": 0, "low": 0, "high": 0.1}]}
        ]}"#;

    fn data(json: &str) -> Ablation {
        serde_json::from_str(json).expect("it is the data of an ablation")
    }

    fn texts(table: &Table) -> Vec<Vec<String>> {
        let row = |row: &Row| {
            let cells = row.cells.iter().map(|cell| cell.text.clone());
            [row.name.clone()].into_iter().chain(cells).collect()
        };
        table.rows.iter().map(row).collect()
    }

    /// What the benchmark saves is what the report reads, with a row for each pass.
    #[test]
    fn every_pass_of_the_benchmark_has_a_row() {
        let omissions = omissions().count();
        let process = Process {
            slowdowns: vec![vec![1.5; omissions]; WORKLOADS.len()],
            workloads: vec![vec![20.0; omissions]; WORKLOADS.len()],
            generated: vec![vec![0.0; omissions]],
        };
        let workloads: Vec<_> = WORKLOADS.iter().collect();
        let json = ablation::Table::new(&workloads, &vec![process; 21], 0.99).to_json(&Machine::now()).to_string();
        let data: Ablation = parse(Path::new("saved"), json.as_bytes(), Some(ABLATION)).expect("it is an ablation");
        let rows: Vec<String> = table(&data).rows.into_iter().map(|row| row.name).collect();
        assert_eq!(rows, PASSES.iter().map(|pass| pass.name).chain(["all"]).collect::<Vec<_>>());
        assert_eq!(
            table(&data).columns[1..5],
            ["all 30", "the nine", "the seven", "the fourteen"].map(|group| format!("slowdown, {group}"))
        );
        let rows = texts(&table(&data));
        assert_eq!(rows[0][1..], ["1.500", "1.500", "1.500", "1.500", "", ""], "the builder inlines, and is not timed");
        assert_eq!(rows[1][1..], ["1.500", "1.500", "1.500", "1.500", "20.0", "0"]);
        assert_eq!(table_of_workloads(&data).rows.len(), WORKLOADS.len());
    }

    #[test]
    fn row_of_a_pass_has_its_slowdowns_and_its_compile_time() {
        let table = table(&data(DATA));
        let columns = ["without", "slowdown, 2 of all 30", "slowdown, 2 of the nine", "ns/word, workloads"];
        assert_eq!(table.columns, columns);
        assert_eq!(texts(&table), [["fold", "1.250", "1.250", "12.3"], ["dead", "1.000", "", "0"]]);
        assert_eq!(table.rows[0].cells[0].detail.as_deref(), Some("1.200 to 1.300"));
    }

    #[test]
    fn row_of_a_workload_has_a_column_for_each_pass() {
        let table = table_of_workloads(&data(DATA));
        assert_eq!(table.columns, ["workload", "fold", "dead"]);
        assert_eq!(texts(&table), [["fact", "1.000", ""], ["fib", "1.562", "1.000"]]);
    }

    #[test]
    fn passes_that_bring_nothing_are_listed() {
        let Block::List(_, items) = idle(&data(DATA)) else { panic!("there is one") };
        assert_eq!(items, ["`dead`: removes"]);
        let slower = DATA.replace(
            r#""slowdown": 1.0, "low": 0.99, "high": 1.01}],"#,
            r#""slowdown": 2, "low": 1.9, "high": 2.1}],"#,
        );
        assert!(matches!(idle(&data(&slower)), Block::Text(_)));
        // An interval above 1 is not enough if the difference is that of code placement.
        let slightly = DATA.replace("\"low\": 0.99, \"high\": 1.01", "\"low\": 1.001, \"high\": 1.009");
        let Block::List(_, items) = idle(&data(&slightly)) else { panic!("there is one") };
        assert_eq!(items.len(), 1);
    }
}
