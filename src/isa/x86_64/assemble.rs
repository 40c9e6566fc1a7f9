//! The assembler: places instructions one after another and resolves branches to labels.
//!
//! A backward branch takes the form with an 8-bit displacement if that reaches. A forward branch and a call take the form
//! with a 32-bit displacement, which reaches everything: code is never longer than 2 GiB.

use super::encode::{self as x64, Cc, Index, Inst, Mem, Scale};
use super::regs::RAX;
use crate::isa::buffer::Buffer;
use crate::isa::labels::{Fixup, Labels, Target};
use crate::isa::{Forms, OutOfRange, Tuning};
use crate::lir::{Label, Site};

/// Assembles x86-64 machine code.
///
/// ```
/// use jitduel::exec::Code;
/// use jitduel::isa::x86_64::Assembler;
/// use jitduel::isa::x86_64::encode::{imul, mov, mov_imm32, ret};
/// use jitduel::isa::x86_64::regs::{RAX, RDI};
///
/// // fn(x) = 6 * x
/// let mut asm = Assembler::new();
/// asm.put(mov_imm32(RAX, 6));
/// asm.put(imul(RAX, RDI));
/// asm.put(ret());
/// let bytes = asm.finish()?;
/// assert_eq!(bytes.len(), 10);
/// # #[cfg(target_arch = "x86_64")] {
/// let code = Code::new(&bytes)?;
/// // SAFETY: the code is for this machine, and only uses registers that a function may change.
/// assert_eq!(unsafe { code.call(7) }, 42);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Assembler {
    code: Buffer,
    labels: Labels<Rel32>,
}

/// A 32-bit displacement, relative to the byte after it; the fixup is at its first byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rel32;

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

    /// An empty piece of code in memory that may be reused, with the given ranges.
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
        self.code.put(*inst.padded(), inst.len());
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

    /// Places no-op instructions until the offset in the code is a multiple of `bytes`.
    ///
    /// # Panics
    /// If `bytes` is not a power of two of at most 4096, the size of a page.
    pub fn align(&mut self, bytes: usize) {
        assert!(bytes.is_power_of_two() && bytes <= 4096, "code cannot be aligned to {bytes} bytes");
        const INDEX: Index = Index::new(RAX).expect("RAX is not the stack pointer");
        // The forms of NOP, the longest first.
        const FORMS: [(usize, Inst); 6] = [
            (9, x64::nop_mem(Mem::indexed(RAX, INDEX, Scale::X1, i32::MAX))),
            (8, x64::nop_mem(Mem::base(RAX, i32::MAX))),
            (6, x64::nop_mem(Mem::indexed(RAX, INDEX, Scale::X1, 1))),
            (5, x64::nop_mem(Mem::base(RAX, 1))),
            (4, x64::nop_mem(Mem::base(RAX, 0))),
            (1, x64::nop()),
        ];
        let mut rest = self.code.len().next_multiple_of(bytes) - self.code.len();
        while rest > 0 {
            let mut fitting = FORMS.iter().filter(|(size, _)| *size <= rest);
            let longest = fitting.clone().next();
            // As few as possible: 1 to 3 remaining bytes would take one instruction each.
            let best = fitting.find(|(size, _)| !matches!(rest - size, 1..4)).or(longest);
            let (size, nop) = best.expect("one form has a single byte");
            self.put(*nop);
            rest -= size;
        }
    }

    /// `JMP`: jumps to the label.
    pub fn jmp(&mut self, to: Label) {
        self.branch(None, Target::Label(to));
    }

    /// `Jcc`: jumps to the label if the condition holds.
    pub fn jcc(&mut self, cc: Cc, to: Label) {
        self.branch(Some(cc), Target::Label(to));
    }

    /// Binds the entry of a function to the next instruction.
    pub(super) fn bind_function(&mut self, function: u32) {
        self.labels.bind_function(function, self.code.len());
    }

    /// `CALL rel32`: calls a function.
    pub(super) fn call(&mut self, function: u32) {
        self.put(x64::call_rel32(0));
        self.labels.add_fixup(self.code.len() - 4, Target::Function(function), Rel32);
    }

    /// Jumps to the exit of a trap site.
    pub(super) fn exit(&mut self, site: Site) {
        self.branch(None, Target::Exit(site));
    }

    /// Jumps to the exit of a trap site if the condition holds.
    pub(super) fn exit_if(&mut self, cc: Cc, site: Site) {
        self.branch(Some(cc), Target::Exit(site));
    }

    /// `Jcc rel32` to rarely executed code, which is placed after all other code. The result identifies the branch.
    pub(super) fn branch_out_of_line(&mut self, cc: Cc) -> OutOfLine {
        self.put(x64::jcc_rel32(cc, 0));
        OutOfLine { from: self.code.len() }
    }

    /// Binds an out-of-line branch to the next instruction.
    pub(super) fn bind_out_of_line(&mut self, branch: OutOfLine) {
        let distance = self.code.len() - branch.from;
        self.code.bytes_mut()[branch.from - 4..branch.from].copy_from_slice(&(distance as u32).to_le_bytes());
    }

    /// `JMP rel32` back to an offset.
    pub(super) fn jump_back_to(&mut self, offset: usize) {
        // The cast may truncate, but code longer than 2 GiB is discarded.
        let distance = offset as i64 - (self.code.len() as i64 + 5);
        self.put(x64::jmp_rel32(distance as i32));
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
    /// [`OutOfRange`], if the code is longer than 2 GiB.
    ///
    /// # Panics
    /// If a label or a function was used and never bound.
    pub fn finish(self) -> Result<Vec<u8>, OutOfRange> {
        self.labels.resolve(self.code.finish(), patch)
    }

    fn branch(&mut self, cc: Option<Cc>, target: Target) {
        let here = self.code.len();
        if let Some(to) = self.labels.offset(target) {
            // The displacement is relative to the end of the instruction, whose short form has two bytes.
            let distance = to as i64 - (here as i64 + 2);
            if let Some(rel) = i8::try_from(distance).ok().filter(|_| self.labels.is_short(distance)) {
                self.put(match cc {
                    Some(cc) => x64::jcc_rel8(cc, rel),
                    None => x64::jmp_rel8(rel),
                });
                return;
            }
        }
        self.put(match cc {
            Some(cc) => x64::jcc_rel32(cc, 0),
            None => x64::jmp_rel32(0),
        });
        self.labels.add_fixup(self.code.len() - 4, target, Rel32);
    }
}

/// A branch to out-of-line code that is not yet emitted, identified by the offset after the branch.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutOfLine {
    from: usize,
}

/// Writes the displacement of a waiting branch. It always fits, because code is never longer than 2 GiB.
fn patch(code: &mut [u8], fixup: Fixup<Rel32>, distance: i64, _ranges: &Tuning) -> bool {
    let rel = i32::try_from(distance - 4).expect("code is at most 2 GiB long");
    code[fixup.at..fixup.at + 4].copy_from_slice(&rel.to_le_bytes());
    true
}
