//! Output for newcomers: which inputs are used, which engines agree, unexpected outcomes, and probable mistakes.

use std::time::{Duration, Instant};

use crate::binary::{Ended, expect, file, folder, jitduel, refused};
use jitduel::registry::{ENGINES, entries, fastest};

fn cli(arguments: &[&str]) -> Ended {
    jitduel(arguments).run()
}

// Inputs.

#[test]
fn inputs_follow_the_program() {
    let folder = folder("inputs");
    let path = file(&folder, "sub.stk", "\\ case: 9 2 -> 7\n-");
    for verb in [vec!["run", &path], vec!["run", "-e", "-"]] {
        let run = |inputs: &[&str]| cli(&[&verb[..], inputs].concat());
        expect(&run(&["10", "20"]), 0, "-10\n");
        expect(&run(&["-3", "4"]), 0, "-7\n");
        expect(&run(&["-3", "-9223372036854775808"]), 0, "9223372036854775805\n");
        expect(&run(&["0xff", "1"]), 0, "254\n");
        expect(&run(&["10,20"]), 0, "-10\n");
        expect(&run(&["--engine", "tree", "1", "2", "--fuel", "5"]), 0, "-1\n");
        assert_eq!(run(&["1", "2"]).stderr, "", "no case is used");
        refused(&run(&["1", "2", "--input", "3,4"]), "--input cannot be used with inputs after the program");
        refused(&run(&["1", "2x"]), "`2x` is not a 64-bit integer");
    }
    expect(&jitduel(["run", "-", "5", "3"]).stdin("-").run(), 0, "2\n");
    refused(&cli(&["run", &path, "x"]), "`x` is not a 64-bit integer; the arguments after the program are its inputs");
    refused(&cli(&["run", &path, "-e", "-"]), "cannot be used with -e");
    // The other verbs that take a program behave the same.
    let listed = |arguments: &[&str]| cli(&[&["asm", "--stage", "bytecode"], arguments].concat()).stdout;
    assert_eq!(listed(&["-e", "1 +", "-7"]), listed(&["-e", "1 +", "--input", "-7"]));
    let exported = |arguments: &[&str]| cli(&[&["export", "--to", "c"], arguments].concat()).stdout;
    assert_eq!(exported(&[&path, "-7", "8"]), exported(&[&path, "--input", "-7,8"]));
}

#[test]
fn a_run_without_inputs_reports_the_case_that_it_uses() {
    let folder = folder("first-case");
    let path = file(&folder, "add.stk", "\\ adds\n\\ case fuel=9: 1 2 -> 3\n+");
    let said = "note: no inputs given; using the case on line 2: \\ case fuel=9: 1 2 -> 3\n\
                note: give inputs after the program, as in FILE 5 6, or with --input, as in --input 5,6\n";
    for arguments in [vec!["run", &path], vec!["asm", &path], vec!["export", &path, "--to", "c"]] {
        let ended = cli(&arguments);
        assert!(ended.code == 0 && ended.stderr.starts_with(said), "{arguments:?}: {}", ended.stderr);
    }
    // Without a case nothing is reported, and a long case is shortened.
    assert_eq!(cli(&["run", "-e", "1"]).stderr, "");
    let many = "1 ".repeat(60_000);
    let long = file(&folder, "long.stk", format!("\\ case: {many} -> {many}\n"));
    assert!(
        cli(&["run", &long, "--engine", "tree", "--json"]).stderr.lines().next().expect("the case is reported").len()
            < 300
    );
}

// Engines.

#[test]
fn several_engines_are_compared() {
    let run = |arguments: &[&str]| cli(&[&["run"], arguments].concat());
    expect(&run(&["-e", "1 2 +", "--engine", "jit,tree"]), 0, "tree  3\njit   3\n2 engines agree\n");
    let all = run(&["-e", "1 2 +", "--engine", "all"]);
    assert_eq!(all.code, 0, "{}", all.stderr);
    let lines: Vec<&str> = all.stdout.lines().collect();
    for (line, entry) in lines.iter().zip(entries()) {
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), [entry.name, "3"]);
    }
    assert_eq!(lines.last(), Some(&&*format!("{} engines agree", entries().count())));
    // Traps and rejections are reported as with one engine.
    let trap = run(&["-e", "/", "6", "0", "--engine", "tree,regs"]);
    expect(&trap, 1, "tree  trap division by zero 1:1\nregs  trap division by zero 1:1\n2 engines agree\n");
    assert_eq!(trap.stderr.matches("error: division by zero").count(), 1, "{}", trap.stderr);
    expect(&run(&["-e", "+", "--engine", "tree,regs"]), 1, "front end  rejected underflow 1:1\n");
    // Each run has its own lines.
    expect(
        &run(&["-e", "/", "--input", "6,3", "--input", "6,0", "--engine", "tree,jit"]),
        1,
        "inputs 6 3:\ntree  2\njit   2\n2 engines agree\ninputs 6 0:\ntree  trap division by zero 1:1\n\
         jit   trap division by zero 1:1\n2 engines agree\n",
    );
    // One engine, even if named several times, prints its plain output.
    expect(&run(&["-e", "1", "--engine", "tree,tree"]), 0, "1\n");
    refused(&run(&["-e", "1", "--engine", "jit,regs", "--perf-map"]), "--perf-map needs exactly one engine");
    refused(&run(&["-e", "1", "--engine", "tree,nothing"]), "nothing");
}

