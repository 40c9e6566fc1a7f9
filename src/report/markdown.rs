//! Renders a document as GitHub-flavored Markdown. Its plots are files in the same folder.

use std::fmt::Write;

use super::document::{Block, Cell, Document, Figure, Row, Span, Table, spans};
use super::plot::Plot;

/// The page.
pub fn page(document: &Document) -> String {
    let Document { title, lead, figures, sections } = document;
    let mut page = format!("# {}\n\n{}\n\n", text(title), text(lead));
    for Figure { label, value, detail } in figures {
        let value = value.as_deref().unwrap_or("–");
        page += &format!("- {}: **{}** ({})\n", text(label), text(value), text(detail));
    }
    page += "\n";
    for section in sections {
        page += &format!("- [{}](#{})\n", text(section.title), section.anchor());
    }
    for section in sections {
        page += &format!("\n## {}\n", text(section.title));
        for one in &section.blocks {
            page.push('\n');
            page += &block(one);
        }
    }
    page
}

/// The plots that the page refers to: the name and the contents of each file.
pub fn plots(document: &Document) -> impl Iterator<Item = (String, String)> {
    let blocks = document.sections.iter().flat_map(|section| &section.blocks);
    let plots = blocks.filter_map(|block| if let Block::Plots(plots) = block { Some(plots) } else { None }).flatten();
    plots.map(|plot| (file_name(plot), plot.file()))
}

/// The name of a plot's file. Part of it comes from data, which must not be able to name another folder.
fn file_name(plot: &Plot) -> String {
    let plain = |c: char| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    format!("{}.svg", plot.name.chars().map(plain).collect::<String>())
}

/// Characters with a special meaning in Markdown.
const SPECIAL: &str = "\\`*_{}[]<>#|~&!";

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            // A cell or an item must be one line.
            '\n' | '\r' => escaped.push(' '),
            _ if SPECIAL.contains(character) => escaped.extend(['\\', character]),
            _ => escaped.push(character),
        }
    }
    escaped
}

fn text(text: &str) -> String {
    let mut words = String::new();
    for span in spans(text) {
        match span {
            Span::Plain(text) => words += &escaped(text),
            // In code, only the separator of a table's cells is special.
            Span::Code(text) => write!(words, "`{}`", text.replace('|', "\\|").replace(['\n', '\r'], " "))
                .expect("writing to a string cannot fail"),
        }
    }
    words
}

fn block(block: &Block) -> String {
    match block {
        Block::Text(words) => format!("{}\n", text(words)),
        Block::List(head, items) => {
            let items: String = items.iter().map(|item| format!("- {}\n", text(item))).collect();
            format!("{}\n\n{items}", text(head))
        }
        Block::NoData { command } => format!("No data yet. This command measures it:\n\n```sh\n{command}\n```\n"),
        Block::Table(one) => table(one),
        Block::Plots(plots) => {
            let image = |plot: &Plot| format!("![{}]({})\n", escaped(&plot.title), file_name(plot));
            plots.iter().map(image).collect()
        }
    }
}

fn table(table: &Table) -> String {
    let Table { caption, columns, is_numeric, rows } = table;
    let line = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let rule = if *is_numeric { "--:" } else { "---" };
    let rules = ["---"].into_iter().chain(columns.iter().skip(1).map(|_| rule));
    let mut lines = format!("{}\n\n", text(caption));
    lines += &line(&mut columns.iter().map(|column| escaped(column)));
    lines += &line(&mut rules.map(Into::into));
    for Row { name, cells, is_summary } in rows {
        let bold = |text: String| if *is_summary && !text.is_empty() { format!("**{text}**") } else { text };
        let cell = |Cell { text: words, detail }: &Cell| {
            let detail = detail.as_ref().map_or(String::new(), |detail| format!(" ({})", escaped(detail)));
            bold(text(words)) + &detail
        };
        lines += &line(&mut [bold(escaped(name))].into_iter().chain(cells.iter().map(cell)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_escaped() {
        assert_eq!(text("a|b <i> *c* [d](e)\n- `f|g`"), r"a\|b \<i\> \*c\* \[d\](e) - `f\|g`");
    }

    #[test]
    fn table_row_is_one_line() {
        let cells = vec![Cell { text: "1\n2".into(), detail: Some("a|b".into()) }, Cell::default()];
        let rows = vec![Row::summary("x", cells.clone()), Row::new("y", cells)];
        let columns = ["n", "m", "o"].map(String::from).to_vec();
        let table = Table { caption: "of `c`.".into(), columns, is_numeric: true, rows };
        let expected =
            "of `c`.\n\n| n | m | o |\n| --- | --: | --: |\n| **x** | **1 2** (a\\|b) |  |\n| y | 1 2 (a\\|b) |  |\n";
        assert_eq!(super::table(&table), expected);
    }
}
