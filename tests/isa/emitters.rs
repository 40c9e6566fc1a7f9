//! Whatever safe code passes to an emitter or an assembler, the result is code or an immediate panic: no hang, and no
//! excessive memory.
#![allow(unsafe_code, reason = "limits the memory of this process")]

use std::panic::catch_unwind;

use jitduel::isa::disassemble::disassemble;
use jitduel::isa::{Forms, Isa, Reserved, Shape, Tuning, aarch64, x86_64};
use jitduel::lir::{AluOp, Cond, DivOp, FrameSlot, Label, MOST_WORK, Op, Reg, Site, Slot, UnaryOp};

/// Limits this process to 4 GiB of address space, so that an excessive allocation ends it.
fn limit_memory() {
    let bytes = 4 << 30;
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: only reads the structure, and changes only the limits of this process.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
}

/// The shape of code that may use everything.
const EVERYTHING: Shape = Shape {
    registers: 0,
    reserved: Reserved { memory: true, depth: true },
    cells: 1 << 24,
    functions: 10,
    calls: true,
    metered: true,
    marked: true,
};

/// Emits only these operations. Returns the length of the code, or the message of a panic.
fn emit<I: Isa>(ops: &[Op]) -> Result<usize, String> {
    emit_shaped::<I>(ops, EVERYTHING)
}

fn emit_shaped<I: Isa>(ops: &[Op], shape: Shape) -> Result<usize, String> {
    limit_memory();
    let emitted = catch_unwind(|| {
        let mut emitter = I::begin(Vec::new(), &shape, &Tuning::default(), Forms::default());
        ops.iter().for_each(|op| emitter.put(*op));
        emitter.finish().expect("it is small").bytes.len()
    });
    emitted.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).expect("a message")
    })
}

/// Every operation with operands from the pools; each pool's first member is harmless.
fn operations(reg: Reg, slot: Slot, cell: FrameSlot, imm: i64, site: Site, label: Label) -> Vec<Op> {
    let (d, a, b, s, to) = (reg, reg, reg, reg, label);
    let mut ops = vec![
        Op::Align,
        Op::Move { d, s },
        Op::Constant { d, value: imm },
        Op::Load { d, slot },
        Op::Store { s, slot },
        Op::Divide { d, a, b, op: DivOp::Quotient, site },
        Op::Jump { to },
        Op::CountDown { d, to },
        Op::LoadFrame { d, slot: cell },
        Op::StoreFrame { s, slot: cell },
        Op::Fuel { site },
        Op::Need { site, slot },
        Op::Room { site, slot },
        Op::MovePointer { slots: slot.0 },
        Op::Return { end: slot },
        Op::LoadCell { d, a, site, offset: imm },
        Op::StoreCell { s, a, site, offset: imm },
        Op::LoadElement { d, a, site, first: cell.0, count: cell.0 },
        Op::StoreElement { s, a, site, first: cell.0 / 2, count: cell.0 / 2 },
        Op::LoadCellAt { d, cell: cell.0 },
        Op::StoreCellAt { s, cell: cell.0 },
        Op::Function { function: 1, slots: cell.0, has_calls: false },
        Op::Function { function: 1, slots: cell.0, has_calls: true },
        Op::Function { function: cell.0, slots: 0, has_calls: false },
        Op::Call { function: cell.0 },
        Op::EndCall,
        Op::TakeDepth { site },
        Op::GiveDepth,
        Op::SaveBase { base: slot, slot: cell },
        Op::NeedAbove { site, slot, base: cell },
        Op::SaveFuel,
        Op::Tick { work: 1, to },
        Op::Tick { work: MOST_WORK, to },
        Op::Leave { site },
        Op::Count { a },
        Op::Main,
        Op::Entry,
    ];
    ops.extend(AluOp::ALL.into_iter().flat_map(|op| [Op::Alu { d, a, b, op }, Op::AluImm { d, a, op, imm }]));
    for op in AluOp::ALL {
        let shifts = [AluOp::Shl, AluOp::Shr, AluOp::Sar, AluOp::Add];
        ops.extend(shifts.map(|shift| Op::AluShifted { d, a, b, op, shift, amount: (imm & 0xff) as u8 }));
    }
    ops.extend([false, true].map(|subtracts| Op::MulAdd { d, a, b, c: a, subtracts }));
    ops.extend([false, true].map(|is_zero| Op::BranchMask { a, mask: imm, is_zero, to }));
    ops.extend([DivOp::Quotient, DivOp::Remainder].map(|op| Op::DivideImm { d, a, op, imm }));
    for cond in Cond::ALL {
        ops.extend([Op::Set { d, a, b, cond }, Op::SetImm { d, a, cond, imm }]);
        ops.extend([Op::Branch { cond, a, b, to }, Op::BranchImm { cond, a, to, imm }]);
    }
    ops
}

