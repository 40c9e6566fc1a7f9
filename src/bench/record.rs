//! What races came to, in the forms in which it is shown, kept and compared with later ones.

use std::fmt::Write;

use serde_json::{Value, json};

use super::machine::Machine;
use super::statistics::{Estimate, bootstrap, geometric_mean, level_of_each, median, median_with_interval};

/// All that one run of the harness measured.
#[derive(Clone, Debug)]
pub struct Record {
    /// On what.
    pub machine: Machine,
    /// How: the options, in words.
    pub options: Vec<(String, String)>,
    /// The probability with which all intervals together are right.
    pub confidence: f64,
    /// A line for each subject and contestant.
    pub lines: Vec<Line>,
}

/// One contestant with one subject.
#[derive(Clone, Debug)]
pub struct Line {
    /// The subject's name.
    pub subject: String,
    /// Words that a run carries out.
    pub words: u64,
    /// Who ran it.
    pub contestant: String,
    /// Whom it is held against; `None` for that one itself.
    pub base: Option<String>,
    /// Nanoseconds a run, of each process.
    pub nanoseconds: Vec<f64>,
    /// Over the base's, of each process.
    pub ratios: Vec<f64>,
    /// Over the calibration kernel's, of each process; empty where that did not take part.
    pub calibrated: Vec<f64>,
}

/// What a ratio says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The interval covers 1.
    NoDifference,
    /// There is one, and it is smaller than what the place of code in memory makes.
    Negligible,
    /// The interval lies below 1.
    Faster,
    /// The interval lies above 1.
    Slower,
}

/// Differences below this are not called one: the same code in other places of memory differs by as much.
pub const RESOLUTION: f64 = 0.01;

impl Finding {
    /// What an interval says.
    pub fn of(ratio: &Estimate) -> Finding {
        match ratio {
            ratio if ratio.covers(1.0) => Finding::NoDifference,
            ratio if (ratio.value - 1.0).abs() < RESOLUTION => Finding::Negligible,
            ratio if ratio.high < 1.0 => Finding::Faster,
            _ => Finding::Slower,
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Finding::NoDifference => "no difference",
            Finding::Negligible => "under 1 %",
            Finding::Faster => "faster",
            Finding::Slower => "slower",
        }
    }
}

impl Line {
    /// Nanoseconds a run.
    pub fn time(&self) -> f64 {
        median(&self.nanoseconds)
    }

    /// Nanoseconds for each word that is carried out.
    pub fn time_per_word(&self) -> f64 {
        self.time() / self.words.max(1) as f64
    }
}

impl Record {
    /// The level of each interval, so that all of them together are right with the record's confidence.
    pub fn level(&self) -> f64 {
        let comparisons = self.lines.iter().filter(|line| line.base.is_some()).count();
        level_of_each(self.confidence, comparisons)
    }

    /// How a line compares with its base.
    pub fn ratio(&self, line: &Line) -> Option<Estimate> {
        line.base.as_ref().map(|_| median_with_interval(&line.ratios, self.level()))
    }

    /// The contestants that are held against a base, with the geometric mean of their ratios over all subjects.
    pub fn means(&self) -> Vec<(String, Estimate)> {
        let mut contestants: Vec<&str> = Vec::new();
        for line in self.lines.iter().filter(|line| line.base.is_some()) {
            if !contestants.contains(&line.contestant.as_str()) {
                contestants.push(&line.contestant);
            }
        }
        let mean = |contestant: &&str| {
            let lines = self.lines.iter().filter(|line| line.base.is_some() && line.contestant == *contestant);
            let samples: Vec<&[f64]> = lines.map(|line| line.ratios.as_slice()).collect();
            let level = level_of_each(self.confidence, contestants.len());
            let of_medians = |samples: &mut [Vec<f64>]| geometric_mean(samples.iter().map(|sample| median(sample)));
            ((*contestant).to_owned(), bootstrap(&samples, level, of_medians))
        };
        contestants.iter().map(mean).collect()
    }

