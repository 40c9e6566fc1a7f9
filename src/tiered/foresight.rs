//! How much work a run will do, as far as its inputs show it before it begins.
//!
//! The program is executed with the values that are known: those of the inputs, and what follows from them. Of a `times` loop only the
//! first iteration is executed, and the others are taken to be like it. A `while` loop is taken to end after a few iterations.
//! Apart from branches, the work is rarely more than the run will do, and it may be much less.

use crate::bytecode::{Bytecode, Function, FunctionId, Op, Pc, Region, RegionId, RegionKind};
use crate::interp::switch::Stopped;
use crate::lang::words::{Class, Word};

/// The work of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foresight {
    /// The work that the run will do, in operations.
    pub work: i64,
    /// The number of operations of the outermost loop that does most of it.
    pub body: usize,
    /// The run may do this many times as much work: from [`KNOWN`] to [`ANY`].
    pub factor: i64,
}

/// The counts of all loops are known, and so are all branches around loops and calls.
const KNOWN: i64 = 1;

/// The counts of some loops in other loops are known only for some iterations.
const ABOUT: i64 = 2;

/// The counts of some loops are not known, or other parts were not executed. The factor is a guess. With half or twice this value, the
/// benchmarks are equally fast on average.
const PART: i64 = 8;

/// Functions call themselves.
const RECURSIVE: i64 = 256;

/// More operations precede the first loop than are executed in advance, or the count of the outermost loop is not known.
const ANY: i64 = i64::MAX;

impl Foresight {
    /// The work of a run that was stopped in a loop. All iterations are taken to be like those that have ended.
    pub fn of_stopped(code: &Bytecode, executed: i64, stopped: &Stopped) -> Foresight {
        let body = code.region(stopped.region).operations();
        match stopped.iterations {
            Some((ended, count)) => {
                let of_loop = i128::from(stopped.operations) * count as i128 / ended.max(1) as i128;
                let work = i64::try_from(i128::from(executed - stopped.operations) + of_loop).unwrap_or(i64::MAX);
                Foresight { work, body, factor: if ended > 1 { ABOUT } else { PART } }
            }
            None => Foresight { work: executed, body, factor: ANY },
        }
    }

    /// Whether this is all of the run's work.
    pub fn is_whole(&self) -> bool {
        self.factor == KNOWN
    }
}

/// The loops and branches of the main program.
pub fn main_regions(code: &Bytecode) -> impl Iterator<Item = &Region> {
    let main = code.main().end;
    code.regions().iter().take_while(move |region| region.start < main)
}

/// Whether the main program has a `while` loop.
pub fn has_while(code: &Bytecode) -> bool {
    main_regions(code).any(|region| region.kind == RegionKind::While)
}

/// Computes the work of a run with these inputs.
pub fn foresee(code: &Bytecode, inputs: &[i64], fuel: Option<u64>) -> Foresight {
    let topmost = &inputs[inputs.len().saturating_sub(MOST_INPUTS)..];
    let mut stack = Vec::with_capacity(topmost.len() + 16);
    stack.extend(topmost.iter().copied().map(Some));
    let fuel = fuel.map_or(i64::MAX, |fuel| i64::try_from(fuel).unwrap_or(i64::MAX));
    let is_open = has_while(code);
    let length = code.ops().len();
    let steps = if is_open { MOST_STEPS.0 + length / 4 } else { MOST_STEPS.0 + length }.min(MOST_STEPS.1);
    let seen = Foresight { work: 0, body: 0, factor: KNOWN };
    let (function, is_recursive, may_open, condition) = (FunctionId::MAIN, false, MOST_OPEN, None);
    let mut walk = Walk {
        code,
        stack,
        fuel,
        steps,
        function,
        is_recursive,
        may_open,
        loops: 0,
        unknown: 1,
        condition,
        heaviest: 0,
        seen,
    };
    if walk.function(FunctionId::MAIN).is_none() {
        walk.doubt(PART);
    }
    walk.seen
}

