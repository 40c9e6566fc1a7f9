//! Random programs over the whole language, valid by construction.
//!
//! While a program grows, a depth is known that the stack surely has at this point of the run (counts of loops that
//! change the depth are literals). A word is only drawn where that suffices for it, except where an underflow is wanted.

use super::dice::Dice;
use super::operands::{divisor, operand, shift};
use super::{Trial, limited};
use crate::lang::words::{Class, WORDS};
use crate::lang::{NodeKind, Word};
use crate::outcome::TrapKind;

/// Words of two operands that cannot trap.
pub(super) const HARMLESS: &[Word] = &[Word::Add, Word::Sub, Word::Mul, Word::Xor, Word::Or];

/// Words that take one value off the stack and keep what was in it, mostly.
const JOINING: &[Word] =
    &[Word::Add, Word::Sub, Word::Xor, Word::Add, Word::Mul, Word::Or, Word::Nip, Word::Drop, Word::Lt, Word::And];

/// Most passes that a word may be carried out by literal counts alone.
const MOST_REPETITIONS: u64 = 250;

/// A valid program; in about a quarter of them a trap is wanted.
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
        0 => 4_085 + dice.index(1_000),
        1..20 => 100 + dice.index(500),
        20..150 => 6 + dice.index(34),
        _ => dice.index(6),
    };
    let inputs: Vec<i64> =
        (0..count).map(|_| if dice.one_in(4) { dice.below(9).into() } else { operand(dice) }).collect();
    let size = match dice.below(1000) {
        0 if dice.one_in(4) => 60_000,
        0..250 => 4 + dice.below(16),
        250..850 => 20 + dice.below(60),
        _ => 80 + dice.below(130),
    };
    let mut grower = Grower {
        dice,
        nodes: Vec::new(),
        sure: count,
        below: 0,
        exact: true,
        repeated: 1,
        left: size.into(),
        safe: size > 1_000,
    };
    if trap.is_some_and(|kind| matches!(kind, TrapKind::DivisionByZero | TrapKind::StackUnderflow)) {
        // The trap comes somewhere in the program, between two parts of it.
        let rest = grower.dice.long_below(grower.left as u64) as i64;
        grower.left -= rest;
        grower.program();
        if trap == Some(TrapKind::DivisionByZero) {
            grower.division_by_zero();
        } else {
            grower.underflow();
        }
        grower.left += rest;
    }
    grower.program();
    let mut nodes = grower.nodes;
    limited(dice, &mut nodes, inputs, trap)
}

/// A program that grows.
struct Grower<'a, 'd> {
    dice: &'a mut Dice<'d>,
    nodes: Vec<NodeKind>,
    /// Values on the stack, at least, that words may pop here.
    sure: usize,
    /// Values below those, at least, that may be read and must stay.
    below: usize,
    /// Whether the verifier knows the depth exactly.
    exact: bool,
    /// How often what is drawn now is carried out, at most.
    repeated: u64,
    /// Words that may still be drawn.
    left: i64,
    /// No division by what the stack holds: in a long program one of many would be by zero.
    safe: bool,
}

impl Grower<'_, '_> {
    fn program(&mut self) {
        if self.left > 1_000 {
            return self.long_body();
        }
        if self.left > 20 && self.dice.one_in(40) {
            self.nest();
        }
        while self.left > 0 {
            self.item(4);
        }
    }

    /// One to some words that belong together. `levels` is how many bodies may still be opened inside each other.
    fn item(&mut self, levels: u32) {
        match self.dice.below(100) {
            0..12 => self.value(),
            12..34 => self.with_literal(),
            34..50 => self.computing(),
            50..72 => self.shuffle(),
            72..79 => self.pick(),
            _ if levels == 0 => self.with_literal(),
            79..87 => self.branch(levels - 1),
            87..95 => self.times(levels - 1),
            _ => self.repetition(levels - 1),
        }
    }

    fn items(&mut self, most: u32, levels: u32) {
        for _ in 0..self.dice.below(most + 1) {
            if self.left > 0 {
                self.item(levels);
            }
        }
    }

    // Words.

