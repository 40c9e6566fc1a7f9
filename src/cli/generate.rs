//! `gen`: prints or saves random programs.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::Status;
use super::input::{say, shown};
use super::output::Output;
use crate::files;
use crate::generate::loops::MIN_WORK;
use crate::generate::statistics::Statistics;
use crate::generate::{Kind, Trial, trial};
use crate::outcome::Verdict;
use crate::plural::count;

/// Generate random programs, each with a case that holds the referee's result
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel gen --seed 7 --count 3\n  \
    jitduel gen --kind loops --work 1000000 --out /tmp/loops --count 50\n  \
    jitduel gen --count 10000 --stats\n\n\
    The same seed gives the same programs on every host. `jitduel check DIR` runs them on every engine.")]
pub(super) struct Generate {
    /// What to generate
    #[arg(long, value_enum, default_value_t = KindArg::Random)]
    kind: KindArg,

    /// Words that a program of kind `loops` executes, within a factor of two, from 100 to 1000000000 [default: 100000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(MIN_WORK..=MAX_WORK))]
    work: Option<u64>,

    /// Seed of the sequence of programs
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Number of programs
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: u64,

    /// Write each program to its own new file in this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Print statistics of the programs instead of the programs
    #[arg(long, conflicts_with = "out")]
    stats: bool,
}

/// The greatest work of a program. The referee executes each program, and needs up to a minute for so many words.
const MAX_WORK: u64 = 1_000_000_000;

/// The work of a program if none is given.
const DEFAULT_WORK: u64 = 100_000;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindArg {
    /// Valid programs over the whole language, some of which trap
    Random,
    /// Loops that do a given amount of work and keep their values live
    Loops,
    /// Valid programs that compute the same values again and again, on several paths
    Repeats,
    /// Invalid programs: valid ones with one word changed
    Invalid,
}

impl Generate {
    pub fn run(self, out: &mut Output) -> Result<Status> {
        if self.work.is_some() && self.kind != KindArg::Loops {
            bail!("--work belongs to the kind `loops`; use --kind loops");
        }
        let (kind, name) = match self.kind {
            KindArg::Random => (Kind::Random, "random"),
            KindArg::Loops => (Kind::Loops { work: self.work.unwrap_or(DEFAULT_WORK) }, "loops"),
            KindArg::Repeats => (Kind::Repeats, "repeats"),
            KindArg::Invalid => (Kind::Invalid, "invalid"),
        };
        let trials = (0..self.count).map(|index| (index, trial(kind, self.seed, index)));
        if self.stats {
            let mut statistics = Statistics::default();
            trials.for_each(|(_, trial)| statistics.add(&trial));
            write!(out, "{statistics}")?;
            return Ok(Status::Ok);
        }
        if let Some(folder) = &self.out {
            for (index, trial) in trials {
                let path = folder.join(format!("{name}-{}-{index}.stk", self.seed));
                files::create(&path, text(&trial))?;
            }
            say(format_args!("{} in {}", count(self.count, "program"), shown(folder)));
            return Ok(Status::Ok);
        }
        for (index, trial) in trials {
            if index > 0 {
                writeln!(out)?;
            }
            write!(out, "{}", text(&trial))?;
            if out.is_lost() {
                break;
            }
        }
        Ok(Status::Ok)
    }
}

/// The program with its case at the end, so that no word changes its location.
fn text(trial: &Trial) -> String {
    let source = trial.source();
    let verdict = match trial.load() {
        Ok(program) => Verdict::of(&trial.measure(program.ast()).outcome, &source),
        Err(fault) => Verdict::of_fault(&fault, &source),
    };
    trial.with_case(verdict)
}
