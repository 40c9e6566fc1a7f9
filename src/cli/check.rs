//! `check`: programs on every engine, compared with each other and with their cases.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::input::{cases, engine_names, read, say, show};
use super::output::Output;
use super::run::add_verdict;
use super::{Status, complain};
use crate::corpus::{Case, programs};
use crate::lang::{Fault, Program, Source, load};
use crate::oracle::{Answer, Oracle, Run};
use crate::outcome::{DEFAULT_STACK_LIMIT, TrapKind, Verdict};
use crate::registry;

/// Run programs on every engine and compare the outcomes with each other and with the programs' cases
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel check corpus\n  \
    jitduel check corpus/basics/gcd.stk --engine tree,jit\n\n\
    A case is a comment line `\\ case [fuel=N] [stack-limit=N]: INPUTS -> RESULT`; a program without cases is run once\n\
    without inputs. Each case runs with fuel metered and, where fuel does not end it, without.")]
pub(super) struct Check {
    /// Programs, and folders that are searched for regular files *.stk; `-` is standard input
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,

    /// The engines, separated by commas; all unless set
    #[arg(long, value_name = "E,E", value_delimiter = ',', value_parser = engine_names())]
    engine: Vec<String>,

    /// Passes that the loops of a run may start, where its case does not say
    #[arg(long, value_name = "N", default_value_t = 1_000_000_000, allow_negative_numbers = true)]
    fuel: u64,

    /// Print a line of JSON a case
    #[arg(long)]
    json: bool,
}

impl Check {
    pub fn run(self, out: &mut Output) -> Result<Status> {
        let mut names: Vec<&str> = self.engine.iter().map(String::as_str).collect();
        if names.is_empty() {
            names = registry::names().collect();
        }
        let mut checking = Checking {
            oracle: Oracle::new(&names).context("clap lets only names of engines pass")?,
            fuel: self.fuel,
            cases: 0,
            runs: 0,
        };
        let mut status = Status::Ok;
        let mut paths = Vec::new();
        for path in &self.paths {
            if let Err(error) = programs(path, &mut paths) {
                complain(&error.into());
                status = Status::Usage;
            }
        }
        if paths.is_empty() && status == Status::Ok {
            bail!(
                "no program (*.stk) in {}",
                self.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
            );
        }
        let (mut failed, mut unchecked) = (0, 0);
        for path in &paths {
            let checked = read(path).and_then(|source| Ok((checking.program(&source)?, source)));
            let (reports, source) = match checked {
                Ok(checked) => checked,
                // What is wrong with one file is no reason not to look at the others.
                Err(error) => {
                    complain(&error);
                    unchecked += 1;
                    status = status.max(Status::Usage);
                    continue;
                }
            };
            let worst = reports.iter().map(Report::status).max().unwrap_or(Status::Ok);
            failed += reports.iter().filter(|report| report.status() == Status::Disagreement).count();
            status = status.max(worst);
            for report in &reports {
                if self.json {
                    writeln!(out, "{}", report.json(&source))?;
                } else if report.case.is_none() || report.status() == Status::Disagreement {
                    writeln!(out, "{}", report.text(&source))?;
                }
                if report.case.is_none()
                    && let Some(fault) = &report.fault
                {
                    show(fault, &source);
                }
            }
            if !self.json && worst != Status::Disagreement && reports.iter().any(|report| report.case.is_some()) {
                writeln!(out, "ok {}: {} cases", source.name(), reports.len())?;
            }
        }
        for skipped in checking.oracle.skipped() {
            say(format_args!("skipped: {skipped}"));
        }
        if unchecked == paths.len() {
            return Ok(status);
        }
        let summary = format!(
            "{} programs, {} cases x {} engines, {} runs: {}{}",
            paths.len() - unchecked,
            checking.cases,
            checking.oracle.engines(),
            checking.runs,
            if failed == 0 { "all agree".into() } else { format!("{failed} cases FAILED") },
            if unchecked == 0 { String::new() } else { format!("; {unchecked} programs could not be checked") },
        );
        if self.json {
            say(summary);
        } else {
            writeln!(out, "{summary}")?;
        }
        Ok(status)
    }
}

struct Checking {
    oracle: Oracle,
    fuel: u64,
    cases: usize,
    /// Runs of an engine.
    runs: usize,
}

/// What became of one case, or of a program without cases.
struct Report {
    case: Option<Case>,
    /// What each engine said, with fuel metered, and without where that differs; of a rejected program, the front end.
    answers: Vec<(String, Verdict)>,
    fault: Option<Fault>,
}

impl Checking {
    fn program(&mut self, source: &Source) -> Result<Vec<Report>> {
        let cases = cases(source)?;
        if cases.is_empty() {
            return Ok(vec![self.case(source, None)?]);
        }
        cases.into_iter().map(|case| self.case(source, Some(case))).collect()
    }