#[test]
fn each_engine_has_its_own_line_of_json() {
    let ended = cli(&["run", "-e", "1 +", "--engine", "tree,regs", "--json", "--input", "6", "--input", "7"]);
    let lines: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let told: Vec<_> = lines.iter().map(|line| (&line["engine"], &line["inputs"][0], &line["stack"][0])).collect();
    let value = |number: i64| serde_json::json!(number);
    let (tree, regs) = (serde_json::json!("tree"), serde_json::json!("regs"));
    assert_eq!(
        told,
        [
            (&tree, &value(6), &value(7)),
            (&regs, &value(6), &value(7)),
            (&tree, &value(7), &value(8)),
            (&regs, &value(7), &value(8)),
        ]
    );
    assert!(lines.iter().all(|line| line["agree"] == true && line["outcome"] == "done"), "{}", ended.stdout);
}

#[test]
fn the_engines_are_listed() {
    let listed = cli(&["engines"]);
    assert_eq!((listed.code, listed.stderr.as_str()), (0, ""));
    let json = cli(&["engines", "--json"]);
    assert_eq!(listed.stdout.lines().count(), 1 + entries().count());
    for ((line, json), entry) in listed.stdout.lines().skip(1).zip(json.stdout.lines()).zip(entries()) {
        let json: serde_json::Value = serde_json::from_str(json).expect("it is JSON");
        assert_eq!((&json["engine"], &json["what"]), (&entry.name.into(), &entry.what.into()));
        assert_eq!(json["default"], entry.name == fastest());
        let mark = if entry.name == fastest() { "*" } else { "" };
        let runs = if json["runs"] == true { "yes" } else { "no" };
        assert!(line.starts_with(&format!("{}{mark} ", entry.name)) && line.contains(&format!(" {runs} ")), "{line}");
        assert!(line.contains(entry.what), "{line}");
        // The list agrees with a run.
        let ended = cli(&["run", "-e", "1", "--engine", entry.name]);
        assert_eq!(ended.code == 0, json["runs"] == true, "{}: {}", entry.name, ended.stderr);
        assert_eq!(json.get("why_not").is_none(), json["runs"] == true);
    }
}

// Unexpected outcomes.

#[test]
fn an_outcome_that_no_case_expects_is_an_error() {
    let check = |text: &str| cli(&["check", "-e", text, "--engine", "tree,jit"]);
    expect(&check("2 3 *"), 0, "ok -e: 6\n1 program, 1 case x 2 engines, 4 runs: all agree\n");
    expect(&check("\\ case: 1 -> 2\n1 +"), 0, "ok -e: 1 case\n1 program, 1 case x 2 engines, 4 runs: all agree\n");
    let unexpected = "1 program rejected or stopped, which no case expects";
    let ended = check("1 +");
    let first = "REJECTED -e: rejected underflow 1:3, which no case expects";
    expect(&ended, 1, &format!("{first}\n1 program, 1 case x 2 engines, 0 runs: nothing to compare; {unexpected}\n"));
    assert!(ended.stderr.contains("1 | 1 +\n  |   ^ needs 2"), "{}", ended.stderr);
    let ended = check("1 0 /");
    let first = "STOPPED -e: trap division by zero 1:5, which no case expects";
    expect(&ended, 1, &format!("{first}\n1 program, 1 case x 2 engines, 4 runs: all agree; {unexpected}\n"));
    assert!(ended.stderr.contains("1 | 1 0 /\n  |     ^ the divisor"), "{}", ended.stderr);
    refused(&cli(&["check", "-e", "1", "x.stk"]), "cannot be used with");
}

#[test]
fn an_unexpected_outcome_of_a_case_shows_its_location() {
    let check = |text: &str| cli(&["check", "-e", text, "--engine", "tree,jit"]);
    let rejected = check("\\ case: -> 3\n\\ case: -> 4\n1 +");
    assert_eq!(rejected.code, 4);
    // Shown once, although it occurs in two cases.
    assert_eq!(rejected.stderr.matches("3 | 1 +\n  |   ^ needs 2").count(), 1, "{}", rejected.stderr);
    let trapped = check("\\ case: 0 -> 3\n7 swap /");
    assert_eq!(
        (trapped.code, trapped.stderr.matches("  |        ^ the divisor").count()),
        (4, 1),
        "{}",
        trapped.stderr
    );
    // An expected outcome is not shown.
    assert_eq!(check("\\ case: -> rejected underflow 2:3\n1 +").stderr, "");
    assert_eq!(check("\\ case: 0 -> trap division by zero 2:8\n7 swap /").stderr, "");
}

