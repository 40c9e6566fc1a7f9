//! Work in forked children: however it ends, we are told and nothing is left of it.
//!
//! A process may be forked only while it has one thread, so that this file is a program of its own and not run by the
//! threads of the usual test harness. Names on its command line choose the tests that contain one of them.
#![allow(
    unsafe_code,
    reason = "raises signals, writes to where nothing is, asks the system for what is left of children"
)]

mod alone;

use std::io::{ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use jitduel::exec::{Child, Ended, SharedNumber, ready};

const TESTS: [alone::Test; 15] = [
    ("what_a_child_writes_arrives", what_a_child_writes_arrives),
    ("a_shared_number_is_read_while_a_child_lives_and_after", a_shared_number_is_read_while_a_child_lives_and_after),
    ("more_than_a_pipe_holds_arrives", more_than_a_pipe_holds_arrives),
    ("waiting_does_not_need_a_reader", waiting_does_not_need_a_reader),
    ("a_fault_is_a_signal", a_fault_is_a_signal),
    ("every_signal_has_its_name", every_signal_has_its_name),
    ("a_child_that_hangs_is_killed", a_child_that_hangs_is_killed),
    ("a_panic_is_a_status", a_panic_is_a_status),
    ("nothing_of_the_parent_runs_in_a_child", nothing_of_the_parent_runs_in_a_child),
    ("two_at_once_are_told_apart", two_at_once_are_told_apart),
    ("a_timeout_is_kept", a_timeout_is_kept),
    ("many_children_leave_nothing_behind", many_children_leave_nothing_behind),
    ("an_orphan_dies", an_orphan_dies),
    (
        "a_process_whose_threads_cannot_be_counted_is_not_forked",
        a_process_whose_threads_cannot_be_counted_is_not_forked,
    ),
    // The last one: of a process that ever had a second thread, macOS says that it has several.
    ("a_process_with_threads_is_not_forked", a_process_with_threads_is_not_forked),
];

fn main() -> ExitCode {
    alone::run(&TESTS)
}

/// Far more than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// All that a child writes, and how it ends.
fn run(mut child: Child) -> (Vec<u8>, Ended) {
    let mut output = Vec::new();
    while child.read_available(&mut output).expect("it can be read") {
        assert_eq!(ready([&child], LONG).expect("it can be waited for"), [0]);
    }
    assert!(!child.read_available(&mut output).expect("it can be read"), "the end stays the end");
    (output, child.wait().expect("it can be waited for"))
}

/// How a child ends whose work is this.
fn end_of(work: impl FnOnce()) -> Ended {
    let (output, ended) = run(Child::fork(|_| work()).expect("a process"));
    assert!(output.is_empty());
    ended
}

fn hang() {
    loop {
        std::thread::sleep(LONG);
    }
}

fn what_a_child_writes_arrives() {
    let number = 41;
    let child = Child::fork(|pipe| write!(pipe, "{} and words", number + 1).expect("it is read")).expect("one");
    assert_eq!(run(child), (b"42 and words".to_vec(), Ended::Exited(0)));
    assert_eq!(end_of(|| {}), Ended::Exited(0));
    // SAFETY: ends the child.
    assert_eq!(end_of(|| unsafe { libc::_exit(7) }), Ended::Exited(7));
    assert_eq!(Ended::Exited(7).to_string(), "exited with status 7");
}

fn a_shared_number_is_read_while_a_child_lives_and_after() {
    let number = SharedNumber::new().expect("a page");
    assert_eq!(number.get(), 0);
    let mut child = Child::fork(|_| {
        number.set(u64::MAX - 1);
        while number.get() != 2 {
            std::thread::yield_now();
        }
        number.set(3);
        std::process::abort();
    })
    .expect("a process");
    let deadline = Instant::now() + LONG;
    while number.get() != u64::MAX - 1 {
        assert!(Instant::now() < deadline, "the child's number is seen");
    }
    number.set(2);
    while child.read_available(&mut Vec::new()).expect("it can be read") {
        assert_eq!(ready([&child], LONG).expect("it can be waited for"), [0], "the child sees ours");
    }
    assert_eq!(child.wait().expect("it can be waited for"), Ended::Killed { signal: libc::SIGABRT });
    assert_eq!(number.get(), 3, "it outlives the child");
}

fn more_than_a_pipe_holds_arrives() {
    let all: Vec<u8> = (0..3_000_000_u32).map(|index| (index / 251) as u8).collect();
    let (output, ended) = run(Child::fork(|pipe| pipe.write_all(&all).expect("it is read")).expect("a process"));
    assert!(output == all && ended == Ended::Exited(0), "{} bytes, {ended}", output.len());
}

fn waiting_does_not_need_a_reader() {
    let child = Child::fork(|pipe| pipe.write_all(&[1; 3_000_000]).expect("it is read")).expect("a process");
    assert_eq!(child.wait().expect("it ends"), Ended::Exited(0));
}

fn a_fault_is_a_signal() {
    // Nothing is mapped so low.
    let nowhere = std::hint::black_box(std::ptr::without_provenance_mut::<u64>(64));
    // SAFETY: none. That is what is tested, in a process that ends with it.
    let ended = end_of(|| unsafe { nowhere.write_volatile(1) });
    assert_eq!(ended, Ended::Killed { signal: libc::SIGSEGV });
    assert_eq!(ended.to_string(), "killed by SIGSEGV");
    // What was written before is not lost.
    let work = |pipe: &mut std::io::PipeWriter| {
        pipe.write_all(b"last words").expect("it is read");
        // SAFETY: as above.
        unsafe { nowhere.write_volatile(1) };
    };
    assert_eq!(run(Child::fork(work).expect("a process")), (b"last words".to_vec(), ended));
}

fn every_signal_has_its_name() {
    let signals =
        [(libc::SIGILL, "SIGILL"), (libc::SIGFPE, "SIGFPE"), (libc::SIGBUS, "SIGBUS"), (libc::SIGTRAP, "SIGTRAP")];
    for (signal, name) in signals {
        // SAFETY: ends the child.
        let ended = end_of(|| unsafe { _ = libc::raise(signal) });
        assert_eq!((ended, ended.to_string()), (Ended::Killed { signal }, format!("killed by {name}")));
    }
    assert_eq!(Ended::Killed { signal: 99 }.to_string(), "killed by signal 99");
}

fn a_child_that_hangs_is_killed() {
    let killed = Ended::Killed { signal: libc::SIGKILL };
    let mut child = Child::fork(|_| hang()).expect("a process");
    let mut output = Vec::new();
    assert!(ready([&child], Duration::from_millis(50)).expect("it can be waited for").is_empty(), "it says nothing");
    assert!(child.read_available(&mut output).expect("it can be read"), "it has not ended");
    child.kill();
    assert_eq!(run(child), (vec![], killed));
    let mut busy = Child::fork(|_| while std::hint::black_box(true) {}).expect("a process");
    busy.kill();
    busy.kill();
    assert_eq!(busy.wait().expect("it ends"), killed);
    let mut chatty = Child::fork(|pipe| while pipe.write_all(b"and so on").is_ok() {}).expect("a process");
    assert_eq!(ready([&chatty], LONG).expect("it can be waited for"), [0]);
    assert!(chatty.read_available(&mut output).expect("it can be read"));
    chatty.kill();
    assert_eq!(chatty.wait().expect("it ends"), killed);
}

fn a_panic_is_a_status() {
    let expected = if cfg!(panic = "abort") { Ended::Killed { signal: libc::SIGABRT } } else { Ended::Exited(101) };
    // Its message is not for the eyes of those who run tests.
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let ended = end_of(|| panic!("this is a test"));
    std::panic::set_hook(Box::new(|information| {
        assert_eq!(information.payload().downcast_ref::<&str>(), Some(&"this is a test"));
        // SAFETY: ends the child.
        unsafe { libc::_exit(9) };
    }));
    let hooked = end_of(|| panic!("this is a test"));
    std::panic::set_hook(print);
    assert_eq!(ended, expected);
    assert_eq!(hooked, Ended::Exited(9), "the hook is told");
}

fn nothing_of_the_parent_runs_in_a_child() {
    /// Says into a pipe that it was dropped.
    struct Loud(std::io::PipeWriter);
    impl Drop for Loud {
        fn drop(&mut self) {
            self.0.write_all(b"dropped").expect("it is read");
        }
    }
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let loud = Loud(writer);
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    assert_eq!(end_of(|| {}), Ended::Exited(0));
    assert_ne!(end_of(|| panic!("unwinds")), Ended::Exited(0));
    std::panic::set_hook(print);
    std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(loud))));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut reader, &mut said).expect("it can be read");
    assert_eq!(said, "dropped", "once, and here");
}

