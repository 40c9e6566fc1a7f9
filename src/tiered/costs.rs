//! The constants from which `tiered` computes when compiling pays.

/// What compiling and executing cost, in nanoseconds. Only the ratios matter. `cargo bench --bench costs` measures them on the machine
/// at hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// Compiling anything at all: selecting the unit, and making the code executable.
    pub compile: f64,
    /// Compiling one operation of the bytecode.
    pub compile_operation: f64,
    /// Executing one operation in the interpreter.
    pub interpreted_operation: f64,
    /// Executing one operation as machine code.
    pub compiled_operation: f64,
}

impl Costs {
    /// Measured on the machine that docs/RESULTS.md describes.
    pub const MEASURED: Costs =
        Costs { compile: 3070.0, compile_operation: 132.0, interpreted_operation: 0.559, compiled_operation: 0.119 };

    /// Costs with which nothing is ever compiled, although all work is noted. For measuring what that costs.
    pub const FORBIDDING: Costs = Costs { compile: f64::INFINITY, ..Costs::MEASURED };

    /// Costs with which little work is enough. For tests of the machinery.
    pub const EAGER: Costs =
        Costs { compile: 10.0, compile_operation: 1.0, interpreted_operation: 2.0, compiled_operation: 1.0 };

    /// The number of operations that an interpreter executes until compiling `length` operations would have paid: their machine code
    /// would have saved as much time as it takes to compile them.
    pub fn break_even(&self, length: usize) -> i64 {
        let cost = self.compile + self.compile_operation * length as f64;
        let saved = (self.interpreted_operation - self.compiled_operation).max(1e-3);
        // A conversion from a float saturates.
        ((cost / saved) as i64).clamp(1, i64::MAX / 4)
    }
}
