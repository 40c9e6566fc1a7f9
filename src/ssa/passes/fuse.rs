//! Merges a comparison into the branch on its result, so that no flag is computed.
//!
//! Needs nothing; finds more after `fold`. Keeps the blocks. Values that only the comparison used live until the branch.

use super::Target;
use crate::lir::Cond;
use crate::ssa::ir::{End, Function, Op};

/// Runs the pass.
pub fn run(function: &mut Function, _: &Target) {
    for index in 0..function.layout.len() {
        let block = function.layout[index];
        let End::BranchImm { cond: cond @ (Cond::Eq | Cond::Ne), a, imm: 0, then, other } = function.block(block).end
        else {
            continue;
        };
        let holds = |inner: Cond| if cond == Cond::Ne { inner } else { inner.inverted() };
        function.block_mut(block).end = match *function.op(a) {
            Op::Set(inner, a, b) => End::Branch { cond: holds(inner), a, b, then, other },
            Op::SetImm(inner, a, imm) => End::BranchImm { cond: holds(inner), a, imm, then, other },
            _ => continue,
        };
    }
}
