//! The assembler: places instructions one after another and resolves branches to labels.
//!
//! A branch on a bit reaches 32 KiB, any other conditional branch 1 MiB, `b` and `bl` reach 128 MiB, and a computed `br` or `blr` reaches
//! all code. A branch or call whose target is bound takes the shortest form that reaches. A forward one takes the form that [`Forms`]
//! specifies. If that turns out to be too short, [`Assembler::finish`] returns the form to try next.

use super::encode::{self as a64, Cc, Half, Inst, Rel14, Rel19, Rel21, Rel26, Shift6};
use super::regs::{X, X16, X17};
use crate::isa::buffer::Buffer;
use crate::isa::labels::{Fixup, Labels, Target};
use crate::isa::{Forms, OutOfRange, Reach, Tuning};
use crate::lir::{Label, Site};

/// The registers that long branches and calls overwrite.
const FAR: (X, X) = (X16, X17);

/// Assembles AArch64 machine code.
///
/// ```
/// use jitduel::exec::Code;
/// use jitduel::isa::aarch64::Assembler;
/// use jitduel::isa::aarch64::encode::{Half, mov, movz, mul, ret};
/// use jitduel::isa::aarch64::regs::{X0, X1};
///
/// // fn(x) = 6 * x
/// let mut asm = Assembler::new();
/// asm.put(mov(X1, X0.into()));
/// asm.put(movz(X0, 6, Half::H0));
/// asm.put(mul(X0, X0, X1));
/// asm.put(ret());
/// let bytes = asm.finish()?;
/// assert_eq!(bytes.len(), 16);
/// # #[cfg(target_arch = "aarch64")] {
/// let code = Code::new(&bytes)?;
/// // SAFETY: the code is for this machine, and only uses registers that a function may change.
/// assert_eq!(unsafe { code.call(7) }, 42);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Assembler {
    code: Buffer,
    labels: Labels<Kind>,
}

/// The encoding of a displacement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// `tbz`, `tbnz`.
    Rel14,
    /// `b.cond`, `cbz`, `cbnz`.
    Rel19,
    /// `b`, `bl`.
    Rel26,
    /// `movz`, `movk`, `adr`, `add`, `br` or `blr`, relative to the `adr`.
    Far,
}

/// The two forms of an unconditional branch.
#[derive(Clone, Copy)]
struct Jump {
    near: fn(Rel26) -> Inst,
    far: fn(X) -> Inst,
}

const JUMP: Jump = Jump { near: a64::b, far: a64::br };
const CALL: Jump = Jump { near: a64::bl, far: a64::blr };

/// The condition of a branch.
#[derive(Clone, Copy)]
enum Test {
    Flags(Cc),
    Zero(X),
    NotZero(X),
    /// The bit with this number is zero.
    Clear(X, Shift6),
    /// It is one.
    Set(X, Shift6),
}

impl Test {
    fn inverted(self) -> Test {
        match self {
            Test::Flags(cc) => Test::Flags(cc.invert()),
            Test::Zero(x) => Test::NotZero(x),
            Test::NotZero(x) => Test::Zero(x),
            Test::Clear(x, bit) => Test::Set(x, bit),
            Test::Set(x, bit) => Test::Clear(x, bit),
        }
    }

    /// The branch over a distance, if it reaches that far.
    fn branch(self, distance: i64) -> Option<Inst> {
        Some(match self {
            Test::Flags(cc) => a64::b_cond(cc, Rel19::new(distance)?),
            Test::Zero(x) => a64::cbz(x, Rel19::new(distance)?),
            Test::NotZero(x) => a64::cbnz(x, Rel19::new(distance)?),
            Test::Clear(x, bit) => a64::tbz(x, bit, Rel14::new(distance)?),
            Test::Set(x, bit) => a64::tbnz(x, bit, Rel14::new(distance)?),
        })
    }

    /// The kind of its displacement.
    fn kind(self) -> Kind {
        match self {
            Test::Flags(_) | Test::Zero(_) | Test::NotZero(_) => Kind::Rel19,
            Test::Clear(..) | Test::Set(..) => Kind::Rel14,
        }
    }
}

impl Default for Assembler {
    fn default() -> Assembler {
        Assembler::new()
    }
}

impl Assembler {
    /// An empty piece of code.
    pub fn new() -> Assembler {
        Assembler::with(Vec::new(), &Tuning::default(), Forms::default())
    }

