//! The report: what the measuring commands left behind, as one page of HTML that needs nothing but itself, and the same as
//! Markdown.
//!
//! [`data`] reads it, [`sections`] say what follows from it, as a [`document::Document`] that has no form yet; [`html`] and
//! [`markdown`] give it one, and [`plot`] draws.

pub mod data;
pub mod document;
mod format;
mod grid;
pub mod html;
pub mod markdown;
mod palette;
pub mod plot;
pub mod sections;
