//! Imports never climb: every room of the crate has a floor, and names only rooms on lower floors.
//!
//! The check reads the text of `src/` and not what the compiler makes of it: comments and literals are cut out, and
//! every path that begins at the crate's root counts, in `use` or anywhere else.

use std::collections::BTreeSet;
use std::path::Path;

/// The rooms directly under the crate's root, each with its floor.
const FLOORS: [(&str, u32); 25] = [
    ("files", 0),
    ("parallel_moves", 0),
    ("host_stack", 0),
    ("lir", 0),
    ("lang", 1),
    ("outcome", 2),
    ("corpus", 3),
    ("export", 3),
    ("isa", 3),
    ("exec", 3),
    ("bytecode", 4),
    ("engine", 5),
    ("interp", 6),
    ("jit", 6),
    ("regs", 6),
    ("peers", 6),
    ("tiers", 7),
    ("registry", 8),
    // Measures with the referee, and knows no other engine.
    ("generate", 8),
    ("oracle", 9),
    ("bench", 9),
    ("report", 10),
    ("cli", 11),
    ("main", 12),
    // The root only names the rooms.
    ("lib", 12),
];

/// Imports that are forbidden although they go down: the machine's rooms know nothing of the language.
const FORBIDDEN: [(&str, &str); 4] = [("isa", "lang"), ("isa", "outcome"), ("exec", "lang"), ("exec", "outcome")];

fn floor(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

// Reading.

/// An identifier, or a punctuation character; `::` is one token.
type Token = String;

/// The text's identifiers and punctuation, without comments, literals and lifetimes.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let begins = |what: &str| what.chars().enumerate().all(|(index, c)| rest.get(index) == Some(&c));
        if begins("//") {
            at += rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
        } else if begins("/*") {
            let mut depth = 0;
            while at < chars.len() {
                match (chars[at], chars.get(at + 1)) {
                    ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
                    ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
                    _ => at += 1,
                }
                if depth == 0 {
                    break;
                }
            }
        } else if let Some(hashes) = raw_string(rest) {
            let opening = rest.iter().position(|c| *c == '"').expect("a raw string has a quote") + 1;
            let end: String = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            let behind: String = rest[opening..].iter().collect();
            let length = behind.find(&end).map_or(behind.chars().count(), |index| behind[..index].chars().count());
            at += opening + length + end.len();
        } else if rest[0] == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if rest[0] == '\'' {
            // A character, or else a lifetime, of which the name is then no identifier.
            if rest.get(1) == Some(&'\\') {
                at += 3;
                at += chars[at..].iter().position(|c| *c == '\'').map_or(0, |index| index + 1);
            } else if rest.get(2) == Some(&'\'') {
                at += 3;
            } else {
                at += 1 + rest[1..].iter().take_while(|c| is_name(**c)).count();
            }
        } else if is_name(rest[0]) {
            let length = rest.iter().take_while(|c| is_name(**c)).count();
            tokens.push(rest[..length].iter().collect());
            at += length;
        } else if begins("::") {
            tokens.push("::".into());
            at += 2;
        } else {
            if !rest[0].is_whitespace() {
                tokens.push(rest[0].into());
            }
            at += 1;
        }
    }
    tokens
}

/// How many hashes a raw string that begins here has.
fn raw_string(rest: &[char]) -> Option<usize> {
    let prefix = rest.iter().take_while(|c| matches!(c, 'b' | 'r')).count();
    if !matches!(rest[..prefix], ['r'] | ['b', 'r']) {
        return None;
    }
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    (rest.get(prefix + hashes) == Some(&'"')).then_some(hashes)
}

/// A room that a file names, and whether only its tests do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Import {
    room: String,
    in_tests: bool,
}

/// The rooms that paths in a file begin with. `depth` is how many modules the file's module lies below the root.
fn imports(text: &str, depth: usize) -> BTreeSet<Import> {
    let tokens = tokens(text);
    let token = |index: usize| tokens.get(index).map_or("", String::as_str);
    let mut found = BTreeSet::new();
    // Modules inside of the file: at how many open braces they began, and whether they are for tests.
    let mut inner: Vec<(usize, bool)> = Vec::new();
    let mut braces = 0;
    let mut index = 0;
    while index < tokens.len() {
        let in_tests = inner.iter().any(|(_, tests)| *tests);
        match token(index) {
            "{" => braces += 1,
            "}" => {
                braces -= 1;
                inner.pop_if(|(at, _)| *at == braces);
            }
            "mod" if token(index + 2) == "{" => {
                let before: Vec<_> = tokens[..index].iter().rev().take(7).rev().map(String::as_str).collect();
                inner.push((braces, before == ["#", "[", "cfg", "(", "test", ")", "]"]));
            }
            "crate" if token(index + 1) == "::" => {
                for room in first_names(&tokens, index + 2) {
                    found.insert(Import { room, in_tests });
                }
            }
            "super" if token(index.wrapping_sub(1)) != "::" => {
                let mut climbed = 1;
                while token(index + 1) == "::" && token(index + 2) == "super" {
                    (climbed, index) = (climbed + 1, index + 2);
                }
                if climbed == depth + inner.len() && token(index + 1) == "::" {
                    for room in first_names(&tokens, index + 2) {
                        found.insert(Import { room, in_tests });
                    }
                }
            }
            _ => {}
        }
        index += 1;
    }
    found
}

