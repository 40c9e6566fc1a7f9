//! The assemblers and emitters of both instruction sets. `emitters` limits the memory of the whole process, so nothing that
//! needs more belongs here.

mod emitters;
mod encode_aarch64;
mod encode_x86_64;
