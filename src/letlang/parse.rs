//! The parser: the text of a let program to its [`Tree`], or the first syntax error. Operators are parsed by precedence climbing.
//!
//! Only what is nested recurses, and nesting is bounded. Chains of operators and sequences of statements are loops.

use super::fault::{LetError, LetErrorKind, Nested};
use super::token::{Token, TokenKind, Tokens};
use super::tree::{
    BINARY, Binary, Block, COMPARISONS, Expression, Function, Global, Item, ItemKind, Place, Size, Statement,
    StatementKind, Tree, Unary,
};
use crate::host_stack::with_room;
use crate::lang::{Source, Span};

/// The greatest number of blocks, parentheses, index brackets, argument lists, unary operators and `else if`s around one another.
pub const MAX_NESTING: usize = 300;

/// Parses a text.
///
/// # Errors
/// The first syntax error; a text that is not UTF-8 is reported before anything else.
pub fn parse(source: &Source) -> Result<Tree, LetError> {
    let bytes = source.bytes();
    let error = |kind, at: usize, end: usize| LetError { kind, span: Span { start: at as u32, end: end as u32 } };
    if bytes.len() > Source::MAX_BYTES {
        return Err(error(LetErrorKind::TooLong, 0, 0));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|wrong| error(LetErrorKind::NotUtf8, wrong.valid_up_to(), wrong.valid_up_to() + 1))?;
    let mut tokens = Tokens::new(text);
    let next = tokens.next();
    let last = Span { start: 0, end: 0 };
    let tree = Tree { globals: Vec::new(), items: Vec::new(), last };
    let mut parser = Parser { tokens, next, last, depth: 0, tree };
    with_room(|| parser.globals())?;
    parser.tree.last = parser.last;
    Ok(parser.tree)
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    /// The token that was not taken yet.
    next: Token<'a>,
    /// The token that was taken last.
    last: Span,
    /// What is open around the next token, of what [`MAX_NESTING`] counts.
    depth: usize,
    tree: Tree,
}

type Parsed<T> = Result<T, LetError>;

impl<'a> Parser<'a> {
    /// Takes a token.
    fn take(&mut self) -> Span {
        let taken = self.next.span;
        self.last = taken;
        self.next = self.tokens.next();
        taken
    }

    fn is(&self, fixed: &str) -> bool {
        matches!(self.next.kind, TokenKind::Fixed(found) if found == fixed)
    }

    /// Takes a keyword, an operator or a delimiter if it comes next.
    fn take_if(&mut self, fixed: &str) -> Option<Span> {
        self.is(fixed).then(|| self.take())
    }

    /// Takes a keyword, an operator or a delimiter.
    fn expect(&mut self, fixed: &'static str) -> Parsed<Span> {
        match self.take_if(fixed) {
            Some(span) => Ok(span),
            None => self.unexpected(fixed),
        }
    }

    /// The error at the next token, which cannot continue the text. `expected` could have.
    fn unexpected<T>(&self, expected: &'static str) -> Parsed<T> {
        let kind = match self.next.kind {
            TokenKind::OutOfRange | TokenKind::Minimum => LetErrorKind::LiteralOutOfRange,
            TokenKind::NoDigits => LetErrorKind::NoDigits,
            TokenKind::End => LetErrorKind::UnexpectedEnd { expected },
            _ => LetErrorKind::Unexpected { expected },
        };
        Err(LetError { kind, span: self.next.span })
    }

    fn name(&mut self) -> Parsed<Span> {
        match self.next.kind {
            TokenKind::Name(_) => Ok(self.take()),
            _ => self.unexpected("a name"),
        }
    }

    /// A literal after `minus`, or without one.
    fn literal(&mut self, minus: bool) -> Parsed<i64> {
        let value = match self.next.kind {
            TokenKind::Literal(value) => value,
            TokenKind::Minimum if minus => i64::MIN,
            _ => return self.unexpected("a literal"),
        };
        if let Some(span) = self.tokens.glued() {
            return Err(LetError { kind: LetErrorKind::GluedToLiteral, span });
        }
        self.take();
        Ok(value)
    }

    /// Opens something that [`MAX_NESTING`] counts, at a token.
    fn open(&mut self, what: Nested, at: Span) -> Parsed<()> {
        if self.depth == MAX_NESTING {
            return Err(LetError { kind: LetErrorKind::TooDeep(what), span: at });
        }
        self.depth += 1;
        Ok(())
    }

