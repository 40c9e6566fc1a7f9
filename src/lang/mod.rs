//! The language: from source text to a verified [`Program`].
//!
//! `parse` turns text into an [`Ast`], `verify` follows the depth of the stack through it and says which
//! checks must remain at run time, `diagnostic` shows a fault to its author, `print` writes an [`Ast`] back.

pub mod ast;
pub mod diagnostic;
pub mod parse;
pub mod print;
pub mod source;
pub mod verify;
pub mod words;

use std::sync::Arc;

pub use ast::{Ast, Node, NodeKind};
pub use diagnostic::Diagnostic;
pub use parse::{SyntaxError, SyntaxErrorKind, integer, parse};
pub use source::{Place, Source, Span, printable};
pub use verify::{Program, Rejection, RejectionKind, verify};
pub use words::Word;

/// A text that is not a program that can run: a fault of its syntax, or of its stack's depth.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The parser's.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The verifier's.
    #[error(transparent)]
    Rejection(#[from] Rejection),
}

impl Fault {
    /// What it is, in the words that case lines and JSON use.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Syntax(_) => "syntax",
            Fault::Rejection(Rejection { kind: RejectionKind::Underflow { .. }, .. }) => "underflow",
            Fault::Rejection(Rejection { kind: RejectionKind::UnbalancedIf { .. }, .. }) => "unbalanced if",
        }
    }

    /// Where it is.
    pub fn span(&self) -> Span {
        match self {
            Fault::Syntax(error) => error.span,
            Fault::Rejection(rejection) => rejection.span,
        }
    }
}

impl From<&Fault> for Diagnostic {
    fn from(fault: &Fault) -> Diagnostic {
        match fault {
            Fault::Syntax(error) => error.into(),
            Fault::Rejection(rejection) => rejection.into(),
        }
    }
}

/// Parses and verifies a text for a number of inputs.
///
/// # Errors
/// The first fault.
pub fn load(source: &Source, inputs: usize) -> Result<Program, Fault> {
    Ok(verify(&Arc::new(parse(source)?), inputs)?)
}
