//! Lowering: bytecode to LIR, in one pass.
//!
//! This file handles control flow and calls. `words` lowers all other words, and `stack` knows the slot of each value.

use smallvec::SmallVec;

use super::Handover;
use super::contract::{BaselineSink, Plan, Roles};
use super::handover::{Entry, Leave, Work};
use super::operand::Operand;
use super::stack::{Layout, Stack};
use crate::bytecode::{Bytecode, Function, FunctionId, Op as Code, Pc, RegionId, TrapSite};
use crate::isa::Isa;
use crate::lir::{AluOp, Cond, FrameSlot, Label, Op, Reg, Slot};

/// Lowers a program into a sink, and returns its trap sites. With `pairs`, a word that pushes an operand is lowered
/// together with the word that uses it.
pub fn lower<I: Isa, S: BaselineSink>(
    code: &Bytecode,
    plan: &Plan,
    layout: Layout,
    pairs: bool,
    handover: Handover,
    sink: &mut S,
) -> Vec<TrapSite> {
    let mut lowering = Lowering::<I, S> {
        code,
        plan,
        stack: Stack::new(sink, layout, code.cells()),
        // In the layout `Pushing`, pushing an operand moves the pointer.
        pairs: pairs && layout != Layout::Pushing,
        base: None,
        has_depth: false,
        targets: SmallVec::new(),
        loops: SmallVec::new(),
        labels: 0,
        is_dead: false,
        in_main: true,
        wanted: handover.entry,
        entry: None,
        leaves: SmallVec::new(),
        work: handover.counts_work.then(|| Work::of(code)),
    };
    for (index, function) in code.functions().iter().enumerate() {
        match FunctionId(index as u32) {
            FunctionId::MAIN => lowering.begin_program(),
            id => lowering.begin_function(id, function),
        }
        lowering.body(function);
        lowering.in_main = false;
    }
    if lowering.entry.is_some() || !lowering.leaves.is_empty() {
        lowering.stack.put(Op::Main);
        lowering.stack.sink.at(code.main().start.0);
    }
    for leave in lowering.leaves {
        leave.put(&mut lowering.stack);
    }
    if let Some(entry) = lowering.entry {
        entry.put(&mut lowering.stack);
    }
    lowering.stack.sites
}

struct Lowering<'a, I, S> {
    code: &'a Bytecode,
    plan: &'a Plan,
    stack: Stack<'a, I, S>,
    /// Whether a word that pushes an operand is lowered together with the word that uses it.
    pairs: bool,
    /// The frame slot that holds the base of the current function, if it has checks against its base.
    base: Option<FrameSlot>,
    /// Whether the unit of call depth that the last call took is kept for the next call.
    has_depth: bool,
    /// The targets of forward branches out of the open regions, the nearest last; `None` where THEN ends with a jump and so
    /// has no branch over ELSE.
    targets: SmallVec<[Option<Target>; 8]>,
    /// The open loops, innermost last.
    loops: SmallVec<[OpenLoop; 4]>,
    labels: u32,
    /// Whether the next operation cannot be reached from the operation before it.
    is_dead: bool,
    /// Whether the main program is being lowered.
    in_main: bool,
    /// The loop that gets an entry.
    wanted: Option<RegionId>,
    /// The entry at its header.
    entry: Option<Entry>,
    /// Where the code is left.
    leaves: SmallVec<[Leave; 2]>,
    /// In code that counts its work, what must be known for that.
    work: Option<Work>,
}

struct OpenLoop {
    header: Target,
    /// The register and the frame slot of its counter, if a register holds it.
    counter: Option<(Reg, FrameSlot)>,
    /// The index of its end in [`Lowering::targets`].
    exit: usize,
}

/// A branch target, and the number of values above the data-stack pointer there.
#[derive(Clone, Copy)]
struct Target {
    label: Label,
    above: i64,
}

/// Where the counter of a loop is kept.
#[derive(Clone, Copy)]
enum CounterPlace {
    Register(Reg),
    Frame(FrameSlot),
}

