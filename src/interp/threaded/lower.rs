//! Lowering: turns bytecode into the interpreter's code in one pass.
//!
//! Shuffles emit no code: they rearrange values in the window. At the start and at the end of each iteration of a loop,
//! the values that the loop uses are in the same registers, one register for each value. Where two paths join, their
//! windows are reconciled.

use super::code::{Builder, Code, Counters, Line, Patch};
use super::handlers::*;
use super::state::State;
use super::tables::{self, PARAMETERS, RESULTS, number};
use super::watch::{FunctionStart, Watching};
use super::window::{Value, Window};
use crate::bytecode::{Bytecode, Function, FunctionId, Op, Pc, Region, RegionId, RegionKind};
use crate::lang::Word;
use crate::lang::words::Class;

/// Lowers a program. Adjacent instructions are fused only if `is_fusing` is set.
pub fn lower(code: &Bytecode, is_fusing: bool) -> Code {
    lower_with(code, is_fusing, false, None)
}

/// Lowers a program to watched code: its loops note the work that they do, see [`Watch`](super::Watch).
pub fn lower_watched(code: &Bytecode) -> Code {
    lower_with(code, true, false, Some(Watching::new(code)))
}

/// The interpreter's code as text.
pub fn listing(code: &Bytecode, is_fusing: bool) -> Vec<Line> {
    lower_with(code, is_fusing, true, None).listing.expect("a listing was requested")
}

fn lower_with(code: &Bytecode, is_fusing: bool, is_listed: bool, watching: Option<Watching>) -> Code {
    let mut walk = Walk {
        code,
        state: State {
            builder: Builder::new(code.ops().len(), is_fusing, is_listed),
            window: Window::new(code.inputs() as i64),
            header: None,
        },
        activation: Activation { results: None, counters: code.main().counters as usize, has_base: false },
        loops: Vec::new(),
        targets: Vec::new(),
        is_dead: false,
        calls: Vec::new(),
        counted: None,
        tails: Vec::new(),
        function: FunctionId::MAIN,
        watching,
    };
    walk.ops(0, code.main().end.index());
    let mut counters = Counters { main: code.main().counters as usize, definition: 0 };
    let starts = match &code.functions()[1..] {
        [] => Vec::new(),
        definitions => walk.definitions(definitions, &mut counters),
    };
    let watch = walk.watching.map(|watching| watching.finish(starts));
    walk.state.builder.finish(counters, watch)
}

/// The walk over the bytecode. Only the walk handles control flow.
struct Walk<'a> {
    code: &'a Bytecode,
    state: State,
    /// The activations of the function.
    activation: Activation,
    /// The open loops, innermost last.
    loops: Vec<OpenLoop>,
    /// The forward branches whose targets have not been reached yet, the nearest target last; `None` where a body ends with a
    /// jump and so has no branch to the end of its region.
    targets: Vec<Option<Target>>,
    /// Whether the next operation cannot be reached from the operation before it.
    is_dead: bool,
    /// The calls so far, each with the function that is called.
    calls: Vec<(Patch, FunctionId)>,
    /// The operation that counts the depth of the next call, if no instruction has done that.
    counted: Option<Pc>,
    /// For each region of a definition, whether its end is followed by a return. Only the entries of `if`s are set.
    tails: Vec<bool>,
    /// The function.
    function: FunctionId,
    /// What watched code needs besides.
    watching: Option<Watching>,
}

/// What activations of a function look like.
struct Activation {
    /// The number of results; `None` for the main program.
    results: Option<u32>,
    /// The number of counters.
    counters: usize,
    /// Whether the base is kept after the counters.
    has_base: bool,
}

impl Activation {
    /// The number of counters, including that which holds the base.
    fn slots(&self) -> usize {
        self.counters + usize::from(self.has_base)
    }
}

/// Whether the count of a loop stays in its register: calls would change it.
pub fn is_tight(region: &Region) -> bool {
    region.is_innermost && !region.has_call
}

/// The text of the topmost values that are in registers, lowest first.
fn list(registers: &[usize], values: usize) -> String {
    registers.iter().take(values).rev().map(|register| format!(" r{register}")).collect()
}

struct OpenLoop {
    id: RegionId,
    region: Region,
    /// The first cell of every iteration.
    header: usize,
    /// The index in [`Walk::targets`] of the branch that ends the loop.
    exit: usize,
    /// The jumps of its `leave`s.
    leaves: Vec<Target>,
    /// [`State::header`] of the enclosing loop.
    outer_header: Option<Window>,
}

