//! `bench`: races engines, or two builds, on some programs and compares their times.

mod subjects;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use super::input::{engine_names, say, show, shown, target_folder};
use super::output::Output;
use super::progress::ProgressLine;
use super::{Status, print_error};
use crate::bench::baseline::{Baseline, ENGINES, TURN};
use crate::bench::client::{MIN_TURN, RaceError};
use crate::bench::image::Image;
use crate::bench::machine::Machine;
use crate::bench::race::{Contestant, Race, Times};
use crate::bench::record::{Line, Record};
use crate::bench::statistics::{Estimate, Finding, level_of_each, min_count};
use crate::bench::worker::{CALIBRATION, serve};
use crate::bench::{Subject, Untimed, Work};
use crate::exec::is_emulated;
use crate::files;
use subjects::Subjects;

/// Race engines on some programs and report which is faster, and by how much
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel bench fact collatz\n  \
    jitduel bench program.stk --input 1000 --engine jit,bytecode\n  \
    jitduel bench -e '0 swap times 1 + end' --input 1000\n  \
    jitduel bench --engine jit --save-baseline monday\n  \
    jitduel bench --engine jit --baseline monday --fail-on-regression 5\n  \
    jitduel bench fact --engine jit --against ../other/target/release/jitduel\n\n\
    Every engine must produce the referee's answer before it is timed. Contestants take turns in shuffled order, in\n\
    many processes. Ratios are of processor time, with confidence intervals over processes. docs/METHODOLOGY.md\n\
    explains why.\n\n\
    Exit codes: 0 ok, 1 a program cannot be timed, 2 usage error, 3 slower than the baseline allows.")]
pub(super) struct Bench {
    #[command(flatten)]
    subjects: Subjects,

    /// The engines, separated by commas; the others are compared with the first
    #[arg(long, value_name = "E,E", value_delimiter = ',', value_parser = engine_names(),
        default_value = "jit,jit-peephole,jit-tos,jit-naive,jit-push,bytecode,tree")]
    engine: Vec<String>,

    /// Number of processes, even and at least 20; each has a different memory layout
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = even)]
    processes: u32,

    /// Turns of each engine in each process
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(3..=100_000))]
    rounds: u32,

    /// Processor time of a turn in microseconds, at least 1000 and at least one run
    #[arg(long, value_name = "US", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=10_000_000))]
    sample: u64,

    /// Seed of the order of the turns
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Output format
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Markdown)]
    export: Form,

    /// Seconds for which a process may be silent, plus a microsecond for each word that its runs execute
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    timeout: u64,

    /// Compare each engine with the same engine of another build; a path, never searched for in PATH
    #[arg(long, value_name = "BINARY", conflicts_with_all = ["save_baseline", "baseline"])]
    against: Option<PathBuf>,

    /// Save the result as a baseline with this name, in `jitduel/baselines` in cargo's target folder ($CARGO_TARGET_DIR, or target)
    #[arg(long, value_name = "NAME", value_parser = baseline_name)]
    save_baseline: Option<String>,

    /// Compare with a saved baseline. Each time is first divided by the time of a calibration kernel measured beside it.
    /// Programs are compared only if their texts, inputs and limits are the same
    #[arg(long, value_name = "NAME", value_parser = baseline_name)]
    baseline: Option<String>,

    /// Exit with code 3 if an engine is significantly slower than the baseline or the other build, by more than this
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    fail_on_regression: Option<f64>,

    /// Measure even if this is a debug build or runs in an emulator
    #[arg(long)]
    force: bool,

    /// Serve a race as a worker
    #[arg(long, hide = true, exclusive = true)]
    worker: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Markdown,
    Json,
    Csv,
}

/// The probability that all intervals of one invocation are right together.
const CONFIDENCE: f64 = 0.99;

impl Bench {
    pub fn run(self, out: &mut Output) -> Result<Status> {
        if self.worker {
            serve(io::stdin().lock(), out)?;
            return Ok(Status::Ok);
        }
        if self.fail_on_regression.is_some() && self.baseline.is_none() && self.against.is_none() {
            bail!("--fail-on-regression needs --baseline or --against");
        }
        self.refuse_unreliable_host()?;
        if self.save_baseline.is_some() {
            files::probe(&baselines())?;
        }
        let mut baseline = self.baseline.as_deref().map(|name| Baseline::read(&baseline_path(name))).transpose()?;
        let subjects = self.subjects.read()?;
        let machine = Machine::now();
        self.check_process_count(&machine, &subjects, baseline.as_mut())?;
        let mut works = Vec::new();
        for subject in &subjects {
            match subject.check(&[]) {
                Ok(work) => works.push(work),
                Err(reason) => {
                    match reason {
                        Untimed::Fault(fault) => show(&fault, &subject.source),
                        reason => say(format_args!("{}: {reason}", subject.name)),
                    }
                    return Ok(Status::Stopped);
                }
            }
        }
        machine.weaknesses().iter().for_each(|weakness| say(format_args!("note: {weakness}")));
        let mut lines = Vec::new();
        let failure = match self.race(&subjects, &works, &mut lines) {
            Err(error) if lines.is_empty() => return Err(error),
            raced => raced.err(),
        };
        let record = Record { machine, options: self.options(), confidence: CONFIDENCE, subjects, lines };
        let status = self.report(&record, baseline.as_ref(), out)?;
        let Some(error) = failure else { return Ok(status) };
        print_error(&error);
        Ok(status.max(Status::Usage))
    }

