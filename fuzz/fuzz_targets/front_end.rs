//! Parses, prints and verifies any bytes.
#![no_main]

use jitduel::oracle::targets::front_end;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| front_end(bytes));
