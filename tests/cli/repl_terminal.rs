//! `repl` at a terminal: editing, completion, the history, and interrupts. The terminal is a pseudoterminal, whose other end types and
//! reads.
#![allow(unsafe_code, reason = "makes a pseudoterminal the terminal of a process")]

use std::ffi::{CStr, OsStr};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::binary::{SMALL, file, folder};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session at a terminal.
struct Session {
    terminal: File,
    process: Child,
    /// What it printed before the first prompt.
    greeting: String,
    /// What it has printed since the last text that was awaited.
    printed: String,
}

/// Prints a line if terminals are not tested on this host.
fn is_left_out() -> bool {
    if SMALL {
        println!("NOT RUN: terminals, since this is an AArch64 program and likely emulated");
    }
    SMALL
}

/// Both ends of a new pseudoterminal: ours and that of a session. No process of another test inherits them, so ours is at its end when
/// the session has ended.
fn pseudoterminal() -> (File, File) {
    /// The system keeps only one name at a time.
    static NAME: Mutex<()> = Mutex::new(());
    let open = |path: &OsStr| {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NOCTTY).open(path).expect("the system has terminals")
    };
    let ours = open(OsStr::new("/dev/ptmx"));
    let _one_at_a_time = NAME.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the descriptor is open, and the name is a string that nobody changes while the lock is held.
    let name = unsafe {
        let descriptor = ours.as_raw_fd();
        assert!(libc::grantpt(descriptor) == 0 && libc::unlockpt(descriptor) == 0, "{}", io::Error::last_os_error());
        CStr::from_ptr(libc::ptsname(descriptor))
    };
    let theirs = open(OsStr::from_bytes(name.to_bytes()));
    (ours, theirs)
}

impl Session {
    /// Starts a session whose state folder is in this folder, and waits for the prompt.
    fn start(folder: &Path, variables: &[(&str, &str)]) -> Session {
        Session::start_by("exec \"$@\"", folder, variables)
    }

    /// The same through a shell script that ends with `exec "$@"`.
    fn start_by(script: &str, folder: &Path, variables: &[(&str, &str)]) -> Session {
        let (terminal, theirs) = pseudoterminal();
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_jitduel"), "repl"]);
        command.current_dir(folder).env("XDG_STATE_HOME", folder.join("state")).env("TERM", "xterm");
        command.env("NO_COLOR", "1").envs(variables.iter().copied());
        let stream = || theirs.try_clone().expect("it is open");
        command.stdin(stream()).stdout(stream()).stderr(stream());
        // SAFETY: both calls only change the new process. The terminal becomes the one whose Ctrl-C it gets.
        unsafe {
            command.pre_exec(|| match libc::setsid() == -1 || libc::ioctl(0, libc::TIOCSCTTY as _, 0) == -1 {
                true => Err(io::Error::last_os_error()),
                false => Ok(()),
            })
        };
        let process = command.spawn().expect("the binary starts");
        let mut session = Session { terminal, process, greeting: String::new(), printed: String::new() };
        session.greeting = session.see("> ");
        session
    }

