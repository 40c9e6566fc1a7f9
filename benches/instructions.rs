//! Counts the machine instructions that each engine executes per loop iteration of each workload, under QEMU with a counting
//! plugin. `scripts/count` builds everything that it needs and starts it.
//!
//! Exits with 3 if a count is higher than recorded, and with 2 if something cannot be counted.

mod harness;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use harness::{say, warn};
use jitduel::bench::instructions::{Count, Record, SizePair, compare, engines, page, pairs, to_json};
use jitduel::files;
use jitduel::tiers::tier;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

#[derive(Parser)]
struct Arguments {
    /// The binary for AArch64
    #[arg(long, value_name = "BINARY")]
    aarch64: Option<String>,

    /// The binary for x86-64
    #[arg(long, value_name = "BINARY")]
    x86_64: Option<String>,

    /// The plugin for QEMU, made from scripts/count.c
    #[arg(long, value_name = "LIBRARY")]
    plugin: String,

    /// The folder for programs, and for the counts that the report reads
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,

    /// Compare the JIT's counts with the record instead of writing a new one
    #[arg(long)]
    check: bool,

    /// Count only this many workloads, drawn at random by the seed
    #[arg(long, value_name = "N", requires = "check")]
    draw: Option<usize>,

    /// The seed of the draw
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,

    /// Passed by cargo to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.json");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/INSTRUCTIONS.md");

fn main() -> ExitCode {
    run(&Arguments::parse()).unwrap_or_else(|error| {
        warn(format_args!("error: {error:#}"));
        ExitCode::from(2)
    })
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut pairs = pairs()?;
    if let Some(count) = arguments.draw {
        pairs.shuffle(&mut ChaCha8Rng::seed_from_u64(arguments.seed));
        let left_out = pairs.len().saturating_sub(count);
        pairs.truncate(count);
        let drawn: Vec<_> = pairs.iter().map(|pair| pair.workload).collect();
        warn(format_args!(
            "NOT COUNTED: {left_out} workloads; drawn by the seed {}: {}",
            arguments.seed,
            drawn.join(", ")
        ));
    }
    let programs = pairs.iter().map(|pair| Program::write(pair, &arguments.output)).collect::<Result<Vec<_>>>()?;
    let counters = arguments.counters();
    ensure!(!counters.is_empty(), "there is nothing to count: see scripts/count");
    // rustc compiles the interpreters, so their counts change with its version and differ between debug and release builds.
    let engines = engines().filter(|engine| !arguments.check || tier(engine).is_some());
    let engines: Vec<_> = engines.collect();
    if arguments.check {
        let record = Record::read(Path::new(RECORD))?.counts;
        return Ok(check(&count_all(&counters, &programs, &engines, &record)?, &record));
    }
    ensure!(counters.len() == 2, "a record needs both instruction sets");
    // A count that matches the last record need not repeat.
    let last = Record::read(Path::new(RECORD)).unwrap_or_default().counts;
    let counts = count_all(&counters, &programs, &engines, &last)?;
    let record = serde_json::to_string_pretty(&to_json(&counts, &pairs))? + "\n";
    let report = arguments.output.join("instructions.json");
    for (path, text) in
        [(report.as_path(), &record), (RECORD.as_ref(), &record), (PAGE.as_ref(), &page(&counts, &pairs))]
    {
        files::replace(path, text)?;
        warn(format_args!("written: {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn check(counts: &[Count], record: &[Count]) -> ExitCode {
    let changes = compare(counts, record);
    for line in &changes.falls {
        say(format_args!("fell: {line}; record it with scripts/count"));
    }
    for line in &changes.rises {
        say(format_args!("ROSE: {line}"));
    }
    say(format_args!("{} counts: {} rose, {} fell", counts.len(), changes.rises.len(), changes.falls.len()));
    if changes.rises.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) }
}

/// A size pair whose programs were written to files.
struct Program<'a> {
    pair: &'a SizePair,
    /// The file and the input of each size. Both inputs have the same number of characters.
    runs: [(PathBuf, String); 2],
}

impl Program<'_> {
    fn write<'a>(pair: &'a SizePair, folder: &Path) -> Result<Program<'a>> {
        let write = |which: usize| -> Result<(PathBuf, String)> {
            let path = folder.join(format!("{}-{which}.stk", pair.workload));
            let subject = &pair.subjects[which];
            files::replace(&path, subject.source.bytes())?;
            Ok((path, format!("{:08}", subject.inputs[0])))
        };
        Ok(Program { pair, runs: [write(0)?, write(1)?] })
    }
}

