//! `asm`: what each stage made of a program.

use std::env::consts::ARCH;
use std::io::Write;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::Status;
use super::input::{Inputs, ProgramArg, engine_names, first_case, fitting, show};
use super::output::Output;
use crate::bytecode::{self, Bytecode, Op, Pc};
use crate::interp::bytecode::Interpreter;
use crate::interp::threaded;
use crate::isa::disassemble::{Line, disassemble};
use crate::isa::{Isa, Mark, Tuning, aarch64, x86_64};
use crate::lang::{Fault, Source, parse, print, verify};
use crate::lir::Recorder;
use crate::outcome::DEFAULT_STACK_LIMIT;
use crate::tiers::{AnyTier, compile, stream, tier};

/// Show what each stage made of a program: its tree, bytecode, LIR, machine code
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    jitduel asm -e '1 +' 0 --isa aarch64\n  \
    jitduel asm corpus/basics/gcd.stk --engine jit-naive --stage lir\n\n\
    Works for either instruction set on any host. Only the number of inputs matters; without any it is that of\n\
    the first `\\ case` line.")]
pub(super) struct Asm {
    #[command(flatten)]
    program: ProgramArg,

    /// The engine whose code is shown
    #[arg(long, value_name = "E", value_parser = engine_names(), default_value = "jit")]
    engine: String,

    /// The instruction set; the host's unless set
    #[arg(long)]
    isa: Option<IsaName>,

    /// What to show
    #[arg(long, default_value = "asm")]
    stage: Stage,

    /// Inputs, of which there are as many in the initial stack
    #[arg(long, value_name = "A,B,…", allow_hyphen_values = true)]
    input: Option<Inputs>,

    /// Meter fuel
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    fuel: Option<u64>,

    /// Greatest number of values on the stack [default: 65536]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    stack_limit: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum IsaName {
    #[value(name = "aarch64")]
    Aarch64,
    #[value(name = "x86_64")]
    X86_64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// The syntax tree, printed as a program
    Ast,
    /// The bytecode
    Bytecode,
    /// What the interpreter makes of the bytecode, for the engine `bytecode`
    Code,
    /// The machine-like operations, and which peephole rules fired
    Lir,
    /// The machine code, disassembled
    Asm,
    /// The machine code, an instruction a line in hexadecimal
    Hex,
}

impl Asm {
    pub fn run(self, out: &mut Output) -> Result<Status> {
        let source = self.program.source()?;
        let given = self.program.only_inputs_or(self.input.as_ref())?;
        let case = if given.is_none() { first_case(&source)? } else { None };
        let stack_limit =
            self.stack_limit.or(case.as_ref().map(|case| case.stack_limit)).unwrap_or(DEFAULT_STACK_LIMIT);
        let inputs = given.or(case.map(|case| case.inputs)).unwrap_or_default();
        let inputs = fitting(inputs, stack_limit)?.len();
        let tier = tier(&self.engine);
        if tier.is_none() && matches!(self.stage, Stage::Lir | Stage::Asm | Stage::Hex) {
            let own = if self.engine == Interpreter::NAME { "ast, bytecode and code" } else { "ast and bytecode" };
            bail!("engine `{}` makes no machine code; it has the stages {own}", self.engine);
        }
        if self.stage == Stage::Code && self.engine != Interpreter::NAME {
            bail!("engine `{}` has no stage code; only `{}` has", self.engine, Interpreter::NAME);
        }
        let ast = match parse(&source).map_err(Fault::from) {
            Ok(ast) => Arc::new(ast),
            Err(fault) => return Ok(stopped(&fault, &source)),
        };
        if self.stage == Stage::Ast {
            write!(out, "{}", print::print(&ast))?;
            return Ok(Status::Ok);
        }
        let program = match verify(&ast, inputs).map_err(Fault::from) {
            Ok(program) => program,
            Err(fault) => return Ok(stopped(&fault, &source)),
        };
        let code = bytecode::lower(&program, stack_limit as u64, self.fuel.is_some())?;
        if self.stage == Stage::Code {
            write!(out, "{}", code_listing(&code, &source))?;
            return Ok(Status::Ok);
        }
        let (Some(tier), false) = (tier, self.stage == Stage::Bytecode) else {
            write!(out, "{}", code.dump(&source))?;
            return Ok(Status::Ok);
        };
        let text =
            match self.isa.unwrap_or(if ARCH == x86_64::Emitter::NAME { IsaName::X86_64 } else { IsaName::Aarch64 }) {
                IsaName::Aarch64 => listing::<aarch64::Emitter>(&code, &source, &self.engine, tier, self.stage)?,
                IsaName::X86_64 => listing::<x86_64::Emitter>(&code, &source, &self.engine, tier, self.stage)?,
            };
        write!(out, "{text}")?;
        Ok(Status::Ok)
    }
}

