//! Let programs as C, which shares only the parser with jitduel's compiler and referee.
//!
//! C's own scopes say which declaration a name means. Each operation assigns its value to a new variable, because C leaves the order of
//! evaluation open. Values are `int64_t`. Arithmetic converts them to `uint64_t`, so that it wraps.

use std::fmt::{Display, Write};

use jitduel::lang::{Source, Span};
use jitduel::letlang::tree::{
    Binary, Block, Expression, Function, Global, ItemKind, Place, Size, Statement, StatementKind, Tree, Unary,
};

/// The beginning of a file: the state of a run, and the operators.
pub const PRELUDE: &str = r#"#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

static jmp_buf end;
static uint64_t fuel, depth;

static _Noreturn void trap(const char *line) { puts(line); longjmp(end, 1); }
static void burn(const char *line) { if (fuel == 0) trap(line); fuel--; }
static void enter(const char *out_of_fuel, const char *too_deep) {
    burn(out_of_fuel);
    if (depth == 0) trap(too_deep);
    depth--;
}

static int64_t negate(int64_t a) { return (int64_t)-(uint64_t)a; }
static int64_t not(int64_t a) { return a == 0; }
static int64_t invert(int64_t a) { return ~a; }
static int64_t equal(int64_t a, int64_t b) { return a == b; }
static int64_t not_equal(int64_t a, int64_t b) { return a != b; }
static int64_t less(int64_t a, int64_t b) { return a < b; }
static int64_t less_or_equal(int64_t a, int64_t b) { return a <= b; }
static int64_t greater(int64_t a, int64_t b) { return a > b; }
static int64_t greater_or_equal(int64_t a, int64_t b) { return a >= b; }
static int64_t or(int64_t a, int64_t b) { return a | b; }
static int64_t xor(int64_t a, int64_t b) { return a ^ b; }
static int64_t and(int64_t a, int64_t b) { return a & b; }
static int64_t shift_left(int64_t a, int64_t b) { return (int64_t)((uint64_t)a << (b & 63)); }
static int64_t shift_right(int64_t a, int64_t b) { return a >> (b & 63); }
static int64_t shift_right_logical(int64_t a, int64_t b) { return (int64_t)((uint64_t)a >> (b & 63)); }
static int64_t add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static int64_t subtract(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
static int64_t multiply(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }
// In C, the least integer cannot be divided by -1.
static int64_t divide(int64_t a, int64_t b, const char *by_zero) {
    if (b == 0) trap(by_zero);
    return b == -1 ? negate(a) : a / b;
}
static int64_t divide_for_remainder(int64_t a, int64_t b, const char *by_zero) {
    if (b == 0) trap(by_zero);
    return b == -1 ? 0 : a % b;
}

static int64_t *element(int64_t *array, size_t cells, int64_t index, const char *out_of_bounds) {
    if (index < 0 || (uint64_t)index >= cells) trap(out_of_bounds);
    return &array[index];
}
#define ELEMENT(array, index, line) element(array, sizeof array / sizeof *array, index, line)

"#;

/// The end of a file: executes these functions in order, on a stack that has room for 10,000 calls with large frames.
pub fn driver(runs: &[String]) -> String {
    format!(
        "static void (*const runs[])(void) = {{{}}};

static void run(void (*function)(void)) {{ if (setjmp(end) == 0) function(); }}

static void *run_all(void *unused) {{
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) run(runs[i]);
    return unused;
}}

int main(void) {{
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) || pthread_attr_setstacksize(&attributes, (size_t)1 << 28)
        || pthread_create(&thread, &attributes, run_all, NULL) || pthread_join(thread, NULL)) {{
        perror(\"no thread\");
        return 2;
    }}
    return 0;
}}
",
        runs.join(", ")
    )
}

const INFALLIBLE: &str = "a String takes every text";

/// A program that becomes C functions. All its names get a prefix, so that a file can have many programs, and no name is one of C.
pub struct Translation<'a> {
    pub tree: &'a Tree,
    pub source: &'a Source,
    pub prefix: String,
}

