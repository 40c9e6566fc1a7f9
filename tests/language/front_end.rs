//! The front end: printing, large programs, which would expose recursion, repeated walks or quadratic scans, messages, and the
//! forms of literals, names and comments.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use crate::binary::size;
use jitduel::corpus::programs;
use jitduel::engine::Run;
use jitduel::lang::print::print;
use jitduel::lang::words::spellings;
use jitduel::lang::{
    ArrayId, Ast, DefinitionId, Diagnostic, NodeKind, Program, Source, SyntaxErrorKind, load, parse, verify,
};
use jitduel::oracle::Oracle;
use jitduel::outcome::{Outcome, TrapKind};
use jitduel::registry::ENGINES;
use snapbox::{Assert, Data};

fn parsed(text: &str) -> Arc<Ast> {
    let source = Source::new("test", text);
    Arc::new(parse(&source).unwrap_or_else(|error| panic!("{error} in {}", &text[..text.len().min(200)])))
}

fn kinds(ast: &Ast) -> Vec<NodeKind> {
    ast.nodes().iter().map(|node| node.kind).collect()
}

/// Runs a program on every engine and returns their common outcome.
#[track_caller]
fn on_every_engine(program: &Program, inputs: &[i64]) -> Outcome {
    let run = Run { inputs, ..Run::default() };
    let mut oracle = Oracle::new(&ENGINES).expect("the engines exist");
    let answers = oracle.run(program, run).expect("there is memory");
    assert_eq!(answers.len(), ENGINES.len(), "{:?}", oracle.skipped());
    for answer in &answers[1..] {
        assert_eq!(answer.outcome, answers[0].outcome, "{} against {}", answer.engine, answers[0].engine);
    }
    answers[0].outcome.clone()
}

// Printing.

/// A printed program parses to the same tree, and prints to the same text.
fn round_trip(ast: &Ast) {
    let text = print(ast);
    let again = parsed(&text);
    assert!(again.without_positions() == ast.without_positions(), "{}", &text[..text.len().min(1000)]);
    assert!(print(&again) == text, "{}", &text[..text.len().min(1000)]);
    let shown = text.lines().map(|line| line.trim_start().len()).max().unwrap_or(0);
    assert!(shown <= 100 && (text.is_empty() || text.ends_with('\n')), "{shown}");
}

#[test]
fn valid_programs_of_the_corpus_survive_printing() {
    let mut valid = 0;
    let mut paths = Vec::new();
    programs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"), &mut paths).expect("the corpus is there");
    for path in &paths {
        let source = Source::new("corpus", std::fs::read(path).expect("it can be read"));
        if let Ok(ast) = parse(&source) {
            round_trip(&ast);
            valid += 1;
        }
    }
    assert!(valid > 100 && valid < paths.len(), "{valid} of {} programs are valid", paths.len());
}

// Sizes.

#[test]
fn large_programs_parse_print_and_verify() {
    let words = size("words", 500_000, 100_000);
    let programs = [
        ("straight", "1 drop ".repeat(words / 2), words),
        ("sums", "7 + ".repeat(words / 2), words),
        ("loops", "3 times 1 + end ".repeat(words / 5), words),
        ("loops that change the depth", "2 times 1 end 2 times drop end ".repeat(words / 8), words),
        ("branches", "dup if 1 + else 2 - end dup while 0 do end drop ".repeat(words / 13), words),
        ("one definition", format!(": f ( -- ) {}; ", "1 drop ".repeat(words / 2)), words),
        ("calls", format!(": f ( a -- b ) ; {}", "f ".repeat(words)), words),
        ("calls before the definition", format!("{}: f ( a -- b ) ; ", "f ".repeat(words)), words),
        ("many values", format!(": f ( {0}-- {0}) ; ", "a ".repeat(words / 2)), 0),
    ];
    for (name, text, words) in programs {
        let ast = parsed(&text);
        assert!(ast.nodes().len() >= words / 2, "{name}: {} nodes", ast.nodes().len());
        round_trip(&ast);
        verify(&ast, 1).unwrap_or_else(|rejection| panic!("{name}: {rejection}"));
        // The last fault is at the greatest possible distance.
        let source = Source::new("test", text.clone() + "end");
        let error = parse(&source).expect_err("it is stray");
        assert_eq!((source.text(error.span), error.span.start as usize), ("end".to_owned(), text.len()), "{name}");
    }
}

