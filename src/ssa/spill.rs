//! Spilling: gives values a home outside of registers, and copies them to registers where instructions need them.
//!
//! A value that is live across a call has a frame slot as its home, because calls clobber all registers, and so has a value for
//! which there is no register. It is stored once, where it is defined. A constant needs no slot: it is its own home.

use rustc_hash::FxHashMap;

use super::ir::{Block, End, Function, Op, Value};
use super::liveness::{Loop, blocks_of, loops};
use crate::lir::FrameSlot;

/// Where a value is besides in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Home {
    /// Nowhere.
    None,
    /// In a frame slot.
    Slot(FrameSlot),
    /// It is this constant.
    Constant(i64),
}

/// The homes of values, and what is known about copies of them.
pub struct Homes {
    /// By value.
    pub of: Vec<Home>,
    /// Whether a value is in a register only between two instructions, so that spilling it, or spilling it again, would be of no use.
    pub is_short: Vec<bool>,
    /// The number of frame slots so far.
    pub slots: u32,
}

impl Homes {
    /// The homes of a function before any value is spilled. The first `slots` frame slots are not available.
    pub fn of(function: &Function, slots: u32) -> Homes {
        let home = |inst: &super::ir::Inst| match inst.op {
            Op::Constant(value) => Home::Constant(value),
            _ => Home::None,
        };
        let count = function.insts.len();
        Homes { of: function.insts.iter().map(home).collect(), is_short: vec![false; count], slots }
    }

    /// Gives a value a frame slot of its own.
    pub fn spill(&mut self, value: Value) {
        self.of[value.index()] = Home::Slot(FrameSlot(self.slots));
        // From its definition to the store.
        self.is_short[value.index()] = true;
        self.slots += 1;
    }

    /// Adds an instruction that defines a value without a home.
    fn add(&mut self, function: &mut Function, op: Op, pc: u32, is_short: bool) -> Value {
        self.of.push(Home::None);
        self.is_short.push(is_short);
        function.add(op, pc)
    }

    /// Adds an instruction that copies a value from its home to a register.
    fn copy(&mut self, function: &mut Function, value: Value, pc: u32, is_short: bool) -> Value {
        let op = match self.of[value.index()] {
            Home::Slot(slot) => Op::Reload(slot),
            Home::Constant(value) => Op::Constant(value),
            Home::None => unreachable!("only a value with a home is copied"),
        };
        self.add(function, op, pc, is_short)
    }
}

/// The greatest number of instructions between a copy and a use that shares it.
const SHARED: usize = 32;

/// Inserts copies of the values that have a home before the first round of the allocation: constants, and values that are live across
/// calls. A copy is shared by the uses in a block up to the next call. One that is used in a loop without calls is made before
/// the loop.
pub fn insert_copies(function: &mut Function, homes: &mut Homes) {
    let loops = loops(function);
    let blocks = blocks_of(function);
    let position = function.positions();
    let has_call =
        |block: &Block| function.block(*block).insts.iter().any(|value| matches!(function.op(*value), Op::Call { .. }));
    let calls: Vec<usize> = (0..function.layout.len()).filter(|index| has_call(&function.layout[*index])).collect();
    let is_free = |Loop { first, last }: &Loop| {
        let next = calls.partition_point(|index| index < first);
        calls.get(next).is_none_or(|index| index > last)
    };
    // Outer loops come first, so a copy is made before the outermost one.
    let free: Vec<Loop> = loops.iter().copied().filter(is_free).collect();
    let preheaders = preheaders(function, &position);
    // The copies before loops. No two values have the same home, except equal constants.
    let mut hoisted: FxHashMap<(Home, usize), Value> = FxHashMap::default();
    let mut open: Vec<Loop> = Vec::new();
    let mut next_loop = free.iter().peekable();
    for index in 0..function.layout.len() {
        let block = function.layout[index];
        open.retain(|open| open.last >= index);
        while let Some(begun) = next_loop.next_if(|next| next.first == index) {
            open.push(*begun);
        }
        let insts = std::mem::take(&mut function.block_mut(block).insts);
        let mut rewritten: Vec<Value> = Vec::with_capacity(insts.len());
        // Copies in this block, each with the number of instructions before it.
        let mut available: FxHashMap<Value, (Value, usize)> = FxHashMap::default();
        let mut end = function.block(block).end.clone();
        let end_pc = function.block(block).end_pc;
        for value in insts.into_iter().map(Some).chain([None]) {
            let mut op = value.map(|value| *function.op(value));
            let pc = value.map_or(end_pc, |value| function.insts[value.index()].pc);
            let mut need = |function: &mut Function, operand: &mut Value| {
                let home = homes.of[operand.index()];
                if home == Home::None {
                    return;
                }
                if let Some((copy, at)) = available.get(operand)
                    && rewritten.len() - at <= SHARED
                {
                    *operand = *copy;
                    return;
                }
                let defined = blocks[operand.index()].map_or(usize::MAX, |block| position[block.index()]);
                let is_outside =
                    |open: &&Loop| matches!(home, Home::Constant(_)) || !(open.first..=open.last).contains(&defined);
                let copy = match open.iter().find(is_outside).and_then(|open| Some((open, preheaders[open.first]?))) {
                    Some((open, preheader)) => *hoisted.entry((home, open.first)).or_insert_with(|| {
                        let pc = function.block(preheader).end_pc;
                        let copy = homes.copy(function, *operand, pc, false);
                        function.block_mut(preheader).insts.push(copy);
                        copy
                    }),
                    None => {
                        let copy = homes.copy(function, *operand, pc, false);
                        available.insert(*operand, (copy, rewritten.len()));
                        rewritten.push(copy);
                        copy
                    }
                };
                *operand = copy;
            };
            match &mut op {
                // Arguments are passed from their homes.
                Some(Op::Call { .. }) => available.clear(),
                Some(op) => op.for_each_operand(|operand| need(function, operand)),
                None => end.for_each_operand(|operand| need(function, operand)),
            }
            let (Some(value), Some(op)) = (value, op) else { continue };
            function.insts[value.index()].op = op;
            // The allocator loads constants where they are needed.
            if matches!(op, Op::Constant(_)) {
                continue;
            }
            rewritten.push(value);
            if let Home::Slot(_) = homes.of[value.index()] {
                available.insert(value, (value, rewritten.len()));
            }
        }
        let data = function.block_mut(block);
        data.end = end;
        // Copies for loops that this block leads to have been appended already.
        rewritten.append(&mut data.insts);
        data.insts = rewritten;
    }
    store_at_definitions(function, homes, |_| true);
}

