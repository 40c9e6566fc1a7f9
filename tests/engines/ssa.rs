//! The optimizing tier: its passes against the interpreter of its own representation, its verifier and its checker against functions
//! and allocations that are wrong.

use std::sync::Arc;

use crate::binary::size;
use jitduel::bytecode::{self, Bytecode, Limits};
use jitduel::engine::Run;
use jitduel::front;
use jitduel::generate::trial;
use jitduel::interp::tree::measure;
use jitduel::isa::{Isa, aarch64, x86_64};
use jitduel::lang::{Language, Source, parse, verify};
use jitduel::oracle::campaign::kind;
use jitduel::outcome::Outcome;
use jitduel::ssa::interpret::{Ending, Machine, run};
use jitduel::ssa::ir::{Edge, End, Function, Op, Value};
use jitduel::ssa::verify::verify as verify_function;
use jitduel::ssa::{self, PASSES, Passes};

/// More steps than the random programs take within their fuel, or nearly.
const STEPS: u64 = 200_000;

fn bytecode(text: &str, inputs: usize) -> Bytecode {
    let ast = Arc::new(parse(&Source::new("test", text)).expect("the text parses"));
    let program = verify(&ast, inputs).expect("the program verifies");
    bytecode::lower(&program, Limits::of_stack(100), false).expect("the program is small")
}

/// What a program does after some passes: how it ends, the stack, the memory cells.
fn observed<I: Isa>(code: &Bytecode, passes: Passes, inputs: &[i64], fuel: u64) -> (Ending, Vec<i64>, Vec<i64>) {
    let functions = ssa::functions::<I>(code, passes);
    let mut machine = Machine {
        stack: (0..).zip(inputs.iter().copied()).collect(),
        stack_limit: code.stack_limit() as i64,
        cells: vec![0; code.cells()],
        fuel,
        depth: code.greatest_depth(),
        steps: STEPS,
        ..Machine::default()
    };
    let ending = run(&functions, &mut machine);
    let stack = match ending {
        Ending::Done(end) => (0..end).map(|slot| machine.stack[&slot]).collect(),
        Ending::Trap(_) | Ending::OutOfSteps => Vec::new(),
    };
    (ending, stack, machine.cells)
}

/// The sets of passes that are compared: each prefix of the list, each pass alone, and all but each one.
fn sets() -> Vec<Passes> {
    let named = |pass: &ssa::Pass| Passes::named(pass.name).expect("it is in the list");
    let prefixes = PASSES.iter().map(|pass| Passes::ALL.up_to(named(pass)));
    let others = PASSES.iter().flat_map(|pass| [named(pass), Passes::ALL.without(named(pass))]);
    prefixes.chain(others).collect()
}

fn passes_keep_what_random_programs_do<I: Isa>(seed: u64) {
    let programs = size("random programs", 400, 80) as u64;
    let (mut done, mut trapped) = (0, 0);
    for index in 0..programs {
        let trial = trial(kind(index), seed, index);
        let Ok(program) = trial.load() else { continue };
        // The interpreter recurses for calls, and forgets how many steps an endless loop takes.
        let limits = Limits { stack: trial.stack_limit as u64, calls: trial.call_limit.min(50) };
        let fuel = trial.fuel.min(2_000);
        let code = bytecode::lower(&program, limits, true).expect("the program is small");
        let expected = observed::<I>(&code, Passes::NONE, &trial.inputs, fuel);
        if expected.0 == Ending::OutOfSteps {
            continue;
        }
        for passes in sets() {
            let found = observed::<I>(&code, passes, &trial.inputs, fuel);
            let names: Vec<_> = passes.iter().map(|pass| pass.name).collect();
            assert!(
                found == expected || found.0 == Ending::OutOfSteps,
                "program {index}, passes {names:?}: {found:?} instead of {expected:?}\n{}\ninputs {:?}",
                trial.text,
                trial.inputs
            );
        }
        // The referee agrees with the builder.
        let run = Run { fuel: Some(fuel), call_limit: limits.calls, ..trial.run() };
        match (measure(program.ast(), run).outcome, expected.0) {
            (Outcome::Done(stack), Ending::Done(_)) => {
                assert_eq!(stack, expected.1, "program {index}\n{}", trial.text);
                done += 1;
            }
            (Outcome::Trap(_), Ending::Trap(_)) => trapped += 1,
            (outcome, ending) => panic!("program {index}: {outcome:?}, {ending:?}\n{}", trial.text),
        }
    }
    assert!(done > programs / 4 && trapped > programs / 8, "{done} done, {trapped} trapped");
}

