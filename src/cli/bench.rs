//! `bench`: a race of engines on some programs, or of two builds, and what may be concluded from it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::input::{Inputs, cases, engine_names, read, say};
use super::output::Output;
use super::progress::ProgressLine;
use super::{Status, complain};
use crate::bench::machine::Machine;
use crate::bench::race::{Contestant, Race, Times};
use crate::bench::record::{Line, Record};
use crate::bench::statistics::Estimate;
use crate::bench::worker::{CALIBRATION, serve};
use crate::bench::workloads::{WORKLOADS, Workload, hold_out, workload};
use crate::bench::{Subject, Work};
use crate::corpus::programs;
use crate::exec::is_emulated;
use crate::files;

/// Race engines on some programs and say which is faster, and by how much
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel bench fact collatz\n  \
    jitduel bench program.stk --input 1000 --engine jit,bytecode\n  \
    jitduel bench --engine jit --save-baseline monday\n  \
    jitduel bench --engine jit --baseline monday --fail-on-regression 5\n  \
    jitduel bench fact --engine jit --against ../other/target/release/jitduel\n\n\
    Every engine gives the referee's answer before it is timed. Contestants take turns in shuffled order, in many\n\
    processes; ratios are of processor time, with intervals over processes. docs/METHODOLOGY.md says why.\n\n\
    Exit codes: 0 ok, 1 a program cannot be timed, 2 usage, 3 slower than the baseline allows.")]
pub(super) struct Bench {
    /// Workloads by name, program files or folders; all workloads unless given, `hold-out` is the 50 generated loops
    subjects: Vec<String>,

    /// Initial stack of program files, bottom first; that of the first case unless given
    #[arg(long, value_name = "A,B", allow_hyphen_values = true)]
    input: Option<Inputs>,

    /// The engines, separated by commas: the first is whom the others are held against
    #[arg(long, value_name = "E,E", value_delimiter = ',', value_parser = engine_names(),
        default_value = "jit,jit-peephole,jit-tos,jit-naive,jit-push,bytecode,tree")]
    engine: Vec<String>,

    /// Processes, an even number of at least twenty; each has its own accidents of layout
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = even)]
    processes: u32,

    /// Turns of each engine in each process
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(3..=100_000))]
    rounds: u32,

    /// Processor time of a turn, in microseconds; one run takes what it takes
    #[arg(long, value_name = "US", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=10_000_000))]
    sample: u64,

    /// Chooses the order of the turns
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Print in this form
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Markdown)]
    export: Form,

    /// Hold each engine against the same engine of another build
    #[arg(long, value_name = "BINARY", conflicts_with_all = ["save_baseline", "baseline"])]
    against: Option<PathBuf>,

    /// Keep the result under this name
    #[arg(long, value_name = "NAME", value_parser = baseline_name)]
    save_baseline: Option<String>,

    /// Compare with a result that was kept, both held against a calibration kernel of their own run
    #[arg(long, value_name = "NAME", value_parser = baseline_name)]
    baseline: Option<String>,

    /// End with exit code 3 where an engine is surely slower than the baseline, or the other build, by more than this
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    fail_on_regression: Option<f64>,

    /// Time a debug build, or in an emulator, all the same
    #[arg(long)]
    force: bool,

    /// Run what a race tells us to
    #[arg(long, hide = true, exclusive = true)]
    worker: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Markdown,
    Json,
    Csv,
}

/// The probability with which all intervals of one call together are right.
const CONFIDENCE: f64 = 0.99;

impl Bench {
    pub fn run(self, out: &mut Output) -> Result<Status> {
        if self.worker {
            serve(io::stdin().lock(), out)?;
            return Ok(Status::Ok);
        }
        if self.fail_on_regression.is_some() && self.baseline.is_none() && self.against.is_none() {
            bail!("--fail-on-regression wants --baseline or --against");
        }
        self.refuse_to_mislead()?;
        let baseline = self.baseline.as_deref().map(read_baseline).transpose()?;
        if self.save_baseline.is_some() {
            files::probe(BASELINES.as_ref())?;
        }
        let subjects = self.subjects()?;
        let mut works = Vec::new();
        for subject in &subjects {
            match subject.check(&[]) {
                Ok(work) => works.push(work),
                Err(reason) => {
                    say(format_args!("{}: {reason}", subject.name));
                    return Ok(Status::Stopped);
                }
            }
        }
        let machine = Machine::now();
        machine.weaknesses().iter().for_each(|weakness| say(format_args!("note: {weakness}")));
        let record =
            Record { machine, options: self.options(), confidence: CONFIDENCE, lines: self.race(&subjects, &works)? };
        // What took minutes to measure is kept before it is printed, and printed even where it cannot be kept.
        let kept = self.save_baseline.as_deref().map_or(Status::Ok, |name| keep(name, &record));
        match self.export {
            Form::Markdown => write!(out, "{}", record.to_markdown())?,
            Form::Json => writeln!(out, "{}", record.to_json())?,
            Form::Csv => write!(out, "{}", record.to_csv())?,
        }
        let changes = match &baseline {
            Some(baseline) => record.against_baseline(baseline),
            None if self.against.is_some() => {
                record.lines.iter().filter_map(|line| Some((line, record.ratio(line)?))).collect()
            }
            None => return Ok(kept),
        };
        if baseline.is_some() && changes.is_empty() {
            bail!("the baseline has none of these programs and engines");
        }
        Ok(self.judged(&changes, baseline.is_some()).max(kept))
    }

