//! Shrinking: reduces a failing program to a small one that still fails.
//!
//! The tree is a flat list of nodes, so that any of them can be removed and the rest is still a tree: if a body's opening
//! word is removed, the body is spliced into the enclosing one. Each round removes definitions and then ranges of nodes, from
//! long to short, and may replace them with words that keep the height of the stack. It replaces branches and loops by one of
//! their bodies, inlines words, and removes parameters, results and arrays. It then starts the program at a later point, with
//! the referee's stack at that point as inputs. Last, it simplifies literals, inputs and limits. Shrinking ends when a round
//! finds nothing smaller.

use std::time::Instant;
use std::{iter, ops::Range};

use crate::engine::Run;
use crate::generate::Trial;
use crate::generate::draft::{Draft, mapped};
use crate::interp::tree::measure;
use crate::lang::print::print;
use crate::lang::{ArrayId, DefinitionId, Language, NodeKind, Word, parse};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT, Outcome};

/// The maximum number of values that a removed first part of a program may pass to the rest as inputs.
const MAX_INPUTS: usize = 64;

/// The maximum fuel when measuring a candidate.
const MAX_FUEL: u64 = 10_000;

/// The maximum number of nodes that one inlined word may add to a program.
const MAX_INLINED: usize = 200;

/// Shrinks a trial while `still_fails` holds, calling it at most `tries` times and not after `end`.
pub fn shrink(trial: &Trial, tries: usize, end: Instant, still_fails: impl FnMut(&Trial) -> bool) -> Trial {
    if trial.language == Language::Let {
        return Statements { still_fails, tries, end, best: trial.clone() }.shrink();
    }
    let Ok(ast) = parse(&trial.source()) else {
        return Words { still_fails, tries, end, best: trial.clone() }.shrink();
    };
    let mut shrinker = Shrinker { still_fails, tries, end, draft: Draft::of(&ast), best: trial.clone() };
    shrinker.shrink();
    shrinker.best
}

/// A program to shrink.
struct Shrinker<F> {
    still_fails: F,
    /// The remaining number of calls of `still_fails`.
    tries: usize,
    end: Instant,
    draft: Draft,
    best: Trial,
}

