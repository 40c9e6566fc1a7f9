//! Any bytes as a function in static single assignment form, improved and allocated on both instruction sets.
#![no_main]

use jitduel::oracle::targets::passes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| passes(bytes));
