//! `cranelift`: the bytecode, compiled by the optimizing compiler of that name.
//!
//! If the depth is known everywhere, each slot of the stack is a variable, so Cranelift sees values and no stack.
//! The stack is loaded at entry and stored at the end. If loops change the depth, values are in memory and a
//! variable points to them. The code is called like that of our own emitters, and is checked in the same way.
//!
//! Each definition is a function of Cranelift. Parameters and results are its own if the values are in variables. It also returns
//! a status, which its caller tests: a trap returns through all calls. The code runs on the host's stack, or on a new one if that
//! is too small.

use std::collections::HashMap;
use std::rc::Rc;

use cranelift_codegen::Context;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, Block, ExtFuncData, ExternalName, FuncRef, Function, InstBuilder, MemFlags, Signature, UserExternalName,
    UserExternalNameRef, UserFuncName, Value, types,
};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{FinalizedMachReloc, FinalizedRelocTarget};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};

use super::operations::{cranelift_alu, cranelift_condition, cranelift_unary};
use crate::bytecode::{Bytecode, FunctionId, Op, Pc, RegionId, RegionKind};
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
        if task.program().ast().nesting() > MOST_NESTING {
            let reason = format!("compiling more than {MOST_NESTING} nested bodies would take minutes");
            return Err(PrepareError::Peer { engine: NAME, reason });
        }
        let code = task.bytecode(clock)?;
        clock.begin(Phase::Generate);
        let shape = Shape::of(&code);
        let refuse = |reason: String| PrepareError::Peer { engine: NAME, reason };
        let mut linker = Linker::default();
        for id in (0..code.functions().len() as u32).map(FunctionId) {
            self.context.clear();
            let signature = shape.signature(&code, id, isa.default_call_conv());
            self.context.func = Function::with_name_signature(UserFuncName::user(0, id.0), signature);
            let function = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
            Translator::new(&code, &shape, id, function).translate(isa.default_call_conv());
            let callees = self.context.func.params.user_named_funcs().clone();
            let compiled = self
                .context
                .compile(&**isa, &mut ControlPlane::default())
                .map_err(|error| refuse(error.inner.to_string()))?;
            let frame = compiled.buffer.frame_layout().map_or(0, |layout| layout.frame_to_fp_offset as usize);
            linker.add(compiled.buffer.data(), compiled.buffer.relocs(), frame, |name| callees[name].index);
        }
        let stack_bytes = linker.stack_bytes(&code).ok_or_else(|| {
            refuse(format!(
                "the program and {} active calls do not fit {} MiB of the host's stack",
                code.greatest_depth(),
                MOST_STACK >> 20
            ))
        })?;
        let bytes = linker.link().map_err(refuse)?;
        clock.begin(Phase::Seal);
        let requirements = Requirements {
            frame_slots: 0,
            inputs: code.inputs(),
            stack_limit: code.stack_limit() as usize,
            cells: code.cells(),
            control_bytes: 0,
            depth: code.greatest_depth(),
        };
        let sealed = Code::new(&bytes).map_err(|error| PrepareError::not_sealed(NAME, error))?;
        // SAFETY: Cranelift compiled for this host and its C calling convention. The translation accesses the same memory as our
        // own tiers, with the same checks. Besides that, it uses the host's stack, for which `run` provides room.
        #[expect(unsafe_code, reason = "the proof needs to know how the code was compiled")]
        let entry = unsafe { Entry::new(sealed, requirements) };
        Ok(Box::new(CraneliftCode { entry, code, stack_bytes }))
    }
}

struct CraneliftCode {
    entry: Entry,
    code: Rc<Bytecode>,
    /// The bytes of the host's stack that the program and its calls may need.
    stack_bytes: usize,
}

/// The most bytes of the host's stack that a program and its calls may need.
const MOST_STACK: usize = 1 << 30;

/// Room for what is on the host's stack besides calls.
const STACK_MARGIN: usize = 1 << 16;

/// The code of all functions, and the calls that are not linked yet.
#[derive(Default)]
struct Linker {
    bytes: Vec<u8>,
    starts: Vec<usize>,
    /// The offset of each call and the function that it calls.
    calls: Vec<(usize, Reloc, i64, u32)>,
    largest_frame: usize,
}

