//! Arrays: loads and stores through literal and computed addresses, most of them in bounds.

use super::{Grower, MAX_EXECUTIONS};
use crate::generate::dice::Dice;
use crate::generate::operands::operand;
use crate::lang::words::Class;
use crate::lang::{ArrayId, NodeKind, Word};

/// The arrays of a program.
#[derive(Default)]
pub(super) struct Cells {
    arrays: Vec<Region>,
    /// A cell that only counts iterations, so that no other word may change the count.
    counter: Option<ArrayId>,
    /// The number of cells of each array, the counter included.
    sizes: Vec<u32>,
    /// The number of cells of all arrays.
    all: i64,
}

/// One array that any word may use.
#[derive(Clone, Copy)]
struct Region {
    id: ArrayId,
    start: i64,
    cells: i64,
}

impl Cells {
    /// A few arrays, most of them small, so that different addresses often name the same cell.
    pub(super) fn draw(dice: &mut Dice) -> Cells {
        let mut drawn = Cells::default();
        let count = if dice.one_in(2) { 1 } else { 1 + dice.below(5) };
        let counter = dice.one_in(2).then(|| dice.below(count + 1));
        for index in 0..count + u32::from(counter.is_some()) {
            let id = ArrayId(index);
            let is_counter = counter == Some(index);
            let cells = if is_counter { 1 } else { array_size(dice) };
            if is_counter {
                drawn.counter = Some(id);
            } else {
                drawn.arrays.push(Region { id, start: drawn.all, cells });
            }
            drawn.all += cells;
            drawn.sizes.push(cells as u32);
        }
        drawn
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        !self.arrays.is_empty()
    }

    /// Any of them.
    pub(super) fn random(&self, dice: &mut Dice) -> ArrayId {
        dice.pick(&self.arrays).id
    }

    /// The number of cells of each array, in order.
    pub(super) fn sizes(&self) -> Vec<u32> {
        self.sizes.clone()
    }
}

fn array_size(dice: &mut Dice) -> i64 {
    match dice.below(40) {
        0..24 => 1 + i64::from(dice.below(8)),
        24..31 => 9 + i64::from(dice.below(60)),
        31..36 => 16 << dice.below(6),
        36..39 => 100 + i64::from(dice.below(500)),
        // Cells around the last one that an AArch64 load reaches with its immediate.
        _ if dice.one_in(3) => 4_088 + i64::from(dice.below(16)),
        // Enough for zeroing to take another path.
        _ if dice.one_in(6) => 30_000 + i64::from(dice.below(60_000)),
        _ => 1_000 + i64::from(dice.below(1_500)),
    }
}

impl Grower<'_, '_> {
    /// Appends words that load or store.
    pub(super) fn memory(&mut self, levels: u32) {
        match self.dice.below(16) {
            0..4 => self.cell(),
            4..8 => self.store(),
            8 | 9 => self.update(),
            10..13 => self.aliases(),
            _ if levels == 0 => self.cell(),
            13 | 14 => self.sweep(levels - 1),
            _ => self.counted_in_memory(levels - 1),
        }
    }

    /// Pushes the value of a cell.
    pub(super) fn cell(&mut self) {
        self.address();
        self.word(Word::Fetch);
    }

    /// Stores a value.
    fn store(&mut self) {
        if self.dice.one_in(2) {
            self.need(1);
        } else {
            self.value();
        }
        self.address();
        self.word(Word::Store);
    }

    /// Changes a cell by a function of its value.
    fn update(&mut self) {
        self.address();
        self.words(&[Word::Dup, Word::Fetch]);
        if self.dice.one_in(2) {
            let value = operand(self.dice);
            self.literal(value);
            let word = self.draw(&[Class::Arithmetic, Class::Comparison]);
            self.word(word);
        } else {
            let word = self.draw(&[Class::Unary]);
            self.word(word);
        }
        self.words(&[Word::Swap, Word::Store]);
    }

    fn array(&mut self) -> Region {
        *self.dice.pick(&self.cells.arrays)
    }

