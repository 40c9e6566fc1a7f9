//! The emitter: LIR to AArch64.
//!
//! `x8` holds the address of the frame, `x9` the data-stack pointer, `x15` the fuel. `x16` and `x17` are temporaries
//! within one operation. `x18` belongs to the system and is never used. In a program with calls, `sp` is on the control
//! stack and always a multiple of 16. An activation that calls others has its return address at `sp` and its frame slots
//! after it. Other activations have only the slots.

use super::assemble::Assembler;
use super::encode::{self as a64, Bitmask, Cc, Half, Imm12, Inst, Pair, Scaled, Shift6, ShiftKind, Unscaled};
use super::regs::{SP, X, X0, X8, X9, X15, X16, X17, X30, XZR, Xs};
use crate::isa::division::Divisor;
use crate::isa::{Forms, Isa, Machine, Mark, OutOfRange, Shape, Tuning, regs};
use crate::lir::{AluOp, Cond, DivOp, FrameSlot, Label, Op, Reg, Sink, Site, UnaryOp, frame};

const FRAME: X = X8;
const POINTER: X = X9;
const FUEL: X = X15;
/// Holds immediates, addresses and quotients within one operation.
const SCRATCH: X = X16;
const OTHER: X = X17;

/// Emits AArch64 machine code.
#[derive(Debug)]
pub struct Emitter {
    asm: Assembler,
    /// The callee-saved registers that the code uses, in pairs: they are stored and loaded two at a time. The first ones, the
    /// reserved ones, and the link register.
    saved: [&'static [Reg]; 3],
    /// The register that holds the address of memory cell 0.
    memory: Option<X>,
    /// The register that holds the number of calls that may still begin.
    depth: Option<X>,
    /// The number of memory cells.
    cells: i64,
    /// The number of functions.
    functions: usize,
    /// Whether the code runs on the control stack.
    calls: bool,
    /// Where the frame slots of the current function are: a register, and the distance of the first slot from it in bytes.
    slots: (Xs, i64),
    /// What an activation of the current function has on the control stack.
    activation: Activation,
    activation_bytes: usize,
    /// Whether the code counts fuel.
    metered: bool,
    /// The offset of the second entry.
    entry: Option<usize>,
    marks: Vec<(u32, Mark)>,
    marked: bool,
}

/// The registers that need not be saved, then those that must be.
const ALLOCATABLE: [Reg; 23] =
    regs([0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28]);
const CALLEE_SAVED: [Reg; 10] = regs([19, 20, 21, 22, 23, 24, 25, 26, 27, 28]);
const UNSAVED: usize = ALLOCATABLE.len() - CALLEE_SAVED.len();
/// The frame pointer and the link register. Calls change the latter.
const LINK: [Reg; 2] = regs([29, 30]);

/// What an activation of a function has on the control stack.
#[derive(Clone, Copy, Debug, Default)]
struct Activation {
    /// Its size, a multiple of 16.
    bytes: i64,
    /// Whether it has the return address.
    has_link: bool,
}

impl Isa for Emitter {
    const NAME: &'static str = "aarch64";
    const ALLOCATABLE: &'static [Reg] = &ALLOCATABLE;
    const CALLEE_SAVED: &'static [Reg] = &CALLEE_SAVED;
    const SHIFT_CLOBBERS: &'static [Reg] = &[];
    const DIVIDE_CLOBBERS: &'static [Reg] = &[];

    fn divide_imm_clobbers(_imm: i64) -> &'static [Reg] {
        &[]
    }

    fn reg_name(reg: Reg) -> String {
        x(reg).to_string()
    }

    fn fits_alu(op: AluOp, imm: i64) -> bool {
        match op {
            AluOp::Add | AluOp::Sub => Imm12::new(imm.unsigned_abs()).is_some(),
            AluOp::And | AluOp::Or | AluOp::Xor => Bitmask::new(imm as u64).is_some(),
            AluOp::Mul => (imm as u64).is_power_of_two() || one_more(imm).is_some(),
            AluOp::Shl | AluOp::Shr | AluOp::Sar => true,
            // `csel` takes no immediate, but it can read the zero register.
            AluOp::Min | AluOp::Max => imm == 0,
        }
    }

