//! The part of an execution that is interpreted, and where machine code takes over.
#![allow(unsafe_code, reason = "the interpreter's state is handed to machine code and back")]

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::rc::Rc;

use super::timeline::Why;
use super::units::{Compiled, End, UnitId, Units};
use super::worth::Worth;
use super::{Choice, Threshold};
use crate::bytecode::{Bytecode, Function, FunctionId, RegionId, unit_length};
use crate::engine::PrepareError;
use crate::exec::Store;
use crate::host_stack::with_room;
use crate::interp::threaded::handlers::{BUDGET, Context, Handler, Heat, RISE, Stop};
use crate::interp::threaded::{Head, Machine, lower, lower_watched};
use crate::outcome::Trap;

/// The least and the greatest work in operations that a call is taken for.
const WORK_OF_CALL: RangeInclusive<i64> = 8..=200;

/// The least and the greatest number of units of the interpreter's budget after which a pause notes the work of calls. Noting it takes
/// longer than a pause.
const UNITS_NOTED: RangeInclusive<i64> = 8 * BUDGET..=64 * BUDGET;

/// Between the bounds of [`UNITS_NOTED`], a pause notes the work of calls once the function has done one part in this many of the work
/// that it may still do before it is hot.
const PART_NOTED: i64 = 8;

/// The work in operations that takes as much time in the interpreter as entering machine code and leaving it.
pub const WORK_OF_ENTERING: i64 = 100;

/// A program in the interpreter, and what is known about how hot its parts are.
pub struct Interpreted {
    bytecode: Rc<Bytecode>,
    machine: Machine,
    threshold: Threshold,
    /// Whether the interpreter's code is watched.
    is_watched: bool,
    worth: Worth,
    /// How hot each function is in the interpreter.
    heats: Vec<Heat>,
    /// How hot the functions are that were compiled.
    compiled: BTreeMap<FunctionId, Stage>,
    /// The instructions at which the execution stops, in the order of their cells.
    watched: Vec<Watched>,
    /// How often the present or the last run has entered machine code.
    pub entries: u64,
}

/// How hot a function is that was compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stage {
    /// The best tier that is used for it.
    tier: Choice,
    /// The work that its code of the baseline may still do before the register tier compiles it, in operations.
    left: i64,
    /// The value that `left` had at first.
    limit: i64,
}

/// An instruction at which the execution stops.
struct Watched {
    cell: usize,
    /// Its handler.
    handler: Handler,
    /// What begins there.
    place: Place,
    /// How often the execution was there.
    visits: u64,
    /// The unit that was entered there last. A better tier may have compiled the function since.
    unit: Option<UnitId>,
}

/// Where machine code can take over.
#[derive(Clone, Copy)]
enum Place {
    /// At the header of a loop, by index.
    Head(usize),
    /// At the start of a definition.
    Start(FunctionId),
}

/// What happens next in an execution.
enum Next {
    /// The interpreter goes on.
    Interpret,
    /// The interpreter goes on with this handler in place of the first instruction's own.
    InterpretWith(Handler),
    /// The execution has ended.
    End(Result<(), Trap>),
}

