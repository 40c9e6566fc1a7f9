//! `variables`: how many times as long as a stack program the same algorithm takes in the let language. It does not use criterion: each
//! process measures everything, and the intervals are over processes.
//!
//! `cargo bench --bench variables [-- FILTER…]`; a filter chooses workloads. With `--test`, a single process hardly measures anything,
//! as a smoke test. A debug build measures only with `--force`.

mod harness;

use std::process::ExitCode;
use std::time::Duration;

use harness::processes::Benchmark;
use harness::say;
use jitduel::bench::turns::Turns;
use jitduel::bench::variables::{Process, TWINS, Table, Twin};

/// The number of measuring processes.
const PROCESSES: usize = 11;

/// The confidence that the intervals of all means hold at the same time.
const CONFIDENCE: f64 = 0.99;

/// How programs take turns.
const FULL: Turns = Turns { rounds: 5, turn: Duration::from_millis(1) };

/// A smoke test, whose results are meaningless.
const SMOKE: Turns = Turns { rounds: 1, turn: Duration::ZERO };

fn main() -> ExitCode {
    let subjects = TWINS.iter().map(|twin| (twin.name, twin)).collect();
    let benchmark = Benchmark { name: "variables", subjects, processes: PROCESSES };
    let measure = |twins: &[&Twin], is_test: bool, seed: u64| {
        let turns = if is_test { SMOKE } else { FULL };
        Process::measure(twins, turns, seed).unwrap_or_else(|reason| panic!("{reason}"))
    };
    benchmark.run(measure, |results| {
        let table = Table::new(&results.subjects, &results.processes, CONFIDENCE);
        say(format_args!("{}", table.to_markdown()));
    })
}
