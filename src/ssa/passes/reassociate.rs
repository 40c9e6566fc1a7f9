//! Reassociates sums, and other operations that commute: computes them in the order in which their operands are ready, and with one
//! constant in place of several.
//!
//! `(x + 1) + (y + 2)` has two constants, which become one. In `a + (b + (c + d))`, every addition waits for the one before it; in
//! `(a + b) + (c + d)`, two of them can execute at the same time. A value that a loop only adds to is added last, so that the next
//! iteration waits for one addition.
//!
//! Needs numbered values, from `fold`: only an operation whose value is used once can be part of a larger one. Keeps the blocks, all
//! that traps, and the values of the operations that are not part of a larger one. Works on each block alone, so nothing moves into a
//! loop or to another iteration.

use super::Target;
use crate::lir::AluOp;
use crate::ssa::ir::{Block, End, Function, Op, Value};
use crate::ssa::liveness::blocks_of;

/// Runs the pass.
pub fn run(function: &mut Function, _: &Target) {
    let mut pass = Reassociate {
        uses: Uses::of(function),
        time: vec![0; function.insts.len()],
        position: vec![0; function.insts.len()],
        placed: Vec::new(),
        block: function.layout[0],
    };
    for index in 0..function.layout.len() {
        pass.run(function, function.layout[index]);
    }
}

/// The greatest number of operands of an operation that is reordered, so that the time is linear.
const MOST_OPERANDS: usize = 16;

/// The approximate number of instructions that a processor starts per cycle. This limit keeps a chain of additions of loaded values in
/// its order: each load starts just before its value is added. A tree would need more registers.
const ISSUED: u32 = 2;

/// The operation of an expression: a sum if it is [`AluOp::Add`]. The operands of a sum may be subtracted.
fn family(op: &Op) -> Option<AluOp> {
    match *op {
        Op::Alu(AluOp::Sub, ..) => Some(AluOp::Add),
        Op::Alu(op, ..) | Op::AluImm(op, ..) if op.commutes() => Some(op),
        _ => None,
    }
}

/// About how many cycles it takes to compute the value.
fn latency(op: &Op) -> u32 {
    match op {
        Op::Alu(AluOp::Mul, ..) | Op::AluImm(AluOp::Mul, ..) | Op::MulAdd { .. } => 3,
        Op::LoadCell { .. } | Op::LoadCellAt { .. } | Op::LoadElement { .. } | Op::LoadSlot(_) => 4,
        Op::Divide(..) | Op::DivideImm(..) => 12,
        Op::Param | Op::Constant(_) | Op::Argument(_) | Op::CallResult(_) => 0,
        _ => 1,
    }
}

/// Where values are used.
struct Uses {
    /// The number of uses of each value.
    counts: Vec<u32>,
    /// The last instruction that uses it.
    users: Vec<Option<Value>>,
    /// The block in which it is defined.
    blocks: Vec<Option<Block>>,
    /// The parameter of a loop header for which it is passed to the next iteration.
    params: Vec<Option<Value>>,
}

impl Uses {
    fn of(function: &Function) -> Uses {
        let size = function.insts.len();
        let mut uses = Uses {
            counts: function.use_counts(),
            users: vec![None; size],
            blocks: blocks_of(function),
            params: vec![None; size],
        };
        let mut is_before = vec![false; function.blocks.len()];
        for &block in &function.layout {
            is_before[block.index()] = true;
            let data = function.block(block);
            for &value in &data.insts {
                let mut op = *function.op(value);
                op.for_each_operand(|operand| uses.users[operand.index()] = Some(value));
            }
            if let End::Jump(edge) = &data.end
                && is_before[edge.to.index()]
            {
                for (param, arg) in function.block(edge.to).params.iter().zip(&edge.args) {
                    uses.params[arg.index()] = Some(*param);
                }
            }
        }
        uses
    }

    /// Whether a value is only a part of a larger expression in its block.
    fn is_part(&self, function: &Function, value: Value) -> bool {
        let Some(user) = self.users[value.index()] else { return false };
        self.counts[value.index()] == 1
            && self.blocks[value.index()] == self.blocks[user.index()]
            && family(function.op(value)).is_some_and(|op| family(function.op(user)) == Some(op))
    }
}

