//! The let language: limits, order of errors, and sizes. Single constructs and errors are in `corpus/let`.

use std::fmt::Write;

use jitduel::corpus::{cases, near_misses};
use jitduel::front;
use jitduel::lang::print::print;
use jitduel::lang::{Diagnostic, Fault, Language, Source};
use jitduel::letlang::evaluate::evaluate;
use jitduel::letlang::{self, LetErrorKind, MAX_NESTING, MAX_VISIBLE};
use jitduel::outcome::{Outcome, Trap, TrapKind, Verdict};

fn source(text: &str) -> Source {
    Source::new("test.let", text).in_language(Language::Let)
}

/// The place and the message of the first error.
fn error(text: &str) -> (String, String) {
    let source = source(text);
    let error = letlang::compile(&source).expect_err(text);
    (source.place(error.span).to_string(), error.to_string())
}

fn place(text: &str) -> String {
    error(text).0
}

/// The referee's value of a program without inputs.
fn value(text: &str) -> i64 {
    let source = source(text);
    letlang::compile(&source).unwrap_or_else(|error| panic!("{text}: {error}"));
    let tree = letlang::parse(&source).expect("it was compiled");
    evaluate(&tree, &source, &[], 1_000_000, 10_000).expect("it does not trap")
}

/// The value of an expression with the same value in C, where the operators have the same levels except for the comparisons and
/// the bitwise operators.
#[test]
fn operators_bind_as_the_table_says() {
    for (expression, expected) in [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 4 - 3", 3),
        ("100 / 10 / 5", 2),
        ("1 << 2 + 1", 8),
        ("1 + 1 << 2", 8),
        ("6 & 3 << 1", 6),
        ("1 | 6 ^ 3 & 2", 1 | (6 ^ (3 & 2))),
        // In C, these would be 1 & (2 == 2) and so on.
        ("3 & 2 == 2", 1),
        ("1 ^ 3 == 2", 1),
        ("4 | 1 == 5", 1),
        ("1 < 2 && 3 > 2 || 0", 1),
        ("0 && 0 || 1", 1),
        ("1 || 0 && 0", 1),
        ("-2 * 3", -6),
        ("- - 2", 2),
        ("!0 + !5", 1),
        ("~0 * 2", -2),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("-1 >>> 60", 15),
        ("-16 >> 2", -4),
        ("-9223372036854775808 - 1", i64::MAX),
        ("-0x8000000000000000", i64::MIN),
    ] {
        assert_eq!(value(&format!("fn main() {{ return {expression}; }}")), expected, "{expression}");
    }
}

/// Every error has a caret, and the ones about a name have the nearest name or the other place.
#[test]
fn diagnostics_say_what_would_mend_it() {
    for (text, expected) in [
        ("fn main() { let count = 1; return cuont; }", "did you mean `count`?"),
        ("fn area(a) { return a; } fn main() { return aera(1); }", "did you mean `area`?"),
        ("array cells[3]; fn main() { return cell[0]; }", "did you mean `cells`?"),
        ("const LIMIT = 3; fn main() { return LIMT; }", "did you mean `LIMIT`?"),
        ("array a[16777216]; array b[1]; fn main() { return 0; }", "more than 16777216 cells in all arrays"),
        ("fn main() { return nothing; }", "declare it first"),
        ("fn f(a) { return a; } fn main() { return f(); }", "`f` takes 1 argument, but 0 are given"),
        ("fn main() { let a = 1; let a = 2; return a; }", "the first declaration is here"),
        ("array a[3]; fn main() { a = 1; return 0; }", "assign to an element"),
        ("const LIMIT = 3; fn main() { LIMIT = 1; return 0; }", "`LIMIT` is a constant and cannot be assigned"),
        ("fn f() { return 1; } fn main() { return f; }", "`f` is a function, not a variable"),
        ("fn main() { return 1 < 2 < 3; }", "`&&`"),
        ("fn main(for) { return 1; }", "`for` is a keyword"),
        ("fn main() { let a = 1; }", "end the function with `return`"),
        ("fn f() { return 1; }", "begins with a call of `main`"),
        ("fn main() { return 99999999999999999999; }", "does not fit in 64 bits"),
        ("fn main() { return 1; return 2; }", "nothing continues behind this statement"),
    ] {
        let source = source(text);
        let Err(fault) = front::parse(&source) else { panic!("{text}") };
        let shown = Diagnostic::from(&fault).render(&source);
        assert!(shown.contains(expected), "{text}: {shown}");
        assert!(shown.contains('^'), "{text}: {shown}");
        assert!(matches!(fault, Fault::Other(_)));
    }
}

