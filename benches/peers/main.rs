//! `cargo bench --features peers --bench peers`: the same workloads on all engines and on other people's compilers and
//! interpreters, in one run. Prints a table of ratios to the time of `bytecode`, and writes `jitduel/peers.json` into the target
//! folder.

mod process;
mod race;
mod results;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use jitduel::bench::machine::Machine;
use jitduel::bench::record::Line;
use jitduel::bench::workloads::{WORKLOADS, Workload};
use jitduel::bench::{Untimed, Work};
use jitduel::engine::PrepareError;
use jitduel::exec::is_emulated;
use jitduel::registry;
use process::{PEERS, Peer};
use race::{BASE, Effort, Field};
use results::{NotRun, Results};

/// Race all engines and peers on the workloads
#[derive(Parser)]
struct Arguments {
    /// Only workloads whose names contain one of these
    filter: Vec<String>,

    /// Fewer and shorter rounds: for trying it out
    #[arg(long)]
    quick: bool,

    /// Compare answers and time nothing
    #[arg(long)]
    test: bool,

    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// Chooses the order.
const SEED: u64 = 1;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let passes = |workload: &&Workload| {
        arguments.filter.is_empty() || arguments.filter.iter().any(|part| workload.name.contains(part.as_str()))
    };
    let workloads: Vec<&'static Workload> = WORKLOADS.iter().filter(passes).collect();
    if workloads.is_empty() {
        bail!("no workload's name contains {}", arguments.filter.join(" or "));
    }
    if is_emulated() && !arguments.test {
        bail!("an emulator's times say nothing of the machine that it emulates; `--test` compares answers");
    }
    let mut not_run = Vec::new();
    let installed: Vec<Peer> = PEERS.into_iter().filter(|peer| is_installed(peer, &mut not_run)).collect();
    let mut fields = Vec::new();
    for workload in workloads {
        fields.push(check(workload, &installed, &mut not_run).with_context(|| workload.name.to_owned())?);
    }
    if arguments.test {
        not_run.iter().for_each(|NotRun { contestant, why }| eprintln!("NOT RUN: {contestant}: {why}"));
        let programs: usize = fields.iter().map(|(field, _)| field.names().count()).sum();
        println!(
            "{} workloads, {programs} programs of engines and peers: all give the referee's answers",
            fields.len()
        );
        return Ok(());
    }
    let machine = Machine::now();
    machine.weaknesses().iter().for_each(|weakness| eprintln!("warning: {weakness}"));
    let results = Results::new(machine, command(), race(&fields, effort(arguments.quick))?, not_run);
    let path = target().join("jitduel/peers.json");
    std::fs::create_dir_all(path.parent().expect("it lies in a folder"))?;
    std::fs::write(&path, format!("{:#}\n", results.to_json()))
        .with_context(|| format!("cannot write {}", path.display()))?;
    write!(anstream::stdout(), "{}", results.to_markdown())?;
    eprintln!("written: {}", path.display());
    Ok(())
}

fn effort(quick: bool) -> Effort {
    let milliseconds = Duration::from_millis;
    match quick {
        true => Effort { rounds: 5, sample: milliseconds(2), difference: milliseconds(20) },
        false => Effort { rounds: 15, sample: milliseconds(4), difference: milliseconds(40) },
    }
}

fn is_installed(peer: &Peer, not_run: &mut Vec<NotRun>) -> bool {
    let is_installed = peer.is_installed();
    if !is_installed {
        not_run.push(NotRun { contestant: peer.name.into(), why: format!("{} is not installed", peer.tool) });
    }
    is_installed
}

/// Who can run a workload, all of whom give the referee's answers, and what it takes. A wrong answer is an error.
fn check(workload: &'static Workload, installed: &[Peer], not_run: &mut Vec<NotRun>) -> Result<(Field, Work)> {
    let subject = workload.subject();
    let work = subject.check(&[])?;
    let mut field = Field { workload, engines: Vec::new(), programs: Vec::new() };
    for engine in registry::names() {
        match subject.check(&[engine]).and_then(|_| workload.check_cases(engine)) {
            Ok(()) => field.engines.push(engine),
            Err(Untimed::Prepare(error @ (PrepareError::Unsupported { .. } | PrepareError::Peer { .. }))) => {
                not_run.push(NotRun { contestant: engine.into(), why: format!("{}: {error}", workload.name) });
            }
            Err(error) => return Err(error.into()),
        }
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    std::fs::create_dir_all(&folder)?;
    for peer in installed {
        match peer.build(workload, &folder)? {
            Some(program) => {
                program.check(workload).with_context(|| peer.name)?;
                field.programs.push((*peer, program));
            }
            None => {
                let why = format!("{}: doubles are not exact there", workload.name);
                not_run.push(NotRun { contestant: peer.name.into(), why });
            }
        }
    }
    Ok((field, work))
}

/// Races on all workloads, one after the other.
fn race(fields: &[(Field, Work)], effort: Effort) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (field, work) in fields {
        let name = field.workload.name;
        eprintln!("{name}: {} contestants, {} rounds", field.names().count(), effort.rounds);
        let times =
            field.race(Path::new(env!("CARGO_BIN_EXE_jitduel")), effort, SEED).with_context(|| name.to_owned())?;
        for (contestant, times) in field.names().zip(times) {
            lines.push(Line {
                subject: name.into(),
                words: work.words,
                contestant: contestant.into(),
                base: (contestant != BASE).then(|| BASE.into()),
                nanoseconds: times.nanoseconds,
                ratios: times.ratios,
                calibrated: Vec::new(),
            });
        }
    }
    Ok(lines)
}

/// The command that this is.
fn command() -> String {
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--bench").collect::<Vec<_>>().join(" ");
    let behind = if arguments.is_empty() { String::new() } else { format!(" -- {arguments}") };
    format!("cargo bench --features peers --bench peers{behind}")
}

/// Where cargo puts what it makes.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), Into::into)
}
