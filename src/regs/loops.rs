//! Loops: lowers loop headers, exits and back edges.
//!
//! Before a loop, registers are assigned to its counter, to the values that it touches and to its constants. Every iteration
//! begins with the same abstract stack, and the end of an iteration reconciles the stack with it. A short `while` condition is
//! lowered twice, before the loop and at its end, so that an iteration has one branch.

use std::ops::Range;

use super::compute::Context;
use super::homes::NOWHERE;
use super::stack::{Stack, Value, bit, bits};
use super::state::{MIN_REGISTERS, State};
use super::summary::Body;
use super::test::Test;
use crate::bytecode::{Bytecode, Counter, Op as Code, Pc, Region, RegionId, RegionKind};
use crate::isa::Isa;
use crate::lir::{AluOp, Cond, FrameSlot, Label, Op, Reg, Sink};

/// The longest `while` condition, in operations, that is repeated at the end of each iteration.
const REPEATED: usize = 8;

/// A loop that is being lowered.
pub struct Loop {
    header: Label,
    is_level: bool,
    is_innermost: bool,
    body: Body,
    /// The operations of the condition, if it is repeated at the end of each iteration.
    condition: Option<Range<usize>>,
    /// The place of a `times` loop's counter.
    counter: Option<CounterPlace>,
    /// The label after the loop, and the stack there unless it equals the stack at the header.
    exit: Option<(Label, Option<Stack>)>,
    saved: Saved,
}

#[derive(Clone, Copy)]
enum CounterPlace {
    Register(Reg, FrameSlot),
    Frame(FrameSlot),
}

/// The parts of the state to restore after the loop.
struct Saved {
    pinned: u32,
    clobbered: u32,
    expected: u32,
    constants: usize,
    header: Stack,
}

/// The number of nesting levels, from the innermost loops outward, whose counters may be in registers.
pub fn counters<I: Isa>() -> usize {
    I::ALLOCATABLE.len() / 4
}

/// The registers that shifts and divisions clobber.
fn clobbers<I: Isa>() -> u32 {
    bits(I::SHIFT_CLOBBERS.iter().chain(I::DIVIDE_CLOBBERS).copied())
}

impl Loop {
    /// Begins a `times` loop.
    pub fn times<I: Isa, S: Sink>(state: &mut State<I, S>, region: &Region, body: Body) -> Loop {
        let RegionKind::Times { counter } = region.kind else { unreachable!("a `times` loop has a counter") };
        let count = state.pop();
        // A constant positive count needs no test.
        let count = match count {
            Value::Const(1..) => count,
            _ => state.materialize(count, state.stack.height),
        };
        let mut open = Loop::begin(state, region, body, Some((counter, count)), None);
        let label = state.label();
        open.exit = Some((label, None));
        if let Some(held) = count.reg() {
            let (a, is_held) = match open.counter {
                Some(CounterPlace::Register(reg, _)) => (reg, false),
                _ => (held, true),
            };
            state.put(Op::BranchImm { cond: Cond::Le, a, imm: 0, to: label });
            if is_held {
                state.release(count);
            }
        }
        open
    }

    /// Begins a `while` loop.
    pub fn begin_while<I: Isa, S: Sink>(state: &mut State<I, S>, code: &Bytecode, id: RegionId, body: Body) -> Loop {
        let region = code.region(id);
        let condition = code.repeatable_condition(region, REPEATED);
        let is_repeated = condition.is_some();
        let open = Loop::begin(state, region, body, None, condition);
        if !is_repeated {
            open.put_header(state);
        }
        open
    }

    /// Whether the header has been passed: that of a loop whose condition is repeated is after the condition.
    pub fn is_begun(&self) -> bool {
        self.condition.is_none() || self.exit.is_some()
    }

    /// The register of its counter, if it is in one, and the counter's frame slot.
    pub fn register_of_counter(&self) -> Option<(Reg, FrameSlot)> {
        match self.counter {
            Some(CounterPlace::Register(reg, slot)) => Some((reg, slot)),
            Some(CounterPlace::Frame(_)) | None => None,
        }
    }

