//! Early exits: `leave` and `exit` at the ends of branches.

use super::Grower;
use crate::lang::NodeKind;

/// A loop whose body is being drawn.
pub(super) struct OpenLoop {
    /// The number of values that the stack certainly holds where the loop ends on its own, if the verifier knows it exactly there.
    home: Option<usize>,
    /// The least number of values that the stack certainly holds at a `leave`.
    least: usize,
    /// Whether the verifier knows the height after the loop in spite of its `leave`s.
    exact: bool,
}

impl Grower<'_, '_> {
    /// Begins the body of a loop. `is_level` says that the loop, without `leave`, ends with the current height.
    pub(super) fn open_body(&mut self, is_level: bool) {
        let home = is_level.then_some(self.height + self.below);
        self.loops.push(Some(OpenLoop { home, least: usize::MAX, exact: true }));
    }

    /// Ends the body of a loop, after whose end `height` values may be popped unless it is left.
    pub(super) fn close_body(&mut self, height: usize) {
        let open = self.loops.pop().flatten().expect("the body of a loop is open");
        self.height = height.min(open.least.saturating_sub(self.below));
        self.exact &= open.exact;
    }

    /// Begins the condition of a `while`.
    pub(super) fn open_condition(&mut self) {
        self.loops.push(None);
    }

    /// Ends it.
    pub(super) fn close_condition(&mut self) {
        self.loops.pop();
    }

    /// Ends a branch with a closing word, now and then. Returns whether it did.
    pub(super) fn close_branch(&mut self) -> bool {
        let may_leave = matches!(self.loops.last(), Some(Some(_)));
        let exits = self.dice.one_in(if self.results.is_some() { 8 } else { 40 });
        if may_leave && self.dice.one_in(3) || exits {
            self.jump();
        } else if may_leave && self.dice.one_in(30) {
            self.close_both_branches(Self::jump);
        } else {
            return false;
        }
        true
    }

    /// An `if` that is a closing word because both of its branches end with `closing`.
    fn close_both_branches(&mut self, closing: impl Fn(&mut Self)) {
        self.flag();
        let opener = self.open();
        self.height -= 1;
        let entry = (self.height, self.exact);
        self.items(2, 0);
        closing(self);
        let otherwise = self.nodes.len() as u32;
        (self.height, self.exact) = entry;
        self.items(2, 0);
        closing(self);
        let end = self.nodes.len() as u32;
        self.nodes[opener] = NodeKind::If { otherwise, end };
    }

    /// Ends a definition with two `exit`s.
    pub(super) fn exits_in_both_branches(&mut self) {
        self.close_both_branches(Self::exit);
    }

    /// Appends `exit`. In a definition, the height becomes that of the results; afterwards it is what it was.
    pub(super) fn exit(&mut self) {
        if let Some(results) = self.results {
            let entry = (self.height, self.below);
            // Nothing follows, so words may pop even the values that the words around need.
            self.height += std::mem::take(&mut self.below);
            self.set_height(results);
            self.put(NodeKind::Exit);
            (self.height, self.below) = entry;
        } else {
            self.put(NodeKind::Exit);
        }
    }

    /// Appends `leave`, or sometimes `exit`.
    fn jump(&mut self) {
        let home = match self.loops.last() {
            Some(Some(open)) => open.home,
            _ => return self.exit(),
        };
        if self.dice.one_in(if self.results.is_some() { 3 } else { 8 }) {
            return self.exit();
        }
        if let Some(height) = home.and_then(|home| home.checked_sub(self.below))
            && (self.results.is_some() || self.dice.percent(85))
        {
            self.set_height(height);
        }
        self.put(NodeKind::Leave);
        let (height, exact) = (self.height + self.below, self.exact);
        if let Some(Some(open)) = self.loops.last_mut() {
            open.least = open.least.min(height);
            open.exact &= exact && open.home == Some(height);
        }
    }
}
