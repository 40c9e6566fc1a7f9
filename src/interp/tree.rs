//! `tree`, the referee: walks the syntax tree and checks every word itself.
//!
//! Naive on purpose. It shares nothing with the other engines beyond the tree, and does not trust the verifier.

use std::ops::Range;
use std::sync::Arc;

use crate::engine::{Engine, Options, PhaseClock, PrepareError, Prepared, Task};
use crate::exec::Store;
use crate::host_stack::with_room;
use crate::lang::{Ast, NodeKind, Span, Word};
use crate::outcome::{Outcome, Trap, TrapKind};

/// The referee.
pub struct Tree;

impl Tree {
    /// The name of the engine.
    pub const NAME: &str = "tree";
}

impl Engine for Tree {
    fn name(&self) -> &'static str {
        Tree::NAME
    }

    fn prepare_task(&mut self, task: &Task, _clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError> {
        let program = task.program();
        PrepareError::decline(Tree::NAME, program)?;
        Ok(Box::new(TreeProgram { ast: Arc::clone(program.ast()), inputs: program.inputs(), options: *task.options() }))
    }
}

struct TreeProgram {
    ast: Arc<Ast>,
    inputs: usize,
    options: Options,
}

impl Prepared for TreeProgram {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        self.options.check_run(self.inputs, inputs, fuel, stack);
        match evaluate(&self.ast, inputs, fuel, self.options.stack_limit) {
            Outcome::Done(values) => {
                stack.set(&values);
                Ok(())
            }
            Outcome::Trap(trap) => Err(trap),
        }
    }
}

/// Executes a tree, verified or not.
pub fn evaluate(ast: &Ast, inputs: &[i64], fuel: Option<u64>, stack_limit: usize) -> Outcome {
    measure(ast, inputs, fuel, stack_limit).outcome
}

/// The outcome and cost of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The outcome.
    pub outcome: Outcome,
    /// The number of words executed, including the one that trapped. A loop or branch counts once each time it is
    /// entered.
    pub words: u64,
    /// The number of loop iterations started: the least fuel that does not change the outcome.
    pub iterations: u64,
    /// The greatest number of values on the stack: the least limit that does not change the outcome.
    pub deepest: usize,
}

/// Executes a tree, verified or not, and measures its cost.
pub fn measure(ast: &Ast, inputs: &[i64], fuel: Option<u64>, stack_limit: usize) -> Measured {
    let mut run =
        Run { ast, stack: inputs.to_vec(), fuel, limit: stack_limit, words: 0, iterations: 0, deepest: inputs.len() };
    let ended = with_room(|| run.body(0..ast.nodes().len()));
    let Run { stack, words, iterations, deepest, .. } = run;
    let outcome = match ended {
        Ok(_) => Outcome::Done(stack),
        Err(trap) => Outcome::Trap(trap),
    };
    Measured { outcome, words, iterations, deepest }
}

struct Run<'a> {
    ast: &'a Ast,
    stack: Vec<i64>,
    fuel: Option<u64>,
    limit: usize,
    words: u64,
    iterations: u64,
    deepest: usize,
}

/// What happens after a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// Execution continues after it.
    Next,
    /// The innermost loop around it ends.
    Leave,
    /// The program ends.
    Exit,
}

