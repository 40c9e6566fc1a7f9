//! A race: contestants run the same subject in many processes, interleaved in shuffled order, and their times are compared.
//!
//! Each process has a random memory layout, which affects all runs in that process, so more runs do not average the
//! effect out. The process is therefore the unit of measurement, and intervals are over processes. Within a process,
//! contestants take turns in rounds, each round in another order, so a temporary slowdown of the machine affects all of
//! them. Processes are started in pairs; the second process of a pair prepares the contestants in the reverse order.
//!
//! A ratio is computed within a round. The ratio of a process is the median over its rounds, that of a pair is the geometric
//! mean of its two processes, and the result is the median over pairs.

use std::io;
use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::Subject;
use super::client::{RaceError, Timeout, Worker};
use super::image::Image;
use super::statistics::{geometric_mean, median};
use super::worker::Task;

/// How a race is run.
#[derive(Clone, Debug)]
pub struct Race<'a> {
    /// The binaries that contestants may run in. Each time the race starts processes, it starts one of each binary.
    pub images: Vec<&'a Image>,
    /// The contestants; the first one is the base of the comparison.
    pub contestants: Vec<Contestant>,
    /// The number of pairs of processes.
    pub pairs: usize,
    /// The number of rounds in each process.
    pub rounds: usize,
    /// How long a contestant runs in each round. It makes at least one run. If the turn were shorter than
    /// [`MIN_TURN`](super::client::MIN_TURN), the fixed cost of starting it would dominate the ratios.
    pub turn: Duration,
    /// How long a process may take to reply, not counting its runs.
    pub timeout: Duration,
    /// The seed of the shuffled orders.
    pub seed: u64,
}

/// An engine in a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contestant {
    /// The engine, or the calibration kernel.
    pub engine: String,
    /// The index of the binary.
    pub binary: usize,
}

/// The maximum speed ratio of two builds of the same engine. Their turns have the same number of runs, so the slower build's
/// turns are longer by this ratio.
const MAX_SPEED_RATIO: u64 = 1_000;

/// The times of one contestant.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// Nanoseconds per run, one value for each pair.
    pub nanoseconds: Vec<f64>,
    /// The same, relative to the first contestant.
    pub ratios: Vec<f64>,
}

