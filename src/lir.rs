//! LIR: the machine-like operations between the tiers and the instruction sets.
//!
//! LIR is a stream. A tier puts operations into a [`Sink`]. The emitters, the peephole pass and the [`Recorder`] are
//! sinks. So LIR need not be stored to be improved.
//!
//! Operands are physical registers. The destination and the sources need not be distinct registers. An operation
//! changes only its destination and the registers that the instruction set lists as clobbered. Flags are dead between
//! operations.

use std::fmt;

/// A register, by its number in the machine's encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reg(pub u8);

/// A slot of the data stack, as its distance from the data-stack pointer in slots. Negative distances are below the
/// pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub i64);

impl Slot {
    /// The distance from the data-stack pointer in bytes.
    pub const fn bytes(self) -> i64 {
        self.0.wrapping_mul(8)
    }
}

/// A place for a value besides the data stack. Those of the main program are in the frame, and each execution of the code has
/// its own frame. Those of a function are on the control stack, and each activation has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameSlot(pub u32);

/// The target of a branch. Labels are numbered from 0 without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(pub u32);

/// A place where the code can trap. Sites are numbered from 0 without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site(pub u32);

impl Site {
    /// The status that the code returns if it traps at this site. At a normal end it returns 0.
    ///
    /// # Panics
    /// If the number is `u32::MAX`, because its status would not fit.
    pub const fn status(self) -> u32 {
        self.0.checked_add(1).expect("sites are numbered from 0 without gaps")
    }
}

/// The greatest number of units that an [`Op::Tick`] takes.
pub const MOST_WORK: u32 = 4_095;

/// The layout of the frame, whose address is the only argument of generated code. Offsets are in bytes.
pub mod frame {
    /// The address of the lowest slot of the data stack.
    pub const BOTTOM: i32 = 0;
    /// The address after the highest slot that may be used.
    pub const LIMIT: i32 = 8;
    /// Output: at a normal end the address after the topmost value, at a trap the data-stack pointer. Input of
    /// [`Op::Entry`](super::Op::Entry): the data-stack pointer.
    pub const POINTER: i32 = 16;
    /// The number of iterations that loops may still start, plus the number of calls that may still begin.
    /// [`Op::SaveFuel`](super::Op::SaveFuel) updates it. In code that counts its work, the units of work until it leaves.
    pub const FUEL: i32 = 24;
    /// The address of memory cell 0.
    pub const MEMORY: i32 = 32;
    /// The address after the control stack, which grows downward. A multiple of 16.
    pub const CONTROL: i32 = 40;
    /// The number of calls that may still begin while the present ones are active.
    pub const DEPTH: i32 = 48;
    /// Scratch: the host's stack pointer, while the code runs on the control stack.
    pub const HOST: i32 = 56;
    /// Output: the base of the function that trapped at an [`Op::NeedAbove`](super::Op::NeedAbove).
    pub const BASE: i32 = 64;
    /// The first frame slot. A slot has 8 bytes.
    pub const SLOTS: i32 = 72;
}

/// A comparison of two 64-bit integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cond {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less than, signed.
    Lt,
    /// Greater than, signed.
    Gt,
    /// Less than or equal, signed.
    Le,
    /// Greater than or equal, signed.
    Ge,
    /// Less than, unsigned.
    Ult,
    /// Greater than, unsigned.
    Ugt,
    /// Less than or equal, unsigned.
    Ule,
    /// Greater than or equal, unsigned.
    Uge,
}

impl Cond {
    /// Every condition.
    pub const ALL: [Cond; 10] =
        [Cond::Eq, Cond::Ne, Cond::Lt, Cond::Gt, Cond::Le, Cond::Ge, Cond::Ult, Cond::Ugt, Cond::Ule, Cond::Uge];

