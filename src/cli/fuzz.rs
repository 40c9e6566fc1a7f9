//! `fuzz`: runs random programs on every engine, in separate processes, and shrinks each failure.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::external::{self, ExternalArgs};
use super::findings::Findings;
use super::input::{engine_names, language_names, nonzero_duration, say, shown};
use super::output::Output;
use super::progress::ProgressLine;
use super::{Status, print_error};
use crate::exec::code_memory;
use crate::lang::Language;
use crate::oracle::campaign::{Campaign, Counts, Event, Finding, Killed, Shard, Tally};
use crate::oracle::external::External;
use crate::plural::count;
use crate::registry;

/// Run random programs on every engine and shrink each disagreement to a small program
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel fuzz --time 60s\n  \
    jitduel fuzz --programs 1000000 --seed 7 --jobs 2\n  \
    jitduel fuzz --seed 7 --first 1234 --programs 1  repeats one program\n  \
    jitduel fuzz --time 1h --shard 3/100 --json     on one of 100 machines\n  \
    jitduel fuzz --engine tree --external 'python3 examples/vm.py {file}'\n\n\
    Each program runs with and without metered fuel. One program in 16 also runs with fuel and limits close to what it\n\
    needs. Crashes, hangs and broken calling conventions are found like any other disagreement. Each finding is saved\n\
    as a program with a case; `jitduel check FILE` repeats it. Without --programs and --time, a campaign runs for 60\n\
    seconds.")]
pub(super) struct Fuzz {
    /// Number of programs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    programs: Option<u64>,

    /// Duration, such as 90s, 15m or 8h
    #[arg(long, value_name = "TIME", value_parser = nonzero_duration)]
    time: Option<Duration>,

    /// Seed of the sequence of programs [default: from the clock]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Concurrent processes [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,

    /// First program of the sequence or of the shard; `--first 1234 --programs 1` repeats one program
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u64,

    /// Run shard I of N of the sequence, counted from 1
    #[arg(long, value_name = "I/N", value_parser = shard, default_value = "1/1")]
    shard: Shard,

    /// The engines, separated by commas [default: all]
    #[arg(long, value_name = "E,E", value_delimiter = ',', value_parser = engine_names())]
    engine: Vec<String>,

    /// The language of the programs. Let programs are also judged by a referee of that language
    #[arg(long, value_name = "NAME", value_parser = language_names(), default_value = Language::Stack.name())]
    language: String,

    /// Time after which a program counts as hung
    #[arg(long, value_name = "TIME", value_parser = nonzero_duration, default_value = "30s")]
    patience: Duration,

    /// Stop after this many kinds of disagreement [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_findings: Option<u64>,

    /// Folder for failing programs; existing files are not replaced
    #[arg(long, value_name = "DIR", default_value = "corpus/regressions")]
    findings: PathBuf,

    #[command(flatten)]
    external: ExternalArgs,

