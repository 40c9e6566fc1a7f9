//! Random programs: valid ones over the whole language, loop-heavy ones, and ones with a single fault.
//!
//! Each program draws all its decisions from its own stream of random numbers, so that a seed and an index yield the same
//! text on every host. The referee measures the fuel and stack that a program needs. The program's limits are often set
//! exactly to its needs or close to them, which exposes engines that are off by one.

mod decoded;
pub mod dice;
pub(crate) mod draft;
mod features;
pub mod invalid;
pub mod layout;
mod let_programs;
pub mod loops;
pub mod operands;
pub mod random;
mod repeats;
pub mod statistics;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::corpus::Case;
use crate::engine::Run;
use crate::front;
use crate::interp::tree::{Measured, measure};
use crate::lang::{Ast, Fault, Language, NodeKind, Program, Rejection, RejectionKind, Source, Word};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT, Outcome, Trap, TrapKind, Verdict};
use dice::Dice;
use draft::Draft;
use serde::{Deserialize, Serialize};

/// A program with inputs and limits: everything needed to repeat a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The language of the program.
    pub language: Language,
    /// The program.
    pub text: String,
    /// The initial stack, bottom first.
    pub inputs: Vec<i64>,
    /// The number of units of work that may start: iterations and calls.
    pub fuel: u64,
    /// The maximum number of values on the stack.
    pub stack_limit: usize,
    /// The maximum number of active calls.
    pub call_limit: u64,
}

impl Trial {
    /// The text as a source.
    pub fn source(&self) -> Source {
        Source::new("trial", self.text.as_bytes()).in_language(self.language)
    }

    /// The program, verified for these inputs.
    ///
    /// # Errors
    /// The fault of an invalid program.
    pub fn load(&self) -> Result<Program, Fault> {
        front::load(&self.source(), self.inputs.len()).unwrap_or_else(|wrong| Err(wrong.into()))
    }

    /// The text followed by a case line that repeats the run. The line is at the end, so it changes no word's location.
    pub fn with_case(&self, expected: Verdict) -> String {
        let &Trial { language, ref text, ref inputs, fuel, stack_limit, call_limit } = self;
        let line = text.lines().count() + 1;
        let case = Case { line, language, fuel: Some(fuel), stack_limit, call_limit, inputs: inputs.clone(), expected };
        format!("{}\n{case}\n", text.trim_end_matches('\n'))
    }

    /// The run.
    pub fn run(&self) -> Run<'_> {
        let &Trial { fuel, stack_limit, call_limit, .. } = self;
        Run { inputs: &self.inputs, fuel: Some(fuel), stack_limit, call_limit }
    }

    /// The referee's outcome and measurements.
    pub fn measure(&self, ast: &Ast) -> Measured {
        measure(ast, self.run())
    }
}

/// The kind of program to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Valid programs over the whole language, some of which trap.
    Random,
    /// Loops that execute about `work` words and keep their values live.
    Loops {
        /// The number of words to execute.
        work: u64,
    },
    /// Valid programs that compute the same values again and again, on several paths.
    Repeats,
    /// Invalid programs: valid ones with one word changed.
    Invalid,
    /// Valid programs with one word changed, whether or not this made them invalid.
    Changed,
    /// Valid programs of the let language.
    Let,
    /// Programs of the let language with one fault, and a case that says where it is.
    InvalidLet,
}

/// The program of this kind at this index of the seed's sequence of programs.
pub fn trial(kind: Kind, seed: u64, index: u64) -> Trial {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    stream.set_stream(index);
    let mut dice = Dice::new(&mut stream);
    match kind {
        Kind::Random => random::trial(&mut dice),
        Kind::Loops { work } => loops::trial(&mut dice, work),
        Kind::Repeats => repeats::trial(&mut dice),
        Kind::Invalid => invalid::trial(&mut dice),
        Kind::Changed => invalid::changed(&mut dice),
        Kind::Let => let_programs::valid(&mut dice),
        Kind::InvalidLet => let_programs::invalid(&mut dice),
    }
}

/// The program that the generator builds when these bytes determine its decisions. Once they are used up, pseudorandom
/// bytes follow.
pub fn trial_from_bytes(bytes: &[u8]) -> Trial {
    let mut stream = dice::Bytes::new(bytes);
    random::trial(&mut Dice::new(&mut stream))
}

/// The program that these bytes encode, nearly one word for each byte.
pub fn decoded_trial(bytes: &[u8]) -> Trial {
    decoded::trial(bytes)
}

/// The fuel for measuring a generated program, more than it should ever need.
const MAX_FUEL: u64 = 2_000;

/// The fuel for measuring a program whose recursion ends only at a limit: enough for the default call limit.
const MAX_FUEL_ENDLESS: u64 = 3 * DEFAULT_CALL_LIMIT;

