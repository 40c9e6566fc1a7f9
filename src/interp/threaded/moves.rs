//! Moves values between registers and slots for instructions and for control-flow joins.

use super::handlers::REGISTERS;
use super::lower::Lowering;
use super::tables::{self, Form, Shown, number};
use super::window::{Value, Window};
use crate::parallel_moves::{Breaker, Move, Register, Source, Step, resolve};

impl Lowering<'_> {
    /// Pushes a value; if the window is full, its lowest value is stored first.
    pub(super) fn push(&mut self, value: Value) {
        if self.window.is_full() {
            self.store_lowest();
        }
        self.window.push(value);
    }

    /// Ensures that the topmost values, at most three, are in the window.
    pub(super) fn ensure(&mut self, values: usize) {
        while self.window.len() < values {
            self.load_lowest();
        }
    }

    pub(super) fn load(&mut self, d: u8, slot: i64) {
        self.builder.form(Form::Load { d: usize::from(d) }, Value::Constant(slot));
    }

    fn load_lowest(&mut self) {
        let d = self.window.free().expect("a window with few values leaves a register free");
        self.load(d, self.window.lowest_slot() - 1);
        self.window.add_lowest(Value::Register(d));
    }

    fn store_lowest(&mut self) {
        let (value, slot) = (self.window.values()[0], self.window.lowest_slot());
        self.builder.begin(tables::store(number(value)), || format!("slot {slot} = {}", Shown(value)));
        self.builder.value(slot);
        self.builder.operand(value);
        self.window.remove_lowest();
    }

    /// Stores all but the topmost `above` values.
    pub(super) fn flush(&mut self, above: usize) {
        while self.window.len() > above {
            self.store_lowest();
        }
    }

    /// A register that holds no value of the window. Prefers the one that the result, which will be on top, needs at
    /// the end of the iteration, then one of an operand.
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

    /// A register that holds no value of the window; stores the lowest values until there is one.
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

    /// Ensures that the value at this distance below the top is in a register.
    pub(super) fn in_register(&mut self, below: usize) {
        let value = self.window.top(below);
        if let Value::Constant(_) = value {
            let d = self.free();
            self.set(d, value);
            let index = self.window.len() - 1 - below;
            self.window.set(index, Value::Register(d));
        }
    }

    /// Gives each value except the topmost `above` its own register.
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

    /// Before a loop, gives as many as possible of the values that it uses their own registers.
    pub(super) fn settle_loop(&mut self, reach: i64) {
        let wanted = reach.min(REGISTERS as i64) as usize;
        self.flush(wanted);
        self.settle(0);
        // Slots at or above the base are certain to hold values.
        while self.window.len() < wanted && self.window.lowest_slot() > 0 {
            self.load_lowest();
        }
    }

    /// Reconciles the window with another one of the same height.
    pub(super) fn conform(&mut self, to: &Window) {
        debug_assert_eq!(self.window.height, to.height, "both windows have the same height");
        self.flush(to.len());
        let missing = to.len() - self.window.len();
        self.permute(&to.values()[missing..]);
        for index in (0..missing).rev() {
            let Value::Register(d) = to.values()[index] else {
                unreachable!("the values of a settled window are in registers")
            };
            self.load(d, self.window.lowest_slot() - 1);
            self.window.add_lowest(Value::Register(d));
        }
    }

    /// Moves the values of the window to distinct registers in a parallel move.
    fn permute(&mut self, to: &[Value]) {
        if self.window.values() == to {
            return;
        }
        let moves =
            self.window.values().iter().zip(to).filter(|(value, wanted)| value != wanted).map(|(value, wanted)| {
                let Value::Register(to) = *wanted else {
                    unreachable!("the values of a settled window are in registers")
                };
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
