//! The control stack of the interpreter: the return addresses and the counters of all activations. It grows as calls need it, at
//! pauses, so a high call limit costs nothing. A program is refused only if there is no address space for as many calls as its
//! limit allows.

use super::code::Counters;
use super::handlers::{BUDGET, Context, Ip, RISE};

/// The control stack. It can be reused for any number of executions of one program.
pub struct Control {
    /// The return address of each active call.
    returns: Vec<Ip>,
    /// The counters of the main program, then those of each active call.
    counters: Vec<i64>,
    /// How many counters the main program and a call need.
    needed: Counters,
    /// The greatest number of active calls.
    greatest_depth: u64,
}

impl Control {
    /// A control stack for this many active calls.
    pub fn new(needed: Counters, greatest_depth: u64) -> Control {
        Control { returns: Vec::new(), counters: vec![0; needed.main], needed, greatest_depth }
    }

    /// The size in bytes of a control stack with the greatest number of active calls.
    pub fn greatest_bytes(needed: Counters, greatest_depth: u64) -> usize {
        let depth = usize::try_from(greatest_depth).unwrap_or(usize::MAX);
        let values = depth.saturating_mul(1 + needed.definition).saturating_add(needed.main);
        values.saturating_mul(size_of::<i64>())
    }

    /// Begins an execution, without active calls.
    pub fn begin(&mut self, context: &mut Context) {
        context.returns = self.returns.as_mut_ptr();
        context.counters = self.counters.as_mut_ptr().wrapping_add(self.needed.main);
    }

    /// The number of active calls.
    pub fn depth(&self, context: &Context) -> u64 {
        ((context.returns.addr() - self.returns.as_ptr().addr()) / size_of::<Ip>()) as u64
    }

    /// Makes room for the calls that may begin until the next pause, and returns whether any may begin.
    #[inline]
    pub fn resume(&mut self, context: &mut Context) -> bool {
        // Programs pause often. Usually there is room from an earlier pause, and the depth may not rise further than from here.
        let room = context.returns_end.addr().wrapping_sub(context.returns.addr());
        if (1..=RISE * size_of::<Ip>()).contains(&room) {
            context.budget = BUDGET;
            return true;
        }
        self.make_room(context)
    }

    fn make_room(&mut self, context: &mut Context) -> bool {
        let elements = |bytes: usize| bytes / size_of::<i64>();
        let depth = elements(context.returns.addr() - self.returns.as_ptr().addr());
        let counters = elements(context.counters.addr() - self.counters.as_ptr().addr());
        let rise = (self.greatest_depth - depth as u64).min(RISE as u64) as usize;
        let deepest = depth + rise;
        grow(&mut self.returns, deepest, std::ptr::null());
        grow(&mut self.counters, self.needed.main + deepest * self.needed.definition, 0);
        context.returns = self.returns.as_mut_ptr().wrapping_add(depth);
        context.returns_end = context.returns.wrapping_add(rise);
        context.counters = self.counters.as_mut_ptr().wrapping_add(counters);
        context.budget = BUDGET;
        rise > 0
    }
}

/// Gives a vector at least this length.
fn grow<T: Clone>(vector: &mut Vec<T>, length: usize, value: T) {
    if vector.len() < length {
        vector.resize(length.max(2 * vector.len()), value);
    }
}
