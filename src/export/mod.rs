//! Export: translates a verified program to C or Forth, so that independent compilers can check its outcome.
//!
//! Both translations cover the whole language: values, every trap with its location, the stack limit and fuel. They print
//! the same line for a run as `jitduel run`, and exit with 0 if it finished and with 1 if it trapped. A file consists of a
//! prelude, one function per program and a main part, in that order, so that one file can hold many programs.
//!
//! The translation is independent of everything after the verifier: it uses neither bytecode nor LIR. It emits the checks
//! that [`Fact`] requires, so its outcome shows if the verifier wrongly omits a check.

pub mod c;
pub mod forth;

use crate::lang::verify::Fact;
use crate::lang::{NodeKind, Place, Program, Source};

/// The limits of a translated program, which become part of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The maximum number of values on the stack.
    pub stack: usize,
    /// The iterations that the loops of a run may start; `None` disables metering.
    pub fuel: Option<u64>,
}

/// One run in a file of many programs.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The name of the program's function.
    pub function: &'a str,
    /// The initial stack, bottom first, with as many values as the program was verified for.
    pub inputs: &'a [i64],
}

/// The checks before a node's own pops and pushes, in this order. Fuel and divisors are checked elsewhere.
pub(crate) struct Checks {
    /// The number of values to check for, if there may be fewer.
    pub need: Option<u64>,
    /// Whether to check for a full stack.
    pub room: bool,
}

impl Checks {
    /// The checks that the verifier could not prove unnecessary. No word grows the stack by more than one value.
    pub fn of(kind: NodeKind, fact: Fact, limits: Limits) -> Checks {
        let (pops, grows) = match kind {
            NodeKind::Call(_) | NodeKind::Address(_) => todo!(),
            NodeKind::Literal(_) => (0, true),
            NodeKind::Word(word) => (word.pops() as u64, word.pushes() > word.pops()),
            NodeKind::Pick(depth) => (depth + 1, true),
            NodeKind::Put(depth) => (depth + 2, false),
            NodeKind::Times { .. } | NodeKind::If { .. } | NodeKind::While { .. } => (1, false),
            NodeKind::Leave | NodeKind::Exit => (0, false),
        };
        Checks {
            need: fact.may_underflow.then_some(pops),
            room: grows && fact.greatest.may_exceed(limits.stack as u64),
        }
    }
}

/// The first line of a file.
fn title(program: &Program, source: &Source, limits: Limits) -> String {
    let fuel = limits.fuel.map_or("no limit".into(), |fuel| fuel.to_string());
    // Source names are printable, so a name can neither end the comment around it nor extend it past the quote.
    let (name, inputs, stack) = (source.name(), program.inputs(), limits.stack);
    format!("Made by `jitduel export` from \"{name}\"; number of inputs: {inputs}, stack limit: {stack}, fuel: {fuel}")
}

/// The location of a node.
fn place(program: &Program, source: &Source, index: usize) -> Place {
    source.place(program.ast().nodes()[index].span)
}
