//! The command `report`, with a small set of real measurements (`tests/data/report`) and with none. `scripts/look-at-report`
//! checks how the page looks in a browser.
//!
//! The data is from short runs on a busy machine: criterion's benchmarks, `break_even` for two workloads and three engines,
//! `warm_up` for one workload and a third of its sizes, `costs`, a race converted to the format of `peers`, and the instruction
//! counts of two workloads. The figures of `ablation` are made up.

use std::fs;
use std::path::{Path, PathBuf};

use crate::binary::{Ended, folder, jitduel};
use snapbox::{Assert, Data};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/report");

const HEADER: &str = "<!-- Compared by tests/cli/report.rs. After an intended change, rewrite it and review the diff:\n\
     SNAPSHOTS=overwrite cargo test --test cli report -->\n\n";

/// The sections that need data, and the commands that measure it.
const MISSING: [(&str, &str); 10] = [
    ("Speed-up", "cargo bench --bench execute"),
    ("Ablation", "cargo bench --bench execute"),
    ("Ablation of passes", "cargo bench --bench ablation"),
    ("From text to answer", "cargo bench --bench oneshot"),
    ("Compile cost", "cargo bench --bench compile"),
    ("Break-even", "cargo bench --bench break_even"),
    ("Warm-up", "cargo bench --bench warm_up"),
    ("Regret", "cargo bench --bench break_even"),
    ("Costs of changing tiers", "cargo bench --bench costs"),
    ("Peers", "cargo bench --features peers --bench peers"),
];

fn report(data: &Path, out: &Path) -> Ended {
    jitduel(["report".as_ref(), "--data".as_ref(), data.as_os_str(), "--out".as_ref(), out.as_os_str()]).run()
}

/// Writes a report, which must succeed. Returns the page and the Markdown.
fn written(data: &Path, out: &Path) -> (String, String) {
    let ended = report(data, out);
    let paths = ["index.html", "report.md"].map(|name| out.join(name));
    let expected: String = paths.iter().map(|path| format!("{}\n", path.display())).collect();
    assert_eq!((ended.code, ended.stdout, ended.stderr.as_str()), (0, expected, ""));
    let [page, markdown] = paths.map(|path| fs::read_to_string(path).expect("it was written"));
    (page, markdown)
}

/// The text under a heading of the Markdown.
fn section<'a>(markdown: &'a str, title: &str) -> &'a str {
    let (_, after) = markdown.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("no section {title}"));
    after.split_once("\n## ").map_or(after, |(section, _)| section)
}

/// Copies the data into a folder of the test, so that the test may change it.
fn copy(name: &str) -> PathBuf {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("the folder is writable");
        for entry in fs::read_dir(from).expect("the data is checked in") {
            let path = entry.expect("it can be read").path();
            let to = to.join(path.file_name().expect("it has one"));
            if path.is_dir() {
                copy(&path, &to);
            } else {
                fs::copy(&path, &to).expect("the folder is writable");
            }
        }
    }
    let to = folder(name);
    copy(Path::new(DATA), &to);
    to
}

fn change(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("the file exists");
    assert!(text.contains(from), "{} has no {from}", path.display());
    fs::write(path, text.replacen(from, to, 1)).expect("the folder is writable");
}

#[test]
fn section_without_data_names_the_command_that_makes_it() {
    let folder = folder("report_empty");
    let (page, markdown) = written(&folder, &folder.join("out"));
    for (title, command) in MISSING {
        let missing = format!("No data yet. This command measures it:\n\n```sh\n{command}\n```\n");
        assert!(section(&markdown, title).contains(&missing), "{title}: {markdown}");
    }
    assert_eq!(page.matches("No data yet. This command measures it:").count(), MISSING.len());
    for command in MISSING.map(|(_, command)| command) {
        assert!(page.contains(&format!("<code>{command}</code>")), "{command}");
    }
    // These sections need no data: instruction counts are checked in.
    assert!(section(&markdown, "Executed instructions").contains("| fact | 633 | 12.1 | 22 |"), "{markdown}");
    assert!(section(&markdown, "The machine").contains("| instructions | `scripts/count` | the checked-in record |"));
    assert!(section(&markdown, "Code size").contains("| mandelbrot | 67 |"), "{markdown}");
    assert!(section(&markdown, "The machine").replace('\\', "").contains(std::env::consts::ARCH));
}

/// Parts that vary between reports are left out: the time, the code sizes and the machine. So are the costs, since the table has
/// those that this build uses.
#[test]
fn markdown_matches_the_golden_file() {
    let out = folder("report_whole");
    let (_, markdown) = written(Path::new(DATA), &out);
    let (before, _) = markdown.split_once("\n## The machine\n").expect("it is the last section");
    let text = before.replace(section(before, "Code size"), "\n(…)\n");
    let costs = section(&text, "Costs of changing tiers").to_owned();
    let text = text.replace(&costs, "\n(…)\n");
    let (begin, after) = text.split_once("Written ").expect("it has a date");
    let (_, after) = after.split_once(" UTC.").expect("it has a date");
    let text = format!("{HEADER}{begin}Written (…).{after}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report.md");
    let expected = Data::read_from(&path, None).raw();
    Assert::new().action_env("SNAPSHOTS").eq(Data::text(text).raw(), expected);
}

