//! `repl` without a terminal: what it answers, what stays, and what it exits with.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::binary::{Ended, SMALL, expect, file, folder, jitduel, refused};

/// A session with this input.
fn repl(input: &str, arguments: &[&str]) -> Ended {
    jitduel([&["repl"], arguments].concat()).stdin(input).run()
}

/// A session without trees. The lines of its standard output.
fn answers(input: &str, arguments: &[&str]) -> Vec<String> {
    let ended = repl(&format!(":tree off\n{input}"), arguments);
    ended.stdout.lines().map(str::to_owned).collect()
}

/// The answer of both engines if they agree.
fn both(answer: &str) -> [String; 3] {
    [format!("bytecode  {answer}"), format!("jit       {answer}"), "2 engines agree".into()]
}

#[test]
fn a_program_is_answered_with_its_tree_and_both_engines() {
    let tree = "1 5\ntimes\n  1 +\nend\n";
    let ended = repl("1 5 times 1 + end\n", &[]);
    expect(&ended, 0, &format!("{tree}{}\n", both("6").join("\n")));
    assert_eq!(ended.stderr, "");
    // The last line needs no line feed, and blank lines and comments are not answered.
    expect(&repl("\n \n1 5 times 1 + end", &[]), 0, &ended.stdout);
    expect(&repl("\\ a comment\n( another )\n", &[]), 0, "");
    expect(&repl("", &[]), 0, "");
    assert_eq!(answers("1 drop\n", &[]), both("(empty)"));
    assert_eq!(answers("1 2\n", &["--engine", "regs"])[1], "regs      1 2");
}

#[test]
fn a_trap_and_a_fault_have_their_caret_in_the_line_that_was_typed() {
    let ended = repl(": f ( a b -- c )\n  / ;\n\n1 0 f\n", &[]);
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.ends_with(&(both("trap division by zero 2:3").join("\n") + "\n")), "{ended:?}");
    let said = "error: division by zero\n --> repl:2:3\n  |\n2 |   / ;\n  |   ^ the divisor, on top, was 0\n";
    assert_eq!(ended.stderr, said);
    let ended = repl("1 2\n3 dpu\n", &["--engine", "tree"]);
    assert!(ended.code == 1 && ended.stdout.ends_with("2 engines agree\nrejected syntax 2:3\n"), "{ended:?}");
    assert!(ended.stderr.contains("2 | 3 dpu\n  |   ^^^ not a word"), "{ended:?}");
    assert!(ended.stderr.contains("did you mean `dup`?"), "{ended:?}");
    // Input that ends inside a body.
    let ended = repl("5 times\n1 +\n", &[]);
    assert!(ended.code == 1 && ended.stderr.contains("`times` without `end`"), "{ended:?}");
}

#[test]
fn definitions_and_arrays_stay_and_the_stack_and_memory_do_not() {
    let lines = ": f ( a -- b ) 2 * ;\n3 array t\n7 t ! t @ f\nt @\n: g ( a -- b ) f f ;\n: f ( a -- b ) 3 * ;\n1 g\n";
    let defined = ["defined `f`".to_owned(), "defined `t`".into()];
    let later = ["defined `g`".to_owned(), "redefined `f`".into()];
    assert_eq!(answers(lines, &[]), [&defined[..], &both("14"), &both("0"), &later, &both("9")].concat());
    // A line that would break an older definition changes nothing, and neither does one with any other fault.
    let broken = repl(&format!("{lines}: f ( a -- ) drop ;\n: f ( a -- b ) ; oops\n1 g\n"), &[]);
    assert!(broken.code == 1 && broken.stdout.ends_with("jit       9\n2 engines agree\n"), "{broken:?}");
    assert!(broken.stderr.contains(" --> repl:5:18\n"), "{broken:?}");
    assert!(broken.stderr.contains("note: the error is in `g`, which was defined before; nothing has changed\n"));
}

