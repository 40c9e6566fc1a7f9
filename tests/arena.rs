//! Memory for code: it is reused, freed, and never written by two processes.
//!
//! These tests inspect the whole process and fork it, so this file is its own program with one thread.
#![allow(unsafe_code, reason = "calls code that it has generated, reads memory of dropped code")]

mod alone;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::ExitCode;

use jitduel::engine::{NoClock, Options, Prepared, outcome};
use jitduel::exec::{Child, Code, CodeMemory, Ended, Store, code_memory, is_emulated};
use jitduel::lang::{Source, load};
use jitduel::outcome::Outcome;
use jitduel::registry;
use jitduel::tiers::{TIERS, support};

const TESTS: [alone::Test; 13] = [
    ("host_can_map_code_twice", host_can_map_code_twice),
    ("one_address_is_reused_a_hundred_times", one_address_is_reused_a_hundred_times),
    ("warm_round_takes_no_system_call_and_no_page_fault", warm_round_takes_no_system_call_and_no_page_fault),
    ("code_of_any_size_runs_and_cannot_be_written", code_of_any_size_runs_and_cannot_be_written),
    ("code_is_followed_by_a_trap", code_is_followed_by_a_trap),
    ("dropped_code_is_replaced_by_traps", dropped_code_is_replaced_by_traps),
    ("freed_memory_is_allocated_again", freed_memory_is_allocated_again),
    ("empty_regions_are_closed", empty_regions_are_closed),
    ("parent_and_child_both_continue_after_a_fork", parent_and_child_both_continue_after_a_fork),
    ("child_does_not_overwrite_its_parents_code", child_does_not_overwrite_its_parents_code),
    ("code_runs_if_no_page_may_become_executable", code_runs_if_no_page_may_become_executable),
    ("code_runs_if_file_size_is_limited", code_runs_if_file_size_is_limited),
    // This test must be last: once a process has had a second thread, macOS reports it as multithreaded forever.
    ("every_thread_has_its_own_arena", every_thread_has_its_own_arena),
];

fn main() -> ExitCode {
    if let Err(reason) = support() {
        println!("NOT RUN: {reason}");
        return ExitCode::SUCCESS;
    }
    println!("code memory: {}", code_memory());
    alone::run(&TESTS)
}

/// Whether there is an arena; prints a line if there is none.
fn is_double() -> bool {
    let is_double = *code_memory() == CodeMemory::DoubleMapping;
    if !is_double {
        println!("NOT RUN: needs an arena; this host has {}", code_memory());
    }
    is_double
}

/// Prepares a program that leaves this number.
fn ready(engine: &str, number: i64) -> Box<dyn Prepared> {
    prepare(engine, &number.to_string())
}

/// Prepares a program without inputs.
fn prepare(engine: &str, text: &str) -> Box<dyn Prepared> {
    let program = load(&Source::new("test", text), 0).expect("it is one");
    let options = Options { stack_limit: 10, ..Options::default() };
    let mut engine = registry::engine(engine).expect("it exists");
    engine.prepare(&program, &options, &mut NoClock).expect("it is small")
}

fn leaves(prepared: &mut dyn Prepared, number: i64, stack: &mut Store) -> bool {
    outcome(prepared, &[], None, stack) == Outcome::Done(vec![number])
}

fn stack() -> Store {
    Store::new(10).expect("there is memory")
}

fn address(prepared: &dyn Prepared) -> usize {
    prepared.code().expect("it has machine code").as_ptr().addr()
}

/// At least this many bytes of code, which return the number.
fn returning(number: u16, bytes: usize) -> Vec<u8> {
    let number = u32::from(number);
    if cfg!(target_arch = "aarch64") {
        let (nop, movz, ret) = (0xd503_201f_u32, 0x5280_0000 | number << 5, 0xd65f_03c0);
        let nops = std::iter::repeat_n(nop, bytes.div_ceil(4).saturating_sub(2));
        nops.chain([movz, ret]).flat_map(u32::to_le_bytes).collect()
    } else {
        let end = [&[0xb8][..], &number.to_le_bytes(), &[0xc3]].concat();
        [vec![0x90; bytes.saturating_sub(end.len())], end].concat()
    }
}

fn call(code: &Code) -> u64 {
    // SAFETY: all code that is called here was produced by `returning`.
    unsafe { code.call(0) }
}

/// The executable mappings of the process, as lines of `/proc/self/maps`.
fn executable() -> Vec<String> {
    if !cfg!(target_os = "linux") {
        println!("NOT RUN: only Linux lists the mappings of a process");
        return Vec::new();
    }
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux lists its mappings");
    let permissions = |line: &str| line.split(' ').nth(1).expect("permissions").to_owned();
    let both = maps.lines().find(|line| permissions(line).contains('w') && permissions(line).contains('x'));
    assert_eq!(both, None, "nothing is both writable and executable");
    maps.lines().filter(|line| permissions(line).contains('x')).map(Into::into).collect()
}

