//! Runs every case of the corpus on every engine, with and without metered fuel, and compares with the expected result.

use std::path::Path;

use jitduel::corpus::{cases, programs};
use jitduel::engine::Run;
use jitduel::front;
use jitduel::lang::Source;
use jitduel::oracle::Oracle;
use jitduel::outcome::{TrapKind, Verdict};
use jitduel::registry::{PEERS, all_names};

#[test]
fn every_case_on_every_engine() {
    let engines: Vec<_> = all_names().filter(|name| !PEERS.contains(name)).collect();
    let mut oracle = Oracle::new(&engines).expect("the engines exist");
    let (mut count, mut failures) = (0, Vec::new());
    let mut paths = Vec::new();
    programs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"), &mut paths).expect("the corpus is there");
    for path in &paths {
        let name = path.display().to_string();
        let source = Source::of_file(path, std::fs::read(path).expect("it can be read"));
        let cases = cases(&source).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!cases.is_empty(), "{name} has no case");
        for case in cases {
            count += 1;
            let fail = |engine: &str, verdict: &Verdict| {
                format!("{name}:{}: {engine}: {verdict}, expected {}", case.line, case.expected)
            };
            let loaded = front::load(&source, case.inputs.len()).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            let program = match loaded {
                Ok(program) => program,
                Err(fault) => {
                    let verdict = Verdict::of_fault(&fault, &source);
                    if verdict != case.expected {
                        failures.push(fail("front end", &verdict));
                    }
                    continue;
                }
            };
            // A case without a fuel limit must have the same result with ample fuel and without metering. A run that ends only
            // because fuel runs out is not repeated without metering.
            let metered = Some(case.fuel.unwrap_or(1_000_000_000));
            let out_of_fuel = matches!(case.expected, Verdict::Trap { kind: TrapKind::OutOfFuel, .. });
            let fuels = if out_of_fuel { vec![metered] } else { vec![metered, None] };
            for fuel in fuels {
                let (inputs, stack_limit, call_limit) = (&case.inputs, case.stack_limit, case.call_limit);
                let run = Run { inputs, fuel, stack_limit, call_limit };
                let answers = oracle.run(&program, run).unwrap_or_else(|error| panic!("{name}: {error}"));
                for answer in answers {
                    let verdict = Verdict::of(&answer.outcome, &source);
                    if verdict != case.expected {
                        failures.push(fail(answer.engine, &verdict));
                    }
                }
            }
        }
    }
    assert!(oracle.skipped().is_empty(), "{:?}", oracle.skipped());
    let summary = format!("{} programs, {count} cases x {} engines", paths.len(), oracle.engines());
    println!("{summary}");
    assert!(include_str!("../../README.md").contains(&summary), "the README has a different count: {summary}");
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures[..failures.len().min(40)].join("\n"));
    assert!(count > 1000, "only {count} cases");
}
