//! Register allocation: linear scan over the live ranges, with holes.
//!
//! A value has one register wherever it must be in one. If there are too few registers, the value that costs least is spilled
//! everywhere: it gets a frame slot, and every use gets a short copy. Then the scan begins again. Each round spills something
//! and the copies are never spilled, so there are few rounds.

use super::ir::{Block, End, Function, Op, PASSED, Value};
use super::liveness::{CLOBBERS, Liveness, Range};
use super::spill::{Home, Homes, insert_copies, insert_short_copies};
use crate::isa::Isa;
use crate::lir::Reg;

/// The places of all values of a function.
pub struct Allocation {
    /// The register of each value; [`NO_REGISTER`] if it needs none.
    pub registers: Vec<u8>,
    /// Where values are besides in registers.
    pub homes: Vec<Home>,
    /// For each block, the registers that are free at its end, as a bit set.
    pub free: Vec<u32>,
    /// For each block, the registers that hold values at its start besides its parameters, as a bit set.
    pub live_in: Vec<u32>,
    /// The number of frame slots.
    pub slots: u32,
}

/// The register of a value that needs none.
pub const NO_REGISTER: u8 = u8::MAX;

/// The registers that pass parameters and results.
pub fn passed<I: Isa>(index: u8) -> Reg {
    I::ALLOCATABLE[usize::from(index)]
}

/// Allocates registers from a pool, and inserts spill code into the function. The first `slots` frame slots are not available.
///
/// Returns `None` if the function needs more frame slots than `most_slots`.
pub fn allocate<I: Isa>(function: &mut Function, pool: &[Reg], slots: u32, most_slots: u32) -> Option<Allocation> {
    let mut homes = Homes::of(function, slots);
    spill_across_calls(function, &mut homes);
    insert_copies(function, &mut homes);
    loop {
        if homes.slots > most_slots {
            return None;
        }
        let liveness = Liveness::of(function, &homes.of);
        let mut scan = Scan::new::<I>(function, pool, &homes, &liveness);
        scan.run();
        if !scan.has_spilled {
            let Scan { registers, free, live_in, .. } = scan;
            return Some(Allocation { registers, homes: homes.of, free, live_in, slots: homes.slots });
        }
        let is_spilled = scan.is_spilled;
        for (index, inst) in function.insts.iter().enumerate().filter(|(index, _)| is_spilled[*index]) {
            match inst.op {
                Op::Reload(slot) => homes.of[index] = Home::Slot(slot),
                Op::Constant(value) => homes.of[index] = Home::Constant(value),
                _ => homes.spill(Value(index as u32)),
            }
        }
        insert_short_copies(function, &mut homes, &is_spilled);
    }
}

/// Gives a frame slot to each value that is live across a call.
fn spill_across_calls(function: &Function, homes: &mut Homes) {
    if !function.has_calls {
        return;
    }
    let liveness = Liveness::of(function, &homes.of);
    for (index, ranges) in liveness.ranges.iter().enumerate() {
        let is_across = |range: &Range| {
            let next = liveness.calls.partition_point(|call| call + CLOBBERS < range.start);
            liveness.calls.get(next).is_some_and(|call| call + CLOBBERS < range.end)
        };
        if homes.of[index] == Home::None && ranges.iter().any(is_across) {
            homes.spill(Value(index as u32));
        }
    }
}

struct Scan<'a> {
    function: &'a Function,
    pool: &'a [Reg],
    homes: &'a Homes,
    liveness: &'a Liveness,
    registers: Vec<u8>,
    is_spilled: Vec<bool>,
    has_spilled: bool,
    /// For each register of the pool, the values that have it and may still be live.
    held: Vec<Vec<Value>>,
    /// For each register of the pool, the positions at which it is clobbered, ascending.
    clobbered: Vec<Vec<u32>>,
    /// The cost of spilling each value.
    weights: Vec<f32>,
    hints: Hints,
    free: Vec<u32>,
    live_in: Vec<u32>,
}

