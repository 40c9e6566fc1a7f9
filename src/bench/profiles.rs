//! How much a remembered profile speeds up the tiered engine. An earlier run recorded which functions are hot. The benchmark compares the
//! engine that knows them with the engine that is best in hindsight.
//!
//! A run is everything from the verified program to its answer. At the sizes of the break-even sweep, the profile is in memory. At the
//! size at which the workload is timed, it is in a file, and a run reads the file and updates it.

use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::regret::{self, CHOICES, summary};
use super::statistics::{geometric_mean, median};
use super::sweep::{COARSE, Points};
use super::table::table;
use super::turns::{Instance, Turns, prepare_twice};
use super::workloads::Workload;
use super::{Stopwatch, Subject, Untimed, stack};
use crate::engine::{Engine, NoClock, Options, Prepared, Task, outcome};
use crate::exec::Store;
use crate::lang::{Program, Source};
use crate::outcome::Trap;
use crate::registry;
use crate::tiered::profile::{Hot, Key};
use crate::tiered::{Threshold, Tiered, profile_file};

/// The engine with which runs of a millisecond or more are compared.
const REGISTERS: &str = "regs";

/// Runs on an engine that prepares the program anew each time.
struct Whole {
    engine: Box<dyn Engine>,
    program: Program,
    options: Options,
}

impl Prepared for Whole {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        let prepared = self.engine.prepare(&self.program, &self.options, &mut NoClock);
        prepared.expect("it was prepared before").run(inputs, fuel, stack)
    }
}

/// The same on the tiered engine with a profile.
struct Remembering {
    engine: Tiered,
    program: Program,
    options: Options,
    profile: Profile,
}

/// Where a profile is kept.
enum Profile {
    Memory(Vec<Hot>),
    File(PathBuf, Source),
}

impl Prepared for Remembering {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        let key = |source: &Source| Key::of(source, self.program.inputs(), &self.options, Threshold::DEFAULT);
        let read;
        let hot = match &self.profile {
            Profile::Memory(hot) => hot,
            Profile::File(path, source) => {
                let profiles =
                    profile_file::read(path).expect("it is a profile").expect("an earlier run has written it");
                read = profiles.hot(&key(source)).to_vec();
                &read
            }
        };
        let task = Task::new(&self.program, &self.options);
        let prepared = self.engine.prepare_remembering(&task, hot, &mut NoClock);
        let mut prepared = prepared.expect("it was prepared before");
        prepared.run(inputs, fuel, stack)?;
        if let Profile::File(path, source) = &self.profile {
            profile_file::update(path, key(source), &prepared.news()).expect("the file can be written");
        }
        Ok(())
    }
}

/// A contestant.
#[derive(Clone, Copy)]
enum Contestant<'a> {
    /// An engine that prepares the program anew.
    Engine(&'static str),
    /// The tiered engine with a profile in memory.
    Memory,
    /// The tiered engine with a profile in a file in this folder.
    File(&'a Path),
}

impl Contestant<'_> {
    /// Runs of a program on this contestant. What is hot was recorded in a single run.
    fn prepare(self, subject: &Subject, program: &Program) -> Result<Box<dyn Prepared>, Untimed> {
        let (program, options) = (program.clone(), subject.options());
        if let Contestant::Engine(name) = self {
            let engine = registry::engine(name).expect("the engines that are compared exist");
            return Ok(Box::new(Whole { engine, program, options }));
        }
        let engine = Tiered::new(Tiered::NAME, Threshold::DEFAULT);
        let mut first = engine.prepare_tiered(&Task::new(&program, &options), &mut NoClock)?;
        let mut stack = stack(subject.stack_limit)?;
        first.run(&subject.inputs, None, &mut stack).expect("a subject that was checked does not trap");
        let hot = first.hot();
        drop(first);
        let profile = match self {
            Contestant::File(folder) => {
                let path = folder.join("profile.json");
                let key = Key::of(&subject.source, program.inputs(), &options, Threshold::DEFAULT);
                profile_file::update(&path, key, &hot).expect("temporary files can be written");
                Profile::File(path, subject.source.clone())
            }
            _ => Profile::Memory(hot),
        };
        Ok(Box::new(Remembering { engine, program, options, profile }))
    }
}

