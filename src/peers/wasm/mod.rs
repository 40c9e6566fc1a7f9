//! A program as a WebAssembly module.
//!
//! If the depth is known everywhere, values are locals and constants, and a shuffle needs no instruction: the
//! translator tracks which local holds which value. Where loops and branches begin and end, each value is moved to the
//! local of its slot. If loops change the depth, values are in the module's memory and a local points just above the
//! topmost one.
//!
//! Everything that can fail is checked beforehand, so WebAssembly itself never traps; a check that fails returns the
//! number of its trap.

mod values;
mod words;

use std::ops::Range;

use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, InstructionSink, MemorySection, MemoryType,
    Module, TypeSection, ValType,
};

use self::values::{Locals, Values};
use crate::engine::Options;
use crate::export::Limits;
use crate::host_stack::with_room;
use crate::lang::{Ast, NodeKind, Program};
use crate::outcome::{Trap, TrapKind};

/// The export name of the module's function, which takes the fuel and returns how the execution ended.
pub const FUNCTION: &str = "run";

/// The export name of its memory, which holds the inputs before an execution and the results after it.
pub const MEMORY: &str = "memory";

/// The maximum number of values that are kept in locals. Deeper stacks, which are rare, are in memory.
const MOST_LOCALS: usize = 1_000;

/// The size of a memory page in bytes, and the greatest number of pages that 32 bits can address.
const PAGE: u64 = 1 << 16;
const MOST_PAGES: u64 = 1 << 16;

/// A stack limit that is too large for WebAssembly's memory.
#[derive(Debug, thiserror::Error)]
#[error("a stack of {values} values does not fit in the 4 GiB that 32 bits can address")]
pub struct TooDeep {
    /// The limit.
    values: usize,
}

/// How an execution ended.
pub enum End {
    /// It finished and left its values in memory.
    Done {
        /// The number of values.
        depth: usize,
    },
    /// It trapped.
    Trap(Trap),
}

impl End {
    /// Decodes the function's result: the depth, or a negative number that encodes a trap.
    pub fn of(returned: i64, ast: &Ast) -> End {
        if let Ok(depth) = usize::try_from(returned) {
            return End::Done { depth };
        }
        let number = !returned as usize;
        let kinds = TrapKind::ALL.len();
        End::Trap(Trap { kind: TrapKind::ALL[number % kinds], at: ast.nodes()[number / kinds].span })
    }

    /// The function's result for a trap.
    fn number(node: usize, kind: TrapKind) -> i64 {
        let index = TrapKind::ALL.iter().position(|other| *other == kind).expect("all kinds are listed");
        !((node * TrapKind::ALL.len() + index) as i64)
    }
}

/// Translates a program.
///
/// # Errors
/// If no memory can hold the stack.
pub fn translate(program: &Program, options: &Options) -> Result<Vec<u8>, TooDeep> {
    let limits = Limits { stack: options.stack_limit, calls: options.call_limit, fuel: None };
    let most = most_values(program).filter(|most| *most <= MOST_LOCALS);
    let slots = most.unwrap_or(options.stack_limit).max(program.inputs());
    let pages = (slots as u64).checked_mul(8).map(|bytes| bytes.div_ceil(PAGE)).filter(|pages| *pages < MOST_PAGES);
    let pages = pages.ok_or(TooDeep { values: options.stack_limit })?;
    let mut writer = Writer {
        program,
        limits,
        metered: options.metered,
        code: Vec::new(),
        locals: Locals::new(FIRST + program.ast().nesting() as u32),
        values: if most.is_some() { Values::Locals(Vec::new()) } else { Values::Memory },
        loops: 0,
        labels: 0,
        exits: Vec::new(),
        is_dead: false,
        holds_flag: false,
    };
    writer.begin();
    with_room(|| writer.body(0..program.ast().nodes().len(), false));
    writer.finish();
    Ok(module(writer, pages))
}

