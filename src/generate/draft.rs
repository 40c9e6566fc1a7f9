//! A program without positions and names, which can be changed: what the generator builds and the shrinker reduces.

use std::ops::Range;

use crate::host_stack::with_room;
use crate::lang::{Array, ArrayId, Ast, Definition, DefinitionId, Node, NodeKind, Span};

/// Nodes, definitions and arrays. [`Draft::ast`] names and places them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// The nodes of the main program, then those of each definition, like [`Ast::nodes`].
    pub nodes: Vec<NodeKind>,
    /// The number of nodes of the main program.
    pub main: usize,
    pub definitions: Vec<Effect>,
    /// The number of cells of each array.
    pub arrays: Vec<u32>,
}

/// A definition without its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub params: u32,
    pub results: u32,
    /// The end of its body in [`Draft::nodes`]. The body begins where the part before it ends.
    pub end: usize,
}

impl Draft {
    /// A main program without definitions and arrays.
    pub fn new(nodes: Vec<NodeKind>) -> Draft {
        let main = nodes.len();
        Draft { nodes, main, ..Draft::default() }
    }

    /// The draft of a program.
    pub fn of(ast: &Ast) -> Draft {
        let effect = |definition: &Definition| {
            let Definition { params, results, ref body, .. } = *definition;
            Effect { params, results, end: body.end }
        };
        Draft {
            nodes: ast.nodes().iter().map(|node| node.kind).collect(),
            main: ast.main().end,
            definitions: ast.definitions().iter().map(effect).collect(),
            arrays: ast.arrays().iter().map(|array| array.cells).collect(),
        }
    }

    /// Appends a definition. The bounds of bodies in its nodes count from its first node.
    pub fn define(&mut self, params: u32, results: u32, body: &[NodeKind]) {
        let by = self.nodes.len() as u32;
        self.nodes.extend(body.iter().map(|&kind| mapped(kind, |bound| bound + by)));
        self.definitions.push(Effect { params, results, end: self.nodes.len() });
    }

    /// The main program.
    pub fn main(&self) -> Range<usize> {
        0..self.main
    }

    /// The body of a definition.
    pub fn body(&self, id: DefinitionId) -> Range<usize> {
        let before = id.index().checked_sub(1);
        before.map_or(self.main, |before| self.definitions[before].end)..self.definitions[id.index()].end
    }

    /// The definition with an index.
    pub fn effect(&self, id: DefinitionId) -> Effect {
        self.definitions[id.index()]
    }

    /// The number of the first cell of an array.
    pub fn start(&self, id: ArrayId) -> u32 {
        self.arrays[..id.index()].iter().sum()
    }

    /// The tree. The spans are indices of nodes, so a trap shows which node trapped. Names follow them.
    pub fn ast(&self) -> Ast {
        let place = |index: usize| Span { start: index as u32, end: index as u32 + 1 };
        let nodes = self.nodes.iter().enumerate().map(|(index, &kind)| Node { kind, span: place(index) }).collect();
        let definition = |(index, effect): (usize, &Effect)| Definition {
            name: format!("f{index}").into(),
            span: place(self.nodes.len() + index),
            params: effect.params,
            results: effect.results,
            body: self.body(DefinitionId(index as u32)),
        };
        let array = |(index, &cells): (usize, &u32)| Array {
            name: format!("a{index}").into(),
            span: place(self.nodes.len() + self.definitions.len() + index),
            start: self.start(ArrayId(index as u32)),
            cells,
        };
        let definitions = self.definitions.iter().enumerate().map(definition).collect();
        Ast::with(nodes, self.main, definitions, self.arrays.iter().enumerate().map(array).collect())
    }

    /// The draft with a range of nodes replaced by others. Bodies may open inside the range and end outside, or the reverse.
    /// Nodes that replace an empty range belong to the body that ends there, if one does.
    pub fn replaced(&self, range: Range<usize>, by: &[NodeKind]) -> Draft {
        let moved =
            |bound: usize| if bound >= range.end { bound + by.len() - range.len() } else { bound.min(range.start) };
        let mut changed = self.clone();
        for kind in &mut changed.nodes {
            *kind = mapped(*kind, |bound| moved(bound as usize) as u32);
        }
        changed.main = moved(self.main);
        for definition in &mut changed.definitions {
            definition.end = moved(definition.end);
        }
        changed.nodes.splice(range, by.iter().copied());
        changed
    }

