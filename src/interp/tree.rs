//! `tree`, the referee: walks the syntax tree and checks every word itself.
//!
//! Naive on purpose. It shares nothing with the other engines beyond the tree, and does not trust the verifier.

use std::ops::Range;
use std::sync::Arc;

use crate::engine::{Engine, Options, PhaseClock, PrepareError, Prepared, Run, Task};
use crate::exec::{Store, can_reserve};
use crate::host_stack::with_room;
use crate::lang::{Ast, Definition, DefinitionId, NodeKind, Span, Word};
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
        let ast = Arc::clone(program.ast());
        can_reserve(ast.cells(), 0).map_err(PrepareError::Reserve)?;
        let frames = frames(&ast);
        Ok(Box::new(TreeProgram { ast, frames, inputs: program.inputs(), options: *task.options() }))
    }
}

struct TreeProgram {
    ast: Arc<Ast>,
    frames: Vec<Option<u64>>,
    inputs: usize,
    options: Options,
}

impl Prepared for TreeProgram {
    fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
        self.options.check_run(self.inputs, inputs, fuel, stack);
        let Options { stack_limit, call_limit, .. } = self.options;
        let measured = execute(&self.ast, &self.frames, Run { inputs, fuel, stack_limit, call_limit });
        match measured.outcome {
            Outcome::Done(values) => {
                stack.set(&values);
                stack.set_memory(&measured.memory);
                Ok(())
            }
            Outcome::Trap(trap) => Err(trap),
        }
    }
}

/// Executes a tree, verified or not.
pub fn evaluate(ast: &Ast, run: Run) -> Outcome {
    measure(ast, run).outcome
}

/// The outcome and cost of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The outcome.
    pub outcome: Outcome,
    /// The cells at the end. A trap loses them, so they count only if the outcome is [`Outcome::Done`].
    pub memory: Vec<i64>,
    /// The number of words executed, including the one that trapped. A loop or branch counts once each time it is
    /// entered.
    pub words: u64,
    /// The number of loop iterations started.
    pub iterations: u64,
    /// The number of calls that fuel was used for.
    pub calls: u64,
    /// The greatest number of active calls: the least call limit that does not change the outcome.
    pub call_depth: u64,
    /// The greatest number of values on the stack, the whole frames of calls included: the least stack limit that does not
    /// change the outcome.
    pub deepest: usize,
}

impl Measured {
    /// The units of fuel used: the least fuel that does not change the outcome.
    pub fn fuel(&self) -> u64 {
        self.iterations + self.calls
    }
}

/// Executes a tree, verified or not, and measures its cost.
pub fn measure(ast: &Ast, run: Run) -> Measured {
    execute(ast, &frames(ast), run)
}

/// The frame of each definition: the greatest upper bound of the depth after any of its words, and at least its parameters.
/// `None` if there is no bound; the verifier rejects such a definition.
fn frames(ast: &Ast) -> Vec<Option<u64>> {
    let frame = |definition: &Definition| {
        let params = u64::from(definition.params);
        let mut bounds = Bounds { ast, frame: params, at_leave: None };
        with_room(|| bounds.body(definition.body.clone(), params)).ok().map(|_| bounds.frame)
    };
    ast.definitions().iter().map(frame).collect()
}

/// Bounds of the depth in one definition.
///
/// Upper bounds alone determine a frame, and one walk finds them: if a loop's body ends with a greater bound than it began
/// with, there is no bound.
struct Bounds<'a> {
    ast: &'a Ast,
    /// The greatest bound so far.
    frame: u64,
    /// The greatest bound at the `leave`s of the innermost loop.
    at_leave: Option<u64>,
}

/// There is no upper bound of the depth.
struct Unbounded;

