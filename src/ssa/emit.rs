//! Emission: turns an allocated function into LIR.
//!
//! After a call, the data-stack pointer stays at the base of the callee until the next call or the end of the block, and so does the
//! unit of call depth. Blocks without code are skipped: branches lead directly to the block after them.

use super::allocate::{Allocation, passed};
use super::ir::{Array, Block, End, Function, Op as Inst, Value};
use super::spill::Home;
use rustc_hash::FxHashMap;

use crate::bytecode::{FunctionId, Pc, TrapSite};
use crate::isa::Isa;
use crate::lir::{AluOp, Cond, FrameSlot, Label, Op, Reg, Site, Slot};
use crate::parallel_moves::{Breaker, Move, Source, Step, resolve};

/// The LIR of a program.
#[derive(Debug, Default)]
pub struct Code {
    /// The operations, each with the bytecode operation that it was made for.
    pub ops: Vec<(u32, Op)>,
    /// The trap sites.
    pub sites: Vec<TrapSite>,
    /// The registers that the code uses, as a bit set.
    pub used: u32,
    labels: u32,
}

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Location {
    Register(Reg),
    Slot(FrameSlot),
    Constant(i64),
}

impl Source for Location {
    fn register(self) -> Option<u8> {
        match self {
            Location::Register(register) => Some(register.0),
            Location::Slot(_) | Location::Constant(_) => None,
        }
    }

    fn with_register(self, register: u8) -> Location {
        Location::Register(Reg(register))
    }

    fn is_in(self, register: u8) -> bool {
        self == Location::Register(Reg(register))
    }
}

/// Appends the LIR of a function to `code`. Returns the number of its frame slots. With `saves_fuel`, the main program hands the fuel
/// back that is left.
pub fn emit<I: Isa>(
    function: &Function,
    allocation: &Allocation,
    pool: &[Reg],
    saves_fuel: bool,
    code: &mut Code,
) -> u32 {
    let first = code.ops.len();
    let mut emission = Emission::new(function, allocation, pool, saves_fuel, code);
    emission.function::<I>();
    let slots = allocation.slots + emission.spare;
    if function.id != FunctionId::MAIN {
        match &mut code.ops[first].1 {
            Op::Function { slots: of, .. } => *of = slots,
            _ => unreachable!("a function begins with its entry"),
        }
    }
    slots
}

/// The blocks of a function that have code, in the order of the code. Each of them begins with the only label in its code.
pub fn blocks(function: &Function, allocation: &Allocation, pool: &[Reg]) -> Vec<Block> {
    Emission::new(function, allocation, pool, false, &mut Code::default()).blocks()
}

struct Emission<'a> {
    function: &'a Function,
    allocation: &'a Allocation,
    /// The registers that the code may use.
    pool: u32,
    saves_fuel: bool,
    /// The labels of the blocks that branches lead to.
    labels: Vec<Option<Label>>,
    code: &'a mut Code,
    pc: u32,
    /// How far the data-stack pointer is above the place where the function expects it, in slots.
    shift: i64,
    /// The units of call depth that are to be given back. The next calls need not take them.
    depth_to_give: u32,
    /// The number of frame slots that parallel moves need.
    spare: u32,
    /// The back edges whose moves are performed before the branch to them, by the block that ends with the branch.
    early: FxHashMap<Block, EarlyMoves>,
    /// The blocks of these back edges.
    is_moved: Vec<bool>,
    /// The blocks on the other path of these branches, with the registers from which moves have moved values, and where they are.
    renamed: FxHashMap<Block, Vec<(Location, Location)>>,
}

/// The moves of a back edge that are performed before the branch, so that the branch leads directly to the header of the loop.
struct EarlyMoves {
    moves: Vec<(Location, Location)>,
    /// The registers that are free there.
    free: u32,
}