#[test]
fn page_is_self_contained_and_matches_the_markdown() {
    let out = folder("report_page");
    let (page, markdown) = written(Path::new(DATA), &out);
    let rest = page.replace("http://www.w3.org/2000/svg", "");
    for foreign in ["<script", "http:", "https:", "url(", "@import", "src="] {
        assert!(!rest.contains(foreign), "{foreign}");
    }
    for (open, close) in [("<svg", "</svg>"), ("<table", "</table>"), ("<section", "</section>"), ("<g ", "</g>")] {
        assert!(page.contains(open) && page.matches(close).count() >= page.matches(open).count(), "{open}");
    }
    // Each plot in the Markdown is a file, and the page contains it.
    let images: Vec<&str> =
        markdown.split("](").filter_map(|text| text.split_once(".svg)")).map(|(name, _)| name).collect();
    assert_eq!(images.len(), page.matches("<svg").count());
    for name in &images {
        let plot = fs::read_to_string(out.join(format!("{name}.svg"))).expect("it was written");
        assert!(plot.starts_with("<svg") && plot.ends_with("</svg>\n") && plot.contains("prefers-color-scheme:dark"));
        assert!(!plot.contains("NaN") && !plot.contains("inf"), "{name}");
    }
    assert!(images.contains(&"speed-up") && images.contains(&"break-even-nested") && images.contains(&"peers"));
    assert!(images.contains(&"passes") && images.contains(&"warm-up-xorshift") && images.contains(&"regret-fact"));
    // The page contains each number in a table.
    let cells = markdown.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split([' ', '(', ')', '*']));
    let numbers: Vec<&str> = cells.filter(|cell| cell.starts_with(|c: char| c.is_ascii_digit())).collect();
    assert!(numbers.len() > 200, "{} numbers", numbers.len());
    for number in numbers {
        assert!(page.contains(number), "{number}");
    }
}

#[test]
fn measured_costs_are_in_a_table() {
    let (_, markdown) = written(Path::new(DATA), &folder("report_costs"));
    let text = section(&markdown, "Costs of changing tiers");
    assert!(text.contains("| compiling anything at all, regs | 744 | "), "{text}");
    assert!(text.contains("the geometric mean of 30 workloads |"), "{text}");
}

#[test]
fn passes_are_in_tables_and_a_pass_that_brings_nothing_is_named() {
    let (page, markdown) = written(Path::new(DATA), &folder("report_passes"));
    let text = section(&markdown, "Ablation of passes");
    assert!(text.contains("| fold | 1.235 (1.204 to 1.266) |"), "{text}");
    assert!(text.contains("| gcd | 1.017 (1.012 to 1.023) | 1.000 (0.996 to 1.004) |"), "{text}");
    let idle =
        "Passes without which no workload is slower:\n\n- `dead`: removes instructions whose value is not used\n";
    assert!(text.contains(idle), "{text}");
    assert!(page.contains("Passes without which no workload is slower:"));
}

#[test]
fn first_change_to_machine_code_is_marked() {
    let (page, markdown) = written(Path::new(DATA), &folder("report_regret"));
    let text = section(&markdown, "Regret");
    assert!(text.contains("| fact | 10 | ") && text.contains(" | 336 |\n"), "{text}");
    assert!(text.contains("\n| **all** | **12** | "), "{text}");
    assert!(page.contains("<title>machine code from 336 iterations</title>"));
    assert!(page.contains("<title>tiered changes to machine code from 155 iterations</title>"));
}

#[test]
fn interpreter_wins_are_listed() {
    let folder = copy("report_never");
    let path = folder.join("jitduel/break-even.json");
    let mut json: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).expect("the file exists")).expect("it is JSON");
    json["lines"][0]["break_even"] = serde_json::json!({ "iterations": null, "low": 70, "high": null });
    fs::write(&path, json.to_string()).expect("the folder is writable");
    let (page, markdown) = written(&folder, &folder.join("out"));
    let text = section(&markdown, "Break-even");
    assert!(text.contains("| fact | never (70.0 to never) |"), "{text}");
    assert!(text.contains("- `jit` on fact: not within 344,064 iterations\n"), "{text}");
    assert!(page.contains("jit: never</text>"));
}

