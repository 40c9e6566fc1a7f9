//! Homes: finds the slot that the result of each operation will occupy when the next iteration of its loop begins.
//!
//! A backward walk over the bytecode tracks which slot at the loop header each value on the stack will occupy. The lowering uses
//! this to compute a result in the register that the next iteration expects. A home is only a hint: a wrong one costs a
//! move, not correctness.

use super::summary::Body;
use crate::bytecode::{Bytecode, Function, Op};
use crate::lang::Word;
use crate::lang::words::Class;

/// The result has no home.
pub const NOWHERE: u8 = u8::MAX;

/// The homes of the topmost values on the stack, in a ring. A push overwrites the home of the deepest value, which is then
/// reported as [`NOWHERE`].
#[derive(Clone, Copy)]
struct Tags {
    ring: [u8; Tags::REACH],
    top: usize,
}

impl Tags {
    const REACH: usize = 32;

    /// No value has a home.
    const UNKNOWN: Tags = Tags { ring: [NOWHERE; Tags::REACH], top: 0 };

    /// Each value's home is its own slot, as at the end of an iteration.
    const IDENTITY: Tags = {
        let mut tags = Tags::UNKNOWN;
        let mut depth = 0;
        while depth < Tags::REACH {
            tags.ring[Tags::REACH - 1 - depth] = depth as u8;
            depth += 1;
        }
        tags
    };

    fn pop(&mut self) -> u8 {
        self.top = self.top.wrapping_sub(1);
        std::mem::replace(&mut self.ring[self.top % Tags::REACH], NOWHERE)
    }

    fn push(&mut self, tag: u8) {
        self.ring[self.top % Tags::REACH] = tag;
        self.top = self.top.wrapping_add(1);
    }

    /// Pops several values.
    fn remove(&mut self, values: usize) {
        for _ in 0..values.min(Tags::REACH) {
            self.pop();
        }
        self.top = self.top.wrapping_sub(values.saturating_sub(Tags::REACH));
    }

    /// Pushes several values without homes.
    fn add(&mut self, values: usize) {
        for _ in 0..values.min(Tags::REACH) {
            self.push(NOWHERE);
        }
        self.top = self.top.wrapping_add(values.saturating_sub(Tags::REACH));
    }

    /// The home of the value `depth` below the top, if it is within the ring.
    fn at(&mut self, depth: usize) -> Option<&mut u8> {
        let index = self.top.wrapping_sub(1 + depth) % Tags::REACH;
        (depth < Tags::REACH).then_some(&mut self.ring[index])
    }

    /// Copies the homes that only `other` has.
    fn merge(&mut self, mut other: Tags) {
        for depth in 0..Tags::REACH {
            if let (Some(ours), Some(theirs)) = (self.at(depth), other.at(depth))
                && *ours == NOWHERE
            {
                *ours = *theirs;
            }
        }
    }
}

/// Finds the home of each operation's result: its slot when the next iteration of the innermost loop begins, counted downward
/// from the top of the stack at the loop header, or [`NOWHERE`].
pub fn find(code: &Bytecode, bodies: &[Body]) -> Vec<u8> {
    let homes = vec![NOWHERE; code.ops().len()];
    let mut walk = Walk { code, bodies, homes, tags: Tags::UNKNOWN, saved: Vec::new() };
    if code.regions().iter().any(|region| region.is_loop()) {
        for index in (0..code.ops().len()).rev() {
            walk.op(index);
        }
    }
    walk.homes
}

struct Walk<'a> {
    code: &'a Bytecode,
    bodies: &'a [Body],
    homes: Vec<u8>,
    tags: Tags,
    /// The homes at the start of each open region, or at the end of its other branch; the innermost region is last.
    saved: Vec<Tags>,
}

