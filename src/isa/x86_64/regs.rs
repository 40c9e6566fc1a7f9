//! The sixteen general registers of x86-64.

use std::fmt;

/// One of the sixteen 64-bit registers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Gp(u8);

impl Gp {
    /// The register of this number, or `None` above 15.
    pub const fn new(number: u8) -> Option<Gp> {
        if number <= 15 { Some(Gp(number)) } else { None }
    }

    /// The register's number, 0 to 15: the low three bits are encoded in an operand, the fourth in the REX prefix.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Gp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 16] = [
            "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
            "r15",
        ];
        f.write_str(NAMES[usize::from(self.0)])
    }
}

/// All registers, in the order of their numbers.
pub const ALL: [Gp; 16] = [RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15];

/// The register `RAX`.
pub const RAX: Gp = Gp(0);
/// The register `RCX`, whose low byte `CL` counts shifts.
pub const RCX: Gp = Gp(1);
/// The register `RDX`.
pub const RDX: Gp = Gp(2);
/// The register `RBX`.
pub const RBX: Gp = Gp(3);
/// The register `RSP`, the stack pointer.
pub const RSP: Gp = Gp(4);
/// The register `RBP`.
pub const RBP: Gp = Gp(5);
/// The register `RSI`.
pub const RSI: Gp = Gp(6);
/// The register `RDI`.
pub const RDI: Gp = Gp(7);
/// The register `R8`.
pub const R8: Gp = Gp(8);
/// The register `R9`.
pub const R9: Gp = Gp(9);
/// The register `R10`.
pub const R10: Gp = Gp(10);
/// The register `R11`.
pub const R11: Gp = Gp(11);
/// The register `R12`.
pub const R12: Gp = Gp(12);
/// The register `R13`.
pub const R13: Gp = Gp(13);
/// The register `R14`.
pub const R14: Gp = Gp(14);
/// The register `R15`.
pub const R15: Gp = Gp(15);
