//! A call that trusts nothing: the registers that code may not rely on hold poison, and those that it must preserve are
//! looked at afterwards.
//!
//! Not the way in which code is measured, but the way in which it is tried.

/// The registers that a called function must preserve, but for the stack pointer: without that one it would not return.
#[cfg(target_arch = "x86_64")]
pub const CALLEE_SAVED: &[&str] = &["rbx", "rbp", "r12", "r13", "r14", "r15"];

/// The registers that a called function must preserve, but for the stack pointer: without that one it would not return.
#[cfg(target_arch = "aarch64")]
pub const CALLEE_SAVED: &[&str] = &[
    "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "d8", "d9", "d10", "d11", "d12", "d13",
    "d14", "d15",
];

/// No generated code runs on machines of other kinds.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub const CALLEE_SAVED: &[&str] = &[];

/// Calls the code at `function` with `argument`, its other registers filled with values made from `poison`. Writes to
/// `damage` a bit for each of [`CALLEE_SAVED`] that was not preserved.
///
/// # Safety
/// As for a call of the code as `extern "C" fn(u64) -> u64`; `damage` can be written.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub(super) unsafe extern "sysv64" fn call(function: *const u8, argument: u64, poison: u64, damage: *mut u64) -> u64 {
    core::arch::naked_asm!(
        // Six registers, the two arguments that are needed behind the call, and 8 bytes that keep the stack aligned.
        "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15",
        "push rdx", "push rcx", "sub rsp, 8",
        "mov rax, rdi",
        "mov rdi, rsi",
        "lea rbx, [rdx + 1]", "lea rbp, [rdx + 2]", "lea r12, [rdx + 3]",
        "lea r13, [rdx + 4]", "lea r14, [rdx + 5]", "lea r15, [rdx + 6]",
        "lea rcx, [rdx + 17]", "lea rsi, [rdx + 18]", "lea r8, [rdx + 19]",
        "lea r9, [rdx + 20]", "lea r10, [rdx + 21]", "lea r11, [rdx + 22]",
        "call rax",
        "mov rcx, [rsp + 8]",
        "mov rdx, [rsp + 16]",
        "xor r8d, r8d",
        "lea rsi, [rdx + 6]", "cmp rsi, r15", "setne r9b", "movzx r9d, r9b", "lea r8d, [r9 + 2 * r8]",
        "lea rsi, [rdx + 5]", "cmp rsi, r14", "setne r9b", "movzx r9d, r9b", "lea r8d, [r9 + 2 * r8]",
        "lea rsi, [rdx + 4]", "cmp rsi, r13", "setne r9b", "movzx r9d, r9b", "lea r8d, [r9 + 2 * r8]",
        "lea rsi, [rdx + 3]", "cmp rsi, r12", "setne r9b", "movzx r9d, r9b", "lea r8d, [r9 + 2 * r8]",
        "lea rsi, [rdx + 2]", "cmp rsi, rbp", "setne r9b", "movzx r9d, r9b", "lea r8d, [r9 + 2 * r8]",
        "lea rsi, [rdx + 1]", "cmp rsi, rbx", "setne r9b", "movzx r9d, r9b", "lea r8d, [r9 + 2 * r8]",
        "mov [rcx], r8",
        "add rsp, 24",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx",
        "ret",
    )
}

