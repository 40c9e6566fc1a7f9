//! Definitions: leaf words, words with large frames, recursive words, and words that do whatever a main program does.

use super::Grower;
use super::calls::{Callee, Counter};
use super::memory::Cells;
use super::recursion::Position;
use crate::generate::dice::Dice;
use crate::generate::operands::operand;
use crate::lang::words::Class;
use crate::lang::{DefinitionId, NodeKind, Word};
use crate::outcome::TrapKind;

/// The definitions of a program.
#[derive(Default)]
pub(super) struct Definitions {
    /// Their bodies, in reading order.
    pub bodies: Vec<Body>,
    /// The words that may be called, in the order in which they were drawn: a word calls only earlier ones.
    pub callees: Vec<Callee>,
    /// The words that call themselves without end.
    pub endless: Vec<Callee>,
    /// The index of the word with the desired trap.
    pub trapping: Option<usize>,
    /// Whether that word traps only if its arguments make it.
    pub trapping_is_leaf: bool,
}

/// An effect and what has it.
#[derive(Clone, Default)]
pub(super) struct Body {
    pub params: usize,
    pub results: usize,
    pub nodes: Vec<NodeKind>,
}

/// The fuel that one call of an ordinary word should need.
const FUEL_OF_A_CALL: u64 = 60;

/// The greatest number of parameters and of results.
const MAX_VALUES: usize = 4;

impl Definitions {
    /// Draws definitions. `long` is the number of words of the first, if it should be long.
    pub(super) fn draw(dice: &mut Dice, cells: &Cells, trap: Option<TrapKind>, long: Option<u32>) -> Definitions {
        let count = match dice.below(100) {
            0..30 => 1,
            30..55 => 2,
            55..80 => 3,
            80..97 => 4 + dice.index(5),
            _ => 10 + dice.index(30),
        };
        let mut ids: Vec<u32> = (0..count as u32).collect();
        for last in (1..count).rev() {
            ids.swap(last, dice.index(last + 1));
        }
        let wants_trap =
            matches!(trap, Some(TrapKind::DivisionByZero | TrapKind::StackUnderflow | TrapKind::OutOfBounds));
        let trapping = (wants_trap && dice.one_in(2)).then(|| dice.index(count));
        let wants_depth = trap == Some(TrapKind::CallDepthExceeded);
        let bodies = vec![Body::default(); count];
        let mut drawing = Drawing { dice, cells, drawn: Definitions { bodies, ..Definitions::default() } };
        let mut ids = ids.into_iter().map(DefinitionId).enumerate().peekable();
        while let Some((at, id)) = ids.next() {
            if trapping == Some(at) {
                drawing.drawn.trapping = Some(drawing.drawn.callees.len());
                drawing.trapping(id, trap);
                continue;
            }
            match drawing.dice.below(40) {
                _ if at == 0 && long.is_some() => drawing.ordinary(id, long, None),
                kind if kind == 0 || wants_depth && at == 0 && kind < 20 => {
                    let other = ids.next_if(|(at, _)| trapping != Some(*at) && drawing.dice.one_in(2));
                    drawing.endless(id, other.map(|(_, other)| other));
                }
                0..10 => drawing.leaf(id),
                10..16 => drawing.large_frame(id),
                16..24 => drawing.recursive(id),
                24..28 => match ids.next_if(|(at, _)| trapping != Some(*at)) {
                    Some((_, other)) => drawing.mutually_recursive(id, other),
                    None => drawing.recursive(id),
                },
                _ => drawing.ordinary(id, None, None),
            }
        }
        drawing.drawn
    }
}

/// Definitions that are being drawn.
struct Drawing<'a, 'd> {
    dice: &'a mut Dice<'d>,
    cells: &'a Cells,
    drawn: Definitions,
}

impl Drawing<'_, '_> {
    /// A number of parameters or results.
    fn values(&mut self) -> usize {
        *self.dice.pick(&[0, 0, 1, 1, 1, 2, 2, 2, 3, 3, MAX_VALUES])
    }

