//! A process that prepares a subject on some engines and then times the requested runs, one request after the other.
//!
//! The protocol is line-based. The worker reads a task as JSON and replies with `{"ready":…}` or `{"error":…}`. Then it
//! reads requests of the form `WHICH RUNS`, and replies to each with the processor time of that many runs in nanoseconds.
//! It exits at the end of its input.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Stopwatch, Subject, answer, calibration, prepare, repeat, stack};
use crate::engine::Prepared;
use crate::exec::Store;
use crate::lang::{Language, Source};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT};

/// The newest version of the protocol. A task uses the oldest version that can express it, so that older builds can take
/// part.
pub const PROTOCOL: u64 = 4;

/// The name under which the calibration kernel takes part.
pub const CALIBRATION: &str = "calibration";

/// A subject and its contestants.
#[derive(Clone, Debug)]
pub struct Task {
    /// The program with its inputs.
    pub subject: Subject,
    /// Engines or [`CALIBRATION`], possibly repeated.
    pub contestants: Vec<String>,
}

impl Task {
    /// The task as one line. Protocol 1 supports only the default limits, protocol 2 only the default call limit, and protocol 3
    /// only the stack language.
    pub fn to_json(&self) -> Value {
        let Subject { name, source, inputs, stack_limit, call_limit } = &self.subject;
        let text = String::from_utf8_lossy(source.bytes());
        let contestants = &self.contestants;
        let protocol = if source.language() != Language::Stack {
            PROTOCOL
        } else if *call_limit != DEFAULT_CALL_LIMIT {
            3
        } else if *stack_limit != DEFAULT_STACK_LIMIT {
            2
        } else {
            1
        };
        let mut task =
            json!({ "protocol": protocol, "name": name, "text": text, "inputs": inputs, "contestants": contestants });
        if protocol >= 2 {
            task["stack_limit"] = json!(stack_limit);
        }
        if protocol >= 3 {
            task["call_limit"] = json!(call_limit);
        }
        if protocol >= 4 {
            task["language"] = json!(source.language().name());
        }
        task
    }

    /// Parses a task; `None` if it is invalid.
    pub fn from_json(line: &Value) -> Option<Task> {
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        let stack_limit = || line["stack_limit"].as_u64()?.try_into().ok();
        let (stack_limit, call_limit) = match line["protocol"].as_u64()? {
            1 => (DEFAULT_STACK_LIMIT, DEFAULT_CALL_LIMIT),
            2 => (stack_limit()?, DEFAULT_CALL_LIMIT),
            3..=PROTOCOL => (stack_limit()?, line["call_limit"].as_u64()?),
            _ => return None,
        };
        let language = match &line["language"] {
            Value::Null => Language::Stack,
            name => Language::named(name.as_str()?)?,
        };
        let inputs = line["inputs"].as_array()?.iter().map(Value::as_i64).collect::<Option<_>>()?;
        let contestants = line["contestants"].as_array()?.iter().map(|name| name.as_str().map(Into::into));
        let name = text("name")?;
        let source = Source::new(name.clone(), text("text")?).in_language(language);
        Some(Task {
            subject: Subject { name, source, inputs, stack_limit, call_limit },
            contestants: contestants.collect::<Option<_>>()?,
        })
    }
}

/// Handles requests until the input ends.
///
/// # Errors
/// If the pipe is closed, or a request is invalid.
pub fn serve(input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut lines = input.lines();
    let Some(line) = lines.next().transpose()? else { return Ok(()) };
    let task = serde_json::from_str(&line).ok().and_then(|line| Task::from_json(&line));
    let ready = match &task {
        Some(task) => ready(task),
        None => Err(format!("the task does not follow protocol {PROTOCOL}: the binaries' versions are too far apart")),
    };
    let mut ready = match ready {
        Ok(ready) => ready,
        Err(error) => return writeln!(output, "{}", json!({ "error": error })),
    };
    writeln!(output, "{}", json!({ "ready": true }))?;
    output.flush()?;
    for line in lines {
        let line = line?;
        let request = line.split_once(' ').and_then(|(which, runs)| Some((which.parse().ok()?, runs.parse().ok()?)));
        let time = request.and_then(|(which, runs): (usize, u64)| ready.time(which, runs));
        let time = time.ok_or_else(|| io::Error::other(format!("`{line}` is not WHICH RUNS")))?;
        writeln!(output, "{}", time.as_nanos())?;
        output.flush()?;
    }
    Ok(())
}

/// The prepared contestants.
struct Contestants {
    contestants: Vec<Contestant>,
    inputs: Vec<i64>,
    stack: Store,
    /// What the first run of an engine has left. All engines give this answer.
    answer: Vec<i64>,
}

enum Contestant {
    Engine(Box<dyn Prepared>),
    Calibration,
}

