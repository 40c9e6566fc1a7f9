//! The engines that make machine code: from bytecode to code that runs, whichever tier makes the LIR.
//!
//! [`compile`] is the whole pipeline. The baseline tier is `jit`, with its switches; the register tier is `regs`.

use std::env::consts::ARCH;
use std::rc::Rc;

use crate::bytecode::{Bytecode, TrapSite};
use crate::engine::{Engine, Phase, PhaseClock, PrepareError, Prepared, Task};
use crate::exec::{Code, Entry, Exit, Requirements, Stack, can_execute};
use crate::isa::{Forms, Isa, Machine, Shape, Tuning, aarch64, x86_64};
use crate::jit::peephole::Fired;
use crate::jit::{self, Layout, Switches};
use crate::lir::Sink;
use crate::outcome::Trap;
use crate::regs;

/// Who makes LIR of bytecode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// The baseline, with its switches.
    Baseline(Switches),
    /// The register tier.
    Registers,
}

/// The tiers, each an engine of its own.
pub const TIERS: [(&str, Tier); 6] = [
    ("jit-naive", Tier::Baseline(Switches { layout: Layout::Memory, peephole: false })),
    ("jit-peephole", Tier::Baseline(Switches { layout: Layout::Memory, peephole: true })),
    ("jit-tos", Tier::Baseline(Switches { layout: Layout::TopInRegister, peephole: false })),
    ("jit", Tier::Baseline(Switches { layout: Layout::TopInRegister, peephole: true })),
    ("jit-push", Tier::Baseline(Switches { layout: Layout::Pushing, peephole: false })),
    ("regs", Tier::Registers),
];

/// The tier of this name, if there is one.
pub fn tier(name: &str) -> Option<Tier> {
    TIERS.iter().find(|(tier, _)| *tier == name).map(|(_, tier)| *tier)
}

/// A compiled piece of code, not yet executable.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The machine code.
    pub machine: Machine,
    /// What its trap sites mean.
    pub sites: Vec<TrapSite>,
    /// How often each peephole rule fired.
    pub fired: Fired,
}

/// Compiles bytecode for an instruction set, in memory that may be reused. With `marked`, the machine code says
/// which part of it was made for which operation.
///
/// # Errors
/// [`PrepareError::CodeTooLarge`], where the code would be larger than branches reach.
pub fn compile<I: Isa>(
    code: &Bytecode,
    tier: Tier,
    tuning: &Tuning,
    marked: bool,
    mut memory: Vec<u8>,
) -> Result<Compiled, PrepareError> {
    // What is the same in every round is done once.
    let plan = plan::<I>(code, tier, tuning);
    let registers = plan.as_ref().map_or_else(|| jit::registers::<I>(code, tuning), regs::Plan::registers);
    let shape = Shape { registers, metered: code.metered(), marked };
    let mut forms = Forms::default();
    // Every round asks for a longer form of something, of which there are three of each.
    loop {
        let emitter = I::begin(memory, &shape, tuning, forms);
        let (emitter, sites, fired) = put::<I, _>(code, tier, plan.as_ref(), tuning, emitter);
        match emitter.finish() {
            Ok(machine) => return Ok(Compiled { machine, sites, fired }),
            Err(too_short) => {
                forms = too_short.next.ok_or(PrepareError::CodeTooLarge)?;
                memory = too_short.memory;
            }
        }
    }
}

fn plan<I: Isa>(code: &Bytecode, tier: Tier, tuning: &Tuning) -> Option<regs::Plan> {
    match tier {
        Tier::Baseline(_) => None,
        Tier::Registers => Some(regs::Plan::new::<I>(code, tuning)),
    }
}

/// Sends the LIR of a program into a sink, and hands that back.
pub fn stream<I: Isa, S: Sink>(code: &Bytecode, tier: Tier, tuning: &Tuning, sink: S) -> (S, Vec<TrapSite>, Fired) {
    let plan = plan::<I>(code, tier, tuning);
    put::<I, S>(code, tier, plan.as_ref(), tuning, sink)
}

fn put<I: Isa, S: Sink>(
    code: &Bytecode,
    tier: Tier,
    plan: Option<&regs::Plan>,
    tuning: &Tuning,
    mut sink: S,
) -> (S, Vec<TrapSite>, Fired) {
    match (tier, plan) {
        (Tier::Baseline(switches), _) => jit::stream::<I, S>(code, switches, tuning, sink),
        (Tier::Registers, plan) => {
            let plan = plan.expect("the register tier has a plan");
            let sites = regs::lower::<I, S>(code, plan, &mut sink);
            (sink, sites, Fired::default())
        }
    }
}

