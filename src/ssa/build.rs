//! The builder: turns the bytecode of a function into the intermediate representation in one walk.
//!
//! It executes each word on an abstract stack, so the values of a level region never are in memory. The parameters of a loop
//! header are the slots that the loop reaches, and those of a join are the slots in which its paths have different values. In a
//! region that is not level, all values are in memory wherever paths part or join, and the data-stack pointer is adjusted.
//!
//! At a call of an inlined function, the walk continues in that function, on the same stack. The function's body is like a region:
//! each `exit` is a path to its end.

use std::ops::Range;

use super::ir::{Block, BlockData, Edge, End, Function, Op, PASSED, Passed, Value};
use super::stack::{Entry, Stack, WINDOW};
use crate::bytecode::{Bytecode, FunctionId, Inlined, Op as Code, Region, RegionId, RegionKind};
use crate::lang::Word;
use crate::lang::words::Meaning;
use crate::lir::{AluOp, Cond};

/// The longest `while` condition, in operations, that is repeated at the end of each iteration.
const REPEATED: usize = 16;

/// Builds a function.
pub fn build(code: &Bytecode, id: FunctionId, inlined: &Inlined) -> Function {
    let function = &code.functions()[id.index()];
    let is_main = id == FunctionId::MAIN;
    let mut builder = Builder {
        code,
        inlined,
        function: Function {
            id,
            insts: Vec::with_capacity((function.end.0 - function.start.0) as usize),
            blocks: Vec::new(),
            layout: Vec::new(),
            has_calls: false,
            has_base: function.has_needs && !is_main,
        },
        current: None,
        stack: Stack::in_memory(function.params.into(), 0),
        open: Vec::new(),
        is_begun: Vec::new(),
        pc: function.start.0,
        results: function.results,
    };
    let entry = builder.block();
    builder.begin(entry);
    if !is_main {
        let params = i64::from(function.params);
        for index in 0..params.min(PASSED as i64) {
            let value = builder.put(Op::Argument(index as u8));
            builder.stack.set(params - 1 - index, Entry::new(value));
        }
    }
    builder.walk(function.start.index(), function.end.index());
    builder.function.remove_unreachable();
    builder.function
}

/// A region or the body of an inlined function that is being built.
struct OpenRegion {
    /// `None` for the body of a function.
    id: Option<RegionId>,
    is_level: bool,
    /// The paths to its end so far: the last block of each, which is not complete, and the stack there.
    exits: Vec<(Block, Stack)>,
    /// The height at its start.
    height: i64,
    kind: Kind,
}

enum Kind {
    Loop {
        header: Block,
        /// The stack at the header.
        stack: Stack,
        /// The counter of a `times` loop.
        counter: Option<Value>,
        /// The operations of a repeated condition.
        condition: Option<Range<usize>>,
    },
    If {
        /// The block at the start of ELSE, and the stack there, while THEN is being built.
        other: Option<(Block, Stack)>,
    },
    Body,
}

struct Builder<'a> {
    code: &'a Bytecode,
    inlined: &'a Inlined,
    function: Function,
    /// The block that is being built. `None` if the next operation cannot be reached.
    current: Option<Block>,
    stack: Stack,
    open: Vec<OpenRegion>,
    /// Whether each block is in the layout.
    is_begun: Vec<bool>,
    pc: u32,
    /// The number of results of the function.
    results: u32,
}

