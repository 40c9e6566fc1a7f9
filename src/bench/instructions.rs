//! Machine instructions that each engine executes per iteration of a workload's loops. A call counts as an iteration. These
//! counts do not depend on the machine.
//!
//! A count is a difference quotient: the same binary runs the same program at two sizes, and the difference in instructions
//! is divided by the difference in iterations. All other work of the process cancels out, since it is the same at both
//! sizes: numbers have the same number of digits, and the programs only test their results, so that nothing is printed.

use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::saved::{INSTRUCTIONS, Positive, SavedError, bytes, parse};
use super::workloads::{WORKLOADS, Workload};
use super::{Subject, Untimed};
use crate::interp::tree::{Measured, measure};
use crate::lang::Source;
use crate::outcome::{Outcome, Verdict};
use crate::registry::ENGINES;
use crate::tiered::Tiered;

/// The record that `scripts/count` wrote last.
const RECORD: &str = include_str!("../../benches/instructions.json");

/// A workload at two sizes.
#[derive(Clone, Debug)]
pub struct SizePair {
    /// The workload's name.
    pub workload: &'static str,
    /// The smaller and the larger program.
    pub subjects: [Subject; 2],
    /// How many more iterations of all its loops, and calls, the larger program starts, as counted by the referee.
    pub iterations: u64,
    /// How many more words it executes.
    pub words: u64,
}

/// Workloads with nested loops of fixed counts. Their size is the count of the innermost loop. Each row has the name, the
/// count in the text, the text that follows it, the two counts to substitute, and the program's input.
const INNERMOST: [(&str, &str, &str, [i64; 2], i64); 2] =
    [("fact", "20", " times swap", [1_000, 2_000], 20), ("nested", "1000", " times 1 +", [20, 40], 1)];

impl SizePair {
    /// The two sizes of a workload.
    ///
    /// # Errors
    /// If one of them traps in the referee.
    ///
    /// # Panics
    /// If the text of a workload no longer contains the innermost loop that this file expects.
    pub fn of(workload: &Workload) -> Result<SizePair, Untimed> {
        let innermost = INNERMOST.iter().find(|(name, ..)| *name == workload.name);
        let at = |which: usize| match innermost {
            Some((_, count, suffix, sizes, input)) => {
                let (before, after) = workload
                    .text
                    .split_once(&format!("{count}{suffix}"))
                    .expect("the text contains the innermost loop");
                (format!("{before}{:08}{suffix}{after}", sizes[which]), *input)
            }
            None => (workload.text.to_owned(), workload.pair()[which]),
        };
        let mut subjects = Vec::new();
        let mut works = Vec::new();
        for (text, input) in [at(0), at(1)] {
            let subject = Subject::new(workload.name, Source::new("-e", text), vec![input]);
            let program = subject.program()?;
            let measured = measure(program.ast(), subject.run());
            let Outcome::Done(values) = &measured.outcome else {
                return Err(Untimed::Trap { verdict: Verdict::of(&measured.outcome, &subject.source) });
            };
            // A branch needs each result. If the results were only dropped, a compiler could remove what computes them.
            let text = [subject.source.bytes(), b"\n", "if end ".repeat(values.len()).as_bytes()].concat();
            subjects.push(Subject { source: Source::new(workload.name, text), ..subject });
            works.push(measured);
        }
        let more = |of: fn(&Measured) -> u64| of(&works[1]) - of(&works[0]);
        Ok(SizePair {
            workload: workload.name,
            iterations: more(Measured::fuel),
            words: more(|work| work.words),
            subjects: subjects.try_into().expect("there are two sizes"),
        })
    }
}

/// The instructions that an engine executes per iteration of a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// The instruction set.
    pub isa: String,
    /// The workload.
    pub workload: String,
    /// The engine.
    pub engine: String,
    /// Machine instructions per iteration, rounded to a thousandth.
    pub per_iteration: f64,
}

impl Count {
    /// The count of an engine, from the difference in instructions between the two sizes.
    pub fn new(isa: &str, pair: &SizePair, engine: &str, instructions: u64) -> Count {
        let per_iteration = (1e3 * instructions as f64 / pair.iterations as f64).round() / 1e3;
        Count { isa: isa.into(), workload: pair.workload.into(), engine: engine.into(), per_iteration }
    }

    fn has_same_key(&self, other: &Count) -> bool {
        (&self.isa, &self.workload, &self.engine) == (&other.isa, &other.workload, &other.engine)
    }
}

/// The instruction sets, in the order of tables.
pub const ISAS: [&str; 2] = ["aarch64", "x86_64"];

/// The unit of the numbers in a record.
const UNIT: &str = "machine instructions per loop iteration (of the innermost loop for fact and nested, averaged over all \
    loops and calls for other workloads); scripts/count writes this file";

