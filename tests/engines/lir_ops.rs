//! Every LIR operation, executed on the host's instruction set and compared with a simple evaluator.
//!
//! The code under test loads every allocatable register from the stack, performs operations, and stores every register.
//! The resulting registers, stack, memory cells, frame, status and pointer must equal those of this file's evaluator, which
//! is based on LIR alone. `lir_calls` uses it for calls and memory cells.
#![allow(unsafe_code, reason = "calls generated code on frames and stacks of its own")]

use std::collections::BTreeSet;

use jitduel::exec::{Code, Store};
use jitduel::isa::disassemble::disassemble;
use jitduel::isa::{Forms, Isa, Machine, Shape, Tuning, aarch64, x86_64};
use jitduel::lir::{AluOp, Cond, DivOp, FrameSlot, Label, Op, Reg, Site, Slot, UnaryOp, frame};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

#[cfg(target_arch = "aarch64")]
pub type Host = aarch64::Emitter;
/// Hosts that support neither instruction set compile this file and report its tests as ignored.
#[cfg(not(target_arch = "aarch64"))]
pub type Host = x86_64::Emitter;

pub const REGISTERS: &[Reg] = Host::ALLOCATABLE;
/// The slots of the registers' initial values, from the bottom of the stack.
const INPUTS: i64 = 0;
/// The slots of their final values.
const DUMP: i64 = REGISTERS.len() as i64;
/// The slots of single results.
const OUTPUTS: i64 = 2 * REGISTERS.len() as i64;
/// Slots below and above those in use, which must not change.
const GUARD: i64 = 16;

const DIVISIONS: [DivOp; 2] = [DivOp::Quotient, DivOp::Remainder];

// The evaluator.

/// The state that operations change. Slots count from the bottom of the stack.
struct State<'a> {
    registers: [i64; 32],
    /// Bit n is set if register n has a value that operations may read.
    defined: u32,
    memory: &'a mut [i64],
    /// The index of the bottom slot in `memory`.
    bottom: i64,
    frame: &'a mut [u64],
    pointer: i64,
    limit: i64,
    fuel: u64,
    /// The memory cells.
    cells: &'a mut [i64],
    /// The number of calls that may still begin.
    depth: u64,
    /// The active calls, innermost last.
    calls: Vec<Activation>,
    /// The greatest number of active calls so far.
    deepest: usize,
    /// The slot that the last check against a base reported.
    base: Option<i64>,
}

/// A call that has not returned.
struct Activation {
    /// The index of the operation after the call.
    back: usize,
    /// Its frame slots; `None` before they are written.
    slots: Vec<Option<u64>>,
}

/// How an execution ends: what the code returns, and the slot to which its frame then points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub status: u64,
    pub pointer: i64,
}

fn compute(op: AluOp, a: i64, b: i64) -> i64 {
    let count = (b as u64 % 64) as u32;
    match op {
        AluOp::Add => (a as i128 + b as i128) as i64,
        AluOp::Sub => (a as i128 - b as i128) as i64,
        AluOp::Mul => (a as i128 * b as i128) as i64,
        AluOp::And => a & b,
        AluOp::Or => a | b,
        AluOp::Xor => a ^ b,
        AluOp::Shl => ((a as u128) << count) as i64,
        AluOp::Shr => (u128::from(a as u64) >> count) as i64,
        AluOp::Sar => (i128::from(a) >> count) as i64,
        AluOp::Min => std::cmp::min(a, b),
        AluOp::Max => std::cmp::max(a, b),
    }
}

fn compute_unary(op: UnaryOp, a: i64) -> i64 {
    match op {
        UnaryOp::Negate => -i128::from(a) as i64,
        UnaryOp::Invert => (-1 - i128::from(a)) as i64,
        UnaryOp::Abs => i128::from(a).abs() as i64,
    }
}

fn divide(op: DivOp, a: i64, b: i64) -> i64 {
    match op {
        DivOp::Quotient => (a as i128 / b as i128) as i64,
        DivOp::Remainder => (a as i128 % b as i128) as i64,
    }
}

fn compare(cond: Cond, a: i64, b: i64) -> bool {
    let order = a.cmp(&b);
    let unsigned = (a as u64).cmp(&(b as u64));
    match cond {
        Cond::Eq => order.is_eq(),
        Cond::Ne => order.is_ne(),
        Cond::Lt => order.is_lt(),
        Cond::Gt => order.is_gt(),
        Cond::Le => order.is_le(),
        Cond::Ge => order.is_ge(),
        Cond::Ult => unsigned.is_lt(),
        Cond::Ugt => unsigned.is_gt(),
        Cond::Ule => unsigned.is_le(),
        Cond::Uge => unsigned.is_ge(),
    }
}

/// The registers that an operation may overwrite with any value.
fn clobbered(op: Op) -> &'static [Reg] {
    match op {
        Op::Alu { op: AluOp::Shl | AluOp::Shr | AluOp::Sar, .. } => Host::SHIFT_CLOBBERS,
        Op::Divide { .. } => Host::DIVIDE_CLOBBERS,
        Op::DivideImm { imm, .. } => Host::divide_imm_clobbers(imm),
        _ => &[],
    }
}

fn destination(op: Op) -> Option<Reg> {
    match op {
        Op::Move { d, .. }
        | Op::Constant { d, .. }
        | Op::Load { d, .. }
        | Op::Alu { d, .. }
        | Op::AluImm { d, .. }
        | Op::Unary { d, .. }
        | Op::AluShifted { d, .. }
        | Op::MulAdd { d, .. }
        | Op::Set { d, .. }
        | Op::SetImm { d, .. }
        | Op::Divide { d, .. }
        | Op::DivideImm { d, .. }
        | Op::CountDown { d, .. }
        | Op::LoadCell { d, .. }
        | Op::LoadCellAt { d, .. }
        | Op::LoadElement { d, .. }
        | Op::LoadFrame { d, .. } => Some(d),
        _ => None,
    }
}

