//! A campaign: any number of random programs, judged in processes of their own.
//!
//! Each batch of programs is judged by a forked copy of this process, which announces every program before it is even
//! generated. Where the front end or generated code crashes, hangs or breaks a promise, the copy dies; the program that
//! it had announced is at fault, and the rest of its batch goes to another copy. Looking into what was found is left to
//! copies too, so that nothing that a program does ends the campaign.

mod inquiry;

use std::collections::BTreeSet;
use std::io;
use std::mem;
use std::time::{Duration, Instant};

use super::judge::{Care, HOST, Judge};
use super::worker::{Counts, Exit, Failure, Message, POLL, Reporter, Worker};
use crate::engine::Engine;
use crate::exec::{Ended, ready};
use crate::generate::{Kind, Trial, trial};

/// What a campaign runs, and how long.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Chooses the sequence of programs.
    pub seed: u64,
    /// Which part of the sequence is this campaign's.
    pub shard: Shard,
    /// How many programs of its part come before those that it judges.
    pub first: u64,
    /// How many programs; no end unless set.
    pub programs: Option<u64>,
    /// How long it may start more; no end unless set.
    pub time: Option<Duration>,
    /// Processes at a time.
    pub jobs: usize,
    /// The names of the engines that are held against the referee.
    pub engines: Vec<&'static str>,
    /// Makes the engine of a name: [`crate::registry::engine`], or something to try the campaign itself with.
    pub engine: fn(&str) -> Option<Box<dyn Engine>>,
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

impl Shard {
    /// How many programs it has. The sequence ends before the last 64-bit index, so that every end is a number too.
    pub fn programs(self) -> u64 {
        (u64::MAX - self.index).div_ceil(self.of)
    }
}

/// Something that was found to be wrong, with the smallest program that still shows it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The index of the program in the sequence.
    pub index: u64,
    /// How long the campaign had searched, without what it took to look into earlier findings.
    pub after: Duration,
    /// What kind of thing is wrong.
    pub class: String,
    /// The engines at fault; none where it is the front end or the referee, or where no engine shows it by itself.
    pub engines: Vec<&'static str>,
    /// The run that shows it, and who said what.
    pub detail: String,
    /// The program; none where the generator itself did not live to say it.
    pub trial: Option<Trial>,
    /// The text of a file that repeats the run: the program, and a case with what the referee makes of it where that
    /// could be told.
    pub file: String,
    /// Later programs that showed the same: of the same kind, on the same engines. They may well have another cause.
    pub others: Vec<u64>,
}

/// What a campaign has done so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Programs that were judged.
    pub programs: u64,
    /// Runs of an engine, without those of the last programs that a process judged before it died.
    pub runs: u64,
    /// Words that the referee carried out with the programs' own limits, counted as the runs are.
    pub words: u64,
    /// Programs that trapped, counted as the runs are.
    pub trapped: u64,
    /// Programs that were rejected, as they should be, counted as the runs are.
    pub rejected: u64,
    /// Programs that showed something wrong.
    pub wrong: u64,
    /// One of each kind, in the order in which they were found.
    pub findings: Vec<Finding>,
    /// What the host cannot run, in words.
    pub skipped: BTreeSet<String>,
    /// The indices of programs that were not judged: their processes were killed from outside, more than once.
    pub unjudged: Vec<u64>,
}

impl Tally {
    fn add(&mut self, counts: Counts) {
        let Counts { programs, runs, words, trapped, rejected, skipped } = counts;
        self.programs += programs;
        self.runs += runs;
        self.words += words;
        self.trapped += trapped;
        self.rejected += rejected;
        self.skipped.extend(skipped);
    }
}

