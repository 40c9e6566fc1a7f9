//! The emitter: LIR to x86-64.
//!
//! `rdi` holds the address of the frame, `rsi` the data-stack pointer, `r10` the fuel. `r11` is a temporary within one
//! operation. In a program with calls, `rsp` is on the control stack. An activation has its frame slots there, the first one
//! at `rsp`, and its return address above them.

use super::assemble::{Assembler, OutOfLine};
use super::encode::{self as x64, Cc, Index, Inst, Mem, Scale, Shift6};
use super::regs::{Gp, R10, R11, RAX, RCX, RDI, RDX, RSI, RSP};
use crate::isa::division::{Divisor, Magic};
use crate::isa::{Forms, Isa, Machine, Mark, OutOfRange, Shape, Tuning, regs};
use crate::lir::{AluOp, Cond, DivOp, FrameSlot, Op, Reg, Sink, Site, UnaryOp, frame};

const FRAME: Gp = RDI;
const POINTER: Gp = RSI;
const FUEL: Gp = R10;
/// Holds immediates, addresses, and operands that would conflict with fixed registers, within one operation.
const SCRATCH: Gp = R11;

/// Loop headers are aligned to this. Otherwise a short loop might span two instruction-cache lines, which would cost it
/// a cycle per iteration.
const LINE: usize = 32;
/// Functions are aligned to this, so that their first instructions are fetched together.
const ENTRY: usize = 16;

/// Emits x86-64 machine code.
#[derive(Debug)]
pub struct Emitter {
    asm: Assembler,
    /// The callee-saved registers that the code uses: the first ones, and the reserved ones.
    saved: [&'static [Reg]; 2],
    /// The register that holds the address of memory cell 0.
    memory: Option<Gp>,
    /// The register that holds the number of calls that may still begin.
    depth: Option<Gp>,
    /// The number of memory cells.
    cells: i32,
    /// The number of functions.
    functions: usize,
    /// Whether the code runs on the control stack.
    calls: bool,
    /// Where the frame slots of the current function are: a register, and the distance of the first slot from it in bytes.
    slots: (Gp, i32),
    /// The number of bytes that they take on the control stack.
    slot_bytes: i32,
    activation_bytes: usize,
    /// Whether the code counts fuel.
    metered: bool,
    /// The offset of the second entry.
    entry: Option<usize>,
    /// Out-of-line divisions by -1: their branch, the requested result, and the offset at which to continue.
    out_of_line: Vec<(OutOfLine, DivOp, usize)>,
    marks: Vec<(u32, Mark)>,
    marked: bool,
}

/// rax, rdx, rcx, r8 and r9 need not be saved; the others must be. The order suits the tiers: the top of the stack is
/// in rax, first operands are in rdx, and second operands, including shift counts, are in rcx.
const ALLOCATABLE: [Reg; 11] = regs([0, 2, 1, 8, 9, 3, 5, 12, 13, 14, 15]);
const CALLEE_SAVED: [Reg; 6] = regs([3, 5, 12, 13, 14, 15]);
const UNSAVED: usize = ALLOCATABLE.len() - CALLEE_SAVED.len();

impl Isa for Emitter {
    const NAME: &'static str = "x86_64";
    const ALLOCATABLE: &'static [Reg] = &ALLOCATABLE;
    const CALLEE_SAVED: &'static [Reg] = &CALLEE_SAVED;
    const SHIFT_CLOBBERS: &'static [Reg] = &regs::<1>([1]);
    const DIVIDE_CLOBBERS: &'static [Reg] = &regs::<2>([0, 2]);

    fn divide_imm_clobbers(imm: i64) -> &'static [Reg] {
        if Divisor::of(imm) == Divisor::Other { Self::DIVIDE_CLOBBERS } else { &[] }
    }

    fn reg_name(reg: Reg) -> String {
        gp(reg).to_string()
    }

    fn fits_alu(op: AluOp, imm: i64) -> bool {
        match op {
            AluOp::Shl | AluOp::Shr | AluOp::Sar => true,
            // `cmov` takes no immediate.
            AluOp::Min | AluOp::Max => false,
            AluOp::Mul => imm32(imm).is_some() || (imm as u64).is_power_of_two(),
            // The negated immediate is added.
            AluOp::Sub => imm32(imm.wrapping_neg()).is_some(),
            AluOp::Add | AluOp::And | AluOp::Or | AluOp::Xor => imm32(imm).is_some(),
        }
    }

    fn fits_compare(imm: i64) -> bool {
        imm32(imm).is_some()
    }

