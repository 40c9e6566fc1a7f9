//! The optimizing tier: translates bytecode to a representation in static single assignment form, improves that in passes, allocates
//! registers by linear scan, and emits LIR.
//!
//! `ir` defines the representation and `build` makes it, with the abstract `stack`. `passes` has a file for each pass. `legalize` gives
//! instructions the forms of the instruction set. `allocate` assigns registers by the ranges of `liveness`, and `spill` moves values
//! for which there is no register to frame slots. `emit` makes LIR. `traffic` counts what the allocation costs.

pub(crate) mod allocate;
mod build;
mod check;
mod dominators;
mod emit;
pub mod interpret;
pub mod ir;
mod legalize;
pub(crate) mod liveness;
pub mod passes;
pub mod print;
pub(crate) mod spill;
mod stack;
pub mod traffic;
pub mod verify;

use ir::Value;
pub use passes::{PASSES, Pass, Passes};

use rustc_hash::FxHashMap;

use crate::bytecode::{Bytecode, FunctionId, Inlined, TrapSite};
use crate::isa::{Isa, Reserved, Tuning};
use crate::lir::{FrameSlot, Reg, Sink};
use crate::regs;

/// Allocates registers for a function, at most this many, and proves the allocation. Returns the function with spill code,
/// and the parameters that edges store in frame slots.
///
/// # Panics
/// If the allocation is wrong.
pub fn allocated<I: Isa>(mut function: ir::Function, registers: usize) -> (ir::Function, FxHashMap<Value, FrameSlot>) {
    let pool = pool::<I>(Reserved { memory: true, depth: false }, registers);
    legalize::legalize::<I>(&mut function);
    let allocation = allocate_checked::<I>(&mut function, pool, true).expect("the function needs few frame slots");
    let slot = |value: Value| match (function.op(value), allocation.homes[value.index()]) {
        (ir::Op::Param, spill::Home::Slot(slot)) => Some((value, slot)),
        _ => None,
    };
    let spilled = (0..function.insts.len() as u32).map(Value).filter_map(slot).collect();
    (function, spilled)
}

/// The functions of a program in the form in which the allocator gets them.
pub fn legalized<I: Isa>(code: &Bytecode, passes: Passes) -> Vec<ir::Function> {
    let mut functions = functions::<I>(code, passes);
    functions.iter_mut().for_each(legalize::legalize::<I>);
    functions
}

/// The registers for values: all that a program may use, or fewer.
pub(crate) fn pool<I: Isa>(reserved: Reserved, most: usize) -> &'static [Reg] {
    let usable = I::usable(reserved);
    &usable[..most.clamp(MIN_REGISTERS, usable.len())]
}

/// Allocates registers for a function. With `checks`, proves the allocation.
pub(crate) fn allocate_checked<I: Isa>(
    function: &mut ir::Function,
    pool: &[Reg],
    checks: bool,
) -> Option<allocate::Allocation> {
    let before = checks.then(|| function.clone());
    // The base is in the first frame slot.
    let allocation = allocate::allocate::<I>(function, pool, u32::from(function.has_base), MOST_SLOTS)?;
    if let Some(before) = before
        && let Err(error) = check::check::<I>(&before, function, &allocation)
    {
        panic!("wrong allocation: {error}");
    }
    Some(allocation)
}

/// The code of a program, ready to be put into a sink.
pub struct Plan(Chosen);

enum Chosen {
    Optimized {
        code: emit::Code,
        registers: usize,
        frame_slots: usize,
    },
    /// The register tier's, for a program that is too large.
    Registers(regs::Plan),
}

/// The greatest number of operations of a program that this tier compiles. It leaves larger programs to the register tier.
pub const MOST_OPERATIONS: usize = 1_000_000;

/// The greatest number of frame slots of a function. Instructions must reach them.
const MOST_SLOTS: u32 = 2_000;

/// How programs are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The passes that run.
    pub passes: Passes,
    /// Whether every step is checked, even in a build without debug assertions. A wrong step panics.
    pub checks: bool,
}

/// Builds and improves a function. With `checks`, the function is verified after each step.
///
/// # Panics
/// If a step makes an invalid function.
pub fn optimize<I: Isa>(
    code: &Bytecode,
    id: FunctionId,
    inlined: &Inlined,
    passes: Passes,
    checks: bool,
) -> ir::Function {
    optimize_with::<I>(code, id, inlined, Settings { passes, checks }, Pass::run)
}

