//! The printer: a syntax tree to text that parses to the same tree.

use std::fmt::Write;
use std::ops::Range;

use super::{Array, Ast, Definition, NodeKind};
use crate::host_stack::with_room;

/// Bodies nested deeper than this are not indented further, so that the length of the output stays linear in the tree.
const DEEPEST_INDENT: usize = 40;

/// The canonical text of a program: the arrays, the definitions and then the main program. Words that open, divide or close a
/// body have their own lines, and plain words fill rows.
pub fn print(ast: &Ast) -> String {
    print_part(ast, 0..u32::MAX, true)
}

/// The same with only the arrays and definitions whose names are in a part of the text, with or without the main program.
pub fn print_part(ast: &Ast, names: Range<u32>, has_main: bool) -> String {
    let mut printer = Printer { ast, text: String::new(), column: 0 };
    for Array { name, cells, .. } in ast.arrays().iter().filter(|array| names.contains(&array.span.start)) {
        printer.line(&format!("{cells} array {name}"), 0);
    }
    with_room(|| {
        for definition in ast.definitions().iter().filter(|definition| names.contains(&definition.span.start)) {
            printer.definition(definition);
        }
        if has_main {
            printer.body(ast.main(), 0);
        }
    });
    printer.break_line();
    printer.text
}

/// The names of the values in an effect, of which only the number matters.
pub(super) fn value_names() -> impl Iterator<Item = char> {
    ('a'..='z').cycle()
}

/// The last column of a row of plain words, unless a single word is longer.
const LAST_COLUMN: usize = 100;

struct Printer<'a> {
    ast: &'a Ast,
    text: String,
    column: usize,
}

impl Printer<'_> {
    fn definition(&mut self, definition: &Definition) {
        let Definition { name, params, results, body, .. } = definition;
        self.word(&format!(": {name} ("), 0);
        let mut names = value_names();
        let mut values = |printer: &mut Self, count: u32| {
            for name in names.by_ref().take(count as usize) {
                printer.word(name.encode_utf8(&mut [0; 4]), 1);
            }
        };
        values(self, *params);
        self.word("--", 1);
        values(self, *results);
        self.word(")", 1);
        self.break_line();
        self.body(body.clone(), 1);
        self.line(";", 0);
    }

    /// The parser's limit on nesting bounds the recursion.
    fn body(&mut self, range: Range<usize>, level: usize) {
        let mut index = range.start;
        while index < range.end {
            let kind = self.ast.nodes()[index].kind;
            match kind {
                NodeKind::Literal(value) => self.word(&value.to_string(), level),
                NodeKind::Word(word) => self.word(word.spelling(), level),
                NodeKind::Pick(depth) => self.word(&format!("{depth} pick"), level),
                NodeKind::Put(depth) => self.word(&format!("{depth} put"), level),
                NodeKind::Call(id) => self.word(&self.ast.definition(id).name, level),
                NodeKind::Address(id) => self.word(&self.ast.array(id).name, level),
                NodeKind::Leave => self.word("leave", level),
                NodeKind::Exit => self.word("exit", level),
                NodeKind::Times { end } => {
                    self.line("times", level);
                    self.body(index + 1..end as usize, level + 1);
                    self.line("end", level);
                }
                NodeKind::If { otherwise, end } => {
                    self.line("if", level);
                    self.body(index + 1..otherwise as usize, level + 1);
                    if otherwise < end {
                        self.line("else", level);
                        self.body(otherwise as usize..end as usize, level + 1);
                    }
                    self.line("end", level);
                }
                NodeKind::While { body, end } => {
                    self.line("while", level);
                    self.body(index + 1..body as usize, level + 1);
                    self.line("do", level);
                    self.body(body as usize..end as usize, level + 1);
                    self.line("end", level);
                }
            }
            index = kind.next(index);
        }
    }

    fn word(&mut self, word: &str, level: usize) {
        if self.column > 0 && self.column + 1 + word.len() > LAST_COLUMN {
            self.break_line();
        }
        if self.column == 0 {
            let indent = 2 * level.min(DEEPEST_INDENT);
            write!(self.text, "{:indent$}{word}", "").expect("writing to a string cannot fail");
            self.column = indent + word.len();
        } else {
            self.text.push(' ');
            self.text.push_str(word);
            self.column += 1 + word.len();
        }
    }

    fn line(&mut self, word: &str, level: usize) {
        self.break_line();
        self.word(word, level);
        self.break_line();
    }

    fn break_line(&mut self) {
        if self.column > 0 {
            self.text.push('\n');
            self.column = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Source, parse};
    use super::*;

    #[test]
    fn printed_text_parses_to_the_same_tree() {
        let text = "1 -2 0xff ( c ) 3 pick 1 put times if dup else end end while 0 do if 1 leave end 5 drop if exit else exit end end \\ x";
        let ast = parse(&Source::new("test", text)).expect("it parses");
        let printed = print(&ast);
        let again = parse(&Source::new("test", &*printed)).expect("it parses");
        assert_eq!(again.without_positions(), ast.without_positions());
        assert!(printed.contains("\n  while\n") || printed.contains("\nwhile\n"), "{printed}");
    }

    #[test]
    fn definitions_and_arrays_are_printed_before_the_main_program() {
        let text =
            "f ( main ) 3 array a a : f ( x y -- ) if g exit end a @ g drop ; 2 array g' : g ( v -- w ) g' ! 1 ; 1 f";
        let ast = parse(&Source::new("test", text)).expect("it parses");
        let printed = "3 array a\n2 array g'\n: f ( a b -- )\n  if\n    g exit\n  end\n  a @ g drop\n;\n\
                       : g ( a -- b )\n  g' ! 1\n;\nf a 1 f\n";
        assert_eq!(print(&ast), printed);
        let again = parse(&Source::new("test", printed)).expect("it parses");
        assert_eq!(again.without_positions(), ast.without_positions());
        assert_eq!(print_part(&ast, 60..u32::MAX, true), "2 array g'\n: g ( a -- b )\n  g' ! 1\n;\nf a 1 f\n");
        assert_eq!(print_part(&ast, 60..77, false), "2 array g'\n");
    }
}
