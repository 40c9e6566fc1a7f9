//! Independent witnesses: random programs and the corpus, translated to C and to Forth, must come to the same in gcc's and
//! gforth's hands as the referee and the cases say: the whole final stack, or the same trap at the same place.
//!
//! A witness that is not installed is reported as `NOT RUN`, and is a failure where JITDUEL_WITNESSES is `required`.

mod binary;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use binary::{folder, size};
use jitduel::corpus::{cases, programs};
use jitduel::export::{Limits, Run, c, forth};
use jitduel::interp::tree::evaluate;
use jitduel::lang::words::{Class, WORDS};
use jitduel::lang::{NodeKind, Program, Source, Word, load};
use jitduel::outcome::{DEFAULT_STACK_LIMIT, Outcome, TrapKind, Verdict};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

// The programs.

/// A random program that the verifier takes, and inputs for it. The same index is the same program on every host.
fn random_program(index: u64) -> (String, Vec<i64>) {
    let mut writer = Writer { random: Xoshiro256PlusPlus::seed_from_u64(index), words: Vec::new(), budget: 0 };
    loop {
        writer.words.clear();
        writer.budget = writer.random.random_range(5..80);
        let inputs: Vec<i64> = (0..writer.random.random_range(0..5)).map(|_| writer.constant()).collect();
        let mut depth = inputs.len();
        while writer.budget > 0 {
            depth = writer.body(depth, 0);
        }
        let text = writer.words.join(" ");
        // Where a loop has changed the depth, the guesses of the writer may be wrong.
        if load(&Source::new("random", text.as_str()), inputs.len()).is_ok() {
            return (text, inputs);
        }
    }
}

/// Writes words, with a guess how deep the stack is.
struct Writer {
    random: Xoshiro256PlusPlus,
    words: Vec<String>,
    /// Words that may still be written, about.
    budget: i32,
}

