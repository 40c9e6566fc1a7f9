//! `--external`: the example VM agrees with the engines, a bug in it is found, and every way in which a command can misbehave is
//! reported.
//!
//! Tests that need Python report `NOT RUN` if it is not installed. If JITDUEL_WITNESSES is `required`, this is a
//! failure.

use std::fs;
use std::path::Path;

use crate::binary::{Ended, SMALL, file, folder, jitduel, python, refused, script};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The command that runs a VM in Python. Without the search for packages, Python starts faster.
fn vm(python: &str, path: &str) -> String {
    format!("'{python}' -E -S '{path}' {{file}}")
}

/// The example VM.
fn example() -> String {
    root().join("examples/vm.py").to_str().expect("the tests' paths are UTF-8").to_owned()
}

/// A copy of the example VM in which one text is replaced by another.
fn with_bug(folder: &Path, right: &str, wrong: &str) -> String {
    let text = fs::read_to_string(example()).expect("it is there");
    assert_eq!(text.matches(right).count(), 1, "{right}");
    file(folder, "vm.py", text.replace(right, wrong))
}

/// Checks a program without cases and without inputs.
fn check(text: &str, command: &str) -> Ended {
    jitduel(["check", "-e", text, "--engine", "tree,bytecode", "--external", command]).run()
}

/// Asserts that the command is at fault for the program `1 2 +`, in this way.
#[track_caller]
fn assert_found(command: &str, how: &str) {
    let ended = check("1 2 +", command);
    let [expected, again] = ["", " without fuel"].map(|run| format!("\n  {command}{run}: {how}"));
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.stdout.starts_with("FAILED -e: engines disagree\n  tree: 3\n  bytecode: 3\n"), "{ended:?}");
    assert!(ended.stdout.contains(&expected) && ended.stdout.contains(&again), "{ended:?}");
}

#[test]
fn the_example_agrees_on_programs_of_the_corpus() {
    let Some(python) = python() else { return };
    // A part of each folder, because each run starts a process.
    let folders = ["corpus/basics", "corpus/traps", "corpus/regressions"];
    let mut paths = Vec::new();
    for folder in folders {
        let files = fs::read_dir(root().join(folder)).expect("it is there");
        let mut files: Vec<_> = files.map(|file| file.expect("it can be read").path()).collect();
        files.sort();
        paths.extend(files.into_iter().step_by(if SMALL { 100 } else { 25 }));
    }
    assert!(paths.len() >= if SMALL { 5 } else { 20 }, "{}", paths.len());
    let paths = paths.iter().map(|path| path.to_str().expect("it is UTF-8"));
    let command = vm(python, &example());
    let options = ["check", "--engine", "tree", "--external", &command];
    let ended = jitduel(options.into_iter().chain(paths)).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let summary = ended.stdout.lines().last().expect("it has lines");
    assert!(summary.contains(": all agree; the command: ") && summary.ends_with(" runs, 0 unsupported"), "{summary}");
}

#[test]
fn the_example_agrees_on_random_programs() {
    let Some(python) = python() else { return };
    let command = vm(python, &example());
    let ended = jitduel(["fuzz", "--seed", "1", "--programs", "30", "--engine", "tree", "--external", &command]).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.starts_with(&format!("seed 1, shard 1 of 1, engines tree {command}\n")), "{ended:?}");
    assert!(
        ended.stdout.starts_with("30 programs in ") && ended.stdout.ends_with(" runs, 0 unsupported\n"),
        "{ended:?}"
    );
}

/// The summary of a campaign that stops at its first finding.
fn hunt(folder: &Path, command: &str) -> serde_json::Value {
    let options = ["fuzz", "--seed", "1", "--time", "280s", "--max-findings", "1", "--engine", "tree", "--json"];
    let more = ["--findings", "found", "--external", command];
    let ended = jitduel(options.into_iter().chain(more)).current_dir(folder).run();
    assert_eq!(ended.code, 4, "{ended:?}");
    let summary: serde_json::Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
    assert_eq!(summary["findings"][0]["engines"], serde_json::json!([command]), "{ended:?}");
    summary
}

