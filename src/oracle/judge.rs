//! The judge: chooses the runs of a random program and compares each with the referee.

use super::external::{External, Said};
use super::refute::wrongly_rejected;
use super::{Oracle, Round, let_judge};
use crate::engine::{Engine, PrepareError, Run};
use crate::generate::Trial;
use crate::interp::tree::{Measured, Tree, measure};
use crate::lang::print::print;
use crate::lang::{Fault, Language, Program, RejectionKind, Source, parse};
use crate::outcome::{Outcome, Trap, TrapKind, Verdict, other_memory};
use crate::registry;

/// Compares engines with the referee.
pub struct Judge {
    /// All engines but the referee, which runs first in each comparison.
    oracle: Oracle,
    external: Option<External>,
}

/// How thoroughly a program is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// With its own fuel, and without metering.
    Quick,
    /// Also with a sweep of fuel, stack limits and call limits around those that it needs. The printer is tested too.
    Thorough,
}

/// The counts of a program without a disagreement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Runs, summed over the engines, the referee and the command.
    pub runs: u64,
    /// Those of them that the command made.
    pub external: u64,
    /// Runs that the command does not support, which are not in the sums above.
    pub unsupported: u64,
    /// Runs on engines that can change from an interpreter to machine code.
    pub tiered: u64,
    /// Those of them that did.
    pub changed: u64,
    /// Words that the referee executed under the program's own limits; 0 if it was rejected.
    pub words: u64,
    /// Whether it trapped under its own limits.
    pub trapped: bool,
    /// Whether it was rejected before any run.
    pub rejected: bool,
}

/// A failure that the process survives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The kind of disagreement; equal for programs that show the same bug.
    pub class: String,
    /// The engines that differ from the referee; empty if the front end is wrong.
    pub engines: Vec<&'static str>,
    /// The run that shows it, and each engine's answer.
    pub detail: String,
}

/// The approximate maximum number of fuel limits in a sweep.
const MAX_FUELS: u64 = 24;

impl Judge {
    /// A judge of the engines with these names; `None` if one does not exist.
    pub fn new(names: &[&str]) -> Option<Judge> {
        names.iter().map(|name| registry::engine(name)).collect::<Option<_>>().map(Judge::of)
    }

    /// A judge of these engines. Without any engine, only the front end is tested.
    pub fn of(mut engines: Vec<Box<dyn Engine>>) -> Judge {
        engines.retain(|engine| engine.name() != Tree::NAME);
        Judge { oracle: Oracle::of(engines), external: None }
    }

    /// The same judge, which also compares a command with the referee.
    pub fn with_external(self, external: Option<External>) -> Judge {
        Judge { external, ..self }
    }

    /// Messages about what the host cannot run; known after the first program.
    pub fn skipped(&self) -> &[String] {
        self.oracle.skipped()
    }

    /// From now on, the engines with these names are not compared.
    pub fn rest(&mut self, names: impl IntoIterator<Item = &'static str>) {
        self.oracle.rest(names);
    }

    /// Judges a program.
    ///
    /// # Errors
    /// The first disagreement.
    pub fn judge(&mut self, trial: &Trial, care: Care) -> Result<Judged, Disagreement> {
        self.judge_alive(trial, care, &mut || {})
    }

