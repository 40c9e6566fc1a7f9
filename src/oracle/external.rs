//! An external VM: a command that takes a program's file and prints the line that `jitduel run` prints.
//!
//! It is not an [`Engine`](crate::engine::Engine), because it takes the program's text and returns a line, in which a
//! trap has a line and a column, and no memory. So it stands beside the engines, and [`Judge`](super::judge::Judge) and
//! `check` compare its [`Verdict`] with theirs.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::process::{Command, id};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::corpus::verdict;
use crate::engine::Run;
use crate::exec::{End, Ended, Finished, run_command};
use crate::lang::{Language, printable};
use crate::outcome::Verdict;

/// A command that runs programs. Copies of it share a folder for the files that they pass to the command. The folder is
/// removed with the last copy in the process that made it.
#[derive(Clone, Debug)]
pub struct External {
    name: &'static str,
    words: Arc<[String]>,
    folder: Arc<TempDir>,
    time: Duration,
}

/// Why a command cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A quote is not closed, or the text ends with a backslash.
    #[error("the command `{0}` has a quote that is not closed, or ends with `\\`")]
    Quotes(&'static str),
    /// No word has the place for the program's file.
    #[error("the command `{0}` needs the word `{{file}}`, in place of which it gets the program's file")]
    NoFile(&'static str),
    /// It cannot be started, or a file for it cannot be written.
    #[error("cannot start the command `{name}`")]
    Start {
        /// The command.
        name: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

/// What a command said about one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The outcome.
    Verdict(Verdict),
    /// It does not support the program or the limits, or the system does not let it have so many inputs.
    Unsupported,
    /// It did not print an outcome, or did not end as it must.
    Failed {
        /// The kind of failure; equal for programs that show the same bug.
        class: String,
        /// What it printed.
        detail: String,
    },
}

/// The place of the program's file in a command.
const FILE: &str = "{file}";

/// The line with which a command declines a run.
const UNSUPPORTED: &str = "unsupported";

/// How much longer than twice the expected line the output may be.
const MORE_OUTPUT: u64 = 1 << 20;

/// How much of a command's output a failure shows, in characters.
const SHOWN: usize = 300;

impl External {
    /// The command in this text, which a POSIX shell would split into the same words. A run of it may take `time`. It
    /// is started once, with an empty program.
    ///
    /// # Errors
    /// If the text is no such command, or the command cannot be started.
    pub fn new(text: &str, time: Duration) -> Result<External, CommandError> {
        // An engine's name lives as long as the process, and there are only a few of them.
        let name: &'static str = String::leak(printable(text).into_owned());
        let words = shlex::split(text).ok_or(CommandError::Quotes(name))?;
        if !words.iter().any(|word| word.contains(FILE)) {
            return Err(CommandError::NoFile(name));
        }
        let start = |source| CommandError::Start { name, source };
        let folder = tempfile::Builder::new().prefix("jitduel-external-").tempdir().map_err(start)?;
        let external = External { name, words: words.into(), folder: Arc::new(folder), time };
        external.run(Language::Stack, b"", Run::default(), 0).map_err(start)?;
        Ok(external)
    }

    /// The command, with control characters escaped.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The time that a run may take.
    pub fn time(&self) -> Duration {
        self.time
    }

    /// The same command, with another limit of time.
    pub fn with_time(&self, time: Duration) -> External {
        External { time, ..self.clone() }
    }

    /// Runs a program in this language. `expected` is the length of the expected line.
    ///
    /// # Errors
    /// The system's error, if the program's file cannot be written or the command cannot be started.
    pub fn run(&self, language: Language, text: &[u8], run: Run, expected: usize) -> io::Result<Said> {
        // Each worker process has a file of its own, and uses it again and again.
        let file = self.folder.path().join(format!("{}.{}", id(), language.extension()));
        fs::write(&file, text)?;
        let mut words = self.words.iter().map(|word| {
            let mut parts = word.split(FILE);
            let mut filled = OsString::from(parts.next().unwrap_or_default());
            for part in parts {
                filled.push(&file);
                filled.push(part);
            }
            filled
        });
        let mut command = Command::new(words.next().unwrap_or_default());
        let inputs: Vec<String> = run.inputs.iter().map(i64::to_string).collect();
        command.args(words).arg(format!("--input={}", inputs.join(",")));
        command.args(run.fuel.map(|fuel| format!("--fuel={fuel}")));
        command.args([format!("--stack-limit={}", run.stack_limit), format!("--call-limit={}", run.call_limit)]);
        let finished = run_command(&mut command, self.folder.path(), self.time, 2 * expected as u64 + MORE_OUTPUT);
        let _ = fs::remove_file(&file);
        match finished {
            Ok(finished) => Ok(self.said(&finished)),
            Err(error) if error.kind() == io::ErrorKind::ArgumentListTooLong => Ok(Said::Unsupported),
            Err(error) => Err(error),
        }
    }

    /// What a finished command said.
    fn said(&self, finished: &Finished) -> Said {
        let failed = |class: String| Said::Failed { class, detail: detail(finished) };
        let status = match finished.end {
            End::TimeOver => {
                let detail = format!("not ended after {:?}", self.time);
                return Said::Failed { class: "hang".into(), detail };
            }
            End::TooMuchOutput => return failed("too much output".into()),
            End::Ended(Ended::Exited(status @ (0 | 1))) => status,
            End::Ended(ended) => return failed(ended.to_string()),
        };
        let said = str::from_utf8(&finished.stdout).ok().and_then(|text| {
            let line = text.strip_suffix('\n').filter(|line| !line.contains('\n'))?;
            if line.trim() == UNSUPPORTED {
                return Some(Said::Unsupported);
            }
            verdict(line.trim()).ok().map(Said::Verdict)
        });
        match (said, status) {
            (Some(Said::Verdict(Verdict::Done(_))) | None, 1) => failed(Ended::Exited(1).to_string()),
            (None, _) if finished.stdout.is_empty() => failed("no output".into()),
            (None, _) => failed("other output than a result".into()),
            (Some(said), _) => said,
        }
    }
}

/// What a command printed, shortened: the beginning of its output, and the end of its error output.
fn detail(Finished { stdout, stderr, .. }: &Finished) -> String {
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let mut shown: String = printable(&stdout.chars().take(SHOWN).collect::<String>()).into_owned();
    if stdout.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    let mut text = format!("it printed `{shown}`");
    // The last lines of an error output say most.
    let skipped = stderr.trim_end().chars().count().saturating_sub(SHOWN);
    for line in stderr.trim_end().chars().skip(skipped).collect::<String>().lines() {
        text += &format!("\n  {}", printable(line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(20);

    /// What a shell script says about a run without inputs.
    fn said(script: &str) -> Said {
        let external = External::new(&format!("sh -c '{script}' sh {{file}}"), TIME).expect("there is a shell");
        external.run(Language::Stack, b"1 2\n", Run::default(), 3).expect("it can be started")
    }

    fn class(script: &str) -> String {
        match said(script) {
            Said::Failed { class, .. } => class,
            said => panic!("{script}: {said:?}"),
        }
    }

    #[test]
    fn a_line_is_a_verdict() {
        let done = |values: &[i64]| Said::Verdict(Verdict::Done(values.to_vec()));
        assert_eq!(said(r#"cat "$1""#), done(&[1, 2]));
        assert_eq!(said("echo"), done(&[]));
        assert_eq!(said(r#"echo " -3  4 ""#), done(&[-3, 4]));
        let trap = Said::Verdict(verdict("trap out of bounds 2:7").expect("it is a trap"));
        assert_eq!(said("echo trap out of bounds 2:7"), trap);
        assert_eq!(said("echo trap out of bounds 2:7; exit 1"), trap);
        assert_eq!(said("echo unsupported"), Said::Unsupported);
        assert_eq!(said("echo noise >&2; echo 5"), done(&[5]));
        assert_eq!(said("head -c 5000000 /dev/zero >&2; echo 5"), done(&[5]));
    }

    #[test]
    fn anything_else_is_a_failure() {
        assert_eq!(class("true"), "no output");
        assert_eq!(class("exit 1"), "exited with status 1");
        assert_eq!(class("echo 5; exit 1"), "exited with status 1");
        assert_eq!(class("echo 5; exit 3"), "exited with status 3");
        assert_eq!(class("kill -s SEGV $$"), "killed by SIGSEGV");
        for garbage in ["printf 5", "echo 5; echo 6", "echo five", "echo trap 1:1", "echo 9223372036854775808"] {
            assert_eq!(class(garbage), "other output than a result");
        }
        assert_eq!(class(r#"printf "\377\n""#), "other output than a result");
        assert_eq!(class("yes"), "too much output");
    }

    #[test]
    fn a_failure_shows_what_the_command_printed() {
        let Said::Failed { detail, .. } = said("echo 1 2 x; echo first >&2; echo last >&2; exit 7") else {
            panic!("it fails")
        };
        assert_eq!(detail, "it printed `1 2 x\\n`\n  first\n  last");
        // Of a long log, the end, although its file was emptied meanwhile.
        let Said::Failed { detail, .. } = said("yes | head -c 5000000 >&2; sleep 0.1; echo last >&2; exit 7") else {
            panic!("it fails")
        };
        assert!(detail.starts_with("it printed ``\n  y\n  y\n") && detail.ends_with("\n  y\n  last"), "{detail}");
    }

    /// The child of the second command would hold a pipe open after the command has ended.
    #[test]
    fn a_command_that_hangs_is_killed_with_its_children() {
        let external = External::new("sh -c 'sleep 1000 & sleep 1000' sh {file}", Duration::from_millis(200));
        let said = external
            .expect("there is a shell")
            .run(Language::Stack, b"", Run::default(), 0)
            .expect("it can be started");
        assert_eq!(said, Said::Failed { class: "hang".into(), detail: "not ended after 200ms".into() });
        assert_eq!(self::said("sleep 1000 & echo 5"), Said::Verdict(Verdict::Done(vec![5])));
    }

    #[test]
    fn a_command_gets_the_inputs_and_the_limits() {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let seen = folder.path().join("seen");
        let script = format!(r#"sh -c 'printf "%s\n" "$@" >"{}"; echo unsupported' sh -x={{file}}"#, seen.display());
        let external = External::new(&script, TIME).expect("there is a shell");
        let run = Run { inputs: &[-3, 4], fuel: Some(7), stack_limit: 5, call_limit: u64::MAX };
        for (run, expected) in [
            (run, vec!["--input=-3,4", "--fuel=7", "--stack-limit=5", "--call-limit=18446744073709551615"]),
            (Run::default(), vec!["--input=", "--stack-limit=65536", "--call-limit=10000"]),
        ] {
            assert_eq!(external.run(Language::Stack, b"", run, 0).expect("it can be started"), Said::Unsupported);
            let seen = fs::read_to_string(&seen).expect("it was written");
            let seen: Vec<&str> = seen.lines().collect();
            assert!(seen[0].starts_with("-x=/") && seen[0].ends_with(".stk"), "{seen:?}");
            assert_eq!(seen[1..], expected);
        }
    }

    #[test]
    fn too_many_inputs_for_a_command_line_are_unsupported() {
        let external = External::new("cat {file}", TIME).expect("there is cat");
        let inputs = vec![i64::MIN; 1_000_000];
        let run = Run { inputs: &inputs, stack_limit: inputs.len(), ..Run::default() };
        assert_eq!(external.run(Language::Stack, b"", run, 0).expect("it is no other error"), Said::Unsupported);
    }

    #[test]
    fn no_file_is_left() {
        let external = External::new("cat {file}", TIME).expect("there is cat");
        let folder = external.folder.path().to_owned();
        let copy = external.clone();
        copy.run(Language::Stack, b"1", Run::default(), 0).expect("it can be started");
        assert_eq!(fs::read_dir(&folder).expect("it is there").count(), 0);
        drop(external);
        assert!(folder.exists());
        drop(copy);
        assert!(!folder.exists());
    }

    #[test]
    fn commands_that_cannot_be_started_are_errors() {
        for (text, expected) in [
            ("cat '{file}", "the command `cat '{file}` has a quote that is not closed, or ends with `\\`"),
            ("cat", "the command `cat` needs the word `{file}`, in place of which it gets the program's file"),
            ("", "the command `` needs the word `{file}`, in place of which it gets the program's file"),
            ("/no/such/command {file}", "cannot start the command `/no/such/command {file}`"),
            ("/ {file}", "cannot start the command `/ {file}`"),
        ] {
            let error = External::new(text, TIME).expect_err(text);
            assert_eq!(error.to_string(), expected);
        }
    }
}
