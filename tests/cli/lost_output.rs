//! The exit code if output is lost: it does not depend on whether anybody reads.

use std::fs::{self, File, OpenOptions};
use std::io::{PipeWriter, Read};
use std::path::Path;
use std::process::Stdio;

use crate::binary::{Invocation, SMALL, file, folder, jitduel, script};

/// The write end of a pipe whose reader is closed.
fn unread() -> PipeWriter {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer
}

/// A device that is always full.
#[cfg(target_os = "linux")]
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("Linux has it")
}

/// Runs it with this standard output. Returns the exit code and standard error.
fn with_stdout(invocation: Invocation, stdout: impl Into<Stdio>) -> (i32, String) {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let code = invocation.run_with_streams(stdout.into(), writer.into()).expect("it is not killed");
    let mut stderr = String::new();
    reader.read_to_string(&mut stderr).expect("it is text");
    (code, stderr)
}

/// Verbs that print something, each with its exit code.
fn verbs(folder: &Path) -> Vec<(Vec<String>, i32)> {
    let unmet = file(folder, "unmet.stk", "\\ case: -> 2\n1\n");
    let met = file(folder, "met.stk", "\\ case: -> 1\n1\n");
    let traps = file(folder, "traps.stk", "1 0 /\n");
    let data = folder.to_str().expect("UTF-8");
    let verbs: [(&[&str], i32); 21] = [
        (&["run", "-e", "1 2"], 0),
        (&["run", "-e", "1 0 /"], 1),
        (&["run", "-e", "1 0 /", "--json"], 1),
        (&["run", "-e", "swap"], 1),
        (&["run", &unmet], 4),
        (&["check", &met], 0),
        (&["check", &met, "--json"], 0),
        (&["check", &traps], 1),
        (&["check", &met, "no-such-file"], 2),
        (&["check", &unmet], 4),
        (&["check", &unmet, "--json"], 4),
        (&["asm", "-e", "1 2"], 0),
        (&["gen", "--count", "3"], 0),
        (&["gen", "--count", "3", "--stats"], 0),
        (&["export", "-e", "1", "--to", "c"], 0),
        (&["fuzz", "--programs", "20", "--engine", "bytecode"], 0),
        (&["report", "--data", data], 0),
        (&["completions", "bash"], 0),
        (&["man"], 0),
        (&["--version"], 0),
        (&["bench", "--help"], 0),
    ];
    verbs.map(|(arguments, code)| (arguments.iter().map(|text| (*text).to_owned()).collect(), code)).into()
}

#[test]
fn a_closed_pipe_does_not_change_the_exit_code() {
    for (arguments, code) in verbs(&folder("unread")) {
        let (ended, stderr) = with_stdout(jitduel(&arguments), unread());
        assert!(ended == code && !stderr.contains("standard output"), "{arguments:?}: {ended} {stderr}");
        let ended = jitduel(&arguments).run_with_streams(unread().into(), unread().into());
        assert_eq!(ended, Some(code), "{arguments:?} without standard error");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn lost_output_is_an_error() {
    for (arguments, code) in verbs(&folder("full")) {
        let (ended, stderr) = with_stdout(jitduel(&arguments), full());
        let said = "error: cannot write to standard output: No space left on device";
        assert!(ended == code.max(2) && stderr.contains(said), "{arguments:?}: {ended} {stderr}");
        let ended = jitduel(&arguments).run_with_streams(full().into(), full().into());
        assert_eq!(ended, Some(code.max(2)), "{arguments:?} with a full standard error");
    }
}

#[test]
fn a_closed_standard_output_is_an_error_if_there_is_output() {
    if SMALL {
        println!("NOT RUN: a closed standard output, whose descriptor an emulator may use for its own file");
        return;
    }
    let folder = folder("closed");
    for (arguments, code) in verbs(&folder) {
        let ended = jitduel(&arguments).by_shell("exec \"$@\" >&-").run();
        let said = "error: cannot write to standard output: it is closed";
        assert!(ended.code == code.max(2) && ended.stderr.contains(said), "{arguments:?}: {ended:?}");
        assert_eq!(jitduel(&arguments).by_shell("exec \"$@\" >&- 2>&-").run().code, code.max(2), "{arguments:?}");
        // A standard output that is open only for reading is an error too.
        let ended = jitduel(&arguments).by_shell("exec \"$@\" 1</dev/null").run();
        assert!(ended.code == code.max(2) && ended.stderr.contains("Bad file descriptor"), "{arguments:?}: {ended:?}");
        // Output to /dev/null is no error, even if it is also open for reading, as some languages pass it to child processes.
        for null in ["exec \"$@\" >/dev/null 2>&-", "exec \"$@\" 1<>/dev/null 2>&-"] {
            assert_eq!(jitduel(&arguments).by_shell(null).run().code, code, "{arguments:?} {null}");
        }
    }
    let out = folder.join("programs");
    let ended = jitduel(["gen", "--out", out.to_str().expect("UTF-8")]).by_shell("exec \"$@\" >&-").run();
    assert_eq!(ended.code, 0, "there was no output: {ended:?}");
}

#[test]
fn generation_stops_when_the_output_is_lost() {
    // Generating all programs would take hours.
    assert_eq!(with_stdout(jitduel(["gen", "--count", "100000000"]), unread()), (0, String::new()));
    #[cfg(target_os = "linux")]
    assert_eq!(with_stdout(jitduel(["gen", "--count", "100000000"]), full()).0, 2);
}

#[test]
fn a_closed_pipe_does_not_prevent_reports_and_baselines() {
    let folder = folder("kept");
    let data = folder.to_str().expect("UTF-8");
    assert_eq!(with_stdout(jitduel(["report", "--data", data]), unread()).0, 0);
    let page = fs::read_to_string(folder.join("report/index.html")).expect("it was written");
    assert!(page.ends_with("</html>") || page.ends_with("</html>\n"), "{} bytes", page.len());
    assert!(folder.join("report/report.md").is_file());

    if SMALL {
        println!("NOT RUN: races, since this is an AArch64 program and likely emulated");
        return;
    }
    let bench = |arguments: &[&str]| jitduel([&RACE, arguments].concat()).current_dir(&folder);
    let (code, stderr) = with_stdout(bench(&["--save-baseline", "unread"]), unread());
    assert!(code == 0 && folder.join("target/jitduel/baselines/unread.json").is_file(), "{stderr}");
    // The other build reports half a millisecond per run, so this one is slower than allowed.
    let instant = script(
        &folder,
        "instant",
        "read task\necho '{\"ready\":true}'\nwhile read which runs; do echo $((500000 * runs)); done",
    );
    let against = ["--against", &instant, "--fail-on-regression", "5"];
    let (code, stderr) = with_stdout(bench(&against), unread());
    assert!(code == 3 && stderr.contains("SLOWER THAN ALLOWED"), "{code} {stderr}");
    // A baseline that cannot be saved is still printed.
    let ended = bench(&["--save-baseline", "small"]).by_shell("ulimit -f 0; exec \"$@\"").run();
    assert!(ended.code == 2 && ended.stdout.contains("| bytecode |"), "{ended:?}");
    assert!(
        ended.stderr.contains("error: cannot write `target/jitduel/baselines/small.json`: File too large"),
        "{ended:?}"
    );
}

/// The shortest possible race.
const RACE: [&str; 11] =
    ["bench", "--force", "--processes", "20", "--rounds", "3", "--sample", "10", "fact", "--engine", "bytecode"];
