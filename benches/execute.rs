//! `execute/<workload>/<engine>`: executing prepared programs, in nanoseconds per executed word.

mod harness;

use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use harness::{PerWord, able, criterion, engines};
use jitduel::bench::workloads::{WORKLOADS, hold_out};
use jitduel::bench::{Subject, answer, prepare, stack, time};
use jitduel::engine::Prepared;
use jitduel::outcome::DEFAULT_STACK_LIMIT;

/// The words that one run of all subjects executes. Panics if an engine gives a wrong answer.
fn words(subjects: &[Subject], engines: &[&str]) -> u64 {
    let words = |subject: &Subject| match subject.check(engines) {
        Ok(work) => work.words,
        Err(reason) => panic!("{}: {reason}", subject.name),
    };
    subjects.iter().map(words).sum()
}

fn execute(criterion: &mut Criterion<PerWord>) {
    let engines = engines();
    for workload in WORKLOADS {
        let group = criterion.benchmark_group(format!("execute/{}", workload.name));
        let check =
            |engine: &str| workload.check_cases(engine).unwrap_or_else(|wrong| panic!("{}: {wrong}", workload.name));
        let subject = workload.subject();
        execute_all(group, &able(&engines, &subject), &[subject], &check);
    }
    let subjects: Vec<Subject> = hold_out().collect();
    execute_all(criterion.benchmark_group("execute/hold-out"), &engines, &subjects, &|_| ());
}

/// A prepared program with its inputs and its answer.
type Ready<'a> = (Box<dyn Prepared>, &'a [i64], Vec<i64>);

/// One benchmark for each engine; a run executes all subjects, one after the other.
fn execute_all(
    mut group: BenchmarkGroup<PerWord>,
    engines: &[&'static str],
    subjects: &[Subject],
    check: &dyn Fn(&str),
) {
    group.throughput(Throughput::Elements(words(subjects, &[])));
    let mut stack = stack(DEFAULT_STACK_LIMIT).expect("there is memory for a stack");
    for &engine in engines {
        // Check and prepare lazily, so that benchmarks excluded by the filter cost nothing.
        let mut ready: Option<Vec<Ready>> = None;
        group.bench_function(engine, |bencher| {
            let ready = ready.get_or_insert_with(|| {
                check(engine);
                words(subjects, &[engine]);
                let prepared = |subject: &Subject| {
                    prepare(engine, &subject.program().expect("it was checked"), &subject.options())
                };
                let ready = subjects.iter().map(|subject| {
                    let mut prepared = prepared(subject).expect("it was checked");
                    let answer = answer(&mut *prepared, &subject.inputs, &mut stack);
                    (prepared, &subject.inputs[..], answer)
                });
                ready.collect()
            });
            bencher.iter_custom(|runs| {
                let time =
                    |(prepared, inputs, answer): &mut Ready| time(&mut **prepared, inputs, &mut stack, runs, answer);
                ready.iter_mut().map(time).sum::<Duration>()
            });
        });
    }
}

criterion_group!(name = benches; config = criterion(); targets = execute);
criterion_main!(benches);