impl Walk<'_> {
    fn op(&mut self, index: usize) {
        match self.code.ops()[index] {
            Op::Call(id) => {
                let Function { params, results, .. } = self.code.functions()[id.index()];
                self.tags.remove(results as usize);
                self.tags.add(params as usize);
            }
            Op::Literal(_) => {
                self.tags.pop();
            }
            Op::Pick(depth) => {
                let tag = self.tags.pop();
                if let Some(source) = self.tags.at(depth as usize)
                    && *source == NOWHERE
                {
                    *source = tag;
                }
            }
            Op::Put(depth) => {
                // The popped value overwrites the value in this slot, so it gets the home of that slot's value.
                let tag = self.tags.at(depth as usize).map_or(NOWHERE, |place| std::mem::replace(place, NOWHERE));
                self.tags.push(tag);
            }
            Op::Word(Word::Store) => self.tags.add(2),
            Op::Word(word) if word.class() == Class::Unary || word == Word::Fetch => {
                self.homes[index] = self.tags.at(0).map_or(NOWHERE, |home| *home);
            }
            Op::Word(word) if word.class() == Class::Shuffle => {
                let mut results = [NOWHERE; 4];
                let pushes = word.pushes();
                results[..pushes].iter_mut().rev().for_each(|result| *result = self.tags.pop());
                let mut operands = [NOWHERE; 4];
                for (result, from) in word.origins().iter().copied().enumerate() {
                    if operands[from] == NOWHERE {
                        operands[from] = results[result];
                    }
                }
                operands[..word.pops()].iter().for_each(|tag| self.tags.push(*tag));
            }
            Op::Word(_) => {
                let tag = self.tags.pop();
                self.homes[index] = tag;
                // The first operand may be in the same register as the result.
                self.tags.push(tag);
                self.tags.push(NOWHERE);
            }
            Op::Next(id) | Op::Repeat(id) => {
                let Body { touched, leaves_level, .. } = self.bodies[id.index()];
                let is_level = self.code.region(id).is_level;
                let mut before_loop = if leaves_level && is_level { self.tags } else { Tags::UNKNOWN };
                for depth in (0..Tags::REACH).filter(|depth| touched >> depth & 1 == 1) {
                    before_loop.at(depth).into_iter().for_each(|tag| *tag = NOWHERE);
                }
                self.saved.push(before_loop);
                self.tags = if is_level { Tags::IDENTITY } else { Tags::UNKNOWN };
            }
            Op::While(_) => self.tags = self.saved.pop().expect("every loop has an end"),
            Op::Times(_) => {
                self.tags = self.saved.pop().expect("every loop has an end");
                self.tags.push(NOWHERE);
            }
            Op::LeaveIfZero(_) => self.tags.push(NOWHERE),
            Op::EndIf(id) => {
                if !self.code.region(id).is_level {
                    self.tags = Tags::UNKNOWN;
                }
                self.saved.push(self.tags);
            }
            // THEN and ELSE end with the same stack.
            Op::Else(_) => {
                let at_end = self.saved.pop().expect("every ELSE has an end");
                self.saved.push(std::mem::replace(&mut self.tags, at_end));
            }
            Op::If(_) => {
                let at_else = self.saved.pop().expect("every `if` has an end");
                self.tags.merge(at_else);
                self.tags.push(NOWHERE);
            }
            Op::Leave(_) | Op::Exit | Op::Return => self.tags = Tags::UNKNOWN,
            Op::CallDepth | Op::Frame { .. } | Op::Fuel | Op::Need { .. } | Op::Room { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bytecode::Inlined;
    use crate::bytecode::{Limits, lower};
    use crate::isa::aarch64::Emitter;
    use crate::lang::{Source, parse, verify};
    use crate::regs::summary::summarize;

    /// The words whose results have homes, each with its home.
    fn homes(text: &str) -> String {
        let ast = Arc::new(parse(&Source::new("test", text)).expect("the text parses"));
        let program = verify(&ast, 6).expect("the program verifies");
        let code = lower(&program, Limits::of_stack(100), false).expect("the program is small");
        let homes = find(&code, &summarize::<Emitter>(&code, &Inlined::straight(&code)).bodies);
        let words = code.ops().iter().zip(homes).filter_map(|(op, home)| match op {
            Op::Word(word) if home != NOWHERE => Some(format!("{}:{home}", word.spelling())),
            _ => None,
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn results_have_the_slots_of_the_next_iteration() {
        for (text, expected) in [
            ("times over over + rot drop end", "+:0"),
            ("times 1 + swap 2 * 2 pick 3 - 2 put end", "+:1 *:0 -:2"),
            ("times dup 1 + 1 pick 2 * rot drop nip over 3 - 1 put end", "*:0 -:1"),
            ("times if 1 + else swap 2 * swap end 0 end", "+:1 *:2"),
            ("times 3 times swap 1 + swap end 2 * swap 5 - swap end", "+:1 *:0 -:1"),
            ("times dup negate 2 put over if 3 + else 4 * swap 5 - swap end end", "negate:2 +:0 *:0 -:1"),
            ("while dup do 1 - swap 2 + swap end", "-:0 +:1"),
            ("times 1 + 2 times 7 end 3 * end", ""),
            // The value survives only in ELSE.
            ("times 1 + over if drop 7 end end", "+:0"),
            // The inner loop reads the product, so it may be in any register after it.
            ("times 2 * swap 3 times over + end swap end", "+:0"),
            ("times 2 * swap 3 times 1 + end swap end", "*:0 +:0"),
            ("1 + 2 * -", ""),
        ] {
            assert_eq!(homes(text), expected, "{text}");
        }
    }
}
