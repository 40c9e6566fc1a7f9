//! Liveness: where each value must be in a register.
//!
//! Every instruction has a position, a multiple of 4. It reads its operands there, changes the registers that it clobbers one
//! after that, and defines its value two after that. A block begins with a position of its own, at which its parameters are
//! defined.

use super::ir::{Block, Function, Op, Value};
use super::spill::Home;

/// The distance of a definition from the position of its instruction.
pub const DEFINES: u32 = 2;
/// The distance of clobbers from the position of their instruction.
pub const CLOBBERS: u32 = 1;

/// A range of positions, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first position.
    pub start: u32,
    /// The position after the last one.
    pub end: u32,
}

/// The position of each block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// The position of its start.
    pub start: u32,
    /// The position of its end instruction.
    pub end: u32,
    /// The number of loops around it.
    pub depth: u32,
}

/// A loop: the blocks of a part of the layout.
#[derive(Clone, Copy, Debug)]
pub struct Loop {
    /// The index of its header in the layout.
    pub first: usize,
    /// The index of its last block.
    pub last: usize,
}

/// The loops of a function, outer ones before inner ones.
pub fn loops(function: &Function) -> Vec<Loop> {
    let position = function.positions();
    let mut last = vec![None; function.layout.len()];
    for (index, block) in function.layout.iter().enumerate() {
        for next in function.block(*block).end.successors() {
            let header = position[next.index()];
            if header <= index {
                last[header] = Some(index);
            }
        }
    }
    let with_end = last.into_iter().enumerate();
    with_end.filter_map(|(first, last)| last.map(|last| Loop { first, last })).collect()
}

/// The ranges in which each value must be in a register, and the positions that they refer to.
pub struct Liveness {
    /// By value; in ascending order, without overlaps.
    pub ranges: Vec<Vec<Range>>,
    /// By block.
    pub places: Vec<Place>,
    /// The position of each instruction.
    pub positions: Vec<u32>,
    /// The positions of the calls, ascending.
    pub calls: Vec<u32>,
}

impl Liveness {
    /// Whether a value must be in a register at a position.
    pub fn is_live(&self, value: Value, position: u32) -> bool {
        let ranges = &self.ranges[value.index()];
        let after = ranges.partition_point(|range| range.end <= position);
        ranges.get(after).is_some_and(|range| range.start <= position)
    }

    /// Computes the liveness of a function in one walk backward. Values with a home need no register where they are passed to a
    /// block or to another function.
    pub fn of(function: &Function, homes: &[Home]) -> Liveness {
        let loops = loops(function);
        let mut depths = vec![0_u32; function.layout.len() + 1];
        let mut last_of = vec![None; function.layout.len()];
        for Loop { first, last } in &loops {
            last_of[*first] = Some(*last);
        }
        let mut open: Vec<usize> = Vec::new();
        for (index, depth) in depths.iter_mut().enumerate().take(function.layout.len()) {
            open.retain(|last| *last >= index);
            if let Some(last) = last_of[index] {
                open.push(last);
            }
            *depth = open.len() as u32;
        }
        let mut liveness = Liveness {
            ranges: vec![Vec::new(); function.insts.len()],
            places: vec![Place::default(); function.blocks.len()],
            positions: vec![0; function.insts.len()],
            calls: Vec::new(),
        };
        liveness.number(function, &depths);
        let mut live = Live { values: Vec::new(), index: vec![u32::MAX; function.insts.len()] };
        // The values that are live at the start of each block.
        let mut at_start: Vec<Vec<Value>> = vec![Vec::new(); function.blocks.len()];
        for (index, &block) in function.layout.iter().enumerate().rev() {
            let data = function.block(block);
            let Place { start, end, .. } = liveness.places[block.index()];
            live.clear();
            for next in data.end.successors() {
                at_start[next.index()].iter().for_each(|value| live.insert(*value));
            }
            for value in &live.values {
                liveness.add(*value, start, end + 4);
            }
            let use_at = |value: Value, position: u32, liveness: &mut Liveness, live: &mut Live| {
                liveness.add(value, start, position + 1);
                live.insert(value);
            };
            for value in data.end.passed() {
                if homes[value.index()] == Home::None {
                    use_at(*value, end, &mut liveness, &mut live);
                }
            }
            data.end.operands().for_each(|operand| use_at(operand, end, &mut liveness, &mut live));
            for value in data.insts.iter().rev() {
                let mut op = *function.op(*value);
                let position = liveness.positions[value.index()];
                if op.defines() {
                    let at = if matches!(op, Op::Argument(_)) { start } else { position };
                    liveness.define(*value, at + DEFINES);
                    live.remove(*value);
                }
                let is_call = matches!(op, Op::Call { .. });
                op.for_each_operand(|operand| {
                    if !is_call || homes[operand.index()] == Home::None {
                        use_at(*operand, position, &mut liveness, &mut live);
                    }
                });
            }
            for param in &data.params {
                if homes[param.index()] == Home::None {
                    liveness.define(*param, start + DEFINES);
                }
                live.remove(*param);
            }
            if let Some(last) = last_of[index] {
                let end = liveness.places[function.layout[last].index()].end + 4;
                for value in &live.values {
                    liveness.add(*value, start, end);
                }
            }
            at_start[block.index()] = live.values.clone();
        }
        liveness.ranges.iter_mut().for_each(|ranges| ranges.reverse());
        liveness
    }

