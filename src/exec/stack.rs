//! The data stack: memory for up to a limit of values between inaccessible pages.

use std::io;

use super::memory::{Access, Mapping, page_bytes};

/// A stack of 64-bit integers that engines work on and that can be reused from run to run.
///
/// One spare slot lies under the bottom: an engine that keeps the top in a register may spill it there when the
/// stack is empty. The pages before and behind are inaccessible.
pub struct Stack {
    mapping: Mapping,
    /// How many slots lie between the inaccessible pages.
    slots: usize,
    /// Which of them is the bottom; the spare slot is the one before.
    bottom: usize,
    capacity: usize,
    depth: usize,
    armor: Option<Armor>,
}

/// Which end of the usable slots touches an inaccessible page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edge {
    /// The spare slot is the first that can be touched.
    Lower,
    /// The slot below the limit is the last that can be touched.
    Upper,
}

/// How a stack is laid out and filled so that a stray access shows: beyond one edge it faults, beyond the other a
/// write changes the slack, and a read of what nobody wrote gives poison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armor {
    /// The greatest number of values; at most what the stack has room for.
    pub limit: usize,
    /// Which end faults.
    pub edge: Edge,
    /// What the pattern is made of. Two runs that differ in nothing else must come to the same.
    pub poison: u64,
    /// Slots from this one on are not filled before a run, since to fill a large stack each time would be slow.
    pub slots: usize,
}

/// The most slots that are looked at for stray writes.
const SLACK: usize = 32;

impl Armor {
    /// The pattern of a slot, numbered from the bottom. It differs from slot to slot by more than a small number, so
    /// that two stray reads do not cancel.
    fn pattern(&self, slot: isize) -> i64 {
        self.poison.wrapping_add((slot as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)) as i64
    }
}

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
        Ok(Stack { mapping, slots: bytes / 8, bottom: 1, capacity, depth: 0, armor: None })
    }

    /// How many values it has room for; of an armed stack the limit.
    pub fn capacity(&self) -> usize {
        self.armor.map_or(self.capacity, |armor| armor.limit)
    }

    /// The greatest limit that it can be armed with.
    pub fn greatest_limit(&self) -> usize {
        self.capacity
    }

    /// From now on the bottom lies so that the edge touches an inaccessible page, and each [`set`](Stack::set) fills
    /// the slots that hold no value, and the slack at the other edge, with poison. The stack is empty then. No system
    /// call is needed, so that a stack may be armed anew for every run.
    ///
    /// # Panics
    /// Where the limit is greater than the capacity that the stack was made with.
    pub fn arm(&mut self, armor: Armor) {
        assert!(armor.limit <= self.capacity, "the stack has room for the armor's limit");
        self.bottom = match armor.edge {
            Edge::Lower => 1,
            Edge::Upper => self.slots - armor.limit,
        };
        self.armor = Some(armor);
        self.depth = 0;
        // The slots for values are left to `set`, which comes before every run.
        self.fill(&armor, armor.limit);
    }

    /// What an armed stack is filled with.
    pub fn poison(&self) -> Option<u64> {
        self.armor.map(|armor| armor.poison)
    }

    /// Whether the slack, which lies at the edge that touches no inaccessible page, is still as it was filled: up to
    /// 32 slots, fewer where the page is nearer. A stack that is not armed has none.
    pub fn is_intact(&self) -> bool {
        let Some(armor) = &self.armor else { return true };
        let slack = self.slack(armor);
        // SAFETY: the slack lies between the inaccessible pages, and arming has filled it.
        let slots = unsafe { std::slice::from_raw_parts(self.bottom().offset(slack.start), slack.len()) };
        // Nearly always all are looked at, and together faster than one after the other.
        slots.iter().zip(slack).fold(true, |intact, (slot, index)| intact & (*slot == armor.pattern(index)))
    }

    /// The slots of the slack, numbered from the bottom.
    fn slack(&self, armor: &Armor) -> std::ops::Range<isize> {
        let slack = match armor.edge {
            Edge::Lower => self.bottom + armor.limit..(self.bottom + armor.limit + SLACK).min(self.slots),
            Edge::Upper => (self.bottom - 1).saturating_sub(SLACK)..self.bottom - 1,
        };
        let from_bottom = |slot: usize| slot as isize - self.bottom as isize;
        from_bottom(slack.start)..from_bottom(slack.end)
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
        assert!(values.len() <= self.capacity(), "the caller keeps to the stack's capacity");
        if let Some(armor) = self.armor {
            self.fill(&armor, values.len());
        }
        // SAFETY: there is room, and the source is not in our own mapping, since `&mut self` is exclusive.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.bottom(), values.len()) };
        self.depth = values.len();
    }

    /// Fills what will hold none of so many values with poison.
    fn fill(&mut self, armor: &Armor, values: usize) {
        let unused = values as isize..armor.limit.min(armor.slots) as isize;
        for range in [-1..0, unused, self.slack(armor)] {
            // SAFETY: the spare slot, the slots below the limit and the slack lie between the inaccessible pages, and nobody
            // borrows them.
            let slots = unsafe { std::slice::from_raw_parts_mut(self.bottom().offset(range.start), range.len()) };
            slots.iter_mut().zip(range).for_each(|(slot, index)| *slot = armor.pattern(index));
        }
    }

    /// Where the lowest value lies; the spare slot is directly before it.
    pub(crate) fn bottom(&self) -> *mut i64 {
        // SAFETY: at least one slot lies before the bottom and `capacity` behind it, between the first page and the
        // last; where the limit is 0 the bottom may be where the last page begins.
        unsafe { self.mapping.start().as_ptr().add(page_bytes()).cast::<i64>().add(self.bottom) }
    }

    /// Says how many values an engine left.
    ///
    /// # Panics
    /// Where there cannot be so many: an engine is wrong.
    pub(crate) fn set_depth(&mut self, depth: usize) {
        assert!(depth <= self.capacity(), "an engine left {depth} values on a stack for {}", self.capacity());
        self.depth = depth;
    }
}