impl<F: FnMut(&Trial) -> bool> Shrinker<F> {
    fn shrink(&mut self) {
        loop {
            let before = (self.draft.clone(), self.best.clone());
            self.fewer_definitions();
            self.shorter_ranges();
            self.fewer_bodies();
            self.fewer_exits();
            self.inlined_words();
            self.smaller_effects();
            self.fewer_cells();
            self.later_start();
            self.fewer_inputs();
            self.simpler_nodes();
            self.simpler_inputs();
            self.simpler_limits();
            if self.is_over() || (&self.draft, &self.best) == (&before.0, &before.1) {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.tries == 0 || Instant::now() > self.end
    }

    /// Accepts the candidate if it still fails.
    fn accept(&mut self, draft: Draft, change: impl FnOnce(&mut Trial)) -> bool {
        if self.is_over() {
            return false;
        }
        let mut trial = Trial { text: print(&draft.ast()), ..self.best.clone() };
        change(&mut trial);
        if trial == self.best {
            return false;
        }
        self.tries -= 1;
        let kept = (self.still_fails)(&trial);
        if kept {
            (self.draft, self.best) = (draft, trial);
        }
        kept
    }

    fn accept_draft(&mut self, draft: Draft) -> bool {
        self.accept(draft, |_| {})
    }

    /// Accepts a change of the trial alone if it still fails.
    fn accept_change(&mut self, change: impl FnOnce(&mut Trial)) -> bool {
        self.accept(self.draft.clone(), change)
    }

    /// Accepts the candidate if it still fails, with the same limits or with lower ones.
    fn accept_with_any_limits(&mut self, draft: Draft) -> bool {
        self.accept_draft(draft.clone()) || self.accept_with_its_limits(draft)
    }

    /// Accepts the candidate if it still fails with lower limits. The limits of the best program exceed its needs by some
    /// margin, and the limits of the candidate get the same margin. Otherwise a failure that shows only with a full stack or
    /// exhausted fuel would disappear.
    fn accept_with_its_limits(&mut self, draft: Draft) -> bool {
        let needs = |draft: &Draft| {
            let run = Run { fuel: Some(MAX_FUEL), stack_limit: usize::MAX, ..self.best.run() };
            measure(&draft.ast(), Run { call_limit: DEFAULT_CALL_LIMIT, ..run })
        };
        let (before, now) = (needs(&self.draft), needs(&draft));
        let least = self.best.inputs.len();
        let Trial { fuel, stack_limit, call_limit, .. } = self.best;
        let fuel = fuel.min((fuel + now.fuel()).saturating_sub(before.fuel()));
        let stack_limit = match stack_limit {
            DEFAULT_STACK_LIMIT => stack_limit,
            _ => stack_limit.min((stack_limit + now.deepest).saturating_sub(before.deepest)).max(least),
        };
        let call_limit = match call_limit {
            DEFAULT_CALL_LIMIT => call_limit,
            _ => call_limit.min((call_limit.saturating_add(now.call_depth)).saturating_sub(before.call_depth)),
        };
        let is_tight = (fuel, stack_limit, call_limit) != (self.best.fuel, self.best.stack_limit, self.best.call_limit);
        is_tight
            && self.accept(draft, |trial| {
                (trial.fuel, trial.stack_limit, trial.call_limit) = (fuel, stack_limit, call_limit);
            })
    }

    /// Removes ranges of nodes, the longest first.
    fn shorter_ranges(&mut self) {
        let mut length = self.draft.nodes.len();
        while length > 0 {
            let mut start = 0;
            while start < self.draft.nodes.len() && !self.is_over() {
                let range = start..(start + length).min(self.draft.nodes.len());
                if !self.without(range) {
                    start += length.div_ceil(2);
                }
            }
            length /= 2;
        }
    }

    /// Removes a range, or replaces it with words that change the height of the stack by the same amount.
    fn without(&mut self, range: Range<usize>) -> bool {
        if self.accept_with_any_limits(self.draft.replaced(range.clone(), &[])) {
            return true;
        }
        let same_height = of_height(self.draft.net_effect(range.clone()));
        let shorter = !same_height.is_empty() && same_height.len() < range.len();
        shorter && self.accept_draft(self.draft.replaced(range, &same_height))
    }

    /// Replaces branches and loops by words that are executed once: one of the branches, or the body.
    fn fewer_bodies(&mut self) {
        let drop = [NodeKind::Word(Word::Drop)];
        let mut index = 0;
        while index < self.draft.nodes.len() && !self.is_over() {
            let opener = index..index + 1;
            let _ = match self.draft.nodes[index] {
                NodeKind::If { otherwise, end } => {
                    let (otherwise, end) = (otherwise as usize, end as usize);
                    let without = |branch| self.draft.replaced(branch, &[]).replaced(opener.clone(), &drop);
                    let [then, other] = [without(otherwise..end), without(index + 1..otherwise)];
                    self.accept_with_any_limits(then) || self.accept_with_any_limits(other)
                }
                NodeKind::Times { .. } => self.accept_with_any_limits(self.draft.replaced(opener, &drop)),
                NodeKind::While { body, .. } => {
                    let flag = body as usize..body as usize;
                    self.accept_with_any_limits(self.draft.replaced(flag, &drop).replaced(opener, &[]))
                }
                _ => false,
            };
            index += 1;
        }
    }

    /// Removes the `exit` at the end of a branch: the rest of the word moves to the end of the other branch. Then the word can be
    /// inlined.
    fn fewer_exits(&mut self) {
        for id in self.definitions() {
            let body = self.draft.body(id);
            let mut index = body.start;
            while index < body.end && !self.is_over() {
                let kind = self.draft.nodes[index];
                if let NodeKind::If { otherwise, end } = kind
                    && self.without_exit(index, otherwise as usize, end as usize, body.end)
                {
                    // The body has changed.
                    break;
                }
                index = kind.next(index);
            }
        }
    }

    /// Tries this for the `if` at an index, with these bounds, in a word that ends at `last`.
    fn without_exit(&mut self, opener: usize, otherwise: usize, end: usize, last: usize) -> bool {
        let is_exit = |index: usize| self.draft.nodes[index] == NodeKind::Exit;
        if otherwise > opener + 1 && is_exit(otherwise - 1) {
            let mut draft = self.draft.clone();
            draft.nodes[opener] = NodeKind::If { otherwise: otherwise as u32, end: last as u32 };
            return self.accept_draft(draft.replaced(otherwise - 1..otherwise, &[]));
        }
        if end > otherwise && is_exit(end - 1) {
            let moved = |bound| bound - (end - otherwise) as u32;
            let rest: Vec<NodeKind> = self.draft.nodes[end..last].iter().map(|kind| mapped(*kind, moved)).collect();
            let without_rest = self.draft.replaced(end - 1..last, &[]);
            return self.accept_draft(without_rest.replaced(otherwise..otherwise, &rest));
        }
        false
    }

    /// Removes definitions. Words that pop their parameters and push as many results replace their calls.
    fn fewer_definitions(&mut self) {
        for id in self.definitions().rev() {
            let effect = self.draft.effect(id);
            let same_height = of_height(i64::from(effect.results) - i64::from(effect.params));
            for replacement in [self.placeholder(id), same_height] {
                let by = |index| self.is_call(index, id).then(|| replacement.clone());
                let without = self.draft.rewritten(by, None).without_definition(id);
                if self.accept_with_any_limits(without) {
                    break;
                }
            }
        }
    }

    /// Words with the effect of a definition: they pop its parameters and push literals.
    fn placeholder(&self, id: DefinitionId) -> Vec<NodeKind> {
        let effect = self.draft.effect(id);
        let drops = iter::repeat_n(NodeKind::Word(Word::Drop), effect.params as usize);
        drops.chain(iter::repeat_n(NodeKind::Literal(1), effect.results as usize)).collect()
    }

    /// The definitions of the best program.
    fn definitions(&self) -> impl DoubleEndedIterator<Item = DefinitionId> + use<F> {
        (0..self.draft.definitions.len() as u32).map(DefinitionId)
    }

    fn is_call(&self, index: usize, id: DefinitionId) -> bool {
        self.draft.nodes[index] == NodeKind::Call(id)
    }

    /// Replaces all calls of a word by its body and removes its definition, or replaces only some of its calls.
    fn inlined_words(&mut self) {
        for id in self.definitions().rev() {
            let Some(body) = self.inlinable(id) else { continue };
            let calls = self.draft.nodes.iter().filter(|kind| **kind == NodeKind::Call(id)).count();
            if calls * body.len() > MAX_INLINED && calls > 1 || self.is_over() {
                continue;
            }
            if body.contains(&NodeKind::Call(id)) {
                // One level of the recursion is inlined, and the next level calls nothing.
                let (own, ends) = (self.draft.body(id), self.placeholder(id));
                let by = |index| {
                    let replacement = if own.contains(&index) { &ends } else { &body };
                    self.is_call(index, id).then(|| replacement.clone())
                };
                self.accept_with_any_limits(self.draft.rewritten(by, None));
                continue;
            }
            let inlined = self.draft.rewritten(|index| self.is_call(index, id).then(|| body.clone()), None);
            if self.accept_with_any_limits(inlined.without_definition(id)) || calls == 1 {
                continue;
            }
            // The other calls may be needed. A body without calls has fewer of them than before.
            for index in (0..self.draft.nodes.len()).rev() {
                if self.is_call(index, id) && !body.iter().any(|kind| matches!(kind, NodeKind::Call(_))) {
                    let inlined = self.draft.rewritten(|at| (at == index).then(|| body.clone()), None);
                    self.accept_with_any_limits(inlined);
                }
            }
        }
    }

    /// The body of a definition, its bounds counted from its first node, if it can stand in place of a call.
    fn inlinable(&self, id: DefinitionId) -> Option<Vec<NodeKind>> {
        let body = self.draft.body(id);
        let start = body.start as u32;
        let mut nodes: Vec<_> =
            self.draft.nodes[body].iter().map(|&kind| mapped(kind, |bound| bound - start)).collect();
        nodes.pop_if(|last| *last == NodeKind::Exit);
        // An `if` that ended with it has become one node shorter.
        let end = nodes.len() as u32;
        for kind in &mut nodes {
            *kind = mapped(*kind, |bound| bound.min(end));
        }
        (!nodes.contains(&NodeKind::Exit)).then_some(nodes)
    }

    /// Removes parameters and results of words.
    fn smaller_effects(&mut self) {
        for id in self.definitions() {
            while self.fewer_params(id) || self.fewer_results(id) {}
        }
    }

    fn fewer_params(&mut self, id: DefinitionId) -> bool {
        let effect = self.draft.effect(id);
        if effect.params == 0 || self.is_over() {
            return false;
        }
        // A parameter that is also a result may stay on the stack.
        let passing = self.with_effect(&self.draft, id, effect.params - 1, effect.results.wrapping_sub(1));
        if effect.results > 0 && self.accept_with_any_limits(passing) {
            return true;
        }
        let call = NodeKind::Call(id);
        let dropping = |index| self.is_call(index, id).then(|| vec![NodeKind::Word(Word::Drop), call]);
        let dropped = self.draft.rewritten(dropping, None);
        let dropped = self.with_effect(&dropped, id, effect.params - 1, effect.results);
        // A literal may take its place.
        let body = dropped.body(id);
        let first = dropped.nodes[body.clone()].first().copied().filter(|first| !has_bodies(*first));
        let literal = first.map(|first| {
            let begins = |index| (index == body.start).then(|| vec![NodeKind::Literal(1), first]);
            dropped.rewritten(begins, None)
        });
        self.accept_with_any_limits(dropped) || literal.is_some_and(|literal| self.accept_with_any_limits(literal))
    }

    fn fewer_results(&mut self, id: DefinitionId) -> bool {
        let effect = self.draft.effect(id);
        if effect.results == 0 || self.is_over() {
            return false;
        }
        let (call, literal, drop) = (NodeKind::Call(id), NodeKind::Literal(1), NodeKind::Word(Word::Drop));
        let body = self.draft.body(id);
        for (pushes, drops) in [(false, false), (true, false), (false, true), (true, true)] {
            let exit = NodeKind::Exit;
            let is_exit = |index| body.contains(&index) && self.draft.nodes[index] == exit;
            let closes = body.clone().next_back().is_some_and(is_exit);
            let by = |index| match self.draft.nodes[index] {
                kind if kind == call && pushes => Some(vec![call, literal]),
                _ if drops && is_exit(index) => Some(vec![drop, exit]),
                _ => None,
            };
            let changed = self.draft.rewritten(by, (drops && !closes).then_some((id, drop)));
            let changed = self.with_effect(&changed, id, effect.params, effect.results - 1);
            if self.accept_with_any_limits(changed) {
                return true;
            }
        }
        false
    }

    fn with_effect(&self, draft: &Draft, id: DefinitionId, params: u32, results: u32) -> Draft {
        let mut changed = draft.clone();
        let effect = &mut changed.definitions[id.index()];
        (effect.params, effect.results) = (params, results);
        changed
    }

    /// Removes arrays, or makes them smaller.
    fn fewer_cells(&mut self) {
        for id in (0..self.draft.arrays.len() as u32).rev().map(ArrayId) {
            let cells = self.draft.arrays[id.index()];
            let without = self.draft.without_array(id);
            // Or one array has the cells of both.
            let merged = id.index().checked_sub(1).map(|before| {
                let mut merged = without.clone();
                merged.arrays[before] += cells;
                merged
            });
            if self.accept_draft(without) || merged.is_some_and(|merged| self.accept_draft(merged)) {
                continue;
            }
            for fewer in [1, 2, cells / 16, cells / 2, cells - 1] {
                if (1..cells).contains(&fewer) {
                    let mut changed = self.draft.clone();
                    changed.arrays[id.index()] = fewer;
                    if self.accept_draft(changed) {
                        break;
                    }
                }
            }
        }
    }

    /// Removes the first words, and makes the referee's stack at that point the inputs of the rest. If the rest does not fail
    /// and begins with `times` or `if`, tries it again without that word, but with its body.
    fn later_start(&mut self) {
        for cut in (1..=self.draft.main).rev() {
            if self.is_over() {
                return;
            }
            // The first part can be run separately only if no body is open at the cut.
            if !is_top_level(&self.draft.nodes, cut) {
                continue;
            }
            let part = self.draft.replaced(cut..self.draft.main, &[]);
            let measured = measure(&part.ast(), Run { stack_limit: usize::MAX, ..self.best.run() });
            let fuel = self.best.fuel - measured.fuel();
            let Outcome::Done(mut inputs) = measured.outcome else { continue };
            if inputs.len() > MAX_INPUTS.max(self.best.inputs.len()) {
                continue;
            }
            let rest = self.draft.replaced(0..cut, &[]);
            if self.accept(rest.clone(), |trial| (trial.inputs, trial.fuel) = (inputs.clone(), fuel)) {
                return;
            }
            // Enter the body of a loop or branch: drop its count or flag.
            let enters = rest.main > 0 && matches!(rest.nodes[0], NodeKind::Times { .. } | NodeKind::If { .. });
            let entered = enters && inputs.pop().is_some();
            if entered && self.accept(rest.replaced(0..1, &[]), |trial| (trial.inputs, trial.fuel) = (inputs, fuel)) {
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
                if !self.accept_change(|trial| drop(trial.inputs.drain(range))) {
                    start += length;
                }
            }
            length /= 2;
        }
    }

    fn simpler_nodes(&mut self) {
        let mut index = 0;
        while index < self.draft.nodes.len() {
            if self.is_over() {
                return;
            }
            for simpler in self.simpler(self.draft.nodes[index]) {
                if simpler != [self.draft.nodes[index]]
                    && self.accept_draft(self.draft.rewritten(|at| (at == index).then(|| simpler.clone()), None))
                {
                    break;
                }
            }
            index += 1;
        }
    }

    /// What may stand in place of a node, the simplest first.
    fn simpler(&self, kind: NodeKind) -> Vec<Vec<NodeKind>> {
        let [drop, dup, over, nip, add] = [Word::Drop, Word::Dup, Word::Over, Word::Nip, Word::Add].map(NodeKind::Word);
        let literal = NodeKind::Literal(1);
        let one = |kind| vec![kind];
        match kind {
            NodeKind::Literal(value) => simpler_values(value).map(NodeKind::Literal).map(one).collect(),
            NodeKind::Pick(depth) => {
                let smaller = smaller_depths(depth).map(NodeKind::Pick);
                [dup, over, literal].into_iter().chain(smaller).map(one).collect()
            }
            NodeKind::Put(depth) => {
                let smaller = smaller_depths(depth).map(NodeKind::Put);
                [drop, nip].into_iter().chain(smaller).map(one).collect()
            }
            NodeKind::Call(id) => {
                let effect = self.draft.effect(id);
                vec![of_height(i64::from(effect.results) - i64::from(effect.params))]
            }
            NodeKind::Address(id) => vec![one(NodeKind::Literal(self.draft.start(id).into()))],
            NodeKind::Word(Word::Store) => vec![vec![drop, drop]],
            NodeKind::Word(word) if word.pops() < word.pushes() => vec![one(literal)],
            NodeKind::Word(word) if word.pops() == 2 && word.pushes() == 1 => vec![one(drop), one(add)],
            NodeKind::Word(_)
            | NodeKind::Leave
            | NodeKind::Exit
            | NodeKind::Times { .. }
            | NodeKind::If { .. }
            | NodeKind::While { .. } => Vec::new(),
        }
    }

    fn simpler_inputs(&mut self) {
        for index in 0..self.best.inputs.len() {
            for value in simpler_values(self.best.inputs[index]) {
                if self.accept_change(|trial| trial.inputs[index] = value) {
                    break;
                }
            }
        }
    }

    /// Tries the default stack and call limits, then simpler fuel limits, then lower stack and call limits.
    fn simpler_limits(&mut self) {
        self.accept_change(|trial| trial.stack_limit = DEFAULT_STACK_LIMIT);
        self.accept_change(|trial| trial.call_limit = DEFAULT_CALL_LIMIT);
        let before = self.best.fuel;
        for fuel in [1_000, 0, 1, before / 2, before.saturating_sub(1)] {
            // 1,000 is the simplest, then lower is simpler. Otherwise two rounds could undo each other's change forever.
            let simpler = before != 1_000 && (fuel == 1_000 || fuel < before);
            if simpler && self.accept_change(|trial| trial.fuel = fuel) {
                break;
            }
        }
        let least = self.best.inputs.len();
        for limit in [least, (least + self.best.stack_limit) / 2, self.best.stack_limit.saturating_sub(1)] {
            let limited = self.best.stack_limit != DEFAULT_STACK_LIMIT;
            if limited && limit >= least && self.accept_change(|trial| trial.stack_limit = limit) {
                break;
            }
        }
        let before = self.best.call_limit;
        for limit in [0, 1, before / 2, before.saturating_sub(1)] {
            let lower = before != DEFAULT_CALL_LIMIT && limit < before;
            if lower && self.accept_change(|trial| trial.call_limit = limit) {
                break;
            }
        }
    }
}

/// Words that change the height of the stack by this much.
fn of_height(change: i64) -> Vec<NodeKind> {
    let word = if change > 0 { NodeKind::Literal(1) } else { NodeKind::Word(Word::Drop) };
    vec![word; change.unsigned_abs() as usize]
}

fn has_bodies(kind: NodeKind) -> bool {
    matches!(kind, NodeKind::Times { .. } | NodeKind::If { .. } | NodeKind::While { .. })
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

/// A let program, which shrinks by functions, statements and operands. Its tokens are separated by white space.
struct Statements<F> {
    still_fails: F,
    tries: usize,
    end: Instant,
    best: Trial,
}

impl<F: FnMut(&Trial) -> bool> Statements<F> {
    fn shrink(mut self) -> Trial {
        loop {
            let before = self.best.text.len();
            let mut at = 0;
            while at < self.best.text.split_whitespace().count() {
                if !self.try_at(at) {
                    at += 1;
                }
                if self.tries == 0 || Instant::now() > self.end {
                    return self.best;
                }
            }
            if self.best.text.len() >= before {
                return self.best;
            }
        }
    }

    /// Whether the program without something that begins at this word still fails.
    fn try_at(&mut self, at: usize) -> bool {
        let text = self.best.text.clone();
        let words: Vec<&str> = text.split_whitespace().collect();
        for shorter in shorter(&words, at) {
            let trial = Trial { text: shorter.join(" "), ..self.best.clone() };
            if self.tries > 0 && trial.text.len() < text.len() {
                self.tries -= 1;
                if (self.still_fails)(&trial) {
                    self.best = trial;
                    return true;
                }
            }
        }
        false
    }
}

/// A let program without something that begins at a word. Most of what this yields are programs.
fn shorter<'t>(words: &[&'t str], at: usize) -> Vec<Vec<&'t str>> {
    let without =
        |range: Range<usize>, instead: &[&'t str]| [&words[..range.start], instead, &words[range.end..]].concat();
    let mut found = Vec::new();
    // The first `;` or `{` that is in no brackets which open behind the word.
    let mut next = at;
    while next < words.len() && !matches!(words[next], ";" | "{" | "}") {
        next = if matches!(words[next], "(" | "[") { closing(words, next) + 1 } else { next + 1 };
    }
    match words.get(next) {
        Some(&";") => found.push(without(at..next + 1, &[])),
        Some(&"{") => {
            let end = closing(words, next);
            found.push(without(at..end + 1, &[]));
            if end < words.len() {
                // What is in the block takes the place of the whole statement.
                found.push(without(at..end + 1, &words[next + 1..end]));
            }
        }
        _ => {}
    }
    match words[at] {
        "(" | "[" => {
            let end = closing(words, at);
            // A call or an element, or an expression in parentheses.
            found.push(without(at.saturating_sub(1)..(end + 1).min(words.len()), &["1"]));
            found.push(without(at..(end + 1).min(words.len()), &["1"]));
            if end < words.len() {
                found.push(without(at..end + 1, &words[at + 1..end]));
            }
        }
        "-" | "!" | "~" => found.push(without(at..at + 1, &[])),
        _ => {}
    }
    // An operator with the operand behind it.
    if let Some(&operand) = words.get(at + 1) {
        let end = if matches!(operand, "(" | "[") { closing(words, at + 1) + 1 } else { at + 2 };
        found.push(without(at..end.min(words.len()), &[]));
    }
    if words[at].len() > 1 {
        found.push(without(at..at + 1, &["1"]));
    }
    found
}

/// The word that closes the bracket at a word, or the number of words if none does.
fn closing(words: &[&str], at: usize) -> usize {
    let mut depth = 0;
    for (index, word) in words.iter().enumerate().skip(at) {
        match *word {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 {
                    return index;
                }
            }
            _ => {}
        }
    }
    words.len()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::generate::{Kind, trial};
    use crate::lang::Node;
    use crate::outcome::TrapKind;

