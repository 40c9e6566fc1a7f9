//! The tables from instruction forms to handlers, and the text of each form.

use std::fmt;

use super::handlers::{
    BACK, ENDS, GO, Handler, IMMEDIATE, NEXT, REGISTERS, branch_unless, call, compute, compute_unary, divide_by,
    end_call, exchange, fetch, jump_if_zero, load_cell, load_slot, loop_end, pair, set, set_count, store_cell,
    store_slot,
};
use super::window::Value;
use crate::lang::Word;
use crate::lang::words::{WORDS, word_rows};

/// An array indexed by register. With `values`, it has one more element, for [`IMMEDIATE`]. The elements are instances
/// of a handler, or expansions of a macro.
macro_rules! over {
    (registers, $handler:ident) => { [$handler::<0> as Handler, $handler::<1>, $handler::<2>] };
    (values, $handler:ident) => { [$handler::<0> as Handler, $handler::<1>, $handler::<2>, $handler::<3>] };
    (registers, $make:ident!($($arguments:tt)*)) => {
        [$make!($($arguments)* 0), $make!($($arguments)* 1), $make!($($arguments)* 2)]
    };
    (values, $make:ident!($($arguments:tt)*)) => {
        [$make!($($arguments)* 0), $make!($($arguments)* 1), $make!($($arguments)* 2), $make!($($arguments)* 3)]
    };
}
const _: () = assert!(REGISTERS == 3 && IMMEDIATE == 3, "the macro lists three registers");

/// Indexed by destination, first operand and second operand.
type Forms = [[[Handler; REGISTERS + 1]; REGISTERS]; REGISTERS];

macro_rules! computations {
    (@b $word:ident $end:ident $d:tt $a:tt $b:tt) => { compute::<{ Word::$word as usize }, $d, $a, $b, $end> as Handler };
    (@a $word:ident $end:ident $d:tt $a:tt) => { over!(values, computations!(@b $word $end $d $a)) };
    (@d $word:ident $end:ident $d:tt) => { over!(registers, computations!(@a $word $end $d)) };
    ($word:ident $end:ident) => {{
        static FORMS: Forms = over!(registers, computations!(@d $word $end));
        Some(&FORMS)
    }};
}

/// Indexed by destination and operand.
type UnaryForms = [[Handler; REGISTERS]; REGISTERS];

macro_rules! unary_computations {
    (@a $word:ident $d:tt $a:tt) => { compute_unary::<{ Word::$word as usize }, $d, $a> as Handler };
    (@d $word:ident $d:tt) => { over!(registers, unary_computations!(@a $word $d)) };
    ($word:ident) => {{
        static FORMS: UnaryForms = over!(registers, unary_computations!(@d $word));
        Some(&FORMS)
    }};
}

macro_rules! go_forms {
    (@two $name:ident "a -- b" $c:literal) => { None };
    (@two $name:ident $effect:tt $c:literal) => { computations!($name GO) };
    (@two $name:ident $effect:tt) => { None };
    (@one $name:ident "a -- b" $c:literal) => { unary_computations!($name) };
    (@one $name:ident $effect:tt $($c:literal)?) => { None };
    ($($(#[$doc:meta])* $name:ident $spelling:literal $effect:tt $meaning:expr $(, c $c:literal forth $forth:literal)?;)*) => {
        /// The handlers of each word that computes from two operands, in the form that continues with the next instruction;
        /// `None` for other words.
        static GO_FORMS: [Option<&Forms>; WORDS.len()] = [$(go_forms!(@two $name $effect $($c)?)),*];
        /// The handlers of each word that computes from one operand; `None` for other words.
        static UNARY_FORMS: [Option<&UnaryForms>; WORDS.len()] = [$(go_forms!(@one $name $effect $($c)?)),*];
    };
}
word_rows!(go_forms);

/// The handlers of a word with this end, if any. [`PAIRS`] documents how the words with other ends were chosen.
fn compute_table(word: Word, end: usize) -> Option<&'static Forms> {
    macro_rules! choose {
        ($($name:ident)*) => {
            match (word, end) {
                (_, GO) => GO_FORMS[word as usize],
                $((Word::$name, NEXT) => computations!($name NEXT),)*
                $((Word::$name, BACK) => computations!($name BACK),)*
                _ => None,
            }
        };
    }
    choose!(Add Sub Mul Xor)
}

macro_rules! fetches {
    (@b $word:ident $d:tt $a:tt $b:tt) => { fetch::<{ Word::$word as usize }, $d, $a, $b> as Handler };
    (@a $word:ident $d:tt $a:tt) => { over!(values, fetches!(@b $word $d $a)) };
    (@d $word:ident $d:tt) => { over!(registers, fetches!(@a $word $d)) };
    ($($word:ident)*) => {
        /// The handlers that fuse a load and a word, if any.
        fn fetch_table(word: Word) -> Option<&'static Forms> {
            match word {
                $(Word::$word => {
                    static FORMS: Forms = over!(registers, fetches!(@d $word));
                    Some(&FORMS)
                })*
                _ => None,
            }
        }
    };
}
fetches!(Add Sub Mul And Or Xor);

