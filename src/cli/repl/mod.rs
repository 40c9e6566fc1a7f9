//! `repl`: type a program, and see its tree and what the interpreter and a JIT compiler make of it.

mod commands;
mod duel;
mod history;
mod lines;
mod session;
mod terminal;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::asm::{IsaName, Stage, listing_for};
use super::input::{cases, check_input_count, engine_names, language_names, nonzero_duration, say, show};
use super::output::Output;
use super::run::{Answer, agree, show_traps, worst};
use super::{Status, print_error};
use crate::bytecode::lower;
use crate::corpus::Case;
use crate::engine::Run;
use crate::exec::Interrupts;
use crate::files;
use crate::front::Outline;
use crate::interp::bytecode::Interpreter;
use crate::lang::{Language, Source, print, printable, printable_lines};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT, Verdict};
use crate::plural::count;
use crate::registry;
use crate::tiers::{AnyTier, tier};
use commands::Command;
use duel::{Reply, duel};
use lines::{Input, Lines, Piped};
use session::{Entry, Origin, Rejected, Session};
use terminal::{Terminal, Words};

/// Type programs at a prompt, and see their trees, results and times on the interpreter and a JIT compiler
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel repl\n  \
    jitduel repl --language let --engine regs\n  \
    printf '1 5 times 1 + end\\n' | jitduel repl\n\n\
    Definitions and arrays stay; the stack and the memory are new for each program. `:help` shows the commands, and\n\
    docs/REPL.md explains them. At a terminal, lines can be edited, Tab completes words, Ctrl-C ends a run, and the exit\n\
    code is 0. Otherwise nothing is printed but the answers, and the exit code is the highest of all programs and commands.")]
pub(super) struct Repl {
    /// The engine to compare with the interpreter `bytecode` [default: jit]
    #[arg(long, value_name = "E", value_parser = engine_names())]
    engine: Option<String>,

    /// The language of the programs
    #[arg(long, value_name = "NAME", value_parser = language_names(), default_value = Language::Stack.name())]
    language: String,

    /// Maximum loop iterations and calls of a run, all together [default: no limit]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    fuel: Option<u64>,

    /// Maximum number of values on the stack [default: 65536]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    stack_limit: Option<usize>,

    /// Maximum number of active calls [default: 10000]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    call_limit: Option<u64>,

    /// Time after which a run on an engine is ended, such as 10s or 5m [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = nonzero_duration)]
    timeout: Option<Duration>,
}

/// The compiler that beginners see first: its code is close to the program.
const DEFAULT_ENGINE: &str = "jit";

/// The engine that every program runs on first.
const INTERPRETER: &str = Interpreter::NAME;

impl Repl {
    pub fn run(self, out: &mut Output) -> Result<Status> {
        let wanted = self.engine.as_deref().unwrap_or(DEFAULT_ENGINE);
        let engine =
            registry::all_names().find(|name| *name == wanted).context("clap accepts only names of engines")?;
        let is_available = match check_engine(engine) {
            // The engine was not requested by name.
            Err(error) if self.engine.is_none() => {
                say(format_args!("running only `{INTERPRETER}`: {error}"));
                false
            }
            checked => checked.map(|()| true)?,
        };
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let mut lines: Box<dyn Lines> = if is_terminal {
            Box::new(Terminal::open()?)
        } else {
            Box::new(Piped { input: io::stdin().lock(), most_bytes: Source::MAX_BYTES })
        };
        let mut prompt = Prompt {
            out,
            session: Session::default(),
            language: Language::named(&self.language).unwrap_or_default(),
            engine,
            is_available,
            limits: Limits { fuel: self.fuel, stack: self.stack_limit, calls: self.call_limit },
            timeout: self.timeout,
            shows_trees: true,
            shows_times: is_terminal,
            interrupts: is_terminal.then(Interrupts::catch).transpose().context("cannot catch interrupts")?,
            last: None,
            most_bytes: Source::MAX_BYTES,
            next_line: 1,
            status: Status::Ok,
        };
        if is_terminal {
            writeln!(prompt.out, "jitduel {}: `:help` shows the commands", env!("CARGO_PKG_VERSION"))?;
        }
        prompt.talk(&mut *lines)?;
        Ok(if is_terminal { Status::Ok } else { prompt.status })
    }
}

