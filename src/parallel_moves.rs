//! Parallel moves: all registers receive their new values at the same time. This module orders the moves so that single
//! instructions can perform them one at a time.
//!
//! A move is ready when no other move still reads its destination. If no move is ready, only cycles are left, and one
//! of them is broken as the caller chooses.

pub mod checker;

/// A register's number, below 32.
pub type Register = u8;

/// The source of a value. For ordering, only the register that it reads matters.
pub trait Source: Copy {
    /// The register that it reads; `None` for a constant or a value in memory.
    fn register(self) -> Option<Register>;

    /// The same source, reading another register instead of its own.
    fn with_register(self, register: Register) -> Self;

    /// Whether this register already holds the value, so that no move is needed.
    fn is_in(self, register: Register) -> bool;
}

/// A destination register and its new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move<S> {
    /// The destination; no two moves have the same one.
    pub to: Register,
    /// Its new value.
    pub from: S,
}

/// How a cycle is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// With a register that no move reads or writes.
    Scratch(Register),
    /// With a memory slot.
    Memory,
    /// With an instruction that exchanges two registers.
    Exchange,
}

/// One instruction, or a few if the value must be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<S> {
    /// Sets the register to the value.
    Set(Move<S>),
    /// Copies a register to the scratch register.
    Copy {
        /// The scratch register.
        to: Register,
        /// The register to copy.
        from: Register,
    },
    /// Saves a register to the memory slot.
    Save(Register),
    /// Sets the register to the value, reading the memory slot instead of the value's register.
    Restore(Move<S>),
    /// Exchanges the contents of two registers.
    Exchange(Register, Register),
}

/// Orders moves and passes each step to `put`. A register that already holds its new value takes no step.
///
/// # Panics
/// If a register's number is 32 or more, or two moves have the same destination.
pub fn resolve<S: Source>(moves: Vec<Move<S>>, breaker: Breaker, mut put: impl FnMut(Step<S>)) {
    let mut pending = Pending::new(moves);
    // The register whose content is saved in memory, so that it may be overwritten.
    let mut saved = None;
    while !pending.moves.is_empty() {
        let Some(next) = pending.first_ready(saved) else {
            let blocked = pending.moves[0].to;
            match breaker {
                Breaker::Scratch(scratch) => {
                    put(Step::Copy { to: scratch, from: blocked });
                    pending.rename(blocked, scratch);
                }
                Breaker::Memory => {
                    put(Step::Save(blocked));
                    saved = Some(blocked);
                }
                Breaker::Exchange => {
                    let from = pending.moves[0].from.register().expect("a move in a cycle reads a register");
                    put(Step::Exchange(from, blocked));
                    pending.exchange(from, blocked);
                }
            }
            continue;
        };
        let step = pending.take(next);
        match step.from.register() {
            // In a cycle, each register has exactly one reader.
            Some(register) if saved == Some(register) => {
                saved = None;
                put(Step::Restore(step));
            }
            _ if step.from.is_in(step.to) => {}
            _ => put(Step::Set(step)),
        }
    }
}

/// The moves that have not been performed.
struct Pending<S> {
    moves: Vec<Move<S>>,
    /// The number of moves that read each register.
    readers: [u8; 32],
}

impl<S: Source> Pending<S> {
    fn new(moves: Vec<Move<S>>) -> Pending<S> {
        let mut pending = Pending { moves, readers: [0; 32] };
        let mut written = 0_u32;
        for index in 0..pending.moves.len() {
            let Move { to, from } = pending.moves[index];
            let bit = 1_u32.checked_shl(to.into()).expect("a register's number is below 32");
            assert_eq!(written & bit, 0, "register {to} is the destination of two moves");
            written |= bit;
            pending.count_reader(from, 1);
        }
        pending
    }

    fn count_reader(&mut self, source: S, change: i8) {
        if let Some(register) = source.register() {
            let readers = &mut self.readers[usize::from(register)];
            *readers = readers.checked_add_signed(change).expect("every reader is counted once");
        }
    }

    /// The index of a move whose destination no other move reads.
    fn first_ready(&self, saved: Option<Register>) -> Option<usize> {
        self.moves.iter().position(|step| {
            let own = u8::from(step.from.register() == Some(step.to));
            saved == Some(step.to) || self.readers[usize::from(step.to)] == own
        })
    }

