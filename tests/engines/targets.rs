//! The functions behind the fuzz targets, for half a second each: with the corpus, and with random changes to it.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::binary::size;
use jitduel::corpus::programs;
use jitduel::engine::Options;
use jitduel::lang::Source;
use jitduel::lang::words::spellings;
use jitduel::oracle::judge::Judge;
use jitduel::oracle::targets::{front_end, parallel_moves, passes, profile, program, source, words};
use jitduel::registry::all_names;
use jitduel::tiered::profile::{Hot, Key, Profiles};
use jitduel::tiered::{Choice, Threshold};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};

/// How long each function is called.
const TIME: Duration = Duration::from_millis(500);

/// The least number of changed texts, in case an emulator is slow.
const LEAST_CHANGED: usize = 10;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A judge of all engines and their variants.
fn judge() -> Option<Judge> {
    Judge::new(&all_names().collect::<Vec<_>>())
}

fn corpus() -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    for folder in ["basics", "traps", "regressions"] {
        programs(&root().join("corpus").join(folder), &mut paths).expect("the corpus can be read");
    }
    paths.iter().map(|path| std::fs::read(path).expect("it can be read")).collect()
}

/// Calls `target` with every text, and then with randomly changed texts until the time is over.
fn with_changes(texts: &[Vec<u8>], mut target: impl FnMut(&[u8])) {
    let mut stream = ChaCha8Rng::seed_from_u64(1);
    let spellings: Vec<&str> = spellings().collect();
    let mut changed = 0;
    texts.iter().for_each(|text| target(text));
    let started = Instant::now();
    while started.elapsed() < TIME || changed < LEAST_CHANGED {
        let mut text = texts[stream.random_range(0..texts.len())].clone();
        for _ in 0..stream.random_range(1..6) {
            let at = stream.random_range(0..=text.len());
            let end = (at + stream.random_range(0..8)).min(text.len());
            let new = match stream.random_range(0..4) {
                0 => Vec::new(),
                1 => vec![stream.random()],
                2 => format!(" {} ", spellings[stream.random_range(0..spellings.len())]).into_bytes(),
                _ => text[end..].iter().take(9).copied().collect(),
            };
            text.splice(at..end, new);
        }
        target(&text);
        changed += 1;
    }
    println!("{} texts, {changed} changed ones", texts.len());
}

/// Random bytes of several lengths.
fn random_bytes(seed: u64) -> Vec<Vec<u8>> {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    let some = |length: usize| {
        let mut bytes = vec![0; length];
        stream.fill_bytes(&mut bytes);
        bytes
    };
    (1..=size("random texts", 24, 8)).map(|length| 8 * length).map(some).collect()
}

#[test]
fn passes_and_allocations_keep_what_random_functions_do() {
    with_changes(&random_bytes(5), passes);
}

#[test]
fn front_end_accepts_any_bytes() {
    with_changes(&corpus(), front_end);
}

/// Other tests run the whole corpus on every engine, so a part of it is enough here.
#[test]
fn engines_agree_on_any_source() {
    let mut judge = judge().expect("the engines exist");
    let texts: Vec<_> = corpus().into_iter().step_by(20).collect();
    with_changes(&texts, |text| source(&mut judge, text));
}

#[test]
fn engines_agree_on_the_program_generated_from_any_bytes() {
    let mut judge = judge().expect("the engines exist");
    let mut decisions = random_bytes(2);
    // Repeating the same decision must end too.
    decisions.extend([vec![0; 2_000], vec![0xff; 2_000]]);
    with_changes(&decisions, |bytes| program(&mut judge, bytes));
}

#[test]
fn engines_agree_on_the_words_that_any_bytes_encode() {
    let mut judge = judge().expect("the engines exist");
    let mut texts = random_bytes(4);
    // Two definitions with two parameters and one result, and two arrays; then each byte once.
    texts.push([0x1a, 255, 0, 0, 7, 7, 3, 3].into_iter().chain(0..=255).chain(0..=255).collect());
    with_changes(&texts, |bytes| words(&mut judge, bytes));
}

#[test]
fn parallel_moves_that_any_bytes_encode_are_resolved() {
    let mut moves = random_bytes(3);
    // A cycle through all registers, and pairs that are exchanged.
    moves.push([0].into_iter().chain((0..32).flat_map(|to| [to, (to + 1) % 32])).collect());
    moves.push([31].into_iter().chain((0..32).flat_map(|to| [to, to ^ 1])).collect());
    with_changes(&moves, parallel_moves);
}

#[test]
fn profiles_that_any_bytes_encode_change_no_result() {
    let mut files = random_bytes(5);
    // Each function of the program, and some that it does not have.
    files.push((0..9).flat_map(|function| [function, 0]).collect());
    files.push((0..9).flat_map(|function| [function, 1]).collect());
    let key = Key::of(&Source::new("test", "1"), 0, &Options::default(), Threshold::At(3));
    let mut profiles = Profiles::default();
    profiles.add(key, &[Hot { function: 1, tier: Choice::Baseline }]);
    files.push(profiles.text().into_bytes());
    with_changes(&files, profile);
}

/// The dictionary is written by hand and must match the table of words.
#[test]
fn dictionary_has_every_word() {
    let text = std::fs::read_to_string(root().join("fuzz/words.dict")).expect("it can be read");
    for spelling in spellings() {
        assert!(text.lines().any(|line| line == format!("\" {spelling} \"")), "{spelling}");
    }
}
