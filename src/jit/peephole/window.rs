//! The window of the peephole pass: the operations that the pass holds back, and facts about each. It knows no rule.
//!
//! The pass takes most of the compile time. So the window is an array, from which many operations are emitted at a
//! time, and the facts that rules need most often are computed once, when an operation is pushed.

use std::marker::PhantomData;
use std::ops::Range;

use super::super::contract::Roles;
use crate::isa::Isa;
use crate::lir::{Clobbers, Op, Operands, Reg, Sink, Slot};

/// The number of operations before the current one that rules examine.
pub(super) const BEFORE: usize = 3;

/// The greatest number of held operations.
const HELD: usize = 32;

/// How many operations stay when the window is full. These suffice for the rules, even after several of them have
/// fired.
const KEPT: usize = 3 * BEFORE;

/// Stands for no bytecode operation.
pub(super) const NO_PC: u32 = u32::MAX;

/// Stands for no register.
const NO_REGISTER: Reg = Reg(u8::MAX);

/// Stands for no slot.
pub(super) const NO_SLOT: Slot = Slot(i64::MIN);

/// Stands for no operation. No rule matches it. The window always begins with [`BEFORE`] of these, so rules need not
/// test how many operations are held.
const NOTHING: Op = Op::MovePointer { slots: 0 };

/// Operations on their way to a sink.
#[derive(Debug)]
pub(in crate::jit) struct Window<I, S> {
    pub sink: S,
    pub held: [Op; HELD],
    facts: [Facts; HELD],
    /// For each load, whether the slot is dead after it. Not set for other operations.
    pub last_loads: [bool; HELD],
    pub len: usize,
    /// How many stores were skipped because their slot already held the value of the top.
    pub skipped_stores: u32,
    isa: PhantomData<I>,
}

/// Facts about a held operation.
#[derive(Clone, Copy, Debug)]
pub(in crate::jit) struct Facts {
    /// The slot that holds the same value as the register of the top after the operation.
    top: Slot,
    /// The bytecode operation that it was made for.
    pub pc: u32,
    /// The register that it writes, if it does nothing else.
    pub defined: Reg,
    /// The registers that it reads.
    pub read: [Reg; 2],
}

impl Facts {
    /// The facts about [`NOTHING`].
    const NONE: Facts = Facts { top: NO_SLOT, pc: NO_PC, defined: NO_REGISTER, read: [NO_REGISTER; 2] };

    #[inline(always)]
    fn of(pc: u32, op: Op, top: Slot) -> Facts {
        let Operands { written, read } = op.operands();
        let defined = written.filter(|_| op.is_pure()).unwrap_or(NO_REGISTER);
        let [first, second, third] = read;
        debug_assert!(third.is_none(), "the window holds no operation with three operands");
        let read = [first, second].map(|reg| reg.unwrap_or(NO_REGISTER));
        Facts { top, pc, defined, read }
    }

    /// Whether the operation only writes a register.
    #[inline(always)]
    pub fn is_pure(&self) -> bool {
        self.defined != NO_REGISTER
    }

    /// Whether the operation reads a register.
    #[inline(always)]
    pub fn reads(&self, reg: Reg) -> bool {
        self.read[0] == reg || self.read[1] == reg
    }
}

impl<I: Isa, S: Sink> Window<I, S> {
    /// An empty window in front of a sink.
    pub fn new(sink: S) -> Window<I, S> {
        Window {
            sink,
            held: [NOTHING; HELD],
            facts: [Facts::NONE; HELD],
            last_loads: [false; HELD],
            len: BEFORE,
            skipped_stores: 0,
            isa: PhantomData,
        }
    }

    /// The index of the next operation. Asserts its range, so that the compiler needs no bounds check for the indices
    /// that a rule uses.
    #[inline(always)]
    fn end(&self) -> usize {
        let end = self.len;
        assert!((BEFORE..HELD).contains(&end), "the window begins with placeholders, and has room for one more");
        end
    }

    /// The operations before the current one.
    #[inline(always)]
    pub fn before(&self) -> &[Op; BEFORE] {
        self.held[..self.end()].last_chunk().expect("the window begins with placeholders")
    }

    /// The facts about the last operation.
    #[inline(always)]
    pub fn last(&self) -> &Facts {
        &self.facts[self.end() - 1]
    }

    /// The facts about an operation. `between` is the number of operations between it and the current one.
    #[inline(always)]
    pub fn facts(&self, between: usize) -> &Facts {
        &self.facts[self.end() - 1 - between]
    }

