//! Memory mappings: reserved from the system, unmapped on drop.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::OnceLock;

/// A range of whole pages that we own.
pub(super) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
    /// The number of inaccessible bytes on each side of the range. The mapping owns them too.
    guard: usize,
}

/// The access rights of pages.
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
        // SAFETY: sysconf only reads a system constant.
        let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(bytes).expect("every system has a page size")
    })
}

/// An anonymous file of this many zero bytes, in memory.
#[cfg(target_os = "linux")]
fn memory_file(bytes: usize) -> io::Result<File> {
    // The file is never executed as a program, and some systems require that to be declared. Linux before 6.3 does not
    // know the flag.
    let create = |flags| unsafe {
        // SAFETY: creating a file touches no memory of ours.
        libc::memfd_create(c"jitduel code".as_ptr(), libc::MFD_CLOEXEC | flags)
    };
    let descriptor = match create(libc::MFD_NOEXEC_SEAL) {
        -1 => create(0),
        descriptor => descriptor,
    };
    if descriptor == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, and nothing else owns it.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
    // Checked first: growing a file beyond the limit would kill the process with SIGXFSZ.
    if bytes as u64 > greatest_file()? {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    file.set_len(bytes as u64)?;
    Ok(file)
}

/// The greatest size of a file, in bytes, that this process may create.
#[cfg(target_os = "linux")]
fn greatest_file() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes only the local structure.
    match unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) } {
        0 => Ok(limit.rlim_cur),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Maps pages, at an address that the system chooses unless the flags have `MAP_FIXED`.
///
/// # Safety
/// Pages at a fixed address must belong to the caller, and nothing may use them.
unsafe fn map(
    at: *mut u8,
    bytes: usize,
    access: Access,
    flags: libc::c_int,
    file: libc::c_int,
) -> io::Result<NonNull<u8>> {
    // SAFETY: a new mapping replaces no memory of ours except what the caller gives up.
    let start = unsafe { libc::mmap(at.cast(), bytes, access.flags(), flags, file, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

impl Mapping {
    /// Maps at least `bytes` of zeros, rounded up to whole pages. Pages cost memory only once they are used.
    pub(super) fn new(bytes: usize, access: Access) -> io::Result<Mapping> {
        let out_of_memory = || io::Error::from(io::ErrorKind::OutOfMemory);
        let bytes = bytes.max(1).checked_next_multiple_of(page_bytes()).ok_or_else(out_of_memory)?;
        Mapping::anywhere(bytes, access, libc::MAP_PRIVATE | libc::MAP_NORESERVE)
    }

    /// Maps at least `bytes` of zeros, as [`new`](Mapping::new) does. This process and its forked children share the
    /// memory: each sees what the others write.
    pub(super) fn shared(bytes: usize) -> io::Result<Mapping> {
        Mapping::anywhere(bytes.next_multiple_of(page_bytes()), Access::ReadWrite, libc::MAP_SHARED)
    }

    fn anywhere(bytes: usize, access: Access, flags: libc::c_int) -> io::Result<Mapping> {
        // SAFETY: without a fixed address, nothing of ours is replaced.
        let start = unsafe { map(std::ptr::null_mut(), bytes, access, flags | libc::MAP_ANON, -1)? };
        Ok(Mapping { start, bytes, guard: 0 })
    }

    /// Maps `bytes` of zeros, a multiple of the page size. They are mapped twice: code written through the first mapping
    /// runs through the second. Inaccessible pages surround each mapping, so that an overrun of one does not reach the
    /// other. A forked child inherits only the second.
    ///
    /// # Errors
    /// The system's error, if the system has no memory or does not allow the memory to be executed. Always fails on systems
    /// other than Linux.
    #[cfg(target_os = "linux")]
    pub(super) fn twice(bytes: usize) -> io::Result<[Mapping; 2]> {
        let file = memory_file(bytes)?;
        let both =
            [Mapping::guarded(bytes, Access::ReadWrite, &file)?, Mapping::guarded(bytes, Access::ReadExecute, &file)?];
        let writable = &both[0];
        let (start, all) = (writable.start.as_ptr().wrapping_sub(writable.guard), bytes + 2 * writable.guard);
        // SAFETY: we own the mapping and its guards, and nothing changes in this process.
        match unsafe { libc::madvise(start.cast(), all, libc::MADV_DONTFORK) } {
            0 => Ok(both),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Maps executable pages that hold this code. Their access rights never change: the code is written through another
    /// mapping, which is unmapped before this returns.
    ///
    /// # Errors
    /// The same as for [`twice`](Mapping::twice).
    #[cfg(target_os = "linux")]
    pub(super) fn executable(code: &[u8]) -> io::Result<Mapping> {
        let bytes = code.len().max(1).next_multiple_of(page_bytes());
        let file = memory_file(bytes)?;
        let writable = Mapping::guarded(bytes, Access::ReadWrite, &file)?;
        // SAFETY: the mapping has that many bytes, they are writable, and nothing else uses them.
        unsafe { writable.start().copy_from_nonoverlapping(NonNull::from(code).cast(), code.len()) };
        drop(writable);
        Mapping::guarded(bytes, Access::ReadExecute, &file)
    }

    /// Maps whole pages of a file between two inaccessible pages.
    #[cfg(target_os = "linux")]
    fn guarded(bytes: usize, access: Access, file: &File) -> io::Result<Mapping> {
        let guard = page_bytes();
        let mut reserved = Mapping::new(bytes + 2 * guard, Access::None)?;
        // SAFETY: the pages are the middle of the reservation, which nothing uses.
        reserved.start = unsafe {
            let middle = reserved.start.add(guard).as_ptr();
            map(middle, bytes, access, libc::MAP_SHARED | libc::MAP_FIXED, file.as_raw_fd())?
        };
        (reserved.bytes, reserved.guard) = (bytes, guard);
        Ok(reserved)
    }

    /// Double mappings were tested only on Linux.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn twice(_bytes: usize) -> io::Result<[Mapping; 2]> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "not Linux"))
    }

    /// Double mappings were tested only on Linux.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn executable(_code: &[u8]) -> io::Result<Mapping> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "not Linux"))
    }

    /// Changes the access rights of `bytes` bytes at `offset`; both are multiples of the page size.
    pub(super) fn protect(&mut self, offset: usize, bytes: usize, access: Access) -> io::Result<()> {
        assert!(offset.checked_add(bytes).is_some_and(|end| end <= self.bytes), "the range is not inside the mapping");
        // SAFETY: the range is in a mapping that only we use, and `&mut self` ensures that nothing uses it now.
        let result = unsafe { libc::mprotect(self.start.as_ptr().add(offset).cast(), bytes, access.flags()) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Replaces `bytes` bytes at `offset` with zeros that can be read and written; both are multiples of the page size.
    pub(super) fn renew(&mut self, offset: usize, bytes: usize) -> io::Result<()> {
        assert!(offset.checked_add(bytes).is_some_and(|end| end <= self.bytes), "the range is not inside the mapping");
        let flags = libc::MAP_PRIVATE | libc::MAP_NORESERVE | libc::MAP_ANON | libc::MAP_FIXED;
        // SAFETY: the range is in a mapping that only we use, and `&mut self` ensures that nothing uses it now.
        unsafe { map(self.start.as_ptr().add(offset), bytes, Access::ReadWrite, flags, -1)? };
        Ok(())
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
        let (start, all) = (self.start.as_ptr().wrapping_sub(self.guard), self.bytes + 2 * self.guard);
        // SAFETY: we own the mapping and its guards, and nothing borrows it any longer.
        let result = unsafe { libc::munmap(start.cast(), all) };
        debug_assert_eq!(result, 0, "unmapping our own mapping cannot fail");
    }
}