#[test]
fn a_bug_in_the_example_is_found_and_its_program_shrunk() {
    let Some(python) = python() else { return };
    let folder = folder("bug");
    let command = vm(python, &with_bug(&folder, "\"max\": max", "\"max\": min"));
    let summary = hunt(&folder, &command);
    let finding = &summary["findings"][0];
    assert_eq!(finding["class"], "other values", "{finding}");
    let text = finding["text"].as_str().expect("the program is known");
    assert!(text.contains("max") && text.split_whitespace().count() <= 4, "{finding}");
    let inputs = finding["inputs"].as_array().expect("the inputs are known");
    assert!(text.split_whitespace().count() + inputs.len() <= 4, "{finding}");
    // The file repeats it, with a comment that names the command.
    let path = folder.join(finding["file"].as_str().expect("it was saved"));
    let saved = fs::read_to_string(&path).expect("it was saved");
    assert!(saved.ends_with(&format!(": other values\n\\ engines at fault: {command}\n")), "{saved}");
    let again = |command: &str| {
        jitduel(["check", path.to_str().expect("it is UTF-8"), "--engine", "tree", "--external", command]).run()
    };
    assert_eq!(again(&command).code, 4);
    assert_eq!(again(&vm(python, &example())).code, 0);
}

#[test]
fn a_crash_for_some_programs_is_found_and_its_program_shrunk() {
    // It knows the right results from the engines, but crashes at each `xor`.
    let folder = folder("crash");
    let exe = env!("CARGO_BIN_EXE_jitduel");
    let text = format!("grep -q xor \"$1\" && kill -s SEGV $$; exec '{exe}' run --engine tree \"$@\"");
    if SMALL {
        println!("NOT RUN: a script that starts the binary, which an emulator may not be able to do");
        return;
    }
    let command = format!("{} {{file}}", script(&folder, "vm", &text));
    let finding = &hunt(&folder, &command)["findings"][0];
    assert_eq!(finding["class"], "killed by SIGSEGV", "{finding}");
    assert_eq!(finding["text"].as_str().map(str::trim), Some("xor"), "{finding}");
}

