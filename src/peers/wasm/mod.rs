//! A program as a WebAssembly module.
//!
//! If the depth is known everywhere, values are locals and constants, and a shuffle needs no instruction: the
//! translator tracks which local holds which value. Where loops and branches begin and end, each value is moved to the
//! local of its slot. If loops change the depth, values are in the module's memory and a local points just above the
//! topmost one.
//!
//! Each definition is a function of the module. In a program with calls, globals hold the fuel, the number of calls that may still
//! begin and, if loops change the depth, the pointer.
//!
//! Everything that can fail is checked beforehand. In the main program, a check that fails returns the number of its trap. In a
//! definition, it writes the number to a global, and `unreachable` ends all calls. Otherwise, WebAssembly itself never traps.

mod values;
mod words;

use std::ops::Range;

use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType,
    InstructionSink, MemorySection, MemoryType, Module, TypeSection, ValType,
};

use self::values::{Locals, Values};
use crate::engine::Options;
use crate::export::Limits;
use crate::host_stack::with_room;
use crate::lang::{Ast, DefinitionId, NodeKind, Program};
use crate::outcome::{Trap, TrapKind};

/// The export name of the module's function, which takes the fuel and returns how the execution ended.
pub const FUNCTION: &str = "run";

/// The export name of its memory, which holds the inputs before an execution and the results after it, and the program's cells.
pub const MEMORY: &str = "memory";

/// The export name of the global that holds the number of the trap if a definition trapped.
pub const TRAP: &str = "trap";

/// The export name of the global that holds the number of calls that may still begin.
pub const CALLS: &str = "calls";

/// The globals of a program with calls: the fuel, the calls that may still begin, the number of the trap, the number of values
/// below the base, and the pointer.
const GLOBAL_FUEL: u32 = 0;
const GLOBAL_CALLS: u32 = 1;
const GLOBAL_TRAP: u32 = 2;
const GLOBAL_BELOW: u32 = 3;
const GLOBAL_POINTER: u32 = 4;

/// The maximum number of values that are kept in locals. Deeper stacks, which are rare, are in memory.
const MOST_LOCALS: usize = 1_000;

/// The size of a memory page in bytes, and the greatest number of pages that 32 bits can address.
const PAGE: u64 = 1 << 16;
const MOST_PAGES: u64 = 1 << 16;

/// A stack limit that is too large for WebAssembly's memory.
#[derive(Debug, thiserror::Error)]
#[error("a stack of {values} values and the program's memory do not fit in the 4 GiB that 32 bits can address")]
pub struct TooDeep {
    /// The limit.
    values: usize,
}

/// A program as a module.
pub struct Translated {
    /// The module.
    pub module: Vec<u8>,
    /// The address of the first memory cell in the module's memory.
    pub cells_start: usize,
    /// The most parameters and locals of a definition.
    pub most_locals: usize,
}

