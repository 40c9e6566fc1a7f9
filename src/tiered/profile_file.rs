//! The file of remembered profiles: read as a whole, and replaced under a lock.

use std::fs::File;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::profile::{Hot, Key, MOST_BYTES, Profiles};
use crate::files;

/// How long to wait for another process that updates the same profile.
const PATIENCE: Duration = Duration::from_secs(2);

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
    let text = |error: std::io::Error| error.to_string();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(text)?;
    // The file itself is replaced, so its lock would be lost.
    let lock = File::open(folder).map_err(text)?;
    let begun = Instant::now();
    while let Err(busy) = lock.try_lock() {
        match busy {
            std::fs::TryLockError::Error(error) => return Err(text(error)),
            std::fs::TryLockError::WouldBlock if begun.elapsed() > PATIENCE => {
                return Err("another process has locked its folder for too long".into());
            }
            std::fs::TryLockError::WouldBlock => sleep(Duration::from_millis(5)),
        }
    }
    // A file that is not a profile is not replaced: it could be anything.
    let mut profiles = read(path)?.unwrap_or_default();
    let changed = profiles.add(key, hot);
    if changed {
        files::replace(path, profiles.text()).map_err(|error| format!("{error}: {}", error.source))?;
    }
    Ok(changed)
}
