//! The units of a program that are compiled, and the compiler that makes them.
#![allow(unsafe_code, reason = "the interpreter's state is handed to machine code")]

use std::cell::RefCell;
use std::cmp::Reverse;
use std::rc::Rc;
use std::time::Instant;

use super::costs::Choice;
use super::timeline::{Timeline, What, Why};
use crate::bytecode::{Bytecode, Counter, FunctionId, Op, RegionId, RegionKind, TrapSite, Unit};
use crate::engine::{NoClock, PrepareError};
use crate::exec::{Entry, Exit, Granted, State, Store};
use crate::jit::Handover;
use crate::outcome::Trap;
use crate::tiers::{AnyTier, Baseline, Native, Registers, Sealed, depth, tier};

/// Compiles units. Clones share its buffers.
#[derive(Clone)]
pub struct Compiler {
    /// `None` if the host cannot run machine code.
    native: Option<Rc<RefCell<Native>>>,
    granted: Rc<Granted>,
    /// A tier that refuses everything, as if there were too much code.
    #[cfg(test)]
    pub refused: Option<Choice>,
}

impl Compiler {
    /// A compiler that uses this one; without it, nothing can be compiled.
    pub fn new(native: Option<Native>) -> Compiler {
        Compiler {
            native: native.map(|native| Rc::new(RefCell::new(native))),
            granted: Rc::default(),
            #[cfg(test)]
            refused: None,
        }
    }

    /// Whether it can compile anything on this host.
    pub fn can_compile(&self) -> bool {
        self.native.is_some()
    }

    /// Compiles the unit of a function with a tier, with a second entry at the header of a loop of this function. Code of the baseline
    /// counts its work if that is wanted and has a use.
    fn compile(
        &self,
        code: &Rc<Bytecode>,
        root: FunctionId,
        region: Option<RegionId>,
        choice: Choice,
        counts_work: bool,
    ) -> Result<Compiled, PrepareError> {
        #[cfg(test)]
        if self.refused == Some(choice) {
            return Err(PrepareError::CodeTooLarge);
        }
        let native = self.native.as_ref().expect("only a compiler that can compile is asked to");
        let unit = Unit::of(code, root);
        let entry = region.map(|region| unit.region(region));
        let counts_work = counts_work && choice == Choice::Baseline && is_open_ended(unit.code());
        let tier = match choice {
            Choice::Baseline => AnyTier::Baseline(Baseline { handover: Handover { entry, counts_work }, ..baseline() }),
            Choice::Registers => AnyTier::Registers(Registers { entry }),
        };
        let Sealed { entry, sites, second } = native.borrow_mut().compile(unit.code(), tier, &mut NoClock)?;
        Ok(Compiled { unit, choice, counts_work, entry, sites, second })
    }
}

/// The baseline, `jit`.
fn baseline() -> Baseline {
    let Some(AnyTier::Baseline(baseline)) = tier(Choice::Baseline.name()) else {
        unreachable!("`jit` is the baseline")
    };
    baseline
}

/// Whether code of the baseline counts its work, so that it can be left for better code: if the work of the main program may not be known
/// when its loops begin. Programs with metered fuel are not left: the fuel has the register that would count.
pub fn is_open_ended(code: &Bytecode) -> bool {
    !code.metered() && has_open_loops(code)
}

/// Whether the work of the main program may not be known when its loops begin: whether it has calls or `while` loops.
pub fn has_open_loops(code: &Bytecode) -> bool {
    code.has_calls() || code.regions().iter().any(|region| region.kind == RegionKind::While)
}

/// A compiled unit.
pub struct Compiled {
    unit: Unit,
    /// The tier that compiled it.
    choice: Choice,
    /// Whether its code counts its work, and leaves when it has done enough.
    counts_work: bool,
    entry: Entry,
    sites: Vec<TrapSite>,
    second: Option<usize>,
}

/// How machine code has left a function.
pub struct Left {
    /// Why.
    pub end: End,
    /// The address after its topmost value.
    pub pointer: *mut i64,
}

/// Why machine code has left a function.
pub enum End {
    /// The function has returned.
    Returned {
        /// The fuel that is left, if the program is metered.
        fuel: u64,
        /// The work that it has done, if it counts its work.
        work: i64,
    },
    /// A trap ended the execution. Nothing says how much work was done before.
    Trapped(Trap),
    /// It has done as much work as it was given, and stands at the header of this loop.
    Hot(RegionId),
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

    /// The tier that compiled it.
    pub fn tier(&self) -> Choice {
        self.choice
    }

    /// Whether its code counts its work, and leaves when it has done enough.
    pub fn counts_work(&self) -> bool {
        self.counts_work
    }

