//! The constants by which the tiered engine decides when to compile.

use super::commands;
use crate::bench::costs::SWITCHING;
use crate::bench::regret::ENGINE;
use crate::registry::PORTABLE;
use crate::report::data::harness::{Costs, TierCosts};
use crate::report::data::{Data, Positive};
use crate::report::document::{Block, Cell, Row, Section, Table};
use crate::report::format::number;
use crate::tiered::{self, Choice};

pub(super) fn section(data: &Data) -> Section {
    let text = format!(
        "`{ENGINE}` compiles a function when it has done, or is expected to do, as much work as pays for compiling it. These constants \
         say how much that is. Those in use are fixed in the source text, so that a program is compiled at the same point in \
         every run; only their ratios matter."
    );
    let mut blocks = vec![Block::Text(text)];
    match &data.costs {
        Some(dated) => blocks.push(Block::Table(table(&dated.content))),
        None => blocks.push(Block::NoData { command: commands::COSTS }),
    }
    Section { title: "Costs of changing tiers", blocks }
}

fn table(data: &Costs) -> Table {
    let used = tiered::Costs::MEASURED;
    let fitted = format!(
        "a line through the preparation times of {} programs, whose relative error is {} % in the median",
        data.programs,
        number(100.0 * data.error)
    );
    let executed = |engine: &str| {
        format!("`{engine}` on prepared, warm programs; the geometric mean of {} workloads", data.workloads)
    };
    let row = |name: &str, measured: Positive, used: f64, how: String| {
        Row::new(name, [number(measured.get()), number(used), how].map(Cell::from).to_vec())
    };
    let long = |engine: &str| {
        format!("`{engine}` on a loop of 10,000 words; in use for more than {} operations", tiered::LONG)
    };
    let TierCosts { compile_ns, compile_operation_ns, operation_ns } = &data.interpreter;
    let interpreter = used.interpreter;
    let mut rows = vec![
        row("interpreting an operation of the bytecode as it is", data.switch_ns, used.switch, executed(SWITCHING)),
        row("the same in a long program", data.switch_long_ns, used.switch_long, long(SWITCHING)),
        row("translating anything at all for the interpreter", *compile_ns, interpreter.compile, fitted.clone()),
        row("translating an operation", *compile_operation_ns, interpreter.compile_operation, fitted.clone()),
        row("interpreting an operation", *operation_ns, interpreter.operation, executed(PORTABLE)),
        row(
            "interpreting an operation of a long loop",
            data.interpreted_long_ns,
            used.interpreted_long,
            long(PORTABLE),
        ),
    ];
    for (choice, data) in [(Choice::Baseline, &data.baseline), (Choice::Registers, &data.registers)] {
        let (engine, used) = (choice.name(), used.of(choice));
        let name = |what: &str| format!("{what}, {engine}");
        rows.push(row(&name("compiling anything at all"), data.compile_ns, used.compile, fitted.clone()));
        rows.push(row(
            &name("compiling an operation"),
            data.compile_operation_ns,
            used.compile_operation,
            fitted.clone(),
        ));
        rows.push(row(&name("an operation as machine code"), data.operation_ns, used.operation, executed(engine)));
    }
    Table {
        caption: "Costs in nanoseconds.".into(),
        columns: ["cost", "measured", "in use", "how it is measured"].map(String::from).to_vec(),
        is_numeric: false,
        rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_costs_are_beside_those_in_use() {
        let data = r#"{
            "machine": {}, "command": "", "switch_ns": 2, "switch_long_ns": 9, "interpreted_long_ns": 5,
            "interpreter": { "compile_ns": 600, "compile_operation_ns": 38, "operation_ns": 0.7 },
            "baseline": { "compile_ns": 400, "compile_operation_ns": 40, "operation_ns": 0.17 },
            "registers": { "compile_ns": 700, "compile_operation_ns": 70, "operation_ns": 0.07 },
            "programs": 51, "error": 0.1, "workloads": 30
        }"#;
        let table = table(&serde_json::from_str(data).expect("it is the data of costs"));
        let cells = |column: usize| table.rows.iter().map(|row| row.cells[column].text.clone()).collect::<Vec<_>>();
        assert_eq!(
            cells(0),
            ["2.00", "9.00", "600", "38.0", "0.700", "5.00", "400", "40.0", "0.170", "700", "70.0", "0.0700"]
        );
        let tiered::Costs { switch, switch_long, interpreter, interpreted_long, baseline, registers, .. } =
            tiered::Costs::MEASURED;
        let of = |tier: tiered::TierCosts| [tier.compile, tier.compile_operation, tier.operation];
        assert_eq!(
            cells(1),
            [&[switch, switch_long][..], &of(interpreter), &[interpreted_long], &of(baseline), &of(registers)]
                .concat()
                .iter()
                .map(|cost| number(*cost))
                .collect::<Vec<_>>()
        );
    }
}
