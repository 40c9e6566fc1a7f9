//! AArch64 instructions as 32-bit words.
//!
//! Each function is one form of one instruction in the Arm Architecture Reference Manual.
//! Its operands are in the manual's order, and its body is the form's bit diagram. All forms are the 64-bit ones. An
//! immediate has a type whose `new` rejects what the field cannot hold, so encoding itself never fails. Nothing here
//! knows labels: a branch takes its displacement, which [`Inst::with_rel26`] and its siblings replace later.

use std::fmt;

use super::regs::{X, XZR, Xs, Xz};

/// One encoded instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Inst(u32);

impl Inst {
    /// The instruction word. It is stored in memory as little-endian bytes.
    pub const fn word(self) -> u32 {
        self.0
    }

    /// The instruction of a word in memory.
    pub(super) const fn from_word(word: u32) -> Inst {
        Inst(word)
    }

    /// The same `B` or `BL` with another displacement.
    pub const fn with_rel26(self, rel: Rel26) -> Inst {
        debug_assert!(self.0 & 0x7c00_0000 == 0x1400_0000, "not a B or BL");
        Inst(self.0 & !0x03ff_ffff | rel.field())
    }

    /// The same `B.cond`, `CBZ` or `CBNZ` with another displacement.
    pub const fn with_rel19(self, rel: Rel19) -> Inst {
        debug_assert!(
            self.0 & 0xff00_0010 == 0x5400_0000 || self.0 & 0x7e00_0000 == 0x3400_0000,
            "not a B.cond, CBZ or CBNZ"
        );
        Inst(self.0 & !(0x7_ffff << 5) | rel.field())
    }

    /// The same `TBZ` or `TBNZ` with another displacement.
    pub const fn with_rel14(self, rel: Rel14) -> Inst {
        debug_assert!(self.0 & 0x7e00_0000 == 0x3600_0000, "not a TBZ or TBNZ");
        Inst(self.0 & !(0x3fff << 5) | rel.field())
    }

    /// The same `ADR` with another displacement.
    pub const fn with_rel21(self, rel: Rel21) -> Inst {
        debug_assert!(self.0 & 0x9f00_0000 == 0x1000_0000, "not an ADR");
        Inst(self.0 & !(0b11 << 29 | 0x7_ffff << 5) | rel.field())
    }
}

impl fmt::Debug for Inst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inst({:#010x})", self.0)
    }
}

/// A condition on the flags, without `AL` and `NV`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cc {
    /// Equal: Z set.
    Eq = 0b0000,
    /// Not equal: Z clear.
    Ne = 0b0001,
    /// Unsigned higher or same, also named `CS`: C set.
    Hs = 0b0010,
    /// Unsigned lower, also named `CC`: C clear.
    Lo = 0b0011,
    /// Minus: N set.
    Mi = 0b0100,
    /// Plus or zero: N clear.
    Pl = 0b0101,
    /// Overflow: V set.
    Vs = 0b0110,
    /// No overflow: V clear.
    Vc = 0b0111,
    /// Unsigned higher: C set and Z clear.
    Hi = 0b1000,
    /// Unsigned lower or same: C clear or Z set.
    Ls = 0b1001,
    /// Signed greater or equal: N equals V.
    Ge = 0b1010,
    /// Signed less: N differs from V.
    Lt = 0b1011,
    /// Signed greater: Z clear and N equals V.
    Gt = 0b1100,
    /// Signed less or equal: Z set or N differs from V.
    Le = 0b1101,
}

impl Cc {
    /// All conditions, in the order of their bits.
    pub const ALL: [Cc; 14] = [
        Cc::Eq,
        Cc::Ne,
        Cc::Hs,
        Cc::Lo,
        Cc::Mi,
        Cc::Pl,
        Cc::Vs,
        Cc::Vc,
        Cc::Hi,
        Cc::Ls,
        Cc::Ge,
        Cc::Lt,
        Cc::Gt,
        Cc::Le,
    ];

    /// The condition that holds exactly when this one does not.
    pub const fn invert(self) -> Cc {
        // The manual pairs the conditions: the lowest bit negates.
        Cc::ALL[self as usize ^ 1]
    }

