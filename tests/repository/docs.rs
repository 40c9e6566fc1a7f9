//! Every output in the README and in `docs/` matches what the binary prints today, or is dated.

use std::path::{Path, PathBuf};

use crate::binary::{file, folder, jitduel, python};
use jitduel::registry::{PEERS, all_names};

/// A fenced block of a page.
struct Block {
    /// The page and the line of the fence.
    at: String,
    kind: String,
    lines: Vec<String>,
    /// The paragraph directly above.
    above: String,
}

/// A command in a block, with the output below it.
struct Shown {
    command: String,
    output: Vec<String>,
}

/// Matches any number of lines.
const LEFT_OUT: &str = "…";

/// The kinds of fenced blocks: commands with output, commands alone, and other text.
const KINDS: [&str; 3] = ["console", "sh", "text"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let docs = std::fs::read_dir(root().join("docs")).expect("it is there");
    let mut pages: Vec<_> = docs.map(|entry| entry.expect("it can be read").path()).collect();
    pages.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.push(root().join("README.md"));
    pages.sort();
    pages
}

fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut above = String::new();
    let mut was_blank = true;
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let inside = lines.by_ref().map(|(_, line)| line.to_owned()).take_while(|line| line != "```").collect();
            blocks.push(Block {
                at: format!("{page}:{}", index + 1),
                kind: kind.into(),
                lines: inside,
                above: above.clone(),
            });
            above.clear();
        } else if line.is_empty() {
            was_blank = true;
        } else {
            if std::mem::take(&mut was_blank) {
                above.clear();
            }
            above += line;
            above.push('\n');
        }
    }
    blocks
}

/// Whether a text contains a date such as 2026-11-21.
fn is_dated(text: &str) -> bool {
    let is_day = |word: &str| {
        let form: String = word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        form == "0000-00-00"
    };
    text.split(|c: char| !c.is_ascii_digit() && c != '-').any(is_day)
}

fn shown(block: &Block) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for line in &block.lines {
        match (line.strip_prefix("$ "), all.last_mut()) {
            (Some(command), _) => all.push(Shown { command: command.into(), output: Vec::new() }),
            (None, Some(last)) => last.output.push(line.clone()),
            (None, None) => panic!("{}: output without its command", block.at),
        }
    }
    all
}

/// The arguments of a `jitduel` command line, as a shell splits them; `None` for other commands.
fn arguments(command: &str) -> Option<Vec<String>> {
    let rest = command.strip_prefix("jitduel ").or_else(|| command.strip_prefix("cargo run --release -- "))?;
    let mut arguments = Vec::new();
    for (index, part) in rest.split('\'').enumerate() {
        match index % 2 {
            1 => arguments.push(part.to_owned()),
            _ => arguments.extend(part.split_whitespace().map(str::to_owned)),
        }
    }
    // The pages show a build without the peers.
    let takes_all = ["check", "fuzz"].contains(&&*arguments[0]) && !arguments.iter().any(|word| word == "--engine");
    if cfg!(feature = "peers") && takes_all {
        let ours: Vec<&str> = all_names().filter(|name| !PEERS.contains(name)).collect();
        arguments.extend(["--engine".into(), ours.join(",")]);
    }
    Some(arguments)
}

fn matches(expected: &[String], lines: &[String]) -> bool {
    match expected {
        [] => lines.is_empty(),
        [first, rest @ ..] if first == LEFT_OUT => (0..=lines.len()).any(|skipped| matches(rest, &lines[skipped..])),
        [first, rest @ ..] => lines.first() == Some(first) && matches(rest, &lines[1..]),
    }
}

/// The name of the program that a block shows: its first line is a comment with the name of a file.
fn program(block: &Block) -> Option<&str> {
    let name = block.lines.first()?.strip_prefix("\\ ")?;
    (block.kind == "text" && name.ends_with(".stk") && !name.contains([' ', '/'])).then_some(name)
}

/// The folder in which a page's commands run: one with the programs that the page shows, if it shows any.
fn current_dir(page: &str, blocks: &[Block]) -> PathBuf {
    let programs: Vec<_> = blocks.iter().filter_map(|block| Some((program(block)?, block))).collect();
    if programs.is_empty() {
        return root().to_owned();
    }
    let folder = folder(page);
    for (name, block) in programs {
        assert!(!folder.join(name).exists(), "{}: a second `{name}`", block.at);
        file(&folder, name, block.lines.join("\n") + "\n");
    }
    folder
}