    /// A failure that needs one statement of a generated let program leaves little else.
    #[test]
    fn let_programs_shrink_by_statements() {
        let mut shrunk = 0;
        for index in 0..60 {
            let whole = trial(Kind::Let, 3, index);
            if !whole.text.contains("/=") {
                continue;
            }
            let fails = |trial: &Trial| trial.load().is_ok() && trial.text.contains("/=");
            let small = shrink(&whole, 4_000, later(), fails);
            // The program needs `main` with its parameters, a variable or an array, and the assignment.
            let words =
                small.text.split_whitespace().filter(|word| !matches!(*word, "," | "p0" | "p1" | "p2" | "p3")).count();
            assert!(fails(&small) && words <= 40, "{words} words: {}", small.text);
            shrunk += 1;
        }
        assert!(shrunk > 5, "{shrunk}");
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(600)
    }

    /// The number of words of a program.
    fn size(trial: &Trial) -> usize {
        parse(&trial.source()).expect("it parses").nodes().len()
    }

    /// Whether a program exposes a planted bug that replaces `word` with `other`: its outcome differs.
    fn shows(trial: &Trial, word: Word, other: Word) -> bool {
        shows_bug(trial, |draft| {
            for kind in &mut draft.nodes {
                if *kind == NodeKind::Word(word) {
                    *kind = NodeKind::Word(other);
                }
            }
        })
    }

