//! The register allocator of the optimizing tier, compared with the two of the crate `regalloc2`: the time that they take, and the
//! instructions that only move values in the code that they lead to.
//!
//! All three get the same functions, after the passes. Each process measures the times, and [`to_markdown`] combines the results
//! of all processes.

use std::hint::black_box;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use regalloc2::{Algorithm, Ctx, RegallocOptions, run_with_ctx};
use serde::{Deserialize, Serialize};

use super::sizes::{INPUTS, Shape, Size};
use super::statistics::{Estimate, geometric_mean, level_of_each, median, median_with_interval};
use super::table::table;
use super::workloads::{Group, WORKLOADS};
use super::{Stopwatch, Subject, Untimed};
use crate::bytecode::Bytecode;
use crate::engine::{NoClock, Task};
use crate::isa::{Isa, aarch64, x86_64};
use crate::lir::Reg;
use crate::outcome::Outcome;
use crate::peers::regalloc2::{Problem, environment};
use crate::ssa::interpret::{Ending, Machine, run};
use crate::ssa::ir::Function;
use crate::ssa::traffic::{Traffic, executed, of_linear_scan};
use crate::ssa::{Passes, allocate_checked, legalized, pool};

/// The allocators, in the order of columns. The first is ours.
pub const ALLOCATORS: [&str; 3] = ["linear scan", "Ion", "fastalloc"];

/// The algorithms of `regalloc2`.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Ion, Algorithm::Fastalloc];

/// The instruction sets, in the order of tables.
pub const ISAS: [&str; 2] = [aarch64::Emitter::NAME, x86_64::Emitter::NAME];

/// A program whose functions get registers.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The group whose means it counts in.
    pub group: &'static str,
    /// The text, with a small input.
    pub subject: Subject,
}

/// The group of generated programs.
const GENERATED: &str = "generated programs";

/// The generated programs.
const SHAPES: [(&str, Shape); 3] =
    [("straight-10000", Shape::Straight), ("loops-10000", Shape::Loopy), ("words-10000", Shape::Words)];

/// All workloads, with a tenth of the work that is timed elsewhere, and generated programs of 10,000 words.
pub fn programs() -> Vec<Program> {
    let workloads = WORKLOADS.iter().map(|workload| {
        let subject = workload.of_size(workload.tenth());
        Program { name: workload.name, group: workload.group.name(), subject }
    });
    let generated = SHAPES.map(|(name, shape)| {
        let source = Size { shape, words: 10_000 }.source();
        Program { name, group: GENERATED, subject: Subject::new(name, source, INPUTS.to_vec()) }
    });
    workloads.chain(generated).collect()
}

/// What is known about a program on an instruction set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The time of each allocator, in nanoseconds per word of the text.
    pub times: [f64; 3],
    /// What a run executes with each allocator.
    pub traffic: [Traffic; 3],
    /// The words that a run executes.
    pub words: u64,
}

/// What one process measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// For each program, a row for each of [`ISAS`].
    pub rows: Vec<[Row; 2]>,
}

impl Process {
    /// Measures in this process. Every allocator allocates for each program this many times. The seed decides in which order.
    ///
    /// # Errors
    /// If a program cannot be executed.
    ///
    /// # Panics
    /// If an allocation is wrong.
    pub fn measure(programs: &[&Program], times: usize, seed: u64) -> Result<Process, Untimed> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rows = |Program { subject, .. }: &&Program| {
            Ok([row::<aarch64::Emitter>(subject, times, &mut rng)?, row::<x86_64::Emitter>(subject, times, &mut rng)?])
        };
        Ok(Process { rows: programs.iter().map(rows).collect::<Result<_, Untimed>>()? })
    }
}

fn row<I: Isa>(subject: &Subject, times: usize, rng: &mut ChaCha8Rng) -> Result<Row, Untimed> {
    let program = subject.program()?;
    let expected = subject.refereed(&program)?;
    let code = Task::new(&program, &subject.options()).bytecode(&mut NoClock)?;
    let functions = legalized::<I>(&code, Passes::ALL);
    let pool = pool::<I>(code.reserved(), usize::MAX);
    let words = program.ast().nodes().len().max(1) as f64;
    let times = allocation_times::<I>(&functions, pool, times, rng).map(|time| time / words);
    Ok(Row { times, traffic: traffic::<I>(&functions, pool, &code, subject, &expected.outcome), words: expected.words })
}