/// A command that counts the instructions of a process.
struct Counter<'a> {
    isa: &'static str,
    /// The command up to the binary's arguments.
    command: Vec<&'a str>,
}

impl Arguments {
    fn counters(&self) -> Vec<Counter<'_>> {
        let isas = [
            ("aarch64", &self.aarch64, &["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"][..]),
            // Only the emulator can count, so it is used for the host's own instruction set as well.
            ("x86_64", &self.x86_64, &["qemu-x86_64"]),
        ];
        let mut counters = Vec::new();
        for (isa, binary, emulator) in isas {
            match binary {
                Some(binary) => {
                    let command = [emulator, &["-plugin", &self.plugin, binary]].concat();
                    counters.push(Counter { isa, command });
                }
                None => warn(format_args!("NOT COUNTED: {isa}, as requested")),
            }
        }
        counters
    }
}

impl Counter<'_> {
    /// The count of an engine. In one of fifty processes, startup takes some instructions more or fewer, depending on the
    /// addresses that the system assigns. A count is therefore accepted once it repeats or matches the record.
    fn count(&self, program: &Program, engine: &str, record: &[Count]) -> Result<Count> {
        let mut seen = Vec::new();
        while seen.len() < 6 {
            let [small, large] = &program.runs;
            let (small, large) = (self.count_process(engine, small)?, self.count_process(engine, large)?);
            let difference = large.checked_sub(small).context("the larger size executes fewer instructions")?;
            let count = Count::new(self.isa, program.pair, engine, difference);
            if record.contains(&count) || seen.contains(&count) {
                return Ok(count);
            }
            seen.push(count);
        }
        bail!("no count repeats: {seen:?}")
    }

    /// The instructions that one process executes.
    fn count_process(&self, engine: &str, (path, input): &(PathBuf, String)) -> Result<u64> {
        let (program, arguments) = self.command.split_first().expect("there is a command");
        let mut command = Command::new(program);
        command.args(arguments).arg("run").arg(path).args(["--engine", engine, "--input", input]);
        let output = command.output().with_context(|| format!("cannot start {program}"))?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        let number = stderr.lines().find_map(|line| line.strip_prefix("instructions: ")?.parse().ok());
        match number {
            Some(number) if output.status.success() && output.stdout == b"\n" => Ok(number),
            _ => bail!("{command:?} ended with {} and printed:\n{stderr}", output.status),
        }
    }
}

/// Counts everything, on all processors.
fn count_all(counters: &[Counter], programs: &[Program], engines: &[&str], record: &[Count]) -> Result<Vec<Count>> {
    let mut tasks = Vec::new();
    for counter in counters {
        for program in programs {
            tasks.extend(engines.iter().map(|engine| (counter, program, *engine)));
        }
    }
    let next = Mutex::new(tasks.iter().enumerate());
    let counts = Mutex::new(vec![None; tasks.len()]);
    let work = || -> Result<()> {
        loop {
            let Some((index, (counter, program, engine))) = next.lock().expect("no worker panics").next() else {
                return Ok(());
            };
            let count = counter.count(program, engine, record)?;
            counts.lock().expect("no worker panics")[index] = Some(count);
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    Ok(counts
        .into_inner()
        .expect("no worker panics")
        .into_iter()
        .map(|count| count.expect("all were counted"))
        .collect())
}