    /// The condition that holds if and only if this one does not.
    pub const fn inverted(self) -> Cond {
        match self {
            Cond::Eq => Cond::Ne,
            Cond::Ne => Cond::Eq,
            Cond::Lt => Cond::Ge,
            Cond::Gt => Cond::Le,
            Cond::Le => Cond::Gt,
            Cond::Ge => Cond::Lt,
            Cond::Ult => Cond::Uge,
            Cond::Ugt => Cond::Ule,
            Cond::Ule => Cond::Ugt,
            Cond::Uge => Cond::Ult,
        }
    }

    /// The condition that holds for swapped operands if this one holds.
    pub const fn mirrored(self) -> Cond {
        match self {
            Cond::Eq => Cond::Eq,
            Cond::Ne => Cond::Ne,
            Cond::Lt => Cond::Gt,
            Cond::Gt => Cond::Lt,
            Cond::Le => Cond::Ge,
            Cond::Ge => Cond::Le,
            Cond::Ult => Cond::Ugt,
            Cond::Ugt => Cond::Ult,
            Cond::Ule => Cond::Uge,
            Cond::Uge => Cond::Ule,
        }
    }

    /// Whether it holds.
    #[inline(always)]
    pub const fn holds(self, a: i64, b: i64) -> bool {
        match self {
            Cond::Eq => a == b,
            Cond::Ne => a != b,
            Cond::Lt => a < b,
            Cond::Gt => a > b,
            Cond::Le => a <= b,
            Cond::Ge => a >= b,
            Cond::Ult => (a as u64) < b as u64,
            Cond::Ugt => (a as u64) > b as u64,
            Cond::Ule => (a as u64) <= b as u64,
            Cond::Uge => (a as u64) >= b as u64,
        }
    }
}

/// An operation with two operands and one result that cannot fail. Arithmetic wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AluOp {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Shift left by the low six bits of the second operand.
    Shl,
    /// Logical shift right by the low six bits of the second operand.
    Shr,
    /// Arithmetic shift right by the low six bits of the second operand.
    Sar,
    /// Signed minimum.
    Min,
    /// Signed maximum.
    Max,
}

impl AluOp {
    /// Every operation.
    pub const ALL: [AluOp; 11] = [
        AluOp::Add,
        AluOp::Sub,
        AluOp::Mul,
        AluOp::And,
        AluOp::Or,
        AluOp::Xor,
        AluOp::Shl,
        AluOp::Shr,
        AluOp::Sar,
        AluOp::Min,
        AluOp::Max,
    ];

    /// Whether the operands may be swapped.
    pub const fn commutes(self) -> bool {
        !(matches!(self, AluOp::Sub) || self.is_shift())
    }

    /// Whether it is a shift.
    pub const fn is_shift(self) -> bool {
        matches!(self, AluOp::Shl | AluOp::Shr | AluOp::Sar)
    }

    /// The result for two operands.
    #[inline(always)]
    pub const fn apply(self, a: i64, b: i64) -> i64 {
        match self {
            AluOp::Add => a.wrapping_add(b),
            AluOp::Sub => a.wrapping_sub(b),
            AluOp::Mul => a.wrapping_mul(b),
            AluOp::And => a & b,
            AluOp::Or => a | b,
            AluOp::Xor => a ^ b,
            AluOp::Shl => a.wrapping_shl(b as u32),
            AluOp::Shr => (a as u64).wrapping_shr(b as u32) as i64,
            AluOp::Sar => a.wrapping_shr(b as u32),
            AluOp::Min => {
                if a < b {
                    a
                } else {
                    b
                }
            }
            AluOp::Max => {
                if a > b {
                    a
                } else {
                    b
                }
            }
        }
    }
}

/// An operation with one operand and one result that cannot fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `0 - a`, wrapping.
    Negate,
    /// Bitwise complement.
    Invert,
    /// Absolute value. That of MIN is MIN.
    Abs,
}

