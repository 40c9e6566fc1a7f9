//! Memory for code: pieces of regions that are mapped twice. Allocating a piece in an open region needs no system call.
//!
//! A region has two mappings: one is written and never executed, and only the arena knows it; the other is executed and
//! never written. A piece is written only when it is allocated and when it is freed, so never while code in it can be
//! called. Opening a region takes microseconds; allocating a piece takes nanoseconds.
//!
//! Each thread has its own arena. Code stays on the thread that created it, so no lock is needed.
//!
//! **Fork.** Parent and child share the memory of regions, so one process would execute what the other writes.
//! Therefore neither process writes to a region that existed at the fork. Both may still execute it, and each opens its
//! own regions for new code. The child does not inherit the writable mappings, so a wild write in the child cannot
//! reach the parent's code.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::code_memory::{CodeMemory, code_memory};
use super::free_list::FreeList;
use super::icache;
use super::memory::Mapping;

/// The size of a region in bytes. Its pages cost memory only once they are used.
const REGION: usize = 1 << 20;

/// The largest piece in bytes. Compiling anything larger takes much longer than creating a mapping for it.
const LARGEST: usize = REGION / 4;

/// Pieces start at cache lines, so that writing a piece does not evict its neighbors' code from the instruction cache.
const LINE: usize = 64;

/// The byte that fills memory without code: an instruction that traps. On x86-64 it is `INT3`, on AArch64 a part of
/// `UDF #0`.
const TRAP: u8 = if cfg!(target_arch = "x86_64") { 0xcc } else { 0 };

/// How many times this process or one of its ancestors has forked.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// How many forks separate this process from the first one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static ARENA: RefCell<Arena> = const { RefCell::new(Arena { forks: 0, regions: Vec::new() }) };
}

/// The regions of a thread that may be written; all were opened after the last fork.
struct Arena {
    forks: u32,
    regions: Vec<Rc<Region>>,
}

/// Pages that are mapped twice, with a list of their free lines.
pub(super) struct Region {
    writable: ManuallyDrop<Mapping>,
    executable: Mapping,
    forks: u32,
    generation: u32,
    free: RefCell<FreeList>,
}

/// Memory that holds code. Nothing writes to it until it is dropped.
pub(super) struct Piece {
    region: Rc<Region>,
    lines: Range<usize>,
}

impl Piece {
    /// Writes code to a free piece of this thread's arena. Returns `None` if no piece is available: the code is too
    /// large, the host does not execute code that was written through another mapping, or the system refuses the
    /// memory.
    pub fn new(code: &[u8]) -> Option<Piece> {
        if code.len() > LARGEST {
            return None;
        }
        // A thread that is exiting has lost its arena.
        let place = || ARENA.try_with(|arena| arena.borrow_mut().place(code)).ok();
        if let Some(piece) = place()? {
            return Some(piece);
        }
        // Checked only here: if the arena has regions, the answer is known.
        let CodeMemory::DoubleMapping = code_memory() else { return None };
        let region = Region::open().ok()?;
        ARENA.try_with(|arena| arena.borrow_mut().regions.push(region)).ok()?;
        place()?
    }

    /// The address at which the code runs.
    pub fn start(&self) -> NonNull<u8> {
        // SAFETY: the lines are in the region.
        unsafe { self.region.executable.start().add(self.lines.start * LINE) }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if self.region.release(self.lines.clone()) {
            // A thread that is exiting has already closed its regions.
            let _ = ARENA.try_with(|arena| arena.borrow_mut().close_all_but_one());
        }
    }
}

impl Arena {
    /// Writes code to the first open region that has room.
    fn place(&mut self, code: &[u8]) -> Option<Piece> {
        let forks = FORKS.load(Ordering::Relaxed);
        if self.forks != forks {
            self.regions.clear();
            self.forks = forks;
        }
        self.regions.iter().find_map(|region| region.place(code))
    }

    /// Returns the empty regions to the system except for one, so that creating and dropping a single piece repeatedly
    /// does not open and close a region each time.
    fn close_all_but_one(&mut self) {
        let mut kept = 0;
        self.regions.retain(|region| {
            let is_empty = region.free.borrow().is_all_free();
            kept += usize::from(is_empty);
            !is_empty || kept == 1
        });
    }
}

impl Region {
    /// Maps the pages of a new region.
    pub fn open() -> std::io::Result<Rc<Region>> {
        let [writable, executable] = Mapping::twice(REGION)?;
        Ok(Rc::new(Region {
            writable: ManuallyDrop::new(writable),
            executable,
            forks: FORKS.load(Ordering::Relaxed),
            generation: GENERATION.load(Ordering::Relaxed),
            free: RefCell::new(FreeList::new(REGION / LINE)),
        }))
    }

    /// Writes code to free lines. Returns `None` if no range of them is long enough.
    pub fn place(self: &Rc<Region>, code: &[u8]) -> Option<Piece> {
        // Always at least one byte more than the code, so that execution past its end hits a trap and not other code.
        let lines = self.free.borrow_mut().take(code.len() / LINE + 1)?;
        let (start, end) = (self.writable(lines.start), self.writable(lines.end));
        // SAFETY: the lines were free, so nothing reads, executes or writes them, and the code fits.
        unsafe {
            start.copy_from_nonoverlapping(NonNull::from(code).cast(), code.len());
            let rest = start.add(code.len());
            rest.write_bytes(TRAP, end.offset_from_unsigned(rest));
        }
        let piece = Piece { region: Rc::clone(self), lines };
        icache::flush(piece.start().as_ptr(), code.len());
        Some(piece)
    }

    /// Frees lines. Returns whether the whole region is free afterwards.
    fn release(&self, lines: Range<usize>) -> bool {
        // Parent and child share each region that existed at a fork, so neither writes to it again.
        if self.forks != FORKS.load(Ordering::Relaxed) {
            return false;
        }
        // SAFETY: the lines were allocated, and their owner is being dropped.
        unsafe { self.writable(lines.start).write_bytes(TRAP, lines.len() * LINE) };
        let mut free = self.free.borrow_mut();
        free.release(lines);
        free.is_all_free()
    }

    /// The address at which a line is written.
    fn writable(&self, line: usize) -> NonNull<u8> {
        // SAFETY: the line is in the region or is its end.
        unsafe { self.writable.start().add(line * LINE) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if self.generation == GENERATION.load(Ordering::Relaxed) {
            // SAFETY: nothing uses it after this. A child of the process that opened the region does not have this
            // mapping; something else may be mapped at that address there.
            unsafe { ManuallyDrop::drop(&mut self.writable) };
        }
    }
}

/// Starts counting all forks that go through the C library, whether [`Child`](super::Child) makes them or not.
///
/// # Errors
/// The system's error, if the handlers cannot be registered.
#[cfg(target_os = "linux")]
pub(super) fn count_forks() -> std::io::Result<()> {
    unsafe extern "C" fn before() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    unsafe extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the functions only add to atomic counters, which any thread may do at any time.
    match unsafe { libc::pthread_atfork(Some(before), None, Some(in_child)) } {
        0 => Ok(()),
        error => Err(std::io::Error::from_raw_os_error(error)),
    }
}

/// Without regions, forks need no counting.
#[cfg(not(target_os = "linux"))]
pub(super) fn count_forks() -> std::io::Result<()> {
    Ok(())
}
