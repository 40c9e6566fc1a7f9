//! The front end against the language's definition. A checker written directly from the definition judges the same
//! programs, and large programs would expose recursion, repeated walks or quadratic scans.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use crate::binary::size;
use jitduel::corpus::programs;
use jitduel::engine::Run;
use jitduel::lang::print::print;
use jitduel::lang::words::spellings;
use jitduel::lang::{Ast, Diagnostic, Fault, NodeKind, Program, Source, SyntaxErrorKind, load, parse, verify};
use jitduel::oracle::Oracle;
use jitduel::outcome::{Outcome, TrapKind};
use jitduel::registry::ENGINES;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
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
    assert!(kinds(&again) == kinds(ast) && again.nesting() == ast.nesting(), "{}", &text[..text.len().min(1000)]);
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
fn million_word_programs_parse_print_and_verify() {
    let words = size("words", 1_000_000, 100_000);
    let programs = [
        ("straight", "1 drop ".repeat(words / 2), words),
        ("sums", "7 + ".repeat(words / 2), words),
        ("loops", "3 times 1 + end ".repeat(words / 5), words),
        ("loops that change the depth", "2 times 1 end 2 times drop end ".repeat(words / 8), words),
        ("branches", "dup if 1 + else 2 - end dup while 0 do end drop ".repeat(words / 13), words),
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
    ("word after leave", b"1 times leave 2 end", 0),
    ("word after exit", b"1 if exit 2 end", 0),
    ("exit at the end", b"1 2 + exit", 0),
    ("word after a closing if", b"1 if 2 if exit else exit end 3 end", 0),
    ("leave outside of a loop", b"1 if leave end", 0),
    ("leave in a condition", b"1 while if leave end do end", 0),
    ("unclosed comment", b"1 2 ( never\nclosed", 0),
    ("underflow", b"1 +", 0),
    ("underflow of a pick", b"1 2 5 pick", 1),
    ("underflow of a put", b"1 2 1 put", 0),
    ("underflow of times", b"times end", 0),
    ("unbalanced if", b"1 if 2 3 else 4 end", 0),
    ("unbalanced if without else", b"1 if 2 end", 0),
    ("after wide characters", b"1 ( \xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80 e\xcc\x81 )\t2 dpu", 0),
    ("with a carriage return", b"1\r\n2 dpu\r\n3\r\n", 0),
];

/// Every message, its label and its help, without colors.
#[test]
fn diagnostics_match_the_golden_file() {
    let far = "1 drop ".repeat(40) + "dpu" + &" 1 drop".repeat(40);
    let nested = "1 times\n".repeat(1001);
    let built = [("far into a line", far.as_bytes(), 0), ("more than 1000 nested bodies", nested.as_bytes(), 0)];
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

fn nearest(word: &str) -> Option<&'static str> {
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
            assert_eq!(nearest(&slip), Some(meant), "{slip}");
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
        assert_eq!(nearest(foreign), Some(ours), "{foreign}");
    }
    // If no word is near, none is suggested.
    for word in ["x", "!", "?", "frobnicate", "hello", "emit", ".", "@", "constant", "dup+swap", "ü"] {
        assert_eq!(nearest(word), None, "{word}");
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

// The definition, implemented a second time.

/// The error in a program: its kind in the words of case lines, and the index of the word.
type Wrong = (&'static str, usize);

/// A word with its effect, or a loop or branch; `at` is the index of the word.
enum Tree {
    Word { pops: u64, pushes: u64, at: usize },
    Times { body: Vec<Tree>, at: usize },
    If { then: Vec<Tree>, otherwise: Vec<Tree>, at: usize },
    While { cond: Vec<Tree>, body: Vec<Tree>, at: usize },
    Leave { at: usize },
    Exit { at: usize },
}

/// "`exit` and `leave` are closing words. An `if` with an ELSE is a closing word itself if both of its branches end with one."
fn closing(trees: &[Tree]) -> Option<usize> {
    match trees.last()? {
        Tree::Leave { at } | Tree::Exit { at } => Some(*at),
        Tree::If { then, otherwise, at } => closing(then).and(closing(otherwise)).map(|_| *at),
        _ => None,
    }
}

/// "stray `end`, `else`, `do` (each belongs to the innermost open body alone)".
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Program,
    Times,
    Then,
    Else,
    Cond,
    Body,
}

struct Reader<'a> {
    words: &'a [&'a str],
    next: usize,
}

