//! Loop-heavy workloads that do a given amount of work and keep their values live.
//!
//! The stack holds a few values throughout. Every step in a loop's body changes one of them in an invertible way: it adds a
//! function of the other values, multiplies by an odd number, or permutes. So no information is lost, and the values cannot
//! collapse to constants, no matter how long the loop runs. The added function may use any word, such as a division, a
//! comparison or a mask.

use std::ops::Range;

use super::Trial;
use super::dice::Dice;
use super::draft::Draft;
use super::operands::{divisor, operand, shift};
use crate::lang::print::print;
use crate::lang::words::Class;
use crate::lang::{Language, NodeKind, Word};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT};

/// The approximate number of words that the smallest program executes.
pub const MIN_WORK: u64 = 100;

/// A program that executes about `work` words, within a factor of two, and at least [`MIN_WORK`].
pub(super) fn trial(dice: &mut Dice, work: u64) -> Trial {
    let work = work.max(MIN_WORK);
    let values = 2 + dice.index(4);
    let inputs = (0..values).map(|_| operand(dice) ^ (dice.bits() as i64)).collect();
    let mut builder = Builder { dice, nodes: Vec::new(), values };
    let loops = 1 + builder.dice.long_below(3.min(work / MIN_WORK));
    for _ in 0..loops {
        builder.repeat(work / loops, 3);
    }
    let nodes = builder.nodes;
    let Cost { iterations, .. } = cost(&nodes, 0..nodes.len());
    let (stack_limit, call_limit) = (DEFAULT_STACK_LIMIT, DEFAULT_CALL_LIMIT);
    Trial {
        language: Language::Stack,
        text: print(&Draft::new(nodes).ast()),
        inputs,
        fuel: iterations,
        stack_limit,
        call_limit,
    }
}

/// The cost of executing nodes.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// Executed words, averaged over branches.
    words: u64,
    iterations: u64,
}

/// The cost of a range of nodes. The count of every loop is the literal before it.
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
                    iterations: count().saturating_mul(body.iterations.saturating_add(1)),
                }
            }
            NodeKind::While { body, end } => {
                let condition = cost(nodes, index + 1..body as usize);
                let body = cost(nodes, body as usize..end as usize);
                Cost {
                    words: count().saturating_mul(condition.words + body.words).saturating_add(2),
                    iterations: count().saturating_add(1),
                }
            }
            NodeKind::If { otherwise, end } => {
                let branches = cost(nodes, index + 1..otherwise as usize).words
                    + cost(nodes, otherwise as usize..end as usize).words;
                Cost { words: 1 + branches / 2, iterations: 0 }
            }
            _ => Cost { words: 1, iterations: 0 },
        };
        sum.words = sum.words.saturating_add(one.words);
        sum.iterations = sum.iterations.saturating_add(one.iterations);
        index = kind.next(index);
    }
    sum
}

struct Builder<'a, 'd> {
    dice: &'a mut Dice<'d>,
    nodes: Vec<NodeKind>,
    /// The number of values on the stack between two steps.
    values: usize,
}

impl Builder<'_, '_> {
    /// Appends a loop that executes about `work` words.
    fn repeat(&mut self, work: u64, levels: u32) {
        let start = self.nodes.len();
        let is_while = self.dice.one_in(4);
        self.put(NodeKind::Literal(0));
        self.put(NodeKind::Times { end: 0 });
        let body = if is_while {
            // The counter is on top. The body changes only the counter and the value below it.
            self.put(NodeKind::Word(Word::Dup));
            let body = self.nodes.len();
            self.put(NodeKind::Word(Word::Swap));
            (0..self.dice.below(6)).for_each(|_| self.mix_top());
            self.avoid_short_cycle();
            self.words(&[Word::Swap]);
            self.with_literal(1, Word::Sub);
            body
        } else {
            // One iteration must not exceed the whole work.
            let most = if self.dice.one_in(6) { (work / 12).min(60) as u32 } else { 8 };
            let steps = 2 + self.dice.below(most);
            let inner = levels > 1 && work > 20 * MIN_WORK && self.dice.one_in(2);
            let inner = inner.then(|| self.dice.below(steps));
            for step in 0..steps {
                if inner == Some(step) {
                    let share = MIN_WORK + self.dice.long_below((work / 20).min(2_000));
                    self.repeat(share, levels - 1);
                }
                self.step();
            }
            self.avoid_short_cycle();
            start + 2
        };
        let end = self.nodes.len();
        let once = cost(&self.nodes, start + 2..end).words;
        self.nodes[start] = NodeKind::Literal(i64::try_from((work / once).max(1)).unwrap_or(i64::MAX));
        let (body, end) = (body as u32, end as u32);
        self.nodes[start + 1] = if is_while { NodeKind::While { body, end } } else { NodeKind::Times { end } };
        if is_while {
            self.put(NodeKind::Word(Word::Drop));
        }
    }