    fn fits_compare(imm: i64) -> bool {
        Imm12::new(imm.unsigned_abs()).is_some()
    }

    fn fits_shifted(op: AluOp, _shift: AluOp, _amount: u8) -> bool {
        matches!(op, AluOp::Add | AluOp::Sub | AluOp::And | AluOp::Or | AluOp::Xor)
    }

    fn fits_mask(mask: i64) -> bool {
        Bitmask::new(mask as u64).is_some()
    }

    fn copies(_op: Op) -> u32 {
        0
    }

    const HAS_MULTIPLY_ADD: bool = true;

    fn begin(memory: Vec<u8>, shape: &Shape, tuning: &Tuning, forms: Forms) -> Emitter {
        let Shape { registers, reserved, cells, functions, calls, .. } = *shape;
        let all = Self::CALLEE_SAVED;
        // Pairs keep the stack pointer aligned to 16 bytes. They may save a register that is not used.
        let used = registers.saturating_sub(UNSAVED).next_multiple_of(2);
        let last = all.len() - reserved.count().next_multiple_of(2);
        let mut globals = all.iter().rev().map(|reg| x(*reg));
        let mut emitter = Emitter {
            asm: Assembler::with(memory, tuning, forms),
            saved: [&all[..used], &all[last.max(used)..], if calls { &LINK } else { &[] }],
            memory: if reserved.memory { globals.next() } else { None },
            depth: if reserved.depth { globals.next() } else { None },
            cells: i32::try_from(cells).expect("a program has few cells").into(),
            functions,
            calls,
            slots: (FRAME.into(), frame::SLOTS.into()),
            activation: Activation::default(),
            activation_bytes: 0,
            metered: shape.metered,
            entry: None,
            marks: Vec::new(),
            marked: shape.marked,
        };
        emitter.mark(Mark::Prologue);
        emitter.prologue(frame::BOTTOM);
        emitter
    }

