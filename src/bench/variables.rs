//! What variables cost: workloads written in the let language, compared with the same algorithms as stack programs.
//!
//! Each process measures, for each workload and engine, how many times as long the let program takes. The [`Table`] combines the results
//! of all processes.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::statistics::{Estimate, geometric_mean, level_of_each, median, median_with_interval};
use super::table::table;
use super::turns::{Turns, prepare_twice};
use super::workloads::{Workload, workload};
use super::{Subject, Untimed, prepare, stack};
use crate::engine::outcome;
use crate::interp::tree::Measured;
use crate::lang::{Language, Program, Source};
use crate::outcome::{Outcome, Verdict};

/// The engines that are compared.
pub const ENGINES: [&str; 4] = ["bytecode", "jit", "regs", "ssa"];

/// A workload's algorithm in the let language.
#[derive(Clone, Copy, Debug)]
pub struct Twin {
    /// The name of the workload and of the file.
    pub name: &'static str,
    /// The let program, with its cases.
    pub text: &'static str,
    /// Whether it has arrays.
    pub has_arrays: bool,
}

macro_rules! twins {
    ($(($name:literal, $has_arrays:literal),)*) => {
        /// All twins, in the order of tables.
        pub const TWINS: &[Twin] = &[$(Twin {
            name: $name,
            text: include_str!(concat!("../../corpus/let/workloads/", $name, ".let")),
            has_arrays: $has_arrays,
        },)*];
    };
}

twins! {
    ("fact", false),
    ("fib", false),
    ("lcg", false),
    ("horner", false),
    ("gcd", false),
    ("collatz", false),
    ("isqrt", false),
    ("primes", false),
    ("xorshift", false),
    ("digits", false),
    ("fib-recursive", false),
    ("tak", false),
    ("ackermann", false),
    ("queens", true),
    ("quicksort", true),
    ("sieve", true),
    ("bubble", true),
    ("matmul", true),
    ("crc32", true),
}

impl Twin {
    /// The stack program with the same algorithm.
    ///
    /// # Panics
    /// If there is no workload of this name.
    pub fn workload(&self) -> &'static Workload {
        workload(self.name).expect("each twin has the name of a workload")
    }

    /// The let program with this input.
    pub fn of_size(&self, size: i64) -> Subject {
        let source = Source::new(self.name, self.text).in_language(Language::Let);
        Subject::new(format!("{} in let", self.name), source, vec![size])
    }
}

/// One of the two programs, with the referee's answer.
struct Side {
    subject: Subject,
    program: Program,
    expected: Measured,
}

impl Side {
    fn new(subject: Subject) -> Result<Side, Untimed> {
        let program = subject.program()?;
        let expected = subject.refereed(&program)?;
        Ok(Side { subject, program, expected })
    }
}

/// The stack program and the let program with the same input and the same answer. A let program has a single value: the sum of the values
/// that the stack program leaves.
///
/// # Errors
/// If one of them traps, or the answers differ.
fn sides(twin: &Twin, size: i64) -> Result<[Side; 2], Untimed> {
    let sides = [Side::new(twin.workload().of_size(size))?, Side::new(twin.of_size(size))?];
    let [stack, of_let] = &sides;
    let sum = Outcome::Done(vec![sum(&stack.expected.outcome)]);
    if of_let.expected.outcome != sum {
        let verdict = |outcome: &Outcome| Verdict::of(outcome, &of_let.subject.source);
        let engine = of_let.subject.name.clone();
        return Err(Untimed::Wrong { engine, got: verdict(&of_let.expected.outcome), expected: verdict(&sum) });
    }
    Ok(sides)
}

/// The wrapping sum of the final stack.
///
/// # Panics
/// If the run trapped.
fn sum(outcome: &Outcome) -> i64 {
    let Outcome::Done(values) = outcome else { panic!("the referee's run ended") };
    values.iter().fold(0, |sum, value| sum.wrapping_add(*value))
}

/// What one process measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// For each twin, the ratio of the let program's time to the stack program's on each of [`ENGINES`].
    pub ratios: Vec<Vec<f64>>,
}

