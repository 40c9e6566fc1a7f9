//! The command line: one file a verb. Data goes to stdout; diagnostics and progress go to stderr.

mod asm;
mod bench;
mod check;
mod complete;
mod export;
mod fuzz;
mod generate;
mod input;
mod perf_map;
mod progress;
mod report;
mod run;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::lang::printable;

/// Sets a just-in-time compiler against an interpreter on a small stack language.
#[derive(Parser)]
#[command(name = "jitduel", version)]
#[command(after_help = "Exit codes: 0 ok, 1 the program was rejected or trapped, 2 usage or a file that cannot be \
    read, 3 a benchmark regressed, 4 engines disagree or a case was not met.")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Run(run::Run),
    Check(check::Check),
    Asm(asm::Asm),
    #[command(name = "gen")]
    Generate(generate::Generate),
    Fuzz(fuzz::Fuzz),
    Export(export::Export),
    Bench(bench::Bench),
    Report(report::Report),
    Completions(complete::Completions),
    Man(complete::Man),
}

/// What a verb came to; of several runs the worst counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Ok = 0,
    /// The program was rejected or trapped.
    Stopped = 1,
    /// Usage, or a file that cannot be read.
    Usage = 2,
    /// A benchmark is slower than it may be.
    Regression = 3,
    /// Engines disagree, or a case was not met.
    Disagreement = 4,
}

/// Parses the arguments, runs the verb and says how it ended.
pub fn main() -> ExitCode {
    let status = match Cli::parse().verb {
        Verb::Run(verb) => verb.run(),
        Verb::Check(verb) => verb.run(),
        Verb::Asm(verb) => verb.run(),
        Verb::Generate(verb) => verb.run(),
        Verb::Fuzz(verb) => verb.run(),
        Verb::Export(verb) => verb.run(),
        Verb::Bench(verb) => verb.run(),
        Verb::Report(verb) => verb.run(),
        Verb::Completions(verb) => verb.run(Cli::command()),
        Verb::Man(verb) => verb.run(Cli::command()),
    };
    let status = status.unwrap_or_else(|error| {
        // Whoever reads our output has read enough.
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return Status::Ok;
        }
        complain(&error);
        Status::Usage
    });
    ExitCode::from(status as u8)
}

/// Says on stderr what went wrong.
fn complain(error: &anyhow::Error) {
    // Names of files stand in it, line by line.
    let text = format!("{error:#}").lines().map(printable).collect::<Vec<_>>().join("\n");
    input::say(format_args!("{}error:{} {text}", ERROR.render(), ERROR.render_reset()));
}

/// How the word "error" looks, here as in clap's own messages and in diagnostics.
const ERROR: anstyle::Style = anstyle::AnsiColor::BrightRed.on_default().effects(anstyle::Effects::BOLD);
