//! The baseline JIT: bytecode to machine code in one pass, with two independent switches.
//!
//! The module `lower` translates bytecode to LIR. The module `peephole` improves the stream of LIR. The function
//! [`lower`](fn@lower) does both. With the peephole pass on, a word that pushes an operand is lowered together with the
//! word that uses it. This emits directly what the rules would produce from the two words, and saves a fifth of the
//! compile time.

mod contract;
mod handover;
mod lower;
mod operand;
mod peephole;
mod shuffle;
mod stack;
mod words;

use crate::bytecode::{Bytecode, RegionId, TrapSite};
use crate::isa::Isa;
use crate::lir::Sink;
use contract::Plain;
pub use contract::Plan;
pub use peephole::{Fired, Rule};
use peephole::{Peephole, Window};
pub use stack::Layout;

/// The switches of the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// Where values are kept.
    pub layout: Layout,
    /// Whether the peephole pass is on.
    pub peephole: bool,
}

/// What code has besides if an interpreter enters it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handover {
    /// The loop of the main program at whose header the code has a second entry.
    pub entry: Option<RegionId>,
    /// Whether the code counts its work in the place of fuel. Once it has done as much as it got, it leaves at the next header
    /// of a loop of the main program, with all values in their slots and all counters of open loops in the frame. The site's operation
    /// is the loop's first. Loops whose count is known when they begin, and that contain no others, are not left; nor are those in
    /// which every iteration reaches an inner loop that can be left.
    pub counts_work: bool,
}

/// Lowers a program into a sink. Returns the sink, the trap sites and how often each peephole rule fired.
pub fn lower<I: Isa, S: Sink>(
    code: &Bytecode,
    plan: &Plan,
    switches: Switches,
    handover: Handover,
    sink: S,
) -> (S, Vec<TrapSite>, Fired) {
    if switches.peephole {
        // The window is large, so it stays in its place.
        let mut window = Window::new(sink);
        let mut peephole = Peephole::<I, S>::new(&mut window, code.cells());
        let sites = lower::lower::<I, _>(code, plan, switches.layout, true, handover, &mut peephole);
        let fired = peephole.finish();
        (window.sink, sites, fired)
    } else {
        let mut plain = Plain(sink);
        let sites = lower::lower::<I, _>(code, plan, switches.layout, false, handover, &mut plain);
        (plain.0, sites, Fired::default())
    }
}