    /// The trap at a site. `code` is the whole program.
    fn trap(&self, code: &Bytecode, site: TrapSite, pointer: i64, base: i64) -> Trap {
        code.trap(self.unit.origin(site.pc), || depth(self.unit.code(), site, pointer, base))
    }
}

/// A compiled unit of a program, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitId(usize);

/// What a unit is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    function: FunctionId,
    /// The loop at which it can be entered, besides its start.
    region: Option<RegionId>,
    choice: Choice,
    /// Whether its code counts its work if that has a use.
    counts_work: bool,
}

/// The unit in which a function's machine code begins when it is called: of those of the best tier, the first.
fn best<'a>(known: impl IntoIterator<Item = &'a (Wanted, Option<UnitId>)>) -> Option<UnitId> {
    let made = known.into_iter().filter_map(|(wanted, unit)| Some((wanted.choice, Reverse((*unit)?))));
    made.max().map(|(_, Reverse(unit))| unit)
}

/// The compiled units of a program.
pub struct Units {
    code: Rc<Bytecode>,
    compiler: Compiler,
    compiled: Vec<Compiled>,
    /// What was wanted so far, in order, and the unit that was compiled for it. `None` if that failed.
    known: Vec<(Wanted, Option<UnitId>)>,
    /// What was compiled when, and where it was entered.
    pub timeline: Timeline,
}

impl Units {
    /// The units of a program, none of which is compiled yet.
    pub fn new(code: Rc<Bytecode>, compiler: Compiler, timeline: Timeline) -> Units {
        Units { code, compiler, compiled: Vec::new(), known: Vec::new(), timeline }
    }

    /// Whether anything can be compiled on this host.
    pub fn can_compile(&self) -> bool {
        self.compiler.can_compile()
    }

    /// Whether nothing was compiled yet.
    pub fn is_empty(&self) -> bool {
        self.compiled.is_empty()
    }

    /// A unit.
    pub fn get(&self, UnitId(index): UnitId) -> &Compiled {
        &self.compiled[index]
    }

    /// The unit in which the machine code of a function begins when it is called, if there is one.
    pub fn start(&self, function: FunctionId) -> Option<UnitId> {
        let first = self.known.partition_point(|(wanted, _)| wanted.function < function);
        let of_function = self.known[first..].iter().take_while(|(wanted, _)| wanted.function == function);
        best(of_function)
    }

    /// The functions whose calls can enter machine code, each with the tier that compiled it.
    pub fn compiled_functions(&self) -> impl Iterator<Item = (FunctionId, Choice)> {
        let functions = self.known.chunk_by(|(one, _), (other, _)| one.function == other.function);
        functions.filter_map(|known| best(known).map(|unit| (known[0].0.function, self.get(unit).choice)))
    }

    /// What the system has been able to reserve.
    pub fn granted(&self) -> &Granted {
        &self.compiler.granted
    }

    /// The unit of a function that can be entered at its start and at a loop, if one is given. Compiles it with this tier unless
    /// that is done, or unless a better tier has compiled its start, and only this is wanted.
    /// `None` if there is no such unit: the host may be unable to run machine code, or the code may be too large.
    pub fn of(&mut self, function: FunctionId, region: Option<RegionId>, choice: Choice, why: Why) -> Option<UnitId> {
        self.make(function, region, choice, true, why)
    }

    /// The unit of the whole program, which is executed to its end with this tier or a better one. `None` if there is none.
    pub fn whole(&mut self, choice: Choice, why: Why) -> Option<UnitId> {
        self.make(FunctionId::MAIN, None, choice, false, why)
    }

    fn make(
        &mut self,
        function: FunctionId,
        region: Option<RegionId>,
        choice: Choice,
        counts_work: bool,
        why: Why,
    ) -> Option<UnitId> {
        if !self.compiler.can_compile() {
            return None;
        }
        if let (None, Some(unit)) = (region, self.start(function))
            && self.get(unit).choice >= choice
        {
            return Some(unit);
        }
        let wanted = Wanted { function, region, choice, counts_work };
        let index = match self.known.binary_search_by_key(&wanted, |(wanted, _)| *wanted) {
            Ok(index) => return self.known[index].1,
            Err(index) => index,
        };
        let begun = self.timeline.is_on().then(Instant::now);
        let made = self.compiler.compile(&self.code, function, region, choice, counts_work);
        if let Some(begun) = begun {
            let what = match &made {
                Ok(unit) => What::Compiled {
                    tier: choice,
                    why,
                    operations: unit.operations(),
                    bytes: unit.entry.code().bytes().len(),
                    took: begun.elapsed(),
                },
                Err(error) => What::Refused(error.to_string()),
            };
            self.timeline.add(function, region, what);
        }
        if self.known.is_empty() {
            // Most programs need one unit.
            self.known.reserve_exact(1);
            self.compiled.reserve_exact(1);
        }
        let made = made.ok().map(|compiled| {
            self.compiled.push(compiled);
            UnitId(self.compiled.len() - 1)
        });
        self.known.insert(index, (wanted, made));
        made
    }

