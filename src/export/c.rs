//! Export to C11, for gcc and clang.
//!
//! Values are `uint64_t` in memory, so that arithmetic wraps as the standard guarantees. Comparisons and divisions
//! convert them to `int64_t`, which keeps the bits, as gcc and clang guarantee. No undefined behavior occurs. Loops and
//! branches become C's own, with the same nesting.
//!
//! The program and each definition become functions from the stack pointer before to the one after them. A trap jumps back to
//! where the run began. Active calls are counted where they might exceed the limit: without a count, gcc would turn
//! `: f ( -- ) f ;` into an endless loop. A program with calls runs on a thread whose stack has room for all of them.
//!
//! Compilers have limits for large programs. clang refuses more than 256 open brackets without `-fbracket-depth=2000`, and
//! its optimizer needs minutes for a body of 100,000 words, while gcc's needs seconds.

use std::fmt::Write;
use std::ops::Range;

use super::{Calls, Checks, Limits, Needs, Run, TooManyCalls, function_name, place, signature, title, uses_fuel};
use crate::host_stack::with_room;
use crate::lang::words::Class;
use crate::lang::{DefinitionId, NodeKind, Place, Program, Source, Word, printable};
use crate::outcome::TrapKind;

/// A complete file of one program. Its `main` accepts the inputs as arguments; without any it uses `inputs`.
///
/// # Errors
/// If the program may have too many active calls.
pub fn file(program: &Program, source: &Source, limits: Limits, inputs: &[i64]) -> Result<String, TooManyCalls> {
    let needs = Needs::of(program, limits)?;
    let function = function(program, source, "program", limits);
    let (title, prelude, count) = (title(program, source, limits), prelude(needs), program.inputs());
    let (threads, values) = (if needs.calls > 0 { " -pthread" } else { "" }, values(inputs));
    let setup = format!(
        "    if (argc > 1 && argc - 1 != {count}) {{
        fprintf(stderr, \"error: the number of inputs must be {count}\\n\");
        return 2;
    }}
    for (int i = 1; i < argc; i++) {{
        if (!parse(argv[i], &inputs[i - 1])) {{
            fprintf(stderr, \"error: `%s` is not a 64-bit integer\\n\", argv[i]);
            return 2;
        }}
    }}
"
    );
    let main = main("int argc, char **argv", &setup, &format!("    return run(program, inputs, {count});\n"), needs);
    Ok(format!(
        "// {title}\n// cc -O2{threads} -o program program.c && ./program [INPUT…]\n\n{prelude}\n{function}\n{PARSE}
// The inputs given at export; arguments replace them. The last 0 is not an input.
static uint64_t inputs[] = {{{values}0}};

{main}"
    ))
}

/// The beginning of a file.
pub fn prelude(needs: Needs) -> String {
    let Needs { cells, .. } = needs;
    let threads = if needs.calls > 0 { "#include <pthread.h>\n" } else { "" };
    let mut text = format!("#include <errno.h>\n#include <inttypes.h>\n{threads}{STATE}");
    if cells > 0 {
        writeln!(text, "\n// The memory.\nstatic uint64_t cells[{cells}];").expect(INFALLIBLE);
    }
    if needs.fuel {
        text += "\n// The iterations and calls that may still begin.\nstatic uint64_t fuel;\n";
    }
    if needs.depth {
        text +=
            "\n// The number of calls that may become active in addition to those that are.\nstatic uint64_t calls;\n";
    }
    text + RUN
}

/// A program as functions: one with its name, which sets up a run, and one for each definition, whose name begins with it. `name`
/// must be a C identifier such that the file uses neither it nor it with `_` and a number for anything else.
pub fn function(program: &Program, source: &Source, name: &str, limits: Limits) -> String {
    let (ast, calls) = (program.ast(), Calls::of(program, limits));
    let mut writer = Writer { program, source, name, limits, calls: &calls, in_main: false, text: String::new() };
    for &id in calls.order.iter().filter(|id| calls.is_called_early(**id)) {
        let function = function_name(name, id);
        writer.line(0, format_args!("static uint64_t *{function}(uint64_t *sp);"));
    }
    if !writer.text.is_empty() {
        writer.text.push('\n');
    }
    for &id in &calls.order {
        let (definition, function) = (ast.definition(id), function_name(name, id));
        let at = source.place(definition.span);
        writer.line(0, format_args!("// {} {at}", signature(definition)));
        writer.line(0, format_args!("static uint64_t *{function}(uint64_t *sp)\n{{"));
        if definition.body.clone().any(|index| program.facts()[index].may_underflow) {
            writer.line(1, format_args!("const uint64_t *base = sp - {};", definition.params));
        }
        with_room(|| writer.body(definition.body.clone(), 1));
        writer.line(0, format_args!("    {END}\n}}\n"));
    }
    writer.in_main = true;
    writer.line(0, format_args!("static uint64_t *{name}(uint64_t *sp)\n{{"));
    if let Some(fuel) = limits.fuel.filter(|_| uses_fuel(program, &calls, limits)) {
        writer.line(1, format_args!("fuel = UINT64_C({fuel});"));
    }
    if calls.counts_depth {
        writer.line(1, format_args!("calls = UINT64_C({});", limits.calls));
    }
    if let Some(cells) = Some(ast.cells()).filter(|cells| *cells > 0 && calls.uses_memory(program)) {
        writer.line(1, format_args!("memset(cells, 0, {cells} * sizeof *cells);"));
    }
    with_room(|| writer.body(ast.main(), 1));
    writer.line(0, format_args!("    {END}\n}}"));
    writer.text
}