    fn fits_shifted(op: AluOp, shift: AluOp, amount: u8) -> bool {
        op == AluOp::Add && shift == AluOp::Shl && amount <= 3
    }

    fn fits_mask(mask: i64) -> bool {
        imm32(mask).is_some()
    }

    fn copies(op: Op) -> u32 {
        let is_in = |reg: Reg, regs: &[Gp]| regs.contains(&gp(reg));
        let copies = match op {
            Op::Alu { op, d, a, b } if op.is_shift() => {
                let through_scratch = is_in(d, &[RCX]) || is_in(a, &[RCX]) && a != b;
                return u32::from(!is_in(b, &[RCX])) + if through_scratch { 2 } else { u32::from(d != a) };
            }
            Op::Divide { op, d, a, b, .. } => {
                let moved = [is_in(b, &[RAX, RDX]), !is_in(a, &[RAX]), !is_in(d, &[result(op)])];
                return moved.into_iter().map(u32::from).sum();
            }
            // `lea` writes to any register, and so do some multiplications.
            Op::Alu { op: AluOp::Add, .. } | Op::AluImm { op: AluOp::Add | AluOp::Sub, .. } => false,
            Op::AluImm { op: AluOp::Mul, d, a, imm } => d != a && imm != 2 && (imm as u64).is_power_of_two(),
            // All others overwrite an operand.
            Op::Alu { op, d, a, b } => d != a && !(op.commutes() && d == b),
            Op::AluImm { d, a, .. } | Op::Unary { op: UnaryOp::Negate | UnaryOp::Invert, d, a } => d != a,
            _ => false,
        };
        u32::from(copies)
    }

    const HAS_MULTIPLY_ADD: bool = false;

    fn begin(memory: Vec<u8>, shape: &Shape, tuning: &Tuning, forms: Forms) -> Emitter {
        let Shape { registers, reserved, cells, functions, calls, .. } = *shape;
        let (others, last) = Self::CALLEE_SAVED.split_at(CALLEE_SAVED.len() - reserved.count());
        let mut globals = last.iter().rev().map(|reg| gp(*reg));
        let mut emitter = Emitter {
            asm: Assembler::with(memory, tuning, forms),
            saved: [&others[..registers.saturating_sub(UNSAVED)], last],
            memory: if reserved.memory { globals.next() } else { None },
            depth: if reserved.depth { globals.next() } else { None },
            cells: i32::try_from(cells).expect("a program has few cells"),
            functions,
            calls,
            slots: (FRAME, frame::SLOTS),
            slot_bytes: 0,
            activation_bytes: 0,
            metered: shape.metered,
            entry: None,
            out_of_line: Vec::new(),
            marks: Vec::new(),
            marked: shape.marked,
        };
        emitter.mark(Mark::Prologue);
        emitter.prologue(frame::BOTTOM);
        emitter
    }

    fn finish(mut self) -> Result<Machine, OutOfRange> {
        self.mark(Mark::Exits);
        for (branch, op, back) in std::mem::take(&mut self.out_of_line) {
            self.asm.bind_out_of_line(branch);
            match op {
                DivOp::Quotient => self.put_inst(x64::neg(RAX)),
                DivOp::Remainder => self.put_inst(x64::zero(RDX)),
            }
            self.asm.jump_back_to(back);
        }
        if self.asm.needs_exit() {
            // A jump back to the common end needs no fixup.
            let common = self.asm.label();
            self.asm.bind(common);
            self.put_inst(x64::store(field(frame::POINTER), POINTER));
            self.epilogue();
            while let Some(site) = self.asm.bind_exit() {
                self.put_inst(x64::mov_imm32(RAX, site.status()));
                self.asm.jmp(common);
            }
        }
        let bytes = self.asm.finish()?;
        Ok(Machine { bytes, marks: self.marks, entry: self.entry, activation_bytes: self.activation_bytes })
    }
}

impl Sink for Emitter {
    #[inline]
    fn at(&mut self, pc: u32) {
        if self.marked {
            self.mark(Mark::Op(pc));
        }
    }

