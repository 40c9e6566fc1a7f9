//! The output of `scripts/test`: it reports the duration of its stages and summarizes expected deaths of child processes. On
//! Linux and macOS, where there is bash.

use std::path::Path;
use std::process::Command;

/// Runs a script with the beginning of `scripts/test`.
fn bash(body: &str) -> (Option<i32>, String) {
    let script = format!("set -euo pipefail\nsource scripts/packages.sh\nsource scripts/stages.sh\n{body}");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("there is bash");
    (output.status.code(), String::from_utf8(output.stdout).expect("it is UTF-8"))
}

const LANE: &str = r#"
besides() {
  stage "first in the lane"
  echo "qemu: uncaught target signal 6 (Aborted) - core dumped"
  echo "qemu: uncaught target signal 11 (Segmentation fault) - core dumped" >&2
  stage "second in the lane"
  echo "a line of its own"
}
"#;

#[test]
fn each_stage_reports_its_duration() {
    let (code, text) = bash(&format!("{LANE}\nstage outer\nbeside besides\nstage next\nawait\nall_passed"));
    assert_eq!(code, Some(0), "{text}");
    let summary = text.split_once("all passed").expect("it says so").1;
    for name in ["outer", "first in the lane", "second in the lane", "next"] {
        assert!(text.contains(&format!("== {name} (after ")), "{name}: {text}");
        assert_eq!(
            text.lines().filter(|line| line.starts_with("-- took ") && line.ends_with(name)).count(),
            1,
            "{text}"
        );
        assert_eq!(summary.lines().filter(|line| line.ends_with(&format!(" s of CPU  {name}"))).count(), 1, "{text}");
    }
}

#[test]
fn expected_deaths_are_only_counted_unless_a_stage_fails() {
    let (code, text) = bash(&format!("{LANE}\nbeside besides\nawait"));
    assert_eq!((code, text.matches("uncaught target signal 6").count()), (Some(0), 0), "{text}");
    assert!(text.contains("-- not shown: 2 lines \"qemu: uncaught target signal\""), "{text}");
    assert!(text.contains("\na line of its own\n"), "{text}");
    let (code, text) = bash(&format!("{LANE}\nfails() {{ besides; exit 3; }}\nbeside fails\nawait"));
    assert_eq!((code, text.matches("uncaught target signal").count()), (Some(3), 2), "{text}");
    assert!(text.contains("== FAILED: fails"), "{text}");
}

/// Checks the beginning of `scripts/test` and the tests that it leaves out in an emulator.
#[test]
fn the_script_states_its_needs_and_names_existing_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = std::fs::read_to_string(root.join("scripts/test")).expect("it is there");
    let said = script.find("15 to 30 minutes on two processors and 3 GB of disk").expect("it says so");
    assert!(said < script.find("install_packages").expect("it installs"), "before anything is done");
    let (_, names) = script.split_once("left_out=(").expect("it leaves some out");
    for name in names.split_once(')').expect("the list ends").0.split_whitespace() {
        let paths = [format!("tests/{name}.rs"), format!("tests/{name}/main.rs")];
        assert!(paths.iter().any(|path| root.join(path).exists()), "{name}");
    }
}