    /// Gives positions to blocks and instructions.
    fn number(&mut self, function: &Function, depths: &[u32]) {
        let mut next = 0;
        for (index, &block) in function.layout.iter().enumerate() {
            let start = next;
            next += 4;
            for &value in &function.block(block).insts {
                // The results of a call are all defined at once.
                let op = function.op(value);
                let is_result = matches!(op, Op::CallResult(_));
                self.positions[value.index()] = if is_result { next - 4 } else { next };
                if matches!(op, Op::Call { .. }) {
                    self.calls.push(next);
                }
                if !is_result {
                    next += 4;
                }
            }
            self.places[block.index()] = Place { start, end: next, depth: depths[index] };
            next += 4;
        }
    }

    /// Adds a range before all others, or merges it with those that it overlaps. Ranges are in descending order here.
    fn add(&mut self, value: Value, start: u32, mut end: u32) {
        let ranges = &mut self.ranges[value.index()];
        let mut start = start;
        while let Some(first) = ranges.last()
            && first.start <= end
        {
            end = end.max(first.end);
            start = start.min(first.start);
            ranges.pop();
        }
        ranges.push(Range { start, end });
    }

    /// Shortens the first range of a value to its definition. A value that is never used is live where it is defined.
    fn define(&mut self, value: Value, position: u32) {
        match self.ranges[value.index()].last_mut() {
            Some(first) => first.start = position,
            None => self.ranges[value.index()].push(Range { start: position, end: position + 1 }),
        }
    }
}

/// A set of values.
struct Live {
    values: Vec<Value>,
    /// The index of each value in the list, or `u32::MAX`.
    index: Vec<u32>,
}

impl Live {
    fn insert(&mut self, value: Value) {
        let index = &mut self.index[value.index()];
        if *index == u32::MAX {
            *index = self.values.len() as u32;
            self.values.push(value);
        }
    }

    fn remove(&mut self, value: Value) {
        let index = std::mem::replace(&mut self.index[value.index()], u32::MAX);
        if index != u32::MAX {
            self.values.swap_remove(index as usize);
            if let Some(moved) = self.values.get(index as usize) {
                self.index[moved.index()] = index;
            }
        }
    }

    fn clear(&mut self) {
        self.values.iter().for_each(|value| self.index[value.index()] = u32::MAX);
        self.values.clear();
    }
}

/// The block that each block's instructions belong to, by value.
pub fn blocks_of(function: &Function) -> Vec<Option<Block>> {
    let mut blocks = vec![None; function.insts.len()];
    for &block in &function.layout {
        let data = function.block(block);
        data.params.iter().chain(&data.insts).for_each(|value| blocks[value.index()] = Some(block));
    }
    blocks
}
