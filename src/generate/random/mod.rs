//! Random programs over the whole language, valid by construction.
//!
//! While a program grows, the generator tracks a height that the stack is certain to have at the current point. To make this
//! possible, counts of loops that change the height are literals. A word is drawn only if the height suffices for it, unless
//! an underflow is desired.

mod bodies;
mod closing;
mod rare;
mod whiles;

use super::dice::Dice;
use super::operands::{divisor, operand, shift};
use super::{Trial, limited};
use crate::lang::words::{Class, WORDS};
use crate::lang::{NodeKind, Word};
use crate::outcome::TrapKind;
use closing::OpenLoop;

/// Binary words that cannot trap.
pub(super) const HARMLESS: &[Word] = &[Word::Add, Word::Sub, Word::Mul, Word::Xor, Word::Or];

/// Words that shrink the stack by one value, most of which preserve information.
const JOINING: &[Word] =
    &[Word::Add, Word::Sub, Word::Xor, Word::Add, Word::Mul, Word::Or, Word::Nip, Word::Drop, Word::Lt, Word::And];

/// The maximum number of times that a word may be executed because of the literal counts of the loops around it.
const MAX_EXECUTIONS: u64 = 500;

/// A valid program. About a quarter of them are meant to trap.
pub(super) fn trial(dice: &mut Dice) -> Trial {
    loop {
        if let Some(trial) = candidate(dice) {
            return trial;
        }
    }
}

fn candidate(dice: &mut Dice) -> Option<Trial> {
    let trap = match dice.below(100) {
        0..8 => Some(TrapKind::DivisionByZero),
        8..14 => Some(TrapKind::StackUnderflow),
        14..20 => Some(TrapKind::StackOverflow),
        20..26 => Some(TrapKind::OutOfFuel),
        _ => None,
    };
    let count = match dice.below(1000) {
        // Slots around the last one that an AArch64 load reaches with its immediate, and beyond.
        0 => 4_088 + dice.index(16),
        1 => 4_100 + dice.index(1_000),
        2..20 => 100 + dice.index(500),
        20..150 => 6 + dice.index(34),
        _ => dice.index(6),
    };
    let inputs: Vec<i64> =
        (0..count).map(|_| if dice.one_in(4) { dice.below(9).into() } else { operand(dice) }).collect();
    let size = match dice.below(1000) {
        0 if dice.one_in(2) => 60_000,
        0..250 => 4 + dice.below(16),
        250..850 => 20 + dice.below(60),
        _ => 80 + dice.below(130),
    };
    let mut grower = Grower {
        dice,
        nodes: Vec::new(),
        height: count,
        below: 0,
        exact: true,
        executions: 1,
        loops: Vec::new(),
        budget: size.into(),
        safe: size > 1_000,
    };
    if trap.is_some_and(|kind| matches!(kind, TrapKind::DivisionByZero | TrapKind::StackUnderflow)) {
        // The trap is placed between two parts of the program.
        let rest = grower.dice.long_below(grower.budget as u64) as i64;
        grower.budget -= rest;
        grower.program();
        if trap == Some(TrapKind::DivisionByZero) {
            grower.division_by_zero();
        } else {
            grower.underflow();
        }
        grower.budget += rest;
    }
    grower.program();
    let mut nodes = grower.nodes;
    limited(dice, &mut nodes, inputs, trap)
}

/// A program under construction.
struct Grower<'a, 'd> {
    dice: &'a mut Dice<'d>,
    nodes: Vec<NodeKind>,
    /// The number of values that are certain to be on the stack here, and that words may pop.
    height: usize,
    /// The number of values that are certain to be below those. They may be read but must stay.
    below: usize,
    /// Whether the verifier knows the height exactly.
    exact: bool,
    /// The maximum number of executions of the words drawn here.
    executions: u64,
    /// The open loops, innermost last; `None` in the condition of a `while`, where `leave` must not stand.
    loops: Vec<Option<OpenLoop>>,
    /// The number of words that may still be drawn.
    budget: i64,
    /// Whether divisors must be literals. Otherwise one of the many divisions in a long program would be by zero.
    safe: bool,
}

impl Grower<'_, '_> {
    fn program(&mut self) {
        if self.budget > 1_000 {
            return self.long_body();
        }
        if self.budget > 20 && self.dice.one_in(40) {
            self.nest();
        }
        while self.budget > 0 {
            self.item(4);
        }
    }

