//! The instruction cache: on AArch64 it does not see what was written through the data cache.

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
    // Clean the data cache to where both caches meet, wait, drop the stale instructions, wait, refetch.
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

/// The caches of other machines agree by themselves: x86-64 watches writes to code, and no other machine
/// runs code of ours.
#[cfg(not(target_arch = "aarch64"))]
pub(super) fn flush(_start: *mut u8, _bytes: usize) {}
