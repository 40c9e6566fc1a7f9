//! What the verbs are given: a program, its inputs, an engine.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::corpus::{self, Case};
use crate::lang::{Diagnostic, Source, integer};
use crate::registry;

/// The program: a file, standard input, or the command line itself.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct ProgramArg {
    /// The program's file; `-` is standard input
    file: Option<PathBuf>,

    /// The program itself
    #[arg(short = 'e', value_name = "TEXT", allow_hyphen_values = true)]
    expression: Option<String>,
}

impl ProgramArg {
    /// Reads the text.
    pub fn source(&self) -> Result<Source> {
        match (&self.expression, &self.file) {
            (Some(text), _) => Ok(Source::new("-e", text.as_bytes())),
            (None, Some(path)) => read(path),
            (None, None) => bail!("no program was given"),
        }
    }
}

/// Reads a program's file; `-` is standard input.
pub(super) fn read(path: &std::path::Path) -> Result<Source> {
    if path.as_os_str() == "-" {
        return Ok(Source::new("-", read_all(io::stdin()).context("cannot read standard input")?));
    }
    let name = path.display().to_string();
    let bytes = File::open(path).and_then(read_all).with_context(|| format!("cannot read `{name}`"))?;
    Ok(Source::new(name, bytes))
}

/// Reads no more than the parser will refuse, so that an endless file ends.
fn read_all(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(Source::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The cases of a program's text.
pub(super) fn cases(source: &Source) -> Result<Vec<Case>> {
    corpus::cases(source).with_context(|| source.name().to_owned())
}

/// A list of inputs, bottom of the stack first, as it is written on the command line.
#[derive(Clone, Debug)]
pub(super) struct Inputs(pub Vec<i64>);

impl std::str::FromStr for Inputs {
    type Err = String;

    fn from_str(text: &str) -> Result<Inputs, String> {
        let value = |word: &str| integer(word).ok_or(format!("`{word}` is not a 64-bit integer"));
        let mut values = Vec::new();
        if text.trim().is_empty() {
            return Ok(Inputs(values));
        }
        for part in text.split(',') {
            if part.trim().is_empty() {
                return Err("a value is missing before or behind a comma".into());
            }
            for word in part.split_whitespace() {
                values.push(value(word)?);
            }
        }
        Ok(Inputs(values))
    }
}

/// Names of engines, for clap to check.
pub(super) fn engine_names() -> PossibleValuesParser {
    PossibleValuesParser::new(registry::names())
}

/// Shows a diagnostic on stderr.
pub(super) fn show(diagnostic: impl Into<Diagnostic>, source: &Source) {
    say(diagnostic.into().render(source));
}

/// Says something on stderr. Where that cannot take it there is nobody left to tell.
pub(super) fn say(message: impl std::fmt::Display) {
    let _ = writeln!(anstream::stderr(), "{message}");
}
