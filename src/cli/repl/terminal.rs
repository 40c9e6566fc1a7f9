//! The prompt at a terminal: editing, the history and completion.

use std::collections::VecDeque;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustyline::completion::{Completer, FilenameCompleter};
use rustyline::config::{BellStyle, CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};

use super::commands;
use super::history;
use super::lines::{Input, Lines};
use super::session::Session;
use crate::cli::input::warn;
use crate::lang::{Language, printable, words};
use crate::letlang;
use crate::registry;

/// What precedes the first line of a program, and its other lines.
const PROMPTS: [&str; 2] = ["> ", "| "];

/// What can be completed in programs.
pub struct Words {
    words: Vec<String>,
    language: Language,
}

impl Words {
    /// The words of a language and the names that stay.
    pub fn new(session: &Session, language: Language) -> Words {
        let known: Vec<&str> = match language {
            Language::Stack => words::spellings().collect(),
            Language::Let => letlang::KEYWORDS.to_vec(),
        };
        // The names of a loaded file may have characters that a terminal would interpret.
        let names = session.names(language).filter(|name| printable(name) == *name);
        let mut words: Vec<String> = known.into_iter().chain(names).map(str::to_owned).collect();
        words.sort();
        Words { words, language }
    }

    /// The part of a line that is to be completed begins at the first value. The second are the words that begin like it.
    fn complete(&self, line: &str, position: usize) -> (usize, Vec<String>) {
        let before = &line[..position];
        let is_part = |c: char| match self.language {
            Language::Stack => !c.is_whitespace(),
            Language::Let => c.is_alphanumeric() || c == '_',
        };
        let start_of = |is_part: &dyn Fn(char) -> bool| {
            before.char_indices().rev().take_while(|(_, c)| is_part(*c)).last().map_or(position, |(at, _)| at)
        };
        let fitting = |start: usize, words: &mut dyn Iterator<Item = &str>| {
            (start, words.filter(|word| word.starts_with(&before[start..])).map(str::to_owned).collect())
        };
        if !commands::is_command(before) && before.trim() != ":" {
            return fitting(start_of(&is_part), &mut self.words.iter().map(String::as_str));
        }
        let start = start_of(&|c| !c.is_whitespace());
        match before.split_whitespace().next() {
            Some(command) if start == before.find(command).unwrap_or(0) => {
                fitting(start, &mut commands::TABLE.iter().map(|row| row.name))
            }
            Some(":engine") => fitting(start, &mut registry::names()),
            Some(":asm") => fitting(start, &mut ["aarch64", "x86_64"].into_iter()),
            Some(":time" | ":tree") => fitting(start, &mut ["off", "on"].into_iter()),
            _ => (position, Vec::new()),
        }
    }

    /// Whether the name of a file is due.
    fn is_file(line: &str) -> bool {
        [":load ", ":save ", ":save! "].iter().any(|command| line.trim_start().starts_with(command))
    }
}

/// What the editor asks while a line is edited.
struct Helping {
    words: Words,
    files: FilenameCompleter,
}

impl Completer for Helping {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, context: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        if Words::is_file(&line[..position]) {
            let (start, pairs) = self.files.complete(line, position, context)?;
            return Ok((start, pairs.into_iter().map(|pair| pair.replacement).collect()));
        }
        Ok(self.words.complete(line, position))
    }
}

impl Hinter for Helping {
    type Hint = String;
}

impl Highlighter for Helping {}

impl Validator for Helping {}

impl Helper for Helping {}

/// A terminal with a line editor.
pub struct Terminal {
    editor: Editor<Helping, MemHistory>,
    /// The file of the history. `None` if it cannot be written or has no folder.
    history: Option<PathBuf>,
    /// Lines that were pasted behind a command.
    pasted: VecDeque<String>,
}