impl Writer {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.random_range(0..from.len())]
    }

    /// Mostly such as lie on an edge.
    fn constant(&mut self) -> i64 {
        let power = 1_i64 << self.random.random_range(0..64);
        match self.random.random_range(0..8) {
            0 => self.pick(&[i64::MIN, i64::MIN + 1, i64::MAX]),
            1 => self.pick(&[power, power.wrapping_sub(1), power.wrapping_add(1), power.wrapping_neg()]),
            2 => self.random.random(),
            3 | 4 => self.pick(&[0, 1, -1]),
            _ => self.random.random_range(-20..20),
        }
    }

    fn write(&mut self, words: &str) {
        self.budget -= 1;
        self.words.push(words.into());
    }

    /// Some words, from a depth to the one that is returned.
    fn body(&mut self, mut depth: usize, nesting: usize) -> usize {
        for _ in 0..self.random.random_range(1..9) {
            depth = match self.random.random_range(0..100) {
                _ if depth == 0 || self.budget <= 0 => self.literal(depth),
                0..20 => self.literal(depth),
                20..27 => {
                    let below = self.random.random_range(0..depth);
                    self.write(&format!("{below} pick"));
                    depth + 1
                }
                27..80 => self.plain(depth),
                _ if nesting == 5 => self.plain(depth),
                80..86 => self.branch(depth, nesting),
                86..91 => self.counted(depth, nesting),
                91..97 => self.guarded(depth, nesting),
                _ => self.unsteady(depth, nesting),
            }
        }
        depth
    }

    /// Words from one depth to another.
    fn bounded(&mut self, from: usize, to: usize, nesting: usize) {
        let mut depth = self.body(from, nesting + 1);
        while depth > to {
            self.write("drop");
            depth -= 1;
        }
        while depth < to {
            depth = self.literal(depth);
        }
    }

    fn literal(&mut self, depth: usize) -> usize {
        let value = self.constant();
        let hexadecimal = self.random.random_bool(0.2);
        self.write(&if hexadecimal { format!("{value:#x}") } else { value.to_string() });
        depth + 1
    }

    fn plain(&mut self, mut depth: usize) -> usize {
        let (word, _) = &WORDS[self.random.random_range(0..WORDS.len())];
        // A random divisor is zero too often, a random count of bits beyond 64 nearly always.
        if word.class() == Class::Division && self.random.random_bool(0.9) {
            self.write("1 or");
        }
        if matches!(word, Word::Lshift | Word::Rshift) && self.random.random_bool(0.7) {
            let count = self.pick(&[0, 1, 31, 32, 33, 63, 64, 65, 127, -1]);
            self.write(&count.to_string());
            depth += 1;
        }
        while depth < word.pops() {
            depth = self.literal(depth);
        }
        self.write(word.spelling());
        depth - word.pops() + word.pushes()
    }

    fn branch(&mut self, depth: usize, nesting: usize) -> usize {
        self.write("if");
        let depth = depth - 1;
        let end = if self.random.random_bool(0.5) { depth } else { self.random.random_range(0..4) };
        self.bounded(depth, end, nesting);
        if end != depth || self.random.random_bool(0.5) {
            self.write("else");
            self.bounded(depth, end, nesting);
        }
        self.write("end");
        end
    }

    /// A loop that leaves the depth as it is.
    fn counted(&mut self, depth: usize, nesting: usize) -> usize {
        let count = self.pick(&["0", "1", "2", "3", "7", "-1", "0x8000000000000000", "dup 3 and", "dup 0 >"]);
        self.write(count);
        self.write("times");
        self.bounded(depth, depth, nesting);
        self.write("end");
        depth
    }

    /// A `while` that ends soon, most of the time.
    fn guarded(&mut self, depth: usize, nesting: usize) -> usize {
        let start = self.random.random_range(0..6);
        let (head, step) = self.pick(&[
            ("while dup 0 > do", "1 -"),
            ("while dup do", "2 /"),
            ("while 1 - dup 0 >= do", ""),
            ("while dup 100 < over -1 > and do", "3 * 1 +"),
            ("while dup if dup else 0 end do", "1 rshift"),
        ]);
        self.write(&format!("{start} {head}"));
        if depth > 0 {
            // Most bodies see no more than the value above the counter, so that they leave that alone.
            let seen = if self.random.random_bool(0.9) { 1 } else { depth };
            self.write("swap");
            self.bounded(seen, seen, nesting);
            self.write("swap");
        }
        self.write(step);
        self.write("end drop");
        if self.random.random_bool(0.2) {
            self.write("1020 462 while dup do tuck mod end drop");
            return depth + 1;
        }
        depth
    }

    /// A loop that changes the depth, behind which the guess is wrong more often than not.
    fn unsteady(&mut self, depth: usize, nesting: usize) -> usize {
        match self.random.random_range(0..5) {
            0 | 1 => {
                let count = self.pick(&["0", "1", "2", "3", "20"]);
                self.write(count);
                self.write("times");
                self.bounded(depth, depth + 1, nesting);
                self.write("end");
            }
            2 => {
                let count = self.pick(&["0", "1", "2", "3"]);
                self.write(count);
                self.write("times");
                self.bounded(depth, depth - 1, nesting);
                self.write("end");
            }
            // Condition and body with their own ways of changing it.
            3 => self.write("while dup do 1 rshift dup end"),
            _ => self.write("while 3 mod do end"),
        }
        depth
    }
}

// The witnesses.

/// One run that a witness is asked about.
struct Case {
    source: Source,
    program: Program,
    limits: Limits,
    inputs: Vec<i64>,
    /// The line that must come of it.
    expected: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Witness {
    C,
    Forth,
}

impl Witness {
    fn command(self) -> &'static str {
        match self {
            Witness::C => "gcc",
            Witness::Forth => "gforth",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Witness::C => "c",
            Witness::Forth => "fs",
        }
    }

