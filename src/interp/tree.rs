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
        can_reserve(ast.cells(), list_bytes(&ast, task.options().call_limit)).map_err(PrepareError::Reserve)?;
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
        let measured = execute(&self.ast, &self.frames, Run { inputs, fuel, stack_limit, call_limit }, None);
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

/// The greatest size of the list of active calls, in bytes. Without recursion, there are at most as many as definitions.
fn list_bytes(ast: &Ast, call_limit: u64) -> usize {
    let calls = if is_recursive(ast) { call_limit } else { call_limit.min(ast.definitions().len() as u64) };
    usize::try_from(calls).unwrap_or(usize::MAX).saturating_mul(size_of::<Open>())
}

/// Whether the main program can reach a definition that can call itself, directly or through others.
fn is_recursive(ast: &Ast) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        Open,
        Done,
    }
    let mut seen = vec![Seen::No; ast.definitions().len()];
    // The path of calls from the main program, each definition with the nodes that are still to be seen.
    let mut path: Vec<(Option<usize>, Range<usize>)> = vec![(None, ast.main())];
    while let Some((definition, rest)) = path.last_mut() {
        let Some(index) = rest.next() else {
            if let Some(definition) = *definition {
                seen[definition] = Seen::Done;
            }
            path.pop();
            continue;
        };
        let NodeKind::Call(id) = ast.nodes()[index].kind else { continue };
        match seen[id.index()] {
            Seen::Open => return true,
            Seen::Done => {}
            Seen::No => {
                seen[id.index()] = Seen::Open;
                path.push((Some(id.index()), ast.definition(id).body.clone()));
            }
        }
    }
    false
}

/// Executes a tree, verified or not.
pub fn evaluate(ast: &Ast, run: Run) -> Outcome {
    measure(ast, run).outcome
}

/// Executes a tree, verified or not, and shows each step to `watch` before it happens.
pub fn evaluate_watched(ast: &Ast, run: Run, watch: &mut dyn FnMut(&Moment)) -> Outcome {
    execute(ast, &frames(ast), run, Some(watch)).outcome
}

/// What the referee does next, and the state that it begins with.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// What it does next.
    pub next: Next,
    /// The whole stack, bottom first.
    pub stack: &'a [i64],
    /// The index of the active call's lowest value: the length of the stack if the call has none.
    pub base: usize,
    /// The number of active calls.
    pub calls: u64,
    /// The number of open bodies and calls. What has just ended is not among them.
    pub nesting: usize,
}

/// What the referee does next.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// Executes the word at this index of [`Ast::nodes`], or begins its loop, branch or call.
    Node(usize),
    /// Does what follows the end of a body or a call.
    End(Open),
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
    /// The same for the frames of calls alone.
    pub deepest_frame: usize,
}

impl Measured {
    /// The units of fuel used: the least fuel that does not change the outcome.
    pub fn fuel(&self) -> u64 {
        self.iterations + self.calls
    }
}

/// Executes a tree, verified or not, and measures its cost.
pub fn measure(ast: &Ast, run: Run) -> Measured {
    execute(ast, &frames(ast), run, None)
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
                NodeKind::Literal(_) | NodeKind::Address(_) | NodeKind::Word(_) => Some(depth),
                NodeKind::Pick(_) | NodeKind::Put(_) | NodeKind::Call(_) => Some(depth),
            };
            let Some(after) = after else { return Ok(None) };
            depth = after;
            index = kind.next(index);
        }
        Ok(Some(depth))
    }
}

/// Executes a tree whose definitions have these frames.
fn execute(ast: &Ast, frames: &[Option<u64>], run: Run, watch: Option<&mut dyn FnMut(&Moment)>) -> Measured {
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
        deepest_frame: 0,
    };
    let ended = machine.run(watch);
    let Machine { stack, memory, words, iterations, calls, call_depth, deepest, deepest_frame, .. } = machine;
    let outcome = match ended {
        Ok(()) => Outcome::Done(stack),
        Err(trap) => Outcome::Trap(trap),
    };
    let deepest = deepest.max(deepest_frame);
    Measured { outcome, memory, words, iterations, calls, call_depth, deepest, deepest_frame }
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
    /// In the main program.
    deepest: usize,
    deepest_frame: usize,
}

