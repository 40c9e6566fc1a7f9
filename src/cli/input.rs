//! Arguments shared by the verbs: a program, its inputs, an engine.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};

use crate::corpus::{self, Case, NearMiss};
use crate::lang::{Diagnostic, Language, Source, integer, printable};
use crate::plural::count;
use crate::registry;

/// The program (a file, standard input, or text on the command line) and its inputs.
#[derive(Args)]
pub(super) struct ProgramArg {
    /// The program's file, or `-` for standard input (omit it with -e), and then the inputs, bottom of the stack first
    #[arg(
        value_name = "FILE|INPUT",
        required_unless_present = "expression",
        allow_negative_numbers = true,
        value_hint = ValueHint::FilePath
    )]
    words: Vec<OsString>,

    /// The program text
    #[arg(short = 'e', value_name = "TEXT", allow_hyphen_values = true)]
    expression: Option<String>,

    /// The language of the program [default: `let` for files that end in .let, or else `stack`]
    #[arg(long, value_name = "NAME", value_parser = language_names())]
    language: Option<String>,
}

impl ProgramArg {
    /// Reads the program's text.
    pub fn source(&self) -> Result<Source> {
        let source = match (&self.expression, self.words.first()) {
            (Some(text), _) => Source::new("-e", text.as_bytes()),
            (None, Some(path)) => read(Path::new(path))?,
            (None, None) => bail!("no program given"),
        };
        Ok(match self.language.as_deref().and_then(Language::named) {
            Some(language) => source.in_language(language),
            None => source,
        })
    }

    /// The inputs after the program, if there are any.
    pub fn inputs(&self) -> Result<Option<Vec<i64>>> {
        let words = if self.expression.is_some() { &self.words[..] } else { &self.words[1..] };
        let mut inputs = Vec::new();
        for (index, word) in words.iter().enumerate() {
            let word = word.to_string_lossy();
            match word.parse() {
                Ok(Inputs(values)) => inputs.extend(values),
                Err(_) if index == 0 && self.expression.is_some() => {
                    bail!("`{word}` cannot be used with -e: it is not an input, and there can be only one program")
                }
                Err(reason) => bail!("{reason}; the arguments after the program are its inputs"),
            }
        }
        Ok(if words.is_empty() { None } else { Some(inputs) })
    }

    /// The inputs of each run, given after the program or with `--input`; `None` if neither was given.
    pub fn inputs_or(&self, option: &[Inputs]) -> Result<Option<Vec<Vec<i64>>>> {
        match (self.inputs()?, option) {
            (Some(_), [_, ..]) => bail!("--input cannot be used with inputs after the program"),
            (Some(inputs), []) => Ok(Some(vec![inputs])),
            (None, []) => Ok(None),
            (None, option) => Ok(Some(option.iter().map(|Inputs(values)| values.clone()).collect())),
        }
    }

    /// The inputs, for verbs that take only one list.
    pub fn only_inputs_or(&self, option: Option<&Inputs>) -> Result<Option<Vec<i64>>> {
        Ok(self.inputs_or(option.map_or(&[], std::slice::from_ref))?.map(|mut runs| runs.remove(0)))
    }
}

/// Reads a program from a file; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Source> {
    if path.as_os_str() == "-" {
        return Ok(Source::new("-", read_all(io::stdin()).context("cannot read standard input")?));
    }
    let name = path.display().to_string();
    let bytes = File::open(path).and_then(read_all).with_context(|| format!("cannot read `{name}`"))?;
    Ok(Source::of_file(path, bytes))
}

/// Reads at most one byte more than the parser accepts, so that an endless file is refused.
fn read_all(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(Source::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Parses the cases of a program. Warns about comments that look like cases but are not.
pub(super) fn cases(source: &Source) -> Result<Vec<Case>> {
    const MAX_SHOWN: usize = 5;
    let cases = corpus::cases(source).with_context(|| source.name().to_owned())?;
    let misses = corpus::near_misses(source);
    for NearMiss { at, help } in misses.iter().take(MAX_SHOWN) {
        warn(format_args!("{}:{at}: this comment is not parsed as a case: {help}", source.name()));
    }
    if misses.len() > MAX_SHOWN {
        let more = count(misses.len() - MAX_SHOWN, "more comment");
        warn(format_args!("{}: not parsed as cases either: {more}", source.name()));
    }
    Ok(cases)
}

/// The first case of a program that was given no inputs. Prints that the run uses this case.
pub(super) fn first_case(source: &Source) -> Result<Option<Case>> {
    const MAX_CHARS_SHOWN: usize = 100;
    let Some(case) = cases(source)?.into_iter().next() else { return Ok(None) };
    let mut text = case.to_string();
    if text.chars().count() > MAX_CHARS_SHOWN {
        text = text.chars().take(MAX_CHARS_SHOWN).chain(['…']).collect();
    }
    say(format_args!("note: no inputs given; using the case on line {}: {text}", case.line));
    say("note: give inputs after the program, as in FILE 5 6, or with --input, as in --input 5,6");
    Ok(Some(case))
}

/// Returns the inputs if a stack of `stack_limit` values can hold them, and a usage error otherwise.
pub(super) fn check_input_count(inputs: Vec<i64>, stack_limit: usize) -> Result<Vec<i64>> {
    corpus::check_input_count(inputs, stack_limit).map_err(anyhow::Error::msg)
}

/// A list of inputs as written on the command line, bottom of the stack first.
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
                return Err("a value is missing before or after a comma".into());
            }
            for word in part.split_whitespace() {
                values.push(value(word)?);
            }
        }
        Ok(Inputs(values))
    }
}

/// A clap parser that accepts names of languages.
pub(super) fn language_names() -> PossibleValuesParser {
    PossibleValuesParser::new(Language::ALL.map(Language::name))
}

/// A clap parser that accepts names of engines.
pub(super) fn engine_names() -> PossibleValuesParser {
    PossibleValuesParser::new(registry::all_names())
}

/// The name that selects all engines that the host can run.
pub(super) const ALL: &str = "all";

/// A clap parser that accepts names of engines and [`ALL`].
pub(super) fn engine_names_or_all() -> PossibleValuesParser {
    PossibleValuesParser::new(registry::all_names().chain([ALL]))
}

/// Shows a diagnostic on stderr.
pub(super) fn show(diagnostic: impl Into<Diagnostic>, source: &Source) {
    say(diagnostic.into().render(source));
}

/// Prints a warning to stderr.
pub(super) fn warn(message: impl Display) {
    let style = anstyle::AnsiColor::Yellow.on_default().effects(anstyle::Effects::BOLD);
    say(format_args!("{}warning:{} {message}", style.render(), style.render_reset()));
}

/// Prints a line to stderr. Errors are ignored, because there is nowhere to report them.
pub(super) fn say(message: impl Display) {
    let _ = writeln!(anstream::stderr(), "{message}");
}

/// The name of a file as a terminal may show it.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.display().to_string()).into_owned()
}

/// Cargo's target folder, where benchmarks and races save their measurements.
pub(super) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty()).unwrap_or("target".into()).into()
}

/// A duration in seconds, minutes or hours.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds: u64 = match &text[digits.len()..] {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3_600,
        unit => return Err(format!("`{unit}` is not s, m or h")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("`{digits}` is not a number"))?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or("too long".into())
}

/// A duration above zero: every program needs some time.
pub(super) fn nonzero_duration(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|time| if time.is_zero() { Err("must be at least 1s".into()) } else { Ok(time) })
}
