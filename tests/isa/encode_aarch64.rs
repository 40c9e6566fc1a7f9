//! Checks the AArch64 encoder with two independent tools and with the manual's own arithmetic.
//!
//! Each case is an instruction, built by our constructor, and its text, which this file builds from the same operands.
//! The decoder `disarm64` must decode the instruction to that text, for all combinations of edge operands. The GNU
//! assembler must assemble that text to the same word: its words are checked in as `tests/data/aarch64_gas.txt`, for a
//! selection in which one operand at a time takes all its edge values.

use std::collections::{BTreeMap, BTreeSet};

use jitduel::isa::aarch64::encode::*;
use jitduel::isa::aarch64::regs::{self, SP, X, XZR, Xs, Xz};

/// The GNU assembler's words for the selected texts.
const GAS: &str = include_str!("../data/aarch64_gas.txt");

/// All constructors are public functions of this file outside any impl, so the decoder test notices if a constructor is
/// missing here.
const SOURCE: &str = include_str!("../../src/isa/aarch64/encode.rs");

/// The edge registers; 31 is added where it is legal.
const REGS: [u8; 10] = [0, 1, 2, 15, 16, 17, 18, 19, 29, 30];

/// The conditions and their names; each pair of lines holds opposites.
const CONDITIONS: [(Cc, &str); 14] = [
    (Cc::Eq, "eq"),
    (Cc::Ne, "ne"),
    (Cc::Hs, "cs"),
    (Cc::Lo, "cc"),
    (Cc::Mi, "mi"),
    (Cc::Pl, "pl"),
    (Cc::Vs, "vs"),
    (Cc::Vc, "vc"),
    (Cc::Hi, "hi"),
    (Cc::Ls, "ls"),
    (Cc::Ge, "ge"),
    (Cc::Lt, "lt"),
    (Cc::Gt, "gt"),
    (Cc::Le, "le"),
];

/// The name of the opposite condition, from the table above.
fn opposite(name: &str) -> &'static str {
    let at = CONDITIONS.iter().position(|c| c.1 == name);
    let at = at.unwrap_or_else(|| panic!("{name} is not a condition"));
    CONDITIONS[at ^ 1].1
}

/// An operand of our constructors with its text.
type Op<T> = (T, String);

/// The edge values of one operand.
type Ops<'a, T> = &'a [Op<T>];

fn x(number: u8) -> Op<X> {
    (X::new(number).expect("at most 30"), format!("x{number}"))
}

fn xs() -> Vec<Op<X>> {
    REGS.into_iter().map(x).collect()
}

fn xs_or_zero() -> Vec<Op<Xz>> {
    let mut all: Vec<Op<Xz>> = xs().into_iter().map(|(r, t)| (r.into(), t)).collect();
    all.push((XZR, "xzr".to_string()));
    all
}

fn xs_or_sp() -> Vec<Op<Xs>> {
    let mut all: Vec<Op<Xs>> = xs().into_iter().map(|(r, t)| (r.into(), t)).collect();
    all.push((SP, "sp".to_string()));
    all
}

/// The values as operands of the type that `new` returns.
fn numbers<V: Copy + std::fmt::Display, T>(values: &[V], new: impl Fn(V) -> Option<T>) -> Vec<Op<T>> {
    values
        .iter()
        .map(|&v| {
            let op = new(v).unwrap_or_else(|| panic!("{v} must be accepted"));
            (op, format!("#{v}"))
        })
        .collect()
}

fn halves() -> Vec<Op<Half>> {
    [(Half::H0, "lsl #0"), (Half::H16, "lsl #16"), (Half::H32, "lsl #32"), (Half::H48, "lsl #48")]
        .map(|(h, t)| (h, t.to_string()))
        .into()
}

fn conditions() -> Vec<Op<Cc>> {
    CONDITIONS.map(|(c, t)| (c, t.to_string())).into()
}

const HALFWORDS: [u16; 7] = [0, 1, 2, 0x7fff, 0x8000, 0xa5c3, 0xffff];
const IMM12: [u64; 9] = [0, 1, 8, 2048, 4095, 4096, 4096 * 2, 4096 * 2048, 4096 * 4095];
const BITMASKS: [u64; 15] = [
    1,
    2,
    0xff,
    0xff00,
    0x8000_0000_0000_0000,
    0x8000_0000_0000_0001,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_fffe,
    0x5555_5555_5555_5555,
    0xaaaa_aaaa_aaaa_aaaa,
    0x1111_1111_1111_1111,
    0xe7e7_e7e7_e7e7_e7e7,
    0x0ff0_0ff0_0ff0_0ff0,
    0xffff_0000_ffff_0000,
    0x8000_0001_8000_0001,
];
const SHIFTS: [u8; 9] = [0, 1, 2, 15, 31, 32, 33, 62, 63];
const SCALED: [i64; 7] = [0, 8, 16, 256, 16376, 16384, 32760];
const UNSCALED: [i64; 9] = [-256, -255, -128, -8, -1, 0, 1, 127, 255];
const PAIRS: [i64; 7] = [-512, -504, -16, -8, 0, 8, 504];
const REL26: [i64; 8] = [-(1 << 27), -(1 << 26), -4, 0, 4, 8, 1 << 26, (1 << 27) - 4];
const REL19: [i64; 8] = [-(1 << 20), -(1 << 19), -4, 0, 4, 8, 1 << 19, (1 << 20) - 4];
const REL14: [i64; 8] = [-(1 << 15), -(1 << 14), -4, 0, 4, 8, 1 << 14, (1 << 15) - 4];
const REL21: [i64; 13] =
    [-(1 << 20), 1 - (1 << 20), -(1 << 19), -4, -1, 0, 1, 2, 3, 4, 1 << 19, (1 << 20) - 2, (1 << 20) - 1];

