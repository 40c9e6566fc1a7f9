//! Targets of coverage-guided fuzzing: each function accepts any bytes and panics on a failure.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::judge::{Care, Judge};
use super::ssa_functions::{self, INPUTS};
use crate::corpus::cases;
use crate::engine::{NoClock, Options, Task, outcome};
use crate::exec::Store;
use crate::generate::{Trial, decoded_trial, trial_from_bytes};
use crate::isa::{Isa, aarch64, x86_64};
use crate::lang::print::print;
use crate::lang::{Diagnostic, Fault, Language, Source, load, parse, verify};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT};
use crate::parallel_moves::checker::{Value, check};
use crate::parallel_moves::{Breaker, Move};
use crate::ssa::interpret::{self, Ending, Machine};
use crate::ssa::ir::Function;
use crate::ssa::passes::Target;
use crate::ssa::{self, PASSES};
use crate::tiered::profile::{Hot, Profiles};
use crate::tiered::{Choice, Costs, Threshold, Tiered};

/// The maximum fuel, so that no program takes long.
const MAX_ITERATIONS: u64 = 1_000;

/// The maximum number of cases per text.
const MAX_CASES: usize = 4;

/// The maximum number of memory cells, because every run zeroes them.
const MAX_CELLS: usize = 1 << 16;

/// Parses any bytes, prints and reparses the program, and verifies it. Renders a diagnostic if they are not a program.
///
/// # Panics
/// Panics if the printed program differs from the parsed one.
pub fn front_end(bytes: &[u8]) {
    let source = Source::new("fuzz", bytes);
    let shown = |fault: &Fault| assert!(!Diagnostic::from(fault).render(&source).to_string().is_empty());
    match parse(&source) {
        Err(error) => shown(&error.into()),
        Ok(ast) => {
            let ast = Arc::new(ast);
            let printed = print(&ast);
            let again = parse(&Source::new("printed", printed.as_bytes())).expect("a printed program parses");
            assert_eq!(again.without_positions(), ast.without_positions(), "printing keeps the program");
            for inputs in 0..4 {
                if let Err(rejection) = verify(&ast, inputs) {
                    shown(&rejection.into());
                }
            }
        }
    }
}

/// Runs any bytes as source text on all engines, with the text's own cases or without inputs.
///
/// # Panics
/// Panics if the judge finds a disagreement.
pub fn source(judge: &mut Judge, bytes: &[u8]) {
    let source = Source::new("fuzz", bytes);
    let Ok(text) = str::from_utf8(bytes) else { return front_end(bytes) };
    if parse(&source).is_ok_and(|ast| ast.cells() > MAX_CELLS) {
        return front_end(bytes);
    }
    let trial = |inputs: Vec<i64>, fuel: Option<u64>, stack_limit: usize, call_limit: u64| Trial {
        language: Language::Stack,
        text: text.to_owned(),
        stack_limit: stack_limit.clamp(inputs.len(), DEFAULT_STACK_LIMIT.max(inputs.len())),
        call_limit: call_limit.min(DEFAULT_CALL_LIMIT),
        inputs,
        fuel: fuel.unwrap_or(MAX_ITERATIONS).min(MAX_ITERATIONS),
    };
    let cases = cases(&source).unwrap_or_default().into_iter().take(MAX_CASES);
    let mut trials: Vec<Trial> =
        cases.map(|case| trial(case.inputs, case.fuel, case.stack_limit, case.call_limit)).collect();
    if trials.is_empty() {
        trials.push(trial(Vec::new(), None, DEFAULT_STACK_LIMIT, DEFAULT_CALL_LIMIT));
    }
    trials.iter().for_each(|trial| judged(judge, trial));
}

/// Runs the program that the generator builds from these bytes as its decisions.
///
/// # Panics
/// Panics if the judge finds a disagreement.
pub fn program(judge: &mut Judge, bytes: &[u8]) {
    judged(judge, &trial_from_bytes(bytes));
}

/// Runs the program that these bytes encode.
///
/// # Panics
/// Panics if the judge finds a disagreement, or if the program is invalid.
pub fn words(judge: &mut Judge, bytes: &[u8]) {
    let trial = decoded_trial(bytes);
    if let Err(fault) = trial.load() {
        panic!("{fault}\n{trial:?}");
    }
    judged(judge, &trial);
}

fn judged(judge: &mut Judge, trial: &Trial) {
    if let Err(disagreement) = judge.judge(trial, Care::Thorough) {
        panic!("{}: {:?}\n{}\n{trial:?}", disagreement.class, disagreement.engines, disagreement.detail);
    }
}

/// Resolves the parallel moves that these bytes encode, with every kind of breaker.
///
/// # Panics
/// If a register ends with a wrong value.
pub fn parallel_moves(bytes: &[u8]) {
    let (scratch, bytes) = bytes.split_first().map_or((0, bytes), |(first, rest)| (first % 32, rest));
    check(&decoded_moves(bytes, None), Breaker::Memory);
    check(&decoded_moves(bytes, None), Breaker::Exchange);
    check(&decoded_moves(bytes, Some(scratch)), Breaker::Scratch(scratch));
}