fn two_at_once_are_told_apart() {
    let patient = || {
        let mut byte = [0];
        let (mut go, release) = std::io::pipe().expect("a pipe");
        let child = Child::fork(move |pipe| {
            std::io::Read::read_exact(&mut go, &mut byte).expect("we are told");
            pipe.write_all(&byte).expect("it is read");
        });
        (child.expect("a process"), release)
    };
    let ((mut first, mut release_first), (second, mut release_second)) = (patient(), patient());
    let now = |children: [&Child; 2]| ready(children, Duration::ZERO).expect("they can be waited for");
    assert!(now([&first, &second]).is_empty());
    release_second.write_all(b"2").expect("it is read");
    assert_eq!(ready([&first, &second], LONG).expect("they can be waited for"), [1]);
    assert_eq!(run(second), (b"2".to_vec(), Ended::Exited(0)));
    let mut output = Vec::new();
    assert!(first.read_available(&mut output).expect("it can be read") && output.is_empty());
    release_first.write_all(b"1").expect("it is read");
    let idle = Child::fork(|_| hang()).expect("a process");
    assert_eq!(ready([&idle, &first], LONG).expect("they can be waited for"), [1]);
    assert_eq!(run(first), (b"1".to_vec(), Ended::Exited(0)));
    let ended = Child::fork(|_| ()).expect("a process");
    assert_eq!(ready(&[idle, ended], LONG).expect("they can be waited for"), [1], "its end is something to see");
}

