//! The intermediate representation: functions of basic blocks, in static single assignment form.
//!
//! Each instruction defines at most one value, which has the number of the instruction. Blocks have parameters in place of phi
//! functions: every edge to a block passes one argument for each. Blocks are laid out in the order of the source, so an edge
//! to an earlier block is a back edge, and the blocks of a loop follow each other without gaps.
//!
//! Only a jump passes arguments. The targets of a branch have one predecessor and no parameters, so there are no critical edges.

use crate::bytecode::FunctionId;
use crate::lir::{AluOp, Cond, DivOp, FrameSlot, UnaryOp};

/// A value: the result of the instruction with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub u32);

impl Value {
    /// The number as an index.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A basic block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Block(pub u32);

impl Block {
    /// The number as an index.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The greatest number of parameters, and of results, that a call passes in registers. The others are in their slots.
pub const PASSED: usize = 4;

/// At most [`PASSED`] values. The first is the topmost one of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Passed {
    values: [Value; PASSED],
    count: u8,
}

impl Passed {
    /// These values.
    ///
    /// # Panics
    /// If there are too many.
    pub fn new(values: &[Value]) -> Passed {
        let mut passed = Passed { values: [Value(0); PASSED], count: values.len() as u8 };
        passed.values[..values.len()].copy_from_slice(values);
        passed
    }

    /// The values.
    pub fn values(&self) -> &[Value] {
        &self.values[..self.count.into()]
    }

    /// The values, to be replaced.
    pub fn values_mut(&mut self) -> &mut [Value] {
        &mut self.values[..self.count.into()]
    }
}

/// An array: consecutive memory cells, which exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Array {
    /// The number of its first cell.
    pub first: u32,
    /// The number of its cells.
    pub count: u32,
}

impl Array {
    /// The cell of the element with this index, if there is such an element.
    pub fn cell(&self, index: i64) -> Option<u32> {
        u32::try_from(index).ok().filter(|index| *index < self.count).map(|index| self.first + index)
    }
}

/// What an instruction does. Slots are distances from the data-stack pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant says what its fields do")]
pub enum Op {
    /// A parameter of a block, which has it in its list of parameters and not among its instructions.
    Param,
    /// A constant.
    Constant(i64),
    /// `a op b`.
    Alu(AluOp, Value, Value),
    /// `a op imm`.
    AluImm(AluOp, Value, i64),
    /// `op a`.
    Unary(UnaryOp, Value),
    /// 1 if the comparison holds, else 0.
    Set(Cond, Value, Value),
    /// 1 if the comparison with the constant holds, else 0.
    SetImm(Cond, Value, i64),
    /// `a op b`. Traps if `b` is zero.
    Divide(DivOp, Value, Value),
    /// `a op imm`; `imm` is not zero.
    DivideImm(DivOp, Value, i64),
    /// `a * b + c`, or `c - a * b` if it subtracts.
    MulAdd { a: Value, b: Value, c: Value, subtracts: bool },
    /// `a op (b shift amount)`. `shift` is a shift, and `amount` is from 1 to 63.
    AluShifted { op: AluOp, a: Value, b: Value, shift: AluOp, amount: u8 },
    /// The memory cell with the number `address + offset`, a wrapping sum. Traps if there is no such cell.
    LoadCell { address: Value, offset: i64 },
    /// The memory cell with this number, which exists.
    LoadCellAt { cell: u32 },
    /// Sets the memory cell with the number `address + offset`. Traps if there is no such cell.
    StoreCell { value: Value, address: Value, offset: i64 },
    /// Sets the memory cell with this number, which exists.
    StoreCellAt { value: Value, cell: u32 },
    /// The element of an array with this index. Traps if there is no such element.
    LoadElement { index: Value, array: Array },
    /// Sets the element of an array with this index. Traps if there is no such element.
    StoreElement { value: Value, index: Value, array: Array },
    /// The value in a slot of the data stack.
    LoadSlot(i64),
    /// Sets a slot of the data stack.
    StoreSlot { value: Value, slot: i64 },
    /// Takes a unit of fuel; traps if there is none.
    Fuel,
    /// Traps if the slot is below the base of the function. `height` is the number of values above the data-stack pointer.
    Need { slot: i64, height: i64 },
    /// Traps if there is no room for the values below this slot.
    Room { slot: i64, height: i64 },
    /// Takes a unit of call depth; traps if there is none.
    TakeDepth,
    /// Gives a unit of call depth back.
    GiveDepth,
    /// Moves the data-stack pointer up by this many slots, or down if negative.
    MovePointer(i64),
    /// Calls a function. The topmost parameters are passed in registers, the others are in their slots. The data-stack pointer is
    /// the function's base.
    Call { function: FunctionId, args: Passed },
    /// The parameter that the caller passed in the register with this number. Only at the start of the first block.
    Argument(u8),
    /// The result that the call before passed in the register with this number. Only directly after a call.
    CallResult(u8),
    /// Copies a value to its frame slot. The allocator inserts it.
    Spill { value: Value, slot: FrameSlot },
    /// The value of a frame slot. The allocator inserts it.
    Reload(FrameSlot),
}