/// Decodes two bytes for each move: the first holds the destination and the kind of the source, the second holds the
/// source. Leaves out moves that use the reserved register or that write to a destination again.
fn decoded_moves(bytes: &[u8], reserved: Option<u8>) -> Vec<Move<Value>> {
    let mut moves: Vec<Move<Value>> = Vec::new();
    for &[first, second] in bytes.as_chunks().0 {
        let (to, register) = (first % 32, second % 32);
        let (from, reads) = match first / 32 {
            0..=4 => (Value::Register(register), Some(register)),
            5 => (Value::Sum(register, i64::from(second / 32) + 1), Some(register)),
            6 => (Value::Constant(second.into()), None),
            _ => (Value::Memory(second), None),
        };
        let is_reserved = reserved.is_some_and(|reserved| to == reserved || reads == Some(reserved));
        if !is_reserved && moves.iter().all(|other| other.to != to) {
            moves.push(Move { to, from });
        }
    }
    moves
}

/// Improves the function in static single assignment form that these bytes encode, pass by pass, and allocates registers for it, on
/// both instruction sets and with few and many registers.
///
/// # Panics
/// If a step makes an invalid function, changes what the function does, or if an allocation is wrong.
pub fn passes(bytes: &[u8]) {
    passes_for::<aarch64::Emitter>(bytes);
    passes_for::<x86_64::Emitter>(bytes);
}

fn passes_for<I: Isa>(bytes: &[u8]) {
    let original = ssa_functions::decoded(bytes);
    ssa::verify::verify(&original).expect("the decoder makes valid functions");
    let observed_with = |function: &Function, spilled: FxHashMap<_, _>| {
        let mut machine = Machine {
            stack: (0..INPUTS).zip([7, -1, i64::MIN]).collect(),
            stack_limit: 100,
            cells: vec![0; ssa_functions::CELLS],
            fuel: 50,
            // Nested loops have few iterations.
            steps: 1_000_000,
            spilled,
            ..Machine::default()
        };
        let ending = interpret::run(std::slice::from_ref(function), &mut machine);
        // A trap loses the stack.
        (ending, machine.cells, matches!(ending, Ending::Done(_)).then_some(machine.stack))
    };
    let observed = |function: &Function| observed_with(function, FxHashMap::default());
    let expected = observed(&original);
    let check = |function: &Function, step: &str| {
        ssa::verify::verify(function).unwrap_or_else(|error| panic!("{step}, {}: {error}", I::NAME));
        assert_eq!(observed(function), expected, "{step}, {}", I::NAME);
    };
    let target = Target::of::<I>(ssa_functions::CELLS);
    let mut improved = original.clone();
    for pass in PASSES {
        let mut alone = original.clone();
        pass.run(&mut alone, &target);
        check(&alone, pass.name);
        pass.run(&mut improved, &target);
        check(&improved, pass.name);
    }
    for function in [&original, &improved] {
        for registers in [0, 8, usize::MAX] {
            // A wrong allocation panics. The function with spill code does the same.
            let (allocated, spilled) = ssa::allocated::<I>(function.clone(), registers);
            assert_eq!(observed_with(&allocated, spilled), expected, "{registers} registers, {}", I::NAME);
        }
    }
}

/// The program for which [`profile`] gives hints: nested loops, a recursive definition, and definitions with loops that call others.
const HINTED: &str = ": a ( x -- y ) 3 * 7 xor ;
: b ( n -- m ) 0 swap times a 1 + end ;
: c ( n -- m ) dup 1 > if dup 1 - c + else b end ;
: d ( n -- m ) while dup 5 > do 3 - end 2 times b end ;
0 6 times 3 times 1 + end 2 times dup c + 31 and end end d";

/// Takes these bytes as a file of profiles. Then executes a program with hints that they encode, two bytes each.
///
/// # Panics
/// If a file that was read and written is not the same, or hints change the result of the program.
pub fn profile(bytes: &[u8]) {
    if let Ok(profiles) = Profiles::parse(bytes) {
        assert_eq!(Profiles::parse(profiles.text().as_bytes()), Ok(profiles), "a file that was written can be read");
    }
    let hint = |&[low, high]: &[u8; 2]| Hot {
        function: if high < 128 { u32::from(low % 8) } else { u32::from_le_bytes([low, high, high, 0]) },
        tier: if high % 2 == 0 { Choice::Baseline } else { Choice::Registers },
    };
    let hints: Vec<Hot> = bytes.as_chunks().0.iter().take(100).map(hint).collect();
    let program = load(&Source::new("hinted", HINTED), 0).expect("it is a program");
    let options = Options::default();
    let mut store = Store::new(options.stack_limit).expect("there is memory for a stack");
    let threshold = bytes.first().map_or(0, |byte| u64::from(byte % 4));
    let mut result = |threshold, hints: &[Hot]| {
        let engine = Tiered::new(Tiered::NAME, threshold);
        let prepared = engine.prepare_remembering(&Task::new(&program, &options), hints, &mut NoClock);
        outcome(&mut prepared.expect("there is memory for the code"), &[], None, &mut store)
    };
    let expected = result(Threshold::Never, &[]);
    let by_costs = [Costs::EAGER, Costs::FORESEEING].map(Threshold::BreakEven);
    for threshold in by_costs.into_iter().chain([Threshold::At(threshold)]) {
        assert_eq!(result(threshold, &hints), expected, "{threshold:?} with {hints:?}");
    }
}
