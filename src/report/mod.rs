//! The report on saved measurements, as one self-contained HTML page and as Markdown.
//!
//! [`data`] reads the measurements, and [`sections`] turns them into a [`document::Document`]. [`html`] and [`markdown`]
//! render the document, and [`plot`] draws its plots.

pub mod data;
pub mod document;
mod format;
mod grid;
pub mod html;
pub mod markdown;
mod palette;
pub mod plot;
pub mod sections;
