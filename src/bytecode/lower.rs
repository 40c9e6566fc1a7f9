//! Lowering: turns a verified program into bytecode in one walk over its tree.
//!
//! A *check group* consists of the words between two branches, loop headers or operations that can trap on their own. The checks
//! that the verifier could not remove from these words are executed once, before the first of them. A group has no effect that
//! outlives a trap, so an early check is not observable. The group's list of checks says which word failed.

use std::ops::Range;

use super::calls::{Calls, values_below};
use super::{
    Bytecode, Check, CheckGroup, CheckKind, Counter, Function, FunctionId, Op, Pc, Region, RegionId, RegionKind,
};
use crate::host_stack::with_room;
use crate::lang::verify::Fact;
use crate::lang::words::Class;
use crate::lang::{Definition, DefinitionId, NodeKind, Program, Span};
use crate::outcome::DEFAULT_CALL_LIMIT;

/// The program's bytecode would have too many operations for a 32-bit index, or the program has too many inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program is too large: its bytecode would have 2^32 operations or more, or it has 2^32 inputs or more")]
pub struct TooLarge;

/// What an execution may use at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The stack limit: the greatest number of values on the stack.
    pub stack: u64,
    /// The call limit: the greatest number of active calls.
    pub calls: u64,
}

impl Limits {
    /// A stack for this many values, and the default call limit.
    pub fn of_stack(values: u64) -> Limits {
        Limits { stack: values, calls: DEFAULT_CALL_LIMIT }
    }
}

/// Lowers a program to be executed within these limits. With `metered`, every iteration of a loop and every call uses fuel.
///
/// # Errors
/// [`TooLarge`], which requires a text of more than a gigabyte, or as many inputs.
pub fn lower(program: &Program, limits: Limits, metered: bool) -> Result<Bytecode, TooLarge> {
    let ast = program.ast();
    let length = ast.nodes().len();
    let inputs = u32::try_from(program.inputs()).map_err(|_| TooLarge)?;
    // A node yields at most five operations. Those of a call are a check of its group, one that uses fuel, two checks of its own,
    // and the call. A function has one more.
    if 5 * length as u64 + ast.definitions().len() as u64 >= u64::from(u32::MAX) {
        return Err(TooLarge);
    }
    // There may be more operations than nodes: a loop or a branch is one node, but has several operations. Growing a vector would
    // copy all of it, and memory that stays unused costs nothing.
    let capacity = 2 * length + 1 + ast.definitions().len();
    let calls = match ast.definitions() {
        [] => Calls { greatest_depth: 0, counts_depth: false, fits: Vec::new() },
        definitions => {
            let bodies: Vec<_> = definitions.iter().map(|definition| definition.body.clone()).collect();
            Calls::of(program, &[&[ast.main()], &bodies[..]].concat(), limits)
        }
    };
    let code = Bytecode {
        ops: Vec::with_capacity(capacity),
        spans: Vec::with_capacity(capacity),
        regions: Vec::new(),
        functions: Vec::with_capacity(1 + ast.definitions().len()),
        cells: ast.cells(),
        uses_memory: false,
        greatest_depth: calls.greatest_depth,
        counts_depth: calls.counts_depth,
        checks: Vec::new(),
        groups: Vec::new(),
        inputs: program.inputs(),
        stack_limit: limits.stack,
        metered,
        is_called: false,
    };
    let mut lowering = Lowering {
        program,
        calls,
        code,
        group: Group::default(),
        extent: limits.stack,
        height: 0,
        lowest: 0,
        innermost: None,
        loops: Vec::new(),
        is_dead: false,
        has_calls: false,
        has_needs: false,
    };
    with_room(|| {
        lowering.function("", ast.main(), Span { start: 0, end: 0 }, inputs, 0);
        for (definition, frame) in ast.definitions().iter().zip(program.frames()) {
            lowering.extent = *frame;
            let Definition { name, span, params, results, body } = definition;
            lowering.function(name, body.clone(), *span, *params, *results);
        }
    });
    Ok(lowering.code)
}

