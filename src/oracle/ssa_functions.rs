//! Random functions in static single assignment form, for fuzzing: valid functions that no program may lead to.

use crate::bytecode::FunctionId;
use crate::lir::{AluOp, Cond, DivOp, UnaryOp};
use crate::ssa::ir::{Block, BlockData, Edge, End, Function, Op, Value};

/// The number of memory cells that the functions may use.
pub const CELLS: usize = 4;

/// The number of values on the stack when a function begins.
pub const INPUTS: i64 = 3;

/// The function that these bytes encode: branches and loops of up to three levels, with any operations on values that are defined
/// on all paths. It leaves its last values on the stack.
pub fn decoded(bytes: &[u8]) -> Function {
    let function = Function {
        id: FunctionId::MAIN,
        insts: Vec::new(),
        blocks: Vec::new(),
        layout: Vec::new(),
        has_calls: false,
        has_base: false,
    };
    let mut decoder =
        Decoder { bytes: bytes.iter(), function, current: Block(0), available: Vec::new(), left: LONGEST };
    let entry = decoder.block();
    decoder.begin(entry);
    for slot in 0..INPUTS {
        decoder.define(Op::LoadSlot(slot));
    }
    decoder.body(0);
    let results = decoder.available.iter().rev().take(6).copied().collect::<Vec<_>>();
    for (slot, value) in (0..).zip(&results) {
        decoder.put(Op::StoreSlot { value: *value, slot });
    }
    decoder.end(End::Return { end: results.len() as i64 });
    decoder.function
}

/// The greatest number of steps of a decoder.
const LONGEST: u32 = 200;

struct Decoder<'a> {
    bytes: std::slice::Iter<'a, u8>,
    function: Function,
    current: Block,
    /// The values that are defined on every path to the current place.
    available: Vec<Value>,
    left: u32,
}

