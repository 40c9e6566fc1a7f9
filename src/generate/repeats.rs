//! Programs that compute the same values repeatedly, on several paths, so that a compiler may merge them.
//!
//! A few variables stay on the stack, with an accumulator on top. A few expressions of the variables are drawn once, and occur in
//! conditions, in branches, in loops and after them. Between two occurrences, a variable may have changed. Some expressions are
//! elements of arrays, which may have changed as well, and whose index is checked in different ways. Most variables are small and not
//! zero, so most programs get far before they trap.

use super::Trial;
use super::dice::Dice;
use super::draft::Draft;
use super::operands::{divisor, operand};
use crate::lang::print::print;
use crate::lang::words::Class;
use crate::lang::{ArrayId, Language, NodeKind, Word};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT};

/// The number of variables.
const VARIABLES: usize = 3;

/// The numbers of cells of the arrays.
const ARRAYS: [u32; 2] = [8, 16];

/// A program of this kind.
pub(super) fn trial(dice: &mut Dice) -> Trial {
    let inputs = (0..VARIABLES).map(|_| if dice.one_in(3) { operand(dice) } else { 1 + dice.index(20) as i64 });
    let inputs: Vec<i64> = inputs.collect();
    let count = 1 + dice.index(3);
    let expressions = (0..count).map(|_| Expression::draw(dice)).collect();
    let mut builder = Builder { dice, nodes: Vec::new(), above: 0, expressions };
    builder.put(NodeKind::Literal(0));
    builder.steps(6, 3);
    let draft = Draft { arrays: ARRAYS.into(), ..Draft::new(builder.nodes) };
    Trial {
        language: Language::Stack,
        text: print(&draft.ast()),
        inputs,
        fuel: 300,
        stack_limit: DEFAULT_STACK_LIMIT,
        call_limit: DEFAULT_CALL_LIMIT,
    }
}

#[derive(Clone, Copy)]
enum Expression {
    /// An operation on one or two variables.
    Operation {
        a: usize,
        b: Operand,
        word: Word,
    },
    Element(Element),
}

/// The element of an array whose index depends on a variable.
#[derive(Clone, Copy)]
struct Element {
    variable: usize,
    array: usize,
    /// Whether only the low bits of the variable are the index, so that it is in bounds.
    is_masked: bool,
}

impl Element {
    fn draw(dice: &mut Dice) -> Element {
        let array = dice.index(ARRAYS.len());
        Element { variable: dice.index(VARIABLES), array, is_masked: !dice.one_in(20) }
    }
}

#[derive(Clone, Copy)]
enum Operand {
    Variable(usize),
    Literal(i64),
}

impl Expression {
    fn draw(dice: &mut Dice) -> Expression {
        if dice.one_in(3) {
            return Expression::Element(Element::draw(dice));
        }
        // Compilers treat divisions in ways of their own, because they are slow and may trap.
        let divides = dice.one_in(2);
        let class = if divides { Class::Division } else { Class::Arithmetic };
        let word = dice.word(|word| word.class() == class && word.pops() == 2);
        let b = match dice.below(3) {
            0 if divides => Operand::Literal(divisor(dice)),
            0 => Operand::Literal(operand(dice)),
            _ => Operand::Variable(dice.index(VARIABLES)),
        };
        Expression::Operation { a: dice.index(VARIABLES), b, word }
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
        match *self.dice.pick(&self.expressions) {
            Expression::Operation { a, b, word } => {
                self.read(a);
                match b {
                    Operand::Variable(variable) => self.read(variable),
                    Operand::Literal(value) => self.literal(value),
                }
                self.combine(word);
            }
            Expression::Element(element) => {
                self.address(element);
                self.word(Word::Fetch);
            }
        }
    }

    /// Pushes the address of an element, or an address outside of the memory if its check fails. The index may be checked against
    /// another bound than at the last occurrence.
    fn address(&mut self, Element { variable, array, is_masked }: Element) {
        let length = match self.dice.below(8) {
            0..4 => None,
            4..7 => Some(i64::from(ARRAYS[array])),
            _ => Some(i64::from(ARRAYS[array]) - 1 - i64::from(self.dice.below(2))),
        };
        let start = NodeKind::Address(ArrayId(array as u32));
        self.read(variable);
        if is_masked {
            self.literal(i64::from(ARRAYS[array]) - 1);
            self.combine(Word::And);
        }
        let Some(length) = length else {
            self.put(start);
            return self.word(Word::Add);
        };
        self.put(NodeKind::Pick(0));
        self.above += 1;
        self.literal(length);
        self.combine(Word::Ult);
        let opener = self.open();
        self.put(start);
        self.word(Word::Add);
        let otherwise = self.nodes.len() as u32;
        self.word(Word::Drop);
        self.put(NodeKind::Literal(-1));
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::If { otherwise, end };
    }

    /// Stores one of the expressions in an element that is another one of them, or in any element.
    fn store(&mut self) {
        let element = match *self.dice.pick(&self.expressions) {
            Expression::Element(element) => element,
            Expression::Operation { .. } => Element::draw(self.dice),
        };
        self.value();
        self.address(element);
        self.word(Word::Store);
        self.above -= 2;
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
            4 => self.change(),
            5 => self.store(),
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
