//! Every short sequence of words on every engine: everything that can occur in a window of the peephole pass.

use jitduel::engine::Run;
use jitduel::exec::is_emulated;
use jitduel::lang::{Source, load};
use jitduel::oracle::Oracle;
use jitduel::registry::ENGINES;

/// Runs every sequence of `length` of these words on every engine, and checks that more than `least` programs are
/// accepted. An emulator runs every thirteenth sequence. That still places every word at every position, because no
/// number of words here is a multiple of 13.
fn sequences(words: &[&str], length: u32, least: usize) {
    let step = if is_emulated() { 13 } else { 1 };
    println!("every {step}. of {} sequences", words.len().pow(length));
    let mut oracle = Oracle::new(&ENGINES).expect("the engines exist");
    let inputs = [0, 9, -7, 5, 1 << 40, 3];
    let mut accepted = 0;
    for number in (0..words.len().pow(length)).step_by(step) {
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
        let run = Run { inputs: &inputs, stack_limit: 64, ..Run::default() };
        let answers = oracle.run(&program, run).expect("it is small");
        for answer in &answers {
            assert_eq!(answer.outcome, answers[0].outcome, "{}: {text}", answer.engine);
        }
    }
    assert!(oracle.skipped().is_empty(), "{:?}", oracle.skipped());
    assert!(accepted > least / step, "{accepted}");
}

#[test]
fn every_word_with_every_two_other_words() {
    let mut words: Vec<_> = jitduel::lang::words::WORDS.iter().map(|(_, entry)| entry.spelling).collect();
    words.extend([
        "0",
        "5",
        "-1",
        "4097",
        "0 pick",
        "2 pick",
        "0 put",
        "2 put",
        "if drop 1 else 2 - end",
        "2 times 1 + end",
    ]);
    sequences(&words, 3, 29_700);
}

#[test]
fn shuffles_in_sequences_of_five() {
    sequences(&["dup", "drop", "swap", "over", "rot", "nip", "tuck", "-", "5"], 5, 55_000);
}

#[test]
fn comparisons_and_branches_in_sequences_of_four() {
    let words = ["dup", "swap", "over", "nip", "<", "=", "7", "mod", "if 1 else 2 end", "0 pick"];
    sequences(&words, 4, 9_000);
}
