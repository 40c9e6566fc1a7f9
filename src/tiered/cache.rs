//! The code cache: programs that were prepared before, with all that was compiled of them since.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use super::Threshold;
use super::program::TieredProgram;
use crate::engine::{Options, Task};
use crate::lang::Program;

/// A cache of prepared programs. The caller owns it, and any number of engines may share it. A program is found only if it was prepared
/// from an equal tree for the same number of inputs, with the same options and threshold.
pub struct Cache {
    /// The greatest number of bytes of [`TieredProgram::bytes`].
    capacity: usize,
    entries: Vec<Entry>,
    /// The number of searches so far.
    now: u64,
    counts: CacheCounts,
}

/// A cache that several engines share.
pub type SharedCache = Rc<RefCell<Cache>>;

/// What a cache has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Programs that were found.
    pub hits: u64,
    /// Programs that were not found.
    pub misses: u64,
    /// Programs that were removed to make room.
    pub evictions: u64,
}

/// What a program was prepared from.
#[derive(Clone)]
struct Key {
    hash: u64,
    program: Program,
    options: Options,
    threshold: Threshold,
}

struct Entry {
    key: Key,
    prepared: Rc<RefCell<TieredProgram>>,
    /// When it was last found or added.
    used: u64,
}

impl Key {
    fn of(task: &Task, threshold: Threshold) -> Key {
        let (program, options) = (task.program().clone(), *task.options());
        let mut hasher = DefaultHasher::new();
        // Most programs differ in these. Equality decides.
        (program.ast().nodes().len(), program.inputs(), options.metered, options.stack_limit).hash(&mut hasher);
        for node in program.ast().nodes().iter().take(1_000) {
            (node.span.start, std::mem::discriminant(&node.kind)).hash(&mut hasher);
        }
        Key { hash: hasher.finish(), program, options, threshold }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        let Key { hash, program, options, threshold } = other;
        self.hash == *hash
            && self.options == *options
            && self.threshold == *threshold
            && self.program.inputs() == program.inputs()
            && (Arc::ptr_eq(self.program.ast(), program.ast()) || self.program.ast() == program.ast())
    }
}

impl Cache {
    /// An empty cache. Programs are removed, the least recently used first, until the others have at most `capacity` bytes of
    /// bytecode, interpreter's code and machine code, about. Their trees do not count. A program that is in use is never removed.
    pub fn new(capacity: usize) -> Cache {
        Cache { capacity, entries: Vec::new(), now: 0, counts: CacheCounts::default() }
    }

    /// What it has done so far.
    pub fn counts(&self) -> CacheCounts {
        self.counts
    }

