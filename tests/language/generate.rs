//! The generator: the same programs everywhere, valid by construction, and of everything enough.

use std::collections::{BTreeSet, HashSet};

use jitduel::generate::loops::LEAST_WORK;
use jitduel::generate::statistics::Statistics;
use jitduel::generate::{Kind, Trial, trial};
use jitduel::interp::tree::measure;
use jitduel::lang::words::spellings;
use jitduel::outcome::{DEFAULT_STACK_LIMIT, Outcome};

/// FNV-1a with 64 bits, over everything that a trial says.
fn hash(trials: impl Iterator<Item = Trial>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for trial in trials {
        for byte in format!("{trial:?}").bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    hash
}

/// A seed means the same programs on every host and in every version. Where the generator is changed on purpose, the
/// new hashes are those that a failure of this test prints, and seeds in `corpus/regressions` no longer repeat.
#[test]
fn a_seed_means_the_same_programs_everywhere() {
    let of = |kind| hash((0..1_000).map(|index| trial(kind, 1, index)));
    let hashes = [of(Kind::Random), of(Kind::Loops { work: 10_000 }), of(Kind::Invalid)];
    assert_eq!(hashes.map(|hash| format!("{hash:016x}")), ["93ff65df959326c5", "08456ac656f06929", "d39d2439d1eb2898"]);
}

#[test]
fn programs_differ_from_seed_to_seed_and_from_index_to_index() {
    let texts: HashSet<String> =
        (0..20).flat_map(|seed| (0..50).map(move |index| format!("{:?}", trial(Kind::Random, seed, index)))).collect();
    assert_eq!(texts.len(), 1_000);
}

/// The shares that make the generator find what it is for. They are far from the borders: a degenerate generator is
/// seen, an adjusted one is not in the way.
#[test]
fn random_programs_hold_enough_of_everything() {
    let mut statistics = Statistics::default();
    (0..10_000).for_each(|index| statistics.add(&trial(Kind::Random, 1, index)));
    println!("{statistics}");
    let Statistics { programs, rejected, outcomes, words, executed, nesting, loops, literals, borders, .. } =
        &statistics;
    assert!(rejected.is_empty(), "every generated program passes the verifier: {rejected:?}");
    let share = |part: u64, whole: u64| 100.0 * part as f64 / whole as f64;

    let mean = |sum: u64| sum as f64 / *programs as f64;
    // One program of 2,000 has 60,000 words, so that the mean depends on how many of them there are.
    assert!((50.0..100.0).contains(&mean(statistics.words_in_all())), "{} words", mean(statistics.words_in_all()));
    assert!((400.0..600.0).contains(&mean(*executed)), "{} words carried out", mean(*executed));

    let trapped = share(programs - outcomes["done"], *programs);
    assert!((18.0..35.0).contains(&trapped), "{trapped} % trap");
    for kind in ["division by zero", "stack underflow", "stack overflow", "out of fuel"] {
        assert!(share(outcomes[kind], *programs) > 3.0, "{kind}");
    }

    // Words as they are counted: `else`, `do` and `end` belong to others.
    let counted = spellings().filter(|spelling| !["else", "do", "end"].contains(spelling)).chain(["N"]);
    for spelling in counted {
        let share = share(words.get(spelling).copied().unwrap_or(0), statistics.words_in_all());
        assert!(share > 0.7, "{spelling}: {share} %");
    }
    for class in ["0", "1 or -1", "MIN or MAX", "near a power of two", "to 12 bits", "to 32 bits", "to 64 bits"] {
        let share = share(literals[class], literals.values().sum());
        assert!(share > 0.8, "{class}: {share} %");
    }
    assert!((0..4).all(|depth| share(nesting[&depth], *programs) > 2.0), "{nesting:?}");
    assert!(nesting.range(12..).map(|(_, programs)| programs).sum::<u64>() > 30, "{nesting:?}");
    assert!(share(loops[1], loops[0]) > 10.0, "{} % of the loops change the depth", share(loops[1], loops[0]));
    assert!(share(statistics.without_passes, *programs) < 40.0);
    assert!(borders.iter().all(|at_border| share(*at_border, *programs) > 10.0), "{borders:?}");
}

/// What branches of every range, far slots and many counters take: rare, and there.
#[test]
fn random_programs_hold_the_rare_shapes_too() {
    let trials = || (0..20_000).map(|index| trial(Kind::Random, 1, index));
    assert!(trials().filter(|trial| trial.text.len() > 200_000).count() >= 2, "long bodies");
    assert!(trials().filter(|trial| trial.inputs.len() > 4_095).count() >= 10, "far slots");
    assert!(
        trials().filter(|trial| trial.text.contains('\u{e9}') && trial.text.contains('\n')).count() > 1_000,
        "comments"
    );
    let ways: BTreeSet<bool> = trials().take(100).map(|trial| trial.text.contains("0x")).collect();
    assert_eq!(ways.len(), 2, "hexadecimal literals, and programs without");
}

/// A program's limits come from what it needs, so that its work is bounded and known.
#[test]
fn the_work_of_random_programs_is_bounded() {
    for index in 0..2_000 {
        let trial = trial(Kind::Random, 2, index);
        let program = trial.load().expect("it is valid");
        let measured = trial.measure(program.ast());
        assert!(measured.words <= 400_000, "program {index}: {} words", measured.words);
        assert!(trial.fuel <= 4_000 && measured.deepest <= trial.stack_limit.max(trial.inputs.len()));
    }
}

#[test]
fn loops_carry_out_the_work_that_is_asked_for_and_keep_their_values_alive() {
    for work in [LEAST_WORK, 1_000, 20_000, 1_000_000] {
        // An AArch64 program is likely emulated.
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
            assert_eq!(measured.passes, trial.fuel, "the passes are known beforehand\n{}", trial.text);
            let Outcome::Done(values) = &measured.outcome else { panic!("{:?}\n{}", measured.outcome, trial.text) };
            assert_eq!(values.len(), trial.inputs.len());
            assert_ne!(values, &trial.inputs, "nothing has come of it\n{}", trial.text);

            // No information is lost: another input leaves another stack.
            for input in 0..trial.inputs.len() {
                let mut inputs = trial.inputs.clone();
                inputs[input] ^= 1 << (index % 64);
                let other = measure(program.ast(), &inputs, Some(trial.fuel), DEFAULT_STACK_LIMIT).outcome;
                assert_ne!(other, measured.outcome, "input {input} is forgotten\n{}", trial.text);
            }
        }
    }
}

/// Values are alive to the last pass, and not small numbers.
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

#[test]
fn invalid_programs_are_rejected_for_all_kinds_of_reasons() {
    let mut statistics = Statistics::default();
    (0..2_000).for_each(|index| statistics.add(&trial(Kind::Invalid, 1, index)));
    assert_eq!(statistics.valid_programs(), 0);

    let mut changed = Statistics::default();
    (0..2_000).for_each(|index| changed.add(&trial(Kind::Changed, 1, index)));
    assert!((200..1_600).contains(&changed.valid_programs()), "{} are valid", changed.valid_programs());
    for kind in ["syntax", "underflow", "unbalanced if"] {
        assert!(statistics.rejected[kind] > 80, "{kind}: {:?}", statistics.rejected);
    }
}
