//! The control stack: where generated code keeps return addresses and the frame slots of its activations.

use std::io;

use super::memory::{Access, Mapping, page_bytes};
use super::store::{Armor, SLACK};

/// The control stack. It grows downward. The pages before and after it are inaccessible, and memory is committed only as it is
/// used.
pub(super) struct ControlStack {
    /// `None` until a program has calls.
    mapping: Option<Mapping>,
    /// The number of bytes for activations.
    bytes: usize,
    /// How many of them the present program may use.
    used: usize,
}

/// Room that every control stack has below the room for activations, for signal handlers that run on it.
const HEADROOM: usize = 64 * 1024;

impl ControlStack {
    pub fn new() -> ControlStack {
        ControlStack { mapping: None, bytes: 0, used: 0 }
    }

    /// Makes room for activations of `bytes` bytes in all. Zero bytes need no control stack.
    ///
    /// # Errors
    /// The system's error if there is not enough address space.
    pub fn reserve(&mut self, bytes: usize) -> io::Result<()> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let page = page_bytes();
        let all = bytes
            .checked_add(HEADROOM)
            .and_then(|bytes| bytes.checked_next_multiple_of(page))
            .filter(|bytes| bytes.checked_add(2 * page).is_some_and(|all| all <= isize::MAX as usize))
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        *self = ControlStack::new();
        let mut mapping = Mapping::new(all + 2 * page, Access::None)?;
        mapping.protect(page, all, Access::ReadWrite)?;
        (self.mapping, self.bytes) = (Some(mapping), bytes);
        Ok(())
    }

    /// Begins an execution whose activations take at most this many bytes, a multiple of 8. With armor, the slots where they
    /// will be are filled with poison, and so are the slots below.
    pub fn begin(&mut self, bytes: usize, armor: Option<&Armor>) {
        assert!(bytes <= self.bytes, "the control stack is reserved before an execution");
        self.used = bytes;
        if let Some(armor) = armor
            && bytes > 0
        {
            for slot in (1..=(bytes / 8).min(armor.slots)).chain(self.slack()) {
                // SAFETY: the slots for activations and the slack are between the inaccessible pages, and nothing borrows them.
                unsafe { self.slot(slot).write(pattern(armor, slot)) };
            }
        }
    }

    /// Whether the slots below those that the program may use are unchanged since they were filled. A signal handler might change
    /// them; this process handles no signal that arrives while code runs.
    pub fn is_intact(&self, armor: &Armor) -> bool {
        // SAFETY: the slack is between the inaccessible pages, and `begin` has filled it.
        self.slack().all(|slot| unsafe { self.slot(slot).read() } == pattern(armor, slot))
    }

    /// The slots of the headroom that are checked for stray writes.
    fn slack(&self) -> std::ops::Range<usize> {
        let first = self.used / 8 + 1;
        if self.used == 0 { 0..0 } else { first..first + SLACK }
    }

    /// The address of a slot, numbered from 1 at the end of the control stack downward.
    fn slot(&self, slot: usize) -> *mut i64 {
        self.end().wrapping_sub(8 * slot).cast()
    }

    /// The address after the control stack; dangling if none is reserved. A multiple of 16.
    pub fn end(&self) -> *mut u8 {
        match &self.mapping {
            None => std::ptr::dangling_mut(),
            // SAFETY: the last page of the mapping is the inaccessible one.
            Some(mapping) => unsafe { mapping.start().as_ptr().add(mapping.bytes() - page_bytes()) },
        }
    }
}

/// The poison of a slot. It differs from that of every slot of the data stack and the memory.
fn pattern(armor: &Armor, slot: usize) -> i64 {
    !armor.pattern(slot as isize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Edge;

    const ARMOR: Armor = Armor { limit: 10, edge: Edge::Upper, poison: 7, slots: 20 };

    fn read(control: &ControlStack, slot: usize) -> i64 {
        // SAFETY: the tests read slots that are reserved.
        unsafe { control.slot(slot).read() }
    }

    #[test]
    fn stray_writes_below_the_activations_are_detected() {
        let mut control = ControlStack::new();
        assert!(control.is_intact(&ARMOR), "there is none");
        for bytes in [8, 800, 80, 100_000] {
            control.reserve(bytes).expect("memory");
            control.begin(bytes, Some(&ARMOR));
            assert!(control.end().addr().is_multiple_of(16) && control.is_intact(&ARMOR));
            let last = bytes / 8;
            for slot in [1, last, last + 1, last + SLACK, last + SLACK + 1] {
                let before = read(&control, slot);
                // SAFETY: there is headroom below the last slot.
                unsafe { control.slot(slot).write(!before) };
                assert_eq!(
                    control.is_intact(&ARMOR),
                    slot <= last || slot > last + SLACK,
                    "{bytes} bytes, slot {slot}"
                );
                // SAFETY: the same as above.
                unsafe { control.slot(slot).write(before) };
            }
            assert!(!control.is_intact(&Armor { poison: 8, ..ARMOR }));
        }
        control.begin(0, None);
        assert!(control.is_intact(&ARMOR), "the last program does not count");
    }

    #[test]
    fn unused_slots_have_distinct_poison() {
        let mut control = ControlStack::new();
        control.reserve(1000).expect("memory");
        control.begin(1000, Some(&ARMOR));
        let slots: Vec<i64> = (1..=ARMOR.slots + 1).map(|slot| read(&control, slot)).collect();
        for (index, value) in slots[..ARMOR.slots].iter().enumerate() {
            assert!(!slots[..index].contains(value) && *value != 0);
        }
        assert_eq!(slots[ARMOR.slots], 0, "only the first slots are filled");
    }

    #[test]
    fn huge_control_stacks_are_errors() {
        let mut control = ControlStack::new();
        for bytes in [usize::MAX, usize::MAX - HEADROOM, isize::MAX as usize - HEADROOM, isize::MAX as usize, 1 << 57] {
            assert!(control.reserve(bytes).is_err(), "{bytes} bytes");
        }
        control.reserve(100).expect("memory");
    }
}
