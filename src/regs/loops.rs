//! Loops: what has a register while one runs, and how a pass ends where the next one begins.

use std::ops::Range;

use super::branches::Test;
use super::lower::{Lowering, Open};
use super::stack::{Stack, Value, bit, bits};
use super::state::LEAST;
use super::summary::{Body, Role, role};
use crate::bytecode::{Counter, Op as Code, Pc};
use crate::isa::Isa;
use crate::lir::{AluOp, Cond, FrameSlot, Label, Op, Reg, Sink};

/// The condition of a `while` loop is repeated where it is no longer, in operations.
const REPEATED: usize = 8;

/// A loop that is being lowered.
pub(super) struct Loop {
    pub head: Label,
    /// The stack with which every pass begins; where the condition is repeated, behind it.
    pub at_head: Stack,
    pub body: Body,
    /// The condition, where it is to be repeated at the end of each pass.
    pub condition: Option<Range<usize>>,
    /// Where a counted loop counts.
    counter: Option<Place>,
    /// Where it goes that is left, and with which stack: a counted loop's is that of its head.
    exit: Option<(Label, Option<Stack>)>,
    /// What was so before the loop.
    saved: Saved,
}

#[derive(Clone, Copy)]
enum Place {
    Register(Reg),
    Frame(FrameSlot),
}

/// What holds for the registers within a loop.
#[derive(Clone, Copy)]
struct Saved {
    pinned: u32,
    avoided: u32,
    expected: u32,
    constants: usize,
}

/// How many loops at most have their counters in registers: the innermost.
pub(super) fn counters<I: Isa>() -> usize {
    I::ALLOCATABLE.len() / 4
}