/// Displacements. The assembler counts them from the instruction, its dot.
fn rels<T>(values: &[i64], new: impl Fn(i64) -> Option<T>) -> Vec<Op<T>> {
    values
        .iter()
        .map(|&v| {
            let op = new(v).unwrap_or_else(|| panic!("{v} must be accepted"));
            (op, format!(".{v:+}"))
        })
        .collect()
}

fn rel26s() -> Vec<Op<Rel26>> {
    rels(&REL26, Rel26::new)
}

fn rel19s() -> Vec<Op<Rel19>> {
    rels(&REL19, Rel19::new)
}

fn rel14s() -> Vec<Op<Rel14>> {
    rels(&REL14, Rel14::new)
}

/// `[base]` or `[base, #offset]`.
fn at(base: &str, offset: &str) -> String {
    if offset == "#0" { format!("[{base}]") } else { format!("[{base}, {offset}]") }
}

/// An instruction and its assembler text.
struct Case {
    inst: Inst,
    text: String,
}

/// Which combinations of edge operands to generate.
#[derive(Clone, Copy, PartialEq)]
enum Choice {
    /// All combinations.
    Cross,
    /// One operand at a time takes all its edge values; the others stay fixed.
    Star,
}

/// Collects cases form by form.
struct Forms {
    choice: Choice,
    cases: Vec<Case>,
    /// The number of cases of each form.
    made: Vec<usize>,
}

impl Forms {
    /// The tuples of indices into lists of these lengths.
    fn positions<const N: usize>(&self, lens: [usize; N]) -> Vec<[usize; N]> {
        match self.choice {
            Choice::Cross => {
                let mut all = vec![[0; N]];
                for (i, &len) in lens.iter().enumerate() {
                    all = all
                        .into_iter()
                        .flat_map(|p| {
                            (0..len).map(move |v| {
                                let mut p = p;
                                p[i] = v;
                                p
                            })
                        })
                        .collect();
                }
                all
            }
            Choice::Star => {
                // Fixed operands differ from each other, so that swapping two of them is detected.
                let rest: [usize; N] = std::array::from_fn(|i| (i + 3) % lens[i]);
                let mut all = BTreeSet::new();
                for (i, &len) in lens.iter().enumerate() {
                    for v in 0..len {
                        let mut p = rest;
                        p[i] = v;
                        all.insert(p);
                    }
                }
                all.into_iter().collect()
            }
        }
    }

    fn collect(&mut self, cases: Vec<(Inst, String)>) {
        assert!(!cases.is_empty());
        self.made.push(cases.len());
        self.cases.extend(cases.into_iter().map(|(inst, text)| Case { inst, text }));
    }

    fn plain(&mut self, inst: Inst, text: &str) {
        self.collect(vec![(inst, text.to_string())]);
    }

    fn one<A: Copy>(&mut self, a: Ops<A>, make: impl Fn(A) -> Inst, text: impl Fn(&str) -> String) {
        let cases = self.positions([a.len()]);
        let cases = cases.iter().map(|&[i]| (make(a[i].0), text(&a[i].1)));
        self.collect(cases.collect());
    }

    fn two<A: Copy, B: Copy>(
        &mut self,
        a: Ops<A>,
        b: Ops<B>,
        make: impl Fn(A, B) -> Inst,
        text: impl Fn(&str, &str) -> String,
    ) {
        let cases = self.positions([a.len(), b.len()]);
        let cases = cases.iter().map(|&[i, j]| (make(a[i].0, b[j].0), text(&a[i].1, &b[j].1)));
        self.collect(cases.collect());
    }

    fn three<A: Copy, B: Copy, C: Copy>(
        &mut self,
        operands: (Ops<A>, Ops<B>, Ops<C>),
        make: impl Fn(A, B, C) -> Inst,
        text: impl Fn(&str, &str, &str) -> String,
    ) {
        self.legal_three(operands, |_, _| true, make, text);
    }

