//! The parser: bytes to an [`Ast`], or the first fault in source order.
//!
//! nom reads the tokens. Open bodies are on an explicit stack, so nesting uses no host stack. Parsing takes one pass,
//! linear in the length of the text.

use std::cmp::Reverse;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_till1, take_until, take_while};
use nom::character::complete::{digit1, hex_digit1};
use nom::combinator::{all_consuming, map, opt, value};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

use super::{Ast, Node, NodeKind, Source, Span, Word, words};

/// The greatest number of nested bodies.
pub const MAX_NESTING: usize = 1000;

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
        /// The most similar word of the language.
        nearest: Option<&'static str>,
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
    /// `end`, `else` or `do` that belongs to no open body.
    #[error("stray `{0}`")]
    Stray(&'static str),
    /// A closing word that is not followed by the end of its body: `leave`, `exit`, or an `if` of which both branches end with
    /// a closing word.
    #[error("`{0}` must be followed by `end` or `else`")]
    NotLast(&'static str),
    /// `leave` outside of a loop's body.
    #[error("`leave` outside of the body of a loop")]
    LeaveOutsideLoop,
    /// `pick` or `put` that does not directly follow a literal of zero or more.
    #[error("`{0}` without a literal")]
    WithoutLiteral(&'static str),
    /// `(` without `)`.
    #[error("comment without `)`")]
    UnclosedComment,
    /// More than [`MAX_NESTING`] nested bodies.
    #[error("more than {MAX_NESTING} nested bodies")]
    TooDeep,
}

/// Parses a text.
///
/// # Errors
/// The first fault in source order; a text that is not UTF-8 is reported before anything else.
pub fn parse(source: &Source) -> Result<Ast, SyntaxError> {
    let bytes = source.bytes();
    let fault = |kind, start: usize, end: usize| Err(SyntaxError { kind, span: span(start, end) });
    if bytes.len() > Source::MAX_BYTES {
        return fault(SyntaxErrorKind::TooLong, 0, 0);
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        let at = error.valid_up_to();
        return fault(SyntaxErrorKind::NotUtf8, at, at + 1);
    }
    let mut builder = Builder::default();
    let mut rest = bytes;
    let mut unclosed_comment = None;
    loop {
        rest = skip_space(rest);
        let start = bytes.len() - rest.len();
        match token(rest) {
            Ok((after, token)) => {
                let end = bytes.len() - after.len();
                if let Token::Word(word) = token {
                    builder.word(word, span(start, end))?;
                }
                rest = after;
            }
            Err(_) if rest.is_empty() => break,
            // With text left, the only token that can fail is a comment that is never closed.
            Err(_) => {
                unclosed_comment = Some(start);
                break;
            }
        }
    }
    // The end of the text shows several faults at once. docs/LANGUAGE.md defines which one is reported.
    builder.check_closed()?;
    match unclosed_comment {
        Some(start) => fault(SyntaxErrorKind::UnclosedComment, start, start + 1),
        None => builder.finish(),
    }
}

fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

#[derive(Clone, Copy)]
enum Token<'a> {
    Comment,
    Word(&'a [u8]),
}

fn skip_space(input: &[u8]) -> &[u8] {
    let space: IResult<&[u8], &[u8]> = take_while(is_space).parse_complete(input);
    space.map_or(input, |(rest, _)| rest)
}

/// One comment or one word.
fn token(input: &[u8]) -> IResult<&[u8], Token<'_>> {
    let (rest, word) = take_till1(is_space).parse_complete(input)?;
    match word {
        b"\\" => value(Token::Comment, take_till(|byte| byte == b'\n')).parse_complete(rest),
        b"(" => value(Token::Comment, terminated(take_until(")"), tag(")"))).parse_complete(rest),
        _ => Ok((rest, Token::Word(word))),
    }
}

/// The value of a text that consists of one literal; `None` otherwise.
pub fn integer(text: &str) -> Option<i64> {
    literal(text.as_bytes()).ok().and_then(|(_, value)| value)
}

/// A literal's value, or `None` if it has the form of a literal but is out of range.
fn literal(word: &[u8]) -> IResult<&[u8], Option<i64>> {
    let hexadecimal = map(preceded(tag("0x"), hex_digit1), |digits| from_digits(digits, 16, false));
    let decimal =
        map((opt(tag("-")), digit1), |(sign, digits): (Option<&[u8]>, _)| from_digits(digits, 10, sign.is_some()));
    all_consuming(alt((hexadecimal, decimal))).parse_complete(word)
}

/// Converts any number of digits into a value: hexadecimal as 64 bits without a sign, decimal in the range of `i64`.
fn from_digits(digits: &[u8], radix: u32, negative: bool) -> Option<i64> {
    let magnitude = digits.iter().try_fold(0u64, |value, &digit| {
        let digit = (digit as char).to_digit(radix)?;
        value.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
    })?;
    match (radix, negative) {
        (16, _) => Some(magnitude as i64),
        (_, false) => i64::try_from(magnitude).ok(),
        (_, true) => 0i64.checked_sub_unsigned(magnitude),
    }
}

/// The part of a body that is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Times,
    Then,
    Else,
    Cond,
    Body,
}

