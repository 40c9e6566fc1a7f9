//! The `jitduel` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    jitduel::cli::main()
}