/// Fails if an engine cannot be compared with the interpreter on this host.
fn check_engine(engine: &str) -> Result<()> {
    if engine == INTERPRETER {
        bail!("`{INTERPRETER}` is the interpreter that other engines are compared with; choose another engine");
    }
    if let Err(reason) = registry::availability(engine) {
        bail!("engine `{engine}` is not supported on this host: {reason}");
    }
    Ok(())
}

/// The limits of a run, as far as somebody has set them.
#[derive(Clone, Copy)]
struct Limits {
    fuel: Option<u64>,
    stack: Option<usize>,
    calls: Option<u64>,
}

impl Limits {
    /// These limits, and those of a case where there are none.
    fn or_of(self, case: &Case) -> Limits {
        Limits {
            fuel: self.fuel.or(case.fuel),
            stack: self.stack.or(Some(case.stack_limit)),
            calls: self.calls.or(Some(case.call_limit)),
        }
    }

    /// A run with these limits.
    fn run(self, inputs: &[i64]) -> Run<'_> {
        Run {
            inputs,
            fuel: self.fuel,
            stack_limit: self.stack.unwrap_or(DEFAULT_STACK_LIMIT),
            call_limit: self.calls.unwrap_or(DEFAULT_CALL_LIMIT),
        }
    }
}

/// The prompt: what it has read, and how it answers.
struct Prompt<'o> {
    out: &'o mut Output,
    session: Session,
    language: Language,
    /// The engine to compare with the interpreter.
    engine: &'static str,
    /// Whether this host can run it.
    is_available: bool,
    limits: Limits,
    timeout: Option<Duration>,
    shows_trees: bool,
    shows_times: bool,
    /// At a terminal, where an interrupt ends a run and not the session.
    interrupts: Option<Interrupts>,
    /// The last entry, and the limits of its run.
    last: Option<(Entry, Limits)>,
    /// The maximum size of an entry in bytes.
    most_bytes: usize,
    /// The number of the next line.
    next_line: usize,
    /// The worst status so far.
    status: Status,
}

/// What is read at once.
enum Typed {
    Command(String),
    /// Text, and the number of its first line.
    Text(Vec<u8>, usize),
}