    fn finish(mut self) -> Result<Machine, OutOfRange> {
        self.mark(Mark::Exits);
        if self.asm.needs_exit() {
            // A jump back to the common end needs no fixup.
            let common = self.asm.label();
            self.asm.bind(common);
            self.put_inst(a64::str_(POINTER.into(), FRAME.into(), field(frame::POINTER)));
            self.epilogue();
            while let Some(site) = self.asm.bind_exit() {
                // Not in the scratch register: a long jump to the common end changes it.
                self.constant(X0, site.status().into());
                self.asm.b(common);
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
            // Loops are not aligned: no AArch64 machine is available here to measure the effect.
            Op::Align => {}
            Op::Label(label) => self.asm.bind(label),
            Op::Move { d, s } if d == s => {}
            Op::Move { d, s } => self.put_inst(a64::mov(x(d), x(s).into())),
            Op::Constant { d, value } => self.constant(x(d), value),
            Op::Load { d, slot } => self.access(slot.bytes(), Access::Load(x(d))),
            Op::Store { s, slot } => self.access(slot.bytes(), Access::Store(x(s))),
            Op::Alu { op, d, a, b } => self.alu(op, x(d), x(a), x(b)),
            Op::AluImm { op, d, a, imm } => self.alu_imm(op, x(d), x(a), imm),
            Op::AluShifted { op, d, a, b, shift, amount } => self.alu_shifted(op, x(d), x(a), x(b), (shift, amount)),
            Op::MulAdd { d, a, b, c, subtracts: false } => self.put_inst(a64::madd(x(d), x(a), x(b), x(c).into())),
            Op::MulAdd { d, a, b, c, subtracts: true } => self.put_inst(a64::msub(x(d), x(a), x(b), x(c).into())),
            Op::Unary { op, d, a } => self.unary(op, x(d), x(a)),
            Op::Set { cond, d, a, b } => {
                self.put_inst(a64::cmp(x(a).into(), x(b).into()));
                self.put_inst(a64::cset(x(d), cc(cond)));
            }
            Op::SetImm { cond, d, a, imm } => {
                self.compare_imm(x(a), imm);
                self.put_inst(a64::cset(x(d), cc(cond)));
            }
            Op::Divide { op, d, a, b, site } => {
                self.asm.exit_if_zero(x(b), site);
                self.divide(op, x(d), x(a), x(b));
            }
            Op::DivideImm { op, d, a, imm } => {
                assert_ne!(imm, 0, "a division by a constant zero has no immediate form");
                self.divide_imm(op, x(d), x(a), imm);
            }
            Op::Branch { cond, a, b, to } => {
                self.put_inst(a64::cmp(x(a).into(), x(b).into()));
                self.asm.b_cond(cc(cond), to);
            }
            Op::BranchImm { cond: Cond::Eq, a, imm: 0, to } => self.asm.cbz(x(a), to),
            Op::BranchImm { cond: Cond::Ne, a, imm: 0, to } => self.asm.cbnz(x(a), to),
            Op::BranchImm { cond, a, imm, to } => {
                self.compare_imm(x(a), imm);
                self.asm.b_cond(cc(cond), to);
            }
            Op::BranchMask { a, mask, is_zero, to } => self.branch_mask(x(a), mask, is_zero, to),
            Op::Jump { to } => self.asm.b(to),
            Op::CountDown { d, to } => {
                self.put_inst(a64::subs_imm(x(d).into(), x(d).into(), imm12(1)));
                self.asm.b_cond(Cc::Ne, to);
            }
            Op::LoadFrame { d, slot } => self.load_slot(x(d), slot),
            Op::StoreFrame { s, slot } => self.store_slot(x(s), slot),
            Op::Fuel { site } => {
                self.put_inst(a64::subs_imm(FUEL.into(), FUEL.into(), imm12(1)));
                // A borrow: no fuel was left.
                self.asm.exit_if(Cc::Lo, site);
            }
            Op::LoadCellAt { d, cell } => self.access_cell(cell, Access::Load(x(d))),
            Op::StoreCellAt { s, cell } => self.access_cell(cell, Access::Store(x(s))),
            Op::LoadCell { d, a, site, offset } => {
                let number = self.cell(x(a), offset, site);
                self.access_scaled(number, Access::Load(x(d)));
            }
            Op::StoreCell { s, a, site, offset } => {
                let number = self.cell(x(a), offset, site);
                self.access_scaled(number, Access::Store(x(s)));
            }
            Op::LoadElement { d, a, site, first, count } => {
                self.access_element(x(a), first, count, site, Access::Load(x(d)));
            }
            Op::StoreElement { s, a, site, first, count } => {
                self.access_element(x(a), first, count, site, Access::Store(x(s)));
            }
            Op::Function { function, slots, has_calls } => self.function(function, slots, has_calls),
            Op::Call { function } => {
                assert!(self.calls, "the code has no control stack");
                self.asm.call(function);
            }
            Op::EndCall => self.end_call(),
            Op::TakeDepth { site } => {
                let depth = self.depth();
                self.put_inst(a64::subs_imm(depth.into(), depth.into(), imm12(1)));
                // A borrow: no call may begin.
                self.asm.exit_if(Cc::Lo, site);
            }
            Op::GiveDepth => self.add(self.depth(), self.depth(), 1),
            Op::SaveBase { base, slot } => {
                self.add(OTHER, POINTER, base.bytes());
                self.store_slot(OTHER, slot);
            }
            Op::NeedAbove { site, slot, base } => {
                self.add(OTHER, POINTER, slot.bytes());
                self.load_slot(SCRATCH, base);
                self.put_inst(a64::str_(SCRATCH.into(), FRAME.into(), field(frame::BASE)));
                self.put_inst(a64::cmp(OTHER.into(), SCRATCH.into()));
                self.asm.exit_if(Cc::Lt, site);
            }
            // Addresses are far from the ends of their range, so comparing them as signed numbers cannot wrap, even at
            // a distance of many slots.
            Op::Need { slot, site } => self.check(slot.bytes(), frame::BOTTOM, Cc::Lt, site),
            Op::Room { slot, site } => self.check(slot.bytes(), frame::LIMIT, Cc::Gt, site),
            Op::MovePointer { slots } => self.add(POINTER, POINTER, slots.wrapping_mul(8)),
            Op::Tick { work, to } => {
                assert!(self.metered, "the code counts no fuel");
                self.put_inst(a64::subs_imm(FUEL.into(), FUEL.into(), imm12(work.into())));
                self.asm.b_cond(Cc::Mi, to);
            }
            Op::Leave { site } => self.asm.exit(site),
            Op::Count { a } => {
                assert!(self.metered, "the code counts no fuel");
                self.put_inst(a64::sub(FUEL.into(), FUEL.into(), x(a).into()));
            }
            Op::SaveFuel => {
                assert!(self.metered, "the code counts no fuel");
                self.put_inst(a64::str_(FUEL.into(), FRAME.into(), field(frame::FUEL)));
            }
            Op::Main => self.slots = (FRAME.into(), frame::SLOTS.into()),
            Op::Entry => {
                assert!(self.entry.is_none(), "the code has a second entry already");
                self.entry = Some(self.asm.offset());
                self.prologue(frame::POINTER);
            }
            Op::Return { end } => {
                self.add(OTHER, POINTER, end.bytes());
                self.put_inst(a64::str_(OTHER.into(), FRAME.into(), field(frame::POINTER)));
                self.put_inst(a64::mov(X0, XZR));
                self.epilogue();
            }
        }
    }
}

enum Access {
    Load(X),
    Store(X),
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
        for pair in self.saved.into_iter().flat_map(|regs| regs.chunks(2)) {
            self.asm.put(a64::stp_pre(x(pair[0]).into(), x(pair[1]).into(), SP, pair_offset(-16)));
        }
        self.put_inst(a64::mov(FRAME, X0.into()));
        self.load_field(POINTER, pointer);
        if self.metered {
            self.load_field(FUEL, frame::FUEL);
        }
        if let Some(memory) = self.memory {
            self.load_field(memory, frame::MEMORY);
        }
        if let Some(depth) = self.depth {
            self.load_field(depth, frame::DEPTH);
        }
        if self.calls {
            self.put_inst(a64::add_imm(SCRATCH.into(), SP, imm12(0)));
            self.put_inst(a64::str_(SCRATCH.into(), FRAME.into(), field(frame::HOST)));
            self.switch_stack(frame::CONTROL);
        }
    }

