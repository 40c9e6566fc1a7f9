//! `run --trace`: each word with the stack before and after it, the last ones, from a place on, or only if the run traps.

use std::process::Stdio;

use serde_json::json;

use crate::binary::{Ended, expect, file, folder, jitduel, refused, size};

fn run(text: &str, arguments: &[&str]) -> Ended {
    jitduel([&["run", "-e", text], arguments].concat()).run()
}

/// Checks the code, the result and the trace of a run. A diagnostic after the trace is left out.
#[track_caller]
fn traced(text: &str, arguments: &[&str], code: i32, result: &str, trace: &str) {
    let ended = run(text, arguments);
    expect(&ended, code, &format!("{result}\n"));
    let (shown, _) = ended.stderr.split_once("error: ").unwrap_or((&ended.stderr, ""));
    assert_eq!(shown, trace, "{text}");
    assert_eq!(ended.stderr.contains("error: "), result.starts_with("trap"), "{}", ended.stderr);
}

// Each construct.

#[test]
fn words_are_shown_with_the_stack_before_and_after() {
    let trace = "\
1:1     1                      ( -- 1 )
1:3     -2                     ( 1 -- 1 -2 )
1:6     0xff                   ( 1 -2 -- 1 -2 255 )
1:11    swap                   ( 1 -2 255 -- 1 255 -2 )
1:16    rot                    ( 1 255 -2 -- 255 -2 1 )
1:20    nip                    ( 255 -2 1 -- 255 1 )
1:26    1 pick                 ( 255 1 -- 255 1 255 )
1:33    1 put                  ( 255 1 255 -- 255 1 )
2:1     +                      ( 255 1 -- 256 )
";
    traced("1 -2 0xff swap rot nip 1 pick 1 put\n+", &["--trace"], 0, "256", trace);
    // Inputs are there from the start. A program without words has no steps.
    traced("+", &["--trace", "40", "2"], 0, "42", "1:1     +                      ( 40 2 -- 42 )\n");
    traced("\\ nothing", &["--trace", "7"], 0, "7", "");
}

#[test]
fn loops_show_the_start_and_the_end_of_each_iteration() {
    let trace = "\
1:1     2                      ( -- 2 )
1:3     times                  ( 2 -- )  \\ 2 iterations
1:9       5                    ( -- 5 )
1:3     end of times           ( 5 -- 5 )  \\ 1 iteration left
1:9       5                    ( 5 -- 5 5 )
1:3     end of times           ( 5 5 -- 5 5 )  \\ 0 iterations left
1:15    drop                   ( 5 5 -- 5 )
1:20    -3                     ( 5 -- 5 -3 )
1:23    times                  ( 5 -3 -- 5 )  \\ 0 iterations
";
    traced("2 times 5 end drop -3 times 8 end", &["--trace"], 0, "5", trace);
    let trace = "\
1:1     1                      ( -- 1 )
1:3     while                  ( 1 -- 1 )
1:9       dup                  ( 1 -- 1 1 )
1:3     condition of while     ( 1 1 -- 1 )  \\ BODY
1:16      1                    ( 1 -- 1 1 )
1:18      -                    ( 1 1 -- 0 )
1:3     end of while           ( 0 -- 0 )
1:9       dup                  ( 0 -- 0 0 )
1:3     condition of while     ( 0 0 -- 0 )  \\ ends the loop
";
    traced("1 while dup do 1 - end", &["--trace"], 0, "0", trace);
    let trace = "\
1:1     9                      ( -- 9 )
1:3     times                  ( 9 -- )  \\ 9 iterations
1:9       1                    ( -- 1 )
1:11      if                   ( 1 -- )  \\ THEN
1:14        leave              ( -- )
1:28    4                      ( -- 4 )
1:30    1                      ( 4 -- 4 1 )
1:32    if                     ( 4 1 -- 4 )  \\ THEN
1:35      exit                 ( 4 -- 4 )
";
    traced("9 times 1 if leave end end 4 1 if exit end 5", &["--trace"], 0, "4", trace);
}

