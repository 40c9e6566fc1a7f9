//! `ablation`: how much slower the optimizing tier's code is without each of its passes, and the compile time of each pass. It does
//! not use criterion: each process measures everything, and the intervals are over processes.
//!
//! `cargo bench --bench ablation [-- FILTER…]`; a filter chooses workloads. With `--test`, a single process hardly measures anything,
//! as a smoke test.

mod harness;

use std::process::ExitCode;

use harness::sweeps::{PROCESSES, worker};
use harness::{Arguments, data_file, say, warn};
use jitduel::bench::ablation::{Compile, ENGINE, Effort, Mean, Process, Row, Table};
use jitduel::bench::image::Image;
use jitduel::bench::machine::Machine;
use jitduel::bench::saved::ABLATION;
use jitduel::bench::statistics::Estimate;
use jitduel::bench::table::table;
use jitduel::bench::workloads::{Group, WORKLOADS, Workload};
use jitduel::tiers;
use serde_json::{Value, json};

/// The confidence that all intervals hold at the same time.
const CONFIDENCE: f64 = 0.99;

/// The option of a measuring process.
const SEED: &str = "--seed";

fn main() -> ExitCode {
    let arguments = Arguments::read();
    let name = |workload: &Workload| format!("ablation/{}", workload.name);
    let chosen: Vec<&Workload> = WORKLOADS.iter().filter(|workload| arguments.chooses(&name(workload))).collect();
    if arguments.has("--list") {
        chosen.iter().for_each(|workload| say(format_args!("{}: benchmark", name(workload))));
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() {
        return ExitCode::SUCCESS;
    }
    if let Err(reason) = tiers::support() {
        warn(format_args!("NOT RUN: ablation, since this host cannot run machine code: {reason}"));
        return ExitCode::SUCCESS;
    }
    let is_test = arguments.is_test();
    if arguments.has("--worker") {
        let effort = if is_test { Effort::SMOKE } else { Effort::FULL };
        let seed = arguments.value(SEED).and_then(|seed| seed.parse().ok()).unwrap_or(0);
        let measured = Process::measure(&chosen, effort, seed).unwrap_or_else(|reason| panic!("{reason}"));
        say(format_args!("{}", json!(measured)));
        return ExitCode::SUCCESS;
    }
    let image = Image::of_this_process().expect("this program has a path");
    let kind = if is_test { "--test" } else { "--bench" };
    let process = |seed: usize| {
        let output = worker(&image, &arguments.filters, &[kind, SEED, &seed.to_string()]);
        serde_json::from_value(output).expect("it is what a process measures")
    };
    let processes: Vec<Process> = (0..if is_test { 1 } else { PROCESSES }).map(process).collect();
    if is_test {
        // The times of a smoke test would be misleading.
        chosen.iter().for_each(|workload| say(format_args!("{}: Success", name(workload))));
        return ExitCode::SUCCESS;
    }
    let results = Table::new(&chosen, &processes, CONFIDENCE);
    show(&results);
    data_file("ablation.json", &to_json(&results));
    ExitCode::SUCCESS
}

/// Prints a row for each omission.
fn show(results: &Table) {
    say(format_args!(
        "How many times as long `{ENGINE}` code takes without a pass, and the compile time of the pass in nanoseconds per word. All\n\
         intervals together hold with {:.0} % confidence ({PROCESSES} processes):\n",
        100.0 * CONFIDENCE
    ));
    let mut rows: Vec<Vec<String>> = Vec::new();
    for Row { omission, means, compile, .. } in &results.rows {
        if rows.is_empty() {
            let slowdowns = means.iter().map(|mean| mean.group.map_or("all workloads", Group::name));
            let times = compile.iter().map(|compile| compile.programs);
            rows.push(["without"].into_iter().chain(slowdowns).chain(times).map(String::from).collect());
            rows.push(["---"].into_iter().chain(rows[0][1..].iter().map(|_| "--:")).map(String::from).collect());
        }
        let slowdown =
            |Mean { slowdown: Estimate { value, low, high }, .. }: &Mean| format!("{value:.3} ({low:.3} to {high:.3})");
        let time = |Compile { nanoseconds: Estimate { value, low, high }, .. }: &Compile| {
            format!("{value:.2} ({low:.2} to {high:.2})")
        };
        let name = omission.name.to_owned();
        rows.push([name].into_iter().chain(means.iter().map(slowdown)).chain(compile.iter().map(time)).collect());
    }
    say(format_args!("{}", table(&rows)));
}

fn to_json(results: &Table) -> Value {
    let row = |row: &Row| {
        let mean = |Mean { group, workloads, slowdown: Estimate { value, low, high } }: &Mean| {
            let group = group.map(Group::name);
            json!({ "group": group, "workloads": workloads, "slowdown": value, "low": low, "high": high })
        };
        let workload = |(workload, Estimate { value, low, high }): (&&str, &Estimate)| json!({ "workload": workload, "slowdown": value, "low": low, "high": high });
        let compile = |Compile { programs, nanoseconds: Estimate { value, low, high } }: &Compile| json!({ "programs": programs, "ns_per_word": value, "low": low, "high": high });
        json!({
            "pass": row.omission.name,
            "about": row.omission.about,
            "means": row.means.iter().map(mean).collect::<Value>(),
            "workloads": results.workloads.iter().zip(&row.workloads).map(workload).collect::<Value>(),
            "compile": row.compile.iter().map(compile).collect::<Value>(),
        })
    };
    json!({
        "format": ABLATION.tag(),
        "machine": Machine::now().to_json(),
        "command": ABLATION.command,
        "engine": ENGINE,
        "processes": PROCESSES,
        "confidence": CONFIDENCE,
        "rows": results.rows.iter().map(row).collect::<Value>(),
    })
}
