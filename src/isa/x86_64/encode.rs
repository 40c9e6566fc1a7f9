//! x86-64 instructions as bytes.
//!
//! Each function is one form of one instruction in Intel's manual, or chooses the shortest of a few forms. Its operands
//! are in the manual's order, the destination first. All operations are on 64 bits unless the function says otherwise.
//! An instruction consists of REX prefix, opcode, ModRM, SIB, displacement and immediate, in this order; all but the
//! opcode are optional. Nothing here knows labels: a branch takes its displacement, relative to the end of the
//! branch.

use std::fmt;

use super::regs::{Gp, RSP};

/// One encoded instruction, of 1 to 15 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Inst {
    /// The bytes past `len` are zero, so that equal instructions are equal values.
    bytes: [u8; 16],
    len: u8,
}

#[allow(clippy::len_without_is_empty, reason = "no instruction is empty")]
impl Inst {
    /// The bytes of the instruction.
    pub const fn bytes(&self) -> &[u8] {
        self.bytes.split_at(self.len as usize).0
    }

    /// The bytes of the instruction, padded with zeros to sixteen: copying a fixed number of bytes is faster.
    #[inline(always)]
    pub const fn padded(&self) -> &[u8; 16] {
        &self.bytes
    }

    /// The number of bytes in the instruction.
    #[inline(always)]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    const EMPTY: Inst = Inst { bytes: [0; 16], len: 0 };

    /// Appends bytes, the lowest first. They are passed as one number, so that they are shifted into place together and
    /// not stored one by one.
    #[inline(always)]
    const fn append(self, bytes: u32, count: u8) -> Inst {
        let bits = u128::from_le_bytes(self.bytes) | (bytes as u128) << (8 * self.len);
        Inst { bytes: bits.to_le_bytes(), len: self.len + count }
    }

    /// Appends one byte.
    #[inline(always)]
    const fn byte(self, byte: u8) -> Inst {
        self.append(byte as u32, 1)
    }

    /// Appends the four bytes of a displacement or immediate.
    #[inline(always)]
    const fn dword(self, value: i32) -> Inst {
        self.append(value as u32, 4)
    }

    /// Appends an opcode of one byte, or of two if it begins with 0F.
    #[inline(always)]
    const fn opcode(self, op: u16) -> Inst {
        let [high, low] = op.to_be_bytes();
        if high == 0 { self.byte(low) } else { self.byte(high).byte(low) }
    }

    /// Appends a REX prefix with the high bits of the three register numbers; `w` is 8 or 0, for REX.W.
    #[inline(always)]
    const fn rex(self, w: u8, reg: u8, index: u8, base: u8) -> Inst {
        self.byte(0x40 | w | reg >> 3 << 2 | index >> 3 << 1 | base >> 3)
    }

    /// Appends a REX prefix without REX.W if any of its other bits is set.
    #[inline(always)]
    const fn rex_if_needed(self, reg: u8, base: u8) -> Inst {
        if reg >= 8 || base >= 8 { self.rex(0, reg, 0, base) } else { self }
    }

    /// Appends a ModRM byte with these three fields.
    #[inline(always)]
    const fn modrm(self, mode: u8, reg: u8, rm: u8) -> Inst {
        self.byte(mode << 6 | (reg & 7) << 3 | rm & 7)
    }

    /// Appends the displacement that the mode of a ModRM byte requires.
    #[inline(always)]
    const fn disp(self, mode: u8, disp: i32) -> Inst {
        // Selected without a branch: displacements vary from one instruction to the next.
        let (mask, count) = match mode {
            0b00 => (0, 0),
            0b01 => (0xff, 1),
            _ => (u32::MAX, 4),
        };
        self.append(disp as u32 & mask, count)
    }
}

impl fmt::Debug for Inst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inst({:02x?})", self.bytes())
    }
}

