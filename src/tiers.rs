//! The pipeline from bytecode to machine code.
//!
//! A [`Tier`] translates bytecode to LIR, and an instruction set's emitter translates LIR to machine code. [`compile`]
//! connects them, and [`Native`] makes each tier an engine. The baseline tier is `jit`, the register tier is `regs`, and the
//! optimizing tier is `ssa`.

mod native;
mod tier;

use crate::bytecode::{Bytecode, TrapSite};
use crate::engine::PrepareError;
use crate::isa::{Forms, Isa, Machine, Shape, Tuning, aarch64, x86_64};
use crate::jit::{Fired, Handover, Layout, Switches};
use crate::lir::Sink;
use crate::ssa::{Passes, Settings};
pub(crate) use native::Sealed;
pub(crate) use native::depth;
use native::frame_slots;
pub use native::{Native, support};
pub use tier::{Baseline, Optimizing, Registers, Tier};

/// One of the tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyTier {
    /// The baseline.
    Baseline(Baseline),
    /// The register tier.
    Registers(Registers),
    /// The optimizing tier.
    Optimizing(Optimizing),
}

/// The tiers by name. Each is an engine.
pub const TIERS: [(&str, AnyTier); 7] = [
    ("jit-naive", baseline(Layout::Memory, false)),
    ("jit-peephole", baseline(Layout::Memory, true)),
    ("jit-tos", baseline(Layout::TopInRegister, false)),
    ("jit", baseline(Layout::TopInRegister, true)),
    ("jit-push", baseline(Layout::Pushing, false)),
    ("regs", AnyTier::Registers(Registers { entry: None })),
    ("ssa", AnyTier::Optimizing(Optimizing { settings: Settings { passes: Passes::ALL, checks: false } })),
];

const fn baseline(layout: Layout, peephole: bool) -> AnyTier {
    let handover = Handover { entry: None, counts_work: false };
    AnyTier::Baseline(Baseline { switches: Switches { layout, peephole }, handover })
}

/// The tier of this name, if there is one.
pub fn tier(name: &str) -> Option<AnyTier> {
    TIERS.iter().find(|(tier, _)| *tier == name).map(|(_, tier)| *tier)
}

/// Compiled code, not yet executable.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The machine code.
    pub machine: Machine,
    /// Its trap sites.
    pub sites: Vec<TrapSite>,
    /// How often each peephole rule fired.
    pub fired: Fired,
    /// The number of frame slots that the main program needs.
    pub frame_slots: usize,
}

/// Compiles bytecode for an instruction set. The code is written to `memory`, which may come from an earlier
/// compilation. With `marked`, [`Machine::marks`] maps the code to bytecode operations.
///
/// # Errors
/// [`PrepareError::CodeTooLarge`] if a branch does not reach its target in any form.
pub fn compile<I: Isa>(
    code: &Bytecode,
    tier: AnyTier,
    tuning: &Tuning,
    marked: bool,
    memory: Vec<u8>,
) -> Result<Compiled, PrepareError> {
    match tier {
        AnyTier::Baseline(tier) => compile_with::<I, _>(code, tier, tuning, marked, memory),
        AnyTier::Registers(tier) => compile_with::<I, _>(code, tier, tuning, marked, memory),
        AnyTier::Optimizing(tier) => compile_with::<I, _>(code, tier, tuning, marked, memory),
    }
}

fn compile_with<I: Isa, T: Tier>(
    code: &Bytecode,
    tier: T,
    tuning: &Tuning,
    marked: bool,
    mut memory: Vec<u8>,
) -> Result<Compiled, PrepareError> {
    // The plan is the same in every round.
    let plan = tier.plan::<I>(code, tuning);
    let shape = Shape {
        registers: T::registers(&plan),
        reserved: code.reserved(),
        cells: code.cells(),
        functions: code.functions().len(),
        calls: code.has_calls(),
        metered: code.metered() || tier.counts_work(),
        marked,
    };
    let mut forms = Forms::default();
    // Every further round uses a longer form for some branches. There are three forms, so this ends.
    loop {
        let emitter = I::begin(memory, &shape, tuning, forms);
        let (emitter, sites, fired) = tier.put::<I, _>(code, &plan, emitter);
        match emitter.finish() {
            Ok(machine) => return Ok(Compiled { machine, sites, fired, frame_slots: T::frame_slots(&plan, code) }),
            Err(too_short) => {
                forms = too_short.next.ok_or(PrepareError::CodeTooLarge)?;
                memory = too_short.memory;
            }
        }
    }
}

