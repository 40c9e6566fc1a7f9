//! The call graph: how many calls can be active at once, and which calls may find too little room on the stack.

use std::ops::Range;

use super::{FunctionId, Limits};
use crate::lang::verify::Fact;
use crate::lang::{NodeKind, Program};

/// What the lowering must know about the calls of a program. Only functions that the main program reaches count: calls in other
/// functions are never executed.
pub(super) struct Calls {
    /// The greatest number of calls that can be active at once.
    pub greatest_depth: u64,
    /// Whether more calls might begin, so that every call must be counted.
    pub counts_depth: bool,
    /// For each function, whether its frame fits wherever the function is called.
    pub fits: Vec<bool>,
}

impl Calls {
    /// Analyzes a program whose functions have these bodies, in time proportional to the length of the program.
    pub fn of(program: &Program, bodies: &[Range<usize>], limits: Limits) -> Calls {
        let graph = Graph::of(program, bodies);
        let Components { of, callees_first } = graph.components();
        let component = |function: FunctionId| of[function.index()] as usize;

        // The longest path of calls from each function. Not meaningful if any function is recursive.
        let mut depths = vec![0; bodies.len()];
        // By component: the greatest number of values by which a call within it, or within a component from which it is reached,
        // raises the base.
        let mut rises = vec![0; bodies.len()];
        let mut is_recursive = false;
        for &caller in &callees_first {
            for call in graph.calls(caller) {
                depths[caller.index()] = depths[caller.index()].max(depths[call.callee.index()] + 1);
                if component(caller) == component(call.callee) {
                    is_recursive = true;
                    rises[component(caller)] = call.below.max(rises[component(caller)]);
                }
            }
        }
        // By component: the greatest base at which it is entered, without the calls within components. On a path, every call from
        // one component to another occurs once at most, and the first call is such a call.
        let mut bases = vec![0_u64; bodies.len()];
        for &caller in callees_first.iter().rev() {
            let from = component(caller);
            for call in graph.calls(caller) {
                let to = component(call.callee);
                if to != from {
                    bases[to] = bases[to].max(bases[from].saturating_add(call.below));
                    rises[to] = rises[to].max(rises[from]);
                }
            }
        }
        let mut fits = vec![true; bodies.len()];
        for &function in callees_first.iter().filter(|&&function| function != FunctionId::MAIN) {
            let inside = limits.calls.saturating_sub(1).saturating_mul(rises[component(function)]);
            let greatest_base = bases[component(function)].saturating_add(inside);
            let frame = program.frames()[function.index() - 1];
            fits[function.index()] = greatest_base.saturating_add(frame) <= limits.stack;
        }
        let longest = if is_recursive { u64::MAX } else { depths[FunctionId::MAIN.index()] };
        Calls { greatest_depth: longest.min(limits.calls), counts_depth: longest > limits.calls, fits }
    }
}

/// The greatest number of values of the caller that are below the parameters of the function called; `u64::MAX` if there is no
/// bound. The fact is that of the call, which leaves this many results.
pub(super) fn values_below(call: Fact, results: u32) -> u64 {
    call.greatest.value().map_or(u64::MAX, |after| after - u64::from(results))
}

/// A call in the text.
struct Call {
    callee: FunctionId,
    /// See [`values_below`].
    below: u64,
}

/// The calls of each function.
struct Graph {
    calls: Vec<Call>,
    /// For each function, the index of its first call; at the end, the number of calls.
    starts: Vec<usize>,
}

impl Graph {
    fn of(program: &Program, bodies: &[Range<usize>]) -> Graph {
        let ast = program.ast();
        let mut graph = Graph { calls: Vec::new(), starts: vec![0] };
        for body in bodies {
            for (node, fact) in ast.nodes()[body.clone()].iter().zip(&program.facts()[body.clone()]) {
                if let NodeKind::Call(id) = node.kind {
                    let below = values_below(*fact, ast.definition(id).results);
                    graph.calls.push(Call { callee: FunctionId::of(id), below });
                }
            }
            graph.starts.push(graph.calls.len());
        }
        graph
    }

    fn calls(&self, function: FunctionId) -> &[Call] {
        &self.calls[self.starts[function.index()]..self.starts[function.index() + 1]]
    }

    /// The strongly connected components that the main program reaches, by Tarjan's algorithm with an explicit stack.
    fn components(&self) -> Components {
        let functions = self.starts.len() - 1;
        let mut of = vec![NONE; functions];
        let mut callees_first = Vec::new();
        // The number of each function in the order of the visits, or a lower one that is known to be in the same component.
        let mut lowest = vec![NONE; functions];
        let mut visits = 0;
        let mut components = 0;
        // The visited functions without a component.
        let mut open = Vec::new();
        // The path of calls that is being followed: each function with its number and the calls that are left.
        let mut path = Vec::new();
        let mut next = Some(FunctionId::MAIN);
        loop {
            if let Some(function) = next.take() {
                lowest[function.index()] = visits;
                open.push(function);
                path.push((function, visits, self.calls(function).iter()));
                visits += 1;
            }
            let Some((caller, number, calls)) = path.last_mut() else { break };
            let (caller, number) = (*caller, *number);
            if let Some(call) = calls.next() {
                let callee = call.callee.index();
                if lowest[callee] == NONE {
                    next = Some(call.callee);
                } else if of[callee] == NONE {
                    lowest[caller.index()] = lowest[caller.index()].min(lowest[callee]);
                }
                continue;
            }
            path.pop();
            let low = lowest[caller.index()];
            if low == number {
                let first = open.iter().rposition(|&function| function == caller).expect("the function is open");
                for function in open.drain(first..) {
                    of[function.index()] = components;
                    callees_first.push(function);
                }
                components += 1;
            } else if let Some((parent, ..)) = path.last() {
                lowest[parent.index()] = lowest[parent.index()].min(low);
            }
        }
        Components { of, callees_first }
    }
}

/// The index of a component that does not exist.
const NONE: u32 = u32::MAX;

/// Sets of functions that all reach each other through calls. A function that is not recursive is alone in its component.
struct Components {
    /// For each function, the index of its component; [`NONE`] if the main program does not reach it.
    of: Vec<u32>,
    /// The functions that the main program reaches. A component's functions follow each other, and come after those that they
    /// call in other components.
    callees_first: Vec<FunctionId>,
}
