//! Remembered profiles: what was hot in which program, under which settings, as text.
//!
//! A profile is only a hint. An entry counts only if its whole key is that of the run at hand, and what it names is checked against the
//! program. So a profile that is outdated, foreign or hostile can make a run slower, but not wrong.

use std::cmp::Reverse;
use std::env::consts::ARCH;

use serde::{Deserialize, Serialize};

use super::{Choice, Threshold};
use crate::engine::Options;
use crate::lang::Source;

/// The name and version of the format.
const FORMAT: &str = "jitduel-profiles/2";

/// A file of profiles has at most this many bytes.
pub const MOST_BYTES: usize = 1 << 20;

/// The greatest number of programs that are remembered. The one that learned something longest ago is forgotten first.
const MOST_PROFILES: usize = 256;

/// The greatest number of functions that are remembered for a program.
const MOST_HOT: usize = 256;

/// What a profile must have been recorded with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The hash of the program's text and its length in bytes.
    text: (u64, u64),
    inputs: usize,
    metered: bool,
    stack_limit: usize,
    call_limit: u64,
    threshold: String,
    version: String,
    isa: String,
    /// The features of the processor that the code may use beyond the baseline of the instruction set. Our emitters use none.
    cpu_features: String,
}

impl Key {
    /// The key of a run.
    pub fn of(source: &Source, inputs: usize, options: &Options, threshold: Threshold) -> Key {
        let text = source.bytes();
        // FNV-1a. A collision costs time, not correctness.
        let hash = text
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        Key {
            text: (hash, text.len() as u64),
            inputs,
            metered: options.metered,
            stack_limit: options.stack_limit,
            call_limit: options.call_limit,
            threshold: format!("{threshold:?}"),
            version: env!("CARGO_PKG_VERSION").into(),
            isa: ARCH.into(),
            cpu_features: "baseline".into(),
        }
    }
}

/// A function that was hot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hot {
    /// Its number: 0 is the main program, and the definitions are numbered from 1 in reading order.
    pub function: u32,
    /// The best tier that compiled it.
    pub tier: Choice,
}

/// The profile of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    key: Key,
    /// The functions that were hot, in order.
    hot: Vec<Hot>,
}

/// The profiles of several programs, the one that learned something last at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    format: String,
    profiles: Vec<Profile>,
}

impl Default for Profiles {
    fn default() -> Profiles {
        Profiles { format: FORMAT.into(), profiles: Vec::new() }
    }
}

impl Profiles {
    /// Reads profiles from the text of a file.
    ///
    /// # Errors
    /// Why the text is ignored.
    pub fn parse(text: &[u8]) -> Result<Profiles, String> {
        if text.len() > MOST_BYTES {
            return Err(format!("it has more than {MOST_BYTES} bytes"));
        }
        let is_ours = |format: &str| {
            let shown = cut(format, 40);
            if format == FORMAT { Ok(()) } else { Err(format!("its format is {shown:?}, not {FORMAT:?}")) }
        };
        // The parser quotes the file, which may hold anything.
        let reason = |error: serde_json::Error| cut(&error.to_string(), 200);
        match serde_json::from_slice::<Profiles>(text) {
            Ok(profiles) => is_ours(&profiles.format).map(|()| profiles),
            Err(error) => {
                #[derive(Deserialize)]
                struct Format {
                    format: String,
                }
                // A file of another format says so, whatever else it holds.
                let found: Format =
                    serde_json::from_slice(text).map_err(|error| format!("it is not a profile: {}", reason(error)))?;
                is_ours(&found.format)?;
                Err(format!("it is damaged: {}", reason(error)))
            }
        }
    }

    /// The text of a file.
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string(self).expect("profiles can be represented in JSON");
        text.push('\n');
        text
    }

    /// What was hot with this key.
    pub fn hot(&self, key: &Key) -> &[Hot] {
        let hot = self.profiles.iter().find(|profile| profile.key == *key).map_or(&[][..], |profile| &profile.hot);
        // A hostile file may name more.
        &hot[..hot.len().min(MOST_HOT)]
    }

    /// Adds what was hot in a run to what was hot before. Returns whether that changes anything but the order.
    pub fn add(&mut self, key: Key, hot: &[Hot]) -> bool {
        let known = self.profiles.iter().position(|profile| profile.key == key);
        let mut profile = known.map_or(Profile { key, hot: Vec::new() }, |index| self.profiles.remove(index));
        let before = profile.hot.clone();
        profile.hot.extend(hot);
        // Of the tiers of a function, the best comes first.
        profile.hot.sort_unstable_by_key(|hot| (hot.function, Reverse(hot.tier)));
        profile.hot.dedup_by_key(|hot| hot.function);
        profile.hot.truncate(MOST_HOT);
        let changes = profile.hot != before;
        self.profiles.push(profile);
        self.forget_the_oldest();
        changes
    }

    /// Removes the profiles that learned something longest ago until the file is small enough.
    fn forget_the_oldest(&mut self) {
        let lengths = |profile: &Profile| serde_json::to_string(profile).map_or(0, |text| text.len() + 1);
        let empty = Profiles::default().text().len();
        let (mut bytes, mut kept) = (empty, 0);
        for profile in self.profiles.iter().rev().take(MOST_PROFILES) {
            bytes += lengths(profile);
            if bytes > MOST_BYTES {
                break;
            }
            kept += 1;
        }
        self.profiles.drain(..self.profiles.len() - kept);
    }
}

