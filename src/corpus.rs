//! Corpus files: programs with test cases in comments.
//!
//! A line `\ case [fuel=N] [stack-limit=N] [call-limit=N]: INPUTS -> RESULT` is a case. In let programs, it begins with
//! `//`. Cases are found in the raw bytes, so even a program that is not valid UTF-8 can state its expected result. A
//! comment that only resembles a case is not one; [`near_misses`] reports it.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::lang::{Language, Place, Source, integer};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT, TrapKind, Verdict};

/// One case of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its line, from 1.
    pub line: usize,
    /// The language of the program that it is in.
    pub language: Language,
    /// The loop iterations and calls that may start, if limited.
    pub fuel: Option<u64>,
    /// The maximum number of values on the stack.
    pub stack_limit: usize,
    /// The maximum number of active calls.
    pub call_limit: u64,
    /// The initial stack, bottom first.
    pub inputs: Vec<i64>,
    /// The expected result.
    pub expected: Verdict,
}

impl Case {
    /// Whether it has the default limits, and so no limit of fuel.
    pub fn has_default_limits(&self) -> bool {
        let Case { fuel, stack_limit, call_limit, .. } = self;
        (*fuel, *stack_limit, *call_limit) == (None, DEFAULT_STACK_LIMIT, DEFAULT_CALL_LIMIT)
    }
}

/// The case line, as [`cases`] parses it.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} case", self.language.comment())?;
        if let Some(fuel) = self.fuel {
            write!(f, " fuel={fuel}")?;
        }
        if self.stack_limit != DEFAULT_STACK_LIMIT {
            write!(f, " stack-limit={}", self.stack_limit)?;
        }
        if self.call_limit != DEFAULT_CALL_LIMIT {
            write!(f, " call-limit={}", self.call_limit)?;
        }
        let inputs: String = self.inputs.iter().map(|input| format!(" {input}")).collect();
        write!(f, ":{inputs} -> {}", self.expected)
    }
}

/// A line that begins like a case but is malformed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}; write `{} case [fuel=N] [stack-limit=N] [call-limit=N]: INPUTS -> RESULT`", language.comment())]
pub struct CaseError {
    /// The line, from 1.
    pub line: usize,
    /// The language of the program.
    pub language: Language,
    /// What is wrong with it.
    pub message: String,
}

/// The folders that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(FolderError::to_string).collect::<Vec<_>>().join("\n"))]
pub struct FolderErrors(pub Vec<FolderError>);

/// A folder that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`: {error}", path.display())]
pub struct FolderError {
    /// The folder.
    pub path: PathBuf,
    /// The system's error.
    pub error: io::Error,
}

/// Finds the programs at a path: the path itself unless it is a folder, else all `*.stk` and `*.let` files in and below the folder,
/// sorted by name. Pipes, sockets and devices in a folder are skipped, because reading them may never end.
///
/// # Errors
/// The folders that cannot be read. They do not hide the programs in the others: `found` has those in any case.
pub fn programs(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), FolderErrors> {
    let mut errors = Vec::new();
    find(path, found, &mut errors);
    if errors.is_empty() { Ok(()) } else { Err(FolderErrors(errors)) }
}

fn find(path: &Path, found: &mut Vec<PathBuf>, errors: &mut Vec<FolderError>) {
    if !path.is_dir() {
        found.push(path.to_owned());
        return;
    }
    let entries = match std::fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => return errors.push(FolderError { path: path.to_owned(), error }),
    };
    let is_ours = |ending: &OsStr| Language::ALL.iter().any(|language| ending == language.extension());
    let mut paths: Vec<_> = entries
        .iter()
        // A link to a folder might create a cycle.
        .map(|entry| (entry.path(), entry.file_type().is_ok_and(|kind| kind.is_dir())))
        .filter(|(path, is_folder)| *is_folder || (path.extension().is_some_and(is_ours) && may_be_program(path)))
        .map(|(path, _)| path)
        .collect();
    paths.sort();
    paths.iter().for_each(|path| find(path, found, errors));
}

