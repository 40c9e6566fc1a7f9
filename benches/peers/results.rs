//! The results of the races: a table of ratios, and the same with intervals as JSON.

use jitduel::bench::machine::Machine;
use jitduel::bench::record::{Line, Record};
use jitduel::bench::saved::PEERS as SAVED_AS;
use jitduel::bench::statistics::Estimate;
use jitduel::bench::table::table;
use jitduel::bench::workloads::{Group, workload};
use jitduel::registry;
use serde_json::{Value, json};

use crate::process::PEERS;
use crate::race::BASE;

/// The confidence that all intervals hold at the same time.
const CONFIDENCE: f64 = 0.99;

/// A program that takes fewer nanoseconds per word does not run its loop: a processor would have to execute hundreds of words
/// per cycle.
const MIN_NS_PER_WORD: f64 = 0.001;

/// A contestant that did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRun {
    /// The contestant.
    pub contestant: &'static str,
    /// The reason.
    pub why: String,
    /// The workloads that it did not run; empty if it ran none.
    pub workloads: Vec<&'static str>,
}

impl NotRun {
    /// Records that a contestant does not run a workload. Workloads with the same reason share an entry.
    pub fn add(all: &mut Vec<NotRun>, contestant: &'static str, why: String, workload: &'static str) {
        match all.iter_mut().find(|not_run| not_run.contestant == contestant && not_run.why == why) {
            Some(not_run) => not_run.workloads.push(workload),
            None => all.push(NotRun { contestant, why, workloads: vec![workload] }),
        }
    }

    /// The reason and the workloads.
    fn reason(&self) -> String {
        match self.workloads.as_slice() {
            [] => self.why.clone(),
            workloads => format!("{} ({})", self.why, workloads.join(", ")),
        }
    }
}

impl std::fmt::Display for NotRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NOT RUN: {}: {}", self.contestant, self.reason())
    }
}

/// Whether a compiler replaced the loop with a formula, so that the time per word is meaningless.
fn is_formula(line: &Line) -> bool {
    line.time_per_word() < MIN_NS_PER_WORD
}

/// All results of one run.
pub struct Results {
    record: Record,
    not_run: Vec<NotRun>,
    command: String,
}

/// Whether a contestant computes with wrapping 64-bit integers, and the note on its figures.
fn about(contestant: &str) -> (bool, &'static str) {
    let peer = PEERS.iter().find(|peer| peer.name == contestant);
    peer.map_or((true, ""), |peer| (peer.has_our_arithmetic, peer.note))
}

impl Results {
    /// The results with these lines, in the order of the table.
    pub fn new(machine: Machine, command: String, lines: Vec<Line>, not_run: Vec<NotRun>) -> Results {
        Results {
            record: Record { machine, options: Vec::new(), confidence: CONFIDENCE, subjects: Vec::new(), lines },
            not_run,
            command,
        }
    }

    /// For each contestant, the geometric mean over the workloads that it ran and that `counts` accepts, and their number.
    /// Lines with other arithmetic or with a formula are excluded.
    fn means(&self, counts: impl Fn(&str) -> bool) -> Vec<(String, Estimate, usize)> {
        let is_counted = |line: &&Line| about(&line.contestant).0 && !is_formula(line) && counts(&line.subject);
        let lines: Vec<Line> = self.record.lines.iter().filter(is_counted).cloned().collect();
        let workloads = |contestant: &str| lines.iter().filter(|line| line.contestant == contestant).count();
        let record = Record { lines: lines.clone(), ..self.record.clone() };
        record.means().into_iter().map(|(name, mean)| (name.clone(), mean, workloads(&name))).collect()
    }

    fn means_of_all(&self) -> Vec<(String, Estimate, usize)> {
        self.means(|_| true)
    }

    fn means_of(&self, group: Group) -> Vec<(String, Estimate, usize)> {
        self.means(|subject| workload(subject).is_some_and(|workload| workload.group == group))
    }

