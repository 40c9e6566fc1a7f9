//! gcc judges let programs: it compiles a translation of the let tree, which must have the outcome of the compiled stack program, and
//! that of the referee that walks the let tree.

use std::collections::HashMap;
use std::path::Path;

use crate::binary::size;
use crate::commands::{Judged, c_testimony, compare, is_installed};
use crate::let_to_c::{PRELUDE, Translation, driver};
use jitduel::corpus::{cases, programs};
use jitduel::engine::Run;
use jitduel::front;
use jitduel::generate::{Kind, trial};
use jitduel::interp::tree;
use jitduel::lang::Source;
use jitduel::letlang::{self, evaluate::evaluate};
use jitduel::outcome::{Outcome, TrapKind, Verdict};

/// A number of values on the stack that no run reaches: the language leaves open at which call a stack overflows.
const STACK_LIMIT: usize = 1 << 24;

struct Case {
    source: Source,
    inputs: Vec<i64>,
    fuel: u64,
    call_limit: u64,
    expected: String,
}

impl Judged for Case {
    fn expected(&self) -> &str {
        &self.expected
    }

    fn source(&self) -> &Source {
        &self.source
    }

    fn run(&self) -> String {
        let Case { inputs, fuel, call_limit, .. } = self;
        format!("inputs {inputs:?}, fuel {fuel}, call limit {call_limit}")
    }
}

/// A file in which each program is translated once.
fn file(cases: &[Case]) -> String {
    let (mut text, mut runs, mut translations) = (PRELUDE.to_owned(), Vec::new(), HashMap::new());
    let trees: Vec<_> = cases.iter().map(|case| letlang::parse(&case.source).expect("it is valid")).collect();
    for (Case { source, inputs, fuel, call_limit, .. }, tree) in cases.iter().zip(&trees) {
        let prefix = format!("program_{}_", translations.len());
        let translation = translations.entry(source.name()).or_insert_with(|| {
            let translation = Translation { tree, source, prefix };
            text += &translation.program();
            translation
        });
        let name = format!("run_{}", runs.len());
        text += &translation.run(&name, inputs, *fuel, *call_limit);
        runs.push(name);
    }
    text + &driver(&runs)
}

fn judge(name: &str, cases: &[Case]) {
    compare("gcc", name, cases, |path, batch| {
        let path = path.with_extension("c");
        std::fs::write(&path, file(batch)).expect("the target folder can be written");
        // Not every variable is read, and not every function is called.
        c_testimony(&path, &["-O1", "-Wno-unused"])
    });
}

/// Random programs with the outcomes of the compiled programs on the referee of the stack language.
fn random_cases(count: usize) -> (Vec<Case>, HashMap<TrapKind, usize>) {
    let mut traps = HashMap::new();
    let case = |index: usize| {
        let trial = trial(Kind::Let, 7, index as u64);
        let source = Source::new(format!("random program {index}"), trial.text.as_bytes()).in_language(trial.language);
        let program = trial.load().unwrap_or_else(|fault| panic!("{}: {fault}", trial.text));
        let outcome = tree::evaluate(program.ast(), Run { stack_limit: STACK_LIMIT, ..trial.run() });
        if let Outcome::Trap(trap) = &outcome {
            *traps.entry(trap.kind).or_default() += 1;
        }
        let expected = Verdict::of(&outcome, &source).to_string();
        Case { source, inputs: trial.inputs, fuel: trial.fuel, call_limit: trial.call_limit, expected }
    };
    let cases = (0..count).map(case).collect();
    (cases, traps)
}

/// The programs of the corpus, with the outcomes in their cases.
fn corpus_cases() -> Vec<Case> {
    let (mut corpus_cases, mut rejected, mut paths) = (Vec::new(), 0, Vec::new());
    programs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/let"), &mut paths).expect("the corpus is there");
    for path in paths {
        let source = Source::of_file(&path, std::fs::read(&path).expect("it can be read"));
        for case in cases(&source).expect("the corpus has no malformed case") {
            if matches!(case.expected, Verdict::Rejected { .. }) {
                rejected += 1;
                continue;
            }
            assert!(matches!(front::load(&source, case.inputs.len()), Ok(Ok(_))), "{}", path.display());
            corpus_cases.push(Case {
                source: source.clone(),
                inputs: case.inputs,
                fuel: case.fuel.unwrap_or(u64::MAX),
                call_limit: case.call_limit,
                expected: case.expected.to_string(),
            });
        }
    }
    println!("{} runs, {rejected} rejections", corpus_cases.len());
    corpus_cases
}

