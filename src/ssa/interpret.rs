//! An interpreter of the intermediate representation, for tests: a pass must not change what a function does.
//!
//! It also executes functions with spill code. Values live in a table, not in registers, so it says nothing about those.

use rustc_hash::FxHashMap;

use super::ir::{Array, Block, End, Function, Op, Value};
use crate::bytecode::FunctionId;
use crate::host_stack::with_room;
use crate::lir::FrameSlot;

/// What functions work on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The data stack, by the distance of a slot from its bottom.
    pub stack: FxHashMap<i64, i64>,
    /// The number of values for which the stack has room.
    pub stack_limit: i64,
    /// The data-stack pointer, as a distance from the bottom.
    pub pointer: i64,
    /// The memory cells.
    pub cells: Vec<i64>,
    /// The units of fuel that are left.
    pub fuel: u64,
    /// The number of calls that may still begin.
    pub depth: u64,
    /// For the main program with spill code: the parameters that edges store in frame slots.
    pub spilled: FxHashMap<Value, FrameSlot>,
    /// The number of instructions that may still be executed.
    pub steps: u64,
    /// How often each block has been executed.
    pub executions: FxHashMap<(FunctionId, Block), u64>,
}

/// How an execution ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// At a return. The slot is the first one after the topmost value, from the bottom of the stack.
    Done(i64),
    /// At a trap of this bytecode operation.
    Trap(u32),
    /// After the last step.
    OutOfSteps,
}

/// Executes the main program, the first one of the functions.
///
/// # Panics
/// If a function reads a value or a slot that has none.
pub fn run(functions: &[Function], machine: &mut Machine) -> Ending {
    match call(functions, &functions[0], &[], machine) {
        Ok(results) => Ending::Done(results[0]),
        Err(ending) => ending,
    }
}

/// The value that was computed. A function with spill code defines constants only where instructions need them in registers.
fn known(function: &Function, values: &FxHashMap<Value, i64>, value: Value) -> i64 {
    let computed = values.get(&value).copied().or_else(|| function.constant(value));
    computed.unwrap_or_else(|| panic!("{value} has no value"))
}

