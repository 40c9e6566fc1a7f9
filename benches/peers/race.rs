//! The race on one workload: engines and whole processes take turns in shuffled order.
//!
//! Each round has a new process in which the engines are made ready in a new order, every second round in the reverse of the
//! one before: so each engine lies in many places of memory. A ratio is taken within a round.

use std::time::Duration;

use anyhow::Result;
use jitduel::bench::client::{Timeout, Worker};
use jitduel::bench::image::Image;
use jitduel::bench::race::Times;
use jitduel::bench::worker::Task;
use jitduel::bench::workloads::Workload;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::process::{Peer, Program, referee};

/// The engine that all others are held against.
pub const BASE: &str = "bytecode";

/// How long a process with engines may be silent.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Who takes part on one workload.
pub struct Contestants {
    /// The workload.
    pub workload: &'static Workload,
    /// The engines, [`BASE`] among them.
    pub engines: Vec<&'static str>,
    /// The whole processes.
    pub programs: Vec<(Peer, Program)>,
}

/// How long it is raced.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How many rounds.
    pub rounds: usize,
    /// How long an engine runs in each, about; at least one run.
    pub sample: Duration,
    /// How much longer the many runs of a whole process take than the few, about; at least one run.
    pub difference: Duration,
}

/// How many runs are the few and the many of a whole process.
#[derive(Clone, Copy)]
struct Runs {
    few: u64,
    many: u64,
}

impl Runs {
    fn of(difference: u64) -> Runs {
        let few = (difference / 4).max(1);
        Runs { few, many: few + difference }
    }
}

impl Contestants {
    /// The names of all, in the order of their times.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.engines.iter().copied().chain(self.programs.iter().map(|(peer, _)| peer.name))
    }

    /// Races them, on a workload of so many words a run. Nanoseconds a run and ratios to the base, of each round.
    ///
    /// # Errors
    /// Where a process fails or gives a wrong answer.
    pub fn race(&self, image: &Image, words: u64, effort: Effort, seed: u64) -> Result<Vec<Times>> {
        let timeout = Timeout { base: TIMEOUT, words };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let expected = referee(&self.workload.subject())?;
        let mut runs = Vec::new();
        for (_, program) in &self.programs {
            runs.push(self.scale(program, &expected, effort.difference)?);
        }
        let base = self.names().position(|name| name == BASE).expect("the base takes part");
        let mut order: Vec<usize> = (0..self.engines.len()).collect();
        let mut all = vec![Times::default(); self.engines.len() + runs.len()];
        for round in 0..effort.rounds {
            if round % 2 == 0 {
                order.shuffle(&mut rng);
            } else {
                order.reverse();
            }
            let mut engines = Engines::start(self, image, timeout, &order, rng.random_range(0..4096), effort.sample)?;
            let mut turns: Vec<usize> = (0..all.len()).collect();
            turns.shuffle(&mut rng);
            let mut times = vec![0.0; all.len()];
            for turn in turns {
                times[turn] = match turn.checked_sub(self.engines.len()) {
                    None => engines.time(turn)?,
                    Some(index) => self.difference(&self.programs[index].1, runs[index], &expected)?,
                };
            }
            for (of_all, time) in all.iter_mut().zip(&times) {
                of_all.nanoseconds.push(*time);
                of_all.ratios.push(time / times[base]);
            }
        }
        Ok(all)
    }

    /// The nanoseconds a run by which many runs of a whole process take longer than few.
    fn difference(&self, program: &Program, runs: Runs, expected: &str) -> Result<f64> {
        let size = self.workload.size;
        let many = program.time(size, runs.many, expected)?.as_nanos() as f64;
        let few = program.time(size, runs.few, expected)?.as_nanos() as f64;
        // Half a nanosecond where the noise is greater than the difference, so that a ratio is a number.
        Ok(((many - few) / (runs.many - runs.few) as f64).max(0.5))
    }

    /// How many runs of a whole process make the difference.
    fn scale(&self, program: &Program, expected: &str, difference: Duration) -> Result<Runs> {
        let wanted = difference.as_nanos() as f64;
        let mut runs = 1_u64;
        loop {
            let one = self.difference(program, Runs::of(runs), expected)?;
            // Short differences are mostly noise: with so much longer ones the next is trusted more.
            if one * runs as f64 >= wanted / 4.0 || runs >= 1 << 40 {
                return Ok(Runs::of((wanted / one).round().max(1.0) as u64));
            }
            runs *= 4;
        }
    }
}

/// A process with all engines.
struct Engines {
    worker: Worker,
    /// For each engine its place in the process, and how many runs make a sample.
    places: Vec<(usize, u64)>,
}

impl Engines {
    fn start(
        contestants: &Contestants,
        image: &Image,
        timeout: Timeout,
        order: &[usize],
        shift: usize,
        sample: Duration,
    ) -> Result<Engines> {
        let names = order.iter().map(|engine| contestants.engines[*engine].to_owned()).collect();
        let mut worker = Worker::start(
            image,
            &Task { subject: contestants.workload.subject(), contestants: names },
            shift,
            timeout,
        )?;
        let mut places = vec![(0, 0); order.len()];
        for (place, engine) in order.iter().enumerate() {
            places[*engine] = (place, worker.runs_per_turn(place, sample)?);
        }
        Ok(Engines { worker, places })
    }

    /// The nanoseconds a run.
    fn time(&mut self, engine: usize) -> Result<f64> {
        let (place, runs) = self.places[engine];
        Ok(self.worker.time(place, runs)?.max(0.5) / runs as f64)
    }
}
