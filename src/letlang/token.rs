//! The tokens of a let program, read with nom.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while, take_while1};
use nom::combinator::{map, recognize, value};
use nom::multi::many0_count;
use nom::sequence::preceded;
use nom::{IResult, Parser};

use crate::lang::Span;

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: TokenKind<'a>,
    pub span: Span,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind<'a> {
    /// A name that is not a keyword.
    Name(&'a str),
    /// A keyword, an operator or a delimiter.
    Fixed(&'static str),
    /// A literal in range.
    Literal(i64),
    /// The decimal literal 2^63, which may only follow a minus.
    Minimum,
    /// A greater decimal literal, or a hexadecimal one of more than 64 bits.
    OutOfRange,
    /// `0x` without digits.
    NoDigits,
    /// Anything else.
    Other(char),
    /// The end of the text.
    End,
}

/// The keywords.
pub const KEYWORDS: [&str; 11] =
    ["array", "break", "const", "continue", "else", "fn", "for", "if", "let", "return", "while"];

/// The operators and delimiters. Of several that fit, the longest one comes first.
const SYMBOLS: [&str; 41] = [
    ">>>=", "<<=", ">>=", ">>>", "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "+=", "-=", "*=", "/=", "%=", "&=",
    "|=", "^=", "+", "-", "*", "/", "%", "&", "|", "^", "<", ">", "!", "~", "=", "(", ")", "{", "}", "[", "]", ",",
    ";",
];

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c')
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// White space and comments.
fn skipped(input: &str) -> IResult<&str, usize> {
    let comment = (tag("//"), take_till(|c| c == '\n'));
    many0_count(alt((recognize(take_while1(is_space)), recognize(comment)))).parse_complete(input)
}

fn name(input: &str) -> IResult<&str, TokenKind<'_>> {
    let (rest, name) = take_while1(is_name).parse_complete(input)?;
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Alpha)));
    }
    let keyword = KEYWORDS.into_iter().find(|keyword| *keyword == name);
    Ok((rest, keyword.map_or(TokenKind::Name(name), TokenKind::Fixed)))
}

fn literal(input: &str) -> IResult<&str, TokenKind<'_>> {
    let of = |digits: &str, radix| match u64::from_str_radix(digits, radix) {
        Ok(literal) if radix == 16 || literal < 1 << 63 => TokenKind::Literal(literal as i64),
        Ok(literal) if literal == 1 << 63 => TokenKind::Minimum,
        _ => TokenKind::OutOfRange,
    };
    let hexadecimal = map(preceded(tag("0x"), take_while(|c: char| c.is_ascii_hexdigit())), |digits: &str| {
        if digits.is_empty() { TokenKind::NoDigits } else { of(digits, 16) }
    });
    let decimal = map(take_while1(|c: char| c.is_ascii_digit()), |digits| of(digits, 10));
    alt((hexadecimal, decimal)).parse_complete(input)
}

fn symbol(input: &str) -> IResult<&str, TokenKind<'_>> {
    for symbol in SYMBOLS {
        if let Ok((rest, kind)) =
            value::<_, _, nom::error::Error<&str>, _>(TokenKind::Fixed(symbol), tag(symbol)).parse_complete(input)
        {
            return Ok((rest, kind));
        }
    }
    Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Tag)))
}

/// Reads the tokens of a text one by one.
#[derive(Clone)]
pub struct Tokens<'a> {
    text: &'a str,
    /// The offset after the last token.
    after: usize,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a str) -> Tokens<'a> {
        Tokens { text, after: 0 }
    }

    /// The next token. The end of the text is directly behind the last token.
    pub fn next(&mut self) -> Token<'a> {
        let rest = &self.text[self.after..];
        let (rest, _) = skipped(rest).unwrap_or((rest, 0));
        let start = self.text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            return Token { kind: TokenKind::End, span: span(self.after, self.after) };
        };
        let (after, kind) = alt((name, literal, symbol))
            .parse_complete(rest)
            .unwrap_or((&rest[first.len_utf8()..], TokenKind::Other(first)));
        self.after = self.text.len() - after.len();
        Token { kind, span: span(start, self.after) }
    }

    /// The character behind the last token, if it could belong to a name.
    pub fn glued(&self) -> Option<Span> {
        self.text[self.after..].starts_with(is_name).then(|| span(self.after, self.after + 1))
    }
}

fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}
