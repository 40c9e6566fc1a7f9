//! Numbers with nouns in messages.

use std::fmt::Display;

/// A number with its noun, in the plural if needed: `1 program`, `2 programs`.
pub fn count<N: Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    let ending = if number == N::from(1) { "" } else { "s" };
    format!("{number} {noun}{ending}")
}
