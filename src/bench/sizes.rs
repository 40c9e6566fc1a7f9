//! Programs of a given size, without control flow, with loops and with calls, for measuring how compile time grows.

use std::fmt;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::generate::dice::Dice;
use crate::lang::Source;

/// The shape and length of a generated program.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// The kind of code.
    pub shape: Shape,
    /// The number of words, not counting `end`. The program may have a few more.
    pub words: usize,
}

/// The kind of code in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Straight-line code.
    Straight,
    /// Short loops; one in eight steps of a body is followed by a nested loop.
    Loopy,
    /// Definitions of about ten words, each called once. `exit` at their ends prevents inlining.
    Words,
}

/// The inputs of all these programs. If they were literals, compilers would compute the whole of a program without loops.
pub const INPUTS: [i64; 2] = [1, 2];

/// The sizes that `benches/compile.rs` compiles.
pub const SIZES: &[Size] = &[
    Size { shape: Shape::Straight, words: 100 },
    Size { shape: Shape::Loopy, words: 100 },
    Size { shape: Shape::Straight, words: 10_000 },
    Size { shape: Shape::Loopy, words: 10_000 },
    Size { shape: Shape::Words, words: 10_000 },
    Size { shape: Shape::Straight, words: 1_000_000 },
    Size { shape: Shape::Loopy, words: 1_000_000 },
    Size { shape: Shape::Words, words: 1_000_000 },
];

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shape::Straight => "straight",
            Shape::Loopy => "loops",
            Shape::Words => "words",
        })
    }
}

/// Sequences of words that map two values to two values, each with its number of words.
const STEPS: [(&str, usize); 14] = [
    ("swap", 1),
    ("over +", 2),
    ("over xor", 2),
    ("tuck -", 2),
    ("dup 7 lshift xor", 4),
    ("dup 9 rshift xor", 4),
    ("3 *", 2),
    ("12345 +", 2),
    ("-99 xor", 2),
    ("0x9e3779b97f4a7c15 +", 2),
    ("over over < +", 4),
    ("1 pick and", 2),
    ("dup rot rot over + + 5 swap -", 9),
    ("7 mod 1 +", 4),
];

impl Size {
    /// Its name in tables.
    pub fn name(&self) -> String {
        format!("{}-{}", self.shape, self.words)
    }

    /// The program. It takes [`INPUTS`] and leaves two values.
    pub fn source(&self) -> Source {
        let mut stream = ChaCha8Rng::seed_from_u64(self.words as u64);
        let mut writer = Writer { dice: Dice::new(&mut stream), text: String::new(), words: 0 };
        while writer.words < self.words {
            match self.shape {
                Shape::Straight => writer.step(),
                Shape::Loopy => writer.repeated(3),
                Shape::Words => writer.definition(),
            }
        }
        Source::new(self.name(), writer.text)
    }
}

struct Writer<'a> {
    dice: Dice<'a>,
    text: String,
    words: usize,
}

impl Writer<'_> {
    fn put(&mut self, words: &str, count: usize) {
        // Break lines, so that an editor can show the program.
        self.text.push(if self.words % 16 < count { '\n' } else { ' ' });
        self.text.push_str(words);
        self.words += count;
    }

    fn step(&mut self) {
        let (words, count) = *self.dice.pick(&STEPS);
        self.put(words, count);
    }

    fn repeated(&mut self, levels: u32) {
        let count = 1 + self.dice.below(9);
        self.put(&format!("{count} times"), 2);
        for _ in 0..1 + self.dice.below(4) {
            self.step();
            if levels > 1 && self.dice.one_in(8) {
                self.repeated(levels - 1);
            }
        }
        self.put("end", 0);
    }

    /// Writes a definition and calls it.
    fn definition(&mut self) {
        let number = self.words;
        self.put(&format!(": w{number} ( a b -- a b )"), 0);
        while self.words < number + 7 {
            self.step();
        }
        self.put(&format!("exit ; w{number}"), 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Subject;

    #[test]
    fn generated_programs_have_their_nominal_size() {
        for size in SIZES {
            let subject = Subject::new(size.name(), size.source(), INPUTS.to_vec());
            let program = subject.program().expect("it is a program");
            let words = program.ast().nodes().len();
            assert!((size.words..size.words + 60).contains(&words), "{}: {words} words", subject.name);
            let work = subject.check(&[]).expect("it ends");
            assert_eq!(size.shape != Shape::Straight, work.iterations > 0);
            let definitions = program.ast().definitions().len();
            assert_eq!(
                size.shape == Shape::Words,
                (words / 12..words / 10 + 5).contains(&definitions),
                "{definitions}"
            );
        }
    }
}
