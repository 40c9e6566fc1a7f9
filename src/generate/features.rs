//! The features of a generated program that concern words, calls and memory.

use std::collections::BTreeSet;
use std::ops::Range;

use super::Trial;
use super::draft::Draft;
use crate::host_stack::with_room;
use crate::interp::tree::Measured;
use crate::lang::{DefinitionId, NodeKind, Program, Word};
use crate::outcome::{DEFAULT_CALL_LIMIT, Outcome};

/// A word with at most this many words of its own is a leaf.
const LEAF: usize = 2;

/// The features of a valid program.
pub(super) fn features(trial: &Trial, program: &Program, measured: &Measured) -> BTreeSet<&'static str> {
    let ast = program.ast();
    let draft = Draft::of(ast);
    let mut found = BTreeSet::new();
    found.insert(match (ast.definitions().is_empty(), ast.arrays().is_empty()) {
        (true, true) => "neither words nor arrays",
        (true, false) => "arrays only",
        (false, true) => "words only",
        (false, false) => "words and arrays",
    });
    let mut walk = Walk { program, draft: &draft, found, called_in_loops: vec![false; draft.definitions.len()] };
    with_room(|| walk.body(draft.main(), Place::default()));
    for index in 0..draft.definitions.len() {
        walk.definition(DefinitionId(index as u32));
    }
    walk.recursion();
    if let Outcome::Trap(trap) = &measured.outcome {
        let node = ast.nodes().iter().position(|node| node.span == trap.at).expect("a word of the text trapped");
        let ids = (0..draft.definitions.len() as u32).map(DefinitionId);
        if let Some(id) = ids.into_iter().find(|id| draft.body(*id).contains(&node)) {
            walk.found.insert("trap in a word");
            if walk.called_in_loops[id.index()] {
                walk.found.insert("trap in a word called in a loop");
            }
        }
    }
    for array in ast.arrays() {
        walk.found.insert(match array.cells {
            1 => "array of 1 cell",
            2..100 => "array of 2 to 99 cells",
            100..4_000 => "array of 100 to 3999 cells",
            _ => "array of 4000 or more cells",
        });
    }
    let conditions = [
        ("memory changed", measured.memory.iter().any(|cell| *cell != 0)),
        ("a hundred calls", measured.calls >= 100),
        ("calls 100 deep", measured.call_depth >= 100),
        ("calls as deep as the default limit", measured.call_depth >= DEFAULT_CALL_LIMIT),
        ("low call limit", trial.call_limit < DEFAULT_CALL_LIMIT),
    ];
    walk.found.extend(conditions.into_iter().filter_map(|(feature, holds)| holds.then_some(feature)));
    walk.found
}

/// Where a node stands.
#[derive(Clone, Copy, Default)]
struct Place {
    in_word: bool,
    in_loop: bool,
    in_condition: bool,
}

struct Walk<'a> {
    program: &'a Program,
    draft: &'a Draft,
    found: BTreeSet<&'static str>,
    called_in_loops: Vec<bool>,
}