/// The beginning of a text of more than this many characters.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiered::Costs;

    fn key(text: &str) -> Key {
        Key::of(&Source::new("test", text), 1, &Options::default(), Threshold::BreakEven(Costs::MEASURED))
    }

    #[test]
    fn profiles_round_trip_and_merge() {
        let hot = |function, tier| Hot { function, tier };
        let (first, second) = (hot(0, Choice::Baseline), hot(2, Choice::Registers));
        let mut profiles = Profiles::default();
        assert!(profiles.add(key("a"), &[second]) && !profiles.add(key("b"), &[]));
        assert!(profiles.add(key("a"), &[first, second]) && !profiles.add(key("a"), &[second]));
        // The best tier is remembered.
        assert!(!profiles.add(key("a"), &[hot(2, Choice::Baseline)]));
        let again = Profiles::parse(profiles.text().as_bytes()).expect("it was just written");
        assert_eq!(again, profiles);
        assert_eq!(
            (again.hot(&key("a")), again.hot(&key("b")), again.hot(&key("c"))),
            (&[first, second][..], &[][..], &[][..])
        );
    }

    /// Every part of the key is varied.
    #[test]
    fn a_profile_of_other_settings_is_not_used() {
        let source = Source::new("test", "1 +");
        let (options, threshold) = (Options::default(), Threshold::BreakEven(Costs::MEASURED));
        let base = Key::of(&source, 1, &options, threshold);
        let mut others = vec![
            Key::of(&Source::new("test", "1 -"), 1, &options, threshold),
            Key::of(&source, 2, &options, threshold),
            Key::of(&source, 1, &Options { metered: true, ..options }, threshold),
            Key::of(&source, 1, &Options { stack_limit: 7, ..options }, threshold),
            Key::of(&source, 1, &Options { call_limit: 7, ..options }, threshold),
            Key::of(&source, 1, &options, Threshold::At(1)),
            Key::of(&source, 1, &options, Threshold::BreakEven(Costs { interpreted_long: 1.0, ..Costs::MEASURED })),
        ];
        let foreign = |change: fn(&mut Key)| {
            let mut key = base.clone();
            change(&mut key);
            key
        };
        others.push(foreign(|key| key.version.push('x')));
        others.push(foreign(|key| key.isa = "riscv64".into()));
        others.push(foreign(|key| key.cpu_features = "avx2".into()));
        let mut profiles = Profiles::default();
        profiles.add(base.clone(), &[Hot { function: 0, tier: Choice::Registers }]);
        for other in &others {
            assert!(profiles.hot(other).is_empty(), "{other:?}");
        }
        assert_eq!(profiles.hot(&base).len(), 1);
        // The name of the file does not matter.
        assert_eq!(Key::of(&Source::new("other", "1 +"), 1, &options, threshold), base);
    }

    #[test]
    fn what_is_not_a_profile_is_refused_with_a_reason() {
        let good = Profiles::default().text();
        for (text, reason) in [
            ("", "it is not a profile"),
            ("[1, 2]", "it is not a profile"),
            ("{\"format\": 3}", "it is not a profile"),
            ("{\"format\": \"jitduel-profiles/1\", \"profiles\": []}", "its format is \"jitduel-profiles/1\""),
            ("{\"format\": \"jitduel-profiles/2\"}", "it is damaged"),
            ("{\"format\": \"jitduel-profiles/2\", \"profiles\": [{}]}", "it is damaged"),
            (&good[..good.len() / 2], "it is not a profile"),
        ] {
            let said = Profiles::parse(text.as_bytes()).expect_err("it is not a profile");
            assert!(said.starts_with(reason), "{text}: {said}");
        }
        let deep = "[".repeat(100_000);
        assert!(Profiles::parse(deep.as_bytes()).is_err());
        assert!(Profiles::parse(&vec![b' '; MOST_BYTES + 1]).is_err());
    }

    #[test]
    fn a_file_stays_small() {
        let mut profiles = Profiles::default();
        let function = u32::MAX - 300..u32::MAX;
        let hot: Vec<Hot> = function.map(|function| Hot { function, tier: Choice::Registers }).collect();
        for index in 0..120 {
            profiles.add(key(&index.to_string()), &hot);
        }
        let text = profiles.text();
        assert!(text.len() <= MOST_BYTES && profiles.profiles.len() <= MOST_PROFILES, "{}", text.len());
        assert_eq!(profiles.hot(&key("119")).len(), MOST_HOT);
        assert!(profiles.hot(&key("0")).is_empty(), "the oldest is forgotten");
        assert_eq!(Profiles::parse(text.as_bytes()), Ok(profiles));
    }
}
