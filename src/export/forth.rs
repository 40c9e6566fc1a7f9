//! Export to gforth 0.7.3 with 64-bit cells.
//!
//! Some words differ in Forth and are translated to others: Forth's true is -1, its `/` floors, its shifts leave counts of 64
//! and more undefined, and `?do` runs for a negative count. Checks are words that receive the location of the word that they
//! guard: `2 1 5 need` traps at 1:5 if there are fewer than two values.
//!
//! While compiling, gforth keeps open control structures on the data stack, which has 2047 cells by default. [`options`]
//! returns the options that a file needs.

use std::fmt::Write;
use std::ops::Range;

use super::{Checks, Limits, Run, place, title};
use crate::host_stack::with_room;
use crate::lang::words::Class;
use crate::lang::{Ast, NodeKind, Place, Program, Source, Word};
use crate::outcome::TrapKind;

/// A complete file of one program that runs on these inputs.
pub fn file(program: &Program, source: &Source, limits: Limits, inputs: &[i64]) -> String {
    let function = function(program, source, "program", limits);
    let driver = driver(&[Run { function: "program", inputs }]);
    let body = format!("{}\n{function}\n{driver}", prelude());
    let (title, options) = (title(program, source, limits), options(body.len(), limits.stack).join(" "));
    format!("\\ {title}\n\\ gforth {options} program.fs\n\n{body}")
}

/// The gforth options for a file: the size of the data stack in cells and of the dictionary in MB. `bytes` is the file's
/// length, `stack` the greatest stack limit of its programs.
pub fn options(bytes: usize, stack: usize) -> [String; 4] {
    // At most a thousand bodies are open, each with a few cells, and words of the prelude use a few more.
    let cells = stack.saturating_add(16_384);
    // A word has at least two characters and compiles to at most two cells.
    let dictionary = 8 + bytes.div_ceil(1 << 17);
    ["-d".into(), cells.to_string(), "-m".into(), format!("{dictionary}M")]
}

/// The beginning of every file.
pub fn prelude() -> String {
    let trap = |kind: TrapKind| format!("2r> s\" {kind}\" trap");
    format!(
        "decimal
variable status  \\ 1 once a run has trapped
variable fuel    \\ iterations that loops may still start

: trap ( line column c-addr u -- ) .\" trap \" type space swap 0 .r .\" :\" 0 .r cr 1 throw ;

\\ Checks; each takes the location of the word that it guards.
: need ( n line column -- ) 2>r depth 1- > if {} then 2rdrop ;
: room ( limit line column -- ) 2>r depth 1- <= if {} then 2rdrop ;
: divisor ( n line column -- n ) 2>r dup 0= if {} then 2rdrop ;
: iteration ( line column -- ) 2>r fuel @ 0= if {} then 2rdrop -1 fuel +! ;

\\ Truncated toward zero. The minimum integer divided by -1 is itself, but sm/rem would throw.
: quotient ( a b line column -- c ) divisor dup -1 = if drop negate else >r s>d r> sm/rem nip then ;
: remainder ( a b line column -- c ) divisor dup -1 = if 2drop 0 else >r s>d r> sm/rem drop then ;

\\ Stores x over the value that is then k below the top. The stack grows downward in memory.
: put ( … x k -- … ) 2 + cells sp@ + ! ;

: show ( … -- ) depth begin dup 0> while dup pick 0 .r 1- dup if space then repeat drop cr clearstack ;

\\ Runs a program and prints its line. Any other exception is a bug in the translation, so it is rethrown.
: run ( inputs xt -- ) catch dup 1 = if 1 status ! clearstack else throw show then ;
",
        trap(TrapKind::StackUnderflow),
        trap(TrapKind::StackOverflow),
        trap(TrapKind::DivisionByZero),
        trap(TrapKind::OutOfFuel),
    )
}

/// A program as a Forth word. The file must not use its name for anything else.
pub fn function(program: &Program, source: &Source, name: &str, limits: Limits) -> String {
    let is_left = loops_with_leave(program.ast());
    let mut writer =
        Writer { program, source, limits, is_left, open: Vec::new(), text: format!(": {name}\n"), column: 0 };
    if let Some(fuel) = limits.fuel {
        // In hexadecimal, because it may exceed the greatest signed cell.
        writer.words(1, format_args!("${fuel:x} fuel !"));
    }
    with_room(|| writer.body(0..program.ast().nodes().len(), 1));
    writer.break_line();
    writer.text + ";\n"
}

/// The main part: executes the runs in order, prints a line for each, and exits gforth.
pub fn driver(runs: &[Run]) -> String {
    let mut text = String::new();
    for Run { function, inputs } in runs {
        for value in *inputs {
            write!(text, "{value} ").expect(INFALLIBLE);
        }
        writeln!(text, "' {function} run").expect(INFALLIBLE);
    }
    text + "status @ (bye)\n"
}

const INFALLIBLE: &str = "writing to a string cannot fail";

/// Bodies nested deeper than this are not indented further, so that the text stays linear in the program.
const MAX_INDENT: usize = 40;

/// The maximum width of a row, unless it holds a single word.
const LAST_COLUMN: usize = 100;

struct Writer<'a> {
    program: &'a Program,
    source: &'a Source,
    limits: Limits,
    /// For each node, whether it is a loop with a `leave`. Such a loop is a `do` loop, or is inside of one that runs once.
    is_left: Vec<bool>,
    /// The words that remove what each open loop keeps on the return stack, innermost last.
    open: Vec<&'static str>,
    text: String,
    column: usize,
}

