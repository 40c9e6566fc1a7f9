//! Closed forms as code: in place of the passes of a loop the map that they come to.
//!
//! The values lie in registers of their own and are changed there. All registers that are needed besides are known to be
//! free before anything is put, so that the code can stand on one of two ways that meet.

use super::affine::{Form, Map, ONE, VALUES, as_constant, read};
use super::closed::Closed;
use super::lower::Lowering;
use super::stack::{Stack, Value, bit, bits};
use crate::isa::Isa;
use crate::lir::{AluOp, Cond, Op, Reg, Sink};

/// A map that is taken a number of times by squaring changes so many values at most: a step for each bit of the count is
/// unrolled.
const STEPPED: usize = 2;

/// The bits of a count that can be set in a positive one.
const BITS: u32 = 63;

/// How many passes there are; in a register, more than none.
#[derive(Clone, Copy, Debug)]
pub(super) enum Passes {
    Known(u64),
    In(Reg),
}

/// How the passes of a loop are carried out at once.
#[derive(Debug)]
enum Formula {
    /// The count is known, and so is the map.
    Known(Map),
    /// `n` passes are `1 + n L + n (n - 1) / 2 L^2`.
    Sums([Map; 2], Reg),
    /// For each bit of the count that is set, the map so many times.
    Steps(Map, Reg),
}

/// The closed form of one loop, with its registers.
#[derive(Debug)]
pub(super) struct Ready {
    formula: Formula,
    /// Where the values lie.
    values: Vec<Reg>,
    /// Registers for what is computed on the way.
    free: Vec<Reg>,
}

impl Ready {
    /// A closed form, with the values where this stack has them. There is none where too few registers are left, or its
    /// code would be too long.
    pub fn new<I: Isa, S: Sink>(
        lowering: &Lowering<'_, I, S>,
        closed: &Closed,
        stack: &Stack,
        passes: Passes,
    ) -> Option<Ready> {
        let registers = &lowering.state.registers;
        let own = |depth: &i64| match stack.get(stack.slot(*depth)) {
            Value::Reg(reg) if registers.uses(reg) == 1 && registers.pinned & bit(reg) == 0 => Some(reg),
            _ => None,
        };
        let values = closed.depths.iter().map(own).collect::<Option<Vec<_>>>()?;
        let formula = match passes {
            Passes::Known(passes) => Formula::Known(closed.pass.power(passes)),
            Passes::In(count) => match closed.pass.added() {
                Some(sums) => Formula::Sums(sums, count),
                None if closed.pass.changed().count() <= STEPPED => Formula::Steps(closed.pass, count),
                None => return None,
            },
        };
        let mut free: Vec<Reg> = Vec::new();
        let wanted = formula.registers();
        while free.len() < wanted {
            free.push(registers.any_free(bits(free.iter().copied()))?);
        }
        Some(Ready { formula, values, free })
    }
}

impl Formula {
    /// How many registers it needs besides those of the values.
    fn registers(&self) -> usize {
        let kept = |steps: Vec<Step>| steps.iter().filter(|step| step.keep).count();
        match self {
            Formula::Known(map) => 1 + kept(order(map)),
            Formula::Sums(sums, _) => 3 + kept(order_of_sums(sums)),
            Formula::Steps(map, _) => 2 + map.changed().count() - 1,
        }
    }
}

/// One value that is computed of those before the pass.
struct Step {
    value: usize,
    /// It is still to be read when it has been computed, and so is kept aside.
    keep: bool,
}

/// An order in which values can be computed where they are. `read` says of which ones, none of them itself, each is made.
fn ordered(mut left: Vec<usize>, read: impl Fn(usize) -> u8) -> Vec<Step> {
    let mut steps = Vec::new();
    while !left.is_empty() {
        let is_read = |value: usize| left.iter().any(|other| read(*other) >> value & 1 == 1);
        let next = left.iter().position(|value| !is_read(*value));
        steps.push(Step { value: left.remove(next.unwrap_or(0)), keep: next.is_none() });
    }
    steps
}

/// The same for a map: each value is overwritten after it has been read for itself.
fn order(map: &Map) -> Vec<Step> {
    ordered(map.changed().collect(), |value| read(map.row(value)) & !(1 << value))
}

/// The same for sums: a value that is added to twice is changed before the second is computed.
fn order_of_sums(sums: &[Map; 2]) -> Vec<Step> {
    let rows = |value: usize| sums.each_ref().map(|sum| *sum.row(value));
    let changed = (0..VALUES).filter(|value| rows(*value) != [[0; VALUES + 1]; 2]).collect();
    ordered(changed, |value| rows(value).iter().fold(0, |bits, row| bits | read(row)))
}