#[test]
fn branches_show_where_the_flag_leads() {
    let trace = "\
1:1     5                      ( -- 5 )
1:3     if                     ( 5 -- )  \\ THEN
1:6       1                    ( -- 1 )
1:19    0                      ( 1 -- 1 0 )
1:21    if                     ( 1 0 -- 1 )  \\ ELSE
1:31      4                    ( 1 -- 1 4 )
1:37    0                      ( 1 4 -- 1 4 0 )
1:39    if                     ( 1 4 0 -- 1 4 )  \\ skips THEN
";
    traced("5 if 1 else 2 end 0 if 3 else 4 end 0 if end", &["--trace"], 0, "1 4", trace);
}

#[test]
fn a_bar_separates_the_values_of_a_call_from_those_below() {
    let trace = "\
1:53    7                      ( -- 7 )
1:55    2                      ( 7 -- 7 2 )
1:57    sum                    ( 7 2 -- 7 | 2 )  \\ call depth 1
1:20      dup                  ( 7 | 2 -- 7 | 2 2 )
1:24      if                   ( 7 | 2 2 -- 7 | 2 )  \\ THEN
1:27        dup                ( 7 | 2 -- 7 | 2 2 )
1:31        1                  ( 7 | 2 2 -- 7 | 2 2 1 )
1:33        -                  ( 7 | 2 2 1 -- 7 | 2 1 )
1:35        sum                ( 7 | 2 1 -- 7 2 | 1 )  \\ call depth 2
1:20          dup              ( 7 2 | 1 -- 7 2 | 1 1 )
1:24          if               ( 7 2 | 1 1 -- 7 2 | 1 )  \\ THEN
1:27            dup            ( 7 2 | 1 -- 7 2 | 1 1 )
1:31            1              ( 7 2 | 1 1 -- 7 2 | 1 1 1 )
1:33            -              ( 7 2 | 1 1 1 -- 7 2 | 1 0 )
1:35            sum            ( 7 2 | 1 0 -- 7 2 1 | 0 )  \\ call depth 3
1:20              dup          ( 7 2 1 | 0 -- 7 2 1 | 0 0 )
1:24              if           ( 7 2 1 | 0 0 -- 7 2 1 | 0 )  \\ skips THEN
1:35            end of sum     ( 7 2 1 | 0 -- 7 2 | 1 0 )
1:39            +              ( 7 2 | 1 0 -- 7 2 | 1 )
1:35        end of sum         ( 7 2 | 1 -- 7 | 2 1 )
1:39        +                  ( 7 | 2 1 -- 7 | 3 )
1:57    end of sum             ( 7 | 3 -- 7 3 )
";
    traced(": sum ( n -- sum ) dup if dup 1 - sum + end ;       7 2 sum", &["--trace"], 0, "7 3", trace);
    // An `exit` returns too, and a call without values has a bar above the caller's.
    let trace = "\
1:28    5                      ( -- 5 )
1:30    f                      ( 5 -- 5 | )  \\ call depth 1
1:12      1                    ( 5 | -- 5 | 1 )
1:14      if                   ( 5 | 1 -- 5 | )  \\ THEN
1:17        exit               ( 5 | -- 5 )
";
    traced(": f ( -- ) 1 if exit end ; 5 f", &["--trace"], 0, "5", trace);
}

#[test]
fn memory_is_read_and_written_at_numbers_of_cells() {
    let trace = "\
1:11    9                      ( -- 9 )
1:23    b                      ( 9 -- 9 3 )
1:25    1                      ( 9 3 -- 9 3 1 )
1:27    +                      ( 9 3 1 -- 9 4 )
1:29    !                      ( 9 4 -- )
1:31    4                      ( -- 4 )
1:33    @                      ( 4 -- 9 )
";
    traced("3 array a 9 2 array b b 1 + ! 4 @", &["--trace"], 0, "9", trace);
}

// What is shown of long stacks, deep calls and long names.

#[test]
fn at_most_eight_values_of_a_stack_are_shown() {
    let inputs = "1,2,3,4,5,6,7,8,9,10";
    let trace = "\
1:1     +                      ( … 3 4 5 6 7 8 9 10 -- … 3 4 5 6 7 8 19 )
1:3     0                      ( … 3 4 5 6 7 8 19 -- … 3 4 5 6 7 8 19 0 )
1:7     8 put                  ( … 3 4 5 6 7 8 19 0 -- … 3 4 5 6 7 8 19 )
1:11    drop                   ( … 2 3 4 5 6 7 8 19 -- … 2 3 4 5 6 7 8 )
";
    traced("+ 0 8 put drop", &["--trace", "--input", inputs], 0, "0 2 3 4 5 6 7 8", trace);
}