    /// Leaves out the combinations that `legal` rejects by the texts of the first two operands.
    fn legal_three<A: Copy, B: Copy, C: Copy>(
        &mut self,
        (a, b, c): (Ops<A>, Ops<B>, Ops<C>),
        legal: impl Fn(&str, &str) -> bool,
        make: impl Fn(A, B, C) -> Inst,
        text: impl Fn(&str, &str, &str) -> String,
    ) {
        let cases = self.positions([a.len(), b.len(), c.len()]);
        let cases = cases
            .iter()
            .filter(|&&[i, j, _]| legal(&a[i].1, &b[j].1))
            .map(|&[i, j, k]| (make(a[i].0, b[j].0, c[k].0), text(&a[i].1, &b[j].1, &c[k].1)));
        self.collect(cases.collect());
    }

    /// Leaves out the combinations that `legal` rejects by the texts of the first three operands.
    fn four<A: Copy, B: Copy, C: Copy, D: Copy>(
        &mut self,
        (a, b, c, d): (Ops<A>, Ops<B>, Ops<C>, Ops<D>),
        legal: impl Fn(&str, &str, &str) -> bool,
        make: impl Fn(A, B, C, D) -> Inst,
        text: impl Fn(&str, &str, &str, &str) -> String,
    ) {
        let cases = self.positions([a.len(), b.len(), c.len(), d.len()]);
        let cases = cases
            .iter()
            .filter(|&&[i, j, k, _]| legal(&a[i].1, &b[j].1, &c[k].1))
            .map(|&[i, j, k, l]| (make(a[i].0, b[j].0, c[k].0, d[l].0), text(&a[i].1, &b[j].1, &c[k].1, &d[l].1)));
        self.collect(cases.collect());
    }
}

/// The operands separated by commas, as in most forms.
fn row1(name: &str) -> impl Fn(&str) -> String {
    move |a| format!("{name} {a}")
}

fn row2(name: &str) -> impl Fn(&str, &str) -> String {
    move |a, b| format!("{name} {a}, {b}")
}

fn row3(name: &str) -> impl Fn(&str, &str, &str) -> String {
    move |a, b, c| format!("{name} {a}, {b}, {c}")
}

fn row4(name: &str) -> impl Fn(&str, &str, &str, &str) -> String {
    move |a, b, c, d| format!("{name} {a}, {b}, {c}, {d}")
}

