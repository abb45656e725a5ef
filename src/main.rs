//! The command `lhprov`. Everything else is in the library.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A large fleet is many small texts; src/ARCHITECTURE.md has what this one gains and costs.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    lhprov::cli::run()
}
