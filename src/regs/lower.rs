//! Lowering: bytecode to LIR, in one pass over an abstract stack whose values are registers, constants or slots.
//!
//! At the head of a loop every slot that the loop touches has a register of its own as far as there are some; ways back
//! bring each value there again. Where ways through a body leave the stack at different heights, all values are in their
//! slots at its borders, and the data-stack pointer moves.

use super::state::{Registers, Stack, State, Value, bit, pool};
use super::summary::{Body, NOWHERE, Role, Summary, role, summarize};
use super::words::{alu, cond, fold, mirrored};
use crate::bytecode::{Bytecode, Counter, Op as Code, Pc, TrapSite};
use crate::isa::{Isa, Tuning};
use crate::lang::Word;
use crate::lang::words::Class;
use crate::lir::{AluOp, Cond, DivOp, FrameSlot, Label, Op, Reg, Sink, Site, Slot};

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
        let counters = (code.counters as usize).min(counters::<I>());
        let wanted = summary.height.saturating_add(constants + counters + 4);
        Plan { summary, pool: pool::<I>(wanted, tuning.value_registers) }
    }

    /// How many allocatable registers the code uses.
    pub fn registers(&self) -> usize {
        self.pool.len()
    }
}

/// How many loops at most have their counters in registers: the innermost.
fn counters<I: Isa>() -> usize {
    I::ALLOCATABLE.len() / 4
}

/// Lowers a program into a sink. Gives its trap sites.
pub fn lower<I: Isa, S: Sink>(code: &Bytecode, plan: &Plan, sink: &mut S) -> Vec<TrapSite> {
    let above = code.inputs as i64;
    let mut clobbered = 0;
    I::SHIFT_CLOBBERS.iter().chain(I::DIVIDE_CLOBBERS).for_each(|reg| clobbered |= bit(*reg));
    let mut lowering = Lowering {
        state: State {
            sink,
            stack: Stack::in_memory(above, 0),
            registers: Registers::new(plan.pool),
            constants: Vec::new(),
        },
        summary: &plan.summary,
        open: Vec::new(),
        next_loop: 0,
        next_if: 0,
        labels: 0,
        sites: Vec::new(),
        spare: FrameSlot(code.counters),
        clobbered,
        isa: std::marker::PhantomData::<I>,
    };
    lowering.program(code);
    lowering.sites
}

struct Lowering<'a, I, S> {
    state: State<'a, S>,
    summary: &'a Summary,
    /// The loops and branches around, innermost last.
    open: Vec<Open>,
    next_loop: usize,
    next_if: usize,
    labels: u32,
    sites: Vec<TrapSite>,
    spare: FrameSlot,
    /// What shifts and divisions destroy.
    clobbered: u32,
    isa: std::marker::PhantomData<I>,
}

enum Open {
    Loop(Loop),
    /// A branch of an `if`, the last one.
    Last {
        end: Pc,
        label: Label,
        join: Stack,
        moves_pointer: bool,
    },
    /// The first branch of an `if` that has two.
    First {
        otherwise: Label,
        at_branch: Stack,
        end: Pc,
        index: usize,
    },
}

struct Loop {
    head: Label,
    /// The stack with which every pass begins.
    at_head: Stack,
    moves_pointer: bool,
    /// Where a counted loop counts.
    counter: Option<Place>,
    /// Where it goes that is left, and with which stack: a counted loop's is that of its head.
    exit: Option<(Label, Option<Stack>)>,
    /// What was so before the loop.
    around: Around,
}

#[derive(Clone, Copy)]
enum Place {
    Register(Reg),
    Frame(FrameSlot),
}

/// What holds for the registers within a loop.
#[derive(Clone, Copy)]
struct Around {
    pinned: u32,
    avoided: u32,
    expected: u32,
    constants: usize,
}

