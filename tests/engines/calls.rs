//! Limits of calls on every engine: recursion neither overflows the host's stack nor goes past a limit by one.

use jitduel::engine::{NoClock, Options, PrepareError, outcome};
use jitduel::exec::{Store, is_emulated};
use jitduel::lang::{Source, load};
use jitduel::outcome::Verdict;
use jitduel::registry::{ENGINES, engine};

/// The verdict of each engine, or why it refuses the program.
fn verdicts(text: &str, options: Options) -> Vec<(&'static str, Result<String, PrepareError>)> {
    let source = Source::new("test", text);
    let program = load(&source, 0).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    let verdict = |name: &'static str| {
        let prepared = engine(name).expect("it exists").prepare(&program, &options, &mut NoClock);
        let said = prepared.map(|mut prepared| {
            let mut store = Store::new(options.stack_limit).expect("there is memory");
            Verdict::of(&outcome(&mut *prepared, &[], None, &mut store), &source).to_string()
        });
        (name, said)
    };
    let verdicts = ENGINES.map(verdict).into_iter();
    verdicts.filter(|(_, said)| !matches!(said, Err(PrepareError::Unsupported { .. }))).collect()
}

/// Requires this verdict of every engine, on this thread and on one with a stack of 128 KiB.
#[track_caller]
fn expect(text: &'static str, options: Options, expected: &str) {
    let small = std::thread::Builder::new().stack_size(128 << 10).spawn(move || verdicts(text, options));
    let small = small.expect("a thread").join().expect("it does not panic");
    let all = verdicts(text, options);
    assert!(all.len() >= 2 && all.len() == small.len());
    for (name, said) in all.into_iter().chain(small) {
        let said = said.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(said, expected, "{name}: {text} with {options:?}");
    }
}

const ENDLESS: &str = ": f ( -- ) f ; f";

#[test]
fn endless_recursion_ends_at_the_call_limit() {
    for (call_limit, place) in [(0, "1:16"), (1, "1:12"), (2, "1:12"), (10_000, "1:12")] {
        let expected = format!("trap call depth exceeded {place}");
        expect(ENDLESS, Options { call_limit, ..Options::default() }, &expected);
        // The place of the trap is in whichever word makes one call too many.
        let [even, odd] = [": even ( -- ) odd ;\n", ": odd ( -- ) even ;\neven"];
        let text: &'static str = Box::leak(format!("{even}{odd}").into_boxed_str());
        let place = match call_limit {
            0 => "3:1",
            odd if odd % 2 == 1 => "1:15",
            _ => "2:14",
        };
        expect(text, Options { call_limit, ..Options::default() }, &format!("trap call depth exceeded {place}"));
    }
}

#[test]
fn recursion_within_its_limits_has_a_result() {
    // The frame is 3, and below the deepest call are the values from 9,999 to 1.
    let text = ": sum ( n -- m ) dup if dup 1 - sum + end ; 9999 sum";
    let least = Options { metered: false, stack_limit: 9_999 + 3, call_limit: 10_000 };
    expect(text, least, "49995000");
    expect(text, Options { call_limit: 9_999, ..least }, "trap call depth exceeded 1:33");
    expect(text, Options { stack_limit: 9_999 + 2, ..least }, "trap stack overflow 1:33");
}

#[test]
fn every_call_limit_is_obeyed_or_refused() {
    let limits = if is_emulated() { vec![u64::MAX] } else { vec![10_000_000, u64::MAX] };
    for call_limit in limits {
        for (name, said) in verdicts(ENDLESS, Options { call_limit, ..Options::default() }) {
            match said {
                Ok(verdict) if call_limit < u64::MAX => assert_eq!(verdict, "trap call depth exceeded 1:12", "{name}"),
                Err(PrepareError::Reserve(_)) => assert_eq!(call_limit, u64::MAX, "{name}"),
                // A peer states the greatest limit that it takes.
                Err(PrepareError::Peer { reason, .. }) => assert!(reason.contains("call"), "{name}: {reason}"),
                other => panic!("{name} with {call_limit}: {other:?}"),
            }
        }
        // Without recursion, the limit does not matter.
        expect(": f ( -- a ) 1 ; f", Options { call_limit, ..Options::default() }, "1");
    }
}
