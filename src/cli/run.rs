//! `run`: runs a program on one engine, or compares several engines.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fmt;
use std::io::Write;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::Status;
use super::input::{ALL, Inputs, ProgramArg, check_input_count, engine_names_or_all, first_case, say, show};
use super::output::Output;
use super::perf_map::{Detail, PerfMap};
use super::programs::Programs;
use super::tiering::{Remembering, Tiering};
use super::trace::Trace;
use crate::corpus::Case;
use crate::engine::{self, Engine, NoClock, Options, PrepareError, Prepared, outcome};
use crate::exec::Store;
use crate::interp::tree::Tree;
use crate::lang::{Program, Source};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT, Outcome, Verdict, other_memory};
use crate::plural::count;
use crate::registry;
use crate::tiered::Tiered;

/// Run a program and print the stack that it leaves, bottom first
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel run corpus/basics/factorial.stk 20\n  \
    jitduel run -e '3 times 7 end' --engine bytecode\n  \
    jitduel run -e '+' -3 4 --engine all\n  \
    jitduel run -e '11 *' --input 7 --input 8 --json\n  \
    jitduel run -e '1 2 3 swap rot nip' --trace\n\n\
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

    /// Maximum loop iterations and calls of a run, all together [default: no limit]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    fuel: Option<u64>,

    /// Maximum number of values on the stack [default: 65536]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    stack_limit: Option<usize>,

    /// Maximum number of active calls [default: 10000]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    call_limit: Option<u64>,

    /// Print one line of JSON per run and engine
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    tiering: Tiering,

    #[command(flatten)]
    trace: Trace,

    /// Write /tmp/perf-PID.map, which tells perf the words, loops or definitions of the machine code (Linux; see docs/PERF.md)
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
        let call_limit = self.call_limit.or(case.as_ref().map(|case| case.call_limit)).unwrap_or(DEFAULT_CALL_LIMIT);
        let runs = given.unwrap_or_else(|| vec![case.as_ref().map_or(Vec::new(), |case| case.inputs.clone())]);
        let runs: Vec<_> =
            runs.into_iter().map(|inputs| check_input_count(inputs, stack_limit)).collect::<Result<_, _>>()?;
        let mut duel = Duel {
            duelists: self.duelists()?,
            run: &self,
            source: &source,
            options: Options { metered: fuel.is_some(), stack_limit, call_limit },
            fuel,
            case: case.as_ref(),
            has_several_runs: runs.len() > 1,
            stack: Store::new(stack_limit).with_context(|| format!("no memory for a stack of {stack_limit} values"))?,
        };
        let status = duel.run_all(&runs, out);
        // Even if a later run failed, the earlier ones count.
        duel.finish();
        status
    }

    /// The requested engines.
    fn duelists(&self) -> Result<Vec<Duelist>> {
        let mut names: Vec<&'static str> = Vec::new();
        if self.engine.is_empty() && self.tiering.is_given() {
            names.push(Tiered::NAME);
        } else if self.engine.is_empty() && self.trace.is_given() {
            names.push(Tree::NAME);
        } else if self.engine.is_empty() {
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
            names.extend(registry::all_names().filter(is_wanted));
        }
        self.tiering.check(&names)?;
        self.trace.check(&names)?;
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
                prepared: BTreeMap::new(),
                perf_map: self.perf_map,
                map: None,
            })
        };
        names.into_iter().map(duelist).collect()
    }
}

/// The runs of a program on all engines.
struct Duel<'a> {
    run: &'a Run,
    source: &'a Source,
    options: Options,
    fuel: Option<u64>,
    case: Option<&'a Case>,
    has_several_runs: bool,
    duelists: Vec<Duelist>,
    stack: Store,
}

