//! The parser: bytes to an [`Ast`], or the first fault in source order.
//!
//! nom reads the tokens. Open bodies are on an explicit stack, so nesting uses no host stack. Parsing takes one pass, linear in
//! the length of the text. Only the first use of a name before its definition reads the rest of the text for names.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_till1, take_until, take_while};
use nom::character::complete::{digit1, hex_digit1};
use nom::combinator::{all_consuming, map, opt, value};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser as _};

use super::{Array, ArrayId, Ast, Definition, DefinitionId, Node, NodeKind, Source, Span, Word, words};

/// The greatest number of nested bodies.
pub const MAX_NESTING: usize = 1000;

/// The greatest number of cells that all arrays of a program have together: 128 MiB.
pub const MAX_CELLS: u32 = 1 << 24;

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
    /// `end`, `else`, `do` or `;` that does not belong to the innermost open body or definition.
    #[error("stray `{0}`")]
    Stray(&'static str),
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
    #[error("`{0}` inside of a body or a definition")]
    NotTopLevel(&'static str),
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
    #[error("`{0}` has no effect")]
    WithoutEffect(String),
    /// An effect with no `--`, or with more than one.
    #[error("an effect needs exactly one `--`")]
    EffectWithoutDashes,
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
    /// It is defined before.
    Defined,
}

/// Parses a text.
///
/// # Errors
/// The first fault in the order that docs/LANGUAGE.md defines; a text that is not UTF-8 is reported before anything else.
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
    let mut parser = Parser::new(bytes);
    while let Some((word, span)) = parser.next_word() {
        parser.word(word, span)?;
    }
    parser.finish()
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
    let (rest, word) = word(input)?;
    match word {
        b"\\" => value(Token::Comment, line).parse_complete(rest),
        b"(" => value(Token::Comment, parenthesized).parse_complete(rest),
        _ => Ok((rest, Token::Word(word))),
    }
}

fn word(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_till1(is_space).parse_complete(input)
}

/// The rest of the line.
fn line(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_till(|byte| byte == b'\n').parse_complete(input)
}

/// The text up to the first `)`, which it takes too.
fn parenthesized(input: &[u8]) -> IResult<&[u8], &[u8]> {
    terminated(take_until(")"), tag(")")).parse_complete(input)
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

/// A use of a name before its definition or declaration.
struct ForwardUse<'a> {
    name: &'a [u8],
    /// Whether it is in a definition, so that its node is one of the definitions' nodes.
    in_definition: bool,
    node: usize,
}

