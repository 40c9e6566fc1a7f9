//! Executable memory, the data stack's memory, and the calling convention of generated code.
//!
//! Several of these tests inspect the whole process, so all of them take a lock to run one at a time.
#![allow(unsafe_code, reason = "calls generated code through a trampoline, touches guard pages in a child process")]

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jitduel::bytecode::{self, Bytecode, Limits};
use jitduel::corpus::{cases, programs};
use jitduel::engine::{Engine, NoClock, Options, PrepareError, Prepared, Run, outcome};
use jitduel::exec::{Armor, Code, CodeMemory, Edge, Store, code_memory, is_emulated};
use jitduel::front;
use jitduel::interp::tree::{Measured, evaluate, measure};
use jitduel::isa::{Tuning, aarch64, x86_64};
use jitduel::lang::{Program, Source, load};
use jitduel::lir::frame;
use jitduel::outcome::{Outcome, TrapKind};
use jitduel::registry;
use jitduel::tiers::{self, AnyTier, TIERS};

#[cfg(target_arch = "aarch64")]
type Host = aarch64::Emitter;
/// Hosts that support neither instruction set compile this file and report its tests as ignored.
#[cfg(not(target_arch = "aarch64"))]
type Host = x86_64::Emitter;

fn alone() -> MutexGuard<'static, ()> {
    static PROCESS: Mutex<()> = Mutex::new(());
    PROCESS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn program(text: &str, inputs: usize) -> Program {
    load(&Source::new("test", text), inputs).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// A few instructions that return their argument plus one.
fn plus_one() -> Vec<u8> {
    if cfg!(target_arch = "aarch64") {
        use aarch64::encode::{Imm12, add_imm, ret};
        use aarch64::regs::X0;
        let one = Imm12::new(1).expect("it fits");
        assembled_a64([add_imm(X0.into(), X0.into(), one), ret()])
    } else {
        use x86_64::encode::{Mem, lea, ret};
        use x86_64::regs::{RAX, RDI};
        assembled_x64([lea(RAX, Mem::base(RDI, 1)), ret()])
    }
}

fn assembled_a64(instructions: impl IntoIterator<Item = aarch64::encode::Inst>) -> Vec<u8> {
    let mut asm = aarch64::Assembler::new();
    instructions.into_iter().for_each(|inst| asm.put(inst));
    asm.finish().expect("there are no branches")
}

fn assembled_x64(instructions: impl IntoIterator<Item = x86_64::encode::Inst>) -> Vec<u8> {
    let mut asm = x86_64::Assembler::new();
    instructions.into_iter().for_each(|inst| asm.put(inst));
    asm.finish().expect("there are no branches")
}

/// Whether this is an AArch64 program under QEMU: it is slow, never gets the same address twice, and the emulator's own
/// memory counts as ours. The process then has the emulator's name.
fn emulated() -> bool {
    let name = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
    cfg!(target_arch = "aarch64") && name.starts_with("qemu")
}

fn page_bytes() -> usize {
    // SAFETY: sysconf only reads a system constant.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).expect("every system has a page size")
}

// The mappings that the system reports.

struct Mapping {
    start: usize,
    end: usize,
    permissions: String,
    /// Whether it belongs to the arena.
    is_code: bool,
}

fn mappings() -> Vec<Mapping> {
    let read = || std::fs::read_to_string("/proc/self/maps").expect("Linux lists its mappings");
    // The list is read in pieces, between which the thread of an earlier test may still free memory.
    let mut text = read();
    loop {
        let again = read();
        if again == text {
            break;
        }
        text = again;
    }
    let mapping = |line: &str| {
        let mut fields = line.split_whitespace();
        let (start, end) = fields.next().and_then(|range| range.split_once('-')).expect("a range");
        let address = |text: &str| usize::from_str_radix(text, 16).expect("an address");
        let permissions = fields.next().expect("permissions").to_owned();
        let is_code = line.contains("memfd:jitduel code");
        Mapping { start: address(start), end: address(end), permissions, is_code }
    };
    text.lines().map(mapping).collect()
}

/// The permissions of the page at an address, if it is mapped.
fn permissions(address: usize) -> Option<String> {
    mappings().into_iter().find(|mapping| (mapping.start..mapping.end).contains(&address)).map(|it| it.permissions)
}

/// Asserts that no mapping of the process is both writable and executable, and that inaccessible pages surround each
/// mapping of the arena, so that an overrun of one cannot reach writable code.
fn assert_nothing_is_writable_and_executable() {
    let mappings = mappings();
    for Mapping { start, permissions, .. } in &mappings {
        assert!(!(permissions.contains('w') && permissions.contains('x')), "{start:x} is {permissions}");
    }
    let is_inaccessible = |mapping: Option<&Mapping>| mapping.is_some_and(|it| it.permissions.starts_with("---"));
    for Mapping { start, end, permissions, .. } in mappings.iter().filter(|mapping| mapping.is_code) {
        let before = mappings.iter().find(|mapping| mapping.end == *start);
        let after = mappings.iter().find(|mapping| mapping.start == *end);
        assert!(is_inaccessible(before) && is_inaccessible(after), "{start:x} {permissions} has no guards");
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux lists the mappings of a process in /proc/self/maps")]
fn code_is_writable_or_executable_but_never_both() {
    let _alone = alone();
    let page = page_bytes();
    for bytes in [1, page - 1, page, page + 1, 5 * page, 300 * page + 5] {
        let written = vec![0x5a; bytes];
        for (in_arena, code) in [(true, Code::new(&written)), (false, Code::in_own_mapping(&written))] {
            let code = code.expect("the system allows generated code");
            assert_eq!(code.bytes(), written);
            let start = code.bytes().as_ptr().addr();
            for address in (start..start + bytes).step_by(page).chain([start + bytes - 1]) {
                let found = permissions(address).expect("it is mapped");
                // Shared with the writable mapping, or private.
                assert!(found == "r-xp" || (in_arena && found == "r-xs"), "{address:x} is {found}, {bytes} bytes");
            }
            assert_nothing_is_writable_and_executable();
            drop(code);
            for address in [start, start + bytes - 1] {
                let left = permissions(address);
                assert!(in_arena || left.as_ref().is_none_or(|left| !left.contains('x')), "{left:?} after the drop");
            }
            assert_nothing_is_writable_and_executable();
        }
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux lists the mappings of a process in /proc/self/maps")]
fn engines_leave_no_writable_and_executable_page() {
    let _alone = alone();
    let executable = || mappings().iter().filter(|mapping| mapping.permissions.contains('x')).count();
    // An arena keeps its first region.
    drop(Code::new(&plus_one()));
    let before = executable();
    let program = program("1 + 5 times dup * end", 1);
    let mut kept = Vec::new();
    for name in registry::ENGINES {
        let mut engine = registry::engine(name).expect("it exists");
        let Ok(mut prepared) = engine.prepare(&program, &Options::default(), &mut NoClock) else {
            println!("NOT RUN: {name} is not supported on this host");
            continue;
        };
        assert_nothing_is_writable_and_executable();
        let mut stack = Store::new(Options::default().stack_limit).expect("memory");
        prepared.run(&[1], None, &mut stack).expect("it ends");
        assert_nothing_is_writable_and_executable();
        kept.push(prepared);
    }
    let codes: Vec<_> = kept.iter().filter_map(|prepared| prepared.code()).collect();
    assert!(codes.len() == TIERS.len() || cfg!(not(any(target_arch = "aarch64", target_arch = "x86_64"))));
    for code in codes {
        let found = permissions(code.as_ptr().addr());
        assert!(found.is_some_and(|found| found.starts_with("r-x")), "code is mapped while it is alive");
    }
    drop(kept);
    // The arenas of other tests' threads may have been freed as well.
    assert!(executable() <= before, "and unmapped when dropped");
}

// The calling convention.

/// The stack pointer inside the trampoline, which restores it from here whatever the code did to it.
static STACK_POINTER: AtomicUsize = AtomicUsize::new(0);

/// What each bit of the trampoline's result stands for, from bit 0 on. A set bit means that it has changed.
#[cfg(not(target_arch = "aarch64"))]
const WATCHED: &[&str] = &["rsp", "the caller's stack", "rbx", "rbp", "r12", "r13", "r14", "r15"];
#[cfg(target_arch = "aarch64")]
const WATCHED: &[&str] = &[
    "sp",
    "the caller's stack",
    "x18",
    "x19",
    "x20",
    "x21",
    "x22",
    "x23",
    "x24",
    "x25",
    "x26",
    "x27",
    "x28",
    "x29",
    "d8",
    "d9",
    "d10",
    "d11",
    "d12",
    "d13",
    "d14",
    "d15",
];

/// Calls code at an address with one argument, with canaries in every register that the code must preserve and in two
/// words on top of the caller's stack. Returns what changed; `status` receives what the code returned.
///
/// # Safety
/// The code must return to its caller, with a stack pointer that is off by a few words at most.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "sysv64" fn trampoline(code: *const u8, argument: u64, status: *mut u64) -> u64 {
    core::arch::naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push rdx",
        "movabs rax, 0x0fedcba987654321",
        "push rax",
        "push rax",
        "mov [rip + {saved}], rsp",
        "mov rax, rdi",
        "mov rdi, rsi",
        "movabs rbx, 0xb0b1b2b3b4b5b6b7",
        "movabs rbp, 0xc0c1c2c3c4c5c6c7",
        "movabs r12, 0xd0d1d2d3d4d5d6d7",
        "movabs r13, 0xe0e1e2e3e4e5e6e7",
        "movabs r14, 0xf0f1f2f3f4f5f6f7",
        "movabs r15, 0xa0a1a2a3a4a5a6a7",
        "call rax",
        "mov rcx, rax",
        "xor eax, eax",
        "cmp rsp, [rip + {saved}]",
        "je 2f",
        "or eax, 1",
        "2: mov rsp, [rip + {saved}]",
        "movabs rdx, 0x0fedcba987654321",
        "cmp rdx, [rsp]",
        "jne 3f",
        "cmp rdx, [rsp + 8]",
        "je 4f",
        "3: or eax, 2",
        "4: movabs rdx, 0xb0b1b2b3b4b5b6b7",
        "cmp rbx, rdx",
        "je 5f",
        "or eax, 4",
        "5: movabs rdx, 0xc0c1c2c3c4c5c6c7",
        "cmp rbp, rdx",
        "je 6f",
        "or eax, 8",
        "6: movabs rdx, 0xd0d1d2d3d4d5d6d7",
        "cmp r12, rdx",
        "je 7f",
        "or eax, 16",
        "7: movabs rdx, 0xe0e1e2e3e4e5e6e7",
        "cmp r13, rdx",
        "je 8f",
        "or eax, 32",
        "8: movabs rdx, 0xf0f1f2f3f4f5f6f7",
        "cmp r14, rdx",
        "je 9f",
        "or eax, 64",
        "9: movabs rdx, 0xa0a1a2a3a4a5a6a7",
        "cmp r15, rdx",
        "je 22f",
        "or eax, 128",
        "22: add rsp, 16",
        "pop rdx",
        "mov [rdx], rcx",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
        saved = sym STACK_POINTER,
    )
}

/// The address of the saved stack pointer in `x16`.
#[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
macro_rules! saved {
    () => {
        "adrp x16, {saved}@PAGE\nadd x16, x16, {saved}@PAGEOFF"
    };
}
#[cfg(all(target_arch = "aarch64", not(target_vendor = "apple")))]
macro_rules! saved {
    () => {
        "adrp x16, {saved}\nadd x16, x16, :lo12:{saved}"
    };
}

/// Apple's systems change `x18` asynchronously, so it can be checked only on other systems.
#[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
macro_rules! x18_changed {
    () => {
        "cmp xzr, xzr"
    };
}
#[cfg(all(target_arch = "aarch64", not(target_vendor = "apple")))]
macro_rules! x18_changed {
    () => {
        "cmp x18, x3"
    };
}

/// The same for AArch64: the canaries are in `x3`, which increases from register to register.
///
/// # Safety
/// The same as above.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn trampoline(code: *const u8, argument: u64, status: *mut u64) -> u64 {
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
        "stp x2, x18, [sp, #-16]!",
        "movz x3, #0x4321",
        "movk x3, #0x8765, lsl #16",
        "movk x3, #0xcba9, lsl #32",
        "movk x3, #0x0fed, lsl #48",
        "stp x3, x3, [sp, #-16]!",
        saved!(),
        "mov x17, sp",
        "str x17, [x16]",
        "mov x16, x0",
        "mov x0, x1",
        "mov x18, x3",
        "add x19, x18, #1",
        "add x20, x19, #1",
        "add x21, x20, #1",
        "add x22, x21, #1",
        "add x23, x22, #1",
        "add x24, x23, #1",
        "add x25, x24, #1",
        "add x26, x25, #1",
        "add x27, x26, #1",
        "add x28, x27, #1",
        "add x29, x28, #1",
        "fmov d8, x19",
        "fmov d9, x20",
        "fmov d10, x21",
        "fmov d11, x22",
        "fmov d12, x23",
        "fmov d13, x24",
        "fmov d14, x25",
        "fmov d15, x26",
        "blr x16",
        // x1 collects bits, x2 is the bit, x3 the canary.
        "mov x1, #0",
        "mov x2, #1",
        saved!(),
        "ldr x17, [x16]",
        "mov x4, sp",
        "cmp x4, x17",
        "csel x5, xzr, x2, eq",
        "orr x1, x1, x5",
        "lsl x2, x2, #1",
        "mov sp, x17",
        "movz x3, #0x4321",
        "movk x3, #0x8765, lsl #16",
        "movk x3, #0xcba9, lsl #32",
        "movk x3, #0x0fed, lsl #48",
        "ldp x4, x5, [sp], #16",
        "cmp x4, x3",
        "ccmp x5, x3, #0, eq",
        "csel x5, xzr, x2, eq",
        "orr x1, x1, x5",
        "lsl x2, x2, #1",
        x18_changed!(),
        "csel x5, xzr, x2, eq",
        "orr x1, x1, x5",
        ".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29",
        "lsl x2, x2, #1",
        "add x3, x3, #1",
        "cmp x\\n, x3",
        "csel x5, xzr, x2, eq",
        "orr x1, x1, x5",
        ".endr",
        "sub x3, x3, #11",
        ".irp n, 8, 9, 10, 11, 12, 13, 14, 15",
        "lsl x2, x2, #1",
        "add x3, x3, #1",
        "fmov x4, d\\n",
        "cmp x4, x3",
        "csel x5, xzr, x2, eq",
        "orr x1, x1, x5",
        ".endr",
        "ldp x2, x18, [sp], #16",
        "str x0, [x2]",
        "mov x0, x1",
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
        saved = sym STACK_POINTER,
    )
}

/// Tests that call this are ignored on hosts that support neither instruction set.
///
/// # Safety
/// None is needed.
#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
unsafe extern "C" fn trampoline(_code: *const u8, _argument: u64, _status: *mut u64) -> u64 {
    let _ = &STACK_POINTER;
    unreachable!("its tests are ignored")
}

/// Calls code through the trampoline. Returns the names of what it changed, and its result.
///
/// # Safety
/// The same as for the trampoline.
unsafe fn changed_by(code: &Code, argument: u64) -> (Vec<&'static str>, u64) {
    let mut status = 0;
    // SAFETY: guaranteed by the caller.
    let mask = unsafe { trampoline(code.bytes().as_ptr(), argument, &raw mut status) };
    assert_eq!(STACK_POINTER.load(Ordering::Relaxed) % 16, 0, "the trampoline called with an aligned stack");
    assert_eq!(mask >> WATCHED.len(), 0, "every bit has a name");
    let names = WATCHED.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
    (names.map(|(_, name)| *name).collect(), status)
}

/// For everything that is checked, code that changes only that.
fn offenders() -> Vec<(&'static str, Vec<u8>)> {
    if cfg!(target_arch = "aarch64") {
        use aarch64::encode::{Half, Imm12, Scaled, movz, ret, str_, sub_imm};
        use aarch64::regs::{SP, X, X0};
        let mut all = vec![
            ("sp", assembled_a64([sub_imm(SP, SP, Imm12::new(16).expect("it fits")), ret()])),
            ("the caller's stack", assembled_a64([str_(X0.into(), SP, Scaled::new(8).expect("it fits")), ret()])),
        ];
        for (name, number) in WATCHED[2..].iter().zip(18..30) {
            let x = X::new(number).expect("a register");
            all.push((name, assembled_a64([movz(x, 1, Half::H0), ret()])));
        }
        for (name, number) in WATCHED[14..].iter().zip(8_u32..) {
            // `fmov dN, xzr`, which the assembler does not support.
            let word = 0x9e67_03e0 | number;
            all.push((name, [&word.to_le_bytes()[..], &assembled_a64([ret()])].concat()));
        }
        all
    } else {
        use x86_64::encode::{Mem, mov_imm32, pop, push, ret, store};
        use x86_64::regs::{R12, R13, R14, R15, RBP, RBX, RCX, RDI, RSP};
        let mut all = vec![
            ("rsp", assembled_x64([pop(RCX), push(RCX), push(RCX), ret()])),
            ("the caller's stack", assembled_x64([store(Mem::base(RSP, 16), RDI), ret()])),
        ];
        for (name, register) in WATCHED[2..].iter().zip([RBX, RBP, R12, R13, R14, R15]) {
            all.push((name, assembled_x64([mov_imm32(register, 1), ret()])));
        }
        all
    }
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn trampoline_detects_every_change() {
    let _alone = alone();
    let innocent = Code::new(&plus_one()).expect("executable memory");
    // SAFETY: the code returns its argument plus one.
    assert_eq!(unsafe { changed_by(&innocent, 41) }, (vec![], 42));
    let offenders = offenders();
    let names: Vec<_> = offenders.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, WATCHED, "there is code for everything that is checked");
    for (name, bytes) in offenders {
        if name == "x18" && cfg!(target_vendor = "apple") {
            println!("NOT RUN: Apple's systems change x18 themselves");
            continue;
        }
        let code = Code::new(&bytes).expect("executable memory");
        // SAFETY: the code changes one thing and returns, with the stack pointer off by a few words at most.
        assert_eq!(unsafe { changed_by(&code, 1) }.0, [name]);
    }
}

#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
#[test]
fn poisoned_call_names_what_was_not_preserved() {
    let _alone = alone();
    let innocent = Code::new(&plus_one()).expect("executable memory");
    for poison in [0, 1, u64::MAX, 0x5555_5555_5555_5555] {
        // SAFETY: the code returns its argument plus one.
        assert_eq!(unsafe { innocent.call_poisoned(0, 41, poison) }, 42);
        for (name, bytes) in offenders() {
            if name == "x18" && cfg!(target_vendor = "apple") {
                println!("NOT RUN: Apple's systems change x18 themselves");
                continue;
            }
            let code = Code::new(&bytes).expect("executable memory");
            // SAFETY: the code changes one thing and returns, with the stack pointer off by a few words at most.
            let call = AssertUnwindSafe(|| unsafe { code.call_poisoned(0, 1, poison) });
            let panic = std::panic::catch_unwind(call).expect_err(name);
            let message = panic.downcast_ref::<String>().expect("a message");
            assert!(message.ends_with(&format!("calling convention: it changed [{name:?}]")), "{name}: {message}");
        }
    }
}

/// For every register that is undefined at a call, code that returns it.
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
fn readers_of_undefined_registers() -> Vec<(String, Vec<u8>)> {
    if cfg!(target_arch = "aarch64") {
        use aarch64::encode::{mov, ret};
        use aarch64::regs::{X, X0};
        // The branch to the code needs `x16`, which the linker may change as well.
        let numbers = (1..=17).filter(|number| *number != 16);
        numbers
            .map(|number| {
                let register = X::new(number).expect("a register");
                (format!("x{number}"), assembled_a64([mov(X0, register.into()), ret()]))
            })
            .collect()
    } else {
        use x86_64::encode::{mov, ret};
        use x86_64::regs::{R8, R9, R10, R11, RAX, RCX, RDX, RSI};
        let registers = [RAX, RCX, RDX, RSI, R8, R9, R10, R11];
        registers.map(|register| (format!("{register:?}"), assembled_x64([mov(RAX, register), ret()]))).into()
    }
}

#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
#[test]
fn poisoned_call_fills_every_undefined_register() {
    let _alone = alone();
    let codes = readers_of_undefined_registers();
    let words = |poison: u64| -> Vec<u64> {
        let read = |(_, bytes): &(String, Vec<u8>)| {
            let code = Code::new(bytes).expect("executable memory");
            // SAFETY: the code only reads a register.
            unsafe { code.call_poisoned(0, 1, poison) }
        };
        codes.iter().map(read).collect()
    };
    let (some, others) = (words(1), words(2));
    for (index, (name, _)) in codes.iter().enumerate() {
        assert_eq!(some[index].wrapping_add(1), others[index], "{name} depends on the poison");
    }
    assert_eq!(BTreeSet::from_iter(&some).len(), codes.len(), "and on the register");
}

/// Sealed code, and what it needs besides the data stack.
struct Machine {
    code: Code,
    /// The greatest size of an activation on the control stack.
    activation_bytes: usize,
    /// The slots of the frame that the main program uses.
    frame_slots: usize,
}

fn compiled(code: &Bytecode, tier: AnyTier, tuning: &Tuning) -> Machine {
    let compiled = tiers::compile::<Host>(code, tier, tuning, false, Vec::new()).expect("it is small");
    let tiers::Compiled { machine, frame_slots, .. } = compiled;
    let code = Code::new(&machine.bytes).expect("executable memory");
    Machine { code, activation_bytes: machine.activation_bytes, frame_slots }
}

/// A frame with the layout of [`frame`], and what it points to besides the data stack.
struct Frame {
    fields: Vec<u64>,
    _memory: Vec<i64>,
    _control: Vec<u128>,
}

impl Frame {
    fn on(stack: &Store, code: &Bytecode, machine: &Machine, fuel: u64) -> Frame {
        let mut memory = vec![0; code.cells()];
        // The first half is for signal handlers.
        let depth = usize::try_from(code.greatest_depth()).expect("a small number");
        let mut control = vec![0; 4096 + (depth * machine.activation_bytes).div_ceil(16)];
        let mut fields = vec![0; frame::SLOTS as usize / 8 + machine.frame_slots];
        let bottom = stack.values().as_ptr();
        fields[frame::BOTTOM as usize / 8] = bottom.expose_provenance() as u64;
        fields[frame::LIMIT as usize / 8] = bottom.wrapping_add(code.stack_limit() as usize).addr() as u64;
        fields[frame::FUEL as usize / 8] = fuel;
        fields[frame::MEMORY as usize / 8] = memory.as_mut_ptr().expose_provenance() as u64;
        fields[frame::CONTROL as usize / 8] = control.as_mut_ptr_range().end.expose_provenance() as u64;
        fields[frame::DEPTH as usize / 8] = code.greatest_depth();
        Frame { fields, _memory: memory, _control: control }
    }

    fn address(&mut self) -> u64 {
        self.fields.as_mut_ptr().expose_provenance() as u64
    }
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn compiled_programs_follow_the_calling_convention() {
    const LIMITS: Limits = Limits { stack: 200, calls: 40 };
    let _alone = alone();
    let (mut calls, mut ended, mut trapped) = (0, 0, BTreeSet::new());
    for depth in (0..=12).chain([30]) {
        // Outer loops make two iterations, if that is fast enough.
        let opening: String = (0..depth).map(|level| if level < 10 { "2 times " } else { "1 times " }).collect();
        let nested = |body: &str| format!("{opening}{body}{}", " end".repeat(depth));
        // A result, and every trap in the innermost body. The value below the top is the divisor, 0 or 3.
        let texts = [
            nested("over / 7 + 3 *"),
            nested("over mod 1 + 5 pick drop"),
            format!("{} {}", nested("dup *"), "dup times 1 end"),
            format!("{} {}", nested("1 +"), "dup times drop end"),
            // In a function, after calls, and in the innermost of several activations.
            format!(": f ( a b -- a c ) {} ; f f", nested("over / 7 + 3 *")),
            format!(": f ( a b -- a c ) dup 0 > if 300 - f else {} end ; f", nested("over / 7 + 3 *")),
            format!(": f ( a b -- a c ) over 3 = if 1 + f end ; {}", nested("f")),
            format!(": f ( a b -- a c ) 1 - dup if f 1 + end ; {}", nested("drop 20 f")),
            format!("8 array a : f ( a b -- a c ) over 6 + a + @ + ; {}", nested("f dup a !")),
        ];
        for (text, metered) in texts.iter().flat_map(|text| [(text, false), (text, true)]) {
            let inputs = |divisor| [5, 4, 3, 2, divisor, 1000];
            let program = program(text, inputs(0).len());
            let code = bytecode::lower(&program, LIMITS, metered).expect("it is small");
            let runs = [(3, u64::MAX), (0, u64::MAX), (3, 0), (3, 1), (3, depth as u64)].map(|(divisor, fuel)| {
                let run = Run {
                    inputs: &inputs(divisor),
                    fuel: metered.then_some(fuel),
                    stack_limit: LIMITS.stack as usize,
                    call_limit: LIMITS.calls,
                };
                (inputs(divisor), fuel, evaluate(program.ast(), run))
            });
            for (name, tier) in TIERS {
                for counter_registers in [usize::MAX, 1] {
                    let machine = compiled(&code, tier, &Tuning { counter_registers, ..Tuning::default() });
                    for (inputs, fuel, expected) in &runs {
                        let mut stack = Store::new(LIMITS.stack as usize).expect("memory");
                        stack.set(inputs);
                        let mut frame = Frame::on(&stack, &code, &machine, *fuel);
                        // SAFETY: the code was compiled for this machine, and the frame is as it expects.
                        let (changed, status) = unsafe { changed_by(&machine.code, frame.address()) };
                        assert!(changed.is_empty(), "{name} changes {changed:?} in `{text}`, status {status}");
                        calls += 1;
                        match expected {
                            Outcome::Done(values) => {
                                let bottom = frame.fields[frame::BOTTOM as usize / 8];
                                let end = frame.fields[frame::POINTER as usize / 8];
                                assert_eq!((status, end - bottom), (0, 8 * values.len() as u64), "{name}: `{text}`");
                                // The inputs were as many as the stack says, whatever the code left.
                                let both = values.len().min(inputs.len());
                                assert_eq!(stack.values()[..both], values[..both], "{name}: `{text}`");
                                ended += 1;
                            }
                            Outcome::Trap(trap) => {
                                assert_ne!(status, 0, "{name}: `{text}`");
                                trapped.insert(trap.kind.to_string());
                            }
                        }
                    }
                }
            }
        }
    }
    println!("{calls} calls, {ended} ended, the others trapped: {trapped:?}");
    assert!(calls > 10_000 && ended > 2000 && ended < calls);
    assert_eq!(trapped, TrapKind::ALL.map(|kind| kind.to_string()).into(), "every trap was taken");
}

// Memory that is allocated and freed.

/// The number of pages of the process in memory.
fn resident_pages() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux says how much memory is used");
    text.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).expect("the second field")
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux lists the mappings of a process in /proc/self/maps")]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn compiling_and_dropping_leaks_no_memory() {
    let rounds = if emulated() { 50_000 } else { 1_000_000 };
    if emulated() {
        println!("NOT RUN: {rounds} rounds instead of a million, since this is an emulator");
    }
    let _alone = alone();
    let program = program("dup 1 + *", 1);
    let mut engine = registry::engine("jit").expect("it exists");
    let mut round = || drop(engine.prepare(&program, &Options::default(), &mut NoClock).expect("it is small"));
    (0..1000).for_each(|_| round());
    let (mapped, resident) = (mappings().len(), resident_pages());
    (1000..rounds).for_each(|_| round());
    let (mapped_after, resident_after) = (mappings().len(), resident_pages());
    println!("{rounds} rounds: {mapped} mappings became {mapped_after}, {resident} pages became {resident_after}");
    // Even sixteen bytes lost in a hundred rounds would exceed that number of pages. The emulator keeps some data about
    // every page that it ever mapped; there only whole pages of ours would be noticed.
    let some = if emulated() { rounds / 25 } else { rounds / 100 * 16 / page_bytes() + 16 } as u64;
    assert!(mapped_after <= mapped + 2, "{mapped} mappings became {mapped_after}");
    assert!(resident_after <= resident + some, "{resident} pages became {resident_after}");
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn new_code_at_a_reused_address_is_executed() {
    const ROUNDS: i64 = 10_000;
    let _alone = alone();
    let mut places = BTreeSet::new();
    let mut stack = Store::new(100).expect("memory");
    for round in 0..ROUNDS {
        // Programs of different lengths, with different results.
        let (word, expected) = match round % 5 {
            0 => (format!("{round} +"), 7 + round),
            1 => (format!("{round} swap -"), round - 7),
            2 => (format!("{round} * {round} xor"), (7 * round) ^ round),
            3 => (format!("3 times {round} + end"), 7 + 3 * round),
            _ => (format!("dup 0 > if {round} else 1 end +"), 7 + round),
        };
        let code = bytecode::lower(&program(&word, 1), Limits::of_stack(100), false).expect("it is small");
        let machine = compiled(&code, TIERS[round as usize % 5].1, &Tuning::default());
        places.insert(machine.code.bytes().as_ptr().addr());
        stack.set(&[7]);
        let mut frame = Frame::on(&stack, &code, &machine, u64::MAX);
        // SAFETY: the code was compiled for this machine, and the frame is as it expects.
        let status = unsafe { machine.code.call(frame.address()) };
        // The stack was set to one value; the code left one as well.
        assert_eq!((status, stack.values()), (0, &[expected][..]), "round {round}: `{word}`");
    }
    println!("{ROUNDS} pieces of code at {} addresses", places.len());
    match code_memory() {
        CodeMemory::DoubleMapping => assert_eq!(places.len(), 1, "the memory freed last is allocated first"),
        CodeMemory::Toggling { reason } => println!("NOT RUN: whether addresses are used again; {reason}"),
    }
}

#[test]
fn every_engine_runs_many_programs_on_one_stack() {
    let _alone = alone();
    let mut stack = Store::new(Options::default().stack_limit).expect("memory");
    for name in registry::ENGINES {
        let mut engine: Box<dyn Engine> = registry::engine(name).expect("it exists");
        for round in 0..200_i64 {
            let program = program(&format!("{round} + {} times dup 1 + end", round % 7), 1);
            let mut prepared = match engine.prepare(&program, &Options::default(), &mut NoClock) {
                Ok(prepared) => prepared,
                Err(error) => {
                    println!("NOT RUN: {error}");
                    break;
                }
            };
            let expected = (0..=round % 7).map(|pass| round + 1 + pass).collect();
            assert_eq!(outcome(&mut *prepared, &[1], None, &mut stack), Outcome::Done(expected), "{name}");
        }
    }
}

// The data stack.

#[test]
fn stack_returns_the_values_that_were_set() {
    let _alone = alone();
    for capacity in [0, 1, 2, 510, 511, 512, 513, 65_536] {
        let mut stack = Store::new(capacity).expect("memory");
        assert_eq!((stack.capacity(), stack.values()), (capacity, &[][..]));
        for length in [capacity, capacity / 2, 0, capacity] {
            let values: Vec<i64> = (0..length as i64).map(|index| index * 0x0101_0101_0101 - 5).collect();
            stack.set(&values);
            assert_eq!(stack.values(), values);
        }
        let too_many = vec![0; capacity + 1];
        let set = AssertUnwindSafe(|| stack.set(&too_many));
        assert!(std::panic::catch_unwind(set).is_err(), "{} values on a stack for {capacity}", capacity + 1);
    }
}

#[test]
fn huge_capacity_is_an_error() {
    let _alone = alone();
    for capacity in [usize::MAX, usize::MAX - 1, usize::MAX / 8, usize::MAX / 8 - 1, isize::MAX as usize / 8, 1 << 60] {
        let error = Store::new(capacity).err().unwrap_or_else(|| panic!("{capacity} values cannot be allocated"));
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn large_stack_takes_no_memory_until_it_is_used() {
    let _alone = alone();
    let resident = || if cfg!(target_os = "linux") { resident_pages() } else { 0 };
    let before = resident();
    let mut stack = Store::new(1 << 27).expect("a gigabyte of address space");
    stack.set(&[1, 2, 3]);
    assert_eq!(stack.values(), [1, 2, 3]);
    // Out of a quarter of a million pages. An emulator keeps some data about each.
    let some = if emulated() { 10_000 } else { 100 };
    let after = resident();
    assert!(after < before + some, "{before} pages became {after}: a stack takes memory only when it is used");
}

/// The signal that kills a child process during one piece of work, if any. The work only accesses memory.
fn signal_of(work: impl FnOnce()) -> Option<i32> {
    // SAFETY: the child only makes calls that are allowed between `fork` and `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "the system gives a child process");
    if child == 0 {
        let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: this process is a copy that ends here; the work may fault, which is what the test examines.
        unsafe {
            libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
            libc::signal(libc::SIGSEGV, libc::SIG_DFL);
            libc::signal(libc::SIGBUS, libc::SIG_DFL);
        }
        work();
        // SAFETY: ends the copy.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child and writes its status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    if libc::WIFSIGNALED(status) {
        return Some(libc::WTERMSIG(status));
    }
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "the child exited normally");
    None
}

/// The signal that kills a child process that reads an address.
fn signal_of_reading(address: *mut i64) -> Option<i32> {
    // SAFETY: runs in a process that ends with it.
    signal_of(|| _ = unsafe { address.read_volatile() })
}

/// The signal that kills a child process that writes to an address.
fn signal_of_writing(address: *mut i64) -> Option<i32> {
    // SAFETY: runs in a process that ends with it.
    signal_of(|| unsafe { address.write_volatile(1) })
}

/// The signal that kills a child process that reads and writes an address.
fn signal_of_touching(address: *mut i64) -> Option<i32> {
    signal_of(|| {
        // SAFETY: runs in a process that ends with it.
        unsafe {
            let value = address.read_volatile();
            address.write_volatile(value);
        }
    })
}

#[test]
fn memory_around_a_stack_is_inaccessible() {
    let _alone = alone();
    let page_slots = page_bytes() / 8;
    let faults = |address: *mut i64| match signal_of_touching(address) {
        None => false,
        Some(libc::SIGSEGV | libc::SIGBUS) => true,
        Some(signal) => panic!("signal {signal} is not a memory fault"),
    };
    for capacity in [0, 1, page_slots - 2, page_slots - 1, page_slots, 5 * page_slots - 1] {
        let stack = Store::new(capacity).expect("memory");
        let bottom = stack.values().as_ptr().cast_mut();
        // The spare slot is before the bottom; together with it the values fill whole pages.
        let end = (capacity + 1).next_multiple_of(page_slots) - 1;
        assert!(!faults(bottom.wrapping_sub(1)), "the spare slot of a stack for {capacity}");
        assert!(!faults(bottom.wrapping_add(capacity.saturating_sub(1))), "the last slot of a stack for {capacity}");
        assert!(!faults(bottom.wrapping_add(end - 1)), "the last slot of the last page, capacity {capacity}");
        assert!(faults(bottom.wrapping_sub(2)), "before the spare slot of a stack for {capacity}");
        assert!(faults(bottom.wrapping_sub(1 + page_slots)), "the page before, capacity {capacity}");
        assert!(faults(bottom.wrapping_add(end)), "after the last page of a stack for {capacity}");
        assert!(faults(bottom.wrapping_add(end + page_slots - 1)), "the page after, capacity {capacity}");
    }
}

// The memory cells and the control stack.

/// The engines that this host supports, each with a prepared program.
fn prepared(program: &Program, options: &Options) -> Vec<(&'static str, Box<dyn Prepared>)> {
    let mut all = Vec::new();
    for name in registry::ENGINES {
        match registry::engine(name).expect("it exists").prepare(program, options, &mut NoClock) {
            Ok(prepared) => all.push((name, prepared)),
            Err(error) => println!("NOT RUN: {error}"),
        }
    }
    all
}

#[test]
fn memory_is_zero_at_the_start_of_every_run() {
    let _alone = alone();
    let page_cells = page_bytes() / 8;
    let mut stack = Store::new(Options::default().stack_limit).expect("memory");
    // More and fewer cells in turn, below and above the size at which the system replaces the pages.
    let sizes = [1, page_cells, 2, page_cells + 1, 1 << 17, 100, (1 << 17) - 1, (1 << 17) + 1, 1 << 24, 3, 1 << 20];
    for cells in sizes {
        let last = cells - 1;
        let text = format!("{cells} array a  a @ {last} @  a @ 5 + a !  {last} @ 6 + {last} !");
        let program = program(&text, 0);
        let expected = if cells == 1 { vec![11] } else { [&[5][..], &vec![0; cells - 2], &[6]].concat() };
        for (name, mut engine) in prepared(&program, &Options::default()) {
            for round in 0..2 {
                let found = outcome(&mut *engine, &[], None, &mut stack);
                assert_eq!(found, Outcome::Done(vec![0, 0]), "{name}, {cells} cells, round {round}");
                assert!(stack.memory() == expected, "{name}, {cells} cells, round {round}");
            }
        }
    }
    // A program without memory leaves none.
    for (name, mut engine) in prepared(&program("1", 0), &Options::default()) {
        assert_eq!(outcome(&mut *engine, &[], None, &mut stack), Outcome::Done(vec![1]), "{name}");
        assert!(stack.memory().is_empty(), "{name}");
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux says how much memory a process uses")]
fn large_memory_costs_only_the_pages_that_are_used() {
    let _alone = alone();
    let program = program("0x1000000 array a  16777215 @ 0 5 ! 0 @", 0);
    let mut stack = Store::new(Options::default().stack_limit).expect("memory");
    for (name, mut engine) in prepared(&program, &Options::default()) {
        // The referee keeps its memory elsewhere.
        if name == "tree" {
            continue;
        }
        let before = resident_pages();
        for _ in 0..3 {
            assert_eq!(outcome(&mut *engine, &[], None, &mut stack), Outcome::Done(vec![0, 0]), "{name}");
        }
        let after = resident_pages();
        // The system may use huge pages, of 512 pages each.
        assert!(after < before + 4_000, "{name}: {before} pages became {after}, out of 32,768 for the memory");
    }
}

#[test]
fn stray_writes_beside_the_memory_of_an_armored_store_are_detected() {
    let _alone = alone();
    let mut stack = Store::new(100).expect("memory");
    let program = program("100 array a  5 a !", 0);
    let (_, mut engine) = prepared(&program, &Options { stack_limit: 10, ..Options::default() }).remove(0);
    for edge in [Edge::Lower, Edge::Upper] {
        stack.arm(Armor { limit: 10, edge, poison: 99, slots: 10 });
        assert!(stack.is_intact());
        assert_eq!(outcome(&mut *engine, &[], None, &mut stack), Outcome::Done(vec![]));
        let start = stack.memory().as_ptr().cast_mut();
        let beside = |away: usize| match edge {
            Edge::Lower => start.wrapping_add(100 + away),
            Edge::Upper => start.wrapping_sub(1 + away),
        };
        for away in 0..40 {
            assert!(stack.is_intact());
            // SAFETY: the slots are in the mapping of the memory, which has a whole page.
            unsafe { *beside(away) ^= 1 };
            assert_eq!(stack.is_intact(), away >= 32, "{away} slots away, {edge:?}");
            // SAFETY: the same as above.
            unsafe { *beside(away) ^= 1 };
        }
        let faulty = match edge {
            Edge::Lower => start.wrapping_sub(1),
            Edge::Upper => start.wrapping_add(100),
        };
        assert!(signal_of_reading(faulty).is_some() && signal_of_writing(faulty).is_some(), "{edge:?}");
        stack.arm(Armor { limit: 10, edge, poison: 98, slots: 10 });
        assert!(stack.is_intact(), "the memory of the last program does not count");
    }
}

const RECURSIVE: &str = ": f ( n -- n ) dup if 1 - f 1 + end ; f";

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn program_whose_control_stack_cannot_be_reserved_is_refused() {
    let _alone = alone();
    let (recursive, acyclic) = (program(RECURSIVE, 1), program(": g ( n -- n ) 1 + ; : f ( n -- n ) g g ; f", 1));
    let mut stack = Store::new(65_536).expect("memory");
    let mut refused = 0;
    for (name, _) in TIERS {
        let mut engine = registry::engine(name).expect("it exists");
        // Calls times the size of an activation exceeds 64 bits, the address space, and what one mapping can have.
        for call_limit in [u64::MAX, 1 << 62, 1 << 60, 1 << 57, 1 << 50] {
            let options = Options { call_limit, ..Options::default() };
            match engine.prepare(&recursive, &options, &mut NoClock) {
                Err(PrepareError::Reserve(_)) => refused += 1,
                Err(error) => panic!("{name}: {error}"),
                Ok(_) => panic!("{name} has room for {call_limit} calls"),
            }
            // The longest path counts, not the limit.
            let mut prepared = engine.prepare(&acyclic, &options, &mut NoClock).expect("there are three calls at most");
            assert_eq!(outcome(&mut *prepared, &[3], None, &mut stack), Outcome::Done(vec![5]), "{name}");
        }
        // A gigabyte or more of address space.
        let options = Options { call_limit: 1 << 27, ..Options::default() };
        let mut prepared = engine.prepare(&recursive, &options, &mut NoClock).expect("there is address space");
        assert_eq!(outcome(&mut *prepared, &[50_000], None, &mut stack), Outcome::Done(vec![50_000]), "{name}");
    }
    assert_eq!(refused, 5 * TIERS.len());
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn signal_handlers_run_on_the_control_stack() {
    static SIGNALS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn count(_: libc::c_int) {
        SIGNALS.fetch_add(1, Ordering::Relaxed);
    }
    const CALLS: u64 = 1000;
    let _alone = alone();
    // The innermost of all possible calls runs for a while.
    let program = program(": f ( n m -- n ) over if swap 1 - swap f else times 1 + end end ; f", 2);
    let options = Options { call_limit: CALLS, ..Options::default() };
    let mut stack = Store::new(options.stack_limit).expect("memory");
    let handler: extern "C" fn(libc::c_int) = count;
    // SAFETY: the handler only increments an atomic number.
    let before = unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    // SAFETY: this only reads the thread's identifier.
    let this_thread = unsafe { libc::pthread_self() };
    for (name, _) in TIERS {
        let mut engine = registry::engine(name).expect("it exists");
        let mut prepared = engine.prepare(&program, &options, &mut NoClock).expect("it is small");
        SIGNALS.store(0, Ordering::Relaxed);
        let is_done = AtomicBool::new(false);
        let mut outcomes = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    // SAFETY: the thread waits for this one, so it still exists.
                    assert_eq!(unsafe { libc::pthread_kill(this_thread, libc::SIGUSR1) }, 0);
                    std::thread::sleep(Duration::from_micros(300));
                }
            });
            while SIGNALS.load(Ordering::Relaxed) < 30 {
                outcomes.push(outcome(&mut *prepared, &[CALLS as i64 - 1, 1_000_000], None, &mut stack));
            }
            is_done.store(true, Ordering::Relaxed);
        });
        println!("{name}: {} runs", outcomes.len());
        assert!(outcomes.iter().all(|found| *found == Outcome::Done(vec![1_000_000])), "{name}: {outcomes:?}");
    }
    // SAFETY: restores the disposition.
    unsafe { libc::signal(libc::SIGUSR1, before) };
}

