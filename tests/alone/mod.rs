//! A test harness that runs tests sequentially on the main thread, for code that requires a single-threaded process.

use std::panic::catch_unwind;
use std::process::ExitCode;

/// A test: its name and its function.
pub type Test = (&'static str, fn());

/// Runs the tests whose names contain an argument of the command line, or all without arguments. Leaves out those whose names
/// contain the argument of a `--skip`. The standard harness selects tests in the same way.
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
