//! A call that does not trust the code: it fills unused registers with poison, and preserved ones with canaries that
//! must be unchanged when the code returns.
#![cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]

use std::cell::UnsafeCell;
use std::sync::{Mutex, PoisonError};

use super::Code;

impl Code {
    /// Calls the instruction at an offset as [`call_at`](Code::call_at) does, with registers full of values derived from the poison.
    /// Only one such call runs at a time in the process.
    ///
    /// # Panics
    /// If the offset is not within the code, or the code violates the calling convention; the message names what it changed.
    ///
    /// # Safety
    /// The same as for [`call_at`](Code::call_at), except that registers and the top words of the caller's stack may be
    /// changed.
    pub unsafe fn call_poisoned(&self, offset: usize, argument: u64, poison: u64) -> u64 {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        // The same pattern as on an armored stack, but with another factor.
        let word = |index: usize| poison.wrapping_add((index as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9));
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let context = CONTEXT.0.get();
        // SAFETY: holding the lock grants access to the context. The doc comment of `trampoline` says how it uses the
        // context, and the caller guarantees that the code returns to the trampoline.
        let (result, changed) = unsafe {
            context.write(Context {
                code: &self.bytes()[offset],
                argument,
                result: 0,
                garbage: std::array::from_fn(|index| word(index + PRESERVED.len())),
                before: std::array::from_fn(word),
                after: [0; PRESERVED.len()],
            });
            trampoline();
            let Context { before, after, result, .. } = context.read();
            let pairs = PRESERVED.iter().zip(before.iter().zip(after));
            (result, pairs.filter(|(_, (before, after))| **before != *after).map(|(name, _)| *name).collect::<Vec<_>>())
        };
        assert!(changed.is_empty(), "generated code violates the calling convention: it changed {changed:?}");
        result
    }
}

/// The inputs and outputs of a call. It is at a fixed address, so the trampoline finds it after the call without
/// relying on any register.
#[repr(C)]
struct Context {
    code: *const u8,
    argument: u64,
    result: u64,
    /// For registers that may hold anything; each register gets the word with its number.
    garbage: [u64; 32],
    /// The contents of [`PRESERVED`] at the call. The trampoline writes the stack pointer and, on AArch64, `x18`.
    before: [u64; PRESERVED.len()],
    /// Their contents when the call returned.
    after: [u64; PRESERVED.len()],
}

/// Memory that assembly writes.
struct SharedContext(UnsafeCell<Context>);

// SAFETY: only `call_poisoned` uses the single instance, under a lock.
unsafe impl Sync for SharedContext {}

static CONTEXT: SharedContext = SharedContext(UnsafeCell::new(Context {
    code: std::ptr::null(),
    argument: 0,
    result: 0,
    garbage: [0; 32],
    before: [0; PRESERVED.len()],
    after: [0; PRESERVED.len()],
}));

/// What generated code must preserve, in the order of the context.
#[cfg(target_arch = "x86_64")]
const PRESERVED: [&str; 9] =
    ["rsp", "the caller's stack", "the caller's stack", "rbx", "rbp", "r12", "r13", "r14", "r15"];

/// What generated code must preserve, in the order of the context. Some systems reserve `x18`, so our code must not use
/// it anywhere.
#[cfg(target_arch = "aarch64")]
#[rustfmt::skip]
const PRESERVED: [&str; 23] = [
    "sp", "the caller's stack", "the caller's stack", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26",
    "x27", "x28", "x29", "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15",
];

/// Fills the registers from the context, calls the code, and saves the resulting registers to the context. Preserves
/// the registers that the convention requires for its own caller, even if the code does not, as long as the code
/// returns here.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "sysv64" fn trampoline() {
    core::arch::naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        // Keeps the stack aligned at the call.
        "sub rsp, 8",
        "push qword ptr [rip + {context} + {before} + 16]",
        "push qword ptr [rip + {context} + {before} + 8]",
        "mov [rip + {context} + {before}], rsp",
        "mov rbx, [rip + {context} + {before} + 24]",
        "mov rbp, [rip + {context} + {before} + 32]",
        "mov r12, [rip + {context} + {before} + 40]",
        "mov r13, [rip + {context} + {before} + 48]",
        "mov r14, [rip + {context} + {before} + 56]",
        "mov r15, [rip + {context} + {before} + 64]",
        "mov rax, [rip + {context} + {garbage}]",
        "mov rcx, [rip + {context} + {garbage} + 8]",
        "mov rdx, [rip + {context} + {garbage} + 16]",
        "mov rsi, [rip + {context} + {garbage} + 48]",
        "mov r8, [rip + {context} + {garbage} + 64]",
        "mov r9, [rip + {context} + {garbage} + 72]",
        "mov r10, [rip + {context} + {garbage} + 80]",
        "mov r11, [rip + {context} + {garbage} + 88]",
        // Fills both halves of each register with two adjacent words of the garbage.
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
        "movups xmm\\n, [rip + {context} + {garbage} + 16 * \\n]",
        ".endr",
        "mov rdi, [rip + {context} + {argument}]",
        "call qword ptr [rip + {context} + {code}]",
        "mov [rip + {context} + {result}], rax",
        "mov [rip + {context} + {after}], rsp",
        "mov rsp, [rip + {context} + {before}]",
        "mov [rip + {context} + {after} + 24], rbx",
        "mov [rip + {context} + {after} + 32], rbp",
        "mov [rip + {context} + {after} + 40], r12",
        "mov [rip + {context} + {after} + 48], r13",
        "mov [rip + {context} + {after} + 56], r14",
        "mov [rip + {context} + {after} + 64], r15",
        "pop qword ptr [rip + {context} + {after} + 8]",
        "pop qword ptr [rip + {context} + {after} + 16]",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
        context = sym CONTEXT,
        code = const core::mem::offset_of!(Context, code),
        argument = const core::mem::offset_of!(Context, argument),
        result = const core::mem::offset_of!(Context, result),
        garbage = const core::mem::offset_of!(Context, garbage),
        before = const core::mem::offset_of!(Context, before),
        after = const core::mem::offset_of!(Context, after),
    )
}

