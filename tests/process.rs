//! Work in forked children: we learn how it ends, and nothing of it remains.
//!
//! A process may be forked only while it has one thread, so this file is its own program and does not use the threads
//! of the standard test harness. Arguments select the tests whose names contain one of them.
#![allow(unsafe_code, reason = "raises signals, writes to unmapped memory, asks the system for remaining children")]

mod alone;

use std::io::{ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use jitduel::exec::{Child, Ended, Interrupts, SharedNumber, ready};

const TESTS: [alone::Test; 16] = [
    ("output_of_a_child_arrives", output_of_a_child_arrives),
    ("shared_number_is_readable_during_and_after_a_child", shared_number_is_readable_during_and_after_a_child),
    ("output_larger_than_a_pipe_arrives", output_larger_than_a_pipe_arrives),
    ("waiting_does_not_need_a_reader", waiting_does_not_need_a_reader),
    ("fault_is_reported_as_a_signal", fault_is_reported_as_a_signal),
    ("every_signal_has_its_name", every_signal_has_its_name),
    ("hanging_child_can_be_killed", hanging_child_can_be_killed),
    ("panic_is_reported_as_a_status", panic_is_reported_as_a_status),
    ("parents_destructors_do_not_run_in_a_child", parents_destructors_do_not_run_in_a_child),
    ("two_concurrent_children_are_distinguished", two_concurrent_children_are_distinguished),
    ("timeout_is_respected", timeout_is_respected),
    ("many_children_leave_nothing_behind", many_children_leave_nothing_behind),
    ("orphan_is_killed", orphan_is_killed),
    ("interrupts_are_noted_and_end_nothing", interrupts_are_noted_and_end_nothing),
    (
        "process_with_an_unknown_number_of_threads_is_not_forked",
        process_with_an_unknown_number_of_threads_is_not_forked,
    ),
    // This test must be last: once a process has had a second thread, macOS reports it as multithreaded forever.
    ("process_with_several_threads_is_not_forked", process_with_several_threads_is_not_forked),
];

fn main() -> ExitCode {
    alone::run(&TESTS)
}

/// Much longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// Everything that a child writes, and how it ends.
fn run(mut child: Child) -> (Vec<u8>, Ended) {
    let mut output = Vec::new();
    while child.read_available(&mut output).expect("it can be read") {
        assert_eq!(ready([&child], LONG).expect("it can be waited for"), [0]);
    }
    assert!(!child.read_available(&mut output).expect("it can be read"), "the end of output is final");
    (output, child.wait().expect("it can be waited for"))
}

/// How a child with this work ends.
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

fn output_of_a_child_arrives() {
    let number = 41;
    let child = Child::fork(|pipe| write!(pipe, "{} and words", number + 1).expect("it is read")).expect("one");
    assert_eq!(run(child), (b"42 and words".to_vec(), Ended::Exited(0)));
    assert_eq!(end_of(|| {}), Ended::Exited(0));
    // SAFETY: ends the child.
    assert_eq!(end_of(|| unsafe { libc::_exit(7) }), Ended::Exited(7));
    assert_eq!(Ended::Exited(7).to_string(), "exited with status 7");
}

fn shared_number_is_readable_during_and_after_a_child() {
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
        assert!(Instant::now() < deadline, "the child's number becomes visible");
    }
    number.set(2);
    while child.read_available(&mut Vec::new()).expect("it can be read") {
        assert_eq!(ready([&child], LONG).expect("it can be waited for"), [0], "the child sees ours");
    }
    assert_eq!(child.wait().expect("it can be waited for"), Ended::Killed { signal: libc::SIGABRT });
    assert_eq!(number.get(), 3, "it outlives the child");
}

fn interrupts_are_noted_and_end_nothing() {
    // A shell without job control starts background processes in which interrupts are ignored.
    // SAFETY: sets the default action. This process has one thread.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    let interrupt = || {
        // SAFETY: sends a signal to this process.
        assert_eq!(unsafe { libc::raise(libc::SIGINT) }, 0);
    };
    {
        let interrupts = Interrupts::catch().expect("the system allows it");
        assert!(Interrupts::catch().is_err_and(|error| error.kind() == ErrorKind::AlreadyExists));
        assert!(!interrupts.came());
        interrupt();
        assert!(interrupts.came());
        interrupts.forget();
        assert!(!interrupts.came());
        // A child does not die of it either, and has its own note.
        assert_eq!(end_of(interrupt), Ended::Exited(0));
        assert!(!interrupts.came());
    }
    // Before and after, it does what it does by default.
    assert_eq!(end_of(interrupt), Ended::Killed { signal: libc::SIGINT });
}

