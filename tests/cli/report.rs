//! The verb `report`, on a little that was really measured (`tests/data/report`) and on nothing. How the page looks in a browser
//! is the business of `scripts/look-at-report`.
//!
//! The data is from one busy machine, in short runs: criterion's, `break_even`'s for two workloads, a race in the form of a run
//! with peers, and the counts of two workloads.

use std::fs;
use std::path::{Path, PathBuf};

use crate::binary::{Ended, folder, jitduel};
use snapbox::{Assert, Data};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/report");

const HEADER: &str = "<!-- Compared by tests/cli/report.rs. After a change that is meant, write it anew and read the difference:\n\
     SNAPSHOTS=overwrite cargo test --test cli report -->\n\n";

/// A section without data, and the command that makes it.
const MISSING: [(&str, &str); 6] = [
    ("Speed-up", "cargo bench --bench execute"),
    ("Ablation", "cargo bench --bench execute"),
    ("From text to answer", "cargo bench --bench oneshot"),
    ("Compile cost", "cargo bench --bench compile"),
    ("Break-even", "cargo bench --bench break_even"),
    ("Peers", "cargo bench --features peers --bench peers"),
];

fn report(data: &Path, out: &Path) -> Ended {
    jitduel(["report".as_ref(), "--data".as_ref(), data.as_os_str(), "--out".as_ref(), out.as_os_str()]).run()
}

/// A report that must be written: the page and the Markdown.
fn written(data: &Path, out: &Path) -> (String, String) {
    let ended = report(data, out);
    let paths = ["index.html", "report.md"].map(|name| out.join(name));
    let expected: String = paths.iter().map(|path| format!("{}\n", path.display())).collect();
    assert_eq!((ended.code, ended.stdout, ended.stderr.as_str()), (0, expected, ""));
    let [page, markdown] = paths.map(|path| fs::read_to_string(path).expect("it was written"));
    (page, markdown)
}

/// What stands under a heading of the Markdown.
fn section<'a>(markdown: &'a str, title: &str) -> &'a str {
    let (_, behind) = markdown.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("no section {title}"));
    behind.split_once("\n## ").map_or(behind, |(section, _)| section)
}

/// The data in a folder of the test's own, so that it may be changed.
fn copy(name: &str) -> PathBuf {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("it is ours");
        for entry in fs::read_dir(from).expect("it is checked in") {
            let path = entry.expect("it can be read").path();
            let to = to.join(path.file_name().expect("it has one"));
            if path.is_dir() {
                copy(&path, &to);
            } else {
                fs::copy(&path, &to).expect("it is ours");
            }
        }
    }
    let to = folder(name);
    copy(Path::new(DATA), &to);
    to
}

fn change(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("it is there");
    assert!(text.contains(from), "{} has no {from}", path.display());
    fs::write(path, text.replacen(from, to, 1)).expect("it is ours");
}

#[test]
fn a_section_without_data_says_which_command_makes_it() {
    let folder = folder("report_empty");
    let (page, markdown) = written(&folder, &folder.join("out"));
    for (title, command) in MISSING {
        let missing = format!("No data yet. This command makes it:\n\n```sh\n{command}\n```\n");
        assert!(section(&markdown, title).contains(&missing), "{title}: {markdown}");
    }
    assert_eq!(page.matches("No data yet. This command makes it:").count(), MISSING.len());
    for command in MISSING.map(|(_, command)| command) {
        assert!(page.contains(&format!("<code>{command}</code>")), "{command}");
    }
    // These need no data: instructions were counted once for all machines.
    assert!(section(&markdown, "Executed instructions").contains("| fact | 567 | 12.1 | 22 |"), "{markdown}");
    assert!(section(&markdown, "The machine").contains("| instructions | `scripts/count` | as the source has them |"));
    assert!(section(&markdown, "Code size").contains("| mandelbrot | 67 |"), "{markdown}");
    assert!(section(&markdown, "The machine").replace('\\', "").contains(std::env::consts::ARCH));
}

