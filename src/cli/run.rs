//! `run`: runs a program on one engine, or compares several engines.

use std::collections::HashMap;
use std::env::consts::ARCH;
use std::io::Write;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::Status;
use super::input::{ALL, Inputs, ProgramArg, check_input_count, engine_names_or_all, first_case, say, show};
use super::output::Output;
use super::perf_map::{Detail, PerfMap};
use super::programs::Programs;
use crate::corpus::Case;
use crate::engine::{Engine, NoClock, Options, PrepareError, Prepared, outcome};
use crate::exec::Store;
use crate::lang::{Program, Source};
use crate::outcome::{DEFAULT_STACK_LIMIT, Outcome, Verdict};
use crate::plural::count;
use crate::registry;

/// Run a program and print the stack that it leaves, bottom first
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel run corpus/basics/factorial.stk 20\n  \
    jitduel run -e '3 times 7 end' --engine bytecode\n  \
    jitduel run -e '+' -3 4 --engine all\n  \
    jitduel run -e '11 *' --input 7 --input 8 --json\n\n\
    Prints one line per run: the values, or the trap or rejection with its line and column. Diagnostics are printed to\n\
    stderr. With several engines, each prints a line that begins with its name, and a last line reports whether they\n\
    agree; if not, the exit code is 4. Without inputs, the inputs and limits of the first `\\ case` line apply, if\n\
    there is one.")]
pub(super) struct Run {
    #[command(flatten)]
    program: ProgramArg,

    /// The engine, or several to compare, separated by commas [default: the fastest that the host can run]
    #[arg(long, value_name = "E", value_delimiter = ',', value_parser = engine_names_or_all())]
    engine: Vec<String>,

    /// The initial stack, bottom first, separated by commas; may be repeated for several runs
    #[arg(long, value_name = "A,B,…", allow_hyphen_values = true)]
    input: Vec<Inputs>,

    /// Maximum loop iterations of a run, over all loops [default: no limit]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    fuel: Option<u64>,

    /// Maximum number of values on the stack [default: 65536]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    stack_limit: Option<usize>,

    /// Print one line of JSON per run and engine
    #[arg(long)]
    json: bool,

    /// Write /tmp/perf-PID.map, which tells perf the words or loops of the machine code (Linux; see docs/PERF.md)
    #[arg(long, value_name = "DETAIL", num_args = 0..=1, require_equals = true, default_missing_value = "words")]
    perf_map: Option<Detail>,
}

impl Run {
    pub fn run(self, out: &mut Output) -> Result<Status> {
        let source = self.program.source()?;
        let given = self.program.inputs_or(&self.input)?;
        let case = if given.is_none() { first_case(&source)? } else { None };
        let fuel = self.fuel.or(case.as_ref().and_then(|case| case.fuel));
        let stack_limit =
            self.stack_limit.or(case.as_ref().map(|case| case.stack_limit)).unwrap_or(DEFAULT_STACK_LIMIT);
        let runs = given.unwrap_or_else(|| vec![case.as_ref().map_or(Vec::new(), |case| case.inputs.clone())]);
        let runs: Vec<_> =
            runs.into_iter().map(|inputs| check_input_count(inputs, stack_limit)).collect::<Result<_, _>>()?;
        let mut duelists = self.duelists()?;
        let is_duel = duelists.len() > 1;
        let mut programs = Programs::new(&source);
        let options = Options { metered: fuel.is_some(), stack_limit, ..Options::default() };
        let mut stack =
            Store::new(stack_limit).with_context(|| format!("no memory for a stack of {stack_limit} values"))?;
        let mut status = Status::Ok;
        for inputs in &runs {
            let program = programs.with_inputs(inputs.len());
            let answers = match &program {
                Ok(program) => {
                    let mut outcomes = Vec::new();
                    for duelist in &mut duelists {
                        if let Some((name, prepared)) = duelist.prepare(program, &options, &source)? {
                            outcomes.push((name, outcome(&mut **prepared, inputs, fuel, &mut stack)));
                        }
                    }
                    show_traps(&outcomes, &source);
                    outcomes.iter().map(|(name, outcome)| (*name, Verdict::of(outcome, &source))).collect()
                }
                Err(fault) => {
                    show(*fault, &source);
                    let name = if let [duelist] = &duelists[..] { duelist.name } else { "front end" };
                    vec![(name, Verdict::of_fault(fault, &source))]
                }
            };
            let message = program.err().map(ToString::to_string);
            if answers.is_empty() {
                bail!("none of the engines accepts the program");
            }
            if self.json {
                for (name, verdict) in &answers {
                    let mut line = json_line(&source, name, verdict, message.as_deref());
                    if is_duel {
                        line["inputs"] = json!(inputs);
                        line["agree"] = agree(&answers).into();
                    }
                    writeln!(out, "{line}")?;
                }
            } else if is_duel {
                if runs.len() > 1 {
                    writeln!(out, "{}:", format!("inputs {}", Verdict::Done(inputs.clone())).trim_end())?;
                }
                write!(out, "{}", comparison(&answers))?;
            } else {
                writeln!(out, "{}", answers[0].1)?;
            }
            status = status.max(worst(&answers));
            if let Some(case) = &case {
                status = status.max(self.judge(case, &answers));
            }
        }
        Ok(status)
    }