    /// Pushes an address, nearly always one in bounds.
    fn address(&mut self) {
        if !self.safe && self.dice.one_in(40) {
            return self.stray_address();
        }
        let array = self.array();
        if self.safe || self.dice.one_in(2) {
            let cell = self.dice.long_below(array.cells as u64) as i64;
            self.literal_address(array, cell);
        } else {
            self.index(array.cells);
            if self.dice.one_in(6) {
                self.checked_address(array);
            } else {
                self.add_address(array, array.cells);
            }
        }
    }

    /// Turns an index into the address of a cell of an array if the index is below the array's length, and otherwise into an
    /// address outside of the memory. This is how programs check the bounds of one array of several.
    fn checked_address(&mut self, array: Region) {
        let length = match self.dice.below(6) {
            0 => array.cells - 1,
            1 => array.cells + 1,
            _ => array.cells,
        };
        self.word(Word::Dup);
        self.literal(length);
        self.word(Word::Ult);
        let opener = self.open();
        self.height -= 1;
        if array.start > 0 || self.dice.one_in(2) {
            self.push_address(array.id);
            self.word(Word::Add);
        }
        let otherwise = self.nodes.len() as u32;
        self.word(Word::Drop);
        let outside = if self.safe { array.start } else { *self.dice.pick(&[-1, self.cells.all, i64::MIN]) };
        self.literal(outside);
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::If { otherwise, end };
    }

    /// Pushes the address of the cell at an index of an array. The index may be beyond the array.
    fn literal_address(&mut self, array: Region, cell: i64) {
        match self.dice.below(8) {
            0 => self.literal(array.start.wrapping_add(cell)),
            1 => {
                self.literal(cell);
                self.push_address(array.id);
                self.word(Word::Add);
            }
            2 => {
                // Two sums, which may wrap in between.
                let first = operand(self.dice);
                self.push_address(array.id);
                self.literal(first);
                self.word(Word::Add);
                self.literal(cell.wrapping_sub(first));
                self.word(Word::Add);
            }
            3 => {
                self.push_address(array.id);
                self.literal(cell.wrapping_neg());
                self.word(Word::Sub);
            }
            4 => {
                let more = 1 + i64::from(self.dice.below(3));
                self.push_address(array.id);
                self.literal(cell.wrapping_add(more));
                self.word(Word::Add);
                self.literal(more);
                self.word(Word::Sub);
            }
            _ if cell == 0 => self.push_address(array.id),
            _ => {
                self.push_address(array.id);
                self.literal(cell);
                self.word(Word::Add);
            }
        }
    }

    /// Pushes an index below `bound` that is not known in advance.
    fn index(&mut self, bound: i64) {
        self.value();
        let bits = bound.ilog2();
        match self.dice.below(6) {
            0 | 1 if bits > 0 => {
                self.literal((1 << bits) - 1);
                self.word(Word::And);
            }
            2 if bits > 0 => {
                self.literal(64 - i64::from(bits));
                self.word(Word::Rshift);
            }
            3 => {
                self.literal(0);
                self.word(Word::Max);
                self.literal(bound - 1);
                self.word(Word::Min);
            }
            4 if bound > 1 => {
                let value = operand(self.dice);
                self.literal(value);
                let word = self.draw(&[Class::Comparison]);
                self.word(word);
            }
            _ => {
                self.literal(bound);
                self.words(&[Word::Mod, Word::Abs]);
            }
        }
    }

    /// Turns an index below `bound` into the address of a cell of an array, in one of several ways.
    fn add_address(&mut self, array: Region, bound: i64) {
        match self.dice.below(8) {
            0 => {
                self.literal(array.start);
                self.word(Word::Add);
            }
            1 => {
                self.push_address(array.id);
                self.words(&[Word::Swap, Word::Add]);
            }
            2 | 3 => {
                // Two sums, which may wrap in between.
                let first = operand(self.dice);
                self.literal(first);
                self.word(Word::Add);
                if self.dice.one_in(2) {
                    self.push_address(array.id);
                    self.word(Word::Add);
                    self.literal(first);
                    self.word(Word::Sub);
                } else {
                    self.literal(array.start.wrapping_sub(first));
                    self.word(Word::Add);
                }
            }
            4 => {
                // In reverse.
                self.word(Word::Negate);
                self.push_address(array.id);
                self.word(Word::Add);
                self.literal(bound - 1);
                self.word(Word::Add);
            }
            _ => {
                self.push_address(array.id);
                self.word(Word::Add);
            }
        }
    }

