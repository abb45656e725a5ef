//! `lhprov render`: the manifest as it is understood.

use crate::cli::args::{Global, RenderArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::load;
use crate::desired;
use crate::report::console::Console;

/// Prints the expanded manifest.
pub fn run(global: &Global, _own: &RenderArgs, console: Console) -> Result<Exit, Failure> {
    let loaded = load::load(global, console)?;
    console.result(&desired::render(&loaded.desired)).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}
