//! Closed forms of counted loops, against powers of the map that the referee makes of one pass. Counts are such that nobody can
//! run the passes one by one: an answer shows that the closed form was taken.

use std::sync::Arc;

use jitduel::engine::{Engine, NoClock, Options, outcome};
use jitduel::exec::Stack;
use jitduel::interp::tree::{Measured, Tree, measure};
use jitduel::isa::Tuning;
use jitduel::lang::{Source, load, parse};
use jitduel::outcome::{DEFAULT_STACK_LIMIT, Outcome, TrapKind};
use jitduel::tiers::{Native, tier};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// Bodies that have a closed form, and of how many values they are.
const BODIES: [(&str, usize); 32] = [
    ("", 1),
    ("1 +", 1),
    ("-9223372036854775808 -", 1),
    ("over +", 2),
    ("dup drop over 3 * 5 + +", 2),
    ("swap over + swap 1 +", 2),
    ("swap over - swap 7 -", 2),
    ("rot 2 pick 3 * + rot rot", 3),
    ("swap over + swap over 3 * +", 2),
    // L is a cycle, and its square is zero.
    ("over over - swap over + rot rot + swap", 2),
    ("3 * 7 +", 1),
    ("6364136223846793005 * 1442695040888963407 +", 1),
    ("2 *", 1),
    ("-6 * 1 -", 1),
    ("3 lshift 1 +", 1),
    ("67 lshift 1 -", 1),
    ("dup +", 1),
    ("0 swap -", 1),
    ("5 swap -", 1),
    ("drop 5", 1),
    ("drop 5 3 xor 2 and 1 or 60 lshift 2 rshift", 1),
    ("swap over +", 2),
    ("swap", 2),
    ("swap 1 +", 2),
    ("swap over 3 * + 1 -", 2),
    ("2 pick +", 3),
    ("3 pick 3 pick - 2 * +", 4),
    ("5 times 3 + end", 1),
    ("10 times over + 3 times swap 1 + swap end end", 2),
    ("0 times 7 * end -3 times drop 1 end 1 +", 1),
    ("4611686018427387904 times 2 times 1 + end end", 1),
    ("2 3 * times 2 times 3 * end end", 1),
];

const COUNTS: [i64; 16] =
    [i64::MIN, -1, 0, 1, 2, 3, 4, 63, 64, 65, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, 1 << 62, i64::MAX - 1, i64::MAX];

fn engine(value_registers: usize) -> Native {
    let tier = tier("regs-closed").expect("it exists");
    Native::with_tuning("regs-closed", tier, Tuning { value_registers, ..Tuning::default() })
}

/// Runs a program; with fuel it is metered.
fn run(engine: &mut dyn Engine, text: &str, inputs: &[i64], fuel: Option<u64>, stack: &mut Stack) -> Outcome {
    let program = load(&Source::new("test", text), inputs.len()).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    let options = Options { metered: fuel.is_some(), ..Options::default() };
    let mut prepared = engine.prepare(&program, &options, &mut NoClock).expect("the host can run it");
    outcome(&mut *prepared, inputs, fuel, stack)
}

/// What the referee makes of a program.
fn referee(text: &str, inputs: &[i64], fuel: Option<u64>) -> Measured {
    let ast = Arc::new(parse(&Source::new("test", text)).unwrap_or_else(|error| panic!("{text}: {error}")));
    measure(&ast, inputs, fuel, DEFAULT_STACK_LIMIT)
}

fn stack() -> Stack {
    Stack::new(DEFAULT_STACK_LIMIT).expect("memory")
}

/// A square matrix over the integers modulo 2^64, of the values and of the constant 1, which is the last.
type Matrix = Vec<Vec<u64>>;

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let entry = |row: &Vec<u64>, column: usize| {
        row.iter().zip(b).fold(0u64, |sum, (factor, of)| sum.wrapping_add(factor.wrapping_mul(of[column])))
    };
    a.iter().map(|row| (0..b[0].len()).map(|column| entry(row, column)).collect()).collect()
}

