//! `run` on the engine `tiered`: its threshold, a remembered profile, and the time line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binary::{Ended, jitduel};
use jitduel::tiers::support;

/// The counts of its loops are in memory, so they are not foreseen.
const HOT: &str = ": f ( n -- m ) 0 swap times 1 + end ; 1 array a 100000 a ! a @ f a @ times 1 + end";

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tiering-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    folder
}

fn run(arguments: &[&str]) -> Ended {
    jitduel([&["run", "-e", HOT, "--engine", "tiered"], arguments].concat()).run()
}

fn profiled(profile: &Path) -> Ended {
    run(&["--explain", "--profile", profile.to_str().expect("its name is text")])
}

#[test]
fn explain_says_what_was_compiled_and_why() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let ended = run(&["--explain"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "200000\n"), "{}", ended.stderr);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let [begun, compiled, entered, again, last] = lines[..] else { panic!("{}", ended.stderr) };
    assert!(begun.contains(" us  interpreted the bytecode of the program for about "), "{begun}");
    assert!(begun.ends_with(" operations, and begins again"), "{begun}");
    assert!(compiled.contains(" us  compiled `f` at `times` (operation ") && compiled.contains("its work of "));
    assert!(compiled.ends_with("so that compiling it pays"), "{compiled}");
    assert!(entered.contains(" us  entered `f` at `times`") && again.contains("compiled the program at `times`"));
    assert!(last.contains("entered the program at `times`"), "{last}");
    // What is foreseen is compiled as a whole.
    let explained = |text: &str| {
        let ended = jitduel(["run", "-e", text, "--engine", "tiered", "--explain"]).run();
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stderr
    };
    let foreseen = explained("0 100000 times 1 + end");
    assert!(
        foreseen.contains("compiled the program with `regs`: ") && foreseen.contains("its work of 3000"),
        "{foreseen}"
    );
    let recursive = explained(": f ( n -- m ) dup 1 > if dup 1 - f swap 2 - f + end ; 9 f");
    assert!(recursive.contains("with `jit`: ") && recursive.contains("because its work is not known"), "{recursive}");
    // Inputs of several lengths are several programs, each with a time line of its own.
    let arguments = ["run", "-e", "1", "--engine", "tiered", "--explain", "--threshold", "0"];
    let ended = jitduel(arguments.iter().chain(&["--input", "1", "--input", "1,2", "--input", ""])).run();
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let [none, .., one, _, _, two, _, _] = lines[..] else { panic!("{}", ended.stderr) };
    assert_eq!((none, one, two), ("with 0 inputs:", "with 1 input:", "with 2 inputs:"), "{}", ended.stderr);
    // The threshold replaces the calculation.
    let ended = run(&["--explain", "--threshold", "2"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "200000\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("; visit 2, as the threshold says\n"), "{}", ended.stderr);
    // Code of `jit` that has done its share of work is left for that of `regs`.
    let open = jitduel(["run", "-e", "0 1000 while dup do 1 - end", "--threshold", "2", "--explain"]).run();
    assert!(open.stderr.contains("with `regs`: ") && !open.stderr.contains("visit 0"), "{}", open.stderr);
    assert!(
        open.stderr.contains("; code of `jit` has done 16 of its operations, as the threshold says\n"),
        "{}",
        open.stderr
    );
    let ended = run(&["--explain", "--threshold", "0"]);
    assert!(ended.stderr.contains("before it begins, as the threshold says\n"), "{}", ended.stderr);
    let ended = run(&["--explain", "--threshold", "never"]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("200000\n", "nothing was compiled\n"));
    // Without other engines, these options need not name the engine.
    let ended = jitduel(["run", "-e", "1", "--threshold", "1"]).run();
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "1\n"), "{}", ended.stderr);
}

#[test]
fn options_of_the_tiered_engine_are_refused_for_others() {
    for arguments in [["--engine", "regs", "--explain"], ["--engine", "tiered,regs", "--explain"]] {
        let ended = jitduel(["run", "-e", "1"].iter().chain(&arguments)).run();
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains("use --engine tiered"), "{}", ended.stderr);
    }
    let ended = run(&["--threshold", "never", "--profile", "nowhere"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("--threshold never compiles nothing"), "{}", ended.stderr);
    for threshold in ["-1", "x", ""] {
        let ended = run(&[&format!("--threshold={threshold}")]);
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(ended.stderr.contains("is neither a number from 0 on nor `never`"), "{}", ended.stderr);
    }
}