    fn push_address(&mut self, array: ArrayId) {
        self.put(NodeKind::Address(array));
        self.height += 1;
    }

    /// Pushes an address that is at the border of the memory or far outside, or that only looks like one outside.
    pub(super) fn stray_address(&mut self) {
        let array = self.array();
        let end = self.cells.all;
        match self.dice.below(12) {
            0 | 1 => self.literal_address(array, end - array.start),
            2 => self.literal_address(array, end - 1 - array.start),
            3 => self.literal_address(array, -1 - array.start),
            4 => {
                // Times the size of a cell, each of these wraps to the offset of a cell or nearly so.
                let high = *self.dice.pick(&[1 << 61, i64::MIN, 1 << 62, 1 << 32, 1 << 31, 1 << 29, -1 << 32]);
                let low = i64::from(self.dice.below(3));
                self.literal(high + low);
                if self.dice.one_in(2) {
                    self.push_address(array.id);
                    self.word(Word::Add);
                }
            }
            5 => {
                let far = operand(self.dice);
                self.literal_address(array, far);
            }
            6 => {
                // A sum that wraps.
                self.literal(i64::MAX);
                self.literal(i64::MIN);
                self.word(Word::Add);
                if self.dice.one_in(2) {
                    self.push_address(array.id);
                    self.word(Word::Add);
                }
            }
            7 => {
                self.value();
                self.push_address(array.id);
                self.word(Word::Add);
            }
            8 => {
                if self.dice.one_in(2) {
                    self.value();
                } else {
                    let border = array.cells + i64::from(self.dice.below(3)) - 1;
                    self.literal(border);
                }
                self.checked_address(array);
            }
            _ => {
                // An index that is not known in advance, and a border that depends on it.
                self.index(3);
                let back = i64::from(self.dice.below(3));
                self.literal(end - back);
                self.word(Word::Add);
            }
        }
    }

    /// Appends an access out of bounds, or one that is nearly so.
    pub(super) fn out_of_bounds(&mut self) {
        if self.dice.one_in(6) {
            return self.sweep_beyond();
        }
        if self.dice.one_in(2) {
            self.stray_address();
            self.word(Word::Fetch);
        } else {
            self.need(1);
            self.stray_address();
            self.word(Word::Store);
        }
    }

    /// Loads and stores through different expressions of the same address and of its neighbor.
    fn aliases(&mut self) {
        let array = self.array();
        // The last cell has no neighbor.
        let bound = (array.cells - 1).max(1);
        let neighbor = i64::from(array.cells > 1);
        let cell = self.dice.long_below(bound as u64) as i64;
        let literal = self.safe || self.dice.one_in(3);
        // What is copied is the address, or an index that each access checks or adds again.
        let is_index = !literal && self.dice.one_in(2);
        if literal {
            self.literal_address(array, cell);
        } else if is_index {
            self.index(array.cells);
        } else {
            self.index(bound);
            self.add_address(array, bound);
        }
        let base = self.height + self.below - 1;
        for _ in 0..3 + self.dice.below(4) {
            if !self.callees.is_empty() && self.dice.one_in(5) {
                // Which may use the same cells.
                self.call_above();
            }
            let is_store = self.dice.one_in(2);
            if is_store {
                self.value();
            }
            let by = if self.dice.one_in(3) { neighbor } else { 0 };
            if literal && self.dice.one_in(2) {
                self.literal_address(array, cell + by);
            } else {
                self.pick_at(base);
                match is_index {
                    true if self.dice.one_in(2) => self.checked_address(array),
                    true => self.add_address(array, array.cells),
                    false => self.add_in_some_way(by),
                }
            }
            self.word(if is_store { Word::Store } else { Word::Fetch });
        }
    }

    /// Adds a constant to the top.
    fn add_in_some_way(&mut self, by: i64) {
        match self.dice.below(5) {
            0 => {
                let first = operand(self.dice);
                self.literal(first);
                self.word(Word::Add);
                self.literal(by.wrapping_sub(first));
                self.word(Word::Add);
            }
            1 => {
                self.literal(-by);
                self.word(Word::Sub);
            }
            _ if by == 0 => {}
            2 => {
                self.literal(by);
                self.words(&[Word::Swap, Word::Add]);
            }
            _ => {
                self.literal(by);
                self.word(Word::Add);
            }
        }
    }

