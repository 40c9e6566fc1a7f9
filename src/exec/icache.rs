//! The instruction stream, which does not observe data writes by itself.
//!
//! The flushed code may have been written through a different mapping than the one that executes it. The address passed
//! here is the one at which the code runs.

/// Makes the instruction stream see the `bytes` bytes written at `start`.
#[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
pub(super) fn flush(start: *mut u8, bytes: usize) {
    unsafe extern "C" {
        fn sys_icache_invalidate(start: *mut core::ffi::c_void, len: usize);
    }
    // SAFETY: the range is mapped, and the call only cleans and invalidates caches.
    unsafe { sys_icache_invalidate(start.cast(), bytes) }
}

/// Makes the instruction stream see the `bytes` bytes written at `start`.
#[cfg(all(target_arch = "aarch64", not(target_vendor = "apple")))]
pub(super) fn flush(start: *mut u8, bytes: usize) {
    use core::arch::asm;

    let cache_type: u64;
    // SAFETY: user code may read CTR_EL0 on every system that we support.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) cache_type, options(nomem, nostack, preserves_flags)) };
    // The line sizes are powers of two, counted in words of four bytes.
    let data_line = 4usize << ((cache_type >> 16) & 15);
    let instruction_line = 4usize << (cache_type & 15);
    let (start, end) = (start as usize, start as usize + bytes);
    let lines = |line: usize| ((start & !(line - 1))..end).step_by(line);
    // Clean the data cache to the point of unification, wait, invalidate the stale instructions, wait, refetch. To
    // programs, data caches appear physically tagged, so the address of either mapping finds the written data.
    // Instruction caches may be virtually tagged, so only the address at which the code runs is certain to find
    // the stale instructions.
    for address in lines(data_line) {
        // SAFETY: the address is in a mapped page, and cleaning changes no data.
        unsafe { asm!("dc cvau, {}", in(reg) address, options(nostack, preserves_flags)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
    for address in lines(instruction_line) {
        // SAFETY: the address is in a mapped page, and invalidating only causes a refetch.
        unsafe { asm!("ic ivau, {}", in(reg) address, options(nostack, preserves_flags)) };
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}

/// Makes the instruction stream see code that runs at `start`, with a serializing instruction.
///
/// The caches are coherent. But the processor compares writes with already prefetched instructions by linear address
/// only. For code that is written through another mapping, Intel's manual (volume 3, "Self-Modifying Code") therefore
/// requires a serializing instruction before the code runs. `CPUID` causes an exit from a virtual machine, which takes
/// microseconds. `IRETQ` to the next instruction does not, and takes about 50 ns.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) fn flush(_start: *mut u8, _bytes: usize) {
    // SAFETY: the instruction pops what was pushed: the address after it, and the current flags, stack and segments.
    unsafe {
        core::arch::asm!(
            "mov {stack}, rsp",
            "mov {word:e}, ss",
            "push {word}",
            "push {stack}",
            "pushfq",
            "mov {word:e}, cs",
            "push {word}",
            "lea {word}, [rip + 2f]",
            "push {word}",
            "iretq",
            "2:",
            stack = out(reg) _,
            word = out(reg) _,
        );
    }
}

/// Other systems on x86-64 have no double mappings, and on other machines no generated code runs.
#[cfg(not(any(target_arch = "aarch64", all(target_arch = "x86_64", target_os = "linux"))))]
pub(super) fn flush(_start: *mut u8, _bytes: usize) {}
