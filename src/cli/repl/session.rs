//! The state of a session: the definitions and arrays that stay, and the program that an entry makes with them.
//!
//! The program's text is joined from the declarations that stay and the entry. So a declaration is compiled anew with each entry, and
//! calls whatever its words mean now. Diagnostics show each piece as it was typed or loaded.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use crate::front::{Outline, Parsed, WrongInputs, parse};
use crate::lang::{
    Ast, Declaration, DefinitionId, Diagnostic, Fault, Language, NodeKind, OtherFault, Piece, Program, Source, Span,
};
use crate::letlang;

/// The declarations that stay, of both languages.
#[derive(Default)]
pub struct Session {
    kept: Vec<Kept>,
}

/// A definition, an array, a function or a constant that stays.
struct Kept {
    name: String,
    /// What was typed or loaded.
    source: Arc<Source>,
    /// The declaration in it.
    span: Span,
}

/// What is read at once: a line with those that continue it, or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Statements of the let language may stand outside of functions.
    Prompt,
    /// It must be a program, with or without a main program.
    File,
}

/// An entry as a program.
pub struct Entry {
    /// The program, with the declarations that it needs.
    pub program: Program,
    /// Its text.
    pub source: Source,
    /// The part of the text that the user entered, without kept declarations before it and a generated `main` after it.
    pub own: Range<u32>,
    /// Whether there is a main program to run.
    pub runs: bool,
    /// The names that it declares.
    pub declared: Vec<Declared>,
}

/// A name that an entry declares.
#[derive(Debug, PartialEq, Eq)]
pub struct Declared {
    /// The name.
    pub name: String,
    /// Whether it replaces no older declaration.
    pub is_new: bool,
}

/// Why an entry is no program. It has changed nothing.
pub enum Rejected {
    /// A fault in its text, or in a declaration that it would break.
    Fault {
        /// The fault.
        fault: Fault,
        /// The text.
        source: Box<Source>,
        /// The older declaration that has the fault.
        breaks: Option<String>,
    },
    /// It takes another number of inputs.
    Inputs(WrongInputs),
}

impl Session {
    /// Makes a program of an entry. If it is valid, its declarations stay from then on.
    pub fn enter(&mut self, typed: Source, origin: Origin, inputs: usize) -> Result<Entry, Rejected> {
        let typed = Arc::new(typed);
        let mut outline = Outline::new(typed.language());
        outline.read(typed.bytes());
        let own = own_pieces(&typed, &outline, origin)?;
        let is_declared = |name: &str| outline.declarations().iter().any(|declaration| declaration.name == name);
        let stays = |kept: &&Kept| kept.source.language() == typed.language() && !is_declared(&kept.name);
        let kept: Vec<&Kept> = self.kept.iter().filter(stays).collect();
        let (program, source) = compile(&kept, &own, inputs)?;
        let unused = unused(program.ast(), own_start(&kept));
        let needed: Vec<&Kept> = kept.iter().copied().filter(|kept| !unused.contains(kept.name.as_str())).collect();
        // Code for other definitions would only lengthen listings and the time to compile.
        let (program, source) =
            if needed.len() < kept.len() { compile(&needed, &own, inputs)? } else { (program, source) };
        let start = own_start(&needed);
        let runs = own.has_main.unwrap_or(!program.ast().main().is_empty());
        let end = if runs { u32::MAX } else { start + own.written() };
        let declared = self.keep(&typed, outline.declarations());
        Ok(Entry { program, source, own: start..end, runs, declared })
    }

    /// Keeps declarations behind all others, as in the program of their entry, instead of older ones with the same names.
    fn keep(&mut self, typed: &Arc<Source>, declarations: &[Declaration]) -> Vec<Declared> {
        let language = typed.language();
        let mut declared = Vec::new();
        for Declaration { name, span } in declarations.iter().filter(|it| !is_main(&it.name, language)) {
            let before = self.kept.len();
            self.kept.retain(|older| older.name != *name || older.source.language() != language);
            let is_new = self.kept.len() == before;
            self.kept.push(Kept { name: name.clone(), source: Arc::clone(typed), span: *span });
            declared.push(Declared { name: name.clone(), is_new });
        }
        declared
    }

    /// Forgets the declarations of a language.
    pub fn clear(&mut self, language: Language) {
        self.kept.retain(|kept| kept.source.language() != language);
    }

    /// The names of the declarations of a language.
    pub fn names(&self, language: Language) -> impl Iterator<Item = &str> {
        self.kept.iter().filter(move |kept| kept.source.language() == language).map(|kept| kept.name.as_str())
    }