/// A condition on the flags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cc {
    /// Overflow: OF set.
    O = 0x0,
    /// No overflow: OF clear.
    No = 0x1,
    /// Unsigned below: CF set.
    B = 0x2,
    /// Unsigned above or equal: CF clear.
    Ae = 0x3,
    /// Equal: ZF set.
    E = 0x4,
    /// Not equal: ZF clear.
    Ne = 0x5,
    /// Unsigned below or equal: CF or ZF set.
    Be = 0x6,
    /// Unsigned above: CF and ZF clear.
    A = 0x7,
    /// Negative: SF set.
    S = 0x8,
    /// Not negative: SF clear.
    Ns = 0x9,
    /// Parity even: PF set.
    P = 0xa,
    /// Parity odd: PF clear.
    Np = 0xb,
    /// Signed less: SF differs from OF.
    L = 0xc,
    /// Signed greater or equal: SF equals OF.
    Ge = 0xd,
    /// Signed less or equal: ZF set, or SF differs from OF.
    Le = 0xe,
    /// Signed greater: ZF clear, and SF equals OF.
    G = 0xf,
}

impl Cc {
    /// All conditions, in the order of their bits.
    pub const ALL: [Cc; 16] = [
        Cc::O,
        Cc::No,
        Cc::B,
        Cc::Ae,
        Cc::E,
        Cc::Ne,
        Cc::Be,
        Cc::A,
        Cc::S,
        Cc::Ns,
        Cc::P,
        Cc::Np,
        Cc::L,
        Cc::Ge,
        Cc::Le,
        Cc::G,
    ];

    /// The condition that holds exactly when this one does not.
    pub const fn invert(self) -> Cc {
        // The manual pairs the conditions: the lowest bit negates.
        Cc::ALL[self as usize ^ 1]
    }

    /// The four bits of the condition.
    pub const fn bits(self) -> u8 {
        self as u8
    }
}

/// A shift amount for 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shift6(u8);

impl Shift6 {
    /// Accepts 0 to 63.
    pub const fn new(value: u8) -> Option<Shift6> {
        if value < 64 { Some(Shift6(value)) } else { None }
    }
}

/// An index register: any but `RSP`, whose number in the SIB byte means that there is no index.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Index(Gp);

impl Index {
    /// Accepts every register but `RSP`.
    pub const fn new(reg: Gp) -> Option<Index> {
        if reg.number() == RSP.number() { None } else { Some(Index(reg)) }
    }
}

/// What an index register is multiplied by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scale {
    /// Times 1.
    X1 = 0,
    /// Times 2.
    X2 = 1,
    /// Times 4.
    X4 = 2,
    /// Times 8.
    X8 = 3,
}

/// A memory operand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Mem(Form);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Form {
    Base { base: Gp, disp: i32 },
    Indexed { base: Gp, index: Index, scale: Scale, disp: i32 },
    Rip { disp: i32 },
}

impl Mem {
    /// `[base + disp]`.
    pub const fn base(base: Gp, disp: i32) -> Mem {
        Mem(Form::Base { base, disp })
    }

    /// `[base + index * scale + disp]`.
    pub const fn indexed(base: Gp, index: Index, scale: Scale, disp: i32) -> Mem {
        Mem(Form::Indexed { base, index, scale, disp })
    }

    /// `[rip + disp]`, relative to the end of the instruction.
    pub const fn rip(disp: i32) -> Mem {
        Mem(Form::Rip { disp })
    }
}

/// Whether an immediate or displacement fits a sign-extended byte.
#[inline(always)]
const fn fits_i8(value: i32) -> bool {
    value as i8 as i32 == value
}

/// The shortest mode of a ModRM byte for this base and displacement.
#[inline(always)]
const fn mode(base: Gp, disp: i32) -> u8 {
    // RBP and R13 have no form without displacement: their number in mode 00 means RIP, or no base in a SIB byte.
    if disp == 0 && base.number() & 7 != 0b101 {
        0b00
    } else if fits_i8(disp) {
        0b01
    } else {
        0b10
    }
}

/// An instruction on a register (or an opcode extension) and another register in the r/m operand.
#[inline(always)]
const fn on_reg(op: u16, reg: u8, rm: Gp) -> Inst {
    Inst::EMPTY.rex(8, reg, 0, rm.number()).opcode(op).modrm(0b11, reg, rm.number())
}