// The armored data stack.

#[test]
fn access_one_slot_beyond_the_edge_of_an_armored_stack_faults() {
    let _alone = alone();
    let page_slots = page_bytes() / 8;
    let faults = |address: *mut i64| {
        let signals = [signal_of_reading(address), signal_of_writing(address)];
        assert_eq!(signals[0], signals[1], "an unreadable address cannot be written either");
        assert!(matches!(signals[0], None | Some(libc::SIGSEGV | libc::SIGBUS)), "{signals:?}");
        signals[0].is_some()
    };
    for capacity in [0, 1, page_slots - 1, page_slots, 2000] {
        let mut stack = Store::new(capacity).expect("memory");
        for limit in BTreeSet::from([0, capacity.min(1), capacity / 2, capacity]) {
            for edge in [Edge::Lower, Edge::Upper] {
                stack.arm(Armor { limit, edge, poison: 7, slots: 100 });
                let bottom = stack.values().as_ptr().cast_mut();
                let case = format!("capacity {capacity}, limit {limit}, {edge:?}");
                assert_eq!((stack.capacity(), stack.values()), (limit, &[][..]), "{case}");
                assert!(!faults(bottom.wrapping_sub(1)), "the spare slot, {case}");
                if limit > 0 {
                    assert!(!faults(bottom), "the bottom, {case}");
                    assert!(!faults(bottom.wrapping_add(limit - 1)), "the last slot, {case}");
                }
                match edge {
                    Edge::Lower => assert!(faults(bottom.wrapping_sub(2)), "below the spare slot, {case}"),
                    Edge::Upper => assert!(faults(bottom.wrapping_add(limit)), "above the limit, {case}"),
                }
            }
        }
    }
}