impl Reader<'_> {
    /// Reads the words of a body opened at `opener` and the word that closes it. `in_body` says whether it is in the BODY, and
    /// not in the COND, of the innermost loop around it.
    fn body(&mut self, inside: Inside, in_body: bool, opener: usize) -> Result<(Vec<Tree>, &str), Wrong> {
        let mut trees = Vec::new();
        loop {
            let at = self.next;
            if let Some(closing) = closing(&trees)
                && !matches!(self.words.get(at), Some(&"end" | &"else"))
            {
                return Err(("not last", closing));
            }
            let Some(&word) = self.words.get(at) else {
                return if inside == Inside::Program { Ok((trees, "")) } else { Err(("missing end", opener)) };
            };
            self.next += 1;
            let effect = |pops, pushes| Tree::Word { pops, pushes, at };
            let tree = match word {
                "end" if inside == Inside::Program => return Err(("stray end", at)),
                "end" if inside == Inside::Cond => return Err(("missing do", at)),
                "end" => return Ok((trees, "end")),
                "else" if inside == Inside::Then => return Ok((trees, "else")),
                "else" => return Err(("stray else", at)),
                "do" if inside == Inside::Cond => return Ok((trees, "do")),
                "do" => return Err(("stray do", at)),
                "times" => Tree::Times { body: self.body(Inside::Times, true, at)?.0, at },
                "if" => {
                    let (then, closer) = self.body(Inside::Then, in_body, at)?;
                    let divided = closer == "else";
                    let otherwise = if divided { self.body(Inside::Else, in_body, at)?.0 } else { Vec::new() };
                    Tree::If { then, otherwise, at }
                }
                "while" => {
                    let cond = self.body(Inside::Cond, false, at)?.0;
                    Tree::While { cond, body: self.body(Inside::Body, true, at)?.0, at }
                }
                "leave" if !in_body => return Err(("leave outside", at)),
                "leave" => Tree::Leave { at },
                "exit" => Tree::Exit { at },
                "pick" => {
                    // "K, a literal >= 0, is the word directly before".
                    let depth = at.checked_sub(1).and_then(|before| self.words[before].parse::<u64>().ok());
                    let depth = depth.ok_or(("without literal", at))?;
                    trees.pop();
                    effect(depth + 1, depth + 2)
                }
                "put" => {
                    let depth = at.checked_sub(1).and_then(|before| self.words[before].parse::<u64>().ok());
                    let depth = depth.ok_or(("without literal", at))?;
                    trees.pop();
                    effect(depth + 2, depth + 1)
                }
                "+" | "-" | "*" | "/" | "mod" | "and" | "or" | "xor" | "lshift" | "rshift" | "arshift" => effect(2, 1),
                "=" | "<>" | "<" | ">" | "<=" | ">=" | "u<" | "min" | "max" => effect(2, 1),
                "negate" | "invert" | "abs" => effect(1, 1),
                "dup" => effect(1, 2),
                "drop" => effect(1, 0),
                "swap" => effect(2, 2),
                "over" => effect(2, 3),
                "rot" => effect(3, 3),
                "nip" => effect(2, 1),
                "tuck" => effect(2, 3),
                literal if literal.parse::<i64>().is_ok() => effect(0, 1),
                _ => return Err(("unknown word", at)),
            };
            trees.push(tree);
        }
    }
}

/// The least and the greatest depth; `None` means unbounded.
type Depth = (u64, Option<u64>);

/// The facts about a word from all walks: whether underflow must be checked, and the depths that it can leave.
#[derive(Clone, Copy)]
struct Seen {
    may_underflow: bool,
    greatest: Option<u64>,
}

