//! The commands of the prompt: a colon, a name, and what follows it.

use std::borrow::Cow;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;

use crate::cli::asm::IsaName;
use crate::cli::input::Inputs;
use crate::lang::{Language, nearest};
use crate::registry;

/// A command with its arguments.
#[derive(Debug)]
pub enum Command {
    Help,
    Quit,
    /// Show the tree of the last program.
    Tree,
    /// Whether to show the tree of each program.
    ShowTrees(bool),
    Asm(Option<IsaName>),
    Ssa,
    Lir,
    /// Show the engines.
    Engines,
    Engine(&'static str),
    Language(Language),
    /// Show the other setting of times, or set it.
    Time(Option<bool>),
    List,
    Clear,
    Load {
        path: PathBuf,
        /// `None` if there are no arguments. An empty argument is an empty list.
        inputs: Option<Vec<i64>>,
    },
    Save {
        path: PathBuf,
        replaces: bool,
    },
}

/// A row of the table of commands.
pub struct Row {
    /// The name, with the colon.
    pub name: &'static str,
    /// What follows it.
    pub arguments: &'static str,
    /// What it does.
    pub what: &'static str,
}

const fn row(name: &'static str, arguments: &'static str, what: &'static str) -> Row {
    Row { name, arguments, what }
}

/// Every command. docs/REPL.md repeats the table, and a test compares the two.
pub const TABLE: [Row; 17] = [
    row(
        ":tree",
        "[on|off]",
        "show the tree of the last program and of all that it needs; show the tree of each program, or of none",
    ),
    row(":asm", "[aarch64|x86_64]", "show the machine code of the last program"),
    row(":ssa", "", "show the SSA form of the last program, for the engine `ssa`"),
    row(":lir", "", "show the low-level IR of the last program"),
    row(":engine", "[E]", "compare the interpreter with the engine E, or list the engines"),
    row(":let", "", "type programs of the let language"),
    row(":stack", "", "type programs of the stack language"),
    row(":time", "[on|off]", "show times, or no longer"),
    row(":list", "", "show the definitions and arrays that stay"),
    row(":clear", "", "forget the definitions and arrays"),
    row(":load", "FILE [INPUT…]", "load the definitions and arrays of a file, and run its main program"),
    row(":save", "FILE", "save the definitions and arrays as a new file"),
    row(":save!", "FILE", "the same, and replace an older file"),
    row(":help", "", "show the commands"),
    row(":h", "", "the same"),
    row(":quit", "", "leave; Ctrl-D does so too"),
    row(":q", "", "the same"),
];

/// Whether a line is a command: a definition has white space behind its colon.
pub fn is_command(line: &str) -> bool {
    line.trim_start()
        .strip_prefix(':')
        .is_some_and(|name| name.starts_with(|first: char| first.is_alphabetic() || first == '?'))
}

/// The help.
pub fn help() -> String {
    let form = |row: &Row| format!("{} {}", row.name, row.arguments);
    let rows = TABLE.iter().map(|row| format!("{:<22} {}\n", form(row), row.what));
    let rows: String = rows.collect();
    format!(
        "Type a program. Its tree is shown, then it runs on the interpreter and on a JIT compiler.\n\
         Definitions and arrays stay; the stack and the memory are new for each program.\n\n{rows}"
    )
}

impl Command {
    /// Parses a line.
    ///
    /// # Errors
    /// If there is no such command, or its arguments are wrong.
    pub fn parse(line: &str) -> Result<Command> {
        let line = line.trim();
        let (name, rest) = line.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((line, ""));
        let words = shlex::split(rest).with_context(|| format!("a quote is not closed in `{rest}`"))?;
        let row = TABLE.iter().find(|row| row.name == name).ok_or_else(|| unknown(name))?;
        let usage = || anyhow!("write `{}`", format!("{} {}", row.name, row.arguments).trim_end());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Ok(match (name, &words[..]) {
            (":help" | ":h", []) => Command::Help,
            (":quit" | ":q", []) => Command::Quit,
            (":tree", []) => Command::Tree,
            (":tree", [word]) => Command::ShowTrees(switch(word).ok_or_else(usage)?),
            (":asm", []) => Command::Asm(None),
            (":asm", [isa]) => Command::Asm(Some(IsaName::from_str(isa, true).map_err(|_| usage())?)),
            (":ssa", []) => Command::Ssa,
            (":lir", []) => Command::Lir,
            (":engine", []) => Command::Engines,
            (":engine", [engine]) => Command::Engine(engine_named(engine)?),
            (":let", []) => Command::Language(Language::Let),
            (":stack", []) => Command::Language(Language::Stack),
            (":time", []) => Command::Time(None),
            (":time", [word]) => Command::Time(Some(switch(word).ok_or_else(usage)?)),
            (":list", []) => Command::List,
            (":clear", []) => Command::Clear,
            (":load", [path]) => Command::Load { path: file(path), inputs: None },
            (":load", [path, inputs @ ..]) => Command::Load { path: file(path), inputs: Some(numbers(inputs)?) },
            (":save", [path]) => Command::Save { path: file(path), replaces: false },
            (":save!", [path]) => Command::Save { path: file(path), replaces: true },
            _ => return Err(usage()),
        })
    }
}

fn unknown(name: &str) -> anyhow::Error {
    match nearest(name, TABLE.iter().map(|row| Cow::Borrowed(row.name))) {
        Some(nearest) => anyhow!("there is no command `{name}`; did you mean `{nearest}`?"),
        None => anyhow!("there is no command `{name}`; `:help` shows them"),
    }
}

fn switch(word: &str) -> Option<bool> {
    match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn engine_named(name: &str) -> Result<&'static str> {
    if let Some(name) = registry::all_names().find(|known| *known == name) {
        return Ok(name);
    }
    match nearest(name, registry::names().map(Cow::Borrowed)) {
        Some(nearest) => bail!("there is no engine `{name}`; did you mean `{nearest}`?"),
        None => bail!("there is no engine `{name}`; `:engine` lists them"),
    }
}

/// A path, in which `~/` stands for the user's home.
fn file(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => path.into(),
    }
}