/// A body that is open.
struct OpenBody {
    part: Open,
    /// The index of its node.
    node: usize,
    /// Whether `leave` may stand here: in the body, not in the condition, of the innermost loop around it.
    may_leave: bool,
    /// In ELSE: whether THEN ends with a closing word.
    then_closes: bool,
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    /// The open bodies, innermost last.
    open: Vec<OpenBody>,
    /// Whether the previous word was a literal, which may be the K of a `pick` or `put`.
    after_literal: bool,
    /// The closing word that the body at hand ends with so far.
    closing: Option<(&'static str, Span)>,
}

impl Builder {
    #[inline]
    fn word(&mut self, word: &[u8], span: Span) -> Result<(), SyntaxError> {
        let after_literal = std::mem::take(&mut self.after_literal);
        let fault = |kind| Err(SyntaxError { kind, span });
        let closing = self.closing.take();
        if let Some((name, span)) = closing
            && !matches!(word, b"end" | b"else")
        {
            return Err(SyntaxError { kind: SyntaxErrorKind::NotLast(name), span });
        }
        // Indices are set when a body closes; until then they point to the node itself.
        let here = self.nodes.len() as u32;
        if let Some(word) = Word::from_spelling(word) {
            self.nodes.push(Node { kind: NodeKind::Word(word), span });
            return Ok(());
        }
        match word {
            b"times" => return self.open(Open::Times, NodeKind::Times { end: here }, span),
            b"if" => return self.open(Open::Then, NodeKind::If { otherwise: here, end: here }, span),
            b"while" => return self.open(Open::Cond, NodeKind::While { body: here, end: here }, span),
            b"else" => match self.open.last_mut() {
                Some(open) if open.part == Open::Then => {
                    (open.part, open.then_closes) = (Open::Else, closing.is_some());
                    self.nodes[open.node].kind = NodeKind::If { otherwise: here, end: here };
                }
                _ => return fault(SyntaxErrorKind::Stray("else")),
            },
            b"do" => match self.open.last_mut() {
                Some(open) if open.part == Open::Cond => {
                    (open.part, open.may_leave) = (Open::Body, true);
                    self.nodes[open.node].kind = NodeKind::While { body: here, end: here };
                }
                _ => return fault(SyntaxErrorKind::Stray("do")),
            },
            b"end" => match self.open.pop() {
                Some(OpenBody { part: Open::Cond, .. }) => return fault(SyntaxErrorKind::MissingDo),
                Some(OpenBody { part, node, then_closes, .. }) => {
                    let Node { kind, span } = &mut self.nodes[node];
                    match kind {
                        NodeKind::Times { end } | NodeKind::While { end, .. } => *end = here,
                        NodeKind::If { otherwise, end } => {
                            *end = here;
                            if part == Open::Then {
                                *otherwise = here;
                            }
                        }
                        _ => unreachable!("only loops and branches are opened"),
                    }
                    // The end of a loop can always be reached, and so can that of an `if` without ELSE.
                    if part == Open::Else && then_closes && closing.is_some() {
                        self.closing = Some(("if", *span));
                    }
                }
                None => return fault(SyntaxErrorKind::Stray("end")),
            },
            b"leave" | b"exit" => {
                let (kind, name) = if word == b"leave" { (NodeKind::Leave, "leave") } else { (NodeKind::Exit, "exit") };
                if kind == NodeKind::Leave && !self.open.last().is_some_and(|open| open.may_leave) {
                    return fault(SyntaxErrorKind::LeaveOutsideLoop);
                }
                self.nodes.push(Node { kind, span });
                self.closing = Some((name, span));
            }
            b"pick" | b"put" => {
                let (of_depth, name): (fn(u64) -> NodeKind, _) =
                    if word == b"pick" { (NodeKind::Pick, "pick") } else { (NodeKind::Put, "put") };
                match self.nodes.last_mut() {
                    Some(node) if after_literal && let NodeKind::Literal(depth @ 0..) = node.kind => {
                        *node = Node { kind: of_depth(depth as u64), span };
                    }
                    _ => return fault(SyntaxErrorKind::WithoutLiteral(name)),
                }
            }
            _ => match literal(word) {
                Ok((_, Some(value))) => {
                    self.nodes.push(Node { kind: NodeKind::Literal(value), span });
                    self.after_literal = true;
                }
                Ok((_, None)) => return fault(SyntaxErrorKind::LiteralOutOfRange),
                Err(_) => return fault(unknown_word(word)),
            },
        }
        Ok(())
    }

