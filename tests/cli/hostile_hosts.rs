//! Hosts without executable memory, large files or a large stack. The command line does what it can without them and reports
//! what it cannot do.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "restricts processes before they run")]

use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use jitduel::registry::{PEERS, SSA_VARIANTS, all_names};
use jitduel::tiers::TIERS;

/// Restricts the calling process.
type Restriction = fn() -> io::Result<()>;

/// Runs the command line under a restriction.
fn run(restriction: Restriction, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jitduel"));
    command.args(arguments);
    // SAFETY: a restriction only makes system calls.
    unsafe { command.pre_exec(restriction) };
    command.output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// The exit code, standard output and standard error.
fn said(restriction: Restriction, arguments: &[&str]) -> (i32, String, String) {
    let output = run(restriction, arguments);
    let status = output.status.code().unwrap_or_else(|| panic!("{arguments:?}: {}", output.status));
    (status, text(&output.stdout), text(&output.stderr))
}

fn result(returned: libc::c_int) -> io::Result<()> {
    if returned == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Forbids making writable pages executable and creating files in memory, so that no generated code can run.
fn no_executable_memory() -> io::Result<()> {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let jump = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = |offset: u32| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    let refuse = |error: libc::c_int| statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | error as u32);
    let equals = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    // In a filter's data, the number of the system call is at offset 0. Its arguments start at 16; the third is at 32.
    let filter = [
        load(0),
        jump(equals, libc::SYS_memfd_create as u32, 4, 0),
        jump(equals, libc::SYS_mprotect as u32, 0, 2),
        load(32),
        jump(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, libc::PROT_EXEC as u32, 2, 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
        refuse(libc::EPERM),
        refuse(libc::EACCES),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the calls only restrict the process; the filter outlives the call.
    unsafe {
        result(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        result(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program))
    }
}

fn limit(resource: libc::__rlimit_resource_t, bytes: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: only reads the structure.
    result(unsafe { libc::setrlimit(resource, &raw const limit) })
}

/// Files of at most 100 KB.
fn small_files() -> io::Result<()> {
    limit(libc::RLIMIT_FSIZE, 100_000)
}

/// The stack of `ulimit -s 128`.
fn small_stack() -> io::Result<()> {
    limit(libc::RLIMIT_STACK, 128 << 10)
}

/// Writes a file for this test.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("the folder of tests can be written");
    path
}

#[test]
fn run_falls_back_to_the_interpreter_and_reports_it() {
    let (status, out, err) = said(no_executable_memory, &["run", "-e", "1 5 times 2 * end"]);
    assert_eq!((status, out.as_str()), (0, "32\n"), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("`bytecode`") && err.contains("no executable memory: Permission denied"), "{err}");
    // A perf map needs machine code.
    let (status, out, err) = said(no_executable_memory, &["run", "-e", "1", "--perf-map"]);
    assert!(status == 2 && out.is_empty() && err.contains("no executable memory"), "{out}{err}");
    let (status, out, _) = said(no_executable_memory, &["run", "-e", "1 0 /"]);
    assert_eq!((status, out.as_str()), (1, "trap division by zero 1:5\n"));
}

#[test]
fn a_named_engine_is_not_replaced() {
    for engine in ["regs", "jit-naive"] {
        let (status, out, err) = said(no_executable_memory, &["run", "-e", "1", "--engine", engine]);
        assert_eq!((status, out.as_str()), (2, ""), "{err}");
        assert_eq!(err.matches("Permission denied").count(), 1, "{err}");
        assert!(err.contains(engine) && err.contains("`--engine bytecode`"), "{err}");
    }
    let (status, out, err) = said(no_executable_memory, &["run", "-e", "1", "--engine", "bytecode"]);
    assert_eq!((status, out.as_str(), err.as_str()), (0, "1\n", ""));
}

#[test]
fn the_prompt_runs_only_the_interpreter_and_reports_it() {
    let input = file("prompt.txt", "1 5 times 2 * end\n:engine regs\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_jitduel"));
    command.arg("repl").stdin(std::fs::File::open(input).expect("it was written"));
    // SAFETY: a restriction only makes system calls.
    unsafe { command.pre_exec(no_executable_memory) };
    let output = command.output().expect("the binary starts");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), out.as_str()), (Some(2), "1 5\ntimes\n  2 *\nend\nbytecode  32\n"), "{err}");
    assert!(err.starts_with("running only `bytecode`: engine `jit` is not supported on this host: no exec"), "{err}");
    assert!(err.contains("\nerror: engine `regs` is not supported on this host: no executable memory"), "{err}");
    let (status, _, err) = said(no_executable_memory, &["repl", "--engine", "regs"]);
    assert!(status == 2 && err.contains("engine `regs` is not supported on this host"), "{err}");
}