impl Linker {
    fn add(
        &mut self,
        code: &[u8],
        relocs: &[FinalizedMachReloc],
        frame: usize,
        number: impl Fn(UserExternalNameRef) -> u32,
    ) {
        self.bytes.resize(self.bytes.len().next_multiple_of(32), 0);
        let start = self.bytes.len();
        self.starts.push(start);
        self.bytes.extend_from_slice(code);
        self.largest_frame = self.largest_frame.max(frame);
        for reloc in relocs {
            let FinalizedRelocTarget::ExternalName(ExternalName::User(name)) = reloc.target else {
                unreachable!("the code refers only to functions");
            };
            self.calls.push((start + reloc.offset as usize, reloc.kind, reloc.addend, number(name)));
        }
    }

    /// The bytes of the host's stack that the program and its calls need; `None` if they are more than [`MOST_STACK`]. No code probes
    /// the stack, so a frame may otherwise be beyond the guard page.
    fn stack_bytes(&self, code: &Bytecode) -> Option<usize> {
        // Besides the frame: the return address, the saved frame pointer, and parameters and results that are on the stack.
        let on_stack = code.functions().iter().map(|function| function.params as usize + function.results as usize);
        let call = self.largest_frame + 64 + 8 * on_stack.max().unwrap_or(0);
        let frames = usize::try_from(code.greatest_depth()).ok()?.checked_add(1)?;
        frames.checked_mul(call).filter(|bytes| *bytes <= MOST_STACK)
    }

    /// Resolves the calls and returns the code.
    fn link(mut self) -> Result<Vec<u8>, String> {
        for (at, kind, addend, callee) in self.calls {
            let distance = self.starts[callee as usize] as i64 + addend - at as i64;
            let place = &mut self.bytes[at..at + 4];
            let value = match kind {
                Reloc::X86CallPCRel4 => i32::try_from(distance).map(|distance| distance as u32).ok(),
                Reloc::Arm64Call => {
                    let inst = u32::from_le_bytes(place.try_into().expect("four bytes"));
                    let fits = (-(1 << 27)..1 << 27).contains(&distance);
                    fits.then_some(inst & !0x3ff_ffff | (distance >> 2) as u32 & 0x3ff_ffff)
                }
                _ => return Err(format!("a call has the unknown relocation {kind:?}")),
            };
            let value = value.ok_or("a call does not reach its function")?;
            place.copy_from_slice(&value.to_le_bytes());
        }
        Ok(self.bytes)
    }
}

impl Prepared for CraneliftCode {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        let fuel = self.code.begin(inputs, fuel, stack);
        let bytes = self.stack_bytes + STACK_MARGIN;
        match stacker::maybe_grow(bytes, bytes + STACK_MARGIN, || self.entry.run(stack, fuel)) {
            Exit::Done => Ok(()),
            // The site is the number of the operation that trapped, and the pointer shows the depth.
            Exit::Trap { site, pointer, base } => {
                let base = if self.code.function_of(Pc(site)) == FunctionId::MAIN { 0 } else { base };
                Err(self.code.trap(Pc(site), || (pointer - base) as u64))
            }
        }
    }

    fn code(&self) -> Option<&[u8]> {
        Some(self.entry.code().bytes())
    }
}

/// What all functions of a program have in common.
struct Shape {
    /// The depth before each operation that control reaches, relative to the base of its function; `None` unless every region is
    /// level and no checks remain. Then values are in variables.
    depths: Option<Vec<usize>>,
    /// Whether definitions are told how many calls may still begin.
    counts_depth: bool,
    /// Whether definitions are told the depth of the stack at their base.
    counts_values: bool,
}

impl Shape {
    fn of(code: &Bytecode) -> Shape {
        let has_checks = code.ops().iter().any(|op| matches!(op, Op::Need { .. } | Op::Room { .. }));
        let are_known = !has_checks && code.regions().iter().all(|region| region.is_level);
        let depths = are_known.then(|| {
            let mut depths = Vec::with_capacity(code.ops().len());
            (0..code.functions().len() as u32).for_each(|id| add_depths(code, FunctionId(id), &mut depths));
            depths
        });
        let counts_values = depths.is_some() && code.ops().iter().any(|op| matches!(op, Op::Frame { .. }));
        Shape { depths, counts_depth: code.counts_depth(), counts_values }
    }

    /// The number of parameters of a definition besides its values: the frame, and what the program counts. In memory, the address
    /// above its topmost parameter takes the place of the values.
    fn extra_params(&self) -> usize {
        1 + usize::from(self.counts_depth) + usize::from(self.counts_values)
    }

