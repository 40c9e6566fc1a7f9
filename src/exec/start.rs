//! The environment that this process started with: its standard output and its signal dispositions.

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

/// Whether standard output was closed when the process started (`>&-`).
///
/// Rust's runtime opens `/dev/null` in its place before `main`, and output to it is lost without an error. That
/// `/dev/null` looks like one that was passed on purpose, so this is determined before the runtime starts.
pub fn stdout_was_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}

static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// The loader calls every function in this section before the runtime starts.
#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static BEFORE_THE_RUNTIME: extern "C" fn() = check_stdout;

extern "C" fn check_stdout() {
    // SAFETY: this only reads the flags of a descriptor, which may be closed.
    let is_closed = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } == -1;
    STDOUT_WAS_CLOSED.store(is_closed, Ordering::Relaxed);
}