    #[inline(always)]
    fn put(&mut self, op: Op) {
        match op {
            Op::Align => self.asm.align(LINE),
            Op::Label(label) => self.asm.bind(label),
            Op::Move { d, s } => self.move_to(gp(d), gp(s)),
            Op::Constant { d, value } => self.constant(gp(d), value),
            Op::Load { d, slot } => match imm32(slot.bytes()) {
                Some(disp) => self.put_inst(x64::load(gp(d), Mem::base(POINTER, disp))),
                None => self.load_far(gp(d), slot.bytes()),
            },
            Op::Store { s, slot } => match imm32(slot.bytes()) {
                Some(disp) => self.put_inst(x64::store(Mem::base(POINTER, disp), gp(s))),
                None => self.store_far(slot.bytes(), gp(s)),
            },
            Op::Alu { op, d, a, b } => self.alu(op, gp(d), gp(a), gp(b)),
            Op::AluImm { op, d, a, imm } => self.alu_imm(op, gp(d), gp(a), imm),
            Op::AluShifted { op, d, a, b, shift, amount } => self.alu_shifted(op, gp(d), gp(a), gp(b), (shift, amount)),
            Op::MulAdd { d, a, b, c, subtracts } => {
                self.put_inst(x64::mov(SCRATCH, gp(a)));
                self.put_inst(x64::imul(SCRATCH, gp(b)));
                self.alu(if subtracts { AluOp::Sub } else { AluOp::Add }, gp(d), gp(c), SCRATCH);
            }
            Op::Unary { op, d, a } => self.unary(op, gp(d), gp(a)),
            Op::Set { cond, d, a, b } => {
                self.put_inst(x64::cmp(gp(a), gp(b)));
                self.set(cond, gp(d));
            }
            Op::SetImm { cond, d, a, imm } => {
                self.compare_imm(gp(a), imm);
                self.set(cond, gp(d));
            }
            Op::Divide { op, d, a, b, site } => {
                self.put_inst(x64::test(gp(b), gp(b)));
                self.asm.exit_if(Cc::E, site);
                self.divide(op, gp(d), gp(a), gp(b));
            }
            Op::DivideImm { op, d, a, imm } => {
                assert_ne!(imm, 0, "a division by a constant zero has no immediate form");
                self.divide_imm(op, gp(d), gp(a), imm);
            }
            Op::Branch { cond, a, b, to } => {
                self.put_inst(x64::cmp(gp(a), gp(b)));
                self.asm.jcc(cc(cond), to);
            }
            Op::BranchImm { cond, a, imm, to } => {
                self.compare_imm(gp(a), imm);
                self.asm.jcc(cc(cond), to);
            }
            Op::BranchMask { a, mask, is_zero, to } => {
                match imm32(mask) {
                    Some(mask) => self.put_inst(x64::test_imm(gp(a), mask)),
                    None => {
                        self.constant(SCRATCH, mask);
                        self.put_inst(x64::test(gp(a), SCRATCH));
                    }
                }
                self.asm.jcc(if is_zero { Cc::E } else { Cc::Ne }, to);
            }
            Op::Jump { to } => self.asm.jmp(to),
            Op::CountDown { d, to } => {
                self.put_inst(x64::dec(gp(d)));
                self.asm.jcc(Cc::Ne, to);
            }
            Op::LoadFrame { d, slot } => self.put_inst(x64::load(gp(d), self.slot(slot))),
            Op::StoreFrame { s, slot } => self.put_inst(x64::store(self.slot(slot), gp(s))),
            Op::Fuel { site } => {
                self.put_inst(x64::sub_imm(FUEL, 1));
                // A borrow: no fuel was left.
                self.asm.exit_if(Cc::B, site);
            }
            Op::LoadCellAt { d, cell } => {
                let cell = self.cell_at(cell);
                self.put_inst(x64::load(gp(d), cell));
            }
            Op::StoreCellAt { s, cell } => {
                let cell = self.cell_at(cell);
                self.put_inst(x64::store(cell, gp(s)));
            }
            Op::LoadCell { d, a, site, offset } => {
                let cell = self.cell(gp(a), offset, site);
                self.put_inst(x64::load(gp(d), cell));
            }
            Op::StoreCell { s, a, site, offset } => {
                let cell = self.cell(gp(a), offset, site);
                self.put_inst(x64::store(cell, gp(s)));
            }
            Op::LoadElement { d, a, site, first, count } => {
                let element = self.element(gp(a), first, count, site);
                self.put_inst(x64::load(gp(d), element));
            }
            Op::StoreElement { s, a, site, first, count } => {
                let element = self.element(gp(a), first, count, site);
                self.put_inst(x64::store(element, gp(s)));
            }
            Op::Function { function, slots, .. } => self.function(function, slots),
            Op::Call { function } => {
                assert!(self.calls, "the code has no control stack");
                self.asm.call(function);
            }
            Op::EndCall => {
                if self.slot_bytes > 0 {
                    self.put_inst(x64::add_imm(RSP, self.slot_bytes));
                }
                self.put_inst(x64::ret());
            }
            Op::TakeDepth { site } => {
                self.put_inst(x64::sub_imm(self.depth(), 1));
                // A borrow: no call may begin.
                self.asm.exit_if(Cc::B, site);
            }
            Op::GiveDepth => self.put_inst(x64::inc(self.depth())),
            Op::SaveBase { base, slot } => {
                self.add(SCRATCH, POINTER, base.bytes());
                self.put_inst(x64::store(self.slot(slot), SCRATCH));
            }
            Op::NeedAbove { site, slot, base } => {
                self.put_inst(x64::load(SCRATCH, self.slot(base)));
                self.put_inst(x64::store(field(frame::BASE), SCRATCH));
                self.check(slot.bytes(), self.slot(base), Cc::L, site);
            }
            // Addresses are far from the ends of their range, so comparing them as signed numbers cannot wrap, even at
            // a distance of many slots.
            Op::Need { slot, site } => self.check(slot.bytes(), field(frame::BOTTOM), Cc::L, site),
            Op::Room { slot, site } => self.check(slot.bytes(), field(frame::LIMIT), Cc::G, site),
            Op::MovePointer { slots } => self.add(POINTER, POINTER, slots.wrapping_mul(8)),
            Op::Tick { work, to } => {
                assert!(self.metered, "the code counts no fuel");
                self.put_inst(x64::sub_imm(FUEL, work as i32));
                self.asm.jcc(Cc::S, to);
            }
            Op::Leave { site } => self.asm.exit(site),
            Op::Count { a } => {
                assert!(self.metered, "the code counts no fuel");
                self.put_inst(x64::sub(FUEL, gp(a)));
            }
            Op::SaveFuel => {
                assert!(self.metered, "the code counts no fuel");
                self.put_inst(x64::store(field(frame::FUEL), FUEL));
            }
            Op::Main => self.slots = (FRAME, frame::SLOTS),
            Op::Entry => {
                assert!(self.entry.is_none(), "the code has a second entry already");
                self.entry = Some(self.asm.offset());
                self.prologue(frame::POINTER);
            }
            Op::Return { end } => {
                self.add(SCRATCH, POINTER, end.bytes());
                self.put_inst(x64::store(field(frame::POINTER), SCRATCH));
                self.put_inst(x64::zero(RAX));
                self.epilogue();
            }
        }
    }
}