#[test]
fn stray_writes_in_the_slack_of_an_armored_stack_are_detected() {
    let _alone = alone();
    let mut stack = Store::new(1000).expect("memory");
    assert!(stack.is_intact() && stack.poison().is_none());
    for (limit, edge) in [(100, Edge::Lower), (100, Edge::Upper), (0, Edge::Lower), (0, Edge::Upper)] {
        stack.arm(Armor { limit, edge, poison: 99, slots: 10 });
        assert!(stack.is_intact() && stack.poison() == Some(99));
        let inputs = &[1, 2, 3][..limit.min(3)];
        stack.set(inputs);
        assert!(stack.is_intact() && stack.values() == inputs);
        let bottom = stack.values().as_ptr().cast_mut();
        for away in 0..40 {
            let slot = match edge {
                Edge::Lower => limit as isize + away,
                Edge::Upper => -2 - away,
            };
            // SAFETY: the stack has room for a thousand values, and nothing borrows them.
            unsafe { *bottom.offset(slot) ^= 1 << 63 };
            assert_eq!(stack.is_intact(), away >= 32, "slot {slot}, {edge:?}");
            stack.set(inputs);
            assert!(stack.is_intact(), "it has been filled again");
        }
        // Usable slots are not slack.
        for slot in -1..limit as isize {
            // SAFETY: these are the spare slot and the slots of values.
            unsafe { *bottom.offset(slot) = 5 };
        }
        assert!(stack.is_intact(), "limit {limit}, {edge:?}");
    }
    // A limit that reaches both pages leaves no slack.
    let mut full = Store::new(page_bytes() / 8 - 1).expect("memory");
    for edge in [Edge::Lower, Edge::Upper] {
        full.arm(Armor { limit: full.capacity(), edge, poison: 1, slots: usize::MAX });
        assert!(full.is_intact());
    }
}

