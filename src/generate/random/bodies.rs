//! Branches and counted loops, both balanced ones and ones that change the stack height.

use super::{Grower, MAX_EXECUTIONS};
use crate::generate::operands::operand;
use crate::lang::words::Class;
use crate::lang::{NodeKind, Word};

impl Grower<'_, '_> {
    /// A value to branch on.
    pub(super) fn flag(&mut self) {
        if !self.callees.is_empty() && self.dice.one_in(6) && self.called_flag() {
            return;
        }
        match self.dice.below(6) {
            0 if self.cells.any() && self.dice.one_in(2) => self.cell(),
            0 => self.need(1),
            1 => {
                let value = operand(self.dice);
                self.literal(value);
            }
            _ => self.comparison(),
        }
    }

    pub(super) fn comparison(&mut self) {
        if self.dice.one_in(2) {
            self.need(1);
            let value = operand(self.dice);
            self.literal(value);
        } else {
            self.need(2);
            if self.dice.one_in(2) {
                self.words(&[Word::Over, Word::Over]);
            }
        }
        let word = self.draw(&[Class::Comparison]);
        self.word(word);
    }

    pub(super) fn branch(&mut self, levels: u32) {
        self.flag();
        let opener = self.open();
        self.height -= 1;
        let entry = (self.height, self.exact);
        self.items(4, levels);
        let then_closes = self.close_branch();
        let otherwise = self.nodes.len() as u32;
        let then = (self.height, self.exact);
        (self.height, self.exact) = entry;
        if self.dice.percent(if then_closes { 30 } else { 65 }) {
            self.items(4, levels);
        }
        if then_closes {
            // Only ELSE reaches the end.
        } else if self.close_branch() {
            (self.height, self.exact) = then;
        } else {
            self.join(otherwise as usize, then);
        }
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::If { otherwise, end };
    }

    /// Ends ELSE, which begins at `otherwise`, so that it may join with THEN. `then` are the height at the end of THEN and whether
    /// the verifier knows it exactly.
    fn join(&mut self, otherwise: usize, then: (usize, bool)) {
        // Branches may end at different heights only if the verifier does not know one of the heights exactly.
        if (then.1 && self.exact) || self.dice.one_in(2) {
            self.set_height(then.0);
            if otherwise == self.nodes.len() && then.0 == self.height && self.dice.one_in(3) {
                // Also generate an `else` that has no effect.
                self.need(1);
                self.words(&[Word::Dup, Word::Drop]);
                self.set_height(then.0);
            }
        } else {
            self.height = self.height.min(then.0);
        }
        self.exact &= then.1;
    }

    /// Appends a node whose ends are not known yet.
    pub(super) fn open(&mut self) -> usize {
        self.put(NodeKind::Times { end: 0 });
        self.nodes.len() - 1
    }

    pub(super) fn times(&mut self, levels: u32) {
        let often = if self.dice.one_in(3) { 100 } else { 12 };
        let most = (MAX_EXECUTIONS / self.executions).min(often);
        if most == 0 {
            return self.with_literal();
        }
        let count = 1 + self.dice.long_below(most);
        let change = match self.dice.below(100) {
            // In a definition, the verifier must know the height exactly in the end.
            0..70 => 0,
            _ if self.results.is_some() => 0,
            70..88 => 1 + self.dice.index(2) as i64,
            _ => -1 - self.dice.index(2) as i64,
        };
        // A body that shrinks the stack needs enough values in its last iteration too.
        let taken = if change < 0 { change.unsigned_abs() as usize * count as usize } else { 0 };
        self.need(taken);
        let known = change < 0 || self.count(count as i64);
        if change < 0 {
            self.literal(count as i64);
        }
        let opener = self.open();
        self.height -= 1;
        let entry = (self.height, self.repeat(count));
        self.height -= taken.saturating_sub(change.unsigned_abs() as usize);
        let lowest = self.height;
        self.open_body(change == 0);
        self.items(6, levels);
        self.set_height(lowest.saturating_add_signed(change as isize));
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::Times { end };
        let mut height = entry.0;
        self.executions = entry.1;
        if change != 0 {
            self.exact = false;
            height -= taken;
        }
        if known && change > 0 {
            height += change as usize * count as usize;
        }
        self.close_body(height);
    }

    /// Pushes a count of at most `most`. Returns whether it is exactly `most`.
    pub(super) fn count(&mut self, most: i64) -> bool {
        match self.dice.below(20) {
            0 => {
                let few = *self.dice.pick(&[0, -1, i64::MIN, 0]);
                self.literal(few);
                false
            }
            1 => {
                self.need(1);
                self.literal(most + 1);
                self.word(Word::Mod);
                false
            }
            2 | 3 => {
                self.need(1);
                // A mask of all bits below the highest one bit of `most`.
                self.literal((1 << most.ilog2()) - 1);
                self.word(Word::And);
                false
            }
            4 => {
                self.comparison();
                false
            }
            _ => {
                self.literal(most);
                true
            }
        }
    }
}
