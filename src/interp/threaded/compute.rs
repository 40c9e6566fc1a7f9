//! Plain words: lowers those that compute, and performs shuffles on the window.
//!
//! Words with constant operands are folded, except divisions. Shuffles emit no code apart from loads.

use std::fmt;

use super::state::State;
use super::tables::{self, Form, Shown, number};
use super::window::Value;
use crate::lang::Word;
use crate::lang::words::{Class, Meaning};

impl State {
    /// Lowers a word with one operand.
    pub fn unary(&mut self, word: Word) {
        self.ensure_loaded(1);
        let a = self.window.top(0);
        self.window.pop();
        match a {
            Value::Constant(a) => self.push(Value::Constant(word.apply(a, 0))),
            Value::Register(register) => {
                let d = self.destination(&[a]);
                self.builder.form(Form::Unary { word, d: usize::from(d), a: usize::from(register) }, a);
                self.window.push(Value::Register(d));
            }
        }
    }

    /// Lowers a word with two operands.
    pub fn compute(&mut self, word: Word) {
        self.ensure_loaded(2);
        let (mut a, mut b) = (self.window.top(1), self.window.top(0));
        if let (Value::Constant(a), Value::Constant(b), false) = (a, b, word.class() == Class::Division) {
            self.window.pop();
            self.window.pop();
            return self.push(Value::Constant(word.apply(a, b)));
        }
        if commutes(word) && (matches!(a, Value::Constant(_)) || self.builder.wrote_last(b)) {
            self.window.swap(1);
        }
        self.ensure_register(1);
        (a, b) = (self.window.top(1), self.window.top(0));
        self.window.pop();
        self.window.pop();
        let d = self.destination(&[a, b]);
        let (a, b) = (number(a), b);
        if word.class() == Class::Division {
            let handler = tables::divide(word, usize::from(d), a, number(b));
            let height = self.window.height + 2;
            self.builder.begin_trapping(handler, height, || format!("r{d} = r{a} {} {}", word.spelling(), Shown(b)));
            self.builder.operand(b);
        } else {
            let form = Form::Compute { word, d: usize::from(d), a, b: number(b) };
            self.builder.form(form, b);
        }
        self.window.push(Value::Register(d));
    }

    pub fn shuffle(&mut self, word: Word) {
        match word {
            Word::Drop => return self.window.pop(),
            // The nipped value is in its slot, and that slot becomes the slot of the top. Nothing needs to be loaded.
            Word::Nip if self.window.len() == 1 => {
                self.window.height -= 1;
                return;
            }
            _ => self.ensure_loaded(word.pops()),
        }
        match word {
            Word::Dup => self.push(self.window.top(0)),
            Word::Over => self.push(self.window.top(1)),
            Word::Swap => self.window.swap(1),
            Word::Nip => {
                self.window.swap(1);
                self.window.pop();
            }
            Word::Tuck => {
                self.push(self.window.top(0));
                self.window.swap(1);
                self.window.swap(2);
                self.window.swap(1);
            }
            Word::Rot => {
                self.window.swap(2);
                self.window.swap(1);
                self.window.swap(2);
                self.window.swap(1);
            }
            _ => unreachable!("no other word is a shuffle"),
        }
    }

    pub fn pick(&mut self, depth: u64) {
        if depth < self.window.len() as u64 {
            return self.push(self.window.top(depth as usize));
        }
        let slot = self.window.height - 1 - depth.min(1 << 62) as i64;
        let d = self.destination(&[]);
        self.load(d, slot);
        self.push(Value::Register(d));
    }

    pub fn put(&mut self, depth: u64) {
        self.ensure_loaded(1);
        let value = self.window.top(0);
        self.window.pop();
        if depth < self.window.len() as u64 {
            let index = self.window.len() - 1 - depth as usize;
            self.window.set(index, value);
        } else {
            self.store(value, self.window.height - 1 - depth.min(1 << 62) as i64);
        }
    }
}

impl State {
    /// Lowers `@` in a memory of this many cells.
    pub fn load_cell(&mut self, cells: usize) {
        let (a, offset) = self.address(cells);
        self.window.pop();
        let d = self.destination(&[a]);
        let height = self.window.height;
        let (shown, handler) = (Address(a, offset), tables::load_from(usize::from(d), number(a)));
        self.builder.begin_trapping(handler, height, || format!("r{d} = {shown}"));
        self.builder.value(offset);
        self.window.push(Value::Register(d));
    }

    /// Lowers `!` in a memory of this many cells.
    pub fn store_cell(&mut self, cells: usize) {
        let (a, offset) = self.address(cells);
        self.ensure_loaded(2);
        let value = self.window.top(1);
        self.window.pop();
        self.window.pop();
        let height = self.window.height;
        let (shown, handler) = (Address(a, offset), tables::store_to(number(a), number(value)));
        self.builder.begin_trapping(handler, height, || format!("{shown} = {}", Shown(value)));
        self.builder.value(offset);
        self.builder.operand(value);
    }

    /// The address on top, as a register and an offset, or as the number of one of `cells` cells. If the last instruction did
    /// nothing but add the offset, it is taken back.
    fn address(&mut self, cells: usize) -> (Value, i64) {
        self.ensure_loaded(1);
        match self.window.top(0) {
            top @ Value::Constant(number) if (number as u64) < cells as u64 => (top, number),
            Value::Constant(_) => {
                self.ensure_register(0);
                (self.window.top(0), 0)
            }
            Value::Register(sum) => {
                self.window.pop();
                let is_used = self.window.uses(sum);
                let (register, offset) =
                    if is_used { (sum, 0) } else { self.builder.take_back_sum(sum).unwrap_or((sum, 0)) };
                let a = Value::Register(register);
                self.window.push(a);
                (a, offset)
            }
        }
    }
}

/// The text of a memory cell.
struct Address(Value, i64);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Address(Value::Constant(number), _) => write!(f, "cell {number}"),
            Address(register, 0) => write!(f, "cell {}", Shown(register)),
            Address(register, offset) => write!(f, "cell {} + {offset}", Shown(register)),
        }
    }
}

/// Whether the operands of a word with two operands may be exchanged.
fn commutes(word: Word) -> bool {
    match word.meaning() {
        Meaning::Alu(op) => op.commutes(),
        Meaning::Compare(cond) => cond == cond.mirrored(),
        Meaning::Unary(_) | Meaning::Divide(_) | Meaning::Shuffle | Meaning::Load | Meaning::Store => false,
    }
}
