//! Watched code: notes the work that loops do, so that an engine can tell what is hot, and knows the state at each loop's header.
//!
//! Work is counted in operations of the bytecode, for each function. A `times` loop notes the work of all its iterations when it
//! begins. An innermost `while` loop notes it when it pauses, and the ends of other loops note what `while` loops inside have done
//! since.

use super::handlers::REGISTERS;
use super::window::{Value, Window};
use crate::bytecode::{Bytecode, FunctionId, RegionId};

/// What is known about watched code.
pub struct Watch {
    /// The loops, in the order of their headers.
    pub heads: Vec<Head>,
    /// Where each definition starts.
    pub starts: Vec<FunctionStart>,
}

/// The header of a loop.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Its first cell.
    pub cell: usize,
    /// The cell after the loop's body.
    pub end: usize,
    /// The function that contains it.
    pub function: FunctionId,
    /// The loop.
    pub region: RegionId,
    /// The innermost loop that contains it, as an index.
    pub parent: Option<usize>,
    /// The height of the stack relative to the base.
    pub height: i64,
    /// The number of values in registers.
    pub values: usize,
    /// Their registers, the lowest value's first.
    pub registers: [u8; REGISTERS],
}

/// The start of a definition.
#[derive(Clone, Copy, Debug)]
pub struct FunctionStart {
    /// Its first cell.
    pub cell: usize,
    /// The number of counters of an activation, including that which holds the base.
    pub slots: usize,
}

impl Watch {
    /// The loop whose header is this cell, if there is one. If several loops begin there, the innermost one. No instruction is between
    /// their headers, so the state at one of them is the state at each.
    pub fn head(&self, cell: usize) -> Option<usize> {
        let index = self.heads.partition_point(|head| head.cell <= cell).checked_sub(1)?;
        (self.heads[index].cell == cell).then_some(index)
    }

    /// The innermost loop that contains a cell.
    pub fn innermost(&self, cell: usize) -> Option<usize> {
        let mut at = self.heads.partition_point(|head| head.cell <= cell).checked_sub(1);
        while let Some(index) = at
            && self.heads[index].end <= cell
        {
            at = self.heads[index].parent;
        }
        at
    }

    /// The function that contains a cell.
    pub fn function(&self, cell: usize) -> FunctionId {
        FunctionId(self.starts.partition_point(|start| start.cell <= cell) as u32)
    }
}

/// What the lowering of watched code collects.
pub struct Watching {
    heads: Vec<Head>,
    /// The open loops, innermost last, as indices.
    open: Vec<usize>,
    /// For each loop, by region, the number of operations of an iteration that are in no inner loop, and the greatest such number of the
    /// loops directly inside.
    work: Vec<(u32, u32)>,
}

impl Watching {
    pub fn new(code: &Bytecode) -> Watching {
        let mut work: Vec<(u32, u32)> = vec![(0, 0); code.regions().len()];
        for (index, region) in code.regions().iter().enumerate().rev() {
            if !region.is_loop() {
                continue;
            }
            let length = region.end.0 - region.header().0;
            work[index].0 = work[index].0.wrapping_add(length);
            let own = work[index].0;
            let mut parent = region.parent;
            while let Some(id) = parent {
                let outer = code.region(id);
                if outer.is_loop() {
                    let (of_outer, inside) = &mut work[id.index()];
                    // Wraps below zero until the outer loop's own length is added.
                    *of_outer = of_outer.wrapping_sub(length);
                    *inside = own.max(*inside);
                    break;
                }
                parent = outer.parent;
            }
        }
        let heads = Vec::with_capacity(code.regions().len());
        Watching { heads, open: Vec::new(), work }
    }

    /// Begins a loop with a window in which each value has a register of its own.
    pub fn begin(&mut self, region: RegionId, cell: usize, function: FunctionId, window: Window) {
        let mut registers = [0; REGISTERS];
        for (register, value) in registers.iter_mut().zip(window.values()) {
            let Value::Register(in_window) = *value else { unreachable!("the window is canonical") };
            *register = in_window;
        }
        let (height, values) = (window.height, window.len());
        debug_assert!(values <= REGISTERS, "each value has a register of its own");
        self.open.push(self.heads.len());
        let parent = self.open.len().checked_sub(2).map(|outer| self.open[outer]);
        self.heads.push(Head { cell, end: cell, function, region, parent, height, values, registers });
    }

    /// Ends the innermost open loop before this cell.
    pub fn end(&mut self, cell: usize) {
        let index = self.open.pop().expect("loops nest");
        self.heads[index].end = cell.max(self.heads[index].cell + 1);
    }

    /// The work of an iteration without inner loops.
    pub fn work(&self, region: RegionId) -> i64 {
        self.work[region.index()].0.into()
    }

    /// The work of an iteration of the largest loop directly inside.
    pub fn work_inside(&self, region: RegionId) -> i64 {
        self.work[region.index()].1.into()
    }

    pub fn finish(self, starts: Vec<FunctionStart>) -> Watch {
        Watch { heads: self.heads, starts }
    }
}