    fn signature(&self, code: &Bytecode, id: FunctionId, host: CallConv) -> Signature {
        let function = &code.functions()[id.index()];
        let (params, results) = match (id, &self.depths) {
            (FunctionId::MAIN, _) => (1, 0),
            (_, Some(_)) => (self.extra_params() + function.params as usize, function.results as usize),
            (_, None) => (self.extra_params() + 1, 0),
        };
        // The host's convention returns two values in registers. The other one returns any number.
        let mut signature = Signature::new(if results > 1 { CallConv::Tail } else { host });
        signature.params = vec![AbiParam::new(I64); params];
        signature.returns = vec![AbiParam::new(I64); 1 + results];
        signature
    }
}

/// Appends the depth before each operation of a function, whose regions are level.
fn add_depths(code: &Bytecode, id: FunctionId, depths: &mut Vec<usize>) {
    let function = &code.functions()[id.index()];
    let mut depth = function.params as usize;
    // For each open region, the depth at its end; for an `if` with ELSE, the depth at the start of ELSE, and then that at the end
    // of THEN if it can be reached.
    let mut open: Vec<(usize, Option<usize>)> = Vec::new();
    let mut is_dead = false;
    for op in &code.ops()[function.start.index()..function.end.index()] {
        depths.push(depth);
        match *op {
            Op::Call(id) => {
                let callee = &code.functions()[id.index()];
                depth = depth - callee.params as usize + callee.results as usize;
            }
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
            Op::Fuel | Op::CallDepth | Op::Frame { .. } | Op::Need { .. } | Op::Room { .. } | Op::Return => {}
        }
    }
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
    shape: &'a Shape,
    id: FunctionId,
    function: FunctionBuilder<'a>,
    values: Values,
    counters: Vec<Variable>,
    /// The fuel, or `None` if it is in the frame, where all functions find it.
    fuel: Option<Variable>,
    /// The frame that the caller passes.
    frame: Value,
    /// The number of calls that may still begin, if the program counts them.
    calls_left: Option<Value>,
    /// The number of values below the base, if the program counts them.
    values_below: Option<Value>,
    /// The address of the base, if the values are in memory.
    base: Option<Value>,
    /// The functions that have been called, by their number.
    callees: HashMap<u32, FuncRef>,
}

const I64: types::Type = types::I64;

