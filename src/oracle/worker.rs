//! A worker: a separate process that judges programs and reports results until it finishes or dies.

use std::collections::BTreeSet;
use std::io::{self, PipeWriter, Write};
use std::ops::AddAssign;
use std::panic;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::judge::Disagreement;
use crate::exec::{Child, Ended, SharedNumber, ready};
use crate::generate::Trial;

/// A process that judges programs.
pub(super) struct Worker {
    child: Child,
    /// The index of its current program, and the index that we last saw.
    at: SharedNumber,
    seen: u64,
    /// How long we have listened since its last message or change of program, and when we last listened.
    silent: Duration,
    listened: Instant,
    hung: bool,
    /// Received bytes that are not parsed yet.
    bytes: Vec<u8>,
    /// The failure that a panic reported.
    panic: Option<Failure>,
    done: bool,
}

/// How long to wait for workers before checking timeouts.
pub(super) const POLL: Duration = Duration::from_millis(200);

/// A message of a worker. Messages are short, because they must fit in the pipe while nobody reads it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// Its counts since the last report.
    Counts(Counts),
    /// The program with this index failed. The counts include it.
    Failed(u64, Failure, Counts),
    /// A program and, once it is known, the text of a file that repeats its run.
    Trial(Trial, Option<String>),
}

/// The counts of a worker or of a campaign. The last programs that a process judged before it died count only as programs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Programs judged.
    pub programs: u64,
    /// Runs, summed over the engines.
    pub runs: u64,
    /// Those of them that the command made.
    pub external: u64,
    /// Runs that the command does not support.
    pub unsupported: u64,
    /// Runs on engines that can change from an interpreter to machine code.
    pub tiered: u64,
    /// Those of them that did.
    pub changed: u64,
    /// Words that the referee executed under the programs' own limits.
    pub words: u64,
    /// Programs that trapped.
    pub trapped: u64,
    /// Programs that were correctly rejected.
    pub rejected: u64,
    /// Messages about what the host cannot run.
    pub skipped: BTreeSet<String>,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        let Counts { programs, runs, external, unsupported, tiered, changed, words, trapped, rejected, skipped } =
            other;
        self.programs += programs;
        self.runs += runs;
        self.external += external;
        self.unsupported += unsupported;
        self.tiered += tiered;
        self.changed += changed;
        self.words += words;
        self.trapped += trapped;
        self.rejected += rejected;
        self.skipped.extend(skipped);
    }
}

/// A line in the pipe from a worker.
#[derive(Serialize, Deserialize)]
enum Line {
    Message(Message),
    Panic(Failure),
    /// The work is finished.
    Done,
}

/// A failure of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// The kind of failure; equal for programs that show the same bug.
    pub class: String,
    /// Each engine's answer, if the worker survived.
    pub detail: String,
}

/// How a worker ended.
#[derive(Debug)]
pub(super) enum Exit {
    Done,
    /// It died from its own failure.
    Died(Failure),
    /// A signal from outside killed it, so its current program is not to blame.
    KilledFromOutside(Ended),
}

impl From<Disagreement> for Failure {
    fn from(Disagreement { class, detail, .. }: Disagreement) -> Failure {
        Failure { class, detail }
    }
}

/// Sends the messages of a worker.
pub(super) struct Reporter<'a> {
    pipe: &'a mut PipeWriter,
    at: &'a SharedNumber,
}

impl Reporter<'_> {
    /// Announces the program with this index as the next. If the worker dies, this program is at fault.
    pub fn begin(&mut self, index: u64) {
        self.at.set(index);
    }

    pub fn send(&mut self, message: Message) {
        write(&mut self.pipe, &Line::Message(message));
    }

    /// Shows that the worker has not hung.
    pub fn alive(&mut self) {
        self.send(Message::Counts(Counts::default()));
    }
}