/// What precedes a line that is typed at a prompt: the first one of a program, or another.
const PROMPTS: [&str; 2] = ["> ", "| "];

/// A session at a prompt: the lines that the page shows as its answers, and those that it prints. Times are left out of both.
fn session(shown: &[String], current_dir: &Path) -> (Vec<String>, Vec<String>) {
    let typed = |line: &String| PROMPTS.iter().find_map(|prompt| line.strip_prefix(prompt)).map(str::to_owned);
    let stdin: String = shown.iter().filter_map(typed).map(|line| line + "\n").collect();
    // Standard output and standard error in the order in which they are printed.
    let ended = jitduel(["repl"]).current_dir(current_dir).stdin(stdin).by_shell("exec \"$@\" 2>&1").run();
    let without_times = |line: &str| line.split("  (compiled in ").next().expect("a split has a first part").to_owned();
    let expected = shown.iter().filter(|line| typed(line).is_none()).map(|line| without_times(line)).collect();
    (expected, ended.stdout.lines().map(without_times).collect())
}

/// The fault of a block, if any. Its commands run in this folder.
fn fault(block: &Block, current_dir: &Path) -> Option<String> {
    if !KINDS.contains(&&*block.kind) {
        return Some(format!("{}: a block of the kind `{}`", block.at, block.kind));
    }
    if block.kind != "console" {
        let is_command = |line: &String| line.starts_with("$ ");
        return block.lines.iter().any(is_command).then(|| format!("{}: commands with output are `console`", block.at));
    }
    if is_dated(&block.above) {
        return None;
    }
    shown(block).into_iter().find_map(|Shown { command, output }| {
        let Some(arguments) = arguments(&command) else {
            return Some(format!("{}: `{command}` is not ours: date the block", block.at));
        };
        // The example of an external VM is in Python.
        if command.contains("python3") && python().is_none() {
            return None;
        }
        if arguments == ["repl"] {
            let (output, lines) = session(&output, current_dir);
            let wrong =
                || format!("{}: the session prints\n{}\nnot\n{}", block.at, lines.join("\n"), output.join("\n"));
            return (!matches(&output, &lines)).then(wrong);
        }
        let ended = jitduel(arguments).current_dir(current_dir).run();
        let lines: Vec<String> = ended.stdout.lines().chain(ended.stderr.lines()).map(str::to_owned).collect();
        let wrong = || format!("{}: `{command}` prints\n{}\nnot\n{}", block.at, lines.join("\n"), output.join("\n"));
        (!matches(&output, &lines)).then(wrong)
    })
}

