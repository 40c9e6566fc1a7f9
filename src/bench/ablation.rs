//! The ablation of the optimizing tier: how much slower programs run without each pass, and how long each pass takes.
//!
//! Each process measures the slowdowns of workloads and the pass times of programs. The [`Table`] combines the results of
//! all processes. Its rows come from [`PASSES`].

use std::env::consts::ARCH;
use std::hint::black_box;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::machine::Machine;
use super::saved::ABLATION;
use super::sizes::{INPUTS, SIZES};
use super::statistics::{Estimate, Finding, geometric_mean, level_of_each, median, median_with_interval};
use super::table::table;
use super::turns::{Instance, Turns, prepare_twice};
use super::workloads::{Group, Workload};
use super::{Subject, Untimed, stack};
use crate::bytecode::Bytecode;
use crate::engine::{Engine, NoClock, Task, outcome};
use crate::exec::Store;
use crate::isa::{Isa, aarch64, x86_64};
use crate::lang::Program;
use crate::ssa::{PASSES, Pass, Passes, Settings, compiled, inlined, optimize_with};
use crate::tiers::{AnyTier, Native, Optimizing};

/// The tier whose passes are left out.
pub const ENGINE: &str = "ssa";

/// What a row of the table leaves out: one pass, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Omission {
    /// The name of the pass.
    pub name: &'static str,
    /// What the pass does.
    pub about: &'static str,
    /// The passes that still run.
    pub rest: Passes,
    /// Whether its compile time can be measured: not if the builder does the pass.
    pub is_timed: bool,
}

/// The omissions in the order of rows: each pass alone, then all at once.
pub fn omissions() -> impl Iterator<Item = Omission> {
    let one = |pass: &Pass| {
        let left_out = Passes::named(pass.name).expect("the pass has this name");
        let is_timed = pass.run.is_some();
        Omission { name: pass.name, about: pass.about, rest: Passes::ALL.without(left_out), is_timed }
    };
    let all = Omission { name: "all", about: "all passes together", rest: Passes::NONE, is_timed: true };
    PASSES.iter().map(one).chain([all])
}

/// The number of omissions.
const OMISSIONS: usize = PASSES.len() + 1;

/// How much one process measures.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How the contestants take turns.
    pub turns: Turns,
    /// How often each program is compiled.
    pub compiles: usize,
}

impl Effort {
    /// The whole measurement.
    pub const FULL: Effort = Effort { turns: Turns { rounds: 3, turn: Duration::from_millis(1) }, compiles: 11 };

    /// A smoke test, whose results are meaningless.
    pub const SMOKE: Effort = Effort { turns: Turns { rounds: 1, turn: Duration::ZERO }, compiles: 1 };
}

/// What one process measures: a value for each program and omission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// The slowdowns of each workload.
    pub slowdowns: Vec<Vec<f64>>,
    /// The pass times of each workload.
    pub workloads: Vec<Vec<f64>>,
    /// The pass times of each generated program.
    pub generated: Vec<Vec<f64>>,
}

impl Process {
    /// Measures in this process. The seed decides in which order contestants are prepared and take turns.
    ///
    /// # Errors
    /// If a workload cannot be timed.
    pub fn measure(workloads: &[&Workload], effort: Effort, seed: u64) -> Result<Process, Untimed> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let slowdowns =
            workloads.iter().map(|workload| slowdowns(workload, effort.turns, &mut rng)).collect::<Result<_, _>>()?;
        let times = |subject: Subject| pass_times(&subject, effort.compiles);
        let of_workloads = workloads.iter().map(|workload| times(workload.subject())).collect::<Result<_, _>>()?;
        let generated = generated().map(times).collect::<Result<_, _>>()?;
        Ok(Process { slowdowns, workloads: of_workloads, generated })
    }
}

/// The words of a generated program.
pub const GENERATED_WORDS: usize = 10_000;

/// The generated programs: one of each shape.
fn generated() -> impl Iterator<Item = Subject> {
    let sizes = SIZES.iter().filter(|size| size.words == GENERATED_WORDS);
    sizes.map(|size| Subject::new(size.name(), size.source(), INPUTS.to_vec()))
}

