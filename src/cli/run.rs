//! `run`: one program on one engine.

use std::collections::HashMap;
use std::env::consts::ARCH;
use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::Status;
use super::input::{Inputs, ProgramArg, cases, engine_names, say, show};
use super::output::Output;
use super::perf_map::{Detail, PerfMap};
use crate::engine::{Engine, NoClock, Options, Prepared, outcome};
use crate::exec::Stack;
use crate::lang::{Ast, Fault, Source, SyntaxError, parse, verify};
use crate::outcome::{DEFAULT_STACK_LIMIT, Outcome, Verdict};
use crate::registry;

/// Run a program on one engine and print the stack that it leaves, bottom first
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel run corpus/basics/factorial.stk --input 20\n  \
    jitduel run -e '3 times 7 end' --engine bytecode\n  \
    jitduel run -e '11 *' --input 7 --input 8 --json\n\n\
    Prints one line a run: the values, or the trap or rejection with its line and column; a diagnostic goes to\n\
    stderr. Without --input a program runs on the inputs of its first `\\ case` line, if it has one, under that\n\
    case's limits.")]
pub(super) struct Run {
    #[command(flatten)]
    program: ProgramArg,

    /// The engine; the fastest that the host can run unless set
    #[arg(long, value_name = "E", value_parser = engine_names())]
    engine: Option<String>,

    /// The initial stack, bottom first, separated by commas; may be given several times
    #[arg(long, value_name = "A,B,…", allow_hyphen_values = true)]
    input: Vec<Inputs>,

    /// Passes that the loops of a run may start in all; no limit unless set
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    fuel: Option<u64>,

    /// Greatest number of values on the stack [default: 65536]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    stack_limit: Option<usize>,

    /// Print a line of JSON a run
    #[arg(long)]
    json: bool,

    /// Write /tmp/perf-PID.map, from which perf knows the words or loops of the machine code (Linux; see docs/PERF.md)
    #[arg(long, value_name = "DETAIL", num_args = 0..=1, require_equals = true, default_missing_value = "words")]
    perf_map: Option<Detail>,
}

impl Run {
    pub fn run(self, out: &mut Output) -> Result<Status> {
        let source = self.program.source()?;
        let case = if self.input.is_empty() { cases(&source)?.into_iter().next() } else { None };
        let fuel = self.fuel.or(case.as_ref().and_then(|case| case.fuel));
        let stack_limit =
            self.stack_limit.or(case.as_ref().map(|case| case.stack_limit)).unwrap_or(DEFAULT_STACK_LIMIT);
        let runs = match &case {
            Some(case) => vec![case.inputs.clone()],
            None if self.input.is_empty() => vec![Vec::new()],
            None => self.input.into_iter().map(|Inputs(values)| values).collect(),
        };
        if let Some(inputs) = runs.iter().find(|inputs| inputs.len() > stack_limit) {
            bail!("{} inputs do not fit a stack of at most {stack_limit} values", inputs.len());
        }

        let name = self.engine.as_deref().unwrap_or(registry::fastest());
        let mut duelist = Duelist {
            engine: registry::engine(name).context("clap lets only names of engines pass")?,
            options: Options { metered: fuel.is_some(), stack_limit },
            ast: parse(&source).map(Arc::new),
            prepared: HashMap::new(),
            map: self.perf_map.map(|detail| PerfMap::new(detail, name)).transpose()?,
        };
        let mut stack =
            Stack::new(stack_limit).with_context(|| format!("no memory for a stack of {stack_limit} values"))?;
        let mut status = Status::Ok;
        for inputs in &runs {
            let verdict = match duelist.prepare(inputs.len(), &source)? {
                Ok(prepared) => {
                    let outcome = outcome(&mut **prepared, inputs, fuel, &mut stack);
                    if let Outcome::Trap(trap) = outcome {
                        show(trap, &source);
                    }
                    Verdict::of(&outcome, &source)
                }
                Err(fault) => {
                    show(&*fault, &source);
                    Verdict::of_fault(fault, &source)
                }
            };
            if !matches!(verdict, Verdict::Done(_)) {
                status = Status::Stopped;
            }
            if self.json {
                writeln!(out, "{}", json_line(&source, name, &verdict, duelist.fault(inputs.len())))?;
            } else {
                writeln!(out, "{verdict}")?;
            }
            if let Some(case) = &case {
                let met = match verdict == case.expected {
                    true => "met",
                    // Under other limits another result may be right.
                    false if self.fuel.is_some() || self.stack_limit.is_some() => "not judged under other limits",
                    false => {
                        status = Status::Disagreement;
                        "NOT met"
                    }
                };
                say(format_args!("case on line {} {met}: {} expected", case.line, case.expected));
            }
        }
        Ok(status)
    }
}

/// One engine with what it has prepared: the program is compiled once for each number of inputs.
struct Duelist {
    engine: Box<dyn Engine>,
    options: Options,
    ast: Result<Arc<Ast>, SyntaxError>,
    prepared: HashMap<usize, Result<Box<dyn Prepared>, Fault>>,
    map: Option<PerfMap>,
}

impl Duelist {
    fn prepare(&mut self, inputs: usize, source: &Source) -> Result<&mut Result<Box<dyn Prepared>, Fault>> {
        if !self.prepared.contains_key(&inputs) {
            let program = match &self.ast {
                Ok(ast) => verify(ast, inputs).map_err(Fault::from),
                Err(error) => Err(error.clone().into()),
            };
            let prepared = match program {
                Ok(program) => {
                    let ready = self.engine.prepare(&program, &self.options, &mut NoClock)?;
                    if let Some(map) = &mut self.map {
                        map.add(&program, &self.options, self.engine.name(), &*ready, source)?;
                    }
                    Ok(ready)
                }
                Err(fault) => Err(fault),
            };
            self.prepared.insert(inputs, prepared);
        }
        Ok(self.prepared.get_mut(&inputs).expect("it was just put there"))
    }

    fn fault(&self, inputs: usize) -> Option<&Fault> {
        self.prepared.get(&inputs)?.as_ref().err()
    }
}

/// The line of one run.
fn json_line(source: &Source, engine: &str, verdict: &Verdict, fault: Option<&Fault>) -> Value {
    let mut line = json!({ "program": source.name(), "engine": engine, "isa": ARCH });
    add_verdict(&mut line, verdict, fault);
    line
}

/// Adds what a run came to to a line of JSON.
pub(super) fn add_verdict(line: &mut Value, verdict: &Verdict, fault: Option<&Fault>) {
    match verdict {
        Verdict::Done(values) => {
            line["outcome"] = "done".into();
            line["stack"] = json!(values);
        }
        Verdict::Trap { kind, at } => {
            line["outcome"] = "trap".into();
            line["kind"] = kind.to_string().into();
            line["line"] = at.line.into();
            line["column"] = at.column.into();
        }
        Verdict::Rejected { kind, at } => {
            line["outcome"] = "rejected".into();
            line["kind"] = (*kind).into();
            line["line"] = at.line.into();
            line["column"] = at.column.into();
            if let Some(fault) = fault {
                line["message"] = fault.to_string().into();
            }
        }
    }
}
