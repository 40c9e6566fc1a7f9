//! Peers give the referee's answers: engines on the corpus and on random programs, whole processes on the workloads.
//!
//! A peer that is not installed is reported as `NOT RUN`, or as a failure if JITDUEL_WITNESSES is `required`.
#![cfg(feature = "peers")]

#[path = "../../benches/peers/process.rs"]
mod process;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use jitduel::bench::workloads::{WORKLOADS, workload};
use jitduel::corpus::{cases, programs};
use jitduel::engine::{NoClock, Options, PrepareError, outcome};
use jitduel::exec::Store;
use jitduel::front;
use jitduel::generate::trial;
use jitduel::lang::Source;
use jitduel::oracle::campaign::kind;
use jitduel::oracle::judge::{Care, Judge};
use jitduel::outcome::Verdict;
use jitduel::registry;
use process::{PEERS, Peer, answers, referee};

#[test]
fn every_peer_meets_the_cases_of_the_corpus() {
    let mut paths = Vec::new();
    programs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"), &mut paths).expect("the corpus is there");
    for &name in registry::PEERS {
        let mut engine = registry::engine(name).expect("it exists");
        let (mut met, mut refused) = (0, Vec::new());
        for path in &paths {
            let source = Source::of_file(path, std::fs::read(path).expect("it can be read"));
            // Cases with the same options share the compiled program.
            let mut compiled = BTreeMap::new();
            for case in cases(&source).expect("the cases of the corpus are well-formed") {
                let inputs = case.inputs.len();
                // Without fuel, only programs that need none are certain to end.
                let options = Options { metered: true, stack_limit: case.stack_limit, call_limit: case.call_limit };
                let prepare = || {
                    let Ok(Ok(program)) = front::load(&source, inputs) else { return None };
                    match engine.prepare(&program, &options, &mut NoClock) {
                        Ok(prepared) => Some(prepared),
                        Err(error @ PrepareError::Peer { .. }) => {
                            refused.push(format!("{}: {error}", path.display()));
                            None
                        }
                        Err(error) => panic!("{}: {error}", path.display()),
                    }
                };
                let key = (inputs, case.stack_limit, case.call_limit);
                let Some(prepared) = compiled.entry(key).or_insert_with(prepare) else { continue };
                let mut stack = Store::new(case.stack_limit).expect("there is memory for it");
                let fuel = case.fuel.or(Some(1_000_000_000));
                let got = Verdict::of(&outcome(&mut **prepared, &case.inputs, fuel, &mut stack), &source);
                assert_eq!(got, case.expected, "{name}: {} with {:?}", path.display(), case.inputs);
                met += 1;
            }
        }
        refused.dedup();
        println!("{name}: {met} cases met; refused: {refused:#?}");
        assert!(met > 1_000 && refused.len() <= 3, "{name} meets {met} cases and refuses {refused:#?}");
    }
}

#[test]
fn random_programs_agree_on_every_peer() {
    let mut judge = Judge::new(registry::PEERS).expect("the engines exist");
    for index in 0..400 {
        let trial = trial(kind(index), 5, index);
        let care = if index % 4 == 0 { Care::Thorough } else { Care::Quick };
        if let Err(disagreement) = judge.judge(&trial, care) {
            panic!("program {index}: {disagreement:?}\n{}\ninputs {:?}", trial.text, trial.inputs);
        }
    }
    assert!(judge.skipped().is_empty(), "{:?}", judge.skipped());
}

#[test]
fn every_workload_has_handwritten_programs() {
    for (peer, workload) in PEERS.iter().flat_map(|peer| WORKLOADS.iter().map(move |workload| (peer, workload))) {
        assert!(!peer.note.is_empty(), "{}: its figures need a note", peer.name);
        let Some(file) = peer.file(workload).filter(|_| peer.absence(workload).is_none()) else { continue };
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(text.contains("BARRIER(") || peer.tool != "gcc", "{} may be replaced by a formula", file.display());
    }
}

/// Whether it is installed. If not, prints a line, and fails if it is required.
fn is_installed(peer: &Peer) -> bool {
    let is_installed = peer.is_installed();
    if !is_installed {
        // Bypasses the capture of passing tests, so that the test is not mistaken for one that ran.
        writeln!(std::io::stderr(), "NOT RUN: {} is not installed", peer.tool).expect("standard error takes it");
        let required = std::env::var_os("JITDUEL_WITNESSES").is_some_and(|value| value == "required");
        assert!(!required, "{} is required", peer.tool);
    }
    is_installed
}

#[test]
fn whole_processes_give_the_referees_answers() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers-test");
    std::fs::create_dir_all(&folder).expect("the target folder can be written to");
    let answers: Vec<_> = WORKLOADS
        .iter()
        .map(|workload| answers(workload, workload.hundredth()).unwrap_or_else(|error| panic!("{error:?}")))
        .collect();
    for peer in PEERS.iter().filter(|peer| is_installed(peer)) {
        let mut checked = 0;
        for (workload, answers) in WORKLOADS.iter().zip(&answers) {
            let program = peer.build(workload, &folder).unwrap_or_else(|error| panic!("{}: {error:?}", peer.name));
            assert_eq!(program.is_none(), peer.absence(workload).is_some(), "{}: {}", peer.name, workload.name);
            let Some(program) = program else { continue };
            program.check(answers).unwrap_or_else(|error| panic!("{}, {}: {error:?}", peer.name, workload.name));
            checked += 1;
        }
        assert!(checked > 0, "{}", peer.name);
    }
}

/// A wrong answer is an error, both before timing starts and during it.
#[test]
fn wrong_answer_is_detected() {
    let peer = PEERS.iter().find(|peer| peer.tool == "gcc").expect("it is one of them");
    if !is_installed(peer) {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers-wrong");
    std::fs::create_dir_all(&folder).expect("the target folder can be written to");
    let [tri, fib] = ["tri", "fib"].map(|name| workload(name).expect("it is one"));
    let program = peer.build(tri, &folder).expect("it compiles").expect("there is one");
    let [of_tri, of_fib] = [tri, fib].map(|workload| answers(workload, workload.hundredth()).expect("it ends"));
    assert!(program.check(&of_tri).is_ok() && program.check(&of_fib).is_err());
    assert!(program.time(5, 1, "15 6").is_ok() && program.time(5, 1, "15 7").is_err());
}

/// The compiler sees that only the last result is printed, but must perform all executions.
#[test]
fn no_execution_is_optimized_away() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers-runs");
    std::fs::create_dir_all(&folder).expect("the target folder can be written to");
    let lcg = workload("lcg").expect("it is one");
    let expected = referee(&lcg.subject()).expect("it ends");
    let mut built = 0;
    for peer in PEERS.iter().filter(|peer| peer.tool == "gcc" && is_installed(peer)) {
        // Not every workload is written for every peer.
        let Some(program) = peer.build(lcg, &folder).expect("it compiles") else { continue };
        built += 1;
        let time = |runs| program.time(lcg.size, runs, &expected).expect("it runs");
        let (few, many) = (time(1), time(200));
        // Eighty million steps, each of which depends on the one before.
        assert!(many > few + Duration::from_millis(20), "{}: {few:?} and {many:?}", peer.name);
    }
    assert!(built > 0 || !PEERS.iter().any(|peer| peer.tool == "gcc" && is_installed(peer)));
}
