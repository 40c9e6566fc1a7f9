//! Moves: gives the window the same state on every path to a join or a loop header.
//!
//! `canonicalize` gives each value a register of its own. `reconcile` moves the values to their places in another window.
//! `flush_and_rebase` spills them where heights differ.

use super::handlers::{REGISTERS, rebase};
use super::state::State;
use super::tables::Form;
use super::window::{Value, Window};
use crate::parallel_moves::{Breaker, Move, Register, Source, Step, resolve};

impl State {
    /// Gives each value except the topmost `kept` a register of its own, and spills the lowest values if registers run out.
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

    /// Prepares the window for a loop: gives each value that the loop uses a register of its own while registers last.
    pub fn canonicalize_for_loop(&mut self, reach: i64) {
        let wanted = reach.min(REGISTERS as i64) as usize;
        self.flush(wanted);
        self.canonicalize(0);
        // Slots from the base up are known to hold values.
        while self.window.len() < wanted && self.window.lowest_slot() > 0 {
            self.load_lowest();
        }
    }

    /// Makes the window equal to `to`, a canonical window of the same height.
    pub fn reconcile(&mut self, to: &Window) {
        debug_assert_eq!(self.window.height, to.height, "the windows on both paths have the same height");
        self.flush(to.len());
        let missing = to.len() - self.window.len();
        self.permute(&to.values()[missing..]);
        for index in (0..missing).rev() {
            let Value::Register(d) = to.values()[index] else { unreachable!("the window is canonical") };
            self.load(d, self.window.lowest_slot() - 1);
            self.window.add_lowest(Value::Register(d));
        }
    }

    /// Moves the values of the window into the registers of `to`, as one parallel move.
    fn permute(&mut self, to: &[Value]) {
        if self.window.values() == to {
            return;
        }
        let moves =
            self.window.values().iter().zip(to).filter(|(value, wanted)| value != wanted).map(|(value, wanted)| {
                let Value::Register(to) = *wanted else { unreachable!("the window is canonical") };
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

    /// Spills all values except the topmost `kept`, and moves the base up to the lowest value that is kept.
    pub fn flush_and_rebase(&mut self, kept: usize) {
        self.flush(kept);
        self.rebase(self.window.height - kept as i64);
    }

    /// Moves the base up by this many slots, or down if negative.
    pub fn rebase(&mut self, by: i64) {
        if by != 0 {
            self.builder.begin(rebase, || format!("base += {by}"));
            self.builder.value(by);
            self.window.height -= by;
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
