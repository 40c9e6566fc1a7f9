//! Diagnostics: the error, the source line with a caret under the position, and a suggestion.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, Title};

use super::print::value_names;
use super::verify::{Bound, depths};
use super::{
    NameFault, Opener, Place, Rejection, RejectionKind, Source, Span, SyntaxError, SyntaxErrorKind, Within, words,
};
use crate::plural::count;

/// A message about one position of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The error, in one line.
    pub title: String,
    /// The label at the caret.
    pub label: String,
    /// Another position that explains the error, with its label.
    pub note: Option<(Span, String)>,
    /// A suggestion to fix it.
    pub help: Option<String>,
    /// The position.
    pub span: Span,
}

/// The number of characters of a long line that are shown on each side of the position.
const SHOWN_AROUND: usize = 60;

impl Diagnostic {
    /// Renders the message with its source line, colored with ANSI escapes; the caller strips them if they are not
    /// wanted.
    pub fn render(&self, source: &Source) -> String {
        let (origin, span) = source.origin(self.span);
        let window = Window::around(origin, span);
        let (title, label) = (without_controls(&self.title), without_controls(&self.label));
        let mut report = vec![window.show(Level::ERROR.primary_title(title), &label, origin)];
        let note = self.note.as_ref().map(|(span, label)| {
            let (origin, span) = source.origin(*span);
            (Window::around(origin, span), without_controls(label), origin)
        });
        if let Some((window, label, origin)) = &note {
            report.push(window.show(Level::NOTE.secondary_title(label.as_str()), "", origin));
        }
        if let Some(help) = &self.help {
            report.push(Group::with_title(Level::HELP.secondary_title(without_controls(help))));
        }
        Renderer::styled().render(&report)
    }
}

/// Replaces the control characters that the renderer passes on and that a terminal may obey, such as U+009B, which
/// begins an escape sequence. The number of characters stays the same.
fn without_controls(text: &str) -> String {
    text.replace(|c| matches!(c, '\u{80}'..='\u{9f}'), "\u{fffd}")
}

/// The part of the source line around a position.
struct Window {
    place: Place,
    text: String,
    /// The position within `text`.
    marked: std::ops::Range<usize>,
    /// Whether the start of the line is missing.
    cut: bool,
}

impl Window {
    fn around(source: &Source, span: Span) -> Window {
        let bytes = source.bytes();
        let (start, end) = (span.start as usize, span.end as usize);
        let line_start = bytes[..start].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let line_end = bytes[start..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| start + at);
        // Carriage returns at line ends are not shown.
        let line_end = if bytes[start..line_end].ends_with(b"\r") { line_end - 1 } else { line_end };
        let lossy = |from: usize, to: usize| without_controls(&String::from_utf8_lossy(&bytes[from..to.max(from)]));
        // A character has at most four bytes. Cutting the bytes first keeps a line of 10 MB cheap.
        let (before, marked, after) = (
            lossy(line_start.max(start.saturating_sub(4 * SHOWN_AROUND)), start),
            lossy(start, end.min(line_end).min(start + 4 * SHOWN_AROUND)),
            lossy(end.min(line_end), line_end.min(end + 4 * SHOWN_AROUND)),
        );
        let skipped = before.chars().count().saturating_sub(SHOWN_AROUND);
        let mut text: String = before.chars().skip(skipped).collect();
        let cut = skipped > 0 || start.saturating_sub(4 * SHOWN_AROUND) > line_start;
        if cut {
            text.insert(0, '…');
        }
        let from = text.len();
        text.extend(marked.chars().take(SHOWN_AROUND));
        let to = text.len();
        if marked.chars().count() > SHOWN_AROUND || end.min(line_end) > start + 4 * SHOWN_AROUND {
            text.push('…');
        }
        text.extend(after.chars().take(SHOWN_AROUND));
        if after.chars().count() > SHOWN_AROUND {
            text.push('…');
        }
        Window { place: source.place(span), text, marked: from..to, cut }
    }

    /// The line under a title, with the position marked.
    fn show<'a>(&'a self, title: Title<'a>, label: &'a str, source: &'a Source) -> Group<'a> {
        let mut annotation = AnnotationKind::Primary.span(self.marked.clone());
        if !label.is_empty() {
            annotation = annotation.label(label);
        }
        let snippet = Snippet::source(self.text.as_str()).line_start(self.place.line).annotation(annotation);
        if self.cut {
            // The snippet would count the column from where the line was cut, so the column is given explicitly.
            let origin = Origin::path(source.name()).line(self.place.line).char_column(self.place.column);
            title.element(origin).element(snippet)
        } else {
            title.element(snippet.path(source.name()))
        }
    }
}

/// What a definition and an array declaration look like.
const DEFINITION: &str =
    "a definition is `: NAME ( a b -- c ) BODY ;`, with a name for each value that it takes and leaves";
