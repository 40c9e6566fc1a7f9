//! Loop-heavy workloads whose work is a parameter and whose values stay alive.
//!
//! The stack holds a few values from beginning to end. Every step in a loop's body changes one of them in a way that
//! could be taken back (adds what others give, multiplies by an odd number, permutes), so that no information is ever
//! lost and the values cannot collapse to constants, however long the loop runs. What is added may come from any word:
//! a quotient, a comparison, a mask.

use std::ops::Range;

use super::dice::Dice;
use super::operands::{divisor, operand, shift};
use super::{Trial, tree};
use crate::lang::print::print;
use crate::lang::words::{Class, WORDS};
use crate::lang::{NodeKind, Word};
use crate::outcome::DEFAULT_STACK_LIMIT;

/// Words that the smallest program carries out, roughly.
pub const LEAST_WORK: u64 = 100;

/// A program that carries out about `work` words, within a factor of two, or [`LEAST_WORK`].
pub(super) fn trial(dice: &mut Dice, work: u64) -> Trial {
    let work = work.max(LEAST_WORK);
    let values = 2 + dice.index(4);
    let inputs = (0..values).map(|_| operand(dice) ^ (dice.bits() as i64)).collect();
    let mut builder = Builder { dice, nodes: Vec::new(), values };
    let loops = 1 + builder.dice.long_below(3.min(work / LEAST_WORK));
    for _ in 0..loops {
        builder.repeated(work / loops, 3);
    }
    let nodes = builder.nodes;
    let Cost { passes, .. } = cost(&nodes, 0..nodes.len());
    Trial { text: print(&tree(&nodes)), inputs, fuel: passes, stack_limit: DEFAULT_STACK_LIMIT }
}

/// What nodes take when they are carried out.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// Words, on average over the branches.
    words: u64,
    passes: u64,
}

/// What a range of nodes takes. The count of every loop is the literal before it.
fn cost(nodes: &[NodeKind], range: Range<usize>) -> Cost {
    let mut sum = Cost::default();
    let mut index = range.start;
    while index < range.end {
        let kind = nodes[index];
        let count = || match nodes[index - 1] {
            NodeKind::Literal(count) => count as u64,
            _ => unreachable!("a loop follows its count"),
        };
        let one = match kind {
            NodeKind::Times { end } => {
                let body = cost(nodes, index + 1..end as usize);
                Cost {
                    words: count().saturating_mul(body.words).saturating_add(1),
                    passes: count().saturating_mul(body.passes.saturating_add(1)),
                }
            }
            NodeKind::While { body, end } => {
                let condition = cost(nodes, index + 1..body as usize);
                let body = cost(nodes, body as usize..end as usize);
                Cost {
                    words: count().saturating_mul(condition.words + body.words).saturating_add(2),
                    passes: count().saturating_add(1),
                }
            }
            NodeKind::If { otherwise, end } => {
                let branches = cost(nodes, index + 1..otherwise as usize).words
                    + cost(nodes, otherwise as usize..end as usize).words;
                Cost { words: 1 + branches / 2, passes: 0 }
            }
            _ => Cost { words: 1, passes: 0 },
        };
        sum.words = sum.words.saturating_add(one.words);
        sum.passes = sum.passes.saturating_add(one.passes);
        index = kind.next(index);
    }
    sum
}

struct Builder<'a, 'd> {
    dice: &'a mut Dice<'d>,
    nodes: Vec<NodeKind>,
    /// How many values the stack holds between two steps.
    values: usize,
}

impl Builder<'_, '_> {
    /// A loop that carries out about `work` words.
    fn repeated(&mut self, work: u64, levels: u32) {
        let start = self.nodes.len();
        let counted = self.dice.one_in(4);
        self.put(NodeKind::Literal(0));
        self.put(NodeKind::Times { end: 0 });
        let body = if counted {
            // The counter lies on top and its value below: one value takes part.
            self.put(NodeKind::Word(Word::Dup));
            let body = self.nodes.len();
            self.put(NodeKind::Word(Word::Swap));
            (0..self.dice.below(6)).for_each(|_| self.mixing());
            self.never_back();
            self.words(&[Word::Swap]);
            self.computed(1, Word::Sub);
            body
        } else {
            // A pass must not be more than the whole work.
            let most = if self.dice.one_in(6) { (work / 12).min(60) as u32 } else { 8 };
            let steps = 2 + self.dice.below(most);
            let inner = levels > 1 && work > 20 * LEAST_WORK && self.dice.one_in(2);
            let inner = inner.then(|| self.dice.below(steps));
            for step in 0..steps {
                if inner == Some(step) {
                    let share = LEAST_WORK + self.dice.long_below((work / 20).min(2_000));
                    self.repeated(share, levels - 1);
                }
                self.step();
            }
            self.never_back();
            start + 2
        };
        let end = self.nodes.len();
        let once = cost(&self.nodes, start + 2..end).words;
        self.nodes[start] = NodeKind::Literal(i64::try_from((work / once).max(1)).unwrap_or(i64::MAX));
        let (body, end) = (body as u32, end as u32);
        self.nodes[start + 1] = if counted { NodeKind::While { body, end } } else { NodeKind::Times { end } };
        if counted {
            self.put(NodeKind::Word(Word::Drop));
        }
    }

