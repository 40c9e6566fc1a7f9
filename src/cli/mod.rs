//! The command line, with one file per verb. Data is written to stdout, diagnostics and progress to stderr.

mod asm;
mod bench;
mod check;
mod complete;
mod engines;
mod export;
mod external;
mod findings;
mod fuzz;
mod generate;
mod input;
mod output;
mod perf_map;
mod programs;
mod progress;
mod repl;
mod report;
mod run;
mod tiering;
mod trace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

use crate::exec::{keep_ended_children, refuse_closed_stdin, survive_file_size_limit};
use crate::host_stack::with_room;
use crate::lang::printable_lines;
use output::Output;

/// Test and race JIT compilers against an interpreter on a small stack language.
#[derive(Parser)]
#[command(name = "jitduel", version)]
#[command(
    after_help = "Exit codes: 0 ok, 1 the program was rejected or trapped, 2 usage error or a file that cannot be \
    read or written, 3 a benchmark regressed, 4 engines disagree or a case failed."
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Run(run::Run),
    Repl(repl::Repl),
    Check(check::Check),
    Asm(asm::Asm),
    #[command(name = "gen")]
    Generate(generate::Generate),
    Fuzz(fuzz::Fuzz),
    Export(export::Export),
    Bench(bench::Bench),
    Report(report::Report),
    Engines(engines::Engines),
    Completions(complete::Completions),
    Man(complete::Man),
}

/// The exit status of a verb. A verb that makes several runs returns the worst status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Ok = 0,
    /// The program was rejected or trapped.
    Stopped = 1,
    /// A usage error, or a file that cannot be read or written.
    Usage = 2,
    /// A benchmark is slower than allowed.
    Regression = 3,
    /// Engines disagree, or a case failed.
    Disagreement = 4,
}

/// Parses the arguments, runs the verb and returns the exit code.
pub fn main() -> ExitCode {
    with_room(parse_and_run)
}

fn parse_and_run() -> ExitCode {
    survive_file_size_limit();
    keep_ended_children();
    refuse_closed_stdin();
    let mut out = Output::default();
    let status = match Cli::try_parse() {
        Ok(cli) => cli.verb.run(&mut out).unwrap_or_else(|error| {
            print_error(&error);
            Status::Usage
        }),
        Err(answer) => out.print_help_or_error(&answer),
    };
    ExitCode::from(out.finish(status) as u8)
}

impl Verb {
    fn run(self, out: &mut Output) -> Result<Status> {
        match self {
            Verb::Run(verb) => verb.run(out),
            Verb::Repl(verb) => verb.run(out),
            Verb::Check(verb) => verb.run(out),
            Verb::Asm(verb) => verb.run(out),
            Verb::Generate(verb) => verb.run(out),
            Verb::Fuzz(verb) => verb.run(out),
            Verb::Export(verb) => verb.run(out),
            Verb::Bench(verb) => verb.run(out),
            Verb::Report(verb) => verb.run(out),
            Verb::Engines(verb) => verb.run(out),
            Verb::Completions(verb) => verb.run(Cli::command(), out),
            Verb::Man(verb) => verb.run(Cli::command(), out),
        }
    }
}

/// Prints an error to stderr.
fn print_error(error: &anyhow::Error) {
    // It may contain file names.
    let text = format!("{error:#}");
    let text = printable_lines(text.trim_end());
    input::say(format_args!("{}error:{} {text}", ERROR.render(), ERROR.render_reset()));
}

/// The style of the word "error", as in clap's messages and in diagnostics.
const ERROR: anstyle::Style = anstyle::AnsiColor::BrightRed.on_default().effects(anstyle::Effects::BOLD);