impl<'a> Emission<'a> {
    fn new(
        function: &'a Function,
        allocation: &'a Allocation,
        pool: &[Reg],
        saves_fuel: bool,
        code: &'a mut Code,
    ) -> Emission<'a> {
        let mut emission = Emission {
            function,
            allocation,
            pool: pool.iter().fold(0, |bits, register| bits | 1 << register.0),
            saves_fuel,
            labels: vec![None; function.blocks.len()],
            code,
            pc: 0,
            shift: 0,
            depth_to_give: 0,
            spare: 0,
            early: FxHashMap::default(),
            is_moved: vec![false; function.blocks.len()],
            renamed: FxHashMap::default(),
        };
        emission.find_early_moves();
        emission
    }

    /// The blocks that have code. The entry must come first even if it has none.
    fn blocks(&self) -> Vec<Block> {
        self.function.layout.iter().copied().filter(|block| !self.is_empty(*block)).collect()
    }

    fn function<I: Isa>(&mut self) {
        let function = self.function;
        if function.id != FunctionId::MAIN {
            let has_calls = function.has_calls;
            self.pc = function.block(function.layout[0]).end_pc;
            self.put(Op::Function { function: function.id.0, slots: 0, has_calls });
            if function.has_base {
                self.put(Op::SaveBase { base: Slot(0), slot: FrameSlot(0) });
            }
        }
        let blocks = self.blocks();
        for (index, &block) in blocks.iter().enumerate() {
            if function.block(block).is_innermost_header {
                self.put(Op::Align);
            }
            let label = self.label(block);
            self.put(Op::Label(label));
            self.block::<I>(block, blocks.get(index + 1).copied());
        }
    }

    fn put(&mut self, op: Op) {
        if let Some(Reg(register)) = op.operands().written {
            self.code.used |= 1 << register;
        }
        self.code.ops.push((self.pc, op));
    }

    fn site(&mut self, height: i64) -> Site {
        self.code.sites.push(TrapSite { pc: Pc(self.pc), values_above: height - self.shift });
        Site(self.code.sites.len() as u32 - 1)
    }

    fn label(&mut self, block: Block) -> Label {
        *self.labels[block.index()].get_or_insert_with(|| {
            self.code.labels += 1;
            Label(self.code.labels - 1)
        })
    }

    // Places.

    fn register(&self, value: Value) -> Reg {
        let register = self.allocation.registers[value.index()];
        debug_assert_ne!(register, super::allocate::NO_REGISTER, "{value:?} has no register");
        Reg(register)
    }

    /// Where a value is when it is passed.
    fn location(&self, value: Value) -> Location {
        match self.allocation.homes[value.index()] {
            Home::None => Location::Register(self.register(value)),
            Home::Slot(slot) => Location::Slot(slot),
            Home::Constant(value) => Location::Constant(value),
        }
    }

    /// The moves of the edge at the end of a block, without those that have no effect.
    fn edge_moves(&self, block: Block) -> Vec<(Location, Location)> {
        self.placed_on_edge(block).into_iter().filter(|(to, from)| to != from).collect()
    }

    /// Where each parameter of the block that a block jumps to is, and where the argument is after early moves.
    fn placed_on_edge(&self, block: Block) -> Vec<(Location, Location)> {
        if self.is_moved[block.index()] {
            return Vec::new();
        }
        let renamed = self.renamed.get(&block).map_or(&[][..], Vec::as_slice);
        let place = |from: Location| renamed.iter().find(|(old, _)| *old == from).map_or(from, |(_, new)| *new);
        self.passed_on_edge(block).into_iter().map(|(to, from)| (to, place(from))).collect()
    }

    /// Where each parameter of the block that a block jumps to is, and where the argument is.
    fn passed_on_edge(&self, block: Block) -> Vec<(Location, Location)> {
        let End::Jump(edge) = &self.function.block(block).end else { return Vec::new() };
        let params = &self.function.block(edge.to).params;
        params.iter().zip(&edge.args).map(|(param, arg)| (self.location(*param), self.location(*arg))).collect()
    }

    /// Finds the back edges whose moves can be performed before the branch.
    fn find_early_moves(&mut self) {
        let function = self.function;
        let mut is_before = vec![false; function.blocks.len()];
        for &block in &function.layout {
            is_before[block.index()] = true;
            let end = &function.block(block).end;
            let (then, other) = match end {
                End::Branch { then, other, .. }
                | End::BranchImm { then, other, .. }
                | End::BranchMask { then, other, .. } => (*then, *other),
                End::Open | End::Jump(_) | End::Return { .. } | End::EndCall { .. } => continue,
            };
            for (back, exit) in [(then, other), (other, then)] {
                let is_back = matches!(&function.block(back).end, End::Jump(edge) if is_before[edge.to.index()]);
                if is_back && let Some((early, renamed)) = self.early_moves(block, back, exit) {
                    self.early.insert(block, early);
                    self.is_moved[back.index()] = true;
                    self.renamed.insert(exit, renamed);
                    break;
                }
            }
        }
    }

    /// The moves of the back edge `back`, if they can be performed before the branch at the end of `block`, and the values that they
    /// move for the other path, `exit`.
    fn early_moves(&self, block: Block, back: Block, exit: Block) -> Option<(EarlyMoves, Vec<(Location, Location)>)> {
        let bit = |location: Location| location.register().map_or(0, |register| 1_u32 << register);
        let is_slot = |location: &Location| matches!(location, Location::Slot(_));
        let moves = self.edge_moves(back);
        let written = moves.iter().fold(0, |bits, (to, _)| bits | bit(*to));
        let read = moves.iter().fold(0, |bits, (_, from)| bits | bit(*from));
        if moves.is_empty() || moves.iter().any(|(to, from)| is_slot(to) || is_slot(from)) {
            return None;
        }
        if !self.function.block(back).insts.is_empty() || !self.function.block(exit).insts.is_empty() {
            return None;
        }
        let End::Jump(edge) = &self.function.block(exit).end else { return None };
        let mut tested = 0;
        self.function.block(block).end.operands().for_each(|operand| {
            tested |= bit(Location::Register(self.register(operand)));
        });
        let live = self.allocation.live_in[edge.to.index()];
        // A counter may be decremented by the branch itself, so the moves must not read it.
        let data = self.function.block(block);
        let decrements =
            data.insts.last().is_some_and(|last| matches!(self.function.op(*last), Inst::AluImm(AluOp::Add, _, -1)));
        if written & (tested | live) != 0 || decrements && read & tested != 0 {
            return None;
        }
        let mut renamed = Vec::new();
        let mut passed = 0;
        for (_, from) in self.passed_on_edge(exit) {
            passed |= bit(from);
            if bit(from) & written != 0 {
                let (to, _) = moves.iter().find(|(_, moved)| *moved == from)?;
                renamed.push((from, *to));
            }
        }
        let free = self.allocation.free[back.index()] & !(tested | live | passed);
        Some((EarlyMoves { moves, free }, renamed))
    }

    /// Whether a block has no code: it only jumps.
    fn is_empty(&self, block: Block) -> bool {
        let data = self.function.block(block);
        data.insts.is_empty()
            && block != self.function.layout[0]
            && matches!(&data.end, End::Jump(edge) if edge.to != block)
            && self.edge_moves(block).is_empty()
            && !self.is_header_of_empty_loop(block)
    }

    /// Whether following the jumps of empty blocks leads back to the block.
    fn is_header_of_empty_loop(&self, block: Block) -> bool {
        let mut at = block;
        for _ in 0..EMPTY_BLOCKS {
            match &self.function.block(at).end {
                End::Jump(edge) if self.function.block(at).insts.is_empty() => at = edge.to,
                _ => return false,
            }
            if at == block {
                return true;
            }
        }
        true
    }

    /// The first block with code that a jump to this block leads to.
    fn target(&self, mut block: Block) -> Block {
        while self.is_empty(block)
            && let End::Jump(edge) = &self.function.block(block).end
        {
            block = edge.to;
        }
        block
    }

    // Code.

    fn block<I: Isa>(&mut self, block: Block, next: Option<Block>) {
        let function = self.function;
        let data = function.block(block);
        let mut index = 0;
        while let Some(&value) = data.insts.get(index) {
            let inst = &function.insts[value.index()];
            self.pc = inst.pc;
            if matches!(inst.op, Inst::Argument(_) | Inst::CallResult(_)) {
                let is_passed =
                    |value: &&Value| matches!(function.op(**value), Inst::Argument(_) | Inst::CallResult(_));
                let group: Vec<Value> = data.insts[index..].iter().take_while(is_passed).copied().collect();
                index += group.len();
                let from = |value: &Value| match function.op(*value) {
                    Inst::Argument(number) | Inst::CallResult(number) => Location::Register(passed::<I>(*number)),
                    _ => unreachable!("all of the group are passed"),
                };
                let moves = group.iter().map(|value| (Location::Register(self.register(*value)), from(value)));
                self.moves(moves.collect(), self.pool);
                continue;
            }
            index += 1;
            self.inst::<I>(value, inst.op);
        }
        self.pc = data.end_pc;
        self.end::<I>(block, next);
    }

    fn inst<I: Isa>(&mut self, value: Value, inst: Inst) {
        let r = |value: Value| self.register(value);
        let op = match inst {
            Inst::Constant(constant) => Op::Constant { d: r(value), value: constant },
            Inst::Alu(op, a, b) => Op::Alu { d: r(value), a: r(a), b: r(b), op },
            Inst::AluImm(op, a, imm) => Op::AluImm { d: r(value), a: r(a), op, imm },
            Inst::Unary(op, a) => Op::Unary { d: r(value), a: r(a), op },
            Inst::Set(cond, a, b) => Op::Set { d: r(value), a: r(a), b: r(b), cond },
            Inst::SetImm(cond, a, imm) => Op::SetImm { d: r(value), a: r(a), cond, imm },
            Inst::Divide(op, a, b) => {
                let (d, a, b) = (r(value), r(a), r(b));
                Op::Divide { d, a, b, op, site: self.site(0) }
            }
            Inst::DivideImm(op, a, imm) => Op::DivideImm { d: r(value), a: r(a), op, imm },
            Inst::LoadCell { address, offset } => {
                let (d, a) = (r(value), r(address));
                Op::LoadCell { d, a, offset, site: self.site(0) }
            }
            Inst::StoreCell { value, address, offset } => {
                let (s, a) = (r(value), r(address));
                Op::StoreCell { s, a, offset, site: self.site(0) }
            }
            Inst::LoadElement { index, array: Array { first, count } } => {
                let (d, a) = (r(value), r(index));
                Op::LoadElement { d, a, first, count, site: self.site(0) }
            }
            Inst::StoreElement { value, index, array: Array { first, count } } => {
                let (s, a) = (r(value), r(index));
                Op::StoreElement { s, a, first, count, site: self.site(0) }
            }
            Inst::LoadCellAt { cell } => Op::LoadCellAt { d: r(value), cell },
            Inst::StoreCellAt { value, cell } => Op::StoreCellAt { s: r(value), cell },
            Inst::LoadSlot(slot) => Op::Load { d: r(value), slot: self.slot(slot) },
            Inst::StoreSlot { value, slot } => Op::Store { s: r(value), slot: self.slot(slot) },
            Inst::Fuel => Op::Fuel { site: self.site(0) },
            Inst::Need { slot, height } => {
                let (slot, site) = (self.slot(slot), self.site(height));
                if self.function.has_base {
                    Op::NeedAbove { slot, base: FrameSlot(0), site }
                } else {
                    Op::Need { slot, site }
                }
            }
            Inst::Room { slot, height } => Op::Room { slot: self.slot(slot), site: self.site(height) },
            Inst::MovePointer(slots) => {
                self.shift -= slots;
                return;
            }
            Inst::TakeDepth => {
                if self.depth_to_give > 0 {
                    self.depth_to_give -= 1;
                    return;
                }
                Op::TakeDepth { site: self.site(0) }
            }
            Inst::GiveDepth => {
                self.depth_to_give += 1;
                return;
            }
            Inst::Call { function, args } => {
                self.give_depth();
                let arg = |(index, value): (usize, &Value)| {
                    (Location::Register(passed::<I>(index as u8)), self.location(*value))
                };
                let moves: Vec<_> = args.values().iter().enumerate().map(arg).collect();
                self.moves(moves, self.pool);
                self.move_pointer();
                // What the call changes.
                self.code.used |= self.pool & (1 << passed::<I>(0).0);
                Op::Call { function: function.0 }
            }
            Inst::Spill { value, slot } => Op::StoreFrame { s: r(value), slot },
            Inst::Reload(slot) => Op::LoadFrame { d: r(value), slot },
            Inst::MulAdd { a, b, c, subtracts } => Op::MulAdd { d: r(value), a: r(a), b: r(b), c: r(c), subtracts },
            Inst::AluShifted { op, a, b, shift, amount } => {
                Op::AluShifted { d: r(value), a: r(a), b: r(b), op, shift, amount }
            }
            Inst::Param | Inst::Argument(_) | Inst::CallResult(_) => unreachable!("it is defined elsewhere"),
        };
        self.put(op);
    }

    /// A slot of the data stack.
    fn slot(&self, slot: i64) -> Slot {
        Slot(slot.wrapping_sub(self.shift))
    }

    /// Moves the data-stack pointer where the function expects it.
    fn move_pointer(&mut self) {
        let slots = -std::mem::take(&mut self.shift);
        if slots != 0 {
            self.put(Op::MovePointer { slots });
        }
    }

    fn give_depth(&mut self) {
        for _ in 0..std::mem::take(&mut self.depth_to_give) {
            self.put(Op::GiveDepth);
        }
    }

    fn end<I: Isa>(&mut self, block: Block, next: Option<Block>) {
        let function = self.function;
        self.give_depth();
        match &function.block(block).end {
            End::Return { end } => {
                let end = self.slot(*end);
                self.shift = 0;
                if self.saves_fuel {
                    self.put(Op::SaveFuel);
                }
                self.put(Op::Return { end });
                return;
            }
            _ => self.move_pointer(),
        }
        // The decrement of a counter becomes part of the branch.
        let counts = self.pop_decrement(block, next);
        if let Some(EarlyMoves { moves, free }) = self.early.remove(&block) {
            self.moves(moves, free);
        }
        match &function.block(block).end {
            End::Open | End::Return { .. } => {}
            End::Jump(edge) => {
                // Also values that stay where they are: early moves may have put them there.
                let moves = self.placed_on_edge(block);
                self.moves(moves, self.allocation.free[block.index()]);
                let to = self.target(edge.to);
                if Some(to) != next {
                    let to = self.label(to);
                    self.put(Op::Jump { to });
                }
            }
            End::EndCall { results } => {
                let result = |(index, value): (usize, &Value)| {
                    (Location::Register(passed::<I>(index as u8)), self.location(*value))
                };
                let moves: Vec<_> = results.values().iter().enumerate().map(result).collect();
                self.moves(moves, self.pool);
                self.put(Op::EndCall);
            }
            End::Branch { cond, a, b, then, other } => {
                let (a, b) = (self.register(*a), self.register(*b));
                self.branch(*cond, *then, *other, next, |cond, to| Op::Branch { cond, a, b, to });
            }
            End::BranchImm { cond, a, imm, then, other } => {
                let (d, imm) = (self.register(*a), *imm);
                if counts {
                    let to = self.target(*then);
                    let to = self.label(to);
                    self.put(Op::CountDown { d, to });
                    let other = self.target(*other);
                    if Some(other) != next {
                        let to = self.label(other);
                        self.put(Op::Jump { to });
                    }
                    return;
                }
                self.branch(*cond, *then, *other, next, |cond, to| Op::BranchImm { cond, a: d, imm, to });
            }
            End::BranchMask { a, mask, is_zero, then, other } => {
                let (a, mask) = (self.register(*a), *mask);
                // Equality stands for a result of zero.
                let cond = if *is_zero { Cond::Eq } else { Cond::Ne };
                self.branch(cond, *then, *other, next, |cond, to| Op::BranchMask {
                    a,
                    mask,
                    is_zero: cond == Cond::Eq,
                    to,
                });
            }
        }
    }

    /// If a block ends with a branch that is taken while a counter is not zero, and decrements the counter right before, removes the
    /// decrement.
    fn pop_decrement(&mut self, block: Block, next: Option<Block>) -> bool {
        let data = self.function.block(block);
        let End::BranchImm { cond: Cond::Ne, a, imm: 0, then, .. } = &data.end else { return false };
        let d = self.register(*a);
        let counts = Op::AluImm { d, a: d, op: AluOp::Add, imm: -1 };
        let is_last = data.insts.last() == Some(a) && self.code.ops.last().is_some_and(|(_, op)| *op == counts);
        let counts = is_last && Some(self.target(*then)) != next;
        if counts {
            self.code.ops.pop();
        }
        counts
    }

    /// Branches to `then` if the condition holds, else to `other`.
    fn branch(&mut self, cond: Cond, then: Block, other: Block, next: Option<Block>, op: impl Fn(Cond, Label) -> Op) {
        let (then, other) = (self.target(then), self.target(other));
        if Some(then) == next {
            let to = self.label(other);
            return self.put(op(cond.inverted(), to));
        }
        let to = self.label(then);
        self.put(op(cond, to));
        if Some(other) != next {
            let to = self.label(other);
            self.put(Op::Jump { to });
        }
    }

    // Parallel moves.

    /// Performs moves at the same time. `free` are registers that hold no other value that is needed later.
    fn moves(&mut self, mut moves: Vec<(Location, Location)>, free: u32) {
        let bit = |location: Location| location.register().map_or(0, |register| 1_u32 << register);
        // A value that stays in its register keeps it busy as well.
        let busy = moves.iter().fold(0, |bits, (to, from)| bits | bit(*to) | bit(*from));
        moves.retain(|(to, from)| to != from);
        if moves.is_empty() {
            return;
        }
        let scratch = free & self.pool & !busy;
        let scratch = (scratch != 0).then(|| Reg(scratch.trailing_zeros() as u8));
        self.moves_to_slots(&mut moves, scratch);
        let to_registers = moves.into_iter().filter_map(|(to, from)| Some(Move { to: to.register()?, from })).collect();
        let breaker = scratch.map_or(Breaker::Memory, |Reg(register)| Breaker::Scratch(register));
        let mut steps = Vec::new();
        resolve(to_registers, breaker, |step| steps.push(step));
        for step in steps {
            match step {
                Step::Set(Move { to, from }) => self.set(Reg(to), from),
                Step::Copy { to, from } => self.set(Reg(to), Location::Register(Reg(from))),
                Step::Save(from) => {
                    let slot = self.spare_slot(0);
                    self.put(Op::StoreFrame { s: Reg(from), slot });
                }
                Step::Restore(Move { to, .. }) => {
                    let slot = self.spare_slot(0);
                    self.put(Op::LoadFrame { d: Reg(to), slot });
                }
                Step::Exchange(..) => unreachable!("cycles are broken otherwise"),
            }
        }
    }

    /// Performs the moves to slots, before any register changes. If the old value of such a slot is to be moved as well, it is saved
    /// first, and its moves read the saved value.
    fn moves_to_slots(&mut self, moves: &mut [(Location, Location)], scratch: Option<Reg>) {
        let is_slot = |location: Location| matches!(location, Location::Slot(_));
        if !moves.iter().any(|(to, _)| is_slot(*to)) {
            return;
        }
        // A register for values on their way from one slot to another.
        let through = scratch.unwrap_or(Reg(self.pool.trailing_zeros() as u8));
        let is_overwritten = |from: Location| is_slot(from) && moves.iter().any(|(to, _)| *to == from);
        let is_needed = |(to, from): &(Location, Location)| {
            is_slot(*to) && !matches!(from, Location::Register(_)) || is_overwritten(*from)
        };
        let is_saved = scratch.is_none() && moves.iter().any(is_needed);
        if is_saved {
            let slot = self.spare_slot(0);
            self.put(Op::StoreFrame { s: through, slot });
            let reads = |(to, from): &&mut (Location, Location)| is_slot(*to) && *from == Location::Register(through);
            moves.iter_mut().filter(reads).for_each(|(_, from)| *from = Location::Slot(slot));
        }
        let mut saved = 1;
        for index in 0..moves.len() {
            let (_, from) = moves[index];
            if is_slot(from) && moves.iter().any(|(other, _)| *other == from) {
                let slot = self.spare_slot(saved);
                saved += 1;
                self.set(through, from);
                self.put(Op::StoreFrame { s: through, slot });
                moves[index].1 = Location::Slot(slot);
            }
        }
        for &mut (to, from) in moves.iter_mut() {
            let Location::Slot(slot) = to else { continue };
            let s = match from {
                Location::Register(register) => register,
                _ => {
                    self.set(through, from);
                    through
                }
            };
            self.put(Op::StoreFrame { s, slot });
        }
        if is_saved {
            let slot = self.spare_slot(0);
            self.put(Op::LoadFrame { d: through, slot });
        }
    }

    /// A frame slot that only parallel moves use.
    fn spare_slot(&mut self, number: u32) -> FrameSlot {
        self.spare = self.spare.max(number + 1);
        FrameSlot(self.allocation.slots + number)
    }

    fn set(&mut self, d: Reg, from: Location) {
        let op = match from {
            Location::Register(s) if s == d => return,
            Location::Register(s) => Op::Move { d, s },
            Location::Slot(slot) => Op::LoadFrame { d, slot },
            Location::Constant(value) => Op::Constant { d, value },
        };
        self.put(op);
    }
}

/// The greatest number of empty blocks in a row that jumps skip.
const EMPTY_BLOCKS: usize = 16;