impl State<'_> {
    fn get(&self, reg: Reg) -> i64 {
        assert!(self.defined >> reg.0 & 1 == 1, "a test reads {}, which has no value", Host::reg_name(reg));
        self.registers[reg.0 as usize]
    }

    fn set(&mut self, op: Op, d: Reg, value: i64) {
        for reg in clobbered(op) {
            self.defined &= !(1 << reg.0);
        }
        self.defined |= 1 << d.0;
        self.registers[d.0 as usize] = value;
    }

    fn cell(&mut self, slot: Slot) -> &mut i64 {
        let index = self.bottom + self.pointer + slot.0;
        &mut self.memory[index as usize]
    }

    fn load_frame(&self, slot: FrameSlot) -> u64 {
        match self.calls.last() {
            None => self.frame[frame::SLOTS as usize / 8 + slot.0 as usize],
            Some(call) => call.slots[slot.0 as usize].expect("a test reads a frame slot that was not written"),
        }
    }

    fn store_frame(&mut self, slot: FrameSlot, value: u64) {
        match self.calls.last_mut() {
            None => self.frame[frame::SLOTS as usize / 8 + slot.0 as usize] = value,
            Some(call) => call.slots[slot.0 as usize] = Some(value),
        }
    }

    /// The memory cell with the number `a + offset`, if there is one.
    fn memory_cell(&mut self, a: i64, offset: i64) -> Option<&mut i64> {
        let number = (i128::from(a) + i128::from(offset)) as u64;
        self.cells.get_mut(usize::try_from(number).ok()?)
    }

    fn run(&mut self, ops: &[Op], labels: &[usize], functions: &[usize]) -> End {
        let mut index = 0;
        loop {
            let op = ops[index];
            index += 1;
            let mut goes_to = None;
            let mut traps_at = None;
            match op {
                Op::LoadCell { d, a, site, offset } => {
                    let address = self.get(a);
                    match self.memory_cell(address, offset).copied() {
                        Some(value) => self.set(op, d, value),
                        None => traps_at = Some(site),
                    }
                }
                Op::StoreCell { s, a, site, offset } => {
                    let (value, address) = (self.get(s), self.get(a));
                    match self.memory_cell(address, offset) {
                        Some(cell) => *cell = value,
                        None => traps_at = Some(site),
                    }
                }
                Op::LoadElement { d, a, site, first, count } => {
                    let index = self.get(a) as u64;
                    match index < u64::from(count) {
                        true => self.set(op, d, self.cells[first as usize + index as usize]),
                        false => traps_at = Some(site),
                    }
                }
                Op::StoreElement { s, a, site, first, count } => {
                    let (value, index) = (self.get(s), self.get(a) as u64);
                    match index < u64::from(count) {
                        true => self.cells[first as usize + index as usize] = value,
                        false => traps_at = Some(site),
                    }
                }
                Op::LoadCellAt { d, cell } => self.set(op, d, self.cells[cell as usize]),
                Op::StoreCellAt { s, cell } => self.cells[cell as usize] = self.get(s),
                Op::Function { function, .. } => unreachable!("the operations before function {function} run into it"),
                Op::Call { function } => {
                    let entry = functions[function as usize];
                    let Op::Function { slots, has_calls, .. } = ops[entry] else {
                        unreachable!("it is a function's entry")
                    };
                    // An operation of a function is before the next function.
                    let end = ops[entry + 1..].iter().position(|op| matches!(op, Op::Function { .. }));
                    let body = &ops[entry + 1..][..end.unwrap_or(ops.len() - entry - 1)];
                    assert!(
                        has_calls || !body.iter().any(|op| matches!(op, Op::Call { .. })),
                        "the function has calls"
                    );
                    self.calls.push(Activation { back: index, slots: vec![None; slots as usize] });
                    self.deepest = self.deepest.max(self.calls.len());
                    index = entry + 1;
                }
                Op::EndCall => index = self.calls.pop().expect("a call is active").back,
                Op::TakeDepth { site } => match self.depth.checked_sub(1) {
                    Some(left) => self.depth = left,
                    None => traps_at = Some(site),
                },
                Op::GiveDepth => self.depth += 1,
                // The slot's number stands for its address: only `NeedAbove` reads it.
                Op::SaveBase { base, slot } => self.store_frame(slot, (self.pointer + base.0) as u64),
                Op::NeedAbove { slot, base, site } => {
                    let base = self.load_frame(base) as i64;
                    self.base = Some(base);
                    traps_at = (self.pointer + slot.0 < base).then_some(site);
                }
                Op::Align | Op::Label(_) => {}
                Op::Tick { work, to } => {
                    self.fuel = self.fuel.wrapping_sub(work.into());
                    goes_to = ((self.fuel as i64) < 0).then_some(to);
                }
                Op::Leave { site } => traps_at = Some(site),
                Op::Count { a } => self.fuel = self.fuel.wrapping_sub(self.get(a) as u64),
                Op::SaveFuel | Op::Main | Op::Entry => {
                    unreachable!("only what an interpreter enters has these; see tiered.rs")
                }
                Op::Move { d, s } => self.set(op, d, self.get(s)),
                Op::Constant { d, value } => self.set(op, d, value),
                Op::Load { d, slot } => {
                    let value = *self.cell(slot);
                    self.set(op, d, value);
                }
                Op::Store { s, slot } => *self.cell(slot) = self.get(s),
                Op::Alu { op: alu, d, a, b } => self.set(op, d, compute(alu, self.get(a), self.get(b))),
                Op::AluImm { op: alu, d, a, imm } => self.set(op, d, compute(alu, self.get(a), imm)),
                Op::AluShifted { op: alu, d, a, b, shift, amount } => {
                    let shifted = compute(shift, self.get(b), amount.into());
                    self.set(op, d, compute(alu, self.get(a), shifted));
                }
                Op::MulAdd { d, a, b, c, subtracts } => {
                    let product = compute(AluOp::Mul, self.get(a), self.get(b));
                    let combine = if subtracts { AluOp::Sub } else { AluOp::Add };
                    self.set(op, d, compute(combine, self.get(c), product));
                }
                Op::BranchMask { a, mask, is_zero, to } => {
                    goes_to = ((self.get(a) & mask == 0) == is_zero).then_some(to);
                }
                Op::Unary { op: unary, d, a } => self.set(op, d, compute_unary(unary, self.get(a))),
                Op::Set { cond, d, a, b } => self.set(op, d, compare(cond, self.get(a), self.get(b)).into()),
                Op::SetImm { cond, d, a, imm } => self.set(op, d, compare(cond, self.get(a), imm).into()),
                Op::Divide { op: div, d, a, b, site } => match self.get(b) {
                    0 => traps_at = Some(site),
                    divisor => self.set(op, d, divide(div, self.get(a), divisor)),
                },
                Op::DivideImm { op: div, d, a, imm } => self.set(op, d, divide(div, self.get(a), imm)),
                Op::Branch { cond, a, b, to } => {
                    goes_to = compare(cond, self.get(a), self.get(b)).then_some(to);
                }
                Op::BranchImm { cond, a, imm, to } => goes_to = compare(cond, self.get(a), imm).then_some(to),
                Op::Jump { to } => goes_to = Some(to),
                Op::CountDown { d, to } => {
                    let left = self.get(d).wrapping_sub(1);
                    self.set(op, d, left);
                    goes_to = (left != 0).then_some(to);
                }
                Op::LoadFrame { d, slot } => self.set(op, d, self.load_frame(slot) as i64),
                Op::StoreFrame { s, slot } => self.store_frame(slot, self.get(s) as u64),
                Op::Fuel { site } => match self.fuel.checked_sub(1) {
                    Some(left) => self.fuel = left,
                    None => traps_at = Some(site),
                },
                Op::Need { slot, site } => traps_at = (self.pointer + slot.0 < 0).then_some(site),
                Op::Room { slot, site } => traps_at = (self.pointer + slot.0 > self.limit).then_some(site),
                Op::MovePointer { slots } => self.pointer += slots,
                Op::Return { end } => return End { status: 0, pointer: self.pointer + end.0 },
            }
            if let Some(site) = traps_at {
                return End { status: u64::from(site.0) + 1, pointer: self.pointer };
            }
            if let Some(to) = goes_to {
                index = labels[to.0 as usize];
            }
        }
    }
}

// Pieces of code.

/// Operations under construction, after loads of every register that they may use.
pub struct Builder {
    pub ops: Vec<Op>,
    pub shape: Shape,
    labels: u32,
    sites: u32,
    pub outputs: i64,
    /// The number of operations that do not merely load inputs and store results.
    pub subjects: u64,
}

impl Builder {
    fn new() -> Builder {
        Builder::shaped(Shape::default())
    }

    /// The same for code with reserved registers, memory cells or calls. The number of functions is counted here.
    pub fn shaped(shape: Shape) -> Builder {
        let registers = Host::usable(shape.reserved);
        let load = |(slot, &d): (usize, &Reg)| Op::Load { d, slot: Slot(INPUTS + slot as i64) };
        let ops = registers.iter().enumerate().map(load).collect();
        let shape = Shape { registers: registers.len(), metered: true, functions: 1, ..shape };
        Builder { ops, shape, labels: 0, sites: 0, outputs: 0, subjects: 0 }
    }

    /// A new function.
    pub fn function(&mut self) -> u32 {
        self.shape.functions += 1;
        self.shape.functions as u32 - 1
    }

    pub fn put(&mut self, op: Op) {
        self.subjects += 1;
        self.ops.push(op);
    }

    pub fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    pub fn site(&mut self) -> Site {
        self.sites += 1;
        Site(self.sites - 1)
    }

    /// Allocates a slot for a result.
    pub fn output(&mut self) -> Slot {
        self.outputs += 1;
        Slot(OUTPUTS + self.outputs - 1)
    }

    /// Appends an operation, stores its result, and restores the registers that it may change.
    pub fn observe(&mut self, op: Op) {
        self.put(op);
        let d = destination(op).expect("the operation has a result");
        let slot = self.output();
        self.ops.push(Op::Store { s: d, slot });
        self.reload(d);
        for &reg in clobbered(op) {
            self.reload(reg);
        }
    }

    fn reload(&mut self, d: Reg) {
        let index = REGISTERS.iter().position(|reg| *reg == d).expect("an allocatable register");
        self.ops.push(Op::Load { d, slot: Slot(INPUTS + index as i64) });
    }

    /// Stores every register after the operations, so that unintended changes are detected.
    pub fn dump(&mut self) {
        for (index, &s) in Host::usable(self.shape.reserved).iter().enumerate() {
            self.ops.push(Op::Store { s, slot: Slot(DUMP + index as i64) });
        }
    }

    pub fn finish(mut self) -> Piece {
        self.dump();
        let end = Slot(OUTPUTS + self.outputs);
        self.ops.push(Op::Return { end });
        self.seal(&Tuning::default())
    }

