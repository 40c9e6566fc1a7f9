//! Calls: lowers the beginning and the end of functions, and the calls between them.
//!
//! A call clobbers all registers. So the values of the caller are in their slots during a call, and its counters are in its frame
//! slots. The two topmost parameters and the topmost result are passed in registers, the others in their slots. Slots are relative
//! to the data-stack pointer, which is at the base of the active function whenever a function begins or ends. After a call, it
//! stays at the base of the callee until the next call or control flow, and so does the unit of call depth.

use super::stack::{Stack, Value};
use super::state::{AfterCall, State};
use crate::bytecode::{Function, FunctionId, Pc};
use crate::isa::Isa;
use crate::lir::{FrameSlot, Op, Reg, Sink, Slot};

/// The registers of the topmost parameters, that of the top first. The first also holds the topmost result.
pub fn passed<I: Isa>() -> [Reg; 2] {
    [I::ALLOCATABLE[0], I::ALLOCATABLE[1]]
}

/// The frame slots of a function: first its counters, then these.
struct FrameSlots {
    spare: Option<FrameSlot>,
    base: Option<FrameSlot>,
    count: u32,
}

impl FrameSlots {
    fn of(function: &Function, has_spare: bool, has_base: bool) -> FrameSlots {
        let mut count = function.counters;
        let mut slot = |exists: bool| {
            count += u32::from(exists);
            exists.then(|| FrameSlot(count - 1))
        };
        let (spare, base) = (slot(has_spare), slot(has_base));
        FrameSlots { spare, base, count }
    }
}

impl<I: Isa, S: Sink> State<'_, I, S> {
    /// Begins the main program, whose inputs are in their slots.
    pub fn begin_main(&mut self, function: &Function) {
        let FrameSlots { spare, base, .. } = FrameSlots::of(function, true, false);
        (self.spare, self.base) = (spare, base);
        self.set_stack(Stack::in_memory(function.params.into(), 0));
    }

    /// Begins a function. `is_crowded` says that it may need more registers than there are, and `has_calls` that not all of its
    /// calls are inlined.
    pub fn begin_function(&mut self, id: FunctionId, function: &Function, is_crowded: bool, has_calls: bool) {
        let FrameSlots { spare, base, count } = FrameSlots::of(function, is_crowded, function.has_needs);
        (self.spare, self.base) = (spare, base);
        // Padding before the entry belongs to the function before.
        self.put(Op::Function { function: id.0, slots: count, has_calls });
        self.sink.at(function.start.0);
        if let Some(slot) = base {
            self.put(Op::SaveBase { base: Slot(0), slot });
        }
        let stack = self.stack_passing(function.params.into(), 0, function.params);
        self.set_stack(stack);
    }

    /// Calls a function. With `counts_depth`, a unit of call depth has been taken.
    pub fn call(&mut self, id: FunctionId, function: &Function, counts_depth: bool) {
        debug_assert_eq!(self.registers.pinned, 0, "loops with calls keep nothing else in registers");
        let base = self.stack.height - i64::from(function.params);
        self.stack.assume_values_from(base);
        let passed = self.stack_passing(self.stack.height, self.stack.known, function.params);
        self.reconcile(passed);
        self.move_pointer(base);
        self.put(Op::Call { function: id.0 });
        self.after_call.slots += base;
        self.after_call.has_depth = counts_depth;
        let stack = self.stack_passing(function.results.into(), self.stack.known - base, function.results.min(1));
        self.set_stack(stack);
    }

    /// Takes a unit of call depth for the next call, or keeps that of the last call. If there was one for the last call, there is
    /// one for this call.
    pub fn take_depth(&mut self, pc: Pc) {
        if !std::mem::take(&mut self.after_call.has_depth) {
            let site = self.site(pc);
            self.put(Op::TakeDepth { site });
        }
    }

    /// Moves the data-stack pointer and the call depth back to where they were before the last calls.
    pub fn end_calls(&mut self) {
        let AfterCall { slots, has_depth } = std::mem::take(&mut self.after_call);
        self.move_pointer(-slots);
        self.stack.height += slots;
        self.stack.known += slots;
        if has_depth {
            self.put(Op::GiveDepth);
        }
    }

    /// Ends a function: returns to its caller with the data-stack pointer at the base.
    pub fn end_call(&mut self, function: &Function) {
        let results = function.results;
        self.stack.assume_values_from(self.stack.height - i64::from(results));
        let passed = self.stack_passing(self.stack.height, self.stack.known, results.min(1));
        self.reconcile(passed);
        self.move_pointer(self.stack.height - i64::from(results));
        if std::mem::take(&mut self.after_call).has_depth {
            self.put(Op::GiveDepth);
        }
        self.put(Op::EndCall);
    }

    /// A stack of which the topmost values are in the registers that pass them, and the others are in their slots. `values` says
    /// how many are passed; there are registers for two.
    fn stack_passing(&mut self, height: i64, known: i64, values: u32) -> Stack {
        let mut stack = Stack { height, known, values: std::mem::take(&mut self.recycled) };
        let [first, second] = passed::<I>().map(Value::Reg);
        match values {
            0 => {}
            1 => stack.values.push(first),
            _ => stack.values.extend([second, first]),
        }
        stack
    }

    fn move_pointer(&mut self, slots: i64) {
        if slots != 0 {
            self.put(Op::MovePointer { slots });
        }
    }
}
