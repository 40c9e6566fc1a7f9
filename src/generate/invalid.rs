//! Invalid programs: valid ones in which one word was changed, removed, doubled or replaced by another
//! word of the program, or with a definition or a declaration inserted.

use super::dice::Dice;
use super::{Trial, operands, random};
use crate::lang::words::spellings;

/// Invalid words that resemble valid ones.
const NONSENSE: [&str; 25] = [
    "+5",
    "--1",
    "0x",
    "0xG",
    "-0x1",
    "0X1",
    "9223372036854775808",
    "-9223372036854775809",
    "0x10000000000000000",
    "1.0",
    "12a",
    "DUP",
    "dupe",
    "(c)",
    ")",
    "\u{feff}",
    "\u{a0}",
    "\u{b}",
    "\u{1d54f}",
    "(",
    "1pick",
    "-1 pick",
    "1put",
    "-1 put",
    "1 drop put",
];

/// Definitions and declarations, most of them invalid, and parts of them.
const DECLARATIONS: [&str; 30] = [
    ":",
    ": (",
    ": f ( -- ) ;",
    ": f0 ( -- ) ;",
    ": f ( a -- b ) ;",
    ": f ( -- a ) ;",
    ": f ( a -- ) dup ;",
    ": f ( a b -- c ) drop exit ;",
    ": f ( a -- b ) times exit end ;",
    ": f ( -- ) 1 if exit end ;",
    ": f ( -- ) 1 times 1 end ;",
    ": f ( a -- a ) 1 times drop end ;",
    ": dup ( -- ) ;",
    ": -- ( -- ) ;",
    ": ) ( -- ) ;",
    ": 1 ( -- ) ;",
    ": 0x1g ( -- ) ;",
    ": -9223372036854775809 ( -- ) ;",
    ": f ;",
    ": f ( a b ) ;",
    ": f ( -- -- ) ;",
    ": f ( --",
    "; exit",
    "array",
    "1 array",
    "1 array a0",
    "1 array -1",
    "0 array a",
    "-1 array a",
    "16777217 array a",
];

/// An invalid program.
pub(super) fn trial(dice: &mut Dice) -> Trial {
    loop {
        let valid = random::trial(dice);
        for _ in 0..8 {
            let trial = Trial { text: changed_text(dice, &valid.text), ..valid.clone() };
            if trial.load().is_err() {
                return trial;
            }
        }
    }
}

/// A valid program with one word changed. The result is rarely valid.
pub(super) fn changed(dice: &mut Dice) -> Trial {
    let valid = random::trial(dice);
    Trial { text: changed_text(dice, &valid.text), ..valid }
}

/// The text with one word changed. The surrounding white space and comments stay. The word may be inside a comment.
fn changed_text(dice: &mut Dice, text: &str) -> String {
    let words: Vec<(usize, &str)> =
        text.split_ascii_whitespace().map(|word| (word.as_ptr().addr() - text.as_ptr().addr(), word)).collect();
    let Some(&(at, word)) = (!words.is_empty()).then(|| dice.pick(&words)) else { return another(dice) };
    let new = match dice.below(6) {
        0 => String::new(),
        1 => format!("{word} {word}"),
        2 => dice.pick(&words).1.to_owned(),
        3 if dice.one_in(2) => format!("{} {word}", dice.pick(&DECLARATIONS)),
        _ => another(dice),
    };
    format!("{}{new}{}", &text[..at], &text[at + word.len()..])
}

/// Any word, whether in the language or not.
fn another(dice: &mut Dice) -> String {
    match dice.below(3) {
        0 => operands::operand(dice).to_string(),
        1 => (*dice.pick(&NONSENSE)).to_owned(),
        _ => {
            let spellings: Vec<_> = spellings().collect();
            (*dice.pick(&spellings)).to_owned()
        }
    }
}
