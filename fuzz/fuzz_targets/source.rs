//! Takes any bytes as source text, and runs the program on all engines.
#![no_main]

use std::cell::RefCell;

use jitduel::oracle::judge::Judge;
use jitduel::oracle::targets::source;
use jitduel::registry::all_names;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static JUDGE: RefCell<Judge> = RefCell::new(Judge::new(&all_names().collect::<Vec<_>>()).expect("the engines exist"));
}

fuzz_target!(|bytes: &[u8]| JUDGE.with_borrow_mut(|judge| source(judge, bytes)));
