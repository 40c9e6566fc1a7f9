//! What the benchmarks share: times in nanoseconds a word, and settings with which the whole run takes a few minutes.

// Each benchmark uses another part of it.
#![allow(dead_code, reason = "no benchmark uses all of it")]

use std::path::Path;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput};
use jitduel::engine::{NoClock, Options, PrepareError};
use jitduel::lang::{Source, load};
use jitduel::registry::{self, ENGINES};

/// Criterion with our measurement. `--warm-up-time`, `--measurement-time` and `--sample-size` change what is set here.
pub fn criterion() -> Criterion<PerWord> {
    Criterion::default()
        .with_measurement(PerWord)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .sample_size(12)
        .nresamples(5_000)
}

/// The engines that this host can run; says which it cannot.
pub fn engines() -> Vec<&'static str> {
    let program = load(&Source::new("empty", ""), 0).expect("the empty program is one");
    let runs = |name: &&'static str| {
        let mut engine = registry::engine(name).expect("it exists");
        match engine.prepare(&program, &Options::default(), &mut NoClock) {
            Err(error @ PrepareError::Unsupported { .. }) => {
                eprintln!("NOT RUN: {error}");
                false
            }
            _ => true,
        }
    };
    ENGINES.into_iter().filter(runs).collect()
}

/// Keeps what a benchmark of our own measured, where the report looks for it.
pub fn data_file(name: &str, json: &serde_json::Value) {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
    let folder = Path::new(&target).join("jitduel");
    let path = folder.join(name);
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&path, format!("{json}\n")))
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    println!("\nkept as {}", path.display());
}

/// Wall-clock time, with what a benchmark gives as its elements shown as nanoseconds for each.
pub struct PerWord;

impl Measurement for PerWord {
    type Intermediate = <WallTime as Measurement>::Intermediate;
    type Value = Duration;

    fn start(&self) -> Self::Intermediate {
        WallTime.start()
    }

    fn end(&self, begun: Self::Intermediate) -> Duration {
        WallTime.end(begun)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &PerWordFormatter
    }
}

struct PerWordFormatter;

impl ValueFormatter for PerWordFormatter {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_values(typical, values)
    }

    fn scale_throughputs(&self, typical: f64, throughput: &Throughput, values: &mut [f64]) -> &'static str {
        let Throughput::Elements(words) = *throughput else {
            return WallTime.formatter().scale_throughputs(typical, throughput, values);
        };
        values.iter_mut().for_each(|nanoseconds| *nanoseconds /= words as f64);
        "ns/word"
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_for_machines(values)
    }
}