const ARRAY: &str = "an array of ten cells is `10 array NAME`";

impl From<&SyntaxError> for Diagnostic {
    fn from(error: &SyntaxError) -> Diagnostic {
        use SyntaxErrorKind as Kind;
        let (label, help): (&str, Option<String>) = match &error.kind {
            Kind::NotUtf8 => ("invalid UTF-8 byte", Some("save the file as UTF-8".into())),
            Kind::TooLong => ("", None),
            Kind::UnknownWord { nearest: Some(nearest), .. } => {
                ("not a word of the language", Some(format!("did you mean `{nearest}`?")))
            }
            Kind::UnknownWord { nearest: None, word } => ("not a word of the language", unknown_word_help(word)),
            Kind::LiteralOutOfRange => (
                "does not fit in 64 bits",
                Some(format!(
                    "decimal literals range from {} to {}, hexadecimal literals up to 0xffffffffffffffff",
                    i64::MIN,
                    i64::MAX
                )),
            ),
            Kind::MissingEnd("if") => (
                "opened here and never closed",
                Some("close the `if` with `end`; an `if` after `else` needs its own `end`".into()),
            ),
            Kind::MissingEnd(opener) => {
                ("opened here and never closed", Some(format!("close the `{opener}` with `end`")))
            }
            Kind::MissingDo => (
                "expected `do` before this `end`",
                Some("write `while CONDITION do BODY end`, where CONDITION leaves a flag".into()),
            ),
            Kind::MissingSemicolon => ("opened here and never closed", Some("close the definition with `;`".into())),
            Kind::Stray { word, open } => stray(word, *open),
            Kind::NotLast("if") => (
                "both branches of this `if` end with `leave` or `exit`, so nothing after its `end` can run",
                Some("remove what follows, or let one branch end without a jump".into()),
            ),
            Kind::NotLast("exit") => (
                "ends the program or the call of a definition, so nothing after it in the same body can run",
                Some("write it at the end of a branch, as in `dup 0 < if exit end`".into()),
            ),
            Kind::NotLast(_) => (
                "ends the loop, so nothing after it in the same body can run",
                Some("write it at the end of a branch, as in `10 times dup 5 = if leave end 1 + end`".into()),
            ),
            Kind::LeaveOutsideLoop => (
                "there is no loop around it that it could end",
                Some("`leave` ends the innermost loop whose BODY it is in; a COND ends the loop by leaving 0".into()),
            ),
            Kind::WithoutLiteral("array") => (
                "must directly follow the number of cells, a literal of at least 1",
                Some(format!("{ARRAY}; the size cannot be computed")),
            ),
            Kind::WithoutLiteral(word) => (
                "must directly follow a literal that is not negative",
                Some(if *word == "pick" {
                    "write `2 pick` to copy the third value; there is no word for a computed depth".into()
                } else {
                    "write `2 put` to replace the third value under the one that it pops; there is no word for a computed depth"
                        .into()
                }),
            ),
            Kind::NotTopLevel { word: "array", .. } => (
                "an array must be declared outside of every body and definition",
                Some("move the declaration to the start of the text; its memory exists during the whole run".into()),
            ),
            Kind::NotTopLevel { open: Opener { word: ":", .. }, .. } => (
                "a definition cannot contain another one",
                Some("close the outer definition with `;` first, or move the inner one out of it".into()),
            ),
            Kind::NotTopLevel { .. } => (
                "a definition must be outside of every body",
                Some("move the definition out of the body: it is visible in the whole text".into()),
            ),
            Kind::TooManyCells => (
                "this array exceeds the limit",
                Some("the limit applies to all arrays of the text together: 128 MiB".into()),
            ),
            Kind::WithoutName(":") => ("the text ends before the name", Some(DEFINITION.into())),
            Kind::WithoutName(_) => ("the text ends before the name", Some(ARRAY.into())),
            Kind::NameNotAllowed { reason: NameFault::Word, .. } => {
                ("already a word of the language", Some("choose another name".into()))
            }
            Kind::NameNotAllowed { reason: NameFault::Literal, .. } => {
                ("has the form of a literal", Some("choose a name that is not a number".into()))
            }
            Kind::NameNotAllowed { reason: NameFault::Defined(_), .. } => (
                "defined a second time",
                Some("choose another name: each name has one meaning in the whole text".into()),
            ),
            Kind::WithoutEffect { name, next } => {
                let next = next.as_deref().unwrap_or_default();
                let help = if next.starts_with('(') || name.contains('(') {
                    "the `(` of an effect is a word of its own: write white space on both sides of it".into()
                } else if next == "\\" || next.starts_with('\\') {
                    "add a space after the start of the comment".into()
                } else {
                    format!("{DEFINITION}; `( -- )` is the effect of a word that takes and leaves none")
                };
                ("must be followed by its effect", Some(help))
            }
            Kind::Dashes { count: 0 } => (
                "this effect has no `--`",
                Some(
                    "write `--` between the values that a call takes and those that it leaves, as in `( a b -- c )`"
                        .into(),
                ),
            ),
            Kind::Dashes { .. } => (
                "this effect has more than one `--`",
                Some("write one `--`, between the values that a call takes and those that it leaves".into()),
            ),
            Kind::UnclosedEffect => ("opened here and never closed", Some("close the effect with `)`".into())),
            Kind::UnclosedComment => ("opened here and never closed", Some("close the comment with `)`".into())),
            Kind::TooDeep => ("this body exceeds the limit", Some("at most 1000 bodies can be nested".into())),
        };
        let note = match &error.kind {
            Kind::Stray { open: Some(open), .. } | Kind::NotTopLevel { open, .. } => {
                let what = if open.word == ":" { "open definition" } else { "innermost open body" };
                Some((open.span, format!("the {what} begins here")))
            }
            Kind::NameNotAllowed { name, reason: NameFault::Defined(first) } => {
                Some((*first, format!("`{name}` is first defined here")))
            }
            _ => None,
        };
        Diagnostic { title: error.to_string(), label: label.into(), note, help, span: error.span }
    }
}

