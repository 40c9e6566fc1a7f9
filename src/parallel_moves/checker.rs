//! The checker of the resolver: simulates the steps and compares the registers with the parallel assignment.

use super::{Breaker, Move, Register, Source, Step, resolve};

/// A source that the checker can evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// The content of a register.
    Register(Register),
    /// The content of a register plus a number.
    Sum(Register, i64),
    /// A constant.
    Constant(i64),
    /// The content of a memory slot.
    Memory(u8),
}

impl Source for Value {
    fn register(self) -> Option<Register> {
        match self {
            Value::Register(register) | Value::Sum(register, _) => Some(register),
            Value::Constant(_) | Value::Memory(_) => None,
        }
    }

    fn with_register(self, register: Register) -> Value {
        match self {
            Value::Register(_) => Value::Register(register),
            Value::Sum(_, addend) => Value::Sum(register, addend),
            Value::Constant(_) | Value::Memory(_) => unreachable!("{self:?} reads no register"),
        }
    }

    fn is_in(self, register: Register) -> bool {
        self == Value::Register(register)
    }
}

impl Value {
    fn evaluate(self, register: impl Fn(Register) -> i64) -> i64 {
        match self {
            Value::Register(from) => register(from),
            Value::Sum(from, addend) => register(from).wrapping_add(addend),
            Value::Constant(value) => value,
            // No register holds a negative multiple of 1000 at first.
            Value::Memory(slot) => -1000 * (i64::from(slot) + 1),
        }
    }
}

/// The registers and the breaker's memory slot while the steps are simulated.
struct Machine {
    registers: [i64; 32],
    saved: Option<i64>,
}

impl Machine {
    fn new() -> Machine {
        Machine { registers: std::array::from_fn(|number| 1000 * (number as i64 + 1)), saved: None }
    }

    fn get(&self, register: Register) -> i64 {
        self.registers[usize::from(register)]
    }

    fn set(&mut self, register: Register, value: i64) {
        self.registers[usize::from(register)] = value;
    }

    fn perform(&mut self, step: Step<Value>, breaker: Breaker) {
        match (step, breaker) {
            (Step::Set(Move { to, from }), _) => self.set(to, from.evaluate(|register| self.get(register))),
            (Step::Copy { to, from }, Breaker::Scratch(scratch)) if to == scratch => self.set(to, self.get(from)),
            (Step::Save(from), Breaker::Memory) => {
                assert_eq!(self.saved.replace(self.get(from)), None, "the memory slot is free");
            }
            (Step::Restore(Move { to, from }), Breaker::Memory) => {
                let saved = self.saved.take().expect("a register was saved");
                self.set(to, from.evaluate(|_| saved));
            }
            (Step::Exchange(a, b), Breaker::Exchange) => self.registers.swap(a.into(), b.into()),
            _ => panic!("{step:?} is not a step of {breaker:?}"),
        }
    }
}

/// Resolves the moves, simulates the steps and compares the result with the parallel assignment. Returns the number of
/// steps.
///
/// # Panics
/// If a register ends with a wrong value, a step does not belong to the breaker, there are too many steps, or
/// [`resolve`] panics.
pub fn check(moves: &[Move<Value>], breaker: Breaker) -> usize {
    check_steps(moves, breaker, |put| resolve(moves.to_vec(), breaker, put))
}

fn check_steps(moves: &[Move<Value>], breaker: Breaker, steps: impl FnOnce(&mut dyn FnMut(Step<Value>))) -> usize {
    let (before, mut expected, mut machine) = (Machine::new(), Machine::new(), Machine::new());
    moves.iter().for_each(|step| expected.set(step.to, step.from.evaluate(|register| before.get(register))));
    let mut count = 0;
    steps(&mut |step| {
        count += 1;
        // The worst case is a cycle of sums that is broken with exchanges. It takes one step less than twice the number
        // of moves.
        assert!(count <= 2 * moves.len(), "too many steps for {moves:?} with {breaker:?}");
        machine.perform(step, breaker);
    });
    if let Breaker::Scratch(scratch) = breaker {
        machine.set(scratch, expected.get(scratch));
    }
    assert_eq!(machine.registers, expected.registers, "{moves:?} with {breaker:?}");
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWAP: [Move<Value>; 2] = [Move { to: 0, from: Value::Register(1) }, Move { to: 1, from: Value::Register(0) }];

    #[test]
    #[should_panic(expected = "[Move { to: 0, from: Register(1) }")]
    fn wrong_order_is_detected() {
        check_steps(&SWAP, Breaker::Exchange, |put| SWAP.map(Step::Set).into_iter().for_each(put));
    }

    #[test]
    #[should_panic(expected = "Exchange(0, 1) is not a step of Memory")]
    fn step_of_another_breaker_is_detected() {
        check_steps(&SWAP, Breaker::Memory, |put| put(Step::Exchange(0, 1)));
    }

    #[test]
    #[should_panic(expected = "too many steps")]
    fn endless_steps_are_detected() {
        check_steps(&SWAP, Breaker::Exchange, |put| (0..9).for_each(|_| put(Step::Exchange(0, 1))));
    }
}