impl<I: Isa, S: BaselineSink> Lowering<'_, I, S> {
    /// Begins the main program. The data-stack pointer is at the bottom, below the inputs.
    fn begin_program(&mut self) {
        self.stack.above = self.code.inputs() as i64;
        if self.stack.layout == Layout::Pushing {
            self.stack.put(Op::MovePointer { slots: self.stack.above });
            self.stack.above = 0;
        }
        if self.stack.layout == Layout::TopInRegister {
            // If the stack is empty, this loads the spare slot.
            self.stack.sink.load_last(I::TOP, self.stack.slot(0));
        }
    }

    /// Begins a definition. The data-stack pointer is at its base, or after the top in the layout `Pushing`.
    fn begin_function(&mut self, id: FunctionId, function: &Function) {
        let counters = self.plan.counter_slots(self.code, function);
        self.base = function.has_needs.then_some(FrameSlot(counters));
        let slots = counters + u32::from(function.has_needs);
        // Padding before the entry belongs to the function before.
        self.stack.put(Op::Function { function: id.0, slots, has_calls: function.has_calls });
        self.stack.sink.at(function.start.0);
        self.stack.above = self.stack.above_base(function.params);
        if let Some(slot) = self.base {
            let base = Slot(self.stack.above - i64::from(function.params));
            self.stack.put(Op::SaveBase { base, slot });
        }
        if let Some(work) = &self.work {
            let work = work.of_call(function);
            self.count(work);
        }
        self.is_dead = false;
    }

    fn body(&mut self, function: &Function) {
        let code = self.code;
        let is_main = self.in_main;
        let ops = &code.ops()[..function.end.index()];
        let mut next = function.start.index();
        while let Some(&op) = ops.get(next) {
            let pc = Pc(next as u32);
            next += 1;
            self.stack.sink.at(pc.0);
            if self.pairs
                && let Some(&Code::Word(word)) = ops.get(next)
                && let Some(operand) = Operand::of(op)
                && self.stack.word_with_operand(word, operand, Pc(next as u32))
            {
                next += 1;
                continue;
            }
            match op {
                Code::Literal(value) => self.stack.literal(value),
                Code::Word(word) => self.stack.word(word, pc),
                Code::Pick(depth) => self.stack.pick(depth as i64),
                Code::Put(depth) => self.stack.put_word(depth as i64),
                Code::Times(id) => {
                    let counter = self.counter(id);
                    self.times(id, counter);
                    // Padding before the header belongs to the loop.
                    self.stack.sink.at(pc.0 + 1);
                    let counter = match counter {
                        CounterPlace::Register(register) => Some((register, FrameSlot(self.code.counter(id).0))),
                        CounterPlace::Frame(_) => None,
                    };
                    self.header(id, counter, self.targets.len() - 1);
                }
                Code::Next(id) => self.next(self.counter(id)),
                Code::While(id) => self.header(id, None, self.targets.len()),
                Code::If(_)
                    if let [Code::Leave(_), Code::EndIf(_), ..] = ops[next..]
                        && let Some(label) = self.exit_after_pop() =>
                {
                    // The whole branch is one conditional jump out of the loop.
                    self.branch_if(Cond::Ne, label);
                    next += 2;
                }
                Code::If(_) if let [Code::Else(_), ..] = ops[next..] => {
                    // With nothing in THEN, the branch is over ELSE.
                    self.forward_branch(Cond::Ne);
                    next += 1;
                }
                Code::If(_) | Code::LeaveIfZero(_) => self.forward_branch(Cond::Eq),
                Code::Repeat(_) => {
                    let header = self.loops.pop().expect("the loop is open").header;
                    if !self.is_dead {
                        self.stack.reconcile(header.above);
                        self.stack.put(Op::Jump { to: header.label });
                    }
                    self.bind();
                }
                Code::Leave(_) => {
                    let exit = self.loops.last().expect("only a loop is left").exit;
                    let Target { label, above } = self.targets[exit].expect("the loop's end is not bound yet");
                    self.stack.reconcile(above);
                    self.stack.put(Op::Jump { to: label });
                    self.is_dead = true;
                }
                Code::Else(_) => {
                    let end = (!self.is_dead).then(|| {
                        let label = self.label();
                        self.stack.put(Op::Jump { to: label });
                        Target { label, above: self.stack.above }
                    });
                    self.bind();
                    self.targets.push(end);
                }
                Code::EndIf(_) => {
                    if !self.is_dead
                        && let Some(Some(end)) = self.targets.last()
                    {
                        self.stack.reconcile(end.above);
                    }
                    self.bind();
                }
                Code::Call(callee) => self.call(callee, &ops[next..]),
                Code::Fuel => {
                    let site = self.stack.site(pc);
                    self.stack.put(Op::Fuel { site });
                }
                // If there was a unit for the last call, there is one for this call.
                Code::CallDepth if std::mem::take(&mut self.has_depth) => {}
                Code::CallDepth => {
                    let site = self.stack.site(pc);
                    self.stack.put(Op::TakeDepth { site });
                }
                Code::Need { values, .. } => {
                    let site = self.stack.site(pc);
                    let slot = Slot(self.stack.above.wrapping_sub_unsigned(values));
                    self.stack.put(match self.base {
                        Some(base) if !is_main => Op::NeedAbove { site, slot, base },
                        _ => Op::Need { site, slot },
                    });
                }
                Code::Room { values, .. } | Code::Frame { values } => {
                    let site = self.stack.site(pc);
                    self.stack.put(Op::Room { slot: Slot(self.stack.above.wrapping_add_unsigned(values)), site });
                }
                Code::Exit | Code::Return if is_main => self.end_program(),
                Code::Exit | Code::Return => self.end_function(function),
            }
        }
    }

    /// Ends the main program.
    fn end_program(&mut self) {
        if self.stack.layout == Layout::TopInRegister {
            self.stack.put(Op::Store { s: I::TOP, slot: self.stack.slot(0) });
        }
        if self.work.is_some() || (self.code.is_called() && self.code.metered()) {
            self.stack.put(Op::SaveFuel);
        }
        self.stack.put(Op::Return { end: Slot(self.stack.above) });
        self.is_dead = true;
    }

    /// Ends a definition, unless its end cannot be reached. It holds exactly its results.
    fn end_function(&mut self, function: &Function) {
        if !self.is_dead {
            self.stack.reconcile(self.stack.above_base(function.results));
            self.stack.put(Op::EndCall);
            self.is_dead = true;
        }
    }

    /// Calls a definition. Its parameters are in their slots already, or one of them in the register of the top. `next` are the
    /// operations after the call.
    fn call(&mut self, callee: FunctionId, next: &[Code]) {
        let Function { params, results, .. } = self.code.functions()[callee.index()];
        self.stack.reconcile(self.stack.above_base(params));
        self.stack.put(Op::Call { function: callee.0 });
        self.stack.above = self.stack.above_base(results);
        if self.code.counts_depth() {
            self.has_depth = reaches_call(next);
            if !self.has_depth {
                self.stack.put(Op::GiveDepth);
            }
        }
    }

    fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    /// Binds the nearest forward target to the next operation.
    fn bind(&mut self) {
        if let Some(target) = self.targets.pop().expect("a region's forward branch is bound once") {
            self.stack.above = target.above;
            self.stack.put(Op::Label(target.label));
            self.is_dead = false;
        }
    }

    /// Begins the iterations of a loop, whose end will be at this index of [`Lowering::targets`]. `counter` is the register of its counter
    /// with the frame slot.
    fn header(&mut self, id: RegionId, counter: Option<(Reg, FrameSlot)>, exit: usize) {
        let label = self.label();
        self.loops.push(OpenLoop { header: Target { label, above: self.stack.above }, counter, exit });
        self.stack.put(Op::Align);
        self.stack.put(Op::Label(label));
        if self.wanted == Some(id) {
            self.entry = Some(Entry { header: label, above: self.stack.above, counters: self.counters_in_registers() });
            self.wanted = None;
        }
        if let Some(work) = &self.work
            && let Some(work) = work.of_iteration(id)
        {
            if self.in_main {
                self.leave_if_hot(id, work);
            } else {
                self.count(work.into());
            }
        }
    }

    /// Counts work. Leaves the code at the header of a loop of the main program once enough was done.
    fn leave_if_hot(&mut self, id: RegionId, work: u32) {
        let label = self.label();
        self.stack.put(Op::Tick { work, to: label });
        let site = self.stack.site(self.code.region(id).start);
        self.leaves.push(Leave { label, site, above: self.stack.above, counters: self.counters_in_registers() });
    }

    /// The counters of the open loops that are in registers, each with its frame slot.
    fn counters_in_registers(&self) -> Vec<(Reg, FrameSlot)> {
        self.loops.iter().filter_map(|open| open.counter).collect()
    }

    /// Counts work.
    fn count(&mut self, work: i64) {
        let [a, ..] = I::TEMPORARIES;
        self.stack.put(Op::Constant { d: a, value: work });
        self.stack.put(Op::Count { a });
    }

    /// Where the counter of a `times` loop is kept. A call changes all registers that can hold counters.
    fn counter(&self, id: RegionId) -> CounterPlace {
        let counter = self.code.counter(id);
        match self.plan.counters.get(counter.0 as usize) {
            Some(&register) if !self.code.region(id).has_call => CounterPlace::Register(register),
            _ => CounterPlace::Frame(FrameSlot(counter.0)),
        }
    }

    fn times(&mut self, id: RegionId, counter: CounterPlace) {
        let [a, ..] = I::TEMPORARIES;
        let count = match counter {
            CounterPlace::Register(register) => register,
            CounterPlace::Frame(_) => a,
        };
        self.stack.pop_top(count);
        if let CounterPlace::Frame(slot) = counter {
            self.stack.put(Op::StoreFrame { s: count, slot });
        }
        let label = self.label();
        self.stack.put(Op::BranchImm { cond: Cond::Le, a: count, imm: 0, to: label });
        self.targets.push(Some(Target { label, above: self.stack.above }));
        if let (Some(work), CounterPlace::Register(count)) = (&self.work, counter)
            && work.is_known(id)
        {
            // Eight operations are not the work of an iteration, but cost one instruction and no multiplication.
            self.stack.put(Op::AluImm { op: AluOp::Shl, d: a, a: count, imm: 3 });
            self.stack.put(Op::Count { a });
        }
    }

    fn next(&mut self, counter: CounterPlace) {
        let [a, ..] = I::TEMPORARIES;
        let header = self.loops.pop().expect("the loop is open").header;
        if self.is_dead {
            return self.bind();
        }
        self.stack.reconcile(header.above);
        match counter {
            CounterPlace::Register(d) => self.stack.put(Op::CountDown { d, to: header.label }),
            CounterPlace::Frame(slot) => {
                self.stack.put(Op::LoadFrame { d: a, slot });
                self.stack.put(Op::AluImm { op: AluOp::Sub, d: a, a, imm: 1 });
                self.stack.put(Op::StoreFrame { s: a, slot });
                self.stack.put(Op::BranchImm { cond: Cond::Ne, a, imm: 0, to: header.label });
            }
        }
        self.bind();
    }

    /// The label after the innermost loop, if the height after a pop is the one that is expected there.
    fn exit_after_pop(&self) -> Option<Label> {
        let exit = self.targets[self.loops.last()?.exit]?;
        let pops = if self.stack.layout == Layout::Pushing { 0 } else { 1 };
        (exit.above == self.stack.above - pops).then_some(exit.label)
    }

    /// Pops a flag, and branches if comparing it with zero holds.
    fn branch_if(&mut self, cond: Cond, to: Label) {
        let [a, ..] = I::TEMPORARIES;
        self.stack.pop_top(a);
        self.stack.put(Op::BranchImm { cond, a, imm: 0, to });
    }

    /// Pops a flag, and branches forward if comparing it with zero holds.
    fn forward_branch(&mut self, cond: Cond) {
        let label = self.label();
        self.branch_if(cond, label);
        self.targets.push(Some(Target { label, above: self.stack.above }));
    }
}

