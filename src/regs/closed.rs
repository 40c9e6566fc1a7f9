//! Which counted loops have a closed form: those of which a pass cannot trap, takes no branch, and is an affine map of a few
//! values. A loop in such a loop belongs to it where its count is a constant.
//!
//! One walk over the bytecode: an operation changes what is known of the innermost loop alone, and a loop that ends hands
//! its map to the one around it.

use super::affine::{Form, Map, VALUES, add_scaled, as_constant, constant, variable};
use super::words::{alu, fold};
use crate::bytecode::{Bytecode, Op, Pc};
use crate::lang::words::Class;
use crate::lir::AluOp;

/// A counted loop that has a closed form.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Its [`Op::Times`].
    pub times: Pc,
    /// Behind it.
    pub end: Pc,
    /// Where the values of the map lie: how deep below the top of the stack when a pass begins.
    pub depths: Vec<i64>,
    /// What a pass does to them.
    pub pass: Map,
    /// How many passes a pass is, those of the loops in it counted in; `None` where 64 bits do not hold it.
    pub each: Option<u64>,
}

/// Finds them, in reading order.
pub fn find(code: &Bytecode) -> Vec<Closed> {
    let mut walk = Walk::default();
    for (index, &op) in code.ops().iter().enumerate() {
        let pc = Pc(index as u32);
        match op {
            Op::Times { .. } => walk.begin(pc),
            Op::Next { .. } => walk.end(Pc(pc.0 + 1)),
            op => walk.innermost(|body| body.step(op)),
        }
    }
    walk.found.sort_unstable_by_key(|closed| closed.times);
    walk.found
}

#[derive(Default)]
struct Walk {
    open: Vec<Body>,
    /// So many loops around are known to have no closed form.
    lost: usize,
    found: Vec<Closed>,
}

impl Walk {
    /// Does something to the innermost loop. Where that cannot be, it and all around it have no closed form.
    fn innermost(&mut self, change: impl FnOnce(&mut Body) -> Option<()>) {
        if self.open.len() > self.lost
            && let Some(body) = self.open.last_mut()
            && change(body).is_none()
        {
            self.lost = self.open.len();
        }
    }

    fn begin(&mut self, times: Pc) {
        let mut count = None;
        self.innermost(|body| {
            count = as_constant(&body.pop()?);
            count.map(|_| ())
        });
        self.open.push(Body::new(times, count.unwrap_or(0)));
    }

    fn end(&mut self, end: Pc) {
        let body = self.open.pop().expect("a loop that ends has begun");
        if self.open.len() < self.lost {
            self.lost = self.open.len();
            return;
        }
        let count = body.count.max(0) as u64;
        match body.closed(end) {
            Some(closed) => {
                self.innermost(|around| around.carry_out(&closed, count));
                self.found.push(closed);
            }
            None => self.lost = self.open.len(),
        }
    }
}

/// A loop, as far as it has been walked.
struct Body {
    times: Pc,
    /// How often it runs for each pass of the loop around it.
    count: i64,
    /// The values of which it knows by now: how deep below the border's top they lie.
    depths: Vec<i64>,
    /// What has been pushed, or was popped from below the border and pushed again.
    stack: Vec<Form>,
    /// How many values below the border have been popped.
    popped: i64,
    each: Option<u64>,
}

impl Body {
    fn new(times: Pc, count: i64) -> Body {
        Body { times, count, depths: Vec::new(), stack: Vec::new(), popped: 0, each: Some(1) }
    }

    /// A value that lies below the border, if it is one of the few.
    fn value(&mut self, depth: i64) -> Option<Form> {
        let known = self.depths.iter().position(|known| *known == depth);
        let value = known.unwrap_or_else(|| {
            self.depths.push(depth);
            self.depths.len() - 1
        });
        (value < VALUES).then(|| variable(value))
    }

    fn pop(&mut self) -> Option<Form> {
        if let Some(form) = self.stack.pop() {
            return Some(form);
        }
        self.popped += 1;
        self.value(self.popped - 1)
    }

    /// The value so deep below the top.
    fn get(&mut self, depth: i64) -> Option<Form> {
        match self.stack.iter().rev().nth(usize::try_from(depth).ok()?) {
            Some(form) => Some(*form),
            None => self.value(depth - self.stack.len() as i64 + self.popped),
        }
    }

    fn step(&mut self, op: Op) -> Option<()> {
        match op {
            Op::Literal(value) => self.stack.push(constant(value)),
            Op::Pick(depth) => {
                let form = self.get(i64::try_from(depth).ok()?)?;
                self.stack.push(form);
            }
            Op::Word(word) if word.class() == Class::Shuffle => {
                let mut operands = [constant(0); 4];
                for operand in (0..word.pops()).rev() {
                    operands[operand] = self.pop()?;
                }
                self.stack.extend(word.origins().iter().map(|&from| operands[from]));
            }
            Op::Word(word) => {
                let (b, a) = (self.pop()?, self.pop()?);
                self.stack.push(combined(alu(word)?, &a, &b)?);
            }
            Op::Pass => {}
            _ => return None,
        }
        Some(())
    }