#[test]
fn a_profile_makes_the_next_run_begin_in_machine_code() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let folder = folder("next");
    // The folder of the file is made.
    let path = folder.join("new/profile");
    let first = profiled(&path);
    assert!(
        first.stderr.contains(": there is none yet\n") && first.stderr.ends_with(": written\n"),
        "{}",
        first.stderr
    );
    let second = profiled(&path);
    assert!(second.stderr.contains(": 2 functions remembered for this run\n"), "{}", second.stderr);
    assert!(
        second.stderr.contains("compiled the program with `")
            && second.stderr.contains("it was hot in an earlier run\n")
    );
    let third = profiled(&path);
    assert!(third.stderr.ends_with(": unchanged\n"), "{}", third.stderr);
    for ended in [first, second, third] {
        assert_eq!((ended.code, ended.stdout.as_str()), (0, "200000\n"));
    }
    // Another program and other options add to the file and do not use what it has.
    let other = |arguments: &[&str]| {
        let path = path.to_str().expect("its name is text");
        jitduel([arguments, &["--engine", "tiered", "--explain", "--profile", path]].concat()).run()
    };
    for arguments in [&["run", "-e", "0 99999 times 1 + end"][..], &["run", "-e", HOT, "--fuel", "1000000"]] {
        let ended = other(arguments);
        assert!(ended.stderr.contains(": 0 functions remembered"), "{}", ended.stderr);
        let again = other(arguments);
        assert!(!again.stderr.contains(": 0 functions remembered"), "{}", again.stderr);
    }
    assert!(profiled(&path).stderr.ends_with(": unchanged\n"), "nothing was forgotten");
}

/// If a later run cannot begin, what the earlier runs have shown is not lost.
#[test]
fn a_refused_input_loses_neither_profile_nor_time_line() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let path = folder("refused").join("profile");
    let name = path.to_str().expect("its name is text");
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/let/workloads/collatz.let");
    let runs = ["--input", "3000", "--input", "1,2"];
    let ended =
        jitduel(["run", program, "--engine", "tiered", "--explain", "--profile", name].iter().chain(&runs)).run();
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stdout.lines().count() == 1 && ended.stderr.contains(" us  compiled "), "{}", ended.stderr);
    assert!(ended.stderr.contains(": written\n") && path.exists(), "{}", ended.stderr);
}

#[test]
fn a_file_that_is_not_a_profile_is_ignored_and_kept() {
    let folder = folder("ignored");
    let said = |path: &Path, reason: &str| {
        let ended = profiled(path);
        assert_eq!((ended.code, ended.stdout.as_str()), (0, "200000\n"), "{}", ended.stderr);
        let note = format!("note: the profile `{}` is ignored: {reason}", path.display());
        assert!(ended.stderr.contains(&note), "{}\n{note}", ended.stderr);
        // What the file holds does not reach the terminal as it is, nor in any length, and is said once.
        assert!(ended.stderr.len() < 3_000 && ended.stderr.matches("the profile").count() == 1, "{}", ended.stderr);
        assert!(!ended.stderr.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", ended.stderr);
    };
    let deep = "[".repeat(200_000);
    let large = vec![b' '; (1 << 20) + 1];
    let empty = "{\"format\":\"jitduel-profiles/2\",\"profiles\":[]";
    let hostile = "{\"format\":\"jitduel-profiles/2\",\"profiles\":[{\"key\":null,\"hot\":[]}]}";
    let (long, escapes) = (format!("{empty},\"{}\":1}}", "x".repeat(500_000)), format!("{empty},\"\u{202e}RED\":1}}"));
    let cases: [(&str, &[u8], &str); 8] = [
        ("text", b"fn main() {}", "it is not a profile"),
        ("bytes", &[0xff, 0, 0xfe], "it is not a profile"),
        ("deep", deep.as_bytes(), "it is not a profile"),
        ("large", &large, "it has more than 1048576 bytes"),
        ("foreign", b"{\"format\":\"jitduel-profiles/9\"}", "its format is \"jitduel-profiles/9\""),
        ("hostile", hostile.as_bytes(), "it is damaged"),
        ("long", long.as_bytes(), "it is damaged: unknown field `xxx"),
        ("escapes", escapes.as_bytes(), "it is damaged: unknown field `\\u{202e}RED`"),
    ];
    for (name, bytes, reason) in cases {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("it can be written");
        said(&path, reason);
        assert!(std::fs::read(&path).expect("it is there") == bytes, "{name} was changed");
    }
    said(&folder, "it is not a regular file");
    let pipe = folder.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()));
    said(&pipe, "it is not a regular file");
}

/// The profile is replaced, so another process cannot lock the file itself.
#[test]
fn processes_that_share_a_profile_take_turns() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let folder = folder("shared");
    let path = folder.join("profile");
    let texts: Vec<String> = (0..8).map(|index| format!("{index} 50000 times 1 + end")).collect();
    let command = |text: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jitduel"));
        command.args(["run", "--engine", "tiered", "--explain", "-e", text, "--profile"]).arg(&path);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command
    };
    let children: Vec<_> = texts.iter().map(|text| command(text).spawn().expect("it starts")).collect();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for text in &texts {
        let output = command(text).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(": 1 function remembered") && said.ends_with(": unchanged\n"), "{text}: {said}");
    }
    // While another process has the lock for too long, the profile is not written, and the run is not lost.
    let lock = std::fs::File::open(&folder).expect("the folder can be opened");
    lock.lock().expect("nobody has the lock");
    let begun = std::time::Instant::now();
    let output = command("9 50000 times 1 + end").output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("was not written: another process has locked"), "{said}");
    assert!(begun.elapsed() >= Duration::from_secs(1));
}
