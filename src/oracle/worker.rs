//! A worker: a process of its own that judges programs and says what came of each, until it is done or dies.

use std::io::{self, PipeWriter, Write};
use std::panic;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

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
    panic: Option<Wrong>,
    done: bool,
}

/// How long to wait for workers before looking at the clock.
pub(super) const POLL: Duration = Duration::from_millis(200);

/// What a worker says; it must be brief, for nobody may listen for a while.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// Something is wrong with the program of this index.
    Wrong(u64, Wrong),
    /// A program, and the text of a file that repeats its run, once that is known.
    Trial(Trial, Option<String>),
    /// Numbers that it has counted; the last that it says.
    Sum(Value),
}

/// What is wrong with a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// What kind of thing: equal for programs that show the same bug.
    pub class: String,
    /// Who said what, where the worker lived to say so.
    pub detail: String,
}

impl From<Disagreement> for Wrong {
    fn from(Disagreement { class, detail, .. }: Disagreement) -> Wrong {
        Wrong { class, detail }
    }
}

/// Where a worker says what it has to say.
pub(super) struct Mouth<'a> {
    pipe: &'a mut PipeWriter,
    at: &'a SharedNumber,
}

impl Mouth<'_> {
    /// The program of this index comes next. Should we die, it is at fault.
    pub fn begin(&mut self, index: u64) {
        self.at.set(index);
    }

    pub fn say(&mut self, said: &Said) {
        let line = match said {
            Said::Wrong(index, Wrong { class, detail }) => json!(["wrong", class, detail, index]),
            Said::Trial(Trial { text, inputs, fuel, stack_limit }, file) => {
                json!(["trial", text, inputs, fuel, stack_limit, file])
            }
            Said::Sum(sum) => sum.clone(),
        };
        // Whoever no longer listens has ended us. All at once, so that a process that dies leaves no half of a line.
        let _ = self.pipe.write_all(format!("{line}\n").as_bytes());
    }
}

impl Worker {
    /// Starts a process that does this work. It ends with a [`Said::Sum`], or else it has died.
    pub fn start(work: impl FnOnce(&mut Mouth)) -> io::Result<Worker> {
        let at = SharedNumber::new()?;
        let child = Child::fork(|pipe| {
            let last_words = pipe.try_clone().expect("a pipe has two ends");
            let last_words = move |panic: &panic::PanicHookInfo| {
                let place = panic.location().map_or("?".into(), ToString::to_string);
                let message = panic.payload_as_str().unwrap_or("");
                let _ = writeln!(&last_words, "{}", json!(["panic", place, message]));
            };
            panic::set_hook(Box::new(last_words));
            work(&mut Mouth { pipe, at: &at });
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
    pub fn hear(&mut self) -> io::Result<(Vec<Said>, bool)> {
        let open = self.child.read_available(&mut self.bytes)?;
        (self.silent, self.listened) = (Duration::ZERO, Instant::now());
        let complete = self.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.bytes.drain(..complete).collect();
        let mut said = Vec::new();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            // A process that dies in the middle of a line leaves half of it.
            let Ok(line) = serde_json::from_slice::<Value>(line) else { continue };
            let text = |index: usize| line[index].as_str().unwrap_or_default().to_owned();
            match (&line, text(0).as_str()) {
                (Value::Array(_), "wrong") => {
                    let index = line[3].as_u64().unwrap_or_default();
                    said.push(Said::Wrong(index, Wrong { class: text(1), detail: text(2) }));
                }
                (Value::Array(_), "trial") => {
                    let inputs = line[2].as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
                    let number = |index: usize| line[index].as_u64().unwrap_or_default();
                    let (fuel, stack_limit) = (number(3), number(4) as usize);
                    let trial = Trial { text: text(1), inputs, fuel, stack_limit };
                    said.push(Said::Trial(trial, line[5].as_str().map(Into::into)));
                }
                (Value::Array(_), "panic") => {
                    self.panic = Some(Wrong { class: format!("panic at {}", text(1)), detail: text(2) });
                }
                (Value::Object(_), _) => {
                    self.done = true;
                    said.push(Said::Sum(line));
                }
                _ => {}
            }
        }
        Ok((said, open))
    }

    /// Hears it out, and ends it where it is silent for so long. What it died of, if it did.
    pub fn hear_out(mut self, patience: Duration, mut hear: impl FnMut(Said)) -> io::Result<Option<Wrong>> {
        loop {
            if ready([&self.child], POLL.min(patience))?.is_empty() {
                self.end_if_silent_for(patience);
                continue;
            }
            let (said, open) = self.hear()?;
            said.into_iter().for_each(&mut hear);
            if !open {
                return self.death();
            }
        }
    }

    /// What it died of, if it did; called when it can say no more.
    pub fn death(self) -> io::Result<Option<Wrong>> {
        let Worker { child, hung, panic, done, .. } = self;
        let ended = child.wait()?;
        let dead = |class: String| Wrong { class, detail: "the process that ran it died".into() };
        Ok(match ended {
            _ if done => None,
            _ if hung => Some(dead("hang".into())),
            _ if panic.is_some() => panic,
            Ended::Killed { .. } => Some(dead(ended.to_string())),
            Ended::Exited(_) => Some(dead(format!("ended early: {ended}"))),
        })
    }
}