/// Of several errors, the first in reading order is reported, whatever their kind.
#[test]
fn first_error_in_reading_order_wins() {
    assert_eq!(place("fn main() { return a[b]; }"), "1:20");
    assert_eq!(place("fn main() { return f(b); } array f[1];"), "1:20");
    assert_eq!(place("fn main() { x = y; let y = 1; }"), "1:13");
    assert_eq!(place("fn main() { return 1; break; }"), "1:23");
    // A syntax error anywhere comes before all others.
    assert_eq!(place("fn main() { return x; } fn f( { }"), "1:31");
    // The size of an array is an error at its place, after those before it.
    assert_eq!(place("fn main() { return x; } array a[0];"), "1:20");
    assert_eq!(place("array a[0]; fn main() { return x; }"), "1:9");
    // An unreachable statement counts before other errors at its first token.
    let (at, message) = error("fn main() { return 1; x = 1; }");
    assert_eq!((at.as_str(), message.as_str()), ("1:23", "unreachable statement"));
}

#[test]
fn nesting_is_bounded_and_counted_together() {
    let nested = |open: &str, inside: &str, close: &str, depth: usize| {
        format!(
            "fn f(x) {{ return x; }}\narray a[9];\nfn main() {{ return {}{inside}{}; }}",
            open.repeat(depth),
            close.repeat(depth)
        )
    };
    // The function's block counts too.
    for (open, close, width) in [("(", ")", 1), ("f(", ")", 2), ("a[", "]", 2), ("- ", "", 2), ("~(", ")", 2)] {
        let counted = if open == "~(" { 2 } else { 1 };
        let most = (MAX_NESTING - 1) / counted;
        assert!(letlang::compile(&source(&nested(open, "1", close, most))).is_ok(), "{open}");
        let too_many = nested(open, "1", close, most + 1);
        let at = letlang::compile(&source(&too_many)).expect_err(open);
        assert!(matches!(at.kind, LetErrorKind::TooDeep(_)), "{open}: {at}");
        let column = "fn main() { return ".len() + 1 + most * width + if counted == 2 { 1 } else { width - 1 };
        let column = if open == "- " { column - 1 } else { column };
        assert_eq!(source(&too_many).place(at.span).column, column, "{open}");
    }
    let else_ifs = |count: usize| format!("fn main() {{ if 1 {{ }} {} return 0; }}", "else if 1 { } ".repeat(count));
    // A block is open inside of each of them.
    assert!(letlang::compile(&source(&else_ifs(MAX_NESTING - 2))).is_ok());
    assert!(letlang::compile(&source(&else_ifs(MAX_NESTING - 1))).is_err());
    // One after another, they are not nested, and neither are calls.
    let else_ifs_in_sequence = "if 1 { } else if 1 { } ".repeat(MAX_NESTING);
    let calls_in_sequence = " + f(1) + (f(1))".repeat(MAX_NESTING);
    let in_sequence =
        format!("fn f(x) {{ return x; }} fn main() {{ {else_ifs_in_sequence} return 0{calls_in_sequence}; }}");
    assert!(letlang::compile(&source(&in_sequence)).is_ok());
    let blocks = |count: usize| format!("fn main() {{ {} {} return 0; }}", "{".repeat(count), "}".repeat(count));
    assert!(letlang::compile(&source(&blocks(MAX_NESTING - 1))).is_ok());
    assert!(letlang::compile(&source(&blocks(MAX_NESTING))).is_err());
}

/// The deepest recursion of the parser, on a thread with a small stack.
#[test]
fn deep_programs_need_no_large_stack() {
    let all_levels = "1 || 1 && 1 == 1 | 1 ^ 1 & 1 << 1 + 1 * (".repeat(MAX_NESTING - 1);
    let expression = format!("fn main() {{ return {all_levels} 1 {}; }}", ")".repeat(MAX_NESTING - 1));
    let blocks = MAX_NESTING - 1;
    let statements = format!("fn main() {{ {} {} return 0; }}", "if 1 {".repeat(blocks), "}".repeat(blocks));
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let values = small.spawn(move || [value(&expression), value(&statements)]).expect("there is memory for it");
    assert_eq!(values.join().expect("the stack suffices"), [1, 0]);
}

#[test]
fn variables_are_bounded() {
    let program = |count: usize| {
        let mut text = String::from("fn main(p) {\n");
        for index in 1..count {
            let _ = writeln!(text, "let v{index} = p;");
        }
        text + "return p; }"
    };
    let source = source(&program(MAX_VISIBLE));
    let parsed = front::parse(&source).expect("so many may be visible");
    assert!(parsed.program(1).expect("it has one input").is_ok());
    assert_eq!(place(&program(MAX_VISIBLE + 1)), format!("{}:1", MAX_VISIBLE + 1));
}