struct Lowering<'a> {
    program: &'a Program,
    calls: Calls,
    code: Bytecode,
    group: Group,
    /// The number of values above the function's base for which there is certainly room: the stack limit in the main program, the
    /// frame in a definition.
    extent: u64,
    /// The height of the stack at the start of the group, relative to the height at the start of the function; only
    /// meaningful within level regions.
    height: i64,
    /// The lowest height in the innermost open region so far, up to the start of the group.
    lowest: i64,
    /// The innermost open region.
    innermost: Option<RegionId>,
    /// The open loops, innermost last, each with the height at which it ends without `leave`.
    loops: Vec<(RegionId, i64)>,
    /// Whether the end of the current body cannot be reached, because it ends with a closing word.
    is_dead: bool,
    /// Whether the function has calls so far.
    has_calls: bool,
    /// Whether it has [`Op::Need`] so far.
    has_needs: bool,
}

/// The check group that is being lowered.
#[derive(Default)]
struct Group {
    /// Index of its first operation, before which its checks are inserted.
    start: usize,
    /// The height here minus the height at the start of the group.
    rise: i64,
    /// The lowest height down to which words of the group read or pop values, minus the height at its start.
    lowest: i64,
    /// The number of values that the group needs at its start.
    need: u64,
    /// The number of values for which it needs room at its start.
    room: u64,
    /// Index of its first check.
    checks: usize,
}

/// A region whose end has not been lowered yet.
#[derive(Clone, Copy)]
struct OpenRegion {
    id: RegionId,
    /// The height at its header.
    height: i64,
    /// [`Lowering::lowest`] of its parent.
    parent_lowest: i64,
}