impl Prompt<'_> {
    /// Reads and answers until the end of the input.
    fn talk(&mut self, lines: &mut dyn Lines) -> Result<()> {
        // The input may be endless, so the session ends when nobody reads its answers.
        while !self.out.is_lost()
            && let Some(typed) = self.read(lines)?
        {
            if let Some(interrupts) = &self.interrupts {
                interrupts.forget();
            }
            let status = match typed {
                Typed::Text(text, line) => {
                    let source = Source::new("repl", text).in_language(self.language).from_line(line);
                    self.enter(source, Origin::Prompt, &[], self.limits)
                }
                Typed::Command(line) => match Command::parse(&line) {
                    Ok(Command::Quit) => return Ok(()),
                    Ok(command) => self.obey(command),
                    Err(error) => Err(error),
                },
            };
            let status = status.unwrap_or_else(|error| {
                print_error(&error);
                Status::Usage
            });
            self.status = self.status.max(status);
        }
        Ok(())
    }

    /// Reads a command or a complete text. `None` at the end of the input.
    fn read(&mut self, lines: &mut dyn Lines) -> Result<Option<Typed>> {
        let mut text = Vec::new();
        let mut outline = Outline::new(self.language);
        let mut first_line = self.next_line;
        loop {
            self.out.flush()?;
            let is_first = text.is_empty();
            let (session, language) = (&self.session, self.language);
            match lines.next(is_first, &|| Words::new(session, language))? {
                Input::End if is_first => return Ok(None),
                // The parser says what is missing.
                Input::End => break,
                Input::Interrupted => {
                    text.clear();
                    outline = Outline::new(self.language);
                    first_line = self.next_line;
                }
                Input::Line(mut line) => {
                    line.push(b'\n');
                    if text.len() + line.len() > self.most_bytes {
                        // What follows may be the rest of this line, so the session cannot go on.
                        bail!("the entry that begins in line {first_line} has more than {} bytes", self.most_bytes);
                    }
                    self.next_line += line.iter().filter(|byte| **byte == b'\n').count();
                    if is_first && line.iter().all(u8::is_ascii_whitespace) {
                        first_line = self.next_line;
                        continue;
                    }
                    if is_first
                        && let Some(command) = str::from_utf8(&line).ok().filter(|line| commands::is_command(line))
                    {
                        lines.remember(command.trim_end());
                        return Ok(Some(Typed::Command(command.to_owned())));
                    }
                    outline.read(&line);
                    text.append(&mut line);
                    if !outline.is_open() {
                        break;
                    }
                }
            }
        }
        lines.remember(String::from_utf8_lossy(&text).trim_end());
        Ok(Some(Typed::Text(text, first_line)))
    }

    /// Makes a program of a text and runs it.
    fn enter(&mut self, source: Source, origin: Origin, inputs: &[i64], limits: Limits) -> Result<Status> {
        let entry = match self.session.enter(source, origin, inputs.len()) {
            Ok(entry) => entry,
            Err(Rejected::Inputs(wrong)) => match origin {
                Origin::Prompt => bail!("{wrong}; `:load FILE INPUT…` runs a program with inputs"),
                Origin::File => bail!("{wrong}; write them after the name of the file"),
            },
            Err(Rejected::Fault { fault, source, breaks }) => {
                writeln!(self.out, "{}", Verdict::of_fault(&fault, &source))?;
                show(&fault, &source);
                if let Some(name) = breaks {
                    let name = printable(&name);
                    say(format_args!("note: the error is in `{name}`, which was defined before; nothing has changed"));
                }
                return Ok(Status::Stopped);
            }
        };
        if entry.source.language() != self.language {
            self.speak(entry.source.language())?;
        }
        if self.shows_trees {
            let tree = tree(&entry, entry.own.clone());
            write!(self.out, "{tree}")?;
        }
        for (verb, is_new) in [("defined", true), ("redefined", false)] {
            let names = entry.declared.iter().filter(|declared| declared.is_new == is_new);
            let names: Vec<_> = names.map(|declared| format!("`{}`", printable(&declared.name))).collect();
            if !names.is_empty() {
                writeln!(self.out, "{verb} {}", names.join(", "))?;
            }
        }
        let status = if entry.runs { self.duel(&entry, inputs, limits) } else { Ok(Status::Ok) };
        self.last = Some((entry, limits));
        status
    }

    /// Runs a program on the interpreter and on the other engine, and prints the outcomes.
    fn duel(&mut self, entry: &Entry, inputs: &[i64], limits: Limits) -> Result<Status> {
        let mut engines = vec![INTERPRETER];
        if self.is_available {
            engines.push(self.engine);
        }
        self.out.flush()?;
        let replies = duel(&entry.program, &engines, limits.run(inputs), self.timeout, self.interrupts.as_ref());
        let replies = replies.context("cannot run a program in a process of its own")?;
        let width = engines.iter().map(|engine| engine.len()).max().unwrap_or(0);
        let mut answers = Vec::new();
        let mut outcomes = Vec::new();
        let mut status = Status::Ok;
        for (engine, reply) in engines.iter().zip(replies) {
            let said = match reply {
                Reply::Ran(ran) => {
                    let answer = Answer::new(*engine, Verdict::of(&ran.outcome, &entry.source)).with_memory(ran.memory);
                    let times = format!("  (compiled in {}, ran in {})", time(ran.compile), time(ran.run));
                    let said = shown(&answer) + if self.shows_times { &times } else { "" };
                    answers.push(answer);
                    outcomes.push(ran.outcome);
                    said
                }
                Reply::Refused(reason) => {
                    status = status.max(Status::Usage);
                    reason
                }
                Reply::Crashed(ended) => {
                    let crashed = if ended.is_from_outside() { Status::Usage } else { Status::Disagreement };
                    status = status.max(crashed);
                    format!("the process of the engine ended: {ended}")
                }
                Reply::TimedOut => {
                    status = status.max(Status::Stopped);
                    "ended at the time limit".into()
                }
                Reply::Interrupted => {
                    status = status.max(Status::Stopped);
                    // The terminal has echoed `^C`.
                    writeln!(self.out)?;
                    "interrupted".into()
                }
            };
            writeln!(self.out, "{engine:<width$}  {said}")?;
        }
        if status == Status::Disagreement || !agree(&answers) {
            writeln!(self.out, "the engines DISAGREE")?;
        } else if answers.len() > 1 {
            writeln!(self.out, "{} agree", count(answers.len(), "engine"))?;
        }
        show_traps(&outcomes, &entry.source);
        Ok(status.max(worst(&answers)))
    }

    fn obey(&mut self, command: Command) -> Result<Status> {
        match command {
            Command::Quit => {}
            Command::Help => write!(self.out, "{}", commands::help())?,
            Command::Tree => {
                let (last, _) = self.last()?;
                let tree = tree(last, 0..last.own.end);
                write!(self.out, "{tree}")?;
            }
            Command::ShowTrees(shows) => self.shows_trees = shows,
            Command::Time(shows) => {
                self.shows_times = shows.unwrap_or(!self.shows_times);
                writeln!(self.out, "times are {}", if self.shows_times { "shown" } else { "not shown" })?;
            }
            Command::Asm(isa) => self.list_code(isa.unwrap_or_else(IsaName::of_host), Stage::Asm)?,
            Command::Ssa => self.list_code(IsaName::of_host(), Stage::Ssa)?,
            Command::Lir => self.list_code(IsaName::of_host(), Stage::Lir)?,
            Command::Engines => self.list_engines()?,
            Command::Engine(engine) => {
                check_engine(engine)?;
                (self.engine, self.is_available) = (engine, true);
                writeln!(self.out, "comparing `{INTERPRETER}` with `{engine}`")?;
            }
            Command::Language(language) => self.speak(language)?,
            Command::List => {
                let (text, _) = self.session.text(self.language);
                write!(self.out, "{}", printable_lines(&text))?;
            }
            Command::Clear => self.session.clear(self.language),
            Command::Load { path, inputs } => return self.load(&path, inputs),
            Command::Save { path, replaces } => self.save(&path, replaces)?,
        }
        Ok(Status::Ok)
    }

    fn last(&self) -> Result<&(Entry, Limits)> {
        self.last.as_ref().context("there is no program yet: type one first")
    }

    /// Prints a stage of the last program, as it was compiled for its run.
    fn list_code(&mut self, isa: IsaName, stage: Stage) -> Result<()> {
        let (entry, limits) = self.last()?;
        let Some(tier) = tier(self.engine) else {
            bail!("engine `{}` emits no machine code; `:engine {DEFAULT_ENGINE}` does", self.engine);
        };
        if stage == Stage::Ssa && !matches!(tier, AnyTier::Optimizing(_)) {
            bail!("engine `{}` has no SSA form; `:engine ssa` does", self.engine);
        }
        let options = limits.run(&[]).options();
        let code = lower(&entry.program, options.limits(), options.metered)?;
        let listing = listing_for(isa, &code, &entry.source, self.engine, tier, stage)?;
        write!(self.out, "{listing}")?;
        Ok(())
    }

    fn list_engines(&mut self) -> Result<()> {
        writeln!(self.out, "`{INTERPRETER}` is compared with the engine that has a star:")?;
        for name in registry::names().filter(|name| *name != INTERPRETER) {
            let mark = if name == self.engine { "*" } else { " " };
            let why_not = registry::availability(name).err();
            let why_not = why_not.map_or(String::new(), |reason| format!(" (does not run here: {reason})"));
            writeln!(self.out, "{mark} {name}{why_not}")?;
        }
        Ok(())
    }

    fn speak(&mut self, language: Language) -> Result<()> {
        self.language = language;
        writeln!(self.out, "the language is now `{}`", language.name())?;
        Ok(())
    }

    fn load(&mut self, path: &Path, inputs: Option<Vec<i64>>) -> Result<Status> {
        if path.as_os_str() == "-" {
            bail!("the prompt itself may read standard input; `./-` is a file with that name");
        }
        // Ctrl-C does not end the reading, so pipes and devices are refused.
        let bytes = files::read(path, Source::MAX_BYTES as u64);
        let source = Source::of_file(path, bytes.with_context(|| format!("cannot read `{}`", path.display()))?);
        let mut limits = self.limits;
        let inputs = match inputs {
            Some(inputs) => inputs,
            None => match cases(&source)?.into_iter().next() {
                Some(case) => {
                    say(format_args!("note: no inputs given; using the case on line {}", case.line));
                    limits = limits.or_of(&case);
                    case.inputs
                }
                None => Vec::new(),
            },
        };
        let inputs = check_input_count(inputs, limits.run(&[]).stack_limit)?;
        self.enter(source, Origin::File, &inputs, limits)
    }

    fn save(&mut self, path: &Path, replaces: bool) -> Result<()> {
        let (text, number) = self.session.text(self.language);
        if number == 0 {
            bail!("there is nothing to save: no definition or array of the language `{}`", self.language.name());
        }
        // `:load` takes the language from the name.
        let language = Source::of_file(path, "").language();
        if language != self.language {
            bail!(
                "the name of a file in the language `{}` must {}end in `.{}`",
                self.language.name(),
                if self.language == Language::Let { "" } else { "not " },
                Language::Let.extension(),
            );
        }
        let shown = path.display().to_string();
        let shown = printable(&shown);
        let exists = fs::symlink_metadata(path).is_ok();
        if replaces {
            files::replace(path, text)?;
        } else if exists {
            bail!("`{shown}` exists; `:save!` replaces it");
        } else {
            files::create(path, text)?;
        }
        let verb = if exists { "replaced" } else { "saved" };
        writeln!(self.out, "{verb} `{shown}`: {}", count(number, "declaration"))?;
        Ok(())
    }
}

