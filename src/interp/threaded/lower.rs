//! Lowering: from the bytecode to the code of the interpreter, in one pass.
//!
//! Shuffles make no code: they move values about in the window. A loop begins and ends with the values that it
//! uses in the same registers, each in one of its own; where two ways meet they are made equal as well.

use super::code::{Builder, Code, Line, Patch};
use super::handlers::*;
use super::shape::{Loop, Shape, shape};
use super::tables::{self, Form, number};
use super::window::{Value, Window};
use crate::bytecode::{Bytecode, Op, Pc};
use crate::lang::Word;
use crate::lang::words::Class;

/// Makes the code; without `is_fusing` no two instructions become one.
pub fn lower(code: &Bytecode, is_fusing: bool) -> Code {
    make(code, is_fusing, false)
}

/// The code as text.
pub fn listing(code: &Bytecode, is_fusing: bool) -> Vec<Line> {
    make(code, is_fusing, true).listing.expect("it was asked for")
}

fn make(code: &Bytecode, is_fusing: bool, is_listed: bool) -> Code {
    let mut lowering = Lowering {
        code,
        shape: shape(code),
        builder: Builder::new(code.ops().len(), is_fusing, is_listed),
        window: Window::new(code.inputs() as i64),
        loops: Vec::new(),
        targets: Vec::new(),
        is_dead: false,
        heads: 0,
        branches: 0,
    };
    let mut index = 0;
    while index < code.ops().len() {
        index += lowering.op(Pc(index as u32));
    }
    lowering.builder.finish()
}

pub(super) struct Lowering<'a> {
    code: &'a Bytecode,
    shape: Shape,
    pub(super) builder: Builder,
    pub(super) window: Window,
    /// The loops that are open.
    loops: Vec<OpenLoop>,
    /// Targets that lie ahead, the nearest last.
    targets: Vec<Target>,
    /// Whether nothing falls through to here.
    is_dead: bool,
    /// How many heads of loops have been passed.
    heads: usize,
    /// How many branches forward.
    branches: usize,
}

struct OpenLoop {
    head: usize,
    facts: Loop,
    window: Window,
}

struct Target {
    at: Pc,
    patch: Patch,
    window: Window,
    is_level: bool,
    way: usize,
}