    fn put(&mut self, kind: NodeKind) {
        self.nodes.push(kind);
        self.left -= 1;
    }

    fn literal(&mut self, value: i64) {
        self.put(NodeKind::Literal(value));
        self.sure += 1;
    }

    fn word(&mut self, word: Word) {
        self.put(NodeKind::Word(word));
        self.sure = self.sure.saturating_sub(word.pops()) + word.pushes();
    }

    fn words(&mut self, words: &[Word]) {
        words.iter().for_each(|&word| self.word(word));
    }

    fn need(&mut self, values: usize) {
        while self.sure < values {
            self.value();
        }
    }

    /// Pushes one value of whatever origin.
    fn value(&mut self) {
        match self.dice.below(8) {
            0 if self.sure > 0 => self.word(Word::Dup),
            1 if self.sure > 1 => self.word(Word::Over),
            2 if self.sure + self.below > 0 => self.pick(),
            _ => {
                let value = operand(self.dice);
                self.literal(value);
            }
        }
    }

    fn pick(&mut self) {
        let readable = self.sure + self.below;
        if readable == 0 {
            return self.value();
        }
        let nearest = readable.min(4);
        let depth = if self.dice.one_in(2) { self.dice.index(nearest) } else { self.dice.index(readable) };
        self.put(NodeKind::Pick(depth as u64));
        self.sure += 1;
    }

    fn shuffle(&mut self) {
        let word = self.drawn(&[Class::Shuffle]);
        // What is dropped finds no bug.
        if word == Word::Drop && !self.dice.one_in(3) {
            return self.shuffle();
        }
        self.need(word.pops());
        self.word(word);
    }

    /// A word of two operands, both from the stack.
    fn computing(&mut self) {
        let word = self.computing_word();
        self.need(2);
        self.word(if self.safe && word.class() == Class::Division { Word::Xor } else { word });
    }

    /// A word of two operands, the one on top a literal.
    fn with_literal(&mut self) {
        let word = self.computing_word();
        self.need(1);
        let value = match word {
            Word::Lshift | Word::Rshift => shift(self.dice),
            Word::Div | Word::Mod => divisor(self.dice),
            _ => operand(self.dice),
        };
        self.literal(value);
        self.word(word);
    }

    fn computing_word(&mut self) -> Word {
        match self.dice.below(10) {
            0 | 1 => self.drawn(&[Class::Comparison]),
            2 => self.drawn(&[Class::Division]),
            _ => self.drawn(&[Class::Arithmetic]),
        }
    }

    fn drawn(&mut self, classes: &[Class]) -> Word {
        loop {
            let (word, entry) = self.dice.pick(WORDS);
            if classes.contains(&entry.class) {
                return *word;
            }
        }
    }

    /// Brings the sure depth to this one.
    fn settle(&mut self, depth: usize) {
        while self.sure > depth {
            let word = *self.dice.pick(JOINING);
            self.word(if self.sure >= 2 { word } else { Word::Drop });
        }
        self.need(depth);
    }

    // Bodies.

    /// A value to branch on.
    fn flag(&mut self) {
        match self.dice.below(6) {
            0 => self.need(1),
            1 => {
                let value = operand(self.dice);
                self.literal(value);
            }
            _ => self.comparison(),
        }
    }

    fn comparison(&mut self) {
        if self.dice.one_in(2) {
            self.need(1);
            let value = operand(self.dice);
            self.literal(value);
        } else {
            self.need(2);
            if self.dice.one_in(2) {
                self.words(&[Word::Over, Word::Over]);
            }
        }
        let word = self.drawn(&[Class::Comparison]);
        self.word(word);
    }

    fn branch(&mut self, levels: u32) {
        self.flag();
        let opener = self.open();
        self.sure -= 1;
        let entry = (self.sure, self.exact);
        self.items(4, levels);
        let otherwise = self.nodes.len() as u32;
        let then = (self.sure, self.exact);
        (self.sure, self.exact) = entry;
        if self.dice.percent(65) {
            self.items(4, levels);
        }
        // Branches may end at different depths only where the verifier does not know one of them.
        if (then.1 && self.exact) || self.dice.one_in(2) {
            self.settle(then.0);
            if otherwise as usize == self.nodes.len() && then.0 == self.sure && self.dice.one_in(3) {
                // An ELSE that changes nothing is one all the same.
                self.need(1);
                self.words(&[Word::Dup, Word::Drop]);
                self.settle(then.0);
            }
        } else {
            self.sure = self.sure.min(then.0);
        }
        self.exact &= then.1;
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::If { otherwise, end };
    }

