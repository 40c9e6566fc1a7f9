//! The handlers: one function per form of an instruction. Each ends by calling the next.
//!
//! The first registers and the count of the innermost loop are arguments, so that they stay in machine registers. An
//! optimizing compiler turns a call in tail position into a jump, so each handler has its own indirect jump, which
//! branch predictors handle well. **Nothing relies on that**: if calls remain calls, the machine stack grows by one
//! frame per instruction. Therefore loops and long straight-line code return to the caller now and then (`pause`), at
//! the latest after [`LONGEST`] instructions.
#![allow(unsafe_code, reason = "every handler relies on the invariants of the generated code")]

use super::words::WORDS;

/// The number of values kept in registers: what remains of the six arguments that x86-64 passes in registers.
pub const REGISTERS: usize = 3;

/// Used in place of a register's number if the operand is in the code.
pub const IMMEDIATE: usize = REGISTERS;

/// The greatest number of instructions on a path through the main program or a definition without a pause. An unoptimized build
/// needs a large frame for each instruction, and so pauses more often.
pub const LONGEST: usize = if cfg!(debug_assertions) { 256 } else { 1024 };

/// Calls and returns make paths of any length, so they count toward the pauses too. A return uses one unit of a budget, for at
/// most this many instructions of its definition. For those before a call or a return that exceed this number, the definition uses
/// more units beforehand.
pub const SEGMENT: usize = 32;

/// The number of units that may be used between two pauses.
pub const BUDGET: i64 = if cfg!(debug_assertions) { 8 } else { 32 };

/// The number of calls by which the depth may rise above that at a pause until there must be another pause.
pub const RISE: usize = if cfg!(debug_assertions) { 8 } else { 32 };

/// The greatest number of instructions between two pauses: those that the budget and the last use of units pay for, those of the
/// main program and of the definition that is being executed, and those of the other active calls. Only the calls that began
/// since the pause count. They are at most as many as the depth may rise, and one more for each return.
#[cfg(debug_assertions)]
const MOST: usize = BUDGET as usize * SEGMENT + 3 * (LONGEST + LONGEST / 2) + (RISE + BUDGET as usize) * (SEGMENT + 4);

/// The code is an array of cells. Each instruction is a handler followed by its operands.
#[derive(Clone, Copy)]
pub union Cell {
    /// The start of an instruction.
    pub handler: Handler,
    /// A constant, a slot or a mask.
    pub value: i64,
    /// A branch target.
    pub target: Ip,
}

/// The address of an instruction.
pub type Ip = *const Cell;

/// Executes the instruction at the address and all that follow. See [`Context`] for its preconditions.
pub type Handler = unsafe fn(Ip, i64, i64, *mut Context, i64, i64);

/// Why the code returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// To be resumed with an empty machine stack.
    Pause,
    /// To be resumed in the next iteration of an innermost `while` loop, whose end is [`Context::from`].
    Back,
    /// To be resumed at the header of a loop. The work that the loops of this function have done exceeds the limit.
    Hot,
    /// To be resumed at a header, or at the start of a function, that is watched.
    Arrive,
    /// The same as a pause, but first the call needs room for its return address. It traps if that would be more than the call
    /// limit allows.
    Call,
    /// The program is done; the number of values is in the instruction.
    Done,
    /// The instruction trapped.
    Trap,
}

/// How hot a function is.
#[derive(Clone, Copy, Debug)]
pub struct Heat {
    /// The work, in operations, that it may still do in the interpreter until it is hot.
    pub left: i64,
    /// The work after which it was or will be hot.
    pub limit: i64,
}

