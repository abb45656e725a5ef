//! `lhprov validate`: is the manifest right, as far as it alone can tell?

use crate::cli::args::{Global, ValidateArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::github;
use crate::cli::load;
use crate::report::console::Console;
use crate::report::json::plan::one_diagnostic;
use crate::report::text::count;
use serde_json::{Value, json};

/// Checks the manifest.
pub fn run(global: &Global, own: &ValidateArgs, console: Console) -> Result<Exit, Failure> {
    if own.format.is_json() {
        return for_programs(global, console);
    }
    let loaded = load::load(global, console)?;
    let text = format!(
        "The manifest is valid: stack `{}`, {} in {}{}.\n",
        loaded.desired.stack,
        count(loaded.desired.instances.len(), "instance"),
        loaded.desired.region,
        [
            (loaded.desired.variables.len(), "variable"),
            (loaded.desired.outputs.len(), "output"),
            (loaded.desired.moves.moved.len(), "move"),
            (loaded.desired.moves.forget.len(), "address to forget"),
        ]
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!(", {}", counted(*number, what)))
        .collect::<String>()
    );
    console.result(&text).map_err(|error| Failure::output(&error))?;
    // The process ends here. To give the memory of a large fleet back piece by piece would take as long as to expand it.
    std::mem::forget(loaded);
    Ok(Exit::Done)
}

fn counted(number: usize, what: &str) -> String {
    match what {
        "address to forget" if number > 1 => format!("{number} addresses to forget"),
        what => count(number, what),
    }
}

fn for_programs(global: &Global, console: Console) -> Result<Exit, Failure> {
    let (desired, sources, diagnostics) = load::read(global);
    github::annotate(&diagnostics, &sources, console);
    let problems: Vec<Value> = diagnostics.sorted().iter().map(|d| one_diagnostic(d, &sources)).collect();
    let document = json!({
        "format_version": "1.0",
        "valid": desired.is_some(),
        "instances": desired.as_ref().map(|desired| desired.instances.len()),
        "variables": desired.as_ref().map(|desired| json!(desired.variables)),
        "outputs": desired.as_ref().map(|desired| desired.outputs.keys().collect::<Vec<_>>()),
        "diagnostics": problems,
    });
    console.result(&format!("{document}\n")).map_err(|error| Failure::output(&error))?;
    Ok(if desired.is_some() { Exit::Done } else { Exit::Error })
}
