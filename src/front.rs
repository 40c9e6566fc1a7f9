//! The front ends behind one door: a text in any language to a verified program.

use std::sync::Arc;

use crate::lang::{self, Ast, Declaration, Diagnostic, Fault, Language, OtherFault, Program, Source, Span, verify};
use crate::letlang;
use crate::plural::count;

/// A parsed program.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The tree of the stack language.
    pub ast: Arc<Ast>,
    /// The number of inputs, if the program says it.
    inputs: Option<usize>,
}

/// Parses a text in its language.
///
/// # Errors
/// The first fault.
pub fn parse(source: &Source) -> Result<Parsed, Fault> {
    match source.language() {
        Language::Stack => Ok(Parsed { ast: Arc::new(lang::parse(source)?), inputs: None }),
        Language::Let => {
            let compiled = letlang::compile(source).map_err(|error| {
                let kind = if error.is_syntax() { "syntax" } else { "name" };
                Fault::Other(Box::new(OtherFault { kind, diagnostic: error.diagnostic(source) }))
            })?;
            Ok(Parsed { ast: Arc::new(compiled.ast), inputs: Some(compiled.inputs) })
        }
    }
}

/// A wrong number of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`main` takes {}, but {given} {} given", count(*.expected, "input"), if *.given == 1 { "is" } else { "are" })]
pub struct WrongInputs {
    /// How many the program takes.
    pub expected: usize,
    /// How many were given.
    pub given: usize,
}

/// For users who know only faults.
impl From<WrongInputs> for Fault {
    fn from(wrong: WrongInputs) -> Fault {
        let (title, span) = (wrong.to_string(), Span { start: 0, end: 0 });
        let diagnostic = Diagnostic { title, label: String::new(), note: None, help: None, span };
        Fault::Other(Box::new(OtherFault { kind: "inputs", diagnostic }))
    }
}

impl Parsed {
    /// The program for this number of inputs, or the first fault.
    ///
    /// # Errors
    /// If the program takes another number of inputs.
    pub fn program(&self, inputs: usize) -> Result<Result<Program, Fault>, WrongInputs> {
        match self.inputs {
            Some(expected) if expected != inputs => Err(WrongInputs { expected, given: inputs }),
            _ => Ok(verify(&self.ast, inputs).map_err(Fault::from)),
        }
    }
}

/// Parses a text and verifies it for a number of inputs. Returns the program or the first fault.
///
/// # Errors
/// If the program takes another number of inputs.
pub fn load(source: &Source, inputs: usize) -> Result<Result<Program, Fault>, WrongInputs> {
    match parse(source) {
        Ok(parsed) => parsed.program(inputs),
        Err(fault) => Ok(Err(fault)),
    }
}

/// The outline of a text in one of the languages: its declarations, and whether more text could close what is open at its end.
#[derive(Clone, Debug)]
pub enum Outline {
    /// Of the stack language.
    Stack(lang::outline::Outline),
    /// Of the let language.
    Let(letlang::outline::Outline),
    /// The text is not UTF-8, so it is no program and can never be one.
    NotText,
}

impl Outline {
    /// The outline of the empty text.
    pub fn new(language: Language) -> Outline {
        match language {
            Language::Stack => Outline::Stack(lang::outline::Outline::default()),
            Language::Let => Outline::Let(letlang::outline::Outline::default()),
        }
    }

    /// Reads more of the text: one or more whole lines.
    pub fn read(&mut self, bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else {
            *self = Outline::NotText;
            return;
        };
        match self {
            Outline::Stack(outline) => outline.read(bytes),
            Outline::Let(outline) => outline.read(text),
            Outline::NotText => {}
        }
    }

    /// Whether something is open that more text could close.
    pub fn is_open(&self) -> bool {
        match self {
            Outline::Stack(outline) => outline.is_open(),
            Outline::Let(outline) => outline.is_open(),
            Outline::NotText => false,
        }
    }

    /// The complete declarations so far, in reading order.
    pub fn declarations(&self) -> &[Declaration] {
        match self {
            Outline::Stack(outline) => outline.declarations(),
            Outline::Let(outline) => outline.declarations(),
            Outline::NotText => &[],
        }
    }
}
