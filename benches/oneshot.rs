//! `oneshot/<workload>/<engine>`: from the text to the answer. The input has a hundredth of the work of that of `execute`, so
//! that compiling matters.
//!
//! `tiny/<engine>`: from the verified program to the answer of `1 2 +`, on an engine that has compiled before. This is the
//! fixed cost of any program. For scale, `tiny/mprotect pair` makes a page executable and writable again.

mod harness;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use harness::{PerWord, able, criterion, engines};
use jitduel::bench::workloads::WORKLOADS;
use jitduel::bench::{Subject, stack};
use jitduel::engine::{NoClock, Options};
use jitduel::lang::Source;
use jitduel::outcome::DEFAULT_STACK_LIMIT;
use jitduel::registry;
use memmap2::MmapMut;

fn oneshot(criterion: &mut Criterion<PerWord>) {
    let engines = engines();
    let mut stack = stack(DEFAULT_STACK_LIMIT).expect("there is memory for a stack");
    for workload in WORKLOADS {
        let subject = workload.of_size(workload.hundredth());
        let mut group = criterion.benchmark_group(format!("oneshot/{}", workload.name));
        for name in able(&engines, &subject) {
            let mut engine = registry::engine(name).expect("it exists");
            let mut checked = false;
            group.bench_function(name, |bencher| {
                if !std::mem::replace(&mut checked, true) {
                    subject.check(&[name]).unwrap_or_else(|reason| panic!("{}: {reason}", subject.name));
                }
                bencher.iter(|| {
                    let program = subject.program().expect("it was checked");
                    let mut prepared =
                        engine.prepare(&program, &Options::default(), &mut NoClock).expect("it was checked");
                    prepared.run(&subject.inputs, None, &mut stack).expect("it was checked");
                    stack.values().last().copied()
                });
            });
        }
    }
}

fn tiny(criterion: &mut Criterion<PerWord>) {
    let mut stack = stack(DEFAULT_STACK_LIMIT).expect("there is memory for a stack");
    let subject = Subject::new("tiny", Source::new("tiny", "1 2 +"), Vec::new());
    let program = subject.program().expect("it is one");
    let mut group = criterion.benchmark_group("tiny");
    for name in engines() {
        subject.check(&[name]).unwrap_or_else(|reason| panic!("{reason}"));
        let mut engine = registry::engine(name).expect("it exists");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut prepared =
                    engine.prepare(black_box(&program), &Options::default(), &mut NoClock).expect("it was checked");
                prepared.run(&[], None, &mut stack).expect("it was checked");
                stack.values().last().copied()
            });
        });
    }
    let mut page = MmapMut::map_anon(4096).expect("there is memory for a page");
    // Write the page, so that the system allocates it.
    page[0] = 1;
    let mut page = Some(page);
    group.bench_function(BenchmarkId::from_parameter("mprotect pair"), |bencher| {
        bencher.iter(|| {
            let writable = page.take().expect("the previous run put it back");
            let executable = writable.make_exec().expect("the system allows that");
            page = Some(executable.make_mut().expect("the system allows that"));
        });
    });
}

criterion_group!(name = benches; config = criterion(); targets = oneshot, tiny);
criterion_main!(benches);