/// How many times as long as the first contestant each of the others takes.
fn ratios(
    subject: &Subject,
    contestants: &[Contestant],
    turns: Turns,
    rng: &mut ChaCha8Rng,
) -> Result<(Vec<f64>, Vec<Instance>, Store), Untimed> {
    let program = subject.program()?;
    let expected = subject.refereed(&program)?;
    let prepare = |contestant: usize| contestants[contestant].prepare(subject, &program);
    let mut copies = prepare_twice(contestants.len(), rng, prepare)?;
    let mut stack = stack(subject.stack_limit)?;
    for copy in &mut copies {
        let got = outcome(&mut *copy.prepared, &subject.inputs, None, &mut stack);
        subject.compare(Tiered::NAME, &got, stack.memory(), &expected)?;
    }
    let ratios = turns.ratios(&mut copies, &subject.inputs, &mut stack, rng);
    Ok((ratios, copies, stack))
}

/// What one process measures of a workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The regret at each size of the break-even sweep, with the profile in memory.
    pub regrets: Vec<f64>,
    /// The time of the register tier at the timed size, in nanoseconds.
    pub registers: f64,
    /// How many times as long the tiered engine takes there, including reading and updating its profile.
    pub with_file: f64,
}

/// What one process measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// For each workload.
    pub workloads: Vec<Measured>,
}

impl Process {
    /// Measures in this process. The seed decides in which order programs are prepared and take turns.
    ///
    /// # Errors
    /// If a program cannot be timed, or an answer is wrong.
    ///
    /// # Panics
    /// If temporary files cannot be written.
    pub fn measure(workloads: &[&Workload], turns: Turns, seed: u64) -> Result<Process, Untimed> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let folder = tempfile::tempdir().expect("temporary folders can be created");
        let measure = |workload: &&Workload| Measured::of(workload, turns, folder.path(), &mut rng);
        Ok(Process { workloads: workloads.iter().map(measure).collect::<Result<_, _>>()? })
    }
}

impl Measured {
    fn of(workload: &Workload, turns: Turns, folder: &Path, rng: &mut ChaCha8Rng) -> Result<Measured, Untimed> {
        let [first, second, third] = CHOICES.map(Contestant::Engine);
        let contestants = [first, second, third, Contestant::Memory];
        let mut regrets = Vec::new();
        for size in sizes(workload)? {
            let (ratios, ..) = ratios(&workload.of_size(size), &contestants, turns, rng)?;
            let (tiered, choices) = ratios.split_last().expect("there are several contestants");
            // The times are relative to that of the first choice.
            regrets.extend(regret::regret(&[*tiered], choices.iter().chain(&[1.0]).map(std::slice::from_ref)));
        }
        let subject = workload.subject();
        let contestants = [Contestant::Engine(REGISTERS), Contestant::File(folder)];
        let (ratios, mut copies, mut stack) = ratios(&subject, &contestants, turns, rng)?;
        let registers = copies.iter_mut().find(|copy| copy.contestant == 0).expect("it took part");
        let watch = Stopwatch::start();
        registers.prepared.run(&subject.inputs, None, &mut stack).expect("it did not trap before");
        Ok(Measured { regrets, registers: watch.elapsed().as_nanos() as f64, with_file: ratios[0] })
    }
}

/// The sizes of the break-even sweep.
fn sizes(workload: &Workload) -> Result<Vec<i64>, Untimed> {
    Ok(Points::of(workload, COARSE)?.all.iter().map(|point| point.size).collect())
}