/// What a pass of a body does, found by running it on the unit vectors.
fn pass(body: &str, values: usize) -> Matrix {
    let of = |inputs: Vec<i64>| match run(&mut Tree, body, &inputs, None, &mut stack()) {
        Outcome::Done(results) => results,
        Outcome::Trap(trap) => panic!("{body}: {trap:?}"),
    };
    let origin = of(vec![0; values]);
    let mut matrix = vec![vec![0; values + 1]; values + 1];
    let images: Vec<Vec<i64>> =
        (0..values).map(|unit| of((0..values).map(|value| i64::from(value == unit)).collect())).collect();
    for (row, entries) in matrix.iter_mut().enumerate().take(values) {
        for (entry, image) in entries.iter_mut().zip(&images) {
            *entry = image[row].wrapping_sub(origin[row]) as u64;
        }
        entries[values] = origin[row] as u64;
    }
    matrix[values][values] = 1;
    matrix
}

/// The stack behind so many passes.
fn expected(pass: &Matrix, count: i64, inputs: &[i64]) -> Vec<i64> {
    let mut vector: Matrix = inputs.iter().map(|input| vec![*input as u64]).chain([vec![1]]).collect();
    let mut square = pass.clone();
    let mut left = count.max(0);
    while left > 0 {
        if left & 1 == 1 {
            vector = product(&square, &vector);
        }
        square = product(&square, &square);
        left >>= 1;
    }
    vector[..inputs.len()].iter().map(|row| row[0] as i64).collect()
}

/// Bodies that a pass of the referee can carry out, whose loops are short.
fn is_short(body: &str) -> bool {
    !body.contains("4611686018427387904")
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn any_count_is_carried_out_at_once() {
    let (mut stack, mut engine) = (stack(), engine(usize::MAX));
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(31);
    for (body, values) in BODIES {
        let pass = if is_short(body) {
            pass(body, values)
        } else {
            // 2^63 passes of `1 +`.
            vec![vec![1, 1 << 63], vec![0, 1]]
        };
        let random: Vec<i64> = (0..20).map(|_| rng.next_u64() as i64 >> (rng.next_u32() % 64)).collect();
        for count in COUNTS.into_iter().chain(random) {
            let inputs: Vec<i64> = (0..values).map(|_| rng.next_u64() as i64 >> (rng.next_u32() % 64)).collect();
            let expected = Outcome::Done(expected(&pass, count, &inputs));
            let counted: Vec<i64> = inputs.iter().copied().chain([count]).collect();
            let in_register = run(&mut engine, &format!("times {body} end"), &counted, None, &mut stack);
            assert_eq!(in_register, expected, "times {body} end, inputs {counted:?}");
            let known = run(&mut engine, &format!("{count} times {body} end"), &inputs, None, &mut stack);
            assert_eq!(known, expected, "{count} times {body} end, inputs {inputs:?}");
        }
    }
}

/// Fuel that suffices exactly is used up, so that one pass more traps; as much as there can be suffices for any count.
#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn fuel_is_paid_for_all_passes() {
    let (mut stack, mut engine) = (stack(), engine(usize::MAX));
    for (body, values) in BODIES.into_iter().filter(|(body, _)| is_short(body)) {
        let matrix = pass(body, values);
        let inputs: Vec<i64> = (3..).take(values).collect();
        let each = 1 + referee(body, &inputs, None).passes;
        for count in COUNTS {
            let results = expected(&matrix, count, &inputs);
            let Some(fuel) = (count.max(0) as u64).checked_mul(each) else { continue };
            for (text, inputs) in [
                (format!("times {body} end 1 times end"), inputs.iter().copied().chain([count]).collect()),
                (format!("{count} times {body} end 1 times end"), inputs.clone()),
            ] {
                let mut with = |fuel| run(&mut engine, &text, &inputs, Some(fuel), &mut stack);
                assert_eq!(with(fuel + 1), Outcome::Done(results.clone()), "{text}, inputs {inputs:?}");
                assert_eq!(with(u64::MAX), Outcome::Done(results.clone()), "{text}, inputs {inputs:?}");
                let Outcome::Trap(trap) = with(fuel) else { panic!("{text}, inputs {inputs:?}: no fuel is left") };
                assert_eq!(trap.kind, TrapKind::OutOfFuel);
                assert_eq!(trap.at.start as usize, text.len() - "times end".len(), "{text}, inputs {inputs:?}");
            }
        }
    }
}

