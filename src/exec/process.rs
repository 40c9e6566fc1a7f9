//! Work in a forked copy of this process, so that generated code may crash or hang without affecting us.
//!
//! The copy is forked, and does not execute the program file again: under an emulator, a process cannot execute programs of the
//! emulated machine.

use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// A forked copy of this process that does one piece of work and writes its results to a pipe. Dropping it kills it and
/// waits for it.
pub struct Child {
    /// 0 once it has been waited for: its id may then belong to another process.
    process: libc::pid_t,
    output: PipeReader,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this status: 0 after its work, 101 after a panic.
    Exited(i32),
    /// A signal killed it.
    Killed {
        /// The signal's number on this system.
        signal: i32,
    },
}

impl Ended {
    /// Whether a signal from outside ended it: from the system, for lack of memory or time, or from a user. Faulty code
    /// raises other signals.
    pub fn is_from_outside(self) -> bool {
        let Ended::Killed { signal } = self else { return false };
        let own = [libc::SIGABRT, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGSEGV, libc::SIGSYS, libc::SIGTRAP];
        !own.contains(&signal)
    }
}

/// The status of a child whose work panicked; every Rust program exits with it after a panic.
const PANICKED: libc::c_int = 101;

impl Child {
    /// Forks. The copy calls `work` with the write end of a pipe and then exits, without running this process's exit
    /// handlers. It dumps no core, and on Linux it dies with this process.
    ///
    /// # Errors
    /// The system's error, if it cannot create a process or a pipe.
    ///
    /// Also if this process has several threads, or the system does not report how many: the copy would have only one
    /// of them and wait forever for locks that others held. Such an error has the kind [`io::ErrorKind::Unsupported`].
    pub fn fork(work: impl FnOnce(&mut PipeWriter)) -> io::Result<Child> {
        require_one_thread()?;
        let (output, mut writer) = io::pipe()?;
        set_nonblocking(&output)?;
        // Otherwise both processes would print the buffered output. A failure to print it does not concern the child.
        let _ = io::stdout().flush();
        // SAFETY: getpid only reads.
        let parent = unsafe { libc::getpid() };
        // SAFETY: there is one thread, so the copy is a complete process in which no other thread holds a lock.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                drop(output);
                prepare_to_crash(parent);
                // A panic must not unwind into frames from before the fork.
                let result = catch_unwind(AssertUnwindSafe(|| work(&mut writer)));
                let status = if result.is_ok() { 0 } else { PANICKED };
                // SAFETY: ends the copy, whose memory nothing needs any longer.
                unsafe { libc::_exit(status) }
            }
            process => Ok(Child { process, output }),
        }
    }

    /// Appends the output that has arrived since the last call, at most a megabyte, without waiting for more. Returns
    /// whether there may be more later: false after the end of the child's output.
    ///
    /// # Errors
    /// The system's error.
    pub fn read_available(&mut self, into: &mut Vec<u8>) -> io::Result<bool> {
        const AT_MOST: usize = 1 << 20;
        let before = into.len();
        let mut piece = [0; 1 << 14];
        // A child that never stops writing must not keep us here.
        while into.len() - before < AT_MOST {
            match self.output.read(&mut piece) {
                Ok(0) => return Ok(false),
                Ok(bytes) => into.extend_from_slice(&piece[..bytes]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Its process id.
    pub fn id(&self) -> i32 {
        self.process
    }

    /// Kills it if it has not ended yet.
    pub fn kill(&mut self) {
        // SAFETY: the process is our own child, which keeps its id until we have waited for it.
        unsafe { libc::kill(self.process, libc::SIGKILL) };
    }

    /// Waits for it to end. Unread output is lost.
    ///
    /// # Errors
    /// The system's error.
    pub fn wait(mut self) -> io::Result<Ended> {
        // A child that has filled the pipe blocks until somebody reads, and would never end while we wait for it.
        let mut lost = Vec::new();
        while self.read_available(&mut lost)? {
            lost.clear();
            ready([&self], Duration::MAX)?;
        }
        self.reap()
    }

    fn reap(&mut self) -> io::Result<Ended> {
        let mut status = 0;
        // SAFETY: waits for our own child, which has not been waited for yet, and writes its status.
        while unsafe { libc::waitpid(self.process, &raw mut status, 0) } < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        self.process = 0;
        if libc::WIFSIGNALED(status) {
            Ok(Ended::Killed { signal: libc::WTERMSIG(status) })
        } else {
            Ok(Ended::Exited(libc::WEXITSTATUS(status)))
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.process != 0 {
            self.kill();
            // If the system does not know the child, the error cannot be reported here, and nothing is left to do.
            let _ = self.reap();
        }
    }
}

/// Waits until a child has output or has reached the end of it, or until the timeout. Returns the indices of all such
/// children in ascending order; none after a timeout. A child at the end of its output is always ready.
///
/// # Errors
/// The system's error.
pub fn ready<'a>(children: impl IntoIterator<Item = &'a Child>, timeout: Duration) -> io::Result<Vec<usize>> {
    let poll = |child: &Child| libc::pollfd { fd: child.output.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut polled: Vec<libc::pollfd> = children.into_iter().map(poll).collect();
    // A timeout that the clock cannot represent is no timeout.
    let end = Instant::now().checked_add(timeout);
    loop {
        let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        // Rounded up, so that we do not poll repeatedly during the last part of a millisecond.
        let milliseconds = libc::c_int::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX);
        // SAFETY: the array is ours and has that length.
        let count = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, milliseconds) };
        if count > 0 || (count == 0 && left.is_zero()) {
            let is_ready = |(index, polled): (usize, &libc::pollfd)| (polled.revents != 0).then_some(index);
            return Ok(polled.iter().enumerate().filter_map(is_ready).collect());
        }
        // A signal ended the wait early, or the timeout is longer than `poll` can wait.
        if count < 0 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return Err(io::Error::last_os_error());
        }
    }
}

