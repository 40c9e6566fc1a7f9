//! The window: where the topmost values are while code is made. What lies below it is in its own slot.

use super::handlers::REGISTERS;

/// The most values in the window; constants and copies take no register.
pub const WIDEST: usize = 6;

/// Where a value of the window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// In this register.
    Register(u8),
    /// Nowhere: it is known.
    Constant(i64),
}

/// The topmost values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    values: [Value; WIDEST],
    len: usize,
    /// The depth, counted from the base: the slot of the top is the one below.
    pub height: i64,
}

impl Window {
    /// No values above so many slots.
    pub fn new(height: i64) -> Window {
        Window { values: [Value::Constant(0); WIDEST], len: 0, height }
    }

    /// How many values it holds.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether another value can be pushed.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.len == WIDEST
    }

    /// The values, lowest first.
    #[inline]
    pub fn values(&self) -> &[Value] {
        &self.values[..self.len]
    }

    /// The value so far below the top.
    #[inline]
    pub fn top(&self, below: usize) -> Value {
        self.values[self.len - 1 - below]
    }

    /// The slot of the lowest value.
    pub fn lowest_slot(&self) -> i64 {
        self.height - self.len as i64
    }

    /// Puts a value on top.
    #[inline]
    pub fn push(&mut self, value: Value) {
        self.values[self.len] = value;
        self.len += 1;
        self.height += 1;
    }

    /// Takes the top, or nothing where the window is empty; the stack is lower by one in any case.
    #[inline]
    pub fn pop(&mut self) {
        self.len = self.len.saturating_sub(1);
        self.height -= 1;
    }

    /// Replaces the value at an index, counted from the lowest.
    pub fn set(&mut self, index: usize, value: Value) {
        self.values[index] = value;
    }

    /// Exchanges the value so far below the top with the top.
    #[inline]
    pub fn swap(&mut self, below: usize) {
        self.values.swap(self.len - 1, self.len - 1 - below);
    }

    /// The lowest value has been stored.
    pub fn forget_lowest(&mut self) {
        // All of it, whatever is in use: a copy of a known size is a few instructions, another is a call.
        self.values.copy_within(1.., 0);
        self.len -= 1;
    }

    /// The value below the lowest has been loaded.
    pub fn add_lowest(&mut self, value: Value) {
        self.values.copy_within(..WIDEST - 1, 1);
        self.values[0] = value;
        self.len += 1;
    }

    /// Whether a register holds a value of the window.
    #[inline]
    pub fn uses(&self, register: u8) -> bool {
        self.values().contains(&Value::Register(register))
    }

    /// A register that holds none.
    #[inline]
    pub fn free(&self) -> Option<u8> {
        let used = self.values().iter().fold(0_u8, |used, value| match value {
            Value::Register(register) => used | 1 << register,
            Value::Constant(_) => used,
        });
        let free = (!used).trailing_zeros() as u8;
        (usize::from(free) < REGISTERS).then_some(free)
    }

    /// Of the values below the topmost `above` the first that has no register of its own.
    pub fn first_without_own_register(&self, above: usize) -> Option<usize> {
        let below = &self.values[..self.len.saturating_sub(above)];
        (0..below.len()).find(|&index| match below[index] {
            Value::Constant(_) => true,
            value => below[..index].contains(&value),
        })
    }
}
