//! The options `--external` and `--external-time`, which `check` and `fuzz` share.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::input::nonzero_duration;
use crate::oracle::external::External;
use crate::plural::count;

/// A command to judge like an engine.
#[derive(Args)]
pub(super) struct ExternalArgs {
    /// A command to judge like an engine, with `{file}` for the program's file: 'CMD {file}' (see docs/EXTERNAL.md)
    #[arg(long, value_name = "COMMAND")]
    external: Option<String>,

    /// Time after which a run of the command counts as hung
    #[arg(long, value_name = "TIME", value_parser = nonzero_duration, default_value = "10s", requires = "external")]
    external_time: Duration,
}

impl ExternalArgs {
    /// The command, if one is given. It has been started once.
    pub fn command(&self) -> Result<Option<External>> {
        Ok(self.external.as_ref().map(|text| External::new(text, self.external_time)).transpose()?)
    }
}

/// How often a command ran and how often it declined, for the end of a summary.
pub(super) fn summary(runs: u64, unsupported: u64) -> String {
    let declined = if declined_all(runs, unsupported) { "NOTHING COMPARED, " } else { "" };
    format!("; the command: {declined}{}, {unsupported} unsupported", count(runs, "run"))
}

/// Whether a command has declined every run, so that nothing was compared.
pub(super) fn declined_all(runs: u64, unsupported: u64) -> bool {
    runs == 0 && unsupported > 0
}