#[test]
fn deep_recursion_is_traced() {
    // Two words of the main program, seven of each call but the last, and the first five of that one.
    let trace = "\
… 700000 steps before
1:46                    0      ( | -- | 0 )
1:48                    0      ( | 0 -- | 0 0 )
1:50                    /      ( | 0 0 -- trap division by zero )
";
    let text = ": f ( n -- ) dup 100000 < if 1 + f else drop 0 0 / drop end ;  1 f";
    let arguments = ["--trace-last", "3", "--call-limit", "100000"];
    traced(text, &arguments, 1, "trap division by zero 1:50", trace);
    // The indentation ends at eight levels, and the depth of calls is still shown.
    let ended = run(": f ( n -- ) 1 + f ;  0 f", &["--trace", "--call-limit", "100"]);
    // After the literal and the call of the main program, each call has three words.
    let calls: Vec<&str> = ended.stderr.lines().skip(1).step_by(3).take(100).collect();
    assert_eq!(calls[0], "1:25    f                      ( 0 -- | 0 )  \\ call depth 1");
    for (index, line) in calls.into_iter().enumerate().skip(1) {
        let word = format!("{:1$}f", "", 2 * index.min(8));
        assert_eq!(line, format!("1:18    {word:<22} ( | {index} -- | {index} )  \\ call depth {}", index + 1));
    }
    assert!(ended.stderr.contains("f      ( | 100 -- trap call depth exceeded )\n"), "{}", ended.stderr);
}

#[test]
fn long_names_are_shortened() {
    let name = "ü".repeat(100_000);
    let ended = jitduel(["run", "-", "--trace"]).stdin(format!(": {name} ( -- ) ; {name}")).run();
    expect(&ended, 0, "\n");
    let (place, shown) = (100_013, format!("{}…", "ü".repeat(40)));
    let trace = format!("1:{place} {shown} ( -- | )  \\ call depth 1\n1:{place} end of {shown} ( | -- )\n");
    assert_eq!(ended.stderr, trace);
}

// Traps.

#[test]
fn the_word_that_traps_is_the_last_step() {
    let recursion = ": f ( n -- m ) 1 f + ; 5 f";
    for (text, arguments, result, last) in [
        ("1 0 /", &[][..], "trap division by zero 1:5", "/                      ( 1 0 -- trap division by zero )"),
        ("9 5 !", &[], "trap out of bounds 1:5", "!                      ( 9 5 -- trap out of bounds )"),
        ("1 @", &[], "trap out of bounds 1:3", "@                      ( 1 -- trap out of bounds )"),
        ("1 2 times drop end", &[], "trap stack underflow 1:11", "  drop                 ( -- trap stack underflow )"),
        (
            "1 times drop end 3 pick",
            &["--input", "7,8,9,9"],
            "trap stack underflow 1:20",
            "3 pick                 ( 7 8 9 -- trap stack underflow )",
        ),
        (
            "1 2 3",
            &["--stack-limit", "2"],
            "trap stack overflow 1:5",
            "3                      ( 1 2 -- trap stack overflow )",
        ),
        ("3 times 7 end", &["--fuel", "0"], "trap out of fuel 1:3", "times                  ( 3 -- trap out of fuel )"),
        ("3 times 7 end", &["--fuel", "1"], "trap out of fuel 1:3", "end of times           ( 7 -- trap out of fuel )"),
        ("while 1 do end", &["--fuel", "0"], "trap out of fuel 1:1", "while                  ( -- trap out of fuel )"),
        ("while 1 do end", &["--fuel", "1"], "trap out of fuel 1:1", "end of while           ( -- trap out of fuel )"),
        (
            "1 times drop end while do 1 end",
            &["--input", "1"],
            "trap stack underflow 1:18",
            "condition of while     ( -- trap stack underflow )",
        ),
        (recursion, &["--fuel", "0"], "trap out of fuel 1:26", "f                      ( 5 -- trap out of fuel )"),
        (
            recursion,
            &["--call-limit", "1"],
            "trap call depth exceeded 1:18",
            "  f                    ( | 5 1 -- trap call depth exceeded )",
        ),
        (
            recursion,
            &["--stack-limit", "2"],
            "trap stack overflow 1:18",
            "  f                    ( | 5 1 -- trap stack overflow )",
        ),
    ] {
        for option in ["--trace", "--trace-on-trap"] {
            let ended = run(text, &[arguments, &[option]].concat());
            expect(&ended, 1, &format!("{result}\n"));
            let (trace, _) = ended.stderr.split_once("error: ").expect("a trap has a diagnostic");
            let (_, place) = result.rsplit_once(' ').expect("it has a place");
            assert_eq!(trace.lines().last(), Some(&*format!("{place:<7} {last}")), "{text} {option}");
        }
    }
}