    fn take(&mut self, index: usize) -> Move<S> {
        let step = self.moves.swap_remove(index);
        self.count_reader(step.from, -1);
        step
    }

    /// Makes every reader of a register read another one.
    fn rename(&mut self, from: Register, to: Register) {
        for step in self.moves.iter_mut().filter(|step| step.from.register() == Some(from)) {
            step.from = step.from.with_register(to);
        }
        self.readers.swap(from.into(), to.into());
    }

    /// Makes every reader of one of two registers read the other.
    fn exchange(&mut self, a: Register, b: Register) {
        for step in &mut self.moves {
            step.from = match step.from.register() {
                Some(register) if register == a => step.from.with_register(b),
                Some(register) if register == b => step.from.with_register(a),
                _ => step.from,
            };
        }
        self.readers.swap(a.into(), b.into());
    }
}

#[cfg(test)]
mod tests {
    use super::checker::{Value, check};
    use super::*;

    /// Enumerates all sets of moves among the first `registers` registers, with sources of every kind.
    fn each(registers: Register, try_it: &mut impl FnMut(&[Move<Value>])) {
        fn extend(
            to: Register,
            registers: Register,
            moves: &mut Vec<Move<Value>>,
            try_it: &mut impl FnMut(&[Move<Value>]),
        ) {
            if to == registers {
                return try_it(moves);
            }
            extend(to + 1, registers, moves, try_it);
            let of = |register| [Value::Register(register), Value::Sum(register, i64::from(to) + 1)];
            for from in (0..registers).flat_map(of).chain([Value::Constant(-7)]) {
                moves.push(Move { to, from });
                extend(to + 1, registers, moves, try_it);
                moves.pop();
            }
        }
        extend(0, registers, &mut Vec::new(), try_it);
    }

    #[test]
    fn all_moves_among_few_registers_are_resolved_with_every_breaker() {
        let mut tried = 0;
        for registers in 0..=5 {
            each(registers, &mut |moves| {
                for breaker in [Breaker::Scratch(registers), Breaker::Memory, Breaker::Exchange] {
                    check(moves, breaker);
                    tried += 1;
                }
            });
        }
        // Each register has one more choice than there are sources: it may keep its value.
        let combinations: u32 = (0..=5_u32).map(|registers| (2 * registers + 2).pow(registers)).sum();
        assert_eq!(tried, 3 * combinations);
    }

    #[test]
    fn number_of_steps_is_minimal() {
        let moves = |pairs: &[(Register, Register)]| -> Vec<Move<Value>> {
            pairs.iter().map(|&(to, from)| Move { to, from: Value::Register(from) }).collect()
        };
        let all = [Breaker::Scratch(5), Breaker::Memory, Breaker::Exchange];
        // A chain needs no breaker in any order; a value that is already in place needs no step.
        for breaker in all {
            assert_eq!(check(&moves(&[(0, 1), (1, 2), (2, 3), (4, 4)]), breaker), 3);
            assert_eq!(check(&moves(&[(3, 2), (2, 1), (1, 0)]), breaker), 3);
            // One source for all.
            assert_eq!(check(&moves(&[(0, 4), (1, 4), (2, 4), (3, 4)]), breaker), 4);
        }
        // A cycle takes one step more than it has moves, or one less with exchanges.
        assert_eq!(all.map(|breaker| check(&moves(&[(0, 1), (1, 2), (2, 0)]), breaker)), [4, 4, 2]);
        assert_eq!(all.map(|breaker| check(&moves(&[(0, 1), (1, 0), (2, 3), (3, 2)]), breaker)), [6, 6, 2]);
        // A reader outside the cycle receives its value first, so that only the cycle remains.
        assert_eq!(all.map(|breaker| check(&moves(&[(0, 1), (1, 0), (2, 0)]), breaker)), [4, 4, 2]);
    }

    #[test]
    #[should_panic(expected = "register 1 is the destination of two moves")]
    fn register_with_two_values_is_rejected() {
        let twice = [1, 2].map(|value| Move { to: 1, from: Value::Constant(value) });
        resolve(twice.to_vec(), Breaker::Memory, |_| ());
    }

    #[test]
    #[should_panic(expected = "a register's number is below 32")]
    fn register_number_32_is_rejected() {
        resolve(vec![Move { to: 32, from: Value::Constant(1) }], Breaker::Memory, |_| ());
    }
}