impl Translation<'_> {
    fn text(&self, span: Span) -> String {
        self.source.text(span)
    }

    fn name(&self, span: Span) -> String {
        format!("{}{}", self.prefix, self.text(span))
    }

    /// The line that a trap at this place prints, as a C string.
    fn trap(&self, what: &str, span: Span) -> String {
        format!("\"trap {what} {}\"", self.source.place(span))
    }

    fn size(&self, size: Size, at: Span) -> i64 {
        let constant = |global: &Global| match global {
            Global::Constant { name, value } if self.text(*name) == self.text(at) => Some(*value),
            _ => None,
        };
        match size {
            Size::Literal(size) => size,
            Size::Name => self.tree.globals.iter().find_map(constant).expect("the size is declared"),
        }
    }

    fn functions(&self) -> impl Iterator<Item = &Function> {
        self.tree.globals.iter().filter_map(|global| match global {
            Global::Function(function) => Some(function),
            Global::Array { .. } | Global::Constant { .. } => None,
        })
    }

    fn signature(&self, function: &Function) -> String {
        let params: Vec<String> =
            function.params.iter().map(|param| format!("int64_t {}", self.name(*param))).collect();
        let params = if params.is_empty() { "void".to_owned() } else { params.join(", ") };
        format!("static int64_t {}({params})", self.name(function.name))
    }

    /// All declarations of the program. Those that C wants before their use come first.
    pub fn program(&self) -> String {
        let mut text = String::new();
        for global in &self.tree.globals {
            let line = match global {
                Global::Constant { name, value } => {
                    format!("static const int64_t {} = {};", self.name(*name), literal(*value))
                }
                Global::Array { name, size, at } => {
                    format!("static int64_t {}[{}];", self.name(*name), self.size(*size, *at))
                }
                Global::Function(function) => self.signature(function) + ";",
            };
            text += &(line + "\n");
        }
        for function in self.functions() {
            let mut writer = Writer { program: self, text: String::new(), values: 0 };
            writer.block(&function.body);
            writeln!(text, "{} {}", self.signature(function), writer.text).expect(INFALLIBLE);
        }
        text
    }

    /// A function with this name that prints the result of one run, or its trap.
    pub fn run(&self, name: &str, inputs: &[i64], fuel: u64, depth: u64) -> String {
        let main = self.functions().find(|function| self.text(function.name) == "main").expect("there is a `main`");
        let [out_of_fuel, too_deep] = ["out of fuel", "call depth exceeded"].map(|what| self.trap(what, main.name));
        let mut text = format!("static void {name}(void) {{ fuel = UINT64_C({fuel}); depth = UINT64_C({depth});\n");
        for global in &self.tree.globals {
            if let Global::Array { name, .. } = global {
                let name = self.name(*name);
                writeln!(text, "memset({name}, 0, sizeof {name});").expect(INFALLIBLE);
            }
        }
        let inputs: Vec<String> = inputs.iter().map(|input| literal(*input)).collect();
        let (main, inputs) = (self.name(main.name), inputs.join(", "));
        text + &format!("enter({out_of_fuel}, {too_deep});\nprintf(\"%\" PRId64 \"\\n\", {main}({inputs}));\n}}\n")
    }
}

fn literal(value: i64) -> String {
    // C has no literal for the least integer: a minus is an operator.
    if value == i64::MIN { "INT64_MIN".into() } else { format!("INT64_C({value})") }
}

/// Writes the body of a function.
struct Writer<'a> {
    program: &'a Translation<'a>,
    text: String,
    /// The number of variables that hold values of operations.
    values: usize,
}