    /// Whether it is here. Where it is not, the test says so, and fails where it may not be missing.
    fn is_installed(self) -> bool {
        let name = self.command();
        let output = Command::new(name).arg("--version").output();
        let here = output.is_ok_and(|output| output.status.success());
        if !here {
            // Past the capture of a test that passes, so that nobody takes it for one that has run.
            writeln!(std::io::stderr(), "NOT RUN: {name} is not installed").expect("standard error takes it");
            let required = std::env::var_os("JITDUEL_WITNESSES").is_some_and(|value| value == "required");
            assert!(!required, "{name} is not installed, and JITDUEL_WITNESSES is `required`");
        }
        here
    }

    /// A file of many programs, each translated once, that makes all runs.
    fn file(self, cases: &[&Case]) -> String {
        let mut names = HashMap::new();
        let mut functions = String::new();
        let mut runs = Vec::new();
        for case in cases {
            let next = format!("program_{}", names.len());
            let key = (case.source.name(), case.program.inputs(), case.limits);
            let name = names.entry(key).or_insert_with(|| {
                functions += &match self {
                    Witness::C => c::function(&case.program, &case.source, &next, case.limits),
                    Witness::Forth => forth::function(&case.program, &case.source, &next, case.limits),
                };
                next
            });
            runs.push((name.clone(), &case.inputs));
        }
        let runs: Vec<_> = runs.iter().map(|(function, inputs)| Run { function, inputs }).collect();
        match self {
            Witness::C => format!("{}\n{functions}\n{}", c::prelude(), c::driver(&runs, greatest(cases))),
            Witness::Forth => format!("{}\n{functions}\n{}", forth::prelude(), forth::driver(&runs)),
        }
    }

    /// What it prints for a file of many runs.
    fn testimony(self, path: &Path, text: &str, stack: usize) -> String {
        std::fs::write(path, text).expect("the target folder can be written");
        match self {
            Witness::C => {
                let program = path.with_extension("out");
                let mut compiler = Command::new("gcc");
                compiler.args(["-std=c11", "-Wall", "-Wextra", "-pedantic", "-O2", "-o"]).arg(&program).arg(path);
                assert_eq!(ended(&mut compiler, path), "");
                ended(&mut Command::new(program), path)
            }
            Witness::Forth => {
                let mut forth = Command::new("gforth");
                ended(forth.args(forth::options(text.len(), stack)).arg(path), path)
            }
        }
    }
}

fn greatest(cases: &[&Case]) -> usize {
    cases.iter().map(|case| case.limits.stack).max().unwrap_or(0)
}

/// Runs a command to its end, of which it has to be quiet on standard error and to exit with 0, or with 1 for a trap.
fn ended(command: &mut Command, beside: &Path) -> String {
    const PATIENCE: Duration = Duration::from_secs(300);
    let [out, err] = ["stdout", "stderr"].map(|stream| beside.with_extension(stream));
    let create = |path: &PathBuf| Stdio::from(File::create(path).expect("the target folder can be written"));
    command.stdin(Stdio::null()).stdout(create(&out)).stderr(create(&err));
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let begin = Instant::now();
    let status = loop {
        match child.try_wait().expect("it was started") {
            Some(status) => break status,
            None if begin.elapsed() > PATIENCE => {
                child.kill().expect("it was started");
                panic!("{command:?}: not ended after {PATIENCE:?}");
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let [out, err] =
        [out, err].map(|path| String::from_utf8_lossy(&std::fs::read(path).expect("it exists")).into_owned());
    assert!(matches!(status.code(), Some(0 | 1)) && err.is_empty(), "{command:?}: {status}\n{err}");
    out
}

/// Asks the witness about all cases, many of them in a file, and shows where it says something else.
fn compare(witness: Witness, name: &str, cases: &[Case]) {
    // gcc's time grows faster than its file.
    const CASES_IN_A_FILE: usize = 200;
    let (begin, folder) = (Instant::now(), folder(name));
    let batches: Vec<Vec<&Case>> = cases.chunks(CASES_IN_A_FILE).map(|batch| batch.iter().collect()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = batches.get(number) else { return wrong };
            let path = folder.join(format!("{number}.{}", witness.ending()));
            let text = witness.file(batch);
            let said = witness.testimony(&path, &text, greatest(batch));
            // A file that stopped in the middle is wrong about all that is missing.
            let mut lines = said.lines();
            for case in batch {
                let line = lines.next().unwrap_or("(nothing)");
                if line != case.expected {
                    let (text, inputs) = (String::from_utf8_lossy(case.source.bytes()), &case.inputs);
                    wrong.push(format!(
                        "{}, in {}\n{text}\ninputs {inputs:?}, {:?}\n  expected: {}\n  {} says: {line}\n",
                        case.source.name(),
                        path.display(),
                        case.limits,
                        case.expected,
                        witness.command(),
                    ));
                }
            }
            assert_eq!(lines.next(), None, "{} says more than it was asked", witness.command());
        }
    };
    let wrong: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker has failed")).collect()
    });
    println!("{name}: {} runs by {} in {:.1} s", cases.len(), witness.command(), begin.elapsed().as_secs_f64());
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
}

