//! Investigates findings in separate processes: which engine is at fault, and the smallest program that still fails.

use std::io;
use std::time::{Duration, Instant};

use super::Campaign;
use crate::generate::Trial;
use crate::interp::tree::evaluate;
use crate::lang::{Fault, parse};
use crate::oracle::judge::{Care, call_limits, fuels, stack_limits};
use crate::oracle::refute::wrongly_rejected;
use crate::oracle::shrink::shrink;
use crate::oracle::worker::{Counts, Exit, Failure, Message, Reporter, Worker};
use crate::outcome::Verdict;

/// The maximum number of attempts to shrink a program.
const MAX_ATTEMPTS: usize = 4_000;

/// The time limit of shrinking. A program that is not quite minimal is better than an hour without a result.
const SHRINK_TIME: Duration = Duration::from_secs(60);

/// The timeout of a shrunk program, as a multiple of the whole program's time. A changed program may hang.
const TIMEOUT_FACTOR: u32 = 10;

/// The least time that a run of a command gets while a program is shrunk: starting a process may take long on a busy
/// machine.
const LEAST_COMMAND_TIME: Duration = Duration::from_secs(1);

impl Campaign {
    /// Judges a program on some engines in a separate process and returns the failure, if any.
    pub(super) fn tried(
        &self,
        trial: &Trial,
        care: Care,
        engines: &[&str],
        patience: Duration,
    ) -> io::Result<Option<Failure>> {
        let mut wrong = None;
        let work = |reporter: &mut Reporter| {
            let judged = self.judge(engines).judge_alive(trial, care, &mut || reporter.alive());
            if let Err(disagreement) = judged {
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

    /// The program with this index and the text of its file. Each is missing if the worker died before producing it.
    pub(super) fn generated(&self, index: u64) -> io::Result<Option<(Trial, Option<String>)>> {
        let work = |reporter: &mut Reporter| {
            let trial = self.trial(index);
            reporter.send(Message::Trial(trial.clone(), None));
            let file = file(&trial);
            reporter.send(Message::Trial(trial, Some(file)));
        };
        last_trial(work, self.patience)
    }

    /// The smallest program found on which the engine still fails in the same way.
    pub(super) fn shrunk(
        &self,
        whole: &Trial,
        class: &str,
        culprit: &[&str],
    ) -> io::Result<Option<(Trial, Option<String>)>> {
        let external = self.external.as_ref().filter(|external| culprit == [external.name()]);
        let work = |reporter: &mut Reporter| {
            let mut tries = 0;
            let mut still_fails = |campaign: &Campaign, trial: &Trial, care, patience| {
                // Shows progress, so that this worker does not count as hung.
                tries += 1;
                reporter.begin(tries);
                let wrong = campaign.tried(trial, care, culprit, patience);
                // If the system cannot start a process for an attempt, the candidate is dropped.
                let same = matches!(wrong, Ok(Some(wrong)) if wrong.class == class);
                if same {
                    reporter.send(Message::Trial(trial.clone(), None));
                }
                same
            };
            // Each run of a command is a process, so there is no time for many runs of each candidate. The limits are
            // found first.
            let (care, whole) = match external {
                None => (Care::Thorough, whole.clone()),
                Some(_) => {
                    let fails = |trial: &Trial| still_fails(self, trial, Care::Quick, self.patience());
                    (Care::Quick, with_its_limits(whole.clone(), fails))
                }
            };
            let begun = Instant::now();
            still_fails(self, &whole, care, self.patience());
            let enough =
                |limit: Duration, least| (begun.elapsed() * TIMEOUT_FACTOR).min(limit / TIMEOUT_FACTOR).max(least);
            let mut patience = enough(self.patience, Duration::from_millis(100));
            let mut campaign = self.clone();
            if let Some(external) = external {
                let time = enough(external.time(), LEAST_COMMAND_TIME).min(external.time());
                campaign.external = Some(external.with_time(time));
                patience = campaign.patience();
            }
            let end = Instant::now() + SHRINK_TIME;
            let small = shrink(&whole, MAX_ATTEMPTS, end, |trial| still_fails(&campaign, trial, care, patience));
            let mut small = with_its_limits(small, |trial| still_fails(&campaign, trial, Care::Quick, patience));
            // A command that was too slow for a moment has not failed.
            if external.is_some() && !still_fails(self, &small, Care::Quick, self.patience()) {
                small = whole;
            }
            let file = file(&small);
            reporter.send(Message::Trial(small, Some(file)));
        };
        // The worker may spend one timeout on the whole program before its first message.
        last_trial(work, self.patience().saturating_mul(2))
    }
}

/// Runs `work` in a worker and receives all its messages. Returns the failure that killed it, if any. If it is killed from
/// outside, a second worker tries again.
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
    Err(io::Error::other("the worker processes were killed from outside"))
}

/// The last program that a worker sent, no matter how the worker ended.
fn last_trial(work: impl Fn(&mut Reporter), patience: Duration) -> io::Result<Option<(Trial, Option<String>)>> {
    let mut last = None;
    receive_all(work, patience, |said| {
        if let Message::Trial(trial, file) = said {
            last = Some((trial, file));
        }
    })?;
    Ok(last)
}

/// The program with limits that show the failure, in case only a sweep of limits showed it.
fn with_its_limits(trial: Trial, mut still_fails: impl FnMut(&Trial) -> bool) -> Trial {
    let Ok(program) = trial.load() else { return trial };
    let measured = trial.measure(program.ast());
    let fuels = fuels(&trial, &measured).into_iter().map(|fuel| Trial { fuel, ..trial.clone() });
    let stack_limits = stack_limits(&trial, &measured).into_iter();
    let stack_limits = stack_limits.map(|stack_limit| Trial { stack_limit, ..trial.clone() });
    let call_limits = call_limits(&trial, &measured).into_iter();
    let call_limits = call_limits.map(|call_limit| Trial { call_limit, ..trial.clone() });
    let mut candidates = [trial.clone()].into_iter().chain(fuels).chain(stack_limits).chain(call_limits);
    candidates.find(|candidate| still_fails(candidate)).unwrap_or(trial)
}

/// A program with a case that holds the referee's result, even if the verifier wrongly rejects the program.
fn file(trial: &Trial) -> String {
    let source = trial.source();
    let verdict = match (trial.load(), parse(&source)) {
        (Ok(program), _) => Verdict::of(&trial.measure(program.ast()).outcome, &source),
        (Err(Fault::Rejection(rejection)), Ok(ast))
            if wrongly_rejected(&ast, &rejection, &trial.inputs, trial.fuel) =>
        {
            Verdict::of(&evaluate(&ast, trial.run()), &source)
        }
        (Err(fault), _) => Verdict::of_fault(&fault, &source),
    };
    trial.with_case(verdict)
}
