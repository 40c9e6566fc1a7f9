//! Random programs: valid ones over the whole language, loop-heavy ones, and ones with a single fault.
//!
//! Each program draws all its decisions from its own stream of random numbers, so that a seed and an index yield the same
//! text on every host. The referee measures the fuel and stack that a program needs. The program's limits are often set
//! exactly to its needs or close to them, which exposes engines that are off by one.

pub mod dice;
pub mod invalid;
pub mod layout;
pub mod loops;
pub mod operands;
pub mod random;
pub mod statistics;

use std::ops::Range;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::corpus::Case;
use crate::engine::Run;
use crate::host_stack::with_room;
use crate::interp::tree::{Measured, measure};
use crate::lang::{Ast, Fault, Node, NodeKind, Program, Rejection, RejectionKind, Source, Span, load};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT, Outcome, Trap, TrapKind, Verdict};
use dice::Dice;
use serde::{Deserialize, Serialize};

/// A program with inputs and limits: everything needed to repeat a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
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
        Source::new("trial", self.text.as_bytes())
    }

    /// The program, verified for these inputs.
    ///
    /// # Errors
    /// The fault of an invalid program.
    pub fn load(&self) -> Result<Program, Fault> {
        load(&self.source(), self.inputs.len())
    }

    /// The text followed by a case line that repeats the run. The line is at the end, so it changes no word's location.
    pub fn with_case(&self, expected: Verdict) -> String {
        let &Trial { ref text, ref inputs, fuel, stack_limit, call_limit } = self;
        let line = text.lines().count() + 1;
        let case = Case { line, fuel: Some(fuel), stack_limit, call_limit, inputs: inputs.clone(), expected };
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
    /// Invalid programs: valid ones with one word changed.
    Invalid,
    /// Valid programs with one word changed, whether or not this made them invalid.
    Changed,
}

/// The program of this kind at this index of the seed's sequence of programs.
pub fn trial(kind: Kind, seed: u64, index: u64) -> Trial {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    stream.set_stream(index);
    let mut dice = Dice::new(&mut stream);
    match kind {
        Kind::Random => random::trial(&mut dice),
        Kind::Loops { work } => loops::trial(&mut dice, work),
        Kind::Invalid => invalid::trial(&mut dice),
        Kind::Changed => invalid::changed(&mut dice),
    }
}

/// The program that the generator builds when these bytes determine its decisions. Once they are used up, pseudorandom
/// bytes follow.
pub fn trial_from_bytes(bytes: &[u8]) -> Trial {
    let mut stream = dice::Bytes::new(bytes);
    random::trial(&mut Dice::new(&mut stream))
}

/// The fuel for measuring a generated program, more than it should ever need.
const MAX_ITERATIONS: u64 = 2_000;

/// Prints nodes as text and sets the limits. `trap` is the desired trap, if any.
fn limited(dice: &mut Dice, nodes: &mut [NodeKind], inputs: Vec<i64>, trap: Option<TrapKind>) -> Option<Trial> {
    let ast = tree(nodes);
    let (stack_limit, call_limit) = (DEFAULT_STACK_LIMIT, DEFAULT_CALL_LIMIT);
    let mut trial = Trial { text: String::new(), inputs, fuel: MAX_ITERATIONS, stack_limit, call_limit };
    let mut measured = trial.measure(&ast);
    if trap != Some(TrapKind::DivisionByZero) {
        measured = without_division_by_zero(dice, nodes, &trial, measured);
    }
    let (iterations, deepest) = (measured.iterations, measured.deepest);
    trial.fuel = match dice.below(8) {
        0..=2 => iterations,
        3 | 4 => iterations + 1 + u64::from(dice.below(3)),
        _ => iterations + 1_000,
    };
    let most = deepest as u64;
    trial.stack_limit = match dice.below(8) {
        0..=3 => deepest,
        4 | 5 => deepest + 1 + dice.index(6),
        _ => DEFAULT_STACK_LIMIT.max(deepest),
    };
    match trap {
        Some(TrapKind::OutOfFuel) if iterations > 0 => trial.fuel = dice.long_below(iterations),
        Some(TrapKind::StackOverflow) if most > trial.inputs.len() as u64 => {
            let spare = most - trial.inputs.len() as u64;
            trial.stack_limit = trial.inputs.len() + dice.long_below(spare) as usize;
        }
        _ => {}
    }
    if measured.outcome_is(TrapKind::OutOfFuel) {
        trial.fuel = 1 + dice.long_below(200);
    }
    trial.text = layout::text(dice, nodes);
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

/// Replaces divisions by zero with other binary words, so that only desired traps remain.
fn without_division_by_zero(
    dice: &mut Dice,
    nodes: &mut [NodeKind],
    trial: &Trial,
    mut measured: Measured,
) -> Measured {
    while let Outcome::Trap(Trap { kind: TrapKind::DivisionByZero, at }) = measured.outcome {
        nodes[at.start as usize] = NodeKind::Word(*dice.pick(random::HARMLESS));
        measured = trial.measure(&tree(nodes));
    }
    measured
}

/// A tree of these nodes, for measuring. Its spans are node indices, so it needs no text.
pub(crate) fn tree(nodes: &[NodeKind]) -> Ast {
    let place = |index| Span { start: index, end: index + 1 };
    Ast::new(nodes.iter().zip(0..).map(|(&kind, index)| Node { kind, span: place(index) }).collect())
}

/// The change in stack height when these nodes are executed once and no inner loop iterates.
pub(crate) fn net_effect(nodes: &[NodeKind], range: Range<usize>) -> i64 {
    with_room(|| net_effect_of_body(nodes, range)).unwrap_or(0)
}

/// `None` if the nodes end with a jump.
fn net_effect_of_body(nodes: &[NodeKind], range: Range<usize>) -> Option<i64> {
    let (mut net, mut index) = (0, range.start);
    while index < range.end {
        let kind = nodes[index];
        net += match kind {
            NodeKind::Call(_) | NodeKind::Address(_) => todo!(),
            NodeKind::Literal(_) | NodeKind::Pick(_) => 1,
            NodeKind::Put(_) => -1,
            NodeKind::Word(word) => word.pushes() as i64 - word.pops() as i64,
            NodeKind::Times { .. } => -1,
            NodeKind::If { otherwise, end } => {
                let then = net_effect_of_body(nodes, index + 1..otherwise as usize);
                then.or_else(|| net_effect_of_body(nodes, otherwise as usize..end as usize))? - 1
            }
            NodeKind::While { body, .. } => net_effect_of_body(nodes, index + 1..body as usize)? - 1,
            NodeKind::Leave | NodeKind::Exit => return None,
        };
        index = kind.next(index);
    }
    Some(net)
}
