//! What this process was started with: its standard output, and what signals do.

use std::sync::atomic::{AtomicBool, Ordering};

/// Makes a write beyond the limit on the size of files (`ulimit -f`) fail with an error. By default it kills the process.
///
/// The signal gets a handler, and is not ignored: a program that we start would inherit that.
pub fn survive_file_size_limit() {
    extern "C" fn go_on(_: libc::c_int) {}
    let go_on: extern "C" fn(libc::c_int) = go_on;
    // SAFETY: the handler does nothing, which is safe at any time.
    let before = unsafe { libc::signal(libc::SIGXFSZ, go_on as libc::sighandler_t) };
    if before == libc::SIG_IGN {
        // Whoever started us wants it ignored, in the programs that we start too.
        // SAFETY: changes what the signal does, and nothing else.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    }
}

/// Whether standard output was closed when the process was started (`>&-`).
///
/// Rust's runtime opens `/dev/null` in its place before `main`, and what is written to it is lost without an error. That
/// `/dev/null` looks like one that somebody passed to us on purpose, so that this is found out before the runtime begins.
pub fn stdout_was_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}

static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// The loader calls every function in this section before the runtime begins.
#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static BEFORE_THE_RUNTIME: extern "C" fn() = look_at_stdout;

extern "C" fn look_at_stdout() {
    // SAFETY: reads the flags of a descriptor, or finds that there is none.
    let is_closed = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } == -1;
    STDOUT_WAS_CLOSED.store(is_closed, Ordering::Relaxed);
}