impl Emitter {
    #[inline(always)]
    fn put_inst(&mut self, inst: Inst) {
        self.asm.put(inst);
    }

    #[cold]
    fn mark(&mut self, mark: Mark) {
        if self.marked {
            self.marks.push((self.asm.offset() as u32, mark));
        }
    }

    /// Saves the callee-saved registers and loads what the frame holds for registers. `pointer` is the field with the data-stack pointer.
    fn prologue(&mut self, pointer: i32) {
        for reg in self.saved.into_iter().flatten() {
            self.asm.put(x64::push(gp(*reg)));
        }
        // The argument is in `rdi`, which keeps the frame's address.
        self.put_inst(x64::load(POINTER, field(pointer)));
        if self.metered {
            self.put_inst(x64::load(FUEL, field(frame::FUEL)));
        }
        if let Some(memory) = self.memory {
            self.put_inst(x64::load(memory, field(frame::MEMORY)));
        }
        if let Some(depth) = self.depth {
            self.put_inst(x64::load(depth, field(frame::DEPTH)));
        }
        if self.calls {
            self.put_inst(x64::store(field(frame::HOST), RSP));
            self.put_inst(x64::load(RSP, field(frame::CONTROL)));
        }
    }

    /// Leaves all activations, restores the callee-saved registers and returns to the host.
    fn epilogue(&mut self) {
        if self.calls {
            self.put_inst(x64::load(RSP, field(frame::HOST)));
        }
        for reg in self.saved.into_iter().flatten().rev() {
            self.asm.put(x64::pop(gp(*reg)));
        }
        self.put_inst(x64::ret());
    }

    /// Begins a function.
    fn function(&mut self, function: u32, slots: u32) {
        assert!((function as usize) < self.functions, "there is no function {function}");
        self.asm.align(ENTRY);
        self.mark(Mark::Function(function));
        self.asm.bind_function(function);
        self.slots = (RSP, 0);
        self.slot_bytes = slot_offset(slots);
        if self.slot_bytes > 0 {
            self.put_inst(x64::sub_imm(RSP, self.slot_bytes));
        }
        self.activation_bytes = self.activation_bytes.max(self.slot_bytes as usize + 8);
    }

    /// A frame slot of the current function.
    #[inline]
    fn slot(&self, slot: FrameSlot) -> Mem {
        Mem::base(self.slots.0, self.slots.1 + slot_offset(slot.0))
    }

