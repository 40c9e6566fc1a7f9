//! The engines by name: a description of each, and whether this host can run it.

use crate::engine::{Engine, NoClock, Options, PrepareError};
use crate::interp::{bytecode::Interpreter, tree::Tree};
use crate::isa::Tuning;
use crate::lang::{Source, load};
use crate::ssa::{Passes, Settings};
use crate::tiered::{Again, Costs, Threshold, Tiered};
use crate::tiers::{AnyTier, Native, Optimizing, TIERS, support};

/// An engine's name and its description, for people who choose an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name by which users select the engine.
    pub name: &'static str,
    /// The description. The README's table of engines repeats it, and a test compares the two.
    pub what: &'static str,
}

/// Our engines, the referee first.
pub const TABLE: [Entry; 10] = [
    Entry {
        name: "tree",
        what: "the referee: a deliberately simple interpreter that walks the syntax tree and checks every word \
            itself; it shares only the parser with the other engines",
    },
    Entry {
        name: "bytecode",
        what: "the fast interpreter: threaded code for a machine with three registers; shuffles cost nothing, \
            frequent pairs of words are one instruction, and checks that the verifier proved unnecessary are left out",
    },
    Entry {
        name: "jit-naive",
        what: "a compiler that keeps every value in memory, at a fixed offset from the data-stack pointer",
    },
    Entry {
        name: "jit-peephole",
        what: "`jit-naive` with a peephole pass: `mov` and `add` become an `add` with an immediate, a store and its \
            load become a move, and so on",
    },
    Entry { name: "jit-tos", what: "`jit-naive` with the top of the stack in a register" },
    Entry { name: "jit", what: "`jit-naive` with both: the top of the stack in a register and the peephole pass" },
    Entry {
        name: "jit-push",
        what: "a compiler that moves the data-stack pointer at every push and pop, like a first toy JIT",
    },
    Entry {
        name: "regs",
        what: "the register tier: values stay in registers across words and loop iterations, shuffles cost nothing, \
            and constants are folded",
    },
    Entry {
        name: "ssa",
        what: "the optimizing tier: values are numbered so that nothing is computed twice, passes improve the program, and \
            registers are allocated by linear scan",
    },
    Entry {
        name: Tiered::NAME,
        what: "interprets short runs without any preparation, and begins others in `bytecode` or in machine code, whichever it \
            expects to be faster; compiles what turns out to be hot with `jit` and then with `regs`, and switches to the new code \
            even in the middle of a loop",
    },
];

/// Engines with other switches, for the oracle and for experiments. The name says when [`Tiered`] compiles a function: at the first
/// iteration of one of its loops or at its first call, and so on.
pub const VARIANTS: [(&str, Threshold); 8] = [
    ("tiered:0", Threshold::At(0)),
    ("tiered:1", Threshold::At(1)),
    ("tiered:2", Threshold::At(2)),
    ("tiered:3", Threshold::At(3)),
    ("tiered:never", Threshold::Never),
    ("tiered:switch", Threshold::BreakEven(Costs::SWITCHING)),
    ("tiered:watching", Threshold::BreakEven(Costs::FORBIDDING)),
    ("tiered:eager", Threshold::BreakEven(Costs::EAGER)),
];

/// The optimizing tier with other passes: none, one alone, or all but one; and with as few registers as possible. All of them check
/// every step.
pub const SSA_VARIANTS: [(&str, Passes, usize); 20] = [
    ("ssa:none", Passes::NONE, usize::MAX),
    ("ssa:inline", alone("inline"), usize::MAX),
    ("ssa:params", alone("params"), usize::MAX),
    ("ssa:bounds", alone("bounds"), usize::MAX),
    ("ssa:fold", alone("fold"), usize::MAX),
    ("ssa:pre", alone("pre"), usize::MAX),
    ("ssa:reassociate", alone("reassociate"), usize::MAX),
    ("ssa:strength", alone("strength"), usize::MAX),
    ("ssa:fuse", alone("fuse"), usize::MAX),
    ("ssa:dead", alone("dead"), usize::MAX),
    ("ssa:no-inline", all_but("inline"), usize::MAX),
    ("ssa:no-params", all_but("params"), usize::MAX),
    ("ssa:no-bounds", all_but("bounds"), usize::MAX),
    ("ssa:no-fold", all_but("fold"), usize::MAX),
    ("ssa:no-pre", all_but("pre"), usize::MAX),
    ("ssa:no-reassociate", all_but("reassociate"), usize::MAX),
    ("ssa:no-strength", all_but("strength"), usize::MAX),
    ("ssa:no-fuse", all_but("fuse"), usize::MAX),
    ("ssa:no-dead", all_but("dead"), usize::MAX),
    ("ssa:few", Passes::ALL, 0),
];

const fn alone(pass: &str) -> Passes {
    Passes::named(pass).expect("the pass exists")
}

const fn all_but(pass: &str) -> Passes {
    Passes::ALL.without(alone(pass))
}

/// The engine that executes each run several times on [`Tiered`]: with a cold cache, a warm one, and profiles.
pub const AGAIN: &str = "tiered:again";

/// The names of our engines, the referee first.
pub const ENGINES: [&str; TABLE.len()] = names_of(&TABLE);