/// What is measured anew for each report is left out: the time, the code's size and the machine.
#[test]
fn what_was_measured_is_told_word_for_word() {
    let out = folder("report_whole");
    let (_, markdown) = written(Path::new(DATA), &out);
    let (before, _) = markdown.split_once("\n## The machine\n").expect("it comes last");
    let text = before.replace(section(before, "Code size"), "\n(…)\n");
    let (begin, behind) = text.split_once("Written ").expect("it says when");
    let (_, behind) = behind.split_once(" UTC.").expect("it says when");
    let text = format!("{HEADER}{begin}Written (…).{behind}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report.md");
    let expected = Data::read_from(&path, None).raw();
    Assert::new().action_env("SNAPSHOTS").eq(Data::text(text).raw(), expected);
}

#[test]
fn the_page_needs_nothing_but_itself_and_says_what_the_markdown_says() {
    let out = folder("report_page");
    let (page, markdown) = written(Path::new(DATA), &out);
    let rest = page.replace("http://www.w3.org/2000/svg", "");
    for foreign in ["<script", "http:", "https:", "url(", "@import", "src="] {
        assert!(!rest.contains(foreign), "{foreign}");
    }
    for (open, close) in [("<svg", "</svg>"), ("<table", "</table>"), ("<section", "</section>"), ("<g ", "</g>")] {
        assert!(page.contains(open) && page.matches(close).count() >= page.matches(open).count(), "{open}");
    }
    // Each plot of the Markdown is a file, and stands in the page.
    let images: Vec<&str> =
        markdown.split("](").filter_map(|text| text.split_once(".svg)")).map(|(name, _)| name).collect();
    assert_eq!(images.len(), page.matches("<svg").count());
    for name in &images {
        let plot = fs::read_to_string(out.join(format!("{name}.svg"))).expect("it was written");
        assert!(plot.starts_with("<svg") && plot.ends_with("</svg>\n") && plot.contains("prefers-color-scheme:dark"));
        assert!(!plot.contains("NaN") && !plot.contains("inf"), "{name}");
    }
    assert!(images.contains(&"speed-up") && images.contains(&"break-even-nested") && images.contains(&"peers"));
    // Each number of a table stands in the page.
    let cells = markdown.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split([' ', '(', ')', '*']));
    let numbers: Vec<&str> = cells.filter(|cell| cell.starts_with(|c: char| c.is_ascii_digit())).collect();
    assert!(numbers.len() > 200, "{} numbers", numbers.len());
    for number in numbers {
        assert!(page.contains(number), "{number}");
    }
}

#[test]
fn where_the_interpreter_wins_is_listed() {
    let folder = copy("report_never");
    let path = folder.join("jitduel/break-even.json");
    let mut json: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).expect("it is there")).expect("it is JSON");
    json["lines"][0]["break_even"] = serde_json::json!({ "passes": null, "low": 70, "high": null });
    fs::write(&path, json.to_string()).expect("it is ours");
    let (page, markdown) = written(&folder, &folder.join("out"));
    let text = section(&markdown, "Break-even");
    assert!(text.contains("| fact | never (70.0 to never) |"), "{text}");
    assert!(text.contains("- `jit` on fact: not within 344,064 passes\n"), "{text}");
    assert!(page.contains("jit: never</text>"));
}