impl Duel<'_> {
    /// Runs the program with each of these inputs, and prints the answers.
    fn run_all(&mut self, runs: &[Vec<i64>], out: &mut Output) -> Result<Status> {
        let mut programs = Programs::new(self.source);
        let mut status = Status::Ok;
        for inputs in runs {
            let program = programs.with_inputs(inputs.len())?;
            let answers = match &program {
                Ok(program) => self.answers(program, inputs)?,
                Err(fault) => {
                    show(*fault, self.source);
                    let name = if let [duelist] = &self.duelists[..] { duelist.name } else { "front end" };
                    vec![Answer::new(name, Verdict::of_fault(fault, self.source))]
                }
            };
            if answers.is_empty() {
                bail!("none of the engines accepts the program");
            }
            let message = program.err().map(ToString::to_string);
            self.print(inputs, &answers, message.as_deref(), out)?;
            status = status.max(worst(&answers));
            if let Some(case) = self.case {
                status = status.max(self.judge(case, &answers));
            }
        }
        Ok(status)
    }

    /// The answers of the engines to a program that the front end accepts. Shows its traps.
    fn answers(&mut self, program: &Program, inputs: &[i64]) -> Result<Vec<Answer>> {
        let Duel { run, source, options, fuel, stack, .. } = self;
        let is_duel = self.duelists.len() > 1;
        let mut outcomes = Vec::new();
        let mut memory = Vec::new();
        let mut answers = Vec::new();
        for duelist in &mut self.duelists {
            let Some((name, prepared)) = duelist.prepare(program, options, source, &run.tiering)? else { continue };
            let outcome = if run.trace.is_given() {
                if self.has_several_runs {
                    say(format_args!("trace of {}:", inputs_text(inputs)));
                }
                let Options { stack_limit, call_limit, .. } = *options;
                run.trace.run(program, engine::Run { inputs, fuel: *fuel, stack_limit, call_limit }, source)?
            } else {
                outcome(prepared.as_dyn(), inputs, *fuel, stack)
            };
            let mut answer = Answer::new(name, Verdict::of(&outcome, source));
            match (outcomes.first(), &outcome) {
                (None, Outcome::Done(_)) if is_duel => memory = stack.memory().to_vec(),
                (Some(first), Outcome::Done(_)) if *first == outcome => answer.compare(&memory, stack.memory()),
                _ => {}
            }
            answers.push(answer);
            outcomes.push(outcome);
        }
        show_traps(&outcomes, source);
        Ok(answers)
    }

    /// Prints the answers of one run. `message` says why the front end rejects the program, if it does.
    fn print(&self, inputs: &[i64], answers: &[Answer], message: Option<&str>, out: &mut Output) -> Result<()> {
        let is_duel = self.duelists.len() > 1;
        if self.run.json {
            for answer in answers {
                let mut line = json!({ "program": self.source.name(), "engine": answer.engine, "isa": ARCH });
                answer.add_to(&mut line, message);
                if is_duel {
                    line["inputs"] = json!(inputs);
                    line["agree"] = agree(answers).into();
                }
                out.json_line(&line)?;
            }
        } else if is_duel {
            if self.has_several_runs {
                writeln!(out, "{}:", inputs_text(inputs))?;
            }
            write!(out, "{}", comparison(answers))?;
        } else {
            writeln!(out, "{}", answers[0].verdict)?;
        }
        Ok(())
    }

    /// Writes the profiles, and prints the time lines, in the order of the numbers of inputs.
    fn finish(&self) {
        let prepared: Vec<_> = self.duelists.iter().flat_map(|duelist| &duelist.prepared).collect();
        for (inputs, ready) in &prepared {
            if let Some(Ready::Tiered(program)) = ready {
                let inputs = Some(**inputs).filter(|_| prepared.len() > 1);
                self.run.tiering.finish(program, inputs, &self.options, self.source);
            }
        }
    }

    /// Reports whether the case was met.
    fn judge(&self, case: &Case, answers: &[Answer]) -> Status {
        let Run { fuel, stack_limit, call_limit, .. } = self.run;
        let has_limits = fuel.is_some() || stack_limit.is_some() || call_limit.is_some();
        let (met, status) = match answers.iter().all(|answer| answer.verdict == case.expected) {
            true => ("met", Status::Ok),
            // With different limits, a different result may be right.
            false if has_limits => ("not checked, because the limits differ", Status::Ok),
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
    prepared: BTreeMap<usize, Option<Ready>>,
    /// Whether to write a map, and which.
    perf_map: Option<Detail>,
    /// The map, from the first program on that the front end accepts.
    map: Option<PerfMap>,
}

/// A program that an engine has prepared.
enum Ready {
    Any(Box<dyn Prepared>),
    Tiered(Box<Remembering>),
}

impl Ready {
    fn as_dyn(&mut self) -> &mut dyn Prepared {
        match self {
            Ready::Any(prepared) => &mut **prepared,
            Ready::Tiered(prepared) => &mut prepared.program,
        }
    }
}

impl Duelist {
    /// Prepares a program on the engine, with the options for the engine `tiered` if they are given.
    fn ready(
        &mut self,
        program: &Program,
        options: &Options,
        source: &Source,
        tiering: &Tiering,
    ) -> Result<Ready, PrepareError> {
        if tiering.is_given() {
            return Ok(Ready::Tiered(Box::new(tiering.prepare(program, options, source)?)));
        }
        Ok(Ready::Any(self.engine.prepare(program, options, &mut NoClock)?))
    }

    fn prepare(
        &mut self,
        program: &Program,
        options: &Options,
        source: &Source,
        tiering: &Tiering,
    ) -> Result<Option<(&'static str, &mut Ready)>> {
        let inputs = program.inputs();
        if !self.prepared.contains_key(&inputs) {
            if let (Some(detail), None) = (self.perf_map, &self.map) {
                self.map = Some(PerfMap::new(detail, self.name)?);
            }
            let mut ready = match self.ready(program, options, source, tiering) {
                Err(error @ PrepareError::Peer { .. }) if !self.is_alone => {
                    say(format_args!("skipped: {error}"));
                    None
                }
                Err(error @ (PrepareError::Unsupported { .. } | PrepareError::Memory(_))) if self.may_fall_back => {
                    say(format_args!("running `{}` instead: {error}", registry::PORTABLE));
                    self.name = registry::PORTABLE;
                    self.engine = registry::engine(self.name).context("every host has this engine")?;
                    self.may_fall_back = false;
                    Some(self.ready(program, options, source, tiering)?)
                }
                Err(error @ (PrepareError::Unsupported { .. } | PrepareError::Memory(_))) => {
                    bail!("{error}; `--engine {}` runs on every host", registry::PORTABLE)
                }
                ready => Some(ready?),
            };
            if let (Some(map), Some(ready)) = (&mut self.map, &mut ready) {
                map.add(program, options, self.name, ready.as_dyn(), source)?;
            }
            self.prepared.insert(inputs, ready);
        }
        let prepared = self.prepared.get_mut(&inputs).expect("it was just inserted").as_mut();
        Ok(prepared.map(|prepared| (self.name, prepared)))
    }
}

/// The inputs of one of several runs, in words.
fn inputs_text(inputs: &[i64]) -> String {
    format!("inputs {}", Verdict::Done(inputs.to_vec())).trim_end().to_owned()
}

/// Shows each distinct trap once.
pub(super) fn show_traps(outcomes: &[Outcome], source: &Source) {
    for (index, outcome) in outcomes.iter().enumerate() {
        if let Outcome::Trap(trap) = outcome
            && !outcomes[..index].contains(outcome)
        {
            show(*trap, source);
        }
    }
}

/// What an engine or the front end says about one run.
pub(super) struct Answer {
    pub engine: String,
    pub verdict: Verdict,
    /// How the memory at the end differs from that of the first engine, if it does.
    memory: Option<String>,
}

impl Answer {
    pub fn new(engine: impl Into<String>, verdict: Verdict) -> Answer {
        Answer { engine: engine.into(), verdict, memory: None }
    }

    /// The same answer with how the memory at the end differs from that of the first engine, if it does.
    pub fn with_memory(self, memory: Option<String>) -> Answer {
        Answer { memory, ..self }
    }

    /// Compares the memory at the end with that of the first engine.
    pub fn compare(&mut self, first: &[i64], memory: &[i64]) {
        self.memory = (first != memory).then(|| other_memory(first, memory));
    }

    /// Adds the verdict, and how the memory differs, to a line of JSON.
    pub fn add_to(&self, line: &mut Value, message: Option<&str>) {
        add_verdict(line, &self.verdict, message);
        if let Some(memory) = &self.memory {
            line["memory"] = memory.as_str().into();
        }
    }
}

/// The verdict, and how the memory differs.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.memory {
            None => write!(f, "{}", self.verdict),
            Some(memory) => write!(f, "{}; {memory}", self.verdict),
        }
    }
}