    /// Puts a node whose ends are not yet known.
    fn open(&mut self) -> usize {
        self.put(NodeKind::Times { end: 0 });
        self.nodes.len() - 1
    }

    fn times(&mut self, levels: u32) {
        let often = if self.dice.one_in(5) { 60 } else { 12 };
        let most = (MOST_REPETITIONS / self.repeated).min(often);
        if most == 0 {
            return self.with_literal();
        }
        let count = 1 + self.dice.long_below(most);
        let change = match self.dice.below(100) {
            0..70 => 0,
            70..88 => 1 + self.dice.index(2) as i64,
            _ => -1 - self.dice.index(2) as i64,
        };
        // A body that takes from the stack must find enough in its last pass too.
        let taken = if change < 0 { change.unsigned_abs() as usize * count as usize } else { 0 };
        self.need(taken);
        let known = change < 0 || self.count(count as i64);
        if change < 0 {
            self.literal(count as i64);
        }
        let opener = self.open();
        self.sure -= 1;
        let entry = (self.sure, self.repeated);
        self.repeated *= count;
        self.sure -= taken.saturating_sub(change.unsigned_abs() as usize);
        let lowest = self.sure;
        self.items(6, levels);
        self.settle(lowest.saturating_add_signed(change as isize));
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::Times { end };
        (self.sure, self.repeated) = entry;
        if change != 0 {
            self.exact = false;
            self.sure -= taken;
        }
        if known && change > 0 {
            self.sure += change as usize * count as usize;
        }
    }

    /// Pushes a count of at most `most`; true where it is exactly that.
    fn count(&mut self, most: i64) -> bool {
        match self.dice.below(20) {
            0 => {
                let few = *self.dice.pick(&[0, -1, i64::MIN, 0]);
                self.literal(few);
                false
            }
            1 => {
                self.need(1);
                self.literal(most + 1);
                self.word(Word::Mod);
                false
            }
            2 | 3 => {
                self.need(1);
                // All ones below the greatest bit of `most`.
                self.literal((1 << most.ilog2()) - 1);
                self.word(Word::And);
                false
            }
            4 => {
                self.comparison();
                false
            }
            _ => {
                self.literal(most);
                true
            }
        }
    }

    /// A `while` that surely ends, or, rarely, one that only its fuel ends.
    fn repetition(&mut self, levels: u32) {
        let most = (MOST_REPETITIONS / self.repeated).min(9);
        if most == 0 {
            return self.branch(levels);
        }
        match self.dice.below(40) {
            0 => self.while_anything(levels),
            1..5 => self.while_once(levels),
            5..9 => self.while_euclid(),
            9..13 => self.while_halving(),
            13..18 => self.while_depth_changes(most),
            _ => self.while_counting(most, levels),
        }
    }

    /// `COND flag do BODY end` in which nothing is said about the end.
    fn while_anything(&mut self, levels: u32) {
        let opener = self.open();
        let entry = (self.sure, self.repeated);
        self.repeated = MOST_REPETITIONS;
        self.items(3, levels);
        self.flag();
        self.sure -= 1;
        let leaving = self.sure;
        let body = self.nodes.len() as u32;
        self.items(3, levels);
        self.settle(entry.0);
        self.close_while(opener, body);
        self.sure = leaving;
        self.repeated = entry.1;
    }

    /// The flag is a literal zero: COND runs once, BODY never.
    fn while_once(&mut self, levels: u32) {
        let opener = self.open();
        let entry = self.sure;
        self.items(3, levels);
        self.need(1);
        self.literal(0);
        self.sure -= 1;
        let leaving = self.sure;
        let body = self.nodes.len() as u32;
        self.items(3, levels);
        self.settle(entry);
        self.close_while(opener, body);
        self.sure = leaving;
    }

