//! The number of iterations and calls from which compiling beats interpreting, for each workload and each engine that compiles, and
//! the regret of `tiered`. It does not use criterion: each process measures every workload once, and the intervals are over
//! processes.
//!
//! `cargo bench --bench break_even [-- FILTER…]`. With `--test`, a single process measures, as a smoke test.

mod harness;

use std::process::ExitCode;

use harness::sweeps::{Benchmark, PROCESSES, Sweep, Times, time};
use harness::{Arguments, data_file, engines, say};
use jitduel::bench::break_even::break_even;
use jitduel::bench::machine::Machine;
use jitduel::bench::prepare;
use jitduel::bench::regret::{self, AIM_MEAN, AIM_WORST, CHOICES, Summary, summary};
use jitduel::bench::saved::BREAK_EVEN;
use jitduel::bench::statistics::{Estimate, level_of_each};
use jitduel::bench::sweep::{COARSE, Point};
use jitduel::bench::table::table;
use jitduel::bench::workloads::WORKLOADS;
use jitduel::engine::Options;
use jitduel::lang::{Source, load};
use serde_json::{Value, json};

/// The engine that the others are compared with.
const INTERPRETER: &str = "bytecode";

/// The confidence that all intervals hold at the same time.
const CONFIDENCE: f64 = 0.99;

fn main() -> ExitCode {
    let engines = engines().into_iter().filter(|engine| *engine == INTERPRETER || compiles(engine)).collect();
    let benchmark = Benchmark { name: "break_even", workloads: WORKLOADS.iter().collect(), engines, ratio: COARSE };
    let sweeps: Vec<Compared> = benchmark.run(&Arguments::read()).into_iter().filter_map(Compared::of).collect();
    if sweeps.is_empty() {
        return ExitCode::SUCCESS;
    }
    let level = level_of_each(CONFIDENCE, sweeps.iter().map(|sweep| sweep.engines.len()).sum());
    show(&sweeps, level);
    show_regret(&sweeps);
    data_file("break-even.json", &to_json(&sweeps, level));
    ExitCode::SUCCESS
}

/// Whether an engine generates machine code.
fn compiles(engine: &str) -> bool {
    let program = load(&Source::new("empty", ""), 0).expect("the empty program is one");
    prepare(engine, &program, &Options::default()).is_ok_and(|prepared| prepared.code_bytes().is_some())
}

/// A sweep in which the other engines are compared with the interpreter.
struct Compared {
    workload: &'static str,
    points: Vec<Point>,
    /// The number of iterations from which `tiered` uses machine code in a first run, if it does.
    change: Option<u64>,
    interpreter: Times,
    engines: Vec<(&'static str, Times)>,
    /// The regret at each point; empty if `tiered` was not measured.
    regrets: Vec<f64>,
}

impl Compared {
    /// `None` if the interpreter cannot prepare the workload.
    fn of(Sweep { workload, points, mut engines }: Sweep) -> Option<Compared> {
        let interpreter = engines.iter().position(|(engine, _)| *engine == INTERPRETER)?;
        let (_, interpreter) = engines.remove(interpreter);
        let change = points.change.map(|point| point.work.iterations);
        let mut compared = Compared { workload, points: points.all, change, interpreter, engines, regrets: Vec::new() };
        compared.regrets = (0..compared.points.len()).filter_map(|index| compared.regret(index)).collect();
        Some(compared)
    }

    /// For each engine, the number of iterations from which it beats the interpreter.
    fn break_evens(&self, level: f64) -> impl Iterator<Item = (&'static str, &Times, Estimate)> {
        self.engines
            .iter()
            .map(move |(engine, times)| (*engine, times, break_even(&self.points, times, &self.interpreter, level)))
    }

    fn times(&self, engine: &str) -> Option<&Times> {
        if engine == INTERPRETER {
            return Some(&self.interpreter);
        }
        self.engines.iter().find(|(name, _)| *name == engine).map(|(_, times)| times)
    }

