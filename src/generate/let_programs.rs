//! Random programs of the let language, valid ones and ones with a single fault.
//!
//! All tokens are separated by white space, so that a failing program can be shrunk by removing words. The last line is a case that
//! says where the fault is.

use super::Trial;
use super::dice::Dice;
use crate::lang::{Language, Source};
use crate::letlang::tree::{BINARY, COMPARISONS};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT};

/// A valid program with inputs and limits.
pub(super) fn valid(dice: &mut Dice) -> Trial {
    program(dice, None)
}

/// A program with one fault.
pub(super) fn invalid(dice: &mut Dice) -> Trial {
    loop {
        let fault = *dice.pick(&Fault::ALL);
        let trial = program(dice, Some(fault));
        // Not every program has a place for every fault.
        if trial.text.contains("-> rejected") {
            return trial;
        }
    }
}

/// A fault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    UnknownVariable,
    UnknownFunction,
    TooManyArguments,
    DeclaredTwice,
    BreakOutsideLoop,
    Unreachable,
    AssignedConstant,
    NoSemicolon,
    ChainedComparison,
    ReservedName,
    GreatLiteral,
    NoReturn,
}

impl Fault {
    const ALL: [Fault; 12] = [
        Fault::UnknownVariable,
        Fault::UnknownFunction,
        Fault::TooManyArguments,
        Fault::DeclaredTwice,
        Fault::BreakOutsideLoop,
        Fault::Unreachable,
        Fault::AssignedConstant,
        Fault::NoSemicolon,
        Fault::ChainedComparison,
        Fault::ReservedName,
        Fault::GreatLiteral,
        Fault::NoReturn,
    ];

    fn kind(self) -> &'static str {
        match self {
            Fault::NoSemicolon | Fault::ChainedComparison | Fault::ReservedName | Fault::GreatLiteral => "syntax",
            _ => "name",
        }
    }
}

/// Literals that matter for wrapping, shifts, divisions and immediates.
const LITERALS: [&str; 18] = [
    "0",
    "1",
    "2",
    "3",
    "7",
    "8",
    "63",
    "64",
    "65",
    "100",
    "255",
    "4095",
    "4096",
    "2147483648",
    "0x7fffffffffffffff",
    "0x8000000000000000",
    "0xffffffffffffffff",
    "- 9223372036854775808",
];

/// The binary operators: the comparisons, or all others. The others can also assign.
fn operators(compare: bool) -> Vec<&'static str> {
    BINARY.iter().filter(|(.., level)| (*level == COMPARISONS) == compare).map(|(spelling, ..)| *spelling).collect()
}

struct Generator<'d, 'r> {
    dice: &'d mut Dice<'r>,
    text: String,
    indent: usize,
    /// The fault that is still to be made.
    fault: Option<Fault>,
    /// Where it was made.
    at: Option<usize>,
    /// The number of parameters of each function. `main` is the first.
    functions: Vec<usize>,
    /// The size of each array.
    arrays: Vec<u32>,
    constants: usize,
    /// The function at hand.
    function: usize,
    variables: Vec<String>,
    /// The number of variables outside of the block at hand.
    block: usize,
    loops: usize,
    /// Counters of loops, which only the loop changes.
    counters: Vec<String>,
    named: usize,
    /// The statements that the function at hand may still have.
    left: usize,
}

fn program(dice: &mut Dice, fault: Option<Fault>) -> Trial {
    let functions: Vec<usize> =
        (0..=dice.index(4)).map(|_| dice.index(4) + if dice.one_in(8) { 5 } else { 0 }).collect();
    let arrays = (0..dice.index(4)).map(|_| [1, 2, 7, 16, 1000][dice.index(5)]).collect();
    let constants = dice.index(3);
    let mut generator = Generator {
        text: String::new(),
        indent: 0,
        fault,
        at: None,
        functions,
        arrays,
        constants,
        function: 0,
        variables: Vec::new(),
        block: 0,
        loops: 0,
        counters: Vec::new(),
        named: 0,
        left: 0,
        dice,
    };
    generator.globals();
    let (text, at, inputs) = (generator.text, generator.at, generator.functions[0]);
    let inputs =
        (0..inputs).map(|_| if dice.one_in(4) { dice.bits() as i64 } else { i64::from(dice.below(20)) - 5 }).collect();
    let call_limit = if dice.one_in(4) { dice.long_below(12) } else { DEFAULT_CALL_LIMIT };
    let fuel = if dice.one_in(4) { dice.long_below(60) } else { 1_000 };
    let mut trial = Trial { language: Language::Let, text, inputs, fuel, stack_limit: DEFAULT_STACK_LIMIT, call_limit };
    if let (Some(fault), Some(at)) = (fault, at) {
        let at = crate::lang::Span { start: at as u32, end: at as u32 };
        let place = Source::new("", trial.text.as_bytes()).place(at);
        let inputs: String = trial.inputs.iter().map(|input| format!(" {input}")).collect();
        trial.text += &format!("// case:{inputs} -> rejected {} {place}\n", fault.kind());
    }
    trial
}

