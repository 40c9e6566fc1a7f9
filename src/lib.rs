//! jitduel sets a just-in-time compiler against an interpreter on a small stack language, and proves at every step
//! that they agree.
//!
//! This page is the map of the crate. The language is defined in `docs/LANGUAGE.md`.
//!
//! # One way through
//!
//! ```text
//! text ── lang::parse ──> Ast ── lang::verify ──> Program ── bytecode::lower ──> Bytecode
//!                          │                                                        │
//!                    interp::tree                                      ┌────────────┼────────────┐
//!                    (the referee)                              interp::bytecode jit::lower  regs::lower
//!                                                                                   │            │
//!                                                                         jit::peephole          │
//!                                                                                   └── LIR ─────┤
//!                                                          isa::{aarch64, x86_64}::Emitter ──> machine code
//!                                                                       exec: write, seal, call
//! every engine ──> Outcome ──> oracle (all equal?) ──> cli
//! ```
//!
//! # Rooms
//!
//! | room | holds |
//! | --- | --- |
//! | [`files`] | files that appear whole or not at all |
//! | `host_stack` | room on the host's stack for walks of nested bodies |
//! | [`parallel_moves`] | registers that take their new values all at once, one instruction at a time |
//! | [`lir`] | the machine-like operations between the tiers and the instruction sets, as a stream |
//! | [`lang`] | the table of words, the tree, parser, verifier, printer, diagnostics |
//! | [`outcome`] | how a run ends: the whole stack, or a trap with its place |
//! | [`corpus`] | the cases that programs carry in their comments |
//! | [`export`] | a program as C or as Forth, for compilers that know nothing of ours |
//! | [`isa`] | AArch64 and x86-64 as twin rooms: registers, encoder, assembler, emitter |
//! | [`exec`] | executable memory, the data stack, the call into generated code, forked children: all system calls |
//! | [`bytecode`] | flat code in which every check that remains is an operation of its own |
//! | [`engine`] | what an engine is: prepare a program, then run it any number of times |
//! | [`interp`] | `tree`, the naive referee, and `bytecode`, the fast interpreter |
//! | [`jit`] | the baseline tier: lowering to LIR, the peephole pass |
//! | [`regs`] | the register tier: an abstract stack of registers and constants, in one pass |
//! | `peers` | compilers and interpreters of others as engines, with the feature of that name |
//! | [`tiers`] | from bytecode to code that runs, whichever tier makes the LIR: the pipeline, and all switches |
//! | [`registry`] | the engines by name |
//! | [`generate`] | random programs: over the whole language, loop-heavy, and with a fault |
//! | [`oracle`] | the same program on every engine |
//! | [`mod@bench`] | the harness: workloads, and what may be concluded from times |
//! | [`report`] | what was measured, as one page of HTML and as Markdown |
//! | [`cli`] | the command line, one file a verb |
//!
//! A room imports only rooms that stand above it here, and never in a circle; a test reads the imports. [`isa`] and [`exec`] know nothing of
//! the language. Unsafe code stands in [`exec`], in [`interp::bytecode`] and in its handlers alone; [`tiers`], and
//! Cranelift as a peer, only vouch for the code that they compiled.
//!
//! # What is absent
//!
//! There is no tier that sees a program twice to improve it, no garbage collector, no call from generated code
//! into the runtime: what can go wrong leaves through a trap exit. There is no type of value but the 64-bit integer.
//!
//! # Run a program
//!
//! ```
//! use jitduel::engine::{NoClock, Options, outcome};
//! use jitduel::exec::Stack;
//! use jitduel::lang::{Source, load};
//! use jitduel::outcome::Outcome;
//! use jitduel::registry;
//!
//! let source = Source::new("example", "1 swap times 2 * end");
//! let program = load(&source, 1)?;
//! let options = Options::default();
//! let mut stack = Stack::new(options.stack_limit)?;
//! for name in ["tree", registry::fastest()] {
//!     let mut engine = registry::engine(name).expect("both exist");
//!     let mut prepared = engine.prepare(&program, &options, &mut NoClock)?;
//!     assert_eq!(outcome(&mut *prepared, &[10], None, &mut stack), Outcome::Done(vec![1024]));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bench;
pub mod bytecode;
pub mod cli;
pub mod corpus;
pub mod engine;
pub mod exec;
pub mod export;
pub mod files;
pub mod generate;
mod host_stack;
pub mod interp;
pub mod isa;
pub mod jit;
pub mod lang;
pub mod lir;
pub mod oracle;
pub mod outcome;
pub mod parallel_moves;
#[cfg(feature = "peers")]
pub mod peers;
pub mod registry;
pub mod regs;
pub mod report;
pub mod tiers;
