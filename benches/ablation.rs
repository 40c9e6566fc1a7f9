//! `ablation`: how much slower the optimizing tier's code is without each of its passes, and the compile time of each pass. It does
//! not use criterion: each process measures everything, and the intervals are over processes.
//!
//! `cargo bench --bench ablation [-- FILTER…]`; a filter chooses workloads. With `--test`, a single process hardly measures anything,
//! as a smoke test. A debug build measures only with `--force`.

mod harness;

use std::process::ExitCode;

use harness::processes::Benchmark;
use harness::sweeps::PROCESSES;
use harness::{data_file, say};
use jitduel::bench::ablation::{Effort, Process, Table};
use jitduel::bench::machine::Machine;
use jitduel::bench::workloads::{WORKLOADS, Workload};

/// The confidence that all intervals hold at the same time.
const CONFIDENCE: f64 = 0.99;

fn main() -> ExitCode {
    let subjects = WORKLOADS.iter().map(|workload| (workload.name, workload)).collect();
    let benchmark = Benchmark { name: "ablation", subjects, processes: PROCESSES };
    let measure = |workloads: &[&Workload], is_test: bool, seed: u64| {
        let effort = if is_test { Effort::SMOKE } else { Effort::FULL };
        Process::measure(workloads, effort, seed).unwrap_or_else(|reason| panic!("{reason}"))
    };
    benchmark.run(measure, |results| {
        let table = Table::new(&results.subjects, &results.processes, CONFIDENCE);
        say(format_args!("{}", table.to_markdown()));
        data_file("ablation.json", &table.to_json(&Machine::now()));
    })
}
