//! Runs a command of the user's, with a time limit and a limit of its output.
//!
//! The output goes to files without names, not to pipes. So the command never waits for us to read, and nothing is left
//! behind, however it ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{mem, thread};

use super::process::{Ended, end_with_parent};

/// How a command ended, and what it printed.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// Its standard output; incomplete unless it ended by itself.
    pub stdout: Vec<u8>,
    /// The end of its standard error.
    pub stderr: Vec<u8>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Ended(Ended),
    /// It was killed at the time limit.
    TimeOver,
    /// It was killed because it printed too much.
    TooMuchOutput,
}

/// How much of the end of the standard error is kept, in bytes.
const KEPT_STDERR: u64 = 4_096;

/// The length of a standard error at which its file is emptied, in bytes.
const MOST_STDERR: u64 = 1 << 20;

/// The longest pause between two looks at a running command.
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// Runs a command to its end, without standard input. It is killed if it needs more than `time`, or prints more than
/// `bytes` to standard output. Standard error may have any length. The processes that the command has started and left
/// in its process group are killed in any case.
///
/// On Linux, the command is also killed if this process ends.
///
/// # Errors
/// The system's error, if the command cannot be started, or a file for its output cannot be created in `folder`.
pub fn run_command(command: &mut Command, folder: &Path, time: Duration, bytes: u64) -> io::Result<Finished> {
    let stdout = tempfile::tempfile_in(folder)?;
    // Each write goes to the end, also after we have emptied the file.
    let stderr = tempfile::Builder::new().append(true).tempfile_in(folder)?.into_file();
    let mut earlier_stderr = Vec::new();
    command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?).process_group(0);
    // SAFETY: getpid only reads.
    let parent = unsafe { libc::getpid() };
    // SAFETY: the closure makes only system calls that are allowed between fork and exec, and allocates nothing.
    unsafe { command.pre_exec(move || end_with_parent(parent)) };
    let mut child = command.spawn()?;
    let id = child.id().cast_signed();
    let (mut waited, mut pause) = (Duration::ZERO, Duration::from_micros(100));
    let killed = loop {
        if has_ended(id)? {
            break None;
        }
        if stdout.metadata()?.len() > bytes {
            break Some(End::TooMuchOutput);
        }
        // A long log must not fill the disk.
        if stderr.metadata()?.len() > MOST_STDERR {
            earlier_stderr = end_of(&stderr)?;
            stderr.set_len(0)?;
        }
        if waited >= time {
            break Some(End::TimeOver);
        }
        let begun = Instant::now();
        thread::sleep(pause.min(time - waited));
        // A longer gap means that this process was stopped, and perhaps the command too.
        waited += begun.elapsed().min(20 * LONGEST_PAUSE);
        pause = (2 * pause).min(LONGEST_PAUSE);
    };
    // SAFETY: the command has not been waited for, so its id still names its process group and no other.
    unsafe { libc::killpg(id, libc::SIGKILL) };
    let status = child.wait()?;
    let ended = match status.signal() {
        Some(signal) => Ended::Killed { signal },
        None => Ended::Exited(status.code().unwrap_or_default()),
    };
    let mut end = killed.unwrap_or(End::Ended(ended));
    let said = stdout.metadata()?.len();
    if killed.is_none() && said > bytes {
        end = End::TooMuchOutput;
    }
    let stderr = [earlier_stderr, end_of(&stderr)?].concat();
    Ok(Finished { end, stdout: read(&stdout, 0, said.min(bytes))?, stderr })
}

/// The end of a standard error.
fn end_of(stderr: &File) -> io::Result<Vec<u8>> {
    let length = stderr.metadata()?.len();
    let kept = length.min(KEPT_STDERR);
    read(stderr, length - kept, kept)
}

/// Whether our own child has ended. It can still be waited for, so its id still belongs to it.
fn has_ended(child: libc::pid_t) -> io::Result<bool> {
    loop {
        // SAFETY: a `siginfo_t` of zero bytes is valid. The call writes only to it, and leaves zeros if the child still
        // runs.
        let (result, info) = unsafe {
            let mut info: libc::siginfo_t = mem::zeroed();
            let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            (libc::waitid(libc::P_PID, child.cast_unsigned(), &raw mut info, options), info)
        };
        if result == 0 {
            return Ok(info.si_signo != 0);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Reads a part of a file, by position, because other processes share the file's cursor. The part may turn out shorter.
fn read(file: &File, from: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], from + filled as u64) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