/// "A word that pops p and pushes q needs greatest >= p, else it can never succeed in this walk".
fn effect(
    (least, greatest): Depth,
    pops: u64,
    pushes: u64,
    at: usize,
    seen: &mut BTreeMap<usize, Seen>,
) -> Result<Depth, Wrong> {
    if greatest.is_some_and(|greatest| greatest < pops) {
        return Err(("underflow", at));
    }
    let greatest = greatest.map(|greatest| greatest - pops + pushes);
    let seen = seen.entry(at).or_insert(Seen { may_underflow: false, greatest });
    seen.may_underflow |= least < pops;
    seen.greatest = seen.greatest.zip(greatest).map(|(before, now)| before.max(now));
    Ok((least.max(pops) - pops + pushes, greatest))
}

/// "Where the end's least lies below the entry's, the entry's least becomes 0; where its greatest lies above, the
/// entry's greatest becomes unbounded; only the side that moved."
fn widened(entry: Depth, end: Depth) -> Depth {
    let above = match (end.1, entry.1) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(end), Some(entry)) => end > entry,
    };
    (if end.0 < entry.0 { 0 } else { entry.0 }, if above { None } else { entry.1 })
}

/// The union of two intervals; "if one end is unreachable, the result is the other".
fn spanned(one: Option<Depth>, other: Option<Depth>) -> Option<Depth> {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.zip(other.1).map(|(one, other)| one.max(other)))),
        _ => one.or(other),
    }
}

/// The interval at the end; `None` if it is unreachable. `leaves` collects the intervals at the `leave`s of the innermost loop.
fn walk(
    trees: &[Tree],
    mut depth: Depth,
    leaves: &mut Option<Depth>,
    seen: &mut BTreeMap<usize, Seen>,
) -> Result<Option<Depth>, Wrong> {
    for tree in trees {
        depth = match tree {
            Tree::Word { pops, pushes, at } => effect(depth, *pops, *pushes, *at, seen)?,
            Tree::If { then, otherwise, at } => {
                let entry = effect(depth, 1, 0, *at, seen)?;
                let (then, otherwise) = (walk(then, entry, leaves, seen)?, walk(otherwise, entry, leaves, seen)?);
                let is_exact = |depth: Option<Depth>| depth.is_some_and(|depth| Some(depth.0) == depth.1);
                if is_exact(then) && is_exact(otherwise) && then != otherwise {
                    return Err(("unbalanced if", *at));
                }
                match spanned(then, otherwise) {
                    Some(depth) => depth,
                    None => return Ok(None),
                }
            }
            Tree::Leave { at } | Tree::Exit { at } => {
                seen.insert(*at, Seen { may_underflow: false, greatest: Some(0) });
                if let Tree::Leave { .. } = tree {
                    *leaves = spanned(*leaves, Some(depth));
                }
                return Ok(None);
            }
            Tree::Times { body, at } => {
                let mut entry = effect(depth, 1, 0, *at, seen)?;
                loop {
                    let mut left = None;
                    let wide = walk(body, entry, &mut left, seen)?.map_or(entry, |end| widened(entry, end));
                    if wide == entry {
                        break spanned(Some(entry), left).expect("one is there");
                    }
                    entry = wide;
                }
            }
            Tree::While { cond, body, at } => {
                let mut entry = depth;
                loop {
                    let mut left = None;
                    let flag = walk(cond, entry, &mut None, seen)?.expect("a COND never ends in a closing word");
                    let leaving = effect(flag, 1, 0, *at, seen)?;
                    let wide = walk(body, leaving, &mut left, seen)?.map_or(entry, |end| widened(entry, end));
                    if wide == entry {
                        break spanned(Some(leaving), left).expect("one is there");
                    }
                    entry = wide;
                }
            }
        };
    }
    Ok(Some(depth))
}