/// A count whose cost 64 bits do not hold takes the passes, of which none must be paid before.
#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn a_cost_that_wraps_is_not_taken_for_a_small_one() {
    let (mut stack, mut engine) = (stack(), engine(usize::MAX));
    // 2^62 times 4 passes are 2^64; 2^61 times 9 a little more.
    for (text, inputs, fuel) in [
        ("times 3 times 1 + end end", vec![0, 1 << 62], 1000),
        ("4611686018427387904 times 3 times 1 + end end", vec![0], 1001),
        ("times 8 times 1 + end end", vec![0, 1 << 61], 1002),
        ("times 9223372036854775807 times 2 times 1 + end end end", vec![0, 2], 1003),
        ("2 times 9223372036854775807 times 1 + end end", vec![0], 1004),
        ("times 9223372036854775807 times 1 + end end", vec![0, 2], 1005),
        ("times 4294967296 times 4294967296 times 1 + end end end", vec![0, 1], 1006),
    ] {
        let Measured { outcome, .. } = referee(text, &inputs, Some(fuel));
        assert!(matches!(outcome, Outcome::Trap(trap) if trap.kind == TrapKind::OutOfFuel));
        assert_eq!(run(&mut engine, text, &inputs, Some(fuel), &mut stack), outcome, "{text}, inputs {inputs:?}");
    }
}

/// Words of which affine bodies are made, each with what it needs and leaves on the stack.
const WORDS: [(&str, usize, usize); 14] = [
    ("dup", 1, 2),
    ("over", 2, 3),
    ("swap", 2, 2),
    ("rot", 3, 3),
    ("nip", 2, 1),
    ("tuck", 2, 3),
    ("drop", 1, 0),
    ("+", 2, 1),
    ("-", 2, 1),
    ("N +", 1, 1),
    ("N *", 1, 1),
    ("3 lshift", 1, 1),
    ("2 pick", 3, 4),
    ("N", 0, 1),
];

/// A body that finds this many values and leaves as many, with loops in it at times.
fn random_body(rng: &mut Xoshiro256PlusPlus, values: usize, levels: u32) -> String {
    let mut below = |bound: usize| (rng.next_u64() % bound as u64) as usize;
    let mut body = String::new();
    let mut depth = values;
    let inner = (levels > 0 && below(2) == 0).then(|| below(6));
    let mut nested = None;
    for step in 0..6 {
        let (word, pops, pushes) = WORDS[below(WORDS.len())];
        if depth < pops || depth + pushes - pops > values + 2 {
            continue;
        }
        depth = depth + pushes - pops;
        let literal = ["1", "-1", "2", "7", "-9223372036854775808", "0x123456789abcdef"][below(6)];
        body += &format!("{} ", word.replace('N', literal));
        if inner == Some(step) && depth > 0 {
            nested = Some((body.len(), depth.min(3), below(5)));
        }
    }
    while depth < values {
        body += "5 ";
        depth += 1;
    }
    while depth > values {
        body += ["+ ", "nip ", "drop "][below(3)];
        depth -= 1;
    }
    if let Some((at, values, count)) = nested {
        let inner = random_body(rng, values, levels - 1);
        body.insert_str(at, &format!("{count} times {inner}end "));
    }
    body
}