    pub fn seal(self, tuning: &Tuning) -> Piece {
        let mut labels = vec![usize::MAX; self.labels as usize];
        let mut functions = vec![usize::MAX; self.shape.functions];
        for (index, op) in self.ops.iter().enumerate() {
            match op {
                Op::Label(label) => labels[label.0 as usize] = index + 1,
                Op::Function { function, .. } => functions[*function as usize] = index,
                _ => {}
            }
        }
        let machine = emit_shaped::<Host>(&self.ops, &self.shape, tuning);
        Piece {
            code: Code::new(&machine.bytes).expect("the system gives executable memory"),
            activation_bytes: machine.activation_bytes,
            below: GUARD,
            above: OUTPUTS + self.outputs + GUARD,
            ops: self.ops,
            shape: self.shape,
            labels,
            functions,
            subjects: self.subjects,
        }
    }
}

fn emit<I: Isa>(ops: &[Op], tuning: &Tuning) -> Vec<u8> {
    let shape = Shape { registers: I::ALLOCATABLE.len(), metered: true, ..Shape::default() };
    emit_shaped::<I>(ops, &shape, tuning).bytes
}

/// Emits operations, with longer forms of branches and calls until they reach.
pub fn emit_shaped<I: Isa>(ops: &[Op], shape: &Shape, tuning: &Tuning) -> Machine {
    let mut forms = Forms::default();
    loop {
        let mut emitter = I::begin(Vec::new(), shape, tuning, forms);
        for &op in ops {
            emitter.put(op);
        }
        match emitter.finish() {
            Ok(machine) => return machine,
            Err(error) => forms = error.next.expect("there is a longer form"),
        }
    }
}

/// Operations, and the code for them.
pub struct Piece {
    pub ops: Vec<Op>,
    shape: Shape,
    labels: Vec<usize>,
    functions: Vec<usize>,
    code: Code,
    /// The size of the largest activation on the control stack.
    pub activation_bytes: usize,
    /// The number of slots of the stack below the bottom, and from it on.
    pub below: i64,
    pub above: i64,
    subjects: u64,
}

/// The initial state of an execution besides the registers.
#[derive(Clone, Copy)]
pub struct Start {
    pub fuel: u64,
    /// The greatest number of values on the stack.
    pub limit: i64,
    /// The number of calls that may be active at once.
    pub depth: u64,
}

pub const PLENTY: Start = Start { fuel: u64::MAX, limit: 1000, depth: 1 << 40 };
/// Every frame has room for the counters of a thousand nested loops.
const FRAME_SLOTS: usize = 1000;
const FRAME_CELLS: usize = frame::SLOTS as usize / 8 + FRAME_SLOTS;
const BOTTOM: usize = frame::BOTTOM as usize / 8;
const LIMIT: usize = frame::LIMIT as usize / 8;
const POINTER: usize = frame::POINTER as usize / 8;
const FUEL: usize = frame::FUEL as usize / 8;
const MEMORY: usize = frame::MEMORY as usize / 8;
const CONTROL: usize = frame::CONTROL as usize / 8;
const DEPTH: usize = frame::DEPTH as usize / 8;
const HOST: usize = frame::HOST as usize / 8;
const BASE: usize = frame::BASE as usize / 8;

/// The memory of both sides, reused for every execution, and the random numbers of a test.
pub struct Rig {
    rng: Xoshiro256PlusPlus,
    canaries: Vec<i64>,
    pub actual: Vec<i64>,
    expected: Vec<i64>,
    /// The memory cells, between guards.
    cells: Vec<i64>,
    expected_cells: Vec<i64>,
    /// The control stack, between guards. Its words are 16 bytes long, to which it must be aligned.
    control: Vec<u128>,
    frame: Vec<u64>,
    expected_frame: Vec<u64>,
    /// Frame cells from here on are not compared; most pieces use none.
    frame_cells: usize,
    edges: Vec<i64>,
    /// The number of operations performed on both sides.
    compared: u64,
    ends: u64,
}

impl Rig {
    pub fn new(seed: u64) -> Rig {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let canaries = (0..4096).map(|_| rng.next_u64() as i64).collect();
        Rig {
            rng,
            canaries,
            actual: Vec::new(),
            expected: Vec::new(),
            cells: Vec::new(),
            expected_cells: Vec::new(),
            control: Vec::new(),
            frame: vec![0; FRAME_CELLS],
            expected_frame: vec![0; FRAME_CELLS],
            frame_cells: frame::SLOTS as usize / 8 + 4,
            edges: edges(),
            compared: 0,
            ends: 0,
        }
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.rng.next_u64() % bound as u64) as usize
    }

    fn edge(&mut self) -> i64 {
        let index = self.below(self.edges.len());
        self.edges[index]
    }

    /// Usually an edge value, sometimes any number, sometimes a small one.
    pub fn value(&mut self) -> i64 {
        match self.below(8) {
            0 => self.rng.next_u64() as i64,
            1 => self.below(130) as i64 - 65,
            _ => self.edge(),
        }
    }

    pub fn values(&mut self) -> Vec<i64> {
        (0..REGISTERS.len()).map(|_| self.value()).collect()
    }

    fn register(&mut self) -> Reg {
        REGISTERS[self.below(REGISTERS.len())]
    }

    /// Runs the code and the evaluator, and describes any difference.
    pub fn compare(&mut self, piece: &Piece, registers: &[i64], start: Start) -> Result<End, String> {
        let slots = (piece.below + piece.above) as usize;
        while self.canaries.len() < slots {
            self.canaries.push(self.rng.next_u64() as i64);
        }
        let bottom = piece.below as usize;
        for memory in [&mut self.actual, &mut self.expected] {
            memory.clear();
            memory.extend_from_slice(&self.canaries[..slots]);
            memory[bottom..bottom + registers.len()].copy_from_slice(registers);
        }
        let address = self.actual[bottom..].as_mut_ptr().expose_provenance() as u64;
        let head = frame::SLOTS as usize / 8;
        self.frame[BOTTOM] = address;
        self.frame[LIMIT] = address.wrapping_add_signed(8 * start.limit);
        self.frame[FUEL] = start.fuel;
        self.frame[DEPTH] = start.depth;
        for cell in [POINTER, CONTROL, HOST, BASE] {
            self.frame[cell] = 0x5a5a_5a5a_5a5a_5a5a;
        }
        let cells = piece.shape.cells;
        for memory in [&mut self.cells, &mut self.expected_cells] {
            memory.clear();
            let all = cells + 2 * GUARD as usize;
            while memory.len() < all {
                memory.extend_from_slice(&self.canaries[..self.canaries.len().min(all - memory.len())]);
            }
        }
        self.frame[MEMORY] = self.cells[GUARD as usize..].as_mut_ptr().expose_provenance() as u64;
        for (cell, canary) in self.frame[head..self.frame_cells].iter_mut().zip(&self.canaries) {
            *cell = *canary as u64;
        }
        self.expected_frame[..self.frame_cells].copy_from_slice(&self.frame[..self.frame_cells]);

        let mut state = State {
            registers: [0; 32],
            defined: 0,
            memory: &mut self.expected,
            bottom: piece.below,
            frame: &mut self.expected_frame,
            pointer: 0,
            limit: start.limit,
            fuel: start.fuel,
            cells: &mut self.expected_cells[GUARD as usize..][..cells],
            depth: start.depth,
            calls: Vec::new(),
            deepest: 0,
            base: None,
        };
        let end = state.run(&piece.ops, &piece.labels, &piece.functions);
        let (deepest, base) = (state.deepest, state.base);
        self.expected_frame[POINTER] = address.wrapping_add_signed(8 * end.pointer);
        if let Some(base) = base {
            self.expected_frame[BASE] = address.wrapping_add_signed(8 * base);
        }
        let (top, canary) = (GUARD as usize + (deepest * piece.activation_bytes).div_ceil(16), u128::MAX / 3);
        if piece.shape.calls {
            self.control.clear();
            self.control.resize(top + GUARD as usize, canary);
            let control = self.control[top..].as_mut_ptr().expose_provenance() as u64;
            (self.frame[CONTROL], self.expected_frame[CONTROL]) = (control, control);
        }

        // SAFETY: an emitter produced the code for this machine. The evaluator has performed the same operations without
        // leaving the frame, the stack and the memory, all of which it indexes with bounds checks. The control stack has
        // room for the greatest number of activations that were active in the evaluator.
        let status = unsafe { piece.call(self.frame.as_mut_ptr().expose_provenance() as u64) };
        self.compared += piece.subjects;
        self.ends += 1;

        if status != end.status {
            return Err(format!("returned {status}, expected {}", end.status));
        }
        if piece.shape.calls {
            // Where the host's stack pointer was saved.
            self.expected_frame[HOST] = self.frame[HOST];
            let is_guard = |index: &usize| *index < GUARD as usize || *index >= top;
            if let Some(word) = (0..self.control.len()).filter(is_guard).find(|index| self.control[*index] != canary) {
                return Err(format!("word {word} beside the control stack has changed, which ends at word {top}"));
            }
        }
        if self.cells != self.expected_cells {
            let index = (0..self.cells.len()).find(|&index| self.cells[index] != self.expected_cells[index]);
            let index = index.expect("the memories differ");
            let (is, expected) = (self.cells[index], self.expected_cells[index]);
            return Err(format!("memory cell {} is {is:#x}, expected {expected:#x}", index as i64 - GUARD));
        }
        if self.frame[..self.frame_cells] != self.expected_frame[..self.frame_cells] {
            let cell = (0..self.frame_cells).find(|&cell| self.frame[cell] != self.expected_frame[cell]);
            let cell = cell.expect("the frames differ");
            let (is, expected) = (self.frame[cell], self.expected_frame[cell]);
            return Err(format!("frame cell {cell} is {is:#x}, expected {expected:#x}"));
        }
        if self.actual != self.expected {
            let index = (0..slots).find(|&index| self.actual[index] != self.expected[index]);
            let index = index.expect("the memories differ");
            let slot = index as i64 - piece.below;
            let (is, expected) = (self.actual[index], self.expected[index]);
            return Err(format!("slot {slot} is {is:#x}, expected {expected:#x}: {}", piece.about(slot)));
        }
        Ok(end)
    }

    pub fn check_from(&mut self, piece: &Piece, registers: &[i64], start: Start) -> End {
        self.compare(piece, registers, start).unwrap_or_else(|difference| {
            let named = REGISTERS.iter().zip(registers).map(|(reg, value)| format!("{}={value:#x}", name(*reg)));
            let listing: Vec<_> =
                piece.ops.iter().take(60).map(|op| op.display(name, |number| number.to_string()).to_string()).collect();
            panic!("{difference}\nregisters: {}\n{}", named.collect::<Vec<_>>().join(" "), listing.join("\n"))
        })
    }

    pub fn check(&mut self, piece: &Piece, registers: &[i64]) {
        self.check_from(piece, registers, PLENTY);
    }

    pub fn done(&self, at_least: u64) {
        println!("{} operations compared in {} calls on {}", self.compared, self.ends, Host::NAME);
        assert!(self.compared >= at_least, "only {} operations were compared, not {at_least}", self.compared);
    }
}

