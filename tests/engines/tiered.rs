//! The tiered engine: it may continue in machine code at every iteration and at every call without any effect on the result.

use std::fmt::Write;

use jitduel::engine::{NoClock, Options, Prepared, Run, Task, outcome};
use jitduel::exec::Store;
use jitduel::generate::Trial;
use jitduel::interp::tree::evaluate;
use jitduel::lang::{Language, Program, Source, load};
use jitduel::oracle::judge::{Care, Judge};
use jitduel::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT, Outcome};
use jitduel::registry::all_names;
use jitduel::tiered::profile::Hot;
use jitduel::tiered::{Choice, Costs, Event, LONG, Threshold, TierCosts, Tiered, TieredProgram, What};
use jitduel::tiers::support;

fn program(text: &str, inputs: usize) -> Program {
    load(&Source::new("test", text), inputs).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn prepared(program: &Program, threshold: Threshold, hot: &[Hot]) -> TieredProgram {
    let options = Options::default();
    let engine = Tiered::new("tiered", threshold).with_time_line();
    engine.prepare_remembering(&Task::new(program, &options), hot, &mut NoClock).expect("there is memory")
}

/// With these costs, programs always begin in the interpreter.
const INTERPRETED: Threshold = Threshold::BreakEven(INTERPRETED_COSTS);

const INTERPRETED_COSTS: Costs = Costs { longest_whole: 0, ..Costs::MEASURED };

fn run(prepared: &mut TieredProgram, inputs: &[i64]) -> Vec<i64> {
    let mut stack = Store::new(DEFAULT_STACK_LIMIT).expect("there is memory");
    match outcome(prepared, inputs, None, &mut stack) {
        Outcome::Done(values) => values,
        Outcome::Trap(trap) => panic!("{trap:?}"),
    }
}

/// Programs whose loops have every property that matters where machine code is entered: a text, inputs and fuel.
const LOOPS: [(&str, &[i64], u64); 22] = [
    // Counters in registers and in the frame, and values of the outer loops.
    ("0 swap times 3 times 1 + end end", &[5], 40),
    ("0 4 times 1 + 3 times 2 + 2 times 3 + 2 times dup * 7 mod end end end end", &[], 200),
    // Conditions that are repeated at the end of an iteration, with a comparison, a flag and fuel.
    ("while dup 0 > do 1 - end", &[6], 20),
    ("1 while over do over * swap 1 - swap end nip", &[6], 20),
    ("while over over < do swap 2 + swap end drop", &[0, 13], 20),
    // A condition that is too long to be repeated, and one that traps.
    ("while dup dup * 3 + 7 xor 1 + 2 - 5 mod 4 < do 1 + end", &[-30], 60),
    ("while 100 over / do 30 - end", &[120], 20),
    // Loops that change the height of the stack, and that go below their start.
    ("times dup 1 + end", &[1, 5], 20),
    ("while dup 3 > do 1 - dup end", &[7], 20),
    ("1 2 3 4 5 6 4 times + end", &[], 20),
    // Loops left in the middle.
    ("0 10 times 1 + dup 4 > if leave end end", &[], 30),
    ("0 while 1 do 1 + dup 7 = if leave end end", &[], 30),
    ("0 6 times 5 times 1 + dup 13 = if leave end end end", &[], 60),
    // Many values, constants that no instruction holds, shifts and divisions.
    ("1 2 3 4 5 6 7 8 9 10 11 12 13 14 5 times 13 pick + 12 put 0x123456789abcdef xor end", &[], 20),
    ("9 times dup 3 lshift over 5 rshift xor over 7 / + swap 3 mod + 1 end", &[1, 2], 20),
    // Values that are equal, constant or untouched at the header.
    ("dup 7 5 times 2 pick + end", &[3], 20),
    // Loops in words deep in calls, recursive words, and words that are called in loops.
    (": h ( n -- m ) 0 swap times 2 + end ; : g ( n -- m ) h 1 + h ; : f ( n -- m ) g g ; f", &[2], 100),
    (": fib ( n -- f ) dup 2 < if else dup 1 - fib swap 2 - fib + end ; fib", &[7], 100),
    (": t ( n -- m ) 0 over times over 1 - dup 0 > if t + else drop end end + ; t", &[4], 300),
    (": w ( a b c d -- c d ) 3 pick times + over end rot rot drop drop ; 1 2 3 9 times 4 w end", &[], 200),
    // Memory.
    ("9 array a 9 times a 3 + @ 1 + a 3 + ! end a 3 + @", &[], 20),
    (": down ( n -- ) while dup do 1 - dup 0 > if dup down end end drop ; down", &[4], 200),
];

/// With a profile, the main program can begin in code of the first tier, which may be left at a loop. Its inputs must be there.
#[test]
fn a_remembered_program_gets_its_inputs_on_every_tier() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let threshold = Threshold::BreakEven(Costs::MEASURED);
    for (text, inputs, _) in LOOPS {
        let program = program(text, inputs.len());
        let Outcome::Done(expected) = evaluate(program.ast(), Run { inputs, fuel: Some(1_000), ..Run::default() })
        else {
            continue;
        };
        for tier in [Choice::Baseline, Choice::Registers] {
            let mut prepared = prepared(&program, threshold, &[Hot { function: 0, tier }]);
            for _ in 0..2 {
                assert_eq!(run(&mut prepared, inputs), expected, "{text} on {tier:?}");
            }
        }
    }
}