#[test]
fn passes_for_x86_64_keep_what_random_programs_do() {
    passes_keep_what_random_programs_do::<x86_64::Emitter>(21);
}

#[test]
fn passes_for_aarch64_keep_what_random_programs_do() {
    passes_keep_what_random_programs_do::<aarch64::Emitter>(22);
}

/// The text of the main program after some passes, without labels of blocks.
fn after(text: &str, inputs: usize, passes: &[&str]) -> Vec<String> {
    let named = |name: &&str| Passes::named(name).expect("the pass exists");
    let passes = passes.iter().map(named).fold(Passes::NONE, Passes::with);
    let functions = ssa::functions::<aarch64::Emitter>(&bytecode(text, inputs), passes);
    let lines = ssa::print::lines(&functions[0], |function| format!("f{function}"));
    lines.into_iter().filter(|line| line.pc.is_some()).map(|line| line.text).collect()
}

fn has(lines: &[String], part: &str) -> bool {
    lines.iter().any(|line| line.contains(part))
}

#[test]
fn inline_replaces_calls_by_what_small_functions_do() {
    let written_out = "dup 3 < if drop 1 else 1 + dup 0 > if 1 - else 2 + end end";
    let defined = ": g ( a -- b ) dup 0 > if 1 - exit end 2 + ; : f ( a -- b ) dup 3 < if drop 1 exit end 1 + g ; ";
    let calls = |lines: &[String]| lines.iter().filter(|line| line.starts_with("call ")).count();
    let without = after(&format!("{defined} f"), 1, &["fold", "dead"]);
    assert_eq!(calls(&without), 1);
    let inlined = after(&format!("{defined} f"), 1, &["inline", "fold", "dead"]);
    assert_eq!(calls(&inlined), 0);
    let branches = |lines: &[String]| lines.iter().filter(|line| line.starts_with("branch")).count();
    assert_eq!(branches(&inlined), branches(&after(written_out, 1, &["fold", "dead"])));
    // The values of a loop that calls nothing else stay in registers.
    let in_loop = format!("{defined} 0 swap times f end");
    assert!(has(&after(&in_loop, 1, &[]), "store"));
    assert_eq!(after(&in_loop, 1, &["inline"]).iter().filter(|line| line.starts_with("store")).count(), 1);
    // Nothing can be reached after a call that never returns.
    let endless = after(": f ( -- ) while 1 do end ; f 1 2 +", 0, &["inline", "fold"]);
    assert!(!has(&endless, "add") && !has(&endless, "return"), "{endless:?}");
}

#[test]
fn params_removes_what_a_loop_only_reads() {
    let text = "times over + end";
    let params = |passes: &[&str]| {
        let lines = after(text, 3, passes);
        let jump = lines.iter().find(|line| line.starts_with("jump")).expect("there is a jump to the header");
        jump.matches('v').count()
    };
    // Counter, sum and what is added; the last does not change.
    assert_eq!((params(&[]), params(&["params"])), (3, 2));
}