/// An instruction on a register (or an opcode extension) and memory in the r/m operand.
#[inline(always)]
const fn on_mem(op: u16, reg: u8, mem: Mem) -> Inst {
    match mem.0 {
        Form::Base { base, disp } => {
            let mode = mode(base, disp);
            let inst = Inst::EMPTY.rex(8, reg, 0, base.number()).opcode(op).modrm(mode, reg, base.number());
            // The number of RSP and R12 in ModRM requires a SIB byte, where index 100 means none.
            let inst = if base.number() & 7 == 0b100 { inst.byte(0b00_100_100) } else { inst };
            inst.disp(mode, disp)
        }
        Form::Indexed { base, index, scale, disp } => {
            let mode = mode(base, disp);
            let index = index.0.number();
            Inst::EMPTY
                .rex(8, reg, index, base.number())
                .opcode(op)
                .modrm(mode, reg, 0b100)
                .modrm(scale as u8, index, base.number())
                .disp(mode, disp)
        }
        Form::Rip { disp } => Inst::EMPTY.rex(8, reg, 0, 0).opcode(op).modrm(0b00, reg, 0b101).dword(disp),
    }
}

/// An arithmetic operation on two registers: one of the eight that share their forms, selected by the number `n`. The
/// opcode of this form is odd.
#[inline(always)]
pub(super) const fn arith(n: u8, d: Gp, s: Gp) -> Inst {
    on_reg((n << 3 | 1) as u16, s.number(), d)
}

/// The same with an immediate: 83 /n ib or 81 /n id.
#[inline(always)]
const fn arith_imm(n: u8, d: Gp, imm: i32) -> Inst {
    if fits_i8(imm) { on_reg(0x83, n, d).byte(imm as u8) } else { on_reg(0x81, n, d).dword(imm) }
}

// Moves.

/// `MOV r/m64, r64`: `d = s`.
#[inline(always)]
pub const fn mov(d: Gp, s: Gp) -> Inst {
    on_reg(0x89, s.number(), d)
}

/// `MOV r32, imm32`: `d = imm`, the upper half zero.
#[inline(always)]
pub const fn mov_imm32(d: Gp, imm: u32) -> Inst {
    Inst::EMPTY.rex_if_needed(0, d.number()).byte(0xb8 | d.number() & 7).dword(imm as i32)
}

/// `MOV r/m64, imm32`: `d = imm`, sign-extended.
#[inline(always)]
pub const fn mov_simm32(d: Gp, imm: i32) -> Inst {
    on_reg(0xc7, 0, d).dword(imm)
}

/// `MOV r64, imm64`: `d = imm`.
#[inline(always)]
pub const fn mov_imm64(d: Gp, imm: u64) -> Inst {
    Inst::EMPTY.rex(8, 0, 0, d.number()).byte(0xb8 | d.number() & 7).dword(imm as i32).dword((imm >> 32) as i32)
}

/// `MOV r64, r/m64` from memory: `d = [mem]`.
#[inline(always)]
pub const fn load(d: Gp, mem: Mem) -> Inst {
    on_mem(0x8b, d.number(), mem)
}

/// `MOV r/m64, r64` to memory: `[mem] = s`.
#[inline(always)]
pub const fn store(mem: Mem, s: Gp) -> Inst {
    on_mem(0x89, s.number(), mem)
}

/// `MOV r/m64, imm32` to memory: `[mem] = imm`, sign-extended.
#[inline(always)]
pub const fn store_simm32(mem: Mem, imm: i32) -> Inst {
    on_mem(0xc7, 0, mem).dword(imm)
}

/// `LEA r64, m`: `d` becomes the address of the operand.
#[inline(always)]
pub const fn lea(d: Gp, mem: Mem) -> Inst {
    on_mem(0x8d, d.number(), mem)
}

/// `XOR r32, r32` with itself: `d = 0`, the short way; changes the flags.
#[inline(always)]
pub const fn zero(d: Gp) -> Inst {
    Inst::EMPTY.rex_if_needed(d.number(), d.number()).byte(0x31).modrm(0b11, d.number(), d.number())
}

// Arithmetic and logic.

/// `ADD r/m64, r64`: `d += s`.
#[inline(always)]
pub const fn add(d: Gp, s: Gp) -> Inst {
    arith(0, d, s)
}

/// `ADD r/m64, imm8` or `imm32`: `d += imm`, sign-extended.
#[inline(always)]
pub const fn add_imm(d: Gp, imm: i32) -> Inst {
    arith_imm(0, d, imm)
}