    /// Judges a program, and calls `alive` after each run of the command. Each of them may take long, and a program has
    /// many.
    ///
    /// # Errors
    /// The first disagreement.
    pub fn judge_alive(&mut self, trial: &Trial, care: Care, alive: &mut dyn FnMut()) -> Result<Judged, Disagreement> {
        let loaded = trial.load();
        if trial.language == Language::Let {
            let_judge::check_fault(trial, loaded.as_ref().err())?;
        }
        let program = match loaded {
            Ok(program) => program,
            Err(fault) => {
                check_rejection(trial, &fault)?;
                return Ok(Judged { rejected: true, ..Judged::default() });
            }
        };
        let measured = trial.measure(program.ast());
        let mut judged = Judged { words: measured.words, ..Judged::default() };
        judged.trapped = matches!(measured.outcome, Outcome::Trap(_));
        match trial.language {
            Language::Stack if care == Care::Thorough => check_printer(&program)?,
            Language::Stack => {}
            Language::Let => {
                let_judge::check_outcome(trial, &measured)?;
                let_judge::check_export(&program)?;
            }
        }
        let external = self.external.as_ref();
        let mut comparison =
            Comparison { trial, program: &program, run: trial.run(), judged: &mut judged, external, alive };
        let sweep = if care == Care::Thorough { fuels(trial, &measured) } else { Vec::new() };
        comparison.metered(&mut self.oracle, &measured, &sweep)?;
        comparison.unmetered(&mut self.oracle, &measured)?;
        if care == Care::Thorough {
            let stack_limits = stack_limits(trial, &measured).into_iter();
            let stack_limits = stack_limits.map(|stack_limit| Run { stack_limit, ..trial.run() });
            let call_limits = call_limits(trial, &measured).into_iter();
            let call_limits = call_limits.map(|call_limit| Run { call_limit, ..trial.run() });
            for (number, run) in stack_limits.chain(call_limits).enumerate() {
                comparison.run = run;
                let measured = measure(program.ast(), run);
                if number % 2 == 0 {
                    comparison.metered(&mut self.oracle, &measured, &[])?;
                } else {
                    comparison.unmetered(&mut self.oracle, &measured)?;
                }
            }
        }
        Ok(judged)
    }
}

/// The fuel limits of a sweep: those around and below what a run needs, except the program's own.
pub(super) fn fuels(trial: &Trial, measured: &Measured) -> Vec<u64> {
    let needed = measured.fuel();
    let step = needed.div_ceil(MAX_FUELS).max(1) as usize;
    let mut fuels: Vec<u64> = (0..needed).step_by(step).chain([needed.saturating_sub(1), needed, needed + 1]).collect();
    fuels.dedup();
    fuels.retain(|fuel| *fuel != trial.fuel);
    fuels
}

/// The stack limits of a sweep: those around what a run needs, and what its calls alone need, except the program's own.
pub(super) fn stack_limits(trial: &Trial, measured: &Measured) -> Vec<usize> {
    let (least, deepest) = (trial.inputs.len(), measured.deepest);
    let frame = measured.deepest_frame;
    let mut limits = vec![least, frame.saturating_sub(1), frame, deepest.saturating_sub(1), deepest, deepest + 1];
    limits.retain(|limit| *limit >= least && *limit != trial.stack_limit);
    limits.sort_unstable();
    limits.dedup();
    limits
}

/// The call limits of a sweep: those around what a run needs, except the program's own. A program that makes no calls has none.
pub(super) fn call_limits(trial: &Trial, measured: &Measured) -> Vec<u64> {
    let deepest = measured.call_depth;
    let mut limits =
        if measured.calls == 0 { vec![] } else { vec![0, deepest.saturating_sub(1), deepest, deepest + 1] };
    limits.retain(|limit| *limit != trial.call_limit);
    limits.dedup();
    limits
}

/// A program with its limits, to be run on all engines and compared with the referee.
struct Comparison<'a> {
    trial: &'a Trial,
    program: &'a Program,
    /// With the trial's own fuel.
    run: Run<'a>,
    judged: &'a mut Judged,
    external: Option<&'a External>,
    alive: &'a mut dyn FnMut(),
}