fn extreme_operands_give_code_or_panic_at_once<I: Isa>() {
    const FINE: (Slot, FrameSlot, i64, Site, Label) = (Slot(0), FrameSlot(0), 1, Site(0), Label(0));
    let (slot, cell, imm, site, label) = FINE;
    let fine = I::ALLOCATABLE[0];
    let numbers = [0, 1, i64::MIN, i64::MAX, i64::MIN / 8, 1 << 31, -(1 << 31) - 1, 1 << 60];
    let mut tried = vec![operations(fine, slot, cell, imm, site, label)];
    tried.extend((0..=u8::MAX).map(|reg| operations(Reg(reg), slot, cell, imm, site, label)));
    tried.extend(numbers.map(|number| operations(fine, Slot(number), cell, imm, site, label)));
    tried.extend(numbers.map(|number| operations(fine, slot, cell, number, site, label)));
    for number in [1000, 1 << 28, i32::MAX as u32, u32::MAX] {
        tried.push(operations(fine, slot, FrameSlot(number), imm, site, label));
        tried.push(operations(fine, slot, cell, imm, Site(number), label));
        tried.push(operations(fine, slot, cell, imm, site, Label(number)));
    }
    for op in tried.into_iter().flatten() {
        // Binds a label after the operation, unless the operation's own label number prevents that.
        let bind = match op {
            Op::Jump { to } | Op::CountDown { to, .. } | Op::Branch { to, .. } | Op::Tick { to, .. } => to,
            Op::BranchImm { to, .. } | Op::BranchMask { to, .. } => to,
            _ => Label(0),
        };
        if let Ok(bytes) = emit::<I>(&[op, Op::Label(bind)]) {
            assert!(bytes < 400, "{op:?} produced {bytes} bytes");
        }
    }
}

#[test]
fn extreme_operands_give_code_or_panic_at_once_on_aarch64() {
    extreme_operands_give_code_or_panic_at_once::<aarch64::Emitter>();
}

#[test]
fn extreme_operands_give_code_or_panic_at_once_on_x86_64() {
    extreme_operands_give_code_or_panic_at_once::<x86_64::Emitter>();
}

fn invalid_operations_panic_with_a_reason<I: Isa>() {
    let panics = |ops: &[Op], with: &str| {
        let message = emit::<I>(ops).expect_err("there is no code for it");
        assert!(message.contains(with), "{ops:?}: {message}");
    };
    panics(&[Op::Label(Label(u32::MAX))], "leaves a gap in the numbers");
    panics(&[Op::Label(Label(0)), Op::Label(Label(0))], "label 0 is bound twice");
    panics(&[Op::Jump { to: Label(7) }], "label 7 is never bound");
    panics(&[Op::Fuel { site: Site(u32::MAX) }], "sites are numbered from 0 without gaps");
    panics(&[Op::LoadFrame { d: I::ALLOCATABLE[0], slot: FrameSlot(u32::MAX) }], "at most a thousand loops are nested");
    panics(&[Op::Function { function: 10, slots: 0, has_calls: false }], "there is no function 10");
    panics(&[Op::Function { function: u32::MAX, slots: 0, has_calls: false }], "there is no function 4294967295");
    panics(&[Op::Function { function: 1, slots: 1 << 24, has_calls: false }], "at most a thousand loops are nested");
    let begin = Op::Function { function: 2, slots: 3, has_calls: true };
    panics(&[begin, begin], "function 2 is bound twice");
    panics(&[Op::Call { function: 3 }], "function 3 is never bound");
    panics(&[Op::Call { function: u32::MAX }, begin], "function 4294967295 is never bound");
    panics(&[Op::Entry, Op::Entry], "the code has a second entry already");
    let (d, a, site) = (I::ALLOCATABLE[0], I::ALLOCATABLE[1], Site(0));
    panics(&[Op::LoadCellAt { d, cell: 1 << 24 }], "there is no cell 16777216");
    panics(&[Op::LoadElement { d, a, site, first: 1, count: 1 << 24 }], "there are no cells up to 16777217");
    let excluded = |op: Op, with: &str| {
        let shape = Shape { reserved: Reserved::default(), calls: false, metered: false, ..EVERYTHING };
        let message = emit_shaped::<I>(&[op, begin], shape).expect_err("the shape excludes it");
        assert!(message.contains(with), "{op:?}: {message}");
    };
    excluded(Op::Call { function: 2 }, "the code has no control stack");
    excluded(Op::SaveFuel, "the code counts no fuel");
    excluded(Op::Tick { work: 1, to: Label(0) }, "the code counts no fuel");
    excluded(Op::Count { a: d }, "the code counts no fuel");
    excluded(Op::TakeDepth { site }, "no register for the depth of calls");
    excluded(Op::GiveDepth, "no register for the depth of calls");
    excluded(Op::LoadCell { d, a, site, offset: 0 }, "no register for the memory");
    excluded(Op::StoreCellAt { s: d, cell: 0 }, "no register for the memory");
    // The greatest values, which need no more memory than the smallest.
    assert!(emit::<I>(&[Op::Fuel { site: Site(u32::MAX - 1) }]).is_ok());
    assert!(emit::<I>(&[Op::Label(Label(1 << 16))]).is_ok());
    // Two branches to one site each have their own exit.
    assert!(emit::<I>(&[Op::Fuel { site: Site(3) }, Op::Fuel { site: Site(3) }]).is_ok());
}