impl Interpreted {
    /// Translates a program to the interpreter's code; to watched code, if that has a use and is wanted. Some units may be compiled
    /// already.
    ///
    /// # Errors
    /// If there is no address space for the program's cells and calls.
    pub fn new(
        bytecode: Rc<Bytecode>,
        threshold: Threshold,
        units: &Units,
        watches: bool,
    ) -> Result<Box<Interpreted>, PrepareError> {
        let is_watched = watches && units.can_compile() && threshold != Threshold::Never;
        let code = if is_watched { lower_watched(&bytecode) } else { lower(&bytecode, true) };
        let machine = Machine::new(Rc::clone(&bytecode), code, units.granted())?;
        let heat = |function: &Function| {
            let length = (function.end.0 - function.start.0) as usize;
            let limit = match threshold {
                Threshold::BreakEven(costs) => costs.break_even(first_tier(&bytecode), length, length),
                Threshold::At(_) | Threshold::Never => i64::MAX,
            };
            Heat { left: limit, limit }
        };
        let heats = if is_watched { bytecode.functions().iter().map(heat).collect() } else { Vec::new() };
        let (watched, worth) = (Vec::new(), Worth::default());
        let compiled = BTreeMap::new();
        let program =
            Interpreted { bytecode, machine, threshold, is_watched, worth, heats, compiled, watched, entries: 0 };
        let mut program = Box::new(program);
        if is_watched && matches!(threshold, Threshold::At(_)) {
            program.watch_all();
        }
        for (function, tier) in units.compiled_functions() {
            program.stage(function, tier);
            program.watch_start(function);
        }
        Ok(program)
    }

    /// From now on, the execution stops at all headers of loops and at the starts of all definitions.
    fn watch_all(&mut self) {
        let watch = self.machine.watch();
        let heads = watch.heads.iter().map(|head| head.cell);
        let starts = watch.starts.iter().map(|start| start.cell);
        let mut cells: Vec<usize> = heads.chain(starts).collect();
        cells.sort_unstable();
        cells.dedup();
        self.watched = cells.into_iter().map(|cell| self.stop_at(cell)).collect();
    }

    /// From now on, the execution stops at a cell where a loop or a definition begins.
    fn watch(&mut self, cell: usize) {
        if let Err(index) = self.watched.binary_search_by_key(&cell, |watched| watched.cell) {
            let watched = self.stop_at(cell);
            self.watched.insert(index, watched);
        }
    }

    /// Makes the execution stop at a cell where a loop or a definition begins.
    fn stop_at(&mut self, cell: usize) -> Watched {
        let watch = self.machine.watch();
        // If a definition begins with a loop, the state at its start is that at the loop's header. If all iterations begin with as many
        // values, their states are possible at the start too.
        let is_start = |head: &usize| {
            let head = &watch.heads[*head];
            let start = head.function.index().checked_sub(1).map(|definition| watch.starts[definition].cell);
            start == Some(cell) && self.bytecode.region(head.region).is_level
        };
        let head = watch.head(cell).filter(|head| !is_start(head));
        let place = head.map_or_else(|| Place::Start(watch.function(cell)), Place::Head);
        // SAFETY: an instruction begins there, and it is not watched yet.
        let handler = unsafe { self.machine.stop_at(cell) };
        Watched { cell, handler, place, visits: 0, unit: None }
    }

    /// From now on, the execution stops when a definition is called.
    fn watch_start(&mut self, function: FunctionId) {
        if let Some(definition) = function.index().checked_sub(1) {
            self.watch(self.machine.watch().starts[definition].cell);
        }
    }

    /// How hot a function is that a tier compiles.
    fn stage(&mut self, function: FunctionId, tier: Choice) -> &mut Stage {
        let Interpreted { bytecode, threshold, compiled, .. } = self;
        let stage = compiled.entry(function).or_insert_with(|| {
            let limit = match *threshold {
                Threshold::BreakEven(costs) => {
                    // A unit has its function twice if that is recursive.
                    let length = unit_length(bytecode, function, 2 * bytecode.ops().len());
                    costs.break_even_of_registers(length.expect("a unit has at most one function twice"))
                }
                Threshold::At(threshold) => i64::try_from(threshold.saturating_mul(8)).unwrap_or(i64::MAX),
                Threshold::Never => i64::MAX,
            };
            Stage { tier, left: limit, limit }
        });
        stage.tier = stage.tier.max(tier);
        stage
    }

    /// The tier that pays for a function that was compiled.
    pub fn deserved(&self, function: FunctionId) -> Option<Choice> {
        self.compiled.get(&function).map(|stage| stage.tier)
    }

