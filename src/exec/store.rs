//! What a run works on: the data stack, the memory of the program and the control stack. Each lies between inaccessible pages.

use std::cell::Cell;
use std::io;

use super::cells::Cells;
use super::control::ControlStack;
use super::memory::{Access, Mapping, page_bytes};

/// What engines work on: a data stack of 64-bit integers, and on demand the program's memory and a control stack. It can be
/// reused for any number of executions of any programs.
///
/// One spare slot is below the bottom: an engine that keeps the top in a register may spill it there when the stack is
/// empty. The pages before and after the slots are inaccessible.
pub struct Store {
    mapping: Mapping,
    /// The number of slots between the inaccessible pages.
    slots: usize,
    /// The index of the bottom slot; the spare slot is the one before it.
    bottom: usize,
    capacity: usize,
    depth: usize,
    armor: Option<Armor>,
    cells: Cells,
    control: ControlStack,
}

/// The end of the usable slots that touches an inaccessible page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edge {
    /// The spare slot is the first accessible one.
    Lower,
    /// The slot below the limit is the last accessible one.
    Upper,
}

/// How a stack is laid out and filled so that stray accesses are detected. An access beyond one edge faults. Beyond the
/// other edge, a write changes the slack: slots with a known pattern, which [`Store::is_intact`] compares. A read of a
/// slot that was never written returns poison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armor {
    /// The greatest number of values; at most the stack's capacity.
    pub limit: usize,
    /// The edge at which accesses fault.
    pub edge: Edge,
    /// The seed of the pattern. Two executions that differ only in it must produce identical results.
    pub poison: u64,
    /// Slots from this one on are not filled before an execution, because filling a large stack each time would be
    /// slow.
    pub slots: usize,
}

/// Checks that there is address space for memory cells and for activations on the control stack.
///
/// # Errors
/// The system's error if there is not.
pub fn can_reserve(cells: usize, control_bytes: usize) -> io::Result<()> {
    // Both at once.
    let (mut memory, mut control) = (Cells::new(), ControlStack::new());
    memory.reserve(cells)?;
    control.reserve(control_bytes)
}

/// Reservations that the system has been able to grant together. As much again is not tried, because that would take several system
/// calls.
#[derive(Debug, Default)]
pub struct Granted(Cell<(usize, usize)>);

impl Granted {
    /// [`can_reserve`], unless as much was granted before.
    ///
    /// # Errors
    /// The system's error.
    pub fn can_reserve(&self, cells: usize, control_bytes: usize) -> io::Result<()> {
        let (granted_cells, granted_bytes) = self.0.get();
        if cells > granted_cells || control_bytes > granted_bytes {
            let mut most = (cells.max(granted_cells), control_bytes.max(granted_bytes));
            // The system may have granted each of the two, but not both together.
            if can_reserve(most.0, most.1).is_err() {
                can_reserve(cells, control_bytes)?;
                most = (cells, control_bytes);
            }
            self.0.set(most);
        }
        Ok(())
    }
}

/// The maximum number of slots that are checked for stray writes.
pub(super) const SLACK: usize = 32;

impl Armor {
    /// The pattern of a slot, numbered from the bottom. The patterns of two slots differ by large numbers, so that two
    /// stray reads do not cancel out.
    pub(super) fn pattern(&self, slot: isize) -> i64 {
        self.poison.wrapping_add((slot as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)) as i64
    }
}

impl Store {
    /// Reserves memory for `capacity` values. Unused memory costs nothing.
    ///
    /// # Errors
    /// The system's error if there is not enough address space.
    pub fn new(capacity: usize) -> io::Result<Store> {
        let page = page_bytes();
        let bytes = capacity
            .checked_add(1)
            .and_then(|slots| slots.checked_mul(8))
            .and_then(|bytes| bytes.checked_next_multiple_of(page))
            .filter(|bytes| bytes.checked_add(2 * page).is_some_and(|all| all <= isize::MAX as usize))
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let mut mapping = Mapping::new(bytes + 2 * page, Access::None)?;
        mapping.protect(page, bytes, Access::ReadWrite)?;
        Ok(Store {
            mapping,
            slots: bytes / 8,
            bottom: 1,
            capacity,
            depth: 0,
            armor: None,
            cells: Cells::new(),
            control: ControlStack::new(),
        })
    }

    /// The number of values that the stack has room for. On an armored stack, this is the limit.
    pub fn capacity(&self) -> usize {
        self.armor.map_or(self.capacity, |armor| armor.limit)
    }

    /// The greatest limit that it can be armored with.
    pub fn greatest_limit(&self) -> usize {
        self.capacity
    }

    /// Places the bottom so that the edge touches an inaccessible page. From now on, each [`set`](Store::set) fills the
    /// slots that hold no value, and the slack at the other edge, with poison. Empties the stack and the memory. No system call is
    /// needed, so a stack can be armored anew for every execution.
    ///
    /// # Panics
    /// If the limit is greater than the capacity that the stack was created with.
    pub fn arm(&mut self, armor: Armor) {
        assert!(armor.limit <= self.capacity, "the stack is smaller than the armor's limit");
        self.bottom = match armor.edge {
            Edge::Lower => 1,
            Edge::Upper => self.slots - armor.limit,
        };
        self.armor = Some(armor);
        self.depth = 0;
        self.cells.begin(0, None);
        self.control.begin(0, None);
        // Fills only the spare slot and the slack. `set`, which precedes every execution, fills the slots for values.
        self.fill(&armor, armor.limit);
    }

