//! The engines by name.

use crate::engine::Engine;
use crate::interp::{bytecode::Interpreter, tree::Tree};
use crate::tiers::{Native, TIERS, support};

/// The names of all engines, the referee first.
pub const ENGINES: [&str; 8] = ["tree", "bytecode", "jit-naive", "jit-peephole", "jit-tos", "jit", "jit-push", "regs"];

/// The names of the peers that this program was built with.
#[cfg(feature = "peers")]
pub const PEERS: &[&str] = &[crate::peers::cranelift::NAME, crate::peers::wasmi::NAME];

/// The names of the peers that this program was built with.
#[cfg(not(feature = "peers"))]
pub const PEERS: &[&str] = &[];

/// Every name that [`engine`] knows: ours, then the peers.
pub fn names() -> impl Iterator<Item = &'static str> {
    ENGINES.into_iter().chain(PEERS.iter().copied())
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

/// The name of the fastest engine that the host can run.
pub fn fastest() -> &'static str {
    if support().is_ok() { "regs" } else { "bytecode" }
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
        assert_eq!(ENGINES.len(), 2 + TIERS.len());
    }
}
