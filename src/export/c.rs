//! Export to C11, for gcc and clang.
//!
//! Values are `uint64_t` in memory, so that arithmetic wraps as the standard guarantees. Comparisons and divisions
//! convert them to `int64_t`, which keeps the bits, as gcc and clang guarantee. No undefined behavior occurs. Loops and
//! branches become C's own, with the same nesting.
//!
//! Compilers have limits for large programs. clang refuses more than 256 open brackets without `-fbracket-depth=2000`, and
//! its optimizer needs minutes for a body of 100,000 words, while gcc's needs seconds.

use std::fmt::Write;
use std::ops::Range;

use super::{Checks, Limits, Run, place, title};
use crate::host_stack::with_room;
use crate::lang::words::Class;
use crate::lang::{NodeKind, Place, Program, Source, Word};
use crate::outcome::TrapKind;

/// A complete file of one program. Its `main` accepts the inputs as arguments; without any it uses `inputs`.
pub fn file(program: &Program, source: &Source, limits: Limits, inputs: &[i64]) -> String {
    let function = function(program, source, "program", limits);
    let (count, capacity) = (program.inputs(), capacity(limits.stack));
    let values = values(inputs);
    let title = title(program, source, limits);
    format!(
        "// {title}\n// cc -O2 -o program program.c && ./program [INPUT…]\n\n{}\n{function}\n{PARSE}
// The inputs given at export; arguments replace them. The last 0 is not an input.
static uint64_t inputs[] = {{{values}0}};

int main(int argc, char **argv)
{{
    if (argc > 1 && argc - 1 != {count}) {{
        fprintf(stderr, \"error: the number of inputs must be {count}\\n\");
        return 2;
    }}
    for (int i = 1; i < argc; i++) {{
        if (!parse(argv[i], &inputs[i - 1])) {{
            fprintf(stderr, \"error: `%s` is not a 64-bit integer\\n\", argv[i]);
            return 2;
        }}
    }}
    return run(program, inputs, {count}, memory({capacity}));
}}
",
        prelude()
    )
}

/// The beginning of every file.
pub fn prelude() -> &'static str {
    PRELUDE
}

/// A program as a function. `name` must be a C identifier that the file uses for nothing else.
pub fn function(program: &Program, source: &Source, name: &str, limits: Limits) -> String {
    let text = format!("static struct end {name}(struct stack *stack)\n{{\n    uint64_t *sp = stack->top;\n");
    let mut writer = Writer { program, source, limits, text };
    let loops = |kind| matches!(kind, NodeKind::Times { .. } | NodeKind::While { .. });
    // Without loops, the variable would be unused, and compilers would warn.
    if let Some(fuel) = limits.fuel.filter(|_| program.ast().nodes().iter().any(|node| loops(node.kind))) {
        writer.line(1, format_args!("uint64_t fuel = UINT64_C({fuel});"));
    }
    with_room(|| writer.body(0..program.ast().nodes().len(), 1));
    writer.text + "    " + END + "\n}\n"
}

/// The main part of a file of many programs: executes the runs in order and prints a line for each. `stack` is the greatest
/// stack limit of all programs.
pub fn driver(runs: &[Run], stack: usize) -> String {
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
    let (count, capacity) = (runs.len(), capacity(stack));
    text + &format!(
        "    {{NULL, 0, 0}}
}};

int main(void)
{{
    uint64_t *bottom = memory({capacity});
    int status = 0;
    for (size_t i = 0; i < {count}; i++) {{
        status |= run(runs[i].function, inputs + runs[i].first, runs[i].count, bottom);
    }}
    return status;
}}
"
    )
}

const INFALLIBLE: &str = "writing to a string cannot fail";

/// Bodies nested deeper than this are not indented further, so that the text stays linear in the program.
const MAX_INDENT: usize = 40;

/// No stack can hold this many values, whatever its limit, because they would exceed the address space.
const MAX_VALUES: u64 = 1 << 60;

const PRELUDE: &str = r#"#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// How a run ended: the trap and its location, or NULL if it finished.
struct end { const char *trap; int line, column; };

// The values; top points past the topmost one.
struct stack { uint64_t *bottom, *top; };

typedef struct end function(struct stack *);

static uint64_t *memory(uint64_t values)
{
    uint64_t *bottom = values < SIZE_MAX / 8 ? malloc((size_t)(values + 1) * 8) : NULL;
    if (bottom == NULL) {
        fprintf(stderr, "error: no memory for a stack of %" PRIu64 " values\n", values);
        exit(2);
    }
    return bottom;
}

// Runs a program and prints its line.
static int run(function *program, const uint64_t *inputs, size_t count, uint64_t *bottom)
{
    struct stack stack = {bottom, bottom + count};
    memcpy(bottom, inputs, count * sizeof *inputs);
    struct end end = program(&stack);
    if (end.trap != NULL) {
        printf("trap %s %d:%d\n", end.trap, end.line, end.column);
        return 1;
    }
    for (uint64_t *value = bottom; value < stack.top; value++) {
        printf("%s%" PRId64, value == bottom ? "" : " ", (int64_t)*value);
    }
    printf("\n");
    return 0;
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

/// The statements that end the function.
const END: &str = "stack->top = sp; return (struct end){NULL, 0, 0};";

/// The stack's capacity as a C constant.
fn capacity(limit: usize) -> String {
    format!("UINT64_C({limit})")
}

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
    limits: Limits,
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
                NodeKind::Call(_) | NodeKind::Address(_) => todo!(),
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
        if word.class() == Class::Division {
            self.trap(level, "sp[-1] == 0", TrapKind::DivisionByZero, at);
        }
        let statements = statements(word);
        self.line(level, format_args!("{statements} // {} {at}", word.spelling()));
    }

    fn checks(&mut self, index: usize, at: Place, level: usize) {
        let checks = Checks::of(self.program.ast().nodes()[index].kind, self.program.facts()[index], self.limits);
        if let Some(need) = checks.need {
            let need = need.min(MAX_VALUES);
            self.trap(level, &format!("sp - stack->bottom < {need}"), TrapKind::StackUnderflow, at);
        }
        if checks.room && (self.limits.stack as u64) < MAX_VALUES {
            let full = format!("sp - stack->bottom >= {}", self.limits.stack);
            self.trap(level, &full, TrapKind::StackOverflow, at);
        }
    }

    /// Emits the check that takes the fuel for one iteration of a loop.
    fn take_fuel(&mut self, at: Place, level: usize) {
        if self.limits.fuel.is_some() {
            self.trap(level, "fuel-- == 0", TrapKind::OutOfFuel, at);
        }
    }

    fn trap(&mut self, level: usize, condition: &str, kind: TrapKind, at: Place) {
        let Place { line, column } = at;
        self.line(level, format_args!("if ({condition}) return (struct end){{\"{kind}\", {line}, {column}}};"));
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
        by => format!(" sp += {by};"),
    };
    // The stack effect of a word names each operand with one letter.
    let entry = word.entry();
    let name = |operand: usize| char::from(entry.effect.as_bytes()[2 * operand]);
    if let Some(translation) = entry.translation {
        let value = |letter| (0..pops).find(|operand| name(*operand) == letter).map(slot);
        return format!("{} = {};{move_pointer}", slot(0), with_names(translation.c, value));
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
