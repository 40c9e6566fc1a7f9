//! What the verbs are given: a program, its inputs, an engine.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};

use crate::corpus::{self, Case, NearMiss};
use crate::lang::{Diagnostic, Source, integer};
use crate::registry;

/// The program, a file, standard input, or the command line itself, and its inputs.
#[derive(Args)]
pub(super) struct ProgramArg {
    /// The program's file, or `-` for standard input; not with -e. Then the program's inputs, bottom of the stack first
    #[arg(
        value_name = "FILE|INPUT",
        required_unless_present = "expression",
        allow_negative_numbers = true,
        value_hint = ValueHint::FilePath
    )]
    words: Vec<OsString>,

    /// The program itself
    #[arg(short = 'e', value_name = "TEXT", allow_hyphen_values = true)]
    expression: Option<String>,
}

impl ProgramArg {
    /// Reads the text.
    pub fn source(&self) -> Result<Source> {
        match (&self.expression, self.words.first()) {
            (Some(text), _) => Ok(Source::new("-e", text.as_bytes())),
            (None, Some(path)) => read(Path::new(path)),
            (None, None) => bail!("no program was given"),
        }
    }

    /// The inputs that stand behind the program, if there are any.
    pub fn inputs(&self) -> Result<Option<Vec<i64>>> {
        let words = if self.expression.is_some() { &self.words[..] } else { &self.words[1..] };
        let mut inputs = Vec::new();
        for (index, word) in words.iter().enumerate() {
            let word = word.to_string_lossy();
            match word.parse() {
                Ok(Inputs(values)) => inputs.extend(values),
                Err(_) if index == 0 && self.expression.is_some() => {
                    bail!("the file `{word}` cannot be used with -e: there is one program, and `{word}` is no input")
                }
                Err(reason) => bail!("{reason}; behind the program stand its inputs"),
            }
        }
        Ok(if words.is_empty() { None } else { Some(inputs) })
    }

    /// The inputs of each run: those behind the program, or those of the option `--input`, if either was given.
    pub fn inputs_or(&self, option: &[Inputs]) -> Result<Option<Vec<Vec<i64>>>> {
        match (self.inputs()?, option) {
            (Some(_), [_, ..]) => bail!("--input cannot be used with inputs behind the program"),
            (Some(inputs), []) => Ok(Some(vec![inputs])),
            (None, []) => Ok(None),
            (None, option) => Ok(Some(option.iter().map(|Inputs(values)| values.clone()).collect())),
        }
    }

    /// The inputs, where there can be one list of them.
    pub fn only_inputs_or(&self, option: Option<&Inputs>) -> Result<Option<Vec<i64>>> {
        Ok(self.inputs_or(option.map_or(&[], std::slice::from_ref))?.map(|mut runs| runs.remove(0)))
    }
}

/// Reads a program's file; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Source> {
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

/// The cases of a program's text. Says which comments only look like cases.
pub(super) fn cases(source: &Source) -> Result<Vec<Case>> {
    const MAX_SHOWN: usize = 5;
    let cases = corpus::cases(source).with_context(|| source.name().to_owned())?;
    let misses = corpus::near_misses(source);
    for NearMiss { at, help } in misses.iter().take(MAX_SHOWN) {
        warn(format_args!("{}:{at}: this comment is not read as a case: {help}", source.name()));
    }
    if misses.len() > MAX_SHOWN {
        let more = count(misses.len() - MAX_SHOWN, "more comment");
        warn(format_args!("{}: {more} only look like cases", source.name()));
    }
    Ok(cases)
}

/// The first case of a program that was given no inputs, and so runs as that says. Says so.
pub(super) fn first_case(source: &Source) -> Result<Option<Case>> {
    const MAX_CHARS_SHOWN: usize = 100;
    let Some(case) = cases(source)?.into_iter().next() else { return Ok(None) };
    let mut text = case.to_string();
    if text.chars().count() > MAX_CHARS_SHOWN {
        text = text.chars().take(MAX_CHARS_SHOWN).chain(['…']).collect();
    }
    say(format_args!("note: no inputs were given, so the program runs as its case on line {} says: {text}", case.line));
    say("note: other inputs stand behind the program, as in FILE 5 6, or behind --input, as in --input 5,6");
    Ok(Some(case))
}

/// The inputs of a run, where a stack of so many values has room for them.
pub(super) fn check_input_count(inputs: Vec<i64>, stack_limit: usize) -> Result<Vec<i64>> {
    corpus::check_input_count(inputs, stack_limit).map_err(anyhow::Error::msg)
}

/// So many things, in words: `1 program`, `2 programs`.
pub(super) fn count<N: Display + PartialEq + From<u8>>(number: N, thing: &str) -> String {
    let ending = if number == N::from(1) { "" } else { "s" };
    format!("{number} {thing}{ending}")
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

/// The word for all engines that the host can run.
pub(super) const ALL: &str = "all";

/// Names of engines or [`ALL`], for clap to check.
pub(super) fn engine_names_or_all() -> PossibleValuesParser {
    PossibleValuesParser::new(registry::names().chain([ALL]))
}

/// Shows a diagnostic on stderr.
pub(super) fn show(diagnostic: impl Into<Diagnostic>, source: &Source) {
    say(diagnostic.into().render(source));
}

/// Says on stderr what is probably not meant.
pub(super) fn warn(message: impl Display) {
    let style = anstyle::AnsiColor::Yellow.on_default().effects(anstyle::Effects::BOLD);
    say(format_args!("{}warning:{} {message}", style.render(), style.render_reset()));
}

/// Says something on stderr. Where that cannot take it there is nobody left to tell.
pub(super) fn say(message: impl Display) {
    let _ = writeln!(anstream::stderr(), "{message}");
}
