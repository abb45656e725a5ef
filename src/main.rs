//! The command `lhprov`. Everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    lhprov::cli::run()
}
