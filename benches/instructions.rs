//! Counts the machine instructions that each engine executes in an iteration of each workload, under QEMU with a counting plugin.
//! `scripts/count` makes what it needs and starts it.
//!
//! Ends with 3 where a count is above the record, with 2 where something cannot be counted.

mod harness;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use harness::{say, warn};
use jitduel::bench::instructions::{Count, Record, SizePair, compare, page, pairs, to_json};
use jitduel::files;
use jitduel::registry::ENGINES;
use jitduel::tiers::tier;

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

    /// Where programs may be written, and the counts for the report
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,

    /// Compare the JIT's counts with the record instead of making it
    #[arg(long)]
    check: bool,

    /// What cargo says to every benchmark
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
    let pairs = pairs()?;
    let programs = pairs.iter().map(|pair| Program::write(pair, &arguments.output)).collect::<Result<Vec<_>>>()?;
    let counters = arguments.counters();
    ensure!(!counters.is_empty(), "there is nothing to count: see scripts/count");
    // An interpreter's instructions are rustc's: they change with its version, and between debug and release builds.
    let engines = ENGINES.into_iter().filter(|engine| !arguments.check || tier(engine).is_some());
    let engines: Vec<_> = engines.collect();
    if arguments.check {
        let record = Record::read(Path::new(RECORD))?.counts;
        return Ok(check(&count_all(&counters, &programs, &engines, &record)?, &record));
    }
    ensure!(counters.len() == 2, "a record is made of both instruction sets");
    // What the last record says as well need not come twice.
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

/// A pair with its two programs in files.
struct Program<'a> {
    pair: &'a SizePair,
    /// Each with its input, in as many characters as the other.
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

/// How the instructions of a process are counted.
struct Counter<'a> {
    isa: &'static str,
    /// What stands before the binary's arguments.
    command: Vec<&'a str>,
}

impl Arguments {
    fn counters(&self) -> Vec<Counter<'_>> {
        let isas = [
            ("aarch64", &self.aarch64, &["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"][..]),
            // An emulator of what the host is, too, since only an emulator counts.
            ("x86_64", &self.x86_64, &["qemu-x86_64"]),
        ];
        let mut counters = Vec::new();
        for (isa, binary, emulator) in isas {
            match binary {
                Some(binary) => {
                    let command = [emulator, &["-plugin", &self.plugin, binary]].concat();
                    counters.push(Counter { isa, command });
                }
                None => warn(format_args!("NOT COUNTED: {isa}, as asked")),
            }
        }
        counters
    }
}

impl Counter<'_> {
    /// The count of an engine. In one process of fifty the start takes some instructions more or fewer, after the
    /// addresses that the system gave it: so a count holds where the record says the same, or when it came twice.
    fn count(&self, program: &Program, engine: &str, record: &[Count]) -> Result<Count> {
        let mut seen = Vec::new();
        while seen.len() < 6 {
            let [small, great] = &program.runs;
            let (small, great) = (self.count_process(engine, small)?, self.count_process(engine, great)?);
            let more = great.checked_sub(small).context("the greater size executes fewer instructions")?;
            let count = Count::new(self.isa, program.pair, engine, more);
            if record.contains(&count) || seen.contains(&count) {
                return Ok(count);
            }
            seen.push(count);
        }
        bail!("every count is another: {seen:?}")
    }

    /// The instructions that one process executes.
    fn count_process(&self, engine: &str, (path, input): &(PathBuf, String)) -> Result<u64> {
        let (program, arguments) = self.command.split_first().expect("there is a command");
        let mut command = Command::new(program);
        command.args(arguments).arg("run").arg(path).args(["--engine", engine, "--input", input]);
        let output = command.output().with_context(|| format!("cannot start {program}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let number = said.lines().find_map(|line| line.strip_prefix("instructions: ")?.parse().ok());
        match number {
            Some(number) if output.status.success() && output.stdout == b"\n" => Ok(number),
            _ => bail!("{command:?} ended with {} and said:\n{said}", output.status),
        }
    }
}

/// Counts everything, in as many processes at a time as there are processors.
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
            let Some((index, (counter, program, engine))) = next.lock().expect("nobody panics").next() else {
                return Ok(());
            };
            let count = counter.count(program, engine, record)?;
            counts.lock().expect("nobody panics")[index] = Some(count);
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("nobody panics"))
    })?;
    Ok(counts.into_inner().expect("nobody panics").into_iter().map(|count| count.expect("all were counted")).collect())
}