    /// Appends a group of words. `levels` is the number of nested bodies that it may still open.
    fn item(&mut self, levels: u32) {
        match self.dice.below(100) {
            0..12 => self.value(),
            12..33 => self.with_literal(),
            33..47 => self.binary(),
            47..51 => self.unary(),
            51..70 => self.shuffle(),
            70..76 => self.pick(),
            76..79 => self.replace(),
            _ if levels == 0 => self.with_literal(),
            79..87 => self.branch(levels - 1),
            87..95 => self.times(levels - 1),
            _ => self.while_loop(levels - 1),
        }
    }

    fn items(&mut self, most: u32, levels: u32) {
        for _ in 0..self.dice.below(most + 1) {
            if self.budget > 0 {
                self.item(levels);
            }
        }
    }

    // Words.

    fn put(&mut self, kind: NodeKind) {
        self.nodes.push(kind);
        self.budget -= 1;
    }

    fn literal(&mut self, value: i64) {
        self.put(NodeKind::Literal(value));
        self.height += 1;
    }

    fn word(&mut self, word: Word) {
        self.put(NodeKind::Word(word));
        self.height = self.height.saturating_sub(word.pops()) + word.pushes();
    }

    fn words(&mut self, words: &[Word]) {
        words.iter().for_each(|&word| self.word(word));
    }

    fn need(&mut self, values: usize) {
        while self.height < values {
            self.value();
        }
    }

    /// Pushes one value.
    fn value(&mut self) {
        match self.dice.below(8) {
            0 if self.height > 0 => self.word(Word::Dup),
            1 if self.height > 1 => self.word(Word::Over),
            2 if self.height + self.below > 0 => self.pick(),
            _ => {
                let value = operand(self.dice);
                self.literal(value);
            }
        }
    }

    fn pick(&mut self) {
        let readable = self.height + self.below;
        if readable == 0 {
            return self.value();
        }
        let nearest = readable.min(4);
        let depth = if self.dice.one_in(2) { self.dice.index(nearest) } else { self.dice.index(readable) };
        self.put(NodeKind::Pick(depth as u64));
        self.height += 1;
    }

    /// Appends a `put`. It may write any value that words may pop here.
    fn replace(&mut self) {
        self.need(2);
        let writable = self.height - 1;
        let nearest = writable.min(4);
        let depth = if self.dice.one_in(2) { self.dice.index(nearest) } else { self.dice.index(writable) };
        self.put(NodeKind::Put(depth as u64));
        self.height -= 1;
    }

    /// Appends a word with one operand.
    fn unary(&mut self) {
        let word = self.draw(&[Class::Unary]);
        self.need(1);
        self.word(word);
    }

    fn shuffle(&mut self) {
        let word = self.draw(&[Class::Shuffle]);
        // A bug that affects only a dropped value is not found.
        if word == Word::Drop && !self.dice.one_in(3) {
            return self.shuffle();
        }
        self.need(word.pops());
        self.word(word);
    }

    /// Appends a binary word with both operands from the stack.
    fn binary(&mut self) {
        let word = self.binary_word();
        self.need(2);
        self.word(if self.safe && word.class() == Class::Division { Word::Xor } else { word });
    }

    /// Appends a binary word whose top operand is a literal.
    fn with_literal(&mut self) {
        let word = self.binary_word();
        self.need(1);
        let value = match word {
            _ if word.is_shift() => shift(self.dice),
            Word::Div | Word::Mod => divisor(self.dice),
            _ => operand(self.dice),
        };
        self.literal(value);
        self.word(word);
    }

    fn binary_word(&mut self) -> Word {
        match self.dice.below(10) {
            0 | 1 => self.draw(&[Class::Comparison]),
            2 => self.draw(&[Class::Division]),
            _ => self.draw(&[Class::Arithmetic]),
        }
    }

    fn draw(&mut self, classes: &[Class]) -> Word {
        loop {
            let (word, entry) = self.dice.pick(WORDS);
            if classes.contains(&entry.meaning.class()) {
                return *word;
            }
        }
    }

    /// Grows or shrinks the stack to this height.
    fn set_height(&mut self, height: usize) {
        while self.height > height {
            let word = *self.dice.pick(JOINING);
            self.word(if self.height >= 2 { word } else { Word::Drop });
        }
        self.need(height);
    }
}
