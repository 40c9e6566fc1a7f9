//! The units of a program that are compiled, and the compiler that makes them.
#![allow(unsafe_code, reason = "the interpreter's state is handed to machine code")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use super::timeline::{Timeline, What, Why};
use crate::bytecode::{Bytecode, FunctionId, RegionId, TrapSite, Unit};
use crate::engine::{NoClock, PrepareError};
use crate::exec::{Entry, Exit, Granted, State, Store};
use crate::outcome::Trap;
use crate::tiers::{AnyTier, Native, Registers, Sealed, depth};

/// Compiles units. Clones share its buffers.
#[derive(Clone)]
pub struct Compiler {
    /// `None` if the host cannot run machine code.
    native: Option<Rc<RefCell<Native>>>,
    granted: Rc<Granted>,
}

impl Compiler {
    /// A compiler that uses this one; without it, nothing can be compiled.
    pub fn new(native: Option<Native>) -> Compiler {
        Compiler { native: native.map(|native| Rc::new(RefCell::new(native))), granted: Rc::default() }
    }

    /// Whether it can compile anything on this host.
    pub fn can_compile(&self) -> bool {
        self.native.is_some()
    }

    /// Compiles the unit of a function, with a second entry at the header of a loop of this function.
    fn compile(
        &self,
        code: &Rc<Bytecode>,
        root: FunctionId,
        region: Option<RegionId>,
    ) -> Result<Compiled, PrepareError> {
        let native = self.native.as_ref().expect("only a compiler that can compile is asked to");
        let unit = Unit::of(code, root);
        let tier = AnyTier::Registers(Registers { entry: region.map(|region| unit.region(region)) });
        let Sealed { entry, sites, second } = native.borrow_mut().compile(unit.code(), tier, &mut NoClock)?;
        Ok(Compiled { unit, entry, sites, second })
    }
}

/// A compiled unit.
pub struct Compiled {
    unit: Unit,
    entry: Entry,
    sites: Vec<TrapSite>,
    second: Option<usize>,
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
    /// The offset of the entry at a loop.
    ///
    /// # Panics
    /// If it was compiled without one.
    pub fn second_entry(&self) -> usize {
        self.second.expect("the unit has an entry at a loop")
    }

    /// The number of its bytecode operations.
    pub fn operations(&self) -> usize {
        self.unit.code().ops().len()
    }

    /// The trap, if the code ended with one. `code` is the whole program.
    fn trapped(&self, code: &Bytecode, exit: Exit) -> Result<(), Trap> {
        let Exit::Trap { site, pointer, base } = exit else { return Ok(()) };
        let site = self.sites[site as usize];
        Err(code.trap(self.unit.origin(site.pc), || depth(self.unit.code(), site, pointer, base)))
    }
}

/// A compiled unit of a program, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitId(usize);

/// The compiled units of a program.
pub struct Units {
    code: Rc<Bytecode>,
    compiler: Compiler,
    compiled: Vec<Compiled>,
    /// The unit in which a function's machine code begins when it is called.
    starts: BTreeMap<FunctionId, UnitId>,
    /// The unit that was compiled for the start of a function, or for an entry at one of its loops. `None` if that failed.
    known: BTreeMap<(FunctionId, Option<RegionId>), Option<UnitId>>,
    /// What was compiled when, and where it was entered.
    pub timeline: Timeline,
}

impl Units {
    /// The units of a program, none of which is compiled yet.
    pub fn new(code: Rc<Bytecode>, compiler: Compiler, timeline: Timeline) -> Units {
        let (starts, known) = (BTreeMap::new(), BTreeMap::new());
        Units { code, compiler, compiled: Vec::new(), starts, known, timeline }
    }

    /// Whether anything can be compiled on this host.
    pub fn can_compile(&self) -> bool {
        self.compiler.can_compile()
    }

    /// A unit.
    pub fn get(&self, UnitId(index): UnitId) -> &Compiled {
        &self.compiled[index]
    }

    /// The unit of the main program, if it is compiled.
    pub fn main(&self) -> Option<UnitId> {
        self.starts.get(&FunctionId::MAIN).copied()
    }

    /// The functions whose calls can enter machine code.
    pub fn compiled_functions(&self) -> impl Iterator<Item = FunctionId> {
        self.starts.keys().copied()
    }

    /// What the system has been able to reserve.
    pub fn granted(&self) -> &Granted {
        &self.compiler.granted
    }

    /// The unit of a function that can be entered at its start and at a loop, if one is given. Compiles it unless that is done.
    /// `None` if there is no such unit: the host may be unable to run machine code, or the code may be too large.
    pub fn of(&mut self, function: FunctionId, region: Option<RegionId>, why: Why) -> Option<UnitId> {
        if !self.compiler.can_compile() {
            return None;
        }
        if let (None, Some(unit)) = (region, self.starts.get(&function)) {
            return Some(*unit);
        }
        if let Some(known) = self.known.get(&(function, region)) {
            return *known;
        }
        let begun = self.timeline.is_on().then(Instant::now);
        let made = self.compiler.compile(&self.code, function, region);
        if let Some(begun) = begun {
            let what = match &made {
                Ok(unit) => What::Compiled {
                    why,
                    operations: unit.operations(),
                    bytes: unit.entry.code().bytes().len(),
                    took: begun.elapsed(),
                },
                Err(error) => What::Refused(error.to_string()),
            };
            self.timeline.add(function, region, what);
        }
        let made = made.ok().map(|compiled| {
            self.compiled.push(compiled);
            UnitId(self.compiled.len() - 1)
        });
        self.known.insert((function, region), made);
        if let Some(unit) = made {
            self.starts.entry(function).or_insert(unit);
        }
        made
    }

    /// Runs the main program, whose inputs are on the stack.
    pub fn run(&mut self, UnitId(unit): UnitId, stack: &mut Store, fuel: u64) -> Result<(), Trap> {
        let compiled = &mut self.compiled[unit];
        let exit = compiled.entry.run(stack, fuel);
        compiled.trapped(&self.code, exit)
    }

    /// Executes the rest of the unit's function from this state on.
    ///
    /// # Safety
    /// The same as for [`Entry::resume`].
    pub unsafe fn resume(&mut self, UnitId(unit): UnitId, stack: &mut Store, state: &State) -> Left {
        let compiled = &mut self.compiled[unit];
        // SAFETY: the caller guarantees it.
        let exit = unsafe { compiled.entry.resume(stack, state) };
        let ended = compiled.trapped(&self.code, exit);
        Left { ended, pointer: compiled.entry.pointer(), fuel: compiled.entry.fuel() }
    }

    /// The machine code of all units, in bytes.
    pub fn code_bytes(&self) -> usize {
        self.compiled.iter().map(|compiled| compiled.entry.code().bytes().len()).sum()
    }
}
