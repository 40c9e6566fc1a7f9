//! Sweeps over the sizes of workloads, each measured by several processes.

use std::process::Stdio;

use jitduel::bench::image::Image;
use jitduel::bench::statistics::median;
use jitduel::bench::sweep::{Points, times};
use jitduel::bench::workloads::Workload;
use jitduel::tiers;
use serde_json::Value;

use super::{Arguments, able, refusal, say, warn};

/// The number of measuring processes.
pub const PROCESSES: usize = 21;

/// A benchmark that sweeps workloads.
pub struct Benchmark {
    /// Its name.
    pub name: &'static str,
    /// The workloads among which filters choose.
    pub workloads: Vec<&'static Workload>,
    /// The engines that are timed.
    pub engines: Vec<&'static str>,
    /// How much more work each size has than the previous one.
    pub ratio: f64,
}

/// The times of an engine in nanoseconds, by process and point.
pub type Times = Vec<Vec<f64>>;

/// The sweep of one workload.
pub struct Sweep {
    pub workload: &'static str,
    pub points: Points,
    /// The engines that can prepare the workload.
    pub engines: Vec<(&'static str, Times)>,
}

impl Benchmark {
    /// Does what the command line says. Returns the sweeps if there are results to show: there are none if this process only
    /// lists names, is a smoke test, or measures for another process.
    pub fn run(&self, arguments: &Arguments) -> Vec<Sweep> {
        let name = |workload: &Workload| format!("{}/{}", self.name, workload.name);
        let chosen: Vec<&'static Workload> =
            self.workloads.iter().copied().filter(|workload| arguments.chooses(&name(workload))).collect();
        if arguments.has("--list") {
            chosen.iter().for_each(|workload| say(format_args!("{}: benchmark", name(workload))));
            return Vec::new();
        }
        if arguments.has("--worker") {
            say(format_args!("{}", chosen.iter().map(|workload| self.measure(workload)).collect::<Value>()));
            return Vec::new();
        }
        if chosen.is_empty() {
            return Vec::new();
        }
        if let Err(reason) = tiers::support() {
            warn(format_args!("NOT RUN: {}, since no engine can compile for this host: {reason}", self.name));
            return Vec::new();
        }
        let processes = if arguments.is_test() { 1 } else { PROCESSES };
        let image = Image::of_this_process().expect("this program has a path");
        let runs: Vec<Value> = (0..processes).map(|_| worker(&image, &arguments.filters, &[])).collect();
        let sweep = |(index, workload): (usize, &&'static Workload)| self.sweep(index, workload, &runs);
        let sweeps = chosen.iter().enumerate().map(sweep).collect();
        if arguments.is_test() {
            // The times of a smoke test would be misleading.
            chosen.iter().for_each(|workload| say(format_args!("{}: Success", name(workload))));
            return Vec::new();
        }
        sweeps
    }

    /// Measures in this process: the nanoseconds at each point, for each engine that can prepare the workload.
    fn measure(&self, workload: &Workload) -> Value {
        let subject = workload.subject();
        let able: Vec<&str> =
            self.engines.iter().copied().filter(|engine| refusal(engine, &subject).is_none()).collect();
        let points = self.points(workload).all;
        let times = times(workload, &points, &able).unwrap_or_else(|reason| panic!("{}: {reason}", workload.name));
        able.into_iter().map(str::to_owned).zip(times.into_iter().map(Value::from)).collect()
    }

    fn points(&self, workload: &Workload) -> Points {
        Points::of(workload, self.ratio).unwrap_or_else(|reason| panic!("{}: {reason}", workload.name))
    }

    /// Extracts the workload with this index from the output of the processes. Warns about engines that cannot prepare it.
    fn sweep(&self, index: usize, workload: &'static Workload, runs: &[Value]) -> Sweep {
        let times = |engine: &'static str| {
            let of_process =
                |run: &Value| serde_json::from_value(run[index][engine].clone()).expect("times are numbers");
            (engine, runs.iter().map(of_process).collect())
        };
        let engines = able(&self.engines, &workload.subject()).into_iter().map(times).collect();
        Sweep { workload: workload.name, points: self.points(workload), engines }
    }
}

/// Starts a process that measures, and returns its output. `options` are further arguments.
pub fn worker(image: &Image, filters: &[String], options: &[&str]) -> Value {
    let output = image.command().args(filters).arg("--worker").args(options).stderr(Stdio::inherit()).output();
    let output = output.expect("this program can be started");
    image.check().expect("all processes are of one build");
    assert!(output.status.success(), "a measuring process ended with {}", output.status);
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// The median over processes of the times at a point.
pub fn time(times: &Times, point: usize) -> f64 {
    median(&times.iter().map(|times| times[point]).collect::<Vec<_>>())
}
