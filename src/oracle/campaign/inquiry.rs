//! Looking into what a campaign has found: who is at fault, and the smallest program that still shows it. Processes of
//! their own do that too.

use std::io;
use std::time::{Duration, Instant};

use super::Campaign;
use crate::generate::Trial;
use crate::interp::tree::evaluate;
use crate::lang::{Fault, parse};
use crate::oracle::judge::{Care, fuels, limits};
use crate::oracle::refute::wrongly_rejected;
use crate::oracle::shrink::shrink;
use crate::oracle::worker::{Counts, Exit, Failure, Message, Reporter, Worker};
use crate::outcome::Verdict;

/// Most tries to make a program smaller.
const MAX_ATTEMPTS: usize = 4_000;

/// How long a program may be made smaller: one that is not quite small is better than none for an hour.
const SHRINK_TIME: Duration = Duration::from_secs(60);

/// How much longer than the whole program a smaller one may take: what was changed may hang.
const TIMEOUT_FACTOR: u32 = 10;

impl Campaign {
    /// What is wrong with a program on some engines, tried in a process of its own.
    pub(super) fn tried(
        &self,
        trial: &Trial,
        care: Care,
        engines: &[&str],
        patience: Duration,
    ) -> io::Result<Option<Failure>> {
        let mut wrong = None;
        let work = |reporter: &mut Reporter| {
            if let Err(disagreement) = self.judge(engines).judge(trial, care) {
                reporter.send(Message::Failed(0, disagreement.into(), Counts::default()));
            }
        };
        let death = receive_all(work, patience, |said| {
            if let Message::Failed(_, said, _) = said {
                wrong = Some(said);
            }
        })?;
        Ok(wrong.or(death))
    }

    /// The program of this index, and a file of it, as far as they can be told.
    pub(super) fn generated(&self, index: u64) -> io::Result<Option<(Trial, Option<String>)>> {
        let work = |reporter: &mut Reporter| {
            let trial = self.trial(index);
            reporter.send(Message::Trial(trial.clone(), None));
            let file = file(&trial);
            reporter.send(Message::Trial(trial, Some(file)));
        };
        last_trial(work, self.patience)
    }

    /// The smallest program on which one engine is still wrong in this way.
    pub(super) fn shrunk(
        &self,
        whole: &Trial,
        class: &str,
        culprit: &[&str],
    ) -> io::Result<Option<(Trial, Option<String>)>> {
        let work = |reporter: &mut Reporter| {
            let begun = Instant::now();
            let _ = self.tried(whole, Care::Thorough, culprit, self.patience);
            let least = Duration::from_millis(100);
            let patience = (begun.elapsed() * TIMEOUT_FACTOR).min(self.patience / TIMEOUT_FACTOR).max(least);
            let end = Instant::now() + SHRINK_TIME;
            let mut tries = 0;
            let mut still_fails = |trial: &Trial, care| {
                // So that nobody takes us for one that hangs.
                tries += 1;
                reporter.begin(tries);
                let wrong = self.tried(trial, care, culprit, patience);
                // Where the system has no process for a try, the program stays as it is.
                let same = matches!(wrong, Ok(Some(wrong)) if wrong.class == class);
                if same {
                    reporter.send(Message::Trial(trial.clone(), None));
                }
                same
            };
            let small = shrink(whole, MAX_ATTEMPTS, end, |trial| still_fails(trial, Care::Thorough));
            let small = with_its_limits(small, |trial| still_fails(trial, Care::Quick));
            let file = file(&small);
            reporter.send(Message::Trial(small, Some(file)));
        };
        // It may wait that long for the whole program before it says anything.
        last_trial(work, 2 * self.patience)
    }
}

/// Has a worker do this and hears it out. What it died of, if it did. Where somebody kills it, another takes its place.
fn receive_all(
    work: impl Fn(&mut Reporter),
    patience: Duration,
    mut receive: impl FnMut(Message),
) -> io::Result<Option<Failure>> {
    for _ in 0..2 {
        match Worker::start(&work)?.receive_all(patience, &mut receive)? {
            Exit::Done => return Ok(None),
            Exit::Died(wrong) => return Ok(Some(wrong)),
            Exit::KilledFromOutside(_) => {}
        }
    }
    Err(io::Error::other("somebody kills our processes"))
}

/// The last program that a worker said before its end, whatever that was.
fn last_trial(work: impl Fn(&mut Reporter), patience: Duration) -> io::Result<Option<(Trial, Option<String>)>> {
    let mut last = None;
    receive_all(work, patience, |said| {
        if let Message::Trial(trial, file) = said {
            last = Some((trial, file));
        }
    })?;
    Ok(last)
}

/// The program with the fuel and the stack limit that show what is wrong, where only a sweep of them did.
fn with_its_limits(trial: Trial, mut still_fails: impl FnMut(&Trial) -> bool) -> Trial {
    let Ok(program) = trial.load() else { return trial };
    let measured = trial.measure(program.ast());
    let fuels = fuels(&trial, &measured).into_iter().map(|fuel| Trial { fuel, ..trial.clone() });
    let limits = limits(&trial, &measured).into_iter().map(|stack_limit| Trial { stack_limit, ..trial.clone() });
    let mut candidates = [trial.clone()].into_iter().chain(fuels).chain(limits);
    candidates.find(|candidate| still_fails(candidate)).unwrap_or(trial)
}

/// A program with a case that says what the referee makes of it, whatever the verifier thinks of its stack.
fn file(trial: &Trial) -> String {
    let source = trial.source();
    let verdict = match (trial.load(), parse(&source)) {
        (Ok(program), _) => Verdict::of(&trial.measure(program.ast()).outcome, &source),
        (Err(Fault::Rejection(rejection)), Ok(ast))
            if wrongly_rejected(&ast, &rejection, &trial.inputs, trial.fuel) =>
        {
            Verdict::of(&evaluate(&ast, &trial.inputs, Some(trial.fuel), trial.stack_limit), &source)
        }
        (Err(fault), _) => Verdict::of_fault(&fault, &source),
    };
    trial.with_case(verdict)
}