fn host_can_map_code_twice() {
    if cfg!(target_os = "linux") && !is_emulated() {
        assert_eq!(*code_memory(), CodeMemory::DoubleMapping);
    }
    match code_memory() {
        CodeMemory::DoubleMapping => assert_eq!(code_memory().to_string(), "double mapping"),
        CodeMemory::Toggling { reason } => {
            assert_eq!(code_memory().to_string(), format!("protect toggling ({reason})"));
            assert!(!reason.is_empty(), "the reason is given");
        }
    }
}

fn one_address_is_reused_a_hundred_times() {
    let mut stack = stack();
    for (engine, _) in TIERS {
        let mut places = BTreeSet::new();
        for round in 0..100 {
            let mut prepared = ready(engine, round);
            places.insert(address(&*prepared));
            for _ in 0..3 {
                assert!(leaves(&mut *prepared, round, &mut stack), "{engine}, round {round}");
            }
        }
        println!("{engine}: 100 programs at {} addresses", places.len());
        assert!(!is_double() || places.len() == 1, "the memory freed last is allocated first");
    }
}

fn warm_round_takes_no_system_call_and_no_page_fault() {
    if !is_double() {
        return;
    }
    #[cfg(target_os = "linux")]
    for (name, _) in TIERS {
        let ended = Child::fork(|_| {
            let program = load(&Source::new("tiny", "1 2 +"), 0).expect("it is one");
            let (mut engine, mut stack) = (registry::engine(name).expect("it exists"), stack());
            let options = Options { stack_limit: 10, ..Options::default() };
            let mut rounds = || {
                for _ in 0..1_000 {
                    let mut prepared = engine.prepare(&program, &options, &mut NoClock).expect("it is small");
                    prepared.run(&[], None, &mut stack).expect("it ends");
                }
                stack.values() == [3]
            };
            let is_warm = rounds();
            let faults = page_faults();
            let is_right = rounds();
            // The system may move a page at any time.
            let is_right = is_warm && is_right && page_faults() < faults + 10;
            // SAFETY: from now on the system kills this process at any call except those that read, write or exit.
            let is_watched = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) } == 0;
            let is_right = is_watched && rounds() && is_right;
            // SAFETY: ends this process with the only exit call that is still allowed.
            unsafe { libc::syscall(libc::SYS_exit, i32::from(!is_right)) };
        });
        assert_eq!(ended.expect("a process").wait().expect("it ends"), Ended::Exited(0), "{name}");
    }
}

/// The number of minor page faults of this process.
#[cfg(target_os = "linux")]
fn page_faults() -> i64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call fills the structure, and all zeros are valid too.
    unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init().ru_minflt
    }
}

fn code_of_any_size_runs_and_cannot_be_written() {
    let sizes = [0, 63, 64, 65, 4096, 5000, 1 << 18, (1 << 18) + 1, 1 << 20, (1 << 20) + 1, 40 << 20];
    let mut kept = Vec::new();
    for (number, size) in (1..).zip(sizes) {
        let bytes = returning(number, size);
        for code in [Code::new(&bytes), Code::in_own_mapping(&bytes)] {
            let code = code.expect("there is memory");
            assert!(code.bytes() == bytes && call(&code) == u64::from(number), "{size} bytes");
            let address = code.bytes().as_ptr().cast_mut();
            let child = Child::fork(|_| {
                // SAFETY: none. The test examines this, in a process that ends with it.
                unsafe { address.write_volatile(0) };
            });
            let ended = child.expect("a process").wait().expect("it ends");
            assert!(matches!(ended, Ended::Killed { signal: libc::SIGSEGV | libc::SIGBUS }), "{size} bytes: {ended}");
            kept.push((number, bytes.clone(), code));
        }
    }
    executable();
    for (number, bytes, code) in kept {
        assert!(code.bytes() == bytes && call(&code) == u64::from(number), "{} bytes", bytes.len());
    }
}

/// The byte that fills memory without code.
const TRAP: u8 = if cfg!(target_arch = "x86_64") { 0xcc } else { 0 };

fn code_is_followed_by_a_trap() {
    if !is_double() {
        return;
    }
    let pieces = [64, 128, 4096, 100].map(|size| Code::new(&returning(7, size)).expect("there is memory"));
    for code in &pieces {
        let after = code.bytes().as_ptr_range().end;
        // SAFETY: code never fills the last line of its piece.
        assert_eq!(unsafe { after.read_volatile() }, TRAP, "after {} bytes", code.bytes().len());
    }
}

