//! Branches of every form.
//!
//! The ranges of branches are lowered until ordinary programs need the long forms. One program is too long for short branches
//! without that. The assemblers are tested at the exact limits of each form.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::binary::size;
use jitduel::bytecode::{self, Limits};
use jitduel::corpus::{Case, cases, programs};
use jitduel::engine::{Engine, NoClock, Options, PrepareError, Run, outcome};
use jitduel::exec::{Store, is_emulated};
use jitduel::front;
use jitduel::interp::tree::evaluate;
use jitduel::isa::{Forms, Isa, OutOfRange, Reach, Shape, Tuning, aarch64, x86_64};
use jitduel::lang::{Program, Source, load};
use jitduel::lir::{Label, Op, Recorder, Site, Slot};
use jitduel::outcome::{Outcome, TrapKind, Verdict};
use jitduel::tiers::{self, AnyTier, Native, TIERS};

/// A corpus file's name and text, and its runnable cases, each with its program.
type File = (String, Source, Vec<(Case, Program)>);

fn corpus() -> Vec<File> {
    let mut corpus = Vec::new();
    let mut paths = Vec::new();
    programs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"), &mut paths).expect("the corpus can be listed");
    for path in paths {
        let name = path.display().to_string();
        let source = Source::of_file(&path, std::fs::read(&path).expect("the file can be read"));
        let cases = cases(&source).unwrap_or_else(|error| panic!("{name}: {error}"));
        let runnable = cases.into_iter().filter_map(|case| {
            let program = front::load(&source, case.inputs.len()).ok()?.ok()?;
            Some((case, program))
        });
        let runnable: Vec<_> = runnable.collect();
        if !runnable.is_empty() {
            corpus.push((name, source, runnable));
        }
    }
    corpus
}

/// Every pair of a short and a near range. The other sizes vary from pair to pair.
fn tunings() -> Vec<Tuning> {
    let mut tunings = Vec::new();
    for (row, short_range) in [0, 16, 64, 256].into_iter().enumerate() {
        for (column, near_range) in [64, 512, 4096].into_iter().enumerate() {
            let initial_bytes = (row + column) % 2;
            let counter_registers = (row + 2 * column) % 3;
            let value_registers = [usize::MAX, 0, 8][(2 * row + column) % 3];
            tunings.push(Tuning { short_range, near_range, initial_bytes, counter_registers, value_registers });
        }
    }
    if cfg!(target_arch = "aarch64") {
        println!("every third of {} tunings is tested, since AArch64 programs are likely emulated", tunings.len());
        tunings = tunings.into_iter().step_by(3).collect();
    }
    // The extreme case: no short or near branch reaches anything.
    tunings.push(Tuning { short_range: 0, near_range: 0, initial_bytes: 0, counter_registers: 0, value_registers: 0 });
    tunings
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn corpus_passes_with_every_branch_form() {
    let corpus = corpus();
    let mut stack = Store::new(Options::default().stack_limit).expect("memory for the stack");
    let (mut executions, mut compilations, mut failures) = (0, 0, Vec::new());
    let step = size("every nth program is tried, for n", 1, 5);
    for tuning in tunings() {
        for (name, tier) in TIERS {
            let mut engine = Native::with_tuning(name, tier, tuning);
            for (path, source, cases) in corpus.iter().step_by(step) {
                // Cases of a program with the same options share its code.
                let mut ready = BTreeMap::new();
                for (case, program) in cases {
                    let key = (case.inputs.len(), case.stack_limit, case.call_limit, case.fuel.is_some());
                    let prepared = ready.entry(key).or_insert_with(|| {
                        compilations += 1;
                        let options = Options {
                            metered: case.fuel.is_some(),
                            stack_limit: case.stack_limit,
                            call_limit: case.call_limit,
                        };
                        engine
                            .prepare(program, &options, &mut NoClock)
                            .unwrap_or_else(|error| panic!("{path}: {error}"))
                    });
                    if stack.capacity() < case.stack_limit {
                        stack = Store::new(case.stack_limit).expect("memory for the stack");
                    }
                    let outcome = outcome(&mut **prepared, &case.inputs, case.fuel, &mut stack);
                    let verdict = Verdict::of(&outcome, source);
                    executions += 1;
                    if verdict != case.expected {
                        let (line, expected) = (case.line, &case.expected);
                        failures.push(format!("{path}:{line}: {name}, {tuning:?}: {verdict}, expected {expected}"));
                    }
                }
            }
        }
    }
    println!("{} tunings, {compilations} compilations, {executions} executions", tunings().len());
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures[..failures.len().min(20)].join("\n"));
    assert!(executions * step > 3_000 * tunings().len(), "only {executions} executions");
}