/// For each node, whether it is a loop with a `leave`.
fn loops_with_leave(ast: &Ast) -> Vec<bool> {
    let mut is_left = vec![false; ast.nodes().len()];
    // The open loops, each with the first node after it.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for (index, node) in ast.nodes().iter().enumerate() {
        open.truncate(open.iter().rposition(|(_, end)| *end > index).map_or(0, |last| last + 1));
        match node.kind {
            NodeKind::Times { end } | NodeKind::While { end, .. } => open.push((index, end as usize)),
            NodeKind::Leave => is_left[open.last().expect("the parser accepts `leave` only in a loop").0] = true,
            _ => {}
        }
    }
    is_left
}

impl Writer<'_> {
    /// Recursion is bounded by the parser's bound on nesting.
    fn body(&mut self, range: Range<usize>, level: usize) {
        let mut index = range.start;
        while index < range.end {
            let kind = self.program.ast().nodes()[index].kind;
            let at = place(self.program, self.source, index);
            // A `while` pops nothing at its header. The check for its flag is emitted at `do`, which pops the flag.
            if !matches!(kind, NodeKind::While { .. }) {
                self.checks(index, at, level);
            }
            match kind {
                NodeKind::Literal(value) => self.words(level, format_args!("{value}")),
                NodeKind::Word(word) => self.word(word, at, level),
                NodeKind::Pick(depth) => self.words(level, format_args!("{depth} pick")),
                NodeKind::Put(depth) => self.words(level, format_args!("{depth} put")),
                NodeKind::Times { end } => {
                    let is_left = self.is_left[index];
                    self.line(level, if is_left { "( times ) 0 max 0 ?do" } else { "( times ) >r begin r@ 0> while" });
                    self.take_fuel(at, level + 1);
                    self.open.push(if is_left { "unloop" } else { "rdrop" });
                    self.body(index + 1..end as usize, level + 1);
                    self.open.pop();
                    self.line(level, if is_left { "loop" } else { "r> 1- >r repeat rdrop" });
                }
                NodeKind::Call(_) | NodeKind::Address(_) => todo!(),
                NodeKind::Leave => self.words(level, format_args!("leave")),
                NodeKind::Exit => {
                    let open: Vec<_> = self.open.iter().rev().copied().collect();
                    self.words(level, format_args!("{} exit", open.join(" ")));
                }
                NodeKind::If { otherwise, end } => {
                    self.line(level, "if");
                    self.body(index + 1..otherwise as usize, level + 1);
                    if otherwise < end {
                        self.line(level, "else");
                        self.body(otherwise as usize..end as usize, level + 1);
                    }
                    self.line(level, "then");
                }
                NodeKind::While { body, end } => {
                    let is_left = self.is_left[index];
                    self.line(level, if is_left { "1 0 do begin" } else { "begin" });
                    self.open.extend(is_left.then_some("unloop"));
                    self.take_fuel(at, level + 1);
                    self.body(index + 1..body as usize, level + 1);
                    self.checks(index, at, level + 1);
                    self.line(level, "while");
                    self.body(body as usize..end as usize, level + 1);
                    self.line(level, if is_left { "repeat loop" } else { "repeat" });
                    if is_left {
                        self.open.pop();
                    }
                }
            }
            index = kind.next(index);
        }
    }

    fn word(&mut self, word: Word, at: Place, level: usize) {
        let Place { line, column } = at;
        let words = word.entry().translation.as_ref().map_or(word.spelling(), |translation| translation.forth);
        if word.class() == Class::Division {
            return self.words(level, format_args!("{line} {column} {words}"));
        }
        self.words(level, format_args!("{words}"));
    }

    fn checks(&mut self, index: usize, at: Place, level: usize) {
        // No stack is large enough to reach a limit or a need above the greatest cell value.
        let cell = |number: u64| number.min(i64::MAX as u64);
        let Place { line, column } = at;
        let checks = Checks::of(self.program.ast().nodes()[index].kind, self.program.facts()[index], self.limits);
        if let Some(need) = checks.need {
            self.words(level, format_args!("{} {line} {column} need", cell(need)));
        }
        if checks.room {
            self.words(level, format_args!("{} {line} {column} room", cell(self.limits.stack as u64)));
        }
    }

    /// Emits the check that takes the fuel for one iteration of a loop.
    fn take_fuel(&mut self, at: Place, level: usize) {
        if self.limits.fuel.is_some() {
            self.words(level, format_args!("{} {} iteration", at.line, at.column));
        }
    }

    /// Appends words in one row.
    fn words(&mut self, level: usize, words: std::fmt::Arguments) {
        let words = words.to_string();
        if self.column > 0 && self.column + 1 + words.len() > LAST_COLUMN {
            self.break_line();
        }
        if self.column == 0 {
            self.column = 2 * level.min(MAX_INDENT);
            self.text.extend(std::iter::repeat_n(' ', self.column));
        } else {
            self.text.push(' ');
            self.column += 1;
        }
        self.column += words.len();
        self.text += &words;
    }

    /// Appends words in their own row.
    fn line(&mut self, level: usize, words: &str) {
        self.break_line();
        self.words(level, format_args!("{words}"));
        self.break_line();
    }

    fn break_line(&mut self) {
        if self.column > 0 {
            self.text.push('\n');
            self.column = 0;
        }
    }
}
