//! Diagnostics: the error, the source line with a caret under the position, and a suggestion.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{NameFault, Rejection, RejectionKind, Source, Span, SyntaxError, SyntaxErrorKind, words};

/// A message about one position of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The error, in one line.
    pub title: String,
    /// The label at the caret.
    pub label: String,
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
        let place = source.place(self.span);
        let window = Window::around(source, self.span);
        let annotation = AnnotationKind::Primary.span(window.marked.clone()).label(self.label.as_str());
        let snippet = Snippet::source(window.text.as_str()).line_start(place.line).annotation(annotation);
        let title = Level::ERROR.primary_title(self.title.as_str());
        let mut report = vec![if window.cut {
            // The snippet would count the column from where the line was cut, so the column is given explicitly.
            title.element(Origin::path(source.name()).line(place.line).char_column(place.column)).element(snippet)
        } else {
            title.element(snippet.path(source.name()))
        }];
        if let Some(help) = &self.help {
            report.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
        }
        Renderer::styled().render(&report)
    }
}

/// The part of the source line around a position.
struct Window {
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
        let lossy = |from: usize, to: usize| String::from_utf8_lossy(&bytes[from..to.max(from)]).into_owned();
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
        if to - from < end.min(line_end) - start {
            text.push('…');
        }
        text.extend(after.chars().take(SHOWN_AROUND));
        if after.chars().count() > SHOWN_AROUND {
            text.push('…');
        }
        Window { text, marked: from..to, cut }
    }
}

impl From<&SyntaxError> for Diagnostic {
    fn from(error: &SyntaxError) -> Diagnostic {
        use SyntaxErrorKind as Kind;
        let (label, help) = match &error.kind {
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
            Kind::Stray("end") => (
                "there is no open body to close",
                Some("remove it, or open a body with `times`, `if` or `while`".into()),
            ),
            Kind::Stray("else") => (
                "the innermost open body is not the first branch of an `if`",
                Some("write `if THEN else ELSE end`".into()),
            ),
            Kind::Stray(_) => (
                "the innermost open body is not the condition of a `while`",
                Some("write `while CONDITION do BODY end`; a counted loop is `N times BODY end`".into()),
            ),
            Kind::NotLast("if") => (
                "both branches of this `if` end with `leave` or `exit`, so nothing after its `end` can run",
                Some("remove what follows, or let one branch end without a jump".into()),
            ),
            Kind::NotLast("exit") => (
                "ends the program, so nothing after it in the same body can run",
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
            Kind::WithoutLiteral(word) => (
                "must directly follow a literal that is not negative",
                Some(if *word == "pick" {
                    "write `2 pick` to copy the third value; there is no word for a computed depth".into()
                } else {
                    "write `2 put` to replace the third value under the one that it pops; there is no word for a computed depth"
                        .into()
                }),
            ),
            Kind::NotTopLevel(_) => ("only at the top level", None),
            Kind::TooManyCells => ("this array exceeds the limit", None),
            Kind::WithoutName(_) => ("the text ends here", None),
            Kind::NameNotAllowed { reason: NameFault::Word, .. } => ("a word of the language", None),
            Kind::NameNotAllowed { reason: NameFault::Literal, .. } => ("has the form of a literal", None),
            Kind::NameNotAllowed { reason: NameFault::Defined, .. } => ("is already defined", None),
            Kind::WithoutEffect(_) => ("must be followed by its effect", None),
            Kind::EffectWithoutDashes => ("the effect that opens here", None),
            Kind::MissingSemicolon => ("opened here and never closed", Some("close the definition with `;`".into())),
            Kind::UnclosedComment => ("opened here and never closed", Some("close the comment with `)`".into())),
            Kind::TooDeep => ("this body exceeds the limit", Some("at most 1000 bodies can be nested".into())),
        };
        Diagnostic { title: error.to_string(), label: label.into(), help, span: error.span }
    }
}

/// A suggestion for a word that is not similar to any word of the language.
fn unknown_word_help(word: &str) -> Option<String> {
    if let Some(advice) = words::advice(&word.to_lowercase()) {
        Some(advice.into())
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
        let (label, help) = match rejection.kind {
            RejectionKind::WrongEffect { declared, least, .. } => {
                (format!("leaves {least} or more, but its effect says {declared}"), "change the effect")
            }
            RejectionKind::Underflow { needed, greatest } => (
                format!("needs {needed}, but there are at most {greatest}"),
                "push more values before it, or give the program more inputs",
            ),
            RejectionKind::UnbalancedIf { then, otherwise } => (
                format!("one branch leaves {then} on the stack, the other {otherwise}"),
                "make both branches leave the same number of values; a missing `else` leaves the stack unchanged. Code \
                 that runs at most once and changes the depth is a loop: `FLAG times BODY end`, where FLAG is 1 or 0",
            ),
        };
        Diagnostic { title: rejection.to_string(), label, help: Some(help.into()), span: rejection.span }
    }
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

    #[test]
    fn invalid_utf8_byte_is_reported_with_its_position() {
        assert!(shown(b"1 2 + \xff 3").contains("test.stk:1:7"), "{}", shown(b"1 2 + \xff 3"));
    }
}