impl<I: Isa, S: Sink> Lowering<'_, I, S> {
    /// Carries all passes of a loop out whose count is known, where nothing need be asked before. Says whether it has.
    pub fn has_replaced(&mut self, closed: &Closed, passes: u64) -> bool {
        if passes == 0 {
            return true;
        }
        let slots: Vec<i64> = closed.depths.iter().map(|depth| self.state.stack.slot(*depth)).collect();
        if self.code.metered() || slots.iter().any(|slot| *slot < self.state.stack.known) {
            return false;
        }
        slots.iter().for_each(|slot| self.state.own_register(*slot));
        let ready = Ready::new(self, closed, &self.state.stack, Passes::Known(passes));
        ready.map(|ready| self.put_formula(ready)).is_some()
    }

    /// Carries the passes out.
    pub fn put_formula(&mut self, ready: Ready) {
        let Ready { formula, values, free } = ready;
        match formula {
            Formula::Known(map) => self.put_map(&map, &values, free),
            Formula::Sums(sums, count) => self.put_sums(&sums, &values, free, count),
            Formula::Steps(map, count) => self.put_steps(map, &values, free, count),
        }
    }

    /// Makes each value what the map makes of it.
    fn put_map(&mut self, map: &Map, values: &[Reg], mut free: Vec<Reg>) {
        let mut sources = values.to_vec();
        for Step { value, keep } in order(map) {
            if keep {
                self.keep(&mut sources[value], &mut free);
            }
            self.put_form(values[value], map.row(value), &sources, free[0]);
        }
    }

    fn put_sums(&mut self, sums: &[Map; 2], values: &[Reg], mut free: Vec<Reg>, count: Reg) {
        let (pairs, product) = (free.pop().expect("there are three"), free.pop().expect("there are three"));
        let steps = order_of_sums(sums);
        let alu = |op, d, a, b| Op::Alu { op, d, a, b };
        if steps.iter().any(|step| *sums[1].row(step.value) != [0; VALUES + 1]) {
            // One of the two factors is even: that one is halved.
            self.put(Op::AluImm { op: AluOp::Shr, d: pairs, a: count, imm: 1 });
            self.put(Op::AluImm { op: AluOp::Sub, d: product, a: count, imm: 1 });
            self.put(Op::AluImm { op: AluOp::Or, d: product, a: product, imm: 1 });
            self.put(alu(AluOp::Mul, pairs, pairs, product));
        }
        let mut sources = values.to_vec();
        for Step { value, keep } in steps {
            if keep {
                self.keep(&mut sources[value], &mut free);
            }
            let d = values[value];
            for (sum, times) in sums.iter().zip([count, pairs]) {
                let row = sum.row(value);
                match as_constant(row) {
                    Some(0) => continue,
                    Some(1) => {
                        self.put(alu(AluOp::Add, d, d, times));
                        continue;
                    }
                    Some(imm) => self.put(Op::AluImm { op: AluOp::Mul, d: product, a: times, imm }),
                    None => {
                        self.put_form(product, row, &sources, free[0]);
                        self.put(alu(AluOp::Mul, product, product, times));
                    }
                }
                self.put(alu(AluOp::Add, d, d, product));
            }
        }
    }

    fn put_steps(&mut self, map: Map, values: &[Reg], mut free: Vec<Reg>, count: Reg) {
        let bits = free.pop().expect("there are two");
        let done = self.label();
        self.put(Op::Move { d: bits, s: count });
        let mut power = map;
        for bit in 0..BITS {
            let next = power.squared();
            if next == power {
                // Once or more often is the same, and a bit is left.
                self.put_map(&power, values, free);
                break;
            }
            let skip = self.label();
            self.put(Op::AluImm { op: AluOp::And, d: free[0], a: bits, imm: 1 });
            self.put(Op::BranchImm { cond: Cond::Eq, a: free[0], imm: 0, to: skip });
            self.put_map(&power, values, free.clone());
            self.put(Op::Label(skip));
            if bit + 1 < BITS {
                self.put(Op::AluImm { op: AluOp::Shr, d: bits, a: bits, imm: 1 });
                self.put(Op::BranchImm { cond: Cond::Eq, a: bits, imm: 0, to: done });
            }
            power = next;
        }
        self.put(Op::Label(done));
    }

    /// Copies a value that is about to be changed, for those that still read it.
    fn keep(&mut self, source: &mut Reg, free: &mut Vec<Reg>) {
        let d = free.pop().expect("as many are there as are kept");
        self.put(Op::Move { d, s: *source });
        *source = d;
    }

    /// `d` becomes a form of the sources, of which it may be one.
    fn put_form(&mut self, d: Reg, form: &Form, sources: &[Reg], product: Reg) {
        let terms = sources.iter().zip(form).filter(|(_, factor)| **factor != 0);
        let mut terms: Vec<(Reg, i64)> = terms.map(|(source, factor)| (*source, *factor)).collect();
        // The one that is overwritten is read first.
        terms.sort_by_key(|(source, _)| *source != d);
        let Some((&(first, factor), rest)) = terms.split_first() else {
            return self.put(Op::Constant { d, value: form[ONE] });
        };
        self.put_product(d, first, factor);
        for &(source, factor) in rest {
            let (op, b) = match factor {
                1 => (AluOp::Add, source),
                -1 => (AluOp::Sub, source),
                _ => {
                    self.put_product(product, source, factor);
                    (AluOp::Add, product)
                }
            };
            self.put(Op::Alu { op, d, a: d, b });
        }
        if form[ONE] != 0 {
            self.put(Op::AluImm { op: AluOp::Add, d, a: d, imm: form[ONE] });
        }
    }

    fn put_product(&mut self, d: Reg, a: Reg, factor: i64) {
        match factor {
            1 if d == a => {}
            1 => self.put(Op::Move { d, s: a }),
            imm => self.put(Op::AluImm { op: AluOp::Mul, d, a, imm }),
        }
    }
}