    /// The greatest common divisor of the two topmost values.
    fn while_euclid(&mut self) {
        self.need(2);
        let opener = self.open();
        self.word(Word::Dup);
        self.sure -= 1;
        let body = self.nodes.len() as u32;
        self.words(&[Word::Tuck, Word::Mod]);
        self.close_while(opener, body);
        if self.dice.one_in(2) {
            self.word(Word::Drop);
        }
    }

    /// Shifts the top right until it is small.
    fn while_halving(&mut self) {
        self.need(1);
        let opener = self.open();
        self.word(Word::Dup);
        let least = 1 + i64::from(self.dice.below(9));
        self.literal(least);
        self.word(Word::Gt);
        self.sure -= 1;
        let body = self.nodes.len() as u32;
        let by = 1 + i64::from(self.dice.below(9));
        self.literal(by);
        self.word(Word::Rshift);
        self.close_while(opener, body);
    }

    /// A counter on top, and in each pass a value more below it, or one less.
    fn while_depth_changes(&mut self, most: u64) {
        let count = 1 + self.dice.index(most as usize);
        let grows = self.dice.one_in(2);
        if !grows {
            self.need(count);
        }
        self.literal(count as i64);
        let opener = self.open();
        self.word(Word::Dup);
        self.sure -= 1;
        let body = self.nodes.len() as u32;
        let entry = self.sure;
        if grows {
            if self.dice.one_in(2) {
                self.word(Word::Dup);
            } else {
                let value = operand(self.dice);
                self.literal(value);
                self.word(Word::Swap);
            }
        } else {
            self.word(Word::Nip);
        }
        self.literal(1);
        self.word(Word::Sub);
        self.close_while(opener, body);
        self.exact = false;
        self.sure = if grows { entry + count } else { entry - count };
    }

    /// A counter on top that is tested and brought nearer to its end in one of several ways.
    fn while_counting(&mut self, most: u64, levels: u32) {
        let count = 1 + self.dice.long_below(most);
        self.need(1);
        self.literal(count as i64);
        let opener = self.open();
        let repeated = self.repeated;
        self.repeated *= count;
        let early = self.dice.one_in(4);
        if early {
            self.count_down();
        }
        match self.dice.below(5) {
            0 => {
                self.word(Word::Dup);
                self.literal(0);
                self.word(Word::Gt);
            }
            1 => {
                self.literal(0);
                self.words(&[Word::Over, Word::Lt]);
            }
            2 => {
                self.word(Word::Dup);
                self.literal(1);
                self.word(Word::Ge);
            }
            _ => self.word(Word::Dup),
        }
        if early {
            // Counted down before the test, it passes zero by at most one step.
            self.literal(0);
            self.word(Word::Gt);
        }
        self.sure -= 1;
        let body = self.nodes.len() as u32;
        // Either values above the counter, or the one below it.
        let deeper = self.dice.one_in(2);
        if deeper {
            self.word(Word::Swap);
        }
        let kept = self.sure - usize::from(deeper);
        self.sure -= kept;
        self.below += kept;
        self.items(4, levels);
        self.settle(usize::from(deeper));
        self.sure += kept;
        self.below -= kept;
        if deeper {
            self.word(Word::Swap);
        }
        if !early {
            self.count_down();
        }
        self.close_while(opener, body);
        self.repeated = repeated;
        if self.dice.one_in(2) {
            self.word(Word::Drop);
        }
    }

    fn count_down(&mut self) {
        match self.dice.below(4) {
            0 => {
                self.literal(-1);
                self.word(Word::Add);
            }
            1 => {
                self.literal(2);
                self.word(Word::Div);
            }
            _ => {
                self.literal(1);
                self.word(Word::Sub);
            }
        }
    }

    fn close_while(&mut self, opener: usize, body: u32) {
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::While { body, end };
    }

    // Rarer shapes.