#[test]
fn a_comment_that_only_looks_like_a_case_causes_a_warning() {
    let folder = folder("near-misses");
    let path = file(&folder, "near.stk", "\\ Case: 1 -> 2\n1 + \\ case: 1 -> 9\n\\ case: 1 -> 2\n");
    let warnings = format!(
        "warning: {path}:1:1: this comment is not parsed as a case: a case begins with `\\ case` in lowercase\n\
         warning: {path}:2:5: this comment is not parsed as a case: a case must be on a line of its own\n"
    );
    for verb in ["check", "run", "asm"] {
        let ended = cli(&[verb, &path]);
        assert!(ended.code == 0 && ended.stderr.starts_with(&warnings), "{verb}: {}", ended.stderr);
    }
    let many = file(&folder, "many.stk", "\\ Case: -> \n".repeat(1000));
    let ended = cli(&["check", &many, "--engine", "tree"]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (0, 6), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("many.stk: not parsed as cases either: 995 more comments\n"), "{}", ended.stderr);
    // The corpus has none.
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");
    let ended = cli(&["check", corpus, "--engine", "bytecode"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

/// With four times as many cases, `check` takes about four times as long. A quadratic algorithm would take 16 times as long.
#[test]
fn check_takes_time_linear_in_the_number_of_cases() {
    let folder = folder("cases");
    let time = |count: usize, engine: &str| {
        let cases: String = (0..count).map(|input| format!("\\ case: {input} 2 -> {}\n", input + 2)).collect();
        let path = file(&folder, &format!("{count}.stk"), cases + "+\n");
        let begin = Instant::now();
        let ended = cli(&["check", &path, "--engine", engine]);
        assert_eq!(ended.code, 0, "{}", ended.stdout);
        begin.elapsed()
    };
    // Other processes may disturb a measurement, so the minimum of several counts.
    for engine in ["tree", "bytecode"] {
        let few = || time(5_000, engine).max(Duration::from_millis(1)).as_secs_f64();
        let grows = || time(20_000, engine).as_secs_f64() / few();
        let least = (0..5).map(|_| grows()).fold(f64::INFINITY, f64::min);
        assert!(least < 9.0, "{engine}: {least} times as long");
    }
}

// The manual.

#[test]
fn each_cited_page_of_the_manual_is_written() {
    let folder = folder("manual");
    let pages = folder.join("man1");
    let out = pages.to_str().expect("it is UTF-8");
    expect(&cli(&["man", "--out", out]), 0, "");
    let mut cited = 0;
    for entry in std::fs::read_dir(&pages).expect("it was made") {
        let text = std::fs::read_to_string(entry.expect("it can be read").path()).expect("it is UTF-8");
        for citation in text.split_whitespace().filter_map(|word| word.strip_suffix("(1)")) {
            let name = citation.replace("\\-", "-");
            assert!(pages.join(format!("{name}.1")).exists(), "{name} is cited");
            cited += 1;
        }
    }
    assert!(cited >= 11, "{cited}");
    let run = std::fs::read_to_string(pages.join("jitduel-run.1")).expect("it was written");
    expect(&cli(&["man", "run"]), 0, &run);
    assert!(run.contains(".TH jitduel-run 1"), "{run}");
    refused(&cli(&["man", "rum"]), "there is no verb `rum`");
    refused(&cli(&["man", "--out", "/dev/null/x"]), "cannot write `/dev/null/x/jitduel.1`");
}

/// Counts of one use the singular.
#[test]
fn a_count_of_one_is_singular() {
    let folder = folder("counts");
    let out = folder.join("one");
    let ended = cli(&["gen", "--out", out.to_str().expect("it is UTF-8")]);
    assert_eq!(ended.stderr, format!("1 program in {}\n", out.display()));
    assert!(cli(&["gen", "--stats"]).stdout.starts_with("1 program\n"));
    // A terminal would obey the name of a folder that has control characters.
    let ended = jitduel(["gen", "--out", "\u{1b}[2J"]).current_dir(&folder).run();
    assert_eq!(ended.stderr, "1 program in \\u{1b}[2J\n");
    let findings = folder.join("findings");
    let ended = cli(&[
        "fuzz",
        "--programs",
        "1",
        "--seed",
        "1",
        "--engine",
        ENGINES[0],
        "--findings",
        findings.to_str().expect("it is UTF-8"),
    ]);
    assert!(ended.stdout.starts_with("1 program in "), "{}", ended.stdout);
}
