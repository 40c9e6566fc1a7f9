//! A short campaign in the test's own process, and the verbs `fuzz` and `gen`.

use std::path::Path;

use crate::binary::{jitduel, size};
use jitduel::generate::trial;
use jitduel::oracle::campaign::kind;
use jitduel::oracle::judge::{Care, Judge};
use jitduel::registry::all_names;
use jitduel::tiers::support;
use serde_json::Value;

/// Judges random programs of every kind, each with a sweep of limits around its needs.
#[test]
fn random_programs_agree_on_all_engines() {
    let programs = size("random programs", 120, 24) as u64;
    let engines: Vec<_> = all_names().collect();
    let mut judge = Judge::new(&engines).expect("the engines exist");
    let (mut trapped, mut rejected, mut runs) = (0, 0, 0);
    let (mut tiered, mut changed) = (0, 0);
    for index in 0..programs {
        let trial = trial(kind(index), 2, index);
        let judged = judge.judge(&trial, Care::Thorough).unwrap_or_else(|disagreement| {
            panic!("program {index}: {disagreement:?}\n{}\ninputs {:?}", trial.text, trial.inputs)
        });
        trapped += u64::from(judged.trapped);
        rejected += u64::from(judged.rejected);
        runs += judged.runs;
        tiered += judged.tiered;
        changed += judged.changed;
    }
    println!(
        "{programs} programs, {runs} runs, {trapped} trapped, {rejected} rejected, {changed} of {tiered} changed tiers"
    );
    assert!(support().is_err() || 10 * changed > 3 * tiered, "{changed} of {tiered} tiered runs changed tiers");
    assert!(judge.skipped().is_empty(), "{:?}", judge.skipped());
    assert!(trapped > programs / 8 && rejected >= programs / 50 && runs > 50 * programs);
}

fn fuzzed(arguments: &[&str]) -> Value {
    let ended = jitduel(["fuzz", "--json"].iter().chain(arguments)).run();
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
}

#[test]
fn a_campaign_reports_its_counts_and_is_reproducible_from_its_seed() {
    let programs = 100;
    let count = programs.to_string();
    let whole = fuzzed(&["--programs", &count, "--seed", "5", "--jobs", "1"]);
    assert_eq!((&whole["programs"], &whole["disagreements"]), (&programs.into(), &0.into()));
    assert_eq!(
        (&whole["findings"], &whole["skipped"], &whole["seed"]),
        (&Value::Array(vec![]), &Value::Array(vec![]), &5.into())
    );
    assert_eq!(whole["engines"].as_array().map(Vec::len), Some(all_names().count()));

    // Two shards, with two processes each, have the same total.
    let half = (programs / 2).to_string();
    let halves =
        ["1/2", "2/2"].map(|shard| fuzzed(&["--programs", &half, "--seed", "5", "--jobs", "2", "--shard", shard]));
    for name in ["programs", "runs", "words", "trapped", "rejected"] {
        let sum: u64 = halves.iter().map(|half| half[name].as_u64().expect("a number")).sum();
        assert_eq!(whole[name].as_u64(), Some(sum), "{name}");
        assert!(sum > 0, "{name}");
    }
}

#[test]
fn a_campaign_obeys_its_time_limit_and_chooses_a_seed() {
    let ended = jitduel(["fuzz", "--time", "1s", "--engine", "bytecode"]).run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.ends_with(" rejected: all agree\n"), "{}", ended.stdout);
    assert!(
        ended.stderr.starts_with("seed ")
            && ended.stderr.contains(", shard 1 of 1, engines bytecode\ncode memory: ")
            && ended.stderr.lines().count() == 2,
        "{}",
        ended.stderr
    );
}

#[test]
fn invalid_arguments_are_explained() {
    for (arguments, expected) in [
        (&["--shard", "3/2"][..], "I must be from 1 to N"),
        (&["--time", "5 days"], "is not s, m or h"),
        (&["--jobs", "0"], "0 is not in 1..=1024"),
        (&["--engine", "jit-"], "invalid value 'jit-'"),
    ] {
        let ended = jitduel(["fuzz"].iter().chain(arguments)).run();
        assert_eq!(ended.code, 2, "{arguments:?}");
        assert!(ended.stderr.contains(expected), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn generated_programs_can_be_printed_saved_and_checked() {
    let folder = std::env::temp_dir().join(format!("jitduel-gen-{}", std::process::id()));
    let out = folder.to_str().expect("a plain name");
    for kind in ["random", "loops", "invalid"] {
        let work: &[_] = if kind == "loops" { &["--work", "1000"] } else { &[] };
        let arguments = [&["gen", "--kind", kind, "--count", "20", "--seed", "9"], work].concat();
        let kept = jitduel(arguments.iter().chain(&["--out", out])).run();
        assert_eq!((kept.code, kept.stdout.as_str()), (0, ""), "{}", kept.stderr);
        let printed = jitduel(&arguments).run();
        let texts: Vec<String> = (0..20)
            .map(|index| std::fs::read_to_string(folder.join(format!("{kind}-9-{index}.stk"))).expect("it was written"))
            .collect();
        assert_eq!(printed.stdout, texts.join("\n"));
        // Existing files are not overwritten.
        let again = jitduel(arguments.iter().chain(&["--out", out])).run();
        assert_eq!(again.code, 2, "{}", again.stderr);
    }
    let checked = jitduel(["check", out]).run();
    assert_eq!(checked.code, 0, "{}", checked.stdout);
    let summary = format!("\n60 programs, 60 cases x {} engines, ", all_names().count());
    assert!(checked.stdout.contains(&summary), "{}", checked.stdout);
    std::fs::remove_dir_all(&folder).expect("it is ours");

    let statistics = jitduel(["gen", "--count", "200", "--stats"]).run();
    assert!(statistics.stdout.starts_with("200 programs\non average "), "{}", statistics.stdout);
    for (kind, work, expected) in [
        ("loops", "99", "99 is not in 100..=1000000000"),
        // The referee would not end.
        ("loops", "1000000001", "1000000001 is not in 100..=1000000000"),
        ("random", "1000", "--work belongs to the kind `loops`"),
    ] {
        let ended = jitduel(["gen", "--kind", kind, "--work", work]).run();
        assert!(ended.code == 2 && ended.stderr.contains(expected), "{}", ended.stderr);
    }
}

/// Each patch states its class, which also begins its file name, and changes at most two lines.
#[test]
fn every_patch_of_a_planted_bug_names_its_class() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/planted");
    let mut classes: Vec<u32> = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let text = std::fs::read_to_string(&path).expect("it can be read");
        let class: u32 =
            text.strip_prefix("Class ").and_then(|rest| rest.split(':').next()?.parse().ok()).expect("a class");
        assert!(path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{class:02}-"))));
        let changed = text.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++")).count();
        assert!(changed <= 2, "{}: a planted bug changes at most two lines", path.display());
        classes.push(class);
    }
    classes.sort_unstable();
    classes.dedup();
    // docs/PLANTED.md explains the class that cannot be planted here.
    let absent: Vec<u32> = (1..=40).filter(|class| !classes.contains(class)).collect();
    assert_eq!(absent, [21]);
}