    /// The four bits of the condition.
    pub const fn bits(self) -> u32 {
        self as u32
    }
}

/// The immediate of `ADD (immediate)` and related forms: twelve bits, optionally shifted left by twelve.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Imm12(u32);

impl Imm12 {
    /// Accepts 0 to 4095, and the multiples of 4096 up to `4095 << 12`.
    pub const fn new(value: u64) -> Option<Imm12> {
        if value < 1 << 12 {
            Some(Imm12(value as u32))
        } else if value < 1 << 24 && value.trailing_zeros() >= 12 {
            Some(Imm12(1 << 12 | (value >> 12) as u32))
        } else {
            None
        }
    }

    /// The fields sh:imm12.
    const fn field(self) -> u32 {
        self.0 << 10
    }
}

/// The immediate of `AND (immediate)` and related forms.
///
/// It is an element of 2, 4, 8, 16, 32 or 64 bits, repeated to 64 bits, that holds one contiguous group of ones at any
/// rotation. So neither 0 nor all ones can be encoded; 5334 values can.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Bitmask(u32);

impl Bitmask {
    /// Accepts the values that have such a form.
    pub const fn new(value: u64) -> Option<Bitmask> {
        if value == 0 || value == u64::MAX {
            return None;
        }
        // Ones at the low end of the word may be part of a group that wraps around. So they are cleared, and the lowest
        // group that remains starts inside the word. Rotated so that this group starts at bit 0, the word has the whole
        // group at its low end, and the zeros below it at its high end. If no group remains, the count of trailing
        // zeros is 64, which means no rotation.
        let start = (value & value.wrapping_add(1)).trailing_zeros() & 63;
        let rotated = value.rotate_right(start);
        let ones = rotated.trailing_ones();
        let size = ones + rotated.leading_zeros();
        // The group and the zeros before it are one element if the word repeats with their length.
        // Then the length divides 64: a shorter period could not hold both the ones and the zeros of the element.
        if value.rotate_right(size & 63) != value {
            return None;
        }
        let n = size >> 6;
        let immr = start.wrapping_neg() & (size - 1);
        // The position of the highest zero in imms encodes the size of the element; the bits below it encode its ones.
        let imms = ((size << 1).wrapping_neg() | (ones - 1)) & 0x3f;
        Some(Bitmask(n << 12 | immr << 6 | imms))
    }

    /// The thirteen bits N:immr:imms.
    pub const fn bits(self) -> u32 {
        self.0
    }

    const fn field(self) -> u32 {
        self.0 << 10
    }
}

/// Which of the four halfwords a `MOVZ`, `MOVN` or `MOVK` writes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Half {
    /// Bits 0 to 15: no shift.
    H0 = 0,
    /// Bits 16 to 31: `LSL #16`.
    H16 = 1,
    /// Bits 32 to 47: `LSL #32`.
    H32 = 2,
    /// Bits 48 to 63: `LSL #48`.
    H48 = 3,
}

impl Half {
    /// All four, lowest first.
    pub const ALL: [Half; 4] = [Half::H0, Half::H16, Half::H32, Half::H48];

    /// The shift in bits: 0, 16, 32 or 48.
    pub const fn shift(self) -> u32 {
        self as u32 * 16
    }
}

/// The number of a bit, or a shift amount, in 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shift6(u32);

impl Shift6 {
    /// Accepts 0 to 63.
    pub const fn new(value: u8) -> Option<Shift6> {
        if value < 64 { Some(Shift6(value as u32)) } else { None }
    }
}

/// The byte offset of `LDR (immediate)`, unsigned offset.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Scaled(u32);

impl Scaled {
    /// Accepts the multiples of 8 from 0 to 32760.
    pub const fn new(offset: i64) -> Option<Scaled> {
        if 0 <= offset && offset <= 32760 && offset % 8 == 0 { Some(Scaled((offset / 8) as u32)) } else { None }
    }

    const fn field(self) -> u32 {
        self.0 << 10
    }
}

/// The byte offset of `LDUR`, `STUR`, and the pre- and post-index forms of `LDR` and `STR`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Unscaled(i32);