/// Whether a path is a regular file or a dangling link. The caller reports an error for the latter when it reads it.
fn may_be_program(path: &Path) -> bool {
    path.is_file() || !path.exists()
}

/// The cases of a text, in line order.
///
/// # Errors
/// The first line that begins like a case but is malformed.
pub fn cases(source: &Source) -> Result<Vec<Case>, CaseError> {
    let language = source.language();
    let mut cases = Vec::new();
    for (line, text) in lines(source) {
        if let Some(rest) = after_case(&text, language) {
            cases.push(case(line, language, rest).map_err(|message| CaseError { line, language, message })?);
        }
    }
    Ok(cases)
}

/// The lines of a text, numbered from 1.
fn lines(source: &Source) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
    (1..).zip(source.bytes().split(|&byte| byte == b'\n').map(String::from_utf8_lossy))
}

const BLANKS: [char; 2] = [' ', '\t'];

/// The rest of a line that begins with `\ case` or, in a let program, `// case`.
fn after_case(line: &str, language: Language) -> Option<&str> {
    let comment = line.trim_start().strip_prefix(language.comment())?;
    let comment = if language == Language::Stack { comment.strip_prefix(BLANKS)? } else { comment };
    let rest = comment.trim_start_matches(BLANKS).strip_prefix("case")?;
    rest.starts_with([' ', '\t', ':']).then_some(rest)
}

/// A comment that looks like a case but is not parsed as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// Where the comment begins.
    pub at: Place,
    /// How to turn it into a case.
    pub help: &'static str,
}

/// The comments that look like cases (`INPUTS -> RESULT`) but are not parsed as cases.
pub fn near_misses(source: &Source) -> Vec<NearMiss> {
    match source.language() {
        Language::Stack => lines(source).filter_map(|(line, text)| near_miss(line, &text)).collect(),
        Language::Let => lines(source).filter_map(|(line, text)| near_miss_in_let(line, &text)).collect(),
    }
}

fn near_miss_in_let(line: usize, text: &str) -> Option<NearMiss> {
    let at = text.find("//")?;
    if after_case(text, Language::Let).is_some() || !looks_like_case(&text[at + 2..]) || !text[at..].contains("->") {
        return None;
    }
    let help = if text[..at].trim().is_empty() {
        "a case begins with `// case` in lowercase"
    } else {
        "a case must be on a line of its own"
    };
    Some(NearMiss { at: Place { line, column: text[..at].chars().count() + 1 }, help })
}

fn near_miss(line: usize, text: &str) -> Option<NearMiss> {
    if after_case(text, Language::Stack).is_some() {
        return None;
    }
    // Searched once per line, not once per comment: a line may have any number of comments.
    let arrow = text.rfind("->")?;
    let opens = |&(at, _): &(usize, &str)| {
        let (before, behind) = (&text[..at], &text[at + 1..]);
        // A comment's opening word is surrounded by white space.
        (before.is_empty() || before.ends_with(char::is_whitespace)) && behind.starts_with(BLANKS)
    };
    let mut comments = text[..arrow].match_indices(['\\', '(']).filter(opens);
    let (at, opening) = comments.find(|(at, _)| looks_like_case(&text[at + 1..]))?;
    let help = if opening == "(" {
        "a case must be in a line comment: `\\ case: INPUTS -> RESULT`"
    } else if !text[..at].trim().is_empty() {
        "a case must be on a line of its own"
    } else {
        "a case begins with `\\ case` in lowercase"
    };
    Some(NearMiss { at: Place { line, column: text[..at].chars().count() + 1 }, help })
}

/// Whether a comment begins with the word `case` in any mix of upper and lower case.
fn looks_like_case(comment: &str) -> bool {
    let comment = comment.trim_start();
    let word = comment.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("case"));
    word && !comment[4..].starts_with(|next: char| next.is_alphabetic() && next != 's')
}