#[test]
fn what_is_broken_is_named() {
    let estimates = "criterion/execute_fact/jit/new/estimates.json";
    let broken = [
        ("jitduel/break-even.json", "\"lines\"", "\"linen\"", "missing field `lines`"),
        (
            "jitduel/break-even.json",
            "\"interpreter_ns\": 3795",
            "\"interpreter_ns\": -3795",
            "-3795 is not greater than zero at line",
        ),
        ("jitduel/break-even.json", "\"passes\": 21", "\"passes\": 0", "the points of a sweep do not ascend"),
        ("jitduel/peers.json", "\"ratio\": ", "\"ratio\": 1e300, \"x\": ", "is no number that was measured"),
        ("jitduel/peers.json", "\"lines\": [", "\"lines\": [7,", "invalid type: integer `7`"),
        ("jitduel/instructions.json", "\"jit\": 8.0", "\"jit\": \"8\"", "invalid type: string \"8\""),
        (estimates, "\"median\"", "\"medium\"", "missing field `median`"),
        (estimates, "{", "", "at line 1 column"),
        (
            "criterion/execute_fact/jit/new/benchmark.json",
            "\"Elements\":",
            "\"Elements\":-",
            "is not greater than zero",
        ),
    ];
    for (index, (file, from, to, message)) in broken.into_iter().enumerate() {
        let folder = copy(&format!("report_broken_{index}"));
        let path = folder.join(file);
        change(&path, from, to);
        let ended = report(&folder, &folder.join("out"));
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{file}: {}", ended.stderr);
        let begin = format!("error: `{}` is broken: ", path.display());
        assert!(ended.stderr.starts_with(&begin) && ended.stderr.contains(message), "{message}: {}", ended.stderr);
        assert!(!folder.join("out").exists(), "nothing is written");
    }
}

#[test]
fn a_file_of_another_version_names_the_command_that_makes_it() {
    for (kind, command) in [
        ("break-even", "cargo bench --bench break_even"),
        ("peers", "cargo bench --features peers --bench peers"),
        ("instructions", "scripts/count"),
    ] {
        let format = format!("\"jitduel {kind} 2\"");
        let older = format!("\"format\": {format},");
        for (index, (from, to)) in [(older.as_str(), ""), (&format, "\"jitduel 3\"")].into_iter().enumerate() {
            let folder = copy(&format!("report_{kind}_{index}"));
            change(&folder.join("jitduel").join(kind).with_extension("json"), from, to);
            let ended = report(&folder, &folder.join("out"));
            let expected = format!("but this version reads `jitduel {kind} 2`; make it again: {command}\n");
            assert!(ended.code == 2 && ended.stderr.ends_with(&expected), "{}", ended.stderr);
            assert!(!folder.join("out").exists(), "nothing is written");
        }
    }
}

#[test]
fn what_data_says_leads_to_no_other_folder_and_does_not_hang() {
    let folder = copy("report_paths");
    let path = folder.join("jitduel/break-even.json");
    let text = fs::read_to_string(&path).expect("it is there");
    fs::write(&path, text.replace("\"workload\": \"fact\"", "\"workload\": \"../../fact\"")).expect("it is ours");
    written(&folder, &folder.join("out"));
    assert!(folder.join("out/break-even-------fact.svg").exists());
    fs::remove_file(&path).expect("it is ours");
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("there is mkfifo");
    assert!(made.success());
    let ended = report(&folder, &folder.join("out"));
    assert!(ended.code == 2 && ended.stderr.contains("break-even.json`: it is not a regular file"), "{}", ended.stderr);
}

#[test]
fn folders_are_those_that_were_asked_for() {
    let folder = folder("report_folders");
    let nowhere = report(&folder.join("nowhere"), &folder.join("out"));
    assert!(nowhere.code == 2 && nowhere.stderr.contains("nowhere` is no folder"), "{}", nowhere.stderr);
    fs::write(folder.join("file"), "").expect("it is ours");
    let file = report(&folder, &folder.join("file"));
    assert!(file.code == 2 && file.stderr.contains("cannot write `"), "{}", file.stderr);
    // Cargo's variable names the usual folder; without it that is `target`.
    for (variable, expected) in [("elsewhere", "elsewhere/report"), ("", "target/report")] {
        let ended = jitduel(["report"]).env("CARGO_TARGET_DIR", variable).current_dir(&folder).run();
        assert_eq!((ended.code, ended.stdout), (0, format!("{expected}/index.html\n{expected}/report.md\n")));
        assert!(folder.join(expected).join("code-size.svg").exists());
    }
}
