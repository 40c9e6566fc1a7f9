//! The other end of a [`worker`](super::worker)'s pipe: it starts a process, sends requests, and waits a limited time for
//! each reply.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::image::Image;
use super::worker::Task;
use crate::lang::printable;

/// Why a race has no result.
#[derive(Debug, thiserror::Error)]
pub enum RaceError {
    /// A binary cannot be started, exited, or is not a build of jitduel.
    #[error("`{binary}` cannot take part")]
    Binary {
        /// The binary.
        binary: String,
        /// The system's error, or how the binary misbehaved.
        source: io::Error,
    },
    /// A binary refused the subject.
    #[error("`{binary}` refused the program: {reason}")]
    Refused {
        /// The binary.
        binary: String,
        /// Its reason.
        reason: String,
    },
}

impl RaceError {
    /// A binary that cannot be opened.
    pub fn unopened(binary: &std::path::Path, source: io::Error) -> RaceError {
        RaceError::Binary { binary: printable(&binary.display().to_string()).into_owned(), source }
    }
}

/// How long a reply may take. The number of words that a run executes limits its time, and is known before the run is timed.
#[derive(Clone, Copy, Debug)]
pub struct Timeout {
    /// The time allowed for any reply.
    pub base: Duration,
    /// Words that a run executes. Each adds a microsecond, ten times what the slowest engine needs.
    pub words: u64,
}

impl Timeout {
    fn of(&self, runs: u64) -> Duration {
        self.base.saturating_add(Duration::from_micros(self.words.saturating_mul(runs)))
    }
}

/// The length of the longest line that a process may print.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// The number of characters of a process's output that a message shows.
const MAX_SHOWN_CHARS: usize = 300;

/// The shortest turn. Starting a turn costs some microseconds for the stopwatch and cold caches; in a turn of this length
/// that is negligible.
pub const MIN_TURN: Duration = Duration::from_millis(1);

/// How many times the same number of runs is timed while the length of a turn is determined.
const SIZING_SAMPLES: usize = 3;

/// More runs than any program can complete in a quarter of the longest turn, which is ten seconds.
const MAX_RUNS: u64 = 1 << 34;

/// A process that executes a binary. Dropping it kills the process.
pub struct Worker {
    binary: String,
    process: Child,
    requests: Sender<String>,
    replies: Receiver<io::Result<String>>,
    timeout: Timeout,
}

impl Worker {
    /// Starts a process with a task. `shift` is the length of an environment variable that moves the start of the
    /// process's stack.
    ///
    /// # Errors
    /// If the binary cannot be started, was changed, or refuses the task.
    pub fn start(image: &Image, task: &Task, shift: usize, timeout: Timeout) -> Result<Worker, RaceError> {
        let binary = image.name().to_owned();
        let fail = |source| RaceError::Binary { binary: binary.clone(), source };
        let mut command = image.command();
        command.args(["bench", "--worker"]).env("JITDUEL_SHIFT", "x".repeat(shift));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(fail)?;
        let input = process.stdin.take().expect("it is a pipe");
        let output = process.stdout.take().expect("it is a pipe");
        let (requests, queued) = channel();
        // At most one reply is buffered, so a process that prints without end cannot fill the memory.
        let (reply, replies) = sync_channel(1);
        // If the system has no thread left, dropping the worker ends the process.
        let mut worker = Worker { binary: binary.clone(), process, requests, replies, timeout };
        thread::Builder::new().spawn(move || exchange(input, output, &queued, &reply)).map_err(fail)?;
        // The process runs the subject once on each engine and on the referee, and once more on one engine.
        let reply = worker.request(task.to_json().to_string(), task.contestants.len() as u64 + 2)?;
        image.check().map_err(fail)?;
        match serde_json::from_str::<Value>(&reply) {
            Ok(reply) if reply["ready"] == true => Ok(worker),
            Ok(Value::Object(reply)) if reply.contains_key("error") => {
                let reason = shown(reply["error"].as_str().unwrap_or("it gave no reason"));
                Err(RaceError::Refused { binary, reason })
            }
            _ => Err(worker.fail(format!("it replied `{}`", shown(&reply)))),
        }
    }