impl Unscaled {
    /// Accepts -256 to 255.
    pub const fn new(offset: i64) -> Option<Unscaled> {
        if -256 <= offset && offset <= 255 { Some(Unscaled(offset as i32)) } else { None }
    }

    const fn field(self) -> u32 {
        (self.0 as u32 & 0x1ff) << 12
    }
}

/// The byte offset of `LDP` and `STP`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pair(i32);

impl Pair {
    /// Accepts the multiples of 8 from -512 to 504.
    pub const fn new(offset: i64) -> Option<Pair> {
        if -512 <= offset && offset <= 504 && offset % 8 == 0 { Some(Pair((offset / 8) as i32)) } else { None }
    }

    const fn field(self) -> u32 {
        (self.0 as u32 & 0x7f) << 15
    }
}

/// Whether `value` is in the range of a signed field of that many bits.
const fn fits_signed(value: i64, bits: u32) -> bool {
    let half = 1 << (bits - 1);
    -half <= value && value < half
}

/// The displacement of `B` and `BL` in bytes, from the branch itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rel26(i32);

impl Rel26 {
    /// Accepts the multiples of 4 from -128 MiB to 128 MiB - 4.
    pub const fn new(bytes: i64) -> Option<Rel26> {
        if bytes % 4 == 0 && fits_signed(bytes / 4, 26) { Some(Rel26((bytes / 4) as i32)) } else { None }
    }

    const fn field(self) -> u32 {
        self.0 as u32 & 0x03ff_ffff
    }
}

/// The displacement of `B.cond`, `CBZ` and `CBNZ` in bytes, from the branch itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rel19(i32);

impl Rel19 {
    /// Accepts the multiples of 4 from -1 MiB to 1 MiB - 4.
    pub const fn new(bytes: i64) -> Option<Rel19> {
        if bytes % 4 == 0 && fits_signed(bytes / 4, 19) { Some(Rel19((bytes / 4) as i32)) } else { None }
    }

    const fn field(self) -> u32 {
        (self.0 as u32 & 0x7_ffff) << 5
    }
}

/// The displacement of `TBZ` and `TBNZ` in bytes, from the branch itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rel14(i32);

impl Rel14 {
    /// Accepts the multiples of 4 from -32 KiB to 32 KiB - 4.
    pub const fn new(bytes: i64) -> Option<Rel14> {
        if bytes % 4 == 0 && fits_signed(bytes / 4, 14) { Some(Rel14((bytes / 4) as i32)) } else { None }
    }

    const fn field(self) -> u32 {
        (self.0 as u32 & 0x3fff) << 5
    }
}

/// The displacement of `ADR` in bytes, from the instruction itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rel21(i32);

impl Rel21 {
    /// Accepts every byte from -1 MiB to 1 MiB - 1.
    pub const fn new(bytes: i64) -> Option<Rel21> {
        if fits_signed(bytes, 21) { Some(Rel21(bytes as i32)) } else { None }
    }

    /// The fields immlo and immhi, which are not adjacent.
    const fn field(self) -> u32 {
        let bits = self.0 as u32;
        (bits & 0b11) << 29 | (bits >> 2 & 0x7_ffff) << 5
    }
}

/// The field Rd or Rt, at bit 0.
const fn at0(number: u8) -> u32 {
    number as u32
}

/// The field Rn, at bit 5.
const fn at5(number: u8) -> u32 {
    (number as u32) << 5
}

/// The field Ra or Rt2, at bit 10.
const fn at10(number: u8) -> u32 {
    (number as u32) << 10
}

/// The field Rm, at bit 16.
const fn at16(number: u8) -> u32 {
    (number as u32) << 16
}

/// The common layout of the forms with three registers Rd, Rn, Rm.
const fn dnm(op: u32, d: u8, n: u8, m: u8) -> Inst {
    Inst(op | at16(m) | at5(n) | at0(d))
}

// Moves.

/// `MOVZ`: `d = imm << half`.
pub const fn movz(d: X, imm: u16, half: Half) -> Inst {
    Inst(0xd280_0000 | (half as u32) << 21 | (imm as u32) << 5 | at0(d.number()))
}

