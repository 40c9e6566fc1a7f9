//! Mappings: reserved from the system, given back on drop.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::OnceLock;

/// A range of whole pages of our own.
pub(super) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

/// What may be done with pages.
#[derive(Clone, Copy)]
pub(super) enum Access {
    None,
    ReadWrite,
    ReadExecute,
}

impl Access {
    fn flags(self) -> libc::c_int {
        match self {
            Access::None => libc::PROT_NONE,
            Access::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
            Access::ReadExecute => libc::PROT_READ | libc::PROT_EXEC,
        }
    }
}

/// The size of a page in bytes.
pub(super) fn page_bytes() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| {
        // SAFETY: sysconf only reads a constant of the system.
        let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(bytes).expect("every system has a page size")
    })
}

/// A file of so many zeros that lies in memory and has no name.
#[cfg(target_os = "linux")]
fn memory_file(bytes: usize) -> io::Result<File> {
    // Nobody starts it as a program, which a system may demand to be told. One before 6.3 does not know the word.
    let create = |flags| unsafe {
        // SAFETY: a new file touches nothing of ours.
        libc::memfd_create(c"jitduel code".as_ptr(), libc::MFD_CLOEXEC | flags)
    };
    let descriptor = match create(libc::MFD_NOEXEC_SEAL) {
        -1 => create(0),
        descriptor => descriptor,
    };
    if descriptor == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, and nobody else knows it.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
    file.set_len(bytes as u64)?;
    Ok(file)
}

impl Mapping {
    /// Maps at least `bytes` of zeros, rounded up to whole pages. Pages cost memory from their first use on.
    pub(super) fn new(bytes: usize, access: Access) -> io::Result<Mapping> {
        let out_of_memory = || io::Error::from(io::ErrorKind::OutOfMemory);
        let bytes = bytes.max(1).checked_next_multiple_of(page_bytes()).ok_or_else(out_of_memory)?;
        Mapping::map(bytes, access, libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE, -1)
    }

    /// Maps at least `bytes` of zeros, as [`new`](Mapping::new) does, that stay one memory for this process and its forked
    /// children: what one of them writes the others read.
    pub(super) fn shared(bytes: usize) -> io::Result<Mapping> {
        Mapping::map(bytes.next_multiple_of(page_bytes()), Access::ReadWrite, libc::MAP_SHARED | libc::MAP_ANON, -1)
    }

    /// Maps `bytes` of zeros, whole pages, twice: what is written through the first mapping runs through the second.
    /// A forked child has the second alone.
    ///
    /// # Errors
    /// The system's, where it has no memory to give, does not let it be executed, or is not Linux.
    #[cfg(target_os = "linux")]
    pub(super) fn twice(bytes: usize) -> io::Result<[Mapping; 2]> {
        let file = memory_file(bytes)?;
        let map = |access| Mapping::map(bytes, access, libc::MAP_SHARED, file.as_raw_fd());
        let both = [map(Access::ReadWrite)?, map(Access::ReadExecute)?];
        // SAFETY: the mapping is our own, and in this process nothing changes.
        match unsafe { libc::madvise(both[0].start.as_ptr().cast(), bytes, libc::MADV_DONTFORK) } {
            0 => Ok(both),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// No system but Linux has been tried.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn twice(_bytes: usize) -> io::Result<[Mapping; 2]> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "not Linux"))
    }

    fn map(bytes: usize, access: Access, flags: libc::c_int, file: libc::c_int) -> io::Result<Mapping> {
        // SAFETY: a new mapping at an address of the system's choice touches no memory of ours.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access.flags(), flags, file, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapping { start, bytes })
    }

    /// Changes what may be done with `bytes` from `offset` on, both multiples of the page size.
    pub(super) fn protect(&mut self, offset: usize, bytes: usize, access: Access) -> io::Result<()> {
        assert!(offset.checked_add(bytes).is_some_and(|end| end <= self.bytes), "the range lies in the mapping");
        // SAFETY: the range lies in a mapping that is ours alone, and `&mut self` says that nobody uses it now.
        let result = unsafe { libc::mprotect(self.start.as_ptr().add(offset).cast(), bytes, access.flags()) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing borrows it any longer.
        let result = unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert_eq!(result, 0, "unmapping our own mapping cannot fail");
    }
}
