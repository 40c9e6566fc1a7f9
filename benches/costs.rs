//! `costs`: the constants by which `tiered` decides when to compile, measured on this machine. Prints them as they are written in
//! `src/tiered/costs.rs`. It does not use criterion.
//!
//! `cargo bench --bench costs`. With `--test`, it measures hardly anything, as a smoke test.

mod harness;

use std::process::ExitCode;

use harness::{Arguments, data_file, say, warn};
use jitduel::bench::costs::{Effort, Measured, measure, source};
use jitduel::bench::machine::Machine;
use jitduel::bench::saved::COSTS;
use jitduel::tiered::TierCosts;
use jitduel::tiers;
use serde_json::{Value, json};

fn main() -> ExitCode {
    let arguments = Arguments::read();
    if !arguments.chooses("costs") {
        return ExitCode::SUCCESS;
    }
    if arguments.has("--list") {
        say(format_args!("costs: benchmark"));
        return ExitCode::SUCCESS;
    }
    if let Err(reason) = tiers::support() {
        warn(format_args!("NOT RUN: costs, since this host cannot run machine code: {reason}"));
        return ExitCode::SUCCESS;
    }
    let effort = if arguments.is_test() { Effort::SMOKE } else { Effort::FULL };
    let measured = measure(effort).unwrap_or_else(|reason| panic!("{reason}"));
    if arguments.is_test() {
        say(format_args!("costs: Success"));
        return ExitCode::SUCCESS;
    }
    let Measured { costs, programs, error, workloads } = measured;
    say(format_args!("In nanoseconds, for src/tiered/costs.rs:\n\n{}\n", source(&costs)));
    say(format_args!(
        "Compiling: a line through the times of {programs} programs, whose error is {:.0} % in the median. Executing: the geometric\n\
         mean of {workloads} workloads.",
        100.0 * error
    ));
    data_file("costs.json", &to_json(&measured));
    ExitCode::SUCCESS
}

fn to_json(measured: &Measured) -> Value {
    let Measured { costs, programs, error, workloads } = measured;
    let tier = |tier: &TierCosts| {
        let TierCosts { compile, compile_operation, operation } = tier;
        json!({ "compile_ns": compile, "compile_operation_ns": compile_operation, "operation_ns": operation })
    };
    json!({
        "format": COSTS.tag(),
        "machine": Machine::now().to_json(),
        "command": COSTS.command,
        "switch_ns": costs.switch,
        "switch_long_ns": costs.switch_long,
        "interpreter": tier(&costs.interpreter),
        "interpreted_long_ns": costs.interpreted_long,
        "baseline": tier(&costs.baseline),
        "registers": tier(&costs.registers),
        "programs": programs,
        "error": error,
        "workloads": workloads,
    })
}
