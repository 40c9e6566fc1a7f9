//! The interpreter's code, under construction and finished.

use super::handlers::{self, BACK, Cell, GO, Handler, Ip, LONGEST, NEXT, SEGMENT, pause};
use super::tables::Form;
use super::watch::Watch;
use super::window::Value;
use crate::bytecode::{Pc, TrapSite};
use crate::lang::Word;

/// Executable code.
pub struct Code {
    cells: Vec<Cell>,
    /// The instructions that can trap, in the order of the code.
    sites: Vec<(usize, TrapSite)>,
    /// How many counters activations need.
    pub counters: Counters,
    /// One line per instruction, if a listing was requested.
    pub listing: Option<Vec<Line>>,
    /// What is known about watched code.
    pub watch: Option<Watch>,
}

/// Numbers of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Those of the main program.
    pub main: usize,
    /// The most that any definition needs.
    pub definition: usize,
}

/// A line of the listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The index of the instruction's first cell.
    pub cell: usize,
    /// The bytecode operation that it was generated for; if there are several, the last.
    pub pc: Pc,
    /// The text of the instruction.
    pub text: String,
}

impl Code {
    /// The first instruction.
    pub fn start(&self) -> Ip {
        self.cells.as_ptr()
    }

    /// The instruction at a cell.
    pub fn at(&self, cell: usize) -> Ip {
        self.start().wrapping_add(cell)
    }

    /// The cell of an instruction.
    pub fn cell(&self, ip: Ip) -> usize {
        (ip as usize - self.start() as usize) / size_of::<Cell>()
    }

    /// Replaces the handler of the instruction at a cell, and returns the cell before.
    pub fn replace(&mut self, cell: usize, handler: Handler) -> Cell {
        std::mem::replace(&mut self.cells[cell], Cell { handler })
    }

    /// The trap site of an instruction that trapped.
    ///
    /// # Panics
    /// If it cannot trap.
    pub fn site(&self, ip: Ip) -> TrapSite {
        let cell = self.cell(ip);
        let found = self.sites.binary_search_by_key(&cell, |(cell, _)| *cell);
        self.sites[found.expect("an instruction that traps has a site")].1
    }
}

/// Code under construction.
pub struct Builder {
    cells: Vec<Cell>,
    sites: Vec<(usize, TrapSite)>,
    listing: Option<Vec<Line>>,
    /// Pairs of cells: one that will hold an address, and the cell at that address.
    targets: Vec<(usize, usize)>,
    /// Whether instructions may be fused.
    is_fusing: bool,
    /// The last instruction and its last operand, if the next instruction may still be fused with it.
    last: Option<(usize, Form, Value)>,
    /// The bytecode operation for which code is being generated.
    pub pc: Pc,
    /// The number of cells so far, less [`path_length`](Builder::path_length). In straight-line code, this is the cell of the
    /// last pause.
    paused: i64,
}

/// A target that is not bound yet.
#[derive(Clone, Copy, Debug)]
pub struct Patch(usize);

impl Builder {
    /// Code for about this many operations.
    pub fn new(operations: usize, is_fusing: bool, is_listed: bool) -> Builder {
        Builder {
            cells: Vec::with_capacity(operations + operations / 2),
            sites: Vec::new(),
            listing: is_listed.then(Vec::new),
            targets: Vec::new(),
            is_fusing,
            last: None,
            pc: Pc(0),
            paused: 0,
        }
    }

    /// The index of the next cell. It may be a jump target, so the next instruction is not fused with the last.
    #[inline]
    pub fn here(&mut self) -> usize {
        self.last = None;
        self.cells.len()
    }

    /// The number of cells.
    pub fn length(&self) -> usize {
        self.cells.len()
    }

    /// Starts an instruction.
    #[inline]
    pub fn begin(&mut self, handler: Handler, text: impl FnOnce() -> String) {
        self.last = None;
        if self.path_length() >= LONGEST {
            self.paused = self.cells.len() as i64;
            self.line(|| "pause".into());
            self.cells.push(Cell { handler: pause });
        }
        self.line(text);
        self.cells.push(Cell { handler });
    }

    fn line(&mut self, text: impl FnOnce() -> String) {
        if let Some(listing) = &mut self.listing {
            listing.push(Line { cell: self.cells.len(), pc: self.pc, text: text() });
        }
    }

    /// Starts an instruction that may trap with this many values above the base.
    pub fn begin_trapping(&mut self, handler: Handler, values_above: i64, text: impl FnOnce() -> String) {
        self.begin(handler, text);
        self.traps_at(self.pc, values_above);
    }

    /// The instruction that was just started may trap at an operation, with this many values above the base.
    pub fn traps_at(&mut self, pc: Pc, values_above: i64) {
        self.sites.push((self.cells.len() - 1, TrapSite { pc, values_above }));
    }

    /// Appends a number that the instruction needs.
    #[inline]
    pub fn value(&mut self, value: i64) {
        self.cells.push(Cell { value });
    }

    /// Appends a cell for an operand that is not in a register.
    #[inline]
    pub fn operand(&mut self, operand: Value) {
        if let Value::Constant(value) = operand {
            self.value(value);
        }
    }

    /// Appends a target that is already bound.
    pub fn target(&mut self, cell: usize) {
        self.targets.push((self.cells.len(), cell));
        self.value(0);
    }