/// Puts the LIR of a program into a sink. Returns the sink, the trap sites and how often each peephole rule fired.
pub fn stream<I: Isa, S: Sink>(code: &Bytecode, tier: AnyTier, tuning: &Tuning, sink: S) -> (S, Vec<TrapSite>, Fired) {
    match tier {
        AnyTier::Baseline(tier) => tier.put::<I, _>(code, &tier.plan::<I>(code, tuning), sink),
        AnyTier::Registers(tier) => tier.put::<I, _>(code, &tier.plan::<I>(code, tuning), sink),
        AnyTier::Optimizing(tier) => tier.put::<I, _>(code, &tier.plan::<I>(code, tuning), sink),
    }
}

/// [`compile`] for one instruction set.
pub type Compiler = fn(&Bytecode, AnyTier, &Tuning, bool, Vec<u8>) -> Result<Compiled, PrepareError>;

/// The compiler for a host of this architecture, if there is one.
pub fn compiler(host: &str) -> Option<Compiler> {
    match host {
        aarch64::Emitter::NAME => Some(compile::<aarch64::Emitter>),
        x86_64::Emitter::NAME => Some(compile::<x86_64::Emitter>),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytecode::{Limits, RegionId, lower};
    use crate::lang::{Source, load};
    use crate::lir::{Op, Recorder};

    /// Code that is entered or left must be as fast as other code, and its speed depends on where its loops and functions are.
    fn handing_over_moves_nothing<I: Isa>() {
        let text = ": f ( n -- m ) dup 1 > if 1 - f else 9 + end ; 0 swap times while dup 9 < do f end f end";
        let program = load(&Source::new("test", text), 1).unwrap_or_else(|fault| panic!("{fault}"));
        let code = lower(&program, Limits::of_stack(100), false).expect("it is small");
        let ops = |tier| stream::<I, _>(&code, tier, &Tuning::default(), Recorder::default()).0.ops;
        let registers = |entry| AnyTier::Registers(Registers { entry });
        let Some(AnyTier::Baseline(baseline)) = tier("jit") else { unreachable!("`jit` is the baseline") };
        let jit = |entry| AnyTier::Baseline(Baseline { handover: Handover { entry, ..baseline.handover }, ..baseline });
        for tier in [&registers as &dyn Fn(_) -> _, &jit] {
            let without = ops(tier(None));
            let functions = without.iter().filter(|(_, op)| matches!(op, Op::Function { .. })).count();
            assert_eq!(functions, 1, "{}: no code follows the main program", I::NAME);
            for (index, region) in code.regions().iter().enumerate().filter(|(_, region)| region.is_loop()) {
                let with = ops(tier(Some(RegionId(index as u32))));
                assert!(with.len() > without.len(), "{}: it has no entry at {region:?}", I::NAME);
                assert_eq!(with[..without.len()], without[..], "{}: the entry at {region:?}", I::NAME);
            }
        }
        let counting = Baseline { handover: Handover { counts_work: true, ..baseline.handover }, ..baseline };
        let ops = ops(AnyTier::Baseline(counting));
        let index =
            |kind: fn(&Op) -> bool| ops.iter().position(|(_, op)| kind(op)).expect("the code has this operation");
        let function = index(|op| matches!(op, Op::Function { .. }));
        assert!(matches!(ops[function - 1], (_, Op::Return { .. })), "{}: code follows the main program", I::NAME);
        assert!(
            index(|op| matches!(op, Op::Leave { .. })) > function,
            "{}: code in front of functions leaves",
            I::NAME
        );
    }

    #[test]
    fn handing_over_moves_nothing_on_any_isa() {
        handing_over_moves_nothing::<aarch64::Emitter>();
        handing_over_moves_nothing::<x86_64::Emitter>();
    }
}
