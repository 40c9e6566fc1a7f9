//! The generator: the same programs on every host, valid by construction, with enough of every feature.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jitduel::engine::Run;
use jitduel::generate::loops::MIN_WORK;
use jitduel::generate::statistics::Statistics;
use jitduel::generate::{Kind, Trial, trial};
use jitduel::interp::tree::measure;
use jitduel::lang::Fault;
use jitduel::lang::words::spellings;
use jitduel::oracle::campaign::kind;
use jitduel::outcome::{Outcome, TrapKind};

/// 64-bit FNV-1a over all fields of the trials.
fn hash(trials: impl Iterator<Item = Trial>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for trial in trials {
        for byte in format!("{trial:?}").bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    hash
}

/// A seed yields the same programs on every host and in every version. After a deliberate change of the generator, copy the
/// new hashes from this test's failure. Seeds in `corpus/regressions` then no longer reproduce their programs.
#[test]
fn a_seed_yields_the_same_programs_everywhere() {
    let of = |kind| hash((0..1_000).map(|index| trial(kind, 1, index)));
    let kinds = [Kind::Random, Kind::Loops { work: 10_000 }, Kind::Repeats, Kind::Invalid, Kind::Let, Kind::InvalidLet];
    let expected = [
        "953942f20c4d516a",
        "6ca868c62a35143f",
        "30e6755ea1b0429f",
        "a902bea6430fb280",
        "9d52a81737be2716",
        "2d5f07b94b14fd48",
    ];
    assert_eq!(kinds.map(|kind| format!("{:016x}", of(kind))), expected);
}

/// An address beyond all arrays was computed with an overflow, which ended an unoptimized campaign.
#[test]
fn stray_addresses_wrap() {
    let trial = trial(kind(49_014), 3, 49_014);
    assert!(trial.text.contains("array"), "{}", trial.text);
}

#[test]
fn seeds_and_indices_yield_different_programs() {
    let texts: HashSet<String> =
        (0..20).flat_map(|seed| (0..50).map(move |index| format!("{:?}", trial(Kind::Random, seed, index)))).collect();
    assert_eq!(texts.len(), 1_000);
}

/// The shares of features that find bugs. The bounds are loose: they catch a degenerate generator but permit adjustments.
#[test]
fn random_programs_have_enough_of_every_feature() {
    let mut statistics = Statistics::default();
    (0..10_000).for_each(|index| statistics.add(&trial(Kind::Random, 1, index)));
    println!("{statistics}");
    let Statistics { programs, rejected, outcomes, words, executed, nesting, loops, literals, at_limits, .. } =
        &statistics;
    assert!(rejected.is_empty(), "every generated program passes the verifier: {rejected:?}");
    let share = |part: u64, whole: u64| 100.0 * part as f64 / whole as f64;

    let mean = |sum: u64| sum as f64 / *programs as f64;
    // One program in 2,000 has 60,000 words, so the mean depends on the number of such programs.
    assert!((50.0..120.0).contains(&mean(statistics.words_in_all())), "{} words", mean(statistics.words_in_all()));
    assert!((400.0..1_200.0).contains(&mean(*executed)), "{} executed words", mean(*executed));

    let trapped = share(programs - outcomes["done"], *programs);
    assert!((18.0..35.0).contains(&trapped), "{trapped} % trap");
    for kind in TrapKind::ALL.map(|kind| kind.to_string()) {
        let least = if kind == "out of bounds" { 2.0 } else { 3.0 };
        assert!(share(outcomes[&kind], *programs) > least, "{kind}");
    }

    // Words as they are counted: `else`, `do` and `end` are part of their opening word.
    let parts = ["else", "do", "end", ":", ";", "array"];
    let counted = spellings().filter(|spelling| !parts.contains(spelling)).chain(["N", "CALL", "ADDRESS"]);
    for spelling in counted {
        let share = share(words.get(spelling).copied().unwrap_or(0), statistics.words_in_all());
        let least = match spelling {
            "exit" => 0.2,
            "leave" => 0.15,
            _ => 0.3,
        };
        assert!(share > least, "{spelling}: {share} %");
    }
    for class in
        ["0", "1 or -1", "MIN or MAX", "near a power of two", "up to 12 bits", "up to 32 bits", "up to 64 bits"]
    {
        let share = share(literals[class], literals.values().sum());
        assert!(share > 0.8, "{class}: {share} %");
    }
    assert!((0..4).all(|depth| share(nesting[&depth], *programs) > 2.0), "{nesting:?}");
    assert!(nesting.range(12..).map(|(_, programs)| programs).sum::<u64>() > 30, "{nesting:?}");
    assert!(share(loops[1], loops[0]) > 10.0, "{} % of the loops change the stack height", share(loops[1], loops[0]));
    assert!(share(statistics.without_iterations, *programs) < 40.0);
    assert!(at_limits[..2].iter().all(|at_limit| share(*at_limit, *programs) > 10.0), "{at_limits:?}");
}

/// The least shares of programs with a feature, in percent: about half of what they are.
const FEATURES: [(&str, f64); 57] = [
    // Which programs have words and arrays. The rest of the list concerns those that do.
    ("neither words nor arrays", 33.0),
    ("arrays only", 8.0),
    ("words only", 10.0),
    ("words and arrays", 12.0),
    // Effects.
    ("no parameter", 7.0),
    ("1 parameter", 12.0),
    ("2 parameters", 11.0),
    ("3 parameters", 8.0),
    ("4 parameters", 5.0),
    ("no result", 9.0),
    ("1 result", 12.0),
    ("2 results", 11.0),
    ("3 results", 8.0),
    ("4 results", 5.0),
    // Bodies.
    ("empty word", 3.0),
    ("leaf word", 8.0),
    ("large frame", 7.0),
    ("huge frame", 0.4),
    ("loop in a word", 12.0),
    ("loop that changes the height in a word", 3.0),
    ("check of the depth in a word", 4.0),
    ("leave in a word", 1.5),
    ("exit in a word", 6.0),
    ("exit in a loop of a word", 0.2),
    ("closing word at the end of a word", 3.5),
    // Calls.
    ("call", 35.0),
    ("call in a loop", 9.0),
    ("call in a condition", 1.5),
    ("call as a flag", 2.5),
    ("call in a word", 15.0),
    ("call that keeps values", 20.0),
    ("call on an empty stack", 1.6),
    ("call before the definition", 12.0),
    ("uncalled word", 3.0),
    ("a hundred calls", 2.0),
    ("recursion", 10.0),
    ("mutual recursion", 4.0),
    ("calls 100 deep", 1.2),
    ("calls as deep as the default limit", 0.1),
    ("low call limit", 15.0),
    ("trap in a word", 6.0),
    ("trap in a word called in a loop", 1.8),
    // Memory.
    ("array of 1 cell", 11.0),
    ("array of 2 to 99 cells", 16.0),
    ("array of 100 to 3999 cells", 5.0),
    ("array of 4000 or more cells", 0.4),
    ("load", 17.0),
    ("store", 15.0),
    ("load between stores", 4.0),
    ("access in a loop", 9.0),
    ("access in a word", 9.0),
    ("address of an array", 4.0),
    ("literal address", 4.0),
    ("address plus a constant", 15.0),
    ("address plus an index", 11.0),
    ("address that was copied", 9.0),
    ("address after a check of the index", 2.0),
];

#[test]
fn random_programs_have_enough_words_calls_and_arrays() {
    let mut statistics = Statistics::default();
    (0..10_000).for_each(|index| statistics.add(&trial(Kind::Random, 5, index)));
    let share = |feature: &str| {
        100.0 * statistics.features.get(feature).copied().unwrap_or(0) as f64 / statistics.programs as f64
    };
    let rare: Vec<_> = FEATURES.iter().filter(|(feature, least)| share(feature) < *least).collect();
    assert!(rare.is_empty(), "too rare: {rare:?}\n{statistics}");
    assert!(statistics.features["memory changed"] > 1_000);
    let at_limit = 100.0 * statistics.at_limits[2] as f64 / statistics.programs as f64;
    assert!(at_limit > 4.0, "{at_limit} % of the programs make as many calls as their limit allows");
}

/// Rare shapes: long bodies, which need branches of every range, far stack slots, and many loop counters.
#[test]
fn random_programs_include_rare_shapes() {
    let (mut long, mut far, mut commented, mut statistics) = (0, 0, 0, Statistics::default());
    for index in 0..20_000 {
        let trial = trial(Kind::Random, 1, index);
        long += usize::from(trial.text.len() > 200_000);
        far += usize::from(trial.inputs.len() > 4_095);
        commented += usize::from(trial.text.contains('\u{e9}') && trial.text.contains('\n'));
        statistics.add(&trial);
    }
    assert!(long >= 2 && far >= 10 && commented > 1_000, "{long} long bodies, {far} far slots, {commented} comments");
    assert!(statistics.features.get("long word").is_some_and(|count| *count >= 2), "long words");
    let ways: BTreeSet<bool> = (0..100).map(|index| trial(Kind::Random, 1, index).text.contains("0x")).collect();
    assert_eq!(ways.len(), 2, "hexadecimal literals, and programs without");
}

/// A program's limits are derived from its needs, so its work is bounded and known.
#[test]
fn the_work_of_random_programs_is_bounded() {
    for index in 0..2_000 {
        let trial = trial(Kind::Random, 2, index);
        let program = trial.load().expect("it is valid");
        let measured = trial.measure(program.ast());
        assert!(measured.words <= 600_000, "program {index}: {} words", measured.words);
        // Only recursion without end may need more fuel: as much as the default call limit allows.
        assert!(trial.fuel <= 4_000 || trial.fuel <= 31_000 && trial.text.contains(':'), "program {index}");
        assert!(measured.deepest <= trial.stack_limit.max(trial.inputs.len()));
    }
}

#[test]
fn loops_do_the_requested_work_and_keep_their_values_live() {
    for work in [MIN_WORK, 1_000, 20_000, 1_000_000] {
        // An AArch64 test program probably runs in an emulator.
        let words = if cfg!(target_arch = "aarch64") { 300_000 } else { 3_000_000 };
        for index in 0..(words / work).clamp(3, 300) {
            let trial = trial(Kind::Loops { work }, 3, index);
            let program = trial.load().expect("it is valid");
            let measured = trial.measure(program.ast());
            let factor = measured.words as f64 / work as f64;
            assert!(
                (0.5..=2.0).contains(&factor),
                "program {index} of {work}: {} words\n{}",
                measured.words,
                trial.text
            );
            assert_eq!(measured.iterations, trial.fuel, "the number of iterations is known in advance\n{}", trial.text);
            let Outcome::Done(values) = &measured.outcome else { panic!("{:?}\n{}", measured.outcome, trial.text) };
            assert_eq!(values.len(), trial.inputs.len());
            assert_ne!(values, &trial.inputs, "the values have not changed\n{}", trial.text);

            // No information is lost: a different input leads to a different stack.
            for input in 0..trial.inputs.len() {
                let mut inputs = trial.inputs.clone();
                inputs[input] ^= 1 << (index % 64);
                let other = measure(program.ast(), Run { inputs: &inputs, ..trial.run() }).outcome;
                assert_ne!(other, measured.outcome, "input {input} has no effect\n{}", trial.text);
            }
        }
    }
}

/// Values are live until the last iteration and look random.
#[test]
fn the_values_of_loops_are_spread_over_all_64_bits() {
    let mut bits = [0_u32; 64];
    let mut values = 0;
    for index in 0..200 {
        let trial = trial(Kind::Loops { work: 20_000 }, 4, index);
        let program = trial.load().expect("it is valid");
        let Outcome::Done(stack) = trial.measure(program.ast()).outcome else { panic!("{}", trial.text) };
        for value in stack {
            values += 1;
            bits.iter_mut().enumerate().for_each(|(bit, count)| *count += u32::from(value >> bit & 1 != 0));
        }
    }
    let share = |count: u32| f64::from(count) / f64::from(values);
    assert!(bits.iter().all(|count| (0.35..0.65).contains(&share(*count))), "{bits:?} of {values}");
}

/// Kinds of syntax errors.
const FAULTS: [&str; 16] = [
    "UnknownWord",
    "LiteralOutOfRange",
    "MissingEnd",
    "MissingDo",
    "Stray",
    "NotLast",
    "LeaveOutsideLoop",
    "WithoutLiteral",
    "NotTopLevel",
    "TooManyCells",
    "WithoutName",
    "NameNotAllowed",
    "WithoutEffect",
    "Dashes",
    "MissingSemicolon",
    "UnclosedComment",
];

#[test]
fn invalid_programs_have_every_kind_of_fault() {
    let mut statistics = Statistics::default();
    (0..2_000).for_each(|index| statistics.add(&trial(Kind::Invalid, 1, index)));
    assert_eq!(statistics.valid_programs(), 0);

    // The parser's own faults: each but `NotUtf8` and `TooLong`, which a text cannot have here, and `TooDeep`.
    let mut faults = BTreeMap::new();
    for index in 0..8_000 {
        if let Err(Fault::Syntax(error)) = trial(Kind::Invalid, 1, index).load() {
            let shown = format!("{:?}", error.kind);
            let name = shown.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
            *faults.entry(name).or_insert(0) += 1;
        }
    }
    for name in FAULTS {
        assert!(faults.contains_key(name), "{name}: {faults:?}");
    }

    let mut changed = Statistics::default();
    (0..2_000).for_each(|index| changed.add(&trial(Kind::Changed, 1, index)));
    assert!((200..1_600).contains(&changed.valid_programs()), "{} are valid", changed.valid_programs());
    for kind in ["syntax", "underflow", "unbalanced if", "wrong effect"] {
        assert!(statistics.rejected[kind] > 80, "{kind}: {:?}", statistics.rejected);
    }
}

/// Programs of the kind `repeats` hardly trap, and compilers find something to merge in them.
#[test]
fn programs_that_repeat_values_are_valid_and_hardly_trap() {
    let mut statistics = Statistics::default();
    (0..1_000).for_each(|index| statistics.add(&trial(Kind::Repeats, 1, index)));
    assert!(statistics.rejected.is_empty(), "{:?}", statistics.rejected);
    assert!(statistics.outcomes["done"] > 900, "{statistics}");
}