/// For each header of a loop, by its index in the layout: the block that jumps to it from outside of the loop.
fn preheaders(function: &Function, position: &[usize]) -> Vec<Option<Block>> {
    let mut preheaders = vec![None; function.layout.len()];
    for (index, &block) in function.layout.iter().enumerate() {
        if let End::Jump(edge) = &function.block(block).end
            && position[edge.to.index()] > index
        {
            preheaders[position[edge.to.index()]].get_or_insert(block);
        }
    }
    preheaders
}

/// Inserts a copy before each instruction that needs one of the values that were just spilled, and removes copies that are spilled
/// themselves.
pub fn insert_short_copies(function: &mut Function, homes: &mut Homes, is_spilled: &[bool]) {
    let is_spilled = |value: Value| is_spilled.get(value.index()).copied().unwrap_or(false);
    for index in 0..function.layout.len() {
        let block = function.layout[index];
        let insts = std::mem::take(&mut function.block_mut(block).insts);
        let mut rewritten = Vec::with_capacity(insts.len());
        let mut end = function.block(block).end.clone();
        for value in insts {
            let mut op = *function.op(value);
            let pc = function.insts[value.index()].pc;
            if is_spilled(value) && matches!(op, Op::Reload(_) | Op::Constant(_)) {
                continue;
            }
            if !matches!(op, Op::Call { .. } | Op::Spill { .. }) {
                replace(function, homes, &is_spilled, pc, &mut rewritten, |each| op.for_each_operand(each));
                function.insts[value.index()].op = op;
            }
            rewritten.push(value);
        }
        let pc = function.block(block).end_pc;
        replace(function, homes, &is_spilled, pc, &mut rewritten, |each| end.for_each_operand(each));
        let data = function.block_mut(block);
        data.end = end;
        data.insts = rewritten;
    }
    store_at_definitions(function, homes, is_spilled);
}

/// Replaces the operands that are spilled by copies, one for each value.
fn replace(
    function: &mut Function,
    homes: &mut Homes,
    is_spilled: &impl Fn(Value) -> bool,
    pc: u32,
    rewritten: &mut Vec<Value>,
    operands: impl FnOnce(&mut dyn FnMut(&mut Value)),
) {
    let mut copies: Vec<(Value, Value)> = Vec::new();
    operands(&mut |operand| {
        if !is_spilled(*operand) {
            return;
        }
        let known = copies.iter().find(|(of, _)| of == operand).map(|(_, copy)| *copy);
        *operand = known.unwrap_or_else(|| {
            let copy = homes.copy(function, *operand, pc, true);
            copies.push((*operand, copy));
            rewritten.push(copy);
            copy
        });
    });
}

/// Stores spilled values in their slots right after their definitions. Parameters are stored by the edges to their block.
fn store_at_definitions(function: &mut Function, homes: &mut Homes, is_spilled: impl Fn(Value) -> bool) {
    for index in 0..function.layout.len() {
        let block = function.layout[index];
        let insts = &function.block(block).insts;
        let needs_store = |value: &Value, homes: &Homes, function: &Function| {
            matches!(homes.of[value.index()], Home::Slot(_))
                && is_spilled(*value)
                && function.op(*value).defines()
                && !matches!(function.op(*value), Op::Reload(_))
        };
        if !insts.iter().any(|value| needs_store(value, homes, function)) {
            continue;
        }
        let insts = std::mem::take(&mut function.block_mut(block).insts);
        let mut rewritten = Vec::with_capacity(insts.len() + 1);
        // All values that a call or the caller passes are in registers at once, so none is stored before the last of them.
        let mut waiting: Vec<Value> = Vec::new();
        for value in insts {
            let is_passed = matches!(function.op(value), Op::Argument(_) | Op::CallResult(_));
            if !is_passed {
                rewritten.append(&mut waiting);
            }
            rewritten.push(value);
            if needs_store(&value, homes, function)
                && let Home::Slot(slot) = homes.of[value.index()]
            {
                let pc = function.insts[value.index()].pc;
                let store = homes.add(function, Op::Spill { value, slot }, pc, false);
                if is_passed { waiting.push(store) } else { rewritten.push(store) }
            }
        }
        rewritten.append(&mut waiting);
        function.block_mut(block).insts = rewritten;
    }
}