#[test]
fn bounds_checks_an_index_once() {
    let after = |index: &str, access: &str| {
        let text = format!("3 array a 4 array b {index} {access}");
        after(&text, 2, &["params", "bounds", "fold", "dead"])
    };
    let checked = "dup 4 u< if b + else drop -1 end";
    let load = after(checked, "@");
    assert!(has(&load, "load-element 3[v0 of 4]") && !has(&load, "branch") && !has(&load, "jump"), "{load:?}");
    assert!(has(&after(checked, "!"), "store-element 3[v0 of 4]"));
    assert!(has(&after("dup 3 u< if a + else drop 7 end", "@"), "load-element 0[v0 of 3]"));
    // Blocks that follow each other become one, so the second load is not needed.
    let twice = after(&format!("dup {checked} @ swap {checked}"), "@");
    assert_eq!(twice.iter().filter(|line| line.contains("load-element")).count(), 1, "{twice:?}");
    // The address is used otherwise; the array ends after the memory; the other cell exists; an index may be negative.
    let kept = [
        after(checked, "dup @"),
        after("dup 5 u< if b + else drop -1 end", "@"),
        after("dup 4 u< if b + else drop 6 end", "@"),
        after("dup 4 < if b + else drop -1 end", "@"),
    ];
    kept.iter().for_each(|lines| assert!(has(lines, "branch") && has(lines, "load-cell"), "{lines:?}"));
    // An element that was checked against other bounds, or not at all, says nothing about this one.
    let other = after(&format!("dup dup 3 u< if b + else drop -1 end @ swap {checked}"), "@");
    assert_eq!(other.iter().filter(|line| line.contains("load-element")).count(), 2, "{other:?}");
    let unchecked = after(&format!("dup b + @ swap {checked}"), "@");
    assert!(has(&unchecked, "load-cell") && has(&unchecked, "load-element"), "{unchecked:?}");
    let constant = after("drop 2 dup 4 u< if b + else drop -1 end", "@");
    assert!(has(&constant, "load-cell 5"), "{constant:?}");
}

#[test]
fn fold_computes_nothing_twice() {
    assert_eq!(after("drop 3 4 *", 1, &["fold", "dead"])[0], "v2 = constant 12");
    let equal = after("over over + rot rot + xor", 2, &["fold", "dead"]);
    assert!(has(&equal, "constant 0") && !has(&equal, "add"), "{equal:?}");
    let undone = after("over xor over xor", 2, &["fold", "dead"]);
    assert!(!has(&undone, "xor"), "{undone:?}");
    let loads = |text| {
        let lines = after(text, 2, &["fold", "dead"]);
        lines.iter().filter(|line| line.contains("load-cell")).count()
    };
    assert_eq!(loads("9 array a dup @ swap @ +"), 1, "a cell that was loaded before");
    assert_eq!(loads("9 array a dup @ 5 3 pick ! swap @ +"), 2, "another cell may have been stored");
    assert_eq!(loads("9 array a over over ! swap drop @"), 0, "the stored value");
    assert_eq!(loads("9 array a 1 over 1 + ! dup @ 7 2 pick 1 + ! swap @ +"), 1, "a store to a different cell");
    // A constant condition leaves one path.
    assert!(!has(&after("1 if 2 else 3 end", 0, &["fold"]), "branch"));
}

/// Random programs rarely have these operations, and they would have the same result without simplification.
#[test]
fn fold_simplifies_as_if_the_simpler_text_were_written() {
    // Removed instructions keep their numbers, so the numbers of the others differ.
    let unnumbered = |line: &String| {
        let parts: Vec<&str> =
            line.split('v').map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())).collect();
        parts.join("v")
    };
    let folded = |text| after(text, 2, &["fold", "dead"]).iter().map(unnumbered).collect::<Vec<_>>();
    for (text, simpler) in [
        ("1 * -1 and 0 or 0 xor 64 lshift abs", "abs"),
        ("0 *", "drop 0"),
        ("0 and", "drop 0"),
        ("-1 or", "drop -1"),
        ("-1 *", "negate"),
        ("-1 xor", "invert"),
        ("3 swap +", "3 +"),
        ("0 swap -", "negate"),
        ("0 swap lshift", "drop 0"),
        ("negate negate invert invert abs", "abs"),
        ("abs abs", "abs"),
        ("negate abs", "abs"),
        ("negate +", "-"),
        ("negate -", "+"),
        ("3 lshift 4 lshift", "7 lshift"),
        ("40 lshift 40 lshift", "drop 0"),
        ("40 arshift 40 arshift", "63 arshift"),
        ("3 lshift 5 *", "40 *"),
        ("5 * 3 lshift", "40 *"),
        ("7 and 6 and", "6 and"),
        ("dup 3 lshift +", "9 *"),
        ("0 u<", "drop 0"),
        ("-1 swap u<", "drop 0"),
        ("9223372036854775807 >", "drop 0"),
        ("-9223372036854775808 >=", "drop 1"),
        ("3 < 0 =", "3 >="),
        ("3 < 0 <>", "3 <"),
        ("< 0 =", ">="),
        ("3 swap >", "3 <"),
        ("dup <=", "drop 1"),
        ("1 mod", "drop 0"),
        ("-1 /", "negate"),
    ] {
        assert_eq!(folded(text), folded(simpler), "{text}");
    }
}

