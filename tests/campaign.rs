//! Campaigns against deliberately wrong engines: each failure is found, shrunk and reported, and the campaign continues.
//!
//! A process can be forked safely only while it has one thread. So this file is a separate program that does not use the
//! threads of the usual test harness. Arguments select the tests whose names contain one of them.
#![allow(unsafe_code, reason = "one of the engines writes beyond its stack, and one changes the memory at the end")]

mod alone;

use std::io::Write;
use std::process::{Command, ExitCode};
use std::time::Duration;

use jitduel::engine::{Engine, PhaseClock, PrepareError, Prepared, Task};
use jitduel::exec::{Child, SharedNumber, Store, ready};
use jitduel::generate::Trial;
use jitduel::lang::{Language, NodeKind, Word};
use jitduel::oracle::campaign::{Campaign, Event, Finding, Killed, Shard, Tally, care, kind};
use jitduel::oracle::judge::{Care, Judge};
use jitduel::outcome::Trap;
use jitduel::registry;

const TESTS: [alone::Test; 16] = [
    ("a_stopped_campaign_reports_no_hang", a_stopped_campaign_reports_no_hang),
    ("another_value_is_found_and_the_campaign_continues", another_value_is_found_and_the_campaign_continues),
    ("other_memory_is_found", other_memory_is_found),
    ("a_signal_is_found", a_signal_is_found),
    ("a_hang_is_found", a_hang_is_found),
    ("a_panic_is_found", a_panic_is_found),
    ("a_write_beyond_the_stack_is_found", a_write_beyond_the_stack_is_found),
    ("a_failure_with_one_fuel_is_saved_with_it", a_failure_with_one_fuel_is_saved_with_it),
    ("no_engine_hides_another", no_engine_hides_another),
    ("one_program_can_be_repeated_by_its_index", one_program_can_be_repeated_by_its_index),
    ("a_process_killed_from_outside_is_not_a_disagreement", a_process_killed_from_outside_is_not_a_disagreement),
    ("a_process_killed_repeatedly_is_not_a_disagreement", a_process_killed_repeatedly_is_not_a_disagreement),
    ("killing_the_investigation_does_not_hide_a_finding", killing_the_investigation_does_not_hide_a_finding),
    ("a_campaign_that_stops_early_counts_only_what_it_judged", a_campaign_that_stops_early_counts_only_what_it_judged),
    ("a_sequence_has_an_end", a_sequence_has_an_end),
    ("time_ends_a_batch_early", time_ends_a_batch_early),
];

fn main() -> ExitCode {
    alone::run(&TESTS)
}

// Wrong engines.

/// The referee under another name, which misbehaves for programs with the word `rot`, or `!` if it leaves other memory.
struct Wrong {
    name: &'static str,
}

const NAMES: [&str; 10] = [
    "other value",
    "other memory",
    "signal",
    "hang",
    "panic",
    "wild",
    "fuel of two",
    "killed",
    "killed once",
    "killed later",
];

thread_local! {
    /// The number of runs of failing programs, summed over all processes. A test sets it before it forks.
    static RUNS: SharedNumber = SharedNumber::new().expect("the system has a page");
}

fn runs() -> u64 {
    RUNS.with(SharedNumber::get)
}

fn set_runs(runs: u64) {
    RUNS.with(|number| number.set(runs));
}

/// Kills this process, as the system does when memory runs out.
fn kill() {
    // SAFETY: sends a signal only to this process.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
}

fn engine(name: &str) -> Option<Box<dyn Engine>> {
    let wrong = NAMES.into_iter().find(|wrong| *wrong == name);
    wrong.map(|name| Box::new(Wrong { name }) as Box<dyn Engine>).or_else(|| registry::engine(name))
}

impl Engine for Wrong {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError> {
        let right = registry::engine("tree").expect("it exists").prepare_task(task, clock)?;
        let word = if self.name == "other memory" { Word::Store } else { Word::Rot };
        let shows = task.program().ast().nodes().iter().any(|node| node.kind == NodeKind::Word(word));
        Ok(Box::new(WrongProgram { name: self.name, right, shows, limit: task.options().stack_limit }))
    }
}

struct WrongProgram {
    name: &'static str,
    right: Box<dyn Prepared>,
    shows: bool,
    limit: usize,
}

