//! Reconciliation: emits the spills, loads and parallel moves that turn the current stack into the stack of another path to
//! the same place.

use super::stack::{Stack, Value, bit};
use super::state::State;
use crate::isa::Isa;
use crate::lir::{FrameSlot, Op, Reg, Sink};
use crate::parallel_moves::{Breaker, Move, Register, Source, Step, resolve};

/// The source of a move: a value and its slot.
#[derive(Clone, Copy)]
struct Moved {
    value: Value,
    slot: i64,
}

impl Source for Moved {
    fn register(self) -> Option<Register> {
        self.value.reg().map(|reg| reg.0)
    }

    fn with_register(self, register: Register) -> Moved {
        Moved { value: self.value.with_register(Reg(register)), ..self }
    }

    fn is_in(self, register: Register) -> bool {
        self.value == Value::Reg(Reg(register))
    }
}

impl<I: Isa, S: Sink> State<'_, I, S> {
    /// Makes the stack equal to `target`, which has the same height. Spills come first, then all moves into registers at once.
    pub fn reconcile(&mut self, target: Stack) {
        debug_assert_eq!(self.stack.height, target.height, "the stacks on both paths have the same height");
        let low = self.stack.low().min(target.low());
        let mut target_registers = 0;
        let mut differs = false;
        for slot in low..target.height {
            let to = target.get(slot);
            debug_assert!(!to.is_deferred(), "deferred values are computed before paths part");
            target_registers |= to.reg().map_or(0, bit);
            let value = self.stack.get(slot);
            if value != to {
                if to == Value::Slot {
                    self.spill(slot);
                }
                // A spill from a register moves nothing else. Other spills need a register, which may have held another value.
                differs |= to != Value::Slot || !matches!(value, Value::Reg(_));
            }
        }
        if differs {
            self.move_to(&target, low, target_registers);
        }
        self.set_stack(target);
    }

    fn spare_slot(&self) -> FrameSlot {
        self.spare.expect("a function without a spare slot has a free register")
    }

    /// Moves values into the registers of the target, `target_registers`.
    fn move_to(&mut self, target: &Stack, low: i64, target_registers: u32) {
        let mut moves = Vec::new();
        let mut pending = target_registers;
        for slot in low..target.height {
            let (value, to) = (self.stack.get(slot), target.get(slot));
            // Values that share a register in the target are equal, so one move is enough.
            if let Value::Reg(to) = to
                && pending & bit(to) != 0
            {
                pending &= !bit(to);
                if value != Value::Reg(to) {
                    moves.push(Move { to: to.0, from: Moved { value, slot } });
                }
            }
        }
        let needed = moves.iter().fold(target_registers, |bits, step| bits | step.from.value.reg().map_or(0, bit));
        let breaker = self.registers.find_free(needed).map_or(Breaker::Memory, |scratch| Breaker::Scratch(scratch.0));
        resolve(moves, breaker, |step| match step {
            Step::Set(Move { to, from }) => self.emit_into(Reg(to), from.value, from.slot),
            Step::Copy { to, from } => self.put(Op::Move { d: Reg(to), s: Reg(from) }),
            Step::Save(from) => {
                let slot = self.spare_slot();
                self.put(Op::StoreFrame { s: Reg(from), slot });
            }
            Step::Restore(Move { to, from }) => {
                let d = Reg(to);
                let slot = self.spare_slot();
                self.put(Op::LoadFrame { d, slot });
                if from.value.is_deferred() {
                    self.emit_deferred(d, from.value.with_register(d));
                }
            }
            Step::Exchange(..) => unreachable!("cycles are broken with a scratch register or in memory"),
        });
    }
}
