//! Inlining: finds the functions whose operations replace every call of them.
//!
//! These are short functions without control flow, so nothing changes but the cost. A call still uses fuel and depth, and each
//! operation keeps its own trap site.

use std::ops::Range;

use super::{Bytecode, Function, FunctionId, Op};

/// The greatest number of operations of such a function.
const LONGEST: usize = 12;

/// The functions that are inlined.
pub struct Inlined(Vec<bool>);

impl Inlined {
    /// Finds the functions of a program that are inlined.
    pub fn of(code: &Bytecode) -> Inlined {
        let is_inlined = |function: &Function| {
            let body = body(function);
            let is_straight = |op: &Op| matches!(op, Op::Literal(_) | Op::Word(_) | Op::Pick(_) | Op::Put(_));
            body.len() <= LONGEST && code.ops()[body].iter().all(is_straight)
        };
        // Nothing calls the main program.
        let definitions = code.functions()[1..].iter().map(is_inlined);
        Inlined(std::iter::once(false).chain(definitions).collect())
    }

    /// The operations that replace a call of this function, if there are any.
    pub fn body(&self, code: &Bytecode, id: FunctionId) -> Option<Range<usize>> {
        self.0[id.index()].then(|| body(&code.functions()[id.index()]))
    }
}

/// The operations of a function without its last one, which ends it.
fn body(function: &Function) -> Range<usize> {
    function.start.index()..function.end.index() - 1
}