    /// Decides whether to compile a function that has done as much work as its limit. If compiling pays, returns why and with which
    /// tier. If not, the function may do more work first. It does its work in a loop or a function of `body` operations.
    fn pays(&mut self, function: FunctionId, body: usize) -> Option<(Why, Choice)> {
        let Threshold::BreakEven(costs) = self.threshold else { return None };
        let Heat { left: heat, limit } = &mut self.heats[function.index()];
        if !costs.can_pay() {
            *heat = *limit;
            return None;
        }
        let done = limit.saturating_sub(*heat);
        // Finding the length of the unit takes less time than the work that was done.
        let length = unit_length(&self.bytecode, function, done as usize);
        let first = first_tier(&self.bytecode);
        let needed = length.map_or(done.saturating_mul(2), |length| costs.break_even(first, length, body));
        if let Some(length) = length
            && done >= needed
        {
            // If it stays interpreted in places, that must pay anew.
            *heat = *limit;
            return Some((Why::Work { done, limit: needed }, first.max(costs.best(length, done))));
        }
        *limit = needed;
        *heat = needed - done;
        None
    }

    /// Continues at the header of a hot loop: in machine code, if compiling pays.
    fn hot(&mut self, head: usize, units: &mut Units, context: &mut Context, stack: &mut Store) -> Next {
        let place = Place::Head(head);
        let Head { function, region, .. } = self.machine.watch().heads[head];
        let body = self.bytecode.region(region).operations();
        if let Some((why, tier)) = self.pays(function, body)
            && let Some(unit) = self.unit(place, tier, why, units)
        {
            return self.enter(place, unit, units, context, stack);
        }
        Next::Interpret
    }

    /// The work for which a unit stands, usually a call and its return: that of an iteration of the innermost loop here, or else of a
    /// call of the function. About a quarter of the operations are executed in each, because the others are in other branches or
    /// are checks.
    fn work_of_unit(&self, context: &Context) -> i64 {
        let body = self.body(self.machine.cell(context.ip)) as i64;
        (body / 4).clamp(*WORK_OF_CALL.start(), *WORK_OF_CALL.end())
    }

    /// The number of operations of the innermost loop that contains a cell, or else of its function.
    fn body(&self, cell: usize) -> usize {
        let watch = self.machine.watch();
        match watch.innermost(cell) {
            Some(head) => self.bytecode.region(watch.heads[head].region).operations(),
            None => self.bytecode.ops_of(watch.function(cell)).len(),
        }
    }

    /// Notes work of calls. It counts for the innermost function that is worth entering when it is called, and whose calls
    /// are active. Returns the work that the function may still do before it is hot.
    fn note(&mut self, work: i64, units: &mut Units, context: &Context) -> i64 {
        let mut cell = self.machine.cell(context.ip);
        let mut function = self.machine.watch().function(cell);
        // SAFETY: the program has stopped.
        let mut callers = unsafe { self.machine.return_cells(context) };
        while function != FunctionId::MAIN && !self.worth.is_worth_entering(&self.bytecode, function) {
            cell = callers.next().expect("a definition was called");
            function = self.machine.watch().function(cell);
        }
        drop(callers);
        let heat = &mut self.heats[function.index()].left;
        *heat -= work;
        if *heat >= 0 {
            return *heat;
        }
        let Some((why, tier)) = self.pays(function, self.body(cell)) else { return self.heats[function.index()].left };
        match self.machine.watch().innermost(cell) {
            Some(head) => {
                let cell = self.machine.watch().heads[head].cell;
                let head = self.machine.watch().head(cell).expect("a loop begins there");
                if self.unit(Place::Head(head), tier, why, units).is_some() {
                    self.watch(cell);
                }
            }
            None if function != FunctionId::MAIN => _ = self.unit(Place::Start(function), tier, why, units),
            None => {}
        }
        0
    }