impl Terminal {
    /// Opens the terminal and reads the history.
    ///
    /// # Errors
    /// If the system does not let the terminal be used.
    pub fn open() -> Result<Terminal> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .bell_style(BellStyle::None)
            .max_history_size(history::MOST_ENTRIES)
            .and_then(|config| config.history_ignore_dups(true))
            .context("cannot configure the line editor")?
            .build();
        let remembered = MemHistory::with_config(&config);
        let mut editor = Editor::with_history(config, remembered).context("cannot use the terminal")?;
        let history = history::path().filter(|path| match prepare_history(&mut editor, path) {
            Ok(()) => true,
            Err(error) => {
                warn(format_args!("there is no history: {error:#}"));
                false
            }
        });
        Ok(Terminal { editor, history, pasted: VecDeque::new() })
    }
}

/// Creates the folder of the history, which only the user can read, and gives the entries to the editor.
fn prepare_history(editor: &mut Editor<Helping, MemHistory>, path: &Path) -> Result<()> {
    let folder = path.parent().context("it has no folder")?;
    let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    created.with_context(|| format!("cannot create `{}`", folder.display()))?;
    for entry in history::read(path)? {
        editor.add_history_entry(entry)?;
    }
    Ok(())
}

impl Lines for Terminal {
    fn next(&mut self, is_first: bool, words: &dyn Fn() -> Words) -> Result<Input> {
        if let Some(line) = self.pasted.pop_front() {
            return Ok(Input::Line(line.into_bytes()));
        }
        self.editor.set_helper(Some(Helping { words: words(), files: FilenameCompleter::new() }));
        match self.editor.readline(PROMPTS[usize::from(!is_first)]) {
            Ok(text) if is_first && commands::is_command(&text) => {
                let mut lines = text.lines().map(str::to_owned);
                let command = lines.next().unwrap_or_default();
                self.pasted.extend(lines);
                Ok(Input::Line(command.into_bytes()))
            }
            Ok(text) => Ok(Input::Line(text.into_bytes())),
            Err(ReadlineError::Interrupted) => Ok(Input::Interrupted),
            Err(ReadlineError::Eof) => Ok(Input::End),
            Err(error) => Err(error).context("cannot read from the terminal"),
        }
    }

    fn remember(&mut self, text: &str) {
        // Without room in memory there is no history, and nothing else is lost.
        let is_new = self.editor.add_history_entry(text).unwrap_or(false);
        // Each entry is written at once, so that it survives whatever ends the session.
        if is_new
            && let Some(path) = &self.history
            && let Err(error) = history::add(path, text)
        {
            warn(format_args!("the history is no longer written: {error:#}"));
            self.history = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::repl::session::Origin;
    use crate::lang::Source;

    #[test]
    fn a_name_that_a_terminal_would_interpret_is_not_completed() {
        let mut session = Session::default();
        let source = Source::new("file", ": \u{1b}x ( -- ) ; : y' ( -- ) ;");
        assert!(session.enter(source, Origin::File, 0).is_ok());
        let Words { words, .. } = Words::new(&session, Language::Stack);
        assert!(words.contains(&"y'".to_owned()) && !words.contains(&"\u{1b}x".to_owned()), "{words:?}");
    }

    #[test]
    fn words_names_and_commands_are_completed() {
        let words = |language| Words { words: vec!["swap".into(), "square".into(), "times".into()], language };
        let complete = |language, line: &str| words(language).complete(line, line.len());
        let found = |at: usize, words: &[&str]| (at, words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let stack = |line| complete(Language::Stack, line);
        assert_eq!(stack("1 s"), found(2, &["swap", "square"]));
        assert_eq!(stack("é sq"), found(3, &["square"]));
        assert_eq!(stack("1 (s"), found(2, &[]));
        assert_eq!(complete(Language::Let, "1 + (sq"), found(5, &["square"]));
        assert_eq!(stack(":ti"), found(0, &[":time"]));
        assert_eq!(stack(":"), (0, commands::TABLE.iter().map(|row| row.name.to_owned()).collect()));
        assert_eq!(stack(":engine jit-n"), found(8, &["jit-naive"]));
        assert_eq!(stack(":asm "), found(5, &["aarch64", "x86_64"]));
        assert_eq!(stack(": f ( -- ) ti"), found(11, &["times"]));
        assert!(Words::is_file(":load ") && !Words::is_file(":loads ") && !Words::is_file(":asm "));
    }
}