/// Rarely used state, and the state of a paused execution.
///
/// Every handler relies on two facts: `lower` produced the code for a stack with this limit and for these counters,
/// and the code runs on such a stack, from its entry or from where it paused. Then all addresses stay within the code.
/// Slots stay within the stack, because the verifier and the remaining checks bound them.
pub struct Context {
    /// The slot that slot numbers are relative to.
    pub base: *mut i64,
    /// The lowest slot of the stack.
    pub bottom: *mut i64,
    /// The address after the counters of this activation: the counts of loops that contain other loops or calls. They are followed
    /// by the activation's base, if the definition needs it.
    pub counters: *mut i64,
    /// The number of loop iterations and calls that may still start.
    pub fuel: u64,
    /// Where the next call stores its return address.
    pub returns: *mut Ip,
    /// The address after the last return address that may be stored now.
    pub returns_end: *mut Ip,
    /// The number of units that may be used until there must be a pause, see [`SEGMENT`].
    pub budget: i64,
    /// Memory cell 0.
    pub memory: *mut i64,
    /// The number of memory cells.
    pub cells: u64,
    /// Why the code returned.
    pub stop: Stop,
    /// The instruction at which to continue, or that ended the execution.
    pub ip: Ip,
    /// The operands of the end of an innermost `while` loop that paused.
    pub from: Ip,
    /// For each function, the work that its loops may still do before it is hot. Only used by watched code.
    pub heats: *mut Heat,
    /// The count of the innermost loop.
    pub count: i64,
    /// The values in registers.
    pub registers: [i64; REGISTERS],
    /// The number of instructions since the last pause.
    #[cfg(debug_assertions)]
    pub instructions: usize,
}

impl Context {
    /// Executes instructions until one stops.
    ///
    /// # Safety
    /// The context must be as its documentation requires.
    pub unsafe fn run(&mut self) {
        // SAFETY: the caller guarantees it.
        unsafe { self.run_with((*self.ip).handler) }
    }

    /// The same, but executes this handler in place of the first instruction's own.
    ///
    /// # Safety
    /// The context must be as its documentation requires, and the handler must fit the instruction's operands.
    pub unsafe fn run_with(&mut self, first: Handler) {
        #[cfg(debug_assertions)]
        {
            self.instructions = 0;
        }
        let [r0, r1, r2] = self.registers;
        // SAFETY: the caller guarantees it.
        unsafe { first(self.ip, r0, self.count, self, r1, r2) }
    }
}

/// The end of an instruction: continues with the next one.
pub const GO: usize = 0;
/// The end of an instruction: ends an iteration of an innermost `times`.
pub const NEXT: usize = 1;
/// The end of an instruction: ends an iteration of an innermost `while`.
pub const BACK: usize = 2;
/// The number of such ends.
pub const ENDS: usize = 3;

