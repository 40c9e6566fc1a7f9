//! Checks the x86-64 encoder with two independent tools.
//!
//! Each case is an instruction, built by our constructor, and its mnemonic and operands, which this file builds. The
//! decoder `iced-x86` must decode the instruction to these, for all combinations of edge operands. The GNU assembler
//! must assemble their text to the same bytes: its bytes are checked in as `tests/data/x86_64_gas.txt`, for a selection
//! in which one operand at a time takes all its edge values.

use std::collections::BTreeMap;

use iced_x86::{Decoder, DecoderError, DecoderOptions, Instruction, MemorySize, OpKind, Register as R};
use iced_x86::{Mnemonic as M, Mnemonic};
use jitduel::isa::x86_64::encode::*;
use jitduel::isa::x86_64::regs::{self, Gp};

/// The GNU assembler's bytes for the selected texts.
const GAS: &str = include_str!("../data/x86_64_gas.txt");

/// All constructors are public functions of this file outside any impl, so the decoder test notices if a constructor is
/// missing here.
const SOURCE: &str = include_str!("../../src/isa/x86_64/encode.rs");

/// The address of the decoded instructions.
const IP: u64 = 0x7000_0000_1000;

/// The registers of each number, by width: 64, 32 and 8 bits.
const REGISTERS: [[R; 3]; 16] = [
    [R::RAX, R::EAX, R::AL],
    [R::RCX, R::ECX, R::CL],
    [R::RDX, R::EDX, R::DL],
    [R::RBX, R::EBX, R::BL],
    [R::RSP, R::ESP, R::SPL],
    [R::RBP, R::EBP, R::BPL],
    [R::RSI, R::ESI, R::SIL],
    [R::RDI, R::EDI, R::DIL],
    [R::R8, R::R8D, R::R8L],
    [R::R9, R::R9D, R::R9L],
    [R::R10, R::R10D, R::R10L],
    [R::R11, R::R11D, R::R11L],
    [R::R12, R::R12D, R::R12L],
    [R::R13, R::R13D, R::R13L],
    [R::R14, R::R14D, R::R14L],
    [R::R15, R::R15D, R::R15L],
];

/// The conditions, their suffixes, and the decoder's names for `Jcc`, `SETcc` and `CMOVcc`; each pair of lines holds
/// opposites.
const CONDITIONS: [(Cc, &str, [M; 3]); 16] = [
    (Cc::O, "o", [M::Jo, M::Seto, M::Cmovo]),
    (Cc::No, "no", [M::Jno, M::Setno, M::Cmovno]),
    (Cc::B, "b", [M::Jb, M::Setb, M::Cmovb]),
    (Cc::Ae, "ae", [M::Jae, M::Setae, M::Cmovae]),
    (Cc::E, "e", [M::Je, M::Sete, M::Cmove]),
    (Cc::Ne, "ne", [M::Jne, M::Setne, M::Cmovne]),
    (Cc::Be, "be", [M::Jbe, M::Setbe, M::Cmovbe]),
    (Cc::A, "a", [M::Ja, M::Seta, M::Cmova]),
    (Cc::S, "s", [M::Js, M::Sets, M::Cmovs]),
    (Cc::Ns, "ns", [M::Jns, M::Setns, M::Cmovns]),
    (Cc::P, "p", [M::Jp, M::Setp, M::Cmovp]),
    (Cc::Np, "np", [M::Jnp, M::Setnp, M::Cmovnp]),
    (Cc::L, "l", [M::Jl, M::Setl, M::Cmovl]),
    (Cc::Ge, "ge", [M::Jge, M::Setge, M::Cmovge]),
    (Cc::Le, "le", [M::Jle, M::Setle, M::Cmovle]),
    (Cc::G, "g", [M::Jg, M::Setg, M::Cmovg]),
];

const IMMEDIATES: [i32; 13] = [0, 1, -1, 2, 127, 128, -128, -129, 255, 256, 0x1234_5678, i32::MIN, i32::MAX];

const DISPLACEMENTS: [i32; 9] = [0, 1, -1, 127, 128, -128, -129, i32::MIN, i32::MAX];

const SCALES: [(Scale, u32); 4] = [(Scale::X1, 1), (Scale::X2, 2), (Scale::X4, 4), (Scale::X8, 8)];

