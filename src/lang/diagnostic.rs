//! Diagnostics: what is wrong, the source line with a caret under the place, and what would mend it.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Rejection, RejectionKind, Source, Span, SyntaxError, SyntaxErrorKind, words};

/// One message about one place of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one line.
    pub title: String,
    /// What is said at the caret.
    pub label: String,
    /// What would mend it.
    pub help: Option<String>,
    /// Where.
    pub span: Span,
}

/// Characters of a long line shown before and behind the place; the rest is left out.
const SHOWN_AROUND: usize = 60;

impl Diagnostic {
    /// The message with its source line, colored by ANSI escapes; strip them where they are not wanted.
    pub fn render(&self, source: &Source) -> String {
        let place = source.place(self.span);
        let window = Window::around(source, self.span);
        let annotation = AnnotationKind::Primary.span(window.marked.clone()).label(self.label.as_str());
        let snippet = Snippet::source(window.text.as_str()).line_start(place.line).annotation(annotation);
        let title = Level::ERROR.primary_title(self.title.as_str());
        let mut report = vec![if window.cut {
            // The snippet would count columns from where it was cut.
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

/// The part of the source line around a place.
struct Window {
    text: String,
    /// The place within `text`.
    marked: std::ops::Range<usize>,
    /// Whether the line is longer.
    cut: bool,
}

impl Window {
    fn around(source: &Source, span: Span) -> Window {
        let bytes = source.bytes();
        let (start, end) = (span.start as usize, span.end as usize);
        let line_start = bytes[..start].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let line_end = bytes[start..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| start + at);
        // The line ends of other systems are not shown.
        let line_end = if bytes[start..line_end].ends_with(b"\r") { line_end - 1 } else { line_end };
        let lossy = |from: usize, to: usize| String::from_utf8_lossy(&bytes[from..to.max(from)]).into_owned();
        // Four bytes a character at most: cutting the bytes first keeps a line of 10 MB cheap.
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
            Kind::NotUtf8 => ("this byte is not part of a character", Some("save the file as UTF-8".into())),
            Kind::TooLong => ("", None),
            Kind::UnknownWord { nearest: Some(nearest), .. } => {
                ("not a word of the language", Some(format!("did you mean `{nearest}`?")))
            }
            Kind::UnknownWord { nearest: None, word } => ("not a word of the language", unknown_word_help(word)),
            Kind::LiteralOutOfRange => (
                "does not fit into 64 bits",
                Some(format!(
                    "decimal literals reach from {} to {}, hexadecimal ones up to 0xffffffffffffffff",
                    i64::MIN,
                    i64::MAX
                )),
            ),
            Kind::MissingEnd("if") => (
                "opened here, open at the end of the text",
                Some("close the `if` with `end`; behind `else` another `if` wants its own `end`".into()),
            ),
            Kind::MissingEnd(opener) => {
                ("opened here, open at the end of the text", Some(format!("close the `{opener}` with `end`")))
            }
            Kind::MissingDo => {
                ("comes before the `do`", Some("write `while CONDITION do BODY end`; CONDITION leaves a flag".into()))
            }
            Kind::Stray("end") => {
                ("closes nothing", Some("remove it, or open a body with `times`, `if` or `while`".into()))
            }
            Kind::Stray("else") => (
                "the innermost open body is not the first branch of an `if`",
                Some("write `if THEN else ELSE end`".into()),
            ),
            Kind::Stray(_) => (
                "the innermost open body is not the condition of a `while`",
                Some("write `while CONDITION do BODY end`; a counted loop is `N times BODY end`".into()),
            ),
            Kind::PickWithoutLiteral => (
                "the word directly before must be a literal, zero or more",
                Some("write `2 pick` to copy the third value; for a computed depth there is no word".into()),
            ),
            Kind::UnclosedComment => {
                ("opened here, open at the end of the text", Some("close the comment with `)`".into()))
            }
            Kind::TooDeep => ("one body too many", Some("at most 1000 bodies may be nested".into())),
        };
        Diagnostic { title: error.to_string(), label: label.into(), help, span: error.span }
    }
}

/// What may have been meant by a word that is not close to any of ours.
fn unknown_word_help(word: &str) -> Option<String> {
    if let Some(advice) = words::advice(&word.to_lowercase()) {
        Some(advice.into())
    } else if word.starts_with("\\") || word.starts_with('(') {
        Some("the opening of a comment stands alone: put a space behind it".into())
    } else if let Some(help) = word.chars().find_map(misleading_help) {
        Some(help)
    } else if word.starts_with("//") || word.starts_with('#') {
        words::advice("#").map(Into::into)
    } else if word.strip_prefix('+').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit())) {
        Some("`+` is never a sign: write the number without it".into())
    } else if word.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        Some("a literal is decimal digits, with `-` directly before them or not, or `0x` and hexadecimal digits".into())
    } else {
        None
    }
}

/// What to do about a character that does not look like what it is.
fn misleading_help(c: char) -> Option<String> {
    let code = format!("U+{:04X}", u32::from(c));
    match c {
        '\u{feff}' => Some(format!("the word contains a byte-order mark ({code}), which cannot be seen: remove it")),
        '\u{a0}' => Some(format!("the word contains a no-break space ({code}): write an ordinary one")),
        _ if words::is_invisible(c) && c.is_whitespace() => {
            Some(format!("the word contains a space of another kind ({code}): write an ordinary one"))
        }
        _ if words::is_invisible(c) => Some(format!("the word contains {code}, which cannot be seen: remove it")),
        '"' | '\'' | '`' | '“' | '”' | '„' | '‘' | '’' => {
            Some("there are no strings and no characters: every value is a 64-bit integer".into())
        }
        _ if words::is_misleading(c) => Some(format!("`{c}` ({code}) only looks like `-`")),
        _ => None,
    }
}

impl From<&Rejection> for Diagnostic {
    fn from(rejection: &Rejection) -> Diagnostic {
        let (label, help) = match rejection.kind {
            RejectionKind::Underflow { needed, greatest } => (
                format!("needs {needed}, there can be at most {greatest}"),
                "push more values before it, or give the program more inputs",
            ),
            RejectionKind::UnbalancedIf { then, otherwise } => (
                format!("ends with {then} on the stack or with {otherwise}"),
                "make both branches leave equally many values; a missing `else` leaves what was there. What runs once or \
                 not at all and changes the depth is a loop: `FLAG times BODY end`, with a FLAG of 1 or 0",
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
        let error = parse(&source).expect_err("the test's program is wrong");
        anstream::adapter::strip_str(&Diagnostic::from(&error).render(&source)).to_string()
    }

    #[test]
    fn a_caret_stands_under_the_word_and_the_nearest_word_is_named() {
        let text = shown(b"1 dup swpa");
        assert_eq!(
            text,
            "error: unknown word `swpa`\n --> test.stk:1:7\n  |\n1 | 1 dup swpa\n  |       ^^^^ not a word of the language\n  |\nhelp: did you mean `swap`?"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = shown(("1 ".repeat(5_000_000) + "oops" + &" drop".repeat(1_000_000)).as_bytes());
        assert!(text.contains(":1:10000001"), "{text}");
        assert!(text.len() < 1000, "{text}");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown() {
        assert!(shown(b"1 2 + \xff 3").contains("test.stk:1:7"), "{}", shown(b"1 2 + \xff 3"));
    }
}