/// A body or a call that has begun and not ended.
#[derive(Clone, Copy, Debug)]
pub enum Open {
    /// The body of a `times`.
    Times {
        /// The index of the node that began it.
        at: u32,
        /// The number of iterations left, this one included.
        left: i64,
    },
    /// The condition of a `while`.
    Condition {
        /// The index of the node that began it.
        at: u32,
    },
    /// The body of a `while`.
    While {
        /// The index of the node that began it.
        at: u32,
    },
    /// The first branch of an `if`.
    Then {
        /// The index of the node that began it.
        at: u32,
    },
    /// The second branch of an `if`.
    Else {
        /// The index of the node that began it.
        at: u32,
    },
    /// A call.
    Call {
        /// The index of the node that began it.
        at: u32,
        /// The caller's base.
        base: usize,
    },
}

impl Machine<'_> {
    fn run(&mut self, mut watch: Option<&mut dyn FnMut(&Moment)>) -> Result<(), Trap> {
        loop {
            while self.next < self.end {
                if let Some(watch) = &mut watch {
                    watch(&self.moment(Next::Node(self.next)));
                }
                self.step()?;
            }
            let Some(open) = self.open.pop() else { return Ok(()) };
            if let Some(watch) = &mut watch {
                watch(&self.moment(Next::End(open)));
            }
            self.ended(open)?;
        }
    }

    fn moment(&self, next: Next) -> Moment<'_> {
        Moment { next, stack: &self.stack, base: self.base, calls: self.active, nesting: self.open.len() }
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
        self.deepest_frame = self.deepest_frame.max(deepest.ok_or(trap(TrapKind::StackOverflow))?);
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
        let depth = depth.ok_or(Trap { kind: TrapKind::StackUnderflow, at })?;
        Ok(self.stack.len() - 1 - depth)
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
    use crate::engine::NoClock;
    use crate::lang::{Source, load, parse};

    fn parsed(text: &str) -> Ast {
        parse(&Source::new("test", text)).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Runs with ample fuel and the default limits.
    fn measured(text: &str) -> Measured {
        measure(&parsed(text), Run { fuel: Some(1_000), ..Run::default() })
    }

    /// The kind of the trap, and the trapping word.
    fn trap(text: &str, run: Run) -> (TrapKind, String) {
        let Outcome::Trap(trap) = evaluate(&parsed(text), run) else { panic!("`{text}` does not trap") };
        (trap.kind, text[trap.at.start as usize..trap.at.end as usize].to_owned())
    }

    #[test]
    fn measured_cost_matches_a_count_by_hand() {
        let ast = parsed("2 times 1 while dup 3 < do 1 + end drop end");
        let measured = measure(&ast, Run { fuel: Some(100), stack_limit: 10, ..Run::default() });
        assert_eq!(measured.outcome, Outcome::Done(vec![]));
        // Two words, and in each of two iterations: two words, three conditions of three words, two bodies of two
        // words, and one word.
        assert_eq!((measured.words, measured.iterations, measured.deepest), (2 + 2 * (2 + 9 + 4 + 1), 2 + 2 * 3, 3));
        assert_eq!((measured.fuel(), measured.calls, measured.call_depth), (8, 0, 0));
    }

    #[test]
    fn measured_cost_of_calls_matches_a_count_by_hand() {
        let sum = measured(": sum ( n -- m ) dup if dup 1 - sum + end ;  9 3 sum  1 times 0 sum drop end");
        assert_eq!(sum.outcome, Outcome::Done(vec![9, 6]));
        // Three words, four calls of which three execute seven words and the last two; then two words, two more, one call of two
        // words, and one word.
        assert_eq!(sum.words, 3 + 3 * 7 + 2 + 2 + 2 + 2 + 1);
        assert_eq!((sum.iterations, sum.calls, sum.fuel(), sum.call_depth), (1, 5, 6, 4));
        // The frame is 3: `sum` reaches it before `-`. Below the parameter of the innermost call are 9, 3, 2 and 1.
        assert_eq!(sum.deepest, 4 + 3);
    }

    /// A run with the measured limits has the same outcome, and with one less it traps.
    #[test]
    fn measured_needs_are_the_least_limits() {
        for text in [
            ": sum ( n -- m ) dup if dup 1 - sum + end ;  9 3 sum",
            ": f ( -- ) 1 2 drop drop ;  : g ( a -- b ) f ;  3 times 7 g drop end f",
            ": f ( n -- ) while dup do 1 - g end drop ;  : g ( -- ) 1 2 3 drop drop drop ;  1 2 3 f 9 9 9 9",
        ] {
            let ast = parsed(text);
            let needs = measured(text);
            let Measured { deepest: stack_limit, call_depth: call_limit, .. } = needs;
            let least = Run { inputs: &[], fuel: Some(needs.fuel()), stack_limit, call_limit };
            assert_eq!(measure(&ast, least), needs, "{text}");
            assert!(matches!(needs.outcome, Outcome::Done(_)), "{text}");
            let kind = |run| trap(text, run).0;
            assert_eq!(kind(Run { fuel: Some(needs.fuel() - 1), ..least }), TrapKind::OutOfFuel, "{text}");
            assert_eq!(kind(Run { call_limit: call_limit - 1, ..least }), TrapKind::CallDepthExceeded, "{text}");
            assert_eq!(kind(Run { stack_limit: stack_limit - 1, ..least }), TrapKind::StackOverflow, "{text}");
        }
    }

    #[test]
    fn frames_match_a_count_by_hand() {
        for (text, expected) in [
            (": f ( -- ) ;", Some(0)),
            (": f ( a b c -- ) drop drop drop ;", Some(3)),
            (": f ( a -- b ) dup dup + + ;", Some(3)),
            (": f ( a -- ) 1 2 over over over 7 put drop drop drop drop drop ;", Some(6)),
            (": f ( -- a ) 5 4 3 2 pick 2 put nip nip ;", Some(4)),
            (": f ( n -- m ) if 1 2 + exit else 7 end ;", Some(2)),
            (": f ( n -- m ) if 1 2 + else 1 2 3 + + end ;", Some(3)),
            (": f ( n -- ) times 1 2 3 drop drop drop leave end ;", Some(3)),
            // The depth at the `leave` passes on: the sum needs two values, and then the depth is exact.
            (": f ( n -- a ) times 1 2 leave end + ;", Some(2)),
            (": f ( n -- a ) times 1 2 leave end + dup dup + + ;", Some(3)),
            // An inner loop's `leave` says nothing about the outer loop.
            (": f ( n -- ) times 1 times 1 2 leave end drop drop end ;", Some(2)),
            (": f ( a n -- ) times drop end drop ;", Some(2)),
            (": f ( n -- ) while dup do 1 - end drop ;", Some(2)),
            (": f ( -- a b c ) g 1 ;  : g ( -- a b ) f drop ;", Some(3)),
            (": f ( a b -- ) g drop drop ;  : g ( a b -- a b ) 1 2 3 drop drop drop ;", Some(2)),
            ("9 array a  9 array b  : f ( -- ) a b ! ;", Some(2)),
            (": f ( n -- ) times 1 end ;", None),
            (": f ( -- ) while 1 dup do end ;", None),
            (": f ( n -- ) if 1 times 1 end else end ;", None),
        ] {
            assert_eq!(frames(&parsed(text))[0], expected, "{text}");
        }
    }

    #[test]
    fn frame_must_fit_at_the_call() {
        let text = ": f ( a b -- c ) dup dup + + + ;  1 2 3 f";
        let limited = |stack_limit| Run { stack_limit, ..Run::default() };
        assert_eq!(evaluate(&parsed(text), limited(5)), Outcome::Done(vec![1, 2 + 3 + 3 + 3]));
        assert_eq!(trap(text, limited(4)), (TrapKind::StackOverflow, "f".into()));
        // No call fits a frame without bound; the verifier rejects the definition.
        let endless = trap(": f ( n -- ) times 1 end ;  0 f", limited(usize::MAX));
        assert_eq!(endless, (TrapKind::StackOverflow, "f".into()));
    }

    #[test]
    fn underflow_in_a_call_concerns_its_own_values() {
        for (text, word) in [
            ("7 8 1 f  : f ( a n -- ) times drop end drop ;", "drop"),
            ("7 8 9 1 f  : f ( a n -- ) times drop end 0 pick drop drop ;", "pick"),
            ("7 8 9 1 f  : f ( a n -- ) times drop end 5 0 put drop ;", "put"),
            ("7 8 9 1 f  : f ( a n -- ) times drop end g ;  : g ( a -- ) drop ;", "g"),
            ("7 8 9 1 f  : f ( a n -- ) times drop end if end ;", "if"),
            ("7 8 9 1 f  : f ( a n -- ) times drop end while do 0 end ;", "while"),
            ("7 8 9 1 f  : f ( a n -- b ) times drop end @ ;", "@"),
        ] {
            assert_eq!(trap(text, Run::default()), (TrapKind::StackUnderflow, word.into()), "{text}");
        }
    }

    #[test]
    fn checks_at_a_call_have_an_order() {
        let text = "1 1 times drop end f  : f ( a -- b c ) dup ;";
        let strict = Run { fuel: Some(1), stack_limit: 2, call_limit: 0, inputs: &[] };
        assert_eq!(trap(text, strict).0, TrapKind::StackUnderflow);
        let text = ": f ( -- a ) 1 ;  f";
        let mut run = Run { fuel: Some(0), stack_limit: 0, call_limit: 0, inputs: &[] };
        assert_eq!(trap(text, run), (TrapKind::OutOfFuel, "f".into()));
        run.fuel = Some(1);
        assert_eq!(trap(text, run), (TrapKind::CallDepthExceeded, "f".into()));
        run.call_limit = 1;
        assert_eq!(trap(text, run), (TrapKind::StackOverflow, "f".into()));
        run.stack_limit = 1;
        assert_eq!(evaluate(&parsed(text), run), Outcome::Done(vec![1]));
    }

    #[test]
    fn jumps_end_calls_and_loops() {
        let find = ": index-of ( x n -- i )  0 while over over > do  2 pick over 10 * = if nip nip exit end  1 + end\n\
            drop drop drop -1 ;  ";
        for (text, expected) in [
            ("30 9 index-of  35 9 index-of  90 9 index-of", vec![3, -1, -1]),
            ("2 times 20 5 index-of end", vec![2, 2]),
            (": f ( -- ) while 1 do 3 times exit end end ;  5 2 times f 1 + end", vec![7]),
            (": f ( n -- m ) 9 times 9 times leave end dup 3 = if leave end 1 + end ;  0 f", vec![3]),
            (": f ( n -- m ) dup 0 < if drop -1 exit end 2 * ;  -3 f 4 f", vec![-1, 8]),
            (": f ( -- ) exit ;  1 f 2 1 if exit end 3", vec![1, 2]),
            (": f ( -- ) ;  1 9 times f 2 exit end", vec![1, 2]),
        ] {
            assert_eq!(measured(&format!("{find}{text}")).outcome, Outcome::Done(expected), "{text}");
        }
    }

    #[test]
    fn memory_is_zero_at_the_start_of_every_run() {
        let text = "3 array a  2 array b  7 a 2 + !  b b 1 + !  : f ( -- x ) a 2 + @ b @ + ;  f b 1 + @";
        let program = load(&Source::new("test", text), 0).expect("it is a program");
        let options = Options::default();
        let mut prepared = Tree.prepare(&program, &options, &mut NoClock).expect("there is memory");
        let mut store = Store::new(options.stack_limit).expect("there is memory");
        for _ in 0..2 {
            assert_eq!(prepared.run(&[], None, &mut store), Ok(()));
            assert_eq!((store.values(), store.memory()), (&[7, 3][..], &[0, 0, 7, 0, 3][..]));
        }
    }

    #[test]
    fn addresses_are_unsigned_and_bounded() {
        for (address, word) in [("5", "@"), ("-1", "@"), ("0x8000000000000000", "@"), ("5", "!"), ("-5", "!")] {
            let text = format!("3 array a  2 array b  9 {address} {word}");
            assert_eq!(trap(&text, Run::default()), (TrapKind::OutOfBounds, word.into()), "{text}");
        }
        assert_eq!(trap("0 @", Run::default()).0, TrapKind::OutOfBounds);
        assert_eq!(measured("3 array a  2 array b  9 4 !  4 @  b").memory, [0, 0, 0, 0, 9]);
    }

    #[test]
    fn each_step_is_shown_before_it_happens() {
        let text = ": f ( a -- ) if 9 drop end ;  2 times 1 f end while 0 do end";
        let mut seen = Vec::new();
        let outcome = evaluate_watched(&parsed(text), Run::default(), &mut |moment| {
            let step = match moment.next {
                Next::Node(index) => {
                    let Span { start, end } = parsed(text).nodes()[index].span;
                    text[start as usize..end as usize].to_owned()
                }
                Next::End(Open::Times { left, .. }) => format!("times {left}"),
                Next::End(Open::Condition { .. }) => "condition".into(),
                Next::End(Open::Then { .. }) => "then".into(),
                Next::End(Open::Call { .. }) => "return".into(),
                Next::End(open) => panic!("{open:?}"),
            };
            seen.push((step, moment.stack.to_vec(), moment.base, moment.calls, moment.nesting));
        });
        assert_eq!(outcome, Outcome::Done(vec![]));
        let iteration = |left: i64| {
            [
                ("1".into(), vec![], 0, 0, 1),
                ("f".into(), vec![1], 0, 0, 1),
                ("if".into(), vec![1], 0, 1, 2),
                ("9".into(), vec![], 0, 1, 3),
                ("drop".into(), vec![9], 0, 1, 3),
                ("then".into(), vec![], 0, 1, 2),
                ("return".into(), vec![], 0, 1, 1),
                (format!("times {left}"), vec![], 0, 0, 0),
            ]
        };
        let before = [("2".into(), vec![], 0, 0, 0), ("times".into(), vec![2], 0, 0, 0)];
        let after =
            [("while".into(), vec![], 0, 0, 0), ("0".into(), vec![], 0, 0, 1), ("condition".into(), vec![0], 0, 0, 0)];
        let expected: Vec<_> = before.into_iter().chain(iteration(2)).chain(iteration(1)).chain(after).collect();
        assert_eq!(seen, expected);
        // The base is that of the active call, and the step that traps is shown too.
        let mut bases = Vec::new();
        let text = ": f ( a -- b ) 0 / ;  7 8 f";
        let outcome = evaluate_watched(&parsed(text), Run::default(), &mut |moment| {
            bases.push((moment.base, moment.stack.len()));
        });
        assert!(matches!(outcome, Outcome::Trap(Trap { kind: TrapKind::DivisionByZero, .. })), "{outcome:?}");
        assert_eq!(bases, [(0, 0), (0, 1), (0, 2), (1, 2), (1, 3)]);
    }

    /// Neither the number of calls nor the host's stack is a limit.
    #[test]
    fn ten_million_calls_are_active_on_a_small_thread() {
        let text = ": f ( -- ) f ;  f";
        for call_limit in [0, 1, 10_000, 10_000_000] {
            let run = Run { call_limit, ..Run::default() };
            let thread = std::thread::Builder::new().stack_size(128 << 10);
            let small = thread.spawn(move || measure(&parsed(text), run)).expect("a thread");
            let measured = small.join().expect("it does not panic");
            let at = text.match_indices('f').map(|(at, _)| at as u32).nth(if call_limit == 0 { 2 } else { 1 });
            let at = at.map(|start| Span { start, end: start + 1 }).expect("there are three");
            assert_eq!(measured.outcome, Outcome::Trap(Trap { kind: TrapKind::CallDepthExceeded, at }));
            assert_eq!((measured.calls, measured.call_depth), (call_limit + 1, call_limit));
        }
    }

    #[test]
    fn only_recursion_that_is_reached_makes_any_number_of_calls() {
        for (text, expected) in [
            ("1", false),
            (": f ( -- ) ;  f f", false),
            (": f ( -- ) g g ;  : g ( -- ) h ;  : h ( -- ) ;  f g h", false),
            (": f ( -- ) f ;  1", false),
            (": f ( -- ) f ;  1 if f end", true),
            (": f ( -- ) g ;  : g ( -- ) 1 if h end ;  : h ( -- ) f ;  g", true),
            (": f ( -- ) g ;  : g ( -- ) h g ;  : h ( -- ) ;  f", true),
        ] {
            assert_eq!(is_recursive(&parsed(text)), expected, "{text}");
        }
        let refusal = |text: &str| {
            let program = load(&Source::new("test", text), 0).expect("it is a program");
            let options = Options { call_limit: u64::MAX, ..Options::default() };
            Tree.prepare(&program, &options, &mut NoClock).err()
        };
        assert!(refusal(": f ( -- ) ;  f").is_none());
        assert!(matches!(refusal(": f ( -- ) f ;  f"), Some(PrepareError::Reserve(_))));
    }
}