/// The settings of the tier with these passes.
fn settings(passes: Passes) -> Settings {
    Settings { passes, checks: false }
}

/// The tier with these passes as an engine.
fn engine(passes: Passes) -> Native {
    Native::new(ENGINE, AnyTier::Optimizing(Optimizing { settings: settings(passes) }))
}

/// For each omission, how many times as long as on the whole tier a workload takes without these passes, with a tenth of the work
/// that is timed elsewhere.
fn slowdowns(workload: &Workload, turns: Turns, rng: &mut ChaCha8Rng) -> Result<Vec<f64>, Untimed> {
    let subject = workload.of_size(workload.tenth());
    let program = subject.program()?;
    // The whole tier comes first.
    let contestants: Vec<Passes> = [Passes::ALL].into_iter().chain(omissions().map(|omission| omission.rest)).collect();
    let mut copies = prepare_twice(contestants.len(), rng, |contestant| {
        Ok(engine(contestants[contestant]).prepare(&program, &subject.options(), &mut NoClock)?)
    })?;
    let mut stack = stack(subject.stack_limit)?;
    check(&subject, &program, &mut copies, &mut stack)?;
    Ok(turns.ratios(&mut copies, &subject.inputs, &mut stack, rng))
}

/// Compares the answer of each copy with the referee's.
fn check(subject: &Subject, program: &Program, copies: &mut [Instance], stack: &mut Store) -> Result<(), Untimed> {
    let expected = subject.refereed(program)?;
    let names: Vec<String> = omissions().map(|omission| format!("{ENGINE} without {}", omission.name)).collect();
    for Instance { contestant, prepared } in copies {
        let name = contestant.checked_sub(1).map_or(ENGINE, |omission| &names[omission]);
        let got = outcome(&mut **prepared, &subject.inputs, None, stack);
        subject.compare(name, &got, stack.memory(), &expected)?;
    }
    Ok(())
}

/// The time of each pass for a program, and that of all passes together, in the order of [`omissions`]: nanoseconds per word of the
/// program's text. It is the median over all times that the program is compiled.
fn pass_times(subject: &Subject, compiles: usize) -> Result<Vec<f64>, Untimed> {
    let time = match ARCH {
        aarch64::Emitter::NAME => time::<aarch64::Emitter>,
        // Without a compiler for the host, no workload was timed before.
        _ => time::<x86_64::Emitter>,
    };
    let program = subject.program()?;
    let code = Task::new(&program, &subject.options()).bytecode(&mut NoClock)?;
    let words = program.ast().nodes().len().max(1) as f64;
    let clock = clock_cost();
    // The first time is not counted, because the caches are cold.
    let times: Vec<Vec<f64>> = (0..=compiles).map(|_| time(&code, clock)).skip(1).collect();
    let of_pass = |pass: usize| median(&times.iter().map(|times| times[pass] / words).collect::<Vec<_>>());
    Ok((0..OMISSIONS).map(of_pass).collect())
}

/// Optimizes a program. Returns the nanoseconds of each pass and of all passes together. `clock` is the cost of reading the clock.
fn time<I: Isa>(code: &Bytecode, clock: f64) -> Vec<f64> {
    let mut times = vec![0.0; PASSES.len()];
    let inlined = inlined(code, Passes::ALL);
    for id in compiled(code, &inlined) {
        let function = optimize_with::<I>(code, id, &inlined, settings(Passes::ALL), |pass, function, target| {
            let begun = Instant::now();
            pass.run(function, target);
            let time = begun.elapsed().as_nanos() as f64;
            let index = PASSES.iter().position(|other| other.name == pass.name).expect("it is one of the passes");
            times[index] += (time - clock).max(0.0);
        });
        black_box(function);
    }
    let all = times.iter().sum();
    times.push(all);
    times
}

/// The nanoseconds that a measurement of nothing takes. Small functions have passes that take little longer.
fn clock_cost() -> f64 {
    let nothing = |_| Instant::now().elapsed().as_nanos() as f64;
    median(&(0..101).map(nothing).collect::<Vec<_>>())
}

