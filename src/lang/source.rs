//! Source text and places in it.

use std::fmt;

/// A range of bytes of the source text; `end` is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
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

/// A program's text with the name under which it is reported.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    bytes: Vec<u8>,
}

impl Source {
    /// The greatest size of a source text in bytes: spans hold 32-bit offsets.
    pub const MAX_BYTES: usize = u32::MAX as usize - 1;

    /// Names a text. The bytes need not be valid UTF-8: `parse` reports where they are not.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Source {
        Source { name: name.into(), bytes: bytes.into() }
    }

    /// The name under which the text is reported: a path, `-` or `-e`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text as it was read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text of a span, with what is not UTF-8 replaced.
    pub fn text(&self, span: Span) -> String {
        String::from_utf8_lossy(&self.bytes[span.start as usize..span.end as usize]).into_owned()
    }

    /// Line and column of a span's first byte. Takes time proportional to the offset.
    pub fn place(&self, span: Span) -> Place {
        let before = &self.bytes[..span.start as usize];
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        Place {
            line: before.iter().filter(|&&byte| byte == b'\n').count() + 1,
            column: String::from_utf8_lossy(&before[line_start..]).chars().count() + 1,
        }
    }

    /// The same for many spans of a text that is valid UTF-8.
    pub fn places(&self) -> Places<'_> {
        let mut at = Place { line: 1, column: 1 };
        let mut marks = vec![at];
        for stretch in self.bytes.chunks_exact(Places::STEP) {
            at = stretch.iter().fold(at, step);
            marks.push(at);
        }
        Places { bytes: &self.bytes, marks }
    }
}

/// Finds many places in one text: each takes a bounded time, however far into the text it lies.
#[derive(Clone, Debug)]
pub struct Places<'a> {
    bytes: &'a [u8],
    /// The place at every [`Places::STEP`]th byte, counted as if a character began there.
    marks: Vec<Place>,
}

impl Places<'_> {
    /// Bytes between two marks: few enough to count quickly, enough that the marks are smaller than the text.
    const STEP: usize = 256;

    /// Line and column of a span's first byte.
    pub fn place(&self, span: Span) -> Place {
        let mark = span.start as usize / Places::STEP;
        self.bytes[mark * Places::STEP..span.start as usize].iter().fold(self.marks[mark], step)
    }
}

/// The place behind a byte of UTF-8 at this place.
fn step(at: Place, &byte: &u8) -> Place {
    match byte {
        b'\n' => Place { line: at.line + 1, column: 1 },
        // All bytes of a character but its first have the form 10xxxxxx.
        0x80..=0xbf => at,
        _ => Place { column: at.column + 1, ..at },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn many_places_are_those_that_are_found_one_by_one() {
        for text in ["", "1", &"é\r\nüb 𝄞 c\t".repeat(100), &"1 ".repeat(128), &"x".repeat(255), &"𝄞".repeat(200)]
        {
            let source = Source::new("x", text);
            let places = source.places();
            for start in (0..=text.len()).filter(|&at| text.is_char_boundary(at)) {
                let span = Span { start: start as u32, end: start as u32 };
                assert_eq!(places.place(span), source.place(span), "{start} in {text:?}");
            }
        }
    }
}