/// Every constructor with its edge operands.
fn forms(choice: Choice) -> Forms {
    let mut f = Forms { choice, cases: Vec::new(), made: Vec::new() };
    let (xs, xz, xsp, cc) = (&xs()[..], &xs_or_zero()[..], &xs_or_sp()[..], &conditions()[..]);
    let imm16 = &numbers(&HALFWORDS, Some)[..];
    let halves = &halves()[..];
    let imm12 = &numbers(&IMM12, Imm12::new)[..];
    let masks = &numbers(&BITMASKS, Bitmask::new)[..];
    let shifts = &numbers(&SHIFTS, Shift6::new)[..];
    let scaled = &numbers(&SCALED, Scaled::new)[..];
    let unscaled = &numbers(&UNSCALED, Unscaled::new)[..];
    let pairs = &numbers(&PAIRS, Pair::new)[..];
    let rel21 = &rels(&REL21, Rel21::new)[..];
    let (rel26, rel19, rel14) = (&rel26s()[..], &rel19s()[..], &rel14s()[..]);

    f.three((xs, imm16, halves), movz, row3("movz"));
    f.three((xs, imm16, halves), movn, row3("movn"));
    f.three((xs, imm16, halves), movk, row3("movk"));
    f.two(xs, xz, mov, row2("mov"));

    f.three((xz, xz, xz), add, row3("add"));
    f.four((xz, xz, xz, shifts), |_, _, _| true, add_lsl, |d, n, m, s| format!("add {d}, {n}, {m}, lsl {s}"));
    f.four((xz, xz, xz, shifts), |_, _, _| true, add_lsr, |d, n, m, s| format!("add {d}, {n}, {m}, lsr {s}"));
    type Shifted = fn(Xz, Xz, Xz, ShiftKind, Shift6) -> Inst;
    let shifted: [(Shifted, &str); 5] =
        [(add_shifted, "add"), (sub_shifted, "sub"), (and_shifted, "and"), (orr_shifted, "orr"), (eor_shifted, "eor")];
    for (form, op) in shifted {
        let before = f.made.len();
        for (kind, name) in [(ShiftKind::Lsl, "lsl"), (ShiftKind::Lsr, "lsr"), (ShiftKind::Asr, "asr")] {
            let make = |d, n, m, s| form(d, n, m, kind, s);
            f.four((xz, xz, xz, shifts), |_, _, _| true, make, |d, n, m, s| format!("{op} {d}, {n}, {m}, {name} {s}"));
        }
        // The three kinds of shift are one form.
        f.made.truncate(before + 1);
    }
    f.three((xz, xz, xz), sub, row3("sub"));
    f.three((xz, xz, xz), adds, row3("adds"));
    f.three((xz, xz, xz), subs, row3("subs"));
    f.three((xsp, xsp, imm12), add_imm, row3("add"));
    f.three((xsp, xsp, imm12), sub_imm, row3("sub"));
    f.three((xz, xsp, imm12), adds_imm, row3("adds"));
    f.three((xz, xsp, imm12), subs_imm, row3("subs"));
    f.two(xz, xz, cmp, row2("cmp"));
    f.two(xsp, imm12, cmp_imm, row2("cmp"));
    f.two(xsp, imm12, cmn_imm, row2("cmn"));
    f.two(xs, xs, neg, row2("neg"));

    f.two(xs, xs, mvn, row2("mvn"));
    f.three((xz, xz, xz), and, row3("and"));
    f.three((xz, xz, xz), orr, row3("orr"));
    f.three((xz, xz, xz), eor, row3("eor"));
    f.three((xz, xz, xz), ands, row3("ands"));
    f.three((xsp, xz, masks), and_imm, row3("and"));
    f.three((xsp, xz, masks), orr_imm, row3("orr"));
    f.three((xsp, xz, masks), eor_imm, row3("eor"));
    f.two(xs, masks, tst_imm, row2("tst"));

    f.three((xs, xs, xs), mul, row3("mul"));
    f.four((xs, xs, xs, xz), |_, _, _| true, madd, row4("madd"));
    f.four((xs, xs, xs, xz), |_, _, _| true, msub, row4("msub"));
    f.three((xs, xs, xs), sdiv, row3("sdiv"));

    f.three((xs, xs, xs), lsl_reg, row3("lsl"));
    f.three((xs, xs, xs), lsr_reg, row3("lsr"));
    f.three((xs, xs, xs), asr_reg, row3("asr"));
    f.three((xs, xs, shifts), lsl_imm, row3("lsl"));
    f.three((xs, xs, shifts), lsr_imm, row3("lsr"));
    f.three((xs, xs, shifts), asr_imm, row3("asr"));

    f.two(xs, cc, cset, row2("cset"));
    f.four((xs, xz, xz, cc), |_, _, _| true, csel, row4("csel"));
    f.four((xs, xz, xz, cc), |_, _, _| true, csinc, row4("csinc"));
    f.four((xs, xz, xz, cc), |_, _, _| true, csneg, row4("csneg"));
    f.three((xs, xs, cc), cneg, row3("cneg"));

    let offset = |name: &'static str| move |t: &str, b: &str, o: &str| format!("{name} {t}, {}", at(b, o));
    f.three((xs, xsp, scaled), ldr, offset("ldr"));
    f.three((xz, xsp, scaled), str_, offset("str"));
    f.three((xs, xsp, unscaled), ldur, offset("ldur"));
    f.three((xz, xsp, unscaled), stur, offset("stur"));
    f.three((xs, xsp, xs), ldr_reg, offset("ldr"));
    f.three((xz, xsp, xs), str_reg, offset("str"));
    let scaled_index = |name: &'static str| move |t: &str, b: &str, i: &str| format!("{name} {t}, [{b}, {i}, lsl #3]");
    f.three((xs, xsp, xs), ldr_reg_lsl, scaled_index("ldr"));
    f.three((xz, xsp, xs), str_reg_lsl, scaled_index("str"));

    // What is unpredictable is left out; the constructors reject it.
    let differ = |t: &str, b: &str| t != b;
    f.legal_three((xz, xsp, unscaled), differ, str_pre, |t, b, o| format!("str {t}, [{b}, {o}]!"));
    f.legal_three((xs, xsp, unscaled), differ, ldr_post, |t, b, o| format!("ldr {t}, [{b}], {o}"));
    f.four((xs, xs, xsp, pairs), |t, u, _| t != u, ldp, |t, u, b, o| format!("ldp {t}, {u}, {}", at(b, o)));
    f.four((xz, xz, xsp, pairs), |_, _, _| true, stp, |t, u, b, o| format!("stp {t}, {u}, {}", at(b, o)));
    let apart = |t: &str, u: &str, b: &str| t != b && u != b;
    f.four((xz, xz, xsp, pairs), apart, stp_pre, |t, u, b, o| format!("stp {t}, {u}, [{b}, {o}]!"));
    let all_apart = |t: &str, u: &str, b: &str| t != u && t != b && u != b;
    f.four((xs, xs, xsp, pairs), all_apart, ldp_post, |t, u, b, o| format!("ldp {t}, {u}, [{b}], {o}"));

    f.one(rel26, b, row1("b"));
    f.one(rel26, bl, row1("bl"));
    f.two(cc, rel19, b_cond, |c, r| format!("b.{c} {r}"));
    f.two(xs, rel19, cbz, row2("cbz"));
    f.two(xs, rel19, cbnz, row2("cbnz"));
    f.three((xs, shifts, rel14), tbz, row3("tbz"));
    f.three((xs, shifts, rel14), tbnz, row3("tbnz"));
    f.two(xs, rel21, adr, row2("adr"));
    f.one(xs, br, row1("br"));
    f.one(xs, blr, row1("blr"));
    f.plain(ret(), "ret");

    f.one(imm16, brk, row1("brk"));
    f.plain(nop(), "nop");
    f.one(imm16, udf, row1("udf"));
    f
}