/// The address of the context in `x16`.
#[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
macro_rules! context {
    () => {
        "adrp x16, {context}@PAGE\nadd x16, x16, {context}@PAGEOFF"
    };
}
#[cfg(all(target_arch = "aarch64", not(target_vendor = "apple")))]
macro_rules! context {
    () => {
        "adrp x16, {context}\nadd x16, x16, :lo12:{context}"
    };
}

/// The value of `x18` after the call, in `x17`. Apple's systems change it asynchronously, so there it always counts as
/// preserved.
#[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
macro_rules! x18_after {
    () => {
        "ldr x17, [x16, #{before} + 24]"
    };
}
#[cfg(all(target_arch = "aarch64", not(target_vendor = "apple")))]
macro_rules! x18_after {
    () => {
        "mov x17, x18"
    };
}

/// Fills the registers from the context, calls the code, and saves the resulting registers to the context. Preserves
/// the registers that the convention requires for its own caller, even if the code does not, as long as the code
/// returns here.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn trampoline() {
    core::arch::naked_asm!(
        "stp x29, x30, [sp, #-16]!",
        "stp x27, x28, [sp, #-16]!",
        "stp x25, x26, [sp, #-16]!",
        "stp x23, x24, [sp, #-16]!",
        "stp x21, x22, [sp, #-16]!",
        "stp x19, x20, [sp, #-16]!",
        "stp d14, d15, [sp, #-16]!",
        "stp d12, d13, [sp, #-16]!",
        "stp d10, d11, [sp, #-16]!",
        "stp d8, d9, [sp, #-16]!",
        context!(),
        "ldp x1, x2, [x16, #{before} + 8]",
        "stp x1, x2, [sp, #-16]!",
        "mov x17, sp",
        "str x17, [x16, #{before}]",
        "str x18, [x16, #{before} + 24]",
        ".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29",
        "ldr x\\n, [x16, #{before} + 8 * (\\n - 15)]",
        ".endr",
        ".irp n, 8, 9, 10, 11, 12, 13, 14, 15",
        "ldr d\\n, [x16, #{before} + 8 * (\\n + 7)]",
        ".endr",
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
        "ldr d\\n, [x16, #{garbage} + 8 * \\n]",
        ".endr",
        ".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17",
        "ldr x\\n, [x16, #{garbage} + 8 * \\n]",
        ".endr",
        "ldr x0, [x16, #{argument}]",
        "ldr x16, [x16, #{code}]",
        "blr x16",
        context!(),
        "str x0, [x16, #{result}]",
        x18_after!(),
        "str x17, [x16, #{after} + 24]",
        "mov x17, sp",
        "str x17, [x16, #{after}]",
        "ldr x17, [x16, #{before}]",
        "mov sp, x17",
        ".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29",
        "str x\\n, [x16, #{after} + 8 * (\\n - 15)]",
        ".endr",
        ".irp n, 8, 9, 10, 11, 12, 13, 14, 15",
        "str d\\n, [x16, #{after} + 8 * (\\n + 7)]",
        ".endr",
        "ldp x1, x2, [sp], #16",
        "stp x1, x2, [x16, #{after} + 8]",
        "ldp d8, d9, [sp], #16",
        "ldp d10, d11, [sp], #16",
        "ldp d12, d13, [sp], #16",
        "ldp d14, d15, [sp], #16",
        "ldp x19, x20, [sp], #16",
        "ldp x21, x22, [sp], #16",
        "ldp x23, x24, [sp], #16",
        "ldp x25, x26, [sp], #16",
        "ldp x27, x28, [sp], #16",
        "ldp x29, x30, [sp], #16",
        "ret",
        context = sym CONTEXT,
        code = const core::mem::offset_of!(Context, code),
        argument = const core::mem::offset_of!(Context, argument),
        result = const core::mem::offset_of!(Context, result),
        garbage = const core::mem::offset_of!(Context, garbage),
        before = const core::mem::offset_of!(Context, before),
        after = const core::mem::offset_of!(Context, after),
    )
}
