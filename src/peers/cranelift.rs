//! `cranelift`: the bytecode, compiled by the optimizing compiler of that name.
//!
//! If the depth is known everywhere, each slot of the stack is a variable, so Cranelift sees values and no stack.
//! The stack is loaded at entry and stored at the end. If loops change the depth, values are in memory and a
//! variable points to them. The code is called like that of our own emitters, and is checked in the same way.

use std::rc::Rc;

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{AbiParam, Block, Function, InstBuilder, MemFlags, Signature, UserFuncName, Value, types};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};

use super::operations::{cranelift_alu, cranelift_condition, cranelift_unary};
use crate::bytecode::{Bytecode, Op, Pc, RegionId, RegionKind};
use crate::engine::{Engine, Phase, PhaseClock, PrepareError, Prepared, Task};
use crate::exec::{Code, Entry, Exit, Requirements, Store};
use crate::lang::Word;
use crate::lang::words::{Class, Meaning};
use crate::lir::{DivOp, frame};
use crate::outcome::Trap;

/// The name of the engine.
pub const NAME: &str = "cranelift";

/// The deepest nesting that it compiles: its time grows with the cube of the nesting, to one second at 200.
const MOST_NESTING: usize = 200;

/// Cranelift for this host.
pub struct Cranelift {
    isa: Result<OwnedTargetIsa, String>,
    context: Context,
    builder: FunctionBuilderContext,
}

impl Default for Cranelift {
    fn default() -> Cranelift {
        Cranelift { isa: host(), context: Context::new(), builder: FunctionBuilderContext::new() }
    }
}

/// All features of the host, optimized for speed.
fn host() -> Result<OwnedTargetIsa, String> {
    let mut flags = settings::builder();
    for (name, value) in [("opt_level", "speed"), ("enable_verifier", "false"), ("enable_probestack", "false")] {
        flags.set(name, value).map_err(|error| error.to_string())?;
    }
    let flags = settings::Flags::new(flags);
    cranelift_native::builder()?.finish(flags).map_err(|error| error.to_string())
}

impl Engine for Cranelift {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError> {
        let Ok(isa) = &self.isa else {
            let reason = format!("Cranelift does not support {}", std::env::consts::ARCH);
            return Err(PrepareError::Unsupported { engine: NAME, reason });
        };
        PrepareError::decline(NAME, task.program())?;
        if task.program().ast().nesting() > MOST_NESTING {
            let reason = format!("compiling more than {MOST_NESTING} nested bodies would take minutes");
            return Err(PrepareError::Peer { engine: NAME, reason });
        }
        let code = task.bytecode(clock)?;
        clock.begin(Phase::Generate);
        self.context.clear();
        let mut signature = Signature::new(isa.default_call_conv());
        signature.params.push(AbiParam::new(types::I64));
        signature.returns.push(AbiParam::new(types::I64));
        self.context.func = Function::with_name_signature(UserFuncName::user(0, 0), signature);
        Translator::new(&code, FunctionBuilder::new(&mut self.context.func, &mut self.builder)).translate();
        let compiled = self
            .context
            .compile(&**isa, &mut ControlPlane::default())
            .map_err(|error| PrepareError::Peer { engine: NAME, reason: error.inner.to_string() })?;
        assert!(compiled.buffer.relocs().is_empty(), "the code calls nothing");
        clock.begin(Phase::Seal);
        let requirements = Requirements {
            frame_slots: 0,
            inputs: code.inputs(),
            stack_limit: code.stack_limit() as usize,
            cells: code.cells(),
            control_bytes: 0,
            depth: code.greatest_depth(),
        };
        let sealed = Code::new(compiled.buffer.data()).map_err(|error| PrepareError::not_sealed(NAME, error))?;
        // SAFETY: Cranelift compiled for this host and its C calling convention. The translation accesses the same memory as our
        // own tiers, with the same checks.
        #[expect(unsafe_code, reason = "the proof needs to know how the code was compiled")]
        let entry = unsafe { Entry::new(sealed, requirements) };
        Ok(Box::new(CraneliftCode { entry, code }))
    }
}

struct CraneliftCode {
    entry: Entry,
    code: Rc<Bytecode>,
}