    /// An empty piece of code in memory that may be reused, with the given ranges and forms.
    pub fn with(memory: Vec<u8>, tuning: &Tuning, forms: Forms) -> Assembler {
        Assembler { code: Buffer::new(memory, tuning.initial_bytes), labels: Labels::new(tuning, forms) }
    }

    /// The offset of the next instruction in bytes.
    #[inline]
    pub fn offset(&self) -> usize {
        self.code.len()
    }

    /// Places an instruction.
    #[inline(always)]
    pub fn put(&mut self, inst: Inst) {
        self.code.put(inst.word().to_le_bytes(), 4);
    }

    /// A new label, not yet bound.
    pub fn label(&mut self) -> Label {
        self.labels.create()
    }

    /// Binds a label to the next instruction.
    ///
    /// # Panics
    /// If the label is bound already, or its number exceeds those of all bound labels by more than 65,536.
    #[inline]
    pub fn bind(&mut self, label: Label) {
        self.labels.bind(label, self.code.len());
    }

    /// `B`: jumps to the label. Its long form, like that of every branch below, changes `x16` and `x17`.
    pub fn b(&mut self, to: Label) {
        self.jump(JUMP, Target::Label(to));
    }

    /// Binds the entry of a function to the next instruction.
    pub(super) fn bind_function(&mut self, function: u32) {
        self.labels.bind_function(function, self.code.len());
    }

    /// `BL`: calls a function, and sets `x30` to the return address. Its long form changes `x16` and `x17`.
    pub(super) fn call(&mut self, function: u32) {
        self.jump(CALL, Target::Function(function));
    }

    /// `B.cond`: jumps to the label if the condition holds.
    pub fn b_cond(&mut self, cc: Cc, to: Label) {
        self.branch(Test::Flags(cc), Target::Label(to));
    }

    /// `CBZ`: jumps to the label if the register is zero.
    pub fn cbz(&mut self, x: X, to: Label) {
        self.branch(Test::Zero(x), Target::Label(to));
    }

    /// `CBNZ`: jumps to the label if the register is not zero.
    pub fn cbnz(&mut self, x: X, to: Label) {
        self.branch(Test::NotZero(x), Target::Label(to));
    }

    /// `TBZ`: jumps to the label if that bit of the register is zero.
    pub fn tbz(&mut self, x: X, bit: Shift6, to: Label) {
        self.branch(Test::Clear(x, bit), Target::Label(to));
    }

    /// `TBNZ`: jumps to the label if that bit of the register is one.
    pub fn tbnz(&mut self, x: X, bit: Shift6, to: Label) {
        self.branch(Test::Set(x, bit), Target::Label(to));
    }

    /// Jumps to the exit of a trap site if the condition holds.
    pub(super) fn exit_if(&mut self, cc: Cc, site: Site) {
        self.branch(Test::Flags(cc), Target::Exit(site));
    }

    /// Jumps to the exit of a trap site.
    pub(super) fn exit(&mut self, site: Site) {
        self.jump(JUMP, Target::Exit(site));
    }

    /// Jumps to the exit of a trap site if the register is zero.
    pub(super) fn exit_if_zero(&mut self, x: X, site: Site) {
        self.branch(Test::Zero(x), Target::Exit(site));
    }

    /// Whether a jump to the exit of a trap site waits for it.
    pub(super) fn needs_exit(&self) -> bool {
        self.labels.needs_exit()
    }

    /// Binds the exit for the next of these jumps to the next instruction. Returns the site; `None` if no jump waits.
    pub(super) fn bind_exit(&mut self) -> Option<Site> {
        self.labels.bind_exit(self.code.len())
    }

    /// Resolves branches and returns the code.
    ///
    /// # Errors
    /// [`OutOfRange`], if a branch does not reach its target.
    ///
    /// # Panics
    /// If a label or a function was used and never bound.
    pub fn finish(self) -> Result<Vec<u8>, OutOfRange> {
        self.labels.resolve(self.code.finish(), patch)
    }