    fn case(&mut self, source: &Source, case: Option<Case>) -> Result<Report> {
        self.cases += 1;
        let inputs = case.as_ref().map_or(&[][..], |case| &case.inputs);
        let fuel = case.as_ref().and_then(|case| case.fuel).unwrap_or(self.fuel);
        let stack_limit = case.as_ref().map_or(DEFAULT_STACK_LIMIT, |case| case.stack_limit);
        let program = match load(source, inputs.len()) {
            Ok(program) => program,
            Err(fault) => {
                let answers = vec![("front end".into(), Verdict::of_fault(&fault, source))];
                return Ok(Report { case, answers, fault: Some(fault) });
            }
        };
        let mut answers = self.answers(source, &program, Run { inputs, fuel: Some(fuel), stack_limit })?;
        // Without fuel a run that only its fuel ends might never end.
        if !answers.iter().any(|(_, verdict)| matches!(verdict, Verdict::Trap { kind: TrapKind::OutOfFuel, .. })) {
            let mut unmetered = self.answers(source, &program, Run { inputs, fuel: None, stack_limit })?;
            unmetered.retain(|answer| !answers.contains(answer));
            answers.extend(unmetered.into_iter().map(|(engine, verdict)| (engine + " without fuel", verdict)));
        }
        Ok(Report { case, answers, fault: None })
    }

    /// What each engine says of one run.
    fn answers(&mut self, source: &Source, program: &Program, run: Run) -> Result<Vec<(String, Verdict)>> {
        let answers = self.oracle.run(program, run).with_context(|| source.name().to_owned())?;
        if answers.is_empty() {
            bail!("none of the engines asked for runs on this host ({})", std::env::consts::ARCH);
        }
        self.runs += answers.len();
        let verdict = |answer: Answer| (answer.engine.to_owned(), Verdict::of(&answer.outcome, source));
        Ok(answers.into_iter().map(verdict).collect())
    }
}

impl Report {
    fn agree(&self) -> bool {
        self.answers.windows(2).all(|pair| pair[0].1 == pair[1].1)
    }

    fn met(&self) -> bool {
        self.case.as_ref().is_none_or(|case| self.answers.iter().all(|(_, verdict)| *verdict == case.expected))
    }

    fn status(&self) -> Status {
        match &self.answers[..] {
            _ if !self.agree() || !self.met() => Status::Disagreement,
            // A case says what becomes of the program: it may well be a trap.
            [(_, verdict), ..] if self.case.is_none() && !matches!(verdict, Verdict::Done(_)) => Status::Stopped,
            _ => Status::Ok,
        }
    }

    fn text(&self, source: &Source) -> String {
        let name = source.name();
        if self.status() != Status::Disagreement {
            return format!("ok {name}: {}", self.answers[0].1);
        }
        let mut text = match &self.case {
            Some(case) => format!("FAILED {name}:{}: expected {}", case.line, case.expected),
            None => format!("FAILED {name}: engines disagree"),
        };
        for (engine, verdict) in &self.answers {
            text += &format!("\n  {engine}: {verdict}");
        }
        text
    }

    fn json(&self, source: &Source) -> Value {
        let mut line = json!({ "program": source.name(), "engine": "all", "isa": std::env::consts::ARCH });
        add_verdict(&mut line, &self.answers[0].1, self.fault.as_ref());
        line["agree"] = self.agree().into();
        if let Some(case) = &self.case {
            line["case"] = case.line.into();
            line["met"] = self.met().into();
            if !self.met() {
                line["expected"] = case.expected.to_string().into();
            }
        }
        if !self.agree() {
            let answers = self.answers.iter().map(|(engine, verdict)| {
                let mut answer = json!({ "engine": engine });
                add_verdict(&mut answer, verdict, None);
                answer
            });
            line["engines"] = answers.collect();
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Place;

    fn said(engine: &str, verdict: Verdict) -> (String, Verdict) {
        (engine.into(), verdict)
    }

    /// No program makes the engines disagree, so what is said then is tested without one.
    #[test]
    fn engines_that_disagree_are_shown_each() {
        let source = Source::new("program.stk", "");
        let trap = Verdict::Trap { kind: TrapKind::DivisionByZero, at: Place { line: 1, column: 5 } };
        let answers =
            vec![said("tree", Verdict::Done(vec![1])), said("bytecode", Verdict::Done(vec![1])), said("jit", trap)];
        let report = Report { case: None, answers, fault: None };
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
    fn a_case_that_one_engine_does_not_meet_is_not_met() {
        let source = Source::new("program.stk", "\\ case: -> 1\n");
        let case = cases(&source).expect("it is a case").remove(0);
        let answers = vec![said("tree", Verdict::Done(vec![1])), said("jit", Verdict::Done(vec![2]))];
        let report = Report { case: Some(case), answers, fault: None };
        assert_eq!((report.agree(), report.met(), report.status()), (false, false, Status::Disagreement));
        assert_eq!(report.text(&source), "FAILED program.stk:1: expected 1\n  tree: 1\n  jit: 2");
        let line = report.json(&source);
        assert_eq!((&line["agree"], &line["met"], &line["expected"]), (&false.into(), &false.into(), &"1".into()));
    }
}