/// The result of the front end for a program, in the terms of [`Wrong`].
fn judged(ast: &Result<Arc<Ast>, jitduel::lang::SyntaxError>, inputs: usize) -> Result<Program, (&'static str, u32)> {
    use SyntaxErrorKind as Kind;
    let fault = match ast {
        Ok(ast) => match verify(ast, inputs) {
            Ok(program) => return Ok(program),
            Err(rejection) => Fault::from(rejection),
        },
        Err(error) => Fault::from(error.clone()),
    };
    let kind = match &fault {
        Fault::Rejection(_) => fault.kind(),
        Fault::Syntax(error) => match error.kind {
            Kind::MissingEnd(_) => "missing end",
            Kind::MissingDo => "missing do",
            Kind::Stray("end") => "stray end",
            Kind::Stray("else") => "stray else",
            Kind::Stray("do") => "stray do",
            Kind::WithoutLiteral(_) => "without literal",
            Kind::NotLast(_) => "not last",
            Kind::LeaveOutsideLoop => "leave outside",
            Kind::UnknownWord { .. } => "unknown word",
            _ => "another",
        },
    };
    Err((kind, fault.span().start))
}

/// Compares the front end with the second implementation, and runs what both accept. Counts the outcomes.
struct Judge {
    oracle: Oracle,
    rejected: usize,
    done: usize,
    trapped: usize,
}

impl Judge {
    fn new() -> Judge {
        let oracle = Oracle::new(&["tree", "bytecode", "jit"]).expect("the engines exist");
        Judge { oracle, rejected: 0, done: 0, trapped: 0 }
    }

    fn program(&mut self, words: &[&str], stack_limit: usize) {
        let text = words.join(" ");
        let starts: Vec<usize> =
            words.iter().scan(0, |next, word| Some(std::mem::replace(next, *next + word.len() + 1))).collect();
        let source = Source::new("test", &*text);
        let ast = parse(&source).map(Arc::new);
        let read = Reader { words, next: 0 }.body(Inside::Program, false, 0).map(|(trees, _)| trees);
        for inputs in 0..3 {
            let mut seen = BTreeMap::new();
            let depth = (inputs as u64, Some(inputs as u64));
            let expected = read
                .as_ref()
                .map_err(|wrong| *wrong)
                .and_then(|trees| walk(trees, depth, &mut None, &mut seen).map(|_depth| ()));
            match (judged(&ast, inputs), expected) {
                (Ok(program), Ok(())) => {
                    // Nodes are in the order of their words, some of which have no effect.
                    assert_eq!(program.facts().len(), seen.len(), "{text:?}");
                    for (fact, seen) in program.facts().iter().zip(seen.values()) {
                        assert_eq!(fact.may_underflow, seen.may_underflow, "{text:?} with {inputs} inputs");
                        for limit in 0..8 {
                            let exceeds = seen.greatest.is_none_or(|greatest| greatest > limit);
                            assert_eq!(fact.greatest.may_exceed(limit), exceeds, "{text:?} with {inputs} inputs");
                        }
                    }
                    self.run(&program, &text, &[2, 1][..inputs], stack_limit);
                }
                (Err((kind, start)), Err((expected, at))) if (kind, start as usize) == (expected, starts[at]) => {
                    self.rejected += 1;
                }
                (judged, expected) => {
                    let judged = judged.map(|_program| ());
                    panic!("{text:?} with {inputs} inputs: {judged:?}, by the definition {expected:?} of {starts:?}")
                }
            }
        }
    }

