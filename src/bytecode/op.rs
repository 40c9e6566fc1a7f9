//! The operations of the bytecode, and the flat program that holds them.
//!
//! A program also keeps the word of each operation and the checks of each check group. From these it finds the trap of an
//! operation that failed.

use std::ops::Range;

use super::{Region, RegionId, RegionKind};
use crate::exec::Store;
use crate::isa::Reserved;
use crate::lang::{DefinitionId, Span, Word};
use crate::outcome::{Trap, TrapKind};

/// The index of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pc(pub u32);

impl Pc {
    /// The index as a `usize`.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The index of a `times` loop's counter. Counters are numbered from the innermost loops outward: a loop without an inner
/// `times` loop has counter 0, so the hottest counters are always the first few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter(pub u32);

/// The index of a check group: adjacent words whose checks are executed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckGroup(pub u32);

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Pushes a constant.
    Literal(i64),
    /// Executes a plain word. `/` and `mod` trap if the divisor is zero.
    Word(Word),
    /// Pushes a copy of the value this deep below the top.
    Pick(u64),
    /// Pops a value and stores it over the value that is then this deep below the top.
    Put(u64),
    /// Begins a `times` loop: pops a count and stores it in the loop's counter, or branches to the end of the region if it is not
    /// positive.
    Times(RegionId),
    /// Ends an iteration of a `times` loop: decrements the counter and branches to the header unless the counter is zero.
    Next(RegionId),
    /// Begins a `while` loop. Has no effect.
    While(RegionId),
    /// Ends the condition of a `while` loop: pops a flag and branches to the end of the region if it is zero.
    LeaveIfZero(RegionId),
    /// Ends an iteration of a `while` loop: branches to the header.
    Repeat(RegionId),
    /// Begins an `if`: pops a flag and, if it is zero, branches to ELSE or, without one, to the end of the region.
    If(RegionId),
    /// Ends THEN if there is an ELSE: branches to the end of the region. Never executed if the end of THEN cannot be reached.
    Else(RegionId),
    /// Ends an `if`. Has no effect.
    EndIf(RegionId),
    /// Leaves a loop: branches to the end of its region. The next operation ends a region and cannot be reached from here.
    Leave(RegionId),
    /// Does the same as [`Return`](Op::Return). The next operation ends a region and cannot be reached from here.
    Exit,
    /// Uses one unit of fuel; traps if none is left.
    Fuel,
    /// Uses one unit of call depth, which the call that follows returns at its end; traps if none is left. Precedes
    /// [`Call`](Op::Call), with at most a [`Frame`](Op::Frame) between them.
    CallDepth,
    /// Traps if the stack has no room for `values` more values, because the frame of the function that is called next would not
    /// fit.
    Frame {
        /// The frame of the function less its parameters.
        values: u64,
    },
    /// Calls a function: pops its parameters and pushes its results.
    Call(FunctionId),
    /// Traps if the stack holds fewer than `values` values.
    Need {
        /// The number of values that the group needs.
        values: u64,
        /// The check group.
        group: CheckGroup,
    },
    /// Traps if the stack has no room for `values` more values.
    Room {
        /// The number of values for which the group needs room.
        values: u64,
        /// The check group.
        group: CheckGroup,
    },
    /// Ends a function. That of the main program ends the execution, and the stack is the result.
    Return,
}

impl Op {
    /// Whether the operation begins, ends, divides or leaves a region.
    pub fn is_region_border(self) -> bool {
        match self {
            Op::Times(_) | Op::Next(_) | Op::While(_) | Op::LeaveIfZero(_) | Op::Repeat(_) => true,
            Op::If(_) | Op::Else(_) | Op::EndIf(_) | Op::Leave(_) => true,
            Op::Literal(_) | Op::Word(_) | Op::Pick(_) | Op::Put(_) | Op::Call(_) | Op::Exit | Op::Return => false,
            Op::Fuel | Op::CallDepth | Op::Frame { .. } | Op::Need { .. } | Op::Room { .. } => false,
        }
    }
}

/// The index of a function. Function 0 is the main program; the others are the definitions, in reading order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId(pub u32);

impl FunctionId {
    /// The main program.
    pub const MAIN: FunctionId = FunctionId(0);

    /// The function of a definition.
    pub fn of(DefinitionId(index): DefinitionId) -> FunctionId {
        FunctionId(index + 1)
    }

    /// The index as a `usize`.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The main program or a definition. Heights in its operations and regions are relative to its base: its parameters are the
/// lowest values, and a call cannot reach values below them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The name of a definition; empty for the main program.
    pub name: Box<str>,
    /// Its first operation.
    pub start: Pc,
    /// The first operation after it. The last operation before it is [`Op::Return`], which cannot be reached if the body ends with
    /// a closing word.
    pub end: Pc,
    /// The number of values that it expects: parameters, or the inputs of the main program.
    pub params: u32,
    /// The number of values that it leaves; 0 for the main program, which may leave any number.
    pub results: u32,
    /// The number of counters that it uses.
    pub counters: u32,
    /// Whether it calls a function.
    pub has_calls: bool,
    /// Whether it has [`Op::Need`].
    pub has_needs: bool,
}