impl Prepared for CraneliftCode {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        let fuel = self.code.begin(inputs, fuel, stack);
        match self.entry.run(stack, fuel) {
            Exit::Done => Ok(()),
            // The site is the number of the operation that trapped, and the pointer shows the depth.
            Exit::Trap { site, pointer, .. } => Err(self.code.trap(Pc(site), || pointer as u64)),
        }
    }

    fn code(&self) -> Option<&[u8]> {
        Some(self.entry.code().bytes())
    }
}

/// The depth before each operation that control reaches; `None` unless every region is level and no checks remain.
fn depths(code: &Bytecode) -> Option<Vec<usize>> {
    let has_checks = code.ops().iter().any(|op| matches!(op, Op::Need { .. } | Op::Room { .. }));
    if has_checks || code.regions().iter().any(|region| !region.is_level) {
        return None;
    }
    let mut depth = code.inputs();
    let mut depths = Vec::with_capacity(code.ops().len());
    // For each open region, the depth at its end; for an `if` with ELSE, the depth at the start of ELSE, and then that at the end
    // of THEN if it can be reached.
    let mut open: Vec<(usize, Option<usize>)> = Vec::new();
    let mut is_dead = false;
    for op in code.ops() {
        depths.push(depth);
        match *op {
            Op::Call(_) | Op::CallDepth | Op::Frame { .. } => todo!(),
            Op::Literal(_) | Op::Pick(_) => depth += 1,
            Op::Put(_) => depth -= 1,
            Op::Word(word) => depth = depth - word.pops() + word.pushes(),
            Op::Times(_) | Op::If(_) => {
                depth -= 1;
                open.push((depth, None));
            }
            Op::While(_) => open.push((depth, None)),
            Op::LeaveIfZero(_) => {
                depth -= 1;
                open.last_mut().expect("the loop is open").0 = depth;
            }
            Op::Leave(_) | Op::Exit => is_dead = true,
            Op::Else(_) => {
                let (at_else, then) = open.last_mut().expect("the `if` is open");
                *then = (!std::mem::take(&mut is_dead)).then_some(depth);
                depth = *at_else;
            }
            Op::Next(_) | Op::Repeat(_) => (depth, is_dead) = (open.pop().expect("the loop is open").0, false),
            Op::EndIf(id) => {
                let (at_end, then) = open.pop().expect("the `if` is open");
                let has_else = code.region(id).kind != (RegionKind::If { otherwise: None });
                if let Some(end) = if has_else { then } else { Some(at_end) } {
                    (depth, is_dead) = (end, false);
                }
            }
            Op::Fuel | Op::Need { .. } | Op::Room { .. } | Op::Return => {}
        }
    }
    Some(depths)
}

/// The operations that may execute directly after an operation.
fn successors(code: &Bytecode, index: usize) -> impl Iterator<Item = usize> + use<> {
    let op = code.ops()[index];
    let falls_through = !matches!(op, Op::Repeat(_) | Op::Else(_) | Op::Leave(_) | Op::Exit | Op::Return);
    code.target(op).map(Pc::index).into_iter().chain(falls_through.then_some(index + 1))
}

/// The locations of the values.
enum Values {
    /// In variables, one per slot; the first `depth` hold values.
    Variables { slots: Vec<Variable>, depth: usize },
    /// In memory, below the address in this variable.
    Memory { pointer: Variable },
}

/// Translates bytecode into a Cranelift function.
struct Translator<'a> {
    code: &'a Bytecode,
    function: FunctionBuilder<'a>,
    depths: Option<Vec<usize>>,
    values: Values,
    counters: Vec<Variable>,
    fuel: Variable,
    /// The frame that the caller passes, and the address of the lowest slot.
    frame: Value,
    bottom: Value,
}

const I64: types::Type = types::I64;

