//! Files that verbs write, on top of existing files, links and folders and with a full disk; and pipes and devices that verbs
//! must not read.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary::{Ended, Invocation, SMALL, file, folder, jitduel, script};

/// Runs it under a file size limit of 0, which acts like a full disk.
fn on_a_full_disk(invocation: Invocation) -> Ended {
    invocation.by_shell("ulimit -f 0; exec \"$@\"").run()
}

/// An emulator also writes files of its own, which the limit would break.
fn is_left_out(what: &str) -> bool {
    if SMALL {
        println!("NOT RUN: {what}, since this is an AArch64 program and likely emulated");
    }
    SMALL
}

/// A verb that writes to a folder, and the file that it writes there.
struct Writes {
    arguments: Vec<&'static str>,
    path: &'static str,
    /// Whether it replaces an existing file.
    replaces: bool,
}

/// Every verb that writes files, except `fuzz`.
fn writers() -> Vec<Writes> {
    let race =
        ["bench", "--force", "--processes", "20", "--rounds", "3", "--sample", "10", "fact", "--engine", "bytecode"];
    let mut writers = vec![
        Writes { arguments: vec!["report"], path: "target/report/index.html", replaces: true },
        Writes { arguments: vec!["report"], path: "target/report/report.md", replaces: true },
        Writes { arguments: vec!["report"], path: "target/report/code-size.svg", replaces: true },
        Writes { arguments: vec!["gen", "--out", "made"], path: "made/random-1-0.stk", replaces: false },
        Writes { arguments: vec!["man", "--out", "pages"], path: "pages/jitduel-run.1", replaces: true },
    ];
    if !is_left_out("races") {
        let arguments = [&race[..], &["--save-baseline", "one"]].concat();
        writers.push(Writes { arguments, path: "target/jitduel/baselines/one.json", replaces: true });
    }
    writers
}

/// Calls `act` for each of them, with a separate folder.
fn each(test: &str, mut act: impl FnMut(&Writes, &Path, &dyn Fn() -> Invocation)) {
    for (index, writer) in writers().iter().enumerate() {
        let folder = folder(&format!("{test}-{index}"));
        act(writer, &folder.join(writer.path), &|| jitduel(&writer.arguments).current_dir(&folder));
    }
}

/// Creates something at the path of the file that a verb writes.
fn put(path: &Path, act: impl FnOnce(&Path)) {
    fs::create_dir_all(path.parent().expect("it has a folder")).expect("it is ours");
    act(path);
}

/// The names in the folder of a file.
fn beside(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path.parent().expect("it has a folder")).expect("it is there");
    entries.map(|entry| entry.expect("it can be read").path()).collect()
}

#[test]
fn a_full_disk_leaves_existing_files_unchanged() {
    if is_left_out("a full disk") {
        return;
    }
    each("full", |_, path, verb| {
        let ended = on_a_full_disk(verb());
        let said = |text| ended.stderr.contains(text);
        assert!(ended.code == 2 && said("error: cannot write `") && said("File too large"), "{ended:?}");
        assert_eq!(beside(path), Vec::<PathBuf>::new(), "no file is left, not even an empty one");
        assert_eq!(verb().run().code, 0);
        let before = fs::read(path).expect("it was written");
        assert!(!before.is_empty(), "{}", path.display());
        let files = beside(path).len();
        assert_eq!(on_a_full_disk(verb()).code, 2);
        assert_eq!(fs::read(path).expect("it is there still"), before);
        assert_eq!(beside(path).len(), files);
    });
}

#[test]
fn no_link_is_followed() {
    each("link", |writer, path, verb| {
        let precious = path.with_file_name("precious");
        put(path, |path| symlink("precious", path).expect("it is ours"));
        // First a dangling link, then a valid one.
        for _ in 0..2 {
            let ended = verb().run();
            assert!(
                ended.code == 2 && ended.stderr.contains("error: cannot write `"),
                "{:?}: {ended:?}",
                writer.arguments
            );
            assert!(!precious.exists() || fs::read(&precious).expect("it is ours") == b"kept", "{}", path.display());
            assert!(path.is_symlink());
            fs::write(&precious, "kept").expect("it is ours");
        }
    });
}

