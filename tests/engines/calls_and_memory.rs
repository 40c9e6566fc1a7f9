//! Calls and memory in the tiers: chosen programs with every fuel, stack limit and call limit around what they need.

use jitduel::engine::Engine;
use jitduel::generate::Trial;
use jitduel::interp::tree::Tree;
use jitduel::isa::Tuning;
use jitduel::oracle::judge::{Care, Judge};
use jitduel::tiers::{Native, TIERS};

/// Programs, each with its inputs.
const PROGRAMS: &[(&str, &[i64])] = &[
    (": square ( a -- b ) dup * ; 5 square", &[]),
    (": fact ( n -- f ) dup 2 < if drop 1 else dup 1 - fact * end ; fact", &[20]),
    (": fib ( n -- f ) dup 2 < if else dup 1 - fib swap 2 - fib + end ; fib", &[9]),
    (
        ": even ( n -- f ) dup if 1 - odd else drop 1 end ; : odd ( n -- f ) dup if 1 - even else drop 0 end ; even",
        &[9],
    ),
    (
        ": ack ( m n -- a ) over 0 = if nip 1 + exit end dup 0 = if drop 1 - 1 ack exit end over swap 1 - ack swap 1 - swap ack ; ack",
        &[2, 3],
    ),
    (": f ( n -- m ) dup 0 < if drop -1 exit end 2 * ; f swap f", &[-3, 4]),
    (": f ( n -- m ) if 1 exit else 2 exit end ; f swap f", &[0, 7]),
    (": f ( -- ) f ; f", &[]),
    // Each activation has its own counters, those of inner loops in registers and those around calls in the frame.
    (
        ": f ( n -- s ) 0 over times over 1 - f + 3 times 1 + end end nip ; : g ( -- s ) 0 3 times 2 times 1 f + end end ; \
         3 times f 2 times g + end end",
        &[1, 2, 3],
    ),
    // A word without parameters, called with nothing on the stack and with the top in a register; a word without results.
    (
        ": one ( -- a ) 1 ; : eat ( a -- ) drop ; : nothing ( -- ) one eat ; nothing one nothing eat nothing one 2 one nothing",
        &[],
    ),
    (": two ( -- a b ) 5 dup 1 + ; two two - two * 3 put", &[7]),
    // A word that empties its part of the stack and reaches for more.
    (": f ( a b n -- ) times drop end drop drop ; f", &[9, 1, 2, 0]),
    (": f ( a b n -- ) times drop end drop drop ; f", &[9, 1, 2, 1]),
    (": f ( a b n -- ) times drop end drop drop ; f", &[9, 1, 2, 3]),
    (
        ": f ( n -- m ) 1 2 3 3 pick times drop end drop drop drop drop 8 ; : g ( a -- b ) 5 swap f + ; g swap g",
        &[0, 0],
    ),
    (
        ": f ( n -- m ) 1 2 3 3 pick times drop end drop drop drop drop 8 ; : g ( a -- b ) 5 swap f + ; g swap g",
        &[1, 0],
    ),
    // The main program does not know its height at the call.
    (": f ( a b -- c ) over + * ; times 3 end f f times drop end 4 f", &[5, 6, 7, 3]),
    (": f ( a b -- c ) over + * ; times 3 end while dup 3 = do f 9 - end f", &[5, 3]),
    (": f ( a b -- c ) over + * ; times drop end f 4 f", &[1, 2, 3, 4, 2]),
    // Paths with and without a call join, and a call is the last word of a loop or of a condition.
    (
        ": f ( a -- b ) 1 + ; : g ( a b -- a ) if f else 2 swap f + end dup 9 < if f f end ; g g swap g",
        &[3, 0, 5, 0, 1],
    ),
    (": less ( a b -- a b f ) over over < ; while less do swap 3 + swap end", &[1, 20]),
    (": f ( a b -- b a ) swap ; : g ( n -- s ) 0 while f dup do 1 - f over + end drop ; g", &[9]),
    (": f ( n -- m ) 10 times dup 5 > if leave end 1 + dup 3 = if 8 + exit end end ; f swap f", &[0, 4]),
    (": f ( a b -- c ) / ; : g ( n -- m ) dup times 1 - 100 over f drop end ; g", &[4]),
    (": f ( n -- a b c ) dup 1 - dup 0 > if f drop drop else drop 0 end 7 ; f", &[3]),
    // Deep picks reach below what the callee leaves.
    (": three ( -- a b c ) 1 2 3 ; three 4 pick three 8 pick + 5 put 2 pick", &[10, 20, 30]),
    ("10 array a 7 a 3 + ! a 3 + @", &[]),
    ("1 array x 9 array a 5 x ! x @ dup a + ! a x @ + @ x @ +", &[]),
    ("3 array a @", &[2]),
    ("3 array a @", &[3]),
    ("3 array a @", &[-1]),
    ("3 array a 2 + @ swap 3 + @", &[-2, -2]),
    ("3 array a 2 + @", &[1]),
    ("3 array a 2 + !", &[4, 1]),
    ("3 array a !", &[9, i64::MIN]),
    ("@", &[0]),
    ("!", &[0, 0]),
    ("5000 array a 3 array b 7 over b + ! b + @ 9 a b + !", &[2]),
    ("5000 array a 3 array b 7 over b + ! b + @", &[3]),
    (
        ": seen? ( i -- f ) primes + @ ; : mark ( i d -- ) swap while dup 30 < do 1 over primes + ! over + end drop drop ; \
         30 array primes 2 while dup 30 < do dup seen? 0 = if dup dup + over mark end 1 + end drop 29 seen? 27 seen?",
        &[],
    ),
    (
        ": push ( x -- ) top @ stack + ! top @ 1 + top ! ; : pop ( -- x ) top @ 1 - dup top ! stack + @ ; 1 array top 3 array stack \
      push push pop pop - push pop pop",
        &[3, 4],
    ),
    (
        "9 array a : sum ( i -- s ) dup a + @ swap dup if 1 - sum + else drop end ; 9 times a i! end 8 sum : i! ( a -- ) n @ + n @ dup \
      * swap ! n @ 1 + n ! ; 1 array n",
        &[],
    ),
];

/// The tiers, each with several numbers of registers for counters, and with short branches and calls.
fn judge() -> Judge {
    let tunings = [0, 1, usize::MAX].map(|counter_registers| Tuning { counter_registers, ..Tuning::default() });
    let short = Tuning { short_range: 32, near_range: 64, ..Tuning::default() };
    let tunings = [&tunings[..], &[short]].concat();
    let engines = TIERS.iter().flat_map(|(name, tier)| {
        tunings.iter().map(|tuning| Box::new(Native::with_tuning(name, *tier, *tuning)) as Box<dyn Engine>)
    });
    Judge::of([Box::new(Tree) as Box<dyn Engine>].into_iter().chain(engines).collect())
}

#[test]
fn tiers_agree_with_the_referee_at_every_limit() {
    let mut judge = judge();
    for (text, inputs) in PROGRAMS {
        let trial = Trial {
            language: jitduel::lang::Language::Stack,
            text: (*text).into(),
            inputs: inputs.to_vec(),
            fuel: 2_000,
            stack_limit: 900,
            call_limit: 99,
        };
        if let Err(fault) = trial.load() {
            panic!("{text}\n{fault:?}");
        }
        if let Err(disagreement) = judge.judge(&trial, Care::Thorough) {
            panic!("{text}\ninputs {inputs:?}\n{disagreement:?}");
        }
    }
    assert!(judge.skipped().is_empty(), "{:?}", judge.skipped());
}