#[test]
fn pre_does_not_repeat_the_division_of_a_condition() {
    let divisions = |text, passes: &[&str]| {
        let lines = after(text, 2, passes);
        lines.iter().filter(|line| line.contains("quotient") || line.contains("remainder")).count()
    };
    // The condition is built twice: before the loop and at the end of an iteration.
    let newton = "while over over / over < do over over / + 2 rshift end";
    assert_eq!(divisions(newton, &["params", "fold", "dead"]), 3);
    assert_eq!(divisions(newton, &["params", "fold", "pre", "dead"]), 2);
    // One of the paths divides by another value.
    let one = "over drop dup if over over / drop else 1 + end over over /";
    assert_eq!(divisions(one, &["fold", "pre", "dead"]), 2);
    let both = "over drop dup if over over / else 1 + over over / end drop over over / mod";
    assert_eq!(divisions(both, &["fold", "dead"]), 4);
    assert_eq!(divisions(both, &["fold", "pre", "dead"]), 3);
}

#[test]
fn reassociate_joins_constants_and_adds_what_is_late_last() {
    fn lines(text: &str, inputs: usize) -> Vec<String> {
        after(text, inputs, &["params", "fold", "reassociate", "dead"])
    }
    let count = |lines: &[String], op: &str| lines.iter().filter(|line| line.contains(op)).count();
    for (op, joined) in
        [("+", "#7"), ("xor", "#7"), ("and", "#0"), ("or", "#7"), ("*", "#12"), ("min", "#3"), ("max", "#4")]
    {
        let text = format!("3 {op} swap 4 {op} {op}");
        let before = after(&text, 2, &["fold", "dead"]);
        let after = lines(&text, 2);
        assert!(count(&before, "#") == 2 && count(&after, "#") == 1 && has(&after, joined), "{op}: {after:?}");
    }
    // Signs: (a - 5) - (b - 9), and 5 - a - b.
    let difference = lines("9 - swap 5 - swap -", 2);
    assert!(count(&difference, "#-4") == 1 && count(&difference, "sub") == 1, "{difference:?}");
    // The sum of constants is zero.
    assert_eq!(count(&lines("3 + swap 3 - +", 2), "add"), 1);
    // What is used otherwise is no part of a larger sum.
    let used = lines("3 + dup rot 4 + +", 2);
    assert!(has(&used, "#3") && has(&used, "#4"), "{used:?}");
    // Four products: the sums of two of them do not wait for the others.
    let products = "dup * swap dup * + swap dup * swap dup * + swap dup * +";
    let sums = |lines: &[String]| lines.iter().filter(|line| line.contains("add")).cloned().collect::<Vec<_>>();
    assert_eq!(sums(&after(products, 5, &["fold", "dead"])).len(), sums(&lines(products, 5)).len());
    // The next iteration waits for one addition: the sum is an operand of the last one.
    let text = "0 swap times over + 1 pick 3 xor + end";
    let (before, after) = (sums(&after(text, 3, &["params", "fold", "dead"])), sums(&lines(text, 3)));
    assert_eq!(before.len(), after.len());
    assert_ne!(before, after);
}

