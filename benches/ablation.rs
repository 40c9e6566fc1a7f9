//! `ablation`: how much slower the optimizing tier's code is without each of its passes, and the compile time of each pass. It does
//! not use criterion: each process measures everything, and the intervals are over processes.
//!
//! `cargo bench --bench ablation [-- FILTER…]`; a filter chooses workloads. With `--test`, a single process hardly measures anything,
//! as a smoke test.

mod harness;

use std::process::ExitCode;

use harness::sweeps::{PROCESSES, worker};
use harness::{Arguments, data_file, say, warn};
use jitduel::bench::ablation::{Effort, Process, Table};
use jitduel::bench::image::Image;
use jitduel::bench::machine::Machine;
use jitduel::bench::workloads::{WORKLOADS, Workload};
use jitduel::tiers;
use serde_json::json;

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
    let table = Table::new(&chosen, &processes, CONFIDENCE);
    say(format_args!("{}", table.to_markdown()));
    data_file("ablation.json", &table.to_json(&Machine::now()));
    ExitCode::SUCCESS
}