/// An expected operand.
#[derive(Clone, Copy, Debug)]
enum Op {
    Reg(R),
    /// An immediate, extended to 64 bits as the instruction does.
    Imm(u64),
    /// Memory: base, index (or none) and its scale, displacement.
    Mem(R, R, u32, i32),
    /// A branch's displacement.
    Rel(i32),
}

fn r64(number: u8) -> Op {
    Op::Reg(REGISTERS[usize::from(number)][0])
}

fn r32(number: u8) -> Op {
    Op::Reg(REGISTERS[usize::from(number)][1])
}

fn r8(number: u8) -> Op {
    Op::Reg(REGISTERS[usize::from(number)][2])
}

fn gp(number: u8) -> Gp {
    Gp::new(number).expect("at most 15")
}

/// The sign-extended immediate.
fn simm(imm: i32) -> Op {
    Op::Imm(i64::from(imm) as u64)
}

/// An instruction and its expected decoding.
#[derive(Debug)]
struct Case {
    inst: Inst,
    mnemonic: Mnemonic,
    ops: Vec<Op>,
}

impl Case {
    /// The assembler's text, in Intel syntax.
    fn text(&self) -> String {
        let name = match self.mnemonic {
            // The assembler's name for the form with an 8-byte immediate.
            M::Mov if self.inst.len() == 10 && matches!(self.ops[0], Op::Reg(_)) => "movabs".to_string(),
            m => format!("{m:?}").to_lowercase(),
        };
        let mut text = name;
        for (i, op) in self.ops.iter().enumerate() {
            text.push_str(if i == 0 { " " } else { ", " });
            text.push_str(&match *op {
                Op::Reg(r) => self.register(r),
                Op::Imm(imm) => (imm as i64).to_string(),
                Op::Mem(base, index, scale, disp) => {
                    let mut t = format!("[{}", self.register(base));
                    if index != R::None {
                        t += &format!("+{}*{scale}", self.register(index));
                    }
                    if disp != 0 {
                        t += &format!("{disp:+}");
                    }
                    format!("qword ptr {t}]")
                }
                // The dot is the start of the branch.
                Op::Rel(rel) => format!(".{:+}", i64::from(rel) + self.inst.len() as i64),
            });
        }
        // A near displacement takes the short form unless the text says otherwise.
        match self.ops[..] {
            [Op::Rel(_)] if self.inst.len() > 2 => format!("{{disp32}} {text}"),
            _ => text,
        }
    }

    /// The assembler names the low bytes of the new registers with a B, the decoder with an L.
    fn register(&self, r: R) -> String {
        let name = format!("{r:?}").to_lowercase();
        match name.strip_suffix('l') {
            Some(number) if name.starts_with('r') => format!("{number}b"),
            _ => name,
        }
    }

    /// Whether the assembler would choose a form other than ours: its short form for RAX and a 32-bit immediate.
    fn has_accumulator_form(&self) -> bool {
        matches!(
            (self.mnemonic, &self.ops[..]),
            (
                M::Add | M::Or | M::And | M::Sub | M::Xor | M::Cmp,
                &[Op::Reg(R::RAX), Op::Imm(imm)],
            ) if i8::try_from(imm as i64).is_err()
        )
    }
}

/// Which combinations of edge operands to generate.
#[derive(Clone, Copy, PartialEq)]
enum Choice {
    /// All combinations.
    Cross,
    /// One operand at a time takes all its edge values; the others stay fixed.
    Star,
}

/// A memory operand and its expected decoding.
type MemCase = (Mem, Op);

fn based(base: u8, disp: i32) -> MemCase {
    let expected = Op::Mem(REGISTERS[usize::from(base)][0], R::None, 1, disp);
    (Mem::base(gp(base), disp), expected)
}

/// `None` for RSP as the index.
fn indexed(base: u8, index: u8, (scale, factor): (Scale, u32), disp: i32) -> Option<MemCase> {
    let reg = Index::new(gp(index))?;
    let [base_reg, index_reg] = [base, index].map(|r| REGISTERS[usize::from(r)][0]);
    let expected = Op::Mem(base_reg, index_reg, factor, disp);
    Some((Mem::indexed(gp(base), reg, scale, disp), expected))
}