    /// Whether a program exposes a planted bug, which `plant` puts into the program itself: its outcome or its final memory
    /// differs.
    fn shows_bug(trial: &Trial, plant: impl Fn(&mut Draft)) -> bool {
        let Ok(program) = trial.load() else { return false };
        let mut wrong = Draft::of(program.ast());
        plant(&mut wrong);
        let run = |ast| {
            let measured = trial.measure(ast);
            match measured.outcome {
                Outcome::Done(values) => Some((values, measured.memory)),
                Outcome::Trap(_) => None,
            }
        };
        matches!((run(program.ast()), run(&wrong.ast())), (Some(right), Some(wrong)) if right != wrong)
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

    /// A planted bug of an engine, and what a small program needs to show it.
    struct Planted {
        plant: fn(&mut Draft),
        nodes: usize,
        definitions: usize,
        cells: u32,
    }

    /// Bugs that concern calls and memory.
    const PLANTED: [Planted; 4] = [
        // The two topmost parameters of each word are swapped.
        Planted {
            plant: |draft| {
                for id in (0..draft.definitions.len() as u32).map(DefinitionId) {
                    let swapped = |index| {
                        let swaps = draft.nodes[index] == NodeKind::Call(id) && draft.effect(id).params >= 2;
                        swaps.then(|| vec![NodeKind::Word(Word::Swap), NodeKind::Call(id)])
                    };
                    *draft = draft.rewritten(swapped, None);
                }
            },
            nodes: 4,
            definitions: 1,
            // The word may store.
            cells: 2,
        },
        // A store does nothing.
        Planted {
            plant: |draft| {
                let store = NodeKind::Word(Word::Store);
                let drops = vec![NodeKind::Word(Word::Drop); 2];
                *draft = draft.rewritten(|index| (draft.nodes[index] == store).then(|| drops.clone()), None);
            },
            nodes: 3,
            definitions: 0,
            cells: 1,
        },
        // A word that calls itself adds 1 to its top result.
        Planted {
            plant: |draft| {
                let (one, add) = (NodeKind::Literal(1), NodeKind::Word(Word::Add));
                for id in (0..draft.definitions.len() as u32).map(DefinitionId) {
                    let (call, body) = (NodeKind::Call(id), draft.body(id));
                    let adds = |index: usize| {
                        let adds = body.contains(&index) && draft.nodes[index] == call && draft.effect(id).results > 0;
                        adds.then(|| vec![call, one, add])
                    };
                    *draft = draft.rewritten(adds, None);
                }
            },
            nodes: 16,
            definitions: 1,
            cells: 0,
        },
        // `rot` does nothing, in a word or not.
        Planted {
            plant: |draft| {
                let rot = NodeKind::Word(Word::Rot);
                *draft = draft.rewritten(|index| (draft.nodes[index] == rot).then(Vec::new), None);
            },
            nodes: 4,
            definitions: 0,
            cells: 0,
        },
    ];

    #[test]
    fn programs_with_words_and_arrays_shrink_to_what_shows_the_bug() {
        for (which, planted) in PLANTED.iter().enumerate() {
            let shown: Vec<Trial> = (0..3_000)
                .map(|index| trial(Kind::Random, 2, index))
                .filter(|trial| trial.text.len() < 5_000 && shows_bug(trial, planted.plant))
                .take(12)
                .collect();
            assert_eq!(shown.len(), 12, "bug {which}");
            for found in &shown {
                let small = shrink(found, 5_000, later(), |trial| shows_bug(trial, planted.plant));
                let draft = Draft::of(small.load().expect("it is valid").ast());
                assert!(
                    draft.nodes.len() <= planted.nodes
                        && draft.definitions.len() <= planted.definitions
                        && draft.arrays.len() <= 1
                        && draft.arrays.iter().sum::<u32>() <= planted.cells,
                    "bug {which}:\n{}\n{:?}\nfrom {}",
                    small.text,
                    small.inputs,
                    found.text
                );
            }
        }
    }

    /// An engine that allows one active call too few.
    #[test]
    fn the_call_limit_shrinks_to_where_the_bug_starts() {
        let text = ": f ( n -- m ) dup 0 > if 1 - f 2 + else drop 7 end ; 3 f 2 f + : g ( -- ) ; g";
        let whole = Trial {
            language: Language::Stack,
            text: text.into(),
            inputs: vec![],
            fuel: 500,
            stack_limit: 300,
            call_limit: 4,
        };
        let fails = |trial: &Trial| {
            let Ok(program) = trial.load() else { return false };
            let is_done = |trial: &Trial| matches!(trial.measure(program.ast()).outcome, Outcome::Done(_));
            let fewer = trial.call_limit.checked_sub(1).map(|call_limit| Trial { call_limit, ..trial.clone() });
            is_done(trial) && fewer.is_some_and(|fewer| !is_done(&fewer))
        };
        assert!(fails(&whole));
        let small = shrink(&whole, 1_000, later(), fails);
        assert_eq!((small.call_limit, size(&small)), (1, 1), "{}", small.text);
    }

    #[test]
    fn words_are_inlined_where_their_bodies_may_stand() {
        let text = ": f ( a b -- c ) + 2 times 1 + end ; : g ( a -- b ) dup 0 < if drop 1 exit end 5 ; 3 4 f g f g";
        let ast = parse(&crate::lang::Source::new("test", text)).expect("it parses");
        let draft = Draft::of(&ast);
        let trial = Trial {
            language: Language::Stack,
            text: text.into(),
            inputs: vec![],
            fuel: 9,
            stack_limit: 9,
            call_limit: 9,
        };
        let shrinker = Shrinker { still_fails: |_: &Trial| false, tries: 0, end: later(), draft, best: trial };
        assert_eq!(shrinker.inlinable(DefinitionId(1)), None, "an `exit` would leave more than the word");
        let body = shrinker.inlinable(DefinitionId(0)).expect("it has no `exit`");
        let inlined = shrinker.draft.rewritten(|at| shrinker.is_call(at, DefinitionId(0)).then(|| body.clone()), None);
        let expected = ": g ( a -- b ) dup 0 < if drop 1 exit end 5 ; 3 4 + 2 times 1 + end g + 2 times 1 + end g";
        let expected = parse(&crate::lang::Source::new("test", expected)).expect("it parses");
        assert_eq!(parsed(&inlined.without_definition(DefinitionId(0))), Draft::of(&expected));
    }

    #[test]
    fn limits_shrink_to_where_the_bug_starts() {
        let text = "1 2 3 4 5 6 times over over swap end 7 8 drop drop 3 times 1 end";
        let whole = Trial {
            language: Language::Stack,
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
        let whole = Trial {
            language: Language::Stack,
            text: text.into(),
            inputs: vec![],
            fuel: 1_000,
            stack_limit: 24,
            call_limit: DEFAULT_CALL_LIMIT,
        };
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

    /// The draft, printed and parsed.
    fn parsed(draft: &Draft) -> Draft {
        let printed = print(&draft.ast());
        Draft::of(&parse(&crate::lang::Source::new("test", printed.as_bytes())).expect("a draft is a tree"))
    }

    #[test]
    fn any_range_of_nodes_can_be_removed() {
        let ast = parse(&crate::lang::Source::new("test", "1 2 if 3 while dup do 4 times end 5 end else 6 end g : f ( a -- b ) if 7 times 8 end end ; : g ( -- ) ; 2 array a f a"))
            .expect("it parses");
        let draft = Draft::of(&ast);
        for start in 0..draft.nodes.len() {
            for end in start..=draft.nodes.len() {
                let rest = draft.replaced(start..end, &[]);
                assert_eq!(parsed(&rest), rest);
            }
        }
    }

    #[test]
    fn shrinking_obeys_its_deadline_for_long_programs() {
        let text = "1 drop ".repeat(40_000);
        let whole = Trial {
            language: Language::Stack,
            text,
            inputs: vec![1; 100],
            fuel: 10,
            stack_limit: 1_000,
            call_limit: DEFAULT_CALL_LIMIT,
        };
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
            language: Language::Stack,
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