// The tests.

/// Passes that a random program may start before it counts as one that does not end.
const FUEL: u64 = 10_000;

/// Random programs with what the referee says of them. Every third is exported with little fuel; of the others, those
/// that do not end are left out.
fn random_cases(count: usize) -> Vec<Case> {
    let (mut random_cases, mut endless, mut traps) = (Vec::new(), 0, HashMap::new());
    for index in 0..count as u64 {
        let (text, inputs) = random_program(index);
        let source = Source::new(format!("random program {index}"), text);
        let program = load(&source, inputs.len()).expect("the verifier takes it");
        let stack = [DEFAULT_STACK_LIMIT, 9, 24][index as usize / 3 % 3];
        let limits = Limits { stack, fuel: (index % 3 == 0).then_some(index % 40) };
        let outcome = evaluate(program.ast(), &inputs, limits.fuel.or(Some(FUEL)), stack);
        let out_of_fuel = matches!(&outcome, Outcome::Trap(trap) if trap.kind == TrapKind::OutOfFuel);
        if limits.fuel.is_none() && out_of_fuel {
            endless += 1;
            continue;
        }
        if let Outcome::Trap(trap) = &outcome {
            *traps.entry(trap.kind.to_string()).or_insert(0_usize) += 1;
        }
        let expected = Verdict::of(&outcome, &source).to_string();
        random_cases.push(Case { source, program, limits, inputs, expected });
    }
    println!("{count} random programs: {endless} skipped that do not end, {traps:?} trap");
    assert!(endless * 20 < count, "{endless} of {count} programs do not end");
    let has = |case: &Case, word| case.program.ast().nodes.iter().any(|node| node.kind == NodeKind::Word(word));
    assert!(WORDS.iter().all(|(word, _)| random_cases.iter().any(|case| has(case, *word))), "a word is in no program");
    assert_eq!(traps.len(), TrapKind::ALL.len(), "not every trap: {traps:?}");
    let finished = random_cases.len() - traps.values().sum::<usize>();
    assert!(finished * 2 > count, "only {finished} of {count} programs finish");
    random_cases
}

/// The corpus, with what its cases say themselves.
fn corpus_cases() -> Vec<Case> {
    let (mut corpus_cases, mut rejected, mut paths) = (Vec::new(), 0, Vec::new());
    programs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"), &mut paths).expect("the corpus is there");
    for path in &paths {
        let source = Source::new(path.display().to_string(), std::fs::read(path).expect("it can be read"));
        for case in cases(&source).expect("the corpus is in order") {
            // What is rejected cannot be exported.
            let Ok(program) = load(&source, case.inputs.len()) else {
                rejected += 1;
                continue;
            };
            let limits = Limits { stack: case.stack_limit, fuel: case.fuel };
            let (inputs, expected) = (case.inputs, case.expected.to_string());
            corpus_cases.push(Case { source: source.clone(), program, limits, inputs, expected });
        }
    }
    println!("{} programs, {} runs, {rejected} rejections", paths.len(), corpus_cases.len());
    assert!(corpus_cases.len() > 1000, "only {} runs", corpus_cases.len());
    corpus_cases
}