impl Builder<'_> {
    fn walk(&mut self, start: usize, end: usize) {
        let mut index = start;
        while index < end {
            self.pc = index as u32;
            let op = self.code.ops()[index];
            index += 1;
            match op {
                Code::If(id) => self.begin_if(id),
                Code::Else(_) => self.otherwise(),
                Code::Times(id) => self.begin_times(id),
                Code::While(id) => index += self.begin_while(id),
                Code::LeaveIfZero(_) => self.leave_if_zero(),
                Code::Next(_) => self.next(),
                Code::Repeat(_) => self.repeat(),
                Code::EndIf(_) => self.end_region(),
                Code::Leave(id) => self.leave(id),
                Code::Return if self.current.is_none() => {}
                Code::Exit | Code::Return => match self.open.iter().rposition(|open| open.id.is_none()) {
                    Some(body) => self.exit_region(body),
                    None => self.end_function(),
                },
                Code::Call(id) => match self.inlined.body(self.code, id) {
                    Some(body) => self.inline(id, body),
                    None => self.call(id),
                },
                op => self.straight(op),
            }
        }
    }

    // Blocks.

    fn block(&mut self) -> Block {
        self.function.blocks.push(BlockData {
            params: Vec::new(),
            insts: Vec::new(),
            end: End::Open,
            end_pc: self.pc,
            is_innermost_header: false,
        });
        self.is_begun.push(false);
        Block(self.function.blocks.len() as u32 - 1)
    }

    /// Appends a block to the layout and continues in it.
    fn begin(&mut self, block: Block) {
        self.function.layout.push(block);
        self.is_begun[block.index()] = true;
        self.current = Some(block);
    }

    fn current(&self) -> Block {
        self.current.expect("the operation can be reached")
    }

    fn put(&mut self, op: Op) -> Value {
        let value = self.function.add(op, self.pc);
        let block = self.current();
        self.function.block_mut(block).insts.push(value);
        value
    }

    /// Completes the current block.
    fn end(&mut self, end: End) {
        let (block, pc) = (self.current(), self.pc);
        let data = self.function.block_mut(block);
        (data.end, data.end_pc) = (end, pc);
        self.current = None;
    }

    fn param(&mut self, block: Block) -> Value {
        let value = self.function.add(Op::Param, self.pc);
        self.function.block_mut(block).params.push(value);
        value
    }

    /// Ends the current block with a branch that is taken if the flag is not zero. Returns the blocks on both paths.
    fn branch(&mut self, flag: Value) -> (Block, Block) {
        let (then, other) = (self.block(), self.block());
        self.end(End::BranchImm { cond: Cond::Ne, a: flag, imm: 0, then, other });
        (then, other)
    }

    // The stack.

    /// The value in a slot. Loads it if necessary.
    fn read(&mut self, slot: i64) -> Value {
        self.stack.assume_values_from(slot);
        if let Some(value) = self.stack.get(slot).value {
            return value;
        }
        let value = self.put(Op::LoadSlot(slot));
        if self.stack.can_track(slot) {
            self.stack.set(slot, Entry { value: Some(value), is_stored: true });
        }
        value
    }

    fn pop(&mut self) -> Value {
        let value = self.read(self.stack.height - 1);
        self.stack.drop(1);
        value
    }

    fn push(&mut self, value: Value) {
        self.push_entry(Entry::new(value));
    }

    fn push_entry(&mut self, entry: Entry) {
        self.stack.push(entry);
        // Otherwise copies of the abstract stack would take quadratic time.
        if self.stack.height - self.stack.low() > 2 * WINDOW {
            let slot = self.stack.height - WINDOW;
            self.store_below(slot);
            self.stack.forget_below(slot);
        }
    }

    /// Ensures that a slot in memory has its value.
    fn store(&mut self, slot: i64) {
        if let Entry { value: Some(value), is_stored: false } = self.stack.get(slot) {
            self.put(Op::StoreSlot { value, slot });
            self.stack.set(slot, Entry { value: Some(value), is_stored: true });
        }
    }

    fn store_below(&mut self, end: i64) {
        for slot in self.stack.low()..end {
            self.store(slot);
        }
    }

    /// Ensures that all values are in memory.
    fn flush(&mut self) {
        self.store_below(self.stack.height);
    }

    /// Ensures that all values are in memory, and moves the data-stack pointer so that `height` values are above it.
    fn flush_and_set_height(&mut self, height: i64) {
        self.flush();
        let slots = self.stack.height - height;
        if slots != 0 {
            self.put(Op::MovePointer(slots));
        }
        self.stack = Stack::in_memory(height, height);
    }

    // Straight code.

    fn straight(&mut self, op: Code) {
        match op {
            Code::Literal(value) => {
                let value = self.put(Op::Constant(value));
                self.push(value);
            }
            Code::Pick(depth) => {
                let value = self.read(self.stack.height - 1 - depth as i64);
                self.push(value);
            }
            Code::Put(depth) => {
                let value = self.pop();
                let slot = self.stack.height - 1 - depth as i64;
                self.stack.assume_values_from(slot);
                if self.stack.can_track(slot) {
                    self.stack.set(slot, Entry::new(value));
                } else {
                    self.put(Op::StoreSlot { value, slot });
                }
            }
            Code::Word(word) => self.word(word),
            Code::Fuel => {
                self.put(Op::Fuel);
            }
            Code::Need { values, .. } => {
                let slot = self.stack.height.wrapping_sub_unsigned(values);
                self.put(Op::Need { slot, height: self.stack.height });
                self.stack.assume_values_from(slot);
            }
            Code::CallDepth => {
                self.put(Op::TakeDepth);
            }
            Code::Room { values, .. } | Code::Frame { values } => {
                let slot = self.stack.height.wrapping_add_unsigned(values);
                self.put(Op::Room { slot, height: self.stack.height });
            }
            Code::Times(_)
            | Code::Next(_)
            | Code::While(_)
            | Code::LeaveIfZero(_)
            | Code::Repeat(_)
            | Code::If(_)
            | Code::Else(_)
            | Code::EndIf(_)
            | Code::Leave(_)
            | Code::Call(_)
            | Code::Exit
            | Code::Return => unreachable!("the walk builds control flow"),
        }
    }

    fn word(&mut self, word: Word) {
        let op = match word.meaning() {
            Meaning::Shuffle => return self.shuffle(word),
            Meaning::Store => {
                let address = self.pop();
                let value = self.pop();
                self.put(Op::StoreCell { value, address, offset: 0 });
                return;
            }
            Meaning::Load => Op::LoadCell { address: self.pop(), offset: 0 },
            Meaning::Unary(op) => Op::Unary(op, self.pop()),
            Meaning::Divide(op) => {
                let b = self.pop();
                Op::Divide(op, self.pop(), b)
            }
            Meaning::Alu(op) => {
                let b = self.pop();
                Op::Alu(op, self.pop(), b)
            }
            Meaning::Compare(cond) => {
                let b = self.pop();
                Op::Set(cond, self.pop(), b)
            }
        };
        let value = self.put(op);
        self.push(value);
    }

    fn shuffle(&mut self, word: Word) {
        let base = self.stack.height - word.pops() as i64;
        self.stack.assume_values_from(base);
        // A value that only stays in its slot need not be loaded.
        let origins = word.origins();
        let mut results = [Entry::IN_MEMORY; 4];
        for (index, &from) in origins.iter().enumerate() {
            if index != from {
                results[index] = Entry::new(self.read(base + from as i64));
            }
        }
        // Only now: the values that move may have been loaded from the slots of those that stay.
        for (index, &from) in origins.iter().enumerate() {
            if index == from {
                results[index] = self.stack.get(base + from as i64);
            }
        }
        self.stack.drop(word.pops() as i64);
        results[..origins.len()].iter().for_each(|entry| self.push_entry(*entry));
    }

    // Calls.

    /// Builds the body of a function in place of a call.
    fn inline(&mut self, id: FunctionId, body: Range<usize>) {
        let function = &self.code.functions()[id.index()];
        let height = self.stack.height - i64::from(function.params) + i64::from(function.results);
        self.open.push(OpenRegion { id: None, is_level: true, exits: Vec::new(), height, kind: Kind::Body });
        self.walk(body.start, body.end);
        self.end_region();
        if self.code.counts_depth() {
            self.put(Op::GiveDepth);
        }
    }

    /// The topmost values in registers, and the others in their slots.
    fn pass(&mut self, count: u32) -> Passed {
        let base = self.stack.height - i64::from(count);
        self.stack.assume_values_from(base);
        let in_registers = i64::from(count).min(PASSED as i64);
        let mut passed = Vec::with_capacity(PASSED);
        for index in 0..in_registers {
            passed.push(self.read(self.stack.height - 1 - index));
        }
        for slot in base..self.stack.height - in_registers {
            self.store(slot);
        }
        Passed::new(&passed)
    }

    fn call(&mut self, id: FunctionId) {
        let function = &self.code.functions()[id.index()];
        let args = self.pass(function.params);
        self.stack.drop(function.params.into());
        let base = self.stack.height;
        // Calls clobber all registers. So the values of the caller are in their slots, as if they had never been loaded. Constants
        // need not be.
        for slot in self.stack.low()..base {
            let is_constant = |value: Value| self.function.constant(value).is_some();
            if !self.stack.get(slot).value.is_some_and(is_constant) {
                self.store(slot);
                self.stack.set(slot, Entry::IN_MEMORY);
            }
        }
        if base != 0 {
            self.put(Op::MovePointer(base));
        }
        self.put(Op::Call { function: id, args });
        self.function.has_calls = true;
        let results = i64::from(function.results);
        let in_registers = results.min(PASSED as i64);
        let mut values = [Value(0); PASSED];
        for index in 0..in_registers {
            values[index as usize] = self.put(Op::CallResult(index as u8));
        }
        if base != 0 {
            self.put(Op::MovePointer(-base));
        }
        if self.code.counts_depth() {
            self.put(Op::GiveDepth);
        }
        for _ in in_registers..results {
            self.push_entry(Entry::IN_MEMORY);
        }
        values[..in_registers as usize].iter().rev().for_each(|value| self.push(*value));
    }

    fn end_function(&mut self) {
        if self.function.id == FunctionId::MAIN {
            self.flush();
            return self.end(End::Return { end: self.stack.height });
        }
        let results = self.pass(self.results);
        let base = self.stack.height - i64::from(self.results);
        if base != 0 {
            self.put(Op::MovePointer(base));
        }
        self.end(End::EndCall { results });
    }

    // Regions.

    fn region(&self, id: RegionId) -> &Region {
        self.code.region(id)
    }

    fn begin_if(&mut self, id: RegionId) {
        let flag = self.pop();
        let is_level = self.region(id).is_level;
        if !is_level {
            self.flush();
        }
        let (then, other) = self.branch(flag);
        let stack = self.stack.clone();
        let height = stack.height;
        let kind = Kind::If { other: None };
        let mut open = OpenRegion { id: Some(id), is_level, exits: Vec::new(), height, kind };
        match self.region(id).kind {
            RegionKind::If { otherwise: Some(_) } => open.kind = Kind::If { other: Some((other, stack)) },
            _ => open.exits.push((other, stack)),
        }
        self.open.push(open);
        self.begin(then);
    }

    fn otherwise(&mut self) {
        self.exit_region(self.open.len() - 1);
        let Some(OpenRegion { kind: Kind::If { other }, .. }) = self.open.last_mut() else {
            unreachable!("ELSE belongs to the innermost open `if`")
        };
        let (block, stack) = other.take().expect("an `if` has at most one ELSE");
        self.stack = stack;
        self.begin(block);
    }

    /// Continues the current path at the end of an open region, if it can be reached.
    fn exit_region(&mut self, index: usize) {
        if let Some(block) = self.current.take() {
            self.open[index].exits.push((block, self.stack.clone()));
        }
    }

    fn leave(&mut self, id: RegionId) {
        let left = self.open.iter().rposition(|open| open.id == Some(id));
        self.exit_region(left.expect("`leave` is in the loop"));
    }

    fn begin_times(&mut self, id: RegionId) {
        let count = self.pop();
        let mut exits = Vec::new();
        if !self.region(id).is_level {
            self.flush();
        }
        if !matches!(self.function.constant(count), Some(1..)) {
            let (then, other) = (self.block(), self.block());
            self.end(End::BranchImm { cond: Cond::Gt, a: count, imm: 0, then, other });
            exits.push((other, self.stack.clone()));
            self.begin(then);
        }
        self.begin_loop(id, Some(count), None, exits);
    }

    /// Returns the number of operations after this one that it built as well.
    fn begin_while(&mut self, id: RegionId) -> usize {
        let Some(condition) = self.code.repeatable_condition(self.region(id), REPEATED) else {
            self.begin_loop(id, None, None, Vec::new());
            return 0;
        };
        let exit = self.condition(condition.clone());
        let built = condition.len() + 1;
        self.begin_loop(id, None, Some(condition), vec![exit]);
        built
    }

    /// Builds the operations of a condition and branches. Continues where the condition holds. Returns the other path.
    fn condition(&mut self, condition: Range<usize>) -> (Block, Stack) {
        let after = condition.end as u32;
        for index in condition {
            self.pc = index as u32;
            self.straight(self.code.ops()[index]);
        }
        self.pc = after;
        let flag = self.pop();
        let (then, other) = self.branch(flag);
        self.begin(then);
        (other, self.stack.clone())
    }

    /// Whether a region makes calls after inlining.
    fn has_calls(&self, region: &Region) -> bool {
        region.has_call && self.inlined.makes_call(region.start.0..region.end.0)
    }

    fn begin_loop(
        &mut self,
        id: RegionId,
        count: Option<Value>,
        condition: Option<Range<usize>>,
        exits: Vec<(Block, Stack)>,
    ) {
        let region = *self.region(id);
        let header = self.block();
        self.function.block_mut(header).is_innermost_header = region.is_innermost;
        let mut args = Vec::new();
        let counter = count.map(|count| {
            args.push(count);
            self.param(header)
        });
        if region.is_level && self.has_calls(&region) {
            // Every call would have to store what the iteration has changed. So the values are in memory at the header as well.
            let height = self.stack.height;
            for slot in self.stack.low().max(height.saturating_sub(region.reach))..height {
                self.store(slot);
                self.stack.set(slot, Entry::IN_MEMORY);
            }
        } else if region.is_level {
            let height = self.stack.height;
            let mut stack = self.stack.clone();
            let first = height - region.reach.clamp(0, WINDOW);
            // Values that the loop may change, but that are too deep to be parameters.
            for slot in self.stack.low().max(height.saturating_sub(region.reach))..first {
                self.store(slot);
                stack.set(slot, Entry::IN_MEMORY);
            }
            for slot in first..height {
                if slot >= self.stack.known {
                    args.push(self.read(slot));
                    let param = self.param(header);
                    stack.set(slot, Entry::new(param));
                } else {
                    // The slot may not have a value, so it is not loaded.
                    self.store(slot);
                    stack.set(slot, Entry::IN_MEMORY);
                }
            }
            self.stack = stack;
        } else {
            self.flush();
            // The height may differ between iterations, so nothing is known about the slots below it.
            self.stack = Stack::in_memory(self.stack.height, self.stack.height);
        }
        self.end(End::Jump(Edge { to: header, args }));
        self.begin(header);
        let kind = Kind::Loop { header, stack: self.stack.clone(), counter, condition };
        let (is_level, height) = (region.is_level, self.stack.height);
        self.open.push(OpenRegion { id: Some(id), is_level, exits, height, kind });
    }

    fn leave_if_zero(&mut self) {
        let flag = self.pop();
        let open = self.open.last().expect("the loop is open");
        if !open.is_level {
            self.flush();
        }
        let (then, other) = self.branch(flag);
        let path = (other, self.stack.clone());
        let open = self.open.last_mut().expect("the loop is open");
        open.exits.push(path);
        // A loop that is not level may be left with another height than that of its start.
        open.height = self.stack.height;
        self.begin(then);
    }

    fn next(&mut self) {
        if self.current.is_some() {
            let (counter, is_level) = match self.open.last() {
                Some(OpenRegion { kind: Kind::Loop { counter: Some(counter), .. }, is_level, .. }) => {
                    (*counter, *is_level)
                }
                _ => unreachable!("a `times` loop has a counter"),
            };
            if !is_level {
                let height = self.header_height();
                self.flush_and_set_height(height);
            }
            let left = self.put(Op::AluImm(AluOp::Add, counter, -1));
            let (then, other) = self.branch(left);
            let path = (other, self.stack.clone());
            self.open.last_mut().expect("the loop is open").exits.push(path);
            self.begin(then);
            self.back_edge(Some(left));
        }
        self.end_region();
    }

    fn header_height(&self) -> i64 {
        match self.open.last() {
            Some(OpenRegion { kind: Kind::Loop { stack, .. }, .. }) => stack.height,
            _ => unreachable!("regions nest"),
        }
    }

    fn repeat(&mut self) {
        if self.current.is_some() {
            let condition = match self.open.last() {
                Some(OpenRegion { kind: Kind::Loop { condition, .. }, .. }) => condition.clone(),
                _ => unreachable!("regions nest"),
            };
            if let Some(condition) = condition {
                let path = self.condition(condition);
                self.open.last_mut().expect("the loop is open").exits.push(path);
            }
            self.back_edge(None);
        }
        self.end_region();
    }

    /// Jumps to the header of the innermost open loop.
    fn back_edge(&mut self, counter: Option<Value>) {
        let open = self.open.last().expect("the loop is open");
        let Kind::Loop { header, stack, .. } = &open.kind else { unreachable!("regions nest") };
        let (header, stack) = (*header, stack.clone());
        if !open.is_level {
            self.flush_and_set_height(stack.height);
        }
        self.jump(header, &stack, counter.into_iter().collect());
    }

    /// Ends the current block with a jump to a block that expects this stack. `args` are the arguments before those for the slots.
    fn jump(&mut self, to: Block, expected: &Stack, mut args: Vec<Value>) {
        let params = self.function.block(to).params.clone();
        for slot in self.stack.low().min(expected.low())..expected.height {
            let entry = expected.get(slot);
            if entry.value.is_some() && entry.value == params.get(args.len()).copied() {
                args.push(self.read(slot));
            } else if entry.is_stored {
                self.store(slot);
            }
        }
        self.end(End::Jump(Edge { to, args }));
    }

    /// Ends the innermost open region: joins the paths to its end.
    fn end_region(&mut self) {
        self.exit_region(self.open.len() - 1);
        let OpenRegion { id, is_level, mut exits, height, .. } = self.open.pop().expect("regions nest");
        if is_level && exits.len() == 1 {
            let (block, stack) = exits.remove(0);
            self.stack = stack;
            return self.resume(block);
        }
        if exits.is_empty() {
            // Nothing is built after a region without an end, except after a `times` loop, where it does not matter whether its count is
            // positive, and after a call of a function that never returns. These blocks are removed at last.
            if id.is_none_or(|id| matches!(self.region(id).kind, RegionKind::Times { .. })) {
                let unreachable = self.block();
                self.begin(unreachable);
                self.stack = Stack::in_memory(height, 0);
            }
            return;
        }
        let join = self.block();
        let stack = if is_level { self.join(join, &exits) } else { Stack::in_memory(height, height) };
        for (block, from) in exits {
            self.resume(block);
            self.stack = from;
            if !is_level {
                self.flush_and_set_height(height);
            }
            self.jump(join, &stack, Vec::new());
        }
        self.stack = stack;
        self.begin(join);
    }

    /// Continues in a block that is not complete.
    fn resume(&mut self, block: Block) {
        if self.is_begun[block.index()] {
            self.current = Some(block);
        } else {
            self.begin(block);
        }
    }

    /// The stack at a join of paths with these stacks, with a parameter for each slot in which they differ.
    fn join(&mut self, join: Block, exits: &[(Block, Stack)]) -> Stack {
        let (_, first) = &exits[0];
        let known = exits.iter().map(|(_, stack)| stack.known).max().unwrap_or(0);
        let mut stack = Stack::in_memory(first.height, known);
        let low = exits.iter().map(|(_, stack)| stack.low()).min().unwrap_or(first.height);
        for slot in low.max(first.height - WINDOW)..first.height {
            let Entry { value, .. } = first.get(slot);
            let is_stored = exits.iter().all(|(_, stack)| stack.get(slot).is_stored);
            let entry = if exits.iter().all(|(_, stack)| stack.get(slot).value == value) {
                Entry { value, is_stored }
            } else if is_stored
                // A slot that may not have a value cannot be loaded on the paths that do not have its value.
                || !exits.iter().all(|(_, stack)| stack.get(slot).value.is_some() || slot >= stack.known)
            {
                Entry::IN_MEMORY
            } else {
                Entry::new(self.param(join))
            };
            stack.set(slot, entry);
        }
        stack
    }
}