/// A recursive function without loops is left only when it returns, but the profile remembers that `regs` would have paid.
#[test]
fn a_profile_remembers_the_tier_that_pays() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let fib = ": fib ( n -- f ) dup 2 < if exit end dup 1 - fib swap 2 - fib + ; fib";
    let program = program(fib, 1);
    let remembered = |threshold, size: i64| {
        let mut prepared = prepared(&program, threshold, &[]);
        run(&mut prepared, &[size]);
        prepared.hot()
    };
    assert_eq!(remembered(INTERPRETED, 5), []);
    for (threshold, function) in [(INTERPRETED, 1), (Threshold::DEFAULT, 0)] {
        assert_eq!(remembered(threshold, 17), [Hot { function, tier: Choice::Baseline }]);
        assert_eq!(remembered(threshold, 25), [Hot { function, tier: Choice::Registers }]);
    }
}

/// What one run has compiled with the first tier serves the next run, which has other inputs.
#[test]
fn a_prepared_program_runs_again_with_other_inputs() {
    let text = "0 swap while dup do dup rot + swap 1 - end drop";
    let program = program(text, 1);
    let mut prepared = prepared(&program, Threshold::BreakEven(Costs::MEASURED), &[]);
    for size in [10, 1_000, 3_000, 2_000, 5, 4_000, 100_000, 7] {
        assert_eq!(run(&mut prepared, &[size]), [size * (size + 1) / 2], "{size}");
    }
}

/// Entered at the first iteration, at the second and so on, with fuel that ends at every place, and with limits around what is needed.
#[test]
fn entries_at_every_iteration_are_unobservable() {
    let names: Vec<_> = all_names().filter(|name| name.starts_with("tiered")).collect();
    let mut judge = Judge::new(&names).expect("they exist");
    let (mut tiered, mut changed) = (0, 0);
    for (text, inputs, fuel) in LOOPS {
        let (stack_limit, call_limit) = (DEFAULT_STACK_LIMIT, DEFAULT_CALL_LIMIT);
        for fuel in (0..=fuel).chain([1_000]) {
            let trial = Trial {
                language: Language::Stack,
                text: text.into(),
                inputs: inputs.to_vec(),
                fuel,
                stack_limit,
                call_limit,
            };
            let care = if fuel == 1_000 { Care::Thorough } else { Care::Quick };
            let judged = judge.judge(&trial, care).unwrap_or_else(|wrong| panic!("{text}, fuel {fuel}: {wrong:?}"));
            tiered += judged.tiered;
            changed += judged.changed;
        }
    }
    let least = if support().is_ok() { 2 * tiered / 5 } else { 0 };
    assert!(changed >= least, "{changed} of {tiered} runs changed tiers");
}

