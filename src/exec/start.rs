//! The environment that this process started with: its standard streams and its signal dispositions.

use std::sync::atomic::{AtomicBool, Ordering};

/// Makes a write beyond the file-size limit (`ulimit -f`) fail with an error. By default, such a write kills the
/// process.
///
/// The signal is handled, not ignored, because programs that we start would inherit an ignored signal.
pub fn survive_file_size_limit() {
    extern "C" fn ignore(_: libc::c_int) {}
    let ignore: extern "C" fn(libc::c_int) = ignore;
    // SAFETY: the handler does nothing, so it may run at any time.
    let before = unsafe { libc::signal(libc::SIGXFSZ, ignore as libc::sighandler_t) };
    if before == libc::SIG_IGN {
        // Our parent wants the signal ignored, also in the programs that we start. SAFETY: this only changes the
        // signal's disposition.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    }
}

/// Lets us wait for the programs that we start. If our parent ignores the signal of ended children, the system forgets
/// how they ended.
pub fn keep_ended_children() {
    // SAFETY: this only changes the signal's disposition.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Whether standard output was closed when the process started (`>&-`).
///
/// Rust's runtime opens `/dev/null` in its place before `main`, and output to it is lost without an error. That
/// `/dev/null` looks like one that was passed on purpose, so this is determined before the runtime starts.
pub fn stdout_was_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}

/// Makes reading from standard input fail if it was closed when the process started (`<&-`).
///
/// Rust's runtime opens `/dev/null` in its place, too, which looks like an empty file. It also treats a descriptor that
/// cannot be read as an empty file. So standard input becomes a socket without a connection, whose reads fail.
pub fn refuse_closed_stdin() {
    if !STDIN_WAS_CLOSED.load(Ordering::Relaxed) {
        return;
    }
    // The kind whose error says that there is no connection.
    let kind = if cfg!(target_vendor = "apple") { libc::SOCK_STREAM } else { libc::SOCK_SEQPACKET };
    // SAFETY: nothing has used the runtime's `/dev/null` yet. Without a socket, the calls fail and change nothing.
    unsafe {
        let socket = libc::socket(libc::AF_UNIX, kind, 0);
        libc::dup2(socket, libc::STDIN_FILENO);
        libc::close(socket);
    }
}

static STDIN_WAS_CLOSED: AtomicBool = AtomicBool::new(false);
static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// The loader calls every function in this section before the runtime starts.
#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static BEFORE_THE_RUNTIME: extern "C" fn() = check_streams;

extern "C" fn check_streams() {
    for (stream, was_closed) in [(libc::STDIN_FILENO, &STDIN_WAS_CLOSED), (libc::STDOUT_FILENO, &STDOUT_WAS_CLOSED)] {
        // SAFETY: this only reads the flags of a descriptor, which may be closed.
        let is_closed = unsafe { libc::fcntl(stream, libc::F_GETFD) } == -1;
        was_closed.store(is_closed, Ordering::Relaxed);
    }
}