/// The words and numbers of an instruction's text: numbers in decimal, displacements without their dot.
fn tokens(text: &str) -> Vec<String> {
    let mut spaced = String::new();
    for c in text.chars() {
        match c {
            ',' | '#' => spaced.push(' '),
            '[' | ']' | '!' => spaced.extend([' ', c, ' ']),
            _ => spaced.push(c),
        }
    }
    spaced
        .split_whitespace()
        .map(|token| {
            let digits = token.strip_prefix(".").unwrap_or(token);
            let number = match digits.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16).ok(),
                None => match digits.parse::<i64>() {
                    Ok(signed) => Some(signed as u64),
                    Err(_) => digits.parse().ok(),
                },
            };
            match number {
                // One spelling for both signs: the decoder prints a displacement of -4 as 2^64 - 4.
                Some(bits) => (bits as i64).to_string(),
                None => token.to_string(),
            }
        })
        .collect()
}

/// The output of `disarm64`, in our spelling.
fn from_decoder(text: &str) -> Vec<String> {
    let mut t = tokens(text);
    let end = t.len();
    match t[0].as_str() {
        // The decoder prints the immediate as field and shift; we print the value.
        "add" | "sub" | "adds" | "subs" if t[end - 2..] == ["lsl", "12"] => {
            let field: i64 = t[end - 3].parse().expect("a number before its shift");
            t.truncate(end - 3);
            t.push((field << 12).to_string());
        }
        // The manual prefers the name of the 32-bit register for tests of the low bits.
        "tbz" | "tbnz" if t[1].starts_with('w') => {
            assert!(t[2].parse::<u8>().is_ok_and(|bit| bit < 32));
            t[1].replace_range(..1, "x");
        }
        _ => {}
    }
    t
}

/// Our spelling without aliases: `disarm64` prints the underlying instruction.
fn without_aliases(text: &str) -> Vec<String> {
    let t = tokens(text);
    let t: Vec<&str> = t.iter().map(String::as_str).collect();
    let number = |s: &str| s.parse::<i64>();
    let base: Vec<String> = match t[..] {
        ["mov", d, m] => ["orr", d, "xzr", m].map(String::from).into(),
        ["cmp", n, m] => ["subs", "xzr", n, m].map(String::from).into(),
        ["cmn", n, m] => ["adds", "xzr", n, m].map(String::from).into(),
        ["tst", n, m] => ["ands", "xzr", n, m].map(String::from).into(),
        ["neg", d, m] => ["sub", d, "xzr", m].map(String::from).into(),
        ["mvn", d, m] => ["orn", d, "xzr", m].map(String::from).into(),
        ["cneg", d, n, c] => ["csneg", d, n, n, opposite(c)].map(String::from).into(),
        ["mul", d, n, m] => ["madd", d, n, m, "xzr"].map(String::from).into(),
        ["cset", d, c] => ["csinc", d, "xzr", "xzr", opposite(c)].map(String::from).into(),
        ["ret"] => ["ret", "x30"].map(String::from).into(),
        ["lsl", d, n, m] => match number(m) {
            Err(_) => ["lslv", d, n, m].map(String::from).into(),
            Ok(s) => {
                let (immr, imms) = (((64 - s) % 64).to_string(), (63 - s).to_string());
                ["ubfm", d, n, &immr, &imms].map(String::from).into()
            }
        },
        ["lsr", d, n, m] => match number(m) {
            Err(_) => ["lsrv", d, n, m].map(String::from).into(),
            Ok(_) => ["ubfm", d, n, m, "63"].map(String::from).into(),
        },
        ["asr", d, n, m] => match number(m) {
            Err(_) => ["asrv", d, n, m].map(String::from).into(),
            Ok(_) => ["sbfm", d, n, m, "63"].map(String::from).into(),
        },
        [op @ ("add" | "sub" | "and" | "orr" | "eor"), d, n, m, "lsl", "0"] => [op, d, n, m].map(String::from).into(),
        _ => t.into_iter().map(String::from).collect(),
    };
    base
}

#[test]
fn decoder_decodes_every_form() {
    let forms = forms(Choice::Cross);
    for Case { inst, text } in &forms.cases {
        let decoded =
            disarm64::decoder::decode(inst.word()).unwrap_or_else(|| panic!("{text}: {inst:?} does not decode"));
        let decoded = decoded.to_string();
        assert_eq!(from_decoder(&decoded), without_aliases(text), "{text}: {inst:?} decodes as {decoded}");
    }
    assert_eq!(forms.made.len(), SOURCE.matches("\npub const fn ").count(), "forms");
    assert!(forms.cases.len() > 120_000, "only {} cases", forms.cases.len());
}