fn numbers(words: &[&str]) -> Result<Vec<i64>> {
    let mut numbers = Vec::new();
    for word in words {
        let Inputs(mut values) = word.parse().map_err(anyhow::Error::msg)?;
        numbers.append(&mut values);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_no_command() {
        assert!(is_command(":help") && is_command("  :asm x86_64") && is_command(":nonsense"));
        assert!(!is_command(": f ( -- ) ;") && !is_command(":") && !is_command("1 :x") && !is_command(":1"));
    }

    #[test]
    fn every_command_of_the_table_is_understood() {
        for Row { name, arguments, .. } in TABLE {
            let argument = match arguments {
                "" | "[on|off]" | "[aarch64|x86_64]" | "[E]" => "",
                "FILE" | "FILE [INPUT…]" => "'some file'",
                other => panic!("{other}"),
            };
            Command::parse(&format!("{name} {argument}")).unwrap_or_else(|error| panic!("{name}: {error}"));
            let wrong = format!("{name} nonsense -- nonsense");
            Command::parse(&wrong).expect_err(&wrong);
        }
    }

    #[test]
    fn messages_say_what_would_be_right() {
        let error = |line: &str| Command::parse(line).expect_err(line).to_string();
        assert_eq!(error(":hlep"), "there is no command `:hlep`; did you mean `:help`?");
        assert_eq!(error(":frobnicate"), "there is no command `:frobnicate`; `:help` shows them");
        assert_eq!(error(":engine rges"), "there is no engine `rges`; did you mean `regs`?");
        assert_eq!(error(":asm mips"), "write `:asm [aarch64|x86_64]`");
        assert_eq!(error(":load"), "write `:load FILE [INPUT…]`");
        assert_eq!(error(":load 'x"), "a quote is not closed in `'x`");
    }

    #[test]
    fn files_have_inputs_and_may_have_spaces_in_their_names() {
        for (line, expected) in [
            (":load 'a b.stk' 1,2 -3", Some(vec![1, 2, -3])),
            (":load 'a b.stk' ''", Some(Vec::new())),
            (":load 'a b.stk'", None),
        ] {
            let Ok(Command::Load { path, inputs }) = Command::parse(line) else { panic!("{line}") };
            assert_eq!((path.to_str(), inputs), (Some("a b.stk"), expected), "{line}");
        }
    }
}
