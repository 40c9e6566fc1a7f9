//! What each loop and each `if` does to the stack, found in one walk before code is made.
//!
//! Slots are counted downward from the *border*: the top of the stack where the body begins.

use crate::bytecode::{Bytecode, Op, Pc};
use crate::isa::Isa;
use crate::lang::Word;
use crate::lang::words::Meaning;
use crate::lir::AluOp;

use super::homes;

/// What a body, of a loop or of both branches of an `if`, does to the stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Bit `k` is set where the slot `k` below the border's top is read or written.
    pub touched: u64,
    /// Whether the data-stack pointer must move in it: all ways through it do not leave the stack equally high.
    pub moves_pointer: bool,
    /// How many loops are in it, itself among them where it is one.
    loops: u32,
    /// Whether it shifts by a count that is no constant.
    pub shifts: bool,
    /// Whether it divides in a way that destroys registers.
    pub divides: bool,
    /// Constants that no instruction has a field for.
    pub constants: Constants,
}

impl Body {
    /// Whether it has no other loop in it.
    pub fn is_innermost(&self) -> bool {
        self.loops <= 1
    }
}

/// A few constants.
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

/// What is known of a program before its code is made.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// A body for each loop, in the order of [`Bytecode::heads`].
    pub loops: Vec<Body>,
    /// A body for each `if`, in reading order.
    pub ifs: Vec<Body>,
    /// For each operation the slot of the innermost loop, below its border's top, in which its result lies when the next
    /// pass begins; [`homes::NOWHERE`] where there is none.
    pub homes: Vec<u8>,
    /// The greatest number of slots that are touched at a time.
    pub height: usize,
}

/// What a branch on a flag is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Leaves a `while` loop.
    Leave,
    /// Goes over the only branch of an `if`.
    If {
        /// Behind it.
        end: Pc,
    },
    /// Goes to the second branch of an `if`.
    IfElse {
        /// Behind both.
        end: Pc,
    },
}

/// What the branch at `pc` that goes to `to` is there for.
pub fn role(code: &Bytecode, pc: Pc, to: Pc) -> Role {
    match code.ops()[to.index() - 1] {
        Op::Jump(head) if head <= pc => Role::Leave,
        Op::Jump(end) if end >= to => Role::IfElse { end },
        _ => Role::If { end: to },
    }
}

/// Finds it all out.
pub fn summarize<I: Isa>(code: &Bytecode) -> Summary {
    let mut walk = Walk {
        summary: Summary { loops: Vec::with_capacity(code.heads().len()), ..Summary::default() },
        open: vec![Open::new(What::Program, code.inputs() as i64)],
        above: code.inputs() as i64,
        events: Vec::with_capacity(2 * code.heads().len()),
        highest: code.inputs() as i64,
        lowest: code.inputs() as i64,
    };
    walk.forward::<I>(code);
    let Walk { mut summary, events, highest, lowest, .. } = walk;
    summary.height = usize::try_from(highest - lowest).unwrap_or(0);
    summary.homes = homes::find(code, &summary, &events);
    summary
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Program,
    Loop(usize),
    If { index: usize, end: Pc },
}

/// A body that is being walked.
struct Open {
    what: What,
    /// Values above the pointer at the border.
    above: i64,
    /// The same at the end of the first branch of an `if`, or where a `while` loop is left.
    other: Option<i64>,
    body: Body,
}

impl Open {
    fn new(what: What, above: i64) -> Open {
        Open { what, above, other: None, body: Body::default() }
    }
}

/// Something at a place between two operations.
#[derive(Clone, Copy)]
pub(super) enum Event {
    Head,
    LoopEnd { index: usize, same_height: bool },
    Else,
    EndIf { index: usize },
}

struct Walk {
    summary: Summary,
    open: Vec<Open>,
    above: i64,
    events: Vec<(u32, Event)>,
    highest: i64,
    lowest: i64,
}