    /// A loop in it that runs so often.
    fn carry_out(&mut self, inner: &Closed, count: u64) -> Option<()> {
        let passes = inner.each.and_then(|each| each.checked_mul(count));
        self.each = passes.and_then(|passes| passes.checked_add(self.each?));
        if count == 0 {
            return Some(());
        }
        let mut now = Map::identity();
        for (value, depth) in inner.depths.iter().enumerate() {
            now.set(value, self.get(*depth)?);
        }
        let after = inner.pass.power(count);
        let lowest = after.changed().map(|value| inner.depths[value]).max().unwrap_or(-1);
        let mut results = Vec::new();
        for depth in 0..=lowest {
            let form = self.pop()?;
            let value = inner.depths.iter().position(|other| *other == depth);
            results.push(value.map_or(form, |value| now.substitute(after.row(value))));
        }
        self.stack.extend(results.into_iter().rev());
        Some(())
    }

    /// The whole loop, where a pass leaves the stack as high as it found it.
    fn closed(self, end: Pc) -> Option<Closed> {
        if self.stack.len() as i64 != self.popped {
            return None;
        }
        let mut pass = Map::identity();
        for (depth, form) in self.stack.iter().rev().enumerate() {
            let value = self.depths.iter().position(|known| *known == depth as i64);
            pass.set(value.expect("what was popped is known"), *form);
        }
        Some(Closed { times: self.times, end, depths: self.depths, pass, each: self.each })
    }
}

/// What an operation makes of two forms, if that is one.
fn combined(op: AluOp, a: &Form, b: &Form) -> Option<Form> {
    let scaled = |form, factor| add_scaled(&constant(0), factor, form);
    match (op, as_constant(a), as_constant(b)) {
        (AluOp::Add, ..) => Some(add_scaled(a, 1, b)),
        (AluOp::Sub, ..) => Some(add_scaled(a, -1, b)),
        (_, Some(a), Some(b)) => Some(constant(fold(op, a, b))),
        (AluOp::Mul, Some(factor), _) => Some(scaled(b, factor)),
        (AluOp::Mul, _, Some(factor)) => Some(scaled(a, factor)),
        (AluOp::Shl, _, Some(count)) => Some(scaled(a, fold(AluOp::Shl, 1, count))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bytecode::lower;
    use crate::lang::{Source, parse, verify};

    /// For each loop that has a closed form, the operation that begins it, how many values its map is of, and how many
    /// passes one is.
    fn found(text: &str, inputs: usize) -> Vec<(u32, usize, Option<u64>)> {
        let ast = Arc::new(parse(&Source::new("test", text)).expect("it parses"));
        let code = lower(&verify(&ast, inputs).expect("it verifies"), 100, false).expect("it is small");
        find(&code).iter().map(|closed| (closed.times.0, closed.depths.len(), closed.each)).collect()
    }

    #[test]
    fn loops_of_affine_passes_are_found_with_those_in_them() {
        assert_eq!(found("times end", 1), [(0, 0, Some(1))]);
        assert_eq!(found("times 3 * 2 pick + end", 4), [(0, 2, Some(1))]);
        assert_eq!(found("times 5 times 1 + end end", 2), [(0, 1, Some(6)), (2, 1, Some(1))]);
        assert_eq!(found("times 2 3 * times 4 times 1 + end end end", 2).len(), 3);
        // In a loop that has none, one that has.
        assert_eq!(found("times dup * 3 times 1 + end end", 2), [(4, 1, Some(1))]);
        assert_eq!(found("while dup do 3 times 1 + end 1 - end", 1).len(), 1);
        // 2^63 times 3 and one more pass.
        let passes = "times 9223372036854775807 times 2 times 1 + end end end";
        assert_eq!(found(passes, 2), [(0, 1, None), (2, 1, Some(3)), (4, 1, Some(1))]);
    }

    #[test]
    fn other_loops_are_left_alone() {
        for text in [
            "times dup * end",
            "times over * end",
            "times 3 / end",
            "times 3 xor end",
            "times 3 < end",
            "times 1 rshift end",
            "times dup 1 swap lshift + end",
            "times dup if 1 + end end",
            "times while 0 do end end",
            // Of another height, and of too many values.
            "times 1 end",
            "times drop end",
            "times over over + end",
            "times + + + + 1 1 1 1 end",
        ] {
            assert_eq!(found(text, 9), [], "{text}");
        }
        // The inner count is a value.
        assert_eq!(found("times dup times 1 + end end", 2), [(2, 1, Some(1))]);
    }
}