    /// Saves and prints a result, and compares it with the baseline or the other build.
    fn report(&self, record: &Record, baseline: Option<&Baseline>, out: &mut Output) -> Result<Status> {
        // The result took minutes to measure, so it is saved before it is printed, and printed even if saving fails.
        let kept = self.save_baseline.as_deref().map_or(Status::Ok, |name| save(name, record));
        match self.export {
            Form::Markdown => write!(out, "{}", record.to_markdown())?,
            Form::Json => writeln!(out, "{}", record.to_json())?,
            Form::Csv => write!(out, "{}", record.to_csv())?,
        }
        let changes = match baseline {
            Some(baseline) => record.against_baseline(baseline),
            None if self.against.is_some() => {
                record.lines.iter().filter_map(|line| Some((line, record.ratio(line)?))).collect()
            }
            None => return Ok(kept),
        };
        Ok(self.compare(&changes, baseline.is_some()).max(kept))
    }

    /// Reports which parts of the baseline do not match. Fails before the race if none match, or if the number of processes is
    /// too small for the confidence level.
    fn check_process_count(
        &self,
        machine: &Machine,
        subjects: &[Subject],
        baseline: Option<&mut Baseline>,
    ) -> Result<()> {
        // With --against, each engine is compared with itself in the other build. Otherwise, each engine but the first is
        // compared with the first. The means over the programs are compared too.
        let of_each = if self.against.is_some() { self.engine.len() } else { self.engine.len() - 1 };
        let means = if subjects.len() > 1 { of_each } else { 0 };
        let needed = |level: f64| 2 * min_count(level);
        let mut processes = needed(level_of_each(CONFIDENCE, of_each * subjects.len() + means));
        if let Some(baseline) = baseline {
            let left_out = baseline.match_to(machine, &self.options(), subjects);
            left_out.iter().for_each(|reason| say(format_args!("left out: {reason}")));
            let is_same = |subject: &Subject, engine: &str| baseline.times(subject, engine).is_some();
            let lines = subjects.iter().flat_map(|subject| self.engine.iter().map(move |engine| (subject, engine)));
            let same = lines.filter(|(subject, engine)| is_same(subject, engine)).count();
            if same == 0 {
                bail!("the baseline has none of these programs and engines");
            }
            // Both sides have an interval.
            let of_both = needed(level_of_each(level_of_each(CONFIDENCE, same), 2));
            let kept = 2 * baseline.min_samples();
            if kept < of_both {
                bail!("the baseline has {kept} processes, but {same} comparisons need {of_both}");
            }
            processes = processes.max(of_both);
        }
        if (self.processes as usize) < processes {
            bail!("{} processes are too few for this many comparisons; use --processes {processes}", self.processes);
        }
        Ok(())
    }

    /// Reports how engines compare with the baseline, and whether one is slower than allowed.
    fn compare(&self, changes: &[(&Line, Estimate)], show: bool) -> Status {
        let mut status = Status::Ok;
        for (line, ratio) in changes {
            let Estimate { value, low, high } = ratio;
            let change =
                format!("{} {}: {value:.3} times the time ({low:.3} to {high:.3})", line.subject, line.contestant);
            let limit = 1.0 + self.fail_on_regression.unwrap_or(f64::INFINITY) / 100.0;
            if *low > limit && Finding::of(ratio) == Finding::Slower {
                say(format_args!("SLOWER THAN ALLOWED {change}"));
                status = Status::Regression;
            } else if show {
                say(format_args!("{}{change}", if ratio.covers(1.0) { "no difference: " } else { "" }));
            }
        }
        status
    }

    /// Refuses debug builds and emulators, whose times are meaningless.
    fn refuse_unreliable_host(&self) -> Result<()> {
        let reason = match (cfg!(debug_assertions), is_emulated()) {
            (_, true) => "this is an emulator, whose times are meaningless",
            (true, _) => "this is a debug build; use cargo run --release",
            _ => return Ok(()),
        };
        if !self.force {
            bail!("{reason} (--force measures anyway)");
        }
        say(format_args!("note: {reason}"));
        Ok(())
    }