    /// Leaves all activations, restores the callee-saved registers and returns to the host.
    fn epilogue(&mut self) {
        if self.calls {
            self.switch_stack(frame::HOST);
        }
        for pair in self.saved.into_iter().rev().flat_map(|regs| regs.rchunks(2)) {
            self.asm.put(a64::ldp_post(x(pair[0]), x(pair[1]), SP, pair_offset(16)));
        }
        self.put_inst(a64::ret());
    }

    /// Loads the stack pointer from the frame.
    fn switch_stack(&mut self, offset: i32) {
        self.load_field(SCRATCH, offset);
        self.put_inst(a64::add_imm(SP, SCRATCH.into(), imm12(0)));
    }

    /// Begins a function.
    fn function(&mut self, function: u32, slots: u32, has_link: bool) {
        assert!((function as usize) < self.functions, "there is no function {function}");
        self.mark(Mark::Function(function));
        self.asm.bind_function(function);
        let link_bytes = if has_link { 8 } else { 0 };
        let bytes = (link_bytes + 8 * i64::from(slots) + 15) & !15;
        self.activation = Activation { bytes, has_link };
        self.activation_bytes = self.activation_bytes.max(bytes as usize);
        self.slots = (SP, link_bytes);
        match Unscaled::new(-bytes) {
            Some(offset) if has_link => self.put_inst(a64::str_pre(X30.into(), SP, offset)),
            _ => {
                self.move_stack(bytes, a64::sub_imm);
                if has_link {
                    self.put_inst(a64::str_(X30.into(), SP, slot_offset(0)));
                }
            }
        }
    }

    /// Returns from a function to its caller.
    fn end_call(&mut self) {
        let Activation { bytes, has_link } = self.activation;
        match Unscaled::new(bytes) {
            Some(offset) if has_link => self.put_inst(a64::ldr_post(X30, SP, offset)),
            _ => {
                if has_link {
                    self.put_inst(a64::ldr(X30, SP, slot_offset(0)));
                }
                self.move_stack(bytes, a64::add_imm);
            }
        }
        self.put_inst(a64::ret());
    }

