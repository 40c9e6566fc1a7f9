//! Folds constants, simplifies operations, and numbers values: an operation that was computed before is not computed again.
//!
//! Values are equal if their operations and operands are equal, and the first one dominates the second. A load of a memory
//! cell is equal to an earlier load or store of the same cell in the same block, unless a store between them may have changed the
//! cell. A division or load that would trap again cannot be reached, so it may be replaced as well.
//!
//! Needs nothing; finds more after `params`. Removes the paths that a constant rules out. Afterwards, constant operands are
//! immediate operands, and the second operand of an operation that commutes is the younger one.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::Target;
use super::rewrite::Replaced;
use crate::lir::{AluOp, Cond, DivOp, UnaryOp};
use crate::ssa::dominators::Dominators;
use crate::ssa::ir::{Block, Edge, Effect, End, Function, Op, Value};

/// Runs the pass.
pub fn run(function: &mut Function, target: &Target) {
    let mut fold = Fold {
        dominators: Dominators::of(function),
        replaced: Replaced::none(function),
        numbers: FxHashMap::default(),
        cells: Vec::new(),
        target: *target,
        block: function.layout[0],
    };
    for index in 0..function.layout.len() {
        let block = function.layout[index];
        fold.block = block;
        fold.cells.clear();
        let mut insts = std::mem::take(&mut function.block_mut(block).insts);
        insts.retain(|value| fold.inst(function, *value));
        let data = function.block_mut(block);
        data.insts = insts;
        data.end.for_each_operand(|operand| *operand = fold.replaced.get(*operand));
        if let Some(end) = fold.decided(function, block) {
            function.block_mut(block).end = end;
        }
    }
    fold.replaced.apply(function);
    function.remove_unreachable();
}

struct Fold {
    dominators: Dominators,
    replaced: Replaced,
    /// The last value of each operation, with its block.
    numbers: FxHashMap<Op, (Block, Value)>,
    /// What the memory cells are known to hold in the current block.
    cells: Vec<KnownCell>,
    target: Target,
    block: Block,
}

/// A memory cell with the number `base + offset`, which exists.
#[derive(Clone, Copy)]
struct Place {
    /// A constant number has no base.
    base: Option<Value>,
    offset: i64,
    /// The length of the array whose element the cell is, if the base was checked against it.
    count: Option<u32>,
}

impl Place {
    /// The cell that an operation loads or stores.
    fn of(op: &Op) -> Option<Place> {
        Some(match *op {
            Op::LoadCell { address, offset } | Op::StoreCell { address, offset, .. } => {
                Place { base: Some(address), offset, count: None }
            }
            Op::LoadCellAt { cell } | Op::StoreCellAt { cell, .. } => {
                Place { base: None, offset: cell.into(), count: None }
            }
            Op::LoadElement { index, array } | Op::StoreElement { index, array, .. } => {
                Place { base: Some(index), offset: array.first.into(), count: Some(array.count) }
            }
            _ => return None,
        })
    }

    /// Whether this is the cell of another place, and all that the other place checks is known to hold here.
    fn covers(&self, other: &Place) -> bool {
        (self.base, self.offset) == (other.base, other.offset) && (other.count.is_none() || other.count == self.count)
    }
}

/// What a memory cell holds.
struct KnownCell {
    place: Place,
    value: Value,
}

/// The result of simplifying an operation.
enum Simplified {
    /// It is this value.
    Value(Value),
    /// It is this operation.
    Op(Op),
}