fn name(reg: Reg) -> String {
    Host::reg_name(reg)
}

impl Piece {
    /// These operations, with the code of others.
    pub fn with_code_of(self, other: Piece) -> Piece {
        Piece { code: other.code, ..self }
    }

    /// Calls the code; in a program with calls or reserved registers, checks that it preserves what it must.
    ///
    /// # Safety
    /// The same as for [`Code::call`].
    unsafe fn call(&self, frame: u64) -> u64 {
        #[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
        if self.shape.calls || self.shape.reserved.count() > 0 {
            // SAFETY: the caller guarantees it.
            return unsafe { self.code.call_poisoned(0, frame, 0x1357_9bdf_0246_8ace) };
        }
        // SAFETY: the caller guarantees it.
        unsafe { self.code.call(frame) }
    }

    /// Describes what the slot holds.
    fn about(&self, slot: i64) -> String {
        let stored = self.ops.iter().position(|op| matches!(op, Op::Store { slot: to, .. } if to.0 == slot));
        match (usize::try_from(slot - DUMP).ok().and_then(|index| REGISTERS.get(index)), stored) {
            (Some(&reg), _) if slot >= DUMP => format!("{} at the end", name(reg)),
            (_, Some(index)) => {
                let ops = &self.ops[index.saturating_sub(2)..=index];
                ops.iter()
                    .map(|op| op.display(name, |number| number.to_string()).to_string())
                    .collect::<Vec<_>>()
                    .join("; ")
            }
            _ => "nothing stores there".into(),
        }
    }
}

/// The values at which machines, immediate fields and shifts change their behavior.
fn edges() -> Vec<i64> {
    let mut edges = BTreeSet::new();
    for power in 0..64 {
        for near in [-1, 0, 1] {
            let value = (1_i64 << power).wrapping_add(near);
            edges.extend([value, value.wrapping_neg(), !value]);
        }
    }
    for value in [0xfff, 0x1000, 0xff_f000, 0x100_0000, 0x7fff_f000, 3, 5, 7, 10, 100, 31, 32, 63, 64, 65] {
        for near in [-1, 0, 1] {
            edges.extend([value + near, -(value + near)]);
        }
    }
    let patterns: [u64; 12] = [
        0x5555_5555_5555_5555,
        0x3333_3333_3333_3333,
        0x0f0f_0f0f_0f0f_0f0f,
        0x00ff_00ff_00ff_00ff,
        0x0000_ffff_0000_ffff,
        0x8000_0001_8000_0001,
        0xff00_0000_0000_00ff,
        0x0000_ffff_ffff_0000,
        0x1234_0000_0000_0000,
        0x0000_1234_0000_ffff,
        0xffff_1234_ffff_ffff,
        0x0123_4567_89ab_cdef,
    ];
    for pattern in patterns {
        for value in [pattern, !pattern] {
            edges.extend([value as i64, (value as i64).wrapping_add(1), (value as i64).wrapping_sub(1)]);
        }
    }
    edges.into_iter().collect()
}

/// A few of the edges, for tests in which all registers vary as well.
const IMMEDIATES: [i64; 26] = [
    0,
    1,
    -1,
    2,
    -2,
    63,
    64,
    127,
    128,
    -128,
    -129,
    0xfff,
    -0xfff,
    0x1000,
    0x1001,
    0xff_f000,
    -0xff_f000,
    0x7fff_ffff,
    0x8000_0000,
    -0x8000_0000,
    -0x8000_0001,
    0xffff_ffff,
    0x00ff_00ff_00ff_00ff,
    0x1234_5678_9abc_def0,
    i64::MIN,
    i64::MAX,
];

