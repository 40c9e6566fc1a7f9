//! The machine-like operations between the tiers and the instruction sets.

/// A signed comparison of two 64-bit integers.
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
}