impl UnaryOp {
    /// Every operation.
    pub const ALL: [UnaryOp; 3] = [UnaryOp::Negate, UnaryOp::Invert, UnaryOp::Abs];

    /// The result for an operand.
    #[inline(always)]
    pub const fn apply(self, a: i64) -> i64 {
        match self {
            UnaryOp::Negate => a.wrapping_neg(),
            UnaryOp::Invert => !a,
            UnaryOp::Abs => a.wrapping_abs(),
        }
    }
}

/// A result of a division.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DivOp {
    /// The quotient, truncated toward zero. MIN / -1 is MIN.
    Quotient,
    /// The remainder of that division. MIN mod -1 is 0.
    Remainder,
}

impl DivOp {
    /// The result for two operands.
    ///
    /// # Panics
    /// If the divisor is zero.
    #[inline(always)]
    pub const fn apply(self, a: i64, b: i64) -> i64 {
        match self {
            DivOp::Quotient => a.wrapping_div(b),
            DivOp::Remainder => a.wrapping_rem(b),
        }
    }
}

/// One operation.
///
/// The memory layout is fixed. Registers have the same offsets in as many variants as possible, so that reading the
/// registers of an operation needs no branch on its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "each variant says what its fields do")]
pub enum Op {
    /// Aligns the next instruction, which begins a loop.
    Align,
    /// The target of branches to this label.
    Label(Label),
    /// `d = s`.
    Move { d: Reg, s: Reg },
    /// `d = value`.
    Constant { d: Reg, value: i64 },
    /// `d = slot`.
    Load { d: Reg, slot: Slot },
    /// `slot = s`.
    Store { s: Reg, slot: Slot },
    /// `d = a op b`.
    Alu { d: Reg, a: Reg, b: Reg, op: AluOp },
    /// `d = a op imm`.
    AluImm { d: Reg, a: Reg, op: AluOp, imm: i64 },
    /// `d = a op (b shift amount)`. `shift` is a shift, and `amount` is from 1 to 63.
    AluShifted { d: Reg, a: Reg, b: Reg, op: AluOp, shift: AluOp, amount: u8 },
    /// `d = c + a * b`, or `d = c - a * b` if it subtracts.
    MulAdd { d: Reg, a: Reg, b: Reg, c: Reg, subtracts: bool },
    /// `d = op a`.
    Unary { d: Reg, a: Reg, op: UnaryOp },
    /// `d = 1` if the comparison holds, else 0.
    Set { d: Reg, a: Reg, b: Reg, cond: Cond },
    /// `d = 1` if the comparison with `imm` holds, else 0.
    SetImm { d: Reg, a: Reg, cond: Cond, imm: i64 },
    /// `d = a op b`. Traps if `b` is zero.
    Divide { d: Reg, a: Reg, b: Reg, op: DivOp, site: Site },
    /// `d = a op imm`. `imm` is not zero.
    DivideImm { d: Reg, a: Reg, op: DivOp, imm: i64 },
    /// Branches to the label if the comparison holds.
    Branch { cond: Cond, a: Reg, b: Reg, to: Label },
    /// Branches to the label if the comparison with `imm` holds.
    BranchImm { cond: Cond, a: Reg, to: Label, imm: i64 },
    /// Branches to the label if `a & mask` is zero, or if it is not zero and `is_zero` is false.
    BranchMask { a: Reg, is_zero: bool, to: Label, mask: i64 },
    /// Branches to the label.
    Jump { to: Label },
    /// `d -= 1`, then branches to the label if `d` is not zero.
    CountDown { d: Reg, to: Label },
    /// `d = slot` in the frame.
    LoadFrame { d: Reg, slot: FrameSlot },
    /// `slot = s` in the frame.
    StoreFrame { s: Reg, slot: FrameSlot },
    /// Takes one unit of fuel. Traps if there is none.
    Fuel { site: Site },
    /// `d` = the memory cell with the number `a + offset`, a wrapping sum. Traps if there is no such cell.
    LoadCell { d: Reg, a: Reg, site: Site, offset: i64 },
    /// The memory cell with the number `a + offset`, a wrapping sum, is set to `s`. Traps if there is no such cell.
    StoreCell { s: Reg, a: Reg, site: Site, offset: i64 },
    /// `d` = element `a` of an array: the memory cell with the number `first + a`. Traps unless `a`, as an unsigned number, is less
    /// than `count`. All elements exist.
    LoadElement { d: Reg, a: Reg, site: Site, first: u32, count: u32 },
    /// Element `a` of an array is set to `s`. Traps like [`Op::LoadElement`].
    StoreElement { s: Reg, a: Reg, site: Site, first: u32, count: u32 },
    /// `d` = the memory cell with this number, which exists.
    LoadCellAt { d: Reg, cell: u32 },
    /// The memory cell with this number, which exists, is set to `s`.
    StoreCellAt { s: Reg, cell: u32 },
    /// Begins a function. Its frame slots are numbered from 0, and each activation has its own. `has_calls` says whether it
    /// contains a [`Op::Call`]. The operations before the first function are the main program.
    Function { function: u32, slots: u32, has_calls: bool },
    /// Calls a function. Changes all allocatable registers, except those that pass values by the tier's convention. The
    /// data-stack pointer is the callee's base and is the same after the call.
    Call { function: u32 },
    /// Returns from a function to its caller.
    EndCall,
    /// Takes one unit of call depth. Traps if there is none.
    TakeDepth { site: Site },
    /// Gives one unit of call depth back.
    GiveDepth,
    /// Stores the address of a data-stack slot in a frame slot, as a base for [`Op::NeedAbove`].
    SaveBase { base: Slot, slot: FrameSlot },
    /// Traps if the slot is below the base that a frame slot holds, and writes that base to [`frame::BASE`].
    NeedAbove { site: Site, slot: Slot, base: FrameSlot },
    /// Traps if the slot is below the bottom of the stack.
    Need { site: Site, slot: Slot },
    /// Traps if the address of the slot is above [`frame::LIMIT`].
    Room { site: Site, slot: Slot },
    /// Moves the data-stack pointer up by this many slots, or down if negative.
    MovePointer { slots: i64 },
    /// In code that counts its work in the place of fuel: takes `work` units, at most [`MOST_WORK`]. Branches if the rest is negative then.
    Tick { work: u32, to: Label },
    /// Leaves the code through the site.
    Leave { site: Site },
    /// In code that counts its work in the place of fuel: takes `a` units.
    Count { a: Reg },
    /// Hands the fuel that is left back to [`frame::FUEL`].
    SaveFuel,
    /// Returns from the code. `end` is the first slot after the topmost value.
    Return { end: Slot },
    /// What follows belongs to the main program again: a second entry, or code that leaves. It follows the last function. In front of
    /// functions, it would move them, and processors execute the same loop up to a quarter slower at some offsets from a cache line
    /// than at others.
    Main,
    /// A second entry of the code, besides its first operation. The data-stack pointer is that of [`frame::POINTER`].
    Entry,
}

