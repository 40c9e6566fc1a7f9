//! `asm`: the output of each stage for a program.

use std::env::consts::ARCH;
use std::io::Write;

use anyhow::{Result, bail};
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, ValueEnum};

use super::Status;
use super::input::{Inputs, ProgramArg, check_input_count, engine_names, first_case, show};
use super::output::Output;
use crate::bytecode::{self, Bytecode, FunctionId, Limits, Op, Pc, SourceLines};
use crate::front;
use crate::interp::bytecode::Interpreter;
use crate::interp::threaded;
use crate::isa::disassemble::{Line, disassemble};
use crate::isa::{Isa, Mark, Tuning, aarch64, x86_64};
use crate::lang::{Fault, Source, print, printable_lines};
use crate::lir::{self, Recorder};
use crate::outcome::{DEFAULT_CALL_LIMIT, DEFAULT_STACK_LIMIT};
use crate::ssa::{self, PASSES, Passes};
use crate::tiers::{AnyTier, compile, stream, tier};

/// Show the output of each stage for a program: tree, bytecode, LIR, machine code
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel asm -e '1 +' 0 --isa aarch64\n  \
    jitduel asm corpus/basics/gcd.stk --engine jit-naive --stage lir\n\n\
    Both instruction sets work on any host. Only the number of inputs matters. Without inputs, their number is taken\n\
    from the first `\\ case` line.")]
pub(super) struct Asm {
    #[command(flatten)]
    program: ProgramArg,

    /// The engine whose code to show
    #[arg(long, value_name = "E", value_parser = engine_names(), default_value = "jit")]
    engine: String,

    /// The instruction set, for the stages ssa, lir, asm and hex [default: the host's]
    #[arg(long)]
    isa: Option<IsaName>,

    /// What to show
    #[arg(long, default_value = "asm")]
    stage: Stage,

    /// Run only these passes of the engine `ssa`, in their own order
    #[arg(long, value_name = "P,P,…", value_delimiter = ',', value_parser = pass_names())]
    passes: Option<Vec<String>>,

    /// Leave out these passes of the engine `ssa`
    #[arg(long, value_name = "P,P,…", value_delimiter = ',', value_parser = pass_names())]
    without: Vec<String>,

    /// Stop after this pass of the engine `ssa`
    #[arg(long, value_name = "P", value_parser = pass_names())]
    after: Option<String>,

    /// The initial stack; only the number of values matters
    #[arg(long, value_name = "A,B,…", allow_hyphen_values = true)]
    input: Option<Inputs>,

    /// Meter fuel; the amount does not matter
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    fuel: Option<u64>,

    /// Maximum number of values on the stack [default: 65536]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    stack_limit: Option<usize>,

    /// Maximum number of active calls [default: 10000]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    call_limit: Option<u64>,
}

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum IsaName {
    #[value(name = "aarch64")]
    Aarch64,
    #[value(name = "x86_64")]
    X86_64,
}

/// A stage of compilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Stage {
    /// The syntax tree, printed as a program
    Ast,
    /// The bytecode
    Bytecode,
    /// The interpreter's code, for the engine `bytecode`
    Code,
    /// The static single assignment form, for the engine `ssa`
    Ssa,
    /// The low-level IR, and the peephole rules that fired
    Lir,
    /// The machine code, disassembled
    Asm,
    /// The machine code in hexadecimal, one instruction per line
    Hex,
}

impl Asm {
    pub fn run(self, out: &mut Output) -> Result<Status> {
        let source = self.program.source()?;
        let given = self.program.only_inputs_or(self.input.as_ref())?;
        let case = if given.is_none() { first_case(&source)? } else { None };
        let stack_limit =
            self.stack_limit.or(case.as_ref().map(|case| case.stack_limit)).unwrap_or(DEFAULT_STACK_LIMIT);
        let call_limit = self.call_limit.or(case.as_ref().map(|case| case.call_limit)).unwrap_or(DEFAULT_CALL_LIMIT);
        let is_metered = self.fuel.or(case.as_ref().and_then(|case| case.fuel)).is_some();
        let inputs = given.or(case.map(|case| case.inputs)).unwrap_or_default();
        let inputs = check_input_count(inputs, stack_limit)?.len();
        let selects_passes = self.passes.is_some() || self.after.is_some() || !self.without.is_empty();
        let mut tier = tier(&self.engine);
        match &mut tier {
            Some(AnyTier::Optimizing(optimizing)) => optimizing.settings.passes = self.selected_passes(),
            _ if self.stage == Stage::Ssa => bail!("engine `{}` has no stage `ssa`; only `ssa` does", self.engine),
            _ if selects_passes => bail!("engine `{}` has no passes; only `ssa` does", self.engine),
            _ => {}
        }
        if tier.is_none() && matches!(self.stage, Stage::Lir | Stage::Asm | Stage::Hex) {
            let own = if self.engine == Interpreter::NAME { "ast, bytecode and code" } else { "ast and bytecode" };
            bail!("engine `{}` emits no machine code; its stages are {own}", self.engine);
        }
        if self.stage == Stage::Code && self.engine != Interpreter::NAME {
            bail!("engine `{}` has no stage `code`; only `{}` does", self.engine, Interpreter::NAME);
        }
        if matches!(self.stage, Stage::Ast | Stage::Bytecode | Stage::Code) && (selects_passes || self.isa.is_some()) {
            bail!(
                "the options --isa, --passes, --without and --after have no effect on the stages ast, bytecode and code"
            );
        }
        let parsed = match front::parse(&source) {
            Ok(parsed) => parsed,
            Err(fault) => return Ok(stopped(&fault, &source)),
        };
        if self.stage == Stage::Ast {
            write!(out, "{}", printable_lines(&print::print(&parsed.ast)))?;
            return Ok(Status::Ok);
        }
        let program = match parsed.program(inputs)? {
            Ok(program) => program,
            Err(fault) => return Ok(stopped(&fault, &source)),
        };
        let limits = Limits { stack: stack_limit as u64, calls: call_limit };
        let code = bytecode::lower(&program, limits, is_metered)?;
        if self.stage == Stage::Code {
            write!(out, "{}", code_listing(&code, &source))?;
            return Ok(Status::Ok);
        }
        let (Some(tier), false) = (tier, self.stage == Stage::Bytecode) else {
            write!(out, "{}", code.dump(&source))?;
            return Ok(Status::Ok);
        };
        let isa = self.isa.unwrap_or_else(IsaName::of_host);
        write!(out, "{}", listing_for(isa, &code, &source, &self.engine, tier, self.stage)?)?;
        Ok(Status::Ok)
    }
}

