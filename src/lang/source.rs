//! Source text and positions in it.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

/// A range of bytes of the source text; `end` is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// The number of its first line.
    first_line: usize,
    /// Where its bytes come from, in ascending order, if it was joined from other texts.
    pieces: Vec<PlacedPiece>,
    /// The place of every byte whose offset is a multiple of [`CHUNK`], computed on first use.
    chunks: OnceLock<Vec<Place>>,
}

/// A piece of a text that is joined from others.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The text that messages show for the piece.
    pub source: Arc<Source>,
    /// The position in that text.
    pub span: Span,
    /// What stands in place of the text at that position, if nobody wrote the piece. Messages about it show the position.
    pub instead: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct PlacedPiece {
    /// Offset of its first byte in the joined text.
    start: usize,
    piece: Piece,
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
            first_line: 1,
            pieces: Vec::new(),
            chunks: OnceLock::new(),
        }
    }

    /// Joins pieces of other texts, with a line feed after each. Places and diagnostics are those of the other texts.
    pub fn joined(pieces: Vec<Piece>, language: Language) -> Source {
        let mut bytes = Vec::new();
        let mut placed = Vec::new();
        for piece in pieces {
            let start = bytes.len();
            let Span { start: from, end: to } = piece.span;
            let written = &piece.source.bytes[from as usize..to as usize];
            bytes.extend_from_slice(piece.instead.map_or(written, str::as_bytes));
            bytes.push(b'\n');
            placed.push(PlacedPiece { start, piece });
        }
        Source { pieces: placed, ..Source::new("", bytes).in_language(language) }
    }

    /// The same text with another number for its first line.
    pub fn from_line(self, first_line: usize) -> Source {
        Source { first_line, chunks: OnceLock::new(), ..self }
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

    /// The index of the piece that a span begins in, if the text is joined from pieces.
    pub fn piece(&self, span: Span) -> Option<usize> {
        self.pieces.partition_point(|placed| placed.start <= span.start as usize).checked_sub(1)
    }

    /// The text that a span was written in, and its position there: in a joined text, that of its piece.
    pub fn origin(&self, span: Span) -> (&Source, Span) {
        let Some(index) = self.piece(span) else { return (self, span) };
        let PlacedPiece { start, piece } = &self.pieces[index];
        let within = |offset: u32| {
            let offset = (offset as usize - start).min((piece.span.end - piece.span.start) as usize);
            if piece.instead.is_some() { piece.span.start } else { piece.span.start + offset as u32 }
        };
        (&piece.source, Span { start: within(span.start), end: within(span.end) })
    }

    /// The line in which a span begins, without the white space at its ends.
    pub fn line(&self, span: Span) -> String {
        if !self.pieces.is_empty() {
            let (source, span) = self.origin(span);
            return source.line(span);
        }
        let (before, after) = self.bytes.split_at(span.start as usize);
        let begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let end = after.iter().position(|byte| *byte == b'\n').unwrap_or(after.len());
        printable(String::from_utf8_lossy(&self.bytes[begin..before.len() + end]).trim()).into_owned()
    }

    /// Line and column of a span's first byte.
    pub fn place(&self, span: Span) -> Place {
        if !self.pieces.is_empty() {
            let (source, span) = self.origin(span);
            return source.place(span);
        }
        let start = span.start as usize;
        let chunks = self.chunks.get_or_init(|| {
            let mut place = Place { line: self.first_line, column: 1 };
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

/// Makes each line of a text safe to print on a terminal, as [`printable`] does. The ends of lines and tabs stay.
pub fn printable_lines(text: &str) -> String {
    let mut shown = String::new();
    for part in text.split_inclusive(['\n', '\t']) {
        let end = ["\r\n", "\n", "\t"].into_iter().find(|end| part.ends_with(end)).unwrap_or_default();
        shown += &printable(&part[..part.len() - end.len()]);
        shown += end;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_in_names_are_escaped() {
        assert_eq!(printable("ü|b.stk"), "ü|b.stk");
        assert_eq!(Source::new("\u{1b}[2J\n\u{202e}x", "").name(), "\\u{1b}[2J\\n\\u{202e}x");
        assert_eq!(printable_lines("\u{1b}\ta\r\nb\rc\n\n"), "\\u{1b}\ta\r\nb\\rc\n\n");
        assert_eq!(printable_lines("\u{1b}"), "\\u{1b}");
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
    fn places_in_a_joined_text_are_those_of_its_pieces() {
        let span = |start, end| Span { start, end };
        let first = Arc::new(Source::new("first", "x\n: f ( -- ) é ;"));
        let second = Arc::new(Source::new("second", "f g").from_line(7));
        let piece = |source: &Arc<Source>, span, instead| Piece { source: Arc::clone(source), span, instead };
        let pieces = vec![
            piece(&first, span(2, 17), None),
            piece(&second, span(3, 3), Some("begin")),
            piece(&second, span(0, 3), None),
        ];
        let joined = Source::joined(pieces, Language::Stack);
        assert_eq!(joined.bytes(), ": f ( -- ) é ;\nbegin\nf g\n".as_bytes());
        let at = |start, end| {
            let (source, origin) = joined.origin(span(start, end));
            assert_eq!(source.place(origin), joined.place(span(start, end)));
            (source.name().to_owned(), origin, source.place(origin).to_string())
        };
        assert_eq!(at(2, 3), ("first".into(), span(4, 5), "2:3".into()));
        assert_eq!(at(14, 15), ("first".into(), span(16, 17), "2:14".into()));
        assert_eq!(at(18, 20), ("second".into(), span(3, 3), "7:4".into()), "nobody wrote it");
        assert_eq!(at(24, 25), ("second".into(), span(2, 3), "7:3".into()));
        assert_eq!(at(26, 26), ("second".into(), span(3, 3), "7:4".into()), "the end of the text");
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