#[test]
fn what_is_open_continues_on_the_next_line() {
    for lines in ["2 if 3\nelse\n4 end\n", "( two\nlines ) 3\n", "3 while 0\ndo end\n", "3 0 if leave-me\n"] {
        let answers = answers(lines, &[]);
        let expected = if lines.contains("leave-me") { vec!["rejected syntax 2:8".into()] } else { both("3").into() };
        assert_eq!(answers[answers.len() - expected.len()..], expected, "{lines}");
    }
    let lines = ": even ( n -- f ) dup if 1 - odd else drop 1 end ; : odd ( n -- f )\ndup if 1 - even else drop 0 end ;\n7 odd\n";
    assert_eq!(answers(lines, &[])[1..], both("1"));
}

#[test]
fn commands_are_obeyed() {
    let output = |lines: &str| repl(lines, &[]).stdout;
    for command in
        ["tree", "asm", "ssa", "lir", "engine", "let", "stack", "time", "load", "save", "help", "quit", "list", "clear"]
    {
        assert!(output(":help\n").contains(&format!("\n:{command}")), "{command}");
    }
    let asm = output("1 5 times 1 + end\n:asm aarch64\n:asm x86_64\n");
    assert!(asm.contains("\\ jit, aarch64, ") && asm.contains("\\ jit, x86_64, "), "{asm}");
    assert!(asm.contains("\\ end of times 1:5\n"), "{asm}");
    assert!(output("1 5 times 1 + end\n:lir\n").contains("\\ rules fired: "));
    assert!(output(":engine regs\n1 2 +\n:lir\n").contains("\\ regs, "));
    let listed = jitduel(["asm", "-e", "1 5 times 1 + end", "--engine", "ssa", "--stage", "ssa"]).run().stdout;
    assert!(!listed.is_empty() && output("1 5 times 1 + end\n:engine ssa\n:ssa\n").ends_with(&listed), "{listed}");
    let tree = output(": f ( a -- b ) 1 + ;\n: unused ( -- ) ;\n:tree off\n1 f\n:tree\n");
    assert!(tree.ends_with("agree\n: f ( a -- b )\n  1 +\n;\n1 f\n"), "{tree}");
    assert!(output(":engine\n").contains("\n* jit\n") && output(":engine tree\n:engine\n").contains("\n* tree\n"));
    assert_eq!(output(": f ( -- ) ;\n9 array t\n:list\n:quit\n1\n").lines().last(), Some("9 array t"));
    assert_eq!(output(":q\n1\n"), "");
    assert!(output("9 array t\n:clear\n:list\nt\n").ends_with("defined `t`\nrejected syntax 4:1\n"));
}

#[test]
fn times_are_shown_on_demand() {
    let answers = answers("1\n:time\n2\n:time off\n3\n", &[]);
    assert_eq!((answers[0].as_str(), answers[3].as_str()), ("bytecode  1", "times are shown"));
    let [before, after] = [4, 5].map(|line: usize| answers[line].split_once("  (compiled in ").expect("it has times"));
    assert_eq!((before.0, after.0), ("bytecode  2", "jit       2"));
    for (_, times) in [before, after] {
        let times: Vec<&str> = times.trim_end_matches(')').split(", ran in ").collect();
        let is_time = |time: &&str| time.split_once(' ').is_some_and(|(number, _)| number.parse::<f64>().is_ok());
        assert!(times.len() == 2 && times.iter().all(is_time), "{times:?}");
    }
    assert_eq!(answers[8..], both("3"));
}

#[test]
fn wrong_commands_say_what_would_be_right() {
    for (line, message) in [
        (":hlep", "there is no command `:hlep`; did you mean `:help`?"),
        (":frobnicate", "there is no command `:frobnicate`; `:help` shows them"),
        (":engine rges", "there is no engine `rges`; did you mean `regs`?"),
        (":engine bytecode", "`bytecode` is the interpreter that other engines are compared with"),
        (":asm", "there is no program yet"),
        (":tree", "there is no program yet"),
        (":time maybe", "write `:time [on|off]`"),
        (":load", "write `:load FILE [INPUT…]`"),
        (":load no-such-file", "cannot read `no-such-file`"),
        (":load -", "the prompt itself may read standard input"),
        (":save x.stk", "there is nothing to save"),
        ("1\n:ssa", "engine `jit` has no SSA form; `:engine ssa` does"),
        ("1\n:engine tree\n:asm", "engine `tree` emits no machine code; `:engine jit` does"),
    ] {
        let ended = repl(&format!("{line}\n1\n"), &[]);
        assert!(ended.code == 2 && ended.stderr.starts_with(&format!("error: {message}")), "{line}: {ended:?}");
        assert!(ended.stdout.ends_with("2 engines agree\n"), "{line}: the session goes on");
    }
    refused(&repl("", &["--engine", "bytecode"]), "choose another engine");
    refused(&repl("", &["--engine", "none"]), "possible values");
}