impl Fold {
    /// Improves an instruction. Returns whether it is kept.
    fn inst(&mut self, function: &mut Function, value: Value) -> bool {
        let mut op = *function.op(value);
        op.for_each_operand(|operand| *operand = self.replaced.get(*operand));
        let op = match simplify(function, op, &self.target) {
            Simplified::Value(by) => {
                self.replaced.set(value, by);
                return false;
            }
            Simplified::Op(op) => op,
        };
        function.insts[value.index()].op = op;
        let known = match (op, Place::of(&op)) {
            (
                Op::StoreCell { value, .. } | Op::StoreCellAt { value, .. } | Op::StoreElement { value, .. },
                Some(place),
            ) => {
                self.store(place, value);
                None
            }
            (_, Some(place)) => self.load(place, value),
            (Op::Call { .. }, None) => {
                self.cells.clear();
                None
            }
            (Op::Divide(..), None) => self.number(op, value),
            (_, None) if op.effect() == Effect::None && op != Op::Param => self.number(op, value),
            (_, None) => None,
        };
        match known {
            Some(by) => {
                self.replaced.set(value, by);
                false
            }
            None => true,
        }
    }

    /// The value that equals this one, if there is one in a block that dominates the current one.
    fn number(&mut self, op: Op, value: Value) -> Option<Value> {
        match self.numbers.entry(op) {
            Entry::Occupied(mut known) => {
                let (block, by) = *known.get();
                if self.dominators.dominates(block, self.block) {
                    return Some(by);
                }
                known.insert((self.block, value));
                None
            }
            Entry::Vacant(new) => {
                new.insert((self.block, value));
                None
            }
        }
    }

    /// The value of a cell, if it is known. Otherwise it is the loaded one from now on.
    fn load(&mut self, place: Place, loaded: Value) -> Option<Value> {
        let known = self.cells.iter().find(|known| known.place.covers(&place)).map(|known| known.value);
        if known.is_none() {
            self.cells.push(KnownCell { place, value: loaded });
            self.limit();
        }
        known
    }

    /// Forgets the cells that a store may change, and remembers the stored value.
    fn store(&mut self, place: Place, value: Value) {
        // Addresses with the same base and different offsets are different, since the sum wraps.
        self.cells.retain(|known| known.place.base == place.base && known.place.offset != place.offset);
        self.cells.push(KnownCell { place, value });
        self.limit();
    }

    /// Keeps the list short, so that searching it takes constant time.
    fn limit(&mut self) {
        const MOST: usize = 16;
        if self.cells.len() > MOST {
            self.cells.remove(0);
        }
    }

    /// The jump that a branch at the end of a block becomes if a constant decides it.
    fn decided(&self, function: &Function, block: Block) -> Option<End> {
        let (holds, then, other) = match function.block(block).end {
            End::BranchImm { cond, a, imm, then, other } => (cond.holds(function.constant(a)?, imm), then, other),
            End::Branch { cond, a, b, then, other } if a == b => (cond.holds(0, 0), then, other),
            End::Branch { cond, a, b, then, other } => {
                (cond.holds(function.constant(a)?, function.constant(b)?), then, other)
            }
            _ => return None,
        };
        Some(End::Jump(Edge { to: if holds { then } else { other }, args: Vec::new() }))
    }
}

