//! Shrinking: reduces a failing program to a small one that still fails.
//!
//! The tree is a flat list of nodes, so that any of them can be removed and the rest is still a tree: if a body's opening
//! word is removed, the body is spliced into the enclosing one. Each round removes ranges of nodes, from long to short, and
//! may replace them with words that keep the height of the stack. It then starts the program at a later point, with the
//! referee's stack at that point as inputs. Last, it simplifies literals, inputs and limits. Shrinking ends when a round
//! finds nothing smaller.

use std::ops::Range;
use std::time::Instant;

use crate::engine::Run;
use crate::generate::{Trial, net_effect, tree};
use crate::interp::tree::measure;
use crate::lang::print::print;
use crate::lang::{NodeKind, Word, parse};
use crate::outcome::{DEFAULT_STACK_LIMIT, Outcome};

/// The maximum number of values that a removed first part of a program may pass to the rest as inputs.
const MAX_INPUTS: usize = 64;

/// The maximum number of iterations when measuring a candidate.
const MAX_ITERATIONS: u64 = 10_000;

/// Shrinks a trial while `still_fails` holds, calling it at most `tries` times and not after `end`.
pub fn shrink(trial: &Trial, tries: usize, end: Instant, still_fails: impl FnMut(&Trial) -> bool) -> Trial {
    let Ok(ast) = parse(&trial.source()) else {
        return Words { still_fails, tries, end, best: trial.clone() }.shrink();
    };
    let nodes = ast.nodes().iter().map(|node| node.kind).collect();
    let mut shrinker = Shrinker { still_fails, tries, end, nodes, best: trial.clone() };
    shrinker.shrink();
    shrinker.best
}

/// A program to shrink, as nodes.
struct Shrinker<F> {
    still_fails: F,
    /// The remaining number of calls of `still_fails`.
    tries: usize,
    end: Instant,
    nodes: Vec<NodeKind>,
    best: Trial,
}

