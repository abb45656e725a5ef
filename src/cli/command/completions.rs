//! `lhprov completions`, and `lhprov __complete` for its scripts.

use crate::cli::args::{CompleteArgs, CompletionsArgs};
use crate::cli::completions;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::report::console::Console;

/// Prints the script of a shell.
pub fn run(own: &CompletionsArgs, console: Console) -> Result<Exit, Failure> {
    console.result(completions::script(own.shell)).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}

/// Prints what could stand at the cursor.
pub fn complete(own: &CompleteArgs, console: Console) -> Result<Exit, Failure> {
    console.result(&completions::complete(own)).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}