    /// A loop whose counter is an index of an array.
    fn sweep(&mut self, levels: u32) {
        let array = self.array();
        let most = (MAX_EXECUTIONS / self.executions).min(40).min(array.cells as u64);
        if most == 0 {
            return self.cell();
        }
        let count = 1 + self.dice.long_below(most) as i64;
        let first = self.dice.long_below((array.cells - count + 1) as u64) as i64;
        self.sweep_from(array, first, count, levels);
    }

    /// A loop whose counter is an index that leaves the memory at its end.
    fn sweep_beyond(&mut self) {
        let array = self.array();
        let last = self.cells.all - array.start;
        let count = last.min(9);
        self.sweep_from(array, last - count, count + 1, 0);
    }

    fn sweep_from(&mut self, array: Region, first: i64, count: i64, levels: u32) {
        // The first iteration of a loop that runs down is the last one of a loop that runs up.
        let up = self.dice.one_in(2);
        self.literal(if up { first } else { first + count });
        self.literal(count);
        let opener = self.open();
        self.height -= 1;
        let before = self.repeat(count as u64);
        let index = self.height + self.below - 1;
        let entry = self.height;
        self.open_body(true);
        if !up {
            self.literal(1);
            self.word(Word::Sub);
        }
        // The index stays below the values of the body.
        self.below += entry;
        self.height = 0;
        self.items(2, levels);
        if first + count < array.cells && self.dice.one_in(4) {
            self.copy_to_neighbor(index, array, up);
        }
        let is_store = self.dice.one_in(2);
        if is_store {
            self.need(1);
        }
        self.pick_at(index);
        self.push_address(array.id);
        self.word(Word::Add);
        self.word(if is_store { Word::Store } else { Word::Fetch });
        let changes = !is_store && entry > 1 && self.dice.one_in(2);
        self.set_height(usize::from(changes));
        self.below -= entry;
        self.height += entry;
        if changes {
            // The loaded value changes the value below the index.
            self.word(Word::Rot);
            let word = *self.dice.pick(&[Word::Add, Word::Xor, Word::Sub]);
            self.words(&[word, Word::Swap]);
        }
        if up {
            self.literal(1);
            self.word(Word::Add);
        }
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::Times { end };
        self.close_body(entry);
        self.executions = before;
        if self.dice.one_in(2) {
            self.need(1);
            self.word(Word::Drop);
        }
    }

    /// Stores a function of the cell with the index in the next cell or, if the loop runs down, the reverse.
    fn copy_to_neighbor(&mut self, index: usize, array: Region, up: bool) {
        for is_store in [false, true] {
            self.pick_at(index);
            self.push_address(array.id);
            self.word(Word::Add);
            if is_store == up {
                self.literal(1);
                self.word(Word::Add);
            }
            if is_store {
                self.word(Word::Store);
            } else {
                self.word(Word::Fetch);
                let value = operand(self.dice);
                self.literal(value);
                let word = self.draw(&[Class::Arithmetic]);
                self.word(word);
            }
        }
    }

    /// A loop whose counter is in memory.
    fn counted_in_memory(&mut self, levels: u32) {
        let most = (MAX_EXECUTIONS / self.executions).min(9);
        let Some(counter) = self.cells.counter.filter(|_| most > 0) else { return self.cell() };
        let count = 1 + self.dice.long_below(most);
        self.literal(count as i64);
        self.push_address(counter);
        self.word(Word::Store);
        let opener = self.open();
        let before = self.repeat(count + 1);
        self.push_address(counter);
        self.word(Word::Fetch);
        // Calls in the body may use the same counter. Each of them leaves zero there.
        self.literal(0);
        self.word(Word::Gt);
        self.height -= 1;
        let body = self.nodes.len() as u32;
        let entry = self.height;
        self.open_body(true);
        self.items(4, levels);
        self.set_height(entry);
        self.push_address(counter);
        self.word(Word::Fetch);
        self.count_down();
        self.push_address(counter);
        self.word(Word::Store);
        self.close_while(opener, body);
        self.close_body(entry);
        self.executions = before;
    }
}