/// An operand of an expression, or a part of it that was computed.
#[derive(Clone, Copy)]
struct Term {
    kind: TermKind,
    /// When it is ready, in cycles after the start of the block.
    time: u32,
    /// Whether it is what the loop adds to, which is added last.
    is_carried: bool,
}

#[derive(Clone, Copy)]
enum TermKind {
    Value { value: Value, is_negative: bool },
    Constant(i64),
}

/// An expression: the operands of operations of one family.
struct Expression {
    family: AluOp,
    operands: Vec<Term>,
    /// All constants in one.
    constant: Option<i64>,
    /// The instructions that compute its parts.
    parts: Vec<Value>,
    /// The number of operations between what the loop adds to and the result.
    depth_of_carried: u32,
}

impl Expression {
    fn add_constant(&mut self, constant: i64) {
        self.constant = Some(match self.constant {
            Some(other) => self.family.apply(other, constant),
            None => constant,
        });
    }
}

struct Reassociate {
    uses: Uses,
    /// When each value of the block is ready.
    time: Vec<u32>,
    /// The place of each instruction of the block; [`MOVED`] if it has another one now.
    position: Vec<u32>,
    /// The instructions with a new place, each with the place of the instruction before it.
    placed: Vec<(u32, Value)>,
    block: Block,
}

/// The position of an instruction that was moved.
const MOVED: u32 = u32::MAX;

impl Reassociate {
    fn run(&mut self, function: &mut Function, block: Block) {
        self.block = block;
        let insts = std::mem::take(&mut function.block_mut(block).insts);
        for (position, &value) in (0..).zip(&insts) {
            self.position[value.index()] = position;
            let ready = self.ready(*function.op(value)).max(position / ISSUED);
            self.time[value.index()] = ready + latency(function.op(value));
            if let Some(family) = family(function.op(value))
                && !self.uses.is_part(function, value)
            {
                self.reorder(function, value, family);
            }
        }
        function.block_mut(block).insts = self.in_order(insts);
    }

    /// The instructions of a block in their new order.
    fn in_order(&mut self, insts: Vec<Value>) -> Vec<Value> {
        if self.placed.is_empty() {
            return insts;
        }
        self.placed.sort_by_key(|(after, _)| *after);
        let mut placed = self.placed.drain(..).peekable();
        let mut ordered = Vec::with_capacity(insts.len());
        for (position, value) in (0..).zip(insts) {
            if self.position[value.index()] == position {
                ordered.push(value);
            }
            while let Some((_, value)) = placed.next_if(|(after, _)| *after == position) {
                ordered.push(value);
            }
        }
        ordered
    }

    /// When the operands of an operation are ready.
    fn ready(&self, mut op: Op) -> u32 {
        let mut ready = 0;
        op.for_each_operand(|operand| ready = ready.max(self.time_of(*operand)));
        ready
    }

    fn time_of(&self, value: Value) -> u32 {
        if self.uses.blocks[value.index()] == Some(self.block) { self.time[value.index()] } else { 0 }
    }

    /// Computes an expression in a better order, if there is one.
    fn reorder(&mut self, function: &mut Function, root: Value, family: AluOp) {
        let mut has_parts = false;
        let mut op = *function.op(root);
        op.for_each_operand(|operand| has_parts |= self.uses.is_part(function, *operand));
        if !has_parts {
            return;
        }
        let expression = self.expression(function, root, family);
        // A step cannot compute the negative of a sum.
        if expression.operands.iter().all(|term| matches!(term.kind, TermKind::Value { is_negative: true, .. })) {
            return;
        }
        let (time, steps) = order(&expression);
        let is_shorter = steps.len() < expression.parts.len() + 1;
        if steps.is_empty() || !(is_shorter || time < self.time[root.index()] || expression.depth_of_carried > 1) {
            return;
        }
        self.time[root.index()] = time;
        let first = expression.parts.iter().map(|part| self.position[part.index()]).min();
        let first = first.expect("it has parts");
        let mut ids = expression.parts;
        ids.iter().for_each(|part| self.position[part.index()] = MOVED);
        ids.truncate(steps.len() - 1);
        ids.push(root);
        let mut places: Vec<u32> = Vec::with_capacity(ids.len());
        let last = steps.len() - 1;
        for (index, step) in steps.into_iter().enumerate() {
            let mut place = first;
            let mut op = step;
            op.for_each_operand(|operand| {
                // A value that another step computes.
                if let Some(step) = operand.0.checked_sub(STEPS) {
                    *operand = ids[step as usize];
                    place = place.max(places[step as usize]);
                } else if self.uses.blocks[operand.index()] == Some(self.block) {
                    place = place.max(self.position[operand.index()]);
                }
            });
            function.insts[ids[index].index()].op = op;
            places.push(place);
            if index < last {
                self.placed.push((place, ids[index]));
            }
        }
    }

