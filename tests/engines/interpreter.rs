//! The interpreter's code: which instructions it consists of, that it is correct with and without fusion, and how the
//! fused pairs were chosen.

use std::collections::{BTreeMap, BTreeSet};

use jitduel::bytecode::{self, Limits};
use jitduel::engine::{Engine, NoClock, Options, Run, outcome};
use jitduel::exec::Store;
use jitduel::generate::{Kind, trial};
use jitduel::interp::bytecode::Interpreter;
use jitduel::interp::threaded::{PAIRS, listing};
use jitduel::interp::tree::{Tree, measure};
use jitduel::lang::{Program, Source, Word, load};
use jitduel::oracle::campaign::kind;
use jitduel::oracle::judge::{Care, Judge};
use jitduel::outcome::{Outcome, TrapKind};

/// The instructions of a program, as text. The stack limit is small, so that calls may need to check the frame.
fn code(program: &Program, metered: bool, is_fusing: bool) -> Vec<String> {
    code_within(Limits::of_stack(64), program, metered, is_fusing)
}

fn code_within(limits: Limits, program: &Program, metered: bool, is_fusing: bool) -> Vec<String> {
    let bytecode = bytecode::lower(program, limits, metered).expect("it is small");
    listing(&bytecode, is_fusing).into_iter().map(|line| line.text).collect()
}

fn code_of(text: &str, inputs: usize) -> Vec<String> {
    let program = load(&Source::new("-e", text), inputs).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
    code_within(Options::default().limits(), &program, false, true)
}

#[test]
fn random_programs_agree_with_and_without_fusion() {
    let engine = |is_fusing| Box::new(Interpreter { is_fusing, ..Interpreter::default() }) as Box<dyn Engine>;
    let mut judge = Judge::of(vec![Box::new(Tree), engine(true), engine(false)]);
    for index in 0..if cfg!(target_arch = "aarch64") { 500 } else { 10_000 } {
        let trial = trial(kind(index), 17, index);
        let care = if index % 8 == 0 { Care::Thorough } else { Care::Quick };
        if let Err(disagreement) = judge.judge(&trial, care) {
            panic!("program {index}: {disagreement:?}\n{}\ninputs {:?}", trial.text, trial.inputs);
        }
    }
}

#[test]
fn shuffles_cost_nothing_and_loops_keep_their_values_in_registers() {
    let fact = code_of("0 swap times 1 1 20 times swap over * swap 1 + end + + end", 1);
    assert!(fact.contains(&"r0 = r0 * r1".to_owned()), "{fact:#?}");
    assert!(fact.iter().any(|line| line.starts_with("r1 = r1 + 1; next")), "{fact:#?}");
    let still = code_of("times swap swap rot rot rot over drop dup nip tuck drop swap end", 4);
    assert!(still.iter().any(|line| line.starts_with("next")), "no value is moved: {still:#?}");
    let turned = code_of("times rot end", 4);
    assert_eq!(turned.iter().filter(|line| line.contains("<->")).count(), 2, "a cycle of moves: {turned:#?}");
}

#[test]
fn comparison_before_a_loop_header_is_not_fused_with_a_branch() {
    let lines = code_of(">= while do 0 end", 2);
    assert!(lines.iter().any(|line| line.contains(">=")) && !lines.iter().any(|line| line.starts_with("unless")));
}

