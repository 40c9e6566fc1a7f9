//! Which functions are worth entering as machine code when they are called.

use super::interpreted::WORK_OF_ENTERING;
use crate::bytecode::{Bytecode, FunctionId, Op};

/// What is known about the functions of a program.
#[derive(Default)]
pub struct Worth(Vec<Work>);

/// The work of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Not computed yet.
    Unknown,
    /// Being computed. If it is needed for that, the function is recursive.
    Open,
    /// At most this many operations.
    AtMost(i64),
    /// There is no such bound: the function has a loop, is recursive, or calls such a function.
    Unbounded,
}

/// Chains of calls that are longer count as unbounded, because following them takes long.
const LONGEST_CHAIN: usize = 32;

impl Worth {
    /// Whether a call of the function may take longer in the interpreter than entering machine code.
    pub fn is_worth_entering(&mut self, code: &Bytecode, function: FunctionId) -> bool {
        self.0.resize(code.functions().len(), Work::Unknown);
        match self.work(code, function, 0) {
            Work::AtMost(work) => work > 2 * WORK_OF_ENTERING,
            Work::Unknown | Work::Open | Work::Unbounded => true,
        }
    }

    fn work(&mut self, code: &Bytecode, id: FunctionId, chain: usize) -> Work {
        match self.0[id.index()] {
            Work::Unknown => {}
            Work::Open => return Work::Unbounded,
            known => return known,
        }
        if chain > LONGEST_CHAIN {
            return Work::Unbounded;
        }
        self.0[id.index()] = Work::Open;
        let ops = code.ops_of(id);
        let mut work = ops.len() as i64;
        let mut is_bounded = true;
        for op in ops {
            match *op {
                Op::Times(_) | Op::While(_) => is_bounded = false,
                Op::Call(callee) => match self.work(code, callee, chain + 1) {
                    Work::AtMost(inside) => work = work.saturating_add(inside),
                    Work::Unknown | Work::Open | Work::Unbounded => is_bounded = false,
                },
                _ => {}
            }
            if !is_bounded {
                break;
            }
        }
        let work = if is_bounded { Work::AtMost(work) } else { Work::Unbounded };
        self.0[id.index()] = work;
        work
    }
}