/// Simplifies an operation whose operands are simplified.
fn simplify(function: &Function, op: Op, target: &Target) -> Simplified {
    use Simplified::Value as Same;
    let constant = |value| function.constant(value);
    let folded = |value| Simplified::Op(Op::Constant(value));
    match op {
        Op::Alu(op, a, b) => match (constant(a), constant(b)) {
            (Some(a), Some(b)) => folded(op.apply(a, b)),
            (_, Some(imm)) => simplify_imm(function, op, a, imm),
            (Some(imm), _) if op.commutes() => simplify_imm(function, op, b, imm),
            (Some(0), _) if op == AluOp::Sub => unary(function, UnaryOp::Negate, b),
            (Some(0), _) if op.is_shift() => folded(0),
            _ if a == b => match op {
                AluOp::Add => simplify_imm(function, AluOp::Shl, a, 1),
                AluOp::Sub | AluOp::Xor => folded(0),
                AluOp::And | AluOp::Or | AluOp::Min | AluOp::Max => Same(a),
                AluOp::Mul | AluOp::Shl | AluOp::Shr | AluOp::Sar => Simplified::Op(Op::Alu(op, a, b)),
            },
            _ => alu(function, op, a, b),
        },
        Op::AluImm(op, a, imm) => match constant(a) {
            Some(a) => folded(op.apply(a, imm)),
            None => simplify_imm(function, op, a, imm),
        },
        Op::Unary(op, a) => match constant(a) {
            Some(a) => folded(op.apply(a)),
            None => unary(function, op, a),
        },
        Op::Set(cond, a, b) => match (constant(a), constant(b)) {
            (Some(a), Some(b)) => folded(cond.holds(a, b).into()),
            (None, Some(imm)) => set_imm(function, cond, a, imm),
            (Some(imm), None) => set_imm(function, cond.mirrored(), b, imm),
            (None, None) if a == b => folded(cond.holds(0, 0).into()),
            (None, None) => Simplified::Op(op),
        },
        Op::SetImm(cond, a, imm) => match constant(a) {
            Some(a) => folded(cond.holds(a, imm).into()),
            None => set_imm(function, cond, a, imm),
        },
        Op::Divide(op, a, b) => match constant(b) {
            Some(imm) if imm != 0 => simplify(function, Op::DivideImm(op, a, imm), target),
            _ => Simplified::Op(Op::Divide(op, a, b)),
        },
        Op::DivideImm(op, a, imm) => match (constant(a), op, imm) {
            (Some(a), ..) => folded(op.apply(a, imm)),
            (None, DivOp::Quotient, 1) => Same(a),
            (None, DivOp::Quotient, -1) => unary(function, UnaryOp::Negate, a),
            (None, DivOp::Remainder, 1 | -1) => folded(0),
            _ => Simplified::Op(Op::DivideImm(op, a, imm)),
        },
        Op::LoadCell { address, offset } => match cell(function, address, offset, target) {
            Cell::Known(cell) => Simplified::Op(Op::LoadCellAt { cell }),
            Cell::Sum(address, offset) => Simplified::Op(Op::LoadCell { address, offset }),
        },
        Op::LoadElement { index, array } => match constant(index).and_then(|index| array.cell(index)) {
            Some(cell) => Simplified::Op(Op::LoadCellAt { cell }),
            None => Simplified::Op(op),
        },
        Op::StoreElement { value, index, array } => match constant(index).and_then(|index| array.cell(index)) {
            Some(cell) => Simplified::Op(Op::StoreCellAt { value, cell }),
            None => Simplified::Op(op),
        },
        Op::StoreCell { value, address, offset } => match cell(function, address, offset, target) {
            Cell::Known(cell) => Simplified::Op(Op::StoreCellAt { value, cell }),
            Cell::Sum(address, offset) => Simplified::Op(Op::StoreCell { value, address, offset }),
        },
        op => Simplified::Op(op),
    }
}

/// A memory cell.
enum Cell {
    /// Its number is known, and it exists.
    Known(u32),
    /// Its number is the sum of a value and a constant.
    Sum(Value, i64),
}

fn cell(function: &Function, address: Value, offset: i64, target: &Target) -> Cell {
    match *function.op(address) {
        Op::Constant(number) => {
            target.cell(number.wrapping_add(offset)).map_or(Cell::Sum(address, offset), Cell::Known)
        }
        Op::AluImm(AluOp::Add, base, more) => Cell::Sum(base, offset.wrapping_add(more)),
        _ => Cell::Sum(address, offset),
    }
}

/// An operation on two values that are not constant.
fn alu(function: &Function, op: AluOp, a: Value, b: Value) -> Simplified {
    // So that equal sums have equal operands.
    let (a, b) = if op.commutes() && b < a { (b, a) } else { (a, b) };
    if let Some(value) = cancel(function, op, a, b) {
        return Simplified::Value(value);
    }
    match (op, function.op(a), function.op(b)) {
        (AluOp::Add, _, Op::Unary(UnaryOp::Negate, b)) => Simplified::Op(Op::Alu(AluOp::Sub, a, *b)),
        (AluOp::Add, Op::Unary(UnaryOp::Negate, a), _) => Simplified::Op(Op::Alu(AluOp::Sub, b, *a)),
        (AluOp::Sub, _, Op::Unary(UnaryOp::Negate, b)) => Simplified::Op(Op::Alu(AluOp::Add, a.min(*b), a.max(*b))),
        (AluOp::Add, first, second) => match sum_of_multiples(a, first, b, second) {
            Some((value, times)) => simplify_imm(function, AluOp::Mul, value, times),
            None => Simplified::Op(Op::Alu(op, a, b)),
        },
        _ => Simplified::Op(Op::Alu(op, a, b)),
    }
}