impl<'a> Translator<'a> {
    fn new(code: &'a Bytecode, mut function: FunctionBuilder<'a>) -> Translator<'a> {
        let entry = function.create_block();
        function.append_block_params_for_function_params(entry);
        function.switch_to_block(entry);
        function.seal_block(entry);
        let frame = function.block_params(entry)[0];
        let load =
            |function: &mut FunctionBuilder, offset| function.ins().load(I64, MemFlags::trusted(), frame, offset);
        let bottom = load(&mut function, frame::BOTTOM);
        let fuel = function.declare_var(I64);
        let all = load(&mut function, frame::FUEL);
        function.def_var(fuel, all);
        let counters = (0..code.main().counters).map(|_| function.declare_var(I64)).collect();
        let depths = depths(code);
        let values = match &depths {
            Some(depths) => {
                let most = depths.iter().max().copied().unwrap_or(0);
                // An operation may push, so the depth after it may be greater than any depth before an operation.
                let slots: Vec<Variable> = (0..most + 2).map(|_| function.declare_var(I64)).collect();
                for (index, slot) in slots[..code.inputs()].iter().enumerate() {
                    let value = function.ins().load(I64, MemFlags::trusted(), bottom, offset(index));
                    function.def_var(*slot, value);
                }
                Values::Variables { slots, depth: code.inputs() }
            }
            None => {
                let pointer = function.declare_var(I64);
                let begin = function.ins().iadd_imm(bottom, 8 * code.inputs() as i64);
                function.def_var(pointer, begin);
                Values::Memory { pointer }
            }
        };
        Translator { code, function, depths, values, counters, fuel, frame, bottom }
    }

    fn translate(mut self) {
        // A block starts at each target, and after each operation that branches. It is sealed when its last predecessor
        // is known: sealing it late would add parameters for variables that nothing changes.
        let ops = self.code.ops();
        let mut blocks: Vec<Option<Block>> = vec![None; ops.len()];
        let mut ways = vec![0_u32; ops.len()];
        for (index, op) in ops.iter().enumerate() {
            for next in successors(self.code, index) {
                ways[next] += 1;
            }
            let target = self.code.target(*op);
            let behind = target.is_some() && index + 1 < ops.len();
            for leader in target.map(Pc::index).into_iter().chain(behind.then_some(index + 1)) {
                if blocks[leader].is_none() {
                    blocks[leader] = Some(self.function.create_block());
                }
            }
        }
        // The function's entry precedes the first operation.
        ways[0] += 1;
        let mut is_reached = true;
        for (index, &op) in ops.iter().enumerate() {
            if let Some(block) = blocks[index] {
                if is_reached {
                    self.function.ins().jump(block, &[]);
                }
                self.function.switch_to_block(block);
                if index == 0 {
                    ways[0] -= 1;
                }
                if ways[index] == 0 {
                    self.function.seal_block(block);
                }
                is_reached = true;
            }
            if let (Values::Variables { depth, .. }, Some(depths)) = (&mut self.values, &self.depths) {
                *depth = depths[index];
            }
            if is_reached {
                is_reached = self.op(Pc(index as u32), op, &blocks);
            }
            for next in successors(self.code, index) {
                ways[next] -= 1;
                // Later blocks are sealed when they start, because their predecessors may not be emitted yet.
                if let (true, 0, Some(block)) = (next <= index, ways[next], blocks[next]) {
                    self.function.seal_block(block);
                }
            }
        }
        self.function.seal_all_blocks();
        self.function.finalize();
    }

    fn counter(&self, id: RegionId) -> Variable {
        self.counters[self.code.counter(id).0 as usize]
    }

    /// Translates one operation. Returns whether control falls through to the next operation in the same block.
    fn op(&mut self, pc: Pc, op: Op, blocks: &[Option<Block>]) -> bool {
        let block = |pc: Pc| blocks[pc.index()].expect("every target starts a block");
        let next = Pc(pc.0 + 1);
        let code = self.code;
        let target = || block(code.target(op).expect("a branch has a target"));
        match op {
            Op::Call(_) | Op::CallDepth | Op::Frame { .. } => todo!(),
            Op::Literal(value) => {
                let value = self.function.ins().iconst(I64, value);
                self.push(value);
            }
            Op::Pick(depth) => {
                let value = self.peek(depth as usize);
                self.push(value);
            }
            Op::Put(depth) => {
                let value = self.pop();
                self.replace(depth as usize, value);
            }
            Op::Word(word) if let Meaning::Unary(op) = word.meaning() => {
                let a = self.pop();
                let result = cranelift_unary(&mut self.function, op, a);
                self.push(result);
            }
            Op::Word(word) if word.class() == Class::Shuffle => {
                let mut operands: Vec<Value> = (0..word.pops()).map(|_| self.pop()).collect();
                operands.reverse();
                word.origins().iter().for_each(|&operand| self.push(operands[operand]));
            }
            Op::Word(word) => {
                let (b, a) = (self.pop(), self.pop());
                let result = self.word(pc, word, a, b);
                self.push(result);
            }
            Op::Times(id) => {
                let count = self.pop();
                self.function.def_var(self.counter(id), count);
                let runs = self.function.ins().icmp_imm(IntCC::SignedGreaterThan, count, 0);
                self.function.ins().brif(runs, block(next), &[], target(), &[]);
                return false;
            }
            Op::Next(id) => {
                let counter = self.counter(id);
                let left = self.function.use_var(counter);
                let left = self.function.ins().iadd_imm(left, -1);
                self.function.def_var(counter, left);
                self.function.ins().brif(left, target(), &[], block(next), &[]);
                return false;
            }
            Op::If(_) | Op::LeaveIfZero(_) => {
                let flag = self.pop();
                self.function.ins().brif(flag, block(next), &[], target(), &[]);
                return false;
            }
            Op::Repeat(_) | Op::Else(_) | Op::Leave(_) => {
                self.function.ins().jump(target(), &[]);
                return false;
            }
            Op::While(_) | Op::EndIf(_) => {}
            Op::Fuel => {
                let fuel = self.function.use_var(self.fuel);
                let is_empty = self.function.ins().icmp_imm(IntCC::Equal, fuel, 0);
                self.trap_if(is_empty, pc);
                let left = self.function.ins().iadd_imm(fuel, -1);
                self.function.def_var(self.fuel, left);
            }
            Op::Need { values, .. } => {
                let depth = self.depth();
                let needed = self.function.ins().iconst(I64, values as i64);
                let fails = self.function.ins().icmp(IntCC::UnsignedLessThan, depth, needed);
                self.trap_if(fails, pc);
            }
            Op::Room { values, .. } => {
                let depth = self.depth();
                let limit = self.function.ins().iconst(I64, self.code.stack_limit() as i64);
                let room = self.function.ins().isub(limit, depth);
                let needed = self.function.ins().iconst(I64, values as i64);
                let fails = self.function.ins().icmp(IntCC::UnsignedGreaterThan, needed, room);
                self.trap_if(fails, pc);
            }
            Op::Exit | Op::Return => {
                self.leave(0);
                return false;
            }
        }
        true
    }

    fn word(&mut self, pc: Pc, word: Word, a: Value, b: Value) -> Value {
        match word.meaning() {
            Meaning::Load | Meaning::Store => todo!(),
            Meaning::Alu(op) => cranelift_alu(&mut self.function, op, a, b),
            Meaning::Compare(cond) => {
                let flag = self.function.ins().icmp(cranelift_condition(cond), a, b);
                self.function.ins().uextend(I64, flag)
            }
            Meaning::Divide(op) => self.division(pc, op, a, b),
            Meaning::Unary(_) | Meaning::Shuffle => unreachable!("only words with two operands and one result"),
        }
    }

    /// Emits a division. It handles the divisors 0 and -1 itself, so Cranelift's own division never traps.
    fn division(&mut self, pc: Pc, op: DivOp, a: Value, b: Value) -> Value {
        let is_zero = self.function.ins().icmp_imm(IntCC::Equal, b, 0);
        self.trap_if(is_zero, pc);
        let [negated, divided, joined] = [(); 3].map(|()| self.function.create_block());
        self.function.append_block_param(joined, I64);
        let is_minus_one = self.function.ins().icmp_imm(IntCC::Equal, b, -1);
        self.function.ins().brif(is_minus_one, negated, &[], divided, &[]);
        self.function.switch_to_block(negated);
        self.function.seal_block(negated);
        let result = match op {
            DivOp::Quotient => self.function.ins().ineg(a),
            DivOp::Remainder => self.function.ins().iconst(I64, 0),
        };
        self.function.ins().jump(joined, &[result.into()]);
        self.function.switch_to_block(divided);
        self.function.seal_block(divided);
        let result = match op {
            DivOp::Quotient => self.function.ins().sdiv(a, b),
            DivOp::Remainder => self.function.ins().srem(a, b),
        };
        self.function.ins().jump(joined, &[result.into()]);
        self.function.switch_to_block(joined);
        self.function.seal_block(joined);
        self.function.block_params(joined)[0]
    }

    /// Traps at this operation if the condition holds.
    fn trap_if(&mut self, condition: Value, pc: Pc) {
        let [trap, on] = [(); 2].map(|()| self.function.create_block());
        self.function.set_cold_block(trap);
        self.function.ins().brif(condition, trap, &[], on, &[]);
        self.function.switch_to_block(trap);
        self.function.seal_block(trap);
        self.leave(i64::from(pc.0) + 1);
        self.function.switch_to_block(on);
        self.function.seal_block(on);
    }

    /// Emits a return with this status. It stores the address above the top value in the frame. If the status is 0, it also
    /// stores the values that are in variables to memory.
    fn leave(&mut self, status: i64) {
        let pointer = match &self.values {
            Values::Memory { pointer } => self.function.use_var(*pointer),
            Values::Variables { slots, depth } => {
                if status == 0 {
                    for (index, slot) in slots[..*depth].iter().enumerate() {
                        let value = self.function.use_var(*slot);
                        self.function.ins().store(MemFlags::trusted(), value, self.bottom, offset(index));
                    }
                }
                self.function.ins().iadd_imm(self.bottom, 8 * *depth as i64)
            }
        };
        self.function.ins().store(MemFlags::trusted(), pointer, self.frame, frame::POINTER);
        let status = self.function.ins().iconst(I64, status);
        self.function.ins().return_(&[status]);
    }

    /// The number of values.
    fn depth(&mut self) -> Value {
        match &self.values {
            Values::Variables { depth, .. } => self.function.ins().iconst(I64, *depth as i64),
            Values::Memory { pointer } => {
                let pointer = self.function.use_var(*pointer);
                let bytes = self.function.ins().isub(pointer, self.bottom);
                self.function.ins().sshr_imm(bytes, 3)
            }
        }
    }

    fn push(&mut self, value: Value) {
        match &mut self.values {
            Values::Variables { slots, depth } => {
                self.function.def_var(slots[*depth], value);
                *depth += 1;
            }
            Values::Memory { pointer } => {
                let at = self.function.use_var(*pointer);
                self.function.ins().store(MemFlags::trusted(), value, at, 0);
                let above = self.function.ins().iadd_imm(at, 8);
                self.function.def_var(*pointer, above);
            }
        }
    }

    fn pop(&mut self) -> Value {
        let value = self.peek(0);
        match &mut self.values {
            Values::Variables { depth, .. } => *depth -= 1,
            Values::Memory { pointer } => {
                let at = self.function.use_var(*pointer);
                let below = self.function.ins().iadd_imm(at, -8);
                self.function.def_var(*pointer, below);
            }
        }
        value
    }

    /// The value at this depth below the top.
    fn peek(&mut self, below: usize) -> Value {
        match self.values {
            Values::Variables { ref slots, depth } => self.function.use_var(slots[depth - 1 - below]),
            Values::Memory { pointer } => {
                let at = self.address(pointer, below);
                self.function.ins().load(I64, MemFlags::trusted(), at, 0)
            }
        }
    }

    /// Replaces the value at this depth below the top.
    fn replace(&mut self, below: usize, value: Value) {
        match self.values {
            Values::Variables { ref slots, depth } => self.function.def_var(slots[depth - 1 - below], value),
            Values::Memory { pointer } => {
                let at = self.address(pointer, below);
                self.function.ins().store(MemFlags::trusted(), value, at, 0);
            }
        }
    }

    /// The address of the value at this depth below the top of a stack in memory.
    fn address(&mut self, pointer: Variable, below: usize) -> Value {
        let pointer = self.function.use_var(pointer);
        // If `below` exceeds the depth of every stack, a check before this operation always fails, so the address is never
        // used.
        let distance = (below as i64).wrapping_add(1).wrapping_mul(-8);
        self.function.ins().iadd_imm(pointer, distance)
    }
}

/// The offset in bytes of a slot from the lowest.
fn offset(slot: usize) -> i32 {
    i32::try_from(8 * slot).expect("no program has that many inputs")
}