#[test]
fn invalid_operations_panic_with_a_reason_on_both_instruction_sets() {
    invalid_operations_panic_with_a_reason::<aarch64::Emitter>();
    invalid_operations_panic_with_a_reason::<x86_64::Emitter>();
}

#[test]
fn alignment_is_a_power_of_two_of_at_most_a_page() {
    limit_memory();
    for bytes in [1, 2, 64, 4096] {
        let mut asm = x86_64::Assembler::new();
        asm.put(x86_64::encode::ret());
        asm.align(bytes);
        assert_eq!(asm.offset() % bytes, 0);
    }
    for bytes in [0, 3, 8192, 1 << 40, usize::MAX] {
        let panic = catch_unwind(|| x86_64::Assembler::new().align(bytes)).expect_err("it is refused");
        let message = panic.downcast_ref::<String>().expect("a message");
        assert!(message.contains("code cannot be aligned"), "{message}");
    }
}

fn a_million_functions_call_each_other<I: Isa>() {
    const FUNCTIONS: u32 = 1_000_000;
    let call = |function| Op::Call { function };
    let mut ops = vec![call(FUNCTIONS), Op::Return { end: Slot(0) }];
    for function in 1..=FUNCTIONS {
        ops.push(Op::Function { function, slots: 0, has_calls: true });
        ops.extend([call(FUNCTIONS + 1 - function), call(function), Op::EndCall]);
    }
    let bytes = emit_shaped::<I>(&ops, Shape { functions: FUNCTIONS as usize + 1, ..EVERYTHING }).expect("it is valid");
    assert!(bytes < 40 * FUNCTIONS as usize, "{bytes} bytes");
    // Not all functions need to be there.
    let few = [call(FUNCTIONS), Op::Function { function: FUNCTIONS, slots: 0, has_calls: false }, Op::EndCall];
    assert!(emit_shaped::<I>(&few, Shape { functions: FUNCTIONS as usize + 1, ..EVERYTHING }).is_ok());
}

#[test]
fn a_million_functions_call_each_other_on_both_instruction_sets() {
    a_million_functions_call_each_other::<aarch64::Emitter>();
    a_million_functions_call_each_other::<x86_64::Emitter>();
}

/// Whatever registers an operation has, it takes the same number of instructions besides the copies.
fn emitter_adds_only_the_copies<I: Isa>() {
    let length = |op: Op| {
        let shape = Shape { registers: I::ALLOCATABLE.len(), ..Shape::default() };
        let mut emitter = I::begin(Vec::new(), &shape, &Tuning::default(), Forms::default());
        emitter.put(op);
        let code = emitter.finish().expect("it is small").bytes;
        disassemble(I::NAME, &code).expect("there is a decoder").len()
    };
    let ops = |d: Reg, a: Reg, b: Reg| -> Vec<Op> {
        let alu = AluOp::ALL.map(|op| Op::Alu { d, a, b, op });
        let fits = |(op, imm): &(AluOp, i64)| I::fits_alu(*op, *imm);
        let imms = AluOp::ALL.into_iter().flat_map(|op| [0, 1, 2, 3, 8, 100].map(|imm| (op, imm))).filter(fits);
        let alu_imm = imms.map(|(op, imm)| Op::AluImm { d, a, op, imm });
        let unary = [UnaryOp::Negate, UnaryOp::Invert, UnaryOp::Abs].map(|op| Op::Unary { d, a, op });
        let divide = [DivOp::Quotient, DivOp::Remainder].map(|op| Op::Divide { d, a, b, op, site: Site(0) });
        alu.into_iter().chain(alu_imm).chain(unary).chain(divide).collect()
    };
    let registers = &I::ALLOCATABLE[..5];
    let mut all = Vec::new();
    for d in registers {
        for a in registers {
            all.extend(registers.iter().map(|b| ops(*d, *a, *b)));
        }
    }
    for index in 0..all[0].len() {
        let fewest = all.iter().map(|ops| length(ops[index])).min().expect("there are registers");
        for op in all.iter().map(|ops| ops[index]) {
            assert_eq!(length(op) - fewest, I::copies(op) as usize, "{op:?}");
        }
    }
}

#[test]
fn emitters_add_only_the_copies() {
    emitter_adds_only_the_copies::<aarch64::Emitter>();
    emitter_adds_only_the_copies::<x86_64::Emitter>();
}
