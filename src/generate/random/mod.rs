//! Random programs over the whole language, valid by construction.
//!
//! While a program grows, the generator tracks a height that the stack is certain to have at the current point. To make this
//! possible, counts of loops that change the height are literals. A word is drawn only if the height suffices for it, unless
//! an underflow is desired.
//!
//! A definition is drawn like a main program, but the verifier must know its height exactly where it ends. A word is called
//! only after it was drawn, except for recursion, which a decreasing parameter bounds. So the cost of each call is known.

mod bodies;
mod calls;
mod closing;
mod definitions;
mod memory;
mod rare;
mod recursion;
mod whiles;

use super::dice::Dice;
use super::draft::Draft;
use super::operands::{divisor, operand, shift};
use super::{Trial, limited};
use crate::lang::words::Class;
use crate::lang::{NodeKind, Word};
use crate::outcome::TrapKind;
use calls::Callee;
use closing::OpenLoop;
use definitions::Definitions;
use memory::Cells;
use recursion::Recursion;

/// Binary words that cannot trap.
pub(super) const HARMLESS: &[Word] = &[Word::Add, Word::Sub, Word::Mul, Word::Xor, Word::Or];

/// Words that shrink the stack by one value, most of which preserve information.
const JOINING: &[Word] =
    &[Word::Add, Word::Sub, Word::Xor, Word::Add, Word::Mul, Word::Or, Word::Nip, Word::Drop, Word::Lt, Word::And];

/// The maximum number of times that a word may be executed because of the literal counts of the loops around it.
const MAX_EXECUTIONS: u64 = 500;

/// The approximate maximum of the fuel that the loops and calls of the main program need.
const MAX_FUEL: u64 = 1_400;

/// The number of words of the longest programs.
const LONG: u32 = 60_000;

/// A valid program. About a quarter of them are meant to trap.
pub(super) fn trial(dice: &mut Dice) -> Trial {
    loop {
        if let Some(trial) = candidate(dice) {
            return trial;
        }
    }
}

fn candidate(dice: &mut Dice) -> Option<Trial> {
    // More than a third of the programs use neither definitions nor arrays.
    let (has_words, has_arrays) = match dice.below(100) {
        0..40 => (false, false),
        40..55 => (false, true),
        55..75 => (true, false),
        _ => (true, true),
    };
    let trap = desired_trap(dice, has_words, has_arrays);
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
    let mut size = match dice.below(1000) {
        0 if dice.one_in(2) => LONG,
        0..250 => 4 + dice.below(16),
        250..850 => 20 + dice.below(60),
        _ => 80 + dice.below(130),
    };
    let cells = if has_arrays { Cells::draw(dice) } else { Cells::default() };
    let definitions = if has_words {
        let long = (size == LONG && dice.one_in(2)).then(|| std::mem::replace(&mut size, 40));
        Definitions::draw(dice, &cells, trap, long)
    } else {
        Definitions::default()
    };
    if has_words && size < LONG {
        // The definitions have the other words.
        size = size.div_ceil(3);
    }
    let mut grower = Grower::new(dice, &cells, &definitions.callees);
    grower.height = count;
    (grower.budget, grower.safe) = (size.into(), size == LONG);
    if has_words {
        grower.main_with_calls(&definitions, trap);
    } else {
        grower.halves(trap);
    }
    let mut draft = Draft::new(grower.nodes);
    for body in &definitions.bodies {
        draft.define(body.params as u32, body.results as u32, &body.nodes);
    }
    draft.arrays = cells.sizes();
    limited(dice, draft, inputs, trap, !definitions.endless.is_empty())
}

/// The trap that a program should end with, if any.
fn desired_trap(dice: &mut Dice, has_words: bool, has_arrays: bool) -> Option<TrapKind> {
    match dice.below(100) {
        0..8 => Some(TrapKind::DivisionByZero),
        8..14 => Some(TrapKind::StackUnderflow),
        14..20 => Some(TrapKind::StackOverflow),
        20..26 => Some(TrapKind::OutOfFuel),
        26..37 if has_arrays => Some(TrapKind::OutOfBounds),
        37..47 if has_words => Some(TrapKind::CallDepthExceeded),
        _ => None,
    }
}

/// The main program or a definition under construction.
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
    cells: &'a Cells,
    /// The words that may be called.
    callees: &'a [Callee],
    /// Whether each of them has been called.
    called: Vec<bool>,
    /// The number of results of the definition under construction; `None` in the main program.
    results: Option<usize>,
    /// The recursion that words drawn here may continue.
    recursion: Option<Recursion>,
    /// The approximate maximum of the fuel that the words so far need, apart from recursion.
    fuel: u64,
    /// The greatest such fuel to aim for.
    most_fuel: u64,
}

impl<'a, 'd> Grower<'a, 'd> {
    /// An empty main program.
    fn new(dice: &'a mut Dice<'d>, cells: &'a Cells, callees: &'a [Callee]) -> Grower<'a, 'd> {
        Grower {
            dice,
            nodes: Vec::new(),
            height: 0,
            below: 0,
            exact: true,
            executions: 1,
            loops: Vec::new(),
            budget: 0,
            safe: false,
            cells,
            called: vec![false; callees.len()],
            callees,
            results: None,
            recursion: None,
            fuel: 0,
            most_fuel: MAX_FUEL,
        }
    }
}

impl Grower<'_, '_> {
    /// Appends two parts, with the desired trap between them.
    fn halves(&mut self, trap: Option<TrapKind>) {
        match trap {
            Some(TrapKind::DivisionByZero | TrapKind::StackUnderflow | TrapKind::OutOfBounds) => {
                let rest = self.dice.long_below(self.budget.max(1) as u64) as i64;
                self.budget -= rest;
                self.part();
                self.trap(trap);
                self.budget += rest;
            }
            Some(TrapKind::StackOverflow | TrapKind::OutOfFuel | TrapKind::CallDepthExceeded) | None => {}
        }
        self.part();
    }

    fn part(&mut self) {
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
        if self.recursion.is_some() && self.dice.one_in(4) && self.recurse() {
            return;
        }
        if !self.callees.is_empty() && self.dice.one_in(6) && self.some_call(levels) {
            return;
        }
        if self.cells.any() && self.dice.one_in(5) {
            return self.memory(levels);
        }
        if self.exact && levels > 0 && self.dice.one_in(if self.results.is_some() { 25 } else { 100 }) {
            return self.detour(false);
        }
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
            3 if self.cells.any() && self.dice.one_in(2) => self.cell(),
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

    /// Copies the value at an index from the bottom.
    fn pick_at(&mut self, index: usize) {
        match self.height + self.below - 1 - index {
            0 if !self.dice.one_in(4) => self.put(NodeKind::Word(Word::Dup)),
            1 if !self.dice.one_in(4) => self.put(NodeKind::Word(Word::Over)),
            depth => self.put(NodeKind::Pick(depth as u64)),
        }
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
        if self.dice.one_in(8) {
            let value = operand(self.dice);
            self.literal(value);
        }
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
        self.dice.word(|word| classes.contains(&word.class()))
    }

    /// Grows or shrinks the stack to this height.
    fn set_height(&mut self, height: usize) {
        while self.height > height {
            let word = *self.dice.pick(JOINING);
            self.word(if self.height >= 2 { word } else { Word::Drop });
        }
        self.need(height);
    }

    /// Makes words drawn from now on run `times` times as often. Returns what the caller restores.
    fn repeat(&mut self, times: u64) -> u64 {
        let before = self.executions;
        self.executions = self.executions.saturating_mul(times);
        self.fuel = self.fuel.saturating_add(self.executions);
        before
    }
}
