//! Other people's compilers as engines beside ours: what their work on the same programs takes, and one more opinion for the
//! oracle. They are built with the feature `peers` alone.

pub mod cranelift;
