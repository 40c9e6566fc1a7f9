//! The verb `bench`: what it refuses, prints, keeps and compares. No test asks how long anything takes.

mod binary;

use binary::{Ended, SMALL, file, folder, jitduel};
use serde_json::Value;

/// Races as short as they can be.
const SHORT: [&str; 9] = ["bench", "--force", "--processes", "20", "--rounds", "3", "--sample", "10", "--seed=5"];

/// Runs in a folder of its own, where baselines are kept.
fn bench(folder: &std::path::Path, arguments: &[&str]) -> Ended {
    jitduel([&SHORT[..], arguments].concat()).current_dir(folder).run()
}

/// An emulator takes a second for each process: there the parts are tried that are not the same elsewhere.
fn is_left_out(what: &str) -> bool {
    if SMALL {
        println!("NOT RUN: {what}, since this is an AArch64 program and likely emulated");
    }
    SMALL
}

#[test]
fn figures_that_would_mislead_are_refused() {
    let ended = jitduel(["bench", "fact"]).run();
    // The tests' binary is no optimized one.
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert!(ended.stderr.contains("(--force measures all the same)"), "{}", ended.stderr);
}

#[test]
fn what_cannot_be_timed_is_said() {
    let folder = folder("bench_refused");
    let trap = file(&folder, "trap.stk", "1 0 /");
    let empty = folder.join("empty");
    std::fs::create_dir_all(&empty).expect("it is ours");
    for (arguments, code, expected) in [
        (&[trap.as_str()][..], 1, "the program trap division by zero 1:5: only one that ends by itself can be timed"),
        (&["nothing.stk"], 2, "cannot read `nothing.stk`"),
        (&["empty"], 2, "there is no program in empty"),
        (&["fact", "--processes", "19"], 2, "an even number from 20 to 10000"),
        (&["fact", "--fail-on-regression", "5"], 2, "--fail-on-regression wants --baseline or --against"),
        (&["fact", "--baseline", "never-kept"], 2, "cannot read the baseline"),
        (&["fact", "--baseline", "../x"], 2, "letters, digits"),
        (&["fact", "--engine", "jitt"], 2, "invalid value 'jitt'"),
        (&["fact", "--engine", "tree", "--against", "/nowhere"], 2, "`/nowhere` cannot take part"),
    ] {
        // An emulator cannot start another program of its kind, so that this one does not take part either.
        if SMALL && arguments.contains(&"--against") {
            continue;
        }
        let ended = jitduel([&["bench", "--force"], arguments].concat()).current_dir(&folder).run();
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn a_race_is_printed_in_three_forms() {
    if is_left_out("races in three forms") {
        return;
    }
    let folder = folder("bench_forms");
    file(&folder, "double.stk", "2 *\n\\ case: 21 -> 42\n");
    file(&folder, "six.stk", "2 3 *\n");
    let arguments = |form| ["double.stk", "six.stk", "--engine", "bytecode,tree,bytecode", "--export", form];

    let table = bench(&folder, &arguments("markdown"));
    assert_eq!(table.code, 0, "{}", table.stderr);
    let rows: Vec<Vec<&str>> =
        table.stdout.lines().take(10).map(|line| line.split('|').map(str::trim).collect()).collect();
    let names: Vec<(&str, &str)> = rows.iter().skip(2).map(|row| (row[1], row[2])).collect();
    let of = |subject| [(subject, "bytecode"), (subject, "tree"), (subject, "bytecode")];
    let means = [("geometric mean", "tree"), ("geometric mean", "bytecode")];
    assert_eq!(names, [&of("double")[..], &of("six"), &means].concat());

    let csv = bench(&folder, &arguments("csv"));
    let lines: Vec<Vec<&str>> = csv.stdout.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((lines.len(), lines.iter().all(|line| line.len() == 10)), (7, true), "{}", csv.stdout);
    assert_eq!(lines[2][..4], ["double", "tree", "bytecode", "2"], "the referee counts two words");

    let json: Value = serde_json::from_str(&bench(&folder, &arguments("json")).stdout).expect("JSON");
    let lines = json["lines"].as_array().expect("a list");
    assert_eq!(lines.len(), 6);
    for (index, line) in lines.iter().enumerate() {
        let is_base = index % 3 == 0;
        assert_eq!(line["base"].is_null(), is_base);
        assert_eq!(line["processes"]["ratios"].as_array().map(Vec::len), Some(10), "a value for each pair");
        let number = |name: &str| line[name].as_f64();
        assert!(number("ns_per_run").is_some_and(|time| time > 0.0));
        if !is_base {
            let (low, ratio, high) = (number("low"), number("ratio"), number("high"));
            assert!(low <= ratio && ratio <= high, "{line}");
        }
    }
    for name in
        ["processor", "processors", "isa", "kernel", "load", "governor", "virtual", "code memory", "rustc", "commit"]
    {
        assert!(json["machine"].get(name).is_some(), "{name}");
    }
    assert_eq!(json["options"]["engines"], "bytecode,tree,bytecode");
    assert!(
        json["confidence"] == 0.99 && json["level"].as_f64().is_some_and(|level| (0.9974..0.9976).contains(&level))
    );
}

#[test]
fn a_baseline_is_kept_and_what_is_slower_than_it_allows_ends_with_three() {
    if is_left_out("baselines") {
        return;
    }
    let folder = folder("bench_baseline");
    file(&folder, "work.stk", "0 2000 times 1 + end");
    let run = |arguments: &[&str]| bench(&folder, &[&["work.stk", "--engine", "bytecode"], arguments].concat());
    let kept = run(&["--save-baseline", "one"]);
    assert!(kept.code == 0 && kept.stderr.contains("kept as target/jitduel/baselines/one.json"), "{}", kept.stderr);
    // A hundred times of what was kept is more than any machine scatters.
    let allowed = run(&["--baseline", "one", "--fail-on-regression", "9900"]);
    assert!(allowed.code == 0 && allowed.stderr.contains("work bytecode: "), "{}", allowed.stderr);

    let path = folder.join("target/jitduel/baselines/one.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(&path).expect("it was kept")).expect("it is JSON");
    for value in json["lines"][0]["processes"]["calibrated"].as_array_mut().expect("a list") {
        *value = (value.as_f64().expect("a number") / 1000.0).into();
    }
    std::fs::write(&path, json.to_string()).expect("it is ours");
    let slower = run(&["--baseline", "one", "--fail-on-regression", "9900"]);
    assert!(slower.code == 3 && slower.stderr.contains("SLOWER THAN ALLOWED work bytecode: "), "{}", slower.stderr);

    let other = bench(&folder, &["work.stk", "--engine", "tree", "--baseline", "one"]);
    assert!(other.code == 2 && other.stderr.contains("the baseline has none of these"), "{}", other.stderr);
    for (text, expected) in [("{", "is not JSON"), ("{}", "is no result of this program")] {
        std::fs::write(&path, text).expect("it is ours");
        let ended = run(&["--baseline", "one"]);
        assert!(ended.code == 2 && ended.stderr.contains(expected), "{}", ended.stderr);
    }
}

#[test]
fn another_build_takes_part() {
    if is_left_out("another build") {
        return;
    }
    let folder = folder("bench_against");
    file(&folder, "work.stk", "0 200 times 1 + end");
    let other = env!("CARGO_BIN_EXE_jitduel");
    let ended = bench(&folder, &["work.stk", "--engine", "bytecode,tree", "--against", other, "--export", "csv"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let lines: Vec<Vec<&str>> = ended.stdout.lines().skip(1).map(|line| line.split(',').take(3).collect()).collect();
    let of = |engine: &'static str, other: &'static str| [vec!["work", other, ""], vec!["work", engine, other]];
    let expected = [of("bytecode", "bytecode of the other build"), of("tree", "tree of the other build")].concat();
    assert_eq!(lines, expected);
}
