//! `run --trace`: prints each word that runs, with the stack before and after it.
//!
//! The referee makes the trace, because it executes one word at a time and shares nothing with the engines that it judges.

use std::collections::VecDeque;
use std::io::{self, BufWriter, Write};

use anyhow::{Result, bail};
use clap::{Args, value_parser};

use super::input::say;
use crate::engine::Run;
use crate::interp::tree::{Moment, Next, Open, Tree, evaluate_watched};
use crate::lang::{Ast, NodeKind, Place, Program, Source, Span};
use crate::outcome::{Outcome, TrapKind};
use crate::plural::count;

/// The options.
#[derive(Args)]
pub(super) struct Trace {
    /// Print to stderr each word that runs, with the stack before and after it, on the engine `tree`
    #[arg(long)]
    trace: bool,

    /// Trace, but print only the last N steps of a run (at most 100000)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u32).range(1..=MOST_KEPT))]
    trace_last: Option<u32>,

    /// Trace from the first time on that the word at this place runs
    #[arg(long, value_name = "LINE:COLUMN", allow_hyphen_values = true, value_parser = parse_place)]
    trace_from: Option<Place>,

    /// Trace, but print only if the run traps: the last 20 steps, or as many as --trace-last says
    #[arg(long)]
    trace_on_trap: bool,
}

/// The greatest number of steps that are kept until the end of a run.
const MOST_KEPT: i64 = 100_000;

/// The number of steps that `--trace-on-trap` prints by default.
const KEPT_FOR_TRAP: u32 = 20;

/// Parses a place in the form that messages use.
fn parse_place(text: &str) -> Result<Place, String> {
    let number = |digits: &str| digits.parse().ok().filter(|number: &usize| *number > 0);
    let place = text.split_once(':').and_then(|(line, column)| Some((number(line)?, number(column)?)));
    let (line, column) = place.ok_or("it is not a line and a column, both from 1 on, such as 3:14")?;
    Ok(Place { line, column })
}

impl Trace {
    /// Whether any of the options is given. Each of them turns the trace on.
    pub fn is_given(&self) -> bool {
        self.trace || self.trace_last.is_some() || self.trace_from.is_some() || self.trace_on_trap
    }

    /// Checks that the options fit the engines that are going to run.
    pub fn check(&self, engines: &[&str]) -> Result<()> {
        if self.is_given() && engines != [Tree::NAME] {
            bail!(
                "only the engine `tree` makes traces; use --engine tree, or leave out --engine and the options of other \
                 engines"
            );
        }
        Ok(())
    }

    /// Runs the program on the referee and prints the trace.
    ///
    /// # Errors
    /// Fails if no word begins at the place that `--trace-from` names.
    pub fn run(&self, program: &Program, run: Run, source: &Source) -> Result<Outcome> {
        let ast = program.ast();
        let kept = self.trace_last.or(self.trace_on_trap.then_some(KEPT_FOR_TRAP));
        let mut tracer = Tracer {
            ast,
            source,
            awaited: self.trace_from.map(|place| find(ast, source, place)).transpose()?,
            kept: kept.map(|kept| kept as usize),
            steps: VecDeque::new(),
            left_out: 0,
            stderr: BufWriter::new(io::stderr()),
            is_lost: false,
        };
        let outcome = evaluate_watched(ast, run, &mut |moment| tracer.record(moment));
        if matches!(outcome, Outcome::Trap(_)) || !self.trace_on_trap {
            let is_reached = tracer.awaited.is_none();
            tracer.finish(&outcome);
            if let (Some(place), false) = (self.trace_from, is_reached) {
                say(format_args!("note: nothing to trace: the word at {place} did not run"));
            }
        }
        Ok(outcome)
    }
}

/// The node of the word at a place.
fn find(ast: &Ast, source: &Source, wanted: Place) -> Result<usize> {
    let places = || ast.nodes().iter().map(|node| source.place(node.span));
    if let Some(index) = places().position(|place| place == wanted) {
        return Ok(index);
    }
    match places().filter(|place| *place > wanted).min() {
        Some(next) => bail!("--trace-from: no word that can run is at {wanted}; the next one is at {next}"),
        None => bail!("--trace-from: no word that can run is at {wanted} or behind it"),
    }
}