#[test]
fn the_let_language_has_functions_statements_and_expressions() {
    let lines = "let x = 20; let y = 1; x * 2 + y\nfn f(x)\n{ return x * N; }\nconst N = 3; fn f(x) { return x * N; }\nf(2) +\n";
    let ended = repl(&format!(":tree off\n{lines}f(2) + 1\n:stack\n1 2\n:let\nf(5)\n"), &["--language", "let"]);
    let out: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(out[..3], both("41"));
    let rejected = ["rejected name 4:14", "defined `N`, `f`", "rejected syntax 6:7"];
    assert!(ended.code == 1 && rejected.iter().all(|line| out.contains(line)), "{ended:?}");
    for answer in ["7", "1 2", "15"] {
        assert!(ended.stdout.contains(&both(answer).join("\n")), "{answer}: {ended:?}");
    }
    let ended = repl("fn f() { return 1; }\nf()\n", &["--language", "let"]);
    let tree = ": fn-f ( -- a )\n  1\n;\ndefined `f`\n: fn-main ( -- a )\n  fn-f\n;\nfn-main\nbytecode  1\n";
    assert!(ended.stdout.starts_with(tree), "{ended:?}");
}

#[test]
fn files_are_loaded_and_saved() {
    let folder = folder("files");
    let run = |lines: &str| jitduel(["repl"]).stdin(format!(":tree off\n{lines}")).current_dir(&folder).run();
    let saved =
        run(": f ( a -- b ) \\ one\n 1 + ;\n4 array t : g ( -- a ) t f ; g\n: f ( a -- b ) 2 + ;\n:save out.stk\n");
    assert!(saved.code == 0 && saved.stdout.ends_with("saved `out.stk`: 3 declarations\n"), "{saved:?}");
    let text = "4 array t\n: g ( -- a ) t f ;\n: f ( a -- b ) 2 + ;\n";
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("it was written");
    assert_eq!(read("out.stk"), text);
    let loaded = run(":load out.stk\ng\n:list\n");
    expect(&loaded, 0, &format!("defined `t`, `g`, `f`\n{}\n{text}", both("2").join("\n")));
    // A file is never replaced without `:save!`.
    let refused = run(": h ( -- ) ;\n:save out.stk\n");
    assert!(
        refused.code == 2 && refused.stderr.contains("error: `out.stk` exists; `:save!` replaces it"),
        "{refused:?}"
    );
    assert_eq!(read("out.stk"), text);
    let replaced = run(": h ( -- ) ;\n:save! out.stk\n:save! new.stk\n");
    let said = "replaced `out.stk`: 1 declaration\nsaved `new.stk`: 1 declaration\n";
    assert!(replaced.code == 0 && replaced.stdout.ends_with(said), "{replaced:?}");
    assert_eq!(read("out.stk"), ": h ( -- ) ;\n");
    // The name says the language.
    let wrong = run(": h ( -- ) ;\n:save x.let\n:let\nfn f() { return 1; }\n:save x.stk\n:save 'x y.let'\n");
    assert_eq!(wrong.stderr.matches("error: the name of a file in the language `").count(), 2, "{wrong:?}");
    assert_eq!(read("x y.let"), "fn f() { return 1; }\n");
    assert_eq!(
        run(":load 'x y.let'\nf()\n").stdout,
        format!("the language is now `let`\ndefined `f`\n{}\n", both("1").join("\n"))
    );
}

