//! The verifier: tracks the interval of depths that the stack can have, rejects programs that can never succeed, and
//! determines which checks must remain at run time.
//!
//! It walks every loop body from the depth at its entry. If the depth at the end is greater or smaller, it widens the
//! interval at the entry on that side and walks the body again, until nothing changes. It remembers the result of
//! walking a loop from an interval: otherwise nested loops that change the depth would take 2^nesting walks.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::ops::Range;
use std::sync::Arc;

use super::source::shortened;
use super::{Ast, Definition, Node, NodeKind, Span, Word};
use crate::host_stack::with_room;

/// A program that passed the verifier for a given number of inputs.
#[derive(Clone, Debug)]
pub struct Program {
    ast: Arc<Ast>,
    inputs: usize,
    facts: Arc<[Fact]>,
    frames: Arc<[u64]>,
}

impl Program {
    /// The syntax tree.
    pub fn ast(&self) -> &Arc<Ast> {
        &self.ast
    }

    /// The number of inputs that the program was verified for.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The facts about each node, in the order of [`Ast::nodes`]. Those about a node of a definition count only the values of one
    /// call.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Whether it has `@` or `!`.
    pub fn uses_memory(&self) -> bool {
        let accesses = |kind| matches!(kind, NodeKind::Word(Word::Fetch | Word::Store));
        self.ast.nodes().iter().any(|node| accesses(node.kind))
    }

    /// The frame of each definition: the greatest number of values that one call needs at once, its parameters included.
    pub fn frames(&self) -> &[u64] {
        &self.frames
    }
}

/// What the verifier knows about one node over all executions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// Whether the stack may be too shallow here, so that underflow must be checked at run time.
    pub may_underflow: bool,
    /// The greatest depth after the node's own pops and pushes.
    pub greatest: Bound,
}

/// An upper bound of a depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bound(u64);

impl Bound {
    /// No bound: greater than every number.
    pub const NONE: Bound = Bound(u64::MAX);

    /// Whether a stack of this depth may hold more than `limit` values.
    pub fn may_exceed(self, limit: u64) -> bool {
        self.0 > limit
    }

    /// The bound, if there is one.
    pub fn value(self) -> Option<u64> {
        (self != Bound::NONE).then_some(self.0)
    }
}

/// The reason why a program is rejected: a word can never succeed, or branches end at different depths.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Rejection {
    /// The kind of error.
    pub kind: RejectionKind,
    /// The word that cannot succeed, the `if` whose branches differ, or the name or the `exit` of a definition with another
    /// effect.
    pub span: Span,
    /// The definition that it is in; `None` in the main program.
    pub within: Option<Box<Within>>,
}

/// A definition, as far as messages need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Within {
    /// Its name, shortened if it is very long.
    pub name: String,
    /// The position of its name.
    pub span: Span,
    /// The number of values that a call pops.
    pub params: u32,
    /// The number of values that a call pushes, as its effect says.
    pub results: u32,
}

/// The kind of a rejection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectionKind {
    /// A word needs more values than the stack can hold there.
    #[error("stack underflow: {needed} needed, at most {greatest} available")]
    Underflow {
        /// The number of values that the word needs.
        needed: u64,
        /// The greatest number of values on the stack.
        greatest: u64,
    },
    /// The branches of an `if` end at different depths, both known exactly.
    #[error("unbalanced `if`: the first branch leaves {then} on the stack, the other {otherwise}")]
    UnbalancedIf {
        /// Depth at the end of THEN.
        then: u64,
        /// Depth at the end of ELSE, or at the `if` if there is none.
        otherwise: u64,
    },
    /// A definition leaves another number of values than its effect says, or an unknown number.
    #[error("wrong effect: {declared} declared, but {} left", depths(*least, *greatest))]
    WrongEffect {
        /// The number of values that its effect says it leaves.
        declared: u64,
        /// The least number of values that it may leave.
        least: u64,
        /// The greatest number of values that it may leave.
        greatest: Bound,
    },
}

/// The numbers from `least` to `greatest`, in words.
pub(super) fn depths(least: u64, greatest: Bound) -> String {
    match greatest {
        Bound::NONE => format!("{least} or more"),
        Bound(greatest) if greatest == least => least.to_string(),
        Bound(greatest) => format!("{least} to {greatest}"),
    }
}