    /// Print the summary as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Checks that this host can run all engines. A campaign without some of them would claim more than it tests.
fn check_all_run_here(engines: &[&'static str]) -> Result<()> {
    let mut runs = Vec::new();
    let mut failed = Vec::new();
    let mut why = None;
    for name in engines {
        match registry::availability(name) {
            Ok(()) => runs.push(*name),
            Err(reason) => {
                failed.push(*name);
                // They all fail for the same reason.
                why.get_or_insert(reason);
            }
        }
    }
    let Some(why) = why else { return Ok(()) };
    let instead = if runs.is_empty() { registry::PORTABLE.into() } else { runs.join(",") };
    bail!("this host cannot run {}: {why}; use `--engine {instead}` to leave them out", failed.join(", "))
}

impl Fuzz {
    pub fn run(self, out: &mut Output) -> Result<Status> {
        let wanted = |name: &&str| self.engine.is_empty() || self.engine.iter().any(|engine| engine == name);
        let jobs = self.jobs.map(usize::from);
        let language = Language::named(&self.language);
        let mut campaign = Campaign {
            language: language.expect("the parser accepts only languages"),
            seed: self.seed.unwrap_or_else(fresh_seed),
            shard: self.shard,
            first: self.first,
            programs: self.programs,
            time: self.time.or(self.programs.is_none().then_some(Duration::from_secs(60))),
            jobs: jobs.or(std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1),
            engines: registry::all_names().filter(wanted).collect(),
            engine: registry::engine,
            external: None,
            patience: self.patience,
            enough: self.max_findings.map(|enough| usize::try_from(enough).unwrap_or(usize::MAX)),
        };
        check_all_run_here(&campaign.engines)?;
        let left = campaign.left();
        if self.programs.unwrap_or(1) > left {
            bail!("the sequence has only {left} programs from --first {} on", self.first);
        }
        let mut findings = Findings::new(&self.findings, campaign.seed, campaign.language)?;
        campaign.external = self.external.command()?;
        campaign.engines.extend(campaign.external.as_ref().map(External::name));
        let Shard { index, of } = campaign.shard;
        say(format_args!(
            "seed {}, shard {} of {of}, engines {}",
            campaign.seed,
            index + 1,
            campaign.engines.join(" ")
        ));
        say(format_args!("code memory: {}", code_memory()));
        let mut line = ProgressLine::default();
        let mut elapsed = Duration::ZERO;
        let mut found = Status::Ok;
        let tally = campaign.run(&mut |news| match news {
            Event::Progress(tally, now) => {
                elapsed = now;
                line.show(progress(tally, now));
            }
            Event::Found(finding) => {
                line.clear();
                found = Status::Disagreement;
                say(format_args!("{}\nshrinking the program", headline(finding)));
                // Saved before shrinking, in case this process is killed meanwhile.
                keep(&mut findings, campaign.seed, finding, None);
            }
            Event::Shrunk(finding) => {
                line.clear();
                // A long program is not printed. It is in its file.
                let text = if finding.file.len() < 2_000 { finding.file.trim_end() } else { "a long program" };
                say(format_args!("{text}\n{}", finding.detail));
                keep(&mut findings, campaign.seed, finding, (!self.json).then_some(&mut *out));
            }
            Event::Killed(Killed { index, ended, is_given_up }) => {
                line.clear();
                let next =
                    if is_given_up { "this is the second time, so the program is not checked" } else { "retrying" };
                say(format_args!("the process at program {index} was {ended} from outside; {next}"));
            }
        });
        line.clear();
        let tally = match tally {
            Ok(tally) => tally,
            Err(error) => {
                print_error(&anyhow::Error::new(error).context("cannot run programs in separate processes"));
                return Ok(found.max(Status::Usage));
            }
        };
        for finding in tally.findings.iter().filter(|finding| !finding.others.is_empty()) {
            let others = finding.others.len();
            let some: String = finding.others.iter().take(5).map(|index| format!(" {index}")).collect();
            say(format_args!("similar to program {}: {others} more, such as{some}", finding.index));
        }
        let Counts { programs, external, unsupported, ref skipped, .. } = tally.counts;
        skipped.iter().for_each(|skipped| say(format_args!("skipped: {skipped}")));
        if self.json {
            writeln!(out, "{}", summary_as_json(&campaign, &tally, &findings, elapsed))?;
        } else {
            let of_command = campaign.external.map(|_| external::summary(external, unsupported));
            writeln!(out, "{}{}", summary(&tally, elapsed), of_command.unwrap_or_default())?;
        }
        let is_declined = external::declined_all(external, unsupported);
        let is_whole = programs > 0 && tally.unjudged.is_empty() && !is_declined;
        Ok(found.max(if is_whole { Status::Ok } else { Status::Usage }))
    }
}

/// Saves a failing program, if it is known. If that fails, prints it, so that it is not lost.
fn keep(findings: &mut Findings, seed: u64, finding: &Finding, otherwise: Option<&mut Output>) {
    let Finding { index, class, file, trial, .. } = finding;
    let Some(trial) = trial else {
        return say(format_args!("the program is unknown: each process died while generating it"));
    };
    let comment = trial.language.comment();
    let note = format!(
        "{comment} jitduel fuzz --seed {seed}, program {index}: {class}\n{comment} engines at fault: {}\n",
        culprits(finding)
    );
    let text = format!("{}\n{note}", file.trim_end_matches('\n'));
    match findings.keep(*index, &text) {
        Ok(path) => say(format_args!("written to {}", shown(path))),
        Err(error) => {
            print_error(&error.into());
            if let Some(out) = otherwise {
                // Writes never fail here; `Output::finish` reports lost output.
                let _ = out.write_all(text.as_bytes());
            }
        }
    }
}

fn summary_as_json(campaign: &Campaign, tally: &Tally, kept: &Findings, elapsed: Duration) -> Value {
    let Tally { counts, wrong, findings, unjudged } = tally;
    let Counts { programs, runs, external, unsupported, tiered, changed, words, trapped, rejected, skipped } = counts;
    let finding = |finding: &Finding| {
        let trial = finding.trial.as_ref();
        json!({
            "program": finding.index,
            "seconds": finding.after.as_secs_f64(),
            "class": finding.class,
            "engines": finding.engines,
            "detail": finding.detail,
            "text": trial.map(|trial| &trial.text),
            "inputs": trial.map(|trial| &trial.inputs),
            "fuel": trial.map(|trial| trial.fuel),
            "stack_limit": trial.map(|trial| trial.stack_limit),
            "call_limit": trial.map(|trial| trial.call_limit),
            "file": kept.path(finding.index).map(|path| path.display().to_string()),
            "others": finding.others,
        })
    };
    let mut line = json!({
        "seed": campaign.seed,
        "shard": format!("{}/{}", campaign.shard.index + 1, campaign.shard.of),
        "engines": campaign.engines,
        "isa": std::env::consts::ARCH,
        "code_memory": code_memory().to_string(),
        "seconds": elapsed.as_secs_f64(),
        "programs": programs,
        "runs": runs,
        "tiered_runs": tiered,
        "tier_changes": changed,
        "words": words,
        "trapped": trapped,
        "rejected": rejected,
        "disagreements": wrong,
        "findings": findings.iter().map(finding).collect::<Value>(),
        "skipped": skipped,
        "unjudged": unjudged,
    });
    if campaign.external.is_some() {
        line["external_runs"] = (*external).into();
        line["unsupported"] = (*unsupported).into();
    }
    line
}

/// A one-line summary of a finding.
fn headline(finding: &Finding) -> String {
    let Finding { index, after, class, .. } = finding;
    let seconds = after.as_secs_f64();
    format!("FOUND program {index} after {seconds:.1} s: {class}; engines at fault: {}", culprits(finding))
}

fn culprits(finding: &Finding) -> String {
    if finding.engines.is_empty() { "none".into() } else { finding.engines.join(" ") }
}

/// The summary of a campaign as text.
fn summary(tally: &Tally, elapsed: Duration) -> String {
    let Tally { counts, wrong, findings, unjudged } = tally;
    let Counts { programs, runs, tiered, changed, words, trapped, rejected, .. } = counts;
    let mut found = match (wrong, findings.len()) {
        (0, _) if *programs == 0 => "no program was checked".into(),
        (0, _) => "all agree".into(),
        (wrong, kinds) => format!("{wrong} DISAGREE, of {}", count(kinds, "kind")),
    };
    if !unjudged.is_empty() {
        found += &format!("; {} NOT checked", unjudged.len());
    }
    let changes = match tiered {
        0 => String::new(),
        tiered => format!(" ({} % of the {tiered} tiered runs changed tiers)", 100 * changed / tiered),
    };
    format!(
        "{} in {:.1} s, {}{changes}, {}, {trapped} trapped, {rejected} rejected: {found}",
        count(*programs, "program"),
        elapsed.as_secs_f64(),
        count(*runs, "run"),
        count(*words, "word"),
    )
}

/// The state of the campaign, for the progress line.
fn progress(tally: &Tally, elapsed: Duration) -> String {
    let Tally { counts: Counts { programs, words, trapped, .. }, wrong, .. } = tally;
    let rate = *programs as f64 / elapsed.as_secs_f64().max(1e-3);
    let (programs, words) = (count(*programs, "program"), count(*words, "word"));
    format!("{programs}, {rate:.0} per second, {words}, {trapped} trapped, {wrong} disagree")
}

/// A seed from the clock.
fn fresh_seed() -> u64 {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    now.as_nanos() as u64 % 1_000_000_000_000
}

fn shard(text: &str) -> Result<Shard, String> {
    let (index, of) = text.split_once('/').ok_or("must be I/N, such as 1/4")?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("`{text}` is not a number"));
    match (number(index)?, number(of)?) {
        (index, of) if (1..=of).contains(&index) && of <= 1_000_000 => Ok(Shard { index: index - 1, of }),
        _ => Err("I must be from 1 to N, and N at most 1000000".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::input::duration;

    #[test]
    fn durations_and_shards_are_read_as_documented() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert!(duration("5 days").is_err() && duration("s").is_err() && duration("99999999999999999999s").is_err());
        assert_eq!(shard("2/4"), Ok(Shard { index: 1, of: 4 }));
        assert!(shard("0/4").is_err() && shard("5/4").is_err() && shard("1").is_err());
    }
}