/// With each threshold, machine code takes over at exactly that iteration.
#[test]
fn a_threshold_is_exact() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let program = program("0 swap times 1 + end", 1);
    for threshold in 1..6 {
        for iterations in 0..8 {
            let mut prepared = prepared(&program, Threshold::At(threshold), &[]);
            // Every run counts anew.
            for _ in 0..2 {
                assert_eq!(run(&mut prepared, &[iterations]), [iterations]);
                let is_reached = iterations >= threshold as i64;
                assert_eq!(prepared.tier_changes(), u64::from(is_reached), "threshold {threshold}, {iterations}");
            }
        }
    }
}

/// A `times` loop is decided when it begins, and other work when it has been done. Either way, less work than pays stays interpreted.
#[test]
fn work_that_pays_is_compiled_and_less_is_not() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let tier = |operation| TierCosts { compile: 1_000.0, compile_operation: 0.0, operation };
    let interpreter = TierCosts { compile: 0.0, ..tier(2.0) };
    let costs =
        Costs { interpreter, interpreted_long: 2.0, baseline: tier(1.0), registers: tier(0.9), ..INTERPRETED_COSTS };
    let cases = [
        ("0 swap times 1 + end", 100, 1_000),
        ("while dup do 1 - end", 100, 1_000),
        ("0 swap times 0 7 times 1 + end + end", 10, 200),
        ("0 swap times 30 while dup do 1 - end + end", 5, 200),
        (": f ( n -- m ) dup if 1 - f 1 + end ; f", 20, 3_000),
        (": w ( a -- b ) 1 + ; 0 swap times w end", 50, 2_000),
        (": w ( a -- b ) 1 + ; 0 swap while dup do 1 - swap w swap end drop", 50, 2_000),
        // The last word of the loop is a call, and calls are noted at the same place each time.
        (": w ( a -- b ) 1 - ; 1 + w while dup do w end", 50, 2_000),
        (": a ( x -- y ) 1 - ; : b ( x -- y ) a a 1 + ; a while dup 0 > do b end", 15, 2_000),
        (": w ( a -- b ) 1 - ; : run ( n -- m ) 1 + w while dup do w end ; run", 50, 2_000),
    ];
    for (text, few, many) in cases {
        let program = program(text, 1);
        for (size, is_hot) in [(0, false), (1, false), (few, false), (many, true)] {
            let mut prepared = prepared(&program, Threshold::BreakEven(costs), &[]);
            run(&mut prepared, &[size]);
            assert_eq!(prepared.code_bytes() > Some(0), is_hot, "{text} with {size}: {:?}", prepared.events());
            assert_eq!(prepared.tier_changes() > 0, is_hot, "{text} with {size}: {:?}", prepared.events());
            let expected = run(&mut self::prepared(&program, Threshold::Never, &[]), &[size]);
            // What is hot stays hot, and the next run begins in machine code.
            assert_eq!(run(&mut prepared, &[size]), expected);
        }
    }
}

/// Interpreting an operation of a long loop takes longer, so less work pays. In the same function, a short loop still has to do more.
#[test]
fn a_long_loop_is_compiled_after_less_work() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let tier = |operation| TierCosts { compile: 0.0, compile_operation: 10.0, operation };
    // Compiling pays after 10 operations for each that is compiled, or else after one.
    let interpreter = TierCosts { compile_operation: 0.0, ..tier(2.0) };
    let costs =
        Costs { interpreter, interpreted_long: 11.0, baseline: tier(1.0), registers: tier(0.9), ..INTERPRETED_COSTS };
    let body = |words: usize| "3 * 1 + ".repeat(words / 4);
    let hot = |text: &str| {
        let program = program(text, 1);
        let mut prepared = prepared(&program, Threshold::BreakEven(costs), &[]);
        run(&mut prepared, &[5]);
        prepared.code_bytes() > Some(0)
    };
    let loop_of = |times: usize, words: usize| format!("{times} times {} end ", body(words));
    for (times, words, is_hot) in [(7, 2 * LONG, true), (7, LONG / 2, false), (30, LONG / 2, true)] {
        assert_eq!(hot(&loop_of(times, words)), is_hot, "{words} words {times} times");
    }
    assert!(!hot(&(body(2 * LONG) + &loop_of(60, LONG / 4))), "the loop is short, although its function is not");
}