/// A receiver of operations.
pub trait Sink {
    /// Attributes the operations that follow to this bytecode operation.
    fn at(&mut self, pc: u32);

    /// Takes one operation. Implementations should be inlined: if the kind of operation is constant at the call, the
    /// `match` on it costs nothing.
    fn put(&mut self, op: Op);
}

/// A sink that stores all operations, for listings and tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorder {
    /// The operations, each with the bytecode operation that it was made for.
    pub ops: Vec<(u32, Op)>,
    pc: u32,
}

impl Sink for Recorder {
    fn at(&mut self, pc: u32) {
        self.pc = pc;
    }

    fn put(&mut self, op: Op) {
        self.ops.push((self.pc, op));
    }
}

/// The register operands of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operands {
    /// The register that it writes. [`Op::CountDown`] reads it as well.
    pub written: Option<Reg>,
    /// The registers that it reads, in operand order.
    pub read: [Option<Reg>; 3],
}

/// The registers that an operation changes besides its destination. The instruction set lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clobbers {
    None,
    /// Those of a shift by a register.
    Shift,
    /// Those of a division.
    Divide,
    /// Those of a division by this immediate.
    DivideImm(i64),
    /// All allocatable registers: those of a call.
    All,
}

/// What an operation reads and writes. [`Op::operands`], `clobbers` and `is_pure` list every operation, so a new
/// operation does not compile until each of them covers it.
impl Op {
    /// Its register operands.
    #[inline(always)]
    pub fn operands(self) -> Operands {
        let (written, read) = match self {
            Op::Move { d, s } => (Some(d), [Some(s), None]),
            Op::Constant { d, .. } | Op::Load { d, .. } | Op::LoadFrame { d, .. } => (Some(d), [None, None]),
            Op::Store { s, .. } | Op::StoreFrame { s, .. } => (None, [Some(s), None]),
            Op::Alu { d, a, b, .. } | Op::Set { d, a, b, .. } | Op::Divide { d, a, b, .. } => {
                (Some(d), [Some(a), Some(b)])
            }
            Op::AluImm { d, a, .. } | Op::Unary { d, a, .. } | Op::SetImm { d, a, .. } | Op::DivideImm { d, a, .. } => {
                (Some(d), [Some(a), None])
            }
            Op::MulAdd { d, a, b, c, .. } => {
                return Operands { written: Some(d), read: [Some(a), Some(b), Some(c)] };
            }
            Op::AluShifted { d, a, b, .. } => (Some(d), [Some(a), Some(b)]),
            Op::Branch { a, b, .. } => (None, [Some(a), Some(b)]),
            Op::BranchImm { a, .. } | Op::BranchMask { a, .. } => (None, [Some(a), None]),
            Op::LoadCell { d, a, .. } | Op::LoadElement { d, a, .. } => (Some(d), [Some(a), None]),
            Op::LoadCellAt { d, .. } => (Some(d), [None, None]),
            Op::StoreCellAt { s, .. } => (None, [Some(s), None]),
            Op::StoreCell { s, a, .. } | Op::StoreElement { s, a, .. } => (None, [Some(s), Some(a)]),
            Op::CountDown { d, .. } => (Some(d), [None, None]),
            Op::Count { a } => (None, [Some(a), None]),
            Op::Align
            | Op::Label(_)
            | Op::Jump { .. }
            | Op::Fuel { .. }
            | Op::Need { .. }
            | Op::Room { .. }
            | Op::MovePointer { .. }
            | Op::Function { .. }
            | Op::Call { .. }
            | Op::EndCall
            | Op::TakeDepth { .. }
            | Op::GiveDepth
            | Op::SaveBase { .. }
            | Op::NeedAbove { .. }
            | Op::Tick { .. }
            | Op::Leave { .. }
            | Op::SaveFuel
            | Op::Main
            | Op::Entry
            | Op::Return { .. } => (None, [None, None]),
        };
        let [first, second] = read;
        Operands { written, read: [first, second, None] }
    }

