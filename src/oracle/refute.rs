//! Tests the verifier's rejections. Every engine but the referee trusts the verifier, so no comparison of engines would
//! reveal a wrong rejection.
//!
//! The referee runs even a program that was rejected for underflow, with a marker before the rejected word. The marker
//! consists of words that need as many values as the rejected word, and of a trap at a unique location. A run that
//! reaches this trap had the values that the rejected word needs. A rejection concerns the first iteration of every
//! enclosing loop (a body must be able to succeed on its first iteration), so the run ends when one of these loops
//! would start its second iteration.

use crate::engine::Run;
use crate::interp::tree::evaluate;
use crate::lang::{Ast, Node, NodeKind, Rejection, RejectionKind, Span, Word};
use crate::outcome::{DEFAULT_STACK_LIMIT, Outcome, Trap, TrapKind};

/// The location of the marker's trap; no word of a text has it.
const MARK: Span = Span { start: u32::MAX, end: u32::MAX };

/// The location of the trap at the start of a loop's second iteration.
const STOP: Span = Span { start: u32::MAX - 1, end: u32::MAX - 1 };

/// Words that trap: a division by zero.
const TRAP: [NodeKind; 3] = [NodeKind::Literal(0), NodeKind::Literal(0), NodeKind::Word(Word::Div)];

/// Whether, with these inputs, a program runs past the word that the verifier rejected for underflow.
pub fn wrongly_rejected(ast: &Ast, rejection: &Rejection, inputs: &[i64], fuel: u64) -> bool {
    let RejectionKind::Underflow { .. } = rejection.kind else { return false };
    let index = ast.nodes().iter().position(|node| node.span == rejection.span);
    let marked = marked(ast, index.expect("the rejected word is a node"));
    let stack_limit = DEFAULT_STACK_LIMIT.max(inputs.len());
    let outcome = evaluate(&marked, Run { inputs, fuel: Some(fuel), stack_limit, ..Run::default() });
    outcome == Outcome::Trap(Trap { kind: TrapKind::DivisionByZero, at: MARK })
}

/// The tree with a marker where the node at `index` pops its values: before it, or after the condition of a `while`.
fn marked(ast: &Ast, index: usize) -> Ast {
    let mut marked = ast.nodes().to_vec();
    // From the outermost loop inward, so that insertions do not move the positions that are still needed.
    for (of, node) in ast.nodes()[..=index].iter().enumerate() {
        let (NodeKind::Times { end } | NodeKind::While { end, .. }) = node.kind else { continue };
        if end as usize > index && (of < index || matches!(node.kind, NodeKind::While { .. })) {
            insert(&mut marked, end as usize, Some(Part { of, condition: false }), &TRAP, STOP);
        }
    }
    let (at, part, needed) = match ast.nodes()[index].kind {
        NodeKind::Call(_) | NodeKind::Address(_) => todo!(),
        NodeKind::Literal(_) => (index, None, 0),
        NodeKind::Word(word) => (index, None, word.pops() as u64),
        NodeKind::Pick(depth) => (index, None, depth + 1),
        NodeKind::Put(depth) => (index, None, depth + 2),
        NodeKind::Times { .. } | NodeKind::If { .. } => (index, None, 1),
        NodeKind::Leave | NodeKind::Exit => (index, None, 0),
        NodeKind::While { body, .. } => (body as usize, Some(Part { of: index, condition: true }), 1),
    };
    let mark: Vec<_> =
        needed.checked_sub(1).map(|depth| NodeKind::Pick(depth.min(i64::MAX as u64))).into_iter().chain(TRAP).collect();
    insert(&mut marked, at, part, &mark, MARK);
    Ast::new(marked)
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
            _ => {}
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
        ] {
            let ast = Arc::new(parse(&Source::new("test", text)).expect("it parses"));
            let rejection = verify(&ast, 0).expect_err("it is rejected");
            let index = ast.nodes().iter().position(|node| node.span == rejection.span).expect("it is there");
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
            assert_eq!(words(&print(&marked(&ast, index))), expected, "{text}");
            assert!(!wrongly_rejected(&ast, &rejection, &[], 10), "{text}");
            // With more inputs than the program was verified for, the word has the values that it needs.
            assert!(wrongly_rejected(&ast, &rejection, &[1; 10], 10), "{text}");
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
