//! A campaign: many random programs, judged in separate processes.
//!
//! A forked worker process judges each batch of programs. It announces every program before generating it. If the front
//! end or generated code crashes, hangs or violates an invariant, the worker dies. The announced program is then at fault,
//! and another worker judges the rest of the batch. Workers also investigate findings, so no program can end the campaign.

mod inquiry;

use std::io;
use std::mem;
use std::time::{Duration, Instant};

use super::external::External;
use super::judge::{Care, HOST, Judge};
use super::worker::{Exit, Failure, Message, POLL, Reporter, Worker};
use crate::engine::Engine;
use crate::exec::{Ended, ready};
use crate::generate::{Kind, Trial, trial};
use crate::lang::Language;

pub use super::worker::Counts;

/// The parameters of a campaign.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The language of the programs.
    pub language: Language,
    /// The seed of the sequence of programs.
    pub seed: u64,
    /// This campaign's shard of the sequence.
    pub shard: Shard,
    /// The number of programs of the shard to skip.
    pub first: u64,
    /// The number of programs to judge; no limit if `None`.
    pub programs: Option<u64>,
    /// The time after which it starts no more programs; no limit if `None`.
    pub time: Option<Duration>,
    /// The number of concurrent processes.
    pub jobs: usize,
    /// The names of the engines to compare with the referee, and that of the command, if any.
    pub engines: Vec<&'static str>,
    /// The command to compare with the referee.
    pub external: Option<External>,
    /// Creates the engine with a name: [`crate::registry::engine`], or a substitute in tests of the campaign.
    pub engine: fn(&str) -> Option<Box<dyn Engine>>,
    /// The time after which one program counts as hung.
    pub patience: Duration,
    /// The number of kinds of findings after which it ends early; no limit if `None`.
    pub enough: Option<usize>,
}

/// One of several parts of a sequence: every program whose index modulo `of` is `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The number of this part, from 0.
    pub index: u64,
    /// The number of parts.
    pub of: u64,
}

impl Shard {
    /// The number of programs in this shard. The greatest 64-bit number is not the index of a program, so that the end of the
    /// sequence, one more than its last index, fits in 64 bits.
    pub fn programs(self) -> u64 {
        (u64::MAX - self.index).div_ceil(self.of)
    }
}

/// A failure, with the smallest program found that still shows it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The index of the program in the sequence.
    pub index: u64,
    /// The campaign's search time so far, excluding the investigation of earlier findings.
    pub after: Duration,
    /// The kind of failure.
    pub class: String,
    /// The engines at fault; empty for the front end or the referee, or if no engine shows the failure by itself.
    pub engines: Vec<&'static str>,
    /// The run that shows it, and each engine's answer.
    pub detail: String,
    /// The program; `None` if each worker died while generating it.
    pub trial: Option<Trial>,
    /// The text of a file that repeats the run: the program, and a case with the referee's result if it is known.
    pub file: String,
    /// Later programs with the same kind of failure on the same engines. Their cause may differ.
    pub others: Vec<u64>,
}

/// The progress and results of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// What its processes counted.
    pub counts: Counts,
    /// Programs that failed.
    pub wrong: u64,
    /// One finding of each kind, in the order of discovery.
    pub findings: Vec<Finding>,
    /// The indices of programs that were not judged, because their processes were killed from outside more than once.
    pub unjudged: Vec<u64>,
}