impl<'a> Translator<'a> {
    fn new(code: &'a Bytecode, shape: &'a Shape, id: FunctionId, mut function: FunctionBuilder<'a>) -> Translator<'a> {
        let entry = function.create_block();
        function.append_block_params_for_function_params(entry);
        function.switch_to_block(entry);
        function.seal_block(entry);
        let params: Vec<Value> = function.block_params(entry).to_vec();
        let counters = (0..code.functions()[id.index()].counters).map(|_| function.declare_var(I64)).collect();
        let mut translator = Translator {
            code,
            shape,
            id,
            function,
            values: Values::Variables { slots: Vec::new(), depth: 0 },
            counters,
            fuel: None,
            frame: params[0],
            calls_left: None,
            values_below: None,
            base: None,
            callees: HashMap::new(),
        };
        translator.begin(&params);
        translator
    }

    /// Puts parameters or inputs where values are.
    fn begin(&mut self, params: &[Value]) {
        let count = self.code.functions()[self.id.index()].params as usize;
        let is_main = self.id == FunctionId::MAIN;
        let mut extra = params[1..].iter().copied();
        if self.shape.counts_depth {
            self.calls_left = if is_main { Some(self.load(frame::DEPTH)) } else { extra.next() };
        }
        if self.shape.counts_values {
            self.values_below = if is_main { Some(self.function.ins().iconst(I64, 0)) } else { extra.next() };
        }
        if is_main && !self.code.has_calls() {
            let fuel = self.function.declare_var(I64);
            let all = self.load(frame::FUEL);
            self.function.def_var(fuel, all);
            self.fuel = Some(fuel);
        }
        let Some(depths) = &self.shape.depths else {
            let pointer = self.function.declare_var(I64);
            let (base, above) = if is_main {
                let bottom = self.bottom();
                (bottom, self.function.ins().iadd_imm(bottom, 8 * count as i64))
            } else {
                let above = extra.next().expect("a definition is told where its values are");
                (self.function.ins().iadd_imm(above, -8 * count as i64), above)
            };
            self.function.def_var(pointer, above);
            self.base = Some(base);
            self.values = Values::Memory { pointer };
            return;
        };
        let function = &self.code.functions()[self.id.index()];
        let most = depths[function.start.index()..function.end.index()].iter().max().copied().unwrap_or(0);
        // An operation may push, so the depth after it may be greater than any depth before an operation.
        let slots: Vec<Variable> = (0..most + 2).map(|_| self.function.declare_var(I64)).collect();
        for (index, slot) in slots[..count].iter().enumerate() {
            let value = if is_main {
                let bottom = self.bottom();
                self.function.ins().load(I64, MemFlags::trusted(), bottom, offset(index))
            } else {
                extra.next().expect("a definition gets its parameters")
            };
            self.function.def_var(*slot, value);
        }
        self.values = Values::Variables { slots, depth: count };
    }

    /// Loads a cell of the frame that does not change while the code runs.
    fn load(&mut self, offset: i32) -> Value {
        self.function.ins().load(I64, MemFlags::trusted().with_readonly().with_can_move(), self.frame, offset)
    }

    /// The address of the lowest slot.
    fn bottom(&mut self) -> Value {
        self.load(frame::BOTTOM)
    }

    fn translate(mut self, host: CallConv) {
        // A block starts at each target, and after each operation that branches. It is sealed when its last predecessor
        // is known: sealing it late would add parameters for variables that nothing changes.
        let function = &self.code.functions()[self.id.index()];
        let (start, end) = (function.start.index(), function.end.index());
        let ops = self.code.ops();
        let mut blocks: Vec<Option<Block>> = vec![None; end - start];
        let mut ways = vec![0_u32; end - start];
        for (index, op) in ops.iter().enumerate().take(end).skip(start) {
            for next in successors(self.code, index) {
                ways[next - start] += 1;
            }
            let target = self.code.target(*op);
            let behind = target.is_some() && index + 1 < end;
            for leader in target.map(Pc::index).into_iter().chain(behind.then_some(index + 1)) {
                if blocks[leader - start].is_none() {
                    blocks[leader - start] = Some(self.function.create_block());
                }
            }
        }
        // The function's entry precedes the first operation.
        ways[0] += 1;
        let mut is_reached = true;
        for index in start..end {
            if let Some(block) = blocks[index - start] {
                if is_reached {
                    self.function.ins().jump(block, &[]);
                }
                self.function.switch_to_block(block);
                if index == start {
                    ways[0] -= 1;
                }
                if ways[index - start] == 0 {
                    self.function.seal_block(block);
                }
                is_reached = true;
            }
            if let (Values::Variables { depth, .. }, Some(depths)) = (&mut self.values, &self.shape.depths) {
                *depth = depths[index];
            }
            if is_reached {
                let block = |pc: Pc| blocks[pc.index() - start].expect("every target starts a block");
                is_reached = match ops[index] {
                    Op::Call(callee) => self.call(callee, host),
                    op => self.op(Pc(index as u32), op, block),
                };
            }
            for next in successors(self.code, index) {
                ways[next - start] -= 1;
                // Later blocks are sealed when they start, because their predecessors may not be emitted yet.
                if let (true, 0, Some(block)) = (next <= index, ways[next - start], blocks[next - start]) {
                    self.function.seal_block(block);
                }
            }
        }
        self.function.seal_all_blocks();
        self.function.finalize();
    }

    /// Calls a definition. Returns with its status if that is not 0.
    fn call(&mut self, id: FunctionId, host: CallConv) -> bool {
        let callee = &self.code.functions()[id.index()];
        let (params, results) = (callee.params as usize, callee.results as usize);
        let reference = match self.callees.get(&id.0) {
            Some(reference) => *reference,
            None => {
                let signature = self.shape.signature(self.code, id, host);
                let signature = self.function.import_signature(signature);
                let name = UserExternalName { namespace: 0, index: id.0 };
                let name = ExternalName::user(self.function.func.declare_imported_user_function(name));
                let data = ExtFuncData { name, signature, colocated: true, patchable: false };
                let reference = self.function.import_function(data);
                self.callees.insert(id.0, reference);
                reference
            }
        };
        let mut arguments = vec![self.frame];
        arguments.extend(self.calls_left.map(|left| self.function.ins().iadd_imm(left, -1)));
        if let (Some(below), Values::Variables { depth, .. }) = (self.values_below, &self.values) {
            arguments.push(self.function.ins().iadd_imm(below, (*depth - params) as i64));
        }
        let in_memory = match self.values {
            Values::Memory { pointer } => Some(pointer),
            Values::Variables { .. } => None,
        };
        match in_memory {
            Some(pointer) => arguments.push(self.function.use_var(pointer)),
            None => {
                let mut values: Vec<Value> = (0..params).map(|_| self.pop()).collect();
                values.reverse();
                arguments.append(&mut values);
            }
        }
        let call = self.function.ins().call(reference, &arguments);
        let returned: Vec<Value> = self.function.inst_results(call).to_vec();
        let [failed, on] = [(); 2].map(|()| self.function.create_block());
        self.function.set_cold_block(failed);
        self.function.ins().brif(returned[0], failed, &[], on, &[]);
        self.function.switch_to_block(failed);
        self.function.seal_block(failed);
        self.return_status(returned[0]);
        self.function.switch_to_block(on);
        self.function.seal_block(on);
        match in_memory {
            Some(pointer) => {
                let above = self.function.use_var(pointer);
                let above = self.function.ins().iadd_imm(above, 8 * (results as i64 - params as i64));
                self.function.def_var(pointer, above);
            }
            None => returned[1..].iter().for_each(|value| self.push(*value)),
        }
        true
    }

    /// Returns with a status other than 0. The results do not matter.
    fn return_status(&mut self, status: Value) {
        let mut returned = vec![status];
        if self.id != FunctionId::MAIN && self.shape.depths.is_some() {
            let results = self.code.functions()[self.id.index()].results as usize;
            if results > 0 {
                let nothing = self.function.ins().iconst(I64, 0);
                returned.resize(1 + results, nothing);
            }
        }
        self.function.ins().return_(&returned);
    }

    fn counter(&self, id: RegionId) -> Variable {
        self.counters[self.code.counter(id).0 as usize]
    }

    /// Translates one operation. Returns whether control falls through to the next operation in the same block.
    fn op(&mut self, pc: Pc, op: Op, block: impl Fn(Pc) -> Block) -> bool {
        let next = Pc(pc.0 + 1);
        let code = self.code;
        let target = || block(code.target(op).expect("a branch has a target"));
        match op {
            Op::Call(_) => unreachable!("calls are translated elsewhere"),
            Op::CallDepth => {
                let left = self.calls_left.expect("the program counts calls");
                let is_none = self.function.ins().icmp_imm(IntCC::Equal, left, 0);
                self.trap_if(is_none, pc);
            }
            Op::Word(Word::Fetch) => {
                let address = self.pop();
                let cell = self.cell(pc, address);
                let value = self.function.ins().load(I64, MemFlags::trusted(), cell, 0);
                self.push(value);
            }
            Op::Word(Word::Store) => {
                let address = self.pop();
                let value = self.pop();
                let cell = self.cell(pc, address);
                self.function.ins().store(MemFlags::trusted(), value, cell, 0);
            }
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
                let fuel = match self.fuel {
                    Some(fuel) => self.function.use_var(fuel),
                    None => self.function.ins().load(I64, MemFlags::trusted(), self.frame, frame::FUEL),
                };
                let is_empty = self.function.ins().icmp_imm(IntCC::Equal, fuel, 0);
                self.trap_if(is_empty, pc);
                let left = self.function.ins().iadd_imm(fuel, -1);
                match self.fuel {
                    Some(fuel) => self.function.def_var(fuel, left),
                    None => {
                        self.function.ins().store(MemFlags::trusted(), left, self.frame, frame::FUEL);
                    }
                }
            }
            Op::Need { values, .. } => {
                let depth = self.depth();
                let needed = self.function.ins().iconst(I64, values as i64);
                let fails = self.function.ins().icmp(IntCC::UnsignedLessThan, depth, needed);
                self.trap_if(fails, pc);
            }
            Op::Room { values, .. } | Op::Frame { values } => {
                let depth = self.whole_depth();
                let limit = self.function.ins().iconst(I64, self.code.stack_limit() as i64);
                let room = self.function.ins().isub(limit, depth);
                let needed = self.function.ins().iconst(I64, values as i64);
                let fails = self.function.ins().icmp(IntCC::UnsignedGreaterThan, needed, room);
                self.trap_if(fails, pc);
            }
            Op::Exit | Op::Return if self.id == FunctionId::MAIN => {
                self.leave(0);
                return false;
            }
            Op::Exit | Op::Return => {
                self.return_results();
                return false;
            }
        }
        true
    }

