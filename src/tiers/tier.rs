//! The trait of a tier, and its implementations.

use super::frame_slots;
use crate::bytecode::{Bytecode, RegionId, TrapSite};
use crate::isa::{Isa, Tuning};
use crate::jit::{self, Fired, Handover, Switches};
use crate::lir::Sink;
use crate::regs;
use crate::ssa::{self, Settings};

/// Translates bytecode to LIR.
pub trait Tier: Copy {
    /// What the tier computes once for a program and an instruction set.
    type Plan;

    /// Makes the plan.
    fn plan<I: Isa>(self, code: &Bytecode, tuning: &Tuning) -> Self::Plan;

    /// How many allocatable registers the code uses.
    fn registers(plan: &Self::Plan) -> usize;

    /// The number of frame slots that the main program needs.
    fn frame_slots(_plan: &Self::Plan, code: &Bytecode) -> usize {
        frame_slots(code)
    }

    /// Whether the code counts its work in the place of fuel.
    fn counts_work(self) -> bool;

    /// Puts the LIR of a program into a sink. Returns the sink, the trap sites and how often each peephole rule fired.
    fn put<I: Isa, S: Sink>(self, code: &Bytecode, plan: &Self::Plan, sink: S) -> (S, Vec<TrapSite>, Fired);
}

/// The baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// Its switches.
    pub switches: Switches,
    /// What the code has besides if an interpreter enters it. An engine alone has no use for such code.
    pub(crate) handover: Handover,
}

impl Tier for Baseline {
    type Plan = jit::Plan;

    fn plan<I: Isa>(self, code: &Bytecode, tuning: &Tuning) -> jit::Plan {
        jit::Plan::new::<I>(code, tuning)
    }

    fn registers(plan: &jit::Plan) -> usize {
        plan.registers()
    }

    fn counts_work(self) -> bool {
        self.handover.counts_work
    }

    fn put<I: Isa, S: Sink>(self, code: &Bytecode, plan: &jit::Plan, sink: S) -> (S, Vec<TrapSite>, Fired) {
        jit::lower::<I, S>(code, plan, self.switches, self.handover, sink)
    }
}

/// The register tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// The loop of the main program at whose header the code has a second entry.
    pub(crate) entry: Option<RegionId>,
}

impl Tier for Registers {
    type Plan = regs::Plan;

    fn plan<I: Isa>(self, code: &Bytecode, tuning: &Tuning) -> regs::Plan {
        regs::Plan::new::<I>(code, tuning)
    }

    fn registers(plan: &regs::Plan) -> usize {
        plan.registers()
    }

    fn counts_work(self) -> bool {
        false
    }

    /// No peephole rule fires.
    fn put<I: Isa, S: Sink>(self, code: &Bytecode, plan: &regs::Plan, mut sink: S) -> (S, Vec<TrapSite>, Fired) {
        let sites = regs::lower::<I, S>(code, plan, self.entry, &mut sink);
        (sink, sites, Fired::default())
    }
}

/// The optimizing tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Optimizing {
    /// Its settings.
    pub settings: Settings,
}

impl Tier for Optimizing {
    type Plan = ssa::Plan;

    fn plan<I: Isa>(self, code: &Bytecode, tuning: &Tuning) -> ssa::Plan {
        ssa::Plan::new::<I>(code, self.settings, tuning)
    }

    fn registers(plan: &ssa::Plan) -> usize {
        plan.registers()
    }

    fn frame_slots(plan: &ssa::Plan, code: &Bytecode) -> usize {
        plan.frame_slots().unwrap_or_else(|| frame_slots(code))
    }

    fn counts_work(self) -> bool {
        false
    }

    /// No peephole rule fires.
    fn put<I: Isa, S: Sink>(self, code: &Bytecode, plan: &ssa::Plan, mut sink: S) -> (S, Vec<TrapSite>, Fired) {
        let sites = ssa::lower::<I, S>(code, plan, &mut sink);
        (sink, sites, Fired::default())
    }
}
