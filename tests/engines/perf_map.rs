//! `run --perf-map`: the file that perf reads.

use crate::binary::jitduel;

/// The lines of a run's map: start, size in bytes, name.
#[cfg(target_os = "linux")]
fn map(arguments: &[&str]) -> Vec<(u64, u64, String)> {
    let ended = jitduel([&["run", "-e", "times 1 drop end"], arguments].concat()).run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let path = ended.stderr.strip_prefix("perf map: ").expect("it prints the path of the map").trim_end();
    assert!(path.starts_with("/tmp/perf-") && path.ends_with(".map"), "{path}");
    let text = std::fs::read_to_string(path).expect("the map is there");
    std::fs::remove_file(path).expect("it is ours");
    let number = |text: &str| u64::from_str_radix(text, 16).expect("a hexadecimal number");
    let line = |line: &str| {
        let mut fields = line.splitn(3, ' ');
        let mut field = || fields.next().expect("three fields");
        (number(field()), number(field()), field().to_owned())
    };
    text.lines().map(line).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn the_map_names_each_word_of_the_code_that_runs() {
    let lines = map(&["--input", "3", "--perf-map"]);
    for pair in lines.windows(2) {
        assert_eq!(pair[0].0 + pair[0].1, pair[1].0, "no gap and no overlap: {lines:?}");
    }
    let names: Vec<_> = lines.iter().map(|(_, _, name)| name.as_str()).collect();
    assert_eq!(names.first(), Some(&"-e:prologue"));
    assert!(names.contains(&"-e:1:1 end of times in times 1:1") && names.contains(&"-e:return"), "{names:?}");
    let loops = map(&["--input", "3", "--perf-map=loops"]);
    assert!(loops.iter().any(|(_, _, name)| name == "-e:1:1 times"), "{loops:?}");
}

/// A program is compiled once for each number of inputs, so there may be several pieces of code.
#[cfg(target_os = "linux")]
#[test]
fn all_code_of_the_process_is_in_the_map() {
    let mut lines = map(&["--input", "3", "--input", "4,3", "--input", "5", "--perf-map"]);
    assert_eq!(lines.iter().filter(|(_, _, name)| name == "-e:prologue").count(), 2, "{lines:?}");
    // perf looks only in anonymous memory, so each piece of code has its own mapping and starts at a page.
    assert!(
        lines.iter().filter(|(_, _, name)| name == "-e:prologue").all(|(start, ..)| start % 4096 == 0),
        "{lines:x?}"
    );
    lines.sort();
    assert!(lines.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "{lines:?}");
}

#[test]
fn engines_without_mappable_code_are_an_error() {
    for engine in ["tree", "bytecode"] {
        let ended = jitduel(["run", "-e", "1", "--perf-map", "--engine", engine]).run();
        let reason =
            if cfg!(target_os = "linux") { "emits no machine code that can be mapped" } else { "only on Linux" };
        assert!(ended.code == 2 && ended.stdout.is_empty() && ended.stderr.contains(reason), "{ended:?}");
    }
    let ended = jitduel(["run", "-e", "1", "--perf-map=lines"]).run();
    assert!(ended.code == 2 && ended.stderr.contains("[possible values: words, loops, definitions]"), "{ended:?}");
}
