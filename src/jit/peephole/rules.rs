//! The rules of the peephole pass. A rule matches the current operation and those before it, and replaces them.
//!
//! Rewriting terminates. Every rule leaves fewer operations, or the same number with fewer loads or with fewer
//! comparisons that produce a flag.
//!
//! The rules rely on the [contract](super::super::contract) with the lowering. A rule may take a value from a temporary
//! instead of its slot. This extends the life of the temporary beyond its word. So such a rule must not let a `Move`
//! read a temporary that the current word already uses for an operand. `operands` holds these temporaries.
//!
//! Rules also know which slot holds the same value as the register of the top. This fact describes the operations in
//! the window. Operations that a rule removed do not affect it.

use super::super::contract::{RegisterSet, Roles};
use super::super::operand::existing_cell;
use super::immediates::{addend, fits, with_immediate};
use super::rule::{Fired, Rule};
use super::window::{NO_PC, NO_SLOT, Window};
use crate::isa::Isa;
use crate::lir::{AluOp, Cond, DivOp, FrameSlot, Label, Op, Reg, Sink, Site, Slot, UnaryOp};

/// The window, and the state of the rules.
#[derive(Debug)]
pub(super) struct Rules<'w, I, S> {
    pub window: &'w mut Window<I, S>,
    /// The bytecode operation that the next operations are made for.
    pc: u32,
    /// The registers that the current word has written so far.
    operands: RegisterSet,
    /// The number of memory cells.
    cells: usize,
    fired: Fired,
}

/// Applies the rules for an operation's kind. The rules call each other recursively, and recursive calls are not
/// inlined. So this is a macro: where the kind is known, the compiler resolves the `match`.
macro_rules! hold {
    ($self:ident, $pc:expr, $op:expr $(, last: $last:expr)?) => {
        hold!($self, $pc, $op $(, last: $last)?, _barrier => unreachable!("the window holds no barrier"))
    };
    // `$emit` handles a barrier, which is an operation that is never held.
    ($self:ident, $pc:expr, $op:expr, $barrier:ident => $emit:expr) => {
        hold!($self, $pc, $op, last: false, $barrier => $emit)
    };
    ($self:ident, $pc:expr, $op:expr, last: $last:expr, $barrier:ident => $emit:expr) => {{
        let pc = $pc;
        match $op {
            Op::Move { d, s } => $self.hold_move(pc, d, s),
            Op::Load { d, slot } => $self.hold_load(pc, d, slot, $last),
            Op::Store { s, slot } => $self.hold_store(pc, s, slot),
            Op::Constant { d, value } => $self.hold_constant(pc, d, value),
            Op::LoadFrame { d, slot } => $self.hold_load_frame(pc, d, slot),
            Op::Alu { op, d, a, b } => $self.hold_alu(pc, op, d, a, b),
            Op::Set { cond, d, a, b } => $self.hold_set(pc, cond, d, a, b),
            Op::Divide { op, d, a, b, site } => $self.hold_divide(pc, op, d, a, b, site),
            Op::Branch { cond, a, b, to } => $self.hold_branch(pc, cond, a, b, to),
            Op::AluImm { op, d, a, imm } => $self.hold_alu_imm(pc, op, d, a, imm),
            Op::Unary { op, d, a } => $self.hold_unary_op(pc, op, d, a),
            Op::SetImm { cond, d, a, imm } => $self.hold_set_imm(pc, cond, d, a, imm),
            Op::DivideImm { op, d, a, imm } => $self.hold_divide_imm(pc, op, d, a, imm),
            Op::BranchImm { cond, a, imm, to } => $self.hold_branch_imm(pc, cond, a, imm, to),
            Op::LoadCell { d, a, site, offset } => $self.hold_load_cell(pc, d, a, site, offset),
            Op::StoreCell { s, a, site, offset } => $self.hold_store_cell(pc, s, a, site, offset),
            Op::LoadCellAt { d, cell } => $self.hold_load_cell_at(pc, d, cell),
            Op::StoreCellAt { s, cell } => $self.hold_store_cell_at(pc, s, cell),
            op @ Op::StoreFrame { .. } => $self.window.push(pc, op),
            $barrier @ (Op::Align
            | Op::Label(_)
            | Op::Jump { .. }
            | Op::CountDown { .. }
            // The baseline makes none of these five.
            | Op::AluShifted { .. }
            | Op::MulAdd { .. }
            | Op::BranchMask { .. }
            | Op::LoadElement { .. }
            | Op::StoreElement { .. }
            | Op::Fuel { .. }
            | Op::Need { .. }
            | Op::Room { .. }
            | Op::MovePointer { .. }
            | Op::Function { .. }
            | Op::Call { .. }
            | Op::EndCall
            | Op::TakeDepth { .. }
            | Op::GiveDepth
            | Op::SaveBase { .. }
            | Op::NeedAbove { .. }
            | Op::Tick { .. }
            | Op::Leave { .. }
            | Op::Count { .. }
            | Op::SaveFuel
            | Op::Main
            | Op::Entry
            | Op::Return { .. }) => $emit,
        }
    }};
}