    /// Whether it writes one register and has no other effect.
    #[inline(always)]
    pub(crate) fn is_pure(self) -> bool {
        match self {
            Op::Move { .. }
            | Op::Constant { .. }
            | Op::Load { .. }
            | Op::Set { .. }
            | Op::SetImm { .. }
            | Op::LoadFrame { .. }
            | Op::LoadCellAt { .. }
            | Op::Unary { .. }
            | Op::MulAdd { .. }
            | Op::AluShifted { .. }
            | Op::AluImm { .. } => true,
            // Shifts may clobber other registers.
            Op::Alu { op, .. } => !op.is_shift(),
            Op::Divide { .. }
            | Op::DivideImm { .. }
            | Op::Store { .. }
            | Op::StoreFrame { .. }
            | Op::Branch { .. }
            | Op::BranchImm { .. }
            | Op::BranchMask { .. }
            | Op::CountDown { .. }
            | Op::Align
            | Op::Label(_)
            | Op::Jump { .. }
            | Op::Fuel { .. }
            | Op::Need { .. }
            | Op::Room { .. }
            | Op::MovePointer { .. }
            | Op::LoadCell { .. }
            | Op::LoadElement { .. }
            | Op::StoreCellAt { .. }
            | Op::StoreCell { .. }
            | Op::StoreElement { .. }
            | Op::Function { .. }
            | Op::Call { .. }
            | Op::EndCall
            | Op::TakeDepth { .. }
            | Op::GiveDepth
            | Op::SaveBase { .. }
            | Op::NeedAbove { .. }
            | Op::Tick { .. }
            | Op::Leave { .. }
            | Op::Count { .. }
            | Op::SaveFuel
            | Op::Main
            | Op::Entry
            | Op::Return { .. } => false,
        }
    }

