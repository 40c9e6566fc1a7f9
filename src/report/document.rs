//! The contents of the report, independent of HTML and Markdown, so that the two cannot differ.
//!
//! Texts are plain, with `code` between backticks. Each renderer escapes the special characters of its format.

use super::plot::Plot;

/// The whole report.
#[derive(Debug)]
pub struct Document {
    /// The heading.
    pub title: String,
    /// The introduction, with the time of writing.
    pub lead: String,
    /// The headline figures.
    pub figures: Vec<Figure>,
    /// The sections.
    pub sections: Vec<Section>,
}

/// One figure of the summary.
#[derive(Debug)]
pub struct Figure {
    /// What it measures.
    pub label: String,
    /// The number with its unit; `None` without data.
    pub value: Option<String>,
    /// How it is computed, or which command measures it.
    pub detail: String,
}

/// A section.
#[derive(Debug)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// The contents.
    pub blocks: Vec<Block>,
}

impl Section {
    /// The anchor that most Markdown renderers generate for the heading.
    pub fn anchor(&self) -> String {
        self.title.to_lowercase().replace(' ', "-")
    }
}

/// A part of a section.
#[derive(Debug)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// A list with a line of introduction.
    List(String, Vec<String>),
    /// A note that there is no data.
    NoData {
        /// The command that measures it.
        command: &'static str,
    },
    /// A table.
    Table(Table),
    /// Plots, side by side if there is room.
    Plots(Vec<Plot>),
}

/// A table. Its first column names the rows.
#[derive(Debug)]
pub struct Table {
    /// The caption.
    pub caption: String,
    /// The headings of the columns.
    pub columns: Vec<String>,
    /// Whether the columns after the first contain numbers.
    pub is_numeric: bool,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A row of a table.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// A cell for each column after the first.
    pub cells: Vec<Cell>,
    /// Whether it summarizes other rows.
    pub is_summary: bool,
}

impl Row {
    /// An ordinary row.
    pub fn new(name: impl Into<String>, cells: Vec<Cell>) -> Row {
        Row { name: name.into(), cells, is_summary: false }
    }

    /// A row that summarizes others.
    pub fn summary(name: impl Into<String>, cells: Vec<Cell>) -> Row {
        Row { name: name.into(), cells, is_summary: true }
    }
}

/// A cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// The text; empty if there is no value.
    pub text: String,
    /// The interval, shown in small print.
    pub detail: Option<String>,
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell { text, detail: None }
    }
}

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span<'a> {
    /// Text.
    Plain(&'a str),
    /// Text between backticks.
    Code(&'a str),
}

/// The pieces of a text. An unpaired backtick is an ordinary character.
pub fn spans(text: &str) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    let mut rest = text;
    while let Some((before, (code, after))) =
        rest.split_once('`').and_then(|(before, after)| Some((before, after.split_once('`')?)))
    {
        spans.extend([Span::Plain(before), Span::Code(code)]);
        rest = after;
    }
    spans.push(Span::Plain(rest));
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_delimit_code() {
        assert_eq!(spans("a `b` c"), [Span::Plain("a "), Span::Code("b"), Span::Plain(" c")]);
        assert_eq!(spans("one ` alone"), [Span::Plain("one ` alone")]);
    }

    #[test]
    fn anchor_matches_markdown_renderers() {
        assert_eq!(Section { title: "From text to answer", blocks: Vec::new() }.anchor(), "from-text-to-answer");
    }
}
