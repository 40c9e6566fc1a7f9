//! The engines by name: what each of them is, and whether this host runs it.

use crate::engine::{Engine, NoClock, Options, PrepareError};
use crate::interp::{bytecode::Interpreter, tree::Tree};
use crate::lang::{Source, load};
use crate::tiers::{Native, TIERS, support};

/// An engine's name and what it is, for people who choose one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name under which users ask for it.
    pub name: &'static str,
    /// What it is, in words. The README's table says the same.
    pub what: &'static str,
}

/// Our engines, the referee first.
pub const TABLE: [Entry; 8] = [
    Entry {
        name: "tree",
        what: "the referee: walks the syntax tree, checks every word itself, shares nothing with the others behind the parser",
    },
    Entry {
        name: "bytecode",
        what: "a fast interpreter: threaded code for a machine of three registers; shuffles cost nothing, frequent pairs of \
            words are one instruction, no check that the verifier made needless",
    },
    Entry {
        name: "jit-naive",
        what: "compiles to machine code; every value in memory, at a fixed distance from the data-stack pointer",
    },
    Entry {
        name: "jit-peephole",
        what: "the same with the peephole pass: `mov` and `add` become `add` with an immediate, a store and its load a move, …",
    },
    Entry { name: "jit-tos", what: "the top of the stack in a register" },
    Entry { name: "jit", what: "both" },
    Entry { name: "jit-push", what: "every push and pop moves the data-stack pointer, as in a first toy JIT" },
    Entry {
        name: "regs",
        what: "the register tier: values stay in registers across words and passes of loops, shuffles cost nothing, \
            constants are folded",
    },
];

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

/// The peers that this program was built with.
#[cfg(feature = "peers")]
pub const PEER_TABLE: [Entry; 2] = [
    Entry {
        name: crate::peers::cranelift::NAME,
        what: "Wasmtime's compiler, with `opt_level = speed`: our bytecode, each slot of the stack a variable",
    },
    Entry {
        name: crate::peers::wasmi::NAME,
        what: "an interpreter of WebAssembly: a module in which values are locals and shuffles no instructions",
    },
];

/// The peers that this program was built with.
#[cfg(not(feature = "peers"))]
pub const PEER_TABLE: [Entry; 0] = [];

/// The names of the peers that this program was built with.
pub const PEERS: &[&str] = &names_of(&PEER_TABLE);

/// Every engine that [`engine`] knows: ours, then the peers.
pub fn entries() -> impl Iterator<Item = Entry> {
    TABLE.into_iter().chain(PEER_TABLE)
}

/// The names of [`entries`].
pub fn names() -> impl Iterator<Item = &'static str> {
    entries().map(|entry| entry.name)
}

/// Whether this host can run what the engine of this name makes.
///
/// # Errors
/// Why it cannot, in words.
///
/// # Panics
/// If there is no engine of this name.
pub fn availability(name: &str) -> Result<(), String> {
    let mut engine = engine(name).expect("the name is one of an engine");
    let nothing = load(&Source::new("nothing", ""), 0).expect("the empty text is a program");
    match engine.prepare(&nothing, &Options::default(), &mut NoClock) {
        Err(PrepareError::Unsupported { reason, .. }) => Err(reason),
        _ => Ok(()),
    }
}

/// The engine of this name, if there is one. That there is does not say that the host can run what it makes.
pub fn engine(name: &str) -> Option<Box<dyn Engine>> {
    match name {
        Tree::NAME => Some(Box::new(Tree)),
        Interpreter::NAME => Some(Box::new(Interpreter::default())),
        #[cfg(feature = "peers")]
        crate::peers::cranelift::NAME => Some(Box::new(crate::peers::cranelift::Cranelift::default())),
        #[cfg(feature = "peers")]
        crate::peers::wasmi::NAME => Some(Box::new(crate::peers::wasmi::Wasmi::default())),
        _ => {
            let (name, tier) = TIERS.into_iter().find(|(tier, _)| *tier == name)?;
            Some(Box::new(Native::new(name, tier)))
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

    #[test]
    fn every_name_has_its_engine() {
        for name in names() {
            assert_eq!(engine(name).map(|engine| engine.name()), Some(name));
        }
        assert!(engine("jit-").is_none());
        // The interpreters run everywhere, what makes machine code where there is a compiler for the host.
        for name in names() {
            let makes_code = TIERS.iter().any(|(tier, _)| *tier == name) || name == "cranelift";
            assert_eq!(availability(name).is_ok(), !makes_code || support().is_ok(), "{name}");
        }
        assert_eq!(ENGINES.len(), 2 + TIERS.len());
    }
}
