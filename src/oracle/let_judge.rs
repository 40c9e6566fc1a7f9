//! Judges the front end of the let language: its errors against those that the generator made, and the compiled program against the
//! referee that walks the let program's own tree.

use super::judge::Disagreement;
use crate::corpus::cases;
use crate::generate::Trial;
use crate::interp::tree::Measured;
use crate::lang::{Fault, Program, Source, parse, print::print};
use crate::letlang::{self, evaluate::evaluate};
use crate::outcome::{Outcome, Trap, TrapKind, Verdict};

fn disagreement(class: &str, detail: String) -> Disagreement {
    Disagreement { class: class.into(), engines: Vec::new(), detail }
}

/// Checks the fault of a program, or that it has none, if a case of the program says what it must be.
///
/// # Errors
/// The fault is another one.
pub fn check_fault(trial: &Trial, fault: Option<&Fault>) -> Result<(), Disagreement> {
    let source = trial.source();
    let expected = cases(&source).into_iter().flatten().find_map(|case| match case.expected {
        Verdict::Rejected { .. } => Some(case.expected),
        Verdict::Done(_) | Verdict::Trap { .. } => None,
    });
    let found = fault.map(|fault| Verdict::of_fault(fault, &source));
    let detail = |expected: &str| match fault {
        Some(fault) => format!("expected {expected}, but it is rejected at {}: {fault}", source.place(fault.span())),
        None => format!("expected {expected}, but it is accepted"),
    };
    match (&expected, &found) {
        (None, None) => Ok(()),
        (Some(expected), Some(found)) if expected == found => Ok(()),
        (Some(expected), _) => Err(disagreement("another error", detail(&expected.to_string()))),
        (None, Some(_)) => Err(disagreement("wrongly rejected", detail("a program"))),
    }
}

/// Compares what the stack language's referee said about the compiled program with what the let language's referee says.
///
/// # Errors
/// They differ.
pub fn check_outcome(trial: &Trial, measured: &Measured) -> Result<(), Disagreement> {
    let source = trial.source();
    let tree = letlang::parse(&source).expect("it was compiled");
    let expected = match evaluate(&tree, &source, &trial.inputs, trial.fuel, trial.call_limit) {
        Ok(value) => Outcome::Done(vec![value]),
        Err(trap) => Outcome::Trap(trap),
    };
    // Frames of compiled words are longer than the let language says, so this trap may come at any call.
    let overflows = matches!(measured.outcome, Outcome::Trap(Trap { kind: TrapKind::StackOverflow, .. }));
    if overflows || expected == measured.outcome {
        return Ok(());
    }
    let [expected, found] = [&expected, &measured.outcome].map(|outcome| Verdict::of(outcome, &source).to_string());
    Err(disagreement("compiled wrongly", format!("the let referee: {expected}\nthe compiled program: {found}")))
}

/// Checks that the exported stack program is the compiled one.
///
/// # Errors
/// It is another one.
pub fn check_export(program: &Program) -> Result<(), Disagreement> {
    let safe = program.ast().with_safe_names();
    let text = print(&safe);
    let again = parse(&Source::new("exported", text.as_bytes()));
    if again.is_ok_and(|again| again.without_positions() == safe.without_positions()) {
        return Ok(());
    }
    Err(disagreement("exported as another program", text))
}