impl Race<'_> {
    /// Checks that every binary accepts the subject, and that every contestant gives the referee's answer. Takes the time of one of the
    /// processes that [`run`](Race::run) starts.
    ///
    /// # Errors
    /// If a binary cannot take part or refuses the subject.
    pub fn check(&self, subject: &Subject, words: u64) -> Result<(), RaceError> {
        let order: Vec<usize> = (0..self.contestants.len()).collect();
        let timeout = Timeout { base: self.timeout, words };
        self.start(subject, timeout, &order, &mut ChaCha8Rng::seed_from_u64(self.seed)).map(drop)
    }

    /// Runs the race on a subject that executes `words` words per run. Calls `progress` after each pair of processes.
    ///
    /// # Errors
    /// If a binary cannot take part or refuses the subject.
    pub fn run(&self, subject: &Subject, words: u64, progress: &mut dyn FnMut()) -> Result<Vec<Times>, RaceError> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let timeout = Timeout { base: self.timeout, words };
        let runs = self.runs_per_turn(subject, timeout, &mut rng)?;
        let mut all = vec![Times::default(); self.contestants.len()];
        for _ in 0..self.pairs {
            // The order of preparation determines where code lies in memory, which changes some timings by several percent.
            // Each order is paired with its reverse, so that no contestant has the better place in both.
            let mut order: Vec<usize> = (0..self.contestants.len()).collect();
            order.shuffle(&mut rng);
            let one = self.process(subject, timeout, &order, &runs, &mut rng)?;
            order.reverse();
            let other = self.process(subject, timeout, &order, &runs, &mut rng)?;
            for (index, of_all) in all.iter_mut().enumerate() {
                let time = |rounds: &[Vec<f64>]| median(&rounds[index]);
                let ratio = |rounds: &[Vec<f64>]| {
                    let ratios = rounds[index].iter().zip(&rounds[0]).map(|(time, base)| time / base);
                    median(&ratios.collect::<Vec<f64>>())
                };
                of_all.nanoseconds.push(geometric_mean([time(&one), time(&other)]));
                of_all.ratios.push(geometric_mean([ratio(&one), ratio(&other)]));
            }
            progress();
        }
        Ok(all)
    }

    /// The number of runs in a turn of each contestant, determined in separate processes. All contestants with the same
    /// engine use the same number. Otherwise the fixed cost of starting a turn would be spread over more runs on one side.
    fn runs_per_turn(&self, subject: &Subject, timeout: Timeout, rng: &mut ChaCha8Rng) -> Result<Vec<u64>, RaceError> {
        let mut order: Vec<usize> = (0..self.contestants.len()).collect();
        order.shuffle(rng);
        let mut workers = self.start(subject, timeout, &order, rng)?;
        let mut runs = vec![0; order.len()];
        for contestant in order {
            let (worker, which) = workers.places[contestant];
            runs[contestant] = workers.processes[worker].runs_per_turn(which, self.turn)?;
        }
        let most = |contestant: &Contestant| {
            let same = || self.contestants.iter().zip(&runs).filter(|(other, _)| other.engine == contestant.engine);
            let least = same().map(|(_, runs)| *runs).min().unwrap_or(1);
            let (fastest, most) =
                same().max_by_key(|(_, runs)| **runs).map_or((contestant, 1), |(one, runs)| (one, *runs));
            if most / least >= MAX_SPEED_RATIO {
                let binary = self.images[fastest.binary].name().to_owned();
                let why =
                    format!("it reports that a run takes less than 1/{MAX_SPEED_RATIO} of the time of another build");
                return Err(RaceError::Binary { binary, source: io::Error::other(why) });
            }
            Ok(most)
        };
        self.contestants.iter().map(most).collect()
    }

    /// Starts one process of each binary and prepares the contestants in this order. Returns the nanoseconds per run of each
    /// contestant in each round, after a warm-up round.
    fn process(
        &self,
        subject: &Subject,
        timeout: Timeout,
        order: &[usize],
        runs: &[u64],
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<Vec<f64>>, RaceError> {
        let mut workers = self.start(subject, timeout, order, rng)?;
        let mut turns = order.to_vec();
        let mut times = vec![Vec::with_capacity(self.rounds); order.len()];
        for round in 0..=self.rounds {
            turns.shuffle(rng);
            for &turn in &turns {
                let (worker, which) = workers.places[turn];
                let time = workers.processes[worker].time(which, runs[turn])?;
                if round > 0 {
                    // A time of zero counts as half a nanosecond, so that ratios are finite.
                    times[turn].push(time.max(0.5) / runs[turn] as f64);
                }
            }
        }
        Ok(times)
    }

    /// Starts one process of each binary, in the order of their first contestants.
    fn start(
        &self,
        subject: &Subject,
        timeout: Timeout,
        order: &[usize],
        rng: &mut ChaCha8Rng,
    ) -> Result<Workers, RaceError> {
        let mut workers = Workers { processes: Vec::new(), places: vec![(0, 0); order.len()] };
        let mut started = Vec::new();
        for &contestant in order {
            let binary = self.contestants[contestant].binary;
            if started.contains(&binary) {
                continue;
            }
            started.push(binary);
            let of_this: Vec<usize> =
                order.iter().copied().filter(|contestant| self.contestants[*contestant].binary == binary).collect();
            for (which, contestant) in of_this.iter().enumerate() {
                workers.places[*contestant] = (workers.processes.len(), which);
            }
            let contestants = of_this.iter().map(|contestant| self.contestants[*contestant].engine.clone()).collect();
            let task = Task { subject: subject.clone(), contestants };
            let shift = rng.random_range(0..4096);
            workers.processes.push(Worker::start(self.images[binary], &task, shift, timeout)?);
        }
        Ok(workers)
    }
}

/// The processes that run at the same time.
struct Workers {
    processes: Vec<Worker>,
    /// For each contestant, the index of its process and its index within that process.
    places: Vec<(usize, usize)>,
}
