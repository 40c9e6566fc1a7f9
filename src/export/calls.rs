//! The calls of a program: which definitions can run, how many calls can be active, and which calls must be checked.

use std::ops::Range;

use super::Limits;
use crate::lang::{DefinitionId, NodeKind, Program, Word};

/// What a program's calls require of its translation.
pub(crate) struct Calls {
    /// The definitions that the main program can reach. One that is called before it is defined is in a cycle of calls.
    pub order: Vec<DefinitionId>,
    /// Whether active calls must be counted, because they might exceed the limit.
    pub counts_depth: bool,
    /// The greatest number of calls that can be active at once.
    pub greatest_depth: u64,
    /// For each definition, whether it is called before its place in `order`.
    is_called_early: Vec<bool>,
    /// For each definition, the greatest number of values that can be on the stack below its parameters.
    below: Vec<u64>,
}

impl Calls {
    /// Follows the calls from the main program.
    pub fn of(program: &Program, limits: Limits) -> Calls {
        let graph = Graph::of(program);
        let Walk { order, is_called_early, longest } = graph.walk();
        let counts_depth = longest > limits.calls || is_called_early.contains(&true);
        let greatest_depth = if counts_depth { limits.calls } else { longest };
        let below = graph.below(&order, &is_called_early, greatest_depth);
        Calls { order, counts_depth, greatest_depth, is_called_early, below }
    }

    /// Whether a definition is called before its place in `order`, and so must be declared before.
    pub fn is_called_early(&self, id: DefinitionId) -> bool {
        self.is_called_early[id.index()]
    }

    /// The nodes of the main program and of every definition that it can reach.
    pub fn nodes(&self, program: &Program) -> impl Iterator<Item = NodeKind> {
        let ast = program.ast();
        let bodies = self.order.iter().map(|id| ast.definition(*id).body.clone());
        std::iter::once(ast.main()).chain(bodies).flatten().map(|index| ast.nodes()[index].kind)
    }

    /// Whether it can reach an `@` or `!`.
    pub fn uses_memory(&self, program: &Program) -> bool {
        self.nodes(program).any(|kind| matches!(kind, NodeKind::Word(Word::Fetch | Word::Store)))
    }

    /// The number of values for which a call of a definition must check that there is room, if there may be none.
    pub fn room(&self, program: &Program, id: DefinitionId, limits: Limits) -> Option<u64> {
        let (definition, frame) = (program.ast().definition(id), program.frames()[id.index()]);
        let grows = frame - u64::from(definition.params);
        let may_overflow = self.below[id.index()].saturating_add(frame) > limits.stack as u64;
        // The values that are there already fit, and so does a frame that adds none.
        (grows > 0 && may_overflow).then_some(grows)
    }
}

/// One call.
#[derive(Clone, Copy)]
struct Call {
    callee: usize,
    /// The greatest number of the caller's values below the callee's parameters.
    kept: u64,
}

/// The calls in each function.
struct Graph {
    from_main: Vec<Call>,
    /// Those in each definition.
    from: Vec<Vec<Call>>,
}

/// What a depth-first walk finds.
struct Walk {
    order: Vec<DefinitionId>,
    is_called_early: Vec<bool>,
    /// The number of calls on the longest path that calls nothing early.
    longest: u64,
}

/// A function whose calls are being followed.
struct Open {
    /// `None` for the main program.
    definition: Option<usize>,
    next_call: usize,
    /// The number of calls on the longest path from it so far.
    longest: u64,
}

impl Graph {
    fn of(program: &Program) -> Graph {
        let ast = program.ast();
        let call = |index: usize| match ast.nodes()[index].kind {
            NodeKind::Call(id) => {
                let results = u64::from(ast.definition(id).results);
                let kept = program.facts()[index].greatest.value().map_or(u64::MAX, |after| after - results);
                Some(Call { callee: id.index(), kept })
            }
            _ => None,
        };
        let calls_in = |range: Range<usize>| range.filter_map(call).collect();
        let from = ast.definitions().iter().map(|definition| calls_in(definition.body.clone())).collect();
        Graph { from_main: calls_in(ast.main()), from }
    }

    /// Walks without recursion, because a chain of calls can be as long as the text.
    fn walk(&self) -> Walk {
        let count = self.from.len();
        let (mut order, mut is_called_early, mut is_seen) = (Vec::new(), vec![false; count], vec![false; count]);
        // For each definition in `order`, the number of calls on the longest path from it.
        let mut lengths: Vec<Option<u64>> = vec![None; count];
        let mut open = vec![Open { definition: None, next_call: 0, longest: 0 }];
        loop {
            let last = open.last_mut().expect("the main program ends the loop");
            let calls = last.definition.map_or(&self.from_main, |definition| &self.from[definition]);
            if let Some(&Call { callee, .. }) = calls.get(last.next_call) {
                last.next_call += 1;
                if !is_seen[callee] {
                    is_seen[callee] = true;
                    open.push(Open { definition: Some(callee), next_call: 0, longest: 0 });
                } else if let Some(length) = lengths[callee] {
                    last.longest = last.longest.max(length + 1);
                } else {
                    is_called_early[callee] = true;
                }
                continue;
            }
            let Open { definition, longest, .. } = open.pop().expect("it is the last one");
            let (Some(definition), Some(caller)) = (definition, open.last_mut()) else {
                return Walk { order, is_called_early, longest };
            };
            lengths[definition] = Some(longest);
            order.push(DefinitionId(definition as u32));
            caller.longest = caller.longest.max(longest + 1);
        }
    }

