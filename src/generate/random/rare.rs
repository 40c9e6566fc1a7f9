//! Rare parts of programs: many nested loops, long bodies, and desired traps.

use super::{Grower, MAX_EXECUTIONS};
use crate::lang::words::Class;
use crate::lang::{NodeKind, Word};

impl Grower<'_, '_> {
    /// Many nested loops, more than there are registers for their counters.
    pub(super) fn nest(&mut self) {
        let levels = 3 + self.dice.index(21);
        let entry = (self.height, self.executions);
        let mut openers = Vec::new();
        for _ in 0..levels {
            let count =
                if self.executions * 3 <= MAX_EXECUTIONS && self.dice.one_in(3) { 1 + self.dice.below(3) } else { 1 };
            self.executions *= u64::from(count);
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

    pub(super) fn division_by_zero(&mut self) {
        self.need(1);
        match self.dice.below(3) {
            0 => self.literal(0),
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

    /// Appends words that underflow in a way that the verifier cannot detect: after a loop that might have pushed more
    /// values, or in a loop that pops more values than there are.
    pub(super) fn underflow(&mut self) {
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
