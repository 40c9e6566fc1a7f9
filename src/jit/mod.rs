//! The baseline JIT: bytecode to machine code in one pass, with two independent switches.
//!
//! `lower` turns bytecode into LIR, `peephole` improves LIR on its way; [`stream`] does both. With the peephole pass two
//! words are lowered at once where one pushes what the other computes with: what the rules would make of both is then
//! made in the first place, which takes a fifth of the time off.

pub mod lower;
mod operand;
pub mod peephole;
pub mod rules;
mod shuffle;
mod words;

use crate::bytecode::{Bytecode, TrapSite};
use crate::isa::{Isa, Tuning};
use crate::lir::Sink;
use lower::lower;
pub use lower::registers;
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

/// Sends the LIR of a program, improved or not, into a sink, and hands that back.
pub fn stream<I: Isa, S: Sink>(
    code: &Bytecode,
    switches: Switches,
    tuning: &Tuning,
    mut sink: S,
) -> (S, Vec<TrapSite>, Fired) {
    if switches.peephole {
        let mut peephole = Peephole::<I, S>::new(sink);
        let sites = lower::<I, _>(code, switches.layout, true, tuning, &mut peephole);
        let (sink, fired) = peephole.finish();
        (sink, sites, fired)
    } else {
        let sites = lower::<I, _>(code, switches.layout, false, tuning, &mut sink);
        (sink, sites, Fired::default())
    }
}
