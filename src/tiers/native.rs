//! A tier as an engine.

use std::env::consts::ARCH;
use std::io;
use std::rc::Rc;

use super::{AnyTier, Compiled, compiler};
use crate::bytecode::{Bytecode, FunctionId, TrapSite};
use crate::engine::{Engine, Phase, PhaseClock, PrepareError, Prepared, Task};
use crate::exec::{Code, Entry, Exit, Granted, Requirements, Store, can_execute};
use crate::isa::Tuning;
use crate::outcome::Trap;

/// Whether this host can run the code of the tiers.
///
/// # Errors
/// The reason in words: the host has another architecture, or gives this process no executable memory.
pub fn support() -> Result<(), String> {
    compiler(ARCH).ok_or_else(|| unknown_host(ARCH))?;
    can_execute().map_err(Into::into)
}

fn unknown_host(host: &str) -> String {
    format!("the JIT engines emit code for AArch64 and x86-64, and this host is {host}")
}

/// The number of frame slots that the main program needs: one for each counter, and a spare one. Those of functions are on the
/// control stack.
pub(super) fn frame_slots(code: &Bytecode) -> usize {
    code.main().counters as usize + 1
}

/// The number of bytes of the control stack that the activations of a program need, if each takes at most `activation_bytes`.
///
/// # Errors
/// If there are more bytes than any address space has.
fn control_bytes(code: &Bytecode, activation_bytes: usize) -> io::Result<usize> {
    if !code.has_calls() {
        return Ok(0);
    }
    let calls = usize::try_from(code.greatest_depth()).ok();
    let bytes = calls.and_then(|calls| calls.checked_mul(activation_bytes));
    // Even if no activation takes any, the code runs on the control stack.
    bytes.map(|bytes| bytes.max(8)).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

/// A tier as an engine.
pub struct Native {
    name: &'static str,
    tier: AnyTier,
    tuning: Tuning,
    memory: Vec<u8>,
    granted: Granted,
}

impl Native {
    /// The engine of this name for a tier.
    pub fn new(name: &'static str, tier: AnyTier) -> Native {
        Native::with_tuning(name, tier, Tuning::default())
    }

    /// The same with a different tuning, for tests in which ordinary programs need long branches.
    pub fn with_tuning(name: &'static str, tier: AnyTier, tuning: Tuning) -> Native {
        Native { name, tier, tuning, memory: Vec::new(), granted: Granted::default() }
    }
}

impl Engine for Native {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError> {
        let code = task.bytecode(clock)?;
        let Sealed { entry, sites, .. } = self.compile(&code, self.tier, clock)?;
        Ok(Box::new(NativeProgram { entry, code, sites }))
    }
}

/// A program in executable memory.
pub(crate) struct Sealed {
    /// The code with its requirements.
    pub entry: Entry,
    /// Its trap sites.
    pub sites: Vec<TrapSite>,
    /// The offset of its second entry, if it has one.
    pub second: Option<usize>,
}

impl Native {
    /// Compiles bytecode on a tier and makes the code executable.
    ///
    /// # Errors
    /// The same as for [`Engine::prepare_task`].
    pub(crate) fn compile(
        &mut self,
        code: &Bytecode,
        tier: AnyTier,
        clock: &mut dyn PhaseClock,
    ) -> Result<Sealed, PrepareError> {
        let unsupported = || PrepareError::Unsupported { engine: self.name, reason: unknown_host(ARCH) };
        let compile = compiler(ARCH).ok_or_else(unsupported)?;
        clock.begin(Phase::Generate);
        let memory = std::mem::take(&mut self.memory);
        let Compiled { machine, sites, frame_slots, .. } = compile(code, tier, &self.tuning, false, memory)?;
        clock.begin(Phase::Seal);
        let sealed = Code::new(&machine.bytes).map_err(|error| PrepareError::not_sealed(self.name, error))?;
        let (activation_bytes, second) = (machine.activation_bytes, machine.entry);
        self.memory = machine.bytes;
        let requirements = Requirements {
            frame_slots,
            inputs: code.inputs(),
            stack_limit: code.stack_limit() as usize,
            cells: code.cells(),
            control_bytes: control_bytes(code, activation_bytes).map_err(PrepareError::Reserve)?,
            depth: code.greatest_depth(),
        };
        let granted = self.granted.can_reserve(requirements.cells, requirements.control_bytes);
        granted.map_err(PrepareError::Reserve)?;
        // SAFETY: the code was compiled for this host. The program was verified for this number of inputs. Each check that the
        // verifier could not remove is an operation, and an operation that fails traps at its site. The checks assume that the
        // inputs are within the limit, which `Entry::run` asserts. The emitters follow the calling convention, and address only the
        // frame, the data stack, the memory cells that exist, and the control stack, which has room for as many activations as can
        // be active at once. Only `tiered` asks for code that counts its work, and it gives that code work in the place of fuel.
        #[expect(unsafe_code, reason = "only this function knows what the code was compiled from")]
        let entry = unsafe { Entry::new(sealed, requirements) };
        Ok(Sealed { entry, sites, second })
    }
}

struct NativeProgram {
    entry: Entry,
    code: Rc<Bytecode>,
    sites: Vec<TrapSite>,
}

impl Prepared for NativeProgram {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        let fuel = self.code.begin(inputs, fuel, stack);
        match self.entry.run(stack, fuel) {
            Exit::Done => Ok(()),
            Exit::Trap { site, pointer, base } => Err(trap(&self.code, &self.sites, site, pointer, base)),
        }
    }

    fn code(&self) -> Option<&[u8]> {
        Some(self.entry.code().bytes())
    }
}