impl Lowering<'_> {
    /// A depth as operations have it. One beyond the stack limit, or beyond what any memory holds, fails the check before it, so the
    /// clamped depth is never used. Sums with it do not overflow.
    fn reachable(&self, depth: u64) -> u64 {
        depth.min(self.code.stack_limit).min(1 << 48)
    }

    /// Lowers the main program or a definition. An empty body's last operation is attributed to `empty`.
    fn function(&mut self, name: &str, body: Range<usize>, empty: Span, params: u32, results: u32) {
        let start = self.here();
        let end = self.program.ast().nodes()[body.clone()].last().map_or(empty, |node| node.span);
        let counters = self.body(body);
        self.branch(Op::Return, end);
        self.code.functions.push(Function {
            name: name.into(),
            start,
            end: self.here(),
            params,
            results,
            counters,
            has_calls: std::mem::take(&mut self.has_calls),
            has_needs: std::mem::take(&mut self.has_needs),
        });
        (self.height, self.lowest, self.is_dead) = (0, 0, false);
    }

    /// Lowers a body and returns the number of counters that it uses. The parser bounds the recursion.
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
                    self.code.uses_memory |= name.class() == Class::Memory;
                    if matches!(name.class(), Class::Division | Class::Memory) {
                        // The words after one that may trap must not be checked before it.
                        self.end_group();
                    }
                }
                NodeKind::Pick(depth) => {
                    self.word(word, Op::Pick(self.reachable(depth)), depth + 1, depth + 2);
                }
                NodeKind::Put(depth) => {
                    self.word(word, Op::Put(self.reachable(depth)), depth + 2, depth + 1);
                }
                NodeKind::Times { end } => {
                    self.effect(word, 1, 0);
                    let open = self.begin(RegionKind::Times { counter: Counter(0) }, Op::Times, span);
                    self.fuel(span);
                    self.loops.push((open.id, open.height));
                    let inner = self.body(index + 1..end as usize);
                    self.code.regions[open.id.index()].kind = RegionKind::Times { counter: Counter(inner) };
                    self.branch(Op::Next(open.id), span);
                    self.end_loop(open);
                    self.height = open.height;
                    counters = counters.max(inner + 1);
                }
                NodeKind::While { body, end } => {
                    let open = self.begin(RegionKind::While, Op::While, span);
                    self.fuel(span);
                    let in_cond = self.body(index + 1..body as usize);
                    self.effect(word, 1, 0);
                    self.branch(Op::LeaveIfZero(open.id), span);
                    let after = self.height;
                    self.loops.push((open.id, after));
                    self.code.regions[open.id.index()].is_joined = false;
                    let in_body = self.body(body as usize..end as usize);
                    self.branch(Op::Repeat(open.id), span);
                    self.end_loop(open);
                    self.height = after;
                    counters = counters.max(in_cond).max(in_body);
                }
                NodeKind::If { otherwise, end } => {
                    self.effect(word, 1, 0);
                    let open = self.begin(RegionKind::If { otherwise: None }, Op::If, span);
                    let in_then = self.body(index + 1..otherwise as usize);
                    self.end_group();
                    let then = self.height;
                    let then_is_dead = std::mem::take(&mut self.is_dead);
                    self.height = open.height;
                    let mut in_else = 0;
                    if otherwise < end {
                        let jump = self.branch(Op::Else(open.id), span);
                        let first = Some(Pc(jump.0 + 1));
                        self.code.regions[open.id.index()].kind = RegionKind::If { otherwise: first };
                        in_else = self.body(otherwise as usize..end as usize);
                    }
                    self.branch(Op::EndIf(open.id), span);
                    let is_joined = !then_is_dead && !self.is_dead;
                    self.code.regions[open.id.index()].is_joined = is_joined;
                    self.end(open, !is_joined || self.height == then);
                    if !then_is_dead {
                        (self.height, self.is_dead) = (then, false);
                    }
                    counters = counters.max(in_then).max(in_else);
                }
                NodeKind::Call(id) => self.call(word, id),
                NodeKind::Address(id) => {
                    let start = program.ast().array(id).start;
                    self.word(word, Op::Literal(start.into()), 0, 1);
                }
                NodeKind::Leave => {
                    let (id, height) = *self.loops.last().expect("the parser accepts `leave` only in a loop");
                    self.branch(Op::Leave(id), span);
                    let region = &mut self.code.regions[id.index()];
                    region.is_joined = true;
                    region.is_level &= self.height == height;
                    self.is_dead = true;
                }
                NodeKind::Exit => {
                    self.branch(Op::Exit, span);
                    self.is_dead = true;
                }
            }
            index = node.kind.next(index);
        }
        counters
    }

    /// Adds a word to the current group.
    #[inline(always)]
    fn word(&mut self, (fact, span): (Fact, Span), op: Op, pops: u64, pushes: u64) {
        self.effect((fact, span), pops, pushes);
        self.code.ops.push(op);
        self.code.spans.push(span);
    }

    /// Calls a definition.
    fn call(&mut self, (fact, span): (Fact, Span), id: DefinitionId) {
        let Definition { params, results, .. } = *self.program.ast().definition(id);
        let params = u64::from(params);
        self.pop_and_push((fact, span), params, results.into());
        self.fuel(span);
        if self.calls.counts_depth {
            self.branch(Op::CallDepth, span);
        }
        let frame = self.program.frames()[id.index()];
        let callee = FunctionId::of(id);
        // The frame has room for the parameters and for the results.
        let may_exceed = values_below(fact, results).saturating_add(frame) > self.extent;
        if frame > params && may_exceed && !self.calls.fits[callee.index()] {
            self.branch(Op::Frame { values: frame - params }, span);
        }
        self.branch(Op::Call(callee), span);
        self.has_calls = true;
        if let Some(id) = self.innermost {
            self.code.regions[id.index()].has_call = true;
        }
    }

    /// Applies a word's effect to the height, and records the checks that the verifier could not remove.
    #[inline(always)]
    fn effect(&mut self, (fact, at): (Fact, Span), pops: u64, pushes: u64) {
        self.pop_and_push((fact, at), pops, pushes);
        if pushes > pops && fact.greatest.may_exceed(self.extent) {
            self.room(at);
        }
    }

    /// Applies a word's effect to the height, and records the check of its operands if the verifier could not remove it.
    #[inline(always)]
    fn pop_and_push(&mut self, (fact, at): (Fact, Span), pops: u64, pushes: u64) {
        if fact.may_underflow {
            self.need(at, pops);
        }
        self.group.lowest = self.group.lowest.min(self.group.rise - pops.min(1 << 62) as i64);
        self.group.rise += pushes.wrapping_sub(pops) as i64;
    }

    #[inline(never)]
    fn need(&mut self, at: Span, pops: u64) {
        // The values that the group has pushed exist. The others must come from before the group, and the verifier could not
        // prove that they exist. No stack is deeper than the limit, so a need of more than the limit plus one can be clamped.
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

    /// Inserts the checks of the current group before it and starts the next group. No branch targets the inside of a group, so
    /// its operations may still move.
    fn end_group(&mut self) {
        let Group { start, rise, lowest, need, room, checks } = self.group;
        if self.code.checks.len() > checks {
            let at = self.code.checks[checks].at;
            let group = CheckGroup(self.code.groups.len() as u32);
            self.code.groups.push(checks as u32);
            self.has_needs |= need > 0;
            let need = (need > 0).then_some(Op::Need { values: need, group });
            let room = (room > 0).then_some(Op::Room { values: room, group });
            let ops: Vec<_> = need.into_iter().chain(room).collect();
            self.code.spans.splice(start..start, ops.iter().map(|_| at));
            self.code.ops.splice(start..start, ops);
        }
        self.lowest = self.lowest.min(self.height.saturating_add(lowest));
        self.height = self.height.wrapping_add(rise);
        self.group = Group { start: self.code.ops.len(), checks: self.code.checks.len(), ..Group::default() };
    }

    /// Ends the current group and adds an operation that belongs to no group.
    fn branch(&mut self, op: Op, span: Span) -> Pc {
        self.end_group();
        let pc = self.here();
        self.code.ops.push(op);
        self.code.spans.push(span);
        self.group.start += 1;
        pc
    }

    /// Begins a region with the operation that `op` returns for it.
    fn begin(&mut self, kind: RegionKind, op: impl Fn(RegionId) -> Op, span: Span) -> OpenRegion {
        let id = RegionId(self.code.regions.len() as u32);
        let start = self.branch(op(id), span);
        let parent = self.innermost.replace(id);
        let nesting = parent.map_or(0, |parent| self.code.region(parent).nesting + 1);
        self.code.regions.push(Region {
            kind,
            start,
            end: start,
            parent,
            nesting,
            is_level: true,
            is_joined: true,
            is_innermost: true,
            has_call: false,
            reach: 0,
        });
        let height = self.height;
        OpenRegion { id, height, parent_lowest: std::mem::replace(&mut self.lowest, height) }
    }

    /// Ends a loop after its last operation.
    fn end_loop(&mut self, open: OpenRegion) {
        self.loops.pop();
        let is_dead = std::mem::take(&mut self.is_dead);
        self.end(open, is_dead || self.height == open.height);
    }

    /// Ends a region after its last operation. `is_level` says whether all paths through it end with the same height, assuming
    /// that the regions inside are level.
    fn end(&mut self, open: OpenRegion, is_level: bool) {
        let end = self.here();
        let region = &mut self.code.regions[open.id.index()];
        region.end = end;
        region.is_level &= is_level;
        region.reach = open.height.saturating_sub(self.lowest);
        let Region { parent, is_level, is_innermost, has_call, .. } = *region;
        let holds_loop = region.is_loop() || !is_innermost;
        if let Some(parent) = parent {
            let parent = &mut self.code.regions[parent.index()];
            parent.is_level &= is_level;
            parent.is_innermost &= !holds_loop;
            parent.has_call |= has_call;
        }
        self.innermost = parent;
        self.lowest = self.lowest.min(open.parent_lowest);
    }

    /// Begins an iteration of a loop or a call: emits the operation that uses fuel, if fuel is metered.
    fn fuel(&mut self, span: Span) {
        if self.code.metered {
            self.branch(Op::Fuel, span);
        }
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

    /// A number of inputs that does not fit the number of a function's parameters is refused, and not cut off.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn too_many_inputs_are_refused() {
        let program = crate::lang::load(&Source::new("test", "drop"), 1 << 32).expect("it is a program");
        assert_eq!(lower(&program, Limits::of_stack(u64::MAX), false).err(), Some(TooLarge));
    }

    /// No tier can compute with a depth near the greatest number.
    #[test]
    fn depths_are_clamped_to_what_memory_may_hold() {
        let code = lowered("3 times 1 end drop drop 9223372036854775807 pick 9223372036854775806 put", 0, u64::MAX);
        let depths = code.ops().iter().filter_map(|op| match op {
            Op::Pick(depth) | Op::Put(depth) => Some(*depth),
            _ => None,
        });
        assert_eq!(depths.collect::<Vec<_>>(), [1 << 48, 1 << 48]);
    }

    fn lowered(text: &str, inputs: usize, limit: u64) -> Bytecode {
        let ast = Arc::new(parse(&Source::new("test", text)).expect("the text parses"));
        lower(&verify(&ast, inputs).expect("the program verifies"), Limits::of_stack(limit), false)
            .expect("the program is small")
    }

    #[test]
    fn a_program_with_level_loops_has_no_checks() {
        let code = lowered("5 times 1 + while dup do 1 - end end dup if 1 + else 1 - end", 2, 10);
        assert!(!code.ops.iter().any(|op| matches!(op, Op::Need { .. } | Op::Room { .. })), "{:?}", code.ops);
    }

    #[test]
    fn checks_that_cannot_fail_and_jumps_over_nothing_are_omitted() {
        // After the loop the height is unknown, but the values of the two literals exist.
        let code = lowered("times drop end 1 2 + if 7 end", 9, 100);
        let checks = code.ops.iter().filter(|op| matches!(op, Op::Need { .. } | Op::Room { .. })).count();
        assert_eq!(checks, 1, "only the check in the loop remains: {:?}", code.ops);
        assert!(!code.ops.iter().any(|op| matches!(op, Op::Else(_))), "{:?}", code.ops);
        // `+` lowers the stack, so it needs no room.
        let full = lowered("times 1 end 1 2 + drop", 1, 3);
        assert!(!full.ops.iter().any(|op| matches!(op, Op::Room { values: 0, .. })), "{:?}", full.ops);
        // Only words that raise the stack above its height at the group's start need room: here all literals except the first.
        let words = lowered("times 1 end drop 7 3 swap drop 1 2 swap drop drop", 2, 3);
        let room = words.checks.iter().filter(|check| check.kind == CheckKind::Room && check.at.start > 9);
        assert_eq!(room.map(|check| check.values).collect::<Vec<_>>(), [1, 1, 2], "{:?}", words.checks);
    }

    #[test]
    fn one_check_replaces_those_of_a_group_and_names_the_failed_word() {
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
    fn a_division_ends_its_group() {
        let code = lowered("times 1 end 1 / drop drop", 1, 8);
        let division = code.ops.iter().position(|op| *op == Op::Word(Word::Div)).expect("the division is lowered");
        assert!(matches!(code.ops[division + 1], Op::Need { values: 2, .. }), "{:?}", code.ops);
    }

    #[test]
    fn counters_are_numbered_from_the_innermost_loop() {
        let code = lowered("3 times 2 times end 2 times 2 times end end end", 0, 8);
        let counters = (0..4).map(|id| code.counter(RegionId(id)).0);
        assert_eq!((counters.collect::<Vec<_>>(), code.main().counters), (vec![2, 0, 1, 0], 3));
    }

    /// The kind, range of operations, parent and nesting of a region, and whether it is level and innermost.
    type Row = (char, Range<u32>, Option<u32>, u32, bool, bool);

    /// A row for each region.
    fn regions(text: &str, inputs: usize) -> Vec<Row> {
        let code = lowered(text, inputs, 100);
        let row = |region: &Region| {
            let kind = match region.kind {
                RegionKind::Times { .. } => 't',
                RegionKind::While => 'w',
                RegionKind::If { .. } => 'i',
            };
            let parent = region.parent.map(|parent| parent.0);
            (kind, region.start.0..region.end.0, parent, region.nesting, region.is_level, region.is_innermost)
        };
        code.regions().iter().map(row).collect()
    }

    #[test]
    fn regions_keep_the_structure_of_the_source() {
        // 0 times, 1 literal, 2 if, 3 literal, 4 +, 5 end, 6 next; 7 while, 8 dup, 9 leave, 10 literal, 11 -, 12 repeat.
        let expected = vec![
            ('t', 0..7, None, 0, true, true),
            ('i', 2..6, Some(0), 1, true, true),
            ('w', 7..13, None, 0, true, true),
        ];
        assert_eq!(regions("times 1 if 2 + end end while dup do 1 - end", 2), expected);
        let code = lowered("if 1 else 2 end", 1, 100);
        assert_eq!(code.region(RegionId(0)).kind, RegionKind::If { otherwise: Some(Pc(3)) });
        assert_eq!(
            code.ops.iter().map(|op| code.target(*op)).collect::<Vec<_>>()[..3],
            [Some(Pc(3)), None, Some(Pc(5))]
        );
    }

    #[test]
    fn level_and_innermost_depend_on_inner_regions() {
        let levels = |text| regions(text, 9).into_iter().map(|row| (row.4, row.5)).collect::<Vec<_>>();
        assert_eq!(levels("times 1 times drop end end"), [(false, false), (false, true)]);
        assert_eq!(levels("times if drop else drop end 1 1 end"), [(true, true), (true, true)]);
        assert_eq!(levels("if times drop end 1 end"), [(false, false), (false, true)]);
        assert_eq!(levels("if 1 if 1 times end end end"), [(true, false), (true, false), (true, true)]);
        // The condition may raise the stack: only the height at the back edge matters.
        assert_eq!(levels("while 1 over do drop end"), [(true, true)]);
        assert_eq!(levels("while dup do 1 end"), [(false, true)]);
    }

    #[test]
    fn reach_includes_words_and_inner_regions() {
        let reach = |text| lowered(text, 9, 100).regions().iter().map(|region| region.reach).collect::<Vec<_>>();
        assert_eq!(reach("times 1 drop end"), [0]);
        assert_eq!(reach("times rot end"), [3]);
        assert_eq!(reach("times 1 2 3 pick drop drop drop end"), [2]);
        assert_eq!(reach("times 1 times over drop end end"), [2, 2]);
        assert_eq!(reach("times 1 2 times dup drop end drop end"), [0, 1]);
        assert_eq!(reach("times 2 if swap end end times 1 drop end"), [2, 2, 0]);
        assert_eq!(reach("while dup do 1 - end"), [1]);
    }

    fn limited(text: &str, inputs: usize, stack: u64, calls: u64, metered: bool) -> Bytecode {
        let ast = Arc::new(parse(&Source::new("test", text)).expect("the text parses"));
        lower(&verify(&ast, inputs).expect("the program verifies"), Limits { stack, calls }, metered)
            .expect("it is small")
    }

    #[test]
    fn functions_follow_each_other_and_their_heights_begin_anew() {
        let code = limited(
            "f : g ( a b -- ) drop drop ; 3 times f end : f ( -- ) 3 times 2 times 1 2 g end end ;",
            0,
            9,
            9,
            false,
        );
        let rows = code.functions().iter().map(|f| (&*f.name, f.start.0..f.end.0, f.params, f.counters, f.has_calls));
        let rows: Vec<_> = rows.collect();
        assert_eq!(rows, [("", 0..6, 0, 1, true), ("g", 6..9, 2, 0, false), ("f", 9..19, 0, 2, true)]);
        assert_eq!((code.ops[0], code.ops[16 - 1]), (Op::Call(FunctionId(2)), Op::Call(FunctionId(1))));
        for (index, function) in code.functions().iter().enumerate() {
            assert_eq!(code.ops[function.end.index() - 1], Op::Return);
            assert_eq!(code.function_of(Pc(function.end.0 - 1)), FunctionId(index as u32));
        }
        assert!(code.regions().iter().all(|region| region.is_level && region.reach == 0 && region.has_call));
    }

    #[test]
    fn checks_of_a_call_are_in_order() {
        let text = "times drop end 1 f drop : f ( a b -- c ) + dup dup drop swap f ;";
        let code = limited(text, 3, 3, 5, true);
        let call = code.ops.iter().position(|op| matches!(op, Op::Call(_))).expect("there is a call");
        let group = CheckGroup(1);
        let checks = [Op::Literal(1), Op::Fuel, Op::CallDepth, Op::Frame { values: 1 }, Op::Call(FunctionId(1))];
        assert_eq!(code.ops[call - 4..=call], checks, "{:?}", code.ops);
        assert_eq!(code.ops[call - 5], Op::Need { values: 1, group }, "{:?}", code.ops);
        assert_eq!(code.failed(group, 0).at.start, 17);
        assert!(code.main().has_needs && !code.functions()[1].has_needs);
    }

    #[test]
    fn a_call_ends_its_group_and_only_the_main_program_needs_room() {
        let code = limited("times 1 end f 1 : f ( -- ) 1 2 3 drop drop drop ;", 1, 2, 5, false);
        let rooms = |range: Range<usize>| code.ops[range].iter().filter(|op| matches!(op, Op::Room { .. })).count();
        let main = code.main().end.index();
        let call = code.ops.iter().position(|op| matches!(op, Op::Call(_))).expect("there is a call");
        assert_eq!((rooms(0..call), rooms(call..main), rooms(main..code.ops.len())), (1, 1, 0), "{:?}", code.ops);
    }

    /// The greatest depth, whether it is counted, and the number of operations that check the frame.
    fn depth_and_frames(text: &str, stack: u64, calls: u64) -> (u64, bool, usize) {
        let code = limited(text, 0, stack, calls, false);
        let counted = code.ops.iter().filter(|op| matches!(op, Op::CallDepth)).count();
        let all = code.ops.iter().filter(|op| matches!(op, Op::Call(_))).count();
        assert_eq!(counted, if code.counts_depth() { all } else { 0 }, "{:?}", code.ops);
        (
            code.greatest_depth(),
            code.counts_depth(),
            code.ops.iter().filter(|op| matches!(op, Op::Frame { .. })).count(),
        )
    }

    #[test]
    fn depth_is_counted_only_if_more_calls_than_allowed_might_be_active() {
        let chain = "c c a a : a ( -- ) b c ; : b ( -- ) c c ; : c ( -- ) ;";
        assert_eq!(depth_and_frames(chain, 9, 3), (3, false, 0));
        assert_eq!(depth_and_frames(chain, 9, u64::MAX), (3, false, 0));
        assert_eq!(depth_and_frames(chain, 9, 2), (2, true, 0));
        assert_eq!(depth_and_frames(": f ( -- ) f ; f", 9, 100), (100, true, 0));
        assert_eq!(depth_and_frames(": f ( -- ) g ; : g ( -- ) f ; g", 9, 0), (0, true, 0));
        // A definition that is never called does not matter.
        assert_eq!(depth_and_frames(": f ( -- ) f ; : g ( -- ) ; g", 9, 100), (1, false, 0));
        assert_eq!(depth_and_frames(": f ( -- ) f ; : g ( -- ) f ;", 9, 100), (0, false, 0));
        assert_eq!(depth_and_frames("1 drop", 9, 100), (0, false, 0));
    }

    #[test]
    fn the_frame_is_checked_only_if_it_might_not_fit() {
        let chain = "1 a drop : a ( x -- y ) 1 b ; : b ( x y -- z ) 1 c c ; : c ( x y -- z ) 1 drop + ;";
        // The deepest are the values of `b` below the parameters of the first `c`, and the frame of `c`.
        assert_eq!(depth_and_frames(chain, 4, 9), (3, false, 0));
        assert_eq!(depth_and_frames(chain, 3, 9), (3, false, 1));
        assert_eq!(depth_and_frames("1 2 f drop drop : f ( -- ) 1 2 drop drop ;", 4, 9), (1, false, 0));
        assert_eq!(depth_and_frames("1 2 f drop drop : f ( -- ) 1 2 drop drop ;", 3, 9), (1, false, 1));
        // Each of these calls but the first rises by one value.
        let fib = ": fib ( n -- f ) dup 2 < if else dup 1 - fib swap 2 - fib + end ; 30 fib";
        assert_eq!(depth_and_frames(fib, 1000, 998), (998, true, 0));
        assert_eq!(depth_and_frames(fib, 1000, 999), (999, true, 2));
        assert_eq!(depth_and_frames(fib, u64::MAX, u64::MAX), (u64::MAX, false, 0));
        // These do not rise at all. The wide definition is called from within only once.
        let wide = "1 2 3 drop drop drop";
        let flat = format!(": f ( n -- ) g {wide} ; : g ( n -- ) dup if f else h drop end ; : h ( -- ) {wide} ; 1 f");
        assert_eq!(depth_and_frames(&flat, 4, u64::MAX - 1), (u64::MAX - 1, true, 0));
        // The height of the main program has no bound, but only its own call rises without one.
        let unbounded = "5 times 1 end f 5 times drop end : f ( -- ) g ; : g ( -- ) 1 drop ;";
        assert_eq!(depth_and_frames(unbounded, 100, 9), (2, false, 1));
    }

    #[test]
    fn long_chains_and_rings_of_calls_need_no_host_stack() {
        let chain = |last: &str| {
            let links = (0..20_000).map(|link| format!(": w{link} ( -- ) w{} ;\n", link + 1));
            links.collect::<String>() + &format!(": w20000 ( -- ) {last} ; w0")
        };
        assert_eq!(depth_and_frames(&chain(""), 9, u64::MAX).0, 20_001);
        assert_eq!(depth_and_frames(&chain("w5"), 9, u64::MAX).0, u64::MAX);
    }
}