    /// How each line compares with the same of an earlier record, both against the calibration kernel. Lines that the
    /// other does not have are left out.
    pub fn against_baseline(&self, baseline: &[Line]) -> Vec<(&Line, Estimate)> {
        let find = |line: &Line| {
            let is_same = |other: &&Line| other.subject == line.subject && other.contestant == line.contestant;
            baseline.iter().find(is_same).filter(|other| !other.calibrated.is_empty() && !line.calibrated.is_empty())
        };
        let pairs: Vec<(&Line, &Line)> =
            self.lines.iter().filter_map(|line| find(line).map(|other| (line, other))).collect();
        let level = level_of_each(self.confidence, pairs.len());
        let ratio = |(line, other): (&'_ Line, &Line)| {
            bootstrap(&[&line.calibrated, &other.calibrated], level, |samples| {
                median(&samples[0]) / median(&samples[1])
            })
        };
        pairs.into_iter().map(|(line, other)| (line, ratio((line, other)))).collect()
    }

    /// As JSON, from which [`Record::lines_from_json`] makes the lines again.
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
        json!({
            "machine": self.machine.to_json(),
            "weaknesses": self.machine.weaknesses(),
            "options": options,
            "confidence": self.confidence,
            "level": self.level(),
            "lines": lines.collect::<Value>(),
        })
    }

    /// The lines of a record that was kept; `None` where it is none.
    pub fn lines_from_json(json: &Value) -> Option<Vec<Line>> {
        let numbers = |value: &Value| value.as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>();
        let line = |line: &Value| {
            Some(Line {
                subject: line["subject"].as_str()?.into(),
                words: line["words"].as_u64()?,
                contestant: line["contestant"].as_str()?.into(),
                base: line["base"].as_str().map(Into::into),
                nanoseconds: numbers(&line["processes"]["nanoseconds"]).filter(|times| !times.is_empty())?,
                ratios: numbers(&line["processes"]["ratios"])?,
                calibrated: numbers(&line["processes"]["calibrated"])?,
            })
        };
        json["lines"].as_array()?.iter().map(line).collect()
    }

    /// A line of comma-separated values for each line.
    pub fn to_csv(&self) -> String {
        let mut text = String::from("subject,contestant,base,words,ns_per_run,ns_per_word,ratio,low,high,finding\n");
        for line in &self.lines {
            let Line { subject, contestant, base, words, .. } = line;
            let fields = [subject, contestant, base.as_deref().unwrap_or("")].map(quoted).join(",");
            let (time, per_word) = (line.time(), line.time_per_word());
            let ratio = self.ratio(line).map_or(",,,".into(), |ratio| {
                let Estimate { value, low, high } = ratio;
                format!("{value:.6},{low:.6},{high:.6},{}", Finding::of(&ratio).words())
            });
            writeln!(text, "{fields},{words},{time:.1},{per_word:.4},{ratio}").expect("a string takes all text");
        }
        text
    }

    /// A table in Markdown, which is also what a terminal shows.
    pub fn to_markdown(&self) -> String {
        let percent = 100.0 * self.confidence;
        let mut rows = vec![
            ["subject", "engine", "ns/word", "times", "of", "interval", ""].map(String::from),
            ["---", "---", "--:", "--:", "---", "---", "---"].map(String::from),
        ];
        for line in &self.lines {
            let ratio = self.ratio(line);
            let number = |number: f64| format!("{number:.3}");
            rows.push([
                line.subject.clone(),
                line.contestant.clone(),
                number(line.time_per_word()),
                ratio.map_or("1".into(), |ratio| number(ratio.value)),
                line.base.clone().unwrap_or_default(),
                ratio.map_or(String::new(), |ratio| format!("{:.3} to {:.3}", ratio.low, ratio.high)),
                ratio.map_or(String::new(), |ratio| Finding::of(&ratio).words().into()),
            ]);
        }
        let subjects = self.lines.iter().filter(|line| line.base.is_none()).count();
        if subjects > 1 {
            for (contestant, mean) in self.means() {
                let interval = format!("{:.3} to {:.3}", mean.low, mean.high);
                let finding = Finding::of(&mean).words().into();
                let value = format!("{:.3}", mean.value);
                rows.push([
                    "geometric mean".into(),
                    contestant,
                    String::new(),
                    value,
                    String::new(),
                    interval,
                    finding,
                ]);
            }
        }
        let mut text = table(&rows);
        if self.lines.iter().any(|line| line.base.is_some()) {
            writeln!(
                text,
                "\nAll intervals together are right with {percent:.0} %; each alone with {:.3} %.",
                100.0 * self.level()
            )
            .expect("a string takes all text");
        }
        text
    }
}

