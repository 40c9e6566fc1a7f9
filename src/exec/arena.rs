//! Memory for code that takes no system call: pieces of regions that are mapped twice.
//!
//! A region has a mapping that is written and never executed, which is the arena's alone, and one that is executed and never
//! written. A piece is written when it is handed out and when it is given back, so never while code in it can be called.
//! What begins a region costs microseconds, and a piece of it nanoseconds.
//!
//! Each thread has an arena of its own. Code stays on the thread that made it, so that none of this needs a lock.
//!
//! **Fork.** Parent and child go on with the same memory, where one would run what the other writes. So of what there is at
//! a fork neither writes anything any more, but both may run it; and each opens regions of its own for what it makes from then
//! on. The child has not even the mapping with which it could write: a wild write of its cannot reach code of the parent's.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::code_memory::{CodeMemory, code_memory};
use super::holes::Holes;
use super::icache;
use super::memory::Mapping;

/// The size of a region in bytes, of which memory is taken where it is used.
const REGION: usize = 1 << 20;

/// The largest piece in bytes. To compile what is larger takes much more time than a mapping of its own.
const LARGEST: usize = REGION / 4;

/// Pieces begin where lines of the cache do, so that who writes one takes no code of its neighbors from the instruction cache.
const LINE: usize = 64;

/// What fills memory that holds no code: an instruction that traps, on x86-64 `INT3`, on AArch64 a part of `UDF #0`.
const TRAP: u8 = if cfg!(target_arch = "x86_64") { 0xcc } else { 0 };

/// How often this process, or one that it descends from, has forked.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// How many forks this process is away from the first one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static ARENA: RefCell<Arena> = const { RefCell::new(Arena { forks: 0, regions: Vec::new() }) };
}

/// The regions of a thread that may be written, all of them opened after the last fork.
struct Arena {
    forks: u32,
    regions: Vec<Rc<Region>>,
}

/// Pages that are mapped twice, and which lines of them are free.
pub(super) struct Region {
    writable: ManuallyDrop<Mapping>,
    executable: Mapping,
    forks: u32,
    generation: u32,
    holes: RefCell<Holes>,
}

/// Memory that holds code: nothing writes it before the drop.
pub(super) struct Piece {
    region: Rc<Region>,
    lines: Range<usize>,
}

impl Piece {
    /// Writes code to a free piece of this thread's arena. `None` where there is none to be had: the code is large, the host
    /// does not run what is written through another mapping, or the system gives no memory for it.
    pub fn new(code: &[u8]) -> Option<Piece> {
        if code.len() > LARGEST {
            return None;
        }
        // A thread that ends has no arena any more.
        let place = || ARENA.try_with(|arena| arena.borrow_mut().place(code)).ok();
        if let Some(piece) = place()? {
            return Some(piece);
        }
        // Asked here and not each time: where there are regions it is known.
        let CodeMemory::DoubleMapping = code_memory() else { return None };
        let region = Region::open().ok()?;
        ARENA.try_with(|arena| arena.borrow_mut().regions.push(region)).ok()?;
        place()?
    }

    /// Where the code runs.
    pub fn start(&self) -> NonNull<u8> {
        // SAFETY: the lines lie in the region.
        unsafe { self.region.executable.start().add(self.lines.start * LINE) }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if self.region.take_back(self.lines.clone()) {
            // A thread that ends has given its regions back already.
            let _ = ARENA.try_with(|arena| arena.borrow_mut().close_all_but_one());
        }
    }
}

impl Arena {
    /// Writes code to a region that there is, where one has room.
    fn place(&mut self, code: &[u8]) -> Option<Piece> {
        let forks = FORKS.load(Ordering::Relaxed);
        if self.forks != forks {
            self.regions.clear();
            self.forks = forks;
        }
        self.regions.iter().find_map(|region| region.place(code))
    }

    /// Gives the empty regions back to the system except for one, so that who makes and drops one piece does not open
    /// and close a region each time.
    fn close_all_but_one(&mut self) {
        let mut kept = 0;
        self.regions.retain(|region| {
            let is_empty = region.holes.borrow().is_all();
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
            holes: RefCell::new(Holes::new(REGION / LINE)),
        }))
    }

    /// Writes code to lines that are free, where there are so many.
    pub fn place(self: &Rc<Region>, code: &[u8]) -> Option<Piece> {
        // One more than it fills, so that code that runs on beyond its end meets a trap and not other code.
        let lines = self.holes.borrow_mut().take(code.len() / LINE + 1)?;
        let (start, end) = (self.writable(lines.start), self.writable(lines.end));
        // SAFETY: the lines were free, so that nobody reads, runs or writes them, and the code fits them.
        unsafe {
            start.copy_from_nonoverlapping(NonNull::from(code).cast(), code.len());
            let rest = start.add(code.len());
            rest.write_bytes(TRAP, end.offset_from_unsigned(rest));
        }
        let piece = Piece { region: Rc::clone(self), lines };
        icache::flush(piece.start().as_ptr(), code.len());
        Some(piece)
    }

    /// Makes lines free. Whether all of the region is free then.
    fn take_back(&self, lines: Range<usize>) -> bool {
        // What there was at a fork belongs to both processes, and is never written again.
        if self.forks != FORKS.load(Ordering::Relaxed) {
            return false;
        }
        // SAFETY: the lines were handed out, and what had them ends now.
        unsafe { self.writable(lines.start).write_bytes(TRAP, lines.len() * LINE) };
        let mut holes = self.holes.borrow_mut();
        holes.give(lines);
        holes.is_all()
    }

    /// Where a line is written.
    fn writable(&self, line: usize) -> NonNull<u8> {
        // SAFETY: the line lies in the region or is its end.
        unsafe { self.writable.start().add(line * LINE) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if self.generation == GENERATION.load(Ordering::Relaxed) {
            // SAFETY: nobody uses it after this. A child of the process that opened the region does not have it; there
            // something else may lie at its place.
            unsafe { ManuallyDrop::drop(&mut self.writable) };
        }
    }
}

/// From now on forks are counted, all that the C library makes: those of [`Child`](super::Child), and others.
///
/// # Errors
/// The system's, where it cannot be had.
#[cfg(target_os = "linux")]
pub(super) fn count_forks() -> std::io::Result<()> {
    unsafe extern "C" fn before() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    unsafe extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the functions only add to numbers, which any thread may do at any time.
    match unsafe { libc::pthread_atfork(Some(before), None, Some(in_child)) } {
        0 => Ok(()),
        error => Err(std::io::Error::from_raw_os_error(error)),
    }
}

/// Where there are no regions there is nothing to count for.
#[cfg(not(target_os = "linux"))]
pub(super) fn count_forks() -> std::io::Result<()> {
    Ok(())
}
