//! What each name of a let program stands for, or the first error in reading order.

use std::borrow::Cow;
use std::collections::HashMap;

use super::fault::{LetError, LetErrorKind, What};
use super::tree::{Block, Expression, Function, Global, ItemKind, Place, Size, Statement, StatementKind, Tree};
use crate::host_stack::with_room;
use crate::lang::parse::MAX_CELLS;
use crate::lang::{Source, Span, nearest};

/// The greatest number of variables and parameters that are visible at one place.
pub const MAX_VISIBLE: usize = 1000;

/// What an item of an expression stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// No name.
    None,
    /// The variable in this slot of the frame.
    Variable(usize),
    /// A constant's value.
    Constant(i64),
    /// An array, by index.
    Array(usize),
    /// A function, by index.
    Function(usize),
}

/// A program whose names are known.
pub struct Resolved<'a> {
    pub tree: &'a Tree,
    /// For each item of [`Tree::items`].
    pub meanings: Vec<Meaning>,
    /// The functions, in reading order.
    pub functions: Vec<&'a Function>,
    /// The name and the number of cells of each array, in reading order.
    pub arrays: Vec<(Span, u32)>,
    /// The function `main`.
    pub main: usize,
}

/// What a name of the whole text stands for, and where it is declared.
#[derive(Clone, Copy)]
struct Declared {
    meaning: Meaning,
    span: Span,
}

struct Resolver<'a> {
    source: &'a Source,
    globals: HashMap<&'a str, Declared>,
    resolved: Resolved<'a>,
    /// The variables that are visible, outermost first: the name, the position, and the number of variables outside of its block.
    visible: Vec<(&'a str, Span, usize)>,
    /// The number of visible variables where the block at hand begins.
    block: usize,
    /// The number of loops of the function around the statement at hand.
    loops: usize,
    /// The error so far that comes first in the text.
    first: Option<LetError>,
}

/// Finds out what the names of a program stand for.
///
/// # Errors
/// The first error in reading order.
pub fn resolve<'a>(tree: &'a Tree, source: &'a Source) -> Result<Resolved<'a>, LetError> {
    let meanings = vec![Meaning::None; tree.items.len()];
    let resolved = Resolved { tree, meanings, functions: Vec::new(), arrays: Vec::new(), main: 0 };
    let (globals, visible) = (HashMap::new(), Vec::new());
    let mut resolver = Resolver { source, globals, resolved, visible, block: 0, loops: 0, first: None };
    resolver.declare_globals();
    for index in 0..resolver.resolved.functions.len() {
        let function = resolver.resolved.functions[index];
        with_room(|| resolver.function(function));
    }
    if let Some(first) = resolver.first {
        return Err(first);
    }
    match resolver.globals.get("main") {
        Some(Declared { meaning: Meaning::Function(main), .. }) => {
            resolver.resolved.main = *main;
            Ok(resolver.resolved)
        }
        _ => Err(LetError { kind: LetErrorKind::NoMain, span: tree.last }),
    }
}

/// The text of a name.
fn text(source: &Source, span: Span) -> &str {
    let bytes = &source.bytes()[span.start as usize..span.end as usize];
    std::str::from_utf8(bytes).expect("names are ASCII")
}