/// What the referee that walks the let tree says.
fn refereed(Case { source, inputs, fuel, call_limit, .. }: &Case) -> String {
    let tree = letlang::parse(source).expect("it is valid");
    let outcome = match evaluate(&tree, source, inputs, *fuel, *call_limit) {
        Ok(value) => Outcome::Done(vec![value]),
        Err(trap) => Outcome::Trap(trap),
    };
    Verdict::of(&outcome, source).to_string()
}

/// Fails if the referee that walks the let tree says something else than expected.
fn check_referee(cases: &[Case]) {
    for case in cases {
        assert_eq!(refereed(case), case.expected, "{}", String::from_utf8_lossy(case.source.bytes()));
    }
}

#[test]
fn random_let_programs_in_c() {
    if !is_installed("gcc") {
        return;
    }
    let count = size("random let programs in C", 240, 100);
    let (cases, traps) = random_cases(count);
    println!("{count} random programs: {traps:?} trap");
    for kind in [TrapKind::DivisionByZero, TrapKind::OutOfFuel, TrapKind::OutOfBounds, TrapKind::CallDepthExceeded] {
        assert!(traps.contains_key(&kind), "no program traps with {kind}: {traps:?}");
    }
    assert_eq!(traps.len(), 4, "a run trapped in a way that the let language does not have: {traps:?}");
    assert!(traps.values().sum::<usize>() * 3 < count * 2, "too many programs trap: {traps:?}");
    check_referee(&cases);
    judge("random_let", &cases);
}

#[test]
fn the_let_corpus_in_c() {
    if !is_installed("gcc") {
        return;
    }
    let cases = corpus_cases();
    assert!(cases.len() > 100, "only {} runs", cases.len());
    judge("corpus_let", &cases);
}

/// Programs whose meaning depends on which declaration a name means, on the order of evaluation, and on what counts as true.
#[test]
fn small_let_programs_in_c() {
    if !is_installed("gcc") {
        return;
    }
    let texts = [
        ("fn main(x) { let y = x; { let x = x; x += 1; y = y * 10 + x; } return y * 10 + x; }", 3, "343"),
        ("const c = 5; fn main(x) { let y = c; { let c = c + x; y += c * 10; } return y + c; }", 3, "90"),
        ("array a[2]; fn f() { a[0] = 7; return 1; } fn main(x) { a[0] = x; a[0] += f(); return a[0]; }", 3, "4"),
        ("array a[1]; fn main(x) { a[x] = 1 / 0; return 0; }", 1, "trap division by zero 1:35"),
        ("array a[1]; fn main(x) { a[x] += 1 / 0; return 0; }", 1, "trap out of bounds 1:26"),
        ("fn main(x) { return (x && 1 / (x - 3)) + (x || 1 / 0); }", 4, "2"),
        ("fn main(x) { return -9223372036854775808 / x + -9223372036854775808 % x; }", -1, "-9223372036854775808"),
        ("fn main(x) { let n = 0; while x { x += 1; n += 1; } if n - 9 { return n; } return 0; }", -3, "3"),
        ("fn main(x) { return (x >>> 60) * 100 + (x >> 60) + (x << 68); }", -1, "1483"),
    ];
    let case = |(text, input, expected): (&str, i64, &str)| {
        let source = Source::new(text, text).in_language(jitduel::lang::Language::Let);
        Case { source, inputs: vec![input], fuel: 1_000, call_limit: 10, expected: expected.to_owned() }
    };
    let cases = texts.map(case);
    check_referee(&cases);
    judge("small_let", &cases);
}
