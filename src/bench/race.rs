//! A race: contestants run the same subject in many processes, interleaved in shuffled order, and their times are compared.
//!
//! A process is an accident of memory layout, which no number of runs inside it averages out; so the process is the unit,
//! and intervals are over processes. Within one, contestants take turns in rounds, each round in another order: what slows
//! the machine down for a while slows all of them. Processes come in pairs, of which the second has everything in the reverse
//! order in memory. A ratio is taken within a round; then its median over the rounds of a process, the mean of the two of a
//! pair, and the median over pairs.

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
    /// The binaries that contestants may run in; each process of the race has one of each.
    pub images: Vec<&'a Image>,
    /// Who runs; the first is whom the others are held against.
    pub contestants: Vec<Contestant>,
    /// How many pairs of processes.
    pub pairs: usize,
    /// How many rounds in each.
    pub rounds: usize,
    /// How long a contestant runs in each round; at least one run. Below [`MIN_TURN`](super::client::MIN_TURN) ratios of
    /// different engines are those of how their turns begin.
    pub turn: Duration,
    /// How long a process may be silent, apart from what its runs take.
    pub timeout: Duration,
    /// Chooses the order.
    pub seed: u64,
}

/// Who takes part in a race.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contestant {
    /// The engine, or the calibration kernel.
    pub engine: String,
    /// In which of the binaries.
    pub binary: usize,
}

/// How many times as fast as another build one may be on the same engine. Their turns have as many runs, so that those of the
/// slower one would take as many times as long as a turn should.
const MAX_SPEED_RATIO: u64 = 1_000;

/// The times of one contestant.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// Nanoseconds a run, of each pair.
    pub nanoseconds: Vec<f64>,
    /// The same over the time of the first contestant.
    pub ratios: Vec<f64>,
}

impl Race<'_> {
    /// Runs it on a subject of so many words a run, and calls `progress` after each pair of processes.
    ///
    /// # Errors
    /// Where a binary cannot take part or refuses the subject.
    pub fn run(&self, subject: &Subject, words: u64, progress: &mut dyn FnMut()) -> Result<Vec<Times>, RaceError> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let timeout = Timeout { base: self.timeout, words };
        let runs = self.runs_per_turn(subject, timeout, &mut rng)?;
        let mut all = vec![Times::default(); self.contestants.len()];
        for _ in 0..self.pairs {
            // Who is made ready first, and so lies where in memory, makes some percent for some code: each order has its
            // reverse beside it, so that a place that suits the processor is nobody's.
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

    /// How many runs of each contestant make a turn, found out in a process that does nothing else. The same engine has the
    /// same number in all its places and builds: otherwise the fixed cost of starting a turn would be spread over more runs on one side.
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
                    format!("it says that a run takes less than 1/{MAX_SPEED_RATIO} of what it takes another build");
                return Err(RaceError::Binary { binary, source: io::Error::other(why) });
            }
            Ok(most)
        };
        self.contestants.iter().map(most).collect()
    }

    /// One process of each binary, in which contestants are made ready in this order: for each the
    /// nanoseconds a run of each round. The round before the first is not counted: it warms up.
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
                    // Half a nanosecond where the clock has not moved, so that a ratio is a number.
                    times[turn].push(time.max(0.5) / runs[turn] as f64);
                }
            }
        }
        Ok(times)
    }

    /// Starts a process of each binary, that of the first contestant first.
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

/// The processes that run at one time.
struct Workers {
    processes: Vec<Worker>,
    /// Where each contestant is: in which worker, as its how many-eth.
    places: Vec<(usize, usize)>,
}
