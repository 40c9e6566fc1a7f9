//! The price of an allocation: instructions that compute nothing, but bring values to where other instructions need them.

use std::ops::AddAssign;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::ir::{Block, Function};
use super::{allocate_checked, emit};
use crate::bytecode::FunctionId;
use crate::isa::Isa;
use crate::lir::{Op, Reg};

/// Numbers of instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Copies between registers, also those that the emitter adds because an instruction overwrites its operand.
    pub moves: u64,
    /// Loads from frame slots.
    pub reloads: u64,
    /// Stores to frame slots.
    pub stores: u64,
    /// Loads of constants.
    pub constants: u64,
}

impl Traffic {
    /// The traffic of an operation.
    pub fn of<I: Isa>(op: Op) -> Traffic {
        Traffic {
            moves: u64::from(matches!(op, Op::Move { .. })) + u64::from(I::copies(op)),
            reloads: matches!(op, Op::LoadFrame { .. }).into(),
            stores: matches!(op, Op::StoreFrame { .. }).into(),
            constants: matches!(op, Op::Constant { .. }).into(),
        }
    }

    /// The numbers, in the order of their declaration.
    pub fn numbers(&self) -> [u64; 4] {
        [self.moves, self.reloads, self.stores, self.constants]
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Traffic) {
        self.moves += other.moves;
        self.reloads += other.reloads;
        self.stores += other.stores;
        self.constants += other.constants;
    }
}

/// The traffic of one execution of each block of a function. A block may be listed several times, and then all of it counts.
pub type OfBlocks = Vec<(Block, Traffic)>;

/// The traffic of a legalized function in the code of this tier.
///
/// # Panics
/// If the allocation is wrong, or needs too many frame slots.
pub fn of_linear_scan<I: Isa>(mut function: Function, pool: &[Reg]) -> OfBlocks {
    let allocation = allocate_checked::<I>(&mut function, pool, true).expect("the function needs few frame slots");
    let mut code = emit::Code::default();
    emit::emit::<I>(&function, &allocation, pool, false, &mut code);
    let mut blocks = emit::blocks(&function, &allocation, pool).into_iter();
    let mut traffic = OfBlocks::new();
    for (_, op) in code.ops {
        if let Op::Label(_) = op {
            traffic.push((blocks.next().expect("a label begins a block"), Traffic::default()));
        } else if let Some((_, of_block)) = traffic.last_mut() {
            *of_block += Traffic::of::<I>(op);
        }
    }
    traffic
}

/// The traffic of a run in which blocks were executed this often.
pub fn executed(of_functions: &[(FunctionId, OfBlocks)], executions: &FxHashMap<(FunctionId, Block), u64>) -> Traffic {
    let mut sum = Traffic::default();
    for (id, of_blocks) in of_functions {
        for (block, Traffic { moves, reloads, stores, constants }) in of_blocks {
            let times = executions.get(&(*id, *block)).copied().unwrap_or(0);
            let [moves, reloads, stores, constants] = [moves, reloads, stores, constants].map(|count| count * times);
            sum += Traffic { moves, reloads, stores, constants };
        }
    }
    sum
}
