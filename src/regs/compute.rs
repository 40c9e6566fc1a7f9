//! Words: executes each word on the abstract stack.
//!
//! A word emits code only if its result is neither a constant nor in a register already. Shuffles load values but otherwise only
//! rearrange the abstract stack. Adding a constant, or adding multiples of one register, is deferred until a register must hold
//! the result.

use super::stack::{Value, WINDOW, bit};
use super::state::State;
use crate::bytecode::{Op as Code, Pc};
use crate::isa::Isa;
use crate::lang::Word;
use crate::lang::words::Meaning;
use crate::lir::{AluOp, Cond, DivOp, Op, Reg, Sink, Slot, UnaryOp};

/// The position of an operation and where its result should go.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub pc: Pc,
    /// The operations after it.
    pub next: &'a [Code],
    /// The register in which the result is expected later, if that is known. It is only a hint.
    pub home: Option<Reg>,
}

impl<I: Isa, S: Sink> State<'_, I, S> {
    /// Lowers an operation that is not control flow.
    pub fn straight(&mut self, op: Code, context: Context) {
        let pc = context.pc;
        match op {
            Code::Literal(value) => self.push(Value::Const(value)),
            Code::Pick(depth) => self.pick(depth as i64),
            Code::Put(depth) => self.put_word(depth as i64),
            Code::Word(word) => self.word(word, context),
            Code::Fuel => {
                let site = self.site(pc);
                self.put(Op::Fuel { site });
            }
            Code::Need { values, .. } => {
                let site = self.site(pc);
                let slot = self.stack.height.wrapping_sub_unsigned(values);
                self.put(match self.base {
                    None => Op::Need { slot: Slot(slot), site },
                    Some(base) => Op::NeedAbove { slot: Slot(slot), base, site },
                });
                self.stack.assume_values_from(slot);
            }
            Code::CallDepth => self.take_depth(pc),
            Code::Room { values, .. } | Code::Frame { values } => {
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
            | Code::Leave(_)
            | Code::Call(_)
            | Code::Exit
            | Code::Return => unreachable!("the walk lowers control flow"),
        }
    }

    fn pick(&mut self, depth: i64) {
        let slot = self.stack.slot(depth);
        self.stack.assume_values_from(slot);
        let value = match self.stack.get(slot) {
            Value::Slot => self.materialize(Value::Slot, slot),
            value => {
                self.retain(value);
                value
            }
        };
        self.push(value);
    }

    /// Pops a value and stores it over the value `depth` below the new top.
    fn put_word(&mut self, depth: i64) {
        let mut value = self.pop_loaded();
        let slot = self.stack.slot(depth);
        self.stack.assume_values_from(slot);
        if depth < WINDOW as i64 {
            let previous = self.stack.get(slot);
            self.set(slot, value);
            self.release(previous);
        } else {
            // It is too deep for the abstract stack.
            let s = self.ensure_register(&mut value);
            self.put(Op::Store { s, slot: Slot(slot) });
            self.release(value);
        }
    }

    fn word(&mut self, word: Word, context: Context) {
        match word.meaning() {
            Meaning::Load => self.load_cell(context),
            Meaning::Store => self.store_cell(context),
            Meaning::Shuffle => self.shuffle(word),
            Meaning::Divide(op) => self.divide(op, context),
            Meaning::Alu(op) => self.alu(op, context),
            Meaning::Unary(op) => self.unary(op, context),
            Meaning::Compare(cond) => self.compare(cond, context),
        }
    }

    fn shuffle(&mut self, word: Word) {
        let base = self.stack.height - word.pops() as i64;
        self.stack.assume_values_from(base);
        // A value that is copied or moved to another slot must first be loaded from its own.
        for (operand, slot) in (base..self.stack.height).enumerate() {
            let moves =
                || word.origins().iter().enumerate().any(|(result, from)| *from == operand && result != operand);
            if self.stack.get(slot) == Value::Slot && moves() {
                let value = self.materialize(Value::Slot, slot);
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

    /// Pops two operands, and loads those that are in their slots into registers.
    pub fn operands(&mut self) -> (Value, Value) {
        let b = self.pop_loaded();
        let a = self.pop_loaded();
        (a, b)
    }

    fn pop_loaded(&mut self) -> Value {
        match self.pop() {
            Value::Slot => {
                let slot = self.stack.height;
                self.materialize(Value::Slot, slot)
            }
            value => value,
        }
    }

    /// Puts two popped values into registers.
    fn materialize_both(&mut self, a: &mut Value, b: &mut Value) -> (Reg, Reg) {
        let are_equal = a == b;
        let ra = self.ensure_register(a);
        if are_equal {
            self.retain(*a);
            self.release(std::mem::replace(b, *a));
        }
        (ra, self.ensure_register(b))
    }

    /// Puts a popped value into a register.
    pub fn ensure_register(&mut self, value: &mut Value) -> Reg {
        *value = self.materialize(*value, 0);
        value.reg().expect("the value is in a register")
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
        match b {
            Value::Const(imm) if I::fits_alu(op, imm) => {
                let ra = self.ensure_register(&mut a);
                let d = self.destination(context, &[a], 1);
                self.put(Op::AluImm { op, d, a: ra, imm });
                self.push_result(d, &[a], 0);
            }
            _ => {
                let (ra, rb) = self.materialize_both(&mut a, &mut b);
                if op.is_shift() {
                    self.move_out_of(I::SHIFT_CLOBBERS);
                }
                // On a machine with two-operand instructions, a subtraction takes two instructions if its result replaces the
                // second operand.
                let d = self.destination(context, &[a, b], if op == AluOp::Sub { 1 } else { 2 });
                self.put(Op::Alu { op, d, a: ra, b: rb });
                self.push_result(d, &[a, b], more);
            }
        }
    }

    fn unary(&mut self, op: UnaryOp, context: Context) {
        let mut a = self.pop_loaded();
        if let Value::Const(a) = a {
            return self.push(Value::Const(op.apply(a)));
        }
        let ra = self.ensure_register(&mut a);
        let d = self.destination(context, &[a], 1);
        self.put(Op::Unary { op, d, a: ra });
        self.push_result(d, &[a], 0);
    }

    /// Pops an address. Returns it as the sum of a value in a register and a constant.
    fn pop_address(&mut self) -> (Value, Reg, i64) {
        let mut address = self.pop_loaded();
        match address {
            Value::Sum(a, offset) => (address, a, offset),
            _ => {
                let a = self.ensure_register(&mut address);
                (address, a, 0)
            }
        }
    }

    /// Pops an address if it is the constant number of a cell.
    fn pop_known_address(&mut self) -> Option<u32> {
        match self.stack.get(self.stack.slot(0)) {
            Value::Const(number) if (0..self.cells as i64).contains(&number) => {
                self.pop();
                Some(number as u32)
            }
            _ => None,
        }
    }

    fn load_cell(&mut self, context: Context) {
        if let Some(cell) = self.pop_known_address() {
            let d = self.destination(context, &[], 0);
            self.put(Op::LoadCellAt { d, cell });
            return self.push_result(d, &[], 0);
        }
        let site = self.site(context.pc);
        let (address, a, offset) = self.pop_address();
        let d = self.destination(context, &[address], 1);
        self.put(Op::LoadCell { d, a, offset, site });
        self.push_result(d, &[address], 0);
    }

    fn store_cell(&mut self, context: Context) {
        if let Some(cell) = self.pop_known_address() {
            let mut value = self.pop_loaded();
            let s = self.ensure_register(&mut value);
            self.put(Op::StoreCellAt { s, cell });
            return self.release(value);
        }
        let site = self.site(context.pc);
        let (address, a, offset) = self.pop_address();
        let mut value = self.pop_loaded();
        let s = self.ensure_register(&mut value);
        self.put(Op::StoreCell { s, a, offset, site });
        self.release(value);
        self.release(address);
    }

    /// Pushes the sum of a popped value and the constant `more`.
    fn push_sum(&mut self, mut value: Value, more: i64) {
        if let Value::Multiple(..) = value {
            self.ensure_register(&mut value);
        }
        self.push(plus(value, more));
    }

    /// Reduces a popped sum to its register and returns the constant that is still to be added. A sum that is also on the
    /// stack is left alone, so that it is computed once for both.
    fn strip_sum(&mut self, value: &mut Value) -> i64 {
        match *value {
            Value::Sum(reg, more) if !self.stack.iter().any(|(_, other)| other == *value) => {
                *value = Value::Reg(reg);
                more
            }
            _ => 0,
        }
    }

    /// Releases the operands, then pushes the sum of the result in `d` and the constant `more`.
    fn push_result(&mut self, d: Reg, operands: &[Value], more: i64) {
        operands.iter().for_each(|operand| self.release(*operand));
        self.push_new(plus(Value::Reg(d), more));
    }

    /// Selects the register for a result, in order of preference: the register in which it is expected later, the register of one
    /// of the first `reusable` operands that no other value needs, a free register, or the register of any operand that no other
    /// value needs. Spills a value if there is none of these.
    fn destination(&mut self, context: Context, operands: &[Value], reusable: usize) -> Reg {
        let registers = &self.registers;
        let becomes_free = |reg: Reg| {
            let held = operands.iter().filter(|operand| operand.reg() == Some(reg)).count();
            registers.pinned & bit(reg) == 0 && held > 0 && usize::from(registers.uses(reg)) == held
        };
        let home = context.home;
        if let Some(home) = home.filter(|home| registers.is_free(*home) || becomes_free(*home)) {
            return home;
        }
        // If its home is in use, the result is moved there later. Until then it should not occupy the home of another value, so
        // a free register is better than an operand's.
        if home.is_some()
            && let Some(reg) = registers.find_free(0)
        {
            return reg;
        }
        let reused = |of: &[Value]| of.iter().filter_map(|operand| operand.reg()).find(|reg| becomes_free(*reg));
        let reusable = reused(&operands[..reusable]).or_else(|| registers.find_free(0)).or_else(|| reused(operands));
        reusable.unwrap_or_else(|| self.allocate())
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
                // The remainder is zero if and only if these bits of the dividend are zero, whatever its sign.
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

/// Whether the operations in `next` only test whether the result before them is zero.
fn is_only_tested(next: &[Code]) -> bool {
    matches!(next, [Code::If(_) | Code::LeaveIfZero(_), ..] | [Code::Literal(0), Code::Word(Word::Eq | Word::Ne), ..])
}

/// Exchanges the operands of a comparison if the first is a constant, and mirrors the condition.
pub fn constant_second(cond: Cond, a: Value, b: Value) -> (Cond, Value, Value) {
    if matches!(a, Value::Const(_)) { (cond.mirrored(), b, a) } else { (cond, a, b) }
}

/// The sum of two multiples of one register, if a shift and an addition or subtraction suffice to compute it.
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

/// The sum of a value and the constant `more`. It needs the same register as the value.
fn plus(value: Value, more: i64) -> Value {
    match value {
        Value::Const(value) => Value::Const(value.wrapping_add(more)),
        Value::Reg(reg) if more != 0 => Value::Sum(reg, more),
        Value::Sum(reg, by) if by.wrapping_add(more) == 0 => Value::Reg(reg),
        Value::Sum(reg, by) => Value::Sum(reg, by.wrapping_add(more)),
        value => value,
    }
}