/// What decides among the registers that are free.
struct Hints {
    /// The register in which an instruction expects the value, as an index in the pool.
    fixed: Vec<u8>,
    /// The values that the value is passed to or from on an edge: parameters and arguments. Sorted by value; for each, those on the most
    /// frequent edge come first.
    related: Vec<(Value, u32, Value)>,
    /// For a parameter, the register that one of its arguments got.
    argument: Vec<u8>,
    /// The operand whose register an instruction may reuse.
    operand: Vec<Option<Value>>,
    /// The second operand of an operation that commutes. Its register is as good as that of the first one.
    second: Vec<Option<Value>>,
    /// The second operand of any other operation. In its register, an instruction that overwrites its first operand needs a copy.
    avoided: Vec<Option<Value>>,
    /// For a parameter, its block.
    block: Vec<Option<Block>>,
}

impl Hints {
    /// The values that a value is passed to or from.
    fn of(&self, value: Value) -> impl Iterator<Item = Value> {
        let first = self.related.partition_point(|(of, ..)| *of < value);
        self.related[first..].iter().take_while(move |(of, ..)| *of == value).map(|(.., other)| *other)
    }
}

const NONE: u8 = u8::MAX;

impl<'a> Scan<'a> {
    fn new<I: Isa>(function: &'a Function, pool: &'a [Reg], homes: &'a Homes, liveness: &'a Liveness) -> Scan<'a> {
        let count = function.insts.len();
        let mut scan = Scan {
            function,
            pool,
            homes,
            liveness,
            registers: vec![NO_REGISTER; count],
            is_spilled: vec![false; count],
            has_spilled: false,
            held: vec![Vec::new(); pool.len()],
            clobbered: vec![Vec::new(); pool.len()],
            weights: vec![0.0; count],
            hints: Hints {
                fixed: vec![NONE; count],
                related: Vec::new(),
                argument: vec![NONE; count],
                operand: vec![None; count],
                second: vec![None; count],
                avoided: vec![None; count],
                block: vec![None; count],
            },
            free: vec![0; function.blocks.len()],
            live_in: vec![0; function.blocks.len()],
        };
        scan.prepare::<I>();
        scan
    }

    /// Finds clobbers, weights and hints.
    fn prepare<I: Isa>(&mut self) {
        let function = self.function;
        let index_of = |reg: Reg| self.pool.iter().position(|other| *other == reg);
        let by_register: Vec<u8> = (0..32).map(|n| index_of(Reg(n)).map_or(NONE, |index| index as u8)).collect();
        let passed: Vec<u8> = (0..PASSED as u8).map(|n| by_register[usize::from(passed::<I>(n).0)]).collect();
        for &block in &function.layout {
            let data = function.block(block);
            let frequency = 8_f32.powi(self.liveness.places[block.index()].depth.min(8) as i32);
            for value in &data.params {
                self.weights[value.index()] += frequency;
                self.hints.block[value.index()] = Some(block);
            }
            for &value in &data.insts {
                let mut op = *function.op(value);
                let mut clobber = |registers: &[Reg]| {
                    for register in registers {
                        let index = by_register[usize::from(register.0)];
                        if index != NONE {
                            let position = self.liveness.positions[value.index()] + CLOBBERS;
                            self.clobbered[usize::from(index)].push(position);
                        }
                    }
                };
                let fixed = |registers: &[Reg], index: usize| {
                    registers.get(index).map_or(NONE, |register| by_register[usize::from(register.0)])
                };
                match &op {
                    Op::Alu(alu, a, b) => {
                        if alu.is_shift() {
                            clobber(I::SHIFT_CLOBBERS);
                            self.hints.fixed[b.index()] = fixed(I::SHIFT_CLOBBERS, 0);
                        }
                        self.hints.operand[value.index()] = Some(*a);
                        let hint = if alu.commutes() { &mut self.hints.second } else { &mut self.hints.avoided };
                        hint[value.index()] = Some(*b);
                    }
                    Op::Divide(_, a, _) => {
                        clobber(I::DIVIDE_CLOBBERS);
                        self.hints.fixed[a.index()] = fixed(I::DIVIDE_CLOBBERS, 0);
                    }
                    Op::DivideImm(_, a, imm) => {
                        clobber(I::divide_imm_clobbers(*imm));
                        self.hints.operand[value.index()] = Some(*a);
                    }
                    Op::AluImm(_, a, _) | Op::Unary(_, a) => self.hints.operand[value.index()] = Some(*a),
                    Op::Argument(index) | Op::CallResult(index) => {
                        self.hints.fixed[value.index()] = passed[usize::from(*index)];
                    }
                    Op::Call { args, .. } => {
                        for (arg, register) in args.values().iter().zip(&passed) {
                            self.hints.fixed[arg.index()] = *register;
                        }
                    }
                    _ => {}
                }
                self.weights[value.index()] += frequency;
                op.for_each_operand(|operand| self.weights[operand.index()] += frequency);
            }
            data.end.operands().for_each(|operand| self.weights[operand.index()] += frequency);
            data.end.passed().iter().for_each(|value| self.weights[value.index()] += frequency);
            match &data.end {
                End::Jump(edge) => {
                    let depth = self.liveness.places[block.index()].depth;
                    for (arg, param) in edge.args.iter().zip(&function.block(edge.to).params) {
                        self.hints.related.push((*arg, u32::MAX - depth, *param));
                        self.hints.related.push((*param, u32::MAX - depth, *arg));
                    }
                }
                End::EndCall { results } => {
                    for (result, register) in results.values().iter().zip(&passed) {
                        self.hints.fixed[result.index()] = *register;
                    }
                }
                _ => {}
            }
        }
        self.hints.related.sort_unstable();
        for (index, ranges) in self.liveness.ranges.iter().enumerate() {
            let length: u32 = ranges.iter().map(|range| range.end - range.start).sum();
            self.weights[index] = if self.homes.is_short[index] {
                f32::INFINITY
            } else {
                // A copy need not be stored.
                let is_copy = matches!(function.insts[index].op, Op::Reload(_) | Op::Constant(_));
                self.weights[index] / (length as f32 + 8.0) * if is_copy { 0.5 } else { 1.0 }
            };
        }
    }

    fn run(&mut self) {
        let mut order: Vec<Value> = (0..self.function.insts.len() as u32).map(Value).collect();
        order.retain(|value| !self.liveness.ranges[value.index()].is_empty());
        order.sort_by_key(|value| (self.liveness.ranges[value.index()][0].start, value.0));
        // Parameters are defined after the start of their block.
        let borders = self.function.layout.iter().flat_map(|&block| {
            let place = self.liveness.places[block.index()];
            [(block, place.start, true), (block, place.end, false)]
        });
        let mut borders = borders.collect::<Vec<_>>().into_iter().peekable();
        for value in order {
            let start = self.liveness.ranges[value.index()][0].start;
            while let Some(border) = borders.next_if(|(_, position, _)| *position < start) {
                self.note_border(border);
            }
            for held in &mut self.held {
                let liveness = self.liveness;
                held.retain(|value| liveness.ranges[value.index()].last().is_some_and(|last| last.end > start));
            }
            self.assign(value);
        }
        borders.for_each(|border| self.note_border(border));
    }

    /// Notes the registers that are free or in use at the start or the end of a block.
    fn note_border(&mut self, (block, position, is_start): (Block, u32, bool)) {
        let free = self.free_at(position);
        if is_start {
            self.live_in[block.index()] = !free;
        } else {
            self.free[block.index()] = free;
        }
    }

    /// The registers that no value needs at a position, as a bit set.
    fn free_at(&self, position: u32) -> u32 {
        let is_free = |held: &Vec<Value>| !held.iter().any(|value| self.liveness.is_live(*value, position));
        let free = self.held.iter().zip(self.pool).filter(|(held, _)| is_free(held));
        free.fold(0, |bits, (_, register)| bits | 1 << register.0)
    }

    fn assign(&mut self, value: Value) {
        let mut available = 0_u32;
        let mut empty = 0_u32;
        for index in 0..self.pool.len() {
            if self.is_available(index, value) {
                available |= 1 << index;
                if self.held[index].is_empty() {
                    empty |= 1 << index;
                }
            }
        }
        if available == 0 {
            return self.spill_for(value);
        }
        let is_available = |index: u8| index != NONE && available >> index & 1 == 1;
        let hints = &self.hints;
        let of_value = |value: Value| {
            let register = self.registers[value.index()];
            self.pool.iter().position(|other| other.0 == register).map_or(NONE, |index| index as u8)
        };
        let related = || hints.of(value).flat_map(|other| [of_value(other), hints.argument[other.index()]]);
        let of_hint = |hint: &[Option<Value>]| hint[value.index()].map_or(NONE, of_value);
        let candidates = [hints.fixed[value.index()], of_hint(&hints.operand), of_hint(&hints.second)];
        // If the register that it should best have is in use, it is moved there later. Until then it should not have the register of
        // another related value, so that the moves form no cycle.
        let related_value = hints.of(value).next();
        let best = related_value.map_or(NONE, of_value);
        let waits = best != NONE && !is_available(best);
        let siblings = match related_value.and_then(|param| self.hints.block[param.index()]) {
            Some(block) if waits => self.function.block(block).params.iter().fold(0, |bits, param| {
                let register = of_value(*param);
                if register == NONE { bits } else { bits | 1 << register }
            }),
            _ => 0,
        };
        let waits = waits && empty & !siblings != 0;
        let hinted = related().chain(candidates).filter(|_| !waits).find(|index| is_available(*index));
        let avoided = match of_hint(&hints.avoided) {
            NONE => 0,
            index => 1 << index,
        };
        let sets = [empty & !siblings & !avoided, empty & !avoided, available & !avoided, available];
        let best_of = sets.into_iter().find(|set| *set != 0);
        let others = || best_of.map_or(NONE, |set| set.trailing_zeros() as u8);
        let index = hinted.unwrap_or_else(others);
        self.take(value, index);
    }

    fn take(&mut self, value: Value, index: u8) {
        self.held[usize::from(index)].push(value);
        self.registers[value.index()] = self.pool[usize::from(index)].0;
        let Hints { related, argument, .. } = &mut self.hints;
        let first = related.partition_point(|(of, ..)| *of < value);
        for (.., other) in related[first..].iter().take_while(|(of, ..)| *of == value) {
            if matches!(self.function.op(*other), Op::Param) {
                argument[other.index()] = index;
            }
        }
    }

    /// Whether a register is free wherever a value must be in one.
    fn is_available(&self, index: usize, value: Value) -> bool {
        let ranges = &self.liveness.ranges[value.index()];
        !self.is_clobbered(index, ranges)
            && !self.held[index].iter().any(|other| overlap(ranges, &self.liveness.ranges[other.index()]))
    }

    fn is_clobbered(&self, index: usize, ranges: &[Range]) -> bool {
        let clobbered = &self.clobbered[index];
        ranges.iter().any(|range| {
            let next = clobbered.partition_point(|position| *position < range.start);
            clobbered.get(next).is_some_and(|position| *position < range.end)
        })
    }

    /// Spills the value, or the values that have one of the registers, whichever costs least.
    fn spill_for(&mut self, value: Value) {
        let ranges = &self.liveness.ranges[value.index()];
        let mut best = (self.weights[value.index()], None);
        for index in 0..self.pool.len() {
            if self.is_clobbered(index, ranges) {
                continue;
            }
            let conflicting =
                self.held[index].iter().filter(|other| overlap(ranges, &self.liveness.ranges[other.index()]));
            let weight: f32 = conflicting.map(|other| self.weights[other.index()]).sum();
            if weight < best.0 {
                best = (weight, Some(index));
            }
        }
        self.has_spilled = true;
        let Some(index) = best.1 else {
            assert!(!self.homes.is_short[value.index()], "an instruction needs more registers than there are");
            self.is_spilled[value.index()] = true;
            return;
        };
        let held = std::mem::take(&mut self.held[index]);
        for other in held {
            if overlap(&self.liveness.ranges[value.index()], &self.liveness.ranges[other.index()]) {
                self.is_spilled[other.index()] = true;
                self.registers[other.index()] = NO_REGISTER;
            } else {
                self.held[index].push(other);
            }
        }
        self.take(value, index as u8);
    }
}

/// Whether two lists of ranges have a position in common.
fn overlap(a: &[Range], b: &[Range]) -> bool {
    let (Some(first_of_a), Some(first_of_b)) = (a.first(), b.first()) else { return false };
    // One of the two lists may have many ranges before the first of the other.
    let mut i = a.partition_point(|range| range.end <= first_of_b.start);
    let mut j = b.partition_point(|range| range.end <= first_of_a.start);
    while let (Some(a), Some(b)) = (a.get(i), b.get(j)) {
        if a.start < b.end && b.start < a.end {
            return true;
        }
        if a.end <= b.end {
            i += 1;
        } else {
            j += 1;
        }
    }
    false
}