impl Process {
    /// Measures in this process. The seed decides in which order programs are prepared and take turns.
    ///
    /// # Errors
    /// If a program cannot be timed, or an answer is wrong.
    pub fn measure(twins: &[&Twin], turns: Turns, seed: u64) -> Result<Process, Untimed> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let ratios = |twin: &&Twin| -> Result<Vec<f64>, Untimed> {
            let sides = sides(twin, twin.workload().tenth())?;
            ENGINES.iter().map(|engine| ratio(&sides, engine, turns, &mut rng)).collect()
        };
        Ok(Process { ratios: twins.iter().map(ratios).collect::<Result<_, _>>()? })
    }
}

/// How many times as long as the stack program the let program takes on an engine.
fn ratio(sides: &[Side; 2], engine: &str, turns: Turns, rng: &mut ChaCha8Rng) -> Result<f64, Untimed> {
    let mut copies = prepare_twice(sides.len(), rng, |side| {
        let Side { subject, program, .. } = &sides[side];
        Ok(prepare(engine, program, &subject.options())?)
    })?;
    let inputs = &sides[0].subject.inputs;
    let mut stack = stack(sides[0].subject.stack_limit)?;
    for copy in &mut copies {
        let Side { subject, expected, .. } = &sides[copy.contestant];
        let got = outcome(&mut *copy.prepared, inputs, None, &mut stack);
        subject.compare(engine, &got, stack.memory(), expected)?;
    }
    Ok(turns.ratios(&mut copies, inputs, &mut stack, rng)[0])
}