impl Op {
    /// Passes each operand to `each`, which may replace it.
    #[inline]
    pub fn for_each_operand(&mut self, mut each: impl FnMut(&mut Value)) {
        match self {
            Op::Alu(_, a, b) | Op::Set(_, a, b) | Op::Divide(_, a, b) => {
                each(a);
                each(b);
            }
            Op::AluImm(_, a, _) | Op::Unary(_, a) | Op::SetImm(_, a, _) | Op::DivideImm(_, a, _) => each(a),
            Op::MulAdd { a, b, c, .. } => {
                each(a);
                each(b);
                each(c);
            }
            Op::AluShifted { a, b, .. } => {
                each(a);
                each(b);
            }
            Op::LoadCell { address, .. } | Op::LoadElement { index: address, .. } => each(address),
            Op::StoreCell { value, address, .. } | Op::StoreElement { value, index: address, .. } => {
                each(value);
                each(address);
            }
            Op::StoreCellAt { value, .. } | Op::StoreSlot { value, .. } | Op::Spill { value, .. } => each(value),
            Op::Call { args, .. } => args.values_mut().iter_mut().for_each(each),
            Op::Param
            | Op::Constant(_)
            | Op::LoadCellAt { .. }
            | Op::LoadSlot(_)
            | Op::Fuel
            | Op::Need { .. }
            | Op::Room { .. }
            | Op::TakeDepth
            | Op::GiveDepth
            | Op::MovePointer(_)
            | Op::Argument(_)
            | Op::CallResult(_)
            | Op::Reload(_) => {}
        }
    }

    /// What the instruction may do besides defining its value.
    #[inline]
    pub fn effect(&self) -> Effect {
        match self {
            Op::Param
            | Op::Constant(_)
            | Op::Alu(..)
            | Op::AluImm(..)
            | Op::Unary(..)
            | Op::Set(..)
            | Op::SetImm(..)
            | Op::DivideImm(..)
            | Op::MulAdd { .. }
            | Op::AluShifted { .. } => Effect::None,
            Op::LoadSlot(_) | Op::LoadCellAt { .. } | Op::Reload(_) | Op::Argument(_) | Op::CallResult(_) => {
                Effect::Reads
            }
            Op::Divide(..) | Op::LoadCell { .. } | Op::LoadElement { .. } => Effect::Traps,
            Op::StoreCell { .. }
            | Op::StoreCellAt { .. }
            | Op::StoreElement { .. }
            | Op::StoreSlot { .. }
            | Op::Fuel
            | Op::Need { .. }
            | Op::Room { .. }
            | Op::TakeDepth
            | Op::GiveDepth
            | Op::MovePointer(_)
            | Op::Call { .. }
            | Op::Spill { .. } => Effect::Changes,
        }
    }

    /// Whether the instruction defines a value.
    #[inline]
    pub fn defines(&self) -> bool {
        self.effect() != Effect::Changes
    }
}

/// What an instruction may do besides defining its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing: its value depends only on its operands.
    None,
    /// It reads what other instructions may change.
    Reads,
    /// It may trap, and may read memory.
    Traps,
    /// It changes memory, the data-stack pointer, fuel or depth, and may trap. It defines no value.
    Changes,
}

/// An instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inst {
    /// What it does.
    pub op: Op,
    /// The bytecode operation that it was made for.
    pub pc: u32,
}

/// A jump to a block, with an argument for each of its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The block.
    pub to: Block,
    /// The arguments.
    pub args: Vec<Value>,
}

/// How a block ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant says what its fields do")]
pub enum End {
    /// The block is not complete. Only while the function is being built.
    Open,
    /// Jumps.
    Jump(Edge),
    /// Branches to `then` if the comparison holds, else to `other`.
    Branch { cond: Cond, a: Value, b: Value, then: Block, other: Block },
    /// Branches to `then` if the comparison with the constant holds, else to `other`.
    BranchImm { cond: Cond, a: Value, imm: i64, then: Block, other: Block },
    /// Branches to `then` if `a & mask` is zero, else to `other`; the other way round if `is_zero` is false.
    BranchMask { a: Value, mask: i64, is_zero: bool, then: Block, other: Block },
    /// Ends the main program. The slot is the first one after the topmost value.
    Return { end: i64 },
    /// Ends a function. The topmost results are passed in registers, the others are in their slots.
    EndCall { results: Passed },
}