    fn globals(&mut self) -> Parsed<()> {
        while self.next.kind != TokenKind::End {
            let global = if self.take_if("fn").is_some() {
                self.function()?
            } else if self.take_if("array").is_some() {
                let name = self.name()?;
                self.expect("[")?;
                let at = self.next.span;
                let size = match self.next.kind {
                    TokenKind::Name(_) => {
                        self.take();
                        Size::Name
                    }
                    TokenKind::Literal(_) => Size::Literal(self.literal(false)?),
                    _ => return self.unexpected("the size of the array"),
                };
                self.expect("]")?;
                self.expect(";")?;
                Global::Array { name, size, at }
            } else if self.take_if("const").is_some() {
                let name = self.name()?;
                self.expect("=")?;
                let minus = self.take_if("-").is_some();
                let value = self.literal(minus)?;
                self.expect(";")?;
                Global::Constant { name, value: if minus { value.wrapping_neg() } else { value } }
            } else {
                return self.unexpected("`fn`, `array` or `const`");
            };
            self.tree.globals.push(global);
        }
        Ok(())
    }

    fn function(&mut self) -> Parsed<Global> {
        let name = self.name()?;
        self.expect("(")?;
        let mut params = Vec::new();
        if !self.is(")") {
            params.push(self.name()?);
            while self.take_if(",").is_some() {
                params.push(self.name()?);
            }
        }
        if self.take_if(")").is_none() {
            return self.unexpected(if params.is_empty() { "a name or `)`" } else { "`,` or `)`" });
        }
        Ok(Global::Function(Function { name, params, body: self.block()? }))
    }

    fn block(&mut self) -> Parsed<Block> {
        if !self.is("{") {
            return self.unexpected("`{`");
        }
        self.open(Nested::Block, self.next.span)?;
        self.take();
        let mut statements = Vec::new();
        while !self.is("}") {
            statements.push(self.statement()?);
        }
        self.depth -= 1;
        Ok(Block { statements, close: self.take() })
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let span = self.next.span;
        let kind = match self.next.kind {
            TokenKind::Fixed("let") => {
                self.take();
                let name = self.name()?;
                self.expect("=")?;
                let value = self.expression()?;
                self.semicolon()?;
                StatementKind::Let { name, value }
            }
            TokenKind::Fixed("return") => {
                self.take();
                let value = self.expression()?;
                self.semicolon()?;
                StatementKind::Return(value)
            }
            TokenKind::Fixed("break") => {
                self.take();
                self.expect(";")?;
                StatementKind::Break
            }
            TokenKind::Fixed("if") => self.branch()?,
            TokenKind::Fixed("while") => {
                self.take();
                StatementKind::While { condition: self.expression()?, body: self.block()? }
            }
            TokenKind::Fixed("{") => StatementKind::Block(self.block()?),
            TokenKind::Name(_) => self.assignment_or_call()?,
            _ => return self.unexpected("a statement or `}`"),
        };
        Ok(Statement { kind, span })
    }

    /// The `;` after an expression.
    fn semicolon(&mut self) -> Parsed<Span> {
        if self.is(";") { Ok(self.take()) } else { self.unexpected("an operator or `;`") }
    }

    /// `if` and what follows. That after `else` is nested in it.
    fn branch(&mut self) -> Parsed<StatementKind> {
        self.take();
        let condition = self.expression()?;
        let then = self.block()?;
        if self.take_if("else").is_none() {
            return Ok(StatementKind::If { condition, then, otherwise: None });
        }
        let otherwise = if self.is("if") {
            let span = self.next.span;
            self.open(Nested::ElseIf, span)?;
            let kind = self.branch()?;
            self.depth -= 1;
            Block { statements: vec![Statement { kind, span }], close: self.last }
        } else if self.is("{") {
            self.block()?
        } else {
            return self.unexpected("`{` or `if`");
        };
        Ok(StatementKind::If { condition, then, otherwise: Some(otherwise) })
    }

    fn assignment_or_call(&mut self) -> Parsed<StatementKind> {
        let name = self.take();
        if self.is("(") {
            let start = self.tree.items.len();
            self.call(name)?;
            self.expect(";")?;
            return Ok(StatementKind::Call(start..self.tree.items.len()));
        }
        let index = if self.is("[") { Some(self.index()?) } else { None };
        let kind = if index.is_some() { ItemKind::Element } else { ItemKind::Name };
        let place = Place { name: self.item(kind, name), index };
        let op = match self.next.kind {
            TokenKind::Fixed("=") => None,
            TokenKind::Fixed(fixed) => {
                let found = fixed.strip_suffix('=').and_then(|op| BINARY.iter().find(|(binary, ..)| *binary == op));
                match found {
                    Some((_, op, level)) if *level != COMPARISONS => Some(*op),
                    _ => return self.no_assignment(&place),
                }
            }
            _ => return self.no_assignment(&place),
        };
        let at = self.take();
        let value = self.expression()?;
        self.semicolon()?;
        Ok(StatementKind::Assign { place, op: op.map(|op| (op, at)), value })
    }

