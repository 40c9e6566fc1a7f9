//! What `fuzz` makes of processes that somebody kills, of a folder that it cannot write, and of a sequence's end.
//!
//! No engine is wrong, so that these tests end its processes with the signals of programs that are.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::binary::{SMALL, file, folder, jitduel};

/// A campaign with one process at a time, which ends with what it finds first, and after a while in any case.
const CAMPAIGN: [&str; 11] =
    ["fuzz", "--seed", "1", "--jobs", "1", "--engine", "bytecode", "--time", "20s", "--max-findings", "1"];

/// Signals of processes that are not our children are Linux's to tell.
fn is_left_out(what: &str) -> bool {
    let is_left_out = SMALL || cfg!(not(target_os = "linux"));
    if is_left_out {
        println!(
            "NOT RUN: {what}, since this host does not tell the processes of a process, or an emulator its signals"
        );
    }
    is_left_out
}

/// Sends a signal to the process that judges programs for this one, once there is one, and waits until it has ended.
fn kill_worker(fuzz: &Child, signal: &str) {
    let started = Instant::now();
    let children = format!("/proc/{0}/task/{0}/children", fuzz.id());
    let worker = loop {
        let children = fs::read_to_string(&children).expect("the kernel tells children");
        if let Some(worker) = children.split_whitespace().next() {
            break worker.to_owned();
        }
        assert!(started.elapsed() < Duration::from_secs(60), "no process was started");
        std::thread::sleep(Duration::from_millis(5));
    };
    let is_there =
        || fs::read_to_string(&children).is_ok_and(|all| all.split_whitespace().any(|child| child == worker));
    while is_there() {
        assert!(started.elapsed() < Duration::from_secs(60), "{signal} does not end it");
        // Again, should it come before the process has its own way with such signals. One that has ended takes no notice.
        let _ = Command::new("kill").args(["-s", signal, &worker]).stderr(Stdio::null()).status();
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The exit code, and what was printed and said.
fn ended(fuzz: Child) -> (Option<i32>, String, String) {
    let output = fuzz.wait_with_output().expect("it was started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_process_that_somebody_kills_is_no_disagreement() {
    if is_left_out("processes that somebody kills") {
        return;
    }
    let campaign = ["fuzz", "--seed", "1", "--jobs", "1", "--engine", "bytecode", "--time", "3s"];
    let signals = ["KILL", "TERM", "HUP", "INT", "XCPU"];
    let campaigns = signals.map(|signal| (signal, jitduel(campaign).spawn()));
    campaigns.iter().for_each(|(signal, fuzz)| kill_worker(fuzz, signal));
    for (signal, fuzz) in campaigns {
        let (code, stdout, stderr) = ended(fuzz);
        assert!(code == Some(0) && stdout.ends_with(": all agree\n"), "{code:?} {stdout}{stderr}");
        let said = format!(" was killed by SIG{signal} from outside; it begins again\n");
        assert_eq!(stderr.matches(&said).count(), 1, "{stderr}");
    }
}

#[test]
fn a_crash_is_a_finding_whoever_reads() {
    if is_left_out("crashes") {
        return;
    }
    for signal in ["SEGV", "BUS", "ILL", "FPE", "ABRT"] {
        let folder = folder(&format!("crash-{signal}"));
        let mut fuzz = jitduel(CAMPAIGN).current_dir(&folder).spawn();
        // Nobody reads its standard output.
        drop(fuzz.stdout.take());
        kill_worker(&fuzz, signal);
        let (code, _, stderr) = ended(fuzz);
        assert!(code == Some(4) && stderr.contains(&format!(": killed by SIG{signal}; ")), "{code:?} {stderr}");
        let found = fs::read_dir(folder.join("corpus/regressions")).expect("it was made").count();
        assert_eq!(found, 1, "{stderr}");
    }
}

#[test]
fn what_cannot_be_kept_is_printed() {
    if is_left_out("findings that cannot be kept") {
        return;
    }
    for json in [false, true] {
        let folder = folder(&format!("unkept-{json}"));
        let arguments = CAMPAIGN.iter().chain(&["--findings", "found"]).chain(json.then_some(&"--json"));
        let mut fuzz = jitduel(arguments).current_dir(&folder).spawn();
        // Once it has begun, the folder can no longer be made.
        let mut begun = [0; 4];
        fuzz.stderr.as_mut().expect("it is piped").read_exact(&mut begun).expect("it says the seed");
        file(&folder, "found", "");
        kill_worker(&fuzz, "SEGV");
        let (code, stdout, stderr) = ended(fuzz);
        assert!(code == Some(4) && stderr.contains("error: cannot write `found/fuzz-1-"), "{code:?} {stderr}");
        let whole = if json { "\"text\":\"" } else { "\\ case" };
        assert!(stdout.contains(whole) && stdout.contains("killed by SIGSEGV"), "{stdout}");
        assert_eq!(json, stdout.contains("\"file\":null"));
        assert!(json || stdout.contains(" 1 DISAGREE, of 1 kind\n"), "{stdout}");
        assert!(!stdout.starts_with('0') && !stdout.contains("\n0 programs"), "{stdout}");
    }
}

#[test]
fn an_older_finding_stays() {
    if is_left_out("findings of the same name") {
        return;
    }
    let folder = folder("older");
    // Whatever program it is at: names of the first thousands are taken.
    let taken = |index: u64| folder.join(format!("fuzz-1-{index}.stk"));
    for index in 0..20_000 {
        fs::write(taken(index), "older").expect("it is ours");
    }
    let fuzz = jitduel(CAMPAIGN.iter().chain(&["--findings", "."])).current_dir(&folder).spawn();
    kill_worker(&fuzz, "SEGV");
    assert_eq!(ended(fuzz).0, Some(4));
    for index in 0..20_000 {
        assert_eq!(fs::read(taken(index)).expect("it is there"), b"older");
    }
    let paths = fs::read_dir(&folder).expect("it is ours").map(|entry| entry.expect("it can be read").path());
    let new: Vec<_> = paths.filter(|path| fs::read(path).expect("it is a file") != b"older").collect();
    assert!(new.len() == 1 && new[0].to_str().is_some_and(|path| path.ends_with("-2.stk")), "{new:?}");
}

#[test]
fn a_folder_that_cannot_be_written_is_said_before_anything_runs() {
    let folder = folder("unwritable");
    file(&folder, "file", "");
    for findings in ["file", "file/below", "/proc/self/findings"] {
        if !Path::new("/proc").exists() && findings.starts_with("/proc") {
            println!("NOT RUN: {findings}, which this host has not");
            continue;
        }
        let ended = jitduel(["fuzz", "--programs", "1", "--findings", findings]).current_dir(&folder).run();
        let said = ended.stderr.starts_with(&format!("error: cannot write `{findings}`: "));
        assert!(ended.code == 2 && ended.stdout.is_empty() && said, "{ended:?}");
    }
    // A folder is made only when there is something to keep.
    let ended = jitduel(["fuzz", "--programs", "1", "--findings", "new/folder"]).current_dir(&folder).run();
    assert!(ended.code == 0 && !folder.join("new").exists(), "{ended:?}");
}

#[test]
fn nothing_is_never_said_to_agree() {
    let last = (u64::MAX - 1).to_string();
    let beyond = u64::MAX.to_string();
    for arguments in [
        &["--first", &beyond][..],
        &["--first", &beyond, "--programs", "1"],
        &["--first", &last, "--programs", "2"],
        &["--first", "1", "--programs", &beyond],
        &["--first", &last, "--shard", "2/2"],
        &["--programs", "0"],
        &["--time", "0s"],
        &["--max-findings", "0"],
    ] {
        let ended = jitduel(["fuzz"].iter().chain(arguments)).run();
        assert!(ended.code == 2 && ended.stdout.is_empty() && !ended.stderr.is_empty(), "{arguments:?}: {ended:?}");
    }
    let ended = jitduel(["fuzz", "--first", &last, "--engine", "bytecode", "--programs", "1"]).run();
    assert!(ended.code == 0 && ended.stdout.starts_with("1 program in "), "{ended:?}");
    // What is left is judged where nobody says how much.
    let ended = jitduel(["fuzz", "--first", &last, "--engine", "bytecode", "--time", "60s"]).run();
    assert!(ended.code == 0 && ended.stdout.starts_with("1 program in "), "{ended:?}");
}
