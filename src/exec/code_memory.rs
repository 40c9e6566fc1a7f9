//! Determines by trial how this host lets a process write code and execute it.

use std::fmt;
use std::sync::OnceLock;

use super::Code;
use super::arena::{Region, count_forks};

/// How memory for code is written and executed in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeMemory {
    /// Two mappings, one to write and one to execute. Creating and dropping a small piece of code takes no system call.
    DoubleMapping,
    /// Each piece of code has its own mapping, which is first writable and then executable.
    Toggling {
        /// Why a double mapping is not used, as text.
        reason: String,
    },
}

static FOUND: OnceLock<CodeMemory> = OnceLock::new();

/// Gives each piece of code its own mapping from now on.
///
/// # Panics
/// If code was already created in a double mapping.
pub fn disable_double_mapping(reason: &str) {
    let found = FOUND.get_or_init(|| CodeMemory::Toggling { reason: reason.into() });
    assert_ne!(*found, CodeMemory::DoubleMapping, "code was already created in a double mapping");
}

/// How memory for code is written and executed in this process.
pub fn code_memory() -> &'static CodeMemory {
    FOUND.get_or_init(|| match try_double_mapping() {
        Ok(()) => CodeMemory::DoubleMapping,
        Err(reason) => CodeMemory::Toggling { reason },
    })
}

/// Checks whether this process may execute code that it generates.
///
/// # Errors
/// The reason why it may not, as text.
pub fn can_execute() -> Result<(), &'static str> {
    static FOUND: OnceLock<Result<(), String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        if *code_memory() == CodeMemory::DoubleMapping {
            return Ok(());
        }
        let code = returns(1).ok_or("no emitter for this machine")?;
        let code = Code::new(&code).map_err(|error| format!("no executable memory: {error}"))?;
        // SAFETY: the code is for this machine and only returns a number.
        match unsafe { code.call(0) } {
            1 => Ok(()),
            _ => Err("generated code does not run correctly".into()),
        }
    });
    found.as_ref().copied().map_err(String::as_str)
}

/// Checks that code written through one mapping runs through the other, several times at the same address. Emulators
/// cache translated code. Many detect a write to code only if it uses the mapping that is executed.
fn try_double_mapping() -> Result<(), String> {
    let region = Region::open().map_err(|error| error.to_string())?;
    for answer in 1..=3 {
        let code = returns(answer).ok_or("no emitter for this machine")?;
        let piece = region.place(&code).expect("nothing else is in the region");
        // SAFETY: the code is for this machine and only returns a number.
        if unsafe { Code::in_piece(piece, code.len()).call(0) } != u64::from(answer) {
            return Err("old code still runs after it was overwritten, as in an emulator".into());
        }
    }
    count_forks().map_err(|error| error.to_string())
}

/// Code for this machine that returns a number.
fn returns(number: u8) -> Option<Vec<u8>> {
    if cfg!(target_arch = "x86_64") {
        // MOV eax, number; RET
        Some(vec![0xb8, number, 0, 0, 0, 0xc3])
    } else if cfg!(target_arch = "aarch64") {
        // MOVZ w0, #number; RET
        let instructions = [0x5280_0000 | u32::from(number) << 5, 0xd65f_03c0_u32];
        Some(instructions.into_iter().flat_map(u32::to_le_bytes).collect())
    } else {
        None
    }
}

impl fmt::Display for CodeMemory {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            CodeMemory::DoubleMapping => f.write_str("double mapping"),
            CodeMemory::Toggling { reason } => write!(f, "protect toggling ({reason})"),
        }
    }
}
