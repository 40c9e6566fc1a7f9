//! The memory of a program: its cells between inaccessible pages, zero at the start of every execution.

use std::io;

use super::memory::{Access, Mapping, page_bytes};
use super::store::{Armor, Edge, SLACK};

/// The memory of a program. It can be reused for any number of executions.
pub(super) struct Cells {
    /// `None` until a program has cells.
    mapping: Option<Mapping>,
    /// The number of cells between the inaccessible pages.
    capacity: usize,
    /// The index of cell 0 among them.
    first: usize,
    /// The number of cells of the present program.
    used: usize,
    /// Whether no execution has used the mapping, so that it is still zero.
    is_fresh: bool,
}

/// A memory of at least this size is not filled with zeros. It gets new pages from the system, so that an execution pays only for
/// the pages that it uses.
const LARGE: usize = 1 << 20;

impl Cells {
    pub fn new() -> Cells {
        Cells { mapping: None, capacity: 0, first: 0, used: 0, is_fresh: true }
    }

    /// Makes room for `cells` cells.
    ///
    /// # Errors
    /// The system's error if there is not enough address space.
    pub fn reserve(&mut self, cells: usize) -> io::Result<()> {
        if cells <= self.capacity {
            return Ok(());
        }
        let page = page_bytes();
        let bytes = cells
            .checked_mul(8)
            .and_then(|bytes| bytes.checked_next_multiple_of(page))
            .filter(|bytes| bytes.checked_add(2 * page).is_some_and(|all| all <= isize::MAX as usize))
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        *self = Cells::new();
        let mut mapping = Mapping::new(bytes + 2 * page, Access::None)?;
        mapping.protect(page, bytes, Access::ReadWrite)?;
        (self.mapping, self.capacity) = (Some(mapping), bytes / 8);
        Ok(())
    }

    /// Begins an execution with this many cells, all zero. With armor, they touch an inaccessible page, and the slots at their
    /// other end are filled with poison.
    pub fn begin(&mut self, cells: usize, armor: Option<&Armor>) {
        assert!(cells <= self.capacity, "the memory is reserved before an execution");
        self.used = cells;
        if cells == 0 {
            return;
        }
        self.first = match armor {
            Some(Armor { edge: Edge::Upper, .. }) => self.capacity - cells,
            _ => 0,
        };
        if !std::mem::replace(&mut self.is_fresh, false) {
            self.clear();
        }
        if let Some(armor) = armor {
            for slot in self.slack() {
                // SAFETY: the slack is between the inaccessible pages.
                unsafe { self.all().add(slot).write(armor.pattern(slot as isize)) };
            }
        }
    }

    /// Fills the cells with zeros.
    fn clear(&mut self) {
        if self.used * 8 < LARGE {
            // SAFETY: the cells are between the inaccessible pages, and nothing borrows them.
            return unsafe { std::ptr::write_bytes(self.start(), 0, self.used) };
        }
        let mapping = self.mapping.as_mut().expect("the memory is reserved before an execution");
        mapping.renew(page_bytes(), self.capacity * 8).expect("the system replaces pages that we own");
    }

    /// Whether the slots beside the cells are unchanged since they were filled.
    pub fn is_intact(&self, armor: &Armor) -> bool {
        // SAFETY: the slack is between the inaccessible pages, and `begin` filled it.
        self.slack().all(|slot| unsafe { self.all().add(slot).read() } == armor.pattern(slot as isize))
    }

    fn slack(&self) -> std::ops::Range<usize> {
        match (self.used, self.first) {
            (0, _) => 0..0,
            (used, 0) => used..(used + SLACK).min(self.capacity),
            (_, first) => first.saturating_sub(SLACK)..first,
        }
    }

    /// The cells.
    pub fn values(&self) -> &[i64] {
        if self.used == 0 {
            return &[];
        }
        // SAFETY: that many cells are mapped, readable and initialized (zero at first).
        unsafe { std::slice::from_raw_parts(self.start(), self.used) }
    }

    /// The address of cell 0; dangling if there are no cells.
    pub fn start(&self) -> *mut i64 {
        // SAFETY: the first cell is between the inaccessible pages.
        if self.used == 0 { std::ptr::dangling_mut() } else { unsafe { self.all().add(self.first) } }
    }

    /// The address after the first inaccessible page.
    fn all(&self) -> *mut i64 {
        let mapping = self.mapping.as_ref().expect("the memory is reserved before an execution");
        // SAFETY: the mapping begins with an inaccessible page.
        unsafe { mapping.start().as_ptr().add(page_bytes()).cast() }
    }
}