/// Label and help for a stray `end`, `else`, `do` or `;`.
fn stray(word: &str, open: Option<Opener>) -> (&'static str, Option<String>) {
    match (word, open.map(|open| open.word)) {
        ("end", Some(":")) => (
            "there is no open body to close",
            Some("remove it, or open a body with `times`, `if` or `while`; a definition ends with `;`".into()),
        ),
        ("end", _) => {
            ("there is no open body to close", Some("remove it, or open a body with `times`, `if` or `while`".into()))
        }
        ("else", _) => {
            ("the innermost open body is not the first branch of an `if`", Some("write `if THEN else ELSE end`".into()))
        }
        (";", None) => ("there is no open definition to close", Some(DEFINITION.into())),
        (";", Some(opener)) => {
            ("a body of the definition is still open", Some(format!("close the `{opener}` with `end` first")))
        }
        _ => (
            "the innermost open body is not the condition of a `while`",
            Some("write `while CONDITION do BODY end`; a counted loop is `N times BODY end`".into()),
        ),
    }
}

/// A suggestion for a word that is not similar to any word of the language.
fn unknown_word_help(word: &str) -> Option<String> {
    if let Some(advice) = words::advice(&word.to_lowercase()) {
        Some(advice.into())
    } else if word.starts_with(':') {
        Some(format!("add a space after the `:`; {DEFINITION}"))
    } else if word.ends_with(';') {
        Some("add a space before the `;`".into())
    } else if word.starts_with("\\") || word.starts_with('(') {
        Some("add a space after the start of the comment".into())
    } else if let Some(help) = word.chars().find_map(misleading_help) {
        Some(help)
    } else if word.starts_with("//") || word.starts_with('#') {
        words::advice("#").map(Into::into)
    } else if word.strip_prefix('+').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit())) {
        Some("`+` is not a sign: write the number without it".into())
    } else if word.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        Some("a literal consists of decimal digits with an optional `-`, or of `0x` and hexadecimal digits".into())
    } else {
        None
    }
}

/// A suggestion for a character that looks like another one, or is invisible.
fn misleading_help(c: char) -> Option<String> {
    let code = format!("U+{:04X}", u32::from(c));
    match c {
        '\u{feff}' => Some(format!("the word contains an invisible byte-order mark ({code}): remove it")),
        '\u{a0}' => Some(format!("the word contains a no-break space ({code}): write an ordinary space")),
        _ if words::is_invisible(c) && c.is_whitespace() => {
            Some(format!("the word contains a nonstandard space ({code}): write an ordinary space"))
        }
        _ if words::is_invisible(c) => Some(format!("the word contains an invisible character ({code}): remove it")),
        '"' | '\'' | '`' | '“' | '”' | '„' | '‘' | '’' => {
            Some("there are no strings or characters: every value is a 64-bit integer".into())
        }
        _ if words::is_misleading(c) => Some(format!("`{c}` ({code}) only looks like `-`")),
        _ => None,
    }
}