/// `MOVN`: `d = !(imm << half)`.
pub const fn movn(d: X, imm: u16, half: Half) -> Inst {
    Inst(0x9280_0000 | (half as u32) << 21 | (imm as u32) << 5 | at0(d.number()))
}

/// `MOVK`: replaces the halfword `half` of `d` by `imm` and keeps the rest.
pub const fn movk(d: X, imm: u16, half: Half) -> Inst {
    Inst(0xf280_0000 | (half as u32) << 21 | (imm as u32) << 5 | at0(d.number()))
}

/// `MOV (register)`, an alias of `ORR (shifted register)`: `d = m`.
pub const fn mov(d: X, m: Xz) -> Inst {
    orr(d.xz(), XZR, m)
}

// Addition and subtraction.

/// `ADD (shifted register)` without shift: `d = n + m`.
pub const fn add(d: Xz, n: Xz, m: Xz) -> Inst {
    dnm(0x8b00_0000, d.number(), n.number(), m.number())
}

/// `ADD (shifted register)` with `LSL`: `d = n + (m << shift)`.
pub const fn add_lsl(d: Xz, n: Xz, m: Xz, shift: Shift6) -> Inst {
    Inst(dnm(0x8b00_0000, d.number(), n.number(), m.number()).0 | shift.0 << 10)
}

/// `ADD (shifted register)` with `LSR`: `d = n + (m >> shift)`, unsigned.
pub const fn add_lsr(d: Xz, n: Xz, m: Xz, shift: Shift6) -> Inst {
    Inst(dnm(0x8b40_0000, d.number(), n.number(), m.number()).0 | shift.0 << 10)
}

/// How the second operand of an instruction is shifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShiftKind {
    /// Left.
    Lsl,
    /// Right, unsigned.
    Lsr,
    /// Right, signed.
    Asr,
}

/// The same instruction, whose second operand is not shifted, with that operand shifted.
const fn shifted(inst: Inst, kind: ShiftKind, amount: Shift6) -> Inst {
    Inst(inst.0 | (kind as u32) << 22 | amount.0 << 10)
}

/// `ADD (shifted register)`: `d = n + (m shifted)`.
pub const fn add_shifted(d: Xz, n: Xz, m: Xz, kind: ShiftKind, amount: Shift6) -> Inst {
    shifted(add(d, n, m), kind, amount)
}

/// `SUB (shifted register)`: `d = n - (m shifted)`.
pub const fn sub_shifted(d: Xz, n: Xz, m: Xz, kind: ShiftKind, amount: Shift6) -> Inst {
    shifted(sub(d, n, m), kind, amount)
}

/// `AND (shifted register)`: `d = n & (m shifted)`.
pub const fn and_shifted(d: Xz, n: Xz, m: Xz, kind: ShiftKind, amount: Shift6) -> Inst {
    shifted(and(d, n, m), kind, amount)
}

/// `ORR (shifted register)`: `d = n | (m shifted)`.
pub const fn orr_shifted(d: Xz, n: Xz, m: Xz, kind: ShiftKind, amount: Shift6) -> Inst {
    shifted(orr(d, n, m), kind, amount)
}

/// `EOR (shifted register)`: `d = n ^ (m shifted)`.
pub const fn eor_shifted(d: Xz, n: Xz, m: Xz, kind: ShiftKind, amount: Shift6) -> Inst {
    shifted(eor(d, n, m), kind, amount)
}

/// `SUB (shifted register)` without shift: `d = n - m`.
pub const fn sub(d: Xz, n: Xz, m: Xz) -> Inst {
    dnm(0xcb00_0000, d.number(), n.number(), m.number())
}

/// `ADDS (shifted register)` without shift: `d = n + m`, and sets the flags.
pub const fn adds(d: Xz, n: Xz, m: Xz) -> Inst {
    dnm(0xab00_0000, d.number(), n.number(), m.number())
}

/// `SUBS (shifted register)` without shift: `d = n - m`, and sets the flags.
pub const fn subs(d: Xz, n: Xz, m: Xz) -> Inst {
    dnm(0xeb00_0000, d.number(), n.number(), m.number())
}

