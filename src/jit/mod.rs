//! The baseline JIT: bytecode to machine code in one pass, with two independent switches.
//!
//! `lower` turns bytecode into LIR, `peephole` improves LIR on its way; [`lower`](fn@lower) does both. With the peephole pass two
//! words are lowered at once where one pushes what the other computes with: what the rules would make of both is then
//! made in the first place, which takes a fifth of the time off.

mod contract;
mod lower;
mod operand;
mod peephole;
mod shuffle;
mod stack;
mod words;

use crate::bytecode::{Bytecode, TrapSite};
use crate::isa::Isa;
use crate::lir::Sink;
use contract::Plain;
pub use contract::Plan;
use peephole::Peephole;
pub use peephole::{Fired, Rule};
pub use stack::Layout;

/// Where values are kept, and whether LIR is improved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// Where values are kept.
    pub layout: Layout,
    /// The peephole pass is on.
    pub peephole: bool,
}

/// Lowers a program into a sink. Gives the sink, the trap sites and how often each peephole rule fired.
pub fn lower<I: Isa, S: Sink>(code: &Bytecode, plan: &Plan, switches: Switches, sink: S) -> (S, Vec<TrapSite>, Fired) {
    if switches.peephole {
        let mut peephole = Peephole::<I, S>::new(sink);
        let sites = lower::lower::<I, _>(code, plan, switches.layout, true, &mut peephole);
        let (sink, fired) = peephole.finish();
        (sink, sites, fired)
    } else {
        let mut plain = Plain(sink);
        let sites = lower::lower::<I, _>(code, plan, switches.layout, false, &mut plain);
        (plain.0, sites, Fired::default())
    }
}