/// The requirement of one word, relative to the height at the start of its check group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is checked.
    pub kind: CheckKind,
    /// The number of values that must exist, or for which there must be room.
    pub values: u64,
    /// The word.
    pub at: Span,
}

/// What a check requires of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// The stack must hold enough values; otherwise it underflows.
    Need,
    /// The stack must have enough room; otherwise it overflows.
    Room,
}

/// A place from which compiled code leaves through a trap exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapSite {
    /// The operation that traps.
    pub pc: Pc,
    /// The number of values above the data-stack pointer there; negative if the top is below it.
    pub values_above: i64,
}

/// A flat program.
///
/// Only [`lower`](super::lower) creates bytecode, and only from a verified program. The engines rely on this: they read and write
/// the stack without any checks except those that are operations here.
///
/// Safe Rust code can create any operation,
///
/// ```
/// #![forbid(unsafe_code)]
/// # use jitduel::bytecode::{Bytecode, Op};
/// let ops = vec![Op::Pick(u64::MAX), Op::Return];
/// ```
///
/// but cannot create bytecode from operations:
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
    pub(super) functions: Vec<Function>,
    /// The number of memory cells.
    pub(super) cells: usize,
    /// Whether it has `@` or `!`.
    pub(super) uses_memory: bool,
    /// The greatest number of active calls.
    pub(super) greatest_depth: u64,
    /// Whether it has [`Op::CallDepth`].
    pub(super) counts_depth: bool,
    /// The checks of all groups, in source order.
    pub(super) checks: Vec<Check>,
    /// The index of each group's first check. Its checks end where those of the next group begin.
    pub(super) groups: Vec<u32>,
    pub(super) inputs: usize,
    pub(super) stack_limit: u64,
    pub(super) metered: bool,
    /// Whether it is a unit whose main program was called, see [`Bytecode::is_called`].
    pub(super) is_called: bool,
}

impl Bytecode {
    /// The operations; the last one is [`Op::Return`].
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The word that each operation was lowered from, in the order of [`ops`](Bytecode::ops).
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The loops and branches, in the order in which they begin.
    #[inline]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The region with an index.
    #[inline]
    pub fn region(&self, id: RegionId) -> &Region {
        &self.regions[id.index()]
    }

    /// The innermost loop around a region.
    pub fn loop_around(&self, region: &Region) -> Option<RegionId> {
        let mut around = region.parent;
        while let Some(id) = around
            && !self.region(id).is_loop()
        {
            around = self.region(id).parent;
        }
        around
    }

    /// The operations of a `while` loop's condition if it can be built twice, before the loop and again at the end of each iteration,
    /// so that an iteration has one branch and not two: there are at most `longest`, none is control flow, together they push one
    /// flag, and the loop is level.
    pub fn repeatable_condition(&self, region: &Region, longest: usize) -> Option<Range<usize>> {
        let start = region.header().index();
        let mut pushed = 0;
        for (count, op) in self.ops[start..].iter().take(longest + 1).enumerate() {
            pushed += match op {
                Op::Literal(_) | Op::Pick(_) => 1,
                Op::Put(_) => -1,
                Op::Word(word) => word.pushes() as i64 - word.pops() as i64,
                Op::Fuel => 0,
                Op::LeaveIfZero(_) => return (pushed == 1 && region.is_level).then_some(start..start + count),
                _ => return None,
            };
        }
        None
    }

    /// The counter of a `times` loop.
    ///
    /// # Panics
    /// If the region is not a `times` loop.
    #[inline]
    pub fn counter(&self, id: RegionId) -> Counter {
        match self.region(id).kind {
            RegionKind::Times { counter } => counter,
            RegionKind::While | RegionKind::If { .. } => unreachable!("only a `times` loop has a counter"),
        }
    }

    /// The target of an operation that may branch.
    pub fn target(&self, op: Op) -> Option<Pc> {
        match op {
            Op::Next(id) | Op::Repeat(id) => Some(self.region(id).header()),
            Op::Times(id) | Op::LeaveIfZero(id) | Op::Leave(id) | Op::Else(id) => Some(self.region(id).end),
            Op::If(id) => match self.region(id).kind {
                RegionKind::If { otherwise: Some(otherwise) } => Some(otherwise),
                _ => Some(self.region(id).end),
            },
            Op::Literal(_)
            | Op::Word(_)
            | Op::Pick(_)
            | Op::Put(_)
            | Op::While(_)
            | Op::EndIf(_)
            | Op::Exit
            | Op::Fuel
            | Op::CallDepth
            | Op::Frame { .. }
            | Op::Call(_)
            | Op::Need { .. }
            | Op::Room { .. }
            | Op::Return => None,
        }
    }