    /// Adds a multiple of 16 to the stack pointer or subtracts it.
    fn move_stack(&mut self, bytes: i64, instruction: fn(Xs, Xs, Imm12) -> Inst) {
        for part in [bytes & !0xfff, bytes & 0xfff].into_iter().filter(|part| *part > 0) {
            self.put_inst(instruction(SP, SP, Imm12::new(part as u64).expect("at most a thousand loops are nested")));
        }
    }

    fn load_slot(&mut self, d: X, slot: FrameSlot) {
        let (base, first) = self.slots;
        self.put_inst(a64::ldr(d, base, slot_offset(first + 8 * i64::from(slot.0))));
    }

    fn store_slot(&mut self, s: X, slot: FrameSlot) {
        let (base, first) = self.slots;
        self.put_inst(a64::str_(s.into(), base, slot_offset(first + 8 * i64::from(slot.0))));
    }

    /// The register that holds the number of calls that may still begin.
    fn depth(&self) -> X {
        self.depth.expect("the code reserves no register for the depth of calls")
    }

    /// The register that holds the address of memory cell 0.
    fn memory(&self) -> X {
        self.memory.expect("the code reserves no register for the memory")
    }

    /// The register that holds the number of the memory cell `a + offset`. Traps if there is no such cell.
    fn cell(&mut self, a: X, offset: i64, site: Site) -> X {
        let number = self.sum(a, offset);
        self.check_below(number, self.cells, site);
        number
    }

    /// The register with `a + offset`, a wrapping sum.
    fn sum(&mut self, a: X, offset: i64) -> X {
        if offset == 0 {
            return a;
        }
        self.add(SCRATCH, a, offset);
        SCRATCH
    }

    /// Traps unless a number, as an unsigned one, is less than this.
    fn check_below(&mut self, number: X, end: i64, site: Site) {
        match Imm12::new(end as u64) {
            Some(end) => self.put_inst(a64::cmp_imm(number.into(), end)),
            None => {
                self.constant(OTHER, end);
                self.put_inst(a64::cmp(number.into(), OTHER.into()));
            }
        }
        self.asm.exit_if(Cc::Hs, site);
    }

    /// Accesses an element of the array of `count` cells that begins at `first`.
    fn access_element(&mut self, a: X, first: u32, count: u32, site: Site, access: Access) {
        let end = i64::from(first) + i64::from(count);
        assert!(end <= self.cells, "there are no cells up to {end}");
        self.check_below(a, count.into(), site);
        let number = self.sum(a, first.into());
        self.access_scaled(number, access);
    }

    fn load_field(&mut self, d: X, offset: i32) {
        self.put_inst(a64::ldr(d, FRAME.into(), field(offset)));
    }

    /// `d = value`, in as few `mov` instructions as possible.
    fn constant(&mut self, d: X, value: i64) {
        const HALVES: [Half; 4] = [Half::H0, Half::H16, Half::H32, Half::H48];
        let bits = value as u64;
        let half = |index: usize| (bits >> (16 * index)) as u16;
        let zeros = (0..4).filter(|&index| half(index) == 0).count();
        let ones = (0..4).filter(|&index| half(index) == u16::MAX).count();
        // The halfwords that the first instruction does not set already.
        let background = if ones > zeros { u16::MAX } else { 0 };
        let mut others = (0..4).filter(|&index| half(index) != background);
        if zeros.max(ones) < 3
            && let Some(mask) = Bitmask::new(bits)
        {
            return self.put_inst(a64::orr_imm(d.into(), XZR, mask));
        }
        let first = others.next().unwrap_or(0);
        if background == 0 {
            self.put_inst(a64::movz(d, half(first), HALVES[first]));
        } else {
            self.put_inst(a64::movn(d, !half(first), HALVES[first]));
        }
        for index in others {
            self.put_inst(a64::movk(d, half(index), HALVES[index]));
        }
    }

    /// A load or store at this byte offset from the data-stack pointer.
    #[inline]
    fn access(&mut self, bytes: i64, access: Access) {
        if let Some(offset) = Scaled::new(bytes) {
            self.put_inst(match access {
                Access::Load(d) => a64::ldr(d, POINTER.into(), offset),
                Access::Store(s) => a64::str_(s.into(), POINTER.into(), offset),
            });
        } else if let Some(offset) = Unscaled::new(bytes) {
            self.put_inst(match access {
                Access::Load(d) => a64::ldur(d, POINTER.into(), offset),
                Access::Store(s) => a64::stur(s.into(), POINTER.into(), offset),
            });
        } else {
            self.constant(SCRATCH, bytes);
            self.put_inst(match access {
                Access::Load(d) => a64::ldr_reg(d, POINTER.into(), SCRATCH),
                Access::Store(s) => a64::str_reg(s.into(), POINTER.into(), SCRATCH),
            });
        }
    }

