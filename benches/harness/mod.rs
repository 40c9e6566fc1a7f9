//! Shared by all benchmarks: a measurement in nanoseconds per word, settings with which the whole run takes a few minutes,
//! and the command line and output of the benchmarks without criterion.

// Each benchmark uses a different part.
#![allow(dead_code, reason = "no benchmark uses all of it")]

pub mod processes;
pub mod sweeps;

use std::fmt::Arguments as Text;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput};
use jitduel::bench::{Subject, prepare};
use jitduel::engine::PrepareError;
use jitduel::files;
use jitduel::registry::{self, ENGINES};

/// Criterion with our measurement. `--warm-up-time`, `--measurement-time` and `--sample-size` override these settings.
pub fn criterion() -> Criterion<PerWord> {
    Criterion::default()
        .with_measurement(PerWord)
        .warm_up_time(Duration::from_millis(80))
        .measurement_time(Duration::from_millis(330))
        .sample_size(12)
        .nresamples(5_000)
}

/// The engines that this host can run. Warns about the others.
pub fn engines() -> Vec<&'static str> {
    let runs = |name: &&'static str| {
        let found = registry::availability(name);
        if let Err(reason) = &found {
            warn(format_args!("NOT RUN: engine `{name}` is not supported on this host: {reason}"));
        }
        found.is_ok()
    };
    ENGINES.into_iter().filter(runs).collect()
}

/// Those of the engines that can prepare a program. Warns about the others.
pub fn able(engines: &[&'static str], subject: &Subject) -> Vec<&'static str> {
    let able = |engine: &&'static str| {
        let refusal = refusal(engine, subject);
        if let Some(reason) = &refusal {
            warn(format_args!("NOT RUN: engine `{engine}` on {}: {reason}", subject.name));
        }
        refusal.is_none()
    };
    engines.iter().copied().filter(able).collect()
}

/// Why an engine cannot prepare a program; `None` if it can.
pub fn refusal(engine: &str, subject: &Subject) -> Option<PrepareError> {
    let program = subject.program().unwrap_or_else(|reason| panic!("{}: {reason}", subject.name));
    prepare(engine, &program, &subject.options()).err()
}

/// The command line of a benchmark without criterion.
pub struct Arguments {
    /// Parts of names. Without filters, everything is selected.
    pub filters: Vec<String>,
    flags: Vec<String>,
    values: Vec<(String, String)>,
}

/// The flags, both ours and criterion's. Every other option takes a value.
const FLAGS: [&str; 11] = [
    "--bench",
    "--test",
    "--list",
    "--exact",
    "--noplot",
    "--quick",
    "--verbose",
    "--quiet",
    "--worker",
    "--force",
    "--nocapture",
];

impl Arguments {
    /// Parses the command line. Cargo passes the same one to all benchmarks, so it may contain criterion's options with
    /// their values.
    pub fn read() -> Arguments {
        let (mut filters, mut flags, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            if FLAGS.contains(&argument.as_str()) {
                flags.push(argument);
            } else if !argument.starts_with('-') {
                filters.push(argument);
            } else if !argument.contains('=') {
                values.extend(arguments.next().map(|value| (argument, value)));
            }
        }
        Arguments { filters, flags, values }
    }

    /// The value of an option, if it was given.
    pub fn value(&self, option: &str) -> Option<&str> {
        self.values.iter().find(|(given, _)| given == option).map(|(_, value)| value.as_str())
    }

    /// Whether a flag was given.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|given| given == flag)
    }

    /// Whether this is a smoke test, which measures nothing. As with criterion, that is also the case if `cargo bench` did not
    /// start it.
    pub fn is_test(&self) -> bool {
        self.has("--test") || !self.has("--bench")
    }

    /// Whether the filters select a name.
    pub fn chooses(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter.as_str()))
    }
}

/// Writes a line to standard output.
pub fn say(line: Text) {
    write_line(&mut io::stdout(), line);
}

/// Writes a line to standard error.
pub fn warn(line: Text) {
    write_line(&mut io::stderr(), line);
}

/// A reader that closes its pipe early, such as `head`, must not end a run that takes minutes: its results still go to a
/// file.
///
/// # Panics
/// If the stream cannot be written for any other reason.
fn write_line(stream: &mut impl Write, line: Text) {
    match writeln!(stream, "{line}").and_then(|()| stream.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => panic!("cannot write the output: {error}"),
        _ => {}
    }
}

/// Saves the results of a benchmark where the report finds them.
pub fn data_file(name: &str, json: &serde_json::Value) {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
    let path = Path::new(&target).join("jitduel").join(name);
    files::replace(&path, format!("{json}\n")).unwrap_or_else(|error| panic!("{error}: {}", error.source));
    say(format_args!("\nsaved as {}", path.display()));
}

/// Wall-clock time. A throughput in elements is shown as nanoseconds per element.
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