#[test]
fn unused_slots_of_an_armored_stack_have_distinct_poison() {
    let _alone = alone();
    let mut stack = Store::new(1000).expect("memory");
    let mut patterns = Vec::new();
    for (poison, edge) in [(3, Edge::Lower), (3, Edge::Upper), (4, Edge::Lower)] {
        stack.arm(Armor { limit: 50, edge, poison, slots: 20 });
        // As an execution would leave it.
        stack.set(&[-1; 50]);
        stack.set(&[6, 7]);
        let bottom = stack.values().as_ptr();
        // SAFETY: these are the spare slot and the slots of values.
        let slots: Vec<i64> = (-1..50).map(|slot| unsafe { *bottom.offset(slot) }).collect();
        assert_eq!(slots[1..3], [6, 7]);
        assert!(slots[21..].iter().all(|value| *value == -1), "only the first twenty are filled");
        let filled: Vec<i64> = [&slots[..1], &slots[3..21]].concat();
        let distances: BTreeSet<i64> =
            filled.iter().flat_map(|a| filled.iter().map(|b| a.wrapping_sub(*b).wrapping_abs())).collect();
        assert!(distances.range(1..1 << 32).next().is_none(), "no two of them are close to each other");
        patterns.push(filled);
    }
    assert_eq!(patterns[0], patterns[1], "the pattern does not depend on the edge");
    assert!(patterns[0].iter().zip(&patterns[2]).all(|(a, b)| a != b), "but on the poison");
}

