//! The trait of a tier, and its two implementations.

use crate::bytecode::{Bytecode, RegionId, TrapSite};
use crate::isa::{Isa, Tuning};
use crate::jit::{self, Fired, Switches};
use crate::lir::Sink;
use crate::regs;

/// Translates bytecode to LIR.
pub trait Tier: Copy {
    /// What the tier computes once for a program and an instruction set.
    type Plan;

    /// Makes the plan.
    fn plan<I: Isa>(self, code: &Bytecode, tuning: &Tuning) -> Self::Plan;

    /// How many allocatable registers the code uses.
    fn registers(plan: &Self::Plan) -> usize;

    /// Puts the LIR of a program into a sink. Returns the sink, the trap sites and how often each peephole rule fired.
    fn put<I: Isa, S: Sink>(self, code: &Bytecode, plan: &Self::Plan, sink: S) -> (S, Vec<TrapSite>, Fired);
}

/// The baseline.
impl Tier for Switches {
    type Plan = jit::Plan;

    fn plan<I: Isa>(self, code: &Bytecode, tuning: &Tuning) -> jit::Plan {
        jit::Plan::new::<I>(code, tuning)
    }

    fn registers(plan: &jit::Plan) -> usize {
        plan.registers()
    }

    fn put<I: Isa, S: Sink>(self, code: &Bytecode, plan: &jit::Plan, sink: S) -> (S, Vec<TrapSite>, Fired) {
        jit::lower::<I, S>(code, plan, self, sink)
    }
}

/// The register tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// The loop of the main program at whose header the code has a second entry.
    pub entry: Option<RegionId>,
}

impl Tier for Registers {
    type Plan = regs::Plan;

    fn plan<I: Isa>(self, code: &Bytecode, tuning: &Tuning) -> regs::Plan {
        regs::Plan::new::<I>(code, tuning)
    }

    fn registers(plan: &regs::Plan) -> usize {
        plan.registers()
    }

    /// No peephole rule fires.
    fn put<I: Isa, S: Sink>(self, code: &Bytecode, plan: &regs::Plan, mut sink: S) -> (S, Vec<TrapSite>, Fired) {
        let sites = regs::lower::<I, S>(code, plan, self.entry, &mut sink);
        (sink, sites, Fired::default())
    }
}
