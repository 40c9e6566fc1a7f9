//! The compiler: a let program to the syntax tree of the stack language.
//!
//! A function is a defined word. Its parameters and variables are values of the word's frame, in the order of their declaration. A variable
//! is read with `K pick` and assigned with `K put`, and dropped at the end of its block. What an expression has computed so far is
//! above the variables.

use super::names::{Meaning, Resolved};
use super::tree::{Binary, Block, Expression, Function, ItemKind, Place, Statement, StatementKind, Unary};
use crate::host_stack::with_room;
use crate::lang::{Array, ArrayId, Ast, Definition, DefinitionId, Node, NodeKind, Source, Span, Word};

/// Compiles a program. Positions are those of the let text.
pub fn compile(program: &Resolved, source: &Source) -> Ast {
    let name = |span: Span| source.text(span).into_boxed_str();
    let mut start = 0;
    let arrays: Vec<Array> = program
        .arrays
        .iter()
        .map(|&(span, cells)| {
            let array = Array { name: name(span), span, start, cells };
            start += cells;
            array
        })
        .collect();
    let main = program.functions[program.main].name;
    let nodes = vec![Node { kind: NodeKind::Call(DefinitionId(program.main as u32)), span: main }];
    let mut compiler = Compiler { program, arrays: &arrays, nodes, depth: 0, loops: Vec::new() };
    let mut definitions = Vec::new();
    for function in &program.functions {
        let begin = compiler.nodes.len();
        with_room(|| compiler.function(function));
        let (params, body) = (function.params.len() as u32, begin..compiler.nodes.len());
        definitions.push(Definition { name: name(function.name), span: function.name, params, results: 1, body });
    }
    let nodes = compiler.nodes;
    Ast::with(nodes, 1, definitions, arrays)
}

struct Compiler<'a> {
    program: &'a Resolved<'a>,
    arrays: &'a [Array],
    nodes: Vec<Node>,
    /// The number of values in the frame.
    depth: usize,
    /// The number of values in the frame at each open loop.
    loops: Vec<usize>,
}

/// `&&` or `||` whose right operand is being compiled.
struct OpenOperator {
    /// The item after the right operand.
    end: usize,
    node: usize,
    is_and: bool,
    span: Span,
}

