//! Tracks the location of each value during translation, and moves values where they are needed.

use wasm_encoder::MemArgTarget::Memory;
use wasm_encoder::{InstructionSink, MemArg};

use super::{FUEL, GLOBAL_BELOW, GLOBAL_FUEL, Writer};

/// The location of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A known constant.
    Constant(i64),
    /// In this local.
    Local(u32),
}

impl Value {
    /// Emits the instruction that pushes it on WebAssembly's stack.
    pub fn emit(self, code: &mut InstructionSink) {
        match self {
            Value::Constant(value) => code.i64_const(value),
            Value::Local(local) => code.local_get(local),
        };
    }
}

/// The locations of the values.
pub enum Values {
    /// The known location of each value, bottom first.
    Locals(Vec<Value>),
    /// All values are in memory, below the pointer.
    Memory,
}

/// The locals that hold values, with the use count of each.
pub struct Locals {
    /// The number of parameters, which are the locals of the lowest slots.
    params: u32,
    /// The local of the first slot after them.
    first: u32,
    uses: Vec<u32>,
}

impl Locals {
    /// No locals yet besides the parameters; the first will have this number.
    pub fn new(params: u32, first: u32) -> Locals {
        Locals { params, first, uses: vec![0; params as usize] }
    }

    /// The number after the last local.
    pub fn end(&self) -> u32 {
        self.first + self.uses.len() as u32 - self.params
    }

    /// The local of a slot.
    fn local(&self, slot: usize) -> u32 {
        if slot < self.params as usize { slot as u32 } else { self.first + slot as u32 - self.params }
    }

    /// The slot whose local this is.
    fn slot(&self, local: u32) -> usize {
        (if local < self.params { local } else { local - self.first + self.params }) as usize
    }

    /// The local of a slot, which holds its value where loops and branches begin and end.
    pub fn home(&mut self, slot: usize) -> u32 {
        if self.uses.len() <= slot {
            self.uses.resize(slot + 1, 0);
        }
        self.local(slot)
    }

    /// A local that holds no value: this slot's if it is free, otherwise any.
    fn free(&mut self, slot: usize) -> u32 {
        let home = self.home(slot);
        if self.uses[slot] == 0 {
            return home;
        }
        let index = self.uses.iter().position(|uses| *uses == 0).unwrap_or(self.uses.len());
        self.home(index)
    }

    fn count(&mut self, value: Value, change: i32) {
        if let Value::Local(local) = value {
            let slot = self.slot(local);
            let uses = &mut self.uses[slot];
            *uses = uses.checked_add_signed(change).expect("a use is counted before it is released");
        }
    }
}

/// Addresses the only memory at an offset.
pub fn slot(offset: u64) -> MemArg {
    MemArg { offset, align: 3, target: Memory(0), ordering: None }
}