impl Comparison<'_> {
    /// Runs the engines with the trial's own fuel and then with each of `fuels`, and compares their outcomes with the
    /// referee's. `measured` is the referee's result with the trial's own fuel.
    fn metered(&mut self, oracle: &mut Oracle, measured: &Measured, fuels: &[u64]) -> Result<(), Disagreement> {
        let mut round = oracle.prepare(self.program, &self.run.options()).map_err(unprepared)?;
        self.compare(&mut round, self.run, measured)?;
        for &fuel in fuels {
            let run = Run { fuel: Some(fuel), ..self.run };
            self.compare(&mut round, run, &measure(self.program.ast(), run))?;
        }
        Ok(())
    }

    /// Compares the outcomes without metering, if the run is certain to end.
    fn unmetered(&mut self, oracle: &mut Oracle, measured: &Measured) -> Result<(), Disagreement> {
        if matches!(measured.outcome, Outcome::Trap(Trap { kind: TrapKind::OutOfFuel, .. })) {
            return Ok(());
        }
        let run = Run { fuel: None, ..self.run };
        let mut round = oracle.prepare(self.program, &run.options()).map_err(unprepared)?;
        self.compare(&mut round, run, &measure(self.program.ast(), run))
    }

    fn compare(&mut self, round: &mut Round, run: Run, expected: &Measured) -> Result<(), Disagreement> {
        let memory = if let Outcome::Done(_) = expected.outcome { &expected.memory[..] } else { &[] };
        let mut different = Vec::new();
        self.judged.runs += 1;
        for answer in round.run(run.inputs, run.fuel) {
            self.judged.runs += 1;
            self.judged.tiered += u64::from(registry::changes_tiers(answer.engine));
            self.judged.changed += u64::from(answer.tier_changes > 0);
            if answer.outcome != expected.outcome || *answer.memory != *memory {
                different.push(answer);
            }
        }
        if different.is_empty() && self.external.is_none() {
            return Ok(());
        }
        let source = self.trial.source();
        let right = Verdict::of(&expected.outcome, &source);
        // The kind of disagreement, the name of the engine, and what it says.
        let mut wrong: Vec<(String, &'static str, String)> = Vec::new();
        for answer in &different {
            let verdict = Verdict::of(&answer.outcome, &source);
            let mut line = verdict.to_string();
            if answer.outcome == expected.outcome {
                line += &format!("; {}", other_memory(memory, &answer.memory));
            }
            wrong.push((class(&right, &verdict), answer.engine, line));
        }
        if let Some(external) = self.external {
            wrong.extend(self.ask(external, run, &right)?);
        }
        let Some((class, ..)) = wrong.first() else { return Ok(()) };
        let fuel = run.fuel.map_or("without fuel".into(), |fuel| format!("fuel {fuel}"));
        let (stack_limit, call_limit) = (run.stack_limit, run.call_limit);
        let mut detail = format!("{fuel}, stack limit {stack_limit}, call limit {call_limit}\ntree: {right}");
        for (_, engine, line) in &wrong {
            detail += &format!("\n{engine}: {line}");
        }
        Err(Disagreement {
            class: class.clone(),
            engines: wrong.iter().map(|(_, engine, _)| *engine).collect(),
            detail,
        })
    }

    /// Runs the command. Returns the kind of disagreement, the command and what it says if it is wrong.
    fn ask(
        &mut self,
        external: &External,
        run: Run,
        right: &Verdict,
    ) -> Result<Option<(String, &'static str, String)>, Disagreement> {
        let said = external.run(self.trial.language, self.trial.text.as_bytes(), run, right.to_string().len());
        (self.alive)();
        let said = said.map_err(|error| {
            let detail = format!("cannot run the command `{}`: {error}", external.name());
            Disagreement { class: HOST.into(), engines: Vec::new(), detail }
        })?;
        if said == Said::Unsupported {
            self.judged.unsupported += 1;
            return Ok(None);
        }
        self.judged.runs += 1;
        self.judged.external += 1;
        Ok(match said {
            Said::Verdict(verdict) if verdict != *right => {
                Some((class(right, &verdict), external.name(), verdict.to_string()))
            }
            Said::Failed { class, detail } => {
                let line = format!("{class}; {detail}");
                Some((class, external.name(), line))
            }
            Said::Verdict(_) | Said::Unsupported => None,
        })
    }
}