struct Parser<'a> {
    text: &'a [u8],
    /// What follows the last word that was read.
    rest: &'a [u8],
    /// The `(` of a comment that is never closed, once the parser has reached it.
    unclosed: Option<Span>,
    /// The nodes of the definition at hand or, outside of definitions, of the main program. Their indices count from the start
    /// of this list.
    nodes: Vec<Node>,
    /// The other nodes: in a definition those of the main program, outside those of the definitions.
    other_nodes: Vec<Node>,
    /// The open bodies, innermost last.
    open: Vec<OpenBody>,
    /// Whether the previous word was a literal, which may be the K of `pick` or `put`, or the N of `array`.
    after_literal: bool,
    /// The closing word that the body at hand ends with so far.
    closing: Option<(&'static str, Span)>,
    /// The `:` of the definition at hand.
    colon: Option<Span>,
    definitions: Vec<Definition>,
    arrays: Vec<Array>,
    cells: u32,
    /// The names defined so far, with what each of them does.
    names: HashMap<&'a [u8], NodeKind>,
    /// The names defined in the rest of the text, from the first use of a name that was not yet defined.
    names_ahead: Option<HashSet<&'a [u8]>>,
    forward_uses: Vec<ForwardUse<'a>>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a [u8]) -> Parser<'a> {
        Parser {
            text,
            rest: text,
            unclosed: None,
            nodes: Vec::new(),
            other_nodes: Vec::new(),
            open: Vec::new(),
            after_literal: false,
            closing: None,
            colon: None,
            definitions: Vec::new(),
            arrays: Vec::new(),
            cells: 0,
            names: HashMap::new(),
            names_ahead: None,
            forward_uses: Vec::new(),
        }
    }

    /// Reads up to the end of the next word that is not in a comment. `None` at the end of the text or at a comment that is
    /// never closed.
    #[inline]
    fn next_word(&mut self) -> Option<(&'a [u8], Span)> {
        loop {
            self.rest = skip_space(self.rest);
            let start = self.position();
            match token(self.rest) {
                Ok((after, token)) => {
                    self.rest = after;
                    if let Token::Word(word) = token {
                        return Some((word, span(start, start + word.len())));
                    }
                }
                Err(_) if self.rest.is_empty() => return None,
                // With text left, the only token that can fail is a comment that is never closed.
                Err(_) => {
                    self.unclosed = Some(span(start, start + 1));
                    return None;
                }
            }
        }
    }

    /// The position in the text of what follows the last word that was read.
    fn position(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    #[inline]
    fn word(&mut self, word: &'a [u8], span: Span) -> Result<(), SyntaxError> {
        let after_literal = std::mem::take(&mut self.after_literal);
        let fault = |kind| Err(SyntaxError { kind, span });
        let closing = self.closing.take();
        if let Some((name, span)) = closing
            && !matches!(word, b"end" | b"else" | b";")
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
            b":" => return self.begin_definition(span),
            b";" => return self.end_definition(span),
            b"array" => return self.array(after_literal, span),
            _ => match literal(word) {
                Ok((_, Some(value))) => {
                    self.nodes.push(Node { kind: NodeKind::Literal(value), span });
                    self.after_literal = true;
                }
                Ok((_, None)) => return fault(SyntaxErrorKind::LiteralOutOfRange),
                Err(_) => return self.name_used(word, span),
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

    /// `:` and what belongs to it: the name and the effect.
    fn begin_definition(&mut self, colon: Span) -> Result<(), SyntaxError> {
        let (name, span) = self.defined_name(":", colon)?;
        let (params, results) = self.effect(name, span)?;
        self.names.insert(name, NodeKind::Call(DefinitionId(self.definitions.len() as u32)));
        std::mem::swap(&mut self.nodes, &mut self.other_nodes);
        self.colon = Some(colon);
        let start = self.nodes.len();
        self.definitions.push(Definition { name: text(name), span, params, results, body: start..start });
        Ok(())
    }

    fn end_definition(&mut self, span: Span) -> Result<(), SyntaxError> {
        match self.definitions.last_mut() {
            Some(definition) if self.colon.is_some() && self.open.is_empty() => {
                definition.body.end = self.nodes.len();
                std::mem::swap(&mut self.nodes, &mut self.other_nodes);
                self.colon = None;
                Ok(())
            }
            _ => Err(SyntaxError { kind: SyntaxErrorKind::Stray(";"), span }),
        }
    }

    /// `array` and the name after it. The literal before it is the last node.
    fn array(&mut self, after_literal: bool, array: Span) -> Result<(), SyntaxError> {
        let fault = |kind| Err(SyntaxError { kind, span: array });
        self.check_top_level("array", array)?;
        let cells = match self.nodes.last() {
            Some(Node { kind: NodeKind::Literal(cells @ 1..), .. }) if after_literal => *cells as u64,
            _ => return fault(SyntaxErrorKind::WithoutLiteral("array")),
        };
        let start = self.cells;
        match u32::try_from(u64::from(start).saturating_add(cells)) {
            Ok(end) if end <= MAX_CELLS => self.cells = end,
            _ => return fault(SyntaxErrorKind::TooManyCells),
        }
        let (name, span) = self.defined_name("array", array)?;
        self.nodes.pop();
        self.names.insert(name, NodeKind::Address(ArrayId(self.arrays.len() as u32)));
        self.arrays.push(Array { name: text(name), span, start, cells: self.cells - start });
        Ok(())
    }

    /// Checks that a definition or an array declaration may stand here.
    fn check_top_level(&self, word: &'static str, span: Span) -> Result<(), SyntaxError> {
        match self.colon.is_none() && self.open.is_empty() {
            true => Ok(()),
            false => Err(SyntaxError { kind: SyntaxErrorKind::NotTopLevel(word), span }),
        }
    }

    /// Reads the name that `:` or `array` defines.
    fn defined_name(&mut self, word: &'static str, of: Span) -> Result<(&'a [u8], Span), SyntaxError> {
        self.check_top_level(word, of)?;
        let Some((name, span)) = self.next_word() else {
            self.check_comments_closed()?;
            return Err(SyntaxError { kind: SyntaxErrorKind::WithoutName(word), span: of });
        };
        let reason = if is_word_of_the_language(name) {
            NameFault::Word
        } else if literal(name).is_ok() {
            NameFault::Literal
        } else if self.names.contains_key(name) {
            NameFault::Defined
        } else {
            return Ok((name, span));
        };
        Err(SyntaxError { kind: SyntaxErrorKind::NameNotAllowed { name: shortened(name), reason }, span })
    }

    /// Reads the effect that follows the name of a definition: the numbers of parameters and results.
    fn effect(&mut self, name: &[u8], of: Span) -> Result<(u32, u32), SyntaxError> {
        let start = loop {
            self.rest = skip_space(self.rest);
            let start = self.position();
            let Ok((after, word)) = word(self.rest) else {
                return Err(SyntaxError { kind: SyntaxErrorKind::WithoutEffect(shortened(name)), span: of });
            };
            match word {
                b"\\" => (self.rest, _) = line(after).expect("a line may be empty"),
                b"(" => {
                    self.rest = after;
                    break start;
                }
                _ => return Err(SyntaxError { kind: SyntaxErrorKind::WithoutEffect(shortened(name)), span: of }),
            }
        };
        let fault = |kind| Err(SyntaxError { kind, span: span(start, start + 1) });
        let Ok((after, words)) = parenthesized(self.rest) else {
            return fault(SyntaxErrorKind::UnclosedComment);
        };
        self.rest = after;
        let (mut before, mut dashes, mut after) = (0, 0, 0);
        for word in words.split(|byte| is_space(*byte)).filter(|word| !word.is_empty()) {
            match (word, dashes) {
                (b"--", _) => dashes += 1,
                (_, 0) => before += 1,
                _ => after += 1,
            }
        }
        if dashes == 1 { Ok((before, after)) } else { fault(SyntaxErrorKind::EffectWithoutDashes) }
    }

    /// A word that is not a word of the language: a call, an address or a fault.
    fn name_used(&mut self, name: &'a [u8], span: Span) -> Result<(), SyntaxError> {
        if let Some(&kind) = self.names.get(name) {
            self.nodes.push(Node { kind, span });
            return Ok(());
        }
        let rest = self.rest;
        if !self.names_ahead.get_or_insert_with(|| names(rest)).contains(name) {
            return Err(SyntaxError { kind: unknown_word(name), span });
        }
        let node = self.nodes.len();
        self.forward_uses.push(ForwardUse { name, in_definition: self.colon.is_some(), node });
        // Its meaning is known at the end of the text.
        self.nodes.push(Node { kind: NodeKind::Exit, span });
        Ok(())
    }

    fn check_comments_closed(&self) -> Result<(), SyntaxError> {
        self.unclosed.map_or(Ok(()), |span| Err(SyntaxError { kind: SyntaxErrorKind::UnclosedComment, span }))
    }

    /// The tree, or the fault that the end of the text shows. It may show several: docs/LANGUAGE.md defines which one is
    /// reported.
    fn finish(mut self) -> Result<Ast, SyntaxError> {
        if let Some((name, span)) = self.closing {
            return Err(SyntaxError { kind: SyntaxErrorKind::NotLast(name), span });
        }
        self.check_comments_closed()?;
        if let Some(open) = self.open.last() {
            let opener = match open.part {
                Open::Times => "times",
                Open::Then | Open::Else => "if",
                Open::Cond | Open::Body => "while",
            };
            let span = self.nodes[open.node].span;
            return Err(SyntaxError { kind: SyntaxErrorKind::MissingEnd(opener), span });
        }
        if let Some(span) = self.colon {
            return Err(SyntaxError { kind: SyntaxErrorKind::MissingSemicolon, span });
        }
        for ForwardUse { name, in_definition, node } in self.forward_uses {
            let nodes = if in_definition { &mut self.other_nodes } else { &mut self.nodes };
            nodes[node].kind = self.names[name];
        }
        let main = self.nodes.len();
        for Node { kind, .. } in &mut self.other_nodes {
            match kind {
                NodeKind::Times { end } => *end += main as u32,
                NodeKind::If { otherwise, end } => (*otherwise, *end) = (*otherwise + main as u32, *end + main as u32),
                NodeKind::While { body, end } => (*body, *end) = (*body + main as u32, *end + main as u32),
                _ => {}
            }
        }
        for Definition { body, .. } in &mut self.definitions {
            *body = body.start + main..body.end + main;
        }
        self.nodes.append(&mut self.other_nodes);
        Ok(Ast::with(self.nodes, main, self.definitions, self.arrays))
    }
}

/// Whether a word has a meaning of its own, so that it cannot be a name.
fn is_word_of_the_language(word: &[u8]) -> bool {
    matches!(word, b")" | b"--") || words::spellings().any(|spelling| spelling.as_bytes() == word)
}

/// The words of a text that follow a `:` or `array` and may be names.
fn names(mut text: &[u8]) -> HashSet<&[u8]> {
    let mut names = HashSet::new();
    let mut is_due = false;
    while let Ok((rest, token)) = token(skip_space(text)) {
        text = rest;
        if let Token::Word(word) = token {
            if is_due && !is_word_of_the_language(word) && literal(word).is_err() {
                names.insert(word);
            }
            is_due = matches!(word, b":" | b"array");
        }
    }
    names
}

fn text(word: &[u8]) -> Box<str> {
    String::from_utf8_lossy(word).into()
}

/// Longer words are shortened in messages, and are too different from every word of the language to suggest one.
const LONGEST_SHOWN: usize = 40;

/// A word as messages show it.
fn shortened(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

fn unknown_word(word: &[u8]) -> SyntaxErrorKind {
    let text = String::from_utf8_lossy(word);
    if text.chars().count() > LONGEST_SHOWN {
        return SyntaxErrorKind::UnknownWord { word: shortened(word), nearest: None };
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
