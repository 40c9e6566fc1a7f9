//! The bytecode as text: a line an operation, with the place and the word that it was made from.

use std::fmt::Write;

use super::{Bytecode, Op, Pc};
use crate::lang::Source;

impl Bytecode {
    /// The listing; `source` must be the text that the program was parsed from.
    pub fn dump(&self, source: &Source) -> String {
        let mut text = String::new();
        let mut heads = self.heads.iter().peekable();
        for (pc, (op, span)) in self.ops.iter().zip(&self.spans).enumerate() {
            let mut mark = ' ';
            while heads.next_if(|head| head.index() == pc).is_some() {
                mark = '*';
            }
            let word = if *op == Op::Return { String::new() } else { format!("\\ {}", source.text(*span)) };
            let line = format!("{pc:>6} {mark} {:<32}{word}", op.to_string());
            writeln!(text, "{}", line.trim_end()).expect("a string takes all text");
        }
        text
    }

    /// What an operation does for the word that it was made from, to be put before that word: nothing where it carries
    /// the word out.
    pub fn role(&self, pc: Pc) -> String {
        match self.ops[pc.index()] {
            Op::Next { .. } => "end of ".into(),
            op @ (Op::Need { .. } | Op::Room { .. } | Op::Fuel | Op::Jump(_)) => format!("{op} for "),
            _ => String::new(),
        }
    }
}

impl std::fmt::Display for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Op::Literal(value) => write!(f, "literal {value}"),
            Op::Word(word) => f.write_str(word.spelling()),
            Op::Pick(depth) => write!(f, "pick {depth}"),
            Op::Times { counter, exit } => write!(f, "times c{}, exit {}", counter.0, exit.0),
            Op::Next { counter, head } => write!(f, "next c{}, head {}", counter.0, head.0),
            Op::BranchIfZero(to) => write!(f, "branch-if-zero {}", to.0),
            Op::Jump(to) => write!(f, "jump {}", to.0),
            Op::Fuel => f.write_str("fuel"),
            Op::Need { values, group } => write!(f, "need {values}, group {}", group.0),
            Op::Room { values, group } => write!(f, "room {values}, group {}", group.0),
            Op::Return => f.write_str("return"),
        }
    }
}