#[test]
fn armored_stack_enforces_its_limit() {
    let _alone = alone();
    let mut stack = Store::new(10).expect("memory");
    let armor = Armor { limit: 5, edge: Edge::Upper, poison: 1, slots: 10 };
    assert!(panics(&mut || stack.arm(Armor { limit: 11, ..armor })));
    stack.arm(armor);
    assert!(panics(&mut || stack.set(&[0; 6])));
    stack.set(&[0; 5]);
    // The original capacity is still available.
    stack.arm(Armor { limit: 10, ..armor });
    stack.set(&[0; 10]);
}

fn panics(work: &mut dyn FnMut()) -> bool {
    std::panic::catch_unwind(AssertUnwindSafe(work)).is_err()
}

#[test]
fn results_on_an_armored_stack_are_the_same() {
    const LIMIT: usize = 20;
    let _alone = alone();
    let mut stack = Store::new(1000).expect("memory");
    let texts = [
        "",
        "drop drop drop",
        "+ *",
        "rot tuck over nip swap",
        "2 pick / mod",
        "times dup end",
        "if 1 else drop 5 end",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18",
        "times drop end",
        "@",
        "drop drop 2 array a  dup a ! a @ 1 !",
        ": f ( n -- n ) dup 0 > if 30 - f 1 + end ;  f + f",
        ": f ( n -- n ) f ;  f",
        ": f ( a b -- c ) 7 times 3 times 1 + end over - end + ;  f swap f",
        ": f ( n -- ) dup 0 > if 0 swap 1 - f drop else drop end ;  f",
        "600 array a : f ( n -- ) dup 3 * a + 9 ! dup 5 > if 1 - f else drop end ;  f",
    ];
    let mut runs = 0;
    for (text, name) in texts.iter().flat_map(|text| registry::ENGINES.map(|name| (text, name))) {
        let Ok(program) = load(&Source::new("test", *text), 3) else { continue };
        let mut engine = registry::engine(name).expect("it exists");
        let options = Options { stack_limit: LIMIT, call_limit: 50, ..Options::default() };
        let Ok(mut prepared) = engine.prepare(&program, &options, &mut NoClock) else {
            println!("NOT RUN: {name} is not supported on this host");
            continue;
        };
        for inputs in [[1, 2, 3], [0, 0, 0], [5, -7, 100]] {
            let run = Run { inputs: &inputs, stack_limit: LIMIT, call_limit: options.call_limit, ..Run::default() };
            let Measured { outcome: expected, memory, .. } = measure(program.ast(), run);
            for (edge, poison) in [(Edge::Lower, 0), (Edge::Upper, 0), (Edge::Upper, u64::MAX / 3)] {
                stack.arm(Armor { limit: LIMIT, edge, poison, slots: LIMIT });
                let found = outcome(&mut *prepared, &inputs, None, &mut stack);
                assert_eq!(found, expected, "{name}: `{text}`, {inputs:?}, {edge:?}");
                let is_same = !matches!(found, Outcome::Done(_)) || stack.memory() == memory;
                assert!(is_same && stack.is_intact(), "{name}: `{text}`, {inputs:?}, {edge:?}");
                runs += 1;
            }
        }
    }
    assert!(runs > 500, "{runs} runs");
}

