//! Words on the abstract stack: code is made only for what is neither known nor where it should be.

use super::homes::NOWHERE;
use super::stack::{Value, bit};
use super::state::State;
use crate::bytecode::{Op as Code, Pc};
use crate::isa::Isa;
use crate::lang::Word;
use crate::lang::words::Meaning;
use crate::lir::{AluOp, Cond, DivOp, Op, Reg, Sink, Slot};

/// A word, and what is known of its result.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The operation.
    pub pc: Pc,
    /// The operations after it.
    pub next: &'a [Code],
    /// The slot of the innermost loop, below its border's top, in which its result lies when the next iteration begins;
    /// [`NOWHERE`] where there is none.
    pub home: u8,
}

impl<I: Isa, S: Sink> State<'_, I, S> {
    /// An operation that neither branches nor ends a region.
    pub fn straight(&mut self, op: Code, context: Context) {
        let pc = context.pc;
        match op {
            Code::Literal(value) => self.push(Value::Const(value)),
            Code::Pick(depth) => self.pick(depth as i64),
            Code::Word(word) => self.word(word, context),
            Code::Fuel => {
                let site = self.site(pc);
                self.put(Op::Fuel { site });
            }
            Code::Need { values, .. } => {
                let site = self.site(pc);
                let slot = self.stack.height.wrapping_sub_unsigned(values);
                self.put(Op::Need { slot: Slot(slot), site });
                self.stack.assume_values_from(slot);
            }
            Code::Room { values, .. } => {
                let site = self.site(pc);
                let slot = self.stack.height.wrapping_add_unsigned(values);
                self.put(Op::Room { slot: Slot(slot), site });
            }
            Code::Times(_)
            | Code::Next(_)
            | Code::While(_)
            | Code::LeaveIfZero(_)
            | Code::Repeat(_)
            | Code::If(_)
            | Code::Else(_)
            | Code::EndIf(_)
            | Code::Return => unreachable!("control flow is not straight"),
        }
    }

    fn pick(&mut self, depth: i64) {
        let slot = self.stack.slot(depth);
        self.stack.assume_values_from(slot);
        let value = match self.stack.get(slot) {
            Value::Slot => self.to_register(Value::Slot, slot),
            value => {
                self.retain(value);
                value
            }
        };
        self.push(value);
    }

    fn word(&mut self, word: Word, context: Context) {
        match word.meaning() {
            Meaning::Shuffle => self.shuffle(word),
            Meaning::Divide(op) => self.divide(op, context),
            Meaning::Alu(op) => self.alu(op, context),
            Meaning::Compare(cond) => self.compare(cond, context),
        }
    }

    fn shuffle(&mut self, word: Word) {
        let base = self.stack.height - word.pops() as i64;
        self.stack.assume_values_from(base);
        // What is copied, or moves to another slot, leaves its own.
        for (operand, slot) in (base..self.stack.height).enumerate() {
            let moves =
                || word.origins().iter().enumerate().any(|(result, from)| *from == operand && result != operand);
            if self.stack.get(slot) == Value::Slot && moves() {
                let value = self.to_register(Value::Slot, slot);
                self.set(slot, value);
            }
        }
        match *word.origins() {
            [] => self.reorder(word.pops(), []),
            [a] => self.reorder(word.pops(), [a]),
            [a, b] => self.reorder(word.pops(), [a, b]),
            [a, b, c] => self.reorder(word.pops(), [a, b, c]),
            _ => unreachable!("no shuffle has more results"),
        }
    }

    /// Takes two operands; those that lie in their slots into registers.
    pub fn operands(&mut self) -> (Value, Value) {
        let b = self.pop_loaded();
        let a = self.pop_loaded();
        (a, b)
    }

    fn pop_loaded(&mut self) -> Value {
        match self.pop() {
            Value::Slot => {
                let slot = self.stack.height;
                self.to_register(Value::Slot, slot)
            }
            value => value,
        }
    }

    /// Two taken values in registers.
    fn both_to_registers(&mut self, a: &mut Value, b: &mut Value) -> (Reg, Reg) {
        let are_equal = a == b;
        let ra = self.ensure_register(a);
        if are_equal {
            self.retain(*a);
            self.release(std::mem::replace(b, *a));
        }
        (ra, self.ensure_register(b))
    }

    /// A taken value in a register.
    pub fn ensure_register(&mut self, value: &mut Value) -> Reg {
        *value = self.to_register(*value, 0);
        value.reg().expect("it is in a register")
    }

    fn alu(&mut self, op: AluOp, context: Context) {
        let (a, b) = self.operands();
        match (op, a, b) {
            (_, Value::Const(a), Value::Const(b)) => return self.push(Value::Const(op.apply(a, b))),
            (AluOp::Add, value, Value::Const(more)) | (AluOp::Add, Value::Const(more), value) => {
                return self.push_sum(value, more);
            }
            (AluOp::Sub, value, Value::Const(less)) => return self.push_sum(value, less.wrapping_neg()),
            _ => {}
        }
        if let Some(multiple) = sum_of_multiples(op, a, b) {
            self.release(b);
            return self.push(multiple);
        }
        let (mut a, mut b) = if op.commutes() && matches!(a, Value::Const(_)) { (b, a) } else { (a, b) };
        let more = match op {
            AluOp::Add => self.strip_sum(&mut a).wrapping_add(self.strip_sum(&mut b)),
            AluOp::Sub => self.strip_sum(&mut a).wrapping_sub(self.strip_sum(&mut b)),
            _ => 0,
        };
        let is_shift = matches!(op, AluOp::Shl | AluOp::Shr);
        match b {
            Value::Const(imm) if I::fits_alu(op, imm) => {
                let ra = self.ensure_register(&mut a);
                let d = self.destination(context, &[a], 1);
                self.put(Op::AluImm { op, d, a: ra, imm });
                self.push_result(d, &[a], 0);
            }
            _ => {
                let (ra, rb) = self.both_to_registers(&mut a, &mut b);
                if is_shift {
                    self.move_out_of(I::SHIFT_CLOBBERS);
                }
                // Where an instruction has two operands only, a difference takes two in the place of what is subtracted.
                let d = self.destination(context, &[a, b], if op == AluOp::Sub { 1 } else { 2 });
                self.put(Op::Alu { op, d, a: ra, b: rb });
                self.push_result(d, &[a, b], more);
            }
        }
    }

    /// Pushes a taken value and so much more.
    fn push_sum(&mut self, mut value: Value, more: i64) {
        if let Value::Multiple(..) = value {
            self.ensure_register(&mut value);
        }
        self.push(plus(value, more));
    }

    /// Makes of a sum that was taken the register alone, and gives what is still to be added. A sum that is on the stack once
    /// more is carried out rather, for both.
    fn strip_sum(&mut self, value: &mut Value) -> i64 {
        match *value {
            Value::Sum(reg, more) if !self.stack.iter().any(|(_, other)| other == *value) => {
                *value = Value::Reg(reg);
                more
            }
            _ => 0,
        }
    }

    /// Pushes the result in `d`, and so much more, and gives the operands back.
    fn push_result(&mut self, d: Reg, operands: &[Value], more: i64) {
        operands.iter().for_each(|operand| self.release(*operand));
        self.push_new(plus(Value::Reg(d), more));
    }

    /// The register for a result: where the next pass expects it, that of one of the first operands, so many, that nothing
    /// else needs, or a free one.
    fn destination(&mut self, context: Context, operands: &[Value], reusable: usize) -> Reg {
        let registers = &self.registers;
        let becomes_free = |reg: Reg| {
            let held = operands.iter().filter(|operand| operand.reg() == Some(reg)).count();
            registers.pinned & bit(reg) == 0 && held > 0 && usize::from(registers.uses(reg)) == held
        };
        let home = self.home(context);
        if let Some(home) = home.filter(|home| registers.is_free(*home) || becomes_free(*home)) {
            return home;
        }
        // Where its home is taken, it must move later: then not over what is to go elsewhere.
        if home.is_some()
            && let Some(reg) = registers.find_free(0)
        {
            return reg;
        }
        let reused = |of: &[Value]| of.iter().filter_map(|operand| operand.reg()).find(|reg| becomes_free(*reg));
        let reusable = reused(&operands[..reusable]).or_else(|| registers.find_free(0)).or_else(|| reused(operands));
        reusable.unwrap_or_else(|| self.allocate())
    }

    fn home(&self, context: Context) -> Option<Reg> {
        if context.home == NOWHERE {
            return None;
        }
        match self.header.get(self.header.slot(context.home.into())) {
            Value::Reg(reg) => Some(reg),
            _ => None,
        }
    }

    fn compare(&mut self, cond: Cond, context: Context) {
        let (a, b) = self.operands();
        if let (Value::Const(a), Value::Const(b)) = (a, b) {
            return self.push(Value::Const(cond.holds(a, b).into()));
        }
        let (cond, mut a, mut b) = constant_second(cond, a, b);
        let ra = self.ensure_register(&mut a);
        match b {
            Value::Const(imm) if I::fits_compare(imm) => {
                let d = self.destination(context, &[a], 1);
                self.put(Op::SetImm { cond, d, a: ra, imm });
                self.push_result(d, &[a], 0);
            }
            _ => {
                let rb = self.ensure_register(&mut b);
                let d = self.destination(context, &[a, b], 2);
                self.put(Op::Set { cond, d, a: ra, b: rb });
                self.push_result(d, &[a, b], 0);
            }
        }
    }

    fn divide(&mut self, op: DivOp, context: Context) {
        let values_above = self.stack.height;
        let (mut a, mut b) = self.operands();
        if let (Value::Const(a), Value::Const(b)) = (a, b)
            && b != 0
        {
            return self.push(Value::Const(op.apply(a, b)));
        }
        let ra = self.ensure_register(&mut a);
        match b {
            Value::Const(imm)
                if op == DivOp::Remainder && imm.unsigned_abs().is_power_of_two() && is_only_tested(context.next) =>
            {
                // It is zero where those bits are, whatever the sign.
                let mask = (imm.unsigned_abs() - 1) as i64;
                let d = self.destination(context, &[a], 1);
                self.put(Op::AluImm { op: AluOp::And, d, a: ra, imm: mask });
                self.push_result(d, &[a], 0);
            }
            Value::Const(imm) if imm != 0 => {
                self.move_out_of(I::divide_imm_clobbers(imm));
                let d = self.destination(context, &[a], 1);
                self.put(Op::DivideImm { op, d, a: ra, imm });
                self.push_result(d, &[a], 0);
            }
            _ => {
                let rb = self.ensure_register(&mut b);
                self.move_out_of(I::DIVIDE_CLOBBERS);
                let d = self.destination(context, &[a, b], 2);
                let site = self.site_with(context.pc, values_above);
                self.put(Op::Divide { op, d, a: ra, b: rb, site });
                self.push_result(d, &[a, b], 0);
            }
        }
    }
}

