//! The instruction stream, which does not see by itself what was written as data.
//!
//! All that is flushed may have been written through another mapping than it runs in. The address that is named here is the one
//! at which it runs.

/// Makes the instruction stream agree with what was written to `bytes` bytes at `start`.
#[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
pub(super) fn flush(start: *mut u8, bytes: usize) {
    unsafe extern "C" {
        fn sys_icache_invalidate(start: *mut core::ffi::c_void, len: usize);
    }
    // SAFETY: the range is mapped, and the call only cleans and invalidates caches.
    unsafe { sys_icache_invalidate(start.cast(), bytes) }
}

/// Makes the instruction stream agree with what was written to `bytes` bytes at `start`.
#[cfg(all(target_arch = "aarch64", not(target_vendor = "apple")))]
pub(super) fn flush(start: *mut u8, bytes: usize) {
    use core::arch::asm;

    let cache_type: u64;
    // SAFETY: CTR_EL0 may be read by user code on every system that we run on.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) cache_type, options(nomem, nostack, preserves_flags)) };
    // The line sizes are powers of two, counted in words of four bytes.
    let data_line = 4usize << ((cache_type >> 16) & 15);
    let instruction_line = 4usize << (cache_type & 15);
    let (start, end) = (start as usize, start as usize + bytes);
    let lines = |line: usize| ((start & !(line - 1))..end).step_by(line);
    // Clean the data cache to where both caches meet, wait, drop the stale instructions, wait, refetch. Data caches go by
    // physical addresses as far as programs can tell, so that the address of either mapping finds what was written.
    // Instruction caches may go by virtual ones, so that only the address at which the code runs is sure to find it.
    for address in lines(data_line) {
        // SAFETY: the address lies in a mapped page; cleaning changes no data.
        unsafe { asm!("dc cvau, {}", in(reg) address, options(nostack, preserves_flags)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
    for address in lines(instruction_line) {
        // SAFETY: the address lies in a mapped page; instructions are fetched anew.
        unsafe { asm!("ic ivau, {}", in(reg) address, options(nostack, preserves_flags)) };
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}

/// Makes the instruction stream agree with what was written for `start`, by an instruction that serializes.
///
/// The caches agree by themselves. But what the processor has already fetched ahead it holds against writes by their linear
/// address alone: where code is written through another mapping, Intel's manual (volume 3, "Self-Modifying Code") demands a
/// serializing instruction before it runs. Of these `CPUID` leaves a virtual machine, which takes microseconds; `IRETQ` to the
/// next instruction stays in it, and takes some 50 ns.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) fn flush(_start: *mut u8, _bytes: usize) {
    // SAFETY: the instruction pops what was pushed: the place behind it, and the flags, stack and segments that there are.
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

/// Other systems on x86-64 have no double mappings, and no other machine runs code of ours.
#[cfg(not(any(target_arch = "aarch64", all(target_arch = "x86_64", target_os = "linux"))))]
pub(super) fn flush(_start: *mut u8, _bytes: usize) {}
