//! The table of words: spelling, stack effect and meaning. Everything else is derived from it, with two exceptions: the
//! referee and the tests' evaluators define each word independently, to check the table.

use std::borrow::Cow;

use crate::lir::{AluOp, Cond, DivOp, UnaryOp};

/// What a word does with the values that it pops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// One result computed from two operands; cannot trap.
    Alu(AluOp),
    /// One result computed from one operand; cannot trap.
    Unary(UnaryOp),
    /// One flag, 1 or 0, from a comparison of two operands; cannot trap.
    Compare(Cond),
    /// One result from two operands; traps if the divisor is zero.
    Divide(DivOp),
    /// Copies and reorders its operands as the effect specifies.
    Shuffle,
    /// Pops an address and pushes the cell there; traps if the address is out of bounds.
    Load,
    /// Pops an address and a value below it, and stores the value in the cell there; traps if the address is out of bounds.
    Store,
}

/// The class of a word, for code that does not depend on the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// [`Meaning::Alu`].
    Arithmetic,
    /// [`Meaning::Unary`].
    Unary,
    /// [`Meaning::Compare`].
    Comparison,
    /// [`Meaning::Divide`].
    Division,
    /// [`Meaning::Shuffle`].
    Shuffle,
    /// [`Meaning::Load`] or [`Meaning::Store`].
    Memory,
}

impl Meaning {
    /// Its class.
    #[inline(always)]
    pub const fn class(self) -> Class {
        match self {
            Meaning::Alu(_) => Class::Arithmetic,
            Meaning::Unary(_) => Class::Unary,
            Meaning::Compare(_) => Class::Comparison,
            Meaning::Divide(_) => Class::Division,
            Meaning::Shuffle => Class::Shuffle,
            Meaning::Load | Meaning::Store => Class::Memory,
        }
    }
}

/// One row of the table of words.
#[derive(Debug)]
pub struct Entry {
    /// The spelling of the word.
    pub spelling: &'static str,
    /// The stack effect, top on the right: one letter per value, equal letters for equal values.
    pub effect: &'static str,
    /// What it does.
    pub meaning: Meaning,
    /// Its translation to other languages; `None` for a shuffle, whose translation follows from the effect.
    pub translation: Option<Translation>,
}

/// A word that computes or accesses memory, in other languages.
#[derive(Clone, Copy, Debug)]
pub struct Translation {
    /// A C expression. Its operands have the type `uint64_t` and are named as in the effect. `cells` is the memory.
    pub c: &'static str,
    /// Words of standard Forth. For a division, they expect the word's line and column on top of the stack, and report
    /// them in a trap. For an access to memory, they expect the cell's address in Forth's memory.
    pub forth: &'static str,
}

