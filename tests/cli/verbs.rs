//! The command line: every verb and option, exit codes, streams, and texts that are not programs. Each run of the binary is
//! also checked for panics, signals and hangs (see `binary`).

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::binary::{Ended, SMALL, expect, file, folder, jitduel, refused, size};
use jitduel::isa::disassemble::disassemble;
use jitduel::registry::{ENGINES, all_names, names};
use jitduel::tiers::TIERS;

/// The engines to test one by one. In an emulator, where processes start slowly, one of each kind.
const TRIED: &[&str] = if SMALL { &["bytecode", "jit", "regs"] } else { &ENGINES };

const ISAS: [&str; 2] = ["aarch64", "x86_64"];
const STAGES: [&str; 5] = ["ast", "bytecode", "lir", "asm", "hex"];

/// The architecture that the binary reports.
const HOST: &str = std::env::consts::ARCH;

fn cli(arguments: &[&str]) -> Ended {
    jitduel(arguments).run()
}

/// `run -e TEXT` with further arguments.
fn run(text: &str, arguments: &[&str]) -> Ended {
    cli(&[&["run", "-e", text], arguments].concat())
}

// run: the program, its inputs, its engine.

#[test]
fn programs_are_read_from_files_standard_input_and_the_command_line() {
    let folder = folder("program");
    let path = file(&folder, "six.stk", "2 3 *");
    expect(&cli(&["run", &path]), 0, "6\n");
    expect(&jitduel(["run", "six.stk"]).current_dir(&folder).run(), 0, "6\n");
    expect(&jitduel(["run", "-"]).stdin("2 3 * \\ no line end").run(), 0, "6\n");
    expect(&run("2 3 *", &[]), 0, "6\n");
    // A text may begin like an option.
    expect(&run("-7 2 /", &[]), 0, "-3\n");
    expect(&run("- 1", &["--input", "9,2"]), 0, "7 1\n");
    for (arguments, stdin) in
        [(["run", "-e", ""], ""), (["run", "-", "--json"], "\\ nothing"), (["run", "-", "--json"], "")]
    {
        let ended = jitduel(arguments).stdin(stdin).run();
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
        assert!(["\n", &json_done("-", "regs", "")].contains(&ended.stdout.as_str()), "{}", ended.stdout);
    }
}

fn json_done(program: &str, engine: &str, stack: &str) -> String {
    format!(
        "{{\"program\":\"{program}\",\"engine\":\"{engine}\",\"isa\":\"{HOST}\",\"outcome\":\"done\",\"stack\":[{stack}]}}\n"
    )
}

#[test]
fn every_engine_runs_and_the_default_is_the_fastest() {
    for &engine in TRIED {
        let with = |text: &str, more: &[&str]| run(text, &[&["--engine", engine], more].concat());
        expect(&with("1 3 times 2 times 1 + end end", &[]), 0, "7\n");
        expect(&with("7 0 times 1 + end", &[]), 0, "7\n");
        expect(&with("11 *", &["--input", "7", "--input", "-8"]), 0, "77\n-88\n");
        expect(&with("1 2 3 times 100 end", &[]), 0, "1 2 100 100 100\n");
        expect(&with("1 0 /", &[]), 1, "trap division by zero 1:5\n");
        expect(&with("1", &["--json"]), 0, &json_done("-e", engine, "1"));
    }
    expect(&run("1", &["--json"]), 0, &json_done("-e", "regs", "1"));
}

#[test]
fn each_input_option_is_a_run_with_its_own_line() {
    expect(&run("+", &["--input", "1,2", "--input", "5,6"]), 0, "3\n11\n");
    let inputs = ["--input", "1,2", "--input", "1", "--input", "3,4,5", "--input", "", "--input", "7,8"];
    let ended = run("+", &inputs);
    expect(&ended, 1, "3\nrejected underflow 1:1\n3 9\nrejected underflow 1:1\n15\n");
    assert!(ended.stderr.contains("needs 2, but there are at most 1"), "{}", ended.stderr);
    assert!(ended.stderr.contains("needs 2, but there are at most 0"), "{}", ended.stderr);
    let ended = run("+", &[&inputs[..], &["--json"]].concat());
    let outcomes: Vec<_> = ended.stdout.lines().map(|line| line.contains("\"outcome\":\"done\"")).collect();
    assert_eq!((ended.code, &outcomes[..]), (1, &[true, false, true, false, true][..]));
    // Each run starts with its own inputs and full fuel, whatever the previous run left.
    let twice = ["--input", "3", "--input", "3", "--fuel", "3", "--stack-limit", "3"];
    expect(&run("times 1 end", &twice), 0, "1 1 1\n1 1 1\n");
}

#[test]
fn inputs_are_decimal_or_hexadecimal_and_separated_by_commas() {
    for (input, stack) in [
        ("-3,4", "-3 4"),
        ("", ""),
        (" ", ""),
        ("0xff,0x0,0xFFFFFFFFFFFFFFFF", "255 0 -1"),
        ("0x8000000000000000,0x7fffffffffffffff", "-9223372036854775808 9223372036854775807"),
        ("-9223372036854775808,9223372036854775807", "-9223372036854775808 9223372036854775807"),
        ("007,-0", "7 0"),
        ("1, 2 ,3", "1 2 3"),
        ("1 2", "1 2"),
    ] {
        expect(&run("", &["--input", input]), 0, &format!("{stack}\n"));
        expect(&run("", &[&format!("--input={input}")]), 0, &format!("{stack}\n"));
    }
    for input in [
        "x",
        "1,x",
        "1.5",
        "9223372036854775808",
        "-9223372036854775809",
        "0x",
        "0x10000000000000000",
        "0xg",
        "+5",
        "0x+5",
        "-0x5",
        "1;2",
        "--5",
        "1_000",
        "١",
    ] {
        refused(&run("", &["--input", input]), "is not a 64-bit integer");
        refused(&cli(&["asm", "-e", "1", "--input", input]), "is not a 64-bit integer");
    }
    // A comma separates two values, so a missing value is an error and not a shorter list.
    for input in [",", "1,", ",1", "1,,2", "1, ,2"] {
        refused(&run("", &["--input", input]), "a value is missing");
    }
    refused(&run("", &["--input", "4", "--input", "x5"]), "`x5`");
}