    /// The poison of an armored stack.
    pub fn poison(&self) -> Option<u64> {
        self.armor.map(|armor| armor.poison)
    }

    /// Whether the slack is unchanged since it was filled. The slack is the slots beyond the edge that touches no
    /// inaccessible page: 32 slots, or fewer if an inaccessible page is nearer. The memory has such slack too, and the control
    /// stack below the part that the program may use. A store without armor has no slack and is always intact.
    pub fn is_intact(&self) -> bool {
        let Some(armor) = &self.armor else { return true };
        if !(self.cells.is_intact(armor) && self.control.is_intact(armor)) {
            return false;
        }
        let slack = self.slack(armor);
        // SAFETY: the slack is between the inaccessible pages, and `arm` has filled it.
        let slots = unsafe { std::slice::from_raw_parts(self.bottom().offset(slack.start), slack.len()) };
        // Nearly always, all slots match. Comparing them without a branch for each slot is faster.
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

    /// Replaces the values with the given ones, bottom first.
    ///
    /// # Panics
    /// If there are more values than the capacity.
    pub fn set(&mut self, values: &[i64]) {
        assert!(values.len() <= self.capacity(), "the values exceed the stack's capacity");
        if let Some(armor) = self.armor {
            self.fill(&armor, values.len());
        }
        // SAFETY: there is room, and the source is not in our own mapping because `&mut self` is exclusive.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.bottom(), values.len()) };
        self.depth = values.len();
    }

    /// Makes room for memory cells and for activations on the control stack.
    ///
    /// # Errors
    /// The system's error if there is not enough address space.
    pub(crate) fn reserve(&mut self, cells: usize, control_bytes: usize) -> io::Result<()> {
        self.cells.reserve(cells)?;
        self.control.reserve(control_bytes)
    }

    /// Begins an execution with this many memory cells, all zero. [`reserve`](Store::reserve) has made room for them.
    pub(crate) fn clear_memory(&mut self, cells: usize) {
        self.cells.begin(cells, self.armor.as_ref());
    }

    /// Begins an execution whose activations take at most this many bytes of the control stack. [`reserve`](Store::reserve) has
    /// made room for them.
    pub(crate) fn clear_control(&mut self, bytes: usize) {
        self.control.begin(bytes, self.armor.as_ref());
    }

    /// The memory cells of the last program that was executed.
    pub fn memory(&self) -> &[i64] {
        self.cells.values()
    }

    /// Replaces the memory cells, for an engine that keeps its memory elsewhere.
    ///
    /// # Panics
    /// If there is no address space for them. [`can_reserve`] shows that before a run.
    pub(crate) fn set_memory(&mut self, cells: &[i64]) {
        self.cells.reserve(cells.len()).expect("there was address space for the cells when the program was prepared");
        self.clear_memory(cells.len());
        // SAFETY: `clear_memory` has just begun to use this many cells, and the source is not in our own mapping because
        // `&mut self` is exclusive.
        unsafe { std::ptr::copy_nonoverlapping(cells.as_ptr(), self.memory_start(), cells.len()) };
    }

    /// The memory cells, which an engine may change.
    pub(crate) fn cells_mut(&mut self) -> &mut [i64] {
        // SAFETY: that many cells are mapped, writable and initialized (zero at first), and `&mut self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.memory_start(), self.memory().len()) }
    }

    /// The address of memory cell 0; dangling if there are no cells.
    pub(crate) fn memory_start(&self) -> *mut i64 {
        self.cells.start()
    }

    /// The address after the control stack, which grows downward; dangling if none is reserved.
    pub(crate) fn control_end(&self) -> *mut u8 {
        self.control.end()
    }

    /// Fills the spare slot, the slack, and the slots above the first `values` slots with poison.
    fn fill(&mut self, armor: &Armor, values: usize) {
        let unused = values as isize..armor.limit.min(armor.slots) as isize;
        for range in [-1..0, unused, self.slack(armor)] {
            // SAFETY: the spare slot, the slots below the limit and the slack are between the inaccessible pages, and
            // nothing borrows them.
            let slots = unsafe { std::slice::from_raw_parts_mut(self.bottom().offset(range.start), range.len()) };
            slots.iter_mut().zip(range).for_each(|(slot, index)| *slot = armor.pattern(index));
        }
    }

    /// The address of the lowest value; the spare slot is directly before it.
    pub(crate) fn bottom(&self) -> *mut i64 {
        // SAFETY: between the first page and the last, there is at least one slot before the bottom, and there are
        // `capacity` slots from the bottom on. If the limit is 0, the bottom may be where the last page starts.
        unsafe { self.mapping.start().as_ptr().add(page_bytes()).cast::<i64>().add(self.bottom) }
    }

    /// Sets how many values an engine left.
    ///
    /// # Panics
    /// If the stack cannot hold that many values, because the engine is wrong.
    pub(crate) fn set_depth(&mut self, depth: usize) {
        assert!(depth <= self.capacity(), "an engine left {depth} values on a stack for {}", self.capacity());
        self.depth = depth;
    }
}
