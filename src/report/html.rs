//! Renders a document as one self-contained HTML page without scripts, for light and dark mode and for small screens.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::document::{Block, Cell, Document, Figure, Row, Section, Span, Table, spans};
use super::plot::{self, Plot};

/// The page.
pub fn page(document: &Document) -> String {
    let Document { title, lead, figures, sections } = document;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                // Without an icon, browsers request one from the server.
                link rel="icon" href="data:,";
                style { (PreEscaped(css())) }
            }
            body {
                header {
                    h1 { (title) }
                    p { (text(lead)) }
                }
                main {
                    div.figures { @for one in figures { (figure(one)) } }
                    nav aria-label="Contents" {
                        ul { @for section in sections { li { a href={ "#" (section.anchor()) } { (section.title) } } } }
                    }
                    @for one in sections { (section(one)) }
                }
            }
        }
    };
    page.into_string() + "\n"
}

fn css() -> String {
    super::palette::css(":root") + &plot::css() + include_str!("page.css")
}

fn text(text: &str) -> Markup {
    html! {
        @for span in spans(text) {
            @match span {
                Span::Plain(text) => (text),
                Span::Code(text) => code { (text) },
            }
        }
    }
}

fn figure(Figure { label, value, detail }: &Figure) -> Markup {
    html! {
        div.figure {
            div.label { (text(label)) }
            div.value { (value.as_deref().unwrap_or("–")) }
            div.detail { (text(detail)) }
        }
    }
}

fn section(section: &Section) -> Markup {
    html! {
        section id=(section.anchor()) {
            h2 { (section.title) }
            @for (index, one) in section.blocks.iter().enumerate() {
                // The first table is open; large later ones are collapsed.
                @let is_first = !section.blocks[..index].iter().any(|block| matches!(block, Block::Table(_)));
                (block(one, is_first))
            }
        }
    }
}

fn block(block: &Block, is_first: bool) -> Markup {
    match block {
        Block::Text(words) => html! { p { (text(words)) } },
        Block::List(head, items) => html! {
            p { (text(head)) }
            ul { @for item in items { li { (text(item)) } } }
        },
        Block::NoData { command } => html! {
            div.missing { p { "No data yet. This command measures it:" } pre { code { (command) } } }
        },
        Block::Table(one) => table(one, is_first || one.rows.len() < MANY_ROWS),
        Block::Plots(plots) => html! { div.plots.many[plots.len() > 2] { @for one in plots { (framed(one)) } } },
    }
}

fn framed(plot: &Plot) -> Markup {
    // A focusable element can be scrolled with the keyboard.
    html! {
        figure {
            figcaption { (plot.title) }
            div.scroll tabindex="0" role="group" aria-label=(plot.title) { (plot.markup()) }
        }
    }
}

/// A table with at least this many rows is collapsed at first, unless it is its section's first table.
const MANY_ROWS: usize = 12;

fn table(table: &Table, is_open: bool) -> Markup {
    let Table { caption, columns, is_numeric, rows } = table;
    html! {
        details open[is_open] {
            summary { (text(caption)) }
            div.scroll tabindex="0" role="group" aria-label=(caption) { table.numeric[*is_numeric] {
                thead { tr { @for column in columns { th scope="col" { (column) } } } }
                tbody {
                    @for Row { name, cells, is_summary } in rows {
                        tr.summary[*is_summary] {
                            th scope="row" { (name) }
                            @for one in cells { (cell(one)) }
                        }
                    }
                }
            } }
        }
    }
}

fn cell(cell: &Cell) -> Markup {
    html! {
        td {
            (text(&cell.text))
            @if let Some(detail) = &cell.detail { " " small { (detail) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_escaped() {
        let nasty = "<script>\"&'`</script>";
        let cell = Cell { text: nasty.into(), detail: Some(nasty.into()) };
        let table = Table {
            caption: nasty.into(),
            columns: vec![nasty.into()],
            is_numeric: false,
            rows: vec![Row::new(nasty, vec![cell])],
        };
        let blocks =
            vec![Block::Table(table), Block::Text(nasty.into()), Block::List(nasty.into(), vec![nasty.into()])];
        let document = Document {
            title: nasty.into(),
            lead: nasty.into(),
            figures: vec![Figure { label: nasty.into(), value: Some(nasty.into()), detail: nasty.into() }],
            sections: vec![Section { title: "One", blocks }],
        };
        let page = page(&document);
        assert!(!page.contains("<script") && !page.contains("</script"), "{page}");
        // The title appears twice, the lead once, the figure's texts three times, the caption twice, the column and the row
        // once, the cell's texts twice, the paragraph once and the list's texts twice.
        assert_eq!(page.matches("&lt;script&gt;").count(), 15);
    }
}