/// Defines a handler. Its body sees the registers as an array.
macro_rules! handler {
    ($(#[$doc:meta])+ $name:ident<$($param:ident),*> |$ip:ident, $count:ident, $context:ident, $r:ident| $body:expr) => {
        $(#[$doc])+
        ///
        /// # Safety
        /// See [`Context`].
        #[allow(unused_mut, unused_assignments, unused_variables, reason = "few handlers change everything")]
        pub unsafe fn $name<$(const $param: usize),*>(
            $ip: Ip,
            r0: i64,
            $count: i64,
            $context: *mut Context,
            r1: i64,
            r2: i64,
        ) {
            let mut $count = $count;
            let mut $r = [r0, r1, r2];
            // SAFETY: see `Context`.
            unsafe { $body };
        }
    };
}

/// Continues with the instruction at `ip`.
#[inline(always)]
unsafe fn dispatch(ip: Ip, count: i64, context: *mut Context, r: [i64; REGISTERS]) {
    #[cfg(debug_assertions)]
    // SAFETY: see `Context`.
    unsafe {
        (*context).instructions += 1;
        assert!((*context).instructions <= MOST, "too many instructions without a pause");
    }
    // SAFETY: see `Context`.
    unsafe { ((*ip).handler)(ip, r[0], count, context, r[1], r[2]) }
}

/// Ends an instruction whose own cells end before `ip`.
#[inline(always)]
unsafe fn end<const END: usize>(ip: Ip, count: i64, context: *mut Context, r: [i64; REGISTERS]) {
    // SAFETY: see `Context`.
    unsafe {
        if END == GO {
            return dispatch(ip, count, context, r);
        }
        // A `while` has a count too. It starts at an arbitrary value, and only triggers a pause now and then.
        let left = count.wrapping_sub(1);
        if left & (*ip.add(1)).value != 0 {
            return dispatch((*ip).target, left, context, r);
        }
        if END == NEXT {
            leave_or_pause(ip, r[0], left, context, r[1], r[2]);
        } else {
            pause_at_target(ip, r[0], left, context, r[1], r[2]);
        }
    }
}

/// The value of an operand: a register, or the cell at `ip`.
#[inline(always)]
unsafe fn operand<const B: usize>(ip: Ip, r: [i64; REGISTERS]) -> i64 {
    // SAFETY: see `Context`.
    if B == IMMEDIATE { unsafe { (*ip).value } } else { r[B] }
}

/// The number of cells that an operand takes.
#[inline(always)]
pub const fn cells(operand: usize) -> usize {
    (operand == IMMEDIATE) as usize
}

handler!(
    /// Leaves a `times`, or pauses in it.
    #[cold]
    leave_or_pause<> |ip, count, context, r| {
        if count == 0 { dispatch(ip.add(2), count, context, r) } else { pause_at((*ip).target, count, context, r, Stop::Pause) }
    }
);
handler!(
    /// Pauses and then continues in the next iteration of an innermost `while`.
    #[cold]
    pause_at_target<> |ip, count, context, r| {
        (*context).from = ip;
        pause_at((*ip).target, count, context, r, Stop::Back);
    }
);
handler!(
    /// Returns to the caller, which continues after this instruction.
    pause<> |ip, count, context, r| pause_at(ip.add(1), count, context, r, Stop::Pause)
);

#[inline(always)]
unsafe fn pause_at(ip: Ip, count: i64, context: *mut Context, r: [i64; REGISTERS], why: Stop) {
    // SAFETY: see `Context`.
    unsafe {
        (*context).registers = r;
        (*context).count = count;
        stop(ip, context, why);
    }
}

#[cold]
unsafe fn stop(ip: Ip, context: *mut Context, why: Stop) {
    // SAFETY: see `Context`.
    unsafe {
        (*context).ip = ip;
        (*context).stop = why;
    }
}

handler!(
    /// `d = a word b`.
    compute<WORD, D, A, B, END> |ip, count, context, r| {
        r[D] = WORDS[WORD].apply(r[A], operand::<B>(ip.add(1), r));
        end::<END>(ip.add(1 + cells(B)), count, context, r);
    }
);
handler!(
    /// `d = word a`.
    compute_unary<WORD, D, A> |ip, count, context, r| {
        r[D] = WORDS[WORD].apply(r[A], 0);
        dispatch(ip.add(1), count, context, r);
    }
);
handler!(
    /// `d = a word b` for `/` and `mod`; traps if the divisor is zero.
    divide_by<WORD, D, A, B> |ip, count, context, r| {
        let divisor = operand::<B>(ip.add(1), r);
        if divisor == 0 {
            return stop(ip, context, Stop::Trap);
        }
        r[D] = WORDS[WORD].apply(r[A], divisor);
        dispatch(ip.add(1 + cells(B)), count, context, r);
    }
);
handler!(
    /// `d = (d first b) second c`.
    pair<FIRST, SECOND, D, B, C, END> |ip, count, context, r| {
        let value = WORDS[FIRST].apply(r[D], operand::<B>(ip.add(1), r));
        r[D] = WORDS[SECOND].apply(value, operand::<C>(ip.add(1 + cells(B)), r));
        end::<END>(ip.add(1 + cells(B) + cells(C)), count, context, r);
    }
);
handler!(
    /// `d = s`, where `s` may be a constant.
    set<D, S, END> |ip, count, context, r| {
        r[D] = operand::<S>(ip.add(1), r);
        end::<END>(ip.add(1 + cells(S)), count, context, r);
    }
);
handler!(
    /// Exchanges two registers.
    exchange<A, B, END> |ip, count, context, r| {
        r.swap(A, B);
        end::<END>(ip.add(1), count, context, r);
    }
);
handler!(
    /// `d` = a slot.
    load_slot<D> |ip, count, context, r| {
        r[D] = *(*context).base.offset((*ip.add(1)).value as isize);
        dispatch(ip.add(2), count, context, r);
    }
);
handler!(
    /// `d` = a slot, then `d = a word b`.
    fetch<WORD, D, A, B> |ip, count, context, r| {
        r[D] = *(*context).base.offset((*ip.add(1)).value as isize);
        r[D] = WORDS[WORD].apply(r[A], operand::<B>(ip.add(2), r));
        dispatch(ip.add(2 + cells(B)), count, context, r);
    }
);
handler!(
    /// A slot = `s`, where `s` may be a constant.
    store_slot<S> |ip, count, context, r| {
        *(*context).base.offset((*ip.add(1)).value as isize) = operand::<S>(ip.add(2), r);
        dispatch(ip.add(2 + cells(S)), count, context, r);
    }
);
handler!(
    /// Moves the slot that slot numbers are relative to.
    rebase<> |ip, count, context, r| {
        (*context).base = (*context).base.offset((*ip.add(1)).value as isize);
        dispatch(ip.add(2), count, context, r);
    }
);
handler!(
    /// Jumps to the target unless `a word b` holds.
    branch_unless<WORD, A, B> |ip, count, context, r| {
        if WORDS[WORD].apply(r[A], operand::<B>(ip.add(2), r)) == 0 {
            return dispatch((*ip.add(1)).target, count, context, r);
        }
        dispatch(ip.add(2 + cells(B)), count, context, r);
    }
);
handler!(
    /// Jumps to the target if `a` is zero.
    jump_if_zero<A> |ip, count, context, r| {
        if r[A] == 0 {
            return dispatch((*ip.add(1)).target, count, context, r);
        }
        dispatch(ip.add(2), count, context, r);
    }
);
handler!(
    /// Jumps to the target.
    jump<> |ip, count, context, r| dispatch((*ip.add(1)).target, count, context, r)
);
handler!(
    /// Sets the count.
    set_count<A> |ip, count, context, r| {
        count = operand::<A>(ip.add(1), r);
        dispatch(ip.add(1 + cells(A)), count, context, r);
    }
);
handler!(
    /// Enters an innermost loop. Jumps to the target if the count is not positive.
    enter<> |ip, count, context, r| {
        if count <= 0 {
            return dispatch((*ip.add(1)).target, count, context, r);
        }
        dispatch(ip.add(2), count, context, r);
    }
);
handler!(
    /// Enters a loop that contains other loops, and saves the count.
    enter_outer<> |ip, count, context, r| {
        if count <= 0 {
            return dispatch((*ip.add(1)).target, count, context, r);
        }
        *(*context).counters.offset((*ip.add(2)).value as isize) = count;
        dispatch(ip.add(3), count, context, r);
    }
);
handler!(
    /// The end of an innermost loop, not fused with another instruction.
    loop_end<END> |ip, count, context, r| end::<END>(ip.add(1), count, context, r)
);
handler!(
    /// The end of a `times` that contains other loops.
    next_outer<> |ip, count, context, r| {
        let left = (*context).counters.offset((*ip.add(2)).value as isize);
        *left -= 1;
        if *left == 0 {
            return dispatch(ip.add(3), count, context, r);
        }
        pause_at((*ip.add(1)).target, count, context, r, Stop::Pause);
    }
);
handler!(
    /// The end of a `while` that contains other loops.
    back_outer<> |ip, count, context, r| pause_at((*ip.add(1)).target, count, context, r, Stop::Pause)
);
handler!(
    /// [`enter`] in watched code: notes the work that the loop is going to do.
    enter_watched<> |ip, count, context, r| {
        if count <= 0 {
            return dispatch((*ip.add(1)).target, 0, context, r);
        }
        if work(context, ip.add(2), count) {
            return hot_at(ip.add(4), r[0], count, context, r[1], r[2]);
        }
        dispatch(ip.add(4), count, context, r);
    }
);
handler!(
    /// [`enter_outer`] in watched code: notes the work that the loop is going to do.
    enter_outer_watched<> |ip, count, context, r| {
        if count <= 0 {
            return dispatch((*ip.add(1)).target, 0, context, r);
        }
        *(*context).counters.offset((*ip.add(2)).value as isize) = count;
        if work(context, ip.add(3), count) {
            return hot_at(ip.add(5), r[0], 0, context, r[1], r[2]);
        }
        dispatch(ip.add(5), 0, context, r);
    }
);
handler!(
    /// [`next_outer`] in watched code: notes the work of `while` loops in the loop.
    next_outer_watched<> |ip, count, context, r| {
        let left = (*context).counters.offset((*ip.add(2)).value as isize);
        *left -= 1;
        if *left == 0 {
            return dispatch(ip.add(5), count, context, r);
        }
        if work_done(context, ip.add(3), iterations(count) * (*ip.add(4)).value) {
            return hot_at((*ip.add(1)).target, r[0], 0, context, r[1], r[2]);
        }
        pause_at((*ip.add(1)).target, 0, context, r, Stop::Pause);
    }
);
handler!(
    /// [`back_outer`] in watched code: notes the work of an iteration and of `while` loops in the loop.
    back_outer_watched<> |ip, count, context, r| {
        if work_done(context, ip.add(2), iterations(count) * (*ip.add(4)).value + (*ip.add(3)).value) {
            return hot_at((*ip.add(1)).target, r[0], 0, context, r[1], r[2]);
        }
        pause_at((*ip.add(1)).target, 0, context, r, Stop::Pause);
    }
);

/// The number of iterations of innermost `while` loops since the count was last reset, at most [`LONGEST`]. Each iteration decrements
/// the count, and a pause of such a loop resets it to zero. The count is positive after a `leave` from an innermost `times`.
#[inline(always)]
fn iterations(count: i64) -> i64 {
    debug_assert!(count >= -(LONGEST as i64), "watched code resets the count");
    count.min(0).wrapping_neg()
}

/// Notes the work of this many iterations. The operands are the number of a function and the work of an iteration. Returns whether
/// the function is hot.
///
/// # Safety
/// See [`Context`]. It has a heat for each function.
#[inline(always)]
pub unsafe fn work(context: *mut Context, operands: Ip, iterations: i64) -> bool {
    // SAFETY: see `Context`.
    unsafe { work_done(context, operands, iterations.saturating_mul((*operands.add(1)).value)) }
}

/// Notes this much work. The operand is the number of a function. Returns whether the function is hot.
///
/// # Safety
/// See [`work`].
#[inline(always)]
unsafe fn work_done(context: *mut Context, operand: Ip, work: i64) -> bool {
    // SAFETY: see `Context`.
    unsafe {
        let heat = (*context).heats.add((*operand).value as usize);
        // The work is not negative.
        let left = (*heat).left.wrapping_sub(work);
        (*heat).left = left;
        left < 0
    }
}

handler!(
    /// Stops at the header of a loop because it is hot.
    #[cold]
    hot_at<> |ip, count, context, r| {
        pause_at(ip, count, context, r, Stop::Hot);
    }
);
handler!(
    /// Stops before this instruction. It takes the place of a handler where arrivals are watched.
    arrive<> |ip, count, context, r| {
        pause_at(ip, count, context, r, Stop::Arrive);
    }
);
handler!(
    /// Takes one unit of fuel.
    fuel<> |ip, count, context, r| {
        match (*context).fuel.checked_sub(1) {
            Some(left) => (*context).fuel = left,
            None => return stop(ip, context, Stop::Trap),
        }
        dispatch(ip.add(1), count, context, r);
    }
);
handler!(
    /// Traps if the base is lower than a bound.
    need<> |ip, count, context, r| {
        if ((*context).base.offset_from((*context).bottom) as i64) < (*ip.add(1)).value {
            return stop(ip, context, Stop::Trap);
        }
        dispatch(ip.add(2), count, context, r);
    }
);
handler!(
    /// Traps if the base is higher than a bound.
    room<> |ip, count, context, r| {
        if (*context).base.offset_from((*context).bottom) as i64 > (*ip.add(1)).value {
            return stop(ip, context, Stop::Trap);
        }
        dispatch(ip.add(2), count, context, r);
    }
);
handler!(
    /// Traps if the base is lower than a bound that is relative to the base of the activation.
    need_above<> |ip, count, context, r| {
        let first = *(*context).counters.sub(1);
        if ((*context).base.addr() as i64).wrapping_sub(first) < (*ip.add(1)).value {
            return stop(ip, context, Stop::Trap);
        }
        dispatch(ip.add(2), count, context, r);
    }
);
handler!(
    /// `d` = the memory cell with the number `a` + a constant. An immediate `a` stands for a constant that is a cell's number.
    load_cell<D, A> |ip, count, context, r| {
        let Some(cell) = accessed::<A>(ip, context, r) else { return stop(ip, context, Stop::Trap) };
        r[D] = *cell;
        dispatch(ip.add(2), count, context, r);
    }
);
handler!(
    /// The memory cell with the number `a` + a constant = `s`, where `s` may be a constant; see [`load_cell`].
    store_cell<A, S> |ip, count, context, r| {
        let Some(cell) = accessed::<A>(ip, context, r) else { return stop(ip, context, Stop::Trap) };
        *cell = operand::<S>(ip.add(2), r);
        dispatch(ip.add(2 + cells(S)), count, context, r);
    }
);

/// The memory cell that an instruction accesses, if there is one.
#[inline(always)]
unsafe fn accessed<const A: usize>(ip: Ip, context: *mut Context, r: [i64; REGISTERS]) -> Option<*mut i64> {
    // SAFETY: see `Context`. The offset stays within the memory, because the number is less than that of its cells.
    unsafe {
        let offset = (*ip.add(1)).value;
        let number = if A == IMMEDIATE { offset } else { r[A].wrapping_add(offset) } as u64;
        (A == IMMEDIATE || number < (*context).cells).then(|| (*context).memory.wrapping_add(number as usize))
    }
}

handler!(
    /// Calls a definition: its topmost parameters, top first, move from `a`, `b` and `c` to the registers in order. If `checked`,
    /// there may be no room for the return address.
    call<CHECKED, A, B, C> |ip, count, context, r| {
        let top = (*context).returns;
        if CHECKED == 1 && top == (*context).returns_end {
            return need_returns(ip, r[0], count, context, r[1], r[2]);
        }
        *top = ip.add(3);
        (*context).returns = top.add(1);
        (*context).base = (*context).base.byte_offset((*ip.add(2)).value as isize);
        dispatch((*ip.add(1)).target, count, context, [r[A], r[B], r[C]]);
    }
);
handler!(
    /// Stops at a call for which there may be no room.
    call_depth<> |ip, count, context, r| {
        if (*context).returns == (*context).returns_end {
            return need_returns(ip, r[0], count, context, r[1], r[2]);
        }
        dispatch(ip.add(1), count, context, r);
    }
);
handler!(
    /// Stops because there may be no room for another return address.
    #[cold]
    need_returns<> |ip, count, context, r| {
        pause_at(ip, count, context, r, Stop::Call);
    }
);
handler!(
    /// Returns from a definition: its topmost results, top first, move from `a` and `b` to the registers in order. Uses a unit.
    end_call<A, B> |ip, count, context, r| {
        let top = (*context).returns.sub(1);
        (*context).returns = top;
        let to = *top;
        (*context).base = (*context).base.byte_offset(((*to.sub(1)).value as isize).wrapping_neg());
        use_units(1, to, count, context, [r[A], r[B], r[2]]);
    }
);
handler!(
    /// Uses units.
    units<> |ip, count, context, r| use_units((*ip.add(1)).value, ip.add(2), count, context, r)
);
handler!(
    /// The end of a `times` that contains calls, but no other loops.
    next_calling<> |ip, count, context, r| {
        let left = (*context).counters.offset((*ip.add(2)).value as isize);
        *left -= 1;
        if *left == 0 {
            return dispatch(ip.add(4), count, context, r);
        }
        use_units((*ip.add(3)).value, (*ip.add(1)).target, count, context, r);
    }
);
handler!(
    /// The end of a `while` that contains calls, but no other loops.
    back_calling<> |ip, count, context, r| {
        use_units((*ip.add(2)).value, (*ip.add(1)).target, count, context, r);
    }
);

/// Uses units and continues at `to`, or pauses there if there are not that many left.
#[inline(always)]
unsafe fn use_units(units: i64, to: Ip, count: i64, context: *mut Context, r: [i64; REGISTERS]) {
    // SAFETY: see `Context`.
    unsafe {
        let left = (*context).budget - units;
        (*context).budget = left;
        if left < 0 {
            return out_of_units(to, r[0], count, context, r[1], r[2]);
        }
        dispatch(to, count, context, r);
    }
}

handler!(
    /// Pauses before this instruction.
    #[cold]
    out_of_units<> |ip, count, context, r| pause_at(ip, count, context, r, Stop::Pause)
);
handler!(
    /// Begins an activation that has counters.
    open_counters<> |ip, count, context, r| {
        (*context).counters = (*context).counters.offset((*ip.add(1)).value as isize);
        dispatch(ip.add(2), count, context, r);
    }
);
handler!(
    /// Begins an activation whose last counter is its base.
    open_base<> |ip, count, context, r| {
        (*context).counters = (*context).counters.offset((*ip.add(1)).value as isize);
        *(*context).counters.sub(1) = (*context).base.addr() as i64;
        dispatch(ip.add(2), count, context, r);
    }
);
handler!(
    /// Ends an activation that has counters.
    close_counters<> |ip, count, context, r| {
        (*context).counters = (*context).counters.offset(((*ip.add(1)).value as isize).wrapping_neg());
        dispatch(ip.add(2), count, context, r);
    }
);
handler!(
    /// Ends the execution.
    done<> |ip, count, context, r| stop(ip, context, Stop::Done)
);
