//! The names of the peephole rules, and how often each fired.

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident $text:literal;)*) => {
        /// The rules by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule { $($(#[$doc])* $name,)* }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Rule] = &[$(Rule::$name),*];

            /// The name under which a rule is reported.
            pub const fn name(self) -> &'static str {
                match self { $(Rule::$name => $text,)* }
            }
        }
    };
}

rules! {
    /// A register moved to itself.
    SelfMove "self-move";
    /// A register written twice without being read.
    DeadDefinition "dead-definition";
    /// A slot written twice without being read.
    DeadStore "dead-store";
    /// A store followed by its load becomes a move.
    StoreLoad "store-load";
    /// The same with one operation between them.
    StoreOtherLoad "store-other-load";
    /// A load from a slot that holds the same as the top is none, or a move.
    LoadedTop "loaded-top";
    /// The top is stored to a slot that holds the same.
    StoredTop "stored-top";
    /// A value stored, copied and loaded for both operands is one operand twice.
    DuplicatedOperand "duplicated-operand";
    /// A result computed in a temporary and then moved is computed where it goes.
    Retarget "retarget";
    /// The same for a register that is loaded anew behind the move.
    RetargetBeforeLoad "retarget-before-load";
    /// A moved operand is read where it comes from.
    MovedOperand "moved-operand";
    /// The same where a store stands between.
    MovedOverStore "moved-over-store";
    /// A top spilled for a new one and loaded as the other operand changes places with it.
    ExchangedOperands "exchanged-operands";
    /// The top and the value below it are exchanged and then both consumed.
    SwappedOperands "swapped-operands";
    /// A constant operand becomes an immediate.
    ConstantOperand "constant-operand";
    /// Two additions of immediates become one.
    AddedImmediates "added-immediates";
    /// A comparison whose flag is branched on becomes a comparison and branch.
    CompareBranch "compare-branch";
}

/// How often each rule fired, in the order of [`Rule::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fired([u32; Rule::ALL.len()]);

impl Fired {
    /// The rules that fired, with how often.
    pub fn counts(&self) -> impl Iterator<Item = (Rule, u32)> {
        Rule::ALL.iter().copied().zip(self.0).filter(|(_, count)| *count > 0)
    }

    #[inline(always)]
    pub(super) fn add(&mut self, rule: Rule, count: u32) {
        self.0[rule as usize] += count;
    }
}