impl Writer<'_> {
    fn line(&mut self, line: impl Display) {
        writeln!(self.text, "{line}").expect(INFALLIBLE);
    }

    /// Assigns a value to a new variable, whose name it returns.
    fn value(&mut self, value: impl Display) -> String {
        let name = self.new_name();
        self.line(format_args!("int64_t {name} = {value};"));
        name
    }

    fn new_name(&mut self) -> String {
        self.values += 1;
        format!("value_{}", self.values)
    }

    fn block(&mut self, block: &Block) {
        self.line("{");
        block.statements.iter().for_each(|statement| self.statement(statement));
        self.line("}");
    }

    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Let { name, value } => {
                let value = self.expression(value);
                self.line(format_args!("int64_t {} = {value};", self.program.name(*name)));
            }
            StatementKind::Assign { place, op, value } => self.assignment(place, *op, value),
            StatementKind::Return(value) => {
                let value = self.expression(value);
                self.line(format_args!("return {value};"));
            }
            StatementKind::Break => self.line("break;"),
            StatementKind::If { condition, then, otherwise } => {
                let condition = self.expression(condition);
                self.line(format_args!("if ({condition} != 0)"));
                self.block(then);
                if let Some(otherwise) = otherwise {
                    self.line("else");
                    self.block(otherwise);
                }
            }
            StatementKind::While { condition, body } => {
                self.line("for (;;) {");
                self.line(format_args!("burn({});", self.program.trap("out of fuel", statement.span)));
                let condition = self.expression(condition);
                self.line(format_args!("if ({condition} == 0) break;"));
                self.block(body);
                self.line("}");
            }
            StatementKind::Call(call) => _ = self.expression(call),
            StatementKind::Block(block) => self.block(block),
        }
    }

    fn assignment(&mut self, place: &Place, op: Option<(Binary, Span)>, value: &Expression) {
        let span = self.program.tree.items[place.name].span;
        let place = match &place.index {
            None => self.program.name(span),
            Some(index) => {
                let index = self.expression(index);
                self.element(span, &index)
            }
        };
        let value = match op {
            None => self.expression(value),
            Some((op, at)) => {
                let old = self.value(&place);
                let value = self.expression(value);
                self.binary(op, &old, &value, at)
            }
        };
        self.line(format_args!("{place} = {value};"));
    }

    /// An element, whose index is checked wherever this stands.
    fn element(&self, array: Span, index: &str) -> String {
        let Writer { program, .. } = self;
        format!("*ELEMENT({}, {index}, {})", program.name(array), program.trap("out of bounds", array))
    }

    /// Computes an expression and returns its value: a name or a literal.
    fn expression(&mut self, expression: &Expression) -> String {
        let mut values: Vec<String> = Vec::new();
        let mut index = expression.start;
        while index < expression.end {
            let item = self.program.tree.items[index];
            index += 1;
            let mut pop = || values.pop().expect("there is an operand");
            let value = match item.kind {
                ItemKind::Literal(value) => literal(value),
                ItemKind::Name => self.value(self.program.name(item.span)),
                ItemKind::Element => {
                    let element = self.element(item.span, &pop());
                    self.value(element)
                }
                ItemKind::Call { arguments } => {
                    let arguments = values.split_off(values.len() - arguments);
                    self.call(item.span, &arguments)
                }
                ItemKind::Unary(unary) => {
                    let function = match unary {
                        Unary::Negate => "negate",
                        Unary::Not => "not",
                        Unary::Invert => "invert",
                    };
                    self.value(format_args!("{function}({})", pop()))
                }
                ItemKind::Binary(op) => {
                    let (right, left) = (pop(), pop());
                    self.binary(op, &left, &right, item.span)
                }
                ItemKind::And { end } | ItemKind::Or { end } => {
                    let is_and = matches!(item.kind, ItemKind::And { .. });
                    let value = self.short_circuit(is_and, &pop(), &(index..end));
                    index = end;
                    value
                }
            };
            values.push(value);
        }
        values.pop().expect("an expression has a value")
    }

    fn short_circuit(&mut self, is_and: bool, left: &str, right: &Expression) -> String {
        let value = self.value(format_args!("{left} != 0"));
        self.line(format_args!("if ({value} == {}) {{", i32::from(is_and)));
        let right = self.expression(right);
        self.line(format_args!("{value} = {right} != 0;"));
        self.line("}");
        value
    }

    fn call(&mut self, function: Span, arguments: &[String]) -> String {
        let program = self.program;
        let [out_of_fuel, too_deep] = ["out of fuel", "call depth exceeded"].map(|what| program.trap(what, function));
        self.line(format_args!("enter({out_of_fuel}, {too_deep});"));
        let value = self.value(format_args!("{}({})", program.name(function), arguments.join(", ")));
        self.line("depth++;");
        value
    }

    fn binary(&mut self, op: Binary, left: &str, right: &str, at: Span) -> String {
        let by_zero = self.program.trap("division by zero", at);
        let value = match op {
            Binary::Equal => format!("equal({left}, {right})"),
            Binary::NotEqual => format!("not_equal({left}, {right})"),
            Binary::Less => format!("less({left}, {right})"),
            Binary::LessOrEqual => format!("less_or_equal({left}, {right})"),
            Binary::Greater => format!("greater({left}, {right})"),
            Binary::GreaterOrEqual => format!("greater_or_equal({left}, {right})"),
            Binary::Or => format!("or({left}, {right})"),
            Binary::Xor => format!("xor({left}, {right})"),
            Binary::And => format!("and({left}, {right})"),
            Binary::ShiftLeft => format!("shift_left({left}, {right})"),
            Binary::ShiftRight => format!("shift_right({left}, {right})"),
            Binary::ShiftRightLogical => format!("shift_right_logical({left}, {right})"),
            Binary::Add => format!("add({left}, {right})"),
            Binary::Subtract => format!("subtract({left}, {right})"),
            Binary::Multiply => format!("multiply({left}, {right})"),
            Binary::Divide => format!("divide({left}, {right}, {by_zero})"),
            Binary::Remainder => format!("divide_for_remainder({left}, {right}, {by_zero})"),
        };
        self.value(value)
    }
}
