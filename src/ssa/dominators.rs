//! The dominator tree: which blocks lie on every path from the entry to a block.

use super::ir::{Block, Function};

/// The dominator tree of a function.
pub struct Dominators {
    /// For each block, when a walk over the tree enters and leaves it. Unreachable blocks have an empty range.
    ranges: Vec<(u32, u32)>,
}

impl Dominators {
    /// Computes the tree by the algorithm of Cooper, Harvey and Kennedy. The layout is a reverse postorder but for back edges.
    pub fn of(function: &Function) -> Dominators {
        const NONE: u32 = u32::MAX;
        let layout = &function.layout;
        let position = function.positions();
        // The immediate dominator of each block, by position.
        let mut above = vec![NONE; layout.len()];
        above[0] = 0;
        let common = |above: &[u32], mut a: u32, mut b: u32| {
            while a != b {
                if a > b {
                    a = above[a as usize];
                } else {
                    b = above[b as usize];
                }
            }
            a
        };
        // Control enters a loop only at its header, so one walk suffices: a back edge does not change the dominator of a header.
        for (index, &block) in layout.iter().enumerate() {
            if above[index] == NONE {
                // It cannot be reached. Only the verifier sees such a function.
                above[index] = 0;
                continue;
            }
            for next in function.block(block).end.successors() {
                let next = position[next.index()] as u32;
                if next > index as u32 {
                    let known = &mut above[next as usize];
                    let one = if *known == NONE { index as u32 } else { *known };
                    above[next as usize] = common(&above, one, index as u32);
                }
            }
        }
        // The children of each block follow it in the layout. Sizes of subtrees give the ranges.
        let mut sizes = vec![1_u32; layout.len()];
        for index in (1..layout.len()).rev() {
            sizes[above[index] as usize] += sizes[index];
        }
        let mut next_start = vec![0_u32; layout.len()];
        let mut ranges = vec![(0, 0); function.blocks.len()];
        let mut start = 0;
        for (index, block) in layout.iter().enumerate() {
            if index > 0 {
                let parent = above[index] as usize;
                start = next_start[parent];
                next_start[parent] += sizes[index];
            }
            next_start[index] = start + 1;
            ranges[block.index()] = (start, start + sizes[index]);
        }
        Dominators { ranges }
    }

    /// Whether every path from the entry to `b` leads through `a`. A block dominates itself.
    #[inline]
    pub fn dominates(&self, a: Block, b: Block) -> bool {
        let (start, end) = self.ranges[a.index()];
        (start..end).contains(&self.ranges[b.index()].0)
    }
}