impl Prepared for WrongProgram {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        self.right.run(inputs, fuel, stack)?;
        if !self.shows {
            return Ok(());
        }
        let mut values = stack.values().to_vec();
        match self.name {
            "other value" => values.iter_mut().for_each(|value| *value ^= 1),
            "other memory" if !stack.memory().is_empty() => {
                let first = stack.memory().as_ptr().cast_mut();
                // SAFETY: there is a cell, its pages can be written, and nothing borrows it.
                unsafe { *first ^= 1 };
            }
            "signal" => std::process::abort(),
            "killed" => kill(),
            "killed once" if runs() == 0 => {
                set_runs(1);
                kill();
            }
            // Not when the program is judged, but when the finding is investigated.
            "killed later" => {
                set_runs(runs() + 1);
                if runs() == 2 {
                    kill();
                }
                values.iter_mut().for_each(|value| *value ^= 1);
            }
            "hang" => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            "panic" => panic!("an engine is confused"),
            // SAFETY: next to an armed stack are slots that only its check reads, or an inaccessible page.
            "wild" => unsafe {
                stack.values().as_ptr().add(self.limit).cast_mut().write(7);
                return Ok(());
            },
            "fuel of two" if fuel == Some(2) => values.iter_mut().for_each(|value| *value ^= 1),
            _ => {}
        }
        stack.set(&values);
        Ok(())
    }
}

// Campaigns.

