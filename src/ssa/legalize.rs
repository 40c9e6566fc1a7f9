//! Legalization: gives every instruction the form that the instruction set has.
//!
//! An immediate operand that no instruction encodes becomes a constant in a register, which the allocator loads before a loop.

use super::ir::{End, Function, Op, Value};
use crate::isa::Isa;

/// Legalizes a function for an instruction set.
pub fn legalize<I: Isa>(function: &mut Function) {
    for index in 0..function.layout.len() {
        let block = function.layout[index];
        let insts = std::mem::take(&mut function.block_mut(block).insts);
        let mut legal = Vec::with_capacity(insts.len());
        for value in insts {
            let pc = function.insts[value.index()].pc;
            let mut register = |function: &mut Function, imm| {
                let constant = function.add(Op::Constant(imm), pc);
                legal.push(constant);
                constant
            };
            let op = match *function.op(value) {
                Op::AluImm(op, a, imm) if !I::fits_alu(op, imm) => Op::Alu(op, a, register(function, imm)),
                Op::SetImm(cond, a, imm) if !I::fits_compare(imm) => Op::Set(cond, a, register(function, imm)),
                op => op,
            };
            function.insts[value.index()].op = op;
            legal.push(value);
        }
        let pc = function.block(block).end_pc;
        if let End::BranchImm { cond, a, imm, then, other } = function.block(block).end
            && !I::fits_compare(imm)
        {
            let b: Value = function.add(Op::Constant(imm), pc);
            legal.push(b);
            function.block_mut(block).end = End::Branch { cond, a, b, then, other };
        }
        function.block_mut(block).insts = legal;
    }
}