/// The kind of disagreement between two runs. If the verdicts are equal, the memory is not.
fn class(expected: &Verdict, got: &Verdict) -> String {
    let name = |verdict: &Verdict| match verdict {
        Verdict::Done(_) => "done".into(),
        Verdict::Trap { kind, .. } => kind.to_string(),
        Verdict::Rejected { .. } => "rejected".into(),
    };
    match (expected, got) {
        _ if expected == got => "other memory".into(),
        (Verdict::Done(_), Verdict::Done(_)) => "other values".into(),
        (Verdict::Trap { kind, .. }, Verdict::Trap { kind: other, .. }) if kind == other => {
            format!("{kind} at another word")
        }
        _ => format!("{} in place of {}", name(got), name(expected)),
    }
}

/// The class of failures that are the host's fault: no memory for a stack or for code.
pub const HOST: &str = "refused by the host";

fn unprepared(error: PrepareError) -> Disagreement {
    let class = match error {
        PrepareError::Stack { .. } | PrepareError::Reserve(_) | PrepareError::Memory(_) => HOST,
        _ => "not prepared",
    };
    Disagreement { class: class.into(), engines: Vec::new(), detail: error.to_string() }
}

/// Checks that the printed program parses to the same program.
fn check_printer(program: &Program) -> Result<(), Disagreement> {
    let text = print(program.ast());
    let again = parse(&Source::new("printed", text.as_bytes()));
    if again.is_ok_and(|again| again.without_positions() == program.ast().without_positions()) {
        return Ok(());
    }
    Err(Disagreement { class: "printed as another program".into(), engines: Vec::new(), detail: text })
}