    /// Returns from a definition with its results, which are all of its values.
    fn return_results(&mut self) {
        let mut returned = vec![self.function.ins().iconst(I64, 0)];
        if let Values::Variables { slots, .. } = &self.values {
            let results = self.code.functions()[self.id.index()].results as usize;
            returned.extend(slots[..results].iter().map(|slot| self.function.use_var(*slot)));
        }
        self.function.ins().return_(&returned);
    }

    /// The address of a memory cell. Traps if there is no such cell.
    fn cell(&mut self, pc: Pc, number: Value) -> Value {
        let cells = self.function.ins().iconst(I64, self.code.cells() as i64);
        let is_beyond = self.function.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, number, cells);
        self.trap_if(is_beyond, pc);
        let memory = self.load(frame::MEMORY);
        let bytes = self.function.ins().ishl_imm(number, 3);
        self.function.ins().iadd(memory, bytes)
    }

    fn word(&mut self, pc: Pc, word: Word, a: Value, b: Value) -> Value {
        match word.meaning() {
            Meaning::Alu(op) => cranelift_alu(&mut self.function, op, a, b),
            Meaning::Compare(cond) => {
                let flag = self.function.ins().icmp(cranelift_condition(cond), a, b);
                self.function.ins().uextend(I64, flag)
            }
            Meaning::Divide(op) => self.division(pc, op, a, b),
            Meaning::Unary(_) | Meaning::Shuffle | Meaning::Load | Meaning::Store => {
                unreachable!("only words with two operands and one result")
            }
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

    /// Emits a return with this status. It stores the address above the top value in the frame, and in a definition whose values
    /// are in memory also the base. If the status is 0, it stores the values of the main program that are in variables to memory.
    fn leave(&mut self, status: i64) {
        let pointer = match self.values {
            Values::Memory { pointer } => {
                if let Some(base) = self.base {
                    self.function.ins().store(MemFlags::trusted(), base, self.frame, frame::BASE);
                }
                self.function.use_var(pointer)
            }
            Values::Variables { ref slots, depth } => {
                let (slots, bottom) = (slots[..depth].to_vec(), self.bottom());
                if status == 0 {
                    for (index, slot) in slots.iter().enumerate() {
                        let value = self.function.use_var(*slot);
                        self.function.ins().store(MemFlags::trusted(), value, bottom, offset(index));
                    }
                }
                self.function.ins().iadd_imm(bottom, 8 * depth as i64)
            }
        };
        self.function.ins().store(MemFlags::trusted(), pointer, self.frame, frame::POINTER);
        let status = self.function.ins().iconst(I64, status);
        self.return_status(status);
    }

    /// The number of values above the base, which are in memory.
    fn depth(&mut self) -> Value {
        match (self.base, &self.values) {
            (Some(base), Values::Memory { pointer }) => {
                let pointer = self.function.use_var(*pointer);
                let bytes = self.function.ins().isub(pointer, base);
                self.function.ins().sshr_imm(bytes, 3)
            }
            _ => unreachable!("only values in memory are counted"),
        }
    }

    /// The number of all values on the stack.
    fn whole_depth(&mut self) -> Value {
        match self.values {
            Values::Variables { depth, .. } => {
                let below = self.values_below.expect("the program counts values");
                self.function.ins().iadd_imm(below, depth as i64)
            }
            Values::Memory { pointer } => {
                let bottom = self.bottom();
                let pointer = self.function.use_var(pointer);
                let bytes = self.function.ins().isub(pointer, bottom);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{NoClock, Options, outcome};
    use crate::lang::{Source, load};
    use crate::outcome::Outcome;

    /// Every input is a variable, and the frame of the main program may be larger than the rest of the thread's stack.
    #[test]
    fn a_large_frame_gets_a_large_stack() {
        let inputs = 100_000;
        let run = move || {
            let program = load(&Source::new("test", "+"), inputs).expect("it is a program");
            let options = Options { stack_limit: inputs, ..Options::default() };
            let mut prepared = match Cranelift::default().prepare(&program, &options, &mut NoClock) {
                Err(error @ PrepareError::Unsupported { .. }) => return println!("NOT RUN: {error}"),
                prepared => prepared.expect("there is memory"),
            };
            let mut stack = Store::new(inputs).expect("there is memory");
            let values: Vec<i64> = (0..inputs as i64).collect();
            let mut expected = values[..inputs - 2].to_vec();
            expected.push(2 * inputs as i64 - 3);
            assert_eq!(outcome(&mut *prepared, &values, None, &mut stack), Outcome::Done(expected));
        };
        // The frame has more bytes than this stack.
        std::thread::Builder::new()
            .stack_size(768 << 10)
            .spawn(run)
            .expect("there is memory")
            .join()
            .expect("it succeeds");
    }
}