impl<'a> Resolver<'a> {
    fn text(&self, span: Span) -> &'a str {
        text(self.source, span)
    }

    fn error(&mut self, kind: LetErrorKind, span: Span) {
        // Of two errors at one place, the first that is found counts.
        if self.first.as_ref().is_none_or(|first| span.start < first.span.start) {
            self.first = Some(LetError { kind, span });
        }
    }

    /// Declares all functions, arrays and constants, and then determines the sizes of the arrays.
    fn declare_globals(&mut self) {
        let tree = self.resolved.tree;
        let mut sizes = Vec::new();
        for global in &tree.globals {
            let (name, meaning) = match global {
                Global::Function(function) => {
                    self.resolved.functions.push(function);
                    (function.name, Meaning::Function(self.resolved.functions.len() - 1))
                }
                Global::Array { name, size, at } => {
                    sizes.push((*size, *at));
                    self.resolved.arrays.push((*name, 0));
                    (*name, Meaning::Array(self.resolved.arrays.len() - 1))
                }
                Global::Constant { name, value } => (*name, Meaning::Constant(*value)),
            };
            match self.globals.get(self.text(name)) {
                Some(first) => self.twice(name, first.span),
                None => _ = self.globals.insert(self.text(name), Declared { meaning, span: name }),
            }
        }
        let mut cells = 0;
        for (index, (size, at)) in sizes.into_iter().enumerate() {
            let size = match size {
                Size::Literal(size) => Some(size),
                Size::Name => match self.global(at, What::Constant) {
                    Some(Meaning::Constant(size)) => Some(size),
                    _ => None,
                },
            };
            let Some(size) = size else { continue };
            match u32::try_from(size) {
                Ok(size @ 1..=MAX_CELLS) if cells + size <= MAX_CELLS => {
                    cells += size;
                    self.resolved.arrays[index].1 = size;
                }
                Ok(1..=MAX_CELLS) => self.error(LetErrorKind::TooManyCells, at),
                _ => self.error(LetErrorKind::Size, at),
            }
        }
    }

    fn twice(&mut self, name: Span, first: Span) {
        self.error(LetErrorKind::Twice { name: self.text(name).to_owned(), first }, name);
    }

    /// What a global name stands for, which must be this.
    fn global(&mut self, span: Span, wanted: What) -> Option<Meaning> {
        let name = self.text(span);
        let Some(Declared { meaning, span: declared }) = self.globals.get(name).copied() else {
            self.unknown(span, wanted);
            return None;
        };
        let found = meaning.what();
        if found != wanted {
            self.error(LetErrorKind::WrongUse { name: name.to_owned(), wanted, found, declared }, span);
            return None;
        }
        Some(meaning)
    }

    fn unknown(&mut self, span: Span, what: What) {
        if self.first.as_ref().is_some_and(|first| first.span.start <= span.start) {
            return;
        }
        let name = self.text(span);
        let fits = |meaning: Meaning| match what {
            // A constant can stand where a variable can.
            What::Variable => meaning.what() == What::Constant,
            what => meaning.what() == what,
        };
        let globals = self.globals.iter().filter(|(_, declared)| fits(declared.meaning)).map(|(name, _)| *name);
        let variables = self.visible.iter().map(|(name, ..)| *name).filter(|_| what == What::Variable);
        let nearest = nearest(name, globals.chain(variables).map(Cow::Borrowed));
        self.error(LetErrorKind::Unknown { what, name: name.to_owned(), nearest }, span);
    }

    /// The slot of a visible variable.
    fn variable(&self, name: &str) -> Option<usize> {
        self.visible.iter().rposition(|(visible, ..)| *visible == name)
    }

    /// Declares a variable. `at` is where it is an error that there are too many.
    fn declare(&mut self, name: Span, at: Span) {
        let text = self.text(name);
        let first = self.visible[self.block..].iter().find(|(visible, ..)| *visible == text).map(|(_, span, _)| *span);
        if let Some(first) = first {
            self.twice(name, first);
        }
        if self.visible.len() == MAX_VISIBLE {
            self.error(LetErrorKind::TooManyVariables, at);
        } else {
            self.visible.push((text, name, self.block));
        }
    }

    fn function(&mut self, function: &'a Function) {
        (self.block, self.loops) = (0, 0);
        self.visible.clear();
        for param in &function.params {
            self.declare(*param, *param);
        }
        self.statements(&function.body);
        if !function.body.closes() {
            let name = self.text(function.name).to_owned();
            self.error(LetErrorKind::MissingReturn { name }, function.body.close);
        }
    }

    fn block(&mut self, block: &'a Block) {
        let outside = std::mem::replace(&mut self.block, self.visible.len());
        self.statements(block);
        self.visible.truncate(self.block);
        self.block = outside;
    }

    fn statements(&mut self, block: &'a Block) {
        for (index, statement) in block.statements.iter().enumerate() {
            if let Some(before) = index.checked_sub(1).map(|before| &block.statements[before])
                && before.kind.closes()
            {
                self.error(LetErrorKind::Unreachable { after: before.span }, statement.span);
            }
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &'a Statement) {
        match &statement.kind {
            StatementKind::Let { name, value } => {
                self.expression(value);
                self.declare(*name, statement.span);
            }
            StatementKind::Assign { place, value, .. } => {
                self.place(place);
                self.expression(value);
            }
            StatementKind::Return(value) | StatementKind::Call(value) => self.expression(value),
            StatementKind::Break if self.loops == 0 => self.error(LetErrorKind::BreakOutsideLoop, statement.span),
            StatementKind::Break => {}
            StatementKind::If { condition, then, otherwise } => {
                self.expression(condition);
                self.block(then);
                if let Some(otherwise) = otherwise {
                    self.block(otherwise);
                }
            }
            StatementKind::While { condition, body } => {
                self.expression(condition);
                self.loops += 1;
                self.block(body);
                self.loops -= 1;
            }
            StatementKind::Block(block) => self.block(block),
        }
    }

    /// What is assigned must be a variable or an element.
    fn place(&mut self, place: &Place) {
        if let Some(index) = &place.index {
            self.expression(index);
            return self.item(place.name);
        }
        let span = self.resolved.tree.items[place.name].span;
        let name = self.text(span);
        if let Some(slot) = self.variable(name) {
            self.resolved.meanings[place.name] = Meaning::Variable(slot);
        } else if let Some(Declared { meaning, span: declared }) = self.globals.get(name).copied() {
            let found = meaning.what();
            self.error(LetErrorKind::NotAssignable { name: name.to_owned(), found, declared }, span);
        } else {
            self.unknown(span, What::Variable);
        }
    }

    fn expression(&mut self, expression: &Expression) {
        expression.clone().for_each(|item| self.item(item));
    }

    fn item(&mut self, index: usize) {
        let item = self.resolved.tree.items[index];
        let wanted = match item.kind {
            ItemKind::Name => What::Variable,
            ItemKind::Element => What::Array,
            ItemKind::Call { .. } => What::Function,
            ItemKind::Literal(_)
            | ItemKind::Unary(_)
            | ItemKind::Binary(_)
            | ItemKind::And { .. }
            | ItemKind::Or { .. } => return,
        };
        let name = self.text(item.span);
        if let Some(slot) = self.variable(name) {
            if wanted == What::Variable {
                self.resolved.meanings[index] = Meaning::Variable(slot);
            } else {
                let (name, declared) = (name.to_owned(), self.visible[slot].1);
                self.error(LetErrorKind::WrongUse { name, wanted, found: What::Variable, declared }, item.span);
            }
            return;
        }
        // A constant can stand where a variable can.
        let is_constant = matches!(self.globals.get(name), Some(Declared { meaning: Meaning::Constant(_), .. }));
        let wanted = if wanted == What::Variable && is_constant { What::Constant } else { wanted };
        let Some(meaning) = self.global(item.span, wanted) else { return };
        self.resolved.meanings[index] = meaning;
        if let (ItemKind::Call { arguments: given }, Meaning::Function(function)) = (item.kind, meaning) {
            let function = self.resolved.functions[function];
            let expected = function.params.len();
            if given != expected {
                let (name, declared) = (name.to_owned(), function.name);
                self.error(LetErrorKind::Arguments { name, expected, given, declared }, item.span);
            }
        }
    }
}

impl Meaning {
    fn what(self) -> What {
        match self {
            Meaning::Variable(_) => What::Variable,
            Meaning::Constant(_) => What::Constant,
            Meaning::Array(_) => What::Array,
            Meaning::Function(_) => What::Function,
            Meaning::None => unreachable!("only names have a declaration"),
        }
    }
}