/// At most this many operations are executed: the first number and one for each operation of the program, up to the second. If the
/// main program has a `while` loop, only one for every four, because more would rarely say more.
const MOST_STEPS: (usize, usize) = (16, 4_000);

/// At most this many inputs are taken into account.
const MOST_INPUTS: usize = 64;

/// The walk skips definitions that are longer than this and contain no control flow. It also skips loops with a known count that contain
/// neither loops nor calls, unless they are not longer than this and have a single iteration. It adds the work of what it skips, and
/// marks the results as unknown.
const SHORT: usize = 4;

/// A branch of at most this many operations makes no difference.
const LONG_BRANCH: usize = 16;

/// At most this many iterations of a `while` loop are executed, if its flag is known that often.
const MOST_ITERATIONS: usize = 4;

/// At most this many loops and branches are open. A call counts twice.
const MOST_OPEN: usize = 8;

struct Walk<'a> {
    code: &'a Bytecode,
    /// The values on the stack; `None` for those that are not known.
    stack: Vec<Option<i64>>,
    /// The most iterations of a loop.
    fuel: i64,
    /// How many operations may still be executed.
    steps: usize,
    /// The function that is executed.
    function: FunctionId,
    /// Whether a function has called itself.
    is_recursive: bool,
    /// How many more loops, branches and calls may be open.
    may_open: usize,
    /// The number of open loops.
    loops: usize,
    /// How many times as much work the run may do because the counts of some open loops are not known.
    unknown: i64,
    /// The condition of the innermost open `while` loop, if it was executed last.
    condition: Option<Condition>,
    /// The work of the outermost loop that does most.
    heaviest: i64,
    seen: Foresight,
}

/// What is known after the condition of a `while` loop.
#[derive(Clone, Copy)]
struct Condition {
    /// The height of the stack.
    height: usize,
    /// Whether the flag is known.
    is_known: bool,
}

/// How the execution of some operations ends. Functions return `None` if they cannot tell which operation comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// After the last operation.
    Reached,
    /// A loop was left.
    Left(RegionId),
    /// The function has returned.
    Returned,
}