    /// The declarations of a language as a file, and their number.
    pub fn text(&self, language: Language) -> (String, usize) {
        let kept = self.kept.iter().filter(|kept| kept.source.language() == language);
        let texts = kept.map(|kept| kept.source.bytes()[kept.span.start as usize..kept.span.end as usize].to_vec());
        let texts: Vec<_> = texts.map(|text| String::from_utf8_lossy(&text).into_owned() + "\n").collect();
        (texts.concat(), texts.len())
    }
}

/// The function that a let program begins with does not stay: it is the main program of its entry.
fn is_main(name: &str, language: Language) -> bool {
    language == Language::Let && name == "main"
}

/// The pieces of a program that an entry consists of.
struct Own {
    pieces: Vec<Piece>,
    /// Whether there is a main program, if the tree does not show it.
    has_main: Option<bool>,
}

impl Own {
    /// The number of bytes up to the first piece that nobody wrote.
    fn written(&self) -> u32 {
        let written = self.pieces.iter().take_while(|piece| piece.instead.is_none());
        written.map(|piece| piece.span.end - piece.span.start + 1).sum()
    }
}

fn own_pieces(typed: &Arc<Source>, outline: &Outline, origin: Origin) -> Result<Own, Rejected> {
    let whole = Span { start: 0, end: typed.bytes().len() as u32 };
    let written = |span| Piece { source: Arc::clone(typed), span, instead: None };
    let added = |at, text| Piece { source: Arc::clone(typed), span: Span { start: at, end: at }, instead: Some(text) };
    let Outline::Let(outline) = outline else {
        return Ok(Own { pieces: vec![written(whole)], has_main: None });
    };
    let main = outline.declarations().iter().find(|declaration| is_main(&declaration.name, Language::Let));
    let (statements, last) = (outline.statements(), outline.last());
    let has_statements = !statements.is_empty() || last.is_some();
    if origin == Origin::File || (main.is_some() && !has_statements) {
        let mut pieces = vec![written(whole)];
        if main.is_none() {
            pieces.push(added(whole.end, "fn main() { return 0; }"));
        }
        return Ok(Own { pieces, has_main: Some(main.is_some()) });
    }
    if let Some(main) = main {
        let diagnostic = Diagnostic {
            title: "statements and a function `main` in one entry".into(),
            label: "the statements already are the main program".into(),
            note: None,
            help: None,
            span: Span { start: main.span.start, end: main.span.start + 2 },
        };
        let fault = Fault::Other(Box::new(OtherFault { kind: "name", diagnostic }));
        return Err(Rejected::Fault { fault, source: Box::new(Source::clone(typed)), breaks: None });
    }
    let declared = outline.declarations().iter().map(|declaration| declaration.span).chain(outline.unfinished());
    let mut pieces: Vec<Piece> = declared.map(written).collect();
    let text_end = typed.bytes().trim_ascii_end().len() as u32;
    let begin = statements.first().copied().or(last.map(|last| last.span)).map_or(text_end, |first| first.start);
    let end = last.map(|last| last.span).or(statements.last().copied()).map_or(text_end, |last| last.end);
    let mut main = vec![added(begin, "fn main() {")];
    main.extend(statements.iter().copied().map(written));
    let mut has_value = false;
    if let Some(last) = last {
        has_value = last.is_expression;
        let (before, after) = if has_value { ("return", ";") } else { ("", "") };
        main.extend([added(last.span.start, before), written(last.span), added(end, after)]);
    }
    let close = added(end, "}");
    if !has_value && !always_returns(&main, &close) {
        main.push(added(end, "return 0;"));
    }
    main.push(close);
    pieces.append(&mut main);
    Ok(Own { pieces, has_main: Some(has_statements) })
}

/// Whether the statements of a function end with a `return`. If they have a syntax error, nothing needs to be added to them.
fn always_returns(statements: &[Piece], close: &Piece) -> bool {
    let text = Source::joined(statements.iter().chain([close]).cloned().collect(), Language::Let);
    let Ok(tree) = letlang::parse(&text) else { return true };
    let is_closed = |global: &letlang::tree::Global| match global {
        letlang::tree::Global::Function(function) => function.body.closes(),
        _ => true,
    };
    tree.globals.iter().all(is_closed)
}

/// The offset of the entry's own text behind the declarations.
fn own_start(kept: &[&Kept]) -> u32 {
    // A line feed follows each piece.
    kept.iter().map(|kept| kept.span.end - kept.span.start + 1).sum()
}

fn compile(kept: &[&Kept], own: &Own, inputs: usize) -> Result<(Program, Source), Rejected> {
    let declaration = |kept: &&Kept| Piece { source: Arc::clone(&kept.source), span: kept.span, instead: None };
    let language = own.pieces[0].source.language();
    let source = Source::joined(kept.iter().map(declaration).chain(own.pieces.iter().cloned()).collect(), language);
    let program = parse(&source).map(|parsed: Parsed| parsed.program(inputs));
    match program {
        Ok(Ok(Ok(program))) => Ok((program, source)),
        Ok(Err(wrong)) => Err(Rejected::Inputs(wrong)),
        Ok(Ok(Err(fault))) | Err(fault) => {
            let breaks = source.piece(fault.span()).and_then(|piece| kept.get(piece)).map(|kept| kept.name.clone());
            Err(Rejected::Fault { fault, source: Box::new(source), breaks })
        }
    }
}