    /// Says how engines compare with the baseline, and whether one is slower than it may be.
    fn judged(&self, changes: &[(&Line, Estimate)], show: bool) -> Status {
        let mut status = Status::Ok;
        for (line, ratio) in changes {
            let Estimate { value, low, high } = ratio;
            let change =
                format!("{} {}: {value:.3} times the time ({low:.3} to {high:.3})", line.subject, line.contestant);
            let limit = 1.0 + self.fail_on_regression.unwrap_or(f64::INFINITY) / 100.0;
            if *low > limit {
                say(format_args!("SLOWER THAN ALLOWED {change}"));
                status = Status::Regression;
            } else if show {
                say(format_args!("{}{change}", if ratio.covers(1.0) { "no difference: " } else { "" }));
            }
        }
        status
    }

    /// A figure from a debug build or an emulator says nothing.
    fn refuse_to_mislead(&self) -> Result<()> {
        let reason = match (cfg!(debug_assertions), is_emulated()) {
            (_, true) => "this is an emulator, whose times mean nothing",
            (true, _) => "this is a debug build; use cargo run --release",
            _ => return Ok(()),
        };
        if !self.force {
            bail!("{reason} (--force measures all the same)");
        }
        say(format_args!("note: {reason}"));
        Ok(())
    }

    /// What is timed.
    fn subjects(&self) -> Result<Vec<Subject>> {
        if self.subjects.is_empty() {
            return Ok(WORKLOADS.iter().map(|workload| workload.subject()).collect());
        }
        let mut subjects = Vec::new();
        for name in &self.subjects {
            if name == "hold-out" {
                subjects.extend(hold_out());
            } else if let Some(workload) = workload(name) {
                subjects.push(workload.subject());
            } else {
                let mut paths = Vec::new();
                programs(Path::new(name), &mut paths)?;
                for path in paths {
                    subjects.push(self.subject(&path)?);
                }
            }
        }
        if subjects.is_empty() {
            bail!("there is no program in {}", self.subjects.join(", "));
        }
        Ok(subjects)
    }

    /// A program's file, with the inputs that were given, the size of the workload that it is, or its first case's inputs.
    fn subject(&self, path: &Path) -> Result<Subject> {
        let source = read(path)?;
        let is_it = |workload: &&Workload| workload.text.as_bytes() == source.bytes();
        let workload = WORKLOADS.iter().find(is_it);
        let inputs = match (&self.input, workload) {
            (Some(inputs), _) => inputs.0.clone(),
            (None, Some(workload)) => vec![workload.size],
            (None, None) => cases(&source)?.into_iter().next().map_or(Vec::new(), |case| case.inputs),
        };
        let name = path.file_stem().map_or(source.name().into(), |stem| stem.to_string_lossy().into_owned());
        Ok(Subject { name, source, inputs })
    }

    fn options(&self) -> Vec<(String, String)> {
        let option = |name: &str, value: String| (name.to_owned(), value);
        vec![
            option("engines", self.engine.join(",")),
            option("processes", self.processes.to_string()),
            option("rounds", self.rounds.to_string()),
            option("sample in microseconds", self.sample.to_string()),
            option("seed", self.seed.to_string()),
            option("against", self.against.as_ref().map_or(String::new(), |binary| binary.display().to_string())),
        ]
    }