#[test]
fn a_trace_for_a_trap_is_printed_only_if_there_is_one() {
    let text = "100 times 1 drop end 6 swap /";
    expect(&run(text, &["--trace-on-trap", "3"]), 0, "2\n");
    assert_eq!(run(text, &["--trace-on-trap", "3"]).stderr, "");
    let ended = run(text, &["--trace-on-trap", "0"]);
    expect(&ended, 1, "trap division by zero 1:29\n");
    let (trace, diagnostic) = ended.stderr.split_once("error: ").expect("a trap has a diagnostic");
    let lines: Vec<&str> = trace.lines().collect();
    // Of the 2 + 3 x 100 + 3 steps, the last 20.
    assert_eq!((lines.len(), lines[0]), (21, "… 285 steps before"), "{trace}");
    assert_eq!(lines[20], "1:29    /                      ( 6 0 -- trap division by zero )");
    assert!(diagnostic.starts_with("division by zero\n --> -e:1:29\n"), "{diagnostic}");
    let trace = "… 304 steps before\n1:29    /                      ( 6 0 -- trap division by zero )\n";
    traced(text, &["--trace-on-trap", "--trace-last=1", "0"], 1, "trap division by zero 1:29", trace);
}

// The last steps, and the steps from a place on.

#[test]
fn the_last_steps_of_a_long_run_are_kept() {
    let iterations = size("iterations", 1_000_000, 50_000);
    let text = format!("0 {iterations:07} times 1 + end");
    let (left_out, before) = (3 * iterations, iterations - 1);
    let trace = format!(
        "\
… {left_out} steps before
1:17      1                    ( {before} -- {before} 1 )
1:19      +                    ( {before} 1 -- {iterations} )
1:11    end of times           ( {iterations} -- {iterations} )  \\ 0 iterations left
"
    );
    traced(&text, &["--trace-last", "3"], 0, &iterations.to_string(), &trace);
    // The greatest number that can be kept.
    let ended = run(&text, &["--trace-last", "100000"]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (0, 100_001));
    // A run with fewer steps is shown as a whole.
    for last in ["1", "2", "3"] {
        let lines = run("1 2", &["--trace-last", last]).stderr.lines().count();
        assert_eq!(lines, 2, "{last}");
    }
}

#[test]
fn the_trace_can_begin_at_a_place() {
    let text = "0 3 times\n  dup 1 = if 7 drop end\n  1 + end";
    let from_flag = "\
2:14        7                  ( 1 -- 1 7 )
2:16        drop               ( 1 7 -- 1 )
3:3       1                    ( 1 -- 1 1 )
3:5       +                    ( 1 1 -- 2 )
1:5     end of times           ( 2 -- 2 )  \\ 1 iteration left
2:3       dup                  ( 2 -- 2 2 )
2:7       1                    ( 2 2 -- 2 2 1 )
2:9       =                    ( 2 2 1 -- 2 0 )
2:11      if                   ( 2 0 -- 2 )  \\ skips THEN
3:3       1                    ( 2 -- 2 1 )
3:5       +                    ( 2 1 -- 3 )
1:5     end of times           ( 3 -- 3 )  \\ 0 iterations left
";
    traced(text, &["--trace-from", "2:14"], 0, "3", from_flag);
    let last = "… 11 steps before\n1:5     end of times           ( 3 -- 3 )  \\ 0 iterations left\n";
    traced(text, &["--trace-from", "2:14", "--trace-last", "1"], 0, "3", last);
    // A word that does not run.
    let note = "note: nothing to trace: the word at 1:6 did not run\n";
    traced("0 if 1 drop end", &["--trace-from", "1:6"], 0, "", note);
    traced("0 if 1 drop end", &["--trace-from", "1:6", "--trace-on-trap"], 0, "", "");
}

