//! The line on a terminal that says how far something is.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// A line of standard error that is written over and over; nothing where that is no terminal.
#[derive(Default)]
pub(super) struct ProgressLine {
    /// When it was written, where it stands.
    shown: Option<Instant>,
}

impl ProgressLine {
    /// Writes it, a few times a second at most.
    pub fn show(&mut self, text: impl Display) {
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= Duration::from_millis(300));
        if due && io::stderr().is_terminal() {
            // Where stderr takes nothing, nobody looks.
            let _ = write!(anstream::stderr(), "\r\x1b[K{text}");
            self.shown = Some(Instant::now());
        }
    }

    /// Takes it away, so that something else can be printed.
    pub fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(anstream::stderr(), "\r\x1b[K");
        }
    }
}
