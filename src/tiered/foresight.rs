//! What is known about a run before it begins: how much work the main program's first loop will do.

use crate::bytecode::{Bytecode, FunctionId, Op};
use crate::lang::words::{Class, Word};

/// At most this many operations of the main program are computed in advance.
const MOST: usize = 32;

/// The first loop of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstLoop {
    /// The work that it will do, in operations, if the loops in its body end after one iteration.
    pub work: i64,
    /// The number of operations of its body.
    pub body: usize,
}

/// The main program's first loop, if it is a `times` loop whose count follows from the inputs by a few operations, and which nothing
/// leaves early.
pub fn first_loop(code: &Bytecode, inputs: &[i64], fuel: Option<u64>) -> Option<FirstLoop> {
    let mut stack = inputs.to_vec();
    for op in code.ops_of(FunctionId::MAIN).iter().take(MOST) {
        match *op {
            Op::Literal(value) => stack.push(value),
            Op::Word(word) => apply(word, &mut stack)?,
            Op::Pick(depth) => stack.push(*stack.iter().rev().nth(usize::try_from(depth).ok()?)?),
            // If a check fails, the run ends here, and the estimate does not matter.
            Op::Need { .. } | Op::Room { .. } | Op::Fuel => {}
            Op::Times(id) => {
                let region = code.region(id);
                let ops = &code.ops()[region.start.index()..region.end.index()];
                if ops.iter().any(|op| matches!(op, Op::Leave(_) | Op::Exit)) {
                    return None;
                }
                let most = fuel.map_or(i64::MAX, |fuel| i64::try_from(fuel).unwrap_or(i64::MAX));
                let count = stack.pop()?.clamp(0, most);
                let body = region.operations();
                return Some(FirstLoop { work: count.saturating_mul(body as i64), body });
            }
            _ => return None,
        }
    }
    None
}

/// Executes a word, unless it may trap.
fn apply(word: Word, stack: &mut Vec<i64>) -> Option<()> {
    if matches!(word.class(), Class::Division | Class::Memory) {
        return None;
    }
    let operands = stack.split_off(stack.len().checked_sub(word.pops())?);
    match (word.class(), &operands[..]) {
        (Class::Shuffle, _) => stack.extend(word.origins().iter().map(|origin| operands[*origin])),
        (_, &[operand]) => stack.push(word.apply(operand, 0)),
        (_, &[a, b]) => stack.push(word.apply(a, b)),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytecode::{Limits, lower};
    use crate::lang::{Source, load};

    fn found(text: &str, inputs: &[i64], fuel: Option<u64>) -> Option<FirstLoop> {
        let program = load(&Source::new("test", text), inputs.len()).expect("it is a program");
        let code = lower(&program, Limits::of_stack(100), fuel.is_some()).expect("it is small");
        first_loop(&code, inputs, fuel)
    }

    #[test]
    fn the_count_follows_from_the_inputs() {
        let one = found("0 swap times 1 + end", &[1], None).expect("it begins with a loop");
        assert!(one.work == one.body as i64 && (3..=6).contains(&one.body), "{one:?}");
        for (text, inputs, count) in [
            ("0 swap times 1 + end", &[7][..], 7),
            ("0 swap times 1 + end", &[-7], 0),
            ("0 swap times 1 + end", &[i64::MIN], 0),
            ("0 100 rot rot drop times 1 + end", &[7], 7),
            ("0 rot rot * negate 3 - times 1 + end", &[-5, 4], 17),
            ("0 1 pick 2 * times 1 + end swap drop", &[4], 8),
        ] {
            let found = found(text, inputs, None).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(found.work, count * found.body as i64, "{text}");
        }
        let endless = found("0 swap times 1 + end", &[i64::MAX], None).expect("it begins with a loop");
        assert_eq!(endless.work, i64::MAX);
        let metered = found("0 swap times 1 + end", &[1_000], Some(50)).expect("it begins with a loop");
        assert_eq!(metered.work, 50 * metered.body as i64);
    }

    #[test]
    fn other_programs_are_not_foreseen() {
        for (text, inputs) in [
            ("1 +", &[1][..]),
            ("while dup do 1 - end", &[5]),
            ("if 1 else 2 end times end", &[5]),
            ("100 swap / times end", &[5]),
            ("1 array a a @ times end", &[]),
            ("times leave end", &[5]),
            (": f ( n -- n ) ; f times end", &[5]),
        ] {
            assert_eq!(found(text, inputs, None), None, "{text}");
        }
        assert_eq!(found(&format!("{}times end", "1 + ".repeat(MOST)), &[5], None), None, "too long");
    }
}
