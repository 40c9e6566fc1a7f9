//! Layout: prints nodes as text, either plainly or with all allowed kinds of white space, comments and literals.

use std::fmt::Write;
use std::ops::Range;

use super::dice::Dice;
use crate::lang::NodeKind;

/// Separators between two words. The last ones are comments: one spans two lines, and one touches the next word.
const GAPS: [&str; 11] =
    ["  ", "\t", "\n", "\r\n", "\x0c", "\n\n", " ( c ) ", " \\ end\n", " ( \u{e9}\u{1d54f} ) ", " ( if\n)\t", " ( do)"];

/// The text of these nodes. One text in four uses everything that the language allows.
pub(super) fn text(dice: &mut Dice, nodes: &[NodeKind]) -> String {
    let fancy = dice.one_in(4);
    let mut writer = Writer { dice, nodes, text: String::with_capacity(nodes.len() * 6), fancy };
    writer.body(0..nodes.len());
    writer.text
}

struct Writer<'a, 'd> {
    dice: &'a mut Dice<'d>,
    nodes: &'a [NodeKind],
    text: String,
    fancy: bool,
}

impl Writer<'_, '_> {
    fn body(&mut self, range: Range<usize>) {
        let mut index = range.start;
        while index < range.end {
            let kind = self.nodes[index];
            match kind {
                NodeKind::Call(_) | NodeKind::Address(_) => todo!(),
                NodeKind::Literal(value) => self.literal(value),
                NodeKind::Word(word) => self.word(word.spelling()),
                NodeKind::Pick(depth) => {
                    self.word(&depth.to_string());
                    self.word("pick");
                }
                NodeKind::Put(depth) => {
                    self.word(&depth.to_string());
                    self.word("put");
                }
                NodeKind::Leave => self.word("leave"),
                NodeKind::Exit => self.word("exit"),
                NodeKind::Times { end } => {
                    self.word("times");
                    self.body(index + 1..end as usize);
                    self.word("end");
                }
                NodeKind::If { otherwise, end } => {
                    self.word("if");
                    self.body(index + 1..otherwise as usize);
                    if otherwise < end || self.fancy && self.dice.one_in(4) {
                        self.word("else");
                        self.body(otherwise as usize..end as usize);
                    }
                    self.word("end");
                }
                NodeKind::While { body, end } => {
                    self.word("while");
                    self.body(index + 1..body as usize);
                    self.word("do");
                    self.body(body as usize..end as usize);
                    self.word("end");
                }
            }
            index = kind.next(index);
        }
    }

    fn literal(&mut self, value: i64) {
        self.gap();
        let written = match self.dice.below(32) {
            0 | 1 => write!(self.text, "0x{value:x}"),
            2 => write!(self.text, "0x{value:020X}"),
            3 if value >= 0 => write!(self.text, "00{value}"),
            _ => write!(self.text, "{value}"),
        };
        written.expect("writing to a string cannot fail");
    }

    fn word(&mut self, word: &str) {
        self.gap();
        self.text.push_str(word);
    }

    fn gap(&mut self) {
        if self.fancy && self.dice.one_in(6) {
            let gap = *self.dice.pick(&GAPS);
            // A text may also begin with a gap.
            self.text.push_str(gap);
        } else if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push(' ');
        }
    }
}
