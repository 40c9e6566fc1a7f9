//! The referee of the let language: walks the tree, looks names up where they are used, and keeps variables by name.
//!
//! It is deliberately simple, and shares only the parser with the compiler.

use std::collections::HashMap;

use super::tree::{
    Binary, Block, Expression, Function, Global, ItemKind, Place, Size, Statement, StatementKind, Tree, Unary,
};
use crate::host_stack::with_room;
use crate::lang::{Source, Span};
use crate::outcome::{Trap, TrapKind};

/// Evaluates a program that has no errors. `fuel` is the number of calls and evaluations of conditions that may begin, and `depth` that
/// of calls that may be active.
///
/// # Errors
/// The trap that ends it.
///
/// # Panics
/// If the program has errors, or `main` has another number of parameters than there are inputs.
pub fn evaluate(tree: &Tree, source: &Source, inputs: &[i64], fuel: u64, depth: u64) -> Result<i64, Trap> {
    let text =
        |span: Span| std::str::from_utf8(&source.bytes()[span.start as usize..span.end as usize]).expect("it is ASCII");
    let (mut functions, mut constants) = (HashMap::new(), HashMap::new());
    for global in &tree.globals {
        match global {
            Global::Function(function) => _ = functions.insert(text(function.name), function),
            Global::Constant { name, value } => _ = constants.insert(text(*name), *value),
            Global::Array { .. } => {}
        }
    }
    let mut arrays = HashMap::new();
    for global in &tree.globals {
        if let Global::Array { name, size, at } = global {
            let size = match size {
                Size::Literal(size) => *size,
                Size::Name => constants[text(*at)],
            };
            arrays.insert(text(*name), vec![0; size as usize]);
        }
    }
    let mut evaluator = Evaluator { tree, text: &text, functions, constants, arrays, fuel, depth };
    let main = evaluator.functions["main"];
    assert_eq!(main.params.len(), inputs.len(), "the inputs are the arguments of `main`");
    evaluator.call(main, inputs.to_vec(), main.name)
}

struct Evaluator<'a, T> {
    tree: &'a Tree,
    text: &'a T,
    functions: HashMap<&'a str, &'a Function>,
    constants: HashMap<&'a str, i64>,
    arrays: HashMap<&'a str, Vec<i64>>,
    fuel: u64,
    depth: u64,
}

/// The variables of a call, the latest last.
type Variables<'a> = Vec<(&'a str, i64)>;

/// How a statement ended.
enum Flow {
    Next,
    Break,
    Return(i64),
}

