//! The words that compute, numbered for the handlers.

use crate::lang::Word;
use crate::lang::words::{Meaning, WORDS as ALL};

const fn computes(index: usize) -> bool {
    !matches!(ALL[index].1.meaning, Meaning::Shuffle | Meaning::Load | Meaning::Store)
}

/// The number of words that compute.
const COUNT: usize = {
    let (mut count, mut index) = (0, 0);
    while index < ALL.len() {
        count += computes(index) as usize;
        index += 1;
    }
    count
};

/// The words that compute, in the order of [`Word`]; the index identifies a word to a handler.
pub const WORDS: [Word; COUNT] = {
    let mut words = [Word::Add; COUNT];
    let (mut count, mut index) = (0, 0);
    while index < ALL.len() {
        if computes(index) {
            words[count] = ALL[index].0;
            count += 1;
        }
        index += 1;
    }
    words
};