/// Names are looked up, never searched for.
#[test]
fn many_definitions_and_chains_of_calls_parse_print_and_verify() {
    let count = size("definitions", 150_000, 50_000);
    let arrays = size("arrays", 100_000, 50_000);
    let names = |count: usize| (0..count).map(|index| format!("f{index}"));
    let chain = |count: usize, calls: fn(usize) -> usize| {
        let called = |index: usize| if index == 0 { String::new() } else { format!("f{} ", calls(index)) };
        (0..count).map(|index| format!(": f{index} ( a -- b ) {}; ", called(index))).collect::<String>()
    };
    let longest = size("calls in a chain", 50_000, 10_000);
    // Each name is used before its definition.
    let ahead = (0..longest).map(|index| format!(": f{index} ( a -- b ) f{} ; ", (index + 1) % longest)).collect();
    for (name, text, definitions, declared) in [
        ("definitions", names(count).map(|name| format!(": {name} ( a -- b ) 1 + ; ")).collect(), count, 0),
        ("arrays", names(arrays).map(|name| format!("1 array {name} {name} drop ")).collect(), 0, arrays),
        ("a chain of calls", chain(longest, |index| index - 1) + "f99", longest, 0),
        ("a chain of calls to later definitions", ahead, longest, 0),
        ("a cycle", chain(longest, |index| index), longest, 0),
    ] {
        let text: String = text;
        let ast = parsed(&text);
        assert_eq!((ast.definitions().len(), ast.arrays().len()), (definitions, declared), "{name}");
        round_trip(&ast);
        let program = verify(&ast, 1).unwrap_or_else(|rejection| panic!("{name}: {rejection}"));
        assert_eq!(program.frames().len(), definitions, "{name}");
        // An unknown word at the end is compared with every name.
        let source = Source::new("test", text.clone() + " f999999x9");
        let error = parse(&source).expect_err("it is unknown");
        assert!(matches!(error.kind, SyntaxErrorKind::UnknownWord { .. }), "{name}: {error}");
    }
}

#[test]
fn deep_and_wide_programs_parse_print_verify_and_run() {
    let wide = size("words of a body", 249, 24);
    let text =
        format!("1 times {}", "1 + ".repeat(wide)).repeat(1000) + &format!("{}end ", "1 + ".repeat(wide)).repeat(1000);
    let ast = parsed(&text);
    assert_eq!((ast.nesting(), ast.nodes().len()), (1000, 1000 * (4 * wide + 2)));
    round_trip(&ast);
    let program = verify(&ast, 1).expect("it keeps the depth");
    assert_eq!(on_every_engine(&program, &[5]), Outcome::Done(vec![5 + 2000 * wide as i64]));
    // If every body changes the depth, each is walked from several intervals.
    let text = "1 times 1 2 3 drop ".repeat(1000) + &"4 drop drop drop drop end ".repeat(1000);
    let program = verify(&parsed(&text), 1).expect("it can succeed");
    assert!(program.facts().iter().any(|fact| fact.may_underflow));
    round_trip(program.ast());
}

#[test]
fn a_thousand_nested_bodies_run_on_every_engine_and_one_more_is_an_error() {
    let nested =
        |open: &str, inner: &str, close: &str, levels: usize| open.repeat(levels) + inner + &close.repeat(levels);
    // The opener of the first body beyond the limit, as a byte offset in its repetition.
    for (name, open, inner, close, opener, answer) in [
        ("times", "1 times ", "1 + ", "end ", 2, 6),
        ("if", "1 if ", "1 + ", "end ", 2, 6),
        ("else", "0 if else ", "1 + ", "end ", 2, 6),
        ("if and else", "1 0 if drop else if ", "1 + ", "end end ", 4, 6),
        ("while", "1 while do ", "", "0 end ", 2, 5),
        ("condition", "while ", "1 + ", "0 do end ", 0, 6),
    ] {
        let per_level = if name == "if and else" { 2 } else { 1 };
        let levels = 1000 / per_level;
        let text = nested(open, inner, close, levels);
        let program = load(&Source::new("test", text), 1).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(program.ast().nesting(), 1000);
        round_trip(program.ast());
        assert_eq!(on_every_engine(&program, &[5]), Outcome::Done(vec![answer]), "{name}");
        let error = parse(&Source::new("test", nested(open, inner, close, levels + 1))).expect_err("too deep");
        let at = open.len() * levels + opener;
        assert_eq!((error.kind, error.span.start as usize), (SyntaxErrorKind::TooDeep, at), "{name}");
    }
    // Definitions do not count, and their bodies are not nested in each other.
    let deep = format!(": f ( -- ) {} ; ", nested("1 times ", "", "end ", 1000));
    assert_eq!(parsed(&(deep.clone() + &deep.replace('f', "g"))).nesting(), 1000);
    let error = parse(&Source::new("test", deep.replacen("1 times", "1 times 1 times", 1))).expect_err("too deep");
    assert_eq!((error.kind, error.span.start as usize), (SyntaxErrorKind::TooDeep, ": f ( -- ) ".len() + 8 * 1000 + 2));
    // Consecutive bodies are not nested.
    let beside = "1 times end 1 if else end while 0 do end ".repeat(1001);
    assert_eq!(parsed(&beside).nesting(), 1);
}