/// Prints steps, or keeps the last ones for the end of the run.
struct Tracer<'a> {
    ast: &'a Ast,
    source: &'a Source,
    /// The node that has to run before the trace begins.
    awaited: Option<usize>,
    /// How many steps to keep. `None` if each is printed as soon as its result is known.
    kept: Option<usize>,
    steps: VecDeque<Step>,
    /// The number of steps that were dropped.
    left_out: u64,
    stderr: BufWriter<io::Stderr>,
    /// Nobody reads the trace any more. The run goes on, because its result and exit code do not depend on that.
    is_lost: bool,
}

/// A step and the stack before it. The stack before the next step is the stack after this one.
struct Step {
    next: Next,
    calls: u64,
    nesting: usize,
    stack: Top,
}

impl Tracer<'_> {
    fn record(&mut self, moment: &Moment) {
        // The end of a branch changes nothing.
        if self.is_lost || matches!(moment.next, Next::End(Open::Then { .. } | Open::Else { .. })) {
            return;
        }
        if let Some(awaited) = self.awaited {
            if !matches!(moment.next, Next::Node(index) if index == awaited) {
                return;
            }
            self.awaited = None;
        }
        let &Moment { next, stack, base, calls, nesting } = moment;
        let stack = Top::of(stack, (calls > 0).then_some(base));
        if self.steps.len() == self.kept.unwrap_or(1)
            && let Some(step) = self.steps.pop_front()
        {
            match self.kept {
                None => self.print(&step, Ok(&stack)),
                Some(_) => self.left_out += 1,
            }
        }
        self.steps.push_back(Step { next, calls, nesting, stack });
    }

    /// Prints the remaining steps.
    fn finish(mut self, outcome: &Outcome) {
        if self.left_out > 0 {
            let left_out = count(self.left_out, "step");
            self.write(&format!("… {left_out} before"));
        }
        while let Some(step) = self.steps.pop_front() {
            match (self.steps.pop_front(), outcome) {
                (Some(next), _) => {
                    self.print(&step, Ok(&next.stack));
                    self.steps.push_front(next);
                }
                (None, Outcome::Done(values)) => self.print(&step, Ok(&Top::of(values, None))),
                (None, Outcome::Trap(trap)) => self.print(&step, Err(trap.kind)),
            }
        }
        // If nobody reads the trace, there is nowhere to report that.
        let _ = self.stderr.flush();
    }

    fn print(&mut self, step: &Step, after: Result<&Top, TrapKind>) {
        self.write(&self.line(step, after));
    }

    fn write(&mut self, line: &str) {
        self.is_lost = self.is_lost || writeln!(self.stderr, "{line}").is_err();
    }

    /// One line: the place, the word, the stack before and after it, and a note about loops, branches and calls.
    fn line(&self, step: &Step, after: Result<&Top, TrapKind>) -> String {
        /// Deeper bodies and calls are not indented further.
        const DEEPEST_INDENT: usize = 8;
        let (span, word) = self.word(step.next);
        let place = self.source.place(span).to_string();
        let word = format!("{:1$}{word}", "", 2 * step.nesting.min(DEEPEST_INDENT));
        let before = &step.stack;
        // Both stacks are shown from the same value on, so that they can be compared.
        let from = after.map_or(before.depth, |after| after.depth.max(before.depth)).saturating_sub(SHOWN);
        let (after, note) = match after {
            Ok(after) => (after.shown(from), self.note(step)),
            Err(kind) => (format!(" trap {kind}"), None),
        };
        let note = note.map_or(String::new(), |note| format!("  \\ {note}"));
        format!("{place:<7} {word:<22} ({} --{after} ){note}", before.shown(from))
    }

    /// The position and text of the word that a step belongs to. Only the word that opens a body has a position.
    fn word(&self, next: Next) -> (Span, String) {
        let named = |what: &str, index: usize| {
            let span = self.ast.nodes()[index].span;
            (span, format!("{what}{}", text(self.source, span)))
        };
        match next {
            Next::Node(index) => match self.ast.nodes()[index].kind {
                NodeKind::Pick(depth) | NodeKind::Put(depth) => named(&format!("{depth} "), index),
                _ => named("", index),
            },
            Next::End(Open::Condition { at }) => named("condition of ", at as usize),
            Next::End(
                Open::Times { at, .. }
                | Open::While { at }
                | Open::Then { at }
                | Open::Else { at }
                | Open::Call { at, .. },
            ) => named("end of ", at as usize),
        }
    }

    /// How execution continues after a step that does not trap, if that is not obvious.
    fn note(&self, step: &Step) -> Option<String> {
        let top = step.stack.top();
        let note = match step.next {
            Next::Node(index) => match self.ast.nodes()[index].kind {
                NodeKind::Times { .. } => count(top.max(0), "iteration"),
                NodeKind::If { .. } if top != 0 => "THEN".into(),
                NodeKind::If { otherwise, end } if otherwise < end => "ELSE".into(),
                NodeKind::If { .. } => "skips THEN".into(),
                NodeKind::Call(_) => format!("call depth {}", step.calls + 1),
                _ => return None,
            },
            Next::End(Open::Times { left, .. }) => format!("{} left", count(left - 1, "iteration")),
            Next::End(Open::Condition { .. }) if top != 0 => "BODY".into(),
            Next::End(Open::Condition { .. }) => "ends the loop".into(),
            Next::End(_) => return None,
        };
        Some(note)
    }
}