impl Lowering<'_> {
    /// Makes the code of an operation, and returns of how many. It is called from one place, where all that it works on is known.
    #[inline(always)]
    fn op(&mut self, pc: Pc) -> usize {
        self.builder.pc = pc;
        self.bind(pc);
        while self.code.heads().get(self.heads) == Some(&pc) {
            self.head();
        }
        match self.code.ops()[pc.index()] {
            Op::Literal(value) => self.push(Value::Constant(value)),
            Op::Word(word) => match word.class() {
                Class::Shuffle => self.shuffle(word),
                Class::Comparison => match self.following_branch(pc) {
                    Some(to) => {
                        self.builder.pc = Pc(pc.0 + 1);
                        self.compare_and_branch(word, to);
                        return 2;
                    }
                    None => self.compute(word),
                },
                _ => self.compute(word),
            },
            Op::Pick(depth) => self.pick(depth),
            Op::Times { counter, exit } => self.times(i64::from(counter.0), exit),
            Op::Next { counter, .. } => self.next(i64::from(counter.0)),
            Op::BranchIfZero(to) => self.branch_if_zero(to),
            Op::Jump(to) if to > pc => self.jump(to),
            Op::Jump(_) => self.back(),
            Op::Fuel => self.builder.begin_trapping(fuel, 0, || "fuel".into()),
            Op::Need { values, .. } => {
                let values = values.min(i64::MAX as u64) as i64;
                let height = self.window.height;
                self.builder.begin_trapping(need, height, || format!("need {values}"));
                self.builder.value(values.saturating_sub(height));
            }
            Op::Room { values, .. } => {
                let limit = self.code.stack_limit().min(i64::MAX as u64) as i64;
                let height = self.window.height;
                self.builder.begin_trapping(room, height, || format!("room {values}"));
                self.builder.value(limit.saturating_sub(values.min(i64::MAX as u64) as i64).saturating_sub(height));
            }
            Op::Return => {
                self.flush(0);
                let height = self.window.height;
                self.builder.begin_trapping(done, height, || "done".into());
            }
        }
        1
    }

    /// Where the branch goes to that follows a comparison, if one does that nothing else leads to.
    fn following_branch(&self, pc: Pc) -> Option<Pc> {
        let next = Pc(pc.0 + 1);
        let is_target = self.targets.last().is_some_and(|target| target.at == next);
        match self.code.ops().get(next.index()) {
            Some(Op::BranchIfZero(to)) if !is_target && self.code.heads().get(self.heads) != Some(&next) => Some(*to),
            _ => None,
        }
    }

    /// The branches that lead to an operation.
    fn bind(&mut self, pc: Pc) {
        while let Some(target) = self.targets.pop_if(|target| target.at == pc) {
            if self.is_dead {
                (self.window, self.is_dead) = (target.window, false);
            } else if target.is_level {
                self.conform(&target.window);
            } else {
                self.border(0);
            }
            self.builder.bind(target.patch);
            self.builder.join(target.way);
        }
    }

    /// Stores all but the topmost values, and counts from here.
    fn border(&mut self, above: usize) {
        self.flush(above);
        let by = self.window.height - above as i64;
        if by != 0 {
            self.builder.begin(rebase, || format!("base += {by}"));
            self.builder.value(by);
            self.window.height = above as i64;
        }
    }

    /// Whether the next branch forward leads to where the depth is known.
    fn is_level(&mut self) -> bool {
        self.branches += 1;
        self.shape.is_level[self.branches - 1]
    }

    fn target(&mut self, at: Pc, is_level: bool) {
        let way = self.builder.way() + if self.is_in_innermost() { LONGEST / 2 } else { 0 };
        let patch = self.builder.patch();
        self.targets.push(Target { at, patch, window: self.window, is_level, way });
    }

    fn is_in_innermost(&self) -> bool {
        self.loops.last().is_some_and(|open| open.facts.is_innermost)
    }

    /// The register in which a slot must lie at the end of the pass, if there is one.
    pub(super) fn home(&self, slot: i64) -> Option<u8> {
        let window = &self.loops.last()?.window;
        let index = usize::try_from(slot - window.lowest_slot()).ok()?;
        match window.values().get(index) {
            Some(Value::Register(register)) => Some(*register),
            _ => None,
        }
    }

    fn settle_for(&mut self, facts: Loop) {
        if facts.is_level {
            self.settle_loop(facts.reach);
        } else {
            self.border(0);
        }
    }

    fn head(&mut self) {
        let facts = self.shape.loops[self.heads];
        self.heads += 1;
        self.settle_for(facts);
        let head = self.builder.here();
        self.loops.push(OpenLoop { head, facts, window: self.window });
    }

    fn times(&mut self, counter: i64, exit: Pc) {
        self.ensure(1);
        let count = self.window.top(0);
        let take = tables::times(number(count));
        self.builder.begin(take, || format!("count = {}", tables::Shown(count)));
        self.builder.operand(count);
        self.window.pop();
        let facts = self.shape.loops[self.heads];
        self.settle_for(facts);
        let is_level = self.is_level();
        if facts.is_innermost {
            self.builder.begin(enter, || "enter".into());
            self.target(exit, is_level);
        } else {
            self.builder.begin(enter_outer, || format!("enter c{counter}"));
            self.target(exit, is_level);
            self.builder.value(counter);
        }
    }

    /// Makes the end of a pass equal to its beginning.
    fn end_iteration(&mut self) -> OpenLoop {
        let open = self.loops.pop().expect("the loop is open");
        if open.facts.is_level {
            self.conform(&open.window);
        } else {
            self.border(0);
        }
        open
    }

    fn next(&mut self, counter: i64) {
        let OpenLoop { head, facts, .. } = self.end_iteration();
        if facts.is_innermost {
            self.builder.end_loop(NEXT, head);
        } else {
            self.builder.begin(next_outer, || format!("next c{counter} {head}"));
            self.builder.target(head);
            self.builder.value(counter);
        }
    }

    fn back(&mut self) {
        let OpenLoop { head, facts, .. } = self.end_iteration();
        if facts.is_innermost {
            self.builder.end_loop(BACK, head);
        } else {
            self.builder.begin(back_outer, || format!("back {head}"));
            self.builder.target(head);
        }
        self.is_dead = true;
    }

    fn jump(&mut self, to: Pc) {
        let is_level = self.is_level();
        if is_level {
            self.settle(0);
        } else {
            self.border(0);
        }
        self.builder.begin(jump, || "jump".into());
        // The branch that led here has its target directly behind.
        let behind = self.targets.pop().expect("a jump forward ends the first branch of an `if`");
        self.target(to, is_level);
        self.targets.push(behind);
        self.is_dead = true;
    }

    /// Before a branch whose operands are the topmost values: where nothing jumps over what follows and the ways meet
    /// again, they must be equal.
    fn before_branch(&mut self, to: Pc, operands: usize) -> bool {
        let is_level = self.is_level();
        // The jump before the target leads over the other branch, or back to where a pass began before here.
        let ways_meet = match self.code.ops()[to.index() - 1] {
            Op::Jump(end) => self.builder.pc < end && end < to,
            _ => true,
        };
        match (ways_meet, is_level) {
            (false, _) => {}
            (true, true) => self.settle(operands),
            (true, false) => self.border(operands),
        }
        is_level
    }

    fn branch_if_zero(&mut self, to: Pc) {
        self.ensure(1);
        self.in_register(0);
        let is_level = self.before_branch(to, 1);
        let flag = self.window.top(0);
        self.builder.begin(tables::if_zero(number(flag)), || format!("if-zero {}", tables::Shown(flag)));
        self.window.pop();
        self.target(to, is_level);
    }

    fn compare_and_branch(&mut self, word: Word, to: Pc) {
        self.ensure(2);
        self.in_register(1);
        let is_level = self.before_branch(to, 2);
        let (a, b) = (self.window.top(1), self.window.top(0));
        self.builder.begin(tables::unless(word, number(a), number(b)), || {
            format!("unless {} {} {}", tables::Shown(a), word.spelling(), tables::Shown(b))
        });
        self.window.pop();
        self.window.pop();
        self.target(to, is_level);
        self.builder.operand(b);
    }

    fn compute(&mut self, word: Word) {
        self.ensure(2);
        let (mut a, mut b) = (self.window.top(1), self.window.top(0));
        if let (Value::Constant(a), Value::Constant(b), false) = (a, b, word.class() == Class::Division) {
            self.window.pop();
            self.window.pop();
            return self.push(Value::Constant(word.apply(a, b)));
        }
        if commutes(word) && (matches!(a, Value::Constant(_)) || self.builder.wrote_last(b)) {
            self.window.swap(1);
        }
        self.in_register(1);
        (a, b) = (self.window.top(1), self.window.top(0));
        self.window.pop();
        self.window.pop();
        let d = self.destination(&[a, b]);
        let (a, b) = (number(a), b);
        if word.class() == Class::Division {
            let handler = tables::divide(word, usize::from(d), a, number(b));
            let height = self.window.height + 2;
            self.builder
                .begin_trapping(handler, height, || format!("r{d} = r{a} {} {}", word.spelling(), tables::Shown(b)));
            self.builder.operand(b);
        } else {
            let form = Form::Compute { word, d: usize::from(d), a, b: number(b) };
            self.builder.form(form, b);
        }
        self.window.push(Value::Register(d));
    }

    fn shuffle(&mut self, word: Word) {
        match word {
            Word::Drop => return self.window.pop(),
            // What lies below the window is in its slot already, and the slot is free when the value moves down.
            Word::Nip if self.window.len() == 1 => {
                self.window.height -= 1;
                return;
            }
            _ => self.ensure(word.pops()),
        }
        match word {
            Word::Dup => self.push(self.window.top(0)),
            Word::Over => self.push(self.window.top(1)),
            Word::Swap => self.window.swap(1),
            Word::Nip => {
                self.window.swap(1);
                self.window.pop();
            }
            Word::Tuck => {
                self.push(self.window.top(0));
                self.window.swap(1);
                self.window.swap(2);
                self.window.swap(1);
            }
            Word::Rot => {
                self.window.swap(2);
                self.window.swap(1);
                self.window.swap(2);
                self.window.swap(1);
            }
            _ => unreachable!("no other word only moves values"),
        }
    }

    fn pick(&mut self, depth: u64) {
        if depth < self.window.len() as u64 {
            return self.push(self.window.top(depth as usize));
        }
        let slot = self.window.height - 1 - depth.min(1 << 62) as i64;
        let d = self.destination(&[]);
        self.load(d, slot);
        self.push(Value::Register(d));
    }
}

fn commutes(word: Word) -> bool {
    matches!(word, Word::Add | Word::Mul | Word::And | Word::Or | Word::Xor | Word::Eq | Word::Ne)
}