#[test]
fn only_regular_files_are_replaced_and_only_by_verbs_that_document_it() {
    each("kinds", |writer, path, verb| {
        put(path, |path| fs::create_dir(path).expect("it is ours"));
        assert_eq!(verb().run().code, 2, "{:?}", writer.arguments);
        fs::remove_dir(path).expect("it is ours");
        fifo(path);
        assert_eq!(verb().run().code, 2, "{:?}", writer.arguments);
        fs::remove_file(path).expect("it is ours");
        fs::write(path, "old").expect("it is ours");
        assert_eq!(verb().run().code, if writer.replaces { 0 } else { 2 }, "{:?}", writer.arguments);
        assert_eq!(fs::read(path).expect("it is there") == b"old", !writer.replaces);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_perf_map_that_cannot_be_written_is_removed() {
    if is_left_out("a map on a full disk") {
        return;
    }
    let ended = on_a_full_disk(jitduel(["run", "-e", "1", "--perf-map"]));
    assert!(ended.code == 2 && ended.stderr.contains("File too large"), "{ended:?}");
    let path = ended.stderr.lines().find_map(|line| line.strip_prefix("perf map: ")).expect("it says the path");
    assert!(!Path::new(path).exists());
}

/// There is nothing to map.
#[cfg(target_os = "linux")]
#[test]
fn a_rejected_program_has_no_perf_map() {
    let ended = jitduel(["run", "-e", "oops", "--perf-map"]).run();
    assert!(ended.code == 1 && !ended.stderr.contains("perf map: "), "{ended:?}");
}

/// We ignore the signal of the file size limit, but programs that we start must not inherit this.
#[cfg(target_os = "linux")]
#[test]
fn started_programs_do_not_inherit_the_ignored_signal() {
    if is_left_out("a race with another program") {
        return;
    }
    let folder = folder("signals");
    let tells = "read task\necho \"{\\\"error\\\":\\\"$(grep SigIgn /proc/self/status | cut -f2)\\\"}\"";
    let tells = script(&folder, "tells", tells);
    let ended = jitduel(["bench", "--force", "fact", "--engine", "tree", "--against", &tells]).run();
    let (_, ignored) = ended.stderr.split_once("refused the program: ").unwrap_or_else(|| panic!("{ended:?}"));
    let ignored = u64::from_str_radix(ignored.trim(), 16).expect("a mask of signals");
    assert_eq!(ignored & (1 << (libc::SIGXFSZ - 1)), 0, "{ignored:x}");
}

// Reading.

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("there is mkfifo").success());
}

#[test]
fn pipes_and_devices_in_a_folder_are_skipped() {
    let folder = folder("pipes");
    let programs = folder.join("programs");
    fs::create_dir_all(&programs).expect("it is ours");
    fifo(&programs.join("pipe.stk"));
    symlink("pipe.stk", programs.join("link.stk")).expect("it is ours");
    symlink("/dev/zero", programs.join("zero.stk")).expect("it is ours");
    let _listener = UnixListener::bind(programs.join("socket.stk")).expect("a socket");
    for verb in [&["check"][..], &["bench", "--force"]] {
        let ended = jitduel([verb, &["programs"]].concat()).current_dir(&folder).run();
        assert!(ended.code == 2 && ended.stderr.contains("no program"), "{verb:?}: {ended:?}");
    }
    file(&programs, "real.stk", "\\ case: -> 1\n1\n");
    let ended = jitduel(["check", "programs"]).current_dir(&folder).run();
    assert!(ended.code == 0 && ended.stdout.starts_with("ok programs/real.stk: 1 case\n"), "{ended:?}");
    // A dangling link cannot be read, which is reported.
    symlink("nowhere", programs.join("dangling.stk")).expect("it is ours");
    let ended = jitduel(["check", "programs"]).current_dir(&folder).run();
    assert!(ended.code == 2 && ended.stderr.contains("cannot read `programs/dangling.stk`"), "{ended:?}");
}

#[test]
fn a_pipe_named_on_the_command_line_is_read() {
    for verb in ["check", "run"] {
        let named = jitduel([verb, "/dev/stdin"]).by_shell("echo '1 2 \\ case: -> 1 2' | \"$@\"").run();
        assert_eq!(named.code, 0, "{named:?}");
        let folder = folder(&format!("named-{verb}"));
        fifo(&folder.join("pipe"));
        let script = "echo 1 2 >pipe & exec \"$@\"";
        let named = jitduel([verb, "pipe"]).current_dir(&folder).by_shell(script).run();
        assert!(named.code == 0 && named.stdout.contains("1 2\n"), "{named:?}");
    }
}

#[test]
fn saved_results_are_read_only_from_regular_files() {
    let folder = folder("left");
    for path in ["target/jitduel/peers.json", "target/jitduel/baselines/one.json"] {
        put(&folder.join(path), fifo);
    }
    for arguments in [&["report"][..], &["bench", "--force", "fact", "--baseline", "one"]] {
        let ended = jitduel(arguments).current_dir(&folder).run();
        assert!(ended.code == 2 && ended.stderr.contains("it is not a regular file"), "{arguments:?}: {ended:?}");
    }
}