/// The result of all processes, as a table in Markdown.
///
/// # Errors
/// If a workload cannot be timed.
///
/// # Panics
/// If there is no workload or no process.
pub fn to_markdown(workloads: &[&Workload], processes: &[Process]) -> Result<String, Untimed> {
    let over = |of: &dyn Fn(&Process) -> f64| median(&processes.iter().map(of).collect::<Vec<_>>());
    let mut rows = vec![
        ["workload", "sizes", "mean", "worst", "at size", "`regs`, ms", "with a file"].map(String::from),
        ["---", "--:", "--:", "--:", "--:", "--:", "--:"].map(String::from),
    ];
    let (mut all, mut files) = (Vec::new(), Vec::new());
    for (index, workload) in workloads.iter().enumerate() {
        let sizes = sizes(workload)?;
        let at = |point: usize| over(&|of: &Process| of.workloads[index].regrets[point]);
        let regrets: Vec<f64> = (0..sizes.len()).map(at).collect();
        let own = summary(&regrets).expect("a sweep has points");
        let registers = over(&|of: &Process| of.workloads[index].registers) / 1e6;
        let with_file = over(&|of: &Process| of.workloads[index].with_file);
        rows.push([
            workload.name.into(),
            sizes.len().to_string(),
            format!("{:.2}", own.mean),
            format!("{:.2}", own.worst),
            sizes[own.at].to_string(),
            format!("{registers:.1}"),
            format!("{with_file:.2}"),
        ]);
        all.extend(regrets);
        files.push(with_file);
    }
    let total = summary(&all).expect("there is a workload");
    rows.push([
        "all".into(),
        all.len().to_string(),
        format!("{:.2}", total.mean),
        format!("{:.2}", total.worst),
        String::new(),
        String::new(),
        format!("{:.2}", geometric_mean(files.iter().copied())),
    ]);
    Ok(format!(
        "`tiered` with the profile of one earlier run. Mean and worst: its time divided by the least of {}, at the sizes of the\n\
         break-even sweep, with the profile in memory. With a file: its time divided by that of `{REGISTERS}` at the size at which\n\
         the workload is timed, including reading and updating the file. Medians over {} processes:\n\n{}",
        CHOICES.join(", "),
        processes.len(),
        table(&rows)
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::workloads::workload;
    use crate::tiers::support;

    const SMOKE: Turns = Turns { rounds: 1, turn: Duration::ZERO };

    #[test]
    fn smoke_test_measures_every_size_and_the_file() {
        if support().is_err() {
            return;
        }
        let queens = workload("queens").expect("it exists");
        let process = Process::measure(&[queens], SMOKE, 1).expect("it can be measured");
        let Measured { regrets, registers, with_file } = &process.workloads[0];
        assert_eq!(regrets.len(), sizes(queens).expect("it can be timed").len());
        assert!(regrets.iter().chain([registers, with_file]).all(|figure| *figure > 0.0));
        let markdown = to_markdown(&[queens], &[process]).expect("it can be timed");
        assert!(markdown.contains("| queens ") && markdown.contains("| all "), "{markdown}");
    }

    /// The earlier run records a hot function, and the next run compiles it before it begins.
    #[test]
    fn profile_in_a_file_compiles_before_the_run() {
        if support().is_err() {
            return;
        }
        let folder = tempfile::tempdir().expect("temporary folders can be created");
        let subject = workload("fact").expect("it exists").of_size(1_000);
        let program = subject.program().expect("it is a program");
        Contestant::File(folder.path()).prepare(&subject, &program).expect("it can be prepared");
        let profiles = profile_file::read(&folder.path().join("profile.json")).expect("it is one").expect("it exists");
        let key = Key::of(&subject.source, 1, &subject.options(), Threshold::DEFAULT);
        let engine = Tiered::new(Tiered::NAME, Threshold::DEFAULT);
        let options = subject.options();
        let task = Task::new(&program, &options);
        let prepared = engine.prepare_remembering(&task, profiles.hot(&key), &mut NoClock).expect("it can be prepared");
        assert!(prepared.code_bytes().is_some_and(|bytes| bytes > 0));
    }
}
