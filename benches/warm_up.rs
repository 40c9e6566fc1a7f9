//! The time per iteration over the number of iterations, from the first run of a program on: where each engine is warm, and where
//! `tiered` changes from the interpreter to machine code. It does not use criterion.
//!
//! `cargo bench --bench warm_up [-- FILTER…]`. With `--test`, a single process measures, as a smoke test.

mod harness;

use std::process::ExitCode;

use harness::sweeps::{Benchmark, PROCESSES, Sweep, Times, time};
use harness::{Arguments, data_file, engines, say};
use jitduel::bench::machine::Machine;
use jitduel::bench::regret;
use jitduel::bench::saved::WARM_UP;
use jitduel::bench::sweep::{FINE, Point};
use jitduel::bench::table::table;
use jitduel::bench::workloads::warm_up;
use serde_json::{Value, json};

fn main() -> ExitCode {
    let is_compared = |engine: &&str| regret::CHOICES.contains(engine) || *engine == regret::ENGINE;
    let engines = engines().into_iter().filter(is_compared).collect();
    let workloads = warm_up().map(|(workload, _)| workload).collect();
    let sweeps = Benchmark { name: "warm_up", workloads, engines, ratio: FINE }.run(&Arguments::read());
    if sweeps.is_empty() {
        return ExitCode::SUCCESS;
    }
    sweeps.iter().for_each(show);
    data_file("warm-up.json", &to_json(&sweeps));
    ExitCode::SUCCESS
}

/// The time per iteration at a point; `None` if there are no iterations.
fn per_iteration(times: &Times, index: usize, point: &Point) -> Option<f64> {
    (point.work.iterations > 0).then(|| time(times, index) / point.work.iterations as f64)
}

/// Prints a row for every power of two or so: one in three sizes.
fn show(sweep: &Sweep) {
    let change = sweep.points.change.map(|point| point.work.iterations);
    say(format_args!(
        "{}: nanoseconds per iteration, with preparing the program. {} changes to machine code {}\n",
        sweep.workload,
        regret::ENGINE,
        change.map_or("never".into(), |change| format!("at {change} iterations"))
    ));
    let names = sweep.engines.iter().map(|(engine, _)| (*engine).to_owned());
    let mut rows: Vec<Vec<String>> = vec![["iterations".to_owned()].into_iter().chain(names).collect()];
    rows.push(vec!["--:".into(); rows[0].len()]);
    for (index, point) in sweep.points.all.iter().enumerate().step_by(3) {
        let cells = sweep.engines.iter().filter_map(|(_, times)| per_iteration(times, index, point));
        let row: Vec<String> =
            [point.work.iterations.to_string()].into_iter().chain(cells.map(|time| format!("{time:.1}"))).collect();
        if row.len() == rows[0].len() {
            rows.push(row);
        }
    }
    say(format_args!("{}", table(&rows)));
}

fn to_json(sweeps: &[Sweep]) -> Value {
    let mut lines = Vec::new();
    for sweep in sweeps {
        for (engine, times) in &sweep.engines {
            let point = |(index, point): (usize, &Point)| {
                let per_iteration = per_iteration(times, index, point)?;
                Some(json!({
                    "size": point.size,
                    "iterations": point.work.iterations,
                    "ns_per_iteration": per_iteration,
                }))
            };
            let change = sweep.points.change.map(|point| point.work.iterations);
            lines.push(json!({
                "workload": sweep.workload,
                "engine": engine,
                // Where it changes from the interpreter to machine code.
                "change": change.filter(|_| *engine == regret::ENGINE),
                "points": sweep.points.all.iter().enumerate().filter_map(point).collect::<Value>(),
            }));
        }
    }
    json!({
        "format": WARM_UP.tag(),
        "machine": Machine::now().to_json(),
        "command": WARM_UP.command,
        "processes": PROCESSES,
        "lines": lines,
    })
}
