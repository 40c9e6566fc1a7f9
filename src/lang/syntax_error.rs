//! Errors in the syntax of a text, with the nearest known word for an unknown one.

use std::borrow::Cow;
use std::cmp::Reverse;

use strsim::damerau_levenshtein;

use super::parse::{MAX_CELLS, MAX_NESTING};
use super::source::{LONGEST_SHOWN, shortened};
use super::{Source, Span, words};

/// A text that is not a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct SyntaxError {
    /// The kind of error.
    pub kind: SyntaxErrorKind,
    /// Its position.
    pub span: Span,
}

/// The kind of a syntax error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxErrorKind {
    /// A byte that is not valid UTF-8.
    #[error("the text is not valid UTF-8")]
    NotUtf8,
    /// The text is longer than spans can represent.
    #[error("the text is longer than {} bytes", Source::MAX_BYTES)]
    TooLong,
    /// A word that is not in the language.
    #[error("unknown word `{word}`")]
    UnknownWord {
        /// The word, shortened if it is very long.
        word: String,
        /// The most similar word of the language or name of the text.
        nearest: Option<String>,
    },
    /// A literal that does not fit in 64 bits.
    #[error("literal out of range")]
    LiteralOutOfRange,
    /// A body that is never closed.
    #[error("`{0}` without `end`")]
    MissingEnd(&'static str),
    /// A `while` whose condition is closed by `end`.
    #[error("`while` without `do`")]
    MissingDo,
    /// `end`, `else`, `do` or `;` that does not belong to the innermost open body or definition.
    #[error("stray `{word}`")]
    Stray {
        /// The word.
        word: &'static str,
        /// The innermost open body or definition.
        open: Option<Opener>,
    },
    /// A closing word that is not followed by the end of its body: `leave`, `exit`, or an `if` of which both branches end with
    /// a closing word.
    #[error("`{0}` must be followed by `end`, `else` or `;`")]
    NotLast(&'static str),
    /// `leave` outside of a loop's body.
    #[error("`leave` outside of the body of a loop")]
    LeaveOutsideLoop,
    /// `pick` or `put` that does not directly follow a literal of zero or more, or `array` that does not directly follow one of
    /// one or more.
    #[error("`{0}` without a literal")]
    WithoutLiteral(&'static str),
    /// `:` or `array` in a body or a definition.
    #[error("`{word}` inside a {}", if open.word == ":" { "definition" } else { "body" })]
    NotTopLevel {
        /// The word.
        word: &'static str,
        /// The innermost open body or definition.
        open: Opener,
    },
    /// More than [`MAX_CELLS`] cells in all arrays.
    #[error("more than {MAX_CELLS} cells of memory")]
    TooManyCells,
    /// `:` or `array` at the end of the text.
    #[error("`{0}` without a name")]
    WithoutName(&'static str),
    /// A name that cannot be defined.
    #[error("`{name}` cannot be defined")]
    NameNotAllowed {
        /// The name, shortened if it is very long.
        name: String,
        /// Why it cannot be defined.
        reason: NameFault,
    },
    /// A definition whose name is not followed by its effect.
    #[error("`{name}` is defined without an effect")]
    WithoutEffect {
        /// The name, shortened if it is very long.
        name: String,
        /// The word that follows it instead, unless the text ends.
        next: Option<String>,
    },
    /// An effect with no `--`, or with more than one.
    #[error("an effect has exactly one `--`")]
    Dashes {
        /// Their number.
        count: usize,
    },
    /// `(` of an effect without `)`.
    #[error("effect without `)`")]
    UnclosedEffect,
    /// A definition that is never closed.
    #[error("`:` without `;`")]
    MissingSemicolon,
    /// `(` without `)`.
    #[error("comment without `)`")]
    UnclosedComment,
    /// More than [`MAX_NESTING`] nested bodies.
    #[error("more than {MAX_NESTING} nested bodies")]
    TooDeep,
}

/// The reason why a word cannot be defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// It is a word of the language.
    Word,
    /// It has the form of a literal.
    Literal,
    /// It is defined before, at this position.
    Defined(Span),
}

/// The word that opens a body or a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opener {
    /// The word.
    pub word: &'static str,
    /// Its position.
    pub span: Span,
}

/// The error for a word that is neither in the language nor among the names of the text.
pub(super) fn unknown_word<'a>(text: &str, names: impl Iterator<Item = Cow<'a, str>>) -> SyntaxErrorKind {
    let unknown = |nearest| SyntaxErrorKind::UnknownWord { word: shortened(text), nearest };
    let lower = text.to_lowercase();
    if let Some((_, ours)) = words::FOREIGN.iter().find(|(theirs, _)| *theirs == lower) {
        return unknown(Some((*ours).to_owned()));
    }
    // The nearest word would be misleading: the help gives better advice.
    let is_glued = text.starts_with(':') || text.ends_with(';');
    let has_advice = words::advice(&lower).is_some() || text.contains(words::is_misleading) || is_glued;
    if has_advice {
        return unknown(None);
    }
    unknown(nearest(text, words::spellings().map(|word| -> Cow<'a, str> { word.into() }).chain(names)))
}

/// The name that is most similar to an unknown one, if any is similar enough.
pub(crate) fn nearest<'a>(text: &str, names: impl Iterator<Item = Cow<'a, str>>) -> Option<String> {
    let lower = text.to_lowercase();
    let length = text.chars().count();
    if length > LONGEST_SHOWN {
        return None;
    }
    let letters = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    let distance = |known: &str| {
        let distance = damerau_levenshtein(&lower, known);
        if lower == text { distance } else { distance.min(damerau_levenshtein(text, known)) }
    };
    names
        // Most names of a large program need not be compared.
        .filter(|known| known.chars().count().abs_diff(length) <= 2)
        .map(|known| (distance(&known), known))
        // A suggestion must share at least half of its letters with the word.
        .filter(|(distance, known)| *distance <= 2 && distance * 2 <= known.chars().count())
        // Of equally near words, prefer one with the same letters, then the longest, because most of its letters match.
        .min_by_key(|(distance, known)| {
            (*distance, letters(known) != letters(&lower), Reverse(known.len()), known.to_string())
        })
        .map(|(_, known)| known.into_owned())
}