    /// The function and the loop of a place.
    fn function_and_loop(&self, place: Place) -> (FunctionId, Option<RegionId>) {
        match place {
            Place::Head(head) => {
                let head = &self.machine.watch().heads[head];
                (head.function, Some(head.region))
            }
            Place::Start(function) => (function, None),
        }
    }

    /// The unit that can be entered at a place. Compiles it with this tier or a better one unless that is done. From then on, calls of the
    /// function enter it.
    fn unit(&mut self, place: Place, tier: Choice, why: Why, units: &mut Units) -> Option<UnitId> {
        let (function, region) = self.function_and_loop(place);
        let tier = self.stage(function, tier).tier;
        let unit = units.of(function, region, tier, why)?;
        self.watch_start(function);
        Some(unit)
    }

    /// Continues where the execution stops because the place is watched.
    fn arrive(&mut self, units: &mut Units, context: &mut Context, stack: &mut Store) -> Next {
        let cell = self.machine.cell(context.ip);
        let index = self.watched.binary_search_by_key(&cell, |watched| watched.cell);
        let index = index.expect("the execution stops only where it is watched");
        let watched = &mut self.watched[index];
        watched.visits += 1;
        let Watched { handler, place, visits, unit, .. } = *watched;
        let is_hot = match self.threshold {
            Threshold::At(threshold) => visits >= threshold,
            Threshold::BreakEven(_) | Threshold::Never => true,
        };
        if !is_hot {
            return Next::InterpretWith(handler);
        }
        let deserved = self.deserved(self.function_and_loop(place).0);
        if let Some(unit) = unit.filter(|unit| Some(units.get(*unit).tier()) >= deserved) {
            return self.enter(place, unit, units, context, stack);
        }
        let (tier, why) = self.why_at(place, visits);
        let Some(unit) = self.unit(place, tier, why, units) else { return Next::InterpretWith(handler) };
        // Now that the unit is compiled, other places may be watched before this one.
        let index = self.watched.binary_search_by_key(&cell, |watched| watched.cell).expect("the place stays watched");
        self.watched[index].unit = Some(unit);
        self.enter(place, unit, units, context, stack)
    }

    /// Why and with which tier to compile a place where the execution stops.
    fn why_at(&self, place: Place, visits: u64) -> (Choice, Why) {
        match (self.threshold, self.compiled.get(&self.function_and_loop(place).0)) {
            (Threshold::BreakEven(_), Some(Stage { tier, limit, left: ..=0 })) => {
                (*tier, Why::Work { done: *limit, limit: *limit })
            }
            (Threshold::BreakEven(_), Some(Stage { tier, .. })) => (*tier, Why::Arrived),
            // The oracle must see both tiers, entered from the interpreter.
            (Threshold::At(threshold), _) if threshold % 2 == 0 => (Choice::Baseline, Why::Visits(visits)),
            _ => (Choice::Registers, Why::Visits(visits)),
        }
    }

    /// Executes the rest of the present function as machine code. Code of the baseline that has done enough work goes on in code of the
    /// register tier.
    fn enter(
        &mut self,
        mut place: Place,
        mut unit: UnitId,
        units: &mut Units,
        context: &mut Context,
        stack: &mut Store,
    ) -> Next {
        loop {
            let (function, region) = self.function_and_loop(place);
            self.entries += 1;
            units.timeline.enter(function, region);
            let granted = match self.compiled.get(&function) {
                Some(stage) => stage.left.max(0),
                None => i64::MAX,
            };
            // SAFETY: the interpreter has stopped at this place, and the state is that of this execution.
            let (is_open, left) = unsafe {
                match place {
                    Place::Head(head) => {
                        let head = self.machine.watch().heads[head];
                        let state = self.machine.state_at_header(context, &head, units.get(unit).second_entry());
                        (true, units.resume(unit, stack, &state, granted))
                    }
                    Place::Start(function) => {
                        let state = self.machine.state_at_start(context, function);
                        // The main program's counters exist from the beginning.
                        (function == FunctionId::MAIN, units.resume(unit, stack, &state, granted))
                    }
                }
            };
            let pointer = left.pointer;
            match left.end {
                End::Trapped(trap) => return Next::End(Err(trap)),
                End::Returned { fuel, work } => {
                    self.has_done(work, function, units.get(unit));
                    let next = self.leave(function, is_open, pointer, fuel, context, stack);
                    if let (Next::Interpret, Threshold::BreakEven(_)) = (&next, self.threshold) {
                        // If this happens often, the caller should be machine code too.
                        self.note(WORK_OF_ENTERING, units, context);
                    }
                    return next;
                }
                End::Hot(region) => {
                    self.has_done(granted, function, units.get(unit));
                    match self.go_on_at(region, unit, is_open, pointer, units, context) {
                        Some(better) => (place, unit) = better,
                        None => return Next::Interpret,
                    }
                }
            }
        }
    }