/// The processor time that each allocator takes for a program, in nanoseconds: the median.
fn allocation_times<I: Isa>(functions: &[Function], pool: &[Reg], times: usize, rng: &mut ChaCha8Rng) -> [f64; 3] {
    let environment = environment::<I>(pool);
    let mut contexts = [Ctx::default(), Ctx::default()];
    let mut allocate = |allocator: usize, mut function: Function| match allocator.checked_sub(1) {
        None => {
            black_box(allocate_checked::<I>(&mut function, pool, false));
        }
        Some(index) => {
            let problem = Problem::of::<I>(&mut function, pool);
            let options = RegallocOptions { algorithm: ALGORITHMS[index], ..RegallocOptions::default() };
            let output = run_with_ctx(&problem, &environment, &options, &mut contexts[index]);
            black_box(output.expect("the problem has a solution"));
        }
    };
    let mut measured = [(); 3].map(|()| Vec::new());
    // The first time is not counted, because the caches are cold.
    for time in 0..=times {
        let mut order = [0, 1, 2];
        order.shuffle(rng);
        for allocator in order {
            let functions = functions.to_vec();
            let stopwatch = Stopwatch::start();
            functions.into_iter().for_each(|function| allocate(allocator, function));
            let elapsed = stopwatch.elapsed().as_nanos() as f64;
            measured[allocator].extend((time > 0).then_some(elapsed));
        }
    }
    measured.map(|times| median(&times))
}

/// The greatest number of blocks of a function for which the checker of `regalloc2` runs. It takes minutes for thousands of blocks.
const MOST_CHECKED: usize = 1_000;

/// What a run executes with each allocator. Its allocations are checked, ours by our own checker.
fn traffic<I: Isa>(
    functions: &[Function],
    pool: &[Reg],
    code: &Bytecode,
    subject: &Subject,
    expected: &Outcome,
) -> [Traffic; 3] {
    let mut machine = Machine {
        stack: (0..).zip(subject.inputs.iter().copied()).collect(),
        stack_limit: code.stack_limit() as i64,
        cells: vec![0; code.cells()],
        depth: code.greatest_depth(),
        steps: u64::MAX,
        ..Machine::default()
    };
    let Ending::Done(end) = run(functions, &mut machine) else { panic!("{} does not end", subject.name) };
    let stack = (0..end).map(|slot| machine.stack[&slot]).collect();
    assert_eq!(Outcome::Done(stack), *expected, "{}", subject.name);
    let environment = environment::<I>(pool);
    let with = |algorithm: Option<Algorithm>| {
        let of_function = |function: &Function| {
            let Some(algorithm) = algorithm else { return of_linear_scan::<I>(function.clone(), pool) };
            let problem = Problem::of::<I>(&mut function.clone(), pool);
            let options = RegallocOptions { algorithm, validate_ssa: true, ..RegallocOptions::default() };
            let output = regalloc2::run(&problem, &environment, &options).expect("the problem has a solution");
            if function.layout.len() <= MOST_CHECKED {
                let check = problem.check(&environment, &output);
                check.unwrap_or_else(|error| panic!("wrong allocation by {algorithm:?} for {}: {error}", subject.name));
            }
            problem.traffic::<I>(&output)
        };
        let of_functions: Vec<_> = functions.iter().map(|function| (function.id, of_function(function))).collect();
        executed(&of_functions, &machine.executions)
    };
    let [ion, fastalloc] = ALGORITHMS.map(|algorithm| with(Some(algorithm)));
    [with(None), ion, fastalloc]
}

/// The results of all processes as tables in Markdown: the means of all groups, whose intervals together hold with this confidence,
/// and then the programs of each group.
///
/// # Panics
/// If there is no program or no process.
pub fn to_markdown(programs: &[&Program], processes: &[Process], confidence: f64) -> String {
    let groups: Vec<(&str, Vec<usize>)> = (Group::ALL.map(Group::name).into_iter().chain([GENERATED]))
        .map(|group| (group, (0..programs.len()).filter(|&index| programs[index].group == group).collect()))
        .filter(|(_, members): &(_, Vec<usize>)| !members.is_empty())
        .collect();
    let level = level_of_each(confidence, ISAS.len() * groups.len() * ALGORITHMS.len());
    let means = ISAS.iter().enumerate().flat_map(|(isa, name)| {
        groups
            .iter()
            .map(move |(group, members)| line(&format!("{group}, {name}"), processes, isa, members, Some(level)))
    });
    let mut text = format!(
        "Instructions are moves + reloads + stores + loads of constants, for 1,000 executed words. The intervals together hold\n\
         with {:.0} % confidence ({} processes).\n\n{}",
        100.0 * confidence,
        processes.len(),
        with_head("mean", means)
    );
    for (isa, name) in ISAS.iter().enumerate() {
        for (group, members) in &groups {
            let lines = members.iter().map(|&member| line(programs[member].name, processes, isa, &[member], None));
            text += &format!("\n{}", with_head(&format!("{group}, {name}"), lines));
        }
    }
    text
}

/// A table of lines.
fn with_head(first: &str, lines: impl Iterator<Item = Vec<String>>) -> String {
    let [ours, ion, fastalloc] = ALLOCATORS;
    let time = |name: &str| format!("{name}: times as long");
    let instructions = ALLOCATORS.map(|name| format!("{name}: instructions"));
    let head = [first.to_owned(), format!("{ours}: ns per word"), time(ion), time(fastalloc)];
    let head = [&head[..], &instructions].concat();
    let rule = ["---"].into_iter().chain([""; 6].map(|_| "--:")).map(String::from).collect();
    table(&[head, rule].into_iter().chain(lines).collect::<Vec<_>>())
}

