//! The bytecode listing: one line for each operation, with its index and the word that it was lowered from.

use std::borrow::Cow;
use std::fmt;

use super::{Bytecode, Function, Op, Pc};
use crate::lang::{Language, Source, printable};
use crate::plural::count;

/// The lines of a let program, to be shown in the listing of a function above the code of each. A word of a stack program says enough by
/// itself.
pub struct SourceLines<'a> {
    code: &'a Bytecode,
    source: &'a Source,
    /// The piece of a joined text and the line that the listing is at.
    at: Option<(Option<usize>, usize)>,
}

impl<'a> SourceLines<'a> {
    /// For a function whose listing begins.
    pub fn new(code: &'a Bytecode, source: &'a Source) -> SourceLines<'a> {
        SourceLines { code, source, at: None }
    }

    /// The row above an operation: the line of its source, unless the listing is at that line already. Empty for a
    /// program in the stack language.
    pub fn above(&mut self, pc: Pc) -> String {
        if self.source.language() == Language::Stack {
            return String::new();
        }
        let span = self.code.spans()[pc.index()];
        let line = self.source.place(span).line;
        let at = Some((self.source.piece(span), line));
        if std::mem::replace(&mut self.at, at) == at {
            return String::new();
        }
        format!("\\ line {line}: {}\n", self.source.line(span))
    }
}

impl Bytecode {
    /// Formats the listing: the main program, and then each definition after a line with its name and the numbers of its parameters
    /// and results. `source` must be the text that the program was parsed from.
    pub fn dump(&self, source: &Source) -> String {
        let line = |lines: &mut SourceLines, pc: usize| {
            let op = self.ops[pc];
            let word = if op == Op::Return { String::new() } else { format!("\\ {}", source.text(self.spans[pc])) };
            let line = format!("{pc:>6}  {:<32}{word}", self.display(op).to_string());
            lines.above(Pc(pc as u32)) + line.trim_end() + "\n"
        };
        let function = |(id, function): (usize, &Function)| {
            let header = if id == 0 { String::new() } else { format!("\n{}\n", function.header()) };
            let mut lines = SourceLines::new(self, source);
            header + &(function.start.index()..function.end.index()).map(|pc| line(&mut lines, pc)).collect::<String>()
        };
        self.functions.iter().enumerate().map(function).collect()
    }

    /// The role of an operation, to be shown before the word that it was lowered from. Empty if the operation executes the word
    /// itself.
    pub fn role(&self, pc: Pc) -> String {
        match self.ops[pc.index()] {
            Op::Next(_) | Op::Repeat(_) | Op::EndIf(_) => "end of ".into(),
            Op::Else(_) => "else of ".into(),
            Op::LeaveIfZero(_) => "condition of ".into(),
            op @ (Op::Need { .. } | Op::Room { .. } | Op::Fuel | Op::CallDepth | Op::Frame { .. }) => {
                format!("{} for ", self.display(op))
            }
            _ => String::new(),
        }
    }

    /// Formats one of the operations.
    fn display(&self, op: Op) -> impl fmt::Display {
        let target = self.target(op).map_or(0, |target| target.0);
        fmt::from_fn(move |f| match op {
            Op::Literal(value) => write!(f, "literal {value}"),
            Op::Word(word) => f.write_str(word.spelling()),
            Op::Pick(depth) => write!(f, "pick {depth}"),
            Op::Put(depth) => write!(f, "put {depth}"),
            Op::Times(id) => write!(f, "times c{}, end {target}", self.counter(id).0),
            Op::Next(id) => write!(f, "next c{}, header {target}", self.counter(id).0),
            Op::While(_) => write!(f, "while"),
            Op::LeaveIfZero(_) => write!(f, "leave-if-zero {target}"),
            Op::Repeat(_) => write!(f, "repeat {target}"),
            Op::If(_) => write!(f, "if, else {target}"),
            Op::Else(_) => write!(f, "else, end {target}"),
            Op::EndIf(_) => write!(f, "end"),
            Op::Leave(_) => write!(f, "leave {target}"),
            Op::Exit => f.write_str("exit"),
            Op::Fuel => f.write_str("fuel"),
            Op::CallDepth => f.write_str("call-depth"),
            Op::Frame { values } => write!(f, "frame {values}"),
            Op::Call(id) => write!(f, "call {}", self.functions[id.index()].printable_name()),
            Op::Need { values, group } => write!(f, "need {values}, group {}", group.0),
            Op::Room { values, group } => write!(f, "room {values}, group {}", group.0),
            Op::Return => f.write_str("return"),
        })
    }
}

impl Function {
    /// The name of a definition as [`printable`] shows it; empty for the main program.
    pub fn printable_name(&self) -> Cow<'_, str> {
        printable(&self.name)
    }

    /// The line before a definition in listings.
    pub fn header(&self) -> String {
        let [params, results] = [(self.params, "parameter"), (self.results, "result")].map(|(n, noun)| count(n, noun));
        format!("{}: {params}, {results}", self.printable_name())
    }
}
