//! Prints the intermediate representation as text.

use std::fmt::{self, Display, Formatter};

use super::ir::{Array, Block, End, Function, Op, Value};

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Display for Block {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", self.0)
    }
}

/// A list with parentheses; empty if there is nothing in it.
fn list(values: &[Value]) -> String {
    match values {
        [] => String::new(),
        values => format!("({})", values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// A line of the text, and the bytecode operation that it was made for. A block's heading has none.
pub struct Line {
    /// The text.
    pub text: String,
    /// The bytecode operation.
    pub pc: Option<u32>,
}

/// The lines of a function. `name` gives the name of a function.
pub fn lines(function: &Function, name: impl Fn(u32) -> String) -> Vec<Line> {
    let mut lines = Vec::new();
    for &block in &function.layout {
        let data = function.block(block);
        lines.push(Line { text: format!("{block}{}:", list(&data.params)), pc: None });
        for &value in &data.insts {
            let inst = &function.insts[value.index()];
            let op = operation(&inst.op, &name);
            let text = if inst.op.defines() { format!("{value} = {op}") } else { op };
            lines.push(Line { text, pc: Some(inst.pc) });
        }
        lines.push(Line { text: end(&data.end), pc: Some(data.end_pc) });
    }
    lines
}

fn operation(op: &Op, name: impl Fn(u32) -> String) -> String {
    let lower = |variant: &dyn fmt::Debug| format!("{variant:?}").to_lowercase();
    match op {
        Op::Param => "parameter".into(),
        Op::Constant(value) => format!("constant {value}"),
        Op::Alu(op, a, b) => format!("{} {a}, {b}", lower(op)),
        Op::AluImm(op, a, imm) => format!("{} {a}, #{imm}", lower(op)),
        Op::AluShifted { op, a, b, shift, amount } => format!("{} {a}, {b} {} #{amount}", lower(op), lower(shift)),
        Op::MulAdd { a, b, c, subtracts: false } => format!("mul-add {a}, {b}, {c}"),
        Op::MulAdd { a, b, c, subtracts: true } => format!("mul-sub {a}, {b}, {c}"),
        Op::Unary(op, a) => format!("{} {a}", lower(op)),
        Op::Set(cond, a, b) => format!("set-{} {a}, {b}", lower(cond)),
        Op::SetImm(cond, a, imm) => format!("set-{} {a}, #{imm}", lower(cond)),
        Op::Divide(op, a, b) => format!("{} {a}, {b}", lower(op)),
        Op::DivideImm(op, a, imm) => format!("{} {a}, #{imm}", lower(op)),
        Op::LoadCell { address, offset } => format!("load-cell {address}{offset:+}"),
        Op::LoadCellAt { cell } => format!("load-cell {cell}"),
        Op::LoadElement { index, array: Array { first, count } } => format!("load-element {first}[{index} of {count}]"),
        Op::StoreElement { value, index, array: Array { first, count } } => {
            format!("store-element {first}[{index} of {count}], {value}")
        }
        Op::StoreCell { value, address, offset } => format!("store-cell {address}{offset:+}, {value}"),
        Op::StoreCellAt { value, cell } => format!("store-cell {cell}, {value}"),
        Op::LoadSlot(slot) => format!("load [{slot:+}]"),
        Op::StoreSlot { value, slot } => format!("store [{slot:+}], {value}"),
        Op::Fuel => "fuel".into(),
        Op::Need { slot, .. } => format!("need [{slot:+}]"),
        Op::Room { slot, .. } => format!("room [{slot:+}]"),
        Op::TakeDepth => "take-depth".into(),
        Op::GiveDepth => "give-depth".into(),
        Op::MovePointer(slots) => format!("move-pointer {slots:+}"),
        Op::Call { function, args } => format!("call {}{}", name(function.0), list(args.values())),
        Op::Argument(index) => format!("argument {index}"),
        Op::CallResult(index) => format!("result {index}"),
        Op::Spill { value, slot } => format!("spill frame[{}], {value}", slot.0),
        Op::Reload(slot) => format!("reload frame[{}]", slot.0),
    }
}

fn end(end: &End) -> String {
    let lower = |variant: &dyn fmt::Debug| format!("{variant:?}").to_lowercase();
    match end {
        End::Open => "open".into(),
        End::Jump(edge) => format!("jump {}{}", edge.to, list(&edge.args)),
        End::Branch { cond, a, b, then, other } => format!("branch-{} {a}, {b}, {then}, {other}", lower(cond)),
        End::BranchImm { cond, a, imm, then, other } => format!("branch-{} {a}, #{imm}, {then}, {other}", lower(cond)),
        End::BranchMask { a, mask, is_zero, then, other } => {
            format!("branch-{} {a}, #{mask:#x}, {then}, {other}", if *is_zero { "clear" } else { "set" })
        }
        End::Return { end } => format!("return [{end:+}]"),
        End::EndCall { results } => format!("end-call{}", list(results.values())),
    }
}
