//! Tests the verifier's rejections. Every engine but the referee trusts the verifier, so no comparison of engines would
//! reveal a wrong rejection.
//!
//! The referee runs even a program that was rejected for underflow, with a marker before the rejected word. The marker
//! consists of words that need as many values as the rejected word, and of a trap at a unique location. A run that
//! reaches this trap had the values that the rejected word needs. A rejection concerns the first iteration of every
//! enclosing loop (a body must be able to succeed on its first iteration), so the run ends when one of these loops
//! would start its second iteration.
//!
//! A definition is tested by itself: its body becomes the main program, with its parameters as inputs. The verifier has not seen
//! later definitions yet, so each word that the body calls does no more than its effect says. If the definition was rejected for a
//! wrong effect, the run ends normally only where the effect was found to be wrong. The number of values there must be one that
//! the verifier named.

use crate::engine::Run;
use crate::interp::tree::evaluate;
use crate::lang::{Ast, Definition, Node, NodeKind, Rejection, RejectionKind, Span, Word};
use crate::outcome::{DEFAULT_STACK_LIMIT, Outcome, Trap, TrapKind};

/// The location of the marker's trap; no word of a text has it.
const MARK: Span = Span { start: u32::MAX, end: u32::MAX };

/// The location of a trap where a run says no more about the rejection, such as at the start of a loop's second iteration.
const STOP: Span = Span { start: u32::MAX - 1, end: u32::MAX - 1 };

/// Words that trap: a division by zero.
const TRAP: [NodeKind; 3] = [NodeKind::Literal(0), NodeKind::Literal(0), NodeKind::Word(Word::Div)];

/// Whether a run refutes a rejection: with these inputs, the program runs past the word that the verifier rejected for underflow,
/// or a definition leaves a number of values that the verifier excluded. The parameters of a definition are the inputs over and
/// over, or else all 0 or all 1.
pub fn wrongly_rejected(ast: &Ast, rejection: &Rejection, inputs: &[i64], fuel: u64) -> bool {
    let index = ast.nodes().iter().position(|node| node.span == rejection.span);
    let rejects = |definition: &&Definition| match index {
        Some(index) => definition.body.contains(&index),
        None => definition.span == rejection.span,
    };
    let Some(definition) = ast.definitions().iter().find(rejects) else {
        let index = index.expect("the rejected word is a node");
        return refuted_by(ast, Some(index), rejection, inputs, fuel);
    };
    let alone = alone(ast, definition);
    let index = index.map(|index| index - definition.body.start);
    [inputs, &[0], &[1]].into_iter().any(|values| {
        let params: Vec<i64> = values.iter().copied().cycle().take(definition.params as usize).collect();
        params.len() == definition.params as usize && refuted_by(&alone, index, rejection, &params, fuel)
    })
}

/// Whether a run of a main program refutes a rejection at one of its nodes, or at its end.
fn refuted_by(ast: &Ast, index: Option<usize>, rejection: &Rejection, inputs: &[i64], fuel: u64) -> bool {
    let stack_limit = DEFAULT_STACK_LIMIT.max(inputs.len());
    let run = Run { inputs, fuel: Some(fuel), stack_limit, ..Run::default() };
    match (&rejection.kind, index) {
        (RejectionKind::Underflow { .. }, Some(index)) => {
            let mark = Outcome::Trap(Trap { kind: TrapKind::DivisionByZero, at: MARK });
            evaluate(&marked(ast, index), run) == mark
        }
        (&RejectionKind::WrongEffect { declared, least, greatest }, _) => {
            let is_right = least == declared && !greatest.may_exceed(declared);
            let is_excluded =
                |depth: u64| depth < least || depth.checked_sub(1).is_some_and(|fewer| !greatest.may_exceed(fewer));
            let outcome = evaluate(&ending_at(ast, index), run);
            is_right || matches!(outcome, Outcome::Done(values) if is_excluded(values.len() as u64))
        }
        // Whether a branch of an `if` leaves too much cannot be seen in a run of the other.
        (RejectionKind::UnbalancedIf { .. }, _) | (RejectionKind::Underflow { .. }, None) => false,
    }
}