fn stopped(fault: &Fault, source: &Source) -> Status {
    show(fault, source);
    Status::Stopped
}

/// The interpreter's code: each instruction with the last word that it carries out.
fn code_listing(code: &Bytecode, source: &Source) -> String {
    let lines = threaded::listing(code, true);
    let rows =
        lines.iter().map(|line| format!("{:>6}  {:<40}  {}\n", line.cell, line.text, word(code, source, line.pc.0)));
    rows.collect()
}

fn listing<I: Isa>(code: &Bytecode, source: &Source, engine: &str, tier: AnyTier, stage: Stage) -> Result<String> {
    if stage == Stage::Lir {
        return Ok(lir_listing::<I>(code, source, engine, tier));
    }
    let machine = compile::<I>(code, tier, &Tuning::default(), true, Vec::new())?.machine;
    let lines = disassemble(I::NAME, &machine.bytes).expect("each of our instruction sets has a decoder");
    if stage == Stage::Hex {
        return Ok(lines.iter().map(|line| hex_line(I::NAME, line) + "\n").collect());
    }
    let mut text = format!("\\ {engine}, {}, {} bytes, {} instructions\n", I::NAME, machine.bytes.len(), lines.len());
    // An instruction of AArch64 has 4 bytes, one of x86-64 seldom more than 10.
    let width = if I::NAME == aarch64::Emitter::NAME { 11 } else { 30 };
    let mut marks = machine.marks.iter().peekable();
    let mut last = None;
    for line in &lines {
        // An operation that left no instruction has no line.
        let mut mark = last;
        while let Some(&(_, next)) = marks.next_if(|(offset, _)| *offset as usize <= line.offset) {
            mark = Some(next);
        }
        let label = match mark {
            _ if mark == last => String::new(),
            Some(Mark::Op(pc)) => word(code, source, pc),
            Some(Mark::Exits) => "\\ trap exits".into(),
            _ => "\\ prologue".into(),
        };
        last = mark;
        let bytes = line.bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        let row = format!("{:>6x}  {bytes:<width$}  {:<32}  {label}", line.offset, line.text);
        text += row.trim_end();
        text.push('\n');
    }
    Ok(text)
}

/// The bare code: AArch64 has words of 32 bits, x86-64 bytes.
fn hex_line(isa: &str, line: &Line) -> String {
    let bytes: Box<dyn Iterator<Item = &u8>> =
        if isa == aarch64::Emitter::NAME { Box::new(line.bytes.iter().rev()) } else { Box::new(line.bytes.iter()) };
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// The source word that an operation was made from.
fn word(code: &Bytecode, source: &Source, pc: u32) -> String {
    let pc = Pc(pc);
    let span = code.spans()[pc.index()];
    match code.ops()[pc.index()] {
        Op::Return => "\\ return".into(),
        _ => format!("\\ {}{} {}", code.role(pc), source.text(span), source.place(span)),
    }
}

fn lir_listing<I: Isa>(code: &Bytecode, source: &Source, engine: &str, tier: AnyTier) -> String {
    let (recorder, _, fired) = stream::<I, _>(code, tier, &Tuning::default(), Recorder::default());
    let mut text = format!("\\ {engine}, {}, {} operations\n", I::NAME, recorder.ops.len());
    let mut last = None;
    for (pc, op) in &recorder.ops {
        let label = if last == Some(pc) { String::new() } else { word(code, source, *pc) };
        last = Some(pc);
        let row = format!("  {:<40}  {label}", op.display(I::reg_name).to_string());
        text += row.trim_end();
        text.push('\n');
    }
    let fired: Vec<_> = fired.counts().map(|(rule, count)| format!("{} {count}", rule.name())).collect();
    if matches!(tier, AnyTier::Baseline(switches) if switches.peephole) {
        text += &format!("\\ rules fired: {}\n", if fired.is_empty() { "none".into() } else { fired.join(", ") });
    }
    text
}
