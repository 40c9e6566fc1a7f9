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

pub use ast::{Ast, Node, NodeKind};
pub use parse::{SyntaxError, SyntaxErrorKind, parse};
pub use source::{Place, Source, Span};
pub use verify::{Program, Rejection, RejectionKind, verify};
pub use words::Word;