/// The tiered engine interprets everything there. Who asks what it compiles is told why it compiles nothing.
#[test]
fn explain_says_why_nothing_is_compiled() {
    let run = ["run", "-e", "0 100000 times 1 + end", "--engine", "tiered"];
    for options in [&["--explain", "--threshold", "0"][..], &["--explain"]] {
        let (status, out, err) = said(no_executable_memory, &[&run[..], options].concat());
        assert_eq!((status, out.as_str()), (0, "100000\n"), "{err}");
        assert!(err.contains("note: nothing is compiled: no executable memory"), "{err}");
    }
}

#[test]
fn check_runs_the_possible_engines_and_reports_the_others() {
    let met = file("met.stk", "1 +\n\\ case: 1 -> 2\n").display().to_string();
    let (status, out, err) = said(no_executable_memory, &["check", &met]);
    assert_eq!(status, 0, "{out}{err}");
    // Our interpreters, the tiered engine and its variants, which interpret here, and wasmi of the peers.
    let engines = all_names().count() - TIERS.len() - SSA_VARIANTS.len() - if PEERS.is_empty() { 0 } else { 1 };
    assert!(out.contains(&format!("1 case x {engines} engines")) && out.ends_with("all agree\n"), "{out}");
    for engine in ["jit-naive", "jit-peephole", "jit-tos", "jit", "jit-push", "regs", "ssa"] {
        let line = format!("engine `{engine}` is not supported on this host: no executable memory");
        assert_eq!(err.matches(&line).count(), 1, "{err}");
    }
    let unmet = file("unmet.stk", "1 +\n\\ case: 1 -> 3\n").display().to_string();
    assert_eq!(said(no_executable_memory, &["check", &unmet]).0, 4);
    let (status, _, err) = said(no_executable_memory, &["check", &met, "--engine", "jit,regs"]);
    assert_eq!(status, 2, "{err}");
}

#[test]
fn fuzz_blames_the_host_and_not_a_program() {
    let (status, out, err) = said(no_executable_memory, &["fuzz", "--programs", "1000", "--seed", "1"]);
    assert_eq!(status, 2, "{out}{err}");
    assert!(!out.contains("DISAGREE") && !err.contains("DISAGREE"), "{out}{err}");
    assert!(err.contains("no executable memory") && err.contains("`--engine tree,bytecode"), "{err}");
    let (status, out, err) =
        said(no_executable_memory, &["fuzz", "--programs", "100", "--seed", "1", "--engine", "tree,bytecode"]);
    assert_eq!(status, 0, "{out}{err}");
}

#[test]
fn engines_lists_what_runs_here_and_why_others_do_not() {
    let (status, out, err) = said(no_executable_memory, &["engines"]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("no executable memory"), "{out}");
    // The code itself can still be shown.
    let (status, out, err) = said(no_executable_memory, &["asm", "-e", "1 2 +", "--engine", "regs"]);
    assert!(status == 0 && !out.is_empty(), "{err}");
}

#[test]
fn small_files_are_enough_for_generated_code() {
    for engine in ["jit", "regs"] {
        let (status, out, err) = said(small_files, &["run", "-e", "1 5 times 2 * end", "--engine", engine]);
        assert_eq!((status, out.as_str(), err.as_str()), (0, "32\n", ""));
    }
    let (status, out, err) = said(small_files, &["fuzz", "--programs", "50", "--seed", "1"]);
    assert_eq!(status, 0, "{out}{err}");
}

#[test]
fn a_thousand_nested_bodies_need_no_large_stack() {
    let deepest = format!("0 {}1 + {}", "1 times ".repeat(1000), "end ".repeat(1000));
    let path = file("deepest.stk", &format!("{deepest}\n\\ case: -> 1\n")).display().to_string();
    let (status, out, err) = said(small_stack, &["run", &path]);
    assert_eq!((status, out.as_str()), (0, "1\n"), "{err}");
    for arguments in [
        &["check", &path][..],
        &["asm", &path, "--stage", "ast"],
        &["asm", &path, "--stage", "bytecode"],
        &["asm", &path, "--engine", "regs"],
        &["asm", &path, "--engine", "jit"],
        &["asm", &path, "--engine", "bytecode", "--stage", "code"],
        &["export", &path, "--to", "c"],
        &["export", &path, "--to", "forth"],
        &["fuzz", "--programs", "5", "--seed", "1"],
    ] {
        let (status, out, err) = said(small_stack, arguments);
        assert!(status == 0 && !out.is_empty(), "{arguments:?}: {status}\n{err}");
    }
    // One more is rejected with its location.
    let too_deep = format!("{}{}", "1 times ".repeat(1001), "end ".repeat(1001));
    let (status, out, err) = said(small_stack, &["run", "-e", &too_deep]);
    assert_eq!((status, out.as_str()), (1, "rejected syntax 1:8003\n"), "{err}");
}
