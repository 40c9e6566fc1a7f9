//! `check`: runs programs on every engine and compares the outcomes with each other and with the programs' cases.

use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::external::{self, ExternalArgs};
use super::input::{cases, engine_names, language_names, read, say, show};
use super::output::Output;
use super::programs::Programs;
use super::run::{Answer, agree};
use super::{Status, print_error};
use crate::corpus::{Case, FolderErrors, programs};
use crate::engine::Run;
use crate::lang::{Diagnostic, Language, Program, Source};
use crate::oracle::external::{External, Said};
use crate::oracle::{self, Oracle};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT, Outcome, TrapKind, Verdict};
use crate::plural::count;
use crate::registry;

/// Run programs on every engine and compare the outcomes with each other and with the programs' cases
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel check corpus\n  \
    jitduel check corpus/basics/gcd.stk --engine tree,jit\n  \
    jitduel check -e '2 3 *'\n\n\
    A case is a comment line `\\ case [fuel=N] [stack-limit=N] [call-limit=N]: INPUTS -> RESULT`; in let programs, it\n\
    begins with `//`. A program without cases runs once without inputs; a rejection or a trap is then an error, because\n\
    no case expects it. Each case runs with metered fuel and, unless it runs out of fuel, again without a limit. With\n\
    --external './vm {file}', the program `vm` is judged like an engine.")]
pub(super) struct Check {
    /// Program files, or folders to search for *.stk and *.let files; `-` is standard input
    #[arg(required_unless_present = "expression", value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,

    /// The program text
    #[arg(short = 'e', value_name = "TEXT", allow_hyphen_values = true, conflicts_with = "paths")]
    expression: Option<String>,

    /// The language of the programs [default: `let` for files that end in .let, or else `stack`]
    #[arg(long, value_name = "NAME", value_parser = language_names())]
    language: Option<String>,

    /// The engines, separated by commas [default: all]
    #[arg(long, value_name = "E,E", value_delimiter = ',', value_parser = engine_names())]
    engine: Vec<String>,

    /// Maximum loop iterations and calls per run, unless the case sets it
    #[arg(long, value_name = "N", default_value_t = 1_000_000_000, allow_negative_numbers = true)]
    fuel: u64,

    #[command(flatten)]
    external: ExternalArgs,

    /// Print one line of JSON per case
    #[arg(long)]
    json: bool,
}

impl Check {
    pub fn run(self, out: &mut Output) -> Result<Status> {
        let mut names: Vec<&str> = self.engine.iter().map(String::as_str).collect();
        if names.is_empty() {
            names = registry::all_names().collect();
        }
        let mut checking = Checking {
            oracle: Oracle::new(&names).context("clap accepts only names of engines")?,
            fuel: self.fuel,
            external: self.external.command()?,
            external_runs: 0,
            unsupported: 0,
            cases: 0,
            runs: 0,
        };
        let mut status = Status::Ok;
        let mut paths = Vec::new();
        let mut unread = 0;
        for path in &self.paths {
            if let Err(FolderErrors(errors)) = programs(path, &mut paths) {
                unread += errors.len();
                errors.into_iter().for_each(|error| print_error(&error.into()));
                status = Status::Usage;
            }
        }
        if paths.is_empty() && self.expression.is_none() && status == Status::Ok {
            bail!(
                "no program (*.stk or *.let) in {}",
                self.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
            );
        }
        let texts = self.expression.iter().map(|text| Ok(Source::new("-e", text.as_bytes())));
        let language = self.language.as_deref().and_then(Language::named);
        let in_language = |source: Source| match language {
            Some(language) => source.in_language(language),
            None => source,
        };
        let sources = texts.chain(paths.iter().map(|path| read(path))).map(|source| source.map(in_language));
        let (mut seen, mut unchecked, mut failed, mut stopped) = (0, 0, 0, 0);
        for source in sources {
            seen += 1;
            let checked = source.and_then(|source| Ok((checking.program(&source)?, source)));
            let (reports, source) = match checked {
                Ok(checked) => checked,
                // One bad file does not stop the check of the others.
                Err(error) => {
                    print_error(&error);
                    unchecked += 1;
                    status = status.max(Status::Usage);
                    continue;
                }
            };
            let worst = reports.iter().map(Report::status).max().unwrap_or(Status::Ok);
            failed += reports.iter().filter(|report| report.status() == Status::Disagreement).count();
            stopped += usize::from(worst == Status::Stopped);
            status = status.max(worst);
            for report in &reports {
                if self.json {
                    out.json_line(&report.json(&source))?;
                } else if report.case.is_none() || report.status() == Status::Disagreement {
                    writeln!(out, "{}", report.text(&source))?;
                }
            }
            if !self.json && worst != Status::Disagreement && reports.iter().any(|report| report.case.is_some()) {
                writeln!(out, "ok {}: {}", source.name(), count(reports.len(), "case"))?;
            }
            show_unexpected(&reports, &source);
        }
        for skipped in checking.oracle.skipped() {
            say(format_args!("skipped: {skipped}"));
        }
        if unchecked == seen {
            return Ok(status);
        }
        let mut summary = format!(
            "{}, {} x {}, {}: {}",
            count(seen - unchecked, "program"),
            count(checking.cases, "case"),
            count(checking.oracle.engines(), "engine"),
            count(checking.runs, "run"),
            match (failed, checking.runs) {
                (0, 0) => "nothing to compare".into(),
                (0, _) => "all agree".into(),
                _ => format!("{} FAILED", count(failed, "case")),
            },
        );
        if stopped > 0 {
            summary += &format!("; {} rejected or stopped, which no case expects", count(stopped, "program"));
        }
        if unchecked > 0 {
            summary += &format!("; {} could not be checked", count(unchecked, "program"));
        }
        if unread > 0 {
            summary += &format!("; {} could not be read", count(unread, "folder"));
        }
        if checking.external.is_some() {
            summary += &external::summary(checking.external_runs, checking.unsupported);
        }
        if external::declined_all(checking.external_runs, checking.unsupported) {
            status = status.max(Status::Usage);
        }
        if self.json {
            say(summary);
        } else {
            writeln!(out, "{summary}")?;
        }
        Ok(status)
    }
}