impl Bounds<'_> {
    /// The bound at the end of a body; `None` if no run reaches the end.
    fn body(&mut self, range: Range<usize>, mut depth: u64) -> Result<Option<u64>, Unbounded> {
        let mut index = range.start;
        while index < range.end {
            let kind = self.ast.nodes()[index].kind;
            let (pops, pushes) = match kind {
                NodeKind::Literal(_) | NodeKind::Address(_) => (0, 1),
                NodeKind::Word(word) => effect(word),
                NodeKind::Pick(k) => (k + 1, k + 2),
                NodeKind::Put(k) => (k + 2, k + 1),
                NodeKind::Call(id) => {
                    let definition = self.ast.definition(id);
                    (definition.params.into(), definition.results.into())
                }
                NodeKind::Times { .. } | NodeKind::If { .. } => (1, 0),
                NodeKind::While { .. } | NodeKind::Leave | NodeKind::Exit => (0, 0),
            };
            // A word that needs more values always traps.
            let Some(rest) = depth.checked_sub(pops) else { return Ok(None) };
            depth = rest + pushes;
            self.frame = self.frame.max(depth);
            let after = match kind {
                NodeKind::Times { end } => {
                    let outer = self.at_leave.take();
                    if self.body(index + 1..end as usize, depth)? > Some(depth) {
                        return Err(Unbounded);
                    }
                    std::mem::replace(&mut self.at_leave, outer).max(Some(depth))
                }
                NodeKind::While { body, end } => {
                    let outer = self.at_leave.take();
                    let flag = self.body(index + 1..body as usize, depth)?;
                    let ended = flag.and_then(|flag| flag.checked_sub(1));
                    if let Some(ended) = ended
                        && self.body(body as usize..end as usize, ended)? > Some(depth)
                    {
                        return Err(Unbounded);
                    }
                    std::mem::replace(&mut self.at_leave, outer).max(ended)
                }
                NodeKind::If { otherwise, end } => {
                    let then = self.body(index + 1..otherwise as usize, depth)?;
                    then.max(self.body(otherwise as usize..end as usize, depth)?)
                }
                NodeKind::Leave => {
                    self.at_leave = self.at_leave.max(Some(depth));
                    None
                }
                NodeKind::Exit => None,
                _ => Some(depth),
            };
            let Some(after) = after else { return Ok(None) };
            depth = after;
            index = kind.next(index);
        }
        Ok(Some(depth))
    }
}

/// Executes a tree whose definitions have these frames.
fn execute(ast: &Ast, frames: &[Option<u64>], run: Run) -> Measured {
    let mut machine = Machine {
        ast,
        frames,
        stack: run.inputs.to_vec(),
        base: 0,
        memory: vec![0; ast.cells()],
        open: Vec::new(),
        next: 0,
        end: ast.main().end,
        active: 0,
        fuel: run.fuel,
        stack_limit: run.stack_limit,
        call_limit: run.call_limit,
        words: 0,
        iterations: 0,
        calls: 0,
        call_depth: 0,
        deepest: run.inputs.len(),
    };
    let ended = machine.run();
    let Machine { stack, memory, words, iterations, calls, call_depth, deepest, .. } = machine;
    let outcome = match ended {
        Ok(()) => Outcome::Done(stack),
        Err(trap) => Outcome::Trap(trap),
    };
    Measured { outcome, memory, words, iterations, calls, call_depth, deepest }
}

struct Machine<'a> {
    ast: &'a Ast,
    frames: &'a [Option<u64>],
    stack: Vec<i64>,
    /// The index of the active call's lowest value. A word cannot reach the values below.
    base: usize,
    memory: Vec<i64>,
    /// The bodies and calls that have begun and not ended, innermost last. They are not on the host's stack, so any number of
    /// calls may be active.
    open: Vec<Open>,
    /// The next node to execute, and the end of the body that it belongs to.
    next: usize,
    end: usize,
    /// The number of active calls.
    active: u64,
    fuel: Option<u64>,
    stack_limit: usize,
    call_limit: u64,
    words: u64,
    iterations: u64,
    calls: u64,
    call_depth: u64,
    deepest: usize,
}

/// A body or a call that has begun and not ended. `at` is the index of the node that began it.
#[derive(Clone, Copy, Debug)]
enum Open {
    /// The body of a `times`, with the number of iterations left, this one included.
    Times { at: u32, left: i64 },
    /// The condition of a `while`.
    Condition { at: u32 },
    /// The body of a `while`.
    While { at: u32 },
    /// The first branch of an `if`.
    Then { at: u32 },
    /// The second branch of an `if`.
    Else { at: u32 },
    /// A call, with the caller's base.
    Call { at: u32, base: usize },
}