    fn put(&mut self, kind: NodeKind) {
        self.nodes.push(kind);
    }

    fn words(&mut self, words: &[Word]) {
        words.iter().for_each(|&word| self.put(NodeKind::Word(word)));
    }

    /// Appends the word with a literal operand.
    fn with_literal(&mut self, value: i64, word: Word) {
        self.put(NodeKind::Literal(value));
        self.put(NodeKind::Word(word));
    }

    /// Appends one invertible change.
    fn step(&mut self) {
        match self.dice.below(13) {
            0 => self.words(&[Word::Swap]),
            1 if self.values >= 3 => self.words(&[Word::Rot]),
            2 => self.words(&[Word::Tuck, Word::Drop]),
            3 => self.words(&[Word::Dup, Word::Nip]),
            4 => self.branch(),
            5..=8 => {
                self.push_derived();
                let word = *self.dice.pick(&[Word::Add, Word::Sub, Word::Xor]);
                self.words(&[word]);
            }
            9 => self.mix_into(),
            _ => self.mix_top(),
        }
    }

    /// Changes a value below the top by the top.
    fn mix_into(&mut self) {
        let depth = 1 + self.dice.index(self.values - 1) as u64;
        self.put(NodeKind::Pick(depth));
        let word = *self.dice.pick(&[Word::Add, Word::Sub, Word::Xor]);
        self.words(&[Word::Over, word]);
        self.put(NodeKind::Put(depth));
    }

    /// Changes the top value independently of the others.
    fn mix_top(&mut self) {
        let value = operand(self.dice);
        match self.dice.below(7) {
            0 => self.with_literal(value, Word::Add),
            1 => self.with_literal(value, Word::Xor),
            2 => self.with_literal(value | 1, Word::Mul),
            3 => {
                self.put(NodeKind::Literal(value));
                self.words(&[Word::Swap, Word::Sub]);
            }
            4 => {
                let word = *self.dice.pick(&[Word::Negate, Word::Invert]);
                self.words(&[word]);
            }
            _ => self.xor_shift(),
        }
    }

    /// Changes the top value so that the loop's state does not repeat after two or four iterations. Without this, a body of
    /// permutations and differences might make it repeat.
    fn avoid_short_cycle(&mut self) {
        self.xor_shift();
        let five_modulo_eight = (operand(self.dice) | 7) ^ 2;
        self.with_literal(five_modulo_eight, Word::Mul);
    }

    /// Mixes bits of the top value with other bits of it.
    fn xor_shift(&mut self) {
        self.words(&[Word::Dup]);
        let by = 1 + self.dice.below(63);
        let word = *self.dice.pick(&[Word::Lshift, Word::Rshift]);
        self.with_literal(by.into(), word);
        self.words(&[Word::Xor]);
    }

    /// Changes the top value in one of two ways, chosen by the value below it.
    fn branch(&mut self) {
        self.words(&[Word::Over]);
        let value = operand(self.dice);
        if self.dice.one_in(2) {
            let bit = 1 << self.dice.below(63);
            self.with_literal(bit, Word::And);
        } else {
            let word = self.draw(Class::Comparison);
            self.with_literal(value, word);
        }
        let opener = self.nodes.len();
        self.put(NodeKind::If { otherwise: 0, end: 0 });
        self.mix_top();
        let otherwise = self.nodes.len() as u32;
        self.mix_top();
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::If { otherwise, end };
    }

    /// Pushes a function of the values below the top.
    fn push_derived(&mut self) {
        let depth = 1 + self.dice.index(self.values - 1);
        self.put(NodeKind::Pick(depth as u64));
        if self.dice.one_in(3) {
            let depth = 2 + self.dice.index(self.values - 1);
            self.put(NodeKind::Pick(depth as u64));
            let class = *self.dice.pick(&[Class::Arithmetic, Class::Arithmetic, Class::Comparison, Class::Division]);
            let word = self.draw(class);
            if class == Class::Division {
                self.with_literal(1, Word::Or);
            }
            self.words(&[word]);
        }
        if self.dice.one_in(6) {
            let word = self.draw(Class::Unary);
            self.words(&[word]);
        }
        if self.dice.one_in(2) {
            let class = *self.dice.pick(&[Class::Arithmetic, Class::Arithmetic, Class::Comparison, Class::Division]);
            let word = self.draw(class);
            let value = match word {
                _ if word.is_shift() => shift(self.dice),
                Word::Div | Word::Mod => divisor(self.dice).max(2),
                _ => operand(self.dice),
            };
            self.with_literal(value, word);
        }
    }

    fn draw(&mut self, class: Class) -> Word {
        self.dice.word(|word| word.class() == class)
    }
}
