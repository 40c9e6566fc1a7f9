//! Listings of let programs: the source line above the code of each.

use std::collections::BTreeSet;

use crate::binary::jitduel;

const PROGRAM: &str = "\
fn main(n) {
    let sum = 0;
    while n { sum += square(n); n -= 1; }
    return sum;
}

fn square(n) { return n * n; }
";

/// What `asm` prints for a program with one input.
fn listing(program: &[&str], arguments: &[&str]) -> String {
    let ended = jitduel([&["asm"], program, &["--input", "3"], arguments].concat()).run();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{arguments:?}");
    ended.stdout
}

/// The number in a row with a source line.
fn shown_line(row: &str) -> Option<usize> {
    row.strip_prefix("\\ line ")?.split_once(": ")?.0.parse().ok()
}

/// The line of the place at the end of a row.
fn place_line(row: &str) -> Option<usize> {
    let (_, comment) = row.split_once("  \\ ")?;
    comment.rsplit_once(' ')?.1.split_once(':')?.0.parse().ok()
}

#[test]
fn lines_are_above_their_bytecode() {
    let listing = listing(&["-e", PROGRAM, "--language", "let"], &["--stage", "bytecode"]);
    let rows: Vec<&str> = listing.lines().filter(|row| row.starts_with("\\ line ") || row.contains(": ")).collect();
    let expected = [
        "\\ line 1: fn main(n) {",
        "main: 1 parameter, 1 result",
        "\\ line 2: let sum = 0;",
        "\\ line 3: while n { sum += square(n); n -= 1; }",
        "\\ line 4: return sum;",
        "square: 1 parameter, 1 result",
        "\\ line 7: fn square(n) { return n * n; }",
    ];
    assert_eq!(rows, expected);
}

/// In every listing of every stage, the last source line above a row with a place is the line of that place.
#[test]
fn every_place_is_on_the_line_above() {
    let stages: [(&str, &[&str]); 4] =
        [("bytecode", &["code"]), ("jit", &["lir", "asm"]), ("regs", &["lir", "asm"]), ("ssa", &["ssa", "lir", "asm"])];
    for name in ["collatz", "queens"] {
        let path = format!("{}/corpus/let/workloads/{name}.let", env!("CARGO_MANIFEST_DIR"));
        for (engine, stages) in stages {
            for stage in stages {
                for isa in if *stage == "code" { &[None][..] } else { &[Some("aarch64"), Some("x86_64")] } {
                    let isa = isa.map_or(vec![], |isa| vec!["--isa", isa]);
                    let listing = listing(&[&path], &[&["--engine", engine, "--stage", *stage][..], &isa].concat());
                    let (mut at, mut places, mut lines) = (None, 0, BTreeSet::new());
                    for row in listing.lines() {
                        if let Some(line) = shown_line(row) {
                            assert_ne!(at, Some(line), "{path}, {engine}, {stage}: line {line} is repeated");
                            at = Some(line);
                            lines.insert(line);
                        } else if row.is_empty() {
                            // The line is shown again in the next function.
                            at = None;
                        } else if let Some(line) = place_line(row) {
                            assert_eq!(at, Some(line), "{path}, {engine}, {stage}: {row}");
                            places += 1;
                        }
                    }
                    assert!(places > 5 && lines.len() > 4, "{path}, {engine}, {stage}: {places} places\n{listing}");
                }
            }
        }
    }
}

/// A stack program has no such rows, and neither have stages that show no source.
#[test]
fn other_listings_have_no_lines() {
    let stack = |stage: &str| listing(&["-e", "0 swap times\n1 + end"], &["--engine", "ssa", "--stage", stage]);
    for stage in ["ast", "bytecode", "ssa", "lir", "asm", "hex"] {
        assert!(!stack(stage).contains("\\ line "), "{stage}");
    }
    for stage in ["ast", "hex"] {
        let of_let = listing(&["-e", PROGRAM, "--language", "let"], &["--stage", stage]);
        assert!(!of_let.contains("\\ line "), "{stage}");
    }
}