/// Fails unless this process has one thread.
fn require_one_thread() -> io::Result<()> {
    let unknown = |reason: String| io::Error::new(io::ErrorKind::Unsupported, format!("cannot fork: {reason}"));
    // A thread that was joined may be listed for a moment longer.
    for _ in 0..20 {
        let is_alone =
            is_single_threaded().map_err(|error| unknown(format!("the number of threads is unknown ({error})")))?;
        if is_alone {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(unknown("this process has several threads, and the copy would have only one of them".into()))
}

/// Whether this process has one thread, not counting the thread of an emulator.
#[cfg(target_os = "linux")]
fn is_single_threaded() -> io::Result<bool> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    // QEMU adds a thread of its own.
    Ok(threads <= 1 + usize::from(is_emulated()))
}

/// Whether this process has one thread.
#[cfg(target_vendor = "apple")]
fn is_single_threaded() -> io::Result<bool> {
    unsafe extern "C" {
        /// Whether a thread was ever created besides the first.
        fn pthread_is_threaded_np() -> libc::c_int;
    }
    // SAFETY: only reads a flag of the C library.
    Ok(unsafe { pthread_is_threaded_np() } == 0)
}

/// Other systems are not supported.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn is_single_threaded() -> io::Result<bool> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "not supported on this system"))
}

/// Whether this process runs in QEMU. The process name shows it.
pub fn is_emulated() -> bool {
    let is_emulator = |name: String| name.starts_with("qemu");
    cfg!(target_os = "linux") && std::fs::read_to_string("/proc/self/comm").is_ok_and(is_emulator)
}

/// Makes reads from a pipe return instead of blocking.
fn set_nonblocking(pipe: &PipeReader) -> io::Result<()> {
    let descriptor = pipe.as_raw_fd();
    // SAFETY: the descriptor is open; both calls only read and write its flags.
    let result = unsafe {
        match libc::fcntl(descriptor, libc::F_GETFL) {
            -1 => -1,
            flags => libc::fcntl(descriptor, libc::F_SETFL, flags | libc::O_NONBLOCK),
        }
    };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Prepares a copy of the process `parent` for a crash.
fn prepare_to_crash(parent: libc::pid_t) {
    let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: changes only this process. Faults then end it without Rust's handler for stack overflows.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
        libc::signal(libc::SIGSEGV, libc::SIG_DFL);
        libc::signal(libc::SIGBUS, libc::SIG_DFL);
    }
    if end_with_parent(parent).is_err() {
        // SAFETY: ends this process. Nothing waits for an orphan's work.
        unsafe { libc::_exit(PANICKED) };
    }
}

/// On Linux, lets this process die with the process `parent`, which has forked it. It may be called between fork and
/// exec.
///
/// # Errors
/// If the parent has ended already.
pub(super) fn end_with_parent(parent: libc::pid_t) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: changes only this process.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
    // A parent that ended before the call above sends no signal. SAFETY: getppid only reads.
    match unsafe { libc::getppid() } == parent {
        true => Ok(()),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match *self {
            Ended::Exited(status) => write!(f, "exited with status {status}"),
            Ended::Killed { signal } => match signal_name(signal) {
                Some(name) => write!(f, "killed by {name}"),
                None => write!(f, "killed by signal {signal}"),
            },
        }
    }
}

/// The name of a signal that ends processes.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGALRM => "SIGALRM",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGHUP => "SIGHUP",
        libc::SIGILL => "SIGILL",
        libc::SIGINT => "SIGINT",
        libc::SIGKILL => "SIGKILL",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGSYS => "SIGSYS",
        libc::SIGTERM => "SIGTERM",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGXCPU => "SIGXCPU",
        _ => return None,
    })
}
