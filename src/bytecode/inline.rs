//! Inlining: finds the functions whose operations replace every call of them.
//!
//! A call still uses fuel and depth, and each operation keeps its own trap site, so nothing changes but the cost.

use std::ops::Range;

use super::unit::{callees, regions_of};
use super::{Bytecode, Function, FunctionId, Op};

/// The greatest number of operations of a function that is always inlined.
const SHORT: u64 = 12;

/// The greatest number of operations of any function that is inlined, with those that are inlined in it.
const LONGEST: u64 = 1_000;

/// The greatest number of operations by which inlining a function that is not short may make the program longer.
const GROWTH: u64 = 128;

/// The greatest number of inlined calls inside each other. A compiler may recurse over them.
const DEEPEST: u32 = 16;

/// The functions that are inlined.
pub struct Inlined {
    is_inlined: Vec<bool>,
    /// The operations that call a function which is not inlined, or one that is inlined and has such a call. Ascending.
    calls: Vec<u32>,
}

impl Inlined {
    /// No function.
    pub fn none(code: &Bytecode) -> Inlined {
        Inlined::new(code, vec![false; code.functions().len()], &|_| true)
    }

    /// The short functions without control flow.
    pub fn straight(code: &Bytecode) -> Inlined {
        let is_inlined = |function: &Function| {
            let body = body(function);
            let is_straight = |op: &Op| matches!(op, Op::Literal(_) | Op::Word(_) | Op::Pick(_) | Op::Put(_));
            body.len() as u64 <= SHORT && code.ops()[body].iter().all(is_straight)
        };
        // Nothing calls the main program.
        let definitions = code.functions()[1..].iter().map(is_inlined);
        Inlined::new(code, std::iter::once(false).chain(definitions).collect(), &|_| false)
    }

    /// The functions that are short, or have so few calls that inlining hardly makes the program longer. They can reach no recursive
    /// function, and their stack is level everywhere.
    pub fn small(code: &Bytecode) -> Inlined {
        let functions = code.functions();
        let mut sites = vec![0_u64; functions.len()];
        callees(code.ops()).for_each(|callee| sites[callee.index()] += 1);
        let mut is_inlined = vec![false; functions.len()];
        // For functions whose callees are all decided.
        let mut sizes = vec![0_u64; functions.len()];
        let mut depths = vec![0_u32; functions.len()];
        let mut makes_calls = vec![false; functions.len()];
        for id in callees_first(code) {
            let ops = code.ops_of(id);
            let index = id.index();
            sizes[index] = ops.len() as u64;
            for callee in callees(ops) {
                if is_inlined[callee.index()] {
                    sizes[index] = sizes[index].saturating_add(sizes[callee.index()]);
                    depths[index] = depths[index].max(depths[callee.index()] + 1);
                    makes_calls[index] |= makes_calls[callee.index()];
                } else {
                    makes_calls[index] = true;
                }
            }
            let is_small = sizes[index] <= SHORT
                || sizes[index] <= LONGEST && sites[index].saturating_sub(1).saturating_mul(sizes[index]) <= GROWTH;
            is_inlined[index] = is_small && depths[index] < DEEPEST && is_level(code, &functions[index]);
        }
        Inlined::new(code, is_inlined, &|id| makes_calls[id.index()])
    }

    /// These functions. `makes_calls` says whether an inlined function makes calls after inlining.
    fn new(code: &Bytecode, is_inlined: Vec<bool>, makes_calls: &dyn Fn(FunctionId) -> bool) -> Inlined {
        if !code.has_calls() {
            return Inlined { is_inlined, calls: Vec::new() };
        }
        let is_made = |op: &Op| matches!(op, Op::Call(callee) if !is_inlined[callee.index()] || makes_calls(*callee));
        let calls = (0..).zip(code.ops()).filter(|(_, op)| is_made(op)).map(|(index, _)| index).collect();
        Inlined { is_inlined, calls }
    }

    /// The operations that replace a call of this function, if there are any: all but the last one, which ends it.
    pub fn body(&self, code: &Bytecode, id: FunctionId) -> Option<Range<usize>> {
        self.is_inlined[id.index()].then(|| body(&code.functions()[id.index()]))
    }

    /// Whether any of these operations makes a call after inlining.
    pub fn makes_call(&self, ops: Range<u32>) -> bool {
        let next = self.calls.partition_point(|call| *call < ops.start);
        self.calls.get(next).is_some_and(|call| *call < ops.end)
    }
}

/// The operations of a function without its last one, which ends it.
fn body(function: &Function) -> Range<usize> {
    function.start.index()..function.end.index() - 1
}

/// Whether the height of the stack is known at each operation of a function, relative to its base.
fn is_level(code: &Bytecode, function: &Function) -> bool {
    !function.has_needs && code.regions()[regions_of(code, function)].iter().all(|region| region.is_level)
}