fn mems(choice: Choice) -> Vec<MemCase> {
    let mut all = Vec::new();
    for disp in DISPLACEMENTS {
        all.push((Mem::rip(disp), Op::Mem(R::RIP, R::None, 1, disp)));
        all.extend((0..16).map(|base| based(base, disp)));
    }
    if choice == Choice::Cross {
        for disp in DISPLACEMENTS {
            for base in 0..16 {
                for index in 0..16 {
                    all.extend(SCALES.iter().filter_map(|&s| indexed(base, index, s, disp)));
                }
            }
        }
    } else {
        // Includes every short displacement for the bases with a special form.
        for base in 0..16 {
            all.extend([0, 127, 128].map(|d| indexed(base, 9, SCALES[3], d)).into_iter().flatten());
        }
        all.extend((0..16).filter_map(|index| indexed(3, index, SCALES[2], -128)));
        all.extend(SCALES.iter().filter_map(|&s| indexed(12, 13, s, 0)));
        all.extend(DISPLACEMENTS.iter().filter_map(|&d| indexed(5, 15, SCALES[1], d)));
    }
    all
}

/// Passes cases to the sink, form by form.
struct Forms<'a> {
    choice: Choice,
    mems: Vec<MemCase>,
    sink: &'a mut dyn FnMut(Case),
    forms: usize,
}

impl Forms<'_> {
    fn case(&mut self, inst: Inst, mnemonic: Mnemonic, ops: &[Op]) {
        let ops = ops.to_vec();
        (self.sink)(Case { inst, mnemonic, ops });
    }

    /// The pairs of indices into two lists of these lengths.
    fn pairs(&self, a: usize, b: usize) -> Vec<(usize, usize)> {
        // Fixed operands differ from each other, so that swapping two of them is detected.
        let rest = (3 % a, 10 % b);
        (0..a)
            .flat_map(|i| (0..b).map(move |j| (i, j)))
            .filter(|&(i, j)| self.choice == Choice::Cross || i == rest.0 || j == rest.1)
            .collect()
    }

    fn plain(&mut self, inst: Inst, mnemonic: Mnemonic) {
        self.forms += 1;
        self.case(inst, mnemonic, &[]);
    }

    /// One register, optionally with `CL` as a second operand.
    fn reg(&mut self, make: fn(Gp) -> Inst, mnemonic: Mnemonic, more: &[Op]) {
        self.forms += 1;
        for d in 0..16 {
            let ops = [&[r64(d)], more].concat();
            self.case(make(gp(d)), mnemonic, &ops);
        }
    }

    fn reg_reg(&mut self, make: impl Fn(Gp, Gp) -> Inst, mnemonic: Mnemonic) {
        self.forms += 1;
        for (d, s) in self.pairs(16, 16) {
            let (d, s) = (d as u8, s as u8);
            self.case(make(gp(d), gp(s)), mnemonic, &[r64(d), r64(s)]);
        }
    }

    fn reg_imm(&mut self, make: fn(Gp, i32) -> Inst, mnemonic: Mnemonic) {
        self.forms += 1;
        for (d, i) in self.pairs(16, IMMEDIATES.len()) {
            let (d, imm) = (d as u8, IMMEDIATES[i]);
            self.case(make(gp(d), imm), mnemonic, &[r64(d), simm(imm)]);
        }
    }

    fn reg_mem(&mut self, make: fn(Gp, Mem) -> Inst, mnemonic: Mnemonic) {
        self.forms += 1;
        for (d, m) in self.pairs(16, self.mems.len()) {
            let (d, (mem, op)) = (d as u8, self.mems[m]);
            self.case(make(gp(d), mem), mnemonic, &[r64(d), op]);
        }
    }

    fn shift(&mut self, make: fn(Gp, Shift6) -> Inst, mnemonic: Mnemonic) {
        self.forms += 1;
        for (d, s) in self.pairs(16, 64) {
            let (d, s) = (d as u8, s as u8);
            let shift = Shift6::new(s).expect("at most 63");
            self.case(make(gp(d), shift), mnemonic, &[r64(d), Op::Imm(s.into())]);
        }
    }
}