    /// For each definition, the greatest number of values that can be on the stack below its parameters.
    fn below(&self, order: &[DefinitionId], is_called_early: &[bool], greatest_depth: u64) -> Vec<u64> {
        let reached = || order.iter().rev().map(|id| id.index());
        // Whether a definition is in a cycle or called from one. Except for calls of `is_called_early`, callers come before
        // the definitions that they call.
        let mut follows_cycle = is_called_early.to_vec();
        for definition in reached() {
            if follows_cycle[definition] {
                self.from[definition].iter().for_each(|call| follows_cycle[call.callee] = true);
            }
        }
        // On such a path, any call may be repeated as often as the limit allows.
        let greatest = |calls: &[Call]| calls.iter().map(|call| call.kept).max().unwrap_or(0);
        let growth = reached().map(|definition| greatest(&self.from[definition])).max().unwrap_or(0);
        let repeated = growth.saturating_mul(greatest_depth.saturating_sub(1));
        let anywhere = greatest(&self.from_main).saturating_add(repeated);
        let mut below: Vec<_> = follows_cycle.iter().map(|follows| if *follows { anywhere } else { 0 }).collect();
        for call in &self.from_main {
            below[call.callee] = below[call.callee].max(call.kept);
        }
        for caller in reached().filter(|caller| !follows_cycle[*caller]) {
            for call in &self.from[caller] {
                below[call.callee] = below[call.callee].max(below[caller].saturating_add(call.kept));
            }
        }
        below
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::{Source, load};
    use crate::outcome::DEFAULT_STACK_LIMIT;

    fn calls(text: &str, limits: Limits) -> (Program, Calls) {
        let program = load(&Source::new("test", text), 0).expect("the test's program is valid");
        let calls = Calls::of(&program, limits);
        (program, calls)
    }

    fn limits(stack: usize, calls: u64) -> Limits {
        Limits { stack, calls, fuel: None }
    }

    #[test]
    fn callees_come_before_callers_and_what_is_not_called_does_not_come() {
        let text = ": a ( -- ) b c ; : b ( -- ) c ; : c ( -- ) ; : d ( -- ) a ; a";
        let (_, calls) = calls(text, limits(DEFAULT_STACK_LIMIT, 9));
        assert_eq!(calls.order, [2, 1, 0].map(DefinitionId));
        assert_eq!((calls.counts_depth, calls.greatest_depth), (false, 3));
        assert!(!calls.order.iter().any(|id| calls.is_called_early(*id)));
    }

    #[test]
    fn depth_is_counted_in_cycles_and_where_the_longest_path_exceeds_the_limit() {
        for (text, limit, counts, greatest) in [
            (": f ( -- ) f ; f", 7, true, 7),
            (": f ( -- ) g ; : g ( -- ) f ; g", 7, true, 7),
            (": f ( -- ) f ; : g ( -- ) ; g", 7, false, 1),
            (": f ( -- ) g ; : g ( -- ) ; f g", 2, false, 2),
            (": f ( -- ) g ; : g ( -- ) ; f g", 1, true, 1),
            (": f ( -- ) ; f", 0, true, 0),
            (": f ( -- ) ;", 0, false, 0),
        ] {
            let (_, calls) = calls(text, limits(DEFAULT_STACK_LIMIT, limit));
            assert_eq!((calls.counts_depth, calls.greatest_depth), (counts, greatest), "{text}");
        }
    }

    #[test]
    fn room_is_checked_only_where_a_frame_may_not_fit() {
        let f = DefinitionId(0);
        for (text, stack, call, room) in [
            // One value below the parameter and a frame of three.
            (": f ( a -- b ) dup dup + + ; 1 2 f", 4, 9, None),
            (": f ( a -- b ) dup dup + + ; 1 2 f", 3, 9, Some(2)),
            // The deepest of several calls counts.
            (": f ( -- a ) 1 ; : g ( -- a ) 1 2 f + + ; f g", 4, 9, None),
            (": f ( -- a ) 1 ; : g ( -- a ) 1 2 f + + ; f g", 3, 9, Some(1)),
            // Each of nine calls keeps one value.
            (": f ( n -- m ) dup if dup 1 - f + end ; 1 f", 8 + 3, 9, None),
            (": f ( n -- m ) dup if dup 1 - f + end ; 1 f", 8 + 2, 9, Some(2)),
            // The main program may hold any number of values.
            (": f ( -- a ) 1 ; 5 times 1 end f", DEFAULT_STACK_LIMIT, 9, Some(1)),
            // A definition that no cycle calls has a bound of its own.
            (": f ( -- a ) 1 2 + ; : g ( -- a ) g 1 + ; f drop g", 2, 9, None),
            (": f ( -- a ) 1 2 + ; : g ( -- a ) g f + ; f drop g", 2, 9, Some(2)),
            // A frame that adds nothing always fits.
            (": f ( a -- ) drop ; 1 f", 0, 9, None),
        ] {
            let limits = limits(stack, call);
            let (program, calls) = calls(text, limits);
            assert_eq!(calls.room(&program, f, limits), room, "{text} with {stack}");
        }
    }
}
