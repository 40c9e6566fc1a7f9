//! `peers/<workload>`: the same workloads on our engines and on other compilers and interpreters, in one run. Prints a table of
//! times relative to `bytecode`, and saves them with their intervals. It does not use criterion.
//!
//! `cargo bench --features peers --bench peers [-- FILTER…]`. `--quick` uses fewer and shorter rounds. `--only NAME,NAME` times
//! only these engines and peers, and `bytecode`. `--test` compares answers without timing.

#[path = "../harness/mod.rs"]
mod harness;
mod process;
mod race;
mod results;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use harness::{Arguments, data_file, say, warn};
use jitduel::bench::image::Image;
use jitduel::bench::machine::Machine;
use jitduel::bench::record::Line;
use jitduel::bench::workloads::{WORKLOADS, Workload};
use jitduel::bench::{Untimed, Work};
use jitduel::engine::PrepareError;
use jitduel::exec::is_emulated;
use jitduel::registry;
use process::{PEERS, Peer, answers};
use race::{BASE, Contestants, Effort};
use results::{NotRun, Results};

/// The seed of the shuffled orders.
const SEED: u64 = 1;

fn main() -> Result<ExitCode> {
    let arguments = Arguments::read();
    let name = |workload: &Workload| format!("peers/{}", workload.name);
    let chosen: Vec<&Workload> = WORKLOADS.iter().filter(|workload| arguments.chooses(&name(workload))).collect();
    if arguments.has("--list") {
        chosen.iter().for_each(|workload| say(format_args!("{}: benchmark", name(workload))));
        return Ok(ExitCode::SUCCESS);
    }
    if chosen.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let mut not_run = Vec::new();
    let only: Option<Vec<&str>> = arguments.value("--only").map(|names| names.split(',').collect());
    let is_named = |name: &str| only.as_ref().is_none_or(|only| only.contains(&name));
    // `gcc` selects every peer that gcc compiles.
    let first = |name: &'static str| name.split(' ').next().unwrap_or(name);
    let all = registry::ENGINES.into_iter().chain(registry::PEERS.iter().copied()).chain(PEERS.map(|peer| peer.name));
    let known: BTreeSet<&str> = all.flat_map(|name| [name, first(name)]).collect();
    if let Some(unknown) = only.iter().flatten().find(|name| !known.contains(*name)) {
        bail!("--only names `{unknown}`, which is none of {}", known.into_iter().collect::<Vec<_>>().join(", "));
    }
    let takes_part = |name: &'static str| name == BASE || is_named(name) || is_named(first(name));
    let peers = PEERS.into_iter().filter(|peer| takes_part(peer.name));
    let installed: Vec<Peer> = peers.filter(|peer| is_installed(peer, &mut not_run)).collect();
    let engines = registry::ENGINES.into_iter().chain(registry::PEERS.iter().copied());
    let engines: Vec<&'static str> = engines.filter(|engine| takes_part(engine)).collect();
    let mut races = Vec::new();
    for workload in chosen {
        races.push(check(workload, &engines, &installed, &mut not_run).with_context(|| workload.name)?);
    }
    let unfit = unfit();
    if arguments.is_test() || unfit.is_some() {
        not_run.iter().for_each(|not_run| warn(format_args!("{not_run}")));
        let programs: usize = races.iter().map(|(contestants, _)| contestants.names().count()).sum();
        say(format_args!(
            "{} workloads, {programs} programs of engines and peers: all answers match the referee's",
            races.len()
        ));
        if let Some(reason) = unfit.filter(|_| !arguments.is_test()) {
            warn(format_args!("NOT RUN: the race, since {reason}"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let machine = Machine::now();
    machine.weaknesses().iter().for_each(|weakness| warn(format_args!("warning: {weakness}")));
    let lines = race(&races, effort(arguments.has("--quick")))?;
    let results = Results::new(machine, command(), lines, not_run);
    say(format_args!("{}", results.to_markdown().trim_end()));
    data_file("peers.json", &results.to_json());
    Ok(ExitCode::SUCCESS)
}

/// Why times would be meaningless here.
fn unfit() -> Option<&'static str> {
    match (cfg!(debug_assertions), is_emulated()) {
        (true, _) => Some("this is a debug build"),
        (_, true) => Some("an emulator's times say nothing about the emulated machine"),
        _ => None,
    }
}

fn effort(quick: bool) -> Effort {
    let milliseconds = Duration::from_millis;
    match quick {
        true => Effort { rounds: 5, sample: milliseconds(2), difference: milliseconds(20) },
        false => Effort { rounds: 16, sample: milliseconds(4), difference: milliseconds(40) },
    }
}

fn is_installed(peer: &Peer, not_run: &mut Vec<NotRun>) -> bool {
    let is_installed = peer.is_installed();
    if !is_installed {
        let why = format!("{} is not installed", peer.tool);
        not_run.push(NotRun { contestant: peer.name, why, workloads: Vec::new() });
    }
    is_installed
}

/// The contestants that can run a workload, and its work. A wrong answer is an error.
fn check(
    workload: &'static Workload,
    engines: &[&'static str],
    installed: &[Peer],
    not_run: &mut Vec<NotRun>,
) -> Result<(Contestants, Work)> {
    let subject = workload.subject();
    let work = subject.check(&[])?;
    let mut contestants = Contestants { workload, engines: Vec::new(), programs: Vec::new() };
    for &engine in engines {
        match subject.check(&[engine]).and_then(|_| workload.check_cases(engine)) {
            Ok(()) => contestants.engines.push(engine),
            Err(Untimed::Prepare(error @ (PrepareError::Unsupported { .. } | PrepareError::Peer { .. }))) => {
                NotRun::add(not_run, engine, error.to_string(), workload.name);
            }
            Err(error) => return Err(error.into()),
        }
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    std::fs::create_dir_all(&folder)?;
    let answers = answers(workload, workload.size)?;
    for peer in installed {
        match peer.build(workload, &folder)? {
            Some(program) => {
                program.check(&answers).with_context(|| peer.name)?;
                contestants.programs.push((*peer, program));
            }
            None => NotRun::add(not_run, peer.name, peer.absence(workload).unwrap_or_default().into(), workload.name),
        }
    }
    Ok((contestants, work))
}

/// Runs the race on each workload, one after the other.
fn race(races: &[(Contestants, Work)], effort: Effort) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let image = Image::open(Path::new(env!("CARGO_BIN_EXE_jitduel")))?;
    for (contestants, work) in races {
        let name = contestants.workload.name;
        warn(format_args!("{name}: {} contestants, {} rounds", contestants.names().count(), effort.rounds));
        let times = contestants.race(&image, work.words, effort, SEED).with_context(|| name.to_owned())?;
        for (contestant, times) in contestants.names().zip(times) {
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

/// The command line of this run.
fn command() -> String {
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--bench").collect::<Vec<_>>().join(" ");
    let suffix = if arguments.is_empty() { String::new() } else { format!(" -- {arguments}") };
    format!("cargo bench --features peers --bench peers{suffix}")
}
