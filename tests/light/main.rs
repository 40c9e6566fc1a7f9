//! The tests that find most bugs in the least time. cargo-mutants runs them for each mutant.

#[path = "../binary/mod.rs"]
mod binary;

mod contract;
mod corpus;
mod golden;
mod random_programs;
