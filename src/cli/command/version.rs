//! `lhprov version`.

use crate::cli::args::VersionArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::report::console::Console;
use crate::report::json::{events, plan};
use crate::state::codec;
use serde_json::json;

/// Prints the version, and for programs those of the formats as well.
pub fn run(own: &VersionArgs, console: Console) -> Result<Exit, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let text = match own.format.is_json() {
        true => {
            let formats = json!({
                "manifest": 1, "state": codec::FORMAT, "plan": plan::FORMAT_VERSION, "events": events::VERSION,
            });
            format!("{:#}\n", json!({"name": "lhprov", "version": version, "formats": formats}))
        }
        false => format!("lhprov {version}\n"),
    };
    console.result(&text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}
