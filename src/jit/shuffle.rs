//! Plans for shuffles, the words that only copy and reorder values. They are computed at compile time from the table of
//! words.

use crate::lang::Word;
use crate::lang::words::{Meaning, WORDS};

/// A register, by its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Register {
    /// Holds the top of the stack.
    Top,
    /// The temporary with this index.
    Temporary(u8),
}

/// One step. Slots count from the slot of the word's lowest operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Loads a slot. With `last`, the slot is dead after it.
    Load { to: Register, slot: i8, last: bool },
    /// Stores to a slot.
    Store { from: Register, slot: i8 },
    /// Moves an operand to the register of the top.
    MoveToTop { from: Register },
}

/// The steps of one word, in order. Three operands and three results need at most six.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    steps: [Step; 6],
    len: usize,
}

/// The plans of all words: first for a top in memory, then for a top in a register. The plans of other words than
/// shuffles are empty.
static PLANS: [[Plan; WORDS.len()]; 2] = [plans(false), plans(true)];

impl Plan {
    const EMPTY: Plan = Plan { steps: [Step::MoveToTop { from: Register::Top }; 6], len: 0 };

    /// The plan of a shuffle.
    #[inline(always)]
    pub fn of(word: Word, top_in_register: bool) -> &'static Plan {
        &PLANS[usize::from(top_in_register)][word as usize]
    }

    /// Its steps.
    #[inline(always)]
    pub fn steps(&self) -> &[Step] {
        &self.steps[..self.len]
    }

    const fn then(mut self, step: Step) -> Plan {
        self.steps[self.len] = step;
        self.len += 1;
        self
    }
}

const fn plans(top_in_register: bool) -> [Plan; WORDS.len()] {
    let mut plans = [Plan::EMPTY; WORDS.len()];
    let mut index = 0;
    while index < WORDS.len() {
        if matches!(WORDS[index].1.meaning, Meaning::Shuffle) {
            plans[index] = plan(WORDS[index].0, top_in_register);
        }
        index += 1;
    }
    plans
}

/// Loads the operands that move, then stores them. An operand that stays in its slot needs no step.
const fn plan(word: Word, top_in_register: bool) -> Plan {
    let (pops, pushes) = (word.pops(), word.pushes());
    // This many operands and results are in slots. A further one is in the register of the top.
    let operands = pops - top_in_register as usize;
    let results = pushes.saturating_sub(top_in_register as usize);
    // The operand that moves to the top, if one does.
    let to_top =
        if results < pushes && word.origins()[results] < operands { Some(word.origins()[results]) } else { None };

    let mut plan = Plan::EMPTY;
    // An operand that becomes the top and is needed nowhere else is loaded directly into the register of the top, after
    // the old top has been stored.
    let mut top_load = None;
    let mut operand = 0;
    while operand < operands {
        let stays = operand < results && word.origins()[operand] == operand;
        let overwritten = operand < results && !stays;
        let to_slots = is_stored_elsewhere(word, operand, results);
        let becomes_top = matches!(to_top, Some(from) if from == operand);
        if becomes_top && !to_slots && !overwritten {
            top_load = Some(Step::Load { to: Register::Top, slot: operand as i8, last: !stays });
        } else if becomes_top || to_slots {
            plan = plan.then(Step::Load { to: Register::Temporary(operand as u8), slot: operand as i8, last: !stays });
        }
        operand += 1;
    }
    let mut result = 0;
    while result < results {
        let from = word.origins()[result];
        if from >= operands {
            plan = plan.then(Step::Store { from: Register::Top, slot: result as i8 });
        } else if from != result {
            plan = plan.then(Step::Store { from: Register::Temporary(from as u8), slot: result as i8 });
        }
        result += 1;
    }
    match (top_load, to_top) {
        (Some(load), _) => plan.then(load),
        (None, Some(operand)) => plan.then(Step::MoveToTop { from: Register::Temporary(operand as u8) }),
        (None, None) if top_in_register && pushes == 0 => {
            plan.then(Step::Load { to: Register::Top, slot: -1, last: true })
        }
        (None, None) => plan,
    }
}

/// Whether an operand is copied to a slot other than its own.
const fn is_stored_elsewhere(word: Word, operand: usize, results: usize) -> bool {
    let mut result = 0;
    while result < results {
        if word.origins()[result] == operand && result != operand {
            return true;
        }
        result += 1;
    }
    false
}
