//! Rare parts of programs: many nested loops, long bodies, and desired traps.

use super::{Grower, JOINING, MAX_EXECUTIONS};
use crate::lang::words::Class;
use crate::lang::{NodeKind, Word};
use crate::outcome::TrapKind;

impl Grower<'_, '_> {
    /// Many nested loops, more than there are registers for their counters.
    pub(super) fn nest(&mut self) {
        let levels = 3 + self.dice.index(21);
        let entry = (self.height, self.executions);
        let mut openers = Vec::new();
        for _ in 0..levels {
            let count =
                if self.executions * 3 <= MAX_EXECUTIONS && self.dice.one_in(3) { 1 + self.dice.below(3) } else { 1 };
            self.repeat(count.into());
            self.literal(count.into());
            let opener = self.open();
            self.height -= 1;
            openers.push((opener, self.height));
            self.open_body(true);
            self.items(1, 0);
        }
        self.items(4, 1);
        for (opener, depth) in openers.into_iter().rev() {
            self.items(1, 0);
            self.set_height(depth);
            let end = self.nodes.len() as u32;
            self.nodes[opener] = NodeKind::Times { end };
            self.close_body(depth);
        }
        self.height = self.height.min(entry.0);
        self.executions = entry.1;
    }

    /// A loop, a branch or a `while` whose body is too long for a short branch over it.
    pub(super) fn long_body(&mut self) {
        let levels = 1;
        self.need(4);
        let entry = self.height;
        let shape = self.dice.below(3);
        let first = if shape == 1 { i64::from(self.dice.below(2)) } else { 2 };
        self.literal(first);
        let opener = self.open();
        self.height -= 1;
        let mut middle = None;
        match shape {
            0 => {}
            1 => {
                self.straight(self.budget / 2);
                self.set_height(entry);
                middle = Some(self.nodes.len() as u32);
                self.height = entry;
            }
            _ => {
                self.height += 1;
                self.literal(1);
                self.word(Word::Sub);
                self.word(Word::Dup);
                self.height -= 1;
                middle = Some(self.nodes.len() as u32);
            }
        }
        let counter = usize::from(shape == 2);
        let kept = if shape == 2 { self.height } else { 0 };
        self.height -= kept;
        self.below += kept;
        self.straight(self.budget);
        self.set_height(if shape == 2 { 0 } else { entry });
        self.height += kept;
        self.below -= kept;
        let end = self.nodes.len() as u32;
        self.nodes[opener] = match (shape, middle) {
            (1, Some(otherwise)) => NodeKind::If { otherwise, end },
            (2, Some(body)) => NodeKind::While { body, end },
            _ => NodeKind::Times { end },
        };
        self.height = entry + counter;
        self.budget = 8;
        while self.budget > 0 {
            self.item(levels);
        }
    }

    /// Appends this many words without loops. The stack height stays near its initial value.
    pub(super) fn straight(&mut self, words: i64) {
        let behind = self.budget - words;
        let depth = self.height;
        while self.budget > behind {
            for _ in 0..16 {
                self.item(0);
            }
            self.set_height(depth);
        }
    }

    // Traps.

    /// Appends words that trap, if this trap depends on words and not on limits.
    pub(super) fn trap(&mut self, kind: Option<TrapKind>) {
        match kind {
            Some(TrapKind::DivisionByZero) => self.division_by_zero(),
            Some(TrapKind::StackUnderflow) if self.results.is_some() => self.detour(true),
            Some(TrapKind::StackUnderflow) => self.underflow(),
            Some(TrapKind::OutOfBounds) if self.cells.any() => self.out_of_bounds(),
            Some(TrapKind::OutOfBounds | TrapKind::StackOverflow | TrapKind::OutOfFuel) => {}
            Some(TrapKind::CallDepthExceeded) | None => {}
        }
    }

    fn division_by_zero(&mut self) {
        if self.dice.one_in(4) {
            return self.division_by_counter();
        }
        self.need(1);
        match self.dice.below(4) {
            0 => self.literal(0),
            3 => {
                // Only for one value.
                self.need(2);
                self.pick();
                let value = self.dice.below(5);
                self.literal(value.into());
                self.word(Word::Sub);
            }
            1 => self.words(&[Word::Dup, Word::Dup, Word::Sub]),
            _ => {
                self.literal(1);
                self.literal(2);
                self.word(Word::Gt);
            }
        }
        let word = self.draw(&[Class::Division]);
        self.word(word);
    }

