//! The number of iterations and calls from which compiling beats interpreting, for each workload and each engine that compiles.
//! It does not use criterion: each process measures every workload once, and the intervals are over processes.
//!
//! `cargo bench --bench break_even [-- FILTER…]`. With `--test`, a single process measures, as a smoke test.

mod harness;

use std::process::{ExitCode, Stdio};

use harness::{Arguments, able, data_file, engines, refusal, say, warn};
use jitduel::bench::break_even::{Point, break_even, points, times};
use jitduel::bench::image::Image;
use jitduel::bench::machine::Machine;
use jitduel::bench::prepare;
use jitduel::bench::saved::BREAK_EVEN;
use jitduel::bench::statistics::{Estimate, level_of_each, median};
use jitduel::bench::table::table;
use jitduel::bench::workloads::{WORKLOADS, Workload};
use jitduel::engine::Options;
use jitduel::lang::{Source, load};
use serde_json::{Value, json};

/// The engine that the others are compared with.
const INTERPRETER: &str = "bytecode";

/// The number of measuring processes.
const PROCESSES: usize = 21;

/// The confidence that all intervals hold at the same time.
const CONFIDENCE: f64 = 0.99;

fn main() -> ExitCode {
    let arguments = Arguments::read();
    let name = |workload: &Workload| format!("break_even/{}", workload.name);
    let chosen: Vec<&Workload> = WORKLOADS.iter().filter(|workload| arguments.chooses(&name(workload))).collect();
    if arguments.has("--list") {
        chosen.iter().for_each(|workload| say(format_args!("{}: benchmark", name(workload))));
        return ExitCode::SUCCESS;
    }
    let engines: Vec<&'static str> =
        engines().into_iter().filter(|engine| *engine == INTERPRETER || compiles(engine)).collect();
    if arguments.has("--worker") {
        say(format_args!("{}", measure(&chosen, &engines)));
        return ExitCode::SUCCESS;
    }
    let processes = if arguments.is_test() { 1 } else { PROCESSES };
    if chosen.is_empty() {
        return ExitCode::SUCCESS;
    }
    if engines.len() < 2 {
        warn(format_args!("NOT RUN: break-even, since no engine can compile for this host"));
        return ExitCode::SUCCESS;
    }
    let image = Image::of_this_process().expect("this program has a path");
    let runs: Vec<Value> = (0..processes).map(|_| worker(&image, &arguments.filters)).collect();
    let sweep = |(index, workload): (usize, &&Workload)| Sweep::of(index, workload, &engines, &runs);
    let sweeps: Vec<Sweep> = chosen.iter().enumerate().filter_map(sweep).collect();
    let level = level_of_each(CONFIDENCE, sweeps.iter().map(|sweep| sweep.engines.len()).sum());
    if arguments.is_test() {
        // The times of a smoke test would be misleading.
        sweeps.iter().for_each(|sweep| say(format_args!("break_even/{}: Success", sweep.workload)));
        return ExitCode::SUCCESS;
    }
    show(&sweeps, level);
    data_file("break-even.json", &to_json(&sweeps, level));
    ExitCode::SUCCESS
}

/// Whether an engine generates machine code.
fn compiles(engine: &str) -> bool {
    let program = load(&Source::new("empty", ""), 0).expect("the empty program is one");
    prepare(engine, &program, &Options::default()).is_ok_and(|prepared| prepared.code_bytes().is_some())
}

/// Measures in this process: the nanoseconds at each point, for each workload and engine that can prepare it.
fn measure(workloads: &[&Workload], engines: &[&'static str]) -> Value {
    let of = |workload: &&Workload| {
        let subject = workload.subject();
        let able = engines.iter().copied().filter(|engine| refusal(engine, &subject).is_none()).collect::<Vec<_>>();
        let points = points_of(workload);
        let times = times(workload, &points, &able).unwrap_or_else(|reason| panic!("{}: {reason}", workload.name));
        able.into_iter().map(str::to_owned).zip(times.into_iter().map(Value::from)).collect::<Value>()
    };
    workloads.iter().map(of).collect()
}

fn points_of(workload: &Workload) -> Vec<Point> {
    points(workload).unwrap_or_else(|reason| panic!("{}: {reason}", workload.name))
}

/// Starts a process that measures, and returns its output.
fn worker(image: &Image, filters: &[String]) -> Value {
    let output = image.command().args(filters).arg("--worker").stderr(Stdio::inherit()).output();
    let output = output.expect("this program can be started");
    image.check().expect("all processes are of one build");
    assert!(output.status.success(), "a measuring process ended with {}", output.status);
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// One workload: its points, and its times by process and point, for the interpreter and for each engine that compiles it.
struct Sweep {
    workload: &'static str,
    points: Vec<Point>,
    interpreter: Vec<Vec<f64>>,
    engines: Vec<(&'static str, Vec<Vec<f64>>)>,
}

impl Sweep {
    /// Extracts the workload with this index from the output of the processes. Warns about engines that cannot prepare it;
    /// `None` if the interpreter is one of them.
    fn of(index: usize, workload: &Workload, engines: &[&'static str], runs: &[Value]) -> Option<Sweep> {
        let times = |engine: &'static str| -> (&'static str, Vec<Vec<f64>>) {
            let of_process =
                |run: &Value| serde_json::from_value(run[index][engine].clone()).expect("times are numbers");
            (engine, runs.iter().map(of_process).collect())
        };
        let mut engines: Vec<_> = able(engines, &workload.subject()).into_iter().map(times).collect();
        let interpreter = engines.iter().position(|(engine, _)| *engine == INTERPRETER)?;
        let (_, interpreter) = engines.remove(interpreter);
        Some(Sweep { workload: workload.name, points: points_of(workload), interpreter, engines })
    }

    /// For each engine, the number of iterations from which it beats the interpreter.
    fn break_evens(&self, level: f64) -> impl Iterator<Item = (&'static str, &[Vec<f64>], Estimate)> {
        self.engines.iter().map(move |(engine, times)| {
            (*engine, times.as_slice(), break_even(&self.points, times, &self.interpreter, level))
        })
    }
}

/// The median over processes of the times at a point.
fn time(times: &[Vec<f64>], point: usize) -> f64 {
    median(&times.iter().map(|times| times[point]).collect::<Vec<_>>())
}

/// Prints the table, and lists where compiling never pays.
fn show(sweeps: &[Sweep], level: f64) {
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

fn iterations(number: f64) -> String {
    match number {
        number if number.is_infinite() => "never".into(),
        number if number < 10.0 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    }
}

/// The results as JSON. Infinity becomes `null`.
fn to_json(sweeps: &[Sweep], level: f64) -> Value {
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
                })
            };
            lines.push(json!({
                "workload": sweep.workload,
                "engine": engine,
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