// Moves and constants.

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn moves_between_all_registers() {
    let mut rig = Rig::new(1);
    for &d in REGISTERS {
        let mut builder = Builder::new();
        for &s in REGISTERS {
            builder.observe(Op::Move { d, s });
        }
        let piece = builder.finish();
        for _ in 0..50 {
            let values = rig.values();
            rig.check(&piece, &values);
        }
    }
    rig.done(50 * (REGISTERS.len() * REGISTERS.len()) as u64);
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn constants_of_every_class() {
    let mut rig = Rig::new(2);
    let mut constants = rig.edges.clone();
    // Halfwords that are each zero, all ones, or something else: AArch64 builds constants of them.
    for _ in 0..60 {
        for class in 0..81 {
            let half = |index: u32| match class / 3_u32.pow(index) % 3 {
                0 => 0,
                1 => 0xffff,
                _ => rig.rng.next_u64() & 0xffff,
            };
            let halves = [0, 1, 2, 3].map(half);
            constants.push(halves.iter().rev().fold(0, |value, half| value << 16 | half) as i64);
        }
    }
    // All bitmask immediates of AArch64 (a group of ones in a repeated element) and their neighbors.
    for size in [2_u32, 4, 8, 16, 32, 64] {
        for ones in 1..size {
            for turn in 0..size {
                let run = (1_u64 << ones) - 1;
                let element = (run << turn | run.checked_shr(size - turn).unwrap_or(0)) & (u64::MAX >> (64 - size));
                let mask = (0..64 / size).fold(0, |mask, index| mask | element << (size * index));
                constants.extend([mask as i64, (mask ^ 1 << (turn * 7 % 64)) as i64]);
            }
        }
    }
    // Numbers of every length, with both signs.
    for index in 0..6000 {
        let value = (rig.rng.next_u64() >> (index % 64)) as i64;
        constants.push(if index % 2 == 0 { value } else { value.wrapping_neg() });
    }
    let values = rig.values();
    for (index, chunk) in constants.chunks(500).enumerate() {
        // Every value of a chunk has its register, and each register in turn gets all the edge values, which come
        // first.
        let registers: &[Reg] = if index == 0 { REGISTERS } else { &[REGISTERS[index % REGISTERS.len()]] };
        for &d in registers {
            let mut builder = Builder::new();
            chunk.iter().for_each(|&value| builder.observe(Op::Constant { d, value }));
            rig.check(&builder.finish(), &values);
        }
    }
    rig.done(20_000);
}

// Computations.

/// Creates an operation from its destination, its operands and a site.
type Computation = Box<dyn Fn(Reg, Reg, Reg, Site) -> Op>;

/// Every operation with two register operands and a result.
fn computations() -> Vec<Computation> {
    let mut all: Vec<Computation> = Vec::new();
    for op in AluOp::ALL {
        all.push(Box::new(move |d, a, b, _| Op::Alu { op, d, a, b }));
    }
    for op in UnaryOp::ALL {
        all.push(Box::new(move |d, a, _, _| Op::Unary { op, d, a }));
    }
    for cond in Cond::ALL {
        all.push(Box::new(move |d, a, b, _| Op::Set { cond, d, a, b }));
    }
    for op in DIVISIONS {
        all.push(Box::new(move |d, a, b, site| Op::Divide { op, d, a, b, site }));
    }
    all
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn computations_with_every_register_as_every_operand() {
    let mut rig = Rig::new(3);
    let rows = 40_000 / (REGISTERS.len() * REGISTERS.len());
    for make in computations() {
        for &d in REGISTERS {
            let mut builder = Builder::new();
            for &a in REGISTERS {
                for &b in REGISTERS {
                    let site = builder.site();
                    builder.observe(make(d, a, b, site));
                }
            }
            let divides = builder.ops.iter().any(|op| matches!(op, Op::Divide { .. }));
            let piece = builder.finish();
            for _ in 0..rows {
                let mut values = rig.values();
                if divides {
                    values.iter_mut().filter(|value| **value == 0).for_each(|value| *value = -1);
                }
                assert_eq!(rig.check_from(&piece, &values, PLENTY).status, 0);
            }
        }
    }
    rig.done(16 * 30_000 * REGISTERS.len() as u64);
}

/// Triples of registers with every kind of aliasing: none, each pair, all.
fn aliasings() -> Vec<[Reg; 3]> {
    let &[first, second, third, fourth, ..] = REGISTERS else { unreachable!("there are four registers") };
    let last = REGISTERS[REGISTERS.len() - 1];
    vec![
        [first, second, third],
        [last, fourth, first],
        [first, first, second],
        [first, second, first],
        [third, first, third],
        [second, first, first],
        [third, third, third],
        [last, last, last],
    ]
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn computations_on_every_pair_of_edges() {
    let mut rig = Rig::new(4);
    // Divisions are last: if the divisor is zero the first of them traps, and no result before it is lost.
    let mut pieces = Vec::new();
    for [d, a, b] in aliasings() {
        let mut builder = Builder::new();
        for make in computations() {
            let site = builder.site();
            builder.observe(make(d, a, b, site));
        }
        pieces.push(([d, a, b], builder.finish()));
    }
    let edges = rig.edges.clone();
    let mut traps = 0;
    for ([_, a, b], piece) in &pieces {
        let place = |reg: &Reg| REGISTERS.iter().position(|other| other == reg).expect("allocatable");
        let mut values = rig.values();
        for &first in &edges {
            values[place(a)] = first;
            // If one register holds both operands, the second value is also the first.
            let seconds = if a == b { std::slice::from_ref(&first) } else { &edges };
            for &second in seconds {
                values[place(b)] = second;
                let end = rig.check_from(piece, &values, PLENTY);
                assert_eq!(end.status != 0, second == 0, "{first} / {second}");
                traps += u64::from(end.status != 0);
            }
        }
    }
    println!("{} edges, {traps} divisions by zero", edges.len());
    rig.done(5_000_000);
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn division_by_zero_traps_at_its_own_site_with_any_registers() {
    let mut rig = Rig::new(5);
    let mut traps = 0;
    for op in DIVISIONS {
        for &b in REGISTERS {
            for (index, &a) in REGISTERS.iter().enumerate() {
                for &d in REGISTERS {
                    // The operation before has its own site, and a moved pointer is restored.
                    let mut builder = Builder::new();
                    let before = builder.site();
                    builder.put(Op::Need { slot: Slot(0), site: before });
                    builder.put(Op::MovePointer { slots: index as i64 - 3 });
                    let site = builder.site();
                    builder.put(Op::Divide { op, d, a, b, site });
                    builder.ops.push(Op::Return { end: Slot(7) });
                    let piece = builder.seal(&Tuning::default());
                    let mut values = rig.values();
                    let place = REGISTERS.iter().position(|reg| *reg == b).expect("allocatable");
                    values[place] = 0;
                    assert_eq!(rig.check_from(&piece, &values, PLENTY), End { status: 2, pointer: index as i64 - 3 });
                    values[place] = 1;
                    assert_eq!(rig.check_from(&piece, &values, PLENTY).status, 0);
                    traps += 1;
                }
            }
        }
    }
    assert_eq!(traps, 2 * REGISTERS.len().pow(3));
    rig.done(6 * traps as u64);
}

// Immediates.

/// Creates an operation from its destination, its operand and a valid immediate.
type WithImmediate = Box<dyn Fn(Reg, Reg, i64) -> Option<Op>>;

/// Every operation with a register operand, an immediate and a result.
fn with_immediates() -> Vec<WithImmediate> {
    let mut all: Vec<WithImmediate> = Vec::new();
    for op in AluOp::ALL {
        all.push(Box::new(move |d, a, imm| Some(Op::AluImm { op, d, a, imm })));
    }
    for cond in Cond::ALL {
        all.push(Box::new(move |d, a, imm| Some(Op::SetImm { cond, d, a, imm })));
    }
    for op in DIVISIONS {
        all.push(Box::new(move |d, a, imm| (imm != 0).then_some(Op::DivideImm { op, d, a, imm })));
    }
    all
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn immediates_with_every_register_as_every_operand() {
    let mut rig = Rig::new(6);
    for make in with_immediates() {
        for &d in REGISTERS {
            let mut builder = Builder::new();
            for &a in REGISTERS {
                for imm in IMMEDIATES {
                    make(d, a, imm).into_iter().for_each(|op| builder.observe(op));
                }
            }
            let piece = builder.finish();
            for _ in 0..30 {
                let values = rig.values();
                rig.check(&piece, &values);
            }
        }
    }
    rig.done(16 * 30 * 25 * (REGISTERS.len() * REGISTERS.len()) as u64);
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn every_edge_as_immediate_on_every_edge() {
    let mut rig = Rig::new(7);
    let edges = rig.edges.clone();
    for make in with_immediates() {
        for [d, a, _] in [aliasings()[0], aliasings()[2]] {
            let mut builder = Builder::new();
            for &imm in &edges {
                make(d, a, imm).into_iter().for_each(|op| builder.observe(op));
            }
            let piece = builder.finish();
            let place = REGISTERS.iter().position(|reg| *reg == a).expect("allocatable");
            let mut values = rig.values();
            for &edge in &edges {
                values[place] = edge;
                rig.check(&piece, &values);
            }
        }
    }
    rig.done(16 * 2 * (edges.len() * (edges.len() - 1)) as u64);
}

/// The bytes of one operation.
fn code_of<I: Isa>(op: Op) -> Vec<u8> {
    let end = Op::Return { end: Slot(0) };
    let prologue = emit::<I>(&[], &Tuning::default()).len();
    let without = emit::<I>(&[end], &Tuning::default());
    let with = emit::<I>(&[op, end], &Tuning::default());
    let length = with.len() - without.len();
    assert_eq!(with[..prologue], without[..prologue], "the code before an operation does not depend on it");
    assert_eq!(with[prologue + length..], without[prologue..], "nor does the code after it");
    with[prologue..prologue + length].to_vec()
}

/// A fitting immediate is encoded in the instruction; any other is loaded into a register first.
fn check_fits<I: Isa>(scratch: &str) -> (usize, usize) {
    let (mut fitting, mut others) = (0, 0);
    let mut judge = |op: Op, fits: bool| {
        let code = code_of::<I>(op);
        let lines = disassemble(I::NAME, &code).expect("there is a decoder");
        let through_register = lines.iter().any(|line| line.text.contains(scratch));
        assert_eq!(!through_register, fits, "{}: {lines:?}", op.display(I::reg_name, |number| number.to_string()));
        if fits {
            fitting += 1;
        } else {
            others += 1;
        }
        code.len()
    };
    let &[d, a, ..] = I::ALLOCATABLE else { unreachable!("there are registers") };
    for imm in edges() {
        for op in AluOp::ALL {
            let fits = I::fits_alu(op, imm);
            for d in [d, a] {
                let bytes = judge(Op::AluImm { op, d, a, imm }, fits);
                // A minimum or maximum is a comparison and a selection.
                let expected = if matches!(op, AluOp::Min | AluOp::Max) { 8 } else { 4 };
                assert!(I::NAME != "aarch64" || !fits || bytes == expected, "{op:?} {imm} has {bytes} bytes");
            }
        }
        for cond in Cond::ALL {
            let bytes = judge(Op::SetImm { cond, d, a, imm }, I::fits_compare(imm));
            assert!(I::NAME != "aarch64" || !I::fits_compare(imm) || bytes == 8, "{cond:?} {imm} has {bytes} bytes");
        }
    }
    (fitting, others)
}

#[test]
fn fitting_immediates_cost_nothing_and_others_use_a_register() {
    for (fitting, others) in [check_fits::<aarch64::Emitter>("x16"), check_fits::<x86_64::Emitter>("r11")] {
        println!("{fitting} immediates fit, {others} do not");
        assert!(fitting > 1000 && others > 1000);
    }
}

#[test]
fn constants_take_the_shortest_code() {
    let mut constants = edges();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(19);
    constants.extend((0..1000).map(|index| (rng.next_u64() >> (index % 64)) as i64));
    for &value in &constants {
        let halves = [0, 16, 32, 48].map(|shift| (value >> shift) as u16);
        let count = |half: u16| halves.iter().filter(|other| **other == half).count();
        // One instruction for each halfword that differs from the most frequent one, or one instruction for a logical
        // immediate.
        let mask = aarch64::encode::Bitmask::new(value as u64).is_some();
        let instructions = if mask { 1 } else { (4 - count(0).max(count(0xffff))).max(1) };
        let [d, .., e] = *aarch64::Emitter::ALLOCATABLE else { unreachable!("there are registers") };
        for d in [d, e] {
            assert_eq!(code_of::<aarch64::Emitter>(Op::Constant { d, value }).len(), 4 * instructions, "{value:#x}");
        }
        // The upper registers need a prefix, which 64-bit instructions have anyway.
        let [d, .., e] = *x86_64::Emitter::ALLOCATABLE else { unreachable!("there are registers") };
        for (d, prefix) in [(d, 0), (e, 1)] {
            let bytes = match value {
                0 => 2 + prefix,
                1..=0xffff_ffff => 5 + prefix,
                -0x8000_0000..0 => 7,
                _ => 10,
            };
            assert_eq!(code_of::<x86_64::Emitter>(Op::Constant { d, value }).len(), bytes, "{value:#x}");
        }
    }
    assert!(constants.len() > 1500);
}

// Branches.

/// Operations that store different values if the branch is taken and if it is not.
fn observe_branch(builder: &mut Builder, back: bool, branch: impl FnOnce(Label) -> Op) {
    let slot = builder.output();
    let mark = Op::Store { s: REGISTERS[builder.outputs as usize % REGISTERS.len()], slot };
    let to = builder.label();
    if back {
        let (test, after) = (builder.label(), builder.label());
        builder.ops.push(Op::Jump { to: test });
        builder.ops.push(Op::Label(to));
        builder.ops.push(mark);
        builder.ops.push(Op::Jump { to: after });
        builder.ops.push(Op::Label(test));
        builder.put(branch(to));
        builder.ops.push(Op::Label(after));
    } else {
        builder.put(branch(to));
        builder.ops.push(mark);
        builder.ops.push(Op::Label(to));
    }
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn branches_with_every_register_as_every_operand() {
    let mut rig = Rig::new(8);
    for cond in Cond::ALL {
        for back in [false, true] {
            let mut builder = Builder::new();
            for &a in REGISTERS {
                for &b in REGISTERS {
                    observe_branch(&mut builder, back, |to| Op::Branch { cond, a, b, to });
                }
            }
            let piece = builder.finish();
            for index in 0..300 {
                let mut values = rig.values();
                if index % 3 == 0 {
                    // Few values, so that many registers are equal.
                    let few = [rig.value(), rig.value()];
                    values.iter_mut().for_each(|value| *value = few[(*value & 1) as usize]);
                }
                rig.check(&piece, &values);
            }
        }
    }
    rig.done(12 * 300 * (REGISTERS.len() * REGISTERS.len()) as u64);
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn branches_on_immediates_with_every_register_and_every_edge() {
    let mut rig = Rig::new(9);
    let edges = rig.edges.clone();
    for cond in Cond::ALL {
        for back in [false, true] {
            let mut builder = Builder::new();
            for &a in REGISTERS {
                for imm in IMMEDIATES {
                    observe_branch(&mut builder, back, |to| Op::BranchImm { cond, a, imm, to });
                }
            }
            let piece = builder.finish();
            for _ in 0..40 {
                let mut values = rig.values();
                // Registers equal to an immediate or next to it.
                for value in values.iter_mut().step_by(2) {
                    *value = IMMEDIATES[rig.below(IMMEDIATES.len())].wrapping_add(rig.below(3) as i64 - 1);
                }
                rig.check(&piece, &values);
            }
            let mut builder = Builder::new();
            let a = REGISTERS[usize::from(back)];
            for &imm in &edges {
                observe_branch(&mut builder, back, |to| Op::BranchImm { cond, a, imm, to });
            }
            let piece = builder.finish();
            let mut values = rig.values();
            for &edge in &edges {
                values[usize::from(back)] = edge;
                rig.check(&piece, &values);
            }
        }
    }
    rig.done(12 * ((edges.len() * edges.len()) + 40 * 26 * REGISTERS.len()) as u64);
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn countdown_continues_until_zero() {
    let mut rig = Rig::new(10);
    let edges = rig.edges.clone();
    for (index, &d) in REGISTERS.iter().enumerate() {
        // A single step from every edge value: the resulting register, and whether the branch is taken.
        let mut builder = Builder::new();
        observe_branch(&mut builder, false, |to| Op::CountDown { d, to });
        observe_branch(&mut builder, true, |to| Op::CountDown { d, to });
        let piece = builder.finish();
        let mut values = rig.values();
        for &edge in &edges {
            values[index] = edge;
            rig.check(&piece, &values);
        }
        // A complete loop, every iteration of which adds to another register.
        let other = REGISTERS[(index + 1) % REGISTERS.len()];
        let mut builder = Builder::new();
        let head = builder.label();
        builder.ops.push(Op::Label(head));
        builder.put(Op::AluImm { op: AluOp::Add, d: other, a: other, imm: 3 });
        builder.put(Op::CountDown { d, to: head });
        let piece = builder.finish();
        for passes in [1, 2, 3, 4, 100, 1000] {
            values[index] = passes;
            rig.check(&piece, &values);
        }
    }
    rig.done(2 * (REGISTERS.len() * edges.len()) as u64);
}

// Memory.

/// Slots at and next to the limits of every addressing form, and far beyond.
fn far_slots() -> Vec<i64> {
    let mut slots = BTreeSet::new();
    // 8-bit and 9-bit signed bytes, 12 bits scaled, 16-bit halves of constants, 32 bits unscaled and scaled.
    for border in [0_i64, 16, 32, 1 << 8, 1 << 12, 1 << 13, 1 << 15, 1 << 16, 50_000, 12_345] {
        for near in -2..=2 {
            slots.extend([border + near, -border + near]);
        }
    }
    slots.into_iter().collect()
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn loads_and_stores_at_the_limits_of_every_addressing_form() {
    let mut rig = Rig::new(11);
    let reach = 1 << 17;
    for (index, &reg) in REGISTERS.iter().enumerate() {
        let mut builder = Builder::new();
        // The results are above all slots that are loaded and stored.
        builder.outputs = 1 << 16 | 64;
        for slot in far_slots() {
            builder.observe(Op::Load { d: reg, slot: Slot(slot) });
        }
        for slot in far_slots().into_iter().filter(|slot| !(0..OUTPUTS).contains(slot)) {
            builder.put(Op::Store { s: reg, slot: Slot(slot) });
            // The next stored value differs.
            builder.put(Op::AluImm { op: AluOp::Add, d: reg, a: reg, imm: 1 });
        }
        builder.reload(REGISTERS[index]);
        let mut piece = builder.finish();
        (piece.below, piece.above) = (reach, reach);
        for _ in 0..2 {
            let values = rig.values();
            rig.check(&piece, &values);
        }
    }
    rig.done(2 * 200 * REGISTERS.len() as u64);
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn loads_and_stores_farther_than_two_gigabytes() {
    const HALF: usize = (1 << 28) + (1 << 20);
    let Ok(stack) = Store::new(2 * HALF) else {
        println!("NOT RUN: the system does not give 4 GiB of address space");
        return;
    };
    let middle = stack.values().as_ptr().wrapping_add(HALF).cast_mut();
    let borders = [(1 << 28) - 1, 1 << 28, (1 << 28) + 1, (1 << 28) + 54_321, (1 << 27) + 3, 0x0fff_f123];
    let slots: Vec<i64> = borders.into_iter().flat_map(|slot| [slot, -slot]).collect();
    let mut checked = 0;
    for &reg in REGISTERS {
        for &slot in &slots {
            // Copies the value from slot 0 to the far slot, and from the slot next to that back to slot 1.
            let ops = [
                Op::Load { d: reg, slot: Slot(0) },
                Op::Store { s: reg, slot: Slot(slot) },
                Op::Load { d: reg, slot: Slot(slot ^ 1) },
                Op::Store { s: reg, slot: Slot(1) },
                Op::Return { end: Slot(slot) },
            ];
            let code = Code::new(&emit::<Host>(&ops, &Tuning::default())).expect("executable memory");
            let far = middle.wrapping_offset(slot as isize);
            let beside = middle.wrapping_offset((slot ^ 1) as isize);
            let value = 0x0123_4567_89ab_cdef ^ (slot << 8) ^ i64::from(reg.0);
            // SAFETY: all four slots are in the stack's memory, which nothing else uses.
            unsafe {
                middle.write_volatile(value);
                far.write_volatile(-1);
                beside.write_volatile(!value);
            }
            let mut frame = [middle.expose_provenance() as u64, 0, 0, 0, 0, 0];
            // SAFETY: the code was produced for this machine and accesses only the frame's head and those slots.
            let status = unsafe { code.call(frame.as_mut_ptr().expose_provenance() as u64) };
            assert_eq!((status, frame[POINTER]), (0, far.addr() as u64));
            // SAFETY: the same as above.
            let left = unsafe { [far.read_volatile(), beside.read_volatile(), middle.add(1).read_volatile()] };
            assert_eq!(left, [value, !value, !value], "{} at slot {slot}", name(reg));
            checked += 1;
        }
    }
    println!("{checked} far slots");
    assert_eq!(checked, slots.len() * REGISTERS.len());
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn frame_slots_of_a_thousand_nested_loops() {
    let mut rig = Rig::new(12);
    rig.frame_cells = FRAME_CELLS;
    for (index, &reg) in REGISTERS.iter().enumerate() {
        let mut builder = Builder::new();
        for slot in (0..FRAME_SLOTS as u32).map(FrameSlot) {
            builder.observe(Op::LoadFrame { d: reg, slot });
        }
        // In reverse order, each with another value.
        for slot in (0..FRAME_SLOTS as u32).rev().map(FrameSlot) {
            builder.put(Op::StoreFrame { s: reg, slot });
            builder.put(Op::AluImm { op: AluOp::Add, d: reg, a: reg, imm: 1 + index as i64 });
        }
        let piece = builder.finish();
        let values = rig.values();
        rig.check(&piece, &values);
    }
    rig.done(2 * (REGISTERS.len() * FRAME_SLOTS) as u64);
}

// Traps and the pointer.

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn fuel_is_counted_exactly() {
    let mut rig = Rig::new(13);
    // Twenty in sequence, each with its own site; the pointer also shows how far execution got.
    let mut builder = Builder::new();
    for _ in 0..20 {
        let site = builder.site();
        builder.put(Op::Fuel { site });
        builder.put(Op::MovePointer { slots: 1 });
    }
    builder.ops.push(Op::Return { end: Slot(0) });
    let piece = builder.seal(&Tuning::default());
    let values = rig.values();
    for fuel in (0..25).chain([1 << 31, 1 << 32, i64::MAX as u64, 1 << 63, (1 << 63) + 1, u64::MAX]) {
        let end = rig.check_from(&piece, &values, Start { fuel, ..PLENTY });
        let expected =
            if fuel < 20 { End { status: fuel + 1, pointer: fuel as i64 } } else { End { status: 0, pointer: 20 } };
        assert_eq!(end, expected, "with fuel {fuel}");
    }
    // An endless loop that stores its number of iterations.
    let &[passes, ..] = REGISTERS else { unreachable!("there are registers") };
    let mut builder = Builder::new();
    let slot = builder.output();
    let (head, site) = (builder.label(), builder.site());
    builder.put(Op::Constant { d: passes, value: 0 });
    builder.ops.push(Op::Label(head));
    builder.put(Op::Fuel { site });
    builder.put(Op::AluImm { op: AluOp::Add, d: passes, a: passes, imm: 1 });
    builder.put(Op::Store { s: passes, slot });
    builder.put(Op::Jump { to: head });
    builder.ops.push(Op::Return { end: Slot(0) });
    let piece = builder.seal(&Tuning::default());
    for fuel in [0, 1, 2, 3, 10, 1000, 100_000] {
        let end = rig.check_from(&piece, &values, Start { fuel, ..PLENTY });
        assert_eq!(end, End { status: 1, pointer: 0 });
        if fuel > 0 {
            assert_eq!(rig.actual[(piece.below + slot.0) as usize], fuel as i64);
        }
    }
    rig.done(1000);
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn trap_exit_returns_the_number_of_its_site_in_every_form() {
    let mut rig = Rig::new(18);
    let values = rig.values();
    // More sites than sixteen bits can count; the ranges require short, longer and computed branches to and from exits.
    for (sites, fuels) in [(3, vec![0, 1, 2, 3]), (70_000, vec![0, 65_534, 65_535, 65_536, 69_999, 70_000])] {
        for (short_range, near_range) in [(i64::MAX, i64::MAX), (0, i64::MAX), (0, 0), (64, 64)] {
            let mut builder = Builder::new();
            for _ in 0..sites {
                let site = builder.site();
                builder.put(Op::Fuel { site });
            }
            builder.ops.push(Op::Return { end: Slot(0) });
            let piece = builder.seal(&Tuning { short_range, near_range, ..Tuning::default() });
            for &fuel in &fuels {
                let status = rig.check_from(&piece, &values, Start { fuel, ..PLENTY }).status;
                assert_eq!(status, if fuel < sites { fuel + 1 } else { 0 }, "{short_range} {near_range}");
            }
        }
    }
    rig.done(1_000_000);
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn stack_checks_are_exact_to_the_slot() {
    let mut rig = Rig::new(14);
    let (mut trapped, mut passed) = (0, 0);
    let values = rig.values();
    // Distances from the bottom or the limit to the checked slot. Nothing is loaded or stored there.
    let beside = [0, 1, -1, 2, -2, 511, -512, 4096, -4096, 1 << 28, -(1 << 28), 1 << 40, -(1 << 40)];
    for moved in [0, 3, -5, 511, 4096, -4097, 1 << 20, 1 << 28, -(1 << 30), 1 << 40] {
        for limit in [0, 1, 7, 512, 65_536, 1 << 29, 1 << 40] {
            let start = Start { limit, ..PLENTY };
            for distance in beside {
                for need in [true, false] {
                    let mut builder = Builder::new();
                    builder.put(Op::MovePointer { slots: moved });
                    let (other, site) = (builder.site(), builder.site());
                    // A check that never fails comes first, so that the site is not simply the first one.
                    builder.put(Op::Room { slot: Slot(-moved), site: other });
                    let border = if need { 0 } else { limit };
                    let slot = Slot(border + distance - moved);
                    builder.put(if need { Op::Need { slot, site } } else { Op::Room { slot, site } });
                    builder.put(Op::MovePointer { slots: -moved });
                    let piece = builder.finish();
                    let end = rig.check_from(&piece, &values, start);
                    let fails = if need { distance < 0 } else { distance > 0 };
                    assert_eq!(
                        end.status,
                        if fails { 2 } else { 0 },
                        "need {need} {slot:?} from {moved}, limit {limit}"
                    );
                    if fails {
                        assert_eq!(end.pointer, moved);
                        trapped += 1;
                    } else {
                        passed += 1;
                    }
                }
            }
        }
    }
    // The farthest slots with a computable address, far outside the stack.
    for slot in [1 << 58, (1 << 59) - 1, 1 << 50, (1 << 50) + 12_345] {
        for (op, fails) in [
            ((|slot, site| Op::Need { slot, site }) as fn(Slot, Site) -> Op, [false, true]),
            (|slot, site| Op::Room { slot, site }, [true, false]),
        ] {
            for (slot, fails) in [slot, -slot].into_iter().zip(fails) {
                let mut builder = Builder::new();
                let site = builder.site();
                builder.put(op(Slot(slot), site));
                let end = rig.check_from(&builder.finish(), &values, PLENTY);
                assert_eq!(end.status != 0, fails, "slot {slot}");
                trapped += u64::from(fails);
            }
        }
    }
    println!("{trapped} trapped, {passed} passed");
    assert!(trapped > 500 && passed > 500);
    rig.done(4000);
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn pointer_moves_and_execution_can_end_at_any_height() {
    let mut rig = Rig::new(15);
    let distances: Vec<i64> = far_slots()
        .into_iter()
        .chain([1 << 20, 1 << 28, (1 << 28) - 1, (1 << 28) + 1, 1 << 29, 1 << 32, 1 << 40, (1 << 40) + 0x1_2345])
        .flat_map(|slots| [slots, -slots])
        .collect();
    let values = rig.values();
    for &moved in &distances {
        let mut builder = Builder::new();
        builder.put(Op::MovePointer { slots: moved });
        // Registers and slots are the same relative to the new pointer.
        if moved.abs() < 1 << 17 {
            let s = rig.register();
            let slot = builder.output();
            builder.put(Op::Store { s, slot: Slot(slot.0 - moved) });
        }
        builder.put(Op::MovePointer { slots: -moved });
        rig.check(&builder.finish(), &values);
        for end in [0, 5, moved, -moved, 1000] {
            let mut builder = Builder::new();
            builder.put(Op::MovePointer { slots: moved });
            builder.put(Op::Return { end: Slot(end) });
            let end_of_run = rig.check_from(&builder.seal(&Tuning::default()), &values, PLENTY);
            assert_eq!(end_of_run, End { status: 0, pointer: moved + end });
        }
    }
    rig.done(1500);
}

// All together.

/// A random operation, together with what must follow it so that no undefined register is read.
pub fn random_op(rig: &mut Rig, builder: &mut Builder, pending: &mut Vec<(Label, usize)>) {
    let registers = Host::usable(builder.shape.reserved);
    let [d, a, b] = [(); 3].map(|()| registers[rig.below(registers.len())]);
    let alu = AluOp::ALL[rig.below(8)];
    let cond = Cond::ALL[rig.below(6)];
    let division = DIVISIONS[rig.below(2)];
    let imm = rig.value();
    let slot = Slot(rig.below(100) as i64);
    let frame_slot = FrameSlot(rig.below(4) as u32);
    let mut target = |builder: &mut Builder, skipped: usize| {
        let label = builder.label();
        pending.push((label, skipped));
        label
    };
    let skipped = 1 + rig.below(12);
    let op = match rig.below(24) {
        0 => Op::Move { d, s: a },
        1 => Op::Constant { d, value: imm },
        2 | 3 => Op::Load { d, slot },
        4 | 5 => Op::Store { s: a, slot },
        6..=8 => Op::Alu { op: alu, d, a, b },
        9 | 10 => Op::AluImm { op: alu, d, a, imm },
        11 => Op::Set { cond, d, a, b },
        12 => Op::SetImm { cond, d, a, imm },
        13 => Op::Divide { op: division, d, a, b, site: builder.site() },
        14 if imm != 0 => Op::DivideImm { op: division, d, a, imm },
        15 | 16 => Op::Branch { cond, a, b, to: target(builder, skipped) },
        17 => Op::BranchImm { cond, a, imm, to: target(builder, skipped) },
        18 => Op::CountDown { d, to: target(builder, skipped) },
        19 => Op::LoadFrame { d, slot: frame_slot },
        20 => Op::StoreFrame { s: a, slot: frame_slot },
        21 => Op::Fuel { site: builder.site() },
        22 => match rig.below(4) {
            0 => Op::Need { slot: Slot(slot.0 - 60), site: builder.site() },
            1 => Op::Room { slot: Slot(slot.0 + 950), site: builder.site() },
            2 => Op::Jump { to: target(builder, skipped) },
            _ => Op::MovePointer { slots: slot.0 % 9 - 4 },
        },
        _ => Op::MovePointer { slots: slot.0 % 3 - 1 },
    };
    builder.put(op);
    for &reg in clobbered(op) {
        if destination(op) != Some(reg) {
            builder.put(Op::Constant { d: reg, value: imm });
        }
    }
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn random_sequences_with_branches_of_every_form() {
    let mut rig = Rig::new(16);
    let (mut done, mut trapped) = (0_u64, 0_u64);
    for round in 0..4000 {
        let mut builder = Builder::new();
        let mut pending = Vec::new();
        for _ in 0..10 + round % 90 {
            random_op(&mut rig, &mut builder, &mut pending);
            for (_, skipped) in &mut pending {
                *skipped -= 1;
            }
            pending.retain(|&(label, skipped)| {
                if skipped == 0 {
                    builder.ops.push(Op::Label(label));
                }
                skipped > 0
            });
        }
        pending.drain(..).for_each(|(label, _)| builder.ops.push(Op::Label(label)));
        builder.dump();
        builder.ops.push(Op::Return { end: Slot(round % 50) });
        let tuning = Tuning {
            short_range: [i64::MAX, 0, 16, 64, 256][round as usize % 5],
            near_range: [i64::MAX, 0, 64, 512][round as usize % 4],
            ..Tuning::default()
        };
        let mut piece = builder.seal(&tuning);
        (piece.below, piece.above) = (600, 800);
        for _ in 0..4 {
            let values = rig.values();
            let start = Start { fuel: rig.below(12) as u64, ..PLENTY };
            match rig.check_from(&piece, &values, start).status {
                0 => done += 1,
                _ => trapped += 1,
            }
        }
    }
    println!("{done} runs ended, {trapped} trapped");
    assert!(done > 2000 && trapped > 2000, "{done} runs ended, {trapped} trapped");
    rig.done(500_000);
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn comparison_detects_wrong_code() {
    let mut rig = Rig::new(17);
    let &[d, a, b, other, ..] = REGISTERS else { unreachable!("there are four registers") };
    let right = Op::Alu { op: AluOp::Add, d, a, b };
    let wrong: [&[Op]; 6] = [
        // Another operation, another operand register, another destination, an extra changed register.
        &[Op::Alu { op: AluOp::Sub, d, a, b }],
        &[Op::Alu { op: AluOp::Add, d, a, b: other }],
        &[Op::Alu { op: AluOp::Add, d: other, a, b }],
        &[right, Op::AluImm { op: AluOp::Add, d: other, a: other, imm: 1 }],
        // A changed slot that must stay unchanged, and a changed frame slot.
        &[right, Op::Store { s: a, slot: Slot(-3) }],
        &[right, Op::StoreFrame { s: a, slot: FrameSlot(1) }],
    ];
    let build = |ops: &[Op]| {
        let mut builder = Builder::new();
        ops.iter().for_each(|op| builder.put(*op));
        builder.finish()
    };
    let mut values = rig.values();
    for (index, value) in values.iter_mut().enumerate() {
        *value = 1000 + 7 * index as i64;
    }
    let piece = build(&[right]);
    assert!(rig.compare(&piece, &values, PLENTY).is_ok());
    for ops in wrong {
        let piece = build(&[right]).with_code_of(build(ops));
        let difference = rig.compare(&piece, &values, PLENTY).expect_err("the code is wrong");
        println!("{difference}");
    }
    // Another end, and an unexpected trap.
    let ends = |op: Op| {
        let mut builder = Builder::new();
        builder.put(op);
        builder.ops.push(Op::Return { end: Slot(0) });
        builder.seal(&Tuning::default())
    };
    let (stays, moves) = (ends(Op::MovePointer { slots: 0 }), ends(Op::MovePointer { slots: 1 }));
    assert!(rig.compare(&stays.with_code_of(moves), &values, PLENTY).is_err());
    let (fine, traps) =
        (ends(Op::Need { slot: Slot(0), site: Site(0) }), ends(Op::Need { slot: Slot(-1), site: Site(0) }));
    assert!(rig.compare(&fine.with_code_of(traps), &values, PLENTY).is_err());
}
