//! The state of the lowering: the abstract stack, the registers that hold its values, and the sink that receives the LIR.
//!
//! It allocates registers, loads and spills values, and keeps a use count for each register. It knows nothing about control
//! flow.

use std::marker::PhantomData;

use super::stack::{Stack, Value, WINDOW, bit, bits};
use crate::bytecode::{Pc, TrapSite};
use crate::isa::{Isa, Reserved};
use crate::lir::{AluOp, FrameSlot, Label, Op, Reg, Sink, Site, Slot};

/// The registers and their use counts. Sets of registers have a bit for each.
pub struct Registers {
    /// The registers that the code may use.
    pool: &'static [Reg],
    /// The use count of each register: how many values need it, on the stack or popped and not yet released.
    uses: [u16; 32],
    /// The registers that hold a counter or a constant of a loop.
    pub pinned: u32,
    /// The registers that an operation of this loop clobbers.
    pub clobbered: u32,
    /// The registers in which the next iteration of this loop expects its values.
    pub expected: u32,
    /// The registers that the next branch reads. They may also hold values on the stack.
    pub tested: [Option<Reg>; 2],
}

impl Registers {
    pub fn new(pool: &'static [Reg]) -> Registers {
        Registers { pool, uses: [0; 32], pinned: 0, clobbered: 0, expected: 0, tested: [None; 2] }
    }

    /// The use count of a register.
    pub fn uses(&self, reg: Reg) -> u16 {
        self.uses[reg.0 as usize]
    }

    /// The use count of a register without the next branch.
    fn uses_beside_branch(&self, reg: Reg) -> u16 {
        self.uses(reg) - self.tested.iter().filter(|tested| **tested == Some(reg)).count() as u16
    }

    pub fn is_free(&self, reg: Reg) -> bool {
        self.uses(reg) == 0 && self.pinned & bit(reg) == 0
    }

    fn first_free(&self, excluded: u32) -> Option<Reg> {
        self.pool.iter().copied().find(|&reg| self.is_free(reg) && excluded & bit(reg) == 0)
    }

    /// A free register that is not excluded, if there is one. Registers that this loop neither clobbers nor expects are
    /// preferred, then those that it does not clobber.
    pub fn find_free(&self, excluded: u32) -> Option<Reg> {
        self.first_free(excluded | self.clobbered | self.expected)
            .or_else(|| self.first_free(excluded | self.clobbered))
            .or_else(|| self.first_free(excluded))
    }

    /// The number of registers that hold neither a counter nor a constant.
    pub fn unpinned(&self) -> usize {
        self.pool.iter().filter(|reg| self.pinned & bit(**reg) == 0).count()
    }
}

/// What a call has left behind. The next call often needs the same, so it is undone only before control flow.
#[derive(Default)]
pub struct AfterCall {
    /// The number of slots from the data-stack pointer's place before the call to where it is now: the base of the callee.
    pub slots: i64,
    /// Whether the unit of call depth that the call took has not been given back.
    pub has_depth: bool,
}

/// The stack, the registers and the sink that receives the LIR.
pub struct State<'a, I, S> {
    pub sink: &'a mut S,
    pub stack: Stack,
    pub registers: Registers,
    /// The constants that the open loops keep in registers.
    pub constants: Vec<(i64, Reg)>,
    /// The stack with which every iteration of the innermost loop begins.
    pub header: Stack,
    /// The frame slot that breaks a cycle of moves when no register is free. A function with so few values that a register is
    /// always free has none.
    pub spare: Option<FrameSlot>,
    /// The frame slot that holds the base of the function, if the function compares heights with it.
    pub base: Option<FrameSlot>,
    /// What the last call has left behind.
    pub after_call: AfterCall,
    /// An empty vector for the values of the next stack. It keeps its memory.
    pub recycled: Vec<Value>,
    /// The number of memory cells.
    pub cells: usize,
    labels: u32,
    sites: Vec<TrapSite>,
    isa: PhantomData<I>,
}