/// `ADD (immediate)`: `d = n + imm`.
pub const fn add_imm(d: Xs, n: Xs, imm: Imm12) -> Inst {
    Inst(0x9100_0000 | imm.field() | at5(n.number()) | at0(d.number()))
}

/// `SUB (immediate)`: `d = n - imm`.
pub const fn sub_imm(d: Xs, n: Xs, imm: Imm12) -> Inst {
    Inst(0xd100_0000 | imm.field() | at5(n.number()) | at0(d.number()))
}

/// `ADDS (immediate)`: `d = n + imm`, and sets the flags.
pub const fn adds_imm(d: Xz, n: Xs, imm: Imm12) -> Inst {
    Inst(0xb100_0000 | imm.field() | at5(n.number()) | at0(d.number()))
}

/// `SUBS (immediate)`: `d = n - imm`, and sets the flags.
pub const fn subs_imm(d: Xz, n: Xs, imm: Imm12) -> Inst {
    Inst(0xf100_0000 | imm.field() | at5(n.number()) | at0(d.number()))
}

/// `CMP (shifted register)` without shift, an alias of `SUBS`: the flags of `n - m`.
pub const fn cmp(n: Xz, m: Xz) -> Inst {
    subs(XZR, n, m)
}

/// `CMP (immediate)`, an alias of `SUBS`: the flags of `n - imm`.
pub const fn cmp_imm(n: Xs, imm: Imm12) -> Inst {
    subs_imm(XZR, n, imm)
}

/// `CMN (immediate)`, an alias of `ADDS`: the flags of `n + imm`.
pub const fn cmn_imm(n: Xs, imm: Imm12) -> Inst {
    adds_imm(XZR, n, imm)
}

/// `NEG (shifted register)` without shift, an alias of `SUB`: `d = -m`.
pub const fn neg(d: X, m: X) -> Inst {
    sub(d.xz(), XZR, m.xz())
}

// Logic.

/// `MVN` without shift, an alias of `ORN (shifted register)`: `d = !m`.
pub const fn mvn(d: X, m: X) -> Inst {
    dnm(0xaa20_0000, d.number(), XZR.number(), m.number())
}

/// `AND (shifted register)` without shift: `d = n & m`.
pub const fn and(d: Xz, n: Xz, m: Xz) -> Inst {
    dnm(0x8a00_0000, d.number(), n.number(), m.number())
}

/// `ORR (shifted register)` without shift: `d = n | m`.
pub const fn orr(d: Xz, n: Xz, m: Xz) -> Inst {
    dnm(0xaa00_0000, d.number(), n.number(), m.number())
}

/// `EOR (shifted register)` without shift: `d = n ^ m`.
pub const fn eor(d: Xz, n: Xz, m: Xz) -> Inst {
    dnm(0xca00_0000, d.number(), n.number(), m.number())
}

/// `ANDS (shifted register)` without shift: `d = n & m`, and sets the flags.
pub const fn ands(d: Xz, n: Xz, m: Xz) -> Inst {
    dnm(0xea00_0000, d.number(), n.number(), m.number())
}

/// `AND (immediate)`: `d = n & imm`.
pub const fn and_imm(d: Xs, n: Xz, imm: Bitmask) -> Inst {
    Inst(0x9200_0000 | imm.field() | at5(n.number()) | at0(d.number()))
}

/// `ORR (immediate)`: `d = n | imm`; with `XZR` for `n` it loads a constant.
pub const fn orr_imm(d: Xs, n: Xz, imm: Bitmask) -> Inst {
    Inst(0xb200_0000 | imm.field() | at5(n.number()) | at0(d.number()))
}

/// `EOR (immediate)`: `d = n ^ imm`.
pub const fn eor_imm(d: Xs, n: Xz, imm: Bitmask) -> Inst {
    Inst(0xd200_0000 | imm.field() | at5(n.number()) | at0(d.number()))
}

/// `TST (immediate)`, an alias of `ANDS (immediate)`: the flags of `n & imm`.
pub const fn tst_imm(n: X, imm: Bitmask) -> Inst {
    Inst(0xf200_0000 | imm.field() | at5(n.number()) | at0(XZR.number()))
}

