//! The baseline JIT: bytecode to machine code in one pass, with two independent switches.
//!
//! The module `lower` translates bytecode to LIR. The module `peephole` improves the stream of LIR. The function
//! [`lower`](fn@lower) does both. With the peephole pass on, a word that pushes an operand is lowered together with the
//! word that uses it. This emits directly what the rules would produce from the two words, and saves a fifth of the
//! compile time.

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

/// The switches of the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// Where values are kept.
    pub layout: Layout,
    /// Whether the peephole pass is on.
    pub peephole: bool,
}

/// Lowers a program into a sink. Returns the sink, the trap sites and how often each peephole rule fired.
pub fn lower<I: Isa, S: Sink>(code: &Bytecode, plan: &Plan, switches: Switches, sink: S) -> (S, Vec<TrapSite>, Fired) {
    if switches.peephole {
        let mut peephole = Peephole::<I, S>::new(sink, code.cells());
        let sites = lower::lower::<I, _>(code, plan, switches.layout, true, &mut peephole);
        let (sink, fired) = peephole.finish();
        (sink, sites, fired)
    } else {
        let mut plain = Plain(sink);
        let sites = lower::lower::<I, _>(code, plan, switches.layout, false, &mut plain);
        (plain.0, sites, Fired::default())
    }
}