/// `ADD r64, r/m64`: `d += [mem]`.
#[inline(always)]
pub const fn add_mem(d: Gp, mem: Mem) -> Inst {
    on_mem(0x03, d.number(), mem)
}

/// `OR r/m64, r64`: `d |= s`.
#[inline(always)]
pub const fn or(d: Gp, s: Gp) -> Inst {
    arith(1, d, s)
}

/// `OR r/m64, imm8` or `imm32`: `d |= imm`, sign-extended.
#[inline(always)]
pub const fn or_imm(d: Gp, imm: i32) -> Inst {
    arith_imm(1, d, imm)
}

/// `OR r64, r/m64`: `d |= [mem]`.
#[inline(always)]
pub const fn or_mem(d: Gp, mem: Mem) -> Inst {
    on_mem(0x0b, d.number(), mem)
}

/// `AND r/m64, r64`: `d &= s`.
#[inline(always)]
pub const fn and(d: Gp, s: Gp) -> Inst {
    arith(4, d, s)
}

/// `AND r/m64, imm8` or `imm32`: `d &= imm`, sign-extended.
#[inline(always)]
pub const fn and_imm(d: Gp, imm: i32) -> Inst {
    arith_imm(4, d, imm)
}

/// `AND r64, r/m64`: `d &= [mem]`.
#[inline(always)]
pub const fn and_mem(d: Gp, mem: Mem) -> Inst {
    on_mem(0x23, d.number(), mem)
}

/// `SUB r/m64, r64`: `d -= s`.
#[inline(always)]
pub const fn sub(d: Gp, s: Gp) -> Inst {
    arith(5, d, s)
}

/// `SUB r/m64, imm8` or `imm32`: `d -= imm`, sign-extended.
#[inline(always)]
pub const fn sub_imm(d: Gp, imm: i32) -> Inst {
    arith_imm(5, d, imm)
}

/// `SUB r64, r/m64`: `d -= [mem]`.
#[inline(always)]
pub const fn sub_mem(d: Gp, mem: Mem) -> Inst {
    on_mem(0x2b, d.number(), mem)
}

/// `XOR r/m64, r64`: `d ^= s`.
#[inline(always)]
pub const fn xor(d: Gp, s: Gp) -> Inst {
    arith(6, d, s)
}

/// `XOR r/m64, imm8` or `imm32`: `d ^= imm`, sign-extended.
#[inline(always)]
pub const fn xor_imm(d: Gp, imm: i32) -> Inst {
    arith_imm(6, d, imm)
}

/// `XOR r64, r/m64`: `d ^= [mem]`.
#[inline(always)]
pub const fn xor_mem(d: Gp, mem: Mem) -> Inst {
    on_mem(0x33, d.number(), mem)
}

/// `CMP r/m64, r64`: the flags of `a - b`.
#[inline(always)]
pub const fn cmp(a: Gp, b: Gp) -> Inst {
    arith(7, a, b)
}

/// `CMP r/m64, imm8` or `imm32`: the flags of `a - imm`, sign-extended.
#[inline(always)]
pub const fn cmp_imm(a: Gp, imm: i32) -> Inst {
    arith_imm(7, a, imm)
}

/// `CMP r64, r/m64`: the flags of `a - [mem]`.
#[inline(always)]
pub const fn cmp_load(a: Gp, mem: Mem) -> Inst {
    on_mem(0x3b, a.number(), mem)
}

/// `TEST r/m64, r64`: the flags of `a & b`.
#[inline(always)]
pub const fn test(a: Gp, b: Gp) -> Inst {
    on_reg(0x85, b.number(), a)
}

/// `TEST r/m64, imm32` or `TEST RAX, imm32`: the flags of `a & imm`, sign-extended.
#[inline(always)]
pub const fn test_imm(a: Gp, imm: i32) -> Inst {
    // RAX has a form that is a byte shorter.
    if a.number() == 0 { Inst::EMPTY.rex(8, 0, 0, 0).opcode(0xa9).dword(imm) } else { on_reg(0xf7, 0, a).dword(imm) }
}

/// `NEG r/m64`: `d = -d`.
#[inline(always)]
pub const fn neg(d: Gp) -> Inst {
    on_reg(0xf7, 3, d)
}