/// The body of a definition as the main program. The words that it calls drop their parameters and push 1s.
fn alone(ast: &Ast, definition: &Definition) -> Ast {
    let by = definition.body.start as u32;
    let mut nodes = ast.nodes()[definition.body.clone()].to_vec();
    for node in &mut nodes {
        match &mut node.kind {
            NodeKind::Times { end } => *end -= by,
            NodeKind::If { otherwise, end } => (*otherwise, *end) = (*otherwise - by, *end - by),
            NodeKind::While { body, end } => (*body, *end) = (*body - by, *end - by),
            NodeKind::Literal(_) | NodeKind::Word(_) | NodeKind::Pick(_) | NodeKind::Put(_) => {}
            NodeKind::Call(_) | NodeKind::Address(_) | NodeKind::Leave | NodeKind::Exit => {}
        }
    }
    let main = nodes.len();
    let mut definitions = ast.definitions().to_vec();
    for Definition { params, results, body, span, .. } in &mut definitions {
        let start = nodes.len();
        let drops = std::iter::repeat_n(NodeKind::Word(Word::Drop), *params as usize);
        let words = drops.chain(std::iter::repeat_n(NodeKind::Literal(1), *results as usize));
        nodes.extend(words.map(|kind| Node { kind, span: *span }));
        *body = start..nodes.len();
    }
    Ast::with(nodes, main, definitions, ast.arrays().to_vec())
}

/// Words to insert into a main program before the node at `at`, or as the last words of a part that ends there.
struct Insertion {
    at: usize,
    part: Option<Part>,
    words: Vec<NodeKind>,
    span: Span,
}

/// The main program with a marker where the node at `index` pops its values: before it, or after the condition of a `while`.
fn marked(ast: &Ast, index: usize) -> Ast {
    let (at, part, needed) = match ast.nodes()[index].kind {
        NodeKind::Literal(_) | NodeKind::Address(_) => (index, None, 0),
        NodeKind::Word(word) => (index, None, word.pops() as u64),
        NodeKind::Call(id) => (index, None, ast.definition(id).params.into()),
        NodeKind::Pick(depth) => (index, None, depth + 1),
        NodeKind::Put(depth) => (index, None, depth + 2),
        NodeKind::Times { .. } | NodeKind::If { .. } => (index, None, 1),
        NodeKind::Leave | NodeKind::Exit => (index, None, 0),
        NodeKind::While { body, .. } => (body as usize, Some(Part { of: index, condition: true }), 1),
    };
    let need = needed.checked_sub(1).map(|depth| NodeKind::Pick(depth.min(i64::MAX as u64)));
    let words = need.into_iter().chain(TRAP).collect();
    let mut insertions = second_iterations(ast, index);
    insertions.push(Insertion { at, part, words, span: MARK });
    with_insertions(ast, insertions)
}

/// The main program, which ends normally only at the `exit` at `index`, or else only after its last word.
fn ending_at(ast: &Ast, index: Option<usize>) -> Ast {
    let stop = |at: usize| Insertion { at, part: None, words: TRAP.to_vec(), span: STOP };
    let others = ast.main().filter(|at| ast.nodes()[*at].kind == NodeKind::Exit && Some(*at) != index);
    let mut insertions: Vec<_> = index.map(|_| ast.main().end).into_iter().chain(others).map(stop).collect();
    // Last, so that they come first: the end of a loop's body precedes the `exit` after the loop.
    insertions.extend(index.map_or(Vec::new(), |index| second_iterations(ast, index)));
    with_insertions(ast, insertions)
}

/// Traps at the end of every loop body around the node at `index`, from the outermost loop inward. If the node itself is a
/// `while`, its own body is one of them, because the node pops its flag in each iteration.
fn second_iterations(ast: &Ast, index: usize) -> Vec<Insertion> {
    let mut insertions = Vec::new();
    for (of, node) in ast.nodes()[..=index].iter().enumerate() {
        let (NodeKind::Times { end } | NodeKind::While { end, .. }) = node.kind else { continue };
        let end = end as usize;
        if end > index && (of < index || matches!(node.kind, NodeKind::While { .. })) {
            let part = Some(Part { of, condition: false });
            insertions.push(Insertion { at: end, part, words: TRAP.to_vec(), span: STOP });
        }
    }
    insertions
}

/// The tree with words inserted into its main program. Insertions at the same place are in the order in which they are given,
/// the last first.
fn with_insertions(ast: &Ast, mut insertions: Vec<Insertion>) -> Ast {
    let mut nodes = ast.nodes().to_vec();
    // From the last place to the first, so that insertions do not move the places that are still needed.
    insertions.sort_by_key(|insertion| std::cmp::Reverse(insertion.at));
    for Insertion { at, part, words, span } in insertions {
        insert(&mut nodes, at, part, &words, span);
    }
    let by = nodes.len() - ast.nodes().len();
    let mut definitions = ast.definitions().to_vec();
    for definition in &mut definitions {
        definition.body = definition.body.start + by..definition.body.end + by;
    }
    Ast::with(nodes, ast.main().end + by, definitions, ast.arrays().to_vec())
}