/// The checks at calls that are necessary.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallChecks {
    /// Whether calls are counted.
    pub depth: bool,
    /// Whether the frame of a call might exceed the stack limit.
    pub frame: bool,
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
        End::Trap(End::trap(returned, ast))
    }

    /// Decodes a negative number that encodes a trap.
    pub fn trap(number: i64, ast: &Ast) -> Trap {
        let number = !number as usize;
        let kinds = TrapKind::ALL.len();
        Trap { kind: TrapKind::ALL[number % kinds], at: ast.nodes()[number / kinds].span }
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
pub fn translate(program: &Program, options: &Options, calls: CallChecks) -> Result<Translated, TooDeep> {
    let limits = Limits { stack: options.stack_limit, calls: options.call_limit, fuel: None };
    let most = most_values(program).filter(|most| *most <= MOST_LOCALS);
    let slots = most.unwrap_or(options.stack_limit).max(program.inputs());
    let too_deep = || TooDeep { values: options.stack_limit };
    let cells_start = slots.checked_mul(8).ok_or_else(too_deep)?;
    let bytes = cells_start as u64 + 8 * program.ast().cells() as u64;
    let pages = Some(bytes.div_ceil(PAGE)).filter(|pages| *pages < MOST_PAGES).ok_or_else(too_deep)?;
    let has_calls = !program.ast().definitions().is_empty();
    let writer = |id: Option<DefinitionId>| {
        // Values in memory need no parameters.
        let params = id.filter(|_| most.is_some()).map_or(0, |id| program.ast().definition(id).params);
        let first = if id.is_some() { params + 1 } else { FIRST };
        let mut writer = Writer {
            program,
            limits,
            metered: options.metered,
            calls,
            has_calls,
            id,
            cells_start: cells_start as u64,
            code: Vec::new(),
            first,
            locals: Locals::new(params, first + program.ast().nesting() as u32),
            values: if most.is_some() { Values::Locals(Vec::new()) } else { Values::Memory },
            loops: 0,
            labels: 0,
            exits: Vec::new(),
            is_dead: false,
            holds_flag: false,
        };
        writer.begin();
        let body = id.map_or(program.ast().main(), |id| program.ast().definition(id).body.clone());
        with_room(|| writer.body(body, false));
        writer.finish();
        writer
    };
    let main = writer(None);
    let definitions: Vec<Writer> =
        (0..program.ast().definitions().len() as u32).map(|id| writer(Some(DefinitionId(id)))).collect();
    let most_locals = definitions.iter().map(|writer| writer.locals.end() as usize).max().unwrap_or(0);
    Ok(Translated { module: module(&main, &definitions, pages), cells_start, most_locals })
}

/// Wraps the functions in a module.
fn module(main: &Writer, definitions: &[Writer], pages: u64) -> Vec<u8> {
    let mut types = TypeSection::new();
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for (index, writer) in std::iter::once(main).chain(definitions).enumerate() {
        let (params, results) = writer.signature();
        types.ty().function(vec![ValType::I64; params], vec![ValType::I64; results]);
        functions.function(index as u32);
        // All locals after the parameters: the pointer or the base, then counters and values.
        let integers = writer.locals.end() - writer.first;
        let mut function = Function::new([(1, ValType::I32), (integers, ValType::I64)]);
        function.raw(writer.code.iter().copied());
        code.function(&function);
    }
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
    let mut globals = GlobalSection::new();
    if main.has_calls {
        let mutable = |val_type| GlobalType { val_type, mutable: true, shared: false };
        for _ in [GLOBAL_FUEL, GLOBAL_CALLS, GLOBAL_TRAP, GLOBAL_BELOW] {
            globals.global(mutable(ValType::I64), &ConstExpr::i64_const(0));
        }
        globals.global(mutable(ValType::I32), &ConstExpr::i32_const(0));
        exports.export(TRAP, ExportKind::Global, GLOBAL_TRAP).export(CALLS, ExportKind::Global, GLOBAL_CALLS);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&globals).section(&exports).section(&code);
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
                NodeKind::Call(id) => {
                    let definition = ast.definition(id);
                    depth.checked_sub(definition.params as usize)? + definition.results as usize
                }
                NodeKind::Literal(_) | NodeKind::Pick(_) | NodeKind::Address(_) => depth + 1,
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
    let ast = program.ast();
    let mut most = program.inputs();
    with_room(|| body(ast, ast.main(), program.inputs(), None, &mut most))?;
    for definition in ast.definitions() {
        let (params, results) = (definition.params as usize, definition.results as usize);
        most = most.max(params).max(results);
        with_room(|| body(ast, definition.body.clone(), params, None, &mut most))?;
    }
    Some(most)
}

/// The main function's parameter, then the pointer, then loop counters, then locals that hold values. The parameters of a
/// definition are values; then come the base, loop counters and other values.
const FUEL: u32 = 0;
const POINTER: u32 = 1;
const FIRST: u32 = 2;

/// The translation of the main program or of a definition into a function body.
struct Writer<'a> {
    program: &'a Program,
    limits: Limits,
    metered: bool,
    calls: CallChecks,
    /// Whether the program has definitions.
    has_calls: bool,
    /// The definition; `None` for the main program.
    id: Option<DefinitionId>,
    /// The address of the first memory cell.
    cells_start: u64,
    code: Vec<u8>,
    /// The first local that is a loop counter.
    first: u32,
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
    /// The numbers of parameters and results of the function.
    fn signature(&self) -> (usize, usize) {
        match (self.id, &self.values) {
            (None, _) => (1, 1),
            (Some(_), Values::Memory) => (0, 0),
            (Some(id), Values::Locals(_)) => {
                let definition = self.program.ast().definition(id);
                (definition.params as usize, definition.results as usize)
            }
        }
    }

    /// Pushes the pointer on WebAssembly's own stack.
    fn get_pointer(&mut self) {
        let has_calls = self.has_calls;
        let mut code = self.code();
        if has_calls {
            code.global_get(GLOBAL_POINTER)
        } else {
            code.local_get(POINTER)
        };
    }

    /// Pops the pointer from WebAssembly's own stack.
    fn set_pointer(&mut self) {
        let has_calls = self.has_calls;
        let mut code = self.code();
        if has_calls {
            code.global_set(GLOBAL_POINTER)
        } else {
            code.local_set(POINTER)
        };
    }

    /// Pushes the address of the lowest value that the function may use on WebAssembly's own stack.
    fn get_base(&mut self) {
        let base = self.id.map(|_| self.first - 1);
        let mut code = self.code();
        match base {
            None => code.i32_const(0),
            Some(base) => code.local_get(base),
        };
    }

    fn code(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.code)
    }
}
