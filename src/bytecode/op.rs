//! The operations of the bytecode, and the table from which a failed check finds its word.

use super::{Region, RegionId, RegionKind};
use crate::exec::Stack;
use crate::lang::{Span, Word};
use crate::outcome::{Trap, TrapKind};

/// The index of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pc(pub u32);

impl Pc {
    /// The index, to look the operation up.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where the count of a `times` loop is kept. Counted from the innermost loops outward: a loop that holds no
/// counted loop has counter 0, so that the hottest counters are always the first few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter(pub u32);

/// The index of a run of words whose checks are made at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckGroup(pub u32);

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Pushes a constant.
    Literal(i64),
    /// Carries a plain word out. `/` and `mod` trap where the divisor is zero.
    Word(Word),
    /// Copies the value that lies this deep below the top.
    Pick(u64),
    /// Begins a `times` loop: pops a count; where it is not positive, goes to the end of the region, else keeps it in the
    /// loop's counter.
    Times(RegionId),
    /// Ends an iteration of a `times` loop: counts down by one; where the counter is not yet zero, goes to the header.
    Next(RegionId),
    /// Begins a `while` loop. Does nothing.
    While(RegionId),
    /// Ends the condition of a `while` loop: pops a flag; where it is zero, goes to the end of the region.
    LeaveIfZero(RegionId),
    /// Ends an iteration of a `while` loop: goes to the header.
    Repeat(RegionId),
    /// Begins an `if`: pops a flag; where it is zero, goes to ELSE, or to the end of the region where there is none.
    If(RegionId),
    /// Ends THEN where there is an ELSE: goes to the end of the region.
    Else(RegionId),
    /// Ends an `if`. Does nothing.
    EndIf(RegionId),
    /// Takes one unit from the fuel that is left; traps where there is none.
    Fuel,
    /// Traps where the stack holds fewer values.
    Need {
        /// How many values must be there.
        values: u64,
        /// The words that this stands for.
        group: CheckGroup,
    },
    /// Traps where the stack has not room for so many values more.
    Room {
        /// How many values there must be room for.
        values: u64,
        /// The words that this stands for.
        group: CheckGroup,
    },
    /// Ends the run; the stack is the result.
    Return,
}

/// What one word needs, measured from the depth at the start of its run of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Which of the two it is.
    pub kind: CheckKind,
    /// Values that must be there, or for which there must be room.
    pub values: u64,
    /// The word.
    pub at: Span,
}

/// Against what the stack is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// Underflow: there must be so many values.
    Need,
    /// Overflow: there must be room for so many.
    Room,
}

/// A place from which code that was made of a program leaves through a trap exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapSite {
    /// The operation that traps.
    pub pc: Pc,
    /// How many values lie above the data-stack pointer there; below it, where negative.
    pub values_above: i64,
}

/// A flat program.
///
/// Only [`lower`](super::lower) makes one, from a verified program: the engines read and write the stack without checks of
/// their own, relying on those that are operations here.
///
/// A program without unsafe code can make any operation,
///
/// ```
/// #![forbid(unsafe_code)]
/// # use jitduel::bytecode::{Bytecode, Op};
/// let ops = vec![Op::Pick(u64::MAX), Op::Return];
/// ```
///
/// but no bytecode of it:
///
/// ```compile_fail,E0451
/// #![forbid(unsafe_code)]
/// # use jitduel::bytecode::{Bytecode, Op};
/// let ops = vec![Op::Pick(u64::MAX), Op::Return];
/// # let forge = |code: Bytecode|
/// Bytecode { ops, ..code };
/// ```
#[derive(Clone, Debug)]
pub struct Bytecode {
    pub(super) ops: Vec<Op>,
    pub(super) spans: Vec<Span>,
    pub(super) regions: Vec<Region>,
    pub(super) counters: u32,
    /// The checks of all runs of words, in reading order.
    pub(super) checks: Vec<Check>,
    /// For each run the index of its first check; the run ends where the next begins.
    pub(super) groups: Vec<u32>,
    pub(super) inputs: usize,
    pub(super) stack_limit: u64,
    pub(super) metered: bool,
}

