//! Every module of the crate has a layer and imports only modules of lower layers.
//!
//! The check reads the source text in `src/`, not the compiler's output. It removes comments and literals, and considers every
//! path that starts at the crate's root, in `use` or elsewhere.

use std::collections::BTreeSet;
use std::path::Path;

/// The modules directly under the crate's root, each with its layer.
const LAYERS: [(&str, u32); 30] = [
    ("files", 0),
    ("parallel_moves", 0),
    ("host_stack", 0),
    ("plural", 0),
    ("lir", 0),
    ("lang", 1),
    ("outcome", 2),
    ("letlang", 3),
    ("front", 4),
    ("corpus", 3),
    ("export", 3),
    ("isa", 3),
    ("exec", 3),
    ("bytecode", 4),
    ("engine", 5),
    ("interp", 6),
    ("jit", 6),
    ("regs", 6),
    ("ssa", 7),
    ("peers", 8),
    ("tiers", 8),
    ("tiered", 9),
    ("registry", 10),
    // Uses the referee for measurements, and no other engine.
    ("generate", 10),
    ("oracle", 11),
    ("bench", 11),
    ("report", 12),
    ("cli", 13),
    ("main", 14),
    // The root only declares the modules.
    ("lib", 14),
];

/// Imports that are forbidden although their target is in a lower layer: the modules for machines must not depend on the
/// language.
const FORBIDDEN: [(&str, &str); 4] = [("isa", "lang"), ("isa", "outcome"), ("exec", "lang"), ("exec", "outcome")];

fn layer(module: &str) -> Option<u32> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

// Reading the source text.

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
            // A character literal, or else a lifetime, whose name is not an identifier.
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

/// The number of hashes of a raw string that starts here.
fn raw_string(rest: &[char]) -> Option<usize> {
    let prefix = rest.iter().take_while(|c| matches!(c, 'b' | 'r')).count();
    if !matches!(rest[..prefix], ['r'] | ['b', 'r']) {
        return None;
    }
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    (rest.get(prefix + hashes) == Some(&'"')).then_some(hashes)
}

/// A module that a file imports, and whether the import is in the file's tests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Import {
    module: String,
    in_tests: bool,
}

/// The top-level modules named by the paths in a file. `depth` is the depth of the file's module below the root.
fn imports(text: &str, depth: usize) -> BTreeSet<Import> {
    let tokens = tokens(text);
    let token = |index: usize| tokens.get(index).map_or("", String::as_str);
    let mut found = BTreeSet::new();
    // Modules inside the file: the number of open braces at their start, and whether they are for tests.
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
                for module in first_names(&tokens, index + 2) {
                    found.insert(Import { module, in_tests });
                }
            }
            "super" if token(index.wrapping_sub(1)) != "::" => {
                let mut climbed = 1;
                while token(index + 1) == "::" && token(index + 2) == "super" {
                    (climbed, index) = (climbed + 1, index + 2);
                }
                if climbed == depth + inner.len() && token(index + 1) == "::" {
                    for module in first_names(&tokens, index + 2) {
                        found.insert(Import { module, in_tests });
                    }
                }
            }
            _ => {}
        }
        index += 1;
    }
    found
}

/// The first name of each path at a position: there is one path, or one for each member of a group in braces.
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

// Checking the layers.

/// The top-level module to which a file inside `src/` belongs, and the depth of the file's module below the root.
fn place(path: &str) -> (String, usize) {
    let names: Vec<_> = path.strip_suffix(".rs").expect("a Rust file").split('/').collect();
    let depth = names.len() - usize::from(matches!(names[..], [.., "mod" | "lib" | "main"]));
    (names[0].into(), depth)
}