/// The result of all processes.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The confidence that all intervals hold at the same time.
    pub confidence: f64,
    /// The number of processes.
    pub processes: usize,
    /// The names of the workloads.
    pub workloads: Vec<&'static str>,
    /// A row for each omission.
    pub rows: Vec<Row>,
}

/// What an omission costs, and what its passes cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The omission.
    pub omission: Omission,
    /// The slowdown without the passes: means over all workloads and over those of each group.
    pub means: Vec<Mean>,
    /// The slowdown of each workload.
    pub workloads: Vec<Estimate>,
    /// The compile time of the passes, for each kind of programs. Empty if it is not measured.
    pub compile: Vec<Compile>,
}

/// The geometric mean of slowdowns.
#[derive(Clone, Debug, PartialEq)]
pub struct Mean {
    /// The group; `None` for all workloads.
    pub group: Option<Group>,
    /// The number of workloads.
    pub workloads: usize,
    /// The mean, with its interval.
    pub slowdown: Estimate,
}

/// The compile time of passes.
#[derive(Clone, Debug, PartialEq)]
pub struct Compile {
    /// Which programs are compiled.
    pub programs: &'static str,
    /// Nanoseconds per word of the text: the arithmetic mean over the programs, with its interval.
    pub nanoseconds: Estimate,
}