/// An event that a campaign reports.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Periodic progress, with the elapsed time.
    Progress(&'a Tally, Duration),
    /// A failure of a new kind; shrinking starts.
    Found(&'a Finding),
    /// Shrinking has finished.
    Shrunk(&'a Finding),
    /// A process was killed from outside.
    Killed(Killed),
}

/// A process that was killed from outside.
#[derive(Clone, Copy, Debug)]
pub struct Killed {
    /// The index of its current program.
    pub index: u64,
    /// How it ended.
    pub ended: Ended,
    /// Whether this happened for the second time, so that the program is not judged.
    pub is_given_up: bool,
}

/// The maximum number of programs per process, large enough to make the cost of starting a process negligible.
const BATCH: u64 = 1_024;

/// The number of programs after which a process reports its counts, small enough for visible progress.
const REPORT_INTERVAL: u64 = 64;

/// The kind of the program with this index: of 16 programs, one is a loop-heavy workload and one was changed at random.
pub fn kind(index: u64) -> Kind {
    match scattered(index) % 16 {
        0 => Kind::Loops { work: 1_000 },
        1 => Kind::Changed,
        2 if (scattered(index) / 16).is_multiple_of(2) => Kind::Repeats,
        _ => Kind::Random,
    }
}

/// The kind of the let program with this index: one of eight has a fault.
pub fn let_kind(index: u64) -> Kind {
    if scattered(index).is_multiple_of(8) { Kind::InvalidLet } else { Kind::Let }
}

/// One program in 16 is judged thoroughly. With one in eight, no planted bug was found earlier, so the time is better spent on
/// other programs.
pub fn care(index: u64) -> Care {
    if (scattered(index) / 16).is_multiple_of(16) { Care::Thorough } else { Care::Quick }
}

/// The engines that do not judge the program with this index. Variants of an engine differ little, and there are many: each program is
/// judged by two variants of each engine, which take turns. The name of a variant is that of the engine, a colon and more.
fn resting(engines: &[&'static str], index: u64) -> impl Iterator<Item = &'static str> {
    let mut families: Vec<(&str, Vec<&'static str>)> = Vec::new();
    for &name in engines {
        let Some((engine, _)) = name.split_once(':') else { continue };
        match families.iter_mut().find(|(of, _)| *of == engine) {
            Some((_, variants)) => variants.push(name),
            None => families.push((engine, vec![name])),
        }
    }
    families.into_iter().flat_map(move |(_, variants)| {
        let count = variants.len();
        let first = (scattered(index) / 256) as usize % count;
        let second = (first + 1 + (scattered(index) / 4096) as usize % (count - 1).max(1)) % count;
        variants
            .into_iter()
            .enumerate()
            .filter(move |(index, _)| ![first, second].contains(index))
            .map(|(_, name)| name)
    })
}

/// Hashes an index, so that every shard has programs of each kind, no matter how many shards there are.
fn scattered(index: u64) -> u64 {
    index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

impl Campaign {
    /// Runs the campaign and reports events to `watch`.
    ///
    /// # Errors
    /// System errors for processes, pipes and memory. Also fails if this process has several threads, because it then cannot
    /// fork.
    ///
    /// # Panics
    /// Panics if an engine does not exist.
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
            let over = self.is_over(started);
            while !over && running.workers.len() < self.jobs {
                let batch = waiting.pop().unwrap_or_else(|| {
                    // The last programs are split evenly among the processes.
                    let part = (end - next).div_ceil(self.jobs as u64).min(BATCH);
                    let end = next + part;
                    Batch { next: mem::replace(&mut next, end), end, killed_at: None }
                });
                if batch.next == batch.end {
                    break;
                }
                let worker = Worker::start(|reporter| self.work(batch, started, reporter))?;
                running.workers.push((worker, batch));
            }
            if running.workers.is_empty() {
                return Ok(running.tally);
            }
            let children = running.workers.iter().map(|(worker, _)| worker.child());
            // In reverse, because `receive` removes workers that have ended.
            for index in ready(children, POLL)?.into_iter().rev() {
                waiting.extend(running.receive(index, watch)?.filter(|rest| rest.next < rest.end));
            }
            running.workers.iter_mut().for_each(|(worker, _)| worker.end_if_silent_for(self.patience()));
            watch(Event::Progress(&running.tally, started.elapsed()));
        }
    }

    /// The number of programs of the shard from `first` on.
    pub fn left(&self) -> u64 {
        self.shard.programs().saturating_sub(self.first)
    }

    /// The index in the sequence of a program of this shard.
    fn index(&self, own: u64) -> u64 {
        self.shard.index + own * self.shard.of
    }

    fn trial(&self, index: u64) -> Trial {
        let kind = match self.language {
            Language::Stack => kind(index),
            Language::Let => let_kind(index),
        };
        trial(kind, self.seed, index)
    }

    fn judge(&self, engines: &[&str]) -> Judge {
        let external = self.external.as_ref().filter(|external| engines.contains(&external.name()));
        let ours = engines.iter().filter(|name| external.is_none_or(|external| external.name() != **name));
        let engine = |name: &&str| (self.engine)(name).expect("the caller names existing engines");
        Judge::of(ours.map(engine).collect()).with_external(external.cloned())
    }

    /// The time after which a worker that shows no progress has hung. It shows progress after each run of the command,
    /// whose own limit ends a run that hangs.
    fn patience(&self) -> Duration {
        self.patience.saturating_add(self.external.as_ref().map_or(Duration::ZERO, External::time))
    }

    /// Whether the time of a campaign that began then is over.
    fn is_over(&self, started: Instant) -> bool {
        self.time.is_some_and(|time| started.elapsed() >= time)
    }

    /// Judges a batch of programs, or its first programs if the time of the campaign ends before.
    fn work(&self, batch: Batch, started: Instant, reporter: &mut Reporter) {
        let mut judge = self.judge(&self.engines);
        let mut counts = Counts::default();
        let take_counts = |counts: &mut Counts, judge: &Judge| {
            let skipped = judge.skipped().iter().cloned().collect();
            Counts { skipped, ..mem::take(counts) }
        };
        for own in batch.next..batch.end {
            reporter.begin(own);
            let index = self.index(own);
            judge.rest(resting(&self.engines, index));
            let judged = judge.judge_alive(&self.trial(index), care(index), &mut || reporter.alive());
            counts.programs += 1;
            match judged {
                Ok(judged) => {
                    counts.runs += judged.runs;
                    counts.external += judged.external;
                    counts.unsupported += judged.unsupported;
                    counts.tiered += judged.tiered;
                    counts.changed += judged.changed;
                    counts.words += judged.words;
                    counts.trapped += u64::from(judged.trapped);
                    counts.rejected += u64::from(judged.rejected);
                }
                Err(disagreement) => {
                    reporter.send(Message::Failed(own, disagreement.into(), take_counts(&mut counts, &judge)));
                }
            }
            if counts.programs == REPORT_INTERVAL {
                reporter.send(Message::Counts(take_counts(&mut counts, &judge)));
                // In an emulator, the rest of the batch could take minutes.
                if self.is_over(started) {
                    break;
                }
            }
        }
        reporter.send(Message::Counts(take_counts(&mut counts, &judge)));
    }
}

/// A range of programs, counted within the shard.
#[derive(Clone, Copy, Debug)]
struct Batch {
    next: u64,
    end: u64,
    /// The program at which a process was killed from outside.
    killed_at: Option<u64>,
}

impl Batch {
    /// Advances to a later program and returns the number of programs skipped.
    fn advance(&mut self, next: u64) -> u64 {
        let before = self.next;
        self.next = next.clamp(before, self.end);
        self.next - before
    }
}

/// The state of a running campaign.
struct Running<'a> {
    campaign: &'a Campaign,
    tally: Tally,
    /// The workers, each with its programs that are not counted yet.
    workers: Vec<(Worker, Batch)>,
    started: Instant,
    /// The time spent on investigating findings.
    investigating: Duration,
}

impl Running<'_> {
    /// Whether there are enough kinds of findings to end early.
    fn found_enough(&self) -> bool {
        self.campaign.enough.is_some_and(|enough| self.tally.findings.len() >= enough)
    }

    /// Handles the messages of one worker. Returns the rest of its batch if the worker has ended.
    fn receive(&mut self, index: usize, watch: &mut dyn FnMut(Event)) -> io::Result<Option<Batch>> {
        let (messages, open) = self.workers[index].0.receive()?;
        for message in messages {
            // Messages after the last finding are not counted.
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
                Message::Trial(..) => unreachable!("a worker that judges a batch sends no programs"),
            }
        }
        if open {
            return Ok(None);
        }
        let (worker, mut batch) = self.workers.swap_remove(index);
        // A faulty process may have written any number to the shared memory.
        let at = worker.at().max(batch.next).min(batch.end - 1);
        match worker.end()? {
            Exit::Done => {}
            Exit::Died(wrong) => {
                self.tally.counts.programs += batch.advance(at + 1);
                self.found(at, wrong, watch);
            }
            Exit::KilledFromOutside(_) if batch.next == batch.end => {}
            Exit::KilledFromOutside(ended) => {
                self.tally.counts.programs += batch.advance(at);
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

    /// Adds the counts of a worker.
    fn count(&mut self, index: usize, counts: Counts) {
        let batch = &mut self.workers[index].1;
        batch.advance(batch.next.saturating_add(counts.programs));
        self.tally.counts += counts;
    }

    /// Investigates a failing program, and shrinks it if it is the first of its kind. If the system provides no process for
    /// this, the finding holds what is already known.
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
            campaign.tried(trial, care, engines, campaign.patience()).unwrap_or_default()
        };
        // Each engine is tried by itself, because one that kills the process must not hide the others. A failure without any
        // engine is the front end's. A failure that shows only within a batch is attributed to no engine and cannot be shrunk.
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
            None => "\nbut not when the program is judged again by itself",
        };
        watch(Event::Shrunk(&finding));
        self.tally.findings.push(finding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two variants of each engine judge each program, all of them in turn, also of the programs that are judged thoroughly. One or two
    /// always do.
    #[test]
    fn variants_take_turns() {
        let engines = ["tree", "a", "a:1", "a:2", "a:3", "a:4", "a:5", "b:1", "b:2", "c:1", "c:2", "c:3"];
        let mut turns = std::collections::BTreeMap::new();
        for index in (0..4_000).filter(|index| care(*index) == Care::Thorough) {
            let resting: Vec<_> = resting(&engines, index).collect();
            assert_eq!(resting.iter().filter(|name| name.starts_with("a:")).count(), 3, "{resting:?}");
            assert_eq!(resting.iter().filter(|name| name.starts_with("c:")).count(), 1, "{resting:?}");
            assert_eq!(resting.len(), 4, "{resting:?}");
            resting.into_iter().for_each(|name| *turns.entry(name).or_insert(0) += 1);
        }
        // There are 250 such programs.
        assert!(turns.len() == 8 && turns.values().all(|turns| (50..200).contains(turns)), "{turns:?}");
        for few in [&["tree", "a:1", "a:2"][..], &["a:1"], &["a"], &[]] {
            assert_eq!((0..100).flat_map(|index| resting(few, index)).count(), 0, "{few:?}");
        }
    }

    #[test]
    fn every_shard_has_programs_of_all_kinds() {
        for of in [1, 2, 3, 7, 8, 16, 100, 128, 256, 1000] {
            for index in [0, 1, of / 2, of - 1] {
                let own = (0..1_000).map(|own| index + own * of);
                let (mut loops, mut changed, mut repeats, mut thorough) = (0, 0, 0, 0);
                for index in own {
                    loops += u32::from(matches!(kind(index), Kind::Loops { .. }));
                    changed += u32::from(kind(index) == Kind::Changed);
                    repeats += u32::from(kind(index) == Kind::Repeats);
                    thorough += u32::from(care(index) == Care::Thorough);
                }
                let counts = (loops, changed, repeats, thorough);
                assert!(
                    (40..90).contains(&loops) && (40..90).contains(&changed),
                    "{counts:?} in shard {index} of {of}"
                );
                assert!(
                    (15..50).contains(&repeats) && (40..90).contains(&thorough),
                    "{counts:?} in shard {index} of {of}"
                );
            }
        }
    }
}
