//! A campaign: any number of random programs, judged in processes of their own.
//!
//! Each batch of programs is judged by a forked copy of this process, which announces every program before it runs it.
//! Where generated code crashes, hangs or breaks a promise, the copy dies; the program that it had announced is at
//! fault, and the rest of its batch goes to another copy. What is found is shrunk, with a copy for each try.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use serde_json::json;

use super::judge::{Care, Judge};
use super::shrink::shrink;
use super::worker::{Said, Worker, Wrong};
use crate::exec::ready;
use crate::generate::{Kind, Trial, trial};

/// What a campaign runs, and how long.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Chooses the sequence of programs.
    pub seed: u64,
    /// Which part of the sequence is this campaign's.
    pub shard: Shard,
    /// How many programs; no end unless set.
    pub programs: Option<u64>,
    /// How long it may start more; no end unless set.
    pub time: Option<Duration>,
    /// Processes at a time.
    pub jobs: usize,
    /// The engines that are held against the referee.
    pub engines: Vec<&'static str>,
    /// How long one program may take before it counts as hanging.
    pub patience: Duration,
    /// How many kinds of findings end it early; none unless set.
    pub enough: Option<usize>,
}

/// One of several parts of a sequence: every program whose index divided by `of` leaves `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 0.
    pub index: u64,
    /// How many parts.
    pub of: u64,
}

/// Something that was found to be wrong, with the smallest program that still shows it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The index of the program in the sequence.
    pub index: u64,
    /// What kind of thing is wrong.
    pub class: String,
    /// The engines at fault; none where it is the front end.
    pub engines: Vec<String>,
    /// The run that shows it on the small program, and who said what.
    pub detail: String,
    /// The small program.
    pub small: Trial,
}

/// What a campaign has done so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Programs.
    pub programs: u64,
    /// Runs of an engine.
    pub runs: u64,
    /// Words that the referee carried out with the programs' own limits.
    pub words: u64,
    /// Programs that trapped.
    pub trapped: u64,
    /// Programs that were rejected, as they should be.
    pub rejected: u64,
    /// Programs that showed something wrong.
    pub wrong: u64,
    /// One of each kind, in the order in which they were found.
    pub findings: Vec<Finding>,
    /// What the host cannot run, in words.
    pub skipped: BTreeSet<String>,
}

/// Programs that one process judges.
const BATCH: u64 = 256;

/// Most tries to make a program smaller.
const TRIES: usize = 4_000;

/// Which part of our patience with a program a try has: what was changed may hang.
const IMPATIENCE: u32 = 10;

/// What kind of program has this index: of 16, one is a loop-heavy workload and one is invalid.
pub fn kind(index: u64) -> Kind {
    match scattered(index) % 16 {
        0 => Kind::Loops { work: 1_000 },
        1 => Kind::Invalid,
        _ => Kind::Random,
    }
}

/// One program in eight is judged thoroughly.
fn care(index: u64) -> Care {
    if (scattered(index) / 16).is_multiple_of(8) { Care::Thorough } else { Care::Quick }
}

