//! Proves an allocation: follows which value each register and each frame slot holds along all paths, and compares that with
//! the function before the allocation. It shares nothing with the allocator but the result.

use rustc_hash::FxHashMap;

use super::allocate::{Allocation, NO_REGISTER};
use super::ir::{Block, End, Function, Op, Value};
use super::spill::Home;
use crate::isa::Isa;
use crate::lir::{FrameSlot, Reg};

/// A place for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Register(Reg),
    Slot(FrameSlot),
}

/// What a place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// A value of the function before the allocation.
    Value(Value),
    /// A constant.
    Constant(i64),
}

type State = FxHashMap<Place, Content>;

/// Checks an allocation. `before` is the function before the allocation, `after` the same one with spill code.
///
/// # Errors
/// The first use, in words, that reads something else than before.
pub fn check<I: Isa>(before: &Function, after: &Function, allocation: &Allocation) -> Result<(), String> {
    let checker = Checker { before, after, allocation };
    // The contents at the start of each block; `None` if no path has reached it.
    let mut at_start: Vec<Option<State>> = vec![None; after.blocks.len()];
    at_start[after.layout[0].index()] = Some(State::default());
    // Each round keeps only what is the same on all paths. The contents only shrink, so this ends.
    loop {
        let mut has_changed = false;
        for &block in &after.layout {
            let Some(state) = at_start[block.index()].clone() else { continue };
            let state = checker.block::<I>(block, state, false)?;
            for next in after.block(block).end.successors() {
                let mut state = state.clone();
                if let End::Jump(edge) = &after.block(block).end {
                    for param in &after.block(edge.to).params {
                        let place = checker.home(*param).unwrap_or_else(|| checker.register(*param));
                        state.insert(place, Content::Value(*param));
                    }
                }
                match &mut at_start[next.index()] {
                    Some(known) => {
                        let count = known.len();
                        known.retain(|place, content| state.get(place) == Some(content));
                        has_changed |= known.len() != count;
                    }
                    unknown => {
                        *unknown = Some(state);
                        has_changed = true;
                    }
                }
            }
        }
        if !has_changed {
            break;
        }
    }
    for &block in &after.layout {
        if let Some(state) = at_start[block.index()].clone() {
            checker.block::<I>(block, state, true)?;
        }
    }
    Ok(())
}

struct Checker<'a> {
    before: &'a Function,
    after: &'a Function,
    allocation: &'a Allocation,
}

