//! The parts that compute the same on every host: the front end, the verifier, the generator, and the work of compiling.

#[path = "../binary/mod.rs"]
mod binary;

mod definition;
mod front_end;
mod generate;
mod hints;
mod let_language;
mod linear;
mod verifier;
