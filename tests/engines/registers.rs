//! The register tier where registers run out: with as few as an operation needs, values go to their slots and come back, and
//! cycles of moves find no register free.

use jitduel::engine::Engine;
use jitduel::generate::{Trial, trial};
use jitduel::interp::tree::Tree;
use jitduel::isa::Tuning;
use jitduel::oracle::campaign::kind;
use jitduel::oracle::judge::{Care, Judge};
use jitduel::tiers::{Native, Tier};

/// The referee, and the register tier with every number of registers from the fewest on.
fn judge_of_few() -> Judge {
    let few = |value_registers| {
        let tuning = Tuning { value_registers, ..Tuning::default() };
        Box::new(Native::with_tuning("regs", Tier::Registers, tuning)) as Box<dyn Engine>
    };
    let engines = [Box::new(Tree) as Box<dyn Engine>].into_iter().chain((6..=11).map(few)).collect();
    Judge::of(engines)
}

#[test]
fn random_programs_agree_however_few_registers_there_are() {
    let mut judge = judge_of_few();
    for index in 0..if cfg!(target_arch = "aarch64") { 500 } else { 5_000 } {
        let trial = trial(kind(index), 11, index);
        let care = if index % 8 == 0 { Care::Thorough } else { Care::Quick };
        if let Err(disagreement) = judge.judge(&trial, care) {
            panic!("program {index}: {disagreement:?}\n{}\ninputs {:?}", trial.text, trial.inputs);
        }
    }
    assert!(judge.skipped().is_empty(), "{:?}", judge.skipped());
}

/// Sums and multiples of one value wait for its register when others need it, in any order and with the value itself or
/// without it.
#[test]
fn a_register_that_several_deferred_values_need_is_vacated() {
    let mut judge = judge_of_few();
    let others: String = (0..12).map(|number| format!(" 0 pick {} xor", 1000 + number)).collect();
    let joined = " - 3 *".repeat(14);
    for deferred in
        ["dup 3 + over dup + 2 pick 5 +", "dup dup + swap dup 9 + swap 7 +", "dup dup + over 4 + rot dup + dup rot"]
    {
        let text = format!("{deferred}{others}{joined}");
        for input in [0, 1, -1, 123_456_789, i64::MIN, i64::MAX] {
            let trial = Trial { text: text.clone(), inputs: vec![input], fuel: 0, stack_limit: 64 };
            trial.load().expect("the program is valid");
            assert!(judge.judge(&trial, Care::Quick).is_ok(), "{text}\ninput {input}");
        }
    }
}
