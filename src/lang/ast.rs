//! The syntax tree, stored flat: nodes in source order; a body is a range of nodes.

use super::{Span, Word};

/// A program as written, without comments.
///
/// Every tree is well formed, because only [`parse`](fn@super::parse) and this crate's generator create trees. The
/// engines rely on that where they omit checks.
///
/// Safe code can create any node,
///
/// ```
/// #![forbid(unsafe_code)]
/// # use jitduel::lang::{Ast, Node, NodeKind, Span};
/// let node = Node { kind: NodeKind::Pick(u64::MAX), span: Span { start: 0, end: 1 } };
/// ```
///
/// but it cannot build a tree from nodes:
///
/// ```compile_fail,E0451
/// #![forbid(unsafe_code)]
/// # use jitduel::lang::{Ast, Node, NodeKind, Span};
/// let node = Node { kind: NodeKind::Pick(u64::MAX), span: Span { start: 0, end: 1 } };
/// let ast = Ast { nodes: vec![node], nesting: 0 };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ast {
    nodes: Vec<Node>,
    nesting: usize,
}

impl Ast {
    /// Builds a tree from nodes in source order.
    ///
    /// # Panics
    /// If a body does not end inside its parent, or the depth of a [`NodeKind::Pick`] or [`NodeKind::Put`] exceeds the greatest literal.
    pub(crate) fn new(nodes: Vec<Node>) -> Ast {
        // The ends of the open bodies; for a node with two bodies, both ends.
        let mut open: Vec<(usize, usize)> = Vec::new();
        let mut nesting = 0;
        for (index, node) in nodes.iter().enumerate() {
            while let Some((first, last)) = open.last_mut() {
                match index {
                    _ if index >= *last => drop(open.pop()),
                    _ if index >= *first => *first = *last,
                    _ => break,
                }
            }
            let (first, last) = match node.kind {
                NodeKind::Literal(_) | NodeKind::Word(_) | NodeKind::Leave | NodeKind::Exit => continue,
                NodeKind::Pick(depth) | NodeKind::Put(depth) => {
                    assert!(i64::try_from(depth).is_ok(), "a depth of {depth} exceeds the greatest literal");
                    continue;
                }
                NodeKind::Times { end } => (end, end),
                NodeKind::If { otherwise, end } => (otherwise, end),
                NodeKind::While { body, end } => (body, end),
            };
            let (first, last) = (first as usize, last as usize);
            let around = open.last().map_or(nodes.len(), |(first, _)| *first);
            assert!(
                index < first && first <= last && last <= around,
                "the body of node {index} ends inside its parent"
            );
            open.push((first, last));
            nesting = nesting.max(open.len());
        }
        Ast { nodes, nesting }
    }

    /// All nodes in source order; a node's body follows it directly.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The number of bodies around the most deeply nested node. An empty body counts as if it had a node.
    pub fn nesting(&self) -> usize {
        self.nesting
    }
}

/// One word, or one loop or branch followed by its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// The kind of the node.
    pub kind: NodeKind,
    /// Its position: the word itself, or the opening word of a loop or branch.
    pub span: Span,
}

/// The kind of a node. Indices refer to [`Ast::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// Pushes a constant.
    Literal(i64),
    /// A plain word.
    Word(Word),
    /// `K pick`: copies the value K below the top.
    Pick(u64),
    /// `K put`: pops a value and stores it over the value that is then K below the top.
    Put(u64),
    /// `leave`: ends the innermost loop around it. Nothing follows it in its body.
    Leave,
    /// `exit`: ends the program. Nothing follows it in its body.
    Exit,
    /// `times BODY end`: the body consists of the nodes after this one, up to `end`.
    Times {
        /// The first node after the loop.
        end: u32,
    },
    /// `if THEN else ELSE end`: THEN up to `otherwise`, ELSE from there up to `end`.
    If {
        /// The first node of ELSE; equal to `end` if there is none.
        otherwise: u32,
        /// The first node after the branch.
        end: u32,
    },
    /// `while COND do BODY end`: COND up to `body`, BODY from there up to `end`.
    While {
        /// The first node of BODY.
        body: u32,
        /// The first node after the loop.
        end: u32,
    },
}

impl NodeKind {
    /// The index of the first node after this one and its bodies. This node is at `index`.
    pub fn next(self, index: usize) -> usize {
        match self {
            NodeKind::Times { end } | NodeKind::If { end, .. } | NodeKind::While { end, .. } => end as usize,
            _ => index + 1,
        }
    }
}
