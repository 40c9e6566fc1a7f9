//! A progress line on the terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// A line on standard error that is overwritten in place. Prints nothing if standard error is not a terminal.
#[derive(Default)]
pub(super) struct ProgressLine {
    /// When the visible line was written, if there is one.
    shown: Option<Instant>,
}

impl ProgressLine {
    /// Prints the line, a few times a second at most.
    pub fn show(&mut self, text: impl Display) {
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= Duration::from_millis(300));
        if due && io::stderr().is_terminal() {
            // Progress that cannot be written is not worth an error.
            let _ = write!(anstream::stderr(), "\r\x1b[K{text}");
            self.shown = Some(Instant::now());
        }
    }

    /// Erases the line, so that something else can be printed.
    pub fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(anstream::stderr(), "\r\x1b[K");
        }
    }
}
