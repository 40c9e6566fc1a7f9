//! The folder in which `fuzz` saves failing programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::files::{self, WriteError};
use crate::lang::Language;

/// A folder for the findings of one campaign. Findings of earlier campaigns stay.
pub(super) struct Findings {
    folder: PathBuf,
    seed: u64,
    language: Language,
    /// The files of this campaign, by program index.
    kept: BTreeMap<u64, PathBuf>,
}

impl Findings {
    /// The findings of the campaign with this seed.
    ///
    /// # Errors
    /// Fails if no file can be created in the folder. This is checked first, so that a campaign does not run in vain.
    pub fn new(folder: &Path, seed: u64, language: Language) -> Result<Findings, WriteError> {
        files::probe(folder)?;
        Ok(Findings { folder: folder.to_owned(), seed, language, kept: BTreeMap::new() })
    }

    /// Saves a program and returns its path. Replaces the file that this campaign saved for the same index, if any.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn keep(&mut self, index: u64, text: &str) -> Result<&Path, WriteError> {
        let path = match self.kept.get(&index) {
            Some(path) => files::replace(path, text).map(|()| path.clone()),
            None => self.create(index, text),
        }?;
        Ok(self.kept.entry(index).or_insert(path))
    }

    /// The file of a program, if it was saved.
    pub fn path(&self, index: u64) -> Option<&Path> {
        self.kept.get(&index).map(PathBuf::as_path)
    }

    /// Writes a file under the first unused name.
    fn create(&self, index: u64, text: &str) -> Result<PathBuf, WriteError> {
        let name = format!("fuzz-{}-{index}", self.seed);
        let mut number = 1;
        loop {
            let ending = if number == 1 { String::new() } else { format!("-{number}") };
            let path = self.folder.join(format!("{name}{ending}.{}", self.language.extension()));
            match files::create(&path, text) {
                Err(error) if error.is_taken() => number += 1,
                created => return created.map(|()| path),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn older_findings_are_not_replaced_and_links_are_not_followed() {
        let folder = tempfile::tempdir().expect("temporary folders can be created");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("fuzz-7-1.stk"), "older").expect("it is ours");
        symlink("elsewhere", at("fuzz-7-1-2.stk")).expect("it is ours");
        let mut findings = Findings::new(folder.path(), 7, Language::Stack).expect("it can be written");
        assert_eq!(findings.path(1), None);
        for text in ["whole", "small"] {
            assert_eq!(findings.keep(1, text).expect("it can be written"), at("fuzz-7-1-3.stk"));
            assert_eq!(fs::read_to_string(at("fuzz-7-1-3.stk")).expect("it is there"), text);
        }
        assert_eq!(findings.keep(2, "other").expect("it can be written"), at("fuzz-7-2.stk"));
        assert_eq!(findings.path(2), Some(at("fuzz-7-2.stk").as_path()));
        assert_eq!(fs::read_to_string(at("fuzz-7-1.stk")).expect("it is there"), "older");
        assert!(!at("elsewhere").exists());
    }

    #[test]
    fn a_link_that_replaced_our_own_file_is_not_followed() {
        let folder = tempfile::tempdir().expect("temporary folders can be created");
        let mut findings = Findings::new(folder.path(), 7, Language::Stack).expect("it can be written");
        let path = findings.keep(1, "whole").expect("it can be written").to_owned();
        fs::rename(&path, folder.path().join("elsewhere")).expect("it is ours");
        symlink("elsewhere", &path).expect("it is ours");
        findings.keep(1, "small").expect_err("it is a link");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "whole");
    }
}
