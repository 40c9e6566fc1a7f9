//! The outline of a let text: its functions, arrays and constants, the statements outside of them, and whether more text could
//! close what is open at its end.
//!
//! A program has no statements outside of functions, but at a prompt they are what to run. Only the parser judges a text.

use super::token::{TokenKind, Tokens};
use super::tree::BINARY;
use crate::lang::{Declaration, Span};

/// What is known of a text so far.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    declarations: Vec<Declaration>,
    statements: Vec<Span>,
    /// The statement that has not ended yet.
    last: Option<Last>,
    /// The number of bytes that were read.
    read: usize,
    /// The number of open brackets.
    brackets: usize,
    /// The declaration that has not ended yet.
    declaration: Option<Unfinished>,
}

/// A statement or an expression without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// Its text so far.
    pub span: Span,
    /// Whether it looks like an expression: it begins like one and assigns nothing.
    pub is_expression: bool,
}

#[derive(Clone, Debug)]
struct Unfinished {
    span: Span,
    name: String,
    is_function: bool,
    has_body: bool,
}

impl Outline {
    /// The complete functions, arrays and constants so far, in reading order.
    pub fn declarations(&self) -> &[Declaration] {
        &self.declarations
    }

    /// The text from the beginning of a declaration that is not complete.
    pub fn unfinished(&self) -> Option<Span> {
        self.declaration.as_ref().map(|unfinished| unfinished.span)
    }

    /// The complete statements outside of functions, in reading order.
    pub fn statements(&self) -> &[Span] {
        &self.statements
    }

    /// What follows the last complete statement.
    pub fn last(&self) -> Option<Last> {
        self.last
    }

    /// Whether a bracket is open, or a function has no body yet, so that more text could complete it.
    pub fn is_open(&self) -> bool {
        self.brackets > 0 || self.declaration.as_ref().is_some_and(|open| open.is_function && !open.has_body)
    }

    /// Reads more of the text: one or more whole lines.
    pub fn read(&mut self, text: &str) {
        let mut tokens = Tokens::new(text);
        loop {
            let token = tokens.next();
            if token.kind == TokenKind::End {
                break;
            }
            let at = |offset: u32| (self.read + offset as usize) as u32;
            self.token(token.kind, Span { start: at(token.span.start), end: at(token.span.end) });
        }
        self.read += text.len();
    }

    fn token(&mut self, kind: TokenKind, span: Span) {
        let fixed = if let TokenKind::Fixed(fixed) = kind { fixed } else { "" };
        match fixed {
            "(" | "[" | "{" => self.brackets += 1,
            ")" | "]" | "}" => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
        let may_end = self.brackets == 0;
        if let Some(open) = &mut self.declaration {
            open.span.end = span.end;
            open.has_body |= fixed == "{";
            if let (TokenKind::Name(name), true) = (kind, open.name.is_empty()) {
                open.name = name.to_owned();
            }
            if may_end && (fixed == ";" || fixed == "}" && open.is_function) {
                self.declarations.push(Declaration { name: std::mem::take(&mut open.name), span: open.span });
                self.declaration = None;
            }
            return;
        }
        if self.last.is_none() && matches!(fixed, "fn" | "array" | "const") {
            let is_function = fixed == "fn";
            self.declaration = Some(Unfinished { span, name: String::new(), is_function, has_body: false });
            return;
        }
        let begins_expression = !matches!(kind, TokenKind::Fixed(fixed) if !["(", "-", "!", "~"].contains(&fixed));
        let last = self.last.get_or_insert(Last { span, is_expression: begins_expression });
        last.span.end = span.end;
        last.is_expression &= !is_assignment(fixed);
        if may_end && matches!(fixed, ";" | "}") {
            self.statements.push(last.span);
            self.last = None;
        }
    }
}

fn is_assignment(symbol: &str) -> bool {
    symbol.ends_with('=') && !BINARY.iter().any(|(comparison, ..)| *comparison == symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> Outline {
        let mut outline = Outline::default();
        text.split_inclusive('\n').for_each(|line| outline.read(line));
        outline
    }

    #[test]
    fn declarations_and_statements_are_separated() {
        let text = "const N = 3; // ;\nlet a = N; fn f(x)\n{ return x; } if a { a = f(1); } else { } array b[N]; a * (2 + b[0])";
        let outline = outline(text);
        let shown = |span: Span| &text[span.start as usize..span.end as usize];
        let declared: Vec<_> = outline.declarations().iter().map(|it| (it.name.as_str(), shown(it.span))).collect();
        assert_eq!(declared, [("N", "const N = 3;"), ("f", "fn f(x)\n{ return x; }"), ("b", "array b[N];")]);
        let statements: Vec<_> = outline.statements().iter().map(|span| shown(*span)).collect();
        assert_eq!(statements, ["let a = N;", "if a { a = f(1); }", "else { }"]);
        let last = outline.last().expect("it has no end");
        assert_eq!((shown(last.span), last.is_expression), ("a * (2 + b[0])", true));
        assert!(!outline.is_open());
    }

    #[test]
    fn what_is_open_can_be_closed() {
        for text in ["fn f(x)", "fn", "f(1,", "a[", "while 1 {", "fn f() { if 1 { }", "(1 // )"] {
            assert!(outline(text).is_open(), "{text}");
        }
        for text in ["", "1 +", "const N = 3", "fn f() { }", "}", "f(1)", "1; }", "array a[2]"] {
            assert!(!outline(text).is_open(), "{text}");
        }
        assert!(!outline("x = 1").last().expect("it has no end").is_expression);
        assert!(!outline("x += 1").last().expect("it has no end").is_expression);
        assert!(outline("x <= 1").last().expect("it has no end").is_expression);
        assert!(!outline("return 1").last().expect("it has no end").is_expression);
        assert!(outline("-x").last().expect("it has no end").is_expression);
        assert!(outline("array a[2]").unfinished().is_some());
    }
}