/// The record of these counts.
pub fn to_json(counts: &[Count], pairs: &[SizePair]) -> Value {
    let words = pairs.iter().map(|pair| (pair.workload.to_owned(), json!(words_per_iteration(pair)))).collect();
    let mut record = Map::from_iter([
        ("format".into(), INSTRUCTIONS.tag().into()),
        ("unit".into(), UNIT.into()),
        ("words_per_iteration".into(), Value::Object(words)),
    ]);
    for Count { isa, workload, engine, per_iteration } in counts {
        let of_isa = record.entry(isa.as_str()).or_insert_with(|| json!({}));
        of_isa[workload.as_str()][engine.as_str()] = json!(per_iteration);
    }
    Value::Object(record)
}

/// A record of counts, as [`to_json`] writes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "RecordFile")]
pub struct Record {
    /// What the numbers count, as text for readers.
    pub unit: String,
    /// The counts, in the order of the file.
    pub counts: Vec<Count>,
}

/// The members of the file. A [`Map`] keeps their order.
#[derive(Deserialize)]
struct RecordFile {
    unit: String,
    aarch64: Map<String, Value>,
    x86_64: Map<String, Value>,
}

impl TryFrom<RecordFile> for Record {
    type Error = serde_json::Error;

    fn try_from(RecordFile { unit, aarch64, x86_64 }: RecordFile) -> Result<Record, serde_json::Error> {
        let mut counts = Vec::new();
        for (isa, workloads) in ISAS.into_iter().zip([aarch64, x86_64]) {
            for (workload, engines) in workloads {
                for (engine, per_iteration) in serde_json::from_value::<Map<_, _>>(engines)? {
                    let per_iteration = serde_json::from_value::<Positive>(per_iteration)?.get();
                    counts.push(Count { isa: isa.into(), workload: workload.clone(), engine, per_iteration });
                }
            }
        }
        Ok(Record { unit, counts })
    }
}

impl Record {
    /// Reads a record from a file.
    ///
    /// # Errors
    /// If the file cannot be read, has another version, or is not a record of counts.
    pub fn read(path: &Path) -> Result<Record, SavedError> {
        parse(path, &bytes(path)?, Some(INSTRUCTIONS))
    }

    /// The record that is checked in.
    ///
    /// # Errors
    /// If it has another version, or is not a record of counts.
    pub fn checked_in() -> Result<Record, SavedError> {
        parse(Path::new("benches/instructions.json"), RECORD.as_bytes(), Some(INSTRUCTIONS))
    }
}

fn words_per_iteration(pair: &SizePair) -> f64 {
    (1e3 * pair.words as f64 / pair.iterations as f64).round() / 1e3
}

/// The differences from the record, in sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Counts that are higher than in the record, or that the record does not have.
    pub rises: Vec<String>,
    /// Counts that are lower than recorded.
    pub falls: Vec<String>,
}

/// Compares counts with the record. Both are exact, so there is no tolerance.
pub fn compare(counts: &[Count], record: &[Count]) -> Changes {
    let mut changes = Changes::default();
    for count in counts {
        let Count { isa, workload, engine, per_iteration } = count;
        let Some(recorded) = record.iter().find(|recorded| recorded.has_same_key(count)) else {
            changes.rises.push(format!(
                "{workload}, {engine}, {isa}: {per_iteration} instructions per iteration, but the record has no count"
            ));
            continue;
        };
        let line = format!(
            "{workload}, {engine}, {isa}: {} instructions per iteration, now {per_iteration}",
            recorded.per_iteration
        );
        if *per_iteration > recorded.per_iteration {
            changes.rises.push(line);
        } else if *per_iteration < recorded.per_iteration {
            changes.falls.push(line);
        }
    }
    changes
}

/// The contents of `docs/INSTRUCTIONS.md`.
pub fn page(counts: &[Count], pairs: &[SizePair]) -> String {
    let mut page = String::from(
        "# Executed instructions\n\n\
        `scripts/count` writes this page and `benches/instructions.json`. [METHODOLOGY.md](METHODOLOGY.md) explains how \
        it counts.\n",
    );
    for isa in ISAS {
        for (unit, is_per_word) in [("iteration", false), ("word", true)] {
            let _ = write!(page, "\n## {isa}: per {unit}\n\n");
            table(&mut page, counts, pairs, isa, is_per_word);
        }
    }
    page
}

/// The engines whose instructions are counted. Those of [`Tiered`] are the instructions of two others.
pub fn engines() -> impl DoubleEndedIterator<Item = &'static str> {
    ENGINES.into_iter().filter(|engine| *engine != Tiered::NAME)
}

