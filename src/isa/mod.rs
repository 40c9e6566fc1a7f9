//! The two instruction sets, as twin rooms: `regs` names the registers, `encode` makes instructions, `assemble`
//! places them and joins branches to labels, `emit` turns LIR into them.
//!
//! They know LIR and nothing of the language, and both compile and are tested on every host.

pub mod aarch64;
mod buffer;
pub mod disassemble;
mod division;
mod labels;
pub mod x86_64;

use crate::lir::{AluOp, Reg, Sink};

/// An instruction set: a sink that emits machine code.
///
/// # Panics
/// Emitters take every operation of LIR, and panic at once on one that no tier makes: a register that the machine does not
/// have or that is not allocatable, a frame slot beyond the reach of its addressing mode, a division by the immediate zero,
/// a label that is bound twice or leaves a gap of more than 65,536 in the numbers, and, at the end, a label that is used
/// and not bound, or the site `u32::MAX`.
pub trait Isa: Sink + Sized {
    /// Its name, as in [`std::env::consts::ARCH`].
    const NAME: &'static str;

    /// The registers that a tier may use, those first that cost nothing to use.
    const ALLOCATABLE: &'static [Reg];

    /// The registers that the caller of the code expects to find unchanged.
    const CALLEE_SAVED: &'static [Reg];

    /// The registers that [`crate::lir::Op::Alu`] changes besides its destination where it shifts.
    const SHIFT_CLOBBERS: &'static [Reg];

    /// The registers that [`crate::lir::Op::Divide`] changes besides its destination.
    const DIVIDE_CLOBBERS: &'static [Reg];

    /// The registers that [`crate::lir::Op::DivideImm`] changes besides its destination.
    fn divide_imm_clobbers(imm: i64) -> &'static [Reg];

    /// A register's name in the manual.
    fn reg_name(reg: Reg) -> String;

    /// Whether an immediate operand costs nothing: the instruction has a field for it.
    fn fits_alu(op: AluOp, imm: i64) -> bool;

    /// The same for comparisons.
    fn fits_compare(imm: i64) -> bool;

    /// Starts a piece of code, in memory that may be reused.
    fn begin(memory: Vec<u8>, shape: &Shape, tuning: &Tuning, forms: Forms) -> Self;

    /// Ends the code: trap exits are written and branches joined to their labels.
    ///
    /// # Errors
    /// [`OutOfRange`], where a branch does not reach; the memory comes back in it.
    fn finish(self) -> Result<Machine, OutOfRange>;
}

/// What the emitter must know of a piece of code before its first operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// How many of [`Isa::ALLOCATABLE`] it uses, from the first on.
    pub registers: usize,
    /// Whether it has [`crate::lir::Op::Fuel`].
    pub metered: bool,
    /// Whether [`Machine::marks`] is wanted.
    pub marked: bool,
}

/// Sizes that are what they are for good reasons, and that tests lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The greatest distance in bytes that a short branch is trusted with; the machine's own range if less.
    pub short_range: i64,
    /// The same for the next longer form.
    pub near_range: i64,
    /// Bytes reserved for code before its length is known.
    pub initial_bytes: usize,
    /// How many registers hold loop counters at most.
    pub counter_registers: usize,
    /// How many registers the register tier uses at most; at least as many as an operation needs.
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

/// How far a branch reaches whose target is not yet known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The shortest form.
    #[default]
    Short,
    /// The next longer one.
    Near,
    /// As far as code can be long.
    Far,
}

/// The forms of forward branches. All begin short; a piece of code in which they do not reach is emitted again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forms {
    /// Of branches to labels.
    pub labels: Reach,
    /// Of branches to trap exits, which lie behind the code.
    pub exits: Reach,
}

/// Emitted code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The machine code; its first instruction is its entry.
    pub bytes: Vec<u8>,
    /// Where the code for which bytecode operation begins: offset and operation, ascending by offset.
    pub marks: Vec<(u32, Mark)>,
}

/// What a stretch of code was emitted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Entry: registers saved and loaded.
    Prologue,
    /// This bytecode operation.
    Op(u32),
    /// The exits of trap sites.
    Exits,
}

/// A branch did not reach its target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a branch does not reach its target")]
pub struct OutOfRange {
    /// The forms to try next; `None` where the code is larger than any form reaches (2 GiB).
    pub next: Option<Forms>,
    /// The memory that was used.
    pub memory: Vec<u8>,
}

/// No piece of code is longer, in bytes: offsets within code are signed 32-bit numbers on x86-64.
pub const MAX_CODE_BYTES: usize = i32::MAX as usize;

/// Registers by their numbers.
const fn regs<const N: usize>(numbers: [u8; N]) -> [Reg; N] {
    let mut regs = [Reg(0); N];
    let mut index = 0;
    while index < N {
        regs[index] = Reg(numbers[index]);
        index += 1;
    }
    regs
}
