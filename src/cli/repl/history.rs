//! The history: a file with a line for each entry, which several sessions may share.
//!
//! The format is that of rustyline's own history files. But rustyline waits without a limit for the lock of the file, and empties the
//! file before it writes the entries again, so a full disk would lose them all.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use anyhow::{Context, Result, bail};

use crate::files;

/// The number of entries that are kept.
pub const MOST_ENTRIES: usize = 1000;

/// The maximum size of the file in bytes; real files are a thousand times smaller.
const MOST_BYTES: u64 = 1 << 30;

/// The first line of the file.
const HEADER: &str = "#V2\n";

/// The file of the history in the user's state folder, if the environment says where that is.
pub fn path() -> Option<PathBuf> {
    // A relative path is invalid, says the XDG Base Directory Specification.
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(env::home_dir().filter(|home| home.is_absolute())?.join(".local/state")))?;
    let path = state.join("jitduel/history");
    // A user may keep the file elsewhere and link to it. Only the file itself can be replaced.
    Some(fs::canonicalize(&path).unwrap_or(path))
}

/// Reads the entries, from the oldest to the newest. There are none if there is no file.
///
/// # Errors
/// If the file cannot be read, or is not a history.
pub fn read(path: &Path) -> Result<Vec<String>> {
    let cannot_read = || format!("cannot read `{}`", path.display());
    let bytes = match files::read(path, MOST_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.with_context(cannot_read)?,
    };
    let text = String::from_utf8(bytes).with_context(cannot_read)?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let Some(lines) = text.strip_prefix(HEADER) else { bail!("`{}` is not a history", path.display()) };
    Ok(lines.split_terminator('\n').map(unescaped).collect())
}

/// Adds an entry, unless it equals the newest one. Keeps the entries that other sessions have added.
///
/// # Errors
/// If the file cannot be written or is not a history, or if another process locks its folder for too long. The file is then unchanged.
pub fn add(path: &Path, entry: &str) -> Result<()> {
    let _lock = files::lock_folder_of(path).with_context(|| format!("cannot write `{}`", path.display()))?;
    let mut entries = read(path)?;
    if entries.last().is_some_and(|newest| newest == entry) {
        return Ok(());
    }
    entries.push(entry.to_owned());
    let kept = &entries[entries.len().saturating_sub(MOST_ENTRIES)..];
    let lines: String = kept.iter().map(|entry| escaped(entry) + "\n").collect();
    Ok(files::replace(path, HEADER.to_owned() + &lines)?)
}

/// An entry as a line.
fn escaped(entry: &str) -> String {
    entry.replace('\\', r"\\").replace('\n', r"\n")
}

fn unescaped(line: &str) -> String {
    // Between two escaped backslashes, a backslash can only begin an escaped line feed.
    line.split(r"\\").map(|part| part.replace(r"\n", "\n")).collect::<Vec<_>>().join("\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_they_were_added() {
        let folder = tempfile::tempdir().expect("temporary folders can be created");
        let path = folder.path().join("state/history");
        assert!(read(&path).expect("there is no file").is_empty());
        let entries = ["1 2 +", ": f ( -- a )\n  7 ;", r"\ a comment", "\\n\n\\\\\n\\", " é\r"];
        for entry in entries {
            add(&path, entry).expect("it can be written");
            add(&path, entry).expect("it can be written");
        }
        assert_eq!(read(&path).expect("it was written"), entries, "an entry is not added twice in a row");
        let text = fs::read_to_string(&path).expect("it was written");
        assert!(text.starts_with("#V2\n1 2 +\n: f ( -- a )\\n  7 ;\n\\\\ a comment\n"), "{text}");
    }

    #[test]
    fn the_oldest_entries_are_dropped() {
        let folder = tempfile::tempdir().expect("temporary folders can be created");
        let path = folder.path().join("history");
        let entries: Vec<String> = (0..=MOST_ENTRIES).map(|number| number.to_string()).collect();
        fs::write(&path, HEADER.to_owned() + &entries[..MOST_ENTRIES].join("\n") + "\n").expect("it is ours");
        add(&path, &entries[MOST_ENTRIES]).expect("it can be written");
        assert_eq!(read(&path).expect("it was written"), entries[1..]);
    }

    #[test]
    fn a_file_that_is_not_a_history_is_left_alone() {
        let folder = tempfile::tempdir().expect("temporary folders can be created");
        let path = folder.path().join("history");
        for bytes in [&b"a letter\n"[..], b"#V2\n\xff\n"] {
            fs::write(&path, bytes).expect("it is ours");
            read(&path).expect_err("it is not a history");
            add(&path, "1").expect_err("it is not a history");
            assert_eq!(fs::read(&path).expect("it is there"), bytes);
        }
        fs::write(&path, "").expect("it is ours");
        add(&path, "1").expect("an empty file is a history");
        assert_eq!(read(&path).expect("it was written"), ["1"]);
    }
}
