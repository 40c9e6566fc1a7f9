//! The command `bench`: what it refuses, prints, saves and compares. No test depends on how long anything takes.

use std::time::Duration;

use jitduel::bench::Subject;
use jitduel::bench::client::{Timeout, Worker};
use jitduel::bench::image::Image;
use jitduel::bench::worker::Task;
use jitduel::lang::Source;

use crate::binary::{Ended, SMALL, executable, file, folder, jitduel, script};
use serde_json::Value;

/// The options of the shortest possible race.
const SHORT: [&str; 9] = ["bench", "--force", "--processes", "22", "--rounds", "3", "--sample", "10", "--seed=5"];

/// Runs `bench` in the given folder, where it saves baselines.
fn bench(folder: &std::path::Path, arguments: &[&str]) -> Ended {
    jitduel([&SHORT[..], arguments].concat()).current_dir(folder).run()
}

/// Whether a test is left out. Under an emulator each process takes a second, so tests that do not depend on the instruction
/// set run natively only.
fn is_left_out(what: &str) -> bool {
    if SMALL {
        println!("NOT RUN: {what}, since this is an AArch64 program and likely emulated");
    }
    SMALL
}

#[test]
fn debug_build_is_not_timed_without_force() {
    let ended = jitduel(["bench", "fact"]).run();
    // Tests use a debug build.
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert!(ended.stderr.contains("(--force measures anyway)"), "{}", ended.stderr);
}

/// `scripts/races` applies this patch to make a slower build.
#[test]
fn patch_of_the_slower_build_applies() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("it is checked in");
    let patch = read("tests/slow/five-percent.patch");
    let (_, hunk) = patch.split_once(" @@").expect("it has a hunk");
    let old: String = hunk
        .lines()
        .skip(1)
        .filter_map(|line| line.strip_prefix([' ', '-']))
        .fold(String::new(), |text, line| text + line + "\n");
    assert!(
        old.lines().count() == 3 && read("src/tiers/native.rs").contains(&old),
        "src/tiers/native.rs has no\n{old}"
    );
}

#[test]
fn errors_name_what_cannot_be_timed() {
    let folder = folder("bench_refused");
    let trap = file(&folder, "trap.stk", "1 0 /");
    file(&folder, "unknown.stk", "1\n2 \x1b[2Jboom");
    let empty = folder.join("empty");
    std::fs::create_dir_all(&empty).expect("the folder is writable");
    for (arguments, code, expected) in [
        (
            &[trap.as_str()][..],
            1,
            "the program ends with `trap division by zero 1:5`; only a program that ends without a trap can be timed",
        ),
        // The source line is shown, with the control character escaped.
        (&["unknown.stk"], 1, "--> unknown.stk:2:3\n"),
        (&["unknown.stk"], 1, "␛[2Jboom"),
        (&["nothing.stk"], 2, "cannot read `nothing.stk`"),
        (&["empty"], 2, "no program in empty"),
        (&["fact", "--processes", "19"], 2, "an even number from 20 to 10000"),
        (&["fact", "--fail-on-regression", "5"], 2, "--fail-on-regression needs --baseline or --against"),
        (&["fact", "--baseline", "never-kept"], 2, "cannot read `target/jitduel/baselines/never-kept.json`: "),
        (&["fact", "--baseline", "../x"], 2, "letters, digits"),
        (&["fact", "--engine", "jitt"], 2, "invalid value 'jitt'"),
        (&["fact", "--engine", "tree", "--against", "/nowhere"], 2, "`/nowhere` cannot take part: No such file"),
        (&["fact", "--engine", "tree", "--against", "empty"], 2, "`empty` cannot take part: it is not a regular file"),
        // `true` exists in PATH, but PATH is not searched.
        (&["fact", "--engine", "tree", "--against", "true"], 2, "`true` cannot take part: No such file"),
        (
            &["fact", "gcd", "--processes", "20"],
            2,
            "20 processes are too few for this many comparisons; use --processes 24",
        ),
        (
            &["-e", "2 *", "--input", "1,2", "--stack-limit", "1"],
            2,
            "too many inputs for the stack limit: 2, but at most 1 fit",
        ),
        (
            &["-e", "dup dup", "--input", "1", "--stack-limit", "2"],
            1,
            "-e: the program ends with `trap stack overflow 1:5`",
        ),
        (
            &["-e", ": f ( -- ) f ; f", "--call-limit", "5"],
            1,
            "-e: the program ends with `trap call depth exceeded 1:12`",
        ),
        (&["hold-out", "--input", "1"], 2, "--input cannot be used with hold-out"),
    ] {
        // An emulated program cannot start another one.
        if SMALL && arguments.contains(&"--against") {
            continue;
        }
        let ended = jitduel([&["bench", "--force"], arguments].concat()).current_dir(&folder).run();
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{arguments:?}: {}", ended.stderr);
    }
    let elsewhere = jitduel(["bench", "--force", "fact", "--baseline", "never-kept"]);
    let ended = elsewhere.env("CARGO_TARGET_DIR", "elsewhere").current_dir(&folder).run();
    assert!(ended.stderr.contains("cannot read `elsewhere/jitduel/baselines/never-kept.json`: "), "{}", ended.stderr);
}