/// Checks that a rejected program could not run past the rejected word, and that the location of any fault is in the text.
fn check_rejection(trial: &Trial, fault: &Fault) -> Result<(), Disagreement> {
    let (start, end) = (fault.span().start as usize, fault.span().end as usize);
    if start > end || trial.text.get(start..end).is_none() {
        let detail = format!("{fault}, at bytes {start} to {end} of {}", trial.text.len());
        return Err(Disagreement { class: "rejected outside the text".into(), engines: Vec::new(), detail });
    }
    let (Fault::Rejection(rejection), Ok(ast)) = (fault, parse(&trial.source())) else { return Ok(()) };
    if !wrongly_rejected(&ast, rejection, &trial.inputs, trial.fuel) {
        return Ok(());
    }
    let place = trial.source().place(rejection.span);
    let but = match rejection.kind {
        RejectionKind::WrongEffect { .. } => "but a call can leave another number of values",
        RejectionKind::Underflow { .. } | RejectionKind::UnbalancedIf { .. } => {
            "but with these inputs the word has the values that it needs"
        }
    };
    let detail = format!("rejected at {place}: {rejection}; {but}");
    Err(Disagreement { class: "wrongly rejected".into(), engines: Vec::new(), detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Options, PhaseClock, Prepared, Task};
    use crate::exec::Store;
    use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT};

    /// The referee under another name, with other options, which changes the memory at the end.
    struct Wrong {
        options: fn(Options) -> Options,
        memory: fn(&mut Vec<i64>),
    }

    struct WrongProgram {
        right: Box<dyn Prepared>,
        memory: fn(&mut Vec<i64>),
    }

    impl Engine for Wrong {
        fn name(&self) -> &'static str {
            "wrong"
        }

        fn prepare_task(&mut self, task: &Task, clock: &mut dyn PhaseClock) -> Result<Box<dyn Prepared>, PrepareError> {
            let options = (self.options)(*task.options());
            let right = Tree.prepare_task(&Task::new(task.program(), &options), clock)?;
            Ok(Box::new(WrongProgram { right, memory: self.memory }))
        }
    }

    impl Prepared for WrongProgram {
        fn run(&mut self, inputs: &[i64], fuel: Option<u64>, stack: &mut Store) -> Result<(), Trap> {
            self.right.run(inputs, fuel, stack)?;
            let mut memory = stack.memory().to_vec();
            (self.memory)(&mut memory);
            stack.set_memory(&memory);
            Ok(())
        }
    }

    fn trial(text: &str) -> Trial {
        let (stack_limit, call_limit) = (DEFAULT_STACK_LIMIT, DEFAULT_CALL_LIMIT);
        Trial { language: Language::Stack, text: text.into(), inputs: vec![], fuel: 100, stack_limit, call_limit }
    }

    fn measured(trial: &Trial) -> Measured {
        trial.measure(trial.load().expect("it is a program").ast())
    }

    fn judged(text: &str, wrong: Wrong, care: Care) -> Result<Judged, Disagreement> {
        Judge::of(vec![Box::new(wrong)]).judge(&trial(text), care)
    }

    #[test]
    fn other_memory_is_a_disagreement() {
        let text = "3 array a  7 a 1 + !  5";
        for (memory, difference) in [
            ((|memory| memory[1] += 1) as fn(&mut Vec<i64>), "cell 1 holds 8 in place of 7"),
            (|memory| memory[2] = -1, "cell 2 holds -1 in place of 0"),
            (Vec::clear, "0 cells in place of 3 cells"),
            (|memory| memory.push(0), "4 cells in place of 3 cells"),
        ] {
            let wrong = judged(text, Wrong { options: |options| options, memory }, Care::Quick);
            let Err(Disagreement { class, engines, detail }) = wrong else { panic!("{difference}") };
            assert_eq!((class.as_str(), engines), ("other memory", vec!["wrong"]));
            let expected = format!("fuel 100, stack limit 65536, call limit 10000\ntree: 5\nwrong: 5; {difference}");
            assert_eq!(detail, expected);
        }
        let right = Wrong { options: |options| options, memory: |_| {} };
        assert!(judged(text, right, Care::Thorough).is_ok());
    }

    /// A trap loses the memory, so it may be anything.
    #[test]
    fn memory_after_a_trap_is_not_compared() {
        let wrong = Wrong { options: |options| options, memory: |memory| memory.clear() };
        assert!(judged("3 array a  7 a !  5 3 @", wrong, Care::Thorough).is_ok());
    }

    #[test]
    fn a_sweep_finds_call_limits_that_are_off_by_one() {
        let text = ": f ( n -- ) if 0 f end ;  1 f";
        for (options, class) in [
            (
                (|options| Options { call_limit: options.call_limit + 1, ..options }) as fn(Options) -> Options,
                "call depth exceeded",
            ),
            (|options| Options { call_limit: options.call_limit.saturating_sub(1), ..options }, "call depth exceeded"),
        ] {
            let wrong = || Wrong { options, memory: |_| {} };
            assert!(judged(text, wrong(), Care::Quick).is_ok(), "the default limit is far away");
            let found = judged(text, wrong(), Care::Thorough).expect_err("a limit is exact");
            assert!(found.class.starts_with(class), "{found:?}");
        }
    }

    #[test]
    fn sweeps_include_the_limits_around_the_needs() {
        let of_calls = trial(": f ( n -- m ) dup dup + + ;  1 3 f drop drop 2 times 1 end");
        let measured_calls = measured(&of_calls);
        // The calls alone need 4 values, and so does nothing else.
        assert_eq!(stack_limits(&of_calls, &measured_calls), [0, 3, 4, 5]);
        assert_eq!(call_limits(&of_calls, &measured_calls), [0, 1, 2]);
        assert_eq!(fuels(&of_calls, &measured_calls), [0, 1, 2, 3, 4]);
        let of_main = trial(": f ( n -- m ) dup + ;  1 f 2 3 4 5 6");
        assert_eq!(stack_limits(&of_main, &measured(&of_main)), [0, 1, 2, 5, 6, 7]);
        let without_calls = trial("1 2 +");
        assert!(call_limits(&without_calls, &measured(&without_calls)).is_empty());
        let own_limit = Trial { call_limit: 2, ..of_calls };
        assert_eq!(call_limits(&own_limit, &measured_calls), [0, 1]);
    }
}
