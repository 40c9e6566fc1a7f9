//! `report`: what was measured, as a page of HTML and as Markdown.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::Status;
use crate::report::data::Data;
use crate::report::{html, markdown, sections};

/// Write what was measured as one page of HTML and as Markdown
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo bench && jitduel report\n  \
    jitduel report --out /tmp/report\n\n\
    Reads what criterion and the harness left in cargo's target folder. A section without data says which command\n\
    makes it. The page needs nothing but itself; the Markdown's plots are files beside it.")]
pub(super) struct Report {
    /// Cargo's target folder [default: $CARGO_TARGET_DIR, or target]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Where to write `index.html`, `report.md` and its plots [default: `report` in the folder of the data]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Report {
    pub fn run(self) -> Result<Status> {
        // A folder that was asked for exists; the usual one is made by the first build.
        if let Some(data) = self.data.as_ref().filter(|data| !data.is_dir()) {
            bail!("`{}` is no folder", data.display());
        }
        let usual =
            || std::env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()).unwrap_or("target".into()).into();
        let folder: PathBuf = self.data.unwrap_or_else(usual);
        let document = sections::document(&Data::read(&folder)?, SystemTime::now());
        let out = self.out.unwrap_or_else(|| folder.join("report"));
        std::fs::create_dir_all(&out).with_context(|| format!("cannot make the folder `{}`", out.display()))?;
        for (name, plot) in markdown::plots(&document) {
            write(&out.join(name), &plot)?;
        }
        let mut stdout = io::stdout().lock();
        for (name, text) in [("index.html", html::page(&document)), ("report.md", markdown::page(&document))] {
            let path = out.join(name);
            write(&path, &text)?;
            writeln!(stdout, "{}", path.display())?;
        }
        Ok(Status::Ok)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}
