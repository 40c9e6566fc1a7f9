//! Interprets the bytecode as it is, by a `match` on each operation. That takes several times as long as the interpreter's own
//! code, but nothing has to be translated first, so it is the fastest way to execute a few hundred operations.
//!
//! It relies on the verifier and on the explicit checks in the bytecode. It checks the depth nowhere else.
#![allow(unsafe_code, reason = "the operations and the stack are accessed without bounds checks")]

use crate::bytecode::{Bytecode, Op, Pc, RegionId, RegionKind};
use crate::exec::Store;
use crate::lang::words::{Class, Word, word_rows};
use crate::outcome::Trap;

/// What [`execute`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executed {
    /// How the run ended. `None` if it did not: then it must begin again, in an interpreter or in machine code.
    pub end: Option<Result<(), Trap>>,
    /// About how many operations were executed.
    pub operations: i64,
    /// The outermost loop, if the run was stopped in a loop of the main program, and no call was active.
    pub stopped: Option<Stopped>,
}

/// A loop in which a run was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The loop.
    pub region: RegionId,
    /// About how many operations it has executed.
    pub operations: i64,
    /// How many iterations have ended, and how many there are, if it has a count.
    pub iterations: Option<(usize, usize)>,
}

/// Runs a program, but stops after about this many operations: at the end of an iteration, or before a call. The memory cells must have
/// been available when the program was prepared.
///
/// # Panics
/// The same as for [`Prepared::run`](crate::engine::Prepared::run).
pub fn execute(code: &Bytecode, inputs: &[i64], fuel: Option<u64>, operations: i64, store: &mut Store) -> Executed {
    let fuel = code.begin(inputs, fuel, store);
    store.reserve(code.cells(), 0).expect("the memory was available when the program was prepared");
    store.clear_memory(code.cells());
    let control = vec![0; code.main().counters as usize * COUNTER];
    let (bottom, operations) = (store.bottom(), operations.max(0));
    let left = operations;
    let mut run = Run { code, bottom, control, counters: 0, depth: 0, base: 0, fuel, operations, left, stopped: None };
    let end = run.execute(store.cells_mut(), inputs.len());
    let operations = operations - run.left;
    if let Some(Ok(height)) = end {
        store.set_depth(height);
    }
    Executed { end: end.map(|end| end.map(drop)), operations, stopped: run.stopped }
}