/// The definitions from which no recursive one can be reached, each after all functions that it calls.
fn callees_first(code: &Bytecode) -> Vec<FunctionId> {
    let definitions = || (1..code.functions().len() as u32).map(FunctionId);
    // For each function, its calls of functions that are not in the list yet, and the callers of the function.
    let mut missing = vec![0_u32; code.functions().len()];
    let mut callers = vec![Vec::new(); code.functions().len()];
    for caller in definitions() {
        for callee in callees(code.ops_of(caller)) {
            missing[caller.index()] += 1;
            callers[callee.index()].push(caller);
        }
    }
    let mut ordered: Vec<FunctionId> = definitions().filter(|id| missing[id.index()] == 0).collect();
    let mut next = 0;
    while let Some(&id) = ordered.get(next) {
        next += 1;
        for caller in &callers[id.index()] {
            missing[caller.index()] -= 1;
            if missing[caller.index()] == 0 {
                ordered.push(*caller);
            }
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytecode::{Limits, lower};
    use crate::lang::{Source, load};

    fn lowered(text: &str) -> Bytecode {
        let program = load(&Source::new("test", text), 3).expect("the program is valid");
        lower(&program, Limits { stack: 1_000, calls: 10 }, false).expect("the program is small")
    }

    /// The names of the inlined functions.
    fn names(code: &Bytecode, inlined: &Inlined) -> Vec<String> {
        let ids = (0..code.functions().len() as u32).map(FunctionId);
        ids.filter(|id| inlined.body(code, *id).is_some())
            .map(|id| code.functions()[id.index()].name.to_string())
            .collect()
    }

    fn small(text: &str) -> Vec<String> {
        let code = lowered(text);
        names(&code, &Inlined::small(&code))
    }

    /// A definition with this many operations and its end.
    fn long(name: &str, operations: usize) -> String {
        assert!(operations.is_multiple_of(2));
        format!(": {name} ( a -- b ) {}; ", "1 + ".repeat(operations / 2))
    }

    #[test]
    fn only_straight_short_functions_are_inlined_by_the_register_tier() {
        let text = format!(
            ": f ( a -- b ) 1 + ; : g ( a -- b ) dup if f end ; {}{}f g short long",
            long("short", 12),
            long("long", 14)
        );
        let code = lowered(&text);
        assert_eq!(names(&code, &Inlined::straight(&code)), ["f", "short"]);
        assert_eq!(names(&code, &Inlined::small(&code)), ["f", "g", "short", "long"]);
        assert_eq!(names(&code, &Inlined::none(&code)), [""; 0]);
    }

    #[test]
    fn recursive_functions_and_their_callers_are_not_inlined() {
        assert_eq!(small(": f ( a -- b ) dup if 1 - f end ; : g ( a -- b ) f ; : h ( a -- b ) 1 + ; g h"), ["h"]);
        assert_eq!(small(": f ( a -- b ) g ; : g ( a -- b ) f ; : h ( a -- b ) 1 + ; f h"), ["h"]);
    }

    #[test]
    fn functions_whose_stack_is_not_level_are_not_inlined() {
        let effects = ": f ( a -- b ) dup if 1 + else 2 + exit end ; : g ( -- ) 5 while dup do 1 - end drop ; ";
        assert_eq!(small(&format!("{effects} f g")), ["f", "g"]);
        // The loop may drop values, and `+` needs two.
        assert_eq!(small(": f ( a b c -- d ) times drop end + ; f"), [""; 0]);
    }

    #[test]
    fn long_functions_are_inlined_if_the_program_stays_short() {
        let called =
            |operations: usize, times: usize| small(&format!("{}{}", long("f", operations), "f ".repeat(times)));
        // `Return` counts too.
        assert_eq!(called(998, 1), ["f"]);
        assert_eq!(called(1_000, 1), [""; 0]);
        assert_eq!(called(126, 2), ["f"]);
        assert_eq!(called(128, 2), [""; 0]);
        assert_eq!(called(10, 100), ["f"]);
        assert_eq!(called(12, 100), [""; 0]);
        // Inlined operations count as well.
        let nested = |operations| {
            let inner = long("inner", operations);
            small(&format!("{inner}: outer ( a -- b ) {} inner ; outer", "1 + ".repeat(250)))
        };
        assert_eq!(nested(496), ["inner", "outer"]);
        assert_eq!(nested(498), ["inner"]);
    }

    #[test]
    fn chains_of_inlined_calls_have_an_end() {
        let mut text = String::from(": f0 ( a -- b ) 1 + ; ");
        for index in 1..1_000 {
            text += &format!(": f{index} ( a -- b ) f{} ; ", index - 1);
        }
        let code = lowered(&(text + "f999"));
        let inlined = Inlined::small(&code);
        let mut longest = 0;
        let mut chain = 0;
        for index in 1..=1_000 {
            chain = if inlined.body(&code, FunctionId(index)).is_some() { chain + 1 } else { 0 };
            longest = longest.max(chain);
        }
        assert_eq!(longest, DEEPEST);
    }

    #[test]
    fn operations_that_make_calls_are_found_through_inlined_functions() {
        let code = lowered(": r ( a -- b ) dup if 1 - r end ; : f ( a -- b ) 1 + ; : g ( a -- b ) f ; times g end r");
        let inlined = Inlined::small(&code);
        assert_eq!(names(&code, &inlined), ["f", "g"]);
        let region = |index: usize| code.regions()[index].start.0..code.regions()[index].end.0;
        // The first region is the loop of the main program.
        assert!(!inlined.makes_call(region(0)));
        assert!(Inlined::none(&code).makes_call(region(0)));
        assert!(inlined.makes_call(0..code.ops_of(FunctionId::MAIN).len() as u32));
    }
}
