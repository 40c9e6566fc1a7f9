//! Moving values between registers and slots, so that the window is the same wherever paths meet.

use super::handlers::{REGISTERS, rebase};
use super::state::State;
use super::tables::Form;
use super::window::{Value, Window};
use crate::parallel_moves::{Breaker, Move, Register, Source, Step, resolve};

impl State {
    /// Gives each value but the topmost a register of its own.
    pub fn canonicalize(&mut self, kept: usize) {
        while let Some(index) = self.window.first_without_own_register(kept) {
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
    pub fn canonicalize_for_loop(&mut self, reach: i64) {
        let wanted = reach.min(REGISTERS as i64) as usize;
        self.flush(wanted);
        self.canonicalize(0);
        // Slots from the base on hold values for certain.
        while self.window.len() < wanted && self.window.lowest_slot() > 0 {
            self.load_lowest();
        }
    }

    /// Brings the values to where they are in another window of the same height.
    pub fn reconcile(&mut self, to: &Window) {
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

    /// Stores all but the topmost values, and counts from here.
    pub fn flush_and_rebase(&mut self, kept: usize) {
        self.flush(kept);
        let by = self.window.height - kept as i64;
        if by != 0 {
            self.builder.begin(rebase, || format!("base += {by}"));
            self.builder.value(by);
            self.window.height = kept as i64;
        }
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
