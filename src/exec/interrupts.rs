//! Interrupts from the terminal (Ctrl-C), caught while they are to end some work and not this process.

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether an interrupt came that was not forgotten.
static CAME: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_: libc::c_int) {
    CAME.store(true, Ordering::Relaxed);
}

/// Whether one exists.
static EXISTS: AtomicBool = AtomicBool::new(false);

/// While it exists, an interrupt ends neither this process nor the children that it forks, and is only noted. Only one exists at a time.
pub struct Interrupts {
    /// What the process did before with an interrupt.
    before: libc::sigaction,
}

impl Interrupts {
    /// Begins to catch interrupts. Forgets those that came before.
    ///
    /// # Errors
    /// The system's error; [`io::ErrorKind::AlreadyExists`] if there is one already.
    pub fn catch() -> io::Result<Interrupts> {
        if EXISTS.swap(true, Ordering::Relaxed) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        CAME.store(false, Ordering::Relaxed);
        let handler: extern "C" fn(libc::c_int) = note;
        let mut before = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: all zeros are a valid action, with no flags and an empty mask. The handler only stores to an atomic, so it may run
        // at any time. The call writes only the local structure.
        let result = unsafe {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            action.sa_sigaction = handler as libc::sighandler_t;
            libc::sigaction(libc::SIGINT, &raw const action, before.as_mut_ptr())
        };
        if result != 0 {
            EXISTS.store(false, Ordering::Relaxed);
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has filled it.
        Ok(Interrupts { before: unsafe { before.assume_init() } })
    }

    /// Forgets those that came.
    pub fn forget(&self) {
        CAME.store(false, Ordering::Relaxed);
    }

    /// Whether one came that was not forgotten.
    pub fn came(&self) -> bool {
        CAME.load(Ordering::Relaxed)
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        // SAFETY: restores an action that the system has reported.
        unsafe { libc::sigaction(libc::SIGINT, &raw const self.before, std::ptr::null_mut()) };
        EXISTS.store(false, Ordering::Relaxed);
    }
}