    /// A table with a row for each contestant and a column for each workload.
    pub fn to_markdown(&self) -> String {
        let (mut workloads, mut contestants): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for line in &self.record.lines {
            for (list, name) in [(&mut workloads, &line.subject), (&mut contestants, &line.contestant)] {
                if !list.contains(&name.as_str()) {
                    list.push(name);
                }
            }
        }
        let row = |name: &str, cells: Vec<String>| [name.to_owned()].into_iter().chain(cells).collect::<Vec<String>>();
        let groups = Group::ALL.map(|group| group.name().to_owned());
        let head = workloads.iter().map(|name| (*name).to_owned()).chain(groups).chain(["all".into()]).collect();
        let mut rows = vec![row(&format!("time / time of `{BASE}`"), head)];
        rows.push(row("---", vec!["--:".into(); workloads.len() + Group::ALL.len() + 1]));
        let means: Vec<_> =
            Group::ALL.map(|group| self.means_of(group)).into_iter().chain([self.means_of_all()]).collect();
        for contestant in &contestants {
            let cell = |workload: &&str| self.cell(contestant, workload);
            let mean = |means: &Vec<(String, Estimate, usize)>| {
                let mean = means.iter().find(|(name, ..)| name == contestant);
                mean.map_or(String::new(), |(_, mean, count)| format!("{} ({count})", number(mean.value)))
            };
            let cells = workloads.iter().map(cell).chain(means.iter().map(mean)).collect();
            let mark = if about(contestant).0 { "" } else { " *" };
            rows.push(row(&format!("{contestant}{mark}"), cells));
        }
        table(&rows) + &self.remarks()
    }

    fn cell(&self, contestant: &str, workload: &str) -> String {
        let is_it = |line: &&Line| line.contestant == contestant && line.subject == workload;
        match self.record.lines.iter().find(is_it) {
            None => "—".into(),
            Some(line) if is_formula(line) => "formula".into(),
            Some(line) => number(self.record.ratio(line).map_or(1.0, |ratio| ratio.value)),
        }
    }

    fn remarks(&self) -> String {
        let mut text = format!(
            "\nMeans are geometric; the number of workloads is in parentheses. Intervals are in the JSON file; all together \
             hold with {:.0} % confidence.\nEntries that use other number types are starred and excluded from means, and so \
             are loops that became formulas.\n",
            100.0 * self.record.confidence()
        );
        for peer in PEERS.iter().filter(|peer| self.record.lines.iter().any(|line| line.contestant == peer.name)) {
            text += &format!("{}: {}.\n", peer.name, peer.note);
        }
        for not_run in &self.not_run {
            text += &format!("{not_run}\n");
        }
        text
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let means = |means: Vec<(String, Estimate, usize)>| -> Value {
            let mean = |(contestant, mean, workloads): (String, Estimate, usize)| {
                let Estimate { value, low, high } = mean;
                json!({"contestant": contestant, "ratio": value, "low": low, "high": high, "workloads": workloads})
            };
            means.into_iter().map(mean).collect()
        };
        let group = |group: Group| json!({"group": group.name(), "means": means(self.means_of(group))});
        let not_run = |not_run: &NotRun| json!({"contestant": not_run.contestant, "why": not_run.reason()});
        json!({
            "format": SAVED_AS.tag(),
            "machine": self.record.machine.to_json(),
            "command": self.command,
            "base": BASE,
            "confidence": self.record.confidence(),
            "lines": self.record.lines.iter().map(|line| self.line(line)).collect::<Value>(),
            "means": means(self.means_of_all()),
            "means_of_groups": Group::ALL.map(group).into_iter().collect::<Value>(),
            "not_run": self.not_run.iter().map(not_run).collect::<Value>(),
        })
    }

    fn line(&self, line: &Line) -> Value {
        let (same_arithmetic, note) = about(&line.contestant);
        let note = match is_formula(line) {
            true => format!("the loop of {} became a formula, which is excluded from means", line.subject),
            false => note.into(),
        };
        let is_engine = registry::ENGINES.contains(&line.contestant.as_str());
        let ratio = self.record.ratio(line).unwrap_or(Estimate { value: 1.0, low: 1.0, high: 1.0 });
        json!({
            "workload": line.subject,
            "contestant": line.contestant,
            "kind": if is_engine { "engine" } else { "peer" },
            "same_arithmetic": same_arithmetic,
            "note": note,
            "ns_per_word": line.time_per_word(),
            "ratio": ratio.value,
            "low": ratio.low,
            "high": ratio.high,
        })
    }
}

/// The number with three significant digits.
fn number(number: f64) -> String {
    let digits = (2.0 - number.log10().floor()).clamp(0.0, 4.0) as usize;
    format!("{number:.digits$}")
}