    /// The expression that an instruction computes.
    fn expression(&self, function: &Function, root: Value, family: AluOp) -> Expression {
        let mut expression =
            Expression { family, operands: Vec::new(), constant: None, parts: Vec::new(), depth_of_carried: 0 };
        let mut open = vec![(root, false, 1)];
        while let Some((value, is_negative, depth)) = open.pop() {
            let is_full = expression.operands.len() + open.len() + 2 > MOST_OPERANDS;
            let mut operand = |value: Value, is_negative| {
                if !is_full && self.uses.is_part(function, value) {
                    expression.parts.push(value);
                    return open.push((value, is_negative, depth + 1));
                }
                let is_carried = self.uses.params[root.index()] == Some(value);
                if is_carried {
                    expression.depth_of_carried = depth;
                }
                let kind = TermKind::Value { value, is_negative };
                expression.operands.push(Term { kind, time: self.time_of(value), is_carried });
            };
            match *function.op(value) {
                Op::Alu(op, a, b) => {
                    operand(a, is_negative);
                    operand(b, is_negative ^ (op == AluOp::Sub));
                }
                Op::AluImm(_, a, imm) => {
                    operand(a, is_negative);
                    expression.add_constant(if is_negative { imm.wrapping_neg() } else { imm });
                }
                _ => unreachable!("an expression consists of these"),
            }
        }
        expression
    }
}

/// A value with this number or a higher one stands for the result of a step.
const STEPS: u32 = 1 << 31;

/// The operations that compute an expression, and when the last one is ready. Each combines the two terms that are ready first. Value
/// `STEPS + n` is the result of the operation with the index `n`.
fn order(expression: &Expression) -> (u32, Vec<Op>) {
    let mut terms = expression.operands.clone();
    let is_identity = |constant: i64| match expression.family {
        AluOp::Add | AluOp::Or | AluOp::Xor => constant == 0,
        AluOp::And => constant == -1,
        AluOp::Mul => constant == 1,
        _ => false,
    };
    if let Some(constant) = expression.constant.filter(|constant| !is_identity(*constant)) {
        terms.push(Term { kind: TermKind::Constant(constant), time: 0, is_carried: false });
    }
    let mut steps = Vec::with_capacity(terms.len() - 1);
    let mut time = 0;
    while terms.len() > 1 {
        terms.sort_by_key(|term| std::cmp::Reverse((term.is_carried, term.time)));
        let (first, second) = (terms.pop().expect("two are left"), terms.pop().expect("two are left"));
        let (op, is_negative) = combined(expression.family, first.kind, second.kind);
        time = first.time.max(second.time) + latency(&op);
        let value = Value(STEPS + steps.len() as u32);
        steps.push(op);
        let is_carried = first.is_carried || second.is_carried;
        terms.push(Term { kind: TermKind::Value { value, is_negative }, time, is_carried });
    }
    (time, steps)
}

/// The operation that combines two terms, and whether its result is subtracted.
fn combined(family: AluOp, first: TermKind, second: TermKind) -> (Op, bool) {
    match (first, second) {
        (TermKind::Value { value, is_negative }, TermKind::Constant(constant))
        | (TermKind::Constant(constant), TermKind::Value { value, is_negative }) => {
            // -v + c is -(v - c).
            let imm = if is_negative { constant.wrapping_neg() } else { constant };
            (Op::AluImm(family, value, imm), is_negative)
        }
        (
            TermKind::Value { value: a, is_negative: a_is_negative },
            TermKind::Value { value: b, is_negative: b_is_negative },
        ) => match (a_is_negative, b_is_negative) {
            (false, false) => (Op::Alu(family, a, b), false),
            (true, true) => (Op::Alu(AluOp::Add, a, b), true),
            (false, true) => (Op::Alu(AluOp::Sub, a, b), false),
            (true, false) => (Op::Alu(AluOp::Sub, b, a), false),
        },
        (TermKind::Constant(_), TermKind::Constant(_)) => unreachable!("an expression has one constant"),
    }
}