/// Shows each unexpected rejection and trap once per file, because many cases may share one.
fn show_unexpected(reports: &[Report], source: &Source) {
    let mut shown = HashSet::new();
    for report in reports.iter().filter(|report| report.status() != Status::Ok) {
        if let Some(diagnostic) = &report.diagnostic
            && shown.insert((diagnostic.span, &diagnostic.title))
        {
            show(diagnostic.clone(), source);
        }
    }
}

struct Checking {
    oracle: Oracle,
    fuel: u64,
    external: Option<External>,
    /// The runs of the command, and those that it does not support.
    external_runs: u64,
    unsupported: u64,
    cases: usize,
    /// The number of runs, summed over the engines.
    runs: usize,
}

/// The result of one case, or of a program without cases.
struct Report {
    case: Option<Case>,
    /// The verdict of each engine with metered fuel, and its verdict without metering if the two differ. For a rejected program,
    /// only the front end's verdict.
    answers: Vec<Answer>,
    /// What the command says, where that differs from the first engine.
    external: Vec<Reply>,
    /// The rejection, or the first trap that the case does not expect.
    diagnostic: Option<Diagnostic>,
}

/// What the command says about one run. It is no [`Answer`], because a command can also fail to give a verdict.
struct Reply {
    /// The command, and how it ran.
    name: String,
    said: Said,
}

/// The raw answer of each engine for one run, and its verdict.
type Answers = Vec<(oracle::Answer, Verdict)>;

/// Follows an engine's name if a run had no limit of fuel.
const WITHOUT_FUEL: &str = " without fuel";

impl Checking {
    fn program(&mut self, source: &Source) -> Result<Vec<Report>> {
        let cases = cases(source)?;
        let mut programs = Programs::new(source);
        if cases.is_empty() {
            return Ok(vec![self.case(source, &mut programs, None)?]);
        }
        cases.into_iter().map(|case| self.case(source, &mut programs, Some(case))).collect()
    }

