//! `bytecode`, the fast interpreter: one `match` an operation, the top of the stack in a local variable.
//!
//! It relies on what the verifier proved and on the explicit checks of the bytecode: no other word looks at the
//! depth.
#![allow(unsafe_code, reason = "the hot loop reads code and stack without bounds checks")]

use crate::bytecode::{Bytecode, CheckRun, Op, lower};
use crate::engine::{Engine, Options, Phase, PhaseClock, PrepareError, Prepared};
use crate::exec::Stack;
use crate::lang::{Program, Word};
use crate::outcome::{Trap, TrapKind};

/// The bytecode interpreter.
pub struct Interpreter;

impl Engine for Interpreter {
    fn name(&self) -> &'static str {
        "bytecode"
    }

    fn prepare(
        &mut self,
        program: &Program,
        options: &Options,
        clock: &mut dyn PhaseClock,
    ) -> Result<Box<dyn Prepared>, PrepareError> {
        clock.begin(Phase::Lower);
        let code = lower(program, options.stack_limit as u64, options.metered)?;
        let counters = vec![0; code.counters as usize];
        Ok(Box::new(Ready { code, counters }))
    }
}

struct Ready {
    code: Bytecode,
    counters: Vec<i64>,
}

impl Prepared for Ready {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Stack) -> Result<(), Trap> {
        self.code.expect(inputs, fuel, stack);
        stack.set(inputs);
        // More passes than 64 bits can count never happen.
        // SAFETY: the code comes from `lower`, there are as many counters as it uses, and the stack holds as many
        // inputs as it expects and has room for its limit.
        let depth = unsafe { interpret(&self.code, &mut self.counters, fuel.unwrap_or(u64::MAX), stack)? };
        stack.set_depth(depth);
        Ok(())
    }
}

/// Runs bytecode on a stack that holds the inputs and returns the depth at the end.
///
/// # Safety
/// The code was made by `lower`, `counters` are as many as it uses, and the stack holds the inputs that it expects and
/// has room for its limit.
///
/// Then the verifier and the checks that it left (`Need` and `Room`, which stand before the words that they cover) keep
/// the depth between none and the limit: `sp` stays between the spare slot and the last one, and operands lie in the
/// stack. Targets and counters were numbered by `lower`, and the last operation is `Return`: `ip` stays within the
/// operations.
#[allow(unsafe_op_in_unsafe_fn, reason = "every line of the loop relies on the same contract")]
unsafe fn interpret(code: &Bytecode, counters: &mut [i64], mut fuel: u64, stack: &mut Stack) -> Result<usize, Trap> {
    let bottom = stack.bottom();
    let ops = code.ops.as_ptr();
    let counters = counters.as_mut_ptr();
    let mut ip = ops;
    // `top` is the topmost value and `sp` the slot where it would lie: with an empty stack the spare slot.
    let mut sp = bottom.offset(code.inputs as isize - 1);
    let mut top = *sp;

    macro_rules! push {
        ($value:expr) => {{
            let value = $value;
            *sp = top;
            sp = sp.add(1);
            top = value;
        }};
    }
    macro_rules! pop {
        () => {{
            let value = top;
            sp = sp.sub(1);
            top = *sp;
            value
        }};
    }
    macro_rules! below {
        ($depth:expr) => {
            *sp.sub($depth)
        };
    }
    macro_rules! binary {
        ($a:ident, $b:ident, $result:expr) => {{
            let $b = top;
            sp = sp.sub(1);
            let $a = *sp;
            top = $result;
        }};
    }
    macro_rules! go {
        ($pc:expr) => {
            ip = ops.add($pc.index())
        };
    }
    macro_rules! trap {
        ($kind:ident) => {{
            let pc = ip.offset_from(ops) as usize - 1;
            return Err(Trap { kind: TrapKind::$kind, at: code.spans[pc] });
        }};
    }
    macro_rules! depth {
        () => {
            (sp.offset_from(bottom) + 1) as u64
        };
    }

    loop {
        let op = *ip;
        ip = ip.add(1);
        match op {
            Op::Literal(value) => push!(value),
            Op::Word(Word::Add) => binary!(a, b, a.wrapping_add(b)),
            Op::Word(Word::Sub) => binary!(a, b, a.wrapping_sub(b)),
            Op::Word(Word::Mul) => binary!(a, b, a.wrapping_mul(b)),
            Op::Word(Word::Div) => {
                if top == 0 {
                    trap!(DivisionByZero);
                }
                binary!(a, b, a.wrapping_div(b));
            }
            Op::Word(Word::Mod) => {
                if top == 0 {
                    trap!(DivisionByZero);
                }
                binary!(a, b, a.wrapping_rem(b));
            }
            Op::Word(Word::And) => binary!(a, b, a & b),
            Op::Word(Word::Or) => binary!(a, b, a | b),
            Op::Word(Word::Xor) => binary!(a, b, a ^ b),
            Op::Word(Word::Lshift) => binary!(a, n, a.wrapping_shl(n as u32)),
            Op::Word(Word::Rshift) => binary!(a, n, (a as u64).wrapping_shr(n as u32) as i64),
            Op::Word(Word::Eq) => binary!(a, b, (a == b).into()),
            Op::Word(Word::Ne) => binary!(a, b, (a != b).into()),
            Op::Word(Word::Lt) => binary!(a, b, (a < b).into()),
            Op::Word(Word::Gt) => binary!(a, b, (a > b).into()),
            Op::Word(Word::Le) => binary!(a, b, (a <= b).into()),
            Op::Word(Word::Ge) => binary!(a, b, (a >= b).into()),
            Op::Word(Word::Dup) => push!(top),
            Op::Word(Word::Drop) => {
                pop!();
            }
            Op::Word(Word::Swap) => {
                let a = below!(1);
                below!(1) = top;
                top = a;
            }
            Op::Word(Word::Over) => push!(below!(1)),
            Op::Word(Word::Rot) => {
                let a = below!(2);
                below!(2) = below!(1);
                below!(1) = top;
                top = a;
            }
            Op::Word(Word::Nip) => sp = sp.sub(1),
            Op::Word(Word::Tuck) => {
                let a = below!(1);
                below!(1) = top;
                below!(0) = a;
                sp = sp.add(1);
            }
            Op::Pick(0) => push!(top),
            Op::Pick(depth) => push!(below!(depth as usize)),
            Op::Times { counter, exit } => {
                let count = pop!();
                if count <= 0 {
                    go!(exit);
                } else {
                    *counters.add(counter.0 as usize) = count;
                }
            }
            Op::Next { counter, head } => {
                let left = &mut *counters.add(counter.0 as usize);
                *left -= 1;
                if *left != 0 {
                    go!(head);
                }
            }
            Op::BranchIfZero(to) => {
                if pop!() == 0 {
                    go!(to);
                }
            }
            Op::Jump(to) => go!(to),
            Op::Pass => match fuel.checked_sub(1) {
                Some(left) => fuel = left,
                None => trap!(OutOfFuel),
            },
            Op::Need { values, run } => {
                if depth!() < values {
                    return failed(code, run, depth!());
                }
            }
            Op::Room { values, run } => {
                if values > code.stack_limit - depth!() {
                    return failed(code, run, depth!());
                }
            }
            Op::Return => {
                *sp = top;
                return Ok(depth!() as usize);
            }
        }
    }
}

#[cold]
fn failed(code: &Bytecode, run: CheckRun, depth: u64) -> Result<usize, Trap> {
    Err(code.failed(run, depth))
}