/// If the inputs show that there will be enough work, nothing is interpreted. Before, runs with little work may have been.
#[test]
fn work_that_pays_is_foreseen() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let changes = |text: &str, sizes: &[i64]| -> Vec<u64> {
        let program = program(text, 1);
        let mut prepared = prepared(&program, Threshold::DEFAULT, &[]);
        let mut change = |size: &i64| {
            assert_eq!(run(&mut prepared, &[*size]), [*size], "{text}");
            prepared.tier_changes()
        };
        sizes.iter().map(&mut change).collect()
    };
    let simple = "0 swap times 1 + end";
    assert_eq!(changes(simple, &[100_000, 1, 100_000]), [0, 0, 0]);
    assert_eq!(changes(simple, &[1, 100_000, 100_000]), [0, 0, 0]);
    let called = ": count ( n -- n ) 0 swap times 1 + end ; 1 array a 7 a ! count";
    assert_eq!(changes(called, &[1, 100_000, 100_000]), [0, 0, 0]);
    let open = "0 swap times 1 + 1 while dup do 1 - end drop end";
    assert_eq!(changes(open, &[100_000]), [0]);
    assert_eq!(changes(open, &[1, 100_000, 100_000]), [0, 0, 0]);
}

/// Nothing is prepared for a short run. A run that turns out to be longer begins again, with the memory and the fuel of a new run. If there
/// are many short runs, preparing pays.
#[test]
fn short_runs_need_no_preparation() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let switched = |prepared: &TieredProgram| -> Vec<bool> {
        let is_whole = |event: &Event| match event.what {
            What::Switched { is_whole, .. } => Some(is_whole),
            _ => None,
        };
        prepared.events().iter().filter_map(is_whole).collect()
    };
    let square = "dup 0 swap times over + end nip";
    let count = "1 array a while dup do 1 - a @ 1 + a ! end drop a @ dup *";
    let called = ": f ( n -- n ) 3 + 3 - ; 1 array a while dup do 1 - f a @ 1 + a ! end drop a @ dup *";
    for (text, long) in [(square, vec![]), (count, vec![false]), (called, vec![false])] {
        let program = program(text, 1);
        let ready = || prepared(&program, Threshold::DEFAULT, &[]);
        let mut few = ready();
        assert_eq!(run(&mut few, &[2]), [4], "{text}");
        assert_eq!((switched(&few), few.code_bytes()), (vec![true], Some(0)), "{text}");
        assert_eq!(run(&mut few, &[3_000]), [9_000_000], "{text}");
        assert!(few.code_bytes() > Some(0), "{text}");
        let mut many = ready();
        assert_eq!(run(&mut many, &[3_000]), [9_000_000], "{text}");
        assert_eq!(switched(&many), long, "{text}");
        let mut often = ready();
        (0..1_000).for_each(|_| assert_eq!(run(&mut often, &[2]), [4], "{text}"));
        let times = switched(&often).iter().filter(|is_whole| **is_whole).count();
        assert!((1..100).contains(&times), "{text}: {times} runs");
    }
    let program = program(count, 1);
    let options = Options { metered: true, ..Options::default() };
    let engine = Tiered::new("tiered", Threshold::DEFAULT);
    let mut metered = engine.prepare_tiered(&Task::new(&program, &options), &mut NoClock).expect("there is memory");
    let mut stack = Store::new(DEFAULT_STACK_LIMIT).expect("there is memory");
    for (size, fuel, is_done) in [(3, 4, true), (3, 3, false), (5_000, 5_001, true), (5_000, 5_000, false)] {
        assert_eq!(metered.run(&[size], Some(fuel), &mut stack).is_ok(), is_done, "{size} with fuel for {fuel}");
    }
}