impl<I: Isa, S: Sink> Lowering<'_, I, S> {
    pub fn times(&mut self, counter: Counter) {
        let count = self.state.pop();
        // Where it surely begins its count need not be asked.
        let count = match count {
            Value::Const(1..) => count,
            _ => self.state.in_register(count, self.state.stack.above),
        };
        self.begin_loop(Some((counter, count)), None);
        let label = self.label();
        let body = self.open_loop();
        body.exit = Some((label, None));
        let Some(held) = count.reg() else { return };
        let (a, is_held) = match body.counter {
            Some(Place::Register(reg)) => (reg, false),
            _ => (held, true),
        };
        self.put(Op::BranchImm { cond: Cond::Le, a, imm: 0, to: label });
        if is_held {
            self.state.release(count);
        }
    }

    /// Begins a `while` loop.
    pub fn begin_while(&mut self, pc: Pc) {
        let condition = self.condition(pc);
        let is_repeated = condition.is_some();
        self.begin_loop(None, condition);
        if !is_repeated {
            self.put_head();
        }
    }

    /// The operations before the one that leaves a `while` loop, where they are few, straight, and leave the stack as high
    /// as they find it. They are then carried out before the loop and at the end of each pass: a pass has one branch, not two.
    fn condition(&self, pc: Pc) -> Option<Range<usize>> {
        let inner = self.code.heads().get(self.next_loop + 1);
        let rest = &self.code.ops()[pc.index()..];
        let count = rest.iter().take(REPEATED + 1).position(|op| matches!(op, Code::BranchIfZero(_)))?;
        let leaves = Pc((pc.index() + count) as u32);
        let Code::BranchIfZero(to) = self.code.ops()[leaves.index()] else { unreachable!("it was found") };
        let is_own = role(self.code, leaves, to) == Role::Leave && inner.is_none_or(|inner| *inner > leaves);
        let mut pushed = 0;
        for op in &rest[..count] {
            pushed += match op {
                Code::Literal(_) | Code::Pick(_) => 1,
                Code::Word(word) => word.pushes() as i64 - word.pops() as i64,
                Code::Fuel => 0,
                _ => return None,
            };
        }
        let is_level = pushed == 1 && !self.summary.loops[self.next_loop].moves_pointer;
        (is_own && is_level).then_some(pc.index()..leaves.index())
    }

    /// The place to which the innermost loop goes back.
    pub fn put_head(&mut self) {
        let body = self.innermost_loop().expect("it has begun");
        let (head, is_innermost) = (body.head, body.body.is_innermost());
        if is_innermost {
            self.put(Op::Align);
        }
        self.put(Op::Label(head));
    }

    /// Readies the stack and the registers for a loop. The count of a counted one has been taken; where it has a register
    /// of the loop's own it is given back. Where the condition is repeated, the stack is made ready behind it.
    fn begin_loop(&mut self, counted: Option<(Counter, Value)>, condition: Option<Range<usize>>) {
        let body = self.summary.loops[self.next_loop];
        self.next_loop += 1;
        let registers = &mut self.state.registers;
        let saved = Saved {
            pinned: registers.pinned,
            avoided: registers.avoided,
            expected: registers.expected,
            constants: self.state.constants.len(),
        };
        let destroyed = |does: bool, clobbers: &[Reg]| if does { bits(clobbers.iter().copied()) } else { 0 };
        registers.avoided = destroyed(body.shifts, I::SHIFT_CLOBBERS) | destroyed(body.divides, I::DIVIDE_CLOBBERS);
        registers.expected = 0;
        let counter = counted.map(|(counter, count)| self.place_counter(counter, count));
        if body.moves_pointer {
            self.state.flush();
            // The stack may be at another height with every pass: nothing is known of what lies below.
            let above = self.state.stack.above;
            self.state.stack = Stack::in_memory(above, above);
        } else if condition.is_none() {
            self.settle_for_loop(&body);
        }
        let head = self.label();
        let at_head = match &condition {
            Some(_) => self.state.stack.clone(),
            // A counter in the frame needs a register to be counted in.
            None => self.settled(1),
        };
        self.enter(Open::Loop(Loop { head, at_head, body, condition, counter, exit: None, saved }));
    }

    /// Leaves so many registers free, and gives the stack with which the next pass will begin: as it is now.
    fn settled(&mut self, free: usize) -> Stack {
        let mut found = 0;
        for _ in 0..free {
            found |= bit(self.state.fresh_but(found));
        }
        self.state.registers.expected = self.state.stack.registers();
        self.state.stack.clone()
    }

    /// The loop that has begun last, where no `if` has since.
    fn open_loop(&mut self) -> &mut Loop {
        match self.open.last_mut() {
            Some(Open::Loop(body)) => body,
            _ => unreachable!("a loop is open"),
        }
    }

    /// Leaves a `while` loop where the comparison holds.
    pub fn leave_while(&mut self, test: Test) {
        let label = self.label();
        let Loop { body, ref condition, .. } = *self.open_loop();
        let is_repeated = condition.is_some();
        if is_repeated {
            self.settle_for_loop(&body);
            // At the end of a pass both operands may have to make way for what belongs into their registers, and there
            // may be a cycle among those.
            self.open_loop().at_head = self.settled(3);
        }
        self.tested(test);
        self.put(test.branch(label));
        self.open_loop().exit = Some((label, Some(self.state.stack.clone())));
        if is_repeated {
            self.put_head();
        }
    }

    /// Where a counted loop counts; the count is a constant or in a register. A register for that is the loop's alone.
    fn place_counter(&mut self, counter: Counter, count: Value) -> Place {
        let registers = &self.state.registers;
        let is_own = |s: Reg| registers.uses(s) == 1 && (self.clobbered | registers.pinned) & bit(s) == 0;
        let d = if (counter.0 as usize) < counters::<I>() && self.may_pin() {
            count.reg().filter(|s| is_own(*s)).or_else(|| registers.any_free(self.clobbered))
        } else {
            None
        };
        if let Some(d) = d {
            self.state.put_in(d, count, 0);
            self.state.release(count);
            self.state.registers.pinned |= bit(d);
            return Place::Register(d);
        }
        let slot = FrameSlot(counter.0);
        let s = count.reg().unwrap_or_else(|| {
            let d = self.state.fresh();
            self.state.put_in(d, count, 0);
            d
        });
        self.put(Op::StoreFrame { s, slot });
        Place::Frame(slot)
    }

    /// Whether enough registers are left for values.
    fn may_pin(&self) -> bool {
        self.state.registers.unpinned() > LEAST
    }

    /// Gives every slot that the loop touches a register of its own, and its constants as well, as far as there are some.
    fn settle_for_loop(&mut self, body: &Body) {
        self.state.carry_out_deferred();
        let above = self.state.stack.above;
        // An operation needs some for itself.
        let mut room = self.state.registers.unpinned().saturating_sub(4);
        for depth in 0..64.min(above - self.state.stack.known.min(above)) {
            if body.touched >> depth & 1 == 0 {
                continue;
            }
            let slot = self.state.stack.slot(depth);
            if room > 0 {
                self.state.own_register(slot);
                room -= 1;
            } else {
                self.state.spill(slot);
            }
        }
        // Slots of which it is not known that they have values stay where they are.
        self.state.spill_below(self.state.stack.known);
        for value in body.constants.iter() {
            if self.state.kept(value).is_some() || room == 0 || !self.may_pin() {
                continue;
            }
            if let Some(d) = self.state.registers.any_free(self.clobbered) {
                self.put(Op::Constant { d, value });
                self.state.registers.pinned |= bit(d);
                self.state.constants.push((value, d));
                room -= 1;
            }
        }
    }

    pub fn next(&mut self) {
        let body = self.end_iteration();
        match body.counter.expect("it is counted") {
            Place::Register(d) => self.put(Op::CountDown { d, to: body.head }),
            Place::Frame(slot) => {
                let a = self.state.registers.any_free(0).expect("every pass begins with a free register");
                self.put(Op::LoadFrame { d: a, slot });
                self.put(Op::AluImm { op: AluOp::Sub, d: a, a, imm: 1 });
                self.put(Op::StoreFrame { s: a, slot });
                self.put(Op::BranchImm { cond: Cond::Ne, a, imm: 0, to: body.head });
            }
        }
        let (label, _) = body.exit.expect("a counted loop may be skipped");
        self.put(Op::Label(label));
        self.leave(body.saved);
    }

    pub fn jump_back(&mut self) {
        let body = match self.open_loop().condition.take() {
            Some(condition) => self.test_again(condition),
            None => {
                let body = self.end_iteration();
                self.put(Op::Jump { to: body.head });
                body
            }
        };
        let (label, stack) = body.exit.expect("a `while` loop is left somewhere");
        self.put(Op::Label(label));
        self.leave(body.saved);
        self.state.set_stack(stack.expect("where it is left the stack is known"));
    }

    /// Carries the condition of a `while` loop out once more, and goes on with the next pass where it holds.
    fn test_again(&mut self, condition: Range<usize>) -> Loop {
        let fused = match self.code.ops()[condition.end - 1] {
            Code::Word(word) => word.comparison(),
            _ => None,
        };
        let straight = condition.start..condition.end - usize::from(fused.is_some());
        for index in straight {
            let pc = Pc(index as u32);
            self.state.sink.at(pc.0);
            self.straight(self.code.ops()[index], pc);
        }
        self.state.sink.at(condition.end as u32);
        let Test { cond, a, b } = self.test(fused);
        let a = self.out_of_the_way(a);
        let b = self.out_of_the_way(b);
        let Some(Open::Loop(mut body)) = self.exit() else { unreachable!("a way back ends a loop") };
        self.state.reconcile(std::mem::take(&mut body.at_head), self.spare);
        self.put(Test { cond, a, b }.branch(body.head));
        body
    }

    /// Moves an operand out of a register into which another value is about to go.
    fn out_of_the_way(&mut self, operand: Value) -> Value {
        let Value::Reg(s) = operand else { return operand };
        let at_head = &self.innermost_loop().expect("a loop ends").at_head;
        let filled = at_head.registers();
        if filled & bit(s) == 0 {
            return operand;
        }
        let is_there = |(slot, value): (i64, Value)| value != Value::Reg(s) || self.state.stack.get(slot) == value;
        if at_head.iter().all(is_there) {
            return operand;
        }
        let d = self.state.fresh_but(filled);
        self.put(Op::Move { d, s });
        self.state.hold(Value::Reg(d));
        self.state.release(operand);
        Value::Reg(d)
    }

    /// Brings everything to where the next pass expects it.
    fn end_iteration(&mut self) -> Loop {
        let Some(Open::Loop(mut body)) = self.exit() else { unreachable!("a way back ends a loop") };
        let at_head = std::mem::take(&mut body.at_head);
        if body.body.moves_pointer {
            self.flush_and_meet(at_head.above);
        } else {
            self.state.reconcile(at_head, self.spare);
        }
        body
    }

    /// The registers of a loop's own are free again.
    fn leave(&mut self, saved: Saved) {
        let Saved { pinned, avoided, expected, constants } = saved;
        self.state.constants.truncate(constants);
        let registers = &mut self.state.registers;
        (registers.pinned, registers.avoided, registers.expected) = (pinned, avoided, expected);
    }
}