struct Target {
    patch: Patch,
    /// The window at the branch.
    window: Window,
    /// Whether all paths to the target have the same height.
    is_level: bool,
    path_length: usize,
}

impl Walk<'_> {
    /// Lowers the operations with these indices.
    fn ops(&mut self, mut index: usize, end: usize) {
        while index < end {
            index += self.op(Pc(index as u32));
        }
    }

    /// Lowers the definitions. Returns where each one starts.
    fn definitions(&mut self, definitions: &[Function], counters: &mut Counters) -> Vec<FunctionStart> {
        let regions = self.code.regions();
        self.tails = vec![false; regions.len()];
        let mut next_region = regions.partition_point(|region| region.start < definitions[0].start);
        let mut starts = Vec::with_capacity(definitions.len());
        for (id, function) in (1..).map(FunctionId).zip(definitions) {
            self.function = id;
            let mut needed = 0;
            while let Some(region) = regions.get(next_region).filter(|region| region.start < function.end) {
                if let RegionKind::Times { counter } = region.kind
                    && !is_tight(region)
                {
                    needed = needed.max(counter.0 as usize + 1);
                }
                next_region += 1;
            }
            self.activation =
                Activation { results: Some(function.results), counters: needed, has_base: function.has_needs };
            counters.definition = counters.definition.max(self.activation.slots());
            self.state.window = Window::in_registers(function.params.into(), PARAMETERS.min(function.params as usize));
            self.is_dead = false;
            let cell = self.begin_definition(function);
            starts.push(FunctionStart { cell, slots: self.activation.slots() });
            self.ops(function.start.index(), function.end.index());
        }
        for (call, callee) in std::mem::take(&mut self.calls) {
            self.state.builder.bind_to(call, starts[callee.index() - 1].cell);
        }
        starts
    }

    fn begin_definition(&mut self, function: &Function) -> usize {
        let start = self.state.builder.begin_function();
        self.state.builder.pc = function.start;
        let slots = self.activation.slots();
        if slots > 0 {
            let handler = if self.activation.has_base { open_base } else { open_counters };
            self.state.builder.begin(handler, || format!("open {slots}"));
            self.state.builder.value(slots as i64);
        }
        start
    }

    /// Returns from the definition or ends the program.
    fn end_function(&mut self) {
        self.is_dead = true;
        let Some(results) = self.activation.results else {
            self.state.flush(0);
            let height = self.state.window.height;
            return self.state.builder.begin_trapping(done, height, || "done".into());
        };
        let registers: [usize; RESULTS] = self.state.gather(results as usize);
        self.state.rebase(self.state.window.height - i64::from(results));
        let slots = self.activation.slots();
        if slots > 0 {
            self.state.builder.begin(close_counters, || format!("close {slots}"));
            self.state.builder.value(slots as i64);
        }
        self.state.builder.use_units();
        let list = list(&registers, results as usize);
        self.state.builder.begin(tables::return_with(registers), || format!("return{list}"));
    }

    fn call(&mut self, id: FunctionId) {
        let Function { params, results, ref name, .. } = self.code.functions()[id.index()];
        let registers: [usize; PARAMETERS] = self.state.gather(params as usize);
        if self.activation.results.is_some() {
            self.state.builder.use_units();
        }
        let is_checked = self.code.counts_depth() || self.code.greatest_depth() > RISE as u64;
        let list = list(&registers, params as usize);
        self.state.builder.begin(tables::call_with(registers, is_checked), || format!("call {name}{list}"));
        let base = self.state.window.height - i64::from(params);
        if let Some(pc) = self.counted.take() {
            self.state.builder.traps_at(pc, base);
        }
        let patch = self.state.builder.patch();
        self.calls.push((patch, id));
        self.state.builder.value(base * size_of::<i64>() as i64);
        self.state.window = Window::in_registers(base + i64::from(results), RESULTS.min(results as usize));
    }

    /// Checks the room for the frame of the function that is called next.
    fn frame(&mut self, values: u64) {
        if let Some(pc) = self.counted.take() {
            self.state.builder.begin(call_depth, || "call-depth".into());
            self.state.builder.traps_at(pc, 0);
        }
        self.room("frame", values);
    }

    fn room(&mut self, name: &str, values: u64) {
        let limit = self.code.stack_limit().min(i64::MAX as u64) as i64;
        let height = self.state.window.height;
        self.state.builder.begin_trapping(room, height, || format!("{name} {values}"));
        self.state.builder.value(limit.saturating_sub(values.min(i64::MAX as u64) as i64).saturating_sub(height));
    }

    /// The number of a counter, relative to the end of the activation's counters.
    fn slot(&self, counter: i64) -> i64 {
        counter - self.activation.slots() as i64
    }

    /// Lowers one operation, or two if they become one instruction, and returns how many it lowered. It has one caller, so the
    /// compiler inlines it.
    #[inline(always)]
    fn op(&mut self, pc: Pc) -> usize {
        self.state.builder.pc = pc;
        match self.code.ops()[pc.index()] {
            Op::Literal(value) => self.state.push(Value::Constant(value)),
            Op::Word(word) => match word.class() {
                Class::Shuffle => self.state.shuffle(word),
                Class::Unary => self.state.unary(word),
                Class::Comparison => match self.code.ops()[pc.index() + 1] {
                    Op::If(id) | Op::LeaveIfZero(id) => {
                        self.state.builder.pc = Pc(pc.0 + 1);
                        self.note_tail(id);
                        self.compare_and_branch(word, id);
                        return 2;
                    }
                    _ => self.state.compute(word),
                },
                Class::Memory if word == Word::Fetch => self.state.load_cell(self.code.cells()),
                Class::Memory => self.state.store_cell(self.code.cells()),
                Class::Arithmetic | Class::Division => self.state.compute(word),
            },
            Op::Pick(depth) => self.state.pick(depth),
            Op::Put(depth) => self.state.put(depth),
            Op::Times(id) => self.times(id),
            Op::Next(_) => self.next(),
            Op::While(id) => self.begin_while(id),
            Op::If(id) => {
                self.note_tail(id);
                self.branch_if_zero(id);
            }
            Op::LeaveIfZero(id) => self.branch_if_zero(id),
            Op::Repeat(_) => self.repeat(),
            Op::Leave(_) => self.leave(),
            Op::Else(id) => self.otherwise(id),
            Op::EndIf(_) => self.bind(),
            Op::CallDepth => self.counted = Some(pc),
            Op::Frame { values } => self.frame(values),
            Op::Call(id) => self.call(id),
            Op::Fuel => self.state.builder.begin_trapping(fuel, 0, || "fuel".into()),
            Op::Need { values, .. } => {
                let values = values.min(i64::MAX as u64) as i64;
                let height = self.state.window.height;
                let bound = values.saturating_sub(height);
                let (handler, bound): (Handler, _) = match self.activation.results {
                    None => (need, bound),
                    Some(_) => (need_above, bound.saturating_mul(size_of::<i64>() as i64)),
                };
                self.state.builder.begin_trapping(handler, height, || format!("need {values}"));
                self.state.builder.value(bound);
            }
            Op::Room { values, .. } => self.room("room", values),
            Op::Return if self.is_dead && self.activation.results.is_some() => {}
            Op::Exit | Op::Return => self.end_function(),
        }
        1
    }

    /// Binds the nearest target to the next instruction.
    fn bind(&mut self) {
        if let Some(target) = self.targets.pop().expect("a region's forward branch is bound once") {
            self.bind_target(target);
        }
    }

    fn bind_target(&mut self, target: Target) {
        if self.is_dead {
            (self.state.window, self.is_dead) = (target.window, false);
        } else if target.is_level {
            self.state.reconcile(&target.window);
        } else {
            self.state.flush_and_rebase(0);
        }
        self.state.builder.bind(target.patch);
        self.state.builder.join(target.path_length);
    }

    fn target(&mut self, is_level: bool) {
        let target = self.patch(is_level);
        self.targets.push(Some(target));
    }

    /// Appends a target that is bound later.
    fn patch(&mut self, is_level: bool) -> Target {
        let path_length = self.state.builder.path_length();
        let patch = self.state.builder.patch();
        Target { patch, window: self.state.window, is_level, path_length }
    }

    /// Appends a target at the end of a loop. The path includes the iterations before.
    fn patch_to_end(&mut self, region: &Region, is_level: bool) -> Target {
        let mut target = self.patch(is_level);
        if is_tight(region) {
            target.path_length += LONGEST / 2;
        }
        target
    }

    /// Appends the target of a branch that begins an `if`, or leaves a loop because of its condition.
    fn target_of(&mut self, id: RegionId, is_level: bool) {
        let region = self.code.region(id);
        let target = if region.is_loop() { self.patch_to_end(region, is_level) } else { self.patch(is_level) };
        self.targets.push(Some(target));
    }

    fn prepare_loop(&mut self, region: &Region) {
        if region.is_level {
            self.state.canonicalize_for_loop(region.reach);
        } else {
            self.state.flush_and_rebase(0);
        }
    }

    fn header(&mut self, id: RegionId, region: Region) {
        let header = self.state.builder.here();
        let outer_header = self.state.header.replace(self.state.window);
        // A `times` has just branched to its end. The condition of a `while` will do so.
        let exit = self.targets.len() - usize::from(matches!(region.kind, RegionKind::Times { .. }));
        self.loops.push(OpenLoop { id, region, header, exit, leaves: Vec::new(), outer_header });
        if let Some(watching) = &mut self.watching {
            watching.begin(id, header, self.function, self.state.window);
        }
    }

    /// Whether a loop notes its work when it begins.
    fn notes_work(&self, id: RegionId) -> bool {
        self.watching.as_ref().is_some_and(|watching| !watching.is_counted_outside(id))
    }

    /// In watched code, appends the operands with which a loop notes `iterations` iterations' work: the function and the work of so
    /// many iterations.
    fn work(&mut self, id: RegionId, iterations: i64) {
        if let Some(watching) = &self.watching {
            self.state.builder.value(self.function.0.into());
            self.state.builder.value(watching.work(id).saturating_mul(iterations));
        }
    }

    /// In watched code, appends the work of an iteration of the `while` loops directly inside a loop.
    fn work_inside(&mut self, id: RegionId) {
        if let Some(watching) = &self.watching {
            self.state.builder.value(watching.work_inside(id));
        }
    }

    fn begin_while(&mut self, id: RegionId) {
        let region = *self.code.region(id);
        self.prepare_loop(&region);
        self.header(id, region);
    }

    fn times(&mut self, id: RegionId) {
        let region = *self.code.region(id);
        let counter = i64::from(self.code.counter(id).0);
        self.state.ensure_loaded(1);
        let count = self.state.window.top(0);
        let handler = tables::times(number(count));
        self.state.builder.begin(handler, || format!("count = {}", tables::Shown(count)));
        self.state.builder.operand(count);
        self.state.window.pop();
        self.prepare_loop(&region);
        let is_watched = self.notes_work(id);
        if is_tight(&region) {
            self.state.builder.begin(if is_watched { enter_watched } else { enter }, || "enter".into());
            self.target(region.is_level);
        } else {
            let handler: Handler = if is_watched { enter_outer_watched } else { enter_outer };
            self.state.builder.begin(handler, || format!("enter c{counter}"));
            self.target(region.is_level);
            self.state.builder.value(self.slot(counter));
        }
        if is_watched {
            self.work(id, 1);
        }
        self.header(id, region);
    }

    /// Leaves the innermost loop.
    fn leave(&mut self) {
        let &OpenLoop { region, exit, .. } = self.loops.last().expect("only a loop is left");
        let is_level = region.is_level;
        if is_level {
            let window = self.targets[exit].as_ref().expect("the loop's end is not bound yet").window;
            self.state.reconcile(&window);
        } else {
            self.state.flush_and_rebase(0);
        }
        self.state.builder.begin(jump, || "jump".into());
        let target = self.patch_to_end(&region, is_level);
        self.loops.last_mut().expect("the loop is open").leaves.push(target);
        self.is_dead = true;
    }

    /// Binds the end of a loop, and the jumps of its `leave`s, to the next instruction.
    fn end_loop(&mut self, leaves: Vec<Target>) {
        if let Some(watching) = &mut self.watching {
            // A call at the end of the body returns to the instruction that ends the iteration.
            watching.end(self.state.builder.length());
        }
        self.bind();
        leaves.into_iter().for_each(|leave| self.bind_target(leave));
    }

    /// Reconciles the window with the window at the start of the iteration.
    fn end_iteration(&mut self) -> OpenLoop {
        let open = self.loops.pop().expect("the loop is open");
        let window = std::mem::replace(&mut self.state.header, open.outer_header).expect("the loop has a header");
        if self.is_dead {
            // No path reaches the end of an iteration.
        } else if open.region.is_level {
            self.state.reconcile(&window);
        } else {
            self.state.flush_and_rebase(0);
        }
        open
    }

    fn next(&mut self) {
        let OpenLoop { id, header, region, leaves, .. } = self.end_iteration();
        match region.kind {
            _ if self.is_dead => {}
            RegionKind::Times { counter } if !is_tight(&region) => {
                let counter = i64::from(counter.0);
                let is_watched = self.watching.as_ref().is_some_and(|watching| watching.has_work_inside(id));
                let handler: Handler = match (region.is_innermost, is_watched) {
                    (true, _) => next_calling,
                    (false, false) => next_outer,
                    (false, true) => next_outer_watched,
                };
                self.state.builder.begin(handler, || format!("next c{counter} {header}"));
                self.state.builder.target(header);
                self.state.builder.value(self.slot(counter));
                if region.is_innermost {
                    self.state.builder.value(self.state.builder.units_since(header));
                } else if is_watched {
                    self.state.builder.value(self.function.0.into());
                    self.work_inside(id);
                }
            }
            _ => _ = self.state.builder.end_loop(NEXT, header),
        }
        self.end_loop(leaves);
    }

    fn repeat(&mut self) {
        let OpenLoop { id, header, region, leaves, .. } = self.end_iteration();
        if self.is_dead {
            // No path reaches the end of an iteration.
        } else if is_tight(&region) {
            let iterations = self.state.builder.end_loop(BACK, header);
            self.work(id, iterations);
        } else if region.is_innermost {
            self.state.builder.begin(back_calling, || format!("back {header}"));
            self.state.builder.target(header);
            self.state.builder.value(self.state.builder.units_since(header));
        } else {
            let handler: Handler = if self.watching.is_some() { back_outer_watched } else { back_outer };
            self.state.builder.begin(handler, || format!("back {header}"));
            self.state.builder.target(header);
            self.work(id, 1);
            self.work_inside(id);
        }
        self.is_dead = true;
        self.end_loop(leaves);
    }

    fn otherwise(&mut self, id: RegionId) {
        let to_else = self.targets.pop().expect("THEN began with a branch to ELSE");
        if self.is_dead {
            self.targets.extend([None, to_else]);
            return self.bind();
        }
        if self.tails.get(id.index()) == Some(&true) {
            // The return takes the place of a jump to it.
            self.end_function();
            self.targets.extend([None, to_else]);
            return self.bind();
        }
        let is_level = self.code.region(id).is_level;
        if is_level {
            self.state.canonicalize(0);
        } else {
            self.state.flush_and_rebase(0);
        }
        self.state.builder.begin(jump, || "jump".into());
        self.target(is_level);
        self.is_dead = true;
        self.targets.push(to_else);
        self.bind();
    }

    /// Prepares a branch that reads the topmost `operands` values, and returns whether all paths to its target have the same
    /// height. If another path reaches the target, both paths need the same window. This applies to an `if` without ELSE, whose
    /// target is also reached from the operation before the target, and to a `while` with a `leave`.
    fn before_branch(&mut self, id: RegionId, operands: usize) -> bool {
        let region = self.code.region(id);
        if !region.is_joined || matches!(region.kind, RegionKind::If { otherwise: Some(_) }) {
            return true;
        }
        let is_level = region.is_level;
        if is_level {
            self.state.canonicalize(operands);
        } else {
            self.state.flush_and_rebase(operands);
        }
        is_level
    }

    /// In a definition, notes whether the end of a region is followed by a return.
    fn note_tail(&mut self, id: RegionId) {
        if self.activation.results.is_some() {
            self.tails[id.index()] = match self.code.ops()[self.code.region(id).end.index()] {
                Op::Return => true,
                Op::Else(parent) | Op::EndIf(parent) => self.tails[parent.index()],
                _ => false,
            };
        }
    }

    fn branch_if_zero(&mut self, id: RegionId) {
        self.state.ensure_loaded(1);
        self.state.ensure_register(0);
        let is_level = self.before_branch(id, 1);
        let flag = self.state.window.top(0);
        self.state.builder.begin(tables::if_zero(number(flag)), || format!("if-zero {}", tables::Shown(flag)));
        self.state.window.pop();
        self.target_of(id, is_level);
    }

    fn compare_and_branch(&mut self, word: Word, id: RegionId) {
        self.state.ensure_loaded(2);
        self.state.ensure_register(1);
        let is_level = self.before_branch(id, 2);
        let (a, b) = (self.state.window.top(1), self.state.window.top(0));
        self.state.builder.begin(tables::unless(word, number(a), number(b)), || {
            format!("unless {} {} {}", tables::Shown(a), word.spelling(), tables::Shown(b))
        });
        self.state.window.pop();
        self.state.window.pop();
        self.target_of(id, is_level);
        self.state.builder.operand(b);
    }
}
