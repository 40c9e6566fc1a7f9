//! Removes divisions that are redundant on every path: those whose result the paths to a block have all computed, each with its own
//! arguments. The block gets the result as a parameter.
//!
//! The typical case is a `while` loop whose condition divides. It is evaluated before the loop and again at the end of each iteration,
//! and if the body begins with the same division, that is partial redundancy elimination without any insertion.
//!
//! Needs numbered values, from `fold`. Finds more after `params`. Keeps the blocks and the order of traps: wherever a division was
//! removed, an equal one has been executed before.

use rustc_hash::FxHashMap;

use super::Target;
use super::rewrite::Replaced;
use crate::ssa::dominators::Dominators;
use crate::ssa::ir::{Block, End, Function, Op, Value};

/// Runs the pass.
pub fn run(function: &mut Function, _: &Target) {
    if !function.insts.iter().any(|inst| is_candidate(&inst.op)) {
        return;
    }
    let dominators = Dominators::of(function);
    let jumps_to = function.jumps_to();
    let definitions = definitions(function);
    let mut divisions: FxHashMap<Op, Vec<(Block, Value)>> = FxHashMap::default();
    let mut candidates = Vec::new();
    for &block in &function.layout {
        for &value in function.block(block).insts.iter().filter(|value| is_candidate(function.op(**value))) {
            divisions.entry(*function.op(value)).or_default().push((block, value));
            candidates.push(value);
        }
    }
    let mut replaced = Replaced::none(function);
    let mut params: FxHashMap<(Block, Op), Value> = FxHashMap::default();
    for value in candidates {
        let op = *function.op(value);
        let Some(block) = block_of_params(function, &definitions, &dominators, op) else { continue };
        let available = |from: &Block| {
            let op = translated(function, block, *from, op);
            let equal = divisions.get(&op)?.iter().find(|(definition, _)| dominators.dominates(*definition, *from));
            equal.map(|(_, value)| *value)
        };
        let jumps = &jumps_to[block.index()];
        let param = match params.get(&(block, op)) {
            Some(param) => *param,
            None => {
                let Some(args) = jumps.iter().map(available).collect::<Option<Vec<_>>>() else { continue };
                let param = function.add(Op::Param, function.insts[value.index()].pc);
                function.block_mut(block).params.push(param);
                for (from, arg) in jumps.iter().zip(args) {
                    if let End::Jump(edge) = &mut function.block_mut(*from).end {
                        edge.args.push(arg);
                    }
                }
                params.insert((block, op), param);
                param
            }
        };
        replaced.set(value, param);
    }
    if params.is_empty() {
        return;
    }
    for block in &mut function.blocks {
        block.insts.retain(|value| replaced.get(*value) == *value);
    }
    replaced.apply(function);
}

fn is_candidate(op: &Op) -> bool {
    matches!(op, Op::Divide(..) | Op::DivideImm(..))
}

/// The block in which each value is defined.
fn definitions(function: &Function) -> Vec<Block> {
    let mut definitions = vec![function.layout[0]; function.insts.len()];
    for &block in &function.layout {
        let data = function.block(block);
        data.params.iter().chain(&data.insts).for_each(|value| definitions[value.index()] = block);
    }
    definitions
}

/// The block whose parameters an operation has as operands, if all other operands are defined before this block.
fn block_of_params(function: &Function, definitions: &[Block], dominators: &Dominators, mut op: Op) -> Option<Block> {
    let mut operands = Vec::new();
    op.for_each_operand(|operand| operands.push(*operand));
    let block_of = |value: &Value| definitions[value.index()];
    // All definitions dominate the operation, so one of their blocks is dominated by all others.
    let last = operands.iter().map(block_of).reduce(|a, b| if dominators.dominates(a, b) { b } else { a })?;
    let is_known = |operand: &Value| *function.op(*operand) == Op::Param || block_of(operand) != last;
    operands.iter().all(is_known).then_some(last)
}

/// The operation with the arguments of a jump in place of the parameters of its target.
fn translated(function: &Function, block: Block, from: Block, mut op: Op) -> Op {
    let End::Jump(edge) = &function.block(from).end else { unreachable!("only jumps pass arguments") };
    let params = &function.block(block).params;
    op.for_each_operand(|operand| {
        if let Some(index) = params.iter().position(|param| param == operand) {
            *operand = edge.args[index];
        }
    });
    op
}
