//! One run on two engines, in a forked child. So an interrupt or the time limit can end it, and a crash ends only the child.

use std::io::{self, PipeWriter, Write};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::engine::{NoClock, Run, outcome};
use crate::exec::{Child, Ended, Interrupts, Store, ready};
use crate::lang::Program;
use crate::outcome::{Outcome, other_memory};
use crate::registry;

/// What came of a run on one engine.
#[derive(Debug)]
pub enum Reply {
    /// It ended.
    Ran(Ran),
    /// The engine cannot run the program, for this reason.
    Refused(String),
    /// The child ended while the engine was at work.
    Crashed(Ended),
    /// The time limit ended it.
    TimedOut,
    /// The user ended it.
    Interrupted,
}

/// A run that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// Its outcome.
    pub outcome: Outcome,
    /// How the memory at the end differs from that of the first engine, if it does.
    pub memory: Option<String>,
    /// How long the engine took to compile the program: from the syntax tree to code that can run.
    pub compile: Duration,
    /// How long the run took.
    pub run: Duration,
}

/// A line in the pipe from the child.
#[derive(Serialize, Deserialize)]
enum Line {
    Ran(Ran),
    Refused(String),
}

/// How often the parent looks for an interrupt and at the time limit.
const POLL: Duration = Duration::from_millis(50);

/// Runs a program on engines, one after another. If the run on one does not end by itself, the others are left out. `time_limit`
/// applies to each engine.
///
/// # Errors
/// The system's error, if no child can be made.
pub fn duel(
    program: &Program,
    engines: &[&str],
    run: Run,
    time_limit: Option<Duration>,
    interrupts: Option<&Interrupts>,
) -> io::Result<Vec<Reply>> {
    let mut child = Child::fork(|pipe| work(program, engines, run, pipe))?;
    let mut replies = Vec::new();
    let mut bytes = Vec::new();
    let mut waited = Duration::ZERO;
    loop {
        let is_interrupted = interrupts.is_some_and(Interrupts::came);
        let is_late = time_limit.is_some_and(|limit| waited >= limit);
        if is_interrupted || is_late {
            replies.push(if is_interrupted { Reply::Interrupted } else { Reply::TimedOut });
            return Ok(replies);
        }
        let patience = match time_limit {
            Some(limit) => POLL.min(limit - waited),
            None if interrupts.is_some() => POLL,
            None => Duration::MAX,
        };
        let begun = Instant::now();
        let is_ready = !ready([&child], patience)?.is_empty();
        // A longer gap means that this process was stopped, and perhaps the child too.
        waited += begun.elapsed().min(2 * POLL);
        if !is_ready {
            continue;
        }
        // No line ends in what was received before.
        let mut searched = bytes.len();
        let may_follow = child.read_available(&mut bytes)?;
        while let Some(length) = bytes[searched..].iter().position(|byte| *byte == b'\n') {
            // A child that crashes while it writes leaves a partial line, which has no end.
            let line: Vec<u8> = bytes.drain(..=searched + length).collect();
            searched = 0;
            replies.push(match serde_json::from_slice(&line)? {
                Line::Ran(ran) => Reply::Ran(ran),
                Line::Refused(reason) => Reply::Refused(reason),
            });
            waited = Duration::ZERO;
        }
        if replies.len() == engines.len() {
            return Ok(replies);
        }
        if !may_follow {
            replies.push(Reply::Crashed(child.wait()?));
            return Ok(replies);
        }
    }
}

/// What the child does.
fn work(program: &Program, engines: &[&str], run: Run, pipe: &mut PipeWriter) {
    // The memory of the first engine whose run ended normally.
    let mut first: Option<Vec<i64>> = None;
    for engine in engines {
        let line = match fight(program, engine, run, &mut first) {
            Ok(ran) => Line::Ran(ran),
            Err(reason) => Line::Refused(reason),
        };
        let line = serde_json::to_string(&line).expect("every reply can be represented in JSON");
        // An error means that the parent no longer reads, so there is nobody to tell.
        let _ = writeln!(pipe, "{line}");
    }
}

fn fight(program: &Program, engine: &str, run: Run, first: &mut Option<Vec<i64>>) -> Result<Ran, String> {
    let mut engine = registry::engine(engine).expect("the session has checked the name");
    let mut store = Store::new(run.stack_limit)
        .map_err(|error| format!("no memory for a stack of {} values: {error}", run.stack_limit))?;
    let begun = Instant::now();
    let mut prepared = engine.prepare(program, &run.options(), &mut NoClock).map_err(|error| error.to_string())?;
    let compile = begun.elapsed();
    let begun = Instant::now();
    let result = outcome(&mut *prepared, run.inputs, run.fuel, &mut store);
    let elapsed = begun.elapsed();
    let mut memory = None;
    if let Outcome::Done(_) = result {
        match first {
            None => *first = Some(store.memory().to_vec()),
            Some(first) => {
                memory = (*first != store.memory()).then(|| other_memory(first, store.memory()));
            }
        }
    }
    Ok(Ran { outcome: result, memory, compile, run: elapsed })
}
