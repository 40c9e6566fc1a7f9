//! Tells the program by which compiler and from which commit it was built, for whoever reads what it measured.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = std::env::var("RUSTC").expect("cargo says which compiler it uses");
    println!("cargo::rustc-env=JITDUEL_RUSTC={}", said(&rustc, &["--version"]));
    // Only an optimized program measures; others need not be built anew after each commit.
    let is_optimized = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    // In a second working tree of a repository `.git` is no folder: git knows where its log is.
    let log = said("git", &["rev-parse", "--git-path", "logs/HEAD"]);
    let commit = if is_optimized && Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
        said("git", &["describe", "--always", "--dirty", "--abbrev=12"])
    } else {
        "unknown".into()
    };
    println!("cargo::rustc-env=JITDUEL_COMMIT={commit}");
}

/// What a command prints; of one that is not there or fails, that it is not known.
fn said(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output().ok().filter(|output| output.status.success());
    output.map_or("unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