/// Scattered so that every shard has its part of each kind, into however many shards the sequence is split.
fn scattered(index: u64) -> u64 {
    index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

impl Campaign {
    /// Runs it, and tells `progress` from time to time how far it is.
    ///
    /// # Errors
    /// The system's, where it gives no process or pipe.
    ///
    /// # Panics
    /// Where an engine does not exist or the process has more than one thread.
    pub fn run(&self, progress: &mut dyn FnMut(&Tally, Duration)) -> io::Result<Tally> {
        let started = Instant::now();
        let mut running =
            Running { campaign: self, tally: Tally::default(), kinds: BTreeSet::new(), workers: Vec::new() };
        let mut waiting: Vec<Batch> = Vec::new();
        let mut next = 0;
        loop {
            if self.enough.is_some_and(|enough| running.tally.findings.len() >= enough) {
                return Ok(running.tally);
            }
            let over = self.time.is_some_and(|time| started.elapsed() >= time);
            while !over && running.workers.len() < self.jobs {
                let batch = waiting.pop().unwrap_or_else(|| {
                    let end = self.programs.unwrap_or(u64::MAX).min(next + BATCH);
                    Batch { next: std::mem::replace(&mut next, end), end }
                });
                if batch.next == batch.end {
                    break;
                }
                let worker = Worker::start(|mouth| self.work(batch, &mut |said| mouth.say(&said)))?;
                running.workers.push((worker, batch));
            }
            if running.workers.is_empty() {
                return Ok(running.tally);
            }
            let children = running.workers.iter().map(|(worker, _)| worker.child());
            // From behind, since a worker that has ended is taken out.
            for index in ready(children, Duration::from_millis(200))?.into_iter().rev() {
                waiting.extend(running.hear(index)?.filter(|rest| rest.next < rest.end));
            }
            running.workers.iter_mut().for_each(|(worker, _)| worker.end_if_silent_for(self.patience));
            progress(&running.tally, started.elapsed());
        }
    }

    /// The index in the sequence of one of our own programs.
    fn index(&self, own: u64) -> u64 {
        self.shard.index + own * self.shard.of
    }

    /// Judges a batch of programs.
    fn work(&self, batch: Batch, say: &mut dyn FnMut(Said)) {
        let mut judge = judge(&self.engines);
        let (mut runs, mut words, mut trapped, mut rejected) = (0, 0, 0, 0);
        for own in batch.next..batch.end {
            say(Said::Program(own));
            let index = self.index(own);
            match judge.judge(&trial(kind(index), self.seed, index), care(index)) {
                Ok(judged) => {
                    runs += judged.runs;
                    words += judged.words;
                    trapped += u64::from(judged.trapped);
                    rejected += u64::from(judged.rejected);
                }
                Err(disagreement) => say(Said::Wrong(disagreement.into())),
            }
        }
        let skipped = judge.skipped();
        say(Said::Sum(
            json!({ "runs": runs, "words": words, "trapped": trapped, "rejected": rejected, "skipped": skipped }),
        ));
    }

    /// What is wrong with a program on some engines, tried in a process of its own.
    fn tried(&self, trial: &Trial, care: Care, engines: &[&str], patience: Duration) -> io::Result<Option<Wrong>> {
        let mut worker = Worker::start(|mouth| {
            if let Err(disagreement) = judge(engines).judge(trial, care) {
                mouth.say(&Said::Wrong(disagreement.into()));
            }
            mouth.say(&Said::Sum(json!({})));
        })?;
        let mut wrong = None;
        loop {
            if ready([worker.child()], patience)?.is_empty() {
                worker.end_if_silent_for(Duration::ZERO);
                continue;
            }
            let (said, open) = worker.hear()?;
            wrong = wrong.or(said.into_iter().find_map(|said| match said {
                Said::Wrong(wrong) => Some(wrong),
                _ => None,
            }));
            if !open {
                return Ok(wrong.or(worker.death()?));
            }
        }
    }
}

fn judge(engines: &[&str]) -> Judge {
    Judge::new(engines).expect("the caller names engines that exist")
}

/// Programs of a campaign from one to another, in its own counting.
#[derive(Clone, Copy, Debug)]
struct Batch {
    next: u64,
    end: u64,
}

/// A campaign that goes on.
struct Running<'a> {
    campaign: &'a Campaign,
    tally: Tally,
    /// What was found already: kinds of wrong, and the engines at fault.
    kinds: BTreeSet<(String, Vec<String>)>,
    /// With the programs that are left to each, the one that it has announced first.
    workers: Vec<(Worker, Batch)>,
}

