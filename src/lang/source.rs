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
}
