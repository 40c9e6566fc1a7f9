//! The operations of words as the peers name them.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasm_encoder::InstructionSink;

use crate::lir::{AluOp, Cond, UnaryOp};

/// Emits an operation in WebAssembly. `operand` emits the first operand if its argument is 0, and the second if it is
/// 1. WebAssembly takes shift counts modulo 64, as our operations do.
pub fn wasm_alu(code: &mut InstructionSink, op: AluOp, operand: impl Fn(&mut InstructionSink, usize)) {
    operand(code, 0);
    operand(code, 1);
    match op {
        AluOp::Add => code.i64_add(),
        AluOp::Sub => code.i64_sub(),
        AluOp::Mul => code.i64_mul(),
        AluOp::And => code.i64_and(),
        AluOp::Or => code.i64_or(),
        AluOp::Xor => code.i64_xor(),
        AluOp::Shl => code.i64_shl(),
        AluOp::Shr => code.i64_shr_u(),
        AluOp::Sar => code.i64_shr_s(),
        AluOp::Min | AluOp::Max => {
            operand(code, 0);
            operand(code, 1);
            if op == AluOp::Min {
                code.i64_lt_s()
            } else {
                code.i64_gt_s()
            };
            code.select()
        }
    };
}

/// Emits an operation with one operand in WebAssembly. `operand` emits the operand.
pub fn wasm_unary(code: &mut InstructionSink, op: UnaryOp, operand: impl Fn(&mut InstructionSink)) {
    if op == UnaryOp::Invert {
        operand(code);
        code.i64_const(-1).i64_xor();
        return;
    }
    code.i64_const(0);
    operand(code);
    code.i64_sub();
    if op == UnaryOp::Abs {
        operand(code);
        operand(code);
        code.i64_const(0).i64_lt_s().select();
    }
}

/// Emits a comparison in WebAssembly.
pub fn wasm_compare(code: &mut InstructionSink, cond: Cond) {
    match cond {
        Cond::Eq => code.i64_eq(),
        Cond::Ne => code.i64_ne(),
        Cond::Lt => code.i64_lt_s(),
        Cond::Gt => code.i64_gt_s(),
        Cond::Le => code.i64_le_s(),
        Cond::Ge => code.i64_ge_s(),
        Cond::Ult => code.i64_lt_u(),
        Cond::Ugt => code.i64_gt_u(),
        Cond::Ule => code.i64_le_u(),
        Cond::Uge => code.i64_ge_u(),
    };
}

/// Emits an operation in Cranelift's IR. Cranelift takes shift counts modulo 64, as our operations do.
pub fn cranelift_alu(function: &mut FunctionBuilder, op: AluOp, a: Value, b: Value) -> Value {
    match op {
        AluOp::Add => function.ins().iadd(a, b),
        AluOp::Sub => function.ins().isub(a, b),
        AluOp::Mul => function.ins().imul(a, b),
        AluOp::And => function.ins().band(a, b),
        AluOp::Or => function.ins().bor(a, b),
        AluOp::Xor => function.ins().bxor(a, b),
        AluOp::Shl => function.ins().ishl(a, b),
        AluOp::Shr => function.ins().ushr(a, b),
        AluOp::Sar => function.ins().sshr(a, b),
        AluOp::Min => function.ins().smin(a, b),
        AluOp::Max => function.ins().smax(a, b),
    }
}

/// Emits an operation with one operand in Cranelift's IR.
pub fn cranelift_unary(function: &mut FunctionBuilder, op: UnaryOp, a: Value) -> Value {
    match op {
        UnaryOp::Negate => function.ins().ineg(a),
        UnaryOp::Invert => function.ins().bnot(a),
        UnaryOp::Abs => function.ins().iabs(a),
    }
}

/// The condition as Cranelift names it.
pub fn cranelift_condition(cond: Cond) -> IntCC {
    match cond {
        Cond::Eq => IntCC::Equal,
        Cond::Ne => IntCC::NotEqual,
        Cond::Lt => IntCC::SignedLessThan,
        Cond::Gt => IntCC::SignedGreaterThan,
        Cond::Le => IntCC::SignedLessThanOrEqual,
        Cond::Ge => IntCC::SignedGreaterThanOrEqual,
        Cond::Ult => IntCC::UnsignedLessThan,
        Cond::Ugt => IntCC::UnsignedGreaterThan,
        Cond::Ule => IntCC::UnsignedLessThanOrEqual,
        Cond::Uge => IntCC::UnsignedGreaterThanOrEqual,
    }
}
