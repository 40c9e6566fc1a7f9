//! The machine that executes the interpreter's code, from pause to pause.
#![allow(unsafe_code, reason = "the code and the stack are accessed without bounds checks")]

use std::rc::Rc;

use super::code::{Code, Counters};
use super::control::Control;
use super::handlers::{Context, Handler, Ip, REGISTERS, Stop, arrive, work};
use super::lower::is_tight;
use super::watch::{Head, Watch};
use crate::bytecode::{Bytecode, FunctionId, RegionKind, TrapSite};
use crate::engine::PrepareError;
use crate::exec::{Granted, State, Store};
use crate::outcome::Trap;

/// A program as the interpreter's code, with its control stack. It can execute the program any number of times.
pub struct Machine {
    bytecode: Rc<Bytecode>,
    code: Code,
    control: Control,
    has_calls: bool,
    /// The counters of the state that was handed over last.
    counters: Vec<Option<i64>>,
}

/// A control stack of at most this many bytes is not reserved for a test when a program is prepared.
const SURELY_AVAILABLE: usize = 16 << 20;

impl Machine {
    /// A machine for code that was lowered from this bytecode.
    ///
    /// # Errors
    /// If there is no address space for the program's cells and calls.
    pub fn new(bytecode: Rc<Bytecode>, code: Code, granted: &Granted) -> Result<Machine, PrepareError> {
        let control = Control::new(code.counters, bytecode.greatest_depth());
        let control_bytes = Control::greatest_bytes(code.counters, bytecode.greatest_depth());
        let control_bytes = Some(control_bytes).filter(|bytes| *bytes > SURELY_AVAILABLE);
        granted.can_reserve(bytecode.cells(), control_bytes.unwrap_or(0)).map_err(PrepareError::Reserve)?;
        let has_calls = bytecode.has_calls();
        Ok(Machine { bytecode, code, control, has_calls, counters: Vec::new() })
    }

    /// Whether a machine for any code of this bytecode can be made, now or later. If not, [`new`](Machine::new) must try.
    ///
    /// # Errors
    /// If there is no address space for the program's cells.
    pub fn is_available(bytecode: &Bytecode, granted: &Granted) -> Result<bool, PrepareError> {
        let of_definition = bytecode.functions().iter().map(|function| function.counters as usize + 1).max();
        let most = Counters { main: bytecode.main().counters as usize, definition: of_definition.unwrap_or(0) };
        let is_small = Control::greatest_bytes(most, bytecode.greatest_depth()) <= SURELY_AVAILABLE;
        granted.can_reserve(bytecode.cells(), 0).map_err(PrepareError::Reserve)?;
        Ok(is_small)
    }