    /// Notes the work that a unit of a function has done, if it counts its work. Once that is enough, the register tier compiles the
    /// function.
    fn has_done(&mut self, work: i64, function: FunctionId, unit: &Compiled) {
        if unit.counts_work() {
            let stage = self.stage(function, Choice::Baseline);
            stage.left = stage.left.saturating_sub(work);
            if stage.left <= 0 {
                stage.tier = Choice::Registers;
            }
        }
    }

    /// Continues at the header of a loop where code of the baseline was left because it has done enough work. Returns the place, and the
    /// unit of the register tier to enter there. `None` if it cannot be compiled.
    fn go_on_at(
        &mut self,
        region: RegionId,
        unit: UnitId,
        is_open: bool,
        pointer: *mut i64,
        units: &mut Units,
        context: &mut Context,
    ) -> Option<(Place, UnitId)> {
        let heads = &self.machine.watch().heads;
        let index = heads.binary_search_by_key(&region, |head| head.region).expect("every loop has a header");
        let head = heads[index];
        // SAFETY: the code has left this function at this header, in this state.
        unsafe { self.machine.return_to_header(context, &head, is_open, pointer, units.counters(unit)) };
        let Stage { limit, left, .. } = *self.stage(head.function, Choice::Registers);
        let done = limit.saturating_sub(left);
        let why = match self.threshold {
            Threshold::BreakEven(_) => Why::Work { done, limit },
            Threshold::At(_) | Threshold::Never => Why::Done(done),
        };
        let place = Place::Head(index);
        Some((place, self.unit(place, Choice::Registers, why, units)?))
    }

    /// Continues after machine code has executed a function, whose results are below `pointer`.
    fn leave(
        &mut self,
        function: FunctionId,
        is_open: bool,
        pointer: *mut i64,
        fuel: u64,
        context: &mut Context,
        stack: &mut Store,
    ) -> Next {
        if function == FunctionId::MAIN {
            // SAFETY: both are addresses in the stack.
            let depth = unsafe { pointer.offset_from(context.bottom) };
            stack.set_depth(usize::try_from(depth).expect("the stack pointer is not below the bottom"));
            return Next::End(Ok(()));
        }
        if self.bytecode.metered() {
            context.fuel = fuel;
        }
        // SAFETY: the machine code has left the results there.
        unsafe { self.machine.return_from(context, function, is_open, pointer) };
        Next::Interpret
    }

    /// Interprets until something other than a pause happens, or until work of calls is to be noted because no unit is left. It
    /// counts units only if `NOTES_CALLS` is set.
    ///
    /// # Safety
    /// See [`Machine::advance`]. The context must have a heat for each function.
    unsafe fn interpret<const NOTES_CALLS: bool>(
        &mut self,
        context: &mut Context,
        mut first: Option<Handler>,
        units_left: &mut i64,
    ) {
        loop {
            // SAFETY: the caller guarantees it, and then the execution has stopped in this context.
            unsafe { self.machine.advance(context, first.take()) };
            // Which of these comes next is hard to predict, so no branch tells them apart.
            if matches!(context.stop, Stop::Call | Stop::Pause) {
                if NOTES_CALLS {
                    // Returns use units, and each pause restores the budget. At `Stop::Call`, `RISE` calls have begun. They would use
                    // units only when they return, so they are counted here.
                    *units_left -= BUDGET - context.budget + i64::from(context.stop == Stop::Call) * RISE as i64;
                    if *units_left <= 0 {
                        return;
                    }
                }
            // SAFETY: the code is watched.
            } else if context.stop != Stop::Back || unsafe { Machine::note_work(context) } {
                return;
            }
        }
    }

