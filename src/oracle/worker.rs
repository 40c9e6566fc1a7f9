//! A worker: a process of its own that judges programs and says what came of each, until it is done or dies.

use std::io::{self, PipeWriter, Write};
use std::panic;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::judge::Disagreement;
use crate::exec::{Child, Ended, SharedNumber, ready};
use crate::generate::Trial;

/// A process that judges programs.
pub(super) struct Worker {
    child: Child,
    /// The index of the program that it is at, and what we last saw there.
    at: SharedNumber,
    seen: u64,
    /// How long we have listened since it last said something or went on to another program, and until when.
    silent: Duration,
    listened: Instant,
    hung: bool,
    /// What it said, as far as it is not yet understood.
    bytes: Vec<u8>,
    /// The last words of a panic.
    panic: Option<Failure>,
    done: bool,
}

/// How long to wait for workers before looking at the clock.
pub(super) const POLL: Duration = Duration::from_millis(200);

/// What a worker says; it must be brief, for nobody may listen for a while.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// What it has counted since it last said so.
    Counts(Counts),
    /// Something is wrong with the program of this index, which the sum counts too.
    Failed(u64, Failure, Counts),
    /// A program, and the text of a file that repeats its run, once that is known.
    Trial(Trial, Option<String>),
}

/// What a worker has done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    pub programs: u64,
    pub runs: u64,
    pub words: u64,
    pub trapped: u64,
    pub rejected: u64,
    /// What the host cannot run, in words.
    pub skipped: Vec<String>,
}

/// A line of a worker.
#[derive(Serialize, Deserialize)]
enum Line {
    Message(Message),
    Panic(Failure),
    /// Its work is done.
    Done,
}

/// What is wrong with a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// What kind of thing: equal for programs that show the same bug.
    pub class: String,
    /// Who said what, where the worker lived to say so.
    pub detail: String,
}

/// How a worker ended.
#[derive(Debug)]
pub(super) enum Exit {
    Done,
    /// Of what it did.
    Died(Failure),
    /// By somebody else's signal, which says nothing of the program that it was at.
    KilledFromOutside(Ended),
}

impl From<Disagreement> for Failure {
    fn from(Disagreement { class, detail, .. }: Disagreement) -> Failure {
        Failure { class, detail }
    }
}

/// Where a worker says what it has to say.
pub(super) struct Reporter<'a> {
    pipe: &'a mut PipeWriter,
    at: &'a SharedNumber,
}

impl Reporter<'_> {
    /// The program of this index comes next. Should we die, it is at fault.
    pub fn begin(&mut self, index: u64) {
        self.at.set(index);
    }

    pub fn send(&mut self, message: Message) {
        write(&mut self.pipe, &Line::Message(message));
    }
}

fn write(mut pipe: impl Write, line: &Line) {
    let line = serde_json::to_string(line).expect("it has nothing that JSON has not");
    // Whoever no longer listens has ended us. All at once, so that a process that dies leaves no half of a line.
    let _ = pipe.write_all(format!("{line}\n").as_bytes());
}

impl Worker {
    /// Starts a process that does this work.
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

    /// The index of the program that it has begun last; 0 before the first.
    pub fn at(&self) -> u64 {
        self.at.get()
    }

    /// The process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Ends it where it has said nothing and begun no program while we listened for so long. To be asked every [`POLL`]:
    /// of a longer time since the last question not much counts, for we were elsewhere then, or stopped, and it as well.
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

    /// What it said since the last call, and whether it may say more.
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
                // A process that dies in the middle of a line leaves half of it.
                Err(_) => {}
            }
        }
        Ok((messages, open))
    }

    /// Hears it out, and ends it where it is silent for so long.
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

    /// How it ended; called when it can say no more.
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
