//! A second entry of the code, at the header of a loop.
//!
//! When an interpreter or code of the baseline has found a loop hot, execution enters this code there, between two iterations. All
//! values are in their slots, and the counters of the open loops are in the frame. The entry loads what the header expects in
//! registers.

use std::ops::Range;

use super::loops::{Loop, repeat_condition};
use super::stack::{Stack, Value};
use super::state::State;
use crate::bytecode::Bytecode;
use crate::isa::Isa;
use crate::lir::{FrameSlot, Label, Op, Reg, Sink, Slot};

/// What an entry must establish.
pub struct Entry {
    /// The label of the header.
    header: Label,
    /// The stack there.
    stack: Stack,
    pinned: u32,
    clobbered: u32,
    expected: u32,
    /// The constants that the open loops keep in registers.
    constants: Vec<(i64, Reg)>,
    /// The counters that they keep in registers, each with its frame slot.
    counters: Vec<(Reg, FrameSlot)>,
    /// If the loop's condition is repeated at the end of each iteration, its operations, and the label of the loop's end. The header
    /// is after the condition, so the entry must evaluate the condition first.
    repeated: Option<(Range<usize>, Label)>,
}

impl Entry {
    /// The entry at the header of the innermost open loop. The state must be that at the header.
    pub fn at<I: Isa, S: Sink>(open: &Loop, state: &State<I, S>, counters: Vec<(Reg, FrameSlot)>) -> Entry {
        Entry {
            header: open.header(),
            stack: state.header.clone(),
            pinned: state.registers.pinned,
            clobbered: state.registers.clobbered,
            expected: state.registers.expected,
            constants: state.constants.clone(),
            counters,
            repeated: open.repeated(),
        }
    }

    /// Emits the entry. It must follow [`Op::Main`].
    pub fn put<I: Isa, S: Sink>(self, state: &mut State<I, S>, code: &Bytecode, homes: &[u8]) {
        let Stack { height, known, .. } = self.stack;
        state.put(Op::Entry);
        if height != 0 {
            state.put(Op::MovePointer { slots: -height });
        }
        for (d, slot) in self.counters {
            state.put(Op::LoadFrame { d, slot });
        }
        for &(value, d) in &self.constants {
            state.put(Op::Constant { d, value });
        }
        let Some((condition, exit)) = self.repeated else {
            for (slot, value) in self.stack.iter() {
                if let Value::Reg(d) = value {
                    state.put(Op::Load { d, slot: Slot(slot) });
                }
            }
            return state.put(Op::Jump { to: self.header });
        };
        let registers = &mut state.registers;
        (registers.pinned, registers.clobbered, registers.expected) = (self.pinned, self.clobbered, self.expected);
        state.constants = self.constants;
        state.header = self.stack;
        state.set_stack(Stack::in_memory(height, known));
        repeat_condition(self.header, condition, state, code, homes);
        state.put(Op::Jump { to: exit });
        let registers = &mut state.registers;
        (registers.pinned, registers.clobbered, registers.expected) = (0, 0, 0);
        state.constants.clear();
    }
}
