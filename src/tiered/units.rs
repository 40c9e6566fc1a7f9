//! The units of a program that are compiled, and the compiler that makes them.
#![allow(unsafe_code, reason = "the interpreter's state is handed to machine code")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::bytecode::{Bytecode, FunctionId, RegionId, TrapSite, Unit};
use crate::engine::{NoClock, PrepareError};
use crate::exec::{Entry, Exit, State, Store};
use crate::outcome::Trap;
use crate::tiers::{AnyTier, Native, Registers, Sealed, depth};

/// Compiles units. Clones share its buffers.
#[derive(Clone)]
pub struct Compiler(Option<Rc<RefCell<Native>>>);

impl Compiler {
    /// A compiler that uses this one; without it, nothing can be compiled.
    pub fn new(native: Option<Native>) -> Compiler {
        Compiler(native.map(|native| Rc::new(RefCell::new(native))))
    }

    /// Whether it can compile anything on this host.
    pub fn can_compile(&self) -> bool {
        self.0.is_some()
    }

    /// Compiles the unit of a function, with a second entry at the header of a loop of this function.
    fn compile(&self, code: &Bytecode, root: FunctionId, entry: Option<RegionId>) -> Result<Compiled, PrepareError> {
        let native = self.0.as_ref().expect("only a compiler that can compile is asked to");
        let unit = Unit::of(code, root);
        let region = entry.map(|region| unit.region(code, region));
        let tier = AnyTier::Registers(Registers { entry: region });
        let Sealed { entry, sites, second } = native.borrow_mut().compile(unit.code(), tier, &mut NoClock)?;
        Ok(Compiled { unit, entry, sites, second })
    }
}

/// A compiled unit.
pub struct Compiled {
    unit: Unit,
    entry: Entry,
    sites: Vec<TrapSite>,
    /// The offset of the entry at a loop, if it has one.
    pub second: Option<usize>,
}

/// How machine code has left a function.
pub struct Left {
    /// The trap that ended it, if there was one.
    pub ended: Result<(), Trap>,
    /// The address after its topmost result.
    pub pointer: *mut i64,
    /// The fuel that is left, if the program is metered.
    pub fuel: u64,
}

impl Compiled {
    /// Runs the whole program, whose inputs are on the stack. `code` is the program.
    pub fn run(&mut self, code: &Bytecode, stack: &mut Store, fuel: u64) -> Result<(), Trap> {
        let exit = self.entry.run(stack, fuel);
        self.trapped(code, exit)
    }

    /// Executes the rest of the function from this state on. `code` is the program.
    ///
    /// # Safety
    /// The same as for [`Entry::resume`].
    pub unsafe fn resume(&mut self, code: &Bytecode, stack: &mut Store, state: &State) -> Left {
        // SAFETY: the caller guarantees it.
        let exit = unsafe { self.entry.resume(stack, state) };
        Left { ended: self.trapped(code, exit), pointer: self.entry.pointer(), fuel: self.entry.fuel() }
    }

    /// The trap, if the code ended with one.
    fn trapped(&self, code: &Bytecode, exit: Exit) -> Result<(), Trap> {
        let Exit::Trap { site, pointer, base } = exit else { return Ok(()) };
        let site = self.sites[site as usize];
        Err(code.trap(self.unit.origin(site.pc), || depth(self.unit.code(), site, pointer, base)))
    }
}

/// The compiled units of a program.
pub struct Units {
    compiler: Compiler,
    compiled: Vec<Compiled>,
    /// The unit in which a function's machine code begins when it is called.
    starts: HashMap<FunctionId, usize>,
    /// The unit with an entry at a loop. `None` if it could not be compiled.
    heads: HashMap<(FunctionId, Option<RegionId>), Option<usize>>,
}

impl Units {
    /// No unit is compiled yet.
    pub fn new(compiler: Compiler) -> Units {
        Units { compiler, compiled: Vec::new(), starts: HashMap::new(), heads: HashMap::new() }
    }

    /// The unit of a function that can be entered at its start, if it is compiled.
    pub fn of_start(&mut self, function: FunctionId) -> Option<&mut Compiled> {
        self.starts.get(&function).map(|unit| &mut self.compiled[*unit])
    }

    /// The unit of a function that can be entered at a loop, if it is compiled.
    pub fn of_head(&mut self, function: FunctionId, region: RegionId) -> Option<&mut Compiled> {
        let unit = self.heads.get(&(function, Some(region))).copied().flatten()?;
        Some(&mut self.compiled[unit])
    }

    /// Compiles the unit of a function with an entry at a loop, unless that is done. Returns whether there is one: the host may be
    /// unable to run machine code, or the code may be too large.
    pub fn compile(&mut self, code: &Bytecode, function: FunctionId, region: Option<RegionId>) -> bool {
        if !self.compiler.can_compile() || region.is_none() && self.starts.contains_key(&function) {
            return self.compiler.can_compile();
        }
        if let Some(known) = self.heads.get(&(function, region)) {
            return known.is_some();
        }
        let made = self.compiler.compile(code, function, region).ok().map(|compiled| {
            self.compiled.push(compiled);
            self.compiled.len() - 1
        });
        self.heads.insert((function, region), made);
        if let Some(unit) = made {
            self.starts.entry(function).or_insert(unit);
        }
        made.is_some()
    }

    /// The machine code of all units, in bytes.
    pub fn code_bytes(&self) -> usize {
        self.compiled.iter().map(|compiled| compiled.entry.code().bytes().len()).sum()
    }
}