/// Verifies a program for a number of inputs, in time proportional to length times nesting.
///
/// # Errors
/// The first rejection in the order of the walks.
pub fn verify(ast: &Arc<Ast>, inputs: usize) -> Result<Program, Rejection> {
    let mut walk = Walk::new(ast);
    let frames = walk.program(inputs)?;
    Ok(Program { ast: Arc::clone(ast), inputs, facts: walk.facts.into(), frames: frames.into() })
}

/// The depths that the stack can have at one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Depth {
    least: u64,
    greatest: Bound,
}

impl Depth {
    fn exactly(depth: u64) -> Depth {
        Depth { least: depth, greatest: Bound(depth) }
    }

    fn exact(self) -> Option<u64> {
        (Bound(self.least) == self.greatest).then_some(self.least)
    }

    /// Widens the interval at the entry of a loop on each side where the interval at the end is wider.
    fn widened_by(self, end: Depth) -> Depth {
        Depth {
            least: if end.least < self.least { 0 } else { self.least },
            greatest: if end.greatest > self.greatest { Bound::NONE } else { self.greatest },
        }
    }

    fn union(self, other: Depth) -> Depth {
        Depth { least: self.least.min(other.least), greatest: self.greatest.max(other.greatest) }
    }
}

/// The depths at a place that two paths reach, or one of them, or none.
fn spanned(a: Option<Depth>, b: Option<Depth>) -> Option<Depth> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.union(b)),
        _ => a.or(b),
    }
}

struct Walk<'a> {
    ast: &'a Ast,
    /// Facts accumulate over all walks: if any walk needs a check, the check remains.
    facts: Vec<Fact>,
    /// The result of a loop, by its node and the depth at its entry, after popping its count. The hasher has no random keys,
    /// because `scripts/count` relies on verification taking the same number of instructions in every process.
    seen: HashMap<(usize, Depth), Depth, BuildHasherDefault<DefaultHasher>>,
    /// The depths at the `leave`s of the innermost loop in this walk of it.
    leaving: Option<Depth>,
    /// The definition at hand; `None` in the main program.
    definition: Option<&'a Definition>,
    /// The number of nodes visited in all walks, to which the time is proportional.
    words_walked: usize,
}

