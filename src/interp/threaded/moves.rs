//! Moving values between registers and slots, so that instructions and meeting ways find them where they must be.

use super::handlers::REGISTERS;
use super::lower::Lowering;
use super::tables::{self, Form, Shown, number};
use super::window::{Value, Window};
use crate::parallel_moves::{Breaker, Move, Register, Source, Step, resolve};

impl Lowering<'_> {
    /// Pushes a value; the lowest of a full window goes to its slot.
    pub(super) fn push(&mut self, value: Value) {
        if self.window.is_full() {
            self.store_lowest();
        }
        self.window.push(value);
    }

    /// Has the topmost values in the window: at most three.
    pub(super) fn ensure(&mut self, values: usize) {
        while self.window.len() < values {
            self.load_lowest();
        }
    }

    pub(super) fn load(&mut self, d: u8, slot: i64) {
        self.builder.form(Form::Load { d: usize::from(d) }, Value::Constant(slot));
    }

    fn load_lowest(&mut self) {
        let d = self.window.free().expect("a window that lacks values has a register left");
        self.load(d, self.window.lowest_slot() - 1);
        self.window.add_lowest(Value::Register(d));
    }

    fn store_lowest(&mut self) {
        let (value, slot) = (self.window.values()[0], self.window.lowest_slot());
        self.builder.begin(tables::store(number(value)), || format!("slot {slot} = {}", Shown(value)));
        self.builder.value(slot);
        self.builder.operand(value);
        self.window.forget_lowest();
    }

    /// Stores all but the topmost values.
    pub(super) fn flush(&mut self, above: usize) {
        while self.window.len() > above {
            self.store_lowest();
        }
    }

    /// A register that holds no value of the window: best where the result, which will be on top, must lie when the pass
    /// ends, else that of an operand.
    pub(super) fn destination(&mut self, operands: &[Value]) -> u8 {
        if let Some(home) = self.home(self.window.height)
            && !self.window.uses(home)
        {
            return home;
        }
        for operand in operands {
            if let Value::Register(register) = *operand
                && !self.window.uses(register)
            {
                return register;
            }
        }
        self.free()
    }

    /// A register that holds no value of the window; the lowest values are stored until there is one.
    fn free(&mut self) -> u8 {
        loop {
            if let Some(register) = self.window.free() {
                return register;
            }
            self.store_lowest();
        }
    }

    fn set(&mut self, d: u8, s: Value) {
        self.builder.form(Form::Set { d: usize::from(d), s: number(s) }, s);
    }

    /// Has the value so far below the top in a register.
    pub(super) fn in_register(&mut self, below: usize) {
        let value = self.window.top(below);
        if let Value::Constant(_) = value {
            let d = self.free();
            self.set(d, value);
            let index = self.window.len() - 1 - below;
            self.window.set(index, Value::Register(d));
        }
    }

    /// Gives each value but the topmost a register of its own.
    pub(super) fn settle(&mut self, above: usize) {
        while let Some(index) = self.window.unsettled(above) {
            match self.window.free() {
                Some(d) => {
                    self.set(d, self.window.values()[index]);
                    self.window.set(index, Value::Register(d));
                }
                None => self.store_lowest(),
            }
        }
    }

    /// Before a loop: those values that it uses get a register of their own, as many as there are.
    pub(super) fn settle_loop(&mut self, reach: i64) {
        let wanted = reach.min(REGISTERS as i64) as usize;
        self.flush(wanted);
        self.settle(0);
        // Slots from the base on hold values for certain.
        while self.window.len() < wanted && self.window.lowest_slot() > 0 {
            self.load_lowest();
        }
    }

    /// Brings the values to where they are in another window of the same height.
    pub(super) fn conform(&mut self, to: &Window) {
        debug_assert_eq!(self.window.height, to.height, "a level border");
        self.flush(to.len());
        let missing = to.len() - self.window.len();
        self.permute(&to.values()[missing..]);
        for index in (0..missing).rev() {
            let Value::Register(d) = to.values()[index] else { unreachable!("it was settled") };
            self.load(d, self.window.lowest_slot() - 1);
            self.window.add_lowest(Value::Register(d));
        }
    }

    /// Moves the values of the window, all at once, to registers of their own.
    fn permute(&mut self, to: &[Value]) {
        if self.window.values() == to {
            return;
        }
        let moves =
            self.window.values().iter().zip(to).filter(|(value, wanted)| value != wanted).map(|(value, wanted)| {
                let Value::Register(to) = *wanted else { unreachable!("it was settled") };
                Move { to, from: *value }
            });
        let moves: Vec<_> = moves.collect();
        resolve(moves, Breaker::Exchange, |step| match step {
            Step::Set(Move { to, from }) => self.set(to, from),
            Step::Exchange(s, d) => {
                let (a, b) = (usize::from(s.min(d)), usize::from(s.max(d)));
                self.builder.form(Form::Exchange { a, b }, Value::Register(s));
            }
            Step::Copy { .. } | Step::Save(_) | Step::Restore(_) => unreachable!("cycles are broken with exchanges"),
        });
        to.iter().enumerate().for_each(|(index, wanted)| self.window.set(index, *wanted));
    }
}

impl Source for Value {
    fn register(self) -> Option<Register> {
        match self {
            Value::Register(register) => Some(register),
            Value::Constant(_) => None,
        }
    }

    fn with_register(self, register: Register) -> Value {
        Value::Register(register)
    }

    fn is_in(self, register: Register) -> bool {
        self == Value::Register(register)
    }
}
