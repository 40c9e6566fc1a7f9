//! The registers that the values of the stack are in, and how one gets there.

use super::stack::{Stack, Value, WINDOW, bit, bits};
use crate::isa::Isa;
use crate::lir::{AluOp, Op, Reg, Sink, Slot};

/// The registers, and what is in them.
pub struct Registers {
    pool: &'static [Reg],
    /// How many values need each, on the stack or taken from it.
    uses: [u16; 32],
    /// Those that hold a counter or a constant of a loop, a bit each.
    pub pinned: u32,
    /// Those that an operation of this loop destroys.
    pub avoided: u32,
    /// Those in which the next pass of this loop expects its values.
    pub expected: u32,
}

impl Registers {
    pub fn new(pool: &'static [Reg]) -> Registers {
        Registers { pool, uses: [0; 32], pinned: 0, avoided: 0, expected: 0 }
    }

    /// How many values need it.
    pub fn uses(&self, reg: Reg) -> u16 {
        self.uses[reg.0 as usize]
    }

    pub fn is_free(&self, reg: Reg) -> bool {
        self.uses(reg) == 0 && self.pinned & bit(reg) == 0
    }

    fn free(&self, but: u32) -> Option<Reg> {
        self.pool.iter().copied().find(|&reg| self.is_free(reg) && but & bit(reg) == 0)
    }

    /// A free one, if there is one; rather one that nobody waits for.
    pub fn any_free(&self, but: u32) -> Option<Reg> {
        self.free(but | self.avoided | self.expected)
            .or_else(|| self.free(but | self.avoided))
            .or_else(|| self.free(but))
    }

    /// How many hold no counter and no constant.
    pub fn unpinned(&self) -> usize {
        self.pool.iter().filter(|reg| self.pinned & bit(**reg) == 0).count()
    }
}

/// The stack, the registers, and where code for them goes.
pub struct State<'a, S> {
    pub sink: &'a mut S,
    pub stack: Stack,
    pub registers: Registers,
    /// Constants that are in registers while loops run.
    pub constants: Vec<(i64, Reg)>,
}

