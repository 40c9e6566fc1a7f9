//! Lowering: walks the bytecode once and emits LIR.
//!
//! The abstract stack says whether each value is in a register, a constant or in its slot. At a loop header, each value that the
//! loop touches has a register of its own while registers last, and back edges restore that state. If the paths through a region
//! end with different heights, all values are spilled wherever its paths part or join, and the data-stack pointer is adjusted.

use std::ops::Range;

use super::branches::If;
use super::calls;
use super::compute::Context;
use super::entry::Entry;
use super::homes;
use super::loops::{Loop, counters};
use super::state::{AfterCall, State, pool};
use super::summary::{Body, summarize};
use crate::bytecode::{Bytecode, Function, FunctionId, Inlined, Op as Code, Pc, RegionId, RegionKind, TrapSite};
use crate::isa::{Isa, Tuning};
use crate::lir::{Cond, Op, Reg, Sink, Slot};

/// The results of the passes that prepare the lowering.
pub struct Plan {
    inlined: Inlined,
    /// The summary of each region.
    bodies: Vec<Body>,
    /// For each function, whether all allocatable registers may hold something at the same time.
    is_crowded: Vec<bool>,
    /// The home of each operation's result; see [`homes::find`].
    homes: Vec<u8>,
    pool: &'static [Reg],
}

impl Plan {
    /// Analyzes a program and selects the registers that its code may use.
    pub fn new<I: Isa>(code: &Bytecode, tuning: &Tuning) -> Plan {
        let inlined = Inlined::straight(code);
        let summary = summarize::<I>(code, &inlined);
        let loops = code.regions().iter().zip(&summary.bodies).filter(|(region, _)| region.is_loop());
        let constants = loops.map(|(_, body)| body.constants.iter().count()).max().unwrap_or(0);
        let registers = |function: &Function, height: usize, constants: usize| {
            let counters = (function.counters as usize).min(counters::<I>());
            height.saturating_add(constants + counters + 4)
        };
        let functions = || code.functions().iter().zip(&summary.heights);
        let most = functions().map(|(function, height)| registers(function, *height, constants)).max().unwrap_or(0);
        let pool = pool::<I>(most, tuning.value_registers, code.reserved());
        let pinned = constants_of_nests(code, &summary.bodies);
        let is_crowded = |(function, height): (&Function, &usize)| {
            let first = code.regions().partition_point(|region| region.start < function.start);
            let regions = code.regions()[first..].iter().take_while(|region| region.start < function.end);
            let pinned = regions.zip(&pinned[first..]).map(|(_, pinned)| *pinned).max().unwrap_or(0);
            registers(function, *height, pinned.max(constants)) > pool.len()
        };
        let is_crowded = functions().map(is_crowded).collect();
        let homes = homes::find(code, &summary.bodies);
        Plan { inlined, bodies: summary.bodies, homes, is_crowded, pool }
    }

    /// The number of allocatable registers that the code may use.
    pub fn registers(&self) -> usize {
        self.pool.len()
    }
}

/// For each region, how many constants it and the loops around it may keep in registers at the same time.
fn constants_of_nests(code: &Bytecode, bodies: &[Body]) -> Vec<usize> {
    let mut pinned = vec![0; bodies.len()];
    // Outer regions come before the regions inside.
    for (index, (region, body)) in code.regions().iter().zip(bodies).enumerate() {
        let around = code.loop_around(region);
        let outer = || std::iter::successors(around, |id| code.loop_around(code.region(*id)));
        // A constant of a loop that is farther out counts twice.
        let is_new = |value: &i64| {
            let mut loops = outer().take(16).map(|id| &bodies[id.index()]);
            !loops.any(|body| body.constants.iter().any(|known| known == *value))
        };
        let own = if region.is_loop() { body.constants.iter().filter(is_new).count() } else { 0 };
        pinned[index] = own + around.map_or(0, |id| pinned[id.index()]);
    }
    pinned
}