    /// The regret at a point; `None` if `tiered` was not measured.
    fn regret(&self, index: usize) -> Option<f64> {
        let by_process =
            |engine: &str| -> Option<Vec<f64>> { Some(self.times(engine)?.iter().map(|times| times[index]).collect()) };
        let choices: Vec<Vec<f64>> = CHOICES.into_iter().filter_map(by_process).collect();
        regret::regret(&by_process(regret::ENGINE)?, choices.iter().map(Vec::as_slice))
    }
}

/// Prints the table, and lists where compiling never pays.
fn show(sweeps: &[Compared], level: f64) {
    say(format_args!(
        "Iterations from which an engine, including compiling, beats `{INTERPRETER}`; a call counts as an iteration. All intervals"
    ));
    say(format_args!("together hold with {:.0} % confidence ({PROCESSES} processes):\n", 100.0 * CONFIDENCE));
    let mut rows = vec![["workload", "engine", "iterations", "interval"].map(String::from)];
    rows.push(["---", "---", "--:", "---"].map(String::from));
    let mut never = Vec::new();
    for sweep in sweeps {
        for (engine, _, Estimate { value, low, high }) in sweep.break_evens(level) {
            let interval = format!("{} to {}", iterations(low), iterations(high));
            rows.push([sweep.workload.into(), engine.into(), iterations(value), interval]);
            if value.is_infinite() {
                let most = sweep.points.last().expect("a sweep has points").work.iterations;
                never.push(format!("{INTERPRETER} beats {engine} up to {most} iterations of {}", sweep.workload));
            }
        }
    }
    say(format_args!(
        "{}\nBelow these numbers the interpreter wins. {}",
        table(&rows),
        match never.as_slice() {
            [] => "Every engine beats it within the sweep.".into(),
            never => format!("It wins throughout the sweep here: {}.", never.join("; ")),
        }
    ));
}

/// Prints the regret of each workload and of all.
fn show_regret(sweeps: &[Compared]) {
    let all: Vec<f64> = sweeps.iter().flat_map(|sweep| &sweep.regrets).copied().collect();
    let Some(total) = summary(&all) else { return };
    let mut rows = vec![["workload", "geometric mean", "worst", "at size"].map(String::from)];
    rows.push(["---", "--:", "--:", "--:"].map(String::from));
    let row = |name: &str, Summary { mean, worst, .. }: Summary, at: String| {
        [name.into(), format!("{mean:.2}"), format!("{worst:.2}"), at]
    };
    for sweep in sweeps {
        rows.extend(summary(&sweep.regrets).map(|own| row(sweep.workload, own, sweep.points[own.at].size.to_string())));
    }
    rows.push(row("all", total, String::new()));
    say(format_args!(
        "\nRegret: the time of `{}` relative to the best of {}, at the same size. The aims are {AIM_MEAN:.2} in the mean and\n\
         {AIM_WORST:.1} at worst:\n\n{}",
        regret::ENGINE,
        CHOICES.join(", "),
        table(&rows)
    ));
}

fn iterations(number: f64) -> String {
    match number {
        number if number.is_infinite() => "never".into(),
        number if number < 10.0 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    }
}

/// The results as JSON. Infinity becomes `null`.
fn to_json(sweeps: &[Compared], level: f64) -> Value {
    let mut lines = Vec::new();
    for sweep in sweeps {
        for (engine, times, Estimate { value, low, high }) in sweep.break_evens(level) {
            let point = |(index, point): (usize, &Point)| {
                json!({
                    "size": point.size,
                    "words": point.work.words,
                    "iterations": point.work.iterations,
                    "interpreter_ns": time(&sweep.interpreter, index),
                    "engine_ns": time(times, index),
                    "regret": sweep.regrets.get(index).filter(|_| engine == regret::ENGINE),
                })
            };
            lines.push(json!({
                "workload": sweep.workload,
                "engine": engine,
                // The smallest size at which it uses machine code in a first run.
                "change": sweep.change.filter(|_| engine == regret::ENGINE),
                "points": sweep.points.iter().enumerate().map(point).collect::<Value>(),
                "break_even": { "iterations": value, "low": low, "high": high },
            }));
        }
    }
    json!({
        "format": BREAK_EVEN.tag(),
        "machine": Machine::now().to_json(),
        "command": BREAK_EVEN.command,
        "interpreter": INTERPRETER,
        "processes": PROCESSES,
        "confidence": CONFIDENCE,
        "lines": lines,
    })
}