    fn case(&mut self, source: &Source, programs: &mut Programs, case: Option<Case>) -> Result<Report> {
        self.cases += 1;
        let inputs = case.as_ref().map_or(&[][..], |case| &case.inputs);
        let fuel = case.as_ref().and_then(|case| case.fuel).unwrap_or(self.fuel);
        let stack_limit = case.as_ref().map_or(DEFAULT_STACK_LIMIT, |case| case.stack_limit);
        let call_limit = case.as_ref().map_or(DEFAULT_CALL_LIMIT, |case| case.call_limit);
        let program = match programs.with_inputs(inputs.len()).with_context(|| match &case {
            Some(case) => format!("{}: the case on line {}", source.name(), case.line),
            None => format!("{} has no cases", source.name()),
        })? {
            Ok(program) => program,
            Err(fault) => {
                let answers = vec![Answer::new("front end", Verdict::of_fault(fault, source))];
                return Ok(Report { case, answers, external: Vec::new(), diagnostic: Some(fault.into()) });
            }
        };
        let mut external = Vec::new();
        let run = Run { inputs, fuel: Some(fuel), stack_limit, call_limit };
        let metered = self.answers(source, program, run)?;
        external.extend(self.reply(source, run, &metered[0].1, "")?);
        // A run that ends only because fuel runs out might never end without a limit.
        let is_out_of_fuel = |verdict: &Verdict| matches!(verdict, Verdict::Trap { kind: TrapKind::OutOfFuel, .. });
        let mut unmetered = Vec::new();
        if !metered.iter().any(|(_, verdict)| is_out_of_fuel(verdict)) {
            let run = Run { fuel: None, ..run };
            unmetered = self.answers(source, program, run)?;
            external.extend(self.reply(source, run, &unmetered[0].1, WITHOUT_FUEL)?);
            unmetered.retain(|answer| !metered.contains(answer));
        }
        let is_expected = |verdict: &Verdict| case.as_ref().is_some_and(|case| case.expected == *verdict);
        let trap = metered.iter().chain(&unmetered).find_map(|(answer, verdict)| match answer.outcome {
            Outcome::Trap(trap) if !is_expected(verdict) => Some(trap),
            _ => None,
        });
        let first = &metered[0].0;
        let answer = |(answer, verdict): &(oracle::Answer, Verdict), how: &str| {
            let mut said = Answer::new(format!("{}{how}", answer.engine), verdict.clone());
            // If the outcomes differ, the memory says nothing more.
            if answer.outcome == first.outcome {
                said.compare(&first.memory, &answer.memory);
            }
            said
        };
        let metered = metered.iter().map(|said| answer(said, ""));
        let answers = metered.chain(unmetered.iter().map(|said| answer(said, WITHOUT_FUEL))).collect();
        Ok(Report { case, answers, external, diagnostic: trap.map(Into::into) })
    }

    /// Runs the program with the command, if there is one. Returns what it says if it differs from the first engine.
    fn reply(&mut self, source: &Source, run: Run, expected: &Verdict, how: &str) -> Result<Option<Reply>> {
        let Some(external) = &self.external else { return Ok(None) };
        let said = external.run(source.language(), source.bytes(), run, expected.to_string().len());
        let said = said.with_context(|| format!("cannot run the command `{}`", external.name()))?;
        match said {
            Said::Unsupported => self.unsupported += 1,
            Said::Verdict(_) | Said::Failed { .. } => self.external_runs += 1,
        }
        let is_right = said == Said::Unsupported || matches!(&said, Said::Verdict(verdict) if verdict == expected);
        Ok((!is_right).then(|| Reply { name: format!("{}{how}", external.name()), said }))
    }

    /// Runs the program on each engine.
    fn answers(&mut self, source: &Source, program: &Program, run: Run) -> Result<Answers> {
        let answers = self.oracle.run(program, run).with_context(|| source.name().to_owned())?;
        if answers.is_empty() {
            bail!("none of the requested engines runs on this host ({})", std::env::consts::ARCH);
        }
        self.runs += answers.len();
        let mut said: Answers = Vec::with_capacity(answers.len());
        for answer in answers {
            // Engines that agree share a location, which is looked up only once.
            let verdict = match said.last() {
                Some((last, verdict)) if last.outcome == answer.outcome => verdict.clone(),
                _ => Verdict::of(&answer.outcome, source),
            };
            said.push((answer, verdict));
        }
        Ok(said)
    }
}

impl Report {
    fn agree(&self) -> bool {
        agree(&self.answers) && self.external.is_empty()
    }

    fn met(&self) -> bool {
        self.case.as_ref().is_none_or(|case| self.answers.iter().all(|answer| answer.verdict == case.expected))
    }

    fn status(&self) -> Status {
        match &self.answers[..] {
            _ if !self.agree() || !self.met() => Status::Disagreement,
            // A case may expect a trap or a rejection, so these are errors only without a case.
            [first, ..] if self.case.is_none() && !matches!(first.verdict, Verdict::Done(_)) => Status::Stopped,
            _ => Status::Ok,
        }
    }

    fn text(&self, source: &Source) -> String {
        let name = source.name();
        let verdict = &self.answers[0].verdict;
        match (self.status(), verdict) {
            (Status::Disagreement, _) => {}
            (Status::Ok, _) => return format!("ok {name}: {verdict}"),
            (_, Verdict::Rejected { .. }) => return format!("REJECTED {name}: {verdict}, which no case expects"),
            _ => return format!("STOPPED {name}: {verdict}, which no case expects"),
        }
        let mut text = match &self.case {
            Some(case) => format!("FAILED {name}:{}: expected {}", case.line, case.expected),
            None => format!("FAILED {name}: engines disagree"),
        };
        for answer in &self.answers {
            text += &format!("\n  {}: {answer}", answer.engine);
        }
        for Reply { name, said } in &self.external {
            text += &match said {
                Said::Failed { class, detail } => format!("\n  {name}: {class}; {}", detail.replace('\n', "\n  ")),
                Said::Verdict(verdict) => format!("\n  {name}: {verdict}"),
                Said::Unsupported => format!("\n  {name}: unsupported"),
            };
        }
        text
    }