    /// The requested engines.
    fn duelists(&self) -> Result<Vec<Duelist>> {
        let mut names: Vec<&'static str> = Vec::new();
        if self.engine.is_empty() {
            names.push(registry::FASTEST);
        } else if self.engine.iter().any(|name| name == ALL) {
            for name in registry::names() {
                match registry::availability(name) {
                    Ok(()) => names.push(name),
                    Err(reason) => say(format_args!("skipped: engine `{name}`: {reason}")),
                }
            }
        } else {
            let is_wanted = |name: &&str| self.engine.iter().any(|wanted| wanted == name);
            names.extend(registry::names().filter(is_wanted));
        }
        if self.perf_map.is_some() && names.len() > 1 {
            bail!("--perf-map needs exactly one engine");
        }
        // The interpreter emits no code that could be mapped, so it is no fallback with --perf-map.
        let (is_alone, may_fall_back) = (names.len() == 1, self.engine.is_empty() && self.perf_map.is_none());
        let duelist = |name| {
            Ok(Duelist {
                name,
                is_alone,
                may_fall_back,
                engine: registry::engine(name).context("clap accepts only names of engines")?,
                prepared: HashMap::new(),
                map: self.perf_map.map(|detail| PerfMap::new(detail, name)).transpose()?,
            })
        };
        names.into_iter().map(duelist).collect()
    }

    /// Reports whether the case was met.
    fn judge(&self, case: &Case, answers: &[(&str, Verdict)]) -> Status {
        let (met, status) = match answers.iter().all(|(_, verdict)| *verdict == case.expected) {
            true => ("met", Status::Ok),
            // With different limits, a different result may be right.
            false if self.fuel.is_some() || self.stack_limit.is_some() => {
                ("not checked, because the limits differ", Status::Ok)
            }
            false => ("NOT met", Status::Disagreement),
        };
        say(format_args!("case on line {} {met}: expected {}", case.line, case.expected));
        status
    }
}

/// One engine and its prepared programs, one for each number of inputs.
struct Duelist {
    name: &'static str,
    engine: Box<dyn Engine>,
    /// Whether it is the only engine of this run.
    is_alone: bool,
    /// Whether the interpreter may replace it if the host cannot run it: only if it was not requested by name.
    may_fall_back: bool,
    /// `None` if a peer's compiler refuses the program.
    prepared: HashMap<usize, Option<Box<dyn Prepared>>>,
    map: Option<PerfMap>,
}

