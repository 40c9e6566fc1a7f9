//! Every short sequence of words on every engine: all that the peephole pass can meet in a window.

use jitduel::lang::{Source, load};
use jitduel::oracle::{Oracle, Run};
use jitduel::registry::ENGINES;

/// Runs every sequence of `length` of these words on every engine and counts the programs that were accepted.
fn sequences(words: &[&str], length: u32) -> usize {
    let mut oracle = Oracle::new(&ENGINES).expect("the engines exist");
    let inputs = [0, 9, -7, 5, 1 << 40, 3];
    let mut accepted = 0;
    for number in 0..words.len().pow(length) {
        let mut rest = number;
        let mut text = String::new();
        for _ in 0..length {
            text += words[rest % words.len()];
            text.push(' ');
            rest /= words.len();
        }
        let source = Source::new("-e", text.as_bytes());
        let Ok(program) = load(&source, inputs.len()) else { continue };
        accepted += 1;
        let run = Run { inputs: &inputs, fuel: None, stack_limit: 64 };
        let answers = oracle.run(&program, run).expect("it is small");
        for answer in &answers {
            assert_eq!(answer.outcome, answers[0].outcome, "{}: {text}", answer.engine);
        }
    }
    assert!(oracle.skipped().is_empty(), "{:?}", oracle.skipped());
    accepted
}

#[test]
fn every_word_with_every_two_others() {
    let mut words: Vec<_> = jitduel::lang::words::WORDS.iter().map(|(_, entry)| entry.spelling).collect();
    words.extend(["0", "5", "-1", "4097", "0 pick", "2 pick", "if drop 1 else 2 - end", "2 times 1 + end"]);
    let accepted = sequences(&words, 3);
    assert!(accepted > 29_700, "{accepted}");
}

#[test]
fn shuffles_in_sequences_of_five() {
    let accepted = sequences(&["dup", "drop", "swap", "over", "rot", "nip", "tuck", "-", "5"], 5);
    assert!(accepted > 55_000, "{accepted}");
}

#[test]
fn comparisons_and_branches_in_sequences_of_four() {
    let words = ["dup", "swap", "over", "nip", "<", "=", "7", "mod", "if 1 else 2 end", "0 pick"];
    let accepted = sequences(&words, 4);
    assert!(accepted > 9_000, "{accepted}");
}