    fn jump(&mut self, jump: Jump, target: Target) {
        let here = self.code.len();
        if let Some(distance) = self.distance(target, here) {
            match Rel26::new(distance).filter(|_| self.labels.is_near(distance)) {
                Some(rel) => self.put((jump.near)(rel)),
                None => self.far(jump, target),
            }
        } else if self.labels.form(target) == Reach::Far {
            self.far(jump, target);
        } else {
            self.labels.add_fixup(here, target, Kind::Rel26);
            self.put((jump.near)(ZERO26));
        }
    }

    fn branch(&mut self, test: Test, target: Target) {
        let here = self.code.len();
        if let Some(distance) = self.distance(target, here) {
            match test.branch(distance).filter(|_| self.labels.is_short(distance)) {
                Some(inst) => self.put(inst),
                None => self.branch_over(test, target),
            }
        } else if self.labels.form(target) == Reach::Short {
            self.labels.add_fixup(here, target, test.kind());
            self.put(test.branch(0).expect("zero is in every range"));
        } else {
            self.branch_over(test, target);
        }
    }

    /// A branch with the inverted condition skips a jump.
    fn branch_over(&mut self, test: Test, target: Target) {
        let skip = self.code.len();
        self.put(test.inverted().branch(0).expect("zero is in every range"));
        self.jump(JUMP, target);
        let inst = test.inverted().branch((self.code.len() - skip) as i64).expect("a jump is a few instructions long");
        self.code.bytes_mut()[skip..skip + 4].copy_from_slice(&inst.word().to_le_bytes());
    }

    /// A computed jump: adds a distance of up to 2^32 bytes to the address of the `adr`, or subtracts it.
    fn far(&mut self, jump: Jump, target: Target) {
        let adr = self.code.len() + 8;
        let distance = self.distance(target, adr);
        let [low, high] = far_distance(distance.unwrap_or(0));
        self.put(low);
        self.put(high);
        self.put(a64::adr(FAR.1, ZERO21));
        match distance {
            Some(..=0) => self.put(a64::sub(FAR.0.into(), FAR.1.into(), FAR.0.into())),
            _ => self.put(a64::add(FAR.0.into(), FAR.1.into(), FAR.0.into())),
        }
        self.put((jump.far)(FAR.0));
        if distance.is_none() {
            self.labels.add_fixup(adr, target, Kind::Far);
        }
    }

    fn distance(&self, target: Target, from: usize) -> Option<i64> {
        self.labels.offset(target).map(|to| to as i64 - from as i64)
    }
}

const ZERO21: Rel21 = Rel21::new(0).expect("zero is in every range");
const ZERO26: Rel26 = Rel26::new(0).expect("zero is in every range");

fn far_distance(distance: i64) -> [Inst; 2] {
    let distance = distance.unsigned_abs();
    [a64::movz(FAR.0, distance as u16, Half::H0), a64::movk(FAR.0, (distance >> 16) as u16, Half::H16)]
}

/// Writes the displacement of a waiting branch; false if it does not fit.
fn patch(code: &mut [u8], fixup: Fixup<Kind>, distance: i64, ranges: &Tuning) -> bool {
    let word_at = |code: &[u8], at: usize| u32::from_le_bytes(code[at..at + 4].try_into().expect("four bytes"));
    let write = |code: &mut [u8], at: usize, inst: Inst| code[at..at + 4].copy_from_slice(&inst.word().to_le_bytes());
    match fixup.kind {
        Kind::Rel14 => {
            let rel = Rel14::new(distance).filter(|_| distance.abs() <= ranges.short_range);
            let Some(rel) = rel else { return false };
            let inst = Inst::from_word(word_at(code, fixup.at)).with_rel14(rel);
            write(code, fixup.at, inst);
        }
        Kind::Rel19 => {
            let rel = Rel19::new(distance).filter(|_| distance.abs() <= ranges.short_range);
            let Some(rel) = rel else { return false };
            let inst = Inst::from_word(word_at(code, fixup.at)).with_rel19(rel);
            write(code, fixup.at, inst);
        }
        Kind::Rel26 => {
            let rel = Rel26::new(distance).filter(|_| distance.abs() <= ranges.near_range);
            let Some(rel) = rel else { return false };
            let inst = Inst::from_word(word_at(code, fixup.at)).with_rel26(rel);
            write(code, fixup.at, inst);
        }
        Kind::Far => {
            let [low, high] = far_distance(distance);
            write(code, fixup.at - 8, low);
            write(code, fixup.at - 4, high);
        }
    }
    true
}
