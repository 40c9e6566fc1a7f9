//! The abstract stack of the builder: the value in each slot at one point of a function.
//!
//! A slot's value is in memory, or it is a value of the intermediate representation, or both. Only the topmost slots are tracked;
//! the values in all slots below them are in memory.

use super::ir::Value;

/// What is known about a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value, if it has been loaded or computed.
    pub value: Option<Value>,
    /// Whether the slot in memory has this value. True if there is no value.
    pub is_stored: bool,
}

impl Entry {
    /// A slot whose value is only in memory.
    pub const IN_MEMORY: Entry = Entry { value: None, is_stored: true };

    /// A value that is not in memory.
    pub fn new(value: Value) -> Entry {
        Entry { value: Some(value), is_stored: false }
    }
}

/// The greatest depth below the top, in values, at which slots are tracked across basic blocks.
pub const WINDOW: i64 = 64;

/// The abstract stack.
#[derive(Clone, Debug)]
pub struct Stack {
    /// The number of values above the data-stack pointer.
    pub height: i64,
    /// The lowest slot that is known to have a value.
    pub known: i64,
    /// The topmost slots, lowest first.
    entries: Vec<Entry>,
}

impl Stack {
    /// A stack whose values are all in memory.
    pub fn in_memory(height: i64, known: i64) -> Stack {
        Stack { height, known, entries: Vec::new() }
    }

    /// The lowest slot that is tracked.
    pub fn low(&self) -> i64 {
        self.height - self.entries.len() as i64
    }

    /// What is known about a slot.
    pub fn get(&self, slot: i64) -> Entry {
        let index = usize::try_from(slot - self.low()).ok();
        index.and_then(|index| self.entries.get(index)).copied().unwrap_or(Entry::IN_MEMORY)
    }

    /// Whether a slot can be tracked.
    pub fn can_track(&self, slot: i64) -> bool {
        slot >= self.low().min(self.height - WINDOW)
    }

    /// Changes what is known about a slot, which can be tracked.
    pub fn set(&mut self, slot: i64, entry: Entry) {
        if let missing @ 1.. = self.low() - slot {
            self.entries.splice(0..0, (0..missing).map(|_| Entry::IN_MEMORY));
        }
        let index = (slot - self.low()) as usize;
        self.entries[index] = entry;
    }

    /// Adds a slot.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
        self.height += 1;
    }

    /// Removes the topmost slots.
    pub fn drop(&mut self, count: i64) {
        let kept = self.entries.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
        self.entries.truncate(kept);
        self.height -= count;
    }

    /// Stops tracking all slots below this one. Their values must be in memory.
    pub fn forget_below(&mut self, slot: i64) {
        let count = usize::try_from(slot - self.low()).unwrap_or(0).min(self.entries.len());
        self.entries.drain(..count);
    }

    /// Records that this slot and all above it have values, since the program would have trapped otherwise.
    pub fn assume_values_from(&mut self, slot: i64) {
        self.known = self.known.min(slot);
    }
}