impl Decoder<'_> {
    fn byte(&mut self) -> usize {
        self.bytes.next().copied().unwrap_or(0).into()
    }

    /// A small number, or one at the end of a range.
    fn constant(&mut self) -> i64 {
        let byte = self.byte();
        match byte % 8 {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => -1,
            3 => 1 << (byte / 8),
            4 => -(1 << (byte / 8)),
            5 => (byte as i64) << 32 | 0x1234_5678,
            _ => (byte / 8) as i64,
        }
    }

    fn value(&mut self) -> Value {
        // Values that were defined last are used most.
        let back = match self.byte() {
            byte @ 0..192 => byte % 4,
            byte => byte,
        };
        self.available[self.available.len() - 1 - back % self.available.len()]
    }

    fn block(&mut self) -> Block {
        self.function.blocks.push(BlockData {
            params: Vec::new(),
            insts: Vec::new(),
            end: End::Open,
            end_pc: 0,
            is_innermost_header: false,
        });
        Block(self.function.blocks.len() as u32 - 1)
    }

    fn begin(&mut self, block: Block) {
        self.function.layout.push(block);
        self.current = block;
    }

    fn end(&mut self, end: End) {
        let pc = self.function.insts.len() as u32;
        let data = self.function.block_mut(self.current);
        (data.end, data.end_pc) = (end, pc);
    }

    fn put(&mut self, op: Op) -> Value {
        // Each place that may trap is different.
        let pc = self.function.insts.len() as u32;
        let value = self.function.add(op, pc);
        self.function.block_mut(self.current).insts.push(value);
        value
    }

    fn define(&mut self, op: Op) {
        let value = self.put(op);
        self.available.push(value);
    }

    fn param(&mut self, block: Block) -> Value {
        let value = self.function.add(Op::Param, 0);
        self.function.block_mut(block).params.push(value);
        value
    }

    fn body(&mut self, nesting: u32) {
        let steps = 2 + self.byte() % 16;
        for _ in 0..steps {
            let Some(left) = self.left.checked_sub(1) else { return };
            self.left = left;
            match self.byte() % 16 {
                0 if nesting < 3 => self.diamond(nesting),
                1 if nesting < 3 => self.times(nesting),
                2 => self.checked_access(),
                _ => self.operation(),
            }
        }
    }

    fn operation(&mut self) {
        let (a, b) = (self.value(), self.value());
        let alu = AluOp::ALL[self.byte() % AluOp::ALL.len()];
        let cond = Cond::ALL[self.byte() % Cond::ALL.len()];
        let division = [DivOp::Quotient, DivOp::Remainder][self.byte() % 2];
        let cell = (self.byte() % CELLS) as u32;
        match self.byte() % 16 {
            0 => {
                let constant = self.constant();
                self.define(Op::Constant(constant));
            }
            1..=4 => self.define(Op::Alu(alu, a, b)),
            5 => {
                let imm = self.constant();
                self.define(Op::AluImm(alu, a, imm));
            }
            6 => {
                let op = UnaryOp::ALL[self.byte() % UnaryOp::ALL.len()];
                self.define(Op::Unary(op, a));
            }
            7 => self.define(Op::Set(cond, a, b)),
            8 => {
                let imm = self.constant();
                self.define(Op::SetImm(cond, a, imm));
            }
            9 => self.define(Op::Divide(division, a, b)),
            10 => {
                let imm = self.constant();
                self.define(Op::DivideImm(division, a, if imm == 0 { 3 } else { imm }));
            }
            11 => {
                // Most addresses exist.
                let address = self.put(Op::AluImm(AluOp::And, a, 3));
                let offset = i64::from(self.byte() == 1);
                self.define(Op::LoadCell { address, offset });
            }
            12 => {
                let address = self.put(Op::AluImm(AluOp::And, a, 3));
                self.put(Op::StoreCell { value: b, address, offset: 0 });
            }
            13 => self.define(Op::LoadCellAt { cell }),
            14 => {
                self.put(Op::StoreCellAt { value: a, cell });
            }
            _ => {
                self.put(Op::Fuel);
            }
        }
    }

    /// The test of a branch from the current block, and its two targets.
    fn branch(&mut self) -> (Block, Block) {
        let (then, other) = (self.block(), self.block());
        let (a, b) = (self.value(), self.value());
        let cond = Cond::ALL[self.byte() % Cond::ALL.len()];
        let imm = self.constant();
        let is_zero = imm > 0;
        let end = match self.byte() % 3 {
            0 => End::Branch { cond, a, b, then, other },
            1 => End::BranchImm { cond, a, imm, then, other },
            _ => End::BranchMask { a, mask: imm, is_zero, then, other },
        };
        self.end(end);
        (then, other)
    }

    fn diamond(&mut self, nesting: u32) {
        let (then, other) = self.branch();
        let join = self.block();
        let params = self.byte() % 4;
        let outside = self.available.len();
        for block in [then, other] {
            self.begin(block);
            self.body(nesting + 1);
            let args = (0..params).map(|_| self.value()).collect();
            self.end(End::Jump(Edge { to: join, args }));
            self.available.truncate(outside);
        }
        self.begin(join);
        for _ in 0..params {
            let param = self.param(join);
            self.available.push(param);
        }
    }

    /// An access whose index is checked first. Something is often not as `bounds` expects it.
    fn checked_access(&mut self) {
        let (index, value) = (self.value(), self.value());
        let index = if self.byte().is_multiple_of(4) { index } else { self.put(Op::AluImm(AluOp::And, index, 3)) };
        let (first, length) = ((self.byte() % CELLS) as i64, (self.byte() % (CELLS + 2)) as i64);
        let length = self.put(Op::Constant(length));
        let flag = self.put(Op::Set(Cond::Ult, index, length));
        let (then, other, join) = (self.block(), self.block(), self.block());
        self.end(End::BranchImm { cond: Cond::Ne, a: flag, imm: 0, then, other });
        self.begin(then);
        let first = self.put(Op::Constant(first));
        let sum = self.put(Op::Alu(AluOp::Add, index, first));
        self.end(End::Jump(Edge { to: join, args: vec![sum] }));
        self.begin(other);
        let nowhere = if self.byte().is_multiple_of(8) { self.constant() } else { -1 };
        let nowhere = self.put(Op::Constant(nowhere));
        self.end(End::Jump(Edge { to: join, args: vec![nowhere] }));
        self.begin(join);
        let address = self.param(join);
        match self.byte() % 8 {
            0..=2 => {
                self.put(Op::StoreCell { value, address, offset: 0 });
            }
            3 => {
                self.put(Op::StoreCell { value: address, address, offset: 0 });
            }
            _ => self.define(Op::LoadCell { address, offset: 0 }),
        }
        if self.byte().is_multiple_of(8) {
            self.available.push(address);
        }
    }

    /// A loop with a constant count and further parameters, which may change places.
    fn times(&mut self, nesting: u32) {
        let header = self.block();
        let carried = self.byte() % 5;
        let count = 1 + self.byte() % 4;
        let count = self.put(Op::Constant(count as i64));
        let args = std::iter::once(count).chain((0..carried).map(|_| self.value())).collect();
        self.end(End::Jump(Edge { to: header, args }));
        self.begin(header);
        let outside = self.available.len();
        let counter = self.param(header);
        for _ in 0..carried {
            let param = self.param(header);
            self.available.push(param);
        }
        self.body(nesting + 1);
        let left = self.put(Op::AluImm(AluOp::Add, counter, -1));
        let (again, exit) = (self.block(), self.block());
        self.end(End::BranchImm { cond: Cond::Ne, a: left, imm: 0, then: again, other: exit });
        self.begin(again);
        let args = std::iter::once(left).chain((0..carried).map(|_| self.value())).collect();
        self.end(End::Jump(Edge { to: header, args }));
        self.begin(exit);
        // All values of the loop are defined here as well. A few of them are used.
        let inside = self.available.split_off(outside);
        self.available.extend(inside.into_iter().rev().take(4));
    }
}