/// Wraps the function in a module.
fn module(writer: Writer, pages: u64) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I64], [ValType::I64]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: pages,
        maximum: Some(pages),
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports.export(FUNCTION, ExportKind::Func, 0).export(MEMORY, ExportKind::Memory, 0);
    // All locals after the parameter: the pointer, then counters and values.
    let integers = writer.locals.end() - FIRST;
    let mut function = Function::new([(1, ValType::I32), (integers, ValType::I64)]);
    function.raw(writer.code);
    let mut code = CodeSection::new();
    code.function(&function);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&exports).section(&code);
    module.finish()
}

/// The maximum number of values on the stack, regardless of the stack limit. `None` unless the depth before each node
/// is known.
fn most_values(program: &Program) -> Option<usize> {
    /// The depth at the end of a body, if it can be reached. `exit` is the depth at the end of the innermost loop.
    fn body(
        ast: &Ast,
        range: Range<usize>,
        mut depth: usize,
        exit: Option<usize>,
        most: &mut usize,
    ) -> Option<Option<usize>> {
        let mut index = range.start;
        while index < range.end {
            let kind = ast.nodes()[index].kind;
            depth = match kind {
                NodeKind::Call(_) | NodeKind::Address(_) => todo!(),
                NodeKind::Literal(_) | NodeKind::Pick(_) => depth + 1,
                NodeKind::Put(_) => depth.checked_sub(1)?,
                NodeKind::Word(word) => depth.checked_sub(word.pops())? + word.pushes(),
                NodeKind::Times { end } => {
                    let entry = depth.checked_sub(1)?;
                    let end = body(ast, index + 1..end as usize, entry, Some(entry), most)?;
                    end.is_none_or(|end| end == entry).then_some(entry)?
                }
                NodeKind::While { body: begin, end } => {
                    let flag = body(ast, index + 1..begin as usize, depth, None, most)??;
                    let leaving = flag.checked_sub(1)?;
                    let end = body(ast, begin as usize..end as usize, leaving, Some(leaving), most)?;
                    end.is_none_or(|end| end == depth).then_some(leaving)?
                }
                NodeKind::If { otherwise, end } => {
                    let entry = depth.checked_sub(1)?;
                    let then = body(ast, index + 1..otherwise as usize, entry, exit, most)?;
                    match (then, body(ast, otherwise as usize..end as usize, entry, exit, most)?) {
                        (Some(then), Some(other)) => (then == other).then_some(then)?,
                        (None, None) => return Some(None),
                        (then, other) => then.or(other)?,
                    }
                }
                NodeKind::Leave => return (exit == Some(depth)).then_some(None),
                NodeKind::Exit => return Some(None),
            };
            *most = (*most).max(depth);
            index = kind.next(index);
        }
        Some(Some(depth))
    }
    let mut most = program.inputs();
    with_room(|| body(program.ast(), 0..program.ast().nodes().len(), program.inputs(), None, &mut most))?;
    Some(most)
}

/// The function's parameter, then the pointer, then loop counters, then locals that hold values.
const FUEL: u32 = 0;
const POINTER: u32 = 1;
const FIRST: u32 = 2;

/// The translation of a program into a function body.
struct Writer<'a> {
    program: &'a Program,
    limits: Limits,
    metered: bool,
    code: Vec<u8>,
    locals: Locals,
    values: Values,
    /// The number of open counted loops.
    loops: u32,
    /// The number of open blocks, loops and branches of WebAssembly.
    labels: u32,
    /// For each open loop, innermost last, [`Writer::labels`] in the block that a branch to its end leaves.
    exits: Vec<u32>,
    /// Whether the end of the current body cannot be reached.
    is_dead: bool,
    /// Whether the topmost value is a flag that a comparison left on WebAssembly's own stack for a branch.
    holds_flag: bool,
}

impl Writer<'_> {
    fn code(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.code)
    }
}