/// The tree of a program as text, with the declarations in a part of its text.
fn tree(entry: &Entry, names: Range<u32>) -> String {
    let ast = entry.program.ast();
    let tree = match entry.source.language() {
        Language::Stack => print::print_part(ast, names, entry.runs),
        Language::Let => print::print_part(&ast.with_safe_names(), names, entry.runs),
    };
    printable_lines(&tree)
}

/// An answer, in which an empty stack can be seen.
fn shown(answer: &Answer) -> String {
    let said = answer.to_string();
    if matches!(&answer.verdict, Verdict::Done(values) if values.is_empty()) { format!("(empty){said}") } else { said }
}

/// A time with three or more digits.
fn time(time: Duration) -> String {
    let nanoseconds = time.as_nanos() as f64;
    match nanoseconds {
        ..1e6 => format!("{:.1} us", nanoseconds / 1e3),
        ..1e9 => format!("{:.1} ms", nanoseconds / 1e6),
        _ => format!("{:.1} s", nanoseconds / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// What a session without a terminal reads first, if an entry has at most this many bytes.
    fn read(input: impl io::Read, most_bytes: usize) -> Result<Option<Typed>> {
        let mut prompt = Prompt {
            out: &mut Output::default(),
            session: Session::default(),
            language: Language::Stack,
            engine: DEFAULT_ENGINE,
            is_available: true,
            limits: Limits { fuel: None, stack: None, calls: None },
            timeout: None,
            shows_trees: true,
            shows_times: false,
            interrupts: None,
            last: None,
            most_bytes,
            next_line: 1,
            status: Status::Ok,
        };
        prompt.read(&mut Piped { input: BufReader::new(input), most_bytes })
    }

    #[test]
    fn an_entry_has_a_greatest_size() {
        let limited = |text: String| read(io::Cursor::new(text), 100);
        let Ok(Some(Typed::Text(text, 1))) = limited("( \n".to_owned() + &" \n".repeat(46) + ") 1\n2\n") else {
            panic!("it is short enough")
        };
        assert_eq!(text.len(), 99);
        for long in [
            "( \n".repeat(100),
            "1 if\n".repeat(100),
            "1 ".repeat(60) + "\n2\n",
            " ".repeat(200),
            format!(":load {}", "x".repeat(100)),
        ] {
            let error = limited(long.clone()).err().unwrap_or_else(|| panic!("{long}"));
            assert_eq!(error.to_string(), "the entry that begins in line 1 has more than 100 bytes");
        }
        read(io::repeat(b' '), 100).err().expect("it is endless");
    }
}
