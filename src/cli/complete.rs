//! `completions` and `man`: what a shell and a manual want to know of the command line.

use std::io::Write;

use anyhow::Result;
use clap::{Args, Command};
use clap_complete::Shell;

use super::Status;
use super::output::Output;

/// Print completions for a shell
#[derive(Args)]
#[command(after_help = "Example:\n  jitduel completions bash > ~/.local/share/bash-completion/completions/jitduel")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn run(self, mut command: Command, out: &mut Output) -> Result<Status> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, "jitduel", &mut text);
        out.write_all(&text)?;
        Ok(Status::Ok)
    }
}

/// Print the manual page
#[derive(Args)]
#[command(after_help = "Example:\n  jitduel man > ~/.local/share/man/man1/jitduel.1")]
pub(super) struct Man {}

impl Man {
    pub fn run(self, mut command: Command, out: &mut Output) -> Result<Status> {
        let mut text = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut text)?;
        // Only then does a verb know that it is typed behind the command's name.
        command.build();
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let page = clap_mangen::Man::new(verb.clone()).title(format!("jitduel-{}", verb.get_name()));
            page.source(concat!("jitduel ", env!("CARGO_PKG_VERSION"))).render(&mut text)?;
        }
        out.write_all(&text)?;
        Ok(Status::Ok)
    }
}
