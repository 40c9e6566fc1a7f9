//! Replaces divisions by cheaper operations.
//!
//! - A remainder by a power of two that is only compared with zero becomes a mask.
//! - A remainder whose quotient is computed as well becomes a multiplication and a subtraction, so that there is one division.
//!
//! Needs constant operands, from `fold`. Keeps the blocks and every instruction that may trap.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Target;
use super::rewrite::Replaced;
use crate::lir::{AluOp, Cond, DivOp};
use crate::ssa::dominators::Dominators;
use crate::ssa::ir::{Block, End, Function, Op, Value};

/// Runs the pass.
pub fn run(function: &mut Function, _: &Target) {
    let divides = |op: &Op| matches!(op, Op::Divide(..) | Op::DivideImm(..));
    if !function.insts.iter().any(|inst| divides(&inst.op)) {
        return;
    }
    let only_tested = only_tested(function);
    let dominators = Dominators::of(function);
    let quotient_of = |op: &Op| match *op {
        Op::Divide(DivOp::Quotient, a, b) => Some((a, Divisor::Value(b))),
        Op::DivideImm(DivOp::Quotient, a, imm) => Some((a, Divisor::Constant(imm))),
        _ => None,
    };
    // The quotients that the function computes.
    let wanted: FxHashSet<_> = function.insts.iter().filter_map(|inst| quotient_of(&inst.op)).collect();
    // Those so far, each with its block.
    let mut known: FxHashMap<(Value, Divisor), (Block, Value)> = FxHashMap::default();
    let mut replaced = Replaced::none(function);
    for index in 0..function.layout.len() {
        let block = function.layout[index];
        let insts = std::mem::take(&mut function.block_mut(block).insts);
        let mut improved = Vec::with_capacity(insts.len());
        for value in insts {
            let op = *function.op(value);
            let pc = function.insts[value.index()].pc;
            let find = |known: &FxHashMap<_, (Block, Value)>, key| {
                known.get(&key).filter(|(of, _)| dominators.dominates(*of, block)).map(|(_, quotient)| *quotient)
            };
            if let Some(key) = quotient_of(&op) {
                match find(&known, key) {
                    // The division by the same divisor has been executed, so the divisor is not zero.
                    Some(quotient) => {
                        replaced.set(value, quotient);
                        continue;
                    }
                    None => {
                        known.insert(key, (block, value));
                    }
                }
            }
            let (a, divisor) = match op {
                Op::DivideImm(DivOp::Remainder, a, imm) if imm.unsigned_abs().is_power_of_two() => {
                    if only_tested[value.index()] {
                        // The remainder is zero if and only if these bits of the dividend are zero, whatever its sign.
                        let mask = (imm.unsigned_abs() - 1) as i64;
                        function.insts[value.index()].op = Op::AluImm(AluOp::And, a, mask);
                    }
                    improved.push(value);
                    continue;
                }
                Op::DivideImm(DivOp::Remainder, a, imm) => (a, Divisor::Constant(imm)),
                Op::Divide(DivOp::Remainder, a, b) => (a, Divisor::Value(b)),
                _ => {
                    improved.push(value);
                    continue;
                }
            };
            if wanted.contains(&(a, divisor)) {
                let quotient = find(&known, (a, divisor)).unwrap_or_else(|| {
                    let quotient = function.add(divisor.divide(a), pc);
                    improved.push(quotient);
                    known.insert((a, divisor), (block, quotient));
                    quotient
                });
                let multiple = function.add(divisor.multiply(quotient), pc);
                improved.push(multiple);
                function.insts[value.index()].op = Op::Alu(AluOp::Sub, a, multiple);
            }
            improved.push(value);
        }
        function.block_mut(block).insts = improved;
    }
    replaced.apply(function);
}

/// A divisor.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Divisor {
    Value(Value),
    Constant(i64),
}

impl Divisor {
    /// The quotient of a value and the divisor.
    fn divide(self, a: Value) -> Op {
        match self {
            Divisor::Value(b) => Op::Divide(DivOp::Quotient, a, b),
            Divisor::Constant(imm) => Op::DivideImm(DivOp::Quotient, a, imm),
        }
    }

    /// The product of a value and the divisor.
    fn multiply(self, a: Value) -> Op {
        match self {
            Divisor::Value(b) => Op::Alu(AluOp::Mul, a, b),
            Divisor::Constant(imm) => Op::AluImm(AluOp::Mul, a, imm),
        }
    }
}

/// For each value, whether every use compares it with zero for equality.
fn only_tested(function: &Function) -> Vec<bool> {
    let mut only_tested = vec![true; function.insts.len()];
    for &block in &function.layout {
        let data = function.block(block);
        for &value in &data.insts {
            let mut op = *function.op(value);
            if !matches!(op, Op::SetImm(Cond::Eq | Cond::Ne, _, 0)) {
                op.for_each_operand(|operand| only_tested[operand.index()] = false);
            }
        }
        if !matches!(data.end, End::BranchImm { cond: Cond::Eq | Cond::Ne, imm: 0, .. }) {
            data.end.operands().for_each(|operand| only_tested[operand.index()] = false);
        }
        data.end.passed().iter().for_each(|operand| only_tested[operand.index()] = false);
    }
    only_tested
}