/// Whether all that is asked of a result is whether it is zero, by the operations after the one that makes it.
fn is_only_tested(next: &[Code]) -> bool {
    matches!(next, [Code::If(_) | Code::LeaveIfZero(_), ..] | [Code::Literal(0), Code::Word(Word::Eq | Word::Ne), ..])
}

/// A comparison with its constant, if it has one, as the second operand.
pub fn constant_second(cond: Cond, a: Value, b: Value) -> (Cond, Value, Value) {
    if matches!(a, Value::Const(_)) { (cond.mirrored(), b, a) } else { (cond, a, b) }
}

/// The sum of two multiples of one register, where no more than a shift and an addition or subtraction make it.
fn sum_of_multiples(op: AluOp, a: Value, b: Value) -> Option<Value> {
    let times = |value: Value| match value {
        Value::Reg(_) => Some(1),
        Value::Multiple(_, times) => Some(times),
        _ => None,
    };
    let reg = a.reg().filter(|_| op == AluOp::Add && a.reg() == b.reg())?;
    let sum = times(a)?.checked_add(times(b)?)?;
    let is_cheap = [-1, 0, 1].iter().any(|less| sum.wrapping_sub(*less).count_ones() == 1);
    is_cheap.then_some(Value::Multiple(reg, sum))
}

/// A value and so much more, which needs the same register.
fn plus(value: Value, more: i64) -> Value {
    match value {
        Value::Const(value) => Value::Const(value.wrapping_add(more)),
        Value::Reg(reg) if more != 0 => Value::Sum(reg, more),
        Value::Sum(reg, by) if by.wrapping_add(more) == 0 => Value::Reg(reg),
        Value::Sum(reg, by) => Value::Sum(reg, by.wrapping_add(more)),
        value => value,
    }
}