    fn run(&mut self, program: &Program, text: &str, inputs: &[i64], stack_limit: usize) {
        for fuel in [0, 1, 7] {
            let answers = self
                .oracle
                .run(program, Run { inputs, fuel: Some(fuel), stack_limit, ..Run::default() })
                .expect("memory");
            assert_eq!(answers.len(), 3, "{:?}", self.oracle.skipped());
            for answer in &answers[1..] {
                assert_eq!(
                    answer.outcome, answers[0].outcome,
                    "{text:?} on {inputs:?}, fuel {fuel}: {}",
                    answer.engine
                );
            }
            match answers[0].outcome {
                Outcome::Done(_) => self.done += 1,
                Outcome::Trap(trap) => {
                    self.trapped += 1;
                    // The verifier must not have excluded a trap that the referee met.
                    let node = program.ast().nodes().iter().position(|node| node.span == trap.at).expect("a word");
                    let fact = program.facts()[node];
                    let foreseen = match trap.kind {
                        TrapKind::OutOfBounds | TrapKind::CallDepthExceeded => todo!(),
                        TrapKind::StackUnderflow => fact.may_underflow,
                        TrapKind::StackOverflow => fact.greatest.may_exceed(stack_limit as u64),
                        TrapKind::DivisionByZero | TrapKind::OutOfFuel => true,
                    };
                    assert!(foreseen, "{text:?} on {inputs:?}: {trap:?}, {fact:?}");
                }
            }
        }
    }
}

const SMALL_WORDS: [&str; 14] =
    ["1", "0", "dup", "drop", "+", "swap", "times", "if", "else", "end", "while", "do", "leave", "exit"];

#[test]
fn programs_of_up_to_five_words_match_the_definition_and_agree() {
    let longest = size("words", 5, 4);
    let mut judge = Judge::new();
    for length in 0..=longest as u32 {
        for number in 0..SMALL_WORDS.len().pow(length) {
            let digits = (0..length).map(|place| number / SMALL_WORDS.len().pow(place) % SMALL_WORDS.len());
            let words: Vec<_> = digits.map(|digit| SMALL_WORDS[digit]).collect();
            judge.program(&words, 3);
        }
    }
    println!("rejected {}, done {}, trapped {}", judge.rejected, judge.done, judge.trapped);
    assert!(judge.done > 1000 && judge.trapped > 100, "{} done, {} trapped", judge.done, judge.trapped);
}

/// Longer programs with all words. Loops and branches are closed most of the time, so that many programs are accepted.
#[test]
fn random_programs_match_the_definition_and_agree() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(20_250_917);
    let plain: Vec<_> = spellings()
        .filter(|word| !["times", "if", "else", "while", "do", "end", "leave", "exit"].contains(word))
        .collect();
    let mut judge = Judge::new();
    for _ in 0..size("programs", 60_000, 6_000) {
        let mut words: Vec<&str> = Vec::new();
        let mut open: Vec<Vec<&str>> = Vec::new();
        while words.len() < 24 {
            match random.random_range(0..100) {
                0..40 => words.push(["0", "1", "2", "-1", "5", "9223372036854775807"][random.random_range(0..6)]),
                40..75 => words.push(plain[random.random_range(0..plain.len())]),
                75..85 if open.len() < 5 => {
                    let (opener, closers) = [
                        ("times", vec!["end"]),
                        ("if", vec!["end"]),
                        ("if", vec!["end", "else"]),
                        ("while", vec!["end", "do"]),
                    ][random.random_range(0..4)]
                    .clone();
                    words.push(opener);
                    open.push(closers);
                }
                85..99 => {
                    if let Some(closers) = open.last_mut() {
                        // `leave` is often wrong here.
                        match random.random_range(0..12) {
                            0 => words.push("exit"),
                            1 => words.push("leave"),
                            _ => {}
                        }
                        words.push(closers.pop().expect("a body is closed at its last word"));
                        if closers.is_empty() {
                            open.pop();
                        }
                    }
                }
                99 => words.push(SMALL_WORDS[random.random_range(6..14)]),
                _ => {}
            }
            if random.random_range(0..20) == 0 {
                break;
            }
        }
        while let Some(closer) = open.last_mut().and_then(Vec::pop) {
            words.push(closer);
            if open.last().is_some_and(Vec::is_empty) {
                open.pop();
            }
        }
        judge.program(&words, 5);
    }
    println!("rejected {}, done {}, trapped {}", judge.rejected, judge.done, judge.trapped);
    assert!(judge.done > 1000 && judge.trapped > 1000, "{} done, {} trapped", judge.done, judge.trapped);
}
