//! Checks the README's tables and figures. tests/light/corpus.rs checks its counts of the corpus, tests/repository/docs.rs its outputs.

use std::path::Path;

use jitduel::bytecode;
use jitduel::engine::Options;
use jitduel::isa::disassemble::{Line, disassemble};
use jitduel::isa::{Isa, Tuning, aarch64, x86_64};
use jitduel::lang::{Source, load};
use jitduel::registry::{ENGINES, TABLE};
use jitduel::tiers::{compile, tier};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("the file is there")
}

/// The number of instructions of the shortest loop in a listing: from the target of a branch back to that branch.
fn shortest_loop(lines: &[Line]) -> usize {
    let loops = lines.iter().enumerate().filter_map(|(last, line)| {
        let (_, target) = line.text.rsplit_once("0x")?;
        let target = usize::from_str_radix(target, 16).ok()?;
        let mnemonic = line.text.split(' ').next()?;
        let branches = mnemonic.starts_with("b.") || mnemonic == "b" || mnemonic.starts_with('j');
        let first = lines.iter().position(|line| line.offset == target)?;
        (branches && first <= last).then(|| last - first + 1)
    });
    loops.min().expect("the program has a loop")
}

fn inner_loop<I: Isa>(engine: &str, text: &str) -> usize {
    let tier = tier(engine).expect("the engine exists");
    let program = load(&Source::new("-e", text), 1).expect("it is a program");
    let code = bytecode::lower(&program, Options::default().limits(), false).expect("it is small");
    let compiled = compile::<I>(&code, tier, &Tuning::default(), false, Vec::new()).expect("it is small");
    shortest_loop(&disassemble(I::NAME, &compiled.machine.bytes).expect("there is a decoder"))
}

/// The engines that compile.
fn counted() -> impl Iterator<Item = &'static str> {
    ENGINES.into_iter().filter(|engine| tier(engine).is_some())
}

#[test]
fn the_table_of_instructions_is_correct() {
    let fact = read("corpus/workloads/fact.stk");
    let readme = read("README.md");
    for engine in counted() {
        let mut table = readme.lines().skip_while(|line| !line.starts_with("| engine | top of stack |"));
        let row = table.find(|line| line.starts_with(&format!("| `{engine}` |")));
        let row = row.unwrap_or_else(|| panic!("the README's table has a row for {engine}"));
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let counts = [inner_loop::<aarch64::Emitter>(engine, &fact), inner_loop::<x86_64::Emitter>(engine, &fact)];
        assert_eq!([cells[4], cells[5]], counts.map(|count| count.to_string()), "{engine}");
    }
}

/// Instructions counted in the code equal those counted during execution.
#[test]
fn the_record_of_executed_instructions_is_the_same() {
    let fact = read("corpus/workloads/fact.stk");
    let record: serde_json::Value = serde_json::from_str(&read("benches/instructions.json")).expect("it is JSON");
    for engine in counted() {
        let executed = |isa: &str| record[isa]["fact"][engine].as_f64().expect("it is recorded");
        // The two sizes of a workload may differ by an instruction before the loop.
        let agree = |isa: &str, counted: usize| {
            let executed = executed(isa);
            assert!((executed - counted as f64).abs() < 0.01, "{engine}, {isa}: {executed} and {counted}");
        };
        agree("aarch64", inner_loop::<aarch64::Emitter>(engine, &fact));
        agree("x86_64", inner_loop::<x86_64::Emitter>(engine, &fact));
    }
}

/// The first toy JIT needed 46 instructions for this loop. `jit` must not need more than 10.
#[test]
fn the_factorial_loop_is_short() {
    let fact = read("corpus/workloads/fact.stk");
    assert!(inner_loop::<aarch64::Emitter>("jit-push", &fact) <= 46);
    assert!(inner_loop::<aarch64::Emitter>("jit", &fact) <= 10);
}

#[test]
fn the_table_of_engines_is_the_registry() {
    let readme = read("README.md");
    let table = readme.split_once("| name | what it is |\n| --- | --- |\n").expect("it has the table").1;
    let rows: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let expected: Vec<String> = TABLE.iter().map(|entry| format!("| `{}` | {} |", entry.name, entry.what)).collect();
    assert_eq!(rows, expected);
}

/// The cells of a table's rows. Backticks and stars are removed from the first cell of each row.
fn rows<'a>(page: &'a str, head: &str) -> Vec<Vec<&'a str>> {
    let table = page.lines().skip_while(|line| !line.starts_with(head)).take_while(|line| line.starts_with('|'));
    table.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// The number at the beginning of a cell, bold or not.
fn number(cell: &str) -> Option<f64> {
    cell.trim_start_matches('*').split(['*', ' ']).next()?.replace(',', "").parse().ok()
}

