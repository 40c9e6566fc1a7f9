use super::window::BEFORE;
use super::*;
use crate::isa::{aarch64, x86_64};
use crate::lir::{AluOp, Cond, DivOp, Label, Recorder, Reg, Site, Slot};

/// An input of the pass.
#[derive(Clone, Copy, Debug)]
enum Input {
    Op(Op),
    LastLoad(Reg, Slot),
}

impl Input {
    /// The operation as it appears in the output.
    fn op(self) -> Op {
        match self {
            Input::Op(op) => op,
            Input::LastLoad(d, slot) => Op::Load { d, slot },
        }
    }
}

impl From<Op> for Input {
    fn from(op: Op) -> Input {
        Input::Op(op)
    }
}

/// The number of memory cells.
const CELLS: usize = 5;

fn ops(inputs: &[Input]) -> Vec<Op> {
    inputs.iter().map(|input| input.op()).collect()
}

fn rewritten<I: Isa>(before: &[impl Copy + Into<Input>]) -> (Vec<Op>, Vec<Rule>) {
    let mut window = Window::new(Recorder::default());
    let mut pass = Peephole::<I, Recorder>::new(&mut window, CELLS);
    for &input in before {
        match input.into() {
            Input::Op(op) => pass.put(op),
            Input::LastLoad(d, slot) => pass.load_last(d, slot),
        }
    }
    let fired = pass.finish();
    (window.sink.ops.into_iter().map(|(_, op)| op).collect(), fired.counts().map(|(rule, _)| rule).collect())
}

const ADD: AluOp = AluOp::Add;

/// Because nothing is held, no rule can rewrite across the label, the branch or the call.
#[test]
fn nothing_is_held_after_a_label_a_branch_or_a_call() {
    let to = Label(0);
    let (a, imm) = (Reg(0), 0);
    for barrier in [
        Op::Align,
        Op::Label(to),
        Op::Jump { to },
        Op::Branch { cond: Cond::Eq, a, b: Reg(1), to },
        Op::BranchImm { cond: Cond::Eq, a, imm, to },
        Op::MovePointer { slots: 1 },
        Op::Function { function: 1, slots: 0, has_calls: false },
        Op::Call { function: 1 },
        Op::EndCall,
    ] {
        let mut window = Window::new(Recorder::default());
        let mut pass = Peephole::<aarch64::Emitter, Recorder>::new(&mut window, CELLS);
        pass.put(Op::Constant { d: a, value: 5 });
        assert_eq!((pass.rules.window.len, pass.rules.window.sink.ops.len()), (BEFORE + 1, 0));
        pass.put(barrier);
        assert_eq!((pass.rules.window.len, pass.rules.window.sink.ops.len()), (BEFORE, 2), "{barrier:?}");
    }
}
const SUB: AluOp = AluOp::Sub;

#[test]
fn retargeted_division_keeps_its_bytecode_operation() {
    let &[t, a, b, ..] = aarch64::Emitter::ALLOCATABLE else { unreachable!("there are three registers") };
    let mut window = Window::new(Recorder::default());
    let mut pass = Peephole::<aarch64::Emitter, Recorder>::new(&mut window, CELLS);
    pass.at(1);
    pass.put(Op::Divide { op: DivOp::Quotient, d: t, a, b, site: Site(0) });
    pass.at(2);
    pass.put(Op::Move { d: b, s: t });
    pass.load_last(t, Slot(0));
    let fired = pass.finish();
    let recorder = window.sink;
    assert_eq!(fired.counts().map(|(rule, _)| rule).collect::<Vec<_>>(), [Rule::RetargetBeforeLoad]);
    assert_eq!(recorder.ops.iter().map(|(pc, _)| *pc).collect::<Vec<_>>(), [1, 2]);
}

/// The value cannot be moved instead of stored, because the operation in between reads its slot.
#[test]
fn store_stays_if_two_words_load_its_slot() {
    let &[_, a, b, c, ..] = aarch64::Emitter::ALLOCATABLE else { unreachable!("there are four registers") };
    let (x, y) = (Slot(0), Slot(1));
    let mut window = Window::new(Recorder::default());
    let mut pass = Peephole::<aarch64::Emitter, Recorder>::new(&mut window, CELLS);
    pass.at(1);
    pass.load_last(b, y);
    pass.put(Op::Store { s: b, slot: x });
    pass.put(Op::Load { d: a, slot: x });
    pass.at(2);
    pass.load_last(c, x);
    pass.finish();
    let recorder = window.sink;
    let stores = recorder.ops.iter().filter(|(_, op)| matches!(op, Op::Store { .. })).count();
    assert_eq!((recorder.ops.len(), stores), (4, 1), "{recorder:?}");
}

