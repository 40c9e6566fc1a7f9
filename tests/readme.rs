//! What the README's table says is so. Its counts of the corpus are checked with the corpus.

use std::path::Path;

use jitduel::bytecode;
use jitduel::isa::disassemble::{Line, disassemble};
use jitduel::isa::{Isa, Tuning, aarch64, x86_64};
use jitduel::lang::{Source, load};
use jitduel::registry::ENGINES;
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
    let code = bytecode::lower(&program, 65_536, false).expect("it is small");
    let compiled = compile::<I>(&code, tier, &Tuning::default(), false, Vec::new()).expect("it is small");
    shortest_loop(&disassemble(I::NAME, &compiled.machine.bytes).expect("there is a decoder"))
}

/// The engines that compile, and carry every pass out.
fn counted() -> impl Iterator<Item = &'static str> {
    ENGINES.into_iter().filter(|engine| tier(engine).is_some())
}

#[test]
fn the_table_of_instructions_is_true() {
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

/// Read off the code, and counted while it ran: the same.
#[test]
fn the_record_of_executed_instructions_says_the_same() {
    let fact = read("corpus/workloads/fact.stk");
    let record: serde_json::Value = serde_json::from_str(&read("benches/instructions.json")).expect("it is JSON");
    for engine in counted() {
        let executed = |isa: &str| record[isa]["fact"][engine].as_f64().expect("it is recorded");
        assert_eq!(executed("aarch64"), inner_loop::<aarch64::Emitter>(engine, &fact) as f64, "{engine}");
        assert_eq!(executed("x86_64"), inner_loop::<x86_64::Emitter>(engine, &fact) as f64, "{engine}");
    }
}

/// The first toy JIT spent 46 instructions on this loop, and `jit` may not spend more than 10.
#[test]
fn the_factorial_loop_is_short() {
    let fact = read("corpus/workloads/fact.stk");
    assert!(inner_loop::<aarch64::Emitter>("jit-push", &fact) <= 46);
    assert!(inner_loop::<aarch64::Emitter>("jit", &fact) <= 10);
}