impl Checker<'_> {
    fn register(&self, value: Value) -> Place {
        Place::Register(Reg(self.allocation.registers[value.index()]))
    }

    /// The frame slot of a value that has one.
    fn home(&self, value: Value) -> Option<Place> {
        match self.allocation.homes[value.index()] {
            Home::Slot(slot) => Some(Place::Slot(slot)),
            Home::None | Home::Constant(_) => None,
        }
    }

    /// What a place must hold to be a value of the function before the allocation.
    fn content(&self, value: Value) -> Content {
        match self.before.constant(value) {
            Some(constant) => Content::Constant(constant),
            None => Content::Value(value),
        }
    }

    /// Executes a block. With `checks`, compares what it reads.
    fn block<I: Isa>(&self, block: Block, mut state: State, checks: bool) -> Result<State, String> {
        let before = self.before.block(block);
        let after = self.after.block(block);
        let mut originals =
            before.insts.iter().filter(|value| !matches!(self.before.op(**value), Op::Constant(_))).peekable();
        let reads = |state: &State, read: Value, expected: Value, what: &str| {
            let place = self.register(read);
            if !checks || state.get(&place) == Some(&self.content(expected)) {
                return Ok(());
            }
            let found = state.get(&place);
            Err(format!("{what} in {block} reads {expected} from {place:?}, which holds {found:?}"))
        };
        let passes = |state: &State, passed: Value, expected: Value, what: &str| {
            let found = match (self.allocation.homes[passed.index()], self.home(passed)) {
                (Home::Constant(value), _) => Some(Content::Constant(value)),
                (_, Some(slot)) => state.get(&slot).copied(),
                _ => state.get(&self.register(passed)).copied(),
            };
            if !checks || found == Some(self.content(expected)) {
                return Ok(());
            }
            Err(format!("{what} in {block} passes {expected}, but finds {found:?}"))
        };
        for (index, &value) in after.insts.iter().enumerate() {
            let op = *self.after.op(value);
            let copied = match op {
                Op::Reload(slot) => Some(state.get(&Place::Slot(slot)).copied()),
                Op::Constant(constant) => Some(Some(Content::Constant(constant))),
                _ => None,
            };
            if let Some(content) = copied {
                match content {
                    Some(content) => state.insert(self.register(value), content),
                    None => state.remove(&self.register(value)),
                };
                continue;
            }
            if let Op::Spill { value, slot } = op {
                match state.get(&self.register(value)).copied() {
                    Some(content) => state.insert(Place::Slot(slot), content),
                    None => state.remove(&Place::Slot(slot)),
                };
                continue;
            }
            if originals.next() != Some(&value) {
                return Err(format!("{value} in {block} was not there before, or is in another place"));
            }
            let mut expected = Vec::new();
            let mut original = *self.before.op(value);
            original.for_each_operand(|operand| expected.push(*operand));
            let mut expected = expected.into_iter();
            let mut result = Ok(());
            let mut read = op;
            let is_call = matches!(op, Op::Call { .. });
            read.for_each_operand(|operand| {
                let expected = expected.next().expect("the operation has the same operands");
                if result.is_ok() {
                    result = if is_call {
                        passes(&state, *operand, expected, &value.to_string())
                    } else {
                        reads(&state, *operand, expected, &value.to_string())
                    };
                }
            });
            result?;
            let mut clobber = |registers: &[Reg]| {
                registers.iter().for_each(|register| {
                    state.remove(&Place::Register(*register));
                });
            };
            match op {
                Op::Alu(alu, ..) if alu.is_shift() => clobber(I::SHIFT_CLOBBERS),
                Op::Divide(..) => clobber(I::DIVIDE_CLOBBERS),
                Op::DivideImm(.., imm) => clobber(I::divide_imm_clobbers(imm)),
                Op::Call { .. } => state.retain(|place, _| matches!(place, Place::Slot(_))),
                _ => {}
            }
            if op.defines() {
                if self.allocation.registers[value.index()] == NO_REGISTER {
                    return Err(format!("{value} in {block} has no register"));
                }
                // The values that a call or the caller passes are defined at once.
                let is_passed = |value: &Value| matches!(self.after.op(*value), Op::Argument(_) | Op::CallResult(_));
                let others = after.insts[..index].iter().rev().take_while(|value| is_passed(value));
                if is_passed(&value) && others.into_iter().any(|other| self.register(*other) == self.register(value)) {
                    return Err(format!("{value} in {block} shares a register with another passed value"));
                }
                state.insert(self.register(value), Content::Value(value));
            }
        }
        if let Some(value) = originals.next() {
            return Err(format!("{value} in {block} is missing"));
        }
        let mut expected = before.end.operands();
        for operand in after.end.operands() {
            let expected = expected.next().expect("the end has the same operands");
            reads(&state, operand, expected, "the branch")?;
        }
        for (passed, expected) in after.end.passed().iter().zip(before.end.passed()) {
            passes(&state, *passed, *expected, "the end")?;
        }
        if let End::Jump(edge) = &after.end {
            let places: Vec<Place> = self
                .after
                .block(edge.to)
                .params
                .iter()
                .map(|param| self.home(*param).unwrap_or_else(|| self.register(*param)))
                .collect();
            if (1..places.len()).any(|index| places[..index].contains(&places[index])) {
                return Err(format!("two parameters of {} share a place", edge.to));
            }
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bytecode::{self, Limits};
    use crate::isa::{Reserved, aarch64, x86_64};
    use crate::lang::{Source, parse, verify};
    use crate::ssa::{Passes, allocate_checked, functions, legalize, pool};

    /// A loop, branches, calls, divisions, and more values than six registers hold.
    const TEXT: &str = ": f ( a b c d e -- g h ) dup if + swap else / end rot drop nip ; 9 array a\n\
        0 swap 0 pick times dup 3 and if 1 + else 2 + end 0 pick 7 and a + dup @ 1 + swap ! over 7 3 pick 1 pick f + end\n\
        1 pick 2 pick 3 pick 4 pick + 5 pick * xor - swap 3 / 9 mod";

    /// How many wrong allocations were tried, and how many of them were found.
    fn wrong_allocations<I: Isa>(registers: usize) -> (usize, usize) {
        let ast = Arc::new(parse(&Source::new("test", TEXT)).expect("the text parses"));
        let program = verify(&ast, 4).expect("the program verifies");
        let code = bytecode::lower(&program, Limits::of_stack(100), true).expect("the program is small");
        let pool = pool::<I>(Reserved { memory: true, depth: true }, registers);
        let (mut tried, mut found) = (0, 0);
        // Inlining leaves no call.
        let passes = Passes::ALL.without(Passes::named("inline").expect("it exists"));
        for mut function in functions::<I>(&code, passes) {
            legalize::legalize::<I>(&mut function);
            let before = function.clone();
            let mut allocation = allocate_checked::<I>(&mut function, pool, true).expect("there are enough slots");
            // Two operands of one instruction, or two arguments of one edge, cannot be in the same place.
            for &block in &function.layout {
                for value in &function.block(block).insts {
                    let mut operands = Vec::new();
                    let mut op = *function.op(*value);
                    if !matches!(op, Op::Call { .. }) {
                        op.for_each_operand(|operand| operands.push(*operand));
                    }
                    if let [a, b] = operands[..]
                        && a != b
                    {
                        let register = allocation.registers[a.index()];
                        allocation.registers[a.index()] = allocation.registers[b.index()];
                        tried += 1;
                        found += usize::from(check::<I>(&before, &function, &allocation).is_err());
                        allocation.registers[a.index()] = register;
                    }
                }
                for pair in function.block(block).params.windows(2) {
                    let (a, b) = (pair[0].index(), pair[1].index());
                    let places = (allocation.registers[a], allocation.homes[a]);
                    (allocation.registers[a], allocation.homes[a]) = (allocation.registers[b], allocation.homes[b]);
                    tried += 1;
                    found += usize::from(check::<I>(&before, &function, &allocation).is_err());
                    (allocation.registers[a], allocation.homes[a]) = places;
                }
            }
        }
        (tried, found)
    }

    #[test]
    fn wrong_allocations_are_found() {
        for (tried, found) in [
            wrong_allocations::<x86_64::Emitter>(6),
            wrong_allocations::<aarch64::Emitter>(6),
            wrong_allocations::<x86_64::Emitter>(usize::MAX),
            wrong_allocations::<aarch64::Emitter>(usize::MAX),
        ] {
            assert!(tried >= 5 && found == tried, "{found} of {tried}");
        }
    }
}