#[test]
fn a_thousand_nested_loops_that_change_the_depth_verify_and_agree() {
    let text = "1 times 9 ".repeat(1000) + &"drop drop end ".repeat(1000);
    let program = load(&Source::new("test", &*text), 1).expect("it can succeed");
    // With 1001 values, 500 bodies drop two each; the first `drop` of the next one pops the last value.
    let Outcome::Trap(trap) = on_every_engine(&program, &[5]) else { panic!("it underflows") };
    let at = "1 times 9 ".len() * 1000 + "drop drop end ".len() * 500 + "drop ".len();
    assert_eq!((trap.kind, trap.at.start as usize), (TrapKind::StackUnderflow, at));
    let enough = [7; 1001];
    let program = load(&Source::new("test", text), enough.len()).expect("it can succeed");
    assert_eq!(on_every_engine(&program, &enough), Outcome::Done(vec![7]));
}

// Messages.

/// One fault of each kind, and of each kind of help, with the number of inputs.
const FAULTY: &[(&str, &[u8], usize)] = &[
    ("not UTF-8", b"1 dpu\n3 \\ caf\xe9 au lait", 0),
    ("unknown word, similar to one of ours", b"1 dup swpa", 0),
    ("unknown word, another language's", b"1 2 !=", 0),
    ("unknown word, one of ours in capitals", b"1 DUP", 0),
    ("unknown word, not similar to any", b"1 frobnicate", 0),
    ("unknown word, very long", &[b'a'; 200], 0),
    (
        "unknown word, very long, followed by others",
        &{
            let mut text = [b'a'; 200];
            text.as_mut_slice().split_at_mut(190).1.copy_from_slice(b" 1 2 3 4 5");
            text
        },
        0,
    ),
    ("unknown word, byte-order mark", b"\xef\xbb\xbf1 2 +", 0),
    ("unknown word, comment without a space", b"1 2 \\comment", 0),
    ("unknown word, parenthesis without a space", b"1 2 (comment)", 0),
    ("unknown word, plus as a sign", b"1 +5", 0),
    ("unknown word, almost a literal", b"1 12abc", 0),
    ("unknown word, hexadecimal without digits", b"0x", 0),
    ("unknown word, control characters", b"1 \x1b[31m\x07", 0),
    ("literal out of range", b"1 9223372036854775808", 0),
    ("negative literal out of range", b"-9223372036854775809", 0),
    ("hexadecimal literal out of range", b"0x10000000000000000", 0),
    ("missing end of times", b"3 times 1 +\n  2 times 1 end", 0),
    ("missing end of if", b"3 if 1 else 2", 0),
    ("missing end of while", b"while 3 if 1 else 2 end", 0),
    ("missing do", b"1 while dup end", 0),
    ("stray end", b"1 2 + end", 0),
    ("stray else", b"1 times else end", 0),
    ("second else", b"1 if 2 else 3 else 4 end", 0),
    ("stray do", b"1 while do do end", 0),
    ("pick without a literal", b"1 2 + pick", 0),
    ("pick of a negative literal", b"1 2 -1 pick", 0),
    ("put without a literal", b"1 2 dup put", 0),
    ("array without a literal", b"1 2 + array a", 0),
    ("array without cells", b"0 array a", 0),
    ("word after leave", b"1 times leave 2 end", 0),
    ("word after exit", b"1 if exit 2 end", 0),
    ("exit at the end", b"1 2 + exit", 0),
    ("word after a closing if", b"1 if 2 if exit else exit end 3 end", 0),
    ("leave outside of a loop", b"1 if leave end", 0),
    ("leave in a condition", b"1 while if leave end do end", 0),
    ("unclosed comment", b"1 2 ( never\nclosed", 0),
    ("unclosed effect", b": f ( a -- b", 0),
    ("missing semicolon", b"1 : f ( -- )\n  2 if 3 drop end\n  f\n", 0),
    ("stray semicolon", b"1 2 + ;", 0),
    ("semicolon in a body", b": f ( a -- )\n  times 1 drop ;", 0),
    ("stray end in a definition", b": f ( -- ) 1 drop end ;", 0),
    ("definition in a body", b"1 if : f ( -- ) ; end", 0),
    ("definition in a definition", b": f ( -- )\n  : g ( -- ) ;\n;", 0),
    ("array in a definition", b": f ( -- ) 1 array a ;", 0),
    ("array in a body", b"while 1 array a do end", 0),
    ("too many cells", b"16777216 array a 1 array b", 0),
    ("definition without a name", b"1 : ( f )", 0),
    ("array without a name", b"1 array", 0),
    ("name that is a word", b": dup ( a -- a a ) ;", 0),
    ("name that is a literal", b"3 array 0x10", 0),
    ("name defined before", b"3 array f\n: f ( -- ) ;", 0),
    ("no effect", b": f 1 + ;", 0),
    ("no effect at the end", b": f", 0),
    ("effect without spaces", b": f (a -- b) ;", 0),
    ("effect after a comment without a space", b": f \\comment\n( a -- b ) ;", 0),
    ("effect without dashes", b": f ( a b ) + ;", 0),
    ("effect with two dashes", b": f ( a -- b -- c ) + ;", 0),
    ("misspelled name", b": square ( a -- b ) dup * ; 5 sqaure", 0),
    ("definition without a space", b":f ( -- ) ;", 0),
    ("semicolon without a space", b": f ( -- n ) 1;", 0),
    ("dashes outside of an effect", b"1 -- 2", 0),
    ("underflow", b"1 +", 0),
    ("underflow of a pick", b"1 2 5 pick", 1),
    ("underflow of a put", b"1 2 1 put", 0),
    ("underflow of times", b"times end", 0),
    ("underflow in a definition", b": f ( a -- b c )\n  dup rot ;", 0),
    ("underflow of a call", b": f ( a b c -- ) drop drop drop ; 1 f", 0),
    ("unbalanced if in a definition", b": f ( a -- b ) if 1 end ;", 0),
    ("wrong effect, too many", b": double ( a -- b ) dup dup + ;", 0),
    ("wrong effect, too few", b": f ( a -- b c ) drop ;", 0),
    ("wrong effect, at exit", b": sign ( n -- f )\n  dup 0 < if -1 exit end\n  0 > ;", 0),
    ("wrong effect, growing", b": f ( n -- ) times 1 end ;", 0),
    ("wrong effect, unknown", b": f ( a b n -- ) times drop end ;", 0),
    ("wrong effect, many values", b": f ( a b c d e f g h i j k l -- ) ;", 0),
    ("unbalanced if", b"1 if 2 3 else 4 end", 0),
    ("unbalanced if without else", b"1 if 2 end", 0),
    ("after wide characters", b"1 ( \xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80 e\xcc\x81 )\t2 dpu", 0),
    ("with a carriage return", b"1\r\n2 dpu\r\n3\r\n", 0),
];

