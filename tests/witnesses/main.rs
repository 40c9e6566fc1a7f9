//! Programs from other projects that judge the same programs: gcc and gforth on exported code, gcc on let programs, and the peers.

#[path = "../binary/mod.rs"]
mod binary;

mod commands;
mod let_to_c;
mod let_witness;
mod peers;
mod witness;