impl Run<'_> {
    /// The parser's limit on nesting bounds the recursion.
    fn body(&mut self, range: Range<usize>) -> Result<Flow, Trap> {
        let mut index = range.start;
        while index < range.end {
            let node = self.ast.nodes()[index];
            let at = node.span;
            self.words += 1;
            match node.kind {
                NodeKind::Call(_) | NodeKind::Address(_) => todo!(),
                NodeKind::Literal(value) => self.push(value, at)?,
                NodeKind::Word(word) => self.word(word, at)?,
                NodeKind::Pick(depth) => {
                    let from_top = usize::try_from(depth).ok().filter(|depth| *depth < self.stack.len());
                    let from_top = from_top.ok_or(Trap { kind: TrapKind::StackUnderflow, at })?;
                    let value = self.stack[self.stack.len() - 1 - from_top];
                    self.push(value, at)?;
                }
                NodeKind::Put(depth) => {
                    let value = self.pop(at)?;
                    let from_top = usize::try_from(depth).ok().filter(|depth| *depth < self.stack.len());
                    let from_top = from_top.ok_or(Trap { kind: TrapKind::StackUnderflow, at })?;
                    let index = self.stack.len() - 1 - from_top;
                    self.stack[index] = value;
                }
                NodeKind::Times { end } => {
                    let mut left = self.pop(at)?;
                    while left > 0 {
                        self.use_fuel(at)?;
                        match self.body(index + 1..end as usize)? {
                            Flow::Next => left -= 1,
                            Flow::Leave => break,
                            Flow::Exit => return Ok(Flow::Exit),
                        }
                    }
                }
                NodeKind::If { otherwise, end } => {
                    let branch = if self.pop(at)? != 0 {
                        index + 1..otherwise as usize
                    } else {
                        otherwise as usize..end as usize
                    };
                    let flow = self.body(branch)?;
                    if flow != Flow::Next {
                        return Ok(flow);
                    }
                }
                NodeKind::While { body, end } => loop {
                    self.use_fuel(at)?;
                    if self.body(index + 1..body as usize)? == Flow::Exit {
                        return Ok(Flow::Exit);
                    }
                    if self.pop(at)? == 0 {
                        break;
                    }
                    match self.body(body as usize..end as usize)? {
                        Flow::Next => {}
                        Flow::Leave => break,
                        Flow::Exit => return Ok(Flow::Exit),
                    }
                },
                NodeKind::Leave => return Ok(Flow::Leave),
                NodeKind::Exit => return Ok(Flow::Exit),
            }
            index = node.kind.next(index);
        }
        Ok(Flow::Next)
    }

    fn word(&mut self, word: Word, at: Span) -> Result<(), Trap> {
        if self.stack.len() < word.pops() {
            return Err(Trap { kind: TrapKind::StackUnderflow, at });
        }
        match word {
            Word::Fetch | Word::Store => todo!(),
            Word::Add => self.binary(at, |a, b| Some(a.wrapping_add(b))),
            Word::Sub => self.binary(at, |a, b| Some(a.wrapping_sub(b))),
            Word::Mul => self.binary(at, |a, b| Some(a.wrapping_mul(b))),
            Word::Div => self.binary(at, |a, b| (b != 0).then(|| a.wrapping_div(b))),
            Word::Mod => self.binary(at, |a, b| (b != 0).then(|| a.wrapping_rem(b))),
            Word::And => self.binary(at, |a, b| Some(a & b)),
            Word::Or => self.binary(at, |a, b| Some(a | b)),
            Word::Xor => self.binary(at, |a, b| Some(a ^ b)),
            Word::Lshift => self.binary(at, |a, n| Some(a << (n & 63))),
            Word::Rshift => self.binary(at, |a, n| Some(((a as u64) >> (n & 63)) as i64)),
            Word::Arshift => self.binary(at, |a, n| Some(a >> (n & 63))),
            Word::Min => self.binary(at, |a, b| Some(a.min(b))),
            Word::Max => self.binary(at, |a, b| Some(a.max(b))),
            Word::Negate => self.unary(at, i64::wrapping_neg),
            Word::Invert => self.unary(at, |a| !a),
            Word::Abs => self.unary(at, i64::wrapping_abs),
            Word::Eq => self.binary(at, |a, b| Some((a == b).into())),
            Word::Ne => self.binary(at, |a, b| Some((a != b).into())),
            Word::Lt => self.binary(at, |a, b| Some((a < b).into())),
            Word::Gt => self.binary(at, |a, b| Some((a > b).into())),
            Word::Le => self.binary(at, |a, b| Some((a <= b).into())),
            Word::Ge => self.binary(at, |a, b| Some((a >= b).into())),
            Word::Ult => self.binary(at, |a, b| Some(((a as u64) < b as u64).into())),
            Word::Dup => {
                let a = self.pop(at)?;
                self.push_all(&[a, a], at)
            }
            Word::Drop => self.pop(at).map(drop),
            Word::Swap => {
                let (b, a) = (self.pop(at)?, self.pop(at)?);
                self.push_all(&[b, a], at)
            }
            Word::Over => {
                let (b, a) = (self.pop(at)?, self.pop(at)?);
                self.push_all(&[a, b, a], at)
            }
            Word::Rot => {
                let (c, b, a) = (self.pop(at)?, self.pop(at)?, self.pop(at)?);
                self.push_all(&[b, c, a], at)
            }
            Word::Nip => {
                let (b, _) = (self.pop(at)?, self.pop(at)?);
                self.push(b, at)
            }
            Word::Tuck => {
                let (b, a) = (self.pop(at)?, self.pop(at)?);
                self.push_all(&[b, a, b], at)
            }
        }
    }

    /// Replaces the top.
    fn unary(&mut self, at: Span, f: impl Fn(i64) -> i64) -> Result<(), Trap> {
        let a = self.pop(at)?;
        self.push(f(a), at)
    }

    /// Replaces the two topmost values with one; `None` means division by zero.
    fn binary(&mut self, at: Span, f: impl Fn(i64, i64) -> Option<i64>) -> Result<(), Trap> {
        let (b, a) = (self.pop(at)?, self.pop(at)?);
        let result = f(a, b).ok_or(Trap { kind: TrapKind::DivisionByZero, at })?;
        self.push(result, at)
    }

    fn pop(&mut self, at: Span) -> Result<i64, Trap> {
        self.stack.pop().ok_or(Trap { kind: TrapKind::StackUnderflow, at })
    }

    fn push(&mut self, value: i64, at: Span) -> Result<(), Trap> {
        if self.stack.len() >= self.limit {
            return Err(Trap { kind: TrapKind::StackOverflow, at });
        }
        self.stack.push(value);
        self.deepest = self.deepest.max(self.stack.len());
        Ok(())
    }

    fn push_all(&mut self, values: &[i64], at: Span) -> Result<(), Trap> {
        values.iter().try_for_each(|&value| self.push(value, at))
    }

    /// Subtracts one iteration of the loop at `at` from the fuel.
    fn use_fuel(&mut self, at: Span) -> Result<(), Trap> {
        if let Some(fuel) = &mut self.fuel {
            *fuel = fuel.checked_sub(1).ok_or(Trap { kind: TrapKind::OutOfFuel, at })?;
        }
        self.iterations += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::{Source, parse};

    #[test]
    fn measured_cost_matches_a_count_by_hand() {
        let ast = parse(&Source::new("test", "2 times 1 while dup 3 < do 1 + end drop end")).expect("it parses");
        let measured = measure(&ast, &[], Some(100), 10);
        assert_eq!(measured.outcome, Outcome::Done(vec![]));
        // Two words, and in each of two iterations: two words, three conditions of three words, two bodies of two
        // words, and one word.
        assert_eq!((measured.words, measured.iterations, measured.deepest), (2 + 2 * (2 + 9 + 4 + 1), 2 + 2 * 3, 3));
    }
}