/// Lowers a program into a sink and returns its trap sites. `entry` is a loop of the main program at whose header the code gets a
/// second entry.
pub fn lower<I: Isa, S: Sink>(code: &Bytecode, plan: &Plan, entry: Option<RegionId>, sink: &mut S) -> Vec<TrapSite> {
    let state = State::<I, S>::new(sink, plan.pool, code.cells());
    let mut walk = Walk { code, plan, state, open: Vec::new(), is_dead: false, wanted: entry, entry: None };
    for id in (0..code.functions().len() as u32).map(FunctionId) {
        if plan.inlined.body(code, id).is_none() {
            walk.function(id);
        }
    }
    if let Some(entry) = walk.entry {
        walk.state.put(Op::Main);
        walk.state.sink.at(code.main().start.0);
        walk.state.begin_main(code.main());
        entry.put(&mut walk.state, code, &plan.homes);
    }
    walk.state.into_sites()
}

/// The walk over the bytecode. Only the walk handles control flow.
struct Walk<'a, I, S> {
    code: &'a Bytecode,
    plan: &'a Plan,
    state: State<'a, I, S>,
    /// The open regions, innermost last.
    open: Vec<OpenRegion>,
    /// Whether the next operation cannot be reached from the operation before it.
    is_dead: bool,
    /// The loop that gets an entry.
    wanted: Option<RegionId>,
    /// The entry at its header.
    entry: Option<Entry>,
}

enum OpenRegion {
    Loop(Loop),
    If(If),
}

/// The innermost open loop, which `leave` leaves.
fn innermost_loop(open: &[OpenRegion]) -> &Loop {
    let innermost = open.iter().rev().find_map(|open| match open {
        OpenRegion::Loop(open) => Some(open),
        OpenRegion::If(_) => None,
    });
    innermost.expect("`leave` is in a loop")
}