#[test]
fn every_output_on_a_page_is_current_or_dated() {
    let mut consoles = 0;
    let mut faults = Vec::new();
    for path in pages() {
        let text = std::fs::read_to_string(&path).expect("it is UTF-8");
        let name = path.strip_prefix(root()).expect("it is ours").display().to_string();
        let blocks = blocks(&name, &text);
        consoles += blocks.iter().filter(|block| block.kind == "console").count();
        let current_dir = current_dir(&name, &blocks);
        faults.extend(blocks.iter().filter_map(|block| fault(block, &current_dir)));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(consoles >= 8, "only {consoles} blocks");
}

#[test]
fn a_block_that_is_neither_is_a_fault() {
    let faulty = |text: &str| {
        let blocks = blocks("page", text);
        let current_dir = current_dir("page", &blocks);
        blocks.iter().filter_map(|block| fault(block, &current_dir)).collect::<Vec<_>>()
    };
    assert_eq!(faulty("Text.\n\n```console\n$ jitduel run -e '1 2'\n1 2\n```\n"), [""; 0]);
    assert_eq!(faulty("```console\n$ jitduel run -e '1 2'\n…\n$ jitduel run -e 3\n3\n```\n"), [""; 0]);
    let [fault] = &faulty("Text.\n\n```console\n$ jitduel run -e '1 2'\n1 3\n```\n")[..] else {
        panic!("it is not found")
    };
    assert!(fault.starts_with("page:3: `jitduel run -e '1 2'` prints\n1 2\nnot\n1 3"), "{fault}");
    assert!(faulty("Text.\n\n```console\n$ perf report\n```\n")[0].contains("date the block"));
    assert!(faulty("Of 2026-11-21.\n\nText.\n\n```console\n$ perf report\n```\n")[0].contains("date the block"));
    assert_eq!(faulty("Of 2026-11-21.\n\n```console\n$ perf report\n```\n"), [""; 0]);
    assert!(faulty("```\n1 2\n```\n")[0].contains("a block of the kind ``"));
    assert!(faulty("```text\n$ jitduel engines\n```\n")[0].contains("are `console`"));
}

#[test]
fn a_session_at_a_prompt_is_compared_with_its_answers() {
    let faults = |text: &str| {
        let blocks = blocks("page", text);
        let current_dir = current_dir("page", &blocks);
        blocks.iter().filter_map(|block| fault(block, &current_dir)).count()
    };
    let session = "Text.\n\n```console\n$ jitduel repl\n> :tree off\n> 1 if\n|  2 else 3 end\nbytecode  2\njit       2\n2 engines agree\n\
                   > :oops\nerror: there is no command `:oops`; `:help` shows them\n```\n";
    assert_eq!(faults(session), 0);
    assert_eq!(faults(&session.replace("jit       2", "jit       2  (compiled in 1 us, ran in 2 us)")), 0);
    for (right, wrong) in
        [("> 1 if", "> 0 if"), ("bytecode  2", "bytecode  3"), ("2 engines agree\n", ""), ("`:help`", "`")]
    {
        assert_eq!(faults(&session.replace(right, wrong)), 1, "{wrong}");
    }
}

/// The table of commands is that of the prompt's help.
#[test]
fn the_commands_of_the_prompt_are_those_of_its_help() {
    let page = std::fs::read_to_string(root().join("docs/REPL.md")).expect("it is UTF-8");
    let table = page.split_once("| command | what it does |\n| --- | --- |\n").expect("it has the table").1;
    let row = |line: &str| {
        let (command, what) = line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | ")?;
        Some(format!("{:<22} {what}", command.replace("\\|", "|")))
    };
    let rows: Vec<String> = table.lines().map_while(row).collect();
    let help = jitduel(["repl"]).stdin(":help\n").run().stdout;
    let commands: Vec<&str> = help.lines().filter(|line| line.starts_with(':')).collect();
    assert_eq!(rows, commands);
    assert!(rows.len() >= 12, "{rows:?}");
}

/// Each block of the tutorial is a program or commands that run on every test. Each program is run by the next block.
#[test]
fn every_program_of_the_tutorial_is_run() {
    let text = std::fs::read_to_string(root().join("docs/TUTORIAL.md")).expect("it is UTF-8");
    let blocks = blocks("docs/TUTORIAL.md", &text);
    let mut programs = 0;
    for (index, block) in blocks.iter().enumerate() {
        if block.kind == "console" {
            assert!(!is_dated(&block.above), "{}: a date exempts it from the test", block.at);
            continue;
        }
        let name = program(block).unwrap_or_else(|| panic!("{}: the first line is not the name of a file", block.at));
        let next = blocks.get(index + 1).filter(|next| next.kind == "console");
        let shown = next.map(shown).unwrap_or_default();
        let runs =
            |shown: &Shown| shown.command.starts_with(&format!("jitduel run {name}")) && shown.output != [LEFT_OUT];
        assert!(shown.iter().any(runs), "{}: the next block does not run it", block.at);
        programs += 1;
    }
    assert!(programs >= 8, "only {programs} programs");
}

#[test]
fn programs_of_a_page_can_be_run_by_name() {
    let text = "```text\n\\ a.stk\n1 2\n```\n\n```console\n$ jitduel run a.stk\n1 2\n```\n";
    let blocks = blocks("programs", text);
    let current_dir = current_dir("programs", &blocks);
    assert_eq!(std::fs::read_to_string(current_dir.join("a.stk")).expect("it was written"), "\\ a.stk\n1 2\n");
    assert!(blocks.iter().all(|block| fault(block, &current_dir).is_none()));
    assert!(fault(&blocks[1], root()).is_some(), "it is not in the repository");
}