/// The line for programs of this index: the times, as a geometric mean in relation to ours, and the arithmetic means of instructions.
/// Ratios have intervals of this level if there is one.
fn line(name: &str, processes: &[Process], isa: usize, members: &[usize], level: Option<f64>) -> Vec<String> {
    let rows = |process: &Process| members.iter().map(|&member| process.rows[member][isa].clone()).collect::<Vec<_>>();
    let over_processes = |value: &dyn Fn(&[Row]) -> f64| {
        let values: Vec<f64> = processes.iter().map(|process| value(&rows(process))).collect();
        median_with_interval(&values, level.unwrap_or(0.0))
    };
    let count = members.len() as f64;
    let time = over_processes(&|rows| rows.iter().map(|row| row.times[0]).sum::<f64>() / count).value;
    let ratio = |algorithm: usize| {
        let Estimate { value, low, high } =
            over_processes(&|rows| geometric_mean(rows.iter().map(|row| row.times[1 + algorithm] / row.times[0])));
        if level.is_some() { format!("{value:.2} ({low:.2} to {high:.2})") } else { format!("{value:.2}") }
    };
    // All processes count the same.
    let rows = rows(&processes[0]);
    let instructions = |allocator: usize| {
        let of_row = |row: &Row| row.traffic[allocator].numbers().map(|number| 1e3 * number as f64 / row.words as f64);
        let sum =
            rows.iter().map(of_row).fold([0.0; 4], |sum, row| std::array::from_fn(|index| sum[index] + row[index]));
        let [moves, reloads, stores, constants] = sum.map(|sum| sum / count);
        let all = moves + reloads + stores + constants;
        format!("{all:.0} = {moves:.0} + {reloads:.0} + {stores:.0} + {constants:.0}")
    };
    let times = [name.to_owned(), format!("{time:.1}")].into_iter().chain((0..ALGORITHMS.len()).map(ratio));
    times.chain((0..ALLOCATORS.len()).map(instructions)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::statistics::min_count;
    use crate::lang::Source;

    fn row_of<I: Isa>(text: &str, inputs: &[i64]) -> Row {
        let subject = Subject::new("test", Source::new("test", text), inputs.to_vec());
        row::<I>(&subject, 1, &mut ChaCha8Rng::seed_from_u64(1)).expect("it can be measured")
    }

    /// Each of the nine jumps back exchanges two values, which takes three moves through a free register. Our emitter performs these
    /// moves before the branch, so the last of ten iterations does so too, and the exit then exchanges the values once more.
    #[test]
    fn executed_instructions_are_counted() {
        for row_of in [row_of::<aarch64::Emitter>, row_of::<x86_64::Emitter>] {
            let Row { traffic: [ours, ion, fastalloc], words, .. } = row_of("1 2 rot times swap end", &[10]);
            assert_eq!(words, 4 + 10);
            assert_eq!(ours.numbers(), [3 * 11, 0, 0, 2]);
            assert_eq!(ion.numbers(), [3 * 9, 0, 0, 2]);
            // It keeps values in registers only within a block.
            assert!(fastalloc.reloads > 20 && fastalloc.stores > 20, "{fastalloc:?}");
        }
    }

    #[test]
    fn thirteen_processes_suffice_for_all_intervals() {
        let intervals = ISAS.len() * (Group::ALL.len() + 1) * ALGORITHMS.len();
        assert!(min_count(level_of_each(0.99, intervals)) <= 13);
    }

    #[test]
    fn tables_have_the_means_of_groups_and_all_programs() {
        let programs = programs();
        let chosen: Vec<&Program> =
            programs.iter().filter(|program| ["fact", "lcg", "tak"].contains(&program.name)).collect();
        let row = |ion: f64| {
            let traffic = [1, 2, 3].map(|moves| Traffic { moves, constants: 1, ..Traffic::default() });
            Row { times: [10.0, 10.0 * ion, 5.0], traffic, words: 1_000 }
        };
        let process = Process { rows: [1.0, 4.0, 3.0].map(|ion| [row(ion), row(ion)]).into() };
        let text = to_markdown(&chosen, &[process.clone(), process], 0.99);
        let cells = |first: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("| {first} "))).expect("the line is there");
            line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
        };
        let mean = ["the nine, x86_64", "10.0", "2.00 (2.00 to 2.00)", "0.50 (0.50 to 0.50)", "2 = 1 + 0 + 0 + 1"];
        assert_eq!(cells(mean[0])[1..6], mean);
        assert_eq!(cells("lcg")[3], "4.00");
        assert_eq!(text.matches("| tak ").count(), 2);
    }
}
