//! Loops with a condition: most are certain to end, and a few end only when fuel runs out.

use super::{Grower, MAX_EXECUTIONS};
use crate::generate::operands::operand;
use crate::lang::{NodeKind, Word};

impl Grower<'_, '_> {
    /// A `while` that is certain to end, or, rarely, one that ends only when fuel runs out.
    pub(super) fn while_loop(&mut self, levels: u32) {
        let most = (MAX_EXECUTIONS / self.executions).min(9);
        if most == 0 {
            return self.branch(levels);
        }
        match self.dice.below(40) {
            0 => self.while_unbounded(levels),
            1..5 => self.while_once(levels),
            5..9 => self.while_euclid(),
            9..13 => self.while_halving(),
            13..18 if self.results.is_none() => self.while_depth_changes(most),
            _ => self.while_counting(most, levels),
        }
    }

    /// `COND flag do BODY end` without any guarantee that it ends.
    pub(super) fn while_unbounded(&mut self, levels: u32) {
        let opener = self.open();
        let entry = (self.height, self.repeat(MAX_EXECUTIONS / self.executions));
        self.open_condition();
        self.items(3, levels);
        self.flag();
        self.close_condition();
        self.height -= 1;
        let leaving = self.height;
        let body = self.nodes.len() as u32;
        self.open_body(true);
        self.items(3, levels);
        self.set_height(entry.0);
        self.close_while(opener, body);
        self.close_body(leaving);
        self.executions = entry.1;
    }

    /// A loop whose flag is a literal zero, so that COND runs once and BODY never.
    pub(super) fn while_once(&mut self, levels: u32) {
        let opener = self.open();
        let entry = self.height;
        self.open_condition();
        self.items(3, levels);
        self.close_condition();
        self.need(1);
        self.literal(0);
        self.height -= 1;
        let leaving = self.height;
        let body = self.nodes.len() as u32;
        self.open_body(true);
        self.items(3, levels);
        self.set_height(entry);
        self.close_while(opener, body);
        self.close_body(leaving);
    }

    /// The greatest common divisor of the two topmost values.
    pub(super) fn while_euclid(&mut self) {
        self.fuel += 20 * self.executions;
        self.need(2);
        let opener = self.open();
        self.word(Word::Dup);
        self.height -= 1;
        let body = self.nodes.len() as u32;
        self.words(&[Word::Tuck, Word::Mod]);
        self.close_while(opener, body);
        if self.dice.one_in(2) {
            self.word(Word::Drop);
        }
    }

    /// Shifts the top right until it is small.
    pub(super) fn while_halving(&mut self) {
        self.fuel += 20 * self.executions;
        self.need(1);
        let opener = self.open();
        self.word(Word::Dup);
        let least = 1 + i64::from(self.dice.below(9));
        self.literal(least);
        self.word(Word::Gt);
        self.height -= 1;
        let body = self.nodes.len() as u32;
        let by = 1 + i64::from(self.dice.below(9));
        self.literal(by);
        self.word(Word::Rshift);
        self.close_while(opener, body);
    }

    /// A loop with a counter on top that adds or removes one value below it in each iteration.
    pub(super) fn while_depth_changes(&mut self, most: u64) {
        let count = 1 + self.dice.index(most as usize);
        let grows = self.dice.one_in(2);
        self.fuel += (count as u64 + 1) * self.executions;
        if !grows {
            self.need(count);
        }
        self.literal(count as i64);
        let opener = self.open();
        self.word(Word::Dup);
        self.height -= 1;
        let body = self.nodes.len() as u32;
        let entry = self.height;
        if grows {
            if self.dice.one_in(2) {
                self.word(Word::Dup);
            } else {
                let value = operand(self.dice);
                self.literal(value);
                self.word(Word::Swap);
            }
        } else {
            self.word(Word::Nip);
        }
        self.literal(1);
        self.word(Word::Sub);
        self.close_while(opener, body);
        self.exact = false;
        self.height = if grows { entry + count } else { entry - count };
    }

    /// A loop with a counter on top that is tested and decreased in one of several ways.
    pub(super) fn while_counting(&mut self, most: u64, levels: u32) {
        let count = 1 + self.dice.long_below(most);
        self.need(1);
        self.literal(count as i64);
        let opener = self.open();
        let executions = self.repeat(count + 1);
        let early = self.dice.one_in(4);
        if early {
            self.count_down();
        }
        if !self.callees.is_empty() && self.dice.one_in(3) {
            self.call_above();
        }
        match self.dice.below(5) {
            0 => {
                self.word(Word::Dup);
                self.literal(0);
                self.word(Word::Gt);
            }
            1 => {
                self.literal(0);
                self.words(&[Word::Over, Word::Lt]);
            }
            2 => {
                self.word(Word::Dup);
                self.literal(1);
                self.word(Word::Ge);
            }
            _ => self.word(Word::Dup),
        }
        if early {
            // The counter is decreased before the test, so it overshoots zero by at most one step.
            self.literal(0);
            self.word(Word::Gt);
        }
        self.height -= 1;
        let body = self.nodes.len() as u32;
        let leaving = self.height;
        self.open_body(true);
        // The body works either above the counter or on the value below it.
        let deeper = self.dice.one_in(2);
        if deeper {
            self.word(Word::Swap);
        }
        let kept = self.height - usize::from(deeper);
        self.height -= kept;
        self.below += kept;
        self.items(4, levels);
        self.set_height(usize::from(deeper));
        self.height += kept;
        self.below -= kept;
        if deeper {
            self.word(Word::Swap);
        }
        if !early {
            self.count_down();
        }
        self.close_while(opener, body);
        self.close_body(leaving);
        self.executions = executions;
        if self.dice.one_in(2) {
            self.word(Word::Drop);
        }
    }

    pub(super) fn count_down(&mut self) {
        match self.dice.below(4) {
            0 => {
                self.literal(-1);
                self.word(Word::Add);
            }
            1 => {
                self.literal(2);
                self.word(Word::Div);
            }
            _ => {
                self.literal(1);
                self.word(Word::Sub);
            }
        }
    }

    pub(super) fn close_while(&mut self, opener: usize, body: u32) {
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::While { body, end };
    }
}