/// What a campaign tells whoever watches it.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// From time to time: how far it is.
    Progress(&'a Tally, Duration),
    /// It has found something of a new kind, and begins to make the program small.
    Found(&'a Finding),
    /// That program is as small as it becomes.
    Shrunk(&'a Finding),
    /// Somebody has killed a process.
    Killed(Killed),
}

/// A process that somebody else killed.
#[derive(Clone, Copy, Debug)]
pub struct Killed {
    /// The index of the program that it was at.
    pub index: u64,
    /// How it ended.
    pub ended: Ended,
    /// Whether this was the second time; the program is then not judged.
    pub is_given_up: bool,
}

/// Programs that one process judges, at most: so many that what it takes to begin a process does not count.
const BATCH: u64 = 1_024;

/// Programs after which a process says what it has counted: so few that somebody who looks sees a number that grows.
const REPORT_INTERVAL: u64 = 64;

/// What kind of program has this index: of 16, one is a loop-heavy workload and one was changed at random.
pub fn kind(index: u64) -> Kind {
    match scattered(index) % 16 {
        0 => Kind::Loops { work: 1_000 },
        1 => Kind::Changed,
        _ => Kind::Random,
    }
}

/// One program in 16 is judged thoroughly. Of the planted bugs none is found later than where it is one in eight: the time goes
/// to other programs.
pub fn care(index: u64) -> Care {
    if (scattered(index) / 16).is_multiple_of(16) { Care::Thorough } else { Care::Quick }
}

/// Scattered so that every shard has its part of each kind, into however many shards the sequence is split.
fn scattered(index: u64) -> u64 {
    index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

impl Campaign {
    /// Runs it, and tells `watch` what happens.
    ///
    /// # Errors
    /// The system's, where it gives no process, pipe or memory, and where this process has several threads, so that it cannot
    /// fork.
    ///
    /// # Panics
    /// Where an engine does not exist.
    pub fn run(&self, watch: &mut dyn FnMut(Event)) -> io::Result<Tally> {
        let started = Instant::now();
        let mut running = Running {
            campaign: self,
            tally: Tally::default(),
            workers: Vec::new(),
            started,
            investigating: Duration::ZERO,
        };
        let mut waiting: Vec<Batch> = Vec::new();
        let mut next = self.first;
        let end = self.first + self.programs.unwrap_or(u64::MAX).min(self.left());
        loop {
            if running.found_enough() {
                return Ok(running.tally);
            }
            let over = self.time.is_some_and(|time| started.elapsed() >= time);
            while !over && running.workers.len() < self.jobs {
                let batch = waiting.pop().unwrap_or_else(|| {
                    // Where few are left every process has its part.
                    let part = (end - next).div_ceil(self.jobs as u64).min(BATCH);
                    let end = next + part;
                    Batch { next: mem::replace(&mut next, end), end, killed_at: None }
                });
                if batch.next == batch.end {
                    break;
                }
                let worker = Worker::start(|reporter| self.work(batch, reporter))?;
                running.workers.push((worker, batch));
            }
            if running.workers.is_empty() {
                return Ok(running.tally);
            }
            let children = running.workers.iter().map(|(worker, _)| worker.child());
            // From behind, since a worker that has ended is taken out.
            for index in ready(children, POLL)?.into_iter().rev() {
                waiting.extend(running.receive(index, watch)?.filter(|rest| rest.next < rest.end));
            }
            running.workers.iter_mut().for_each(|(worker, _)| worker.end_if_silent_for(self.patience));
            watch(Event::Progress(&running.tally, started.elapsed()));
        }
    }

    /// How many programs its part of the sequence has from the first on.
    pub fn left(&self) -> u64 {
        self.shard.programs().saturating_sub(self.first)
    }

    /// The index in the sequence of one of our own programs.
    fn index(&self, own: u64) -> u64 {
        self.shard.index + own * self.shard.of
    }

    fn trial(&self, index: u64) -> Trial {
        trial(kind(index), self.seed, index)
    }

    fn judge(&self, engines: &[&str]) -> Judge {
        let engine = |name: &&str| (self.engine)(name).expect("the caller names engines that exist");
        Judge::of(engines.iter().map(engine).collect())
    }

    /// Judges a batch of programs.
    fn work(&self, batch: Batch, reporter: &mut Reporter) {
        let mut judge = self.judge(&self.engines);
        let mut counts = Counts::default();
        let take_counts =
            |counts: &mut Counts, judge: &Judge| Counts { skipped: judge.skipped().to_vec(), ..mem::take(counts) };
        for own in batch.next..batch.end {
            reporter.begin(own);
            let index = self.index(own);
            let judged = judge.judge(&self.trial(index), care(index));
            counts.programs += 1;
            match judged {
                Ok(judged) => {
                    counts.runs += judged.runs;
                    counts.words += judged.words;
                    counts.trapped += u64::from(judged.trapped);
                    counts.rejected += u64::from(judged.rejected);
                }
                Err(disagreement) => {
                    reporter.send(Message::Failed(own, disagreement.into(), take_counts(&mut counts, &judge)))
                }
            }
            if counts.programs == REPORT_INTERVAL {
                reporter.send(Message::Counts(take_counts(&mut counts, &judge)));
            }
        }
        reporter.send(Message::Counts(take_counts(&mut counts, &judge)));
    }
}

/// Programs of a campaign from one to another, in its own counting.
#[derive(Clone, Copy, Debug)]
struct Batch {
    next: u64,
    end: u64,
    /// The program at which somebody killed a process.
    killed_at: Option<u64>,
}

impl Batch {
    /// Goes on to a later program, and says how many that passes.
    fn advance(&mut self, next: u64) -> u64 {
        let before = self.next;
        self.next = next.clamp(before, self.end);
        self.next - before
    }
}

/// A campaign that goes on.
struct Running<'a> {
    campaign: &'a Campaign,
    tally: Tally,
    /// With the programs of each that are not counted yet.
    workers: Vec<(Worker, Batch)>,
    started: Instant,
    /// What was spent on looking into what was found.
    investigating: Duration,
}

impl Running<'_> {
    /// Whether so many kinds of findings were made that it ends early.
    fn found_enough(&self) -> bool {
        self.campaign.enough.is_some_and(|enough| self.tally.findings.len() >= enough)
    }

    /// Listens to one worker. Where it has ended, what it has left of its batch.
    fn receive(&mut self, index: usize, watch: &mut dyn FnMut(Event)) -> io::Result<Option<Batch>> {
        let (messages, open) = self.workers[index].0.receive()?;
        for message in messages {
            // What is not heard is not counted either.
            if self.found_enough() {
                return Ok(None);
            }
            match message {
                Message::Counts(counts) => self.count(index, counts),
                Message::Failed(_, wrong, _) if wrong.class == HOST => return Err(io::Error::other(wrong.detail)),
                Message::Failed(own, wrong, counts) => {
                    self.count(index, counts);
                    self.found(own, wrong, watch);
                }
                Message::Trial(..) => unreachable!("whoever judges a batch says no programs"),
            }
        }
        if open {
            return Ok(None);
        }
        let (worker, mut batch) = self.workers.swap_remove(index);
        // A process that lost its mind may have written anything there.
        let at = worker.at().max(batch.next).min(batch.end - 1);
        match worker.end()? {
            Exit::Done => {}
            Exit::Died(wrong) => {
                self.tally.programs += batch.advance(at + 1);
                self.found(at, wrong, watch);
            }
            Exit::KilledFromOutside(_) if batch.next == batch.end => {}
            Exit::KilledFromOutside(ended) => {
                self.tally.programs += batch.advance(at);
                let (index, is_given_up) = (self.campaign.index(at), batch.killed_at == Some(at));
                watch(Event::Killed(Killed { index, ended, is_given_up }));
                if is_given_up {
                    self.tally.unjudged.push(index);
                    batch.advance(at + 1);
                }
                batch.killed_at = Some(at);
            }
        }
        Ok(Some(batch))
    }

    /// Counts what a worker has done.
    fn count(&mut self, index: usize, counts: Counts) {
        let batch = &mut self.workers[index].1;
        batch.advance(batch.next.saturating_add(counts.programs));
        self.tally.add(counts);
    }

    /// Looks into a program with which something is wrong, and shrinks it where it is the first of its kind. Where the
    /// system does not let us, what is known already has to do.
    fn found(&mut self, own: u64, wrong: Failure, watch: &mut dyn FnMut(Event)) {
        let begun = Instant::now();
        let after = self.started.elapsed() - self.investigating;
        self.tally.wrong += 1;
        self.investigate(own, wrong, after, watch);
        self.investigating += begun.elapsed();
    }

    fn investigate(&mut self, own: u64, wrong: Failure, after: Duration, watch: &mut dyn FnMut(Event)) {
        let campaign = self.campaign;
        let index = campaign.index(own);
        let generated = campaign.generated(index).unwrap_or_default();
        let tried = |trial: &Trial, care, engines: &[&str]| {
            campaign.tried(trial, care, engines, campaign.patience).unwrap_or_default()
        };
        // Each engine by itself: one that kills the process must not hide the others. What the front end does without
        // any is no engine's fault. What shows only among others, in a batch, is nobody's, and cannot be made smaller.
        let mut culprits: Vec<(&[&'static str], Failure)> = Vec::new();
        if let Some((whole, _)) = &generated {
            let mut try_with = |engines| {
                culprits.extend(tried(whole, care(index), engines).map(|wrong| (engines, wrong)));
                culprits.is_empty()
            };
            if try_with(&[]) {
                campaign.engines.chunks(1).for_each(|engine| _ = try_with(engine));
            }
        }
        let engines: Vec<&str> = culprits.iter().flat_map(|(engines, _)| *engines).copied().collect();
        let culprit = culprits.first().map(|(engines, _)| *engines);
        let Failure { class, detail } = culprits.into_iter().next().map_or(wrong, |(_, wrong)| wrong);
        let known = self.tally.findings.iter_mut().find(|known| (&known.class, &known.engines) == (&class, &engines));
        if let Some(known) = known {
            known.others.push(index);
            return;
        }
        let (trial, file) = generated.unzip();
        let file = file.flatten().or(trial.as_ref().map(|trial| trial.text.clone())).unwrap_or_default();
        let mut finding = Finding { index, after, class, engines, detail, trial, file, others: Vec::new() };
        watch(Event::Found(&finding));
        if let (Some(culprit), Some(whole)) = (culprit, &finding.trial)
            && let Ok(Some((small, file))) = campaign.shrunk(whole, &finding.class, culprit)
        {
            let of_all = tried(&small, Care::Thorough, &finding.engines);
            let wrong = of_all.or_else(|| tried(&small, Care::Thorough, culprit));
            finding.detail = wrong.map_or(finding.detail, |wrong| wrong.detail);
            finding.file = file.unwrap_or_else(|| small.text.clone());
            finding.trial = Some(small);
        }
        finding.detail += match culprit {
            Some([]) => "\nbefore any engine runs",
            Some(_) => "",
            None => "\nnot when the program is judged again by itself",
        };
        watch(Event::Shrunk(&finding));
        self.tally.findings.push(finding);
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
                let (mut loops, mut changed, mut thorough) = (0, 0, 0);
                for index in own {
                    loops += u32::from(matches!(kind(index), Kind::Loops { .. }));
                    changed += u32::from(kind(index) == Kind::Changed);
                    thorough += u32::from(care(index) == Care::Thorough);
                }
                let counts = (loops, changed, thorough);
                assert!((40..90).contains(&loops) && (40..90).contains(&changed), "{counts:?} in part {index} of {of}");
                assert!((40..90).contains(&thorough), "{counts:?} in part {index} of {of}");
            }
        }
    }
}
