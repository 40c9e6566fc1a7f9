//! Standard output for all verbs.
//!
//! The exit code must not depend on how much of the output is read, so a verb's writes never fail. If the reader of a
//! pipe has closed it, further output is discarded, and a session of `repl` ends with the status that it has. Any other loss of output is reported by [`Output::finish`], which
//! sets the exit code. Writes bypass std's own `Stdout`, because it does not report that a stream cannot be written.

use std::fs::File;
use std::io::{self, LineWriter, Write};
use std::os::fd::AsFd;

use anstream::{AutoStream, ColorChoice};
use serde_json::Value;

use super::input::say;
use super::{Status, print_error};
use crate::exec::stdout_was_closed;
use crate::lang::printable_lines;

/// Standard output. Writing to it never returns an error.
#[derive(Default)]
pub(super) struct Output(Stream);

#[derive(Default)]
enum Stream {
    /// Nothing has been written yet, so a closed stdout is not an error.
    #[default]
    Untouched,
    Open(LineWriter<File>),
    /// The reader has closed the pipe.
    ReaderGone,
    Lost(io::Error),
}

impl Stream {
    fn open() -> Stream {
        if stdout_was_closed() {
            return Stream::Lost(io::Error::other("it is closed"));
        }
        match io::stdout().as_fd().try_clone_to_owned() {
            Ok(descriptor) => Stream::Open(LineWriter::new(File::from(descriptor))),
            Err(error) => Stream::Lost(error),
        }
    }
}

impl Output {
    /// Whether further output is discarded, so that there is no point in producing more.
    pub fn is_lost(&self) -> bool {
        matches!(self.0, Stream::ReaderGone | Stream::Lost(_))
    }

    /// Prints clap's help to stdout, or its error message to stderr.
    pub fn print_help_or_error(&mut self, answer: &clap::Error) -> Status {
        if answer.use_stderr() {
            // clap repeats arguments as they are. In its colored text, their control characters look like its own.
            if std::env::args_os().any(|argument| argument.to_string_lossy().contains(char::is_control)) {
                say(printable_lines(answer.render().to_string().trim_end()));
            } else {
                // There is nowhere to report that stderr failed.
                let _ = answer.print();
            }
            return Status::Usage;
        }
        let text = answer.render();
        self.attempt(|stream| match AutoStream::choice(&io::stdout()) {
            ColorChoice::Never => write!(stream, "{text}"),
            _ => write!(stream, "{}", text.ansi()),
        });
        Status::Ok
    }

    /// Prints a line of JSON. Control characters are escaped: JSON allows some of them, but a terminal may obey them.
    pub fn json_line(&mut self, line: &Value) -> io::Result<()> {
        let mut text = line.to_string();
        if text.contains(char::is_control) {
            let escaped = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.into() };
            text = text.chars().map(escaped).collect();
        }
        writeln!(self, "{text}")
    }

    /// Flushes, and prints an error if output was lost. Returns the worse of `status` and the status of the output.
    pub fn finish(mut self, status: Status) -> Status {
        let _ = self.flush();
        match self.0 {
            Stream::Lost(error) => {
                print_error(&anyhow::Error::new(error).context("cannot write to standard output"));
                status.max(Status::Usage)
            }
            _ => status,
        }
    }

    fn attempt(&mut self, write: impl FnOnce(&mut LineWriter<File>) -> io::Result<()>) {
        if let Stream::Untouched = self.0 {
            self.0 = Stream::open();
        }
        let Stream::Open(stream) = &mut self.0 else { return };
        match write(stream) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.0 = Stream::ReaderGone,
            Err(error) => self.0 = Stream::Lost(error),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|stream| stream.write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Stream::Open(_) = self.0 {
            self.attempt(Write::flush);
        }
        Ok(())
    }
}
