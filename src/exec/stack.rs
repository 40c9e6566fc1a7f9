//! The data stack: memory for up to a limit of values between inaccessible pages.

use std::io;

use super::memory::{Access, Mapping, page_bytes};

/// A stack of 64-bit integers that engines work on and that can be reused from run to run.
///
/// One spare slot lies under the bottom: an engine that keeps the top in a register may spill it there when the
/// stack is empty. The pages before and behind are inaccessible.
pub struct Stack {
    mapping: Mapping,
    /// Slots that are mapped, the spare one included.
    slots: usize,
    /// The slot that is the lowest value's.
    bottom: usize,
    capacity: usize,
    depth: usize,
    armor: Option<Armor>,
    /// Whether it was filled with the poison since it was armed.
    poisoned: bool,
}

/// How a stack is laid out and filled so that a stray access shows: next to an inaccessible page on one side, and
/// next to slots on the other that nobody may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armor {
    /// The greatest number of values.
    pub limit: usize,
    /// Which end touches an inaccessible page.
    pub edge: Edge,
    /// What is read where nobody has written. Every slot holds another value made from it.
    pub poison: u64,
    /// How many of the slots above the bottom are filled with poison before a run.
    pub slots: usize,
}

/// One end of the slots that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The spare slot is the first that can be accessed.
    Lower,
    /// The slot of the last value that the limit allows is the last that can be accessed.
    Upper,
}

/// Slots beyond the end that does not touch a page, at most, that are filled and looked at.
const SLACK: usize = 32;

impl Stack {
    /// Reserves memory for `capacity` values; what is never used costs no memory.
    ///
    /// # Errors
    /// The system's, where it has not so much address space to give.
    pub fn new(capacity: usize) -> io::Result<Stack> {
        let page = page_bytes();
        let bytes = capacity
            .checked_add(1)
            .and_then(|slots| slots.checked_mul(8))
            .and_then(|bytes| bytes.checked_next_multiple_of(page))
            .filter(|bytes| bytes.checked_add(2 * page).is_some_and(|all| all <= isize::MAX as usize))
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let mut mapping = Mapping::new(bytes + 2 * page, Access::None)?;
        mapping.protect(page, bytes, Access::ReadWrite)?;
        Ok(Stack { mapping, slots: bytes / 8, bottom: 1, capacity, depth: 0, armor: None, poisoned: false })
    }

    /// How many values it has room for; of an armed one, the limit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The greatest limit that it can be armed with.
    pub fn greatest_limit(&self) -> usize {
        self.slots - 1
    }

    /// Lays it out anew, empty, and from now on fills it with poison whenever its values are set.
    ///
    /// # Panics
    /// Where it has not so many slots.
    pub fn arm(&mut self, armor: Armor) {
        assert!(armor.limit <= self.greatest_limit(), "the stack has room for the limit");
        self.bottom = match armor.edge {
            Edge::Lower => 1,
            Edge::Upper => self.slots - armor.limit,
        };
        self.capacity = armor.limit;
        self.armor = Some(armor);
        self.depth = 0;
        self.poisoned = false;
    }

    /// The poison, of an armed stack.
    pub fn poison(&self) -> Option<u64> {
        self.armor.map(|armor| armor.poison)
    }

    /// Whether no slot outside of those that may be used has changed since the values were set, as far as they can
    /// be accessed. Always so where the stack is not armed or no values were set since.
    pub fn is_intact(&self) -> bool {
        self.armor.filter(|_| self.poisoned).is_none_or(|armor| {
            // SAFETY: all slots are mapped and readable, and nobody writes them while we hold `&self`.
            let slots = unsafe { std::slice::from_raw_parts(self.first_slot(), self.slots) };
            self.slack(armor).all(|slot| slots[slot] == poisoned(armor.poison, slot))
        })
    }

    /// The values, bottom first.
    pub fn values(&self) -> &[i64] {
        // SAFETY: the first `depth <= capacity` slots are mapped, readable and initialized (zero at first).
        unsafe { std::slice::from_raw_parts(self.bottom(), self.depth) }
    }

    /// Makes the values those given, bottom first.
    ///
    /// # Panics
    /// Where there are more values than the capacity.
    pub fn set(&mut self, values: &[i64]) {
        assert!(values.len() <= self.capacity, "the caller keeps to the stack's capacity");
        if let Some(armor) = self.armor {
            self.poisoned = true;
            let used = self.bottom - 1..self.bottom + self.capacity.min(armor.slots);
            let first = self.first_slot();
            for range in [used, self.slack(armor)] {
                for slot in range {
                    // SAFETY: the slots that may be used and the slack lie in the mapped ones.
                    unsafe { first.add(slot).write(poisoned(armor.poison, slot)) };
                }
            }
        }
        // SAFETY: there is room, and the source is not in our own mapping, since `&mut self` is exclusive.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.bottom(), values.len()) };
        self.depth = values.len();
    }

    /// The mapped slots beyond the end that touches no page, as far as they are filled.
    fn slack(&self, armor: Armor) -> std::ops::Range<usize> {
        match armor.edge {
            Edge::Lower => {
                let end = self.bottom + self.capacity;
                end..(end + SLACK).min(self.slots)
            }
            Edge::Upper => (self.bottom - 1).saturating_sub(SLACK)..self.bottom - 1,
        }
    }

    fn first_slot(&self) -> *mut i64 {
        // SAFETY: the second page is mapped; the slots begin there.
        unsafe { self.mapping.start().as_ptr().add(page_bytes()).cast() }
    }

    /// Where the lowest value lies; the spare slot is directly before it.
    pub(crate) fn bottom(&self) -> *mut i64 {
        // SAFETY: the bottom is one of the mapped slots, or directly behind them where the limit is 0.
        unsafe { self.first_slot().add(self.bottom) }
    }

    /// Says how many values an engine left.
    ///
    /// # Panics
    /// Where there cannot be so many: an engine is wrong.
    pub(crate) fn set_depth(&mut self, depth: usize) {
        assert!(depth <= self.capacity, "an engine left {depth} values on a stack for {}", self.capacity);
        self.depth = depth;
    }
}

/// What lies in a slot that nobody has written: no two slots hold the same, so that two stray reads do not cancel.
fn poisoned(poison: u64, slot: usize) -> i64 {
    poison.wrapping_add((slot as u64).wrapping_mul(0x0101_0101_0101_0103)) as i64
}
