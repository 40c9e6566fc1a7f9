//! Programs from other projects that judge the same programs: gcc and gforth on exported code, and the peers.

#[path = "../binary/mod.rs"]
mod binary;

mod peers;
mod witness;
