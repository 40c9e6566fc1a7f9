//! A program on the tiered engine: the interpreter's execution, and where machine code takes over.
#![allow(unsafe_code, reason = "the interpreter's state is handed to machine code and back")]

use std::collections::HashMap;
use std::rc::Rc;

use super::Threshold;
use super::units::{Compiler, Left, Units};
use crate::bytecode::{Bytecode, FunctionId, unit_length};
use crate::engine::{PrepareError, Prepared};
use crate::exec::Store;
use crate::host_stack::with_room;
use crate::interp::threaded::handlers::{Context, Handler, Stop};
use crate::interp::threaded::{Machine, lower, lower_watched};
use crate::outcome::Trap;

/// The work in operations that calls and returns between two pauses are taken for.
const WORK_BETWEEN_PAUSES: i64 = 300;

/// A program that the tiered engine has prepared.
pub struct TieredProgram {
    bytecode: Rc<Bytecode>,
    machine: Machine,
    threshold: Threshold,
    /// Whether the interpreter's code is watched.
    is_watched: bool,
    units: Units,
    /// For each function, the work that it may still do until it is hot.
    heats: Vec<i64>,
    /// For each function, the work after which it was or will be hot.
    limits: Vec<i64>,
    /// The instructions at which the execution stops, by cell.
    watched: HashMap<usize, Watched>,
    /// How often the present or the last run has entered machine code from the interpreter.
    entries: u64,
}

/// An instruction at which the execution stops.
struct Watched {
    /// Its handler.
    handler: Handler,
    /// What begins there.
    place: Place,
    /// How often the execution was there.
    visits: u64,
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

impl TieredProgram {
    pub(super) fn new(
        bytecode: Rc<Bytecode>,
        threshold: Threshold,
        compiler: Compiler,
    ) -> Result<TieredProgram, PrepareError> {
        let is_watched = compiler.can_compile() && threshold != Threshold::Never;
        let code = if is_watched { lower_watched(&bytecode) } else { lower(&bytecode, true) };
        let machine = Machine::new(Rc::clone(&bytecode), code)?;
        let limit = |length: usize| match threshold {
            Threshold::BreakEven(costs) => costs.break_even(length),
            Threshold::At(_) | Threshold::Never => i64::MAX,
        };
        let functions = bytecode.functions().iter();
        let limits: Vec<i64> = functions.map(|function| limit((function.end.0 - function.start.0) as usize)).collect();
        let units = Units::new(compiler);
        let heats = limits.clone();
        let watched = HashMap::new();
        let mut program =
            TieredProgram { bytecode, machine, threshold, is_watched, units, heats, limits, watched, entries: 0 };
        match threshold {
            Threshold::At(0) => _ = program.units.compile(&program.bytecode, FunctionId::MAIN, None),
            Threshold::At(_) if is_watched => program.watch_all(),
            Threshold::At(_) | Threshold::BreakEven(_) | Threshold::Never => {}
        }
        Ok(program)
    }

    /// From now on, the execution stops at all headers of loops and at the starts of all definitions.
    fn watch_all(&mut self) {
        let watch = self.machine.watch();
        let heads = watch.heads.iter().map(|head| head.cell);
        let starts = watch.starts.iter().map(|start| start.cell);
        let cells: Vec<usize> = heads.chain(starts).collect();
        for cell in cells {
            self.watch(cell);
        }
    }

    /// From now on, the execution stops at a cell where a loop or a definition begins.
    fn watch(&mut self, cell: usize) {
        if self.watched.contains_key(&cell) {
            return;
        }
        let watch = self.machine.watch();
        // If a definition begins with a loop, the state at its start is that at the loop's header.
        let place = watch.head(cell).map_or_else(|| Place::Start(watch.function(cell)), Place::Head);
        // SAFETY: an instruction begins there.
        let handler = unsafe { self.machine.stop_at(cell) };
        self.watched.insert(cell, Watched { handler, place, visits: 0 });
    }

    /// Whether it pays to compile a function that has done as much work as its limit. If not, it may do more work first.
    fn pays(&mut self, function: FunctionId) -> bool {
        let Threshold::BreakEven(costs) = self.threshold else { return false };
        let (heat, limit) = (&mut self.heats[function.index()], &mut self.limits[function.index()]);
        let done = limit.saturating_sub(*heat);
        // Finding the length of the unit takes less time than the work that was done.
        let length = unit_length(&self.bytecode, function, done as usize);
        let needed = length.map_or(done.saturating_mul(2), |length| costs.break_even(length));
        if done >= needed {
            // If it stays interpreted in places, that must pay anew.
            *heat = *limit;
            return true;
        }
        *limit = needed;
        *heat = needed - done;
        false
    }

    /// Continues at the header of a hot loop: in machine code, if compiling pays.
    fn hot(&mut self, head: usize, context: &mut Context, stack: &mut Store) -> Next {
        let function = self.machine.watch().heads[head].function;
        if !self.pays(function) || !self.compile(Place::Head(head)) {
            return Next::Interpret;
        }
        self.enter_at_header(head, context, stack)
    }

    /// Notes the work of calls, after a pause.
    fn sample(&mut self, context: &Context) {
        let cell = self.machine.cell(context.ip);
        let function = self.machine.watch().function(cell);
        let heat = &mut self.heats[function.index()];
        *heat -= WORK_BETWEEN_PAUSES;
        if *heat >= 0 || !self.pays(function) {
            return;
        }
        match self.machine.watch().innermost(cell) {
            Some(head) => {
                let cell = self.machine.watch().heads[head].cell;
                let head = self.machine.watch().head(cell).expect("a loop begins there");
                if self.compile(Place::Head(head)) {
                    self.watch(cell);
                }
            }
            None if function != FunctionId::MAIN => _ = self.compile(Place::Start(function)),
            None => {}
        }
    }