#[test]
fn race_is_exported_as_markdown_csv_and_json() {
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
    assert_eq!([rows[2][3], rows[5][3]], ["21", ""], "the input is shown");
    let is_time =
        |cell: &str| cell.split_once(' ').is_some_and(|(time, unit)| time.parse::<f64>().is_ok() && unit == "ns");
    assert!(rows[2..8].iter().all(|row| is_time(row[4])), "a run of two words takes nanoseconds: {}", table.stdout);
    assert!(table.stderr.contains("note: double: using the inputs of the case on line 2\n"), "{}", table.stderr);

    let csv = bench(&folder, &arguments("csv"));
    let lines: Vec<Vec<&str>> = csv.stdout.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((lines.len(), lines.iter().all(|line| line.len() == 11)), (7, true), "{}", csv.stdout);
    assert_eq!(lines[2][..5], ["double", "tree", "bytecode", "2", "21"], "the referee counts two words");

    let json: Value = serde_json::from_str(&bench(&folder, &arguments("json")).stdout).expect("JSON");
    let lines = json["lines"].as_array().expect("a list");
    assert_eq!(lines.len(), 6);
    for (index, line) in lines.iter().enumerate() {
        let is_base = index % 3 == 0;
        assert_eq!(line["base"].is_null(), is_base);
        assert_eq!(line["processes"]["ratios"].as_array().map(Vec::len), Some(11), "a value for each pair");
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
    assert_eq!(json["options"]["turn in microseconds"], "1000", "no turn is shorter");
    assert_eq!(json["format"], "jitduel race 2");
    let programs = ["2 *\n\\ case: 21 -> 42\n", "2 3 *\n"];
    assert_eq!([0, 1].map(|index| json["programs"][index]["text"].as_str()), programs.map(Some));
    // Four comparisons and two means.
    assert!(
        json["confidence"] == 0.99 && json["level"].as_f64().is_some_and(|level| (0.9983..0.9984).contains(&level))
    );
}

#[test]
fn regression_against_a_saved_baseline_exits_with_3() {
    if is_left_out("baselines") {
        return;
    }
    let folder = folder("bench_baseline");
    file(&folder, "work.stk", "0 2000 times 1 + end");
    let run = |arguments: &[&str]| bench(&folder, &[&["work.stk", "--engine", "bytecode"], arguments].concat());
    let saved = run(&["--save-baseline", "one"]);
    assert!(saved.code == 0 && saved.stderr.contains("saved as target/jitduel/baselines/one.json"), "{}", saved.stderr);
    // No machine is noisy enough to exceed 100 times the saved time.
    let allowed = run(&["--baseline", "one", "--fail-on-regression", "9900"]);
    assert!(allowed.code == 0 && allowed.stderr.contains("work bytecode: "), "{}", allowed.stderr);

    let path = folder.join("target/jitduel/baselines/one.json");
    let text = std::fs::read_to_string(&path).expect("it was kept");
    let json: Value = serde_json::from_str(&text).expect("it is JSON");
    let mut faster = json.clone();
    for value in faster["lines"][0]["processes"]["calibrated"].as_array_mut().expect("a list") {
        *value = (value.as_f64().expect("a number") / 1000.0).into();
    }
    std::fs::write(&path, faster.to_string()).expect("the folder is writable");
    let slower = run(&["--baseline", "one", "--fail-on-regression", "9900"]);
    assert!(slower.code == 3 && slower.stderr.contains("SLOWER THAN ALLOWED work bytecode: "), "{}", slower.stderr);

    let other = bench(&folder, &["work.stk", "--engine", "tree", "--baseline", "one"]);
    assert!(other.code == 2 && other.stderr.contains("left out: the baseline has engines `bytecode`, not `tree`\n"));
    assert!(other.stderr.contains("the baseline has none of these"), "{}", other.stderr);

    let version = |text: &str| json.to_string().replacen("jitduel race 2", text, 1);
    let time = |time: &str| {
        let mut json = json.clone();
        json["lines"][0]["processes"]["calibrated"][0] = "TIME".into();
        json.to_string().replacen("\"TIME\"", time, 1)
    };
    let again = "make it again: jitduel bench … --save-baseline NAME";
    for (text, expected) in [
        ("{".to_owned(), "one.json` is broken: EOF while parsing"),
        ("{}".into(), again),
        (version("jitduel race 1"), again),
        (version("jitduel race 3"), "has the format `jitduel race 3`, but this version reads `jitduel race 2`"),
        (time("0"), "0 is not greater than zero"),
        (time("-3.5"), "-3.5 is not greater than zero"),
        (time("1e-300"), "cannot be a measurement"),
        (time("1e300"), "cannot be a measurement"),
        (time("1e999"), "number out of range"),
        (time("null"), "is broken"),
    ] {
        std::fs::write(&path, &text).expect("the folder is writable");
        let ended = run(&["--baseline", "one", "--fail-on-regression", "5"]);
        assert!(ended.code == 2 && ended.stdout.is_empty() && ended.stderr.contains(expected), "{}", ended.stderr);
    }
}

#[test]
fn only_the_same_program_and_input_is_compared() {
    if is_left_out("baselines of other programs") {
        return;
    }
    let folder = folder("bench_same");
    for name in ["a", "b"] {
        std::fs::create_dir_all(folder.join(name)).expect("the folder is writable");
    }
    file(&folder, "a/q.stk", "2 3 *");
    file(&folder, "b/q.stk", "0 20000 times 1 + end");
    file(&folder, "input.stk", "0 swap times 1 + end");
    let run = |arguments: &[&str]| bench(&folder, &[&["--engine", "bytecode"], arguments].concat());
    let saved = run(&["a", "b", "input.stk", "--input", "", "--save-baseline", "one"]);
    assert_eq!(saved.code, 1, "input.stk wants an input: {}", saved.stderr);
    let saved = run(&["a", "b", "--save-baseline", "one"]);
    assert_eq!(saved.code, 0, "{}", saved.stderr);
    for name in ["a/q.stk", "b/q.stk"] {
        assert!(saved.stdout.contains(&format!("| {name} | bytecode |")), "{}", saved.stdout);
    }
    let same = ["--baseline", "one", "--fail-on-regression", "900"];
    let run = |arguments: &[&str]| run(&[arguments, &same].concat());
    // The same programs under another name and in another order are compared.
    file(&folder, "a/moved.stk", "2 3 *");
    std::fs::remove_file(folder.join("a/q.stk")).expect("the folder is writable");
    let moved = run(&["b", "a"]);
    assert_eq!(moved.code, 0, "{}", moved.stderr);
    assert!(moved.stderr.contains("q bytecode: ") && moved.stderr.contains("moved bytecode: "), "{}", moved.stderr);
    assert!(!moved.stderr.contains("left out"), "{}", moved.stderr);
    // A changed program is not compared.
    file(&folder, "b/q.stk", "0 20001 times 1 + end");
    let one = run(&["a/moved.stk", "b/q.stk"]);
    assert!(one.code == 0 && one.stderr.contains("moved bytecode: "), "{}", one.stderr);
    assert!(one.stderr.contains("left out: q: the baseline has no such program\n"), "{}", one.stderr);
    assert!(one.stderr.contains("left out: only in the baseline: b/q.stk\n"), "{}", one.stderr);
    let none = run(&["b/q.stk"]);
    assert!(none.code == 2 && none.stdout.is_empty(), "{}", none.stderr);
    assert!(none.stderr.contains("the baseline has none of these programs and engines"), "{}", none.stderr);
    // The same text with another input or another limit is not compared.
    let save = |arguments: &[&str]| bench(&folder, &[&["input.stk", "--engine", "bytecode"], arguments].concat());
    assert_eq!(save(&["--input", "7", "--save-baseline", "two"]).code, 0);
    for (arguments, reason) in [
        (&["--input", "8"][..], "input: the baseline has different inputs"),
        (&["--input", "7", "--stack-limit", "9"], "input: the baseline has a different stack limit"),
    ] {
        let other = save(&[arguments, &["--baseline", "two", "--fail-on-regression", "5"]].concat());
        assert!(other.code == 2 && other.stderr.contains(reason), "{}", other.stderr);
    }
}

#[test]
fn unusual_file_names_are_escaped() {
    if is_left_out("races of files with strange names") {
        return;
    }
    let folder = folder("bench_names");
    let names: [&[u8]; 3] = [b"a|b.stk", b"c\n\x1b[31md.stk", b"e\xff.stk"];
    let mut invocation: Vec<std::ffi::OsString> = SHORT.map(Into::into).to_vec();
    invocation.extend(["--engine", "bytecode", "--processes", "30"].map(Into::into));
    for name in names {
        let name = std::os::unix::ffi::OsStrExt::from_bytes(name);
        std::fs::write(folder.join::<&std::ffi::OsStr>(name), "1 \\ \n\\ case: -> 1\n")
            .expect("the folder is writable");
        invocation.push(name.into());
    }
    invocation.drain(2..4);
    let ended = jitduel(&invocation).current_dir(&folder).run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let rows: Vec<&str> = ended.stdout.lines().skip(2).take(3).collect();
    for (row, name) in rows.iter().zip([r"| a\|b ", r"| c\\n\\u{1b}[31md |", "| e\u{fffd} "]) {
        assert!(row.starts_with(name), "{row}");
    }
    for text in [&ended.stdout, &ended.stderr] {
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
    let missing = jitduel(["bench", "--force", "\u{1b}[2J.stk"]).current_dir(&folder).run();
    assert!(missing.code == 2 && missing.stderr.contains("cannot read `\\u{1b}[2J.stk`"), "{:?}", missing.stderr);
}

#[test]
fn program_on_the_command_line_is_raced() {
    if is_left_out("a race of a program on the command line") {
        return;
    }
    let folder = folder("bench_expression");
    let race = ["-e", "0 swap times 1 + end", "--input", "9", "--stack-limit", "3", "--engine", "bytecode"];
    let ended = bench(&folder, &race);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.lines().nth(2).is_some_and(|line| line.starts_with("| -e      | bytecode |     9 |")));
    // `--input` also replaces the input of a workload.
    let workload = bench(&folder, &["tri", "--input", "5", "--engine", "bytecode", "--export", "csv"]);
    assert!(workload.stdout.lines().nth(1).is_some_and(|line| line.starts_with("tri,bytecode,,34,5,")), "{workload:?}");
    // A rejected case cannot be timed, so the next one is used.
    let case = "\\ case: -> rejected underflow 1:1\n\\ case: 3 -> 4\n1 +";
    let case = bench(&folder, &["-e", case, "--engine", "bytecode"]);
    assert!(case.code == 0 && case.stderr.contains("note: -e: using the inputs of the case on line 2"), "{case:?}");
}

/// A build that replaces the binary during a race is not executed.
#[test]
fn rebuild_during_a_race_is_ignored() {
    if is_left_out("a rebuild during a race") {
        return;
    }
    let folder = folder("bench_rebuild");
    file(&folder, "work.stk", "0 200 times 1 + end");
    let binary = executable(&folder, "jitduel", env!("CARGO_BIN_EXE_jitduel"));
    let arguments = [&SHORT[..], &["work.stk", "--engine", "bytecode,tree"]].concat();
    let mut command = std::process::Command::new(&binary);
    let command = command.args(arguments).current_dir(&folder);
    let race = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
    let race = race.expect("it starts");
    // The race is running. The replacement would leave a file behind if it were executed.
    script(&folder, "other", "touch mixed");
    std::fs::rename(folder.join("other"), &binary).expect("the folder is writable");
    let output = race.wait_with_output().expect("it was started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!folder.join("mixed").exists());
}

#[test]
fn foreign_program_ends_the_race() {
    if is_left_out("other programs in place of builds") {
        return;
    }
    let folder = folder("bench_strangers");
    file(&folder, "work.stk", "1");
    for (name, text, expected) in [
        ("silent", "exec sleep 1000", "`silent` cannot take part: it did not reply within 1s"),
        ("endless", "exec cat /dev/zero", "`endless` cannot take part: it printed a line of more than 1048576 bytes"),
        ("chatty", "exec yes", "`chatty` cannot take part: it replied `y`"),
        ("rude", "printf '\\033[2J\\n'; exec sleep 1000", "`rude` cannot take part: it replied `\\u{1b}[2J`"),
        ("short", "exit 0", "`short` cannot take part: it exited"),
        ("lazy", "echo '{\"ready\":true}'; exec sleep 1000", "`lazy` cannot take part: it did not reply within 1s"),
        ("liar", "echo '{\"ready\":true}'; while :; do echo -1; done", "`liar` cannot take part: it replied `-1`"),
        ("nan", "echo '{\"ready\":true}'; while :; do echo NaN; done", "`nan` cannot take part: it replied `NaN`"),
        (
            "stopped clock",
            "echo '{\"ready\":true}'; while :; do echo 0; done",
            "reports that 17179869184 runs take 0 ns",
        ),
        (
            "instant",
            "read task; echo '{\"ready\":true}'; while read which runs; do echo $((runs / 1000 + 1)); done",
            "`instant` cannot take part: it reports that a run takes less than 1/1000 of the time of another build",
        ),
        ("refuser", "echo '{\"error\":\"too old\"}'", "`refuser` refused the program: too old"),
    ] {
        script(&folder, name, text);
        // The argument is a path, although it has no slash.
        let ended = bench(&folder, &["work.stk", "--engine", "bytecode", "--against", name, "--timeout", "1"]);
        assert!(ended.code == 2 && ended.stderr.contains(expected), "{name}: {}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn another_build_is_raced() {
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

/// The engines of the other build refuse the second program at once, or only after the first one was raced.
#[test]
fn refused_program_does_not_cost_the_races_of_others() {
    if is_left_out("other programs in place of builds") {
        return;
    }
    let folder = folder("bench_later");
    file(&folder, "a.stk", "0 200 times 1 + end");
    file(&folder, "b.stk", "0 100 times 1 + end");
    let build = |name: &str, refusal: &str| {
        let refusing = format!("case $task in *'\"name\":\"b\"'*) {refusal};; esac");
        let serving = "echo '{\"ready\":true}'; while read which runs; do touch raced; echo $((1000 * runs)); done";
        script(&folder, name, &format!("read task; {refusing}; {serving}"));
        bench(&folder, &["a.stk", "b.stk", "--engine", "bytecode", "--against", name])
    };
    let never = build("never", "echo '{\"error\":\"too long\"}'; exit");
    assert_eq!((never.code, never.stdout.as_str()), (2, ""), "{}", never.stderr);
    assert!(never.stderr.contains("error: cannot race b: `never` refused the program: too long\n"), "{}", never.stderr);
    assert!(!folder.join("raced").exists(), "{}", never.stderr);
    let once = build("once", "[ -e asked ] && { echo '{\"error\":\"tired\"}'; exit; }; touch asked");
    assert!(once.code == 2 && once.stdout.contains("\n| a       | bytecode "), "{}{}", once.stdout, once.stderr);
    assert!(!once.stdout.contains("| b ") && once.stdout.contains("\nAll intervals together"), "{}", once.stdout);
    assert!(once.stderr.ends_with("error: cannot race b: `once` refused the program: tired\n"), "{}", once.stderr);
}

/// No system has room for the stack of such a thread.
#[test]
fn lack_of_threads_is_an_error() {
    if is_left_out("a race without threads") {
        return;
    }
    let ended = jitduel([&SHORT[..], &["fact", "--engine", "bytecode"]].concat());
    let ended = ended.env("RUST_MIN_STACK", &(1_u64 << 50).to_string()).run();
    let said = ended.stderr.contains(" cannot take part: Resource temporarily unavailable");
    assert!(ended.code == 2 && ended.stdout.is_empty() && said, "{ended:?}");
}

/// Turns are sized by warm runs. If a first run that takes a thousand times as long sized them, they would be a thousand times
/// too short, and that contestant would seem slow.
#[test]
fn cold_first_run_does_not_size_a_turn() {
    if is_left_out("other programs in place of builds") {
        return;
    }
    let folder = folder("bench_cold");
    let warm = "while read which runs; do echo $((1000 * runs)); done";
    script(&folder, "cold", &format!("read task; echo '{{\"ready\":true}}'; read first; echo 1000000; {warm}"));
    let image = Image::open(&folder.join("cold")).expect("the file exists");
    let subject = Subject::new("one", Source::new("one", "1"), Vec::new());
    let task = Task { subject, contestants: vec!["tree".into()] };
    let timeout = Timeout { base: Duration::from_secs(60), words: 1 };
    let mut worker = Worker::start(&image, &task, 0, timeout).expect("it answers");
    let runs = worker.runs_per_turn(0, Duration::from_millis(1)).expect("it answers");
    assert_eq!(runs, 1000);
}
