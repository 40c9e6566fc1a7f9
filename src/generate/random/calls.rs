//! Calls: wherever a word may stand, in loops and conditions, on an empty stack, and as flags.

use super::definitions::Definitions;
use super::recursion::{Position, deepest, fuel};
use super::{Grower, MAX_EXECUTIONS};
use crate::lang::{DefinitionId, NodeKind, Word};
use crate::outcome::TrapKind;

/// A definition that may be called.
#[derive(Clone, Copy)]
pub(super) struct Callee {
    pub id: DefinitionId,
    pub params: usize,
    pub results: usize,
    /// The fuel that one call needs, apart from recursion.
    pub fuel: u64,
    /// The parameter that bounds its recursion, if it is recursive.
    pub counter: Option<Counter>,
}

/// A parameter that decreases from call to call until it is small.
#[derive(Clone, Copy)]
pub(super) struct Counter {
    pub position: Position,
    /// The number of recursive calls in one call.
    pub branching: u64,
    /// Whether recursion ends only at zero, so that it would not end if the counter were negative.
    pub ends_at_zero: bool,
}

impl Grower<'_, '_> {
    /// Appends a main program that calls words, with the desired trap in it or in one of the words.
    pub(super) fn main_with_calls(&mut self, definitions: &Definitions, trap: Option<TrapKind>) {
        let first = self.dice.long_below(self.budget.max(1) as u64) as i64;
        let rest = self.budget - first;
        self.budget = first;
        if self.height == 0 && self.dice.one_in(2) {
            self.call_on_empty_stack();
        }
        self.part();
        match definitions.trapping.filter(|&index| self.deepest(index).is_some()) {
            Some(index) if definitions.trapping_is_leaf => self.trapping_call(index, trap),
            Some(index) if self.dice.one_in(2) => self.call_in_loop(index),
            Some(index) => self.call(index),
            None => self.trap(trap),
        }
        for &endless in &definitions.endless {
            match self.dice.below(8) {
                0 => {}
                1 | 2 => self.perhaps(|grower| grower.call_endless(endless)),
                _ => self.call_endless(endless),
            }
        }
        self.budget = rest;
        self.part();
        for index in 0..self.callees.len() {
            if !self.called[index] && self.dice.percent(85) && self.deepest(index).is_some() {
                self.call(index);
            }
        }
    }

    /// Calls a leaf word with arguments for which it traps, now and then in a branch.
    fn trapping_call(&mut self, index: usize, trap: Option<TrapKind>) {
        let callee = self.callees[index];
        let call = |grower: &mut Self| {
            grower.need(callee.params.saturating_sub(1));
            match trap {
                Some(TrapKind::OutOfBounds) => grower.stray_address(),
                _ => grower.literal(0),
            }
            grower.put_call(&callee);
        };
        if self.dice.one_in(2) { self.perhaps(call) } else { call(self) }
    }

    /// The greatest count with which a word may be called here, 0 if it is not recursive; `None` if a call is too expensive.
    fn deepest(&self, index: usize) -> Option<u64> {
        deepest(&self.callees[index], self.most_fuel.saturating_sub(self.fuel) / self.executions)
    }

    /// Appends a call of any word that is not too expensive here. Returns whether there is one.
    pub(super) fn some_call(&mut self, levels: u32) -> bool {
        let Some(index) = self.affordable() else { return false };
        match self.dice.below(12) {
            0 | 1 if levels > 0 => self.call_in_loop(index),
            2 => self.call_on_empty_stack(),
            3 => {
                self.call(index);
                if self.deepest(index).is_some() {
                    self.call(index);
                }
            }
            4 if levels > 0 => self.perhaps(|grower| grower.call(index)),
            _ => self.call(index),
        }
        true
    }

    /// A word that may be called here. Words that were not called yet are more likely.
    fn affordable(&mut self) -> Option<usize> {
        for _ in 0..4 {
            let index = self.dice.index(self.callees.len());
            if (!self.called[index] || self.dice.one_in(2)) && self.deepest(index).is_some() {
                return Some(index);
            }
        }
        None
    }