fn ready(task: &Task) -> Result<Contestants, String> {
    let is_engine = |name: &&String| *name != CALIBRATION;
    let engines: Vec<&str> = task.contestants.iter().filter(is_engine).map(String::as_str).collect();
    if let Some(unknown) = engines.iter().find(|name| crate::registry::engine(name).is_none()) {
        return Err(format!("there is no engine `{unknown}` in this binary"));
    }
    // Check all answers before timing anything.
    task.subject.check(&engines).map_err(|reason| format!("{}: {reason}", task.subject.name))?;
    let program = task.subject.program().map_err(|fault| fault.to_string())?;
    let contestant = |name: &String| match name.as_str() {
        CALIBRATION => Ok(Contestant::Calibration),
        engine => prepare(engine, &program, &task.subject.options())
            .map(Contestant::Engine)
            .map_err(|error| error.to_string()),
    };
    let mut contestants = task.contestants.iter().map(contestant).collect::<Result<Vec<_>, _>>()?;
    let mut stack = stack(task.subject.stack_limit).map_err(|error| error.to_string())?;
    let inputs = task.subject.inputs.clone();
    let engine = contestants.iter_mut().find_map(|contestant| match contestant {
        Contestant::Engine(prepared) => Some(prepared),
        Contestant::Calibration => None,
    });
    let answer = engine.map(|prepared| answer(&mut **prepared, &inputs, &mut stack)).unwrap_or_default();
    Ok(Contestants { contestants, inputs, stack, answer })
}

impl Contestants {
    /// The processor time of `runs` runs; `None` if there is no such contestant.
    fn time(&mut self, which: usize, runs: u64) -> Option<Duration> {
        let contestant = self.contestants.get_mut(which)?;
        let watch = Stopwatch::start();
        match contestant {
            Contestant::Engine(prepared) => {
                repeat(&mut **prepared, &self.inputs, &mut self.stack, runs, &self.answer);
            }
            Contestant::Calibration => (0..runs).for_each(|_| calibration::run()),
        }
        Some(watch.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(lines: &str) -> Vec<String> {
        let mut output = Vec::new();
        // Replies before an error count as well.
        let _ = serve(lines.as_bytes(), &mut output);
        String::from_utf8(output).expect("it is text").lines().map(Into::into).collect()
    }

    fn task(text: &str, contestants: &[&str]) -> String {
        let subject = Subject::new("test", Source::new("test", text), vec![5]);
        Task { subject, contestants: contestants.iter().map(|name| (*name).into()).collect() }.to_json().to_string()
    }

    #[test]
    fn requested_runs_are_timed() {
        let task = task("times 1000 times 1 drop end end", &["tree", "bytecode", "tree", CALIBRATION]);
        let replies = replies(&format!("{task}\n0 1\n0 10\n1 1\n2 1\n3 1\nnonsense\n"));
        assert_eq!((replies.len(), replies[0].as_str()), (6, r#"{"ready":true}"#));
        let times: Vec<u64> = replies[1..].iter().map(|line| line.parse().expect("nanoseconds")).collect();
        assert!(times.iter().all(|time| *time > 0), "{times:?}");
        assert!(times[1] > times[0], "ten runs take longer than one: {times:?}");
    }

    #[test]
    fn task_uses_the_oldest_sufficient_protocol() {
        let subject = Subject::new("test", Source::new("test", "1"), vec![5]);
        let (stack, calls) = (DEFAULT_STACK_LIMIT, DEFAULT_CALL_LIMIT);
        for (stack_limit, call_limit, protocol) in [(stack, calls, 1), (7, calls, 2), (stack, 5, 3), (7, u64::MAX, 3)] {
            let subject = Subject { stack_limit, call_limit, ..subject.clone() };
            let json = Task { subject, contestants: Vec::new() }.to_json();
            assert_eq!(json["protocol"], protocol);
            let subject = Task::from_json(&json).expect("it is a task").subject;
            assert_eq!((subject.stack_limit, subject.call_limit), (stack_limit, call_limit));
        }
        let source = Source::new("test", "fn main(a) { return a; }").in_language(Language::Let);
        let let_task =
            Task { subject: Subject { source, ..subject.clone() }, contestants: vec!["tree".into()] }.to_json();
        assert_eq!(let_task["protocol"], 4);
        assert_eq!(Task::from_json(&let_task).expect("it is a task").subject.source.language(), Language::Let);
        assert_eq!(replies(&format!("{let_task}\n")), [r#"{"ready":true}"#]);
        let mut newer = Task { subject, contestants: Vec::new() }.to_json();
        newer["protocol"] = (PROTOCOL + 1).into();
        assert!(Task::from_json(&newer).is_none());
    }

    #[test]
    fn invalid_task_is_refused_with_a_reason() {
        for (task, expected) in [
            (
                task("0 /", &["tree"]),
                "the program ends with `trap division by zero 1:3`; only a program that ends without a trap can be timed",
            ),
            (task("swap", &["tree"]), "stack underflow"),
            (task("1", &["nobody"]), "there is no engine `nobody` in this binary"),
            ("{}".into(), "too far apart"),
            ("x".into(), "too far apart"),
        ] {
            let replies = replies(&format!("{task}\n"));
            assert!(
                replies.len() == 1 && replies[0].starts_with(r#"{"error":"#) && replies[0].contains(expected),
                "{replies:?}"
            );
        }
    }
}
