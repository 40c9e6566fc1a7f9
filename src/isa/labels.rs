//! The offsets of labels and functions, and the branches and calls that wait for them, for both instruction sets.

use super::{Forms, MAX_CODE_BYTES, OutOfRange, Reach, Tuning};
use crate::lir::{Label, Site};

/// The offset of a label or a function that is not yet bound.
const UNBOUND: u32 = u32::MAX;

/// The most labels that may be skipped when one is bound. Only labels of open bodies are skipped, a few for each of at
/// most a thousand bodies. A number far beyond that is a bug, and would make the table huge.
const LARGEST_GAP: usize = 1 << 16;

/// The target of a branch or a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Label(Label),
    /// The entry of a function.
    Function(u32),
    /// The exit of a trap site.
    Exit(Site),
    /// The same, once it is bound to this offset.
    ExitAt(u32),
}

/// A branch that waits for its target; `K` is the encoding of its displacement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixup<K> {
    pub at: usize,
    pub target: Target,
    pub kind: K,
}

#[derive(Debug)]
pub(super) struct Labels<K> {
    offsets: Vec<u32>,
    next: u32,
    /// The offset of each function. Any call can name any function, so the numbers may have gaps until all are bound.
    functions: Vec<u32>,
    fixups: Vec<Fixup<K>>,
    /// The index of the first fixup whose exit may not be bound.
    unbound_exits: usize,
    pub forms: Forms,
    pub short_range: i64,
    pub near_range: i64,
}

impl<K: Copy> Labels<K> {
    pub fn new(tuning: &Tuning, forms: Forms) -> Labels<K> {
        Labels {
            // Most small programs need no more, and growing an empty table twice takes longer than resolving their branches.
            offsets: Vec::with_capacity(16),
            next: 0,
            functions: Vec::new(),
            fixups: Vec::with_capacity(16),
            unbound_exits: 0,
            forms,
            short_range: tuning.short_range,
            near_range: tuning.near_range,
        }
    }

    /// A new label.
    pub fn create(&mut self) -> Label {
        self.next += 1;
        Label(self.next - 1)
    }

    /// Binds the label to this offset.
    ///
    /// # Panics
    /// If the label is bound already, or its number is more than 65,536 above those of all bound labels.
    #[inline]
    pub fn bind(&mut self, label: Label, offset: usize) {
        let index = label.0 as usize;
        if index >= self.offsets.len() {
            self.skip_to(index);
        }
        assert_eq!(self.offsets[index], UNBOUND, "label {} is bound twice", label.0);
        self.offsets[index] = offset as u32;
    }

    /// Extends the table to this label.
    fn skip_to(&mut self, index: usize) {
        assert!(index - self.offsets.len() <= LARGEST_GAP, "label {index} leaves a gap in the numbers");
        self.offsets.resize(index + 1, UNBOUND);
        self.next = self.next.max(index as u32 + 1);
    }

    /// Binds a function's entry to this offset. The table gets as long as the number; the caller knows how many functions there
    /// are.
    ///
    /// # Panics
    /// If the function is bound already.
    pub fn bind_function(&mut self, function: u32, offset: usize) {
        let index = function as usize;
        if index >= self.functions.len() {
            self.functions.resize(index + 1, UNBOUND);
        }
        assert_eq!(self.functions[index], UNBOUND, "function {function} is bound twice");
        self.functions[index] = offset as u32;
    }

    /// The target's offset, if it is bound. Exits are never bound.
    #[inline]
    pub fn offset(&self, target: Target) -> Option<usize> {
        let offset = match target {
            Target::Label(label) => self.offsets.get(label.0 as usize),
            Target::Function(function) => self.functions.get(function as usize),
            Target::Exit(_) | Target::ExitAt(_) => None,
        };
        offset.filter(|offset| **offset != UNBOUND).map(|offset| *offset as usize)
    }

    /// The form of a branch to a target that is not yet bound.
    pub fn form(&self, target: Target) -> Reach {
        match target {
            Target::Label(_) => self.forms.labels,
            Target::Function(_) => self.forms.calls,
            Target::Exit(_) | Target::ExitAt(_) => self.forms.exits,
        }
    }

    /// Whether tuning allows the short form for a branch over `distance` bytes.
    pub fn is_short(&self, distance: i64) -> bool {
        distance.abs() <= self.short_range
    }

    /// The same for the next longer form.
    pub fn is_near(&self, distance: i64) -> bool {
        distance.abs() <= self.near_range
    }

    #[inline]
    pub fn add_fixup(&mut self, at: usize, target: Target, kind: K) {
        self.fixups.push(Fixup { at, target, kind });
    }

    /// Whether a branch to a trap site waits for its exit.
    pub fn needs_exit(&self) -> bool {
        self.fixups[self.unbound_exits..].iter().any(|fixup| matches!(fixup.target, Target::Exit(_)))
    }

    /// Binds the exit for the next branch to a trap site to this offset. Returns the site; `None` if there is no such branch.
    pub fn bind_exit(&mut self, offset: usize) -> Option<Site> {
        while let Some(fixup) = self.fixups.get_mut(self.unbound_exits) {
            self.unbound_exits += 1;
            if let Target::Exit(site) = fixup.target {
                fixup.target = Target::ExitAt(offset as u32);
                return Some(site);
            }
        }
        None
    }

    /// Resolves every branch that waits for its target: `patch` writes a displacement and returns whether it fits.
    ///
    /// # Panics
    /// If a label, a function or an exit was used and never bound.
    pub fn resolve(
        self,
        mut code: Vec<u8>,
        patch: impl Fn(&mut [u8], Fixup<K>, i64, &Tuning) -> bool,
    ) -> Result<Vec<u8>, OutOfRange> {
        if code.len() > MAX_CODE_BYTES {
            return Err(OutOfRange { next: None, memory: code });
        }
        let ranges = Tuning { short_range: self.short_range, near_range: self.near_range, ..Tuning::default() };
        let mut failed = None;
        for &fixup in &self.fixups {
            let to = match fixup.target {
                Target::Label(Label(label)) => {
                    self.offset(fixup.target).unwrap_or_else(|| panic!("label {label} is never bound"))
                }
                Target::Function(function) => {
                    self.offset(fixup.target).unwrap_or_else(|| panic!("function {function} is never bound"))
                }
                Target::Exit(Site(site)) => panic!("the exit of site {site} is never bound"),
                Target::ExitAt(offset) => offset as usize,
            };
            if !patch(&mut code, fixup, to as i64 - fixup.at as i64, &ranges) {
                let forms = failed.get_or_insert(self.forms);
                match fixup.target {
                    Target::Label(_) => forms.labels = longer(self.forms.labels),
                    // Calls have no form between the shortest and the longest.
                    Target::Function(_) => forms.calls = Reach::Far,
                    Target::Exit(_) | Target::ExitAt(_) => forms.exits = longer(self.forms.exits),
                }
            }
        }
        match failed {
            None => Ok(code),
            Some(forms) => Err(OutOfRange { next: Some(forms), memory: code }),
        }
    }
}

fn longer(reach: Reach) -> Reach {
    match reach {
        Reach::Short => Reach::Near,
        Reach::Near | Reach::Far => Reach::Far,
    }
}