fn campaign(engines: &[&'static str], programs: u64) -> Campaign {
    Campaign {
        language: Language::Stack,
        seed: 1,
        shard: Shard { index: 0, of: 1 },
        first: 0,
        programs: Some(programs),
        time: None,
        jobs: 2,
        engines: engines.to_vec(),
        engine,
        external: None,
        patience: Duration::from_secs(20),
        enough: None,
    }
}

/// Runs a campaign in which no process is killed from outside.
fn run(campaign: &Campaign) -> Tally {
    let (tally, killed) = run_among_killers(campaign);
    assert!(killed.is_empty() && tally.unjudged.is_empty(), "{killed:?}");
    tally
}

/// Runs a campaign and compares its events with its final tally. Also returns the killed processes.
fn run_among_killers(campaign: &Campaign) -> (Tally, Vec<Killed>) {
    let (mut found, mut shrunk, mut killed) = (Vec::new(), Vec::new(), Vec::new());
    let tally = campaign.run(&mut |news| match news {
        Event::Progress(..) => {}
        Event::Found(finding) => found.push((finding.index, finding.file.clone())),
        Event::Shrunk(finding) => shrunk.push((finding.index, finding.file.clone())),
        Event::Killed(somebody) => killed.push(somebody),
    });
    let tally = tally.expect("the system has processes");
    let findings: Vec<_> = tally.findings.iter().map(|finding| (finding.index, finding.file.clone())).collect();
    assert_eq!(shrunk, findings);
    assert_eq!(found.len(), shrunk.len());
    assert!(found.iter().zip(&shrunk).all(|(found, shrunk)| found.0 == shrunk.0 && found.1.len() >= shrunk.1.len()));
    let told: usize = tally.findings.iter().map(|finding| 1 + finding.others.len()).sum();
    assert_eq!(tally.wrong, told as u64, "every failing program is reported");
    (tally, killed)
}

/// The only finding of a campaign with one wrong engine and one right engine.
fn finding(wrong: &'static str, programs: u64, patience: Duration) -> Finding {
    let tally = run(&Campaign { patience, ..campaign(&["bytecode", wrong], programs) });
    assert_eq!(tally.counts.programs, programs, "the campaign continued");
    let [finding] = <[Finding; 1]>::try_from(tally.findings).expect("one");
    assert_eq!(finding.engines, [wrong]);
    let trial = finding.trial.as_ref().expect("the program is known");
    let words: Vec<&str> = trial.text.split_whitespace().collect();
    assert_eq!((words.as_slice(), trial.inputs.len()), (&["rot"][..], 3), "{trial:?}");
    assert!(finding.file.starts_with("rot\n\\ case"), "{}", finding.file);
    finding
}

const LONG: Duration = Duration::from_secs(20);

fn another_value_is_found_and_the_campaign_continues() {
    let finding = finding("other value", 600, LONG);
    assert_eq!(finding.class, "other values");
    assert!(finding.others.len() > 30, "{} more", finding.others.len());
    assert!(finding.detail.contains("\ntree: 0 0 0\nother value: 1 1 1"), "{}", finding.detail);
    assert!(finding.file.contains(": 0 0 0 -> 0 0 0\n"), "{}", finding.file);
}

fn other_memory_is_found() {
    let tally = run(&campaign(&["bytecode", "other memory"], 300));
    let [finding] = <[Finding; 1]>::try_from(tally.findings).expect("one");
    assert_eq!((finding.class.as_str(), finding.engines), ("other memory", vec!["other memory"]));
    assert!(finding.detail.contains("; cell 0 holds "), "{}", finding.detail);
    // Nothing is left but a cell, and a `!` with its operands, as literals or as inputs.
    let trial = finding.trial.expect("the program is known");
    let words: Vec<&str> = trial.text.split_whitespace().collect();
    assert!(words.len() + trial.inputs.len() <= 6, "{}", finding.file);
    assert!(words[..2] == ["1", "array"] && words.contains(&"!"), "{}", finding.file);
}

fn a_signal_is_found() {
    assert_eq!(finding("signal", 40, LONG).class, "killed by SIGABRT");
}

fn a_hang_is_found() {
    let programs = first_with_rot() + 1;
    assert_eq!(finding("hang", programs, Duration::from_secs(2)).class, "hang");
}

fn a_panic_is_found() {
    let finding = finding("panic", 40, LONG);
    assert!(finding.class.starts_with("panic at tests/campaign.rs:"), "{}", finding.class);
    assert_eq!(finding.detail, "an engine is confused");
}

fn a_write_beyond_the_stack_is_found() {
    let tally = run(&campaign(&["tree", "wild"], 300));
    let classes: Vec<&str> = tally.findings.iter().map(|finding| finding.class.as_str()).collect();
    assert_eq!(tally.counts.programs, 300);
    // An inaccessible page is at the upper edge, a checked slot at the lower one.
    assert_eq!(classes.len(), 2, "{classes:?}");
    assert!(classes.contains(&"killed by SIGSEGV"), "{classes:?}");
    assert!(classes.iter().any(|class| class.starts_with("panic at src/oracle/mod.rs:")), "{classes:?}");
}

/// A sweep of fuels shows it, but a case has only one fuel.
fn a_failure_with_one_fuel_is_saved_with_it() {
    let tally = run(&Campaign { enough: Some(1), ..campaign(&["fuel of two"], 2_000) });
    let finding = &tally.findings[0];
    let trial = finding.trial.as_ref().expect("the program is known");
    assert_eq!(trial.fuel, 2, "{}", finding.file);
    assert!(finding.file.contains("\\ case fuel=2"), "{}", finding.file);
    let mut judge = Judge::of(vec![engine("fuel of two").expect("it exists")]);
    assert!(judge.judge(trial, Care::Quick).is_err(), "the case reproduces it");
}

/// As with Ctrl-Z or a sleeping machine, all processes stop but the clock continues.
fn a_stopped_campaign_reports_no_hang() {
    if cfg!(target_arch = "aarch64") {
        println!("NOT RUN: an emulator answers the signals of a program in its own time");
        return;
    }
    let campaign = Child::fork(|output| {
        // A separate process group, so that its children can be stopped with it but not this process.
        // SAFETY: changes only this process.
        unsafe { libc::setpgid(0, 0) };
        let tally = run(&Campaign { patience: Duration::from_secs(3), ..campaign(&["tree", "jit"], 60_000) });
        write!(output, "{} {}", tally.counts.programs, tally.wrong).expect("the test reads the pipe");
    });
    let mut campaign = campaign.expect("a process");
    std::thread::sleep(Duration::from_secs(1));
    let signal = |signal: &str| {
        let group = format!("-{}", campaign.id());
        Command::new("kill").args(["-s", signal, "--", &group]).status().expect("there is kill").success()
    };
    assert!(signal("STOP"), "it still runs");
    std::thread::sleep(Duration::from_secs(6));
    assert!(signal("CONT"));
    let mut said = Vec::new();
    while campaign.read_available(&mut said).expect("it can be read") {
        ready([&campaign], LONG).expect("it can be waited for");
    }
    assert_eq!(String::from_utf8_lossy(&said), "60000 0");
}

fn no_engine_hides_another() {
    let tally = run(&campaign(&["signal", "jit", "other value", "panic"], 100));
    // An engine that kills the process does not hide other wrong engines. The class is that of the first.
    assert!(tally.findings.iter().all(|finding| finding.class == "killed by SIGABRT"));
    let engines: Vec<_> = tally.findings.iter().map(|finding| finding.engines.as_slice()).collect();
    assert!(engines.contains(&["signal", "other value", "panic"].as_slice()), "{engines:?}");
    // On an empty stack, the engine `other value` has no value to change.
    assert!(engines.iter().all(|engines| engines.contains(&"panic") && !engines.contains(&"jit")), "{engines:?}");
}

fn one_program_can_be_repeated_by_its_index() {
    let whole = run(&campaign(&["other value"], 300));
    let finding = &whole.findings[0];
    for index in [finding.index, finding.others[0], finding.others[finding.others.len() - 1]] {
        let again = run(&Campaign { first: index, ..campaign(&["other value"], 1) });
        assert_eq!((again.counts.programs, again.wrong), (1, 1));
        assert_eq!(again.findings[0].index, index);
    }
}

fn a_process_killed_from_outside_is_not_a_disagreement() {
    set_runs(0);
    let (tally, killed) = run_among_killers(&campaign(&["killed once", "bytecode"], 600));
    assert_eq!((tally.counts.programs, tally.wrong, tally.unjudged.len()), (600, 0, 0));
    let [Killed { ended, is_given_up, .. }] = killed[..] else { panic!("{killed:?}") };
    assert_eq!((ended.to_string().as_str(), is_given_up), ("killed by SIGKILL", false));
}

fn a_process_killed_repeatedly_is_not_a_disagreement() {
    let (tally, killed) = run_among_killers(&campaign(&["bytecode", "killed"], 100));
    let unjudged = tally.unjudged.len();
    assert!(unjudged > 3 && tally.wrong == 0, "{tally:?}");
    assert_eq!(tally.counts.programs, 100 - unjudged as u64, "all other programs are judged");
    assert!(tally.unjudged.contains(&first_with_rot()), "{:?}", tally.unjudged);
    let given_up = killed.iter().filter(|killed| killed.is_given_up).map(|killed| killed.index);
    assert_eq!(given_up.collect::<Vec<_>>(), tally.unjudged);
    assert_eq!(killed.len(), 2 * unjudged, "each is tried twice");
}

fn killing_the_investigation_does_not_hide_a_finding() {
    set_runs(0);
    let tally = run(&Campaign { first: first_with_rot(), ..campaign(&["killed later"], 1) });
    assert_eq!((tally.counts.programs, tally.wrong), (1, 1));
    assert_eq!(tally.findings[0].engines, ["killed later"]);
    assert!(runs() > 2);
}

fn a_campaign_that_stops_early_counts_only_what_it_judged() {
    let engines = ["other value", "bytecode"];
    // Begins with a program on which they agree.
    let first = (0..).find(|index| !trial(*index).text.contains("rot")).expect("there is one");
    let tally = run(&Campaign { first, enough: Some(1), jobs: 1, ..campaign(&engines, 10_000) });
    let finding = &tally.findings[0];
    assert_eq!((tally.findings.len(), tally.wrong), (1, 1));
    assert_eq!(first + tally.counts.programs, finding.index + 1, "the programs before it and itself");
    // The same programs judged directly: all but the finding agree.
    let mut judge = Judge::of(engines.map(|name| engine(name).expect("it exists")).into());
    let judged = (first..finding.index).map(|index| judge.judge(&trial(index), care(index)).expect("it is right"));
    let (runs, words) = judged.fold((0, 0), |(runs, words), judged| (runs + judged.runs, words + judged.words));
    assert!(runs > 0 && (tally.counts.runs, tally.counts.words) == (runs, words), "{runs} {words} {tally:?}");
}

fn a_sequence_has_an_end() {
    let whole = Shard { index: 0, of: 1 };
    assert_eq!((whole.programs(), Shard { index: 3, of: 7 }.programs()), (u64::MAX, u64::MAX / 7));
    let last = |shard: Shard, left| Campaign {
        first: shard.programs() - left,
        shard,
        programs: None,
        ..campaign(&["bytecode"], 0)
    };
    for shard in [whole, Shard { index: 3, of: 7 }, Shard { index: 6, of: 7 }] {
        for left in [0, 1, 3] {
            let campaign = last(shard, left);
            assert_eq!((campaign.left(), run(&campaign).counts.programs), (left, left), "{shard:?}");
            let more = Campaign { programs: Some(u64::MAX), ..campaign };
            assert_eq!(run(&more).counts.programs, left, "{shard:?}");
        }
        assert_eq!(Campaign { first: u64::MAX, ..last(shard, 0) }.left(), 0);
    }
}

/// With all engines, a process needs seconds for its batch, and minutes in an emulator. It ends early if the time is over.
fn time_ends_a_batch_early() {
    let engines: Vec<_> = registry::ENGINES.into_iter().chain(["tiered:again", "ssa:few"]).collect();
    let short = Campaign { programs: None, time: Some(Duration::from_millis(100)), jobs: 1, ..campaign(&engines, 0) };
    let programs = run(&short).counts.programs;
    assert!((1..1_024).contains(&programs), "{programs}");
}

/// The index of the first program of the sequence that fails.
fn first_with_rot() -> u64 {
    let shows = |trial: &Trial| {
        Judge::of(vec![engine("other value").expect("it exists")]).judge(trial, Care::Thorough).is_err()
    };
    (0..).find(|index| shows(&trial(*index))).expect("some program has the word")
}

fn trial(index: u64) -> Trial {
    jitduel::generate::trial(kind(index), 1, index)
}