/// The rules, one table for each kind of operation. The first rule that matches fires, and the rules are applied to its
/// output in turn. If a rule only moves an operation or changes its registers, the operation is still attributed to the
/// same bytecode operation.
impl<'w, I: Isa, S: Sink> Rules<'w, I, S> {
    pub fn new(window: &'w mut Window<I, S>, cells: usize) -> Rules<'w, I, S> {
        let (operands, fired) = (RegisterSet::default(), Fired::default());
        Rules { window, pc: NO_PC, operands, cells, fired }
    }

    /// Emits the held operations. Returns how often each rule fired.
    pub fn finish(mut self) -> Fired {
        self.window.release(NO_SLOT);
        self.fired.add(Rule::StoredTop, self.window.skipped_stores);
        self.fired
    }

    /// Attributes the operations that follow to this bytecode operation.
    #[inline(always)]
    pub fn at(&mut self, pc: u32) {
        self.pc = pc;
        self.operands = RegisterSet::default();
    }

    /// Takes an operation of the current word.
    #[inline(always)]
    pub fn put(&mut self, op: Op) {
        // Even if a rule removes the operation, its register remains an operand of the word.
        if let Some(reg) = op.defines() {
            self.operands.insert(reg);
        }
        hold!(self, self.pc, op, barrier => {
            self.window.release(NO_SLOT);
            self.window.emit(self.pc, barrier);
        });
    }

    /// Takes a load of the current word. With `last`, the slot is dead after it.
    #[inline(always)]
    pub fn load(&mut self, d: Reg, slot: Slot, last: bool) {
        self.operands.insert(d);
        self.hold_load(self.pc, d, slot, last);
    }

    /// Counts a rule, and removes the operations that it replaces.
    #[inline(always)]
    fn fire(&mut self, rule: Rule, removes: usize) {
        self.fired.add(rule, 1);
        self.window.remove(removes);
    }

    /// Applies the rules to an operation that was removed from the window. It is still in the array, because fewer
    /// operations have been pushed since then than were removed.
    #[inline(never)]
    fn hold_again(&mut self, pc: u32, index: usize) {
        hold!(self, pc, self.window.held[index], last: self.window.last_loads[index]);
    }

    /// A temporary that the current word has not written, other than `others`.
    #[inline(always)]
    fn free(&self, others: [Reg; 3]) -> Option<Reg> {
        I::TEMPORARIES.iter().copied().find(|reg| !self.operands.contains(*reg) && !others.contains(reg))
    }

    /// Whether a `Move` may read a register within the current word.
    #[inline(always)]
    fn may_move_from(&self, reg: Reg) -> bool {
        !(I::is_temporary(reg) && self.operands.contains(reg))
    }

    #[inline(never)]
    fn hold_move(&mut self, pc: u32, d: Reg, s: Reg) {
        let op = Op::Move { d, s };
        if d == s {
            return self.fire(Rule::SelfMove, 0);
        }
        match *self.window.before() {
            [.., Op::Move { d: t, s: from }, Op::Store { s: stored, slot }] => {
                if s == t && I::is_temporary(t) && stored != t && from != t {
                    let store = self.window.pc(0);
                    self.fire(Rule::MovedOverStore, 2);
                    hold!(self, store, Op::Store { s: stored, slot });
                    return hold!(self, pc, Op::Move { d, s: from });
                }
            }
            [.., definition] => {
                if self.window.has_just_defined(d) {
                    self.fire(Rule::DeadDefinition, 1);
                    return hold!(self, pc, op);
                }
                if I::is_temporary(s) && definition.defines() == Some(s) {
                    let pc = self.window.pc(0);
                    self.fire(Rule::Retarget, 1);
                    self.window.held[self.window.len].set_destination(d);
                    return self.hold_again(pc, self.window.len);
                }
            }
        }
        self.window.push(pc, op);
    }

    #[inline(never)]
    fn hold_constant(&mut self, pc: u32, d: Reg, value: i64) {
        self.hold_definition(pc, Op::Constant { d, value });
    }

    #[inline(never)]
    fn hold_load_frame(&mut self, pc: u32, d: Reg, slot: FrameSlot) {
        self.hold_definition(pc, Op::LoadFrame { d, slot });
    }

    #[inline(always)]
    fn hold_definition(&mut self, pc: u32, op: Op) {
        let Some(d) = op.defines() else { unreachable!("it has a destination") };
        if self.window.has_just_defined(d) {
            self.fire(Rule::DeadDefinition, 1);
            hold!(self, pc, op);
        } else {
            self.window.push(pc, op);
        }
    }

    #[inline(never)]
    fn hold_store(&mut self, pc: u32, s: Reg, slot: Slot) {
        let op = Op::Store { s, slot };
        match *self.window.before() {
            [.., Op::Store { slot: slot2, .. }] if slot == slot2 => {
                self.fire(Rule::DeadStore, 1);
                hold!(self, pc, op);
            }
            _ => self.window.push(pc, op),
        }
    }

    #[inline(never)]
    fn hold_load(&mut self, pc: u32, d: Reg, slot: Slot, last: bool) {
        if self.window.has_just_defined(d) {
            self.fire(Rule::DeadDefinition, 1);
            return self.hold_load(pc, d, slot, last);
        }
        match *self.window.before() {
            // If the slot is read again, the store stays.
            [.., Op::Store { s, slot: stored }] if stored == slot && (d == s || self.may_move_from(s)) => {
                let store = self.window.pc(0);
                self.fire(Rule::StoreLoad, 1);
                if !last {
                    hold!(self, store, Op::Store { s, slot });
                }
                hold!(self, pc, Op::Move { d, s });
            }

            // The value is moved before the other operation.
            [.., Op::Store { s, slot: stored }, other]
                if last
                    && stored == slot
                    && let Some(target) = self.early_move_target(d, s, other, slot) =>
            {
                let with = self.window.pc(0);
                self.fire(Rule::StoreOtherLoad, 2);
                let index = self.window.len + 1;
                if target != s {
                    hold!(self, pc, Op::Move { d: target, s });
                }
                self.hold_again(with, index);
                if target != d {
                    hold!(self, pc, Op::Move { d, s: target });
                }
            }

            // The value is moved before a load from memory and the operation that computes its address.
            [Op::Store { s, slot: stored }, address, Op::LoadCell { d: cell, a, .. }]
                if last
                    && stored == slot
                    && s == I::TOP
                    && ![s, cell, a].contains(&d)
                    && self.window.facts(1).is_pure()
                    && self.window.facts(1).defined != d
                    && !self.window.facts(1).reads(d)
                    && !address.loads(slot) =>
            {
                let (address, load) = (self.window.pc(1), self.window.pc(0));
                self.fire(Rule::StoreOtherLoad, 3);
                let index = self.window.len + 1;
                hold!(self, pc, Op::Move { d, s });
                self.hold_again(address, index);
                self.hold_again(load, index + 1);
            }

            _ if self.window.top_is_in(slot) => {
                self.fire(Rule::LoadedTop, 0);
                if d != I::TOP {
                    hold!(self, pc, Op::Move { d, s: I::TOP });
                }
            }

            [.., definition, Op::Move { d: to, s }] if d == s && to != s && definition.defines() == Some(s) => {
                let with = self.window.pc(1);
                self.fire(Rule::RetargetBeforeLoad, 2);
                self.window.held[self.window.len].set_destination(to);
                self.hold_again(with, self.window.len);
                self.hold_load(pc, d, slot, last);
            }

            _ => self.window.push_load(pc, d, slot, last),
        }
    }

    /// For a store of `s`, another operation, and a load of the same slot to `d`: returns the register to which `s` can
    /// be moved before that operation. The operation may overwrite `s`, but must not read or write the target. If it
    /// reads `d`, the target is a third register. There is no target if `s` is a temporary that the operation reads,
    /// because the move would end its life too early. A load from memory may trap, but then the stack is lost.
    #[inline(always)]
    fn early_move_target(&self, d: Reg, s: Reg, other: Op, slot: Slot) -> Option<Reg> {
        let facts = self.window.last();
        let is_load_cell = matches!(other, Op::LoadCell { d: cell, .. } if cell != d);
        if !facts.is_pure() && !is_load_cell || other.loads(slot) {
            return None;
        }
        let is_dead = I::is_temporary(s) && facts.reads(s);
        if !is_dead && (d == s || !facts.reads(d) && self.may_move_from(s)) {
            return Some(d);
        }
        let makes_room = other.defines() == Some(s)
            && !I::is_temporary(s)
            && I::is_temporary(d)
            && !matches!(other, Op::Move { .. });
        if makes_room { self.free([d, facts.read[0], facts.read[1]]) } else { None }
    }

    #[inline(never)]
    fn hold_alu(&mut self, pc: u32, op: AluOp, d: Reg, a: Reg, b: Reg) {
        self.hold_binary(pc, Op::Alu { op, d, a, b });
    }

    #[inline(never)]
    fn hold_set(&mut self, pc: u32, cond: Cond, d: Reg, a: Reg, b: Reg) {
        self.hold_binary(pc, Op::Set { cond, d, a, b });
    }

    #[inline(never)]
    fn hold_divide(&mut self, pc: u32, op: DivOp, d: Reg, a: Reg, b: Reg, site: Site) {
        self.hold_binary(pc, Op::Divide { op, d, a, b, site });
    }

    #[inline(never)]
    fn hold_branch(&mut self, pc: u32, cond: Cond, a: Reg, b: Reg, to: Label) {
        self.hold_binary(pc, Op::Branch { cond, a, b, to });
    }

    #[inline(never)]
    fn hold_alu_imm(&mut self, pc: u32, op: AluOp, d: Reg, a: Reg, imm: i64) {
        self.hold_unary(pc, Op::AluImm { op, d, a, imm });
    }

    #[inline(never)]
    fn hold_unary_op(&mut self, pc: u32, op: UnaryOp, d: Reg, a: Reg) {
        self.hold_unary(pc, Op::Unary { op, d, a });
    }

    #[inline(never)]
    fn hold_set_imm(&mut self, pc: u32, cond: Cond, d: Reg, a: Reg, imm: i64) {
        self.hold_unary(pc, Op::SetImm { cond, d, a, imm });
    }

    #[inline(never)]
    fn hold_divide_imm(&mut self, pc: u32, op: DivOp, d: Reg, a: Reg, imm: i64) {
        self.hold_unary(pc, Op::DivideImm { op, d, a, imm });
    }

    /// The rules for an operation with two register operands that computes, compares, divides or branches.
    #[inline(always)]
    fn hold_binary(&mut self, pc: u32, user: Op) {
        let (Some(first), Some(second)) = (user.first_operand(), user.second_operand()) else {
            unreachable!("it has two")
        };
        let dies = |reg: Reg| I::is_temporary(reg) || user.defines() == Some(reg);
        let exchanges = matches!(user, Op::Alu { .. } | Op::Set { .. }) && user.defines() == Some(second);
        if user.defines().is_some_and(|d| d != first && d != second && self.window.has_just_defined(d)) {
            self.fire(Rule::DeadDefinition, 1);
            return hold!(self, pc, user);
        }
        match *self.window.before() {
            [before, Op::Move { d: to, s: from }, Op::Load { d, slot }] if d == from && to != from => {
                let last = self.window.is_last_load();
                let is_stored = |s: Reg| last && before == Op::Store { s, slot };
                if first == from && second == to && I::is_temporary(to) && is_stored(from) {
                    self.fire(Rule::DuplicatedOperand, 3);
                    return hold!(self, pc, user.with_operand(to, from));
                }
                if first == from && second == to && exchanges && I::is_temporary(from) && is_stored(to) {
                    self.fire(Rule::SwappedOperands, 3);
                    return hold!(self, pc, user.with_operands_swapped());
                }
                if first == to && second == from && exchanges && I::is_temporary(to) {
                    let load = self.window.pc(0);
                    self.fire(Rule::ExchangedOperands, 2);
                    self.hold_load(load, to, slot, last);
                    return hold!(self, pc, user.with_operands_swapped());
                }
            }

            [.., Op::Move { d: to, s: from }, Op::LoadCellAt { d, cell }]
                if d == from && to != from && first == to && second == from && exchanges && I::is_temporary(to) =>
            {
                let load = self.window.pc(0);
                self.fire(Rule::ExchangedOperands, 2);
                hold!(self, load, Op::LoadCellAt { d: to, cell });
                return hold!(self, pc, user.with_operands_swapped());
            }

            [.., Op::Constant { d: c, value }, Op::Load { d: a, slot }]
                if second == c && first == a && a != c && dies(c) && fits::<I>(user, value) =>
            {
                let (load, last) = (self.window.pc(0), self.window.is_last_load());
                self.fire(Rule::ConstantOperand, 2);
                self.hold_load(load, a, slot, last);
                return hold!(self, pc, with_immediate(user, value));
            }

            [.., Op::Constant { d: c, value }] if second == c && first != c && dies(c) && fits::<I>(user, value) => {
                self.fire(Rule::ConstantOperand, 1);
                return hold!(self, pc, with_immediate(user, value));
            }

            [.., Op::Move { d: t, s }] if (first == t || second == t) && dies(t) => {
                self.fire(Rule::MovedOperand, 1);
                return hold!(self, pc, user.with_operand(t, s));
            }

            _ => {}
        }
        self.window.push(pc, user);
    }

    /// The rules for an operation with one register operand that computes, compares or divides.
    #[rustfmt::skip]
    #[inline(always)]
    fn hold_unary(&mut self, pc: u32, user: Op) {
        let (Some(first), Some(d)) = (user.first_operand(), user.defines()) else { unreachable!("it has both") };
        match (*self.window.before(), user) {
            _ if d != first && self.window.has_just_defined(d) => {
                self.fire(Rule::DeadDefinition, 1);
                hold!(self, pc, user);
            }

            ([.., Op::Move { d: t, s }], _) if first == t && (I::is_temporary(t) || d == t) => {
                self.fire(Rule::MovedOperand, 1);
                hold!(self, pc, user.with_operand(t, s));
            }

            ([.., Op::AluImm { op: op1 @ (AluOp::Add | AluOp::Sub), d, a, imm }], Op::AluImm { op: op2 @ (AluOp::Add | AluOp::Sub), d: d2, a: a2, imm: imm2 })
                if d2 == d && a2 == d && I::fits_alu(AluOp::Add, addend(op1, imm).wrapping_add(addend(op2, imm2))) => {
                self.fire(Rule::AddedImmediates, 1);
                hold!(self, pc, Op::AluImm { op: AluOp::Add, d, a, imm: addend(op1, imm).wrapping_add(addend(op2, imm2)) });
            }

            _ => self.window.push(pc, user),
        }
    }

    /// The rules for a load from a memory cell.
    #[inline(never)]
    fn hold_load_cell(&mut self, pc: u32, d: Reg, a: Reg, site: Site, offset: i64) {
        let user = Op::LoadCell { d, a, site, offset };
        let dies = |reg: Reg| I::is_temporary(reg) || reg == d;
        match *self.window.before() {
            _ if d != a && self.window.has_just_defined(d) => {
                self.fire(Rule::DeadDefinition, 1);
                hold!(self, pc, user);
            }

            [.., Op::Move { d: t, s }] if a == t && dies(t) => {
                self.fire(Rule::MovedOperand, 1);
                hold!(self, pc, user.with_operand(t, s));
            }

            [.., Op::AluImm { op: op @ (AluOp::Add | AluOp::Sub), d: t, a: from, imm }] if a == t && dies(t) => {
                self.fire(Rule::AddedOffset, 1);
                hold!(self, pc, Op::LoadCell { d, a: from, site, offset: offset.wrapping_add(addend(op, imm)) });
            }

            // The instruction set cannot encode the constant as an operand of the addition.
            [.., Op::Constant { d: c, value }, Op::Alu { op: AluOp::Add, d: t, a: from, b }]
                if a == t && b == c && from != c && dies(t) && dies(c) =>
            {
                self.fire(Rule::AddedOffset, 2);
                hold!(self, pc, Op::LoadCell { d, a: from, site, offset: offset.wrapping_add(value) });
            }

            [.., Op::Constant { d: c, value }]
                if a == c
                    && dies(c)
                    && let Some(cell) = existing_cell(value.wrapping_add(offset), self.cells) =>
            {
                self.fire(Rule::KnownCell, 1);
                hold!(self, pc, Op::LoadCellAt { d, cell });
            }

            _ => self.window.push(pc, user),
        }
    }

    #[inline(never)]
    fn hold_load_cell_at(&mut self, pc: u32, d: Reg, cell: u32) {
        self.hold_definition(pc, Op::LoadCellAt { d, cell });
    }

    /// The rules for a store to a memory cell, which ends the life of its operands.
    #[inline(never)]
    fn hold_store_cell(&mut self, pc: u32, s: Reg, a: Reg, site: Site, offset: i64) {
        let user = Op::StoreCell { s, a, site, offset };
        match *self.window.before() {
            [.., Op::Move { d: t, s: from }] if s == t || a == t => {
                self.fire(Rule::MovedOperand, 1);
                hold!(self, pc, user.with_operand(t, from));
            }

            // The value is loaded between the addition and the store.
            [
                ..,
                Op::AluImm { op: op @ (AluOp::Add | AluOp::Sub), d: t, a: from, imm },
                Op::Load { d: loaded, slot },
            ] if a == t && s == loaded && from != loaded && t != loaded => {
                let (load, last) = (self.window.pc(0), self.window.is_last_load());
                self.fire(Rule::AddedOffset, 2);
                if I::is_temporary(from) {
                    // A rule might end the life of the temporary, which is needed for longer now.
                    self.window.push_load(load, loaded, slot, last);
                } else {
                    self.hold_load(load, loaded, slot, last);
                }
                hold!(self, pc, Op::StoreCell { s, a: from, site, offset: offset.wrapping_add(addend(op, imm)) });
            }

            [.., Op::Constant { d: c, value }, Op::Load { d: loaded, slot }]
                if a == c
                    && s == loaded
                    && c != loaded
                    && let Some(cell) = existing_cell(value.wrapping_add(offset), self.cells) =>
            {
                let (load, last) = (self.window.pc(0), self.window.is_last_load());
                self.fire(Rule::KnownCell, 2);
                self.hold_load(load, loaded, slot, last);
                hold!(self, pc, Op::StoreCellAt { s, cell });
            }

            [.., Op::Constant { d: c, value }]
                if a == c
                    && s != c
                    && let Some(cell) = existing_cell(value.wrapping_add(offset), self.cells) =>
            {
                self.fire(Rule::KnownCell, 1);
                hold!(self, pc, Op::StoreCellAt { s, cell });
            }

            _ => self.window.push(pc, user),
        }
    }

    /// The rules for a store to a memory cell that exists, which ends the life of its operand.
    #[inline(never)]
    fn hold_store_cell_at(&mut self, pc: u32, s: Reg, cell: u32) {
        let user = Op::StoreCellAt { s, cell };
        match *self.window.before() {
            [.., Op::Move { d: t, s: from }] if s == t => {
                self.fire(Rule::MovedOperand, 1);
                hold!(self, pc, user.with_operand(t, from));
            }
            _ => self.window.push(pc, user),
        }
    }

    /// The rules for a branch that compares with an immediate. It may test the flag of a comparison in the window.
    #[rustfmt::skip]
    #[inline(never)]
    fn hold_branch_imm(&mut self, pc: u32, test: Cond, flag: Reg, imm: i64, to: Label) {
        let is_test = imm == 0 && matches!(test, Cond::Eq | Cond::Ne) && I::is_temporary(flag);
        match *self.window.before() {
            [.., Op::Move { d: t, s }] if flag == t && I::is_temporary(t) => {
                self.fire(Rule::MovedOperand, 1);
                hold!(self, pc, Op::BranchImm { cond: test, a: s, imm, to });
            }

            [.., Op::Set { cond, d, a, b }] if is_test && flag == d => {
                self.fire(Rule::CompareBranch, 1);
                hold!(self, pc, Op::Branch { cond: branch_condition(cond, test), a, b, to });
            }

            [.., Op::SetImm { cond, d, a, imm }] if is_test && flag == d => {
                self.fire(Rule::CompareBranch, 1);
                hold!(self, pc, Op::BranchImm { cond: branch_condition(cond, test), a, imm, to });
            }

            // The new top is loaded between the comparison and the branch. If the load overwrites an operand of the
            // comparison, the operand is saved first.
            [.., Op::Set { cond, d, a, b }, Op::Load { d: top, slot }]
                if is_test && flag == d && top != d && let Some(saved) = self.free([top, a, b]) => {
                let (load, last) = (self.window.pc(0), self.window.is_last_load());
                self.fire(Rule::CompareBranch, 2);
                if a == top || b == top {
                    hold!(self, pc, Op::Move { d: saved, s: top });
                }
                self.hold_load(load, top, slot, last);
                let [a, b] = [a, b].map(|operand| if operand == top { saved } else { operand });
                hold!(self, pc, Op::Branch { cond: branch_condition(cond, test), a, b, to });
            }

            [.., Op::SetImm { cond, d, a, imm }, Op::Load { d: top, slot }] if is_test && flag == d && top != d => {
                let (load, last) = (self.window.pc(0), self.window.is_last_load());
                self.fire(Rule::CompareBranch, 2);
                if a == top {
                    hold!(self, pc, Op::Move { d, s: top });
                }
                self.hold_load(load, top, slot, last);
                hold!(self, pc, Op::BranchImm { cond: branch_condition(cond, test), a: if a == top { d } else { a }, imm, to });
            }

            _ => self.window.push(pc, Op::BranchImm { cond: test, a: flag, imm, to }),
        }
    }
}

/// The condition under which a branch that tests the flag of `cond` is taken.
fn branch_condition(cond: Cond, test: Cond) -> Cond {
    if test == Cond::Ne { cond } else { cond.inverted() }
}