/// The errors in the imports of a file.
fn faults(path: &str, text: &str) -> Vec<String> {
    let (module, depth) = place(path);
    let unknown =
        |module: &str| format!("{path}: `{module}` has no layer: add it to LAYERS in tests/repository/layers.rs");
    let Some(own) = layer(&module) else { return vec![unknown(&module)] };
    let mut faults = Vec::new();
    for Import { module: other, in_tests } in imports(text, depth) {
        if other == module {
            continue;
        }
        match layer(&other) {
            None => faults.push(unknown(&other)),
            Some(layer) if layer > own => {
                faults.push(format!("{path}: `{module}` (layer {own}) imports the higher `{other}` (layer {layer})"));
            }
            Some(layer) if layer == own && !in_tests => {
                faults.push(format!("{path}: `{module}` and `{other}` are different modules of layer {layer}"));
            }
            Some(_) if FORBIDDEN.contains(&(module.as_str(), other.as_str())) => {
                faults.push(format!("{path}: `{module}` must not depend on `{other}`"));
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
fn modules_import_only_lower_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    paths.sort();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for path in &paths {
        let text = std::fs::read_to_string(path).expect("it can be read");
        let inside = path.strip_prefix(&root).expect("it is in src").to_str().expect("names are ASCII");
        let inside = inside.replace('\\', "/");
        count += imports(&text, place(&inside).1).len();
        wrong.extend(faults(&inside, &text));
    }
    println!("{} files, {count} imports", paths.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(paths.len() > 30 && count > 40, "{} files with {count} imports are too few", paths.len());
}

// Tests of the check itself.

#[test]
fn forbidden_imports_are_found() {
    let fault = |path: &str, text: &str| {
        let faults = faults(path, text);
        assert_eq!(faults.len(), 1, "{path}: {text}: {faults:?}");
        faults[0].clone()
    };
    assert!(fault("lir.rs", "use crate::jit::lower;").contains("imports the higher `jit`"));
    assert!(
        fault("exec/stack.rs", "fn f() { let _ = crate::engine::NoClock; }").contains("imports the higher `engine`")
    );
    assert!(
        fault("bytecode/op.rs", "use crate::{lang::{Span, Word}, registry};").contains("imports the higher `registry`")
    );
    assert!(fault("bytecode/op.rs", "pub use super::super::cli::run;").contains("imports the higher `cli`"));
    assert!(fault("isa/x86_64/emit.rs", "type A = super::super::super::bytecode::Op;").contains("imports the higher"));
    assert!(fault("outcome.rs", "mod inner { use super::super::oracle; }").contains("imports the higher `oracle`"));
    assert!(
        fault("outcome.rs", "macro_rules! m { () => { $crate::report::x() } }").contains("imports the higher `report`")
    );
    assert!(
        fault("jit/mod.rs", "#[cfg(test)] mod tests { use crate::oracle; }").contains("imports the higher `oracle`")
    );
    assert!(fault("isa/labels.rs", "use crate::exec::Code;").contains("different modules of layer 3"));
    assert!(fault("isa/labels.rs", "use crate::lang::Span;").contains("must not depend on"));
    assert!(fault("exec/call.rs", "use crate::{lir::frame, outcome::Trap};").contains("must not depend on"));
    assert!(fault("attic/mod.rs", "").contains("add it to LAYERS"));
    assert!(fault("jit/mod.rs", "use crate::attic::Thing;").contains("add it to LAYERS"));
    // Code after strings and comments that would hide it from a naive parser.
    let hidden = r##"const A: &str = "// \" /*"; const B: char = '"'; const C: &str = r#"""#; use crate::cli::x;"##;
    assert!(fault("lang/mod.rs", hidden).contains("imports the higher `cli`"));
    assert!(fault("lang/mod.rs", "/* /* */ crate::jit */ fn f<'a>(x: &'a crate::cli::X) {}").contains("`cli`"));
}

#[test]
fn allowed_imports_are_accepted() {
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

// Import cycles within a module.

/// The modules whose files must not import each other in a cycle.
const ACYCLIC: [&str; 3] = ["regs", "jit", "interp"];

/// The files of the same module that a file imports, by their paths without `.rs`; a folder is represented by its `mod`. Imports
/// in tests do not count.
fn imports_in_module(path: &str, text: &str, files: &BTreeSet<String>) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]\nmod tests").next().expect("a split has a first part");
    let tokens = tokens(text);
    let module: Vec<&str> = path.split('/').filter(|name| *name != "mod").collect();
    let has_modules = path.ends_with("/mod") || files.iter().any(|file| file.starts_with(&format!("{path}/")));
    let mut found = BTreeSet::new();
    for (index, token) in tokens.iter().enumerate() {
        // A path begins at the root, at the parent module, or, in a file with modules, at one of these.
        let (mut base, mut at) = match token.as_str() {
            "crate" => (Vec::new(), index + 1),
            "super" if index == 0 || tokens[index - 1] != "::" => (module[..module.len() - 1].to_vec(), index + 1),
            "use" if has_modules => (module.clone(), index),
            _ => continue,
        };
        // `pub(super)` begins no path.
        if token != "use" && tokens.get(at).is_none_or(|token| token != "::") {
            continue;
        }
        while tokens.get(at + 1).is_some_and(|token| token == "super") {
            base.pop();
            at += 2;
        }
        for mut names in paths(&tokens, at + 1) {
            names.splice(0..0, base.iter().map(ToString::to_string));
            // The longest prefix of the path that is a file.
            let target = (1..=names.len()).rev().find_map(|length| {
                let name = names[..length].join("/");
                let folder = format!("{name}/mod");
                [name, folder].into_iter().find(|name| files.contains(name))
            });
            found.extend(target.filter(|target| target != path));
        }
    }
    found
}

/// The paths at a position, each as a list of names. A group in braces yields one path for each of its members.
fn paths(tokens: &[Token], at: usize) -> Vec<Vec<String>> {
    let name = |token: &Token| token.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut names = Vec::new();
    let mut at = at;
    while let Some(token) = tokens.get(at) {
        if token == "{" {
            let mut found = Vec::new();
            let mut depth = 0;
            for (index, token) in tokens.iter().enumerate().skip(at) {
                match token.as_str() {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                if depth == 1 && (token == "{" || token == ",") {
                    for inner in paths(tokens, index + 1) {
                        found.push(names.iter().cloned().chain(inner).collect());
                    }
                }
            }
            return found;
        }
        if !name(token) {
            break;
        }
        names.push(token.clone());
        if tokens.get(at + 1).is_none_or(|token| token != "::") {
            break;
        }
        at += 2;
    }
    vec![names]
}

/// An import cycle among files, as their names in order, if there is one.
fn cycle(imports: &[(String, BTreeSet<String>)]) -> Option<Vec<String>> {
    // Files that import no remaining file are removed until there are no such files. The files that remain then contain a cycle.
    let mut left: Vec<_> = imports.iter().collect();
    loop {
        let names: BTreeSet<_> = left.iter().map(|(name, _)| name).collect();
        let before = left.len();
        let remaining: Vec<_> = left.iter().copied().filter(|(_, to)| to.iter().any(|to| names.contains(to))).collect();
        left = remaining;
        if left.len() == before {
            break;
        }
    }
    let mut at = left.first()?;
    let mut seen = Vec::new();
    while !seen.contains(&at.0) {
        seen.push(at.0.clone());
        at = left.iter().find(|(name, _)| at.1.contains(name)).expect("each remaining file imports a remaining file");
    }
    seen.drain(..seen.iter().position(|name| *name == at.0).expect("it was seen"));
    Some(seen)
}

/// The files of a module, each with the files of the module that it imports.
fn module_graph(module: &str, sources: &[(String, String)]) -> Vec<(String, BTreeSet<String>)> {
    let inside: Vec<_> = sources.iter().filter(|(path, _)| path.starts_with(&format!("{module}/"))).collect();
    let files: BTreeSet<String> = inside.iter().map(|(path, _)| path.clone()).collect();
    inside.iter().map(|(path, text)| (path.clone(), imports_in_module(path, text, &files))).collect()
}

#[test]
fn engine_files_have_no_import_cycles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    let sources: Vec<(String, String)> = paths
        .iter()
        .map(|path| {
            let inside = path.strip_prefix(&root).expect("it is in src").to_str().expect("names are ASCII");
            let name = inside.replace('\\', "/").trim_end_matches(".rs").to_owned();
            (name, std::fs::read_to_string(path).expect("it can be read"))
        })
        .collect();
    for module in ACYCLIC {
        let graph = module_graph(module, &sources);
        assert!(graph.iter().map(|(_, to)| to.len()).sum::<usize>() >= graph.len() / 2, "{module}: {graph:?}");
        if let Some(cycle) = cycle(&graph) {
            panic!("{module}: these files import each other: {}", cycle.join(" -> "));
        }
    }
}

#[test]
fn import_cycles_are_found() {
    let cycle_length = |files: &[(&str, &str)]| {
        let sources: Vec<_> = files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
        cycle(&module_graph("regs", &sources)).map(|cycle| cycle.len())
    };
    assert_eq!(cycle_length(&[("regs/a", "use super::b::X;"), ("regs/b", "use crate::regs::a::{Y, Z};")]), Some(2));
    assert_eq!(cycle_length(&[("regs/a", "use super::{b, c};"), ("regs/b", ""), ("regs/c", "use super::a;")]), Some(2));
    assert_eq!(cycle_length(&[("regs/mod", "mod a; use a::X;"), ("regs/a", "use super::Switches;")]), Some(2));
    assert_eq!(
        cycle_length(&[("regs/t/mod", "pub use c::X;"), ("regs/t/c", "use super::super::d;"), ("regs/d", "")]),
        None
    );
    assert_eq!(cycle_length(&[("regs/t/c", "use super::super::d;"), ("regs/d", "use super::t::c::X;")]), Some(2));
    assert_eq!(cycle_length(&[("regs/mod", "pub use a::X;"), ("regs/a", "pub(super) fn f() {}")]), None);
    let tested = "use super::b;\n#[cfg(test)]\nmod tests { use super::super::c; }";
    assert_eq!(cycle_length(&[("regs/a", tested), ("regs/b", ""), ("regs/c", "use super::a;")]), None);
}