#[test]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86_64")), ignore = "the host runs neither instruction set")]
fn sealed_code_cannot_be_written() {
    let _alone = alone();
    for code in [Code::new(&plus_one()), Code::in_own_mapping(&plus_one())] {
        let code = code.expect("executable memory");
        let start = code.bytes().as_ptr().cast::<i64>().cast_mut();
        // SAFETY: the code returns its argument plus one.
        assert_eq!(unsafe { code.call(u64::MAX - 1) }, u64::MAX);
        assert!(signal_of_touching(start).is_some(), "sealed code cannot be written");
    }
}

#[test]
fn corpus_gives_the_same_results_on_an_armored_stack() {
    let _alone = alone();
    let mut paths = Vec::new();
    programs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"), &mut paths).expect("the corpus is there");
    let mut engines = registry::ENGINES.map(|name| registry::engine(name).expect("it exists"));
    let mut room = 1 << 20;
    let mut stack = Store::new(room).expect("memory");
    let (mut runs, mut skipped) = (0, BTreeSet::new());
    let step = if is_emulated() { 3 } else { 1 };
    println!("every nth program is run, for n = {step}");
    for path in paths.iter().step_by(step) {
        let name = path.display().to_string();
        let source = Source::of_file(path, std::fs::read(path).expect("it can be read"));
        for case in cases(&source).unwrap_or_else(|error| panic!("{name}: {error}")) {
            let Ok(Ok(program)) = front::load(&source, case.inputs.len()) else { continue };
            // Large programs would take long, particularly in an emulator; they stop when fuel runs out.
            let fuel = Some(case.fuel.unwrap_or(u64::MAX).min(500));
            let run = Run { inputs: &case.inputs, fuel, stack_limit: case.stack_limit, call_limit: case.call_limit };
            let expected = evaluate(program.ast(), run);
            for engine in &mut engines {
                let mut prepared = match engine.prepare(&program, &run.options(), &mut NoClock) {
                    Ok(prepared) => prepared,
                    Err(PrepareError::Unsupported { engine, .. }) => {
                        skipped.insert(engine);
                        continue;
                    }
                    Err(error) => panic!("{name}: {error}"),
                };
                if room < case.stack_limit {
                    // An armored stack reports only its limit.
                    room = case.stack_limit;
                    stack = Store::new(room).expect("memory");
                }
                for (edge, poison) in [(Edge::Lower, 0x1234_5678_9abc_def0), (Edge::Upper, u64::MAX)] {
                    stack.arm(Armor { limit: case.stack_limit, edge, poison, slots: 100 });
                    let found = outcome(&mut *prepared, &case.inputs, fuel, &mut stack);
                    let at = format!("{name}:{}: {}, {edge:?}", case.line, engine.name());
                    assert_eq!(found, expected, "{at}");
                    assert!(stack.is_intact(), "{at}");
                    runs += 1;
                }
            }
        }
    }
    skipped.iter().for_each(|engine| println!("NOT RUN: {engine} is not supported on this host"));
    println!("{runs} runs on an armed stack");
    assert!(runs * step > 5_000, "only {runs} runs");
}
