//! `lhprov version`.

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::report::console::Console;

/// Prints the version.
pub fn run(console: Console) -> Result<Exit, Failure> {
    let text = concat!("lhprov ", env!("CARGO_PKG_VERSION"), "\n");
    console.result(text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}
