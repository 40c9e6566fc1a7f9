//! Any bytes as parallel moves, resolved with every kind of breaker.
#![no_main]

use jitduel::oracle::targets::parallel_moves;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| parallel_moves(bytes));