impl<S: Sink> State<'_, S> {
    /// Takes the topmost value; whoever does gives it back with [`State::release`] when the code that reads it is made.
    pub fn pop(&mut self) -> Value {
        let value = self.stack.values.pop().unwrap_or(Value::Slot);
        self.stack.above -= 1;
        self.stack.has_from(self.stack.above);
        value
    }

    /// Pushes a value, which then needs its register as often as before.
    pub fn push(&mut self, value: Value) {
        if self.stack.values.len() >= WINDOW {
            self.lower_window();
        }
        self.stack.values.push(value);
        self.stack.above += 1;
    }

    /// Puts copies of the topmost values, so many, into their place: those with these numbers, from the lowest on. They have
    /// been proved to be there.
    pub fn reorder<const N: usize>(&mut self, pops: usize, origins: [usize; N]) {
        if self.stack.values.len() >= WINDOW && N > pops {
            self.lower_window();
        }
        let lowest = self.stack.above - pops as i64;
        self.stack.reach(lowest);
        let base = self.stack.values.len() - pops;
        let results = origins.map(|from| self.stack.values[base + from]);
        // As many results as operands are these in another order.
        if N != pops {
            results.iter().for_each(|result| self.hold(*result));
            for index in base..base + pops {
                self.release(self.stack.values[index]);
            }
        }
        self.stack.values.truncate(base);
        self.stack.values.extend_from_slice(&results);
        self.stack.above = lowest + N as i64;
    }

    /// Sends the lower half of the window to its slots.
    #[cold]
    fn lower_window(&mut self) {
        self.spill_below(self.stack.low() + WINDOW as i64 / 2);
        self.stack.values.drain(..WINDOW / 2);
    }

    /// One more value needs what this one needs.
    pub fn hold(&mut self, value: Value) {
        if let Some(reg) = value.reg() {
            self.registers.uses[reg.0 as usize] += 1;
        }
    }

    /// One value less does.
    pub fn release(&mut self, value: Value) {
        if let Some(reg) = value.reg() {
            self.registers.uses[reg.0 as usize] -= 1;
        }
    }

    /// Pushes the value of a register that is free until now.
    pub fn push_new(&mut self, value: Value) {
        self.hold(value);
        self.push(value);
    }

    /// Makes the value of a slot another, which needs its register as often as before.
    pub fn set(&mut self, slot: i64, value: Value) {
        *self.stack.get_mut(slot) = value;
    }

    fn replace(&mut self, slot: i64, value: Value) {
        self.hold(value);
        let old = std::mem::replace(self.stack.get_mut(slot), value);
        self.release(old);
    }

    /// Makes every value on the stack that is this one another.
    fn replace_all(&mut self, this: Value, another: Value) {
        for slot in self.stack.low()..self.stack.above {
            if self.stack.get(slot) == this {
                self.replace(slot, another);
            }
        }
    }

    /// A register that nothing needs. Where there is none the lowest value that is in one goes to its slot.
    pub fn fresh(&mut self) -> Reg {
        self.fresh_but(0)
    }

    /// The same, not one of these.
    pub fn fresh_but(&mut self, but: u32) -> Reg {
        if let Some(reg) = self.registers.any_free(but) {
            return reg;
        }
        let victim = self.stack.iter().filter_map(|(_, value)| value.reg()).find(|&reg| {
            let on_stack = self.stack.iter().filter(|(_, value)| value.reg() == Some(reg)).count();
            but & bit(reg) == 0
                && self.registers.pinned & bit(reg) == 0
                && on_stack == usize::from(self.registers.uses(reg))
        });
        let victim = victim.expect("an operation needs fewer registers than there are");
        self.vacate(victim);
        victim
    }

    /// Sends every value that needs a register to its slot.
    fn vacate(&mut self, reg: Reg) {
        let (low, above) = (self.stack.low(), self.stack.above);
        let needs = |value: Value| value.reg() == Some(reg);
        for slot in low..above {
            if self.stack.get(slot) == Value::Reg(reg) {
                self.sink.put(Op::Store { s: reg, slot: Slot(slot) });
                self.replace(slot, Value::Slot);
            }
        }
        // For the others the register is changed: what it holds waits in the slot of the last of them.
        let Some((last, _)) = self.stack.iter().rev().find(|(_, value)| needs(*value)) else { return };
        let mut is_kept = false;
        for slot in low..=last {
            let value = self.stack.get(slot);
            if !needs(value) {
                continue;
            }
            if is_kept {
                self.sink.put(Op::Load { d: reg, slot: Slot(last) });
            } else if slot != last {
                self.sink.put(Op::Store { s: reg, slot: Slot(last) });
                is_kept = true;
            }
            self.put_deferred(reg, value);
            self.sink.put(Op::Store { s: reg, slot: Slot(slot) });
            self.replace(slot, Value::Slot);
        }
    }

    /// The register of a constant that a loop keeps in one.
    pub fn kept(&self, value: i64) -> Option<Reg> {
        self.constants.iter().find(|(constant, _)| *constant == value).map(|(_, reg)| *reg)
    }

    /// Does in `d` what is still to be done for a value.
    pub fn put_deferred(&mut self, d: Reg, value: Value) {
        let (op, a, imm) = match value {
            Value::Sum(a, more) => (AluOp::Add, a, more),
            Value::Multiple(a, times) => (AluOp::Mul, a, times),
            _ => unreachable!("nothing is deferred"),
        };
        self.sink.put(match self.kept(imm) {
            Some(b) => Op::Alu { op, d, a, b },
            None => Op::AluImm { op, d, a, imm },
        });
    }

    /// Puts the value of a slot into `d`.
    pub fn put_in(&mut self, d: Reg, value: Value, slot: i64) {
        match value {
            Value::Slot => {
                debug_assert!(slot >= self.stack.known, "what is loaded surely has a value");
                self.sink.put(Op::Load { d, slot: Slot(slot) });
            }
            Value::Reg(s) => self.sink.put(Op::Move { d, s }),
            Value::Sum(..) | Value::Multiple(..) => self.put_deferred(d, value),
            Value::Const(value) => self.sink.put(Op::Constant { d, value }),
        }
    }

    /// Puts a value that was taken into a register, and gives it back as that.
    pub fn in_register(&mut self, value: Value, slot: i64) -> Value {
        let now = match value {
            Value::Reg(_) => return value,
            Value::Const(constant) => {
                if let Some(reg) = self.kept(constant) {
                    Value::Reg(reg)
                } else {
                    let d = self.fresh();
                    self.sink.put(Op::Constant { d, value: constant });
                    Value::Reg(d)
                }
            }
            Value::Sum(a, _) | Value::Multiple(a, _) => {
                let alone = self.registers.uses(a) == 1 && self.registers.pinned & bit(a) == 0;
                let d = if alone { a } else { self.fresh() };
                self.put_deferred(d, value);
                if !alone {
                    self.replace_all(value, Value::Reg(d));
                }
                Value::Reg(d)
            }
            Value::Slot => {
                let d = self.fresh();
                self.put_in(d, value, slot);
                Value::Reg(d)
            }
        };
        self.hold(now);
        self.release(value);
        now
    }

    /// Sends the value of a slot there.
    pub fn spill(&mut self, slot: i64) {
        let value = self.stack.get(slot);
        if value == Value::Slot {
            return;
        }
        // It is taken from the stack, so that its register is not given to another meanwhile.
        self.set(slot, Value::Slot);
        let now = self.in_register(value, slot);
        let Value::Reg(s) = now else { unreachable!("it is in a register") };
        self.sink.put(Op::Store { s, slot: Slot(slot) });
        self.release(now);
    }

    /// Sends the values of all slots below this one there.
    pub fn spill_below(&mut self, slot: i64) {
        for slot in self.stack.low()..slot.min(self.stack.above) {
            self.spill(slot);
        }
    }

    /// Sends all values to their slots.
    pub fn flush(&mut self) {
        self.spill_below(self.stack.above);
        self.stack.values.clear();
    }

    /// Puts the value of a slot into a register that nothing else needs, and that no operation of this loop destroys.
    pub fn own_register(&mut self, slot: i64) {
        let value = self.stack.get(slot);
        let avoided = self.registers.avoided;
        if let Some(reg) = value.reg() {
            let alone = self.registers.uses(reg) == 1 && (avoided | self.registers.pinned) & bit(reg) == 0;
            if alone {
                if value.is_deferred() {
                    self.put_deferred(reg, value);
                    self.set(slot, Value::Reg(reg));
                }
                return;
            }
        }
        let d = self.fresh();
        // To have a register the value itself may have had to go to its slot.
        let value = self.stack.get(slot);
        self.put_in(d, value, slot);
        self.replace(slot, Value::Reg(d));
    }

    /// Does all that is deferred.
    pub fn carry_out_deferred(&mut self) {
        for slot in self.stack.low()..self.stack.above {
            let value = self.stack.get(slot);
            if value.is_deferred() {
                self.set(slot, Value::Slot);
                let now = self.in_register(value, slot);
                self.set(slot, now);
            }
        }
    }

    /// Moves what needs one of these registers elsewhere; what was taken from the stack stays.
    pub fn save_from(&mut self, destroyed: &[Reg]) {
        let but = bits(destroyed.iter().copied());
        for &reg in destroyed {
            let needs = |(_, value): &(i64, Value)| value.reg() == Some(reg);
            if !self.stack.iter().any(|entry| needs(&entry)) {
                continue;
            }
            let slots: Vec<i64> = self.stack.iter().filter(needs).map(|(slot, _)| slot).collect();
            if let Some(d) = self.registers.any_free(but) {
                self.sink.put(Op::Move { d, s: reg });
                for slot in slots {
                    self.replace(slot, self.stack.get(slot).of(d));
                }
            } else {
                slots.iter().for_each(|&slot| self.spill(slot));
            }
        }
    }

    /// Takes on another stack, as it is at a place to which the code has come by another way.
    pub fn set_stack(&mut self, stack: Stack) {
        self.registers.uses = [0; 32];
        for (_, value) in stack.iter() {
            if let Some(reg) = value.reg() {
                self.registers.uses[reg.0 as usize] += 1;
            }
        }
        self.stack = stack;
    }
}

/// How many registers the code needs: [`Isa::ALLOCATABLE`] from the first on.
pub fn pool<I: Isa>(wanted: usize, most: usize) -> &'static [Reg] {
    let all = I::ALLOCATABLE.len();
    &I::ALLOCATABLE[..wanted.clamp(LEAST, all).min(most.max(LEAST))]
}

/// With fewer registers an operation could not be carried out.
pub const LEAST: usize = 6;
