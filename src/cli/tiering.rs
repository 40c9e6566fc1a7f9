//! The options of `run` for the engine `tiered`: its threshold, a remembered profile, and the time line.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, bail};
use clap::Args;

use super::input::{say, shown};
use crate::bytecode::{Bytecode, FunctionId, RegionId};
use crate::engine::{NoClock, Options, PrepareError, Task};
use crate::lang::{Program, Source, printable};
use crate::plural::count;
use crate::tiered::profile::Key;
use crate::tiered::{Event, Threshold, Tiered, TieredProgram, What, Why, profile_file};
use crate::tiers::support;

/// The options.
#[derive(Args)]
pub(super) struct Tiering {
    /// `tiered`: when to compile a function: at the Nth iteration of one of its loops or at its Nth call, before anything else (0), or
    /// `never` [default: when it has done, or is expected to do, as much work as pays for compiling it]
    #[arg(long, value_name = "N|never")]
    threshold: Option<When>,

    /// `tiered`: compile at once what this file remembers as hot, and add what was hot in this run
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,

    /// `tiered`: print to stderr what was compiled when and why, and where machine code was entered
    #[arg(long)]
    explain: bool,
}

/// A threshold on the command line.
#[derive(Clone, Copy, Debug, PartialEq)]
struct When(Threshold);

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<When, String> {
        match text {
            "never" => Ok(When(Threshold::Never)),
            number => match number.parse() {
                Ok(number) => Ok(When(Threshold::At(number))),
                Err(_) => Err(format!("`{number}` is neither a number from 0 on nor `never`")),
            },
        }
    }
}

impl Tiering {
    /// Whether any of the options is given.
    pub fn is_given(&self) -> bool {
        self.threshold.is_some() || self.profile.is_some() || self.explain
    }

    /// Checks that the options fit the engines that are going to run.
    pub fn check(&self, engines: &[&str]) -> Result<()> {
        if self.is_given() && engines != [Tiered::NAME] {
            bail!("--threshold, --profile and --explain belong to the engine `tiered`; use --engine tiered");
        }
        if self.profile.is_some() && self.threshold() == Threshold::Never {
            bail!("--threshold never compiles nothing, so --profile has no use");
        }
        Ok(())
    }

    fn threshold(&self) -> Threshold {
        self.threshold.map_or(Threshold::DEFAULT, |When(threshold)| threshold)
    }

    /// Prepares a program on the tiered engine with these options.
    pub fn prepare(&self, program: &Program, options: &Options, source: &Source) -> Result<Remembering, PrepareError> {
        if let Err(reason) = support() {
            say(format_args!("note: nothing is compiled: {reason}"));
        }
        let mut engine = Tiered::new(Tiered::NAME, self.threshold());
        if self.explain {
            engine = engine.with_time_line();
        }
        let (mut hot, mut may_learn) = (Vec::new(), false);
        if let Some(path) = &self.profile {
            let key = Key::of(source, program.inputs(), options, self.threshold());
            let read = profile_file::read(path);
            may_learn = read.is_ok();
            match read {
                Ok(None) => self.explain(format_args!("profile `{}`: there is none yet", shown(path))),
                Ok(Some(profiles)) => {
                    hot = profiles.hot(&key).to_vec();
                    let functions = count(hot.len(), "function");
                    self.explain(format_args!("profile `{}`: {functions} remembered for this run", shown(path)));
                }
                Err(reason) => {
                    let reason = printable(&reason);
                    say(format_args!("note: the profile `{}` is ignored: {reason}", shown(path)));
                }
            }
        }
        let program = engine.prepare_remembering(&Task::new(program, options), &hot, &mut NoClock)?;
        Ok(Remembering { program, may_learn })
    }

    fn explain(&self, line: std::fmt::Arguments) {
        if self.explain {
            say(line);
        }
    }