    /// Many loops inside each other: their counters do not all find registers.
    fn nest(&mut self) {
        let levels = 3 + self.dice.index(21);
        let entry = (self.sure, self.repeated);
        let mut openers = Vec::new();
        for _ in 0..levels {
            let count =
                if self.repeated * 3 <= MOST_REPETITIONS && self.dice.one_in(3) { 1 + self.dice.below(3) } else { 1 };
            self.repeated *= u64::from(count);
            self.literal(count.into());
            let opener = self.open();
            self.sure -= 1;
            openers.push((opener, self.sure));
            self.items(1, 0);
        }
        self.items(4, 1);
        for (opener, depth) in openers.into_iter().rev() {
            self.items(1, 0);
            self.settle(depth);
            let end = self.nodes.len() as u32;
            self.nodes[opener] = NodeKind::Times { end };
        }
        (self.sure, self.repeated) = entry;
    }

    /// A loop, a branch or a `while` whose body is longer than short branches reach.
    fn long_body(&mut self) {
        let levels = 1;
        self.need(4);
        let entry = self.sure;
        let shape = self.dice.below(3);
        let first = if shape == 1 { i64::from(self.dice.below(2)) } else { 2 };
        self.literal(first);
        let opener = self.open();
        self.sure -= 1;
        let mut middle = None;
        match shape {
            0 => {}
            1 => {
                self.straight(self.left / 2);
                self.settle(entry);
                middle = Some(self.nodes.len() as u32);
                self.sure = entry;
            }
            _ => {
                self.sure += 1;
                self.literal(1);
                self.word(Word::Sub);
                self.word(Word::Dup);
                self.sure -= 1;
                middle = Some(self.nodes.len() as u32);
            }
        }
        let counter = usize::from(shape == 2);
        let kept = if shape == 2 { self.sure } else { 0 };
        self.sure -= kept;
        self.below += kept;
        self.straight(self.left);
        self.settle(if shape == 2 { 0 } else { entry });
        self.sure += kept;
        self.below -= kept;
        let end = self.nodes.len() as u32;
        self.nodes[opener] = match (shape, middle) {
            (1, Some(otherwise)) => NodeKind::If { otherwise, end },
            (2, Some(body)) => NodeKind::While { body, end },
            _ => NodeKind::Times { end },
        };
        self.sure = entry + counter;
        self.left = 8;
        while self.left > 0 {
            self.item(levels);
        }
    }

    /// So many words without loops, never far from the depth at their beginning.
    fn straight(&mut self, words: i64) {
        let behind = self.left - words;
        let depth = self.sure;
        while self.left > behind {
            for _ in 0..16 {
                self.item(0);
            }
            self.settle(depth);
        }
    }

    // Traps.

    fn division_by_zero(&mut self) {
        self.need(1);
        match self.dice.below(3) {
            0 => self.literal(0),
            1 => self.words(&[Word::Dup, Word::Dup, Word::Sub]),
            _ => {
                self.literal(1);
                self.literal(2);
                self.word(Word::Gt);
            }
        }
        let word = self.drawn(&[Class::Division]);
        self.word(word);
    }

    /// Words that need more than there is, where the verifier cannot know it: behind a loop that might have left more,
    /// or in a loop that takes more than there is.
    fn underflow(&mut self) {
        self.exact = false;
        if self.dice.one_in(2) {
            let count = self.dice.below(2);
            self.literal(count.into());
            let opener = self.open();
            self.sure -= 1;
            let entry = self.sure;
            self.value();
            let end = self.nodes.len() as u32;
            self.nodes[opener] = NodeKind::Times { end };
            self.sure = entry;
            let missing = entry + 1 + self.dice.index(3);
            if missing <= 6 && self.dice.one_in(2) {
                (0..missing).for_each(|_| self.word(Word::Drop));
            } else {
                self.put(NodeKind::Pick(missing as u64));
            }
        } else {
            self.need(1);
            let count = self.sure + self.dice.index(3);
            self.literal(count as i64);
            let opener = self.open();
            self.sure -= 1;
            let word = *self.dice.pick(&[Word::Drop, Word::Nip, Word::Add]);
            self.need(word.pops());
            self.word(word);
            let end = self.nodes.len() as u32;
            self.nodes[opener] = NodeKind::Times { end };
            self.sure = 0;
        }
    }
}