    /// Appends a target that will be bound later.
    pub fn patch(&mut self) -> Patch {
        self.target(0);
        Patch(self.targets.len() - 1)
    }

    /// Binds a target to the next instruction.
    pub fn bind(&mut self, patch: Patch) {
        let here = self.here();
        self.bind_to(patch, here);
    }

    /// Binds a target to the instruction at this cell.
    pub fn bind_to(&mut self, Patch(target): Patch, cell: usize) {
        self.targets[target].1 = cell;
    }

    /// Appends an instruction that can be fused: with the last one now, if possible, or else with the next.
    pub fn form(&mut self, form: Form, operand: Value) {
        let pair = self.last.and_then(|(at, last, _)| Some((at, last.then(form)?)));
        if let Some((at, pair)) = pair {
            self.cells[at].handler = pair.ending(GO).expect("every form can continue with the next instruction");
            self.relabel(|text| format!("{text}; {}", form.text(operand)));
            self.last = Some((at, pair, operand));
        } else {
            self.begin(form.ending(GO).expect("every form can continue with the next instruction"), || {
                form.text(operand)
            });
            self.last = self.is_fusing.then_some((self.cells.len() - 1, form, operand));
        }
        self.operand(operand);
    }

    /// Whether the last instruction wrote this value and may still be fused with the next.
    pub fn wrote_last(&self, value: Value) -> bool {
        matches!((self.last, value), (Some((_, Form::Compute { d, .. }, _)), Value::Register(r)) if d == usize::from(r))
    }

    /// If the last instruction did nothing but set `sum` to the sum of a register and a constant, and may still be fused with the
    /// next, removes it and returns the register and the constant.
    pub fn take_back_sum(&mut self, sum: u8) -> Option<(u8, i64)> {
        let (at, Form::Compute { word, d, a, .. }, Value::Constant(constant)) = self.last? else { return None };
        let constant = match word {
            Word::Add => constant,
            Word::Sub => constant.wrapping_neg(),
            _ => return None,
        };
        if d != usize::from(sum) {
            return None;
        }
        self.cells.truncate(at);
        self.listing.as_mut().and_then(Vec::pop);
        self.last = None;
        Some((a as u8, constant))
    }

    fn relabel(&mut self, text: impl FnOnce(&str) -> String) {
        let pc = self.pc;
        if let Some(line) = self.listing.as_mut().and_then(|listing| listing.last_mut()) {
            line.text = text(&line.text);
            line.pc = pc;
        }
    }

    /// Ends an innermost loop whose header is the cell `head`. Returns the number of iterations until it pauses.
    pub fn end_loop(&mut self, end: usize, head: usize) -> i64 {
        let fused = self.last.and_then(|(at, last, _)| Some((at, last.ending(end)?)));
        let mnemonic = if end == NEXT { "next" } else { "back" };
        debug_assert!(end == NEXT || end == BACK, "only these end loops");
        if let Some((at, handler)) = fused {
            self.cells[at].handler = handler;
            self.relabel(|text| format!("{text}; {mnemonic} {head}"));
        } else {
            self.begin(Form::LoopEnd.ending(end).expect("a bare end has a handler for each kind of loop"), || {
                format!("{mnemonic} {head}")
            });
        }
        let iterations = LONGEST / 2 / (self.cells.len() - head).max(1);
        // The loop pauses after a power-of-two number of iterations, or after each iteration if it is long.
        let mask = (iterations + 1).next_power_of_two() / 2;
        self.target(head);
        let mask = mask.max(1) as i64;
        self.value(mask - 1);
        self.last = None;
        self.lengthen(LONGEST / 2);
        mask
    }

    /// The greatest number of instructions on a path to here without a pause.
    pub fn path_length(&self) -> usize {
        (self.cells.len() as i64 - self.paused) as usize
    }

    /// Adds this many instructions to the longest path to here.
    pub fn lengthen(&mut self, instructions: usize) {
        self.paused -= instructions as i64;
    }

    /// Accounts for another path to here, of this length.
    pub fn join(&mut self, path_length: usize) {
        self.paused = self.paused.min(self.cells.len() as i64 - path_length as i64);
    }

    /// Begins a function with the next instruction, and returns its cell.
    pub fn begin_function(&mut self) -> usize {
        self.paused = self.cells.len() as i64;
        self.here()
    }

    /// Uses the units that are due for the path to here, before an instruction that is followed by other activations' instructions.
    pub fn use_units(&mut self) {
        let units = self.path_length() / SEGMENT;
        if units > 0 {
            self.begin(handlers::units, || format!("use {units} units"));
            self.value(units as i64);
            self.paused += (units * SEGMENT) as i64;
        }
    }

    /// The number of units for an iteration of a loop that contains calls, whose header is this cell.
    pub fn units_since(&self, header: usize) -> i64 {
        let length = self.path_length().min(self.cells.len() - header);
        (length / SEGMENT + 1) as i64
    }

    /// Returns the code.
    pub fn finish(mut self, counters: Counters, watch: Option<Watch>) -> Code {
        let start = self.cells.as_ptr();
        for (cell, target) in self.targets {
            self.cells[cell].target = start.wrapping_add(target);
        }
        Code { cells: self.cells, sites: self.sites, counters, listing: self.listing, watch }
    }
}
