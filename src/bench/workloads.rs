//! The programs that are timed, each with its size: nine loops that other projects have measured as well, seven programs with
//! branches and division, fourteen programs with calls and arrays, and a hold-out set that nobody tunes for.

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
    /// The group whose means it counts in.
    pub group: Group,
    /// The input with which it is timed; see [`Group`] for how long that takes.
    pub size: i64,
    growth: Growth,
}

/// A group of workloads. Besides the mean over all workloads there is one for each group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The nine loops that other projects have measured. For them and for the seven, the fastest engine should take at least
    /// 0.2 milliseconds and the slowest at most 30, unless their speeds are too far apart for both.
    Nine,
    /// The seven loops with branches and division.
    Seven,
    /// The fourteen programs with calls and arrays. Their runs are longer, so that arrays of up to 2 MiB and call stacks are
    /// warm: the fastest engine should take at least 1 millisecond and the slowest at most a second.
    Fourteen,
}

impl Group {
    /// All groups, in the order of tables.
    pub const ALL: [Group; 3] = [Group::Nine, Group::Seven, Group::Fourteen];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Group::Nine => "the nine",
            Group::Seven => "the seven",
            Group::Fourteen => "the fourteen",
        }
    }

    /// Its workloads.
    pub fn workloads(self) -> impl Iterator<Item = &'static Workload> {
        WORKLOADS.iter().filter(move |workload| workload.group == self)
    }
}

/// How the work of a run grows with the input.
#[derive(Clone, Copy, Debug)]
enum Growth {
    /// In proportion to this power of the input.
    Power(i32),
    /// By this factor with each increment of the input.
    Factor(f64),
}

macro_rules! workloads {
    ($(($name:literal, $group:ident, $size:literal, $growth:expr),)*) => {
        /// All workloads.
        pub const WORKLOADS: &[Workload] = &[$(Workload {
            name: $name,
            text: include_str!(concat!("../../corpus/workloads/", $name, ".stk")),
            group: Group::$group,
            size: $size,
            growth: $growth,
        },)*];
    };
}

use Growth::{Factor, Power};

workloads! {
    ("fact", Nine, 20_000, Power(1)),
    ("fib", Nine, 800_000, Power(1)),
    ("lcg", Nine, 400_000, Power(1)),
    ("nested", Nine, 1, Power(1)),
    ("horner", Nine, 80_000, Power(1)),
    ("tri", Nine, 720_000, Power(1)),
    ("addchain", Nine, 560_000, Power(1)),
    ("shuffle", Nine, 240_000, Power(1)),
    ("straight", Nine, 260, Power(1)),
    ("gcd", Seven, 20_000, Power(1)),
    ("collatz", Seven, 2_000, Power(1)),
    ("isqrt", Seven, 5_000, Power(1)),
    ("primes", Seven, 10_000, Power(1)),
    ("xorshift", Seven, 140_000, Power(1)),
    ("digits", Seven, 9_000, Power(1)),
    ("mandelbrot", Seven, 2_000, Power(1)),
    ("fib-recursive", Fourteen, 30, Factor(1.6)),
    ("tak", Fourteen, 8, Factor(6.0)),
    ("ackermann", Fourteen, 7, Factor(4.0)),
    ("queens", Fourteen, 10, Factor(5.0)),
    ("permute", Fourteen, 8, Factor(8.0)),
    ("quicksort", Fourteen, 50_000, Power(1)),
    ("sieve", Fourteen, 250_000, Power(1)),
    ("bubble", Fourteen, 1_000, Power(2)),
    ("matmul", Fourteen, 100, Power(3)),
    ("crc32", Fourteen, 2_500, Power(1)),
    ("sha256", Fourteen, 40_000, Power(1)),
    ("levenshtein", Fourteen, 600, Power(2)),
    ("life", Fourteen, 50, Power(1)),
    ("brainfuck", Fourteen, 400, Power(1)),
}

