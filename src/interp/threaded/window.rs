//! The window: the locations of the topmost values during translation. Values below it are in their own slots.

use super::handlers::REGISTERS;

/// The maximum number of values in the window. It exceeds the number of registers, because constants and copies use no
/// register of their own.
pub const MAX_WIDTH: usize = 6;

/// The location of a value in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// In this register.
    Register(u8),
    /// A known constant, in no register.
    Constant(i64),
}

/// The topmost values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    values: [Value; MAX_WIDTH],
    len: usize,
    /// The height of the stack relative to the base; the top's slot is one less.
    pub height: i64,
}

impl Window {
    /// An empty window at this height.
    pub fn new(height: i64) -> Window {
        Window { values: [Value::Constant(0); MAX_WIDTH], len: 0, height }
    }

    /// A window at this height whose topmost `values` values are in registers, the top in the first.
    pub fn in_registers(height: i64, values: usize) -> Window {
        let mut window = Window::new(height - values as i64);
        (0..values).rev().for_each(|register| window.push(Value::Register(register as u8)));
        window
    }

    /// The number of values in the window.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether another value can be pushed.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.len == MAX_WIDTH
    }

    /// The values, lowest first.
    #[inline]
    pub fn values(&self) -> &[Value] {
        &self.values[..self.len]
    }

    /// The value at this distance below the top.
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

    /// Pops the top, or nothing if the window is empty; the height drops by one in any case.
    #[inline]
    pub fn pop(&mut self) {
        self.len = self.len.saturating_sub(1);
        self.height -= 1;
    }

    /// Replaces the value at an index, counted from the lowest.
    pub fn set(&mut self, index: usize, value: Value) {
        self.values[index] = value;
    }

    /// Exchanges the top with the value at this distance below it.
    #[inline]
    pub fn swap(&mut self, below: usize) {
        self.values.swap(self.len - 1, self.len - 1 - below);
    }

    /// Removes the lowest value, which has been stored.
    pub fn remove_lowest(&mut self) {
        // Copies the whole array: a copy of constant size takes a few instructions, one of variable size is a call.
        self.values.copy_within(1.., 0);
        self.len -= 1;
    }

    /// Adds the value below the lowest, which has been loaded.
    pub fn add_lowest(&mut self, value: Value) {
        self.values.copy_within(..MAX_WIDTH - 1, 1);
        self.values[0] = value;
        self.len += 1;
    }

    /// Whether a register holds a value of the window.
    #[inline]
    pub fn uses(&self, register: u8) -> bool {
        self.values().contains(&Value::Register(register))
    }

    /// A register that holds no value.
    #[inline]
    pub fn free(&self) -> Option<u8> {
        let used = self.values().iter().fold(0_u8, |used, value| match value {
            Value::Register(register) => used | 1 << register,
            Value::Constant(_) => used,
        });
        let free = (!used).trailing_zeros() as u8;
        (usize::from(free) < REGISTERS).then_some(free)
    }

    /// The index of the lowest value that has no register of its own, ignoring the topmost `above` values.
    pub fn first_without_own_register(&self, above: usize) -> Option<usize> {
        let below = &self.values[..self.len.saturating_sub(above)];
        (0..below.len()).find(|&index| match below[index] {
            Value::Constant(_) => true,
            value => below[..index].contains(&value),
        })
    }
}
