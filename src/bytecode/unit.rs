//! Units: the part of a program that is compiled when one of its functions is hot.

use std::ops::Range;
use std::rc::Rc;

use rustc_hash::FxHashSet;

use super::{Bytecode, Function, FunctionId, Op, Pc, Region, RegionId, RegionKind};
use crate::lang::words::Class;

/// A function and every function that it can reach through calls, as a program of its own. The main program of the unit is a
/// copy of the function, so its parameters are the inputs. Code of a unit never has to call anything outside of it.
#[derive(Clone, Debug)]
pub struct Unit {
    code: Rc<Bytecode>,
    /// For each function of the unit, its first operation in the whole program. `None` if the unit is the whole program.
    starts: Option<Vec<Pc>>,
    /// The number of regions of the whole program before those of the root.
    regions_before: u32,
}

impl Unit {
    /// The unit of a function.
    pub fn of(code: &Rc<Bytecode>, root: FunctionId) -> Unit {
        let whole = || Unit { code: Rc::clone(code), starts: None, regions_before: 0 };
        if code.functions.len() == 1 {
            return whole();
        }
        let mut functions = vec![root];
        functions.extend(reachable(code, root));
        if functions.len() == code.functions.len() && root == FunctionId::MAIN {
            return whole();
        }
        let regions = |id: FunctionId| regions_of(code, &code.functions[id.index()]);
        let mut copy = Bytecode {
            ops: Vec::with_capacity(functions.iter().map(|id| code.ops_of(*id).len()).sum()),
            spans: Vec::new(),
            regions: Vec::with_capacity(functions.iter().map(|id| regions(*id).len()).sum()),
            functions: Vec::with_capacity(functions.len()),
            cells: code.cells,
            uses_memory: false,
            greatest_depth: code.greatest_depth,
            counts_depth: false,
            checks: Vec::new(),
            groups: Vec::new(),
            inputs: code.functions[root.index()].params as usize,
            stack_limit: code.stack_limit,
            metered: code.metered,
            is_called: root != FunctionId::MAIN,
        };
        for &id in &functions {
            copy.add(code, id, &functions);
        }
        copy.counts_depth = code.counts_depth && copy.has_calls();
        let starts = functions.iter().map(|id| code.functions[id.index()].start).collect();
        Unit { code: Rc::new(copy), starts: Some(starts), regions_before: regions(root).start as u32 }
    }

    /// The unit as a program. If it is not the whole program, it has no source positions.
    pub fn code(&self) -> &Bytecode {
        &self.code
    }

    /// The operation of the whole program that an operation of the unit was copied from.
    pub fn origin(&self, pc: Pc) -> Pc {
        let Some(starts) = &self.starts else { return pc };
        let function = self.code.function_of(pc);
        let start = self.code.functions[function.index()].start;
        Pc(pc.0 - start.0 + starts[function.index()].0)
    }

    /// The region of the unit's main program that a region of the root was copied to.
    pub fn region(&self, region: RegionId) -> RegionId {
        RegionId(region.0 - self.regions_before)
    }

    /// The region of the root that a region of the unit's main program was copied from.
    pub fn region_of_root(&self, region: RegionId) -> RegionId {
        RegionId(region.0 + self.regions_before)
    }
}

impl Bytecode {
    /// Appends a function of another program. `functions` are all functions of the unit; those after the first are in the order of the
    /// program.
    fn add(&mut self, code: &Bytecode, added: FunctionId, functions: &[FunctionId]) {
        let function = &code.functions[added.index()];
        let first = regions_of(code, function).start;
        let (ops, regions) = (self.ops.len() as u32, self.regions.len() as u32);
        let pc = |pc: Pc| Pc(pc.0 - function.start.0 + ops);
        let id = |id: RegionId| RegionId(id.0 - first as u32 + regions);
        let callee = |callee: FunctionId| {
            let index = functions[1..].binary_search(&callee).expect("the unit has every function that it calls");
            FunctionId(index as u32 + 1)
        };
        for &op in code.ops_of(added) {
            self.uses_memory |= matches!(op, Op::Word(word) if word.class() == Class::Memory);
            self.ops.push(match op {
                Op::Times(region) => Op::Times(id(region)),
                Op::Next(region) => Op::Next(id(region)),
                Op::While(region) => Op::While(id(region)),
                Op::LeaveIfZero(region) => Op::LeaveIfZero(id(region)),
                Op::Repeat(region) => Op::Repeat(id(region)),
                Op::If(region) => Op::If(id(region)),
                Op::Else(region) => Op::Else(id(region)),
                Op::EndIf(region) => Op::EndIf(id(region)),
                Op::Leave(region) => Op::Leave(id(region)),
                Op::Call(function) => Op::Call(callee(function)),
                Op::Literal(_)
                | Op::Word(_)
                | Op::Pick(_)
                | Op::Put(_)
                | Op::Exit
                | Op::Fuel
                | Op::CallDepth
                | Op::Frame { .. }
                | Op::Need { .. }
                | Op::Room { .. }
                | Op::Return => op,
            });
        }
        for &region in &code.regions[regions_of(code, function)] {
            let kind = match region.kind {
                RegionKind::If { otherwise } => RegionKind::If { otherwise: otherwise.map(pc) },
                kind @ (RegionKind::Times { .. } | RegionKind::While) => kind,
            };
            let (start, end, parent) = (pc(region.start), pc(region.end), region.parent.map(id));
            self.regions.push(Region { kind, start, end, parent, ..region });
        }
        self.functions.push(Function { start: pc(function.start), end: pc(function.end), ..function.clone() });
    }
}

/// The number of operations in the unit of a function, or `None` if there are more than `most`. Takes time for at most that many
/// operations.
pub fn unit_length(code: &Bytecode, root: FunctionId, most: usize) -> Option<usize> {
    let mut total = code.ops_of(root).len();
    if !code.functions[root.index()].has_calls {
        return (total <= most).then_some(total);
    }
    let mut seen = FxHashSet::default();
    let mut open = vec![root];
    while total <= most
        && let Some(function) = open.pop()
    {
        if code.functions[function.index()].has_calls {
            for callee in callees(code.ops_of(function)).filter(|callee| seen.insert(*callee)) {
                total += code.ops_of(callee).len();
                open.push(callee);
            }
        }
    }
    (total <= most).then_some(total)
}

/// The functions that a function can reach through calls, in the order of the program.
fn reachable(code: &Bytecode, root: FunctionId) -> Vec<FunctionId> {
    let mut seen = vec![false; code.functions.len()];
    let mut open = vec![root];
    while let Some(function) = open.pop() {
        if !code.functions[function.index()].has_calls {
            continue;
        }
        for callee in callees(code.ops_of(function)) {
            if !std::mem::replace(&mut seen[callee.index()], true) {
                open.push(callee);
            }
        }
    }
    (0..).map(FunctionId).zip(&seen).filter(|(_, seen)| **seen).map(|(id, _)| id).collect()
}

/// The functions that operations call, once for each call.
pub(super) fn callees(ops: &[Op]) -> impl Iterator<Item = FunctionId> {
    ops.iter().filter_map(|op| match op {
        Op::Call(callee) => Some(*callee),
        _ => None,
    })
}

/// The indices of the regions of a function.
pub(super) fn regions_of(code: &Bytecode, function: &Function) -> Range<usize> {
    let before = |pc: Pc| code.regions.partition_point(|region| region.start < pc);
    before(function.start)..before(function.end)
}