fn a_timeout_is_kept() {
    let child = Child::fork(|_| hang()).expect("a process");
    for timeout in [Duration::ZERO, Duration::from_micros(300), Duration::from_millis(60)] {
        let before = Instant::now();
        assert!(ready([&child], timeout).expect("it can be waited for").is_empty());
        assert!(before.elapsed() >= timeout, "{timeout:?}");
    }
    assert!(ready([], Duration::from_millis(5)).expect("nobody is waited for").is_empty());
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, |descriptors| descriptors.count())
}

fn many_children_leave_nothing_behind() {
    let before = open_descriptors();
    let start = Instant::now();
    for round in 0..200_u8 {
        match round % 4 {
            0 => drop(Child::fork(|_| hang()).expect("a process")),
            1 => drop(Child::fork(|_| ()).expect("a process")),
            // SAFETY: ends the child.
            2 => assert_ne!(end_of(|| unsafe { libc::abort() }), Ended::Exited(0)),
            _ => {
                let child = Child::fork(|pipe| pipe.write_all(&[round]).expect("it is read")).expect("a process");
                assert_eq!(run(child), (vec![round], Ended::Exited(0)));
            }
        }
    }
    println!("200 children in {:?}", start.elapsed());
    assert_eq!(open_descriptors(), before, "every pipe was closed");
    // SAFETY: asks for any child and takes no status.
    let left = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
    assert_eq!((left, std::io::Error::last_os_error().raw_os_error()), (-1, Some(libc::ECHILD)), "none is left");
}

fn an_orphan_dies() {
    if !cfg!(target_os = "linux") {
        println!("NOT RUN: only Linux ends the children of a process that has ended");
        return;
    }
    let (mut held, holder) = std::io::pipe().expect("a pipe");
    // The child of the child holds the pipe open until it dies.
    let ended = end_of(|| {
        let grandchild = Child::fork(|_| hang()).expect("a process");
        std::mem::forget(grandchild);
    });
    assert_eq!(ended, Ended::Exited(0));
    drop(holder);
    let mut nothing = Vec::new();
    std::io::Read::read_to_end(&mut held, &mut nothing).expect("it can be read");
    assert!(nothing.is_empty());
}

fn a_process_with_threads_is_not_forked() {
    let (end, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || _ = wait.recv());
    let refusal = Child::fork(|_| ()).err().expect("it has two");
    assert_eq!(refusal.kind(), ErrorKind::Unsupported, "{refusal}");
    assert!(refusal.to_string().contains("several threads"), "{refusal}");
    drop(end);
    thread.join().expect("it ends");
    if cfg!(target_os = "linux") {
        assert_eq!(end_of(|| ()), Ended::Exited(0), "one thread again");
    } else {
        println!("NOT RUN: that a process may be forked again, for only Linux forgets a thread that has ended");
    }
}

fn a_process_whose_threads_cannot_be_counted_is_not_forked() {
    if !cfg!(target_os = "linux") {
        println!("NOT RUN: only on Linux is the number of threads read from files");
        return;
    }
    let (output, ended) = run(Child::fork(|pipe| {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: this process alone may open no more files.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const none) }, 0);
        let refusal = Child::fork(|_| ()).err().expect("nothing can be read");
        assert_eq!(refusal.kind(), ErrorKind::Unsupported, "{refusal}");
        write!(pipe, "{refusal}").expect("the pipe is open");
    })
    .expect("a process"));
    assert_eq!(ended, Ended::Exited(0));
    let said = String::from_utf8(output).expect("text");
    assert!(said.contains("the number of threads is unknown"), "{said}");
}