#[test]
fn strength_divides_once() {
    let divisions = |text, passes: &[&str]| {
        let lines = after(text, 2, passes);
        lines.iter().filter(|line| line.contains("quotient") || line.contains("remainder")).count()
    };
    for text in ["dup 10 mod swap 10 /", "over over / rot rot mod"] {
        assert_eq!(divisions(text, &["fold", "dead"]), 2);
        assert_eq!(divisions(text, &["fold", "strength", "dead"]), 1);
    }
    let tested = after("8 mod if 1 else 2 end", 1, &["fold", "strength"]);
    assert!(has(&tested, "#7"), "{tested:?}");
    assert!(!has(&after("8 mod", 1, &["fold", "strength"]), "and"));
}

#[test]
fn fuse_merges_what_the_machine_has_as_one() {
    let fused = |text, inputs| after(text, inputs, &["fold", "fuse", "dead"]);
    assert!(has(&fused("< if 1 else 2 end", 2), "branch-lt"));
    assert!(has(&fused("* +", 3), "mul-add") && has(&fused("* -", 3), "mul-sub"));
    assert!(has(&fused("3 lshift xor", 2), "xor v3, v1 shl #3"));
    assert!(has(&fused("1 and if 1 else 2 end", 1), "branch-set v1, #0x1"));
    // Constants for a multiplication and addition must be loaded, which pays only if the factor must be loaded anyway.
    assert!(has(&fused("1000003 * 7 +", 1), "mul-add") && !has(&fused("8 * 7 +", 1), "mul-add"));
    // The product is needed itself.
    assert!(!has(&fused("* tuck +", 3), "mul-add"));
}

#[test]
fn dead_removes_what_is_not_used_and_keeps_what_traps() {
    let text = "over over + drop / drop";
    let (before, after) = (after(text, 2, &[]), after(text, 2, &["dead"]));
    assert!(has(&before, "add") && !has(&after, "add"));
    assert!(has(&after, "quotient"), "it may trap");
}

/// The text of the program has a loop, a branch, a call and memory accesses.
fn rich() -> Vec<Function> {
    let text = ": f ( a b c -- d e ) dup if + swap else drop end ; 9 array a\n\
        0 swap times dup 3 and if 1 + else 2 + end dup 7 and a + dup @ 1 + swap ! end 5 6 7 f 8 f + +";
    ssa::functions::<x86_64::Emitter>(&bytecode(text, 1), Passes::ALL)
}

/// Values that are live across a call are stored first, and then those for which there is no register.
#[test]
fn allocator_stores_a_spilled_value_once() {
    let sums = "13 pick 1 + ".repeat(14);
    let text = format!(": f ( n -- n ) dup if 1 - f end ; {sums} 5 f drop {sums} {}", "xor ".repeat(27));
    let function = ssa::functions::<x86_64::Emitter>(&bytecode(&text, 14), Passes::ALL).remove(0);
    let (function, _) = ssa::allocated::<x86_64::Emitter>(function, 0);
    let insts = function.layout.iter().flat_map(|block| &function.block(*block).insts);
    let stored = |value: &Value| match function.op(*value) {
        Op::Spill { value, .. } => Some(*value),
        _ => None,
    };
    let mut stored: Vec<Value> = insts.filter_map(stored).collect();
    let stores = stored.len();
    stored.sort_unstable();
    stored.dedup();
    assert!(stores > 14 && stored.len() == stores, "{stores} stores of {} values", stored.len());
}