#[test]
fn the_main_program_of_a_file_runs_with_inputs() {
    let folder = folder("main");
    file(&folder, "add.stk", "\\ case: 1 2 -> 3\n: plus ( a b -- c ) + ;\nplus\n");
    file(&folder, "sub.let", "fn main(a, b) { return minus(a, b); }\nfn minus(a, b) { return a - b; }\n");
    file(&folder, "wrong.stk", ": plus ( a b -- c ) - ;\n  oops\n");
    let run = |lines: &str| jitduel(["repl"]).stdin(format!(":tree off\n{lines}")).current_dir(&folder).run();
    let ended = run(":load add.stk\n:load add.stk 5 6\n4 4 plus\n:load sub.let 9 2\nminus(3, 1)\n");
    for answer in ["3", "11", "8", "7", "2"] {
        assert!(ended.stdout.contains(&both(answer).join("\n")), "{answer}: {ended:?}");
    }
    assert_eq!((ended.code, ended.stderr.as_str()), (0, "note: no inputs given; using the case on line 1\n"));
    let ended = run(":load add.stk\n:load wrong.stk\n4 4 plus\n:load sub.let\n");
    assert!(ended.code == 2 && ended.stderr.contains(" --> wrong.stk:2:3\n"), "{ended:?}");
    assert!(ended.stderr.contains("`main` takes 2 inputs, but 0 are given; write them after the name of the file"));
    assert!(ended.stdout.contains(&both("8").join("\n")), "a wrong file changes nothing: {ended:?}");
    // An empty argument is no input, and not the inputs of the case.
    file(&folder, "depth.stk", "\\ case: 7 -> 7 1\n1\n");
    assert_eq!(run(":load depth.stk\n").stdout, both("7 1").join("\n") + "\n");
    assert_eq!(run(":load depth.stk ''\n").stdout, both("1").join("\n") + "\n");
}

/// A pipe has nobody who writes to it, and a device may be endless.
#[test]
fn pipes_and_devices_are_not_loaded() {
    let folder = folder("pipes");
    let pipe = folder.join("pipe.stk");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("there is mkfifo").success());
    for path in [pipe.to_str().expect("UTF-8"), "/dev/zero", "/"] {
        let ended = repl(&format!(":load '{path}'\n1\n"), &[]);
        let said = format!("error: cannot read `{path}`: it is not a regular file\n");
        assert!(ended.code == 2 && ended.stderr == said, "{ended:?}");
        assert!(ended.stdout.ends_with("2 engines agree\n"), "the session goes on: {ended:?}");
    }
}

#[test]
fn the_limits_of_a_case_are_those_of_its_run_and_of_its_listing() {
    let folder = folder("limits");
    file(&folder, "fuel.stk", "\\ case fuel=5: -> 1\n9 times end 1\n");
    file(&folder, "stack.stk", "\\ case stack-limit=3: -> 1 2 3 4\n1 2 3 4\n");
    file(&folder, "calls.stk", "\\ case call-limit=1: -> 1\n: g ( -- a ) 1 ; : f ( -- a ) g ; f\n");
    let run = |lines: &str, arguments: &[&str]| {
        let session = jitduel([&["repl"], arguments].concat());
        session.stdin(format!(":tree off\n{lines}")).current_dir(&folder).run()
    };
    for (name, option, limit, trap, enough, done) in [
        ("fuel.stk", "--fuel", "5", "out of fuel 2:3", "9", "1"),
        ("stack.stk", "--stack-limit", "3", "stack overflow 2:7", "65536", "1 2 3 4"),
        ("calls.stk", "--call-limit", "1", "call depth exceeded 2:31", "10000", "1"),
    ] {
        let load = format!(":load {name}\n:asm x86_64\n");
        let asm = jitduel(["asm", name, "--isa", "x86_64", option, limit]).current_dir(&folder).run();
        let ended = run(&load, &[]);
        let answer = both(&format!("trap {trap}")).join("\n");
        assert!(
            asm.code == 0 && ended.stdout.ends_with(&format!("{answer}\n{}", asm.stdout)),
            "{name}: {asm:?} {ended:?}"
        );
        // A limit of the command line takes the place of that of the case, even if it is the default.
        let ended = run(&load, &[option, enough]);
        assert!(ended.stdout.contains(&both(done).join("\n")), "{name}: {ended:?}");
    }
}

