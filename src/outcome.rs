//! What a run comes to: the whole final stack, or a trap with its place.

use std::fmt;

use crate::lang::{Diagnostic, Fault, Place, Source, Span};

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

/// What a program comes to, its rejection included, with places as people name them. Written and read in the
/// notation of case lines: `6 120`, `trap division by zero 3:5`, `rejected underflow 1:1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It finished, with these values on the stack, bottom first.
    Done(Vec<i64>),
    /// It was ended by a trap.
    Trap {
        /// Why.
        kind: TrapKind,
        /// The word.
        at: Place,
    },
    /// It was not run.
    Rejected {
        /// One of [`Verdict::REJECTIONS`].
        kind: &'static str,
        /// The word.
        at: Place,
    },
}

impl Verdict {
    /// The kinds of rejection.
    pub const REJECTIONS: [&'static str; 3] = ["syntax", "underflow", "unbalanced if"];

    /// Of a run of a program from this text.
    pub fn of(outcome: &Outcome, source: &Source) -> Verdict {
        match outcome {
            Outcome::Done(values) => Verdict::Done(values.clone()),
            Outcome::Trap(trap) => Verdict::Trap { kind: trap.kind, at: source.place(trap.at) },
        }
    }

    /// Of a text that is not run.
    pub fn of_fault(fault: &Fault, source: &Source) -> Verdict {
        Verdict::Rejected { kind: fault.kind(), at: source.place(fault.span()) }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Done(values) => {
                let values: Vec<_> = values.iter().map(i64::to_string).collect();
                f.write_str(&values.join(" "))
            }
            Verdict::Trap { kind, at } => write!(f, "trap {kind} {at}"),
            Verdict::Rejected { kind, at } => write!(f, "rejected {kind} {at}"),
        }
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
