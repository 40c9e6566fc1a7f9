//! The code of the interpreter while it is made, and when it is done.

use super::handlers::{BACK, Cell, GO, Handler, Ip, LONGEST, NEXT, pause};
use super::tables::Form;
use super::window::Value;
use crate::bytecode::{Pc, TrapSite};

/// Code that can run.
pub struct Code {
    cells: Vec<Cell>,
    /// Where it can trap, in the order of the code.
    sites: Vec<(usize, TrapSite)>,
    /// A line an instruction, where one was asked for.
    pub listing: Option<Vec<Line>>,
}

/// A line of the listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The index of the instruction's first cell.
    pub cell: usize,
    /// The operation of the bytecode that it was made for; of several the last.
    pub pc: Pc,
    /// What the instruction does.
    pub text: String,
}

impl Code {
    /// The first instruction.
    pub fn start(&self) -> Ip {
        self.cells.as_ptr()
    }

    /// What is known of an instruction that trapped.
    ///
    /// # Panics
    /// Where it cannot trap.
    pub fn site(&self, ip: Ip) -> TrapSite {
        let cell = (ip as usize - self.start() as usize) / size_of::<Cell>();
        let found = self.sites.binary_search_by_key(&cell, |(cell, _)| *cell);
        self.sites[found.expect("what traps has a site")].1
    }
}

/// Code that is being made.
pub struct Builder {
    cells: Vec<Cell>,
    sites: Vec<(usize, TrapSite)>,
    listing: Option<Vec<Line>>,
    /// Cells that will hold the address of a cell, and of which.
    targets: Vec<(usize, usize)>,
    /// Whether instructions may become one.
    is_fusing: bool,
    /// The last instruction, where the next may still become one with it.
    last: Option<(usize, Form)>,
    /// The operation of the bytecode that code is made for.
    pub pc: Pc,
    /// Where the longest way here without a pause would have begun, had it been straight.
    paused: i64,
}

/// A target that is not known yet.
#[derive(Clone, Copy, Debug)]
pub struct Patch(usize);

impl Builder {
    /// Code for about so many operations.
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

    /// The index of the next cell. What follows may be jumped to, so that it stays an instruction of its own.
    #[inline]
    pub fn here(&mut self) -> usize {
        self.last = None;
        self.cells.len()
    }

    /// Begins an instruction.
    #[inline]
    pub fn begin(&mut self, handler: Handler, text: impl FnOnce() -> String) {
        self.last = None;
        if self.way() >= LONGEST {
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

    /// Begins an instruction that may trap; so many values lie above the base.
    pub fn begin_trapping(&mut self, handler: Handler, values_above: i64, text: impl FnOnce() -> String) {
        self.begin(handler, text);
        self.sites.push((self.cells.len() - 1, TrapSite { pc: self.pc, values_above }));
    }

    /// A number that the instruction needs.
    #[inline]
    pub fn value(&mut self, value: i64) {
        self.cells.push(Cell { value });
    }

    /// An operand that is no register takes a cell.
    #[inline]
    pub fn operand(&mut self, operand: Value) {
        if let Value::Constant(value) = operand {
            self.value(value);
        }
    }

    /// A target that is known.
    pub fn target(&mut self, cell: usize) {
        self.targets.push((self.cells.len(), cell));
        self.value(0);
    }

    /// A target that will be.
    pub fn patch(&mut self) -> Patch {
        self.target(0);
        Patch(self.targets.len() - 1)
    }

    /// Now it is: here.
    pub fn bind(&mut self, Patch(target): Patch) {
        self.targets[target].1 = self.here();
    }

    /// An instruction with which the next may become one. Becomes one with the last where it can.
    pub fn form(&mut self, form: Form, operand: Value) {
        let pair = self.last.and_then(|(at, last)| Some((at, last.then(form)?)));
        if let Some((at, pair)) = pair {
            self.cells[at].handler = pair.ending(GO).expect("every form can go on");
            self.relabel(|text| format!("{text}; {}", form.text(operand)));
            self.last = Some((at, pair));
        } else {
            self.begin(form.ending(GO).expect("every form can go on"), || form.text(operand));
            self.last = self.is_fusing.then_some((self.cells.len() - 1, form));
        }
        self.operand(operand);
    }

    /// Whether the last instruction, which may still become one with the next, wrote this.
    pub fn wrote_last(&self, value: Value) -> bool {
        matches!((self.last, value), (Some((_, Form::Compute { d, .. })), Value::Register(r)) if d == usize::from(r))
    }

    fn relabel(&mut self, text: impl FnOnce(&str) -> String) {
        let pc = self.pc;
        if let Some(line) = self.listing.as_mut().and_then(|listing| listing.last_mut()) {
            line.text = text(&line.text);
            line.pc = pc;
        }
    }

    /// The end of an innermost loop, which begins at a cell.
    pub fn end_loop(&mut self, end: usize, head: usize) {
        let fused = self.last.and_then(|(at, last)| Some((at, last.ending(end)?)));
        let mnemonic = if end == NEXT { "next" } else { "back" };
        debug_assert!(end == NEXT || end == BACK, "those are the ends of loops");
        if let Some((at, handler)) = fused {
            self.cells[at].handler = handler;
            self.relabel(|text| format!("{text}; {mnemonic} {head}"));
        } else {
            self.begin(Form::Turn.ending(end).expect("it is an end and nothing else"), || format!("{mnemonic} {head}"));
        }
        let passes = LONGEST / 2 / (self.cells.len() - head).max(1);
        // A power of two of passes at a time; of a long loop one.
        let mask = (passes + 1).next_power_of_two() / 2;
        self.target(head);
        self.value(mask.max(1) as i64 - 1);
        self.last = None;
        self.lengthen(LONGEST / 2);
    }

    /// The greatest number of instructions on a way to here that does not pause.
    pub fn way(&self) -> usize {
        (self.cells.len() as i64 - self.paused) as usize
    }

    /// There are ways to here that are longer by so much, or as long as this.
    pub fn lengthen(&mut self, instructions: usize) {
        self.paused -= instructions as i64;
    }

    /// There is a way to here that is as long as this.
    pub fn join(&mut self, way: usize) {
        self.paused = self.paused.min(self.cells.len() as i64 - way as i64);
    }

    /// The code.
    pub fn finish(mut self) -> Code {
        let start = self.cells.as_ptr();
        for (cell, target) in self.targets {
            self.cells[cell].target = start.wrapping_add(target);
        }
        Code { cells: self.cells, sites: self.sites, listing: self.listing }
    }
}