/// Calls a function with these values in registers. Returns the results in registers, or for the main program the end of its stack.
fn call(functions: &[Function], function: &Function, args: &[i64], machine: &mut Machine) -> Result<Vec<i64>, Ending> {
    let mut values: FxHashMap<Value, i64> = FxHashMap::default();
    let mut frame: FxHashMap<FrameSlot, i64> = FxHashMap::default();
    let base = machine.pointer;
    let mut results = Vec::new();
    let mut block: Block = function.layout[0];
    loop {
        *machine.executions.entry((function.id, block)).or_default() += 1;
        let data = function.block(block);
        for &value in &data.insts {
            machine.steps = machine.steps.checked_sub(1).ok_or(Ending::OutOfSteps)?;
            let inst = &function.insts[value.index()];
            let trap = Ending::Trap(inst.pc);
            let get = |value: Value| known(function, &values, value);
            let cell = |machine: &Machine, address: Value, offset: i64| {
                let number = usize::try_from(get(address).wrapping_add(offset)).ok();
                number.filter(|number| *number < machine.cells.len()).ok_or(trap)
            };
            let element = |index: i64, array: Array| array.cell(index).map(|cell| cell as usize).ok_or(trap);
            let result = match inst.op {
                Op::Param => unreachable!("a parameter is no instruction"),
                Op::Constant(value) => value,
                Op::Alu(op, a, b) => op.apply(get(a), get(b)),
                Op::AluImm(op, a, imm) => op.apply(get(a), imm),
                Op::AluShifted { op, a, b, shift, amount } => op.apply(get(a), shift.apply(get(b), amount.into())),
                Op::MulAdd { a, b, c, subtracts } => {
                    let product = get(a).wrapping_mul(get(b));
                    if subtracts { get(c).wrapping_sub(product) } else { get(c).wrapping_add(product) }
                }
                Op::Unary(op, a) => op.apply(get(a)),
                Op::Set(cond, a, b) => cond.holds(get(a), get(b)).into(),
                Op::SetImm(cond, a, imm) => cond.holds(get(a), imm).into(),
                Op::Divide(_, _, b) if get(b) == 0 => return Err(trap),
                Op::Divide(op, a, b) => op.apply(get(a), get(b)),
                Op::DivideImm(op, a, imm) => op.apply(get(a), imm),
                Op::LoadCell { address, offset } => machine.cells[cell(machine, address, offset)?],
                Op::LoadCellAt { cell } => machine.cells[cell as usize],
                Op::LoadSlot(slot) => *machine.stack.get(&(machine.pointer + slot)).expect("the slot has a value"),
                Op::Argument(index) => args[usize::from(index)],
                Op::CallResult(index) => results[usize::from(index)],
                Op::Reload(slot) => *frame.get(&slot).expect("the frame slot has a value"),
                Op::LoadElement { index, array } => machine.cells[element(get(index), array)?],
                Op::StoreElement { value, index, array } => {
                    machine.cells[element(get(index), array)?] = get(value);
                    continue;
                }
                Op::StoreCell { value, address, offset } => {
                    let number = cell(machine, address, offset)?;
                    machine.cells[number] = get(value);
                    continue;
                }
                Op::StoreCellAt { value, cell } => {
                    machine.cells[cell as usize] = get(value);
                    continue;
                }
                Op::StoreSlot { value, slot } => {
                    machine.stack.insert(machine.pointer + slot, get(value));
                    continue;
                }
                Op::Spill { value, slot } => {
                    frame.insert(slot, get(value));
                    continue;
                }
                Op::Fuel => {
                    machine.fuel = machine.fuel.checked_sub(1).ok_or(trap)?;
                    continue;
                }
                Op::TakeDepth => {
                    machine.depth = machine.depth.checked_sub(1).ok_or(trap)?;
                    continue;
                }
                Op::GiveDepth => {
                    machine.depth += 1;
                    continue;
                }
                Op::Need { slot, .. } => {
                    let bottom = if function.id == FunctionId::MAIN { 0 } else { base };
                    if machine.pointer.saturating_add(slot) < bottom {
                        return Err(trap);
                    }
                    continue;
                }
                Op::Room { slot, .. } => {
                    if machine.pointer.saturating_add(slot) > machine.stack_limit {
                        return Err(trap);
                    }
                    continue;
                }
                Op::MovePointer(slots) => {
                    machine.pointer += slots;
                    continue;
                }
                Op::Call { function: id, args } => {
                    let callee = functions.iter().find(|function| function.id == id).expect("the function exists");
                    let args: Vec<i64> = args.values().iter().map(|value| get(*value)).collect();
                    results = with_room(|| call(functions, callee, &args, machine))?;
                    continue;
                }
            };
            values.insert(value, result);
        }
        machine.steps = machine.steps.checked_sub(1).ok_or(Ending::OutOfSteps)?;
        let get = |value: &Value| known(function, &values, *value);
        let branch = |holds: bool, then: Block, other: Block| if holds { then } else { other };
        block = match &data.end {
            End::Open => unreachable!("the block is complete"),
            End::Jump(edge) => {
                let args: Vec<i64> = edge.args.iter().map(get).collect();
                for (param, arg) in function.block(edge.to).params.iter().zip(args) {
                    if let Some(slot) = machine.spilled.get(param) {
                        frame.insert(*slot, arg);
                    }
                    values.insert(*param, arg);
                }
                edge.to
            }
            End::Branch { cond, a, b, then, other } => branch(cond.holds(get(a), get(b)), *then, *other),
            End::BranchImm { cond, a, imm, then, other } => branch(cond.holds(get(a), *imm), *then, *other),
            End::BranchMask { a, mask, is_zero, then, other } => {
                branch((get(a) & mask == 0) == *is_zero, *then, *other)
            }
            End::Return { end } => return Ok(vec![machine.pointer + end]),
            End::EndCall { results } => return Ok(results.values().iter().map(get).collect()),
        };
    }
}
