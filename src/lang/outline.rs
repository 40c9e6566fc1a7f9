//! The outline of a text: its definitions and arrays, and whether more text could close what is open at its end.
//!
//! It is for prompts, which read a text line by line and must know when it is complete. Only the parser judges a text.

use super::Span;
use super::token::{line, literal, parenthesized, skip_space, word};

/// A definition or an array of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Its name.
    pub name: String,
    /// All of its text.
    pub span: Span,
}

/// What is known of a text so far.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// The complete definitions and arrays, in reading order.
    declarations: Vec<Declaration>,
    /// The number of bytes that were read.
    read: usize,
    /// Whether a `(` is open.
    in_comment: bool,
    /// The number of open bodies.
    bodies: usize,
    /// Where the definition at hand begins, and its name.
    definition: Option<(usize, String)>,
    /// Where the definition or array begins whose name comes next.
    unnamed: Option<(usize, Keyword)>,
    /// Where the literal directly before the next word begins.
    literal: Option<usize>,
    /// Whether the text has an error that no further text can mend.
    is_wrong: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keyword {
    Colon,
    Array,
}

impl Outline {
    /// The complete definitions and arrays so far, in reading order.
    pub fn declarations(&self) -> &[Declaration] {
        &self.declarations
    }

    /// Whether a body, a definition or a comment is open, so that more text could close it.
    pub fn is_open(&self) -> bool {
        let is_inside = self.in_comment || self.bodies > 0 || self.definition.is_some() || self.unnamed.is_some();
        is_inside && !self.is_wrong
    }

    /// Reads more of the text: one or more whole lines.
    pub fn read(&mut self, text: &[u8]) {
        let mut rest = text;
        loop {
            if self.in_comment {
                let Ok((after, _)) = parenthesized(rest) else { break };
                (self.in_comment, rest) = (false, after);
            }
            rest = skip_space(rest);
            let start = self.read + (text.len() - rest.len());
            let Ok((after, word)) = word(rest) else { break };
            rest = after;
            match word {
                b"\\" => (rest, _) = line(after).expect("a line may be empty"),
                b"(" => self.in_comment = true,
                _ => self.word(word, start),
            }
        }
        self.read += text.len();
    }

    fn word(&mut self, word: &[u8], start: usize) {
        let end = start + word.len();
        let before = self.literal.take();
        if let Some((begin, keyword)) = self.unnamed.take() {
            let name = String::from_utf8_lossy(word).into_owned();
            match keyword {
                Keyword::Colon => self.definition = Some((begin, name)),
                Keyword::Array => self.declare(name, begin, end),
            }
            return;
        }
        let is_top_level = self.bodies == 0 && self.definition.is_none();
        match word {
            b"times" | b"if" | b"while" => self.bodies += 1,
            b"end" if self.bodies > 0 => self.bodies -= 1,
            b":" if is_top_level => self.unnamed = Some((start, Keyword::Colon)),
            b"array" if is_top_level && before.is_some() => {
                self.unnamed = before.map(|begin| (begin, Keyword::Array));
            }
            b";" if self.bodies == 0 && self.definition.is_some() => {
                if let Some((begin, name)) = self.definition.take() {
                    self.declare(name, begin, end);
                }
            }
            b"end" | b":" | b"array" | b";" => self.is_wrong = true,
            _ => self.literal = literal(word).is_ok().then_some(start),
        }
    }

    fn declare(&mut self, name: String, start: usize, end: usize) {
        self.declarations.push(Declaration { name, span: Span { start: start as u32, end: end as u32 } });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The declarations and whether the text is open, after each of the lines.
    fn outline(lines: &[&str]) -> Vec<(String, bool)> {
        let mut outline = Outline::default();
        let text = lines.concat();
        let after = |line: &&str| {
            outline.read(line.as_bytes());
            let shown = |Declaration { name, span }: &Declaration| {
                format!("{name}: {}", &text[span.start as usize..span.end as usize])
            };
            (outline.declarations().iter().map(shown).collect::<Vec<_>>().join(", "), outline.is_open())
        };
        lines.iter().map(after).collect()
    }

    fn last(text: &str) -> (String, bool) {
        outline(&[text]).remove(0)
    }

    #[test]
    fn definitions_and_arrays_are_found() {
        assert_eq!(last("1 : f ( a -- ; ) \\ ;\n drop ; 2"), ("f: : f ( a -- ; ) \\ ;\n drop ;".into(), false));
        assert_eq!(last("1 3 ( c ) array a a"), ("a: 3 ( c ) array a".into(), false));
        assert_eq!(last(": if-not ( f -- ) if end ;"), ("if-not: : if-not ( f -- ) if end ;".into(), false));
        assert_eq!(last("( : f ( -- ) ; \\ : g ( -- ) ;"), (String::new(), false));
    }

    #[test]
    fn what_is_open_can_be_closed() {
        for text in ["1 if", "5 times dup if leave", "while 1 do", ": f", ": f ( -- )", "( a", "10 array", "if \\ end"]
        {
            assert!(last(text).1, "{text}");
        }
        for text in
            ["", "1", "1 if end", "\\ (", "end", "if end end", "if ;", ": f ( -- ) if ;", "if :", "array", "( ) 1"]
        {
            assert!(!last(text).1, "{text}");
        }
    }

    #[test]
    fn a_text_is_read_line_by_line() {
        let lines = outline(&[": f ( a\n", "-- b )\n", "if 1\n", "else 2 end ( ;\n", ") ;\n", "3\n"]);
        assert_eq!(
            lines.iter().map(|(_, is_open)| *is_open).collect::<Vec<_>>(),
            [true, true, true, true, false, false]
        );
        assert_eq!(lines[4].0, "f: : f ( a\n-- b )\nif 1\nelse 2 end ( ;\n) ;");
    }
}
