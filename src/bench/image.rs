//! A binary that is started many times and must not change in between.
//!
//! A rebuild can replace the file at a path at any moment. On Linux the file is held open and executed through `/proc`, so
//! the same build runs even if its name points to another file by then. Where `/proc` is not available, the path is
//! executed, and [`Image::check`] compares the file's metadata with the metadata from when it was opened.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::files::not_regular;
use crate::lang::printable;

/// A binary, identified when it was opened.
#[derive(Debug)]
pub struct Image {
    name: String,
    /// The path to execute: that of the held file in `/proc`, or the file's own.
    path: PathBuf,
    stamp: Stamp,
    _held: File,
}

/// Metadata that changes when the contents change. It excludes the link count: unlinking a file does not change its
/// contents.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(file: &Metadata) -> Stamp {
        Stamp { device: file.dev(), inode: file.ino(), length: file.len(), modified: file.modified().ok() }
    }
}

impl Image {
    /// The binary that this process executes.
    ///
    /// # Errors
    /// If the system does not reveal the path, or the file cannot be read.
    pub fn of_this_process() -> io::Result<Image> {
        let name = std::env::current_exe();
        let shown = name.as_ref().map_or("this program".into(), |path| path.display().to_string());
        // This link leads to the executing file even after another file has taken its name.
        let link = Path::new("/proc/self/exe");
        match File::open(link) {
            Ok(file) => Image::held(file, &shown, link),
            Err(_) => Image::open(&name?),
        }
    }

    /// The binary at a path. `PATH` is not searched.
    ///
    /// # Errors
    /// If there is no regular file at the path, or it cannot be read.
    pub fn open(path: &Path) -> io::Result<Image> {
        // Opening a named pipe would block until there is a writer.
        if !fs::metadata(path)?.is_file() {
            return Err(not_regular());
        }
        Image::held(File::open(path)?, &path.display().to_string(), path)
    }

    fn held(file: File, name: &str, path: &Path) -> io::Result<Image> {
        let stamp = Stamp::of(&file.metadata()?);
        // The interpreter of a script opens this path in another process, so the path contains our process id instead of
        // `self`.
        let descriptor = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
        let is_held = fs::metadata(&descriptor).is_ok_and(|file| Stamp::of(&file) == stamp);
        let path = if is_held { descriptor } else { fs::canonicalize(path)? };
        Ok(Image { name: printable(name).into_owned(), path, stamp, _held: file })
    }

    /// Its path, escaped for display.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that executes it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.arg0(&self.name);
        command
    }

    /// Checks that the file was not changed.
    ///
    /// # Errors
    /// If it was changed.
    pub fn check(&self) -> io::Result<()> {
        let is_same = Stamp::of(&fs::metadata(&self.path)?) == self.stamp;
        if is_same { Ok(()) } else { Err(io::Error::other("the file has changed since it was opened")) }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn script(path: &Path, output: &str) {
        fs::write(path, format!("#!/bin/sh\necho {output}\n")).expect("the folder is writable");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the folder is writable");
    }

    fn output_of(image: &Image) -> String {
        let output = image.command().output().expect("it is a script");
        String::from_utf8(output.stdout).expect("it is text")
    }

    #[test]
    fn replaced_file_is_not_executed() {
        let folder = std::env::temp_dir().join(format!("jitduel-image-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the folder is writable");
        let path = folder.join("binary");
        script(&path, "old");
        let image = Image::open(&path).expect("the file exists");
        script(&folder.join("other"), "new");
        fs::rename(folder.join("other"), &path).expect("the folder is writable");
        assert_eq!(output_of(&image), "old\n");
        image.check().expect("the held file is unchanged");
        let image = Image::open(&path).expect("the file exists");
        assert_eq!(output_of(&image), "new\n");
        script(&path, "longer");
        assert!(image.check().is_err(), "it was written in place");
        let refused = [folder.join("nothing"), folder.clone()].map(|path| Image::open(&path).is_err());
        assert_eq!(refused, [true; 2]);
        fs::remove_dir_all(&folder).expect("the folder is writable");
    }

    #[test]
    fn running_binary_can_be_opened_and_started() {
        let image = Image::of_this_process().expect("it runs");
        image.check().expect("it is unchanged");
        if crate::exec::is_emulated() {
            println!("NOT RUN: starting another process, which is not possible under the emulator");
            return;
        }
        assert!(image.command().arg("--list").output().expect("it starts").status.success());
    }
}
