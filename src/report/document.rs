//! The report before it has a form: what both HTML and Markdown say, so that they cannot differ.
//!
//! Texts are plain, with `code` between backticks; each renderer escapes what its form takes for more than text.

use super::plot::Plot;

/// The whole report.
#[derive(Debug)]
pub struct Document {
    /// The heading.
    pub title: String,
    /// What it is and when it was written.
    pub lead: String,
    /// The figures people come for.
    pub figures: Vec<Figure>,
    /// The sections.
    pub sections: Vec<Section>,
}

/// One figure of the summary.
#[derive(Debug)]
pub struct Figure {
    /// What it is.
    pub label: String,
    /// The number with its unit; `None` where there is no data.
    pub value: Option<String>,
    /// Of what it is taken, or which command makes it.
    pub detail: String,
}

/// A section.
#[derive(Debug)]
pub struct Section {
    /// The heading, of which the anchor is made.
    pub title: &'static str,
    /// What it holds.
    pub blocks: Vec<Block>,
}

impl Section {
    /// The anchor: what most renderers of Markdown make of the heading.
    pub fn anchor(&self) -> String {
        self.title.to_lowercase().replace(' ', "-")
    }
}

/// A part of a section.
#[derive(Debug)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Points, under a line that says of what.
    List(String, Vec<String>),
    /// That there is no data, and the command that makes it.
    NoData {
        /// The command.
        command: &'static str,
    },
    /// A table.
    Table(Table),
    /// Plots, side by side where there is room.
    Plots(Vec<Plot>),
}

/// A table, of which the first column names the rows.
#[derive(Debug)]
pub struct Table {
    /// What the table shows.
    pub caption: String,
    /// The headings.
    pub columns: Vec<String>,
    /// Whether the columns behind the first hold numbers.
    pub is_numeric: bool,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A row of a table.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// A cell for each column behind the first.
    pub cells: Vec<Cell>,
    /// Whether it sums others up.
    pub is_summary: bool,
}

impl Row {
    /// An ordinary row.
    pub fn new(name: impl Into<String>, cells: Vec<Cell>) -> Row {
        Row { name: name.into(), cells, is_summary: false }
    }

    /// A row that sums others up.
    pub fn summary(name: impl Into<String>, cells: Vec<Cell>) -> Row {
        Row { name: name.into(), cells, is_summary: true }
    }
}

/// A cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// The text; none where there is no value.
    pub text: String,
    /// What stands small beside it: the interval.
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
    /// What stood between backticks.
    Code(&'a str),
}

/// The pieces of a text. A backtick that has no partner is an ordinary character.
pub fn spans(text: &str) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    let mut rest = text;
    while let Some((before, (code, behind))) =
        rest.split_once('`').and_then(|(before, behind)| Some((before, behind.split_once('`')?)))
    {
        spans.extend([Span::Plain(before), Span::Code(code)]);
        rest = behind;
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