    /// A load or store of the memory cell with this number.
    fn access_cell(&mut self, cell: u32, access: Access) {
        assert!(i64::from(cell) < self.cells, "there is no cell {cell}");
        match Scaled::new(8 * i64::from(cell)) {
            Some(offset) => self.put_inst(match access {
                Access::Load(d) => a64::ldr(d, self.memory().into(), offset),
                Access::Store(s) => a64::str_(s.into(), self.memory().into(), offset),
            }),
            None => {
                self.constant(SCRATCH, cell.into());
                self.access_scaled(SCRATCH, access);
            }
        }
    }

    /// A load or store of the memory cell whose number is in a register.
    fn access_scaled(&mut self, number: X, access: Access) {
        self.put_inst(match access {
            Access::Load(d) => a64::ldr_reg_lsl(d, self.memory().into(), number),
            Access::Store(s) => a64::str_reg_lsl(s.into(), self.memory().into(), number),
        });
    }

    fn alu(&mut self, op: AluOp, d: X, a: X, b: X) {
        let inst = match op {
            AluOp::Add => a64::add(d.into(), a.into(), b.into()),
            AluOp::Sub => a64::sub(d.into(), a.into(), b.into()),
            AluOp::Mul => a64::mul(d, a, b),
            AluOp::And => a64::and(d.into(), a.into(), b.into()),
            AluOp::Or => a64::orr(d.into(), a.into(), b.into()),
            AluOp::Xor => a64::eor(d.into(), a.into(), b.into()),
            // The machine takes the low six bits of the count, as the language does.
            AluOp::Shl => a64::lsl_reg(d, a, b),
            AluOp::Shr => a64::lsr_reg(d, a, b),
            AluOp::Sar => a64::asr_reg(d, a, b),
            AluOp::Min | AluOp::Max => {
                self.put_inst(a64::cmp(a.into(), b.into()));
                a64::csel(d, a.into(), b.into(), first_if(op))
            }
        };
        self.put_inst(inst);
    }

    /// `d = a op (b shifted)`.
    fn alu_shifted(&mut self, op: AluOp, d: X, a: X, b: X, (shift, amount): (AluOp, u8)) {
        let kind = match shift {
            AluOp::Shl => ShiftKind::Lsl,
            AluOp::Shr => ShiftKind::Lsr,
            AluOp::Sar => ShiftKind::Asr,
            _ => panic!("{shift:?} is not a shift"),
        };
        let form = match op {
            AluOp::Add => a64::add_shifted,
            AluOp::Sub => a64::sub_shifted,
            AluOp::And => a64::and_shifted,
            AluOp::Or => a64::orr_shifted,
            AluOp::Xor => a64::eor_shifted,
            AluOp::Mul | AluOp::Shl | AluOp::Shr | AluOp::Sar | AluOp::Min | AluOp::Max => {
                self.alu_imm(shift, SCRATCH, b, amount.into());
                return self.alu(op, d, a, SCRATCH);
            }
        };
        let amount = Shift6::new(amount).expect("a shift by 63 at most");
        self.put_inst(form(d.into(), a.into(), b.into(), kind, amount));
    }

    /// Branches if `a & mask` is zero, or if it is not.
    fn branch_mask(&mut self, a: X, mask: i64, is_zero: bool, to: Label) {
        if mask.count_ones() == 1 {
            let bit = shift(mask.trailing_zeros().into());
            return if is_zero { self.asm.tbz(a, bit, to) } else { self.asm.tbnz(a, bit, to) };
        }
        match Bitmask::new(mask as u64) {
            Some(mask) => self.put_inst(a64::tst_imm(a, mask)),
            None => {
                self.constant(SCRATCH, mask);
                self.put_inst(a64::ands(XZR, a.into(), SCRATCH.into()));
            }
        }
        self.asm.b_cond(if is_zero { Cc::Eq } else { Cc::Ne }, to);
    }