impl Table {
    /// Combines the results of processes that measured these workloads. All intervals together hold with this confidence.
    ///
    /// # Panics
    /// If there is no workload or no process.
    pub fn new(workloads: &[&'static Workload], processes: &[Process], confidence: f64) -> Table {
        // The groups of the means, each with the indices of its workloads.
        let groups = [None].into_iter().chain(Group::ALL.map(Some)).map(|group| {
            let is_in = |workload: &Workload| group.is_none_or(|group| workload.group == group);
            (group, (0..workloads.len()).filter(|&index| is_in(workloads[index])).collect::<Vec<usize>>())
        });
        let groups: Vec<_> = groups.filter(|(_, members)| !members.is_empty()).collect();
        let intervals = OMISSIONS * (groups.len() + workloads.len() + KINDS.len());
        let level = level_of_each(confidence, intervals);
        let over_processes = |value: &dyn Fn(&Process) -> f64| {
            median_with_interval(&processes.iter().map(value).collect::<Vec<_>>(), level)
        };
        let row = |(index, omission): (usize, Omission)| Row {
            omission,
            means: groups
                .iter()
                .map(|(group, members)| Mean {
                    group: *group,
                    workloads: members.len(),
                    slowdown: over_processes(&|process| {
                        geometric_mean(members.iter().map(|&member| process.slowdowns[member][index]))
                    }),
                })
                .collect(),
            workloads: (0..workloads.len())
                .map(|workload| over_processes(&|process| process.slowdowns[workload][index]))
                .collect(),
            compile: KINDS
                .iter()
                .filter(|_| omission.is_timed)
                .map(|(programs, times)| Compile {
                    programs,
                    nanoseconds: over_processes(&|process| {
                        let times = times(process);
                        times.iter().map(|times| times[index]).sum::<f64>() / times.len() as f64
                    }),
                })
                .collect(),
        };
        Table {
            confidence,
            processes: processes.len(),
            workloads: workloads.iter().map(|workload| workload.name).collect(),
            rows: omissions().enumerate().map(row).collect(),
        }
    }

    /// As a table in Markdown, with the means alone.
    pub fn to_markdown(&self) -> String {
        let head = |row: &Row| {
            let slowdowns = row.means.iter().map(|mean| mean.group.map_or("all workloads", Group::name));
            let times = KINDS.iter().map(|(programs, _)| *programs);
            ["without"].into_iter().chain(slowdowns).chain(times).map(String::from).collect::<Vec<_>>()
        };
        let cells = |row: &Row| {
            let slowdown = |Mean { slowdown: Estimate { value, low, high }, .. }: &Mean| {
                format!("{value:.3} ({low:.3} to {high:.3})")
            };
            let time = |Compile { nanoseconds: Estimate { value, low, high }, .. }: &Compile| {
                format!("{value:.2} ({low:.2} to {high:.2})")
            };
            let name = row.omission.name.to_owned();
            let times = (0..KINDS.len()).map(|kind| row.compile.get(kind).map_or_else(|| "–".to_owned(), time));
            [name].into_iter().chain(row.means.iter().map(slowdown)).chain(times).collect()
        };
        let head = head(&self.rows[0]);
        let rule = ["---"].into_iter().chain(head[1..].iter().map(|_| "--:")).map(String::from).collect();
        let rows: Vec<Vec<String>> = [head, rule].into_iter().chain(self.rows.iter().map(cells)).collect();
        format!(
            "How many times as long the code of `{ENGINE}` takes without a pass, and the compile time of the pass in nanoseconds per\n\
             word. All intervals together hold with {:.0} % confidence ({} processes):\n\n{}",
            100.0 * self.confidence,
            self.processes,
            table(&rows)
        )
    }

    /// As JSON, which the report reads.
    pub fn to_json(&self, machine: &Machine) -> Value {
        let row = |row: &Row| {
            let mean = |Mean { group, workloads, slowdown: Estimate { value, low, high } }: &Mean| {
                let group = group.map(Group::name);
                json!({ "group": group, "workloads": workloads, "slowdown": value, "low": low, "high": high })
            };
            let workload = |(workload, Estimate { value, low, high }): (&&str, &Estimate)| json!({ "workload": workload, "slowdown": value, "low": low, "high": high });
            let compile = |Compile { programs, nanoseconds: Estimate { value, low, high } }: &Compile| json!({ "programs": programs, "ns_per_word": value, "low": low, "high": high });
            json!({
                "pass": row.omission.name,
                "about": row.omission.about,
                "means": row.means.iter().map(mean).collect::<Value>(),
                "workloads": self.workloads.iter().zip(&row.workloads).map(workload).collect::<Value>(),
                "compile": row.compile.iter().map(compile).collect::<Value>(),
            })
        };
        json!({
            "format": ABLATION.tag(),
            "machine": machine.to_json(),
            "command": ABLATION.command,
            "engine": ENGINE,
            "processes": self.processes,
            "confidence": self.confidence,
            "rows": self.rows.iter().map(row).collect::<Value>(),
        })
    }
}

/// A kind of compiled programs: its name and the times of its passes.
type Kind = (&'static str, fn(&Process) -> &[Vec<f64>]);

const KINDS: [Kind; 2] =
    [("workloads", |process| &process.workloads), ("generated programs", |process| &process.generated)];

/// Whether an omission makes a workload slower. Differences within the effect of code placement do not count.
pub fn is_slower(slowdown: &Estimate) -> bool {
    Finding::of(slowdown) == Finding::Slower
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::statistics::min_count;
    use crate::bench::workloads::{WORKLOADS, workload};
    use crate::isa::Tuning;
    use crate::ssa::Plan;
    use crate::tiers::support;

    fn names(names: &[&str]) -> Vec<&'static Workload> {
        names.iter().map(|name| workload(name).expect("it exists")).collect()
    }

    #[test]
    fn every_pass_has_a_row_and_only_its_pass_is_left_out() {
        let omissions: Vec<Omission> = omissions().collect();
        assert_eq!(omissions.len(), OMISSIONS);
        for (omission, pass) in omissions.iter().zip(&PASSES) {
            assert_eq!((omission.name, omission.about), (pass.name, pass.about));
            let rest: Vec<&str> = omission.rest.iter().map(|pass| pass.name).collect();
            let others: Vec<&str> = PASSES.iter().map(|pass| pass.name).filter(|name| *name != omission.name).collect();
            assert_eq!(rest, others);
        }
        assert_eq!(omissions[OMISSIONS - 1].rest, Passes::NONE);
    }

    /// A program for which the tier gives up would be compiled by another tier, and its times would say nothing about passes.
    #[test]
    fn tier_compiles_every_workload_without_each_pass() {
        for workload in WORKLOADS {
            let subject = workload.subject();
            let program = subject.program().expect("it is a program");
            let code = Task::new(&program, &subject.options()).bytecode(&mut NoClock).expect("it is small");
            for passes in omissions().map(|omission| omission.rest).chain([Passes::ALL]) {
                let is_optimized = |plan: Plan| plan.frame_slots().is_some();
                let tuning = Tuning::default();
                assert!(
                    is_optimized(Plan::new::<aarch64::Emitter>(&code, settings(passes), &tuning)),
                    "{}",
                    workload.name
                );
                assert!(
                    is_optimized(Plan::new::<x86_64::Emitter>(&code, settings(passes), &tuning)),
                    "{}",
                    workload.name
                );
            }
        }
    }

    #[test]
    fn smoke_test_measures_everything() {
        if support().is_err() {
            return;
        }
        let workloads = names(&["fact", "gcd", "queens"]);
        let process = Process::measure(&workloads, Effort::SMOKE, 1).expect("it can be measured");
        let Process { slowdowns, workloads: times, generated } = &process;
        assert_eq!([slowdowns.len(), times.len(), generated.len()], [3; 3]);
        for values in [slowdowns, times, generated].into_iter().flatten() {
            assert!(values.len() == OMISSIONS && values.iter().all(|value| value.is_finite() && *value >= 0.0));
        }
        assert!(generated.iter().all(|times| times[OMISSIONS - 1] > 0.0), "{generated:?}");
        let text = serde_json::to_string(&process).expect("it is JSON");
        let read: Process = serde_json::from_str(&text).expect("it is a process");
        assert_eq!(read.slowdowns.len(), 3);
    }

    /// Three workloads of two groups. All processes measure the same but for the first omission and workload.
    #[test]
    fn means_are_over_workloads_and_then_over_processes() {
        let workloads = names(&["fact", "fib", "gcd"]);
        let process = |first: f64| {
            let mut slowdowns = vec![vec![1.0; OMISSIONS], vec![4.0; OMISSIONS], vec![2.0; OMISSIONS]];
            slowdowns[0][0] = first;
            let times = |times: &[f64]| times.iter().map(|time| vec![*time; OMISSIONS]).collect();
            Process { slowdowns, workloads: times(&[1.0, 2.0, 6.0]), generated: times(&[10.0]) }
        };
        let processes: Vec<Process> = (0..21).map(|index| process(if index == 20 { 9.0 } else { 1.0 })).collect();
        let table = Table::new(&workloads, &processes, 0.99);
        assert_eq!(table.workloads, ["fact", "fib", "gcd"]);
        assert_eq!(table.rows.len(), OMISSIONS);
        let row = &table.rows[0];
        let groups: Vec<_> = row.means.iter().map(|mean| (mean.group, mean.workloads)).collect();
        assert_eq!(groups, [(None, 3), (Some(Group::Nine), 2), (Some(Group::Seven), 1)]);
        let values: Vec<f64> = row.means.iter().map(|mean| mean.slowdown.value).collect();
        assert!(values.iter().zip([2.0, 2.0, 2.0]).all(|(value, wanted)| (value - wanted).abs() < 1e-12), "{values:?}");
        assert_eq!(row.workloads.iter().map(|slowdown| slowdown.value).collect::<Vec<_>>(), [1.0, 4.0, 2.0]);
        assert_eq!(row.workloads.iter().map(is_slower).collect::<Vec<_>>(), [false, true, true]);
        assert!(row.compile.is_empty(), "the builder inlines, and is not timed");
        let compile: Vec<_> =
            table.rows[1].compile.iter().map(|compile| (compile.programs, compile.nanoseconds.value)).collect();
        assert_eq!(compile, [("workloads", 3.0), ("generated programs", 10.0)]);
        let markdown = table.to_markdown();
        let head = "| without ";
        let lines: Vec<&str> = markdown.lines().skip_while(|line| !line.starts_with(head)).collect();
        assert_eq!(lines.len(), 2 + OMISSIONS);
        assert!(lines[2].contains(" 2.000 (2.000 to 2.000) ") && lines[2].contains(" – "), "{markdown}");
        assert!(lines[3].contains(" 10.00 (10.00 to 10.00) "), "{markdown}");
    }

    #[test]
    fn twenty_one_processes_suffice_for_all_intervals() {
        let intervals = OMISSIONS * (1 + Group::ALL.len() + WORKLOADS.len() + KINDS.len());
        assert!(min_count(level_of_each(0.99, intervals)) <= 21);
    }
}