fn dropped_code_is_replaced_by_traps() {
    if !is_double() {
        return;
    }
    let code = Code::new(&returning(7, 100)).expect("there is memory");
    let start = code.bytes().as_ptr();
    // SAFETY: two lines of a region were allocated, and the region is kept when they are freed.
    let lines = || -> [u8; 128] { std::array::from_fn(|byte| unsafe { start.add(byte).read_volatile() }) };
    assert!(lines().starts_with(code.bytes()) && lines()[code.bytes().len()..].iter().all(|byte| *byte == TRAP));
    drop(code);
    assert_eq!(lines(), [TRAP; 128]);
}

fn freed_memory_is_allocated_again() {
    const PIECES: u16 = 3_000;
    let make = |number: u16| {
        // Varying sizes, up to several cache lines.
        let bytes = returning(number, usize::from(number) * 7919 % 1500);
        (number, Code::new(&bytes).expect("there is memory"), bytes)
    };
    let mut pieces: Vec<_> = (0..PIECES).map(make).collect();
    let mapped = executable().len();
    for round in 1..10 {
        pieces.retain(|(number, ..)| number % 10 != round);
        pieces.extend((0..PIECES).filter(|number| number % 10 == round).map(make));
        for (number, code, bytes) in &pieces {
            assert!(call(code) == u64::from(*number) && code.bytes() == bytes, "piece {number} in round {round}");
        }
    }
    assert_eq!(pieces.len(), usize::from(PIECES));
    let ranges: BTreeSet<_> =
        pieces.iter().map(|(_, code, _)| code.bytes().as_ptr_range()).map(|it| (it.start, it.end)).collect();
    assert!(ranges.iter().zip(ranges.iter().skip(1)).all(|((_, end), (start, _))| end <= start), "no two overlap");
    if is_double() {
        assert!(executable().len() <= mapped, "allocating the same pieces again needs no more regions");
    }
}

fn empty_regions_are_closed() {
    // The arena's first region is kept.
    drop(Code::new(&returning(1, 1)));
    let before = executable();
    let make = |number| Code::new(&returning(number, 200_000)).expect("there is memory");
    let mut pieces: Vec<Code> = (0..100).map(make).collect();
    assert!(executable().len() > before.len() || before.is_empty());
    pieces.truncate(50);
    assert!((0..50).zip(&pieces).all(|(number, code)| call(code) == number));
    // In the opposite order too.
    pieces.drain(..25);
    assert!((25..50).zip(&pieces).all(|(number, code)| call(code) == number));
    drop(pieces);
    let after = executable();
    assert_eq!(after.len(), before.len(), "{after:#?}");
}

fn every_thread_has_its_own_arena() {
    drop(Code::new(&returning(1, 1)));
    let before = executable().len();
    let work = |thread: i64| {
        let mut stack = stack();
        let mut kept = ready("regs", thread);
        for round in 0..1_000 {
            let number = 1_000_000 * thread + round;
            assert!(leaves(&mut *ready("jit", number), number, &mut stack), "thread {thread}, round {round}");
        }
        assert!(leaves(&mut *kept, thread, &mut stack));
    };
    // Joined one by one: a scope does not wait until a thread's resources are freed.
    let threads: Vec<_> = (0..8).map(|thread| std::thread::spawn(move || work(thread))).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("it succeeds"));
    assert_eq!(executable().len(), before, "a thread's regions are closed when it exits");
}

/// Runs thousands of programs, and between them one that existed before.
fn work_on(old: &mut dyn Prepared, numbers: std::ops::Range<i64>) {
    let mut stack = stack();
    let mut some: Vec<(i64, Box<dyn Prepared>)> = Vec::new();
    for number in numbers {
        let engine = TIERS[number as usize % TIERS.len()].0;
        some.push((number, ready(engine, number)));
        if some.len() > 20 {
            let (number, mut prepared) = some.swap_remove(number as usize * 7 % 20);
            assert!(leaves(&mut *prepared, number, &mut stack), "{number}");
        }
        assert!(leaves(old, -1, &mut stack), "the old program, at {number}");
    }
    for (number, mut prepared) in some {
        assert!(leaves(&mut *prepared, number, &mut stack), "{number}");
    }
}

