//! Random programs: valid ones over the whole language, loop-heavy ones, and ones with a single fault.
//!
//! Everything is drawn from one stream of random numbers for each program, so that a seed and an index mean the same
//! text on every host. What a program needs is measured with the referee, and its limits are set from that: they
//! stand exactly at the border, or close to it, where an engine that is off by one shows.

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
use crate::host_stack::with_room;
use crate::interp::tree::{Measured, measure};
use crate::lang::{Ast, Fault, Node, NodeKind, Program, Rejection, RejectionKind, Source, Span, load};
use crate::outcome::{DEFAULT_STACK_LIMIT, Outcome, Trap, TrapKind, Verdict};
use dice::Dice;
use serde::{Deserialize, Serialize};

/// A program with inputs and limits: all that it takes to repeat a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The program.
    pub text: String,
    /// The initial stack, bottom first.
    pub inputs: Vec<i64>,
    /// Passes that loops may start.
    pub fuel: u64,
    /// The greatest number of values on the stack.
    pub stack_limit: usize,
}

impl Trial {
    /// The text as a source.
    pub fn source(&self) -> Source {
        Source::new("trial", self.text.as_bytes())
    }

    /// The program, verified for these inputs.
    ///
    /// # Errors
    /// The fault, where it is not a valid one.
    pub fn load(&self) -> Result<Program, Fault> {
        load(&self.source(), self.inputs.len())
    }

    /// The text with a case line that repeats the run: behind it, where it moves no word from its place.
    pub fn with_case(&self, expected: Verdict) -> String {
        let Trial { text, inputs, fuel, stack_limit } = self;
        let line = text.lines().count() + 1;
        let case = Case { line, fuel: Some(*fuel), stack_limit: *stack_limit, inputs: inputs.clone(), expected };
        format!("{}\n{case}\n", text.trim_end_matches('\n'))
    }

    /// What the referee makes of it.
    pub fn measure(&self, ast: &Ast) -> Measured {
        measure(ast, &self.inputs, Some(self.fuel), self.stack_limit)
    }
}

/// What is to be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Valid programs over the whole language, some of which trap.
    Random,
    /// Loops that carry out about `work` words and keep their values alive.
    Loops {
        /// Words to be carried out.
        work: u64,
    },
    /// Programs that are rejected: valid ones with one word changed.
    Invalid,
    /// The same, whether or not the change made them invalid.
    Changed,
}

/// The program of this kind that has this index in the sequence of this seed.
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

/// The program that these bytes decide; where they are used up, others follow.
pub fn trial_from_bytes(bytes: &[u8]) -> Trial {
    let mut stream = dice::Bytes::new(bytes);
    random::trial(&mut Dice::new(&mut stream))
}

/// Passes that a generated program may start while it is measured: more than it should ever need.
const MAX_ITERATIONS: u64 = 2_000;

/// Lays nodes out as text and sets the limits. `trap` says which trap is wanted, if one is.
fn limited(dice: &mut Dice, nodes: &mut [NodeKind], inputs: Vec<i64>, trap: Option<TrapKind>) -> Option<Trial> {
    let ast = tree(nodes);
    let mut trial = Trial { text: String::new(), inputs, fuel: MAX_ITERATIONS, stack_limit: DEFAULT_STACK_LIMIT };
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
        // A rare accident of two branches; the caller draws again.
        Err(Fault::Rejection(Rejection { kind: RejectionKind::UnbalancedIf { .. }, .. })) => None,
        Err(fault) => panic!("a generated program is no program: {fault}\n{}", trial.text),
    }
}

impl Measured {
    fn outcome_is(&self, kind: TrapKind) -> bool {
        matches!(self.outcome, Outcome::Trap(trap) if trap.kind == kind)
    }
}

/// Replaces divisions that meet a zero by other words of two operands, so that traps come only where they are wanted.
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

/// A tree of these nodes in which a span is the index of a node: good for measuring, without a text.
pub(crate) fn tree(nodes: &[NodeKind]) -> Ast {
    let place = |index| Span { start: index, end: index + 1 };
    Ast::new(nodes.iter().zip(0..).map(|(&kind, index)| Node { kind, span: place(index) }).collect())
}

/// How one pass over these nodes changes the depth, where loops inside run not at all.
pub(crate) fn net_effect(nodes: &[NodeKind], range: Range<usize>) -> i64 {
    with_room(|| net_effect_of_body(nodes, range))
}

fn net_effect_of_body(nodes: &[NodeKind], range: Range<usize>) -> i64 {
    let (mut net, mut index) = (0, range.start);
    while index < range.end {
        let kind = nodes[index];
        net += match kind {
            NodeKind::Literal(_) | NodeKind::Pick(_) => 1,
            NodeKind::Word(word) => word.pushes() as i64 - word.pops() as i64,
            NodeKind::Times { .. } => -1,
            NodeKind::If { otherwise, .. } => net_effect_of_body(nodes, index + 1..otherwise as usize) - 1,
            NodeKind::While { body, .. } => net_effect_of_body(nodes, index + 1..body as usize) - 1,
        };
        index = kind.next(index);
    }
    net
}