#[test]
fn slot_of_the_top_is_known_after_a_branch_but_not_after_a_label() {
    let &[t, a, ..] = aarch64::Emitter::ALLOCATABLE else { unreachable!("there are two registers") };
    let (slot, to) = (Slot(0), Label(0));
    let (load, store) = (Op::Load { d: t, slot }, Op::Store { s: t, slot });
    let branch = Op::BranchImm { cond: Cond::Lt, a, imm: 5, to };
    let label = Op::Label(to);
    assert_eq!(rewritten::<aarch64::Emitter>(&[load, branch, store]).0, [load, branch]);
    assert_eq!(rewritten::<aarch64::Emitter>(&[load, branch, label, store]).0, [load, branch, label, store]);
    assert_eq!(rewritten::<aarch64::Emitter>(&[load, label, store]).0, [load, label, store]);
}

/// The callee changes the register of the top and the slots.
#[test]
fn slot_of_the_top_is_unknown_after_a_call_and_in_a_new_function() {
    let load = Op::Load { d: aarch64::Emitter::ALLOCATABLE[0], slot: Slot(0) };
    for op in [Op::Call { function: 1 }, Op::Function { function: 1, slots: 0, has_calls: false }] {
        assert_eq!(rewritten::<aarch64::Emitter>(&[load, op, load]).0, [load, op, load]);
    }
}

#[test]
fn division_invalidates_the_top_if_it_clobbers_its_register() {
    fn left<I: Isa>() -> usize {
        let &[t, a, b, ..] = I::ALLOCATABLE else { unreachable!("every instruction set has three registers") };
        let load = Op::Load { d: t, slot: Slot(0) };
        let divide = Op::Divide { op: DivOp::Quotient, d: a, a, b, site: Site(0) };
        rewritten::<I>(&[load, divide, load]).0.len()
    }
    assert_eq!((left::<aarch64::Emitter>(), left::<x86_64::Emitter>()), (2, 3));
}

