//! Decodes bytes as a program: for fuzzers, because a change of one byte changes only one word.
//!
//! A program begins with its limits, inputs, effects and arrays. Then each byte, with another one as its operand if it needs
//! one, is a word. Words that cannot stand where they would are left out. Where bodies end, words are added that make the
//! height of the stack what it must be there. So every program is valid, and the verifier knows all its heights exactly.

use super::Trial;
use super::draft::Draft;
use crate::lang::print::print;
use crate::lang::words::WORDS;
use crate::lang::{ArrayId, DefinitionId, Language, NodeKind, Word};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT};

/// The values of literals and inputs, other than small ones.
const VALUES: [i64; 24] = [
    -1,
    i64::MIN,
    i64::MAX,
    i64::MIN + 1,
    i64::MAX - 1,
    0x7f,
    0x80,
    -0x81,
    0xff,
    0xfff,
    0x1000,
    -0x1000,
    0x7fff_ffff,
    0x8000_0000,
    -0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    1 << 61,
    1 << 62,
    63,
    64,
    -64,
    0x5555_5555_5555_5555,
    0x0123_4567_89ab_cdef,
];

/// The greatest number of values on the stack of one body.
const MAX_HEIGHT: usize = 200;

/// The greatest number of nested bodies.
const MAX_NESTING: usize = 20;

/// The program that these bytes encode.
pub(super) fn trial(bytes: &[u8]) -> Trial {
    let mut bytes = bytes.iter().copied();
    let mut next = || bytes.next().unwrap_or(0);
    let counts = next();
    let (definitions, arrays, inputs) = (counts % 4, counts / 4 % 3, counts / 16 % 5);
    let fuel = u64::from(next()) * 4;
    let stack_limit = match next() {
        0 | 255 => DEFAULT_STACK_LIMIT,
        limit => usize::from(inputs) + usize::from(limit - 1),
    };
    let call_limit = match next() {
        limit @ 1..32 => u64::from(limit - 1),
        _ => DEFAULT_CALL_LIMIT,
    };
    let inputs: Vec<i64> = (0..inputs).map(|_| value(next())).collect();
    let mut pair = |_| {
        let pair = next();
        (usize::from(pair % 5), usize::from(pair / 5 % 5))
    };
    let effects: Vec<(usize, usize)> = (0..definitions).map(&mut pair).collect();
    let arrays: Vec<u32> = (0..arrays).map(|_| 1 + u32::from(next() % 8)).collect();
    let mut draft = Draft::default();
    for body in std::iter::once(None).chain(effects.iter().map(Some)) {
        let height = body.map_or(inputs.len(), |&(params, _)| params);
        let results = body.map(|&(_, results)| results);
        let (nodes, open, closed) = (Vec::new(), Vec::new(), false);
        let mut decoder = Decoder { nodes, height, results, open, closed, effects: &effects, arrays: arrays.len() };
        decoder.decode(&mut bytes);
        match body {
            None => draft = Draft::new(decoder.nodes),
            Some(&(params, results)) => draft.define(params as u32, results as u32, &decoder.nodes),
        }
    }
    draft.arrays = arrays;
    Trial { language: Language::Stack, text: print(&draft.ast()), inputs, fuel, stack_limit, call_limit }
}

fn value(byte: u8) -> i64 {
    VALUES.get(usize::from(byte)).copied().unwrap_or(i64::from(byte) - VALUES.len() as i64 - 3)
}

/// One body that is being decoded.
struct Decoder<'a> {
    nodes: Vec<NodeKind>,
    height: usize,
    /// The number of results of the definition; `None` in the main program.
    results: Option<usize>,
    open: Vec<Open>,
    /// Whether the whole body has ended with a closing word.
    closed: bool,
    effects: &'a [(usize, usize)],
    /// The number of arrays.
    arrays: usize,
}

/// A body that has begun. `at` is its opening word, and `entry` the height after it.
#[derive(Clone, Copy)]
enum Open {
    Times {
        at: usize,
        entry: usize,
    },
    Then {
        at: usize,
        entry: usize,
    },
    /// `then` is the height at the end of THEN, if that is reachable.
    Else {
        at: usize,
        otherwise: u32,
        then: Option<usize>,
    },
    Condition {
        at: usize,
        entry: usize,
    },
    /// `left` is the height after the loop.
    While {
        at: usize,
        body: u32,
        entry: usize,
        left: usize,
    },
}

