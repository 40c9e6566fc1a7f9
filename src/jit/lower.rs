//! Lowering: bytecode to LIR, in one pass.
//!
//! This file handles control flow and calls. `words` lowers all other words, and `stack` knows the slot of each value.

use super::contract::{BaselineSink, Plan, Roles};
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
    sink: &mut S,
) -> Vec<TrapSite> {
    let mut lowering = Lowering::<I, S> {
        code,
        plan,
        stack: Stack::new(sink, layout),
        // In the layout `Pushing`, pushing an operand moves the pointer.
        pairs: pairs && layout != Layout::Pushing,
        base: None,
        targets: Vec::new(),
        loops: Vec::new(),
        labels: 0,
        is_dead: false,
    };
    for (index, function) in code.functions().iter().enumerate() {
        match FunctionId(index as u32) {
            FunctionId::MAIN => lowering.begin_program(),
            id => lowering.begin_function(id, function),
        }
        lowering.body(function);
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
    /// The targets of forward branches out of the open regions, the nearest last; `None` where THEN ends with a jump and so
    /// has no branch over ELSE.
    targets: Vec<Option<Target>>,
    /// The open loops, innermost last.
    loops: Vec<OpenLoop>,
    labels: u32,
    /// Whether the next operation cannot be reached from the operation before it.
    is_dead: bool,
}

struct OpenLoop {
    header: Target,
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
        self.stack.sink.at(function.start.0);
        self.stack.put(Op::Function { function: id.0, slots, has_calls: function.has_calls });
        self.stack.above = self.stack.above_base(function.params);
        if let Some(slot) = self.base {
            let base = Slot(self.stack.above - i64::from(function.params));
            self.stack.put(Op::SaveBase { base, slot });
        }
        self.is_dead = false;
    }

    fn body(&mut self, function: &Function) {
        let code = self.code;
        let is_main = function.start == code.main().start;
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
                    self.times(self.counter(id));
                    // Padding before the header belongs to the loop.
                    self.stack.sink.at(pc.0 + 1);
                    self.header(self.targets.len() - 1);
                }
                Code::Next(id) => self.next(self.counter(id)),
                Code::While(_) => self.header(self.targets.len()),
                Code::If(_)
                    if let [Code::Leave(_), Code::EndIf(_), ..] = ops[next..]
                        && let Some(label) = self.exit_after_pop() =>
                {
                    // The whole branch is one conditional jump out of the loop.
                    self.branch_if(Cond::Ne, label);
                    next += 2;
                }
                Code::If(_) | Code::LeaveIfZero(_) => self.branch_if_zero(),
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
                Code::Call(callee) => self.call(callee),
                Code::Fuel => {
                    let site = self.stack.site(pc);
                    self.stack.put(Op::Fuel { site });
                }
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

    /// Calls a definition. Its parameters are in their slots already, or one of them in the register of the top.
    fn call(&mut self, callee: FunctionId) {
        let Function { params, results, .. } = self.code.functions()[callee.index()];
        self.stack.reconcile(self.stack.above_base(params));
        self.stack.put(Op::Call { function: callee.0 });
        self.stack.above = self.stack.above_base(results);
        if self.code.counts_depth() {
            self.stack.put(Op::GiveDepth);
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

    /// Begins the iterations of a loop, whose end will be at this index of [`Lowering::targets`].
    fn header(&mut self, exit: usize) {
        let label = self.label();
        self.loops.push(OpenLoop { header: Target { label, above: self.stack.above }, exit });
        self.stack.put(Op::Align);
        self.stack.put(Op::Label(label));
    }

    /// Where the counter of a `times` loop is kept. A call changes all registers that can hold counters.
    fn counter(&self, id: RegionId) -> CounterPlace {
        let counter = self.code.counter(id);
        match self.plan.counters.get(counter.0 as usize) {
            Some(&register) if !self.code.region(id).has_call => CounterPlace::Register(register),
            _ => CounterPlace::Frame(FrameSlot(counter.0)),
        }
    }

    fn times(&mut self, counter: CounterPlace) {
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

    fn branch_if_zero(&mut self) {
        let label = self.label();
        self.branch_if(Cond::Eq, label);
        self.targets.push(Some(Target { label, above: self.stack.above }));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bytecode;
    use crate::isa::{Tuning, x86_64::Emitter};
    use crate::jit::contract::Plain;
    use crate::lang::{Source, parse, verify};
    use crate::lir::Recorder;

    fn lowered(text: &str, layout: Layout, pairs: bool) -> Vec<Op> {
        let ast = Arc::new(parse(&Source::new("test", text)).expect("it parses"));
        let program = verify(&ast, 3).expect("it verifies");
        let code = bytecode::lower(&program, bytecode::Limits::of_stack(1000), false).expect("it is small");
        let mut sink = Plain(Recorder::default());
        lower::<Emitter, _>(&code, &Plan::new::<Emitter>(&code, &Tuning::default()), layout, pairs, &mut sink);
        sink.0.ops.into_iter().map(|(_, op)| op).collect()
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
