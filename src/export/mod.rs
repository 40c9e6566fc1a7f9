//! Export: a verified program as C or as Forth, so that compilers which know nothing of ours can judge it.
//!
//! Both translations carry the whole language: values, every trap with its place, the stack's limit and fuel. They print
//! a run's line as `jitduel run` does, and exit with 0 where it finished and with 1 where it trapped. A file is
//! a prelude, a function a program and a main part, in that order, so that one file can hold many programs.
//!
//! Independent is what follows the verifier: no bytecode, no LIR. The checks are those that [`Fact`] leaves, so that
//! a check that the verifier leaves out wrongly shows.

pub mod c;
pub mod forth;

use crate::lang::verify::Fact;
use crate::lang::{NodeKind, Place, Program, Source};

/// The limits that a translated program is held to; they become part of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The greatest number of values on the stack.
    pub stack: usize,
    /// Passes that the loops of a run may start; `None` meters nothing.
    pub fuel: Option<u64>,
}

/// One run that a file of many programs makes.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The name that the program's function was given.
    pub function: &'a str,
    /// The initial stack, bottom first: as many values as the program was verified for.
    pub inputs: &'a [i64],
}

/// What is checked before a node's own pops and pushes, in this order. Fuel and divisors are checked elsewhere.
pub(crate) struct Checks {
    /// Values that must be there, where there may be fewer.
    pub need: Option<u64>,
    /// Whether the stack may be full already.
    pub room: bool,
}

impl Checks {
    /// Those that the verifier leaves to the node. No word leaves more than one value more than it takes.
    pub fn of(kind: NodeKind, fact: Fact, limits: Limits) -> Checks {
        let (pops, grows) = match kind {
            NodeKind::Literal(_) => (0, true),
            NodeKind::Word(word) => (word.pops() as u64, word.pushes() > word.pops()),
            NodeKind::Pick(depth) => (depth + 1, true),
            NodeKind::Times { .. } | NodeKind::If { .. } | NodeKind::While { .. } => (1, false),
        };
        Checks {
            need: fact.may_underflow.then_some(pops),
            room: grows && fact.greatest.may_exceed(limits.stack as u64),
        }
    }
}

/// What a file says about itself in its first line.
fn title(program: &Program, source: &Source, limits: Limits) -> String {
    let fuel = limits.fuel.map_or("no limit".into(), |fuel| fuel.to_string());
    // Names are printable, so that none can end the comment that this stands in, or continue it behind the quote.
    let (name, inputs, stack) = (source.name(), program.inputs(), limits.stack);
    format!("Made by `jitduel export` from \"{name}\"; number of inputs: {inputs}, stack limit: {stack}, fuel: {fuel}")
}

/// The place of each node.
fn place(program: &Program, source: &Source, index: usize) -> Place {
    source.place(program.ast().nodes()[index].span)
}