/// [`compile`] for one instruction set.
pub type Compiler = fn(&Bytecode, Tier, &Tuning, bool, Vec<u8>) -> Result<Compiled, PrepareError>;

/// The compiler whose code a host of this architecture can run, if there is one.
pub fn compiler(host: &str) -> Option<Compiler> {
    match host {
        aarch64::Emitter::NAME => Some(compile::<aarch64::Emitter>),
        x86_64::Emitter::NAME => Some(compile::<x86_64::Emitter>),
        _ => None,
    }
}

/// Whether this host can run what the tiers make.
///
/// # Errors
/// Why it cannot, in words: it is of another architecture, or gives this process no executable memory.
pub fn support() -> Result<(), String> {
    compiler(ARCH).ok_or_else(|| unknown_host(ARCH))?;
    can_execute().map_err(Into::into)
}

fn unknown_host(host: &str) -> String {
    format!("the tiers make machine code for AArch64 and x86-64, and this is {host}")
}

/// How many frame slots code needs at most: one for each counter, and a spare one.
pub fn frame_slots(code: &Bytecode) -> usize {
    code.counters() as usize + 1
}

/// A tier as an engine.
pub struct Native {
    name: &'static str,
    tier: Tier,
    tuning: Tuning,
    memory: Vec<u8>,
}

impl Native {
    /// The engine of this name with this tier.
    pub fn new(name: &'static str, tier: Tier) -> Native {
        Native::with_tuning(name, tier, Tuning::default())
    }

    /// The same with sizes of the caller's, for tests that want ordinary programs to reach the long forms.
    pub fn with_tuning(name: &'static str, tier: Tier, tuning: Tuning) -> Native {
        Native { name, tier, tuning, memory: Vec::new() }
    }
}

impl Engine for Native {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError> {
        let unsupported = || PrepareError::Unsupported { engine: self.name, reason: unknown_host(ARCH) };
        let compile = compiler(ARCH).ok_or_else(unsupported)?;
        let code = task.bytecode(clock)?;
        clock.begin(Phase::Generate);
        let memory = std::mem::take(&mut self.memory);
        let Compiled { machine, sites, .. } = compile(&code, self.tier, &self.tuning, false, memory)?;
        clock.begin(Phase::Seal);
        let sealed = Code::new(&machine.bytes).map_err(|error| PrepareError::not_sealed(self.name, error))?;
        self.memory = machine.bytes;
        let requirements = Requirements {
            frame_slots: frame_slots(&code),
            inputs: code.inputs(),
            stack_limit: code.stack_limit() as usize,
        };
        // SAFETY: the compiler is the one for this host. What it compiled was verified for these inputs and this limit:
        // every check that the verifier could not spare is an operation, and every operation that fails leaves through its
        // site. The emitters keep to the calling convention, and address the frame and the data stack only.
        #[expect(unsafe_code, reason = "only here is it known what the code was made from")]
        let entry = unsafe { Entry::new(sealed, requirements) };
        Ok(Box::new(NativeProgram { entry, code, sites }))
    }
}

struct NativeProgram {
    entry: Entry,
    code: Rc<Bytecode>,
    sites: Vec<TrapSite>,
}

impl Prepared for NativeProgram {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Stack) -> Result<(), Trap> {
        let fuel = self.code.begin(inputs, fuel, stack);
        match self.entry.run(stack, fuel) {
            Exit::Done => Ok(()),
            Exit::Trap { site, pointer } => Err(trap(&self.code, &self.sites, site, pointer)),
        }
    }

    fn code(&self) -> Option<&[u8]> {
        Some(self.entry.code().bytes())
    }
}

/// The trap of a site that the code left through.
fn trap(code: &Bytecode, sites: &[TrapSite], site: u32, pointer: i64) -> Trap {
    let site = sites[site as usize];
    code.trap(site.pc, || u64::try_from(pointer + site.values_above).expect("a stack's depth is not negative"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_another_kind_has_no_compiler() {
        assert!(compiler("riscv64").is_none());
        assert!(compiler("aarch64").is_some() && compiler("x86_64").is_some());
        let error = PrepareError::Unsupported { engine: "jit", reason: unknown_host("riscv64") };
        let said = "engine `jit` is not supported on this host: the tiers make machine code for AArch64 and x86-64, and this is \
            riscv64";
        assert_eq!(error.to_string(), said);
        assert_eq!(support().is_ok(), cfg!(any(target_arch = "aarch64", target_arch = "x86_64")));
    }
}
