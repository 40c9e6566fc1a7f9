//! Hints for words that newcomers try: each hint is helpful, and each idiom in it works.

use jitduel::engine::{NoClock, Options, outcome};
use jitduel::exec::Store;
use jitduel::lang::words::{ADVICE, FOREIGN, IDIOMS, Idiom, spellings};
use jitduel::lang::{Diagnostic, Fault, Source, load};
use jitduel::outcome::Outcome;
use jitduel::registry;

fn diagnostic(text: &str, inputs: usize) -> Diagnostic {
    match load(&Source::new("test", text), inputs) {
        Ok(_) => panic!("{text} is a program"),
        Err(fault) => Diagnostic::from(&fault),
    }
}

#[track_caller]
fn help(text: &str) -> String {
    diagnostic(text, 0).help.unwrap_or_else(|| panic!("{text:?} gets no help"))
}

fn values(text: &str, inputs: &[i64]) -> Vec<i64> {
    let program = load(&Source::new("test", text), inputs.len()).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    let options = Options::default();
    let mut stack = Store::new(options.stack_limit).expect("there is memory");
    let mut engine = registry::engine("tree").expect("it exists");
    let mut prepared = engine.prepare(&program, &options, &mut NoClock).expect("it is small");
    match outcome(&mut *prepared, inputs, None, &mut stack) {
        Outcome::Done(values) => values,
        Outcome::Trap(trap) => panic!("{text}: {}", trap.kind),
    }
}

/// Each idiom, between backticks in the help for a foreign word, does what the word does in other languages.
#[test]
fn idioms_do_what_the_foreign_word_does() {
    for Idiom { words, program, example: (inputs, expected), .. } in IDIOMS {
        assert_eq!(values(program, inputs), *expected, "{words:?}");
        for word in *words {
            assert!(help(word).contains(&format!("`{program}`")), "{word}: {}", help(word));
        }
    }
    assert_eq!(values("0 10 times 1 + end", &[]), [10]);
    for (word, template) in [
        ("for", "N times BODY end"),
        ("begin", "while CONDITION do BODY end"),
        ("then", "FLAG if THEN else ELSE end"),
        ("elif", "A if X else B if Y else Z end end"),
        ("i", "0 10 times 1 + end"),
        ("?dup", "dup if BODY else drop end"),
    ] {
        assert!(help(word).contains(&format!("`{template}`")), "{word}: {}", help(word));
    }
}

#[test]
fn templates_are_programs_once_they_are_filled_in() {
    assert_eq!(values("3 times 7 end", &[]), [7, 7, 7]);
    assert_eq!(values("while dup 3 < do 1 + end", &[0]), [3]);
    let sign = "dup 0 < if drop -1 else 0 > if 1 else 0 end end";
    assert_eq!([-5, 0, 5].map(|input| values(sign, &[input])[0]), [-1, 0, 1]);
    // For `?dup`: the body consumes the copy.
    assert_eq!([5, 0].map(|input| values("dup if + else drop end", &[1, input])), [vec![6], vec![1]]);
}

#[test]
fn foreign_words_are_unique_and_not_in_the_language() {
    let foreign: Vec<&str> = ADVICE
        .iter()
        .flat_map(|(words, _)| words.iter().copied())
        .chain(IDIOMS.iter().flat_map(|idiom| idiom.words.iter().copied()))
        .chain(FOREIGN.iter().map(|(theirs, _)| *theirs))
        .collect();
    for (index, word) in foreign.iter().enumerate() {
        assert!(spellings().all(|ours| ours != *word), "{word}");
        assert!(!foreign[..index].contains(word), "{word} is listed twice");
        assert!(!help(word).is_empty());
    }
    for (theirs, ours) in FOREIGN {
        assert!(spellings().any(|spelling| spelling == *ours), "{ours}");
        assert_eq!(help(&format!("1 2 {theirs}")), format!("did you mean `{ours}`?"));
    }
    // Case does not matter.
    assert_eq!(help("FOR"), help("for"));
}

#[test]
fn common_mistakes_get_a_hint() {
    for (text, expected) in [
        ("10 for", "`N times BODY end`"),
        ("1 if 2 then", "an `if` ends with `end`"),
        ("5 .", "a program cannot print"),
        ("5 cr", "a program cannot print"),
        ("# comment", "a comment is `\\ …`"),
        ("#comment", "a comment is `\\ …`"),
        ("//comment", "a comment is `\\ …`"),
        ("10 0 do", "a counted loop is `N times BODY end`"),
        ("variable x", "`1 array NAME`"),
        ("5 constant five", "`: NAME ( -- n ) 42 ;`"),
        ("def square", "`: NAME ( a b -- c ) BODY ;`"),
        ("function", "`: NAME ( a b -- c ) BODY ;`"),
        ("1 5 +!", "`dup @ rot + swap !`"),
        ("100 allot", "`10 array NAME`"),
        (":square ( a -- b ) dup * ;", "add a space after the `:`"),
        (": f ( -- n ) 1;", "add a space before the `;`"),
        (": f ( n -- m ) recurse ;", "calls itself by its own name"),
        ("1 -- 2", "only in the effect"),
        ("\\case: 1 -> 2", "add a space after the start of the comment"),
        ("(case: 1 -> 2 )", "add a space after the start of the comment"),
        ("1 if 2 else 3 if 4 else 5 end", "an `if` after `else` needs its own `end`"),
        ("1\u{a0}2 +", "no-break space (U+00A0)"),
        ("1 dup\u{a0}", "no-break space (U+00A0)"),
        ("1\u{3000}2", "a nonstandard space (U+3000)"),
        ("1\u{b}2", "a nonstandard space (U+000B)"),
        ("1 d\u{200b}up", "an invisible character (U+200B)"),
        ("\u{feff}dup", "byte-order mark (U+FEFF)"),
        ("1 \u{2212}5", "(U+2212) only looks like `-`"),
        ("1 \u{2013}5", "(U+2013) only looks like `-`"),
        ("“hello”", "there are no strings"),
        ("\"dup\"", "there are no strings"),
        ("'a'", "there are no strings"),
    ] {
        assert!(help(text).contains(expected), "{text:?}: {}", help(text));
    }
}

/// The idiom in the help for an unbalanced `if` works where the `if` did not, inside and outside a loop.
#[test]
fn a_loop_can_replace_an_unbalanced_if() {
    let unbalanced = "5 times dup 2 mod if 7 end end";
    let shown = diagnostic(unbalanced, 1);
    assert!(matches!(load(&Source::new("test", unbalanced), 1), Err(Fault::Rejection(_))));
    assert!(shown.help.expect("it has help").contains("`FLAG times BODY end`"));
    assert_eq!(values("0 3 times 1 + dup 2 mod times dup end end", &[]), [1, 3, 3]);
    assert_eq!(values("1 2 < times 5 end 1 2 > times 6 end", &[]), [5]);
}

/// The programs in the hints for definitions, variables and constants are right.
#[test]
fn hints_about_names_are_programs_once_they_are_filled_in() {
    for (text, inputs, expected) in [
        (": square ( a -- b ) dup * ; square", &[5][..], &[25][..]),
        (": limit ( -- n ) 42 ; limit limit", &[], &[42, 42]),
        ("1 array x 7 x ! x @", &[], &[7]),
        // `+!`: adds 5 to the cell.
        ("1 array x 7 x ! 5 x dup @ rot + swap ! x @", &[], &[12]),
        ("10 array a 7 a 3 + ! a 3 + @ a 2 + @", &[], &[7, 0]),
    ] {
        assert_eq!(values(text, inputs), expected, "{text}");
    }
}