/// At least one row for each rule: the rules that fire, the operations before and after. A rule with several forms has
/// several rows.
fn table<I: Isa>() -> Vec<(Vec<Rule>, Vec<Input>, Vec<Input>)> {
    let &[t, a, b, c, ..] = I::ALLOCATABLE else { unreachable!("every instruction set has four registers") };
    let (x, y, to) = (Slot(0), Slot(1), Label(0));
    let load = Input::LastLoad;
    let keep = |d, slot| Input::Op(Op::Load { d, slot });
    let store = |s, slot| Input::Op(Op::Store { s, slot });
    let mov = |d, s| Input::Op(Op::Move { d, s });
    let constant = |d, value| Input::Op(Op::Constant { d, value });
    let alu = |op, d, a, b| Input::Op(Op::Alu { op, d, a, b });
    let imm = |op, d, a, imm| Input::Op(Op::AluImm { op, d, a, imm });
    let set = |d, a, b| Input::Op(Op::Set { cond: Cond::Lt, d, a, b });
    let set_imm = |d, a, imm| Input::Op(Op::SetImm { cond: Cond::Lt, d, a, imm });
    let zero = |a| Input::Op(Op::BranchImm { cond: Cond::Eq, a, imm: 0, to });
    let branch = |a, b| Input::Op(Op::Branch { cond: Cond::Ge, a, b, to });
    let branch_imm = |a, imm| Input::Op(Op::BranchImm { cond: Cond::Ge, a, imm, to });
    let divide = |d, a, b| Input::Op(Op::Divide { op: DivOp::Quotient, d, a, b, site: Site(0) });
    let divide_imm = |d, a, imm| Input::Op(Op::DivideImm { op: DivOp::Quotient, d, a, imm });
    let load_cell = |d, a, offset| Input::Op(Op::LoadCell { d, a, site: Site(0), offset });
    let store_cell = |s, a, offset| Input::Op(Op::StoreCell { s, a, site: Site(0), offset });
    vec![
        (vec![Rule::SelfMove], vec![mov(t, t)], vec![]),
        // A value is moved to another register and back. The top remains live, but a temporary does not.
        (vec![], vec![mov(t, a), mov(a, t)], vec![mov(t, a), mov(a, t)]),
        (vec![Rule::SelfMove, Rule::Retarget], vec![mov(a, b), mov(b, a)], vec![]),
        (vec![Rule::SelfMove, Rule::RetargetBeforeLoad], vec![mov(t, a), mov(a, t), load(t, x)], vec![load(t, x)]),
        (vec![Rule::DeadDefinition], vec![constant(t, 1), load(t, x)], vec![load(t, x)]),
        (vec![Rule::DeadDefinition], vec![load(t, y), load(t, x)], vec![load(t, x)]),
        // A division may trap, and an operand of the next operation is not dead.
        (vec![], vec![divide(t, a, b), constant(t, 1)], vec![divide(t, a, b), constant(t, 1)]),
        (vec![], vec![load(t, x), imm(AluOp::Shl, t, t, 1)], vec![load(t, x), imm(AluOp::Shl, t, t, 1)]),
        (vec![Rule::DeadStore], vec![store(a, x), store(b, x)], vec![store(b, x)]),
        (vec![], vec![store(a, x), store(b, y)], vec![store(a, x), store(b, y)]),
        (vec![Rule::StoreLoad], vec![store(t, x), load(a, x)], vec![mov(a, t)]),
        (vec![Rule::StoreLoad], vec![store(t, x), keep(a, x)], vec![store(t, x), mov(a, t)]),
        (vec![], vec![store(t, x), load(a, y)], vec![store(t, x), load(a, y)]),
        (vec![Rule::StoreOtherLoad], vec![store(t, x), constant(t, 5), load(a, x)], vec![mov(a, t), constant(t, 5)]),
        (vec![Rule::StoreOtherLoad], vec![store(t, x), constant(a, 5), load(t, x)], vec![constant(a, 5)]),
        // The operation reads the target, so a third register holds the value.
        (
            vec![Rule::StoreOtherLoad],
            vec![store(t, x), alu(AluOp::Mul, t, a, t), load(a, x)],
            vec![mov(b, t), alu(AluOp::Mul, t, a, t), mov(a, b)],
        ),
        (vec![Rule::MovedOverStore], vec![mov(a, b), store(t, x), mov(t, a)], vec![store(t, x), mov(t, b)]),
        (vec![], vec![mov(a, b), store(a, x), mov(t, a)], vec![mov(a, b), store(a, x), mov(t, a)]),
        // The top still holds the value of the slot.
        (vec![Rule::LoadedTop], vec![store(t, x), keep(a, y), keep(t, x)], vec![store(t, x), keep(a, y)]),
        (vec![Rule::LoadedTop], vec![keep(t, x), set(a, a, t), load(b, x)], vec![keep(t, x), set(a, a, t), mov(b, t)]),
        (vec![Rule::StoredTop], vec![keep(t, x), imm(ADD, a, t, 1), store(t, x)], vec![keep(t, x), imm(ADD, a, t, 1)]),
        // A `Move` must not read a temporary that is already an operand.
        (vec![], vec![load(b, y), store(b, x), load(a, x)], vec![load(b, y), store(b, x), load(a, x)]),
        // A move of the temporary would end its life before the operation reads it.
        (
            vec![],
            vec![store(a, x), imm(AluOp::Shl, b, a, 1), load(a, x)],
            vec![store(a, x), imm(AluOp::Shl, b, a, 1), load(a, x)],
        ),
        (
            vec![Rule::DuplicatedOperand],
            vec![store(a, x), mov(b, a), load(a, x), alu(AluOp::Mul, a, a, b)],
            vec![alu(AluOp::Mul, a, a, a)],
        ),
        (vec![Rule::Retarget], vec![alu(SUB, a, b, a), mov(t, a)], vec![alu(SUB, t, b, a)]),
        // The top remains live after a copy.
        (vec![], vec![alu(SUB, t, b, t), mov(a, t)], vec![alu(SUB, t, b, t), mov(a, t)]),
        (
            vec![Rule::RetargetBeforeLoad],
            vec![alu(SUB, t, b, t), mov(a, t), load(t, x)],
            vec![alu(SUB, a, b, t), load(t, x)],
        ),
        (vec![Rule::MovedOperand], vec![mov(a, t), imm(ADD, t, a, 1)], vec![imm(ADD, t, t, 1)]),
        (vec![Rule::MovedOperand], vec![mov(a, t), alu(ADD, t, a, t)], vec![alu(ADD, t, t, t)]),
        (vec![Rule::MovedOperand], vec![mov(a, t), zero(a)], vec![zero(t)]),
        (
            vec![Rule::ExchangedOperands],
            vec![mov(a, t), load(t, x), alu(SUB, t, a, t)],
            vec![load(a, x), alu(SUB, t, t, a)],
        ),
        (vec![Rule::ExchangedOperands], vec![mov(a, t), keep(t, x), set(t, a, t)], vec![keep(a, x), set(t, t, a)]),
        (
            vec![Rule::SwappedOperands],
            vec![load(a, x), store(t, x), mov(t, a), load(a, x), alu(SUB, t, a, t)],
            vec![load(a, x), alu(SUB, t, t, a)],
        ),
        (
            vec![Rule::SwappedOperands],
            vec![load(a, x), store(t, x), mov(t, a), load(a, x), set(t, a, t)],
            vec![load(a, x), set(t, t, a)],
        ),
        (vec![Rule::ConstantOperand], vec![constant(b, 5), alu(ADD, a, a, b)], vec![imm(ADD, a, a, 5)]),
        (
            vec![Rule::ConstantOperand],
            vec![constant(b, 5), load(a, x), alu(SUB, a, a, b)],
            vec![load(a, x), imm(SUB, a, a, 5)],
        ),
        (vec![Rule::ConstantOperand], vec![constant(b, 5), set(a, a, b)], vec![set_imm(a, a, 5)]),
        (vec![Rule::ConstantOperand], vec![constant(b, -1), divide(a, a, b)], vec![divide_imm(a, a, -1)]),
        // Division by zero must trap, and a constant that is not encodable stays in its register.
        (vec![], vec![constant(b, 0), divide(a, a, b)], vec![constant(b, 0), divide(a, a, b)]),
        (vec![], vec![constant(b, i64::MIN), alu(ADD, a, a, b)], vec![constant(b, i64::MIN), alu(ADD, a, a, b)]),
        // Only a second operand can be an immediate.
        (vec![], vec![constant(a, 5), alu(SUB, a, a, b)], vec![constant(a, 5), alu(SUB, a, a, b)]),
        (vec![Rule::AddedImmediates], vec![imm(ADD, t, a, 5), imm(SUB, t, t, 7)], vec![imm(ADD, t, a, -2)]),
        (vec![], vec![imm(ADD, t, a, 5), imm(ADD, a, t, 7)], vec![imm(ADD, t, a, 5), imm(ADD, a, t, 7)]),
        (
            vec![Rule::CompareBranch],
            vec![set(a, a, b), zero(a)],
            vec![Input::Op(Op::Branch { cond: Cond::Ge, a, b, to })],
        ),
        (
            vec![Rule::CompareBranch],
            vec![set_imm(a, a, 5), Input::Op(Op::BranchImm { cond: Cond::Ne, a, imm: 0, to })],
            vec![Input::Op(Op::BranchImm { cond: Cond::Lt, a, imm: 5, to })],
        ),
        (
            vec![Rule::CompareBranch],
            vec![set(b, a, t), load(t, x), zero(b)],
            vec![mov(c, t), load(t, x), Input::Op(Op::Branch { cond: Cond::Ge, a, b: c, to })],
        ),
        (
            vec![Rule::CompareBranch],
            vec![set_imm(b, t, 5), load(t, x), zero(b)],
            vec![mov(b, t), load(t, x), Input::Op(Op::BranchImm { cond: Cond::Ge, a: b, imm: 5, to })],
        ),
        (
            vec![Rule::CompareBranch],
            vec![set(a, a, t), load(t, x), zero(a)],
            vec![mov(b, t), load(t, x), Input::Op(Op::Branch { cond: Cond::Ge, a, b, to })],
        ),
        (
            vec![Rule::CompareBranch],
            vec![set(a, t, t), load(t, x), zero(a)],
            vec![mov(b, t), load(t, x), Input::Op(Op::Branch { cond: Cond::Ge, a: b, b, to })],
        ),
        // A branch with another test of the flag is not rewritten.
        (
            vec![],
            vec![set(a, a, b), Input::Op(Op::BranchImm { cond: Cond::Le, a, imm: 0, to })],
            vec![set(a, a, b), Input::Op(Op::BranchImm { cond: Cond::Le, a, imm: 0, to })],
        ),
        (vec![Rule::SelfMove, Rule::StoreLoad], vec![store(a, x), keep(a, x)], vec![store(a, x)]),
        (vec![Rule::StoreOtherLoad], vec![store(a, x), constant(b, 5), load(t, x)], vec![mov(t, a), constant(b, 5)]),
        // An operation that overwrites the top ends the life of its old value, as it would for a temporary.
        (
            vec![Rule::ConstantOperand],
            vec![constant(t, 5), load(a, x), alu(ADD, t, a, t)],
            vec![load(a, x), imm(ADD, t, a, 5)],
        ),
        (vec![Rule::MovedOperand], vec![mov(t, a), imm(ADD, t, t, 1)], vec![imm(ADD, t, a, 1)]),
        (vec![Rule::ConstantOperand], vec![constant(b, 5), branch(a, b)], vec![branch_imm(a, 5)]),
        (vec![Rule::CompareBranch], vec![set(a, a, b), load(t, x), zero(a)], vec![load(t, x), branch(a, b)]),
        (vec![Rule::CompareBranch], vec![set(b, t, a), load(t, x), zero(b)], vec![mov(c, t), load(t, x), branch(c, a)]),
        (vec![Rule::CompareBranch], vec![set_imm(a, b, 5), load(t, x), zero(a)], vec![load(t, x), branch_imm(b, 5)]),
        (vec![Rule::DeadDefinition], vec![constant(t, 1), load_cell(t, a, 0)], vec![load_cell(t, a, 0)]),
        // A load from memory may trap.
        (vec![], vec![load_cell(t, a, 0), constant(t, 1)], vec![load_cell(t, a, 0), constant(t, 1)]),
        (vec![Rule::MovedOperand], vec![mov(a, t), load_cell(t, a, 3)], vec![load_cell(t, t, 3)]),
        (vec![Rule::MovedOperand], vec![mov(a, t), store_cell(a, b, 3)], vec![store_cell(t, b, 3)]),
        (vec![Rule::MovedOperand], vec![mov(t, a), store_cell(b, t, 3)], vec![store_cell(b, a, 3)]),
        (vec![Rule::Retarget], vec![load_cell(a, t, 0), mov(t, a)], vec![load_cell(t, t, 0)]),
        (vec![Rule::AddedOffset], vec![imm(ADD, t, t, 5), load_cell(t, t, 0)], vec![load_cell(t, t, 5)]),
        (vec![Rule::AddedOffset], vec![imm(SUB, a, t, 5), load_cell(t, a, 1)], vec![load_cell(t, t, -4)]),
        (vec![Rule::AddedOffset], vec![imm(ADD, t, t, i64::MAX), load_cell(t, t, 1)], vec![load_cell(t, t, i64::MIN)]),
        (
            vec![Rule::AddedOffset],
            vec![constant(b, i64::MAX), alu(ADD, a, t, b), load_cell(a, a, 0)],
            vec![load_cell(a, t, i64::MAX)],
        ),
        (
            vec![],
            vec![constant(b, i64::MAX), alu(SUB, a, t, b), load_cell(a, a, 0)],
            vec![constant(b, i64::MAX), alu(SUB, a, t, b), load_cell(a, a, 0)],
        ),
        (
            vec![Rule::AddedOffset],
            vec![imm(ADD, t, t, 5), load(a, x), store_cell(a, t, 0)],
            vec![load(a, x), store_cell(a, t, 5)],
        ),
        (
            vec![Rule::StoreOtherLoad, Rule::AddedOffset],
            vec![store(t, x), keep(t, y), imm(ADD, t, t, 5), load(a, x), store_cell(a, t, 0)],
            vec![mov(a, t), keep(t, y), store_cell(a, t, 5)],
        ),
        // A move of the temporary would end its life before the store to memory reads it.
        (
            vec![Rule::AddedOffset],
            vec![store(b, x), imm(ADD, c, b, 5), load(a, x), store_cell(a, c, 0)],
            vec![store(b, x), load(a, x), store_cell(a, b, 5)],
        ),
        (
            vec![Rule::KnownCell],
            vec![constant(t, 3), load_cell(t, t, 1)],
            vec![Input::Op(Op::LoadCellAt { d: t, cell: 4 })],
        ),
        // There is no cell 5, and none has a negative number.
        (vec![], vec![constant(t, 4), load_cell(t, t, 1)], vec![constant(t, 4), load_cell(t, t, 1)]),
        (vec![], vec![constant(b, -1), store_cell(t, b, 0)], vec![constant(b, -1), store_cell(t, b, 0)]),
        (
            vec![Rule::AddedOffset, Rule::KnownCell],
            vec![constant(t, 7), imm(SUB, t, t, 3), load_cell(t, t, 0)],
            vec![Input::Op(Op::LoadCellAt { d: t, cell: 4 })],
        ),
        (
            vec![Rule::KnownCell],
            vec![constant(b, 4), store_cell(t, b, 0)],
            vec![Input::Op(Op::StoreCellAt { s: t, cell: 4 })],
        ),
        (
            vec![Rule::KnownCell],
            vec![constant(b, 4), load(a, x), store_cell(a, b, 0)],
            vec![load(a, x), Input::Op(Op::StoreCellAt { s: a, cell: 4 })],
        ),
        (
            vec![Rule::MovedOperand],
            vec![mov(a, t), Input::Op(Op::StoreCellAt { s: a, cell: 0 })],
            vec![Input::Op(Op::StoreCellAt { s: t, cell: 0 })],
        ),
        (
            vec![Rule::DeadDefinition],
            vec![constant(t, 1), Input::Op(Op::LoadCellAt { d: t, cell: 0 })],
            vec![Input::Op(Op::LoadCellAt { d: t, cell: 0 })],
        ),
        (
            vec![Rule::ExchangedOperands],
            vec![mov(a, t), Input::Op(Op::LoadCellAt { d: t, cell: 0 }), alu(SUB, t, a, t)],
            vec![Input::Op(Op::LoadCellAt { d: a, cell: 0 }), alu(SUB, t, t, a)],
        ),
        // The value goes to memory across a load that may trap, because a trap loses the stack.
        (
            vec![Rule::StoreOtherLoad],
            vec![store(t, x), load_cell(t, t, 0), load(a, x)],
            vec![mov(a, t), load_cell(t, t, 0)],
        ),
        (
            vec![Rule::StoreOtherLoad],
            vec![store(t, x), keep(t, y), load_cell(t, t, 0), load(a, x)],
            vec![mov(a, t), keep(t, y), load_cell(t, t, 0)],
        ),
        // The load from memory overwrites the register.
        (
            vec![Rule::LoadedTop],
            vec![store(t, x), load_cell(a, b, 0), load(a, x)],
            vec![store(t, x), load_cell(a, b, 0), mov(a, t)],
        ),
        // No rule rewrites across a label.
        (
            vec![],
            vec![store(t, x), Input::Op(Op::Label(to)), load(a, x)],
            vec![store(t, x), Input::Op(Op::Label(to)), load(a, x)],
        ),
    ]
}