    /// After the last run of a program: writes the profile, and prints the time line. `inputs` is the number of inputs, if there are several
    /// programs that differ in it.
    pub fn finish(&self, prepared: &Remembering, inputs: Option<usize>, options: &Options, source: &Source) {
        let program = &prepared.program;
        if self.explain {
            if let Some(inputs) = inputs {
                say(format_args!("with {}:", count(inputs, "input")));
            }
            time_line(program).iter().for_each(|line| say(format_args!("{line}")));
        }
        let Some(path) = self.profile.as_ref().filter(|_| prepared.may_learn) else { return };
        let key = Key::of(source, program.bytecode().inputs(), options, self.threshold());
        match profile_file::update(path, key, &program.news()) {
            Ok(changed) => {
                let what = if changed { "written" } else { "unchanged" };
                self.explain(format_args!("profile `{}`: {what}", shown(path)));
            }
            Err(reason) => {
                let reason = printable(&reason);
                say(format_args!("note: the profile `{}` was not written: {reason}", shown(path)));
            }
        }
    }
}

/// A program that may learn from a profile, and may have something to teach it.
pub(super) struct Remembering {
    pub program: TieredProgram,
    /// Whether the profile may be written: what is not a profile is not replaced.
    may_learn: bool,
}

/// The time line as text.
fn time_line(prepared: &TieredProgram) -> Vec<String> {
    let code = prepared.bytecode();
    let line = |event: &Event| {
        let place = place(code, event.function, event.region);
        let what = match &event.what {
            What::Compiled { tier, why, operations, bytes, took } => {
                let why = match why {
                    Why::Work { done, limit } => {
                        format!("its work of {done} operations exceeds {limit}, so that compiling it pays")
                    }
                    Why::Done(work) => {
                        format!("code of `jit` has done {work} of its operations, as the threshold says")
                    }
                    Why::Arrived => "the rest of its function is compiled, and the execution arrives here".into(),
                    Why::Visits(visits) => format!("visit {visits}, as the threshold says"),
                    Why::First => "before it begins, as the threshold says".into(),
                    Why::Remembered => "it was hot in an earlier run".into(),
                    Why::Unforeseen => "before it begins, because its work is not known".into(),
                };
                let operations = count(*operations, "operation");
                format!(
                    "compiled {place} with `{}`: {operations} to {bytes} bytes in {:.1} us; {why}",
                    tier.name(),
                    took.as_nanos() as f64 / 1e3
                )
            }
            What::Switched { operations, is_whole } => {
                let operations = count(usize::try_from(*operations).unwrap_or(usize::MAX), "operation");
                let then = if *is_whole { "which was the whole run" } else { "and begins again" };
                format!("interpreted the bytecode of {place} for about {operations}, {then}")
            }
            What::Refused(reason) => format!("could not compile {place}: {reason}"),
            What::Entered { times } => format!(
                "entered {place}{}",
                match times {
                    1 => String::new(),
                    times => format!(", {times} times"),
                }
            ),
        };
        format!("{:>10.1} us  {what}", event.at.as_nanos() as f64 / 1e3)
    };
    let mut lines: Vec<String> = prepared.events().iter().map(line).collect();
    if lines.is_empty() {
        lines.push("nothing was compiled".into());
    }
    lines
}

/// A function and a loop in words.
fn place(code: &Bytecode, function: FunctionId, region: Option<RegionId>) -> String {
    let function = match function {
        FunctionId::MAIN => "the program".into(),
        id => format!("`{}`", code.functions()[id.index()].printable_name()),
    };
    match region {
        None => function,
        Some(id) => {
            let word =
                if matches!(code.region(id).kind, crate::bytecode::RegionKind::While) { "while" } else { "times" };
            format!("{function} at `{word}` (operation {})", code.region(id).start.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_numbers_or_never() {
        assert_eq!("never".parse(), Ok(When(Threshold::Never)));
        assert_eq!("3".parse(), Ok(When(Threshold::At(3))));
        for text in ["-1", "", "Never", "1.5", "18446744073709551616"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }
}
