//! `export`: translates a program to C, Forth or the stack language.

use std::io::Write;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::Status;
use super::input::{Inputs, ProgramArg, check_input_count, first_case, show, warn};
use super::output::Output;
use crate::export::{Limits, c, forth};
use crate::front;
use crate::lang::print;
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT};

/// Translate a program to C or Forth, with the same outcome down to the trap and its location, or to the stack language
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel export corpus/basics/factorial.stk --to c > program.c\n  \
    jitduel export -e '11 *' 7 --to forth > program.fs\n\n\
    The file is complete. When run, it prints the line that `jitduel run` prints and exits with 0, or with 1 after a\n\
    trap. Its first lines show how to run it. A C program also accepts other inputs as arguments. Without inputs, the\n\
    inputs and limits of the first `\\ case` line apply, if there is one.\n\n\
    With --to stack, only the number of inputs matters. A stack program contains neither inputs nor limits: give them\n\
    to `jitduel run`.")]
pub(super) struct Export {
    #[command(flatten)]
    program: ProgramArg,

    /// The target language
    #[arg(long, value_name = "LANGUAGE")]
    to: Language,

    /// The initial stack, bottom first, separated by commas
    #[arg(long, value_name = "A,B,…", allow_hyphen_values = true)]
    input: Option<Inputs>,

    /// Maximum loop iterations and calls of a run, all together [default: no limit]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    fuel: Option<u64>,

    /// Maximum number of values on the stack [default: 65536]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    stack_limit: Option<usize>,

    /// Maximum number of active calls [default: 10000]. At most 1000000 if the program can reach it
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    call_limit: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Language {
    /// C11, for gcc and clang
    C,
    /// gforth 0.7.3 with 64-bit cells
    Forth,
    /// The stack language: what a let program is compiled to
    Stack,
}

impl Export {
    pub fn run(self, out: &mut Output) -> Result<Status> {
        let source = self.program.source()?;
        let given = self.program.only_inputs_or(self.input.as_ref())?;
        let case = if given.is_none() { first_case(&source)? } else { None };
        if let Language::Stack = self.to {
            if self.fuel.is_some() || self.stack_limit.is_some() || self.call_limit.is_some() {
                bail!("a stack program contains no limits: use --to stack without them, and give them to `run`");
            }
            if case.as_ref().is_some_and(|case| !case.has_default_limits()) {
                warn("a stack program contains no limits: give those of the case to `run`");
            }
        }
        let limits = Limits {
            stack: self.stack_limit.or(case.as_ref().map(|case| case.stack_limit)).unwrap_or(DEFAULT_STACK_LIMIT),
            calls: self.call_limit.or(case.as_ref().map(|case| case.call_limit)).unwrap_or(DEFAULT_CALL_LIMIT),
            fuel: self.fuel.or(case.as_ref().and_then(|case| case.fuel)),
        };
        let inputs = given.or(case.map(|case| case.inputs)).unwrap_or_default();
        let inputs = check_input_count(inputs, limits.stack)?;
        let program = match front::load(&source, inputs.len())? {
            Ok(program) => program,
            Err(fault) => {
                show(&fault, &source);
                return Ok(Status::Stopped);
            }
        };
        let text = match self.to {
            Language::C => c::file(&program, &source, limits, &inputs)?,
            Language::Forth => forth::file(&program, &source, limits, &inputs)?,
            Language::Stack => print::print(&program.ast().with_safe_names()),
        };
        out.write_all(text.as_bytes())?;
        Ok(Status::Ok)
    }
}
