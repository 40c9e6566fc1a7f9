//! The race on one workload: engines and peer processes take turns in shuffled order.
//!
//! Each round starts a new process and prepares the engines in a new order; every second round reverses the previous order.
//! The code of each engine is therefore placed at many addresses. A ratio is computed within a round.

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

/// The engine that all others are compared with.
pub const BASE: &str = "bytecode";

/// How long a process with engines may take to reply, not counting its runs.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The contestants on one workload.
pub struct Contestants {
    /// The workload.
    pub workload: &'static Workload,
    /// The engines, [`BASE`] among them.
    pub engines: Vec<&'static str>,
    /// The peers that run as separate processes.
    pub programs: Vec<(Peer, Program)>,
}

/// The length of a race.
#[derive(Clone, Copy)]
pub struct Effort {
    /// The number of rounds.
    pub rounds: usize,
    /// The approximate time of an engine in each round; at least one run.
    pub sample: Duration,
    /// The approximate time by which the many runs of a peer process exceed the few; at least one run.
    pub difference: Duration,
}

/// The two numbers of runs of a peer process.
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
    /// The names of all contestants, in the order of the times that [`Contestants::race`] returns.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.engines.iter().copied().chain(self.programs.iter().map(|(peer, _)| peer.name))
    }

    /// Runs the race on a workload that executes `words` words per run. Returns nanoseconds per run and ratios to the base for
    /// each round.
    ///
    /// # Errors
    /// If a process fails or gives a wrong answer.
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

    /// The nanoseconds per run of a peer process: the difference between many runs and few.
    fn difference(&self, program: &Program, runs: Runs, expected: &str) -> Result<f64> {
        let size = self.workload.size;
        let many = program.time(size, runs.many, expected)?.as_nanos() as f64;
        let few = program.time(size, runs.few, expected)?.as_nanos() as f64;
        // If the noise exceeds the difference, the time counts as half a nanosecond, so that ratios are finite and positive.
        Ok(((many - few) / (runs.many - runs.few) as f64).max(0.5))
    }

    /// The numbers of runs of a peer process that give the wanted difference.
    fn scale(&self, program: &Program, expected: &str, difference: Duration) -> Result<Runs> {
        let wanted = difference.as_nanos() as f64;
        let mut runs = 1_u64;
        loop {
            let one = self.difference(program, Runs::of(runs), expected)?;
            // Short differences are mostly noise, so repeat with more runs until the difference is long enough.
            if one * runs as f64 >= wanted / 4.0 || runs >= 1 << 40 {
                return Ok(Runs::of((wanted / one).round().max(1.0) as u64));
            }
            runs *= 4;
        }
    }
}

/// A process that has prepared all engines.
struct Engines {
    worker: Worker,
    /// For each engine, its index in the process and the number of runs in a sample.
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

    /// The nanoseconds per run of an engine.
    fn time(&mut self, engine: usize) -> Result<f64> {
        let (place, runs) = self.places[engine];
        Ok(self.worker.time(place, runs)?.max(0.5) / runs as f64)
    }
}