impl Bytecode {
    /// The operations; the last one is [`Op::Return`].
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The word that each operation was made from, in the order of [`ops`](Bytecode::ops).
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The loops and branches, in the order in which they begin.
    #[inline]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// One of them.
    #[inline]
    pub fn region(&self, id: RegionId) -> &Region {
        &self.regions[id.index()]
    }

    /// The counter of a `times` loop.
    ///
    /// # Panics
    /// If the region is another.
    #[inline]
    pub fn counter(&self, id: RegionId) -> Counter {
        match self.region(id).kind {
            RegionKind::Times { counter } => counter,
            RegionKind::While | RegionKind::If { .. } => unreachable!("only a `times` loop has a counter"),
        }
    }

    /// Where an operation may go instead of to the next one.
    pub fn target(&self, op: Op) -> Option<Pc> {
        match op {
            Op::Next(id) | Op::Repeat(id) => Some(self.region(id).header()),
            Op::Times(id) | Op::LeaveIfZero(id) | Op::Else(id) => Some(self.region(id).end),
            Op::If(id) => match self.region(id).kind {
                RegionKind::If { otherwise: Some(otherwise) } => Some(otherwise),
                _ => Some(self.region(id).end),
            },
            Op::Literal(_)
            | Op::Word(_)
            | Op::Pick(_)
            | Op::While(_)
            | Op::EndIf(_)
            | Op::Fuel
            | Op::Need { .. }
            | Op::Room { .. }
            | Op::Return => None,
        }
    }

    /// The number of counters that the program uses.
    pub fn counters(&self) -> u32 {
        self.counters
    }

    /// The number of inputs that the program was verified for.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The greatest number of values on the stack.
    pub fn stack_limit(&self) -> u64 {
        self.stack_limit
    }

    /// Whether every iteration of a loop takes fuel.
    pub fn metered(&self) -> bool {
        self.metered
    }

    /// The checks of one run of words.
    pub fn group(&self, group: CheckGroup) -> &[Check] {
        let index = group.0 as usize;
        let end = self.groups.get(index + 1).map_or(self.checks.len(), |&end| end as usize);
        &self.checks[self.groups[index] as usize..end]
    }

    /// Begins a run, for every engine that runs this: puts the inputs on the stack and gives the fuel.
    ///
    /// # Panics
    /// Where what is given is not what the code was made for.
    pub(crate) fn begin(&self, inputs: &[i64], fuel: Option<u64>, stack: &mut Stack) -> u64 {
        assert_eq!(inputs.len(), self.inputs, "the program was verified for another number of inputs");
        assert!(inputs.len() as u64 <= self.stack_limit, "the inputs do not fit the stack's limit");
        assert!(stack.capacity() as u64 >= self.stack_limit, "the stack has no room for its limit");
        assert!(fuel.is_none() || self.metered, "the program was not prepared to meter fuel");
        stack.set(inputs);
        // More passes than 64 bits can count never happen.
        fuel.unwrap_or(u64::MAX)
    }

    /// The trap of the first word of a run that a stack of this depth fails.
    ///
    /// # Panics
    /// Where no word fails: an engine reported a failed check that did not fail.
    pub fn failed(&self, group: CheckGroup, depth: u64) -> Trap {
        let failed = self.group(group).iter().find_map(|check| match check.kind {
            CheckKind::Need if depth < check.values => Some((TrapKind::StackUnderflow, check.at)),
            CheckKind::Room if check.values > self.stack_limit.saturating_sub(depth) => {
                Some((TrapKind::StackOverflow, check.at))
            }
            _ => None,
        });
        let (kind, at) = failed.expect("a run's check fails only where one of its words does");
        Trap { kind, at }
    }

    /// The trap of an operation that the code left at. The depth of the stack is asked for where a check failed.
    ///
    /// # Panics
    /// Where a check did not fail, see [`Bytecode::failed`].
    pub fn trap(&self, pc: Pc, depth: impl FnOnce() -> u64) -> Trap {
        let kind = match self.ops[pc.index()] {
            Op::Need { group, .. } | Op::Room { group, .. } => return self.failed(group, depth()),
            Op::Fuel => TrapKind::OutOfFuel,
            _ => TrapKind::DivisionByZero,
        };
        Trap { kind, at: self.spans[pc.index()] }
    }
}
