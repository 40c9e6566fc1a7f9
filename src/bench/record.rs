//! The results of races: printed, saved, and compared with a saved record.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Subject;
use super::baseline::Baseline;
use super::machine::Machine;
use super::saved::BASELINE;
use super::statistics::{
    Estimate, Finding, geometric_mean, level_of_each, max_level, median, median_with_interval, ratio_of_medians,
};
use super::table::{duration, field, table};

/// All results of one run of the harness.
#[derive(Clone, Debug)]
pub struct Record {
    /// The host.
    pub machine: Machine,
    /// The names and values of the options.
    pub options: Vec<(String, String)>,
    /// The wanted probability that all intervals cover their true values.
    pub confidence: f64,
    /// The programs. Their names are unique; lines refer to them.
    pub subjects: Vec<Subject>,
    /// A line for each subject and contestant.
    pub lines: Vec<Line>,
}

/// The results of one contestant on one subject.
#[derive(Clone, Debug)]
pub struct Line {
    /// The subject's name.
    pub subject: String,
    /// Words that a run executes.
    pub words: u64,
    /// The contestant.
    pub contestant: String,
    /// The contestant that it is compared with; `None` for the base itself.
    pub base: Option<String>,
    /// Nanoseconds per run, one value for each sample: a pair of processes, or a round of a race with peers.
    pub nanoseconds: Vec<f64>,
    /// The same, relative to the base.
    pub ratios: Vec<f64>,
    /// The same, relative to the calibration kernel; empty if the kernel did not take part.
    pub calibrated: Vec<f64>,
}

impl Line {
    /// Nanoseconds per run.
    pub fn time(&self) -> f64 {
        median(&self.nanoseconds)
    }

    /// Nanoseconds per executed word.
    pub fn time_per_word(&self) -> f64 {
        self.time() / self.words.max(1) as f64
    }
}

impl Record {
    /// The confidence level that each interval needs, so that all of them together hold with the wanted confidence.
    pub fn level(&self) -> f64 {
        level_of_each(self.confidence, self.intervals())
    }

    fn intervals(&self) -> usize {
        self.lines.iter().filter(|line| line.base.is_some()).count() + self.contestants_with_means().len()
    }

    /// The probability that all intervals cover their true values. It is less than the wanted confidence if there are so few
    /// values that even the widest intervals do not reach the level.
    pub fn confidence(&self) -> f64 {
        let fewest = self.lines.iter().map(|line| line.ratios.len()).min().unwrap_or(0);
        let greatest = max_level(fewest);
        if greatest >= self.level() {
            return self.confidence;
        }
        (1.0 - self.intervals() as f64 * (1.0 - greatest)).max(0.0)
    }

    /// The ratio of a line to its base; `None` for the base.
    pub fn ratio(&self, line: &Line) -> Option<Estimate> {
        line.base.as_ref().map(|_| median_with_interval(&line.ratios, self.level()))
    }

    /// The contestants for which a mean is computed: those with a base, if there are several subjects.
    fn contestants_with_means(&self) -> Vec<&str> {
        let mut contestants: Vec<&str> = Vec::new();
        if self.lines.iter().all(|line| line.subject == self.lines[0].subject) {
            return contestants;
        }
        for line in self.lines.iter().filter(|line| line.base.is_some()) {
            if !contestants.contains(&line.contestant.as_str()) {
                contestants.push(&line.contestant);
            }
        }
        contestants
    }

    /// If there are several subjects, the geometric mean of each contestant's ratios over all subjects. Means are computed
    /// over the first ratio of each subject, over the second, and so on. The result is their median, with its interval.
    pub fn means(&self) -> Vec<(String, Estimate)> {
        let mean = |contestant: &str| {
            let lines = self.lines.iter().filter(|line| line.base.is_some() && line.contestant == contestant);
            let samples: Vec<&[f64]> = lines.map(|line| line.ratios.as_slice()).collect();
            let count = samples.iter().map(|sample| sample.len()).min().unwrap_or(0);
            let of_all = |index: usize| geometric_mean(samples.iter().map(|sample| sample[index]));
            let means: Vec<f64> = (0..count).map(of_all).collect();
            (contestant.to_owned(), median_with_interval(&means, self.level()))
        };
        self.contestants_with_means().into_iter().map(mean).collect()
    }