/// Chains and sequences have no limit, and take no recursion.
#[test]
fn long_programs_compile() {
    let length = 200_000;
    let chain = format!("fn main() {{ return 0{}; }}", " + 1".repeat(length));
    assert_eq!(value(&chain), length as i64);
    let conditions = format!("fn main() {{ return 1{}; }}", " && 2 || 0".repeat(length / 4));
    assert_eq!(value(&conditions), 1);
    let statements = format!("fn main() {{ let x = 0; {} return x; }}", "x += 1; ".repeat(length));
    assert_eq!(value(&statements), length as i64);
    let functions: String = (0..length / 4).map(|index| format!("fn f{index}() {{ return {index}; }}\n")).collect();
    assert_eq!(
        value(&format!("{functions} fn main() {{ return f7() + f{}(); }}", length / 4 - 1)),
        length as i64 / 4 + 6
    );
}

#[test]
fn texts_that_are_not_utf8_and_empty_texts_are_errors() {
    assert_eq!(place(""), "1:1");
    assert_eq!(place("// nothing\n  "), "1:1");
    let invalid =
        Source::new("test.let", [&b"fn main() { return 1; }\n"[..], &[0xff]].concat()).in_language(Language::Let);
    let error = letlang::compile(&invalid).expect_err("it is not UTF-8");
    assert_eq!((invalid.place(error.span).to_string(), error.kind), ("2:1".to_owned(), LetErrorKind::NotUtf8));
}

#[test]
fn inputs_are_the_parameters_of_main() {
    let source = source("fn main(a, b) { return a - b; }");
    assert!(front::load(&source, 2).expect("it takes two").is_ok());
    for given in [0, 1, 3] {
        let wrong = front::load(&source, given).expect_err("it takes two");
        assert_eq!((wrong.expected, wrong.given), (2, given));
    }
    let unknown = self::source("fn main(a) { return b; }");
    assert!(front::load(&unknown, 7).expect("errors of the text come first").is_err());
}

#[test]
fn the_referee_traps_where_the_page_says() {
    let trap = |text: &str, fuel, depth| {
        let source = source(text);
        let tree = letlang::parse(&source).expect(text);
        let Trap { kind, at } = evaluate(&tree, &source, &[], fuel, depth).expect_err(text);
        (kind, source.place(at).to_string())
    };
    let of = |kind, at: &str| (kind, at.to_owned());
    assert_eq!(trap("fn main() { return 1 / 0; }", 9, 9), of(TrapKind::DivisionByZero, "1:22"));
    assert_eq!(trap("array a[2]; fn main() { return a[2]; }", 9, 9), of(TrapKind::OutOfBounds, "1:32"));
    assert_eq!(trap("fn main() { while 1 { } return 0; }", 9, 9), of(TrapKind::OutOfFuel, "1:13"));
    assert_eq!(trap("fn main() { return main(); }", 99, 9), of(TrapKind::CallDepthExceeded, "1:20"));
    assert_eq!(trap("fn main() { return 0; }", 0, 9), of(TrapKind::OutOfFuel, "1:4"));
}

#[test]
fn cases_are_line_comments() {
    let source = source(
        "// case fuel=9: 1 -> 2\nfn main(a) { return a + 1; } // case: 2 -> 3\n// Case: 3 -> 4\n//case: 4 -> 5\n",
    );
    let lines: Vec<usize> = cases(&source).expect("they are well formed").iter().map(|case| case.line).collect();
    assert_eq!(lines, [1, 4]);
    let misses: Vec<String> = near_misses(&source).iter().map(|miss| miss.at.to_string()).collect();
    assert_eq!(misses, ["2:30", "3:1"]);
}

/// The exported stack program has the same result.
#[test]
fn exported_programs_have_the_same_outcome() {
    let source =
        source("array dup[2]; fn swap(a, b) { return b - a; } fn main(n) { dup[1] = swap(n, 9); return dup[1]; }");
    let program = front::load(&source, 1).expect("it has one input").expect("it is a program");
    let text = print(&program.ast().with_safe_names());
    let again = jitduel::lang::load(&Source::new("again", text), 1).expect("it is a program");
    let run = jitduel::engine::Run { inputs: &[4], fuel: None, stack_limit: 100, call_limit: 9 };
    let outcome = jitduel::interp::tree::evaluate(again.ast(), run);
    assert_eq!(outcome, Outcome::Done(vec![5]));
    assert_eq!(Verdict::of(&outcome, &source).to_string(), "5");
}
