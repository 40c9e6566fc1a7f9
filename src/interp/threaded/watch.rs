//! Watched code: it notes the work of loops, which shows an engine what is hot. A table describes the state at each loop's header.
//!
//! Work is counted in operations of the bytecode, for each function. A `times` loop notes the work of all its iterations when it
//! begins, including that of short inner loops whose count is a literal. An innermost `while` loop notes it when it pauses. The
//! ends of the loops around note what the `while` loops have done since.

use super::handlers::REGISTERS;
use super::window::{Value, Window};
use crate::bytecode::{Bytecode, FunctionId, Op, Region, RegionId, RegionKind};

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
    /// The cell after the instruction that ends an iteration.
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
    /// The work of each loop, by region.
    work: Vec<Work>,
}

/// The work of a loop.
#[derive(Clone, Copy, Default)]
struct Work {
    /// The operations of an iteration that are in no inner loop, and those of inner loops that are counted with it.
    iteration: i64,
    /// The greatest work of an iteration of the `while` loops inside; zero if there are none.
    inside: i64,
    /// Whether the loop around it counts its work.
    is_counted_outside: bool,
}

/// The work of an inner loop with a known count is counted with the loop around it, up to this much. It is then known when
/// the outer loop begins.
const MOST_KNOWN: i64 = 1_000;

impl Watching {
    pub fn new(code: &Bytecode) -> Watching {
        let mut work = vec![Work::default(); code.regions().len()];
        // Inner loops come after the loops around them.
        for (index, region) in code.regions().iter().enumerate().rev() {
            if !region.is_loop() {
                continue;
            }
            let length = i64::from(region.end.0 - region.header().0);
            work[index].iteration += length;
            let Work { iteration, inside, .. } = work[index];
            let Some(around) = code.loop_around(region) else { continue };
            let known = known_count(code, region).map(|count| count.saturating_mul(iteration));
            let known = known.filter(|known| *known <= MOST_KNOWN);
            work[index].is_counted_outside = known.is_some();
            let outer = &mut work[around.index()];
            // Below zero until the outer loop's own length is added.
            outer.iteration += known.unwrap_or(0) - length;
            let inside = if matches!(region.kind, RegionKind::While) { inside.max(iteration) } else { inside };
            outer.inside = inside.max(outer.inside);
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

    /// Whether the loop around it counts the loop's work.
    pub fn is_counted_outside(&self, region: RegionId) -> bool {
        self.work[region.index()].is_counted_outside
    }

    /// The work of an iteration.
    pub fn work(&self, region: RegionId) -> i64 {
        self.work[region.index()].iteration
    }

    /// Whether there are `while` loops inside.
    pub fn has_work_inside(&self, region: RegionId) -> bool {
        self.work_inside(region) > 0
    }

    /// The work of an iteration of the largest `while` loop inside.
    pub fn work_inside(&self, region: RegionId) -> i64 {
        self.work[region.index()].inside
    }

    pub fn finish(self, starts: Vec<FunctionStart>) -> Watch {
        Watch { heads: self.heads, starts }
    }
}

/// The count of a `times` loop, if the program has it as a positive literal.
fn known_count(code: &Bytecode, region: &Region) -> Option<i64> {
    let before = region.start.index().checked_sub(1)?;
    match (region.kind, code.ops()[before]) {
        (RegionKind::Times { .. }, Op::Literal(count)) if count > 0 => Some(count),
        _ => None,
    }
}