impl<F: FnMut(&Trial) -> bool> Shrinker<F> {
    fn shrink(&mut self) {
        loop {
            let before = (self.nodes.len(), self.best.clone());
            self.shorter_ranges();
            self.later_start();
            self.fewer_inputs();
            self.simpler_nodes();
            self.simpler_inputs();
            self.simpler_limits();
            if self.is_over() || (self.nodes.len(), &self.best) == (before.0, &before.1) {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.tries == 0 || Instant::now() > self.end
    }

    /// Accepts the candidate if it still fails.
    fn accept(&mut self, nodes: Vec<NodeKind>, change: impl FnOnce(&mut Trial)) -> bool {
        if self.is_over() {
            return false;
        }
        let mut trial = Trial { text: print(&tree(&nodes)), ..self.best.clone() };
        change(&mut trial);
        if trial == self.best {
            return false;
        }
        self.tries -= 1;
        let kept = (self.still_fails)(&trial);
        if kept {
            (self.nodes, self.best) = (nodes, trial);
        }
        kept
    }

    fn accept_nodes(&mut self, nodes: Vec<NodeKind>) -> bool {
        self.accept(nodes, |_| {})
    }

    /// Accepts the candidate if it still fails with lower limits. The limits of the best program exceed its needs by some
    /// margin, and the limits of the candidate get the same margin. Otherwise a failure that shows only with a full stack or
    /// exhausted fuel would disappear.
    fn accept_with_its_limits(&mut self, nodes: Vec<NodeKind>) -> bool {
        let needs = |nodes: &[NodeKind]| {
            let measured =
                measure(&tree(nodes), Run { fuel: Some(MAX_ITERATIONS), stack_limit: usize::MAX, ..self.best.run() });
            (measured.iterations, measured.deepest)
        };
        let (before, now) = (needs(&self.nodes), needs(&nodes));
        let least = self.best.inputs.len();
        let fuel = (self.best.fuel + now.0).saturating_sub(before.0);
        let stack_limit = (self.best.stack_limit + now.1).saturating_sub(before.1).max(least);
        let is_tight = fuel < self.best.fuel
            || stack_limit < self.best.stack_limit && self.best.stack_limit != DEFAULT_STACK_LIMIT;
        is_tight
            && self.accept(nodes, |trial| {
                trial.fuel = fuel.min(trial.fuel);
                trial.stack_limit = stack_limit.min(trial.stack_limit);
            })
    }

    /// Removes ranges of nodes, the longest first.
    fn shorter_ranges(&mut self) {
        let mut length = self.nodes.len();
        while length > 0 {
            let mut start = 0;
            while start < self.nodes.len() && !self.is_over() {
                let range = start..(start + length).min(self.nodes.len());
                if !self.without(range) {
                    start += length.div_ceil(2);
                }
            }
            length /= 2;
        }
    }

    /// Removes a range, or replaces it with words that change the height of the stack by the same amount.
    fn without(&mut self, range: Range<usize>) -> bool {
        let rest = replaced(&self.nodes, range.clone(), &[]);
        if self.accept_nodes(rest.clone()) || self.accept_with_its_limits(rest) {
            return true;
        }
        let net = net_effect(&self.nodes, range.clone());
        let (one, many) = match net {
            0 => return false,
            1.. => (NodeKind::Literal(1), net as usize),
            _ => (NodeKind::Word(Word::Drop), net.unsigned_abs() as usize),
        };
        many < range.len() && self.accept_nodes(replaced(&self.nodes, range, &vec![one; many]))
    }

    /// Removes the first words, and makes the referee's stack at that point the inputs of the rest. If the rest does not fail
    /// and begins with `times` or `if`, tries it again without that word, but with its body.
    fn later_start(&mut self) {
        for cut in (1..=self.nodes.len()).rev() {
            if self.is_over() {
                return;
            }
            // The first part can be run separately only if no body is open at the cut.
            if !is_top_level(&self.nodes, cut) {
                continue;
            }
            let part = tree(&self.nodes[..cut]);
            let measured = measure(&part, Run { stack_limit: usize::MAX, ..self.best.run() });
            let Outcome::Done(mut inputs) = measured.outcome else { continue };
            if inputs.len() > MAX_INPUTS.max(self.best.inputs.len()) {
                continue;
            }
            let rest = replaced(&self.nodes, 0..cut, &[]);
            let fuel = self.best.fuel - measured.iterations;
            if self.accept(rest.clone(), |trial| (trial.inputs, trial.fuel) = (inputs.clone(), fuel)) {
                return;
            }
            // Enter the body of a loop or branch: drop its count or flag.
            let entered =
                matches!(rest.first(), Some(NodeKind::Times { .. } | NodeKind::If { .. })) && inputs.pop().is_some();
            if entered && self.accept(replaced(&rest, 0..1, &[]), |trial| (trial.inputs, trial.fuel) = (inputs, fuel)) {
                return;
            }
        }
    }

    fn fewer_inputs(&mut self) {
        let mut length = self.best.inputs.len();
        while length > 0 {
            let mut start = 0;
            while start < self.best.inputs.len() {
                let range = start..(start + length).min(self.best.inputs.len());
                let fewer = |trial: &mut Trial| drop(trial.inputs.drain(range));
                if !self.accept(self.nodes.clone(), fewer) {
                    start += length;
                }
            }
            length /= 2;
        }
    }

    fn simpler_nodes(&mut self) {
        for index in 0..self.nodes.len() {
            if self.is_over() {
                return;
            }
            let simpler: Vec<NodeKind> = match self.nodes[index] {
                NodeKind::Literal(value) => simpler_values(value).map(NodeKind::Literal).collect(),
                NodeKind::Pick(depth) => [NodeKind::Word(Word::Dup), NodeKind::Word(Word::Over), NodeKind::Literal(1)]
                    .into_iter()
                    .chain(smaller_depths(depth).map(NodeKind::Pick))
                    .collect(),
                NodeKind::Put(depth) => [NodeKind::Word(Word::Drop), NodeKind::Word(Word::Nip)]
                    .into_iter()
                    .chain(smaller_depths(depth).map(NodeKind::Put))
                    .collect(),
                NodeKind::Word(word) if word.pops() < word.pushes() => vec![NodeKind::Literal(1)],
                NodeKind::Word(word) if word.pops() == 2 && word.pushes() == 1 => {
                    vec![NodeKind::Word(Word::Drop), NodeKind::Word(Word::Add)]
                }
                _ => continue,
            };
            for kind in simpler {
                if kind != self.nodes[index] {
                    let mut nodes = self.nodes.clone();
                    nodes[index] = kind;
                    if self.accept_nodes(nodes) {
                        break;
                    }
                }
            }
        }
    }

    fn simpler_inputs(&mut self) {
        for index in 0..self.best.inputs.len() {
            for value in simpler_values(self.best.inputs[index]) {
                if self.accept(self.nodes.clone(), |trial| trial.inputs[index] = value) {
                    break;
                }
            }
        }
    }

    /// Tries the default stack limit, then simpler fuel limits, then lower stack limits.
    fn simpler_limits(&mut self) {
        self.accept(self.nodes.clone(), |trial| trial.stack_limit = DEFAULT_STACK_LIMIT);
        let before = self.best.fuel;
        for fuel in [1_000, 0, 1, before / 2, before.saturating_sub(1)] {
            // 1,000 is the simplest, then lower is simpler. Otherwise two rounds could undo each other's change forever.
            let simpler = before != 1_000 && (fuel == 1_000 || fuel < before);
            if simpler && self.accept(self.nodes.clone(), |trial| trial.fuel = fuel) {
                break;
            }
        }
        let least = self.best.inputs.len();
        for limit in [least, (least + self.best.stack_limit) / 2, self.best.stack_limit.saturating_sub(1)] {
            let limited = self.best.stack_limit != DEFAULT_STACK_LIMIT;
            if limited && limit >= least && self.accept(self.nodes.clone(), |trial| trial.stack_limit = limit) {
                break;
            }
        }
    }
}

/// Smaller depths to try instead of the depth of a `pick` or `put`.
fn smaller_depths(depth: u64) -> impl Iterator<Item = u64> {
    [0, depth / 2, depth.saturating_sub(1)].into_iter().filter(move |new| *new < depth)
}

/// Simpler values than this one, the simplest first.
fn simpler_values(value: i64) -> impl Iterator<Item = i64> {
    let size = |value: i64| (value.unsigned_abs(), value < 0);
    [0, 1, -1, 2, value.wrapping_neg(), value / 1024, value / 2, value - value.signum()]
        .into_iter()
        .filter(move |simpler| size(*simpler) < size(value))
}

/// The tree with a range of nodes replaced by others. Bodies may open inside the range and end outside, or the reverse.
fn replaced(nodes: &[NodeKind], range: Range<usize>, by: &[NodeKind]) -> Vec<NodeKind> {
    let moved = |bound: u32| {
        let bound = bound as usize;
        if bound >= range.end { (bound + by.len() - range.len()) as u32 } else { bound.min(range.start) as u32 }
    };
    let mut kept: Vec<NodeKind> = nodes.to_vec();
    for kind in &mut kept {
        match kind {
            NodeKind::Times { end } => *end = moved(*end),
            NodeKind::If { otherwise, end } => (*otherwise, *end) = (moved(*otherwise), moved(*end)),
            NodeKind::While { body, end } => (*body, *end) = (moved(*body), moved(*end)),
            _ => {}
        }
    }
    kept.splice(range, by.iter().copied());
    kept
}

/// Whether no body is open at the cut.
fn is_top_level(nodes: &[NodeKind], cut: usize) -> bool {
    let mut index = 0;
    while index < cut {
        index = nodes[index].next(index);
    }
    index == cut
}

/// A text that does not parse, which shrinks by words.
struct Words<F> {
    still_fails: F,
    tries: usize,
    end: Instant,
    best: Trial,
}

impl<F: FnMut(&Trial) -> bool> Words<F> {
    fn shrink(mut self) -> Trial {
        let mut length = self.best.text.split_whitespace().count();
        while length > 0 {
            let mut start = 0;
            loop {
                let words: Vec<&str> = self.best.text.split_whitespace().collect();
                if start >= words.len() || self.tries == 0 || Instant::now() > self.end {
                    break;
                }
                let end = (start + length).min(words.len());
                let text = [&words[..start], &words[end..]].concat().join(" ");
                let trial = Trial { text, ..self.best.clone() };
                self.tries -= 1;
                if (self.still_fails)(&trial) {
                    self.best = trial;
                } else {
                    start += length;
                }
            }
            length /= 2;
        }
        self.best
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::generate::{Kind, trial};
    use crate::lang::{Ast, Node};
    use crate::outcome::{DEFAULT_CALL_LIMIT, TrapKind};

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(600)
    }

    /// The number of words of a program.
    fn size(trial: &Trial) -> usize {
        parse(&trial.source()).expect("it parses").nodes().len()
    }

    /// Whether a program exposes a planted bug that replaces `word` with `other`: its outcome differs.
    fn shows(trial: &Trial, word: Word, other: Word) -> bool {
        let Ok(program) = trial.load() else { return false };
        let ast = program.ast();
        let mut wrong = ast.nodes().to_vec();
        for node in &mut wrong {
            if node.kind == NodeKind::Word(word) {
                node.kind = NodeKind::Word(other);
            }
        }
        let run = |ast| trial.measure(ast).outcome;
        matches!((run(ast), run(&Ast::new(wrong))), (Outcome::Done(right), Outcome::Done(wrong)) if right != wrong)
    }

    #[test]
    fn programs_of_two_hundred_words_shrink_to_ten_or_fewer() {
        for (word, other) in
            [(Word::Gt, Word::Ge), (Word::Rot, Word::Nip), (Word::Sub, Word::Add), (Word::Tuck, Word::Over)]
        {
            // Programs of the generator, including its longest.
            let shown: Vec<Trial> = (0..8_000)
                .map(|index| trial(Kind::Random, 1, index))
                .filter(|trial| trial.text.len() < 5_000 && shows(trial, word, other))
                .collect();
            let longest = shown.iter().filter(|trial| size(trial) >= 200).take(5);
            let mut tried = 0;
            for found in longest.chain(shown.iter().take(20)) {
                let small = shrink(found, 5_000, later(), |trial| shows(trial, word, other));
                assert!(size(&small) <= 10, "{} words:\n{}\nfrom {}", size(&small), small.text, found.text);
                tried += 1;
            }
            assert!(tried > 20 || other == Word::Nip, "{word:?}: only {tried} programs show it");
        }
    }

    #[test]
    fn limits_shrink_to_where_the_bug_starts() {
        let text = "1 2 3 4 5 6 times over over swap end 7 8 drop drop 3 times 1 end";
        let whole = Trial {
            text: text.into(),
            inputs: vec![5, 6],
            fuel: 500,
            stack_limit: 300,
            call_limit: DEFAULT_CALL_LIMIT,
        };
        let overflows = |trial: &Trial| {
            let Ok(program) = trial.load() else { return false };
            matches!(trial.measure(program.ast()).outcome, Outcome::Trap(trap) if trap.kind == TrapKind::OutOfFuel)
        };
        assert!(!overflows(&whole));
        let small = shrink(&Trial { fuel: 3, ..whole }, 1_000, later(), overflows);
        assert_eq!((small.fuel, size(&small)), (0, 1), "{}", small.text);
    }

    #[test]
    fn words_that_only_fill_the_stack_are_removed_with_the_limit() {
        let text = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 0 if 21 else 22 end 23 24 25";
        let whole =
            Trial { text: text.into(), inputs: vec![], fuel: 1_000, stack_limit: 24, call_limit: DEFAULT_CALL_LIMIT };
        let overflows = |trial: &Trial| {
            let Ok(program) = trial.load() else { return false };
            let is_if = |node: &Node| matches!(node.kind, NodeKind::If { .. });
            let outcome = trial.measure(program.ast()).outcome;
            program.ast().nodes().iter().any(is_if)
                && trial.stack_limit < 100
                && matches!(outcome, Outcome::Done(values) if values.len() == trial.stack_limit)
        };
        assert!(overflows(&whole), "{:?}", whole.measure(whole.load().expect("it is valid").ast()));
        let small = shrink(&whole, 5_000, later(), overflows);
        assert!(size(&small) + small.inputs.len() <= 4, "{} on {:?}", small.text, small.inputs);
    }

    #[test]
    fn any_range_of_nodes_can_be_removed() {
        let ast = parse(&crate::lang::Source::new("test", "1 2 if 3 while dup do 4 times end 5 end else 6 end 7"))
            .expect("it parses");
        let nodes: Vec<_> = ast.nodes().iter().map(|node| node.kind).collect();
        for start in 0..nodes.len() {
            for end in start..=nodes.len() {
                let rest = replaced(&nodes, start..end, &[]);
                let printed = print(&tree(&rest));
                let again = parse(&crate::lang::Source::new("test", printed.as_bytes())).expect("the rest is a tree");
                assert_eq!(again.nodes().iter().map(|node| node.kind).collect::<Vec<_>>(), rest);
            }
        }
    }

    #[test]
    fn shrinking_obeys_its_deadline_for_long_programs() {
        let text = "1 drop ".repeat(40_000);
        let whole = Trial { text, inputs: vec![1; 100], fuel: 10, stack_limit: 1_000, call_limit: DEFAULT_CALL_LIMIT };
        let mut asked = 0;
        let small = shrink(&whole, usize::MAX, Instant::now(), |_| {
            asked += 1;
            true
        });
        assert_eq!((asked, small), (0, whole), "the deadline had passed at the start");
    }

    #[test]
    fn text_that_does_not_parse_shrinks_by_words() {
        let whole = Trial {
            text: "1 2 if ( 3".into(),
            inputs: vec![],
            fuel: 0,
            stack_limit: 10,
            call_limit: DEFAULT_CALL_LIMIT,
        };
        let small = shrink(&whole, 100, later(), |trial| trial.text.contains('('));
        assert_eq!(small.text, "(");
    }
}
