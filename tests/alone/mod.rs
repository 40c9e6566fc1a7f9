//! Runs tests one after the other on the only thread of the process, for what may happen only while there is one.

use std::panic::catch_unwind;
use std::process::ExitCode;

/// A test and its name.
pub type Test = (&'static str, fn());

/// Runs those whose names contain a word of the command line, or all where it has none, without those that contain a word
/// behind `--skip`: as the usual harness does.
pub fn run(tests: &[Test]) -> ExitCode {
    let (mut filters, mut skipped) = (Vec::new(), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--skip" => skipped.extend(arguments.next()),
            option if option.starts_with('-') => {}
            _ => filters.push(argument),
        }
    }
    let contains = |words: &[String], name: &str| words.iter().any(|word| name.contains(word.as_str()));
    let is_chosen = |name: &str| (filters.is_empty() || contains(&filters, name)) && !contains(&skipped, name);
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in tests.iter().filter(|(name, _)| is_chosen(name)) {
        let result = catch_unwind(test);
        println!("test {name} ... {}", if result.is_ok() { "ok" } else { "FAILED" });
        *if result.is_ok() { &mut passed } else { &mut failed } += 1;
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