impl Workload {
    /// The workload with another input.
    pub fn of_size(&self, size: i64) -> Subject {
        Subject::new(self.name, self.source(), vec![size])
    }

    /// The input with about a hundredth of the work of the timed one.
    pub fn hundredth(&self) -> i64 {
        self.part(100.0).max(1)
    }

    /// The input with about a tenth of the work of the timed one.
    pub fn tenth(&self) -> i64 {
        self.part(10.0).max(1)
    }

    /// Two inputs with about a twentieth and a tenth of the work of the timed one.
    pub fn pair(&self) -> [i64; 2] {
        let tenth = self.part(10.0);
        [self.part(20.0).min(tenth - 1), tenth]
    }

    /// The next input of a sweep, with about `ratio` times the work of this one; at most the timed input.
    pub fn next(&self, size: i64, ratio: f64) -> i64 {
        let next = match self.growth {
            Power(power) => (size as f64 * root(ratio, power)) as i64,
            Factor(factor) => size + (ratio.ln() / factor.ln()).round() as i64,
        };
        next.max(size + 1).min(self.size)
    }

    /// The input whose work is about that of the timed one, divided by `parts`.
    fn part(&self, parts: f64) -> i64 {
        match self.growth {
            Power(power) => (self.size as f64 / root(parts, power)) as i64,
            Factor(factor) => self.size - (parts.ln() / factor.ln()).round() as i64,
        }
    }

    /// The workload with the input that is timed.
    pub fn subject(&self) -> Subject {
        self.of_size(self.size)
    }

    /// Runs the text's cases on an engine, except cases with limits of their own.
    ///
    /// # Errors
    /// The first wrong result, or why the engine cannot run a case.
    pub fn check_cases(&self, engine: &str) -> Result<(), Untimed> {
        let mut stack = stack(DEFAULT_STACK_LIMIT)?;
        for case in cases(&self.source()).expect("the cases of the corpus are well-formed") {
            if !case.has_default_limits() {
                continue;
            }
            let Case { inputs, expected, .. } = case;
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

/// The root of this degree.
fn root(number: f64, degree: i32) -> f64 {
    number.powf(1.0 / f64::from(degree))
}

/// The workload of this name, if there is one.
pub fn workload(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}

/// The workloads whose warm-up is shown, because they warm up in different ways, and what each of them does.
const WARM_UP: [(&str, &str); 4] = [
    ("xorshift", "a times loop"),
    ("primes", "while loops"),
    ("collatz", "a while loop in a times loop"),
    ("fib-recursive", "recursion"),
];

/// The workloads whose warm-up is shown, and what each of them does.
pub fn warm_up() -> impl Iterator<Item = (&'static Workload, &'static str)> {
    WARM_UP.into_iter().filter_map(|(name, what)| Some((workload(name)?, what)))
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
            let bounds = match workload.group {
                Group::Nine | Group::Seven => 300_000..10_000_000,
                Group::Fourteen => 5_000_000..30_000_000,
            };
            assert!(bounds.contains(&words), "{}: {words} words", workload.name);
            assert!(iterations > 0);
            if workload.group == Group::Fourteen {
                has_right_parts(workload, words);
            }
        }
    }

    /// The inputs for other purposes have about the work that they are chosen for.
    fn has_right_parts(workload: &Workload, whole: u64) {
        for (size, parts) in workload.pair().into_iter().zip([20.0, 10.0]).chain([(workload.hundredth(), 100.0)]) {
            let part = workload.of_size(size).check(&[]).expect(workload.name).words;
            let ratio = whole as f64 / part as f64 / parts;
            assert!((0.25..4.0).contains(&ratio), "{} of size {size}: {ratio}", workload.name);
        }
    }

    #[test]
    fn every_warm_up_is_of_a_workload() {
        assert_eq!(warm_up().count(), WARM_UP.len());
    }

    #[test]
    fn groups_have_their_numbers_of_workloads() {
        assert_eq!(Group::ALL.map(|group| group.workloads().count()), [9, 7, 14]);
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
