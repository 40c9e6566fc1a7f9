//! The verifier, which all engines except the referee trust: checked against an enumeration of paths, and by executing
//! the programs that it rejects.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use crate::binary::{SMALL, size};
use jitduel::generate::{Kind, trial};
use jitduel::lang::{Ast, Fault, Node, NodeKind, Rejection, RejectionKind, Source, Span, parse, verify};
use jitduel::oracle::refute::wrongly_rejected;

/// Words that pop no value, one, two and three values, and every kind of body.
const WORDS: [&str; 11] = ["1", "drop", "+", "rot", "times", "if", "while", "else", "do", "end", "leave"];

/// The same for the body of a definition `f`, with calls of itself and early exits.
const BODY_WORDS: [&str; 12] = ["1", "drop", "+", "f", "times", "if", "while", "else", "do", "end", "leave", "exit"];

/// Calls `each` with every program of up to `most` words of `known` whose bodies are all closed.
fn programs(
    most: usize,
    known: &[&'static str],
    words: &mut Vec<&'static str>,
    open: &mut Vec<&'static str>,
    each: &mut dyn FnMut(&str),
) {
    if open.is_empty() && !words.is_empty() {
        each(&words.join(" "));
    }
    // Each open body still needs its `end`, and an open `while` also its `do`.
    let closing: usize = open.iter().map(|opener| if *opener == "while" { 2 } else { 1 }).sum();
    if words.len() + closing >= most + usize::from(closing > 0) {
        return;
    }
    for &word in known {
        let before = open.clone();
        match (word, open.last()) {
            ("times" | "if" | "while", _) => open.push(word),
            ("else", Some(&"if")) | ("do", Some(&"while")) => *open.last_mut().expect("it is there") = word,
            ("end", Some(&("times" | "if" | "else" | "do"))) => drop(open.pop()),
            ("else" | "do" | "end", _) => continue,
            _ => {}
        }
        if let [.., "leave" | "exit"] = words[..]
            && !matches!(word, "else" | "end")
        {
            *open = before;
            continue;
        }
        words.push(word);
        programs(most, known, words, open, each);
        words.pop();
        *open = before;
    }
}

/// More iterations than a program of six words needs to reach any depth that one of its words requires.
const ITERATIONS: usize = 24;

/// The depths in which a path through these nodes can end if it starts with one of the given depths, taking every
/// branch both ways and every loop any number of times; or the first word in source order that no path can pass.
/// `leaves` collects the depths at the `leave`s of the innermost loop, and `exits` those at each `exit`.
fn paths(
    ast: &Ast,
    range: Range<usize>,
    mut depths: BTreeSet<usize>,
    leaves: &mut BTreeSet<usize>,
    exits: &mut BTreeSet<(usize, usize)>,
) -> Result<BTreeSet<usize>, usize> {
    let past = |depths: &BTreeSet<usize>, index: usize, pops: usize, pushes: usize| {
        let past: BTreeSet<usize> =
            depths.iter().filter(|depth| **depth >= pops).map(|depth| depth - pops + pushes).collect();
        if past.is_empty() { Err(index) } else { Ok(past) }
    };
    let mut index = range.start;
    while index < range.end {
        let kind = ast.nodes()[index].kind;
        depths = match kind {
            NodeKind::Call(id) => {
                let definition = ast.definition(id);
                past(&depths, index, definition.params as usize, definition.results as usize)?
            }
            NodeKind::Literal(_) | NodeKind::Address(_) => past(&depths, index, 0, 1)?,
            NodeKind::Word(word) => past(&depths, index, word.pops(), word.pushes())?,
            NodeKind::Pick(depth) => past(&depths, index, depth as usize + 1, depth as usize + 2)?,
            NodeKind::Put(depth) => past(&depths, index, depth as usize + 2, depth as usize + 1)?,
            NodeKind::If { otherwise, end } => {
                let entry = past(&depths, index, 1, 0)?;
                let then = paths(ast, index + 1..otherwise as usize, entry.clone(), leaves, exits)?;
                let joined = &then | &paths(ast, otherwise as usize..end as usize, entry, leaves, exits)?;
                if joined.is_empty() {
                    return Ok(joined);
                }
                joined
            }
            NodeKind::Leave => {
                leaves.extend(&depths);
                return Ok(BTreeSet::new());
            }
            NodeKind::Exit => {
                exits.extend(depths.iter().map(|depth| (index, *depth)));
                return Ok(BTreeSet::new());
            }
            NodeKind::Times { end } => {
                let mut left = past(&depths, index, 1, 0)?;
                let mut passes = left.clone();
                for pass in 0..ITERATIONS {
                    let mut leaves = BTreeSet::new();
                    let ended = paths(ast, index + 1..end as usize, passes, &mut leaves, exits);
                    left.extend(leaves);
                    passes = match ended {
                        Err(stuck) if pass == 0 => return Err(stuck),
                        // Every word of the body succeeded before; only a further iteration fails.
                        Err(_) => break,
                        Ok(passes) => passes,
                    };
                    if passes.is_empty() {
                        break;
                    }
                    left.extend(&passes);
                }
                left
            }
            NodeKind::While { body, end } => {
                let mut left = BTreeSet::new();
                let mut passes = depths;
                for pass in 0..ITERATIONS {
                    let mut leaves = BTreeSet::new();
                    let mut one = |passes| {
                        let flags = paths(ast, index + 1..body as usize, passes, &mut BTreeSet::new(), exits)?;
                        let leaving = past(&flags, index, 1, 0)?;
                        Ok((paths(ast, body as usize..end as usize, leaving.clone(), &mut leaves, exits), leaving))
                    };
                    let (next, leaving) = match one(passes) {
                        Err(stuck) if pass == 0 => return Err(stuck),
                        Err(_) => break,
                        Ok(ended) => ended,
                    };
                    left.extend(&leaving);
                    left.extend(&leaves);
                    passes = match next {
                        Err(stuck) if pass == 0 => return Err(stuck),
                        Err(_) => break,
                        Ok(next) if next.is_empty() => break,
                        Ok(next) => next,
                    };
                }
                left
            }
        };
        index = kind.next(index);
    }
    Ok(depths)
}

/// All inputs of this length from a small pool.
fn inputs(length: usize) -> Vec<Vec<i64>> {
    (0..length).fold(vec![vec![]], |shorter, _| {
        shorter.iter().flat_map(|inputs| [0, 1, -1, 3].map(|input| [&inputs[..], &[input]].concat())).collect()
    })
}

#[test]
fn programs_of_up_to_six_words_are_rejected_where_every_path_fails() {
    let most = size("words of a program", 6, 5);
    let (mut accepted, mut underflows, mut unbalanced, mut runs) = (0, 0, 0, 0);
    let inputs: Vec<_> = (0..=2).map(inputs).collect();
    programs(most, &WORDS, &mut Vec::new(), &mut Vec::new(), &mut |text| {
        let ast = match parse(&Source::new("test", text)) {
            Ok(ast) => Arc::new(ast),
            Err(error) => {
                assert!(text.contains("leave"), "{text}: {error}");
                return;
            }
        };
        for (count, inputs) in inputs.iter().enumerate() {
            let expected = paths(&ast, ast.main(), BTreeSet::from([count]), &mut BTreeSet::new(), &mut BTreeSet::new());
            match (verify(&ast, count), expected) {
                (Ok(_), Ok(_)) => accepted += 1,
                (Err(rejection @ Rejection { kind: RejectionKind::Underflow { .. }, .. }), Err(index)) => {
                    assert_eq!(rejection.span, ast.nodes()[index].span, "{text} with {count} inputs");
                    underflows += 1;
                    for inputs in inputs {
                        runs += 1;
                        assert!(!wrongly_rejected(&ast, &rejection, inputs, 12), "{text} with {inputs:?}");
                    }
                }
                // Unbalanced branches are found by definition, not by a path that ends. No word before them can fail;
                // the flag of a `while` is popped after its condition.
                (Err(Rejection { kind: RejectionKind::UnbalancedIf { .. }, span, .. }), expected) => {
                    unbalanced += 1;
                    let is_after =
                        |node: &Node| node.span.start > span.start || matches!(node.kind, NodeKind::While { .. });
                    assert!(expected.err().is_none_or(|index| is_after(&ast.nodes()[index])), "{text}");
                }
                (verdict, expected) => panic!("{text} with {count} inputs: {verdict:?}, but by paths {expected:?}"),
            }
        }
    });
    println!("{accepted} accepted, {underflows} underflows, tried in {runs} runs, {unbalanced} unbalanced");
    assert!(accepted > 3_000 || SMALL);
    assert!(underflows > 20_000 || SMALL);
    assert!(unbalanced > 200 || SMALL);
}

/// Definitions with every effect of up to two parameters and results. The verifier may reject one although every path leaves the
/// right number of values, because it tracks intervals, but only where it has a loop.
#[test]
fn definitions_of_up_to_five_words_are_rejected_where_a_path_leaves_other_values() {
    let most = size("words of a definition", 5, 4);
    let (mut accepted, mut underflows, mut unbalanced, mut wrong, mut doubtful) = (0, 0, 0, 0, 0);
    programs(most, &BODY_WORDS, &mut Vec::new(), &mut Vec::new(), &mut |body| {
        for (params, results) in [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)] {
            let text = format!(": f ( {}-- {}) {body} ;", "a ".repeat(params), "b ".repeat(results));
            let Ok(ast) = parse(&Source::new("test", &*text)).map(Arc::new) else {
                assert!(text.contains("leave") || text.contains("exit"), "{text}");
                return;
            };
            let definition = &ast.definitions()[0];
            let mut exits = BTreeSet::new();
            let ends = paths(&ast, definition.body.clone(), BTreeSet::from([params]), &mut BTreeSet::new(), &mut exits);
            // Where each path ends: at an `exit`, or at the end, which is reported at the name.
            let exits = exits.iter().map(|(index, depth)| (ast.nodes()[*index].span, *depth));
            let at_end = ends.iter().flatten().map(|depth| (definition.span, *depth));
            let wrong_ends: BTreeSet<Span> =
                exits.chain(at_end).filter(|(_, depth)| *depth != results).map(|(span, _)| span).collect();
            let rejection = match verify(&ast, 0) {
                Ok(_) => {
                    assert!(ends.is_ok() && wrong_ends.is_empty(), "{text}: {ends:?}, {wrong_ends:?}");
                    accepted += 1;
                    continue;
                }
                Err(rejection) => rejection,
            };
            assert!(!wrongly_rejected(&ast, &rejection, &[3, 1], 12), "{text}: {rejection}");
            let is_after = |index: usize| {
                let Node { kind, span } = ast.nodes()[index];
                span.start > rejection.span.start || matches!(kind, NodeKind::While { .. })
            };
            match rejection.kind {
                RejectionKind::Underflow { .. } => {
                    let stuck = ends.expect_err("no path passes this word");
                    assert_eq!(rejection.span, ast.nodes()[stuck].span, "{text}");
                    underflows += 1;
                }
                RejectionKind::UnbalancedIf { .. } => {
                    assert!(ends.err().is_none_or(is_after), "{text}");
                    unbalanced += 1;
                }
                RejectionKind::WrongEffect { .. } => {
                    let is_at_end = rejection.span == definition.span;
                    assert!(ends.err().is_none_or(|index| !is_at_end && is_after(index)), "{text}");
                    if wrong_ends.contains(&rejection.span) {
                        wrong += 1;
                    } else {
                        assert!(text.contains("times") || text.contains("while"), "{text}: {rejection}");
                        doubtful += 1;
                    }
                }
            }
        }
    });
    println!(
        "{accepted} accepted, {underflows} underflows, {unbalanced} unbalanced, {wrong} wrong, {doubtful} doubtful"
    );
    assert!(accepted > 1_000 && underflows > 1_000 && unbalanced > 100 && wrong > 1_000 || SMALL);
    assert!(doubtful < wrong / 20, "{doubtful} rejections without a path");
}

/// The same for long generated programs with one word changed, on inputs of all kinds.
#[test]
fn no_input_lets_a_program_pass_the_word_at_which_it_was_rejected() {
    let (mut tried, count) = (0, size("invalid programs", 10_000, 1_000) as u64);
    for index in 0..count {
        let trial = trial(Kind::Invalid, 11, index);
        let Err(Fault::Rejection(rejection)) = trial.load() else { continue };
        if let RejectionKind::UnbalancedIf { .. } = rejection.kind {
            continue;
        }
        let ast = parse(&trial.source()).expect("only its depth may be wrong");
        for value in [0, 1, -1, 7] {
            let inputs = vec![value; trial.inputs.len()];
            assert!(!wrongly_rejected(&ast, &rejection, &inputs, 500), "{} with {inputs:?}", trial.text);
        }
        assert!(!wrongly_rejected(&ast, &rejection, &trial.inputs, 500), "{}", trial.text);
        tried += 1;
    }
    assert!(tried > count / 20, "{tried} of {count}");
}
