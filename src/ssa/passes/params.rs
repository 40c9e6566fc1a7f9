//! Removes each parameter of a block whose arguments are all the same value, or the parameter itself.
//!
//! The builder makes a parameter of every slot that a loop reaches, even of those that it only reads.
//!
//! Needs nothing. Keeps the blocks. Afterwards, the values that a loop does not change are defined outside of it.

use super::Target;
use super::rewrite::Replaced;
use crate::ssa::ir::{Block, End, Function, Value};

/// Runs the pass.
pub fn run(function: &mut Function, _: &Target) {
    let mut replaced = Replaced::none(function);
    let edges = function.jumps_to();
    // Removing a parameter may make another one redundant. The number of rounds is limited, so that the time is linear.
    for _ in 0..ROUNDS {
        let mut has_changed = false;
        for &block in &function.layout {
            for index in (0..function.block(block).params.len()).rev() {
                let param = function.block(block).params[index];
                if let Some(value) = only_value(function, &edges[block.index()], index, param, &replaced) {
                    replaced.set(param, value);
                    function.blocks[block.index()].params.remove(index);
                    for from in &edges[block.index()] {
                        if let End::Jump(edge) = &mut function.blocks[from.index()].end {
                            edge.args.remove(index);
                        }
                    }
                    has_changed = true;
                }
            }
        }
        if !has_changed {
            break;
        }
    }
    replaced.apply(function);
}

/// The greatest number of walks over all parameters.
const ROUNDS: usize = 4;

/// The only value besides the parameter itself that the edges pass for it, if there is just one.
fn only_value(function: &Function, edges: &[Block], index: usize, param: Value, replaced: &Replaced) -> Option<Value> {
    let mut only = None;
    for from in edges {
        let value = replaced.get(function.block(*from).end.passed()[index]);
        if value != param && only.replace(value).is_some_and(|other| other != value) {
            return None;
        }
    }
    only
}
