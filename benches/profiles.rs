//! `profiles`: how much a remembered profile speeds up `tiered`. It does not use criterion: each process measures everything, and the
//! figures are medians over processes.
//!
//! `cargo bench --bench profiles [-- FILTER…]`; a filter chooses workloads. With `--test`, a single process hardly measures anything, as
//! a smoke test. A debug build measures only with `--force`.

mod harness;

use std::process::ExitCode;
use std::time::Duration;

use harness::processes::Benchmark;
use harness::say;
use jitduel::bench::profiles::{Process, to_markdown};
use jitduel::bench::turns::Turns;
use jitduel::bench::workloads::{WORKLOADS, Workload};

/// The number of measuring processes.
const PROCESSES: usize = 7;

/// How contestants take turns.
const FULL: Turns = Turns { rounds: 5, turn: Duration::from_micros(300) };

/// A smoke test, whose results are meaningless.
const SMOKE: Turns = Turns { rounds: 1, turn: Duration::ZERO };

fn main() -> ExitCode {
    let subjects = WORKLOADS.iter().map(|workload| (workload.name, workload)).collect();
    let benchmark = Benchmark { name: "profiles", subjects, processes: PROCESSES };
    let measure = |workloads: &[&Workload], is_test: bool, seed: u64| {
        let turns = if is_test { SMOKE } else { FULL };
        Process::measure(workloads, turns, seed).unwrap_or_else(|reason| panic!("{reason}"))
    };
    benchmark.run(measure, |results| {
        let table = to_markdown(&results.subjects, &results.processes).unwrap_or_else(|reason| panic!("{reason}"));
        say(format_args!("{table}"));
    })
}
