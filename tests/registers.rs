//! The register tier where registers run out: with as few as an operation needs, values go to their slots and come back, and
//! cycles of moves find no register free.

use jitduel::engine::Engine;
use jitduel::generate::trial;
use jitduel::interp::tree::Tree;
use jitduel::isa::Tuning;
use jitduel::oracle::campaign::kind;
use jitduel::oracle::judge::{Care, Judge};
use jitduel::tiers::{Native, Tier};

#[test]
fn random_programs_agree_however_few_registers_there_are() {
    let few = |(value_registers, closed_forms)| {
        let tuning = Tuning { value_registers, ..Tuning::default() };
        Box::new(Native::with_tuning("regs", Tier::Registers { closed_forms }, tuning)) as Box<dyn Engine>
    };
    let variants = (6..=11).flat_map(|registers| [(registers, false), (registers, true)]);
    let engines = [Box::new(Tree) as Box<dyn Engine>].into_iter().chain(variants.map(few)).collect();
    let mut judge = Judge::of(engines);
    for index in 0..if cfg!(target_arch = "aarch64") { 500 } else { 5_000 } {
        let trial = trial(kind(index), 11, index);
        let care = if index % 8 == 0 { Care::Thorough } else { Care::Quick };
        if let Err(disagreement) = judge.judge(&trial, care) {
            panic!("program {index}: {disagreement:?}\n{}\ninputs {:?}", trial.text, trial.inputs);
        }
    }
    assert!(judge.skipped().is_empty(), "{:?}", judge.skipped());
}