impl Writer<'_> {
    /// Loads the inputs from memory, or begins with the parameters of a definition.
    pub fn begin(&mut self) {
        if let Some(id) = self.id {
            let params = self.program.ast().definition(id).params;
            match &self.values {
                Values::Locals(_) => self.set_homes(params as usize),
                Values::Memory => {
                    self.get_pointer();
                    let base = self.first - 1;
                    self.code().i32_const((8 * u64::from(params)) as u32 as i32).i32_sub().local_set(base);
                    self.locals.home(2);
                }
            }
            return;
        }
        if self.has_calls {
            self.code().local_get(FUEL).global_set(GLOBAL_FUEL);
            self.code().i64_const(0).global_set(GLOBAL_BELOW);
        }
        let inputs = self.program.inputs();
        match &self.values {
            Values::Locals(_) => {
                for index in 0..inputs {
                    self.code().i32_const(0).i64_load(slot(8 * index as u64));
                    self.push_result();
                }
            }
            Values::Memory => {
                self.code().i32_const((8 * inputs) as u32 as i32);
                self.set_pointer();
                // Words load their operands into these locals temporarily.
                self.locals.home(2);
            }
        }
    }

    /// Leaves the results, and ends the function.
    pub fn finish(&mut self) {
        if self.is_dead {
            self.code().unreachable();
        } else {
            self.results();
        }
        self.code().end();
    }

    /// Stores the results of the main program to memory, and pushes their number on WebAssembly's own stack. Pushes the results of a
    /// definition there.
    pub fn results(&mut self) {
        let Values::Locals(values) = &self.values else {
            if self.id.is_none() {
                self.get_pointer();
                self.code().i32_const(3).i32_shr_u().i64_extend_i32_u();
            }
            return;
        };
        let values = values.clone();
        if self.id.is_some() {
            return values.iter().for_each(|value| self.get(*value));
        }
        for (index, value) in values.iter().enumerate() {
            self.code().i32_const(0);
            self.get(*value);
            self.code().i64_store(slot(8 * index as u64));
        }
        self.code().i64_const(values.len() as i64);
    }

    /// Pushes a value onto WebAssembly's own stack.
    pub fn get(&mut self, value: Value) {
        value.emit(&mut self.code());
    }

    /// Pushes a value.
    pub fn push(&mut self, value: Value) {
        match &mut self.values {
            Values::Locals(values) => {
                values.push(value);
                self.locals.count(value, 1);
            }
            Values::Memory => {
                self.get_pointer();
                self.get(value);
                self.code().i64_store(slot(0));
                self.move_pointer(8);
            }
        }
    }

    /// Adds this many bytes to the pointer.
    pub fn move_pointer(&mut self, bytes: i32) {
        self.get_pointer();
        self.code().i32_const(bytes).i32_add();
        self.set_pointer();
    }

    /// Pops the top of WebAssembly's own stack and pushes it as a value.
    pub fn push_result(&mut self) {
        let local = match &self.values {
            Values::Locals(values) => self.locals.free(values.len()),
            Values::Memory => self.locals.home(0),
        };
        self.code().local_set(local);
        self.push(Value::Local(local));
    }

    /// Pops the results of a call from WebAssembly's own stack and pushes them as values, if the locations are known.
    pub fn push_results(&mut self, results: usize) {
        let base = self.depth();
        for slot in base..base + results {
            let local = self.locals.free(slot);
            self.push(Value::Local(local));
        }
        let Values::Locals(values) = &self.values else { return };
        let pushed = values[base..].to_vec();
        for value in pushed.into_iter().rev() {
            let Value::Local(local) = value else { unreachable!("each result has a local") };
            self.code().local_set(local);
        }
    }

    /// Pops a value; from memory, into the temporary local with this index.
    pub fn pop(&mut self, kept: usize) -> Value {
        match &mut self.values {
            Values::Locals(values) => {
                let value = values.pop().expect("the verifier has tracked the depth");
                self.locals.count(value, -1);
                value
            }
            Values::Memory => {
                let local = self.locals.home(kept);
                self.move_pointer(-8);
                self.get_pointer();
                self.code().i64_load(slot(0)).local_set(local);
                Value::Local(local)
            }
        }
    }

    /// Replaces the value `depth` below the top, if the locations are known.
    pub fn replace(&mut self, depth: usize, value: Value) {
        if let Values::Locals(values) = &mut self.values {
            let index = values.len() - 1 - depth;
            let previous = std::mem::replace(&mut values[index], value);
            self.locals.count(value, 1);
            self.locals.count(previous, -1);
        }
    }

    /// The number of values, if it is known.
    pub fn depth(&self) -> usize {
        match &self.values {
            Values::Locals(values) => values.len(),
            Values::Memory => 0,
        }
    }

    /// Moves each value to its slot's local. All are read before the first is written.
    pub fn reconcile(&mut self) {
        let Values::Locals(values) = &self.values else { return };
        let (values, depth) = (values.clone(), values.len());
        let is_misplaced = |(slot, value): &(usize, Value)| *value != Value::Local(self.locals.local(*slot));
        let moves: Vec<(usize, Value)> = values.into_iter().enumerate().filter(is_misplaced).collect();
        moves.iter().for_each(|(_, value)| self.get(*value));
        for (slot, _) in moves.iter().rev() {
            let home = self.locals.home(*slot);
            self.code().local_set(home);
        }
        self.set_homes(depth);
    }

    /// From here on there are `depth` values, each in its slot's local.
    pub fn set_homes(&mut self, depth: usize) {
        if let Values::Locals(values) = &mut self.values {
            *values = (0..depth).map(|slot| Value::Local(self.locals.home(slot))).collect();
            for (slot, uses) in self.locals.uses.iter_mut().enumerate() {
                *uses = u32::from(slot < depth);
            }
        }
    }
}
