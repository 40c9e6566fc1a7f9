//! Recursive words: bounded by a parameter that decreases, and now and then unbounded.

use super::Grower;
use super::calls::{Callee, Counter};
use crate::lang::words::Class;
use crate::lang::{NodeKind, Word};

/// Which parameter bounds the recursion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    Lowest,
    Top,
}

/// The recursive calls that words of a body may make.
#[derive(Clone, Copy)]
pub(super) struct Recursion {
    /// The word itself, or the next one of several that call each other.
    pub callee: Callee,
    pub position: Position,
    /// The index of the counter, from the bottom; `None` if the recursion is unbounded.
    pub counter: Option<usize>,
    /// The number of recursive calls so far in one execution of the body.
    pub branching: u64,
}

/// The maximum number of recursive calls in one call.
const MAX_BRANCHING: u64 = 6;

/// The maximum number of active calls of one recursion.
const MAX_DEPTH: u64 = 600;

/// The fuel of a call with this count.
pub(super) fn fuel(callee: &Callee, count: u64) -> u64 {
    let Some(counter) = callee.counter else { return callee.fuel };
    let mut fuel = callee.fuel;
    for _ in 0..count {
        fuel = callee.fuel.saturating_add(fuel.saturating_mul(counter.branching));
    }
    fuel
}

/// The greatest count with which a call needs at most this fuel, 0 if it is not recursive; `None` if there is none.
pub(super) fn deepest(callee: &Callee, most: u64) -> Option<u64> {
    let mut needed = callee.fuel;
    if needed > most {
        return None;
    }
    let Some(counter) = callee.counter else { return Some(0) };
    for count in 0..MAX_DEPTH {
        needed = callee.fuel.saturating_add(needed.saturating_mul(counter.branching));
        if needed > most {
            return Some(count);
        }
    }
    Some(MAX_DEPTH)
}

impl Grower<'_, '_> {
    /// The body of a word that calls `callee`, which is itself or another word, until its counter is small. Returns what
    /// bounds its recursion.
    pub(super) fn recursive_body(&mut self, params: usize, position: Position, callee: Callee) -> Counter {
        self.height = params;
        let counter = match position {
            Position::Lowest => 0,
            Position::Top => params - 1,
        };
        let consumes = position == Position::Top && callee.params <= params && self.dice.one_in(2);
        if !consumes {
            // The counter and what is below it stay while the body runs.
            self.below = counter + 1;
            self.height -= self.below;
            self.items(2, 1);
        }
        self.pick_at(counter);
        let (recurses_first, ends_at_zero) = self.base_test();
        let opener = self.open();
        self.height -= 1;
        let entry = (self.height, self.below);
        let results = self.results.expect("a definition has an effect");
        let exits = !recurses_first && self.dice.one_in(3);
        let mut otherwise = 0;
        let mut branching = 0;
        for is_first in [true, false] {
            (self.height, self.below) = entry;
            if is_first == recurses_first {
                let callee = Callee { counter: Some(Counter { position, branching: 0, ends_at_zero }), ..callee };
                branching = match consumes {
                    true => self.consuming_call(params, callee),
                    false => self.protected_calls(counter, callee),
                };
            } else {
                self.items(2, 1);
            }
            self.height += std::mem::take(&mut self.below);
            self.set_height(results);
            if is_first {
                if exits {
                    self.put(NodeKind::Exit);
                }
                otherwise = self.nodes.len() as u32;
                if exits {
                    self.nodes[opener] = NodeKind::If { otherwise, end: otherwise };
                }
            }
        }
        if !exits {
            let end = self.nodes.len() as u32;
            self.nodes[opener] = NodeKind::If { otherwise, end };
        }
        Counter { position, branching, ends_at_zero }
    }

    /// Pushes a flag that says whether the top, a copy of the counter, is small or is not, and consumes the copy. Returns
    /// whether the flag is set while it is not small, and whether it must not be negative.
    fn base_test(&mut self) -> (bool, bool) {
        let (value, word, recurses_first) = match self.dice.below(6) {
            0 | 1 => (0, Word::Gt, true),
            2 => (1, Word::Ge, true),
            3 => (1, Word::Lt, false),
            4 => (2, Word::Lt, false),
            _ => return (true, true),
        };
        self.literal(value);
        self.word(word);
        (recurses_first, false)
    }

    /// A recursive call whose counter is the top, and that may keep a copy of the parameters below. Returns how many calls
    /// there are.
    fn consuming_call(&mut self, params: usize, callee: Callee) -> u64 {
        if self.dice.one_in(2) {
            (0..params).for_each(|_| self.put(NodeKind::Pick(params as u64 - 1)));
            self.height += params;
        }
        self.count_down();
        self.put_call(&callee);
        if self.dice.one_in(3) {
            // Otherwise, nothing may follow the call.
            self.items(3, 1);
        }
        1
    }

    /// Words with recursive calls anywhere. The counter stays on the stack.
    fn protected_calls(&mut self, counter: usize, callee: Callee) -> u64 {
        let position = callee.counter.expect("the callee is recursive").position;
        self.recursion = Some(Recursion { callee, position, counter: Some(counter), branching: 0 });
        self.items(4, 2);
        if self.recursion.is_some_and(|recursion| recursion.branching == 0) {
            self.recurse();
        }
        if self.dice.one_in(3) {
            self.recurse();
        }
        let recursion = self.recursion.take().expect("it was just set");
        if self.dice.one_in(2) {
            self.items(2, 1);
        }
        recursion.branching
    }

    /// The body of a word that calls `callee` without end.
    pub(super) fn endless_body(&mut self, params: usize, callee: Callee) {
        self.height = params;
        self.items(2, 1);
        let position = Position::Top;
        self.recursion = Some(Recursion { callee, position, counter: None, branching: 0 });
        match self.dice.below(4) {
            0 => self.items(2, 2),
            1 => {
                // In a loop.
                self.literal(2);
                let opener = self.open();
                self.height -= 1;
                let entry = self.height;
                let before = self.repeat(2);
                self.recurse();
                self.set_height(entry);
                let end = self.nodes.len() as u32;
                self.nodes[opener] = NodeKind::Times { end };
                self.executions = before;
            }
            _ => {}
        }
        self.recurse();
        self.recursion = None;
        self.items(2, 1);
    }

    /// Appends a recursive call, unless there would be too many.
    pub(super) fn recurse(&mut self) -> bool {
        let Some(recursion) = self.recursion else { return false };
        let branching = recursion.branching + self.executions;
        if branching > MAX_BRANCHING && recursion.branching > 0 {
            return false;
        }
        let callee = recursion.callee;
        match (recursion.counter, recursion.position) {
            (None, _) if self.dice.one_in(2) => self.need(callee.params),
            (None, _) => (0..callee.params).for_each(|_| self.value()),
            (Some(counter), Position::Lowest) => {
                self.pick_at(counter);
                self.count_down();
                (1..callee.params).for_each(|_| self.value());
            }
            (Some(counter), Position::Top) => {
                self.need(callee.params - 1);
                self.pick_at(counter);
                self.count_down();
            }
        }
        self.recursion = Some(Recursion { branching, ..recursion });
        self.put_call(&callee);
        if self.dice.one_in(4) && callee.results > 1 {
            let word = self.draw(&[Class::Arithmetic]);
            self.word(word);
        }
        true
    }
}