impl Generator<'_, '_> {
    /// Writes tokens, separated by spaces.
    fn put(&mut self, tokens: &str) {
        if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
            self.text.push(' ');
        }
        if self.text.ends_with('\n') {
            self.text.extend(std::iter::repeat_n("  ", self.indent));
        }
        self.text += tokens;
    }

    fn line(&mut self, tokens: &str) {
        self.put(tokens);
        self.text.push('\n');
    }

    /// Whether the fault is made here, where this is the next token.
    fn makes(&mut self, fault: Fault) -> bool {
        let makes = self.fault == Some(fault) && self.dice.one_in(4);
        if makes {
            self.fault = None;
        }
        makes
    }

    /// Notes that the fault is at the token that was just written.
    fn at_last(&mut self) {
        let start = self.text.trim_end().rfind([' ', '\n']).map_or(0, |space| space + 1);
        self.at = Some(start);
    }

    fn globals(&mut self) {
        let declarations = self.functions.len() + self.arrays.len() + self.constants;
        // In any order, because names may be used before they are declared.
        let mut order: Vec<usize> = (0..declarations).collect();
        for index in (1..declarations).rev() {
            order.swap(index, self.dice.index(index + 1));
        }
        for index in order {
            if index < self.functions.len() {
                self.function(index);
            } else if let Some(array) =
                index.checked_sub(self.functions.len()).filter(|array| *array < self.arrays.len())
            {
                let size = self.arrays[array];
                self.line(&format!("array a{array} [ {size} ] ;"));
            } else {
                let constant = index - self.functions.len() - self.arrays.len();
                let literal = if self.dice.one_in(2) { "- 9223372036854775808" } else { "12" };
                self.line(&format!("const c{constant} = {literal} ;"));
            }
        }
    }

    fn function(&mut self, index: usize) {
        let name = if index == 0 { "main".to_owned() } else { format!("f{index}") };
        self.function = index;
        self.variables = (0..self.functions[index]).map(|param| format!("p{param}")).collect();
        self.counters.clear();
        (self.block, self.loops, self.left) = (0, 0, 3 + self.dice.index(12));
        let params = self.variables.join(" , ");
        self.line(&format!("fn {name} ( {params} ) {{"));
        self.indent += 1;
        let closes = self.statements();
        if !closes && self.makes(Fault::NoReturn) {
            self.indent -= 1;
            self.line("}");
            self.at_last();
            return;
        }
        if !closes {
            self.put("return");
            self.expression(3);
            self.semicolon();
        } else if self.makes(Fault::Unreachable) {
            self.put("return");
            self.at_last();
            self.line("0 ;");
        }
        self.indent -= 1;
        self.line("}");
    }

    fn semicolon(&mut self) {
        if self.makes(Fault::NoSemicolon) {
            // What follows begins a statement or ends the block, neither of which can continue an expression.
            self.text.push('\n');
            self.put("}");
            self.at_last();
            self.line("");
        } else {
            self.line(";");
        }
    }

    /// Some statements. Returns whether the last one closes.
    fn statements(&mut self) -> bool {
        for _ in 0..=self.dice.index(4) {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            if self.statement() {
                return true;
            }
        }
        false
    }

    /// Writes a block. Returns whether it closes.
    fn block(&mut self) -> bool {
        let (outside, counters) = (std::mem::replace(&mut self.block, self.variables.len()), self.counters.len());
        self.line("{");
        self.indent += 1;
        let closes = self.statements();
        self.end_block(outside, counters);
        closes
    }

    fn end_block(&mut self, outside: usize, counters: usize) {
        self.indent -= 1;
        self.line("}");
        self.variables.truncate(self.block);
        self.counters.truncate(counters);
        self.block = outside;
    }

    /// The name of a new variable: it may hide another one of an outer block.
    fn new_name(&mut self) -> String {
        let outer = &self.variables[..self.block];
        if !outer.is_empty() && self.dice.one_in(4) {
            let hidden = self.dice.pick(outer).clone();
            if !self.variables[self.block..].contains(&hidden) {
                return hidden;
            }
        }
        if self.dice.one_in(8) && self.constants > 0 && !self.variables.contains(&"c0".to_owned()) {
            return "c0".into();
        }
        self.named += 1;
        format!("v{}", self.named)
    }

    fn statement(&mut self) -> bool {
        if self.loops == 0 && self.makes(Fault::BreakOutsideLoop) {
            self.put("break");
            self.at_last();
            self.line(";");
            // Only this is wrong.
            return true;
        }
        match self.dice.below(16) {
            0..=3 => self.declaration(),
            4..=7 => self.assignment(),
            8..=9 => {
                self.put("if");
                self.expression(3);
                let closes = self.block();
                match self.dice.below(3) {
                    0 => return false,
                    1 => {
                        self.put("else");
                        return self.block() && closes;
                    }
                    _ => {
                        self.put("else if");
                        self.expression(2);
                        let middle = self.block();
                        self.put("else");
                        return self.block() && middle && closes;
                    }
                }
            }
            10 | 11 => self.counted_loop(),
            12 => return self.block(),
            13 => match self.callee() {
                Some(callee) => {
                    self.call(callee, 2);
                    self.semicolon();
                }
                None => self.assignment(),
            },
            14 if self.loops > 0 => {
                self.line("break ;");
                return true;
            }
            15 if self.indent > 1 => {
                self.put("return");
                self.expression(2);
                self.semicolon();
                return true;
            }
            _ => self.assignment(),
        }
        false
    }

    fn declaration(&mut self) {
        if self.variables.len() > self.block && self.makes(Fault::DeclaredTwice) {
            let name = self.dice.pick(&self.variables[self.block..]).clone();
            self.put(&format!("let {name}"));
            self.at_last();
            self.line("= 0 ;");
            return;
        }
        if self.makes(Fault::ReservedName) {
            self.put("let for");
            self.at_last();
            self.line("= 0 ;");
            return;
        }
        let name = self.new_name();
        self.put(&format!("let {name} ="));
        self.expression(3);
        self.semicolon();
        self.variables.push(name);
    }

    fn assignment(&mut self) {
        let hides = |constant: &String| self.variables.contains(constant);
        if self.constants > 0 && !hides(&"c0".to_owned()) && self.makes(Fault::AssignedConstant) {
            self.put("c0");
            self.at_last();
            self.line("= 1 ;");
            return;
        }
        let free: Vec<String> =
            self.variables.iter().filter(|variable| !self.counters.contains(variable)).cloned().collect();
        if !self.arrays.is_empty() && (free.is_empty() || self.dice.one_in(3)) {
            self.element_of(2);
        } else if !free.is_empty() {
            let name = self.dice.pick(&free).clone();
            self.put(&name);
        } else {
            return self.declaration();
        }
        if self.dice.one_in(2) {
            self.put("=");
        } else {
            let op = *self.dice.pick(&operators(false));
            self.put(&format!("{op}="));
        }
        self.expression(3);
        self.semicolon();
    }

    /// A loop with a bounded number of iterations, most of the time.
    fn counted_loop(&mut self) {
        self.named += 1;
        let counter = format!("i{}", self.named);
        let (count, step) = (self.dice.below(7), 1 + self.dice.below(2));
        self.line(&format!("let {counter} = 0 ;"));
        self.variables.push(counter.clone());
        self.counters.push(counter.clone());
        if self.dice.one_in(3) {
            // Any number except zero must count as true, also a negative one.
            self.put(&format!("while ( {counter} < {count} ) * ("));
            self.expression(2);
            self.put(")");
        } else {
            self.put(&format!("while {counter} < {count}"));
        }
        if self.dice.one_in(4) {
            self.put("&& (");
            self.expression(2);
            self.put(")");
        }
        let (outside, counters) = (std::mem::replace(&mut self.block, self.variables.len()), self.counters.len());
        self.loops += 1;
        self.line("{");
        self.indent += 1;
        if self.dice.one_in(2) {
            self.line(&format!("{counter} += {step} ;"));
            self.statements();
        } else if !self.statements() {
            self.line(&format!("{counter} += {step} ;"));
        }
        self.loops -= 1;
        self.end_block(outside, counters);
    }

    /// An element whose index is often in bounds.
    fn element_of(&mut self, depth: usize) {
        let array = self.dice.index(self.arrays.len());
        let size = self.arrays[array];
        self.put(&format!("a{array} ["));
        match self.dice.below(8) {
            0 => self.expression(depth.min(2)),
            1 => {
                let index = self.dice.below(size + 2);
                self.put(&index.to_string());
            }
            2 => {
                let index = self.dice.below(size);
                self.put(&index.to_string());
            }
            _ => {
                self.put("(");
                self.expression(depth.min(2));
                self.put(&format!(") & {}", size.next_power_of_two() / 2 - u32::from(size > 1)));
            }
        }
        self.put("]");
    }

    /// A function to call: mostly one of those after this one, so that most programs end.
    fn callee(&mut self) -> Option<usize> {
        match self.functions.len() - 1 - self.function {
            _ if self.dice.one_in(12) => Some(self.dice.index(self.functions.len())),
            0 => None,
            later => Some(self.function + 1 + self.dice.index(later)),
        }
    }

    fn call(&mut self, callee: usize, depth: usize) {
        let name = if callee == 0 { "main".to_owned() } else { format!("f{callee}") };
        if self.makes(Fault::UnknownFunction) {
            self.put("g0");
            self.at_last();
        } else {
            self.put(&name);
        }
        let too_many = self.makes(Fault::TooManyArguments);
        if too_many {
            self.at_last();
        }
        self.put("(");
        for argument in 0..self.functions[callee] {
            if argument > 0 {
                self.put(",");
            }
            self.expression(depth.saturating_sub(1));
        }
        if too_many {
            self.put(if self.functions[callee] > 0 { ", 0" } else { "0" });
        }
        self.put(")");
    }

    /// An expression whose parentheses are needed, superfluous or absent.
    fn expression(&mut self, depth: usize) {
        if depth == 0 {
            return self.leaf();
        }
        match self.dice.below(12) {
            0..=2 => self.leaf(),
            3 => {
                let op = *self.dice.pick(&["-", "!", "~"]);
                self.put(op);
                self.operand(depth - 1);
            }
            4 if !self.arrays.is_empty() => self.element_of(depth - 1),
            5 => match self.callee() {
                Some(callee) => self.call(callee, depth - 1),
                None => self.leaf(),
            },
            6 => {
                self.operand(depth - 1);
                let op = *self.dice.pick(&["&&", "||"]);
                self.put(op);
                self.operand(depth - 1);
            }
            7 => {
                // Comparisons do not chain, so both operands are in parentheses.
                self.put("(");
                self.operand(depth - 1);
                let comparisons = operators(true);
                let (op, other) = (*self.dice.pick(&comparisons), *self.dice.pick(&comparisons));
                self.put(op);
                self.operand(depth - 1);
                if self.makes(Fault::ChainedComparison) {
                    self.put(other);
                    self.at_last();
                    self.put("1");
                }
                self.put(")");
            }
            _ => {
                // A chain without parentheses, in which the levels decide.
                let others = operators(false);
                self.operand(depth - 1);
                for _ in 0..=self.dice.index(3) {
                    let op = *self.dice.pick(&others);
                    self.put(op);
                    self.operand(depth - 1);
                }
            }
        }
    }

    /// An operand: a leaf, or an expression in parentheses.
    fn operand(&mut self, depth: usize) {
        if depth == 0 || self.dice.one_in(2) {
            return self.leaf();
        }
        self.put("(");
        self.expression(depth);
        self.put(")");
    }

    fn leaf(&mut self) {
        if self.makes(Fault::UnknownVariable) {
            self.put("unknown");
            return self.at_last();
        }
        if self.makes(Fault::GreatLiteral) {
            self.put("9223372036854775809");
            return self.at_last();
        }
        if !self.variables.is_empty() && !self.dice.one_in(3) {
            let name = self.dice.pick(&self.variables).clone();
            self.put(&name);
        } else if self.constants > 0 && self.dice.one_in(4) {
            let constant = format!("c{}", self.dice.index(self.constants));
            self.put(&constant);
        } else {
            let literal = *self.dice.pick(&LITERALS);
            self.put(literal);
        }
    }
}