    /// Runs the main program, whose inputs are on the stack. Its code must not count its work.
    pub fn run(&mut self, UnitId(unit): UnitId, stack: &mut Store, fuel: u64) -> Result<(), Trap> {
        let compiled = &mut self.compiled[unit];
        debug_assert!(!compiled.counts_work, "nothing continues when it has done enough");
        match compiled.entry.run(stack, fuel) {
            Exit::Done => Ok(()),
            Exit::Trap { site, pointer, base } => {
                Err(compiled.trap(&self.code, compiled.sites[site as usize], pointer, base))
            }
        }
    }

    /// Runs the main program, whose inputs are on the stack, until it has done this much work. Its code must count its work.
    pub fn run_counting(&mut self, unit: UnitId, stack: &mut Store, work: i64) -> Left {
        let (cells, depth) = (self.code.cells(), self.code.greatest_depth());
        stack.reserve(cells, 0).expect("the memory was available when the program was prepared");
        stack.clear_memory(cells);
        let base = stack.bottom();
        let pointer = base.wrapping_add(self.code.inputs());
        let state = State { offset: 0, base, pointer, fuel: 0, depth, counters: &[] };
        debug_assert!(self.get(unit).counts_work, "the fuel is the work");
        // SAFETY: this is the state at the start of the main program.
        unsafe { self.resume(unit, stack, &state, work) }
    }

    /// Continues a run whose main program a unit has left at the header of this loop, in another unit that has its entry there. `pointer`
    /// is the address after the topmost value.
    ///
    /// # Safety
    /// The values must be in their slots on this stack, and the first unit must have the counters of the open loops.
    pub unsafe fn go_on(
        &mut self,
        from: UnitId,
        to: UnitId,
        region: RegionId,
        pointer: *mut i64,
        stack: &mut Store,
    ) -> Left {
        let mut counters = vec![None; self.code.main().counters as usize];
        let mut next = Some(region);
        while let Some(id) = next {
            let region = self.code.region(id);
            if let RegionKind::Times { counter: Counter(index) } = region.kind {
                counters[index as usize] = Some(self.get(from).entry.slot(index as usize));
            }
            next = region.parent;
        }
        let (offset, depth) = (self.get(to).second_entry(), self.code.greatest_depth());
        let state = State { offset, base: stack.bottom(), pointer, fuel: 0, depth, counters: &counters };
        // SAFETY: this is the state at the header, where no call is active.
        unsafe { self.resume(to, stack, &state, i64::MAX) }
    }

    /// The end of a run whose main program a unit has left.
    ///
    /// # Errors
    /// The trap that ended the run.
    pub fn finish(&self, left: Left, stack: &mut Store) -> Result<(), Trap> {
        if let End::Trapped(trap) = left.end {
            return Err(trap);
        }
        stack.set_depth((left.pointer.addr() - stack.bottom().addr()) / size_of::<i64>());
        Ok(())
    }

    /// Executes the rest of the unit's function from this state on, until it has done this much work if it counts its work.
    ///
    /// # Safety
    /// The same as for [`Entry::resume`].
    pub unsafe fn resume(&mut self, UnitId(unit): UnitId, stack: &mut Store, state: &State, work: i64) -> Left {
        let compiled = &mut self.compiled[unit];
        let fuel = if compiled.counts_work { work as u64 } else { state.fuel };
        // SAFETY: the caller guarantees it.
        let exit = unsafe { compiled.entry.resume(stack, &State { fuel, ..*state }) };
        let pointer = compiled.entry.pointer();
        let Exit::Trap { site, pointer: above, base } = exit else {
            let fuel = compiled.entry.fuel();
            return Left { end: End::Returned { fuel, work: work.saturating_sub(fuel as i64) }, pointer };
        };
        let site = compiled.sites[site as usize];
        let end = match compiled.unit.code().ops()[site.pc.index()] {
            Op::Times(region) | Op::While(region) => End::Hot(compiled.unit.region_of_root(region)),
            _ => End::Trapped(compiled.trap(&self.code, site, above, base)),
        };
        Left { end, pointer: pointer.wrapping_offset(site.values_above as isize) }
    }

    /// The counters of the open loops, by number, after a unit's code was left at the header of a loop.
    pub fn counters(&self, unit: UnitId) -> impl Fn(usize) -> i64 {
        move |counter| self.get(unit).entry.slot(counter)
    }

    /// The machine code of all units, in bytes.
    pub fn code_bytes(&self) -> usize {
        self.compiled.iter().map(|compiled| compiled.entry.code().bytes().len()).sum()
    }
}
