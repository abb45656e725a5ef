//! `lhprov schema`: what editors and programs may rely on.

use crate::cli::args::{SchemaArgs, SchemaOf};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::manifest::json_schema;
use crate::report::console::Console;
use crate::report::json::schema;
use crate::state::codec;

/// Prints a schema.
pub fn run(own: &SchemaArgs, console: Console) -> Result<Exit, Failure> {
    let schema = match own.of {
        SchemaOf::Manifest => json_schema::schema(),
        SchemaOf::Plan => schema::plan(),
        SchemaOf::State => codec::schema(),
        SchemaOf::Event => schema::event(),
    };
    console.result(&format!("{schema:#}\n")).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}