    /// The registers that it changes besides its destination.
    #[inline(always)]
    pub(crate) fn clobbers(self) -> Clobbers {
        match self {
            Op::Alu { op, .. } if op.is_shift() => Clobbers::Shift,
            Op::Divide { .. } => Clobbers::Divide,
            Op::DivideImm { imm, .. } => Clobbers::DivideImm(imm),
            Op::Move { .. }
            | Op::Constant { .. }
            | Op::Load { .. }
            | Op::Store { .. }
            | Op::Alu { .. }
            | Op::AluImm { .. }
            | Op::AluShifted { .. }
            | Op::MulAdd { .. }
            | Op::Unary { .. }
            | Op::Set { .. }
            | Op::SetImm { .. }
            | Op::LoadFrame { .. }
            | Op::StoreFrame { .. }
            | Op::Branch { .. }
            | Op::BranchImm { .. }
            | Op::BranchMask { .. }
            | Op::CountDown { .. }
            | Op::Align
            | Op::Label(_)
            | Op::Jump { .. }
            | Op::Fuel { .. }
            | Op::Need { .. }
            | Op::Room { .. }
            | Op::MovePointer { .. }
            | Op::LoadCell { .. }
            | Op::LoadCellAt { .. }
            | Op::LoadElement { .. }
            | Op::StoreCellAt { .. }
            | Op::StoreCell { .. }
            | Op::StoreElement { .. }
            | Op::Function { .. }
            | Op::EndCall
            | Op::TakeDepth { .. }
            | Op::GiveDepth
            | Op::SaveBase { .. }
            | Op::NeedAbove { .. }
            | Op::Tick { .. }
            | Op::Leave { .. }
            | Op::Count { .. }
            | Op::SaveFuel
            | Op::Main
            | Op::Entry
            | Op::Return { .. } => Clobbers::None,
            Op::Call { .. } => Clobbers::All,
        }
    }

    /// The register that it writes.
    #[inline(always)]
    pub(crate) fn defines(self) -> Option<Reg> {
        self.operands().written
    }

    #[inline(always)]
    pub(crate) fn loads(self, from: Slot) -> bool {
        matches!(self, Op::Load { slot, .. } if slot == from)
    }

    #[inline(always)]
    pub(crate) fn first_operand(self) -> Option<Reg> {
        self.operands().read[0]
    }

    #[inline(always)]
    pub(crate) fn second_operand(self) -> Option<Reg> {
        self.operands().read[1]
    }

