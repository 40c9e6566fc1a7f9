//! Branches: lowers the test, the branches and the join of an `if`.
//!
//! Both paths must reach the join with the same abstract stack. In a level region, the first path to the join canonicalizes the
//! values that the branches touch, and the second path is reconciled with it. In any other region all values are spilled before
//! the paths part and again before they join.

use super::stack::{Stack, Value};
use super::state::State;
use super::summary::Body;
use super::test::Test;
use crate::bytecode::Region;
use crate::isa::Isa;
use crate::lir::{Label, Op, Reg, Sink};

/// An `if` that is being lowered.
pub struct If {
    /// The target of the branch over the code that is being lowered, ELSE or the end of the `if`, and the stack that is expected
    /// there. `None` in ELSE if THEN ends with a jump.
    target: Option<(Label, Stack)>,
    /// The height at the header.
    height: i64,
    is_level: bool,
    /// Whether both paths reach the end.
    is_joined: bool,
    touched: u64,
}

impl If {
    /// Begins an `if`. Emits a branch that is taken if the test holds. Its target is the other branch or, if there is only one, the
    /// end.
    pub fn begin<I: Isa, S: Sink>(
        state: &mut State<I, S>,
        region: &Region,
        body: &Body,
        test: Test,
        has_other: bool,
    ) -> If {
        let label = state.label();
        let (Region { is_level, is_joined, .. }, touched) = (*region, body.touched);
        if !is_level {
            state.flush();
        } else if is_joined && !has_other {
            state.registers.tested = [test.a.reg(), test.b.reg()];
            state.canonicalize_for_join(touched, state.stack.height);
            state.registers.tested = [None; 2];
        }
        state.release_operands(test);
        state.put(test.branch(label));
        let height = state.stack.height;
        If { target: Some((label, state.stack.clone())), height, is_level, is_joined, touched }
    }

    /// Ends THEN and begins ELSE. `is_dead` says that the end of THEN cannot be reached.
    pub fn otherwise<I: Isa, S: Sink>(&mut self, state: &mut State<I, S>, is_dead: bool) {
        let (label, stack) = self.target.take().expect("THEN has a branch over it");
        if !is_dead {
            if !self.is_level {
                state.flush();
            } else if self.is_joined {
                state.canonicalize_for_join(self.touched, self.height);
                // At the end of ELSE, these slots may not be known to have values. In that case they must not be loaded. So the stack at
                // the join must not have them in registers.
                state.spill_below(stack.known);
            }
            let end = state.label();
            state.put(Op::Jump { to: end });
            self.target = Some((end, state.stack.clone()));
        }
        state.put(Op::Label(label));
        state.set_stack(stack);
    }

    /// In the last branch, the register in which the join expects the topmost value.
    pub fn top_at_join(&self) -> Option<Reg> {
        let (_, stack) = self.target.as_ref()?;
        stack.get(stack.slot(0)).reg()
    }

    /// Ends the last branch. `is_dead` says that its end cannot be reached. Returns whether the end of the `if` cannot be reached.
    pub fn end<I: Isa, S: Sink>(self, state: &mut State<I, S>, is_dead: bool) -> bool {
        let Some((label, mut stack)) = self.target else { return is_dead };
        if is_dead {
            state.set_stack(stack);
        } else if self.is_level {
            stack.known = stack.known.max(state.stack.known);
            state.reconcile(stack);
        } else {
            state.flush_and_set_height(stack.height);
        }
        state.put(Op::Label(label));
        false
    }
}

impl<I: Isa, S: Sink> State<'_, I, S> {
    /// Gives each value that the branches of an `if` touch, and each value above `height`, a register of its own, so that every
    /// path to the join can do the same. Values are spilled where registers run out. `height` is the height at the header.
    pub fn canonicalize_for_join(&mut self, touched: u64, height: i64) {
        self.emit_all_deferred();
        for slot in (self.stack.low()..self.stack.height).rev() {
            let depth = height - 1 - slot;
            let is_touched = !(0..64).contains(&depth) || touched >> depth & 1 == 1;
            if is_touched && self.stack.get(slot) != Value::Slot {
                self.make_exclusive(slot);
            }
        }
    }
}