    /// The register that holds the number of calls that may still begin.
    fn depth(&self) -> Gp {
        self.depth.expect("the code reserves no register for the depth of calls")
    }

    /// The register that holds the address of memory cell 0.
    fn memory(&self) -> Gp {
        self.memory.expect("the code reserves no register for the memory")
    }

    /// The memory cell with a number.
    fn cell_at(&self, cell: u32) -> Mem {
        assert!(i64::from(cell) < self.cells.into(), "there is no cell {cell}");
        Mem::base(self.memory(), imm32(8 * i64::from(cell)).expect("a program has few cells"))
    }

    /// The memory cell `a + offset`. Traps if there is no such cell.
    fn cell(&mut self, a: Gp, offset: i64, site: Site) -> Mem {
        let number = if offset == 0 { a } else { SCRATCH };
        if offset != 0 {
            self.add(SCRATCH, a, offset);
        }
        self.put_inst(x64::cmp_imm(number, self.cells));
        self.asm.exit_if(Cc::Ae, site);
        Mem::indexed(self.memory(), index(number), Scale::X8, 0)
    }

    /// Element `a` of the array of `count` cells that begins at `first`. Traps if there is no such element.
    fn element(&mut self, a: Gp, first: u32, count: u32, site: Site) -> Mem {
        let end = i64::from(first) + i64::from(count);
        assert!(end <= self.cells.into(), "there are no cells up to {end}");
        self.put_inst(x64::cmp_imm(a, imm32(count.into()).expect("a program has few cells")));
        self.asm.exit_if(Cc::Ae, site);
        Mem::indexed(self.memory(), index(a), Scale::X8, imm32(8 * i64::from(first)).expect("a program has few cells"))
    }

    #[inline(always)]
    fn move_to(&mut self, d: Gp, s: Gp) {
        if d != s {
            self.put_inst(x64::mov(d, s));
        }
    }

    fn constant(&mut self, d: Gp, value: i64) {
        self.put_inst(if value == 0 {
            x64::zero(d)
        } else if let Ok(value) = u32::try_from(value) {
            x64::mov_imm32(d, value)
        } else if let Some(value) = imm32(value) {
            x64::mov_simm32(d, value)
        } else {
            x64::mov_imm64(d, value as u64)
        });
    }

    /// A load whose byte offset from the data-stack pointer does not fit a displacement.
    #[cold]
    fn load_far(&mut self, d: Gp, bytes: i64) {
        self.constant(SCRATCH, bytes);
        self.put_inst(x64::load(d, sum(POINTER, SCRATCH)));
    }

    /// The same for a store.
    #[cold]
    fn store_far(&mut self, bytes: i64, s: Gp) {
        self.constant(SCRATCH, bytes);
        self.put_inst(x64::store(sum(POINTER, SCRATCH), s));
    }

    /// The common case: the destination is also an operand, as the machine requires.
    #[inline(always)]
    fn alu(&mut self, op: AluOp, d: Gp, a: Gp, b: Gp) {
        match arithmetic(op) {
            Some(n) if d == a || d == b && op.commutes() => {
                self.put_inst(x64::arith(n, d, if d == a { b } else { a }));
            }
            _ => self.other_alu(op, d, a, b),
        }
    }

    #[inline(never)]
    fn other_alu(&mut self, op: AluOp, d: Gp, a: Gp, b: Gp) {
        match op {
            AluOp::Shl | AluOp::Shr | AluOp::Sar => self.shift(op, d, a, b),
            AluOp::Min | AluOp::Max => {
                let (a, b) = if d == b { (b, a) } else { (a, b) };
                self.move_to(d, a);
                self.put_inst(x64::cmp(b, d));
                self.put_inst(x64::cmov(if op == AluOp::Min { Cc::L } else { Cc::G }, d, b));
            }
            AluOp::Add if d != a && d != b => {
                self.put_inst(x64::lea(d, sum(a, b)));
            }
            _ if d == a => self.put_inst(two_operands(op, d, b)),
            _ if d == b && op.commutes() => self.put_inst(two_operands(op, d, a)),
            _ if d == b => {
                // a - b = -b + a
                self.put_inst(x64::neg(d));
                self.put_inst(x64::add(d, a));
            }
            _ => {
                self.put_inst(x64::mov(d, a));
                self.put_inst(two_operands(op, d, b));
            }
        }
    }