#[test]
fn random_programs_in_c() {
    if Witness::C.is_installed() {
        compare(Witness::C, "random_c", &random_cases(size("random programs in C", 2_000, 300)));
    }
}

#[test]
fn random_programs_in_forth() {
    if Witness::Forth.is_installed() {
        compare(Witness::Forth, "random_forth", &random_cases(size("random programs in Forth", 12_000, 300)));
    }
}

#[test]
fn the_corpus_in_c() {
    if Witness::C.is_installed() {
        compare(Witness::C, "corpus_c", &corpus_cases());
    }
}

#[test]
fn the_corpus_in_forth() {
    if Witness::Forth.is_installed() {
        compare(Witness::Forth, "corpus_forth", &corpus_cases());
    }
}

/// The greatest nesting, 100,000 words, and a stack as high as its limit, each as a file of its own.
fn large_files(witness: Witness) {
    let folder = folder(&format!("large_{}", witness.ending()));
    let nested = "1 times 1 if 1 while do 0 ".repeat(333) + "1 1 times 1 + end " + &"end end end ".repeat(333);
    let straight = "1 ".to_owned() + &"dup 1 + swap over xor - 3 * ".repeat(12_500);
    let high = format!("{} times 7 end", DEFAULT_STACK_LIMIT - 1);
    for (name, text, inputs) in [("nested", nested, vec![]), ("straight", straight, vec![]), ("high", high, vec![-8])] {
        let source = Source::new(name, text);
        let program = load(&source, inputs.len()).expect("it is a program");
        let limits = Limits { stack: DEFAULT_STACK_LIMIT, fuel: None };
        let outcome = evaluate(program.ast(), &inputs, None, limits.stack);
        let expected = format!("{}\n", Verdict::of(&outcome, &source));
        let file = match witness {
            Witness::C => c::file(&program, &source, limits, &inputs),
            Witness::Forth => forth::file(&program, &source, limits, &inputs),
        };
        let path = folder.join(format!("{name}.{}", witness.ending()));
        let said = witness.testimony(&path, &file, limits.stack);
        assert!(said == expected, "{name}: {} says otherwise", witness.command());
    }
}

#[test]
fn large_files_in_c() {
    if Witness::C.is_installed() {
        large_files(Witness::C);
    }
}

#[test]
fn large_files_in_forth() {
    if Witness::Forth.is_installed() {
        large_files(Witness::Forth);
    }
}

/// A program in C takes other inputs as its arguments, in all the language's ways of writing them and no other.
#[test]
fn arguments_in_c() {
    if !Witness::C.is_installed() {
        return;
    }
    let path = folder("arguments").join("divide.c");
    let source = Source::new("divide", "/");
    let program = load(&source, 2).expect("it is a program");
    let limits = Limits { stack: 2, fuel: None };
    let text = c::file(&program, &source, limits, &[i64::MIN, -1]);
    assert_eq!(Witness::C.testimony(&path, &text, limits.stack), "-9223372036854775808\n");
    let run = |arguments: &[&str]| {
        let output = Command::new(path.with_extension("out")).args(arguments).output().expect("it was built");
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (output.status.code(), out + &err)
    };
    assert_eq!(run(&["-7", "0x2"]), (Some(0), "-3\n".into()));
    assert_eq!(run(&["0xfFFFFFFFFFFFFFFF", "-0001"]), (Some(0), "1\n".into()));
    assert_eq!(run(&["1", "-0"]), (Some(1), "trap division by zero 1:1\n".into()));
    assert_eq!(run(&["7"]), (Some(2), "error: the number of inputs must be 2\n".into()));
    for wrong in ["", "x", "+5", " 5", "5 ", "-", "0x", "-0x5", "0x+5", "9223372036854775808", "0x10000000000000000"] {
        assert_eq!(run(&["7", wrong]), (Some(2), format!("error: `{wrong}` is not a 64-bit integer\n")));
    }
}