/// The texts that the table must contain, with our words.
fn selected() -> BTreeMap<String, u32> {
    let mut map = BTreeMap::new();
    for Case { inst, text } in forms(Choice::Star).cases {
        let before = map.insert(text.clone(), inst.word());
        assert!(before.is_none_or(|w| w == inst.word()), "{text} has two words");
    }
    map
}

#[test]
fn gnu_assembler_produces_the_same_words() {
    let mut ours = selected();
    let mut lines = 0;
    for line in GAS.lines().filter(|line| !line.starts_with('#')) {
        let (word, text) = line.split_once('\t').expect("a word, a tab, a text");
        let word = u32::from_str_radix(word, 16).expect("a word in hexadecimal");
        let our = ours.remove(text).unwrap_or_else(|| panic!("no case, or a second line, for `{text}`"));
        assert_eq!(our, word, "{text}: ours is {our:08x}, the GNU assembler's {word:08x}");
        lines += 1;
    }
    if let Some((text, word)) = ours.first_key_value() {
        panic!("{} cases are not in the table, the first is `{text}`, {word:08x}", ours.len());
    }
    assert!(lines > 1400, "only {lines} lines");
}

/// `tests/data/make_gas_tables.sh` runs this and assembles the output.
#[test]
#[ignore = "writes the texts for tests/data/make_gas_tables.sh"]
fn write_the_texts_for_the_gnu_assembler() {
    let path = std::env::var_os("GAS_TEXTS").expect("GAS_TEXTS names the file to write");
    let texts: Vec<String> = selected().into_keys().collect();
    std::fs::write(path, texts.join("\n") + "\n").expect("the file can be written");
}

/// The manual's `DecodeBitMasks` for a 64-bit immediate: the mask, or `None` if it is undefined.
fn decode_bit_masks(n: u32, immr: u32, imms: u32) -> Option<u64> {
    // len = HighestSetBit(immN : NOT(imms))
    let len = (n << 6 | !imms & 0x3f).checked_ilog2()?;
    if len < 1 {
        return None;
    }
    let levels = (1u32 << len) - 1;
    if imms & levels == levels {
        return None;
    }
    let (s, r) = (imms & levels, immr & levels);
    let esize = 1 << len;
    let welem = (1u64 << (s + 1)) - 1;
    // ROR(welem, R) in esize bits, replicated.
    let mut mask = 0;
    for bit in 0..64 {
        let from = (bit + r) % esize;
        mask |= (welem >> from & 1) << bit;
    }
    Some(mask)
}

/// All logical immediates, by definition.
fn all_bitmasks() -> BTreeSet<u64> {
    let mut all = BTreeSet::new();
    for size in [2u32, 4, 8, 16, 32, 64] {
        for ones in 1..size {
            for rotation in 0..size {
                let mut value = 0u64;
                for bit in 0..64 {
                    if (bit + rotation) % size < ones {
                        value |= 1 << bit;
                    }
                }
                all.insert(value);
            }
        }
    }
    all
}

#[test]
fn all_5334_bitmasks_are_accepted_and_decode_to_themselves() {
    let all = all_bitmasks();
    assert_eq!(all.len(), 5334);

    let mut decodable = BTreeSet::new();
    for fields in 0..1u32 << 13 {
        decodable.extend(decode_bit_masks(fields >> 12, fields >> 6 & 63, fields & 63));
    }
    assert_eq!(decodable, all, "the two definitions of this test disagree");

    for &value in &all {
        let mask = Bitmask::new(value).unwrap_or_else(|| panic!("{value:#x} must be accepted"));
        let word = orr_imm(SP, XZR, mask).word();
        assert_eq!(mask.bits(), word >> 10 & 0x1fff);
        let (n, immr, imms) = (word >> 22 & 1, word >> 16 & 63, word >> 10 & 63);
        assert_eq!(decode_bit_masks(n, immr, imms), Some(value), "{value:#x}");
        assert_eq!(word & !(0x1fff << 10), 0xb200_03ff, "{value:#x} changes other fields");
    }
}

#[test]
fn other_values_are_not_bitmasks() {
    let all = all_bitmasks();
    let mut refused = 0u32;
    let mut check = |value: u64| {
        let accepted = Bitmask::new(value).is_some();
        assert_eq!(accepted, all.contains(&value), "{value:#x}");
        refused += u32::from(!accepted);
    };
    check(0);
    check(u64::MAX);
    for &value in &all {
        check(value.wrapping_sub(1));
        check(value.wrapping_add(1));
        for bit in 0..64 {
            check(value ^ 1 << bit);
            // A repeated value with one element wrong in one position.
            check(value.rotate_left(1) ^ 1 << bit);
        }
    }
    // Elements whose sizes do not divide 64, repeated as often as they fit.
    for size in 2..64 {
        for ones in 1..size {
            let element = (1u64 << ones) - 1;
            check((0..64 / size).fold(0, |v, i| v | element << (i * size)));
        }
    }
    for value in 0..=0xffff {
        check(value);
        check(!value);
        check(value * 0x0001_0001_0001_0001);
    }
    assert!(refused > 800_000, "only {refused} values were refused");
}