/// `NOT r/m64`: `d = !d`; changes no flags.
#[inline(always)]
pub const fn not(d: Gp) -> Inst {
    on_reg(0xf7, 2, d)
}

/// `INC r/m64`: `d += 1`; leaves CF alone.
#[inline(always)]
pub const fn inc(d: Gp) -> Inst {
    on_reg(0xff, 0, d)
}

/// `DEC r/m64`: `d -= 1`; leaves CF alone.
#[inline(always)]
pub const fn dec(d: Gp) -> Inst {
    on_reg(0xff, 1, d)
}

// Multiplication and division.

/// `IMUL r64, r/m64`: `d *= s`.
#[inline(always)]
pub const fn imul(d: Gp, s: Gp) -> Inst {
    on_reg(0x0faf, d.number(), s)
}

/// `IMUL r64, r/m64, imm8` or `imm32`: `d = s * imm`, sign-extended.
#[inline(always)]
pub const fn imul_imm(d: Gp, s: Gp, imm: i32) -> Inst {
    if fits_i8(imm) { on_reg(0x6b, d.number(), s).byte(imm as u8) } else { on_reg(0x69, d.number(), s).dword(imm) }
}

/// `IMUL r64, r/m64`: `d *= [mem]`.
#[inline(always)]
pub const fn imul_mem(d: Gp, mem: Mem) -> Inst {
    on_mem(0x0faf, d.number(), mem)
}

/// `IMUL r/m64`: `RDX:RAX = RAX * s`, the whole product.
pub const fn imul_wide(s: Gp) -> Inst {
    on_reg(0xf7, 5, s)
}

/// `CQO`: `RDX` becomes the sign of `RAX`, all zeros or all ones.
#[inline(always)]
pub const fn cqo() -> Inst {
    Inst::EMPTY.rex(8, 0, 0, 0).byte(0x99)
}

/// `IDIV r/m64`: divides `RDX:RAX` by `s`, the quotient in `RAX` and the remainder in `RDX`.
///
/// It traps when `s` is 0 or the quotient does not fit.
#[inline(always)]
pub const fn idiv(s: Gp) -> Inst {
    on_reg(0xf7, 7, s)
}

// Shifts.

/// `SHL r/m64, 1` or `imm8`: `d <<= shift`.
#[inline(always)]
pub const fn shl_imm(d: Gp, shift: Shift6) -> Inst {
    shift_imm(4, d, shift)
}

/// `SHR r/m64, 1` or `imm8`: `d >>= shift`, unsigned.
#[inline(always)]
pub const fn shr_imm(d: Gp, shift: Shift6) -> Inst {
    shift_imm(5, d, shift)
}

/// `SAR r/m64, 1` or `imm8`: `d >>= shift`, signed.
pub const fn sar_imm(d: Gp, shift: Shift6) -> Inst {
    shift_imm(7, d, shift)
}

/// D1 /n for a shift by one, which needs no immediate; otherwise C1 /n ib.
#[inline(always)]
const fn shift_imm(n: u8, d: Gp, shift: Shift6) -> Inst {
    if shift.0 == 1 { on_reg(0xd1, n, d) } else { on_reg(0xc1, n, d).byte(shift.0) }
}

/// `SHL r/m64, CL`: `d <<= CL mod 64`.
#[inline(always)]
pub const fn shl_cl(d: Gp) -> Inst {
    on_reg(0xd3, 4, d)
}

/// `SHR r/m64, CL`: `d >>= CL mod 64`, unsigned.
#[inline(always)]
pub const fn shr_cl(d: Gp) -> Inst {
    on_reg(0xd3, 5, d)
}

/// `SAR r/m64, CL`: `d >>= CL mod 64`, signed.
#[inline(always)]
pub const fn sar_cl(d: Gp) -> Inst {
    on_reg(0xd3, 7, d)
}

// Conditions.

/// `SETcc r/m8`: the low byte of `d` becomes 1 or 0, the other bytes stay.
#[inline(always)]
pub const fn setcc(cc: Cc, d: Gp) -> Inst {
    byte_rex(0, d).opcode(0x0f90 | cc.bits() as u16).modrm(0b11, 0, d.number())
}

