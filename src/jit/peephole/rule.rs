//! The names of the peephole rules, and how often each fired.

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident $text:literal;)*) => {
        /// A rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule { $($(#[$doc])* $name,)* }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Rule] = &[$(Rule::$name),*];

            /// Its name in reports.
            pub const fn name(self) -> &'static str {
                match self { $(Rule::$name => $text,)* }
            }
        }
    };
}

rules! {
    /// Removes a move of a register to itself.
    SelfMove "self-move";
    /// Removes a definition that is overwritten before it is read.
    DeadDefinition "dead-definition";
    /// Removes a store that is overwritten before it is read.
    DeadStore "dead-store";
    /// Turns a store and a load of its slot into a move.
    StoreLoad "store-load";
    /// The same with one operation between them, or with a load from memory and the operation that computes its address.
    StoreOtherLoad "store-other-load";
    /// Removes a load of a slot that holds the same value as the top, or turns it into a move.
    LoadedTop "loaded-top";
    /// Removes a store of the top to a slot that holds the same value.
    StoredTop "stored-top";
    /// Reads one register for both operands if one is a copy of a stored value and the other is loaded from its slot.
    DuplicatedOperand "duplicated-operand";
    /// Computes a result directly in the register to which it is moved.
    Retarget "retarget";
    /// The same if the move is followed by a load of its source register.
    RetargetBeforeLoad "retarget-before-load";
    /// Reads an operand from the source of a move.
    MovedOperand "moved-operand";
    /// The same if the reader is a second move, with a store between the two moves.
    MovedOverStore "moved-over-store";
    /// Swaps the operands instead of moving the top before a load.
    ExchangedOperands "exchanged-operands";
    /// Swaps the operands instead of swapping the top two values.
    SwappedOperands "swapped-operands";
    /// Turns a constant operand into an immediate.
    ConstantOperand "constant-operand";
    /// Turns two additions of immediates into one.
    AddedImmediates "added-immediates";
    /// Turns an addition of a constant to an address into the offset of a memory access.
    AddedOffset "added-offset";
    /// Accesses a memory cell directly if its number is a constant and it exists.
    KnownCell "known-cell";
    /// Turns a comparison and a branch on its result into a compare-and-branch.
    CompareBranch "compare-branch";
}

/// How often each rule fired, in the order of [`Rule::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fired([u32; Rule::ALL.len()]);

impl Fired {
    /// The rules that fired, each with its count.
    pub fn counts(&self) -> impl Iterator<Item = (Rule, u32)> {
        Rule::ALL.iter().copied().zip(self.0).filter(|(_, count)| *count > 0)
    }

    #[inline(always)]
    pub(super) fn add(&mut self, rule: Rule, count: u32) {
        self.0[rule as usize] += count;
    }
}