/// Prints a draft as text and sets the limits. `trap` is the desired trap, if any. `is_endless` says that the draft has words
/// that call themselves without end.
fn limited(
    dice: &mut Dice,
    mut draft: Draft,
    inputs: Vec<i64>,
    trap: Option<TrapKind>,
    is_endless: bool,
) -> Option<Trial> {
    let most_fuel = if is_endless && dice.one_in(8) { MAX_FUEL_ENDLESS } else { MAX_FUEL };
    let (stack_limit, call_limit) = (DEFAULT_STACK_LIMIT, DEFAULT_CALL_LIMIT);
    let language = Language::Stack;
    let mut trial = Trial { language, text: String::new(), inputs, fuel: most_fuel, stack_limit, call_limit };
    let measured = without_undesired_traps(dice, &mut draft, &trial, trap);
    let (fuel, deepest, calls) = (measured.fuel(), measured.deepest, measured.call_depth);
    let has_words = !draft.definitions.is_empty();
    trial.fuel = match dice.below(8) {
        0..=2 => fuel,
        3 | 4 => fuel + 1 + u64::from(dice.below(3)),
        _ => fuel + 1_000,
    };
    trial.stack_limit = match dice.below(8) {
        0..=3 => deepest,
        4 | 5 => deepest + 1 + dice.index(6),
        _ => DEFAULT_STACK_LIMIT.max(deepest),
    };
    trial.call_limit = match dice.below(8) {
        0..=2 if has_words || dice.one_in(4) => calls,
        3 if has_words => calls + 1 + dice.long_below(3),
        _ => DEFAULT_CALL_LIMIT.max(calls),
    };
    match trap {
        Some(TrapKind::OutOfFuel) if fuel > 0 => trial.fuel = dice.long_below(fuel),
        Some(TrapKind::StackOverflow) if deepest > trial.inputs.len() => {
            trial.stack_limit = trial.inputs.len() + dice.index(deepest - trial.inputs.len());
        }
        Some(TrapKind::CallDepthExceeded) if calls > 0 => trial.call_limit = dice.long_below(calls),
        _ => {}
    }
    if measured.outcome_is(TrapKind::OutOfFuel) {
        trial.fuel = 1 + dice.long_below(200);
    }
    if has_words && dice.one_in(4) {
        tighten(dice, &mut trial, &draft);
    }
    trial.text = layout::text(dice, &draft);
    match trial.load() {
        Ok(_) => Some(trial),
        // Rarely, two branches end at different heights. Then the caller draws another program.
        Err(Fault::Rejection(Rejection { kind: RejectionKind::UnbalancedIf { .. }, .. })) => None,
        Err(fault) => panic!("a generated program is invalid: {fault}\n{}", trial.text),
    }
}

impl Measured {
    fn outcome_is(&self, kind: TrapKind) -> bool {
        matches!(self.outcome, Outcome::Trap(trap) if trap.kind == kind)
    }
}

/// Lowers the limits to what the run needs up to its end or its trap. A call may then fail for several reasons at once, and
/// the order of the checks decides which trap it is.
fn tighten(dice: &mut Dice, trial: &mut Trial, draft: &Draft) {
    let measured = trial.measure(&draft.ast());
    if dice.one_in(2) {
        trial.fuel = measured.fuel().saturating_sub(dice.below(2).into());
    }
    if dice.one_in(2) {
        trial.stack_limit = measured.deepest;
    }
    if dice.one_in(2) {
        trial.call_limit = measured.call_depth.saturating_sub(dice.below(2).into());
    }
}

/// Replaces divisions by zero with other binary words, and inserts addresses in bounds before accesses out of bounds, so that
/// only desired traps remain.
fn without_undesired_traps(dice: &mut Dice, draft: &mut Draft, trial: &Trial, desired: Option<TrapKind>) -> Measured {
    loop {
        let measured = trial.measure(&draft.ast());
        let Outcome::Trap(Trap { kind, at }) = measured.outcome else { return measured };
        if desired == Some(kind) {
            return measured;
        }
        let at = at.start as usize;
        match kind {
            TrapKind::DivisionByZero => draft.nodes[at] = NodeKind::Word(*dice.pick(random::HARMLESS)),
            TrapKind::OutOfBounds if !draft.arrays.is_empty() => {
                let cells: u32 = draft.arrays.iter().sum();
                let address = NodeKind::Literal(dice.below(cells).into());
                *draft = draft.replaced(at..at + 1, &[NodeKind::Word(Word::Drop), address, draft.nodes[at]]);
            }
            TrapKind::OutOfBounds
            | TrapKind::StackUnderflow
            | TrapKind::StackOverflow
            | TrapKind::OutOfFuel
            | TrapKind::CallDepthExceeded => return measured,
        }
    }
}