    fn json(&self, source: &Source) -> Value {
        let mut line = json!({ "program": source.name(), "engine": "all", "isa": std::env::consts::ARCH });
        self.answers[0].add_to(&mut line, self.diagnostic.as_ref().map(|diagnostic| &*diagnostic.title));
        line["agree"] = self.agree().into();
        if let Some(case) = &self.case {
            line["case"] = case.line.into();
            line["met"] = self.met().into();
            if !self.met() {
                line["expected"] = case.expected.to_string().into();
            }
        }
        if !self.agree() {
            let answers = self.answers.iter().map(|answer| {
                let mut line = json!({ "engine": answer.engine });
                answer.add_to(&mut line, None);
                line
            });
            let replies = self.external.iter().map(|reply| match &reply.said {
                Said::Failed { class, detail } => {
                    json!({ "engine": reply.name, "outcome": "failed", "class": class, "detail": detail })
                }
                Said::Unsupported => json!({ "engine": reply.name, "outcome": "unsupported" }),
                Said::Verdict(verdict) => {
                    let mut line = json!({ "engine": reply.name });
                    Answer::new("", verdict.clone()).add_to(&mut line, None);
                    line
                }
            });
            line["engines"] = answers.chain(replies).collect();
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Place;

    /// No program makes the engines disagree, so this output is tested with fabricated answers.
    #[test]
    fn every_disagreeing_engine_is_shown() {
        let source = Source::new("program.stk", "");
        let trap = Verdict::Trap { kind: TrapKind::DivisionByZero, at: Place { line: 1, column: 5 } };
        let answers = vec![
            Answer::new("tree", Verdict::Done(vec![1])),
            Answer::new("bytecode", Verdict::Done(vec![1])),
            Answer::new("jit", trap),
        ];
        let report = Report { case: None, answers, external: Vec::new(), diagnostic: None };
        assert_eq!(report.status(), Status::Disagreement);
        assert_eq!(
            report.text(&source),
            "FAILED program.stk: engines disagree\n  tree: 1\n  bytecode: 1\n  jit: trap division by zero 1:5"
        );
        let start = format!(r#"{{"program":"program.stk","engine":"all","isa":"{}""#, std::env::consts::ARCH);
        let engines = concat!(
            r#"{"engine":"tree","outcome":"done","stack":[1]},{"engine":"bytecode","outcome":"done","stack":[1]},"#,
            r#"{"engine":"jit","outcome":"trap","kind":"division by zero","line":1,"column":5}"#
        );
        let json = format!(r#"{start},"outcome":"done","stack":[1],"agree":false,"engines":[{engines}]}}"#);
        assert_eq!(report.json(&source).to_string(), json);
    }

    #[test]
    fn a_case_fails_if_one_engine_fails_it() {
        let source = Source::new("program.stk", "\\ case: -> 1\n");
        let case = cases(&source).expect("it is a case").remove(0);
        let answers = vec![Answer::new("tree", Verdict::Done(vec![1])), Answer::new("jit", Verdict::Done(vec![2]))];
        let report = Report { case: Some(case), answers, external: Vec::new(), diagnostic: None };
        assert_eq!((report.agree(), report.met(), report.status()), (false, false, Status::Disagreement));
        assert_eq!(report.text(&source), "FAILED program.stk:1: expected 1\n  tree: 1\n  jit: 2");
        let line = report.json(&source);
        assert_eq!((&line["agree"], &line["met"], &line["expected"]), (&false.into(), &false.into(), &"1".into()));
    }

    #[test]
    fn engines_disagree_if_one_leaves_other_memory() {
        let source = Source::new("program.stk", "");
        let done = |engine: &str| Answer::new(engine, Verdict::Done(vec![1]));
        let mut answers = vec![done("tree"), done("jit"), done("regs")];
        answers[1].compare(&[0, 5], &[0, -5]);
        answers[2].compare(&[0, 5], &[]);
        let report = Report { case: None, answers, external: Vec::new(), diagnostic: None };
        assert_eq!(report.status(), Status::Disagreement);
        assert_eq!(
            report.text(&source),
            "FAILED program.stk: engines disagree\n  tree: 1\n  jit: 1; cell 1 holds -5 in place of 5\n  \
            regs: 1; 0 cells in place of 2 cells"
        );
        let engines = &report.json(&source)["engines"];
        assert_eq!(
            (&engines[0]["memory"], &engines[1]["memory"]),
            (&Value::Null, &"cell 1 holds -5 in place of 5".into())
        );
    }
}