impl End {
    /// The blocks that may follow.
    pub fn successors(&self) -> impl Iterator<Item = Block> + use<> {
        let (first, second) = match self {
            End::Jump(edge) => (Some(edge.to), None),
            End::Branch { then, other, .. }
            | End::BranchImm { then, other, .. }
            | End::BranchMask { then, other, .. } => (Some(*then), Some(*other)),
            End::Open | End::Return { .. } | End::EndCall { .. } => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// Passes each value that a branch compares to `each`, which may replace it.
    #[inline]
    pub fn for_each_operand(&mut self, mut each: impl FnMut(&mut Value)) {
        match self {
            End::Branch { a, b, .. } => {
                each(a);
                each(b);
            }
            End::BranchImm { a, .. } | End::BranchMask { a, .. } => each(a),
            End::Open | End::Jump(_) | End::Return { .. } | End::EndCall { .. } => {}
        }
    }

    /// The values that a branch compares.
    #[inline]
    pub fn operands(&self) -> impl Iterator<Item = Value> + use<> {
        let (first, second) = match self {
            End::Branch { a, b, .. } => (Some(*a), Some(*b)),
            End::BranchImm { a, .. } | End::BranchMask { a, .. } => (Some(*a), None),
            End::Open | End::Jump(_) | End::Return { .. } | End::EndCall { .. } => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// The values that it passes to a block or to the caller.
    #[inline]
    pub fn passed_mut(&mut self) -> &mut [Value] {
        match self {
            End::Jump(edge) => &mut edge.args,
            End::EndCall { results } => results.values_mut(),
            End::Open | End::Return { .. } | End::Branch { .. } | End::BranchImm { .. } | End::BranchMask { .. } => {
                &mut []
            }
        }
    }

    /// The values that it passes to a block or to the caller.
    #[inline]
    pub fn passed(&self) -> &[Value] {
        match self {
            End::Jump(edge) => &edge.args,
            End::EndCall { results } => results.values(),
            End::Open | End::Return { .. } | End::Branch { .. } | End::BranchImm { .. } | End::BranchMask { .. } => &[],
        }
    }
}

/// The contents of a basic block.
#[derive(Clone, Debug)]
pub struct BlockData {
    /// Its parameters.
    pub params: Vec<Value>,
    /// Its instructions.
    pub insts: Vec<Value>,
    /// How it ends.
    pub end: End,
    /// The bytecode operation that its end was made for.
    pub end_pc: u32,
    /// Whether it is the header of a loop that contains no other loop.
    pub is_innermost_header: bool,
}

/// A function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its number.
    pub id: FunctionId,
    /// Its instructions and parameters, by value.
    pub insts: Vec<Inst>,
    /// Its blocks.
    pub blocks: Vec<BlockData>,
    /// Its reachable blocks in the order of the code. The first one is the entry.
    pub layout: Vec<Block>,
    /// Whether it has a call.
    pub has_calls: bool,
    /// Whether it has [`Op::Need`] and is not the main program. Then it keeps its base in a frame slot.
    pub has_base: bool,
}

impl Function {
    /// The operation that defines a value.
    #[inline]
    pub fn op(&self, value: Value) -> &Op {
        &self.insts[value.index()].op
    }

    /// The block with a number.
    #[inline]
    pub fn block(&self, block: Block) -> &BlockData {
        &self.blocks[block.index()]
    }

    /// The block with a number, to be changed.
    #[inline]
    pub fn block_mut(&mut self, block: Block) -> &mut BlockData {
        &mut self.blocks[block.index()]
    }

    /// Adds an instruction that is in no block yet.
    pub fn add(&mut self, op: Op, pc: u32) -> Value {
        self.insts.push(Inst { op, pc });
        Value(self.insts.len() as u32 - 1)
    }

    /// The value of a constant.
    #[inline]
    pub fn constant(&self, value: Value) -> Option<i64> {
        match self.op(value) {
            Op::Constant(value) => Some(*value),
            _ => None,
        }
    }

    /// The index of each block in the layout, or `usize::MAX` if it is not there.
    pub fn positions(&self) -> Vec<usize> {
        let mut positions = vec![usize::MAX; self.blocks.len()];
        for (index, block) in self.layout.iter().enumerate() {
            positions[block.index()] = index;
        }
        positions
    }

    /// For each block, the blocks that jump to it.
    pub fn jumps_to(&self) -> Vec<Vec<Block>> {
        let mut jumps = vec![Vec::new(); self.blocks.len()];
        for &block in &self.layout {
            if let End::Jump(edge) = &self.block(block).end {
                jumps[edge.to.index()].push(block);
            }
        }
        jumps
    }

    /// The number of the uses of each value: as operands, and as what edges and returns pass.
    pub fn use_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.insts.len()];
        for &block in &self.layout {
            let data = self.block(block);
            for value in &data.insts {
                let mut op = *self.op(*value);
                op.for_each_operand(|operand| counts[operand.index()] += 1);
            }
            data.end.operands().for_each(|operand| counts[operand.index()] += 1);
            data.end.passed().iter().for_each(|operand| counts[operand.index()] += 1);
        }
        counts
    }

    /// The number of the predecessors of each block.
    pub fn predecessor_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.blocks.len()];
        for &block in &self.layout {
            self.block(block).end.successors().for_each(|next| counts[next.index()] += 1);
        }
        counts
    }

    /// Removes the blocks that cannot be reached from the layout.
    pub fn remove_unreachable(&mut self) {
        let mut is_reached = vec![false; self.blocks.len()];
        let mut open = vec![self.layout[0]];
        is_reached[self.layout[0].index()] = true;
        while let Some(block) = open.pop() {
            for next in self.block(block).end.successors() {
                if !std::mem::replace(&mut is_reached[next.index()], true) {
                    open.push(next);
                }
            }
        }
        self.layout.retain(|block| is_reached[block.index()]);
    }
}