    fn open(&mut self, part: Open, kind: NodeKind, span: Span) -> Result<(), SyntaxError> {
        if self.open.len() == MAX_NESTING {
            return Err(SyntaxError { kind: SyntaxErrorKind::TooDeep, span });
        }
        let may_leave = match part {
            Open::Times => true,
            Open::Cond => false,
            _ => self.open.last().is_some_and(|open| open.may_leave),
        };
        self.open.push(OpenBody { part, node: self.nodes.len(), may_leave, then_closes: false });
        self.nodes.push(Node { kind, span });
        Ok(())
    }

    /// Checks that the last word of the text is not a closing word.
    fn check_closed(&self) -> Result<(), SyntaxError> {
        match self.closing {
            Some((name, span)) => Err(SyntaxError { kind: SyntaxErrorKind::NotLast(name), span }),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<Ast, SyntaxError> {
        let Some(open) = self.open.last() else {
            return Ok(Ast::new(self.nodes));
        };
        let opener = match open.part {
            Open::Times => "times",
            Open::Then | Open::Else => "if",
            Open::Cond | Open::Body => "while",
        };
        Err(SyntaxError { kind: SyntaxErrorKind::MissingEnd(opener), span: self.nodes[open.node].span })
    }
}

fn unknown_word(word: &[u8]) -> SyntaxErrorKind {
    /// Longer words are shortened in messages, and are too different from every word of the language to suggest one.
    const LONGEST_SHOWN: usize = 40;
    let text = String::from_utf8_lossy(word);
    if text.chars().count() > LONGEST_SHOWN {
        let word = text.chars().take(LONGEST_SHOWN).chain(['…']).collect();
        return SyntaxErrorKind::UnknownWord { word, nearest: None };
    }
    let lower = text.to_lowercase();
    if let Some((_, ours)) = words::FOREIGN.iter().find(|(theirs, _)| *theirs == lower) {
        return SyntaxErrorKind::UnknownWord { word: text.into_owned(), nearest: Some(ours) };
    }
    // The nearest word would be misleading: the help gives better advice.
    if words::advice(&lower).is_some() || text.contains(words::is_misleading) {
        return SyntaxErrorKind::UnknownWord { word: text.into_owned(), nearest: None };
    }
    let letters = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    let nearest = words::spellings()
        .map(|spelling| (strsim::damerau_levenshtein(&lower, spelling), spelling))
        // A suggestion must share at least half of its letters with the word.
        .filter(|(distance, spelling)| *distance <= 2 && distance * 2 <= spelling.len())
        // Of equally near words, prefer one with the same letters, then the longest, because most of its letters match.
        .min_by_key(|(distance, spelling)| (*distance, letters(spelling) != letters(&lower), Reverse(spelling.len())))
        .map(|(_, spelling)| spelling);
    SyntaxErrorKind::UnknownWord { word: text.into_owned(), nearest }
}
