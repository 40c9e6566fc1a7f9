//! The state of the lowering: the window, and the builder that receives the code.
//!
//! It loads and stores the lowest values of the window and selects registers. It knows nothing about control flow.

use super::code::Builder;
use super::tables::{self, Form, Shown, number};
use super::window::{Value, Window};

/// The window and the builder.
pub struct State {
    pub builder: Builder,
    pub window: Window,
    /// The window with which every iteration of the innermost loop begins.
    pub header: Option<Window>,
}

impl State {
    /// Pushes a value. If the window is full, its lowest value is spilled first.
    pub fn push(&mut self, value: Value) {
        if self.window.is_full() {
            self.store_lowest();
        }
        self.window.push(value);
    }

    /// Loads values until the window holds the topmost `values` values, at most three.
    pub fn ensure_loaded(&mut self, values: usize) {
        while self.window.len() < values {
            self.load_lowest();
        }
    }

    pub fn load(&mut self, d: u8, slot: i64) {
        self.builder.form(Form::Load { d: usize::from(d) }, Value::Constant(slot));
    }

    pub fn load_lowest(&mut self) {
        let d = self.window.free().expect("a window with fewer values than registers leaves one free");
        self.load(d, self.window.lowest_slot() - 1);
        self.window.add_lowest(Value::Register(d));
    }

    pub fn store_lowest(&mut self) {
        self.store(self.window.values()[0], self.window.lowest_slot());
        self.window.remove_lowest();
    }

    pub fn store(&mut self, value: Value, slot: i64) {
        self.builder.begin(tables::store(number(value)), || format!("slot {slot} = {}", Shown(value)));
        self.builder.value(slot);
        self.builder.operand(value);
    }

    /// Spills all values except the topmost `kept`.
    pub fn flush(&mut self, kept: usize) {
        while self.window.len() > kept {
            self.store_lowest();
        }
    }

    /// Puts the topmost `values` values, or the topmost N if there are more, into registers and spills all others. Returns their
    /// registers, top first.
    pub fn gather<const N: usize>(&mut self, values: usize) -> [usize; N] {
        let values = values.min(N);
        self.flush(values);
        self.ensure_loaded(values);
        std::array::from_fn(|below| {
            if below >= values {
                return below;
            }
            self.ensure_register(below);
            number(self.window.top(below))
        })
    }

    /// Selects a register for a result that will be the new top. The register holds no value of the window. The register in which
    /// the result must be at the end of the iteration is preferred, then an operand's register.
    pub fn destination(&mut self, operands: &[Value]) -> u8 {
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

    /// A register that holds no value of the window. The lowest values are spilled until there is one.
    fn free(&mut self) -> u8 {
        loop {
            if let Some(register) = self.window.free() {
                return register;
            }
            self.store_lowest();
        }
    }

    pub fn set(&mut self, d: u8, s: Value) {
        self.builder.form(Form::Set { d: usize::from(d), s: number(s) }, s);
    }

    /// If the value at this distance below the top is a constant, puts it into a register.
    pub fn ensure_register(&mut self, below: usize) {
        let value = self.window.top(below);
        if let Value::Constant(_) = value {
            let d = self.free();
            self.set(d, value);
            let index = self.window.len() - 1 - below;
            self.window.set(index, Value::Register(d));
        }
    }

    /// The register in which a slot must be at the end of the iteration, if there is one.
    fn home(&self, slot: i64) -> Option<u8> {
        let window = self.header.as_ref()?;
        let index = usize::try_from(slot - window.lowest_slot()).ok()?;
        match window.values().get(index) {
            Some(Value::Register(register)) => Some(*register),
            _ => None,
        }
    }
}
