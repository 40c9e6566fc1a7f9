//! The verifier's verdicts, tried: every engine but the referee believes them, so that no comparison of engines would
//! show one that is wrong.
//!
//! A program that was rejected for underflow is run all the same, by the referee, with a mark before the rejected word:
//! words that need as many values as it does, and then a trap at a place of its own. A run that reaches that place had
//! what the word needs.

use crate::interp::tree::evaluate;
use crate::lang::{Ast, Node, NodeKind, Rejection, RejectionKind, Span, Word};
use crate::outcome::{DEFAULT_STACK_LIMIT, Outcome, Trap, TrapKind};

/// The place of the mark: no word of a text has it.
const MARK: Span = Span { start: u32::MAX, end: u32::MAX };

/// Whether the inputs let a program run past the word at which the verifier said it must underflow.
pub fn wrongly_rejected(ast: &Ast, rejection: &Rejection, inputs: &[i64], fuel: u64) -> bool {
    let RejectionKind::Underflow { .. } = rejection.kind else { return false };
    let index = ast.nodes.iter().position(|node| node.span == rejection.span);
    let marked = marked(ast, index.expect("a word was rejected"));
    let outcome = evaluate(&marked, inputs, Some(fuel), DEFAULT_STACK_LIMIT.max(inputs.len()));
    outcome == Outcome::Trap(Trap { kind: TrapKind::DivisionByZero, at: MARK })
}

/// The tree with a mark where the node at `index` takes its values: before it, or behind the condition of a `while`.
fn marked(ast: &Ast, index: usize) -> Ast {
    let (at, needed) = match ast.nodes[index].kind {
        NodeKind::Literal(_) => (index, 0),
        NodeKind::Word(word) => (index, word.pops() as u64),
        NodeKind::Pick(depth) => (index, depth + 1),
        NodeKind::Times { .. } | NodeKind::If { .. } => (index, 1),
        NodeKind::While { body, .. } => (body as usize, 1),
    };
    let zero = [NodeKind::Literal(0), NodeKind::Literal(0), NodeKind::Word(Word::Div)];
    let mark: Vec<_> = needed.checked_sub(1).map(NodeKind::Pick).into_iter().chain(zero).collect();
    // Bodies that end behind the mark end later; of those that end at it, the ones that it stands in.
    let by = mark.len() as u32;
    let shift = |of: usize, bound: u32| {
        let stands_in = at > index && of <= index;
        bound + if bound as usize > at || bound as usize == at && stands_in { by } else { 0 }
    };
    let mut nodes: Vec<Node> = ast.nodes.clone();
    for (of, node) in nodes.iter_mut().enumerate() {
        match &mut node.kind {
            NodeKind::Times { end } => *end = shift(of, *end),
            NodeKind::If { otherwise, end } => (*otherwise, *end) = (shift(of, *otherwise), shift(of, *end)),
            NodeKind::While { body, end } => (*body, *end) = (shift(of, *body), shift(of, *end)),
            _ => {}
        }
    }
    nodes.splice(at..at, mark.into_iter().map(|kind| Node { kind, span: MARK }));
    Ast { nodes, nesting: ast.nesting }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::lang::print::print;
    use crate::lang::{Source, parse, verify};

    #[test]
    fn the_mark_stands_where_the_rejected_word_takes_its_values() {
        for (text, expected) in [
            ("drop", "0 pick 0 0 / drop"),
            ("if 1 else 2 end", "0 pick 0 0 / if 1 else 2 end"),
            ("0 if else drop end", "0 if else 0 pick 0 0 / drop end"),
            ("while do end", "while 0 pick 0 0 / do end"),
            ("while 1 if drop end do 5 end 6", "while 1 if 0 pick 0 0 / drop end do 5 end 6"),
            ("1 times while do end end", "1 times while 0 pick 0 0 / do end end"),
            ("1 if while 1 if end do end else 7 end", "1 if while 1 if end 0 pick 0 0 / do end else 7 end"),
            ("9 9 pick", "9 9 pick 0 0 / 9 pick"),
        ] {
            let ast = Arc::new(parse(&Source::new("test", text)).expect("it parses"));
            let rejection = verify(&ast, 0).expect_err("it is rejected");
            let index = ast.nodes.iter().position(|node| node.span == rejection.span).expect("it is there");
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
            assert_eq!(words(&print(&marked(&ast, index))), expected, "{text}");
            assert!(!wrongly_rejected(&ast, &rejection, &[], 10), "{text}");
            // With more inputs than it was verified for, the word does have what it needs.
            assert!(wrongly_rejected(&ast, &rejection, &[0; 10], 10), "{text}");
        }
    }
}