// The cost of the long forms.

/// The number of unconditional branches in AArch64 code, and of computed branches.
fn jumps(code: &[u8]) -> (usize, usize) {
    let words = || code.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")));
    (words().filter(|word| word >> 26 == 0b00_0101).count(), words().filter(|word| word & !(31 << 5) == BR).count())
}

const BR: u32 = 0xd61f_0000;

/// The LIR of a program as the emitter gets it.
fn lir<I: Isa>(code: &bytecode::Bytecode, tier: AnyTier) -> Vec<Op> {
    let (recorder, ..) = tiers::stream::<I, _>(code, tier, &Tuning::default(), Recorder::default());
    recorder.ops.into_iter().map(|(_, op)| op).collect()
}

fn can_trap(op: &Op) -> bool {
    matches!(
        op,
        Op::Divide { .. }
            | Op::Fuel { .. }
            | Op::Need { .. }
            | Op::NeedAbove { .. }
            | Op::Room { .. }
            | Op::TakeDepth { .. }
            | Op::Leave { .. }
            | Op::LoadCell { .. }
            | Op::StoreCell { .. }
            | Op::LoadElement { .. }
            | Op::StoreElement { .. }
    )
}

#[test]
fn small_programs_use_no_long_forms() {
    let (mut programs, mut instructions, mut lengthened) = (0, 0, 0);
    // Nothing is executed, so every host finds the same.
    for (name, _, cases) in corpus().into_iter().step_by(size("every nth program is compiled, for n", 1, 20)) {
        let (case, program) = &cases[0];
        let code =
            bytecode::lower(program, Limits::of_stack(case.stack_limit as u64), true).expect("the program is small");
        for (variant, tier) in TIERS {
            let compile = |tuning: &Tuning| {
                let compiled = tiers::compile::<aarch64::Emitter>(&code, tier, tuning, false, Vec::new());
                compiled.expect("the program is small").machine.bytes
            };
            let bytes = compile(&Tuning::default());
            let ops = lir::<aarch64::Emitter>(&code, tier);
            let exits = ops.iter().filter(|op| can_trap(op));
            let jumps_of_ops = ops.iter().filter(|op| matches!(op, Op::Jump { .. })).count();
            // One `b` for each jump and one in each trap exit. No conditional branch needs one to skip.
            assert_eq!(jumps(&bytes), (jumps_of_ops + exits.count(), 0), "{name}: {variant}");
            programs += 1;
            instructions += bytes.len() / 4;
            // The count detects long forms: lowered ranges yield more of them.
            let long = compile(&Tuning { short_range: 0, near_range: 0, ..Tuning::default() });
            if jumps(&long).1 > 0 {
                assert!(long.len() > bytes.len());
                lengthened += 1;
            }
        }
    }
    println!("{programs} programs with {instructions} instructions in all; lowered ranges lengthen {lengthened}");
    assert!(programs > 50 && lengthened > programs / 2);
}

// Machine code that is longer than the range of a short branch.

