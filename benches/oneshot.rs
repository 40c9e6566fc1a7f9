//! `oneshot/<workload>/<engine>`: from the text to the answer. The input is a hundredth of that with which `execute` runs, so
//! that compiling counts for something.

mod harness;

use criterion::{Criterion, criterion_group, criterion_main};
use harness::{PerWord, criterion, engines};
use jitduel::bench::stack;
use jitduel::bench::workloads::WORKLOADS;
use jitduel::engine::{NoClock, Options};
use jitduel::registry;

fn oneshot(criterion: &mut Criterion<PerWord>) {
    let engines = engines();
    let mut stack = stack().expect("there is memory for a stack");
    for workload in WORKLOADS {
        let subject = workload.of_size((workload.size / 100).max(1));
        let mut group = criterion.benchmark_group(format!("oneshot/{}", workload.name));
        for &name in &engines {
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

criterion_group!(name = benches; config = criterion(); targets = oneshot);
criterion_main!(benches);