/// The names of the definitions that neither the main program nor a definition from this offset on calls, directly or through others.
fn unused(ast: &Ast, own: u32) -> BTreeSet<&str> {
    let calls = |range: Range<usize>| {
        ast.nodes()[range].iter().filter_map(|node| match node.kind {
            NodeKind::Call(id) => Some(id),
            _ => None,
        })
    };
    let all = ast.definitions();
    let is_own = |id: &DefinitionId| all[id.index()].span.start >= own;
    let mut due: Vec<DefinitionId> = (0..all.len() as u32).map(DefinitionId).filter(is_own).collect();
    due.extend(calls(ast.main()));
    let mut is_reached = vec![false; all.len()];
    while let Some(id) = due.pop() {
        if !std::mem::replace(&mut is_reached[id.index()], true) {
            due.extend(calls(all[id.index()].body.clone()));
        }
    }
    let unused = all.iter().zip(is_reached).filter(|(_, is_reached)| !is_reached);
    unused.map(|(definition, _)| &*definition.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Run;
    use crate::interp::tree::evaluate;
    use crate::outcome::Outcome;

    /// What comes of an entry: the stack, nothing if there is nothing to run, or the fault with the places of it.
    fn typed(session: &mut Session, language: Language, text: &str) -> String {
        let source = Source::new("repl", text).in_language(language).from_line(5);
        match session.enter(source, Origin::Prompt, 0) {
            Ok(entry) if !entry.runs => String::new(),
            Ok(entry) => match evaluate(entry.program.ast(), Run::default()) {
                Outcome::Done(values) => format!("{values:?}"),
                Outcome::Trap(trap) => format!("{} {}", trap.kind, entry.source.place(trap.at)),
            },
            Err(Rejected::Fault { fault, source, breaks }) => {
                let breaks = breaks.map_or(String::new(), |name| format!(" breaks {name}"));
                format!("{} {}{breaks}", fault.kind(), source.place(fault.span()))
            }
            Err(Rejected::Inputs(wrong)) => wrong.to_string(),
        }
    }

    fn stack(session: &mut Session, text: &str) -> String {
        typed(session, Language::Stack, text)
    }

    fn let_(session: &mut Session, text: &str) -> String {
        typed(session, Language::Let, text)
    }

    #[test]
    fn definitions_and_arrays_stay_and_everything_else_is_new() {
        let session = &mut Session::default();
        assert_eq!(stack(session, ": f ( a -- b ) 1 + ; 2 f"), "[3]");
        assert_eq!(stack(session, "3 array t  2 array u"), "");
        assert_eq!(stack(session, "7 t ! t @ u f"), "[7, 4]");
        assert_eq!(stack(session, "t @"), "[0]");
        assert_eq!(session.names(Language::Stack).collect::<Vec<_>>(), ["f", "t", "u"]);
        assert_eq!(session.text(Language::Stack), (": f ( a -- b ) 1 + ;\n3 array t\n2 array u\n".into(), 3));
    }

    #[test]
    fn a_new_definition_replaces_the_old_one_for_all_that_call_it() {
        let session = &mut Session::default();
        assert_eq!(stack(session, ": f ( a -- b ) 1 + ; : g ( a -- b ) f f ; 2 array t 3 array u"), "");
        assert_eq!(stack(session, ": f ( a -- b ) 2 * ; 3 g"), "[12]");
        assert_eq!(stack(session, ": f ( a -- ) drop ;"), "underflow 5:39 breaks g");
        assert_eq!(stack(session, "3 g"), "[12]");
        assert_eq!(stack(session, "5 array t u"), "[0]", "it is now the last array");
        assert_eq!(stack(session, "t u"), "[3, 0]");
        assert_eq!(stack(session, "1 array f"), "wrong effect 5:24 breaks g");
        assert_eq!(stack(session, ": f ( a -- b ) ; : f ( a -- b ) ;"), "syntax 5:20");
        assert_eq!(stack(session, ": f ( a -- b ) 7 + ; oops"), "syntax 5:22");
        assert_eq!(stack(session, "3 g"), "[12]");
    }

    #[test]
    fn an_entry_has_only_the_definitions_that_it_needs() {
        let session = &mut Session::default();
        stack(session, ": a ( -- x ) 1 ; : b ( -- x ) a ; : c ( -- x ) b ; 4 array t");
        let mut entry = |text| session.enter(Source::new("repl", text), Origin::Prompt, 0).ok().expect("it is valid");
        let names = |entry: &Entry| {
            let names = entry.program.ast().definitions().iter().map(|definition| definition.name.to_string());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&entry("b")), "a b");
        assert_eq!(names(&entry("1")), "");
        assert_eq!(entry("1").program.ast().cells(), 4);
        let own = entry(": d ( -- x ) a ;");
        assert_eq!((names(&own), own.runs), ("a d".into(), false));
        assert_eq!(own.declared, [Declared { name: "d".into(), is_new: true }]);
    }

    #[test]
    fn faults_and_traps_are_where_they_were_typed() {
        let session = &mut Session::default();
        stack(session, ": f ( -- a ) 1 0 / ;");
        assert_eq!(stack(session, "1 2 oops"), "syntax 5:5");
        assert_eq!(stack(session, "1\n 2 if"), "syntax 6:4");
        assert_eq!(stack(session, " +"), "underflow 5:2");
        assert_eq!(stack(session, "1 f"), "division by zero 5:18");
        assert_eq!(stack(session, "1 ( "), "syntax 5:3");
        let source = Source::new("repl", b"1 \xff".to_vec());
        let Err(Rejected::Fault { fault, source, .. }) = session.enter(source, Origin::Prompt, 0) else {
            panic!("it is no text")
        };
        assert_eq!((fault.kind(), source.place(fault.span()).to_string()), ("syntax", "1:3".into()));
    }

    #[test]
    fn let_entries_are_declarations_statements_and_expressions() {
        let session = &mut Session::default();
        assert_eq!(let_(session, "fn f(x) { return x * N; } const N = 4; array a[N]; array b[2];"), "");
        assert_eq!(let_(session, "f(3) + 1"), "[13]");
        assert_eq!(let_(session, "let i = 0; while i < N { a[i] = i; i += 1; } a[3]"), "[3]");
        assert_eq!(let_(session, "a[3] = 1;"), "[0]", "without a value it is 0");
        assert_eq!(let_(session, "if 1 { return 5; } else { return 6; }"), "[5]");
        assert_eq!(let_(session, "fn f(x) { return x; } f(3)"), "[3]");
        assert_eq!(let_(session, "fn main() { return f(9); }"), "[9]");
        assert_eq!(let_(session, "fn main(n) { return n; }"), "`main` takes 1 input, but 0 are given");
        assert_eq!(let_(session, ""), "");
        assert_eq!(session.names(Language::Let).collect::<Vec<_>>(), ["N", "a", "b", "f"]);
        assert_eq!(stack(session, "f"), "syntax 5:1", "each language has its own");
        session.clear(Language::Stack);
        assert_eq!(let_(session, "f(1)"), "[1]");
        session.clear(Language::Let);
        assert_eq!(let_(session, "f(1)"), "name 5:1");
    }

    #[test]
    fn faults_of_let_entries_are_where_they_were_typed() {
        let session = &mut Session::default();
        let_(session, "fn f(x) { return x / 0; } fn g() { return f(1); }");
        assert_eq!(let_(session, "1 + f(2)"), "division by zero 5:20");
        assert_eq!(let_(session, "1 +"), "syntax 5:4");
        assert_eq!(let_(session, "x = 1"), "syntax 5:6");
        assert_eq!(let_(session, "let x = 1"), "syntax 5:10");
        assert_eq!(let_(session, "1 + oops"), "name 5:5");
        assert_eq!(let_(session, "{ let x = 1;"), "syntax 5:13");
        assert_eq!(let_(session, "1 }"), "syntax 5:1");
        assert_eq!(let_(session, "fn h(x"), "syntax 5:7");
        assert_eq!(let_(session, "fn f() { return 1; }"), "name 5:43 breaks g");
        assert_eq!(let_(session, "fn main() { return 1; } 2"), "name 5:1");
        assert_eq!(let_(session, "fn h() { }"), "name 5:10");
        assert_eq!(let_(session, "array c[0];"), "name 5:9");
    }

    #[test]
    fn files_are_programs() {
        let session = &mut Session::default();
        let mut load = |language, text, inputs| {
            let source = Source::new("file", text).in_language(language);
            session.enter(source, Origin::File, inputs).ok().map(|entry| entry.runs)
        };
        assert_eq!(load(Language::Let, "fn main(a) { return f() + a; } fn f() { return 1; }", 1), Some(true));
        assert_eq!(load(Language::Let, "fn g() { return f(); }", 0), Some(false));
        assert_eq!(load(Language::Let, "g()", 0), None);
        assert_eq!(load(Language::Stack, ": f ( -- ) ; +", 2), Some(true));
        assert_eq!(session.names(Language::Let).collect::<Vec<_>>(), ["f", "g"]);
    }
}
