//! Which ranges of a region are free.

use std::ops::Range;

/// The free ranges of a region in ascending order; no two of them touch.
pub(super) struct FreeList {
    free: Vec<Range<usize>>,
    whole: usize,
}

impl FreeList {
    /// All units are free.
    pub fn new(whole: usize) -> FreeList {
        FreeList { free: std::iter::once(0..whole).collect(), whole }
    }

    /// Allocates the lowest range of this many units. This often reuses memory that was freed recently and is still in
    /// the caches.
    pub fn take(&mut self, units: usize) -> Option<Range<usize>> {
        let index = self.free.iter().position(|hole| hole.len() >= units)?;
        let hole = &mut self.free[index];
        let taken = hole.start..hole.start + units;
        hole.start = taken.end;
        if hole.start == hole.end {
            self.free.remove(index);
        }
        Some(taken)
    }

    /// Frees a range that was allocated.
    pub fn release(&mut self, range: Range<usize>) {
        let index = self.free.partition_point(|hole| hole.start < range.start);
        let (before, after) = self.free.split_at_mut(index);
        let before = before.last_mut().filter(|hole| hole.end == range.start);
        let after = after.first_mut().filter(|hole| hole.start == range.end);
        match (before, after) {
            (Some(before), Some(after)) => {
                before.end = after.end;
                self.free.remove(index);
            }
            (Some(before), None) => before.end = range.end,
            (None, Some(after)) => after.start = range.start,
            (None, None) => self.free.insert(index, range),
        }
    }

    /// Whether all units are free.
    pub fn is_all_free(&self) -> bool {
        self.free.first().is_some_and(|hole| hole.len() == self.whole)
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn the_lowest_hole_that_is_large_enough_is_taken() {
        let mut list = FreeList::new(10);
        assert_eq!([list.take(2), list.take(3), list.take(4)], [Some(0..2), Some(2..5), Some(5..9)]);
        assert_eq!(list.take(2), None);
        list.release(0..2);
        assert_eq!(list.take(3), None, "two units and one are not three contiguous units");
        assert_eq!([list.take(1), list.take(1), list.take(1)], [Some(0..1), Some(1..2), Some(9..10)]);
        assert_eq!(list.take(1), None);
        [2..5, 5..9, 9..10, 0..1].into_iter().for_each(|range| list.release(range));
        assert!(!list.is_all_free());
        list.release(1..2);
        assert!(list.is_all_free());
        assert_eq!(list.take(10), Some(0..10));
        assert!(!list.is_all_free());
    }

    #[test]
    fn allocated_ranges_were_free_and_no_range_is_lost() {
        const WHOLE: usize = 200;
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let (mut list, mut taken, mut is_taken) = (FreeList::new(WHOLE), Vec::new(), [false; WHOLE]);
        let (mut refused, mut most) = (0, 0);
        for _ in 0..100_000 {
            if random.random_bool(0.5) {
                let units = random.random_range(1..=WHOLE / 8);
                let fits = |start: usize| is_taken[start..start + units].iter().all(|unit| !unit);
                let lowest = (0..=WHOLE - units).find(|start| fits(*start));
                let range: Option<Range<usize>> = list.take(units);
                assert_eq!(range, lowest.map(|start| start..start + units));
                refused += usize::from(range.is_none());
                range.iter().for_each(|range| is_taken[range.clone()].fill(true));
                taken.extend(range);
            } else if !taken.is_empty() {
                let range = taken.swap_remove(random.random_range(0..taken.len()));
                is_taken[range.clone()].fill(false);
                list.release(range);
            }
            most = most.max(taken.len());
            assert_eq!(list.is_all_free(), taken.is_empty());
        }
        assert!(refused > 100 && most > 10, "{refused} refused, at most {most} at a time");
    }
}