#[test]
fn rules_rewrite_their_windows() {
    fn check<I: Isa>() {
        for (rules, before, after) in table::<I>() {
            assert_eq!(rewritten::<I>(&before), (ops(&after), rules), "of {before:?}");
        }
    }
    check::<aarch64::Emitter>();
    check::<x86_64::Emitter>();
}

/// Windows that differ from a rule's pattern in one point.
fn near_misses<I: Isa>() -> Vec<Vec<Input>> {
    let &[t, a, b, ..] = I::ALLOCATABLE else { unreachable!("every instruction set has three registers") };
    let (x, y, to) = (Slot(0), Slot(1), Label(0));
    let load = Input::LastLoad;
    let keep = |d, slot| Input::Op(Op::Load { d, slot });
    let store = |s, slot| Input::Op(Op::Store { s, slot });
    let constant = |d| Input::Op(Op::Constant { d, value: 5 });
    let alu = |d, a, b| Input::Op(Op::Alu { op: SUB, d, a, b });
    let imm = |d, a| Input::Op(Op::AluImm { op: ADD, d, a, imm: 1 });
    let set = |d, a, b| Input::Op(Op::Set { cond: Cond::Lt, d, a, b });
    let set_imm = |d, a| Input::Op(Op::SetImm { cond: Cond::Lt, d, a, imm: 5 });
    let zero = |a| Input::Op(Op::BranchImm { cond: Cond::Eq, a, imm: 0, to });
    let load_cell = |d, a| Input::Op(Op::LoadCell { d, a, site: Site(0), offset: 0 });
    let store_cell = |s, a| Input::Op(Op::StoreCell { s, a, site: Site(0), offset: 0 });
    vec![
        // An address that remains live, that is the first operand, or that is overwritten by the load.
        vec![imm(t, t), load_cell(a, t)],
        vec![constant(t), Input::Op(Op::Alu { op: ADD, d: a, a: b, b: t }), load_cell(a, a)],
        vec![imm(b, a), load(a, x), store_cell(a, b)],
        vec![imm(t, t), load(a, x), store_cell(b, t)],
        // The slot is needed again, or an operation in between reads or writes the register.
        vec![store(t, x), load_cell(t, t), keep(a, x)],
        vec![store(t, x), constant(t), load_cell(t, t), keep(a, x)],
        vec![store(t, x), alu(t, a, b), load_cell(t, t), load(a, x)],
        vec![store(t, x), constant(a), load_cell(t, a), load(a, x)],
        vec![store(t, x), keep(a, y)],
        vec![store(t, x), keep(t, y)],
        vec![load(b, y), store(b, x), keep(a, x)],
        vec![store(a, x), Input::Op(Op::Move { d: b, s: a }), load(a, x), alu(a, a, t)],
        vec![constant(b), load(a, x), alu(a, b, a)],
        vec![constant(b), load(a, x), alu(a, a, t)],
        vec![constant(b), load(a, x), alu(t, t, b)],
        vec![constant(t), load(a, x), alu(a, a, t)],
        vec![constant(t), alu(a, a, t)],
        vec![Input::Op(Op::Move { d: a, s: t }), load(t, x), alu(t, b, t)],
        vec![Input::Op(Op::Move { d: t, s: a }), imm(b, t)],
        // Another flag, and a flag that remains live.
        vec![set(a, a, b), zero(b)],
        vec![set(t, a, b), zero(t)],
        vec![set_imm(a, a), zero(b)],
        vec![set_imm(t, a), zero(t)],
        vec![set(a, a, b), load(t, x), zero(b)],
        vec![set(t, a, b), load(a, x), zero(t)],
        vec![set_imm(a, a), load(t, x), zero(b)],
        vec![set_imm(t, a), load(b, x), zero(t)],
    ]
}

#[test]
fn near_misses_are_not_rewritten() {
    fn check<I: Isa>() {
        for window in near_misses::<I>() {
            assert_eq!(rewritten::<I>(&window), (ops(&window), vec![]));
        }
    }
    check::<aarch64::Emitter>();
    check::<x86_64::Emitter>();
}

#[test]
fn every_rule_has_a_row() {
    let tested: Vec<_> = table::<x86_64::Emitter>().into_iter().flat_map(|(rules, ..)| rules).collect();
    for rule in Rule::ALL {
        assert!(tested.contains(rule), "{}", rule.name());
    }
}

#[test]
fn constants_become_immediates_only_if_they_fit() {
    let before = |value| {
        let (a, b) = (Reg(1), Reg(2));
        [Op::Constant { d: b, value }, Op::Alu { op: ADD, d: a, a, b }]
    };
    assert_eq!(rewritten::<aarch64::Emitter>(&before(4095)).0.len(), 1);
    assert_eq!(rewritten::<aarch64::Emitter>(&before(4097)).0.len(), 2);
    assert_eq!(rewritten::<x86_64::Emitter>(&before(4097)).0.len(), 1);
    assert_eq!(rewritten::<x86_64::Emitter>(&before(1 << 31)).0.len(), 2);
}