    fn send(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).expect("the terminal takes it");
    }

    /// Types the lines of a program, and waits for this answer and the next prompt.
    #[track_caller]
    fn ask(&mut self, keys: &str, answer: &str) {
        for (index, line) in keys.split('\r').enumerate() {
            if index > 0 {
                self.see("| ");
            }
            self.send(&format!("{line}\r"));
        }
        self.see(answer);
        self.see("> ");
    }

    /// Waits until it has printed this text. Returns what it has printed before.
    #[track_caller]
    fn see(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some((before, after)) = self.printed.split_once(text) {
                let (before, after) = (before.to_owned(), after.to_owned());
                self.printed = after;
                return before;
            }
            assert!(self.read(end), "{text:?} is not in {:?}", self.printed);
        }
    }

    /// Reads more. Returns false at the end of the session or of the patience.
    fn read(&mut self, end: Instant) -> bool {
        let mut polled = libc::pollfd { fd: self.terminal.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let left = end.saturating_duration_since(Instant::now()).as_millis() as libc::c_int;
        // SAFETY: the structure is ours.
        if unsafe { libc::poll(&raw mut polled, 1, left) } <= 0 {
            return false;
        }
        let mut bytes = [0; 1 << 12];
        // Linux reports an error when the other end is closed.
        let Ok(read @ 1..) = self.terminal.read(&mut bytes) else { return false };
        self.printed += &String::from_utf8_lossy(&bytes[..read]);
        true
    }

    /// Waits for its end. Returns the exit code.
    fn end(mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        while self.read(end) {}
        assert!(Instant::now() < end, "it has not ended: {:?}", self.printed);
        self.process.wait().expect("it was started").code()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It has ended already unless a test failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn an_interrupt_ends_a_run_and_the_prompt_goes_on() {
    if is_left_out() {
        return;
    }
    let mut session = Session::start(&folder("interrupt"), &[]);
    session.ask(": f ( -- a ) 42 ;", "defined `f`");
    session.send("while 1 do end\r");
    session.see("do\r\nend\r\n");
    session.send("\x03");
    session.see("bytecode  interrupted");
    session.see("> ");
    session.ask("f", "bytecode  42");
    // At the prompt, it drops what was typed so far.
    session.send("1 if\r");
    session.see("| ");
    session.send("oops\x03");
    session.see("> ");
    session.ask("f 1 +", "jit       43");
    session.send("\x04");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn the_exit_code_of_a_session_at_a_terminal_is_0() {
    if is_left_out() {
        return;
    }
    let mut session = Session::start(&folder("end"), &[]);
    session.ask("1 0 /", "^ the divisor, on top, was 0");
    session.ask("oops", "not a word of the language");
    session.ask(":oops", "there is no command `:oops`");
    // The end of the input within a program ends only the program.
    session.send("5 times\r");
    session.see("| ");
    session.send("\x04");
    session.see("`times` without `end`");
    session.see("> ");
    session.send(":quit\r");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn lines_can_be_edited_and_completed() {
    if is_left_out() {
        return;
    }
    let folder = folder("edit");
    file(&folder, "loaded.stk", ": loaded ( -- a ) 7 ;\n");
    let mut session = Session::start(&folder, &[]);
    // Left, left, backspace: `1 5 times` without the 5, and then with a 6.
    session.ask("1 5 times 1 + end\x01\x1b[C\x1b[C\x1b[C\x7f6", "bytecode  7");
    session.ask(": square ( a -- b )\r dup * ;", "defined `square`");
    session.ask("3 squ\t", "bytecode  9");
    session.ask("5 0 tim\t end", "bytecode  5");
    session.ask(":load loa\t", "defined `loaded`");
    session.ask("loa\t 1 +", "bytecode  8");
    session.ask(":eng\t jit-pee\t", "comparing `bytecode` with `jit-peephole`");
    session.ask(":le\t", "the language is now `let`");
    session.ask("fn double(x)\r{\rreturn x * 2;\r}", "defined `double`");
    session.ask("1 + (dou\t(4))", "bytecode      9");
    // A pasted program is one entry, even if it has several lines.
    session.ask("\x1b[200~:stack\n: a ( n -- n ) if b else 1 end ;\n: b ( -- n ) 0 a ;\x1b[201~", "unknown word `b`");
    session.ask("\x1b[200~: a ( n -- n ) if b else 1 end ;\n: b ( -- n ) 0 a ;\x1b[201~", "defined `a`, `b`");
    session.ask("9 a", "bytecode      1");
    session.send("\x04");
    assert_eq!(session.end(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_typed_ahead_is_not_lost() {
    if is_left_out() {
        return;
    }
    let mut session = Session::start(&folder("ahead"), &[]);
    session.send(": f ( -- a )\r40 ;\rf 2 +\r1 f\r");
    for answer in ["defined `f`", "bytecode  42", "bytecode  1 40"] {
        session.see(answer);
    }
    session.see("> ");
    session.send("\x04");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn times_are_shown_at_a_terminal() {
    if is_left_out() {
        return;
    }
    let mut session = Session::start(&folder("times"), &[]);
    session.ask("1 2", "bytecode  1 2  (compiled in ");
    session.ask(":time", "times are not shown");
    session.ask("1 2", "bytecode  1 2\r\n");
    session.send("\x04");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn the_history_is_in_the_state_folder_of_the_user() {
    if is_left_out() {
        return;
    }
    let folder = folder("history");
    let path = folder.join("state/jitduel/history");
    let mut session = Session::start(&folder, &[]);
    session.ask("1 41 +", "bytecode  42");
    session.ask(": f ( -- a )\r7 ;", "defined `f`");
    // Every entry is written at once.
    let text = std::fs::read_to_string(&path).expect("it was written");
    assert!(text.ends_with("\n1 41 +\n: f ( -- a )\\n7 ;\n"), "{text}");
    drop(session);
    // The next session has it: up is the last entry, up again its first line, and then comes the entry before.
    let mut session = Session::start(&folder, &[]);
    session.ask("\x1b[A\x1b[A\x1b[A 1 +", "bytecode  43");
    session.ask("\x12: f", "defined `f`");
    session.send("\x04");
    assert_eq!(session.end(), Some(0));

    // Without XDG_STATE_HOME, it is below the home folder. A relative path is ignored.
    let home = folder.join("home");
    let variables = [("XDG_STATE_HOME", "relative"), ("HOME", home.to_str().expect("UTF-8"))];
    let mut session = Session::start(&folder, &variables);
    session.ask("1 1 +", "bytecode  2");
    session.send("\x04");
    assert_eq!(session.end(), Some(0));
    assert!(home.join(".local/state/jitduel/history").exists());
}

/// The history of a session whose state folder is in this folder, with the greatest number of entries.
fn full_history(folder: &Path) -> (PathBuf, String) {
    let path = folder.join("state/jitduel/history");
    let text = "#V2\n".to_owned() + &(1..=1000).map(|number| format!("{number} drop\n")).collect::<String>();
    std::fs::create_dir_all(path.parent().expect("it has one")).expect("it is ours");
    std::fs::write(&path, &text).expect("it is ours");
    (path, text)
}

#[test]
fn sessions_share_the_history() {
    if is_left_out() {
        return;
    }
    let folder = folder("shared-history");
    let (path, text) = full_history(&folder);
    let (mut one, mut other) = (Session::start(&folder, &[]), Session::start(&folder, &[]));
    one.ask(":time", "times are not shown");
    other.ask(":time on", "times are shown");
    one.ask(":time off", "times are not shown");
    let kept = text.replace("#V2\n1 drop\n2 drop\n3 drop\n", "#V2\n");
    let now = std::fs::read_to_string(&path).expect("it is there");
    assert_eq!(now, kept + ":time\n:time on\n:time off\n");
}

#[test]
fn a_history_is_not_lost_on_a_full_disk() {
    if is_left_out() {
        return;
    }
    let folder = folder("full-disk");
    let (path, text) = full_history(&folder);
    let mut session = Session::start_by("ulimit -f 4; exec \"$@\"", &folder, &[]);
    session.send(":time\r");
    session.see("warning: the history is no longer written: cannot write `");
    session.see("File too large");
    session.see("> ");
    session.ask(":time", "times are shown");
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), text);
}

#[test]
fn a_history_that_is_locked_for_too_long_is_only_a_warning() {
    if is_left_out() {
        return;
    }
    let folder = folder("locked");
    let (path, text) = full_history(&folder);
    // The line editor would lock the file itself.
    let locks = [path.as_path(), path.parent().expect("it has one")].map(|path| File::open(path).expect("it is there"));
    locks.iter().for_each(|lock| lock.lock().expect("nobody else has it"));
    let mut session = Session::start(&folder, &[]);
    session.send(":time\r");
    session.see("another process has locked its folder for too long");
    session.see("> ");
    session.ask(":time", "times are shown");
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), text);
}

#[test]
fn a_history_that_cannot_be_written_is_only_a_warning() {
    if is_left_out() {
        return;
    }
    let folder = folder("no-history");
    file(&folder, "taken", "");
    let taken = folder.join("taken");
    let variables = [("XDG_STATE_HOME", taken.to_str().expect("UTF-8"))];
    let mut session = Session::start(&folder, &variables);
    assert!(session.greeting.contains("warning: there is no history: cannot create `"), "{}", session.greeting);
    session.ask("1 1 +", "bytecode  2");
    session.send("\x04");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn a_terminal_without_control_sequences_has_a_prompt_too() {
    if is_left_out() {
        return;
    }
    let mut session = Session::start(&folder("dumb"), &[("TERM", "dumb")]);
    session.send("1 if\n");
    session.see("| ");
    session.send("2 else 3 end\n");
    session.see("bytecode  2");
    session.see("> ");
    session.send("\x04");
    assert_eq!(session.end(), Some(0));
}
