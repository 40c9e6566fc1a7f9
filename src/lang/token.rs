//! The tokens of a text: comments, words and literals, read with nom.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_till1, take_until, take_while};
use nom::character::complete::{digit1, hex_digit1};
use nom::combinator::{all_consuming, map, opt, value};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

/// White space. A line ends only at LF.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

#[derive(Clone, Copy)]
pub(super) enum Token<'a> {
    Comment,
    Word(&'a [u8]),
}

/// What follows the white space.
pub(super) fn skip_space(input: &[u8]) -> &[u8] {
    let space: IResult<&[u8], &[u8]> = take_while(is_space).parse_complete(input);
    space.map_or(input, |(rest, _)| rest)
}

/// One comment or one word.
pub(super) fn token(input: &[u8]) -> IResult<&[u8], Token<'_>> {
    let (rest, word) = word(input)?;
    match word {
        b"\\" => value(Token::Comment, line).parse_complete(rest),
        b"(" => value(Token::Comment, parenthesized).parse_complete(rest),
        _ => Ok((rest, Token::Word(word))),
    }
}

/// The text up to white space, if there is any.
pub(super) fn word(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_till1(is_space).parse_complete(input)
}

/// The rest of the line.
pub(super) fn line(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_till(|byte| byte == b'\n').parse_complete(input)
}

/// The text up to the first `)`, which it takes too.
pub(super) fn parenthesized(input: &[u8]) -> IResult<&[u8], &[u8]> {
    terminated(take_until(")"), tag(")")).parse_complete(input)
}

/// The value of a text that consists of one literal; `None` otherwise.
pub fn integer(text: &str) -> Option<i64> {
    literal(text.as_bytes()).ok().and_then(|(_, value)| value)
}

/// A literal's value, or `None` if it has the form of a literal but is out of range.
pub(super) fn literal(word: &[u8]) -> IResult<&[u8], Option<i64>> {
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
