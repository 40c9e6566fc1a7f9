//! `run --perf-map`: the file from which `perf` maps generated code to source words, loops or definitions.
//!
//! Its lines are `START SIZE NAME` with both numbers in hexadecimal, as specified in the kernel source under
//! `tools/perf/Documentation/jit-interface.txt`.

use std::env::consts::ARCH;
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use super::input::say;
use crate::bytecode::{self, Bytecode, FunctionId, Op, Pc};
use crate::engine::{Options, Prepared};
use crate::exec::disable_double_mapping;
use crate::isa::{Machine, Mark, Tuning};
use crate::lang::{Program, Source};
use crate::tiers::{compiler, tier};

/// The granularity of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Detail {
    /// Each word, with its innermost loop
    Words,
    /// Each loop, excluding its inner loops
    Loops,
    /// Each definition
    Definitions,
}

/// The map of this process.
pub(super) struct PerfMap {
    file: File,
    path: PathBuf,
    detail: Detail,
}

impl PerfMap {
    /// Starts the map of this process, for an engine.
    ///
    /// # Errors
    /// Fails on systems without `perf`, for engines whose machine code is not ours, and if the file cannot be written.
    pub fn new(detail: Detail, engine: &str) -> Result<PerfMap> {
        if !cfg!(target_os = "linux") {
            bail!("--perf-map needs perf, which exists only on Linux");
        }
        if tier(engine).is_none() {
            bail!("engine `{engine}` emits no machine code that can be mapped");
        }
        disable_double_mapping("perf looks for generated code only in anonymous memory");
        let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
        let failed = || format!("cannot write the perf map {}", path.display());
        // An earlier process with the same ID may have left a file. Creating a new one also avoids writing to a file that
        // belongs to someone else.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).with_context(failed),
            _ => {}
        }
        let file = File::create_new(&path).with_context(failed)?;
        say(format_args!("perf map: {}", path.display()));
        Ok(PerfMap { file, path, detail })
    }

    /// Adds a program that an engine has prepared.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    ///
    /// # Panics
    /// Panics if compiling the program again emits different code. That would be a bug: compilation is deterministic.
    pub fn add(
        &mut self,
        program: &Program,
        options: &Options,
        engine: &str,
        ready: &dyn Prepared,
        source: &Source,
    ) -> Result<()> {
        let tier = tier(engine).context("`new` checked the engine")?;
        let (Some(compile), Some(sealed)) = (compiler(ARCH), ready.code()) else { bail!("there is no machine code") };
        let code = bytecode::lower(program, options.limits(), options.metered)?;
        // Marks cost time, so the code that runs was compiled without them.
        let machine = compile(&code, tier, &Tuning::default(), true, Vec::new())?.machine;
        assert_eq!(machine.bytes, sealed, "compilation is deterministic");
        let start = sealed.as_ptr().addr();
        let mut text = String::new();
        for (range, name) in regions(&machine, &code, source, self.detail) {
            text += &format!("{:x} {:x} {name}\n", start + range.start, range.len());
        }
        let written = self.file.write_all(text.as_bytes());
        if written.is_err() {
            // A partial line would misname code. An error while removing the file is less important than the write error.
            let _ = fs::remove_file(&self.path);
        }
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Ranges of the code in ascending order, without gaps, each with its name.
fn regions(machine: &Machine, code: &Bytecode, source: &Source, detail: Detail) -> Vec<(Range<usize>, String)> {
    let loops = loops(code);
    let name = |mark| match mark {
        Mark::Prologue => "prologue".into(),
        Mark::Exits => "trap exits".into(),
        Mark::Function(function) => {
            let name = code.functions()[FunctionId(function).index()].printable_name();
            if detail == Detail::Words { format!("prologue in {name}") } else { name.into_owned() }
        }
        Mark::Op(pc) => op_name(code, source, Pc(pc), loops[pc as usize], detail),
    };
    // Source names have no control characters, so a file name cannot break a line of the map.
    let program = source.name();
    let mut regions: Vec<(Range<usize>, String)> = Vec::new();
    for (index, &(start, mark)) in machine.marks.iter().enumerate() {
        let end = machine.marks.get(index + 1).map_or(machine.bytes.len(), |(next, _)| *next as usize);
        let range = start as usize..end;
        let name = format!("{program}:{}", name(mark));
        match regions.last_mut() {
            // An operation without instructions has an empty range.
            _ if range.is_empty() => {}
            Some((last, same)) if *same == name => last.end = end,
            _ => regions.push((range, name)),
        }
    }
    regions
}

fn op_name(code: &Bytecode, source: &Source, pc: Pc, around: Option<Pc>, detail: Detail) -> String {
    let word = |pc: Pc| {
        let span = code.spans()[pc.index()];
        (source.place(span), source.text(span))
    };
    let function = code.function_of(pc);
    let definition = (function != FunctionId::MAIN).then(|| code.functions()[function.index()].printable_name());
    let in_definition = definition.as_ref().map_or(String::new(), |name| format!(" in {name}"));
    match (detail, around.map(word)) {
        (Detail::Words, _) if code.ops()[pc.index()] == Op::Return => format!("return{in_definition}"),
        (Detail::Words, around) => {
            let (place, text) = word(pc);
            let around = around.map_or(String::new(), |(place, text)| format!(" in {text} {place}"));
            format!("{place} {}{text}{around}{in_definition}", code.role(pc))
        }
        (Detail::Loops, Some((place, text))) => format!("{place} {text}{in_definition}"),
        (Detail::Loops, None) => definition.unwrap_or("outside of loops".into()).into_owned(),
        (Detail::Definitions, _) => definition.unwrap_or("main program".into()).into_owned(),
    }
}

/// Finds the innermost loop around each operation. The loop is identified by the operation that begins it.
fn loops(code: &Bytecode) -> Vec<Option<Pc>> {
    let mut innermost = vec![None; code.ops().len()];
    let mut open: Vec<Pc> = Vec::new();
    for (index, op) in code.ops().iter().enumerate() {
        // The count of a `times` loop is popped once; all of a `while` is executed in every iteration.
        if let Op::While(id) = op {
            open.push(code.region(*id).start);
        }
        innermost[index] = open.last().copied();
        match op {
            Op::Times(id) => open.push(code.region(*id).start),
            Op::Next(_) | Op::Repeat(_) => drop(open.pop()),
            _ => {}
        }
    }
    innermost
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{cases, programs};
    use crate::lang::{Place, load};
    use crate::tiers::TIERS;

    /// The names in a program's map. Checks that they cover all of the code.
    fn names(source: &Source, inputs: usize, isa: &str, engine: &str, detail: Detail) -> Vec<String> {
        let program = load(source, inputs).expect("it is a program");
        let tier = tier(engine).expect("the engine exists");
        let code = bytecode::lower(&program, Options::default().limits(), true).expect("it is small");
        let compile = compiler(isa).expect("it is one of ours");
        let machine = compile(&code, tier, &Tuning::default(), true, Vec::new()).expect("it is small").machine;
        let mut end = 0;
        let mut names = Vec::new();
        for (range, name) in regions(&machine, &code, source, detail) {
            assert!(range.start == end && range.end > end, "{}: {range:?} follows {end}", source.name());
            end = range.end;
            names.push(name);
        }
        assert_eq!(end, machine.bytes.len(), "{}", source.name());
        names
    }

    const DUEL: &str = "0 swap times\n  3 times 1 + end\n  while dup 9 > do 2 / end\nend";

    #[test]
    fn words_and_loops_are_named() {
        let source = Source::new("duel.stk", DUEL);
        for isa in ["aarch64", "x86_64"] {
            let words = names(&source, 1, isa, "jit", Detail::Words);
            for name in
                ["prologue", "2:13 + in times 2:5", "2:5 end of times in times 2:5", "3:22 / in while 3:3", "return"]
            {
                assert!(words.contains(&format!("duel.stk:{name}")), "{name}: {words:?}");
            }
            let mut loops = names(&source, 1, isa, "jit", Detail::Loops);
            loops.sort();
            loops.dedup();
            let expected = ["1:8 times", "2:5 times", "3:3 while", "outside of loops", "prologue", "trap exits"];
            assert_eq!(loops, expected.map(|name| format!("duel.stk:{name}")));
        }
    }

    #[test]
    fn definitions_are_named() {
        let source = Source::new(
            "fib.stk",
            ": fib ( n -- f ) dup 2 < if else dup 1 - fib swap 2 - fib + end ;\n: f ( -- s ) 0 9 times 2 fib + end ; f",
        );
        for isa in ["aarch64", "x86_64"] {
            for engine in ["jit", "regs"] {
                let named = |detail, expected: &[&str]| {
                    let names = names(&source, 0, isa, engine, detail);
                    for name in expected {
                        assert!(names.contains(&format!("fib.stk:{name}")), "{engine}: {name}: {names:?}");
                    }
                };
                let words = [
                    "1:42 fib in fib",
                    "return in fib",
                    "2:26 fib in times 2:18 in f",
                    "2:18 end of times in times 2:18 in f",
                    "return",
                ];
                named(Detail::Words, &words[..3]);
                named(Detail::Loops, &["fib", "2:18 times in f", "outside of loops"]);
                named(Detail::Definitions, &["fib", "f", "main program", "prologue", "trap exits"]);
            }
        }
    }

    /// For both instruction sets and all compiling engines, all code has a name, and every location in a name is that of its
    /// word.
    #[test]
    fn the_whole_corpus_is_mapped() {
        let mut paths = Vec::new();
        programs(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus").as_ref(), &mut paths).expect("the corpus is there");
        let mut mapped = 0;
        for path in paths {
            let source = Source::new("x", fs::read(&path).expect("it can be read"));
            let inputs =
                cases(&source).expect("the corpus has no malformed case").first().map_or(0, |case| case.inputs.len());
            if source.bytes().len() > 10_000 || load(&source, inputs).is_err() {
                continue;
            }
            for (engine, _) in TIERS {
                for isa in ["aarch64", "x86_64"] {
                    for name in names(&source, inputs, isa, engine, Detail::Words) {
                        mapped += usize::from(has_location(&name, &source));
                    }
                }
            }
        }
        assert!(mapped > 10_000, "only {mapped} names with locations");
    }

    /// Whether a name has a location. Checks that the word is there.
    fn has_location(name: &str, source: &Source) -> bool {
        let name = name.strip_prefix("x:").expect("the program's name is first");
        if ["prologue", "return", "trap exits"].iter().any(|other| name.starts_with(other)) {
            return false;
        }
        let (place, word) = name.split_once(' ').expect("a location and a word");
        let (word, around) = word.split_once(" in ").map_or((word, None), |(word, around)| (word, Some(around)));
        let around = around.map(|around| around.split_once(" in ").map_or(around, |(around, _)| around));
        let word = word.rsplit_once(" for ").or(word.rsplit_once(" of ")).map_or(word, |(_, word)| word);
        assert_word_at(place, word, source);
        // Without a location, it is the name of the definition.
        if let Some((opener, place)) = around.and_then(|around| around.split_once(' ')) {
            assert!(["times", "while"].contains(&opener), "{name}");
            assert_word_at(place, opener, source);
        }
        true
    }

    fn assert_word_at(place: &str, word: &str, source: &Source) {
        let (line, column) = place.split_once(':').expect("a line and a column");
        let Place { line, column } =
            Place { line: line.parse().expect("a number"), column: column.parse().expect("a number") };
        let text = String::from_utf8_lossy(source.bytes());
        let there: String = text.split('\n').nth(line - 1).expect("the line exists").chars().skip(column - 1).collect();
        assert!(there.starts_with(word), "expected {word:?} at {place}: {there:?}");
    }

    #[test]
    fn a_name_is_one_line() {
        let source = Source::new("a\nb", "1 +");
        let names = names(&source, 1, "x86_64", "jit", Detail::Words);
        assert!(names.iter().all(|name| name.starts_with("a\\nb:")), "{names:?}");
    }
}
