//! Merges operations that the machine has as one.
//!
//! - A comparison, or a mask, and the branch on its result.
//! - A multiplication and an addition or subtraction.
//! - A shift by a constant and the operation on its result.
//!
//! A merged operation stays where it is, so `dead` must remove it. It is merged only if nothing else uses its result; otherwise it
//! would be computed twice. That does not matter for comparisons.
//!
//! Needs nothing; finds more after `fold`. Keeps the blocks. Operands live longer.

use super::Target;
use crate::lir::{AluOp, Cond};
use crate::ssa::ir::{End, Function, Op, Value};

/// Runs the pass.
pub fn run(function: &mut Function, target: &Target) {
    let uses = function.use_counts();
    for index in 0..function.layout.len() {
        let block = function.layout[index];
        let mut at = 0;
        while let Some(&value) = function.block(block).insts.get(at) {
            if let Some(Fused { op, constants }) = fuse(function, target, &uses, value) {
                let pc = function.insts[value.index()].pc;
                // The constants that the merged operation needs in registers.
                let mut op = op;
                let mut constants = constants.into_iter().flatten();
                op.for_each_operand(|operand| {
                    if *operand == PLACEHOLDER {
                        let constant = constants.next().expect("there is a constant for each placeholder");
                        *operand = function.add(Op::Constant(constant), pc);
                        function.block_mut(block).insts.insert(at, *operand);
                        at += 1;
                    }
                });
                function.insts[value.index()].op = op;
            }
            at += 1;
        }
        let end = branch(function, target, &uses, &function.block(block).end);
        if let Some(end) = end {
            function.block_mut(block).end = end;
        }
    }
}

/// Stands for an operand that is a constant.
const PLACEHOLDER: Value = Value(u32::MAX);

/// A merged operation, and the constants for its placeholders.
struct Fused {
    op: Op,
    constants: [Option<i64>; 2],
}

impl Fused {
    fn new(op: Op) -> Option<Fused> {
        Some(Fused { op, constants: [None; 2] })
    }
}

/// The operation that an instruction becomes, if an operand can be merged into it.
fn fuse(function: &Function, target: &Target, uses: &[u32], value: Value) -> Option<Fused> {
    let single = |value: Value| (uses.get(value.index()) == Some(&1)).then(|| *function.op(value));
    match *function.op(value) {
        Op::Alu(op @ (AluOp::Add | AluOp::Sub), a, b) if target.has_multiply_add => {
            let subtracts = op == AluOp::Sub;
            match (single(b), single(a)) {
                (Some(Op::Alu(AluOp::Mul, m, n)), _) => Fused::new(Op::MulAdd { a: m, b: n, c: a, subtracts }),
                (_, Some(Op::Alu(AluOp::Mul, m, n))) if !subtracts => {
                    Fused::new(Op::MulAdd { a: m, b: n, c: b, subtracts })
                }
                (Some(Op::AluImm(AluOp::Mul, m, imm)), _) if !(target.fits_alu)(AluOp::Mul, imm) => {
                    let op = Op::MulAdd { a: m, b: PLACEHOLDER, c: a, subtracts };
                    Some(Fused { op, constants: [Some(imm), None] })
                }
                (_, Some(Op::AluImm(AluOp::Mul, m, imm))) if !subtracts && !(target.fits_alu)(AluOp::Mul, imm) => {
                    let op = Op::MulAdd { a: m, b: PLACEHOLDER, c: b, subtracts };
                    Some(Fused { op, constants: [Some(imm), None] })
                }
                _ => shift(target, op, a, b, single),
            }
        }
        Op::AluImm(AluOp::Add, a, more) if target.has_multiply_add => match single(a)? {
            Op::AluImm(AluOp::Mul, m, imm) if !(target.fits_alu)(AluOp::Mul, imm) => {
                let op = Op::MulAdd { a: m, b: PLACEHOLDER, c: PLACEHOLDER, subtracts: false };
                Some(Fused { op, constants: [Some(imm), Some(more)] })
            }
            _ => None,
        },
        Op::Alu(op, a, b) => shift(target, op, a, b, single),
        _ => None,
    }
}

/// Merges a shift by a constant.
fn shift(target: &Target, op: AluOp, a: Value, b: Value, single: impl Fn(Value) -> Option<Op>) -> Option<Fused> {
    let merge = |a, b| match single(b)? {
        Op::AluImm(shift, b, amount @ 1..=63) if shift.is_shift() => {
            let amount = amount as u8;
            (target.fits_shifted)(op, shift, amount).then_some(Op::AluShifted { op, a, b, shift, amount })
        }
        _ => None,
    };
    let fused = merge(a, b).or_else(|| if op.commutes() { merge(b, a) } else { None });
    fused.and_then(Fused::new)
}

/// The end of a block with its test merged, if it can be.
fn branch(function: &Function, target: &Target, uses: &[u32], end: &End) -> Option<End> {
    let End::BranchImm { cond: cond @ (Cond::Eq | Cond::Ne), a, imm: 0, then, other } = *end else { return None };
    let holds = |inner: Cond| if cond == Cond::Ne { inner } else { inner.inverted() };
    match *function.op(a) {
        Op::Set(inner, a, b) => Some(End::Branch { cond: holds(inner), a, b, then, other }),
        Op::SetImm(inner, a, imm) => {
            // The comparison may test a mask.
            let end = End::BranchImm { cond: holds(inner), a, imm, then, other };
            Some(branch(function, target, uses, &end).unwrap_or(end))
        }
        Op::AluImm(AluOp::And, of, mask) if uses.get(a.index()) == Some(&1) && (target.fits_mask)(mask) => {
            Some(End::BranchMask { a: of, mask, is_zero: cond == Cond::Eq, then, other })
        }
        _ => None,
    }
}
