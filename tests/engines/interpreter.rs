//! The interpreter's code: which instructions it consists of, that it is correct with and without fusion, and how the
//! fused pairs were chosen.

use std::collections::{BTreeMap, BTreeSet};

use jitduel::bytecode::{self, Limits};
use jitduel::engine::Engine;
use jitduel::generate::{Kind, trial};
use jitduel::interp::bytecode::Interpreter;
use jitduel::interp::threaded::{PAIRS, listing};
use jitduel::interp::tree::Tree;
use jitduel::lang::{Program, Source, Word, load};
use jitduel::oracle::campaign::kind;
use jitduel::oracle::judge::{Care, Judge};

/// The instructions of a program, as text.
fn code(program: &Program, metered: bool, is_fusing: bool) -> Vec<String> {
    let bytecode = bytecode::lower(program, Limits::of_stack(64), metered).expect("it is small");
    listing(&bytecode, is_fusing).into_iter().map(|line| line.text).collect()
}

fn code_of(text: &str, inputs: usize) -> Vec<String> {
    code(&load(&Source::new("-e", text), inputs).expect("it is a program"), false, true)
}

#[test]
fn random_programs_agree_with_and_without_fusion() {
    let engine = |is_fusing| Box::new(Interpreter { is_fusing }) as Box<dyn Engine>;
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
    for index in 0..20_000 {
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
