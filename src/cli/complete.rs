//! `completions` and `man`: shell completions and manual pages.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Command};
use clap_complete::Shell;

use super::Status;
use super::output::Output;
use crate::files;

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

/// Print the manual, or write its pages to files
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel man run > jitduel-run.1\n  \
    jitduel man --out target/man/man1\n\n\
    Without a verb, all pages are printed one after another, for `man -l -`. If --out names a folder that man searches,\n\
    such as ~/.local/share/man/man1, then `man jitduel` and `man jitduel-run` find the pages.")]
pub(super) struct Man {
    /// Print only the page of this verb
    verb: Option<String>,

    /// Write each page to its own file in this folder
    #[arg(long, value_name = "DIR", conflicts_with = "verb")]
    out: Option<PathBuf>,
}

impl Man {
    pub fn run(self, command: Command, out: &mut Output) -> Result<Status> {
        let mut pages = pages(command)?;
        if let Some(folder) = &self.out {
            for (name, page) in pages {
                files::replace(&folder.join(format!("{name}.1")), &page)?;
            }
            return Ok(Status::Ok);
        }
        if let Some(verb) = &self.verb {
            pages.retain(|(name, _)| *name == page_name(verb));
            if pages.is_empty() {
                bail!("there is no verb `{verb}`; `jitduel --help` lists them");
            }
        }
        pages.iter().try_for_each(|(_, page)| out.write_all(page))?;
        Ok(Status::Ok)
    }
}

fn page_name(verb: &str) -> String {
    format!("jitduel-{verb}")
}

/// The pages of the manual with their names, the command's own first. Every page that another one cites is included.
fn pages(command: Command) -> Result<Vec<(String, Vec<u8>)>> {
    // `help` has no page.
    let mut command = command.disable_help_subcommand(true);
    let render = |man: clap_mangen::Man| {
        let mut page = Vec::new();
        man.render(&mut page).map(|()| page)
    };
    let mut pages = vec![("jitduel".into(), render(clap_mangen::Man::new(command.clone()))?)];
    // `build` adds the command's name to each verb's usage line.
    command.build();
    for verb in command.get_subcommands() {
        let name = page_name(verb.get_name());
        let page = clap_mangen::Man::new(verb.clone()).title(&name);
        pages.push((name, render(page.source(concat!("jitduel ", env!("CARGO_PKG_VERSION"))))?));
    }
    Ok(pages)
}