    /// Continues an execution until it ends.
    fn execute(
        &mut self,
        mut next: Next,
        units: &mut Units,
        context: &mut Context,
        stack: &mut Store,
    ) -> Result<(), Trap> {
        let notes_calls = self.bytecode.has_calls() && matches!(self.threshold, Threshold::BreakEven(_));
        let mut units_noted = *UNITS_NOTED.start();
        let mut units_left = units_noted;
        loop {
            let first = match next {
                Next::Interpret => None,
                Next::InterpretWith(handler) => Some(handler),
                Next::End(end) => return end,
            };
            // Until nothing but pauses has happened, only the interpreter's code uses the heats.
            context.heats = self.heats.as_mut_ptr();
            // SAFETY: the context is that of the entry, or one in which the execution has stopped.
            unsafe {
                if notes_calls {
                    self.interpret::<true>(context, first, &mut units_left);
                } else {
                    self.interpret::<false>(context, first, &mut units_left);
                }
            }
            next = match context.stop {
                Stop::Done | Stop::Trap => return self.machine.end(context, stack),
                Stop::Call | Stop::Pause => {
                    let work = self.work_of_unit(context);
                    let left = self.note((units_noted - units_left) * work, units, context);
                    units_noted = (left / work / PART_NOTED).clamp(*UNITS_NOTED.start(), *UNITS_NOTED.end());
                    units_left = units_noted;
                    Next::Interpret
                }
                Stop::Back | Stop::Hot => {
                    let head = self.machine.watch().head(self.machine.cell(context.ip));
                    self.hot(head.expect("the execution stops at a header"), units, context, stack)
                }
                Stop::Arrive => self.arrive(units, context, stack),
            };
        }
    }

    /// Executes the program from its entry.
    fn start(&mut self, units: &mut Units, context: &mut Context, stack: &mut Store) -> Result<(), Trap> {
        let next = match (self.threshold, units.start(FunctionId::MAIN)) {
            // It was hot in an earlier run.
            (Threshold::BreakEven(_), Some(main)) => {
                self.enter(Place::Start(FunctionId::MAIN), main, units, context, stack)
            }
            _ => Next::Interpret,
        };
        self.execute(next, units, context, stack)
    }

    /// Runs the program.
    ///
    /// # Errors
    /// The trap that ended the run.
    ///
    /// # Panics
    /// The same as for [`Prepared::run`](crate::engine::Prepared::run).
    pub fn run(&mut self, units: &mut Units, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        self.entries = 0;
        self.watched.iter_mut().for_each(|watched| watched.visits = 0);
        let mut context = self.machine.begin(inputs, fuel, stack);
        if !self.is_watched {
            // SAFETY: the context is that of the entry, and nothing else uses the stack.
            with_room(|| unsafe { self.machine.execute(&mut context) });
            return self.machine.end(&context, stack);
        }
        if let Threshold::At(_) = self.threshold {
            self.compiled.clear();
            self.watched.iter_mut().for_each(|watched| watched.unit = None);
        }
        with_room(|| self.start(units, &mut context, stack))
    }
}

/// The first tier that compiles functions. Code of the baseline that counts fuel cannot also count its work, so it would never be left.
pub fn first_tier(code: &Bytecode) -> Choice {
    if code.metered() { Choice::Registers } else { Choice::Baseline }
}