macro_rules! table {
    ($($(#[$doc:meta])* $name:ident $spelling:literal $effect:tt $meaning:expr $(, c $c:literal forth $forth:literal)?;)*) => {
        /// A plain word: one that is neither a literal, nor `pick` or `put`, nor part of a loop or a branch.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Word { $($(#[$doc])* $name,)* }

        /// Every word with its row, in the order of [`Word`].
        pub static WORDS: &[(Word, Entry)] = &[
            $((Word::$name, Entry {
                spelling: $spelling,
                effect: $effect,
                meaning: $meaning,
                translation: [$(Some(Translation { c: $c, forth: $forth }),)? None][0],
            }),)*
        ];

        impl Word {
            /// The word with this spelling, if there is one.
            #[inline]
            #[expect(non_upper_case_globals, reason = "the constants are named like the words")]
            pub fn from_spelling(spelling: &[u8]) -> Option<Word> {
                $(const $name: &[u8] = $spelling.as_bytes();)*
                match spelling { $($name => Some(Word::$name),)* _ => None }
            }

            /// The number of values that the word pops.
            #[inline]
            pub const fn pops(self) -> usize {
                match self { $(Word::$name => const { pops($effect) },)* }
            }

            /// The number of values that the word pushes.
            #[inline]
            pub const fn pushes(self) -> usize {
                match self { $(Word::$name => const { pushes($effect) },)* }
            }

            /// What the word does.
            #[inline(always)]
            pub const fn meaning(self) -> Meaning {
                match self { $(Word::$name => $meaning,)* }
            }

            /// For a shuffle: the index of the operand that each result copies, both counted from the bottom.
            #[inline]
            pub const fn origins(self) -> &'static [usize] {
                match self { $(Word::$name => const { &origins::<{ copies($meaning, $effect) }>($effect) },)* }
            }
        }
    };
}

/// Calls a macro with the rows of the table, so that other modules can make tables of their own from it.
macro_rules! word_rows {
    ($table:ident) => {
        $table! {
            /// Wrapping sum.
            Add "+" "a b -- c" Meaning::Alu(AluOp::Add), c "a + b" forth "+";
            /// Wrapping difference.
            Sub "-" "a b -- c" Meaning::Alu(AluOp::Sub), c "a - b" forth "-";
            /// Wrapping product.
            Mul "*" "a b -- c" Meaning::Alu(AluOp::Mul), c "a * b" forth "*";
            // The minimum integer divided by -1 overflows, which is undefined behavior in C.
            /// Quotient, truncated toward zero.
            Div "/" "a b -- c" Meaning::Divide(DivOp::Quotient), c "b == UINT64_MAX ? 0 - a : (uint64_t)((int64_t)a / (int64_t)b)" forth "quotient";
            /// Remainder of the division truncated toward zero.
            Mod "mod" "a b -- c" Meaning::Divide(DivOp::Remainder), c "b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b)" forth "remainder";
            /// Bitwise and.
            And "and" "a b -- c" Meaning::Alu(AluOp::And), c "a & b" forth "and";
            /// Bitwise or.
            Or "or" "a b -- c" Meaning::Alu(AluOp::Or), c "a | b" forth "or";
            /// Bitwise exclusive or.
            Xor "xor" "a b -- c" Meaning::Alu(AluOp::Xor), c "a ^ b" forth "xor";
            /// Shift left by the low six bits of the top.
            Lshift "lshift" "a n -- c" Meaning::Alu(AluOp::Shl), c "a << (n & 63)" forth "63 and lshift";
            /// Logical shift right by the low six bits of the top.
            Rshift "rshift" "a n -- c" Meaning::Alu(AluOp::Shr), c "a >> (n & 63)" forth "63 and rshift";
            // Shifting a negative number right is implementation-defined in C, and arithmetic in every implementation that we know.
            /// Arithmetic shift right by the low six bits of the top.
            Arshift "arshift" "a n -- c" Meaning::Alu(AluOp::Sar), c "(uint64_t)((int64_t)a >> (n & 63))" forth "63 and 0 ?do 2/ loop";
            /// Signed minimum.
            Min "min" "a b -- c" Meaning::Alu(AluOp::Min), c "(int64_t)a < (int64_t)b ? a : b" forth "min";
            /// Signed maximum.
            Max "max" "a b -- c" Meaning::Alu(AluOp::Max), c "(int64_t)a > (int64_t)b ? a : b" forth "max";
            /// Subtracts the top from zero.
            Negate "negate" "a -- b" Meaning::Unary(UnaryOp::Negate), c "0 - a" forth "negate";
            /// Bitwise complement.
            Invert "invert" "a -- b" Meaning::Unary(UnaryOp::Invert), c "~a" forth "invert";
            /// Absolute value.
            Abs "abs" "a -- b" Meaning::Unary(UnaryOp::Abs), c "(int64_t)a < 0 ? 0 - a : a" forth "abs";
            /// Equal.
            Eq "=" "a b -- f" Meaning::Compare(Cond::Eq), c "a == b" forth "= negate";
            /// Not equal.
            Ne "<>" "a b -- f" Meaning::Compare(Cond::Ne), c "a != b" forth "<> negate";
            /// Less than.
            Lt "<" "a b -- f" Meaning::Compare(Cond::Lt), c "(int64_t)a < (int64_t)b" forth "< negate";
            /// Greater than.
            Gt ">" "a b -- f" Meaning::Compare(Cond::Gt), c "(int64_t)a > (int64_t)b" forth "> negate";
            /// Less than or equal.
            Le "<=" "a b -- f" Meaning::Compare(Cond::Le), c "(int64_t)a <= (int64_t)b" forth "<= negate";
            /// Greater than or equal.
            Ge ">=" "a b -- f" Meaning::Compare(Cond::Ge), c "(int64_t)a >= (int64_t)b" forth ">= negate";
            /// Unsigned less than.
            Ult "u<" "a b -- f" Meaning::Compare(Cond::Ult), c "a < b" forth "u< negate";
            /// Copies the top.
            Dup "dup" "a -- a a" Meaning::Shuffle;
            /// Removes the top.
            Drop "drop" "a --" Meaning::Shuffle;
            /// Exchanges the two topmost values.
            Swap "swap" "a b -- b a" Meaning::Shuffle;
            /// Copies the value below the top.
            Over "over" "a b -- a b a" Meaning::Shuffle;
            /// Moves the third value to the top.
            Rot "rot" "a b c -- b c a" Meaning::Shuffle;
            /// Removes the value below the top.
            Nip "nip" "a b -- b" Meaning::Shuffle;
            /// Inserts a copy of the top below the second value.
            Tuck "tuck" "a b -- b a b" Meaning::Shuffle;
            /// Loads a cell of memory.
            Fetch "@" "a -- x" Meaning::Load, c "cells[a]" forth "@";
            /// Stores a value in a cell of memory.
            Store "!" "x a --" Meaning::Store, c "cells[a] = x" forth "!";
        }
    };
}
pub(crate) use word_rows;
word_rows!(table);

/// The class of every word, in the order of [`Word`].
static CLASSES: [Class; WORDS.len()] = {
    let mut classes = [Class::Shuffle; WORDS.len()];
    let mut index = 0;
    while index < WORDS.len() {
        classes[index] = WORDS[index].1.meaning.class();
        index += 1;
    }
    classes
};

impl Word {
    /// The word's row of the table.
    pub fn entry(self) -> &'static Entry {
        &WORDS[self as usize].1
    }

    /// The spelling of the word.
    pub fn spelling(self) -> &'static str {
        self.entry().spelling
    }

    /// The word's class, from a table: callers rarely know the word at compile time.
    #[inline(always)]
    pub const fn class(self) -> Class {
        CLASSES[self as usize]
    }

    /// Whether the word is a shift, whose second operand is a count of bits.
    #[inline(always)]
    pub const fn is_shift(self) -> bool {
        matches!(self.meaning(), Meaning::Alu(op) if op.is_shift())
    }

    /// The comparison that the word performs, if any.
    #[inline(always)]
    pub const fn comparison(self) -> Option<Cond> {
        match self.meaning() {
            Meaning::Compare(cond) => Some(cond),
            _ => None,
        }
    }

    /// The result of a word that computes. A word with one operand ignores `b`.
    ///
    /// # Panics
    /// If the word is a shuffle, or the divisor is zero.
    #[inline(always)]
    pub const fn apply(self, a: i64, b: i64) -> i64 {
        match self.meaning() {
            Meaning::Alu(op) => op.apply(a, b),
            Meaning::Unary(op) => op.apply(a),
            Meaning::Compare(cond) => cond.holds(a, b) as i64,
            Meaning::Divide(op) => op.apply(a, b),
            Meaning::Shuffle | Meaning::Load | Meaning::Store => panic!("the word computes nothing"),
        }
    }
}