/// The operand that is left if an operation undoes the one that computed its other operand, or repeats it.
fn cancel(function: &Function, op: AluOp, a: Value, b: Value) -> Option<Value> {
    let inner = |value: Value| match *function.op(value) {
        Op::Alu(inner, x, y) => Some((inner, x, y)),
        _ => None,
    };
    // The other operand of `value`, if it is computed by `with` from `known`.
    let other = |value: Value, with: AluOp, known: Value| {
        let (_, x, y) = inner(value).filter(|(inner, ..)| *inner == with)?;
        if x == known {
            Some(y)
        } else if y == known {
            Some(x)
        } else {
            None
        }
    };
    // The first operand of `value`, if it is computed by a subtraction of `subtracted`.
    let minuend = |value: Value, subtracted: Value| {
        inner(value).filter(|(inner, _, y)| *inner == AluOp::Sub && *y == subtracted).map(|(_, x, _)| x)
    };
    match op {
        AluOp::Xor => other(a, AluOp::Xor, b).or_else(|| other(b, AluOp::Xor, a)),
        // (x + y) - y, and x - (x - y)
        AluOp::Sub => other(a, AluOp::Add, b).or_else(|| match inner(b)? {
            (AluOp::Sub, x, y) if x == a => Some(y),
            _ => None,
        }),
        // (x - y) + y
        AluOp::Add => minuend(a, b).or_else(|| minuend(b, a)),
        // (x & y) & y, and x & (x | y)
        AluOp::And | AluOp::Or => {
            let dual = if op == AluOp::And { AluOp::Or } else { AluOp::And };
            let repeats = |value, known| other(value, op, known).map(|_| value);
            let absorbs = |value, known| other(value, dual, known).map(|_| known);
            repeats(a, b).or_else(|| repeats(b, a)).or_else(|| absorbs(a, b)).or_else(|| absorbs(b, a))
        }
        AluOp::Mul | AluOp::Shl | AluOp::Shr | AluOp::Sar | AluOp::Min | AluOp::Max => None,
    }
}

/// The sum of two multiples of one value, if a shift and an addition or subtraction suffice to compute it.
fn sum_of_multiples(a: Value, first: &Op, b: Value, second: &Op) -> Option<(Value, i64)> {
    let multiple = |value: Value, op: &Op| match *op {
        Op::AluImm(AluOp::Mul, of, times) => (of, times),
        Op::AluImm(AluOp::Shl, of, count @ 0..=62) => (of, 1 << count),
        _ => (value, 1),
    };
    let ((a, times), (b, more)) = (multiple(a, first), multiple(b, second));
    let sum = times.checked_add(more)?;
    let is_cheap = [-1, 0, 1].iter().any(|less| sum.wrapping_sub(*less).count_ones() == 1);
    (a == b && is_cheap).then_some((a, sum))
}

