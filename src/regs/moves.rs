//! Moves in parallel: from the stack as it is to the stack as another way to the same place has it.

use super::stack::{Stack, Value, bit};
use super::state::State;
use crate::lir::{FrameSlot, Op, Reg, Sink};

/// A value on its way into a register.
#[derive(Clone, Copy)]
struct Way {
    to: Reg,
    from: Value,
    slot: i64,
}

impl<S: Sink> State<'_, S> {
    /// Makes the stack this one: every value goes to where it is there. Both are equally high. `spare` is a frame slot
    /// for a cycle for which no register is free.
    pub fn become_like(&mut self, target: Stack, spare: FrameSlot) {
        debug_assert_eq!(self.stack.above, target.above, "ways that meet have brought the pointer in line");
        let low = self.stack.low().min(target.low());
        let mut filled = 0;
        let mut differs = false;
        for slot in low..target.above {
            let to = target.get(slot);
            debug_assert!(!to.is_deferred(), "what is deferred is done before ways part");
            filled |= to.reg().map_or(0, bit);
            if self.stack.get(slot) != to {
                differs = true;
                if to == Value::Slot {
                    self.spill(slot);
                }
            }
        }
        if differs {
            self.move_to(&target, low, filled, spare);
        }
        self.take_on(target);
    }

    /// Moves into registers what belongs there: those that are filled.
    fn move_to(&mut self, target: &Stack, low: i64, filled: u32, spare: FrameSlot) {
        let mut ways: Vec<Way> = Vec::new();
        let mut open = filled;
        for slot in low..target.above {
            let (from, to) = (self.stack.get(slot), target.get(slot));
            // Values that share a register there are equal.
            if let Value::Reg(to) = to
                && open & bit(to) != 0
            {
                open &= !bit(to);
                if from != Value::Reg(to) {
                    ways.push(Way { to, from, slot });
                }
            }
        }
        let needed = ways.iter().fold(filled, |bits, way| bits | way.from.reg().map_or(0, bit));
        self.go(ways, needed, spare);
    }

    fn go(&mut self, mut ways: Vec<Way>, needed: u32, spare: FrameSlot) {
        // Where a cycle was broken: the register whose value is in the spare frame slot now.
        let mut in_frame = None;
        while !ways.is_empty() {
            let is_read = |to: Reg, but: usize| {
                ways.iter().enumerate().any(|(index, way)| index != but && way.from.reg() == Some(to))
            };
            let next = (0..ways.len()).find(|&index| {
                let to = ways[index].to;
                // What is in the frame has been saved.
                in_frame == Some(to) || !is_read(to, index)
            });
            let Some(next) = next else {
                // Only cycles are left: one register's value is put aside.
                let reg = ways[0].to;
                match self.registers.any_free(needed) {
                    Some(temp) => {
                        self.sink.put(Op::Move { d: temp, s: reg });
                        for way in ways.iter_mut().filter(|way| way.from.reg() == Some(reg)) {
                            way.from = way.from.of(temp);
                        }
                    }
                    None => {
                        self.sink.put(Op::StoreFrame { s: reg, slot: spare });
                        in_frame = Some(reg);
                    }
                }
                continue;
            };
            let Way { to, from, slot } = ways.swap_remove(next);
            if let Some(reg) = from.reg()
                && in_frame == Some(reg)
            {
                // A cycle has one reader of each register.
                self.sink.put(Op::LoadFrame { d: to, slot: spare });
                if from.is_deferred() {
                    self.put_deferred(to, from.of(to));
                }
                in_frame = None;
                continue;
            }
            self.put_in(to, from, slot);
        }
    }
}