/// The words that open, divide, close and leave bodies, those that define names, `pick` and `put`: every spelling that is not
/// in [`WORDS`].
pub const KEYWORDS: &[&str] =
    &["pick", "put", "times", "if", "else", "while", "do", "end", "leave", "exit", ":", ";", "array"];

/// Words of other languages that edit distance does not map to ours.
pub const FOREIGN: &[(&str, &str)] = &[
    ("==", "="),
    ("!=", "<>"),
    ("%", "mod"),
    ("rem", "mod"),
    ("&", "and"),
    ("&&", "and"),
    ("|", "or"),
    ("||", "or"),
    ("^", "xor"),
    ("<<", "lshift"),
    (">>", "arshift"),
    (">>>", "rshift"),
    ("shl", "lshift"),
    ("shr", "rshift"),
    ("sar", "arshift"),
    ("neg", "negate"),
    ("~", "invert"),
    ("break", "leave"),
    ("return", "exit"),
    ("fetch", "@"),
    ("load", "@"),
    ("store", "!"),
    ("pop", "drop"),
    ("add", "+"),
    ("sub", "-"),
    ("mul", "*"),
    ("div", "/"),
    ("modulo", "mod"),
    ("eq", "="),
    ("ne", "<>"),
    ("lt", "<"),
    ("gt", ">"),
    ("le", "<="),
    ("=<", "<="),
    ("ge", ">="),
    ("=>", ">="),
    ("≠", "<>"),
    ("≤", "<="),
    ("≥", ">="),
    ("−", "-"),
    ("×", "*"),
    ("÷", "/"),
];

