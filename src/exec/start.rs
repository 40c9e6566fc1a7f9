//! What this process was started with: its standard streams and what signals do.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

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

/// Whether a standard stream was closed when the process was started (`>&-`), as far as can be told.
///
/// Rust opens `/dev/null` in place of a closed stream before `main`, on Linux and on macOS: for reading and writing, while
/// `>/dev/null` opens it for writing. Whoever hands us a `/dev/null` that is opened for both looks the same.
pub fn was_closed(stream: impl AsFd) -> bool {
    // SAFETY: reads the flags of a descriptor that is open.
    let flags = unsafe { libc::fcntl(stream.as_fd().as_raw_fd(), libc::F_GETFL) };
    let opened = stream.as_fd().try_clone_to_owned().and_then(|copy| File::from(copy).metadata());
    let is_null = opened.is_ok_and(|opened| {
        let null = fs::metadata("/dev/null");
        opened.file_type().is_char_device() && null.is_ok_and(|null| null.rdev() == opened.rdev())
    });
    is_null && flags != -1 && flags & libc::O_ACCMODE == libc::O_RDWR
}
