//! The register tier with few registers.
//!
//! With only as many registers as an operation needs, values are spilled and reloaded, and cycles of moves find no free register.

use jitduel::engine::Engine;
use jitduel::generate::{Trial, trial};
use jitduel::interp::tree::Tree;
use jitduel::isa::Tuning;
use jitduel::oracle::campaign::kind;
use jitduel::oracle::judge::{Care, Judge};
use jitduel::tiers::{AnyTier, Native, Registers};

/// The referee, and the register tier with 6 to 11 value registers; 6 is the fewest that it uses.
fn judge_of_few() -> Judge {
    let few = |value_registers| {
        let tuning = Tuning { value_registers, ..Tuning::default() };
        Box::new(Native::with_tuning("regs", AnyTier::Registers(Registers::default()), tuning)) as Box<dyn Engine>
    };
    let engines = [Box::new(Tree) as Box<dyn Engine>].into_iter().chain((6..=11).map(few)).collect();
    Judge::of(engines)
}

#[test]
fn random_programs_agree_with_few_registers() {
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

/// Deferred sums and multiples of one value are spilled when other values need its register, in any order, with and without the
/// value itself.
#[test]
fn register_needed_by_several_deferred_values_is_spilled() {
    let mut judge = judge_of_few();
    let others: String = (0..12).map(|number| format!(" 0 pick {} xor", 1000 + number)).collect();
    let joined = " - 3 *".repeat(14);
    for deferred in
        ["dup 3 + over dup + 2 pick 5 +", "dup dup + swap dup 9 + swap 7 +", "dup dup + over 4 + rot dup + dup rot"]
    {
        let text = format!("{deferred}{others}{joined}");
        for input in [0, 1, -1, 123_456_789, i64::MIN, i64::MAX] {
            let trial = Trial {
                language: jitduel::lang::Language::Stack,
                text: text.clone(),
                inputs: vec![input],
                fuel: 0,
                stack_limit: 64,
                call_limit: 0,
            };
            trial.load().expect("the program is valid");
            assert!(judge.judge(&trial, Care::Quick).is_ok(), "{text}\ninput {input}");
        }
    }
}