/// Returns the inputs if a stack of `stack_limit` values can hold them.
///
/// # Errors
/// A message if it cannot.
pub fn check_input_count(inputs: Vec<i64>, stack_limit: usize) -> Result<Vec<i64>, String> {
    if inputs.len() > stack_limit {
        return Err(format!("too many inputs for the stack limit: {}, but at most {stack_limit} fit", inputs.len()));
    }
    Ok(inputs)
}

fn case(line: usize, language: Language, rest: &str) -> Result<Case, String> {
    let (options, rest) = rest.split_once(':').ok_or("a case needs a `:` before its inputs")?;
    let (inputs, result) = rest.split_once("->").ok_or("a case needs a `->` before its result")?;
    let (mut fuel, mut stack_limit, mut call_limit) = (None, DEFAULT_STACK_LIMIT, DEFAULT_CALL_LIMIT);
    for option in options.split_whitespace() {
        match option.split_once('=') {
            Some(("fuel", value)) => fuel = Some(limit(value)?),
            Some(("stack-limit", value)) => stack_limit = limit(value)?,
            Some(("call-limit", value)) => call_limit = limit(value)?,
            _ => return Err(format!("unknown option `{option}`")),
        }
    }
    let inputs = values(inputs)?;
    let inputs = check_input_count(inputs, stack_limit)?;
    Ok(Case { line, language, fuel, stack_limit, call_limit, inputs, expected: verdict(result.trim())? })
}

/// The result in a case line, without the white space around it.
///
/// # Errors
/// A message if it is malformed.
pub fn verdict(text: &str) -> Result<Verdict, String> {
    let split = |rest: &str| -> Result<(String, Place), String> {
        let (kind, at) = rest.trim().rsplit_once(' ').ok_or("a trap or rejection needs a kind and a location")?;
        let (line, column) = at.split_once(':').ok_or(format!("`{at}` is not a location LINE:COLUMN"))?;
        Ok((kind.trim().into(), Place { line: number(line)?, column: number(column)? }))
    };
    if let Some(rest) = text.strip_prefix("trap ") {
        let (kind, at) = split(rest)?;
        let kind = TrapKind::ALL.into_iter().find(|known| known.to_string() == kind);
        Ok(Verdict::Trap { kind: kind.ok_or(format!("unknown trap in `{text}`"))?, at })
    } else if let Some(rest) = text.strip_prefix("rejected ") {
        let (kind, at) = split(rest)?;
        let kind = Verdict::REJECTIONS.into_iter().find(|known| *known == kind);
        Ok(Verdict::Rejected { kind: kind.ok_or(format!("unknown rejection in `{text}`"))?, at })
    } else {
        Ok(Verdict::Done(values(text)?))
    }
}

fn values(text: &str) -> Result<Vec<i64>, String> {
    let value = |word| integer(word).ok_or(format!("`{word}` is not a 64-bit integer"));
    text.split_whitespace().map(value).collect()
}

