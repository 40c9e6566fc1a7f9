//! Lowering: from the bytecode to the code of the interpreter, in one pass.
//!
//! Shuffles emit no code: they rearrange values in the window. A loop begins and ends each iteration with the values that it
//! uses in the same registers, each in one of its own. Where two paths meet, their windows are made equal as well.

use super::code::{Builder, Code, Line, Patch};
use super::handlers::*;
use super::tables::{self, Form, number};
use super::window::{Value, Window};
use crate::bytecode::{Bytecode, Op, Pc, Region, RegionId, RegionKind};
use crate::lang::Word;
use crate::lang::words::Class;

/// Lowers a program; without `is_fusing` no two instructions become one.
pub fn lower(code: &Bytecode, is_fusing: bool) -> Code {
    lower_with(code, is_fusing, false)
}

/// The code as text.
pub fn listing(code: &Bytecode, is_fusing: bool) -> Vec<Line> {
    lower_with(code, is_fusing, true).listing.expect("a listing was requested")
}

fn lower_with(code: &Bytecode, is_fusing: bool, is_listed: bool) -> Code {
    let mut lowering = Lowering {
        code,
        builder: Builder::new(code.ops().len(), is_fusing, is_listed),
        window: Window::new(code.inputs() as i64),
        loops: Vec::new(),
        targets: Vec::new(),
        is_dead: false,
    };
    let mut index = 0;
    while index < code.ops().len() {
        index += lowering.op(Pc(index as u32));
    }
    lowering.builder.finish()
}

pub(super) struct Lowering<'a> {
    code: &'a Bytecode,
    pub(super) builder: Builder,
    pub(super) window: Window,
    /// The open loops, innermost last.
    loops: Vec<OpenLoop>,
    /// The forward branches of the open regions whose targets lie ahead, the nearest last.
    targets: Vec<Target>,
    /// Whether control does not reach the next operation from the one before it.
    is_dead: bool,
}

struct OpenLoop {
    region: Region,
    header: usize,
    /// The window at the start of every iteration.
    window: Window,
}

struct Target {
    patch: Patch,
    window: Window,
    /// Whether all paths to the target have the same height.
    is_level: bool,
    way: usize,
}

