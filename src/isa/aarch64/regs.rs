//! The general registers of AArch64, as three types.
//!
//! Register number 31 is the zero register in some operands and the stack pointer in others. Each operand here has a
//! type that says which one it may be, so the two cannot be confused.

use std::fmt;

/// One of the registers `X0` to `X30`: never the zero register, never the stack pointer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct X(u8);

impl X {
    /// The register of this number, or `None` above 30.
    pub const fn new(number: u8) -> Option<X> {
        if number <= 30 { Some(X(number)) } else { None }
    }

    /// The register's number, 0 to 30.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// This register as an operand that could also be the zero register. Like `From`, but usable in a `const fn`.
    pub const fn xz(self) -> Xz {
        Xz(self.0)
    }

    /// This register as an operand that could also be the stack pointer. Like `From`, but usable in a `const fn`.
    pub const fn xs(self) -> Xs {
        Xs(self.0)
    }
}

impl fmt::Display for X {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x{}", self.0)
    }
}

/// One of the registers `X0` to `X30`, or the zero register `XZR`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Xz(u8);

impl Xz {
    /// The register's number in an encoding: 0 to 30, and 31 for `XZR`.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl From<X> for Xz {
    fn from(x: X) -> Xz {
        x.xz()
    }
}

impl fmt::Display for Xz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match X::new(self.0) {
            Some(x) => x.fmt(f),
            None => f.write_str("xzr"),
        }
    }
}

/// One of the registers `X0` to `X30`, or the stack pointer `SP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Xs(u8);

impl Xs {
    /// The register's number in an encoding: 0 to 30, and 31 for `SP`.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl From<X> for Xs {
    fn from(x: X) -> Xs {
        x.xs()
    }
}

impl fmt::Display for Xs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match X::new(self.0) {
            Some(x) => x.fmt(f),
            None => f.write_str("sp"),
        }
    }
}

/// The zero register: reads as zero and discards writes.
pub const XZR: Xz = Xz(31);
/// The stack pointer.
pub const SP: Xs = Xs(31);

/// The register `X0`.
pub const X0: X = X(0);
/// The register `X1`.
pub const X1: X = X(1);
/// The register `X2`.
pub const X2: X = X(2);
/// The register `X3`.
pub const X3: X = X(3);
/// The register `X4`.
pub const X4: X = X(4);
/// The register `X5`.
pub const X5: X = X(5);
/// The register `X6`.
pub const X6: X = X(6);
/// The register `X7`.
pub const X7: X = X(7);
/// The register `X8`.
pub const X8: X = X(8);
/// The register `X9`.
pub const X9: X = X(9);
/// The register `X10`.
pub const X10: X = X(10);
/// The register `X11`.
pub const X11: X = X(11);
/// The register `X12`.
pub const X12: X = X(12);
/// The register `X13`.
pub const X13: X = X(13);
/// The register `X14`.
pub const X14: X = X(14);
/// The register `X15`.
pub const X15: X = X(15);
/// The register `X16`, `IP0`: a veneer between a call and its target may change it.
pub const X16: X = X(16);
/// The register `X17`, `IP1`: a veneer between a call and its target may change it.
pub const X17: X = X(17);
/// The register `X18`, the platform register: Apple's systems reserve it.
pub const X18: X = X(18);
/// The register `X19`.
pub const X19: X = X(19);
/// The register `X20`.
pub const X20: X = X(20);
/// The register `X21`.
pub const X21: X = X(21);
/// The register `X22`.
pub const X22: X = X(22);
/// The register `X23`.
pub const X23: X = X(23);
/// The register `X24`.
pub const X24: X = X(24);
/// The register `X25`.
pub const X25: X = X(25);
/// The register `X26`.
pub const X26: X = X(26);
/// The register `X27`.
pub const X27: X = X(27);
/// The register `X28`.
pub const X28: X = X(28);
/// The register `X29`, the frame pointer.
pub const X29: X = X(29);
/// The register `X30`, the link register.
pub const X30: X = X(30);
