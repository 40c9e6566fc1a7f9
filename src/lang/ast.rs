//! The syntax tree, kept flat: nodes in reading order, a body as the range of its nodes.

use super::{Span, Word};

/// A program as its author wrote it, without comments.
///
/// Every tree is well formed, because only [`parse`](fn@super::parse) and this crate's generator make one. The engines rely
/// on that where they leave out checks.
///
/// A program without unsafe code can make any node,
///
/// ```
/// #![forbid(unsafe_code)]
/// # use jitduel::lang::{Ast, Node, NodeKind, Span};
/// let node = Node { kind: NodeKind::Pick(u64::MAX), span: Span { start: 0, end: 1 } };
/// ```
///
/// but no tree of it:
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
    /// The tree of nodes in reading order.
    ///
    /// # Panics
    /// If a body does not end inside the body around it, or a [`NodeKind::Pick`] is deeper than a literal can say.
    pub(crate) fn new(nodes: Vec<Node>) -> Ast {
        // The ends of the open bodies; of a body that another one follows, both ends.
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
                NodeKind::Literal(_) | NodeKind::Word(_) => continue,
                NodeKind::Pick(depth) => {
                    assert!(i64::try_from(depth).is_ok(), "no literal is {depth}");
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

    /// All nodes in reading order; a node's body follows it directly.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The number of bodies around the most deeply nested node, counting an empty body as if it had a node.
    pub fn nesting(&self) -> usize {
        self.nesting
    }
}

/// One word, or one loop or branch with its body behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Where it stands: the word itself; of a loop or branch, its opening word.
    pub span: Span,
}

/// What a node is. Indices point into [`Ast::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// Pushes a constant.
    Literal(i64),
    /// A plain word.
    Word(Word),
    /// `K pick`: copies the value that lies K below the top.
    Pick(u64),
    /// `times BODY end`: the body is the nodes behind this one up to `end`.
    Times {
        /// The first node behind the loop.
        end: u32,
    },
    /// `if THEN else ELSE end`: THEN up to `otherwise`, ELSE from there up to `end`.
    If {
        /// The first node of ELSE; equal to `end` where there is none.
        otherwise: u32,
        /// The first node behind the branch.
        end: u32,
    },
    /// `while COND do BODY end`: COND up to `body`, BODY from there up to `end`.
    While {
        /// The first node of BODY.
        body: u32,
        /// The first node behind the loop.
        end: u32,
    },
}

impl NodeKind {
    /// The index of the first node behind this one, which stands at `index`.
    pub fn next(self, index: usize) -> usize {
        match self {
            NodeKind::Times { end } | NodeKind::If { end, .. } | NodeKind::While { end, .. } => end as usize,
            _ => index + 1,
        }
    }
}
