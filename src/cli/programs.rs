//! A program's text, parsed once and verified once for each number of inputs.

use std::collections::HashMap;

use crate::front::{Parsed, WrongInputs, parse};
use crate::lang::{Fault, Program, Source};

/// The programs of one text, one for each number of inputs.
pub(super) struct Programs {
    parsed: Result<Parsed, Fault>,
    verified: HashMap<usize, Result<Program, Fault>>,
}

impl Programs {
    /// Parses the text.
    pub fn new(source: &Source) -> Programs {
        Programs { parsed: parse(source), verified: HashMap::new() }
    }

    /// The program verified for this number of inputs, or the fault.
    ///
    /// # Errors
    /// If the program takes another number of inputs.
    pub fn with_inputs(&mut self, inputs: usize) -> Result<Result<&Program, &Fault>, WrongInputs> {
        if !self.verified.contains_key(&inputs) {
            let verified = match &self.parsed {
                Ok(parsed) => parsed.program(inputs)?,
                Err(fault) => Err(fault.clone()),
            };
            self.verified.insert(inputs, verified);
        }
        Ok(self.verified[&inputs].as_ref())
    }
}
