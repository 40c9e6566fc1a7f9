//! The verifier of the intermediate representation. It runs after the builder and after every pass in debug builds and tests.

use super::dominators::Dominators;
use super::ir::{Block, End, Function, Op, Value};

/// Checks that a function is well-formed.
///
/// # Errors
/// What is wrong, in words: a value that is used where its definition does not dominate the use, or defined twice; an edge with
/// the wrong number of arguments; a branch to a block with parameters or with other predecessors; a back edge into the middle of
/// a loop; a block that is not complete or cannot be reached.
pub fn verify(function: &Function) -> Result<(), String> {
    let mut position = vec![None; function.blocks.len()];
    for (index, block) in function.layout.iter().enumerate() {
        if position[block.index()].replace(index).is_some() {
            return Err(format!("{block} is in the layout twice"));
        }
    }
    let mut definitions: Vec<Option<(Block, usize)>> = vec![None; function.insts.len()];
    for &block in &function.layout {
        let data = function.block(block);
        let params = data.params.iter().map(|param| (*param, 0));
        for (value, at) in params.chain(data.insts.iter().copied().zip(1..)) {
            if definitions[value.index()].replace((block, at)).is_some() {
                return Err(format!("{value} is defined twice"));
            }
            if (*function.op(value) == Op::Param) != (at == 0) {
                return Err(format!("{value} is a parameter among the instructions, or the other way round"));
            }
        }
    }
    let counts = function.predecessor_counts();
    for (index, &block) in function.layout.iter().enumerate() {
        if function.block(block).end == End::Open {
            return Err(format!("{block} is not complete"));
        }
        if counts[block.index()] == 0 && index > 0 {
            return Err(format!("{block} cannot be reached"));
        }
        for next in function.block(block).end.successors() {
            if position[next.index()].is_none() {
                return Err(format!("{block} leads to {next}, which is not in the layout"));
            }
        }
    }
    let dominators = Dominators::of(function);
    for (index, &block) in function.layout.iter().enumerate() {
        let data = function.block(block);
        let check = |value: Value, at: usize| match definitions.get(value.index()).copied().flatten() {
            None => Err(format!("{value} is used in {block} and not defined")),
            Some((from, before)) if from == block && before < at => Ok(()),
            Some((from, _)) if from != block && dominators.dominates(from, block) => Ok(()),
            Some((from, _)) => Err(format!("{value} of {from} does not dominate its use in {block}")),
        };
        for (&value, at) in data.insts.iter().zip(1..) {
            let mut result = Ok(());
            let mut op = *function.op(value);
            op.for_each_operand(|operand| {
                let defines = function.insts.get(operand.index()).is_some_and(|inst| inst.op.defines());
                if result.is_ok() && !defines {
                    result = Err(format!("{operand} has no value"));
                } else if result.is_ok() {
                    result = check(*operand, at);
                }
            });
            result?;
        }
        data.end.operands().try_for_each(|value| check(value, usize::MAX))?;
        data.end.passed().iter().try_for_each(|value| check(*value, usize::MAX))?;
        match &data.end {
            End::Jump(edge) => {
                let params = function.block(edge.to).params.len();
                if edge.args.len() != params {
                    return Err(format!(
                        "{block} passes {} values to {}, which expects {params}",
                        edge.args.len(),
                        edge.to
                    ));
                }
                let is_back = position[edge.to.index()] <= Some(index);
                if is_back && !dominators.dominates(edge.to, block) {
                    return Err(format!("{block} jumps back into the middle of a loop, to {}", edge.to));
                }
            }
            End::Branch { then, other, .. }
            | End::BranchImm { then, other, .. }
            | End::BranchMask { then, other, .. } => {
                for next in [then, other] {
                    if counts[next.index()] != 1 || !function.block(*next).params.is_empty() {
                        return Err(format!("{block} branches to {next}, which has parameters or other predecessors"));
                    }
                }
            }
            End::Open | End::Return { .. } | End::EndCall { .. } => {}
        }
    }
    Ok(())
}