impl Asm {
    /// The passes that the options select.
    fn selected_passes(&self) -> Passes {
        let named = |name: &String| Passes::named(name).expect("clap accepts only names of passes");
        let all = |names: &[String]| names.iter().map(named).fold(Passes::NONE, Passes::with);
        let selected = self.passes.as_deref().map_or(Passes::ALL, all).without(all(&self.without));
        self.after.as_ref().map_or(selected, |last| selected.up_to(named(last)))
    }
}

fn pass_names() -> PossibleValuesParser {
    PASSES.iter().map(|pass| PossibleValue::new(pass.name).help(pass.about)).collect::<Vec<_>>().into()
}

impl IsaName {
    /// The host's. On a host that is neither, the listing is that of AArch64.
    pub(super) fn of_host() -> IsaName {
        if ARCH == x86_64::Emitter::NAME { IsaName::X86_64 } else { IsaName::Aarch64 }
    }
}

/// The output of a stage of an engine that emits machine code.
pub(super) fn listing_for(
    isa: IsaName,
    code: &Bytecode,
    source: &Source,
    engine: &str,
    tier: AnyTier,
    stage: Stage,
) -> Result<String> {
    match isa {
        IsaName::Aarch64 => listing::<aarch64::Emitter>(code, source, engine, tier, stage),
        IsaName::X86_64 => listing::<x86_64::Emitter>(code, source, engine, tier, stage),
    }
}

fn stopped(fault: &Fault, source: &Source) -> Status {
    show(fault, source);
    Status::Stopped
}

/// The interpreter's code: each instruction with the last word that it executes. A line with the name precedes each definition.
fn code_listing(code: &Bytecode, source: &Source) -> String {
    let mut text = String::new();
    let mut last = FunctionId::MAIN;
    let mut source_lines = SourceLines::new(code, source);
    for line in threaded::listing(code, true) {
        let function = code.function_of(line.pc);
        if function != last {
            text += &heading(code, function);
            source_lines = SourceLines::new(code, source);
            last = function;
        }
        text += &source_lines.above(line.pc);
        text += &format!("{:>6}  {:<40}  {}\n", line.cell, line.text, word(code, source, line.pc.0));
    }
    text
}

/// The lines before the code of a definition.
fn heading(code: &Bytecode, function: FunctionId) -> String {
    format!("\n{}\n", code.functions()[function.index()].header())
}

