//! Starts the built binary in tests: on every host, with a timeout and a check for panics.

// Each test crate that includes this file uses a different part of it.
#![allow(dead_code, reason = "no test crate uses all of it")]

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

/// Ends a run that hangs. Far more than the slowest run needs, even in an emulator on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Whether tests use smaller sizes, because most AArch64 test programs run in an emulator, 10 to 50 times slower.
pub const SMALL: bool = cfg!(target_arch = "aarch64");

/// The size for this host. Prints a line if it is the smaller one.
pub fn size(what: &str, full: usize, small: usize) -> usize {
    if SMALL {
        println!("{what}: {small} instead of {full}, since this is an AArch64 program and likely emulated");
    }
    if SMALL { small } else { full }
}

/// Asserts that a run ended with this code and this standard output.
#[track_caller]
pub fn expect(ended: &Ended, code: i32, stdout: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (code, stdout), "stderr: {}", ended.stderr);
}

/// Asserts that a run was refused as wrong usage: nothing on standard output, and an error message that contains this text.
#[track_caller]
pub fn refused(ended: &Ended, message: &str) {
    expect(ended, 2, "");
    assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    assert!(ended.stderr.contains(message), "{message:?} is not in: {}", ended.stderr);
}

/// How a run of the binary ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The binary with its arguments, not started yet.
pub struct Invocation {
    command: Command,
    stdin: Vec<u8>,
    shown: String,
}

/// The binary with these arguments. It runs in an empty folder, and without the caller's color settings and target folder.
pub fn jitduel<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Invocation {
    let mut command = bare();
    let mut shown = String::from("jitduel");
    for argument in arguments {
        let text = argument.as_ref().to_string_lossy();
        shown += &format!(" {:?}", text.chars().take(200).collect::<String>());
        command.arg(argument);
    }
    Invocation { command, stdin: Vec::new(), shown }
}

impl Invocation {
    /// Sets its standard input; empty by default.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Invocation {
        self.stdin = bytes.into();
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Invocation {
        self.command.env(name, value);
        self
    }

    pub fn current_dir(mut self, path: &Path) -> Invocation {
        self.command.current_dir(path);
        self
    }

    /// Starts it through a shell script that ends with `exec "$@"` and any redirections.
    pub fn by_shell(mut self, script: &str) -> Invocation {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.current_dir(self.command.get_current_dir().expect("every invocation has one"));
        self.shown += &format!(" by {script:?}");
        self.command = shell;
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// Panics if the binary panics, is killed by a signal, exits with an undocumented code, or does not end.
    pub fn run(mut self) -> Ended {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.shown));
        let mut stdin = child.stdin.take().expect("it is piped");
        let bytes = std::mem::take(&mut self.stdin);
        // The binary need not read all of its input, so a write error is ignored.
        let writer = thread::spawn(move || drop(stdin.write_all(&bytes)));
        let stdout = read(child.stdout.take().expect("it is piped"));
        let stderr = read(child.stderr.take().expect("it is piped"));
        let (stdout, stderr) = (self.wait_for(&stdout, &mut child), self.wait_for(&stderr, &mut child));
        let status = child.wait().expect("it was started");
        writer.join().expect("writing does not panic");
        let code = status.code().unwrap_or_else(|| panic!("{}: {status}\n{stderr}", self.shown));
        assert!(!stderr.contains("panicked"), "{}: {stderr}", self.shown);
        assert!((0..=4).contains(&code), "{}: exit code {code}\n{stderr}", self.shown);
        Ended { code, stdout, stderr }
    }

    /// Runs it with these streams instead of pipes and returns only the exit code.
    pub fn run_with_streams(mut self, stdout: Stdio, stderr: Stdio) -> Option<i32> {
        self.command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        self.command.status().unwrap_or_else(|error| panic!("{}: {error}", self.shown)).code()
    }

    /// Starts it with pipes for standard output and standard error.
    pub fn spawn(mut self) -> Child {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.shown))
    }

    fn wait_for(&self, stream: &mpsc::Receiver<Vec<u8>>, child: &mut Child) -> String {
        match stream.recv_timeout(PATIENCE) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => {
                child.kill().expect("it was started");
                panic!("{}: not ended after {PATIENCE:?}", self.shown);
            }
        }
    }
}

/// Reads a stream to its end on a separate thread, so that no pipe fills up while we wait for another.
fn read(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a pipe can be read");
        // The receiver may have timed out.
        drop(sender.send(bytes));
    });
    receiver
}

