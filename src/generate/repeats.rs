//! Programs that compute the same values repeatedly, on several paths, so that a compiler may merge them.
//!
//! A few variables stay on the stack, with an accumulator on top. A few expressions of the variables are drawn once, and occur in
//! conditions, in branches, in loops and after them. Between two occurrences, a variable may have changed. Most variables are not
//! zero, so most programs get far before they trap.

use super::Trial;
use super::dice::Dice;
use super::draft::Draft;
use super::operands::{divisor, operand};
use crate::lang::print::print;
use crate::lang::words::Class;
use crate::lang::{Language, NodeKind, Word};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT};

/// The number of variables.
const VARIABLES: usize = 3;

/// A program of this kind.
pub(super) fn trial(dice: &mut Dice) -> Trial {
    let inputs = (0..VARIABLES).map(|_| if dice.one_in(3) { operand(dice) } else { 1 + dice.index(20) as i64 });
    let inputs: Vec<i64> = inputs.collect();
    let count = 1 + dice.index(3);
    let expressions = (0..count).map(|_| Expression::draw(dice)).collect();
    let mut builder = Builder { dice, nodes: Vec::new(), above: 0, expressions };
    builder.put(NodeKind::Literal(0));
    builder.steps(6, 3);
    Trial {
        language: Language::Stack,
        text: print(&Draft::new(builder.nodes).ast()),
        inputs,
        fuel: 300,
        stack_limit: DEFAULT_STACK_LIMIT,
        call_limit: DEFAULT_CALL_LIMIT,
    }
}

/// An operation on one or two variables.
#[derive(Clone, Copy)]
struct Expression {
    a: usize,
    b: Operand,
    word: Word,
}

#[derive(Clone, Copy)]
enum Operand {
    Variable(usize),
    Literal(i64),
}

impl Expression {
    fn draw(dice: &mut Dice) -> Expression {
        // Compilers treat divisions in ways of their own, because they are slow and may trap.
        let divides = dice.one_in(2);
        let class = if divides { Class::Division } else { Class::Arithmetic };
        let word = dice.word(|word| word.class() == class && word.pops() == 2);
        let b = match dice.below(3) {
            0 if divides => Operand::Literal(divisor(dice)),
            0 => Operand::Literal(operand(dice)),
            _ => Operand::Variable(dice.index(VARIABLES)),
        };
        Expression { a: dice.index(VARIABLES), b, word }
    }
}

struct Builder<'a, 'd> {
    dice: &'a mut Dice<'d>,
    nodes: Vec<NodeKind>,
    /// The number of values above the accumulator.
    above: usize,
    expressions: Vec<Expression>,
}

impl Builder<'_, '_> {
    fn put(&mut self, kind: NodeKind) {
        self.nodes.push(kind);
    }

    fn word(&mut self, word: Word) {
        self.put(NodeKind::Word(word));
    }

    /// How deep a variable is below the top.
    fn depth(&self, variable: usize) -> u64 {
        (self.above + VARIABLES - variable) as u64
    }

    fn read(&mut self, variable: usize) {
        self.put(NodeKind::Pick(self.depth(variable)));
        self.above += 1;
    }

    fn literal(&mut self, value: i64) {
        self.put(NodeKind::Literal(value));
        self.above += 1;
    }

    /// Appends a word that takes two values above the accumulator and leaves one.
    fn combine(&mut self, word: Word) {
        self.word(word);
        self.above -= 1;
    }

    /// Pushes the value of one of the expressions.
    fn value(&mut self) {
        let Expression { a, b, word } = *self.dice.pick(&self.expressions);
        self.read(a);
        match b {
            Operand::Variable(variable) => self.read(variable),
            Operand::Literal(value) => self.literal(value),
        }
        self.combine(word);
    }

    /// Pushes a flag that depends on one of the expressions.
    fn flag(&mut self) {
        self.value();
        if self.dice.one_in(2) {
            let value = self.dice.below(10).into();
            self.literal(value);
            let word = *self.dice.pick(&[Word::Lt, Word::Gt, Word::Eq]);
            self.combine(word);
        }
    }

    /// Appends up to `most` steps. `levels` is the number of nested bodies that they may open.
    fn steps(&mut self, most: u32, levels: u32) {
        for _ in 0..=self.dice.below(most) {
            self.step(levels);
        }
    }

    fn step(&mut self, levels: u32) {
        match self.dice.below(10) {
            0..4 => {
                self.value();
                self.merge();
            }
            4..6 => self.change(),
            _ if levels == 0 => self.change(),
            6..8 => self.branch(levels - 1),
            8 => self.while_loop(levels - 1),
            _ => self.times(levels - 1),
        }
    }

    /// Merges the top into the accumulator, which may be below counters.
    fn merge(&mut self) {
        let word = *self.dice.pick(&[Word::Add, Word::Xor, Word::Sub]);
        if self.above == 1 {
            return self.combine(word);
        }
        self.put(NodeKind::Pick(self.above as u64));
        self.above += 1;
        self.combine(word);
        self.above -= 1;
        self.put(NodeKind::Put(self.above as u64));
    }

    fn drop(&mut self) {
        self.word(Word::Drop);
        self.above -= 1;
    }

    /// Changes a variable.
    fn change(&mut self) {
        let variable = self.dice.index(VARIABLES);
        if self.dice.one_in(2) {
            self.value();
        } else {
            self.read(variable);
            let value = operand(self.dice);
            self.literal(value);
            self.combine(Word::Add);
        }
        if !self.dice.one_in(4) {
            self.literal(1);
            self.combine(Word::Or);
        }
        self.above -= 1;
        self.put(NodeKind::Put(self.depth(variable)));
    }

    fn branch(&mut self, levels: u32) {
        self.flag();
        let opener = self.open();
        self.steps(2, levels);
        let otherwise = self.nodes.len() as u32;
        if self.dice.percent(70) {
            self.steps(2, levels);
        }
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::If { otherwise, end };
    }

    /// A loop that ends when its counter, which is the top value, is zero, or when a condition fails.
    fn while_loop(&mut self, levels: u32) {
        let count = 1 + self.dice.index(5) as i64;
        self.literal(count);
        let opener = self.nodes.len();
        self.put(NodeKind::Times { end: 0 });
        self.flag();
        self.put(NodeKind::Pick(1));
        self.word(Word::And);
        self.above -= 1;
        let body = self.nodes.len() as u32;
        self.steps(2, levels);
        self.put(NodeKind::Literal(1));
        self.word(Word::Sub);
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::While { body, end };
        self.drop();
    }

    fn times(&mut self, levels: u32) {
        let count = 1 + self.dice.index(4) as i64;
        self.literal(count);
        let opener = self.open();
        self.steps(3, levels);
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::Times { end };
    }

    /// Appends a node that pops a value, and whose ends are not known yet.
    fn open(&mut self) -> usize {
        self.above -= 1;
        self.put(NodeKind::Times { end: 0 });
        self.nodes.len() - 1
    }
}