/// Calls the code at `function` with `argument`, its other registers filled with values made from `poison`. Writes to
/// `damage` a bit for each of [`CALLEE_SAVED`] that was not preserved.
///
/// # Safety
/// As for a call of the code as `extern "C" fn(u64) -> u64`; `damage` can be written.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub(super) unsafe extern "C" fn call(function: *const u8, argument: u64, poison: u64, damage: *mut u64) -> u64 {
    core::arch::naked_asm!(
        "stp x29, x30, [sp, #-176]!",
        "stp x19, x20, [sp, #16]", "stp x21, x22, [sp, #32]", "stp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]", "stp x27, x28, [sp, #80]",
        "stp d8, d9, [sp, #96]", "stp d10, d11, [sp, #112]", "stp d12, d13, [sp, #128]", "stp d14, d15, [sp, #144]",
        "stp x2, x3, [sp, #160]",
        "mov x16, x0",
        "mov x0, x1",
        "add x19, x2, #1", "add x20, x2, #2", "add x21, x2, #3", "add x22, x2, #4", "add x23, x2, #5",
        "add x24, x2, #6", "add x25, x2, #7", "add x26, x2, #8", "add x27, x2, #9", "add x28, x2, #10",
        "add x29, x2, #11",
        "fmov d8, x19", "fmov d9, x20", "fmov d10, x21", "fmov d11, x22",
        "fmov d12, x23", "fmov d13, x24", "fmov d14, x25", "fmov d15, x26",
        // Not x18, which belongs to the system on some.
        "add x1, x2, #33", "add x3, x2, #35", "add x4, x2, #36", "add x5, x2, #37", "add x6, x2, #38",
        "add x7, x2, #39", "add x8, x2, #40", "add x9, x2, #41", "add x10, x2, #42", "add x11, x2, #43",
        "add x12, x2, #44", "add x13, x2, #45", "add x14, x2, #46", "add x15, x2, #47", "add x17, x2, #49",
        "blr x16",
        "ldp x2, x3, [sp, #160]",
        "mov x4, #0",
        "add x5, x2, #1", "cmp x5, x19", "cset x6, ne", "orr x4, x4, x6",
        "add x5, x2, #2", "cmp x5, x20", "cset x6, ne", "orr x4, x4, x6, lsl #1",
        "add x5, x2, #3", "cmp x5, x21", "cset x6, ne", "orr x4, x4, x6, lsl #2",
        "add x5, x2, #4", "cmp x5, x22", "cset x6, ne", "orr x4, x4, x6, lsl #3",
        "add x5, x2, #5", "cmp x5, x23", "cset x6, ne", "orr x4, x4, x6, lsl #4",
        "add x5, x2, #6", "cmp x5, x24", "cset x6, ne", "orr x4, x4, x6, lsl #5",
        "add x5, x2, #7", "cmp x5, x25", "cset x6, ne", "orr x4, x4, x6, lsl #6",
        "add x5, x2, #8", "cmp x5, x26", "cset x6, ne", "orr x4, x4, x6, lsl #7",
        "add x5, x2, #9", "cmp x5, x27", "cset x6, ne", "orr x4, x4, x6, lsl #8",
        "add x5, x2, #10", "cmp x5, x28", "cset x6, ne", "orr x4, x4, x6, lsl #9",
        "add x5, x2, #11", "cmp x5, x29", "cset x6, ne", "orr x4, x4, x6, lsl #10",
        "add x5, x2, #1", "fmov x7, d8", "cmp x5, x7", "cset x6, ne", "orr x4, x4, x6, lsl #11",
        "add x5, x2, #2", "fmov x7, d9", "cmp x5, x7", "cset x6, ne", "orr x4, x4, x6, lsl #12",
        "add x5, x2, #3", "fmov x7, d10", "cmp x5, x7", "cset x6, ne", "orr x4, x4, x6, lsl #13",
        "add x5, x2, #4", "fmov x7, d11", "cmp x5, x7", "cset x6, ne", "orr x4, x4, x6, lsl #14",
        "add x5, x2, #5", "fmov x7, d12", "cmp x5, x7", "cset x6, ne", "orr x4, x4, x6, lsl #15",
        "add x5, x2, #6", "fmov x7, d13", "cmp x5, x7", "cset x6, ne", "orr x4, x4, x6, lsl #16",
        "add x5, x2, #7", "fmov x7, d14", "cmp x5, x7", "cset x6, ne", "orr x4, x4, x6, lsl #17",
        "add x5, x2, #8", "fmov x7, d15", "cmp x5, x7", "cset x6, ne", "orr x4, x4, x6, lsl #18",
        "str x4, [x3]",
        "ldp x19, x20, [sp, #16]", "ldp x21, x22, [sp, #32]", "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]", "ldp x27, x28, [sp, #80]",
        "ldp d8, d9, [sp, #96]", "ldp d10, d11, [sp, #112]", "ldp d12, d13, [sp, #128]", "ldp d14, d15, [sp, #144]",
        "ldp x29, x30, [sp], #176",
        "ret",
    )
}

/// No generated code runs on machines of other kinds.
///
/// # Safety
/// It never returns.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) unsafe fn call(_function: *const u8, _argument: u64, _poison: u64, _damage: *mut u64) -> u64 {
    unreachable!("this machine has no compiler")
}