/// The same, but `run` runs each pass, so that a benchmark can measure how long that takes.
///
/// # Panics
/// If a step makes an invalid function.
pub fn optimize_with<I: Isa>(
    code: &Bytecode,
    id: FunctionId,
    inlined: &Inlined,
    settings: Settings,
    mut run: impl FnMut(&'static Pass, &mut ir::Function, &passes::Target),
) -> ir::Function {
    let Settings { passes, checks } = settings;
    let mut function = build::build(code, id, inlined);
    let check = |function: &ir::Function, step: &str| {
        if checks && let Err(error) = verify::verify(function) {
            panic!("`{step}` made an invalid function: {error}");
        }
    };
    check(&function, "build");
    let target = passes::Target::of::<I>(code.cells());
    for pass in passes.iter() {
        run(pass, &mut function, &target);
        check(&function, pass.name);
    }
    function
}

/// The functions that are inlined with these passes.
pub fn inlined(code: &Bytecode, passes: Passes) -> Inlined {
    if passes.inlines() { Inlined::small(code) } else { Inlined::none(code) }
}

/// The functions that are compiled: those that are not inlined everywhere.
pub fn compiled(code: &Bytecode, inlined: &Inlined) -> impl Iterator<Item = FunctionId> {
    (0..code.functions().len() as u32).map(FunctionId).filter(|id| inlined.body(code, *id).is_none())
}

/// The functions of a program after these passes, without those that are inlined everywhere.
pub fn functions<I: Isa>(code: &Bytecode, passes: Passes) -> Vec<ir::Function> {
    let inlined = inlined(code, passes);
    let optimized = |id| optimize::<I>(code, id, &inlined, passes, cfg!(debug_assertions));
    compiled(code, &inlined).map(optimized).collect()
}

impl Plan {
    /// Compiles a program up to LIR.
    pub fn new<I: Isa>(code: &Bytecode, settings: Settings, tuning: &Tuning) -> Plan {
        let optimized = (code.ops().len() <= MOST_OPERATIONS).then(|| Plan::optimized::<I>(code, settings, tuning));
        Plan(optimized.flatten().unwrap_or_else(|| Chosen::Registers(regs::Plan::new::<I>(code, tuning))))
    }

    fn optimized<I: Isa>(code: &Bytecode, settings: Settings, tuning: &Tuning) -> Option<Chosen> {
        let Settings { passes, checks } = settings;
        let checks = checks || cfg!(debug_assertions);
        let inlined = inlined(code, passes);
        let pool = pool::<I>(code.reserved(), tuning.value_registers);
        let mut emitted = emit::Code::default();
        let mut frame_slots = 0;
        for id in compiled(code, &inlined) {
            let mut function = optimize::<I>(code, id, &inlined, passes, checks);
            legalize::legalize::<I>(&mut function);
            let allocation = allocate_checked::<I>(&mut function, pool, checks)?;
            let saves_fuel = code.is_called() && code.metered();
            let slots = emit::emit::<I>(&function, &allocation, pool, saves_fuel, &mut emitted);
            if id == FunctionId::MAIN {
                frame_slots = slots as usize;
            }
        }
        let is_used = |register: &Reg| emitted.used >> register.0 & 1 == 1;
        let registers = pool.iter().rposition(is_used).map_or(0, |index| index + 1);
        Some(Chosen::Optimized { code: emitted, registers, frame_slots })
    }

    /// The number of allocatable registers that the code uses.
    pub fn registers(&self) -> usize {
        match &self.0 {
            Chosen::Optimized { registers, .. } => *registers,
            Chosen::Registers(plan) => plan.registers(),
        }
    }

    /// The number of frame slots that the main program uses; `None` if it is that of the register tier.
    pub fn frame_slots(&self) -> Option<usize> {
        match &self.0 {
            Chosen::Optimized { frame_slots, .. } => Some(*frame_slots),
            Chosen::Registers(_) => None,
        }
    }
}

/// The fewest registers with which every instruction can be allocated.
const MIN_REGISTERS: usize = 6;

/// Puts the LIR of a program into a sink. Returns its trap sites.
pub fn lower<I: Isa, S: Sink>(code: &Bytecode, plan: &Plan, sink: &mut S) -> Vec<TrapSite> {
    match &plan.0 {
        Chosen::Optimized { code, .. } => {
            for (pc, op) in &code.ops {
                sink.at(*pc);
                sink.put(*op);
            }
            code.sites.clone()
        }
        Chosen::Registers(plan) => regs::lower::<I, S>(code, plan, None, sink),
    }
}
