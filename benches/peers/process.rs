//! Peers that run as separate processes: the workloads as programs for other compilers and interpreters.
//!
//! Each program takes the size and the number of runs as its arguments, and prints the final stack of the last run. The time of
//! a run is computed from the difference between many runs and few, so that startup, parsing and compiling do not count.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jitduel::bench::workloads::{Group, Workload};
use jitduel::bench::{Subject, Untimed};
use jitduel::corpus::{Case, cases};
use jitduel::exec::children_processor_time;
use jitduel::export::{Limits, Needs, c, forth};
use jitduel::files;
use jitduel::interp::tree::evaluate;
use jitduel::lang::load;
use jitduel::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT, Verdict};

/// A peer.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its name in tables.
    pub name: &'static str,
    /// The command that must be installed.
    pub tool: &'static str,
    /// The option that prints its version, which shows whether it is installed.
    version: &'static str,
    /// Whether it computes with wrapping 64-bit integers, as the engines do.
    pub has_our_arithmetic: bool,
    /// A note on its figures for the reader.
    pub note: &'static str,
    kind: Kind,
}

/// Where a peer's programs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Written by hand in C.
    Reference,
    /// Written by hand in C under the language's rules.
    SameRules,
    /// Exported to C.
    ExportedC,
    /// Exported to Forth.
    Forth,
    /// Written by hand in Lua, for LuaJIT with these options.
    Lua { folder: &'static str, options: &'static [&'static str] },
}

/// All peers that run as separate processes.
pub const PEERS: [Peer; 8] = [
    gcc(
        "gcc -O2",
        "written by hand; loops have one barrier per iteration on each loop-carried value, programs with calls and arrays have none",
        Kind::Reference,
    ),
    gcc(
        "gcc -O2, same rules",
        "written by hand with cells of 64 bits, wrapping arithmetic, and checks at each call and memory access",
        Kind::SameRules,
    ),
    gcc("gcc -O2, exported C", "without barriers, so a loop may become a formula", Kind::ExportedC),
    Peer {
        name: "gforth-fast",
        tool: "gforth-fast",
        version: "--version",
        has_our_arithmetic: true,
        note: "exported Forth",
        kind: Kind::Forth,
    },
    lua("LuaJIT", true, Kind::Lua { folder: "lua", options: &[] }),
    lua("LuaJIT -joff", true, Kind::Lua { folder: "lua", options: &["-joff"] }),
    lua("LuaJIT, doubles", false, Kind::Lua { folder: "lua/doubles", options: &[] }),
    lua("LuaJIT -joff, doubles", false, Kind::Lua { folder: "lua/doubles", options: &["-joff"] }),
];

const fn gcc(name: &'static str, note: &'static str, kind: Kind) -> Peer {
    Peer { name, tool: "gcc", version: "--version", has_our_arithmetic: true, note, kind }
}

const fn lua(name: &'static str, has_our_arithmetic: bool, kind: Kind) -> Peer {
    let note =
        if has_our_arithmetic { "LuaJIT's 64-bit integers" } else { "doubles, on workloads where they are exact" };
    Peer { name, tool: "luajit", version: "-v", has_our_arithmetic, note, kind }
}

/// The folder of the programs written by hand.
fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers")
}

impl Peer {
    /// Whether its command is installed.
    pub fn is_installed(&self) -> bool {
        Command::new(self.tool).arg(self.version).output().is_ok_and(|output| output.status.success())
    }

    /// The file of its program of a workload if it is written by hand; `None` for exported programs.
    pub fn file(&self, workload: &Workload) -> Option<PathBuf> {
        let Workload { name, .. } = workload;
        match self.kind {
            Kind::Reference => Some(programs().join(format!("c/{name}.c"))),
            Kind::SameRules => Some(programs().join(format!("c/same-rules/{name}.c"))),
            Kind::Lua { folder, .. } => Some(programs().join(format!("{folder}/{name}.lua"))),
            Kind::ExportedC | Kind::Forth => None,
        }
    }

    /// Why it has no program of a workload; `None` if it has one.
    pub fn absence(&self, workload: &Workload) -> Option<&'static str> {
        let is_there = || self.file(workload).is_some_and(|file| file.exists());
        match self.kind {
            Kind::SameRules if workload.group != Group::Fourteen => {
                Some("without calls and arrays there are no further rules")
            }
            Kind::Lua { .. } if !self.has_our_arithmetic && !is_there() => {
                Some("doubles are not exact for this workload")
            }
            Kind::Reference | Kind::SameRules | Kind::ExportedC | Kind::Forth | Kind::Lua { .. } => None,
        }
    }

    /// Builds its program of a workload in a folder; `None` if it has none.
    ///
    /// # Errors
    /// If the compiler fails, or a file cannot be written.
    pub fn build(&self, workload: &Workload, folder: &Path) -> Result<Option<Program>> {
        if self.absence(workload).is_some() {
            return Ok(None);
        }
        let file = self.file(workload);
        let path = |ending: &str| folder.join(format!("{}.{ending}", workload.name));
        let command: Vec<OsString> = match self.kind {
            Kind::Reference => {
                let output = path("reference");
                compile(&file.expect("it was written by hand"), &[], &output)?;
                vec![output.into()]
            }
            Kind::SameRules => {
                let output = path("same-rules");
                compile(&file.expect("it was written by hand"), &SAME_RULES, &output)?;
                vec![output.into()]
            }
            Kind::ExportedC => {
                let (source, output) = (path("c"), path("exported"));
                files::replace(&source, exported_c(workload)?)?;
                compile(&source, &[], &output)?;
                vec![output.into()]
            }
            Kind::Forth => {
                let (source, (text, needs)) = (path("fs"), exported_forth(workload)?);
                files::replace(&source, &text)?;
                let options = forth::options(text.len(), needs).map(OsString::from);
                [self.tool.into()].into_iter().chain(options).chain([source.into()]).collect()
            }
            Kind::Lua { options, .. } => {
                let harness = programs().join("lua/harness.lua").into_os_string();
                let file = file.expect("it was written by hand").into_os_string();
                let options = options.iter().map(OsString::from);
                [self.tool.into()].into_iter().chain(options).chain([harness, file]).collect()
            }
        };
        Ok(Some(Program { command }))
    }
}