/// The text of a word. A name can be as long as a whole program, so a long one is shortened.
fn text(source: &Source, Span { start, end }: Span) -> String {
    const LONGEST: u32 = 40;
    // A character has at most four bytes.
    let text = source.text(Span { start, end: end.min(start + 4 * (LONGEST + 1)) });
    match text.char_indices().nth(LONGEST as usize) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The greatest number of values that a line shows of each stack.
const SHOWN: usize = 8;

/// The topmost values of a stack.
struct Top {
    depth: usize,
    /// The index of the active call's lowest value. `None` in the main program.
    base: Option<usize>,
    /// The top is the last one. If the stack has fewer values, the first ones mean nothing.
    values: [i64; SHOWN],
}

impl Top {
    fn of(stack: &[i64], base: Option<usize>) -> Top {
        let mut values = [0; SHOWN];
        let shown = stack.len().min(SHOWN);
        values[SHOWN - shown..].copy_from_slice(&stack[stack.len() - shown..]);
        Top { depth: stack.len(), base, values }
    }

    /// The top. The stack is not empty.
    fn top(&self) -> i64 {
        self.values[SHOWN - 1]
    }

    /// The values from an index on, each after a space. A bar separates the values of the active call from those below.
    fn shown(&self, from: usize) -> String {
        let mut text = if from > 0 { " …".to_owned() } else { String::new() };
        for index in from..=self.depth {
            if self.base == Some(index) {
                text += " |";
            }
            if index < self.depth {
                text += &format!(" {}", self.values[SHOWN - (self.depth - index)]);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_a_line_and_a_column() {
        assert_eq!(parse_place("3:14"), Ok(Place { line: 3, column: 14 }));
        for text in ["", "3", "3:", ":3", "0:1", "1:0", "1:2:3", "-1:2", "a:b", "1 : 2", "1:99999999999999999999"] {
            assert!(parse_place(text).is_err(), "{text}");
        }
    }

    #[test]
    fn stacks_are_shown_from_the_same_value_on() {
        let stack: Vec<i64> = (0..10).collect();
        assert_eq!(Top::of(&stack, None).shown(2), " … 2 3 4 5 6 7 8 9");
        assert_eq!(Top::of(&stack[..9], None).shown(2), " … 2 3 4 5 6 7 8");
        assert_eq!(Top::of(&stack, Some(5)).shown(2), " … 2 3 4 | 5 6 7 8 9");
        assert_eq!(Top::of(&stack, Some(2)).shown(2), " … | 2 3 4 5 6 7 8 9");
        assert_eq!(Top::of(&stack, Some(1)).shown(2), " … 2 3 4 5 6 7 8 9", "the bar is further below");
        assert_eq!(Top::of(&stack[..2], Some(2)).shown(0), " 0 1 |");
        assert_eq!(Top::of(&[], Some(0)).shown(0), " |");
        assert_eq!(Top::of(&[], None).shown(0), "");
    }
}