macro_rules! each {
    ($($(#[$doc:meta])* $name:ident $spelling:literal $effect:tt $meaning:expr $(, c $c:literal forth $forth:literal)?;)*) => {
        /// The same as [`execute_word`], with code of its own for each word, so that a word takes a single indirect jump.
        ///
        /// # Safety
        /// The same as for [`execute_word`].
        #[inline(always)]
        unsafe fn each_word(word: Word, bottom: *mut i64, height: usize, cells: &mut [i64]) -> Option<usize> {
            // SAFETY: the caller guarantees it.
            match word { $(Word::$name => unsafe { execute_word(Word::$name, bottom, height, cells) },)* }
        }
    };
}
word_rows!(each);

/// Executes a word on a data stack of this height. Returns the height after it; `None` if it traps.
///
/// # Safety
/// The stack must have the values that the word pops, and room for those that it pushes.
#[inline(always)]
unsafe fn execute_word(word: Word, bottom: *mut i64, height: usize, cells: &mut [i64]) -> Option<usize> {
    // The value at this height. SAFETY: the caller guarantees that there is one, or room for one.
    let slot = |height: usize| unsafe { &mut *bottom.add(height) };
    match word {
        Word::Dup => {
            *slot(height) = *slot(height - 1);
            Some(height + 1)
        }
        Word::Over => {
            *slot(height) = *slot(height - 2);
            Some(height + 1)
        }
        Word::Drop => Some(height - 1),
        Word::Swap => {
            let (a, b) = (*slot(height - 2), *slot(height - 1));
            (*slot(height - 2), *slot(height - 1)) = (b, a);
            Some(height)
        }
        Word::Rot => {
            let (a, b, c) = (*slot(height - 3), *slot(height - 2), *slot(height - 1));
            (*slot(height - 3), *slot(height - 2), *slot(height - 1)) = (b, c, a);
            Some(height)
        }
        Word::Nip => {
            *slot(height - 2) = *slot(height - 1);
            Some(height - 1)
        }
        Word::Tuck => {
            let (a, b) = (*slot(height - 2), *slot(height - 1));
            (*slot(height - 2), *slot(height - 1), *slot(height)) = (b, a, b);
            Some(height + 1)
        }
        Word::Fetch => {
            let address = slot(height - 1);
            *address = *cells.get(*address as usize)?;
            Some(height)
        }
        Word::Store => {
            *cells.get_mut(*slot(height - 1) as usize)? = *slot(height - 2);
            Some(height - 2)
        }
        Word::Div | Word::Mod if *slot(height - 1) == 0 => None,
        _ if word.class() == Class::Unary => {
            *slot(height - 1) = word.apply(*slot(height - 1), 0);
            Some(height)
        }
        _ => {
            *slot(height - 2) = word.apply(*slot(height - 2), *slot(height - 1));
            Some(height - 1)
        }
    }
}

/// A run.
struct Run<'a> {
    code: &'a Bytecode,
    /// The address of the lowest value.
    bottom: *mut i64,
    /// The counters of the active functions. Between those of a function and those of its caller are the caller's next operation,
    /// base and counters.
    control: Vec<usize>,
    /// The index of the present function's counters.
    counters: usize,
    /// The number of active calls.
    depth: u64,
    /// The height of the data stack below the present function's parameters.
    base: usize,
    /// The number of iterations and calls that may still begin.
    fuel: u64,
    /// How many operations may be executed, about.
    operations: i64,
    /// How many of these are left.
    left: i64,
    /// Where the run was stopped.
    stopped: Option<Stopped>,
}

/// The number of values that a counter takes: how many iterations have not ended, how many there are, and how many operations were executed
/// before the loop.
const COUNTER: usize = 3;

/// The number of values that are kept for a caller.
const LINK: usize = 3;

impl Run<'_> {
    /// Executes the program from its start, with this many inputs on the stack. Returns how it ended, with the height of the data stack;
    /// `None` if it did not end.
    fn execute(&mut self, cells: &mut [i64], inputs: usize) -> Option<Result<usize, Trap>> {
        let (code, bottom) = (self.code, self.bottom);
        let (ops, limit) = (code.ops().as_ptr(), code.stack_limit());
        let mut height = inputs;
        let mut pc = 0;
        // The value at this height. SAFETY: the verifier has shown that there is one, or room for one: each check that it could not remove
        // is an operation.
        let slot = |height: usize| unsafe { &mut *bottom.add(height) };
        loop {
            // SAFETY: execution begins with the first operation, and goes on with the next one or with the target of a branch. The last
            // operation of a function returns.
            let op = unsafe { *ops.add(pc) };
            pc += 1;
            match op {
                Op::Literal(value) => {
                    *slot(height) = value;
                    height += 1;
                }
                Op::Word(word) => {
                    // SAFETY: see `slot`.
                    let after = unsafe { each_word(word, bottom, height, cells) };
                    let Some(after) = after else { return self.trap(pc - 1, height) };
                    height = after;
                }
                Op::Pick(below) => {
                    *slot(height) = *slot(height - 1 - below as usize);
                    height += 1;
                }
                Op::Put(below) => {
                    height -= 1;
                    *slot(height - 1 - below as usize) = *slot(height);
                }
                Op::Times(id) => {
                    height -= 1;
                    let count = *slot(height);
                    if count > 0 {
                        let executed = (self.operations - self.left) as usize;
                        *self.counter(id) = [count as usize, count as usize, executed];
                    } else {
                        pc = code.region(id).end.index();
                    }
                }
                Op::Next(id) => {
                    let [counter, ..] = self.counter(id);
                    *counter -= 1;
                    if *counter > 0 {
                        pc = self.again(id)?;
                    }
                }
                Op::Repeat(id) => pc = self.again(id)?,
                Op::LeaveIfZero(id) => {
                    height -= 1;
                    if *slot(height) == 0 {
                        pc = code.region(id).end.index();
                    }
                }
                Op::If(_) => {
                    height -= 1;
                    if *slot(height) == 0 {
                        pc = code.target(op).expect("it branches").index();
                    }
                }
                Op::Else(id) | Op::Leave(id) => pc = code.region(id).end.index(),
                Op::While(_) | Op::EndIf(_) => {}
                Op::Call(id) => {
                    let function = &code.functions()[id.index()];
                    self.left -= i64::from(function.end.0 - function.start.0);
                    if self.left < 0 {
                        return None;
                    }
                    self.control.extend([pc, self.base, self.counters]);
                    self.base = height - function.params as usize;
                    self.counters = self.control.len();
                    self.control.resize(self.counters + function.counters as usize * COUNTER, 0);
                    self.depth += 1;
                    pc = function.start.index();
                }
                Op::Exit | Op::Return => {
                    let Some(link) = self.counters.checked_sub(LINK) else { return Some(Ok(height)) };
                    (pc, self.base, self.counters) =
                        (self.control[link], self.control[link + 1], self.control[link + 2]);
                    self.control.truncate(link);
                    self.depth -= 1;
                }
                Op::Fuel if self.fuel > 0 => self.fuel -= 1,
                Op::CallDepth if self.depth < code.greatest_depth() => {}
                Op::Need { values, .. } if (height - self.base) as u64 >= values => {}
                Op::Room { values, .. } | Op::Frame { values } if values <= limit - height as u64 => {}
                Op::Fuel | Op::CallDepth | Op::Need { .. } | Op::Room { .. } | Op::Frame { .. } => {
                    return self.trap(pc - 1, height);
                }
            }
        }
    }

    /// The counter of a `times` loop of the present function.
    #[inline(always)]
    fn counter(&mut self, id: RegionId) -> &mut [usize; COUNTER] {
        let first = self.counters + self.code.counter(id).0 as usize * COUNTER;
        self.control[first..].first_chunk_mut().expect("each loop has a counter")
    }

    /// The next operation if a loop has another iteration; `None` if enough operations were executed.
    #[inline(always)]
    fn again(&mut self, id: RegionId) -> Option<usize> {
        let region = self.code.region(id);
        self.left -= region.operations() as i64;
        if self.left < 0 {
            self.stop_in(id);
            return None;
        }
        Some(region.header().index())
    }

    /// Notes in which loop the run is stopped, when another iteration of this loop could begin.
    #[cold]
    fn stop_in(&mut self, id: RegionId) {
        if self.depth > 0 {
            return;
        }
        let mut outermost = id;
        while let Some(around) = self.code.loop_around(self.code.region(outermost)) {
            outermost = around;
        }
        let executed = self.operations - self.left;
        self.stopped = Some(match self.code.region(outermost).kind {
            RegionKind::Times { .. } => {
                let [left, count, before] = *self.counter(outermost);
                let (operations, iterations) = (executed - before as i64, Some((count - left, count)));
                Stopped { region: outermost, operations, iterations }
            }
            RegionKind::While | RegionKind::If { .. } => {
                Stopped { region: outermost, operations: executed, iterations: None }
            }
        });
    }

    /// The trap of an operation, when the data stack has this height.
    #[cold]
    fn trap(&self, op: usize, height: usize) -> Option<Result<usize, Trap>> {
        Some(Err(self.code.trap(Pc(op as u32), || (height - self.base) as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytecode::{Limits, lower};
    use crate::engine::Run;
    use crate::interp::tree::evaluate;
    use crate::lang::{Source, load};
    use crate::outcome::Outcome;

    const PROGRAMS: [(&str, &[i64]); 9] = [
        ("0 5 times 3 times 1 + end 2 * end", &[]),
        ("times 9 times 1 drop end end", &[-3]),
        ("1 while over do over * swap 1 - swap end nip", &[6]),
        ("0 6 times 5 times 1 + dup 13 = if leave end end end", &[]),
        (": fib ( n -- f ) dup 2 < if exit end dup 1 - fib swap 2 - fib + ; fib", &[6]),
        (": g ( n -- m ) 3 times 2 times 1 + end end ; : f ( n -- m ) 4 times g end ; 2 times f end", &[1]),
        ("2 array a 7 a ! 3 times a @ dup + a ! end a @ a 1 + @", &[]),
        ("5 while dup do 1 - 12 over / drop end", &[]),
        (": down ( n -- ) 1 - down ; 5 down", &[]),
    ];

    /// However few operations may be executed, a run ends as it should or not at all.
    #[test]
    fn a_run_is_executed_whole_or_not_at_all() {
        let mut store = Store::new(100).expect("there is memory");
        for (text, inputs) in PROGRAMS {
            let program =
                load(&Source::new("test", text), inputs.len()).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            for fuel in [None, Some(0), Some(4), Some(1_000)] {
                let code = lower(&program, Limits { calls: 30, ..Limits::of_stack(100) }, fuel.is_some());
                let code = code.expect("it is small");
                let expected = evaluate(program.ast(), Run { inputs, fuel, stack_limit: 100, call_limit: 30 });
                let mut ended = Vec::new();
                for operations in 0..1_500 {
                    let Executed { end, operations: executed, .. } =
                        execute(&code, inputs, fuel, operations, &mut store);
                    let Some(end) = end else {
                        assert!(executed > operations, "{text}: it stopped after {executed} of {operations}");
                        continue;
                    };
                    let found = end.map_or_else(Outcome::Trap, |()| Outcome::Done(store.values().to_vec()));
                    assert_eq!(found, expected, "{text} with {operations} operations and {fuel:?}");
                    ended.push(operations);
                }
                assert!(
                    ended.windows(2).all(|two| two[0] + 1 == two[1]) && ended.ends_with(&[1_499]),
                    "{text}: {ended:?}"
                );
            }
        }
    }

    #[test]
    fn a_stopped_run_tells_how_far_it_was() {
        let mut store = Store::new(100).expect("there is memory");
        let mut stopped = |text: &str, operations: i64| {
            let program = load(&Source::new("test", text), 1).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            let code = lower(&program, Limits::of_stack(100), false).expect("it is small");
            let executed = execute(&code, &[10], None, operations, &mut store);
            assert_eq!(executed.end, None, "{text} ended");
            let Stopped { region, operations, iterations } = executed.stopped?;
            assert!(operations <= executed.operations, "{text}: {executed:?}");
            Some((code.region(region).start.0, operations, iterations))
        };
        // An iteration counts as four operations.
        assert_eq!(stopped("0 swap times 1 + end", 10), Some((2, 12, Some((3, 10)))));
        // What precedes the loop is not its work.
        assert_eq!(stopped("0 9 times 1 + end swap times 1 + end", 40), Some((7, 12, Some((3, 10)))));
        // Of nested loops, the outermost one.
        let nested = "0 swap times 3 times 1 + end end";
        assert_eq!(stopped(nested, 4), Some((2, 8, Some((0, 10)))));
        assert_eq!(stopped(nested, 30), Some((2, 34, Some((2, 10)))));
        assert_eq!(stopped("while dup do 1 - 2 times end end", 20).map(|(.., iterations)| iterations), Some(None));
        // In a call, its caller's loops are not known.
        assert_eq!(stopped(": f ( n -- ) times end ; 5 times 100 f end", 20), None);
    }
}
