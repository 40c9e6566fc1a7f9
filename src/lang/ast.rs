//! The syntax tree, kept flat: nodes in reading order, a body as the range of its nodes.

use super::{Span, Word};

/// A program as its author wrote it, without comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ast {
    /// All nodes in reading order; a node's body follows it directly.
    pub nodes: Vec<Node>,
    /// How many bodies the most deeply nested node lies in.
    pub nesting: usize,
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
