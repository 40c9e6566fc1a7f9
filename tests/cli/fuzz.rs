//! How `fuzz` handles killed processes, a folder that cannot be written, and the end of a sequence.
//!
//! No engine is wrong, so these tests kill its processes with the signals that a wrong engine would cause.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::binary::{SMALL, file, folder, jitduel};

/// A campaign with one process at a time, which stops at its first finding or after a time limit.
const CAMPAIGN: [&str; 11] =
    ["fuzz", "--seed", "1", "--jobs", "1", "--engine", "bytecode", "--time", "20s", "--max-findings", "1"];

/// Only Linux lists the children of another process.
fn is_left_out(what: &str) -> bool {
    let is_left_out = SMALL || cfg!(not(target_os = "linux"));
    if is_left_out {
        println!(
            "NOT RUN: {what}, since this host does not tell the processes of a process, or an emulator its signals"
        );
    }
    is_left_out
}

/// Waits for the worker process of this campaign, sends it a signal, and waits until it has ended.
fn kill_worker(fuzz: &mut Child, signal: &str) {
    let started = Instant::now();
    // Before it prints its second line, the campaign starts processes that try out the host.
    if let Some(stderr) = &mut fuzz.stderr {
        let (mut lines, mut byte) = (0, [0]);
        while lines < 2 {
            stderr.read_exact(&mut byte).expect("it prints two lines");
            lines += usize::from(byte == *b"\n");
        }
    }
    let file = format!("/proc/{0}/task/{0}/children", fuzz.id());
    // Nothing can be read once the campaign has ended.
    let children = || fs::read_to_string(&file).unwrap_or_default();
    let is_there = |process: &str| children().split_whitespace().any(|child| child == process);
    let worker = loop {
        if let Some(worker) = children().split_whitespace().next() {
            break worker.to_owned();
        }
        assert!(started.elapsed() < Duration::from_secs(60), "no process was started");
        std::thread::sleep(Duration::from_millis(5));
    };
    while is_there(&worker) {
        assert!(started.elapsed() < Duration::from_secs(60), "{signal} does not end it");
        // Sent repeatedly, because the first signal may arrive before the process has restored its signal handlers. A process
        // that has ended ignores it.
        let _ = Command::new("kill").args(["-s", signal, &worker]).stderr(Stdio::null()).status();
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The exit code, standard output and standard error.
fn ended(fuzz: Child) -> (Option<i32>, String, String) {
    let output = fuzz.wait_with_output().expect("it was started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Whether this process ignores a signal, and so do the processes that it starts. `nohup` makes processes ignore one.
fn is_ignored(name: &str, number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("the kernel describes processes");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("it lists ignored signals");
    let is_ignored = u64::from_str_radix(mask.trim(), 16).expect("it is a number") >> (number - 1) & 1 == 1;
    if is_ignored {
        println!("NOT RUN: SIG{name}, which this process ignores");
    }
    is_ignored
}

#[test]
fn a_process_killed_from_outside_is_not_a_disagreement() {
    if is_left_out("processes killed from outside") {
        return;
    }
    // By programs and not by time, so that on a busy machine it still runs when its process is killed.
    let campaign = ["fuzz", "--seed", "1", "--jobs", "1", "--engine", "bytecode", "--programs", "4000"];
    let signals = [("KILL", 9), ("TERM", 15), ("HUP", 1), ("INT", 2), ("XCPU", 24)];
    let campaigns = signals.into_iter().filter(|(name, number)| !is_ignored(name, *number)).map(|(signal, _)| {
        let mut fuzz = jitduel(campaign).spawn();
        // Before another campaign begins, because this one may soon end.
        kill_worker(&mut fuzz, signal);
        (signal, fuzz)
    });
    let campaigns: Vec<_> = campaigns.collect();
    for (signal, fuzz) in campaigns {
        let (code, stdout, stderr) = ended(fuzz);
        assert!(code == Some(0) && stdout.ends_with(": all agree\n"), "{code:?} {stdout}{stderr}");
        let said = format!(" was killed by SIG{signal} from outside; retrying\n");
        assert_eq!(stderr.matches(&said).count(), 1, "{stderr}");
    }
}

#[test]
fn a_crash_is_a_finding_even_if_nobody_reads_the_output() {
    if is_left_out("crashes") {
        return;
    }
    for signal in ["SEGV", "BUS", "ILL", "FPE", "ABRT"] {
        let folder = folder(&format!("crash-{signal}"));
        let mut fuzz = jitduel(CAMPAIGN).current_dir(&folder).spawn();
        // Nobody reads its standard output.
        drop(fuzz.stdout.take());
        kill_worker(&mut fuzz, signal);
        let (code, _, stderr) = ended(fuzz);
        assert!(code == Some(4) && stderr.contains(&format!(": killed by SIG{signal}; ")), "{code:?} {stderr}");
        let found = fs::read_dir(folder.join("corpus/regressions")).expect("it was made").count();
        assert_eq!(found, 1, "{stderr}");
    }
}

#[test]
fn a_finding_that_cannot_be_saved_is_printed() {
    if is_left_out("findings that cannot be kept") {
        return;
    }
    for json in [false, true] {
        let folder = folder(&format!("unkept-{json}"));
        let arguments = CAMPAIGN.iter().chain(&["--findings", "found"]).chain(json.then_some(&"--json"));
        let mut fuzz = jitduel(arguments).current_dir(&folder).spawn();
        // After the start, a file takes the folder's name, so the folder cannot be created.
        let mut begun = [0; 4];
        fuzz.stderr.as_mut().expect("it is piped").read_exact(&mut begun).expect("it prints the seed");
        file(&folder, "found", "");
        kill_worker(&mut fuzz, "SEGV");
        let (code, stdout, stderr) = ended(fuzz);
        assert!(code == Some(4) && stderr.contains("error: cannot write `found/fuzz-1-"), "{code:?} {stderr}");
        let whole = if json { "\"text\":\"" } else { "\\ case" };
        assert!(stdout.contains(whole) && stdout.contains("killed by SIGSEGV"), "{stdout}");
        assert_eq!(json, stdout.contains("\"file\":null"));
        assert!(json || stdout.contains(" 1 DISAGREE, of 1 kind\n"), "{stdout}");
        // The program that was running counts, and its text may begin with any word.
        assert!(!stdout.lines().any(|line| line.starts_with("0 programs")), "{stdout}");
    }
}

#[test]
fn an_older_finding_is_not_replaced() {
    if is_left_out("findings of the same name") {
        return;
    }
    let folder = folder("older");
    // The worker's current program is unknown, so the files of the first thousands of programs exist already.
    const TAKEN: u64 = 5_000;
    let taken = |index: u64| folder.join(format!("fuzz-1-{index}.stk"));
    for index in 0..TAKEN {
        fs::write(taken(index), "older").expect("it is ours");
    }
    let mut fuzz = jitduel(CAMPAIGN.iter().chain(&["--findings", "."])).current_dir(&folder).spawn();
    kill_worker(&mut fuzz, "SEGV");
    assert_eq!(ended(fuzz).0, Some(4));
    for index in 0..TAKEN {
        assert_eq!(fs::read(taken(index)).expect("it is there"), b"older");
    }
    let paths = fs::read_dir(&folder).expect("it is ours").map(|entry| entry.expect("it can be read").path());
    let new: Vec<_> = paths.filter(|path| fs::read(path).expect("it is a file") != b"older").collect();
    assert!(new.len() == 1 && new[0].to_str().is_some_and(|path| path.ends_with("-2.stk")), "{new:?}");
}

#[test]
fn an_unwritable_folder_is_reported_before_anything_runs() {
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
    // The folder is created only when there is something to save.
    let ended = jitduel(["fuzz", "--programs", "1", "--findings", "new/folder"]).current_dir(&folder).run();
    assert!(ended.code == 0 && !folder.join("new").exists(), "{ended:?}");
}

#[test]
fn a_campaign_without_programs_does_not_report_agreement() {
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
    // Without --programs, the rest of the sequence is judged.
    let ended = jitduel(["fuzz", "--first", &last, "--engine", "bytecode", "--time", "60s"]).run();
    assert!(ended.code == 0 && ended.stdout.starts_with("1 program in "), "{ended:?}");
}

/// The longest times are added and doubled. `cat` prints no result, so the first program is a finding.
#[test]
fn the_longest_times_and_a_strange_folder_are_accepted() {
    if is_left_out("the longest times") {
        return;
    }
    let longest = format!("{}s", u64::MAX);
    let fuzz = ["fuzz", "--seed", "1", "--programs", "1", "--engine", "tree", "--patience", &longest];
    let external = ["--external", "cat {file}", "--external-time", &longest, "--findings", "found\u{1b}[2J"];
    let ended = jitduel(fuzz.into_iter().chain(external)).current_dir(&folder("longest")).run();
    let said = "\nwritten to found\\u{1b}[2J/fuzz-1-0.stk\n";
    assert!(ended.code == 4 && ended.stderr.matches(said).count() == 2, "{ended:?}");
}
