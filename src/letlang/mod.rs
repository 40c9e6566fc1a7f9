//! The let language: a second front end, with variables, infix expressions and functions.
//!
//! `token` and `parse` turn text into a [`tree::Tree`]. `names` finds out what each name stands for. `compile` makes an
//! [`Ast`] of the stack language, so that everything behind the tree works unchanged. `evaluate` is the referee of this front end: it
//! walks the tree and shares nothing with `names` and `compile`. `outline` finds the declarations of a text that need not be
//! complete. docs/LET.md is the language.

mod compile;
pub mod evaluate;
mod fault;
mod names;
pub mod outline;
mod parse;
mod token;
pub mod tree;

pub use fault::{LetError, LetErrorKind, Nested, What};
pub use names::MAX_VISIBLE;
pub use parse::{MAX_NESTING, parse};
pub use token::KEYWORDS;

use crate::lang::{Ast, Source};

/// A let program as a program of the stack language.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The tree. Its positions are those of the let text.
    pub ast: Ast,
    /// The number of inputs: the parameters of `main`.
    pub inputs: usize,
}

/// Compiles a let program.
///
/// # Errors
/// The first error in the order that docs/LET.md defines.
pub fn compile(source: &Source) -> Result<Compiled, LetError> {
    let tree = parse(source)?;
    let program = names::resolve(&tree, source)?;
    Ok(Compiled { ast: compile::compile(&program, source), inputs: program.functions[program.main].params.len() })
}
