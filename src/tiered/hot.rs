//! What was hot in a program, as a profile remembers it.

use serde::{Deserialize, Serialize};

use crate::bytecode::{Bytecode, FunctionId, RegionId};

/// A function that was compiled. It is a hint: if it does not fit a program, it is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hot {
    /// The function: 0 is the main program; the others are the definitions in reading order, from 1 on.
    pub function: u32,
    /// The loop at whose header its code was entered, as an index of the regions of the whole program.
    pub region: Option<u32>,
}

impl Hot {
    /// The function and the loop, if the program has them and the function contains the loop.
    pub(super) fn place(self, code: &Bytecode) -> Option<(FunctionId, Option<RegionId>)> {
        let id = FunctionId(self.function);
        let function = code.functions().get(id.index())?;
        let Some(region) = self.region else { return Some((id, None)) };
        let found = code.regions().get(region as usize)?;
        let is_inside = (function.start..function.end).contains(&found.start);
        (found.is_loop() && is_inside).then_some((id, Some(RegionId(region))))
    }
}