#[test]
fn a_file_that_is_rejected_does_not_change_the_language() {
    let folder = folder("rejected");
    file(&folder, "fault.let", "fn main() { return oops; }\n");
    file(&folder, "inputs.let", "fn main(a) { return a; }\n");
    let lines = ":tree off\n:load fault.let\n:load inputs.let\n1 2 +\n:load inputs.let 7\n1 + 2\n";
    let ended = jitduel(["repl"]).stdin(lines).current_dir(&folder).run();
    let expected = [
        "rejected name 1:20",
        &both("3").join("\n"),
        "the language is now `let`",
        &both("7").join("\n"),
        &both("3").join("\n"),
    ];
    expect(&ended, 2, &(expected.join("\n") + "\n"));
}

#[test]
fn characters_that_a_terminal_would_interpret_are_escaped() {
    let folder = folder("escapes");
    file(&folder, "red.stk", ": \u{1b}[31mx ( -- a )\t1 ; 2 array \u{1b}y \u{1b}[31mx\n");
    let ended = jitduel(["repl"]).stdin(":load red.stk\n:tree\n:list\n").current_dir(&folder).run();
    assert!(ended.code == 0 && !ended.stdout.contains('\u{1b}'), "{ended:?}");
    let tree = "2 array \\u{1b}y\n: \\u{1b}[31mx ( -- a )\n  1\n;\n\\u{1b}[31mx\n";
    assert_eq!(ended.stdout.matches(tree).count(), 2, "{ended:?}");
    assert!(ended.stdout.ends_with(": \\u{1b}[31mx ( -- a )\t1 ;\n2 array \\u{1b}y\n"), "{ended:?}");
    expect(&jitduel(["asm", "red.stk", "--stage", "ast"]).current_dir(&folder).run(), 0, tree);
}

#[test]
fn limits_apply_to_each_run() {
    assert_eq!(answers("9 times end\n10 times end\n", &["--fuel", "9"])[3..], both("trap out of fuel 3:4"));
    assert_eq!(answers("1 2 3\n", &["--stack-limit", "2"]), both("trap stack overflow 2:5"));
    assert_eq!(answers(": f ( -- ) f ; f\n", &["--call-limit", "3"])[1..], both("trap call depth exceeded 2:12"));
    let ended = repl("while 1 do end\n1\n", &["--timeout", "1s"]);
    assert!(ended.code == 1 && ended.stdout.contains("end\nbytecode  ended at the time limit\n1\n"), "{ended:?}");
    assert!(ended.stdout.ends_with(&(both("1").join("\n") + "\n")), "{ended:?}");
}

#[test]
fn the_exit_code_is_the_highest_of_all() {
    for (lines, code) in [("1\n", 0), ("1 0 /\n1\n", 1), ("oops\n", 1), (":oops\n1\n", 2), (":oops\n1 0 /\n", 2)] {
        assert_eq!(repl(lines, &[]).code, code, "{lines}");
    }
}

/// Starts a session with a program that never ends and then `7`.
#[cfg(target_os = "linux")]
fn endless_run(arguments: &[&str]) -> std::process::Child {
    use std::io::Write;

    let mut session = Command::new(env!("CARGO_BIN_EXE_jitduel"));
    session.arg("repl").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut session = session.spawn().expect("it starts");
    let mut stdin = session.stdin.take().expect("it is piped");
    stdin.write_all(b":tree off\nwhile 1 do end\n7\n").expect("it is read");
    session
}