/// The language's arithmetic wraps, and each of its calls is one, also at the end of a definition.
const SAME_RULES: [&str; 2] = ["-fwrapv", "-fno-optimize-sibling-calls"];

/// Compiles to a new file and then renames it: another run may be executing the old one.
fn compile(source: &Path, options: &[&str], output: &Path) -> Result<()> {
    let new = output.with_extension(format!("{}.new", std::process::id()));
    let mut gcc = Command::new("gcc");
    let result = gcc.arg("-O2").args(options).arg("-o").arg(&new).arg(source).output().context("cannot start gcc")?;
    let errors = String::from_utf8_lossy(&result.stderr);
    ensure!(result.status.success(), "gcc cannot compile {}:\n{errors}", source.display());
    std::fs::rename(&new, output).with_context(|| format!("cannot write {}", output.display()))
}

const LIMITS: Limits = Limits { stack: DEFAULT_STACK_LIMIT, calls: DEFAULT_CALL_LIMIT, fuel: None };

fn exported_c(workload: &Workload) -> Result<String> {
    let source = workload.source();
    let program = load(&source, 1)?;
    let function = c::function(&program, &source, "program", LIMITS);
    let prelude = c::prelude(Needs::of(&program, LIMITS)?);
    Ok(format!(
        "{prelude}
{function}
int main(int argc, char **argv)
{{
    if (argc != 3) return 2;
    uint64_t size = (uint64_t)strtoll(argv[1], NULL, 10);
    bottom = stack({DEFAULT_STACK_LIMIT});
    for (long times = atol(argv[2]); times > 1; times--) {{
        *bottom = size;
        program(bottom + 1);
        // The compiler must assume that the result is used, so it cannot drop a run.
        __asm__ volatile(\"\" : : \"r\"(bottom) : \"memory\");
    }}
    return run(program, &size, 1);
}}
"
    ))
}

fn exported_forth(workload: &Workload) -> Result<(String, Needs)> {
    let source = workload.source();
    let program = load(&source, 1)?;
    let function = forth::function(&program, &source, "program", LIMITS);
    let needs = Needs::of(&program, LIMITS)?;
    let prelude = forth::prelude(needs);
    let text = format!(
        "{prelude}
{function}
variable size
: next-number ( -- n ) next-arg s>number? 0= throw drop ;
: main next-number size !  next-number 1 ?do size @ program clearstack loop  size @ ['] program run ;
main status @ (bye)
"
    );
    Ok((text, needs))
}

/// A peer's program of a workload, ready to run.
#[derive(Clone, Debug)]
pub struct Program {
    command: Vec<OsString>,
}

impl Program {
    /// Its output for a size after the given number of runs.
    ///
    /// # Errors
    /// If it cannot be started or fails.
    pub fn answer(&self, size: i64, times: u64) -> Result<String> {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).args([size.to_string(), times.to_string()]);
        let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
        if !output.status.success() {
            bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// The processor time of a process that makes the given number of runs, or its wall-clock time if the system does not count
    /// processor time.
    ///
    /// # Errors
    /// If it cannot be started, fails, or gives another answer than expected.
    pub fn time(&self, size: i64, times: u64, expected: &str) -> Result<Duration> {
        let (begun, processor) = (Instant::now(), children_processor_time());
        let answer = self.answer(size, times)?;
        let elapsed = || children_processor_time().ok()?.checked_sub(processor.ok()?);
        let elapsed = elapsed().unwrap_or_else(|| begun.elapsed());
        ensure!(answer == expected, "{:?} gives {answer} instead of {expected}", self.command);
        Ok(elapsed)
    }

    /// Compares its answers with the referee's [`answers`], for one run and two.
    ///
    /// # Errors
    /// The first answer that differs.
    pub fn check(&self, answers: &[(i64, String)]) -> Result<()> {
        for (size, expected) in answers {
            for times in [1, 2] {
                let answer = self.answer(*size, times)?;
                ensure!(answer == *expected, "{:?} gives {answer} for size {size} instead of {expected}", self.command);
            }
        }
        Ok(())
    }
}

/// The referee's answers for each size at which answers are compared: those of the cases without limits and traps, and this one.
///
/// # Errors
/// If the program is invalid or traps.
pub fn answers(workload: &Workload, size: i64) -> Result<Vec<(i64, String)>, Untimed> {
    let cases = cases(&workload.source()).expect("the cases of the corpus are well-formed");
    let is_small = |case: &&Case| case.has_default_limits() && matches!(case.expected, Verdict::Done(_));
    let small = cases.iter().filter(is_small).map(|case| case.inputs[0]);
    small.chain([size]).map(|size| Ok((size, referee(&workload.of_size(size))?))).collect()
}

/// The referee's answer.
///
/// # Errors
/// If the program is invalid or traps.
pub fn referee(subject: &Subject) -> Result<String, Untimed> {
    let program = subject.program()?;
    let outcome = evaluate(program.ast(), subject.run());
    match Verdict::of(&outcome, &subject.source) {
        verdict @ Verdict::Done(_) => Ok(verdict.to_string()),
        verdict => Err(Untimed::Trap { verdict }),
    }
}