/// The main part of a file of many programs: executes the runs in order and prints a line for each.
pub fn driver(runs: &[Run], needs: Needs) -> String {
    let mut text = String::from("static const uint64_t inputs[] = {\n");
    for run in runs {
        writeln!(text, "    {}", values(run.inputs).trim_end()).expect(INFALLIBLE);
    }
    text += "    0\n};\n\nstatic const struct { function *function; size_t first, count; } runs[] = {\n";
    let mut first = 0;
    for Run { function, inputs } in runs {
        writeln!(text, "    {{{function}, {first}, {}}},", inputs.len()).expect(INFALLIBLE);
        first += inputs.len();
    }
    let execute = format!(
        "    int status = 0;
    for (size_t i = 0; i < {}; i++) {{
        status |= run(runs[i].function, inputs + runs[i].first, runs[i].count);
    }}
    return status;
",
        runs.len()
    );
    text + "    {NULL, 0, 0}\n};\n\n" + &main("void", "", &execute, needs)
}

/// The function `main`, and `execute`, which it calls after it has allocated the stack.
fn main(parameters: &str, setup: &str, execute: &str, needs: Needs) -> String {
    let (thread, call) = if needs.calls > 0 {
        (THREAD, format!("on_large_stack(UINT64_C({}))", call_stack_bytes(needs)))
    } else {
        ("", "execute()".into())
    };
    let capacity = needs.stack;
    format!(
        "static int execute(void)
{{
{execute}}}
{thread}
int main({parameters})
{{
{setup}    bottom = stack(UINT64_C({capacity}));
    return {call};
}}
"
    )
}

/// The size of the C stack that the main program and all active calls need. Unoptimized code keeps the result of every word in a
/// place of its own. Optimized code also keeps values of the definitions that it inlines.
fn call_stack_bytes(needs: Needs) -> u64 {
    const BYTES_FOR_A_NODE: u64 = 24;
    const BYTES_FOR_INLINING: u64 = 4096;
    const BYTES_FOR_LIBRARY: u64 = 1 << 18;
    let per_call = BYTES_FOR_INLINING + BYTES_FOR_A_NODE * needs.definition as u64;
    let main = BYTES_FOR_LIBRARY + BYTES_FOR_A_NODE * needs.main as u64;
    // Some systems accept only whole pages.
    (main + needs.calls * per_call).next_multiple_of(1 << 16)
}

const INFALLIBLE: &str = "writing to a string cannot fail";

/// Bodies nested deeper than this are not indented further, so that the text stays linear in the program.
const MAX_INDENT: usize = 40;

/// No stack can hold this many values, whatever its limit, because they would exceed the address space.
const MAX_VALUES: u64 = 1 << 60;

const STATE: &str = r#"#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A program or a definition: a function from the stack pointer before it to the one after it. It points past the topmost value.
typedef uint64_t *function(uint64_t *);

// The bottom of the stack.
static uint64_t *bottom;
"#;

const RUN: &str = r#"
// Where a run began.
static jmp_buf start;

// Ends a run. Not static, because not every program needs it.
_Noreturn void trap(const char *kind, unsigned line, unsigned column)
{
    printf("trap %s %u:%u\n", kind, line, column);
    longjmp(start, 1);
}

static uint64_t *stack(uint64_t values)
{
    uint64_t *bottom = values < SIZE_MAX / 8 ? malloc((size_t)(values + 1) * 8) : NULL;
    if (bottom == NULL) {
        fprintf(stderr, "error: no memory for a stack of %" PRIu64 " values\n", values);
        exit(2);
    }
    return bottom;
}

// Runs a program and prints its line.
static int run(function *program, const uint64_t *inputs, size_t count)
{
    memcpy(bottom, inputs, count * sizeof *inputs);
    if (setjmp(start) != 0) {
        return 1;
    }
    uint64_t *top = program(bottom + count);
    for (uint64_t *value = bottom; value < top; value++) {
        printf("%s%" PRId64, value == bottom ? "" : " ", (int64_t)*value);
    }
    printf("\n");
    return 0;
}
"#;