    /// The number of programs in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The program of a task as it was prepared before, or as `prepare` prepares it now.
    ///
    /// # Errors
    /// That of `prepare`.
    pub(super) fn find_or_prepare<E>(
        &mut self,
        task: &Task,
        threshold: Threshold,
        prepare: impl FnOnce() -> Result<TieredProgram, E>,
    ) -> Result<Rc<RefCell<TieredProgram>>, E> {
        let key = Key::of(task, threshold);
        self.now += 1;
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.key == key) {
            entry.used = self.now;
            self.counts.hits += 1;
            return Ok(Rc::clone(&entry.prepared));
        }
        self.counts.misses += 1;
        let prepared = Rc::new(RefCell::new(prepare()?));
        self.entries.push(Entry { key, prepared: Rc::clone(&prepared), used: self.now });
        self.make_room();
        Ok(prepared)
    }

    /// Removes programs until the others fit. What is compiled during a run counts from the next call on.
    fn make_room(&mut self) {
        let bytes = |entry: &Entry| entry.prepared.try_borrow().map_or(0, |program| program.bytes());
        let mut all: usize = self.entries.iter().map(bytes).sum();
        while all > self.capacity {
            let unused = self.entries.iter().enumerate().filter(|(_, entry)| Rc::strong_count(&entry.prepared) == 1);
            let Some((index, _)) = unused.min_by_key(|(_, entry)| entry.used) else { return };
            let removed = self.entries.swap_remove(index);
            all -= bytes(&removed);
            self.counts.evictions += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, NoClock, Prepared};
    use crate::lang::{Source, load};
    use crate::tiered::{Costs, Tiered};

    fn program(text: &str, inputs: usize) -> Program {
        load(&Source::new("test", text), inputs).expect("it is a program")
    }

    /// Every option and setting is varied. Each variation must be prepared anew, once.
    #[test]
    fn a_hit_requires_equality_of_everything() {
        let cache = SharedCache::new(RefCell::new(Cache::new(usize::MAX)));
        let costs = |compile| Threshold::BreakEven(Costs { interpreted_long: compile, ..Costs::MEASURED });
        let thresholds =
            [costs(1.0), costs(2.0), Threshold::At(0), Threshold::At(1), Threshold::At(2), Threshold::Never];
        let default = Options::default();
        let options = [
            default,
            Options { metered: true, ..default },
            Options { stack_limit: default.stack_limit - 1, ..default },
            Options { call_limit: default.call_limit - 1, ..default },
        ];
        // The last text differs from the first in nothing but the places of its words.
        let programs = [
            program("1 swap times 2 * end", 1),
            program("1 swap times 2 * end", 2),
            program("1 swap times 3 * end", 1),
            program("1 swap  times 2 * end", 1),
        ];
        let mut kinds = 0;
        for round in 0..2 {
            for threshold in thresholds {
                let mut engine = Tiered::new("tiered", threshold).with_cache(Rc::clone(&cache));
                for options in &options {
                    for program in &programs {
                        engine.prepare(program, options, &mut NoClock).expect("it can be prepared");
                        kinds += 1 - round;
                        let counts = cache.borrow().counts();
                        assert_eq!((counts.misses, counts.evictions), (kinds, 0), "{threshold:?} {options:?}");
                    }
                }
            }
        }
        assert_eq!(cache.borrow().counts().hits, kinds);
        assert_eq!(cache.borrow().len() as u64, kinds);
    }

    /// An equal text that was parsed again is the same program, and finds what was compiled for the first.
    #[test]
    fn a_program_that_was_parsed_again_is_found() {
        let cache = SharedCache::new(RefCell::new(Cache::new(usize::MAX)));
        let mut engine = Tiered::new("tiered", Threshold::At(1)).with_cache(Rc::clone(&cache));
        let mut code = Vec::new();
        for _ in 0..2 {
            let program = program("0 swap times 1 + end", 1);
            let mut prepared = engine.prepare(&program, &Options::default(), &mut NoClock).expect("memory");
            code.push(prepared.code_bytes());
            let mut stack = crate::exec::Store::new(Options::default().stack_limit).expect("memory");
            prepared.run(&[10], None, &mut stack).expect("it does not trap");
            assert_eq!(stack.values(), [10]);
        }
        let can_compile = crate::tiers::support().is_ok();
        assert_eq!((code[0], code[1] > Some(0)), (Some(0), can_compile));
        assert_eq!(cache.borrow().counts(), CacheCounts { hits: 1, misses: 1, evictions: 0 });
    }

    #[test]
    fn the_least_recently_used_program_is_removed_unless_it_is_in_use() {
        let programs: Vec<Program> = (0..4).map(|value| program(&format!("{value} dup +"), 0)).collect();
        let size = {
            let (engine, options) = (Tiered::new("tiered", Threshold::Never), Options::default());
            let task = Task::new(&programs[0], &options);
            engine.prepare_tiered(&task, &mut NoClock).expect("memory").bytes()
        };
        let cache = SharedCache::new(RefCell::new(Cache::new(2 * size)));
        let mut engine = Tiered::new("tiered", Threshold::Never).with_cache(Rc::clone(&cache));
        let mut prepare = |index: usize| -> Box<dyn Prepared> {
            engine.prepare(&programs[index], &Options::default(), &mut NoClock).expect("memory")
        };
        let counts = |hits, misses, evictions| CacheCounts { hits, misses, evictions };
        let first = prepare(0);
        prepare(1);
        assert_eq!(cache.borrow().counts(), counts(0, 2, 0));
        // The first program is older, but in use.
        prepare(2);
        assert_eq!(cache.borrow().counts(), counts(0, 3, 1));
        prepare(0);
        assert_eq!(cache.borrow().counts(), counts(1, 3, 1));
        prepare(1);
        assert_eq!(cache.borrow().counts(), counts(1, 4, 2));
        drop(first);
        prepare(3);
        assert_eq!((cache.borrow().counts(), cache.borrow().len()), (counts(1, 5, 3), 2));
        // A cache without room keeps what is in use, and nothing else.
        let none = SharedCache::new(RefCell::new(Cache::new(0)));
        let mut engine = Tiered::new("tiered", Threshold::Never).with_cache(Rc::clone(&none));
        let kept = engine.prepare(&programs[0], &Options::default(), &mut NoClock).expect("memory");
        assert_eq!(none.borrow().len(), 1);
        drop(kept);
        engine.prepare(&programs[1], &Options::default(), &mut NoClock).expect("memory");
        assert_eq!((none.borrow().len(), none.borrow().counts()), (1, counts(0, 2, 1)));
    }
}