/// Waits for the process in which the engines of a session run.
#[cfg(target_os = "linux")]
fn engines_of(session: &std::process::Child) -> u32 {
    let children = format!("/proc/{0}/task/{0}/children", session.id());
    loop {
        if let Ok(child) = std::fs::read_to_string(&children).expect("Linux lists them").trim().parse() {
            return child;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[cfg(target_os = "linux")]
fn signal(signal: &str, process: u32) {
    let sent = Command::new("kill").args([signal, &process.to_string()]).status().expect("there is kill");
    assert!(sent.success());
}

/// No program makes an engine crash, so this test kills the process in which the engines run.
#[cfg(target_os = "linux")]
#[test]
fn an_engine_that_crashes_disagrees_and_the_session_goes_on() {
    if SMALL {
        println!("NOT RUN: a signal to a process that an emulator may have started");
        return;
    }
    let session = endless_run(&[]);
    let child = engines_of(&session);
    // The child must have taken its default action for the signal back.
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal("-SEGV", child);
    let output = session.wait_with_output().expect("it ends");
    let said = "bytecode  the process of the engine ended: killed by SIGSEGV\nthe engines DISAGREE\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{said}{}\n", both("7").join("\n")));
    assert_eq!(output.status.code(), Some(4));
}

#[cfg(target_os = "linux")]
#[test]
fn the_time_limit_does_not_count_the_time_when_the_session_was_stopped() {
    use std::time::{Duration, Instant};

    if SMALL {
        println!("NOT RUN: a signal to a process that an emulator may have started");
        return;
    }
    let session = endless_run(&["--timeout", "2s"]);
    let child = engines_of(&session);
    signal("-STOP", session.id());
    signal("-STOP", child);
    std::thread::sleep(Duration::from_secs(3));
    let continued = Instant::now();
    signal("-CONT", child);
    signal("-CONT", session.id());
    let output = session.wait_with_output().expect("it ends");
    let said = format!("bytecode  ended at the time limit\n{}\n", both("7").join("\n"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), said);
    assert!(continued.elapsed() > Duration::from_secs(1), "{:?}", continued.elapsed());
}

#[test]
fn any_input_is_survived() {
    let ended = jitduel(["repl"]).stdin(b"1 \xff 2\n:load \xff\n3\n".to_vec()).run();
    assert!(ended.code == 2 || ended.code == 1, "{ended:?}");
    assert!(ended.stderr.contains("error: the text is not valid UTF-8\n --> repl:1:3\n"), "{ended:?}");
    assert!(ended.stdout.ends_with(&(both("3").join("\n") + "\n")), "{ended:?}");
    let words = if SMALL { 20_000 } else { 300_000 };
    let long = repl(&("1 ".to_owned() + &"1 + ".repeat(words) + "\n2\n"), &[]);
    assert!(long.code == 0 && long.stdout.contains(&both(&(words + 1).to_string()).join("\n")), "{}", long.stderr);
    for text in
        ["if ".repeat(1001), ": ; :".into(), ":\n:\n".into(), "\0\u{1b}[2J\n".into(), ": f\n".into(), "(".into()]
    {
        assert_eq!(repl(&text, &[]).code, 1, "{text}");
        assert!(repl(&text, &["--language", "let"]).code == 1, "{text}");
    }
    for text in
        ["\0\n", "fn\n", "fn f(\n", "}}}\n", "{ { {\n", "const\n", "array x\n", "fn main() {\n", "return\n", "= 1\n"]
    {
        assert_eq!(repl(text, &["--language", "let"]).code, 1, "{text}");
    }
}

#[test]
fn a_reader_that_stops_early_is_no_error() {
    for (lines, code) in [("1\\n2", 0), ("1 0 /\\n:tree", 1), (":nonsense", 2)] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let invocation = jitduel(["repl"]).by_shell(&format!("printf '{lines}\\n' | \"$@\""));
        let null = Stdio::null();
        assert_eq!(invocation.run_with_streams(writer.into(), null), Some(code), "{lines}");
    }
}

/// Otherwise a session with endless input would never end.
#[test]
fn a_session_ends_when_nobody_reads_its_answers() {
    let folder = folder("unread");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let lines = ": f ( -- ) ;\\n:save early.stk\\n1\\n:save late.stk";
    let invocation =
        jitduel(["repl"]).current_dir(&folder).by_shell(&format!("printf ':tree off\\n{lines}\\n' | \"$@\""));
    assert_eq!(invocation.run_with_streams(writer.into(), Stdio::null()), Some(0));
    assert!(!folder.join("late.stk").exists());
}

#[test]
fn a_session_leaves_no_history_without_a_terminal() {
    let folder = folder("history");
    let state = folder.join("state");
    let ended = jitduel(["repl"]).stdin("1\n").env("XDG_STATE_HOME", state.to_str().expect("UTF-8")).run();
    assert!(ended.code == 0 && !Path::new(&state).exists());
}
