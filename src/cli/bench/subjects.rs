//! The programs that `bench` times, with their inputs and unique names.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::bench::Subject;
use crate::bench::workloads::{WORKLOADS, Workload, hold_out, workload};
use crate::cli::input::{Inputs, cases, check_input_count, read, say};
use crate::corpus::programs;
use crate::lang::{Source, printable};
use crate::outcome::Verdict;

#[derive(Args)]
pub(super) struct Subjects {
    /// Workload names, program files or folders; `hold-out` is the 50 generated loops [default: all workloads]
    subjects: Vec<PathBuf>,

    /// The program text
    #[arg(short = 'e', value_name = "TEXT", allow_hyphen_values = true)]
    expression: Option<String>,

    /// Initial stack, bottom first [default: a workload's size, else the first case that does not trap]
    #[arg(long, value_name = "A,B", allow_hyphen_values = true)]
    input: Option<Inputs>,

    /// Maximum number of values on the stack [default: that of the case, or 65536]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    stack_limit: Option<usize>,

    /// Maximum number of active calls [default: that of the case, or 10000]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    call_limit: Option<u64>,
}

/// A subject whose name may not be unique, and its path.
struct Candidate {
    subject: Subject,
    path: Option<String>,
}

impl Subjects {
    /// Reads all subjects.
    pub fn read(&self) -> Result<Vec<Subject>> {
        let mut found = Vec::new();
        if self.subjects.is_empty() && self.expression.is_none() {
            for workload in WORKLOADS {
                found.push(self.workload(workload)?);
            }
        }
        if let Some(text) = &self.expression {
            found.push(self.program(Source::new("-e", text.as_bytes()), "-e".into(), None)?);
        }
        for name in &self.subjects {
            let text = name.to_str().unwrap_or("");
            if text == "hold-out" {
                if self.input.is_some() {
                    bail!("--input cannot be used with hold-out, whose programs have their own inputs");
                }
                for subject in hold_out() {
                    found.push(self.candidate(subject, None)?);
                }
            } else if let Some(workload) = workload(text) {
                found.push(self.workload(workload)?);
            } else {
                let mut paths = Vec::new();
                programs(name, &mut paths)?;
                for path in paths {
                    let source = read(&path)?;
                    let stem = path.file_stem().map_or(path.as_os_str(), |stem| stem);
                    let stem = printable(&stem.to_string_lossy()).into_owned();
                    let path = source.name().to_owned();
                    found.push(self.program(source, stem, Some(path))?);
                }
            }
        }
        if found.is_empty() {
            let names: Vec<String> = self.subjects.iter().map(|name| name.display().to_string()).collect();
            bail!("no program in {}", names.join(", "));
        }
        Ok(with_unique_names(found))
    }

    fn workload(&self, workload: &Workload) -> Result<Candidate> {
        let subject = workload.subject();
        let inputs = self.input.as_ref().map_or(subject.inputs.clone(), |inputs| inputs.0.clone());
        self.candidate(Subject { inputs, ..subject }, None)
    }

    /// A program with the inputs from `--input`. Without `--input`, a program with the same text as a workload gets the
    /// workload's size as its input. Any other program gets the inputs and limits of its first case that does not trap.
    fn program(&self, source: Source, name: String, path: Option<String>) -> Result<Candidate> {
        let is_same_text = |workload: &&Workload| workload.text.as_bytes() == source.bytes();
        let subject = if let Some(inputs) = &self.input {
            Subject::new(name, source, inputs.0.clone())
        } else if let Some(workload) = WORKLOADS.iter().find(is_same_text) {
            Subject { name, source, ..workload.subject() }
        } else {
            let mut cases = cases(&source)?;
            let ends = cases.iter().position(|case| matches!(case.expected, Verdict::Done(_)));
            match ends.or((!cases.is_empty()).then_some(0)).map(|index| cases.swap_remove(index)) {
                None => Subject::new(name, source, Vec::new()),
                Some(case) => {
                    say(format_args!("note: {name}: using the inputs of the case on line {}", case.line));
                    let (stack_limit, call_limit) = (case.stack_limit, case.call_limit);
                    Subject { name, source, inputs: case.inputs, stack_limit, call_limit }
                }
            }
        };
        self.candidate(subject, path)
    }

    fn candidate(&self, subject: Subject, path: Option<String>) -> Result<Candidate> {
        let stack_limit = self.stack_limit.unwrap_or(subject.stack_limit);
        let call_limit = self.call_limit.unwrap_or(subject.call_limit);
        let inputs = check_input_count(subject.inputs, stack_limit)?;
        Ok(Candidate { subject: Subject { inputs, stack_limit, call_limit, ..subject }, path })
    }
}

/// Makes names unique: by path for files of the same name, then by number.
fn with_unique_names(found: Vec<Candidate>) -> Vec<Subject> {
    let names: Vec<String> = found.iter().map(|candidate| candidate.subject.name.clone()).collect();
    let mut subjects: Vec<Subject> = Vec::new();
    for Candidate { subject, path } in found {
        let is_shared = names.iter().filter(|name| **name == subject.name).count() > 1;
        let plain = path.filter(|_| is_shared).unwrap_or(subject.name.clone());
        let numbered = (2..).map(|number| format!("{plain} ({number})"));
        let mut candidates = std::iter::once(plain.clone()).chain(numbered);
        let is_free = |name: &String| subjects.iter().all(|other| other.name != *name);
        let name = candidates.find(is_free).expect("there are infinitely many numbers");
        subjects.push(Subject { name, ..subject });
    }
    subjects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_has_a_unique_name() {
        let candidate = |name: &str, path: Option<&str>| Candidate {
            subject: Subject::new(name, Source::new(name, ""), Vec::new()),
            path: path.map(Into::into),
        };
        let found = vec![
            candidate("q", Some("a/q.stk")),
            candidate("q", Some("b/q.stk")),
            candidate("q", Some("b/q.stk")),
            candidate("q", None),
            candidate("r", Some("a/r.stk")),
        ];
        let names: Vec<String> = with_unique_names(found).into_iter().map(|subject| subject.name).collect();
        assert_eq!(names, ["a/q.stk", "b/q.stk", "b/q.stk (2)", "q", "r"]);
    }
}