/// Rows of Markdown whose columns stand under each other.
pub fn table(rows: &[impl AsRef<[String]>]) -> String {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let width = |column: usize| rows.iter().map(|row| row.as_ref()[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let is_right = |column: usize| rows.get(1).is_some_and(|row| row.as_ref()[column] == "--:");
    let is_right: Vec<bool> = (0..columns).map(is_right).collect();
    let mut text = String::new();
    for row in rows {
        text.push('|');
        for (column, cell) in row.as_ref().iter().enumerate() {
            let width = widths[column];
            let padded = match cell.as_str() {
                "---" => "-".repeat(width.max(3)),
                "--:" => "-".repeat(width.max(3) - 1) + ":",
                _ if is_right[column] => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            };
            write!(text, " {padded} |").expect("a string takes all text");
        }
        text.push('\n');
    }
    text
}

/// A field of comma-separated values.
fn quoted(field: &str) -> String {
    let is_plain = !field.contains(['"', ',', '\n', '\r']);
    if is_plain { field.into() } else { format!("\"{}\"", field.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let lines = ["fact", "a,\"b\""].iter().flat_map(|subject| {
            [
                line(subject, "jit", None, 1.0),
                line(subject, "tree", Some("jit"), factor),
                line(subject, "jit", Some("jit"), 1.0),
            ]
        });
        Record { machine: Machine::now(), options: Vec::new(), confidence: 0.99, lines: lines.collect() }
    }

    #[test]
    fn a_line_says_whether_there_is_a_difference() {
        let record = record(20.0);
        assert_eq!(record.level(), 1.0 - 0.01 / 4.0);
        let findings: Vec<_> =
            record.lines.iter().map(|line| record.ratio(line).map(|ratio| Finding::of(&ratio))).collect();
        let expected = [None, Some(Finding::Slower), Some(Finding::NoDifference)];
        assert_eq!(findings, [expected, expected].concat());
        let means = record.means();
        assert_eq!(means.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["tree", "jit"]);
        assert!(means[0].1.covers(20.0) && means[1].1.covers(1.0), "{means:?}");
    }

    #[test]
    fn tables_say_it_to_people_and_to_programs() {
        let record = record(20.0);
        let csv = record.to_csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 7);
        assert_eq!(lines[1], "fact,jit,,500,1009.5,2.0190,,,,");
        assert!(lines[2].starts_with("fact,tree,jit,500,20190.0,40.3800,19.99") && lines[2].ends_with(",slower"));
        assert!(lines[4].starts_with("\"a,\"\"b\"\"\",jit,,500,"));
        let markdown = record.to_markdown();
        assert!(markdown.contains("| geometric mean | tree   |"), "{markdown}");
        assert!(
            markdown.ends_with("All intervals together are right with 99 %; each alone with 99.750 %.\n"),
            "{markdown}"
        );
        let widths: Vec<usize> = markdown.lines().take(10).map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{markdown}");
    }

    #[test]
    fn a_record_that_was_kept_is_compared_with_a_later_one() {
        let kept = Record::lines_from_json(&record(20.0).to_json()).expect("it is a record");
        assert!(Record::lines_from_json(&json!({ "lines": 7 })).is_none());
        let later = record(22.0);
        let compared = later.against_baseline(&kept);
        assert_eq!(compared.len(), 6);
        for (line, ratio) in compared {
            let truth = if line.contestant == "tree" { 1.1 } else { 1.0 };
            assert!(ratio.covers(truth) && !ratio.covers(2.1 - truth), "{}: {ratio:?}", line.contestant);
        }
    }
}