    /// `d = a op (b shifted)`.
    fn alu_shifted(&mut self, op: AluOp, d: Gp, a: Gp, b: Gp, (shift, amount): (AluOp, u8)) {
        let scale = match (op, shift, amount) {
            (AluOp::Add, AluOp::Shl, 1) => Scale::X2,
            (AluOp::Add, AluOp::Shl, 2) => Scale::X4,
            (AluOp::Add, AluOp::Shl, 3) => Scale::X8,
            _ => {
                assert!(shift.is_shift(), "{shift:?} is not a shift");
                self.alu_imm(shift, SCRATCH, b, amount.into());
                return self.alu(op, d, a, SCRATCH);
            }
        };
        self.put_inst(x64::lea(d, Mem::indexed(a, index(b), scale, 0)));
    }

    fn unary(&mut self, op: UnaryOp, d: Gp, a: Gp) {
        if op == UnaryOp::Abs && d == a {
            self.put_inst(x64::mov(SCRATCH, a));
        }
        self.move_to(d, a);
        match op {
            UnaryOp::Negate => self.put_inst(x64::neg(d)),
            UnaryOp::Invert => self.put_inst(x64::not(d)),
            UnaryOp::Abs => {
                // If the negated value is negative, the value itself is the result.
                self.put_inst(x64::neg(d));
                self.put_inst(x64::cmov(Cc::S, d, if d == a { SCRATCH } else { a }));
            }
        }
    }

    /// The count must be in `rcx`. The machine uses its low six bits, as the language does.
    fn shift(&mut self, op: AluOp, d: Gp, a: Gp, b: Gp) {
        let shift = |d| match op {
            AluOp::Shl => x64::shl_cl(d),
            AluOp::Sar => x64::sar_cl(d),
            _ => x64::shr_cl(d),
        };
        if d == RCX || (a == RCX && b != RCX) {
            self.put_inst(x64::mov(SCRATCH, a));
            self.move_to(RCX, b);
            self.put_inst(shift(SCRATCH));
            self.put_inst(x64::mov(d, SCRATCH));
        } else {
            self.move_to(RCX, b);
            self.move_to(d, a);
            self.put_inst(shift(d));
        }
    }

    fn alu_imm(&mut self, op: AluOp, d: Gp, a: Gp, imm: i64) {
        match op {
            AluOp::Add => self.add(d, a, imm),
            AluOp::Sub => self.add(d, a, imm.wrapping_neg()),
            AluOp::Shl | AluOp::Shr | AluOp::Sar => {
                let count = shift6(imm);
                self.move_to(d, a);
                self.put_inst(match op {
                    AluOp::Shl => x64::shl_imm(d, count),
                    AluOp::Sar => x64::sar_imm(d, count),
                    _ => x64::shr_imm(d, count),
                });
            }
            AluOp::Min | AluOp::Max => {
                self.constant(SCRATCH, imm);
                self.alu(op, d, a, SCRATCH);
            }
            AluOp::Mul if imm == 2 && d != a => self.put_inst(x64::lea(d, sum(a, a))),
            AluOp::Mul if (imm as u64).is_power_of_two() => {
                self.move_to(d, a);
                self.put_inst(x64::shl_imm(d, shift6(i64::from(imm.trailing_zeros()))));
            }
            AluOp::Mul | AluOp::And | AluOp::Or | AluOp::Xor => match imm32(imm) {
                Some(imm) if op == AluOp::Mul => match (one_more(imm), one_less(imm)) {
                    (Some(scale), _) => self.put_inst(x64::lea(d, Mem::indexed(a, index(a), scale, 0))),
                    // Two short instructions are faster than one multiplication.
                    (_, Some(power)) if d != a => {
                        self.move_to(d, a);
                        self.put_inst(x64::shl_imm(d, power));
                        self.put_inst(x64::sub(d, a));
                    }
                    _ => self.put_inst(x64::imul_imm(d, a, imm)),
                },
                Some(imm) => {
                    self.move_to(d, a);
                    self.put_inst(match op {
                        AluOp::And => x64::and_imm(d, imm),
                        AluOp::Or => x64::or_imm(d, imm),
                        _ => x64::xor_imm(d, imm),
                    });
                }
                None => {
                    self.constant(SCRATCH, imm);
                    self.alu(op, d, a, SCRATCH);
                }
            },
        }
    }

    /// `d = a + value`.
    #[inline(always)]
    fn add(&mut self, d: Gp, a: Gp, value: i64) {
        match imm32(value) {
            Some(imm) if d == a => self.put_inst(x64::add_imm(d, imm)),
            Some(imm) => self.put_inst(x64::lea(d, Mem::base(a, imm))),
            None => {
                self.constant(SCRATCH, value);
                self.alu(AluOp::Add, d, a, SCRATCH);
            }
        }
    }

