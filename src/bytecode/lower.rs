//! Lowering: a verified program to bytecode, in one pass over the tree.
//!
//! The words between two branches, loop heads or operations that can trap on their own form a *run*; the checks
//! that the verifier left to them are made once, before the first of them. A run has no effect that outlives a
//! trap, so checking early is not seen; which word failed is found in the run's list of checks.

use std::ops::Range;

use super::{Bytecode, Check, CheckGroup, CheckKind, Counter, Op, Pc};
use crate::host_stack::with_room;
use crate::lang::verify::Fact;
use crate::lang::words::Class;
use crate::lang::{NodeKind, Program, Span};

/// A program whose bytecode has more operations than 32 bits can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program is too large: its bytecode would have 2^32 operations or more")]
pub struct TooLarge;

/// Lowers a program for a stack of at most `stack_limit` values; with `metered` every pass of a loop takes fuel.
///
/// # Errors
/// [`TooLarge`], which takes a text of more than a gigabyte.
pub fn lower(program: &Program, stack_limit: u64, metered: bool) -> Result<Bytecode, TooLarge> {
    let length = program.ast().nodes().len();
    // A node makes at most its own operation, two checks, a pass and a jump.
    if length >= (u32::MAX / 5) as usize {
        return Err(TooLarge);
    }
    let code = Bytecode {
        ops: Vec::with_capacity(length + 1),
        spans: Vec::with_capacity(length + 1),
        heads: Vec::new(),
        counters: 0,
        checks: Vec::new(),
        groups: Vec::new(),
        inputs: program.inputs(),
        stack_limit,
        metered,
    };
    let mut lowering = Lowering { program, code, group: Group::default() };
    lowering.code.counters = with_room(|| lowering.body(0..length));
    let end = program.ast().nodes().last().map_or(Span { start: 0, end: 0 }, |node| node.span);
    lowering.branch(Op::Return, end);
    Ok(lowering.code)
}

struct Lowering<'a> {
    program: &'a Program,
    code: Bytecode,
    group: Group,
}

/// The run of words that is being lowered.
#[derive(Default)]
struct Group {
    /// Index of its first operation, before which its checks will stand.
    start: usize,
    /// Depth here minus depth at the start of the run.
    rise: i64,
    need: u64,
    room: u64,
    /// Index of its first check.
    checks: usize,
}

