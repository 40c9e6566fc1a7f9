//! Source text and positions in it.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// A range of bytes of the source text; `end` is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

/// A line and a column, both counted from 1, the column in Unicode characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1; a line ends at LF.
    pub line: usize,
    /// Column, from 1, in Unicode characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The language of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    /// The stack language.
    #[default]
    Stack,
    /// The let language.
    Let,
}

impl Language {
    /// Every language.
    pub const ALL: [Language; 2] = [Language::Stack, Language::Let];

    /// The language of this name.
    pub fn named(name: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.name() == name)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Language::Stack => "stack",
            Language::Let => "let",
        }
    }

    /// How the names of its files end, after the last period.
    pub fn extension(self) -> &'static str {
        match self {
            Language::Stack => "stk",
            Language::Let => "let",
        }
    }

    /// What begins a comment to the end of the line.
    pub fn comment(self) -> &'static str {
        match self {
            Language::Stack => "\\",
            Language::Let => "//",
        }
    }
}

/// A program's text, with the name that messages use for it.
#[derive(Clone, Debug)]
pub struct Source {
    language: Language,
    name: String,
    bytes: Vec<u8>,
    /// The place of every byte whose offset is a multiple of [`CHUNK`], computed on first use.
    chunks: OnceLock<Vec<Place>>,
}

/// The maximum number of bytes scanned to find a place. A program with 20,000 cases needs hundreds of thousands of
/// places.
const CHUNK: usize = 256;

impl Source {
    /// The greatest size of a source text in bytes: spans hold 32-bit offsets.
    pub const MAX_BYTES: usize = u32::MAX as usize - 1;

    /// Names a text of the stack language. The bytes need not be valid UTF-8: `parse` reports invalid ones.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Source {
        Source {
            language: Language::Stack,
            name: printable(&name.into()).into_owned(),
            bytes: bytes.into(),
            chunks: OnceLock::new(),
        }
    }

    /// The text of a file, in the language that the ending of its name says.
    pub fn of_file(path: &Path, bytes: impl Into<Vec<u8>>) -> Source {
        let ending = path.extension().unwrap_or_default();
        let language = Language::ALL.into_iter().find(|language| ending == language.extension());
        Source::new(path.display().to_string(), bytes).in_language(language.unwrap_or_default())
    }

    /// The same text in another language.
    pub fn in_language(self, language: Language) -> Source {
        Source { language, ..self }
    }

    /// The language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The name that messages use: a path, `-` or `-e`, as [`printable`] shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text as read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text of a span as [`printable`] shows it; invalid UTF-8 is replaced.
    pub fn text(&self, span: Span) -> String {
        printable(&String::from_utf8_lossy(&self.bytes[span.start as usize..span.end as usize])).into_owned()
    }

    /// Line and column of a span's first byte.
    pub fn place(&self, span: Span) -> Place {
        let start = span.start as usize;
        let chunks = self.chunks.get_or_init(|| {
            let mut place = Place { line: 1, column: 1 };
            let next = |chunk: &[u8]| {
                let start = place;
                place = after(start, chunk);
                start
            };
            // An offset at the very end is after the last chunk, which may be full.
            self.bytes.chunks(CHUNK).chain([&[][..]]).map(next).collect()
        });
        let chunk = start / CHUNK;
        after(chunks[chunk], &self.bytes[chunk * CHUNK..start])
    }
}

/// The place after some text that starts at `place`. Continuation bytes do not start a character.
fn after(place: Place, text: &[u8]) -> Place {
    text.iter().fold(place, |Place { line, column }, &byte| match byte {
        b'\n' => Place { line: line + 1, column: 1 },
        0x80..0xc0 => Place { line, column },
        _ => Place { line, column: column + 1 },
    })
}

/// Longer words are shortened in messages, and are too different from every known word to suggest one.
pub(super) const LONGEST_SHOWN: usize = 40;

/// A word as messages show it.
pub(super) fn shortened(word: &str) -> String {
    match word.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}…", &word[..end]),
        None => word.to_owned(),
    }
}

/// Makes a text safe to print on a terminal. Characters that a terminal would interpret, or that reorder adjacent text,
/// become escapes like `\u{1b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    let reorders = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_unsafe = |c: char| c.is_control() || reorders(c);
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for c in text.chars() {
        if is_unsafe(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_in_names_are_escaped() {
        assert_eq!(printable("ü|b.stk"), "ü|b.stk");
        assert_eq!(Source::new("\u{1b}[2J\n\u{202e}x", "").name(), "\\u{1b}[2J\\n\\u{202e}x");
    }

    #[test]
    fn columns_count_characters_and_lines_end_at_lf() {
        let source = Source::new("x", "é\r\nüb c");
        let at = |start| source.place(Span { start, end: start }).to_string();
        assert_eq!(at(0), "1:1");
        assert_eq!(at(4), "2:1");
        assert_eq!(at(6), "2:2");
        assert_eq!(at(8), "2:4");
    }

    #[test]
    fn places_are_correct_after_many_chunks() {
        let text = "é\n".repeat(CHUNK) + &"é".repeat(CHUNK);
        let source = Source::new("x", text.as_str());
        let at = |start: usize| source.place(Span { start: start as u32, end: start as u32 });
        assert_eq!(at(text.len()), Place { line: CHUNK + 1, column: CHUNK + 1 });
        assert_eq!(at(3 * CHUNK - 3), Place { line: CHUNK, column: 1 });
        assert_eq!(at(3 * CHUNK - 1), Place { line: CHUNK, column: 2 });
    }
}
