//! `report`: writes the measurements as an HTML page and as Markdown.

use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Result, bail};
use clap::Args;

use super::Status;
use super::input::{shown, target_folder};
use super::output::Output;
use crate::files;
use crate::report::data::Data;
use crate::report::{html, markdown, sections};

/// Write the measurements as one HTML page and as Markdown
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo bench && jitduel report\n  \
    jitduel report --out /tmp/report\n\n\
    Reads the results of criterion and of jitduel's own benchmarks from cargo's target folder. A section without data\n\
    names the command that produces it. The HTML page is self-contained; the Markdown's plots are separate files.\n\
    Existing files are replaced. A symbolic link, or anything else that is not a regular file, is left alone and\n\
    reported as an error.")]
pub(super) struct Report {
    /// Cargo's target folder [default: $CARGO_TARGET_DIR, or target]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Where to write `index.html`, `report.md` and its plots [default: `report` in the folder of the data]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Report {
    pub fn run(self, out: &mut Output) -> Result<Status> {
        // A folder given by the user must exist. The default one may not exist before the first build.
        if let Some(data) = self.data.as_ref().filter(|data| !data.is_dir()) {
            bail!("`{}` is not a folder", data.display());
        }
        let data = self.data.unwrap_or_else(target_folder);
        let document = sections::document(&Data::read(&data)?, SystemTime::now());
        let folder = self.out.unwrap_or_else(|| data.join("report"));
        for (name, plot) in markdown::plots(&document) {
            files::replace(&folder.join(name), plot)?;
        }
        let pages = [("index.html", html::page(&document)), ("report.md", markdown::page(&document))];
        for (name, text) in &pages {
            files::replace(&folder.join(name), text)?;
        }
        // Names are printed after both files exist.
        for (name, _) in &pages {
            writeln!(out, "{}", shown(&folder.join(name)))?;
        }
        Ok(Status::Ok)
    }
}