/// Whether the closed form is taken or not: small counts against the referee, with every fuel around what they need.
#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn random_affine_loops_agree_with_the_referee() {
    let mut stack = stack();
    let mut engines: Vec<Native> = [usize::MAX, 6, 7, 8, 9].into_iter().map(engine).collect();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(32);
    for round in 0..if cfg!(target_arch = "aarch64") { 300 } else { 3_000 } {
        let values = 1 + round % 4;
        let body = random_body(&mut rng, values, 2);
        let inputs: Vec<i64> = (0..values).map(|_| rng.next_u64() as i64 >> (rng.next_u32() % 64)).collect();
        for count in -1..5 {
            let counted: Vec<i64> = inputs.iter().copied().chain([count]).collect();
            let known = format!("{count} times {body}end");
            for (text, inputs) in [(format!("times {body}end"), &counted), (known, &inputs)] {
                let Measured { outcome, passes, .. } = referee(&text, inputs, None);
                let fuels = [None, Some(passes.saturating_sub(1)), Some(passes), Some(passes + 1), Some(passes / 2)];
                for fuel in fuels {
                    let expected = match fuel {
                        Some(fuel) if fuel < passes => referee(&text, inputs, Some(fuel)).outcome,
                        _ => outcome.clone(),
                    };
                    let engine = &mut engines[round % 5];
                    let got = run(engine, &text, inputs, fuel, &mut stack);
                    assert_eq!(got, expected, "{text}, inputs {inputs:?}, fuel {fuel:?}");
                }
            }
        }
    }
}

/// Loops of one or two values are always carried out at once: random ones with counts that nobody could run.
#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn random_affine_loops_run_any_number_of_times() {
    let (mut stack, mut engine) = (stack(), engine(usize::MAX));
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(33);
    for round in 0..if cfg!(target_arch = "aarch64") { 300 } else { 3_000 } {
        let values = 1 + round % 2;
        let body = random_body(&mut rng, values, 2);
        let matrix = pass(&body, values);
        let inputs: Vec<i64> = (0..values).map(|_| rng.next_u64() as i64 >> (rng.next_u32() % 64)).collect();
        let count = i64::MAX >> (rng.next_u32() % 3) ^ (rng.next_u32() as i64);
        let expected = Outcome::Done(expected(&matrix, count, &inputs));
        let counted: Vec<i64> = inputs.iter().copied().chain([count]).collect();
        let text = format!("times {body}end");
        assert_eq!(run(&mut engine, &text, &counted, None, &mut stack), expected, "{text}, inputs {counted:?}");
        let text = format!("{count} times {body}end");
        assert_eq!(run(&mut engine, &text, &inputs, None, &mut stack), expected, "{text}, inputs {inputs:?}");
    }
}

/// Closed forms among what else is going on: values in registers around them, counters in the frame, loops that begin where
/// they end, branches, moves of the data-stack pointer.
#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn closed_forms_fit_in() {
    let mut stack = stack();
    for text in [
        "times 3 times 1 + end 2 times swap 3 + swap end over over xor rot rot + end",
        "dup times 1 + end dup times dup + end while dup do 1 - end",
        "dup 1 and if 5 times 2 * end else times 3 + end 1 end",
        "3 times 1 times 2 times 3 times 1 + end end end dup 4 times 7 xor 1 + end end",
        "times dup 3 and times 100 end 3 times 1 + end end",
        "over over times 1 + end swap times 3 * 1 + end over over times swap over + end",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 9 pick 3 and times rot rot 1 + end + + + + + + + + + + +",
        "4 times dup times 1 + end dup 63 and times swap over + 1 + end 7 and end",
        "dup times end times end times 1 + end",
    ] {
        for inputs in [[3, 5, 2, 4], [-7, 1 << 40, 1, 0], [i64::MAX, i64::MIN, 0, 9], [1, 2, -1, 6]] {
            let Measured { outcome, passes, .. } = referee(text, &inputs, Some(20_000));
            for value_registers in [6, 7, 8, 9, 10, 11] {
                let mut engine = engine(value_registers);
                for fuel in (0..passes.min(200)).chain([passes, passes + 1, 20_000]) {
                    let expected = referee(text, &inputs, Some(fuel)).outcome;
                    let got = run(&mut engine, text, &inputs, Some(fuel), &mut stack);
                    assert_eq!(got, expected, "{text}, inputs {inputs:?}, fuel {fuel}, {value_registers} registers");
                }
                if !matches!(outcome, Outcome::Trap(trap) if trap.kind == TrapKind::OutOfFuel) {
                    let got = run(&mut engine, text, &inputs, None, &mut stack);
                    assert_eq!(got, outcome, "{text}, inputs {inputs:?}, {value_registers} registers");
                }
            }
        }
    }
}