    /// The functions, the main program first. Their operations follow each other in this order without gaps.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The operations of a function.
    pub fn ops_of(&self, id: FunctionId) -> &[Op] {
        let function = &self.functions[id.index()];
        &self.ops[function.start.index()..function.end.index()]
    }

    /// The main program.
    pub fn main(&self) -> &Function {
        &self.functions[0]
    }

    /// The function that an operation belongs to.
    pub fn function_of(&self, pc: Pc) -> FunctionId {
        let after = self.functions.partition_point(|function| function.start <= pc);
        FunctionId(after as u32 - 1)
    }

    /// Whether the program has any call.
    pub fn has_calls(&self) -> bool {
        self.functions.iter().any(|function| function.has_calls)
    }

    /// The number of memory cells.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Whether it has `@` or `!`, even if it has no cells.
    pub fn uses_memory(&self) -> bool {
        self.uses_memory
    }

    /// The registers that compiled code reserves for the whole program.
    pub fn reserved(&self) -> Reserved {
        Reserved { memory: self.uses_memory, depth: self.counts_depth }
    }

    /// The greatest number of calls that can be active at once: the call limit, or the longest path of calls if that is less.
    pub fn greatest_depth(&self) -> u64 {
        self.greatest_depth
    }

    /// Whether calls use depth, because more calls than [`greatest_depth`](Bytecode::greatest_depth) might begin. Then every call
    /// is preceded by [`Op::CallDepth`].
    pub fn counts_depth(&self) -> bool {
        self.counts_depth
    }

    /// The number of inputs that the program was verified for.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The greatest number of values on the stack.
    pub fn stack_limit(&self) -> u64 {
        self.stack_limit
    }

    /// Whether every iteration of a loop uses fuel.
    pub fn metered(&self) -> bool {
        self.metered
    }

    /// Whether its main program is the copy of a function that an interpreter called, and that returns to this interpreter. Then the
    /// code hands the fuel back that is left.
    pub fn is_called(&self) -> bool {
        self.is_called
    }

    /// The checks of one group.
    pub fn group(&self, group: CheckGroup) -> &[Check] {
        let index = group.0 as usize;
        let end = self.groups.get(index + 1).map_or(self.checks.len(), |&end| end as usize);
        &self.checks[self.groups[index] as usize..end]
    }

    /// Begins an execution in any engine: puts the inputs on the stack and returns the fuel, or the maximum if `fuel` is `None`.
    ///
    /// # Panics
    /// If the number of inputs, the stack or the fuel does not match what the program was lowered for.
    pub(crate) fn begin(&self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> u64 {
        assert_eq!(inputs.len(), self.inputs, "the program was verified for another number of inputs");
        assert!(inputs.len() as u64 <= self.stack_limit, "the inputs do not fit the stack's limit");
        assert!(stack.capacity() as u64 >= self.stack_limit, "the stack is smaller than the stack limit");
        assert!(fuel.is_none() || self.metered, "the program was not prepared to meter fuel");
        stack.set(inputs);
        // No execution has more than 2^64 - 1 iterations, so this fuel never runs out.
        fuel.unwrap_or(u64::MAX)
    }

    /// The trap of a check group that fails at this depth of the stack: the trap of its first word whose own check fails.
    ///
    /// # Panics
    /// If no check fails: an engine reported a failure that did not happen.
    pub fn failed(&self, group: CheckGroup, depth: u64) -> Trap {
        let failed = self.group(group).iter().find_map(|check| match check.kind {
            CheckKind::Need if depth < check.values => Some((TrapKind::StackUnderflow, check.at)),
            CheckKind::Room if check.values > self.stack_limit.saturating_sub(depth) => {
                Some((TrapKind::StackOverflow, check.at))
            }
            _ => None,
        });
        let (kind, at) = failed.expect("the check of a group fails only if the check of one of its words does");
        Trap { kind, at }
    }

    /// The trap of the operation at which the code exited. `depth` returns the depth of the stack above the base of the
    /// operation's function, and is called only for a failed check.
    ///
    /// # Panics
    /// If a reported check did not fail, see [`Bytecode::failed`].
    pub fn trap(&self, pc: Pc, depth: impl FnOnce() -> u64) -> Trap {
        let kind = match self.ops[pc.index()] {
            Op::Need { group, .. } | Op::Room { group, .. } => return self.failed(group, depth()),
            Op::Fuel => TrapKind::OutOfFuel,
            Op::CallDepth => TrapKind::CallDepthExceeded,
            Op::Frame { .. } => TrapKind::StackOverflow,
            Op::Word(Word::Fetch | Word::Store) => TrapKind::OutOfBounds,
            _ => TrapKind::DivisionByZero,
        };
        Trap { kind, at: self.spans[pc.index()] }
    }
}