    /// Compiles the unit of a function with an entry at a place, unless that is done. From then on, calls of the function enter it.
    /// Returns whether there is such a unit.
    fn compile(&mut self, place: Place) -> bool {
        let (function, region) = match place {
            Place::Head(head) => {
                let head = &self.machine.watch().heads[head];
                (head.function, Some(head.region))
            }
            Place::Start(function) => (function, None),
        };
        if !self.units.compile(&self.bytecode, function, region) {
            return false;
        }
        if let Some(definition) = function.index().checked_sub(1) {
            self.watch(self.machine.watch().starts[definition].cell);
        }
        true
    }

    /// Continues where the execution stops because the place is watched.
    fn arrive(&mut self, context: &mut Context, stack: &mut Store) -> Next {
        let cell = self.machine.cell(context.ip);
        let watched = self.watched.get_mut(&cell).expect("the execution stops only where it is watched");
        watched.visits += 1;
        let Watched { handler, place, visits } = *watched;
        let is_hot = match self.threshold {
            Threshold::At(threshold) => visits >= threshold,
            Threshold::BreakEven(_) | Threshold::Never => true,
        };
        if !is_hot || !self.compile(place) {
            return Next::InterpretWith(handler);
        }
        match place {
            Place::Head(head) => self.enter_at_header(head, context, stack),
            Place::Start(function) => self.enter_at_start(function, context, stack),
        }
    }

    /// Executes the rest of the present function as machine code, from the header of a loop on.
    fn enter_at_header(&mut self, head: usize, context: &mut Context, stack: &mut Store) -> Next {
        let head = self.machine.watch().heads[head];
        let function = head.function;
        let compiled = self.units.of_head(function, head.region).expect("the unit was just compiled");
        let offset = compiled.second.expect("the unit has an entry at this loop");
        self.entries += 1;
        // SAFETY: the interpreter has stopped at the header, and the state is that of this execution.
        let left = unsafe {
            let state = self.machine.state_at_header(context, &head, offset);
            compiled.resume(&self.bytecode, stack, &state)
        };
        self.leave(function, true, left, context, stack)
    }

    /// Executes a definition as machine code.
    fn enter_at_start(&mut self, function: FunctionId, context: &mut Context, stack: &mut Store) -> Next {
        let compiled = self.units.of_start(function).expect("the unit was just compiled");
        self.entries += 1;
        // SAFETY: the interpreter has stopped at the start, and the state is that of this execution.
        let left = unsafe {
            let state = self.machine.state_at_start(context, function);
            compiled.resume(&self.bytecode, stack, &state)
        };
        self.leave(function, false, left, context, stack)
    }

    /// Continues after machine code has executed a function.
    fn leave(
        &mut self,
        function: FunctionId,
        is_open: bool,
        left: Left,
        context: &mut Context,
        stack: &mut Store,
    ) -> Next {
        let Left { ended, pointer, fuel } = left;
        if ended.is_err() {
            return Next::End(ended);
        }
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

    /// Executes the program from its entry.
    fn execute(&mut self, context: &mut Context, stack: &mut Store) -> Result<(), Trap> {
        let samples = self.bytecode.has_calls() && matches!(self.threshold, Threshold::BreakEven(_));
        let mut first = None;
        loop {
            // SAFETY: the context is that of the entry, or one in which the execution has stopped.
            if !unsafe { self.machine.advance(context, first.take()) } {
                return self.machine.end(context, stack);
            }
            let stop = context.stop;
            let next = match stop {
                Stop::Done | Stop::Trap => return self.machine.end(context, stack),
                Stop::Call => Next::Interpret,
                Stop::Pause => {
                    if samples {
                        self.sample(context);
                    }
                    Next::Interpret
                }
                // SAFETY: the code is watched, and there is a heat for each function.
                Stop::Back if !unsafe { Machine::note_work(context) } => Next::Interpret,
                Stop::Back | Stop::Hot => {
                    let head = self.machine.watch().head(self.machine.cell(context.ip));
                    self.hot(head.expect("the execution stops at a header"), context, stack)
                }
                Stop::Arrive => self.arrive(context, stack),
            };
            match next {
                Next::Interpret => {}
                Next::InterpretWith(handler) => first = Some(handler),
                Next::End(end) => return end,
            }
        }
    }
}

impl Prepared for TieredProgram {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        self.entries = 0;
        if let Threshold::At(1..) = self.threshold {
            self.watched.values_mut().for_each(|watched| watched.visits = 0);
        } else if let Some(compiled) = self.units.of_start(FunctionId::MAIN) {
            let fuel = self.bytecode.begin(inputs, fuel, stack);
            return compiled.run(&self.bytecode, stack, fuel);
        }
        let mut context = self.machine.begin(inputs, fuel, stack);
        if !self.is_watched {
            // SAFETY: the context is that of the entry, and nothing else uses the stack.
            with_room(|| unsafe { self.machine.execute(&mut context) });
            return self.machine.end(&context, stack);
        }
        context.heats = self.heats.as_mut_ptr();
        with_room(|| self.execute(&mut context, stack))
    }

    fn tier_changes(&self) -> u64 {
        self.entries
    }

    fn code_bytes(&self) -> Option<usize> {
        Some(self.units.code_bytes())
    }
}