/// Every constructor with its edge operands. Returns the number of forms.
fn forms(choice: Choice, sink: &mut dyn FnMut(Case)) -> usize {
    let mut f = Forms { choice, mems: mems(choice), sink, forms: 0 };

    f.reg_reg(mov, M::Mov);
    f.forms += 3;
    for (d, i) in f.pairs(16, IMMEDIATES.len()) {
        let (d, imm) = (d as u8, IMMEDIATES[i]);
        let unsigned = imm as u32;
        f.case(mov_imm32(gp(d), unsigned), M::Mov, &[r32(d), Op::Imm(unsigned.into())]);
        f.case(mov_simm32(gp(d), imm), M::Mov, &[r64(d), simm(imm)]);
        // The 32-bit edges in either half.
        for wide in [i64::from(imm) as u64, u64::from(unsigned) << 32 | 0x89ab_cdef, u64::from(unsigned)] {
            f.case(mov_imm64(gp(d), wide), M::Mov, &[r64(d), Op::Imm(wide)]);
        }
    }
    f.reg_mem(load, M::Mov);
    f.forms += 2;
    for (s, m) in f.pairs(16, f.mems.len()) {
        let (s, (mem, op)) = (s as u8, f.mems[m]);
        f.case(store(mem, gp(s)), M::Mov, &[op, r64(s)]);
    }
    for (i, m) in f.pairs(IMMEDIATES.len(), f.mems.len()) {
        let (imm, (mem, op)) = (IMMEDIATES[i], f.mems[m]);
        f.case(store_simm32(mem, imm), M::Mov, &[op, simm(imm)]);
    }
    f.reg_mem(lea, M::Lea);
    f.forms += 1;
    for d in 0..16 {
        f.case(zero(gp(d)), M::Xor, &[r32(d), r32(d)]);
    }

    f.reg_reg(add, M::Add);
    f.reg_imm(add_imm, M::Add);
    f.reg_mem(add_mem, M::Add);
    f.reg_reg(or, M::Or);
    f.reg_imm(or_imm, M::Or);
    f.reg_mem(or_mem, M::Or);
    f.reg_reg(and, M::And);
    f.reg_imm(and_imm, M::And);
    f.reg_mem(and_mem, M::And);
    f.reg_reg(sub, M::Sub);
    f.reg_imm(sub_imm, M::Sub);
    f.reg_mem(sub_mem, M::Sub);
    f.reg_reg(xor, M::Xor);
    f.reg_imm(xor_imm, M::Xor);
    f.reg_mem(xor_mem, M::Xor);
    f.reg_reg(cmp, M::Cmp);
    f.reg_imm(cmp_imm, M::Cmp);
    f.reg_mem(cmp_load, M::Cmp);
    f.reg_reg(test, M::Test);
    f.reg_imm(test_imm, M::Test);
    f.reg(neg, M::Neg, &[]);
    f.reg(not, M::Not, &[]);
    f.reg(inc, M::Inc, &[]);
    f.reg(dec, M::Dec, &[]);

    f.reg_reg(imul, M::Imul);
    f.forms += 1;
    for imm in IMMEDIATES {
        for (d, s) in f.pairs(16, 16) {
            let (d, s) = (d as u8, s as u8);
            let ops = [r64(d), r64(s), simm(imm)];
            f.case(imul_imm(gp(d), gp(s), imm), M::Imul, &ops);
        }
    }
    f.reg_mem(imul_mem, M::Imul);
    f.plain(cqo(), M::Cqo);
    f.reg(imul_wide, M::Imul, &[]);
    f.reg(idiv, M::Idiv, &[]);

    f.shift(shl_imm, M::Shl);
    f.shift(shr_imm, M::Shr);
    f.shift(sar_imm, M::Sar);
    f.reg(shl_cl, M::Shl, &[Op::Reg(R::CL)]);
    f.reg(shr_cl, M::Shr, &[Op::Reg(R::CL)]);
    f.reg(sar_cl, M::Sar, &[Op::Reg(R::CL)]);

    // All conditions together count as one form of each of the four.
    f.forms += 4;
    for (cc, _, [jcc, setcc_, cmovcc]) in CONDITIONS {
        for d in 0..16 {
            f.case(setcc(cc, gp(d)), setcc_, &[r8(d)]);
        }
        f.reg_reg(|d, s| cmov(cc, d, s), cmovcc);
        f.forms -= 1;
        for rel in [0, 1, -1, -2, 127, -128] {
            f.case(jcc_rel8(cc, rel), jcc, &[Op::Rel(rel.into())]);
        }
        for rel in IMMEDIATES {
            f.case(jcc_rel32(cc, rel), jcc, &[Op::Rel(rel)]);
        }
    }
    f.forms += 1;
    for (d, s) in f.pairs(16, 16) {
        let (d, s) = (d as u8, s as u8);
        f.case(movzx8(gp(d), gp(s)), M::Movzx, &[r32(d), r8(s)]);
    }

    f.forms += 3;
    for rel in i8::MIN..=i8::MAX {
        f.case(jmp_rel8(rel), M::Jmp, &[Op::Rel(rel.into())]);
    }
    for rel in IMMEDIATES {
        f.case(jmp_rel32(rel), M::Jmp, &[Op::Rel(rel)]);
        f.case(call_rel32(rel), M::Call, &[Op::Rel(rel)]);
    }
    f.reg(jmp, M::Jmp, &[]);
    f.reg(call, M::Call, &[]);
    f.reg(push, M::Push, &[]);
    f.reg(pop, M::Pop, &[]);
    f.plain(ret(), M::Ret);
    f.plain(int3(), M::Int3);
    f.plain(ud2(), M::Ud2);
    f.plain(nop(), M::Nop);
    f.forms += 1;
    for m in 0..f.mems.len() {
        let (mem, op) = f.mems[m];
        f.case(nop_mem(mem), M::Nop, &[op]);
    }
    f.forms
}