    fn unary(&mut self, op: UnaryOp, d: X, a: X) {
        let inst = match op {
            UnaryOp::Negate => a64::neg(d, a),
            UnaryOp::Invert => a64::mvn(d, a),
            UnaryOp::Abs => {
                self.put_inst(a64::cmp_imm(a.into(), imm12(0)));
                a64::cneg(d, a, Cc::Lt)
            }
        };
        self.put_inst(inst);
    }

    fn alu_imm(&mut self, op: AluOp, d: X, a: X, imm: i64) {
        let mask = Bitmask::new(imm as u64);
        match (op, mask) {
            (AluOp::Add, _) => self.add(d, a, imm),
            (AluOp::Sub, _) => self.add(d, a, imm.wrapping_neg()),
            (AluOp::And, Some(mask)) => self.put_inst(a64::and_imm(d.into(), a.into(), mask)),
            (AluOp::Or, Some(mask)) => self.put_inst(a64::orr_imm(d.into(), a.into(), mask)),
            (AluOp::Xor, Some(mask)) => self.put_inst(a64::eor_imm(d.into(), a.into(), mask)),
            (AluOp::Shl, _) => self.put_inst(a64::lsl_imm(d, a, shift(imm))),
            (AluOp::Shr, _) => self.put_inst(a64::lsr_imm(d, a, shift(imm))),
            (AluOp::Sar, _) => self.put_inst(a64::asr_imm(d, a, shift(imm))),
            (AluOp::Min | AluOp::Max, _) if imm == 0 => {
                self.put_inst(a64::cmp_imm(a.into(), imm12(0)));
                self.put_inst(a64::csel(d, a.into(), XZR, first_if(op)));
            }
            (AluOp::Mul, _) if (imm as u64).is_power_of_two() => {
                self.put_inst(a64::lsl_imm(d, a, shift(i64::from(imm.trailing_zeros()))));
            }
            _ => match (one_more(imm), one_less(imm)) {
                (Some(power), _) if op == AluOp::Mul => {
                    self.put_inst(a64::add_lsl(d.into(), a.into(), a.into(), power));
                }
                (_, Some(power)) if op == AluOp::Mul => {
                    self.put_inst(a64::lsl_imm(SCRATCH, a, power));
                    self.put_inst(a64::sub(d.into(), SCRATCH.into(), a.into()));
                }
                _ => {
                    self.constant(SCRATCH, imm);
                    self.alu(op, d, a, SCRATCH);
                }
            },
        }
    }

    /// `d = a + value`.
    fn add(&mut self, d: X, a: X, value: i64) {
        match Imm12::new(value.unsigned_abs()) {
            Some(imm) if value >= 0 => self.put_inst(a64::add_imm(d.into(), a.into(), imm)),
            Some(imm) => self.put_inst(a64::sub_imm(d.into(), a.into(), imm)),
            None => {
                self.constant(SCRATCH, value);
                self.put_inst(a64::add(d.into(), a.into(), SCRATCH.into()));
            }
        }
    }

    fn compare_imm(&mut self, a: X, imm: i64) {
        match Imm12::new(imm.unsigned_abs()) {
            Some(field) if imm >= 0 => self.put_inst(a64::cmp_imm(a.into(), field)),
            Some(field) => self.put_inst(a64::cmn_imm(a.into(), field)),
            None => {
                self.constant(SCRATCH, imm);
                self.put_inst(a64::cmp(a.into(), SCRATCH.into()));
            }
        }
    }

    /// The machine divides MIN by -1 as the language does; the caller has excluded a divisor of zero.
    fn divide(&mut self, op: DivOp, d: X, a: X, b: X) {
        match op {
            DivOp::Quotient => self.put_inst(a64::sdiv(d, a, b)),
            DivOp::Remainder => {
                self.put_inst(a64::sdiv(SCRATCH, a, b));
                self.put_inst(a64::msub(d, SCRATCH, b, a.into()));
            }
        }
    }