/// Checks one immediate type at its limits.
fn borders<V: Copy + std::fmt::Debug, T>(new: impl Fn(V) -> Option<T>, accepted: &[V], refused: &[V]) -> usize {
    for &v in accepted {
        assert!(new(v).is_some(), "{v:?} must be accepted");
    }
    for &v in refused {
        assert!(new(v).is_none(), "{v:?} must be rejected");
    }
    accepted.len() + refused.len()
}

#[test]
fn immediates_are_accepted_up_to_their_limits() {
    let (min, max) = (i64::MIN, i64::MAX);
    let mut checked = borders(
        Imm12::new,
        &IMM12,
        &[
            4097,
            4096 + 2048,
            8191,
            4095 * 4096 - 1,
            4095 * 4096 + 1,
            4095 * 4096 + 4095,
            1 << 24,
            1 << 32,
            1 << 63,
            u64::MAX,
        ],
    );
    checked += borders(Shift6::new, &SHIFTS, &[64, 65, 128, 255]);
    checked += borders(X::new, &REGS, &[31, 32, 63, 64, 255]);
    checked +=
        borders(Scaled::new, &SCALED, &[-8, -1, 1, 4, 7, 9, 32759, 32761, 32764, 32768, 65536, 1 << 32, min, max]);
    checked += borders(Unscaled::new, &UNSCALED, &[-257, 256, 512, -512, 1 << 32, -1 << 32, min, max]);
    checked += borders(Pair::new, &PAIRS, &[-520, -513, -511, -4, -1, 1, 4, 503, 505, 508, 512, 1 << 32, min, max]);
    let word_borders = |bits: u32| {
        let half = 1i64 << (bits + 1);
        [
            -half - 4,
            -half - 1,
            -half + 1,
            -half + 2,
            -2,
            -1,
            1,
            2,
            3,
            half - 5,
            half - 3,
            half - 1,
            half,
            2 * half,
            1 << 32,
            1 << 40,
            -1 << 40,
            min,
            max - 3,
            max,
        ]
    };
    checked += borders(Rel26::new, &REL26, &word_borders(26));
    checked += borders(Rel19::new, &REL19, &word_borders(19));
    checked += borders(Rel14::new, &REL14, &word_borders(14));
    checked += borders(Rel21::new, &REL21, &[-(1 << 20) - 1, 1 << 20, 1 << 21, 1 << 32, -1 << 32, min, max]);
    assert!(checked > 190, "only {checked} values were checked");
}

#[test]
fn values_near_small_ranges_are_accepted_by_definition() {
    for v in 0..1 << 25 {
        let fits = v <= 4095 || v % 4096 == 0 && v / 4096 <= 4095;
        assert_eq!(Imm12::new(v).is_some(), fits, "{v}");
    }
    for v in -(1i64 << 17)..1 << 17 {
        let multiple = |of: i64| v.rem_euclid(of) == 0;
        let scaled = multiple(8) && (0..=32760).contains(&v);
        assert_eq!(Scaled::new(v).is_some(), scaled, "{v}");
        assert_eq!(Unscaled::new(v).is_some(), (-256..=255).contains(&v), "{v}");
        let pair = multiple(8) && (-512..=504).contains(&v);
        assert_eq!(Pair::new(v).is_some(), pair, "{v}");
        let near = multiple(4) && (-32768..=32764).contains(&v);
        assert_eq!(Rel14::new(v).is_some(), near, "{v}");
    }
}

#[test]
fn registers_are_named_and_numbered() {
    let all = [
        regs::X0,
        regs::X1,
        regs::X2,
        regs::X3,
        regs::X4,
        regs::X5,
        regs::X6,
        regs::X7,
        regs::X8,
        regs::X9,
        regs::X10,
        regs::X11,
        regs::X12,
        regs::X13,
        regs::X14,
        regs::X15,
        regs::X16,
        regs::X17,
        regs::X18,
        regs::X19,
        regs::X20,
        regs::X21,
        regs::X22,
        regs::X23,
        regs::X24,
        regs::X25,
        regs::X26,
        regs::X27,
        regs::X28,
        regs::X29,
        regs::X30,
    ];
    for (number, reg) in (0..31).zip(all) {
        assert_eq!(Some(reg), X::new(number));
        assert_eq!(reg.number(), number);
        assert_eq!(reg.xz(), Xz::from(reg));
        assert_eq!(reg.xs(), Xs::from(reg));
        assert_eq!((reg.xz().number(), reg.xs().number()), (number, number));
        let name = format!("x{number}");
        assert_eq!(reg.to_string(), name);
        assert_eq!(reg.xz().to_string(), name);
        assert_eq!(reg.xs().to_string(), name);
    }
    assert_eq!((XZR.number(), SP.number()), (31, 31));
    assert_eq!((XZR.to_string(), SP.to_string()), ("xzr".into(), "sp".into()));
}

