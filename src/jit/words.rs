//! Lowering of words without control flow: literals, picks, arithmetic, comparisons and shuffles.

use super::contract::{BaselineSink, Roles};
use super::operand::{Operand, existing_cell, fits};
use super::shuffle::{Plan, Register, Step};
use super::stack::{Layout, Stack};
use crate::bytecode::Pc;
use crate::isa::Isa;
use crate::lang::Word;
use crate::lang::words::Meaning;
use crate::lir::{Op, Reg, Slot};

impl<I: Isa, S: BaselineSink> Stack<'_, I, S> {
    pub fn literal(&mut self, value: i64) {
        let [a, ..] = I::TEMPORARIES;
        if self.layout == Layout::TopInRegister {
            self.spill_top();
            self.sink.put(Op::Constant { d: I::TOP, value });
        } else {
            self.sink.put(Op::Constant { d: a, value });
            self.push(a);
        }
    }

    /// Stores the top to its slot, to make room for a new top.
    fn spill_top(&mut self) {
        self.sink.put(Op::Store { s: I::TOP, slot: self.slot(0) });
        self.above += 1;
    }

    pub fn pick(&mut self, depth: i64) {
        let [a, ..] = I::TEMPORARIES;
        let slot = self.slot(depth);
        if self.layout != Layout::TopInRegister {
            self.sink.put(Op::Load { d: a, slot });
            self.push(a);
        } else {
            self.spill_top();
            if depth > 0 {
                self.sink.put(Op::Load { d: I::TOP, slot });
            }
        }
    }

    /// Pops a value and stores it over the value `depth` below the new top.
    pub fn put_word(&mut self, depth: i64) {
        let [a, ..] = I::TEMPORARIES;
        if depth == 0 {
            self.shuffle(Word::Nip);
        } else if self.layout == Layout::TopInRegister {
            self.sink.put(Op::Store { s: I::TOP, slot: self.slot(depth + 1) });
            self.above -= 1;
            self.sink.load_last(I::TOP, self.slot(0));
        } else {
            self.pop(a);
            self.sink.put(Op::Store { s: a, slot: self.slot(depth) });
        }
    }

    pub fn word(&mut self, word: Word, pc: Pc) {
        match word.meaning() {
            Meaning::Unary(op) => {
                let a = self.first_operand();
                self.sink.put(Op::Unary { op, d: a, a });
                self.replace_top(a);
            }
            Meaning::Divide(op) => {
                let site = self.site(pc);
                let [d, a, b] = self.operands();
                self.sink.put(Op::Divide { op, d, a, b, site });
                self.result(d);
            }
            Meaning::Alu(op) => {
                let [d, a, b] = self.operands();
                self.sink.put(Op::Alu { op, d, a, b });
                self.result(d);
            }
            Meaning::Compare(cond) => {
                let [d, a, b] = self.operands();
                self.sink.put(Op::Set { cond, d, a, b });
                self.result(d);
            }
            Meaning::Load => {
                let site = self.site(pc);
                let a = self.first_operand();
                self.sink.put(Op::LoadCell { d: a, a, site, offset: 0 });
                self.replace_top(a);
            }
            Meaning::Store => self.store_word(pc),
            Meaning::Shuffle => self.shuffle_word(word),
        }
    }

    /// Pops an address and a value below it, and stores the value in that cell.
    fn store_word(&mut self, pc: Pc) {
        let [a, b, _] = I::TEMPORARIES;
        let site = self.site(pc);
        if self.layout == Layout::TopInRegister {
            self.sink.load_last(a, self.slot(1));
            self.sink.put(Op::StoreCell { s: a, a: I::TOP, site, offset: 0 });
            self.above -= 2;
            self.sink.load_last(I::TOP, self.slot(0));
        } else {
            self.pop(b);
            self.pop(a);
            self.sink.put(Op::StoreCell { s: a, a: b, site, offset: 0 });
        }
    }

    /// Lowers `@` together with the previous word, which pushes this number. If there is no such cell, returns false and emits
    /// nothing.
    fn load_known_cell(&mut self, number: i64, pc: Pc) -> bool {
        let Some(cell) = existing_cell(number, self.cells) else { return false };
        let [a, ..] = I::TEMPORARIES;
        self.sink.at(pc.0);
        if self.layout == Layout::TopInRegister {
            self.spill_top();
            self.sink.put(Op::LoadCellAt { d: I::TOP, cell });
        } else {
            self.sink.put(Op::LoadCellAt { d: a, cell });
            self.push(a);
        }
        true
    }

    /// Lowers `!` together with the previous word, which pushes the address.
    fn store_word_with_operand(&mut self, address: Operand, pc: Pc) {
        let [a, b, _] = I::TEMPORARIES;
        let cell = if let Operand::Constant(number) = address { existing_cell(number, self.cells) } else { None };
        let loaded = match address {
            Operand::Constant(value) => Some(Op::Constant { d: b, value }),
            Operand::Copy(0) => None,
            Operand::Copy(depth) => Some(Op::Load { d: b, slot: self.slot(depth as i64) }),
        };
        let s = if self.layout == Layout::TopInRegister {
            self.above -= 1;
            I::TOP
        } else {
            self.pop(a);
            a
        };
        if let Some(cell) = cell {
            self.sink.put(Op::StoreCellAt { s, cell });
        } else {
            let a = loaded.map_or(s, |load| {
                self.sink.put(load);
                b
            });
            let site = self.site(pc);
            self.sink.put(Op::StoreCell { s, a, site, offset: 0 });
        }
        if self.layout == Layout::TopInRegister {
            self.sink.load_last(I::TOP, self.slot(0));
        }
    }

    #[inline(always)]
    fn shuffle_word(&mut self, word: Word) {
        match word {
            Word::Dup => self.shuffle(Word::Dup),
            Word::Drop => self.shuffle(Word::Drop),
            Word::Swap => self.shuffle(Word::Swap),
            Word::Over => self.shuffle(Word::Over),
            Word::Rot => self.shuffle(Word::Rot),
            Word::Nip => self.shuffle(Word::Nip),
            Word::Tuck => self.shuffle(Word::Tuck),
            _ => unreachable!("every other word has one result"),
        }
    }

    /// Lowers a word together with the previous word, which pushes its second operand. If the operand must be pushed,
    /// returns false and emits nothing.
    #[inline(always)]
    pub fn word_with_operand(&mut self, word: Word, second: Operand, pc: Pc) -> bool {
        let meaning = word.meaning();
        match second {
            Operand::Constant(number) if meaning == Meaning::Load => return self.load_known_cell(number, pc),
            _ if matches!(meaning, Meaning::Shuffle | Meaning::Unary(_) | Meaning::Load) => return false,
            Operand::Constant(imm) if !fits::<I>(meaning, imm) => return false,
            _ => self.sink.at(pc.0),
        }
        if meaning == Meaning::Store {
            self.store_word_with_operand(second, pc);
            return true;
        }
        let first = self.first_operand();
        match second {
            Operand::Constant(imm) => self.sink.put(match meaning {
                Meaning::Alu(op) => Op::AluImm { op, d: first, a: first, imm },
                Meaning::Compare(cond) => Op::SetImm { cond, d: first, a: first, imm },
                Meaning::Divide(op) => Op::DivideImm { op, d: first, a: first, imm },
                Meaning::Unary(_) | Meaning::Shuffle | Meaning::Load | Meaning::Store => {
                    unreachable!("these words returned early")
                }
            }),
            Operand::Copy(depth) => {
                let [a, b] = self.with_copy(first, depth as i64);
                match meaning {
                    Meaning::Alu(op) => self.sink.put(Op::Alu { op, d: first, a, b }),
                    Meaning::Compare(cond) => self.sink.put(Op::Set { cond, d: first, a, b }),
                    Meaning::Divide(op) => {
                        let site = self.site(pc);
                        self.sink.put(Op::Divide { op, d: first, a, b, site });
                    }
                    Meaning::Unary(_) | Meaning::Shuffle | Meaning::Load | Meaning::Store => {
                        unreachable!("these words returned early")
                    }
                }
            }
        }
        self.replace_top(first);
        true
    }

    /// Stores the new value of the top, unless it is in the register of the top.
    #[inline(always)]
    fn replace_top(&mut self, s: Reg) {
        if self.layout != Layout::TopInRegister {
            self.sink.put(Op::Store { s, slot: self.slot(0) });
        }
    }

    /// The register that holds the top, for a word whose result replaces the top. Loads the top if it is in memory.
    #[inline(always)]
    fn first_operand(&mut self) -> Reg {
        let [a, ..] = I::TEMPORARIES;
        if self.layout == Layout::TopInRegister {
            I::TOP
        } else {
            self.sink.load_last(a, self.slot(0));
            a
        }
    }

    /// The operands of a word whose second operand is a copy of the value `depth` below the top.
    #[inline(always)]
    fn with_copy(&mut self, first: Reg, depth: i64) -> [Reg; 2] {
        let [a, b, _] = I::TEMPORARIES;
        if depth == 0 {
            return [first, first];
        }
        let [a, b] = if self.layout == Layout::TopInRegister {
            // The copy is loaded into the register of the top, so that this register and a slot hold the same value
            // until the result is computed.
            self.sink.put(Op::Move { d: a, s: first });
            [a, first]
        } else {
            [first, b]
        };
        self.sink.put(Op::Load { d: b, slot: self.slot(depth) });
        [a, b]
    }

    /// Pops the two operands of a word. Returns the destination of the result and the registers of the operands.
    #[inline(always)]
    fn operands(&mut self) -> [Reg; 3] {
        let [a, b, _] = I::TEMPORARIES;
        if self.layout == Layout::TopInRegister {
            self.above -= 1;
            self.sink.load_last(a, self.slot(0));
            [I::TOP, a, I::TOP]
        } else {
            self.pop(b);
            self.pop(a);
            [a, a, b]
        }
    }

    /// Pushes the result of a word with two operands, unless it is in the register of the top.
    #[inline(always)]
    fn result(&mut self, d: Reg) {
        if self.layout != Layout::TopInRegister {
            self.push(d);
        }
    }

    /// Lowers a shuffle. Inlined where the word is a constant, so that only the operations of its plan remain.
    #[inline(always)]
    fn shuffle(&mut self, word: Word) {
        match self.layout {
            Layout::Pushing => self.shuffle_by_pushes(word),
            Layout::Memory => self.shuffle_slots(word, Plan::of(word, false)),
            Layout::TopInRegister => self.shuffle_slots(word, Plan::of(word, true)),
        }
    }

    #[inline(always)]
    fn shuffle_slots(&mut self, word: Word, plan: &Plan) {
        let base = self.above - word.pops() as i64;
        let slot = |slot: i8| Slot(base + i64::from(slot));
        for &step in plan.steps() {
            match step {
                Step::Load { to, slot: from, last } => self.sink.load(Self::register(to), slot(from), last),
                Step::Store { from, slot: to } => self.sink.put(Op::Store { s: Self::register(from), slot: slot(to) }),
                Step::MoveToTop { from } => self.sink.put(Op::Move { d: I::TOP, s: Self::register(from) }),
            }
        }
        self.above = base + word.pushes() as i64;
    }

    #[inline(always)]
    fn register(register: Register) -> Reg {
        match register {
            Register::Top => I::TOP,
            Register::Temporary(index) => I::TEMPORARIES[usize::from(index)],
        }
    }

    /// Pops the operands and pushes the results, one by one.
    fn shuffle_by_pushes(&mut self, word: Word) {
        for operand in (0..word.pops()).rev() {
            self.pop(I::TEMPORARIES[operand]);
        }
        for &operand in word.origins() {
            self.push(I::TEMPORARIES[operand]);
        }
    }
}