/// The names with which the paths at a place begin: one, or those of a group in braces.
fn first_names(tokens: &[Token], at: usize) -> Vec<String> {
    if tokens.get(at).is_none_or(|token| token != "{") {
        return tokens.get(at).into_iter().cloned().collect();
    }
    let (mut names, mut depth, mut begins) = (Vec::new(), 0, false);
    for token in &tokens[at..] {
        match token.as_str() {
            "{" => (depth, begins) = (depth + 1, depth == 0),
            "}" => depth -= 1,
            "," => begins = depth == 1,
            name => {
                if begins && depth == 1 {
                    names.push(name.into());
                }
                begins = false;
            }
        }
        if depth == 0 {
            break;
        }
    }
    names
}

// Judging.

/// A file's path inside `src/`, as the room that it belongs to and how deep its module lies below the root.
fn place(path: &str) -> (String, usize) {
    let names: Vec<_> = path.strip_suffix(".rs").expect("a Rust file").split('/').collect();
    let depth = names.len() - usize::from(matches!(names[..], [.., "mod" | "lib" | "main"]));
    (names[0].into(), depth)
}

/// What is wrong with the imports of a file.
fn faults(path: &str, text: &str) -> Vec<String> {
    let (room, depth) = place(path);
    let unknown = |room: &str| {
        format!("{path}: no floor is known for `{room}`: give it one in FLOORS of tests/repository/layers.rs")
    };
    let Some(own) = floor(&room) else { return vec![unknown(&room)] };
    let mut faults = Vec::new();
    for Import { room: other, in_tests } in imports(text, depth) {
        if other == room {
            continue;
        }
        match floor(&other) {
            None => faults.push(unknown(&other)),
            Some(floor) if floor > own => {
                faults.push(format!("{path}: `{room}` on floor {own} climbs to `{other}` on floor {floor}"));
            }
            Some(floor) if floor == own && !in_tests => {
                faults.push(format!("{path}: `{room}` and `{other}` are different rooms of floor {floor}"));
            }
            Some(_) if FORBIDDEN.contains(&(room.as_str(), other.as_str())) => {
                faults.push(format!("{path}: `{room}` must know nothing of `{other}`"));
            }
            Some(_) => {}
        }
    }
    faults
}

fn files(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("the sources are there") {
        let path = entry.expect("they can be read").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn imports_never_climb() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    paths.sort();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for path in &paths {
        let text = std::fs::read_to_string(path).expect("it can be read");
        let inside = path.strip_prefix(&root).expect("it lies in src").to_str().expect("names are ASCII");
        let inside = inside.replace('\\', "/");
        count += imports(&text, place(&inside).1).len();
        wrong.extend(faults(&inside, &text));
    }
    println!("{} files, {count} imports", paths.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(paths.len() > 30 && count > 40, "{} files with {count} imports are too few to be all", paths.len());
}

// That the check can fail.

#[test]
fn what_climbs_is_found() {
    let climbs = |path: &str, text: &str| {
        let faults = faults(path, text);
        assert_eq!(faults.len(), 1, "{path}: {text}: {faults:?}");
        faults[0].clone()
    };
    assert!(climbs("lir.rs", "use crate::jit::lower;").contains("climbs to `jit`"));
    assert!(climbs("exec/stack.rs", "fn f() { let _ = crate::engine::NoClock; }").contains("climbs to `engine`"));
    assert!(climbs("bytecode/op.rs", "use crate::{lang::{Span, Word}, registry};").contains("climbs to `registry`"));
    assert!(climbs("bytecode/op.rs", "pub use super::super::cli::run;").contains("climbs to `cli`"));
    assert!(climbs("isa/x86_64/emit.rs", "type A = super::super::super::bytecode::Op;").contains("climbs"));
    assert!(climbs("outcome.rs", "mod inner { use super::super::oracle; }").contains("climbs to `oracle`"));
    assert!(climbs("outcome.rs", "macro_rules! m { () => { $crate::report::x() } }").contains("climbs to `report`"));
    assert!(climbs("jit/mod.rs", "#[cfg(test)] mod tests { use crate::oracle; }").contains("climbs to `oracle`"));
    assert!(climbs("isa/labels.rs", "use crate::exec::Code;").contains("different rooms of floor 3"));
    assert!(climbs("isa/labels.rs", "use crate::lang::Span;").contains("must know nothing"));
    assert!(climbs("exec/call.rs", "use crate::{lir::frame, outcome::Trap};").contains("must know nothing"));
    assert!(climbs("attic/mod.rs", "").contains("give it one in FLOORS"));
    assert!(climbs("jit/mod.rs", "use crate::attic::Thing;").contains("give it one in FLOORS"));
    // Code behind strings and comments that would hide it from a careless reader.
    let hidden = r##"const A: &str = "// \" /*"; const B: char = '"'; const C: &str = r#"""#; use crate::cli::x;"##;
    assert!(climbs("lang/mod.rs", hidden).contains("climbs to `cli`"));
    assert!(climbs("lang/mod.rs", "/* /* */ crate::jit */ fn f<'a>(x: &'a crate::cli::X) {}").contains("`cli`"));
}

#[test]
fn what_does_not_climb_is_left_alone() {
    for (path, text) in [
        ("jit/mod.rs", "use crate::isa::{Isa, Tuning}; use crate::{lir, exec::Code, jit::lower};"),
        ("jit/lower.rs", "use super::Switches; use crate::bytecode::Op;"),
        ("isa/x86_64/emit.rs", "use crate::isa::Isa; use super::encode; use super::super::labels;"),
        ("lir.rs", "//! [`crate::jit`]\n/* crate::cli */ const A: &str = \"crate::cli\"; const B: char = '\\'';"),
        ("interp/tree.rs", "#[cfg(test)] mod tests { use super::*; use crate::jit::VARIANTS; }"),
        ("main.rs", "fn main() { jitduel::cli::main() }"),
        ("lib.rs", "pub mod cli; pub(crate) mod lang;"),
    ] {
        assert_eq!(faults(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