    /// Replaces its destination.
    #[inline(always)]
    pub(crate) fn set_destination(&mut self, to: Reg) {
        match self {
            Op::Move { d, .. }
            | Op::Constant { d, .. }
            | Op::Load { d, .. }
            | Op::Alu { d, .. }
            | Op::AluImm { d, .. }
            | Op::Unary { d, .. }
            | Op::Set { d, .. }
            | Op::SetImm { d, .. }
            | Op::Divide { d, .. }
            | Op::DivideImm { d, .. }
            | Op::LoadFrame { d, .. }
            | Op::LoadCell { d, .. }
            | Op::LoadElement { d, .. }
            | Op::LoadCellAt { d, .. } => *d = to,
            _ => unreachable!("only an operation with a destination gets a new one"),
        }
    }

    /// The same operation with its operands swapped. The result differs unless they commute.
    #[inline(always)]
    pub(crate) fn with_operands_swapped(mut self) -> Op {
        match &mut self {
            Op::Alu { a, b, .. } | Op::Set { a, b, .. } => std::mem::swap(a, b),
            _ => unreachable!("only an operation with two operands can have them swapped"),
        }
        self
    }

    /// The same operation with every read of `from` replaced by a read of `to`.
    #[inline(always)]
    pub(crate) fn with_operand(mut self, from: Reg, to: Reg) -> Op {
        let replace = |reg: &mut Reg| {
            if *reg == from {
                *reg = to;
            }
        };
        match &mut self {
            Op::Alu { a, b, .. } | Op::Set { a, b, .. } | Op::Divide { a, b, .. } | Op::Branch { a, b, .. } => {
                replace(a);
                replace(b);
            }
            Op::AluImm { a, .. }
            | Op::Unary { a, .. }
            | Op::SetImm { a, .. }
            | Op::DivideImm { a, .. }
            | Op::LoadCell { a, .. }
            | Op::BranchImm { a, .. } => {
                replace(a);
            }
            Op::StoreCellAt { s, .. } => replace(s),
            Op::StoreCell { s, a, .. } => {
                replace(s);
                replace(a);
            }
            _ => unreachable!("only an operation with register operands gets new ones"),
        }
        self
    }
}

