//! Where lines come from: a terminal, or else standard input as it is.

use std::io::{BufRead, Read};

use anyhow::{Context, Result};

use super::terminal::Words;

/// What can be read.
pub enum Input {
    /// A line without its line feed. It may have others in it if it was pasted or comes from the history.
    Line(Vec<u8>),
    /// The user pressed Ctrl-C, which discards the input so far.
    Interrupted,
    /// The end.
    End,
}

/// A source of lines.
pub trait Lines {
    /// The next line. `is_first` says that it begins a command or a program, and `words` gives what can be completed.
    fn next(&mut self, is_first: bool, words: &dyn Fn() -> Words) -> Result<Input>;

    /// Adds a complete command or program to the history.
    fn remember(&mut self, text: &str);
}

/// Standard input that is no terminal.
pub struct Piped<R> {
    /// The input.
    pub input: R,
    /// The greatest size of a line. A longer one is cut to one byte more, so the reader must not go on after it.
    pub most_bytes: usize,
}

impl<R: BufRead> Lines for Piped<R> {
    fn next(&mut self, _: bool, _: &dyn Fn() -> Words) -> Result<Input> {
        let mut line = Vec::new();
        let mut input = self.input.by_ref().take(self.most_bytes as u64 + 1);
        input.read_until(b'\n', &mut line).context("cannot read standard input")?;
        Ok(match line.pop_if(|byte| *byte == b'\n') {
            None if line.is_empty() => Input::End,
            _ => Input::Line(line),
        })
    }

    fn remember(&mut self, _: &str) {}
}