    /// The label of the header.
    pub fn header(&self) -> Label {
        self.header
    }

    /// The operations of the condition, if it is repeated at the end of each iteration, and the label of the loop's end.
    pub fn repeated(&self) -> Option<(Range<usize>, Label)> {
        let condition = self.condition.clone()?;
        let (exit, _) = self.exit.as_ref()?;
        Some((condition, *exit))
    }

    /// Emits the label of the loop header.
    pub fn put_header<I: Isa, S: Sink>(&self, state: &mut State<I, S>) {
        if self.is_innermost {
            state.put(Op::Align);
        }
        state.put(Op::Label(self.header));
    }

    /// Prepares the stack and the registers for a loop. The count of a `times` loop has been popped; it is released if the
    /// counter is in a register. If the condition is repeated, the stack is canonicalized after the condition instead.
    fn begin<I: Isa, S: Sink>(
        state: &mut State<I, S>,
        region: &Region,
        body: Body,
        counted: Option<(Counter, Value)>,
        condition: Option<Range<usize>>,
    ) -> Loop {
        let registers = &mut state.registers;
        let saved = Saved {
            pinned: registers.pinned,
            clobbered: registers.clobbered,
            expected: registers.expected,
            constants: state.constants.len(),
            header: std::mem::take(&mut state.header),
        };
        let destroyed = |does: bool, clobbers: &[Reg]| if does { bits(clobbers.iter().copied()) } else { 0 };
        registers.clobbered = destroyed(body.shifts, I::SHIFT_CLOBBERS) | destroyed(body.divides, I::DIVIDE_CLOBBERS);
        registers.expected = 0;
        let counter = counted.map(|(counter, count)| state.place_counter(counter, count, body.calls));
        if !region.is_level {
            state.flush();
            // The height may differ between iterations, so nothing is known about the slots below it.
            let height = state.stack.height;
            state.stack = Stack::in_memory(height, height);
        } else if condition.is_none() {
            state.canonicalize_for_loop(&body);
        }
        let header = state.label();
        match &condition {
            Some(_) => state.header = state.stack.clone(),
            // A counter in the frame is decremented in a register.
            None => state.set_header(1),
        }
        let Region { is_level, is_innermost, .. } = *region;
        Loop { header, is_level, is_innermost, body, condition, counter, exit: None, saved }
    }

    /// Emits the branch that ends a `while` loop if the test holds.
    pub fn end_condition<I: Isa, S: Sink>(&mut self, state: &mut State<I, S>, region: &Region, test: Test) {
        let label = state.label();
        let is_repeated = self.condition.is_some();
        if region.is_joined && !is_repeated {
            // The jumps of `leave` need a stack here that they can restore.
            if self.is_level {
                state.canonicalize_for_join(self.body.touched, state.header.height);
            } else {
                state.flush();
            }
        }
        if is_repeated {
            state.canonicalize_for_loop(&self.body);
            // At the end of an iteration, both operands may have to vacate their registers for values that the header expects
            // there. The moves of those values may form a cycle, which a third register breaks.
            state.set_header(3);
        }
        state.release_operands(test);
        state.put(test.branch(label));
        self.exit = Some((label, Some(state.stack.clone())));
        if is_repeated {
            self.put_header(state);
        }
    }

    /// The label after the loop, if the current stack is the one that is expected there.
    pub fn exit_with<I: Isa, S: Sink>(&self, state: &State<I, S>) -> Option<Label> {
        let (label, stack) = self.exit.as_ref()?;
        let target = stack.as_ref().unwrap_or(&state.header);
        (self.is_level && state.stack.has_places_of(target)).then_some(*label)
    }

    /// Jumps to the end of the loop.
    pub fn leave<I: Isa, S: Sink>(&self, state: &mut State<I, S>) {
        let (label, stack) = self.exit.as_ref().expect("a loop has an exit");
        let target = stack.as_ref().unwrap_or(&state.header).clone();
        if self.is_level {
            state.reconcile(target);
        } else {
            state.flush_and_set_height(target.height);
        }
        state.put(Op::Jump { to: *label });
    }