    /// Draws a body with these parameters and results, whose height `draw` need not complete, and returns it with the fuel
    /// that a call needs.
    fn body<T>(&mut self, params: usize, results: usize, draw: impl FnOnce(&mut Grower) -> T) -> (Body, u64, T) {
        let mut grower = Grower::new(self.dice, self.cells, &self.drawn.callees);
        grower.height = params;
        grower.results = Some(results);
        grower.most_fuel = FUEL_OF_A_CALL;
        grower.budget = 3 + i64::from(grower.dice.below(14));
        let drawn = draw(&mut grower);
        (Body { params, results, nodes: grower.nodes }, 1 + grower.fuel, drawn)
    }

    fn define(&mut self, id: DefinitionId, body: Body, fuel: u64, counter: Option<Counter>) {
        let Body { params, results, .. } = body;
        self.drawn.bodies[id.index()] = body;
        self.drawn.callees.push(Callee { id, params, results, fuel, counter });
    }

    /// A word that does whatever a main program does.
    fn ordinary(&mut self, id: DefinitionId, long: Option<u32>, trap: Option<TrapKind>) {
        let (params, results) = (self.values(), self.values());
        let (body, fuel, ()) = self.body(params, results, |grower| {
            if let Some(words) = long {
                (grower.budget, grower.safe) = (words.into(), true);
            }
            grower.halves(trap);
            grower.end_definition(results);
        });
        self.define(id, body, fuel, None);
    }

    /// A word with the desired trap.
    fn trapping(&mut self, id: DefinitionId, trap: Option<TrapKind>) {
        let words = match trap {
            Some(TrapKind::DivisionByZero) => [Word::Div, Word::Mod],
            Some(TrapKind::OutOfBounds) if self.cells.any() => [Word::Fetch, Word::Store],
            _ => return self.ordinary(id, None, trap),
        };
        if !self.dice.one_in(3) {
            return self.ordinary(id, None, trap);
        }
        self.drawn.trapping_is_leaf = true;
        let word = *self.dice.pick(&words);
        let before = self.dice.one_in(3).then_some(NodeKind::Word(Word::Negate));
        let after = self.dice.one_in(3).then(|| NodeKind::Literal(operand(self.dice)));
        self.define_leaf(id, before.into_iter().chain([NodeKind::Word(word)]).chain(after).collect());
    }

    /// A word that consists of one or two words, or of none.
    fn leaf(&mut self, id: DefinitionId) {
        let nodes = self.leaf_nodes();
        if !self.define_leaf(id, nodes) {
            self.leaf(id);
        }
    }

    /// Defines a word whose effect follows from its words. Returns whether it has few enough parameters and results.
    fn define_leaf(&mut self, id: DefinitionId, nodes: Vec<NodeKind>) -> bool {
        let (mut params, mut height) = (0, 0);
        for kind in &nodes {
            let (pops, pushes) = match *kind {
                NodeKind::Word(word) => (word.pops(), word.pushes()),
                NodeKind::Pick(depth) => (depth as usize + 1, depth as usize + 2),
                NodeKind::Put(depth) => (depth as usize + 2, depth as usize + 1),
                _ => (0, 1),
            };
            let missing = pops.saturating_sub(height);
            params += missing;
            height = height + missing - pops + pushes;
        }
        let unused = if self.dice.one_in(4) { 1 + self.dice.index(2) } else { 0 };
        let (params, results) = (params + unused, height + unused);
        let fits = params <= MAX_VALUES && results <= MAX_VALUES;
        if fits {
            self.define(id, Body { params, results, nodes }, 1, None);
        }
        fits
    }

    fn leaf_nodes(&mut self) -> Vec<NodeKind> {
        if self.cells.any() && self.dice.one_in(3) {
            let address = NodeKind::Address(self.cells.random(self.dice));
            let access = NodeKind::Word(*self.dice.pick(&[Word::Fetch, Word::Store]));
            let indexed = self.dice.one_in(2);
            return [address].into_iter().chain(indexed.then_some(NodeKind::Word(Word::Add))).chain([access]).collect();
        }
        (0..self.dice.below(3)).map(|_| self.leaf_node()).collect()
    }

    fn leaf_node(&mut self) -> NodeKind {
        match self.dice.below(12) {
            0..3 => NodeKind::Literal(operand(self.dice)),
            3 => NodeKind::Pick(self.dice.below(3).into()),
            4 => NodeKind::Put(self.dice.below(3).into()),
            _ => NodeKind::Word(self.dice.word(|word| word.class() != Class::Memory)),
        }
    }