/// Advice for words of other languages that have no single equivalent here.
pub const ADVICE: &[(&[&str], &str)] = &[
    (
        &["for", "foreach", "loop", "+loop", "?do", "next"],
        "a counted loop is `N times BODY end`, a conditional loop is `while CONDITION do BODY end`",
    ),
    (&["i", "j"], "`times` has no counter to read: keep one on the stack, as in `0 10 times 1 + end`"),
    (
        &["begin", "until", "repeat", "again", "wend"],
        "a conditional loop is `while CONDITION do BODY end`: it ends when CONDITION leaves 0",
    ),
    (&["then", "endif"], "an `if` ends with `end`, as in `FLAG if THEN else ELSE end`"),
    (&["elif", "elseif", "elsif"], "each `if` has its own `end`, as in `A if X else B if Y else Z end end`"),
    (&["{", "}"], "a body opens with `times`, `if` or `while` and ends with `end`"),
    (&["[", "]"], "cell 3 of the array `a` has the address `a 3 +`: `a 3 + @` reads it, and `7 a 3 + !` writes it"),
    (&["continue", "goto"], "only `leave` and `exit` jump out of a body: put the rest of the body into an `if`"),
    (
        &[".", ".s", "print", "println", "puts", "echo", "emit", "cr", "type"],
        "a program cannot print: the values that it leaves on the stack are its result",
    ),
    (
        &["--"],
        "`--` stands only in the effect of a definition, `: NAME ( a b -- c ) BODY ;`; a comment is `\\ …` or `( … )`",
    ),
    (&["#", "//", ";;", "/*", "*/", "rem:"], "a comment is `\\ …` to the end of the line, or `( … )`"),
    (&[")"], "this closes no comment: a comment opens with `(` and a space"),
    (
        &["def", "define", "fn", "fun", "func", "function", "proc", "procedure", "word", "::", ":noname"],
        "a definition is `: NAME ( a b -- c ) BODY ;`, with a name for each value that it takes and leaves",
    ),
    (&["enddef", "endfunc", "endproc"], "a definition ends with `;`"),
    (&["recurse", "self"], "a definition calls itself by its own name"),
    (
        &["variable", "value", "let", "var", "int", "global", "local", "locals|"],
        "a variable is an array of one cell: `1 array NAME`; then `NAME @` reads it, and `7 NAME !` writes it",
    ),
    (&["to", ":=", "->", "<-"], "`7 NAME !` writes 7 to the first cell of the array NAME"),
    (&["constant", "const", "#define"], "a constant is a definition: `: NAME ( -- n ) 42 ;`"),
    (&["+!"], "write `dup @ rot + swap !`, where the address is on top"),
    (
        &["allot", "create", "cells", "cell+", "buffer:", "malloc", "alloc", "here", ","],
        "memory is declared: `10 array NAME` reserves ten cells, and `NAME 3 +` is the address of the fourth",
    ),
    (&["c@", "c!", "l@", "l!", "w@", "w!"], "a cell has 64 bits: `@` and `!` read and write whole cells"),
    (
        &[">r", "r>", "r@"],
        "there is only one stack: `rot` and `K pick` reach below its top, `K put` writes there, and an array can hold the rest",
    ),
    (&["roll"], "`rot` moves the third value to the top; `K pick` copies deeper ones, and `K put` replaces them"),
    (&["depth"], "a program cannot ask how many values are on the stack"),
    (&["true"], "write `1`: a flag that is not 0 is true"),
    (&["false"], "write `0`"),
    (
        &["?dup"],
        "both branches must leave the same number of values: write `dup if BODY else drop end`, where BODY consumes the copy",
    ),
];

/// A program that does what another language's word does.
#[derive(Debug)]
pub struct Idiom {
    /// The words.
    pub words: &'static [&'static str],
    /// The program.
    pub program: &'static str,
    /// A note that advice adds after the program; may be empty.
    pub note: &'static str,
    /// Example inputs, and the final stack of the program for them.
    pub example: (&'static [i64], &'static [i64]),
}

macro_rules! idioms {
    ($($words:tt $program:literal $note:literal $inputs:tt -> $results:tt;)*) => {
        /// What to write in place of other languages' words that compute or move values.
        pub const IDIOMS: &[Idiom] =
            &[$(Idiom { words: &$words, program: $program, note: $note, example: (&$inputs, &$results) },)*];
    };
}