// Multiplication and division.

/// `MADD`: `d = a + n * m`.
pub const fn madd(d: X, n: X, m: X, a: Xz) -> Inst {
    Inst(0x9b00_0000 | at16(m.number()) | at10(a.number()) | at5(n.number()) | at0(d.number()))
}

/// `MSUB`: `d = a - n * m`.
pub const fn msub(d: X, n: X, m: X, a: Xz) -> Inst {
    Inst(0x9b00_8000 | at16(m.number()) | at10(a.number()) | at5(n.number()) | at0(d.number()))
}

/// `MUL`, an alias of `MADD`: `d = n * m`.
pub const fn mul(d: X, n: X, m: X) -> Inst {
    madd(d, n, m, XZR)
}

/// `SDIV`: `d = n / m`, signed and toward zero; 0 if `m` is 0, and no trap.
pub const fn sdiv(d: X, n: X, m: X) -> Inst {
    dnm(0x9ac0_0c00, d.number(), n.number(), m.number())
}

// Shifts.

/// `LSL (register)`, that is `LSLV`: `d = n << (m mod 64)`.
pub const fn lsl_reg(d: X, n: X, m: X) -> Inst {
    dnm(0x9ac0_2000, d.number(), n.number(), m.number())
}

/// `LSR (register)`, that is `LSRV`: `d = n >> (m mod 64)`, unsigned.
pub const fn lsr_reg(d: X, n: X, m: X) -> Inst {
    dnm(0x9ac0_2400, d.number(), n.number(), m.number())
}

/// `ASR (register)`, that is `ASRV`: `d = n >> (m mod 64)`, signed.
pub const fn asr_reg(d: X, n: X, m: X) -> Inst {
    dnm(0x9ac0_2800, d.number(), n.number(), m.number())
}

/// `UBFM`; both immediate shifts are aliases of it.
const fn ubfm(d: X, n: X, immr: u32, imms: u32) -> Inst {
    Inst(0xd340_0000 | immr << 16 | imms << 10 | at5(n.number()) | at0(d.number()))
}

/// `LSL (immediate)`, an alias of `UBFM`: `d = n << shift`.
pub const fn lsl_imm(d: X, n: X, shift: Shift6) -> Inst {
    ubfm(d, n, shift.0.wrapping_neg() & 63, 63 - shift.0)
}

/// `LSR (immediate)`, an alias of `UBFM`: `d = n >> shift`, unsigned.
pub const fn lsr_imm(d: X, n: X, shift: Shift6) -> Inst {
    ubfm(d, n, shift.0, 63)
}

/// `ASR (immediate)`, an alias of `SBFM`: `d = n >> shift`, signed.
pub const fn asr_imm(d: X, n: X, shift: Shift6) -> Inst {
    Inst(0x9340_fc00 | shift.0 << 16 | at5(n.number()) | at0(d.number()))
}

// Conditional selection.

/// `CSEL`: `d = if cc { n } else { m }`.
pub const fn csel(d: X, n: Xz, m: Xz, cc: Cc) -> Inst {
    Inst(dnm(0x9a80_0000, d.number(), n.number(), m.number()).0 | cc.bits() << 12)
}

/// `CSINC`: `d = if cc { n } else { m + 1 }`.
pub const fn csinc(d: X, n: Xz, m: Xz, cc: Cc) -> Inst {
    Inst(dnm(0x9a80_0400, d.number(), n.number(), m.number()).0 | cc.bits() << 12)
}

/// `CSNEG`: `d = if cc { n } else { -m }`.
pub const fn csneg(d: X, n: Xz, m: Xz, cc: Cc) -> Inst {
    Inst(dnm(0xda80_0400, d.number(), n.number(), m.number()).0 | cc.bits() << 12)
}

/// `CNEG`, an alias of `CSNEG` with the inverted condition: `d = if cc { -n } else { n }`.
pub const fn cneg(d: X, n: X, cc: Cc) -> Inst {
    csneg(d, n.xz(), n.xz(), cc.invert())
}