// Wrong usage, and other options.

#[test]
fn places_where_no_word_runs_are_refused() {
    let run = |place: &str| run(": f ( -- ) 1 drop ;\n2 f  \\ é", &["--trace-from", place]);
    refused(&run("1:2"), "no word that can run is at 1:2; the next one is at 1:12");
    refused(&run("1:19"), "no word that can run is at 1:19; the next one is at 2:1");
    refused(&run("2:6"), "no word that can run is at 2:6 or behind it");
    for place in ["", "1", "1:", ":1", "0:1", "1:0", "-1:1", "1:1:1", "a:b", "1:99999999999999999999"] {
        refused(&run(place), "it is not a line and a column, both from 1 on, such as 3:14");
    }
    // A program that is rejected has no words that can run.
    let ended = jitduel(["run", "-e", "swap", "--trace-from", "7:7"]).run();
    expect(&ended, 1, "rejected underflow 1:1\n");
}

#[test]
fn the_number_of_steps_is_bounded() {
    for number in ["0", "-1", "100001", "18446744073709551616"] {
        refused(&run("1", &["--trace-last", number]), "--trace-last");
    }
    refused(&run("1", &["--trace-last", "x"]), "invalid digit");
}

#[test]
fn only_the_referee_makes_traces() {
    for options in [&["--trace"][..], &["--trace-last", "1"], &["--trace-from", "1:1"], &["--trace-on-trap"]] {
        expect(&run("1", &[options, &["--engine", "tree"]].concat()), 0, "1\n");
        for others in [&["--engine", "regs"][..], &["--engine", "tree,regs"], &["--engine", "all"], &["--explain"]] {
            refused(&run("1", &[options, others].concat()), "only the engine `tree` makes traces; use --engine tree");
        }
    }
    refused(&run("1", &["--trace", "--perf-map"]), "engine `tree` emits no machine code");
}

#[test]
fn json_and_several_runs_are_traced() {
    let ended = run("+", &["--trace", "--json", "--input", "1,2", "--input", "3", "--input", "-4,5"]);
    let lines: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let told: Vec<_> = lines.iter().map(|line| (&line["engine"], &line["outcome"], &line["stack"][0])).collect();
    let [tree, done, rejected, three, one] = [json!("tree"), json!("done"), json!("rejected"), json!(3), json!(1)];
    assert_eq!(told, [(&tree, &done, &three), (&tree, &rejected, &json!(null)), (&tree, &done, &one)]);
    assert_eq!(ended.code, 1);
    let first = "trace of inputs 1 2:\n1:1     +                      ( 1 2 -- 3 )\nerror: stack underflow";
    let last = "\ntrace of inputs -4 5:\n1:1     +                      ( -4 5 -- 1 )\n";
    assert!(ended.stderr.starts_with(first) && ended.stderr.ends_with(last), "{}", ended.stderr);
    // The limits and the expectation of a case apply.
    let path = file(&folder("case"), "case.stk", "\\ case fuel=1: 2 -> trap out of fuel 2:1\ntimes end\n");
    let ended = jitduel(["run", &path, "--trace-on-trap"]).run();
    expect(&ended, 1, "trap out of fuel 2:1\n");
    assert!(ended.stderr.contains("\n2:1     end of times           ( -- trap out of fuel )\n"), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("case on line 1 met: expected trap out of fuel 2:1\n"), "{}", ended.stderr);
}

#[test]
fn a_trace_that_nobody_reads_does_not_change_the_run() {
    let iterations = size("iterations", 300_000, 10_000);
    let text = format!("0 {iterations} times 1 + end");
    let unread = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        Stdio::from(writer)
    };
    for (text, code) in [(text.as_str(), 0), ("1 0 /", 1), ("1", 0)] {
        for option in ["--trace", "--trace-last=3", "--trace-on-trap"] {
            let invocation = || jitduel(["run", "-e", text, option]);
            assert_eq!(invocation().run_with_streams(unread(), unread()), Some(code), "{text} {option}");
            assert_eq!(invocation().run_with_streams(Stdio::null(), unread()), Some(code), "{text} {option}");
            assert_eq!(invocation().by_shell("exec \"$@\" 2>&- >/dev/null").run().code, code, "{text} {option}");
        }
    }
}