/// Whether a cell shows a value that was computed from others with three digits.
fn is_shown(cell: &str, value: f64) -> bool {
    let shown: f64 = cell.parse().unwrap_or_else(|_| panic!("{cell} is no number"));
    let digits = cell.split_once('.').map_or(0, |(_, behind)| behind.len());
    let half = 0.5 * 0.1f64.powi(i32::try_from(digits).expect("it is short"));
    (shown - value).abs() <= half + 0.006 * value
}

/// The first table agrees with the means and costs in `docs/RESULTS.md`.
#[test]
fn the_table_of_times_agrees_with_the_results() {
    let (readme, results) = (read("README.md"), read("docs/RESULTS.md"));
    let (_, section) = results.split_once("\n## Peers\n").expect("it has peers");
    let peers = rows(section, "| workload | tree | bytecode |");
    let means = peers.iter().find(|row| row[0].contains("geometric mean")).expect("it has means");
    let mean = |name: &str| {
        let column = peers[0].iter().position(|head| *head == name).unwrap_or_else(|| panic!("no {name}"));
        number(means[column]).unwrap_or(1.0)
    };
    let costs = rows(&results, "| step | 100 words | 10k words | 1M words |");
    let cost = |name: &str| {
        let row = costs.iter().find(|row| row[0] == format!("**{name}**"))?;
        number(row[2])
    };
    let table = rows(&readme, "| engine | time relative to gcc |");
    let named = |engine: &&str| table.iter().any(|row| row[0].starts_with(&format!("`{engine}`")));
    assert!(ENGINES.iter().all(named), "every engine has a row");
    for row in &table[2..] {
        let name = match row[0] {
            "LuaJIT, 64-bit integers" => "LuaJIT",
            "Cranelift, optimizing" => "cranelift",
            name => name.trim_start_matches('`').split('`').next().expect("split has a first part"),
        };
        assert!(is_shown(row[1], mean(name) / mean("gcc -O2")), "{name}: {}", mean(name) / mean("gcc -O2"));
        if !row[2].is_empty() {
            assert!(is_shown(row[2], mean("tree") / mean(name)), "{name}: {}", mean("tree") / mean(name));
        }
        if !row[3].is_empty() {
            assert!(is_shown(row[3], cost(name).expect("it has a cost")), "{name}: {:?}", cost(name));
        }
    }
    // The chart under the table uses the same reference, and its file exists.
    assert!(readme.contains("](docs/results/peers-by-gcc.svg)"));
    let chart = read("docs/results/peers-by-gcc.svg");
    assert!(chart.contains(" gcc -O2, geometric mean"));
}

/// The number of patches for an instruction set, or for all.
fn planted(isa: Option<&str>) -> usize {
    let patches = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/planted")).expect("it is there");
    let names = patches.map(|entry| entry.expect("it can be read").file_name().into_string().expect("it is UTF-8"));
    let names = names.filter_map(|name| name.strip_suffix(".patch").map(str::to_owned));
    let applies = |name: &String| match (name.rsplit_once('.'), isa) {
        (Some((_, own)), Some(isa)) => own == isa,
        _ => true,
    };
    names.filter(applies).count()
}

#[test]
fn the_counts_of_planted_bugs_are_correct() {
    let (readme, page) = (read("README.md"), read("docs/PLANTED.md"));
    // For each instruction set, the seconds of its rows agree with the page's summary.
    let found = |isa: &str| {
        let rows = rows(&page, &format!("| class | planted on {isa} |"));
        let seconds: Vec<f64> = rows[2..].iter().map(|row| row[5].parse().expect("seconds")).collect();
        let sum = format!("\n{} planted, 0 not found (seed 1, ", seconds.len());
        assert!(page.contains(&sum), "{sum}");
        assert_eq!(seconds.len(), planted(Some(isa)), "{isa}");
        (seconds.len(), seconds.into_iter().fold(0.0, f64::max))
    };
    let ((here, slowest), (there, slowest_there)) = (found("x86_64"), found("aarch64"));
    assert!(slowest < 60.0, "{slowest}");
    let text = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        format!("A set of {} patches", planted(None)),
        format!("On x86-64, {here} of these bugs can be planted, and `fuzz` finds each within a minute"),
        format!("On AArch64, {there} can be planted, and under QEMU the slowest search takes {slowest_there:.0} s"),
    ] {
        assert!(text.contains(&said), "the README lacks: {said}");
    }
    // Its three examples are in the page.
    let examples = rows(&readme, "| planted bug |");
    assert_eq!(examples.len(), 2 + 3);
    let table = rows(&page, "| class | planted on x86_64 |");
    for example in &examples[2..] {
        let row = table.iter().find(|row| row[2] == example[0]).unwrap_or_else(|| panic!("no bug {}", example[0]));
        assert_eq!((format!("{} programs", row[4]).as_str(), row[6]), (example[1], example[2]));
    }
}