impl Lowering<'_> {
    /// Lowers an operation, or two that become one instruction, and returns how many. It is called from one place, so that the
    /// compiler inlines it there.
    #[inline(always)]
    fn op(&mut self, pc: Pc) -> usize {
        self.builder.pc = pc;
        match self.code.ops()[pc.index()] {
            Op::Literal(value) => self.push(Value::Constant(value)),
            Op::Word(word) => match word.class() {
                Class::Shuffle => self.shuffle(word),
                Class::Comparison => match self.code.ops()[pc.index() + 1] {
                    Op::If(id) | Op::LeaveIfZero(id) => {
                        self.builder.pc = Pc(pc.0 + 1);
                        self.compare_and_branch(word, id);
                        return 2;
                    }
                    _ => self.compute(word),
                },
                _ => self.compute(word),
            },
            Op::Pick(depth) => self.pick(depth),
            Op::Times(id) => self.times(id),
            Op::Next(_) => self.next(),
            Op::While(id) => self.begin_while(id),
            Op::If(id) | Op::LeaveIfZero(id) => self.branch_if_zero(id),
            Op::Repeat(_) => self.repeat(),
            Op::Else(id) => self.otherwise(id),
            Op::EndIf(_) => self.bind(),
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

    /// Binds the nearest target to the next instruction.
    fn bind(&mut self) {
        let target = self.targets.pop().expect("a region's branch forward is bound once");
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

    fn target(&mut self, is_level: bool) {
        let way = self.builder.way() + if self.is_in_innermost() { LONGEST / 2 } else { 0 };
        let patch = self.builder.patch();
        self.targets.push(Target { patch, window: self.window, is_level, way });
    }

    fn is_in_innermost(&self) -> bool {
        self.loops.last().is_some_and(|open| open.region.is_innermost)
    }

    /// The register in which a slot must be at the end of the iteration, if there is one.
    pub(super) fn home(&self, slot: i64) -> Option<u8> {
        let window = &self.loops.last()?.window;
        let index = usize::try_from(slot - window.lowest_slot()).ok()?;
        match window.values().get(index) {
            Some(Value::Register(register)) => Some(*register),
            _ => None,
        }
    }

    fn settle_for(&mut self, region: &Region) {
        if region.is_level {
            self.settle_loop(region.reach);
        } else {
            self.border(0);
        }
    }

    fn header(&mut self, region: Region) {
        let header = self.builder.here();
        self.loops.push(OpenLoop { region, header, window: self.window });
    }

    fn begin_while(&mut self, id: RegionId) {
        let region = *self.code.region(id);
        self.settle_for(&region);
        self.header(region);
    }

    fn times(&mut self, id: RegionId) {
        let region = *self.code.region(id);
        let counter = i64::from(self.code.counter(id).0);
        self.ensure(1);
        let count = self.window.top(0);
        let take = tables::times(number(count));
        self.builder.begin(take, || format!("count = {}", tables::Shown(count)));
        self.builder.operand(count);
        self.window.pop();
        self.settle_for(&region);
        if region.is_innermost {
            self.builder.begin(enter, || "enter".into());
            self.target(region.is_level);
        } else {
            self.builder.begin(enter_outer, || format!("enter c{counter}"));
            self.target(region.is_level);
            self.builder.value(counter);
        }
        self.header(region);
    }

    /// Makes the window equal to that at the start of the iteration.
    fn end_iteration(&mut self) -> OpenLoop {
        let open = self.loops.pop().expect("the loop is open");
        if open.region.is_level {
            self.conform(&open.window);
        } else {
            self.border(0);
        }
        open
    }

    fn next(&mut self) {
        let OpenLoop { header, region, .. } = self.end_iteration();
        match region.kind {
            RegionKind::Times { counter } if !region.is_innermost => {
                let counter = i64::from(counter.0);
                self.builder.begin(next_outer, || format!("next c{counter} {header}"));
                self.builder.target(header);
                self.builder.value(counter);
            }
            _ => self.builder.end_loop(NEXT, header),
        }
        self.bind();
    }

    fn repeat(&mut self) {
        let OpenLoop { header, region, .. } = self.end_iteration();
        if region.is_innermost {
            self.builder.end_loop(BACK, header);
        } else {
            self.builder.begin(back_outer, || format!("back {header}"));
            self.builder.target(header);
        }
        self.is_dead = true;
        self.bind();
    }

    fn otherwise(&mut self, id: RegionId) {
        let is_level = self.code.region(id).is_level;
        if is_level {
            self.settle(0);
        } else {
            self.border(0);
        }
        self.builder.begin(jump, || "jump".into());
        let to_else = self.targets.pop().expect("THEN began with a branch to ELSE");
        self.target(is_level);
        self.is_dead = true;
        self.targets.push(to_else);
        self.bind();
    }

    /// Prepares for a branch whose operands are the topmost values, and says whether all paths to its target have the same
    /// height. Where another path meets the one that branches, both must have equal windows: only an `if` without ELSE is
    /// reached from its end as well.
    fn before_branch(&mut self, id: RegionId, operands: usize) -> bool {
        let region = self.code.region(id);
        if region.kind != (RegionKind::If { otherwise: None }) {
            return true;
        }
        let is_level = region.is_level;
        if is_level {
            self.settle(operands);
        } else {
            self.border(operands);
        }
        is_level
    }

    fn branch_if_zero(&mut self, id: RegionId) {
        self.ensure(1);
        self.in_register(0);
        let is_level = self.before_branch(id, 1);
        let flag = self.window.top(0);
        self.builder.begin(tables::if_zero(number(flag)), || format!("if-zero {}", tables::Shown(flag)));
        self.window.pop();
        self.target(is_level);
    }

    fn compare_and_branch(&mut self, word: Word, id: RegionId) {
        self.ensure(2);
        self.in_register(1);
        let is_level = self.before_branch(id, 2);
        let (a, b) = (self.window.top(1), self.window.top(0));
        self.builder.begin(tables::unless(word, number(a), number(b)), || {
            format!("unless {} {} {}", tables::Shown(a), word.spelling(), tables::Shown(b))
        });
        self.window.pop();
        self.window.pop();
        self.target(is_level);
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
