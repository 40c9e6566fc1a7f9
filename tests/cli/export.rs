//! The verb `export`: the origin of its inputs and limits, and its errors. tests/witnesses/witness.rs runs its files, and
//! tests/light/golden.rs compares their text.

use crate::binary::{Ended, file, folder, jitduel};

fn export(arguments: &[&str]) -> Ended {
    jitduel([&["export"], arguments].concat()).run()
}

#[track_caller]
fn shows(ended: &Ended, text: &str) {
    // Without inputs, it reports the case that it uses.
    assert!(ended.code == 0 && ended.stderr.lines().all(|line| line.starts_with("note: ")), "{}", ended.stderr);
    assert!(ended.stdout.contains(text), "{text:?} is not in: {}", ended.stdout);
}

#[test]
fn the_first_case_provides_default_inputs_and_limits() {
    let text = "\\ case fuel=5 stack-limit=7 call-limit=3: 3 -4 -> 1\n\\ case: 5 6 -> 7\ntimes 1 end";
    let path = file(&folder("case"), "case.stk", text);
    for (arguments, title, run) in [
        (&[][..], "inputs: 2, stack limit: 7, call limit: 3, fuel: 5\n", "3 -4 ' program run"),
        (&["--fuel", "9"], "inputs: 2, stack limit: 7, call limit: 3, fuel: 9\n", "3 -4 ' program run"),
        (&["--stack-limit", "2"], "inputs: 2, stack limit: 2, call limit: 3, fuel: 5\n", "3 -4 ' program run"),
        (&["--call-limit", "0"], "inputs: 2, stack limit: 7, call limit: 0, fuel: 5\n", "3 -4 ' program run"),
        (&["--input", "-1"], "inputs: 1, stack limit: 65536, call limit: 10000, fuel: no limit\n", "-1 ' program run"),
        (
            &["--input", "1,2,3"],
            "inputs: 3, stack limit: 65536, call limit: 10000, fuel: no limit\n",
            "1 2 3 ' program run",
        ),
    ] {
        let ended = export(&[&[&path, "--to", "forth"], arguments].concat());
        shows(&ended, title);
        shows(&ended, run);
        shows(&export(&[&[&path, "--to", "c"], arguments].concat()), title);
    }
    let title = "number of inputs: 0, stack limit: 65536, call limit: 10000, fuel: no limit\n";
    shows(&export(&["-e", "1", "--to", "c"]), title);
}

/// The limits are not part of the text, so they would be lost.
#[test]
fn a_stack_program_contains_no_limits() {
    for limit in ["--fuel", "--stack-limit", "--call-limit"] {
        let ended = export(&["-e", "1", "--to", "stack", limit, "5"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
        assert!(ended.stderr.starts_with("error: a stack program contains no limits: "), "{}", ended.stderr);
    }
    for (case, is_warned) in [("fuel=5", true), ("stack-limit=7", true), ("", false)] {
        let ended = export(&["-e", &format!("\\ case {case}: 3 -> 4\n1 +"), "--to", "stack"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (0, "1 +\n"));
        let warning = "warning: a stack program contains no limits: give those of the case to `run`\n";
        assert_eq!(ended.stderr.ends_with(warning), is_warned, "{}", ended.stderr);
    }
}

/// A file name may contain characters that would end or extend a comment.
#[test]
fn the_name_of_a_file_stays_in_its_comment() {
    let path = file(&folder("name"), "two\nlines \\", "1");
    for (language, comment) in [("c", "// "), ("forth", "\\ ")] {
        let ended = export(&[&path, "--to", language]);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
        let first = ended.stdout.lines().next().expect("there is a line");
        assert!(first.starts_with(comment) && first.contains("two\\nlines") && first.ends_with("limit"), "{first}");
    }
}

#[test]
fn rejected_programs_are_diagnosed_and_not_translated() {
    for language in ["c", "forth"] {
        for (text, message) in
            [("1 +", "needs 2, but there are at most 1"), ("1 swpa", "unknown word"), ("1 if 1 end", "unbalanced")]
        {
            let ended = export(&["-e", text, "--to", language]);
            assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
            assert!(ended.stderr.contains(message), "{}", ended.stderr);
        }
    }
}

/// No stack could hold so many calls. A limit that the program cannot reach does not matter.
#[test]
fn a_program_that_may_have_too_many_active_calls_is_refused() {
    let (recursive, chain) = (": f ( -- ) f ; f", ": f ( -- ) g ; : g ( -- ) ; f");
    for language in ["c", "forth"] {
        for (text, limit, is_exported) in [
            (recursive, "1000000", true),
            (recursive, "1000001", false),
            (recursive, "18446744073709551615", false),
            (chain, "18446744073709551615", true),
        ] {
            let ended = export(&["-e", text, "--to", language, "--call-limit", limit]);
            assert_eq!(ended.code == 0, is_exported, "{text} with {limit}: {}", ended.stderr);
            if !is_exported {
                let error = format!("error: at most 1000000 calls of an exported program can be active, but {limit}");
                assert!(ended.code == 2 && ended.stderr.starts_with(&error), "{}", ended.stderr);
            }
        }
    }
}

#[test]
fn usage_errors_are_reported() {
    for (arguments, message) in [
        (&["-e", "1"][..], "--to <LANGUAGE>"),
        (&["--to", "c"], "required arguments"),
        (&["-e", "1", "--to", "pascal"], "[possible values: c, forth, stack]"),
        (&["-e", "+", "--to", "c", "--input", "1,x"], "`x` is not a 64-bit integer"),
        (
            &["-e", "swpa", "--to", "c", "--input", "1,2", "--stack-limit", "1"],
            "too many inputs for the stack limit: 2, but at most 1 fit",
        ),
        (&["-e", "\\ case 1", "--to", "forth"], "write `\\ case"),
        (&["nowhere.stk", "--to", "c"], "cannot read `nowhere.stk`"),
    ] {
        let ended = export(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(message), "{}", ended.stderr);
    }
}