/// A program whose work is not known begins in code of the baseline. When that has done enough, the register tier continues at a loop,
/// or in the next run.
#[test]
fn a_program_may_begin_in_code_that_it_leaves() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let tiers = |text: &str, sizes: &[i64]| -> Vec<(Choice, u64)> {
        let program = program(text, 1);
        let mut prepared = prepared(&program, Threshold::DEFAULT, &[]);
        for size in sizes {
            let expected = run(&mut self::prepared(&program, Threshold::Never, &[]), &[*size]);
            assert_eq!(run(&mut prepared, &[*size]), expected, "{text} with {size}");
        }
        let compiled = prepared.events().iter().filter_map(|event| match event.what {
            What::Compiled { tier, .. } => Some((tier, 0)),
            _ => None,
        });
        let mut tiers: Vec<_> = compiled.collect();
        tiers.last_mut().expect("it was compiled").1 = prepared.tier_changes();
        tiers
    };
    let [first, second] = [(Choice::Baseline, 0), (Choice::Registers, 1)];
    for (text, few, many) in [
        ("0 1 rot times tuck 1 > 100 * while dup do 1 - end drop swap 1 + end drop", 40, 600),
        (
            ": f ( n -- m ) dup 0 > if 1 - f end ; 1 array a 5 a ! 0 swap while dup do 1 - swap 4 f + a @ + swap end",
            500,
            90_000,
        ),
    ] {
        assert_eq!(tiers(text, &[few]), [first], "{text}");
        assert_eq!(tiers(text, &[many]), [first, second], "{text}");
        // The work of all runs counts.
        let runs = vec![few; 200];
        let last = *tiers(text, &runs).last().expect("there are");
        assert_eq!(last.0, Choice::Registers, "{text}");
    }
    // Code without loops in the main program is left between two runs.
    let fib = ": fib ( n -- f ) dup 2 < if exit end dup 1 - fib swap 2 - fib + ; fib";
    assert_eq!(tiers(fib, &[25]), [first]);
    let simple = program("0 swap times 1 + end", 1);
    let mut remembering = prepared(&simple, Threshold::DEFAULT, &[Hot { function: 0, tier: Choice::Baseline }]);
    for _ in 0..50 {
        assert_eq!(run(&mut remembering, &[10_000]), [10_000]);
    }
    assert_eq!(remembering.hot(), [Hot { function: 0, tier: Choice::Registers }], "the work of all runs was foreseen");
    assert_eq!(tiers(fib, &[25, 25]), [first, (Choice::Registers, 0)]);
}

/// The work of a run that traps is not known. It does not count as all the work that would pay for the register tier.
#[test]
fn a_trap_does_not_count_as_work() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let text = ": f ( n -- m ) dup 1 > if dup 1 - f swap 2 - f + else drop 1 0 / end ; f";
    let program = program(text, 1);
    let mut prepared = prepared(&program, Threshold::DEFAULT, &[]);
    let mut stack = Store::new(DEFAULT_STACK_LIMIT).expect("there is memory");
    for _ in 0..3 {
        assert!(matches!(outcome(&mut prepared, &[60], None, &mut stack), Outcome::Trap(_)));
    }
    assert_eq!(prepared.hot(), [Hot { function: 0, tier: Choice::Baseline }], "{:?}", prepared.events());
}