    /// A loop that divides by its counter, which reaches zero.
    fn division_by_counter(&mut self) {
        let count = 1 + i64::from(self.dice.below(6));
        self.literal(count);
        self.literal(count);
        let opener = self.open();
        self.height -= 1;
        let before = self.repeat(count as u64);
        let entry = self.height;
        self.literal(1);
        self.word(Word::Sub);
        self.value();
        self.words(&[Word::Over]);
        let word = self.draw(&[Class::Division]);
        self.word(word);
        self.items(1, 1);
        self.set_height(entry);
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::Times { end };
        self.executions = before;
    }

    /// A loop that may change the height, followed by words after which the verifier knows the height exactly again, because
    /// they need as many values as there can be. If the loop does lower the height, they trap.
    pub(super) fn detour(&mut self, traps: bool) {
        let is_while = !traps && self.dice.one_in(4);
        if !traps && self.dice.one_in(3) {
            // A `leave` with one more value.
            let count = 1 + self.dice.below(3);
            self.literal(count.into());
            let opener = self.open();
            self.height -= 1;
            self.value();
            self.put(NodeKind::Leave);
            let end = self.nodes.len() as u32;
            self.nodes[opener] = NodeKind::Times { end };
        } else {
            self.need(2);
            let entry = self.height;
            let opener = if is_while {
                let opener = self.open();
                self.no_iteration();
                opener
            } else {
                match traps || self.dice.one_in(12) {
                    true => self.literal(1),
                    false => self.no_iteration(),
                }
                self.open()
            };
            self.height -= 1;
            let body = self.nodes.len() as u32;
            let word = *self.dice.pick(JOINING);
            self.word(word);
            let end = self.nodes.len() as u32;
            self.nodes[opener] = if is_while { NodeKind::While { body, end } } else { NodeKind::Times { end } };
            self.height = entry;
        }
        self.fuel += 2 * self.executions;
        self.exact = false;
        self.items(2, 0);
        self.make_exact();
    }

    /// Pushes zero, in a way that is not always known in advance.
    fn no_iteration(&mut self) {
        match self.dice.below(4) {
            0 => {
                self.value();
                self.literal(0);
                self.word(Word::And);
            }
            1 => {
                self.value();
                self.words(&[Word::Dup, Word::Xor]);
            }
            _ => self.literal(0),
        }
    }

    /// Appends a word that needs all values, so that the verifier knows their number.
    fn make_exact(&mut self) {
        let all = self.height + self.below;
        if all >= 2 && self.below == 0 && self.dice.one_in(3) {
            self.put(NodeKind::Put(all as u64 - 2));
            self.height -= 1;
        } else if self.below == 0 && all <= 3 && self.dice.one_in(2) {
            self.set_height(0);
        } else if all > 0 {
            self.put(NodeKind::Pick(all as u64 - 1));
            self.height += 1;
        }
        self.exact = true;
    }

    /// Appends words that underflow in a way that the verifier cannot detect: after a loop that might have pushed more
    /// values, or in a loop that pops more values than there are.
    fn underflow(&mut self) {
        self.exact = false;
        if self.dice.one_in(2) {
            let count = self.dice.below(2);
            self.literal(count.into());
            let opener = self.open();
            self.height -= 1;
            let entry = self.height;
            self.value();
            let end = self.nodes.len() as u32;
            self.nodes[opener] = NodeKind::Times { end };
            self.height = entry;
            let missing = entry + 1 + self.dice.index(3);
            if missing <= 6 && self.dice.one_in(2) {
                (0..missing).for_each(|_| self.word(Word::Drop));
            } else {
                let put = missing > entry + 1 && self.dice.one_in(3);
                self.put(if put { NodeKind::Put(missing as u64 - 1) } else { NodeKind::Pick(missing as u64) });
            }
        } else {
            self.need(1);
            let count = self.height + self.dice.index(3);
            self.literal(count as i64);
            let opener = self.open();
            self.height -= 1;
            let word = *self.dice.pick(&[Word::Drop, Word::Nip, Word::Add]);
            self.need(word.pops());
            self.word(word);
            let end = self.nodes.len() as u32;
            self.nodes[opener] = NodeKind::Times { end };
            self.height = 0;
        }
    }
}