impl Lowering<'_> {
    /// Lowers a body and returns the number of counters that it uses. Recursion is bounded by the parser.
    fn body(&mut self, range: Range<usize>) -> u32 {
        let program = self.program;
        let mut counters = 0;
        let mut index = range.start;
        while index < range.end {
            let node = program.ast().nodes()[index];
            let span = node.span;
            let word = (program.facts()[index], span);
            match node.kind {
                NodeKind::Literal(value) => self.word(word, Op::Literal(value), 0, 1),
                NodeKind::Word(name) => {
                    self.word(word, Op::Word(name), name.pops() as u64, name.pushes() as u64);
                    if name.class() == Class::Division {
                        // What follows must not be checked before this division.
                        self.end_group();
                    }
                }
                NodeKind::Pick(depth) => {
                    // A depth beyond the limit always traps before, so what would be picked does not matter.
                    let reachable = depth.min(self.code.stack_limit);
                    self.word(word, Op::Pick(reachable), depth + 1, depth + 2);
                }
                NodeKind::Times { end } => {
                    self.effect(word, 1, 0);
                    let entry = self.branch(Op::Times { counter: Counter(0), exit: Pc(0) }, span);
                    let head = self.head(span);
                    let inner = self.body(index + 1..end as usize);
                    let counter = Counter(inner);
                    self.branch(Op::Next { counter, head }, span);
                    self.code.ops[entry.index()] = Op::Times { counter, exit: self.here() };
                    counters = counters.max(inner + 1);
                }
                NodeKind::While { body, end } => {
                    self.end_group();
                    let head = self.head(span);
                    let in_cond = self.body(index + 1..body as usize);
                    self.effect(word, 1, 0);
                    let leave = self.branch(Op::BranchIfZero(Pc(0)), span);
                    let in_body = self.body(body as usize..end as usize);
                    self.branch(Op::Jump(head), span);
                    self.code.ops[leave.index()] = Op::BranchIfZero(self.here());
                    counters = counters.max(in_cond).max(in_body);
                }
                NodeKind::If { otherwise, end } => {
                    self.effect(word, 1, 0);
                    let to_else = self.branch(Op::BranchIfZero(Pc(0)), span);
                    let in_then = self.body(index + 1..otherwise as usize);
                    self.end_group();
                    let over_else = (otherwise < end).then(|| self.branch(Op::Jump(Pc(0)), span));
                    self.code.ops[to_else.index()] = Op::BranchIfZero(self.here());
                    let in_else = self.body(otherwise as usize..end as usize);
                    self.end_group();
                    if let Some(over_else) = over_else {
                        self.code.ops[over_else.index()] = Op::Jump(self.here());
                    }
                    counters = counters.max(in_then).max(in_else);
                }
            }
            index = node.kind.next(index);
        }
        counters
    }

    /// A word of the current run.
    #[inline(always)]
    fn word(&mut self, (fact, span): (Fact, Span), op: Op, pops: u64, pushes: u64) {
        self.effect((fact, span), pops, pushes);
        self.code.ops.push(op);
        self.code.spans.push(span);
    }

    /// Moves the depth by a word's effect, and keeps the checks that the verifier left to it.
    #[inline(always)]
    fn effect(&mut self, (fact, at): (Fact, Span), pops: u64, pushes: u64) {
        if fact.may_underflow {
            self.need(at, pops);
        }
        self.group.rise += pushes.wrapping_sub(pops) as i64;
        if pushes > pops && fact.greatest.may_exceed(self.code.stack_limit) {
            self.room(at);
        }
    }

    #[inline(never)]
    fn need(&mut self, at: Span, pops: u64) {
        // What the run itself has pushed is there: where the verifier doubts, something from before is needed. No stack is
        // deeper than the limit, so more than one beyond it makes no difference.
        let needed = pops.saturating_add_signed(-self.group.rise);
        let values = needed.min(self.code.stack_limit.saturating_add(1));
        self.group.need = self.group.need.max(values);
        self.code.checks.push(Check { kind: CheckKind::Need, values, at });
    }

    #[inline(never)]
    fn room(&mut self, at: Span) {
        if self.group.rise > 0 {
            let values = self.group.rise as u64;
            self.group.room = self.group.room.max(values);
            self.code.checks.push(Check { kind: CheckKind::Room, values, at });
        }
    }

    /// Puts the checks of the current run before it and starts the next. Nothing points into a run, so its operations may
    /// still move.
    fn end_group(&mut self) {
        let Group { start, need, room, checks, .. } = self.group;
        if self.code.checks.len() > checks {
            let at = self.code.checks[checks].at;
            let group = CheckGroup(self.code.groups.len() as u32);
            self.code.groups.push(checks as u32);
            let need = (need > 0).then_some(Op::Need { values: need, group });
            let room = (room > 0).then_some(Op::Room { values: room, group });
            let ops: Vec<_> = need.into_iter().chain(room).collect();
            self.code.spans.splice(start..start, ops.iter().map(|_| at));
            self.code.ops.splice(start..start, ops);
        }
        self.group = Group { start: self.code.ops.len(), checks: self.code.checks.len(), ..Group::default() };
    }

    /// An operation that ends the current run.
    fn branch(&mut self, op: Op, span: Span) -> Pc {
        self.end_group();
        let pc = self.here();
        self.code.ops.push(op);
        self.code.spans.push(span);
        self.group.start += 1;
        pc
    }

    /// The start of a pass.
    fn head(&mut self, span: Span) -> Pc {
        let head = self.here();
        self.code.heads.push(head);
        if self.code.metered {
            self.branch(Op::Fuel, span);
        }
        head
    }

    fn here(&self) -> Pc {
        Pc(self.code.ops.len() as u32)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::lang::{Source, Word, parse, verify};
    use crate::outcome::TrapKind;

    fn lowered(text: &str, inputs: usize, limit: u64) -> Bytecode {
        let ast = Arc::new(parse(&Source::new("test", text)).expect("it parses"));
        lower(&verify(&ast, inputs).expect("it verifies"), limit, false).expect("it is small")
    }

    #[test]
    fn a_program_whose_loops_keep_the_depth_carries_no_checks() {
        let code = lowered("5 times 1 + while dup do 1 - end end dup if 1 + else 1 - end", 2, 10);
        assert!(!code.ops.iter().any(|op| matches!(op, Op::Need { .. } | Op::Room { .. })), "{:?}", code.ops);
    }

    #[test]
    fn a_check_of_nothing_and_a_jump_over_nothing_are_left_out() {
        // Behind the loop the depth is not known; the two literals are there all the same.
        let code = lowered("times drop end 1 2 + if 7 end", 9, 100);
        let checks = code.ops.iter().filter(|op| matches!(op, Op::Need { .. } | Op::Room { .. })).count();
        assert_eq!(checks, 1, "the one in the loop: {:?}", code.ops);
        assert!(!code.ops.iter().any(|op| matches!(op, Op::Jump(_))), "{:?}", code.ops);
        // The sum leaves the depth where it is, and needs no room.
        let full = lowered("times 1 end 1 2 + drop", 1, 3);
        assert!(!full.ops.iter().any(|op| matches!(op, Op::Room { values: 0, .. })), "{:?}", full.ops);
        // Only what makes the stack higher than it was needs room: of these words the literals, but for the first.
        let words = lowered("times 1 end drop 7 3 swap drop 1 2 swap drop drop", 2, 3);
        let room = words.checks.iter().filter(|check| check.kind == CheckKind::Room && check.at.start > 9);
        assert_eq!(room.map(|check| check.values).collect::<Vec<_>>(), [1, 1, 2], "{:?}", words.checks);
    }

    #[test]
    fn one_check_stands_for_a_run_and_names_the_word() {
        let code = lowered("times drop end drop dup 1 +", 9, 8);
        let group = CheckGroup(1);
        assert!(matches!(code.ops[4], Op::Need { values: 2, group: CheckGroup(1) }), "{:?}", code.ops);
        assert_eq!(code.failed(group, 0).at.start, 15);
        assert_eq!(code.failed(group, 1).at.start, 20);
        let room = lowered("times 1 end 1 drop 1 1 +", 1, 8);
        assert_eq!(room.failed(CheckGroup(1), 7).at.start, 21);
        assert_eq!(room.failed(CheckGroup(1), 7).kind, TrapKind::StackOverflow);
        assert_eq!(room.failed(CheckGroup(1), 8).at.start, 12);
    }

    #[test]
    fn a_division_ends_its_run() {
        let code = lowered("times 1 end 1 / drop drop", 1, 8);
        let division = code.ops.iter().position(|op| *op == Op::Word(Word::Div)).expect("it is there");
        assert!(matches!(code.ops[division + 1], Op::Need { values: 2, .. }), "{:?}", code.ops);
    }

    #[test]
    fn counters_are_numbered_from_the_innermost_loop() {
        let code = lowered("3 times 2 times end 2 times 2 times end end end", 0, 8);
        let counters = code.ops.iter().filter_map(|op| match op {
            Op::Times { counter, .. } => Some(counter.0),
            _ => None,
        });
        assert_eq!((counters.collect::<Vec<_>>(), code.counters), (vec![2, 0, 1, 0], 3));
    }
}
