//! The calibration kernel: a fixed amount of ordinary work that makes times from different days comparable. Like the
//! engines' code, it mixes dependent arithmetic, branches, and loads and stores of a small table.

use std::hint::black_box;

/// Iterations of one run.
const ITERATIONS: u64 = 20_000;

/// Runs the kernel once.
pub fn run() {
    let mut table = [1_u64; 64];
    let mut state = black_box(0x9e37_79b9_7f4a_7c15_u64);
    for iteration in 0..ITERATIONS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let slot = (state & 63) as usize;
        table[slot] = table[slot].wrapping_mul(state | 1).wrapping_add(iteration);
        if table[slot] & 3 == 0 {
            state = state.wrapping_add(table[(slot + 1) & 63]);
        }
    }
    black_box((state, table));
}
