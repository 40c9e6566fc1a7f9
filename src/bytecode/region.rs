//! The region table: the loops and branches of a program, nested as in its source.

use super::{Counter, Pc};

/// The index of a region in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionId(pub u32);

impl RegionId {
    /// The index as a `usize`.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A loop or an `if`.
///
/// Regions nest: a region that begins inside another also ends inside it. Control enters a region only at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its kind.
    pub kind: RegionKind,
    /// The operation that begins it.
    pub start: Pc,
    /// The first operation after it.
    pub end: Pc,
    /// The innermost region that contains it.
    pub parent: Option<RegionId>,
    /// The number of regions that contain it.
    pub nesting: u32,
    /// Whether the height of the stack at each of its operations is known relative to the height at its start: every iteration
    /// of a loop ends with the height with which it began, the height at every `leave` is the height at the loop's normal end,
    /// both branches of an `if` end with the same height, and all regions inside are level.
    pub is_level: bool,
    /// Whether more than one path reaches its end. Only one does if one branch of an `if` ends with a jump, or if a `while`
    /// loop has no `leave`.
    pub is_joined: bool,
    /// Whether it contains no loop.
    pub is_innermost: bool,
    /// Whether it contains a call.
    pub has_call: bool,
    /// How far the region reads or pops below the stack height at its header, in values. For example, the reach of
    /// `times rot end` is 3. Exact only if the region is level.
    pub reach: i64,
}

/// The kind of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionKind {
    /// A loop with a count.
    Times {
        /// Its counter.
        counter: Counter,
    },
    /// A loop with a condition.
    While,
    /// An `if`.
    If {
        /// The first operation of ELSE, if there is one.
        otherwise: Option<Pc>,
    },
}

impl Region {
    /// The number of its operations.
    pub fn operations(&self) -> usize {
        self.end.index() - self.start.index()
    }

    /// The first operation inside: the first of every iteration in a loop, or the first of THEN in an `if`.
    #[inline]
    pub fn header(&self) -> Pc {
        Pc(self.start.0 + 1)
    }

    /// Whether it is a loop.
    #[inline]
    pub fn is_loop(&self) -> bool {
        !matches!(self.kind, RegionKind::If { .. })
    }
}