fn parent_and_child_both_continue_after_a_fork() {
    let rounds = if is_emulated() { 300 } else { 5_000 };
    let mut old = ready("regs", -1);
    // Memory that is free in both processes is what both would allocate first.
    work_on(&mut *old, 0..100);
    let mut go_on = ready("jit", -1);
    let (mut wait, mut start) = std::io::pipe().expect("a pipe");
    let child = Child::fork(|pipe| {
        wait.read_exact(&mut [0]).expect("we are told");
        // A child of the child, which inherits the same memory.
        let grandchild = Child::fork(|_| work_on(&mut *go_on, 3 * rounds..4 * rounds)).expect("a process");
        work_on(&mut *old, rounds..2 * rounds);
        assert_eq!(grandchild.wait().expect("it ends"), Ended::Exited(0));
        pipe.write_all(b"all right").expect("it is read");
    });
    let mut child = child.expect("a process");
    start.write_all(&[1]).expect("it is read");
    work_on(&mut *old, 2 * rounds..3 * rounds);
    drop(old);
    work_on(&mut *go_on, 0..rounds);
    let mut said = Vec::new();
    while child.read_available(&mut said).expect("it can be read") {
        jitduel::exec::ready([&child], std::time::Duration::from_secs(60)).expect("it can be waited for");
    }
    assert_eq!((child.wait().expect("it ends"), said), (Ended::Exited(0), b"all right".to_vec()));
}

fn child_does_not_overwrite_its_parents_code() {
    let prepared = ready("regs", -1);
    let code = prepared.code().expect("it has machine code");
    let (start, bytes) = (code.as_ptr(), code.to_vec());
    let mut both = Some(prepared);
    let ended = Child::fork(|_| {
        // Drops the code that both have, and allocates what may be at its addresses.
        drop(both.take());
        let mut places = BTreeSet::new();
        for number in 0..100 {
            places.insert(address(&*ready("regs", number)));
        }
        assert!(!is_double() || !places.contains(&start.addr()), "the parent's code is not overwritten");
    });
    assert_eq!(ended.expect("a process").wait().expect("it ends"), Ended::Exited(0));
    let mut kept = both.expect("the child took a copy");
    assert!(kept.code() == Some(&bytes) && leaves(&mut *kept, -1, &mut stack()));
    let mapped = executable().len();
    // The region from before the fork is closed with the last of its code.
    drop(kept);
    drop(ready("regs", 1));
    assert!(executable().len() <= mapped);
}

/// Forks, changes the child with `change`, and runs a small and a large program on every tier in it. Returns the
/// child's output.
fn small_and_large_code_run_after(change: impl FnOnce() -> Result<(), String>) -> String {
    let mut child = Child::fork(|pipe| {
        if let Err(reason) = change() {
            write!(pipe, "NOT RUN: {reason}").expect("it is read");
            return;
        }
        let mut stack = stack();
        let large = format!("0 {}", "1 + ".repeat(50_000));
        for (name, _) in TIERS {
            assert!(leaves(&mut *ready(name, 7), 7, &mut stack), "{name}");
            let mut large = prepare(name, &large);
            let bytes = large.code_bytes().expect("it has machine code");
            assert!(leaves(&mut *large, 50_000, &mut stack), "{name}, {bytes} bytes");
        }
        // Much larger than a piece of an arena, so it has its own mappings.
        let far = prepare("jit-push", &large).code_bytes();
        assert!(far.is_some_and(|bytes| bytes > 1 << 19), "{far:?} bytes");
        write!(pipe, "all right").expect("it is read");
    })
    .expect("a process");
    let mut said = Vec::new();
    while child.read_available(&mut said).expect("it can be read") {
        jitduel::exec::ready([&child], std::time::Duration::from_secs(120)).expect("it can be waited for");
    }
    assert_eq!(child.wait().expect("it ends"), Ended::Exited(0));
    String::from_utf8(said).expect("text")
}

fn code_runs_if_no_page_may_become_executable() {
    let said = small_and_large_code_run_after(|| {
        #[cfg(target_os = "linux")]
        {
            let (set, refuse_exec_gain) = (libc::PR_SET_MDWE, 1);
            // SAFETY: from now on the system refuses some calls of this process.
            match unsafe { libc::prctl(set, refuse_exec_gain, 0, 0, 0) } {
                0 => Ok(()),
                _ => Err(format!("no PR_SET_MDWE on this kernel: {}", std::io::Error::last_os_error())),
            }
        }
        #[cfg(not(target_os = "linux"))]
        Err("only Linux refuses that".into())
    });
    assert!(said == "all right" || said.starts_with("NOT RUN: "), "{said}");
    if said != "all right" {
        println!("{said}");
    }
}

fn code_runs_if_file_size_is_limited() {
    let said = small_and_large_code_run_after(|| {
        let limit = libc::rlimit { rlim_cur: 1000, rlim_max: 1000 };
        // SAFETY: limits the size of files that this process may write.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
        Ok(())
    });
    assert_eq!(said, "all right");
}
