//! The memory of a program: its cells between inaccessible pages, zero at the start of every execution.

use std::io;

use super::memory::{Access, Mapping, page_bytes};
use super::store::{Armor, Edge};

/// The memory of a program. It can be reused for any number of executions.
pub(super) struct Cells {
    /// `None` until a program has cells.
    mapping: Option<Mapping>,
    /// The number of cells between the inaccessible pages.
    capacity: usize,
    /// The index of cell 0 among them.
    first: usize,
    used: usize,
}

/// The number of slots next to the cells that are checked for stray writes.
const SLACK: usize = 32;

impl Cells {
    pub fn new() -> Cells {
        Cells { mapping: None, capacity: 0, first: 0, used: 0 }
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
        let bytes = (cells * 8).next_multiple_of(page);
        self.mapping = None;
        let mut mapping = Mapping::new(bytes + 2 * page, Access::None)?;
        mapping.protect(page, bytes, Access::ReadWrite)?;
        (self.mapping, self.capacity, self.used) = (Some(mapping), bytes / 8, 0);
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
        // SAFETY: the cells are between the inaccessible pages, and nothing borrows them.
        unsafe { std::ptr::write_bytes(self.start(), 0, cells) };
        if let Some(armor) = armor {
            for slot in self.slack() {
                // SAFETY: as above; the slack is between the inaccessible pages.
                unsafe { self.all().add(slot).write(armor.pattern(slot as isize)) };
            }
        }
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
