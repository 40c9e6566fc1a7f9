//! Units: the part of a program that is compiled when one of its functions is hot.

use std::collections::HashSet;

use super::{Bytecode, Function, FunctionId, Op, Pc, Region, RegionId, RegionKind};
use crate::lang::words::Class;

/// A function and every function that it can reach through calls, as a program of its own. The main program of the unit is a
/// copy of the function, so its parameters are the inputs. Code of a unit never has to call anything outside of it.
#[derive(Clone, Debug)]
pub struct Unit {
    code: Bytecode,
    /// The functions of the unit in order, as functions of the whole program.
    functions: Vec<FunctionId>,
    /// For each function of the unit, its first operation in the whole program.
    starts: Vec<Pc>,
}

impl Unit {
    /// The unit of a function.
    pub fn of(code: &Bytecode, root: FunctionId) -> Unit {
        let mut functions = vec![root];
        functions.extend(reachable(code, root));
        let regions = |id: FunctionId| regions_of(code, &code.functions[id.index()]);
        let length = |id: &FunctionId| {
            let function = &code.functions[id.index()];
            function.end.index() - function.start.index()
        };
        let mut unit = Unit {
            code: Bytecode {
                ops: Vec::with_capacity(functions.iter().map(length).sum()),
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
            },
            functions: Vec::new(),
            starts: Vec::new(),
        };
        for &id in &functions {
            unit.add(code, &code.functions[id.index()], &functions);
        }
        unit.code.counts_depth = code.counts_depth && unit.code.has_calls();
        unit.functions = functions;
        unit
    }

    /// Appends a function. `functions` are all functions of the unit; those after the first are in the order of the program.
    fn add(&mut self, code: &Bytecode, function: &Function, functions: &[FunctionId]) {
        let first = regions_of(code, function).start;
        let (ops, regions) = (self.code.ops.len() as u32, self.code.regions.len() as u32);
        let pc = |pc: Pc| Pc(pc.0 - function.start.0 + ops);
        let id = |id: RegionId| RegionId(id.0 - first as u32 + regions);
        let callee = |callee: FunctionId| {
            let index = functions[1..].binary_search(&callee).expect("the unit has every function that it calls");
            FunctionId(index as u32 + 1)
        };
        for &op in &code.ops[function.start.index()..function.end.index()] {
            self.code.uses_memory |= matches!(op, Op::Word(word) if word.class() == Class::Memory);
            self.code.ops.push(match op {
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
            self.code.regions.push(Region { kind, start, end, parent, ..region });
        }
        self.starts.push(function.start);
        self.code.functions.push(Function { start: pc(function.start), end: pc(function.end), ..function.clone() });
    }

    /// The unit as a program. It has no source positions.
    pub fn code(&self) -> &Bytecode {
        &self.code
    }

    /// The functions of the unit, as functions of the whole program. The first is the root. It occurs again if it is recursive.
    pub fn functions(&self) -> &[FunctionId] {
        &self.functions
    }

    /// The operation of the whole program that an operation of the unit was copied from.
    pub fn origin(&self, pc: Pc) -> Pc {
        let function = self.code.function_of(pc);
        let start = self.code.functions[function.index()].start;
        Pc(pc.0 - start.0 + self.starts[function.index()].0)
    }

    /// The region of the unit's main program that a region of the root is copied to.
    pub fn region(&self, code: &Bytecode, region: RegionId) -> RegionId {
        RegionId(region.0 - regions_of(code, &code.functions[self.functions[0].index()]).start as u32)
    }
}

/// The number of operations in the unit of a function, or `None` if there are more than `most`. Takes time for at most that many
/// operations.
pub fn unit_length(code: &Bytecode, root: FunctionId, most: usize) -> Option<usize> {
    let length = |id: FunctionId| {
        let function = &code.functions[id.index()];
        function.end.index() - function.start.index()
    };
    let mut total = length(root);
    let mut seen = HashSet::new();
    let mut open = vec![root];
    while total <= most
        && let Some(function) = open.pop()
    {
        if code.functions[function.index()].has_calls {
            for callee in calls(code, function).filter(|callee| seen.insert(*callee)) {
                total += length(callee);
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
        for callee in calls(code, function) {
            if !std::mem::replace(&mut seen[callee.index()], true) {
                open.push(callee);
            }
        }
    }
    (0..).map(FunctionId).zip(&seen).filter(|(_, seen)| **seen).map(|(id, _)| id).collect()
}

/// The functions that a function calls, once for each call.
fn calls(code: &Bytecode, function: FunctionId) -> impl Iterator<Item = FunctionId> {
    let Function { start, end, .. } = code.functions[function.index()];
    code.ops[start.index()..end.index()].iter().filter_map(|op| match op {
        Op::Call(callee) => Some(*callee),
        _ => None,
    })
}

/// The indices of the regions of a function.
fn regions_of(code: &Bytecode, function: &Function) -> std::ops::Range<usize> {
    let before = |pc: Pc| code.regions.partition_point(|region| region.start < pc);
    before(function.start)..before(function.end)
}
