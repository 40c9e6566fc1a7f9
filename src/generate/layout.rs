//! Layout: prints a draft as text, either plainly or with all allowed kinds of white space, comments, literals and names.

use std::fmt::Write;
use std::ops::Range;

use super::dice::Dice;
use super::draft::Draft;
use crate::lang::{ArrayId, DefinitionId, NodeKind};

/// Separators between two words. The last ones are comments: one spans two lines, and one touches the next word.
const GAPS: [&str; 11] =
    ["  ", "\t", "\n", "\r\n", "\x0c", "\n\n", " ( c ) ", " \\ end\n", " ( \u{e9}\u{1d54f} ) ", " ( if\n)\t", " ( do)"];

/// Separators between the name of a definition and its effect.
const EFFECT_GAPS: [&str; 5] = ["  ", "\t", "\r\n", " \\ ( -- )\n", " \\ \u{e9} ;\n\n"];

/// Beginnings of names. A number that makes the name unique follows.
const NAMES: [&str; 14] =
    ["1+", "--", "\u{3bb}", ":", "f)", "(", "\\", "DUP", "end", "0y", "-x", "\u{feff}", "u<", "\u{1d54f}\u{301}"];

/// What effects call values.
const VALUES: [&str; 10] = ["a", "b", "c", "x", "n", "(", "\\", ":", "if", "---"];

/// The text of a draft. One text in four uses everything that the language allows.
pub(super) fn text(dice: &mut Dice, draft: &Draft) -> String {
    let fancy = dice.one_in(4);
    let text = String::with_capacity(draft.nodes.len() * 6);
    let mut writer = Writer { dice, draft, text, fancy, definitions: Vec::new(), arrays: Vec::new() };
    writer.name_all();
    writer.whole();
    writer.text
}

struct Writer<'a, 'd> {
    dice: &'a mut Dice<'d>,
    draft: &'a Draft,
    text: String,
    fancy: bool,
    /// The names of definitions.
    definitions: Vec<String>,
    /// The names of arrays.
    arrays: Vec<String>,
}

/// What stands at the top level beside the main program.
#[derive(Clone, Copy)]
enum Declaration {
    Word(DefinitionId),
    Array(ArrayId),
}

impl Writer<'_, '_> {
    fn name_all(&mut self) {
        let mut name = |kind: &str, index: usize| match self.fancy && self.dice.one_in(2) {
            // The array's name differs from that of the definition with the same number.
            true => format!("{}{kind}{index}", self.dice.pick(&NAMES)),
            false => format!("{kind}{index}"),
        };
        self.definitions = (0..self.draft.definitions.len()).map(|index| name("f", index)).collect();
        self.arrays = (0..self.draft.arrays.len()).map(|index| name("a", index)).collect();
    }

    /// Writes the main program, and the declarations before, in between and after it.
    fn whole(&mut self) {
        let draft = self.draft;
        let mut declarations = self.declarations();
        if declarations.is_empty() {
            return self.body(draft.main());
        }
        let mut starts = Vec::new();
        let mut index = 0;
        while index < draft.main {
            starts.push(index);
            index = draft.nodes[index].next(index);
        }
        starts.push(draft.main);
        // Where each declaration stands, as an index of `starts`.
        let spread = match self.dice.below(8) {
            0..=3 => Some(0),
            4 => Some(starts.len() - 1),
            _ => None,
        };
        let mut places: Vec<usize> =
            declarations.iter().map(|_| spread.unwrap_or_else(|| self.dice.index(starts.len()))).collect();
        places.sort_unstable();
        declarations.reverse();
        let mut places = places.into_iter().peekable();
        for (nth, &start) in starts.iter().enumerate() {
            while places.next_if_eq(&nth).is_some() {
                let declaration = declarations.pop().expect("every declaration has a place");
                self.declaration(declaration);
            }
            if start < draft.main {
                self.body(start..draft.nodes[start].next(start));
            }
        }
    }

    /// Definitions and arrays, each in their order, mixed at random.
    fn declarations(&mut self) -> Vec<Declaration> {
        let mut words = (0..self.draft.definitions.len() as u32).map(|index| Declaration::Word(DefinitionId(index)));
        let mut arrays = (0..self.draft.arrays.len() as u32).map(|index| Declaration::Array(ArrayId(index)));
        let mut declarations = Vec::new();
        while words.len() + arrays.len() > 0 {
            let is_word = self.dice.index(words.len() + arrays.len()) < words.len();
            declarations.extend(if is_word { words.next() } else { arrays.next() });
        }
        declarations
    }

    fn declaration(&mut self, declaration: Declaration) {
        if !self.fancy && !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        match declaration {
            Declaration::Array(id) => {
                self.literal(self.draft.arrays[id.index()].into());
                self.word("array");
                self.word(&self.arrays[id.index()].clone());
            }
            Declaration::Word(id) => {
                self.word(":");
                self.word(&self.definitions[id.index()].clone());
                self.effect(id);
                self.body(self.draft.body(id));
                self.word(";");
            }
        }
        if !self.fancy {
            self.text.push('\n');
        }
    }

    /// Writes the effect of a definition. It may contain any words.
    fn effect(&mut self, id: DefinitionId) {
        let gap = if self.fancy && self.dice.one_in(3) { *self.dice.pick(&EFFECT_GAPS) } else { " " };
        self.text.push_str(gap);
        self.text.push('(');
        let effect = self.draft.effect(id);
        let names = if self.fancy { VALUES.len() } else { 5 };
        for _ in 0..effect.params {
            self.text.push(' ');
            let name = self.dice.index(names);
            self.text.push_str(VALUES[name]);
        }
        self.text.push_str(" --");
        for _ in 0..effect.results {
            self.text.push_str(if self.fancy && self.dice.one_in(6) { "\n\t" } else { " " });
            let name = self.dice.index(names);
            self.text.push_str(VALUES[name]);
        }
        // The first `)` ends the effect, whether or not it touches other words.
        self.text.push_str(if self.fancy && self.dice.one_in(3) { ")" } else { " )" });
    }

    fn body(&mut self, range: Range<usize>) {
        let mut index = range.start;
        while index < range.end {
            let kind = self.draft.nodes[index];
            match kind {
                NodeKind::Call(id) => self.word(&self.definitions[id.index()].clone()),
                NodeKind::Address(id) => self.word(&self.arrays[id.index()].clone()),
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
