//! The file of remembered profiles: read as a whole, and replaced under a lock.

use std::path::Path;

use super::profile::{Hot, Key, MOST_BYTES, Profiles};
use crate::files;

/// Reads a file of profiles. `None` if there is no such file.
///
/// # Errors
/// Why the file is ignored.
pub fn read(path: &Path) -> Result<Option<Profiles>, String> {
    match files::read(path, MOST_BYTES as u64) {
        Ok(text) => Profiles::parse(&text).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Adds hot functions to the file. Returns whether the file changed. Other processes that update it wait. If there are no such functions,
/// the file is not touched.
///
/// # Errors
/// Why the file was not written. A file that is not a profile is never replaced.
pub fn update(path: &Path, key: Key, hot: &[Hot]) -> Result<bool, String> {
    if hot.is_empty() {
        return Ok(false);
    }
    let _lock = files::lock_folder_of(path).map_err(|error| error.to_string())?;
    // A file that is not a profile is not replaced: it could be anything.
    let mut profiles = read(path)?.unwrap_or_default();
    let changed = profiles.add(key, hot);
    if changed {
        files::replace(path, profiles.text()).map_err(|error| format!("{error}: {}", error.source))?;
    }
    Ok(changed)
}
