//! Runs the commands of witnesses: checks that they are installed, collects their output, and compares it with the expected output.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::binary::folder;
use jitduel::lang::Source;

/// Whether a witness is installed. If not, prints that the test is not run, or fails if the witness is required.
pub fn is_installed(name: &str) -> bool {
    let output = Command::new(name).arg("--version").output();
    let here = output.is_ok_and(|output| output.status.success());
    if !here {
        // Bypasses the capture of passing tests' output, so that nobody assumes that this test has run.
        writeln!(std::io::stderr(), "NOT RUN: {name} is not installed").expect("standard error takes it");
        let required = std::env::var_os("JITDUEL_WITNESSES").is_some_and(|value| value == "required");
        assert!(!required, "{name} is not installed, and JITDUEL_WITNESSES is `required`");
    }
    here
}

/// Compiles a C file and returns its output.
pub fn c_testimony(path: &Path, options: &[&str]) -> String {
    let program = path.with_extension("out");
    let mut compiler = Command::new("gcc");
    // Endless recursion is what some programs do. The programs of a file share an array, so one that clears 8 of 64 cells clears 64
    // bytes, which gcc takes for a mistake.
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-pedantic", "-Wno-infinite-recursion", "-Wno-memset-elt-size"]);
    compiler.args(options).args(["-pthread", "-o"]).arg(&program).arg(path);
    assert_eq!(ended(&mut compiler, path), "");
    ended(&mut Command::new(program), path)
}

/// Runs a command to its end and returns its standard output. It must print nothing to standard error and exit with 0, or
/// with 1 after a trap.
pub fn ended(command: &mut Command, beside: &Path) -> String {
    const PATIENCE: Duration = Duration::from_secs(300);
    let [out, err] = ["stdout", "stderr"].map(|stream| beside.with_extension(stream));
    let create = |path: &PathBuf| Stdio::from(File::create(path).expect("the target folder can be written"));
    command.stdin(Stdio::null()).stdout(create(&out)).stderr(create(&err));
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let begin = Instant::now();
    let status = loop {
        match child.try_wait().expect("it was started") {
            Some(status) => break status,
            None if begin.elapsed() > PATIENCE => {
                child.kill().expect("it was started");
                panic!("{command:?}: not ended after {PATIENCE:?}");
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let [out, err] =
        [out, err].map(|path| String::from_utf8_lossy(&std::fs::read(path).expect("it exists")).into_owned());
    assert!(matches!(status.code(), Some(0 | 1)) && err.is_empty(), "{command:?}: {status}\n{err}");
    out
}

/// A run that a witness judges.
pub trait Judged: Sync {
    /// The line that the witness must print.
    fn expected(&self) -> &str;

    /// The program.
    fn source(&self) -> &Source;

    /// The inputs and limits, for a message.
    fn run(&self) -> String;
}

/// Lets a witness judge all cases, many per file, and fails with those that differ. `testimony` writes the file of a batch at a path
/// without an extension and returns what the witness prints.
pub fn compare<C: Judged>(command: &str, name: &str, cases: &[C], testimony: impl Fn(&Path, &[C]) -> String + Sync) {
    // gcc's time grows faster than its file.
    const CASES_IN_A_FILE: usize = 200;
    let (begin, folder) = (Instant::now(), folder(name));
    let batches: Vec<&[C]> = cases.chunks(CASES_IN_A_FILE).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = batches.get(number) else { return wrong };
            let path = folder.join(number.to_string());
            let said = testimony(&path, batch);
            // A missing line is a wrong answer, so a file that stops early fails.
            let mut lines = said.lines();
            for case in *batch {
                let line = lines.next().unwrap_or("(nothing)");
                if line != case.expected() {
                    wrong.push(format!(
                        "{}, in {}\n{}\n{}\n  expected: {}\n  {command} says: {line}\n",
                        case.source().name(),
                        path.display(),
                        String::from_utf8_lossy(case.source().bytes()),
                        case.run(),
                        case.expected(),
                    ));
                }
            }
            assert_eq!(lines.next(), None, "{command} printed too many lines");
        }
    };
    let wrong: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker has failed")).collect()
    });
    println!("{name}: {} runs by {command} in {:.1} s", cases.len(), begin.elapsed().as_secs_f64());
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
}
