//! A race: contestants run the same subject in many processes, interleaved in shuffled order, and their times are compared.
//!
//! A process is an accident of memory layout, which no number of runs inside it averages out; so the process is the unit,
//! and intervals are over processes. Within one, contestants take turns in rounds, each round in another order: what slows
//! the machine down for a while slows all of them. Processes come in pairs, of which the second has everything in the reverse
//! order in memory. A ratio is taken within a round; then its median over the rounds of a process, the mean of the two of a
//! pair, and the median over pairs.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use super::Subject;
use super::statistics::{geometric_mean, median};
use super::worker::Task;

/// How a race is run.
#[derive(Clone, Debug)]
pub struct Race {
    /// The binaries that contestants may run in; each process of the race has one of each.
    pub binaries: Vec<PathBuf>,
    /// Who runs; the first is whom the others are held against.
    pub contestants: Vec<Contestant>,
    /// How many pairs of processes.
    pub pairs: usize,
    /// How many rounds in each.
    pub rounds: usize,
    /// How long a contestant runs in each round, about; at least one run.
    pub sample: Duration,
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

/// The times of one contestant.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// Nanoseconds a run, of each pair.
    pub nanoseconds: Vec<f64>,
    /// The same over the time of the first contestant.
    pub ratios: Vec<f64>,
}

/// Why a race has no result.
#[derive(Debug, thiserror::Error)]
pub enum RaceError {
    /// A binary cannot be started, or has ended.
    #[error("`{binary}` cannot take part")]
    Binary {
        /// The binary.
        binary: String,
        /// What the system says.
        source: io::Error,
    },
    /// A binary refuses the subject.
    #[error("`{binary}` refuses: {reason}")]
    Refused {
        /// The binary.
        binary: String,
        /// What it says.
        reason: String,
    },
}

impl Race {
    /// Runs it, and calls `progress` after each pair of processes.
    ///
    /// # Errors
    /// Where a binary cannot take part or refuses the subject.
    pub fn run(&self, subject: &Subject, progress: &mut dyn FnMut()) -> Result<Vec<Times>, RaceError> {
        let mut order = ChaCha8Rng::seed_from_u64(self.seed);
        let mut all = vec![Times::default(); self.contestants.len()];
        for _ in 0..self.pairs {
            // Who is made ready first, and so lies where in memory, makes some percent for some code: each order has its
            // reverse beside it, so that a place that suits the processor is nobody's.
            let mut seats: Vec<usize> = (0..self.contestants.len()).collect();
            seats.shuffle(&mut order);
            let one = self.process(subject, &seats, &mut order)?;
            seats.reverse();
            let other = self.process(subject, &seats, &mut order)?;
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

    /// One process of each binary, in which contestants are made ready in the order of their seats: for each the
    /// nanoseconds a run of each round.
    fn process(&self, subject: &Subject, seats: &[usize], order: &mut ChaCha8Rng) -> Result<Vec<Vec<f64>>, RaceError> {
        let mut workers = Vec::new();
        // Where each contestant is: in which worker, as its how many-eth.
        let mut places = vec![(0, 0); seats.len()];
        for (index, binary) in self.binaries.iter().enumerate() {
            let of_this = seats.iter().copied().filter(|contestant| self.contestants[*contestant].binary == index);
            let of_this: Vec<usize> = of_this.collect();
            of_this.iter().enumerate().for_each(|(which, contestant)| places[*contestant] = (index, which));
            let contestants = of_this.iter().map(|contestant| self.contestants[*contestant].engine.clone()).collect();
            let task = Task { subject: subject.clone(), contestants };
            workers.push(Worker::start(binary, &task, order.random_range(0..4096))?);
        }
        let mut runs = Vec::new();
        for &(worker, which) in &places {
            runs.push(workers[worker].runs(which, self.sample)?);
        }
        let mut turns: Vec<usize> = (0..places.len()).collect();
        let mut times = vec![Vec::with_capacity(self.rounds); places.len()];
        for _ in 0..self.rounds {
            turns.shuffle(order);
            for &turn in &turns {
                let (worker, which) = places[turn];
                let time = workers[worker].time(which, runs[turn])?;
                // Half a nanosecond where the clock has not moved, so that a ratio is a number.
                times[turn].push(time.max(0.5) / runs[turn] as f64);
            }
        }
        Ok(times)
    }
}

/// A process of a binary; killed when it is dropped.
pub struct Worker {
    binary: String,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts one with a task. `shift` moves where its stack begins, which an environment of another length does as well.
    ///
    /// # Errors
    /// Where the binary cannot be started, or refuses the task.
    pub fn start(binary: &Path, task: &Task, shift: usize) -> Result<Worker, RaceError> {
        let name = binary.display().to_string();
        let fail = |source| RaceError::Binary { binary: name.clone(), source };
        let mut command = Command::new(binary);
        command.args(["bench", "--worker"]).env("JITDUEL_SHIFT", "x".repeat(shift));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(fail)?;
        let input = process.stdin.take().expect("it is a pipe");
        let output = BufReader::new(process.stdout.take().expect("it is a pipe"));
        let mut worker = Worker { binary: name, process, input, output };
        let said = worker.ask(&task.to_json().to_string())?;
        match serde_json::from_str::<Value>(&said) {
            Ok(said) if said["ready"] == true => Ok(worker),
            Ok(Value::Object(said)) => {
                let reason = said.get("error").and_then(Value::as_str).unwrap_or("it does not say why").to_owned();
                Err(RaceError::Refused { binary: worker.binary.clone(), reason })
            }
            _ => Err(worker.fail(io::Error::other(format!("it says `{}`", said.trim_end())))),
        }
    }

    fn ask(&mut self, line: &str) -> Result<String, RaceError> {
        let mut said = String::new();
        let result = writeln!(self.input, "{line}").and_then(|()| self.input.flush());
        match result.and_then(|()| self.output.read_line(&mut said)) {
            Ok(0) => Err(self.fail(io::Error::other("it has ended"))),
            Ok(_) => Ok(said),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// How many runs of a contestant take about so long, at least one. Finding out warms up.
    ///
    /// # Errors
    /// Where the process has ended.
    pub fn runs(&mut self, which: usize, sample: Duration) -> Result<u64, RaceError> {
        let sample = sample.as_nanos() as f64;
        let mut runs = 1;
        loop {
            let time = self.time(which, runs)?;
            if time >= sample / 4.0 || runs >= 1 << 40 {
                return Ok((runs as f64 * sample / time.max(1.0)).round().max(1.0) as u64);
            }
            runs *= 2;
        }
    }

    /// The nanoseconds of processor time that so many runs of a contestant take.
    ///
    /// # Errors
    /// Where the process has ended.
    pub fn time(&mut self, which: usize, runs: u64) -> Result<f64, RaceError> {
        let said = self.ask(&format!("{which} {runs}"))?;
        said.trim_end().parse().map_err(|_| self.fail(io::Error::other(format!("it says `{}`", said.trim_end()))))
    }

    fn fail(&self, source: io::Error) -> RaceError {
        RaceError::Binary { binary: self.binary.clone(), source }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell that it cannot be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
