//! The baseline JIT: bytecode to machine code in one pass, with two independent switches.
//!
//! `lower` turns bytecode into LIR, `peephole` improves LIR on its way, the instruction set's emitter makes machine
//! code of it. [`compile`] is the whole pipeline.

pub mod lower;
pub mod peephole;
pub mod rules;

use std::env::consts::ARCH;

use crate::bytecode::{self, Bytecode};
use crate::engine::{Engine, Options, Phase, PhaseClock, PrepareError, Prepared};
use crate::exec::{Code, Entry, Exit, Stack};
use crate::isa::{Forms, Isa, Machine, Shape, Tuning, aarch64, x86_64};
use crate::lang::Program;
use crate::lir::Sink;
use crate::outcome::Trap;
use lower::{Lowered, lower, registers};
use peephole::{Fired, Peephole};

/// Where values are kept, and whether LIR is improved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// Where values are kept.
    pub layout: Layout,
    /// The peephole pass is on.
    pub peephole: bool,
}

/// Where the values of the stack are kept while code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// In memory; every push and pop moves the data-stack pointer, as in a first toy JIT.
    Pushing,
    /// In memory, at distances from the data-stack pointer that are known when the code is made.
    Memory,
    /// The topmost one in a register, the others in memory.
    TopInRegister,
}

/// The variants, each an engine of its own.
pub const VARIANTS: [(&str, Switches); 5] = [
    ("jit-naive", Switches { layout: Layout::Memory, peephole: false }),
    ("jit-peephole", Switches { layout: Layout::Memory, peephole: true }),
    ("jit-tos", Switches { layout: Layout::TopInRegister, peephole: false }),
    ("jit", Switches { layout: Layout::TopInRegister, peephole: true }),
    ("jit-push", Switches { layout: Layout::Pushing, peephole: false }),
];

/// A compiled piece of code, not yet executable.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The machine code.
    pub machine: Machine,
    /// What its trap sites mean.
    pub lowered: Lowered,
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
    switches: Switches,
    tuning: &Tuning,
    marked: bool,
    mut memory: Vec<u8>,
) -> Result<Compiled, PrepareError> {
    let shape = Shape { registers: registers::<I>(code, tuning), metered: code.metered, marked };
    let mut forms = Forms::default();
    // Every round asks for a longer form of something, of which there are three of each.
    loop {
        let emitter = I::begin(memory, &shape, tuning, forms);
        let (emitter, lowered, fired) = stream::<I, _>(code, switches, tuning, emitter);
        match emitter.finish() {
            Ok(machine) => return Ok(Compiled { machine, lowered, fired }),
            Err(too_short) => {
                forms = too_short.next.ok_or(PrepareError::CodeTooLarge)?;
                memory = too_short.memory;
            }
        }
    }
}

/// Sends the LIR of a program, improved or not, into a sink, and hands that back.
pub fn stream<I: Isa, S: Sink>(
    code: &Bytecode,
    switches: Switches,
    tuning: &Tuning,
    mut sink: S,
) -> (S, Lowered, Fired) {
    if switches.peephole {
        let mut peephole = Peephole::<I, S>::new(sink);
        let lowered = lower::<I, _>(code, switches.layout, tuning, &mut peephole);
        let (sink, fired) = peephole.finish();
        (sink, lowered, fired)
    } else {
        let lowered = lower::<I, _>(code, switches.layout, tuning, &mut sink);
        (sink, lowered, Fired::default())
    }
}

/// [`compile`] for one instruction set.
pub type Compiler = fn(&Bytecode, Switches, &Tuning, bool, Vec<u8>) -> Result<Compiled, PrepareError>;

/// The compiler whose code a host of this architecture can run, if there is one.
pub fn compiler(host: &str) -> Option<Compiler> {
    match host {
        aarch64::Emitter::NAME => Some(compile::<aarch64::Emitter>),
        x86_64::Emitter::NAME => Some(compile::<x86_64::Emitter>),
        _ => None,
    }
}

/// Whether this host can run what the JIT makes.
pub fn is_supported() -> bool {
    compiler(ARCH).is_some()
}

/// One variant of the JIT as an engine.
pub struct Jit {
    name: &'static str,
    switches: Switches,
    tuning: Tuning,
    memory: Vec<u8>,
}

impl Jit {
    /// The variant with these switches.
    pub fn new(name: &'static str, switches: Switches) -> Jit {
        Jit::with_tuning(name, switches, Tuning::default())
    }

    /// The same with sizes of the caller's, for tests that want ordinary programs to reach the long forms.
    pub fn with_tuning(name: &'static str, switches: Switches, tuning: Tuning) -> Jit {
        Jit { name, switches, tuning, memory: Vec::new() }
    }
}

impl Engine for Jit {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare(
        &mut self,
        program: &Program,
        options: &Options,
        clock: &mut dyn PhaseClock,
    ) -> Result<Box<dyn Prepared>, PrepareError> {
        let compile = compiler(ARCH).ok_or(PrepareError::Unsupported { engine: self.name, host: ARCH })?;
        clock.begin(Phase::Lower);
        let code = bytecode::lower(program, options.stack_limit as u64, options.metered)?;
        clock.begin(Phase::Generate);
        let memory = std::mem::take(&mut self.memory);
        let Compiled { machine, lowered, .. } = compile(&code, self.switches, &self.tuning, false, memory)?;
        clock.begin(Phase::Seal);
        let sealed = Code::new(&machine.bytes)?;
        self.memory = machine.bytes;
        let entry = Entry::new(sealed, code.counters as usize);
        Ok(Box::new(Ready { entry, code, lowered }))
    }
}

struct Ready {
    entry: Entry,
    code: Bytecode,
    lowered: Lowered,
}

impl Prepared for Ready {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Stack) -> Result<(), Trap> {
        self.code.expect(inputs, fuel, stack);
        stack.set(inputs);
        // More passes than 64 bits can count never happen.
        match self.entry.run(stack, self.code.stack_limit as usize, fuel.unwrap_or(u64::MAX)) {
            Exit::Done => Ok(()),
            Exit::Trap { site, pointer } => Err(trap(&self.code, &self.lowered, site, pointer)),
        }
    }

    fn code(&self) -> Option<&[u8]> {
        Some(self.entry.code().bytes())
    }
}

/// The trap of a site that the code left through.
fn trap(code: &Bytecode, lowered: &Lowered, site: u32, pointer: i64) -> Trap {
    let site = lowered.sites[site as usize];
    code.trap(site.pc, || u64::try_from(pointer + site.values_above).expect("a stack's depth is not negative"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_another_kind_has_no_compiler() {
        assert!(compiler("riscv64").is_none());
        assert!(compiler("aarch64").is_some() && compiler("x86_64").is_some());
        let error = PrepareError::Unsupported { engine: "jit", host: "riscv64" };
        assert!(error.to_string().contains("not supported on this host (riscv64)"));
        assert_eq!(is_supported(), cfg!(any(target_arch = "aarch64", target_arch = "x86_64")));
    }
}