#[test]
fn the_binary_itself_is_an_external_vm() {
    if SMALL {
        println!("NOT RUN: the binary as a command of itself, which an emulator may not be able to start");
        return;
    }
    let command = format!("'{}' run --engine tree {{file}}", env!("CARGO_BIN_EXE_jitduel"));
    let folder = root().join("corpus/traps");
    let files = fs::read_dir(&folder).expect("it is there").map(|file| file.expect("it can be read").path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    let some = files.iter().step_by(20).map(|path| path.to_str().expect("it is UTF-8"));
    let options = ["check", "--engine", "tree", "--external", &command];
    let ended = jitduel(options.into_iter().chain(some)).run();
    assert!(ended.code == 0 && ended.stdout.contains(": all agree; the command: "), "{ended:?}");
}

#[test]
fn every_misbehavior_is_reported() {
    let folder = folder("misbehaviors");
    let command = |name: &str, text: &str| format!("{} {{file}}", script(&folder, name, text));
    assert_found(&command("wrong", "echo 4"), "4\n");
    assert_found(&command("trap", "echo trap out of fuel 1:1; exit 1"), "trap out of fuel 1:1\n");
    assert_found(&command("crash", "kill -s SEGV $$"), "killed by SIGSEGV; it printed ``\n");
    assert_found(&command("status", "echo no >&2; exit 9"), "exited with status 9; it printed ``\n    no\n");
    assert_found(&command("silent", ""), "no output; it printed ``\n");
    assert_found(&command("garbage", "echo hello"), "other output than a result; it printed `hello\\n`\n");
    let endless = check("1 2 +", &command("endless", "yes"));
    assert!(endless.code == 4 && endless.stdout.contains(": too much output; it printed `y\\ny\\n"), "{endless:?}");
    // A second option sets the time, and JSON has the same facts.
    let hanging = command("hanging", "sleep 1000");
    let options =
        ["check", "-e", "1 2 +", "--engine", "tree", "--json", "--external-time", "1s", "--external", &hanging];
    let ended = jitduel(options).run();
    assert_eq!(ended.code, 4, "{ended:?}");
    let line: serde_json::Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
    let told = serde_json::json!({
        "engine": hanging, "outcome": "failed", "class": "hang", "detail": "not ended after 1s"
    });
    assert_eq!((&line["agree"], &line["engines"][1]), (&false.into(), &told), "{ended:?}");
}

/// If the signal of ended children is ignored, the system forgets how they ended. Our parent may have ignored it.
#[cfg(target_os = "linux")]
#[test]
fn a_parent_that_ignores_ended_children_does_not_matter() {
    let ignoring = |arguments: &[&str]| jitduel(arguments).by_shell("exec env --ignore-signal=CHLD \"$@\"").run();
    let command = format!("{} {{file}}", script(&folder("ignored"), "vm", "echo 3"));
    let ended = ignoring(&["check", "-e", "1 2 +", "--engine", "tree", "--external", &command]);
    assert!(
        ended.code == 0 && ended.stdout.ends_with(": all agree; the command: 2 runs, 0 unsupported\n"),
        "{ended:?}"
    );
    let ended = ignoring(&["fuzz", "--seed", "1", "--programs", "5", "--engine", "tree"]);
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn unsupported_runs_are_counted() {
    let folder = folder("unsupported");
    let never = format!("{} {{file}}", script(&folder, "never", "echo unsupported"));
    let metered = script(&folder, "metered", "case \"$*\" in *--fuel=*) echo unsupported ;; *) echo 3 ;; esac");
    let ended = check("1 2 +", &format!("{metered} {{file}}"));
    let summary = "1 program, 1 case x 2 engines, 4 runs: all agree; the command: 1 run, 1 unsupported\n";
    assert!(ended.code == 0 && ended.stdout.ends_with(summary), "{ended:?}");
    // If nothing was compared, the check does not succeed.
    let ended = check("1 2 +", &never);
    assert!(
        ended.code == 2 && ended.stdout.ends_with("; the command: NOTHING COMPARED, 0 runs, 2 unsupported\n"),
        "{ended:?}"
    );
    let options = ["fuzz", "--seed", "1", "--programs", "5", "--engine", "tree", "--external", &never];
    let ended = jitduel(options).run();
    assert!(ended.code == 2 && ended.stdout.contains("; the command: NOTHING COMPARED, 0 runs, "), "{ended:?}");
    // A program that is rejected never reaches the command.
    let ended = check("1 +", &never);
    assert!(ended.code == 1 && ended.stdout.ends_with("; the command: 0 runs, 0 unsupported\n"), "{ended:?}");
}

/// Not even by the processes of a campaign, which are killed when it has found enough.
#[test]
fn no_file_is_left_behind() {
    let folder = folder("left");
    let command = format!("{} {{file}}", script(&folder, "vm", "echo 3"));
    for temporary in ["check", "fuzz"] {
        fs::create_dir(folder.join(temporary)).expect("it is ours");
    }
    let temporary = |name: &str| folder.join(name).to_str().expect("the tests' paths are UTF-8").to_owned();
    let options = ["--engine", "tree", "--external", &command];
    let checked = jitduel(["check", "-e", "1 2 +"].iter().chain(&options)).env("TMPDIR", &temporary("check")).run();
    assert_eq!(checked.code, 0, "{checked:?}");
    let fuzz = ["fuzz", "--seed", "1", "--time", "200s", "--max-findings", "1", "--findings", "found"];
    let fuzz = jitduel(fuzz.iter().chain(&options)).env("TMPDIR", &temporary("fuzz")).current_dir(&folder);
    let fuzzed = fuzz.run();
    assert!(fuzzed.code == 4 && fuzzed.stdout.contains(" 1 DISAGREE, of 1 kind; the command: "), "{fuzzed:?}");
    for name in ["check", "fuzz"] {
        assert_eq!(fs::read_dir(temporary(name)).expect("it is ours").count(), 0, "{name}");
    }
}

#[test]
fn a_command_that_cannot_be_started_is_wrong_usage() {
    for verb in [&["check", "-e", "1"][..], &["fuzz", "--programs", "1"]] {
        for (command, message) in [
            ("/no/such/vm {file}", "cannot start the command `/no/such/vm {file}`: No such file"),
            ("cat", "the command `cat` needs the word `{file}`"),
            ("cat '{file}", "has a quote that is not closed"),
        ] {
            refused(&jitduel(verb.iter().chain(&["--engine", "tree", "--external", command])).run(), message);
        }
        refused(&jitduel(verb.iter().chain(&["--external-time", "5s"])).run(), "--external");
    }
}