impl From<&Rejection> for Diagnostic {
    fn from(rejection: &Rejection) -> Diagnostic {
        let Rejection { kind, span, within } = rejection;
        let within = within.as_deref();
        let (label, help) = match *kind {
            RejectionKind::Underflow { needed, greatest } => (
                format!("needs {needed}, but there are at most {greatest}"),
                match within {
                    Some(within) => {
                        let missing = needed - greatest;
                        let more = u64::from(within.params) + missing;
                        format!(
                            "push more values before it, or let `{}` take {missing} more: {}",
                            within.name,
                            effect(more, within.results.into())
                        )
                    }
                    None => "push more values before it, or give the program more inputs".into(),
                },
            ),
            RejectionKind::UnbalancedIf { then, otherwise } => (
                format!("one branch leaves {then} on the stack, the other {otherwise}"),
                format!(
                    "make both branches leave the same number of values; a missing `else` leaves the stack unchanged. {}",
                    if within.is_some() {
                        "A branch that ends with `exit` or `leave` need not match the other"
                    } else {
                        "Code that runs at most once and changes the depth is a loop: `FLAG times BODY end`, where FLAG is 1 or 0"
                    }
                ),
            ),
            RejectionKind::WrongEffect { declared, least, greatest } => {
                let label = format!("leaves {}, but the effect says {declared}", depths(least, greatest));
                let is_exit = within.is_some_and(|within| within.span != *span);
                (label, wrong_effect_help(within.filter(|_| !is_exit), declared, least, greatest))
            }
        };
        // The name of the definition, unless the error is there.
        let note = within.filter(|within| within.span != *span).map(|within| {
            let Within { ref name, span, params, results } = *within;
            (span, format!("`{name}` takes {} and leaves {}", count(params, "value"), count(results, "value")))
        });
        Diagnostic { title: rejection.to_string(), label, note, help: Some(help), span: *span }
    }
}

/// How to mend a wrong effect. The definition is given if its end is wrong, and not an `exit` in it.
fn wrong_effect_help(at_end: Option<&Within>, declared: u64, least: u64, greatest: Bound) -> String {
    if depths(least, greatest) != least.to_string() {
        return "a loop that changes the depth of the stack leaves an unknown number of values: let each iteration leave as many \
                values as it finds, or undo the change before the end of the definition"
            .into();
    }
    let change = if least > declared {
        format!("drop {} before the end", count(least - declared, "value"))
    } else {
        format!("push {} more before the end", count(declared - least, "value"))
    };
    match at_end {
        Some(of) => format!("{change}, or declare what the body does: {}", effect(of.params.into(), least)),
        None => format!("{change}: the effect says what every `exit` leaves, too"),
    }
}

/// An effect with these numbers of values.
fn effect(params: u64, results: u64) -> String {
    /// Longer effects are described.
    const MOST_NAMES: u64 = 12;
    if params + results > MOST_NAMES {
        return format!("{} before the `--` and {} after it", count(params, "value"), count(results, "value"));
    }
    let mut names = value_names();
    let mut some = |count: u64| names.by_ref().take(count as usize).map(|name| format!("{name} ")).collect::<String>();
    let (params, results) = (some(params), some(results));
    format!("`( {params}-- {results})`")
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn shown(text: &[u8]) -> String {
        let source = Source::new("test.stk", text);
        let error = parse(&source).expect_err("the program has a syntax error");
        anstream::adapter::strip_str(&Diagnostic::from(&error).render(&source)).to_string()
    }

    #[test]
    fn caret_is_under_the_word_and_help_names_the_nearest_word() {
        let text = shown(b"1 dup swpa");
        assert_eq!(
            text,
            "error: unknown word `swpa`\n --> test.stk:1:7\n  |\n1 | 1 dup swpa\n  |       ^^^^ not a word of the language\n  |\nhelp: did you mean `swap`?"
        );
    }

    #[test]
    fn long_line_is_cut_around_the_position() {
        let text = shown(("1 ".repeat(5_000_000) + "oops" + &" drop".repeat(1_000_000)).as_bytes());
        assert!(text.contains(":1:10000001"), "{text}");
        assert!(text.len() < 1000, "{text}");
    }

    /// The characters that replace them have more bytes, and the caret is still under the word.
    #[test]
    fn control_characters_beyond_ascii_are_replaced() {
        let text = shown("\\ \n( \u{85}\u{9b}2J ) oops\u{9b}2J swap".as_bytes());
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        let word = "error: unknown word `oops\u{fffd}2J`\n --> test.stk:2:10\n";
        let line = "\n2 | ( \u{fffd}\u{fffd}2J ) oops\u{fffd}2J swap\n  |          ^^^^^^^ not a word of the language";
        assert!(text.starts_with(word) && text.ends_with(line), "{text}");
        let long = shown("\u{9b}".repeat(SHOWN_AROUND + 1).as_bytes());
        assert!(long.contains(&format!("\n1 | {}…\n", "\u{fffd}".repeat(SHOWN_AROUND))), "{long}");
    }

    #[test]
    fn invalid_utf8_byte_is_reported_with_its_position() {
        assert!(shown(b"1 2 + \xff 3").contains("test.stk:1:7"), "{}", shown(b"1 2 + \xff 3"));
    }
}