    /// The bytecode operation that an operation was made for. `between` is the number of operations between it and the
    /// current one.
    #[inline(always)]
    pub fn pc(&self, between: usize) -> u32 {
        self.facts(between).pc
    }

    /// Whether the slot is dead after the last operation, which must be a load.
    #[inline(always)]
    pub fn is_last_load(&self) -> bool {
        self.last_loads[self.end() - 1]
    }

    /// Whether the last operation only writes this register.
    #[inline(always)]
    pub fn has_just_defined(&self, d: Reg) -> bool {
        self.last().defined == d
    }

    /// Whether the register of the top and this slot hold the same value.
    #[inline(always)]
    pub fn top_is_in(&self, slot: Slot) -> bool {
        self.last().top == slot
    }

    /// Holds a load. With `last`, the slot is dead after it.
    #[inline(always)]
    pub fn push_load(&mut self, pc: u32, d: Reg, slot: Slot, last: bool) {
        let end = self.end();
        self.last_loads[end] = last;
        self.push_at(end, pc, Op::Load { d, slot });
    }

    /// Holds an operation other than a load. A branch is emitted with everything before it.
    #[inline(always)]
    pub fn push(&mut self, pc: u32, op: Op) {
        self.push_at(self.end(), pc, op);
    }

    #[inline(always)]
    fn push_at(&mut self, end: usize, pc: u32, op: Op) {
        let top = top_after::<I>(op, self.facts[end - 1].top);
        self.held[end] = op;
        self.facts[end] = Facts::of(pc, op, top);
        self.len = end + 1;
        // These are tail calls, so no registers have to be saved.
        if matches!(op, Op::Branch { .. } | Op::BranchImm { .. }) {
            // If the branch is not taken, the registers are unchanged.
            self.release(top);
        } else if end + 1 == HELD {
            self.make_room();
        }
    }

    /// Removes the last operations.
    #[inline(always)]
    pub fn remove(&mut self, count: usize) {
        self.len -= count;
    }

    /// Passes an operation to the sink.
    #[inline(always)]
    pub fn emit(&mut self, pc: u32, op: Op) {
        if pc != NO_PC {
            self.sink.at(pc);
        }
        self.sink.put(op);
    }

    #[inline(always)]
    fn emit_held(&mut self, range: Range<usize>) {
        for index in range {
            match self.held[index] {
                // Not removed earlier: while the store is held, rules can use it for a load of its slot.
                Op::Store { s, slot } if s == I::TOP && slot == self.facts[index - 1].top => self.skipped_stores += 1,
                op => self.emit(self.facts[index].pc, op),
            }
        }
    }

    /// Emits the oldest operations.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self) {
        const EMITTED: usize = HELD - KEPT;
        let top = self.facts[EMITTED - 1].top;
        self.emit_held(BEFORE..EMITTED);
        self.held.copy_within(EMITTED.., BEFORE);
        self.facts.copy_within(EMITTED.., BEFORE);
        self.last_loads.copy_within(EMITTED.., BEFORE);
        self.set_initial_top(top);
        self.len = BEFORE + KEPT;
    }

    /// Emits all operations. `top` is the slot that holds the same value as the register of the top afterwards.
    #[inline(never)]
    pub fn release(&mut self, top: Slot) {
        self.emit_held(BEFORE..self.len);
        self.len = BEFORE;
        self.set_initial_top(top);
    }

    /// Sets the slot that holds the same value as the register of the top before the first operation.
    fn set_initial_top(&mut self, top: Slot) {
        self.facts[BEFORE - 1].top = top;
    }
}

/// The slot that holds the same value as the register of the top after an operation, given the one before it.
#[inline(always)]
fn top_after<I: Isa>(op: Op, before: Slot) -> Slot {
    let top = I::TOP;
    match op {
        Op::Store { s, slot } if s == top => return slot,
        Op::Load { d, slot } if d == top => return slot,
        Op::Store { slot, .. } if slot == before => return NO_SLOT,
        _ => {}
    }
    let clobbers = match op.clobbers() {
        Clobbers::None => &[],
        Clobbers::All => return NO_SLOT,
        Clobbers::Shift => I::SHIFT_CLOBBERS,
        Clobbers::Divide => I::DIVIDE_CLOBBERS,
        Clobbers::DivideImm(imm) => I::divide_imm_clobbers(imm),
    };
    if op.defines() == Some(top) || clobbers.contains(&top) { NO_SLOT } else { before }
}