    /// How many runs of a contestant fill a turn, at least one. Only warm runs count: the first run is dropped. The
    /// shortest of `SIZING_SAMPLES` measurements is used, since it is the least disturbed.
    ///
    /// # Errors
    /// If the process does not reply as expected.
    pub fn runs_per_turn(&mut self, which: usize, turn: Duration) -> Result<u64, RaceError> {
        let turn = turn.as_nanos() as f64;
        self.time(which, 1)?;
        let mut runs = 1;
        loop {
            let mut shortest = f64::INFINITY;
            for _ in 0..SIZING_SAMPLES {
                shortest = shortest.min(self.time(which, runs)?);
            }
            if shortest >= turn / 4.0 {
                return Ok((runs as f64 * turn / shortest).ceil() as u64);
            }
            if runs == MAX_RUNS {
                return Err(self.fail(format!("it reports that {runs} runs take {shortest} ns")));
            }
            runs *= 2;
        }
    }

    /// The processor time of `runs` runs of a contestant, in nanoseconds.
    ///
    /// # Errors
    /// If the process does not reply as expected.
    pub fn time(&mut self, which: usize, runs: u64) -> Result<f64, RaceError> {
        let reply = self.request(format!("{which} {runs}"), runs)?;
        let nanoseconds: Result<u64, _> = reply.parse();
        nanoseconds.map(|time| time as f64).map_err(|_| self.fail(format!("it replied `{}`", shown(&reply))))
    }

    /// Sends a request that takes this many runs, and waits for the reply.
    fn request(&mut self, request: String, runs: u64) -> Result<String, RaceError> {
        let limit = self.timeout.of(runs);
        // If the request cannot be sent, the queued reply says why.
        let _ = self.requests.send(request);
        match self.replies.recv_timeout(limit) {
            Ok(reply) => reply.map_err(|source| RaceError::Binary { binary: self.binary.clone(), source }),
            Err(RecvTimeoutError::Timeout) => Err(self.fail(format!("it did not reply within {limit:.0?}"))),
            Err(RecvTimeoutError::Disconnected) => Err(self.fail(exited().to_string())),
        }
    }

    fn fail(&self, reason: String) -> RaceError {
        RaceError::Binary { binary: self.binary.clone(), source: io::Error::other(reason) }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have exited already, and an error could not be reported from here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Forwards requests and replies, on a thread that may block forever.
fn exchange(
    mut input: ChildStdin,
    output: ChildStdout,
    requests: &Receiver<String>,
    replies: &SyncSender<io::Result<String>>,
) {
    let mut output = BufReader::new(output);
    for request in requests {
        let reply = match writeln!(input, "{request}") {
            // A process that no longer reads may already have printed why.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => line(&mut output),
        };
        let is_last = reply.is_err();
        if replies.send(reply).is_err() || is_last {
            return;
        }
    }
}

/// Reads one line and removes the line feed.
fn line(output: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = Vec::new();
    output.take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes)?;
    match bytes.pop() {
        Some(b'\n') => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Some(_) if bytes.len() as u64 + 1 == MAX_LINE_BYTES => {
            Err(io::Error::other(format!("it printed a line of more than {MAX_LINE_BYTES} bytes")))
        }
        _ => Err(exited()),
    }
}

fn exited() -> io::Error {
    io::Error::other("it exited")
}

/// The output of a process, truncated and safe to show on a terminal.
fn shown(text: &str) -> String {
    let beginning: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    let rest = if beginning.len() < text.len() { "…" } else { "" };
    format!("{}{rest}", printable(&beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_and_overlong_lines_are_errors() {
        let mut two = &b"one\ntwo"[..];
        assert_eq!(line(&mut two).expect("it is whole"), "one");
        assert_eq!(line(&mut two).expect_err("it has no end").to_string(), "it exited");
        let endless = line(&mut BufReader::new(io::repeat(b'x'))).expect_err("it is too long");
        assert_eq!(endless.to_string(), "it printed a line of more than 1048576 bytes");
    }

    #[test]
    fn shown_text_is_truncated_and_escaped() {
        assert_eq!(shown("a\u{1b}[2J"), "a\\u{1b}[2J");
        assert_eq!(shown(&"é".repeat(MAX_SHOWN_CHARS + 1)), "é".repeat(MAX_SHOWN_CHARS) + "…");
    }

    #[test]
    fn timeout_grows_with_the_work_without_overflow() {
        let timeout = Timeout { base: Duration::from_secs(1), words: 1_000_000 };
        assert_eq!(timeout.of(2), Duration::from_secs(3));
        assert!(Timeout { base: Duration::MAX, words: u64::MAX }.of(u64::MAX) == Duration::MAX);
    }
}