    /// The ratio of each line to the same line of a saved record, both relative to the calibration kernel. Lines that the
    /// saved record does not have are left out.
    pub fn against_baseline(&self, baseline: &Baseline) -> Vec<(&Line, Estimate)> {
        let pair = |line: &'_ Line| {
            let subject = self.subjects.iter().find(|subject| subject.name == line.subject)?;
            baseline.times(subject, &line.contestant)
        };
        let pairs: Vec<(&Line, Vec<f64>)> = self.lines.iter().filter_map(|line| Some((line, pair(line)?))).collect();
        let level = level_of_each(self.confidence, pairs.len());
        pairs.into_iter().map(|(line, saved)| (line, ratio_of_medians(&line.calibrated, &saved, level))).collect()
    }

    /// As JSON, which [`Baseline::read`] reads.
    pub fn to_json(&self) -> Value {
        let lines = self.lines.iter().map(|line| {
            let ratio = self.ratio(line);
            json!({
                "subject": line.subject,
                "words": line.words,
                "contestant": line.contestant,
                "base": line.base,
                "ns_per_run": line.time(),
                "ns_per_word": line.time_per_word(),
                "ratio": ratio.map(|ratio| ratio.value),
                "low": ratio.map(|ratio| ratio.low),
                "high": ratio.map(|ratio| ratio.high),
                "finding": ratio.map(|ratio| Finding::of(&ratio).words()),
                "processes": { "nanoseconds": line.nanoseconds, "ratios": line.ratios, "calibrated": line.calibrated },
            })
        });
        let options: serde_json::Map<_, _> =
            self.options.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let program = |subject: &Subject| {
            let Subject { name, source, inputs, stack_limit, call_limit } = subject;
            let text = String::from_utf8_lossy(source.bytes());
            json!({
                "name": name,
                "text": text,
                "inputs": inputs,
                "stack_limit": stack_limit,
                "call_limit": call_limit,
            })
        };
        json!({
            "format": BASELINE.tag(),
            "machine": self.machine.to_json(),
            "weaknesses": self.machine.weaknesses(),
            "options": options,
            "confidence": self.confidence(),
            "level": self.level(),
            "programs": self.subjects.iter().map(program).collect::<Value>(),
            "lines": lines.collect::<Value>(),
        })
    }

    /// As comma-separated values, one row for each line.
    pub fn to_csv(&self) -> String {
        let mut text =
            String::from("subject,contestant,base,words,input,ns_per_run,ns_per_word,ratio,low,high,finding\n");
        for line in &self.lines {
            let Line { subject, contestant, base, words, .. } = line;
            let fields = [subject, contestant, base.as_deref().unwrap_or("")].map(field).join(",");
            let input = field(&self.input(line));
            let (time, per_word) = (line.time(), line.time_per_word());
            let ratio = self.ratio(line).map_or(",,,".into(), |ratio| {
                let Estimate { value, low, high } = ratio;
                format!("{value:.6},{low:.6},{high:.6},{}", Finding::of(&ratio).words())
            });
            writeln!(text, "{fields},{words},{input},{time:.1},{per_word:.4},{ratio}")
                .expect("writing to a string cannot fail");
        }
        text
    }

    /// As a table in Markdown, aligned so that a terminal can show it as well.
    pub fn to_markdown(&self) -> String {
        let percent = 100.0 * self.confidence();
        let mut rows = vec![
            ["subject", "engine", "input", "time/run", "ns/word", "ratio", "to", "interval", ""].map(String::from),
            ["---", "---", "--:", "--:", "--:", "--:", "---", "---", "---"].map(String::from),
        ];
        for line in &self.lines {
            let ratio = self.ratio(line);
            let number = |number: f64| format!("{number:.3}");
            rows.push([
                line.subject.clone(),
                line.contestant.clone(),
                self.input(line),
                duration(line.time()),
                number(line.time_per_word()),
                ratio.map_or("1".into(), |ratio| number(ratio.value)),
                line.base.clone().unwrap_or_default(),
                ratio.map_or(String::new(), |ratio| format!("{:.3} to {:.3}", ratio.low, ratio.high)),
                ratio.map_or(String::new(), |ratio| Finding::of(&ratio).words().into()),
            ]);
        }
        for (contestant, mean) in self.means() {
            let interval = format!("{:.3} to {:.3}", mean.low, mean.high);
            let finding = Finding::of(&mean).words().into();
            let value = format!("{:.3}", mean.value);
            let none = String::new;
            rows.push(["geometric mean".into(), contestant, none(), none(), none(), value, none(), interval, finding]);
        }
        let mut text = table(&rows);
        if self.lines.iter().any(|line| line.base.is_some()) {
            writeln!(
                text,
                "\nAll intervals together hold with {percent:.0} % confidence, each alone with {:.3} %.",
                100.0 * self.level()
            )
            .expect("writing to a string cannot fail");
        }
        text
    }

    /// The inputs of a line's subject, in the form of the command line; at most the first [`MAX_SHOWN_INPUTS`].
    fn input(&self, line: &Line) -> String {
        let subject = self.subjects.iter().find(|subject| subject.name == line.subject);
        let inputs = subject.map_or(&[][..], |subject| &subject.inputs);
        let first: Vec<String> = inputs.iter().take(MAX_SHOWN_INPUTS).map(i64::to_string).collect();
        let rest = if inputs.len() > first.len() { format!(",… ({} values)", inputs.len()) } else { String::new() };
        first.join(",") + &rest
    }
}