    /// Ends the loop if the end of its body cannot be reached.
    pub fn end_dead<I: Isa, S: Sink>(self, state: &mut State<I, S>) {
        let header = std::mem::take(&mut state.header);
        state.set_stack(header);
        self.end(state);
    }

    /// Ends an iteration of a `times` loop.
    pub fn next<I: Isa, S: Sink>(self, state: &mut State<I, S>) {
        self.end_iteration(state);
        match self.counter.expect("a `times` loop has a counter") {
            CounterPlace::Register(d, _) => state.put(Op::CountDown { d, to: self.header }),
            CounterPlace::Frame(slot) => {
                let a = state.registers.find_free(0).expect("a register is free at the loop header");
                state.put(Op::LoadFrame { d: a, slot });
                state.put(Op::AluImm { op: AluOp::Sub, d: a, a, imm: 1 });
                state.put(Op::StoreFrame { s: a, slot });
                state.put(Op::BranchImm { cond: Cond::Ne, a, imm: 0, to: self.header });
            }
        }
        self.end(state);
    }

    /// Ends an iteration of a `while` loop.
    pub fn repeat<I: Isa, S: Sink>(mut self, state: &mut State<I, S>, code: &Bytecode, homes: &[u8]) {
        match self.condition.take() {
            Some(condition) => repeat_condition(self.header, condition, state, code, homes),
            None => {
                self.end_iteration(state);
                state.put(Op::Jump { to: self.header });
            }
        }
        self.end(state);
    }

    /// Reconciles the stack with the stack at the header.
    fn end_iteration<I: Isa, S: Sink>(&self, state: &mut State<I, S>) {
        let header = std::mem::take(&mut state.header);
        if self.is_level {
            state.reconcile(header);
        } else {
            state.flush_and_set_height(header.height);
        }
    }

    /// Ends the loop after its back edge and frees its registers.
    fn end<I: Isa, S: Sink>(self, state: &mut State<I, S>) {
        let (label, stack) = self.exit.expect("a loop has an exit");
        state.put(Op::Label(label));
        let Saved { pinned, clobbered, expected, constants, header } = self.saved;
        state.constants.truncate(constants);
        state.header = header;
        let registers = &mut state.registers;
        (registers.pinned, registers.clobbered, registers.expected) = (pinned, clobbered, expected);
        if let Some(stack) = stack {
            state.set_stack(stack);
        }
    }
}

/// Lowers the condition of a `while` loop again, with a branch to the header if it holds. The stack expected there is
/// that of the state's header, which is then no longer set.
pub fn repeat_condition<I: Isa, S: Sink>(
    label: Label,
    condition: Range<usize>,
    state: &mut State<I, S>,
    code: &Bytecode,
    homes: &[u8],
) {
    let fused = match code.ops()[condition.end - 1] {
        Code::Word(word) => word.comparison(),
        _ => None,
    };
    let straight = condition.start..condition.end - usize::from(fused.is_some());
    for index in straight {
        let pc = Pc(index as u32);
        state.sink.at(pc.0);
        let home = state.home(homes[index]);
        state.straight(code.ops()[index], Context { pc, next: &code.ops()[index + 1..], home });
    }
    state.sink.at(condition.end as u32);
    let Test { cond, a, b } = state.test(fused);
    let a = state.preserve_operand(a);
    let b = state.preserve_operand(b);
    let header = std::mem::take(&mut state.header);
    state.reconcile(header);
    state.put(Test { cond, a, b }.branch(label));
}