#[test]
fn conditions_invert() {
    assert_eq!(Cc::ALL, CONDITIONS.map(|c| c.0));
    for (i, (cc, name)) in CONDITIONS.into_iter().enumerate() {
        let inverse = CONDITIONS[i ^ 1].0;
        assert_eq!(cc.invert(), inverse, "{name}");
        assert_eq!(cc.bits(), i as u32, "{name}");
    }
}

#[test]
fn halves_shift() {
    assert_eq!(Half::ALL.map(Half::shift), [0, 16, 32, 48]);
}

#[test]
fn new_displacement_replaces_the_old() {
    let mut patched = 0;
    let mut same = |new: Inst, built: Inst| {
        assert_eq!(new, built);
        patched += 1;
    };
    for (old, _) in rel26s() {
        for (new, _) in rel26s() {
            same(b(old).with_rel26(new), b(new));
            same(bl(old).with_rel26(new), bl(new));
        }
    }
    for (old, _) in rel19s() {
        for (new, _) in rel19s() {
            for (cc, _) in conditions() {
                same(b_cond(cc, old).with_rel19(new), b_cond(cc, new));
            }
            for (t, _) in xs() {
                same(cbz(t, old).with_rel19(new), cbz(t, new));
                same(cbnz(t, old).with_rel19(new), cbnz(t, new));
            }
        }
    }
    for (old, _) in rel14s() {
        for (new, _) in rel14s() {
            for (t, _) in xs() {
                for bit in SHIFTS.map(|s| Shift6::new(s).expect("at most 63")) {
                    same(tbz(t, bit, old).with_rel14(new), tbz(t, bit, new));
                    same(tbnz(t, bit, old).with_rel14(new), tbnz(t, bit, new));
                }
            }
        }
    }
    for (old, _) in rels(&REL21, Rel21::new) {
        for (new, _) in rels(&REL21, Rel21::new) {
            for (d, _) in xs() {
                same(adr(d, old).with_rel21(new), adr(d, new));
            }
        }
    }
    assert_eq!(patched, 2 * 64 + (14 + 20) * 64 + 180 * 64 + 169 * 10);
}

/// The constructors reject what the manual leaves unpredictable, but only in builds with debug assertions.
#[cfg(debug_assertions)]
mod refused {
    use super::*;
    use jitduel::isa::aarch64::regs::{X0, X1};

    fn zero() -> Pair {
        Pair::new(0).expect("zero is a multiple of 8")
    }

    fn here() -> Rel19 {
        Rel19::new(0).expect("zero is a multiple of 4")
    }

    #[test]
    #[should_panic(expected = "one register twice")]
    fn loading_a_pair_to_one_register_panics() {
        let _ = ldp(X0, X0, SP, zero());
    }

    #[test]
    #[should_panic(expected = "one register twice")]
    fn popping_a_pair_to_one_register_panics() {
        let _ = ldp_post(X0, X0, SP, zero());
    }

    #[test]
    #[should_panic(expected = "LDP to its own base")]
    fn popping_a_pair_to_its_base_panics() {
        let _ = ldp_post(X1, X0, X0.into(), zero());
    }

    #[test]
    #[should_panic(expected = "STP of its own base")]
    fn pushing_a_pair_with_its_base_panics() {
        let _ = stp_pre(X1.into(), X0.into(), X0.into(), zero());
    }

    #[test]
    #[should_panic(expected = "STR of its own base")]
    fn pushing_a_register_with_its_base_panics() {
        let _ = str_pre(X0.into(), X0.into(), Unscaled::new(0).expect("it is near"));
    }

    #[test]
    #[should_panic(expected = "LDR to its own base")]
    fn popping_a_register_to_its_base_panics() {
        let _ = ldr_post(X0, X0.into(), Unscaled::new(0).expect("it is near"));
    }

    /// Number 31 stands for two different registers here, so this is legal.
    #[test]
    fn zeros_can_be_pushed_on_the_stack() {
        assert_eq!(stp_pre(XZR, XZR, SP, zero()).word(), 0xa980_7fff);
    }

    #[test]
    #[should_panic(expected = "not a B.cond")]
    fn displacement_of_a_nonbranch_panics() {
        let _ = nop().with_rel19(here());
    }

    #[test]
    #[should_panic(expected = "not a B or BL")]
    fn long_displacement_of_a_short_branch_panics() {
        let _ = cbz(X0, here()).with_rel26(Rel26::new(0).expect("zero"));
    }

    #[test]
    #[should_panic(expected = "not a TBZ")]
    fn short_displacement_of_a_longer_branch_panics() {
        let _ = cbz(X0, here()).with_rel14(Rel14::new(0).expect("zero"));
    }

    #[test]
    #[should_panic(expected = "not an ADR")]
    fn address_displacement_of_a_branch_panics() {
        let _ = cbz(X0, here()).with_rel21(Rel21::new(0).expect("zero"));
    }
}
