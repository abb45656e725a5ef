//! `lhprov man`: the manual, from the same definition as `--help`.

use crate::cli::args::{self, ManArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::report::console::Console;
use clap_mangen::Man;
use std::path::Path;

/// Prints the page of `lhprov`, or writes a page for each command into a folder.
pub fn run(own: &ManArgs, console: Console) -> Result<Exit, Failure> {
    let mut definition = args::definition().disable_help_subcommand(true);
    definition.build();
    if let Some(folder) = &own.out {
        let failed =
            |error| Failure::new(Exit::Error, format!("failed to write manual pages to {}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let number = write_all(&definition, folder).map_err(failed)?;
        let text = format!("{number} manual pages are in {}.\n", folder.display());
        console.result(&text).map_err(|error| Failure::output(&error))?;
        return Ok(Exit::Done);
    }
    let text = page(definition).map_err(|error| Failure::output(&error))?;
    console.result(&text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}

fn page(definition: clap::Command) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    man(definition).render(&mut bytes)?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

fn man(definition: clap::Command) -> Man {
    Man::new(definition).source(concat!("lhprov ", env!("CARGO_PKG_VERSION"))).manual("lhprov")
}

/// Writes the page of a command and of all below it; how many.
fn write_all(definition: &clap::Command, folder: &Path) -> std::io::Result<usize> {
    man(definition.clone()).generate_to(folder)?;
    let mut number = 1;
    for inner in definition.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        number += write_all(inner, folder)?;
    }
    Ok(number)
}