fn output_larger_than_a_pipe_arrives() {
    let all: Vec<u8> = (0..3_000_000_u32).map(|index| (index / 251) as u8).collect();
    let (output, ended) = run(Child::fork(|pipe| pipe.write_all(&all).expect("it is read")).expect("a process"));
    assert!(output == all && ended == Ended::Exited(0), "{} bytes, {ended}", output.len());
}

fn waiting_does_not_need_a_reader() {
    let child = Child::fork(|pipe| pipe.write_all(&[1; 3_000_000]).expect("it is read")).expect("a process");
    assert_eq!(child.wait().expect("it ends"), Ended::Exited(0));
}

fn fault_is_reported_as_a_signal() {
    // Nothing is mapped at such a low address.
    let nowhere = std::hint::black_box(std::ptr::without_provenance_mut::<u64>(64));
    // SAFETY: none. The test examines this, in a process that ends with it.
    let ended = end_of(|| unsafe { nowhere.write_volatile(1) });
    assert_eq!(ended, Ended::Killed { signal: libc::SIGSEGV });
    assert_eq!(ended.to_string(), "killed by SIGSEGV");
    // Output written before is not lost.
    let work = |pipe: &mut std::io::PipeWriter| {
        pipe.write_all(b"last words").expect("it is read");
        // SAFETY: the same as above.
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

fn hanging_child_can_be_killed() {
    let killed = Ended::Killed { signal: libc::SIGKILL };
    let mut child = Child::fork(|_| hang()).expect("a process");
    let mut output = Vec::new();
    assert!(ready([&child], Duration::from_millis(50)).expect("it can be waited for").is_empty(), "it writes nothing");
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

fn panic_is_reported_as_a_status() {
    let expected = if cfg!(panic = "abort") { Ended::Killed { signal: libc::SIGABRT } } else { Ended::Exited(101) };
    // Keeps the panic's message out of the test output.
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
    assert_eq!(hooked, Ended::Exited(9), "the hook is called");
}

fn parents_destructors_do_not_run_in_a_child() {
    /// Reports its drop through a pipe.
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
    assert_eq!(said, "dropped", "once, in the parent");
}

fn two_concurrent_children_are_distinguished() {
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
    assert_eq!(ready(&[idle, ended], LONG).expect("they can be waited for"), [1], "the end of output makes it ready");
}

fn timeout_is_respected() {
    let child = Child::fork(|_| hang()).expect("a process");
    for timeout in [Duration::ZERO, Duration::from_micros(300), Duration::from_millis(60)] {
        let before = Instant::now();
        assert!(ready([&child], timeout).expect("it can be waited for").is_empty());
        assert!(before.elapsed() >= timeout, "{timeout:?}");
    }
    assert!(ready([], Duration::from_millis(5)).expect("there are no children").is_empty());
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
    // SAFETY: queries any child and takes no status.
    let left = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
    assert_eq!((left, std::io::Error::last_os_error().raw_os_error()), (-1, Some(libc::ECHILD)), "none is left");
}

fn orphan_is_killed() {
    if !cfg!(target_os = "linux") {
        println!("NOT RUN: only Linux kills the children of a process that has ended");
        return;
    }
    let (mut held, holder) = std::io::pipe().expect("a pipe");
    // The grandchild holds the pipe open until it dies.
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

fn process_with_several_threads_is_not_forked() {
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
        println!("NOT RUN: forking again needs Linux, which forgets a thread that has ended");
    }
}

fn process_with_an_unknown_number_of_threads_is_not_forked() {
    if !cfg!(target_os = "linux") {
        println!("NOT RUN: only Linux reads the number of threads from files");
        return;
    }
    let (output, ended) = run(Child::fork(|pipe| {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: only this process loses the right to open more files.
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