idioms! {
    ["not", "0="] "0 =" "" [7] -> [0];
    ["0<>"] "0 <>" "" [5] -> [1];
    ["0<"] "0 <" "" [-1] -> [1];
    ["0>"] "0 >" "" [-1] -> [0];
    ["u>"] "swap u<" "" [-1, 1] -> [1];
    ["1+", "++"] "1 +" "" [3] -> [4];
    ["1-"] "1 -" "" [3] -> [2];
    ["2*"] "2 *" "" [3] -> [6];
    ["2/"] "2 /" ", which rounds toward zero" [7] -> [3];
    ["**", "pow"] "1 swap times over * end nip" "" [3, 4] -> [81];
    ["/mod", "divmod"] "over over mod rot rot /" "" [17, 5] -> [2, 3];
    ["2dup"] "over over" "" [1, 2] -> [1, 2, 1, 2];
    ["2drop"] "drop drop" "" [1, 2, 3] -> [1];
    ["-rot"] "rot rot" "" [1, 2, 3] -> [3, 1, 2];
}

/// What to write in place of another language's word.
pub fn advice(word: &str) -> Option<Cow<'static, str>> {
    let idiom = IDIOMS.iter().find(|idiom| idiom.words.contains(&word));
    let idiom = idiom.map(|Idiom { program, note, .. }| format!("write `{program}`{note}").into());
    idiom.or_else(|| ADVICE.iter().find(|(words, _)| words.contains(&word)).map(|(_, advice)| Cow::from(*advice)))
}

/// Whether a character looks like another one or is invisible, and so hides the error in a word.
pub fn is_misleading(c: char) -> bool {
    is_invisible(c)
        || matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}' | '“' | '”' | '„' | '‘' | '’' | '"' | '\'' | '`')
}

/// Whether a character within a word looks like white space or is invisible.
pub fn is_invisible(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// Every spelling in the language.
pub fn spellings() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(_, entry)| entry.spelling).chain(KEYWORDS.iter().copied())
}

/// Whether a word has a meaning of its own, at least in some places, so that it cannot be a name.
pub fn is_spelling(word: &[u8]) -> bool {
    matches!(word, b")" | b"--") || spellings().any(|spelling| spelling.as_bytes() == word)
}

/// The number of values left of `--` in an effect in which each value is one letter.
const fn pops(effect: &str) -> usize {
    let bytes = effect.as_bytes();
    let mut at = 0;
    while bytes[at] != b'-' {
        at += 2;
    }
    at / 2
}

/// The number of values right of `--`.
const fn pushes(effect: &str) -> usize {
    // "a b -- c": two characters per operand, two for "--", two per result.
    (effect.len() - 2 * pops(effect) - 2) / 2
}

/// The number of results that copy operands.
const fn copies(meaning: Meaning, effect: &str) -> usize {
    if matches!(meaning, Meaning::Shuffle) { pushes(effect) } else { 0 }
}

/// For each result of a shuffle, the operand with the same letter.
const fn origins<const N: usize>(effect: &str) -> [usize; N] {
    let bytes = effect.as_bytes();
    let mut origins = [0; N];
    let mut result = 0;
    while result < N {
        // Operand i is at 2 i; the results start after the operands and "-- ".
        let name = bytes[2 * pops(effect) + 3 + 2 * result];
        while bytes[2 * origins[result]] != name {
            origins[result] += 1;
            assert!(origins[result] < pops(effect), "a shuffle's results are its operands");
        }
        result += 1;
    }
    origins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_counted() {
        let counted: Vec<_> =
            [Word::Add, Word::Dup, Word::Drop, Word::Rot, Word::Tuck].map(|word| (word.pops(), word.pushes())).into();
        assert_eq!(counted, [(2, 1), (1, 2), (1, 0), (3, 3), (2, 3)]);
    }

    #[test]
    fn shuffles_name_their_operands() {
        assert_eq!(Word::Rot.origins(), [1, 2, 0]);
        assert_eq!(Word::Tuck.origins(), [1, 0, 1]);
        assert!(Word::Drop.origins().is_empty());
    }

    #[test]
    fn rows_are_in_word_order_and_found_by_spelling() {
        for (index, (word, entry)) in WORDS.iter().enumerate() {
            assert_eq!(*word as usize, index);
            assert_eq!(Word::from_spelling(entry.spelling.as_bytes()), Some(*word));
        }
        assert_eq!(Word::from_spelling(b"Dup"), None);
    }
}