    /// The draft with some nodes replaced: `by` returns what stands in place of the node at an index. The bounds of its bodies
    /// count from its first node. A node with bodies cannot be replaced. `last` is appended to a definition.
    pub fn rewritten(
        &self,
        by: impl Fn(usize) -> Option<Vec<NodeKind>>,
        last: Option<(DefinitionId, NodeKind)>,
    ) -> Draft {
        let mut nodes: Vec<NodeKind> = Vec::with_capacity(self.nodes.len());
        // The new index of each node.
        let mut moved = vec![0; self.nodes.len()];
        let mut rewrite = |body: Range<usize>, last: Option<NodeKind>| {
            let mut kept = Vec::new();
            for index in body.clone() {
                let start = nodes.len() as u32;
                moved[index] = start;
                match by(index) {
                    Some(new) => nodes.extend(new.into_iter().map(|kind| mapped(kind, |bound| bound + start))),
                    None => {
                        kept.push(nodes.len());
                        nodes.push(self.nodes[index]);
                    }
                }
            }
            let end = nodes.len() as u32;
            for index in kept {
                let new = |bound: u32| if bound as usize == body.end { end } else { moved[bound as usize] };
                nodes[index] = mapped(nodes[index], new);
            }
            nodes.extend(last);
            nodes.len()
        };
        let main = rewrite(self.main(), None);
        let definitions = (0..self.definitions.len() as u32).map(DefinitionId).map(|id| {
            let last = last.and_then(|(of, kind)| (of == id).then_some(kind));
            Effect { end: rewrite(self.body(id), last), ..self.effect(id) }
        });
        let definitions = definitions.collect();
        Draft { nodes, main, definitions, arrays: self.arrays.clone() }
    }

    /// The draft without a definition that no word calls.
    pub fn without_definition(&self, id: DefinitionId) -> Draft {
        let mut changed = self.replaced(self.body(id), &[]);
        changed.definitions.remove(id.index());
        for kind in &mut changed.nodes {
            if let NodeKind::Call(callee) = kind
                && *callee > id
            {
                callee.0 -= 1;
            }
        }
        changed
    }

    /// The draft without an array. A literal replaces its address.
    pub fn without_array(&self, id: ArrayId) -> Draft {
        let mut changed = self.clone();
        changed.arrays.remove(id.index());
        let start = self.start(id).into();
        for kind in &mut changed.nodes {
            match kind {
                NodeKind::Address(array) if *array > id => array.0 -= 1,
                NodeKind::Address(array) if *array == id => *kind = NodeKind::Literal(start),
                _ => {}
            }
        }
        changed
    }

    /// The change in stack height when these nodes are executed once and no inner loop iterates.
    pub fn net_effect(&self, range: Range<usize>) -> i64 {
        with_room(|| self.net_effect_of_body(range)).unwrap_or(0)
    }

    /// Whether each iteration of a loop changes the stack height by `change`, as far as it does not end with a jump.
    pub fn changes_height_by(&self, change: i64, body: Range<usize>) -> bool {
        with_room(|| self.net_effect_of_body(body)).is_none_or(|net| net == change)
    }

    /// `None` if the nodes end with a jump.
    fn net_effect_of_body(&self, range: Range<usize>) -> Option<i64> {
        let (mut net, mut index) = (0, range.start);
        while index < range.end {
            let kind = self.nodes[index];
            net += match kind {
                NodeKind::Literal(_) | NodeKind::Pick(_) | NodeKind::Address(_) => 1,
                NodeKind::Put(_) => -1,
                NodeKind::Call(id) => i64::from(self.effect(id).results) - i64::from(self.effect(id).params),
                NodeKind::Word(word) => word.pushes() as i64 - word.pops() as i64,
                NodeKind::Times { .. } => -1,
                NodeKind::If { otherwise, end } => {
                    let then = self.net_effect_of_body(index + 1..otherwise as usize);
                    then.or_else(|| self.net_effect_of_body(otherwise as usize..end as usize))? - 1
                }
                NodeKind::While { body, .. } => self.net_effect_of_body(index + 1..body as usize)? - 1,
                NodeKind::Leave | NodeKind::Exit => return None,
            };
            index = kind.next(index);
        }
        Some(net)
    }
}

/// The node with other bounds of its bodies.
pub(crate) fn mapped(kind: NodeKind, moved: impl Fn(u32) -> u32) -> NodeKind {
    match kind {
        NodeKind::Times { end } => NodeKind::Times { end: moved(end) },
        NodeKind::If { otherwise, end } => NodeKind::If { otherwise: moved(otherwise), end: moved(end) },
        NodeKind::While { body, end } => NodeKind::While { body: moved(body), end: moved(end) },
        NodeKind::Literal(_)
        | NodeKind::Word(_)
        | NodeKind::Pick(_)
        | NodeKind::Put(_)
        | NodeKind::Call(_)
        | NodeKind::Address(_)
        | NodeKind::Leave
        | NodeKind::Exit => kind,
    }
}
