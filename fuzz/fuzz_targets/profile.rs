//! Any bytes as a file of profiles, and as hints about a program.
#![no_main]

use jitduel::oracle::targets::profile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| profile(bytes));