impl Compiler<'_> {
    fn put(&mut self, kind: NodeKind, span: Span) {
        self.nodes.push(Node { kind, span });
    }

    fn word(&mut self, word: Word, span: Span) {
        self.put(NodeKind::Word(word), span);
        self.depth = self.depth + word.pushes() - word.pops();
    }

    fn push(&mut self, value: i64, span: Span) {
        self.put(NodeKind::Literal(value), span);
        self.depth += 1;
    }

    /// Begins an `if`. Its ends are set later.
    fn begin_if(&mut self, span: Span) -> usize {
        self.put(NodeKind::If { otherwise: 0, end: 0 }, span);
        self.depth -= 1;
        self.nodes.len() - 1
    }

    /// Begins ELSE.
    fn begin_else(&mut self, node: usize) {
        self.nodes[node].kind = NodeKind::If { otherwise: self.nodes.len() as u32, end: 0 };
    }

    /// Ends an `if`.
    fn end_if(&mut self, node: usize) {
        let here = self.nodes.len() as u32;
        let otherwise = match self.nodes[node].kind {
            NodeKind::If { otherwise: 0, .. } => here,
            NodeKind::If { otherwise, .. } => otherwise,
            _ => unreachable!("it is an `if`"),
        };
        self.nodes[node].kind = NodeKind::If { otherwise, end: here };
    }

    /// Copies the value in a slot of the frame.
    fn read(&mut self, slot: usize, span: Span) {
        self.put(NodeKind::Pick((self.depth - 1 - slot) as u64), span);
        self.depth += 1;
    }

    /// Pops a value into a slot of the frame.
    fn assign(&mut self, slot: usize, span: Span) {
        self.depth -= 1;
        self.put(NodeKind::Put((self.depth - 1 - slot) as u64), span);
    }

    /// Drops values until the frame has this many.
    fn drop_to(&mut self, depth: usize, span: Span) {
        while self.depth > depth {
            self.word(Word::Drop, span);
        }
    }

    fn function(&mut self, function: &Function) {
        self.depth = function.params.len();
        self.statements(&function.body, true);
    }

    fn block(&mut self, block: &Block) {
        let outside = self.depth;
        self.statements(block, false);
        if block.closes() {
            self.depth = outside;
        } else {
            self.drop_to(outside, block.close);
        }
    }

    /// Compiles statements. `is_body` says whether they are the whole body of the function, whose end returns.
    fn statements(&mut self, block: &Block, is_body: bool) {
        for (index, statement) in block.statements.iter().enumerate() {
            let is_last = is_body && index + 1 == block.statements.len();
            self.statement(statement, is_last);
        }
    }

    fn statement(&mut self, statement: &Statement, is_last: bool) {
        let span = statement.span;
        match &statement.kind {
            // The value becomes the variable.
            StatementKind::Let { value, .. } => self.expression(value),
            StatementKind::Assign { place, op, value } => self.assignment(place, *op, value),
            StatementKind::Return(value) => {
                self.expression(value);
                if self.depth > 1 {
                    self.assign(0, span);
                    self.drop_to(1, span);
                }
                if !is_last {
                    self.put(NodeKind::Exit, span);
                }
            }
            StatementKind::Break => {
                self.drop_to(*self.loops.last().expect("`break` is in a loop"), span);
                self.put(NodeKind::Leave, span);
            }
            StatementKind::If { condition, then, otherwise } => {
                self.expression(condition);
                let node = self.begin_if(span);
                self.block(then);
                if let Some(otherwise) = otherwise {
                    self.begin_else(node);
                    self.block(otherwise);
                }
                self.end_if(node);
            }
            StatementKind::While { condition, body } => {
                let node = self.nodes.len();
                self.put(NodeKind::While { body: 0, end: 0 }, span);
                self.expression(condition);
                self.depth -= 1;
                let begin = self.nodes.len() as u32;
                self.loops.push(self.depth);
                self.block(body);
                self.loops.pop();
                self.nodes[node].kind = NodeKind::While { body: begin, end: self.nodes.len() as u32 };
            }
            StatementKind::Call(call) => {
                self.expression(call);
                self.word(Word::Drop, span);
            }
            StatementKind::Block(block) => self.block(block),
        }
    }

    fn assignment(&mut self, place: &Place, op: Option<(Binary, Span)>, value: &Expression) {
        let span = self.program.tree.items[place.name].span;
        match (self.program.meanings[place.name], &place.index) {
            (Meaning::Variable(slot), None) => {
                if op.is_some() {
                    self.read(slot, span);
                }
                self.expression(value);
                if let Some((op, at)) = op {
                    self.binary(op, at);
                }
                self.assign(slot, span);
            }
            (Meaning::Array(array), Some(index)) => {
                self.expression(index);
                match op {
                    None => {
                        self.expression(value);
                        self.word(Word::Swap, span);
                        self.address(array, span);
                    }
                    Some((op, at)) => {
                        self.address(array, span);
                        self.word(Word::Dup, span);
                        self.word(Word::Fetch, span);
                        self.expression(value);
                        self.binary(op, at);
                        self.word(Word::Swap, span);
                    }
                }
                self.word(Word::Store, span);
            }
            _ => unreachable!("a variable or an element is assigned"),
        }
    }

    /// Turns an index into the number of a cell. An index out of bounds becomes the number of a cell that does not exist, so that the
    /// access traps.
    fn address(&mut self, array: usize, span: Span) {
        let Array { cells, .. } = self.arrays[array];
        // The only array is all of the memory, whose accesses are checked anyway.
        if self.arrays.len() == 1 {
            return;
        }
        self.word(Word::Dup, span);
        self.push(cells.into(), span);
        self.word(Word::Ult, span);
        let node = self.begin_if(span);
        self.put(NodeKind::Address(ArrayId(array as u32)), span);
        self.depth += 1;
        self.word(Word::Add, span);
        self.begin_else(node);
        self.word(Word::Drop, span);
        self.push(-1, span);
        self.end_if(node);
    }

    fn expression(&mut self, expression: &Expression) {
        let mut open: Vec<OpenOperator> = Vec::new();
        for index in expression.clone() {
            self.close(&mut open, index);
            let item = self.program.tree.items[index];
            match item.kind {
                ItemKind::Literal(value) => self.push(value, item.span),
                ItemKind::Name => match self.program.meanings[index] {
                    Meaning::Variable(slot) => self.read(slot, item.span),
                    Meaning::Constant(value) => self.push(value, item.span),
                    _ => unreachable!("it is a variable or a constant"),
                },
                ItemKind::Element => {
                    let Meaning::Array(array) = self.program.meanings[index] else { unreachable!("it is an array") };
                    self.address(array, item.span);
                    self.word(Word::Fetch, item.span);
                }
                ItemKind::Call { arguments } => {
                    let Meaning::Function(id) = self.program.meanings[index] else { unreachable!("it is a function") };
                    self.put(NodeKind::Call(DefinitionId(id as u32)), item.span);
                    self.depth = self.depth - arguments + 1;
                }
                ItemKind::Unary(Unary::Negate) => self.word(Word::Negate, item.span),
                ItemKind::Unary(Unary::Invert) => self.word(Word::Invert, item.span),
                ItemKind::Unary(Unary::Not) => {
                    self.push(0, item.span);
                    self.word(Word::Eq, item.span);
                }
                ItemKind::Binary(binary) => self.binary(binary, item.span),
                ItemKind::And { end } | ItemKind::Or { end } => {
                    let is_and = matches!(item.kind, ItemKind::And { .. });
                    let node = self.begin_if(item.span);
                    if !is_and {
                        self.put(NodeKind::Literal(1), item.span);
                        self.begin_else(node);
                    }
                    open.push(OpenOperator { end, node, is_and, span: item.span });
                }
            }
        }
        self.close(&mut open, expression.end);
    }

    /// Closes the operators whose right operand ends before this item.
    fn close(&mut self, open: &mut Vec<OpenOperator>, index: usize) {
        // The value of an inner operator is 0 or 1 already.
        let mut is_flag = index > 0 && self.is_flag(index - 1);
        while let Some(OpenOperator { node, is_and, span, .. }) = open.pop_if(|open| open.end == index) {
            if !std::mem::replace(&mut is_flag, true) {
                self.push(0, span);
                self.word(Word::Ne, span);
            }
            if is_and {
                self.begin_else(node);
                self.put(NodeKind::Literal(0), span);
            }
            self.end_if(node);
        }
    }

    /// Whether the value of an item is always 0 or 1.
    fn is_flag(&self, item: usize) -> bool {
        match self.program.tree.items[item].kind {
            ItemKind::Binary(binary) => binary.is_comparison(),
            ItemKind::Unary(Unary::Not) | ItemKind::Literal(0 | 1) => true,
            _ => false,
        }
    }

    fn binary(&mut self, binary: Binary, span: Span) {
        let word = match binary {
            Binary::Equal => Word::Eq,
            Binary::NotEqual => Word::Ne,
            Binary::Less => Word::Lt,
            Binary::LessOrEqual => Word::Le,
            Binary::Greater => Word::Gt,
            Binary::GreaterOrEqual => Word::Ge,
            Binary::Or => Word::Or,
            Binary::Xor => Word::Xor,
            Binary::And => Word::And,
            Binary::ShiftLeft => Word::Lshift,
            Binary::ShiftRight => Word::Arshift,
            Binary::ShiftRightLogical => Word::Rshift,
            Binary::Add => Word::Add,
            Binary::Subtract => Word::Sub,
            Binary::Multiply => Word::Mul,
            Binary::Divide => Word::Div,
            Binary::Remainder => Word::Mod,
        };
        self.word(word, span);
    }
}