    /// Begins an execution: puts the inputs on the stack, clears the memory, and returns the context at the entry.
    pub fn begin(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Context {
        let fuel = self.bytecode.begin(inputs, fuel, stack);
        let cells = self.bytecode.cells();
        stack.reserve(cells, 0).expect("the memory was available when the program was prepared");
        stack.clear_memory(cells);
        let bottom = stack.bottom();
        let mut context = Context {
            base: bottom,
            bottom,
            counters: std::ptr::null_mut(),
            fuel,
            returns: std::ptr::null_mut(),
            returns_end: std::ptr::null_mut(),
            budget: 0,
            memory: stack.memory_start(),
            cells: self.bytecode.cells() as u64,
            stop: Stop::Pause,
            ip: self.code.start(),
            from: self.code.start(),
            heats: std::ptr::null_mut(),
            count: 0,
            registers: [0; REGISTERS],
            #[cfg(debug_assertions)]
            instructions: 0,
        };
        self.control.begin(&mut context);
        context
    }

    /// Executes the program until it ends or traps.
    ///
    /// # Safety
    /// The context must be that of the entry, and the stack and the memory those of [`begin`](Machine::begin).
    pub unsafe fn execute(&mut self, context: &mut Context) {
        while !matches!(context.stop, Stop::Done | Stop::Trap) {
            // SAFETY: the context is that of the entry or of a pause.
            unsafe { self.advance(context, None) };
        }
    }

    /// Executes the program until it stops for any reason: a call that the call limit does not allow traps. `first` takes the place of
    /// the handler of the first instruction.
    ///
    /// # Safety
    /// The context must be that of the entry or one in which the program has stopped, and the stack and the memory those of
    /// [`begin`](Machine::begin). The handler must fit the instruction.
    #[inline(always)]
    pub unsafe fn advance(&mut self, context: &mut Context, first: Option<Handler>) {
        if self.has_calls {
            // There is room for the calls that may begin until the next pause.
            let may_call = self.control.resume(context);
            if context.stop == Stop::Call && !may_call {
                context.stop = Stop::Trap;
                return;
            }
        }
        // SAFETY: the caller guarantees it.
        unsafe {
            match first {
                None => context.run(),
                Some(first) => context.run_with(first),
            }
        }
    }

    /// What is known about watched code.
    ///
    /// # Panics
    /// If the code is not watched.
    pub fn watch(&self) -> &Watch {
        self.code.watch.as_ref().expect("the code is watched")
    }

    /// The cell of an instruction.
    pub fn cell(&self, ip: Ip) -> usize {
        self.code.cell(ip)
    }

    /// From now on, the execution stops before the instruction at a cell. Returns the instruction's handler.
    ///
    /// # Safety
    /// An instruction must begin at the cell.
    pub unsafe fn stop_at(&mut self, cell: usize) -> Handler {
        // SAFETY: an instruction begins with its handler.
        unsafe { self.code.replace(cell, arrive).handler }
    }

    /// Notes the work of an innermost `while` loop in watched code that has stopped with [`Stop::Back`]. Returns whether its function
    /// is hot.
    ///
    /// # Safety
    /// The program must have stopped for this reason, and the context must have a heat for each function.
    pub unsafe fn note_work(context: &mut Context) -> bool {
        // The end of a loop around this one notes the iterations since the last pause.
        context.count = 0;
        // SAFETY: in watched code, two operands of `work` follow the target and the mask.
        unsafe { work(context, context.from.add(2), 1) }
    }

    /// The state at the header of a loop, for machine code with an entry there. All values are moved to their slots.
    ///
    /// # Safety
    /// The program must have stopped at this header.
    pub unsafe fn state_at_header<'a>(&'a mut self, context: &Context, head: &Head, offset: usize) -> State<'a> {
        let function = &self.bytecode.functions()[head.function.index()];
        let lowest = head.height - head.values as i64;
        for (slot, register) in (lowest..).zip(&head.registers[..head.values]) {
            // SAFETY: the values of the window are on the stack.
            unsafe { *context.base.offset(slot as isize) = context.registers[usize::from(*register)] };
        }
        let slots = self.slots(head.function);
        self.counters.clear();
        self.counters.resize(function.counters as usize, None);
        let mut next = Some(head.region);
        while let Some(id) = next {
            let region = self.bytecode.region(id);
            if let RegionKind::Times { counter } = region.kind {
                let index = counter.0 as usize;
                self.counters[index] = Some(if is_tight(region) {
                    context.count
                } else {
                    // SAFETY: an activation has this counter.
                    unsafe { *context.counters.offset(index as isize - slots as isize) }
                });
            }
            next = region.parent;
        }
        let base = match head.function {
            FunctionId::MAIN => context.bottom,
            // SAFETY: a definition with checks keeps its base after its counters.
            _ if function.has_needs => context.base.with_addr(unsafe { *context.counters.sub(1) } as usize),
            // Nothing is compared with it.
            _ => context.base,
        };
        // SAFETY: the height is that of the stack.
        let pointer = unsafe { context.base.offset(head.height as isize) };
        State { offset, base, pointer, fuel: context.fuel, depth: self.depth_left(context), counters: &self.counters }
    }

    /// The state at the start of a function, for machine code that begins there. All parameters are moved to their slots.
    ///
    /// # Safety
    /// The program must have stopped at this start, or must not have begun if it is that of the main program.
    pub unsafe fn state_at_start(&self, context: &Context, function: FunctionId) -> State<'static> {
        let params = self.bytecode.functions()[function.index()].params as usize;
        // The inputs of the main program are in their slots already.
        let in_registers = if function == FunctionId::MAIN { 0 } else { params };
        for (below, value) in context.registers.iter().take(in_registers).enumerate() {
            // SAFETY: the parameters are on the stack.
            unsafe { *context.base.add(params - 1 - below) = *value };
        }
        let (base, depth) = (context.base, self.depth_left(context));
        // SAFETY: as above.
        let pointer = unsafe { base.add(params) };
        State { offset: 0, base, pointer, fuel: context.fuel, depth, counters: &[] }
    }

    /// Continues after a call of a definition, whose results are below `pointer` in their slots. `is_open` says whether the activation
    /// has counters.
    ///
    /// # Safety
    /// The program must have stopped in this definition, and the results must be there.
    pub unsafe fn return_from(&self, context: &mut Context, function: FunctionId, is_open: bool, pointer: *mut i64) {
        let results = self.bytecode.functions()[function.index()].results as usize;
        // SAFETY: the caller guarantees it. The cell before the return address holds the distance between the bases.
        unsafe {
            for (below, register) in context.registers.iter_mut().enumerate().take(results) {
                *register = *pointer.sub(1 + below);
            }
            if is_open {
                context.counters = context.counters.sub(self.slots(function));
            }
            context.returns = context.returns.sub(1);
            let to = *context.returns;
            context.base = pointer.sub(results).byte_offset(((*to.sub(1)).value as isize).wrapping_neg());
            context.ip = to;
        }
        context.count = 0;
        context.stop = Stop::Pause;
    }

    /// Continues at the header of a loop where machine code has left the function. All values are in their slots below `pointer`, and
    /// `counter` has the counters of the open loops. `is_open` says whether the activation has counters.
    ///
    /// # Safety
    /// The program must have stopped in this function, and the state must be one that the program can have there.
    pub unsafe fn return_to_header(
        &self,
        context: &mut Context,
        head: &Head,
        is_open: bool,
        pointer: *mut i64,
        counter: impl Fn(usize) -> i64,
    ) {
        let function = &self.bytecode.functions()[head.function.index()];
        let slots = self.slots(head.function);
        // SAFETY: the caller guarantees it. There is room for the counters of an active call.
        unsafe {
            if !is_open {
                context.counters = context.counters.add(slots);
                if function.has_needs {
                    *context.counters.sub(1) = context.base.addr() as i64;
                }
            }
            context.base = pointer.offset(-head.height as isize);
            let lowest = head.height - head.values as i64;
            for (slot, register) in (lowest..).zip(&head.registers[..head.values]) {
                context.registers[usize::from(*register)] = *context.base.offset(slot as isize);
            }
        }
        context.count = 0;
        let mut next = Some(head.region);
        while let Some(id) = next {
            let region = self.bytecode.region(id);
            if let RegionKind::Times { counter: id } = region.kind {
                let (index, value) = (id.0 as usize, counter(id.0 as usize));
                if is_tight(region) {
                    context.count = value;
                } else {
                    // SAFETY: an activation has this counter.
                    unsafe { *context.counters.offset(index as isize - slots as isize) = value };
                }
            }
            next = region.parent;
        }
        context.ip = self.code.at(head.cell);
        context.stop = Stop::Pause;
    }

    /// The number of counters of a function's activations.
    fn slots(&self, function: FunctionId) -> usize {
        match function.index().checked_sub(1) {
            None => self.bytecode.main().counters as usize,
            Some(definition) => self.watch().starts[definition].slots,
        }
    }

    /// The number of calls that may still begin.
    fn depth_left(&self, context: &Context) -> u64 {
        self.bytecode.greatest_depth() - self.depth(context)
    }

    /// The cells after the active calls, that of the innermost call first.
    ///
    /// # Safety
    /// The program must have stopped.
    pub unsafe fn return_cells(&self, context: &Context) -> impl Iterator<Item = usize> {
        // SAFETY: there is a return address for each active call.
        (1..=self.depth(context) as usize).map(|below| self.cell(unsafe { *context.returns.sub(below) }))
    }

    /// The number of active calls.
    fn depth(&self, context: &Context) -> u64 {
        self.control.depth(context)
    }

    /// The end of an execution: leaves the values on the stack, or returns the trap.
    ///
    /// # Errors
    /// The trap that ended the execution.
    pub fn end(&self, context: &Context, stack: &mut Store) -> Result<(), Trap> {
        let TrapSite { pc, values_above } = self.code.site(context.ip);
        let depth = |base: usize| {
            let above_base = (context.base.addr() as i64 - base as i64) / size_of::<i64>() as i64;
            (above_base + values_above) as u64
        };
        let bottom = context.bottom.addr();
        if context.stop == Stop::Done {
            stack.set_depth(depth(bottom) as usize);
            return Ok(());
        }
        Err(self.bytecode.trap(pc, || match self.bytecode.function_of(pc) {
            FunctionId::MAIN => depth(bottom),
            // SAFETY: a definition with checks keeps its base after its counters.
            _ => depth(unsafe { *context.counters.sub(1) } as usize),
        }))
    }
}
