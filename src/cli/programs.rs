//! A program's text, parsed once and verified once for each number of inputs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::lang::{Ast, Fault, Program, Source, SyntaxError, parse, verify};

/// The programs of one text, one for each number of inputs.
pub(super) struct Programs {
    ast: Result<Arc<Ast>, SyntaxError>,
    verified: HashMap<usize, Result<Program, Fault>>,
}

impl Programs {
    /// Parses the text.
    pub fn new(source: &Source) -> Programs {
        Programs { ast: parse(source).map(Arc::new), verified: HashMap::new() }
    }

    /// The program verified for this number of inputs, or the fault.
    pub fn with_inputs(&mut self, inputs: usize) -> Result<&Program, &Fault> {
        let verified = self.verified.entry(inputs).or_insert_with(|| match &self.ast {
            Ok(ast) => verify(ast, inputs).map_err(Fault::from),
            Err(error) => Err(error.clone().into()),
        });
        verified.as_ref()
    }
}