fn listing<I: Isa>(code: &Bytecode, source: &Source, engine: &str, tier: AnyTier, stage: Stage) -> Result<String> {
    if let (Stage::Ssa, AnyTier::Optimizing(tier)) = (stage, tier) {
        return Ok(ssa_listing::<I>(code, source, tier.settings.passes));
    }
    if stage == Stage::Lir {
        return Ok(lir_listing::<I>(code, source, engine, tier));
    }
    let machine = compile::<I>(code, tier, &Tuning::default(), true, Vec::new())?.machine;
    let lines = disassemble(I::NAME, &machine.bytes).expect("both instruction sets have a decoder");
    if stage == Stage::Hex {
        return Ok(lines.iter().map(|line| hex_line(I::NAME, line) + "\n").collect());
    }
    let mut text = format!("\\ {engine}, {}, {} bytes, {} instructions\n", I::NAME, machine.bytes.len(), lines.len());
    // An AArch64 instruction has 4 bytes, an x86-64 instruction rarely more than 10.
    let width = if I::NAME == aarch64::Emitter::NAME { 11 } else { 30 };
    let entry = |(offset, mark): &(u32, Mark)| {
        if let Mark::Function(function) = mark { Some((*offset as usize, FunctionId(*function))) } else { None }
    };
    let entries: Vec<_> = machine.marks.iter().filter_map(entry).collect();
    let callee = |offset: usize| {
        let (_, function) = entries.iter().find(|(entry, _)| *entry == offset).expect("only functions are called");
        format!(" <{}>", code.functions()[function.index()].printable_name())
    };
    let mut marks = machine.marks.iter().peekable();
    let mut last = None;
    let mut source_lines = SourceLines::new(code, source);
    for line in &lines {
        // An operation without instructions has no line.
        let mut mark = last;
        while let Some(&(_, next)) = marks.next_if(|(offset, _)| *offset as usize <= line.offset) {
            mark = Some(next);
            if let Mark::Function(function) = next {
                text += &heading(code, FunctionId(function));
                source_lines = SourceLines::new(code, source);
            }
        }
        let label = match mark {
            _ if mark == last => String::new(),
            Some(Mark::Op(pc)) => {
                text += &source_lines.above(Pc(pc));
                word(code, source, pc)
            }
            Some(Mark::Exits) => "\\ trap exits".into(),
            Some(Mark::Prologue | Mark::Function(_)) | None => "\\ prologue".into(),
        };
        last = mark;
        let bytes = line.bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        let instruction = line.text.clone() + &line.calls.map_or(String::new(), callee);
        let row = format!("{:>6x}  {bytes:<width$}  {instruction:<32}  {label}", line.offset);
        text += row.trim_end();
        text.push('\n');
    }
    Ok(text)
}

/// An instruction in hexadecimal: a 32-bit word on AArch64, bytes in memory order on x86-64.
fn hex_line(isa: &str, line: &Line) -> String {
    let bytes: Box<dyn Iterator<Item = &u8>> =
        if isa == aarch64::Emitter::NAME { Box::new(line.bytes.iter().rev()) } else { Box::new(line.bytes.iter()) };
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// The source word of an operation.
fn word(code: &Bytecode, source: &Source, pc: u32) -> String {
    let pc = Pc(pc);
    let span = code.spans()[pc.index()];
    match code.ops()[pc.index()] {
        Op::Return => "\\ return".into(),
        _ => format!("\\ {}{} {}", code.role(pc), source.text(span), source.place(span)),
    }
}

/// The static single assignment form of each function, after these passes.
fn ssa_listing<I: Isa>(code: &Bytecode, source: &Source, passes: Passes) -> String {
    let names: Vec<_> = passes.iter().map(|pass| pass.name).collect();
    let mut text =
        format!("\\ ssa, {}, passes: {}\n", I::NAME, if names.is_empty() { "none".into() } else { names.join(", ") });
    let function_name = |function| code.functions()[FunctionId(function).index()].printable_name().into_owned();
    for function in ssa::functions::<I>(code, passes) {
        if function.id != FunctionId::MAIN {
            text += &heading(code, function.id);
        }
        let mut last = None;
        let mut source_lines = SourceLines::new(code, source);
        for ssa::print::Line { text: line, pc } in ssa::print::lines(&function, function_name) {
            let indent = if pc.is_some() { "    " } else { "  " };
            let label = match pc {
                Some(pc) if last != Some(pc) => {
                    text += &source_lines.above(Pc(pc));
                    word(code, source, pc)
                }
                _ => String::new(),
            };
            last = pc.or(last);
            let row = format!("{indent}{line:<width$}  {label}", width = 42 - indent.len());
            text += row.trim_end();
            text.push('\n');
        }
    }
    text
}

fn lir_listing<I: Isa>(code: &Bytecode, source: &Source, engine: &str, tier: AnyTier) -> String {
    let (recorder, _, fired) = stream::<I, _>(code, tier, &Tuning::default(), Recorder::default());
    let mut text = format!("\\ {engine}, {}, {} operations\n", I::NAME, recorder.ops.len());
    let mut last = None;
    let mut source_lines = SourceLines::new(code, source);
    let function_name = |function| code.functions()[FunctionId(function).index()].printable_name().into_owned();
    for (pc, op) in &recorder.ops {
        let label = match op {
            lir::Op::Function { function, .. } => {
                text += &heading(code, FunctionId(*function));
                source_lines = SourceLines::new(code, source);
                String::new()
            }
            _ if last == Some(pc) => String::new(),
            _ => {
                last = Some(pc);
                text += &source_lines.above(Pc(*pc));
                word(code, source, *pc)
            }
        };
        let row = format!("  {:<40}  {label}", op.display(I::reg_name, function_name).to_string());
        text += row.trim_end();
        text.push('\n');
    }
    let fired: Vec<_> = fired.counts().map(|(rule, count)| format!("{} {count}", rule.name())).collect();
    if matches!(tier, AnyTier::Baseline(tier) if tier.switches.peephole) {
        text += &format!("\\ rules fired: {}\n", if fired.is_empty() { "none".into() } else { fired.join(", ") });
    }
    text
}