#[test]
fn broken_file_is_named() {
    let estimates = "criterion/execute_fact/jit/new/estimates.json";
    let broken = [
        ("jitduel/break-even.json", "\"lines\"", "\"linen\"", "missing field `lines`"),
        (
            "jitduel/break-even.json",
            "\"interpreter_ns\": 2200.3125",
            "\"interpreter_ns\": -2200.3125",
            "-2200.3125 is not greater than zero at line",
        ),
        (
            "jitduel/break-even.json",
            "\"iterations\": 21",
            "\"iterations\": 0",
            "the points of a sweep are not in ascending order",
        ),
        (
            "jitduel/break-even.json",
            "\"iterations\": 1051.0941883767537",
            "\"iterations\": 1e-322",
            "cannot be a measurement",
        ),
        ("jitduel/break-even.json", "\"low\": ", "\"low\": -1, \"x\": ", "-1 is not greater than zero at line"),
        (
            "jitduel/warm-up.json",
            "\"ns_per_iteration\": ",
            "\"ns_per_iteration\": -1, \"x\": ",
            "-1 is not greater than zero at line",
        ),
        ("jitduel/warm-up.json", "\"iterations\": 1,", "\"iterations\": 0,", "expected a nonzero u64"),
        ("jitduel/warm-up.json", "\"iterations\": 1,", "\"iterations\": 9,", "are not in ascending order"),
        ("jitduel/costs.json", "\"interpreted_long_ns\"", "\"interpreted\"", "missing field `interpreted_long_ns`"),
        ("jitduel/ablation.json", "\"slowdown\": ", "\"slowdown\": 0, \"x\": ", "0 is not greater than zero"),
        ("jitduel/ablation.json", "\"rows\": [", "\"rows\": [7,", "invalid type: integer `7`"),
        ("jitduel/peers.json", "\"ratio\": ", "\"ratio\": 1e300, \"x\": ", "cannot be a measurement"),
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
fn other_version_is_refused_with_the_command_that_makes_it() {
    for (kind, version, command) in [
        ("break-even", 4, "cargo bench --bench break_even"),
        ("warm-up", 1, "cargo bench --bench warm_up"),
        ("costs", 5, "cargo bench --bench costs"),
        ("ablation", 1, "cargo bench --bench ablation"),
        ("peers", 3, "cargo bench --features peers --bench peers"),
        ("instructions", 3, "scripts/count"),
    ] {
        let format = format!("\"jitduel {kind} {version}\"");
        let untagged = format!("\"format\": {format},");
        let older = format!("\"jitduel {kind} {}\"", version - 1);
        for (index, (from, to)) in
            [(untagged.as_str(), ""), (&format, &older), (&format, "\"jitduel 3\"")].into_iter().enumerate()
        {
            let folder = copy(&format!("report_{kind}_{index}"));
            change(&folder.join("jitduel").join(kind).with_extension("json"), from, to);
            let ended = report(&folder, &folder.join("out"));
            let expected = format!("but this version reads `jitduel {kind} {version}`; make it again: {command}\n");
            assert!(ended.code == 2 && ended.stderr.ends_with(&expected), "{}", ended.stderr);
            assert!(!folder.join("out").exists(), "nothing is written");
        }
    }
}

#[test]
fn hostile_data_neither_escapes_the_folder_nor_hangs() {
    let folder = copy("report_paths");
    let path = folder.join("jitduel/break-even.json");
    let text = fs::read_to_string(&path).expect("the file exists");
    fs::write(&path, text.replace("\"workload\": \"fact\"", "\"workload\": \"../../fact\""))
        .expect("the folder is writable");
    written(&folder, &folder.join("out"));
    assert!(folder.join("out/break-even-------fact.svg").exists());
    fs::remove_file(&path).expect("the folder is writable");
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("there is mkfifo");
    assert!(made.success());
    let ended = report(&folder, &folder.join("out"));
    assert!(ended.code == 2 && ended.stderr.contains("break-even.json`: it is not a regular file"), "{}", ended.stderr);
}

#[test]
fn input_and_output_folders_are_respected() {
    let folder = folder("report_folders");
    let nowhere = report(&folder.join("nowhere"), &folder.join("out"));
    assert!(nowhere.code == 2 && nowhere.stderr.contains("nowhere` is not a folder"), "{}", nowhere.stderr);
    fs::write(folder.join("file"), "").expect("the folder is writable");
    let file = report(&folder, &folder.join("file"));
    assert!(file.code == 2 && file.stderr.contains("cannot write `"), "{}", file.stderr);
    // The default is the folder in cargo's variable, or `target` without it.
    for (variable, expected) in [("elsewhere", "elsewhere/report"), ("", "target/report")] {
        let ended = jitduel(["report"]).env("CARGO_TARGET_DIR", variable).current_dir(&folder).run();
        assert_eq!((ended.code, ended.stdout), (0, format!("{expected}/index.html\n{expected}/report.md\n")));
        assert!(folder.join(expected).join("code-size.svg").exists());
    }
    // A terminal would obey the name of a folder that has control characters.
    let ended = jitduel(["report", "--out", "\u{1b}[2J"]).current_dir(&folder).run();
    assert_eq!(ended.stdout, "\\u{1b}[2J/index.html\n\\u{1b}[2J/report.md\n");
}