/// A part of the node at `of`: the condition of a `while` if `condition` is set, otherwise the last body.
#[derive(Clone, Copy)]
struct Part {
    of: usize,
    condition: bool,
}

/// Inserts words before the node at `at`. If a part is given, it ends at `at`, and the words become its last words.
fn insert(nodes: &mut Vec<Node>, at: usize, part: Option<Part>, words: &[NodeKind], span: Span) {
    let by = words.len() as u32;
    for (of, node) in nodes.iter_mut().enumerate() {
        // A body that ends at `at` must grow if the inserted words belong to it.
        let contains_words = |condition: bool| match part {
            Some(part) if of == part.of => part.condition || !condition,
            Some(part) => of < part.of,
            None => false,
        };
        let shift = |bound: &mut u32, condition: bool| {
            if *bound as usize > at || *bound as usize == at && contains_words(condition) {
                *bound += by;
            }
        };
        match &mut node.kind {
            NodeKind::Times { end } => shift(end, false),
            NodeKind::If { otherwise, end } => {
                shift(otherwise, false);
                shift(end, false);
            }
            NodeKind::While { body, end } => {
                shift(body, true);
                shift(end, false);
            }
            NodeKind::Literal(_) | NodeKind::Word(_) | NodeKind::Pick(_) | NodeKind::Put(_) => {}
            NodeKind::Call(_) | NodeKind::Address(_) | NodeKind::Leave | NodeKind::Exit => {}
        }
    }
    nodes.splice(at..at, words.iter().map(|&kind| Node { kind, span }));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::lang::print::print;
    use crate::lang::{Source, parse, verify};

    fn words(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_marker_precedes_the_rejected_pop() {
        for (text, expected) in [
            ("drop", "0 pick 0 0 / drop"),
            ("if 1 else 2 end", "0 pick 0 0 / if 1 else 2 end"),
            ("0 if else drop end", "0 if else 0 pick 0 0 / drop end"),
            ("1 times drop end", "1 times 0 pick 0 0 / drop 0 0 / end"),
            ("while do end", "while 0 pick 0 0 / do 0 0 / end"),
            ("while 1 if drop end do 5 end 6", "while 1 if 0 pick 0 0 / drop end do 5 0 0 / end 6"),
            ("1 times 7 drop while do end end", "1 times 7 drop while 0 pick 0 0 / do 0 0 / end 0 0 / end"),
            ("1 if while 1 if end do end else 7 end", "1 if while 1 if end 0 pick 0 0 / do 0 0 / end else 7 end"),
            ("1 while do drop end 2", "1 while do 0 pick 0 0 / drop 0 0 / end 2"),
            ("9 9 pick", "9 9 pick 0 0 / 9 pick"),
            ("9 9 put", "9 10 pick 0 0 / 9 put"),
            ("1 times 0 if leave end drop end", "1 times 0 if leave end 0 pick 0 0 / drop 0 0 / end"),
            ("4 array a a ! 1 @", "4 array a a 1 pick 0 0 / ! 1 @"),
            (
                ": f ( a b -- c ) 1 if + exit end + ; 7 times f end",
                ": f ( a b -- c ) 1 if + exit end + ; 7 times 1 pick 0 0 / f 0 0 / end",
            ),
        ] {
            let ast = Arc::new(parse(&Source::new("test", text)).expect("it parses"));
            let rejection = verify(&ast, 0).expect_err("it is rejected");
            let index = ast.nodes().iter().position(|node| node.span == rejection.span).expect("it is there");
            assert_eq!(words(&print(&marked(&ast, index))), expected, "{text}");
            assert!(!wrongly_rejected(&ast, &rejection, &[], 10), "{text}");
            // With more inputs than the program was verified for, the word has the values that it needs.
            assert!(wrongly_rejected(&ast, &rejection, &[1; 10], 10), "{text}");
        }
    }

    #[test]
    fn a_definition_is_marked_by_itself() {
        for (text, expected) in [
            (": f ( a -- ) drop drop ; f", ": f ( a -- ) drop ; drop 0 pick 0 0 / drop"),
            (
                "1 : f ( -- ) ; : g ( a -- ) 1 times drop f g end ; 2",
                ": f ( -- ) ; : g ( a -- ) drop ; 1 times drop f 0 pick 0 0 / g 0 0 / end",
            ),
            (
                ": f ( a b -- c ) while do g end 9 ; : g ( -- a b ) 1 ;",
                ": f ( a b -- c ) drop drop 1 ; : g ( -- a b ) 1 1 ; while do g end 9",
            ),
        ] {
            let ast = Arc::new(parse(&Source::new("test", text)).expect("it parses"));
            let rejection = verify(&ast, 0).expect_err("it is rejected");
            let index = ast.nodes().iter().position(|node| node.span == rejection.span);
            let definitions = ast.definitions().iter();
            let rejects = |definition: &&Definition| match index {
                Some(index) => definition.body.contains(&index),
                None => definition.span == rejection.span,
            };
            let definition = definitions.clone().find(rejects).expect("a definition is rejected");
            let alone = alone(&ast, definition);
            let shown = match index {
                Some(index) => marked(&alone, index - definition.body.start),
                None => alone,
            };
            assert_eq!(words(&print(&shown)), words(expected), "{text}");
            assert!(!wrongly_rejected(&ast, &rejection, &[3, 4], 10), "{text}");
        }
    }

    /// The rejection of one text, for another with words at the same places.
    fn is_refuted(rejected: &str, other: &str, inputs: &[i64]) -> bool {
        let parsed = |text: &str| Arc::new(parse(&Source::new("test", text)).expect("it parses"));
        let rejection = verify(&parsed(rejected), inputs.len()).expect_err("it is rejected");
        wrongly_rejected(&parsed(other), &rejection, inputs, 10)
    }

    #[test]
    fn wrong_rejections_of_definitions_are_noticed() {
        for (rejected, other) in [
            // With another parameter, the word has the value that it needs.
            (": f (   -- ) drop ; ", ": f ( a -- ) drop ; "),
            (": f (   -- ) g ; : g ( a -- ) drop ; ", ": f ( a -- ) g ; : g ( a -- ) drop ; "),
            (": f ( a -- ) 1 times drop drop end ; ", ": f ( a -- ) 1 times 1111 drop end ; "),
            // Another number of values than the verifier said, where it said so: at NAME, or at an `exit`.
            (": f ( -- ) 1 ; ", ": f ( -- )   ; "),
            (": f ( -- ) 1   ; ", ": f ( -- ) 1 1 ; "),
            (": f ( n -- ) if 1 exit end ; ", ": f ( n -- ) if   exit end ; "),
            (": f ( n -- ) times 1 exit end ; ", ": f ( n -- ) times   exit end ; "),
            (": f ( n -- ) if exit end 1 ; ", ": f ( n -- ) if exit end   ; "),
        ] {
            assert!(is_refuted(rejected, other, &[1]), "{other}");
            assert!(!is_refuted(rejected, rejected, &[1]), "{rejected}");
        }
        // At one of the inputs 0 and 1, which are tried too.
        assert!(is_refuted(": f ( n -- ) if 1 exit end ; ", ": f ( n -- ) if   exit end ; ", &[0]));
    }

    #[test]
    fn right_rejections_of_definitions_are_not_refuted() {
        for text in [
            // Where the verifier knows only an interval.
            ": f ( n -- ) dup if times 1 end else drop end ;",
            ": f ( a n -- a ) times drop end ;",
            ": f ( n -- ) times 1 exit end 1 ;",
            ": f ( a -- ) times 1 exit end exit ;",
            // The second iteration has another depth than the first.
            ": f ( n -- a ) times 1 1 if exit end end ;",
            // A word that is called leaves what its effect says, even if it is wrong too.
            ": f ( -- ) g drop ; : g ( -- ) 1 ;",
            ": f ( -- ) g 1 ; : g ( -- ) 0 times drop end ;",
            ": f ( a -- ) f f ;",
            ": f ( -- ) 0 if 1 else 2 3 end ;",
        ] {
            for inputs in [&[][..], &[0], &[1], &[2, 0]] {
                assert!(!is_refuted(text, text, inputs), "{text} with {inputs:?}");
            }
        }
    }

    /// The greatest literal plus two exceeds the greatest depth of a `pick`.
    #[test]
    fn a_put_that_no_stack_can_satisfy_is_rightly_rejected() {
        let ast = Arc::new(parse(&Source::new("test", "9223372036854775807 put")).expect("it parses"));
        let rejection = verify(&ast, 10).expect_err("no stack is that deep");
        assert!(!wrongly_rejected(&ast, &rejection, &[1; 10], 10));
    }

    /// The second iteration of the outer loop would find more values, but the rejection concerns the first.
    #[test]
    fn a_rejection_concerns_first_iterations() {
        let ast = Arc::new(parse(&Source::new("test", "times times drop end 1 1 end")).expect("it parses"));
        let rejection = verify(&ast, 2).expect_err("the inner loop's body cannot succeed on its first iteration");
        assert!(!wrongly_rejected(&ast, &rejection, &[0, 3], 10));
    }
}