    /// Uses `sdiv` unless the divisor is a power of two: an inverse takes four instructions to build, `sdiv` only a few
    /// cycles.
    fn divide_imm(&mut self, op: DivOp, d: X, a: X, imm: i64) {
        match (Divisor::of(imm), op) {
            (Divisor::One, DivOp::Quotient) if imm > 0 => self.put_inst(a64::mov(d, a.into())),
            (Divisor::One, DivOp::Quotient) => self.put_inst(a64::neg(d, a)),
            (Divisor::One, DivOp::Remainder) => self.put_inst(a64::mov(d, XZR)),
            (Divisor::PowerOfTwo(power), DivOp::Quotient) => {
                self.add_bias(a, power);
                self.put_inst(a64::asr_imm(d, SCRATCH, shift(power.into())));
                if imm < 0 {
                    self.put_inst(a64::neg(d, d));
                }
            }
            (Divisor::PowerOfTwo(power), DivOp::Remainder) => {
                self.add_bias(a, power);
                let multiple = Bitmask::new(u64::MAX << power).expect("ones in a row");
                self.put_inst(a64::and_imm(SCRATCH.into(), SCRATCH.into(), multiple));
                self.put_inst(a64::sub(d.into(), a.into(), SCRATCH.into()));
            }
            (Divisor::Other, _) => {
                self.constant(OTHER, imm);
                self.divide(op, d, a, OTHER);
            }
        }
    }

    /// Sets the scratch register to `a`, plus 2^power - 1 if `a` is negative. Dividing the sum by 2^power and rounding
    /// down then gives the same as dividing `a` and rounding toward zero.
    fn add_bias(&mut self, a: X, power: u8) {
        let sign = if power == 1 {
            a
        } else {
            self.put_inst(a64::asr_imm(SCRATCH, a, shift(63)));
            SCRATCH
        };
        self.put_inst(a64::add_lsr(SCRATCH.into(), a.into(), sign.into(), shift(64 - i64::from(power))));
    }

    /// Compares the address of a slot with a bound from the frame. Traps if the condition `fails` holds.
    fn check(&mut self, bytes: i64, bound: i32, fails: Cc, site: Site) {
        self.add(OTHER, POINTER, bytes);
        self.load_field(SCRATCH, bound);
        self.put_inst(a64::cmp(OTHER.into(), SCRATCH.into()));
        self.asm.exit_if(fails, site);
    }
}

#[inline]
fn x(reg: Reg) -> X {
    X::new(reg.0).expect("LIR for AArch64 uses AArch64 registers")
}

fn cc(cond: Cond) -> Cc {
    match cond {
        Cond::Eq => Cc::Eq,
        Cond::Ne => Cc::Ne,
        Cond::Lt => Cc::Lt,
        Cond::Gt => Cc::Gt,
        Cond::Le => Cc::Le,
        Cond::Ge => Cc::Ge,
        Cond::Ult => Cc::Lo,
        Cond::Ugt => Cc::Hi,
        Cond::Ule => Cc::Ls,
        Cond::Uge => Cc::Hs,
    }
}

/// The condition under which the result of a minimum or maximum is its first operand.
fn first_if(op: AluOp) -> Cc {
    if op == AluOp::Min { Cc::Lt } else { Cc::Gt }
}

fn imm12(value: u64) -> Imm12 {
    Imm12::new(value).expect("small constants fit")
}

fn shift(count: i64) -> Shift6 {
    Shift6::new((count & 63) as u8).expect("six bits")
}

/// `n`, if the factor is 2^n + 1.
fn one_more(factor: i64) -> Option<Shift6> {
    let less = (factor as u64).wrapping_sub(1);
    (less > 1 && less.is_power_of_two()).then(|| shift(less.trailing_zeros().into()))
}

/// `n`, if the factor is 2^n - 1.
fn one_less(factor: i64) -> Option<Shift6> {
    let more = (factor as u64).wrapping_add(1);
    (more > 2 && more.is_power_of_two()).then(|| shift(more.trailing_zeros().into()))
}

fn pair_offset(bytes: i64) -> Pair {
    Pair::new(bytes).expect("16 bytes at a time")
}

fn field(offset: i32) -> Scaled {
    Scaled::new(offset.into()).expect("the frame's head is small")
}

/// The offset of a frame slot in bytes, from the register that its address is relative to.
fn slot_offset(bytes: i64) -> Scaled {
    Scaled::new(bytes).expect("at most a thousand loops are nested")
}
