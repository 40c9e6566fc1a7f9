//! The output of each stage for a few small programs, verbatim: a change of any tier shows up as a diff in
//! `tests/golden`, to be reviewed before it is accepted. A file holds one program and all its listings for one
//! instruction set; they are the same on every host.

use std::path::Path;

use crate::binary::jitduel;
use jitduel::tiers::TIERS;
use snapbox::{Assert, Data};

const HEADER: &str = "\\ Compared by tests/light/golden.rs. After an intended change, regenerate this file and review the \
                      diff:\n\\ SNAPSHOTS=overwrite cargo test --test light golden\n";

/// All stages of a program for one instruction set: tree and bytecode once, then all variants of the JIT.
fn listings(text: &str, arguments: &[&str], isa: &str) -> String {
    let stage = |engine: &str, stage: &str| {
        let verb = ["asm", "-e", text, "--engine", engine, "--stage", stage];
        let isa = if engine == "tree" { &[][..] } else { &["--isa", isa] };
        let ended = jitduel([&verb[..], isa, arguments].concat()).run();
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
        ended.stdout
    };
    let mut file = format!("{HEADER}\n{text}\n\n== {isa}, inputs and limits: {arguments:?}\n");
    for name in ["ast", "bytecode"] {
        file += &format!("\n== {name}\n{}", stage("tree", name));
    }
    for (engine, _) in TIERS {
        let own: &[&str] = if engine == "ssa" { &["ssa"] } else { &[] };
        for name in own.iter().copied().chain(["lir", "asm", "hex"]) {
            file += &format!("\n== {engine}, {name}\n{}", stage(engine, name));
        }
    }
    file
}

fn compare(name: &str, text: &str, arguments: &[&str]) {
    for isa in ["aarch64", "x86_64"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.{isa}.txt"));
        // Raw, because brackets are operands here, not placeholders.
        let expected = Data::read_from(&path, None).raw();
        Assert::new().action_env("SNAPSHOTS").eq(Data::text(listings(text, arguments, isa)).raw(), expected);
    }
}

#[test]
fn factorial() {
    compare("factorial", "1 swap 1 swap times\n  tuck * swap 1 +\nend drop", &["--input", "20"]);
}

#[test]
fn gcd() {
    compare("gcd", "while dup do tuck mod end drop", &["--input", "1071,462"]);
}

/// Every word that moves values, each on its own line.
#[test]
fn shuffles() {
    compare("shuffles", "dup\ndrop\nswap\nover\nrot\nnip\ntuck\n0 pick\n3 pick", &["--input", "1,2,3"]);
}

/// Each word with one operand, each selection, with the operands in registers and with constants; unsigned comparisons.
#[test]
fn selections_and_words_with_one_operand() {
    let text =
        "over min\nover max\nnegate\ninvert\nabs\n3 arshift\n0 max\n9 min\nover arshift\n1 put\nu< if 1 else 2 end";
    compare("selections", text, &["--input", "1,2,3"]);
}

/// `leave` out of both kinds of loop and from within branches, `exit`, and an `if` that is a closing word itself.
#[test]
fn early_exits() {
    let text = "0 10 times dup 5 = if leave end 1 + end\n1 while dup 9 < do dup 3 = if dup leave else 1 + end end\n\
        2 times over 7 = if if exit else drop exit end else 3 nip end end +";
    compare("early_exits", text, &["--input", "1,2,3"]);
}

/// Loops that change the depth leave checks to run time: one check group for several words, and a division between two.
#[test]
fn checks_and_traps() {
    let text =
        "dup times 2 end\nwhile dup 7 < do drop swap over end\n100 swap / rot 2 pick drop drop\nif 3 else drop end +";
    compare("checks_and_traps", text, &["--input", "5"]);
}

/// Operands in memory are loaded only if they are copied or moved.
#[test]
fn in_place() {
    compare("in_place", "over", &["--input", "1,2"]);
}

/// Deferred additions and multiplications are performed once for all copies of a value.
#[test]
fn deferred() {
    compare("deferred", "100000000000 + dup 3 * xor dup dup + over + swap dup + dup + dup + -", &["--input", "5"]);
}

#[test]
fn metered() {
    compare("metered", "0 swap times 3 times 1 + end while dup 1 and do 2 / end end", &["--input", "4", "--fuel", "9"]);
}

/// Recursion, a loop with calls whose counter is in the frame, and memory cells with known and computed numbers.
#[test]
fn definitions_and_memory() {
    let text = ": fib ( n -- f ) dup 2 < if else dup 1 - fib swap 2 - fib + end ;\n\
        : fill ( n -- ) times count @ dup fib over fibs + ! 1 + count ! end ;\n\
        1 array count 10 array fibs\n\
        10 fill\n\
        5 fibs + @";
    compare("definitions_and_memory", text, &[]);
}

/// Every check of a call, and checks that compare with the base of a definition.
#[test]
fn checks_of_calls() {
    let text = ": f ( a b n -- c ) times drop end drop drop 7 dup if exit end 0 g ;\n\
        : g ( a b -- c ) 1 2 3 drop drop drop drop dup 1 f ;\n\
        times drop end f";
    compare("checks_of_calls", text, &["--input", "1,2,3,0", "--fuel", "100", "--stack-limit", "4"]);
}

/// A program with every check, exported to other languages. The witness tests compile and run such files with gcc and
/// gforth.
#[test]
fn exports() {
    let export = |name: &str, arguments: &[&str]| {
        let ended = jitduel([&["export"], arguments].concat()).run();
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        Assert::new().action_env("SNAPSHOTS").eq(Data::text(ended.stdout).raw(), Data::read_from(&path, None).raw());
    };
    let factorial = ["-e", "1 swap 1 swap times\n  tuck * swap 1 +\nend drop", "--input", "20"];
    let checked = [
        "-e",
        "dup times 2 end\nwhile dup 7 < do drop swap over end\n100 swap / rot 2 pick mod\nif 3 else drop end lshift",
        "--input",
        "-9223372036854775808",
        "--stack-limit",
        "9",
        "--fuel",
        "100",
    ];
    // Accesses to memory, a call that needs no check, calls in a cycle with all checks, underflow in a definition, exits from
    // loops.
    let words = [
        "-e",
        "8 array a  2 array b\n: store ( x i -- ) a + ! ;\n: last ( x y n -- y ) times drop end swap drop ;\n\
         : down ( n -- n ) dup 1 < if exit end 3 times 1 - dup 0 < if exit end dup if up else leave end end ;\n\
         : up ( n -- n ) dup 2 - down max ;\n5 0 store  b a @ 0 last down  0 a 100 up",
        "--stack-limit",
        "40",
        "--call-limit",
        "40",
        "--fuel",
        "100",
    ];
    for (language, ending) in [("c", "c"), ("forth", "fs")] {
        export(&format!("words.{ending}"), &[&words[..], &["--to", language]].concat());
        export(&format!("factorial.{ending}"), &[&factorial[..], &["--to", language]].concat());
        export(&format!("checked.{ending}"), &[&checked[..], &["--to", language]].concat());
    }
}

/// More nested counters than either instruction set has registers for: the outermost ones are in the frame.
#[test]
fn nested_loops() {
    let text = format!("0\n{}\n1 +\n{}", ["2 times"; 20].join(" "), ["end"; 20].join(" "));
    compare("nested_loops", &text, &[]);
}