fn write(mut pipe: impl Write, line: &Line) {
    let line = serde_json::to_string(line).expect("every message can be represented in JSON");
    // An error means that the parent no longer reads, so there is nobody to tell. The line is written with one call, so that a
    // dying process leaves no partial line.
    let _ = pipe.write_all(format!("{line}\n").as_bytes());
}

impl Worker {
    /// Starts a process that runs `work`.
    pub fn start(work: impl FnOnce(&mut Reporter)) -> io::Result<Worker> {
        let at = SharedNumber::new()?;
        let child = Child::fork(|pipe| {
            let last_words = pipe.try_clone().expect("a pipe has two ends");
            let last_words = move |panic: &panic::PanicHookInfo| {
                let place = panic.location().map_or("?".into(), ToString::to_string);
                let detail = panic.payload_as_str().unwrap_or("").to_owned();
                write(&last_words, &Line::Panic(Failure { class: format!("panic at {place}"), detail }));
            };
            panic::set_hook(Box::new(last_words));
            work(&mut Reporter { pipe, at: &at });
            write(pipe, &Line::Done);
        })?;
        let (silent, listened) = (Duration::ZERO, Instant::now());
        Ok(Worker { child, at, seen: 0, silent, listened, hung: false, bytes: Vec::new(), panic: None, done: false })
    }

    /// The index of its current program; 0 before the first.
    pub fn at(&self) -> u64 {
        self.at.get()
    }

    /// The process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Kills it if it sent no message and began no program while we listened for `patience`. Call it every [`POLL`]. If the
    /// gap between calls is longer, only a small part of it counts, because this process was busy or stopped, and perhaps
    /// the worker too.
    pub fn end_if_silent_for(&mut self, patience: Duration) {
        self.silent += self.listened.elapsed().min(2 * POLL);
        self.listened = Instant::now();
        let at = self.at();
        if at != self.seen {
            (self.seen, self.silent) = (at, Duration::ZERO);
        }
        if !self.hung && self.silent >= patience {
            self.hung = true;
            self.child.kill();
        }
    }

    /// Its messages since the last call, and whether more may follow.
    pub fn receive(&mut self) -> io::Result<(Vec<Message>, bool)> {
        let open = self.child.read_available(&mut self.bytes)?;
        (self.silent, self.listened) = (Duration::ZERO, Instant::now());
        let complete = self.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.bytes.drain(..complete).collect();
        let mut messages = Vec::new();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(Line::Message(what)) => messages.push(what),
                Ok(Line::Panic(wrong)) => self.panic = Some(wrong),
                Ok(Line::Done) => self.done = true,
                // A process that dies while writing leaves a partial line.
                Err(_) => {}
            }
        }
        Ok((messages, open))
    }

    /// Receives all messages, and kills the worker if it is silent for `patience`.
    pub fn receive_all(mut self, patience: Duration, mut receive: impl FnMut(Message)) -> io::Result<Exit> {
        loop {
            if ready([&self.child], POLL.min(patience))?.is_empty() {
                self.end_if_silent_for(patience);
                continue;
            }
            let (messages, open) = self.receive()?;
            messages.into_iter().for_each(&mut receive);
            if !open {
                return self.end();
            }
        }
    }

    /// How it ended. Call it when no more messages can follow.
    pub fn end(self) -> io::Result<Exit> {
        let Worker { child, hung, panic, done, .. } = self;
        let ended = child.wait()?;
        let died = |class: String| Exit::Died(Failure { class, detail: "the process that ran it died".into() });
        Ok(match (panic, ended) {
            _ if done => Exit::Done,
            _ if hung => died("hang".into()),
            (Some(panic), _) => Exit::Died(panic),
            _ if ended.is_from_outside() => Exit::KilledFromOutside(ended),
            (None, Ended::Killed { .. }) => died(ended.to_string()),
            (None, Ended::Exited(_)) => died(format!("ended early: {ended}")),
        })
    }
}