    /// Appends a call of a word without parameters with nothing on the stack.
    fn call_on_empty_stack(&mut self) {
        if self.below > 0 || self.height > 8 {
            return;
        }
        let fits = |index: &usize| self.callees[*index].params == 0 && self.deepest(*index).is_some();
        let fitting: Vec<usize> = (0..self.callees.len()).filter(fits).collect();
        if !fitting.is_empty() {
            let index = *self.dice.pick(&fitting);
            self.set_height(0);
            self.call(index);
        }
    }

    /// Appends a call that leaves the stack as it is.
    pub(super) fn call_above(&mut self) {
        let kept = std::mem::take(&mut self.height);
        self.below += kept;
        self.some_call(0);
        self.set_height(0);
        self.below -= kept;
        self.height = kept;
    }

    /// A loop that calls a word in each iteration.
    fn call_in_loop(&mut self, index: usize) {
        let most = (MAX_EXECUTIONS / self.executions).clamp(1, 12);
        let count = 1 + self.dice.long_below(most);
        let entry = self.height;
        self.literal(count as i64);
        let opener = self.open();
        self.height -= 1;
        let before = self.repeat(count);
        self.open_body(true);
        self.call(index);
        self.set_height(entry);
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::Times { end };
        self.close_body(entry);
        self.executions = before;
    }

    /// A branch that contains words only in THEN.
    pub(super) fn perhaps(&mut self, words: impl FnOnce(&mut Self)) {
        self.flag();
        let opener = self.open();
        self.height -= 1;
        let entry = self.height;
        words(self);
        self.set_height(entry);
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::If { otherwise: end, end };
    }

    /// Pushes a flag that a call returns. Returns whether there is such a word.
    pub(super) fn called_flag(&mut self) -> bool {
        match self.affordable() {
            Some(index) if self.callees[index].results > 0 => {
                self.call(index);
                true
            }
            _ => false,
        }
    }

    /// Appends a call and what pushes its arguments.
    pub(super) fn call(&mut self, index: usize) {
        let callee = self.callees[index];
        let most = self.deepest(index).unwrap_or(0);
        let mut needed = callee.fuel;
        match callee.counter {
            Some(counter) => {
                let few = if self.dice.one_in(5) { most } else { most.min(6) };
                if counter.position == Position::Top {
                    self.need(callee.params - 1);
                }
                self.recursion_count(few, counter.ends_at_zero);
                if counter.position == Position::Lowest {
                    (1..callee.params).for_each(|_| self.value());
                }
                needed = fuel(&callee, few);
            }
            None if self.dice.one_in(3) => (0..callee.params).for_each(|_| self.value()),
            None => self.need(callee.params),
        }
        self.fuel = self.fuel.saturating_add(self.executions.saturating_mul(needed));
        self.called[index] = true;
        self.put_call(&callee);
    }

    /// Appends a call of a word that calls itself without end.
    fn call_endless(&mut self, callee: Callee) {
        self.need(callee.params);
        self.put_call(&callee);
    }

    pub(super) fn put_call(&mut self, callee: &Callee) {
        self.put(NodeKind::Call(callee.id));
        self.height = self.height - callee.params + callee.results;
    }

    /// Pushes a count of at most `most` for a recursive word.
    fn recursion_count(&mut self, most: u64, ends_at_zero: bool) {
        match self.dice.below(12) {
            _ if most == 0 => self.literal(0),
            0 if ends_at_zero => self.literal(0),
            0 => {
                let few = *self.dice.pick(&[0, -1, i64::MIN]);
                self.literal(few);
            }
            1 => {
                self.value();
                self.literal((1 << most.ilog2()) - 1);
                self.word(Word::And);
            }
            2 if !ends_at_zero => {
                self.value();
                self.literal(most as i64 + 1);
                self.word(Word::Mod);
            }
            _ => {
                let count = 1 + self.dice.long_below(most);
                self.literal(count as i64);
            }
        }
    }
}