/// A loop with a body of about `words` words. Near its middle it divides by the program's first input.
fn long_program(words: usize) -> String {
    // The divisor is below the top. Each line preserves the height of the stack.
    let lines = [
        "dup 3 and if 1 + else 2 - end 12345 xor\n",
        "dup 0x7fffffffffff > if 3 rshift else 5 * 1 + end\n",
        "over over + swap - dup 1 lshift xor\n",
        "dup 7 mod 3 > if dup 11 / + end\n",
    ];
    let mut text = String::from("3 times\n");
    let (mut count, mut divided) = (0, false);
    // An `if` around everything, so that a forward branch is as long as the loop.
    text.push_str("dup -5 = if 1 + else\n");
    for line in lines.iter().cycle() {
        text.push_str(line);
        count += line.split_whitespace().count();
        if !divided && count > words / 2 {
            text.push_str("over / 99991 +\n");
            divided = true;
        }
        if count > words {
            break;
        }
    }
    text.push_str("end end");
    text
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn loop_longer_than_a_mebibyte_runs() {
    const MEBIBYTE: usize = 1 << 20;
    let text = long_program(800_000);
    let source = Source::new("long", text.as_str());
    let program = load(&source, 2).unwrap_or_else(|fault| panic!("{fault}"));
    let options = Options::default();
    let mut stack = Store::new(options.stack_limit).expect("memory for the stack");
    let code = bytecode::lower(&program, options.limits(), true).expect("the program is not too large");
    // Each is executed without and with metering.
    let executions = [
        ([3, 12_345], 100),
        ([0, 12_345], 100),
        ([-1, i64::MAX], 100),
        ([7, -5], 100),
        ([3, 12_345], 2),
        ([3, 12_345], 0),
    ];
    let executions = [false, true].map(|metered| {
        executions.map(|(inputs, fuel)| {
            let fuel = metered.then_some(fuel);
            (inputs, fuel, evaluate(program.ast(), Run { inputs: &inputs, fuel, ..Run::default() }))
        })
    });
    let (mut done, mut trapped, mut tried) = (0, 0, 0);
    let is_left_out = |name: &str| {
        // On x86-64, no branch is limited to a mebibyte.
        if is_emulated() {
            name != "jit"
        } else {
            cfg!(target_arch = "x86_64") && !["jit", "regs", "ssa"].contains(&name)
        }
    };
    for (name, tier) in TIERS {
        if is_left_out(name) {
            println!("NOT RUN: {name}, since compiling a mebibyte takes long");
            continue;
        }
        if is_emulated() {
            println!(
                "{name}: lengths for both instruction sets are not compared in an emulator; native hosts compare them"
            );
        } else {
            let bytes = |compiled: Result<tiers::Compiled, PrepareError>| {
                compiled.expect("all branches reach").machine.bytes.len()
            };
            let tuning = Tuning::default();
            let a64 = bytes(tiers::compile::<aarch64::Emitter>(&code, tier, &tuning, false, Vec::new()));
            let x64 = bytes(tiers::compile::<x86_64::Emitter>(&code, tier, &tuning, false, Vec::new()));
            println!("{name}: {a64} bytes for AArch64, {x64} for x86-64");
            assert!(a64 > MEBIBYTE && x64 > MEBIBYTE, "{name}: {a64} {x64}");
        }
        tried += 1;
        let mut engine = Native::new(name, tier);
        for (metered, executions) in [false, true].into_iter().zip(&executions) {
            let options = Options { metered, ..options };
            let mut prepared = engine.prepare(&program, &options, &mut NoClock).expect("all branches reach");
            let bytes = prepared.code_bytes();
            assert!(bytes > Some(MEBIBYTE), "{name}: {bytes:?}");
            for (inputs, fuel, expected) in executions {
                let actual = outcome(&mut *prepared, inputs, *fuel, &mut stack);
                assert_eq!(actual, *expected, "{name} with {inputs:?} and fuel {fuel:?}");
                match actual {
                    Outcome::Done(_) => done += 1,
                    Outcome::Trap(trap) => {
                        trapped += 1;
                        let kind = if inputs[0] == 0 { TrapKind::DivisionByZero } else { TrapKind::OutOfFuel };
                        assert_eq!(trap.kind, kind);
                    }
                }
            }
        }
    }
    println!("{} bytes of text, {done} executions ended, {trapped} trapped", text.len());
    assert_eq!((done, trapped), (tried * (5 + 3), tried * (1 + 3)));
}

// The assemblers.

/// The target of the AArch64 branch instruction at an offset.
fn branch_target(code: &[u8], at: usize) -> i64 {
    let word = word(code, at);
    let signed = |bits: u32, length: u32| i64::from((bits << (32 - length)) as i32 >> (32 - length));
    let words = match word >> 24 {
        0x54 | 0xb4 | 0xb5 => signed(word >> 5 & 0x7_ffff, 19),
        0x14..=0x17 => signed(word & 0x3ff_ffff, 26),
        _ => panic!("{word:#x} at {at} is not a branch"),
    };
    at as i64 + 4 * words
}

fn word(code: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(code[at..at + 4].try_into().expect("four bytes"))
}

/// The target of the computed jump at an offset, evaluated from its five instructions according to the manual.
fn computed_target(code: &[u8], at: usize) -> i64 {
    let words = [0, 4, 8, 12, 16].map(|offset| word(code, at + offset));
    let half = |word: u32| i64::from(word >> 5 & 0xffff);
    assert_eq!(words[0] & !(0xffff << 5), 0xd280_0010, "movz x16");
    assert_eq!(words[1] & !(0xffff << 5), 0xf2a0_0010, "movk x16, lsl #16");
    assert_eq!(words[2], 0x1000_0011, "adr x17, of itself");
    assert_eq!(words[4], BR | 16 << 5, "br x16");
    let distance = half(words[0]) | half(words[1]) << 16;
    match words[3] {
        0x8b10_0230 => at as i64 + 8 + distance,
        0xcb10_0230 => at as i64 + 8 - distance,
        other => panic!("{other:#x} neither adds nor subtracts x16 and x17"),
    }
}

/// The branches of the AArch64 assembler; the first one is unconditional.
type BranchA64 = fn(&mut aarch64::Assembler, Label);

const BRANCHES_A64: [BranchA64; 4] = [
    |asm, to| asm.b(to),
    |asm, to| asm.b_cond(aarch64::encode::Cc::Gt, to),
    |asm, to| asm.cbz(aarch64::regs::X3, to),
    |asm, to| asm.cbnz(aarch64::regs::X28, to),
];

/// A branch forward or backward to a label, with `words` instructions in between.
fn distant_a64(
    branch: BranchA64,
    forward: bool,
    words: usize,
    tuning: &Tuning,
    forms: Forms,
) -> Result<Vec<u8>, OutOfRange> {
    let mut asm = aarch64::Assembler::with(Vec::new(), tuning, forms);
    let label = asm.label();
    if forward {
        branch(&mut asm, label);
    } else {
        asm.bind(label);
    }
    (0..words).for_each(|_| asm.put(aarch64::encode::nop()));
    if forward {
        asm.bind(label);
    } else {
        branch(&mut asm, label);
    }
    asm.finish()
}

/// The opposite of a conditional branch. It differs in the lowest bit of the condition, or in the bit that tells `cbz` from
/// `cbnz`.
fn opposite(word: u32) -> u32 {
    if word >> 24 == 0x54 { word ^ 1 } else { word ^ 1 << 24 }
}

#[test]
#[cfg_attr(target_arch = "aarch64", ignore = "gives the same result on every host and is slow in an emulator")]
fn conditional_branches_change_form_at_one_mebibyte() {
    const WORDS: usize = 1 << 18;
    let tuning = Tuning::default();
    let short = Forms::default();
    for branch in &BRANCHES_A64[1..] {
        // Forward: the farthest target is 2^18 - 1 words away.
        let code = distant_a64(*branch, true, WORDS - 2, &tuning, short).expect("the branch reaches");
        assert_eq!((code.len(), branch_target(&code, 0)), (4 * (WORDS - 1), 4 * (WORDS as i64 - 1)));
        let conditional = word(&code, 0) & !(0x7_ffff << 5);
        let error = distant_a64(*branch, true, WORDS - 1, &tuning, short).expect_err("one word too far");
        let near = Forms { labels: Reach::Near, ..Forms::default() };
        assert_eq!((error.next, error.memory.len()), (Some(near), 4 * WORDS));
        let code = distant_a64(*branch, true, WORDS - 1, &tuning, near).expect("the branch reaches");
        assert_eq!(word(&code, 0) & !(0x7_ffff << 5), opposite(conditional));
        assert_eq!((branch_target(&code, 0), branch_target(&code, 4)), (8, 4 * (WORDS as i64 + 1)));
        // Backward: the farthest target is 2^18 words away. The distance is known, so the longer form is used without a retry.
        let code = distant_a64(*branch, false, WORDS, &tuning, short).expect("the branch reaches");
        assert_eq!((code.len(), branch_target(&code, 4 * WORDS)), (4 * (WORDS + 1), 0));
        let code = distant_a64(*branch, false, WORDS + 1, &tuning, short).expect("the branch reaches");
        assert_eq!(code.len(), 4 * (WORDS + 3));
        assert_eq!(word(&code, 4 * (WORDS + 1)) & !(0x7_ffff << 5), opposite(conditional));
        assert_eq!(branch_target(&code, 4 * (WORDS + 1)), 4 * (WORDS as i64 + 3));
        assert_eq!(branch_target(&code, 4 * (WORDS + 2)), 0);
    }
}

#[test]
#[cfg_attr(target_arch = "aarch64", ignore = "gives the same result on every host and is slow in an emulator")]
fn unconditional_branches_change_form_at_the_end_of_their_range() {
    let b = BRANCHES_A64[0];
    let (short, near, far) = (Reach::Short, Reach::Near, Reach::Far);
    let of_labels = |labels| Forms { labels, ..Forms::default() };
    for words in [1, 2, 16, 1000] {
        let range = 4 * words as i64;
        let tuning = Tuning { short_range: 0, near_range: range, ..Tuning::default() };
        // Forward, there is one word less in between, since a distance is measured from the branch itself.
        for form in [short, near] {
            let code = distant_a64(b, true, words - 1, &tuning, of_labels(form)).expect("the branch reaches");
            assert_eq!((code.len() as i64, branch_target(&code, 0)), (range, range));
        }
        let error = distant_a64(b, true, words, &tuning, of_labels(near)).expect_err("too far");
        assert_eq!(error.next, Some(of_labels(far)));
        let error = distant_a64(b, true, words, &tuning, of_labels(short)).expect_err("too far");
        assert_eq!(error.next, Some(of_labels(near)), "the form grows by one step at a time");
        let code = distant_a64(b, true, words, &tuning, of_labels(far)).expect("the far form reaches everything");
        assert_eq!((code.len(), computed_target(&code, 0)), (4 * (words + 5), 4 * (words as i64 + 5)));
        // Backward.
        let code = distant_a64(b, false, words, &tuning, of_labels(short)).expect("the branch reaches");
        assert_eq!((code.len(), branch_target(&code, 4 * words)), (4 * (words + 1), 0));
        let code = distant_a64(b, false, words + 1, &tuning, of_labels(short)).expect("the branch reaches");
        assert_eq!((code.len(), computed_target(&code, 4 * (words + 1))), (4 * (words + 6), 0));
        // A conditional branch that skips a computed jump.
        for branch in &BRANCHES_A64[1..] {
            let code =
                distant_a64(*branch, true, words, &tuning, of_labels(far)).expect("the far form reaches everything");
            assert_eq!((branch_target(&code, 0), computed_target(&code, 4)), (24, 4 * (words as i64 + 6)));
            let code = distant_a64(*branch, false, words + 1, &tuning, of_labels(short)).expect("the branch reaches");
            assert_eq!(branch_target(&code, 4 * (words + 1)), 4 * (words as i64 + 7));
            assert_eq!(computed_target(&code, 4 * (words + 2)), 0);
        }
    }
}

#[test]
#[cfg_attr(target_arch = "aarch64", ignore = "gives the same result on every host and is slow in an emulator")]
fn unconditional_branches_change_form_at_128_mebibytes() {
    const WORDS: usize = 1 << 25;
    let b = BRANCHES_A64[0];
    let tuning = Tuning { initial_bytes: 4 * (WORDS + 16), ..Tuning::default() };
    let code = distant_a64(b, true, WORDS - 2, &tuning, Forms::default()).expect("the branch reaches");
    assert_eq!(branch_target(&code, 0), 4 * (WORDS as i64 - 1));
    let error = distant_a64(b, true, WORDS - 1, &tuning, Forms::default()).expect_err("one word too far");
    assert_eq!(error.next, Some(Forms { labels: Reach::Near, ..Forms::default() }));
    let code = distant_a64(b, false, WORDS, &tuning, Forms::default()).expect("the branch reaches");
    assert_eq!((code.len(), branch_target(&code, 4 * WORDS)), (4 * (WORDS + 1), 0));
    let code = distant_a64(b, false, WORDS + 1, &tuning, Forms::default()).expect("the branch reaches");
    assert_eq!(computed_target(&code, 4 * (WORDS + 1)), 0);
}

/// Emits operations with the given forms.
fn emit<I: Isa>(ops: &[Op], tuning: &Tuning, forms: Forms) -> Result<Vec<u8>, OutOfRange> {
    let shape = Shape { registers: 4, metered: true, ..Shape::default() };
    let mut emitter = I::begin(Vec::new(), &shape, tuning, forms);
    ops.iter().for_each(|op| emitter.put(*op));
    Ok(emitter.finish()?.bytes)
}

#[test]
fn labels_and_exits_request_longer_forms_independently() {
    let &[d, ..] = aarch64::Emitter::ALLOCATABLE else { unreachable!("the emitter has registers") };
    let store = Op::Store { s: d, slot: Slot(0) };
    let forms = |labels, exits| Forms { labels, exits, ..Forms::default() };
    let (short, near, far) = (Reach::Short, Reach::Near, Reach::Far);
    let tuning = Tuning { short_range: 64, near_range: 256, ..Tuning::default() };
    let next = |ops: &[Op], forms| emit::<aarch64::Emitter>(ops, &tuning, forms).err().map(|error| error.next);
    let branch = Op::BranchImm { cond: jitduel::lir::Cond::Eq, a: d, imm: 0, to: Label(0) };
    let (fuel, end) = (Op::Fuel { site: Site(0) }, Op::Return { end: Slot(0) });
    let body = |first: Op, length: usize, label: bool| {
        let stores = std::iter::repeat_n(store, length);
        let label = label.then_some(Op::Label(Label(0)));
        std::iter::once(first).chain(stores).chain(label).chain([end]).collect::<Vec<_>>()
    };
    // 15 stores and the branch itself are 64 bytes.
    assert_eq!(next(&body(branch, 15, true), forms(short, short)), None);
    assert_eq!(next(&body(branch, 16, true), forms(short, short)), Some(Some(forms(near, short))));
    assert_eq!(next(&body(branch, 63, true), forms(near, short)), None);
    assert_eq!(next(&body(branch, 64, true), forms(near, short)), Some(Some(forms(far, short))));
    assert_eq!(next(&body(branch, 5000, true), forms(far, short)), None);
    assert_eq!(next(&body(fuel, 3, false), forms(short, short)), None);
    assert_eq!(next(&body(fuel, 20, false), forms(short, short)), Some(Some(forms(short, near))));
    assert_eq!(next(&body(fuel, 80, false), forms(short, near)), Some(Some(forms(short, far))));
    assert_eq!(next(&body(fuel, 5000, false), forms(short, far)), None);
    // Both labels and exits are out of range.
    let both: Vec<_> = [branch].into_iter().chain(body(fuel, 80, true)).collect();
    assert_eq!(next(&both, forms(short, short)), Some(Some(forms(near, near))));
    assert_eq!(next(&both, forms(near, near)), Some(Some(forms(far, far))));
    assert_eq!(next(&both, forms(far, far)), None);
    // On x86-64 every form reaches everything.
    let x64 = emit::<x86_64::Emitter>(&both, &tuning, Forms::default());
    assert!(x64.is_ok());
}

#[test]
fn backward_branches_use_one_byte_up_to_its_limit() {
    use x86_64::encode::{Cc, nop};
    let distant = |cc: Option<Cc>, forward: bool, bytes: usize, tuning: &Tuning| {
        let mut asm = x86_64::Assembler::with(Vec::new(), tuning, Forms::default());
        let label = asm.label();
        if !forward {
            asm.bind(label);
            (0..bytes).for_each(|_| asm.put(nop()));
        }
        match cc {
            Some(cc) => asm.jcc(cc, label),
            None => asm.jmp(label),
        }
        if forward {
            (0..bytes).for_each(|_| asm.put(nop()));
            asm.bind(label);
        }
        asm.finish().expect("the branch reaches")
    };
    let rel32 = |code: &[u8]| i32::from_le_bytes(code[code.len() - 4..].try_into().expect("four bytes"));
    let default = Tuning::default();
    for cc in [None, Some(Cc::E), Some(Cc::G)] {
        let long_opcode = if cc.is_some() { 2 } else { 1 };
        // 126 bytes plus a two-byte branch are 128.
        let code = distant(cc, false, 126, &default);
        assert_eq!((code.len(), code[127] as i8), (128, -128));
        assert_eq!(code[126], cc.map_or(0xeb, |cc| 0x70 | cc.bits()));
        let code = distant(cc, false, 127, &default);
        assert_eq!((code.len(), rel32(&code)), (127 + long_opcode + 4, -(127 + long_opcode as i32 + 4)));
        // A branch to itself.
        let code = distant(cc, false, 0, &default);
        assert_eq!((code.len(), code[1] as i8), (2, -2));
        // A forward displacement always has four bytes, since the distance is not known yet.
        for bytes in [0, 127, 128, 100_000] {
            let code = distant(cc, true, bytes, &default);
            let at = long_opcode..long_opcode + 4;
            let displacement = i32::from_le_bytes(code[at].try_into().expect("four bytes"));
            assert_eq!((code.len(), displacement), (bytes + long_opcode + 4, bytes as i32));
        }
        // A lowered range is measured like the machine's.
        let lowered = Tuning { short_range: 20, ..default };
        assert_eq!(distant(cc, false, 18, &lowered).len(), 20);
        assert_eq!(distant(cc, false, 19, &lowered).len(), 19 + long_opcode + 4);
    }
}

#[test]
fn a_label_is_bound_exactly_once() {
    fn message(f: impl FnOnce()) -> String {
        let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("the assembler panics");
        panic.downcast_ref::<String>().expect("the panic has a message").clone()
    }
    let twice_a64 = message(|| {
        let mut asm = aarch64::Assembler::new();
        let label = asm.label();
        asm.bind(label);
        asm.bind(label);
    });
    let twice_x64 = message(|| {
        let mut asm = x86_64::Assembler::new();
        let (_, label) = (asm.label(), asm.label());
        asm.bind(label);
        asm.put(x86_64::encode::nop());
        asm.bind(label);
    });
    assert!(twice_a64.contains("label 0 is bound twice") && twice_x64.contains("label 1 is bound twice"));
    let never_a64 = message(|| {
        let mut asm = aarch64::Assembler::new();
        let label = asm.label();
        asm.cbz(aarch64::regs::X1, label);
        let _ = asm.finish();
    });
    let never_x64 = message(|| {
        let mut asm = x86_64::Assembler::new();
        let (bound, unbound) = (asm.label(), asm.label());
        asm.bind(bound);
        asm.jmp(bound);
        asm.jmp(unbound);
        let _ = asm.finish();
    });
    assert!(never_a64.contains("label 0 is never bound") && never_x64.contains("label 1 is never bound"));
    // A label without branches need not be bound. New labels do not collide with labels from LIR.
    let mut asm = aarch64::Assembler::new();
    asm.label();
    asm.bind(Label(7));
    let fresh = asm.label();
    assert_eq!(fresh, Label(8));
    asm.bind(fresh);
    assert_eq!(asm.finish(), Ok(Vec::new()));
}