    fn no_assignment<T>(&self, place: &Place) -> Parsed<T> {
        self.unexpected(if place.index.is_some() {
            "`=` or an assigning operator"
        } else {
            "`=`, an assigning operator, `[` or `(`"
        })
    }

    fn item(&mut self, kind: ItemKind, span: Span) -> usize {
        self.tree.items.push(Item { kind, span });
        self.tree.items.len() - 1
    }

    fn expression(&mut self) -> Parsed<Expression> {
        let start = self.tree.items.len();
        self.operators(1)?;
        Ok(start..self.tree.items.len())
    }

    /// The operator that comes next, if there is one, and its level.
    fn operator(&self) -> Option<(Operator, u8)> {
        let TokenKind::Fixed(fixed) = self.next.kind else { return None };
        match fixed {
            "||" => Some((Operator::Or, 1)),
            "&&" => Some((Operator::And, 2)),
            _ => BINARY
                .iter()
                .find(|(binary, ..)| *binary == fixed)
                .map(|(_, binary, level)| (Operator::Binary(*binary), *level)),
        }
    }

    /// Operands joined by operators of at least this level.
    fn operators(&mut self, least: u8) -> Parsed<()> {
        self.operand()?;
        // Comparisons do not chain.
        let mut has_compared = false;
        while let Some((operator, level)) = self.operator()
            && level >= least
        {
            if level == COMPARISONS && std::mem::replace(&mut has_compared, true) {
                return Err(LetError { kind: LetErrorKind::ChainedComparison, span: self.next.span });
            }
            has_compared &= level >= COMPARISONS;
            let span = self.take();
            match operator {
                Operator::Binary(binary) => {
                    self.operators(level + 1)?;
                    self.item(ItemKind::Binary(binary), span);
                }
                Operator::And | Operator::Or => {
                    let item = self.item(ItemKind::And { end: 0 }, span);
                    self.operators(level + 1)?;
                    let end = self.tree.items.len();
                    self.tree.items[item].kind =
                        if operator == Operator::And { ItemKind::And { end } } else { ItemKind::Or { end } };
                }
            }
        }
        Ok(())
    }

    fn operand(&mut self) -> Parsed<()> {
        let unary = match self.next.kind {
            TokenKind::Fixed("-") => Some(Unary::Negate),
            TokenKind::Fixed("!") => Some(Unary::Not),
            TokenKind::Fixed("~") => Some(Unary::Invert),
            _ => None,
        };
        if let Some(unary) = unary {
            self.open(Nested::Unary, self.next.span)?;
            let span = self.take();
            if unary == Unary::Negate && self.next.kind == TokenKind::Minimum {
                let at = self.next.span;
                let value = self.literal(true)?;
                self.item(ItemKind::Literal(value), at);
            } else {
                self.operand()?;
            }
            self.depth -= 1;
            self.item(ItemKind::Unary(unary), span);
            return Ok(());
        }
        match self.next.kind {
            TokenKind::Fixed("(") => {
                self.open(Nested::Parenthesis, self.next.span)?;
                self.take();
                // Within a parenthesis, each level of operators may recurse.
                with_room(|| self.operators(1))?;
                self.depth -= 1;
                if self.take_if(")").is_none() {
                    return self.unexpected("an operator or `)`");
                }
            }
            TokenKind::Literal(_) => {
                let span = self.next.span;
                let value = self.literal(false)?;
                self.item(ItemKind::Literal(value), span);
            }
            TokenKind::Name(_) => {
                let name = self.take();
                if self.is("(") {
                    self.call(name)?;
                } else if self.is("[") {
                    self.index()?;
                    self.item(ItemKind::Element, name);
                } else {
                    self.item(ItemKind::Name, name);
                }
            }
            _ => return self.unexpected("an expression"),
        }
        Ok(())
    }

    /// `[index]` after a name.
    fn index(&mut self) -> Parsed<Expression> {
        self.open(Nested::Index, self.next.span)?;
        self.take();
        let index = with_room(|| self.expression())?;
        self.depth -= 1;
        if self.take_if("]").is_none() {
            return self.unexpected("an operator or `]`");
        }
        Ok(index)
    }

    /// The arguments of a call after its name.
    fn call(&mut self, name: Span) -> Parsed<()> {
        self.open(Nested::Arguments, self.next.span)?;
        self.take();
        let mut arguments = 0;
        if !self.is(")") {
            with_room(|| self.operators(1))?;
            arguments += 1;
            while self.take_if(",").is_some() {
                with_room(|| self.operators(1))?;
                arguments += 1;
            }
        }
        if self.take_if(")").is_none() {
            return self.unexpected("an operator, `,` or `)`");
        }
        self.depth -= 1;
        self.item(ItemKind::Call { arguments }, name);
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    And,
    Or,
    Binary(Binary),
}
