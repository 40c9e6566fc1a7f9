//! What a run comes to: the whole final stack, or a trap with its place.

use std::fmt;

use crate::lang::Span;
use crate::lang::diagnostic::Diagnostic;

/// Greatest number of values on the stack unless another is set.
pub const DEFAULT_STACK_LIMIT: usize = 65_536;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It finished; the values left on the stack, bottom first.
    Done(Vec<i64>),
    /// It was ended by a trap; the stack is lost.
    Trap(Trap),
}

/// The end of a run at a word that could not be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trap {
    /// Why.
    pub kind: TrapKind,
    /// The word.
    pub at: Span,
}

/// Why a run was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrapKind {
    /// A word needed more values than there were.
    StackUnderflow,
    /// A word would have left more values than the limit.
    StackOverflow,
    /// A divisor was zero.
    DivisionByZero,
    /// A loop would have started one pass more than there was fuel for.
    OutOfFuel,
}

impl TrapKind {
    /// Every kind.
    pub const ALL: [TrapKind; 4] =
        [TrapKind::StackUnderflow, TrapKind::StackOverflow, TrapKind::DivisionByZero, TrapKind::OutOfFuel];
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrapKind::StackUnderflow => "stack underflow",
            TrapKind::StackOverflow => "stack overflow",
            TrapKind::DivisionByZero => "division by zero",
            TrapKind::OutOfFuel => "out of fuel",
        })
    }
}

impl From<Trap> for Diagnostic {
    fn from(trap: Trap) -> Diagnostic {
        let (label, help) = match trap.kind {
            TrapKind::StackUnderflow => ("needs more values than were left", None),
            TrapKind::StackOverflow => {
                ("would leave more values than the limit", Some("`--stack-limit N` allows more"))
            }
            TrapKind::DivisionByZero => ("the divisor, on top, was 0", None),
            TrapKind::OutOfFuel => ("this loop may not start another pass", Some("`--fuel N` allows more passes")),
        };
        Diagnostic { title: trap.kind.to_string(), label: label.into(), help: help.map(Into::into), span: trap.at }
    }
}