    /// Runs all races.
    fn race(&self, subjects: &[Subject], works: &[Work]) -> Result<Vec<Line>> {
        let this = std::env::current_exe().context("cannot tell where this program lies")?;
        let is_calibrated = self.save_baseline.is_some() || self.baseline.is_some();
        let here = |engine: &str| Contestant { engine: engine.into(), binary: 0 };
        let race = |binaries: &[&Path], contestants: Vec<Contestant>| Race {
            binaries: binaries.iter().map(|binary| binary.to_path_buf()).collect(),
            contestants,
            pairs: self.processes as usize / 2,
            rounds: self.rounds as usize,
            sample: Duration::from_micros(self.sample),
            seed: self.seed,
        };
        // Who races whom: each engine against itself in the other build, or all engines.
        let engines = self.engine.iter().map(String::as_str);
        let races: Vec<Race> = if let Some(other) = &self.against {
            let there = |engine: &str| Contestant { engine: engine.into(), binary: 1 };
            engines.map(|engine| race(&[&this, other], vec![there(engine), here(engine)])).collect()
        } else {
            let calibration = is_calibrated.then_some(CALIBRATION);
            vec![race(&[&this], engines.chain(calibration).map(here).collect())]
        };
        let mut progress = ProgressLine::default();
        let (mut done, all) = (0, subjects.len() * races.len() * self.processes as usize / 2);
        let mut lines = Vec::new();
        for (subject, work) in subjects.iter().zip(works) {
            for race in &races {
                let times = race.run(subject, &mut || {
                    done += 1;
                    progress.show(format_args!("{}: pair {done} of {all}", subject.name));
                });
                progress.clear();
                lines.extend(self.lines(subject, work, &race.contestants, &times?, is_calibrated));
            }
        }
        Ok(lines)
    }

    /// The lines of one race.
    fn lines(
        &self,
        subject: &Subject,
        work: &Work,
        contestants: &[Contestant],
        times: &[Times],
        is_calibrated: bool,
    ) -> Vec<Line> {
        let label = |contestant: &Contestant| match contestant.binary {
            0 => contestant.engine.clone(),
            _ => format!("{} of the other build", contestant.engine),
        };
        let calibration = is_calibrated.then(|| times.last().expect("the calibration kernel comes last"));
        let engines = contestants.len() - usize::from(is_calibrated);
        let line = |index: usize| {
            let Times { nanoseconds, ratios } = &times[index];
            let calibrated = calibration.map(|calibration| {
                nanoseconds.iter().zip(&calibration.nanoseconds).map(|(time, kernel)| time / kernel).collect()
            });
            Line {
                subject: subject.name.clone(),
                words: work.words,
                contestant: label(&contestants[index]),
                base: (index > 0).then(|| label(&contestants[0])),
                nanoseconds: nanoseconds.clone(),
                ratios: ratios.clone(),
                calibrated: calibrated.unwrap_or_default(),
            }
        };
        (0..engines).map(line).collect()
    }
}

/// Where results are kept.
const BASELINES: &str = "target/jitduel/baselines";

fn baseline_path(name: &str) -> PathBuf {
    Path::new(BASELINES).join(format!("{name}.json"))
}

/// Keeps a result. Where that fails the race was still run.
fn keep(name: &str, record: &Record) -> Status {
    let path = baseline_path(name);
    match files::replace(&path, format!("{}\n", record.to_json())) {
        Ok(()) => {
            say(format_args!("kept as {}", path.display()));
            Status::Ok
        }
        Err(error) => {
            complain(&error.into());
            Status::Usage
        }
    }
}

fn read_baseline(name: &str) -> Result<Vec<Line>> {
    let path = baseline_path(name);
    let text = files::read(&path).with_context(|| format!("cannot read the baseline `{}`", path.display()))?;
    let json: Value = serde_json::from_slice(&text).with_context(|| format!("`{}` is not JSON", path.display()))?;
    Record::lines_from_json(&json).with_context(|| format!("`{}` is no result of this program", path.display()))
}

fn baseline_name(text: &str) -> Result<String, String> {
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if is_plain && !text.starts_with('.') { Ok(text.into()) } else { Err("letters, digits, `-`, `_` and `.`".into()) }
}

fn even(text: &str) -> Result<u32, String> {
    let number: u32 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    let is_right = number.is_multiple_of(2) && (20..=10_000).contains(&number);
    if is_right { Ok(number) } else { Err("an even number from 20 to 10000".into()) }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse().map_err(|_| format!("`{text}` is not a number"))?;
    if (0.0..1e6).contains(&number) { Ok(number) } else { Err("0 or more".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_percentages_are_read_as_documented() {
        assert!(baseline_name("monday-2.1").is_ok());
        assert!(["", "../x", "a b", ".hidden"].iter().all(|name| baseline_name(name).is_err()));
        assert_eq!((percent("5"), percent("2.5%")), (Ok(5.0), Ok(2.5)));
        assert!(["-1", "x", "NaN", "inf"].iter().all(|text| percent(text).is_err()));
    }
}