impl<'a, T: Fn(Span) -> &'a str> Evaluator<'a, T> {
    fn burn(&mut self, span: Span) -> Result<(), Trap> {
        self.fuel = self.fuel.checked_sub(1).ok_or(Trap { kind: TrapKind::OutOfFuel, at: span })?;
        Ok(())
    }

    fn call(&mut self, function: &'a Function, arguments: Vec<i64>, span: Span) -> Result<i64, Trap> {
        self.burn(span)?;
        self.depth = self.depth.checked_sub(1).ok_or(Trap { kind: TrapKind::CallDepthExceeded, at: span })?;
        let mut variables: Variables = function.params.iter().map(|param| (self.text)(*param)).zip(arguments).collect();
        let flow = with_room(|| self.block(&function.body, &mut variables))?;
        self.depth += 1;
        match flow {
            Flow::Return(value) => Ok(value),
            Flow::Next | Flow::Break => panic!("a function returns"),
        }
    }

    fn block(&mut self, block: &'a Block, variables: &mut Variables<'a>) -> Result<Flow, Trap> {
        let outside = variables.len();
        let mut flow = Flow::Next;
        for statement in &block.statements {
            flow = self.statement(statement, variables)?;
            if !matches!(flow, Flow::Next) {
                break;
            }
        }
        variables.truncate(outside);
        Ok(flow)
    }

    fn statement(&mut self, statement: &'a Statement, variables: &mut Variables<'a>) -> Result<Flow, Trap> {
        match &statement.kind {
            StatementKind::Let { name, value } => {
                let value = self.value(value, variables)?;
                variables.push(((self.text)(*name), value));
            }
            StatementKind::Assign { place, op, value } => self.assign(place, *op, value, variables)?,
            StatementKind::Return(value) => return Ok(Flow::Return(self.value(value, variables)?)),
            StatementKind::Break => return Ok(Flow::Break),
            StatementKind::If { condition, then, otherwise } => {
                if self.value(condition, variables)? != 0 {
                    return self.block(then, variables);
                } else if let Some(otherwise) = otherwise {
                    return self.block(otherwise, variables);
                }
            }
            StatementKind::While { condition, body } => loop {
                self.burn(statement.span)?;
                if self.value(condition, variables)? == 0 {
                    break;
                }
                match self.block(body, variables)? {
                    Flow::Next => {}
                    Flow::Break => break,
                    Flow::Return(value) => return Ok(Flow::Return(value)),
                }
            },
            StatementKind::Call(call) => _ = self.value(call, variables)?,
            StatementKind::Block(block) => return self.block(block, variables),
        }
        Ok(Flow::Next)
    }

    fn assign(
        &mut self,
        place: &'a Place,
        op: Option<(Binary, Span)>,
        value: &Expression,
        variables: &mut Variables<'a>,
    ) -> Result<(), Trap> {
        let span = self.tree.items[place.name].span;
        let name = (self.text)(span);
        let index = match &place.index {
            Some(index) => Some(self.value(index, variables)?),
            None => None,
        };
        let old = match (op, index) {
            (None, _) => 0,
            (Some(_), Some(index)) => *self.element(name, index, span)?,
            (Some(_), None) => *variable(variables, name).expect("the variable is declared"),
        };
        let mut value = self.value(value, variables)?;
        if let Some((op, at)) = op {
            value = binary(op, old, value, at)?;
        }
        match index {
            Some(index) => *self.element(name, index, span)? = value,
            None => *variable(variables, name).expect("the variable is declared") = value,
        }
        Ok(())
    }

    fn element(&mut self, array: &str, index: i64, span: Span) -> Result<&mut i64, Trap> {
        let cells = self.arrays.get_mut(array).expect("the array is declared");
        let cell = usize::try_from(index).ok().and_then(|index| cells.get_mut(index));
        cell.ok_or(Trap { kind: TrapKind::OutOfBounds, at: span })
    }

    fn value(&mut self, expression: &Expression, variables: &mut Variables<'a>) -> Result<i64, Trap> {
        let mut values: Vec<i64> = Vec::new();
        // The ends of the right operands of `&&` and `||` that are being evaluated.
        let mut ends: Vec<usize> = Vec::new();
        let mut next = expression.start;
        loop {
            while ends.pop_if(|end| *end == next).is_some() {
                let value = values.last_mut().expect("the right operand has a value");
                *value = i64::from(*value != 0);
            }
            if next == expression.end {
                return Ok(values.pop().expect("an expression has a value"));
            }
            let item = self.tree.items[next];
            next += 1;
            match item.kind {
                ItemKind::Literal(value) => values.push(value),
                ItemKind::Name => {
                    let name = (self.text)(item.span);
                    let value = variable(variables, name).copied();
                    values.push(value.unwrap_or_else(|| self.constants[name]));
                }
                ItemKind::Element => {
                    let index = values.pop().expect("an element has an index");
                    values.push(*self.element((self.text)(item.span), index, item.span)?);
                }
                ItemKind::Call { arguments } => {
                    let function = self.functions[(self.text)(item.span)];
                    let arguments = values.split_off(values.len() - arguments);
                    values.push(self.call(function, arguments, item.span)?);
                }
                ItemKind::Unary(unary) => {
                    let value = values.last_mut().expect("an operator has an operand");
                    *value = match unary {
                        Unary::Negate => value.wrapping_neg(),
                        Unary::Not => i64::from(*value == 0),
                        Unary::Invert => !*value,
                    };
                }
                ItemKind::Binary(op) => {
                    let (b, a) = (values.pop(), values.pop());
                    let (a, b) = (a.expect("there are two operands"), b.expect("there are two operands"));
                    values.push(binary(op, a, b, item.span)?);
                }
                ItemKind::And { end } | ItemKind::Or { end } => {
                    let is_true = values.pop().expect("there is a left operand") != 0;
                    if is_true == matches!(item.kind, ItemKind::And { .. }) {
                        ends.push(end);
                    } else {
                        values.push(i64::from(is_true));
                        next = end;
                    }
                }
            }
        }
    }
}

fn variable<'v>(variables: &'v mut Variables, name: &str) -> Option<&'v mut i64> {
    variables.iter_mut().rev().find(|(variable, _)| *variable == name).map(|(_, value)| value)
}

fn binary(op: Binary, a: i64, b: i64, span: Span) -> Result<i64, Trap> {
    if matches!(op, Binary::Divide | Binary::Remainder) && b == 0 {
        return Err(Trap { kind: TrapKind::DivisionByZero, at: span });
    }
    Ok(match op {
        Binary::Equal => i64::from(a == b),
        Binary::NotEqual => i64::from(a != b),
        Binary::Less => i64::from(a < b),
        Binary::LessOrEqual => i64::from(a <= b),
        Binary::Greater => i64::from(a > b),
        Binary::GreaterOrEqual => i64::from(a >= b),
        Binary::Or => a | b,
        Binary::Xor => a ^ b,
        Binary::And => a & b,
        Binary::ShiftLeft => a << (b & 63),
        Binary::ShiftRight => a >> (b & 63),
        Binary::ShiftRightLogical => (a as u64 >> (b & 63)) as i64,
        Binary::Add => a.wrapping_add(b),
        Binary::Subtract => a.wrapping_sub(b),
        Binary::Multiply => a.wrapping_mul(b),
        Binary::Divide => a.wrapping_div(b),
        Binary::Remainder => a.wrapping_rem(b),
    })
}