const fn names_of<const N: usize>(table: &[Entry; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut at = 0;
    while at < N {
        names[at] = table[at].name;
        at += 1;
    }
    names
}

/// The peers in this build.
#[cfg(feature = "peers")]
pub const PEER_TABLE: [Entry; 2] = [
    Entry {
        name: crate::peers::cranelift::NAME,
        what: "Wasmtime's compiler with `opt_level = speed`: compiles our bytecode, with a variable for each stack slot",
    },
    Entry {
        name: crate::peers::wasmi::NAME,
        what: "a WebAssembly interpreter: runs a module that keeps values in locals and needs no instructions for shuffles",
    },
];

/// The peers in this build.
#[cfg(not(feature = "peers"))]
pub const PEER_TABLE: [Entry; 0] = [];

/// The names of the peers in this build.
pub const PEERS: &[&str] = &names_of(&PEER_TABLE);

/// Every engine that [`engine`] knows: first our engines, then the peers.
pub fn entries() -> impl Iterator<Item = Entry> {
    TABLE.into_iter().chain(PEER_TABLE)
}

/// The names of [`entries`].
pub fn names() -> impl Iterator<Item = &'static str> {
    entries().map(|entry| entry.name)
}

/// Whether the engine of this name can change from the interpreter to machine code in the middle of a run.
pub fn changes_tiers(name: &str) -> bool {
    let changes = |threshold| match threshold {
        Threshold::At(0) | Threshold::Never => false,
        Threshold::BreakEven(costs) => costs.can_pay() && costs.can_translate(),
        Threshold::At(_) => true,
    };
    let variant = VARIANTS.into_iter().find(|(variant, _)| *variant == name);
    name == Tiered::NAME || name == AGAIN || variant.is_some_and(|(_, threshold)| changes(threshold))
}

/// The names of all engines and of their [`VARIANTS`]: what the oracle compares.
pub fn all_names() -> impl Iterator<Item = &'static str> {
    let optimizing = SSA_VARIANTS.into_iter().map(|(name, ..)| name);
    names().chain(VARIANTS.into_iter().map(|(name, _)| name)).chain([AGAIN]).chain(optimizing)
}

/// Checks whether this host can run the engine of this name.
///
/// # Errors
/// The reason, in words, if the host cannot run the engine.
///
/// # Panics
/// If there is no engine of this name.
pub fn availability(name: &str) -> Result<(), String> {
    let mut engine = engine(name).expect("an engine has this name");
    let nothing = load(&Source::new("nothing", ""), 0).expect("the empty text is a program");
    match engine.prepare(&nothing, &Options::default(), &mut NoClock) {
        Err(PrepareError::Unsupported { reason, .. }) => Err(reason),
        _ => Ok(()),
    }
}

/// The engine of this name, if there is one. The host may be unable to run it: see [`availability`].
pub fn engine(name: &str) -> Option<Box<dyn Engine>> {
    match name {
        Tree::NAME => Some(Box::new(Tree)),
        Interpreter::NAME => Some(Box::new(Interpreter::default())),
        Tiered::NAME => Some(Box::new(Tiered::new(Tiered::NAME, Threshold::DEFAULT))),
        #[cfg(feature = "peers")]
        crate::peers::cranelift::NAME => Some(Box::new(crate::peers::cranelift::Cranelift::default())),
        #[cfg(feature = "peers")]
        crate::peers::wasmi::NAME => Some(Box::new(crate::peers::wasmi::Wasmi::default())),
        _ => {
            if let Some((name, tier)) = TIERS.into_iter().find(|(tier, _)| *tier == name) {
                return Some(Box::new(Native::new(name, tier)));
            }
            if let Some((name, passes, value_registers)) =
                SSA_VARIANTS.into_iter().find(|(variant, ..)| *variant == name)
            {
                let tuning = Tuning { value_registers, ..Tuning::default() };
                let tier = AnyTier::Optimizing(Optimizing { settings: Settings { passes, checks: true } });
                return Some(Box::new(Native::with_tuning(name, tier, tuning)));
            }
            if name == AGAIN {
                return Some(Box::new(Again::new(AGAIN)));
            }
            let (name, threshold) = VARIANTS.into_iter().find(|(variant, _)| *variant == name)?;
            Some(Box::new(Tiered::new(name, threshold)))
        }
    }
}

/// The name of the fastest engine.
pub const FASTEST: &str = "regs";

/// The name of the fastest engine that every host can run.
pub const PORTABLE: &str = Interpreter::NAME;

/// The name of the fastest engine that this host can run.
pub fn fastest() -> &'static str {
    if support().is_ok() { FASTEST } else { PORTABLE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssa::PASSES;

    #[test]
    fn every_name_has_its_engine() {
        for name in names() {
            assert_eq!(engine(name).map(|engine| engine.name()), Some(name));
        }
        assert!(engine("jit-").is_none());
        // The interpreters run on every host. Engines that emit machine code need a compiler for the host.
        for name in names() {
            let emits_code = TIERS.iter().any(|(tier, _)| *tier == name) || name == "cranelift";
            assert_eq!(availability(name).is_ok(), !emits_code || support().is_ok(), "{name}");
        }
        assert_eq!(ENGINES.len(), 3 + TIERS.len());
    }

    #[test]
    fn every_pass_has_its_variants() {
        for pass in PASSES {
            let own = Passes::named(pass.name).expect("it is in the list");
            for (name, passes) in
                [(format!("ssa:{}", pass.name), own), (format!("ssa:no-{}", pass.name), Passes::ALL.without(own))]
            {
                let has = SSA_VARIANTS.iter().any(|variant| (variant.0, variant.1) == (name.as_str(), passes));
                assert!(has, "SSA_VARIANTS has no {name}");
            }
        }
    }
}
