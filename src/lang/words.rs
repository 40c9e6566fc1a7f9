//! The table of words: spelling, stack effect and class, from which everything else is derived.

/// What a word does to the values it pops, as far as its table row can say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// One result computed from two operands; cannot trap.
    Arithmetic,
    /// One flag, 1 or 0, from a signed comparison of two operands; cannot trap.
    Comparison,
    /// One result from two operands; traps where the divisor is zero.
    Division,
    /// Copies and reorders its operands; the effect says how.
    Shuffle,
}

/// One row of the table of words.
#[derive(Debug)]
pub struct Entry {
    /// The word as it is written.
    pub spelling: &'static str,
    /// The stack effect, top to the right: one letter a value, the same letter the same value.
    pub effect: &'static str,
    /// What kind of word it is.
    pub class: Class,
}

macro_rules! table {
    ($($(#[$doc:meta])* $name:ident $spelling:literal $effect:literal $class:ident;)*) => {
        /// A plain word: one that is neither a literal, nor `pick`, nor part of a loop or a branch.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Word { $($(#[$doc])* $name,)* }

        /// Every word with its row, in the order of [`Word`].
        pub static WORDS: &[(Word, Entry)] = &[
            $((Word::$name, Entry { spelling: $spelling, effect: $effect, class: Class::$class }),)*
        ];

        impl Word {
            /// The word that is written so, if there is one.
            #[inline]
            #[expect(non_upper_case_globals, reason = "the constants are named like the words")]
            pub fn from_spelling(spelling: &[u8]) -> Option<Word> {
                $(const $name: &[u8] = $spelling.as_bytes();)*
                match spelling { $($name => Some(Word::$name),)* _ => None }
            }

            /// How many values the word pops.
            #[inline]
            pub const fn pops(self) -> usize {
                match self { $(Word::$name => const { pops($effect) },)* }
            }

            /// How many values the word pushes.
            #[inline]
            pub const fn pushes(self) -> usize {
                match self { $(Word::$name => const { pushes($effect) },)* }
            }

            /// For a shuffle: which operand each result is, both counted from the bottom.
            #[inline]
            pub const fn origins(self) -> &'static [usize] {
                match self { $(Word::$name => const { &origins::<{ copies(Class::$class, $effect) }>($effect) },)* }
            }
        }
    };
}

table! {
    /// Wrapping sum.
    Add "+" "a b -- c" Arithmetic;
    /// Wrapping difference.
    Sub "-" "a b -- c" Arithmetic;
    /// Wrapping product.
    Mul "*" "a b -- c" Arithmetic;
    /// Quotient, truncated toward zero.
    Div "/" "a b -- c" Division;
    /// Remainder of the division truncated toward zero.
    Mod "mod" "a b -- c" Division;
    /// Bitwise and.
    And "and" "a b -- c" Arithmetic;
    /// Bitwise or.
    Or "or" "a b -- c" Arithmetic;
    /// Bitwise exclusive or.
    Xor "xor" "a b -- c" Arithmetic;
    /// Shift left by the low six bits of the top.
    Lshift "lshift" "a n -- c" Arithmetic;
    /// Logical shift right by the low six bits of the top.
    Rshift "rshift" "a n -- c" Arithmetic;
    /// Equal.
    Eq "=" "a b -- f" Comparison;
    /// Not equal.
    Ne "<>" "a b -- f" Comparison;
    /// Less than.
    Lt "<" "a b -- f" Comparison;
    /// Greater than.
    Gt ">" "a b -- f" Comparison;
    /// Less than or equal.
    Le "<=" "a b -- f" Comparison;
    /// Greater than or equal.
    Ge ">=" "a b -- f" Comparison;
    /// Copies the top.
    Dup "dup" "a -- a a" Shuffle;
    /// Removes the top.
    Drop "drop" "a --" Shuffle;
    /// Exchanges the two topmost values.
    Swap "swap" "a b -- b a" Shuffle;
    /// Copies the value below the top.
    Over "over" "a b -- a b a" Shuffle;
    /// Brings the third value to the top.
    Rot "rot" "a b c -- b c a" Shuffle;
    /// Removes the value below the top.
    Nip "nip" "a b -- b" Shuffle;
    /// Copies the top below the value under it.
    Tuck "tuck" "a b -- b a b" Shuffle;
}

impl Word {
    /// The word's row of the table.
    pub fn entry(self) -> &'static Entry {
        &WORDS[self as usize].1
    }

    /// The word as it is written.
    pub fn spelling(self) -> &'static str {
        self.entry().spelling
    }

    /// The word's class.
    pub fn class(self) -> Class {
        self.entry().class
    }
}

/// The words that open, divide and close bodies, and `pick`: every spelling that is not in [`WORDS`].
pub const KEYWORDS: &[&str] = &["pick", "times", "if", "else", "while", "do", "end"];

/// What other languages call our words, where the spelling does not lead there.
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
    (">>", "rshift"),
    ("shl", "lshift"),
    ("shr", "rshift"),
    ("pop", "drop"),
];

/// Every spelling that the language knows.
pub fn spellings() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(_, entry)| entry.spelling).chain(KEYWORDS.iter().copied())
}

/// Values left of `--` in an effect in which each value is one letter.
const fn pops(effect: &str) -> usize {
    let bytes = effect.as_bytes();
    let mut at = 0;
    while bytes[at] != b'-' {
        at += 2;
    }
    at / 2
}

/// Values right of `--`.
const fn pushes(effect: &str) -> usize {
    // "a b -- c": two characters an operand, two for "--", two a result.
    (effect.len() - 2 * pops(effect) - 2) / 2
}

/// How many results of a word are its operands.
const fn copies(class: Class, effect: &str) -> usize {
    if matches!(class, Class::Shuffle) { pushes(effect) } else { 0 }
}

/// The operand that has the same letter, for each result of a shuffle.
const fn origins<const N: usize>(effect: &str) -> [usize; N] {
    let bytes = effect.as_bytes();
    let mut origins = [0; N];
    let mut result = 0;
    while result < N {
        // Operand i stands at 2 i; the results begin behind the operands and "-- ".
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
    fn rows_stand_in_the_order_of_the_words_and_are_found_by_spelling() {
        for (index, (word, entry)) in WORDS.iter().enumerate() {
            assert_eq!(*word as usize, index);
            assert_eq!(Word::from_spelling(entry.spelling.as_bytes()), Some(*word));
        }
        assert_eq!(Word::from_spelling(b"Dup"), None);
    }
}
