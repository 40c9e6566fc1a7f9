//! Merges the check of an index with the access to the array.
//!
//! A program with several arrays checks an index against the length of its array, and replaces a wrong one by the number of a cell
//! that does not exist. The access then checks the sum of the index and the array's first cell again, but the first check suffices:
//!
//! ```text
//! b0: v2 = set-ult v0, v1         b0: v7 = load-element 8[v0 of 4]
//!     branch v2, b1, b2      →        ...
//! b1: v4 = add v0, v3
//!     jump b3(v4)
//! b2: jump b3(v5)
//! b3(v6): v7 = load-cell v6+0
//!     ...
//! ```
//!
//! Needs the operations as they were built, so it runs before `fold`. Finds more after `params`. Joins the blocks before and after the
//! check, so the passes that work on one block see more. Keeps traps and their places: wherever an access trapped, it traps now.

use rustc_hash::FxHashMap;

use super::Target;
use crate::lir::{AluOp, Cond};
use crate::ssa::ir::{Array, Block, End, Function, Op, Value};

/// Runs the pass.
pub fn run(function: &mut Function, target: &Target) {
    if !function.layout.iter().any(|block| check_at_end(function, *block, target).is_some()) {
        return;
    }
    let predecessors = function.predecessor_counts();
    let (uses, address_uses) = (function.use_counts(), address_uses(function));
    let mut elements = FxHashMap::default();
    let mut is_merged = vec![false; function.blocks.len()];
    for index in 0..function.layout.len() {
        let block = function.layout[index];
        // A block takes over what follows the check, and that may end with another check.
        while !is_merged[block.index()]
            && let Some(Check { inside, outside, join, address, element }) = check_at_end(function, block, target)
            && predecessors[join.index()] == 2
            && uses[address.index()] == address_uses[address.index()]
        {
            elements.insert(address, element);
            [inside, outside, join].iter().for_each(|block| is_merged[block.index()] = true);
            let mut rest = std::mem::take(&mut function.block_mut(join).insts);
            let (end, end_pc) = (function.block(join).end.clone(), function.block(join).end_pc);
            let data = function.block_mut(block);
            data.insts.append(&mut rest);
            (data.end, data.end_pc) = (end, end_pc);
        }
    }
    function.layout.retain(|block| !is_merged[block.index()]);
    for block in &function.layout {
        for value in &function.blocks[block.index()].insts {
            let op = &mut function.insts[value.index()].op;
            if let Some((index, array)) = address(op).and_then(|address| elements.get(&address)).copied() {
                *op = match *op {
                    Op::StoreCell { value, .. } => Op::StoreElement { value, index, array },
                    _ => Op::LoadElement { index, array },
                };
            }
        }
    }
}

/// A check of an index.
struct Check {
    /// The block that computes the address.
    inside: Block,
    /// The block for an index out of bounds.
    outside: Block,
    /// The block after both.
    join: Block,
    /// The only parameter of that block: the address, or the number of a cell that does not exist.
    address: Value,
    /// The index, and the array whose element has this address.
    element: (Value, Array),
}

/// The check at the end of a block, if there is one.
fn check_at_end(function: &Function, block: Block, target: &Target) -> Option<Check> {
    let End::BranchImm { cond: Cond::Ne, a: flag, imm: 0, then: inside, other: outside } = function.block(block).end
    else {
        return None;
    };
    let Op::Set(Cond::Ult, index, count) = *function.op(flag) else { return None };
    let count = u32::try_from(function.constant(count)?).ok()?;
    let (join, sum) = only_argument(function, inside)?;
    let (other, outside_cells) = only_argument(function, outside)?;
    let first = match *function.op(sum) {
        _ if sum == index => 0,
        Op::Alu(AluOp::Add, a, b) if a == index => function.constant(b)?,
        Op::Alu(AluOp::Add, a, b) if b == index => function.constant(a)?,
        _ => return None,
    };
    let first = u32::try_from(first).ok()?;
    let is_array = u64::from(first) + u64::from(count) <= target.cells as u64;
    let [address] = function.block(join).params[..] else { return None };
    let is_check = other == join && is_array && target.cell(function.constant(outside_cells)?).is_none();
    is_check.then_some(Check { inside, outside, join, address, element: (index, Array { first, count }) })
}

/// The block to which a block jumps, and its only argument, if nothing that the block executes has an effect. That nothing else uses
/// the values of the block follows, since it dominates no other one.
fn only_argument(function: &Function, block: Block) -> Option<(Block, Value)> {
    let End::Jump(edge) = &function.block(block).end else { return None };
    let [arg] = edge.args[..] else { return None };
    let is_pure = |value: &Value| matches!(function.op(*value), Op::Constant(_) | Op::Alu(..));
    (function.block(edge.to).params.len() == 1 && function.block(block).insts.iter().all(is_pure))
        .then_some((edge.to, arg))
}

/// The address of an access to a memory cell.
fn address(op: &Op) -> Option<Value> {
    match *op {
        Op::LoadCell { address, offset: 0 } | Op::StoreCell { address, offset: 0, .. } => Some(address),
        _ => None,
    }
}

/// For each value, how often it is the address of an access.
fn address_uses(function: &Function) -> Vec<u32> {
    let mut uses = vec![0; function.insts.len()];
    for block in &function.layout {
        let insts = &function.block(*block).insts;
        insts.iter().filter_map(|value| address(function.op(*value))).for_each(|address| uses[address.index()] += 1);
    }
    uses
}