/// Two loop nests use all registers, with values of greater weight than those between them. A value that is spilled there still needs a
/// register from its definition to its store. It must not be spilled again for that, which would repeat without an end.
#[test]
fn allocator_spills_no_value_twice() {
    let numbered = |name: &str, count: usize, text: &dyn Fn(String) -> String| -> String {
        (0..count).map(|index| text(format!("{name}{index}"))).collect()
    };
    let (first, second) = (5, 6);
    let nest = |name: &str, count| {
        let uses = numbered(name, count, &|value| format!("x = x + {value}; x = x ^ {value}; ").repeat(4));
        format!("while x & 1 {{ while x & 2 {{ while x & 4 {{ {uses} }} }} }} ")
    };
    let text = format!(
        "fn main(p) {{ let x = p; {} {} {} let v = a0 ^ b0; x = a0 * a1; {} {} return x ^ v; }}",
        numbered("a", first, &|value| format!("let {value} = p * 1{}; ", &value[1..])),
        nest("a", first),
        numbered("b", second, &|value| format!("let {value} = x * 2{}; ", &value[1..])),
        numbered("a", first, &|value| format!("x = x ^ {value}; x = x * 7; ")),
        nest("b", second),
    );
    let program = front::load(&Source::new("test.let", text).in_language(Language::Let), 1);
    let program = program.expect("it takes one input").expect("it is a program");
    let code = bytecode::lower(&program, Limits::of_stack(100), false).expect("the program is small");
    let function = ssa::functions::<x86_64::Emitter>(&code, Passes::ALL).remove(0);
    let (function, _) = ssa::allocated::<x86_64::Emitter>(function, 0);
    let insts = function.layout.iter().flat_map(|block| &function.block(*block).insts);
    let stores = insts.filter(|value| matches!(function.op(**value), Op::Spill { .. })).count();
    assert!((1..40).contains(&stores), "{stores} stores");
}

#[test]
fn verifier_rejects_functions_that_are_not_well_formed() {
    let rejected = |what: &str, change: &dyn Fn(&mut Function)| {
        let mut function = rich().remove(0);
        assert_eq!(verify_function(&function), Ok(()));
        change(&mut function);
        let error = verify_function(&function).expect_err(what);
        assert!(error.contains(what), "{error}");
    };
    let jump = |function: &Function| {
        let jumps =
            |block: &ssa::ir::Block| matches!(&function.block(*block).end, End::Jump(edge) if !edge.args.is_empty());
        *function.layout.iter().find(|block| jumps(block)).expect("there is one")
    };
    rejected("expects", &|function| {
        let from = jump(function);
        if let End::Jump(Edge { args, .. }) = &mut function.block_mut(from).end {
            args.pop();
        }
    });
    rejected("not defined", &|function| {
        let from = jump(function);
        if let End::Jump(Edge { args, .. }) = &mut function.block_mut(from).end {
            args[0] = Value(9_999);
        }
    });
    rejected("does not dominate", &|function| {
        let last = *function.layout.last().expect("there is a block");
        let value = *function.block(last).insts.iter().find(|value| function.op(**value).defines()).expect("one");
        let from = jump(function);
        if let End::Jump(Edge { args, .. }) = &mut function.block_mut(from).end {
            args[0] = value;
        }
    });
    rejected("defined twice", &|function| {
        let first = function.layout[0];
        let value = function.block(first).insts[0];
        function.block_mut(first).insts.push(value);
    });
    rejected("not complete", &|function| {
        let last = *function.layout.last().expect("there is a block");
        function.block_mut(last).end = End::Open;
    });
    rejected("has no value", &|function| {
        let first = function.layout[0];
        let fuel = function.add(Op::Fuel, 0);
        let uses = function.add(Op::Unary(jitduel::lir::UnaryOp::Negate, fuel), 0);
        function.block_mut(first).insts.extend([fuel, uses]);
    });
    rejected("in the layout twice", &|function| {
        let first = function.layout[0];
        function.layout.push(first);
    });
    rejected("cannot be reached", &|function| {
        let branch = |block: &&ssa::ir::Block| matches!(function.block(**block).end, End::BranchImm { .. });
        let block = *function.layout.iter().find(branch).expect("there is a branch");
        if let End::BranchImm { then, other, .. } = &mut function.block_mut(block).end {
            *other = *then;
        }
    });
}