/// A call of a function that begins with a loop arrives at the loop's header. It needs no other code than a call of any other function.
#[test]
fn a_function_that_begins_with_a_loop_is_compiled_once() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let program = program(": f ( n -- m ) while dup 5 > do 3 - end ; 1 array a a ! 0 4 times a @ f + end", 1);
    let hot = [Hot { function: 1, tier: Choice::Registers }];
    let mut prepared = prepared(&program, INTERPRETED, &hot);
    assert_eq!(run(&mut prepared, &[30_000]), [4 * 3]);
    let compiled = prepared.events().iter().filter(|event| matches!(event.what, What::Compiled { .. })).count();
    assert_eq!((compiled, prepared.tier_changes()), (1, 4), "{:?}", prepared.events());
    // The execution may arrive there in the middle of the loop too.
    let looping = self::program(": f ( n -- m ) while dup 5 > do 3 - end ; 1 array a a ! a @ f", 1);
    for threshold in [Threshold::At(7), Threshold::At(8), INTERPRETED] {
        let mut prepared = self::prepared(&looping, threshold, &[]);
        assert_eq!(run(&mut prepared, &[30_000]), [3], "{threshold:?}");
        assert!(prepared.tier_changes() > 0, "{threshold:?}: {:?}", prepared.events());
    }
}

/// The variant that interprets the bytecode as it is never does anything else.
#[test]
fn the_bytecode_as_it_is_stays_interpreted() {
    let program = program("0 swap times 1 + end", 1);
    let mut prepared = prepared(&program, Threshold::BreakEven(Costs::SWITCHING), &[]);
    for _ in 0..300 {
        assert_eq!(run(&mut prepared, &[5_000]), [5_000]);
    }
    assert_eq!(prepared.code_bytes(), Some(0), "{:?}", prepared.events().last());
}

/// However much work there is, nothing is compiled if that is forbidden.
#[test]
fn forbidden_compiling_never_pays() {
    let program = program(": f ( n -- ) times 1000000 times end end ; 7 f 9223372036854775807 f", 0);
    let mut stack = Store::new(DEFAULT_STACK_LIMIT).expect("there is memory");
    let metered = Options { metered: true, ..Options::default() };
    let engine = Tiered::new("tiered", Threshold::BreakEven(Costs::FORBIDDING));
    let mut limited = engine.prepare_tiered(&Task::new(&program, &metered), &mut NoClock).expect("there is memory");
    assert!(matches!(outcome(&mut limited, &[], Some(10_000_000), &mut stack), Outcome::Trap(_)));
    assert_eq!((limited.code_bytes(), limited.tier_changes()), (Some(0), 0));
}

/// Small words are not entered one by one: what calls them is compiled.
#[test]
fn a_small_word_is_compiled_with_its_caller() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let program = program(
        ": a ( x -- y ) 3 * ; : b ( x -- y ) a 1 + a ; : loop ( x -- y ) 1000 times b b end ; 1 30 times loop end",
        0,
    );
    let mut prepared = prepared(&program, INTERPRETED, &[]);
    run(&mut prepared, &[]);
    let compiled = |what: &What| matches!(what, What::Compiled { .. });
    let roots = prepared.events().iter().filter(|event| compiled(&event.what)).map(|event| event.function.0);
    let roots: Vec<u32> = roots.collect();
    assert!(!roots.is_empty() && roots.iter().all(|root| [0, 3].contains(root)), "{:?}", prepared.events());
}

/// Of a program of a million words, only the function with the hot loop is compiled, and what it calls.
#[test]
fn only_the_hot_function_of_a_large_program_is_compiled() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let mut text = String::from(": twice ( x -- y ) dup + exit ; : hot ( x -- y ) 100000 times 3 xor twice end ;\n");
    for index in 0..10_000 {
        let _ = writeln!(text, ": w{index} ( x -- y ) {} ;", "1 + 3 * 7 xor ".repeat(16));
    }
    text.push_str("1 hot");
    (0..10_000).for_each(|index| write!(text, " w{index}").expect("it is a string"));
    let program = program(&text, 0);
    assert!(program.ast().nodes().len() > 950_000);
    let mut prepared = prepared(&program, Threshold::BreakEven(Costs::MEASURED), &[]);
    let result = run(&mut prepared, &[]);
    assert_eq!(result, run(&mut self::prepared(&program, Threshold::Never, &[]), &[]));
    let compiled: Vec<usize> = prepared
        .events()
        .iter()
        .filter_map(|event| match event.what {
            What::Compiled { operations, .. } => Some(operations),
            _ => None,
        })
        .collect();
    assert!(!compiled.is_empty() && compiled.iter().sum::<usize>() < 100, "{compiled:?}");
}

