//! The region table: the loops and branches of a program, with the structure that they had in its source.

use super::{Counter, Pc};

/// The index of a region in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionId(pub u32);

impl RegionId {
    /// The index.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A loop or an `if`.
///
/// Regions nest: one that begins in another ends in it. Control enters a region only at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// What it is.
    pub kind: RegionKind,
    /// The operation that begins it.
    pub start: Pc,
    /// The first operation after it.
    pub end: Pc,
    /// The innermost region around it.
    pub parent: Option<RegionId>,
    /// The number of regions around it.
    pub nesting: u32,
    /// Whether the height of the stack at each of its operations is known relative to the height at its start: every
    /// iteration of a loop ends as high as it began, both branches of an `if` end equally high, and the same holds for each
    /// region inside.
    pub is_level: bool,
    /// Whether no loop is inside.
    pub is_innermost: bool,
    /// The number of values below the height at its header that it reads or removes. Exact only where it is level.
    pub reach: i64,
}

/// What a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionKind {
    /// A loop with a count.
    Times {
        /// Where the count is kept.
        counter: Counter,
    },
    /// A loop with a condition.
    While,
    /// A branch.
    If {
        /// The first operation of ELSE, if there is one.
        otherwise: Option<Pc>,
    },
}

impl Region {
    /// The first operation inside: in a loop that of every iteration, in an `if` that of THEN.
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
