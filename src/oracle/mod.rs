//! The oracle: the same program on every engine must come to the same.

use crate::engine::{Engine, NoClock, Options, PrepareError, outcome};
use crate::exec::Stack;
use crate::lang::Program;
use crate::outcome::Outcome;
use crate::registry;

/// Engines to compare, and the stack on which they run.
pub struct Oracle {
    engines: Vec<Box<dyn Engine>>,
    skipped: Vec<String>,
    stack: Option<Stack>,
}

/// What one engine made of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The engine's name.
    pub engine: &'static str,
    /// What it came to.
    pub outcome: Outcome,
}

/// One run: the inputs, and the limits it is held to.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The initial stack.
    pub inputs: &'a [i64],
    /// Passes that loops may start; `None` prepares the program without metering.
    pub fuel: Option<u64>,
    /// The greatest number of values on the stack.
    pub stack_limit: usize,
}

impl Oracle {
    /// Compares the engines of these names; `None` where one does not exist.
    pub fn new(names: &[&str]) -> Option<Oracle> {
        let engines = names.iter().map(|name| registry::engine(name)).collect::<Option<_>>()?;
        Some(Oracle { engines, skipped: Vec::new(), stack: None })
    }

    /// What was left out since the host cannot run it, in words.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// How many engines take part.
    pub fn engines(&self) -> usize {
        self.engines.len()
    }

    /// Runs the program on every engine. An engine that the host cannot run is left out from then on.
    ///
    /// # Errors
    /// Where an engine cannot prepare the program, or there is no memory for the stack.
    pub fn run(&mut self, program: &Program, run: Run) -> Result<Vec<Answer>, PrepareError> {
        let options = Options { metered: run.fuel.is_some(), stack_limit: run.stack_limit };
        let stack = stack_for(&mut self.stack, run.stack_limit)?;
        let mut answers = Vec::new();
        let mut unsupported = Vec::new();
        for engine in &mut self.engines {
            match engine.prepare(program, &options, &mut NoClock) {
                Ok(mut prepared) => answers.push(Answer {
                    engine: engine.name(),
                    outcome: outcome(&mut *prepared, run.inputs, run.fuel, stack),
                }),
                Err(error @ PrepareError::Unsupported { .. }) => unsupported.push((engine.name(), error.to_string())),
                Err(error) => return Err(error),
            }
        }
        for (name, message) in unsupported {
            self.engines.retain(|engine| engine.name() != name);
            self.skipped.push(message);
        }
        Ok(answers)
    }
}

/// The stack, made anew where it is too small.
fn stack_for(stack: &mut Option<Stack>, limit: usize) -> Result<&mut Stack, PrepareError> {
    if stack.as_ref().is_none_or(|stack| stack.capacity() < limit) {
        *stack = Some(Stack::new(limit).map_err(|error| PrepareError::Stack { values: limit, error })?);
    }
    Ok(stack.as_mut().expect("it was just made"))
}
