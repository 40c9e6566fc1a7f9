//! What is drawn now and then: many nested loops, long bodies, and traps that are wanted.

use super::{Grower, MOST_REPETITIONS};
use crate::lang::words::Class;
use crate::lang::{NodeKind, Word};

impl Grower<'_, '_> {
    /// Many loops inside each other: their counters do not all find registers.
    pub(super) fn nest(&mut self) {
        let levels = 3 + self.dice.index(21);
        let entry = (self.sure, self.repeated);
        let mut openers = Vec::new();
        for _ in 0..levels {
            let count =
                if self.repeated * 3 <= MOST_REPETITIONS && self.dice.one_in(3) { 1 + self.dice.below(3) } else { 1 };
            self.repeated *= u64::from(count);
            self.literal(count.into());
            let opener = self.open();
            self.sure -= 1;
            openers.push((opener, self.sure));
            self.items(1, 0);
        }
        self.items(4, 1);
        for (opener, depth) in openers.into_iter().rev() {
            self.items(1, 0);
            self.settle(depth);
            let end = self.nodes.len() as u32;
            self.nodes[opener] = NodeKind::Times { end };
        }
        (self.sure, self.repeated) = entry;
    }

    /// A loop, a branch or a `while` whose body is longer than short branches reach.
    pub(super) fn long_body(&mut self) {
        let levels = 1;
        self.need(4);
        let entry = self.sure;
        let shape = self.dice.below(3);
        let first = if shape == 1 { i64::from(self.dice.below(2)) } else { 2 };
        self.literal(first);
        let opener = self.open();
        self.sure -= 1;
        let mut middle = None;
        match shape {
            0 => {}
            1 => {
                self.straight(self.left / 2);
                self.settle(entry);
                middle = Some(self.nodes.len() as u32);
                self.sure = entry;
            }
            _ => {
                self.sure += 1;
                self.literal(1);
                self.word(Word::Sub);
                self.word(Word::Dup);
                self.sure -= 1;
                middle = Some(self.nodes.len() as u32);
            }
        }
        let counter = usize::from(shape == 2);
        let kept = if shape == 2 { self.sure } else { 0 };
        self.sure -= kept;
        self.below += kept;
        self.straight(self.left);
        self.settle(if shape == 2 { 0 } else { entry });
        self.sure += kept;
        self.below -= kept;
        let end = self.nodes.len() as u32;
        self.nodes[opener] = match (shape, middle) {
            (1, Some(otherwise)) => NodeKind::If { otherwise, end },
            (2, Some(body)) => NodeKind::While { body, end },
            _ => NodeKind::Times { end },
        };
        self.sure = entry + counter;
        self.left = 8;
        while self.left > 0 {
            self.item(levels);
        }
    }

    /// So many words without loops, never far from the depth at their beginning.
    pub(super) fn straight(&mut self, words: i64) {
        let behind = self.left - words;
        let depth = self.sure;
        while self.left > behind {
            for _ in 0..16 {
                self.item(0);
            }
            self.settle(depth);
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
        let word = self.drawn(&[Class::Division]);
        self.word(word);
    }

    /// Words that need more than there is, where the verifier cannot know it: behind a loop that might have left more,
    /// or in a loop that takes more than there is.
    pub(super) fn underflow(&mut self) {
        self.exact = false;
        if self.dice.one_in(2) {
            let count = self.dice.below(2);
            self.literal(count.into());
            let opener = self.open();
            self.sure -= 1;
            let entry = self.sure;
            self.value();
            let end = self.nodes.len() as u32;
            self.nodes[opener] = NodeKind::Times { end };
            self.sure = entry;
            let missing = entry + 1 + self.dice.index(3);
            if missing <= 6 && self.dice.one_in(2) {
                (0..missing).for_each(|_| self.word(Word::Drop));
            } else {
                self.put(NodeKind::Pick(missing as u64));
            }
        } else {
            self.need(1);
            let count = self.sure + self.dice.index(3);
            self.literal(count as i64);
            let opener = self.open();
            self.sure -= 1;
            let word = *self.dice.pick(&[Word::Drop, Word::Nip, Word::Add]);
            self.need(word.pops());
            self.word(word);
            let end = self.nodes.len() as u32;
            self.nodes[opener] = NodeKind::Times { end };
            self.sure = 0;
        }
    }
}