macro_rules! divisions {
    (@b $word:ident $d:tt $a:tt $b:tt) => { divide_by::<{ Word::$word as usize }, $d, $a, $b> as Handler };
    (@a $word:ident $d:tt $a:tt) => { over!(values, divisions!(@b $word $d $a)) };
    (@d $word:ident $d:tt) => { over!(registers, divisions!(@a $word $d)) };
    ($word:ident) => { over!(registers, divisions!(@d $word)) };
}
static DIV: Forms = divisions!(Div);
static MOD: Forms = divisions!(Mod);

macro_rules! branches {
    (@b $word:ident $a:tt $b:tt) => { branch_unless::<{ Word::$word as usize }, $a, $b> as Handler };
    (@a $word:ident $a:tt) => { over!(values, branches!(@b $word $a)) };
    ($($word:ident)*) => { [$(over!(registers, branches!(@a $word))),*] };
}
/// Indexed by comparison, first operand and second operand.
static UNLESS: [[[Handler; REGISTERS + 1]; REGISTERS]; 7] = branches!(Eq Ne Lt Gt Le Ge Ult);

macro_rules! sets {
    (@s $end:ident $d:tt $s:tt) => { set::<$d, $s, $end> as Handler };
    (@d $end:ident $d:tt) => { over!(values, sets!(@s $end $d)) };
    ($($end:ident)*) => { [$(over!(registers, sets!(@d $end))),*] };
}
static SET: [[[Handler; REGISTERS + 1]; REGISTERS]; ENDS] = sets!(GO NEXT BACK);

macro_rules! exchanges {
    ($($end:ident)*) => { [$([exchange::<0, 1, $end> as Handler, exchange::<0, 2, $end>, exchange::<1, 2, $end>]),*] };
}
/// Indexed by end and by pair of registers.
static EXCHANGE: [[Handler; 3]; ENDS] = exchanges!(GO NEXT BACK);

macro_rules! calls {
    (@c $checked:tt $a:tt $b:tt $c:tt) => { call::<$checked, $a, $b, $c> as Handler };
    (@b $checked:tt $a:tt $b:tt) => { over!(registers, calls!(@c $checked $a $b)) };
    (@a $checked:tt $a:tt) => { over!(registers, calls!(@b $checked $a)) };
    ($($checked:tt)*) => { [$(over!(registers, calls!(@a $checked))),*] };
}
/// Indexed by whether the call is checked and by the registers of the parameters.
static CALLS: [[[[Handler; REGISTERS]; REGISTERS]; REGISTERS]; 2] = calls!(0 1);

macro_rules! ends_of_calls {
    (@b $a:tt $b:tt) => { end_call::<$a, $b> as Handler };
    (@a $a:tt) => { over!(registers, ends_of_calls!(@b $a)) };
}
/// Indexed by the registers of the results.
static ENDS_OF_CALLS: [[Handler; REGISTERS]; REGISTERS] = over!(registers, ends_of_calls!(@a));