impl Decoder<'_> {
    /// Decodes words up to the end of the body.
    fn decode(&mut self, bytes: &mut impl Iterator<Item = u8>) {
        while let Some(byte) = bytes.next() {
            let mut operand = || usize::from(bytes.next().unwrap_or(0));
            match byte {
                0..100 => self.word(WORDS[usize::from(byte) % WORDS.len()].0),
                100..140 => self.push(NodeKind::Literal(value(operand() as u8))),
                140..150 if self.height > 0 => self.push(NodeKind::Pick((operand() % self.height) as u64)),
                150..158 if self.height > 1 => {
                    self.nodes.push(NodeKind::Put((operand() % (self.height - 1)) as u64));
                    self.height -= 1;
                }
                158..175 if !self.effects.is_empty() => self.call(operand() % self.effects.len()),
                175..190 if self.arrays > 0 => self.push(NodeKind::Address(ArrayId((operand() % self.arrays) as u32))),
                190..218 => self.begin(byte),
                218..236 => self.end_of_body(),
                236..244 => self.leave(),
                244..250 => self.exit(),
                250..=255 if self.open.is_empty() => break,
                _ => {}
            }
            if self.closed {
                return;
            }
        }
        while !self.open.is_empty() {
            self.end_of_body();
        }
        if let Some(results) = self.results {
            self.set_height(results);
        }
    }

    fn push(&mut self, kind: NodeKind) {
        if self.height < MAX_HEIGHT {
            self.nodes.push(kind);
            self.height += 1;
        }
    }

    fn word(&mut self, word: Word) {
        if self.height >= word.pops() && self.height < MAX_HEIGHT {
            self.nodes.push(NodeKind::Word(word));
            self.height = self.height - word.pops() + word.pushes();
        }
    }

    fn call(&mut self, id: usize) {
        let (params, results) = self.effects[id];
        if self.height >= params && self.height < MAX_HEIGHT {
            self.nodes.push(NodeKind::Call(DefinitionId(id as u32)));
            self.height = self.height - params + results;
        }
    }

    fn set_height(&mut self, height: usize) {
        while self.height > height {
            self.word(Word::Drop);
        }
        while self.height < height {
            self.nodes.push(NodeKind::Literal(1));
            self.height += 1;
        }
    }

    /// Begins a loop or a branch.
    fn begin(&mut self, byte: u8) {
        let is_while = byte.is_multiple_of(3);
        if self.open.len() == MAX_NESTING || !is_while && self.height == 0 {
            return;
        }
        let at = self.nodes.len();
        // Its bounds are set where it ends.
        self.nodes.push(NodeKind::Times { end: 0 });
        self.height -= usize::from(!is_while);
        let entry = self.height;
        self.open.push(match byte % 3 {
            0 => Open::Condition { at, entry },
            1 => Open::Times { at, entry },
            _ => Open::Then { at, entry },
        });
    }

    /// Ends the innermost body where execution reaches its end. A THEN or a condition is followed by the other body.
    fn end_of_body(&mut self) {
        match self.open.pop() {
            None => {}
            Some(Open::Then { at, entry }) => {
                let then = Some(self.height);
                self.open.push(Open::Else { at, otherwise: self.nodes.len() as u32, then });
                self.height = entry;
            }
            Some(Open::Else { at, otherwise, then }) => {
                self.set_height(then.unwrap_or(self.height));
                self.nodes[at] = NodeKind::If { otherwise, end: self.nodes.len() as u32 };
            }
            Some(Open::Times { at, entry }) => {
                self.set_height(entry);
                self.nodes[at] = NodeKind::Times { end: self.nodes.len() as u32 };
            }
            Some(Open::Condition { at, entry }) => {
                self.set_height(self.height.max(1));
                self.height -= 1;
                self.open.push(Open::While { at, body: self.nodes.len() as u32, entry, left: self.height });
            }
            Some(Open::While { at, body, entry, left }) => {
                self.set_height(entry);
                self.nodes[at] = NodeKind::While { body, end: self.nodes.len() as u32 };
                self.height = left;
            }
        }
    }

    /// Appends `leave` if it may stand here.
    fn leave(&mut self) {
        let around = self.open.iter().rev().find(|open| !matches!(open, Open::Then { .. } | Open::Else { .. }));
        let after = match around {
            Some(&Open::Times { entry, .. }) => entry,
            Some(&Open::While { left, .. }) => left,
            _ => return,
        };
        self.set_height(after);
        self.nodes.push(NodeKind::Leave);
        self.close();
    }

    /// Appends `exit` if it may stand here.
    fn exit(&mut self) {
        let both = |open: &&Open| matches!(open, Open::Else { then: None, .. });
        match (self.open.iter().rev().find(|open| !both(open)), self.results) {
            // Its `if` would be the last word of the main program, or of a condition.
            (None, None) | (Some(Open::Condition { .. }), _) => return,
            (_, Some(results)) => self.set_height(results),
            (Some(_), None) => {}
        }
        self.nodes.push(NodeKind::Exit);
        self.close();
    }

    /// Ends the bodies that end with a closing word.
    fn close(&mut self) {
        loop {
            let end = self.nodes.len() as u32;
            match self.open.pop() {
                None => {
                    self.closed = true;
                    return;
                }
                Some(Open::Then { at, entry }) => {
                    self.open.push(Open::Else { at, otherwise: end, then: None });
                    self.height = entry;
                    return;
                }
                Some(Open::Else { at, otherwise, then }) => {
                    self.nodes[at] = NodeKind::If { otherwise, end };
                    if let Some(then) = then {
                        self.height = then;
                        return;
                    }
                }
                Some(Open::Times { at, entry }) => {
                    self.nodes[at] = NodeKind::Times { end };
                    self.height = entry;
                    return;
                }
                Some(Open::While { at, body, left, .. }) => {
                    self.nodes[at] = NodeKind::While { body, end };
                    self.height = left;
                    return;
                }
                Some(Open::Condition { .. }) => unreachable!("no closing word may end a condition"),
            }
        }
    }
}
