//! The tests that find the most bugs in the least time. cargo-mutants runs them for each mutant.

use jitduel::generate::trial;
use jitduel::oracle::campaign::kind;
use jitduel::oracle::judge::{Care, Judge};
use jitduel::registry::ENGINES;

#[test]
fn a_thousand_random_programs_agree_on_all_engines() {
    let mut judge = Judge::new(&ENGINES).expect("the engines exist");
    for index in 0..if cfg!(target_arch = "aarch64") { 200 } else { 1_000 } {
        let trial = trial(kind(index), 3, index);
        let care = if index % 4 == 0 { Care::Thorough } else { Care::Quick };
        if let Err(disagreement) = judge.judge(&trial, care) {
            panic!("program {index}: {disagreement:?}\n{}\ninputs {:?}", trial.text, trial.inputs);
        }
    }
    assert!(judge.skipped().is_empty(), "{:?}", judge.skipped());
}