impl Duelist {
    fn prepare(
        &mut self,
        program: &Program,
        options: &Options,
        source: &Source,
    ) -> Result<Option<(&'static str, &mut Box<dyn Prepared>)>> {
        let inputs = program.inputs();
        if !self.prepared.contains_key(&inputs) {
            let ready = match self.engine.prepare(program, options, &mut NoClock) {
                Err(error @ PrepareError::Peer { .. }) if !self.is_alone => {
                    say(format_args!("skipped: {error}"));
                    None
                }
                Err(error @ (PrepareError::Unsupported { .. } | PrepareError::Memory(_))) if self.may_fall_back => {
                    say(format_args!("running `{}` instead: {error}", registry::PORTABLE));
                    self.name = registry::PORTABLE;
                    self.engine = registry::engine(self.name).context("every host has this engine")?;
                    self.may_fall_back = false;
                    Some(self.engine.prepare(program, options, &mut NoClock)?)
                }
                Err(error @ (PrepareError::Unsupported { .. } | PrepareError::Memory(_))) => {
                    bail!("{error}; `--engine {}` runs on every host", registry::PORTABLE)
                }
                ready => Some(ready?),
            };
            if let (Some(map), Some(ready)) = (&mut self.map, &ready) {
                map.add(program, options, self.name, &**ready, source)?;
            }
            self.prepared.insert(inputs, ready);
        }
        let prepared = self.prepared.get_mut(&inputs).expect("it was just inserted").as_mut();
        Ok(prepared.map(|prepared| (self.name, prepared)))
    }
}

/// Shows each distinct trap once.
fn show_traps(outcomes: &[(&str, Outcome)], source: &Source) {
    for (index, (_, outcome)) in outcomes.iter().enumerate() {
        if let Outcome::Trap(trap) = outcome
            && !outcomes[..index].iter().any(|(_, shown)| shown == outcome)
        {
            show(*trap, source);
        }
    }
}

fn agree(answers: &[(&str, Verdict)]) -> bool {
    answers.windows(2).all(|pair| pair[0].1 == pair[1].1)
}

/// The status of one run on several engines.
fn worst(answers: &[(&str, Verdict)]) -> Status {
    if !agree(answers) {
        Status::Disagreement
    } else if answers.iter().all(|(_, verdict)| matches!(verdict, Verdict::Done(_))) {
        Status::Ok
    } else {
        Status::Stopped
    }
}

/// One line for each engine's verdict, and a last one that states whether they agree.
fn comparison(answers: &[(&str, Verdict)]) -> String {
    let width = answers.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text: String = answers.iter().map(|(name, verdict)| format!("{name:<width$}  {verdict}\n")).collect();
    text += &match (agree(answers), answers.len()) {
        (true, 1) => String::new(),
        (true, engines) => format!("{} agree\n", count(engines, "engine")),
        (false, _) => "the engines DISAGREE\n".into(),
    };
    text
}

/// The JSON line of one run.
fn json_line(source: &Source, engine: &str, verdict: &Verdict, message: Option<&str>) -> Value {
    let mut line = json!({ "program": source.name(), "engine": engine, "isa": ARCH });
    add_verdict(&mut line, verdict, message);
    line
}

/// Adds a verdict to a line of JSON.
pub(super) fn add_verdict(line: &mut Value, verdict: &Verdict, message: Option<&str>) {
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
            if let Some(message) = message {
                line["message"] = message.into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Place;
    use crate::outcome::TrapKind;

    /// No program makes the engines disagree, so this output is tested with fabricated answers.
    #[test]
    fn every_disagreeing_engine_is_shown() {
        let trap = Verdict::Trap { kind: TrapKind::DivisionByZero, at: Place { line: 1, column: 5 } };
        let answers = [("tree", Verdict::Done(vec![1, 2])), ("bytecode", Verdict::Done(vec![1, 2])), ("jit", trap)];
        assert_eq!(
            comparison(&answers),
            "tree      1 2\nbytecode  1 2\njit       trap division by zero 1:5\nthe engines DISAGREE\n"
        );
        assert_eq!(
            (worst(&answers), worst(&answers[..2]), worst(&answers[2..])),
            (Status::Disagreement, Status::Ok, Status::Stopped)
        );
        assert!(comparison(&answers[..2]).ends_with("\n2 engines agree\n"));
    }
}