/// `CSET`, an alias of `CSINC` with the inverted condition: `d = if cc { 1 } else { 0 }`.
pub const fn cset(d: X, cc: Cc) -> Inst {
    csinc(d, XZR, XZR, cc.invert())
}

// Loads and stores.

/// `LDR (immediate)`, unsigned offset: `t = [base + offset]`.
pub const fn ldr(t: X, base: Xs, offset: Scaled) -> Inst {
    Inst(0xf940_0000 | offset.field() | at5(base.number()) | at0(t.number()))
}

/// `STR (immediate)`, unsigned offset: `[base + offset] = t`. Named `str_` because `str` is a Rust type.
pub const fn str_(t: Xz, base: Xs, offset: Scaled) -> Inst {
    Inst(0xf900_0000 | offset.field() | at5(base.number()) | at0(t.number()))
}

/// `LDUR`: `t = [base + offset]`, at any byte offset near the base.
pub const fn ldur(t: X, base: Xs, offset: Unscaled) -> Inst {
    Inst(0xf840_0000 | offset.field() | at5(base.number()) | at0(t.number()))
}

/// `STUR`: `[base + offset] = t`, at any byte offset near the base.
pub const fn stur(t: Xz, base: Xs, offset: Unscaled) -> Inst {
    Inst(0xf800_0000 | offset.field() | at5(base.number()) | at0(t.number()))
}

/// `LDR (register)` without shift: `t = [base + index]`, the index in bytes.
pub const fn ldr_reg(t: X, base: Xs, index: X) -> Inst {
    dnm(0xf860_6800, t.number(), base.number(), index.number())
}

/// `STR (register)` without shift: `[base + index] = t`, the index in bytes.
pub const fn str_reg(t: Xz, base: Xs, index: X) -> Inst {
    dnm(0xf820_6800, t.number(), base.number(), index.number())
}

/// `LDR (register)` with `LSL #3`: `t = [base + 8 * index]`.
pub const fn ldr_reg_lsl(t: X, base: Xs, index: X) -> Inst {
    dnm(0xf860_7800, t.number(), base.number(), index.number())
}

/// `STR (register)` with `LSL #3`: `[base + 8 * index] = t`.
pub const fn str_reg_lsl(t: Xz, base: Xs, index: X) -> Inst {
    dnm(0xf820_7800, t.number(), base.number(), index.number())
}

/// `STR (immediate)`, pre-index: `base += offset`, then `[base] = t`.
///
/// The result is unpredictable if the base, unless it is `SP`, is also stored.
pub const fn str_pre(t: Xz, base: Xs, offset: Unscaled) -> Inst {
    debug_assert!(base.number() == 31 || base.number() != t.number(), "STR of its own base with write-back");
    Inst(0xf800_0c00 | offset.field() | at5(base.number()) | at0(t.number()))
}

/// `LDR (immediate)`, post-index: `t = [base]`, then `base += offset`.
///
/// The result is unpredictable if `t` is the base.
pub const fn ldr_post(t: X, base: Xs, offset: Unscaled) -> Inst {
    debug_assert!(base.number() != t.number(), "LDR to its own base with write-back");
    Inst(0xf840_0400 | offset.field() | at5(base.number()) | at0(t.number()))
}

/// The common layout of the pair forms.
const fn pair(op: u32, t1: u8, t2: u8, base: Xs, offset: Pair) -> Inst {
    Inst(op | offset.field() | at10(t2) | at5(base.number()) | at0(t1))
}

/// `LDP`, signed offset: `t1 = [base + offset]`, `t2 = [base + offset + 8]`.
///
/// The result is unpredictable if `t1` and `t2` are the same register.
pub const fn ldp(t1: X, t2: X, base: Xs, offset: Pair) -> Inst {
    debug_assert!(t1.number() != t2.number(), "LDP to one register twice");
    pair(0xa940_0000, t1.number(), t2.number(), base, offset)
}

/// `STP`, signed offset: `[base + offset] = t1`, `[base + offset + 8] = t2`.
pub const fn stp(t1: Xz, t2: Xz, base: Xs, offset: Pair) -> Inst {
    pair(0xa900_0000, t1.number(), t2.number(), base, offset)
}

