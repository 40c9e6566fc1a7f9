//! Lowering: bytecode to LIR, in one pass over an abstract stack whose values are registers, constants or slots.
//!
//! At the head of a loop every slot that the loop touches has a register of its own as far as there are some; ways back
//! bring each value there again. Where ways through a body leave the stack at different heights, all values are in their
//! slots at its borders, and the data-stack pointer moves.

use super::branches::If;
use super::loops::{Loop, counters};
use super::stack::{Stack, Value, bits};
use super::state::{Registers, State, pool};
use super::summary::{Summary, summarize};
use crate::bytecode::{Bytecode, Op as Code, Pc, TrapSite};
use crate::isa::{Isa, Tuning};
use crate::lir::{FrameSlot, Label, Op, Reg, Sink, Site, Slot};

/// What is needed beside the bytecode to lower it.
pub struct Plan {
    summary: Summary,
    pool: &'static [Reg],
}

impl Plan {
    /// Makes the plan.
    pub fn new<I: Isa>(code: &Bytecode, tuning: &Tuning) -> Plan {
        let summary = summarize::<I>(code);
        let constants = summary.loops.iter().map(|body| body.constants.iter().count()).max().unwrap_or(0);
        let counters = (code.counters() as usize).min(counters::<I>());
        let wanted = summary.height.saturating_add(constants + counters + 4);
        Plan { summary, pool: pool::<I>(wanted, tuning.value_registers) }
    }

    /// How many allocatable registers the code uses.
    pub fn registers(&self) -> usize {
        self.pool.len()
    }
}

/// Lowers a program into a sink. Gives its trap sites.
pub fn lower<I: Isa, S: Sink>(code: &Bytecode, plan: &Plan, sink: &mut S) -> Vec<TrapSite> {
    let above = code.inputs() as i64;
    let mut lowering = Lowering {
        state: State {
            sink,
            stack: Stack::in_memory(above, 0),
            registers: Registers::new(plan.pool),
            constants: Vec::new(),
        },
        code,
        summary: &plan.summary,
        open: Vec::new(),
        next_loop: 0,
        next_if: 0,
        resume: Pc(0),
        border: Pc(0),
        labels: 0,
        sites: Vec::new(),
        spare: FrameSlot(code.counters()),
        clobbered: bits(I::SHIFT_CLOBBERS.iter().chain(I::DIVIDE_CLOBBERS).copied()),
        isa: std::marker::PhantomData::<I>,
    };
    lowering.program();
    lowering.sites
}

pub(super) struct Lowering<'a, I, S> {
    pub state: State<'a, S>,
    pub code: &'a Bytecode,
    pub summary: &'a Summary,
    /// The loops and branches around, innermost last.
    pub open: Vec<Open>,
    pub next_loop: usize,
    pub next_if: usize,
    /// The operations before this one have been dealt with.
    pub resume: Pc,
    /// Before this operation neither an `if` ends nor a loop begins.
    border: Pc,
    labels: u32,
    pub sites: Vec<TrapSite>,
    pub spare: FrameSlot,
    /// What shifts and divisions destroy.
    pub clobbered: u32,
    isa: std::marker::PhantomData<I>,
}

pub(super) enum Open {
    Loop(Loop),
    If(If),
}

impl<'a, I: Isa, S: Sink> Lowering<'a, I, S> {
    fn program(&mut self) {
        let code = self.code;
        for (index, &op) in code.ops().iter().enumerate() {
            let pc = Pc(index as u32);
            if pc < self.resume {
                continue;
            }
            self.state.sink.at(pc.0);
            if pc >= self.border {
                self.cross(pc);
            }
            match op {
                Code::Word(word) => match code.ops()[index + 1] {
                    Code::BranchIfZero(to) if word.comparison().is_some() && index + 1 != self.border.index() => {
                        self.resume = Pc(pc.0 + 2);
                        self.state.sink.at(pc.0 + 1);
                        self.branch(word.comparison(), Pc(pc.0 + 1), to);
                    }
                    _ => self.word(word, pc),
                },
                Code::Times { counter, .. } => {
                    self.times(counter);
                    self.state.sink.at(pc.0 + 1);
                    self.put_head();
                }
                Code::Next { .. } => self.next(),
                Code::Jump(to) if to <= pc => self.jump_back(),
                Code::Jump(_) => self.otherwise(),
                Code::BranchIfZero(to) => self.branch(None, pc, to),
                Code::Return => {
                    self.state.flush();
                    self.put(Op::Return { end: Slot(self.state.stack.above) });
                }
                op => self.straight(op, pc),
            }
        }
    }

    /// Ends the `if` that ends here, and begins the `while` loops that begin here.
    fn cross(&mut self, pc: Pc) {
        while self.ends_at(pc) {
            self.end_if();
        }
        while self.next_head() == Some(pc) {
            self.begin_while(pc);
        }
        let end = match self.open.last() {
            Some(Open::If(If::Last { end, .. })) => Some(*end),
            _ => None,
        };
        self.border = end.into_iter().chain(self.next_head()).min().unwrap_or(Pc(u32::MAX));
    }

    /// The head of the next loop to begin.
    pub fn next_head(&self) -> Option<Pc> {
        self.code.heads().get(self.next_loop).copied()
    }

    /// Opens a body.
    pub fn enter(&mut self, open: Open) {
        self.open.push(open);
        self.border = Pc(0);
    }

    /// Ends the innermost body.
    pub fn exit(&mut self) -> Option<Open> {
        self.border = Pc(0);
        self.open.pop()
    }

    /// What goes on to the next operation, words that branch on nothing among it.
    pub fn straight(&mut self, op: Code, pc: Pc) {
        match op {
            Code::Literal(value) => self.state.push(Value::Const(value)),
            Code::Pick(depth) => self.pick(depth as i64),
            Code::Word(word) => self.word(word, pc),
            Code::Fuel => {
                let site = self.site(pc);
                self.put(Op::Fuel { site });
            }
            Code::Need { values, .. } => {
                let site = self.site(pc);
                let slot = self.state.stack.above.wrapping_sub_unsigned(values);
                self.put(Op::Need { slot: Slot(slot), site });
                self.state.stack.has_from(slot);
            }
            Code::Room { values, .. } => {
                let site = self.site(pc);
                let slot = self.state.stack.above.wrapping_add_unsigned(values);
                self.put(Op::Room { slot: Slot(slot), site });
            }
            _ => unreachable!("what branches was looked at before"),
        }
    }

    pub fn put(&mut self, op: Op) {
        self.state.sink.put(op);
    }

    pub fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    fn site(&mut self, pc: Pc) -> Site {
        let values_above = self.state.stack.above;
        self.site_with(pc, values_above)
    }

    /// A site where so many values lie above the data-stack pointer.
    pub fn site_with(&mut self, pc: Pc, values_above: i64) -> Site {
        self.sites.push(TrapSite { pc, values_above });
        Site(self.sites.len() as u32 - 1)
    }

    pub fn innermost_loop(&self) -> Option<&Loop> {
        self.open.iter().rev().find_map(|open| match open {
            Open::Loop(body) => Some(body),
            Open::If(_) => None,
        })
    }
}
