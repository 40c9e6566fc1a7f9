//! Copies of this process: generated code that crashes or hangs takes down a copy, and not what watches it.
//!
//! A copy is forked and never starts another program: what is emulated could not start one.

use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// A copy of this process that does one piece of work and writes what it has to say into a pipe. Killed on drop.
pub struct Child {
    process: libc::pid_t,
    pipe: PipeReader,
    waited: bool,
}

/// How a copy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself; its exit code.
    Exited(i32),
    /// By a signal.
    Killed {
        /// The signal's number.
        signal: i32,
    },
}

/// The exit code of a copy whose work panicked.
const PANICKED: i32 = 101;

impl Child {
    /// Makes a copy that does this work and ends with 0. Nothing that this process would do at its end is done by the
    /// copy, and it dies with this process.
    ///
    /// # Errors
    /// The system's, where it gives no process or pipe.
    ///
    /// # Panics
    /// Where this process has more than one thread: a copy has only the one that made it, and locks that others hold
    /// would stay locked in it.
    pub fn fork(work: impl FnOnce(&mut PipeWriter)) -> io::Result<Child> {
        assert!(is_single_threaded(), "a process with several threads cannot be copied");
        let (pipe, mut writer) = io::pipe()?;
        // SAFETY: there is one thread, so that nothing in the copy waits for another; the copy ends in this function.
        let parent = unsafe { libc::getpid() };
        // SAFETY: as above.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                drop(pipe);
                prepare(parent);
                let code = if catch_unwind(AssertUnwindSafe(|| work(&mut writer))).is_ok() { 0 } else { PANICKED };
                drop(writer);
                // SAFETY: ends the copy, without what the original would do at its end.
                unsafe { libc::_exit(code) }
            }
            process => Ok(Child { process, pipe, waited: false }),
        }
    }

    /// Reads what the copy has written since the last time, at least one byte; waits where there is nothing yet. False
    /// where the copy has closed its end, by dying at the latest.
    ///
    /// # Errors
    /// The system's.
    pub fn read_available(&mut self, into: &mut Vec<u8>) -> io::Result<bool> {
        let mut buffer = [0; 1 << 16];
        loop {
            match self.pipe.read(&mut buffer) {
                Ok(bytes) => {
                    into.extend_from_slice(&buffer[..bytes]);
                    return Ok(bytes > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends the copy at once.
    pub fn kill(&mut self) {
        // SAFETY: it is our own child, which nobody has waited for, so that the number is still its own.
        unsafe { libc::kill(self.process, libc::SIGKILL) };
    }

    /// Waits until the copy has ended.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(mut self) -> io::Result<Ended> {
        self.reap()
    }

    fn reap(&mut self) -> io::Result<Ended> {
        let mut status = 0;
        // SAFETY: it is our own child, and the status is written to our own variable.
        while unsafe { libc::waitpid(self.process, &raw mut status, 0) } < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        self.waited = true;
        Ok(if libc::WIFSIGNALED(status) {
            Ended::Killed { signal: libc::WTERMSIG(status) }
        } else {
            Ended::Exited(libc::WEXITSTATUS(status))
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.waited {
            self.kill();
            // Nothing is lost where the system does not know it any longer.
            let _ = self.reap();
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signal = match *self {
            Ended::Exited(code) => return write!(f, "exit code {code}"),
            Ended::Killed { signal } => signal,
        };
        match signal {
            libc::SIGSEGV => f.write_str("SIGSEGV"),
            libc::SIGBUS => f.write_str("SIGBUS"),
            libc::SIGILL => f.write_str("SIGILL"),
            libc::SIGFPE => f.write_str("SIGFPE"),
            libc::SIGTRAP => f.write_str("SIGTRAP"),
            libc::SIGABRT => f.write_str("SIGABRT"),
            libc::SIGKILL => f.write_str("SIGKILL"),
            _ => write!(f, "signal {signal}"),
        }
    }
}

/// The numbers of the children that have written something or closed their end, once there is one or the time is over.
///
/// # Errors
/// The system's.
pub fn ready<'a>(children: impl IntoIterator<Item = &'a Child>, time: Duration) -> io::Result<Vec<usize>> {
    let poll = |child: &Child| libc::pollfd { fd: child.pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut polled: Vec<libc::pollfd> = children.into_iter().map(poll).collect();
    let time = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the list is ours and as long as we say.
    let ready = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, time) };
    if ready < 0 {
        let error = io::Error::last_os_error();
        // Whoever asks will ask again.
        return if error.kind() == io::ErrorKind::Interrupted { Ok(Vec::new()) } else { Err(error) };
    }
    Ok((0..polled.len()).filter(|&index| polled[index].revents != 0).collect())
}

/// What a copy does first: it leaves no image of its memory where it crashes, and it dies with the original.
fn prepare(parent: libc::pid_t) {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: limits this process; the structure is ours.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    #[cfg(target_os = "linux")]
    {
        // SAFETY: asks for a signal.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    }
    // SAFETY: only asks. Where the original died before the signal was asked for, nobody is left to work for.
    if unsafe { libc::getppid() } != parent {
        // SAFETY: ends the copy.
        unsafe { libc::_exit(0) };
    }
}

#[cfg(target_os = "linux")]
fn is_single_threaded() -> bool {
    // The threads of an emulator are its own affair. Where it cannot be known the caller is believed.
    let emulated = || std::fs::read_to_string("/proc/self/comm").is_ok_and(|name| name.starts_with("qemu"));
    std::fs::read_dir("/proc/self/task").map_or(true, |threads| threads.count() == 1) || emulated()
}

/// Other systems do not say; the caller is believed.
#[cfg(not(target_os = "linux"))]
fn is_single_threaded() -> bool {
    true
}
