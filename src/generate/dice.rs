//! The random decisions of a generator.

use std::convert::Infallible;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng, TryRng};

use crate::lang::Word;
use crate::lang::words::WORDS;

/// Draws decisions from a stream of random numbers. It does not use the distributions of `rand`, so the same stream
/// yields the same decisions in every version of `rand` and for every word size.
pub struct Dice<'a> {
    stream: &'a mut dyn Rng,
}

impl<'a> Dice<'a> {
    /// Creates dice that draw from this stream.
    pub fn new(stream: &'a mut dyn Rng) -> Dice<'a> {
        Dice { stream }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.stream.next_u64()
    }

    /// A number below `bound`. The bound must not be zero.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.stream.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// An index below `bound`. The bound must not be zero and must fit in 32 bits.
    pub fn index(&mut self, bound: usize) -> usize {
        self.below(u32::try_from(bound).expect("no generated list has more than 2^32 elements")) as usize
    }

    /// A number below `bound`. The bound must not be zero.
    pub fn long_below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// True with probability 1 in `n`.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// True with this probability in percent.
    pub fn percent(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of several elements, all equally likely.
    pub fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.index(from.len())]
    }

    /// One of the plain words that fit, all equally likely.
    pub fn word(&mut self, fits: impl Fn(Word) -> bool) -> Word {
        loop {
            let (word, _) = *self.pick(WORDS);
            if fits(word) {
                return word;
            }
        }
    }
}

/// A stream that begins with given bytes, for fuzzers that mutate decisions instead of text.
pub(super) struct Bytes<'a> {
    bytes: &'a [u8],
    /// The stream after the bytes.
    rest: ChaCha8Rng,
}

impl Bytes<'_> {
    pub fn new(bytes: &[u8]) -> Bytes<'_> {
        Bytes { bytes, rest: ChaCha8Rng::seed_from_u64(bytes.len() as u64) }
    }
}

impl TryRng for Bytes<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut word = [0; 4];
        self.try_fill_bytes(&mut word)?;
        // Big-endian, so that the first byte largely determines a number drawn with a small bound.
        Ok(u32::from_be_bytes(word))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut word = [0; 8];
        self.try_fill_bytes(&mut word)?;
        Ok(u64::from_be_bytes(word))
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Infallible> {
        let given = self.bytes.len().min(into.len());
        let (now, later) = self.bytes.split_at(given);
        into[..given].copy_from_slice(now);
        self.bytes = later;
        self.rest.fill_bytes(&mut into[given..]);
        Ok(())
    }
}
