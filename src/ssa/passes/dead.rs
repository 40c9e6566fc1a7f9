//! Removes instructions whose value is not used and that have no other effect, and parameters that only such instructions use.
//!
//! Needs nothing. Keeps the blocks and every instruction that may trap.

use super::Target;
use crate::ssa::ir::{Effect, End, Function, Value};

/// Runs the pass.
pub fn run(function: &mut Function, _: &Target) {
    let mut is_used = vec![false; function.insts.len()];
    let mut open: Vec<Value> = Vec::new();
    let edges = function.jumps_to();
    let mut owner = vec![None; function.insts.len()];
    let mut mark = |value: Value, open: &mut Vec<Value>| {
        if !std::mem::replace(&mut is_used[value.index()], true) {
            open.push(value);
        }
    };
    for &block in &function.layout {
        let data = &function.blocks[block.index()];
        for (index, param) in data.params.iter().enumerate() {
            owner[param.index()] = Some((block, index));
        }
        for &value in &data.insts {
            if function.op(value).effect() >= Effect::Traps {
                mark(value, &mut open);
            }
        }
        data.end.operands().for_each(|operand| mark(operand, &mut open));
        // An argument is used only if the parameter is.
        if !matches!(data.end, End::Jump(_)) {
            data.end.passed().iter().for_each(|value| mark(*value, &mut open));
        }
    }
    while let Some(value) = open.pop() {
        if let Some((block, index)) = owner[value.index()] {
            for from in &edges[block.index()] {
                mark(function.block(*from).end.passed()[index], &mut open);
            }
        }
        let mut op = *function.op(value);
        op.for_each_operand(|operand| mark(*operand, &mut open));
    }
    for index in 0..function.layout.len() {
        let block = function.layout[index];
        let data = &mut function.blocks[block.index()];
        data.insts.retain(|value| is_used[value.index()]);
        let kept: Vec<bool> = data.params.iter().map(|param| is_used[param.index()]).collect();
        if kept.iter().all(|kept| *kept) {
            continue;
        }
        retain(&mut data.params, &kept);
        for from in &edges[block.index()] {
            if let End::Jump(edge) = &mut function.blocks[from.index()].end {
                retain(&mut edge.args, &kept);
            }
        }
    }
}

/// Keeps the values whose flag is set.
fn retain(values: &mut Vec<Value>, kept: &[bool]) {
    let mut kept = kept.iter();
    values.retain(|_| *kept.next().expect("there is a flag for each value"));
}
