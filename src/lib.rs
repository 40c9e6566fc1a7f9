//! jitduel compares just-in-time compilers with interpreters on a small stack language. It checks that all of them
//! produce identical results.
//!
//! This page is the map of the crate. `docs/LANGUAGE.md` defines the language.
//!
//! # The data flow
//!
//! An *engine* is an interpreter or a compiler that runs programs of the language. The arrows show how an engine gets
//! from a program's text to its outcome:
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
//! # Modules
//!
//! | module | contents |
//! | --- | --- |
//! | [`files`] | writes files completely or not at all |
//! | `host_stack` | ensures space on the host's stack for recursion over nested bodies |
//! | `plural` | formats a number with its noun in messages |
//! | [`parallel_moves`] | resolves a parallel move into a sequence of single instructions |
//! | [`lir`] | the machine-like operations that the tiers emit and the instruction sets encode |
//! | [`lang`] | the table of words, the syntax tree, parser, verifier, printer, diagnostics |
//! | [`outcome`] | the result of a run: the whole stack, or a trap with its location |
//! | [`letlang`] | the let language: parser, names, the compiler to the syntax tree of the stack language, and a referee of its own |
//! | [`front`] | the front ends behind one door: a text in any language to a verified program |
//! | [`corpus`] | the test cases in the comments of programs |
//! | [`export`] | translates a program to C or Forth, for compilers from other projects |
//! | [`isa`] | AArch64 and x86-64, in modules of the same structure: registers, encoder, assembler, emitter |
//! | [`exec`] | all system calls: executable memory, the stacks and the memory of programs, the call into generated code, forked children, commands |
//! | [`bytecode`] | flat code in which every check that the verifier left is a separate operation |
//! | [`engine`] | the interface of an engine: prepare a program, then run it any number of times |
//! | [`interp`] | `tree`, the deliberately simple referee, `bytecode`, the fast interpreter, and one that needs no preparation |
//! | [`jit`] | the baseline tier: lowering to LIR, the peephole pass |
//! | [`regs`] | the register tier: one pass with an abstract stack of registers and constants |
//! | [`ssa`] | the optimizing tier: static single assignment form, passes, register allocation |
//! | `peers` | compilers and interpreters from other projects as engines, and a register allocator, with the feature `peers` |
//! | [`tiers`] | the pipeline from bytecode to executable code for every tier, and all its switches |
//! | [`tiered`] | begins in an interpreter or in machine code, and continues in machine code when a loop or a call is hot |
//! | [`registry`] | the engines by name |
//! | [`generate`] | generates random programs: over the whole language, with many loops, or with a fault |
//! | [`oracle`] | runs the same program on every engine and compares the outcomes |
//! | [`mod@bench`] | the benchmark harness: workloads, and the statistics of measured times |
//! | [`report`] | all measurements as one HTML page and as Markdown |
//! | [`cli`] | the command line, one file per verb |
//!
//! A module imports only modules above it in this table, so there are no import cycles. A test checks the imports.
//! [`isa`] and [`exec`] do not depend on the language.
//!
//! Unsafe code is in [`exec`], in the interpreters [`interp::bytecode`] and [`interp::switch`], and in [`tiered`], which hands the state of
//! one engine to another. Besides these, [`tiers`] and the Cranelift peer each have an unsafe block that vouches for the code that
//! they compiled.
//!
//! # What is absent
//!
//! There is no garbage collector. Generated code never calls into the
//! runtime: if a check fails, it leaves through a trap exit. The 64-bit integer is the only type of value.
//!
//! # Run a program
//!
//! This example computes 2^10 on the referee and on the fastest engine:
//!
//! ```
//! use jitduel::engine::{NoClock, Options, outcome};
//! use jitduel::exec::Store;
//! use jitduel::lang::{Source, load};
//! use jitduel::outcome::Outcome;
//! use jitduel::registry;
//!
//! let source = Source::new("example", "1 swap times 2 * end");
//! let program = load(&source, 1)?;
//! let options = Options::default();
//! let mut stack = Store::new(options.stack_limit)?;
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
pub mod front;
pub mod generate;
mod host_stack;
pub mod interp;
pub mod isa;
pub mod jit;
pub mod lang;
pub mod letlang;
pub mod lir;
pub mod oracle;
pub mod outcome;
pub mod parallel_moves;
#[cfg(feature = "peers")]
pub mod peers;
mod plural;
pub mod registry;
pub mod regs;
pub mod report;
pub mod ssa;
pub mod tiered;
pub mod tiers;
