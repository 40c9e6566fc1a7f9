//! A binary that is started many times and must stay the same meanwhile.
//!
//! A path may name another build from one moment to the next. Linux executes the file that is held open, wherever its name
//! points by then; elsewhere, and where `/proc` cannot be used, the path is executed and the file is compared with what it was.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::files::irregular;
use crate::lang::printable;

/// A binary as it was when it was opened.
#[derive(Debug)]
pub struct Image {
    name: String,
    /// What is executed: a name of the held file, or its path.
    path: PathBuf,
    stamp: Stamp,
    _held: File,
}

/// What changes when a file does. The number of its names is no part of it: a build that unlinks a file leaves it as it is.
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
    /// The binary that this process runs.
    ///
    /// # Errors
    /// Where the system does not say which that is, or does not let it be read.
    pub fn of_this_process() -> io::Result<Image> {
        let name = std::env::current_exe();
        let shown = name.as_ref().map_or("this program".into(), |path| path.display().to_string());
        // This link leads to the file that runs, also after another one took its name.
        let link = Path::new("/proc/self/exe");
        match File::open(link) {
            Ok(file) => Image::held(file, &shown, link),
            Err(_) => Image::open(&name?),
        }
    }

    /// The binary at a path. It is never looked for in `PATH`.
    ///
    /// # Errors
    /// Where there is no file, or it cannot be read.
    pub fn open(path: &Path) -> io::Result<Image> {
        // To open a named pipe would wait for a writer.
        if !fs::metadata(path)?.is_file() {
            return Err(irregular());
        }
        Image::held(File::open(path)?, &path.display().to_string(), path)
    }

    fn held(file: File, name: &str, path: &Path) -> io::Result<Image> {
        let stamp = Stamp::of(&file.metadata()?);
        // A script's interpreter opens this name as well, in another process: so it names ours by its number.
        let descriptor = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
        let is_held = fs::metadata(&descriptor).is_ok_and(|file| Stamp::of(&file) == stamp);
        let path = if is_held { descriptor } else { fs::canonicalize(path)? };
        Ok(Image { name: printable(name).into_owned(), path, stamp, _held: file })
    }

    /// Its path, as it is shown.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A process of it, not yet started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.arg0(&self.name);
        command
    }

    /// Whether it still is what it was.
    ///
    /// # Errors
    /// Where it is not, in words.
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
        fs::write(path, format!("#!/bin/sh\necho {output}\n")).expect("it is ours");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    fn output_of(image: &Image) -> String {
        let output = image.command().output().expect("it is a script");
        String::from_utf8(output.stdout).expect("it is text")
    }

    #[test]
    fn replaced_file_is_not_executed() {
        let folder = std::env::temp_dir().join(format!("jitduel-image-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("it is ours");
        let path = folder.join("binary");
        script(&path, "old");
        let image = Image::open(&path).expect("it is there");
        script(&folder.join("other"), "new");
        fs::rename(folder.join("other"), &path).expect("it is ours");
        assert_eq!(output_of(&image), "old\n");
        image.check().expect("the held file is as it was");
        let image = Image::open(&path).expect("it is there");
        assert_eq!(output_of(&image), "new\n");
        script(&path, "longer");
        assert!(image.check().is_err(), "it was written in place");
        let refused = [folder.join("nothing"), folder.clone()].map(|path| Image::open(&path).is_err());
        assert_eq!(refused, [true; 2]);
        fs::remove_dir_all(&folder).expect("it is ours");
    }

    #[test]
    fn running_binary_can_be_opened_and_started() {
        let image = Image::of_this_process().expect("it runs");
        image.check().expect("nobody writes it");
        if crate::exec::is_emulated() {
            println!("NOT RUN: the start of another process, which an emulator cannot give this program");
            return;
        }
        assert!(image.command().arg("--list").output().expect("it starts").status.success());
    }
}