/// How many inputs of a program are shown.
const MAX_SHOWN_INPUTS: usize = 4;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::bench::baseline::{ENGINES, TURN};
    use crate::bench::saved::parse;
    use crate::lang::Source;

    fn line(subject: &str, contestant: &str, base: Option<&str>, factor: f64) -> Line {
        let times: Vec<f64> = (0..20).map(|process| 1000.0 + f64::from(process)).collect();
        Line {
            subject: subject.into(),
            words: 500,
            contestant: contestant.into(),
            base: base.map(Into::into),
            nanoseconds: times.iter().map(|time| time * factor).collect(),
            ratios: times.iter().map(|time| factor * time / 1010.0).collect(),
            calibrated: times.iter().map(|time| factor * time / 5000.0).collect(),
        }
    }

    fn record(factor: f64) -> Record {
        let names = ["fact", "a,\"b\""];
        let lines = names.iter().flat_map(|subject| {
            [
                line(subject, "jit", None, 1.0),
                line(subject, "tree", Some("jit"), factor),
                line(subject, "jit", Some("jit"), 1.0),
            ]
        });
        let subject = |name: &str| Subject::new(name, Source::new(name, format!("1 \\ {name}")), vec![3, 4]);
        let options = [(ENGINES, "jit,tree,jit"), (TURN, "1000")].map(|(name, value)| (name.into(), value.into()));
        Record {
            machine: Machine::now(),
            options: options.into(),
            confidence: 0.99,
            subjects: names.map(subject).into(),
            lines: lines.collect(),
        }
    }

    fn saved(record: &Record) -> Baseline {
        let text = record.to_json().to_string();
        parse(Path::new("saved"), text.as_bytes(), Some(BASELINE)).expect("it is a record")
    }

    #[test]
    fn finding_follows_from_the_interval() {
        let record = record(20.0);
        assert!((record.level() - (1.0 - 0.01 / 6.0)).abs() < 1e-12, "four comparisons and two means");
        assert_eq!(record.confidence(), 0.99);
        let findings: Vec<_> =
            record.lines.iter().map(|line| record.ratio(line).map(|ratio| Finding::of(&ratio))).collect();
        let expected = [None, Some(Finding::Slower), Some(Finding::NoDifference)];
        assert_eq!(findings, [expected, expected].concat());
        let means = record.means();
        assert_eq!(means.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["tree", "jit"]);
        assert!(means[0].1.covers(20.0) && means[1].1.covers(1.0), "{means:?}");
    }

    #[test]
    fn csv_and_markdown_have_the_same_figures() {
        let record = record(20.0);
        let csv = record.to_csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 7);
        assert_eq!(lines[1], "fact,jit,,500,\"3,4\",1009.5,2.0190,,,,");
        assert!(
            lines[2].starts_with("fact,tree,jit,500,\"3,4\",20190.0,40.3800,19.99") && lines[2].ends_with(",slower")
        );
        assert!(lines[4].starts_with("\"a,\"\"b\"\"\",jit,,500,"));
        let markdown = record.to_markdown();
        assert!(markdown.contains("| geometric mean | tree   |"), "{markdown}");
        assert!(
            markdown.ends_with("All intervals together hold with 99 % confidence, each alone with 99.833 %.\n"),
            "{markdown}"
        );
        let widths: Vec<usize> = markdown.lines().take(10).map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{markdown}");
    }

    #[test]
    fn confidence_falls_with_too_few_values() {
        let mut record = record(20.0);
        record.lines.iter_mut().for_each(|line| line.ratios.truncate(5));
        // Each of the six intervals misses with probability 1/16.
        assert!((record.confidence() - (1.0 - 6.0 / 16.0)).abs() < 1e-9, "{}", record.confidence());
    }

    #[test]
    fn saved_record_is_compared_with_a_later_one() {
        let (mut saved, later) = (saved(&record(20.0)), record(22.0));
        assert_eq!(saved.match_to(&later.machine, &later.options, &later.subjects), [""; 0]);
        let compared = later.against_baseline(&saved);
        assert_eq!(compared.len(), 6);
        for (line, ratio) in compared {
            let truth = if line.contestant == "tree" { 1.1 } else { 1.0 };
            assert!(ratio.covers(truth) && !ratio.covers(2.1 - truth), "{}: {ratio:?}", line.contestant);
        }
    }

    #[test]
    fn other_programs_and_races_are_left_out() {
        let saved = saved(&record(20.0));
        let left_out = |change: &dyn Fn(&mut Record)| {
            let mut later = record(20.0);
            change(&mut later);
            let mut saved = saved.clone();
            let left_out = saved.match_to(&later.machine, &later.options, &later.subjects);
            (left_out.join("; "), later.against_baseline(&saved).len())
        };
        let only = |reason: &str| (format!("fact: the baseline has {reason}; only in the baseline: fact"), 3);
        assert_eq!(left_out(&|later| later.subjects[0].inputs = vec![3]), only("different inputs"));
        assert_eq!(left_out(&|later| later.subjects[0].stack_limit = 7), only("a different stack limit"));
        assert_eq!(left_out(&|later| later.subjects[0].call_limit = 7), only("a different call limit"));
        assert_eq!(left_out(&|later| later.subjects[0].source = Source::new("x", "2")), only("a different text"));
        let renamed = left_out(&|later| {
            later.subjects[0].name = "other".into();
            later.lines[0..3].iter_mut().for_each(|line| line.subject = "other".into());
        });
        assert_eq!(renamed, (String::new(), 6), "names are ignored");
        let (reason, compared) = left_out(&|later| later.options[0].1 = "tree,jit".into());
        assert_eq!((reason.as_str(), compared), ("the baseline has engines `jit,tree,jit`, not `tree,jit`", 0));
        assert_eq!(left_out(&|later| later.options[0].1 = "tree,jit,jit".into()), (String::new(), 6));
        let (reason, compared) = left_out(&|later| later.machine.processor = "another".into());
        assert!(reason.starts_with("the baseline has processor `") && compared == 0, "{reason}");
        let (reason, compared) = left_out(&|later| later.options[1].1 = "2000".into());
        assert_eq!((reason.as_str(), compared), ("the baseline has turn in microseconds `1000`, not `2000`", 0));
    }
}