    /// Sets `d` to 1 or 0 according to the flags.
    fn set(&mut self, cond: Cond, d: Gp) {
        self.put_inst(x64::setcc(cc(cond), d));
        self.put_inst(x64::movzx8(d, d));
    }

    fn compare_imm(&mut self, a: Gp, imm: i64) {
        match imm32(imm) {
            Some(0) => self.put_inst(x64::test(a, a)),
            Some(imm) => self.put_inst(x64::cmp_imm(a, imm)),
            None => {
                self.constant(SCRATCH, imm);
                self.put_inst(x64::cmp(a, SCRATCH));
            }
        }
    }

    /// `idiv` divides `rdx:rax` and raises a signal for MIN / -1, so a divisor of -1 takes a separate path.
    fn divide(&mut self, op: DivOp, d: Gp, a: Gp, b: Gp) {
        let divisor = if b == RAX || b == RDX { SCRATCH } else { b };
        self.move_to(divisor, b);
        self.move_to(RAX, a);
        self.put_inst(x64::cmp_imm(divisor, -1));
        let minus_one = self.asm.branch_out_of_line(Cc::E);
        self.put_inst(x64::cqo());
        self.put_inst(x64::idiv(divisor));
        self.out_of_line.push((minus_one, op, self.asm.offset()));
        self.move_to(d, result(op));
    }

    fn divide_imm(&mut self, op: DivOp, d: Gp, a: Gp, imm: i64) {
        match (Divisor::of(imm), op) {
            (Divisor::One, DivOp::Quotient) => self.move_to(d, a),
            (Divisor::One, DivOp::Remainder) => self.put_inst(x64::zero(d)),
            (Divisor::PowerOfTwo(power), DivOp::Quotient) => self.divide_by_shifting(d, a, power),
            // The sign of the divisor does not matter.
            (Divisor::PowerOfTwo(power), DivOp::Remainder) => return self.remainder_by_masking(d, a, power),
            (Divisor::Other, _) => return self.divide_by_multiplying(op, d, a, imm),
        }
        if imm < 0 && op == DivOp::Quotient {
            self.put_inst(x64::neg(d));
        }
    }

    /// `d = a / 2^power`. A shift rounds down, so a bias is added to a negative dividend first.
    fn divide_by_shifting(&mut self, d: Gp, a: Gp, power: u8) {
        let shift = shift6(power.into());
        match imm32(((1u64 << power) - 1) as i64) {
            Some(less) => {
                // A conditional move selects by the sign of the dividend.
                let (other, cc) = if d == a { (SCRATCH, Cc::S) } else { (a, Cc::Ns) };
                let sum = if d == a { SCRATCH } else { d };
                self.put_inst(x64::lea(sum, Mem::base(a, less)));
                self.put_inst(x64::test(a, a));
                self.put_inst(x64::cmov(cc, d, other));
            }
            None => {
                self.bias(a, power);
                self.put_inst(x64::lea(d, sum(a, SCRATCH)));
            }
        }
        self.put_inst(x64::sar_imm(d, shift));
    }

    /// `d = a mod 2^power`, with the sign of `a`.
    fn remainder_by_masking(&mut self, d: Gp, a: Gp, power: u8) {
        self.bias(a, power);
        self.put_inst(x64::lea(d, sum(a, SCRATCH)));
        let rest = shift6(64 - i64::from(power));
        match imm32(((1u64 << power) - 1) as i64) {
            Some(mask) => self.put_inst(x64::and_imm(d, mask)),
            None => {
                self.put_inst(x64::shl_imm(d, rest));
                self.put_inst(x64::shr_imm(d, rest));
            }
        }
        self.put_inst(x64::sub(d, SCRATCH));
    }

    /// Sets the scratch register to 2^power - 1 if `a` is negative, otherwise to 0.
    fn bias(&mut self, a: Gp, power: u8) {
        self.put_inst(x64::mov(SCRATCH, a));
        if power > 1 {
            self.put_inst(x64::sar_imm(SCRATCH, shift6(63)));
        }
        self.put_inst(x64::shr_imm(SCRATCH, shift6(64 - i64::from(power))));
    }