impl<I: Isa, S: Sink> Walk<'_, I, S> {
    fn function(&mut self, id: FunctionId) {
        let code = self.code;
        let function = &code.functions()[id.index()];
        let ops = &code.ops()[..function.end.index()];
        let mut index = function.start.index();
        self.is_dead = false;
        if id == FunctionId::MAIN {
            self.state.begin_main(function);
        } else {
            let is_crowded = self.plan.is_crowded[id.index()];
            let has_calls = self.plan.inlined.makes_call(function.start.0..function.end.0);
            self.state.begin_function(id, function, is_crowded, has_calls);
        }
        while let Some(&op) = ops.get(index) {
            let pc = Pc(index as u32);
            let next = &ops[index + 1..];
            index += 1;
            self.state.sink.at(pc.0);
            if op.is_region_border() {
                self.state.end_calls();
            }
            match op {
                Code::Word(word)
                    if let Some(cond) = word.comparison()
                        && let Some(&(Code::If(id) | Code::LeaveIfZero(id))) = next.first() =>
                {
                    self.state.end_calls();
                    self.state.sink.at(pc.0 + 1);
                    index += 1 + self.branch(Some(cond), id, &next[1..]);
                }
                Code::If(id) | Code::LeaveIfZero(id) => index += self.branch(None, id, next),
                Code::Times(id) => {
                    let body = self.plan.bodies[id.index()];
                    let open = Loop::times(&mut self.state, self.code.region(id), body);
                    // The padding before the header is attributed to the loop.
                    self.state.sink.at(pc.0 + 1);
                    open.put_header(&mut self.state);
                    self.open.push(OpenRegion::Loop(open));
                    self.note_entry(id);
                }
                Code::While(id) => {
                    let body = self.plan.bodies[id.index()];
                    let open = Loop::begin_while(&mut self.state, self.code, id, body);
                    self.open.push(OpenRegion::Loop(open));
                    self.note_entry(id);
                }
                Code::Next(_) | Code::Repeat(_) => {
                    let open = match self.open.pop() {
                        Some(OpenRegion::Loop(open)) => open,
                        _ => unreachable!("regions nest"),
                    };
                    if std::mem::take(&mut self.is_dead) {
                        open.end_dead(&mut self.state);
                    } else if matches!(op, Code::Next(_)) {
                        open.next(&mut self.state);
                    } else {
                        open.repeat(&mut self.state, self.code, &self.plan.homes);
                    }
                }
                Code::Leave(_) => {
                    innermost_loop(&self.open).leave(&mut self.state);
                    self.is_dead = true;
                }
                Code::Else(_) => match self.open.last_mut() {
                    Some(OpenRegion::If(open)) => {
                        open.otherwise(&mut self.state, std::mem::take(&mut self.is_dead));
                    }
                    _ => unreachable!("ELSE belongs to the innermost open `if`"),
                },
                Code::EndIf(_) => match self.open.pop() {
                    Some(OpenRegion::If(open)) => self.is_dead = open.end(&mut self.state, self.is_dead),
                    _ => unreachable!("regions nest"),
                },
                Code::Call(callee) => match self.plan.inlined.body(code, callee) {
                    Some(body) => index += self.inlined(body, next),
                    None => self.state.call(callee, &code.functions()[callee.index()], code.counts_depth()),
                },
                // No path reaches the end of the function.
                Code::Return if self.is_dead => {}
                Code::Exit | Code::Return => {
                    if id == FunctionId::MAIN {
                        self.state.after_call = AfterCall::default();
                        self.state.flush();
                        if code.is_called() && code.metered() {
                            self.state.put(Op::SaveFuel);
                        }
                        self.state.put(Op::Return { end: Slot(self.state.stack.height) });
                    } else {
                        self.state.end_call(function);
                    }
                    self.is_dead = true;
                }
                op => {
                    let home = self.home(pc, next, function);
                    self.state.straight(op, Context { pc, next, home });
                }
            }
        }
    }

    /// Lowers the operations of a function in place of a call. `next` are the operations after the call. Returns how many of them it
    /// lowered as well.
    fn inlined(&mut self, body: Range<usize>, next: &[Code]) -> usize {
        let code = self.code;
        if code.counts_depth() {
            // The function calls nothing, so it does not matter when it gives its unit back.
            self.state.after_call.has_depth = true;
        }
        for index in body.clone() {
            let pc = Pc(index as u32);
            let (op, is_last) = (code.ops()[index], index + 1 == body.end);
            if is_last
                && let Code::Word(word) = op
                && let Some(cond) = word.comparison()
                && let Some(&(Code::If(id) | Code::LeaveIfZero(id))) = next.first()
            {
                self.state.end_calls();
                return 1 + self.branch(Some(cond), id, &next[1..]);
            }
            self.state.sink.at(pc.0);
            let next = if is_last { next } else { &code.ops()[index + 1..] };
            let home = self.state.home(self.plan.homes[index]);
            self.state.straight(op, Context { pc, next, home });
        }
        0
    }

    /// Emits the branch to ELSE or to the end of a region. It is taken if the comparison does not hold or, without a comparison,
    /// if the flag on the stack is zero. `next` are the operations after it. Returns how many of them it lowered as well: an empty
    /// THEN, or the whole branch, if it does nothing but leave a loop with the stack that is expected there.
    fn branch(&mut self, cond: Option<Cond>, id: RegionId, next: &[Code]) -> usize {
        let test = self.state.test(cond);
        if let [Code::Leave(_), Code::EndIf(_), ..] = next
            && let Some(label) = innermost_loop(&self.open).exit_with(&self.state)
        {
            self.state.release_operands(test);
            self.state.put(test.branch(label));
            return 2;
        }
        let region = self.code.region(id);
        match self.open.last_mut() {
            Some(OpenRegion::Loop(open)) if region.is_loop() => {
                open.end_condition(&mut self.state, region, test.inverted());
                self.note_entry(id);
                0
            }
            _ => {
                let is_empty = matches!(next, [Code::Else(_), ..]);
                // The branch is over THEN or, if there is nothing in THEN, over ELSE.
                let test = if is_empty { test } else { test.inverted() };
                let has_other = !is_empty && region.kind != RegionKind::If { otherwise: None };
                let open = If::begin(&mut self.state, region, &self.plan.bodies[id.index()], test, has_other);
                self.open.push(OpenRegion::If(open));
                usize::from(is_empty)
            }
        }
    }

    /// If this loop, whose header was just passed, gets an entry, notes what the entry must establish. The header of a loop whose
    /// condition is repeated is after the condition.
    fn note_entry(&mut self, id: RegionId) {
        if self.wanted == Some(id)
            && let Some(OpenRegion::Loop(open)) = self.open.last()
            && open.is_begun()
        {
            let counters = self.open.iter().filter_map(|open| match open {
                OpenRegion::Loop(open) => open.register_of_counter(),
                OpenRegion::If(_) => None,
            });
            self.entry = Some(Entry::at(open, &self.state, counters.collect()));
            self.wanted = None;
        }
    }

    /// The register in which the result of an operation is expected: at a join, in a call or in the next iteration. `next` are the
    /// operations after it.
    fn home(&self, pc: Pc, next: &[Code], function: &Function) -> Option<Reg> {
        let passed = |count: u32| (count > 0).then(|| calls::passed::<I>()[0]);
        match (next, self.open.last()) {
            ([Code::EndIf(_), ..], Some(OpenRegion::If(open))) => open.top_at_join(),
            ([Code::Exit | Code::Return, ..], _) => passed(function.results),
            ([Code::CallDepth, Code::Call(id), ..] | [Code::Call(id), ..], _) => {
                passed(self.code.functions()[id.index()].params)
            }
            _ => self.state.home(self.plan.homes[pc.index()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bytecode;
    use crate::isa::aarch64::Emitter;
    use crate::isa::x86_64;
    use crate::lang::{Source, parse, verify};
    use crate::lir::{AluOp, Recorder};

    fn lowered(text: &str, inputs: usize) -> Vec<Op> {
        lowered_for::<Emitter>(text, inputs)
    }

    fn lowered_for<I: Isa>(text: &str, inputs: usize) -> Vec<Op> {
        let ast = Arc::new(parse(&Source::new("test", text)).expect("the text parses"));
        let program = verify(&ast, inputs).expect("the program verifies");
        let code = bytecode::lower(&program, bytecode::Limits::of_stack(100), false).expect("the program is small");
        let mut recorder = Recorder::default();
        lower::<I, _>(&code, &Plan::new::<I>(&code, &Tuning::default()), None, &mut recorder);
        recorder.ops.into_iter().map(|(_, op)| op).collect()
    }

    /// Each of several nested loops may keep four constants in registers. If that leaves no register free, a definition has a spare slot
    /// for cycles of moves. Otherwise, this would panic.
    #[test]
    fn definitions_with_many_constants_can_break_cycles() {
        for values in 1..8 {
            for loops in 1..6 {
                let mut body = String::from("0 pick 1 pick * dup if swap else 1 + end xor");
                for nest in 0..loops {
                    let constants: String =
                        (1..5).map(|index| format!("{} xor ", 1_000_003 * (4 * nest + index))).collect();
                    body = format!("3 times {constants} {body} end");
                }
                let touched: String = (0..values).map(|depth| format!("{depth} pick drop ")).collect();
                let names = "a ".repeat(values);
                let text = format!(": f ( {names}b -- {names}b ) 3 times {touched} {body} end ; f");
                lowered_for::<Emitter>(&text, values + 1);
                lowered_for::<x86_64::Emitter>(&text, values + 1);
            }
        }
    }

    #[test]
    fn operations_on_constants_are_folded() {
        for (text, folded) in
            [("3 4 *", "12"), ("7 3 -", "4"), ("5 negate 2 max", "2"), ("1 -1 u<", "1"), ("9 4 mod", "1")]
        {
            assert_eq!(lowered(text, 0), lowered(folded, 0), "{text}");
        }
    }

    /// `(a + 1) + (b + 2)` is one addition of registers and one of a constant.
    #[test]
    fn constants_of_sums_are_added_once() {
        for (text, more) in [("1 + swap 2 + +", 3), ("1 + swap 2 + swap -", 1)] {
            let additions: Vec<Op> =
                lowered(text, 2).into_iter().filter(|op| matches!(op, Op::Alu { .. } | Op::AluImm { .. })).collect();
            assert!(
                matches!(additions[..], [Op::Alu { .. }, Op::AluImm { op: AluOp::Add, imm, .. }] if imm == more),
                "{text}: {additions:?}"
            );
        }
    }

    /// A short condition is lowered before the loop and at the end of each iteration, and both branches compare directly.
    #[test]
    fn repeated_condition_has_no_flag() {
        let ops = lowered("while over over > do 1 + end", 2);
        let branches = ops.iter().filter(|op| matches!(op, Op::Branch { .. })).count();
        assert!(branches == 2 && !ops.iter().any(|op| matches!(op, Op::Set { .. })), "{ops:?}");
    }

    #[test]
    fn values_are_in_slots_and_parameters_in_registers_during_calls() {
        let ops = lowered(": fib ( n -- f ) dup 2 < if else dup 1 - fib swap 2 - fib + end ; fib", 1);
        let begin = ops.iter().position(|op| matches!(op, Op::Function { .. })).expect("fib is a function");
        assert_eq!(ops[begin], Op::Function { function: 1, slots: 0, has_calls: true });
        let fib = &ops[begin..];
        let count = |is: fn(&Op) -> bool| fib.iter().filter(|op| is(op)).count();
        // The argument is stored before the first call and loaded after it, the first result before and after the second call.
        assert_eq!(count(|op| matches!(op, Op::Call { .. })), 2, "{fib:?}");
        assert_eq!(count(|op| matches!(op, Op::Store { .. })), 2, "{fib:?}");
        assert_eq!(count(|op| matches!(op, Op::Load { .. })), 2, "{fib:?}");
        // Between the calls, the data-stack pointer and the call depth stay as the callee left them.
        assert_eq!(count(|op| matches!(op, Op::TakeDepth { .. } | Op::GiveDepth)), 2, "{fib:?}");
        assert_eq!(count(|op| matches!(op, Op::MovePointer { .. })), 2, "{fib:?}");
        // There is nothing to jump over, and the sum is computed where it is returned.
        assert_eq!(count(|op| matches!(op, Op::Jump { .. } | Op::Move { .. })), 0, "{fib:?}");
    }

    #[test]
    fn calls_are_ended_before_control_flow() {
        let f = |body| {
            let ops = lowered(&format!(": f ( a -- b ) {body} ; : g ( a -- b ) dup if 1 - f end ; f"), 1);
            let functions: Vec<&[Op]> = ops.split(|op| matches!(op, Op::Function { .. })).collect();
            let is_moved = |op: &&Op| matches!(op, Op::MovePointer { .. } | Op::TakeDepth { .. } | Op::GiveDepth);
            functions[1].iter().filter(is_moved).count()
        };
        // Each sequence of calls moves the pointer, takes a unit of depth and undoes both.
        assert_eq!(f("5 swap g g g +"), 4);
        assert_eq!(f("5 swap g dup if g end g +"), 12);
        assert_eq!(f("5 swap 3 times g end +"), 4);
    }

    #[test]
    fn short_words_are_inlined() {
        for (called, written_out) in [
            (": double ( a -- b ) dup + ; double", "dup +"),
            (": 1+ ( a -- b ) 1 + ; 1+ 1+", "2 +"),
            (": near ( a b -- f ) - 3 < ; times near if swap end 1 2 end", "times - 3 < if swap end 1 2 end"),
        ] {
            assert_eq!(lowered(called, 5), lowered(written_out, 5), "{called}");
        }
        let calls = |text| lowered(text, 5).iter().any(|op| matches!(op, Op::Call { .. }));
        assert!(calls(": f ( a -- b ) dup if 1 + end ; f"), "a word with control flow");
        assert!(calls(": f ( a -- b ) 1 + 2 * 3 - 4 xor 5 + 6 * 7 or ; f"), "a long word");
        // A function whose calls are all inlined need not save its return address.
        let saves = |text| lowered(text, 5).iter().any(|op| matches!(op, Op::Function { has_calls: true, .. }));
        assert!(!saves(": f ( a -- b ) 1 + ; : g ( a -- b ) dup if f end ; g"));
        assert!(saves(": f ( a -- b ) dup if 1 + end ; : g ( a -- b ) f f ; g"));
    }

    #[test]
    fn calls_in_a_loop_clobber_its_counter() {
        let in_frame = |text| lowered(text, 2).iter().any(|op| matches!(op, Op::StoreFrame { .. }));
        assert!(in_frame(": f ( a -- b ) dup if 1 + end ; times f end"));
        assert!(!in_frame(": f ( a -- b ) 1 + ; times f end"));
    }

    /// The operations before the header of the first loop, and those after it.
    fn split_at_header(ops: &[Op]) -> (&[Op], &[Op]) {
        ops.split_at(ops.iter().position(|op| *op == Op::Align).expect("there is a loop"))
    }

    /// A loop that touches more values than there are registers leaves the others in their slots: its operations need registers too.
    #[test]
    fn loop_leaves_four_registers_to_its_operations() {
        let touches: String = (0..40).map(|depth| format!(" {depth} pick drop")).collect();
        let ops = lowered(&format!("times{touches} end"), 41);
        // The count is one of the values that are loaded.
        let loaded = split_at_header(&ops).0.iter().filter(|op| matches!(op, Op::Load { .. })).count();
        assert_eq!(loaded, Emitter::ALLOCATABLE.len() - 4, "{ops:?}");
    }

    #[test]
    fn constant_that_does_not_fit_is_in_a_register_during_a_loop() {
        let ops = lowered("times 123456789012345 xor end", 2);
        let (before, after) = split_at_header(&ops);
        let is_constant = |op: &Op| matches!(op, Op::Constant { value: 123_456_789_012_345, .. });
        assert!(before.iter().any(is_constant) && !after.iter().any(is_constant), "{ops:?}");
    }

    /// Values that were in registers that a division clobbers are moved before the loop, not in each iteration.
    #[test]
    fn division_in_a_loop_moves_no_values() {
        for text in ["times over 7 / + end", "rot 3 xor rot rot times over 7 / + end"] {
            let ops = lowered_for::<x86_64::Emitter>(text, 3);
            assert!(!split_at_header(&ops).1.iter().any(|op| matches!(op, Op::Move { .. })), "{text}: {ops:?}");
        }
    }

    /// A branch leaves a loop directly if all values are where they are expected after it. Otherwise it must move them first.
    #[test]
    fn leave_is_a_branch_if_no_value_moved() {
        let jumps = |text| lowered(text, 2).iter().any(|op| matches!(op, Op::Jump { .. }));
        assert!(!jumps("5 times dup 3 = if leave end 1 + end"));
        assert!(jumps("5 times swap dup 3 = if leave end swap 1 + end"));
    }

    #[test]
    fn addresses_are_part_of_the_access() {
        let accesses = |text| {
            let is_access = |op: &Op| {
                matches!(
                    op,
                    Op::LoadCell { .. } | Op::LoadCellAt { .. } | Op::StoreCell { .. } | Op::StoreCellAt { .. }
                )
            };
            lowered(text, 1).into_iter().filter(is_access).collect::<Vec<_>>()
        };
        assert!(matches!(accesses("9 array a 9 array b b + @")[..], [Op::LoadCell { offset: 9, .. }]));
        assert!(matches!(accesses("9 array a a + 1 - 7 swap !")[..], [Op::StoreCell { offset: -1, .. }]));
        assert!(matches!(accesses("9 array a a 8 + @")[..], [Op::LoadCellAt { cell: 8, .. }]));
        assert!(matches!(accesses("9 array a a 8 + !")[..], [Op::StoreCellAt { cell: 8, .. }]));
        // There is no cell 9.
        assert!(matches!(accesses("9 array a a 9 + @")[..], [Op::LoadCell { .. }]));
        assert!(matches!(accesses("9 array a -1 !")[..], [Op::StoreCell { .. }]));
    }

    #[test]
    fn remainder_that_is_only_tested_is_a_mask() {
        let masks = |text| lowered(text, 1).iter().any(|op| matches!(op, Op::AluImm { op: AluOp::And, imm: 7, .. }));
        assert!(masks("8 mod if 1 else 2 end") && masks("-8 mod 0 =") && !masks("8 mod"));
    }
}
