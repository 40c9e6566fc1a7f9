//! The programs that are timed, each with its size: nine loops that other projects have measured as well, seven programs with
//! branches and division, and a hold-out set that nobody tunes for.

use super::{Subject, Untimed, prepare, stack};
use crate::corpus::{Case, cases};
use crate::engine::{Options, outcome};
use crate::generate::{Kind, Trial, trial};
use crate::lang::{Source, load};
use crate::outcome::{DEFAULT_STACK_LIMIT, Verdict};

/// A program in `corpus/workloads`.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Its name, which is also the name of its file.
    pub name: &'static str,
    /// The text, with its cases.
    pub text: &'static str,
    /// The input with which it is timed. The fastest engine should take at least 0.2 milliseconds and the slowest at most 30,
    /// unless their speeds are too far apart for both.
    pub size: i64,
    /// Whether it is one of the nine that other projects have measured.
    pub is_of_the_nine: bool,
}

macro_rules! workloads {
    ($(($name:literal, $size:literal, $nine:literal),)*) => {
        /// All workloads.
        pub const WORKLOADS: &[Workload] = &[$(Workload {
            name: $name,
            text: include_str!(concat!("../../corpus/workloads/", $name, ".stk")),
            size: $size,
            is_of_the_nine: $nine,
        },)*];
    };
}

workloads! {
    ("fact", 20_000, true),
    ("fib", 800_000, true),
    ("lcg", 400_000, true),
    ("nested", 1, true),
    ("horner", 80_000, true),
    ("tri", 720_000, true),
    ("addchain", 560_000, true),
    ("shuffle", 240_000, true),
    ("straight", 260, true),
    ("gcd", 20_000, false),
    ("collatz", 2_000, false),
    ("isqrt", 5_000, false),
    ("primes", 10_000, false),
    ("xorshift", 140_000, false),
    ("digits", 9_000, false),
    ("mandelbrot", 2_000, false),
}

impl Workload {
    /// The workload with another input.
    pub fn of_size(&self, size: i64) -> Subject {
        Subject::new(self.name, self.source(), vec![size])
    }

    /// The workload with the input that is timed.
    pub fn subject(&self) -> Subject {
        self.of_size(self.size)
    }

    /// Runs the text's cases on an engine, except cases with fuel or with a non-default stack limit.
    ///
    /// # Errors
    /// The first wrong result, or why the engine cannot run a case.
    pub fn check_cases(&self, engine: &str) -> Result<(), Untimed> {
        let mut stack = stack(DEFAULT_STACK_LIMIT)?;
        for case in cases(&self.source()).expect("the cases of the corpus are well-formed") {
            let Case { fuel: None, stack_limit: DEFAULT_STACK_LIMIT, inputs, expected, .. } = case else { continue };
            let program = load(&self.source(), inputs.len())?;
            let outcome = outcome(&mut *prepare(engine, &program, &Options::default())?, &inputs, None, &mut stack);
            let got = Verdict::of(&outcome, &self.source());
            if got != expected {
                return Err(Untimed::Wrong { engine: engine.into(), got, expected });
            }
        }
        Ok(())
    }

    /// The text as a source.
    pub fn source(&self) -> Source {
        Source::new(self.name, self.text)
    }
}

/// The workload of this name, if there is one.
pub fn workload(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}

/// The seed of the hold-out set, chosen before anything was measured on it.
const HOLD_OUT_SEED: u64 = 20_261_121;

/// The approximate number of words that a program of the hold-out set executes.
const HOLD_OUT_WORDS: u64 = 50_000;

/// The hold-out set: fifty generated loops.
pub fn hold_out() -> impl Iterator<Item = Subject> {
    (0..50).map(|index| {
        let Trial { text, inputs, .. } = trial(Kind::Loops { work: HOLD_OUT_WORDS }, HOLD_OUT_SEED, index);
        let name = format!("hold-out-{index}");
        Subject::new(name.clone(), Source::new(name, text), inputs)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Work;

    /// The bounds ensure that the fastest engine runs long enough, and that a run of the slowest fits into a sample.
    #[test]
    fn every_workload_is_large_enough_to_time() {
        for workload in WORKLOADS {
            let Work { words, iterations } = workload.subject().check(&[]).expect(workload.name);
            assert!((300_000..10_000_000).contains(&words), "{}: {words} words", workload.name);
            assert!(iterations > 0);
        }
    }

    #[test]
    fn hold_out_is_fifty_different_terminating_programs() {
        let mut texts: Vec<String> = Vec::new();
        for subject in hold_out() {
            let words = subject.check(&[]).expect("it ends").words;
            assert!((HOLD_OUT_WORDS / 2..=HOLD_OUT_WORDS * 2).contains(&words), "{}: {words} words", subject.name);
            texts.push(String::from_utf8_lossy(subject.source.bytes()).into_owned());
        }
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 50);
    }
}
