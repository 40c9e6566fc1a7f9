//! `engines`: lists the engines and whether this host can run them.

use std::io::Write;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::Status;
use super::output::Output;
use crate::registry::{self, Entry};

/// List the engines, and whether this host can run them
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel engines\n  \
    jitduel engines --json\n\n\
    A star marks the default engine of `run`.")]
pub(super) struct Engines {
    /// Print one line of JSON per engine
    #[arg(long)]
    json: bool,
}

impl Engines {
    pub fn run(self, out: &mut Output) -> Result<Status> {
        let default = registry::fastest();
        if !self.json {
            writeln!(out, "{}", row("engine", "runs here", "what it is"))?;
        }
        for Entry { name, what } in registry::entries() {
            let available = registry::availability(name);
            if self.json {
                let mut line =
                    json!({ "engine": name, "what": what, "runs": available.is_ok(), "default": name == default });
                if let Err(reason) = available {
                    line["why_not"] = reason.into();
                }
                writeln!(out, "{line}")?;
                continue;
            }
            let mark = if name == default { "*" } else { "" };
            let runs = if available.is_ok() { "yes" } else { "no" };
            let why_not = available.err().map_or(String::new(), |reason| format!(" (does not run here: {reason})"));
            writeln!(out, "{}", row(&format!("{name}{mark}"), runs, &format!("{what}{why_not}")))?;
        }
        Ok(Status::Ok)
    }
}

fn row(name: &str, runs: &str, what: &str) -> String {
    format!("{name:<14}{runs:<11}{what}")
}