/// Decodes exactly one instruction.
fn decode(inst: &Inst) -> Instruction {
    let mut decoder = Decoder::with_ip(64, inst.bytes(), IP, DecoderOptions::NONE);
    let decoded = decoder.decode();
    assert_eq!(decoder.last_error(), DecoderError::None, "{inst:?}");
    assert_eq!(decoded.len(), inst.len(), "{inst:?}: {decoded}");
    assert_eq!(inst.bytes().len(), inst.len());
    let (bytes, rest) = inst.padded().split_at(inst.len());
    assert_eq!(bytes, inst.bytes());
    assert!(rest.iter().all(|&b| b == 0), "{inst:?} has bytes past its end");
    decoded
}

/// Whether the value fits a sign-extended byte.
fn is_short(value: i64) -> bool {
    (-128..=127).contains(&value)
}

/// Requires the decoded operand to be the expected one, in its shortest form.
fn check_operand(case: &Case, decoded: &Instruction, i: u32) {
    let fail = || format!("operand {i} of {decoded}, expected {case:?}");
    let kind = decoded.op_kind(i);
    match case.ops[i as usize] {
        Op::Reg(r) => {
            assert_eq!(kind, OpKind::Register, "{}", fail());
            assert_eq!(decoded.op_register(i), r, "{}", fail());
        }
        Op::Imm(imm) => {
            assert_eq!(decoded.immediate(i), imm, "{}", fail());
            let short = matches!(kind, OpKind::Immediate8 | OpKind::Immediate8to64);
            // Only MOV and TEST have no form with a byte.
            let expected = !matches!(case.mnemonic, M::Mov | M::Test) && is_short(imm as i64);
            assert_eq!(short, expected, "{}", fail());
        }
        Op::Mem(base, index, scale, disp) => {
            assert_eq!(kind, OpKind::Memory, "{}", fail());
            assert_eq!(decoded.memory_base(), base, "{}", fail());
            assert_eq!(decoded.memory_index(), index, "{}", fail());
            assert_eq!(decoded.memory_index_scale(), scale, "{}", fail());
            assert_eq!(decoded.segment_prefix(), R::None, "{}", fail());
            let disp64 = i64::from(disp) as u64;
            let (value, size) = match base {
                R::RIP => (decoded.next_ip().wrapping_add(disp64), 8),
                R::RBP | R::R13 if disp == 0 => (0, 1),
                _ if disp == 0 => (0, 0),
                _ if is_short(disp.into()) => (disp64, 1),
                // The decoder reports four bytes of displacement as the eight they extend to.
                _ => (disp64, 8),
            };
            assert_eq!(decoded.memory_displacement64(), value, "{}", fail());
            assert_eq!(decoded.memory_displ_size(), size, "{}", fail());
            if case.mnemonic != M::Lea {
                let size = decoded.memory_size();
                let wide = matches!(size, MemorySize::UInt64 | MemorySize::Int64);
                assert!(wide, "{size:?}: {}", fail());
            }
        }
        Op::Rel(rel) => {
            assert_eq!(kind, OpKind::NearBranch64, "{}", fail());
            let target = (IP + case.inst.len() as u64).wrapping_add(i64::from(rel) as u64);
            assert_eq!(decoded.near_branch_target(), target, "{}", fail());
        }
    }
}