impl<'a> Walk<'a> {
    fn new(ast: &'a Ast) -> Walk<'a> {
        let facts = vec![Fact::default(); ast.nodes().len()];
        Walk { ast, facts, seen: HashMap::default(), leaving: None, definition: None, words_walked: 0 }
    }

    /// Walks the definitions and then the main program, and returns the frame of each definition.
    fn program(&mut self, inputs: usize) -> Result<Vec<u64>, Rejection> {
        let definitions = self.ast.definitions().iter();
        with_room(|| {
            let frames = definitions.map(|definition| self.definition(definition)).collect::<Result<_, _>>()?;
            self.definition = None;
            self.body(self.ast.main(), Depth::exactly(inputs as u64))?;
            Ok(frames)
        })
    }

    /// Walks a definition and returns its frame.
    fn definition(&mut self, definition: &'a Definition) -> Result<u64, Rejection> {
        let params = u64::from(definition.params);
        self.definition = Some(definition);
        if let Some(depth) = self.body(definition.body.clone(), Depth::exactly(params))? {
            self.check_results(depth, definition.span)?;
        }
        let facts = &self.facts[definition.body.clone()];
        let frame = facts.iter().map(|fact| fact.greatest).fold(Bound(params), Bound::max);
        assert_ne!(frame, Bound::NONE, "a definition without a bound cannot leave an exact number of values");
        Ok(frame.0)
    }

    /// Checks the depth at an end of the definition at hand. In the main program every depth is right.
    fn check_results(&self, depth: Depth, span: Span) -> Result<(), Rejection> {
        match self.definition {
            Some(definition) if depth != Depth::exactly(definition.results.into()) => {
                let (declared, Depth { least, greatest }) = (definition.results.into(), depth);
                self.reject(span, RejectionKind::WrongEffect { declared, least, greatest })
            }
            _ => Ok(()),
        }
    }

    /// Walks the nodes of one body and returns the depth at its end; `None` if the end cannot be reached. The parser's limit on
    /// nesting bounds the recursion.
    fn body(&mut self, range: Range<usize>, mut depth: Depth) -> Result<Option<Depth>, Rejection> {
        let mut index = range.start;
        while index < range.end {
            let kind = self.ast.nodes()[index].kind;
            self.words_walked += 1;
            let after = match kind {
                NodeKind::Times { .. } | NodeKind::While { .. } => self.loop_body(index, depth).map(Some),
                NodeKind::If { otherwise, end } => self.branch(index, otherwise as usize, end as usize, depth),
                _ => self.word(index, depth),
            };
            match after {
                Ok(Some(after)) => depth = after,
                ended => return ended,
            }
            index = kind.next(index);
        }
        Ok(Some(depth))
    }

    /// Applies a word without a body. Apart from the recursion, so that each level of it takes little of the host's stack.
    fn word(&mut self, index: usize, depth: Depth) -> Result<Option<Depth>, Rejection> {
        let Node { kind, span } = self.ast.nodes()[index];
        let (pops, pushes) = match kind {
            NodeKind::Literal(_) | NodeKind::Address(_) => (0, 1),
            NodeKind::Word(word) => (word.pops() as u64, word.pushes() as u64),
            NodeKind::Pick(k) => (k.saturating_add(1), k.saturating_add(2)),
            NodeKind::Put(k) => (k.saturating_add(2), k.saturating_add(1)),
            NodeKind::Call(id) => {
                let definition = self.ast.definition(id);
                (definition.params.into(), definition.results.into())
            }
            NodeKind::Leave => {
                self.leaving = spanned(self.leaving, Some(depth));
                return Ok(None);
            }
            NodeKind::Exit => return self.check_results(depth, span).map(|()| None),
            NodeKind::Times { .. } | NodeKind::If { .. } | NodeKind::While { .. } => unreachable!("it has a body"),
        };
        self.effect(index, depth, pops, pushes).map(Some)
    }

    /// Walks both branches of an `if`.
    fn branch(&mut self, index: usize, otherwise: usize, end: usize, depth: Depth) -> Result<Option<Depth>, Rejection> {
        let entry = self.effect(index, depth, 1, 0)?;
        let then = self.body(index + 1..otherwise, entry)?;
        let other = self.body(otherwise..end, entry)?;
        match (then.and_then(Depth::exact), other.and_then(Depth::exact)) {
            (Some(then), Some(otherwise)) if then != otherwise => {
                self.reject(self.span(index), RejectionKind::UnbalancedIf { then, otherwise })
            }
            _ => Ok(spanned(then, other)),
        }
    }

    /// Walks a loop until the interval at its entry covers the one at its end.
    fn loop_body(&mut self, index: usize, depth: Depth) -> Result<Depth, Rejection> {
        let kind = self.ast.nodes()[index].kind;
        let first = match kind {
            NodeKind::Times { .. } => self.effect(index, depth, 1, 0)?,
            _ => depth,
        };
        if let Some(&result) = self.seen.get(&(index, first)) {
            return Ok(result);
        }
        let mut entry = first;
        let outer = self.leaving;
        let result = loop {
            self.leaving = None;
            let (ended, end) = match kind {
                NodeKind::While { body, end } => {
                    let flag = self.body(index + 1..body as usize, entry)?;
                    let flag = flag.expect("no condition ends with a closing word");
                    let ended = self.effect(index, flag, 1, 0)?;
                    (ended, self.body(body as usize..end as usize, ended)?)
                }
                _ => (entry, self.body(index + 1..kind.next(index), entry)?),
            };
            let widened = end.map_or(entry, |end| entry.widened_by(end));
            if widened == entry {
                break self.leaving.map_or(ended, |leaving| ended.union(leaving));
            }
            entry = widened;
        };
        self.leaving = outer;
        self.seen.insert((index, first), result);
        Ok(result)
    }

    /// Applies one word's own pops and pushes.
    fn effect(&mut self, index: usize, depth: Depth, pops: u64, pushes: u64) -> Result<Depth, Rejection> {
        if depth.greatest < Bound(pops) {
            return self
                .reject(self.span(index), RejectionKind::Underflow { needed: pops, greatest: depth.greatest.0 });
        }
        let greatest = match depth.greatest {
            Bound::NONE => Bound::NONE,
            Bound(greatest) => Bound((greatest - pops).saturating_add(pushes)),
        };
        let fact = &mut self.facts[index];
        fact.may_underflow |= depth.least < pops;
        fact.greatest = fact.greatest.max(greatest);
        Ok(Depth { least: (depth.least.max(pops) - pops).saturating_add(pushes), greatest })
    }

    fn reject<T>(&self, span: Span, kind: RejectionKind) -> Result<T, Rejection> {
        let within = self.definition.map(|definition| {
            let &Definition { ref name, span, params, results, .. } = definition;
            Box::new(Within { name: shortened(name), span, params, results })
        });
        Err(Rejection { kind, span, within })
    }

    fn span(&self, index: usize) -> Span {
        self.ast.nodes()[index].span
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Source, parse};
    use super::*;

    fn walked(text: &str, inputs: usize) -> (usize, usize) {
        let ast = parse(&Source::new("test", text)).expect("the test's program parses");
        let mut walk = Walk::new(&ast);
        walk.program(inputs).expect("the test's program verifies");
        (walk.words_walked, ast.nodes().len())
    }

    /// Counts visits instead of time: doubling the nesting may at most double the visits per word.
    #[test]
    fn nested_loops_that_change_the_depth_cost_at_most_length_times_nesting() {
        let nested = |levels: usize| "1 times 9 ".repeat(levels) + &"drop drop end ".repeat(levels);
        for levels in [10, 100, 1000] {
            let (visits, length) = walked(&nested(levels), 1);
            assert!(visits <= 2 * length * levels, "{visits} visits of {length} words nested {levels} deep");
        }
    }

    #[test]
    fn balanced_nested_loops_are_walked_once() {
        let (visits, length) = walked(&("3 times 1 + ".repeat(1000) + &"end ".repeat(1000)), 1);
        assert_eq!(visits, length);
    }

    #[test]
    fn frames_are_the_greatest_depth_and_at_least_the_parameters() {
        let text = ": f ( a -- b ) dup dup + + ; : g ( a b c -- ) drop drop drop ; : h ( -- ) 1 if 2 drop exit else 3 4 g' end drop ;
                    : g' ( a b -- c ) drop f ;";
        let ast = Arc::new(parse(&Source::new("test", text)).expect("it parses"));
        assert_eq!(verify(&ast, 0).expect("it verifies").frames(), [3, 3, 2, 2]);
    }

    #[test]
    fn definitions_must_leave_what_their_effects_say() {
        for (text, expected) in [
            (": f ( a -- b ) 1 ;", Some((2, 2))),
            (": f ( a -- b ) ;", None),
            (": f ( a -- ) dup 0 < if exit end drop ;", Some((1, 1))),
            (": f ( n -- m ) 0 swap times 1 end ;", Some((1, u64::MAX))),
            (": f ( a b -- ) times drop end ;", Some((0, 1))),
            (": f ( a b -- ) 2 times drop end exit ;", Some((0, 2))),
            (": f ( a -- b ) if 1 exit else 2 exit end ;", None),
            (": f ( a -- b ) f ;", None),
            (": f ( a -- b c ) f ;", None),
            (": f ( a -- b c ) f drop ;", Some((1, 1))),
            ("drop : f ( -- ) 1 ;", Some((1, 1))),
        ] {
            let ast = Arc::new(parse(&Source::new("test", text)).expect("it parses"));
            let found = match verify(&ast, 0) {
                Ok(_) => None,
                Err(Rejection {
                    kind: RejectionKind::WrongEffect { least, greatest: Bound(greatest), .. }, ..
                }) => Some((least, greatest)),
                Err(other) => panic!("{text}: {other}"),
            };
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn definitions_are_walked_once_however_often_they_are_called() {
        let twice = |index: usize| format!(": f{} ( a -- b ) f{index} f{index} ; ", index + 1);
        let text =
            ": f0 ( a -- b ) 3 times 1 + end ; ".to_owned() + &(0..1000).map(twice).collect::<String>() + "f1000 f1000";
        let (visits, length) = walked(&text, 1);
        assert_eq!(visits, length);
    }

    #[test]
    fn facts_show_which_checks_remain() {
        let ast = Arc::new(parse(&Source::new("test", "5 times drop 1 + end drop 7 +")).expect("it parses"));
        let program = verify(&ast, 9).expect("it verifies");
        let remain: Vec<_> = program.facts().iter().map(|fact| fact.may_underflow).collect();
        // After the loop at most nine values remain, and perhaps none.
        assert_eq!(remain, [false, false, true, false, true, true, false, true]);
        assert!(program.facts().iter().all(|fact| !fact.greatest.may_exceed(10)));
    }
}