/// The binary without arguments, started through its runner if it needs one.
fn bare() -> Command {
    static EMPTY: OnceLock<PathBuf> = OnceLock::new();
    let mut command = with_runner(runner());
    command.current_dir(EMPTY.get_or_init(|| folder("empty")));
    command
}

fn with_runner(runner: Option<&[String]>) -> Command {
    let exe = env!("CARGO_BIN_EXE_jitduel");
    let mut command = match runner {
        Some([program, arguments @ ..]) => {
            let mut command = Command::new(program);
            command.args(arguments).arg(exe);
            command
        }
        _ => Command::new(exe),
    };
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
    command
}

/// The command in front of the binary that starts it, if one is needed. A test program in an emulator asks the host's kernel
/// to start the binary. The kernel may refuse a binary of another architecture. The binary is then started with the runner
/// with which cargo started the test program.
fn runner() -> Option<&'static [String]> {
    static RUNNER: OnceLock<Option<Vec<String>>> = OnceLock::new();
    let starts = |runner: Option<&[String]>| {
        // The emulator may lose the error of a failed exec and exit with 127 instead.
        with_runner(runner).arg("--version").output().is_ok_and(|output| {
            output.status.success() && String::from_utf8_lossy(&output.stdout).starts_with("jitduel ")
        })
    };
    let find = || {
        if starts(None) {
            return None;
        }
        let runner = configured_runner().expect("the binary does not start, and cargo configures no runner");
        assert!(starts(Some(&runner)), "the binary starts neither by itself nor with {runner:?}");
        println!("the binary is started by {runner:?}");
        Some(runner)
    };
    RUNNER.get_or_init(find).as_deref()
}

/// The runner of AArch64 programs, from cargo's environment variable or else from the crate's cargo configuration.
fn configured_runner() -> Option<Vec<String>> {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    if let Ok(text) = std::env::var("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER") {
        return Some(words(&text));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cargo/config.toml");
    let text = std::fs::read_to_string(path).ok()?;
    let (_, section) = text.split_once("[target.aarch64-unknown-linux-gnu]")?;
    let line = section.lines().find_map(|line| line.trim().strip_prefix("runner"))?;
    Some(words(line.trim_start().strip_prefix('=')?.trim().trim_matches('"')))
}

/// Creates an empty folder for the files of one test. Tests of different modules may use the same name.
#[track_caller]
pub fn folder(name: &str) -> PathBuf {
    let module = Path::new(Location::caller().file()).file_stem().expect("the caller is a file");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME")).join(module).join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path).expect("it is ours");
    }
    std::fs::create_dir_all(&path).expect("the target folder can be written");
    path
}

/// Writes a file for one test and returns its path as text.
pub fn file(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("the target folder can be written");
    path.to_str().expect("the tests' paths are UTF-8").to_owned()
}

/// Writes an executable script for one test and returns its path as text.
pub fn script(folder: &Path, name: &str, text: &str) -> String {
    executable(folder, name, &file(folder, &format!("{name}.sh"), format!("#!/bin/sh\n{text}\n")))
}

/// Copies a file to an executable for one test and returns its path as text.
///
/// A child process makes the copy. If this process wrote it, another thread could fork meanwhile, and the fork would hold the
/// file open for writing. The system refuses to execute such a file.
pub fn executable(folder: &Path, name: &str, from: &str) -> String {
    let path = folder.join(name).to_str().expect("the tests' paths are UTF-8").to_owned();
    let copied = Command::new("cp").args([from, &path]).status().expect("there is cp");
    let permitted = Command::new("chmod").args(["755", &path]).status().expect("there is chmod");
    assert!(copied.success() && permitted.success(), "{path}");
    path
}

/// The Python interpreter itself, because `python3` may be a slow script that looks for it. If it is not installed,
/// prints that the test is not run, or fails if it is required.
pub fn python() -> Option<&'static str> {
    static PYTHON: OnceLock<Option<String>> = OnceLock::new();
    let find = || {
        let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let python = PYTHON.get_or_init(find).as_deref();
    if python.is_none() {
        // Bypasses the capture of passing tests' output, so that nobody assumes that this test has run.
        writeln!(std::io::stderr(), "NOT RUN: python3 is not installed").expect("standard error takes it");
        let required = std::env::var_os("JITDUEL_WITNESSES").is_some_and(|value| value == "required");
        assert!(!required, "python3 is not installed, and JITDUEL_WITNESSES is `required`");
    }
    python
}
