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
    let text = page(&Man::new(definition)).map_err(|error| Failure::output(&error))?;
    console.result(&text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}

/// Writes the page of a command and of all below it; how many.
fn write_all(definition: &clap::Command, folder: &Path) -> std::io::Result<usize> {
    let man = Man::new(definition.clone());
    std::fs::write(folder.join(man.get_filename()), page(&man)?)?;
    let mut number = 1;
    for inner in definition.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        number += write_all(inner, folder)?;
    }
    Ok(number)
}

/// A page as every reader of manual pages takes it.
fn page(man: &Man) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    man.render(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(std::io::Error::other)?;
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(text.len());
    for (at, line) in lines.iter().enumerate() {
        let beside = |place: Option<usize>| {
            place.and_then(|place| lines.get(place)).is_some_and(|line| matches!(*line, "" | ".sp"))
        };
        if *line == ".br" && (beside(at.checked_sub(1)) || beside(Some(at + 1))) {
            // A break beside a blank line is one too many.
            continue;
        }
        match line.strip_prefix(".TH ").and_then(|title| title.split(' ').next()) {
            // Without a date, so that one version makes the same bytes on every day; an empty one has to be in quotes.
            Some(title) => {
                out.push_str(&format!(".TH {title} 1 \"\" \"lhprov {}\" \"lhprov\"", env!("CARGO_PKG_VERSION")));
            }
            None => out.push_str(line),
        }
        out.push('\n');
    }
    Ok(out)
}
