//! Independent witnesses: random programs and the corpus are translated to C and Forth. With gcc and gforth, they must produce
//! the outcomes of the referee and the cases: the same final stack, or the same trap at the same location.
//!
//! A witness that is not installed is reported as `NOT RUN`. If JITDUEL_WITNESSES is `required`, this is a failure.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use crate::binary::{folder, size};
use crate::commands::{self, Judged, c_testimony, ended};
use jitduel::corpus::{cases, programs};
use jitduel::engine;
use jitduel::export::{Limits, MAX_CALLS, Needs, Run, c, forth};
use jitduel::front;
use jitduel::generate::{Kind, Trial, trial};
use jitduel::interp::tree::evaluate;
use jitduel::lang::words::WORDS;
use jitduel::lang::{NodeKind, Program, Source, load};
use jitduel::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT, Outcome, TrapKind, Verdict};

// The witnesses.

/// One run for a witness.
struct Case {
    source: Source,
    program: Program,
    limits: Limits,
    inputs: Vec<i64>,
    /// The expected line.
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

    fn is_installed(self) -> bool {
        commands::is_installed(self.command())
    }

    /// A file with all runs, in which each program is translated once.
    fn file(self, cases: &[Case], needs: Needs) -> String {
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
            Witness::C => format!("{}\n{functions}\n{}", c::prelude(needs), c::driver(&runs, needs)),
            Witness::Forth => format!("{}\n{functions}\n{}", forth::prelude(needs), forth::driver(&runs)),
        }
    }

    /// Its output for a file of many runs.
    fn testimony(self, path: &Path, text: &str, needs: Needs) -> String {
        std::fs::write(path, text).expect("the target folder can be written");
        match self {
            Witness::C => c_testimony(path, &["-O2"]),
            Witness::Forth => {
                let mut forth = Command::new("gforth");
                ended(forth.args(forth::options(text.len(), needs)).arg(path), path)
            }
        }
    }
}

impl Case {
    fn needs(&self) -> Needs {
        Needs::of(&self.program, self.limits).expect("its calls are not too many")
    }
}

impl Judged for Case {
    fn expected(&self) -> &str {
        &self.expected
    }

    fn source(&self) -> &Source {
        &self.source
    }

    fn run(&self) -> String {
        format!("inputs {:?}, {:?}", self.inputs, self.limits)
    }
}

/// Runs all cases with the witness, many per file, and fails with those that differ.
fn compare(witness: Witness, name: &str, cases: &[Case]) {
    commands::compare(witness.command(), name, cases, |path, batch| {
        let needs = batch.iter().fold(Needs::default(), |needs, case| needs.and(case.needs()));
        witness.testimony(&path.with_extension(witness.ending()), &witness.file(batch, needs), needs)
    });
}

// The tests.

/// The maximum size of a program in bytes, because gcc's time grows faster than linearly.
const LONGEST: usize = 4_000;

/// Lets a program push a few of its cells at its end, so that its result shows what it stored. It stays as it is without arrays, or
/// if it ends with a closing word.
fn showing_memory(trial: Trial) -> Trial {
    let cells = trial.load().expect("it is valid").ast().cells();
    let Some(last) = cells.checked_sub(1) else { return trial };
    let text = format!("{}\n0 @ {} @ {last} @", trial.text, cells / 2);
    let shown = Trial { text, ..trial.clone() };
    if shown.load().is_ok() { shown } else { trial }
}