impl Walk {
    fn forward<I: Isa>(&mut self, code: &Bytecode) {
        let mut heads = code.heads().iter().peekable();
        for (index, &op) in code.ops().iter().enumerate() {
            let pc = Pc(index as u32);
            while let What::If { index, end } = self.innermost().what
                && end == pc
            {
                self.end_if(index, pc);
            }
            while heads.next_if(|head| **head == pc).is_some() {
                let index = self.summary.loops.len();
                self.summary.loops.push(Body::default());
                self.open.push(Open::new(What::Loop(index), self.above));
                self.events.push((pc.0, Event::Head));
            }
            match op {
                Op::Literal(value) => {
                    if let Some(constant) = large::<I>(value, code.ops()[index + 1]) {
                        self.innermost().body.constants.add(constant);
                    }
                    self.effect(0, 1);
                }
                Op::Pick(depth) => {
                    let slot = self.above - 1 - depth as i64;
                    self.touch(slot, slot + 1);
                    self.effect(0, 1);
                }
                Op::Word(word) => {
                    self.effect(word.pops() as i64, word.pushes() as i64);
                    let constant = match index.checked_sub(1).map(|before| code.ops()[before]) {
                        Some(Op::Literal(value)) => Some(value),
                        _ => None,
                    };
                    let body = &mut self.innermost().body;
                    let harmless = constant.is_some_and(|value| value != 0 && I::divide_imm_clobbers(value).is_empty());
                    body.divides |= matches!(word.meaning(), Meaning::Divide(_)) && !harmless;
                    body.shifts |= matches!(word, Word::Lshift | Word::Rshift) && constant.is_none();
                }
                Op::Times { .. } => self.effect(1, 0),
                Op::Next { .. } => self.end_loop(pc, None),
                Op::Jump(to) if to <= pc => {
                    let left = self.innermost().other.take();
                    self.end_loop(pc, left);
                }
                Op::Jump(_) => {
                    let above = self.above;
                    let open = self.innermost();
                    open.other = Some(above);
                    self.above = open.above;
                    self.events.push((pc.0 + 1, Event::Else));
                }
                Op::BranchIfZero(to) => {
                    self.effect(1, 0);
                    match role(code, pc, to) {
                        Role::Leave => {
                            let above = self.above;
                            self.innermost().other = Some(above);
                        }
                        Role::If { end } | Role::IfElse { end } => {
                            let index = self.summary.ifs.len();
                            self.summary.ifs.push(Body::default());
                            self.open.push(Open::new(What::If { index, end }, self.above));
                        }
                    }
                }
                Op::Fuel | Op::Need { .. } | Op::Room { .. } | Op::Return => {}
            }
        }
    }

    fn innermost(&mut self) -> &mut Open {
        self.open.last_mut().expect("the program is always open")
    }

    fn effect(&mut self, pops: i64, pushes: i64) {
        self.touch(self.above - pops, self.above - pops + pops.max(pushes));
        self.above += pushes - pops;
        self.highest = self.highest.max(self.above);
    }

    /// The slots from `low` to below `high` are read or written.
    fn touch(&mut self, low: i64, high: i64) {
        // What lies deeper than this is not kept in registers.
        self.lowest = self.lowest.min(low.max(self.above - 64));
        let open = self.innermost();
        let (first, last) = ((open.above - high).max(0), open.above - low);
        if first < last && first < 64 {
            let count = (last - first).min(64) as u32;
            open.body.touched |= (u64::MAX >> (64 - count)) << first;
        }
    }

    fn end_if(&mut self, index: usize, pc: Pc) {
        let above = self.above;
        let open = self.innermost();
        // The other way to here: the end of the first branch, or over it.
        let other = open.other.unwrap_or(open.above);
        open.body.moves_pointer |= above != other;
        self.above = other;
        self.summary.ifs[index] = self.close();
        self.events.push((pc.0, Event::EndIf { index }));
    }

    fn end_loop(&mut self, pc: Pc, left: Option<i64>) {
        let above = self.above;
        let open = self.innermost();
        let What::Loop(index) = open.what else { unreachable!("a way back ends a loop") };
        open.body.moves_pointer |= above != open.above;
        open.body.loops += 1;
        let at_head = open.above;
        self.above = left.unwrap_or(at_head);
        let same_height = self.above == at_head;
        self.summary.loops[index] = self.close();
        self.events.push((pc.0 + 1, Event::LoopEnd { index, same_height }));
    }

    /// Ends the innermost body: all that it does is done by the one around it, too.
    fn close(&mut self) -> Body {
        let Open { above, body, .. } = self.open.pop().expect("it is open");
        let around = self.innermost();
        let deeper = around.above - above;
        around.body.touched |= match deeper {
            0..64 => body.touched << deeper,
            -63..0 => body.touched >> -deeper,
            _ => 0,
        };
        around.body.moves_pointer |= body.moves_pointer;
        around.body.loops += body.loops;
        around.body.shifts |= body.shifts;
        around.body.divides |= body.divides;
        body.constants.iter().for_each(|value| around.body.constants.add(value));
        body
    }
}

/// The constant that a literal is for the word behind it, where the instruction set has no field that holds it.
fn large<I: Isa>(value: i64, next: Op) -> Option<i64> {
    let Op::Word(word) = next else { return None };
    let (fits, value) = match word.meaning() {
        // A difference is a sum.
        Meaning::Alu(AluOp::Sub) => (I::fits_alu(AluOp::Add, value.wrapping_neg()), value.wrapping_neg()),
        Meaning::Alu(op) => (I::fits_alu(op, value), value),
        Meaning::Compare(_) => (I::fits_compare(value), value),
        Meaning::Divide(_) | Meaning::Shuffle => (true, value),
    };
    (!fits).then_some(value)
}