macro_rules! accesses {
    (@b $handler:ident $x:tt $y:tt) => { $handler::<$x, $y> as Handler };
    (@a $handler:ident $x:tt) => { over!(values, accesses!(@b $handler $x)) };
}
/// Indexed by destination and address.
static LOADS: [[Handler; REGISTERS + 1]; REGISTERS] = over!(registers, accesses!(@a load_cell));
/// Indexed by address and operand.
static STORES: [[Handler; REGISTERS + 1]; REGISTERS + 1] = over!(values, accesses!(@a store_cell));

/// Indexed by end (there is no form for `while`), destination and the operands `b` and `c` of [`Form::Pair`].
type Pairs = [[[[Handler; REGISTERS + 1]; REGISTERS + 1]; REGISTERS]; 2];

macro_rules! pairs {
    (@c $first:ident $second:ident $end:ident $d:tt $b:tt $c:tt) => {
        pair::<{ Word::$first as usize }, { Word::$second as usize }, $d, $b, $c, $end> as Handler
    };
    (@b $first:ident $second:ident $end:ident $d:tt $b:tt) => { over!(values, pairs!(@c $first $second $end $d $b)) };
    (@d $first:ident $second:ident $end:ident $d:tt) => { over!(values, pairs!(@b $first $second $end $d)) };
    ($first:ident $second:ident) => {{
        static PAIRS: Pairs = [
            over!(registers, pairs!(@d $first $second GO)),
            over!(registers, pairs!(@d $first $second NEXT)),
        ];
        Some(&PAIRS)
    }};
}

macro_rules! choose_pairs {
    ($($first:ident $second:ident;)*) => {
        /// The pairs of words that are fused when the first result is used only by the second. They are the most
        /// frequent such pairs in 400 generated programs, half of them of the kind `random` and half `loops`; a test
        /// recounts them.
        pub const PAIRS: &[(Word, Word)] = &[$((Word::$first, Word::$second)),*];

        /// The handlers that fuse two words, if any.
        fn pair_table(first: Word, second: Word) -> Option<&'static Pairs> {
            match (first, second) {
                $((Word::$first, Word::$second) => pairs!($first $second),)*
                _ => None,
            }
        }
    };
}
choose_pairs! {
    Xor Mul;
    Xor Xor;
    Xor Add;
    Add Add;
    Sub Xor;
    Sub Add;
    Add Xor;
    Sub Mul;
    Add Mul;
    Mul Xor;
    Mul Add;
    Mul Mul;
    Xor Sub;
    Add Sub;
    Sub Sub;
}

/// An instruction that may be fused with the next, or with the end of a loop. Registers are numbers; [`IMMEDIATE`] is a
/// constant in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `d = a word b`.
    Compute { word: Word, d: usize, a: usize, b: usize },
    /// `d = word a`.
    Unary { word: Word, d: usize, a: usize },
    /// `d = (d first b) second c`.
    Pair { first: Word, second: Word, d: usize, b: usize, c: usize },
    /// `d` = a slot.
    Load { d: usize },
    /// `d` = a slot, then `d = a word b`.
    Fetch { word: Word, d: usize, a: usize, b: usize },
    /// `d = s`.
    Set { d: usize, s: usize },
    /// Exchanges two registers; `a` is the lower one.
    Exchange { a: usize, b: usize },
    /// Only the end of a loop.
    LoopEnd,
}

impl Form {
    /// The instruction that does this and then `next`, if there is one.
    pub fn then(self, next: Form) -> Option<Form> {
        match (self, next) {
            (Form::Compute { word: first, d, a, b }, Form::Compute { word: second, d: next_d, a: next_a, b: c })
                if a == d && next_a == d && next_d == d && c != d =>
            {
                pair_table(first, second).map(|_| Form::Pair { first, second, d, b, c })
            }
            (Form::Load { d: loaded }, Form::Compute { word, d, a, b }) if d == loaded && (a == d || b == d) => {
                fetch_table(word).map(|_| Form::Fetch { word, d, a, b })
            }
            _ => None,
        }
    }

