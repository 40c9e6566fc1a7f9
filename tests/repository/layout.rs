//! Every file of a test program is one of its modules: without this, a forgotten file would be tests that nobody runs.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_file_of_a_test_program_is_a_module() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut programs = 0;
    for entry in std::fs::read_dir(&tests).expect("the tests are there") {
        let folder = entry.expect("it can be read").path();
        let Ok(main) = std::fs::read_to_string(folder.join("main.rs")) else { continue };
        programs += 1;
        let names = |entry: std::io::Result<std::fs::DirEntry>| {
            let name = entry.expect("it can be read").file_name().into_string().expect("it is UTF-8");
            name.strip_suffix(".rs").map(str::to_owned)
        };
        let mut files: BTreeSet<String> =
            std::fs::read_dir(&folder).expect("it is a folder").filter_map(names).collect();
        assert!(files.remove("main"));
        let modules = main.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
        // Shared by several programs, and in a folder of its own.
        let modules: BTreeSet<String> = modules.filter(|name| *name != "binary").map(str::to_owned).collect();
        assert_eq!(files, modules, "{}", folder.display());
    }
    assert!(programs >= 7, "{programs}");
}