const THREAD: &str = r#"
static void *thread(void *status)
{
    *(int *)status = execute();
    return NULL;
}

// Executes the runs on a stack with room for all active calls. The usual one may be too small.
static int on_large_stack(uint64_t bytes)
{
    int status;
    pthread_attr_t attributes;
    pthread_t id;
    if ((size_t)bytes != bytes || pthread_attr_init(&attributes) != 0
        || pthread_attr_setstacksize(&attributes, (size_t)bytes) != 0
        || pthread_create(&id, &attributes, thread, &status) != 0) {
        fprintf(stderr, "error: no memory for a C stack of %" PRIu64 " bytes\n", bytes);
        return 2;
    }
    pthread_join(id, NULL);
    return status;
}
"#;

const PARSE: &str = r#"// Parses an integer in the language's notation.
static int parse(const char *text, uint64_t *value)
{
    int hexadecimal = text[0] == '0' && text[1] == 'x';
    const char *digits = hexadecimal ? text + 2 : text[0] == '-' ? text + 1 : text;
    if (*digits == '\0' || strspn(digits, hexadecimal ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits)) {
        return 0;
    }
    errno = 0;
    *value = hexadecimal ? strtoull(digits, NULL, 16) : (uint64_t)strtoll(text, NULL, 10);
    return errno == 0;
}
"#;

/// The statement that ends a function.
const END: &str = "return sp;";

/// An integer constant. The minimum integer has no decimal form in C.
fn constant(value: i64) -> String {
    if value == i64::MIN { "INT64_MIN".into() } else { value.to_string() }
}

/// Constants, each followed by a comma and a space.
fn values(inputs: &[i64]) -> String {
    inputs.iter().map(|&value| constant(value) + ", ").collect()
}

struct Writer<'a> {
    program: &'a Program,
    source: &'a Source,
    /// The name of the program's function.
    name: &'a str,
    limits: Limits,
    calls: &'a Calls,
    /// Whether the function at hand is the main program.
    in_main: bool,
    text: String,
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
                NodeKind::Literal(value) => self.line(level, format_args!("*sp++ = {}; // {at}", constant(value))),
                NodeKind::Word(word) => self.word(word, at, level),
                // The check above always traps, and the index would exceed the address space.
                NodeKind::Pick(depth) | NodeKind::Put(depth) if depth >= MAX_VALUES => {}
                NodeKind::Put(depth) => {
                    self.line(level, format_args!("sp[-{}] = sp[-1]; sp--; // {depth} put {at}", depth + 2));
                }
                NodeKind::Pick(depth) => {
                    self.line(level, format_args!("sp[0] = sp[-{}]; sp++; // {depth} pick {at}", depth + 1));
                }
                NodeKind::Times { end } => {
                    let count = format_args!("for (int64_t n = (int64_t)*--sp; n > 0; n--) {{ // times {at}");
                    self.line(level, count);
                    self.take_fuel(at, level + 1);
                    self.body(index + 1..end as usize, level + 1);
                    self.line(level, format_args!("}}"));
                }
                NodeKind::Call(id) => self.call(id, at, level),
                NodeKind::Address(id) => {
                    let array = self.program.ast().array(id);
                    let (start, name) = (array.start, printable(&array.name));
                    self.line(level, format_args!("*sp++ = {start}; // {name} {at}"));
                }
                NodeKind::Leave => self.line(level, format_args!("break; // leave {at}")),
                NodeKind::Exit => self.line(level, format_args!("{END} // exit {at}")),
                NodeKind::If { otherwise, end } => {
                    self.line(level, format_args!("if (*--sp != 0) {{ // if {at}"));
                    self.body(index + 1..otherwise as usize, level + 1);
                    if otherwise < end {
                        self.line(level, format_args!("}} else {{"));
                        self.body(otherwise as usize..end as usize, level + 1);
                    }
                    self.line(level, format_args!("}}"));
                }
                NodeKind::While { body, end } => {
                    self.line(level, format_args!("for (;;) {{ // while {at}"));
                    self.take_fuel(at, level + 1);
                    self.body(index + 1..body as usize, level + 1);
                    self.checks(index, at, level + 1);
                    self.line(level + 1, format_args!("if (*--sp == 0) break; // do"));
                    self.body(body as usize..end as usize, level + 1);
                    self.line(level, format_args!("}}"));
                }
            }
            index = kind.next(index);
        }
    }

    fn word(&mut self, word: Word, at: Place, level: usize) {
        match word.class() {
            Class::Division => self.trap(level, "sp[-1] == 0", TrapKind::DivisionByZero, at),
            Class::Memory => {
                let cells = self.program.ast().cells();
                if cells == 0 {
                    // There is no array, and comparing an unsigned number with 0 would cause a warning.
                    return self.trap(level, "1", TrapKind::OutOfBounds, at);
                }
                self.trap(level, &format!("sp[-1] >= {cells}"), TrapKind::OutOfBounds, at);
            }
            Class::Arithmetic | Class::Unary | Class::Comparison | Class::Shuffle => {}
        }
        let statements = statements(word);
        self.line(level, format_args!("{statements} // {} {at}", word.spelling()));
    }

    fn call(&mut self, id: DefinitionId, at: Place, level: usize) {
        self.take_fuel(at, level);
        if self.calls.counts_depth {
            self.trap(level, "calls == 0", TrapKind::CallDepthExceeded, at);
        }
        if let Some(values) = self.calls.room(self.program, id, self.limits) {
            self.room(values, at, level);
        }
        let (before, after) = if self.calls.counts_depth { ("calls--; ", " calls++;") } else { ("", "") };
        let (function, name) = (function_name(self.name, id), printable(&self.program.ast().definition(id).name));
        self.line(level, format_args!("{before}sp = {function}(sp);{after} // {name} {at}"));
    }

    fn checks(&mut self, index: usize, at: Place, level: usize) {
        let checks = Checks::of(self.program, index, self.limits);
        if let Some(need) = checks.need {
            let (need, base) = (need.min(MAX_VALUES), if self.in_main { "bottom" } else { "base" });
            self.trap(level, &format!("sp - {base} < {need}"), TrapKind::StackUnderflow, at);
        }
        if checks.room {
            self.room(1, at, level);
        }
    }

    /// Emits the check that the stack has room for more values.
    fn room(&mut self, values: u64, at: Place, level: usize) {
        let limit = self.limits.stack as u64;
        if limit < MAX_VALUES {
            // Negative if the values never fit.
            let most = i128::from(limit) - i128::from(values.min(MAX_VALUES));
            self.trap(level, &format!("sp - bottom > {most}"), TrapKind::StackOverflow, at);
        }
    }

    /// Emits the check that takes one unit of fuel.
    fn take_fuel(&mut self, at: Place, level: usize) {
        if self.limits.fuel.is_some() {
            self.trap(level, "fuel-- == 0", TrapKind::OutOfFuel, at);
        }
    }

    fn trap(&mut self, level: usize, condition: &str, kind: TrapKind, at: Place) {
        let Place { line, column } = at;
        self.line(level, format_args!("if ({condition}) trap(\"{kind}\", {line}, {column});"));
    }

    fn line(&mut self, level: usize, text: std::fmt::Arguments) {
        let indent = 4 * level.min(MAX_INDENT);
        writeln!(self.text, "{:indent$}{text}", "").expect(INFALLIBLE);
    }
}

