//! The summary: what each region reads, writes and clobbers, found in one walk over the bytecode.
//!
//! The lowering uses it to assign registers before a region begins. The summary of a region includes all regions inside it.
//! Slots are counted downward from the top of the stack at the region's header.

use crate::bytecode::{Bytecode, Function, Inlined, Op, RegionId};
use crate::isa::Isa;
use crate::lang::words::Meaning;
use crate::lir::AluOp;

/// The summary of a region and all regions inside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Bit `k` is set if the slot `k` below the top of the stack at the header is read or written.
    pub touched: u64,
    /// Whether a `while` loop is left with the same height as at its header.
    pub leaves_level: bool,
    /// Whether it shifts by a count that is not a constant.
    pub shifts: bool,
    /// Whether one of its divisions clobbers registers.
    pub divides: bool,
    /// Whether it has a call that is not inlined. Such a call clobbers all registers.
    pub calls: bool,
    /// Constants that do not fit the immediate field of their instruction.
    pub constants: Constants,
}

/// A set of at most four constants; further ones are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Constants {
    values: [i64; 4],
    count: usize,
}

impl Constants {
    fn add(&mut self, value: i64) {
        if self.count < self.values.len() && !self.iter().any(|known| known == value) {
            self.values[self.count] = value;
            self.count += 1;
        }
    }

    /// The constants.
    pub fn iter(&self) -> impl Iterator<Item = i64> + use<> {
        self.values.into_iter().take(self.count)
    }
}

/// The summary of a program.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The summary of each region.
    pub bodies: Vec<Body>,
    /// For each function, the number of slots from the lowest that is touched up to the greatest height.
    pub heights: Vec<usize>,
}

/// Summarizes a program.
pub fn summarize<I: Isa>(code: &Bytecode, inlined: &Inlined) -> Summary {
    let mut walk = Walk {
        inlined,
        bodies: vec![Body::default(); code.regions().len()],
        open: Vec::new(),
        height: 0,
        highest: 0,
        lowest: 0,
        is_dead: false,
        constant: None,
    };
    let heights = code.functions().iter().map(|function| walk.function::<I>(code, function)).collect();
    Summary { bodies: walk.bodies, heights }
}

/// A region that is being walked, or the function itself.
struct OpenRegion {
    /// The height at its header.
    height: i64,
    /// The height where a `while` loop is left, or at the end of THEN if there is an ELSE and the end can be reached.
    exit_height: Option<i64>,
    /// Whether THEN ends with a jump.
    then_is_dead: bool,
    body: Body,
}

impl OpenRegion {
    fn new(height: i64) -> OpenRegion {
        OpenRegion { height, exit_height: None, then_is_dead: false, body: Body::default() }
    }
}

struct Walk<'a> {
    inlined: &'a Inlined,
    bodies: Vec<Body>,
    open: Vec<OpenRegion>,
    height: i64,
    highest: i64,
    lowest: i64,
    /// Whether the next operation cannot be reached from the one before it.
    is_dead: bool,
    /// The value that the previous operation pushed, if that was a literal.
    constant: Option<i64>,
}