impl Walk<'_> {
    fn definition(&mut self, id: DefinitionId) {
        let (effect, body) = (self.draft.effect(id), self.draft.body(id));
        let frame = self.program.frames()[id.index()];
        let most = u64::from(effect.params.max(effect.results));
        let counts = |counts: [&'static str; 5], count: u32| counts[count as usize];
        self.found.insert(counts(
            ["no parameter", "1 parameter", "2 parameters", "3 parameters", "4 parameters"],
            effect.params,
        ));
        self.found.insert(counts(["no result", "1 result", "2 results", "3 results", "4 results"], effect.results));
        let closes = body.clone().next_back().is_some_and(|last| self.draft.nodes[last] == NodeKind::Exit);
        let is_called = self.draft.nodes.contains(&NodeKind::Call(id));
        let conditions = [
            ("empty word", body.is_empty()),
            ("leaf word", body.len() <= LEAF),
            ("long word", body.len() > 1_000),
            ("large frame", frame >= most + 8),
            ("huge frame", frame >= most + 100),
            ("closing word at the end of a word", closes),
            ("uncalled word", !is_called),
        ];
        self.found.extend(conditions.into_iter().filter_map(|(feature, holds)| holds.then_some(feature)));
        with_room(|| self.body(body, Place { in_word: true, ..Place::default() }));
    }

    fn body(&mut self, range: Range<usize>, place: Place) {
        let mut index = range.start;
        while index < range.end {
            let kind = self.draft.nodes[index];
            if place.in_word && self.program.facts()[index].may_underflow {
                self.found.insert("check of the depth in a word");
            }
            match kind {
                NodeKind::Call(id) => self.call(index, id, place),
                NodeKind::Word(word @ (Word::Fetch | Word::Store)) => self.access(index, word, range.start, place),
                NodeKind::Times { end } => {
                    self.loop_of(index + 1..end as usize, 0, place);
                    self.body(index + 1..end as usize, Place { in_loop: true, ..place });
                }
                NodeKind::While { body, end } => {
                    self.loop_of(index + 1..end as usize, 1, place);
                    let condition = Place { in_loop: true, in_condition: true, ..place };
                    self.body(index + 1..body as usize, condition);
                    self.body(body as usize..end as usize, Place { in_loop: true, ..place });
                }
                NodeKind::If { otherwise, end } => {
                    self.body(index + 1..otherwise as usize, place);
                    self.body(otherwise as usize..end as usize, place);
                }
                NodeKind::Exit if place.in_word => {
                    self.found.insert(if place.in_loop { "exit in a loop of a word" } else { "exit in a word" });
                }
                NodeKind::Leave if place.in_word => drop(self.found.insert("leave in a word")),
                NodeKind::Literal(_)
                | NodeKind::Word(_)
                | NodeKind::Pick(_)
                | NodeKind::Put(_)
                | NodeKind::Address(_)
                | NodeKind::Leave
                | NodeKind::Exit => {}
            }
            index = kind.next(index);
        }
    }

    /// A loop whose body changes the height by `level` if it leaves the stack as it is.
    fn loop_of(&mut self, body: Range<usize>, level: i64, place: Place) {
        if place.in_word {
            self.found.insert("loop in a word");
            if !self.draft.changes_height_by(level, body) {
                self.found.insert("loop that changes the height in a word");
            }
        }
    }

    fn call(&mut self, index: usize, id: DefinitionId, place: Place) {
        let (effect, nodes) = (self.draft.effect(id), self.program.ast().nodes());
        self.called_in_loops[id.index()] |= place.in_loop;
        let keeps = self.program.facts()[index].greatest.may_exceed(effect.results.into());
        let is_flag = matches!(self.draft.nodes.get(index + 1), Some(NodeKind::If { .. }));
        let conditions = [
            ("call", true),
            ("call in a loop", place.in_loop),
            ("call in a condition", place.in_condition),
            ("call in a word", place.in_word),
            ("call that keeps values", keeps),
            ("call on an empty stack", effect.params == 0 && !keeps),
            ("call as a flag", is_flag),
            ("call before the definition", nodes[index].span.start < self.program.ast().definition(id).span.start),
        ];
        self.found.extend(conditions.into_iter().filter_map(|(feature, holds)| holds.then_some(feature)));
    }

    /// A load or store at `index` of a body that begins at `start`.
    fn access(&mut self, index: usize, word: Word, start: usize, place: Place) {
        let before = &self.draft.nodes[start..index];
        let is_store = word == Word::Store;
        // The last accesses before this one, the nearest first.
        let mut earlier = before.iter().rev().filter_map(|kind| match kind {
            NodeKind::Word(word @ (Word::Fetch | Word::Store)) => Some(*word),
            _ => None,
        });
        let between = is_store && earlier.next() == Some(Word::Fetch) && earlier.next() == Some(Word::Store);
        let address = match before {
            [.., NodeKind::Address(_)] => "address of an array",
            [.., NodeKind::Word(Word::Drop), NodeKind::Literal(_)] => "address after a check of the index",
            [.., NodeKind::Literal(_)] => "literal address",
            [.., NodeKind::Literal(_), NodeKind::Word(Word::Add | Word::Sub)] => "address plus a constant",
            [.., NodeKind::Address(_), NodeKind::Word(Word::Add)] => "address plus an index",
            [.., NodeKind::Pick(_) | NodeKind::Word(Word::Dup | Word::Over)] => "address that was copied",
            _ => "another address",
        };
        let conditions = [
            ("load", !is_store),
            ("store", is_store),
            ("load between stores", between),
            ("access in a word", place.in_word),
            ("access in a loop", place.in_loop),
            (address, true),
        ];
        self.found.extend(conditions.into_iter().filter_map(|(feature, holds)| holds.then_some(feature)));
    }

    /// Finds words that call themselves, directly or through others.
    fn recursion(&mut self) {
        let count = self.draft.definitions.len();
        let callees = |id: usize| {
            self.draft.nodes[self.draft.body(DefinitionId(id as u32))].iter().filter_map(|kind| match kind {
                NodeKind::Call(callee) => Some(callee.index()),
                _ => None,
            })
        };
        let (mut direct, mut indirect) = (false, false);
        for word in 0..count {
            direct |= callees(word).any(|callee| callee == word);
            let mut seen = vec![false; count];
            let mut open: Vec<usize> = callees(word).filter(|callee| *callee != word).collect();
            while let Some(next) = open.pop() {
                if !std::mem::replace(&mut seen[next], true) {
                    open.extend(callees(next));
                }
            }
            indirect |= seen[word];
        }
        let conditions = [("recursion", direct), ("mutual recursion", indirect)];
        self.found.extend(conditions.into_iter().filter_map(|(feature, holds)| holds.then_some(feature)));
    }
}