/// Random programs with the referee's results. Two of three run with their own fuel, the others without a limit if they end.
fn random_cases(count: usize) -> Vec<Case> {
    let (mut random_cases, mut long, mut endless, mut traps) = (Vec::new(), 0, 0, HashMap::new());
    for index in 0..count as u64 {
        let trial = showing_memory(trial(Kind::Random, 7, index));
        if trial.text.len() > LONGEST || trial.inputs.len() > LONGEST / 10 {
            long += 1;
            continue;
        }
        let program = trial.load().expect("it is valid");
        let outcome = trial.measure(program.ast()).outcome;
        let Trial { text, inputs, fuel, stack_limit, call_limit, .. } = trial;
        let source = Source::new(format!("random program {index}"), text);
        let limits = Limits { stack: stack_limit, calls: call_limit, fuel: (index % 3 != 0).then_some(fuel) };
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
    println!("{count} random programs: {endless} skipped that may not end, {long} that are long; {traps:?} trap");
    assert!((endless + long) * 10 < count, "{endless} and {long} of {count} programs are skipped");
    let has = |case: &Case, word| case.program.ast().nodes().iter().any(|node| node.kind == NodeKind::Word(word));
    assert!(
        WORDS.iter().all(|(word, _)| random_cases.iter().any(|case| has(case, *word))),
        "some word is in no program"
    );
    assert_eq!(traps.len(), TrapKind::ALL.len(), "some kind of trap is missing: {traps:?}");
    let finished = random_cases.len() - traps.values().sum::<usize>();
    assert!(finished * 2 > count, "only {finished} of {count} programs finish");
    random_cases
}

/// The corpus, with the results in its cases.
fn corpus_cases() -> Vec<Case> {
    let (mut corpus_cases, mut rejected, mut paths) = (Vec::new(), 0, Vec::new());
    programs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"), &mut paths).expect("the corpus is there");
    for path in &paths {
        let source = Source::of_file(path, std::fs::read(path).expect("it can be read"));
        for case in cases(&source).expect("the corpus has no malformed case") {
            // A rejected program cannot be exported.
            let Ok(Ok(program)) = front::load(&source, case.inputs.len()) else {
                rejected += 1;
                continue;
            };
            let limits = Limits { stack: case.stack_limit, calls: case.call_limit, fuel: case.fuel };
            let (inputs, expected) = (case.inputs, case.expected.to_string());
            corpus_cases.push(Case { source: source.clone(), program, limits, inputs, expected });
        }
    }
    println!("{} programs, {} runs, {rejected} rejections", paths.len(), corpus_cases.len());
    assert!(corpus_cases.len() > 1000, "only {} runs", corpus_cases.len());
    corpus_cases
}

/// Programs with definitions and arrays that run into every limit and trap, if the limits are small enough.
const WITH_DEFINITIONS: [&str; 15] = [
    ": sum ( n -- s ) dup if dup 1 - sum + end ; 7 3 sum",
    ": fib ( n -- f ) dup 2 < if else dup 1 - fib swap 2 - fib + end ; 4 fib 9",
    ": even ( n -- f ) dup if 1 - odd else drop 1 end ; : odd ( n -- f ) dup if 1 - even else drop 0 end ; 1 2 3 even",
    // No cycle, with frames larger than what is left.
    ": a ( x -- y ) dup dup b + + ; : b ( x -- y ) dup c * ; : c ( x -- y ) 1 2 3 + + + ; 7 8 a swap b",
    // A cycle, and definitions before and after it.
    ": a ( -- x ) 1 2 3 + + ; : b ( n -- n ) dup if 1 - b a drop end a + ; a 2 b",
    ": f ( n -- m ) 0 swap times 3 times 1 + dup 4 mod 0 = if exit end dup 6 = if leave end end end ; 1 f 3 f",
    ": half ( n -- n f ) 2 / dup ; : g ( n -- n ) while half do dup 2 = if leave end 1 times negate leave end end ; 5 g 9 g",
    // Underflow that concerns only the values of one call, below another one that checks for it too.
    ": f ( a b c n -- d ) times drop end rot dup if nip nip exit end drop drop ;\n\
     : g ( a b c n -- a ) while dup do 1 - 0 0 0 0 f drop dup 1 = times nip end end 3 pick drop drop drop drop ;\n\
     1 2 3 0 f 0 2 3 0 f 4 5 6 1 g 1 2 3 2 g",
    // The same if the main program checks for it.
    ": f ( a b n -- b ) times drop end swap drop ; 4 times 7 end 0 f drop 0 f drop 1 f",
    "4 array a : fill ( n -- ) dup if 1 - dup dup a + ! fill else drop end ; 2 array b 4 fill 3 a + @ b 1 + @ 7 fill",
    "1 array a : q ( a b -- c ) 9 times a @ if leave end end / 3 a ! ; 6 3 times dup 1 - 6 swap q end",
    "1 array a : f ( a -- x ) dup @ drop 1 - f ; 0 f",
    // A depth that is known only in definitions.
    "5 times 1 end : s ( a b -- c ) + ; 3 times s end s s",
    // No array.
    ": f ( a -- x ) dup if 1 - f else @ end ; 2 f",
    ": sign ( n -- s ) dup 0 < if drop -1 exit else if 1 else 0 exit end end 1 * ; -5 sign 0 sign 7 sign dup if exit end 9",
];

/// Each of them with all combinations of small limits.
fn limit_cases() -> Vec<Case> {
    let (mut limit_cases, mut ends) = (Vec::new(), HashMap::new());
    for text in WITH_DEFINITIONS {
        let source = Source::new(text, text);
        let program = load(&source, 0).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        for stack in [0, 1, 2, 3, 4, 6, 20] {
            let unmetered = [0, 1, 2, 3, 4, 20].map(|calls| (calls, None));
            for (calls, fuel) in unmetered.into_iter().chain((0..6).map(|fuel| (4, Some(fuel)))) {
                let run = engine::Run { inputs: &[], fuel, stack_limit: stack, call_limit: calls };
                let expected = Verdict::of(&evaluate(program.ast(), run), &source).to_string();
                let end = if expected.starts_with("trap") { expected.clone() } else { "no trap".to_owned() };
                *ends.entry((text, end)).or_insert(0_usize) += 1;
                let limits = Limits { stack, calls, fuel };
                limit_cases.push(Case {
                    source: source.clone(),
                    program: program.clone(),
                    limits,
                    inputs: vec![],
                    expected,
                });
            }
        }
    }
    for kind in TrapKind::ALL {
        let kind = format!("trap {kind}");
        assert!(ends.keys().any(|(_, end)| end.starts_with(&kind)), "no program ends with {kind}");
    }
    let different = WITH_DEFINITIONS.map(|text| ends.keys().filter(|(other, _)| *other == text).count());
    assert!(different.iter().all(|count| *count > 2), "{different:?}");
    limit_cases
}

#[test]
fn limits_in_c() {
    if Witness::C.is_installed() {
        compare(Witness::C, "limits_c", &limit_cases());
    }
}

#[test]
fn limits_in_forth() {
    if Witness::Forth.is_installed() {
        compare(Witness::Forth, "limits_forth", &limit_cases());
    }
}

#[test]
fn random_programs_in_c() {
    if Witness::C.is_installed() {
        compare(Witness::C, "random_c", &random_cases(size("random programs in C", 240, 100)));
    }
}

#[test]
fn random_programs_in_forth() {
    if Witness::Forth.is_installed() {
        compare(Witness::Forth, "random_forth", &random_cases(size("random programs in Forth", 4_000, 300)));
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

/// The deepest nesting, 32,000 words, a full stack, the most cells, and the most active calls, each in its own file.
fn large_files(witness: Witness) {
    let folder = folder(&format!("large_{}", witness.ending()));
    let nested = "1 times 1 if 1 while do 0 ".repeat(333) + "1 1 times 1 + end " + &"end end end ".repeat(333);
    let straight = "1 ".to_owned() + &"dup 1 + swap over xor - 3 * ".repeat(4_000);
    let high = format!("{} times 7 end", DEFAULT_STACK_LIMIT - 1);
    let cells = "16777216 array a 7 a 16777215 + ! 16777215 @ 0 @ 16777216 @";
    let chain = (0..3000).map(|index| format!(": f{index} ( n -- n ) 1 + f{} ; ", index + 1)).collect::<String>();
    let deep =
        format!(": down ( n -- n ) dup if 1 - 1 times while 1 do down leave end end end ; {} down", MAX_CALLS - 1);
    let too_deep = deep.replace(&(MAX_CALLS - 1).to_string(), &MAX_CALLS.to_string());
    for (name, text, inputs) in [
        ("nested", nested, vec![]),
        ("straight", straight, vec![]),
        ("high", high, vec![-8]),
        ("cells", cells.into(), vec![]),
        ("chain", chain + ": f3000 ( n -- n ) ; 5 f0", vec![]),
        ("deep", deep, vec![]),
        ("too deep", too_deep, vec![]),
    ] {
        let source = Source::new(name, text);
        let program = load(&source, inputs.len()).expect("it is a program");
        let limits = Limits { stack: DEFAULT_STACK_LIMIT, calls: MAX_CALLS, fuel: None };
        let run = engine::Run { inputs: &inputs, call_limit: MAX_CALLS, ..engine::Run::default() };
        let expected = format!("{}\n", Verdict::of(&evaluate(program.ast(), run), &source));
        let file = match witness {
            Witness::C => c::file(&program, &source, limits, &inputs),
            Witness::Forth => forth::file(&program, &source, limits, &inputs),
        };
        let file = file.expect("its calls are not too many");
        let path = folder.join(format!("{name}.{}", witness.ending()));
        let said = witness.testimony(&path, &file, Needs::of(&program, limits).expect("its calls are not too many"));
        assert!(said == expected, "{name}: {} disagrees", witness.command());
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

/// Without optimization, gcc gives every intermediate value its own place on the C stack.
#[test]
fn large_frames_in_c() {
    if !Witness::C.is_installed() {
        return;
    }
    let folder = folder("large_frames");
    let shuffles = |count| "rot swap ".repeat(count);
    let main = format!(": f ( -- ) ; f 1 2 3 {}", shuffles(10_000));
    let definition = format!(": f ( n -- n ) dup if 1 - 1 2 3 {} drop drop drop f end ; 9999 f", shuffles(200));
    for (name, text, expected) in [("main", main, "1 2 3\n"), ("definition", definition, "0\n")] {
        let source = Source::new(name, text);
        let program = load(&source, 0).expect("it is a program");
        let limits = Limits { stack: 10, calls: DEFAULT_CALL_LIMIT, fuel: None };
        let path = folder.join(format!("{name}.c"));
        let file = c::file(&program, &source, limits, &[]).expect("its calls are not too many");
        std::fs::write(&path, file).expect("the target folder can be written");
        assert_eq!(c_testimony(&path, &["-O0"]), expected);
    }
}

/// A C program accepts other inputs as arguments, in every notation of the language and no other.
#[test]
fn arguments_in_c() {
    if !Witness::C.is_installed() {
        return;
    }
    let path = folder("arguments").join("divide.c");
    let source = Source::new("divide", "/");
    let program = load(&source, 2).expect("it is a program");
    let limits = Limits { stack: 2, calls: DEFAULT_CALL_LIMIT, fuel: None };
    let text = c::file(&program, &source, limits, &[i64::MIN, -1]).expect("it has no calls");
    assert_eq!(
        Witness::C.testimony(&path, &text, Needs::of(&program, limits).expect("it has no calls")),
        "-9223372036854775808\n"
    );
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