/// A limit: a literal without a sign, from 0 to 2^64 - 1.
fn limit<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    let value = if is_decimal { text.parse().ok() } else { integer(text).map(|value| value as u64) };
    let value = value.filter(|_| !text.starts_with('-')).and_then(|value| T::try_from(value).ok());
    value.ok_or(format!("`{text}` is not a number in range"))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number in range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Case>, CaseError> {
        cases(&Source::new("test", text))
    }

    #[test]
    fn a_case_has_options_inputs_and_a_result() {
        let text = "\\ case fuel=5 stack-limit=7 call-limit=0: 1 -2 -> 3\n+\n\\ cases are these\n\\ case: -> \n";
        let cases = parsed(text).expect("the cases are well-formed");
        let expected = Verdict::Done(vec![3]);
        let language = Language::Stack;
        let case =
            Case { line: 1, language, fuel: Some(5), stack_limit: 7, call_limit: 0, inputs: vec![1, -2], expected };
        assert_eq!(cases[0], case);
        let defaults = (None, DEFAULT_STACK_LIMIT, DEFAULT_CALL_LIMIT);
        assert_eq!((cases[1].fuel, cases[1].stack_limit, cases[1].call_limit), defaults);
        assert_eq!((cases.len(), &cases[1].expected), (2, &Verdict::Done(vec![])));
    }

    #[test]
    fn limits_are_literals_of_64_bits() {
        let text = "\\ case fuel=0x10 stack-limit=007 call-limit=0xffffffffffffffff: ->";
        let case = &parsed(text).expect("the case is well-formed")[0];
        assert_eq!((case.fuel, case.stack_limit, case.call_limit), (Some(16), 7, u64::MAX));
    }

    #[test]
    fn results_round_trip() {
        for result in ["1 2 -3", "trap out of bounds 3:5", "trap call depth exceeded 1:1", "rejected wrong effect 2:9"]
        {
            let case = &parsed(&format!("\\ case: -> {result}")).expect("the cases are well-formed")[0];
            assert_eq!(case.expected.to_string(), result);
        }
    }

    #[test]
    fn cases_round_trip() {
        for line in [
            "\\ case: -> ",
            "\\ case fuel=5 stack-limit=7 call-limit=18446744073709551615: 1 -2 -> trap out of fuel 1:1",
            "\\ case call-limit=0: 1 -> trap call depth exceeded 3:4",
            "\\ case: 1 -> 3 4",
        ] {
            assert_eq!(parsed(line).expect("the cases are well-formed")[0].to_string(), line);
        }
        let line = "// case fuel=5: 1 -> 2";
        let source = Source::new("test", line).in_language(Language::Let);
        assert_eq!(cases(&source).expect("the case is well-formed")[0].to_string(), line);
    }

    #[test]
    fn white_space_around_the_word_case_is_ignored() {
        for text in ["\\  case: 1 -> 2", " \t\\\tcase\t: 1 -> 2", "\\ case\tfuel=3: 1 -> 2", "\\ case: 1 -> 2\r"] {
            let cases = parsed(text).expect("the cases are well-formed");
            assert_eq!((cases.len(), &cases[0].expected), (1, &Verdict::Done(vec![2])), "{text:?}");
            assert_eq!(near_misses(&Source::new("test", text)), []);
        }
    }

    #[test]
    fn comments_that_only_look_like_cases_are_reported() {
        for (text, column, help) in [
            ("\\ Case: 1 -> 2", 1, "lowercase"),
            ("  \\ CASE 1 -> 2", 3, "lowercase"),
            ("\\ cases: 1 -> 2", 1, "lowercase"),
            ("1 + \\ case: 1 -> 2", 5, "a line of its own"),
            ("é + \\ Case: 1 -> 2", 5, "a line of its own"),
            ("( n -- ) \\ case: 1 -> 2", 10, "a line of its own"),
            ("( case: 1 -> 2 ) 1 +", 1, "a line comment"),
        ] {
            let source = Source::new("test", format!("\n{text}\n"));
            assert_eq!(cases(&source).expect("there are no malformed cases"), []);
            let [miss] = &near_misses(&source)[..] else { panic!("{text}") };
            assert!(miss.at == Place { line: 2, column } && miss.help.contains(help), "{text}: {miss:?}");
        }
        for text in [
            "\\ case: 1 -> 2",
            "\\ case 1 -> 2",
            "\\ Cases are these",
            "\\ a case: 1 -> 2",
            "\\ casement -> window",
            "\\casé -> x",
            "\\ é",
        ] {
            assert_eq!(near_misses(&Source::new("test", text)), [], "{text}");
        }
    }

    #[test]
    fn malformed_cases_are_errors() {
        for wrong in [
            "\\ case 1 -> 2",
            "\\ case: 1",
            "\\ case x=1: -> 2",
            "\\ case call-limit=-1: -> 2",
            "\\ case fuel=+1: -> 2",
            "\\ case fuel=-0x1: -> 2",
            "\\ case stack-limit=: -> 2",
            "\\ case call-limit=18446744073709551616: -> 2",
            "\\ case: 1 -> trap explosion 1:1",
            "\\ case: 1 2 -> x",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