/// Whether all verdicts and memories are equal.
pub(super) fn agree(answers: &[Answer]) -> bool {
    answers.windows(2).all(|pair| pair[0].verdict == pair[1].verdict)
        && answers.iter().all(|answer| answer.memory.is_none())
}

/// The status of one run on several engines.
pub(super) fn worst(answers: &[Answer]) -> Status {
    if !agree(answers) {
        Status::Disagreement
    } else if answers.iter().all(|answer| matches!(answer.verdict, Verdict::Done(_))) {
        Status::Ok
    } else {
        Status::Stopped
    }
}

/// One line for each engine's verdict, and a last one that states whether they agree.
fn comparison(answers: &[Answer]) -> String {
    let width = answers.iter().map(|answer| answer.engine.len()).max().unwrap_or(0);
    let mut text: String = answers.iter().map(|answer| format!("{:<width$}  {answer}\n", answer.engine)).collect();
    text += &match (agree(answers), answers.len()) {
        (true, 1) => String::new(),
        (true, engines) => format!("{} agree\n", count(engines, "engine")),
        (false, _) => "the engines DISAGREE\n".into(),
    };
    text
}

/// Adds a verdict to a line of JSON.
fn add_verdict(line: &mut Value, verdict: &Verdict, message: Option<&str>) {
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
        let done = |engine: &str| Answer::new(engine, Verdict::Done(vec![1, 2]));
        let mut answers = [done("tree"), done("bytecode"), Answer::new("jit", trap)];
        assert_eq!(
            comparison(&answers),
            "tree      1 2\nbytecode  1 2\njit       trap division by zero 1:5\nthe engines DISAGREE\n"
        );
        assert_eq!(
            (worst(&answers), worst(&answers[..2]), worst(&answers[2..])),
            (Status::Disagreement, Status::Ok, Status::Stopped)
        );
        assert!(comparison(&answers[..2]).ends_with("\n2 engines agree\n"));
        answers[1].compare(&[0, 7], &[0, 7]);
        assert!(agree(&answers[..2]));
        answers[1].compare(&[0, 7], &[0, 8]);
        let said = "tree      1 2\nbytecode  1 2; cell 1 holds 8 in place of 7\nthe engines DISAGREE\n";
        assert_eq!((comparison(&answers[..2]).as_str(), worst(&answers[..2])), (said, Status::Disagreement));
    }
}