/// The form of an instruction: its text with all constants, slots and addresses replaced by placeholders.
fn form(text: &str) -> String {
    let part = |word: &str| if word.parse::<i64>().is_ok() { "N".to_owned() } else { word.to_owned() };
    text.split(' ')
        .map(|word| part(word.trim_end_matches(';')) + if word.ends_with(';') { ";" } else { "" })
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
#[cfg_attr(target_arch = "aarch64", ignore = "computes the same on every host, and takes long in an emulator")]
fn random_programs_use_the_forms_of_instructions() {
    let mut reached = BTreeSet::new();
    for index in 0..12_000 {
        let trial = trial(kind(index), 3, index);
        if let Ok(program) = trial.load() {
            reached.extend(code(&program, index % 2 == 0, true).iter().map(|line| form(line)));
        }
    }
    let count = |wanted: &dyn Fn(&str) -> bool| reached.iter().filter(|form| wanted(form)).count();
    let plain = |form: &str| !form.contains(';') && form.split(' ').count() == 5 && form.contains(" = ");
    for (word, entry) in jitduel::lang::words::WORDS.iter().filter(|(word, _)| word.pushes() == 1 && word.pops() == 2) {
        let of_word = |form: &str| plain(form) && form.split(' ').nth(3) == Some(entry.spelling);
        // Three registers, each from one of three, with one of three or a constant.
        assert!(*word == Word::Nip || count(&of_word) >= 18, "{word:?}: {}", count(&of_word));
    }
    assert!(count(&|form| form.starts_with("unless")) > 40, "{reached:#?}");
    assert!(count(&|form| form.contains("; next") || form.contains("; back")) > 60, "{reached:#?}");
    for (first, second) in PAIRS {
        let (first, second) = (first.spelling(), second.spelling());
        let is_pair = |form: &str| {
            let words: Vec<_> = form.split([' ', ';']).collect();
            words.len() >= 11 && words[3] == first && words[9] == second
        };
        assert!(count(&is_pair) > 0, "{first} {second}: {reached:#?}");
    }
    println!("{} forms", reached.len());
}

#[test]
fn fused_pairs_are_the_most_frequent_in_generated_programs() {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for kind in [Kind::Random, Kind::Loops { work: 100_000 }] {
        for index in 0..200 {
            let Ok(program) = trial(kind, 1, index).load() else { continue };
            if !program.ast().definitions().is_empty() || program.uses_memory() {
                continue;
            }
            let lines = code(&program, false, false);
            for pair in lines.windows(2) {
                let [first, second] = [&pair[0], &pair[1]].map(|line| line.split(' ').collect::<Vec<_>>());
                if let ([d, "=", a, one, _], [e, "=", b, two, c]) = (&first[..], &second[..])
                    && [a, e, b] == [d; 3]
                    && c != d
                {
                    *counts.entry((one.to_string(), two.to_string())).or_default() += 1;
                }
            }
        }
    }
    let mut ranked: Vec<_> = counts.into_iter().collect();
    ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let best: BTreeSet<_> = ranked.iter().take(PAIRS.len()).map(|(pair, _)| pair.clone()).collect();
    let ours = PAIRS.iter().map(|(a, b)| (a.spelling().to_owned(), b.spelling().to_owned())).collect();
    assert_eq!(best, ours, "{ranked:#?}");
}

/// Programs with calls, memory or both, and inputs for each.
const PROGRAMS: [(&str, &[i64]); 27] = [
    (": fib ( n -- f ) dup 2 < if else dup 1 - fib swap 2 - fib + end ; fib", &[9]),
    (": fact ( n -- f ) dup 2 < if drop 1 else dup 1 - fact * end ; fact 7 swap", &[6]),
    (": even ( n -- f ) dup if 1 - odd else drop 1 end ; : odd ( n -- f ) dup if 1 - even else drop 0 end ; even", &[7]),
    (": ack ( m n -- r ) over 0 = if nip 1 + exit end dup 0 = if drop 1 - 1 ack exit end over swap 1 - ack swap 1 - swap ack ;
      ack", &[2, 2]),
    // The results, parameters and values below them go through registers and slots.
    (": swap2 ( a b c d -- c d a b ) 3 pick 3 pick 3 put 2 put ; 1 2 3 4 5 swap2", &[]),
    (": f ( a b c d e -- e d c ) nip swap rot drop rot drop dup 1 + ; : g ( a b c -- ) drop drop drop ; 9 1 2 3 4 5 f 6 f g", &[8, 7, 6]),
    (": two ( -- a b ) 1 2 ; : three ( a -- a b c ) two rot ; 5 three + 6 three", &[]),
    (": same ( a b c -- a b c ) ; : none ( -- ) ; 1 2 3 same none same dup same", &[]),
    (": up ( a b -- c ) 3 swap - * ; 5 dup up 7 3 up up 1 2 up", &[0]),
    // Loops around calls, and calls around loops.
    (": f ( a -- b ) 3 * 1 + ; 0 swap times 1 f + f end", &[4]),
    (": f ( n -- s ) 0 swap times 2 times 1 + g end end ; : g ( a -- b ) 2 swap times 1 + end ; f f", &[3]),
    (": f ( n d -- s ) dup 0 = if drop exit end 1 - 2 times 2 times swap 1 + swap both f drop end end drop ;
      : both ( a b -- a b a b ) over over ; 0 swap f", &[3]),
    (": f ( n -- m ) while dup 5 > do dup 7 = if leave end 1 - g end ; : g ( n -- m ) dup 2 mod if exit end ; f", &[20]),
    (": f ( n -- m ) dup times dup 9 > if exit end 3 times 2 + dup 6 = if exit end end end ; f f 1 f", &[1]),
    (": f ( n -- m ) while dup do 1 - dup 3 = if dup f drop leave end while dup 4 > do 1 - end end ; f", &[9]),
    // Loops that change the height, in definitions and around calls.
    (": f ( a b n -- c ) times drop end drop drop 7 ; 3 4 f", &[1, 2, 0]),
    ("1 2 3 : f ( a b n -- c ) times drop end drop drop 7 ; f f", &[5, 6, 0]),
    (": f ( a b n -- c ) times drop end drop g ; : g ( a -- c ) 1 1 f ; 3 4 0 f", &[]),
    (": f ( a b c n -- c ) times drop end + dup dup dup f + ; 3 4 0 1 f", &[]),
    (": f ( a b c n -- c ) times drop h end h drop drop if 1 exit else 2 end ; : h ( a -- b ) 1 + ; 3 4 5 rot f", &[1]),
    ("times 1 f end times drop end 3 f : f ( a -- b ) 2 * ;", &[3]),
    ("times 1 end 1 2 g times f f end f f : f ( a b -- b ) nip ; : g ( a -- b c ) 1 ;", &[3]),
    // Memory.
    ("10 array a   7 a 3 + !   a 3 + @   a @", &[]),
    ("3 array a 2 array b : set ( x i -- ) a + ! ; : get ( i -- x ) dup 5 - b + @ swap a + @ + ; 5 7 over 3 set 1 set 3 get get", &[1]),
    ("2 array a 8 a ! 9 a 1 + ! a @ 1 a - @ drop 1 dup a + @ 7 0 ! 0 @ 1 0 a + @ a dup 1 + dup ! @", &[]),
    ("5 array a 5 times dup a + over swap ! 1 + end drop 0 5 times dup a + @ + end a 6 + @", &[0]),
    ("4 array a @ @ @ -1 @", &[0]),
];

#[test]
fn calls_and_memory_agree_with_the_referee_at_every_limit() {
    let mut stack = Store::new(100).expect("memory");
    let mut kinds = BTreeSet::new();
    for (text, inputs) in PROGRAMS {
        let program = load(&Source::new("-e", text), inputs.len()).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
        let free = Run { inputs, stack_limit: 100, call_limit: 100, fuel: Some(3000) };
        let needed = measure(program.ast(), free);
        let limits = |most: usize| (0..=most).chain([100]);
        let fuels = (0..needed.fuel().min(60)).map(Some).chain([Some(needed.fuel()), Some(3000)]);
        let runs = fuels.map(|fuel| Run { fuel, ..free });
        let runs = runs.chain(limits(12).flat_map(|stack_limit| {
            limits(6).map(move |call_limit| Run { stack_limit, call_limit: call_limit as u64, ..free })
        }));
        let runs = runs.chain(limits(30).map(|call_limit| Run { call_limit: call_limit as u64, ..free }));
        for run in runs.filter(|run| run.stack_limit >= inputs.len()) {
            let expected = measure(program.ast(), run);
            let unmetered = (run.fuel == Some(3000)).then_some(Run { fuel: None, ..run });
            for run in unmetered.into_iter().chain([run]) {
                for is_fusing in [false, true] {
                    let mut engine = Interpreter { is_fusing, ..Interpreter::default() };
                    let mut prepared = engine.prepare(&program, &run.options(), &mut NoClock).expect("it is small");
                    for _ in 0..2 {
                        let found = outcome(&mut *prepared, run.inputs, run.fuel, &mut stack);
                        assert_eq!(found, expected.outcome, "{text}\n{run:?} {is_fusing}");
                        match found {
                            Outcome::Done(_) => assert_eq!(stack.memory(), expected.memory, "{text}"),
                            Outcome::Trap(trap) => drop(kinds.insert(trap.kind.to_string())),
                        }
                    }
                }
            }
        }
    }
    assert_eq!(kinds.len(), TrapKind::ALL.len() - 1, "every kind but division by zero: {kinds:?}");
}

#[test]
fn deep_recursion_needs_little_of_the_host_stack() {
    let program = |text| load(&Source::new("-e", text), 0).expect("it is a program");
    let endless = program(": f ( -- ) f ; f");
    let down_and_up = program(": f ( n -- m ) dup if 1 - f 1 + end ; 9000 f 3 times 2000 f + end");
    let loops = program(
        ": f ( n -- ) dup if 1 - 0 while dup 9 < do 1 + dup g 3 + g drop end drop f else drop end ;
         : g ( a -- b ) 5 times 3 * end ;
         : h ( n -- ) dup if 2 times dup 1 - h end end drop ;
         3000 f 13 h",
    );
    let work = move || {
        let mut stack = Store::new(Options::default().stack_limit).expect("memory");
        let mut run = |program: &Program, call_limit| {
            let options = Options { call_limit, ..Options::default() };
            let mut prepared = Interpreter::default().prepare(program, &options, &mut NoClock).expect("it is small");
            outcome(&mut *prepared, &[], None, &mut stack)
        };
        for call_limit in [0, 1, 7, 8, 9, 31, 32, 33, 10_000, 3_000_000] {
            let Outcome::Trap(trap) = run(&endless, call_limit) else { panic!("the recursion is endless") };
            let place = if call_limit == 0 { 15 } else { 11 };
            assert_eq!((trap.kind, trap.at.start), (TrapKind::CallDepthExceeded, place));
        }
        assert_eq!(run(&down_and_up, 1 << 32), Outcome::Done(vec![15_000]));
        assert_eq!(run(&loops, 10_000), Outcome::Done(vec![]));
    };
    let small = std::thread::Builder::new().stack_size(128 << 10);
    small.spawn(work).expect("a thread").join().expect("the thread has enough of the stack");
}

/// The instructions of a definition, without calls and returns around it.
fn code_of_last(text: &str, inputs: usize) -> Vec<String> {
    let lines = code_of(text, inputs);
    let start = lines.iter().rposition(|line| line == "done").expect("the main program ends") + 1;
    lines[start..].to_vec()
}

#[test]
fn parameters_and_results_are_in_registers() {
    let fib = code_of(": fib ( n -- f ) dup 2 < if else dup 1 - fib swap 2 - fib + end ; fib", 1);
    let expected = [
        "r0 = slot 0",
        "call fib r0",
        "slot 0 = r0",
        "done",
        "unless r0 < 2",
        "return r0",
        "r1 = r0 - 1",
        "slot 0 = r0",
        "call fib r1",
        "r1 = slot 0; r1 = r1 - 2",
        "slot 0 = r0",
        "call fib r1",
        "r1 = slot 0; r1 = r1 + r0",
        "return r1",
    ];
    assert_eq!(fib, expected);
    // The topmost three parameters and the topmost two results.
    let many = code_of_last("1 2 3 4 f : f ( a b c d -- c d a ) rot drop rot ;", 0);
    assert_eq!(many, ["r2 = slot 0", "slot 0 = r1", "return r0 r2"], "{many:#?}");
}

#[test]
fn an_early_exit_costs_one_instruction() {
    let exits = code_of_last("1 f : f ( n -- m ) dup if exit end times 3 if 1 exit end end 2 ;", 0);
    assert_eq!(exits.iter().filter(|line| line.starts_with("return")).count(), 3, "{exits:#?}");
    assert_eq!(exits[..2], ["if-zero r0", "return r0"], "{exits:#?}");
    // A return takes the place of the jumps to it, also from nested branches.
    let nested = code_of_last("1 f : f ( n -- m ) dup if dup 3 < if 1 + else 2 + end else 3 + end ;", 0);
    assert!(nested.iter().all(|line| line != "jump"), "{nested:#?}");
    assert_eq!(nested.iter().filter(|line| line.starts_with("return")).count(), 3, "{nested:#?}");
}

#[test]
fn memory_accesses_include_the_arithmetic_of_addresses() {
    // After `negate`, the top is in a register.
    let array = |text: &str, inputs| code_of(&format!("3 array b 4 array a negate {text}"), inputs)[2..].to_vec();
    assert_eq!(array("a + @", 1)[..1], ["r0 = cell r0 + 3"]);
    assert_eq!(array("a + 2 - @", 1)[..2], ["r0 = r0 + 3; r0 = r0 - 2", "r0 = cell r0"]);
    assert_eq!(array("2 - @", 1)[..1], ["r0 = cell r0 + -2"]);
    assert_eq!(array("7 swap a + !", 1)[..1], ["cell r0 + 3 = 7"]);
    assert_eq!(array("a + !", 2)[..2], ["r1 = slot 0", "cell r0 + 3 = r1"]);
    assert_eq!(array("drop a 1 + @ a !", 1)[..2], ["r0 = cell 4", "cell 3 = r0"]);
    // The sum is needed again, or is not the address.
    assert_eq!(array("a + dup @", 1)[..2], ["r0 = r0 + 3", "r1 = cell r0"]);
    assert_eq!(array("a + dup !", 1)[..2], ["r0 = r0 + 3", "cell r0 = r0"]);
    assert_eq!(array("@ @", 1)[..2], ["r0 = cell r0", "r0 = cell r0"]);
    // There is no cell 7.
    assert_eq!(array("7 @", 1)[..2], ["r1 = 7", "r1 = cell r1"]);
}

#[test]
fn only_calls_that_may_lack_room_are_checked() {
    let depths = |text: &str| code_of(text, 0).iter().filter(|line| line.starts_with("call-depth")).count();
    assert_eq!(depths(": f ( n -- ) if 1 f end ; 1 f"), 0, "calls count the depth themselves");
    // The frames of ten thousand calls of this definition do not fit, so its calls check the depth before the frame.
    let lines = code_of(": f ( n -- ) 1 2 3 4 5 6 6 pick if 7 f end drop drop drop drop drop drop drop ; 1 f", 0);
    let checks = lines.iter().filter(|line| line.starts_with("call-depth") || line.starts_with("frame"));
    assert_eq!(checks.collect::<Vec<_>>(), ["call-depth", "frame 7"], "{lines:#?}");
}
