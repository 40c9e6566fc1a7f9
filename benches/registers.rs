//! `registers`: the register allocator of the optimizing tier, compared with `regalloc2` on the same functions. It does not use criterion:
//! each process measures everything, and the intervals are over processes.
//!
//! `cargo bench --features peers --bench registers [-- FILTER…]`; a filter chooses programs. With `--test`, a single process hardly
//! measures anything, as a smoke test. A debug build measures only with `--force`.

mod harness;

use std::process::ExitCode;

use harness::processes::Benchmark;
use harness::say;
use jitduel::bench::registers::{Process, Program, programs, to_markdown};

/// The number of measuring processes.
const PROCESSES: usize = 13;

/// The confidence that the intervals of all means hold at the same time.
const CONFIDENCE: f64 = 0.99;

/// How often each allocator allocates the registers of each program in a process.
const TIMES: usize = 7;

fn main() -> ExitCode {
    let programs = programs();
    let subjects = programs.iter().map(|program| (program.name, program)).collect();
    let benchmark = Benchmark { name: "registers", subjects, processes: PROCESSES };
    let measure = |programs: &[&Program], is_test: bool, seed: u64| {
        let times = if is_test { 1 } else { TIMES };
        Process::measure(programs, times, seed).unwrap_or_else(|reason| panic!("{reason}"))
    };
    benchmark.run(measure, |results| {
        say(format_args!("{}", to_markdown(&results.subjects, &results.processes, CONFIDENCE)));
    })
}
