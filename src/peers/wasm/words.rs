//! Words, loops and branches as instructions, preceded by their checks.

use std::ops::Range;

use wasm_encoder::{BlockType, ValType};

use super::super::operations::{wasm_alu, wasm_compare, wasm_unary};
use super::values::{Value, Values, slot};
use super::{End, FUEL, GLOBAL_BELOW, GLOBAL_CALLS, GLOBAL_FUEL, GLOBAL_TRAP, Writer};
use crate::export::Checks;
use crate::lang::words::Meaning;
use crate::lang::{DefinitionId, NodeKind, Word};
use crate::lir::DivOp;
use crate::outcome::TrapKind;

impl Writer<'_> {
    /// The parser's limit on nesting bounds the recursion. A condition leaves its flag for the branch that follows.
    pub fn body(&mut self, range: Range<usize>, is_condition: bool) {
        let program = self.program;
        let mut index = range.start;
        while index < range.end {
            let kind = program.ast().nodes()[index].kind;
            if !matches!(kind, NodeKind::While { .. }) {
                self.checks(index);
            }
            match kind {
                NodeKind::Call(id) => self.call(index, id),
                NodeKind::Address(id) => self.push(Value::Constant(program.ast().array(id).start.into())),
                NodeKind::Literal(value) => self.push(Value::Constant(value)),
                NodeKind::Pick(depth) => self.pick(depth),
                NodeKind::Put(depth) => self.put(depth),
                NodeKind::Word(word) => {
                    let next = program.ast().nodes().get(index + 1).map(|node| node.kind);
                    let feeds_branch = match index + 1 < range.end {
                        true => matches!(next, Some(NodeKind::If { .. })),
                        false => is_condition,
                    };
                    self.word(index, word, feeds_branch);
                }
                NodeKind::Times { end } => self.times(index, end as usize),
                NodeKind::While { body, end } => self.while_loop(index, body as usize, end as usize),
                NodeKind::If { otherwise, end } => self.branch(index, otherwise as usize, end as usize),
                NodeKind::Leave => {
                    self.reconcile();
                    let label = self.labels - self.exits.last().expect("only a loop is left");
                    self.code().br(label);
                    self.is_dead = true;
                }
                NodeKind::Exit => {
                    self.results();
                    self.code().return_();
                    self.is_dead = true;
                }
            }
            index = kind.next(index);
        }
    }

    fn times(&mut self, index: usize, end: usize) {
        let counter = self.first + self.loops;
        let count = self.pop(0);
        self.get(count);
        self.code().local_set(counter);
        self.reconcile();
        self.code().block(BlockType::Empty);
        self.code().local_get(counter).i64_const(0).i64_le_s().br_if(0);
        self.code().loop_(BlockType::Empty);
        self.use_fuel(index);
        self.loops += 1;
        let entry = self.depth();
        self.loop_body(index + 1..end);
        self.loops -= 1;
        if !std::mem::take(&mut self.is_dead) {
            self.reconcile();
            self.code().local_get(counter).i64_const(1).i64_sub().local_tee(counter);
            self.code().i64_const(0).i64_ne().br_if(0);
        }
        self.code().end().end();
        self.set_homes(entry);
    }

    /// The body of a loop, inside of a block that ends with the loop and of a loop of WebAssembly.
    fn loop_body(&mut self, range: Range<usize>) {
        self.exits.push(self.labels + 1);
        self.labels += 2;
        self.body(range, false);
        self.labels -= 2;
        self.exits.pop();
    }

    fn while_loop(&mut self, index: usize, body: usize, end: usize) {
        self.reconcile();
        self.code().block(BlockType::Empty);
        self.code().loop_(BlockType::Empty);
        self.use_fuel(index);
        self.labels += 2;
        self.body(index + 1..body, true);
        self.labels -= 2;
        self.checks(index);
        self.flag();
        self.code().i32_eqz().br_if(1);
        let leaving = self.depth();
        self.loop_body(body..end);
        if !std::mem::take(&mut self.is_dead) {
            self.reconcile();
            self.code().br(0);
        }
        self.code().end().end();
        self.set_homes(leaving);
    }

    fn branch(&mut self, index: usize, otherwise: usize, end: usize) {
        self.flag();
        self.code().if_(BlockType::Empty);
        let entry = self.depth();
        self.labels += 1;
        let then = self.branch_body(index + 1..otherwise);
        let mut other = Some(entry);
        if otherwise < end {
            self.code().else_();
            self.set_homes(entry);
            other = self.branch_body(otherwise..end);
        }
        self.labels -= 1;
        self.code().end();
        match then.or(other) {
            Some(depth) => self.set_homes(depth),
            None => self.is_dead = true,
        }
    }

    /// One branch of an `if`. Returns the depth at its end, if it can be reached.
    fn branch_body(&mut self, range: Range<usize>) -> Option<usize> {
        self.body(range, false);
        if std::mem::take(&mut self.is_dead) {
            return None;
        }
        self.reconcile();
        Some(self.depth())
    }

    /// Pops a flag as the operand of a WebAssembly branch, with all values in their slots' locals.
    fn flag(&mut self) {
        if !std::mem::take(&mut self.holds_flag) {
            let flag = self.pop(0);
            self.get(flag);
            self.reconcile();
            self.code().i64_const(0).i64_ne();
        }
    }

    fn word(&mut self, index: usize, word: Word, feeds_branch: bool) {
        // Popped in reverse order; each has its own temporary local.
        let mut operands: Vec<Value> = (0..word.pops()).map(|which| self.pop(which)).collect();
        operands.reverse();
        match (word.meaning(), &operands[..]) {
            (Meaning::Load, &[address]) => {
                self.cell(index, address);
                let start = self.cells_start;
                self.code().i64_load(slot(start));
                self.push_result();
            }
            (Meaning::Store, &[value, address]) => {
                self.cell(index, address);
                self.get(value);
                let start = self.cells_start;
                self.code().i64_store(slot(start));
            }
            (Meaning::Shuffle, _) => word.origins().iter().for_each(|&operand| self.push(operands[operand])),
            (Meaning::Divide(op), &[a, b]) => {
                self.division(index, op, a, b);
                self.push_result();
            }
            (Meaning::Alu(op), &[a, b]) => {
                wasm_alu(&mut self.code(), op, |code, which| [a, b][which].emit(code));
                self.push_result();
            }
            (Meaning::Unary(op), &[a]) => {
                wasm_unary(&mut self.code(), op, |code| a.emit(code));
                self.push_result();
            }
            (Meaning::Compare(cond), &[a, b]) => {
                self.get(a);
                self.get(b);
                self.holds_flag = feeds_branch;
                if feeds_branch {
                    // No instruction may come between the comparison and the branch.
                    self.reconcile();
                }
                wasm_compare(&mut self.code(), cond);
                if !feeds_branch {
                    self.code().i64_extend_i32_u();
                    self.push_result();
                }
            }
            _ => unreachable!("the meaning determines the number of operands"),
        }
    }

    /// Pushes the address of a memory cell, less that of cell 0, on WebAssembly's own stack. Traps if there is no such cell.
    fn cell(&mut self, index: usize, number: Value) {
        let cells = self.program.ast().cells() as i64;
        self.get(number);
        self.code().i64_const(cells).i64_ge_u();
        self.trap_if(index, TrapKind::OutOfBounds);
        self.get(number);
        self.code().i32_wrap_i64().i32_const(3).i32_shl();
    }

    /// Calls a definition. The checks before it are, in this order: fuel, call depth, room for the frame.
    fn call(&mut self, index: usize, id: DefinitionId) {
        let definition = self.program.ast().definition(id);
        let (params, results) = (definition.params as usize, definition.results as usize);
        let more = self.program.frames()[id.index()] as i64 - params as i64;
        self.use_fuel(index);
        if self.calls.depth {
            self.code().global_get(GLOBAL_CALLS).i64_eqz();
            self.trap_if(index, TrapKind::CallDepthExceeded);
            self.code().global_get(GLOBAL_CALLS).i64_const(1).i64_sub().global_set(GLOBAL_CALLS);
        }
        let function = 1 + id.0;
        let limit = self.limits.stack as i64;
        let Values::Locals(values) = &self.values else {
            if self.calls.frame {
                self.get_pointer();
                self.code().i64_extend_i32_u().i64_const(8 * more).i64_add().i64_const(8 * limit).i64_gt_s();
                self.trap_if(index, TrapKind::StackOverflow);
            }
            self.code().call(function);
            self.give_back();
            return;
        };
        let below = (values.len() - params) as i64;
        if self.calls.frame {
            self.code().global_get(GLOBAL_BELOW).i64_const(below + params as i64 + more).i64_add();
            self.code().i64_const(limit).i64_gt_s();
            self.trap_if(index, TrapKind::StackOverflow);
            self.code().global_get(GLOBAL_BELOW).i64_const(below).i64_add().global_set(GLOBAL_BELOW);
        }
        let mut arguments: Vec<Value> = (0..params).map(|which| self.pop(which)).collect();
        arguments.reverse();
        arguments.into_iter().for_each(|argument| self.get(argument));
        self.code().call(function);
        self.push_results(results);
        self.give_back();
        if self.calls.frame {
            self.code().global_get(GLOBAL_BELOW).i64_const(below).i64_sub().global_set(GLOBAL_BELOW);
        }
    }

    /// Gives back the unit of call depth that a call has taken.
    fn give_back(&mut self) {
        if self.calls.depth {
            self.code().global_get(GLOBAL_CALLS).i64_const(1).i64_add().global_set(GLOBAL_CALLS);
        }
    }

    /// Emits a division in a form that never makes WebAssembly itself trap.
    fn division(&mut self, index: usize, op: DivOp, a: Value, b: Value) {
        match b {
            Value::Constant(0) => self.trap(index, TrapKind::DivisionByZero),
            Value::Constant(_) => {}
            Value::Local(local) => {
                self.code().local_get(local).i64_eqz();
                self.trap_if(index, TrapKind::DivisionByZero);
            }
        }
        let can_overflow = op == DivOp::Quotient && matches!(b, Value::Local(_) | Value::Constant(-1));
        if can_overflow {
            self.get(b);
            self.code().i64_const(-1).i64_eq().if_(BlockType::Result(ValType::I64)).i64_const(0);
            self.get(a);
            self.code().i64_sub().else_();
        }
        self.get(a);
        self.get(b);
        match op {
            DivOp::Quotient => self.code().i64_div_s(),
            DivOp::Remainder => self.code().i64_rem_s(),
        };
        if can_overflow {
            self.code().end();
        }
    }

    fn pick(&mut self, depth: u64) {
        match &self.values {
            Values::Locals(values) => {
                let value = values[values.len() - 1 - depth as usize];
                self.push(value);
            }
            // No stack is that deep: an earlier check has trapped.
            Values::Memory if depth >= self.limits.stack as u64 => {
                self.code().unreachable();
            }
            Values::Memory => {
                let distance = 8 * (depth + 1);
                let kept = self.locals.home(0);
                self.get_pointer();
                self.code().i32_const(distance as u32 as i32).i32_sub().i64_load(slot(0));
                self.code().local_set(kept);
                self.push(Value::Local(kept));
            }
        }
    }

    fn put(&mut self, depth: u64) {
        let value = self.pop(0);
        match &self.values {
            Values::Locals(_) => self.replace(depth as usize, value),
            Values::Memory if depth >= self.limits.stack as u64 => {
                self.code().unreachable();
            }
            Values::Memory => {
                let distance = 8 * (depth + 1);
                self.get_pointer();
                self.code().i32_const(distance as u32 as i32).i32_sub();
                self.get(value);
                self.code().i64_store(slot(0));
            }
        }
    }

    fn checks(&mut self, index: usize) {
        // A flag that waits for its branch is already on WebAssembly's stack and is not counted.
        if self.holds_flag {
            return;
        }
        let checks = Checks::of(self.program, index, self.limits);
        let limit = self.limits.stack;
        // In a definition, only calls overflow the stack.
        let room = checks.room && self.id.is_none();
        match &self.values {
            Values::Locals(values) => {
                if room && values.len() >= limit {
                    self.trap(index, TrapKind::StackOverflow);
                }
            }
            Values::Memory => {
                if let Some(need) = checks.need {
                    let bytes = 8 * need.min(limit as u64 + 1);
                    self.get_pointer();
                    self.get_base();
                    self.code().i32_sub().i32_const(bytes as u32 as i32).i32_lt_u();
                    self.trap_if(index, TrapKind::StackUnderflow);
                }
                if room {
                    self.get_pointer();
                    self.code().i32_const((8 * limit) as u32 as i32).i32_ge_u();
                    self.trap_if(index, TrapKind::StackOverflow);
                }
            }
        }
    }

    /// Subtracts one loop iteration or call from the fuel.
    fn use_fuel(&mut self, index: usize) {
        if self.metered && self.has_calls {
            self.code().global_get(GLOBAL_FUEL).i64_eqz();
            self.trap_if(index, TrapKind::OutOfFuel);
            self.code().global_get(GLOBAL_FUEL).i64_const(1).i64_sub().global_set(GLOBAL_FUEL);
        } else if self.metered {
            self.code().local_get(FUEL).i64_eqz();
            self.trap_if(index, TrapKind::OutOfFuel);
            self.code().local_get(FUEL).i64_const(1).i64_sub().local_set(FUEL);
        }
    }

    fn trap_if(&mut self, index: usize, kind: TrapKind) {
        self.code().if_(BlockType::Empty);
        self.trap(index, kind);
        self.code().end();
    }

    fn trap(&mut self, index: usize, kind: TrapKind) {
        self.code().i64_const(End::number(index, kind));
        match self.id {
            None => self.code().return_(),
            Some(_) => self.code().global_set(GLOBAL_TRAP).unreachable(),
        };
    }
}