/// The C statements that execute a word on the values below `sp`.
fn statements(word: Word) -> String {
    let (pops, pushes) = (word.pops(), word.pushes());
    let slot = |index: usize| format!("sp[{}]", index as i64 - pops as i64);
    let move_pointer = match pushes as i64 - pops as i64 {
        0 => String::new(),
        1 => " sp++;".into(),
        -1 => " sp--;".into(),
        by if by < 0 => format!(" sp -= {};", -by),
        by => format!(" sp += {by};"),
    };
    // The stack effect of a word names each operand with one letter.
    let entry = word.entry();
    let name = |operand: usize| char::from(entry.effect.as_bytes()[2 * operand]);
    if let Some(translation) = entry.translation {
        let value = |letter| (0..pops).find(|operand| name(*operand) == letter).map(slot);
        let result = if pushes > 0 { slot(0) + " = " } else { String::new() };
        return format!("{result}{};{move_pointer}", with_names(translation.c, value));
    }
    let moved: Vec<_> = word.origins().iter().copied().enumerate().filter(|(result, from)| result != from).collect();
    if let [(result, from)] = moved[..] {
        return format!("{} = {};{move_pointer}", slot(result), slot(from));
    }
    if moved.is_empty() {
        return move_pointer.trim_start().into();
    }
    let is_moved = |operand: &usize| moved.iter().any(|(_, from)| from == operand);
    let values = (0..pops).filter(is_moved).map(|operand| format!("{} = {}", name(operand), slot(operand)));
    let values = values.collect::<Vec<_>>().join(", ");
    let stores: String = moved.iter().map(|(result, from)| format!("{} = {}; ", slot(*result), name(*from))).collect();
    format!("{{ uint64_t {values}; {stores}}}{move_pointer}")
}

/// An expression in which the values replace the names of one letter.
fn with_names(expression: &str, value: impl Fn(char) -> Option<String>) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut text = String::new();
    let mut rest = expression;
    while let Some(c) = rest.chars().next() {
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len()).max(1);
        match value(c).filter(|_| length == 1) {
            Some(value) => text += &value,
            None => text += &rest[..length],
        }
        rest = &rest[length..];
    }
    text
}