impl Walk<'_> {
    /// Whether there is such an operation among these. Looking at 16 of them takes about as long as executing one.
    fn has(&mut self, ops: &[Op], such: impl Fn(&Op) -> bool) -> bool {
        self.steps = self.steps.saturating_sub(ops.len() / 16);
        ops.iter().any(such)
    }

    /// Whether operations leave a loop or a function in the middle.
    fn may_jump(&mut self, ops: &[Op]) -> bool {
        self.has(ops, |op| matches!(op, Op::Leave(_) | Op::Exit))
    }

    /// The run may do this many times as much work, or more.
    fn doubt(&mut self, factor: i64) {
        self.seen.factor = self.seen.factor.max(factor);
    }

    /// Executes a function, unless it is nested too deeply.
    fn function(&mut self, id: FunctionId) -> Option<()> {
        let function = &self.code.functions()[id.index()];
        let caller = std::mem::replace(&mut self.function, id);
        // A call counts twice, so that recursive functions end soon.
        self.may_open = self.may_open.checked_sub(1)?;
        self.nested(function.start.index(), function.end.index())?;
        self.may_open += 1;
        self.function = caller;
        Some(())
    }

    /// Executes operations that another one encloses, unless they are nested too deeply.
    fn nested(&mut self, start: usize, end: usize) -> Option<End> {
        self.may_open = self.may_open.checked_sub(1)?;
        let end = self.ops(start, end);
        self.may_open += 1;
        end
    }

    /// Executes the operations with these indices.
    fn ops(&mut self, mut index: usize, end: usize) -> Option<End> {
        let code = self.code;
        while index < end {
            let Some(steps) = self.steps.checked_sub(1) else {
                self.doubt(if self.loops == 0 && self.heaviest == 0 { ANY } else { PART });
                return None;
            };
            self.steps = steps;
            self.seen.work = self.seen.work.saturating_add(1);
            let op = code.ops()[index];
            index += 1;
            match op {
                Op::Literal(value) => self.stack.push(Some(value)),
                Op::Word(word) => self.word(word)?,
                Op::Pick(depth) => {
                    let value = self.stack[self.place(depth)?];
                    self.stack.push(value);
                }
                Op::Put(depth) => {
                    let value = self.stack.pop()?;
                    let place = self.place(depth)?;
                    self.stack[place] = value;
                }
                Op::Times(id) | Op::While(id) => {
                    let region = code.region(id);
                    match self.iterate(id, region)? {
                        End::Reached => index = region.end.index(),
                        end => return Some(end),
                    }
                }
                Op::If(id) => {
                    let region = code.region(id);
                    let flag = self.stack.pop()?;
                    // In the next iteration of a loop, the flag may be another.
                    if flag.is_none() || self.loops > 0 {
                        self.doubt_branch(region);
                    }
                    index = match flag {
                        Some(0) => code.target(op)?.index(),
                        Some(_) => index,
                        None => self.branch(region)?.index(),
                    };
                }
                Op::Else(id) => index = code.region(id).end.index(),
                Op::LeaveIfZero(id) => {
                    // A flag that is not known is taken to be true.
                    let flag = self.stack.pop()?;
                    if flag == Some(0) {
                        return Some(End::Left(id));
                    }
                    if flag.is_none() {
                        self.doubt(PART);
                    }
                    self.condition = Some(Condition { height: self.stack.len(), is_known: flag.is_some() });
                }
                Op::Leave(id) => return Some(End::Left(id)),
                Op::Exit | Op::Return => return Some(End::Returned),
                Op::Call(id) => self.call(id)?,
                // If a check fails, the run ends here, and the estimate does not matter.
                Op::Need { .. } | Op::Room { .. } | Op::Frame { .. } | Op::CallDepth | Op::Fuel => {}
                Op::Next(_) | Op::Repeat(_) | Op::EndIf(_) => {}
            }
        }
        Some(End::Reached)
    }

    /// Executes the first iteration of a loop, and counts the work of all.
    fn iterate(&mut self, id: RegionId, region: &Region) -> Option<End> {
        let code = self.code;
        let ops = &code.ops()[region.header().index()..region.end.index()];
        let is_while = region.kind == RegionKind::While;
        let known = if is_while { None } else { self.stack.pop()?.map(|count| count.clamp(0, self.fuel)) };
        // In the next iteration of an outer loop, the count may be another unless it is a literal.
        let is_literal = || !is_while && matches!(code.ops()[region.start.index() - 1], Op::Literal(_));
        if self.loops > 0 && !is_literal() {
            self.doubt(if is_while {
                self.unknown.saturating_mul(PART)
            } else if known == Some(0) {
                PART
            } else {
                ABOUT
            });
        }
        if known == Some(0) {
            return Some(End::Reached);
        }
        let known = known.filter(|_| !self.may_jump(ops));
        let count = known.unwrap_or(1);
        if !is_while && known.is_none() {
            self.doubt(self.unknown.saturating_mul(PART));
        }
        let around = self.unknown;
        if known.is_none() {
            self.unknown = around.saturating_mul(PART);
        }
        let (height, before) = (self.stack.len(), self.seen.work);
        let is_known_work = known.is_some() && region.is_innermost && !region.has_call;
        let end = if is_known_work && (count > 1 || ops.len() > SHORT) {
            self.seen.work = self.seen.work.saturating_add(ops.len() as i64);
            Some(End::Reached)
        } else {
            let outer = self.condition.take();
            self.loops += 1;
            let mut end = self.nested(region.header().index(), region.end.index());
            for _ in 1..MOST_ITERATIONS {
                if !is_while || end != Some(End::Reached) || !self.condition.is_some_and(|condition| condition.is_known)
                {
                    break;
                }
                end = self.nested(region.header().index(), region.end.index());
            }
            self.loops -= 1;
            if is_while && end == Some(End::Reached) {
                self.doubt(self.unknown);
            }
            let condition = std::mem::replace(&mut self.condition, outer);
            if matches!(end, Some(End::Left(_) | End::Returned)) {
                self.unknown = around;
                // There is no other iteration.
                return end.map(|end| if end == End::Left(id) { End::Reached } else { end });
            }
            if let (Some(_), Some(Condition { height, .. })) = (end, condition) {
                self.stack.resize(height, None);
            }
            end
        };
        let work = (self.seen.work - before).saturating_mul(count);
        self.seen.work = before.saturating_add(work);
        self.unknown = around;
        if self.loops == 0 && work > self.heaviest {
            (self.heaviest, self.seen.body) = (work, region.operations());
        }
        end?;
        if known != Some(1) || is_known_work {
            self.forget(region, height)?;
        }
        Some(End::Reached)
    }

    /// Accounts for the part of an `if` that is not executed, but may be.
    fn doubt_branch(&mut self, region: &Region) {
        let code = self.code;
        let ops = &code.ops()[region.header().index()..region.end.index()];
        if !region.is_innermost || region.has_call || ops.len() > LONG_BRANCH || self.may_jump(ops) {
            let function = self.function;
            let is_recursive = region.has_call && self.has(ops, |op| *op == Op::Call(function));
            self.doubt(if is_recursive { RECURSIVE } else { self.unknown.saturating_mul(PART) });
        }
    }

    /// Continues with an `if` whose flag is not known. Returns the next operation.
    fn branch(&mut self, region: &Region) -> Option<Pc> {
        let height = self.stack.len();
        match region.kind {
            RegionKind::If { otherwise: Some(otherwise) } => {
                if self.nested(region.header().index(), otherwise.index())? != End::Reached {
                    // The execution goes on with ELSE, or ends.
                    self.stack.resize(height, None);
                    self.forget(region, height)?;
                    return Some(otherwise);
                }
            }
            _ => self.seen.work = self.seen.work.saturating_add(region.operations() as i64 / 2),
        }
        self.forget(region, height)?;
        Some(region.end)
    }

    /// From now on, the values that a region may have changed are not known. Before it, the stack had this height.
    fn forget(&mut self, region: &Region, height: usize) -> Option<()> {
        if !region.is_level {
            return None;
        }
        let lowest = height.saturating_sub(usize::try_from(region.reach).ok()?);
        self.stack.get_mut(lowest..)?.fill(None);
        Some(())
    }

    fn call(&mut self, id: FunctionId) -> Option<()> {
        let code = self.code;
        let &Function { params, results, has_calls, .. } = &code.functions()[id.index()];
        let base = self.stack.len().checked_sub(params as usize)?;
        let height = base + results as usize;
        let ops = code.ops_of(id);
        // Indirect recursion ends like other calls that are nested too deeply.
        self.is_recursive |= self.function == id;
        let is_deep = self.may_open < 2;
        if is_deep {
            self.doubt(if self.is_recursive { RECURSIVE } else { PART });
        }
        let is_known_work = || ops.len() > SHORT && !has_calls;
        if is_deep && !self.is_recursive || is_known_work() && !self.has(ops, |op| op.is_region_border()) {
            self.seen.work = self.seen.work.saturating_add(ops.len() as i64);
            self.stack.truncate(base);
            self.stack.resize(height, None);
            return Some(());
        }
        self.function(id)?;
        (self.stack.len() == height).then_some(())
    }

    /// The index of the value this deep below the top.
    fn place(&self, depth: u64) -> Option<usize> {
        self.stack.len().checked_sub(1)?.checked_sub(usize::try_from(depth).ok()?)
    }

    fn word(&mut self, word: Word) -> Option<()> {
        let first = self.stack.len().checked_sub(word.pops())?;
        let operands = &mut self.stack[first..];
        match word {
            Word::Dup | Word::Over => {
                let copy = operands[0];
                self.stack.push(copy);
            }
            Word::Drop | Word::Store => self.stack.truncate(first),
            Word::Swap => operands.swap(0, 1),
            Word::Rot => operands.rotate_left(1),
            Word::Nip => {
                operands.swap(0, 1);
                self.stack.pop();
            }
            Word::Tuck => {
                let copy = operands[1];
                operands.swap(0, 1);
                self.stack.push(copy);
            }
            Word::Fetch => operands[0] = None,
            _ if word.class() == Class::Unary => operands[0] = operands[0].map(|a| word.apply(a, 0)),
            _ => {
                // A division by zero traps.
                let is_division = matches!(word, Word::Div | Word::Mod);
                let (a, b) = (operands[0], operands[1]);
                if b == Some(0) && is_division {
                    return None;
                }
                operands[0] = if let (Some(a), Some(b)) = (a, b) { Some(word.apply(a, b)) } else { None };
                self.stack.pop();
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytecode::{Limits, lower};
    use crate::engine::Run;
    use crate::interp::tree::measure;
    use crate::lang::{Program, Source, load};

    fn program(text: &str, inputs: &[i64]) -> Program {
        load(&Source::new("test", text), inputs.len()).unwrap_or_else(|fault| panic!("{text}: {fault}"))
    }

    fn foreseen(text: &str, inputs: &[i64], fuel: Option<u64>) -> Foresight {
        let code = lower(&program(text, inputs), Limits::of_stack(100), fuel.is_some()).expect("it is small");
        foresee(&code, inputs, fuel)
    }

    /// The words that the referee executes, with one more for each iteration and each call: about the number of operations.
    fn done(text: &str, inputs: &[i64]) -> i64 {
        let limits = Limits::of_stack(100);
        let run = Run { inputs, fuel: Some(10_000_000), stack_limit: limits.stack as usize, call_limit: limits.calls };
        let measured = measure(program(text, inputs).ast(), run);
        (measured.words + measured.fuel()) as i64
    }

    const COUNT: &str = ": count ( n -- n ) 0 swap times 1 + end ; ";

    #[test]
    fn work_that_is_foreseen_as_a_whole_is_done() {
        for text in [
            "0 swap times 1 + end",
            "0 100 rot rot drop times 1 + end",
            "2 * 3 + 0 swap times 1 + end",
            "0 swap times 1 1 20 times swap over * swap 1 + end + + end",
            "0 swap times 10 times 20 times 1 + end 2 + end end",
            "dup 0 swap times 1 + end swap times 2 + end",
            "0 4 put 3 pick 1 2 3 4 4 pick 5 * times end",
            "1 +",
            &format!("{COUNT} count"),
            &format!("{COUNT} 1 array a 7 a ! 2 * count"),
            "0 1 rot times dup 3 mod if 1 + else 2 + end end",
            "dup 5 > if 0 swap times 1 + end else drop 0 end",
        ] {
            for input in [0, 1, 2, 7, 1_000] {
                let inputs = [1, 1, 1, 1, input];
                let seen = foreseen(text, &inputs, None);
                assert!(seen.is_whole(), "{text}: {seen:?}");
                let work = seen.work;
                // Each loop and the program itself begin and end with operations that are no words, and only one branch is executed.
                let done = done(text, &inputs);
                assert!((done..=2 * done + 4).contains(&work), "{text} with {input}: {work} and not {done}");
            }
        }
    }

    #[test]
    fn other_work_is_foreseen_in_part() {
        for (text, part) in [
            // Loops without a known count.
            ("while dup do 1 - end", 0),
            ("1 array a while a @ do exit end 0 5000 times 1 + end", 0),
            ("1 array a 3000 while a @ do drop 7 leave end times 1 drop end", 0),
            ("0 swap times 1 + 40 while dup do 1 - end drop end", 5),
            ("0 swap times dup 7 mod times 1 + end 1 + end", 40),
            (&format!("0 swap times 1 times 1 + end dup 1 > if {} end end", "1 + 1 - ".repeat(50)), 2),
            ("0 swap times 1 + dup 1990 > if 1000 times 1 + end end end", 30),
            // Loops in words, and words in loops.
            (&format!("{COUNT} 1 array a a ! a @ count"), 0),
            (&format!("{COUNT} times 10 count drop end"), 90),
            (": square ( n -- n ) dup times dup times 1 drop end end ; 30 + square", 90),
            (": f ( n -- m ) dup if 1 - f 1 + end ; 100 mod 50 + f", 0),
            // Branches.
            ("1 array a a ! a @ if 0 5 times 1 + end else 0 7 times 1 + end end", 30),
            ("0 swap times dup 1000 = if leave end 1 + end", 0),
            // The height is not known after the first loop.
            ("dup 1960 - times 1 swap end drop 500 times end", 10),
        ] {
            let inputs = [2_000];
            let (seen, done) = (foreseen(text, &inputs, None), done(text, &inputs));
            assert!(!seen.is_whole(), "{text}: {seen:?}");
            assert!(seen.work * 100 >= done * part, "{text}: only {} of {done}", seen.work);
            assert!(seen.work <= done + done / 2 + 10, "{text}: {} and not {done}", seen.work);
        }
    }

    #[test]
    fn counts_are_bounded() {
        let endless = foreseen("0 swap times 1 + end", &[i64::MAX], None);
        assert_eq!(endless.work, i64::MAX);
        assert_eq!(foreseen("0 swap times 1 + end", &[i64::MIN], None).work, 4);
        let metered = foreseen("0 swap times 1 + end", &[1_000], Some(50));
        assert_eq!((metered.work, metered.body), (foreseen("0 swap times 1 + end", &[50], Some(50)).work, 5));
    }

    #[test]
    fn deep_and_long_programs_end_soon() {
        let nested = |levels: usize| format!("0 {}1 +{}", "2 times ".repeat(levels), " end".repeat(levels));
        let seen = foreseen(&nested(500), &[], None);
        assert!(!seen.is_whole() && seen.work > 100, "{seen:?}");
        let long = foreseen(&format!("0 1000000 times {} end", "1 times 1 + end ".repeat(100_000)), &[], None);
        assert!(!long.is_whole(), "{long:?}");
        let recursive = foreseen(": f ( n -- m ) dup 0 > if 1 - f end ; f", &[1_000_000], None);
        assert_eq!(recursive.factor, RECURSIVE, "{recursive:?}");
        let chain =
            ": a ( n -- n ) 1 + 1 times end ; : b ( n -- n ) a a ; : c ( n -- n ) b b ; : d ( n -- n ) c c ; 5 d";
        assert_eq!(foreseen(chain, &[], None).factor, PART);
        let late = format!("{} 0 1000 times 1 + end", "1 drop ".repeat(3_000));
        assert_eq!(foreseen(&late, &[], None).factor, ANY);
    }

    #[test]
    fn the_loop_with_most_work_gives_the_length_of_the_body() {
        let short = foreseen("0 100 times 1 + end 2 times 1 + 1 + 1 + 1 + 1 + end", &[], None);
        let long = foreseen("0 2 times 1 + end 20 times 1 + 1 + 1 + 1 + 1 + end", &[], None);
        assert!(short.body < 5 && long.body > 10, "{short:?} {long:?}");
    }

    #[test]
    fn a_stopped_run_is_taken_to_go_on_as_it_began() {
        let code = lower(&program("0 swap times 1 + end", &[1]), Limits::of_stack(100), false).expect("it is small");
        let seen = |executed, operations, iterations| {
            let stopped = Stopped { region: RegionId(0), operations, iterations };
            let Foresight { work, factor, .. } = Foresight::of_stopped(&code, executed, &stopped);
            (work, factor)
        };
        assert_eq!(seen(120, 100, Some((5, 10))), (220, ABOUT));
        assert_eq!(seen(120, 100, Some((1, 10))), (1_020, PART));
        assert_eq!(seen(120, 100, Some((0, 10))), (1_020, PART));
        assert_eq!(seen(120, 100, Some((1, usize::MAX >> 1))), (i64::MAX, PART));
        assert_eq!(seen(120, 100, None), (120, ANY));
    }
}