/// What was hot is compiled at once in the next run. If the main program was hot, nothing is interpreted.
#[test]
fn a_remembered_program_begins_in_machine_code() {
    if let Err(reason) = support() {
        return println!("NOT RUN: {reason}");
    }
    let program = program(": f ( n -- m ) 0 swap times 1 + end ; 10000 f 10000 times 1 + end", 0);
    let threshold = INTERPRETED;
    let mut first = prepared(&program, threshold, &[]);
    assert_eq!((run(&mut first, &[]), first.tier_changes()), (vec![20_000], 2));
    let hot = first.hot();
    assert_eq!(hot.iter().map(|hot| hot.function).collect::<Vec<_>>(), [0, 1]);
    let mut second = prepared(&program, threshold, &hot);
    assert_eq!((run(&mut second, &[]), second.tier_changes()), (vec![20_000], 0));
    // If only the definition was hot, calls of it enter its code.
    let mut third = prepared(&program, threshold, &hot[1..]);
    assert_eq!((run(&mut third, &[]), third.tier_changes()), (vec![20_000], 2));
    let at = third.events().iter().position(|event| matches!(event.what, What::Entered { .. }));
    assert_eq!(at, Some(1), "the definition was compiled before the run: {:?}", third.events());
}

/// Hints that fit no function or loop are ignored, and many that are large are not all followed.
#[test]
fn hostile_profiles_change_nothing_but_the_time() {
    let program = program(": f ( n -- m ) if 1 else 2 end ; 3 times 1 f drop end 5", 0);
    let hot = |function| Hot { function, tier: [Choice::Baseline, Choice::Registers][function as usize % 2] };
    let all = [9, u32::MAX, 1, 2, 0, 1].map(hot);
    for threshold in [Threshold::BreakEven(Costs::MEASURED), Threshold::At(0), Threshold::At(2), Threshold::Never] {
        for hints in [&all[..], &all[..2], &all[1..2], &all[4..5]] {
            assert_eq!(run(&mut prepared(&program, threshold, hints), &[]), [5], "{threshold:?} {hints:?}");
        }
    }
    let mut text = String::from(": w0 ( -- ) ;");
    for index in 1..2_000 {
        let _ = write!(text, " : w{index} ( -- ) w{} 1 drop exit ;", index - 1);
    }
    let program = self::program(&(text + " w1999 6"), 0);
    let all: Vec<Hot> = (1..2_000).rev().map(hot).collect();
    let mut prepared = prepared(&program, Threshold::BreakEven(Costs::MEASURED), &all);
    assert_eq!(run(&mut prepared, &[]), [6]);
    let compiled = prepared.events().iter().filter(|event| matches!(event.what, What::Compiled { .. })).count();
    assert!(compiled < 10, "{compiled} units");
}

/// Depth and fuel are exact across the border, in both directions.
#[test]
fn limits_are_exact_across_tiers() {
    let text = ": f ( n -- m ) dup if 1 - f 1 + end ; : g ( n -- m ) f 0 over times 1 + end nip ; g g";
    let mut judge = Judge::new(&["tiered:1", "tiered:2", "tiered:3", "tiered:eager", "tiered"]).expect("they exist");
    for call_limit in 0..12 {
        for fuel in 0..40 {
            let (stack_limit, inputs) = (DEFAULT_STACK_LIMIT, vec![6]);
            let trial = Trial { language: Language::Stack, text: text.into(), inputs, fuel, stack_limit, call_limit };
            judge.judge(&trial, Care::Quick).unwrap_or_else(|wrong| panic!("{call_limit}, {fuel}: {wrong:?}"));
        }
    }
}
