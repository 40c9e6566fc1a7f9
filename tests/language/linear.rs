//! Compilation takes work proportional to the length of the program. The work is counted, because times depend on the
//! machine.

use std::cell::Cell;
use std::sync::Arc;

use jitduel::bench::sizes::{INPUTS, Shape as Kind, Size};
use jitduel::bytecode::{self, Bytecode, Limits};
use jitduel::isa::{Forms, Isa, Machine, OutOfRange, Shape, Tuning, aarch64, x86_64};
use jitduel::lang::{Source, parse, verify};
use jitduel::lir::{AluOp, Op, Reg, Sink};
use jitduel::tiers::{TIERS, compile};

thread_local! {
    static OPERATIONS: Cell<usize> = const { Cell::new(0) };
    static ROUNDS: Cell<usize> = const { Cell::new(0) };
}

fn increase(counter: &'static std::thread::LocalKey<Cell<usize>>) {
    counter.set(counter.get() + 1);
}

/// An emitter that counts the operations that it receives, and how often it starts.
struct Counted<I>(I);

impl<I: Isa> Sink for Counted<I> {
    fn at(&mut self, pc: u32) {
        self.0.at(pc);
    }

    fn put(&mut self, op: Op) {
        increase(&OPERATIONS);
        self.0.put(op);
    }
}

impl<I: Isa> Isa for Counted<I> {
    const NAME: &'static str = I::NAME;
    const ALLOCATABLE: &'static [Reg] = I::ALLOCATABLE;
    const CALLEE_SAVED: &'static [Reg] = I::CALLEE_SAVED;
    const SHIFT_CLOBBERS: &'static [Reg] = I::SHIFT_CLOBBERS;
    const DIVIDE_CLOBBERS: &'static [Reg] = I::DIVIDE_CLOBBERS;

    fn divide_imm_clobbers(imm: i64) -> &'static [Reg] {
        I::divide_imm_clobbers(imm)
    }

    fn reg_name(reg: Reg) -> String {
        I::reg_name(reg)
    }

    fn fits_alu(op: AluOp, imm: i64) -> bool {
        I::fits_alu(op, imm)
    }

    const HAS_MULTIPLY_ADD: bool = I::HAS_MULTIPLY_ADD;

    fn fits_shifted(op: AluOp, shift: AluOp, amount: u8) -> bool {
        I::fits_shifted(op, shift, amount)
    }

    fn fits_mask(mask: i64) -> bool {
        I::fits_mask(mask)
    }

    fn copies(op: Op) -> u32 {
        I::copies(op)
    }

    fn fits_compare(imm: i64) -> bool {
        I::fits_compare(imm)
    }

    fn begin(memory: Vec<u8>, shape: &Shape, tuning: &Tuning, forms: Forms) -> Counted<I> {
        increase(&ROUNDS);
        Counted(I::begin(memory, shape, tuning, forms))
    }

    fn finish(self) -> Result<Machine, OutOfRange> {
        self.0.finish()
    }
}

fn bytecode(source: &Source) -> Bytecode {
    let ast = Arc::new(parse(source).expect("it parses"));
    bytecode::lower(&verify(&ast, INPUTS.len()).expect("it verifies"), Limits::of_stack(1000), false)
        .expect("it is small")
}

/// The work of a tier per bytecode operation and round: LIR operations, applied rules and bytes of code. Also returns
/// the number of rounds.
fn work<I: Isa>(code: &Bytecode, name: &str) -> (f64, usize) {
    let (_, tier) = TIERS.into_iter().find(|(tier, _)| *tier == name).expect("it is a tier");
    OPERATIONS.set(0);
    ROUNDS.set(0);
    let compiled = compile::<Counted<I>>(code, tier, &Tuning::default(), false, Vec::new()).expect("it is small");
    let firings: u32 = compiled.fired.counts().map(|(_, count)| count).sum();
    let rounds = ROUNDS.get();
    let all = OPERATIONS.get() / rounds + firings as usize + compiled.machine.bytes.len();
    (all as f64 / code.ops().len() as f64, rounds)
}

/// Asserts that a much longer program takes as much work per operation, within a twentieth, and at most two rounds
/// more, in which forward branches get longer forms.
fn compare<I: Isa>(small: &Bytecode, great: &Bytecode, what: &str) {
    for (tier, _) in TIERS {
        let (before, rounds) = work::<I>(small, tier);
        let (after, more) = work::<I>(great, tier);
        assert!(rounds == 1 && more <= 3, "{what}, {tier}, {}: {rounds} and {more} rounds", I::NAME);
        assert!(after < before * 1.05, "{what}, {tier}, {}: {before:.3} and {after:.3} per operation", I::NAME);
    }
}

#[test]
fn long_programs_take_the_same_work_per_word() {
    for shape in [Kind::Straight, Kind::Loopy, Kind::Words] {
        let [small, great] = [2_000, 200_000].map(|words| bytecode(&Size { shape, words }.source()));
        compare::<x86_64::Emitter>(&small, &great, "long");
        compare::<aarch64::Emitter>(&small, &great, "long");
    }
}

#[test]
fn deep_programs_take_the_same_work_per_word() {
    // Most counters of either program do not fit in registers.
    let deep = |levels: usize| {
        let text = format!("0 {} 1 + {}", "2 times dup drop ".repeat(levels), "end ".repeat(levels));
        bytecode(&Source::new("deep", text))
    };
    compare::<x86_64::Emitter>(&deep(400), &deep(1000), "deep");
    compare::<aarch64::Emitter>(&deep(400), &deep(1000), "deep");
}

#[test]
fn wide_programs_take_the_same_work_per_word() {
    let wide = |loops: usize| bytecode(&Source::new("wide", format!("0 {}", "3 times 1 + end ".repeat(loops))));
    compare::<x86_64::Emitter>(&wide(1_000), &wide(50_000), "wide");
    compare::<aarch64::Emitter>(&wide(1_000), &wide(50_000), "wide");
}