    fn options(&self) -> Vec<(String, String)> {
        let option = |name: &str, value: String| (name.to_owned(), value);
        let against = self.against.as_deref().map_or(String::new(), shown);
        vec![
            option(ENGINES, self.engine.join(",")),
            option("processes", self.processes.to_string()),
            option("rounds", self.rounds.to_string()),
            option(TURN, self.turn().as_micros().to_string()),
            option("seed", self.seed.to_string()),
            option("against", against),
        ]
    }

    /// The minimum duration of a turn.
    fn turn(&self) -> Duration {
        Duration::from_micros(self.sample).max(MIN_TURN)
    }

    /// Runs all races. If one fails, `lines` has the results of those before it, which took minutes to measure.
    fn race(&self, subjects: &[Subject], works: &[Work], lines: &mut Vec<Line>) -> Result<()> {
        let mut images = vec![Image::of_this_process().context("cannot find this program's own executable")?];
        if let Some(other) = &self.against {
            images.push(Image::open(other).map_err(|error| RaceError::unopened(other, error))?);
        }
        let is_calibrated = self.save_baseline.is_some() || self.baseline.is_some();
        let here = |engine: &str| Contestant { engine: engine.into(), binary: 0 };
        let race = |contestants: Vec<Contestant>| Race {
            images: images.iter().collect(),
            contestants,
            pairs: self.processes as usize / 2,
            rounds: self.rounds as usize,
            turn: self.turn(),
            timeout: Duration::from_secs(self.timeout),
            seed: self.seed,
        };
        // Either one race for each engine against itself in the other build, or one race of all engines.
        let engines = self.engine.iter().map(String::as_str);
        let races: Vec<Race> = if self.against.is_some() {
            let there = |engine: &str| Contestant { engine: engine.into(), binary: 1 };
            engines.map(|engine| race(vec![there(engine), here(engine)])).collect()
        } else {
            let calibration = is_calibrated.then_some(CALIBRATION);
            vec![race(engines.chain(calibration).map(here).collect())]
        };
        let failed = |subject: &Subject| format!("cannot race {}", subject.name);
        let mut progress = ProgressLine::default();
        // If an engine refuses a subject, the races must not end after others have taken minutes.
        for (subject, work) in subjects.iter().zip(works) {
            for race in &races {
                progress.show(format_args!("{}: checking the answers", subject.name));
                let checked = race.check(subject, work.words);
                progress.clear();
                checked.with_context(|| failed(subject))?;
            }
        }
        let (mut done, all) = (0, subjects.len() * races.len() * self.processes as usize / 2);
        for (subject, work) in subjects.iter().zip(works) {
            for race in &races {
                let times = race.run(subject, work.words, &mut || {
                    done += 1;
                    progress.show(format_args!("{}: pair {done} of {all}", subject.name));
                });
                progress.clear();
                let times = times.with_context(|| failed(subject))?;
                lines.extend(self.lines(subject, work, &race.contestants, &times, is_calibrated));
            }
        }
        Ok(())
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
        let calibration = is_calibrated.then(|| times.last().expect("the calibration kernel is last"));
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

/// The folder of saved baselines.
fn baselines() -> PathBuf {
    target_folder().join("jitduel/baselines")
}

fn baseline_path(name: &str) -> PathBuf {
    baselines().join(format!("{name}.json"))
}

/// Saves a result. A failure is only reported, because the result can still be printed.
fn save(name: &str, record: &Record) -> Status {
    let path = baseline_path(name);
    match files::replace(&path, format!("{}\n", record.to_json())) {
        Ok(()) => {
            say(format_args!("saved as {}", shown(&path)));
            Status::Ok
        }
        Err(error) => {
            print_error(&error.into());
            Status::Usage
        }
    }
}

fn baseline_name(text: &str) -> Result<String, String> {
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if is_plain && !text.starts_with('.') {
        Ok(text.into())
    } else {
        Err("use letters, digits, `-`, `_` and `.`, and do not begin with `.`".into())
    }
}

fn even(text: &str) -> Result<u32, String> {
    let number: u32 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    let is_right = number.is_multiple_of(2) && (20..=10_000).contains(&number);
    if is_right { Ok(number) } else { Err("must be an even number from 20 to 10000".into()) }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse().map_err(|_| format!("`{text}` is not a number"))?;
    if (0.0..1e6).contains(&number) { Ok(number) } else { Err("must be 0 or more".into()) }
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