impl<I: Isa, S: Sink> Lowering<'_, I, S> {
    fn program(&mut self, code: &Bytecode) {
        let mut heads = code.heads.iter().peekable();
        let mut is_fused = false;
        for (index, &op) in code.ops.iter().enumerate() {
            let pc = Pc(index as u32);
            self.state.sink.at(pc.0);
            if std::mem::take(&mut is_fused) {
                continue;
            }
            while let Some(Open::Last { end, .. }) = self.open.last()
                && *end == pc
            {
                self.end_if();
            }
            let follows_times = index > 0 && matches!(code.ops[index - 1], Code::Times { .. });
            let mut is_own = follows_times;
            while heads.next_if(|head| **head == pc).is_some() {
                if !std::mem::take(&mut is_own) {
                    self.begin_loop(None);
                }
                let head = self.innermost_loop().expect("it has begun").head;
                self.put(Op::Label(head));
            }
            match op {
                Code::Literal(value) => self.state.push(Value::Const(value)),
                Code::Pick(depth) => self.pick(depth as i64),
                Code::Word(word) => match (cond(word), code.ops[index + 1]) {
                    (Some(cond), Code::BranchIfZero(to))
                        if heads.peek().is_none_or(|head| head.index() != index + 1) && !self.ends_at(index + 1) =>
                    {
                        is_fused = true;
                        self.state.sink.at(pc.0 + 1);
                        self.compare_and_branch(cond, code, Pc(pc.0 + 1), to);
                    }
                    _ => self.word(word, pc),
                },
                Code::Times { counter, .. } => self.times(counter),
                Code::Next { .. } => self.next(),
                Code::Jump(to) if to <= pc => self.jump_back(),
                Code::Jump(_) => self.otherwise(),
                Code::BranchIfZero(to) => {
                    let flag = self.state.pop();
                    let slot = self.state.stack.above;
                    let flag = self.state.in_register(flag, slot);
                    self.branch(Cond::Eq, flag, Value::Const(0), code, pc, to);
                }
                Code::Pass => {
                    let site = self.site(pc);
                    self.put(Op::Fuel { site });
                }
                Code::Need { values, .. } => {
                    let site = self.site(pc);
                    let slot = self.state.stack.above.wrapping_sub_unsigned(values);
                    self.put(Op::Need { slot: Slot(slot), site });
                    self.state.stack.known = self.state.stack.known.min(slot);
                }
                Code::Room { values, .. } => {
                    let site = self.site(pc);
                    let slot = self.state.stack.above.wrapping_add_unsigned(values);
                    self.put(Op::Room { slot: Slot(slot), site });
                }
                Code::Return => {
                    self.state.flush();
                    self.put(Op::Return { end: Slot(self.state.stack.above) });
                }
            }
        }
    }

    fn put(&mut self, op: Op) {
        self.state.sink.put(op);
    }

    fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    fn site(&mut self, pc: Pc) -> Site {
        self.sites.push(TrapSite { pc, values_above: self.state.stack.above });
        Site(self.sites.len() as u32 - 1)
    }

    fn innermost_loop(&self) -> Option<&Loop> {
        self.open.iter().rev().find_map(|open| match open {
            Open::Loop(body) => Some(body),
            _ => None,
        })
    }

    fn ends_at(&self, index: usize) -> bool {
        matches!(self.open.last(), Some(Open::Last { end, .. }) if end.index() == index)
    }

    // Words.

    fn pick(&mut self, depth: i64) {
        let slot = self.state.stack.slot(depth);
        self.copy(slot);
    }

    /// Pushes the value of a slot once more.
    fn copy(&mut self, slot: i64) {
        let value = match self.state.stack.get(slot) {
            Value::Slot => self.state.in_register(Value::Slot, slot),
            value => {
                self.state.hold(value);
                value
            }
        };
        self.state.push(value);
    }

    fn word(&mut self, word: Word, pc: Pc) {
        match word.class() {
            Class::Shuffle => self.shuffle(word),
            Class::Division => self.divide(word, pc),
            _ => match alu(word) {
                Some(op) => self.alu(op, pc),
                None => self.compare(cond(word).expect("what is left are comparisons"), pc),
            },
        }
    }

    fn shuffle(&mut self, word: Word) {
        let base = self.state.stack.above - word.pops() as i64;
        // What is copied, or moves to another slot, leaves its own.
        for (operand, slot) in (base..self.state.stack.above).enumerate() {
            let places = || word.shuffle().enumerate().filter(move |(_, from)| *from == operand);
            let moves = places().any(|(result, _)| result != operand);
            if moves && self.state.stack.get(slot) == Value::Slot {
                let value = self.state.in_register(Value::Slot, slot);
                self.state.set(slot, value);
            }
        }
        let mut operands = [Value::Slot; 4];
        for operand in (0..word.pops()).rev() {
            operands[operand] = self.state.pop();
        }
        for from in word.shuffle() {
            self.state.hold(operands[from]);
            self.state.push(operands[from]);
        }
        operands[..word.pops()].iter().for_each(|value| self.state.release(*value));
    }

    /// Takes two operands; those that lie in their slots into registers.
    fn operands(&mut self) -> (Value, Value) {
        let b = self.taken();
        let a = self.taken();
        (a, b)
    }

    fn taken(&mut self) -> Value {
        match self.state.pop() {
            Value::Slot => {
                let slot = self.state.stack.above;
                self.state.in_register(Value::Slot, slot)
            }
            value => value,
        }
    }

    /// A taken value in a register.
    fn register(&mut self, value: &mut Value) -> Reg {
        *value = self.state.in_register(*value, 0);
        value.reg().expect("it is in a register")
    }

    fn alu(&mut self, op: AluOp, pc: Pc) {
        let (a, b) = self.operands();
        match (op, a, b) {
            (_, Value::Const(a), Value::Const(b)) => return self.state.push(Value::Const(fold(op, a, b))),
            (AluOp::Add, value, Value::Const(more)) | (AluOp::Add, Value::Const(more), value) => {
                return self.state.push(more_of(value, more));
            }
            (AluOp::Sub, value, Value::Const(less)) => return self.state.push(more_of(value, less.wrapping_neg())),
            _ => {}
        }
        let (mut a, mut b) = if op.commutes() && matches!(a, Value::Const(_)) { (b, a) } else { (a, b) };
        let more = match (op, sum(a), sum(b)) {
            (AluOp::Add, Some((ra, more)), Some((rb, other))) => {
                (a, b) = (Value::Reg(ra), Value::Reg(rb));
                more.wrapping_add(other)
            }
            (AluOp::Sub, Some((ra, more)), Some((rb, other))) => {
                (a, b) = (Value::Reg(ra), Value::Reg(rb));
                more.wrapping_sub(other)
            }
            _ => 0,
        };
        let ra = self.register(&mut a);
        let is_shift = matches!(op, AluOp::Shl | AluOp::Shr);
        match b {
            Value::Const(imm) if I::fits_alu(op, imm) => {
                let d = self.destination(pc, &[a], 0);
                self.put(Op::AluImm { op, d, a: ra, imm });
                self.finish(d, &[a], 0);
            }
            _ => {
                let rb = self.register(&mut b);
                if is_shift {
                    self.state.save_from(I::SHIFT_CLOBBERS);
                }
                let d = self.destination(pc, &[a, b], 0);
                self.put(Op::Alu { op, d, a: ra, b: rb });
                self.finish(d, &[a, b], more);
            }
        }
    }

    /// Pushes the result in `d`, and so much more, and gives the operands back.
    fn finish(&mut self, d: Reg, operands: &[Value], more: i64) {
        operands.iter().for_each(|operand| self.state.release(*operand));
        self.state.push_new(more_of(Value::Reg(d), more));
    }

    /// The register for a result: where the next pass expects it, that of an operand that nothing else needs, or a
    /// free one.
    fn destination(&mut self, pc: Pc, operands: &[Value], but: u32) -> Reg {
        let registers = &self.state.registers;
        let given_back = |reg: Reg| {
            let held = operands.iter().filter(|operand| operand.reg() == Some(reg)).count();
            registers.pinned & bit(reg) == 0 && held > 0 && usize::from(registers.uses(reg)) == held
        };
        let is_open = |reg: Reg| but & bit(reg) == 0 && (registers.is_free(reg) || given_back(reg));
        let home = self.home(pc);
        if let Some(home) = home.filter(|home| is_open(*home)) {
            return home;
        }
        // Where its home is taken, it must move later: then not over what is to go elsewhere.
        if home.is_some()
            && let Some(reg) = registers.any_free(but)
        {
            return reg;
        }
        let reused =
            operands.iter().filter_map(|operand| operand.reg()).find(|reg| but & bit(*reg) == 0 && given_back(*reg));
        reused.unwrap_or_else(|| self.state.fresh_but(but))
    }

    fn home(&self, pc: Pc) -> Option<Reg> {
        let home = self.summary.homes[pc.index()];
        let body = self.innermost_loop().filter(|_| home != NOWHERE)?;
        match body.at_head.get(body.at_head.slot(home.into())) {
            Value::Reg(reg) => Some(reg),
            _ => None,
        }
    }

    fn compare(&mut self, cond: Cond, pc: Pc) {
        let (a, b) = self.operands();
        if let (Value::Const(a), Value::Const(b)) = (a, b) {
            return self.state.push(Value::Const(cond.holds(a, b).into()));
        }
        let (cond, mut a, mut b) = ordered(cond, a, b);
        let ra = self.register(&mut a);
        match b {
            Value::Const(imm) if I::fits_compare(imm) => {
                let d = self.destination(pc, &[a], 0);
                self.put(Op::SetImm { cond, d, a: ra, imm });
                self.finish(d, &[a], 0);
            }
            _ => {
                let rb = self.register(&mut b);
                let d = self.destination(pc, &[a, b], 0);
                self.put(Op::Set { cond, d, a: ra, b: rb });
                self.finish(d, &[a, b], 0);
            }
        }
    }

    fn divide(&mut self, word: Word, pc: Pc) {
        let site_above = self.state.stack.above;
        let (mut a, mut b) = self.operands();
        let op = if word == Word::Div { DivOp::Quotient } else { DivOp::Remainder };
        if let (Value::Const(a), Value::Const(b)) = (a, b)
            && b != 0
        {
            let result = if op == DivOp::Quotient { a.wrapping_div(b) } else { a.wrapping_rem(b) };
            return self.state.push(Value::Const(result));
        }
        let ra = self.register(&mut a);
        match b {
            Value::Const(imm) if imm != 0 => {
                self.state.save_from(I::divide_imm_clobbers(imm));
                let d = self.destination(pc, &[a], 0);
                self.put(Op::DivideImm { op, d, a: ra, imm });
                self.finish(d, &[a], 0);
            }
            _ => {
                let rb = self.register(&mut b);
                self.state.save_from(I::DIVIDE_CLOBBERS);
                let d = self.destination(pc, &[a, b], 0);
                self.sites.push(TrapSite { pc, values_above: site_above });
                let site = Site(self.sites.len() as u32 - 1);
                self.put(Op::Divide { op, d, a: ra, b: rb, site });
                self.finish(d, &[a, b], 0);
            }
        }
    }

    // Branches.

    fn compare_and_branch(&mut self, cond: Cond, code: &Bytecode, pc: Pc, to: Pc) {
        let (a, b) = self.operands();
        let (cond, mut a, mut b) = ordered(cond, a, b);
        self.register(&mut a);
        if !matches!(b, Value::Const(imm) if I::fits_compare(imm)) {
            self.register(&mut b);
        }
        // It goes on where the comparison holds.
        self.branch(cond.inverted(), a, b, code, pc, to);
    }

    /// Goes to the operation where the comparison holds; the operands have been taken.
    fn branch(&mut self, cond: Cond, a: Value, b: Value, code: &Bytecode, pc: Pc, to: Pc) {
        let label = self.label();
        let role = role(code, pc, to);
        let index = self.next_if;
        let mut body = Body::default();
        if role != Role::Leave {
            self.next_if += 1;
            body = self.summary.ifs[index];
            if body.moves_pointer {
                self.state.flush();
            } else if matches!(role, Role::If { .. }) {
                self.settle_for_join(body.touched, self.state.stack.above);
            }
        }
        self.state.release(a);
        self.state.release(b);
        let ra = a.reg().expect("it is in a register");
        self.put(match b {
            Value::Const(imm) => Op::BranchImm { cond, a: ra, imm, to: label },
            _ => Op::Branch { cond, a: ra, b: b.reg().expect("it is in a register"), to: label },
        });
        let stack = self.state.stack.clone();
        match role {
            Role::Leave => {
                let Some(Open::Loop(body)) = self.open.last_mut() else { unreachable!("a loop is left") };
                body.exit = Some((label, Some(stack)));
            }
            Role::If { end } => {
                self.open.push(Open::Last { end, label, join: stack, moves_pointer: body.moves_pointer });
            }
            Role::IfElse { end } => self.open.push(Open::First { otherwise: label, at_branch: stack, end, index }),
        }
    }

    /// Puts what the branches of an `if` touch, and what lies above its border, into registers of their own or into their
    /// slots, so that any way to the same place can do the same.
    fn settle_for_join(&mut self, touched: u64, border: i64) {
        self.state.carry_out_sums();
        for slot in (self.state.stack.low()..self.state.stack.above).rev() {
            let depth = border - 1 - slot;
            let is_touched = !(0..64).contains(&depth) || touched >> depth & 1 == 1;
            if is_touched && self.state.stack.get(slot) != Value::Slot {
                self.state.own_register(slot);
            }
        }
    }

    fn otherwise(&mut self) {
        let Some(Open::First { otherwise, at_branch, end, index }) = self.open.pop() else {
            unreachable!("a jump ahead ends the first branch of an `if`")
        };
        let body = self.summary.ifs[index];
        if body.moves_pointer {
            self.state.flush();
        } else {
            self.settle_for_join(body.touched, at_branch.above);
        }
        let join = self.state.stack.clone();
        let label = self.label();
        self.put(Op::Jump { to: label });
        self.put(Op::Label(otherwise));
        self.state.take_on(at_branch);
        self.open.push(Open::Last { end, label, join, moves_pointer: body.moves_pointer });
    }

    fn end_if(&mut self) {
        let Some(Open::Last { label, mut join, moves_pointer, .. }) = self.open.pop() else {
            unreachable!("it was looked at")
        };
        if moves_pointer {
            self.flush_and_meet(join.above);
            join.known = join.above;
        } else {
            join.known = join.known.max(self.state.stack.known);
            self.state.become_like(&join, self.spare);
        }
        self.put(Op::Label(label));
        self.state.take_on(join);
    }

    /// Sends all values to their slots and moves the data-stack pointer so that `above` values lie above it.
    fn flush_and_meet(&mut self, above: i64) {
        self.state.flush();
        let slots = self.state.stack.above - above;
        if slots != 0 {
            self.put(Op::MovePointer { slots });
        }
        self.state.stack = Stack::in_memory(above, above);
    }

    // Loops.

    fn times(&mut self, counter: Counter) {
        let count = self.state.pop();
        let slot = self.state.stack.above;
        let count = self.state.in_register(count, slot);
        let a = count.reg().expect("it is in a register");
        self.begin_loop(Some((counter, count)));
        let label = self.label();
        let Some(Open::Loop(body)) = self.open.last_mut() else { unreachable!("it has begun") };
        body.exit = Some((label, None));
        let a = match body.counter {
            Some(Place::Register(reg)) => reg,
            _ => {
                self.state.release(count);
                a
            }
        };
        self.put(Op::BranchImm { cond: Cond::Le, a, imm: 0, to: label });
    }

    /// Readies the stack and the registers for a loop. The count of a counted one has been taken; where it has a register
    /// of the loop's own it is given back.
    fn begin_loop(&mut self, counted: Option<(Counter, Value)>) {
        let body = self.summary.loops[self.next_loop];
        self.next_loop += 1;
        let registers = &mut self.state.registers;
        let around = Around {
            pinned: registers.pinned,
            avoided: registers.avoided,
            expected: registers.expected,
            constants: self.state.constants.len(),
        };
        let mut avoided = 0;
        for (does, clobbers) in [(body.shifts, I::SHIFT_CLOBBERS), (body.divides, I::DIVIDE_CLOBBERS)] {
            clobbers.iter().filter(|_| does).for_each(|reg| avoided |= bit(*reg));
        }
        registers.avoided = avoided;
        registers.expected = 0;
        let counter = counted.map(|(counter, count)| self.place_counter(counter, count));
        if body.moves_pointer {
            self.state.flush();
            // The stack may be at another height with every pass: nothing is known of what lies below.
            let above = self.state.stack.above;
            self.state.stack = Stack::in_memory(above, above);
        } else {
            self.settle_for_loop(&body);
        }
        // A counter in the frame needs a register to be counted in.
        self.state.fresh();
        let at_head = self.state.stack.clone();
        self.state.registers.expected =
            at_head.iter().filter_map(|(_, value)| value.reg()).fold(0, |bits, reg| bits | bit(reg));
        let head = self.label();
        let moves_pointer = body.moves_pointer;
        self.open.push(Open::Loop(Loop { head, at_head, moves_pointer, counter, exit: None, around }));
    }

    /// Where a counted loop counts. A register for that is the loop's alone.
    fn place_counter(&mut self, counter: Counter, count: Value) -> Place {
        let s = count.reg().expect("it is in a register");
        let place = if (counter.0 as usize) < counters::<I>() && self.may_pin() {
            let is_alone = self.state.registers.uses(s) == 1 && self.clobbered & bit(s) == 0;
            let d = if is_alone && self.state.registers.pinned & bit(s) == 0 {
                Some(s)
            } else {
                self.state.registers.any_free(self.clobbered)
            };
            d.map(Place::Register)
        } else {
            None
        };
        let place = place.unwrap_or(Place::Frame(FrameSlot(counter.0)));
        match place {
            Place::Register(d) => {
                self.put(Op::Move { d, s });
                self.state.release(count);
                self.state.registers.pinned |= bit(d);
            }
            Place::Frame(slot) => self.put(Op::StoreFrame { s, slot }),
        }
        place
    }

    /// Whether enough registers are left for values.
    fn may_pin(&self) -> bool {
        self.state.registers.unpinned() > super::state::LEAST
    }

    /// Gives every slot that the loop touches a register of its own, and its constants as well, as far as there are some.
    fn settle_for_loop(&mut self, body: &Body) {
        self.state.carry_out_sums();
        let above = self.state.stack.above;
        // An operation needs some for itself.
        let mut room = self.state.registers.unpinned().saturating_sub(4);
        for depth in 0..64.min(above - self.state.stack.known.min(above)) {
            if body.touched >> depth & 1 == 0 {
                continue;
            }
            let slot = self.state.stack.slot(depth);
            if room > 0 {
                self.state.own_register(slot);
                room -= 1;
            } else {
                self.state.spill(slot);
            }
        }
        // Slots of which it is not known that they have values stay where they are.
        for slot in self.state.stack.low()..self.state.stack.known.min(above) {
            self.state.spill(slot);
        }
        for value in body.constants.iter() {
            if self.state.kept(value).is_some() || room == 0 || !self.may_pin() {
                continue;
            }
            if let Some(d) = self.state.registers.any_free(self.clobbered) {
                self.put(Op::Constant { d, value });
                self.state.registers.pinned |= bit(d);
                self.state.constants.push((value, d));
                room -= 1;
            }
        }
    }

    fn next(&mut self) {
        let body = self.end_pass();
        match body.counter.expect("it is counted") {
            Place::Register(d) => self.put(Op::CountDown { d, to: body.head }),
            Place::Frame(slot) => {
                let a = self.state.registers.any_free(0).expect("every pass begins with a free register");
                self.put(Op::LoadFrame { d: a, slot });
                self.put(Op::AluImm { op: AluOp::Sub, d: a, a, imm: 1 });
                self.put(Op::StoreFrame { s: a, slot });
                self.put(Op::BranchImm { cond: Cond::Ne, a, imm: 0, to: body.head });
            }
        }
        let (label, _) = body.exit.expect("a counted loop may be skipped");
        self.put(Op::Label(label));
        self.leave(body.around);
    }

    fn jump_back(&mut self) {
        let body = self.end_pass();
        self.put(Op::Jump { to: body.head });
        let (label, stack) = body.exit.expect("a `while` loop is left somewhere");
        self.put(Op::Label(label));
        self.leave(body.around);
        self.state.take_on(stack.expect("where it is left the stack is known"));
    }

    /// Brings everything to where the next pass expects it.
    fn end_pass(&mut self) -> Loop {
        let Some(Open::Loop(body)) = self.open.pop() else { unreachable!("a way back ends a loop") };
        if body.moves_pointer {
            self.flush_and_meet(body.at_head.above);
        } else {
            self.state.become_like(&body.at_head, self.spare);
        }
        body
    }

    /// The registers of a loop's own are free again.
    fn leave(&mut self, around: Around) {
        let Around { pinned, avoided, expected, constants } = around;
        self.state.constants.truncate(constants);
        let registers = &mut self.state.registers;
        (registers.pinned, registers.avoided, registers.expected) = (pinned, avoided, expected);
    }
}

/// A comparison with its constant, if it has one, as the second operand.
fn ordered(cond: Cond, a: Value, b: Value) -> (Cond, Value, Value) {
    if matches!(a, Value::Const(_)) { (mirrored(cond), b, a) } else { (cond, a, b) }
}

/// A value and so much more, which needs the same register.
fn more_of(value: Value, more: i64) -> Value {
    match value {
        Value::Const(value) => Value::Const(value.wrapping_add(more)),
        Value::Reg(reg) if more != 0 => Value::Sum(reg, more),
        Value::Sum(reg, by) if by.wrapping_add(more) == 0 => Value::Reg(reg),
        Value::Sum(reg, by) => Value::Sum(reg, by.wrapping_add(more)),
        value => value,
    }
}

/// The register that a value is in, and what is still to be added to it.
fn sum(value: Value) -> Option<(Reg, i64)> {
    match value {
        Value::Reg(reg) => Some((reg, 0)),
        Value::Sum(reg, more) => Some((reg, more)),
        _ => None,
    }
}