impl<'a, I: Isa, S: Sink> State<'a, I, S> {
    /// Begins with an empty stack.
    pub fn new(sink: &'a mut S, pool: &'static [Reg], cells: usize) -> State<'a, I, S> {
        State {
            sink,
            stack: Stack::default(),
            registers: Registers::new(pool),
            constants: Vec::new(),
            header: Stack::default(),
            spare: None,
            base: None,
            after_call: AfterCall::default(),
            recycled: Vec::new(),
            cells,
            labels: 0,
            sites: Vec::new(),
            isa: PhantomData,
        }
    }

    /// The trap sites of the code.
    pub fn into_sites(self) -> Vec<TrapSite> {
        self.sites
    }

    pub fn put(&mut self, op: Op) {
        self.sink.put(op);
    }

    pub fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    /// Adds a trap site with the current height of the stack.
    pub fn site(&mut self, pc: Pc) -> Site {
        let values_above = self.stack.height;
        self.site_with(pc, values_above)
    }

    /// Adds a trap site with `values_above` values above the data-stack pointer.
    pub fn site_with(&mut self, pc: Pc, values_above: i64) -> Site {
        self.sites.push(TrapSite { pc, values_above });
        Site(self.sites.len() as u32 - 1)
    }

    /// Pops the topmost value. The caller must [`release`](State::release) it once the code that reads it has been emitted.
    pub fn pop(&mut self) -> Value {
        let value = self.stack.values.pop().unwrap_or(Value::Slot);
        self.stack.height -= 1;
        self.stack.assume_values_from(self.stack.height);
        value
    }

    /// Pushes a value without changing the use count of its register.
    pub fn push(&mut self, value: Value) {
        if self.stack.values.len() >= WINDOW {
            self.spill_half_window();
        }
        self.stack.values.push(value);
        self.stack.height += 1;
    }

    /// Replaces the `pops` topmost values with copies of themselves. `origins` lists the operand that each result copies, lowest
    /// first; operands are numbered from the lowest. The caller must have established that the operands exist.
    pub fn reorder<const N: usize>(&mut self, pops: usize, origins: [usize; N]) {
        if self.stack.values.len() >= WINDOW && N > pops {
            self.spill_half_window();
        }
        let lowest = self.stack.height - pops as i64;
        self.stack.extend_down_to(lowest);
        let base = self.stack.values.len() - pops;
        let results = origins.map(|from| self.stack.values[base + from]);
        // If there are as many results as operands, they are a permutation, and use counts do not change.
        if N != pops {
            results.iter().for_each(|result| self.retain(*result));
            for index in base..base + pops {
                self.release(self.stack.values[index]);
            }
        }
        self.stack.values.truncate(base);
        self.stack.values.extend_from_slice(&results);
        self.stack.height = lowest + N as i64;
    }

    /// Spills the lower half of the window.
    #[cold]
    fn spill_half_window(&mut self) {
        self.spill_below(self.stack.low() + WINDOW as i64 / 2);
        self.stack.values.drain(..WINDOW / 2);
    }

    /// Increments the use count of the value's register.
    pub fn retain(&mut self, value: Value) {
        if let Some(reg) = value.reg() {
            self.registers.uses[reg.0 as usize] += 1;
        }
    }

    /// Decrements the use count of the value's register.
    pub fn release(&mut self, value: Value) {
        if let Some(reg) = value.reg() {
            self.registers.uses[reg.0 as usize] -= 1;
        }
    }

    /// Pushes a value and increments the use count of its register.
    pub fn push_new(&mut self, value: Value) {
        self.retain(value);
        self.push(value);
    }

    /// Replaces the value of a slot without changing any use count.
    pub fn set(&mut self, slot: i64, value: Value) {
        *self.stack.get_mut(slot) = value;
    }

    /// Replaces the value of a slot and updates the use counts.
    fn replace(&mut self, slot: i64, value: Value) {
        self.retain(value);
        let previous = std::mem::replace(self.stack.get_mut(slot), value);
        self.release(previous);
    }

    /// Replaces every value on the stack that equals `old` and updates the use counts.
    fn replace_all(&mut self, old: Value, new: Value) {
        for slot in self.stack.low()..self.stack.height {
            if self.stack.get(slot) == old {
                self.replace(slot, new);
            }
        }
    }

    /// Returns a free register. If there is none, spills the register of the lowest value that is in one.
    pub fn allocate(&mut self) -> Reg {
        self.allocate_except(0)
    }

    /// Like [`allocate`](State::allocate), but never returns one of the excluded registers.
    pub fn allocate_except(&mut self, excluded: u32) -> Reg {
        if let Some(reg) = self.registers.find_free(excluded) {
            return reg;
        }
        let victim = self.stack.iter().filter_map(|(_, value)| value.reg()).find(|&reg| {
            let on_stack = self.stack.iter().filter(|(_, value)| value.reg() == Some(reg)).count();
            excluded & bit(reg) == 0
                && self.registers.pinned & bit(reg) == 0
                && on_stack == usize::from(self.registers.uses(reg))
        });
        let victim = victim.expect("every operation needs fewer registers than the pool has");
        self.spill_register(victim);
        victim
    }

    /// Spills every value that needs the register `reg`.
    fn spill_register(&mut self, reg: Reg) {
        let (low, height) = (self.stack.low(), self.stack.height);
        let needs = |value: Value| value.reg() == Some(reg);
        for slot in low..height {
            if self.stack.get(slot) == Value::Reg(reg) {
                self.put(Op::Store { s: reg, slot: Slot(slot) });
                self.replace(slot, Value::Slot);
            }
        }
        // The remaining values are deferred, and each is computed in the register itself. In the meantime, the slot of the last
        // one saves the content of the register.
        let Some((last, _)) = self.stack.iter().rev().find(|(_, value)| needs(*value)) else { return };
        let mut is_kept = false;
        for slot in low..=last {
            let value = self.stack.get(slot);
            if !needs(value) {
                continue;
            }
            if is_kept {
                self.put(Op::Load { d: reg, slot: Slot(last) });
            } else if slot != last {
                self.put(Op::Store { s: reg, slot: Slot(last) });
                is_kept = true;
            }
            self.emit_deferred(reg, value);
            self.put(Op::Store { s: reg, slot: Slot(slot) });
            self.replace(slot, Value::Slot);
        }
    }

    /// The register in which a loop keeps a constant, if any.
    pub fn constant_register(&self, value: i64) -> Option<Reg> {
        self.constants.iter().find(|(constant, _)| *constant == value).map(|(_, reg)| *reg)
    }

    /// Computes a deferred value into `d`.
    pub fn emit_deferred(&mut self, d: Reg, value: Value) {
        let (op, a, imm) = match value {
            Value::Sum(a, more) => (AluOp::Add, a, more),
            Value::Multiple(a, times) => (AluOp::Mul, a, times),
            _ => unreachable!("the value is not deferred"),
        };
        self.put(match self.constant_register(imm) {
            Some(b) => Op::Alu { op, d, a, b },
            None => Op::AluImm { op, d, a, imm },
        });
    }

    /// Emits the code that puts a value into `d`. `slot` is its slot.
    pub fn emit_into(&mut self, d: Reg, value: Value, slot: i64) {
        match value {
            Value::Slot => {
                debug_assert!(slot >= self.stack.known, "a slot that is loaded is known to have a value");
                self.put(Op::Load { d, slot: Slot(slot) });
            }
            Value::Reg(s) => self.put(Op::Move { d, s }),
            Value::Sum(..) | Value::Multiple(..) => self.emit_deferred(d, value),
            Value::Const(value) => self.put(Op::Constant { d, value }),
        }
    }

    /// Puts a popped value into a register and returns the value in that register. Use counts are updated.
    pub fn materialize(&mut self, value: Value, slot: i64) -> Value {
        let now = match value {
            Value::Reg(_) => return value,
            Value::Const(constant) => {
                if let Some(reg) = self.constant_register(constant) {
                    Value::Reg(reg)
                } else {
                    let d = self.allocate();
                    self.put(Op::Constant { d, value: constant });
                    Value::Reg(d)
                }
            }
            Value::Sum(a, _) | Value::Multiple(a, _) => {
                let is_exclusive = self.registers.uses(a) == 1 && self.registers.pinned & bit(a) == 0;
                let d = if is_exclusive { a } else { self.allocate() };
                self.emit_deferred(d, value);
                if !is_exclusive {
                    self.replace_all(value, Value::Reg(d));
                }
                Value::Reg(d)
            }
            Value::Slot => {
                let d = self.allocate();
                self.emit_into(d, value, slot);
                Value::Reg(d)
            }
        };
        self.retain(now);
        self.release(value);
        now
    }

    /// Spills the value of a slot, unless the slot already holds it.
    pub fn spill(&mut self, slot: i64) {
        let value = self.stack.get(slot);
        if value == Value::Slot {
            return;
        }
        // While the value is not on the stack, it keeps its register: `allocate` spills only values on the stack.
        self.set(slot, Value::Slot);
        let now = self.materialize(value, slot);
        let Value::Reg(s) = now else { unreachable!("the value is in a register") };
        self.put(Op::Store { s, slot: Slot(slot) });
        self.release(now);
    }

    /// Spills the values of all slots below this one.
    pub fn spill_below(&mut self, slot: i64) {
        for slot in self.stack.low()..slot.min(self.stack.height) {
            self.spill(slot);
        }
    }

    /// Spills all values.
    pub fn flush(&mut self) {
        self.spill_below(self.stack.height);
        self.stack.values.clear();
    }

    /// Puts the value of a slot into a register that no other value on the stack needs, preferably one that no operation of this
    /// loop clobbers.
    pub fn make_exclusive(&mut self, slot: i64) {
        let value = self.stack.get(slot);
        let clobbered = self.registers.clobbered;
        if let Some(reg) = value.reg() {
            let is_exclusive =
                self.registers.uses_beside_branch(reg) == 1 && (clobbered | self.registers.pinned) & bit(reg) == 0;
            if is_exclusive {
                if value.is_deferred() {
                    debug_assert_eq!(self.registers.uses(reg), 1, "the next branch still reads the register");
                    self.emit_deferred(reg, value);
                    self.set(slot, Value::Reg(reg));
                }
                return;
            }
        }
        let d = self.allocate();
        // `allocate` may have spilled this very value.
        let value = self.stack.get(slot);
        self.emit_into(d, value, slot);
        self.replace(slot, Value::Reg(d));
    }

    /// Computes all deferred values.
    pub fn emit_all_deferred(&mut self) {
        for slot in self.stack.low()..self.stack.height {
            let value = self.stack.get(slot);
            if value.is_deferred() {
                self.set(slot, Value::Slot);
                let now = self.materialize(value, slot);
                self.set(slot, now);
            }
        }
    }

    /// Moves the values on the stack out of these registers, or spills them. Popped values stay.
    pub fn move_out_of(&mut self, destroyed: &[Reg]) {
        let excluded = bits(destroyed.iter().copied());
        for &reg in destroyed {
            let needs = |(_, value): &(i64, Value)| value.reg() == Some(reg);
            if !self.stack.iter().any(|entry| needs(&entry)) {
                continue;
            }
            let slots: Vec<i64> = self.stack.iter().filter(needs).map(|(slot, _)| slot).collect();
            if let Some(d) = self.registers.find_free(excluded) {
                self.put(Op::Move { d, s: reg });
                for slot in slots {
                    self.replace(slot, self.stack.get(slot).with_register(d));
                }
            } else {
                slots.iter().for_each(|&slot| self.spill(slot));
            }
        }
    }

    /// Spills all values and moves the data-stack pointer so that `height` values are above it.
    pub fn flush_and_set_height(&mut self, height: i64) {
        self.flush();
        let slots = self.stack.height - height;
        if slots != 0 {
            self.put(Op::MovePointer { slots });
        }
        self.stack = Stack::in_memory(height, height);
    }

    /// Replaces the stack with that of another path to the same place, and recomputes the use counts.
    pub fn set_stack(&mut self, stack: Stack) {
        self.registers.uses = [0; 32];
        for (_, value) in stack.iter() {
            if let Some(reg) = value.reg() {
                self.registers.uses[reg.0 as usize] += 1;
            }
        }
        self.recycled = std::mem::replace(&mut self.stack, stack).values;
        self.recycled.clear();
    }
}

/// The registers that the code may use: the first `wanted` of those that are not reserved, at most `most` and at least
/// [`MIN_REGISTERS`].
pub fn pool<I: Isa>(wanted: usize, most: usize, reserved: Reserved) -> &'static [Reg] {
    let usable = I::usable(reserved);
    &usable[..wanted.clamp(MIN_REGISTERS, usable.len()).min(most.max(MIN_REGISTERS))]
}

/// The fewest registers with which every operation can be lowered.
pub const MIN_REGISTERS: usize = 6;
