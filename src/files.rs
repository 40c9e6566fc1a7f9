//! Atomic file writes.
//!
//! Bytes are written to a temporary file in the same folder and synced to disk. Only then is the temporary file renamed. A
//! reader finds either the old file or the new one, and a full disk leaves the old one unchanged. A symbolic link under
//! the file's own name is never followed, because it could point to an unrelated file.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::{NamedTempFile, TempPath};

/// A file that could not be written. An existing file of that name is unchanged.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

impl WriteError {
    fn of(path: &Path) -> impl Fn(io::Error) -> WriteError {
        |source| WriteError { path: path.to_owned(), source }
    }

    /// Whether a file of that name already existed.
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AlreadyExists
    }
}

/// Writes a new file and creates its folder if necessary.
///
/// # Errors
/// System errors. Also fails if the name already exists, even as a dangling symbolic link.
pub fn create(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), WriteError> {
    let written = write_temporary(path, bytes.as_ref()).and_then(|file| Ok(file.persist_noclobber(path)?));
    written.map(drop).map_err(WriteError::of(path))
}

/// Writes a file and creates its folder if necessary. An existing file is replaced; the new file gets its permissions.
///
/// # Errors
/// System errors. Also fails if the name belongs to anything but a regular file, such as a symbolic link, a device or a
/// folder.
pub fn replace(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), WriteError> {
    let old = match fs::symlink_metadata(path) {
        Ok(old) if old.is_file() => Ok(Some(old.permissions())),
        Ok(old) if old.is_symlink() => Err(io::Error::other("it is a symbolic link")),
        Ok(_) => Err(not_regular()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let written = old.and_then(|permissions| {
        let file = write_temporary(path, bytes.as_ref())?;
        permissions.map_or(Ok(()), |permissions| file.as_file().set_permissions(permissions))?;
        Ok(file.persist(path)?)
    });
    written.map(drop).map_err(WriteError::of(path))
}

/// Reads a regular file of at most `most_bytes` bytes. Pipes and devices are refused: a pipe may never have a writer, and a
/// device may be endless.
///
/// # Errors
/// System errors. Also fails if it is not a regular file or has more bytes.
pub fn read(path: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    // Another process may put a pipe in the place of the file at any time, and opening a pipe must not wait for a writer.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(not_regular());
    }
    let mut bytes = Vec::new();
    file.take(most_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most_bytes {
        return Err(io::Error::other(format!("it has more than {most_bytes} bytes")));
    }
    Ok(bytes)
}

/// How long to wait for another process that updates a file.
const PATIENCE: Duration = Duration::from_secs(2);

/// Locks the folder of a file until the result is dropped, so that other processes wait before they update the file. The folder
/// is created if necessary. The file itself is not locked, because [`replace`] puts another file in its place.
///
/// # Errors
/// System errors. Also fails if another process holds the lock for too long.
pub fn lock_folder_of(path: &Path) -> io::Result<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let lock = File::open(folder)?;
    let begun = Instant::now();
    while let Err(busy) = lock.try_lock() {
        match busy {
            TryLockError::Error(error) => return Err(error),
            TryLockError::WouldBlock if begun.elapsed() > PATIENCE => {
                return Err(io::Error::other("another process has locked its folder for too long"));
            }
            TryLockError::WouldBlock => sleep(Duration::from_millis(5)),
        }
    }
    Ok(lock)
}

pub(crate) fn not_regular() -> io::Error {
    io::Error::other("it is not a regular file")
}

/// Checks that a file could be created in a folder that may not exist yet. Leaves nothing behind.
///
/// # Errors
/// System errors.
pub fn probe(folder: &Path) -> Result<(), WriteError> {
    let is_there = |path: &&Path| fs::symlink_metadata(path).is_ok();
    let there = folder.ancestors().find(is_there).unwrap_or(Path::new("."));
    tempfile::tempfile_in(there).map(drop).map_err(WriteError::of(folder))
}

/// Writes and syncs these bytes to a temporary file in the same folder. The file is removed unless it is renamed.
fn write_temporary(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder).map_err(|error| match error.kind() {
        // A file has the folder's name. The caller must not mistake this error for an existing target.
        io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
        _ => error,
    })?;
    let mut file = create_temporary(folder)?;
    file.as_file_mut().write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Creates a new file in a folder. A name that already exists is skipped, so nobody else's file is ever opened.
fn create_temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut attempt = 0;
    loop {
        let path = folder.join(format!(".jitduel-{}-{attempt}", std::process::id()));
        match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1,
            file => return Ok(NamedTempFile::from_parts(file?, TempPath::try_from_path(path)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A folder with a file, a link to it, a dangling link, and a folder.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("temporary folders can be created");
        fs::write(folder.path().join("file"), "old").expect("it is ours");
        symlink("file", folder.path().join("link")).expect("it is ours");
        symlink("nowhere", folder.path().join("dangling")).expect("it is ours");
        fs::create_dir(folder.path().join("folder")).expect("it is ours");
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("it is ours");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("it can be read").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    #[test]
    fn create_never_replaces_anything() {
        let folder = folder();
        for name in ["file", "link", "dangling", "folder"] {
            let error = create(&folder.path().join(name), "new").expect_err(name);
            assert!(error.is_taken(), "{name}: {error:?}");
        }
        let error = create(&folder.path().join("file/below"), "new").expect_err("it is not a folder");
        assert!(!error.is_taken(), "{error:?}");
        assert_eq!(fs::read_to_string(folder.path().join("file")).expect("it is there"), "old");
        create(&folder.path().join("folder/below/new"), "new").expect("it can be written");
        assert_eq!(names(&folder.path().join("folder/below")), ["new"]);
        assert_eq!(
            names(folder.path()),
            ["dangling", "file", "folder", "link"],
            "no other file is created or left behind"
        );
    }

    #[test]
    fn only_a_regular_file_is_replaced() {
        let folder = folder();
        for (name, reason) in
            [("link", "a symbolic link"), ("dangling", "a symbolic link"), ("folder", "not a regular file")]
        {
            let error = replace(&folder.path().join(name), "new").expect_err(name);
            assert!(error.source.to_string().contains(reason), "{name}: {error:?}");
        }
        let file = folder.path().join("file");
        assert_eq!(fs::read_to_string(&file).expect("it is there"), "old");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
        replace(&file, "new").expect("it can be written");
        assert_eq!(fs::read_to_string(&file).expect("it is there"), "new");
        assert_eq!(fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
        replace(&folder.path().join("another"), "new").expect("it can be written");
        assert_eq!(names(folder.path()), ["another", "dangling", "file", "folder", "link"]);
    }

    #[test]
    fn new_files_have_the_default_permissions() {
        let folder = folder();
        let path = folder.path().join("usual");
        fs::write(&path, "").expect("it is ours");
        let usual = fs::metadata(&path).expect("it is there").permissions();
        create(&folder.path().join("created"), "").expect("it can be written");
        replace(&folder.path().join("replaced"), "").expect("it can be written");
        for name in ["created", "replaced"] {
            assert_eq!(fs::metadata(folder.path().join(name)).expect("it is there").permissions(), usual, "{name}");
        }
    }

    #[test]
    fn a_folder_can_be_probed_before_it_exists() {
        let folder = folder();
        probe(&folder.path().join("a/b/c")).expect("it can be created");
        probe(Path::new("")).expect("tests run in a writable folder");
        for wrong in ["file", "file/below", "dangling"] {
            probe(&folder.path().join(wrong)).expect_err(wrong);
        }
        let error = probe(Path::new("/proc/self/findings")).expect_err("nobody can write there");
        assert!(!error.source.to_string().contains("at path"), "{error:?}");
        assert_eq!(names(folder.path()), ["dangling", "file", "folder", "link"]);
    }
}
