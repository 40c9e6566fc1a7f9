//! The syntax tree, stored flat: a body is a range of nodes. The nodes of the main program come first, in reading order, and
//! then those of each definition.

use std::ops::Range;

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
    /// The number of nodes of the main program.
    main: usize,
    definitions: Vec<Definition>,
    arrays: Vec<Array>,
    nesting: usize,
}

/// The index of a definition, in reading order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefinitionId(pub u32);

impl DefinitionId {
    /// The index as a `usize`.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A defined word: `: NAME ( A… -- R… ) BODY ;`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: Box<str>,
    /// The position of its name.
    pub span: Span,
    /// The number of values that a call pops.
    pub params: u32,
    /// The number of values that a call pushes.
    pub results: u32,
    /// Its body, as indices of [`Ast::nodes`].
    pub body: Range<usize>,
}

/// The index of an array, in reading order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArrayId(pub u32);

impl ArrayId {
    /// The index as a `usize`.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A declared array: `N array NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// Its name.
    pub name: Box<str>,
    /// The position of its name.
    pub span: Span,
    /// The number of its first cell, which is its address.
    pub start: u32,
    /// The number of its cells.
    pub cells: u32,
}

impl Ast {
    /// Builds a tree from nodes: `main` nodes of the main program, then the bodies of the definitions, in order and without gaps.
    ///
    /// # Panics
    /// If a body does not end inside its parent, the depth of a [`NodeKind::Pick`] or [`NodeKind::Put`] exceeds the greatest
    /// literal, or a node names a definition or an array that does not exist.
    pub(crate) fn with(nodes: Vec<Node>, main: usize, definitions: Vec<Definition>, arrays: Vec<Array>) -> Ast {
        let ends = definitions.iter().map(|definition| definition.body.end);
        let starts = definitions.iter().map(|definition| definition.body.start);
        assert!(std::iter::once(main).chain(ends).eq(starts.chain([nodes.len()])), "the bodies leave no gaps");
        // The end of the main program or of the definition at hand.
        let mut whole = definitions.iter().map(|definition| definition.body.end);
        let mut around_all = main;
        // The ends of the open bodies; for a node with two bodies, both ends.
        let mut open: Vec<(usize, usize)> = Vec::new();
        let mut nesting = 0;
        for (index, node) in nodes.iter().enumerate() {
            while index >= around_all {
                around_all = whole.next().expect("every node belongs to a body");
            }
            while let Some((first, last)) = open.last_mut() {
                match index {
                    _ if index >= *last => drop(open.pop()),
                    _ if index >= *first => *first = *last,
                    _ => break,
                }
            }
            let (first, last) = match node.kind {
                NodeKind::Literal(_) | NodeKind::Word(_) | NodeKind::Leave | NodeKind::Exit => continue,
                NodeKind::Call(id) => {
                    assert!(id.index() < definitions.len(), "there is no definition {}", id.0);
                    continue;
                }
                NodeKind::Address(id) => {
                    assert!(id.index() < arrays.len(), "there is no array {}", id.0);
                    continue;
                }
                NodeKind::Pick(depth) | NodeKind::Put(depth) => {
                    assert!(i64::try_from(depth).is_ok(), "a depth of {depth} exceeds the greatest literal");
                    continue;
                }
                NodeKind::Times { end } => (end, end),
                NodeKind::If { otherwise, end } => (otherwise, end),
                NodeKind::While { body, end } => (body, end),
            };
            let (first, last) = (first as usize, last as usize);
            let around = open.last().map_or(around_all, |(first, _)| *first);
            assert!(
                index < first && first <= last && last <= around,
                "the body of node {index} ends inside its parent"
            );
            open.push((first, last));
            nesting = nesting.max(open.len());
        }
        Ast { nodes, main, definitions, arrays, nesting }
    }

    /// All nodes: those of the main program, then those of each definition. A node's body follows it directly.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The main program, as indices of [`nodes`](Ast::nodes).
    pub fn main(&self) -> Range<usize> {
        0..self.main
    }

    /// The definitions, in reading order.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// The definition with an index.
    pub fn definition(&self, id: DefinitionId) -> &Definition {
        &self.definitions[id.index()]
    }

    /// The arrays, in reading order.
    pub fn arrays(&self) -> &[Array] {
        &self.arrays
    }

    /// The array with an index.
    pub fn array(&self, id: ArrayId) -> &Array {
        &self.arrays[id.index()]
    }

    /// The number of memory cells, which all arrays together occupy.
    pub fn cells(&self) -> usize {
        self.arrays.last().map_or(0, |array| array.start as usize + array.cells as usize)
    }

    /// The tree with every position at the start of the text: equal for texts that differ only in white space and comments, in the
    /// order of definitions and other words, and in the names of values in effects.
    pub fn without_positions(&self) -> Ast {
        let mut ast = self.clone();
        let spans = ast.nodes.iter_mut().map(|node| &mut node.span);
        let spans = spans.chain(ast.definitions.iter_mut().map(|definition| &mut definition.span));
        for span in spans.chain(ast.arrays.iter_mut().map(|array| &mut array.span)) {
            *span = Span { start: 0, end: 0 };
        }
        ast
    }

    /// The tree with names that can be defined in the stack language: a name of another language may be one of its words.
    pub fn with_safe_names(&self) -> Ast {
        let mut ast = self.clone();
        ast.definitions.iter_mut().for_each(|definition| definition.name = format!("fn-{}", definition.name).into());
        ast.arrays.iter_mut().for_each(|array| array.name = format!("array-{}", array.name).into());
        ast
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
    /// Calls a defined word.
    Call(DefinitionId),
    /// Pushes the address of an array.
    Address(ArrayId),
    /// `leave`: ends the innermost loop around it. Nothing follows it in its body.
    Leave,
    /// `exit`: ends the call of the definition that it stands in, or the program. Nothing follows it in its body.
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
