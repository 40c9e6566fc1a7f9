//! Export to gforth 0.7.3 with 64-bit cells.
//!
//! Some words differ in Forth and are translated to others: Forth's true is -1, its `/` floors, its shifts leave counts of 64
//! and more undefined, and `?do` runs for a negative count. Checks are words that receive the location of the word that they
//! guard: `2 1 5 need` traps at 1:5 if there are fewer than two values.
//!
//! Definitions become words of their own, named after the program, so that no name collides with one of Forth's. A definition in
//! a cycle of calls is called before it exists, so it is deferred. Where a definition checks for underflow, it keeps the height of
//! the stack below its parameters in a variable, and its caller's on the return stack.
//!
//! While compiling, gforth keeps open control structures on the data stack, which has 2047 cells by default. [`options`]
//! returns the options that a file needs.

use std::fmt::Write;
use std::ops::Range;

use super::{Calls, Checks, Limits, Needs, Run, TooManyCalls, function_name, place, signature, title, uses_fuel};
use crate::host_stack::with_room;
use crate::lang::words::Class;
use crate::lang::{Ast, DefinitionId, NodeKind, Place, Program, Source, Word};
use crate::outcome::TrapKind;

/// A complete file of one program that runs on these inputs.
///
/// # Errors
/// If the program may have too many active calls.
pub fn file(program: &Program, source: &Source, limits: Limits, inputs: &[i64]) -> Result<String, TooManyCalls> {
    let needs = Needs::of(program, limits)?;
    let function = function(program, source, "program", limits);
    let driver = driver(&[Run { function: "program", inputs }]);
    let body = format!("{}\n{function}\n{driver}", prelude(needs));
    let (title, options) = (title(program, source, limits), options(body.len(), needs).join(" "));
    Ok(format!("\\ {title}\n\\ gforth {options} program.fs\n\n{body}"))
}

/// The gforth options for a file of `bytes` bytes: the sizes of the data stack and the return stack in cells and of the dictionary in MB.
pub fn options(bytes: usize, needs: Needs) -> [String; 6] {
    // At most a thousand bodies are open, each with a few cells, and words of the prelude use a few more.
    const CELLS_FOR_OTHERS: usize = 16_384;
    let cells = needs.stack.saturating_add(CELLS_FOR_OTHERS);
    // A call returns to an address and may keep a height; each loop around the next call keeps a count or two.
    let cells_for_calls = needs.calls as usize * (2 + 2 * needs.nesting);
    let return_cells = CELLS_FOR_OTHERS + cells_for_calls;
    // A word has at least two characters and compiles to at most two cells.
    let dictionary = 8 + bytes.div_ceil(1 << 17) + needs.cells.div_ceil(1 << 17);
    [("-d", cells.to_string()), ("-r", return_cells.to_string()), ("-m", format!("{dictionary}M"))]
        .map(|(option, size)| [option.to_owned(), size])
        .concat()
        .try_into()
        .expect("there are three options with a size each")
}

/// The beginning of a file.
pub fn prelude(needs: Needs) -> String {
    let trap = |kind: TrapKind| format!("2r> s\" {kind}\" trap");
    format!(
        "decimal
variable status  \\ 1 once a run has trapped
variable fuel    \\ iterations and calls that may still begin
variable calls   \\ calls that may become active in addition to those that are
variable bottom  \\ values that belong to the callers of the current call
create memory {} cells allot

: trap ( line column c-addr u -- ) .\" trap \" type space swap 0 .r .\" :\" 0 .r cr 1 throw ;

\\ Checks; each takes the location of the word that it guards.
: need ( n line column -- ) 2>r depth 1- bottom @ - > if {} then 2rdrop ;
: room ( limit line column -- ) 2>r depth 1- <= if {} then 2rdrop ;
: divisor ( n line column -- n ) 2>r dup 0= if {} then 2rdrop ;
: address ( cell count line column -- a-addr ) 2>r over u> 0= if {} then 2rdrop cells memory + ;
: begins ( line column -- ) 2>r fuel @ 0= if {} then 2rdrop -1 fuel +! ;
: enters ( line column -- ) 2>r calls @ 0= if {} then 2rdrop -1 calls +! ;
: returns ( -- ) 1 calls +! ;

\\ Truncated toward zero. The minimum integer divided by -1 is itself, but sm/rem would throw.
: quotient ( a b line column -- c ) divisor dup -1 = if drop negate else >r s>d r> sm/rem nip then ;
: remainder ( a b line column -- c ) divisor dup -1 = if 2drop 0 else >r s>d r> sm/rem drop then ;

\\ Stores x over the value that is then k below the top. The stack grows downward in memory.
: put ( … x k -- … ) 2 + cells sp@ + ! ;

: show ( … -- ) depth begin dup 0> while dup pick 0 .r 1- dup if space then repeat drop cr clearstack ;

\\ Runs a program and prints its line. Any other exception is a bug in the translation, so it is rethrown.
: run ( inputs xt -- ) 0 bottom ! catch dup 1 = if 1 status ! clearstack else throw show then ;
",
        needs.cells,
        trap(TrapKind::StackUnderflow),
        trap(TrapKind::StackOverflow),
        trap(TrapKind::DivisionByZero),
        trap(TrapKind::OutOfBounds),
        trap(TrapKind::OutOfFuel),
        trap(TrapKind::CallDepthExceeded),
    )
}