impl<I: Isa, S: Sink> State<'_, I, S> {
    /// Ensures that `free` registers are free, then fixes the current stack as the one with which every iteration begins.
    fn set_header(&mut self, free: usize) {
        let mut found = 0;
        for _ in 0..free {
            found |= bit(self.allocate_except(found));
        }
        self.registers.expected = self.stack.registers();
        self.header = self.stack.clone();
    }

    /// The register in which the innermost loop's header expects the value with this home.
    pub fn home(&self, home: u8) -> Option<Reg> {
        if home == NOWHERE {
            return None;
        }
        match self.header.get(self.header.slot(home.into())) {
            Value::Reg(reg) => Some(reg),
            _ => None,
        }
    }

    /// Selects the place of a loop's counter and stores the count there. The count is a constant or in a register. If the counter
    /// gets a register, the loop uses that register for nothing else. A call in the loop would clobber the register.
    fn place_counter(&mut self, counter: Counter, count: Value, calls: bool) -> CounterPlace {
        let slot = FrameSlot(counter.0);
        let registers = &self.registers;
        let is_own = |s: Reg| registers.uses(s) == 1 && (clobbers::<I>() | registers.pinned) & bit(s) == 0;
        let d = if !calls && (counter.0 as usize) < counters::<I>() && self.can_pin() {
            count.reg().filter(|s| is_own(*s)).or_else(|| registers.find_free(clobbers::<I>()))
        } else {
            None
        };
        if let Some(d) = d {
            self.emit_into(d, count, 0);
            self.release(count);
            self.registers.pinned |= bit(d);
            return CounterPlace::Register(d, slot);
        }
        let s = count.reg().unwrap_or_else(|| {
            let d = self.allocate();
            self.emit_into(d, count, 0);
            d
        });
        self.put(Op::StoreFrame { s, slot });
        CounterPlace::Frame(slot)
    }

    /// Whether enough registers are left for values if one more is pinned.
    fn can_pin(&self) -> bool {
        self.registers.unpinned() > MIN_REGISTERS
    }

    /// Gives each value that the loop touches, and then each of its constants, a register of its own while registers last.
    /// Spills the other values that it touches. With a call in the loop, the constants get no registers.
    fn canonicalize_for_loop(&mut self, body: &Body) {
        self.emit_all_deferred();
        let height = self.stack.height;
        // Operations need a few registers for themselves.
        let mut room = self.registers.unpinned().saturating_sub(4);
        for depth in 0..64.min(height - self.stack.known.min(height)) {
            if body.touched >> depth & 1 == 0 {
                continue;
            }
            let slot = self.stack.slot(depth);
            if room > 0 {
                self.make_exclusive(slot);
                room -= 1;
            } else {
                self.spill(slot);
            }
        }
        // A slot that is not known to have a value could not be loaded at the end of an iteration.
        self.spill_below(self.stack.known);
        if body.calls {
            return self.spill_untouched(body.touched);
        }
        for value in body.constants.iter() {
            if self.constant_register(value).is_some() || room == 0 || !self.can_pin() {
                continue;
            }
            if let Some(d) = self.registers.find_free(clobbers::<I>()) {
                self.put(Op::Constant { d, value });
                self.registers.pinned |= bit(d);
                self.constants.push((value, d));
                room -= 1;
            }
        }
    }

    /// Spills the values that a loop does not touch. A call in the loop would spill them, and the end of each iteration would load
    /// them again.
    fn spill_untouched(&mut self, touched: u64) {
        let height = self.stack.height;
        for slot in self.stack.low()..height {
            let depth = height - 1 - slot;
            if !(0..64).contains(&depth) || touched >> depth & 1 == 0 {
                self.spill(slot);
            }
        }
    }

    /// Moves an operand of the final branch out of a register that the header expects to hold another value.
    fn preserve_operand(&mut self, operand: Value) -> Value {
        let Value::Reg(s) = operand else { return operand };
        let target_registers = self.header.registers();
        if target_registers & bit(s) == 0 {
            return operand;
        }
        let is_unchanged = |(slot, value): (i64, Value)| value != Value::Reg(s) || self.stack.get(slot) == value;
        if self.header.iter().all(is_unchanged) {
            return operand;
        }
        let d = self.allocate_except(target_registers);
        self.put(Op::Move { d, s });
        self.retain(Value::Reg(d));
        self.release(operand);
        Value::Reg(d)
    }
}