fn table(page: &mut String, counts: &[Count], pairs: &[SizePair], isa: &str, is_per_word: bool) {
    let engines: Vec<_> = engines().rev().collect();
    let names = engines.iter().map(|engine| format!(" `{engine}` |")).collect::<String>();
    let _ = write!(page, "| workload | words per iteration |{names}\n| --- |{}\n", " ---: |".repeat(engines.len() + 1));
    for pair in pairs {
        let words = words_per_iteration(pair);
        let _ = write!(page, "| `{}` | {} |", pair.workload, number(words));
        for engine in &engines {
            let wanted =
                |count: &&Count| count.isa == isa && count.workload == pair.workload && count.engine == *engine;
            let cell = counts.iter().find(wanted).map_or("–".into(), |count| {
                number(if is_per_word { count.per_iteration / words } else { count.per_iteration })
            });
            let _ = write!(page, " {cell} |");
        }
        page.push('\n');
    }
}

/// The number with two decimals, or none if it is integral.
fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.2}") }
}

/// The two sizes of every workload.
///
/// # Errors
/// The same as for [`SizePair::of`].
pub fn pairs() -> Result<Vec<SizePair>, Untimed> {
    WORKLOADS.iter().map(SizePair::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::workloads::Group;

    fn record() -> Vec<Count> {
        Record::checked_in().expect("it is a record").counts
    }

    /// Why a record is refused.
    fn refused(text: &str) -> String {
        parse::<Record>(Path::new("record"), text.as_bytes(), Some(INSTRUCTIONS))
            .expect_err("it is refused")
            .to_string()
    }

    #[test]
    fn size_pairs_are_large_and_print_nothing() {
        for pair in pairs().expect("all end") {
            assert!(pair.words >= 10_000 && pair.iterations > 0, "{pair:?}");
            for subject in &pair.subjects {
                let program = subject.program().expect("it is one");
                let outcome = measure(program.ast(), subject.run()).outcome;
                assert_eq!(outcome, Outcome::Done(Vec::new()), "{}", pair.workload);
            }
            let [small, great] = pair.subjects.map(|subject| subject.source.bytes().len());
            assert_eq!(small, great, "{}", pair.workload);
        }
    }

    #[test]
    fn size_of_nested_loops_is_the_innermost_count() {
        for (name, words) in [("fact", 6), ("nested", 2)] {
            let workload = super::super::workloads::workload(name).expect("it exists");
            let pair = SizePair::of(workload).expect("it ends");
            assert_eq!(pair.words, pair.iterations * words, "{name}");
        }
    }

    #[test]
    fn record_is_complete_and_matches_its_page() {
        let record = record();
        let mut pairs = pairs().expect("all end");
        // A group that was never counted is left out as a whole.
        pairs.retain(|pair| record.iter().any(|count| count.workload == pair.workload));
        assert!([WORKLOADS.len(), WORKLOADS.len() - Group::Fourteen.workloads().count()].contains(&pairs.len()));
        assert_eq!(record.len(), ISAS.len() * pairs.len() * engines().count());
        assert_eq!(page(&record, &pairs), include_str!("../../docs/INSTRUCTIONS.md"));
        let same = serde_json::to_string_pretty(&to_json(&record, &pairs)).expect("it is JSON");
        assert_eq!(same + "\n", RECORD);
    }

    #[test]
    fn count_of_zero_is_refused() {
        let zero = RECORD.replacen("\"bytecode\": 12.096", "\"bytecode\": 0.0", 1);
        assert_eq!(refused(&zero), "`record` is broken: 0 is not greater than zero");
    }

    #[test]
    fn older_version_is_refused() {
        let older = RECORD.replacen("jitduel instructions 3", "jitduel instructions 2", 1);
        let expected = "`record` has the format `jitduel instructions 2`, but this version reads \
            `jitduel instructions 3`; make it again: scripts/count";
        assert_eq!(refused(&older), expected);
    }

    #[test]
    fn rises_and_falls_are_distinguished() {
        let record = record();
        assert_eq!(compare(&record, &record), Changes::default());
        let jit: Vec<_> = record.iter().filter(|count| count.engine == "jit").cloned().collect();
        // The counts of an engine without one of `jit`'s optimizations, as if that optimization were broken.
        let without = |engine: &str| -> Vec<_> {
            let others = record.iter().filter(|count| count.engine == engine).cloned();
            others.map(|count| Count { engine: "jit".into(), ..count }).collect()
        };
        for engine in ["jit-tos", "jit-peephole"] {
            let changes = compare(&without(engine), &record);
            let fact = |line: &String| line.starts_with("fact, jit, aarch64: 7 instructions per iteration, now 1");
            assert!(changes.rises.iter().any(fact), "{engine}: {changes:?}");
            let back = compare(&jit, &without(engine));
            assert_eq!(back.falls.len(), changes.rises.len(), "{engine}");
        }
        assert_eq!(compare(&jit, &[]).rises.len(), jit.len(), "an unrecorded count is a rise");
    }
}
