//! The abstract stack: where each value is.

use crate::lir::Reg;

/// Where a value of the stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// In its slot in memory.
    Slot,
    /// In a register; its slot holds anything. Several values may be in one register.
    Reg(Reg),
    /// It is what the register holds and so much more.
    Sum(Reg, i64),
    /// It is what the register holds so many times.
    Multiple(Reg, i64),
    /// It is known, and nowhere.
    Const(i64),
}

impl Value {
    /// The register that it needs.
    pub fn reg(self) -> Option<Reg> {
        match self {
            Value::Reg(reg) | Value::Sum(reg, _) | Value::Multiple(reg, _) => Some(reg),
            Value::Slot | Value::Const(_) => None,
        }
    }

    /// The same of another register.
    pub fn with_register(self, reg: Reg) -> Value {
        match self {
            Value::Reg(_) => Value::Reg(reg),
            Value::Sum(_, more) => Value::Sum(reg, more),
            Value::Multiple(_, times) => Value::Multiple(reg, times),
            Value::Slot | Value::Const(_) => self,
        }
    }

    /// Whether something is still to be done with the register.
    pub fn is_deferred(self) -> bool {
        matches!(self, Value::Sum(..) | Value::Multiple(..))
    }
}

/// The abstract stack at one place of the code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// How many values lie above the data-stack pointer.
    pub height: i64,
    /// The lowest slot that surely has a value.
    pub known: i64,
    /// The topmost values; those below are in their slots.
    pub values: Vec<Value>,
}

/// No more values than these are kept anywhere but in their slots.
pub const WINDOW: usize = 64;

impl Stack {
    /// A stack whose values are all in their slots.
    pub fn in_memory(height: i64, known: i64) -> Stack {
        Stack { height, known, values: Vec::new() }
    }

    /// The lowest slot whose value may be elsewhere.
    pub fn low(&self) -> i64 {
        self.height - self.values.len() as i64
    }

    /// The slot whose value lies so deep below the top.
    pub fn slot(&self, depth: i64) -> i64 {
        self.height - 1 - depth
    }

    /// The value of a slot.
    pub fn get(&self, slot: i64) -> Value {
        let index = slot - self.low();
        usize::try_from(index).ok().and_then(|index| self.values.get(index)).copied().unwrap_or(Value::Slot)
    }

    /// The values that may be elsewhere than in their slots, with these, lowest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, Value)> {
        let low = self.low();
        self.values.iter().enumerate().map(move |(index, &value)| (low + index as i64, value))
    }

    /// The registers that its values need, a bit each.
    pub fn registers(&self) -> u32 {
        bits(self.iter().filter_map(|(_, value)| value.reg()))
    }

    /// From this slot on all have values, or the program would not be here.
    pub fn assume_values_from(&mut self, slot: i64) {
        self.known = self.known.min(slot);
    }

    /// Makes a slot one of those whose value may be elsewhere.
    pub fn extend_down_to(&mut self, slot: i64) {
        if let missing @ 1.. = self.low() - slot {
            self.values.splice(0..0, (0..missing).map(|_| Value::Slot));
        }
    }

    pub fn get_mut(&mut self, slot: i64) -> &mut Value {
        self.extend_down_to(slot);
        let index = (slot - self.low()) as usize;
        &mut self.values[index]
    }
}

/// A register's bit.
pub fn bit(reg: Reg) -> u32 {
    1 << reg.0
}

/// Those of several.
pub fn bits(regs: impl IntoIterator<Item = Reg>) -> u32 {
    regs.into_iter().fold(0, |bits, reg| bits | bit(reg))
}
