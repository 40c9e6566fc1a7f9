//! `wasmi`: the program as a WebAssembly module, run by the interpreter of that name.
//!
//! The module has its own memory. The inputs are copied into it before an execution and the results out of it
//! afterwards. Translation is part of preparation: the first execution does no extra work.

use std::sync::Arc;

use wasmi::{CompilationMode, Config, Linker, Memory, Module, Store, TypedFunc};

use super::wasm::{End, FUNCTION, MEMORY, translate};
use crate::engine::{Engine, Options, Phase, PhaseClock, PrepareError, Prepared, Task};
use crate::exec;
use crate::lang::Ast;
use crate::outcome::Trap;

/// The name of the engine.
pub const NAME: &str = "wasmi";

/// wasmi without its own fuel: the module counts loop iterations itself.
pub struct Wasmi {
    engine: wasmi::Engine,
}

impl Default for Wasmi {
    fn default() -> Wasmi {
        let mut config = Config::default();
        config.compilation_mode(CompilationMode::Eager);
        Wasmi { engine: wasmi::Engine::new(&config) }
    }
}

impl Engine for Wasmi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError> {
        let (program, options) = (task.program(), task.options());
        PrepareError::decline(NAME, program)?;
        clock.begin(Phase::Lower);
        let refuse = |reason: String| PrepareError::Peer { engine: NAME, reason };
        let module = translate(program, options).map_err(|error| refuse(error.to_string()))?;
        clock.begin(Phase::Generate);
        let (store, memory, function) = self.instantiate(&module).map_err(|error| refuse(error.to_string()))?;
        let (ast, inputs) = (Arc::clone(program.ast()), program.inputs());
        Ok(Box::new(WasmiModule { store, memory, function, ast, inputs, options: *options }))
    }
}

type Instance = (Store<()>, Memory, TypedFunc<u64, i64>);

impl Wasmi {
    fn instantiate(&self, module: &[u8]) -> Result<Instance, wasmi::Error> {
        let module = Module::new(&self.engine, module)?;
        let mut store = Store::new(&self.engine, ());
        let instance = Linker::new(&self.engine).instantiate_and_start(&mut store, &module)?;
        let memory = instance.get_memory(&store, MEMORY).expect("the module exports its memory");
        let function = instance.get_typed_func(&store, FUNCTION)?;
        Ok((store, memory, function))
    }
}

struct WasmiModule {
    store: Store<()>,
    memory: Memory,
    function: TypedFunc<u64, i64>,
    ast: Arc<Ast>,
    inputs: usize,
    options: Options,
}

impl Prepared for WasmiModule {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut exec::Store) -> Result<(), Trap> {
        self.options.check_run(self.inputs, inputs, fuel, stack);
        let (slots, _) = self.memory.data_mut(&mut self.store).as_chunks_mut::<8>();
        for (slot, input) in slots.iter_mut().zip(inputs) {
            *slot = input.to_le_bytes();
        }
        let returned = self.function.call(&mut self.store, fuel.unwrap_or(u64::MAX));
        match End::of(returned.expect("the module checks everything on which WebAssembly would trap"), &self.ast) {
            End::Done { depth } => {
                let (slots, _) = self.memory.data(&self.store).as_chunks::<8>();
                let values: Vec<i64> = slots[..depth].iter().map(|slot| i64::from_le_bytes(*slot)).collect();
                stack.set(&values);
                Ok(())
            }
            End::Trap(trap) => Err(trap),
        }
    }
}
