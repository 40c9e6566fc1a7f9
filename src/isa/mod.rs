//! The two instruction sets, as twin modules: `regs` names the registers, `encode` encodes instructions, `assemble`
//! places them and resolves branches to labels, `emit` lowers LIR to them.
//!
//! They know LIR but not the language. Both compile and are tested on every host.

pub mod aarch64;
mod buffer;
pub mod disassemble;
mod division;
mod labels;
pub mod x86_64;

use crate::lir::{AluOp, Op, Reg, Sink};

/// An instruction set: a sink that emits machine code.
///
/// # Panics
/// Emitters accept every LIR operation that a tier emits, and panic at once on an invalid one: a register that the
/// machine does not have or that is not allocatable, a frame slot beyond the reach of its addressing mode, a division
/// by the immediate zero, a label that is bound twice or leaves a gap of more than 65,536 in the label numbers, an operation
/// that the [`Shape`] rules out, a function that is bound twice, and, at the end, a label or a function that is used but not
/// bound, or the site `u32::MAX`.
pub trait Isa: Sink + Sized {
    /// Its name, as in [`std::env::consts::ARCH`].
    const NAME: &'static str;

    /// The registers that a tier may use, starting with those that need not be saved. A program may reserve the last ones,
    /// see [`usable`](Isa::usable).
    const ALLOCATABLE: &'static [Reg];

    /// The registers that the code must preserve for its caller.
    const CALLEE_SAVED: &'static [Reg];

    /// The registers besides its destination that a shift by [`crate::lir::Op::Alu`] changes.
    const SHIFT_CLOBBERS: &'static [Reg];

    /// The registers besides its destination that [`crate::lir::Op::Divide`] changes.
    const DIVIDE_CLOBBERS: &'static [Reg];

    /// The registers besides its destination that [`crate::lir::Op::DivideImm`] changes.
    fn divide_imm_clobbers(imm: i64) -> &'static [Reg];

    /// The registers that a tier may use in a program that reserves some.
    fn usable(reserved: Reserved) -> &'static [Reg] {
        &Self::ALLOCATABLE[..Self::ALLOCATABLE.len() - reserved.count()]
    }

    /// A register's name in the manual.
    fn reg_name(reg: Reg) -> String;

    /// Whether the instruction encodes this immediate operand at no extra cost.
    fn fits_alu(op: AluOp, imm: i64) -> bool;

    /// The same for comparisons.
    fn fits_compare(imm: i64) -> bool;

    /// Whether [`crate::lir::Op::AluShifted`] is one instruction.
    fn fits_shifted(op: AluOp, shift: AluOp, amount: u8) -> bool;

    /// Whether [`crate::lir::Op::BranchMask`] needs no register for this mask.
    fn fits_mask(mask: i64) -> bool;

    /// The number of instructions that [`crate::lir::Op::Alu`], `AluImm`, `Unary` or `Divide` takes beyond the fewest, because its
    /// registers do not suit the instruction set.
    fn copies(op: Op) -> u32;

    /// Whether [`crate::lir::Op::MulAdd`] is one instruction.
    const HAS_MULTIPLY_ADD: bool;

    /// Starts a piece of code in memory that may be reused.
    fn begin(memory: Vec<u8>, shape: &Shape, tuning: &Tuning, forms: Forms) -> Self;

    /// Ends the code: emits trap exits and resolves branches.
    ///
    /// # Errors
    /// [`OutOfRange`], if a branch does not reach its target; the error returns the memory.
    fn finish(self) -> Result<Machine, OutOfRange>;
}

/// The registers at the end of [`Isa::ALLOCATABLE`] that a program reserves. They hold the same thing in all of its functions,
/// and only emitters use them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// Whether the last register holds the address of memory cell 0: the program loads or stores cells.
    pub memory: bool,
    /// Whether the last register, or the one before it if the last is the memory's, holds the number of calls that may still
    /// begin: the program counts the depth of its calls.
    pub depth: bool,
}

impl Reserved {
    /// The number of reserved registers.
    pub const fn count(self) -> usize {
        self.memory as usize + self.depth as usize
    }
}

/// Properties of a piece of code that the emitter must know before the first operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The number of registers that it uses besides the reserved ones. These are the first ones of [`Isa::ALLOCATABLE`].
    pub registers: usize,
    /// The registers that it reserves.
    pub reserved: Reserved,
    /// The number of memory cells, at most `i32::MAX`.
    pub cells: usize,
    /// The number of functions, the main program included. Their numbers are smaller.
    pub functions: usize,
    /// Whether it has [`crate::lir::Op::Call`]. Then it runs on the control stack.
    pub calls: bool,
    /// Whether it has [`crate::lir::Op::Fuel`].
    pub metered: bool,
    /// Whether to record [`Machine::marks`].
    pub marked: bool,
}

/// Limits and sizes that have good defaults. Tests set smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The greatest distance in bytes for a short branch; the machine's own range if that is less.
    pub short_range: i64,
    /// The same for the next longer form.
    pub near_range: i64,
    /// The number of bytes reserved before the length of the code is known.
    pub initial_bytes: usize,
    /// The greatest number of registers that hold loop counters.
    pub counter_registers: usize,
    /// The greatest number of registers that the register tier uses; at least as many as an operation needs.
    pub value_registers: usize,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            short_range: i64::MAX,
            near_range: i64::MAX,
            initial_bytes: 4096,
            counter_registers: usize::MAX,
            value_registers: usize::MAX,
        }
    }
}

/// How far a branch to a target that is not yet bound can reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The shortest form.
    #[default]
    Short,
    /// The next longer one.
    Near,
    /// Any distance that code can span.
    Far,
}

/// The forms of forward branches and calls. All start short; if one does not reach, the code is emitted again with longer forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forms {
    /// For branches to labels.
    pub labels: Reach,
    /// For branches to trap exits, which follow the code.
    pub exits: Reach,
    /// For calls. Their short form reaches as far as the near form of a branch.
    pub calls: Reach,
}

/// Emitted code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The machine code; its first instruction is its entry.
    pub bytes: Vec<u8>,
    /// Where the code of each bytecode operation starts: offset and operation, ascending by offset.
    pub marks: Vec<(u32, Mark)>,
    /// The offset of the second entry, that of [`crate::lir::Op::Entry`].
    pub entry: Option<usize>,
    /// The number of bytes that an activation of a function takes on the control stack, return address included; of the largest
    /// function.
    pub activation_bytes: usize,
}

/// What a range of code was emitted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The entry: saves and loads registers.
    Prologue,
    /// The entry of this function: makes room for its frame slots and stores its return address.
    Function(u32),
    /// This bytecode operation.
    Op(u32),
    /// The exits of trap sites.
    Exits,
}

/// A branch does not reach its target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a branch does not reach its target")]
pub struct OutOfRange {
    /// The forms to try next; `None` if the code is larger than any form reaches (2 GiB).
    pub next: Option<Forms>,
    /// The memory that was used, for reuse.
    pub memory: Vec<u8>,
}

/// The greatest length of code in bytes: offsets within code are signed 32-bit numbers on x86-64.
pub const MAX_CODE_BYTES: usize = i32::MAX as usize;

/// Registers from their numbers.
const fn regs<const N: usize>(numbers: [u8; N]) -> [Reg; N] {
    let mut regs = [Reg(0); N];
    let mut index = 0;
    while index < N {
        regs[index] = Reg(numbers[index]);
        index += 1;
    }
    regs
}
