//! `compile/<size>/…`: preparing programs of 100, 10,000 and 1,000,000 words, with and without loops, in nanoseconds per word
//! of the text. The phases are `parse`, `verify`, and for each engine its total (`<engine>`) and its own phases
//! (`<engine>/lower`, `<engine>/generate`, `<engine>/seal`). The feature `peers` adds the peers' totals.

mod harness;

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::{PerWord, criterion, engines};
use jitduel::bench::phases::Phases;
use jitduel::bench::sizes::{INPUTS, SIZES};
use jitduel::engine::{Options, Phase};
use jitduel::lang::{parse, verify};
use jitduel::registry;

fn compile(criterion: &mut Criterion<PerWord>) {
    let engines = engines();
    for size in SIZES {
        let source = size.source();
        let mut group = criterion.benchmark_group(format!("compile/{}", size.name()));
        group.throughput(Throughput::Elements(size.words as u64));
        group.bench_function("parse", |bencher| bencher.iter_with_large_drop(|| parse(&source).expect("it parses")));
        let ast = Arc::new(parse(&source).expect("it parses"));
        group.bench_function("verify", |bencher| {
            bencher.iter_with_large_drop(|| verify(&ast, INPUTS.len()).expect("it verifies"));
        });
        let program = verify(&ast, INPUTS.len()).expect("it verifies");
        // A peer that optimizes takes minutes for a million words.
        let peers = registry::PEERS.iter().filter(|_| size.words <= 10_000);
        for &name in engines.iter().chain(peers) {
            // The referee walks the tree, which needs no preparation.
            let phases: &[Option<Phase>] = match name {
                "tree" => continue,
                "bytecode" => &[None],
                _ if registry::PEERS.contains(&name) => &[None],
                _ => &[None, Some(Phase::Lower), Some(Phase::Generate), Some(Phase::Seal)],
            };
            let mut engine = registry::engine(name).expect("it exists");
            for phase in phases {
                let id = match phase {
                    None => BenchmarkId::from_parameter(name),
                    Some(phase) => BenchmarkId::new(name, phase),
                };
                group.bench_function(id, |bencher| {
                    bencher.iter_custom(|times| {
                        let mut phases = Phases::default();
                        for _ in 0..times {
                            let prepared = engine.prepare(&program, &Options::default(), &mut phases);
                            phases.end();
                            drop(prepared.expect("it is small enough"));
                        }
                        let all = [Phase::Lower, Phase::Generate, Phase::Seal].map(|phase| phases.get(phase));
                        phase.map_or(all.iter().sum::<Duration>(), |phase| phases.get(phase))
                    });
                });
            }
        }
    }
}

criterion_group!(name = benches; config = criterion(); targets = compile);
criterion_main!(benches);