/// The result of all processes.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The confidence that the intervals of all means hold at the same time.
    pub confidence: f64,
    /// The number of processes.
    pub processes: usize,
    /// For each twin its name, and its ratio on each engine.
    pub rows: Vec<(&'static str, Vec<f64>)>,
    /// For each group with twins its name, and the geometric mean on each engine.
    pub means: Vec<(&'static str, Vec<Estimate>)>,
}

/// Which twins have a mean: its name, and whether a twin counts.
type Group = (&'static str, fn(&Twin) -> bool);

const GROUPS: [Group; 2] = [("without arrays", |twin| !twin.has_arrays), ("all", |_| true)];

impl Table {
    /// Combines the results of processes that measured these twins.
    ///
    /// # Panics
    /// If there is no twin or no process.
    pub fn new(twins: &[&Twin], processes: &[Process], confidence: f64) -> Table {
        let level = level_of_each(confidence, GROUPS.len() * ENGINES.len());
        let row = |(index, twin): (usize, &&Twin)| {
            let on = |engine: usize| median(&processes.iter().map(|of| of.ratios[index][engine]).collect::<Vec<_>>());
            (twin.name, (0..ENGINES.len()).map(on).collect())
        };
        let mean = |&(name, counts): &Group| {
            let members: Vec<usize> = (0..twins.len()).filter(|&index| counts(twins[index])).collect();
            let in_process =
                |of: &Process, engine: usize| geometric_mean(members.iter().map(|&member| of.ratios[member][engine]));
            let on = |engine: usize| {
                median_with_interval(&processes.iter().map(|of| in_process(of, engine)).collect::<Vec<_>>(), level)
            };
            (!members.is_empty()).then(|| (name, (0..ENGINES.len()).map(on).collect()))
        };
        Table {
            confidence,
            processes: processes.len(),
            rows: twins.iter().enumerate().map(row).collect(),
            means: GROUPS.iter().filter_map(mean).collect(),
        }
    }

    /// As a table in Markdown.
    pub fn to_markdown(&self) -> String {
        let row = |first: &str, cells: Vec<String>| [vec![first.to_owned()], cells].concat();
        let head = row("let / stack", ENGINES.map(|engine| format!("`{engine}`")).to_vec());
        let rule = row("---", vec!["--:".to_owned(); ENGINES.len()]);
        let ratios = self.rows.iter().map(|(name, ratios)| {
            row(&format!("`{name}`"), ratios.iter().map(|ratio| format!("{ratio:.2}")).collect())
        });
        let means = self.means.iter().map(|(name, means)| {
            let cell = |Estimate { value, low, high }: &Estimate| format!("{value:.2} ({low:.2} to {high:.2})");
            row(&format!("mean, {name}"), means.iter().map(cell).collect())
        });
        let rows: Vec<_> = [head, rule].into_iter().chain(ratios).chain(means).collect();
        format!(
            "How many times as long as the stack program the let program takes. The intervals of the means together hold with {:.0} %\n\
             confidence ({} processes):\n\n{}",
            100.0 * self.confidence,
            self.processes,
            table(&rows)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::statistics::min_count;
    use crate::corpus::cases;
    use crate::tiers::support;

    const SMOKE: Turns = Turns { rounds: 1, turn: std::time::Duration::ZERO };

    /// Every twin has the answers of the workload's cases, which come from other implementations.
    #[test]
    fn twins_compute_what_their_workloads_do() {
        for twin in TWINS {
            let cases = cases(&twin.workload().source()).expect("they are well-formed");
            let cases: Vec<_> = cases.into_iter().filter(|case| case.has_default_limits()).collect();
            let ends: Vec<_> = cases.iter().filter(|case| matches!(case.expected, Verdict::Done(_))).collect();
            assert!(ends.len() >= 5, "{}", twin.name);
            for case in ends {
                let sides = sides(twin, case.inputs[0]);
                assert!(sides.is_ok(), "{} of {:?}: {:?}", twin.name, case.inputs, sides.err());
            }
        }
    }

    /// A twin that did other work would have another number of iterations and calls.
    #[test]
    fn twins_do_the_work_of_their_workloads() {
        for twin in TWINS {
            let [stack, of_let] = sides(twin, twin.workload().hundredth()).expect(twin.name);
            assert_eq!(stack.program.ast().cells(), of_let.program.ast().cells(), "{}", twin.name);
            assert_eq!(of_let.program.ast().cells() > 0, twin.has_arrays, "{}", twin.name);
            let [of_stack, of_let] = [&stack, &of_let].map(|side| side.expected.fuel() as f64);
            // The last evaluation of the condition of a `while` counts, and a `times` has none.
            let ratio = of_let / of_stack;
            assert!((0.99..1.3).contains(&ratio), "{}: {of_let} and {of_stack}", twin.name);
        }
    }

    #[test]
    fn smoke_test_measures_every_engine() {
        if support().is_err() {
            return;
        }
        let twins: Vec<&Twin> = TWINS.iter().filter(|twin| ["gcd", "sieve"].contains(&twin.name)).collect();
        let Process { ratios } = Process::measure(&twins, SMOKE, 1).expect("it can be measured");
        assert_eq!(ratios.len(), 2);
        for ratios in ratios {
            assert!(ratios.len() == ENGINES.len() && ratios.iter().all(|ratio| *ratio > 0.0), "{ratios:?}");
        }
    }

    #[test]
    fn twin_with_another_answer_is_not_timed() {
        let wrong = Twin { text: "fn main(n) { return n; }", ..TWINS[0] };
        let error = Process::measure(&[&wrong], SMOKE, 1).expect_err("the answers differ").to_string();
        assert!(error.starts_with("fact in let gives `2000`, but the referee gives"), "{error}");
    }

    #[test]
    fn means_are_over_twins_and_then_over_processes() {
        let twins: Vec<&Twin> = TWINS.iter().filter(|twin| ["fact", "fib", "sieve"].contains(&twin.name)).collect();
        let process =
            |first: f64| Process { ratios: [first, 4.0, 16.0].map(|ratio| vec![ratio; ENGINES.len()]).into() };
        let processes: Vec<Process> = (0..11).map(|index| process(if index == 10 { 9.0 } else { 1.0 })).collect();
        let Table { rows, means, .. } = Table::new(&twins, &processes, 0.99);
        assert_eq!(rows[0], ("fact", vec![1.0; ENGINES.len()]));
        let means: Vec<_> = means.iter().map(|(name, means)| (*name, means[0].value.round())).collect();
        assert_eq!(means, [("without arrays", 2.0), ("all", 4.0)]);
        let markdown = Table::new(&twins[2..], &processes, 0.99).to_markdown();
        assert!(markdown.contains("| `sieve` ") && markdown.contains("| mean, all ") && !markdown.contains("without"));
    }

    #[test]
    fn eleven_processes_suffice_for_all_intervals() {
        assert!(min_count(level_of_each(0.99, GROUPS.len() * ENGINES.len())) <= 11);
    }
}
