//! What each loop and each branch does to the depth, found in one walk before code is made.
//!
//! Depths are counted from the last border where they are not known exactly; there a new count begins.

use crate::bytecode::{Bytecode, Op, Pc};

/// What is known of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loop {
    /// Whether every pass ends as deep as it began.
    pub is_level: bool,
    /// How many of the values that lie there at its head it uses.
    pub reach: i64,
    /// Whether no other loop is inside.
    pub is_innermost: bool,
}

/// What is known of a program.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// The loops, in the order of [`Bytecode::heads`].
    pub loops: Vec<Loop>,
    /// For each operation that branches forward, whether its target is always reached at the same depth.
    pub is_level: Vec<bool>,
}

/// A depth, and since which border it is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Depth {
    border: u32,
    values: i64,
}

/// A loop that is open.
struct OpenLoop {
    index: usize,
    depth: Depth,
    /// The lowest depth around it so far.
    lowest: i64,
}

/// The target of a branch.
struct Target {
    at: Pc,
    branch: usize,
    depth: Depth,
}

struct Walk {
    shape: Shape,
    loops: Vec<OpenLoop>,
    /// Targets that lie ahead, the nearest last.
    targets: Vec<Target>,
    here: Depth,
    borders: u32,
    /// The lowest depth in the innermost open loop.
    lowest: i64,
    /// Whether nothing falls through to here.
    is_dead: bool,
}

/// Looks at a program.
pub fn shape(code: &Bytecode) -> Shape {
    let here = Depth { border: 0, values: code.inputs() as i64 };
    let mut walk = Walk {
        shape: Shape::default(),
        loops: Vec::new(),
        targets: Vec::new(),
        here,
        borders: 0,
        lowest: 0,
        is_dead: false,
    };
    let mut heads = code.heads().iter().peekable();
    for (index, op) in code.ops().iter().enumerate() {
        let pc = Pc(index as u32);
        walk.bind(pc);
        while heads.next_if(|head| **head == pc).is_some() {
            walk.head();
        }
        match *op {
            Op::Literal(_) => walk.effect(0, 1),
            Op::Word(word) => walk.effect(word.pops() as i64, word.pushes() as i64),
            Op::Pick(depth) => {
                // Half of all depths is more than any stack has.
                let pops = depth.min(1 << 62) as i64 + 1;
                walk.effect(pops, pops + 1);
            }
            Op::Times { exit, .. } => {
                walk.effect(1, 0);
                walk.branch(exit);
            }
            Op::Next { .. } => {
                walk.end_loop();
            }
            Op::BranchIfZero(to) => {
                walk.effect(1, 0);
                walk.branch(to);
            }
            Op::Jump(to) if to > pc => {
                // The branch that led here has its target directly behind.
                let behind = walk.targets.pop().expect("a jump forward ends the first branch of an `if`");
                walk.branch(to);
                walk.targets.push(behind);
                walk.is_dead = true;
            }
            Op::Jump(_) => {
                if !walk.end_loop() {
                    // So is it behind the loop, where only the branch leads that leaves it.
                    walk.targets.last_mut().expect("a `while` is left by a branch").depth = walk.here;
                }
                walk.is_dead = true;
            }
            Op::Fuel | Op::Need { .. } | Op::Room { .. } | Op::Return => {}
        }
    }
    walk.shape
}

impl Walk {
    fn effect(&mut self, pops: i64, pushes: i64) {
        self.lowest = self.lowest.min(self.here.values - pops);
        self.here.values += pushes - pops;
    }

    fn branch(&mut self, at: Pc) {
        self.targets.push(Target { at, branch: self.shape.is_level.len(), depth: self.here });
        self.shape.is_level.push(true);
    }

    /// The branches that lead to an operation.
    fn bind(&mut self, pc: Pc) {
        while let Some(Target { branch, depth, .. }) = self.targets.pop_if(|target| target.at == pc) {
            if self.is_dead {
                (self.here, self.is_dead) = (depth, false);
            } else if self.here != depth {
                self.shape.is_level[branch] = false;
                self.border();
            }
        }
    }

    /// From here on depths are counted anew.
    fn border(&mut self) {
        self.borders += 1;
        self.here = Depth { border: self.borders, values: 0 };
    }

    fn head(&mut self) {
        if let Some(around) = self.loops.last() {
            self.shape.loops[around.index].is_innermost = false;
        }
        self.loops.push(OpenLoop { index: self.shape.loops.len(), depth: self.here, lowest: self.lowest });
        self.shape.loops.push(Loop { is_level: true, reach: 0, is_innermost: true });
        self.lowest = self.here.values;
    }

    /// Says whether the depth is still known.
    fn end_loop(&mut self) -> bool {
        let OpenLoop { index, depth, lowest } = self.loops.pop().expect("the end of a loop stands behind its head");
        let facts = &mut self.shape.loops[index];
        facts.is_level = self.here == depth;
        facts.reach = depth.values - self.lowest;
        self.lowest = self.lowest.min(lowest);
        let is_level = facts.is_level;
        if !is_level {
            self.border();
        }
        is_level
    }
}