/// Whether these operations take a unit of call depth before any control flow.
fn reaches_call(ops: &[Code]) -> bool {
    let is_end = |op: &&Code| op.is_region_border() || matches!(op, Code::CallDepth | Code::Exit | Code::Return);
    ops.iter().find(is_end) == Some(&Code::CallDepth)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bytecode;
    use crate::isa::{Tuning, x86_64::Emitter};
    use crate::jit::contract::Plain;
    use crate::lang::{Source, parse, verify};
    use crate::lir::{Recorder, Site};

    const LAYOUTS: [Layout; 3] = [Layout::Pushing, Layout::Memory, Layout::TopInRegister];
    const TOP: Reg = Emitter::TOP;

    fn lowered(text: &str, layout: Layout, pairs: bool) -> Vec<Op> {
        lowered_within(bytecode::Limits::of_stack(1000), text, layout, pairs)
    }

    fn lowered_within(limits: bytecode::Limits, text: &str, layout: Layout, pairs: bool) -> Vec<Op> {
        let ast = Arc::new(parse(&Source::new("test", text)).expect("it parses"));
        let program = verify(&ast, 3).expect("it verifies");
        let code = bytecode::lower(&program, limits, true).expect("it is small");
        let mut sink = Plain(Recorder::default());
        lower::<Emitter, _>(
            &code,
            &Plan::new::<Emitter>(&code, &Tuning::default()),
            layout,
            pairs,
            Handover::default(),
            &mut sink,
        );
        sink.0.ops.into_iter().map(|(_, op)| op).collect()
    }

    /// The operations of the main program, and those of each definition after its [`Op::Function`].
    fn functions(ops: &[Op]) -> Vec<&[Op]> {
        ops.split(|op| matches!(op, Op::Function { .. })).collect()
    }

    fn count(ops: &[Op], matches: impl Fn(&Op) -> bool) -> usize {
        ops.iter().filter(|op| matches(op)).count()
    }

    /// The data-stack pointer is at the callee's base during a call, and a definition moves it back there at its end.
    #[test]
    fn pointer_moves_to_the_base_of_a_callee_only_if_it_is_elsewhere() {
        let text = ": f ( a b -- ) drop 5 f1 drop drop ; : f1 ( a -- b ) ; f 1 2 f";
        for layout in [Layout::Memory, Layout::TopInRegister] {
            let ops = lowered(text, layout, false);
            let moved = |op: &Op| if let Op::MovePointer { slots } = op { Some(*slots) } else { None };
            let moves = |ops: &[Op]| ops.iter().filter_map(moved).collect::<Vec<_>>();
            let [main, f, f1] = functions(&ops)[..] else { panic!("three functions: {ops:?}") };
            // Of the three inputs, two are parameters, and the second call takes two new values.
            assert_eq!(moves(main), [1], "{main:?}");
            assert_eq!(moves(f), [1, -1], "{f:?}");
            assert_eq!(f1, [Op::EndCall], "{f1:?}");
        }
        // In this layout it is always after the top.
        let ops = lowered(": f ( a b -- c ) drop ; f", Layout::Pushing, false);
        let call = ops.iter().position(|op| matches!(op, Op::Call { .. })).expect("there is a call");
        assert!(!matches!(ops[call - 1], Op::MovePointer { .. }), "{ops:?}");
    }

    #[test]
    fn top_is_in_its_register_at_calls_and_returns() {
        let ops = lowered(": f ( a -- b ) 1 + ; f 2 f", Layout::TopInRegister, true);
        let [main, f] = functions(&ops)[..] else { panic!("two functions: {ops:?}") };
        assert_eq!(f, [Op::AluImm { op: AluOp::Add, d: TOP, a: TOP, imm: 1 }, Op::EndCall]);
        let second = [Op::Call { function: 1 }, Op::Store { s: TOP, slot: Slot(0) }, Op::Constant { d: TOP, value: 2 }];
        assert!(main.windows(3).any(|window| window == second), "{main:?}");
    }

    #[test]
    fn depth_is_given_back_after_each_call() {
        let recursive = ": f ( n -- n ) dup if 1 - f end ; f";
        for layout in LAYOUTS {
            for function in functions(&lowered(recursive, layout, true)) {
                let places = |op: fn(&Op) -> bool| function.iter().position(op).expect("each function has a call");
                let take = places(|op| matches!(op, Op::TakeDepth { .. }));
                let call = places(|op| matches!(op, Op::Call { .. }));
                assert!(take < call && function[call + 1] == Op::GiveDepth, "{function:?}");
            }
            let limits = bytecode::Limits { stack: 9, calls: 1 };
            let ops = lowered_within(limits, ": f ( -- ) ; f f", layout, true);
            assert_eq!(count(&ops, |op| matches!(op, Op::TakeDepth { .. } | Op::GiveDepth)), 0, "{ops:?}");
        }
    }

    /// If there is a unit of call depth for a call, there is one for the next.
    #[test]
    fn depth_is_kept_between_calls_of_a_basic_block() {
        let depths = |text| {
            let ops = lowered(text, Layout::Memory, true);
            let [.., f] = functions(&ops)[..] else { panic!("there are definitions: {ops:?}") };
            let is_depth = |op: &Op| matches!(op, Op::TakeDepth { .. } | Op::GiveDepth);
            count(f, is_depth)
        };
        assert_eq!(depths(": f ( n -- n ) dup if f f 1 + f end ; f"), 2);
        assert_eq!(depths(": f ( n -- n ) f dup if f else f f end f ; f"), 8);
    }

    #[test]
    fn empty_branch_has_no_jump() {
        for layout in LAYOUTS {
            let ops = lowered("if else 1 + end", layout, true);
            assert_eq!(count(&ops, |op| matches!(op, Op::Jump { .. })), 0, "{ops:?}");
        }
    }

    #[test]
    fn checks_of_a_call_are_in_order() {
        let limits = bytecode::Limits { stack: 3, calls: 9 };
        let ops = lowered_within(limits, ": f ( a -- b ) dup drop f ; f", Layout::Memory, true);
        // Two values are below the parameter, and the frame has room for one more above it.
        assert!(
            matches!(ops[..], [Op::Fuel { .. }, Op::TakeDepth { .. }, Op::Room { slot: Slot(4), .. }, ..]),
            "{ops:?}"
        );
        assert_eq!(ops[3..5], [Op::MovePointer { slots: 2 }, Op::Call { function: 1 }], "{ops:?}");
    }

    /// The base is saved only for checks against it.
    #[test]
    fn checks_in_a_definition_compare_with_its_base() {
        let text = "times drop end f : f ( a b -- ) 1 times drop end drop drop g ; : g ( -- ) 3 times 2 drop end ;";
        for layout in LAYOUTS {
            let ops = lowered(text, layout, true);
            let [main, f, g] = functions(&ops)[..] else { panic!("three functions: {ops:?}") };
            assert_eq!(count(main, |op| matches!(op, Op::Need { .. })), 2, "{main:?}");
            assert_eq!(count(f, |op| matches!(op, Op::Need { .. })), 0, "{f:?}");
            let above = if layout == Layout::Pushing { 0 } else { 2 };
            let base = FrameSlot(0);
            assert_eq!(f[0], Op::SaveBase { base: Slot(above - 2), slot: base }, "{f:?}");
            assert_eq!(count(f, |op| matches!(op, Op::NeedAbove { base: slot, .. } if *slot == base)), 2, "{f:?}");
            assert_eq!(count(g, |op| matches!(op, Op::SaveBase { .. })), 0, "{g:?}");
        }
    }

    /// A call changes all registers that can hold counters.
    #[test]
    fn counter_of_a_loop_with_a_call_is_in_the_frame() {
        let text =
            "9 times 2 times end 3 times f end end : f ( -- ) 2 times 2 times end end ; : g ( -- ) 2 times f end ;";
        let ops = lowered(text, Layout::Memory, true);
        let [main, f, g] = functions(&ops)[..] else { panic!("three functions: {ops:?}") };
        let register = |op: &Op| if let Op::CountDown { d, .. } = op { Some(*d) } else { None };
        let registers = |ops: &[Op]| ops.iter().filter_map(register).collect::<Vec<_>>();
        let slot = |op: &Op| if let Op::LoadFrame { slot, .. } = op { Some(slot.0) } else { None };
        let slots = |ops: &[Op]| ops.iter().filter_map(slot).collect::<Vec<_>>();
        let [first, second] = [Emitter::ALLOCATABLE[4], Emitter::ALLOCATABLE[5]];
        assert_eq!((registers(main), slots(main)), (vec![first], vec![0, 1]), "{main:?}");
        assert_eq!((registers(f), slots(f)), (vec![first, second], vec![]), "{f:?}");
        assert_eq!((registers(g), slots(g)), (vec![], vec![0]), "{g:?}");
        let frame_slots = ops.iter().filter_map(|op| match op {
            Op::Function { slots, .. } => Some(*slots),
            _ => None,
        });
        assert_eq!(frame_slots.collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn an_exit_ends_the_call_and_an_end_that_cannot_be_reached_is_omitted() {
        let text = ": f ( n -- m ) dup if exit end 1 + ; : g ( n -- ) if exit else exit end ; f g dup if exit end";
        for layout in LAYOUTS {
            let ops = lowered(text, layout, true);
            let ends = functions(&ops).into_iter().map(|function| {
                (count(function, |op| *op == Op::EndCall), count(function, |op| matches!(op, Op::Return { .. })))
            });
            assert_eq!(ends.collect::<Vec<_>>(), [(0, 2), (2, 0), (2, 0)], "{ops:?}");
        }
    }

    #[test]
    fn memory_is_accessed_with_addresses_in_registers() {
        let a = Emitter::TEMPORARIES[0];
        let site = Site(0);
        let load = Op::LoadCell { d: TOP, a: TOP, site, offset: 0 };
        let main = |text: &str| lowered(text, Layout::TopInRegister, true)[1..].to_vec();
        assert_eq!(main("@")[0], load);
        let [b, ..] = main("!")[..] else { unreachable!("a program has operations") };
        assert_eq!(b, Op::Load { d: a, slot: Slot(1) });
        assert_eq!(main("!")[1], Op::StoreCell { s: a, a: TOP, site, offset: 0 });
        assert_eq!(main("dup !")[0], Op::StoreCell { s: TOP, a: TOP, site, offset: 0 });
        // A cell whose number is a constant needs no check, but a naive variant does not know the constant.
        let has_check = |text: &str, pairs| {
            let ops = lowered(text, Layout::TopInRegister, pairs);
            count(&ops, |op| matches!(op, Op::LoadCell { .. } | Op::StoreCell { .. })) > 0
        };
        for text in ["9 array a 8 @", "9 array a 8 !"] {
            assert!(!has_check(text, true) && has_check(text, false), "{text}");
        }
        assert!(has_check("9 array a 9 @", true) && has_check("9 array a -1 !", true));
    }

    fn has_immediates(ops: &[Op]) -> bool {
        ops.iter().any(|op| matches!(op, Op::AluImm { .. } | Op::SetImm { .. } | Op::DivideImm { .. }))
    }

    #[test]
    fn operand_of_the_next_word_is_not_pushed() {
        for layout in [Layout::Memory, Layout::TopInRegister] {
            for text in ["7 +", "7 <", "7 mod"] {
                assert!(has_immediates(&lowered(text, layout, true)), "{text}");
                assert!(!has_immediates(&lowered(text, layout, false)), "{text}");
            }
            for text in ["dup *", "over -", "2 pick and", "over mod"] {
                let stores =
                    |pairs| lowered(text, layout, pairs).iter().filter(|op| matches!(op, Op::Store { .. })).count();
                assert!(stores(true) < stores(false), "{text}");
            }
        }
    }

    #[test]
    fn operand_that_cannot_be_fused_is_pushed() {
        for text in [
            // Division by zero must trap, and the large constant is not encodable.
            "0 /",
            "0x9e3779b97f4a7c15 xor",
            // Another path reaches the second word, or the second word begins a loop.
            "if 5 else 6 end +",
            "5 while - dup do 1 end",
        ] {
            assert!(!has_immediates(&lowered(text, Layout::TopInRegister, true)), "{text}");
        }
        assert_eq!(lowered("7 + dup *", Layout::Pushing, true), lowered("7 + dup *", Layout::Pushing, false));
    }
}