impl Running<'_> {
    /// Listens to one worker. Where it has ended, what it has left of its batch.
    fn hear(&mut self, index: usize) -> io::Result<Option<Batch>> {
        let (said, open) = self.workers[index].0.hear()?;
        for said in said {
            let batch = &mut self.workers[index].1;
            match said {
                Said::Program(own) => {
                    self.tally.programs += own - batch.next;
                    batch.next = own;
                }
                Said::Wrong(wrong) => {
                    let own = batch.next;
                    self.found(own, wrong)?;
                }
                Said::Sum(sum) => {
                    self.tally.programs += batch.end - batch.next;
                    batch.next = batch.end;
                    let count = |name: &str| sum[name].as_u64().unwrap_or(0);
                    self.tally.runs += count("runs");
                    self.tally.words += count("words");
                    self.tally.trapped += count("trapped");
                    self.tally.rejected += count("rejected");
                    let skipped = sum["skipped"].as_array().into_iter().flatten();
                    self.tally.skipped.extend(skipped.filter_map(|words| words.as_str()).map(Into::into));
                }
            }
        }
        if open {
            return Ok(None);
        }
        let (worker, mut batch) = self.workers.swap_remove(index);
        if let Some(wrong) = worker.death()? {
            self.found(batch.next, wrong)?;
            self.tally.programs += 1;
            batch.next += 1;
        }
        Ok(Some(batch))
    }

    /// Looks into a program with which something is wrong, and shrinks it where it is the first of its kind.
    fn found(&mut self, own: u64, wrong: Wrong) -> io::Result<()> {
        self.tally.wrong += 1;
        let campaign = self.campaign;
        let index = campaign.index(own);
        let (whole, care) = (trial(kind(index), campaign.seed, index), care(index));
        let tried = |trial: &Trial, care, engines: &[&str]| {
            campaign.tried(trial, care, engines, campaign.patience / IMPATIENCE)
        };
        // Each engine by itself: one that kills the process must not hide the others.
        let mut engines: Vec<&str> = Vec::new();
        let mut first: Option<Wrong> = None;
        for &engine in &campaign.engines {
            if let Some(wrong) = tried(&whole, care, &[engine])? {
                engines.push(engine);
                first.get_or_insert(wrong);
            }
        }
        // What shows only among others, in a batch, cannot be made smaller.
        let repeated = first.is_some();
        let Wrong { class, detail, .. } = first.unwrap_or(wrong);
        let names: Vec<String> = engines.iter().map(|engine| (*engine).to_owned()).collect();
        if !self.kinds.insert((class.clone(), names.clone())) {
            return Ok(());
        }
        let mut finding = Finding { index, class, engines: names, detail, small: whole };
        if repeated {
            let culprit = &engines[..1];
            let mut failure = None;
            // A program that is not quite small is better than none for an hour.
            let end = Instant::now() + campaign.patience;
            let same = |trial: &Trial| {
                let wrong = if failure.is_some() { Ok(None) } else { tried(trial, Care::Thorough, culprit) };
                let class = wrong.map(|wrong| wrong.map(|wrong| wrong.class));
                class.map_err(|error| failure = Some(error)) == Ok(Some(finding.class.clone()))
            };
            finding.small = shrink(&finding.small, TRIES, end, same);
            if let Some(error) = failure {
                return Err(error);
            }
            let of_all = tried(&finding.small, Care::Thorough, &engines)?;
            let of_one = tried(&finding.small, Care::Thorough, culprit)?;
            finding.detail = of_all.or(of_one).map_or(finding.detail, |wrong| wrong.detail);
        }
        self.tally.findings.push(finding);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_has_programs_of_all_kinds() {
        for of in [1, 2, 3, 7, 8, 16, 100, 128, 256, 1000] {
            for index in [0, 1, of / 2, of - 1] {
                let own = (0..1_000).map(|own| index + own * of);
                let (mut loops, mut invalid, mut thorough) = (0, 0, 0);
                for index in own {
                    loops += u32::from(matches!(kind(index), Kind::Loops { .. }));
                    invalid += u32::from(kind(index) == Kind::Invalid);
                    thorough += u32::from(care(index) == Care::Thorough);
                }
                let counts = (loops, invalid, thorough);
                assert!((40..90).contains(&loops) && (40..90).contains(&invalid), "{counts:?} in part {index} of {of}");
                assert!((90..160).contains(&thorough), "{counts:?} in part {index} of {of}");
            }
        }
    }
}