impl Op {
    /// The operation as text. `name` gives the name of a register, and `function_name` that of a function.
    pub fn display(self, name: fn(Reg) -> String, function_name: impl Fn(u32) -> String) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            let s = |slot: Slot| format!("[{:+}]", slot.0);
            match self {
                Op::Align => write!(f, "align"),
                Op::Label(label) => write!(f, "L{}:", label.0),
                Op::Move { d, s } => write!(f, "move {}, {}", name(d), name(s)),
                Op::Constant { d, value } => write!(f, "constant {}, {value}", name(d)),
                Op::Load { d, slot } => write!(f, "load {}, {}", name(d), s(slot)),
                Op::Store { s: source, slot } => write!(f, "store {}, {}", s(slot), name(source)),
                Op::Alu { op, d, a, b } => write!(f, "{} {}, {}, {}", lower_case(op), name(d), name(a), name(b)),
                Op::AluImm { op, d, a, imm } => write!(f, "{} {}, {}, #{imm}", lower_case(op), name(d), name(a)),
                Op::AluShifted { op, d, a, b, shift, amount } => {
                    let (op, shift) = (lower_case(op), lower_case(shift));
                    write!(f, "{op} {}, {}, {} {shift} #{amount}", name(d), name(a), name(b))
                }
                Op::MulAdd { d, a, b, c, subtracts } => {
                    let op = if subtracts { "mul-sub" } else { "mul-add" };
                    write!(f, "{op} {}, {}, {}, {}", name(d), name(a), name(b), name(c))
                }
                Op::Unary { op, d, a } => write!(f, "{} {}, {}", lower_case(op), name(d), name(a)),
                Op::Set { cond, d, a, b } => {
                    write!(f, "set-{} {}, {}, {}", lower_case(cond), name(d), name(a), name(b))
                }
                Op::SetImm { cond, d, a, imm } => {
                    write!(f, "set-{} {}, {}, #{imm}", lower_case(cond), name(d), name(a))
                }
                Op::Divide { op, d, a, b, site } => {
                    write!(f, "{} {}, {}, {}, trap {}", lower_case(op), name(d), name(a), name(b), site.0)
                }
                Op::DivideImm { op, d, a, imm } => write!(f, "{} {}, {}, #{imm}", lower_case(op), name(d), name(a)),
                Op::Branch { cond, a, b, to } => {
                    write!(f, "branch-{} {}, {}, L{}", lower_case(cond), name(a), name(b), to.0)
                }
                Op::BranchImm { cond, a, imm, to } => {
                    write!(f, "branch-{} {}, #{imm}, L{}", lower_case(cond), name(a), to.0)
                }
                Op::BranchMask { a, mask, is_zero, to } => {
                    let cond = if is_zero { "clear" } else { "set" };
                    write!(f, "branch-{cond} {}, #{mask:#x}, L{}", name(a), to.0)
                }
                Op::Jump { to } => write!(f, "jump L{}", to.0),
                Op::CountDown { d, to } => write!(f, "count-down {}, L{}", name(d), to.0),
                Op::LoadFrame { d, slot } => write!(f, "load {}, frame[{}]", name(d), slot.0),
                Op::StoreFrame { s, slot } => write!(f, "store frame[{}], {}", slot.0, name(s)),
                Op::Fuel { site } => write!(f, "fuel trap {}", site.0),
                Op::Need { slot, site } => write!(f, "need {}, trap {}", s(slot), site.0),
                Op::Room { slot, site } => write!(f, "room {}, trap {}", s(slot), site.0),
                Op::MovePointer { slots } => write!(f, "move-pointer {slots:+}"),
                Op::Tick { work, to } => write!(f, "tick {work}, L{}", to.0),
                Op::Leave { site } => write!(f, "leave trap {}", site.0),
                Op::Count { a } => write!(f, "count {}", name(a)),
                Op::SaveFuel => write!(f, "save-fuel"),
                Op::Return { end } => write!(f, "return {}", s(end)),
                Op::Main => write!(f, "main"),
                Op::Entry => write!(f, "entry"),
                Op::LoadCellAt { d, cell } => write!(f, "load-cell {}, {cell}", name(d)),
                Op::StoreCellAt { s, cell } => write!(f, "store-cell {cell}, {}", name(s)),
                Op::LoadCell { d, a, offset, site } => {
                    write!(f, "load-cell {}, {}{offset:+}, trap {}", name(d), name(a), site.0)
                }
                Op::StoreCell { s: source, a, offset, site } => {
                    write!(f, "store-cell {}{offset:+}, {}, trap {}", name(a), name(source), site.0)
                }
                Op::LoadElement { d, a, first, count, site } => {
                    write!(f, "load-element {}, {first}[{} of {count}], trap {}", name(d), name(a), site.0)
                }
                Op::StoreElement { s: source, a, first, count, site } => {
                    write!(f, "store-element {first}[{} of {count}], {}, trap {}", name(a), name(source), site.0)
                }
                Op::Function { function, slots, .. } => {
                    write!(f, "function {}, frame slots: {slots}", function_name(function))
                }
                Op::Call { function } => write!(f, "call {}", function_name(function)),
                Op::EndCall => write!(f, "end-call"),
                Op::TakeDepth { site } => write!(f, "take-depth trap {}", site.0),
                Op::GiveDepth => write!(f, "give-depth"),
                Op::SaveBase { base, slot } => write!(f, "save-base frame[{}], {}", slot.0, s(base)),
                Op::NeedAbove { slot, base, site } => {
                    write!(f, "need-above {}, frame[{}], trap {}", s(slot), base.0, site.0)
                }
            }
        })
    }
}

/// The name of a field-less variant in lower case.
fn lower_case(variant: impl fmt::Debug) -> String {
    format!("{variant:?}").to_lowercase()
}