impl Machine<'_> {
    fn run(&mut self) -> Result<(), Trap> {
        loop {
            while self.next < self.end {
                self.step()?;
            }
            let Some(open) = self.open.pop() else { return Ok(()) };
            self.ended(open)?;
        }
    }

    /// Executes one word, or begins the loop, branch or call at the next node.
    fn step(&mut self) -> Result<(), Trap> {
        let index = self.next;
        let node = self.ast.nodes()[index];
        let at = node.span;
        self.words += 1;
        self.next = index + 1;
        match node.kind {
            NodeKind::Literal(value) => self.push(value, at),
            NodeKind::Address(array) => self.push(self.ast.array(array).start.into(), at),
            NodeKind::Word(word) => self.word(word, at),
            NodeKind::Pick(depth) => {
                let value = self.stack[self.below_top(depth, at)?];
                self.push(value, at)
            }
            NodeKind::Put(depth) => {
                let value = self.pop(at)?;
                let index = self.below_top(depth, at)?;
                self.stack[index] = value;
                Ok(())
            }
            NodeKind::Call(id) => self.call(index as u32, id, at),
            NodeKind::Times { .. } => {
                let left = self.pop(at)?;
                self.iterate(index as u32, left)
            }
            NodeKind::If { otherwise, end } => {
                if self.pop(at)? != 0 {
                    self.begin(Open::Then { at: index as u32 }, index + 1..otherwise as usize);
                } else {
                    self.begin(Open::Else { at: index as u32 }, otherwise as usize..end as usize);
                }
                Ok(())
            }
            NodeKind::While { .. } => self.evaluate_condition(index as u32),
            NodeKind::Leave => {
                // A program has no `leave` outside of loops.
                while let Some(open) = self.open.pop() {
                    if let Open::Times { at, .. } | Open::While { at } = open {
                        self.continue_after(at);
                        break;
                    }
                }
                Ok(())
            }
            NodeKind::Exit => {
                while let Some(open) = self.open.pop() {
                    if let Open::Call { at, base } = open {
                        self.end_call(at, base);
                        return Ok(());
                    }
                }
                self.next = self.end;
                Ok(())
            }
        }
    }

    /// Begins a body or a call.
    fn begin(&mut self, open: Open, body: Range<usize>) {
        self.open.push(open);
        (self.next, self.end) = (body.start, body.end);
    }

    /// Does what follows the end of a body or a call.
    fn ended(&mut self, open: Open) -> Result<(), Trap> {
        match open {
            Open::Then { at } | Open::Else { at } => self.continue_after(at),
            Open::Times { at, left } => self.iterate(at, left - 1)?,
            Open::While { at } => self.evaluate_condition(at)?,
            Open::Condition { at } => {
                let node = self.ast.nodes()[at as usize];
                let NodeKind::While { body, end } = node.kind else { unreachable!("only a `while` has a condition") };
                if self.pop(node.span)? == 0 {
                    self.continue_after(at);
                } else {
                    self.begin(Open::While { at }, body as usize..end as usize);
                }
            }
            Open::Call { at, base } => self.end_call(at, base),
        }
        Ok(())
    }

    /// Continues after the node at `at`, whose bodies are no longer open.
    fn continue_after(&mut self, at: u32) {
        let nodes = self.ast.nodes();
        self.next = nodes[at as usize].kind.next(at as usize);
        self.end = match self.open.last() {
            None => self.ast.main().end,
            Some(&(Open::Times { at, .. } | Open::While { at } | Open::Else { at })) => {
                nodes[at as usize].kind.next(at as usize)
            }
            Some(&Open::Then { at }) => match nodes[at as usize].kind {
                NodeKind::If { otherwise, .. } => otherwise as usize,
                _ => unreachable!("only an `if` has a first branch"),
            },
            Some(&Open::Condition { at }) => match nodes[at as usize].kind {
                NodeKind::While { body, .. } => body as usize,
                _ => unreachable!("only a `while` has a condition"),
            },
            Some(&Open::Call { at, .. }) => match nodes[at as usize].kind {
                NodeKind::Call(id) => self.ast.definition(id).body.end,
                _ => unreachable!("only a call begins a call"),
            },
        };
    }

    /// Begins an iteration of the `times` at `at`, unless none is left.
    fn iterate(&mut self, at: u32, left: i64) -> Result<(), Trap> {
        let index = at as usize;
        let node = self.ast.nodes()[index];
        if left <= 0 {
            self.continue_after(at);
            return Ok(());
        }
        self.use_fuel(node.span)?;
        self.iterations += 1;
        self.begin(Open::Times { at, left }, index + 1..node.kind.next(index));
        Ok(())
    }

    /// Begins the condition of the `while` at `at`.
    fn evaluate_condition(&mut self, at: u32) -> Result<(), Trap> {
        let index = at as usize;
        let node = self.ast.nodes()[index];
        let NodeKind::While { body, .. } = node.kind else { unreachable!("only a `while` has a condition") };
        self.use_fuel(node.span)?;
        self.iterations += 1;
        self.begin(Open::Condition { at }, index + 1..body as usize);
        Ok(())
    }

    /// Begins the call at the node `index`.
    fn call(&mut self, index: u32, id: DefinitionId, at: Span) -> Result<(), Trap> {
        let trap = |kind| Trap { kind, at };
        let definition = self.ast.definition(id);
        let params = definition.params as usize;
        self.need(params, at)?;
        self.use_fuel(at)?;
        self.calls += 1;
        if self.active >= self.call_limit {
            return Err(trap(TrapKind::CallDepthExceeded));
        }
        self.call_depth = self.call_depth.max(self.active + 1);
        let base = self.stack.len() - params;
        let frame = self.frames[id.index()].and_then(|frame| usize::try_from(frame).ok());
        let deepest = frame.and_then(|frame| base.checked_add(frame)).filter(|deepest| *deepest <= self.stack_limit);
        self.deepest = self.deepest.max(deepest.ok_or(trap(TrapKind::StackOverflow))?);
        self.active += 1;
        self.begin(Open::Call { at: index, base: self.base }, definition.body.clone());
        self.base = base;
        Ok(())
    }

    /// Returns to the caller, whose call is the node at `at` and whose values begin at `base`.
    fn end_call(&mut self, at: u32, base: usize) {
        self.active -= 1;
        self.base = base;
        self.continue_after(at);
    }

    fn word(&mut self, word: Word, at: Span) -> Result<(), Trap> {
        self.need(effect(word).0 as usize, at)?;
        match word {
            Word::Fetch => {
                let address = self.pop(at)?;
                let value = *self.cell(address, at)?;
                self.push(value, at)
            }
            Word::Store => {
                let (address, value) = (self.pop(at)?, self.pop(at)?);
                *self.cell(address, at)? = value;
                Ok(())
            }
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

    /// The cell with an address.
    fn cell(&mut self, address: i64, at: Span) -> Result<&mut i64, Trap> {
        let index = usize::try_from(address as u64).ok();
        index.and_then(|index| self.memory.get_mut(index)).ok_or(Trap { kind: TrapKind::OutOfBounds, at })
    }

    /// The number of values of the active call, or of the main program.
    fn own(&self) -> usize {
        self.stack.len() - self.base
    }

    /// Checks that there are this many values.
    fn need(&self, values: usize, at: Span) -> Result<(), Trap> {
        if self.own() < values { Err(Trap { kind: TrapKind::StackUnderflow, at }) } else { Ok(()) }
    }

    /// The index of the value that is `depth` below the top.
    fn below_top(&self, depth: u64, at: Span) -> Result<usize, Trap> {
        let depth = usize::try_from(depth).ok().filter(|depth| *depth < self.own());
        Ok(self.stack.len() - 1 - depth.ok_or(Trap { kind: TrapKind::StackUnderflow, at })?)
    }

    fn pop(&mut self, at: Span) -> Result<i64, Trap> {
        self.need(1, at)?;
        Ok(self.stack.pop().expect("there is a value"))
    }

    /// Pushes a value. In a call, the limit has been checked for the whole frame.
    fn push(&mut self, value: i64, at: Span) -> Result<(), Trap> {
        if self.active == 0 {
            if self.stack.len() >= self.stack_limit {
                return Err(Trap { kind: TrapKind::StackOverflow, at });
            }
            self.deepest = self.deepest.max(self.stack.len() + 1);
        }
        self.stack.push(value);
        Ok(())
    }

    fn push_all(&mut self, values: &[i64], at: Span) -> Result<(), Trap> {
        values.iter().try_for_each(|&value| self.push(value, at))
    }

    /// Uses one unit of fuel for an iteration of the loop at `at`, or for the call there.
    fn use_fuel(&mut self, at: Span) -> Result<(), Trap> {
        if let Some(fuel) = &mut self.fuel {
            *fuel = fuel.checked_sub(1).ok_or(Trap { kind: TrapKind::OutOfFuel, at })?;
        }
        Ok(())
    }
}

/// The number of values that a word pops, and that it pushes. The table of words is not asked, because the referee checks it.
fn effect(word: Word) -> (u64, u64) {
    match word {
        Word::Add | Word::Sub | Word::Mul | Word::Div | Word::Mod => (2, 1),
        Word::And | Word::Or | Word::Xor | Word::Lshift | Word::Rshift | Word::Arshift => (2, 1),
        Word::Eq | Word::Ne | Word::Lt | Word::Gt | Word::Le | Word::Ge | Word::Ult => (2, 1),
        Word::Min | Word::Max | Word::Nip => (2, 1),
        Word::Negate | Word::Invert | Word::Abs | Word::Fetch => (1, 1),
        Word::Dup => (1, 2),
        Word::Drop => (1, 0),
        Word::Swap => (2, 2),
        Word::Over | Word::Tuck => (2, 3),
        Word::Rot => (3, 3),
        Word::Store => (2, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::{Source, parse};

    #[test]
    fn measured_cost_matches_a_count_by_hand() {
        let ast = parse(&Source::new("test", "2 times 1 while dup 3 < do 1 + end drop end")).expect("it parses");
        let measured = measure(&ast, Run { fuel: Some(100), stack_limit: 10, ..Run::default() });
        assert_eq!(measured.outcome, Outcome::Done(vec![]));
        // Two words, and in each of two iterations: two words, three conditions of three words, two bodies of two
        // words, and one word.
        assert_eq!((measured.words, measured.iterations, measured.deepest), (2 + 2 * (2 + 9 + 4 + 1), 2 + 2 * 3, 3));
        assert_eq!((measured.fuel(), measured.calls, measured.call_depth), (8, 0, 0));
    }
}