    fn put(&mut self, kind: NodeKind) {
        self.nodes.push(kind);
    }

    fn words(&mut self, words: &[Word]) {
        words.iter().for_each(|&word| self.put(NodeKind::Word(word)));
    }

    /// The word with a literal operand.
    fn computed(&mut self, value: i64, word: Word) {
        self.put(NodeKind::Literal(value));
        self.put(NodeKind::Word(word));
    }

    /// One change that could be taken back.
    fn step(&mut self) {
        match self.dice.below(12) {
            0 => self.words(&[Word::Swap]),
            1 if self.values >= 3 => self.words(&[Word::Rot]),
            2 => self.words(&[Word::Tuck, Word::Drop]),
            3 => self.words(&[Word::Dup, Word::Nip]),
            4 => self.branch(),
            5..=8 => {
                self.foreign();
                let word = *self.dice.pick(&[Word::Add, Word::Sub, Word::Xor]);
                self.words(&[word]);
            }
            _ => self.mixing(),
        }
    }

    /// Changes the top by itself alone.
    fn mixing(&mut self) {
        let value = operand(self.dice);
        match self.dice.below(6) {
            0 => self.computed(value, Word::Add),
            1 => self.computed(value, Word::Xor),
            2 => self.computed(value | 1, Word::Mul),
            3 => {
                self.put(NodeKind::Literal(value));
                self.words(&[Word::Swap, Word::Sub]);
            }
            _ => self.spread(),
        }
    }

    /// Changes the top so that a body does not come back to where it began after two passes or four, as one of
    /// permutations and differences may.
    fn never_back(&mut self) {
        self.spread();
        let five_modulo_eight = (operand(self.dice) | 7) ^ 2;
        self.computed(five_modulo_eight, Word::Mul);
    }

    /// Carries bits of the top to others of it.
    fn spread(&mut self) {
        self.words(&[Word::Dup]);
        let by = 1 + self.dice.below(63);
        let word = *self.dice.pick(&[Word::Lshift, Word::Rshift]);
        self.computed(by.into(), word);
        self.words(&[Word::Xor]);
    }

    /// Changes the top in one of two ways, which the value below it decides.
    fn branch(&mut self) {
        self.words(&[Word::Over]);
        let value = operand(self.dice);
        if self.dice.one_in(2) {
            let bit = 1 << self.dice.below(63);
            self.computed(bit, Word::And);
        } else {
            let word = self.drawn(Class::Comparison);
            self.computed(value, word);
        }
        let opener = self.nodes.len();
        self.put(NodeKind::If { otherwise: 0, end: 0 });
        self.mixing();
        let otherwise = self.nodes.len() as u32;
        self.mixing();
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::If { otherwise, end };
    }

    /// Pushes what other values than the top give.
    fn foreign(&mut self) {
        let depth = 1 + self.dice.index(self.values - 1);
        self.put(NodeKind::Pick(depth as u64));
        if self.dice.one_in(3) {
            let depth = 2 + self.dice.index(self.values - 1);
            self.put(NodeKind::Pick(depth as u64));
            let class = *self.dice.pick(&[Class::Arithmetic, Class::Arithmetic, Class::Comparison, Class::Division]);
            let word = self.drawn(class);
            if class == Class::Division {
                self.computed(1, Word::Or);
            }
            self.words(&[word]);
        }
        if self.dice.one_in(2) {
            let class = *self.dice.pick(&[Class::Arithmetic, Class::Arithmetic, Class::Comparison, Class::Division]);
            let word = self.drawn(class);
            let value = match word {
                Word::Lshift | Word::Rshift => shift(self.dice),
                Word::Div | Word::Mod => divisor(self.dice).max(2),
                _ => operand(self.dice),
            };
            self.computed(value, word);
        }
    }

    fn drawn(&mut self, class: Class) -> Word {
        loop {
            let (word, entry) = self.dice.pick(WORDS);
            if entry.meaning.class() == class {
                return *word;
            }
        }
    }
}
