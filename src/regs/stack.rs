//! The abstract stack: the place of each value at one point of the code.
//!
//! A value is in its slot or in a register, or it is a constant, or it is a deferred sum or multiple of a register.
//! Only the topmost values may be outside their slots.

use crate::lir::Reg;

/// The place of a value on the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// In its slot in memory.
    Slot,
    /// In a register; the content of its slot is undefined. Several values may share a register.
    Reg(Reg),
    /// Deferred: the sum of the register and the constant.
    Sum(Reg, i64),
    /// Deferred: the product of the register and the constant.
    Multiple(Reg, i64),
    /// A constant, held nowhere.
    Const(i64),
}

impl Value {
    /// The register that the value needs.
    pub fn reg(self) -> Option<Reg> {
        match self {
            Value::Reg(reg) | Value::Sum(reg, _) | Value::Multiple(reg, _) => Some(reg),
            Value::Slot | Value::Const(_) => None,
        }
    }

    /// The value with its register replaced.
    pub fn with_register(self, reg: Reg) -> Value {
        match self {
            Value::Reg(_) => Value::Reg(reg),
            Value::Sum(_, more) => Value::Sum(reg, more),
            Value::Multiple(_, times) => Value::Multiple(reg, times),
            Value::Slot | Value::Const(_) => self,
        }
    }

    /// Whether the value must still be computed from its register.
    pub fn is_deferred(self) -> bool {
        matches!(self, Value::Sum(..) | Value::Multiple(..))
    }
}

/// The abstract stack at one point of the code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// The number of values above the data-stack pointer.
    pub height: i64,
    /// The lowest slot that is known to have a value.
    pub known: i64,
    /// The topmost values, lowest first; those below are in their slots.
    pub values: Vec<Value>,
}

/// The greatest number of values that may be outside their slots.
pub const WINDOW: usize = 64;

impl Stack {
    /// A stack whose values are all in their slots.
    pub fn in_memory(height: i64, known: i64) -> Stack {
        Stack { height, known, values: Vec::new() }
    }

    /// The lowest slot whose value may be outside it.
    pub fn low(&self) -> i64 {
        self.height - self.values.len() as i64
    }

    /// The slot of the value `depth` below the top.
    pub fn slot(&self, depth: i64) -> i64 {
        self.height - 1 - depth
    }

    /// The place of a slot's value.
    pub fn get(&self, slot: i64) -> Value {
        let index = slot - self.low();
        usize::try_from(index).ok().and_then(|index| self.values.get(index)).copied().unwrap_or(Value::Slot)
    }

    /// The values that may be outside their slots, each with its slot, lowest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, Value)> {
        let low = self.low();
        self.values.iter().enumerate().map(move |(index, &value)| (low + index as i64, value))
    }

    /// Whether each value is where another stack of the same height has it.
    pub fn has_places_of(&self, other: &Stack) -> bool {
        let low = self.low().min(other.low());
        self.height == other.height && (low..self.height).all(|slot| self.get(slot) == other.get(slot))
    }

    /// The registers that the values need, as a bit set.
    pub fn registers(&self) -> u32 {
        bits(self.iter().filter_map(|(_, value)| value.reg()))
    }

    /// Records that this slot and all above it have values, since the program would have trapped otherwise.
    pub fn assume_values_from(&mut self, slot: i64) {
        self.known = self.known.min(slot);
    }

    /// Extends [`values`](Stack::values) down to a slot.
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

/// The bit of a register in a bit set.
pub fn bit(reg: Reg) -> u32 {
    1 << reg.0
}

/// The bit set of several registers.
pub fn bits(regs: impl IntoIterator<Item = Reg>) -> u32 {
    regs.into_iter().fold(0, |bits, reg| bits | bit(reg))
}
