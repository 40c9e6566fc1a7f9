//! The language: from source text to a verified [`Program`].
//!
//! `parse` turns text into an [`Ast`]. `verify` tracks the depth of the stack and determines which checks must remain
//! at run time. `diagnostic` renders errors for the program's author. `print` turns an [`Ast`] back into text. `outline` finds the
//! definitions of a text that need not be complete.

pub mod ast;
pub mod diagnostic;
pub mod outline;
pub mod parse;
pub mod print;
pub mod source;
mod syntax_error;
mod token;
pub mod verify;
pub mod words;

use std::sync::Arc;

pub use ast::{Array, ArrayId, Ast, Definition, DefinitionId, Node, NodeKind};
pub use diagnostic::Diagnostic;
pub use outline::Declaration;
pub use parse::parse;
pub use source::{Language, Piece, Place, Source, Span, printable, printable_lines};
pub(crate) use syntax_error::nearest;
pub use syntax_error::{NameFault, Opener, SyntaxError, SyntaxErrorKind};
pub use token::integer;
pub use verify::{Program, Rejection, RejectionKind, Within, verify};
pub use words::Word;

/// A reason why a text cannot run as a program: an error in its syntax or in its stack depth.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The parser's error.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The verifier's error.
    #[error(transparent)]
    Rejection(#[from] Rejection),
    /// An error of another front end.
    #[error("{}", .0.diagnostic.title)]
    Other(Box<OtherFault>),
}

/// An error of another front end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherFault {
    /// Its kind, in the words that case lines and JSON use.
    pub kind: &'static str,
    /// The message.
    pub diagnostic: Diagnostic,
}

impl Fault {
    /// Its kind, in the words that case lines and JSON use.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Syntax(_) => "syntax",
            Fault::Rejection(Rejection { kind: RejectionKind::Underflow { .. }, .. }) => "underflow",
            Fault::Rejection(Rejection { kind: RejectionKind::UnbalancedIf { .. }, .. }) => "unbalanced if",
            Fault::Rejection(Rejection { kind: RejectionKind::WrongEffect { .. }, .. }) => "wrong effect",
            Fault::Other(other) => other.kind,
        }
    }

    /// Its position.
    pub fn span(&self) -> Span {
        match self {
            Fault::Syntax(error) => error.span,
            Fault::Rejection(rejection) => rejection.span,
            Fault::Other(other) => other.diagnostic.span,
        }
    }
}

impl From<&Fault> for Diagnostic {
    fn from(fault: &Fault) -> Diagnostic {
        match fault {
            Fault::Syntax(error) => error.into(),
            Fault::Rejection(rejection) => rejection.into(),
            Fault::Other(other) => other.diagnostic.clone(),
        }
    }
}

/// Parses a text and verifies it for a number of inputs.
///
/// # Errors
/// The first fault.
pub fn load(source: &Source, inputs: usize) -> Result<Program, Fault> {
    Ok(verify(&Arc::new(parse(source)?), inputs)?)
}