/// `MOVZX r32, r/m8`: `d` becomes the low byte of `s`, all upper bits zero.
#[inline(always)]
pub const fn movzx8(d: Gp, s: Gp) -> Inst {
    byte_rex(d.number(), s).opcode(0x0fb6).modrm(0b11, d.number(), s.number())
}

/// The prefix of an instruction on the low byte of `rm`.
///
/// Without one, the numbers 4 to 7 mean `AH`, `CH`, `DH`, `BH` and not `SPL`, `BPL`, `SIL`, `DIL`.
#[inline(always)]
const fn byte_rex(reg: u8, rm: Gp) -> Inst {
    if rm.number() >= 4 { Inst::EMPTY.rex(0, reg, 0, rm.number()) } else { Inst::EMPTY.rex_if_needed(reg, rm.number()) }
}

/// `CMOVcc r64, r/m64`: `d = s` if the condition holds.
#[inline(always)]
pub const fn cmov(cc: Cc, d: Gp, s: Gp) -> Inst {
    on_reg(0x0f40 | cc.bits() as u16, d.number(), s)
}

// Branches and the stack.

/// `JMP rel8`: jumps to the end of this instruction plus `rel`.
#[inline(always)]
pub const fn jmp_rel8(rel: i8) -> Inst {
    Inst::EMPTY.byte(0xeb).byte(rel as u8)
}

/// `JMP rel32`: jumps to the end of this instruction plus `rel`.
#[inline(always)]
pub const fn jmp_rel32(rel: i32) -> Inst {
    Inst::EMPTY.byte(0xe9).dword(rel)
}

/// `Jcc rel8`: jumps to the end of this instruction plus `rel` if the condition holds.
#[inline(always)]
pub const fn jcc_rel8(cc: Cc, rel: i8) -> Inst {
    Inst::EMPTY.byte(0x70 | cc.bits()).byte(rel as u8)
}

/// `Jcc rel32`: jumps to the end of this instruction plus `rel` if the condition holds.
#[inline(always)]
pub const fn jcc_rel32(cc: Cc, rel: i32) -> Inst {
    Inst::EMPTY.opcode(0x0f80 | cc.bits() as u16).dword(rel)
}

/// `JMP r/m64`: jumps to the address in `s`.
#[inline(always)]
pub const fn jmp(s: Gp) -> Inst {
    near(4, s)
}

/// `CALL rel32`: calls the end of this instruction plus `rel`.
#[inline(always)]
pub const fn call_rel32(rel: i32) -> Inst {
    Inst::EMPTY.byte(0xe8).dword(rel)
}

/// `CALL r/m64`: calls the address in `s`.
#[inline(always)]
pub const fn call(s: Gp) -> Inst {
    near(2, s)
}

/// FF /n, which is 64 bits wide without REX.W.
#[inline(always)]
const fn near(n: u8, s: Gp) -> Inst {
    Inst::EMPTY.rex_if_needed(0, s.number()).byte(0xff).modrm(0b11, n, s.number())
}

/// `PUSH r64`.
#[inline(always)]
pub const fn push(s: Gp) -> Inst {
    Inst::EMPTY.rex_if_needed(0, s.number()).byte(0x50 | s.number() & 7)
}

/// `POP r64`.
#[inline(always)]
pub const fn pop(d: Gp) -> Inst {
    Inst::EMPTY.rex_if_needed(0, d.number()).byte(0x58 | d.number() & 7)
}

/// `RET`, near.
#[inline(always)]
pub const fn ret() -> Inst {
    Inst::EMPTY.byte(0xc3)
}

// Others.

/// `INT3`: a breakpoint.
#[inline(always)]
pub const fn int3() -> Inst {
    Inst::EMPTY.byte(0xcc)
}

/// `UD2`: an undefined instruction, so that a jump into it traps.
#[inline(always)]
pub const fn ud2() -> Inst {
    Inst::EMPTY.opcode(0x0f0b)
}

/// `NOP` of one byte.
#[inline(always)]
pub const fn nop() -> Inst {
    Inst::EMPTY.byte(0x90)
}

/// `NOP r/m64`: does nothing and does not access the memory. The operand determines its length.
pub const fn nop_mem(mem: Mem) -> Inst {
    on_mem(0x0f1f, 0, mem)
}
