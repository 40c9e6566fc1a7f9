//! Benchmarks without criterion in which each of several processes measures all subjects.

use std::process::ExitCode;

use jitduel::bench::image::Image;
use jitduel::tiers;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::sweeps::worker;
use super::{Arguments, say, warn};

/// The option with the seed of a measuring process.
const SEED: &str = "--seed";

/// A benchmark of subjects such as workloads.
pub struct Benchmark<'a, S> {
    /// Its name.
    pub name: &'static str,
    /// The subjects among which filters choose, with their names.
    pub subjects: Vec<(&'static str, &'a S)>,
    /// The number of measuring processes.
    pub processes: usize,
}

/// What processes measured.
pub struct Results<'a, S, P> {
    /// The subjects that were chosen.
    pub subjects: Vec<&'a S>,
    /// What each process measured.
    pub processes: Vec<P>,
}

impl<'a, S> Benchmark<'a, S> {
    /// Does what the command line says. `measure` measures subjects in a process with this seed; in a smoke test, which its second
    /// argument announces, it does so with hardly any effort. `show` gets the results. There are none if this process only lists
    /// names, is a smoke test, or measures for another process. Fails in a debug build that is not forced to measure.
    pub fn run<P: Serialize + DeserializeOwned>(
        &self,
        measure: impl FnOnce(&[&'a S], bool, u64) -> P,
        show: impl FnOnce(Results<'a, S, P>),
    ) -> ExitCode {
        let arguments = Arguments::read();
        let named = self.subjects.iter().map(|(name, subject)| (format!("{}/{name}", self.name), *subject));
        let (names, subjects): (Vec<String>, Vec<&S>) = named.filter(|(name, _)| arguments.chooses(name)).unzip();
        if arguments.has("--list") {
            names.iter().for_each(|name| say(format_args!("{name}: benchmark")));
            return ExitCode::SUCCESS;
        }
        if subjects.is_empty() {
            return ExitCode::SUCCESS;
        }
        if let Err(reason) = tiers::support() {
            warn(format_args!("NOT RUN: {}, since this host cannot run machine code: {reason}", self.name));
            return ExitCode::SUCCESS;
        }
        let is_test = arguments.is_test();
        if arguments.has("--worker") {
            let seed = arguments.value(SEED).and_then(|seed| seed.parse().ok()).unwrap_or(0);
            say(format_args!("{}", json!(measure(&subjects, is_test, seed))));
            return ExitCode::SUCCESS;
        }
        if cfg!(debug_assertions) && !is_test && !arguments.has("--force") {
            warn(format_args!("error: this is a debug build, whose times are meaningless (--force measures anyway)"));
            return ExitCode::FAILURE;
        }
        let image = Image::of_this_process().expect("this program has a path");
        let kind = if is_test { "--test" } else { "--bench" };
        let process = |seed: usize| {
            let output = worker(&image, &arguments.filters, &[kind, SEED, &seed.to_string()]);
            serde_json::from_value(output).expect("a worker prints its measurements")
        };
        let processes: Vec<P> = (0..if is_test { 1 } else { self.processes }).map(process).collect();
        if is_test {
            // The times of a smoke test would be misleading.
            names.iter().for_each(|name| say(format_args!("{name}: Success")));
            return ExitCode::SUCCESS;
        }
        show(Results { subjects, processes });
        ExitCode::SUCCESS
    }
}