    /// Multiplies by the inverse; the product is in `rdx:rax`.
    fn divide_by_multiplying(&mut self, op: DivOp, d: Gp, a: Gp, imm: i64) {
        let Magic { multiplier, shift } = Magic::of(imm);
        self.move_to(SCRATCH, a);
        self.constant(RAX, multiplier);
        self.put_inst(x64::imul_wide(SCRATCH));
        if imm > 0 && multiplier < 0 {
            self.put_inst(x64::add(RDX, SCRATCH));
        } else if imm < 0 && multiplier > 0 {
            self.put_inst(x64::sub(RDX, SCRATCH));
        }
        if shift > 0 {
            self.put_inst(x64::sar_imm(RDX, shift6(shift.into())));
        }
        // A negative quotient is one too small.
        self.put_inst(x64::mov(RAX, RDX));
        self.put_inst(x64::shr_imm(RAX, shift6(63)));
        if op == DivOp::Quotient {
            return self.put_inst(x64::lea(d, sum(RDX, RAX)));
        }
        self.put_inst(x64::add(RDX, RAX));
        match imm32(imm) {
            Some(imm) => self.put_inst(x64::imul_imm(RDX, RDX, imm)),
            None => {
                self.constant(RAX, imm);
                self.put_inst(x64::imul(RDX, RAX));
            }
        }
        self.put_inst(x64::sub(SCRATCH, RDX));
        self.put_inst(x64::mov(d, SCRATCH));
    }

    /// Compares the address of a slot with a bound in memory. Traps if the condition `fails` holds.
    fn check(&mut self, bytes: i64, bound: Mem, fails: Cc, site: Site) {
        self.add(SCRATCH, POINTER, bytes);
        self.put_inst(x64::cmp_load(SCRATCH, bound));
        self.asm.exit_if(fails, site);
    }
}

/// The opcode number of an arithmetic operation.
#[inline(always)]
fn arithmetic(op: AluOp) -> Option<u8> {
    match op {
        AluOp::Add => Some(0),
        AluOp::Or => Some(1),
        AluOp::And => Some(4),
        AluOp::Sub => Some(5),
        AluOp::Xor => Some(6),
        AluOp::Mul | AluOp::Shl | AluOp::Shr | AluOp::Sar | AluOp::Min | AluOp::Max => None,
    }
}

fn two_operands(op: AluOp, d: Gp, s: Gp) -> Inst {
    match arithmetic(op) {
        Some(n) => x64::arith(n, d, s),
        None if op == AluOp::Mul => x64::imul(d, s),
        None => unreachable!("shifts take their count in a fixed register"),
    }
}

/// The register in which `idiv` returns its result.
fn result(op: DivOp) -> Gp {
    match op {
        DivOp::Quotient => RAX,
        DivOp::Remainder => RDX,
    }
}

#[inline(always)]
fn gp(reg: Reg) -> Gp {
    Gp::new(reg.0).expect("LIR for x86-64 uses x86-64 registers")
}

/// The memory operand at the sum of two registers.
fn sum(a: Gp, b: Gp) -> Mem {
    Mem::indexed(a, index(b), Scale::X1, 0)
}

fn index(reg: Gp) -> Index {
    Index::new(reg).expect("the stack pointer is not allocatable")
}

/// The scale that is one less than `factor`, if there is one.
fn one_more(factor: i32) -> Option<Scale> {
    match factor {
        3 => Some(Scale::X2),
        5 => Some(Scale::X4),
        9 => Some(Scale::X8),
        _ => None,
    }
}

/// The exponent of the power of two that is one greater than `factor`, if there is one.
fn one_less(factor: i32) -> Option<Shift6> {
    let more = i64::from(factor) + 1;
    (factor > 1 && more.count_ones() == 1).then(|| shift6(more.trailing_zeros().into()))
}

/// The immediate, if it fits the sign-extended 32-bit field.
#[inline(always)]
fn imm32(imm: i64) -> Option<i32> {
    i32::try_from(imm).ok()
}

fn shift6(count: i64) -> Shift6 {
    Shift6::new((count & 63) as u8).expect("six bits")
}

fn cc(cond: Cond) -> Cc {
    match cond {
        Cond::Eq => Cc::E,
        Cond::Ne => Cc::Ne,
        Cond::Lt => Cc::L,
        Cond::Gt => Cc::G,
        Cond::Le => Cc::Le,
        Cond::Ge => Cc::Ge,
        Cond::Ult => Cc::B,
        Cond::Ugt => Cc::A,
        Cond::Ule => Cc::Be,
        Cond::Uge => Cc::Ae,
    }
}

fn field(offset: i32) -> Mem {
    Mem::base(FRAME, offset)
}

/// The offset in bytes of the frame slot with this number, from the first one.
fn slot_offset(number: u32) -> i32 {
    const GREATEST: u32 = 1 << 20;
    assert!(number < GREATEST, "at most a thousand loops are nested");
    8 * number as i32
}