impl Walk<'_> {
    /// Walks a function. Returns the number of slots from the lowest that is touched up to the greatest height.
    fn function<I: Isa>(&mut self, code: &Bytecode, function: &Function) -> usize {
        let params = i64::from(function.params);
        (self.height, self.highest, self.lowest, self.is_dead) = (params, params, params, false);
        self.open.clear();
        self.open.push(OpenRegion::new(params));
        self.constant = None;
        for index in function.start.index()..function.end.index() {
            self.op::<I>(code, index);
        }
        usize::try_from(self.highest - self.lowest).unwrap_or(0)
    }

    fn op<I: Isa>(&mut self, code: &Bytecode, index: usize) {
        let op = code.ops()[index];
        let previous = self.constant.take();
        match op {
            Op::Literal(value) => {
                if let Some(unencodable) = unencodable::<I>(value, code.ops()[index + 1]) {
                    self.innermost().body.constants.add(unencodable);
                }
                self.effect(0, 1);
                self.constant = Some(value);
            }
            Op::Pick(depth) => {
                let slot = self.height - 1 - depth as i64;
                self.touch(slot, slot + 1);
                self.effect(0, 1);
            }
            Op::Put(depth) => {
                let slot = self.height - 2 - depth as i64;
                self.touch(slot, slot + 1);
                self.effect(1, 0);
            }
            Op::Word(word) => {
                self.effect(word.pops() as i64, word.pushes() as i64);
                let body = &mut self.innermost().body;
                let clobbers_nothing =
                    previous.is_some_and(|value| value != 0 && I::divide_imm_clobbers(value).is_empty());
                body.divides |= matches!(word.meaning(), Meaning::Divide(_)) && !clobbers_nothing;
                body.shifts |= word.is_shift() && previous.is_none();
            }
            Op::Times(_) | Op::If(_) => {
                self.effect(1, 0);
                self.open.push(OpenRegion::new(self.height));
            }
            Op::While(_) => self.open.push(OpenRegion::new(self.height)),
            Op::LeaveIfZero(_) => {
                self.effect(1, 0);
                let height = self.height;
                self.innermost().exit_height = Some(height);
            }
            Op::Else(_) => {
                let (height, is_dead) = (self.height, std::mem::take(&mut self.is_dead));
                let open = self.innermost();
                open.exit_height = (!is_dead).then_some(height);
                open.then_is_dead = is_dead;
                self.height = open.height;
            }
            Op::EndIf(id) => {
                let then_is_dead = self.innermost().then_is_dead;
                let at_else_end = self.height;
                let is_dead = self.is_dead;
                self.end(id);
                if then_is_dead {
                    (self.height, self.is_dead) = (at_else_end, is_dead);
                }
            }
            Op::Next(id) | Op::Repeat(id) => self.end(id),
            Op::Leave(_) | Op::Exit => self.is_dead = true,
            Op::Call(id) => {
                let Function { params, results, .. } = code.functions()[id.index()];
                if let Some(body) = self.inlined.body(code, id) {
                    body.for_each(|index| self.op::<I>(code, index));
                } else {
                    self.effect(params.into(), results.into());
                    self.innermost().body.calls = true;
                }
            }
            Op::CallDepth | Op::Frame { .. } | Op::Fuel | Op::Need { .. } | Op::Room { .. } | Op::Return => {}
        }
    }

    fn innermost(&mut self) -> &mut OpenRegion {
        self.open.last_mut().expect("the function itself stays open")
    }

    fn effect(&mut self, pops: i64, pushes: i64) {
        self.touch(self.height - pops, self.height - pops + pops.max(pushes));
        self.height += pushes - pops;
        self.highest = self.highest.max(self.height);
    }

    /// Records that the slots from `low` up to but excluding `high` are read or written.
    fn touch(&mut self, low: i64, high: i64) {
        // Values more than 64 slots deep are not kept in registers.
        self.lowest = self.lowest.min(low.max(self.height - 64));
        let open = self.innermost();
        let (first, last) = ((open.height - high).max(0), open.height - low);
        if first < last && first < 64 {
            let count = (last - first).min(64) as u32;
            open.body.touched |= (u64::MAX >> (64 - count)) << first;
        }
    }

    /// Ends the innermost region and adds its summary to that of its parent.
    fn end(&mut self, id: RegionId) {
        let OpenRegion { height, exit_height, mut body, .. } = self.open.pop().expect("the region is open");
        self.is_dead = false;
        // A `times` loop, or an `if` without ELSE, ends with the height at its header.
        self.height = exit_height.unwrap_or(height);
        body.leaves_level = self.height == height;
        let parent = self.innermost();
        let offset = parent.height - height;
        parent.body.touched |= match offset {
            0..64 => body.touched << offset,
            -63..0 => body.touched >> -offset,
            _ => 0,
        };
        parent.body.shifts |= body.shifts;
        parent.body.divides |= body.divides;
        parent.body.calls |= body.calls;
        body.constants.iter().for_each(|value| parent.body.constants.add(value));
        self.bodies[id.index()] = body;
    }
}

/// The constant that a literal provides to the word after it, if no immediate field of the instruction set holds it.
fn unencodable<I: Isa>(value: i64, next: Op) -> Option<i64> {
    let Op::Word(word) = next else { return None };
    let (fits, value) = match word.meaning() {
        // A subtraction of a constant is lowered to an addition.
        Meaning::Alu(AluOp::Sub) => (I::fits_alu(AluOp::Add, value.wrapping_neg()), value.wrapping_neg()),
        Meaning::Alu(op) => (I::fits_alu(op, value), value),
        Meaning::Compare(_) => (I::fits_compare(value), value),
        Meaning::Unary(_) | Meaning::Divide(_) | Meaning::Shuffle | Meaning::Load | Meaning::Store => (true, value),
    };
    (!fits).then_some(value)
}
