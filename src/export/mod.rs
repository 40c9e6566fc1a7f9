//! Export: translates a verified program to C or Forth, so that independent compilers can check its outcome.
//!
//! Both translations cover the whole language: values, every trap with its location, the limits and fuel. They print
//! the same line for a run as `jitduel run`, and exit with 0 if it finished and with 1 if it trapped. A file consists of a
//! prelude, the functions of each program and a main part, in that order, so that one file can hold many programs. They share
//! one stack and one memory. Definitions become functions of their own; those that the program never calls are left out.
//!
//! The translation is independent of everything after the verifier: it uses neither bytecode nor LIR. It emits the checks
//! that [`Fact`](crate::lang::verify::Fact) requires, so its outcome shows if the verifier wrongly omits a check.

pub mod c;
mod calls;
pub mod forth;

pub(crate) use calls::Calls;

use crate::lang::{Definition, DefinitionId, NodeKind, Place, Program, Source, printable};

/// The limits of a translated program, which become part of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The maximum number of values on the stack.
    pub stack: usize,
    /// The maximum number of active calls. See [`MAX_CALLS`].
    pub calls: u64,
    /// The units of fuel of a run: the iterations and calls that it may begin. `None` disables metering.
    pub fuel: Option<u64>,
}

/// The greatest number of active calls for which a file can reserve stacks.
pub const MAX_CALLS: u64 = 1_000_000;

/// A program that may have more active calls than [`MAX_CALLS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "at most {MAX_CALLS} calls of an exported program can be active, but {calls} of this one may be; lower its call limit"
)]
pub struct TooManyCalls {
    /// The greatest number of active calls.
    pub calls: u64,
}

/// One run in a file of many programs.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The name of the program's function.
    pub function: &'a str,
    /// The initial stack, bottom first, with as many values as the program was verified for.
    pub inputs: &'a [i64],
}

/// What the programs of a file share. It must suffice for each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The number of values for which the stack has room.
    stack: usize,
    /// The number of memory cells; 0 if no program accesses memory.
    cells: usize,
    /// Whether a program counts fuel.
    fuel: bool,
    /// Whether a program counts its active calls.
    depth: bool,
    /// The greatest number of active calls.
    calls: u64,
    /// The number of nodes of the longest main program.
    main: usize,
    /// The number of nodes of the longest definition.
    definition: usize,
    /// The greatest number of bodies around a node.
    nesting: usize,
}

impl Needs {
    /// What one program needs.
    ///
    /// # Errors
    /// If it may have too many active calls.
    pub fn of(program: &Program, limits: Limits) -> Result<Needs, TooManyCalls> {
        let (ast, calls) = (program.ast(), Calls::of(program, limits));
        if calls.greatest_depth > MAX_CALLS {
            return Err(TooManyCalls { calls: calls.greatest_depth });
        }
        Ok(Needs {
            stack: limits.stack,
            cells: if calls.uses_memory(program) { ast.cells() } else { 0 },
            fuel: uses_fuel(program, &calls, limits),
            depth: calls.counts_depth,
            calls: calls.greatest_depth,
            main: ast.main().len(),
            definition: calls.order.iter().map(|id| ast.definition(*id).body.len()).max().unwrap_or(0),
            nesting: ast.nesting(),
        })
    }

    /// What suffices for both.
    #[must_use]
    pub fn and(self, other: Needs) -> Needs {
        Needs {
            stack: self.stack.max(other.stack),
            cells: self.cells.max(other.cells),
            fuel: self.fuel || other.fuel,
            depth: self.depth || other.depth,
            calls: self.calls.max(other.calls),
            main: self.main.max(other.main),
            definition: self.definition.max(other.definition),
            nesting: self.nesting.max(other.nesting),
        }
    }
}

/// Whether fuel is limited and something uses it.
fn uses_fuel(program: &Program, calls: &Calls, limits: Limits) -> bool {
    let uses = |kind| matches!(kind, NodeKind::Times { .. } | NodeKind::While { .. } | NodeKind::Call(_));
    limits.fuel.is_some() && calls.nodes(program).any(uses)
}

/// The checks before a node's own pops and pushes, in this order. Fuel, divisors, addresses, and the call depth and the room that
/// calls need are checked elsewhere.
pub(crate) struct Checks {
    /// The number of values to check for, if there may be fewer. In a definition, only those of its call count.
    pub need: Option<u64>,
    /// Whether to check for a full stack.
    pub room: bool,
}

impl Checks {
    /// The checks that the verifier could not prove unnecessary. No word but a call grows the stack by more than one value.
    pub fn of(program: &Program, index: usize, limits: Limits) -> Checks {
        let (ast, fact) = (program.ast(), program.facts()[index]);
        let (pops, grows) = match ast.nodes()[index].kind {
            NodeKind::Literal(_) | NodeKind::Address(_) => (0, true),
            NodeKind::Word(word) => (word.pops() as u64, word.pushes() > word.pops()),
            NodeKind::Pick(depth) => (depth + 1, true),
            NodeKind::Put(depth) => (depth + 2, false),
            NodeKind::Call(id) => (ast.definition(id).params.into(), false),
            NodeKind::Times { .. } | NodeKind::If { .. } | NodeKind::While { .. } => (1, false),
            NodeKind::Leave | NodeKind::Exit => (0, false),
        };
        // A definition's words have the room that its call checked for.
        let is_in_main = ast.main().contains(&index);
        Checks {
            need: fact.may_underflow.then_some(pops),
            room: grows && is_in_main && fact.greatest.may_exceed(limits.stack as u64),
        }
    }
}

/// The first line of a file.
fn title(program: &Program, source: &Source, limits: Limits) -> String {
    let fuel = limits.fuel.map_or("no limit".into(), |fuel| fuel.to_string());
    // Source names are printable, so a name can neither end the comment around it nor extend it past the quote.
    let (name, inputs, Limits { stack, calls, .. }) = (source.name(), program.inputs(), limits);
    format!(
        "Made by `jitduel export` from \"{name}\"; number of inputs: {inputs}, stack limit: {stack}, call limit: {calls}, \
         fuel: {fuel}"
    )
}

/// The name of a definition's function in the program that has this name.
fn function_name(program: &str, id: DefinitionId) -> String {
    format!("{program}_{}", id.0)
}

/// A definition as a comment shows it: its name and the numbers of its parameters and results.
fn signature(definition: &Definition) -> String {
    format!("{} ( {} -- {} )", printable(&definition.name), definition.params, definition.results)
}

/// The location of a node.
fn place(program: &Program, source: &Source, index: usize) -> Place {
    source.place(program.ast().nodes()[index].span)
}
