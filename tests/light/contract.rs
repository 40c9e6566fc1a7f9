//! The preconditions of every engine: an invalid execution panics before it starts.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jitduel::engine::{NoClock, Options};
use jitduel::exec::Store;
use jitduel::lang::{Source, load};
use jitduel::registry::{ENGINES, engine};
use jitduel::tiered::Tiered;
use jitduel::tiers::tier;

/// Runs a program with two inputs on every engine. Returns the engines that did not panic.
fn accepted_by(options: Options, inputs: &[i64], fuel: Option<u64>, capacity: usize) -> Vec<&'static str> {
    let program = load(&Source::new("-e", "+"), 2).expect("it is a program");
    let mut stack = Store::new(capacity).expect("it is small");
    let runs = |name: &&str| {
        let mut engine = engine(name).expect("it exists");
        let Ok(mut prepared) = engine.prepare(&program, &options, &mut NoClock) else { return false };
        catch_unwind(AssertUnwindSafe(|| prepared.run(inputs, fuel, &mut stack))).is_ok()
    };
    ENGINES.into_iter().filter(runs).collect()
}

#[test]
fn execution_that_does_not_match_the_preparation_is_refused() {
    let options = Options { metered: false, stack_limit: 8, ..Options::default() };
    let none: [&str; 0] = [];
    assert!(accepted_by(options, &[1, 2], None, 8).contains(&"tree"));
    assert_eq!(accepted_by(options, &[1], None, 8), none, "another number of inputs");
    assert_eq!(accepted_by(options, &[1, 2], Some(5), 8), none, "fuel without metering");
    // With more inputs than the limit, the remaining room would appear to be unlimited.
    let limit_below_inputs = Options { stack_limit: 1, ..options };
    assert_eq!(accepted_by(limit_below_inputs, &[1, 2], None, 8), none, "inputs above the limit");
    // The inputs and the result fit, but the engines rely on room for the limit.
    assert_eq!(accepted_by(options, &[1, 2], None, 2), none, "a stack below the limit");
}

#[test]
fn only_tiers_have_code_and_its_size_grows_with_the_program() {
    let size = |name: &str, text: &str| {
        let program = load(&Source::new("-e", text), 1).expect("it is a program");
        let prepared = engine(name).expect("it exists").prepare(&program, &Options::default(), &mut NoClock);
        prepared.ok().and_then(|prepared| prepared.code_bytes())
    };
    for name in ENGINES {
        let sizes = ["1 +", "1 + 2 * dup 3 + xor"].map(|text| size(name, text));
        match sizes {
            // It has compiled nothing yet.
            [Some(0), Some(0)] => assert_eq!(name, Tiered::NAME),
            [Some(small), Some(large)] => {
                assert!(tier(name).is_some() && 8 < small && small < large, "{name}: {sizes:?}");
            }
            _ => assert!(tier(name).is_none() && sizes == [None; 2], "{name}: {sizes:?}"),
        }
    }
}