    /// A word that needs many more values for a while than it takes and leaves.
    fn large_frame(&mut self, id: DefinitionId) {
        let (params, results) = (self.values(), self.values());
        let values = match self.dice.below(400) {
            0 => 4_085 + self.dice.index(30),
            1..20 => 60 + self.dice.index(300),
            _ => 9 + self.dice.index(12),
        };
        let (body, fuel, ()) = self.body(params, results, |grower| {
            grower.items(2, 1);
            let fill = |grower: &mut Grower| {
                let entry = grower.height;
                let calls_at = grower.dice.index(values);
                while grower.height < entry + values {
                    grower.value();
                    if grower.height == entry + calls_at && !grower.callees.is_empty() {
                        grower.some_call(0);
                    }
                }
                grower.set_height(entry);
            };
            if grower.dice.one_in(4) {
                grower.perhaps(fill);
            } else {
                fill(grower);
            }
            grower.items(2, 1);
            grower.end_definition(results);
        });
        self.define(id, body, fuel, None);
    }

    /// A word that calls itself with a smaller parameter.
    fn recursive(&mut self, id: DefinitionId) {
        let (params, results) = (self.values().max(1), self.values());
        let position = self.position();
        let this = Callee { id, params, results, fuel: 0, counter: None };
        let (body, fuel, counter) = self.body(params, results, |grower| {
            grower.most_fuel = FUEL_OF_A_CALL / 3;
            grower.recursive_body(params, position, this)
        });
        self.define(id, body, fuel, Some(counter));
    }

    /// Two words that call each other with a smaller parameter.
    fn mutually_recursive(&mut self, id: DefinitionId, other: DefinitionId) {
        let position = self.position();
        let callee = |id, drawing: &mut Self| {
            let (params, results) = (drawing.values().max(1), drawing.values());
            Callee { id, params, results, fuel: 0, counter: None }
        };
        let pair = [callee(id, self), callee(other, self)];
        let drawn = [(pair[0], pair[1]), (pair[1], pair[0])].map(|(this, other)| {
            self.body(this.params, this.results, |grower| {
                grower.most_fuel = FUEL_OF_A_CALL / 3;
                grower.recursive_body(this.params, position, other)
            })
        });
        let fuel = drawn.iter().map(|(_, fuel, _)| *fuel).max().expect("there are two");
        let branching = drawn.iter().map(|(_, _, counter)| counter.branching).max().expect("there are two");
        let ends_at_zero = drawn.iter().any(|(_, _, counter)| counter.ends_at_zero);
        for (this, (body, _, _)) in pair.into_iter().zip(drawn) {
            self.define(this.id, body, fuel, Some(Counter { position, branching, ends_at_zero }));
        }
    }

    fn position(&mut self) -> Position {
        if self.dice.one_in(2) { Position::Lowest } else { Position::Top }
    }

    /// One word that calls itself without end, or two that call each other.
    fn endless(&mut self, id: DefinitionId, other: Option<DefinitionId>) {
        let callee = |id, drawing: &mut Self| {
            let (params, results) = (drawing.values(), drawing.values());
            Callee { id, params, results, fuel: 0, counter: None }
        };
        let first = callee(id, self);
        let second = other.map(|other| callee(other, self));
        let words = [Some((first, second.unwrap_or(first))), second.map(|second| (second, first))];
        for (this, next) in words.into_iter().flatten() {
            let (body, _, ()) = self.body(this.params, this.results, |grower| {
                grower.budget = 8;
                grower.most_fuel = 2;
                grower.endless_body(this.params, next);
                grower.end_definition(this.results);
            });
            self.drawn.bodies[this.id.index()] = body;
            self.drawn.endless.push(this);
        }
    }
}

impl Grower<'_, '_> {
    /// Appends what makes the height that of the results, and now and then closing words.
    fn end_definition(&mut self, results: usize) {
        match self.dice.below(16) {
            0 => self.exit(),
            1 => self.exits_in_both_branches(),
            _ => self.set_height(results),
        }
    }
}