/// A program as Forth words: one with its name, which sets up a run, and one for each definition, whose name begins with it. The file
/// must use neither `name` nor it with `_` and a number for anything else.
pub fn function(program: &Program, source: &Source, name: &str, limits: Limits) -> String {
    let (ast, calls) = (program.ast(), Calls::of(program, limits));
    let is_left = loops_with_leave(ast);
    let (open, text) = (Vec::new(), String::new());
    let mut writer = Writer { program, source, name, limits, calls: &calls, is_left, open, text, column: 0 };
    for &id in calls.order.iter().filter(|id| calls.is_called_early(**id)) {
        writer.line(0, &format!("defer {}", function_name(name, id)));
    }
    let may_underflow = |body: Range<usize>| program.facts()[body].iter().any(|fact| fact.may_underflow);
    for &id in &calls.order {
        let (definition, function) = (ast.definition(id), function_name(name, id));
        let (begin, end) = if calls.is_called_early(id) {
            (":noname".into(), format!("; is {function}\n"))
        } else {
            (format!(": {function}"), ";\n".into())
        };
        writer.line(0, &format!("\\ {}", signature(definition)));
        writer.line(0, &begin);
        if may_underflow(definition.body.clone()) {
            writer.words(1, format_args!("bottom @ >r depth {} - bottom !", definition.params));
            writer.open.push("r> bottom !");
        }
        with_room(|| writer.body(definition.body.clone(), 1));
        if let Some(restore) = writer.open.pop() {
            writer.words(1, format_args!("{restore}"));
        }
        writer.line(0, &end);
    }
    writer.line(0, &format!(": {name}"));
    if let Some(fuel) = limits.fuel.filter(|_| uses_fuel(program, &calls, limits)) {
        // In hexadecimal, because it may exceed the greatest signed cell.
        writer.words(1, format_args!("${fuel:x} fuel !"));
    }
    if calls.counts_depth {
        writer.words(1, format_args!("{} calls !", limits.calls));
    }
    if let Some(cells) = Some(ast.cells()).filter(|cells| *cells > 0 && calls.uses_memory(program)) {
        writer.words(1, format_args!("memory {cells} cells erase"));
    }
    with_room(|| writer.body(ast.main(), 1));
    writer.line(0, ";");
    writer.text
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
    /// The name of the program's word.
    name: &'a str,
    limits: Limits,
    calls: &'a Calls,
    /// For each node, whether it is a loop with a `leave`. Such a loop is a `do` loop, or is inside of one that runs once.
    is_left: Vec<bool>,
    /// The words that remove what the definition at hand and each open loop keep on the return stack, innermost last.
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
                NodeKind::Call(id) => self.call(id, at, level),
                NodeKind::Address(id) => {
                    let start = self.program.ast().array(id).start;
                    self.words(level, format_args!("{start}"));
                }
                NodeKind::Leave => self.words(level, format_args!("leave")),
                NodeKind::Exit => {
                    let words: Vec<_> = self.open.iter().rev().copied().chain(["exit"]).collect();
                    self.words(level, format_args!("{}", words.join(" ")));
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
        match word.class() {
            Class::Division => self.words(level, format_args!("{line} {column} {words}")),
            Class::Memory => {
                let cells = self.program.ast().cells();
                self.words(level, format_args!("{cells} {line} {column} address {words}"));
            }
            Class::Arithmetic | Class::Unary | Class::Comparison | Class::Shuffle => {
                self.words(level, format_args!("{words}"));
            }
        }
    }

    fn call(&mut self, id: DefinitionId, at: Place, level: usize) {
        self.take_fuel(at, level);
        if self.calls.counts_depth {
            self.words(level, format_args!("{} {} enters", at.line, at.column));
        }
        if let Some(values) = self.calls.room(self.program, id, self.limits) {
            self.room(values, at, level);
        }
        let returns = if self.calls.counts_depth { " returns" } else { "" };
        self.words(level, format_args!("{}{returns}", function_name(self.name, id)));
    }

    fn checks(&mut self, index: usize, at: Place, level: usize) {
        let Place { line, column } = at;
        let checks = Checks::of(self.program, index, self.limits);
        if let Some(need) = checks.need {
            // No stack is large enough for a need above the greatest cell value.
            let need = need.min(i64::MAX as u64);
            self.words(level, format_args!("{need} {line} {column} need"));
        }
        if checks.room {
            self.room(1, at, level);
        }
    }

    /// Emits the check that the stack has room for more values.
    fn room(&mut self, values: u64, at: Place, level: usize) {
        // The least depth without room. No stack is large enough to reach one above the greatest cell value.
        let least = self.limits.stack as i128 - i128::from(values) + 1;
        let least = least.clamp(i64::MIN.into(), i64::MAX.into());
        self.words(level, format_args!("{least} {} {} room", at.line, at.column));
    }

    /// Emits the check that takes one unit of fuel.
    fn take_fuel(&mut self, at: Place, level: usize) {
        if self.limits.fuel.is_some() {
            self.words(level, format_args!("{} {} begins", at.line, at.column));
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
