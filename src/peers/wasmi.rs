//! `wasmi`: the program as a WebAssembly module, run by the interpreter of that name.
//!
//! The module has its own memory. The inputs are copied into it before an execution and the results out of it
//! afterwards. Translation is part of preparation: the first execution does no extra work.

use std::sync::Arc;

use wasmi::{CompilationMode, Config, Global, Linker, Memory, Module, Store, TypedFunc, Val};

use super::wasm::{CALLS, CallChecks, End, FUNCTION, MEMORY, TRAP, Translated, translate};
use crate::bytecode::Op;
use crate::engine::{Engine, Options, Phase, PhaseClock, PrepareError, Prepared, Task};
use crate::exec;
use crate::lang::Ast;
use crate::outcome::Trap;

/// The name of the engine.
pub const NAME: &str = "wasmi";

/// The greatest number of active calls that it takes.
const MOST_CALLS: u64 = 1_000_000;

/// The most bytes of values that active calls may have.
const MOST_STACK: usize = 1 << 30;

/// wasmi without its own fuel: the module counts loop iterations itself.
pub struct Wasmi {
    engine: wasmi::Engine,
}

impl Default for Wasmi {
    fn default() -> Wasmi {
        let mut config = Config::default();
        config.compilation_mode(CompilationMode::Eager);
        config.set_max_recursion_depth(MOST_CALLS as usize + 1);
        config.set_max_stack_height(MOST_STACK);
        Wasmi { engine: wasmi::Engine::new(&config) }
    }
}

impl Engine for Wasmi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError> {
        let (program, options) = (task.program(), task.options());
        let refuse = |reason: String| PrepareError::Peer { engine: NAME, reason };
        let (mut checks, mut calls) = (CallChecks::default(), 0);
        if !program.ast().definitions().is_empty() {
            // The bytecode knows which checks at calls are necessary.
            let code = task.bytecode(clock)?;
            let frame = code.ops().iter().any(|op| matches!(op, Op::Frame { .. }));
            checks = CallChecks { depth: code.counts_depth(), frame };
            calls = code.greatest_depth();
        }
        clock.begin(Phase::Lower);
        let Translated { module, cells_start, most_locals } =
            translate(program, options, checks).map_err(|error| refuse(error.to_string()))?;
        // Besides its locals, a call needs room for values in between.
        let stack = calls.saturating_mul(16 * (most_locals as u64 + 16));
        if calls > MOST_CALLS || stack > MOST_STACK as u64 {
            return Err(refuse(format!(
                "it takes at most {MOST_CALLS} active calls and {} MiB of values",
                MOST_STACK >> 20
            )));
        }
        clock.begin(Phase::Generate);
        let Instance { store, memory, function, calls: counter, trap } =
            self.instantiate(&module).map_err(|error| refuse(error.to_string()))?;
        let (ast, inputs) = (Arc::clone(program.ast()), program.inputs());
        let options = *options;
        Ok(Box::new(WasmiModule { store, memory, function, ast, inputs, options, cells_start, calls, counter, trap }))
    }
}

struct Instance {
    store: Store<()>,
    memory: Memory,
    function: TypedFunc<u64, i64>,
    calls: Option<Global>,
    trap: Option<Global>,
}

impl Wasmi {
    fn instantiate(&self, module: &[u8]) -> Result<Instance, wasmi::Error> {
        let module = Module::new(&self.engine, module)?;
        let mut store = Store::new(&self.engine, ());
        let instance = Linker::new(&self.engine).instantiate_and_start(&mut store, &module)?;
        let memory = instance.get_memory(&store, MEMORY).expect("the module exports its memory");
        let function = instance.get_typed_func(&store, FUNCTION)?;
        let (calls, trap) = (instance.get_global(&store, CALLS), instance.get_global(&store, TRAP));
        Ok(Instance { store, memory, function, calls, trap })
    }
}

struct WasmiModule {
    store: Store<()>,
    memory: Memory,
    function: TypedFunc<u64, i64>,
    ast: Arc<Ast>,
    inputs: usize,
    options: Options,
    cells_start: usize,
    /// The greatest number of active calls, and the global that counts them down.
    calls: u64,
    counter: Option<Global>,
    /// The global that holds the number of the trap if a definition trapped.
    trap: Option<Global>,
}

impl Prepared for WasmiModule {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut exec::Store) -> Result<(), Trap> {
        self.options.check_run(self.inputs, inputs, fuel, stack);
        let cells = self.ast.cells();
        let data = self.memory.data_mut(&mut self.store);
        data[self.cells_start..][..8 * cells].fill(0);
        let (slots, _) = data.as_chunks_mut::<8>();
        for (slot, input) in slots.iter_mut().zip(inputs) {
            *slot = input.to_le_bytes();
        }
        if let Some(counter) = self.counter {
            counter.set(&mut self.store, Val::I64(self.calls as i64)).expect("the global is a mutable integer");
        }
        if let Some(trap) = self.trap {
            trap.set(&mut self.store, Val::I64(0)).expect("the global is a mutable integer");
        }
        let returned = match self.function.call(&mut self.store, fuel.unwrap_or(u64::MAX)) {
            Ok(returned) => returned,
            Err(error) => {
                let trap = self.trap.expect("the module checks everything on which WebAssembly would trap");
                match trap.get(&self.store) {
                    Val::I64(number @ ..0) => return Err(End::trap(number, &self.ast)),
                    _ => panic!("the module checks everything on which WebAssembly would trap: {error}"),
                }
            }
        };
        match End::of(returned, &self.ast) {
            End::Done { depth } => {
                let data = self.memory.data(&self.store);
                let read = |from: usize, count: usize| {
                    let (chunks, _) = data[from..][..8 * count].as_chunks::<8>();
                    chunks.iter().map(|chunk| i64::from_le_bytes(*chunk)).collect::<Vec<i64>>()
                };
                stack.set(&read(0, depth));
                stack.set_memory(&read(self.cells_start, cells));
                Ok(())
            }
            End::Trap(trap) => Err(trap),
        }
    }
}