/// The trap at a site.
fn trap(code: &Bytecode, sites: &[TrapSite], site: u32, pointer: i64, base: i64) -> Trap {
    let site = sites[site as usize];
    code.trap(site.pc, || depth(code, site, pointer, base))
}

/// The depth of the stack above the base of the function in which a check failed. The pointer and the base are those of [`Exit::Trap`].
///
/// # Panics
/// If the depth is negative.
pub(crate) fn depth(code: &Bytecode, site: TrapSite, pointer: i64, base: i64) -> u64 {
    let base = if code.function_of(site.pc) == FunctionId::MAIN { 0 } else { base };
    u64::try_from(pointer + site.values_above - base).expect("a stack's depth is not negative")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytecode::{Limits, lower};
    use crate::engine::NoClock;
    use crate::lang::{Source, load};
    use crate::tiers::tier;

    #[test]
    fn other_hosts_have_no_compiler() {
        assert!(compiler("riscv64").is_none());
        assert!(compiler("aarch64").is_some() && compiler("x86_64").is_some());
        let error = PrepareError::Unsupported { engine: "jit", reason: unknown_host("riscv64") };
        let said = "engine `jit` is not supported on this host: the JIT engines emit code for AArch64 and x86-64, and \
            this host is riscv64";
        assert_eq!(error.to_string(), said);
        assert_eq!(support().is_ok(), cfg!(any(target_arch = "aarch64", target_arch = "x86_64")));
    }

    /// The checks in the code assume that no stack is deeper than the limit, so deeper inputs must not reach it.
    #[test]
    fn code_refuses_more_inputs_than_its_limit() {
        if let Err(reason) = support() {
            return println!("NOT RUN: {reason}");
        }
        let text = format!("times drop end {}7", "drop ".repeat(300));
        let program = load(&Source::new("test", text), 501).expect("it is a program");
        let code = lower(&program, Limits::of_stack(2), false).expect("it is small");
        let regs = tier("regs").expect("there is one");
        let mut sealed = Native::new("regs", regs).compile(&code, regs, &mut NoClock).expect("there is memory");
        let mut stack = Store::new(501).expect("there is memory");
        stack.set(&[0; 501]);
        let run = std::panic::AssertUnwindSafe(|| sealed.entry.run(&mut stack, u64::MAX));
        let panic = std::panic::catch_unwind(run).expect_err("the inputs exceed the limit");
        assert_eq!(panic.downcast_ref(), Some(&"the inputs exceed the stack limit"));
    }
}