/// Every message, its label and its help, without colors.
#[test]
fn diagnostics_match_the_golden_file() {
    let far = "1 drop ".repeat(40) + "dpu" + &" 1 drop".repeat(40);
    let long = format!(": {} ( -- ) 1 drop{} exit ;", "long".repeat(20), " 1 drop".repeat(40) + " 1");
    let nested = "1 times\n".repeat(1001);
    let built = [
        ("far into a line", far.as_bytes(), 0),
        ("far from the name", long.as_bytes(), 0),
        ("more than 1000 nested bodies", nested.as_bytes(), 0),
    ];
    let mut text = String::from(
        "Compared by tests/language/front_end.rs. After an intended change, regenerate this file and review the diff:\n\
         SNAPSHOTS=overwrite cargo test --test language front_end\n",
    );
    for (name, bytes, inputs) in FAULTY.iter().chain(&built) {
        let source = Source::new("test.stk", *bytes);
        let fault = load(&source, *inputs).expect_err(name);
        let shown = Diagnostic::from(&fault).render(&source);
        let kind = fault.kind();
        write!(text, "\n== {name} ({kind})\n{}\n", anstream::adapter::strip_str(&shown))
            .expect("writing to a string cannot fail");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/diagnostics.txt");
    Assert::new().action_env("SNAPSHOTS").eq(Data::text(text).raw(), Data::read_from(&path, None).raw());
}

fn nearest(word: &str) -> Option<String> {
    match parse(&Source::new("test", word)).map_err(|error| error.kind) {
        Err(SyntaxErrorKind::UnknownWord { nearest, .. }) => nearest,
        other => panic!("`{word}` is known: {other:?}"),
    }
}

/// Typing errors in a word: a letter omitted, doubled or exchanged with its neighbor, and capitals.
fn misspelled(word: &str) -> Vec<String> {
    let mut slips = vec![word.to_uppercase()];
    for at in 0..word.len() {
        if word.len() > 3 {
            slips.push(format!("{}{}", &word[..at], &word[at + 1..]));
        }
        slips.push(format!("{}{}", &word[..=at], &word[at..]));
        if at > 0 {
            let mut letters: Vec<char> = word.chars().collect();
            letters.swap(at - 1, at);
            slips.push(letters.into_iter().collect());
        }
    }
    slips.retain(|slip| slip != word && !spellings().any(|known| known == slip));
    slips
}

#[test]
fn misspelled_word_gets_the_right_suggestion() {
    let mut count = 0;
    for word in spellings().filter(|word| word.len() > 1 && word.chars().all(char::is_alphabetic)) {
        for slip in misspelled(word) {
            // Equally near to another word.
            let meant = match &*slip {
                "oor" => "xor",
                "shift" => "lshift",
                // `arshift` has more letters in common with it.
                "rrshift" | "ershift" => "arshift",
                _ => word,
            };
            assert_eq!(nearest(&slip).as_deref(), Some(meant), "{slip}");
            count += 1;
        }
    }
    assert!(count > 150, "{count}");
    for (foreign, ours) in [
        ("==", "="),
        ("!=", "<>"),
        ("=<", "<="),
        ("=>", ">="),
        ("%", "mod"),
        ("rem", "mod"),
        ("&", "and"),
        ("&&", "and"),
        ("|", "or"),
        ("||", "or"),
        ("^", "xor"),
        ("<<", "lshift"),
        (">>", "arshift"),
        (">>>", "rshift"),
        ("shl", "lshift"),
        ("~", "invert"),
        ("neg", "negate"),
        ("break", "leave"),
        ("return", "exit"),
        ("shr", "rshift"),
        ("pop", "drop"),
        ("Swap", "swap"),
        ("time", "times"),
        ("roto", "rot"),
    ] {
        assert_eq!(nearest(foreign).as_deref(), Some(ours), "{foreign}");
    }
    // If no word is near, none is suggested.
    for word in ["x", "?", "frobnicate", "hello", "emit", ".", ",", "constant", "dup+swap", "ü"] {
        assert_eq!(nearest(word), None, "{word}");
    }
}

#[test]
fn names_of_the_text_are_suggested_too() {
    for (text, near) in [
        (": square ( a -- b ) dup * ; 5 sqare", "square"),
        // Also a name that is defined later, and one that cannot be defined there.
        ("5 sqare : square ( a -- b ) dup * ;", "square"),
        ("fobo 1 if : foo ( -- ) ;", "foo"),
        ("10 array Table table @", "Table"),
        ("10 array Table TABEL @", "Table"),
        (": größe ( -- n ) 1 ; grösse", "größe"),
        // The nearest of all.
        (": swaps ( -- ) ; : tucks ( -- ) ; 1 dupp", "dup"),
        (": dupes ( -- ) ; : swapp ( -- ) ; 1 duped", "dupes"),
        (": axy ( -- ) ; : axx ( -- ) ; axw", "axx"),
        // The hint for another language's word is better.
        (": prin ( -- ) ; 1 print", ""),
        (": returns ( -- ) ; 1 return", "exit"),
        (&format!(": {} ( -- ) ; {}", "x".repeat(41), "x".repeat(42)), ""),
        (&format!(": {} ( -- ) ; {}", "x".repeat(39), "x".repeat(40)), &"x".repeat(39)),
    ] {
        assert_eq!(nearest(text).unwrap_or_default(), near, "{text}");
    }
}

// Text.

#[test]
fn places_count_lines_by_lf_and_columns_by_characters() {
    for (text, place) in [
        ("oops", "1:1"),
        ("\t oops", "1:3"),
        ("1\r\n\r\n oops", "3:2"),
        ("1\roops", "1:3"),
        ("1\x0coops", "1:3"),
        ("( \u{e9}\u{6f22}\u{1f600}e\u{301} ) oops", "1:11"),
        ("( a\nb\n )oops", "3:3"),
        ("\\ \u{1f600} ) ( end\noops", "2:1"),
        ("\u{a0}1", "1:1"),
        ("1 \u{2003}2", "1:3"),
        ("1\x0b2", "1:1"),
        ("1 \u{feff}2", "1:3"),
        ("\u{feff}1", "1:1"),
        ("1\u{85}", "1:1"),
        ("\u{1d11e} 1", "1:1"),
        ("1 ( \u{1d11e} ) (", "1:9"),
        ("()", "1:1"),
        ("1 )", "1:3"),
        ("1 ( ) )", "1:7"),
        ("1 ( ( ) oops )", "1:9"),
        ("(\n)\\", "2:2"),
    ] {
        let source = Source::new("test", text);
        match parse(&source) {
            // A comment may end with the text.
            Ok(_) => assert_eq!(text, "(\n)\\"),
            Err(error) => assert_eq!(source.place(error.span).to_string(), place, "{text:?}: {error}"),
        }
    }
}

#[test]
fn comments_end_as_defined() {
    for (text, words) in [
        ("\\", 0),
        ("\\\n1", 1),
        ("\\ 1 2\n3 \\ 4", 1),
        ("( )1", 1),
        ("( ( )1 2", 2),
        ("(\n)", 0),
        ("(\t)2\t( x )3", 2),
        ("( \\ )1", 1),
        ("\\ (\n1", 1),
        ("\\ \r1\n", 0),
        ("1 ( c ) pick", 1),
        ("1 \\ c\npick", 1),
        ("1 ( a ) ( b )pick", 1),
        ("1 ( c ) put", 1),
    ] {
        let known: Vec<_> = kinds(&parsed(text));
        assert_eq!(known.len(), words, "{text:?}: {known:?}");
    }
}

#[test]
fn invalid_utf8_is_the_first_fault_at_any_position() {
    for (bytes, place) in [
        (b"\xff".as_slice(), "1:1"),
        (b"end dpu 99999999999999999999\n\\ \xff", "2:3"),
        (b"1 ( \xc3\xa9 \xc3 )", "1:7"),
        // A truncated character, an overlong one, a surrogate, one beyond the last.
        (b"12\xe2\x82", "1:3"),
        (b"1 \xc0\xaf", "1:3"),
        (b"1 \xed\xa0\x80", "1:3"),
        (b"1 \xf4\x90\x80\x80", "1:3"),
        (b"\n\xf0\x9d\x84\x9e\x80", "2:2"),
    ] {
        let source = Source::new("test", bytes);
        let error = parse(&source).expect_err("it is not UTF-8");
        assert_eq!((&error.kind, source.place(error.span).to_string().as_str()), (&SyntaxErrorKind::NotUtf8, place));
        assert!(Diagnostic::from(&error).render(&source).contains("not valid UTF-8"));
    }
}

#[test]
fn literals_have_the_documented_forms_and_no_others() {
    for (text, value) in [
        ("0", 0),
        ("-0", 0),
        ("007", 7),
        ("-007", -7),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
        ("000000000000000000000000000000000000000000009223372036854775807", i64::MAX),
        ("0x0", 0),
        ("0xffFFffFFffFFffFF", -1),
        ("0x8000000000000000", i64::MIN),
        ("0x00000000000000000000000000000000000000000000000000000000001f", 31),
    ] {
        assert_eq!(kinds(&parsed(text)), [NodeKind::Literal(value)], "{text}");
    }
    let error = |text: &str| parse(&Source::new("test", text)).expect_err("no literal").kind;
    for text in ["9223372036854775808", "-9223372036854775809", "0x10000000000000000", &"9".repeat(100_000)] {
        assert_eq!(error(text), SyntaxErrorKind::LiteralOutOfRange, "{}", &text[..20]);
    }
    for text in
        ["+1", "--1", "- 1x", "0X1", "-0x1", "0x", "0xg", "1_000", "1.5", "1e3", "1-", "0b1", "\u{661}", "\u{ff11}"]
    {
        assert!(matches!(error(text), SyntaxErrorKind::UnknownWord { .. }), "{text}");
    }
}

// Names and effects.

#[test]
fn any_other_word_may_be_a_name() {
    for name in [
        "x",
        "+5",
        "--5",
        "1+",
        "2dup",
        "0x",
        "0xg",
        "0X1",
        "-0x1",
        "(x",
        "x)",
        "()",
        "\\x",
        ":x",
        ";x",
        "x;",
        "array2",
        "Dup",
        "---",
        "->",
        "ü",
        "漢字",
        "\u{feff}",
        "a\u{a0}b",
        "\u{1b}[31m",
        "\0",
        "'",
        "f(a",
        "case",
        "then",
    ] {
        let ast = parsed(&format!("{name} : {name} ( a -- b c ) {name} {name} drop ; {name}"));
        assert_eq!((&*ast.definitions()[0].name, ast.nodes().len()), (name, 5), "{name}");
        round_trip(&ast);
        let ast = parsed(&format!("{name} 7 array {name} {name}"));
        assert_eq!((&*ast.arrays()[0].name, ast.nodes().len(), ast.cells()), (name, 2, 7), "{name}");
        round_trip(&ast);
    }
    let words = spellings().chain([")", "--", "0", "-0", "007", "99999999999999999999", "0x0", "0xffffffffffffffffff"]);
    for word in words {
        for text in [format!(": {word} ( -- ) ;"), format!("1 array {word}"), format!(": ( c ) \\ c\n{word}")] {
            let source = Source::new("test", text);
            let error = parse(&source).expect_err("not a name");
            assert!(matches!(error.kind, SyntaxErrorKind::NameNotAllowed { .. }), "{word}: {error}");
            assert_eq!(source.text(error.span), word);
        }
    }
}

#[test]
fn effects_count_the_words_on_each_side() {
    for (effect, counts) in [
        ("( -- )", (0, 0)),
        ("( --)", (0, 0)),
        ("(\t--\n)", (0, 0)),
        ("( a b -- c )", (2, 1)),
        ("( a\nb -- c d)", (2, 2)),
        ("( ( \\ 1 : -- ; dup )", (4, 2)),
        ("( a - b -- c )", (3, 1)),
        ("( ---- -- --a )", (1, 1)),
        ("\\ ( x -- )\n\\ c\n( a -- )", (1, 0)),
    ] {
        let body = "drop ".repeat(counts.0 as usize) + &"1 ".repeat(counts.1 as usize);
        // A word may follow the `)` directly.
        let ast = parsed(&format!(": f {effect}{body};"));
        let definition = &ast.definitions()[0];
        assert_eq!((definition.params, definition.results), counts, "{effect}");
        verify(&ast, 0).unwrap_or_else(|rejection| panic!("{effect}: {rejection}"));
    }
}

#[test]
fn definitions_are_visible_in_the_whole_text_and_do_nothing_where_they_stand() {
    let ast = parsed("1 b : f ( -- n ) a b ; 2 3 array a f 4 array b : g ( -- n ) f ; a g");
    let names: Vec<_> = ast.nodes().iter().map(|node| (node.kind, node.span.start)).collect();
    let (call, address) = (|id| NodeKind::Call(DefinitionId(id)), |id| NodeKind::Address(ArrayId(id)));
    assert_eq!(
        names,
        [
            (NodeKind::Literal(1), 0),
            (address(1), 2),
            (NodeKind::Literal(2), 23),
            (call(0), 35),
            (address(0), 64),
            (call(1), 66),
            (address(0), 17),
            (address(1), 19),
            (call(0), 60),
        ]
    );
    assert_eq!((ast.main(), ast.definitions()[0].body.clone(), ast.definitions()[1].body.clone()), (0..6, 6..8, 8..9));
    assert_eq!((ast.arrays()[0].start, ast.arrays()[1].start, ast.cells()), (0, 3, 7));
    // A literal and its word are one, whatever is defined around them.
    assert!(parse(&Source::new("test", "1 : f ( -- ) ; pick")).is_err());
    assert!(parse(&Source::new("test", "1 2 array a pick")).is_err());
}