#[test]
fn decoder_decodes_every_form() {
    let mut cases = 0u32;
    let forms = forms(Choice::Cross, &mut |case| {
        let decoded = decode(&case.inst);
        assert_eq!(decoded.mnemonic(), case.mnemonic, "{case:?}: {decoded}");
        assert_eq!(decoded.op_count() as usize, case.ops.len(), "{case:?}: {decoded}");
        for i in 0..decoded.op_count() {
            check_operand(&case, &decoded, i);
        }
        cases += 1;
    });
    assert_eq!(forms, SOURCE.matches("\npub const fn ").count(), "forms");
    assert!(cases > 1_500_000, "only {cases} cases");
}

/// The texts that the table must contain, with our bytes in hexadecimal.
fn selected() -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    forms(Choice::Star, &mut |case| {
        if case.has_accumulator_form() {
            return;
        }
        let hex: String = case.inst.bytes().iter().map(|b| format!("{b:02x}")).collect();
        let before = map.insert(case.text(), hex.clone());
        assert!(before.is_none_or(|h| h == hex), "{} has two encodings", case.text());
    });
    map
}

#[test]
fn gnu_assembler_produces_the_same_bytes() {
    let mut ours = selected();
    let mut lines = 0;
    for line in GAS.lines().filter(|line| !line.starts_with('#')) {
        let (bytes, text) = line.split_once('\t').expect("bytes, a tab, a text");
        let our = ours.remove(text).unwrap_or_else(|| panic!("no case, or a second line, for `{text}`"));
        assert_eq!(our, bytes, "{text}: ours is {our}, the GNU assembler's {bytes}");
        lines += 1;
    }
    if let Some((text, bytes)) = ours.first_key_value() {
        panic!("{} cases are not in the table, the first is `{text}`, {bytes}", ours.len());
    }
    assert!(lines > 5000, "only {lines} lines");
}

/// `tests/data/make_gas_tables.sh` runs this and assembles the output.
#[test]
#[ignore = "writes the texts for tests/data/make_gas_tables.sh"]
fn write_the_texts_for_the_gnu_assembler() {
    let path = std::env::var_os("GAS_TEXTS").expect("GAS_TEXTS names the file to write");
    let texts: Vec<String> = selected().into_keys().collect();
    std::fs::write(path, texts.join("\n") + "\n").expect("the file can be written");
}

/// The assembler would choose RAX's short form, so the table cannot check this; ours is the general form.
#[test]
fn accumulator_uses_the_general_form() {
    let bytes = |inst: Inst| inst.bytes().to_vec();
    let imm = 0x1234_5678;
    for (inst, modrm) in [
        (add_imm(regs::RAX, imm), 0xc0),
        (or_imm(regs::RAX, imm), 0xc8),
        (and_imm(regs::RAX, imm), 0xe0),
        (sub_imm(regs::RAX, imm), 0xe8),
        (xor_imm(regs::RAX, imm), 0xf0),
        (cmp_imm(regs::RAX, imm), 0xf8),
    ] {
        assert_eq!(bytes(inst), [0x48, 0x81, modrm, 0x78, 0x56, 0x34, 0x12]);
    }
}

#[test]
fn operands_are_accepted_up_to_their_limits() {
    for number in 0..=255 {
        assert_eq!(Gp::new(number).is_some(), number < 16, "register {number}");
        assert_eq!(Shift6::new(number).is_some(), number < 64, "shift {number}");
    }
    let refused: Vec<Gp> = regs::ALL.into_iter().filter(|&r| Index::new(r).is_none()).collect();
    assert_eq!(refused, [regs::RSP]);
}

#[test]
fn registers_are_named_and_numbered() {
    use regs::{R8, R9, R10, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP};
    let all = [RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15];
    assert_eq!(regs::ALL, all);
    for (number, reg) in (0..16).zip(all) {
        assert_eq!(reg.number(), number);
        assert_eq!(Gp::new(number), Some(reg));
        let name = format!("{:?}", REGISTERS[usize::from(number)][0]).to_lowercase();
        assert_eq!(reg.to_string(), name);
    }
}

#[test]
fn conditions_invert() {
    assert_eq!(Cc::ALL, CONDITIONS.map(|c| c.0));
    for (i, (cc, name, _)) in CONDITIONS.into_iter().enumerate() {
        assert_eq!(cc.invert(), CONDITIONS[i ^ 1].0, "{name}");
        assert_eq!(usize::from(cc.bits()), i, "{name}");
    }
}
