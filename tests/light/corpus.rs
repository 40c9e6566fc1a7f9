//! Runs every case of the corpus on every engine, with and without metered fuel, and compares with the expected result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jitduel::corpus::{cases, programs};
use jitduel::engine::Run;
use jitduel::exec::is_emulated;
use jitduel::front;
use jitduel::lang::Source;
use jitduel::oracle::Oracle;
use jitduel::outcome::{TrapKind, Verdict};
use jitduel::registry::{PEERS, all_names};

/// The number of cells above which an emulator needs more than ten seconds to compare the memories of all engines.
const MANY_CELLS: usize = 1 << 20;

/// The engines that run programs with so many cells in an emulator.
const FEW: [&str; 6] = ["tree", "bytecode", "jit", "regs", "ssa", "tiered"];

/// What was found in some programs.
#[derive(Default)]
struct Checked {
    cases: usize,
    failures: Vec<String>,
    skipped: Vec<String>,
}

/// Checks these programs, with engines of its own.
fn check<'p>(engines: &[&str], paths: impl Iterator<Item = &'p PathBuf>) -> Checked {
    let [mut all, mut few] = [engines, &FEW].map(|engines| Oracle::new(engines).expect("the engines exist"));
    let mut checked = Checked::default();
    for path in paths {
        let name = path.display().to_string();
        let source = Source::of_file(path, std::fs::read(path).expect("it can be read"));
        let cases = cases(&source).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!cases.is_empty(), "{name} has no case");
        checked.cases += cases.len();
        // The oracle prepares a program once for runs with the same options.
        let mut programs = BTreeMap::new();
        for case in &cases {
            let (line, expected) = (case.line, &case.expected);
            let mut check = |engine: &str, verdict: &Verdict| {
                if verdict != expected {
                    checked.failures.push(format!("{name}:{line}: {engine}: {verdict}, expected {expected}"));
                }
            };
            let inputs = case.inputs.len();
            let load = || front::load(&source, inputs).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            let program = match programs.entry(inputs).or_insert_with(load) {
                Ok(program) => program,
                Err(fault) => {
                    check("front end", &Verdict::of_fault(fault, &source));
                    continue;
                }
            };
            // Most engines would only compare the same 128 MiB again.
            let oracle = if is_emulated() && program.ast().cells() > MANY_CELLS {
                println!("NOT RUN: {name} in an emulator on other engines than {FEW:?}");
                &mut few
            } else {
                &mut all
            };
            // A case without a fuel limit must have the same result with ample fuel and without metering. A run that ends only
            // because fuel runs out is not repeated without metering.
            let metered = Some(case.fuel.unwrap_or(1_000_000_000));
            let out_of_fuel = matches!(case.expected, Verdict::Trap { kind: TrapKind::OutOfFuel, .. });
            let fuels = if out_of_fuel { vec![metered] } else { vec![metered, None] };
            for fuel in fuels {
                let (inputs, stack_limit, call_limit) = (&case.inputs, case.stack_limit, case.call_limit);
                let run = Run { inputs, fuel, stack_limit, call_limit };
                let answers = oracle.run(program, run).unwrap_or_else(|error| panic!("{name}: {error}"));
                answers.iter().for_each(|answer| check(answer.engine, &Verdict::of(&answer.outcome, &source)));
            }
        }
    }
    checked.skipped = all.skipped().to_vec();
    checked
}

#[test]
fn every_case_on_every_engine() {
    let engines: Vec<_> = all_names().filter(|name| !PEERS.contains(name)).collect();
    let mut paths = Vec::new();
    programs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"), &mut paths).expect("the corpus is there");
    // In an emulator, no other test takes nearly as long.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let all: Vec<Checked> = std::thread::scope(|scope| {
        let (engines, paths) = (&engines, &paths);
        let part = |first: usize| scope.spawn(move || check(engines, paths.iter().skip(first).step_by(threads)));
        let parts: Vec<_> = (0..threads).map(part).collect();
        parts.into_iter().map(|part| part.join().expect("a thread that panics says why")).collect()
    });
    let skipped: Vec<&String> = all.iter().flat_map(|checked| &checked.skipped).collect();
    assert!(skipped.is_empty(), "{skipped:?}");
    let count: usize = all.iter().map(|checked| checked.cases).sum();
    let summary = format!("{} programs, {count} cases x {} engines", paths.len(), engines.len());
    println!("{summary}");
    assert!(include_str!("../../README.md").contains(&summary), "the README has a different count: {summary}");
    let failures: Vec<&str> = all.iter().flat_map(|checked| &checked.failures).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures[..failures.len().min(40)].join("\n"));
    assert!(count > 1000, "only {count} cases");
}