    /// The text of the instruction; `operand` is the operand that may be a constant.
    pub fn text(self, operand: Value) -> String {
        match self {
            Form::Compute { word, d, a, .. } => format!("r{d} = r{a} {} {}", word.spelling(), Shown(operand)),
            Form::Unary { word, d, a } => format!("r{d} = r{a} {}", word.spelling()),
            Form::Set { d, .. } => format!("r{d} = {}", Shown(operand)),
            Form::Exchange { a, b } => format!("r{a} <-> r{b}"),
            Form::Load { d } => format!("r{d} = slot {}", Shown(operand)),
            Form::Pair { .. } | Form::Fetch { .. } | Form::LoopEnd => unreachable!("its parts are printed separately"),
        }
    }

    /// The handler that does this and has this end, if there is one.
    pub fn ending(self, end: usize) -> Option<Handler> {
        Some(match self {
            Form::Compute { word, d, a, b } => compute_table(word, end)?[d][a][b],
            Form::Pair { first, second, d, b, c } => pair_table(first, second)?.get(end)?[d][b][c],
            Form::Load { d } if end == GO => over!(registers, load_slot)[d],
            Form::Fetch { word, d, a, b } if end == GO => fetch_table(word)?[d][a][b],
            Form::Unary { word, d, a } if end == GO => UNARY_FORMS[word as usize]?[d][a],
            Form::Load { .. } | Form::Fetch { .. } | Form::Unary { .. } => return None,
            Form::Set { d, s } => SET[end][d][s],
            Form::Exchange { a, b } => EXCHANGE[end][a + b - 1],
            Form::LoopEnd => [None, Some(loop_end::<NEXT> as Handler), Some(loop_end::<BACK>)][end]?,
        })
    }
}

/// The number of a register, or [`IMMEDIATE`].
#[inline]
pub fn number(value: Value) -> usize {
    match value {
        Value::Register(register) => usize::from(register),
        Value::Constant(_) => IMMEDIATE,
    }
}

/// The handler of `d = a word b` for a division.
pub fn divide(word: Word, d: usize, a: usize, b: usize) -> Handler {
    if word == Word::Div { DIV[d][a][b] } else { MOD[d][a][b] }
}

/// The handler that continues if `a word b` holds and otherwise jumps.
pub fn unless(word: Word, a: usize, b: usize) -> Handler {
    UNLESS[word as usize - Word::Eq as usize][a][b]
}

/// The handler that jumps if the register is zero.
pub fn if_zero(a: usize) -> Handler {
    over!(registers, jump_if_zero)[a]
}

/// The handler that sets the count to the operand.
pub fn times(a: usize) -> Handler {
    over!(values, set_count)[a]
}

/// The handler that stores the operand to a slot.
pub fn store(s: usize) -> Handler {
    over!(values, store_slot)[s]
}

/// The handler that loads a memory cell.
pub fn load_from(d: usize, a: usize) -> Handler {
    LOADS[d][a]
}

/// The handler that stores the operand to a memory cell.
pub fn store_to(a: usize, s: usize) -> Handler {
    STORES[a][s]
}

/// The handler that calls a definition whose topmost parameters are in these registers, top first.
pub fn call_with([a, b, c]: [usize; PARAMETERS], is_checked: bool) -> Handler {
    CALLS[usize::from(is_checked)][a][b][c]
}

/// The handler that returns from a definition whose topmost results are in these registers, top first.
pub fn return_with([a, b]: [usize; RESULTS]) -> Handler {
    ENDS_OF_CALLS[a][b]
}

/// The number of parameters that are in registers when a definition begins: the top in the first register, and so on.
pub const PARAMETERS: usize = 3;

/// The number of results that are in registers when a definition returns.
pub const RESULTS: usize = 2;

/// The text of an operand.
pub struct Shown(pub Value);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Register(register) => write!(f, "r{register}"),
            Value::Constant(value) => write!(f, "{value}"),
        }
    }
}