#[test]
fn without_inputs_the_first_case_is_run_and_checked() {
    let folder = folder("case");
    let path = file(&folder, "cases.stk", "\\ adds\n\\ case: 1 2 -> 3\n\\ case: 5 6 -> 11\n+\n");
    let ended = cli(&["run", &path]);
    expect(&ended, 0, "3\n");
    assert!(
        ended.stderr.contains("no inputs given; using the case on line 2: \\ case: 1 2 -> 3\n"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.ends_with("case on line 2 met: expected 3\n"), "{}", ended.stderr);
    let ended = cli(&["run", &path, "--input", "7,8"]);
    expect(&ended, 0, "15\n");
    assert_eq!(ended.stderr, "");

    let path = file(&folder, "wrong.stk", "\\ case: 1 2 -> 4\n+\n");
    let ended = cli(&["run", &path]);
    assert_eq!(ended.stdout, "3\n");
    assert!(ended.stderr.ends_with("case on line 1 NOT met: expected 4\n"), "{}", ended.stderr);
    assert_eq!(ended.code, 4);

    // The case's limits apply, unless the command line overrides them.
    let path = file(&folder, "limits.stk", "\\ case fuel=2 stack-limit=3: 3 -> trap out of fuel 2:1\ntimes 1 end\n");
    let ended = cli(&["run", &path]);
    expect(&ended, 1, "trap out of fuel 2:1\n");
    assert!(ended.stderr.contains("case on line 1 met: expected trap out of fuel 2:1"), "{}", ended.stderr);
    let ended = cli(&["run", &path, "--fuel", "3"]);
    assert_eq!((ended.stdout.as_str(), ended.code), ("1 1 1\n", 0));
    assert!(ended.stderr.contains("not checked, because the limits differ"), "{}", ended.stderr);
    let ended = cli(&["run", &path, "--fuel", "3", "--stack-limit", "2"]);
    assert_eq!(ended.stdout, "trap stack overflow 2:7\n");
    let ended = cli(&["run", &path, "--stack-limit", "0"]);
    expect(&ended, 2, "");
    assert!(
        ended.stderr.contains("error: too many inputs for the stack limit: 1, but at most 0 fit"),
        "{}",
        ended.stderr
    );

    let text = "\\ case call-limit=1: -> trap call depth exceeded 2:12\n: f ( -- ) g ;  : g ( -- ) ;  f\n";
    let path = file(&folder, "calls.stk", text);
    let ended = cli(&["run", &path]);
    expect(&ended, 1, "trap call depth exceeded 2:12\n");
    assert!(ended.stderr.contains("case on line 1 met"), "{}", ended.stderr);
    let ended = cli(&["run", &path, "--call-limit", "2"]);
    expect(&ended, 0, "\n");
    assert!(ended.stderr.contains("not checked, because the limits differ"), "{}", ended.stderr);
    let ended = cli(&["check", &path]);
    assert!(ended.code == 0 && ended.stdout.starts_with(&format!("ok {path}: 1 case\n")), "{}", ended.stdout);
    // The bytecode is that of the case's limit too: a longer path of calls needs no check.
    let bytecode = |arguments: &[&str]| cli(&[&["asm", &path, "--stage", "bytecode"], arguments].concat()).stdout;
    assert!(bytecode(&[]).contains("call-depth") && !bytecode(&["--call-limit", "2"]).contains("call-depth"));

    // Rejections are results too.
    let ended = run("\\ case: -> rejected underflow 2:1\n+", &[]);
    expect(&ended, 1, "rejected underflow 2:1\n");
    assert!(ended.stderr.contains("case on line 1 met"), "{}", ended.stderr);

    // A malformed case is an error even if only its inputs are needed.
    for (verb, line) in [("run", "\\ case 1 -> 2"), ("asm", "\\ case: 1"), ("check", "\\ case: -> x")] {
        let path = file(&folder, "malformed.stk", format!("1\n{line}\n"));
        let ended = cli(&[verb, &path]);
        refused(&ended, &format!("{path}: line 2: "));
        assert!(
            ended.stderr.contains("write `\\ case [fuel=N] [stack-limit=N] [call-limit=N]: INPUTS -> RESULT`"),
            "{}",
            ended.stderr
        );
    }
    let path = file(&folder, "malformed.stk", "1 +\n\\ case 1 -> 2\n");
    expect(&cli(&["run", &path, "--input", "4"]), 0, "5\n");
}

// run: limits.

#[test]
fn fuel_counts_the_iterations_of_all_loops_and_the_calls() {
    for &engine in TRIED {
        let with = |text: &str, fuel: &str| run(text, &["--engine", engine, "--fuel", fuel]);
        expect(&with("3 times 1 end", "3"), 0, "1 1 1\n");
        let ended = with("3 times 1 end", "2");
        expect(&ended, 1, "trap out of fuel 1:3\n");
        assert!(ended.stderr.contains("`--fuel N` allows more iterations"), "{}", ended.stderr);
        expect(&with("0 times 1 end 5", "0"), 0, "5\n");
        expect(&with("while 0 do end", "0"), 1, "trap out of fuel 1:1\n");
        expect(&with("while 0 do end", "1"), 0, "\n");
        expect(&with("1 while dup do 1 - end", "1"), 1, "trap out of fuel 1:3\n");
        expect(&with("1 while dup do 1 - end", "2"), 0, "0\n");
        expect(&with("2 times 2 times end end", "5"), 1, "trap out of fuel 1:11\n");
        expect(&with("2 times 2 times end end", "6"), 0, "\n");
        expect(&with("while 1 do end", "1000"), 1, "trap out of fuel 1:1\n");
        expect(&with("3 times 1 end", "18446744073709551615"), 0, "1 1 1\n");
        expect(&with(": f ( -- ) ; f f", "1"), 1, "trap out of fuel 1:16\n");
        expect(&with(": f ( -- ) ; f f", "2"), 0, "\n");
        expect(&with(": f ( -- ) ; 2 times f end", "3"), 1, "trap out of fuel 1:22\n");
        expect(&with(": f ( -- ) ; 2 times f end", "4"), 0, "\n");
    }
    for fuel in ["-1", "x", "", "1.5", "18446744073709551616"] {
        refused(&run("1", &["--fuel", fuel]), "--fuel");
    }
}

#[test]
fn the_stack_limit_is_exact() {
    for &engine in TRIED {
        let with = |text: &str, limit: &str| run(text, &["--engine", engine, "--stack-limit", limit]);
        expect(&with("", "0"), 0, "\n");
        expect(&with("1", "0"), 1, "trap stack overflow 1:1\n");
        expect(&with("1 2 3", "3"), 0, "1 2 3\n");
        let ended = with("1 2 3 4", "3");
        expect(&ended, 1, "trap stack overflow 1:7\n");
        assert!(ended.stderr.contains("`--stack-limit N` sets a higher limit"), "{}", ended.stderr);
        // A word that pops before it pushes needs no room for both.
        expect(&with("1 2 3 rot + dup drop", "3"), 0, "2 4\n");
        expect(&with("1 2 over", "2"), 1, "trap stack overflow 1:5\n");
        let full = run("65536 times 1 end", &["--engine", engine]);
        assert_eq!((full.code, full.stdout.len()), (0, 2 * 65536), "{engine}: {}", full.stderr);
        expect(&run("65537 times 1 end", &["--engine", engine]), 1, "trap stack overflow 1:13\n");
        expect(
            &run("1 2", &["--engine", engine, "--stack-limit", "2", "--input", "5,6"]),
            1,
            "trap stack overflow 1:1\n",
        );
    }
    for limit in ["-1", "x", "", "18446744073709551616"] {
        refused(&run("1", &["--stack-limit", limit]), "--stack-limit");
    }
}

#[test]
fn a_huge_stack_limit_works_or_is_a_clear_error() {
    let mut limits = vec![1u64 << 60, (1 << 60) - 3, 1 << 61, 1 << 63, u64::MAX - 1, u64::MAX];
    if SMALL {
        println!("no stacks of 2^32 to 2^46 values, for each page of which an old emulator keeps a record");
    } else {
        limits.extend([1 << 32, 1 << 40, 1 << 46]);
    }
    for limit in limits {
        for engine in ["tree", "bytecode", "jit-push", "jit"] {
            let ended = run("3 times 1 2 end 5 0 pick", &["--engine", engine, "--stack-limit", &limit.to_string()]);
            if ended.code == 0 {
                expect(&ended, 0, "1 2 1 2 1 2 5 5\n");
            } else {
                refused(&ended, &format!("no memory for a stack of {limit} values"));
            }
        }
        // Code can be compiled for every limit, because compiling does not allocate the stack.
        for isa in ISAS {
            let text = "times 1 2 end 5 0 pick";
            let ended = cli(&["asm", "-e", text, "--input", "1", "--isa", isa, "--stack-limit", &limit.to_string()]);
            assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
        }
    }
}

#[test]
fn the_call_limit_is_exact() {
    for &engine in TRIED {
        let with = |text: &str, limit: &str| run(text, &["--engine", engine, "--call-limit", limit]);
        let down = |from: u32| format!(": f ( n -- ) dup if 1 - f else drop end ; {from} f");
        expect(&with(&down(3), "4"), 0, "\n");
        let ended = with(&down(3), "3");
        expect(&ended, 1, "trap call depth exceeded 1:25\n");
        assert!(ended.stderr.contains("`--call-limit N` sets a higher limit"), "{}", ended.stderr);
        expect(&with(&down(3), "0"), 1, "trap call depth exceeded 1:45\n");
        expect(&with("1", "0"), 0, "1\n");
        expect(&run(&down(9_999), &["--engine", engine]), 0, "\n");
        expect(&run(&down(10_000), &["--engine", engine]), 1, "trap call depth exceeded 1:25\n");
        // The frame of a call that has room for its results must fit too.
        let both = ["--engine", engine, "--call-limit", "1", "--stack-limit", "2"];
        expect(&run(": f ( -- a ) 1 2 drop ; f", &both), 0, "1\n");
        expect(&run(": f ( -- a ) 1 2 3 drop drop ; f", &both), 1, "trap stack overflow 1:32\n");
    }
    for limit in ["-1", "x", "", "1.5", "18446744073709551616"] {
        refused(&run("1", &["--call-limit", limit]), "--call-limit");
    }
}

#[test]
fn a_huge_call_limit_works_or_is_a_clear_error() {
    for &engine in TRIED {
        let with = |text: &str, limit: u64| run(text, &["--engine", engine, "--call-limit", &limit.to_string()]);
        let endless = ": f ( -- ) f ; f";
        for limit in [u64::MAX, 1 << 63, 1 << 60] {
            refused(&with(endless, limit), "no memory for the program's arrays and calls");
            // A program without recursion needs no more memory than its longest path of calls.
            expect(&with(": f ( -- a ) 5 ; : g ( -- a ) f ; g", limit), 0, "5\n");
        }
        let case = format!("\\ case call-limit={}: -> 1\n{endless}", u64::MAX);
        let path = file(&folder("huge"), "huge.stk", case);
        refused(&cli(&["check", &path, "--engine", engine]), "no memory for the program's arrays and calls");
    }
}

#[test]
fn more_inputs_than_the_stack_limit_are_refused_before_anything_else() {
    for text in ["+", "", "no such word", "("] {
        let message = "too many inputs for the stack limit: 2, but at most 1 fit";
        refused(&run(text, &["--input", "1,2", "--stack-limit", "1"]), message);
        refused(&run(text, &["--input", "1", "--input", "1,2", "--stack-limit", "1"]), message);
        refused(&cli(&["asm", "-e", text, "--input", "1,2", "--stack-limit", "1"]), message);
    }
    expect(&run("+", &["--input", "1,2", "--stack-limit", "2"]), 0, "3\n");
    let many = vec!["1"; 65537].join(" ");
    let ended = jitduel(["check", &file(&folder("many"), "many.stk", format!("\\ case: {many} -> 1\n"))]).run();
    refused(&ended, "too many inputs for the stack limit: 65537, but at most 65536 fit");
}

// run: output streams and formats.

#[test]
fn json_lines_have_exactly_the_documented_members() {
    let start = |program: &str| format!("{{\"program\":\"{program}\",\"engine\":\"regs\",\"isa\":\"{HOST}\",");
    for (text, code, rest) in [
        ("6 120", 0, r#""outcome":"done","stack":[6,120]}"#),
        ("", 0, r#""outcome":"done","stack":[]}"#),
        (
            "0x8000000000000000 9223372036854775807",
            0,
            r#""outcome":"done","stack":[-9223372036854775808,9223372036854775807]}"#,
        ),
        ("1 0 /", 1, r#""outcome":"trap","kind":"division by zero","line":1,"column":5}"#),
        ("1 0\nmod", 1, r#""outcome":"trap","kind":"division by zero","line":2,"column":1}"#),
        ("70000 times 1 end", 1, r#""outcome":"trap","kind":"stack overflow","line":1,"column":13}"#),
        ("1 2 times drop end", 1, r#""outcome":"trap","kind":"stack underflow","line":1,"column":11}"#),
        ("while 1 do end", 1, r#""outcome":"trap","kind":"out of fuel","line":1,"column":1}"#),
        (
            "1 +",
            1,
            r#""outcome":"rejected","kind":"underflow","line":1,"column":3,"message":"stack underflow: 2 needed, at most 1 available"}"#,
        ),
        (
            "1 if 2 3 else 4 end",
            1,
            r#""outcome":"rejected","kind":"unbalanced if","line":1,"column":3,"message":"unbalanced `if`: the first branch leaves 2 on the stack, the other 1"}"#,
        ),
        (
            "( é ) \"drup\"",
            1,
            r#""outcome":"rejected","kind":"syntax","line":1,"column":7,"message":"unknown word `\"drup\"`"}"#,
        ),
    ] {
        let ended = run(text, &["--json", "--fuel", "100000"]);
        expect(&ended, code, &format!("{}{rest}\n", start("-e")));
        let ended = jitduel(["run", "--json", "--fuel", "100000", "-"]).stdin(text).run();
        expect(&ended, code, &format!("{}{rest}\n", start("-")));
    }
    let folder = folder("json");
    file(&folder, "quote\".stk", "1");
    let ended = jitduel(["run", "--json", "quote\".stk"]).current_dir(&folder).run();
    expect(&ended, 0, &format!("{}\"outcome\":\"done\",\"stack\":[1]}}\n", start("quote\\\".stk")));
}

#[test]
fn data_goes_to_standard_output_and_diagnostics_to_standard_error() {
    let ended = run("1 2", &[]);
    assert_eq!(ended.stderr, "");
    let ended = run("1 2 dpu", &[]);
    expect(&ended, 1, "rejected syntax 1:5\n");
    assert_eq!(
        ended.stderr,
        "error: unknown word `dpu`\n --> -e:1:5\n  |\n1 | 1 2 dpu\n  |     ^^^ not a word of the language\n  |\nhelp: did you mean `dup`?\n"
    );
    let ended = run("1\n0 /", &["--json"]);
    assert!(ended.stdout.starts_with("{\"program\":\"-e\"") && ended.stdout.lines().count() == 1, "{}", ended.stdout);
    assert!(ended.stderr.contains("error: division by zero\n --> -e:2:3\n"), "{}", ended.stderr);
    let ended = cli(&["asm", "-e", "1 +"]);
    expect(&ended, 1, "");
    assert!(ended.stderr.contains("error: stack underflow: 2 needed, at most 1 available"), "{}", ended.stderr);
}

#[test]
fn the_worst_of_several_runs_is_the_exit_code() {
    assert_eq!(run("/", &["--input", "6,3"]).code, 0);
    assert_eq!(run("/", &["--input", "6,3", "--input", "6,0"]).code, 1);
    assert_eq!(run("/", &["--input", "6,0", "--input", "6,3"]).code, 1);
    assert_eq!(run("/", &["--input", "6", "--input", "6,3"]).code, 1);
    let folder = folder("codes");
    let stopped = file(&folder, "stopped.stk", "1 0 /");
    let wrong = file(&folder, "wrong.stk", "\\ case: -> 2\n1");
    let fine = file(&folder, "fine.stk", "\\ case: -> 1\n1");
    for (paths, code) in [
        (vec![&fine], 0),
        (vec![&fine, &stopped], 1),
        (vec![&stopped, &fine], 1),
        (vec![&fine, &wrong, &stopped], 4),
        (vec![&wrong, &fine], 4),
    ] {
        let ended = jitduel(std::iter::once(&"check".to_owned()).chain(paths)).run();
        assert_eq!(ended.code, code, "{}", ended.stdout);
    }
}

#[test]
fn usage_errors_name_the_valid_values() {
    refused(&run("1", &["--engine", "jit-tops"]), "jit-tos");
    let refusal = run("1", &["--engine", "no"]).stderr;
    assert!(names().all(|engine| refusal.contains(engine)), "{refusal}");
    refused(&cli(&["check", "x.stk", "--engine", "tree,no"]), "no");
    refused(&cli(&["asm", "-e", "1", "--isa", "mips"]), "aarch64, x86_64");
    refused(&cli(&["asm", "-e", "1", "--stage", "ats"]), "ast");
    refused(&cli(&["ran", "x.stk"]), "unrecognized subcommand");
    refused(&run("1", &["--jsn"]), "--json");
    for verb in ["run", "asm", "check", "completions"] {
        refused(&cli(&[verb]), "required");
    }
    refused(&cli(&["run", "a.stk", "-e", "1"]), "cannot be used with");
    refused(&cli(&["run", "a.stk", "b.stk"]), "cannot read `a.stk`");
    refused(&cli(&["run", "-e"]), "a value is required");
    refused(&cli(&["run", "-e", "1", "--engine"]), "a value is required");
    refused(&cli(&["asm", "-e", "1", "--input", "1", "--input", "2"]), "multiple times");
    let ended = cli(&[]);
    expect(&ended, 2, "");
    assert!(ended.stderr.contains("Usage: jitduel"), "{}", ended.stderr);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = folder("unreadable");
    let folder = folder.to_str().expect("it is UTF-8");
    // No process maps its first page, so this cannot be read, not even by root.
    let unreadable = "/proc/self/mem";
    for verb in ["run", "asm", "check"] {
        refused(&cli(&[verb, "no-such-file.stk"]), "cannot read `no-such-file.stk`: No such file or directory");
        refused(&cli(&[verb, unreadable]), "cannot read `/proc/self/mem`: ");
        if verb != "check" {
            refused(&cli(&[verb, folder]), &format!("cannot read `{folder}`: Is a directory"));
        }
    }
    refused(&cli(&["check", folder]), &format!("no program (*.stk or *.let) in {folder}"));
}

// check.

/// A folder with programs of each kind.
fn programs() -> std::path::PathBuf {
    let folder = folder("check");
    std::fs::create_dir(folder.join("sub")).expect("it is new");
    file(&folder, "add.stk", "\\ case: 1 2 -> 3\n\\ case: 5 6 -> 11\n\\ case: 1 -> rejected underflow 4:1\n+\n");
    file(&folder, "plain.stk", "2 3 *");
    file(&folder, "notes.txt", "not a program");
    file(&folder.join("sub"), "trap.stk", "\\ case fuel=5: -> trap out of fuel 2:1\nwhile 1 do end\n");
    folder
}

#[test]
fn check_takes_files_and_folders() {
    let folder = programs();
    let check = |arguments: &[&str]| jitduel([&["check"], arguments].concat()).current_dir(&folder).run();
    let engines = all_names().count();
    expect(
        &check(&["."]),
        0,
        // A run that ends because fuel runs out is not repeated without a limit.
        &format!(
            "ok ./add.stk: 3 cases\nok ./plain.stk: 6\nok ./sub/trap.stk: 1 case\n\
             3 programs, 5 cases x {engines} engines, {} runs: all agree\n",
            7 * engines
        ),
    );
    expect(
        &check(&["add.stk"]),
        0,
        &format!("ok add.stk: 3 cases\n1 program, 3 cases x {engines} engines, {} runs: all agree\n", 4 * engines),
    );
    expect(
        &check(&["sub", "plain.stk", "--engine", "tree,jit"]),
        0,
        "ok sub/trap.stk: 1 case\nok plain.stk: 6\n2 programs, 2 cases x 2 engines, 6 runs: all agree\n",
    );
    // A file named on the command line is checked whatever its extension.
    let ended = check(&["notes.txt", "--engine", "tree"]);
    expect(
        &ended,
        1,
        "REJECTED notes.txt: rejected syntax 1:1, which no case expects\n1 program, 1 case x 1 engine, 0 runs: nothing to compare; \
         1 program rejected or stopped, which no case expects\n",
    );
    assert!(ended.stderr.contains("error: unknown word `not`"), "{}", ended.stderr);
}

#[test]
fn check_reads_standard_input_and_does_not_follow_linked_folders() {
    let folder = folder("links");
    let ended = jitduel(["check", "-", "--engine", "tree"]).stdin("\\ case: 1 -> 2\n1 +").run();
    expect(&ended, 0, "ok -: 1 case\n1 program, 1 case x 1 engine, 2 runs: all agree\n");
    file(&folder, "one.stk", "\\ case: 1 -> 2\n1 +");
    for name in ["a", "b"] {
        let _ = std::fs::remove_file(folder.join(name));
        std::os::unix::fs::symlink(".", folder.join(name)).expect("links can be made");
    }
    let ended = jitduel(["check", ".", "--engine", "tree"]).current_dir(&folder).run();
    expect(&ended, 0, "ok ./one.stk: 1 case\n1 program, 1 case x 1 engine, 2 runs: all agree\n");
}

/// Without it, input that was never there would count as an empty program.
#[test]
fn a_closed_standard_input_is_an_error() {
    if SMALL {
        println!("NOT RUN: a closed standard input, whose descriptor an emulator may use for its own file");
        return;
    }
    for arguments in [&["check", "-"][..], &["run", "-"], &["asm", "-"], &["export", "-", "--to", "c"]] {
        refused(&jitduel(arguments).by_shell("exec \"$@\" <&-").run(), "cannot read standard input: ");
    }
    // It matters only if it is read.
    expect(&jitduel(["run", "-e", "1"]).by_shell("exec \"$@\" <&-").run(), 0, "1\n");
    expect(&jitduel(["run", "-"]).by_shell("exec \"$@\" </dev/null").run(), 0, "\n");
}

#[test]
fn check_takes_let_programs_from_any_source() {
    let text = "// case: 3 -> 4\nfn main(n) { return n + 1; }\n";
    let check = |arguments: &[&str]| jitduel([&["check", "--engine", "tree"], arguments].concat()).stdin(text).run();
    let summary = "1 program, 1 case x 1 engine, 2 runs: all agree\n";
    expect(&check(&["-e", text, "--language", "let"]), 0, &format!("ok -e: 1 case\n{summary}"));
    expect(&check(&["-", "--language", "let"]), 0, &format!("ok -: 1 case\n{summary}"));
    let path = file(&folder("let-check"), "program.txt", text);
    expect(&check(&[&path, "--language", "let"]), 0, &format!("ok {path}: 1 case\n{summary}"));
    assert_eq!(check(&[&path]).code, 1, "it is no stack program");
}

#[test]
fn cases_of_let_programs_are_shown_as_comments_of_their_language() {
    let folder = folder("let-case");
    let path = file(&folder, "program.let", "// case fuel=9: 3 -> 4\nfn main(n) { return n + 1; }\n");
    let ended = cli(&["run", &path]);
    expect(&ended, 0, "4\n");
    assert!(ended.stderr.contains("using the case on line 1: // case fuel=9: 3 -> 4\n"), "{}", ended.stderr);
    let path = file(&folder, "malformed.let", "// case 3 -> 4\nfn main(n) { return n + 1; }\n");
    refused(&cli(&["run", &path]), "; write `// case [fuel=N] [stack-limit=N] [call-limit=N]: INPUTS -> RESULT`");
}

#[test]
fn check_shows_each_engines_answer_for_a_failed_case() {
    let folder = folder("unmet");
    file(&folder, "wrong.stk", "\\ case: 1 -> 2\n\\ case: 1 -> 3\n\\ case: -> 3\n1 +\n");
    let ended = jitduel(["check", "wrong.stk"]).current_dir(&folder).run();
    assert_eq!(ended.code, 4);
    let mut lines = ended.stdout.lines();
    assert_eq!(lines.next(), Some("FAILED wrong.stk:2: expected 3"));
    for engine in all_names() {
        assert_eq!(lines.next(), Some(&*format!("  {engine}: 2")));
    }
    assert_eq!(lines.next(), Some("FAILED wrong.stk:3: expected 3"));
    assert_eq!(lines.next(), Some("  front end: rejected underflow 4:3"));
    let engines = all_names().count();
    let summary = format!("1 program, 3 cases x {engines} engines, {} runs: 2 cases FAILED", 4 * engines);
    assert_eq!((lines.next(), lines.next()), (Some(&*summary), None));
}

#[test]
fn check_prints_one_line_of_json_per_case() {
    let folder = programs();
    file(&folder, "wrong.stk", "\\ case: 1 -> 3\n1 +\n");
    let ended = jitduel(["check", "--json", "."]).current_dir(&folder).run();
    let line = |program: &str, rest: &str| {
        format!("{{\"program\":\"./{program}\",\"engine\":\"all\",\"isa\":\"{HOST}\",\"outcome\":{rest}}}\n")
    };
    expect(
        &ended,
        4,
        &[
            line("add.stk", r#""done","stack":[3],"agree":true,"case":1,"met":true"#),
            line("add.stk", r#""done","stack":[11],"agree":true,"case":2,"met":true"#),
            line(
                "add.stk",
                r#""rejected","kind":"underflow","line":4,"column":1,"message":"stack underflow: 2 needed, at most 1 available","agree":true,"case":3,"met":true"#,
            ),
            line("plain.stk", r#""done","stack":[6],"agree":true"#),
            line(
                "sub/trap.stk",
                r#""trap","kind":"out of fuel","line":2,"column":1,"agree":true,"case":1,"met":true"#,
            ),
            line("wrong.stk", r#""done","stack":[2],"agree":true,"case":1,"met":false,"expected":"3""#),
        ]
        .concat(),
    );
    assert!(ended.stderr.contains("4 programs, 6 cases"), "{}", ended.stderr);
}

#[test]
fn a_cases_fuel_overrides_that_of_check() {
    let folder = folder("fuel");
    file(&folder, "endless.stk", "while 1 do end");
    file(&folder, "own.stk", "\\ case fuel=3: -> 1 1 1\n3 times 1 end");
    let check = |arguments: &[&str]| jitduel([&["check"], arguments].concat()).current_dir(&folder).run();
    let ended = check(&["endless.stk", "--fuel", "10", "--engine", "tree,bytecode,jit"]);
    expect(
        &ended,
        1,
        "STOPPED endless.stk: trap out of fuel 1:1, which no case expects\n1 program, 1 case x 3 engines, 3 runs: all \
         agree; 1 program rejected or stopped, which no case expects\n",
    );
    let ended = check(&["own.stk", "--fuel", "0", "--engine", "jit"]);
    expect(&ended, 0, "ok own.stk: 1 case\n1 program, 1 case x 1 engine, 2 runs: all agree\n");
    for (line, message) in [
        ("\\ case fuel=-1: -> 1", "`-1` is not a number in range"),
        ("\\ case fule=1: -> 1", "unknown option `fule=1`"),
        ("\\ case 1 -> 1", "a case needs a `:` before its inputs"),
        ("\\ case: 1", "a case needs a `->` before its result"),
        ("\\ case: -> trap 1:1", "a trap or rejection needs a kind and a location"),
        ("\\ case: -> trap out of feul 1:1", "unknown trap in `trap out of feul 1:1`"),
        ("\\ case: -> rejected overflow 1:1", "unknown rejection"),
        ("\\ case: -> trap out of fuel 11", "`11` is not a location LINE:COLUMN"),
        ("\\ case: -> 9223372036854775808", "`9223372036854775808` is not a 64-bit integer"),
    ] {
        file(&folder, "malformed.stk", format!("1\n\n{line}\n"));
        refused(&check(&["malformed.stk"]), &format!("malformed.stk: line 3: {message}"));
    }
}

#[test]
fn check_continues_after_a_file_that_cannot_be_checked() {
    let folder = folder("goes-on");
    file(&folder, "good.stk", "\\ case: -> 1\n1");
    file(&folder, "malformed.stk", "\\ case 1\n1");
    file(&folder, "wrong.stk", "\\ case: -> 2\n1");
    let check = |arguments: &[&str]| {
        jitduel([&["check", "--engine", "tree,jit"], arguments].concat()).current_dir(&folder).run()
    };
    let ended = check(&["missing.stk", "malformed.stk", "good.stk"]);
    expect(
        &ended,
        2,
        "ok good.stk: 1 case\n1 program, 1 case x 2 engines, 4 runs: all agree; 2 programs could not be checked\n",
    );
    assert!(ended.stderr.contains("error: cannot read `missing.stk`: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("error: malformed.stk: line 1: "), "{}", ended.stderr);
    // The worst status counts, in any order.
    assert_eq!(check(&["wrong.stk", "missing.stk"]).code, 4);
    assert_eq!(check(&["missing.stk", "wrong.stk"]).code, 4);
    let ended = check(&["wrong.stk", "no-folder/"]);
    assert_eq!(ended.code, 4);
    assert!(ended.stderr.contains("cannot read `no-folder/`"), "{}", ended.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn an_unreadable_folder_does_not_hide_the_programs_behind_it() {
    use std::os::unix::fs::PermissionsExt;

    // Without these capabilities, root needs permissions like everybody else.
    const WITHOUT_PRIVILEGES: &str = "test \"$(id -u)\" = 0 || exec \"$@\"; \
                                      exec setpriv --bounding-set=-dac_override,-dac_read_search \"$@\"";
    let folder = folder("unreadable-folders");
    for name in ["a", "b", "c", "d", "e/f"] {
        std::fs::create_dir_all(folder.join(name)).expect("it is ours");
    }
    let permit = |name: &str, mode: u32| {
        std::fs::set_permissions(folder.join(name), PermissionsExt::from_mode(mode)).expect("it is ours");
    };
    file(&folder.join("a"), "1.stk", "\\ case: -> 1\n1");
    file(&folder.join("c"), "bad.stk", "\\ case: -> 2\n1");
    for (name, mode) in [("b", 0), ("d", 0), ("e", 0o444)] {
        permit(name, mode);
    }
    let check = jitduel(["check", ".", "--engine", "tree"]).current_dir(&folder);
    let ended = check.by_shell(WITHOUT_PRIVILEGES).run();
    for name in ["b", "d", "e"] {
        permit(name, 0o755);
    }
    expect(
        &ended,
        4,
        "ok ./a/1.stk: 1 case\nFAILED ./c/bad.stk:1: expected 2\n  tree: 1\n2 programs, 2 cases x 1 engine, 4 runs: 1 case FAILED; \
         1 program could not be checked; 2 folders could not be read\n",
    );
    // The folder `e` can be listed, but nothing in it can be read.
    for name in ["b", "d", "e/f"] {
        let message = format!("error: cannot read `./{name}`: Permission denied");
        assert!(ended.stderr.contains(&message), "{message}: {}", ended.stderr);
    }
}

// asm.

/// An instruction of a listing: its bytes, its text and its source word.
struct Instruction {
    bytes: Vec<u8>,
    text: String,
    word: String,
}

/// Parses the output of `asm --stage asm`.
fn instructions(listing: &str) -> Vec<Instruction> {
    let mut word = String::new();
    let read = |line: &str| {
        let (columns, label) = line.split_once('\\').unwrap_or((line, ""));
        if !label.is_empty() {
            word = label.trim().to_owned();
        }
        let columns: Vec<_> = columns.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
        let [_offset, bytes, text] = columns[..] else { panic!("not a line of a listing: {line}") };
        let bytes = bytes.split(' ').map(|byte| u8::from_str_radix(byte, 16).expect("a byte")).collect();
        Instruction { bytes, text: text.to_owned(), word: word.clone() }
    };
    listing.lines().skip(1).map(read).collect()
}

const LISTED: [&str; 4] = [
    "1 + dup * 3 times 1 + end",
    "swap over 7 mod if 1 times 9 end else while dup 3 > do 2 / end drop 0 end 5 pick",
    "times times 0x123456789abcdef xor end rot end 5 lshift -1 rshift",
    "",
];

#[test]
fn asm_shows_every_stage_of_every_engine_for_both_instruction_sets() {
    let count = size("programs", LISTED.len(), 1);
    for text in &LISTED[..count] {
        let listed = |engine: &str, stage: &str, more: &[&str]| {
            let verb = ["asm", "-e", text, "--input", "6,5,4,3,2,1", "--engine", engine, "--stage", stage];
            cli(&[&verb[..], more].concat())
        };
        let early = |engine: &str, stage: &str| listed(engine, stage, &[]);
        let stage = |engine: &str, isa: &str, stage: &str| listed(engine, stage, &["--isa", isa]);
        let bytecode = early("tree", "bytecode").stdout;
        let tree = early("tree", "ast").stdout;
        assert!(bytecode.ends_with("return\n"), "{bytecode}");
        assert_eq!(tree.split_whitespace().count(), text.split_whitespace().count());
        for &engine in TRIED {
            let machine = TIERS.iter().any(|(name, _)| *name == engine);
            expect(&early(engine, "ast"), 0, &tree);
            expect(&early(engine, "bytecode"), 0, &bytecode);
            let code = early(engine, "code");
            if engine == "bytecode" {
                assert_eq!((code.code, code.stderr.as_str()), (0, ""));
                assert!(code.stdout.ends_with("\\ return\n") && code.stdout.contains("  done  "), "{}", code.stdout);
            } else {
                refused(&code, &format!("engine `{engine}` has no stage `code`; only `bytecode` does"));
            }
            for isa in ISAS {
                for name in ["lir", "asm", "hex"] {
                    let ended = stage(engine, isa, name);
                    if machine {
                        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
                    } else {
                        let own = if engine == "bytecode" { "ast, bytecode and code" } else { "ast and bytecode" };
                        let message = format!("engine `{engine}` emits no machine code; its stages are {own}");
                        refused(&ended, &message);
                    }
                }
                if machine {
                    let asm = stage(engine, isa, "asm").stdout;
                    let hex = stage(engine, isa, "hex").stdout;
                    listings_agree(&asm, &hex, engine, isa);
                    let lir = stage(engine, isa, "lir").stdout;
                    let operations = lir.lines().filter(|line| !line.starts_with('\\')).count();
                    assert!(lir.starts_with(&format!("\\ {engine}, {isa}, {operations} operations\n")), "{lir}");
                    assert_eq!(lir.contains("\\ rules fired: "), engine == "jit" || engine == "jit-peephole", "{lir}");
                }
            }
        }
    }
}

/// These stages come before the passes, and before the instruction set matters.
#[test]
fn asm_refuses_options_without_effect() {
    let asm = |arguments: &[&str]| cli(&[&["asm", "-e", "1"], arguments].concat());
    for stage in ["ast", "bytecode"] {
        for option in [["--isa", "x86_64"], ["--passes", "fold"], ["--without", "fold"], ["--after", "fold"]] {
            let ended = asm(&["--engine", "ssa", "--stage", stage, option[0], option[1]]);
            refused(&ended, "--isa, --passes, --without and --after have no effect");
        }
    }
    refused(&asm(&["--engine", "bytecode", "--stage", "code", "--isa", "x86_64"]), "have no effect");
    assert_eq!(asm(&["--engine", "ssa", "--isa", "x86_64", "--without", "fold"]).code, 0);
}

/// Asserts that the hexadecimal digits decode to the listing's instructions and match its bytes.
fn listings_agree(asm: &str, hex: &str, engine: &str, isa: &str) {
    let listed = instructions(asm);
    let mut code = Vec::new();
    for line in hex.lines() {
        let mut bytes: Vec<_> =
            (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).expect("a byte")).collect();
        if isa == "aarch64" {
            // A 32-bit word, as the manual writes it.
            assert_eq!(bytes.len(), 4, "{line}");
            bytes.reverse();
        }
        code.extend(bytes);
    }
    let header = format!("\\ {engine}, {isa}, {} bytes, {} instructions", code.len(), listed.len());
    assert_eq!(asm.lines().next(), Some(&*header));
    let decoded = disassemble(isa, &code).expect("it has a decoder");
    assert_eq!(decoded.len(), hex.lines().count());
    assert_eq!(decoded.len(), listed.len());
    for (decoded, listed) in decoded.iter().zip(&listed) {
        assert_eq!((&decoded.bytes, &decoded.text), (&listed.bytes, &listed.text));
    }
}

#[test]
fn the_peephole_pass_turns_one_plus_into_one_add_immediate() {
    for (engine, immediates) in [("jit", 1), ("jit-peephole", 1), ("jit-tos", 0), ("jit-naive", 0)] {
        let ended = cli(&["asm", "-e", "1 +", "--input", "0", "--isa", "aarch64", "--engine", engine]);
        let of_the_word: Vec<_> =
            instructions(&ended.stdout).into_iter().filter(|instruction| instruction.word == "+ 1:3").collect();
        let adds: Vec<_> = of_the_word.iter().filter(|instruction| instruction.text.starts_with("add ")).collect();
        assert_eq!(adds.len(), 1, "{}", ended.stdout);
        let immediate = adds.iter().filter(|add| add.text.contains("#0x1") && !add.text.contains("#0x10")).count();
        assert_eq!(immediate, immediates, "{}", ended.stdout);
        let constants = ended.stdout.matches("movz").count() + ended.stdout.matches("mov x").count();
        assert_eq!(constants, 1 - immediates, "{}", ended.stdout);
    }
}

#[test]
fn asm_reports_faults_and_reads_the_first_case() {
    for stage in STAGES {
        let ended = cli(&["asm", "-e", "1 dpu", "--stage", stage]);
        expect(&ended, 1, "");
        assert!(ended.stderr.contains("did you mean `dup`?"), "{}", ended.stderr);
        let ended = cli(&["asm", "-e", "1 +", "--stage", stage]);
        if stage == "ast" {
            // The tree of a program is shown before the program is verified.
            expect(&ended, 0, "1 +\n");
        } else {
            expect(&ended, 1, "");
            assert!(ended.stderr.contains("needs 2, but there are at most 1"), "{}", ended.stderr);
        }
    }
    // The first case determines the number of inputs.
    let cased = cli(&["asm", "-e", "\\ case: 4 -> 5\n1 +", "--stage", "bytecode"]);
    let given = cli(&["asm", "-e", "\\ case: 4 -> 5\n1 +", "--stage", "bytecode", "--input", "9"]);
    assert_eq!((cased.code, &cased.stdout), (0, &given.stdout));
    // Fuel is metered if it is given, whatever the amount.
    let fuel_checks = |arguments: &[&str]| {
        let ended = cli(&[&["asm", "-e", "3 times end while 0 do end", "--stage", "bytecode"], arguments].concat());
        ended.stdout.lines().filter(|line| line.contains("fuel ")).count()
    };
    assert_eq!((fuel_checks(&[]), fuel_checks(&["--fuel", "0"]), fuel_checks(&["--fuel", "7"])), (0, 2, 2));
    // The fuel of the case counts like its other limits: the code is that which `run` runs.
    let metered = cli(&["asm", "-e", "\\ case fuel=5: -> \n3 times end", "--stage", "bytecode"]);
    assert!(metered.stdout.contains("fuel "), "{metered:?}");
    // The host's instruction set is the default.
    let of_the_host = cli(&["asm", "-e", "1 2 +"]);
    assert_eq!(of_the_host.stdout, cli(&["asm", "-e", "1 2 +", "--isa", HOST]).stdout);
}

// Help, completions, the manual, colors.

#[test]
fn help_has_an_example_for_each_verb() {
    let general = cli(&["--help"]);
    assert_eq!((general.code, general.stderr.as_str()), (0, ""));
    assert!(general.stdout.contains("Exit codes: 0 ok, 1 "), "{}", general.stdout);
    for verb in ["run", "repl", "check", "asm", "report", "export", "completions", "man"] {
        assert!(general.stdout.contains(&format!("\n  {verb} ")), "{}", general.stdout);
        for help in [cli(&[verb, "--help"]), cli(&[verb, "-h"]), cli(&["help", verb])] {
            assert_eq!((help.code, help.stderr.as_str()), (0, ""));
            assert!(
                help.stdout.contains("Example") && help.stdout.contains(&format!("\n  jitduel {verb} ")),
                "{}",
                help.stdout
            );
        }
    }
    assert_eq!(cli(&["--version"]).stdout, concat!("jitduel ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// The examples in help texts work.
#[test]
fn the_examples_of_the_help_work() {
    let mut count = 0;
    for verb in ["run", "repl", "check", "asm", "export", "completions", "man"] {
        for line in cli(&[verb, "--help"]).stdout.lines().filter_map(|line| line.strip_prefix("  jitduel ")) {
            // The corpus has its own test, and takes long in an emulator.
            if line == "check corpus" {
                continue;
            }
            // Redirections are ignored. Words are joined by quotes as in a shell.
            let line = line.split(" > ").next().expect("split has a first part");
            let mut arguments = Vec::new();
            for (index, part) in line.split('\'').enumerate() {
                if index % 2 == 1 {
                    arguments.push(part);
                } else {
                    arguments.extend(part.split_whitespace());
                }
            }
            let ended = jitduel(arguments).current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).run();
            assert_eq!(ended.code, 0, "{line}: {}", ended.stderr);
            count += 1;
        }
    }
    assert!(count >= 8, "only {count} examples");
}

#[test]
fn completions_and_the_manual_cover_the_verbs_and_options() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = cli(&["completions", shell]);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
        for known in ["run", "check", "asm", "stack-limit", "call-limit", "jit-peephole", "bytecode", "x86_64"] {
            assert!(ended.stdout.contains(known), "{shell} lacks {known}");
        }
    }
    refused(&cli(&["completions", "csh"]), "possible values");
    let manual = cli(&["man"]);
    assert_eq!((manual.code, manual.stderr.as_str()), (0, ""));
    assert!(manual.stdout.contains(".TH jitduel 1"), "{}", manual.stdout);
    for verb in ["run", "repl", "check", "asm", "completions", "man"] {
        assert!(manual.stdout.contains(&format!(".TH jitduel-{verb} 1")), "{}", manual.stdout);
        // `man` finds a page by the name in it, and the page shows the command as typed.
        assert!(manual.stdout.contains(&format!("\njitduel\\-{verb} \\- ")), "{verb}");
        assert!(manual.stdout.contains(&format!("\n\\fBjitduel {verb}\\fR ")), "{verb}");
    }
    for option in ["\\-\\-input", "\\-\\-stack\\-limit", "\\-\\-call\\-limit", "\\-\\-isa", "Exit codes"] {
        assert!(manual.stdout.contains(option), "{option}");
    }
}

#[test]
fn colors_obey_the_environment() {
    let wrong = [["run", "-e", "1 dpu"], ["run", "-e", "1 0 /"], ["run", "-e", "+"], ["asm", "-e", "+"]];
    let more = [["run", "no-such-file"], ["run", "--no-such-option"], ["check", "no-such-file"]];
    for arguments in wrong.iter().map(|list| &list[..]).chain(more.iter().map(|list| &list[..])) {
        let plain = jitduel(arguments).run();
        assert!(!plain.stderr.contains('\x1b'), "no terminal, no colors: {}", plain.stderr);
        let forced = jitduel(arguments).env("CLICOLOR_FORCE", "1").run();
        assert!(forced.stderr.contains("\x1b["), "{}", forced.stderr);
        let none = jitduel(arguments).env("NO_COLOR", "1").run();
        assert_eq!(none.stderr, plain.stderr);
        let both = jitduel(arguments).env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1").run();
        assert_eq!(both.stderr, plain.stderr, "NO_COLOR takes precedence");
        for ended in [&plain, &forced, &none] {
            assert_eq!(ended.stdout, plain.stdout, "data has no colors");
            assert!(!ended.stdout.contains('\x1b'));
        }
        assert_eq!(anstream::adapter::strip_str(&forced.stderr).to_string(), plain.stderr);
    }
    // A program's text must not control the terminal.
    let hostile = run("\x1b[31mred \x07", &[]);
    assert!(!hostile.stderr.contains(['\x1b', '\x07']), "{:?}", hostile.stderr);
    assert!(!run("\x1b[31mred", &["--json"]).stdout.contains('\x1b'));
    // Neither must the control characters beyond ASCII, of which U+009B begins an escape sequence.
    let hostile = run("oops\u{9b}2J", &[]);
    assert!(hostile.stderr.contains("1 | oops\u{fffd}2J\n") && !hostile.stderr.contains('\u{9b}'), "{hostile:?}");
    for verb in ["run", "check"] {
        let told = cli(&[verb, "-e", "oops\u{9b}2J", "--json"]).stdout;
        assert!(told.contains("oops\\u009b2J") && !told.contains('\u{9b}'), "{told:?}");
        let told: serde_json::Value = serde_json::from_str(&told).expect("it is JSON");
        assert_eq!(told["message"], "unknown word `oops\u{9b}2J`", "the message itself is unchanged");
    }
    // Nor an argument that is refused.
    for argument in ["--\x1b[2Jx", "--\u{9b}2Jx", "--x\x07"] {
        let forced = jitduel(["check", argument]).env("CLICOLOR_FORCE", "1").run();
        expect(&forced, 2, "");
        assert!(forced.stderr.starts_with("error: unexpected argument '--"), "{forced:?}");
        assert!(!forced.stderr.contains(|c: char| c.is_control() && c != '\n'), "{forced:?}");
    }
    let forced = jitduel(["run", "-e", "1 \x1b]0;title\x07 drop"]).env("CLICOLOR_FORCE", "1").run();
    assert!(!forced.stderr.contains("\x1b]") && !forced.stderr.contains('\x07'), "{:?}", forced.stderr);
}

// Streams that are closed early.

/// The write end of a pipe whose reader is closed.
fn closed() -> std::io::PipeWriter {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer
}

#[test]
fn a_reader_that_stops_early_is_not_an_error() {
    let path = file(&folder("closed"), "program.stk", "\\ case: -> 1\n1");
    let verbs: [&[&str]; 8] = [
        &["run", "-e", "1 2"],
        &["run", "-e", "1 2", "--json"],
        &["check", &path],
        &["check", &path, "--json"],
        &["asm", "-e", "1 2"],
        &["completions", "bash"],
        &["man"],
        &["--help"],
    ];
    for arguments in verbs {
        let (mut stderr, writer) = std::io::pipe().expect("a pipe");
        let code = jitduel(arguments).run_with_streams(closed().into(), writer.into());
        let mut text = String::new();
        stderr.read_to_string(&mut text).expect("it can be read");
        let quiet = text.is_empty() || (arguments.contains(&"--json") && text.contains("all agree"));
        assert!(code == Some(0) && quiet, "{arguments:?}: {code:?} {text}");
        assert_eq!(jitduel(arguments).run_with_streams(closed().into(), closed().into()), Some(0), "{arguments:?}");
    }
    // Like `| head -1` on a listing much longer than a pipe's buffer.
    let path = file(&folder("head"), "long.stk", format!("1 {}", "7 + ".repeat(100_000)));
    for stage in STAGES {
        let mut child = jitduel(["asm", &path, "--stage", stage]).spawn();
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut first = String::new();
        lines.read_line(&mut first).expect("it can be read");
        drop(lines);
        let output = child.wait_with_output().expect("it was started");
        assert!(!first.is_empty() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn diagnostics_that_cannot_be_written_do_not_change_the_exit_code() {
    for (arguments, code) in [
        (vec!["run", "-e", "1 dpu"], 1),
        (vec!["run", "-e", "1 0 /"], 1),
        (vec!["run", "-e", "\\ case: -> 1\n1"], 0),
        (vec!["run", "no-such-file"], 2),
        (vec!["check", "no-such-file"], 2),
        (vec!["run"], 2),
    ] {
        let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        for stderr in [closed().into(), full().into()] {
            let ended = jitduel(&arguments).run_with_streams(std::process::Stdio::null(), stderr);
            assert_eq!(ended, Some(code), "{arguments:?}");
        }
    }
    // Data that cannot be written is an error.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    assert_eq!(jitduel(["run", "-e", "1"]).run_with_streams(full.into(), std::process::Stdio::null()), Some(2));
}

// Texts that are not programs, and extreme programs.

/// Runs every verb and stage on a file and returns the result of `run`. Peers are left out, because an optimizing compiler
/// takes a minute for the longest file.
fn survives(path: &str) -> Ended {
    let check = cli(&["check", path, "--fuel", "1000", "--engine", &ENGINES.join(",")]);
    let ended = cli(&["run", path, "--fuel", "1000"]);
    assert_eq!(check.code, ended.code, "check: {}", check.stderr);
    for (index, stage) in STAGES.into_iter().enumerate() {
        let pairs = [("aarch64", "jit"), ("x86_64", "jit-push")];
        for (isa, engine) in if SMALL { &pairs[index % 2..=index % 2] } else { &pairs[..] } {
            let early = ["asm", path, "--stage", stage, "--engine", engine];
            let late = [&early[..], &["--isa", isa]].concat();
            let asm = cli(if ["ast", "bytecode"].contains(&stage) { &early[..] } else { &late });
            // A program that would trap has code. A rejected one has at least a tree if its syntax is valid.
            let shown = !ended.stdout.starts_with("rejected")
                || (stage == "ast" && !ended.stdout.starts_with("rejected syntax"));
            assert_eq!(asm.code, if shown { 0 } else { 1 }, "{stage}: {}", asm.stderr);
            assert_eq!(asm.stderr, if shown { "" } else { &ended.stderr });
        }
    }
    assert!(ended.stderr.len() < 10_000, "a diagnostic must be short, whatever the line's length: {}", ended.stderr);
    ended
}

/// Pseudorandom bytes, the same on every host.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e3779b97f4a7c15u64;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(step).take(count).collect()
}

#[test]
fn texts_that_are_not_programs_are_rejected_at_the_right_location() {
    let folder = folder("no-programs");
    let nested = "1 times ".repeat(100_000) + &"end ".repeat(100_000);
    for (name, text, result) in [
        ("noise", noise(100_000), "rejected syntax 1:1"),
        ("nul", vec![0; 5000], "rejected syntax 1:1"),
        ("line ends", vec![b'\n'; 100_000], ""),
        ("ones", vec![b'1'; 100_000], "rejected syntax 1:1"),
        ("one word", vec![b'x'; 100_000], "rejected syntax 1:1"),
        ("parentheses", vec![b'('; 100_000], "rejected syntax 1:1"),
        ("backslashes", "\\ ".repeat(50_000).into(), ""),
        ("empty", vec![], ""),
        ("unclosed", b"1 2\n ( 3 4 \\ ".to_vec(), "rejected syntax 2:2"),
        ("decimal", b"1 9223372036854775808".to_vec(), "rejected syntax 1:3"),
        ("negative", b"1 -9223372036854775809".to_vec(), "rejected syntax 1:3"),
        ("hexadecimal", b"1 0x10000000000000000".to_vec(), "rejected syntax 1:3"),
        ("nested", nested.into(), "rejected syntax 1:8003"),
        ("ends", "end ".repeat(100_000).into(), "rejected syntax 1:1"),
        ("times", "1 times ".repeat(1000).into(), "rejected syntax 1:7995"),
        ("utf-16", b"\xff\xfe1\0 \0".to_vec(), "rejected syntax 1:1"),
        ("mark", b"\xef\xbb\xbf1".to_vec(), "rejected syntax 1:1"),
        ("cut character", "1 2 \\ caf\u{e9}".as_bytes()[..10].to_vec(), "rejected syntax 1:10"),
        ("deepest pick", b"9223372036854775807 pick".to_vec(), "rejected underflow 1:21"),
        ("pick after a loop", b"3 times 1 end 9223372036854775807 pick".to_vec(), "trap stack underflow 1:35"),
    ] {
        let ended = survives(&file(&folder, name, text));
        assert_eq!(ended.stdout, format!("{result}\n"), "{name}");
        assert_eq!(ended.stderr.is_empty(), result.is_empty(), "{name}: {}", ended.stderr);
    }
    assert_eq!(cli(&["run", "/dev/null"]).stdout, "\n");
    survives("/dev/null");
    // This test binary itself, whose strings contain lines that begin like cases.
    let path = std::env::current_exe().expect("it has a path");
    let path = path.to_str().expect("it is UTF-8");
    let ended = cli(&["run", path, "--input", "1"]);
    assert!(ended.code == 1 && ended.stdout.starts_with("rejected syntax 1:"), "{} {}", ended.stdout, ended.stderr);
    for stage in STAGES {
        expect(&cli(&["asm", path, "--stage", stage, "--input", "1"]), 1, "");
    }
    refused(&cli(&["check", path]), &format!("{path}: line "));
    refused(&cli(&["run", env!("CARGO_MANIFEST_DIR")]), "Is a directory");
}

#[test]
fn deep_picks_find_their_value() {
    let folder = folder("picks");
    let path = file(&folder, "pick.stk", "7 60000 times 1 end 60000 pick");
    for &engine in TRIED {
        let ended = cli(&["run", &path, "--engine", engine]);
        assert!(ended.code == 0 && ended.stdout.ends_with(" 1 7\n"), "{engine}: {}", ended.stderr);
        let ended = run("7 65534 times 1 end 65535 pick", &["--engine", engine]);
        expect(&ended, 1, "trap stack underflow 1:27\n");
        let ended = run("7 65535 times 1 end 65535 pick", &["--engine", engine]);
        expect(&ended, 1, "trap stack overflow 1:27\n");
    }
    let words = "7 ".to_owned() + &"1 ".repeat(20_000) + "20000 pick";
    let ended = survives(&file(&folder, "straight.stk", words));
    assert!(ended.stdout.ends_with(" 1 7\n"), "{}", ended.stderr);
}

const STRAIGHT: &str = "7 + ";
const LOOPED: &str = "0 1 times 1 + end if 2 else 3 end drop\n";

fn repeated(text: &str, bytes: usize) -> String {
    text.repeat(bytes / text.len())
}

/// The size in bytes of a program that is large for every verb.
fn large() -> usize {
    size("bytes of a large program", 3_000_000, 300_000)
}

#[test]
fn a_large_straight_program_runs() {
    let text = "1 ".to_owned() + &repeated(STRAIGHT, large());
    let answer = format!("{}\n", 1 + 7 * (large() / 4));
    let path = file(&folder("straight"), "straight.stk", &text);
    expect(&cli(&["run", &path]), 0, &answer);
    expect(&jitduel(["run", "-", "--engine", "bytecode"]).stdin(text).run(), 0, &answer);
    assert_eq!(cli(&["check", &path, "--engine", "tree,jit"]).code, 0);
}

#[test]
fn a_large_program_of_loops_runs_and_is_listed() {
    let path = file(&folder("loops"), "loops.stk", repeated(LOOPED, large()));
    let iterations = large() / LOOPED.len();
    expect(&cli(&["run", &path, "--fuel", &iterations.to_string()]), 0, "\n");
    let trap = format!("trap out of fuel {iterations}:5\n");
    expect(&cli(&["run", &path, "--fuel", &(iterations - 1).to_string()]), 1, &trap);
    // Each line of a listing names a location. Finding it must not take time linear in the length of the text.
    let lines = cli(&["asm", &path, "--isa", "aarch64"]).stdout.lines().count();
    assert!(lines > large() / 8, "{lines}");
}

#[test]
fn the_diagnostic_of_a_huge_line_is_short() {
    let wrong = "7 drop ( é ) ";
    let folder = folder("line");
    let ended = survives(&file(&folder, "wrong.stk", repeated(wrong, large()) + "drup"));
    let column = wrong.chars().count() * (large() / wrong.len()) + 1;
    expect(&ended, 1, &format!("rejected syntax 1:{column}\n"));
    assert!(ended.stderr.contains(&format!(":1:{column}\n")) && ended.stderr.contains("`drop`"), "{}", ended.stderr);
    expect(&survives(&file(&folder, "comment.stk", "( ".to_owned() + &repeated("a", large()) + ")9")), 0, "9\n");
}

#[test]
fn long_programs_survive_every_stage_and_engine() {
    let folder = folder("long");
    let bytes = size("bytes of a long program", 150_000, 60_000);
    let ended = survives(&file(&folder, "straight.stk", "1 ".to_owned() + &repeated(STRAIGHT, bytes)));
    expect(&ended, 0, &format!("{}\n", 1 + 7 * (bytes / 4)));
    let path = file(&folder, "loops.stk", repeated(LOOPED, bytes));
    expect(&survives(&path), 1, "trap out of fuel 1001:5\n");
    for &engine in TRIED {
        let iterations = bytes / LOOPED.len();
        expect(&cli(&["run", &path, "--fuel", &iterations.to_string(), "--engine", engine]), 0, "\n");
    }
}