/// An operation on a value that is not constant and a constant.
fn simplify_imm(function: &Function, op: AluOp, a: Value, imm: i64) -> Simplified {
    let op_imm = |op, a, imm| Simplified::Op(Op::AluImm(op, a, imm));
    let folded = |value| Simplified::Op(Op::Constant(value));
    let imm = if op.is_shift() { imm & 63 } else { imm };
    match (op, imm) {
        // A subtraction of a constant is an addition.
        (AluOp::Sub, _) => return simplify_imm(function, AluOp::Add, a, imm.wrapping_neg()),
        (AluOp::Add | AluOp::Or | AluOp::Xor | AluOp::Shl | AluOp::Shr | AluOp::Sar, 0) => return Simplified::Value(a),
        (AluOp::Mul, 1) | (AluOp::And, -1) | (AluOp::Min, i64::MAX) | (AluOp::Max, i64::MIN) => {
            return Simplified::Value(a);
        }
        (AluOp::Mul | AluOp::And, 0) => return folded(0),
        (AluOp::Or, -1) => return folded(-1),
        (AluOp::Min, i64::MIN) | (AluOp::Max, i64::MAX) => return folded(imm),
        (AluOp::Mul, -1) => return unary(function, UnaryOp::Negate, a),
        (AluOp::Xor, -1) => return unary(function, UnaryOp::Invert, a),
        _ => {}
    }
    let (inner, of, first) = match *function.op(a) {
        Op::AluImm(inner, of, first) => (inner, of, first),
        _ => return op_imm(op, a, imm),
    };
    match (inner, op) {
        (AluOp::Add, AluOp::Add)
        | (AluOp::Mul, AluOp::Mul)
        | (AluOp::And, AluOp::And)
        | (AluOp::Or, AluOp::Or)
        | (AluOp::Xor, AluOp::Xor)
        | (AluOp::Min, AluOp::Min)
        | (AluOp::Max, AluOp::Max) => simplify_imm(function, op, of, op.apply(first, imm)),
        (AluOp::Shl, AluOp::Shl) | (AluOp::Shr, AluOp::Shr) if first + imm > 63 => folded(0),
        (AluOp::Shl, AluOp::Shl) | (AluOp::Shr, AluOp::Shr) => simplify_imm(function, op, of, first + imm),
        (AluOp::Sar, AluOp::Sar) => simplify_imm(function, op, of, (first + imm).min(63)),
        (AluOp::Shl, AluOp::Mul) => simplify_imm(function, AluOp::Mul, of, imm.wrapping_shl(first as u32)),
        (AluOp::Mul, AluOp::Shl) => simplify_imm(function, AluOp::Mul, of, first.wrapping_shl(imm as u32)),
        _ => op_imm(op, a, imm),
    }
}

fn unary(function: &Function, op: UnaryOp, a: Value) -> Simplified {
    match (op, function.op(a)) {
        (UnaryOp::Negate, Op::Unary(UnaryOp::Negate, of)) | (UnaryOp::Invert, Op::Unary(UnaryOp::Invert, of)) => {
            Simplified::Value(*of)
        }
        (UnaryOp::Abs, Op::Unary(UnaryOp::Abs, _)) => Simplified::Value(a),
        (UnaryOp::Abs, Op::Unary(UnaryOp::Negate, of)) => Simplified::Op(Op::Unary(UnaryOp::Abs, *of)),
        _ => Simplified::Op(Op::Unary(op, a)),
    }
}

fn set_imm(function: &Function, cond: Cond, a: Value, imm: i64) -> Simplified {
    if imm == 0 && matches!(cond, Cond::Eq | Cond::Ne) {
        let is_flag = |op: &Op| matches!(op, Op::Set(..) | Op::SetImm(..));
        match *function.op(a) {
            op if is_flag(&op) && cond == Cond::Ne => return Simplified::Value(a),
            Op::Set(inner, a, b) => return Simplified::Op(Op::Set(inner.inverted(), a, b)),
            Op::SetImm(inner, a, imm) => return Simplified::Op(Op::SetImm(inner.inverted(), a, imm)),
            _ => {}
        }
    }
    match (cond, imm) {
        (Cond::Ult, 0) | (Cond::Lt, i64::MIN) | (Cond::Gt, i64::MAX) | (Cond::Ugt, -1) => {
            Simplified::Op(Op::Constant(0))
        }
        (Cond::Uge, 0) | (Cond::Ge, i64::MIN) | (Cond::Le, i64::MAX) | (Cond::Ule, -1) => {
            Simplified::Op(Op::Constant(1))
        }
        _ => Simplified::Op(Op::SetImm(cond, a, imm)),
    }
}