/// `STP`, pre-index: `base += offset`, then `[base] = t1`, `[base + 8] = t2`.
///
/// The result is unpredictable if the base, unless it is `SP`, is also stored.
pub const fn stp_pre(t1: Xz, t2: Xz, base: Xs, offset: Pair) -> Inst {
    debug_assert!(
        base.number() == 31 || base.number() != t1.number() && base.number() != t2.number(),
        "STP of its own base with write-back"
    );
    pair(0xa980_0000, t1.number(), t2.number(), base, offset)
}

/// `LDP`, post-index: `t1 = [base]`, `t2 = [base + 8]`, then `base += offset`.
///
/// The result is unpredictable if `t1` and `t2` are the same register, or one of them is the base.
pub const fn ldp_post(t1: X, t2: X, base: Xs, offset: Pair) -> Inst {
    debug_assert!(t1.number() != t2.number(), "LDP to one register twice");
    debug_assert!(base.number() != t1.number() && base.number() != t2.number(), "LDP to its own base with write-back");
    pair(0xa8c0_0000, t1.number(), t2.number(), base, offset)
}

// Branches.

/// `B`: jumps to `pc + rel`.
pub const fn b(rel: Rel26) -> Inst {
    Inst(0x1400_0000 | rel.field())
}

/// `BL`: jumps to `pc + rel` and sets `X30` to the address of the next instruction.
pub const fn bl(rel: Rel26) -> Inst {
    Inst(0x9400_0000 | rel.field())
}

/// `B.cond`: jumps to `pc + rel` if the condition holds.
pub const fn b_cond(cc: Cc, rel: Rel19) -> Inst {
    Inst(0x5400_0000 | rel.field() | cc.bits())
}

/// `CBZ`: jumps to `pc + rel` if `t` is zero.
pub const fn cbz(t: X, rel: Rel19) -> Inst {
    Inst(0xb400_0000 | rel.field() | at0(t.number()))
}

/// `CBNZ`: jumps to `pc + rel` if `t` is not zero.
pub const fn cbnz(t: X, rel: Rel19) -> Inst {
    Inst(0xb500_0000 | rel.field() | at0(t.number()))
}

/// The number of the tested bit, which `TBZ` and `TBNZ` hold in the two fields b5 and b40.
const fn tested(bit: Shift6) -> u32 {
    (bit.0 >> 5) << 31 | (bit.0 & 0x1f) << 19
}

/// `TBZ`: jumps to `pc + rel` if that bit of `t` is zero.
pub const fn tbz(t: X, bit: Shift6, rel: Rel14) -> Inst {
    Inst(0x3600_0000 | tested(bit) | rel.field() | at0(t.number()))
}

/// `TBNZ`: jumps to `pc + rel` if that bit of `t` is one.
pub const fn tbnz(t: X, bit: Shift6, rel: Rel14) -> Inst {
    Inst(0x3700_0000 | tested(bit) | rel.field() | at0(t.number()))
}

/// `ADR`: `d = pc + rel`.
pub const fn adr(d: X, rel: Rel21) -> Inst {
    Inst(0x1000_0000 | rel.field() | at0(d.number()))
}

/// `BR`: jumps to the address in `n`.
pub const fn br(n: X) -> Inst {
    Inst(0xd61f_0000 | at5(n.number()))
}

/// `BLR`: jumps to the address in `n` and sets `X30` to the address of the next instruction.
pub const fn blr(n: X) -> Inst {
    Inst(0xd63f_0000 | at5(n.number()))
}

/// `RET` through `X30`.
pub const fn ret() -> Inst {
    Inst(0xd65f_03c0)
}

// Others.

/// `BRK`: a breakpoint exception that carries `imm`.
pub const fn brk(imm: u16) -> Inst {
    Inst(0xd420_0000 | (imm as u32) << 5)
}

/// `NOP`.
pub const fn nop() -> Inst {
    Inst(0xd503_201f)
}

/// `UDF`: permanently undefined, so that a jump into it traps.
pub const fn udf(imm: u16) -> Inst {
    Inst(imm as u32)
}
