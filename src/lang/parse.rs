//! The parser: bytes to an [`Ast`], or the first fault in source order.
//!
//! Open bodies are on an explicit stack, so nesting uses no host stack. Parsing takes one pass, linear in
//! the length of the text. Only the first use of a name before its definition reads the rest of the text for names.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::source::shortened;
use super::syntax_error::{NameFault, Opener, SyntaxError, SyntaxErrorKind, unknown_word};
use super::token::{Token, is_space, line, literal, parenthesized, skip_space, token, word};
use super::words::is_spelling;
use super::{Array, ArrayId, Ast, Definition, DefinitionId, Node, NodeKind, Source, Span, Word};

/// The greatest number of nested bodies.
pub const MAX_NESTING: usize = 1000;

/// The greatest number of cells that all arrays of a program have together: 128 MiB.
pub const MAX_CELLS: u32 = 1 << 24;

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
    parser.words()?;
    parser.finish()
}

fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
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

impl Open {
    /// The word that opens the body.
    fn opener(self) -> &'static str {
        match self {
            Open::Times => "times",
            Open::Then | Open::Else => "if",
            Open::Cond | Open::Body => "while",
        }
    }
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
    /// The names defined so far, with what each of them does. The order of a hash map would differ from process to process, and so
    /// would the number of instructions that parsing takes, which `scripts/count` relies on.
    names: BTreeMap<&'a [u8], NodeKind>,
    /// The names defined in the rest of the text, from the first use of a name that was not yet defined.
    names_ahead: Option<BTreeSet<&'a [u8]>>,
    forward_uses: Vec<ForwardUse<'a>>,
    /// The number of words that were read, to which the time is proportional.
    words_read: usize,
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
            names: BTreeMap::new(),
            names_ahead: None,
            forward_uses: Vec::new(),
            words_read: 0,
        }
    }

    /// Reads all words.
    fn words(&mut self) -> Result<(), SyntaxError> {
        while let Some((word, span)) = self.next_word() {
            self.word(word, span)?;
        }
        Ok(())
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
                        self.words_read += 1;
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
                _ => return self.stray("else", span),
            },
            b"do" => match self.open.last_mut() {
                Some(open) if open.part == Open::Cond => {
                    (open.part, open.may_leave) = (Open::Body, true);
                    self.nodes[open.node].kind = NodeKind::While { body: here, end: here };
                }
                _ => return self.stray("do", span),
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
                None => return self.stray("end", span),
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
        self.check_top_level(":", colon)?;
        let (name, span) = self.defined_name(":", colon)?;
        let (params, results) = self.effect(name, span)?;
        self.names.insert(name, NodeKind::Call(DefinitionId(self.definitions.len() as u32)));
        std::mem::swap(&mut self.nodes, &mut self.other_nodes);
        self.colon = Some(colon);
        let start = self.nodes.len();
        self.definitions.push(Definition { name: text(name).into(), span, params, results, body: start..start });
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
            _ => self.stray(";", span),
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
        self.arrays.push(Array { name: text(name).into(), span, start, cells: self.cells - start });
        Ok(())
    }

    /// The innermost open body or definition.
    fn opener(&self) -> Option<Opener> {
        match self.open.last() {
            Some(open) => Some(Opener { word: open.part.opener(), span: self.nodes[open.node].span }),
            None => self.colon.map(|span| Opener { word: ":", span }),
        }
    }

    fn stray(&self, word: &'static str, span: Span) -> Result<(), SyntaxError> {
        Err(SyntaxError { kind: SyntaxErrorKind::Stray { word, open: self.opener() }, span })
    }

    /// Checks that a definition or an array declaration may stand here.
    fn check_top_level(&self, word: &'static str, span: Span) -> Result<(), SyntaxError> {
        match self.opener() {
            None => Ok(()),
            Some(open) => Err(SyntaxError { kind: SyntaxErrorKind::NotTopLevel { word, open }, span }),
        }
    }

    /// Reads the name that `:` or `array` defines.
    fn defined_name(&mut self, word: &'static str, of: Span) -> Result<(&'a [u8], Span), SyntaxError> {
        let Some((name, span)) = self.next_word() else {
            self.check_comments_closed()?;
            return Err(SyntaxError { kind: SyntaxErrorKind::WithoutName(word), span: of });
        };
        let reason = match self.names.get(name) {
            Some(NodeKind::Address(id)) => NameFault::Defined(self.arrays[id.index()].span),
            Some(NodeKind::Call(id)) => NameFault::Defined(self.definitions[id.index()].span),
            _ if is_spelling(name) => NameFault::Word,
            _ if literal(name).is_ok() => NameFault::Literal,
            _ => return Ok((name, span)),
        };
        Err(SyntaxError { kind: SyntaxErrorKind::NameNotAllowed { name: shortened(&text(name)), reason }, span })
    }

    /// Reads the effect that follows the name of a definition: the numbers of parameters and results.
    fn effect(&mut self, name: &[u8], of: Span) -> Result<(u32, u32), SyntaxError> {
        let opened = loop {
            self.rest = skip_space(self.rest);
            let start = self.position();
            match word(self.rest) {
                Ok((after, b"\\")) => (self.rest, _) = line(after).expect("a line may be empty"),
                Ok((after, b"(")) => {
                    self.rest = after;
                    break span(start, start + 1);
                }
                other => {
                    let next = other.ok().map(|(_, word)| shortened(&text(word)));
                    let kind = SyntaxErrorKind::WithoutEffect { name: shortened(&text(name)), next };
                    return Err(SyntaxError { kind, span: of });
                }
            }
        };
        let Ok((after, words)) = parenthesized(self.rest) else {
            return Err(SyntaxError { kind: SyntaxErrorKind::UnclosedEffect, span: opened });
        };
        self.rest = after;
        let (mut params, mut dashes, mut results) = (0, 0, 0);
        for word in words.split(|byte| is_space(*byte)).filter(|word| !word.is_empty()) {
            match (word, dashes) {
                (b"--", _) => dashes += 1,
                (_, 0) => params += 1,
                _ => results += 1,
            }
        }
        match dashes {
            1 => Ok((params, results)),
            count => Err(SyntaxError { kind: SyntaxErrorKind::Dashes { count }, span: opened }),
        }
    }

    /// A word that is not a word of the language: a call, an address or a fault.
    fn name_used(&mut self, name: &'a [u8], span: Span) -> Result<(), SyntaxError> {
        if let Some(&kind) = self.names.get(name) {
            self.nodes.push(Node { kind, span });
            return Ok(());
        }
        let names_ahead = self.names_ahead.get_or_insert_with(|| names(self.rest, &mut self.words_read));
        if !names_ahead.contains(name) {
            let names = self.names.keys().chain(names_ahead.iter()).map(|name| text(name));
            return Err(SyntaxError { kind: unknown_word(&text(name), names), span });
        }
        let node = self.nodes.len();
        self.forward_uses.push(ForwardUse { name, in_definition: self.colon.is_some(), node });
        // Its meaning is known at the end of the text.
        self.nodes.push(Node { kind: NodeKind::Call(DefinitionId(u32::MAX)), span });
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
        match self.opener() {
            Some(Opener { word: ":", span }) => {
                return Err(SyntaxError { kind: SyntaxErrorKind::MissingSemicolon, span });
            }
            Some(Opener { word, span }) => return Err(SyntaxError { kind: SyntaxErrorKind::MissingEnd(word), span }),
            None => {}
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

fn text(word: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(word)
}

/// The words of a text that follow a `:` or `array` and may be names. Counts the words that it reads.
fn names<'a>(mut text: &'a [u8], words_read: &mut usize) -> BTreeSet<&'a [u8]> {
    let mut names = BTreeSet::new();
    let mut is_due = false;
    while let Ok((rest, token)) = token(skip_space(text)) {
        text = rest;
        if let Token::Word(word) = token {
            *words_read += 1;
            if is_due && !is_spelling(word) && literal(word).is_err() {
                names.insert(word);
            }
            is_due = matches!(word, b":" | b"array");
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts words instead of time: the rest of the text is searched for names at most once.
    #[test]
    fn words_are_read_at_most_twice() {
        const COUNT: usize = 1000;
        let each = |text: fn(usize) -> String| (0..COUNT).map(text).collect::<String>();
        let backward = each(|index| format!(": f{index} ( -- ) {} ; ", if index == 0 { "" } else { "f0" }));
        let forward = each(|index| format!(": f{index} ( -- ) f{} ; ", (index + 1) % COUNT));
        let arrays = each(|index| format!("1 array a{index} a{} ", COUNT - 1 - index));
        for (name, text, times) in [
            ("no names", "1 2 + drop ".repeat(COUNT), 1),
            ("only names that are already defined", backward, 1),
            ("names that are not yet defined", forward, 2),
            ("arrays that are not yet declared", arrays, 2),
        ] {
            let words = text.replace("( -- )", "").split_whitespace().count();
            let mut parser = Parser::new(text.as_bytes());
            parser.words().expect("the test's program parses");
            assert!(parser.words_read <= times * words, "{name}: {} of {words} words", parser.words_read);
            assert!(parser.words_read >= words, "{name}: {} of {words} words", parser.words_read);
        }
    }
}
