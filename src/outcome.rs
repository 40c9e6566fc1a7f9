//! The outcome of a run: the whole final stack, or a trap and its location.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::lang::{Diagnostic, Fault, Place, Source, Span};
use crate::plural::count;

/// The default maximum number of values on the stack.
pub const DEFAULT_STACK_LIMIT: usize = 65_536;

/// The default maximum number of active calls.
pub const DEFAULT_CALL_LIMIT: u64 = 10_000;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It finished with these values on the stack, bottom first.
    Done(Vec<i64>),
    /// It trapped; the stack is lost.
    Trap(Trap),
}

/// A word that could not be executed and ended the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Trap {
    /// The reason.
    pub kind: TrapKind,
    /// The word.
    pub at: Span,
}

/// Why a run trapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TrapKind {
    /// A word needed more values than the stack held.
    StackUnderflow,
    /// A word would have exceeded the stack limit.
    StackOverflow,
    /// A divisor was zero.
    DivisionByZero,
    /// A loop would have started an iteration, or a call begun, without fuel.
    OutOfFuel,
    /// An address was not that of a cell.
    OutOfBounds,
    /// A call would have exceeded the limit of active calls.
    CallDepthExceeded,
}

impl TrapKind {
    /// Every kind.
    pub const ALL: [TrapKind; 6] = [
        TrapKind::StackUnderflow,
        TrapKind::StackOverflow,
        TrapKind::DivisionByZero,
        TrapKind::OutOfFuel,
        TrapKind::OutOfBounds,
        TrapKind::CallDepthExceeded,
    ];
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrapKind::StackUnderflow => "stack underflow",
            TrapKind::StackOverflow => "stack overflow",
            TrapKind::DivisionByZero => "division by zero",
            TrapKind::OutOfFuel => "out of fuel",
            TrapKind::OutOfBounds => "out of bounds",
            TrapKind::CallDepthExceeded => "call depth exceeded",
        })
    }
}

/// The outcome of a program, or its rejection, with locations as line and column. Displayed and parsed in the notation of
/// case lines: `6 120`, `trap division by zero 3:5`, `rejected underflow 1:1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It finished with these values on the stack, bottom first.
    Done(Vec<i64>),
    /// It trapped.
    Trap {
        /// The reason.
        kind: TrapKind,
        /// The word.
        at: Place,
    },
    /// It was rejected before any run.
    Rejected {
        /// One of [`Verdict::REJECTIONS`].
        kind: &'static str,
        /// The word.
        at: Place,
    },
}

impl Verdict {
    /// The kinds of rejection.
    pub const REJECTIONS: [&'static str; 5] = ["syntax", "underflow", "unbalanced if", "wrong effect", "name"];

    /// The verdict on a run of the program in this text.
    pub fn of(outcome: &Outcome, source: &Source) -> Verdict {
        match outcome {
            Outcome::Done(values) => Verdict::Done(values.clone()),
            Outcome::Trap(trap) => Verdict::Trap { kind: trap.kind, at: source.place(trap.at) },
        }
    }

    /// The verdict on a text that was rejected.
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
            TrapKind::StackUnderflow => ("needs more values than the stack holds", None),
            TrapKind::StackOverflow => ("would exceed the stack limit", Some("`--stack-limit N` sets a higher limit")),
            TrapKind::DivisionByZero => ("the divisor, on top, was 0", None),
            TrapKind::OutOfFuel => {
                ("no fuel is left for this iteration or call", Some("`--fuel N` allows more iterations and calls"))
            }
            TrapKind::OutOfBounds => ("the address, on top, is not that of a cell", None),
            TrapKind::CallDepthExceeded => {
                ("this call would exceed the limit of active calls", Some("`--call-limit N` sets a higher limit"))
            }
        };
        Diagnostic {
            title: trap.kind.to_string(),
            label: label.into(),
            note: None,
            help: help.map(Into::into),
            span: trap.at,
        }
    }
}

/// How a memory differs from the expected one.
pub(crate) fn other_memory(expected: &[i64], got: &[i64]) -> String {
    match expected.iter().zip(got).position(|(expected, got)| expected != got) {
        Some(cell) => format!("cell {cell} holds {} in place of {}", got[cell], expected[cell]),
        None => format!("{} in place of {}", count(got.len(), "cell"), count(expected.len(), "cell")),
    }
}
